"""Protections of a position whose symbol changes: they wait on under the new one, where they waited."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.exits_desk import ExitsDesk
from tests.support.positions_desk import T0


@pytest.fixture
def desk() -> ExitsDesk:
    desk = ExitsDesk()
    desk.define()
    return desk


def rename(desk: ExitsDesk, position: str = "10", **finer: Any) -> list[dict[str, Any]]:
    """Let AAPL be META; return what was told of the positions."""
    desk.define("META", **finer)
    desk.told.clear()
    adjusted = desk.put(
        "AccountAdjusted", account="alpha", symbol="AAPL", adjustment="SYMBOL_CHANGE", amount="0", currency="USD",
        control_id="c", who="me", reason="a new name", old_position=position, position=position, cash="0",
        new_symbol="META",
    )  # fmt: skip
    desk.again()
    return adjusted


def told(desk: ExitsDesk) -> list[tuple[Any, ...]]:
    """What was told since the last time, each once."""
    found = [(each["symbol"], each["protection_id"], each["exit_status"], each["stop_px"]) for each in desk.told]
    desk.told.clear()
    return found


@pytest.mark.parametrize(
    ("finer", "stop", "trail"), [({}, "95.00", "99.00"), ({"tick_size": "0.005"}, "95.000", "99.000")]
)
def test_protections_go_on_under_the_new_symbol_at_the_same_prices(
    desk: ExitsDesk, finer: dict[str, str], stop: str, trail: str
) -> None:
    desk.fill("BUY", "10", "100.00")
    desk.quote("101.00", "101.00")
    desk.protect(stop_loss="95.00", quantity="4")
    desk.protect(trailing_stop="2.00", protection_id="trail", exit_time=T0 + 60_000)
    rename(desk, **finer)
    assert told(desk) == [
        ("AAPL", "default", "ENDED", None), ("META", "default", "ARMED", stop),
        ("AAPL", "trail", "ENDED", None), ("META", "trail", "ARMED", trail),
    ]  # fmt: skip
    desk.quote("1.00", "1.00")
    assert desk.sent == [], "of AAPL nothing is held"
    desk.quote("99.00", "99.00", symbol="META")
    assert [(each.symbol, each.quantity) for each in desk.sent] == [("META", None)]
    desk.quote("95.00", "95.00", symbol="META")
    assert [(each.symbol, each.quantity) for each in desk.sent[1:]] == [("META", "4")]


def test_an_exit_that_was_sent_is_sent_again_for_what_is_there_now(desk: ExitsDesk) -> None:
    desk.fill("BUY", "10", "100.00")
    desk.protect(stop_loss="95.00")
    desk.quote("95.00", "95.00")
    desk.trade("SELL", "3", "95.00", leaves="7")
    desk.end("SELL", "7")
    desk.tick(2_000)
    first = desk.sent[-1]
    rename(desk, "7")
    assert told(desk) == [("AAPL", "default", "ENDED", "95.00"), ("META", "default", "TRIGGERED", "95.00")]
    assert (desk.sent[-1].symbol, desk.sent[-1].signal_id != first.signal_id) == ("META", True)
    said = {"signal": "ExitPosition", "signal_id": first.signal_id, "account": "alpha"}
    desk.put("SignalRefused", **said, reason="nothing_to_reduce", text="nothing is held")
    assert told(desk) == [], "nobody waits for that one any more"
    desk.trade("SELL", "7", "94.00", symbol="META")
    assert desk.told[-1]["exit_status"] == "DONE"


def test_an_exit_that_failed_is_tried_again_when_it_was_to_be(desk: ExitsDesk) -> None:
    desk.fill("BUY", "10", "100.00")
    desk.protect(stop_loss="95.00")
    desk.quote("95.00", "95.00")
    desk.refuse()
    due = desk.told[-1]["retry_time"]
    rename(desk)
    assert [(each["symbol"], each["exit_status"], each.get("retry_time")) for each in desk.told] == [
        ("AAPL", "ENDED", None), ("META", "FAILED", due),
    ]  # fmt: skip
    desk.tick(due - T0)
    assert (len(desk.sent), desk.sent[-1].symbol) == (2, "META")


def test_where_the_new_symbol_has_no_true_range_a_stop_that_waits_for_one_is_told_so(desk: ExitsDesk) -> None:
    desk.define(atr_interval_ms=1_000)
    desk.fill("BUY", "10", "100.00")
    desk.protect(trailing_stop_atr="3")
    rename(desk)
    assert [each[:3] for each in told(desk)] == [
        ("AAPL", "default", "ENDED"), ("META", "default", "ARMED"), ("META", "default", "ENDED"),
    ]  # fmt: skip


def test_a_target_of_the_old_symbol_is_given_up(desk: ExitsDesk) -> None:
    desk.fill("BUY", "10", "100.00")
    asked = {"signal_id": "t", "account": "alpha", "symbol": "AAPL", "target_qty": "50", "leg": 1, "legs": 1}
    desk.put("TargetSet", **asked, signal_time=0)
    rename(desk)
    assert desk.stage._books.targets.of == {}


def test_marks_and_sessions_of_the_old_symbol_go_on_until_the_new_one_is_quoted(desk: ExitsDesk) -> None:
    desk.fill("BUY", "10", "100.00")
    desk.quote("101.00", "101.00")
    desk.later_ms = 86_400_000
    desk.quote("102.00", "102.00")
    rename(desk, tick_size="0.005")
    new, old = (desk.stage._books.instruments[symbol] for symbol in ("META", "AAPL"))
    assert (new.mark, new.day, new.session, [mark for _, mark in new.closes]) == (
        2 * old.mark if old.mark else 0, old.day, old.session, [2 * mark for _, mark in old.closes],
    )  # fmt: skip
    assert len(new.closes) == 1
    assert new.net(new.held["alpha"]) - (new.held["alpha"].settled or 0) == 10 * 10**new.decimals, "a day's gain"
    desk.define("META", tick_size="0.005")
    desk.quote("103.00", "103.00", symbol="META")
    assert new.mark == 41_200


def test_a_stop_that_the_new_symbols_market_has_reached_already_fires_at_once(desk: ExitsDesk) -> None:
    desk.fill("BUY", "10", "100.00")
    desk.protect(stop_loss="95.00")
    desk.define("META")
    desk.quote("94.00", "94.00", symbol="META")
    rename(desk)
    assert [(each.symbol, each.quantity) for each in desk.sent] == [("META", None)]


def test_the_day_goes_on_where_the_new_symbol_has_a_market_of_its_own(desk: ExitsDesk) -> None:
    desk.fill("BUY", "10", "100.00")
    desk.quote("110.00", "110.00")
    desk.define("META")
    desk.later_ms = 86_400_000
    desk.quote("110.00", "110.00", symbol="META")
    moved = desk.put(
        "AccountAdjusted", account="alpha", symbol="AAPL", adjustment="SYMBOL_CHANGE", amount="0", currency="USD",
        control_id="c", who="me", reason="a new name", old_position="10", position="10", cash="0", new_symbol="META",
    )[-1]  # fmt: skip
    assert moved["day_pnl"] == "0", "100 were made the day before"


def test_a_mark_that_is_another_symbols_is_stale_until_there_is_a_quote(desk: ExitsDesk) -> None:
    desk.fill("BUY", "10", "100.00")
    desk.quote("101.00", "101.00")
    assert [each.get("mark_stale") for each in rename(desk)] == [None, True]
    [marked] = desk.quote("101.00", "101.00", symbol="META")
    assert "mark_stale" not in marked


def test_books_that_differ_from_the_orders_stage_are_left_as_they_are(desk: ExitsDesk) -> None:
    rename(desk)
    assert [each["reason"] for each in desk.dead] == ["not_held"]
    assert desk.stage.gauges()["positions"]["open"] == 0
