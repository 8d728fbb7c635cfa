"""The signals stage: every signal becomes one instruction for the account partition that must act on it.

Flows in: `signals`, in every shape `messages.wire` knows. Flows out: instructions in `orders.{a}`, and for a signal
that came before a ReportStatus instead. Never knows instruments, limits or the state of an order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import IDEMPOTENCY_MS
from fillstream.libs.common.messages.topology import Topology, partition_of_order_id
from fillstream.libs.common.messages.wire import decode
from fillstream.libs.common.runtime.stage import Entry, Family, Outputs
from fillstream.libs.common.values.naming import shorten
from fillstream.services.order_service.signals.encode import instruction_of, status_request_of

MAX_REMEMBERED = 4_000_000
"""At most this many signal_ids are remembered, the oldest go first; each takes about 250 bytes of memory."""

FAMILIES: tuple[Family, ...] = (
    Family("signals", "Signals by outcome: accepted became an instruction, duplicate came before.", "outcome", True),
    Family("signals_remembered", "Signal ids remembered, so that the same one again changes nothing."),
    Family("signals_forgotten_early", "Signal ids forgotten before their time: there were too many.", only_grows=True),
)

_KEY_BYTES = 16
_CONTENT_BYTES = 8
_MS_BYTES = 8
_VALUE_BYTES = _MS_BYTES + _CONTENT_BYTES


class SeenSignals:
    """The signal_ids of the last IDEMPOTENCY_MS with their contents, as digests, in the order they came.

    `_first` maps the id's digest to 8 bytes of time (big endian ms) and 8 bytes of content digest: one small object an
    id. The deque keeps the order, because taking the first key out of a large dict is slow.
    """

    __slots__ = ("_first", "_order", "forgotten_early")

    def __init__(self) -> None:
        self._first: dict[bytes, bytes] = {}
        self._order: deque[bytes] = deque()
        self.forgotten_early = 0

    def __len__(self) -> int:
        return len(self._order)

    def content_of(self, key: bytes, now_ms: int) -> bytes | None:
        """Return the digest of what came first under `key`, None if nothing did in the last IDEMPOTENCY_MS."""
        value = self._first.get(key)
        if value is None or _ms_of(value) <= now_ms - IDEMPOTENCY_MS:
            return None
        return value[_MS_BYTES:]

    def remember(self, key: bytes, content: bytes, now_ms: int) -> None:
        """Add a key that `content_of` does not know, and forget what is too old."""
        self._forget(now_ms)
        assert key not in self._first, "content_of is asked first"
        self._first[key] = now_ms.to_bytes(_MS_BYTES) + content
        self._order.append(key)

    def _forget(self, now_ms: int) -> None:
        order, first = self._order, self._first
        while order and _ms_of(first[order[0]]) <= now_ms - IDEMPOTENCY_MS:
            del first[order.popleft()]
        if len(order) >= MAX_REMEMBERED:
            del first[order.popleft()]
            self.forgotten_early += 1

    def dump(self) -> bytes:
        """Return all keys in order, then all values in order."""
        return b"".join(self._order) + b"".join(map(self._first.__getitem__, self._order))

    def load(self, data: bytes) -> None:
        """Replace everything by what `dump` returned."""
        count, rest = divmod(len(data), _KEY_BYTES + _VALUE_BYTES)
        assert rest == 0, "a dump is whole keys and values"
        keys = [data[i : i + _KEY_BYTES] for i in range(0, count * _KEY_BYTES, _KEY_BYTES)]
        values = [data[i : i + _VALUE_BYTES] for i in range(count * _KEY_BYTES, len(data), _VALUE_BYTES)]
        self._first = dict(zip(keys, values, strict=True))
        self._order = deque(keys)


def _ms_of(value: bytes) -> int:
    return int.from_bytes(value[:_MS_BYTES])


class SignalsStage:
    """The fold of `signals`.

    Args:
        topology: where each instruction goes.
    """

    name = "signals"
    partition = 0
    tick_ms: int | None = None
    latencies_ms: list[int] | None = None
    families = FAMILIES

    def __init__(self, topology: Topology) -> None:
        self.inbox = topology.signals
        self._topology = topology
        self._streams = [topology.orders(a) for a in range(topology.account_partitions)]
        self._seen = SeenSignals()
        self._accepted = 0
        self._duplicate = 0

    def fold(self, entry: Entry, out: Outputs) -> None:
        """Send the entry's instruction, or a ReportStatus if the same signal came before.

        Raises:
            BadEntry: see `decode` and `instruction_of`; unknown_partition when an order_id is of no partition here;
                duplicate_signal_id when the id came before with another content.
        """
        instruction = instruction_of(decode(entry.fields), entry.id)
        stream = self._destination(instruction)
        signal_id: str = instruction["signal_id"]
        key = blake2b(signal_id.encode(), digest_size=_KEY_BYTES).digest()
        content = blake2b(orjson.dumps(instruction), digest_size=_CONTENT_BYTES).digest()
        first = self._seen.content_of(key, entry.ms)
        if first is None:
            self._seen.remember(key, content, entry.ms)
            self._accepted += 1
        elif first == content:
            instruction = status_request_of(instruction)
            self._duplicate += 1
        else:
            raise BadEntry(
                "duplicate_signal_id",
                f"signal_id: {shorten(signal_id)} came before with another content; "
                f"an id stands for one signal for {IDEMPOTENCY_MS // 3_600_000} hours",
            )
        instruction["signal_time"] = entry.ms
        out.event(stream, instruction)

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
        """Return the state: a line of JSON with the counts, then what `SeenSignals.dump` returns."""
        counts = {
            "accepted": self._accepted,
            "duplicate": self._duplicate,
            "forgotten_early": self._seen.forgotten_early,
        }
        return orjson.dumps(counts) + b"\n" + self._seen.dump()

    def restore(self, data: bytes) -> None:
        """Replace the state by a snapshot's."""
        line, _, seen = data.partition(b"\n")
        counts = orjson.loads(line)
        self._accepted = counts["accepted"]
        self._duplicate = counts["duplicate"]
        self._seen.forgotten_early = counts["forgotten_early"]
        self._seen.load(seen)

    def configuration(self) -> None:
        """Return nothing: no decision here depends on configuration but the count of partitions."""
        return

    def gauges(self) -> Mapping[str, Mapping[str, int]]:
        """Return how many signals became instructions, came again, and are remembered."""
        return {
            "signals": {"accepted": self._accepted, "duplicate": self._duplicate},
            "signals_remembered": {"": len(self._seen)},
            "signals_forgotten_early": {"": self._seen.forgotten_early},
        }
