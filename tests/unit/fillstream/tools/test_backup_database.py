"""Analytics' file in a backup: a copy that is whole, or none and the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from fillstream.tools.backup import database
from fillstream.tools.backup.database import HEAD_BYTES, TRIES, copy_database

duckdb = pytest.importorskip("duckdb", reason="duckdb is the optional extra `analytics`")


def quiet(text: str) -> None:
    assert text


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "rows.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE offsets (stream VARCHAR, id VARCHAR, entries BIGINT)")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "backup"
    made.mkdir()
    return made


def test_what_is_only_in_the_write_ahead_log_is_in_the_copy_while_the_file_is_written(
    source: Path, folder: Path
) -> None:
    with duckdb.connect(source, config={"wal_autocheckpoint": "1GB"}) as writer:
        for number in range(50):
            writer.execute("INSERT INTO offsets VALUES ('s', '1-0', ?)", [number])
        assert source.with_name("rows.duckdb.wal").exists()
        name, text = copy_database(source, folder, quiet)
    assert (name, text) == ("database/rows.duckdb", "")
    assert [each.name for each in (folder / "database").iterdir()] == ["rows.duckdb"], "the log went into the file"
    with duckdb.connect(folder / name, read_only=True) as copied:
        assert copied.execute("SELECT count(*) FROM offsets").fetchone() == (50,)


def test_a_copy_during_which_the_file_was_rewritten_is_thrown_away(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def head(path: Path) -> bytes:
        """Another one behind the first copy than before it."""
        asked.append(path)
        return b"before" if len(asked) == 1 else b"behind"

    monkeypatch.setattr(database, "_head", head)
    assert copy_database(source, folder, quiet) == ("database/rows.duckdb", "")
    assert len(asked) == 4, "copied twice"


def test_a_file_that_never_gives_a_whole_copy_is_left_out_and_the_desk_is_backed_up_without(
    source: Path, folder: Path
) -> None:
    content = source.read_bytes()
    source.write_bytes(content[:HEAD_BYTES] + b"\x00" * (len(content) - HEAD_BYTES))
    told: list[str] = []
    name, text = copy_database(source, folder, told.append)
    assert name == ""
    assert text.startswith(f"no copy of {source} could be had (")
    assert len(told) == TRIES
    assert not (folder / "database").exists()


@pytest.mark.parametrize("path", [None, Path("/nowhere/rows.duckdb")])
def test_without_a_file_it_says_so(path: Path | None, folder: Path) -> None:
    name, text = copy_database(path, folder, quiet)
    assert name == ""
    assert text.endswith("analytics makes it anew from the streams, as far back as they reach")
