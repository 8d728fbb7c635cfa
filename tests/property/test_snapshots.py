"""Whatever happens to a snapshot's bytes, it is read as it was written or refused in a sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillstream.libs.common.runtime.snapshots import Snapshot, SnapshotError, SnapshotStore, parse_snapshot

SNAPSHOT = Snapshot("1700000000000-3", bytes(range(16)), 7, b'{"orders": {}}\n\x00\xff', "0.2.0", "0f" * 16)


def written(snapshot: Snapshot) -> bytes:
    with TemporaryDirectory() as folder:
        store = SnapshotStore(Path(folder), "orders", 0)
        store.save(snapshot)
        return store.path(snapshot.id).read_bytes()


def of_the_first_format(snapshot: Snapshot) -> bytes:
    """Return the file as 0.2.0 wrote it."""
    header = {
        "format": 1, "stage": "orders", "partition": 0, "id": snapshot.id, "digest": snapshot.digest.hex(),
        "entries": snapshot.entries, "bytes": len(snapshot.state),
        "blake2b": blake2b(snapshot.state, digest_size=16).hexdigest(), "release": snapshot.release,
    }  # fmt: skip
    return json.dumps(header).encode() + b"\n" + snapshot.state


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_is_a_refusal(bit: int) -> None:
    content = written(SNAPSHOT)
    assert parse_snapshot("x", content, "orders", 0) == SNAPSHOT
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 1 << bit
        with pytest.raises(SnapshotError):
            parse_snapshot("x", bytes(damaged), "orders", 0)


def test_every_length_but_its_own_is_a_refusal() -> None:
    content = written(SNAPSHOT)
    for length in range(len(content)):
        with pytest.raises(SnapshotError):
            parse_snapshot("x", content[:length], "orders", 0)
    with pytest.raises(SnapshotError):
        parse_snapshot("x", content + b"\n", "orders", 0)


def test_a_file_of_the_first_format_is_read_and_no_flipped_bit_of_it_is_anything_but_a_refusal_or_a_snapshot() -> None:
    content = of_the_first_format(SNAPSHOT)
    assert parse_snapshot("x", content, "orders", 0) == replace(SNAPSHOT, desk="")
    for at in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[at] ^= 1 << bit
            try:
                found = parse_snapshot("x", bytes(damaged), "orders", 0)
            except SnapshotError:
                continue
            assert found.state == SNAPSHOT.state, "what its hash covers"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_refusal(content: bytes) -> None:
    with pytest.raises(SnapshotError):
        parse_snapshot("x", content, "orders", 0)


@given(
    st.builds(
        Snapshot,
        st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)).map(lambda pair: f"{pair[0]}-{pair[1]}"),
        st.binary(min_size=16, max_size=16),
        st.integers(0, 2**63),
        st.binary(max_size=300),
        st.text(max_size=12),
        st.text(max_size=40),
    )
)
def test_what_was_written_is_read(snapshot: Snapshot) -> None:
    assert parse_snapshot("x", written(snapshot), "orders", 0) == snapshot


def test_a_file_by_the_name_of_another_is_refused(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path, "orders", 0)
    store.save(SNAPSHOT)
    store.path(SNAPSHOT.id).rename(store.path("1700000000000-4"))
    with pytest.raises(SnapshotError, match="stands at 1700000000000-3, which is not its name"):
        store.load("1700000000000-4")
