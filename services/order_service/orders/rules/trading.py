"""Rules about whether an account and the desk trade at all for now."""

from __future__ import annotations

from fillstream.libs.common.messages.codes import RejectReason
from fillstream.services.order_service.orders.compiled import Limits
from fillstream.services.order_service.orders.control.standing import HALTED, REDUCING
from fillstream.services.order_service.orders.holding.valuation import added
from fillstream.services.order_service.orders.rules.permission import held_by, reduces
from fillstream.services.order_service.orders.rules.rule import Draft, View, rule


def _is_halted(limits: Limits) -> bool:
    return limits.holding.account.standing.state == HALTED


def _is_reducing(limits: Limits) -> bool:
    return limits.holding.account.standing.state == REDUCING


@rule(
    RejectReason.TRADING_HALTED,
    limit="fillstream halt",
    when=_is_halted,
    example={"account": "halted", "price": "185.00"},
)
def trading(draft: Draft, view: View) -> str | None:
    """Neither the desk nor the account is HALTED; an amendment that only takes quantity away is taken."""
    if not draft.riskier:
        return None
    return f"account: {draft.account} is HALTED, or the whole desk: nothing new is taken until it is resumed"


@rule(
    RejectReason.TRADING_REDUCING,
    limit="fillstream reduce",
    when=_is_reducing,
    example={"account": "winding", "price": "185.00"},
)
def only_reduces(draft: Draft, view: View) -> str | None:
    """While desk or account are REDUCING, an order with those that work on its side only reduces what is held."""
    holding, held = draft.limits.holding, held_by(draft)
    if not added(draft) or (holding.account.known and reduces(draft)):
        return None
    if not holding.account.known:
        return f"account: {draft.account} is REDUCING, and what it holds is not known until it is reconciled"
    if holding.hedged is not None and draft.position_id is None:
        return (
            f"account: {draft.account} is REDUCING and hedges, and the order names no position_id that it could reduce"
        )
    lot, works = draft.terms.lot, held.buys if draft.buy else held.sells
    return (
        f"quantity: {draft.quantity} does not only reduce: account {draft.account} is REDUCING, it holds "
        f"{lot.text(held.quantity)} and {lot.text(works)} work on that side"
    )


NEW = AMEND = (trading, only_reduces)
