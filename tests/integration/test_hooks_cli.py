"""`fillstream hook`, against a real server: a hook is made, its path told once, tried, listed and revoked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from fillstream.cli.commands import hooks as commands
from fillstream.cli.exit_codes import Exit
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.hooks import ALERT, hook
from fillstream.libs.common.process.keys import Key, KeyRing
from tests.support.command import Run, fillstream

DESK = Topology()
NOW = 1_800_000_000_000
DAY = 86_400_000
OWN = {"symbol": {"from": "t"}, "side": {"from": "d", "map": {"long": "BUY"}}, "quantity": "7"}


@pytest.fixture
def run(redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return what runs `fillstream` with arguments, against the test's Redis."""
    for name in [each for each in os.environ if each.startswith("FILLSTREAM_")] + ["CONFIG_PATH"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FILLSTREAM_DATABASE__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setattr(commands, "_now_ms", lambda: NOW)
    return fillstream


def created(run: Run, *arguments: str) -> dict[str, Any]:
    told: dict[str, Any] = orjson.loads(run("hook", "create", *arguments, "--account", "paper", "--json").stdout)
    return told


def found(client: redis.Redis, told: dict[str, Any], now_ms: int = NOW) -> Key | str:
    ring, raw = KeyRing(), client.hgetall(DESK.keys)
    assert ring.load(raw) == []  # type: ignore[arg-type]
    return ring.find(told["id"], told["secret"], now_ms)


def test_a_hook_is_made_as_it_is_said_and_its_path_is_told_once(run: Run, client: redis.Redis) -> None:
    told = created(
        run, "tv", "--strategy", "trend", "--symbol", "ES1!=ESZ6", "--symbol", "BTCUSDT.P=BTCUSDT", "--quantity", "2",
        "--from", "tradingview", "--from", "10.0.0.0/8", "--expires", "1d", "--rate-limit", "60", "--who", "me",
    )  # fmt: skip
    assert told["path"] == f"/hooks/tradingview/{told['id']}.{told['secret']}"
    assert told["message"] == dict(ALERT)
    key = found(client, told)
    assert isinstance(key, Key)
    assert (key.accounts, key.rate_limit, key.expires_ms, key.created_by) == (("paper",), 60, NOW + DAY, "me")
    assert key.hook == hook(
        "tradingview", strategy="trend", symbols=["ES1!=ESZ6", "BTCUSDT.P=BTCUSDT"], quantity="2",
        sources=["tradingview", "10.0.0.0/8"],
    )  # fmt: skip
    for command in (("hook", "list"), ("hook", "list", "--json"), ("key", "list"), ("hook", "revoke", "tv", "--json")):
        assert told["secret"] not in run(*command).output
    assert told["secret"] not in str(client.hgetall(DESK.keys))


def test_people_are_shown_the_path_and_the_message_to_paste(run: Run, client: redis.Redis) -> None:
    done = run("hook", "create", "tv", "--account", "paper")
    path, _, message = done.stdout.partition("\n")
    assert path.startswith("/hooks/tradingview/fk_")
    assert orjson.loads(message) == dict(ALERT)
    assert done.stderr.startswith("tv: the path is a secret, and is not shown again")
    other = run("hook", "create", "mt5", "--kind", "text", "--account", "paper")
    assert other.stdout.startswith("/hooks/text/fk_")
    assert len(other.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["tv", "--kind", "mt5"], "kind: 'mt5' must be tradingview, text, template"),
        (["tv", "--symbol", "ES1!"], "symbols: 'ES1!' must be THEIRS=OURS"),
        (["tv", "--quantity", "0"], "quantity: '0' must be above 0"),
        (["tv", "--from", "example.com"], "sources: 'example.com' must be an address or a network"),
        (["tv", "--kind", "template"], "template: comes with the kind template"),
        (["tv", "--kind", "template", "--template", "bad.json"], "template.quanttiy: is no field of a signal; did you"),
        (["tv", "--kind", "template", "--template", "nowhere.json"], "template: nowhere.json cannot be read: "),
        (["tv", "--expires", "soon"], "expires: 'soon' must be days or hours"),
        (["a b"], "name: 'a b' must match "),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence_and_nothing_is_made(
    run: Run, client: redis.Redis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.json").write_text('{"quanttiy": {"from": "size"}}')
    done = run("hook", "create", *arguments, "--account", "paper", code=Exit.USAGE)
    assert done.stderr.startswith(sentence)
    assert (done.stdout, client.keys()) == ("", [])
    run("hook", "create", "tv", code=Exit.USAGE)  # of no account


def test_a_name_is_taken_by_any_live_key(run: Run) -> None:
    run("key", "create", "bot")
    assert "name: bot is the live key" in run("hook", "create", "bot", "-a", "paper", code=Exit.NO).stderr


def test_hooks_are_listed_by_themselves_and_among_the_keys(run: Run, client: redis.Redis) -> None:
    run("key", "create", "bot")
    told = created(run, "tv", "--symbol", "ES1!=ESZ6", "--from", "tradingview")
    client.hset(DESK.keys_used, told["id"], NOW + 5)
    (row,) = orjson.loads(run("hook", "list", "--json").stdout)
    assert (row["name"], row["state"], row["last_used_ms"], row["accounts"]) == ("tv", "live", NOW + 5, ["paper"])
    assert row["hook"] == {"kind": "tradingview", "symbols": [["ES1!", "ESZ6"]], "sources": ["tradingview"]}
    line = run("hook", "list").stdout.splitlines()[-1]
    for word in (told["id"], "tv", "tradingview", "paper", "ES1!=ESZ6", "2027-01-15 08:00:00.005", "live"):
        assert word in line
    every = {each["name"]: each for each in orjson.loads(run("key", "list", "--json").stdout)}
    assert ("hook" in every["tv"], "hook" in every["bot"]) == (True, False)
    assert "hook: tradingview" in run("key", "list").stdout


def test_a_revoked_hook_lets_nobody_in_and_no_other_key_is_meant(run: Run, client: redis.Redis) -> None:
    run("key", "create", "bot")
    bot = orjson.loads(run("key", "list", "--json").stdout)[0]["id"]
    told = created(run, "tv")
    for word in ("bot", bot, "nobody"):
        for command in ("revoke", "try"):
            more = ["buy AAPL 1"] if command == "try" else []
            done = run("hook", command, word, *more, code=Exit.NOT_FOUND)
            assert done.stderr.startswith(f"there is no hook {word}; `fillstream hook list`")
    run("hook", "revoke", "tv", "--who", "a b", code=Exit.USAGE)
    assert "is revoked" in run("hook", "revoke", "tv").stdout
    assert found(client, told) == f"key: {told['id']} is revoked since 2027-01-15T08:00:00Z"


def test_an_alert_is_tried_without_sending_anything(
    run: Run, client: redis.Redis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    created(run, "tv", "--symbol", "ES1!=ESZ6", "--strategy", "trend")
    alert = {
        **dict.fromkeys(ALERT, ""),
        "symbol": "ES1!",
        "position_size": "-2",
        "market_position": "short",
        "time": "1",
    }
    (signal,) = orjson.loads(run("hook", "try", "tv", orjson.dumps(alert).decode(), "--json").stdout)
    assert signal.pop("signal_id").startswith("tv-")
    assert signal == {
        "type": "SetTarget", "account": "paper", "symbol": "ESZ6", "target": "-2", "strategy": "trend",
    }  # fmt: skip
    shown = run("hook", "try", "tv", "buy AAPL 100\nclose AAPL").stdout
    assert "tv, for paper: nothing was sent" in shown
    assert "ClosePosition" in shown and "another at each post" in shown
    refused = run("hook", "try", "tv", "buy NQ1! 1", code=Exit.NO)
    assert refused.stderr.startswith("symbol: 'NQ1!' is no name of an instrument; give the hook --symbol THEIRS=OURS")
    assert refused.stdout == ""
    file = tmp_path / "own.json"
    file.write_bytes(orjson.dumps(OWN))
    created(run, "own", "--kind", "template", "--template", str(file))
    (signal,) = orjson.loads(run("hook", "try", "own", '{"t": "AAPL", "d": "long"}', "--json").stdout)
    assert (signal["side"], signal["quantity"]) == ("BUY", "7")
    assert {*client.keys()} == {DESK.keys.encode()}  # type: ignore[misc]


def test_an_alert_may_be_read_from_standard_input(run: Run, redis_url: str) -> None:
    from typer.testing import CliRunner

    from fillstream.cli.app import app

    created(run, "mt5", "--kind", "text")
    told = CliRunner().invoke(app, ["hook", "try", "mt5", "-", "--json"], input=b"buy AAPL 3\n")
    assert orjson.loads(told.stdout)[0]["quantity"] == "3"
    bad = CliRunner().invoke(app, ["hook", "try", "mt5", "-"], input=b"\xff")
    assert (bad.exit_code, bad.stderr.strip()) == (1, "body: byte 0xff at offset 0 is not UTF-8 text")
