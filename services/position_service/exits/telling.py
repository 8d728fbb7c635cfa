"""What is told of a protection: one message, from the record and what is held.

Flows in: a protection, its instrument. Flows out: the fields of ExitChanged. Never changes either.
"""

from __future__ import annotations

from fillstream.libs.common.messages.exits import ExitStatus
from fillstream.services.position_service.books.instrument import Instrument
from fillstream.services.position_service.exits.protection import Protection
from fillstream.services.position_service.telling import Message


def told_of(protection: Protection, instrument: Instrument, status: ExitStatus, trailing: int | None) -> Message:
    """Return what ExitChanged says of a protection, but for its head; `trailing` is its trailing stop now (ticks)."""
    held = instrument.of(protection.account, protection.position_id)
    lots = 0 if held is None else held.position.quantity
    price, lot, fired = instrument.price, instrument.lot, protection.fired
    stop = take = None
    waits: Message = {}
    if fired is not None:
        stop = fired.level
    elif held is not None and lots:
        levels = protection.levels(lots > 0, instrument.mean_ticks(held.position))
        stop, take = levels.stop, levels.take
        for name, level in (("activation_px", levels.activation), ("break_even_px", levels.even)):
            if level is not None:
                waits[name] = price.text(level)
        if trailing is not None:
            nearer = max if lots > 0 else min
            stop = trailing if stop is None else nearer(stop, trailing)
    message: Message = {
        "account": protection.account,
        "symbol": protection.symbol,
        "currency": instrument.units.currency,
        "position_id": protection.position_id,
        "protection_id": protection.protection_id,
        "exit_status": status,
        "exit_reason": None if fired is None else fired.reason,
        "held_qty": lot.text(lots),
        "quantity": None if protection.quantity is None else lot.text(protection.quantity),
        "stop_px": None if stop is None else price.text(stop),
        "take_profit_px": None if take is None else price.text(take),
        **waits,
        "mark_px": instrument.mark_text(lots),
    }
    if fired is None:
        times = [each for each in (protection.limit_ms, protection.exit_ms) if each is not None]
        return message | ({"exit_time": min(times)} if times and lots else {})
    if fired.client_order_id is not None:
        message["client_order_id"] = fired.client_order_id
    if fired.order_id is not None:
        message["order_id"] = fired.order_id
    message["attempt"] = fired.attempt
    closed, value = fired.closed + fired.now, fired.value + fired.now_value
    if closed:
        message["exit_qty"] = lot.text(closed)
        message["exit_px"] = price.mean(value, closed)
        if fired.level is not None:
            worse = fired.level * closed - value  # of a long, which sells
            message["gap_px"] = price.mean(-worse if protection.short else worse, closed)
    return message
