"""What a rule is, and what it looks at.

Flows in: what is asked for (a draft) and what the partition knows (a view). Flows out: a sentence that names the field,
its value and the limit, or None. Never changes either, never looks at a clock: now is the draft's `ms`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, Protocol

from fillstream.libs.common.messages.codes import PRICELESS, CancelRejectReason, OrderType, RejectReason
from fillstream.libs.common.messages.special_terms import SpecialTerms
from fillstream.services.order_service.orders.compiled import Limits, Quote, Terms
from fillstream.services.order_service.orders.control.tripping import Breaker
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.life.special import Special

if TYPE_CHECKING:
    from fillstream.services.order_service.orders.config import DeskConfig
    from fillstream.services.order_service.orders.holding.holdings import Holdings
    from fillstream.services.order_service.orders.holding.valuation import StrategySums, Sums

ALL = frozenset(kind.value for kind in OrderType)
PRICED = ALL - PRICELESS
IMMEDIATE = frozenset((OrderType.MARKET.value, OrderType.LIMIT.value, OrderType.MARKET_TO_LIMIT.value))
"""Types that may trade as they come; the others wait for a price."""


class View(Protocol):
    """What rules may ask of the state."""

    @property
    def config(self) -> DeskConfig:
        """The desk's, as it counts now."""
        ...

    @property
    def holdings(self) -> Holdings:
        """What accounts hold; of the draft's own account and instrument its limits say where."""
        ...

    @property
    def next_order_id(self) -> int:
        """The id of the next order."""
        ...

    def accepted_on(self, account: str, ms: int) -> int:
        """Return how many orders of an account were accepted so far in its day of `ms`."""
        ...


class Draft:
    """An order that is asked for, or the one that an amendment would make of it, in integers.

    Attributes:
        ms: now.
        account, symbol: whose, and of what.
        account_known, symbol_known: both are configured here. Only then there is what follows from `limits` on.
        order: that is to be amended; None for a new one.
        buy: its side.
        order_type, time_in_force: by the contracts' names.
        quantity, price: as asked for, for sentences; None where there is none.
        limits, terms, quote: the account's on the instrument, the instrument's, the market's.
        lots: of `quantity`; 0 when that is not on the grid.
        on_tick: `price` is on the grid.
        ticks: of the price; of a market order as far as it may go.
        bounded: `ticks` are so; False of a market order that nothing bounds.
        said: what is asked for beyond a plain order, None of one.
        sized: `said` with sizes in money where it has shares of equity; None where that is not known.
        entry: the price (ticks) at which such an order would enter, None where none is known.
        special: `said` in integers, once the rules about it hold.
        broken: the first of those that does not.
        breakers: the circuit breakers that concern a new order.
        riskier: more is at risk than before. Of an amendment, a new price or more quantity.
        worth: ticks, without their sign, times lots that the order is valued at; 0 while either is not known.
        strategy: its order's, None of one without.
        position_id: which position it trades, as the client names it; None where the client does not.
        sums, strategy_sums: of the account, and of its strategy, with the order, once a rule has counted them; see
            `valuation`.
    """

    account_known = symbol_known = on_tick = bounded = riskier = True
    order: Order | None = None
    strategy: str | None = None
    position_id: str | None = None
    sums: Sums | None = None
    strategy_sums: StrategySums | None = None
    said: SpecialTerms | None = None
    sized: SpecialTerms | None = None
    special: Special | None = None
    entry: int | None = None
    broken: Reject | None = None
    breakers: tuple[Breaker, ...] = ()
    ticks = worth = 0
    ms: int
    account: str
    symbol: str
    buy: bool
    order_type: str
    time_in_force: str
    quantity: str | None
    price: str | None
    limits: Limits
    terms: Terms
    quote: Quote
    lots: int


Check = Callable[[Draft, View], str | None]
When = Callable[[Limits], bool]


def always(limits: Limits) -> bool:
    """Say that a rule is about every order."""
    return True


class Rule(NamedTuple):
    """One rule.

    Attributes:
        reason: what a refusal is called; it has FIX's number.
        check: None, or the sentence that refuses.
        limit: where its limit is set, empty where it has none.
        order_types: that it is about.
        meaning: what must hold, in one sentence: the function's docstring.
        example: fields of a signal that breaks it; a null is a field that is left out.
        when: whether it is about orders under these limits. An account that has no such limit pays nothing for it.
        screen: says None where this rule holds for sure, and with it all others that have the same; else they are
            looked at one by one.
    """

    reason: RejectReason | CancelRejectReason
    check: Check
    limit: str
    order_types: Collection[str]
    meaning: str
    example: Mapping[str, str | None]
    when: When
    screen: Check | None


class Reject(NamedTuple):
    """Why an order or an amendment is refused."""

    reason: RejectReason | CancelRejectReason
    text: str


def rule(
    reason: RejectReason | CancelRejectReason,
    *,
    limit: str = "",
    order_types: Collection[str] = ALL,
    example: Mapping[str, str | None],
    when: When = always,
    screen: Check | None = None,
) -> Callable[[Check], Rule]:
    """Make a rule of the function below, whose docstring says what it means."""

    def made(check: Check) -> Rule:
        assert check.__doc__, "a rule says what it means"
        return Rule(reason, check, limit, order_types, check.__doc__, example, when, screen)

    return made


class Rules(tuple[Rule, ...]):
    """Rules in the order of their precedence."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        # Chosen once for each type, and again for an account's limits on an instrument, so that no order pays for a
        # rule that is not about it.
        self._rules = {kind: tuple(each for each in self if kind in each.order_types) for kind in ALL}
        number = next(_numbers)
        self._keys = {kind: f"{number} {kind}" for kind in ALL}

    def first_broken(self, draft: Draft, view: View) -> Reject | None:
        """Return what the first rule that is broken says, None when all hold."""
        kind = draft.order_type
        if draft.symbol_known:
            limits = draft.limits
            checks = limits.checks.get(self._keys[kind])
            if checks is None:
                checks = limits.checks[self._keys[kind]] = _screened(self._applied(draft))
        else:
            checks = tuple(each.check for each in self._rules[kind])
        for check in checks:
            if check(draft, view) is not None:
                return self._look(draft, view)
        return None

    def _applied(self, draft: Draft) -> list[Rule]:
        rules = self._rules[draft.order_type]
        return [each for each in rules if each.when(draft.limits)] if draft.symbol_known else [*rules]

    def _look(self, draft: Draft, view: View) -> Reject | None:
        """Return what the first rule that is broken says: a screen may have seen what none of them does."""
        for each in self._applied(draft):
            text = each.check(draft, view)
            if text is not None:
                return Reject(each.reason, text)
        return None


def _screened(rules: Iterable[Rule]) -> tuple[Check, ...]:
    """Return the checks of rules, with the screens, each once, of those that have one."""
    return (*dict.fromkeys(each.check if each.screen is None else each.screen for each in rules),)


_numbers = count()
