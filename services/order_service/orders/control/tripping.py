"""One circuit breaker: what it has counted, and how it stands.

Flows in: nothing by itself, `breakers` counts. Flows out: its fields; a snapshot's form and back. Never decides.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from fillstream.libs.common.messages.codes import BreakerScope, BreakerState
from fillstream.libs.common.messages.reference import AccountTerms, VenueTerms
from fillstream.libs.common.messages.terms import ReferenceData
from fillstream.libs.common.values.versions import Document, check_names

_STRATEGY = BreakerScope.STRATEGY.value
_KEPT = ("number", "scope", "account", "name", "state", "probe", "rejects", "orders", "worths")


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
        terms: what it goes by, an account's or a venue's, None before the first; the rest is of them: orders and
            rejects that open it (None: none do), the window they are counted in, how long it stays open.
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
    terms: ReferenceData | None = None
    most_orders: int | None = None
    most_rejects: int | None = None
    window_ms: int = 0
    cooldown_ms: int = 0

    def go_by(self, terms: AccountTerms | VenueTerms) -> None:
        """Take the terms that it counts for from now on."""
        self.terms = terms
        if isinstance(terms, VenueTerms):
            self.most_orders, self.most_rejects = None, terms.breaker_rejects
        elif self.scope == _STRATEGY:
            self.most_orders, self.most_rejects = terms.strategy_breaker_orders, terms.strategy_breaker_rejects
        else:
            self.most_orders, self.most_rejects = terms.breaker_orders, terms.breaker_rejects
        self.window_ms, self.cooldown_ms = terms.breaker_window_ms, terms.breaker_cooldown_ms

    def dump(self) -> Document:
        """Return it by the names of its fields; money as text, which may pass 64 bits."""
        return {
            "number": self.number, "scope": self.scope, "account": self.account, "name": self.name,
            "state": self.state, "probe": self.probe, "rejects": [*self.rejects], "orders": [*self.orders],
            "worths": [[ms, str(worth)] for ms, worth in self.worths],
        }  # fmt: skip

    @classmethod
    def load(cls, record: Document) -> Breaker:
        """Return what `dump` wrote.

        Raises:
            Unreadable: it has other fields.
        """
        names = _KEPT
        check_names("Breaker", record, names, names)
        values: dict[str, Any] = dict(record)
        values["rejects"], values["orders"] = deque(record["rejects"]), deque(record["orders"])
        values["worths"] = deque((ms, int(worth)) for ms, worth in record["worths"])
        return cls(**values)
