"""Rules about what an order has beyond a plain one: stops, offsets, displays, sizes in money, times, protection.

They come first: what is left to the others is then in integers.
"""

from __future__ import annotations

from decimal import Decimal

from fillstream.libs.common.engine.frames import MAX_PRICE, MAX_TIPS
from fillstream.libs.common.messages.codes import RejectReason
from fillstream.libs.common.messages.special_terms import SIZES, SpecialTerms
from fillstream.libs.common.values.moments import text_of
from fillstream.libs.common.values.money import canonical
from fillstream.services.order_service.orders.life.special import MAX_OFFSET_BPS, lots_for, offset_of, units
from fillstream.services.order_service.orders.rules.permission import held_by, reduces
from fillstream.services.order_service.orders.rules.rule import Draft, View, rule

_LIMIT = {"order_type": "LIMIT", "price": "185.00"}
_STOP = {"order_type": "STOP", "price": None, "stop_price": "190.00"}
_PROTECTION = ("stop_loss", "take_profit", "trailing_stop")
_PRICES = ("stop_price", *_PROTECTION)


@rule(
    RejectReason.VENUE_UNKNOWN,
    limit="execution.venues",
    example={**_LIMIT, "venue": "NOWHERE"},
)
def known_venue(draft: Draft, view: View) -> str | None:
    """The venue that an order names is one of the desk's."""
    venue = _said(draft).venue
    if venue is None or draft.terms.venue == venue:
        return None
    return f"venue: {venue} is no venue of this desk"


@rule(
    RejectReason.STOP_OFF_TICK,
    limit="instruments.SYMBOL.tick_size",
    example={**_STOP, "stop_price": "190.005"},
)
def stop_on_tick(draft: Draft, view: View) -> str | None:
    """A stop price, a trailing offset and protective prices are multiples of the tick size; bps are whole ones."""
    said, terms = _said(draft), draft.terms
    for name in _PRICES:
        price: Decimal | None = getattr(said, name)
        if price is not None and units(terms.price, price) is None:
            return f"{name}: {canonical(price)} is not a multiple of {terms.symbol}'s tick size {terms.price.step}"
    if said.trailing_offset is not None and offset_of(said, terms)[0] is None:
        offset, what = canonical(said.trailing_offset), said.trailing_offset_type
        if what is None or what.value == "PRICE":
            return f"trailing_offset: {offset} is not a multiple of {terms.symbol}'s tick size {terms.price.step}"
        return f"trailing_offset: {offset} {what.value} is no whole number of {_counted_in(what.value)}"
    return None


@rule(
    RejectReason.STOP_OUT_OF_RANGE,
    limit="instruments.SYMBOL.negative_prices",
    example={**_STOP, "stop_price": "-1.00"},
)
def stop_in_range(draft: Draft, view: View) -> str | None:
    """A stop price is above 0 (but with negative_prices) and one that a venue takes; an offset is 1 to 9999 bps."""
    said, terms = _said(draft), draft.terms
    for name in ("stop_price", "stop_loss", "take_profit"):
        ticks = units(terms.price, getattr(said, name))
        if ticks is None:
            continue
        if ticks <= 0 and not terms.negative_prices:
            return f"{name}: {canonical(getattr(said, name))} must be above 0, {terms.symbol} has no negative_prices"
        if abs(ticks) > MAX_PRICE:
            return (
                f"{name}: {canonical(getattr(said, name))} is beyond {terms.price.text(MAX_PRICE)}, what a venue takes"
            )
    if said.trailing_offset is not None:
        offset, in_bps = offset_of(said, terms)
        most = MAX_OFFSET_BPS if in_bps else MAX_PRICE
        if offset is None or not 1 <= offset <= most:
            unit = "basis points" if in_bps else "ticks"
            return f"trailing_offset: {canonical(said.trailing_offset)} is {offset} {unit}, must be 1 to {most}"
    return None


@rule(
    RejectReason.BAD_DISPLAY,
    limit="instruments.SYMBOL.lot_size",
    example={**_LIMIT, "display_quantity": "1000000"},
)
def display_fits(draft: Draft, view: View) -> str | None:
    """A display is on the lot, at most the quantity, and not less than a ten thousandth of it (FS_MAX_TIPS)."""
    display = _said(draft).display_quantity
    if display is None or draft.quantity is None:
        return None
    terms = draft.terms
    lots = units(terms.lot, display)
    if lots is None:
        return f"display_quantity: {canonical(display)} is not a multiple of {terms.symbol}'s lot size {terms.lot.step}"
    if lots > draft.lots:
        return f"display_quantity: {canonical(display)} is above the quantity, {draft.quantity}"
    if draft.lots > lots * MAX_TIPS:
        return (
            f"display_quantity: {canonical(display)} would come {-(-draft.lots // lots)} times, at most {MAX_TIPS} do"
        )
    return None


