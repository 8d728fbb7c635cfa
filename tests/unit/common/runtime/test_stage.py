"""What a fold sends, the hash over it, and how an entry travels to `dead`: data that another version has to read."""

from __future__ import annotations

from hashlib import blake2b

import pytest

from fillstream.libs.common.messages.bad_entry import (
    HEAD_BYTES,
    MAX_RAW_BYTES,
    MAX_RAW_FIELDS,
    cut_of,
    digest_of,
    pack_raw,
    unpack_raw,
)
from fillstream.libs.common.runtime.stage import EMPTY_DIGEST, Entry, Outputs


def sent() -> Outputs:
    out = Outputs("orders", "orders.0")
    out.begin(Entry("5-1", 5, {b"x": b"\xff"}))
    out.event("events.0", {"seq": 1})
    out.record("commands.SIM.0", b"r" * 64)
    out.market("market.0", {"lossy": True})
    return out


def hashed(before: bytes, *parts: bytes) -> bytes:
    return blake2b(b"\0".join((before, *parts)), digest_size=16).digest()


def test_the_hash_over_what_was_sent_is_this_one_for_ever() -> None:
    """A replay of an older log by a newer version compares with what the older one wrote."""
    out = sent()
    out.seal()
    assert out.digest == hashed(EMPTY_DIGEST, b"events.0", b'{"seq":1}', b"commands.SIM.0", b"r" * 64)
    first = out.digest
    out.seal()
    assert out.digest == first, "nothing more was sent"
    out.bad("bad_value", "x: is no number")
    (letter,) = out.dead
    out.seal()
    assert out.digest == hashed(first, b"dead", b"data", b"raw:x", letter[b"data"], b"\xff")
    assert letter[b"data"] == (
        b'{"type":"DeadLetter","v":1,"time":5,"stage":"orders","stream":"orders.0","entry_id":"5-1",'
        b'"reason":"bad_value","text":"x: is no number"}'
    )


def test_what_was_sent_is_kept_by_stream_until_it_is_cleared_and_the_hash_runs_on() -> None:
    out = sent()
    out.event("events.0", {"seq": 2})
    out.bad("bad_value", "x: is no number", {b"part": b"y"})
    assert out.by_stream == {
        "events.0": (b"data", [b'{"seq":1}', b'{"seq":2}']),
        "commands.SIM.0": (b"frame", [b"r" * 64]),
    }
    assert (out.lossy, out.reasons) == ({"market.0": [b'{"lossy":true}']}, ["bad_value"])
    assert out.dead[0][b"raw:part"] == b"y"
    out.seal()
    digest = out.digest
    out.clear()
    assert (out.by_stream, out.lossy, out.dead, out.reasons, out.digest) == ({}, {}, [], [], digest)


def test_a_stream_that_carries_events_and_records_has_them_in_the_order_they_were_sent() -> None:
    out = sent()
    out.record("events.0", b"r" * 64)
    out.event("events.0", {"seq": 2})
    runs = [
        ("events.0", b"data", [b'{"seq":1}']),
        ("events.0", b"frame", [b"r" * 64]),
        ("events.0", b"data", [b'{"seq":2}']),
        ("commands.SIM.0", b"frame", [b"r" * 64]),
    ]
    assert [*out.runs] == runs
    twin = out.fork()
    out.clear()
    assert [*out.runs] == []
    assert [*twin.runs] == runs


def test_a_fork_goes_on_alone() -> None:
    out = sent()
    out.bad("bad_value", "one")
    twin = out.fork()
    twin.event("events.0", {"seq": 2})
    twin.market("market.0", {})
    twin.bad("bad_value", "two")
    assert [len(each.by_stream["events.0"][1]) for each in (out, twin)] == [1, 2]
    assert [len(each.lossy["market.0"]) for each in (out, twin)] == [1, 2]
    assert [(len(each.dead), len(each.reasons)) for each in (out, twin)] == [(1, 1), (2, 2)]
    again = sent()
    again.bad("bad_value", "one")
    out.seal(), again.seal(), twin.seal()
    assert out.digest == again.digest != twin.digest


@pytest.mark.parametrize("count", [0, 1, MAX_RAW_FIELDS, MAX_RAW_FIELDS + 1])
def test_an_entry_comes_back_from_dead_byte_for_byte_however_many_fields_it_has(count: int) -> None:
    fields = {b"\xff\x00%d" % n: bytes([n % 256]) for n in range(count)}
    packed = pack_raw(fields)
    assert unpack_raw({b"data": b"{}", **packed}) == fields
    assert len(packed) == (count if count <= 1000 else 1), "a Lua call takes only so many"


def test_an_entry_of_the_largest_size_goes_to_dead_whole() -> None:
    fields = {b"data": b"x" * (MAX_RAW_BYTES - 4)}
    assert unpack_raw(pack_raw(fields)) == fields
    assert cut_of(pack_raw(fields)) is None


@pytest.mark.parametrize(
    "fields",
    [
        {b"data": b"x" * MAX_RAW_BYTES},
        {b"n" * MAX_RAW_BYTES: b"v"},
        {b"a": b"1", b"b" * 4000: b"y" * MAX_RAW_BYTES, b"c": b"z"},
        {b"%d" % n: b"v" * 4 for n in range(100_000)},
        {b"": b"x" * MAX_RAW_BYTES, b"more": b""},
    ],
)
def test_of_a_larger_one_the_beginning_goes_with_its_size_and_digest(fields: dict[bytes, bytes]) -> None:
    packed = pack_raw(fields)
    cut = cut_of(packed)
    assert cut is not None
    assert cut.size == sum(len(name) + len(value) for name, value in fields.items()) > MAX_RAW_BYTES
    assert (cut.fields, cut.blake2b) == (len(fields), digest_of(fields))
    assert sum(len(name) + len(value) for name, value in packed.items()) < 2 * HEAD_BYTES
    assert len(packed) <= 103, "a Lua call takes only so many"
    kept = list(cut.head.items())
    assert kept[:-1] == list(fields.items())[: len(kept) - 1], "whole, but for the last"
    for whole, head in zip(list(fields.items())[len(kept) - 1], kept[-1], strict=True):
        assert whole.startswith(head)
    assert unpack_raw(packed) == {}


def test_the_digest_tells_what_is_a_name_and_what_a_value() -> None:
    told = [digest_of(each) for each in ({b"ab": b"c"}, {b"a": b"bc"}, {b"abc": b""}, {b"a": b"b", b"c": b""})]
    assert len({*told}) == 4
    assert digest_of({b"ab": b"c"}) == "4826ed043ab3cdec576d8541fa5d5a80", "published: it may not change"
