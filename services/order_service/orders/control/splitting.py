"""A split: what accounts hold of an instrument becomes more or fewer lots, at the same total cost.

Flows in: a control that is a split. Flows out: why it is refused, before anything has changed; or the accounts that it
changed, each with an AccountAdjusted. Never rounds: a position that would be no whole number of lots is traded first.

While orders of the instrument work in an account its positions are not split: their quantities and prices are in the
shares of before. So are those of a bracket, whose exits may not be there only for now.
Neither the mark nor a quote is changed: the market tells new ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fillstream.libs.common.messages.codes import ControlRejectReason
from fillstream.libs.common.messages.controls import AdjustAccount
from fillstream.libs.common.runtime.stage import MOST_OUTPUTS
from fillstream.services.order_service.orders.holding.holdings import Account, Holding, money
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import FINAL
from fillstream.services.order_service.orders.state import State
from fillstream.services.order_service.orders.waiting.approvals import Refused

MOST_ACCOUNTS = MOST_OUTPUTS // 2
"""So many accounts are changed by one control."""
MOST_NAMED = 3


class Change(NamedTuple):
    """What a split did to an account: lots before and after; and of how many positions, where it hedges."""

    account: str
    before: int
    after: int
    positions: int | None


def split(state: State, control: AdjustAccount) -> list[Change]:
    """Split what an account, or every account of this partition, holds of an instrument.

    Raises:
        Refused: orders of it work there, what is held is unknown, or no whole lots; nothing has changed then.
    """
    symbol = control.symbol
    assert symbol is not None, "a split names its instrument"
    named = control.account
    new, old = control.made_of
    if state.instruments[symbol].inverse:
        text = f"symbol: {symbol} is an inverse contract, each worth its multiplier: {new} are never worth {old}"
        raise Refused(ControlRejectReason.INVERSE_CONTRACT, text)
    check_orders(state, named, symbol)
    found = holders(state, named, symbol)
    for each in found:
        _check(state, each, symbol, new, old)
    held = {each.name for each in found if holds(each, symbol)}
    return [change for each in found if (change := _split(state, each, symbol, new, old)).account in held]


def holders(state: State, named: str | None, symbol: str) -> list[Account]:
    """Return the accounts that hold an instrument, or of which that is not known: the one that is named, or any.

    Raises:
        Refused: too_many_accounts, or position_unknown.
    """
    accounts = state.holdings.accounts
    found = [each for name, each in sorted(accounts.items()) if named in (None, name) and _concerns(each, symbol)]
    if len(found) > MOST_ACCOUNTS:
        text = f"symbol: {len(found)} accounts hold {symbol}, one control changes at most {MOST_ACCOUNTS}; name them"
        raise Refused(ControlRejectReason.TOO_MANY_ACCOUNTS, text)
    for each in found:
        if not each.known:
            text = f"account: what {each.name} holds is not known since this desk was upgraded; reconcile it first"
            raise Refused(ControlRejectReason.POSITION_UNKNOWN, text)
    return found


def _concerns(account: Account, symbol: str) -> bool:
    return not account.known or holds(account, symbol) or any(shares_of(account, symbol))


def holds(account: Account, symbol: str) -> bool:
    """Say whether an account has a position in an instrument: two that make up one another are some, too."""
    holding = account.holdings.get(symbol)
    if holding is None:
        return False
    return bool(holding.quantity) or any(each.quantity for each in (holding.hedged or {}).values())


def shares_of(account: Account, symbol: str) -> list[tuple[str, int]]:
    """Return how many lots of an instrument each strategy of an account holds, where limits count these."""
    return [(strategy, share.quantity) for strategy, name, share in account.shares or () if name == symbol]


def check_orders(state: State, account: str | None, symbol: str) -> None:
    """See that nothing of an instrument works in an account, or in any.

    Raises:
        Refused: orders_work.
    """
    orders = state.live() if account is None else state.orders_of(account)
    working = [order.account for order in orders if order.terms.symbol == symbol and order.status not in FINAL]
    if working:
        of = names_of(dict.fromkeys(working))
        text = f"symbol: {len(working)} orders in {symbol} of {of} work; cancel them first (fillstream cancel-all)"
        raise Refused(ControlRejectReason.ORDERS_WORK, text)
    covered = [name for name, each, _ in state.families.covering if each == symbol and account in (None, name)]
    if covered:
        text = f"symbol: brackets of {names_of(covered)} make exits in {symbol}; cancel them first, by their list_id"
        raise Refused(ControlRejectReason.ORDERS_WORK, text)


def _check(state: State, account: Account, symbol: str, new: int, old: int) -> None:
    instrument = state.instruments[symbol]
    held = [(f"account {account.name}", account.holdings[symbol].quantity)] if symbol in account.holdings else []
    held += [(f"strategy {strategy} of account {account.name}", lots) for strategy, lots in shares_of(account, symbol)]
    positions = account.holdings[symbol].hedged if symbol in account.holdings else None
    held += [
        (f"position {name} of account {account.name}", each.quantity)
        for name, each in sorted((positions or {}).items())
    ]
    for whose, lots in held:
        if lots * new % old:
            quantity = state.terms[state.config.home_of(instrument)][symbol].lot.text(lots)
            text = (
                f"symbol: {whose} holds {quantity} {symbol}, of which {new}:{old} makes no multiple of the lot size "
                f"{instrument.lot_size}; trade what is over first"
            )
            raise Refused(ControlRejectReason.FRACTION_LEFT, text)


def _split(state: State, account: Account, symbol: str, new: int, old: int) -> Change:
    holding = state.holdings.holding(account.name, symbol)
    before = holding.quantity
    whole = holding.split(new, old)
    for _, name, share in account.shares or ():
        if name == symbol:
            whole = share.split(new, old) and whole
    for each in (holding.hedged or {}).values():
        each.quantity = each.quantity * new // old
    assert whole, "just looked"
    account.room = -1
    return Change(account.name, before, holding.quantity, open_of(holding))


def open_of(holding: Holding) -> int | None:
    """Return how many positions there are, of an account that hedges."""
    return None if holding.hedged is None else sum(each.quantity != 0 for each in holding.hedged.values())


def names_of(names: Iterable[str]) -> str:
    """Return the first few names of some, for a sentence."""
    every = [*names]
    return ", ".join([*every[:MOST_NAMED], *(["…"] if len(every) > MOST_NAMED else [])])


def nothing_held(control: AdjustAccount) -> str:
    """Return what is answered where nobody meant holds any."""
    whose = f"account {control.account} holds no" if control.account else "nobody holds any"
    return f"nothing was changed: {whose} {control.symbol}"


def tell(state: State, journal: Journal, control: AdjustAccount, changes: list[Change]) -> None:
    """Write an AccountAdjusted for each account that was changed, by a split or by a change of symbol."""
    assert control.symbol is not None, "it is an instrument's"
    old, new = (
        state.terms[state.config.home_of(state.instruments[symbol])][symbol].lot
        for symbol in (control.symbol, control.new_symbol or control.symbol)
    )
    said = {"ratio": control.ratio} if control.new_symbol is None else {"new_symbol": control.new_symbol}
    for account, before, after, positions in changes:
        told: dict[str, str | int | None] = {**said, "old_position": old.text(before), "position": new.text(after)}
        if positions is not None:
            told["positions"] = positions
        currency = state.accounts[account].currency
        journal.account_adjusted(control, account, currency, money(state.holdings.account(account).cash), told)


def sentence(control: AdjustAccount, changes: list[Change]) -> str:
    """Return what a split did, for its answer."""
    if not changes:
        return nothing_held(control)
    of = names_of(change.account for change in changes)
    count = sum(change.positions or 1 for change in changes)
    told = f"SPLIT {control.ratio} of {control.symbol}: {count} positions were changed ({of})"
    return f"{told}; from now on a quote is one of the new shares, and stops and targets go by it"
