"""The scores of `make mutants`: nothing that did not run counts as killed."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.mutants import Score, scores, table


def write(folder: Path, module: str, codes: dict[str, int | None]) -> None:
    path = folder / "fillstream" / f"{module}.meta"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"exit_code_by_key": codes}))


def test_what_lives_what_no_test_reaches_and_what_has_not_run_is_not_killed(tmp_path: Path) -> None:
    write(
        tmp_path,
        "libs/common/values/money.py",
        {"failed": 1, "lives": 0, "unreached": 33, "hangs": -24, "crashes": -11},
    )
    write(tmp_path, "libs/common/messages/wire.py", {"failed": 1, "waits": None})
    write(tmp_path, "libs/common/process/app.py", {})
    wire, money = found = list(scores(tmp_path))
    assert money == Score("libs/common/values/money.py", 5, 0, ("lives", "unreached"))
    assert (money.killed, wire.killed) == (3, 1)
    assert list(table(found))[2:] == [
        "| `libs/common/values/money.py` | 3 | 5 | 60% |",
        "| together | 3 | 5 | 60% |",
        "",
        "Not run to the end: `libs/common/messages/wire.py`.",
    ]
