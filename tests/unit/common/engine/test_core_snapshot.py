"""A snapshot from outside may hold anything: it is taken whole, or refused and nothing changes."""

import random
import struct

import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import OrdType, Side, Tif

FIRST_ORDER = 19  # words before the first order of the fixture


def order(order_id: int, side: int, price: int, qty: int = 5, expiry_ms: int = 0) -> bytes:
    return frames.new_order(
        order_id,
        1,
        7,
        0,
        side=side,
        ord_type=OrdType.LIMIT,
        tif=Tif.GTC,
        price=price,
        qty=qty,
        expiry_ms=expiry_ms,
    )


@pytest.fixture
def snapshot() -> bytes:
    engine = CoreEngine()
    orders = [order(1, Side.BUY, 98), order(2, Side.BUY, 99), order(3, Side.BUY, 99, expiry_ms=50)]
    engine.process(b"".join(orders) + order(4, Side.SELL, 101) + frames.quote(7, 97, 3, 100, 4), 10)
    engine.process(order(5, Side.SELL, 99, qty=7), 10)
    return engine.snapshot()


def words(snapshot: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(snapshot) // 8}Q", snapshot))


def mix(hash_: int, word: int) -> int:
    hash_ = ((hash_ ^ word) * 0x9E3779B97F4A7C15) % 2**64
    return hash_ ^ hash_ >> 29


def sealed(body: list[int]) -> bytes:
    """The snapshot of these words with a hash that fits: a forger can compute it too."""
    hash_ = 0
    for word in body:
        hash_ = mix(hash_, word)
    return struct.pack(f"<{len(body) + 1}Q", *body, hash_)


def refused(snapshot: bytes) -> bool:
    """Whether the engine refuses the bytes and stays as it was; if it takes them, it is in good order."""
    engine = CoreEngine()
    engine.process(order(9, Side.BUY, 50), 1)
    before = engine.snapshot()
    try:
        engine.restore(snapshot)
    except ValueError as error:
        assert f"These {len(snapshot)} bytes are no snapshot" in str(error)
        assert engine.snapshot() == before
        return True
    engine.validate()
    assert engine.snapshot() == snapshot
    return False


def test_the_forgers_hash_is_the_engines(snapshot: bytes) -> None:
    assert sealed(words(snapshot)[:-1]) == snapshot
    assert not refused(snapshot)


def test_layout_is_the_documented_one(snapshot: bytes) -> None:
    engine = CoreEngine()
    engine.restore(snapshot)
    magic, clock_ms, matches, books, symbol, session, reference, low, high, *rest = words(snapshot)
    price, qty, volume, trades, turnover_low, turnover_high, bids, asks, sell_stops, buy_stops, *orders = rest
    assert magic.to_bytes(8, "little") == b"FSBOOK02"
    assert (session, reference, low, high, sell_stops, buy_stops) == (0, 0, 0, 0, 0, 0)
    assert (turnover_low, turnover_high) == (7 * 99 + 0, 0)
    assert (clock_ms, matches, books, symbol) == (10, 2, 1, 7)
    assert engine.last(7) == (price, qty, volume, trades) == (99, 2, 7, 2)
    assert (bids, asks) == (3, 2)
    gtc = 1 << 56
    assert orders[:6] == [3, 99, 3, 2, 50, 1 + gtc]  # order_id, price, leaves, filled, expiry_ms, account and codes
    assert len(orders) == 6 * (bids + asks) + 1


def test_truncated_or_extended_bytes_are_refused(snapshot: bytes) -> None:
    for size in range(len(snapshot)):
        assert refused(snapshot[:size])
    assert refused(snapshot + bytes(8))
    assert refused(snapshot + b"x")


def test_another_versions_snapshot_is_refused_with_both_versions(snapshot: bytes) -> None:
    older = snapshot[:6] + b"01" + snapshot[8:]
    with pytest.raises(ValueError, match=r"400 bytes are no snapshot of version 02: this engine cannot read 01\."):
        CoreEngine().restore(older)


def test_every_flipped_bit_is_refused(snapshot: bytes) -> None:
    for i in range(len(snapshot)):
        broken = bytearray(snapshot)
        broken[i] ^= 1 << i % 8
        assert refused(bytes(broken))


def test_forged_words_are_refused_or_make_a_sound_book(snapshot: bytes) -> None:
    rng = random.Random(1)
    hostile = [0, 1, 2, 99, 2**31, 2**32, 2**32 - 1, 2**48, 2**49, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
    body = words(snapshot)[:-1]
    for _ in range(3000):
        forged = list(body)
        for _ in range(rng.randint(1, 3)):
            forged[rng.randrange(len(forged))] = rng.choice(hostile)
        refused(sealed(forged))


def test_forged_books_that_break_a_rule_are_refused(snapshot: bytes) -> None:
    body = words(snapshot)[:-1]
    first = FIRST_ORDER
    assert refused(sealed(body[:first] + body[first + 6 : first + 12] + body[first : first + 6] + body[first + 12 :]))
    assert refused(sealed([*body[: first + 6], *body[first : first + 6], *body[first + 12 :]]))  # one id twice
    for index, value in {
        first + 1: 100,
        first + 2: 0,
        first + 4: 10,
        first + 5: 0,
        first + 5: 1 + (2 << 56),  # no time in force has this code
        first + 5: 1 + (1 << 56) + (32 << 48),  # dormant, among the bids
        4: 65536,
        3: 2,
        5: 3,
        7: 1,
        first - 4: 4,
    }.items():
        assert refused(sealed([*body[:index], value, *body[index + 1 :]])), index


def test_noise_is_refused() -> None:
    rng = random.Random(2)
    for _ in range(300):
        assert refused(rng.randbytes(rng.randrange(200)))


def test_limits_are_named() -> None:
    for bad in (0, -1, 2**30 + 1, 2**64):
        with pytest.raises(ValueError, match=f"max_orders is {bad}, and must be between 1 and 1073741824"):
            CoreEngine(bad)
    for bad in (-1, 2**64):
        with pytest.raises(ValueError, match=f"now_ms is {bad}"):
            CoreEngine().process(b"", bad)
    with pytest.raises(ValueError, match="63 bytes"):
        CoreEngine().process(bytes(63), 0)


def test_what_is_due_is_the_soonest_expiry_and_stands_in_the_snapshot() -> None:
    engine = CoreEngine()
    assert engine.due() is None
    engine.process(order(1, Side.BUY, 98) + order(2, Side.BUY, 99, expiry_ms=70), 0)
    assert engine.due() == 70
    engine.process(order(3, Side.BUY, 97, expiry_ms=50) + order(4, Side.BUY, 97, expiry_ms=2**64 - 1), 0)
    assert engine.due() == 50
    twin = CoreEngine()
    twin.restore(engine.snapshot())
    for each in (engine, twin):
        each.process(b"", 49)
        assert each.due() == 50
        each.process(b"", 50)
        assert each.due() == 70
        each.process(frames.cancel(2, 1, 0, 0), 50)
        assert each.due() == 2**64 - 1
        each.process(frames.cancel(4, 1, 0, 0), 50)
        assert each.due() is None
