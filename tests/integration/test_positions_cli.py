"""`fillstream` about positions, as somebody at a desk types it: targets, exits, worth and rules of a running one."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from examples.desk import Market
from fillstream import Client, LocalStack
from fillstream.cli.exit_codes import Exit
from fillstream.libs.common.process.settings.load import DEFAULT_PATH
from fillstream.stack.stack import IDEAL_DESK
from tests.support.command import Run, against

PATIENCE_S = 30.0
RULES = """
rules:
  - rule_id: entry
    event: PredictionReceived
    when: 'event.move == "BUY" and event.confidence >= 0.8 and not position.is_open'
    actions: [{create_position: {side: BUY, quantity: '1000 / market.mark_px', stop_loss_pct: 2}}]
"""
OTHERS = """
rules:
  - rule_id: short
    event: PredictionReceived
    when: 'event.move == "BUY"'
    actions: [{order: {side: SELL, quantity: 7}}]
"""


def configuration(folder: Path, rules: str) -> Path:
    """Write the configuration that came with Fillstream, and rules; return its file."""
    shutil.copytree(DEFAULT_PATH.parent, folder)
    accounts = folder / "accounts.yaml"
    accounts.write_text(accounts.read_text() + "\nhedger: {id: 90, max_order_value: 1000000, position_mode: HEDGING}\n")
    local = folder / "local.yaml"
    local.write_text(local.read_text() + rules)
    return local


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalStack, Client, Market]]:
    folder = tmp_path_factory.mktemp("desk")
    config = configuration(folder / "config", RULES)
    with LocalStack(folder / "data", base_port=0, redis_port=0, environ=IDEAL_DESK, config=config) as stack:
        stack.wait_ready()
        with Client(stack.redis_url) as client:
            yield stack, client, Market(stack, client)


@pytest.fixture
def run(desk: tuple[LocalStack, Client, Market], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return what runs the command, with the desk flat and a fresh price of AAPL and MSFT."""
    stack, _, market = desk
    monkeypatch.setenv("CONFIG_PATH", str(stack.config))
    fillstream = against(stack, monkeypatch, tmp_path)
    market.shown("AAPL", "184.99", "185.01")
    market.shown("MSFT", "419.99", "420.01")
    fillstream("flatten", "--wait", "--timeout", "30")
    return fillstream


def told(run: Run, *arguments: str, code: Exit = Exit.OK) -> Any:
    return orjson.loads(run(*arguments, "--json", code=code).stdout)


