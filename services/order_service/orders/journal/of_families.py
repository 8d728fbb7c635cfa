"""What the journal tells of orders that know each other.

Flows in: a parent and its work, a list or a bracket. Flows out: what their events say beyond the head. Never decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fillstream.libs.common.messages.codes import ContingencyType, ListOrderStatus
from fillstream.libs.common.values.money import ratio
from fillstream.services.order_service.orders.groups.bracket_record import Bracket
from fillstream.services.order_service.orders.groups.list_record import OrderList
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.markets.market import Market
from fillstream.services.order_service.orders.parents.work import PAUSED, Work

if TYPE_CHECKING:
    from fillstream.services.order_service.orders.compiled import Terms


def progress_of(order: Order, work: Work, signal_id: str | None, market: Market | None) -> dict[str, Any]:
    """Return what OrderProgressed says of an order that is worked; `market` is how its home market stands, if known."""
    terms = order.terms
    told: dict[str, Any] = {} if signal_id is None else {"signal_id": signal_id}
    if market is not None and work.volume is not None and market.volume > work.volume:
        traded, worth = market.volume - work.volume, market.notional - work.notional
        told["interval_vwap_px"] = terms.price.mean(worth, traded)
    return told | {
        "algorithm": work.algorithm,
        "planned_qty": None if work.planned is None else terms.lot.text(work.planned),
        "working_qty": terms.lot.text(order.out),
        "children": work.made,
        "paused": work.state == PAUSED,
        "arrival_px": None if work.arrival is None else half_tick_text(terms, work.arrival),
        "text": work.text,
    }


def bracket_of(bracket: Bracket, order: Order, protect: int) -> dict[str, Any]:
    """Return what OrderListReported says of a bracket beside its text."""
    terms = order.terms
    targets = [leg for leg in bracket.targets if leg.weight]
    told: dict[str, Any] = {
        "list_id": bracket.list_id,
        "account": order.account,
        "contingency_type": ContingencyType.BRACKET.value,
        "list_order_status": (ListOrderStatus.EXECUTING if bracket.covers else ListOrderStatus.ALL_DONE).value,
        "order_ids": [str(each) for each in (bracket.entry_id, *bracket.exits)],
        "protected_qty": terms.lot.text(protect),
    }
    if bracket.stop is not None:
        told["stop_loss"] = terms.price.text(bracket.stop)
    if bracket.trailing is not None:
        told["trailing_stop"] = terms.price.text(bracket.trailing)
    if targets:
        told["take_profits"] = ",".join(f"{terms.price.text(leg.ticks)}:{leg.weight}" for leg in targets)
    return told


def list_of(found: OrderList) -> dict[str, Any]:
    """Return what OrderListReported says of a list beside its text."""
    return {
        "list_id": found.list_id,
        "account": found.account,
        "contingency_type": found.contingency,
        "list_order_status": found.status,
        "order_ids": [*map(str, found.legs)],
    }


def half_tick_text(terms: Terms, half_ticks: int) -> str:
    """Return a mid, which is in half ticks, as an exact price."""
    price = terms.price
    decimals = price.decimals
    return ratio(half_ticks * price.mantissa, 2 * 10**decimals, decimals + 1, decimals)
