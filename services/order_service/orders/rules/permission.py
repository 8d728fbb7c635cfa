"""Rules about what may be traded at all, and on which side."""

from __future__ import annotations

from fillstream.libs.common.messages.codes import AccountMode, PositionMode, RejectReason
from fillstream.services.order_service.orders.compiled import Limits
from fillstream.services.order_service.orders.holding import hedged
from fillstream.services.order_service.orders.holding.valuation import added, covered
from fillstream.services.order_service.orders.rules.rule import Draft, View, rule


@rule(
    RejectReason.WRONG_MODE,
    limit="accounts.NAME.mode",
    when=lambda limits: limits.account.mode is not None and limits.account.mode is not limits.terms.mode,
    example={"account": "live", "price": "185.00"},
)
def right_mode(draft: Draft, view: View) -> str | None:
    """A PAPER account's order goes to a simulated venue, and a LIVE account's never does."""
    venue = f"{draft.terms.venue}, which {'is' if draft.terms.mode is AccountMode.PAPER else 'is not'} simulated"
    return f"account: {draft.account} is {draft.limits.account.mode}, and its order would go to {venue}"


@rule(
    RejectReason.INSTRUMENT_HALTED,
    limit="instruments.SYMBOL.halted",
    when=lambda limits: limits.terms.halted,
    example={"symbol": "HALT", "price": "1.00"},
)
def not_halted(draft: Draft, view: View) -> str | None:
    """The instrument is not halted by the desk; an amendment that only takes quantity away is taken."""
    if not draft.riskier:
        return None
    return f"symbol: {draft.terms.symbol} is halted by this desk"


@rule(
    RejectReason.RESTRICTED_SYMBOL,
    limit="accounts.NAME.restricted_symbols",
    when=lambda limits: limits.terms.symbol in limits.account.restricted_symbols,
    example={"account": "restricted", "price": "185.00"},
)
def not_restricted(draft: Draft, view: View) -> str | None:
    """The instrument is none of the account's restricted_symbols; less quantity is always taken."""
    if not draft.riskier:
        return None
    return f"symbol: {draft.terms.symbol} is one of the restricted_symbols of account {draft.account}"


@rule(
    RejectReason.REDUCE_ONLY_SYMBOL,
    limit="accounts.NAME.reduce_only_symbols",
    when=lambda limits: limits.terms.symbol in limits.account.reduce_only_symbols,
    example={"account": "reducing", "price": "185.00"},
)
def reduces_if_it_must(draft: Draft, view: View) -> str | None:
    """In one of the account's reduce_only_symbols an order, with those that work, only reduces what is held."""
    if reduces(draft):
        return None
    held = draft.terms.lot.text(held_by(draft).quantity)
    return (
        f"symbol: {draft.terms.symbol} is one of the reduce_only_symbols of account {draft.account}, which holds {held}"
    )


@rule(
    RejectReason.SHORT_NOT_ALLOWED,
    limit="accounts.NAME.may_short",
    when=lambda limits: not limits.account.may_short,
    example={"account": "long", "side": "SELL", "price": "185.00"},
)
def short_if_it_may(draft: Draft, view: View) -> str | None:
    """Without may_short an account sells no more than it holds, with all its working sales."""
    if draft.buy or not (more := added(draft)) or covered(draft.limits.holding, more):
        return None
    holding, lot = draft.limits.holding, draft.terms.lot
    return (
        f"quantity: {draft.quantity} is more than account {draft.account} holds, {lot.text(holding.quantity)}, less "
        f"what its orders sell already, {lot.text(holding.sells)}; its may_short is false"
    )


@rule(
    RejectReason.STOP_REQUIRED,
    limit="accounts.NAME.requires_stop",
    when=lambda limits: limits.account.requires_stop,
    example={"account": "careful", "price": "185.00"},
)
def stop_given(draft: Draft, view: View) -> str | None:
    """Risk first: where the account requires_stop, what opens a position says where it is to be closed at a loss."""
    said = draft.said
    if said is not None and (said.stop_loss is not None or said.trailing_stop is not None):
        return None
    account = draft.limits.account
    own = account.exit_stop_loss_percent
    if own is not None and draft.buy and own >= 100 and not draft.terms.negative_prices:
        own = None  # no long falls so far
    if own is not None or account.exit_trailing_stop_percent is not None or reduces(draft):
        return None  # the account's own stop is one for every position
    return f"account: {draft.account} requires_stop, and this order has neither stop_loss nor trailing_stop"


def hedges(limits: Limits) -> bool:
    """Say whether the account holds several positions of an instrument beside one another."""
    return limits.account.position_mode is PositionMode.HEDGING


@rule(
    RejectReason.POSITION_TURNED,
    limit="accounts.NAME.position_mode",
    when=hedges,
    example={"account": "hedging", "side": "SELL", "price": "185.00", "position_id": "held"},
)
def not_turned(draft: Draft, view: View) -> str | None:
    """In an account that hedges, an order opposite to the position that it names closes no more than there is of it."""
    holding, more = draft.limits.holding, added(draft)
    assert holding.hedged is not None, "its account hedges"
    named = hedged.of(holding.hedged, draft.position_id)
    if not more or named.is_long in (None, draft.buy) or more <= abs(named.reducible):
        return None
    lot, way, name = draft.terms.lot, "long" if named.is_long else "short", draft.position_id
    room = abs(named.reducible) + (0 if draft.order is None else draft.order.cum + draft.order.open_lots)
    what = f"which is {way} {lot.text(abs(named.quantity))}, less what works against it"
    if not named.quantity:
        what = f"which is flat, and {'a purchase' if named.is_long else 'a sale'} works to open it"
    return (
        f"quantity: {draft.quantity} is more than the {lot.text(room)} that may be closed of position {name}, {what}; "
        f"account {draft.account} hedges: another position_id, or none, opens one the other way, and ClosePosition "
        "has exits of brackets give way"
    )


@rule(
    RejectReason.POSITION_NAME_TAKEN,
    limit="accounts.NAME.position_mode",
    when=hedges,
    example={"account": "hedging", "price": "185.00", "position_id": "99999"},
)
def name_is_free(draft: Draft, view: View) -> str | None:
    """In an account that hedges, no position is called like an order that is to come, whose own may be called so."""
    name = draft.position_id
    if name is None or not name.isdecimal() or int(name) < view.next_order_id or draft.order is not None:
        return None
    return f"position_id: {name} is the number of an order that is to come, whose own position may be called so"


def held_by(draft: Draft) -> hedged.Held:
    """Return what an order adds to or closes: the position that it names, where its account hedges."""
    return draft.limits.holding.part(draft.position_id)


def reduces(draft: Draft) -> bool:
    """Say whether an order and all that work on its side can do no more than reduce what is held."""
    more = added(draft)
    if not more:
        return True
    held = held_by(draft)
    return held.longest + more <= 0 if draft.buy else held.shortest - more >= 0


AMEND = (not_halted, not_restricted, reduces_if_it_must, not_turned, short_if_it_may)
NEW = (right_mode, name_is_free, *AMEND, stop_given)
