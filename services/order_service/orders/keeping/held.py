"""What accounts hold as a snapshot has it, and back.

Flows in: a partition's `Holdings`; or what `dump_held` wrote, or nothing, as before there was any. Flows out: the same,
the other way round. Never says how many orders work: that is counted anew from the orders.

    holdings {record: "Holding", names, rows}      what was ever traded, a row an account and symbol; numbers as text
    marks {symbol: half ticks}                     where a limit needs them
    position_ids [[number, position_id]]           of orders that left the state, of accounts that hedge
    held {account: {cash, unknown, sent, …}}       what else is known of an account, each where there is any; `shares`
                                                   are rows of what its strategies hold, `hedged` of its positions

A snapshot of a desk with fills that has no `holdings` is of a release that kept none. What its accounts hold is unknown
then, and stays so until it is reconciled: it is not guessed, and no limit that depends on it lets an order pass.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from fillstream.libs.common.messages.codes import PositionMode
from fillstream.libs.common.values.versions import Document, Unreadable, check_names
from fillstream.services.order_service.orders.holding import hedged
from fillstream.services.order_service.orders.holding.holdings import Account
from fillstream.services.order_service.orders.holding.strategies import Shares
from fillstream.services.order_service.orders.state import State

_NUMBERS: Final = ("quantity", "cash", "cost", "denominator", "fees", "opening")
_NAMES: Final = ("account", "symbol", *_NUMBERS)
_ACCOUNT: Final = ("cash", "unknown", "sent", "recent", "older", "turns_ms", "reduces", "shares", "hedged")
_SHARE: Final = ("quantity", "cash", "cost", "denominator")


def dump_held(state: State) -> Document:
    """Return the keys of a snapshot that there is something to say under."""
    found: Document = {}
    if sum(state.fills.values()):
        rows = [
            [account, symbol, *(str(getattr(holding, name)) for name in _NUMBERS)]
            for account, symbol, holding in state.holdings.positions()
        ]
        found["holdings"] = {"record": "Holding", "names": _NAMES, "rows": rows}
    if state.holdings.marking:
        found["marks"] = {s: each.mark for s, each in sorted(state.holdings.instruments.items())}
    held = {name: said for name, account in sorted(state.holdings.accounts.items()) if (said := _said(account))}
    if held:
        found["held"] = held
    if state.position_ids:
        found["position_ids"] = [[*each] for each in sorted(state.position_ids.items())]
    return found


def _said(account: Account) -> Document:
    said: Document = {}
    if account.cash:
        said["cash"] = str(account.cash)
    if not account.known:
        said["unknown"] = True
    if account.reduces:
        said["reduces"] = True
    if account.shares is not None:
        said["shares"] = [
            [strategy, symbol, *(str(getattr(share, name)) for name in _SHARE)]
            for strategy, symbol, share in account.shares
            if share.quantity
        ]
    positions = [
        [symbol, name, str(each.quantity)]
        for symbol, holding in sorted(account.holdings.items())
        for name, each in sorted((holding.hedged or {}).items())
        if each.quantity
    ]
    if positions:
        said["hedged"] = positions
    if account.sent:
        said["sent"] = [*account.sent]
    if account.recent:
        said["recent"] = [[*key, ms] for key, ms in account.recent.items()]
    if account.older:
        said["older"] = [[*key, ms] for key, ms in account.older.items()]
    if account.turns_ms:
        said["turns_ms"] = account.turns_ms
    return said


def load_held(document: Document, state: State) -> None:
    """Put back what `dump_held` wrote, into a state that has its instruments and counts.

    Raises:
        Unreadable: another record or a name that this release does not know.
    """
    holdings = state.holdings
    for name, terms in state.accounts.items():
        if terms.position_mode is PositionMode.HEDGING:  # what it holds is kept so, though the file may have lost it
            holdings.account(name).hedges = True
    if "holdings" in document:
        _load_rows(document["holdings"], state)
    elif sum(state.fills.values()):
        for name in state.accounts:
            holdings.account(name).known = False
    state.position_ids = {number: name for number, name in document.get("position_ids", ())}
    if "marks" in document:
        holdings.marking = True
        for symbol, mark in document["marks"].items():
            holdings.instruments[symbol].mark = mark
    for name, said in document.get("held", {}).items():
        check_names("held", said, _ACCOUNT, ())
        account = holdings.account(name)
        account.cash = int(said.get("cash", 0))
        account.known = not said.get("unknown", False)
        account.reduces = said.get("reduces", False)
        if "shares" in said:
            account.shares = Shares()
            for strategy, symbol, *numbers in said["shares"]:
                share = account.shares.share(strategy, symbol)
                for each, number in zip(_SHARE, numbers, strict=True):
                    setattr(share, each, int(number))
        for symbol, position_id, lots in said.get("hedged", ()):
            positions = holdings.holding(name, symbol).hedged
            assert positions is not None, "its account hedges"
            hedged.fill(positions, position_id, int(lots))
        account.sent = deque(said.get("sent", ()))
        account.recent = {tuple(key): ms for *key, ms in said.get("recent", ())}
        account.older = {tuple(key): ms for *key, ms in said.get("older", ())}
        account.turns_ms = said.get("turns_ms", 0)


def _load_rows(table: Document, state: State) -> None:
    if table["record"] != "Holding":
        raise Unreadable(f"orders snapshot: record {table['record']} must be Holding among holdings")
    check_names("Holding", dict.fromkeys(table["names"]), _NAMES, _NAMES)
    for row in table["rows"]:
        values: dict[str, Any] = dict(zip(table["names"], row, strict=True))
        holding = state.holdings.holding(values["account"], values["symbol"])
        for name in _NUMBERS:
            setattr(holding, name, int(values[name]))
