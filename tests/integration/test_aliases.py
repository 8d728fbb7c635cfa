"""Aliases on a desk that runs: the switch, what shows it, and a crash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from examples.desk import a_configuration
from fillstream.cli.exit_codes import Exit
from fillstream.client import Client
from fillstream.libs.common.engine import frames
from fillstream.stack.stack import IDEAL_DESK, LocalStack
from tests.conftest import until
from tests.support.command import Run, against


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    config = a_configuration(tmp_path_factory.mktemp("config"))
    folder = tmp_path_factory.mktemp("desk")
    with LocalStack(folder, base_port=0, redis_port=0, config=config, environ=IDEAL_DESK) as stack:
        stack.wait_ready()
        yield stack


@pytest.fixture
def run(desk: LocalStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("CONFIG_PATH", str(desk.config))
    return against(desk, monkeypatch, tmp_path)


def rows(run: Run, *arguments: str) -> list[dict[str, Any]]:
    found = orjson.loads(run(*arguments, "--json").stdout)
    return list(found["rows"] if isinstance(found, dict) else found)


def alias_of(run: Run) -> dict[str, str | None]:
    return {row["account"]: row["alias"] for row in rows(run, "accounts") if row["account"].startswith("main")}


def test_an_alias_is_switched_stays_so_over_a_crash_and_is_shown_everywhere(run: Run, desk: LocalStack) -> None:
    until(lambda: alias_of(run) == {"main@live": None, "main@paper": "main"}, "analytics")
    placed = orjson.loads(
        run("signal", "AAPL", "BUY", "1", "--limit", "100", "-a", "main", "--id", "s1", "--wait", "--json").stdout
    )
    assert placed["events"][0]["account"] == "main@paper"
    refused = run("switch", "main", "main@live", "--reason", "a test", code=Exit.NO)
    assert "1 orders of main@paper work; cancel them first" in refused.stdout
    run("cancel", "s1", "-a", "main", "--wait")
    answer = orjson.loads(run("switch", "main", "main@live", "--reason", "go", "--id", "x", "--json").stdout)
    assert [event["type"] for event in answer["events"]] == ["ControlApplied", "AliasDefined"]
    assert answer["text"] == "alias main: points to main@live (PAPER), before main@paper (PAPER)"

    orders = desk.processes["orders"]
    killed = orders.pid
    orders.kill()
    until(lambda: orders.pid not in (None, killed), "the orders stage again")
    with Client(desk.redis_url) as client:
        outcome = client.wait_for(client.signal("AAPL", "BUY", 1, price="100", account="main"), timeout_s=60)
    assert (outcome.events[0]["account"], outcome.events[0]["venue"]) == ("main@live", "SIM2")

    until(lambda: alias_of(run) == {"main@live": "main", "main@paper": None}, "analytics")
    until(lambda: len(rows(run, "orders")) == 2, "analytics")
    assert [(row["account"], row["alias"], row["mode"]) for row in rows(run, "orders")] == [
        ("main@live", "main", "PAPER"), ("main@paper", "main", "PAPER"),
    ]  # fmt: skip
    assert "alias" in run("orders").stdout
    until(lambda: "alias main points to main@live (PAPER)" in run("status").stdout, "the status")
    [orders_stage] = [each for each in rows(run, "status") if each["stage"] == "orders"]
    assert orders_stage["note"] == "alias main points to main@live (PAPER)"
    run("cancel-all", "--account", "main", "--wait")
    until(lambda: {row["ord_status"] for row in rows(run, "orders")} == {"Canceled"}, "the cancel")
    assert "points to main@paper" in run("switch", "main", "--reset", "--reason", "done").stdout
    assert "not both" in run("switch", "main", "--reason", "x", code=Exit.USAGE).stderr


def test_venues_and_their_terms_are_listed(run: Run) -> None:
    until(lambda: len(rows(run, "venues")) == 2, "analytics")
    sim, other = rows(run, "venues")
    assert (sim["venue"], sim["mode"], sim["accounts"], sim["breaker"]) == ("SIM", "PAPER", ["main@paper"], None)
    assert sim["instruments"] > 0
    assert (other["venue"], other["instruments"], other["accounts"]) == ("SIM2", 0, ["main@live"])
    assert (other["taker_fee_bps"], other["maker_fee_bps"], other["max_overfill_lots"]) == ("1", None, 0)
    assert "main@live" in run("venues").stdout


def test_a_limit_is_told_beside_the_files(run: Run) -> None:
    until(lambda: "main@paper" in alias_of(run), "analytics")
    run("limits", "set", "main@paper", "max_order_value=5000", "restricted_symbols=TSLA", "--reason", "a test")

    def told() -> dict[str, Any]:
        return {row["limit"]: row for row in rows(run, "limits", "get", "main@paper")}

    until(lambda: told()["max_order_value"]["override"] is not None, "analytics")
    assert told()["max_order_value"] == {
        "limit": "max_order_value", "value": "5000", "file": "1000000", "override": "5000"
    }  # fmt: skip
    assert told()["restricted_symbols"]["value"] == "TSLA"
    assert told()["max_daily_orders"] == {
        "limit": "max_daily_orders", "value": "50", "file": "50", "override": None
    }  # fmt: skip
    assert told()["may_short"]["value"] == "true"
    table = run("limits", "get", "main@paper").stdout
    assert "restricted_symbols" in table and "may_short" not in table
    assert "max_position" in run("limits", "get", "main@paper", "max_position").stdout
    run("limits", "get", "nobody", code=Exit.NOT_FOUND)
    run("limits", "get", "main@paper", "nothing", code=Exit.USAGE)


def test_an_order_is_previewed_by_the_alias_and_nothing_is_sent(run: Run, desk: LocalStack) -> None:
    until(lambda: "main@paper" in alias_of(run), "analytics")
    with Client(desk.redis_url) as client:
        client.redis.xadd("commands.SIM2.{s0}", {"frame": frames.quote(1, 18_498, 500, 18_502, 500)})
    until(lambda: alias_of(run), "analytics to have heard of the desk")
    sent = len(rows(run, "orders"))

    def told() -> dict[str, Any]:
        words = ("preview", "AAPL", "BUY", "10", "--limit", "185.00", "--account", "main@live", "--json")
        return dict(orjson.loads(run(*words).stdout))

    until(lambda: told()["expected_slippage_bps"] is not None, "the quote")
    found = told()
    assert (found["account"], found["venue"], found["refused"]) == ("main@live", "SIM2", None)
    assert (found["notional"], found["fee_estimate"]) == ("1850", "0.185"), "the venue's own basis point"
    assert found["not_looked_at"] == ["max_daily_orders"]
    refused = run("preview", "AAPL", "BUY", "10", "--limit", "185.005", "-a", "main", code=Exit.NO)
    assert "off_tick" in refused.stdout and "main@paper at SIM" in refused.stdout
    run("preview", "NOTHING", "BUY", "10", code=Exit.USAGE)
    assert len(rows(run, "orders")) == sent


def test_a_route_over_both_venues_is_previewed_and_nothing_is_sent(run: Run, desk: LocalStack) -> None:
    with Client(desk.redis_url) as client:
        for venue, bid, ask in (("SIM", 18_497, 18_503), ("SIM2", 18_498, 18_502)):
            client.redis.xadd(f"commands.{venue}.{{s0}}", {"frame": frames.quote(1, bid, 300, ask, 300)})
    until(lambda: alias_of(run), "analytics to have heard of the desk")
    sent = len(rows(run, "orders"))

    def told() -> dict[str, Any]:
        words = ("route", "preview", "AAPL", "BUY", "500", "--limit", "185.10", "--account", "main", "--json")
        return dict(orjson.loads(run(*words).stdout))

    until(lambda: [leg["taken"] for leg in told()["legs"]] == ["300", "200"], "the quotes")
    found = told()
    assert (found["policy"], found["decided_by"]) == ("BEST_PRICE", "nothing: no rule means it")
    assert [(leg["venue"], leg["avg_px"], leg["net_px"]) for leg in found["legs"]] == [
        ("SIM", "185.03", "185.03"), ("SIM2", "185.02", "185.038502"),
    ], "the venue's own basis point makes its better price the dearer one"  # fmt: skip
    assert found["touch_only"] == [], "depth says what stands behind the touch"
    text = run("route", "preview", "AAPL", "SELL", "500", "--policy", "sweep", "--venues", "SIM2").stdout
    assert "SELL AAPL of default by SWEEP" in text and "SIM is none of the route's venues" in text
    assert (
        "must be one of NAMED" in run("route", "preview", "AAPL", "BUY", "5", "--policy", "X", code=Exit.USAGE).stderr
    )
    assert "it goes nowhere" in run("route", "preview", "AAPL", "BUY", "5", "--limit", "1", "--tif", "IOC",
                                    code=Exit.NO).stdout  # fmt: skip
    assert len(rows(run, "orders")) == sent
