"""Ids in C beside a dict: what is put in is found, by digest and by position, until it has left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillstream.libs.common.engine.ids import CHUNK, NONE, Ids, digest_of

PAYLOAD = 3
NAMES = st.integers(0, 30)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NAMES, st.integers(0, 3 * CHUNK)),
        st.tuples(st.just("write"), st.integers(0, 3 * CHUNK), st.just(0)),
        st.tuples(st.just("drop"), st.integers(0, 3 * CHUNK), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS)
def test_it_does_what_a_dict_does(steps: list[tuple[str, int, int]]) -> None:
    ids, naive, first = Ids(PAYLOAD), dict[int, tuple[bytes, bytes]](), 0
    for number, (step, one, other) in enumerate(steps):
        payload = number.to_bytes(PAYLOAD)
        if step == "put":
            digest = digest_of(str(one))
            if other < first or other in naive or digest in {each for each, _ in naive.values()}:
                with pytest.raises(ValueError, match=f"position {other}: "):
                    ids.put(other, digest, payload)
            else:
                ids.put(other, digest, payload)
                naive[other] = digest, payload
        elif step == "write" and one in naive:
            ids.write(one, payload)
            naive[one] = naive[one][0], payload
        elif step == "write":
            with pytest.raises(ValueError, match=f"position {one}: "):
                ids.write(one, payload)
        else:
            ids.drop(one)
            first = max(first, one)
            naive = {position: row for position, row in naive.items() if position >= first}
    again = Ids(PAYLOAD, first)
    for chunk, data in ids.chunks():
        again.load(chunk, data)
    for each in (ids, again):
        assert (len(each), each.first) == (len(naive), first)
        assert {position: each.at(position) for position in naive} == {p: row[1] for p, row in naive.items()}
        where = {digest: position for position, (digest, _) in naive.items()}
        assert all(each.find(digest_of(str(n))) == where.get(digest_of(str(n)), NONE) for n in range(31))
    assert [*ids.chunks()] == [*again.chunks()]


def test_an_id_costs_at_most_forty_bytes() -> None:
    ids = Ids(14)
    worst = 0.0
    for position in range(400_000):
        ids.put(position, digest_of(str(position)), bytes(14))
        if position >= 100_000:
            worst = max(worst, ids.size / len(ids))
    assert worst <= 40
    ids.drop(399_999)
    assert ids.size < 4_000_000, "what has left gives its memory back, but for the index"


@pytest.mark.parametrize(
    ("digest", "payload"), [(b"short", bytes(PAYLOAD)), (digest_of("a"), b""), (digest_of("a"), bytes(4))]
)
def test_wrong_lengths_never_reach_c(digest: bytes, payload: bytes) -> None:
    with pytest.raises(ValueError, match=f"id: {len(digest)} and {len(payload)} bytes must be 16 and 3"):
        Ids(PAYLOAD).put(0, digest, payload)


def test_bytes_that_no_table_wrote_are_refused() -> None:
    ids = Ids(PAYLOAD)
    ids.put(5, digest_of("a"), b"one")
    [(number, data)] = ids.chunks()
    for bad in (b"", data[:-1], data + b"x", bytes(CHUNK // 8)):
        with pytest.raises(ValueError, match="chunk 0: "):
            Ids(PAYLOAD).load(number, bad)
    with pytest.raises(ValueError, match="chunk 0: "):
        Ids(PAYLOAD, 6).load(number, data)
    with pytest.raises(ValueError, match="payload: 65 must be 0 to 64 bytes"):
        Ids(65)
