"""A snapshot is whole or it is not there, and the wrong one is never taken for the right one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fillstream.libs.common.runtime.snapshots import KEEP, Snapshot, SnapshotError, SnapshotStore


def snapshot(ms: int) -> Snapshot:
    return Snapshot(f"{ms}-0", b"\x01" * 16, ms, b"state\nof %d" % ms)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path, "orders", 0)
    store.save(snapshot(5))
    assert store.load("5-0") == snapshot(5)


def test_the_newest_few_are_kept_in_log_order_not_in_text_order(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path, "orders", 0)
    for ms in (8, 9, 10, 11):
        store.save(snapshot(ms))
    assert store.ids() == ["11-0", "10-0", "9-0"]
    assert len(store.ids()) == KEEP


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:-1] + b"X", lambda b: b"", lambda b: b"[]\n" + b])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: object) -> None:
    store = SnapshotStore(tmp_path, "orders", 0)
    store.save(snapshot(5))
    path = tmp_path / "5-0.snapshot"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(SnapshotError):
        store.load("5-0")


def test_another_stages_file_is_refused(tmp_path: Path) -> None:
    SnapshotStore(tmp_path, "orders", 0).save(snapshot(5))
    with pytest.raises(SnapshotError, match="of orders 0, not of orders 1"):
        SnapshotStore(tmp_path, "orders", 1).load("5-0")


def test_a_file_that_a_person_copied_beside_them_is_no_snapshot(tmp_path: Path) -> None:
    SnapshotStore(tmp_path, "orders", 0).save(snapshot(5))
    for name in ("copy of 5-0.snapshot", "5-0 (1).snapshot", ".snapshot"):
        (tmp_path / name).write_bytes((tmp_path / "5-0.snapshot").read_bytes())
    store = SnapshotStore(tmp_path, "orders", 0)
    assert store.ids() == ["5-0"]
    for ms in range(6, 6 + KEEP):
        store.save(snapshot(ms))
    assert len(store.ids()) == KEEP


def test_a_volume_that_was_mounted_in_the_place_of_another_is_refused(tmp_path: Path) -> None:
    SnapshotStore(tmp_path / "engine-SIM-0", "engine", 0).belong_to("desk")
    (tmp_path / "engine-SIM-0").rename(tmp_path / "engine-SIM2-0")
    store = SnapshotStore(tmp_path / "engine-SIM2-0", "engine", 0)
    with pytest.raises(SnapshotError, match="the volume is of engine-SIM-0, and mounted as engine-SIM2-0"):
        store.desk()
    store.disown()
    store.belong_to("desk")
    assert store.desk() == "desk"


def test_a_failed_write_leaves_the_older_ones_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SnapshotStore(tmp_path, "orders", 0)
    store.save(snapshot(5))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fillstream.libs.common.runtime.snapshots.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.save(snapshot(6))
    assert [path.name for path in tmp_path.iterdir()] == ["5-0.snapshot"]


def test_the_folder_is_made_with_all_above_it(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path / "data" / "orders", "orders", 0)
    store.save(snapshot(5))
    assert store.ids() == ["5-0"]


def rewritten(path: Path, **changed: Any) -> None:
    """Change fields of a snapshot's header."""
    head, _, state = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps({**json.loads(head), **changed}).encode() + b"\n" + state)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": 3}, "format 3, this version reads 2"),
        ({"release": "9.9.9"}, "10 bytes do not hash to what the header says; damaged"),
        ({"entries": "5"}, "no snapshot header: entries: '5' is no int"),
        ({"digest": "0g"}, "no snapshot header: digest: '0g' is no output hash"),
        ({"id": "5"}, "no snapshot header: id: '5' is no id of an entry"),
        ({"stage": "signals"}, "of signals 0, not of orders 0"),
        ({"partition": 1}, "of orders 1, not of orders 0"),
        ({"bytes": 11}, "10 bytes do not hash to what the header says; damaged"),
        ({"blake2b": "00" * 16}, "10 bytes do not hash to what the header says; damaged"),
        ({"more": 1}, "no snapshot header: "),
    ],
    ids=["format", "release", "entries", "digest", "id", "stage", "partition", "length", "hash", "field"],
)
def test_what_is_wrong_with_a_file_is_said_with_its_path(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    store = SnapshotStore(tmp_path, "orders", 0)
    store.save(snapshot(5))
    path = tmp_path / "5-0.snapshot"
    rewritten(path, **change)
    with pytest.raises(SnapshotError) as refused:
        store.load("5-0")
    assert str(refused.value).startswith(f"{path}: {sentence}")
