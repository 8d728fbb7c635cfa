"""Exits of positions: when they fire, what they send, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from fillstream.libs.common.messages.reference import DAY_MS
from tests.support.exits_desk import ExitsDesk
from tests.support.positions_desk import T0

LONG, SHORT = "long", "short"


@pytest.fixture
def desk() -> ExitsDesk:
    desk = ExitsDesk()
    desk.define()
    return desk


def hold(desk: ExitsDesk, way: str, quantity: str = "10", price: str = "100.00") -> None:
    desk.fill("BUY" if way == LONG else "SELL", quantity, price)


def at(desk: ExitsDesk, price: str) -> None:
    """Quote a market whose mid is that price."""
    desk.quote(price, price)


def fired(desk: ExitsDesk) -> list[tuple[str, str | None, str | None]]:
    """Return status, reason and price of what was told beyond the first."""
    found = [(each["exit_status"], each["exit_reason"], each["stop_px"]) for each in desk.told]
    desk.told.clear()
    return found


@pytest.mark.parametrize(
    ("way", "said", "quiet", "reaches", "reason"),
    [
        (LONG, {"stop_loss": "95.00"}, ["95.01", "140.00"], "95.00", "stop_loss"),
        (SHORT, {"stop_loss": "105.00"}, ["104.99", "60.00"], "105.00", "stop_loss"),
        (LONG, {"take_profit": "105.00"}, ["104.99", "60.00"], "105.00", "take_profit"),
        (SHORT, {"take_profit": "95.00"}, ["95.01", "140.00"], "94.00", "take_profit"),
        (LONG, {"stop_loss_percent": "2.5"}, ["97.51"], "97.50", "stop_loss"),
        (SHORT, {"stop_loss_percent": "2.5"}, ["102.49"], "102.50", "stop_loss"),
        (LONG, {"take_profit_percent": "0.005"}, ["100.00"], "100.01", "take_profit"),
        (SHORT, {"take_profit_percent": "0.005"}, ["100.00"], "99.99", "take_profit"),
        (LONG, {"trailing_stop": "3.00"}, ["98.00", "104.00", "101.01"], "101.00", "trailing_stop"),
        (SHORT, {"trailing_stop": "3.00"}, ["102.00", "96.00", "98.99"], "99.00", "trailing_stop"),
        (LONG, {"trailing_stop_percent": "10"}, ["110.00", "99.01"], "99.00", "trailing_stop"),
        (SHORT, {"trailing_stop_percent": "10"}, ["90.00", "98.99"], "99.00", "trailing_stop"),
        (
            LONG, {"trailing_stop": "1.00", "activation_offset": "5.00"}, ["90.00", "104.99", "105.00", "104.01"],
            "104.00", "trailing_stop",
        ),
        (
            SHORT, {"trailing_stop": "1.00", "activation_offset": "5.00"}, ["110.00", "95.01", "95.00", "95.99"],
            "96.00", "trailing_stop",
        ),
        (LONG, {"break_even_offset": "2.00"}, ["90.00", "101.99", "102.00", "100.01"], "100.00", "break_even"),
        (SHORT, {"break_even_offset": "2.00"}, ["110.00", "98.01", "98.00", "99.99"], "100.00", "break_even"),
    ],
)  # fmt: skip
def test_what_is_reached_closes_long_and_short_alike(
    desk: ExitsDesk, way: str, said: dict[str, Any], quiet: list[str], reaches: str, reason: str
) -> None:
    hold(desk, way)
    desk.protect(**said)
    for price in quiet:
        at(desk, price)
        desk.again()
    assert desk.sent == []
    at(desk, reaches)
    [wish] = desk.sent
    assert (wish.account, wish.symbol, wish.quantity) == ("alpha", "AAPL", None)
    assert wish.client_order_id == wish.signal_id == "exit-1-1-1"
    assert desk.told[-1]["exit_status"] == "TRIGGERED"
    assert desk.told[-1]["exit_reason"] == reason
    at(desk, "1.00")
    at(desk, "1000.00")
    assert len(desk.sent) == 1, "it fires once"


def test_a_stop_that_is_reached_as_it_is_set_fires_at_once(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    at(desk, "94.00")
    desk.protect(stop_loss="95.00")
    assert len(desk.sent) == 1


def test_a_gap_through_the_stop_exits_at_the_market_and_the_difference_is_told(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    desk.protect(stop_loss="95.00")
    at(desk, "90.00")
    desk.put("OrderReceived", **received(desk, "SELL"))
    desk.trade("SELL", "4", "90.00", leaves="6")
    desk.trade("SELL", "6", "89.00")
    last = desk.told[-1]
    assert (last["exit_status"], last["stop_px"], last["mark_px"]) == ("DONE", "95.00", "90.00")
    assert (last["exit_qty"], last["exit_px"], last["gap_px"]) == ("10", "89.40", "5.60")
    assert last["order_id"] == "91"
    [closed] = desk.ended
    assert (closed["type"], closed["reason"]) == ("PositionClosed", "stop_loss")


def test_a_gap_of_a_short_is_the_other_way_round(desk: ExitsDesk) -> None:
    hold(desk, SHORT)
    desk.protect(take_profit="95.00", protection_id="target")
    at(desk, "90.00")
    desk.trade("BUY", "10", "91.00")
    assert desk.told[-1]["gap_px"] == "-4.00"
    assert desk.ended[0]["reason"] == "take_profit"


def received(desk: ExitsDesk, side: str) -> dict[str, Any]:
    order = desk.closing(desk.sent[-1], side, ord_status="New", cum_qty="0", leaves_qty="10", quantity="10")
    return order | {
        "signal_id": desk.sent[-1].signal_id, "order_type": "MARKET", "price": None, "time_in_force": "IOC",
        "strategy": None, "confidence": None, "venue": "SIM",
    }  # fmt: skip


def test_percents_follow_the_mean_price_and_prices_stay(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    desk.protect(stop_loss_percent="10", take_profit="130.00")
    assert (desk.told[-1]["stop_px"], desk.told[-1]["take_profit_px"]) == ("90.00", "130.00")
    hold(desk, LONG, "10", "80.00")
    at(desk, "85.00")
    assert desk.sent == []
    desk.again()
    at(desk, "81.00")
    assert desk.told[-1]["stop_px"] == "81.00"


def test_a_mean_price_that_no_tick_is_rounds_away_from_the_market(desk: ExitsDesk) -> None:
    hold(desk, LONG, "2", "10.00")
    hold(desk, LONG, "1", "10.01")
    desk.protect(stop_loss_percent="50", take_profit_percent="50", break_even_offset="1.00")
    assert (desk.told[-1]["stop_px"], desk.told[-1]["take_profit_px"]) == ("5.00", "15.01")
    at(desk, "11.01")
    assert desk.told[-1]["stop_px"] == "10.01"


def test_a_flip_and_a_close_by_hand_clear_what_protects(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    desk.protect(stop_loss="95.00")
    hold(desk, SHORT, "15")
    assert fired(desk)[-1][0] == "ENDED"
    at(desk, "90.00")
    desk.protect(stop_loss="120.00")
    hold(desk, LONG, "5")
    assert fired(desk)[-1][0] == "ENDED"
    at(desk, "130.00")
    assert desk.sent == []
    assert desk.stage.gauges()["exits_armed"] == {"": 0}


def test_a_refused_exit_is_tried_again_after_longer_and_longer(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    desk.protect(stop_loss="95.00")
    at(desk, "95.00")
    waits = []
    for _ in range(8):
        desk.refuse()
        last = desk.told[-1]
        assert (last["exit_status"], last["text"]) == ("FAILED", "the desk is HALTED")
        assert desk.stage.gauges()["exits_failing"] == {"": 1}
        waits.append(last["retry_time"] - last["time"])
        desk.again()
        sent, due = len(desk.sent), last["retry_time"] - T0
        desk.tick(due - 1)
        assert len(desk.sent) == sent, "not yet"
        desk.tick(due)
        assert len(desk.sent) == sent + 1
        desk.later_ms += waits[-1]
        at(desk, "99.00")
    assert waits == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]
    assert [wish.client_order_id for wish in desk.sent] == [f"exit-1-1-{n}" for n in range(1, 10)]
    desk.trade("SELL", "10", "96.00")
    assert desk.told[-1]["exit_status"] == "DONE"
    assert desk.stage.gauges()["exits_failing"] == {"": 0}


def test_what_an_order_left_is_closed_by_the_next_one(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    desk.protect(stop_loss="95.00", quantity="8")
    at(desk, "95.00")
    assert desk.sent[-1].quantity == "8"
    desk.trade("SELL", "3", "95.00", leaves="5")
    desk.again()
    desk.end("SELL", "5")
    assert desk.told[-1]["exit_status"] == "FAILED"
    desk.later_ms += 1_000
    at(desk, "94.00")
    assert desk.sent[-1].quantity == "5"
    desk.again()
    desk.trade("SELL", "5", "94.00")
    assert (desk.told[-1]["exit_status"], desk.told[-1]["exit_qty"], desk.told[-1]["exit_px"]) == (
        "DONE",
        "8",
        "94.375",
    )
    at(desk, "1.00")
    assert len(desk.sent) == 2, "the part is closed, the rest is not its business"


def test_of_a_whole_position_more_is_closed_until_the_desk_says_that_others_have_it(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    desk.protect(stop_loss="95.00")
    at(desk, "95.00")
    desk.trade("SELL", "6", "95.00")  # others worked to close four, as it came
    assert len(desk.sent) == 2
    desk.refuse("nothing_to_reduce", "symbol: alpha holds 4 AAPL, and 4 work to close it already")
    assert desk.told[-1]["exit_status"] == "DONE"
    assert desk.stage.gauges()["exits_failing"] == {"": 0}


def test_two_targets_close_a_part_each(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    desk.protect(take_profit="101.00", quantity="4", protection_id="first")
    desk.protect(take_profit="102.00", quantity="6", protection_id="second")
    at(desk, "103.00")
    assert [wish.quantity for wish in desk.sent] == ["4", "6"], "the nearer one first"
    assert [each["exit_status"] for each in desk.told[-2:]] == ["TRIGGERED", "TRIGGERED"]


def test_time_limits_count_from_the_opening_and_times_are_times(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    desk.protect(time_limit_ms=5_000, protection_id="limit")
    desk.protect(exit_time=1_700_000_009_000, protection_id="time", quantity="1")
    desk.again()
    desk.tick(5_001)
    assert desk.sent == []
    desk.tick(5_002)
    assert [desk.told[-1]["exit_reason"], desk.told[-1]["stop_px"]] == ["time_limit", None]
    desk.tick(9_000)
    assert desk.told[-1]["exit_reason"] == "exit_time"
    assert [wish.quantity for wish in desk.sent] == [None, "1"]


def test_what_it_waits_for_is_told_with_it(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    opened = T0 + desk.seq
    desk.protect(time_limit_ms=5_000, exit_time=T0 + 9_000)
    assert desk.told[-1]["exit_time"] == opened + 5_000, "the sooner one"
    desk.protect(trailing_stop="1.00", activation_offset="5.00", break_even_offset="2.00", protection_id="offsets")
    told = desk.told[-1]
    assert (told["activation_px"], told["break_even_px"], "exit_time" in told) == ("105.00", "102.00", False)
    at(desk, "105.00")
    assert not {"activation_px", "break_even_px"} & desk.told[-1].keys(), "one mark reached both"
    assert desk.told[-1]["stop_px"] == "104.00"
    at(desk, "104.00")
    assert desk.told[-1]["exit_reason"] == "trailing_stop"


@pytest.mark.parametrize(
    ("way", "far", "best", "through", "passed"),
    [(LONG, "95.00", "110.00", "90.00", "108.00"), (SHORT, "105.00", "90.00", "110.00", "92.00")],
)
def test_of_a_stop_and_a_trailing_one_that_one_mark_passes_the_nearer_is_told(
    desk: ExitsDesk, way: str, far: str, best: str, through: str, passed: str
) -> None:
    hold(desk, way)
    desk.protect(stop_loss=far, trailing_stop="2.00")
    at(desk, best)
    at(desk, through)
    assert (desk.told[-1]["exit_reason"], desk.told[-1]["stop_px"]) == ("trailing_stop", passed)


def test_the_same_name_takes_the_place_and_a_cancel_takes_away(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    desk.protect(stop_loss="95.00")
    desk.protect(stop_loss="90.00")
    at(desk, "94.00")
    assert desk.sent == []
    desk.protect(stop_loss="93.00", protection_id="other")
    desk.cancel(protection_id="other")
    assert (desk.told[-1]["protection_id"], desk.told[-1]["exit_status"]) == ("other", "ENDED")
    at(desk, "92.00")
    assert desk.sent == []
    desk.cancel()
    at(desk, "80.00")
    assert desk.sent == []
    assert desk.stage.gauges()["exits_armed"] == {"": 0}


def test_another_accounts_position_is_its_own(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    desk.fill("BUY", "5", "100.00", account="beta")
    desk.protect(stop_loss="95.00", account="beta")
    at(desk, "90.00")
    assert [wish.account for wish in desk.sent] == ["beta"]


def test_a_split_moves_prices_with_it(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    at(desk, "100.00")
    desk.protect(stop_loss="95.00", take_profit="110.01", quantity="4")
    desk.protect(trailing_stop="10.00", protection_id="trail")
    desk.put(
        "AccountAdjusted", account="alpha", symbol="AAPL", adjustment="SPLIT", ratio="2:1", amount="0", currency="USD",
        control_id="c", who="me", reason="a split", old_position="10", position="20", cash="0",
    )  # fmt: skip
    told = [(each["protection_id"], each["stop_px"], each["take_profit_px"], each["text"]) for each in desk.told[-2:]]
    assert told == [
        ("default", "47.50", "55.00", "the position was split 2:1"),
        ("trail", "45.00", None, "the position was split 2:1"),
    ]  # fmt: skip
    desk.again()
    at(desk, "47.50")
    assert (desk.sent[-1].quantity, desk.told[-1]["stop_px"]) == ("8", "47.50")
    at(desk, "45.00")
    assert desk.told[-1]["exit_reason"] == "trailing_stop"


def test_a_split_leaves_no_stop_that_trails_by_nothing(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    at(desk, "100.00")
    desk.protect(trailing_stop="0.01")
    desk.put(
        "AccountAdjusted", account="alpha", symbol="AAPL", adjustment="SPLIT", ratio="3:1", amount="0", currency="USD",
        control_id="c", who="me", reason="a split", old_position="10", position="30", cash="0",
    )  # fmt: skip
    at(desk, "33.34")
    assert desk.sent == []
    at(desk, "33.32")
    assert len(desk.sent) == 1


def test_a_protection_whose_order_is_on_its_way_can_be_replaced_and_is_told_so(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    desk.protect(stop_loss="95.00")
    at(desk, "94.00")
    desk.statuses  # noqa: B018 - what was told until here
    desk.protect(stop_loss="90.00")
    assert desk.statuses == [("ENDED", "stop_loss"), ("ARMED", None)]


def test_a_finer_tick_keeps_every_price(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    at(desk, "100.00")
    desk.protect(stop_loss="95.00", trailing_stop="10.00")
    desk.define(tick_size="0.005", lot_size="0.5")
    desk.again()
    desk.quote("95.005", "95.005")
    assert desk.sent == []
    desk.quote("95.00", "95.00")
    assert desk.told[-1]["stop_px"] == "95.000"


def test_a_position_has_so_many_protections_and_no_more(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    for number in range(101):
        desk.protect(stop_loss="95.00", protection_id=f"p{number}")
    assert [each["text"] for each in desk.dead] == [
        "protection_id: alpha has 100 protections of AAPL, and may have no more"
    ]


def test_bid_and_ask_are_what_longs_and_shorts_are_marked_by_where_the_instrument_says_so(desk: ExitsDesk) -> None:
    desk.define(mark_price_type="CLOSING")
    hold(desk, LONG)
    desk.protect(stop_loss="95.00")
    desk.fill("SELL", "5", "100.00", account="beta")
    desk.protect(stop_loss="105.00", account="beta")
    desk.quote("95.01", "104.99")
    assert desk.sent == []
    desk.quote("95.00", "104.99")
    desk.quote("95.00", "105.00")
    assert [wish.account for wish in desk.sent] == ["alpha", "beta"]


def account(desk: ExitsDesk, **terms: str) -> None:
    of_orders = {"max_order_value": "1000000", "max_daily_orders": 1, "min_order_size": "0", "max_slippage_bps": "0"}
    desk.put("AccountDefined", account="alpha", account_id=1, venue=None, **of_orders, **terms)


def test_an_accounts_own_exit_protects_every_position_that_it_opens(desk: ExitsDesk) -> None:
    account(desk, exit_stop_loss_percent="5", exit_take_profit_percent="10")
    hold(desk, LONG)
    assert (desk.told[-1]["protection_id"], desk.told[-1]["stop_px"], desk.told[-1]["take_profit_px"]) == (
        "account", "95.00", "110.00",
    )  # fmt: skip
    hold(desk, LONG, "10", "80.00")
    desk.again()
    at(desk, "85.50")
    assert desk.told[-1]["exit_reason"] == "stop_loss"
    desk.trade("SELL", "20", "85.50")
    at(desk, "100.00")
    hold(desk, SHORT)
    assert (desk.told[-1]["exit_status"], desk.told[-1]["stop_px"]) == ("ARMED", "105.00")
    hold(desk, LONG, "15", "101.00")
    assert (desk.told[-1]["exit_status"], desk.told[-1]["stop_px"]) == ("ARMED", "95.95"), "turned, it is another"
    desk.cancel(protection_id="account")
    hold(desk, LONG, "5", "101.00")
    assert desk.told[-1]["exit_status"] == "ENDED", "what was taken away stays so for that position"


def test_what_others_close_is_tried_again_and_is_no_alarm(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    desk.protect(stop_loss="95.00")
    at(desk, "95.00")
    desk.refuse("nothing_to_reduce", "symbol: brackets protect all AAPL that alpha holds")
    assert desk.told[-1]["exit_status"] == "FAILED"
    assert desk.stage.gauges()["exits_failing"] == {"": 0}
    desk.again()
    desk.tick(desk.told[-1]["retry_time"] - T0)
    desk.refuse()
    assert desk.stage.gauges()["exits_failing"] == {"": 1}


def test_a_bust_of_the_opening_fill_ends_what_protected_it(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    exec_id = f"SIM-0-{desk.seq - 1}-B"
    desk.protect(stop_loss="95.00")
    desk.restate("TradeBusted", exec_id, "10", "100.00")
    assert desk.told[-1]["exit_status"] == "ENDED"
    at(desk, "90.00")
    assert desk.sent == []


def test_a_part_of_fractions_of_a_unit_is_closed_like_any_other(desk: ExitsDesk) -> None:
    desk.define("BTC", lot_size="0.01")
    desk.fill("BUY", "2.00", "100.00", symbol="BTC")
    desk.protect(symbol="BTC", exit_time=T0 + 1_000, quantity="0.50")
    desk.tick(1_000)
    desk.trade("SELL", "0.50", "100.00", leaves="0.00", symbol="BTC")
    assert (desk.told[-1]["exit_status"], desk.told[-1]["exit_qty"]) == ("DONE", "0.50")


def split(desk: ExitsDesk, ratio: str, old: str, new: str) -> None:
    desk.put(
        "AccountAdjusted", account="alpha", symbol="AAPL", adjustment="SPLIT", ratio=ratio, amount="0", currency="USD",
        control_id="c", who="me", reason="a split", old_position=old, position=new, cash="0",
    )  # fmt: skip


def test_a_split_amid_an_exit_closes_no_more_than_the_part(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    desk.protect(stop_loss="95.00", quantity="8")
    at(desk, "95.00")
    desk.trade("SELL", "3", "94.00", leaves="5")
    desk.end("SELL", "5")
    split(desk, "2:1", "7", "14")
    desk.again()
    desk.tick(2_000)
    assert desk.sent[-1].quantity == "10", "five of before"
    desk.trade("SELL", "10", "47.00")
    last = desk.told[-1]
    assert [last[name] for name in ("exit_status", "exit_qty", "exit_px", "stop_px", "gap_px")] == [
        "DONE", "16", "47.00", "47.50", "0.50",
    ]  # fmt: skip


def test_a_trailing_stop_stays_a_tick_behind_whatever_a_split_makes_of_it(desk: ExitsDesk) -> None:
    hold(desk, LONG)
    at(desk, "100.00")
    desk.protect(trailing_stop="0.02")
    desk.protect(trailing_stop_percent="10", protection_id="percent")
    split(desk, "10:1", "10", "100")
    desk.again()
    at(desk, "10.00")
    assert desk.sent == []
    at(desk, "9.99")
    assert (desk.told[-1]["protection_id"], desk.told[-1]["stop_px"]) == ("default", "9.99")
    at(desk, "9.01")
    assert len(desk.sent) == 1, "ten per cent are ten per cent"
    at(desk, "9.00")
    assert len(desk.sent) == 2


def test_an_accounts_own_exit_protects_what_paid_its_fee_of_itself(desk: ExitsDesk) -> None:
    account(desk, exit_stop_loss_percent="5")
    desk.fill("BUY", "10", "100.00", fee="100", fee_qty="1")
    last = desk.told[-1]
    assert (last["exit_status"], last["held_qty"], last["stop_px"]) == ("ARMED", "9", "95.00")
    desk.cancel()
    desk.fill("BUY", "10", "100.00")
    assert desk.told[-1]["exit_status"] == "ENDED", "what was taken away stays so for that position"


def test_an_accounts_own_exit_protects_what_a_bust_makes_open_again(desk: ExitsDesk) -> None:
    account(desk, exit_stop_loss_percent="5")
    hold(desk, LONG, "5")
    hold(desk, LONG, "5")
    hold(desk, SHORT, "10")
    assert desk.told[-1]["exit_status"] == "ENDED"
    desk.restate("TradeBusted", f"SIM-0-{desk.seq - 1}-B", "10", "100.00", side="SELL")
    assert (desk.told[-1]["exit_status"], desk.told[-1]["held_qty"]) == ("ARMED", "10")


def test_a_part_with_as_many_digits_as_there_may_be_is_sent_so_that_it_is_taken(desk: ExitsDesk) -> None:
    desk.define("COIN", lot_size="0.00000001")
    many = "12345678901234567890"
    desk.fill("BUY", many, "100.00", symbol="COIN")
    desk.protect(symbol="COIN", exit_time=T0 + 1_000, quantity=many)
    desk.tick(1_000)
    assert desk.sent[-1].quantity == many


def test_a_snapshot_amid_a_position_without_kept_trades_changes_nothing_of_later_ones() -> None:
    def snapshot(restored: bool) -> bytes:
        desk = ExitsDesk()
        desk.define()
        desk.quote("100.00", "100.00")
        desk.fill("BUY", "10", "100.00")
        desk.put(
            "AccountAdjusted", account="alpha", symbol="AAPL", adjustment="SPLIT", amount="0", currency="USD",
            ratio="2:1", control_id="s", who="me", reason="split", cash="0", position="20", old_position="10",
        )  # fmt: skip
        desk.quote("40.00", "40.00")
        if restored:
            desk.again()
        desk.fill("BUY", "1", "40.00", order_id="8")
        return desk.stage.snapshot()

    assert snapshot(True) == snapshot(False)


def test_nothing_is_closed_by_a_mark_of_the_shares_before_a_split(desk: ExitsDesk) -> None:
    """Whatever makes the desk look at the mark: a fill, a protection, an account's terms."""
    hold(desk, LONG)
    at(desk, "100.00")
    desk.protect(take_profit="120.00", protection_id="take")
    split(desk, "2:1", "10", "20")
    desk.again()
    desk.protect(trailing_stop="1.00", stop_loss="40.00")
    desk.fill("BUY", "2", "50.00")
    assert desk.sent == []
    at(desk, "50.00")
    assert desk.sent == []
    at(desk, "49.00")
    assert [(desk.told[-1][name]) for name in ("protection_id", "exit_reason")] == ["default", "trailing_stop"]


def test_the_last_mark_of_the_shares_before_a_split_ends_no_session(desk: ExitsDesk) -> None:
    """A move from one share to another is none that value at risk may count."""
    hold(desk, LONG)
    at(desk, "100.00")
    split(desk, "2:1", "10", "20")
    for day, px in ((1, "50.00"), (2, "51.00"), (3, "52.00")):
        desk.later_ms = day * DAY_MS
        at(desk, px)
    assert [mark for _, mark in desk.stage._books.instruments["AAPL"].closes] == [10_000, 10_200]
