"""What a person on a laptop does: `up`, trade, `backup` while it runs and when it is stopped, `restore`, `up` again."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from typer.testing import CliRunner

from fillstream.cli.app import app
from fillstream.demo.demo import RunningDesk
from fillstream.libs.common.runtime.exit_codes import REDIS_VARIABLE
from tests.support.busy_desk import Load, running, settled_books
from tests.support.servers import server_program

pytest.importorskip("duckdb", reason="duckdb is the optional extra `analytics`")


@pytest.fixture(autouse=True)
def _nobody_names_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    server_program()
    monkeypatch.delenv(REDIS_VARIABLE, raising=False)


def run(data_dir: Path, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Any:
    monkeypatch.setenv("FILLSTREAM_DATABASE__DATA_DIR", str(data_dir))
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.stderr
    return orjson.loads(done.stdout)


def test_a_local_desk_is_backed_up_while_it_runs_and_stopped_and_goes_on_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there, third = tmp_path / "here", tmp_path / "there", tmp_path / "third"
    with running(here) as stack:
        Load(stack, seed=1, tag="1-").run(100, at={})
        RunningDesk(stack.redis_url, stack.settings).wait_quiet()
        trading = threading.Thread(target=Load(stack, seed=2, tag="2-").run, args=(300, {}))
        trading.start()
        live = run(here, monkeypatch, "backup", tmp_path / "live")
        trading.join()
        settled_books(stack)
    assert live["database"] == "database/order_management.duckdb", live["database_text"]
    assert {Path(name).name for name in live["files"] if name.startswith("config/")} >= {"local.yaml", "accounts.yaml"}
    stopped = run(here, monkeypatch, "backup", tmp_path / "stopped")
    assert stopped["database"], stopped["database_text"]
    ends = {each["name"]: each["end"]["added"] for each in stopped["streams"]}
    assert all(ends[each["name"]] >= each["end"]["added"] for each in live["streams"])

    proved = run(there, monkeypatch, "restore", tmp_path / "live", "--data-dir", there)
    assert proved["proved"]
    with running(there) as stack:
        rows = httpx.post(
            f"{stack.url('analytics')}/query", json={"sql": "SELECT min(log_time) AS first FROM events"}, timeout=90
        ).json()["rows"]
        assert rows[0][0], "analytics has the rows of before from its file"
        Load(stack, seed=3, tag="3-").run(50, at={})
        books = settled_books(stack)
        assert books.agrees, books.problems
    assert run(third, monkeypatch, "restore", tmp_path / "stopped")["proved"], "into database.data_dir"
    with running(third) as stack:
        books = settled_books(stack)
        assert books.agrees, books.problems
        assert books.signals == 400
