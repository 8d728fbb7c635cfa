"""Rules about who asks for what."""

from __future__ import annotations

from fillstream.libs.common.messages.codes import RejectReason
from fillstream.services.order_service.orders.compiled import Limits
from fillstream.services.order_service.orders.rules.rule import Draft, View, rule


def _never(limits: Limits) -> bool:
    """Say that whoever has limits is known: only an order without them is looked at."""
    return False


@rule(
    RejectReason.UNKNOWN_ACCOUNT,
    limit="accounts",
    when=_never,
    example={"account": "nobody"},
)
def known_account(draft: Draft, view: View) -> str | None:
    """The desk has the account."""
    return None if draft.account_known else f"account: {draft.account} is not an account of this desk"


@rule(
    RejectReason.UNKNOWN_SYMBOL,
    limit="instruments",
    when=_never,
    example={"symbol": "NONE"},
)
def known_symbol(draft: Draft, view: View) -> str | None:
    """The desk has the instrument."""
    return None if draft.symbol_known else f"symbol: {draft.symbol} is not an instrument of this desk"


NEW = AMEND = (known_account, known_symbol)
