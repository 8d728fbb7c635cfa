"""The signal_ids of a day, remembered as digests, so that the same signal again changes nothing.

Flows in: digests of ids and contents with the time they came. Flows out: what came first under an id. Never knows what
a signal is, never reads a clock.
"""

from __future__ import annotations

from collections import deque

from fillstream.libs.common.messages.codes import IDEMPOTENCY_MS

MAX_REMEMBERED = 4_000_000
"""At most this many signal_ids are remembered, the oldest go first; each takes about 250 bytes of memory."""

KEY_BYTES = 16
CONTENT_BYTES = 8
MS_BYTES = 8
VALUE_BYTES = MS_BYTES + CONTENT_BYTES


class SeenSignals:
    """The signal_ids of the last IDEMPOTENCY_MS with their contents, as digests, in the order they came.

    Attributes:
        forgotten_early: how many went before their time.
        unscoped: how many of the oldest are digests of a signal_id alone, as releases until 0.2.0 made them; what came
            since is the account's and the id's.

    `_first` maps the id's digest to 8 bytes of time (big endian ms) and 8 bytes of content digest: one small object an
    id. The deque keeps the order, because taking the first key out of a large dict is slow.
    """

    __slots__ = ("_first", "_order", "forgotten_early", "unscoped")

    def __init__(self) -> None:
        self._first: dict[bytes, bytes] = {}
        self._order: deque[bytes] = deque()
        self.forgotten_early = 0
        self.unscoped = 0

    def __len__(self) -> int:
        return len(self._order)

    def content_of(self, key: bytes, now_ms: int) -> bytes | None:
        """Return the digest of what came first under `key`, None if nothing did in the last IDEMPOTENCY_MS."""
        value = self._first.get(key)
        if value is None or _ms_of(value) <= now_ms - IDEMPOTENCY_MS:
            return None
        return value[MS_BYTES:]

    def remember(self, key: bytes, content: bytes, now_ms: int) -> None:
        """Add a key that `content_of` does not know, and forget what is too old."""
        self._forget(now_ms)
        assert key not in self._first, "content_of is asked first"
        self._first[key] = now_ms.to_bytes(MS_BYTES) + content
        self._order.append(key)

    def _forget(self, now_ms: int) -> None:
        order, first = self._order, self._first
        while order and _ms_of(first[order[0]]) <= now_ms - IDEMPOTENCY_MS:
            self._drop_oldest()
        if len(order) >= MAX_REMEMBERED:
            self._drop_oldest()
            self.forgotten_early += 1

    def _drop_oldest(self) -> None:
        del self._first[self._order.popleft()]
        self.unscoped -= self.unscoped > 0

    def dump(self) -> bytes:
        """Return all keys in order, then all values in order."""
        return b"".join(self._order) + b"".join(map(self._first.__getitem__, self._order))

    def load(self, data: bytes) -> None:
        """Replace everything by what `dump` returned."""
        count, rest = divmod(len(data), KEY_BYTES + VALUE_BYTES)
        assert rest == 0, "a dump is whole keys and values"
        keys = [data[i : i + KEY_BYTES] for i in range(0, count * KEY_BYTES, KEY_BYTES)]
        values = [data[i : i + VALUE_BYTES] for i in range(count * KEY_BYTES, len(data), VALUE_BYTES)]
        self._first = dict(zip(keys, values, strict=True))
        self._order = deque(keys)


def _ms_of(value: bytes) -> int:
    return int.from_bytes(value[:MS_BYTES])
