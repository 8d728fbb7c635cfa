"""What is said of a position that has come to its end.

Flows in: a trip, and the instrument that it was of. Flows out: fields of PositionClosed. Never counts anything.
"""

from __future__ import annotations

from typing import Any

from fillstream.libs.common.values.money import AVG_PX_DECIMALS, ratio
from fillstream.services.position_service.books.instrument import Instrument
from fillstream.services.position_service.books.trip import Trip


def told_of(trip: Trip, instrument: Instrument) -> dict[str, Any]:
    """Return the fields; what is not known of a trip that an older release opened is None."""
    fields: dict[str, Any] = {
        "position_id": trip.position_id,
        "side": "BUY" if trip.long else "SELL",
        "fills": trip.fills,
        "opened_time": trip.opened_ms,
    }
    if trip.opened_ms is None:
        return fields | dict.fromkeys(_OF_ALL_OF_IT)
    money = instrument.money
    pnl = 2 * trip.cash * instrument.half_tick_lot
    entered = 2 * trip.entry_value * instrument.half_tick_lot
    return fields | {
        "duration_ms": None if trip.ended_ms is None else trip.ended_ms - trip.opened_ms,
        "peak_qty": instrument.size(trip.peak),
        "traded_qty": instrument.size(trip.entered + trip.exited),
        "entry_px": instrument.mean(trip.entry_value, trip.entered),
        "exit_px": instrument.mean(trip.exit_value, trip.exited),
        "gross_pnl": money(pnl),
        "paid_fees": money(trip.fees),
        "net_return": ratio(pnl - trip.fees, entered, AVG_PX_DECIMALS) if entered > 0 else None,
        "best_pnl": money(trip.best) if trip.seen else None,
        "worst_pnl": money(trip.worst) if trip.seen else None,
    }


_OF_ALL_OF_IT = (
    "duration_ms", "peak_qty", "traded_qty", "entry_px", "exit_px", "gross_pnl", "paid_fees", "net_return", "best_pnl",
    "worst_pnl",
)  # fmt: skip
