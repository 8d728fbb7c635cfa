"""The limits on what an account risks: which are broken, what is done about it, and when they hold again.

Flows in: what an account's sums are, resumption by an operator. Flows out: RiskChanged, and where a limit asks for it
LimitRisk in `orders.{a}`, which the orders stage takes as an operator's control. Never counts a sum.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final

from fillstream.libs.common.ledger.worth import MONEY_DECIMALS
from fillstream.libs.common.messages.codes import RiskAction
from fillstream.libs.common.messages.controls import LimitRisk
from fillstream.libs.common.values.money import canonical, ratio
from fillstream.services.position_service.accounts.account import Account
from fillstream.services.position_service.accounts.sums import Sums
from fillstream.services.position_service.books.books import Books
from fillstream.services.position_service.telling import Telling

RATIO_DECIMALS = 6
_RATIOS: Final = ("max_drawdown", "max_leverage", "max_concentration")


class RiskLimits:
    """The part of the fold that judges accounts by their limits.

    Args:
        books: count what is sent.
        telling: told what is broken.
        partition: of the accounts.
        orders: the name of the stream that controls go to.
    """

    __slots__ = ("_books", "_orders", "_partition", "_telling")

    def __init__(self, books: Books, telling: Telling, partition: int, orders: str) -> None:
        self._books = books
        self._telling = telling
        self._partition = partition
        self._orders = orders

    @staticmethod
    def resumed(account: Account) -> None:
        """Judge anew what is broken: whoever looks at a limit is told that it holds, or that it still does not."""
        account.peak = None
        account.broken = dict.fromkeys(account.broken)

    def judge(self, account: Account, sums: Sums) -> None:
        """Look which limits are broken, and which hold again or are no more."""
        measured = _measured(account, sums)
        for name in [*account.limits, *(each for each in account.broken if each not in account.limits)]:
            value, allowed = measured[name], account.limits.get(name)
            if value is None and allowed is not None and account.broken.get(name, "") is not None:
                continue  # not known now: what was said of it stands, but where an operator had it judged anew
            broken = allowed is not None and value is not None and value > allowed
            is_news = account.broken.get(name) is None if broken else name in account.broken
            if is_news:
                self._changed(account, name, value, allowed, broken)

    def _changed(
        self, account: Account, name: str, value: Fraction | None, allowed: Fraction | None, broken: bool
    ) -> None:
        action = account.action
        decimals = RATIO_DECIMALS if name in _RATIOS else MONEY_DECIMALS
        seen, limit = _text(value, decimals), _text(allowed, decimals)
        text = f"{name}: {account.name} has no such limit any more"
        if value is None and allowed is not None:
            text = f"{name}: of {account.name} nothing is known since it was resumed"
        elif allowed is not None:
            text = f"{name}: {seen} of {account.name} {'is above' if broken else 'is within'} {limit}"
        if broken:
            account.broken[name] = action
        else:
            del account.broken[name]
        self._telling.risk_changed(
            {
                "account": account.name, "currency": account.currency, "limit": name, "broken": broken,
                "measured": seen, "allowed": limit, "risk_action": action, "text": text,
            }
        )  # fmt: skip
        if broken and action is not RiskAction.ALERT:
            message = {
                "type": "LimitRisk", "v": LimitRisk.VERSION, "signal_id": f"risk-{self._partition}-{self._books.sent}",
                "account": account.name, "action": action, "reason": text[:200], "signal_time": self._telling.ms,
            }  # fmt: skip
            self._telling.out.event(self._orders, message)


def _measured(account: Account, sums: Sums) -> dict[str, Fraction | None]:
    """Return what each limit is about; None where it is not known."""
    gross, equity, peak = sums.longs + sums.shorts, sums.equity, account.peak or 0
    return {
        "max_drawdown": Fraction(peak - equity, peak) if peak > 0 else None,
        "max_leverage": _by(gross, equity),
        "max_concentration": _by(sums.largest, equity),
        "max_value_at_risk": None if account.risk is None else Fraction(account.risk[0], 10**MONEY_DECIMALS),
    }


def _by(value: int, equity: int) -> Fraction:
    """Return a sum by the equity; nothing of it is 0, and without equity it is beyond every limit."""
    if not value:
        return Fraction(0)
    return Fraction(value, equity) if equity > 0 else Fraction(10**12)


def _text(value: Fraction | None, decimals: int) -> str | None:
    return None if value is None else canonical(Decimal(ratio(value.numerator, value.denominator, decimals)))
