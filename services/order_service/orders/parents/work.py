"""An order that is worked: what its children trade for it, and what its algorithm keeps.

Flows in: what was asked for, and what happened. Flows out: a record of it, as a snapshot has it. Never decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final

from fillstream.libs.common.values.versions import Document, Unreadable, check_names
from fillstream.services.order_service.orders.algos import ALGORITHMS
from fillstream.services.order_service.orders.algos.algorithm import Algorithm, Parameters
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.parents.outstanding import Outstanding
from fillstream.services.order_service.orders.routing import POLICIES

RUNNING, PAUSED, FINISHING, STOPPING, DONE = "running", "paused", "finishing", "stopping", "done"
"""How it stands: FINISHING takes what is left, STOPPING only waits until its children are off."""
AT_ONCE: Final = "AT_ONCE"
"""The algorithm of an order that is only routed or split."""


@dataclass(slots=True)
class Work:
    """What an order that is worked has beyond any order.

    Attributes:
        order_id: the parent's.
        algorithm, parameters: what works it, and what that was told (canonical JSON).
        routing, route_parameters: the policy that chooses venues for its slices, and what that was told (canonical
            JSON); None of one that goes to its own.
        venues, preferences: that may take part, and those among them that are preferred, the most preferred first.
        rejected, missed: by venue, when it last rejected a slice, and had less than it showed.
        asked_for, until: of children that were routed: the price (ticks) of the slice that they are of, None of a
            market's; and when they are called back.
        state: one of RUNNING, PAUSED, FINISHING, STOPPING, DONE.
        start_ms, end_ms: of its time; 0 for no end.
        arrival: the mid when it began (half ticks), None where there was none.
        volume, notional: what the market had traded when it began, None before that is known.
        made: children so far.
        asked, draws: how often its algorithm was asked, and drew.
        again_ms: not before then, after a slice found nobody or was refused.
        turned_ms, turns: when it last wanted no more what worked, and how often then.
        refused: slices that were refused since one was taken.
        planned: lots by now, as its algorithm said last.
        text: why nothing works that might, None without a reason.
        memory: the algorithm's numbers.
        reason, why: while STOPPING and after: a CancelReason, empty of one that expires; and a sentence.
        follows, touch: it wants to be asked when the touch of its market moves, or reaches a price (ticks).
        told: what was told last: cum, planned, text, state; None before anything was.
        algo, given: the algorithm itself, and what it was told as its model; they follow from the names.
        seen: by each child: lots and ticks times lots that the parent has counted of it; they follow from the children.
        open: its children that may still trade; outstanding: where they are, and at which price; likewise.
    """

    order_id: int
    algorithm: str
    parameters: str
    routing: str | None
    venues: tuple[str, ...]
    state: str = RUNNING
    start_ms: int = 0
    end_ms: int = 0
    arrival: int | None = None
    volume: int | None = None
    notional: int = 0
    made: int = 0
    asked: int = 0
    draws: int = 0
    again_ms: int = 0
    refused: int = 0
    turned_ms: int = 0
    turns: int = 0
    planned: int | None = None
    text: str | None = None
    memory: dict[str, int] = field(default_factory=dict)
    route_parameters: str = "{}"
    preferences: tuple[str, ...] = ()
    rejected: dict[str, int] = field(default_factory=dict)
    missed: dict[str, int] = field(default_factory=dict)
    asked_for: dict[int, int | None] = field(default_factory=dict)
    until: dict[int, int] = field(default_factory=dict)
    reason: str = ""
    why: str = ""
    follows: bool = False
    touch: int | None = None
    told: tuple[int, int | None, str | None, str] | None = None
    algo: Algorithm = field(init=False, repr=False, compare=False)
    given: Parameters = field(init=False, repr=False, compare=False)
    seen: dict[int, tuple[int, int]] = field(default_factory=dict, init=False, repr=False, compare=False)
    open: dict[int, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    outstanding: Outstanding = field(default_factory=Outstanding, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        algo = ALGORITHMS.get(self.algorithm)
        if algo is None:
            raise Unreadable(
                f"algorithm: order {self.order_id} is worked by {self.algorithm}, which this process does not know: "
                "load it by execution.algorithms"
            )
        if self.routing is not None and self.routing not in POLICIES:
            raise Unreadable(f"routing: order {self.order_id} is routed by {self.routing}, which is not known here")
        self.algo = algo
        self.given = algo.parameters.model_validate_json(self.parameters)

    def tell(self, parameters: str) -> None:
        """Tell its algorithm something else from now on; it is valid."""
        self.parameters = parameters
        self.given = self.algo.parameters.model_validate_json(parameters)

    def count(self, child: Order) -> None:
        """Count where a child is now."""
        order_id = child.order_id
        self.outstanding.count(child, order_id in self.asked_for, self.asked_for.get(order_id))

    @property
    def needs_book(self) -> bool:
        """Whether it looks beyond the touch, or at what the market trades."""
        routed = self.routing is not None and POLICIES[self.routing].needs_book
        return self.algo.needs_book or self.given.max_participation is not None or routed

    @property
    def is_alive(self) -> bool:
        """Whether it may still make children."""
        return self.state in (RUNNING, PAUSED, FINISHING)


_KEPT: Final = tuple(each.name for each in fields(Work) if each.init)
_NEEDED: Final = ("order_id", "algorithm", "parameters", "routing", "venues")
_EMPTY: Final = ("memory", "rejected", "missed", "asked_for", "until")
_BY_ID: Final = ("asked_for", "until")
_TUPLES: Final = ("venues", "preferences", "told")


def dump_work(work: Work) -> Document:
    """Return what is other than that of a new one, by name."""
    record = {name: getattr(work, name) for name in _KEPT if name in _NEEDED or getattr(work, name) != _default(name)}
    for name in _BY_ID:
        if name in record:
            record[name] = [[*each] for each in record[name].items()]
    return record


def _default(name: str) -> object:
    return {} if name in _EMPTY else Work.__dataclass_fields__[name].default


def load_work(record: Document) -> Work:
    """Return what `dump_work` wrote.

    Raises:
        Unreadable: a name that this release does not know, or an algorithm that this process does not.
    """
    check_names("Work", record, _KEPT, _NEEDED)
    said: dict[str, Any] = {
        name: tuple(value) if name in _TUPLES and value else value for name, value in record.items()
    }
    for name in _BY_ID:
        if name in said:
            said[name] = {order_id: value for order_id, value in said[name]}
    return Work(**said)
