"""Event logs, done: the document's own, and those that ask for what cannot be; by the command too."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fillstream.cli.app import app
from fillstream.demo.market_numbers import listed
from fillstream.flow import Replayed, read_events, replay
from tests.support.backtests import CONFIG, settings_with

OWN = """{"Event" : "LogPosition"}
    {"Event" : "Target", "Symbol" : "AAPL", "Target" : 80}
    {"Event" : "Wait", "Seconds" : 4}
    {"Event" : "LogPosition"}"""
"""FlowManager's own log; its test expects Target 80, Position 80, Total Traded 80."""
TOO_MUCH = '{"Event": "Target", "Symbol": "AAPL", "Target": 20000}'


def done(log: str, patch: pytest.MonkeyPatch, **said: Decimal) -> Replayed:
    settings = settings_with(patch)
    return replay(read_events(log.splitlines(), listed(settings.instruments)), settings=settings, **said)  # type: ignore[arg-type]


def command(*words: str, stdin: str | bytes = "") -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["flow", *words, "--config", str(CONFIG)], input=stdin)
    return result.exit_code, result.stdout, result.stderr


def test_the_documents_own_log(monkeypatch: pytest.MonkeyPatch) -> None:
    found = done(OWN, monkeypatch)
    assert [*found.states] == [{}, {"AAPL": {"Target": 80, "Position": 80, "Total Traded": 80}}]
    assert (found.final, found.unreached) == (found.states[1], {})
    assert found.targets["AAPL"]["target_status"] == "REACHED"


def test_a_log_that_ends_early_is_finished_and_every_log_gives_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    log = "\n".join(
        f'{{"Event": "Target", "Symbol": "{symbol}", "Target": {target}}}'
        for symbol, target in (("AAPL", 2500), ("MSFT", -40), ("AAPL", -30), ("BTCUSDT", "0.12345"))
    )
    first, second = done(log, monkeypatch), done(log, monkeypatch)
    assert [row["Position"] for row in first.final.values()] == [-30, -40, Decimal("0.12345")]
    assert first == second
    assert first.hash != done(log.replace("-40", "-41"), monkeypatch).hash


def test_a_wait_of_a_day_passes_at_once_and_tells_time(monkeypatch: pytest.MonkeyPatch) -> None:
    day = '{"Event": "Wait", "Seconds": 86400}'
    found = done(f"{OWN}\n{day}\n{day}", monkeypatch)
    assert found.ended_ms == 1_704_726_000_000 + 4_000 + 2 * 86_400_000


def test_what_cannot_be_held_is_said_with_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert done(TOO_MUCH, monkeypatch).unreached == {
        "AAPL": "AAPL: 0 is held, the target is 20000: FAILED: "
        "quantity: an order value of 2003400 USD is above max_order_value 1000000"
    }


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"prices": {"TSLA": Decimal(5)}}, "symbol: TSLA is not configured"),
        ({"prices": {"AAPL": Decimal("1.005")}}, "price: 1.005 of AAPL must be a whole multiple of tick_size 0.01"),
        ({"prices": {"AAPL": Decimal("0.01")}}, "price: 0.01 of AAPL must be above tick_size 0.01"),
        ({"size": Decimal(0)}, "size: 0 must be above 0, and a whole multiple of lot_size 1 of AAPL"),
        ({"size": Decimal("1.5")}, "size: 1.5 must be above 0, and a whole multiple of lot_size 1 of AAPL"),
        ({"account": "nobody"}, "account: 'nobody' must be one of accounts.yaml"),
    ],
)
def test_a_market_that_cannot_be_is_refused(said: dict, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=sentence):
        done(OWN, monkeypatch, **said)


def test_the_command_prints_a_line_for_each_log_position(tmp_path: Path) -> None:
    (file := tmp_path / "events.jsonl").write_text(OWN)
    lines = '{}\n{"AAPL": {"Target": 80, "Position": 80, "Total Traded": 80}}\n'
    assert command(str(file)) == (0, lines, "")
    assert command("-", stdin=OWN) == (0, lines, "")
    assert command("-", stdin="# nothing\n\n") == (0, "", "")


def test_the_command_takes_prices_and_says_all_of_it_as_json() -> None:
    code, out, err = command("-", "--json", "--price", "AAPL=185.20", "--size", "50", stdin=OWN)
    told = json.loads(out)
    assert (code, err, [*told]) == (0, "", ["log", "final", "targets", "unreached", "ended", "hash"])
    assert told["log"] == [{}, {"AAPL": {"Target": "80", "Position": "80", "Total Traded": "80"}}]
    assert Decimal("185.2") < Decimal(told["targets"]["AAPL"]["traded_px"]) < Decimal("185.4")
    assert told == json.loads(command("-", "--json", "--price", "AAPL=185.20", "--size", "50", stdin=OWN)[1])


@pytest.mark.parametrize(
    ("words", "stdin", "code", "sentence"),
    [
        (["-"], TOO_MUCH, 1, "AAPL: 0 is held, the target is 20000: FAILED"),
        (["-"], f"{OWN}\nWait 5", 2, "standard input: line 5: 'Wait 5' is no JSON"),
        (["-"], b"\xff\n", 2, "standard input: line 1: is no UTF-8: byte 1 is 0xff"),
        (["/nowhere/events"], "", 2, "/nowhere/events: cannot be read: No such file or directory"),
        (["/"], "", 2, "/: cannot be read: Is a directory"),
        (["-", "--price", "AAPL"], OWN, 2, "--price: 'AAPL' must be SYMBOL=PRICE, as AAPL=185.2"),
        (["-", "--price", "AAPL=dear"], OWN, 2, "--price AAPL: must be a decimal number, got 'dear'"),
        (["-", "--size", "-5"], OWN, 2, "size: -5 must be above 0"),
    ],
)
def test_the_command_ends_with_a_sentence_and_the_houses_code(
    words: list[str], stdin: str | bytes, code: int, sentence: str
) -> None:
    found, _, err = command(*words, stdin=stdin)
    assert (found, err[: len(sentence)]) == (code, sentence)
