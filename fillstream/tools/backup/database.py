"""Analytics' database file in a backup.

Flows in: the file. Flows out: a copy that opens, or a sentence that says why there is none. Never opens the file
itself: only one process may, and while the desk runs that is analytics.

While analytics runs, its file is copied as a crash would leave it: the write-ahead log first, then the file. The file
is overwritten at a checkpoint alone, and then its head changes. With the same head before and behind, and if it opens,
the copy is one whole state, a little older than the file. So it is never ahead of a moment that is taken later.
"""

from __future__ import annotations

import shutil
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from fillstream.stack.extras import has_analytics, how_to_get
from fillstream.tools.backup.records import Tell

FOLDER = "database"
TRIES = 5
"""A checkpoint comes between now and then."""
HEAD_BYTES = 3 * 4096
"""DuckDB's file begins with three blocks of 4 kB that say which of the others count."""


def copy_database(source: Path | None, folder: Path, tell: Tell) -> tuple[str, str]:
    """Copy the file; return where it is in the folder, or an empty string and why it is not.

    Args:
        source: analytics' file; None where this machine does not have it.
        folder: of the backup.
        tell: called with what is being done.

    Raises:
        OSError: the folder cannot be written.
    """
    rebuilt = "analytics makes it anew from the streams, as far back as they reach"
    if source is None:
        return "", f"its file is not on this machine: {rebuilt}"
    if not source.exists():
        return "", f"there is no file {source}: {rebuilt}"
    if not has_analytics():
        return "", f"what it takes to check it is not installed ({how_to_get('analytics')}): {rebuilt}"
    target = folder / FOLDER / source.name
    target.parent.mkdir()
    problem = ""
    for _ in range(TRIES):
        tell(f"analytics: {source.stat().st_size} bytes")
        problem = _copy(source, target)
        if not problem:
            return str(target.relative_to(folder)), ""
    shutil.rmtree(target.parent)
    return "", f"no copy of {source} could be had ({problem}): {rebuilt}"


def _copy(source: Path, target: Path) -> str:
    """Copy once; return what is wrong with the copy."""
    log, copied_log = (path.with_name(f"{path.name}.wal") for path in (source, target))
    head = _head(source)
    copied_log.unlink(missing_ok=True)
    with suppress(FileNotFoundError):  # everything is in the file
        shutil.copyfile(log, copied_log)
    shutil.copyfile(source, target)
    if _head(source) != head:
        return "it was rewritten meanwhile"
    return _opens(target)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _opens(path: Path) -> str:
    """Let the write-ahead log go into the file; return what is wrong with it."""
    import duckdb  # noqa: PLC0415 - an extra

    config: dict[str, Any] = {"enable_external_access": "false", "threads": "1", "memory_limit": "512MB"}
    try:
        with closing(duckdb.connect(path, config=config)) as opened:
            opened.execute("SELECT stream, id, entries FROM offsets").fetchall()
            opened.execute("CHECKPOINT")
    except duckdb.Error as error:
        return str(error).strip().partition("\n")[0]
    return ""
