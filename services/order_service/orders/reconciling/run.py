"""Comparisons with venues while they go on: what the desk had when one began, and what was found so far.

Flows in: orders. Flows out: views of them, to see whether one changed; a snapshot's form and back. Never decides.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fillstream.libs.common.messages.codes import DifferenceKind
from fillstream.libs.common.messages.mass_status import Row
from fillstream.libs.common.values.versions import Document, check_names
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.life.remembered import Remembered

REPORTED, STATE_HOLDINGS = "reported", "state holdings"
"""What timers are for: a comparison, by its number; the stage's own."""
RECONCILE = "reconcile "
"""And a venue's name; the id is 0: it is asked for what it has."""

COUNTS = ("orders", "fills", "positions", "in_motion", "differences", "unresolved")
"""What of a comparison is counted, see `VenueReconciled`."""

View = tuple[int, int, int, str]
"""What of an order a report may change, or an answer to a request."""
Behind = tuple[int, str | None, str | None, str | None]
"""An order of which the venue has filled more, or that has ended there: lots filled in all, and as the venue says them,
if it does, their mean price, the price of the last, and the status in which it ended."""


def view_of(order: Order) -> View:
    """Return how an order stands."""
    return order.cum, order.quantity, order.price, order.status


def position_of(account: str, symbol: str) -> str:
    """Return what a position goes by here."""
    return f"{account} {symbol}"


class Found(NamedTuple):
    """A difference: what it is about, and what both have."""

    kind: DifferenceKind
    text: str
    desk_has: str | None = None
    venue_has: str | None = None
    order: Order | Remembered | None = None
    row: Row | None = None
    account: str | None = None
    symbol: str | None = None


@dataclass(slots=True)
class Run:
    """A comparison that has begun.

    Attributes:
        number: its timer's.
        request_id, venue, symbol_partition, account, control_id: whose it is, see `VenueReconciled`.
        as_of: when the venue looked, at the earliest (ms): what was sent later cannot be missing.
        began_ms: when it began here.
        page: the last one that came.
        ending: the last page came, and what is left is gone through.
        covers, accounts: as the pages said.
        expected: the orders that were open at the venue when it began, and that no page had yet, as they stood then.
        behind: orders of which the venue has filled more or that ended there; its trades may be on a later page.
        held: what accounts held when it began, in lots; of positions that are not there it was nothing.
        reported: what they hold by the pages, likewise.
        booked: lots that this comparison booked itself, bought positive, by position.
        orders, fills, positions, in_motion, differences, unresolved: see `VenueReconciled`.
    """

    number: int
    request_id: str
    venue: str
    symbol_partition: int | None
    account: str | None
    control_id: str | None
    as_of: int
    began_ms: int
    page: int = 0
    ending: bool = False
    covers: tuple[str, ...] = ()
    accounts: dict[str, None] | None = None
    expected: dict[int, View] = field(default_factory=dict)
    behind: dict[int, Behind] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    reported: dict[str, int] = field(default_factory=dict)
    booked: dict[str, int] = field(default_factory=dict)
    orders: int = 0
    fills: int = 0
    positions: int = 0
    in_motion: int = 0
    differences: int = 0
    unresolved: int = 0

    def is_about(self, account: str) -> bool:
        """Say whether an account is among those that it compares."""
        return self.account in (None, account) and (self.accounts is None or account in self.accounts)

    def dump(self) -> Document:
        """Return it by the names of its fields."""
        found: Document = {name: getattr(self, name) for name in type(self).__dataclass_fields__}
        found["accounts"] = None if self.accounts is None else [*self.accounts]
        found["expected"] = [[order_id, *view] for order_id, view in self.expected.items()]
        found["behind"] = [[order_id, *each] for order_id, each in self.behind.items()]
        return found

    @classmethod
    def load(cls, record: Document) -> Run:
        """Return what `dump` wrote.

        Raises:
            Unreadable: it has other fields.
        """
        names = tuple(cls.__dataclass_fields__)
        check_names("Run", record, names, names)
        values: dict[str, Any] = dict(record)
        values["covers"] = tuple(record["covers"])
        values["accounts"] = None if record["accounts"] is None else dict.fromkeys(record["accounts"])
        values["expected"] = {order_id: tuple(view) for order_id, *view in record["expected"]}
        values["behind"] = {order_id: tuple(each) for order_id, *each in record["behind"]}
        return cls(**values)


class Reconciling:
    """What the orders stage knows of comparisons.

    Attributes:
        runs: those with venues that go on, by request_id; `count` began so far.
        stated: the digest of what each account held when that was stated last.
        stating: accounts that are to be looked at now.
        differences, compared_ms, unreported: in what desk and venues differed, by kind; when each venue was compared
            last, and how often a report of it did not come. In no snapshot: they are there for alarms, and the journal
            has them.
    """

    __slots__ = ("compared_ms", "count", "differences", "runs", "stated", "stating", "unreported")

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.count = 0
        self.stated: dict[str, str] = {}
        self.stating: deque[str] = deque()
        self.differences: dict[str, int] = {}
        self.compared_ms: dict[str, int] = {}
        self.unreported: dict[str, int] = {}

    def dump(self) -> Document | None:
        """Return it by the names of its fields, None of a desk that never compared anything."""
        if not self.count and not self.stated and not self.stating:
            return None
        runs = [run.dump() for run in self.runs.values()]
        return {"runs": runs, "count": self.count, "stated": self.stated, "stating": [*self.stating]}

    def load(self, record: Document) -> None:
        """Put back what `dump` wrote.

        Raises:
            Unreadable: it has other fields.
        """
        names = ("runs", "count", "stated", "stating")
        check_names("reconciling", record, names, names)
        runs = [Run.load(each) for each in record["runs"]]
        self.runs = {run.request_id: run for run in runs}
        self.count, self.stated = record["count"], record["stated"]
        self.stating = deque(record["stating"])
