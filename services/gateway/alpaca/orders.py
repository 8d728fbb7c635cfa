"""Our orders as Alpaca's Order says them.

Flows in: rows of orders, and what they belong to. Flows out: objects of JSON, valid by Alpaca's own OpenAPI file.
Never rounds a number, and never says what an order does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from fillstream.libs.common.messages.codes import OrderType, OrdStatus, Side, TimeInForce, TrailingOffset
from fillstream.services.gateway.alpaca.index import STOP_LOSS, TAKE_PROFIT, is_first, leg_uuid
from fillstream.services.gateway.alpaca.words import (
    STATUS,
    TIMES,
    TYPES,
    asset_class,
    asset_uuid,
    moment,
    order_class,
    text,
)
from fillstream.services.gateway.state.orders import FINAL
from fillstream.services.gateway.state.rows import Row

HELD: Final = "held"
PRICED: Final = ("limit", "stop_limit")


def status_of(row: Row) -> str:
    """Return an order's status.

    What the desk holds is `held` where it waits for another order of its group, `new` where it waits for its price, and
    `accepted` where it waits for a time or a person.
    """
    if row["ord_status"] != OrdStatus.SUSPENDED:
        return STATUS[row["ord_status"]]
    if not is_first(row):
        return HELD
    if row.get("approval_time") is not None or row.get("effective_time") is not None:
        return "accepted"
    return "new" if row.get("emulated") else STATUS[OrdStatus.SUSPENDED]


def trails_of(row: Row, instrument: Row | None) -> tuple[str | None, str | None]:
    """Return how far a trailing stop stays behind: as a price, and as a percentage; one of them is None."""
    offset = row.get("trailing_offset")
    if offset is None:
        return None, None
    match row.get("trailing_offset_type", TrailingOffset.PRICE):
        case TrailingOffset.PERCENT:
            return None, offset
        case TrailingOffset.BPS:
            return None, text(Decimal(offset) / 100)
        case TrailingOffset.TICKS if instrument is not None:
            return text(Decimal(offset) * Decimal(instrument["tick_size"])), None
    return offset, None


def order_json(
    row: Row, uuid: str, instrument: Row | None, kind: str, legs: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Return an order.

    Args:
        row: as the desk has it.
        uuid: its id.
        instrument: that it is of; None of one that the desk does not know.
        kind: its order_class.
        legs: what belongs to it; None where nothing does, or nobody asked.
    """
    shown = TYPES[row["order_type"]]
    trail_price, trail_percent = trails_of(row, instrument)
    notional = row.get("notional")
    found = {
        "id": uuid,
        "client_order_id": row["client_order_id"],
        "created_at": moment(row["received_time"]),
        "updated_at": moment(row["updated_time"]),
        "submitted_at": moment(row["received_time"]),
        "filled_at": moment(row.get("filled_time")) if row["ord_status"] == OrdStatus.FILLED else None,
        "expired_at": moment(row.get("expired_time")),
        "canceled_at": moment(row.get("canceled_time")),
        "failed_at": moment(row.get("rejected_time")),
        "replaced_at": moment(row.get("replaced_time")),
        "replaced_by": None,
        "replaces": None,
        "asset_id": asset_uuid(row["symbol"]),
        "symbol": row["symbol"],
        "asset_class": asset_class(instrument),
        "notional": notional,
        "qty": row["quantity"] if notional is None else None,
        "filled_qty": row["cum_qty"],
        "filled_avg_price": row.get("avg_px"),
        "order_class": kind,
        "order_type": shown,
        "type": shown,
        "side": row["side"].lower(),
        "time_in_force": TIMES[row["time_in_force"]],
        "limit_price": row.get("price") if shown in PRICED else None,
        "stop_price": row.get("stop_price"),
        "status": status_of(row),
        "extended_hours": False,
        "legs": legs,
        "trail_percent": trail_percent,
        "trail_price": trail_price,
        "hwm": None,
        "ratio_qty": None,
    }
    if isinstance(row.get("expire_time"), int):
        found["expires_at"] = moment(row["expire_time"])
    return found


def exits_of(entry: Row, listed: Mapping[str, Any] | None) -> dict[str, dict[str, str | None]]:
    """Return the exits that an entry is to have, by their part: type and prices as they were told last.

    Args:
        entry: the row of a bracket's entry.
        listed: how its bracket stands, None where it was never amended.
    """
    now = entry if listed is None else {**entry, **{name: listed[name] for name in listed if name.startswith("stop_")}}
    found: dict[str, dict[str, str | None]] = {}
    if entry.get("take_profit"):
        price = entry["take_profit"]
        if listed is not None and listed.get("take_profits"):
            price = str(listed["take_profits"]).partition(":")[0]
        found[TAKE_PROFIT] = {"type": "limit", "limit_price": price, "stop_price": None, "trail_price": None}
    if entry.get("stop_loss") or entry.get("trailing_stop"):
        trails = entry.get("trailing_stop")
        kind = "trailing_stop" if trails else "stop"
        stop = None if trails else now.get("stop_loss")
        found[STOP_LOSS] = {"type": kind, "limit_price": None, "stop_price": stop, "trail_price": trails}
    return found


def held_leg(entry: Row, role: str, said: Mapping[str, str | None], instrument: Row | None, kind: str) -> Row:
    """Return an exit that is no order yet, since its entry has filled nothing: `held`, or gone with the entry.

    Args:
        entry: the row of a bracket's entry.
        role: `take_profit` or `stop_loss`.
        said: its type and prices.
        instrument: that it is of.
        kind: the bracket's order_class.
    """
    is_over = entry["ord_status"] in FINAL and Decimal(entry["cum_qty"]) == 0
    side = Side.SELL if entry["side"] == Side.BUY else Side.BUY
    row = {
        "client_order_id": f"{entry['client_order_id']}.{role}"[:128],
        "received_time": entry["received_time"],
        "updated_time": entry["updated_time"],
        "canceled_time": entry["updated_time"] if is_over else None,
        "symbol": entry["symbol"],
        "side": side,
        "quantity": entry["quantity"],
        "cum_qty": "0",
        "order_type": OrderType.MARKET,
        "time_in_force": TimeInForce.GTC,
        "ord_status": OrdStatus.CANCELED if is_over else OrdStatus.PENDING_NEW,
    }
    found = order_json(row, leg_uuid(entry, role), instrument, kind)
    found |= {**said, "order_type": said["type"]}
    if not is_over:
        found["status"] = HELD
    return found


def waiting_order(signal: Mapping[str, Any], uuid: str, now_ms: int, instrument: Row | None) -> dict[str, Any]:
    """Return an order that is in the log, and of which the desk has said nothing yet: `accepted`.

    Args:
        signal: what was sent, a NewOrder, ClosePosition or NewOrderList.
        uuid: its id.
        now_ms: when it was sent (ms since 1970).
        instrument: that it is of.
    """
    first = signal["orders"][0] if signal["type"] == "NewOrderList" else signal
    size = first.get("quantity")
    row = {
        **first,
        "client_order_id": first.get("client_order_id") or signal["signal_id"],
        "received_time": now_ms,
        "updated_time": now_ms,
        "quantity": "0" if size is None else size,
        "cum_qty": "0",
        "side": first.get("side", Side.SELL),
        "order_type": first.get("order_type", OrderType.MARKET),
        "time_in_force": first.get("time_in_force", TimeInForce.DAY),
        "ord_status": OrdStatus.PENDING_NEW,
    }
    listed = signal if signal["type"] == "NewOrderList" else None
    found = order_json(row, uuid, instrument, order_class(row, listed))
    return {**found, "status": "accepted"}
