"""A venue's orders that the desk never sent: made the desk's, or left.

Flows in: what a venue says of such an order, and its terms. Flows out: an order like every other, with OrderReceived
(`external`) and OrderAccepted; to the venue what it goes by from now on. Never meets a rule: it is at work already, and
counts against every limit from here on but `max_daily_orders`, which is about what the desk sends.
"""

from __future__ import annotations

from decimal import Decimal

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import PRICELESS, ExternalOrders, OrderType, TimeInForce
from fillstream.libs.common.messages.mass_status import ReportedOrder
from fillstream.services.order_service.orders.commands import Commands
from fillstream.services.order_service.orders.holding.hedged import name_its_own
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.life.special import widest
from fillstream.services.order_service.orders.reporting.said import lots_of_report, ticks_of_report
from fillstream.services.order_service.orders.state import State

_NEEDED = ("venue_order_id", "account", "symbol", "side", "quantity")


def why_not(state: State, venue: str, row: ReportedOrder) -> str | None:
    """Return why an order is not adopted, in a sentence; empty where nobody wants that, None of one that can be."""
    if state.venues[venue].external_orders is ExternalOrders.LEAVE:
        return ""
    for name in _NEEDED:
        if getattr(row, name) is None:
            return f"{name}: an order without one cannot be adopted"
    assert row.account is not None and row.symbol is not None and row.quantity is not None, "just looked"
    if not state.has_room():
        return f"order_id: the desk remembers {state.capacity} orders, which is the most, and takes no other"
    if not state.knows(row.account):
        return f"account: {row.account} is no account of this partition"
    terms = state.terms[venue].get(row.symbol)
    if terms is None or row.symbol not in state.config.instruments:
        return f"symbol: {row.symbol} is no instrument of this desk"
    home = state.config.venue_of(state.effective(row.account), state.instruments[row.symbol])
    if home != venue:
        return f"account: {row.account} trades {row.symbol} at {home}, not at {venue}"
    priced = _type_of(row) not in PRICELESS
    if priced and row.price is None:
        return f"price: a {_type_of(row)} order without one cannot be adopted"
    try:
        lots_of_report("quantity", terms, row.quantity)
        if priced and row.price is not None:
            ticks_of_report("price", terms, row.price)
    except BadEntry as bad:
        return bad.text
    return None


def adopt(state: State, journal: Journal, commands: Commands, venue: str, row: ReportedOrder) -> Order:
    """Make an order of the venue's one of the desk's. `why_not` had nothing against it."""
    assert row.account is not None and row.symbol is not None and row.quantity is not None, "see why_not"
    assert row.side is not None and row.venue_order_id is not None, "see why_not"
    terms, account, kind = state.terms[venue][row.symbol], state.effective(row.account), _type_of(row)
    quantity = lots_of_report("quantity", terms, row.quantity)
    price = widest(row.side == "BUY") if kind in PRICELESS else ticks_of_report("price", terms, row.price or Decimal(0))
    order_id, ms = state.next_order_id, journal.ms
    name = f"external-{order_id}"
    while state.find_client(row.account, name) is not None:  # a client called one of its own so
        name += "-"
    limits = state.limits_at(venue, row.account, account, row.symbol)
    tif = TimeInForce.GTC if row.time_in_force is None else row.time_in_force
    order = Order(
        order_id, name, name, limits.name, account.id, terms, None, None, row.side.value, kind.value, tif.value,
        quantity, price, ms, ms, venue=venue, venue_order_id=row.venue_order_id,
    )  # fmt: skip
    order.holding = limits.holding
    if order.holding.hedged is not None:
        name_its_own(order)
    state.adopt(order)
    journal.adopted(order)
    refusal = order.accept()
    assert refusal is None, f"it is new: {refusal}"
    journal.accepted(order)
    commands.adopt(order)
    return order


def _type_of(row: ReportedOrder) -> OrderType:
    if row.order_type is not None:
        return row.order_type
    return OrderType.MARKET if row.price is None else OrderType.LIMIT
