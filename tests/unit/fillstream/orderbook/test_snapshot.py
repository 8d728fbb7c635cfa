"""Snapshots of people's engines carry the names, so that a restored engine goes on as the other would have."""

import hashlib
import json
import struct
from collections.abc import Callable
from typing import Any

import pytest

import fillstream
from fillstream import Session, Status


def busy() -> fillstream.Engine:
    engine = fillstream.Engine()
    engine.submit_order("J", "SELL", 10, 5, "a", account=7)
    engine.submit_order("J", "BUY", 10, 2, "t")
    engine.submit_order("K", "BUY", None, 5, 1, stop_price=-3, expiry_ms=900)
    engine.submit_order("K", "BUY", 5, 5, "1")
    engine.submit_order("\ud800", "SELL", None, 5, 2**80, offset=9)
    engine.set_session("K", "AUCTION", 4)
    engine.set_time(500)
    return engine


def test_a_restored_engine_goes_on_as_the_other() -> None:
    one, other = busy(), fillstream.Engine()
    other.submit_order("OLD", "BUY", 1, 1, "gone")
    heard: list[object] = []
    other.on_order_update = heard.append
    other.restore(one.snapshot())
    assert other.snapshot() == one.snapshot() and other.state_hash() == one.state_hash()
    other.validate()
    for engine in (one, other):
        assert engine.symbols() == ("J", "K", "\ud800")
        assert engine.submit_order("J", "BUY", 3, 1, "new").broker_id == 6
        assert engine.find("a").account == 7 and engine.find("a").filled == 2
        assert engine.session("K") is Session.AUCTION
        assert engine.submit_order("K", "SELL", 1, 5, "x").status is Status.WORKING
        assert [trade.price for trade in engine.set_session("K", "CONTINUOUS").trades] == [4, 4]
        assert engine.cancel_order(2**80).status is Status.CANCELED
        assert [update.client_id for update in engine.set_time(900).updates] == []
        with pytest.raises(KeyError):
            engine.find("gone")
    assert other.snapshot() == one.snapshot()
    assert heard


def test_the_clock_is_part_of_it() -> None:
    other = fillstream.Engine()
    other.restore(busy().snapshot())
    assert other.submit_order("J", "BUY", 1, 1, "late", expiry_ms=500).status is Status.REJECTED
    assert [update.client_id for update in other.set_time(900).updates] == [1]


def test_equal_states_give_equal_bytes_whatever_led_to_them() -> None:
    one, other = fillstream.Engine(), fillstream.Engine()
    for engine, names in ((one, ("a", "b")), (other, ("b", "a"))):
        for name in names:
            engine.submit_order("X", "BUY", 1, 1, name)
    assert one.snapshot() != other.snapshot()
    one.cancel_order("a")
    one.cancel_order("b")
    other.mass_cancel()
    assert one.snapshot() == other.snapshot()


def test_any_damage_is_refused_and_changes_nothing() -> None:
    whole = busy().snapshot()
    engine = busy()
    engine.cancel_order("a")
    before = engine.snapshot()
    damaged = [whole[:n] for n in (0, 7, 8, 31, 32, len(whole) // 2, len(whole) - 1)] + [whole + b"\0", b"junk"]
    damaged += [whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1 :] for n in range(0, len(whole), 7)]
    for each in damaged:
        with pytest.raises(ValueError, match=r"bytes are no snapshot of a fillstream\.Engine"):
            engine.restore(each)
    assert engine.snapshot() == before
    for wrong in (None, "x", 5, [1]):
        with pytest.raises(TypeError, match=r"snapshot is .*, and must be bytes"):
            engine.restore(wrong)  # type: ignore[arg-type]
    engine.restore(memoryview(bytearray(whole)))
    assert engine.snapshot() == whole


FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another account": lambda told: told["live"][0].__setitem__(2, 8),
    "another symbol": lambda told: told["live"][0].__setitem__(3, "K"),
    "an unknown symbol": lambda told: told["live"][0].__setitem__(3, "Z"),
    "another number": lambda told: told["live"][0].__setitem__(0, 2),
    "an order too few": lambda told: told["live"].pop(),
    "an order twice": lambda told: told["live"].append(told["live"][0]),
    "a name twice": lambda told: told["live"][0].__setitem__(1, "1"),
    "a name that is none": lambda told: told["live"][0].__setitem__(1, True),
    "a type that is none": lambda told: told["live"][0].__setitem__(4, 99),
    "a symbol twice": lambda told: told["symbols"].append("J"),
    "symbols in another order": lambda told: told["symbols"].reverse(),
    "a number that is in use": lambda told: told.update(next_id=4),
    "a time that is none": lambda told: told.update(time_ms=-1),
    "no list": lambda told: told.update(live=5),
    "a part too few": lambda told: told.pop("symbols"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_snapshot_is_refused(forgery: str) -> None:
    whole = busy().snapshot()
    magic, length, _ = struct.unpack_from("<8sQ16s", whole)
    told = json.loads(whole[32 : 32 + length])
    FORGERIES[forgery](told)
    words, state = json.dumps(told).encode(), whole[32 + length :]
    digest = hashlib.blake2b(words + state, digest_size=16).digest()
    engine = busy()
    with pytest.raises(ValueError, match=r"no snapshot of a fillstream\.Engine"):
        engine.restore(struct.pack("<8sQ16s", magic, len(words), digest) + words + state)
    assert engine.snapshot() == whole
