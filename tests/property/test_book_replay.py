"""Real order-by-order data through the engine: its book is the one the exchange had."""

import gzip
import struct
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import OrdType, ReplaceFlag, Report, ReportFlag, ReportType, Side, Tif

DATA = Path(__file__).resolve().parents[3] / "shared/data"
MESSAGES = DATA / "AAPL_2012-06-21_34200000_57600000_message_10.csv"
BOOKS = DATA / "AAPL_2012-06-21_34200000_57600000_orderbook_10.csv"
ITCH = DATA / "ex20101224.TEST_ITCH_50.gz"
OWNER, TAKER = 1, 2


class Replay:
    """An engine driven by what an exchange said happened to each resting order."""

    def __init__(self) -> None:
        self.engine = CoreEngine()
        self.takers = count(1 << 62)

    def told(self, frame: bytes) -> list[Report]:
        return [Report._make(r) for r in frames.reports(self.engine.process(frame, 0))]

    def add(self, order_id: int, symbol: int, side: int, price: int, qty: int) -> None:
        codes = {"side": side, "ord_type": OrdType.LIMIT, "tif": Tif.GTC}
        reports = self.told(frames.new_order(order_id, OWNER, symbol, 0, **codes, price=price, qty=qty))
        assert [r.type for r in reports] == [ReportType.ACCEPTED], "no resting order crosses"

    def reduce(self, order_id: int, qty: int) -> None:
        order = self.engine.find(order_id)
        assert order is not None
        left = order.leaves - qty
        assert left >= 0
        if left:
            shrink = {"price": order.price, "qty": left, "flags": ReplaceFlag.OPEN_QTY}
            [report] = self.told(frames.replace(order_id, OWNER, 0, 0, **shrink))
            assert (report.type, report.leaves) == (ReportType.REPLACED, left)
        else:
            [report] = self.told(frames.cancel(order_id, OWNER, 0, 0))
            assert report.type == ReportType.CANCELED

    def execute(self, order_id: int, qty: int) -> None:
        """A taker comes, and the order is the one it meets: price, then time."""
        order = self.engine.find(order_id)
        assert order is not None
        side = Side.SELL if order.side == Side.BUY else Side.BUY
        codes = {"side": side, "ord_type": OrdType.LIMIT, "tif": Tif.IOC, "price": order.price, "qty": qty}
        reports = self.told(frames.new_order(next(self.takers), TAKER, order.symbol, 0, **codes))
        makers = [(r.order_id, r.qty, r.price) for r in reports if r.flags & ReportFlag.MAKER]
        assert makers == [(order_id, qty, order.price)]


def lobster_levels(row: str) -> dict[int, list[tuple[int, int]]]:
    """Price and size of each level of both sides, best first."""
    n = [int(v) for v in row.split(",")]
    return {Side.SELL: list(zip(n[0::4], n[1::4], strict=True)), Side.BUY: list(zip(n[2::4], n[3::4], strict=True))}


class Lobster(Replay):
    """Orders from before the first message, and from beyond the tenth level, are known only by their level's size."""

    def __init__(self) -> None:
        super().__init__()
        self.strangers = count(1 << 61)
        self.stranger_at: dict[tuple[int, int], int] = {}
        self.edge: dict[int, int] = {}  # the worst price of each side in the row before

    def stranger(self, side: int, price: int, qty: int) -> None:
        order_id = self.stranger_at[side, price] = next(self.strangers)
        self.add(order_id, 0, side, price, qty)

    def known(self, order_id: int, side: int, price: int) -> int:
        return order_id if self.engine.find(order_id) else self.stranger_at[side, price]

    def message(self, row: str) -> None:
        _, kind, order_id, size, price, direction = (float(v) if "." in v else int(v) for v in row.split(","))
        side = Side.BUY if direction == 1 else Side.SELL
        match kind:
            case 1:
                self.add(int(order_id), 0, side, int(price), int(size))
            case 2 | 3:
                self.reduce(self.known(int(order_id), side, int(price)), int(size))
            case 4:
                self.execute(self.known(int(order_id), side, int(price)), int(size))

    def reset(self, side: int, price: int, size: int) -> None:
        """What happened to a level while it was beyond the tenth, no message tells: take the row's word."""
        for order in self.engine.queue(0, side, 10000):
            if order.price == price:
                self.told(frames.cancel(order.order_id, OWNER, 0, 0))
        if size:
            self.stranger(side, price, size)

    def compare(self, row: str) -> int:
        """Assert that the ten best levels are the row's; return how many were known before it."""
        compared = 0
        for side, levels in lobster_levels(row).items():
            sign = 1 if side == Side.SELL else -1
            told, edge, worst = dict(levels), self.edge[side] * sign, levels[-1][0] * sign
            mine = {x.price: x.qty for x in self.engine.depth(0, side, 10000)}
            for price in sorted(told.keys() | mine.keys()):
                if edge < price * sign <= worst and told.get(price) != mine.get(price):
                    self.reset(side, price, told.get(price, 0))
            assert [(x.price, x.qty) for x in self.engine.depth(0, side, len(levels))] == levels
            compared += sum(price * sign <= edge for price, _ in levels)
            self.edge[side] = levels[-1][0]
        return compared


