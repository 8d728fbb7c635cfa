"""The signal_ids of a day, remembered as digests, so that the same signal again changes nothing.

Flows in: digests of ids and contents with the time they came. Flows out: what came first under an id; that there is no
room for another. Never knows what a signal is, never reads a clock, never forgets an id before its time.
"""

from __future__ import annotations

from typing import Final

from fillstream.libs.common.engine.ids import DIGEST_BYTES, NONE, UNDONE, Ids
from fillstream.libs.common.messages.codes import IDEMPOTENCY_MS

MAX_REMEMBERED = 10_000_000
"""At most so many signal_ids are remembered, 40 bytes of memory each; a new signal beyond them is refused."""
AT_ONCE = 1_000
"""At most so many leave at one signal: after a quiet day there may be millions."""

MS_BYTES: Final = 6
"""Of a time in big endian milliseconds: until the year 10889."""
CONTENT_BYTES: Final = 8
VALUE_BYTES: Final = MS_BYTES + CONTENT_BYTES
KEY_BYTES: Final = DIGEST_BYTES
NEVER: Final = 1 << 62


class Full(Exception):
    """MAX_REMEMBERED ids are remembered, none of them old enough to go."""


class SeenSignals:
    """The signal_ids of the last IDEMPOTENCY_MS with their contents, as digests, in the order they came.

    Args:
        ids: digests of ids, each with its time and the digest of its content; None for none.
        until: the position behind the last of them.
        scoped_from: the first position whose digest is of an account's id; those before are of a signal_id alone, as
            releases until 0.2.0 made them.
    """

    __slots__ = ("_admit", "_first", "_oldest_ms", "ids", "scoped_from", "until")

    def __init__(self, ids: Ids | None = None, until: int = 0, scoped_from: int = 0) -> None:
        self.ids = Ids(VALUE_BYTES) if ids is None else ids
        self._admit = self.ids.admit
        self.until = until
        self.scoped_from = scoped_from
        self._first = 0
        self._oldest_ms = NEVER
        self._look_up_oldest()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def unscoped(self) -> int:
        """How many of the oldest are digests of a signal_id alone."""
        return max(0, self.scoped_from - self._first)

    def content_of(self, key: bytes, now_ms: int) -> bytes | None:
        """Return the digest of what came first under `key`, None if nothing did in the last IDEMPOTENCY_MS."""
        position = self.ids.find(key)
        return None if position == NONE else self._unless_stale(position, now_ms)

    def admit(self, key: bytes, content: bytes, now_ms: int) -> bytes | None:
        """Return what `content_of` does; where that is None the key is remembered from now on.

        Raises:
            Full: it is new, and no other can be remembered.
        """
        if self._oldest_ms <= now_ms - IDEMPOTENCY_MS:
            self._forget(now_ms - IDEMPOTENCY_MS)
        until = self.until
        if until - self._first >= MAX_REMEMBERED:
            found = self.content_of(key, now_ms)
            if found is None:
                raise Full
            return found
        value = now_ms.to_bytes(MS_BYTES) + content
        position = self._admit(until, key, value)
        if position != NONE:
            if position <= UNDONE:
                self.ids.put(until, key, value)  # says what is wrong
            found = self._unless_stale(position, now_ms)
            if found is not None:
                return found
            self.ids.forget(position)
            self.ids.put(until, key, value)
        self.until = until + 1
        if self._oldest_ms == NEVER:
            self._oldest_ms = now_ms
        return None

    def _unless_stale(self, position: int, now_ms: int) -> bytes | None:
        value = self.ids.at(position)
        assert value is not None, "a digest leads to an id"
        return value[MS_BYTES:] if _ms_of(value) > now_ms - IDEMPOTENCY_MS else None

    def _forget(self, horizon: int) -> None:
        """Let go of the oldest that came up to `horizon`, AT_ONCE at most."""
        first = self._first
        last = min(first + AT_ONCE, self.until)
        while first < last and ((value := self.ids.at(first)) is None or _ms_of(value) <= horizon):
            first += 1
        self.ids.drop(first)
        self._look_up_oldest()

    def _look_up_oldest(self) -> None:
        self._first = self.ids.first
        if self.scoped_from <= self._first:
            self.scoped_from = 0  # the last of them has gone, and nobody looks for one any more
        value = self.ids.at(self._first)
        if self._first < self.until:
            self._oldest_ms = 0 if value is None else _ms_of(value)
        else:
            self._oldest_ms = NEVER


def _ms_of(value: bytes) -> int:
    return int.from_bytes(value[:MS_BYTES])
