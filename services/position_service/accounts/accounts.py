"""Counts what accounts are worth and what they risk, and says so: at most once a second, as it changes.

Flows in: accounts' terms and adjustments, what moves their positions and marks, times. Flows out: AccountMarked.
Never books anything, and leaves it to `risk/` to say what is too much.
"""

from __future__ import annotations

from fillstream.libs.common.ledger.worth import MONEY_DECIMALS
from fillstream.libs.common.messages.codes import AccountType, TradingState
from fillstream.libs.common.runtime.timers import Timer
from fillstream.libs.common.values.money import fixed, half_even, ratio
from fillstream.services.position_service.accounts.account import Account, money_of
from fillstream.services.position_service.accounts.sums import Sums, moves_of, sums_of
from fillstream.services.position_service.books.books import Books
from fillstream.services.position_service.books.instrument import NEVER
from fillstream.services.position_service.risk.limits import RATIO_DECIMALS, RiskLimits
from fillstream.services.position_service.risk.value_at_risk import risk_of
from fillstream.services.position_service.telling import Message, Telling

INTERVAL_MS = 1_000
"""An account is told of at most so often."""
RISK_MS = 60_000
"""What it risks is counted at most so often: that looks at every session of every instrument in it."""
TELL = "account"
"""What timers of accounts are for."""


class Accounts:
    """The part of the fold that counts accounts.

    Args:
        books: have them, and their positions.
        telling: told what they are worth.
        limits: on what they risk.
    """

    __slots__ = ("_books", "_limits", "_telling")

    def __init__(self, books: Books, telling: Telling, limits: RiskLimits) -> None:
        self._books = books
        self._telling = telling
        self._limits = limits

    def defined(self, event: Message) -> None:
        """Take an account's terms."""
        account = self._account(event["account"])
        account.define(event)
        self._books.account_numbers[event["account_id"]] = account.name
        self.touch(account.name)

    def adjusted(self, event: Message) -> None:
        """Take what was put in so far."""
        account = self._account(event["account"])
        account.deposits, account.funded = money_of(event["cash"], MONEY_DECIMALS), True
        account.peak = None if account.peak is None else account.peak + money_of(event["amount"], MONEY_DECIMALS)
        self.touch(account.name)

    def resumed(self, event: Message) -> None:
        """Begin anew with what limits measure from, once an operator lets an account, or all, trade again."""
        if event["new_state"] != TradingState.ACTIVE:
            return
        for account in self._books.accounts.values():
            if event["account"] in (None, account.name):
                self._limits.resumed(account)
                self.touch(account.name)

    def touch(self, name: str) -> None:
        """Take note that something about an account changed; it is told at once, or when its turn comes."""
        account = self._books.accounts.get(name)
        if account is None or not account.is_told:
            return
        account.moved = True
        if self._books.account_numbers.get(account.number) != name:
            return  # its terms were journaled before anybody looked at accounts: it is told once they come again
        now, due_ms = self._telling.ms, account.told_ms + INTERVAL_MS
        self._books.timers.add_once(max(now, due_ms), account.number, TELL)

    def due(self, timer: Timer) -> None:
        """Tell an account whose turn it is."""
        name = self._books.account_numbers.get(timer.id)
        if name is None:  # it has another number now, and another timer
            return
        account = self._books.accounts[name]
        if account.moved and account.is_told:
            self._tell(account)

    def _account(self, name: str) -> Account:
        found = self._books.accounts.get(name)
        if found is None:
            found = self._books.accounts[name] = Account(name)
            for symbol, instrument in self._books.instruments.items():  # what it held before it was looked at
                if name in instrument.held:
                    found.symbols[symbol] = None
        return found

    # -------------------------------------------------------------------- what is told

    def _tell(self, account: Account) -> None:
        now = self._telling.ms
        account.moved, account.told_ms = False, now
        sums = sums_of(self._books, account)
        known = sums.missing is None
        if known:
            account.peak = sums.equity if account.peak is None else max(account.peak, sums.equity)
            if not sums.open or now - account.risk_ms >= RISK_MS:
                account.risk_ms = now if sums.open else NEVER  # what is opened next is counted at once
                self._count_risk(account, sums)
        self._telling.account_marked(self._told(account, sums, known))
        if known:
            self._limits.judge(account, sums)

    def _count_risk(self, account: Account, sums: Sums) -> None:
        books = self._books
        if sums.marked < sums.open:  # one has no mark: nobody knows what it risks
            account.risk, account.sessions = None, 0
            return
        worth = {
            symbol: per_half_tick * books.instruments[symbol].size_at_mark
            for symbol, per_half_tick in sums.exposures.items()
        }
        moves = {symbol: moves_of(books.instruments[symbol]) for symbol in worth}
        account.risk, account.sessions = risk_of(worth, moves)

    def _told(self, account: Account, sums: Sums, known: bool) -> Message:
        gross, equity = sums.longs + sums.shorts, sums.equity
        margin = half_even(gross * account.margin.numerator, account.margin.denominator)
        power: int | None = None
        if account.kind is AccountType.MARGIN:
            power = half_even(equity * account.margin.denominator, account.margin.numerator) - gross
        elif account.kind is AccountType.CASH:
            power = sums.cash
        peak = account.peak
        risk = account.risk or (None, None, None, None)
        of_all: dict[str, int | None] = {
            "cash_balance": sums.cash,
            "equity": equity,
            "unrealized_pnl": sums.unrealized,
            "day_pnl": sums.day,
            "long_exposure": sums.longs,
            "short_exposure": sums.shorts,
            "gross_exposure": gross,
            "net_exposure": sums.longs - sums.shorts,
            "margin_used": margin if account.kind is AccountType.MARGIN else None,
            "buying_power": power,
            "value_at_risk": risk[0],
            "expected_shortfall": risk[1],
            "parametric_var": risk[2],
            "parametric_shortfall": risk[3],
        }
        stale = {"stale_positions": sums.stale} if sums.stale else {}
        return {
            "account": account.name,
            "currency": account.currency,
            "deposits": _money(account.deposits),
            **{name: _money(value) if known and value is not None else None for name, value in of_all.items()},
            "leverage_ratio": _ratio(gross, equity) if known else None,
            "concentration_ratio": _ratio(sums.largest, equity) if known else None,
            "peak_equity": None if peak is None else _money(peak),
            "drawdown_ratio": _ratio(peak - equity, peak) if known and peak is not None else None,
            "sessions": account.sessions,
            "open_positions": sums.open,
            "missing_rate": sums.missing,
            **stale,
        }


def _money(units: int) -> str:
    text = fixed(units, MONEY_DECIMALS).rstrip("0").rstrip(".")
    return text


def _ratio(value: int, by: int) -> str | None:
    return ratio(value, by, RATIO_DECIMALS) if by > 0 else None
