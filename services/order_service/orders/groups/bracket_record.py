"""A bracket: an entry, and the exits of what it has filled.

Flows in: what was asked for, and what happened. Flows out: a record of it, as a snapshot has it. Never decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final

from fillstream.libs.common.messages.codes import TriggerPrice
from fillstream.libs.common.values.versions import Document, check_names

_LAST: Final = TriggerPrice.LAST.value


@dataclass(slots=True)
class Leg:
    """One target of a bracket.

    Attributes:
        ticks: its price.
        weight: among the targets.
        order_id: of the child that works for it now, None without one.
        filled: lots that its children have traded.
        ours: the bracket itself asked for the end of that child.
        dropped: somebody else ended it: it is not made again.
    """

    ticks: int
    weight: int
    order_id: int | None = None
    filled: int = 0
    ours: bool = False
    dropped: bool = False


@dataclass(slots=True)
class Bracket:
    """What is known of a bracket beside its orders.

    Attributes:
        entry_id: the entry's order.
        list_id: what it goes by: its entry's client_order_id.
        stop, trailing: where its stop stands (ticks), or how far it stays behind; None without one.
        trigger: which price its stop waits for.
        targets: the nearest first.
        break_even: a BreakEven that is still to come, empty of none.
        stop_id: of the child that is its stop now.
        stop_ours: the bracket itself asked for the end of that child.
        stop_dropped: somebody else ended that: it is not made again.
        hit: the stop's price has come: targets go, then it is sent.
        covers: it may have something to protect still.
        exited: lots that its exits have traded; `base` of them before the targets of now were named.
        counted: lots that it counts with among the brackets of its position.
        made, refused: children so far; refusals since one was taken.
        again_ms: no child is made before.
        seen: lots that it has counted of each child that may trade.
        told: protected lots, stop and status that were told last.
    """

    entry_id: int
    list_id: str
    stop: int | None = None
    trailing: int | None = None
    trigger: str = _LAST
    targets: list[Leg] = field(default_factory=list)
    break_even: str = ""
    stop_id: int | None = None
    stop_ours: bool = False
    stop_dropped: bool = False
    hit: bool = False
    covers: bool = True
    exited: int = 0
    base: int = 0
    counted: int = 0
    made: int = 0
    refused: int = 0
    again_ms: int = 0
    seen: dict[int, int] = field(default_factory=dict)
    told: tuple[int, int | None, str] | None = None

    @property
    def exits(self) -> list[int]:
        """Ids of its children that may trade, its stop's first."""
        found = [] if self.stop_id is None else [self.stop_id]
        return found + [leg.order_id for leg in self.targets if leg.order_id is not None]

    @property
    def wants_stop(self) -> bool:
        """Whether it has a stop that is to be there while anything is to be protected."""
        return (self.stop is not None or self.trailing is not None) and not self.stop_dropped

    def drop(self) -> None:
        """Let it make no exit again; those that are there are others' to end."""
        self.stop_dropped = True
        for leg in self.targets:
            leg.dropped = True


_NAMES: Final = tuple(each.name for each in fields(Bracket))
_ALWAYS: Final = tuple(name for name in _NAMES if name != "trigger")
"""What every release wrote; a stop that waits for the last trade says no more."""
_LEG: Final = tuple(each.name for each in fields(Leg))


def dump_bracket(bracket: Bracket) -> Document:
    """Return it by the names of its fields."""
    record: Document = {name: getattr(bracket, name) for name in _ALWAYS}
    if bracket.trigger != _LAST:
        record["trigger"] = bracket.trigger
    record["targets"] = [[getattr(leg, name) for name in _LEG] for leg in bracket.targets]
    record["seen"] = [[*each] for each in bracket.seen.items()]
    return record


def load_bracket(record: Document) -> Bracket:
    """Return what `dump_bracket` wrote.

    Raises:
        Unreadable: a name that this release does not know.
    """
    check_names("Bracket", record, _NAMES, _ALWAYS)
    said: dict[str, Any] = {**record, "targets": [Leg(*each) for each in record["targets"]]}
    said["seen"] = {order_id: lots for order_id, lots in record["seen"]}
    said["told"] = None if record["told"] is None else tuple(record["told"])
    return Bracket(**said)
