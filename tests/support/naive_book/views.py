"""What the engine's queries and its snapshot should say of a naive book's state."""

import struct
from dataclasses import replace
from fractions import Fraction

from fillstream.libs.common.engine.core import Last, Level, Resting, Walk
from fillstream.libs.common.engine.frames import PARTITION_NONE, OrderFlag, ReportFlag, Side
from tests.support.naive_book.book import NaiveBook
from tests.support.naive_book.orders import Order, Rules, Tape

MAGIC = int.from_bytes(b"FSBOOK02", "little")
VIEW_FLAGS = OrderFlag.POST_ONLY | OrderFlag.ALL_OR_NONE | OrderFlag.ICEBERG | OrderFlag.OFFSET_BPS
HOUSE, DORMANT, TRAILING, MARKET = 16, 32, 64, 128  # bits beside the flags: native/src/internal.h


def resting(order: Order) -> Resting:
    """Return `fs_resting` of a live order."""
    dormant = order.stop is not None
    return Resting(
        order.id,
        order.told_price,
        0 if dormant else order.shown,
        order.leaves,
        order.filled,
        order.stop or 0,
        order.expiry_ms,
        order.account,
        order.symbol,
        order.partition,
        order.side,
        order.flags & VIEW_FLAGS,
        dormant,
        order.house,
    )


def depth(book: NaiveBook, symbol: int, side: int) -> list[Level]:
    """Return all levels of a side, best first."""
    levels: dict[int, list[int]] = {}
    for order in book.queue(symbol, side):
        levels.setdefault(order.price, []).append(order.shown)
    return [Level(price, sum(shown), len(shown)) for price, shown in levels.items()]


def last(book: NaiveBook, symbol: int) -> Last | None:
    """Return the newest trade and the totals, None before the first."""
    tape = book.tapes.get(symbol, Tape())
    return Last(tape.price, tape.qty, tape.volume, tape.trades) if tape.trades else None


def vwap(book: NaiveBook, symbol: int) -> Fraction | None:
    """Return the exact average price of all trades, None before the first."""
    tape = book.tapes.get(symbol, Tape())
    return Fraction(tape.turnover, tape.volume) if tape.volume else None


def cost(book: NaiveBook, symbol: int, side: int, qty: int) -> Walk:
    """Return what a market order of nobody would trade: let it come to a copy of the other side."""
    makers = book.queue(symbol, Side.SELL if side == Side.BUY else Side.BUY)
    other = NaiveBook(resting=[replace(o) for o in makers])
    other.take(Order(0, 0, 0, symbol, side, 0, qty, limited=False))
    fills = [r for r in other.out if r.flags & ReportFlag.TAKER]
    return Walk(sum(r.qty for r in fills), fills[-1].price if fills else 0, sum(r.qty * r.price for r in fills))


def cumulative(book: NaiveBook, symbol: int, side: int, price: int) -> int:
    """Return the lots shown at `price` or better."""
    own = book.queue(symbol, side)
    return sum(o.shown for o in own if (o.price >= price if side == Side.BUY else o.price <= price))


# ----------------------------------------------------------------- snapshot


def snapshot(book: NaiveBook) -> bytes:
    """Return the bytes that native/src/snapshot.c describes."""
    symbols = sorted({o.symbol for o in book.resting + book.dormant} | book.tapes.keys() | book.rules.keys())
    books = [words for words in (_book_words(book, symbol) for symbol in symbols) if words]
    words = [MAGIC, book.clock_ms, book.matches, len(books), *(word for words in books for word in words)]
    return struct.pack(f"<{len(words) + 1}Q", *words, state_hash(words))


def words(snapshot: bytes) -> tuple[int, ...]:
    """Return the words of a snapshot, to compare what is not equal."""
    return struct.unpack(f"<{len(snapshot) // 8}Q", snapshot)


def state_hash(words: list[int]) -> int:
    """Return the hash of the words of a state."""
    hash_ = 0
    for word in words:
        hash_ = (hash_ ^ word) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
        hash_ ^= hash_ >> 29
    return hash_


def _book_words(book: NaiveBook, symbol: int) -> list[int]:
    """Return what is said of one symbol: nothing, if its book is as new."""
    rules, tape = book.rules.get(symbol, Rules()), book.tapes.get(symbol, Tape())
    queues = [
        book.queue(symbol, Side.BUY),
        book.queue(symbol, Side.SELL),
        book.stops(symbol, Side.SELL),
        book.stops(symbol, Side.BUY),
    ]
    if rules == Rules() and not tape.trades and not any(queues):
        return []
    low, high = rules.bands or (0, 0)
    head = [symbol, rules.session | (rules.bands is not None) << 8, rules.reference, low, high]
    traded = [tape.price, tape.qty, tape.volume, tape.trades, tape.turnover, tape.turnover >> 64]
    orders = [word for queue in queues for order in queue for word in _order_words(order)]
    return [word & 0xFFFFFFFFFFFFFFFF for word in (*head, *traded, *map(len, queues), *orders)]


def _order_words(order: Order) -> list[int]:
    dormant = order.stop is not None
    bits = order.flags | (HOUSE if order.house else 0)
    if dormant:
        bits |= DORMANT | (TRAILING if order.offset else 0) | (0 if order.limited else MARKET)
    codes = 0 if order.house else order.tif << 8 | order.stp << 12
    partition = PARTITION_NONE if order.house else order.partition
    who = order.account | partition << 32 | bits << 48 | codes << 48
    words = [order.id, order.stop if dormant else order.price, order.leaves, order.filled, order.expiry_ms, who]
    if order.flags & OrderFlag.ICEBERG:
        words += [order.display, 0 if dormant else order.leaves - order.shown]
    return [*words, order.price, order.offset] if dormant else words
