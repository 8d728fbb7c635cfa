"""Orders that wait for a person's yes: what the operator says of one, and what becomes of it.

Flows in: controls that approve or refuse an order. Flows out: the order amended, let go or canceled. Never judges by
limits: that was done when the order came, and what may be amended makes it smaller.
"""

from __future__ import annotations

from fillstream.libs.common.messages.codes import CancelReason, ControlRejectReason
from fillstream.libs.common.messages.controls import Approve, OfOrder
from fillstream.libs.common.values.money import canonical
from fillstream.services.order_service.orders.control.standing import HALTED
from fillstream.services.order_service.orders.life.order import FINAL, FOR_APPROVAL, Order
from fillstream.services.order_service.orders.life.parts import Amendment
from fillstream.services.order_service.orders.life.special import units
from fillstream.services.order_service.orders.state import State
from fillstream.services.order_service.orders.waiting.desk import Desk


class Refused(Exception):
    """Raised by a handler before it changed anything: the control is answered with a ControlRejected."""

    def __init__(self, refusal: ControlRejectReason, text: str) -> None:
        super().__init__(text)
        self.refusal = refusal
        self.text = text


def waiting(state: State, control: OfOrder) -> Order:
    """Return the order that a control names.

    Raises:
        Refused: none such waits for an approval.
    """
    order = state.find(int(control.order_id))
    if not isinstance(order, Order) or order.held != FOR_APPROVAL or order.status in FINAL:
        text = f"order_id: no order {control.order_id} waits here for an approval"
        raise Refused(ControlRejectReason.NOT_WAITING, text)
    return order


def smaller(order: Order, control: Approve) -> Amendment | None:
    """Return the amendment that comes with an approval, None where the order is let go as it is.

    Raises:
        Refused: it is off the grid, or asks for more than was asked for; or the account is HALTED.
    """
    assert order.holding is not None, "it was taken"
    if order.holding.account.standing.state == HALTED:
        text = f"account: {order.account} is HALTED, or the whole desk; the order waits on"
        raise Refused(ControlRejectReason.HALTED, text)
    if control.quantity is None and control.price is None:
        return None
    terms, lots, ticks = order.terms, order.quantity, order.price
    if control.quantity is not None:
        found = units(terms.lot, control.quantity)
        if not found or found > order.quantity:
            most = terms.lot.text(order.quantity)
            _refuse(f"quantity: {canonical(control.quantity)} must be lots of {terms.lot.step}, at most {most}")
        lots = found or 0
    if control.price is not None:
        found = units(terms.price, control.price)
        buy, text = order.side == "BUY", terms.price.text(order.price)
        if not order.priced:
            _refuse(f"price: a {order.order_type} order has none")
        if found is None or (found > order.price if buy else found < order.price):
            bound = "most" if buy else "least"
            _refuse(f"price: {canonical(control.price)} must be ticks of {terms.price.step}, at {bound} {text}")
        ticks = order.price if found is None else found
    return Amendment(control.control_id, lots, ticks)


def _refuse(text: str) -> None:
    raise Refused(ControlRejectReason.NOT_SMALLER, text)


def let_go(desk: Desk, order: Order, amendment: Amendment | None) -> None:
    """Let an order go that was approved, as it was amended."""
    if amendment is not None:
        order.request_replace(amendment)
        desk.replace(order)
    desk.approve(order)


def take_off(desk: Desk, order: Order, who: str, why: str) -> None:
    """Cancel an order that was refused."""
    desk.cancel(order, CancelReason.NOT_APPROVED, f"refused by {who}: {why}")
