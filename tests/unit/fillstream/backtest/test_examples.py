"""Every example that needs no desk runs, shows what it says, and is a file that the command takes as it is."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
import pytest

from examples.moving_average import made_up
from fillstream.cli.exit_codes import Exit
from tests.support.command import fillstream

FOLDER = Path(__file__).parents[4] / "examples"
NAMES = sorted(each.stem for each in FOLDER.glob("*.py") if "from fillstream import Backtest" in each.read_text())
LOBSTER = "AAPL_2012-06-21_34200000_57600000_message_1.csv"


@pytest.mark.parametrize("name", NAMES)
def test_an_example_shows_what_it_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = import_module(f"examples.{name}")
    assert f"python -m examples.{name}" in module.__doc__
    result = module.main()
    assert "orders" in capsys.readouterr().out
    assert result.summary.fills > 1


def test_there_are_some() -> None:
    assert {"moving_average", "prediction_rule", "target_portfolio"} <= set(NAMES)


def test_the_command_runs_it_and_writes_what_came_of_it(tmp_path: Path) -> None:
    data, out = made_up(tmp_path / "quotes.csv"), tmp_path / "out"
    arguments = (
        "backtest",
        str(FOLDER / "moving_average.py"),
        "--data",
        str(data),
        "--set",
        "fast=5",
        "--capital",
        "5e4",
    )
    said: dict[str, Any] = orjson.loads(fillstream(*arguments, "--json", "--again", "--out", str(out)).stdout)
    assert said["strategy"] == "movingaverage" and said["equal"] and said["hash"] == said["hash_again"]
    assert said["summary"]["capital"] == "50000" and said["summary"]["orders"] > 5
    assert {Path(each).name for each in said["files"]} == {each.name for each in out.iterdir()}
    shown = fillstream(*arguments, "--latency-ms", "250").stdout
    assert "net_pnl" in shown and "hash of all outputs: " in shown and said["hash"] not in shown


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nowhere.py", "--data", "x.csv"), Exit.USAGE, "strategy: nowhere.py: there is no such file"),
        (("{mine}", "--data", "x.csv"), Exit.USAGE, "x.csv: there is no such file"),
        (("{mine}", "--data", "{bad}"), Exit.USAGE, "bad.csv:3: bid_px: 1.005 is not a whole multiple"),
        (("{mine}", "--data", "{bad}", "--set", "n"), Exit.USAGE, "--set: 'n' must be NAME=VALUE"),
        (("{mine}", "--data", "{bad}", "--set", "n=1"), Exit.USAGE, "parameters: 'n' is none of mine's: none"),
        (("{mine}", "--data", "{bad}", "--capital", "x"), Exit.USAGE, "capital: 'x' must be a decimal number"),
        (("{mine}", "--data", "{bad}", "--symbol", "MSFT"), Exit.USAGE, "symbol: MSFT is for data that does not name"),
        (("{mine}", "--data", "{folder}"), Exit.USAGE, "is a folder, name its files"),
        (("{mine}", "--data", "{good}"), Exit.NO, "the strategy failed: on_quote at 1: ZeroDivisionError"),
        (("{mine}", "--data", "{good}"), Exit.NO, "mine.py:2: return 1 // 0"),
    ],
)
def test_what_cannot_go_on_ends_with_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], code: Exit, words: str
) -> None:
    head = "time_ms,symbol,bid_px,bid_qty,ask_px,ask_qty\n1,AAPL,1,5,2,5\n"
    files = {
        "mine": "def on_quote(desk, quote):\n    return 1 // 0\n",
        "good": head,
        "bad": f"{head}2,AAPL,1.005,5,2,5\n",
    }
    places = {name: tmp_path / (f"{name}.py" if name == "mine" else f"{name}.csv") for name in files}
    for name, text in files.items():
        places[name].write_text(text)
    places["folder"] = tmp_path
    if "{bad}" in arguments:  # it fails at its first quote else
        places["mine"].write_text("def on_stop(desk):\n    pass\n")
    told = fillstream("backtest", *(each.format(**places) for each in arguments), code=code)
    assert words in told.stderr


def test_what_was_rejected_is_said_with_why_and_so_is_that_nothing_was_sent(tmp_path: Path) -> None:
    mine, data = tmp_path / "mine.py", tmp_path / "quotes.csv"
    mine.write_text('def on_quote(desk, quote):\n    desk.signal(quote.symbol, "BUY", "0.5")\n')
    data.write_text("time_ms,symbol,bid_px,bid_qty,ask_px,ask_qty\n1,AAPL,1,5,2,5\n900,AAPL,1,5,2,6\n")
    shown = fillstream("backtest", str(mine), "--data", str(data)).stdout
    assert "2 of 2 orders rejected, off_lot; the first: quantity: 0.5" in " ".join(shown.split())
    said = orjson.loads(fillstream("backtest", str(mine), "--data", str(data), "--json").stdout)
    assert said["rejected"] == {"off_lot": 2}
    mine.write_text("def on_quote(desk, quote):\n    pass\n")
    assert "the strategy sent nothing" in fillstream("backtest", str(mine), "--data", str(data)).stdout
