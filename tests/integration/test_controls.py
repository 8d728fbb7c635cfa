"""Controls on a desk that runs: the command, the journal, the rules, and a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from fillstream.cli.exit_codes import Exit
from fillstream.client import Client, NoAnswer
from fillstream.libs.common.messages.controls import LIMITS
from fillstream.libs.common.messages.topology import Topology
from fillstream.stack.stack import LocalStack
from tests.conftest import until
from tests.support.command import Run, against


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with LocalStack(tmp_path_factory.mktemp("desk"), base_port=0, redis_port=0) as stack:
        stack.wait_ready()
        yield stack


@pytest.fixture
def run(desk: LocalStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    return against(desk, monkeypatch, tmp_path)


def shown(run: Run, account: str) -> dict[str, Any]:
    [row] = orjson.loads(run("limits", "show", account, "--json").stdout)
    return dict(row)


def test_limits_are_set_shown_kept_over_a_crash_and_reset(run: Run, desk: LocalStack) -> None:
    until(lambda: "default" in run("limits", "show").stdout, "analytics")
    file = shown(run, "default")
    assert file["overridden"] == []
    said = run("limits", "set", "default", "max_order_value=1", "min_order_size=0", "--reason", "a test", "--who", "me")
    assert said.stdout.startswith("max_order_value: 1, before ")
    until(lambda: shown(run, "default")["overridden"] == ["max_order_value", "min_order_size"], "analytics")
    table = run("limits", "show").stdout
    assert "max_order_value, min_order_size" in table

    orders = desk.processes["orders"]
    killed = orders.pid
    orders.kill()
    until(lambda: orders.pid not in (None, killed), "the orders stage again")
    refused = run("signal", "AAPL", "BUY", "1", "--limit", "100", "--wait", "--timeout", "20", code=Exit.NO)
    assert "max_order_value" in refused.stdout

    answer = orjson.loads(run("limits", "reset", "default", "--reason", "done", "--json").stdout)
    assert [event["type"] for event in answer["events"]] == ["ControlApplied", "AccountDefined"]
    told = answer["events"][1]  # which leaves out what few accounts have
    assert {name: told[name] for name in LIMITS if name in told} == {
        name: file[name] for name in LIMITS if name in told
    }
    until(lambda: shown(run, "default") == file, "analytics")


def test_a_limit_is_lifted_by_null_and_a_list_has_commas(run: Run) -> None:
    table = run("limits", "show").stdout
    assert not any(name in table for name in ("max_position", "may_short", "restricted")), "nobody has set them"
    words = ("limits", "set", "conservative", "max_position=5", "restricted_symbols=MSFT,AAPL", "--reason", "a test")
    assert "restricted_symbols: AAPL,MSFT, before null" in run(*words).stdout.replace("\n", " ")
    until(lambda: shown(run, "conservative")["restricted_symbols"] == ["AAPL", "MSFT"], "analytics")
    refused = run("signal", "AAPL", "BUY", "1", "--limit", "100", "-a", "conservative", "--wait", code=Exit.NO)
    assert "restricted_symbol" in refused.stdout
    until(lambda: "AAPL, MSFT" in run("limits", "show", "conservative").stdout, "analytics")
    said = run("limits", "set", "conservative", "max_position=null", "--reason", "a test").stdout
    assert said.startswith("max_position: null, before 5")


def test_the_same_id_again_says_what_the_first_did(run: Run) -> None:
    words = ("limits", "set", "demo", "max_daily_orders=7", "--reason", "a test", "--who", "me", "--id", "once")
    first, again = run(*words).stdout.strip(), run(*words).stdout.strip()
    assert again == f"control_id: once came before, and nothing has changed now; then: {first}"
    other = run(*words[:3], "max_daily_orders=8", *words[4:], code=Exit.NO)
    assert "came before with another content" in other.stdout


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("set", "default", "max_loss=1"), Exit.USAGE, "limits.max_loss: is no field here"),
        (("set", "default", "max_order_value=-1"), Exit.USAGE, "limits.max_order_value: '-1' must be above 0"),
        (("set", "default", "max_order_value"), Exit.USAGE, "max_order_value: is not NAME=VALUE"),
        (("set", "default", "a=1", "a=2"), Exit.USAGE, "a: is given twice"),
        (("reset", "default", "max_loss"), Exit.USAGE, "fields.0: 'max_loss' must be one of max_order_value"),
        (("set", "nobody", "max_daily_orders=1"), Exit.NO, "account: nobody is no account of this desk"),
        (("set", "default", "max_order_value=1", "min_order_size=2"), Exit.NO, "no order could pass"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(run: Run, words: tuple[str, ...], code: Exit, sentence: str) -> None:
    result = run("limits", *words, "--reason", "a test", code=code)
    assert sentence in result.stdout + result.stderr


def test_an_account_is_halted_reduces_and_is_resumed(run: Run) -> None:
    resting = run("signal", "AAPL", "BUY", "1", "--limit", "1", "--account", "demo", "--wait", "--id", "rests")
    assert "New" in resting.stdout
    answer = orjson.loads(run("halt", "demo", "--reason", "a test", "--who", "me", "--json").stdout)
    assert [event["type"] for event in answer["events"]] == [
        "ControlApplied", "TradingStateChanged", "MassCancelRequested",
    ]  # fmt: skip
    assert answer["events"][2]["working_orders"] == 1
    canceled = "SELECT ord_status FROM orders WHERE client_order_id = 'rests'"
    until(lambda: '"Canceled"' in run("sql", canceled, "--json").stdout, "the order canceled")
    new = ("signal", "AAPL", "BUY", "1", "--limit", "1", "--account", "demo", "--wait")
    assert "trading_halted" in run(*new, code=Exit.NO).stdout
    assert "REDUCING, before HALTED" in run("reduce", "demo", "--reason", "a test").stdout
    assert "trading_reducing" in run(*new, code=Exit.NO).stdout
    assert "ACTIVE, before REDUCING; everything is taken again" in run("resume", "demo", "--reason", "a test").stdout
    run(*new)
    assert run("halt", "--all", "--no-cancel", "--reason", "a test").stdout.startswith("desk: HALTED, before ACTIVE")
    assert "trading_halted" in run(*new, code=Exit.NO).stdout
    assert "desk: ACTIVE" in run("resume", "--all", "--reason", "a test").stdout


def test_a_client_cancels_all_its_orders_of_a_side(run: Run) -> None:
    for side, price in (("BUY", "1"), ("SELL", "9999")):
        resting = ("signal", "AAPL", side, "1", "--limit", price, "--account", "demo", "--strategy", "alpha")
        run(*resting, "--id", f"{side}-rests", "--wait", "--timeout", "20")
    said = orjson.loads(run("cancel-all", "--account", "demo", "--side", "BUY", "--wait", "--json").stdout)
    assert said["events"][0]["type"] == "MassCancelRequested"
    assert said["events"][0]["working_orders"] >= 1
    states = "SELECT client_order_id, ord_status FROM orders WHERE client_order_id LIKE '%-rests' ORDER BY 1"

    def of(*expected: str) -> bool:
        return [row["ord_status"] for row in orjson.loads(run("sql", states, "--json").stdout)["rows"]] == [*expected]

    until(lambda: of("Canceled", "New"), "the purchase canceled")
    run("cancel-all", "--account", "demo", "--strategy", "alpha", "--wait")
    until(lambda: of("Canceled", "Canceled"), "the sale canceled")
    assert "SignalRefused" in run("cancel-all", "--symbol", "NONE", "--wait", code=Exit.NO).stdout


def test_orders_wait_for_a_yes_and_are_approved_or_refused(run: Run) -> None:
    run("limits", "set", "demo", "approval_above=100", "--reason", "a test")
    run("signal", "AAPL", "BUY", "200", "--limit", "1", "--account", "demo", "--id", "asks")
    run("signal", "AAPL", "BUY", "300", "--limit", "1", "--account", "demo", "--id", "asks-more")

    def waiting() -> list[dict[str, Any]]:
        return [dict(row) for row in orjson.loads(run("approvals", "--json").stdout)]

    until(lambda: [row["client_order_id"] for row in waiting()] == ["asks", "asks-more"], "both to wait")
    assert "asks-more" in run("approvals").stdout
    first, second = (row["order_id"] for row in waiting())
    assert "amended to 150" in run("approve", first, "--quantity", "150", "--reason", "a test").stdout
    assert "was refused" in run("refuse", second, "--reason", "a test").stdout
    assert "waits here for an approval" in run("refuse", second, "--reason", "again", code=Exit.NO).stdout
    until(lambda: waiting() == [], "none to wait")
    assert "not_approved" in run("order", second).stdout
    run("limits", "reset", "demo", "--reason", "a test")


def test_breakers_are_shown_while_they_are_open(run: Run) -> None:
    run("limits", "set", "demo", "breaker_orders=1", "breaker_cooldown_ms=300", "--reason", "a test")
    run("signal", "AAPL", "BUY", "1", "--limit", "1", "--account", "demo", "--wait", "--timeout", "20")
    shown: list[dict[str, Any]] = []

    def all_of_them() -> list[dict[str, Any]]:
        shown[:] = orjson.loads(run("breakers", "--all", "--json").stdout)
        return shown

    until(lambda: [row["state"] for row in all_of_them()] == ["HALF_OPEN"], "the breaker to cool down")
    assert (shown[0]["scope"], shown[0]["name"], shown[0]["cause"]) == ("ACCOUNT", "demo", "COOLED_DOWN")
    assert "HALF_OPEN" in run("breakers").stdout
    run("limits", "reset", "demo", "--reason", "a test")


def test_cash_is_put_in_and_taken_out(run: Run) -> None:
    said = run("adjust", "demo", "deposit", "100.25", "--reason", "a test", "--id", "paid")
    assert said.stdout.startswith("DEPOSIT: 100.25 USD; account demo was given 100.25")
    assert "came before" in run("adjust", "demo", "deposit", "100.25", "--reason", "a test", "--id", "paid").stdout
    answer = orjson.loads(run("adjust", "demo", "funding", "-0.25", "--reason", "a test", "--json").stdout)
    assert (answer["events"][1]["amount"], answer["events"][1]["cash"]) == ("-0.25", "100")
    assert "must be above 0" in run("adjust", "demo", "deposit", "-1", "--reason", "a test", code=Exit.USAGE).stderr


@pytest.mark.parametrize("ratio", ["2/1", "0:1", "2:1000000", "-2:1"])
def test_a_split_that_is_none_is_told_in_words(run: Run, ratio: str) -> None:
    said = run("adjust", "demo", f"--split={ratio}", "--symbol", "AAPL", "--reason", "a test", code=Exit.USAGE).stderr
    assert said.strip() == f"--split: '{ratio}' must be NEW:OLD, whole numbers from 1 to 999999, as 2:1"


@pytest.mark.parametrize("command", ["approve", "refuse"])
def test_who_approves_names_the_order_by_its_number(run: Run, command: str) -> None:
    said = run(command, "my-order", "--reason", "a test", code=Exit.USAGE).stderr
    assert said.strip() == "ORDER: 'my-order' must be an order's number; `fillstream approvals` lists them"


@pytest.mark.parametrize("words", [("halt",), ("reduce", "demo", "--all"), ("resume",)])
def test_whom_it_is_about_is_said_once(run: Run, words: tuple[str, ...]) -> None:
    assert "with --all, and not both" in run(*words, "--reason", "a test", code=Exit.USAGE).stderr


def test_a_desk_of_several_partitions_is_halted_in_each(redis_url: str) -> None:
    topology = Topology(3)
    with Client(redis_url, topology) as client, pytest.raises(NoAnswer):
        client.control("Halt", None, who="me", reason="a test", control_id="all", timeout_s=0.2)
    with redis.Redis.from_url(redis_url) as reader:
        for partition in range(3):
            [(_, fields)] = reader.xrange(topology.orders(partition))
            assert orjson.loads(fields[b"control"])["control_id"] == "all"


def test_an_account_that_is_not_there_is_4(run: Run) -> None:
    assert "nobody is none of this desk" in run("limits", "show", "nobody'--", code=Exit.NOT_FOUND).stderr.replace(
        "'--", ""
    )


def test_a_control_that_comes_as_a_signal_is_refused(run: Run, desk: LocalStack) -> None:
    with Client(desk.redis_url) as client:
        raw: Any = client.redis
        entry_id = raw.xadd(client.topology.signals, {"type": "SetLimits", "account": "default"}).decode()

        def letter() -> str:
            return next(
                (told["text"] for _, fields in raw.xrange(client.topology.dead)
                 if (told := orjson.loads(fields[b"data"]))["entry_id"] == entry_id), "",
            )  # fmt: skip

        until(lambda: letter() != "", "the dead letter")
        assert letter().startswith(
            "type: 'SetLimits' is a control, and no signal asks for one: the Redis user operator"
        )


def test_an_order_in_a_group_says_so_wherever_it_is_looked_at(run: Run) -> None:
    run("signal", "AAPL", "BUY", "1", "--id", "in-a-group", "--group", "g7", "--wait", "--timeout", "20", code=Exit.NO)
    rows = until_rows(run)
    assert (rows[0]["group_id"], rows[0]["parent_id"]) == ("g7", None)
    assert "group_id g7" in run("order", "in-a-group").stdout
    assert "group_id" in run("orders").stdout


def until_rows(run: Run) -> list[dict[str, Any]]:
    query = "SELECT * FROM orders WHERE client_order_id = 'in-a-group'"
    until(lambda: orjson.loads(run("sql", query, "--json").stdout)["rows"] != [], "analytics")
    rows: list[dict[str, Any]] = orjson.loads(run("sql", query, "--json").stdout)["rows"]
    return rows


def test_the_operators_own_url_goes_before_the_desks_and_a_named_desk_before_both(
    run: Run, desk: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("limits", "reset", "default", "--reason", "a test")
    monkeypatch.setenv("FILLSTREAM_OPERATOR_URL", "redis://127.0.0.1:1")
    assert "127.0.0.1:1" in run(*words, code=Exit.UNREACHABLE).stderr
    run(*words, "--redis-url", desk.redis_url)
    run(*words, "--operator-url", desk.redis_url)


def test_a_control_that_nobody_answers_is_told(redis_url: str) -> None:
    with Client(redis_url, Topology()) as client, pytest.raises(NoAnswer, match="nothing was heard of control c1"):
        client.control("ResetLimits", "default", who="me", reason="a test", control_id="c1", timeout_s=0.2)
    with redis.Redis.from_url(redis_url) as reader:
        assert reader.xlen(Topology().orders(0)) == 1
