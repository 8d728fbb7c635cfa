"""One circuit breaker: what it has counted, and how it stands.

Flows in: nothing by itself, `breakers` counts. Flows out: its fields; a snapshot's form and back. Never decides.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fillstream.libs.common.messages.codes import BreakerScope, BreakerState
from fillstream.libs.common.messages.reference import MAX_SLIPS, AccountTerms, VenueTerms
from fillstream.libs.common.messages.terms import ReferenceData
from fillstream.libs.common.values.money import fixed
from fillstream.libs.common.values.versions import Document, check_names

_STRATEGY = BreakerScope.STRATEGY.value
_KEPT = ("number", "scope", "account", "name", "state", "probe", "rejects", "orders", "worths")
_RARE = ("errors", "slips")
"""Written where there are any."""
SLIP_DECIMALS = 3
"""A fill's slippage is counted in thousandths of a basis point, rounded down."""
_SLIPS_A_WHOLE = 10_000 * 10**SLIP_DECIMALS


@dataclass(slots=True)
class Breaker:
    """A breaker of an account, a strategy of an account, or a venue.

    Attributes:
        number: its timer's.
        scope: a `BreakerScope` by its name.
        account: whose, empty of a venue's.
        name: the account's, the strategy's or the venue's.
        state: a `BreakerState` by its name.
        probe: the order that tries while it is half open, 0 while none does.
        rejects, orders: when they were (ms), as far as the window reaches back.
        worths: what the account had made (money), and when (ms).
        errors: when the venue did not answer, or said what nobody could use (ms).
        slips: what fills slipped, and when (ms); `slipped` is their sum.
        terms: what it goes by, an account's or a venue's, None before the first; the rest is of them: orders, rejects,
            errors and the mean slippage (bps) that open it (None: none do), of so many fills at least, the window they
            are counted in, how long it stays open.
    """

    number: int
    scope: str
    account: str
    name: str
    state: str = BreakerState.CLOSED.value
    probe: int = 0
    rejects: deque[int] = field(default_factory=deque)
    orders: deque[int] = field(default_factory=deque)
    worths: deque[tuple[int, int]] = field(default_factory=deque)
    errors: deque[int] = field(default_factory=deque)
    slips: deque[tuple[int, int]] = field(default_factory=deque)
    slipped: int = 0
    terms: ReferenceData | None = None
    most_orders: int | None = None
    most_rejects: int | None = None
    most_errors: int | None = None
    most_slippage: Decimal | None = None
    least_fills: int = 1
    window_ms: int = 0
    cooldown_ms: int = 0

    def go_by(self, terms: AccountTerms | VenueTerms) -> None:
        """Take the terms that it counts for from now on."""
        self.terms = terms
        if isinstance(terms, VenueTerms):
            self.most_orders, self.most_rejects = None, terms.breaker_rejects
            self.most_errors, self.most_slippage = terms.breaker_errors, terms.breaker_slippage_bps
        elif self.scope == _STRATEGY:
            self.most_orders, self.most_rejects = terms.strategy_breaker_orders, terms.strategy_breaker_rejects
            self.most_slippage = terms.strategy_breaker_slippage_bps
        else:
            self.most_orders, self.most_rejects = terms.breaker_orders, terms.breaker_rejects
            self.most_slippage = terms.breaker_slippage_bps
        self.least_fills = terms.breaker_slippage_fills
        self.window_ms, self.cooldown_ms = terms.breaker_window_ms, terms.breaker_cooldown_ms

    def slip(self, ms: int, price: int, arrival: int, buy: bool) -> bool:
        """Count a fill at `price` of an order that met `arrival` (ticks, not 0); say whether the mean is too much."""
        assert self.most_slippage is not None, "the caller looked"
        beyond = price - arrival if buy else arrival - price
        slip = beyond * _SLIPS_A_WHOLE // abs(arrival)
        slips, horizon = self.slips, ms - self.window_ms
        slips.append((ms, slip))
        self.slipped += slip
        while slips[0][0] <= horizon or len(slips) > MAX_SLIPS:
            self.slipped -= slips.popleft()[1]
        over, under = self.most_slippage.as_integer_ratio()
        return len(slips) >= self.least_fills and self.slipped * under > over * 10**SLIP_DECIMALS * len(slips)

    @property
    def mean_slippage(self) -> str:
        """The mean slippage of the fills that count, in bps, for a sentence; there is one."""
        return fixed(self.slipped // len(self.slips), SLIP_DECIMALS)

    def forget(self) -> None:
        """Let go of all that was counted."""
        for counted in (self.rejects, self.orders, self.worths, self.errors, self.slips):
            counted.clear()
        self.slipped = 0

    def dump(self) -> Document:
        """Return it by the names of its fields; money as text, which may pass 64 bits."""
        record = {
            "number": self.number, "scope": self.scope, "account": self.account, "name": self.name,
            "state": self.state, "probe": self.probe, "rejects": [*self.rejects], "orders": [*self.orders],
            "worths": [[ms, str(worth)] for ms, worth in self.worths],
        }  # fmt: skip
        if self.errors:
            record["errors"] = [*self.errors]
        if self.slips:
            record["slips"] = [[ms, str(slip)] for ms, slip in self.slips]
        return record

    @classmethod
    def load(cls, record: Document) -> Breaker:
        """Return what `dump` wrote.

        Raises:
            Unreadable: it has other fields.
        """
        check_names("Breaker", record, (*_KEPT, *_RARE), _KEPT)
        values: dict[str, Any] = dict(record)
        values["rejects"], values["orders"] = deque(record["rejects"]), deque(record["orders"])
        values["worths"] = deque((ms, int(worth)) for ms, worth in record["worths"])
        values["errors"] = deque(record.get("errors", ()))
        values["slips"] = deque((ms, int(slip)) for ms, slip in record.get("slips", ()))
        values["slipped"] = sum(slip for _, slip in values["slips"])
        return cls(**values)
