"""Sentences that answer requests.

Flows in: what was asked for, and the order that it names. Flows out: text. Never decides anything.
"""

from __future__ import annotations

from decimal import Decimal

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.special_terms import SIZES
from fillstream.libs.common.values.money import Scale, canonical, parse
from fillstream.services.order_service.orders.decode import client_name
from fillstream.services.order_service.orders.instructions import Cancel, New, Pause, Replace, Resume, Status
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.life.remembered import Remembered


def number_in(name: str, text: str) -> Decimal:
    """Return a number of an instruction.

    Raises:
        BadEntry: bad_value for what is none.
    """
    try:
        return parse(text)
    except ValueError as error:
        raise BadEntry("bad_value", f"{name}: {error}") from None


def used_text(client_order_id: str, first: Order | Remembered) -> str:
    """Say that a client_order_id was used before, and for what."""
    if isinstance(first, Remembered):
        what = f"{first.side} {first.symbol or 'of an unknown symbol'}, which is {first.status}"
    else:
        what = f"{first.side} {first.terms.lot.text(first.quantity)} {first.terms.symbol}"
    return f"client_order_id: {client_order_id} was used before, for {what}"


def size_text(wish: New) -> str:
    """Return the size that is asked for, for a sentence."""
    if wish.quantity is not None:
        return str(number_in("quantity", wish.quantity))
    assert wish.special is not None, "a size is a quantity or special"
    name = next(name for name in SIZES if getattr(wish.special, name) is not None)
    return f"{name} {canonical(getattr(wish.special, name))}"


def too_late_text(order: Order | Remembered) -> str:
    """Say that an order is finished already."""
    return f"order_id: order {order.order_id} is {order.status} already"


def unknown_text(wish: Cancel | Replace | Status | Pause | Resume) -> str:
    """Say that an account has no order of that name."""
    if wish.order_id is not None:
        return f"order_id: account {wish.account} has no order {wish.order_id}, or it was forgotten"
    name, client = client_name(wish)
    return f"{name}: account {wish.account} has no order {client}, or it was forgotten"


def ticks_in(scale: Scale, text: str) -> tuple[bool, int]:
    """Return whether a price is on the tick, and its ticks."""
    try:
        ticks = scale.units(text)
    except ValueError as error:
        raise BadEntry("bad_value", f"price: {error}") from None
    return (False, 0) if ticks is None else (True, ticks)
