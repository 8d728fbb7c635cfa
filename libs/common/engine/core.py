"""The C engine, bytes in and bytes out.

Flows in: frames of commands and the time of their stream entry. Flows out: frames of reports. No order ever
becomes a Python object here; what the records mean, and every rule of matching, is in
`native/include/fillstream.h`. Prices are ticks, quantities lots. Nothing here waits for a lock, and C runs while other
Python threads do: an engine belongs to one thread at a time. `fillstream.Engine` is the one for many.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Never

from fillstream.libs.common.engine.frames import MAX_QTY, RECORD_BYTES, Side, check_frame, torn
from fillstream.libs.common.values.checks import integer
from fillstream.native._core import ffi, lib

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Buffer

DEFAULT_MAX_ORDERS: Final = 1 << 20
MAX_ORDERS: Final[int] = lib.FS_MAX_ORDERS
UNDONE: Final[int] = lib.FS_NONE
"""What `submit` and `cancel` return, having done nothing, while reports of an earlier command are to be fetched."""
_REPORTS: Final = ffi.typeof("fs_report[]")
OUTPUT_REPORTS: Final = 8192  # records the reusable output buffer holds (512 KiB); longer answers take more calls
_MAX_OUTPUT_REPORTS: Final = 1 << 24
_BUSY: Final = "{} must wait: reports are still to be fetched with process_into or process, of a command it has begun."
_MAGIC_BYTES: Final = 8
_MAGIC_NAME: Final = 6
"""A snapshot begins with a word of so many bytes: a name, then the version of what follows (native/src/snapshot.c)."""
_SUBMIT: Final = """`submit(order_id, account, symbol, side, price, qty)`: put in one plain limit order from plain ints.

Returns how many reports it gave; `answers` has them, and must be asked at `output_reports` or more. `UNDONE`: reports
of an earlier command are still to be fetched, and nothing was done. By position alone. Raises OverflowError for an
int that its field cannot hold. Give ints: C takes a Decimal, a Fraction or a numpy float for the integer it is cut
to, and looking would cost as much as the call.
"""
_CANCEL: Final = "`cancel(order_id, account)`: cancel one order; all else as `submit`."


class Level(NamedTuple):
    """One price of one side, the house's quote included."""

    price: int
    qty: int
    orders: int


class Last(NamedTuple):
    """A symbol's tape: newest trade or print, lots and trades in all."""

    price: int
    qty: int
    volume: int
    trades: int


class Resting(NamedTuple):
    """One live order as it stands: `fs_resting`. Prices in ticks, quantities in lots."""

    order_id: int
    price: int
    shown: int
    leaves: int
    filled: int
    stop: int
    expiry_ms: int
    account: int
    symbol: int
    partition: int
    side: int
    flags: int
    dormant: int
    house: int


class Walk(NamedTuple):
    """What a quantity would take: lots that could trade, the worst price of them, and price x lots in all."""

    qty: int
    worst: int
    cost: int


def _wide(low: int, high: int) -> int:
    """Return the 128-bit number of two words."""
    return (high << 64) + low


def _symbol(symbol: int) -> int:
    """Check what the field holds; symbols above FS_MAX_SYMBOL have no book and read as empty."""
    return integer("symbol", symbol, 0, (1 << 32) - 1)


def _side(side: int) -> int:
    return integer("side", side, int(Side.BUY), int(Side.SELL))


