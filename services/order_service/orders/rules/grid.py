"""Rules about the grids that prices and quantities are on, and how large they may be."""

from __future__ import annotations

from fillstream.libs.common.engine.frames import MAX_PRICE, MAX_QTY
from fillstream.libs.common.messages.codes import RejectReason
from fillstream.services.order_service.orders.rules.rule import PRICED, Draft, View, rule

_LEAST_PRICE = -MAX_PRICE


@rule(
    RejectReason.OFF_LOT,
    limit="instruments.SYMBOL.lot_size",
    example={"quantity": "1.5"},
)
def on_lot(draft: Draft, view: View) -> str | None:
    """A quantity is a multiple of the lot size."""
    if draft.lots:
        return None
    terms = draft.terms
    return f"quantity: {draft.quantity} is not a multiple of {terms.symbol}'s lot size {terms.lot.step}"


@rule(
    RejectReason.QUANTITY_TOO_LARGE,
    example={"quantity": "1000000000000001"},
)
def quantity_within_venue(draft: Draft, view: View) -> str | None:
    """A quantity is at most FS_MAX_QTY lots (fillstream.h), what a venue takes."""
    if draft.lots <= MAX_QTY:
        return None
    return f"quantity: {draft.quantity} is more than {draft.terms.lot.text(MAX_QTY)}, what a venue takes"


def _within_quantities(draft: Draft, view: View) -> str | None:
    """Say None where both rules below hold."""
    terms, lots = draft.terms, draft.lots
    least, most = terms.min_lots, terms.max_lots
    return None if (least is None or lots >= least) and (most is None or lots <= most) else "look"


@rule(
    RejectReason.MIN_ORDER_QUANTITY,
    limit="instruments.SYMBOL.min_order_quantity",
    when=lambda limits: limits.terms.min_lots is not None,
    screen=_within_quantities,
    example={"symbol": "LIMITED", "quantity": "4", "price": "10.00"},
)
def min_order_quantity(draft: Draft, view: View) -> str | None:
    """A quantity is at least the instrument's min_order_quantity."""
    least = draft.terms.min_lots
    if least is None or draft.lots >= least:
        return None
    return f"quantity: {draft.quantity} is below {draft.terms.symbol}'s min_order_quantity {_lots(draft, least)}"


@rule(
    RejectReason.MAX_ORDER_QUANTITY,
    limit="instruments.SYMBOL.max_order_quantity",
    when=lambda limits: limits.terms.max_lots is not None,
    screen=_within_quantities,
    example={"symbol": "LIMITED", "quantity": "21", "price": "10.00"},
)
def max_order_quantity(draft: Draft, view: View) -> str | None:
    """A quantity is at most the instrument's max_order_quantity; an amendment may always ask for less."""
    most = draft.terms.max_lots
    if most is None or draft.lots <= most or not draft.riskier:
        return None
    return f"quantity: {draft.quantity} is above {draft.terms.symbol}'s max_order_quantity {_lots(draft, most)}"


def _lots(draft: Draft, lots: int) -> str:
    return draft.terms.lot.text(lots)


@rule(
    RejectReason.PRICE_REQUIRED,
    limit="order_params.default_order_type",
    order_types=PRICED,
    example={"order_type": None},
)
def price_given(draft: Draft, view: View) -> str | None:
    """A limit order has a price; without one and without an order_type the desk's default type counts."""
    if draft.price is not None:
        return None
    return "price: none given, and orders are LIMIT here by default"


@rule(
    RejectReason.OFF_TICK,
    limit="instruments.SYMBOL.tick_size",
    order_types=PRICED,
    example={"price": "185.005"},
)
def on_tick(draft: Draft, view: View) -> str | None:
    """A price is a multiple of the tick size."""
    if draft.on_tick:
        return None
    terms = draft.terms
    return f"price: {draft.price} is not a multiple of {terms.symbol}'s tick size {terms.price.step}"


@rule(
    RejectReason.PRICE_NOT_POSITIVE,
    limit="instruments.SYMBOL.negative_prices",
    order_types=PRICED,
    example={"price": "-0.01"},
)
def price_positive(draft: Draft, view: View) -> str | None:
    """A price is above 0, but in an instrument with negative_prices."""
    if draft.ticks > 0 or draft.price is None or draft.terms.negative_prices:
        return None
    return f"price: {draft.price} must be above 0, {draft.terms.symbol} has no negative_prices"


@rule(
    RejectReason.PRICE_TOO_LARGE,
    order_types=PRICED,
    example={"price": "46116860184273879.04"},
)
def price_within_venue(draft: Draft, view: View) -> str | None:
    """A price is at most FS_MAX_PRICE ticks (fillstream.h), what a venue takes, and at least as many below 0."""
    if _LEAST_PRICE <= draft.ticks <= MAX_PRICE:
        return None
    side, most = ("more", MAX_PRICE) if draft.ticks > 0 else ("less", _LEAST_PRICE)
    return f"price: {draft.price} is {side} than {draft.terms.price.text(most)}, what a venue takes"


NEW = (
    on_lot,
    quantity_within_venue,
    min_order_quantity,
    max_order_quantity,
    price_given,
    on_tick,
    price_positive,
    price_within_venue,
)
AMEND = tuple(each for each in NEW if each is not price_given)
