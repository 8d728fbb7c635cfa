"""Where a command looks for the desk: its Redis or its gateway, one place for all commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.main import get_command

from fillstream.cli import target
from fillstream.cli.app import app
from fillstream.cli.exit_codes import Exit
from fillstream.cli.options import Where
from fillstream.cli.sentences import sentence_of, who_went_away
from fillstream.cli.target import Gated, Target, find_desk
from fillstream.client.gateway import GatewayError
from tests.support.command import fillstream

KEY = "fk_abcdefghijkl.s3cr3t"
GATEWAY = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _of_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("REDIS_URL", "FILLSTREAM_GATEWAY_URL", "FILLSTREAM_KEY", "FILLSTREAM_ANALYTICS_URL", "CONFIG_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FILLSTREAM_DATABASE__DATA_DIR", str(tmp_path / "none"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Where]:
    """What commands look for, in the place of a desk."""
    found: list[Where] = []

    def keep(config: Path | None, where: Where | None) -> Any:
        assert where is not None
        found.append(where)
        raise GatewayError("no_answer", "nobody is here")

    monkeypatch.setattr(target, "find_desk", keep)
    return found


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if command.callback is not None:
            yield (*path, name), command
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


EVERY = dict(commands(get_command(app)))
ELSEWHERE = {path: each for path, each in EVERY.items() if not each.takes_gateway}


def test_options_and_environment_name_one_place(asked: list[Where], monkeypatch: pytest.MonkeyPatch) -> None:
    def where(*words: str) -> Where:
        fillstream("orders", *words, code=Exit.UNREACHABLE)
        return asked.pop()

    assert where() == Where()
    assert where("--redis-url", "redis://a") == Where(redis_url="redis://a")
    assert where("--url", GATEWAY) == Where(gateway_url=GATEWAY)
    assert where("--url", GATEWAY, "--key-file", "k", "--ca-file", "c", "--insecure") == Where(
        gateway_url=GATEWAY, key_file=Path("k"), ca_file=Path("c"), insecure=True
    )
    monkeypatch.setenv("FILLSTREAM_GATEWAY_URL", GATEWAY)
    monkeypatch.setenv("FILLSTREAM_ANALYTICS_URL", "http://127.0.0.1:2")
    assert where() == Where(gateway_url=GATEWAY)
    assert where("--url", "https://other") == Where(gateway_url="https://other")
    assert where("--redis-url", "redis://a") == Where(redis_url="redis://a"), "what is typed counts"
    monkeypatch.setenv("REDIS_URL", "redis://b")
    assert where() == Where(gateway_url=GATEWAY), "who names a gateway has no Redis in reach"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--url", GATEWAY, "--redis-url", "redis://a"), "--url: names a gateway, and --redis-url the desk's Redis"),
        (("--key-file", "k"), "--key-file: is about a gateway, and none is named"),
        (("--insecure",), "--insecure: is about a gateway, and none is named"),
        (("--url", GATEWAY, "--analytics-url", "http://a:1"), "--analytics-url: a gateway asks it itself"),
        (("--url", GATEWAY, "--key-file", "/no/such"), "--key-file: /no/such cannot be read"),
        (("--url", "desk.example"), "url: must be https://host"),
    ],
)
def test_words_that_contradict_each_other_are_told(words: tuple[str, ...], text: str) -> None:
    told = fillstream("orders", *words, code=Exit.USAGE)
    assert text in told.stderr


def test_a_control_goes_by_no_operator_and_in_no_other_name_over_a_gateway() -> None:
    words = ("halt", "default", "--reason", "x", "--url", GATEWAY)
    assert "--operator-url: a gateway asks" in fillstream(*words, "--operator-url", "redis://a", code=Exit.USAGE).stderr
    found = Gated(find_desk(None, None).settings, GATEWAY, None, None, False)
    assert found.who(None) is None
    with pytest.raises(Exception, match=r"--who: over a gateway it is the key's name"):
        found.who("me")


def test_a_key_is_told_by_the_environment_or_a_file_and_is_no_option(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def key(file: Path | None = None) -> str | None:
        found = find_desk(None, Where(gateway_url=GATEWAY, key_file=file))
        assert isinstance(found, Gated)
        return found.key

    assert key() is None
    monkeypatch.setenv("FILLSTREAM_KEY", "a.b")
    assert key() == "a.b"
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    assert key(file) == KEY
    file.write_text("\n")
    with pytest.raises(Exception, match=r"is empty, and ID\.SECRET"):
        key(file)
    options = {name for each in EVERY.values() for param in each.params for name in param.opts}
    assert "--key-file" in options
    assert options.isdisjoint({"--key", "--secret", "--api-key"})


def test_a_key_goes_to_nobody_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLSTREAM_KEY", KEY)
    for words in (("orders",), ("signal", "AAPL", "BUY", "1"), ("halt", "--all", "--reason", "x"), ("status",)):
        told = fillstream(*words, "--url", "http://desk.example", code=Exit.USAGE)
        assert "would send the key in clear" in told.stderr
        assert "s3cr3t" not in told.stderr


@pytest.mark.parametrize("path", sorted(ELSEWHERE), ids=" ".join)
def test_every_other_command_says_that_it_needs_redis(path: tuple[str, ...]) -> None:
    command = ELSEWHERE[path]
    needed = ["1" for param in command.params if param.required and param.param_type_name == "argument"]
    options = [word for param in command.params if param.required and param.param_type_name == "option"
               for word in (param.opts[0], "1")]  # fmt: skip
    told = fillstream(*path, *needed, *options, "--url", GATEWAY, code=Exit.USAGE)
    assert re.fullmatch(r"--url: `.*" + " ".join(path) + r"` needs the desk's Redis, .*\n", told.stderr), told.stderr


def test_where_only_a_gateway_is_named_redis_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLSTREAM_GATEWAY_URL", GATEWAY)
    told = fillstream("replay", code=Exit.USAGE)
    assert "$FILLSTREAM_GATEWAY_URL is set, and" in told.stderr
    told = fillstream("replay", "--redis-url", "redis://127.0.0.1:1", code=Exit.UNREACHABLE)
    assert told.stderr.startswith("Redis: ")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    assert fillstream("replay", code=Exit.UNREACHABLE).stderr.startswith("Redis: ")


def test_a_desk_without_a_gateway_is_found_as_before() -> None:
    found = find_desk(None, Where(redis_url="redis://a"))
    assert isinstance(found, Target)
    assert (found.redis_url, found.by_option, found.who("me")) == ("redis://a", True, "me")
    assert find_desk(None, None).who(None)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (GatewayError("no_answer", "x"), Exit.UNREACHABLE),
        (GatewayError("redis_away", "x", 503), Exit.UNREACHABLE),
        (GatewayError("too_many_calls", "x", 429), Exit.UNREACHABLE),
        (GatewayError("outcome_unknown", "x", 503), Exit.NO_ANSWER),
        (GatewayError("unknown_order", "x", httpx.codes.NOT_FOUND), Exit.NOT_FOUND),
        (GatewayError("scope_missing", "x", 403), Exit.NO),
        (GatewayError("key_missing", "x", 401), Exit.NO),
    ],
)
def test_what_a_gateway_says_ends_a_command_as_redis_would(error: GatewayError, code: Exit) -> None:
    told = sentence_of(error)
    assert told is not None
    assert told[0] is code
    assert ("FILLSTREAM_KEY" in told[1]) == (error.status == 401)
    assert who_went_away(error) == ("the gateway" if error.is_away else None)