class CoreEngine:
    """The books of one symbol partition.

    `max_orders` (orders, 1 to 2^30) is how many client orders may rest at a time; one more is rejected with
    reason CAPACITY. `output_reports` (records, 1 to 2^24) sizes the output buffer and changes nothing else.

    Without locks: two threads in one engine at a time corrupt it. Queries raise TypeError for what is no integer and
    ValueError for a number out of range, and say what they were given.
    """

    def __init__(self, max_orders: int = DEFAULT_MAX_ORDERS, output_reports: int = OUTPUT_REPORTS) -> None:
        max_orders = integer("max_orders", max_orders, 1, MAX_ORDERS)
        output_reports = integer("output_reports", output_reports, 1, _MAX_OUTPUT_REPORTS)
        engine = lib.fs_new(max_orders)
        if engine == ffi.NULL:
            raise MemoryError("The engine cannot be allocated.")
        self._engine = ffi.gc(engine, lib.fs_free)
        self._clock = ffi.new("fs_command *", {"type": lib.FS_TIME})
        self._now_ms = 0  # the engine's clock is here or later: to say so again would change nothing
        self._reports = ffi.new("fs_report[]", output_reports)
        self.first: Any = self._reports + 0
        """The first report of the last `submit` or `cancel`, an `fs_report`: for who needs no bytes of it."""
        self._bytes = ffi.cast("char *", self._reports)
        self._capacity = output_reports
        self._consumed = ffi.new("size_t *")
        self._level = ffi.new("fs_level[2]")
        self._caller = ffi.new("fs_caller *", (self._engine, self._reports, output_reports))
        self._process = partial(lib.fs_process, self._engine)
        self._unpack = ffi.unpack
        # Bound C functions: a Python method around each would cost as much as the call.
        self.submit: Callable[[int, int, int, int, int, int], int] = partial(lib.fs_caller_submit, self._caller)
        self.submit.__doc__ = _SUBMIT
        self.cancel: Callable[[int, int], int] = partial(lib.fs_caller_cancel, self._caller)
        self.cancel.__doc__ = _CANCEL

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("A CoreEngine cannot be copied or pickled: snapshot() gives its state, restore() takes it.")

    def process(self, frame: bytes | bytearray | memoryview, now_ms: int) -> bytes:
        """Set the clock to `now_ms` (since 1970 UTC), execute a frame of commands, return the reports.

        The clock never goes back; orders that expire are reported first. Raises ValueError, having done
        nothing, for a frame that is not whole records or a time outside 0..2^64-1. Nothing in the records
        can raise. `now_ms` must be an int: C cuts a Decimal to one.
        """
        records = frame if type(frame) is bytes else ffi.from_buffer(frame)  # bytes go to C as they are
        size = len(records)
        if size % RECORD_BYTES:
            raise ValueError(torn(size))
        expired = self._tell(now_ms) if now_ms != self._now_ms else None
        written = self._process(records, size // RECORD_BYTES, self._consumed, self._reports, self._capacity)
        answer: bytes = self._unpack(self._bytes, written * RECORD_BYTES)
        if written == self._capacity:
            answer += self._fetch_rest(frame)
        return expired + answer if expired else answer

    def process_into(self, frame: Buffer | NDArray[Any], now_ms: int, out: Buffer | NDArray[Any]) -> tuple[int, int]:
        """Like `process`, but read and write in place: contiguous memory of any kind, arrays included.

        Returns how many commands were begun and how many reports written. When that is all that `out` holds, more may
        be waiting: call again with the commands that were not begun (or none), until fewer come; what any other call
        executes before that answers with these first. Raises ValueError as `process` does, and for an `out` of less
        than one record. `out` must not overlap `frame`.
        """
        records = frame if type(frame) is bytes else ffi.from_buffer(frame)
        size = len(records)
        reports = ffi.from_buffer(_REPORTS, out, True)
        capacity, written = len(reports), 0
        if size % RECORD_BYTES:
            raise ValueError(torn(size))
        if not capacity:
            raise ValueError("out holds 0 records, and must hold at least 1.")
        if now_ms != self._now_ms:
            self._check_time(now_ms)
            self._clock.time_ms = self._now_ms = max(now_ms, self._now_ms)
            written = self._process(self._clock, 1, self._consumed, reports, capacity)
            if written == capacity:
                return 0, written
        room = reports + written if written else reports
        written += self._process(records, size // RECORD_BYTES, self._consumed, room, capacity - written)
        return self._consumed[0], written

    @staticmethod
    def _check_time(now_ms: int) -> None:
        if not 0 <= now_ms < 1 << 64:
            raise ValueError(f"now_ms is {now_ms}, and must be between 0 and 2^64 - 1.")

    def _tell(self, now_ms: int) -> bytes:
        """Move the clock forward, if that is where it goes, and return the reports of what expires."""
        self._check_time(now_ms)
        if now_ms <= self._now_ms:
            return b""
        self._clock.time_ms = self._now_ms = now_ms
        answers: list[bytes] = []
        self._pump(self._clock, 1, answers)
        return b"".join(answers)

    def _fetch_rest(self, frame: bytes | bytearray | memoryview) -> bytes:
        """Return the reports that did not fit: of the command in progress and of those not yet begun."""
        answers: list[bytes] = []
        begun = self._consumed[0]
        with ffi.from_buffer("fs_command[]", frame) as records:
            self._pump(records + begun, check_frame(frame) - begun, answers)
        return b"".join(answers)

    def _pump(self, records: Any, count: int, answers: list[bytes]) -> None:
        """Execute all records, however often the output buffer fills up."""
        begun = 0
        while True:
            written = lib.fs_process(
                self._engine, records + begun, count - begun, self._consumed, self._reports, self._capacity
            )
            begun += self._consumed[0]
            if written:
                answers.append(ffi.buffer(self._reports, written * RECORD_BYTES)[:])
            if written < self._capacity:
                assert begun == count
                return

    @staticmethod
    def select(reports: bytes | bytearray | memoryview, partition: int) -> bytes:
        """Return the reports that an account partition (0..65533) hears: its own, and those for all.

        Raises ValueError for a frame that is not whole records.
        """
        count = check_frame(reports)
        heard = ffi.new("fs_report[]", count)
        copied = lib.fs_reports_select(ffi.from_buffer(reports), count, partition, heard)
        return bytes(ffi.buffer(heard, copied * RECORD_BYTES))

    def orders(self) -> int:
        """Return the number of client orders resting."""
        return int(lib.fs_orders(self._engine))

    def due(self) -> int | None:
        """Return the soonest expiry (ms since 1970) of all orders, None when none has one."""
        return int(lib.fs_due(self._engine)) or None

    def best(self, symbol: int) -> tuple[Level | None, Level | None]:
        """Return the best bid and the best ask of a symbol, None where a side is empty."""
        lib.fs_best(self._engine, _symbol(symbol), self._level, self._level + 1)
        bid, ask = (self._level_of(self._level[i]) for i in range(2))
        return (bid if bid.orders else None), (ask if ask.orders else None)

    def depth(self, symbol: int, side: int, levels: int = 10) -> list[Level]:
        """Return up to `levels` levels (0 to 2^30) of one side of a symbol, best first."""
        room = self._room("levels", levels)
        out = ffi.new("fs_level[]", room)
        count = lib.fs_depth(self._engine, _symbol(symbol), _side(side), out, room)
        return [self._level_of(out[i]) for i in range(count)]

    def _room(self, field: str, wanted: int) -> int:
        """Return how many of what is wanted there can be: a client's order each, and the house's of both sides."""
        return min(integer(field, wanted, 0, MAX_ORDERS), self.orders() + 2)

    @staticmethod
    def _level_of(level: Any) -> Level:
        return Level(level.price, level.qty, level.orders)

    def last(self, symbol: int) -> Last | None:
        """Return the newest trade of a symbol and its totals, or None if there was no trade or print yet."""
        last = ffi.new("fs_last *")
        lib.fs_last_trade(self._engine, _symbol(symbol), last)
        return Last(last.price, last.qty, last.volume, last.trades) if last.trades else None

    def volume(self, symbol: int) -> int:
        """Return the lots of a symbol traded in all, prints included."""
        last = self.last(symbol)
        return last.volume if last else 0

    def turnover(self, symbol: int) -> int:
        """Return the sum of price (ticks) times lots of all trades of a symbol, prints included."""
        last = ffi.new("fs_last *")
        lib.fs_last_trade(self._engine, _symbol(symbol), last)
        return _wide(last.turnover_low, last.turnover_high)

    def vwap(self, symbol: int) -> Fraction | None:
        """Return the volume-weighted average price (ticks, exact) of a symbol's trades, None before the first."""
        last = ffi.new("fs_last *")
        lib.fs_last_trade(self._engine, _symbol(symbol), last)
        return Fraction(_wide(last.turnover_low, last.turnover_high), last.volume) if last.volume else None

    def reserve(self, orders: int) -> None:
        """Make room for so many live orders (0 to 2^30) now. Raises MemoryError."""
        if lib.fs_reserve(self._engine, integer("orders", orders, 0, MAX_ORDERS)) != lib.FS_OK:
            raise MemoryError(f"There is no memory for {orders} orders.")

    def find(self, order_id: int) -> Resting | None:
        """Return a live client order, resting or dormant, or None."""
        order, number = ffi.new("fs_resting *"), integer("order_id", order_id, 0, (1 << 64) - 1)
        return self._resting(order) if lib.fs_find(self._engine, number, order) else None

    def orders_after(self, partition: int, after: int, orders: int, account: int = 0) -> list[Resting]:
        """Return up to `orders` (0 to 2^30) live client orders of an account partition, resting or dormant.

        Those with the lowest ids above `after`, in their order; of one account where its number is not 0.
        """
        room = self._room("orders", orders)
        out = ffi.new("fs_resting[]", room)
        number, owner = integer("after", after, 0, (1 << 64) - 1), integer("account", account, 0, (1 << 32) - 1)
        whose = integer("partition", partition, 0, (1 << 16) - 1)
        count = lib.fs_orders_after(self._engine, whose, owner, number, out, room)
        return [self._resting(out[i]) for i in range(count)]

    def queue(self, symbol: int, side: int, orders: int = 100, *, dormant: bool = False) -> list[Resting]:
        """Return up to `orders` (0 to 2^30) of one side as they would trade; `dormant`: its stops, nearest first."""
        room = self._room("orders", orders)
        out = ffi.new("fs_resting[]", room)
        count = lib.fs_queue(self._engine, _symbol(symbol), _side(side), bool(dormant), out, room)
        return [self._resting(out[i]) for i in range(count)]

    @staticmethod
    def _resting(order: Any) -> Resting:
        return Resting(*(getattr(order, name) for name in Resting._fields))

    def cost(self, symbol: int, side: int, qty: int) -> Walk:
        """Return what a market order of `side` for `qty` (lots, 1 to 10^15) would trade now, nothing taken."""
        walk, lots = ffi.new("fs_walk *"), integer("qty", qty, 1, MAX_QTY)
        lib.fs_cost(self._engine, _symbol(symbol), _side(side), lots, walk)
        return Walk(walk.qty, walk.worst, _wide(walk.cost_low, walk.cost_high))

    def cumulative(self, symbol: int, side: int, price: int) -> int:
        """Return the lots shown on one side at `price` or better."""
        reach = integer("price", price, -1 << 63, (1 << 63) - 1)
        return int(lib.fs_cumulative(self._engine, _symbol(symbol), _side(side), reach))

    def session(self, symbol: int) -> int:
        """Return a symbol's `Session`."""
        return int(lib.fs_indicative(self._engine, _symbol(symbol), ffi.NULL, ffi.NULL))

    def indicative(self, symbol: int) -> tuple[int, int]:
        """Return price and quantity that an uncross would give now; quantity 0: nothing crosses."""
        price, qty = ffi.new("int64_t *"), ffi.new("int64_t *")
        lib.fs_indicative(self._engine, _symbol(symbol), price, qty)
        return price[0], qty[0]

    def answers(self, count: int) -> bytes:
        """Return the `count` reports of the last `submit` or `cancel`: what it returned, and no other number.

        Raises ValueError for a count that no call can have returned, RuntimeError for `UNDONE`.
        """
        if count == UNDONE:
            raise RuntimeError(_BUSY.format("submit"))
        answers = [bytes(ffi.buffer(self._reports, integer("count", count, 0, self._capacity) * RECORD_BYTES)[:])]
        if count == self._capacity:
            self._pump(self._clock, 0, answers)
        return b"".join(answers)

    def snapshot(self) -> bytes:
        """Return the whole state. Equal states give equal bytes.

        Raises RuntimeError while reports of `process_into`, `submit` or `cancel` are still to be fetched, as do
        `restore` and `state_hash`.
        """
        size = lib.fs_snapshot_size(self._engine)
        if not size:
            raise RuntimeError(_BUSY.format("snapshot"))
        out = ffi.new("unsigned char[]", size)
        written = lib.fs_snapshot_save(self._engine, out, size)
        assert written == size
        return bytes(ffi.buffer(out, size))

    def restore(self, snapshot: bytes | bytearray | memoryview) -> None:
        """Put the state of a snapshot in place of this engine's. On any error this engine is as it was.

        Raises ValueError for bytes that are no snapshot or one of another version, MemoryError when memory runs out.
        """
        status = lib.fs_restore(self._engine, ffi.from_buffer(snapshot), memoryview(snapshot).nbytes)
        if status == lib.FS_BAD_SNAPSHOT:
            raise ValueError(self._refused(memoryview(snapshot).cast("B")))
        if status == lib.FS_NO_MEMORY:
            raise MemoryError("Memory ran out while a snapshot was restored.")
        if status == lib.FS_BUSY:
            raise RuntimeError(_BUSY.format("restore"))
        assert status == lib.FS_OK
        self._now_ms = 0

    def _refused(self, snapshot: memoryview) -> str:
        """Say why bytes are no snapshot for this engine. Each begins with a magic word, the last of it its version."""
        magic, own = bytes(snapshot[:_MAGIC_BYTES]), CoreEngine(1).snapshot()[:_MAGIC_BYTES]
        version, read = magic[_MAGIC_NAME:], own[_MAGIC_NAME:].decode()
        if magic[:_MAGIC_NAME] == own[:_MAGIC_NAME] and magic != own and version.isdigit():
            theirs = version.decode()
            return f"These {snapshot.nbytes} bytes are no snapshot of version {read}: this engine cannot read {theirs}."
        return f"These {snapshot.nbytes} bytes are no snapshot of an engine."

    def state_hash(self) -> int:
        """Return the 64-bit hash of the state: equal states, equal hashes."""
        state_hash = int(lib.fs_state_hash(self._engine))
        if not state_hash and not lib.fs_snapshot_size(self._engine):
            raise RuntimeError(_BUSY.format("state_hash"))
        return state_hash

    def validate(self) -> None:
        """Check every invariant of the books; raise AssertionError with a sentence naming the broken one."""
        broken = lib.fs_validate(self._engine)
        if broken != ffi.NULL:
            raise AssertionError(ffi.string(broken).decode())
