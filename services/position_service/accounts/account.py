"""One account: its cash, where it traded, the limits on its risk, and how it stood: a record, as a snapshot has it.

Flows in: terms, adjustments, what was counted. Flows out: the same, by name. Never counts anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from fillstream.libs.common.messages.codes import AccountType, RiskAction
from fillstream.libs.common.messages.reference import AccountFields
from fillstream.libs.common.values.money import canonical
from fillstream.libs.common.values.versions import Document, check_names
from fillstream.services.position_service.books.instrument import NEVER


@dataclass(slots=True)
class Account:
    """An account's worth.

    Attributes:
        name, number, currency, kind: as its terms have them; its timer goes by its number.
        margin: share of its exposure that a MARGIN account needs in equity.
        limits: on its risk, by the names of its terms.
        action: what is done where one is broken.
        exits: of every position that it opens: what ProtectPosition says of them.
        deposits: money put in, less what was taken out (units of 10**-MONEY_DECIMALS).
        funded: money was put in, ever.
        symbols: in which it ever held something.
        told_ms: when it was told of last; `moved`: something has changed since.
        peak: the highest equity, None before the first.
        broken: limits that are, each with the action that was taken; None since an operator resumed: it is judged anew.
        risk: value at risk, expected shortfall, and both by a normal distribution (money), None before they are known.
        sessions: that these are counted over.
        risk_ms: when they were counted.
    """

    name: str
    number: int = 0
    currency: str = "USD"
    kind: AccountType = AccountType.NONE
    margin: Fraction = Fraction(1, 2)
    limits: dict[str, Fraction] = field(default_factory=dict)
    action: RiskAction = RiskAction.ALERT
    exits: dict[str, str | int] = field(default_factory=dict)
    deposits: int = 0
    funded: bool = False
    symbols: dict[str, None] = field(default_factory=dict)
    told_ms: int = NEVER
    moved: bool = False
    peak: int | None = None
    broken: dict[str, str | None] = field(default_factory=dict)
    risk: tuple[int, int, int, int] | None = None
    sessions: int = 0
    risk_ms: int = NEVER

    @property
    def is_told(self) -> bool:
        """Whether anybody is told of it: somebody says that its worth is to be known."""
        return self.funded or self.kind is not AccountType.NONE or bool(self.limits or self.broken)

    @property
    def stop(self) -> Fraction | None:
        """The share of the mean price at which its positions are closed on the losing side."""
        return self._share("stop_loss_percent")

    @property
    def take(self) -> Fraction | None:
        """And on the winning side."""
        return self._share("take_profit_percent")

    def _share(self, name: str) -> Fraction | None:
        percent = self.exits.get(name)
        return None if percent is None else Fraction(percent) / 100

    def define(self, event: dict[str, Any]) -> None:
        """Take its terms from AccountDefined.

        Raises:
            pydantic.ValidationError: they are not terms: a newer release's, whose version says so first.
        """
        terms = AccountFields.out_of(event)
        self.number = event["account_id"]
        self.currency, self.kind, self.action = terms.currency, terms.account_type, terms.risk_action
        self.margin = Fraction(terms.initial_margin)
        exits = {
            "stop_loss_percent": terms.exit_stop_loss_percent,
            "take_profit_percent": terms.exit_take_profit_percent,
            "trailing_stop_percent": terms.exit_trailing_stop_percent,
            "trailing_stop_atr": terms.exit_trailing_stop_atr,
            "before_session_end_ms": terms.exit_before_session_end_ms,
        }
        self.exits = {
            name: value if isinstance(value, int) else canonical(value)
            for name, value in exits.items()
            if value is not None
        }
        limits = {
            "max_drawdown": terms.max_drawdown,
            "max_leverage": terms.max_leverage,
            "max_concentration": terms.max_concentration,
            "max_value_at_risk": terms.max_value_at_risk,
        }
        self.limits = {name: Fraction(limit) for name, limit in limits.items() if limit is not None}


_ASKED: Final = {
    "account_trail": ("trailing_stop_percent", "trailing_stop_atr"),
    "account_session_end": ("before_session_end_ms",),
}
"""What of its exits the orders stage is asked for, by the protection_id of each: the one refused, the other stays."""
_NAMES: Final = tuple(each.name for each in fields(Account))


def dump_account(account: Account) -> Document:
    """Return it by the names of its fields."""
    values = {name: getattr(account, name) for name in _NAMES}
    return values | {
        "margin": str(account.margin),
        "limits": {name: str(value) for name, value in account.limits.items()},
        "symbols": [*account.symbols],
        "deposits": str(account.deposits),
        "peak": None if account.peak is None else str(account.peak),
        "risk": None if account.risk is None else [*map(str, account.risk)],
    }


def load_account(record: Document) -> Account:
    """Return what `dump_account` wrote.

    Raises:
        Unreadable: a name that this release does not know.
    """
    check_names("account", record, _NAMES, _NAMES)
    risk = record["risk"]
    values: dict[str, Any] = record | {
        "kind": AccountType(record["kind"]),
        "margin": Fraction(record["margin"]),
        "limits": {name: Fraction(value) for name, value in record["limits"].items()},
        "action": RiskAction(record["action"]),
        "symbols": dict.fromkeys(record["symbols"]),
        "deposits": int(record["deposits"]),
        "peak": None if record["peak"] is None else int(record["peak"]),
        "risk": None if risk is None else tuple(map(int, risk)),
    }
    return Account(**values)


def money_of(text: str, decimals: int) -> int:
    """Return a text's money in units of 10**-decimals; adjustments have no more."""
    return int(Decimal(text).scaleb(decimals))


def asked_of(exits: dict[str, str | int]) -> list[tuple[str, dict[str, str | int]]]:
    """Return what of an account's own exits the orders stage is asked for: protection_ids with what each says."""
    found = ((name, {each: exits[each] for each in of if each in exits}) for name, of in _ASKED.items())
    return [(name, said) for name, said in found if said]
