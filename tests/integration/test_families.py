"""Brackets, lists and worked orders on a whole desk, as a person types them; an algorithm of one's own among them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import orjson
import pytest

from fillstream.cli.exit_codes import Exit
from fillstream.client import Client
from fillstream.libs.common.engine import frames
from fillstream.services.order_service.orders.algos import ALGORITHMS
from fillstream.stack.stack import IDEAL_DESK, LocalStack
from tests.conftest import until
from tests.support.command import Run, against
from tests.support.exposed import parsed
from tests.support.tree import ROOT

AAPL, OWN = 1, "examples.own_algorithm.better_than_vwap"
ENVIRON = {**IDEAL_DESK, "FILLSTREAM_EXECUTION__ALGORITHMS": f'["{OWN}"]', "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with LocalStack(tmp_path_factory.mktemp("families"), base_port=0, redis_port=0, environ=ENVIRON) as stack:
        stack.wait_ready()
        yield stack


@pytest.fixture
def client(desk: LocalStack) -> Iterator[Client]:
    with Client(desk.redis_url) as found:
        yield found


@pytest.fixture
def run(desk: LocalStack, client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    kept = dict(ALGORITHMS)
    monkeypatch.setenv("FILLSTREAM_EXECUTION__ALGORITHMS", ENVIRON["FILLSTREAM_EXECUTION__ALGORITHMS"])
    monkeypatch.syspath_prepend(str(ROOT))
    quote(client, 18_499, 18_501)
    yield against(desk, monkeypatch, desk.data_dir)
    ALGORITHMS.clear()
    ALGORITHMS.update(kept)
    sys.modules.pop(OWN, None)  # whoever asks for it next is to register it anew


def quote(client: Client, bid: int, ask: int, lots: int = 1_000) -> None:
    """Let the house quote, and wait until the desk knows: prices in cents."""
    raw: Any = client.redis
    raw.xadd(client.topology.commands("SIM", 0), {"frame": frames.quote(AAPL, bid, lots, ask, lots)})
    wanted = {f"{bid / 100:.2f}", f"{ask / 100:.2f}"}

    def told() -> bool:
        events = [orjson.loads(fields[b"data"]) for _, fields in raw.xrange("events.{a0}") if b"data" in fields]
        quotes = [each for each in events if each["type"] == "QuoteUpdated" and each["symbol"] == "AAPL"]
        return bool(quotes) and {quotes[-1]["bid_px"], quotes[-1]["ask_px"]} == wanted

    until(told, "the quote")


def said(run: Run, *arguments: str) -> Any:
    return orjson.loads(run(*arguments, "--json").stdout)


def row(run: Run, view: str, list_id: str) -> dict[str, Any]:
    """Return what `fillstream groups` shows of a list, once analytics has it."""
    found: list[dict[str, Any]] = []

    def seen() -> bool:
        found[:] = [each for each in said(run, "groups", "--all")[view]["rows"] if each["list_id"] == list_id]
        return bool(found)

    until(seen, f"{list_id} among the {view}")
    return found[0]


# ---------------------------------------------------------------------------------------------------- groups


def test_a_bracket_is_published_shown_amended_and_canceled(run: Run) -> None:
    words = "bracket AAPL BUY 90 --limit 185.01 --stop-loss 180 --take-profit 190:1 --take-profit 195:2 --break-even"
    sent = said(run, *words.split(), "--client-order-id", "b1", "--wait")
    assert (sent["refused"], sent["ord_status"]) == (False, "Filled")
    until(lambda: float(row(run, "brackets", "b1")["target_qty"]) == 90, "exits")
    found = row(run, "brackets", "b1")
    assert (found["take_profits"], found["stop_loss"], found["break_even"]) == ("190:1,195:2", "180", "AFTER_TARGET")
    assert (found["stop_qty"], found["target_qty"]) == ("90", "90")

    amended = said(run, "amend", "b1", "--stop-loss", "181", "--take-profit", "191", "--wait")
    assert (amended["list_id"], amended["refused"]) == ("b1", False)
    until(lambda: row(run, "brackets", "b1")["stop_loss"] == "181", "the amendment")
    assert "191:1" in run("groups").stdout

    ended = said(run, "groups", "cancel", "b1", "--wait")
    assert ended["list_order_status"] == "ALL_DONE"
    until(lambda: row(run, "brackets", "b1")["list_order_status"] == "ALL_DONE", "its end")
    assert not said(run, "groups")["brackets"]["rows"]
    assert said(run, "groups", "--all", "--account", "nobody")["brackets"]["rows"] == []
    run("close", "AAPL", "--wait")


def test_an_order_is_routed_by_its_own_words(run: Run) -> None:
    words = "signal AAPL BUY 10 --routing BEST_PRICE --venues SIM --client-order-id routed --wait"
    sent = said(run, *words.split())
    assert (sent["refused"], sent["ord_status"]) == (False, "Filled")
    assert (sent["events"][0]["routing"], sent["events"][0]["venues"]) == ("BEST_PRICE", "SIM")
    run("close", "AAPL", "--wait")


def test_a_bracket_without_an_exit_and_exits_on_the_wrong_side_are_sentences(run: Run) -> None:
    assert "a bracket has --stop-loss" in run("bracket", "AAPL", "BUY", "1", code=Exit.USAGE).stderr
    refused = run("bracket", "AAPL", "BUY", "1", "--limit", "185", "--stop-loss", "186", "--wait", code=Exit.NO)
    assert "wrong_side: stop_loss: 186" in refused.stdout
    unknown = run("groups", "cancel", "no-such", "--wait", code=Exit.NO)
    assert "unknown_list: list_id: account default has no list of orders no-such" in unknown.stdout


def test_an_oco_is_two_orders_that_are_canceled_together(run: Run) -> None:
    words = "oco AAPL BUY 10 --limit 180 --stop 190"
    sent = said(run, *words.split(), "--list-id", "o1", "--wait")
    assert (sent["list_id"], sent["list_order_status"], sent["refused"]) == ("o1", "EXECUTING", False)
    received = [each for each in sent["events"] if each["type"] == "OrderReceived"]
    assert [each["order_type"] for each in received] == ["LIMIT", "STOP"]
    assert row(run, "lists", "o1")["working"] == 2
    assert "list o1: ALL_DONE" in run("groups", "cancel", "o1", "--wait").stdout
    for words, told in (
        ("--limit 180", "name two or more of --limit, --stop, --trail and --touched"),
        ("--limit 180 --stop-limit 181", "stop_limit: is the limit of a --stop"),
        ("--limit 180 --stop 1e400", "orders.1.stop_price"),
    ):
        assert told in run("oco", "AAPL", "BUY", "10", *words.split(), code=Exit.USAGE).stderr


def test_a_basket_is_taken_as_a_whole_or_told_by_its_lines(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "basket.csv"
    file.write_text("symbol,side,quantity,price,order_type\nAAPL,BUY,1,180,\nAAPL,BUY,x,,\nAAPL,BUY,1,,LIMIT\n")
    wrong = run("basket", str(file), code=Exit.USAGE).stderr.splitlines()
    assert [each.removeprefix(f"{file}: ")[:16] for each in wrong] == ["line 3: quantity", "line 4: price: a"]
    file.write_text("symbol,side,quantity,price\nAAPL,BUY,1,180\nAAPL,BUY,1,999\n")
    told = run("basket", str(file), "--all", "--list-id", "k1", "--wait", "--json", code=Exit.NO).stdout
    refused = orjson.loads(told)
    assert (refused["list_order_status"], refused["refused"]) == ("REJECT", True)
    assert {"price_collar", "list_rejected"} <= {each.get("reason") for each in refused["events"]}
    assert refused["reason"] == "price_collar"
    sent = said(run, "basket", str(file), "--list-id", "k2", "--wait")
    assert (sent["refused"], sent["text"]) == (False, "1 of its 2 orders were taken")
    json = tmp_path / "basket.json"
    json.write_text('[{"symbol": "AAPL", "side": "BUY", "quantity": 1, "price": 180.5}, {"symbol": "AAPL"}]')
    assert "order 2: side: is missing" in run("basket", str(json), code=Exit.USAGE).stderr
    assert "cannot be read" in run("basket", str(tmp_path / "none.csv"), code=Exit.USAGE).stderr
    run("groups", "cancel", "k2", "--wait")


# ------------------------------------------------------------------------------------------------ algorithms


def test_an_algorithm_is_started_paused_resumed_drawn_and_canceled(run: Run, tmp_path: Path) -> None:
    words = "algos start TWAP AAPL BUY 100 --limit 185.01 -p duration_ms=600000 -p slices=10 -p urgency=AGGRESSIVE"
    sent = said(run, *words.split(), "--client-order-id", "t1", "--wait")
    order_id = sent["order_id"]
    assert (sent["refused"], sent["ord_status"]) == (False, "PartiallyFilled")
    paused = said(run, "algos", "pause", "t1", "--wait")
    assert paused["events"][0]["paused"] is True
    until(
        lambda: said(run, "algos", "show")["rows"][:1] != [] and parent(run, "t1")["paused"], "the pause in analytics"
    )
    assert "`fillstream algos resume` lets it go on" in run("algos", "show", "t1").stdout
    assert said(run, "algos", "resume", order_id, "--wait")["events"][0]["paused"] is False
    assert not said(run, "amend", "t1", "-p", "slices=20", "--wait")["refused"]
    ended = said(run, "algos", "cancel", "t1", "--wait")
    assert ended["ord_status"] == "Canceled"

    until(lambda: parent(run, "t1")["ord_status"] == "Canceled", "its end")
    picture = tmp_path / "twap.svg"
    lines = run("algos", "show", order_id, "--svg", str(picture)).stdout
    assert lines.startswith(f"BUY 100 AAPL TWAP {order_id}\n")
    assert "█ done  · planned" in lines
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    nowhere = tmp_path / "none" / "twap.svg"
    refused = run("algos", "show", order_id, "--svg", str(nowhere), code=Exit.USAGE).stderr
    assert refused == f"{nowhere}: cannot be written: No such file or directory\n"
    found = said(run, "algos", "show", "t1")
    assert (found["order"]["cum_qty"], found["order"]["arrival_px"]) == ("10", "185")
    assert [each["price"] for each in found["schedule"]["fills"]] == [185.01]
    assert found["schedule"]["planned"], "the curve"
    run("close", "AAPL", "--wait")


def parent(run: Run, client_order_id: str) -> dict[str, Any]:
    rows = said(run, "algos", "show")["rows"]
    return next(
        (each for each in rows if each["client_order_id"] == client_order_id), {"paused": None, "ord_status": ""}
    )


def test_what_an_algorithm_would_not_take_is_told_before_anything_is_sent(run: Run, tmp_path: Path) -> None:
    for words, told in (
        ("TWAP AAPL BUY 1", "algorithm_parameters: TWAP: end_time: it needs an end, or a duration_ms"),
        ("TWAP AAPL BUY 1 -p duration_ms=1 -p pace=2", "algorithm_parameters: TWAP: pace: is no field here"),
        ("TWAP AAPL BUY 1 -p duration_ms", "-p duration_ms: must be NAME=VALUE, or @FILE"),
        (f"TWAP AAPL BUY 1 -p @{tmp_path}/none", "cannot be read"),
    ):
        assert told in run("algos", "start", *words.split(), code=Exit.USAGE).stderr
    unknown = run("algos", "start", "TEAPOT", "AAPL", "BUY", "1", "--wait", code=Exit.NO)
    assert "unknown_algorithm: algorithm: TEAPOT must be one of AT_ONCE" in unknown.stdout
    assert "no algorithm works it" in run("algos", "show", "no-such", code=Exit.NOT_FOUND).stderr


def test_algorithms_are_listed_with_what_they_may_be_told_those_of_ones_own_too(run: Run) -> None:
    pages = {each["name"]: each for each in said(run, "algos", "list")}
    assert {"TWAP", "VWAP", "POV", "IS", "BETTER_THAN_VWAP"} <= pages.keys()
    profile = next(each for each in pages["VWAP"]["parameters"] if each["name"] == "profile")
    assert (profile["required"], profile["type"], profile["of_all"]) == (True, "list of number", False)
    one = run("algos", "list", "better_than_vwap").stdout
    assert "fillstream algos start BETTER_THAN_VWAP AAPL BUY 100 -p clip=100" in one
    assert "must be one of" in run("algos", "list", "TEAPOT", code=Exit.NOT_FOUND).stderr


def test_a_profile_is_told_or_that_nothing_was_traded(run: Run) -> None:
    assert "none are kept of these days" in run("algos", "profile", "NOSUCH", code=Exit.NOT_FOUND).stderr


def test_an_algorithm_of_ones_own_works_orders_and_its_log_is_folded_again(run: Run, client: Client) -> None:
    own = client.algo("BETTER_THAN_VWAP", "AAPL", "BUY", 20, price="185.01",
                      parameters={"clip": 10, "pause_ms": 50}, client_order_id="own")  # fmt: skip
    until(lambda: client.wait_for(own).events[-1]["type"] == "OrderProgressed", "the algorithm to be asked")
    somebody = client.signal("AAPL", "BUY", 5, account="demo")
    assert client.wait_for(somebody, account="demo").ord_status == "Filled"
    quote(client, 18_490, 18_495)
    until(lambda: client.wait_for(own).ord_status == "Filled", "both clips")
    paid = [each["last_px"] for each in client.wait_for(own).events if each["type"] == "OrderFilled"]
    assert paid == ["184.95", "184.95"]
    until(lambda: said(run, "replay", "--stage", "orders")["agrees"], "a hash of where the log ends")
    run("close", "AAPL", "--wait")


def test_what_lives_is_counted(run: Run, desk: LocalStack, client: Client) -> None:
    waiting = client.algo("ICEBERG", "AAPL", "BUY", 10, price="180", parameters={"display_quantity": 2})
    client.bracket("AAPL", "BUY", 10, price="180", stop_loss="170", client_order_id="live")

    def counted() -> bool:
        families = parsed(httpx.get(f"{desk.url('orders')}/metrics", timeout=60, trust_env=False).text)
        works, brackets = families["fillstream_worked_orders"], families["fillstream_live_brackets"]
        running = [each.value for each in works.samples if each.labels["state"] == "running"]
        return running == [1] and [each.value for each in brackets.samples] == [1]

    until(counted, "the gauges")
    client.wait_for(client.cancel(client_order_id=waiting))
    client.wait_for(client.cancel_list("live"))
