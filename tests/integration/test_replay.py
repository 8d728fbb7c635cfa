"""`fillstream replay`: it folds a committed log again and says whether the outputs are those that were committed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from typer.testing import CliRunner, Result

from fillstream.backtest.memory_log import MemorySnapshots
from fillstream.cli.app import app
from fillstream.cli.exit_codes import Exit
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.log import RedisLog, connect
from fillstream.libs.common.runtime.runner import Runner
from fillstream.services.order_service.signals.stage import SignalsStage

TOPOLOGY = Topology()
Replay = Callable[..., Result]


@pytest.fixture
def replay(redis_url: str, client: redis.Redis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Replay:
    """Return what runs the command on a desk whose signals stage committed three entries, the second of them bad."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("FILLSTREAM_DATABASE__DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")
    for quantity in ("100", "ten", "50"):
        client.xadd(TOPOLOGY.signals, {"symbol": "AAPL", "side": "BUY", "quantity": quantity})
    stage, own = SignalsStage(TOPOLOGY), connect(redis_url)
    runner = Runner(stage, RedisLog(own, TOPOLOGY, stage.name, stage.inbox), MemorySnapshots())
    runner.recover()
    runner.step(runner.read(10, 1))
    own.close()

    def run(*arguments: str, code: Exit = Exit.OK) -> Result:
        result = CliRunner().invoke(app, ["replay", "--stage", "signals", *arguments])
        assert result.exit_code == code, f"{result.exit_code}: {result.stdout}{result.stderr}"
        return result

    return run


def ids(client: Any) -> list[str]:
    return [entry_id.decode() for entry_id, _ in client.xrange(TOPOLOGY.signals)]


def test_an_untouched_log_gives_the_hash_that_was_committed(client: redis.Redis, replay: Replay) -> None:
    found = orjson.loads(replay("--json").stdout)
    assert (found["stage"], found["partition"], found["entries"]) == ("signals", 0, 3)
    assert (found["upto"], found["agrees"]) == (ids(client)[-1], True)
    assert found["digest"] == found["committed"] != "00" * 16
    assert found["gauges"]["signals"]["accepted"] == 2
    assert f"the output hash agrees: signals 0, 3 entries up to {ids(client)[-1]}: {found['digest']}" in replay().stdout


def test_a_replay_writes_nothing(client: redis.Redis, replay: Replay) -> None:
    keys: Any = client.keys()
    before = {key: client.dump(key) for key in keys}
    replay()
    after: Any = client.keys()
    assert {key: client.dump(key) for key in after} == before


def test_up_to_an_earlier_entry_there_is_no_hash_to_compare_with(client: redis.Redis, replay: Replay) -> None:
    first = ids(client)[0]
    found = orjson.loads(replay("--until", first, "--json").stdout)
    assert (found["entries"], found["upto"], found["committed"], found["agrees"]) == (1, first, None, None)
    assert "no hash was committed there to compare with" in replay("--until", first).stdout


def test_a_log_that_was_tampered_with_is_told_and_the_exit_code_says_so(client: redis.Redis, replay: Replay) -> None:
    client.xdel(TOPOLOGY.signals, ids(client)[0])
    said = replay(code=Exit.NO).stdout
    assert "the output hash differs: signals 0, 2 entries" in said
    found = orjson.loads(replay("--json", code=Exit.NO).stdout)
    assert found["agrees"] is False
    assert f"{found['digest']}, committed was {found['committed']}" in said


def test_a_partition_that_is_not_there_is_told_with_those_that_are(replay: Replay) -> None:
    assert "partition: signals has 0 to 0, got 1" in replay("--partition", "1", code=Exit.NOT_FOUND).stderr