@pytest.mark.skipif(not MESSAGES.exists(), reason=f"the LOBSTER sample is not in {DATA}")
def test_the_book_is_lobsters_line_by_line() -> None:
    messages, books = MESSAGES.read_text().split(), BOOKS.read_text().split()
    replay = Lobster()
    first = lobster_levels(books[0])
    _, kind, _, size, price, direction = messages[0].split(",")
    assert kind == "1"
    for side, levels in first.items():
        replay.edge[side] = levels[-1][0]
        for at, qty in levels:
            own = side == (Side.BUY if direction == "1" else Side.SELL) and at == int(price)
            if qty - own * int(size):
                replay.stranger(side, at, qty - own * int(size))
    compared = 0
    for message, book in zip(messages, books, strict=True):
        replay.message(message)
        compared += replay.compare(book)
        replay.engine.validate()
    assert compared > 19 * len(books), "nearly every level was known from the messages alone"


ITCH_BYTES = dict(
    zip("SRHYLVWKJhAFECXDUPQBIN",
        [12, 39, 25, 20, 26, 35, 12, 28, 35, 21, 36, 40, 31, 36, 23, 19, 35, 44, 40, 19, 50, 20], strict=True)
)  # fmt: skip


def itch_messages() -> Iterator[bytes]:
    """Yield each message; this file's length fields are blank, so the type tells its size."""
    with gzip.open(ITCH) as file:
        data = file.read()
    at = 2
    while at < len(data):
        size = ITCH_BYTES[chr(data[at])]
        yield data[at : at + size]
        at += size + 2


@pytest.mark.skipif(not ITCH.exists(), reason=f"the ITCH sample is not in {DATA}")
def test_an_itch_day_leaves_what_its_messages_say() -> None:
    replay = Replay()
    live: dict[int, list[int]] = {}  # order: symbol, side, price, open
    seen: Counter[str] = Counter()

    def add(order_id: int, symbol: int, side: int, price: int, qty: int) -> None:
        codes = {"side": side, "ord_type": OrdType.LIMIT, "tif": Tif.GTC, "price": price, "qty": qty}
        reports = replay.told(frames.new_order(order_id, OWNER, symbol, 0, **codes))
        live[order_id] = [symbol, side, price, qty]
        for report in reports[1:]:  # a test day's orders may cross: both books then trade alike
            live[report.order_id][3] = report.leaves
            if not report.leaves:
                del live[report.order_id]

    for m in itch_messages():
        kind = chr(m[0])
        seen[kind] += 1
        if kind in "AF":
            order_id, side, qty, _, price = struct.unpack_from(">QcI8sI", m, 11)
            add(order_id + 1, int.from_bytes(m[1:3], "big"), Side.BUY if side == b"B" else Side.SELL, price, qty)
        elif kind in "ECXDU":
            order_id = int.from_bytes(m[11:19], "big") + 1  # 0 is an id there, and the house's here
            if order_id not in live:
                continue
            symbol, side, price, qty = live[order_id]
            new_id = 0
            if kind in "ECX":
                [taken] = struct.unpack_from(">I", m, 19)
            else:
                taken = qty
            if kind == "U":
                new_id, new_qty, new_price = struct.unpack_from(">QII", m, 19)
            taken = min(taken, qty)
            replay.reduce(order_id, taken)
            live[order_id][3] -= taken
            if not live[order_id][3]:
                del live[order_id]
            if new_id:
                add(new_id + 1, symbol, side, new_price, new_qty)
    replay.engine.validate()
    assert sum(seen[k] for k in "AFECXDU") > 1000
    assert replay.engine.orders() == len(live)
    for symbol in {order[0] for order in live.values()}:
        for side in Side:
            expected: Counter[int] = Counter()
            for s, d, price, qty in live.values():
                if (s, d) == (symbol, side):
                    expected[price] += qty
            best_first = sorted(expected, reverse=side == Side.BUY)
            levels = [(x.price, x.qty) for x in replay.engine.depth(symbol, side, 100000)]
            assert levels == [(p, expected[p]) for p in best_first]