def soon(look: Callable[[], Any], what: str) -> Any:
    """Return what `look` finds once it finds something: analytics stores what was told a moment ago."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {PATIENCE_S:g} s for {what}")
        time.sleep(0.05)
    return found


def test_a_target_is_followed_until_it_is_held_and_listed_after(run: Run) -> None:
    done = told(run, "target", "AAPL", "5", "--wait", "--timeout", "30")
    [leg] = done["targets"]
    assert (leg["target_status"], leg["held_qty"], leg["traded_px"]) == ("REACHED", "5", "185.01")

    def listed() -> Any:
        rows = told(run, "targets", "--symbol", "AAPL")["rows"]
        return [each for each in rows if each["signal_id"] == done["signal_id"] and each["target_status"] == "REACHED"]

    [row] = soon(listed, "the target to be stored")
    assert (row["target_qty"], row["held_qty"], row["attempt"]) == ("5", "5", 1)


def test_a_target_that_is_refused_says_why_and_ends_with_1(run: Run) -> None:
    refused = run("target", "NOPE", "1", "--wait", code=Exit.NO)
    assert "NOPE" in refused.stdout
    refused = run("target", "AAPL", "0.5", "--wait", code=Exit.NO)
    assert "0.5" in refused.stdout and "lot" in refused.stdout


def test_a_portfolio_comes_from_a_file(run: Run, tmp_path: Path) -> None:
    run("target", "AAPL", "3", "--wait", "--timeout", "30")
    file = tmp_path / "portfolio.json"
    file.write_text('{"MSFT": 2}')
    done = told(run, "target", "--file", str(file), "--close-others", "--wait", "--timeout", "30")
    file.write_text('{"targets": [{"symbol": "MSFT", "target": "2"}]}')
    again = told(run, "target", "--file", str(file), "--wait", "--timeout", "30")["targets"]
    assert [(each["symbol"], each["target_status"]) for each in again] == [("MSFT", "REACHED")]
    assert {each["symbol"]: each["held_qty"] for each in done["targets"]} == {"AAPL": "0", "MSFT": "2"}


@pytest.mark.parametrize("text", ["{", '["MSFT"]', "7"])
def test_a_file_that_holds_no_targets_is_named(run: Run, tmp_path: Path, text: str) -> None:
    file = tmp_path / "portfolio.json"
    file.write_text(text)
    assert str(file) in run("target", "--file", str(file), code=Exit.USAGE).stderr


def test_a_target_of_nothing_is_not_sent(run: Run) -> None:
    assert "symbol" in run("target", code=Exit.USAGE).stderr
    assert "how many AAPL" in run("target", "AAPL", code=Exit.USAGE).stderr
    assert "close_others: needs a --file" in run("target", "AAPL", "1", "--close-others", code=Exit.USAGE).stderr


def test_flatten_closes_all_and_of_nothing_is_done_at_once(run: Run) -> None:
    run("target", "AAPL", "4", "--wait", "--timeout", "30")
    [leg] = told(run, "flatten", "--wait", "--timeout", "30")["targets"]
    assert (leg["symbol"], leg["target_status"], leg["held_qty"]) == ("AAPL", "REACHED", "0")
    assert told(run, "flatten", "--wait")["targets"] == []


def test_an_account_that_hedges_is_worked_by_the_names_of_its_positions(
    run: Run, desk: tuple[LocalStack, Client, Market]
) -> None:
    desk[2].shown("SPY", "499.99", "500.01")
    hedger = ("--account", "hedger")
    for name, side, quantity in (("core", "BUY", "10"), ("hedge", "SELL", "4")):
        run("signal", "SPY", side, quantity, "--position", name, *hedger, "--wait", "--timeout", "30")
    assert (
        "hedges, and holds 2 positions of SPY: core (10), hedge (-4)"
        in run("close", "SPY", *hedger, "--wait", "--timeout", "30", code=Exit.NO).stdout
    )
    run("protect", "SPY", "--position", "hedge", "--stop", "5%", "--at", "2100-01-01T00:00:00Z", *hedger, "--wait")

    def two() -> Any:
        rows = told(run, "positions", *hedger, "--symbol", "SPY")["rows"]
        return sorted((row["position_id"], row["position"]) for row in rows) if len(rows) == 2 else None

    assert [(name, float(held)) for name, held in soon(two, "both positions")] == [("core", 10), ("hedge", -4)]
    assert soon(lambda: "2100-01-01 00:00:00" in run("exits", *hedger).stdout, "the time of the exit")
    assert "HEDGING" in run("accounts").stdout
    closed = told(run, "flatten", *hedger, "--wait", "--timeout", "30")["exits"]
    assert sorted((each["position_id"], each["exit_status"]) for each in closed) == [
        ("core", "DONE"),
        ("hedge", "DONE"),
    ]
    assert "hedger holds nothing" in run("flatten", *hedger, "--wait").stdout


def test_a_position_is_protected_and_no_more(run: Run) -> None:
    run("target", "AAPL", "5", "--wait", "--timeout", "30")
    assert "stop_loss" in run("protect", "AAPL", code=Exit.USAGE).stderr, "it says nothing"
    run("protect", "AAPL", "--stop", "2%", "--take", "200", "--name", "both", "--wait")

    def both() -> Any:
        return [each for each in told(run, "exits", "--symbol", "AAPL")["rows"] if each["protection_id"] == "both"]

    [row] = soon(both, "the protection to be stored")
    # 2 % below the 185.01 that was paid is 181.3098, rounded away from the market
    assert (row["exit_status"], row["stop_px"], row["take_profit_px"]) == ("ARMED", "181.3", "200")
    run("unprotect", "AAPL", "--name", "both", "--wait")
    soon(lambda: [each for each in both() if each["exit_status"] == "ENDED"], "it to be taken away")


def test_nothing_is_protected_where_nothing_is_held(run: Run) -> None:
    assert "MSFT" in run("protect", "MSFT", "--stop", "2%", "--wait", code=Exit.NO).stdout


def test_an_accounts_worth_is_shown_once_it_had_cash(run: Run) -> None:
    assert "default" in run("risk", "default", code=Exit.NOT_FOUND).stderr
    run("adjust", "default", "deposit", "10000", "--reason", "paid in")
    run("target", "AAPL", "5", "--wait", "--timeout", "30")

    def is_open() -> bool:
        [row] = told(run, "positions", "--symbol", "AAPL")["rows"]
        return (row["position"], row["position_status"]) == ("5", "OPEN")

    soon(is_open, "it to be open")
    worth = soon(lambda: told(run, "account", "default")["account_values"]["rows"], "its worth to be stored")
    assert worth[0]["currency"] == "USD"
    assert told(run, "risk", "default")["account_values"]["rows"][0]["account"] == "default"


def test_rules_are_read_listed_and_tried_on_the_journal(
    run: Run, desk: tuple[LocalStack, Client, Market], tmp_path: Path
) -> None:
    _, client, _ = desk
    assert [each["rule_id"] for each in told(run, "rules", "check")] == ["entry"]
    client.predict("MSFT", "BUY", confidence="0.9")

    def acted() -> Any:
        return next((rule for rule in told(run, "rules", "list")["rules"] if rule["fired"]), None)

    found = soon(acted, "the rule to act")
    assert (found["rule_id"], found["fired"], found["enabled"], found["failure"]) == ("entry", 1, True, None)

    other = configuration(tmp_path / "other", OTHERS)
    assert told(run, "rules", "list", "--config", str(other))["differ"] == ["entry", "short"]
    tried = told(run, "rules", "dry-run", "--config", str(other))
    assert tried["counts"] == {"short FIRED": 1}, "those of the file, not those of the desk"
    [sent] = tried["reports"][0]["instructions"]
    assert (sent["symbol"], sent["side"], sent["quantity"]) == ("MSFT", "SELL", "7")

    other.write_text(other.read_text().replace("event.move", "event.mood"))
    refused = run("rules", "check", "--config", str(other), code=Exit.SETTINGS)
    assert "rules.0" in refused.stderr and "mood" in refused.stderr


def test_a_rule_is_switched_off_and_on_again(run: Run, desk: tuple[LocalStack, Client, Market]) -> None:
    _, client, _ = desk
    operator = ("--reason", "the model drifts")
    [defined] = _defined(told(run, "rules", "disable", "entry", *operator))
    assert orjson.loads(defined["rule"])["enabled"] is False
    soon(lambda: not told(run, "rules", "list")["rules"][0]["enabled"], "it to be off")
    assert "entry" in run("rules", "list").stdout
    outcome = client.wait_for(client.predict("MSFT", "BUY", confidence="0.9"), timeout_s=PATIENCE_S)
    assert not outcome.refused
    [defined] = _defined(told(run, "rules", "enable", "entry", *operator))
    assert "enabled" not in orjson.loads(defined["rule"]), "on, as it is by default"
    assert told(run, "rules", "disable", "entry", *operator)["refusal"] is None
    assert "as the configuration says" in told(run, "rules", "reset", "entry", *operator)["text"]
    refused = told(run, "rules", "disable", "none", *operator, code=Exit.NO)
    assert (refused["refusal"], refused["text"]) == ("unknown_rule", "rule_id: none must be a rule of this desk, entry")


def _defined(answer: Any) -> list[Any]:
    return [each for each in answer["events"] if each["type"] == "RuleDefined"]
