"""A change of symbol: what accounts hold of an instrument is a position in another one from now on.

Flows in: a control that is one. Flows out: why it is refused, before anything has changed; or the accounts that it
changed, each with an AccountAdjusted. All that positions cost and made goes with them. Never rounds, and never nets two
positions: who holds both closes one first.

The new symbol is an instrument of its own, with terms, a home venue and quotes. It counts as fine as the old one, or
finer. Orders of the old one name what will not be there any more, so that none may work; those of the new one may.
"""

from __future__ import annotations

from fillstream.libs.common.messages.codes import ControlRejectReason
from fillstream.libs.common.messages.controls import AdjustAccount
from fillstream.libs.common.messages.terms import written
from fillstream.libs.common.values.money import canonical
from fillstream.services.order_service.orders.control.splitting import (
    Change,
    check_orders,
    holders,
    holds,
    names_of,
    nothing_held,
    open_of,
    shares_of,
)
from fillstream.services.order_service.orders.holding.hedged import fill
from fillstream.services.order_service.orders.holding.holdings import Account
from fillstream.services.order_service.orders.state import State
from fillstream.services.order_service.orders.waiting.approvals import Refused


def rename(state: State, control: AdjustAccount) -> list[Change]:
    """Let what an account, or every account of this partition, holds of an instrument be one of another.

    Raises:
        Refused: orders of the old symbol work there, what is held is unknown, both are held, or the new one's terms
            do not fit; nothing has changed then.
    """
    old, new = control.symbol, control.new_symbol
    assert old is not None and new is not None, "a change of symbol names both"
    if new not in state.instruments:
        text = f"new_symbol: {new} is no instrument of this desk; put it into instruments.yaml first, and start again"
        raise Refused(ControlRejectReason.UNKNOWN_SYMBOL, text)
    steps = _steps(state, old, new)
    check_orders(state, control.account, old)
    found = holders(state, control.account, old)
    for each in found:
        _check(each, new)
    held = {each.name for each in found if holds(each, old)}
    return [change for each in found if (change := _rename(state, each, (old, new), steps)).account in held]


def _steps(state: State, old: str, new: str) -> tuple[int, int]:
    """Return how many lots and ticks of the new instrument make one of the old."""
    of_old, of_new = state.instruments[old], state.instruments[new]
    for name in ("currency", "multiplier", "inverse", *(("lot_size", "tick_size") if of_old.inverse else ())):
        its, was = getattr(of_new, name), getattr(of_old, name)
        if its != was:
            its, was = map(written, (its, was))
            text = f"new_symbol: {name} of {new} is {its} and must be {was}, that of {old}"
            raise Refused(ControlRejectReason.TERMS_DIFFER, text)
    for name in ("lot_size", "tick_size"):
        its, was = getattr(of_new, name), getattr(of_old, name)
        if was % its:
            text = (
                f"new_symbol: {name} of {new} is {canonical(its)} and must be {canonical(was)}, that of "
                f"{old}, or a whole part of it"
            )
            raise Refused(ControlRejectReason.TERMS_DIFFER, text)
    return int(of_old.lot_size / of_new.lot_size), int(of_old.tick_size / of_new.tick_size)


def _check(account: Account, new: str) -> None:
    if holds(account, new) or any(lots for _, lots in shares_of(account, new)):
        text = f"new_symbol: account {account.name} holds some of {new}, too; close what it holds of one of both first"
        raise Refused(ControlRejectReason.HOLDS_BOTH, text)


def _rename(state: State, account: Account, symbols: tuple[str, str], steps: tuple[int, int]) -> Change:
    lots, ticks = steps
    old, new = (state.holdings.holding(account.name, symbol) for symbol in symbols)
    before = old.quantity
    if holds(account, symbols[0]):  # else only its strategies hold some, one as much as another is short
        old.rescale(lots, ticks, 1)
        new.take_over(old)
        new.opening, old.opening = new.opening + old.opening, 0
        for name, each in (old.hedged or {}).items():
            assert new.hedged is not None, "its account hedges"
            fill(new.hedged, name, each.quantity * lots)
        old.hedged = None if old.hedged is None else {}
    if account.shares is not None:
        account.shares.rename(*symbols, lots, ticks)
    account.room = -1
    return Change(account.name, before, new.quantity, open_of(new))


def sentence(control: AdjustAccount, changes: list[Change]) -> str:
    """Return what a change of symbol did, for its answer."""
    if not changes:
        return nothing_held(control)
    of, count = names_of(change.account for change in changes), sum(each.positions or 1 for each in changes)
    return f"what was held of {control.symbol} is held of {control.new_symbol}: {count} positions ({of})"
