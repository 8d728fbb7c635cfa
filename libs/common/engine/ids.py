"""What is remembered of millions of ids: a digest and a few bytes each, in the order of their positions, in C.

Flows in: digests with payloads, at positions that go up; what `chunks` wrote. Flows out: positions by digest, payloads
by position, chunks. Never knows what an id is of, never makes a digest, never decides when an id may go.

An id costs its digest, its payload, a bit, and 5.3 to 8 bytes of index: `native/include/ids.h`. A dict of small objects
takes ten times that. A table belongs to one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from typing import Final

from fillstream.native._core import ffi, lib

DIGEST_BYTES: Final[int] = lib.FS_ID_DIGEST
CHUNK: Final[int] = lib.FS_ID_CHUNK
"""So many positions are written together."""
NONE: Final[int] = lib.FS_ID_NONE
"""What `find` and `admit` return of a digest that is not there."""
UNDONE: Final[int] = lib.FS_ID_MEMORY
"""What `admit` returns at most, when nothing has changed: `put` says why."""


def digest_of(text: str) -> bytes:
    """Return the DIGEST_BYTES that stand for a text."""
    return blake2b(text.encode(), digest_size=DIGEST_BYTES).digest()


class Ids:
    """A table of ids.

    Args:
        payload: bytes that each has beside its digest, 0 to 64.
        first: the position before which there is nothing.

    Attributes:
        find: returns the position of a digest of DIGEST_BYTES, NONE where it has none.
        admit: takes what `put` does, and returns the position of a digest that is in; else NONE, having put it in, or
            UNDONE, having not. Neither looks at a length.
    """

    __slots__ = ("_ids", "_payload", "admit", "find")

    def __init__(self, payload: int, first: int = 0) -> None:
        if not 0 <= payload <= lib.FS_ID_MAX_PAYLOAD:
            raise ValueError(f"payload: {payload} must be 0 to {lib.FS_ID_MAX_PAYLOAD} bytes")
        ids = lib.fs_ids_new(payload, first)
        if ids == ffi.NULL:
            raise MemoryError("a table of ids cannot be allocated")
        self._ids = ffi.gc(ids, lib.fs_ids_free)
        self._payload = payload
        self.find: Callable[[bytes], int] = partial(lib.fs_ids_find, self._ids)
        self.admit: Callable[[int, bytes, bytes], int] = partial(lib.fs_ids_admit, self._ids)

    def __len__(self) -> int:
        return int(lib.fs_ids_count(self._ids))

    @property
    def first(self) -> int:
        """The position below which all has left."""
        return int(lib.fs_ids_first(self._ids))

    @property
    def size(self) -> int:
        """What the ids take in memory, without the allocator's own."""
        return int(lib.fs_ids_bytes(self._ids))

    def at(self, position: int) -> bytes | None:
        """Return the payload at a position, None where no id is."""
        record = lib.fs_ids_at(self._ids, position)
        return None if record == ffi.NULL else bytes(ffi.buffer(record + DIGEST_BYTES, self._payload))

    def put(self, position: int, digest: bytes, payload: bytes) -> None:
        """Put an id in.

        Raises:
            ValueError: its position has left, is taken, or is too far beyond the first; or the digest is in already, or
                one of the two has another length.
            MemoryError: it changed nothing.
        """
        if len(digest) != DIGEST_BYTES or len(payload) != self._payload:
            raise ValueError(f"id: {len(digest)} and {len(payload)} bytes must be {DIGEST_BYTES} and {self._payload}")
        self._check(lib.fs_ids_put(self._ids, position, digest, payload), f"position {position}")

    def write(self, position: int, payload: bytes) -> None:
        """Put another payload at a position.

        Raises:
            ValueError: no id is there, or the payload has another length.
        """
        if len(payload) != self._payload:
            raise ValueError(f"payload: {len(payload)} bytes must be {self._payload}")
        self._check(lib.fs_ids_write(self._ids, position, payload), f"position {position}")

    def forget(self, position: int) -> None:
        """Let one id go before those in front of it.

        Raises:
            ValueError: no id is there.
        """
        self._check(lib.fs_ids_forget(self._ids, position), f"position {position}")

    def drop(self, first: int) -> None:
        """Let everything below a position go."""
        lib.fs_ids_drop(self._ids, first)

    def chunks(self) -> Iterator[tuple[int, bytes]]:
        """Yield the number and the bytes of every chunk that has ids: a bit a position, then digests and payloads."""
        out = ffi.new("uint8_t[]", CHUNK // 8 + CHUNK * (DIGEST_BYTES + self._payload))
        number, left = self.first // CHUNK, len(self)
        while left:
            if size := lib.fs_ids_chunk(self._ids, number, out):
                data = bytes(ffi.buffer(out, size))
                left -= (size - CHUNK // 8) // (DIGEST_BYTES + self._payload)
                yield number, data
            number += 1

    def load(self, number: int, data: bytes) -> None:
        """Put in what `chunks` yielded.

        Raises:
            ValueError: of bytes that it would not have yielded, or an id that `put` refuses.
            MemoryError: there is too little.
        """
        self._check(lib.fs_ids_load(self._ids, number, data, len(data)), f"chunk {number}")

    @staticmethod
    def _check(code: int, what: str) -> None:
        if code == lib.FS_ID_MEMORY:
            raise MemoryError(f"{what}: there is no memory for another id")
        if code:
            raise ValueError(f"{what}: no id can be put there, or it is in already")
