"""Positions that end, sessions that end, and trades that a venue takes back: what the stage says of them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.reference import DAY_MS
from fillstream.services.position_service.books import books
from tests.support.positions_desk import T0, PositionsDesk


@pytest.fixture
def desk() -> PositionsDesk:
    desk = PositionsDesk()
    desk.define()
    return desk


def of(message: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(message[name] for name in names)


def next_day(desk: PositionsDesk, days: int = 1) -> None:
    desk.later_ms += days * DAY_MS


def test_a_position_that_ends_is_told_with_all_that_it_was(desk: PositionsDesk) -> None:
    desk.fill("BUY", "10", "5.00", fee="0.1")
    desk.quote("5.50", "5.52")
    desk.quote("4.80", "4.82")
    desk.fill("BUY", "10", "6.00", fee="0.1", order_id="8")
    desk.fill("SELL", "5", "7.00", fee="-0.05", order_id="9")
    assert desk.ended == []
    closed = desk.fill("SELL", "15", "6.50", order_id="10")
    assert of(closed, "change", "position", "position_id") == ("closed", "0", "1-2")
    assert desk.ended == [{
        "type": "PositionClosed", "v": 1, "seq": 7, "time": T0 + 7, "account": "alpha", "symbol": "AAPL",
        "currency": "USD", "reason": "fill", "order_id": "10", "exec_id": "SIM-0-6-B", "position_id": "1-2",
        "side": "BUY", "fills": 4, "opened_time": T0 + 2, "duration_ms": 5, "peak_qty": "20", "traded_qty": "40",
        "entry_px": "5.50", "exit_px": "6.625", "gross_pnl": "22.5", "paid_fees": "0.15",
        "net_return": "0.203181818182", "best_pnl": "5.1", "worst_pnl": "-1.9",
    }]  # fmt: skip


def test_a_fill_that_turns_a_position_ends_one_and_opens_the_next_and_both_pay_its_fee(desk: PositionsDesk) -> None:
    desk.fill("SELL", "10", "5.00", position_id="swing-1")
    turned = desk.fill("BUY", "30", "4.00", fee="0.3", order_id="8", position_id="swing-2")
    assert of(turned, "change", "position", "position_id") == ("flipped", "20", "swing-2")
    [closed] = desk.ended
    assert of(closed, "position_id", "side", "reason", "gross_pnl", "paid_fees", "peak_qty") == (
        "swing-1", "SELL", "flip", "10", "0.1", "10"
    )  # fmt: skip
    desk.fill("SELL", "20", "4.00", order_id="9")
    [closed] = desk.ended
    assert of(closed, "position_id", "side", "reason", "paid_fees", "fills") == ("swing-2", "BUY", "fill", "0.2", 2)


def test_a_bust_makes_all_as_if_the_trade_had_never_been(desk: PositionsDesk) -> None:
    """By average cost a trade the other way would leave 5.50 as the mean of what was bought at 5.00."""
    desk.fill("BUY", "10", "5.00", exec_id="a")
    desk.fill("BUY", "10", "6.00", exec_id="b")
    desk.fill("SELL", "10", "7.00", exec_id="c", fee="0.5")
    busted, ended = desk.restate("TradeBusted", "b", "10", "6.00")
    assert of(busted, "change", "restated", "last_qty", "last_px") == ("closed", "recomputed", "-10", "6.00")
    assert of(busted, "position", "realized_pnl", "fees", "cash") == ("0", "20", "0.5", "19.5")
    assert of(ended, "entry_px", "exit_px", "gross_pnl", "traded_qty", "fills") == ("5.00", "7.00", "20", "20", 2)


def test_a_bust_that_ends_a_position_tells_its_end_and_one_that_revives_it_names_it_again(desk: PositionsDesk) -> None:
    desk.fill("BUY", "10", "5.00", exec_id="a")
    desk.fill("SELL", "10", "6.00", exec_id="b", order_id="8")
    [ended] = desk.ended
    [busted] = desk.restate("TradeBusted", "b", "10", "6.00", side="SELL", order_id="8")
    assert of(busted, "change", "position", "position_id") == ("opened", "10", "1-2"), "the one that had ended"
    busted, closed = desk.restate("TradeBusted", "a", "10", "5.00")
    assert of(busted, "change", "position", "position_id") == ("closed", "0", "1-2")
    assert of(closed, "position_id", "reason", "fills", "entry_px", "duration_ms") == (
        ended["position_id"], "restated", 0, None, None
    )  # fmt: skip


def test_a_correction_is_what_the_trade_was_taken_back_and_what_it_is(desk: PositionsDesk) -> None:
    desk.fill("BUY", "10", "5.00", exec_id="a", fee="0.1")
    desk.fill("SELL", "10", "6.00", exec_id="b", order_id="8")
    old = {"old_qty": "10", "old_px": "5.00", "old_fee": "0.1"}
    back, now, closed = desk.restate("TradeCorrected", "a", "10", "5.50", fee="0.2", **old)
    assert of(back, "last_qty", "last_px", "position", "change", "fees") == ("-10", "5.00", "-10", "opened", "0")
    assert of(now, "last_qty", "last_px", "position", "change", "fees") == ("10", "5.50", "0", "closed", "0.2")
    assert of(now, "realized_pnl", "restated", "position_id") == ("5", "recomputed", "1-2")
    assert of(closed, "position_id", "gross_pnl", "paid_fees", "reason", "best_pnl") == (
        "1-2", "5", "0.2", "restated", None
    )  # fmt: skip
    assert desk.stage.gauges()["positions"] == {"open": 0, "flat": 1}


def test_what_the_venue_says_otherwise_than_it_was_told_is_booked_by_its_word(desk: PositionsDesk) -> None:
    """Of an order that left the memory the report says what the trade was: cash and fees go by that."""
    desk.fill("BUY", "10", "5.00", exec_id="a", fee="0.1")
    busted, _ = desk.restate("TradeBusted", "a", "10", "5.00", fee="0.2")
    assert of(busted, "restated", "position", "fees", "cash") == ("adjusted", "0", "-0.1", "0.1")
    assert desk.restate("TradeBusted", "never", "1", "5.00")[0]["restated"] == "adjusted"


def test_a_trade_of_the_third_session_before_is_adjusted_and_one_of_the_second_is_not(desk: PositionsDesk) -> None:
    desk.fill("BUY", "10", "5.00", exec_id="a")
    next_day(desk, 3)
    desk.fill("BUY", "10", "6.00", exec_id="b", order_id="8")
    next_day(desk)
    desk.quote("6.00", "6.02")
    assert desk.restate("TradeBusted", "a", "10", "5.00")[0]["restated"] == "recomputed", "days without are none"
    next_day(desk)
    desk.quote("6.00", "6.04")
    assert desk.restate("TradeBusted", "b", "10", "6.00", order_id="8")[0]["restated"] == "recomputed"
    desk.fill("BUY", "10", "6.00", exec_id="c", order_id="9")
    for _ in range(3):
        next_day(desk)
        desk.quote("6.00", "6.02")
    assert desk.restate("TradeBusted", "c", "10", "6.00", order_id="9")[0]["restated"] == "adjusted"


def test_a_trade_from_before_a_split_is_adjusted(desk: PositionsDesk) -> None:
    desk.fill("BUY", "10", "5.00", exec_id="a")
    split = {"control_id": "c", "who": "ops", "reason": "2:1", "adjustment": "SPLIT", "ratio": "2:1"}
    desk.put(
        "AccountAdjusted", account="alpha", symbol="AAPL", old_position="10", position="20", amount="0", currency="USD",
        cash="0", **split,
    )  # fmt: skip
    [busted] = desk.restate("TradeBusted", "a", "10", "5.00")
    assert of(busted, "restated", "position", "cash") == ("adjusted", "10", "0")


def split(desk: PositionsDesk, ratio: str, old: str, new: str) -> None:
    said = {"control_id": "c", "who": "ops", "reason": ratio, "adjustment": "SPLIT", "ratio": ratio, "amount": "0"}
    whose = {"account": "alpha", "symbol": "AAPL", "old_position": old, "position": new}
    desk.put("AccountAdjusted", **whose, currency="USD", cash="0", **said)


def test_what_a_split_came_into_is_told_in_lots_of_after_it(desk: PositionsDesk) -> None:
    desk.fill("BUY", "10", "6.00")
    desk.fill("SELL", "5", "7.00", order_id="8")
    desk.fill("BUY", "1", "6.00", order_id="9")
    split(desk, "3:2", "6", "9")
    desk.fill("SELL", "9", "5.00", order_id="10")
    [closed] = desk.ended
    assert of(closed, "peak_qty", "traded_qty", "entry_px", "exit_px", "gross_pnl") == (
        "15", "33", "4.00", "4.848484848485", "14"
    )  # fmt: skip
    assert closed["net_return"] == "0.212121212121"


def test_a_fee_in_what_was_bought_is_a_part_of_the_trip_and_a_bust_of_it_is_adjusted(desk: PositionsDesk) -> None:
    desk.define("BTC", lot_size="0.1")
    bought = desk.fill("BUY", "10", "5.00", exec_id="a", symbol="BTC", fee_qty="0.5")
    assert of(bought, "position", "cash", "change") == ("9.5", "-47.5", "opened")
    sold = desk.fill("SELL", "9.5", "6.00", order_id="8", symbol="BTC")
    assert of(sold, "change", "position") == ("closed", "0.0")
    assert of(desk.ended[0], "traded_qty", "peak_qty", "gross_pnl") == ("20.0", "10.0", "9.5")
    [busted] = desk.restate("TradeBusted", "a", "10", "5.00", symbol="BTC")
    assert of(busted, "restated", "position") == ("adjusted", "-10.0"), "its venue does not say that the fee comes back"


def test_what_marks_made_of_a_position_that_is_still_open_is_kept_when_a_trade_of_it_is_restated(
    desk: PositionsDesk,
) -> None:
    desk.fill("BUY", "10", "5.00", exec_id="a")
    desk.fill("BUY", "10", "5.00", exec_id="b")
    desk.quote("6.00", "6.00")
    desk.restate("TradeBusted", "b", "10", "5.00")
    desk.fill("SELL", "10", "5.00", order_id="8")
    assert of(desk.ended[0], "best_pnl", "worst_pnl", "fills") == ("20", "0", 2)


def test_a_bust_that_turns_what_is_open_names_what_it_was(desk: PositionsDesk) -> None:
    desk.fill("BUY", "10", "5.00", exec_id="a", position_id="one")
    desk.fill("SELL", "10", "6.00", exec_id="b", position_id="one")
    desk.fill("BUY", "5", "5.00", exec_id="c", position_id="two")
    told = desk.restate("TradeBusted", "c", "5", "5.00")
    assert [of(each, "type", "position_id") for each in told] == [("PositionChanged", "two"), ("PositionClosed", "two")]
    assert told[1]["fills"] == 0


def test_a_finer_grid_changes_nothing_of_what_is_remembered(desk: PositionsDesk) -> None:
    desk.quote("5.00", "5.00")
    desk.fill("BUY", "10", "4.00", exec_id="a", fee="1")
    desk.fill("BUY", "10", "4.50", exec_id="b", order_id="8")
    desk.fill("SELL", "5", "5.00", exec_id="s", order_id="7")
    desk.quote("6.00", "6.00")
    next_day(desk)
    desk.quote("6.50", "6.50")
    desk.fill("BUY", "10", "4.00", exec_id="a2", account="beta")
    desk.fill("SELL", "5", "5.00", order_id="8", account="beta")
    desk.define(tick_size="0.000000003", lot_size="0.000000007")
    desk.fill("SELL", "5", "6.00", order_id="9", account="beta")
    assert of(desk.ended[0], "gross_pnl", "entry_px") == ("15", "4.000000000")
    busted, *_ = desk.restate("TradeBusted", "b", "10", "4.50", order_id="8")
    assert of(busted, "restated", "cash", "position") == ("recomputed", "-16", "5.000000000")
    assert busted["day_pnl"] == "2.5", "five from 6.00 to 6.50, as if no more had ever been bought"
    desk.fill("SELL", "5", "6.50", order_id="9")
    [closed] = desk.ended
    assert of(closed, "gross_pnl", "paid_fees", "entry_px", "best_pnl", "fills") == (
        "17.5", "1", "4.000000000", "37.5", 3
    )  # fmt: skip
    assert Fraction(closed["exit_px"]) == Fraction("5.75")
    assert of(closed, "peak_qty", "traded_qty") == ("10.000000000", "20.000000000")


def test_a_bust_of_today_leaves_what_the_session_before_ended_with(desk: PositionsDesk) -> None:
    desk.quote("5.00", "5.00")
    desk.fill("BUY", "10", "5.00", exec_id="a")
    next_day(desk)
    desk.quote("6.00", "6.00")
    desk.fill("BUY", "10", "5.50", exec_id="b", order_id="8")
    [busted] = desk.restate("TradeBusted", "b", "10", "5.50", order_id="8")
    assert busted["day_pnl"] == "10"
    busted, _ = desk.restate("TradeBusted", "a", "10", "5.00", fee="0.5")
    assert of(busted, "restated", "day_pnl") == ("adjusted", "0"), "it was none of yesterday's, but for its fee"


def test_without_a_mark_the_day_counts_what_was_realized(desk: PositionsDesk) -> None:
    desk.fill("BUY", "10", "4.00", fee="1")
    next_day(desk)
    desk.fill("BUY", "10", "4.00", fee="1")
    assert desk.fill("SELL", "10", "5.00", order_id="8")["day_pnl"] == "9"


def test_after_an_upgrade_the_days_result_is_unknown_until_the_session_has_ended(desk: PositionsDesk) -> None:
    desk.fill("BUY", "10", "4.00", exec_id="a")
    document = orjson.loads(desk.stage.snapshot())
    document["instruments"][0]["held"][0]["settled"] = None
    document["instruments"][0]["settlement"] = ["1000", "1000"]
    desk.stage.restore(orjson.dumps(document))
    [marked] = desk.quote("5.00", "5.00")
    assert marked["day_pnl"] is None
    desk.define(tick_size="0.005")
    assert desk.restate("TradeBusted", "never", "1", "5.00")[0]["day_pnl"] is None
    next_day(desk)
    assert desk.quote("6.00", "6.00")[0]["day_pnl"] == "9"


def test_the_same_execution_is_booked_once(desk: PositionsDesk) -> None:
    desk.fill("BUY", "10", "5.00", exec_id="a")
    assert desk.put("OrderFilled", **desk.order("BUY", exec_id="a", venue="SIM", last_qty="10", last_px="5.00",
                    liquidity="TAKER", fee="0", currency="USD", strategy=None)) == []  # fmt: skip
    assert [letter["reason"] for letter in desk.dead] == ["repeated_trade"]
    assert desk.fill("BUY", "1", "5.00", exec_id="b")["position"] == "11"
    assert desk.fill("BUY", "1", "5.00", exec_id="a", order_id="8")["position"] == "12", "another order's"


@pytest.mark.parametrize(("method", "realized", "mean"), [("AVERAGE", "600", "11.00"), ("FIFO", "650", "12.00"),
                                                          ("LIFO", "550", "10.00")])  # fmt: skip
def test_an_account_counts_by_its_own_method_of_cost(
    desk: PositionsDesk, method: str, realized: str, mean: str
) -> None:
    desk.put("AccountDefined", account="alpha", account_id=1, max_order_value="1", max_daily_orders=1,
             min_order_size="0", max_slippage_bps="10", max_exit_slippage_bps="10000",
             **({} if method == "AVERAGE" else {"cost_method": method}))  # fmt: skip
    desk.fill("BUY", "100", "10.00")
    desk.fill("BUY", "100", "12.00")
    sold = desk.fill("SELL", "150", "15.00")
    assert of(sold, "realized_pnl", "avg_px") == (realized, mean)
    again = PositionsDesk()
    again.stage.restore(desk.stage.snapshot())
    assert again.stage.snapshot() == desk.stage.snapshot()
    again.seq = desk.seq
    assert again.fill("SELL", "50", "15.00") == desk.fill("SELL", "50", "15.00")


def test_the_days_result_counts_from_the_mark_with_which_the_session_before_ended(desk: PositionsDesk) -> None:
    desk.quote("5.00", "5.00")
    assert desk.fill("BUY", "10", "4.00", fee="1", exec_id="a")["day_pnl"] == "9"
    [marked] = desk.quote("6.00", "6.00")
    assert marked["day_pnl"] == "19"
    next_day(desk)
    [marked] = desk.quote("6.50", "6.50")
    assert of(marked, "day_pnl", "unrealized_pnl") == ("5", "25")
    assert desk.fill("SELL", "10", "7.00", order_id="8")["day_pnl"] == "10"
    busted, _ = desk.restate("TradeBusted", "a", "10", "4.00", fee="1")
    assert busted["day_pnl"] == "5", "a short sale at 7.00, at 6.50 now: yesterday nothing was held"


def test_a_partition_keeps_so_many_trades_and_lets_go_of_the_older_half(
    desk: PositionsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "MOST_TRADES", 10)
    for number in range(11):
        desk.fill("BUY", "1", "5.00", exec_id=f"e{number}")
    assert desk.restate("TradeBusted", "e4", "1", "5.00")[0]["restated"] == "adjusted"
    assert desk.restate("TradeBusted", "e5", "1", "5.00")[0]["restated"] == "recomputed"
    assert desk.fill("BUY", "1", "5.00")["position"] == "10"


def test_where_positions_have_one_trade_alone_all_are_let_go_of_and_not_counted_anew_with_each(
    desk: PositionsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "MOST_TRADES", 10)
    for number in range(11):
        desk.fill("BUY", "1", "5.00", exec_id="e", account=f"a{number}")
    assert desk.stage._books.trades == 0
    assert desk.restate("TradeBusted", "e", "1", "5.00", account="a10")[0]["restated"] == "adjusted"
    assert desk.fill("BUY", "1", "5.00", exec_id="f", account="a9")["position"] == "2"
    assert desk.restate("TradeBusted", "f", "1", "5.00", account="a9")[0]["restated"] == "recomputed"
