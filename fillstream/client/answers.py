"""What the streams tell of a signal or a control, put together.

Flows in: events as plain dicts. Flows out: outcomes and answers. Never reads a stream itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fillstream.libs.common.messages.codes import ListOrderStatus, OrdStatus, RejectReason
from fillstream.libs.common.messages.topology import Topology, partition_of_order_id, stream_name

SIGNALS = stream_name("signals")
FINAL = {OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED, OrdStatus.CALCULATED}
LIST_FINAL = {ListOrderStatus.ALL_DONE, ListOrderStatus.REJECT}
REFUSALS = {"OrderRejected", "OrderCancelRejected", "OrderReplaceRejected", "SignalRefused", "DeadLetter"}
SETTLED = {
    "PredictionReceived",
    "MassCancelRequested",
    "PositionProtected",
    "ProtectionCanceled",
    "TargetSet",
    "TargetCanceled",
}
"""Nothing more comes of what these answer."""
QUIET_S = 0.2
"""An order that works on the book and has no news for this long has settled there."""
CONTROL_ANSWERS = {"ControlApplied", "ControlRejected", "ControlReported"}


class NoAnswer(TimeoutError):
    """Nothing was heard of a signal in time. It is in the stream all the same: a service may be down."""


@dataclass(slots=True)
class Outcome:
    """What became of a signal, as far as the journal has told.

    Attributes:
        signal_id: of the signal.
        events: its own events, its order's and that one's children's since, oldest first; a dead letter is the last.
        order_id: of the order, None when it never became or named one.
        ord_status: of the order, None likewise.
        reason, text: why it was refused or taken off, None when it was not.
        list_id, list_order_status: of the list of orders, or the bracket, that it was about; None of any other. Then
            the list's status counts, and the order's is that of the last one of it that was told.
    """

    signal_id: str
    events: list[dict[str, Any]] = field(default_factory=list)
    order_id: str | None = None
    ord_status: OrdStatus | None = None
    reason: str | None = None
    text: str | None = None
    list_id: str | None = None
    list_order_status: ListOrderStatus | None = None

    @property
    def refused(self) -> bool:
        """Whether the signal changed nothing."""
        if self.list_order_status is not None:
            return self.list_order_status is ListOrderStatus.REJECT
        return any(event["type"] in REFUSALS for event in self.events)

    @property
    def final(self) -> bool:
        """Whether nothing more can happen to it."""
        if self.list_order_status is not None:
            return self.list_order_status in LIST_FINAL
        return self.refused or self.ord_status in FINAL or any(event["type"] in SETTLED for event in self.events)

    @property
    def working(self) -> bool:
        """Whether the venue has answered and the order works on the book, or the desk holds it."""
        return self.list_order_status is ListOrderStatus.EXECUTING or self.ord_status in {
            OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.STOPPED, OrdStatus.SUSPENDED,
        }  # fmt: skip

    def add(self, event: dict[str, Any]) -> None:
        """Take over what an event says."""
        self.events.append(event)
        if event["type"] == "OrderListReported":
            self._of_list(event)
        if self.order_id is not None and event.get("parent_id") == self.order_id:
            return  # of a child: what the order itself says counts
        self.order_id = event.get("order_id") or self.order_id
        status = event.get("ord_status")
        self.ord_status = OrdStatus(status) if status else self.ord_status
        if self.list_order_status is not None:
            return  # of one of its orders: what the list itself says counts
        if event.get("reason") != RejectReason.LIST_REJECTED or self.reason is None:
            self.reason, self.text = event.get("reason") or self.reason, event.get("text") or self.text

    def _of_list(self, event: dict[str, Any]) -> None:
        """Take over what a list says of itself; of one that was refused the reason of the order that was in the way."""
        self.list_id, self.list_order_status = event["list_id"], ListOrderStatus(event["list_order_status"])
        self.reason = self.reason if self.list_order_status is ListOrderStatus.REJECT else None
        self.text = event.get("text") or self.text


Until = Callable[[Outcome], bool]
"""Says whether an outcome is what was waited for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a partition said to a control.

    Attributes:
        control_id: of the control.
        refusal: a stable code why it changed nothing, None when it took effect, now or when it came first.
        text: what it did, or why it did nothing, in a sentence.
        events: the answer and what it changed, oldest first; or the dead letter.
    """

    control_id: str
    refusal: str | None
    text: str
    events: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Sent:
    """Where to look for a signal's events, from where on, and the signal's own entry.

    A request by order_id is answered in the partition of that order, which may be another than its account's; where the
    order is another account's, in that one's name.
    """

    account: str
    order_id: str | None
    entry_id: str
    events_after: str
    dead_after: str

    def partition(self, topology: Topology) -> int:
        """Return whose journal the answer is in."""
        if self.order_id is not None and (partition := partition_of_order_id(int(self.order_id))) < (
            topology.account_partitions
        ):
            return partition
        return topology.account_partition(self.account)


def read(data: bytes) -> dict[str, Any]:
    """Return an event or a dead letter, of whatever version it was written."""
    import orjson  # noqa: PLC0415 - who only publishes needs no event's model, nor what reads one

    from fillstream.libs.common.messages.base import upcast  # noqa: PLC0415
    from fillstream.libs.common.messages.dead import DeadLetter  # noqa: PLC0415
    from fillstream.libs.common.messages.journal import EVENTS  # noqa: PLC0415

    return upcast(orjson.loads(data), {**EVENTS, "DeadLetter": DeadLetter})


def id_of(entries: list[tuple[bytes, Any]]) -> str:
    """Return the id of a stream's last entry, the lowest id for an empty stream."""
    return entries[0][0].decode() if entries else "0-0"


def is_requested(outcome: Outcome) -> bool:
    """Say whether the last word is that a cancel or an amendment went to the venue."""
    return outcome.events[-1]["type"] in {"OrderCancelRequested", "OrderReplaceRequested"}


def concerns(event: dict[str, Any], outcome: Outcome, sent: Sent) -> bool:
    """Say whether an event is about a signal: its own, its order's, its list's, or a dead letter of it."""
    if outcome.list_id is not None and event.get("list_id") == outcome.list_id and event["account"] == sent.account:
        return True
    if event["type"] == "DeadLetter":
        return bool(event["stream"] == SIGNALS and event["entry_id"] == sent.entry_id)
    if event.get("signal_id") == outcome.signal_id and (
        sent.order_id or sent.account in (event.get("account"), event.get("alias"))
    ):
        return True  # an id is its account's, or its alias's
    return outcome.order_id is not None and outcome.order_id in (event.get("order_id"), event.get("parent_id"))
