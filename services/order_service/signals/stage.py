"""The signals stage: every signal becomes one instruction for the account partition that must act on it.

Flows in: `signals`, in every shape `messages.wire` knows. Flows out: instructions in `orders.{a}`, for a signal that
came before a ReportStatus instead, and for one that is wrong but says whose it is a RefuseSignal. Never knows
instruments, limits or the state of an order.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from fillstream.libs.common.engine.ids import digest_of
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import IDEMPOTENCY_MS, RejectReason
from fillstream.libs.common.messages.topology import Topology, partition_of_order_id, stream_name
from fillstream.libs.common.messages.wire import decode
from fillstream.libs.common.runtime.stage import Entry, Family, Outputs
from fillstream.libs.common.values.naming import shorten
from fillstream.services.order_service.signals import seen
from fillstream.services.order_service.signals.encode import instruction_of, refusal_of, status_request_of
from fillstream.services.order_service.signals.seen import CONTENT_BYTES, SeenSignals
from fillstream.services.order_service.signals.snapshot import Signals, dump, load

FAMILIES: tuple[Family, ...] = (
    Family(
        "signals",
        "Signals by outcome: accepted, duplicate came before, refused is told in the journal.",
        "outcome",
        True,
    ),
    Family("ids_remembered", "Ids that have to be remembered, so that the same one again changes nothing."),
    Family("ids_capacity", "Ids that can be remembered; when there are so many, what is new is refused."),
)

HOURS = IDEMPOTENCY_MS // 3_600_000


class SignalsStage:
    """The fold of `signals`.

    Args:
        topology: where each instruction goes.
    """

    name = "signals"
    partition = 0
    tick_ms: int | None = None
    families = FAMILIES

    def __init__(self, topology: Topology) -> None:
        self.inbox = stream_name("signals")
        self._topology = topology
        self._streams = topology.names("orders")
        self._seen = SeenSignals()
        self._accepted = 0
        self._duplicate = 0
        self._refused = 0

    def fold(self, entry: Entry, out: Outputs) -> None:
        """Send the entry's instruction; a ReportStatus if the same signal came before; or what was wrong with it.

        Raises:
            BadEntry: of a signal that names no account which could be told: see `decode` and `instruction_of`;
                unknown_partition when an order_id is of no partition here; duplicate_signal_id when the account's id
                came before with another content; too_many_ids when no other id can be remembered.
        """
        fields = decode(entry.fields)
        try:
            instruction = instruction_of(fields, entry.id)
            stream = self._destination(instruction)
            payload = orjson.dumps(instruction)
            if not self._is_new(instruction, payload, entry.ms):
                payload = orjson.dumps(status_request_of(instruction))
        except BadEntry as bad:
            refused = refusal_of(fields, entry.id, bad)
            if refused is None:
                raise
            payload, stream = orjson.dumps(refused), self._streams[self._topology.account_partition(refused["account"])]
            self._refused += 1
        # What a signal says was written once for the digest of it: when it came is added to that.
        out.written(stream, b'%b,"signal_time":%d}' % (payload[:-1], entry.ms))

    def _is_new(self, instruction: dict[str, Any], payload: bytes, ms: int) -> bool:
        """Say whether a signal did not come before, with the same content.

        Raises:
            BadEntry: see `fold`.
        """
        signal_id: str = instruction["signal_id"]
        # An id is its account's. Neither has a space in it, so no two pairs are one text.
        key = digest_of(f"{instruction['account']} {signal_id}")
        content = blake2b(payload, digest_size=CONTENT_BYTES).digest()
        first = self._seen.content_of(digest_of(signal_id), ms) if self._seen.scoped_from else None
        if first is None:
            try:
                first = self._seen.admit(key, content, ms)
            except seen.Full:
                if instruction["type"] == "CancelOrder":  # takes risk away, and a second one finds nothing to cancel
                    return True
                raise BadEntry(
                    RejectReason.TOO_MANY_IDS,
                    f"signal_id: {seen.MAX_REMEMBERED} ids came in {HOURS} hours, the most that can be remembered; "
                    f"{shorten(signal_id)} is taken when the oldest has gone",
                ) from None
        if first is None:
            self._accepted += 1
            return True
        if first == content:
            self._duplicate += 1
            return False
        raise BadEntry(
            "duplicate_signal_id",
            f"signal_id: {shorten(signal_id)} came before with another content; "
            f"an id stands for one signal of an account for {HOURS} hours",
        )

    def _destination(self, instruction: dict[str, Any]) -> str:
        order_id = instruction.get("order_id")
        if order_id is None:
            return self._streams[self._topology.account_partition(instruction["account"])]
        partition = partition_of_order_id(int(order_id))
        if partition >= len(self._streams):
            raise BadEntry(
                "unknown_partition",
                f"order_id: {order_id} is of account partition {partition}, "
                f"this desk has 0 to {len(self._streams) - 1}",
            )
        return self._streams[partition]

    def snapshot(self) -> bytes:
        """Return the whole state; see `snapshot`."""
        return dump(Signals(self._seen, self._accepted, self._duplicate, self._refused))

    def restore(self, data: bytes) -> None:
        """Replace the state by a snapshot's."""
        self._seen, self._accepted, self._duplicate, self._refused = load(data)

    def gauges(self) -> Mapping[str, Mapping[str, int]]:
        """Return how many signals became instructions, came again, and are remembered."""
        return {
            "signals": {"accepted": self._accepted, "duplicate": self._duplicate, "refused": self._refused},
            "ids_remembered": {"": len(self._seen)},
            "ids_capacity": {"": seen.MAX_REMEMBERED},
        }
