"""Holding the engine against the naive book: reports, queries, and what a caller who only hears the answers has."""

from __future__ import annotations

from collections.abc import Iterable

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import MAX_QTY, Command, Report, Side
from fillstream.native._core import ffi, lib
from tests.support.book_words import beside, command_words
from tests.support.naive_book import NaiveBook, views
from tests.support.naive_book.orders import Rules, Tape
from tests.support.rebuilt_book import RebuiltBook

MOST = 2000  # levels or orders of a side: more than any test has


def frame_of(commands: Iterable[Command]) -> bytes:
    return b"".join(frames.COMMAND.pack(*c) for c in commands)


def told(reports: bytes) -> list[Report]:
    return [Report._make(r) for r in frames.reports(reports)]


def compare_reports(commands: Iterable[Command], expected: list[Report], answers: bytes) -> list[Report]:
    """Hold the answer to a frame of commands against the naive book's and return it; the failure reads as words."""
    reports = told(answers)
    if reports != expected:
        asked = "\n".join(f"    {command_words(c)}" for c in commands)
        raise AssertionError(f"on\n{asked}\n{beside(expected, reports)}")
    return reports


def compare_queries(engine: CoreEngine, naive: NaiveBook, symbol: int, prices: Iterable[int]) -> None:
    """Hold every query about a symbol against the naive book, the cumulative one at `prices`."""
    for side in Side:
        levels, queue = views.depth(naive, symbol, side), naive.queue(symbol, side)
        assert engine.depth(symbol, side, MOST) == levels
        assert engine.depth(symbol, side, 1) == levels[:1]
        assert engine.best(symbol)[side - 1] == (levels[0] if levels else None)
        assert engine.queue(symbol, side, MOST) == [views.resting(o) for o in queue]
        assert engine.queue(symbol, side, MOST, dormant=True) == [views.resting(o) for o in naive.stops(symbol, side)]
        for price in prices:
            assert engine.cumulative(symbol, side, price) == views.cumulative(naive, symbol, side, price)
        other = Side.SELL if side == Side.BUY else Side.BUY
        for qty in (min(sum(o.leaves for o in queue) // 2 or 1, MAX_QTY), MAX_QTY):
            assert engine.cost(symbol, other, qty) == views.cost(naive, symbol, other, qty)
    assert engine.due() == min((o.expiry_ms for o in naive.live() if o.expiry_ms), default=None)
    assert engine.last(symbol) == views.last(naive, symbol)
    assert engine.vwap(symbol) == views.vwap(naive, symbol)
    assert engine.session(symbol) == naive.rules_of(symbol).session
    assert engine.indicative(symbol) == naive.cross(symbol)


def compare_rebuilt(rebuilt: RebuiltBook, naive: NaiveBook, symbol: int) -> None:
    """Hold what a caller knows from the answers against the naive book."""
    rebuilt.settle()
    for side in Side:
        assert [(o.id, o.account, o.price, o.leaves, o.filled, o.shown) for o in rebuilt.queue(symbol, side)] == [
            (o.id, o.account, o.price, o.leaves, o.filled, o.shown) for o in naive.queue(symbol, side)
        ]
    waiting = {o.id: o for o in rebuilt.dormant.values() if o.symbol == symbol}
    dormant = {o.id: o for o in naive.dormant if o.symbol == symbol}
    assert {i: (o.price, o.leaves, o.stop) for i, o in waiting.items()} == {
        i: (o.price, o.leaves, o.stop) for i, o in dormant.items()
    }
    tape, rules = naive.tapes.get(symbol, Tape()), naive.rules.get(symbol, Rules())
    assert rebuilt.tapes.get(symbol, (0, 0, 0, 0)) == (tape.price, tape.qty, tape.volume, tape.trades)
    assert rebuilt.sessions.get(symbol, 0) == rules.session
    on, low, high = rebuilt.bands.get(symbol, (0, 0, 0))
    assert rules.bands == ((low, high) if on else None)


# ------------------------------------------------------------ a small buffer


def process_in_pieces(engine: CoreEngine, frame: bytes, room: int, skew: int) -> bytes:
    """Execute a frame that stands `skew` bytes off, with an output buffer of `room` reports; return all of them.

    Each time the buffer is full, the engine must know whether it has more to say, and refuse what would lose it.
    """
    reports, consumed = ffi.new("fs_report[]", room), ffi.new("size_t *")
    records, count = ffi.from_buffer(bytes(skew) + frame), len(frame) // frames.RECORD_BYTES
    answers: list[bytes] = []
    begun, busy = 0, True
    while True:
        rest = records + skew + begun * frames.RECORD_BYTES
        written = lib.fs_process(engine._engine, rest, count - begun, consumed, reports, room)
        assert busy or not written or begun < count, "an engine that says it is idle has nothing more to say"
        begun += consumed[0]
        answers.append(ffi.buffer(reports, written * frames.RECORD_BYTES)[:])
        if written < room:
            assert begun == count
            return b"".join(answers)
        busy = _is_busy(engine)


def _is_busy(engine: CoreEngine) -> bool:
    handle, scratch = engine._engine, ffi.new("fs_report *")
    if lib.fs_state_hash(handle):
        return False
    assert not lib.fs_snapshot_size(handle)
    assert lib.fs_restore(handle, ffi.NULL, 0) == lib.FS_BUSY
    assert lib.fs_submit(handle, scratch, 1, 1, 1, 0, Side.BUY, 0, 1) == lib.FS_NONE
    assert lib.fs_cancel(handle, scratch, 1, 1, 1) == lib.FS_NONE
    return True