@rule(
    RejectReason.EXPIRE_TIME_PASSED,
    example={**_LIMIT, "time_in_force": "GTD", "expire_time": "2020-01-01T00:00:00Z"},
)
def not_expired(draft: Draft, view: View) -> str | None:
    """An expire_time is still to come, and comes after an effective_time."""
    said = _said(draft)
    if said.expire_time is None:
        return None
    if said.expire_time <= draft.ms:
        return f"expire_time: {text_of(said.expire_time)} has passed, it is {text_of(draft.ms)}"
    if said.effective_time is not None and said.expire_time <= said.effective_time:
        effective = text_of(said.effective_time)
        return f"expire_time: {text_of(said.expire_time)} must come after the effective_time, {effective}"
    return None


@rule(
    RejectReason.SIZE_UNKNOWN,
    example={"symbol": "ES", "order_type": "MARKET", "quantity": None, "notional": "10000"},
)
def size_known(draft: Draft, view: View) -> str | None:
    """A size in money has a price that it is counted at: its own, the one it waits for, the market's; and an equity."""
    if draft.quantity is None and draft.sized is None:
        said = _said(draft)
        name = "equity_percent" if said.equity_percent is not None else "risk_percent"
        return (
            f"{name}: the equity of {draft.account} in {draft.terms.currency} is not known: its positions, or a fresh "
            "rate of a currency, are missing"
        )
    if draft.quantity is not None or draft.entry is not None or not draft.on_tick:
        return None
    return f"notional: {draft.terms.symbol} has no price now that a size in money could be counted at"


@rule(
    RejectReason.WRONG_SIDE,
    example={**_LIMIT, "stop_loss": "186.00"},
)
def protection_on_its_side(draft: Draft, view: View) -> str | None:
    """A buy's stop_loss is below its entry and its take_profit above, a sell's the other way round."""
    said, entry = _said(draft), draft.entry
    if entry is None:
        return None
    text = draft.terms.price.text
    for name, below in (("stop_loss", draft.buy), ("take_profit", not draft.buy)):
        ticks = units(draft.terms.price, getattr(said, name))
        if ticks is not None and (ticks >= entry if below else ticks <= entry):
            side = "below" if below else "above"
            order = "buy" if draft.buy else "sell"
            return f"{name}: {text(ticks)} must be {side} the entry of a {order}, {text(entry)}"
    return None


@rule(
    RejectReason.SIZE_ZERO,
    limit="instruments.SYMBOL.lot_size",
    example={**_LIMIT, "quantity": None, "notional": "100.00"},
)
def size_of_a_lot(draft: Draft, view: View) -> str | None:
    """A size in money buys one lot at least; it is rounded down to the lot."""
    if draft.quantity is not None or draft.entry is None:
        return None
    said, terms, sized = _said(draft), draft.terms, draft.sized
    assert sized is not None, "the rule before sees to it"
    if lots_for(sized, terms, draft.entry):
        return None
    name = next(each for each in SIZES if getattr(said, each) is not None)
    at = f"at {terms.price.text(draft.entry)}"
    if said.stop_loss is not None and name.startswith("risk"):
        at += f" with stop_loss {canonical(said.stop_loss)}"
    return f"{name}: {canonical(getattr(said, name))} buys less than one lot of {terms.symbol}, {terms.lot.step}, {at}"


@rule(
    RejectReason.NOTHING_TO_REDUCE,
    example={**_LIMIT, "reduce_only": "true"},
)
def only_reduces(draft: Draft, view: View) -> str | None:
    """A reduce_only order, with all that work on its side, can do no more than close what is held."""
    if not _said(draft).reduce_only:
        return None
    held, lot = held_by(draft), draft.terms.lot
    if not draft.limits.holding.account.known:
        return f"reduce_only: what {draft.account} holds is not known since this desk was upgraded"
    if reduces(draft):
        return None
    left = lot.text(abs(held.reducible)) if (held.quantity < 0) == draft.buy else lot.text(0)
    its = "" if draft.limits.holding.hedged is None else f" as position {draft.position_id}"
    if its and draft.position_id is None:
        return f"reduce_only: account {draft.account} hedges, and the order names no position_id that it could reduce"
    return (
        f"reduce_only: {draft.quantity} is more than the {left} of {draft.terms.symbol} that a "
        f"{'buy' if draft.buy else 'sale'} can close: {draft.account} holds {lot.text(held.quantity)}{its}, less what "
        "works"
    )


def _said(draft: Draft) -> SpecialTerms:
    assert draft.said is not None, "rules of special orders see what was said"
    return draft.said


def _counted_in(unit: str) -> str:
    return "ticks" if unit == "TICKS" else "basis points"


FIRST = (known_venue, stop_on_tick, stop_in_range, not_expired, size_known, protection_on_its_side, size_of_a_lot)
LAST = (display_fits, only_reduces)
NEW = (*FIRST, *LAST)
