"""One position that is to be reached, and how that stands: a record, as a snapshot has it.

Flows in: what was asked for, and what happened. Flows out: the same, by name. Never decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final

from fillstream.libs.common.values.versions import Document, check_names


@dataclass(slots=True)
class Target:
    """A target.

    Attributes:
        id: its number among all that this partition ever had.
        account, symbol, signal_id: whose, of what, and the signal's name.
        lots: that are to be held, signed.
        start: that were held when it was asked for.
        asked_ms: when that was.
        arrival: the mark then (half ticks), None without one.
        tolerance: lots that it may be off.
        least: money (in the instrument's) below which a trade is not worth it.
        algorithm, parameters, strategy: of its orders.
        waits: that others of its signal are to be sold first.
        sells: it is one of these, and neither reached nor given up yet.
        client_order_id, order_id: of the order that is on its way.
        attempt: orders that were sent.
        failed: how many of them in a row came to nothing.
        got: lots that the one on its way has traded, without a sign.
        bought, value, fees: lots that all its orders traded, signed; these times what each counted as (its price in
            ticks; see `Worth`); money.
        size: lots that they traded, without a sign, and `worth` these times what each counted as.
    """

    id: int
    account: str
    symbol: str
    signal_id: str
    lots: int
    start: int
    asked_ms: int
    arrival: int | None = None
    tolerance: int = 0
    least: int = 0
    algorithm: str | None = None
    parameters: str | None = None
    strategy: str | None = None
    waits: bool = False
    sells: bool = False
    client_order_id: str | None = None
    order_id: str | None = None
    attempt: int = 0
    failed: int = 0
    got: int = 0
    bought: int = 0
    value: int = 0
    fees: int = 0
    size: int = 0
    worth: int = 0

    @property
    def position(self) -> tuple[str, str]:
        """The account and the symbol."""
        return self.account, self.symbol

    def traded(self, lots: int, counts: int, fee: int) -> None:
        """Count a fill of one of its orders: bought lots above 0, and what each counts as."""
        self.got += abs(lots)
        self.bought += lots
        self.value += lots * counts
        self.fees += fee
        self.size += abs(lots)
        self.worth += abs(lots) * counts

    def rescale(self, lots: int, ticks: int, money: int) -> None:
        """Count in steps of which so many make a lot, a tick and a unit of money of before."""
        for name in ("lots", "start", "tolerance", "got", "bought", "size"):
            setattr(self, name, getattr(self, name) * lots)
        self.value, self.worth = self.value * lots * ticks, self.worth * lots * ticks
        self.arrival = None if self.arrival is None else self.arrival * ticks
        self.fees, self.least = self.fees * money, self.least * money


@dataclass(slots=True)
class Targets:
    """All targets of a partition.

    Attributes:
        made: how many there ever were.
        of, by_id: by position, and by number.
        sent: which waits for what becomes of an order, by its client_order_id.
        failing: how many could not send what is missing, and are to try again.
    """

    made: int = 0
    of: dict[tuple[str, str], Target] = field(default_factory=dict)
    by_id: dict[int, Target] = field(default_factory=dict)
    sent: dict[str, Target] = field(default_factory=dict)
    failing: int = 0

    def add(self, target: Target) -> None:
        """Keep one."""
        self.of[target.position] = self.by_id[target.id] = target
        self.failing += bool(target.failed)
        if target.client_order_id is not None:
            self.sent[target.client_order_id] = target

    def drop(self, target: Target) -> None:
        """Keep one no more."""
        del self.of[target.position], self.by_id[target.id]
        self.failing -= bool(target.failed)
        self.sent.pop(target.client_order_id or "", None)

    def of_signal(self, target: Target) -> list[Target]:
        """Return those that are left of a target's signal."""
        return [
            each for each in self.of.values() if (each.account, each.signal_id) == (target.account, target.signal_id)
        ]


_NAMES: Final = tuple(each.name for each in fields(Target))
_BIG: Final = frozenset(
    ("lots", "start", "arrival", "tolerance", "least", "got", "bought", "value", "fees", "size", "worth")
)
"""Integers that may pass 64 bits."""


def dump_targets(targets: Targets) -> Document:
    """Return all of it that does not follow from the rest."""
    return {"made": targets.made, "targets": [_dump(each) for each in targets.of.values()]}


def load_targets(record: Document) -> Targets:
    """Return what `dump_targets` wrote.

    Raises:
        Unreadable: a name that this release does not know.
    """
    check_names("targets", record, ("made", "targets"), ("made", "targets"))
    targets = Targets(record["made"])
    for each in record["targets"]:
        check_names("target", each, _NAMES, _NAMES[:7])
        values: dict[str, Any] = {name: int(value) if name in _BIG else value for name, value in each.items()}
        targets.add(Target(**values))
    return targets


def _dump(target: Target) -> Document:
    values = {name: getattr(target, name) for name in _NAMES}
    said = {name: value for name, value in values.items() if value is not None and value is not False}
    return {name: str(value) if name in _BIG else value for name, value in said.items()}
