"""Brackets: exits are as large as what is to be protected, and never more of it is out than there is."""

from __future__ import annotations

from typing import Any

import pytest

from fillstream.libs.common.messages.codes import CancelRejectReason, RejectReason
from fillstream.services.order_service.orders.groups.bracket_record import dump_bracket, load_bracket
from fillstream.services.order_service.orders.life.special import Special
from tests.support.family_desk import FamilyDesk


@pytest.fixture
def desk() -> FamilyDesk:
    desk = FamilyDesk()
    desk.quote(18_490, 18_500)
    desk.print(18_495)
    return desk


def entry(desk: FamilyDesk, **fields: Any) -> list[dict[str, Any]]:
    said = {"symbol": "AAPL", "side": "BUY", "quantity": "100", "price": "185.00", "time_in_force": "GTC"}
    return desk.signal(client_order_id="e", **(said | fields))


def kinds(events: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(each["type"], each.get("client_order_id")) for each in events]


def test_exits_come_with_the_fill_and_the_stop_waits_in_the_desk(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", take_profit="187.00")
    assert desk.working() == {"e.1": ("Suspended", 100), "e.2": ("New", 100)}
    stop, target = desk.order("e.1"), desk.order("e.2")
    assert (stop.side, stop.order_type, stop.is_held) == ("SELL", "STOP", True)
    assert (target.order_type, target.price, target.is_held) == ("LIMIT", 18_700, False)
    assert {each.links and each.links.list_id for each in (desk.order("e"), stop, target)} == {"e"}
    desk.check()


def test_nothing_is_made_before_anything_is_filled(desk: FamilyDesk) -> None:
    entry(desk, price="184.00", stop_loss="183.00", take_profit="187.00")
    assert desk.working() == {"e": ("New", 100)}


def test_exits_grow_with_each_fill(desk: FamilyDesk) -> None:
    entry(desk, price="184.00", stop_loss="183.00", take_profit="187.00")
    desk.quote(18_390, 18_400, lots=30)
    assert desk.working() == {"e": ("PartiallyFilled", 70), "e.1": ("Suspended", 30), "e.2": ("New", 30)}
    desk.quote(18_380, 18_399, lots=20)
    assert desk.working() == {"e": ("PartiallyFilled", 50), "e.1": ("Suspended", 50), "e.2": ("New", 50)}
    desk.check()


def test_what_a_target_trades_makes_the_stop_smaller(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", take_profit="187.00")
    desk.quote(18_700, 18_710, lots=40)
    assert desk.working() == {"e.1": ("Suspended", 60), "e.2": ("PartiallyFilled", 60)}
    desk.quote(18_701, 18_711, lots=60)
    assert desk.working() == {}
    assert desk.held() == 0


def test_a_stop_that_is_hit_takes_targets_off_before_it_goes(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", take_profit="187.00")
    desk.quote(18_380, 18_390)
    told = kinds(desk.print(18_390))
    order = [
        ("OrderCancelRequested", "e.2"),
        ("OrderCanceled", "e.2"),
        ("OrderTriggered", "e.1"),
        ("OrderFilled", "e.1"),
    ]
    assert [each for each in told if each in order] == order
    assert (desk.held(), desk.working()) == (0, {})
    desk.check()


def test_a_target_that_trades_while_it_is_taken_off_leaves_the_stop_the_rest(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", take_profit="187.00")
    stop, target = desk.order("e.1"), desk.order("e.2")
    sent = len(desk.desk.commands)
    desk.desk.fold(desk.printed(18_390))  # the cancel is on its way, and the book has not heard of it
    assert stop.held == "others"
    filled = desk.traded(target, 30)
    desk.desk.fold(filled)
    assert (target.cum, stop.held) == (30, "others")
    desk.deliver(desk.desk.commands[sent:])
    assert stop.quantity == 70
    assert stop.cum <= 70


def test_a_stop_that_is_hit_ends_the_rest_of_its_entry(desk: FamilyDesk) -> None:
    entry(desk, price="184.00", stop_loss="183.00", take_profit="187.00")
    desk.quote(18_390, 18_400, lots=30)
    desk.quote(18_280, 18_410)
    desk.print(18_290)
    assert (desk.working(), desk.held()) == ({}, 0)
    assert (desk.order("e").status, desk.order("e").cum) == ("Canceled", 30)


def test_several_targets_share_what_is_filled_to_the_lot(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", take_profits="186:1,187:1,188:1")
    sizes = [desk.order(f"e.{number}").quantity for number in (2, 3, 4)]
    assert sizes == [33, 33, 34]
    desk.quote(18_610, 18_620)
    assert desk.working() == {"e.1": ("Suspended", 67), "e.3": ("New", 33), "e.4": ("New", 34)}
    desk.check()


def test_the_first_target_moves_the_stop_to_where_nothing_is_lost(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", take_profits="186:1,187:1", break_even="AFTER_TARGET")
    desk.print(18_610)
    desk.quote(18_610, 18_620)
    special = desk.order("e.1").special
    assert special is not None
    assert special.stop == 18_500


def test_a_position_closed_by_hand_leaves_no_exits(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", take_profit="187.00")
    desk.signal(client_order_id="hand", symbol="AAPL", side="SELL", quantity="100", order_type="MARKET")
    assert (desk.held(), desk.working()) == (0, {})


def test_what_is_closed_by_hand_comes_out_of_the_oldest_bracket(desk: FamilyDesk) -> None:
    entry(desk, quantity="60", stop_loss="184.00", take_profit="187.00")
    second = {"symbol": "AAPL", "side": "BUY", "price": "185.00", "stop_loss": "183.50", "take_profit": "187.50"}
    desk.signal(client_order_id="f", quantity="40", **second)
    desk.signal(client_order_id="hand", symbol="AAPL", side="SELL", quantity="50", order_type="MARKET")
    working = desk.working()
    assert (working["e.1"][1], working["e.2"][1], working["f.1"][1], working["f.2"][1]) == (10, 10, 40, 40)
    desk.check()


def test_a_short_entry_has_its_exits_on_the_other_side(desk: FamilyDesk) -> None:
    entry(desk, side="SELL", price="184.90", stop_loss="186.00", take_profit="183.00")
    assert (desk.order("e.1").side, desk.order("e.2").side) == ("BUY", "BUY")
    desk.quote(18_600, 18_610)
    desk.print(18_605)
    assert (desk.held(), desk.working()) == (0, {})


def test_a_trailing_stop_follows(desk: FamilyDesk) -> None:
    entry(desk, trailing_stop="1.00")
    desk.print(18_700)
    desk.quote(18_695, 18_705)
    assert desk.working() == {"e.1": ("Suspended", 100)}
    desk.print(18_600)
    assert (desk.held(), desk.working()) == (0, {})


# --------------------------------------------------------------------------------------------------------- amendments


def amend(desk: FamilyDesk, **fields: Any) -> list[dict[str, Any]]:
    return desk.signal("ReplaceOrder", orig_client_order_id="e", **fields)


def test_a_live_brackets_stop_and_targets_move(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", take_profit="187.00")
    told = amend(desk, stop_loss="184.50", take_profit="188.00")
    special = desk.order("e.1").special
    assert special is not None
    assert (special.stop, desk.order("e.2").price) == (18_450, 18_800)
    [answer] = [each for each in told if each["type"] == "OrderListReported"]
    assert (answer["signal_id"], answer["stop_loss"], answer["take_profits"]) == ("g2", "184.50", "188.00:1")
    desk.check()


def test_targets_of_another_number_take_the_place_of_those_before(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", take_profit="187.00")
    amend(desk, take_profits="186:3,189:1")
    assert {name: lots for name, (_, lots) in desk.working().items()} == {"e.1": 100, "e.3": 75, "e.4": 25}
    desk.check()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"stop_loss": "185.50"}, CancelRejectReason.WRONG_SIDE),
        ({"stop_loss": "184.001"}, CancelRejectReason.WRONG_SIDE),
        ({"take_profit": "183.00"}, CancelRejectReason.WRONG_SIDE),
        ({"take_profits": "186,185.90"}, CancelRejectReason.WRONG_SIDE),
        ({"break_even": "NOW"}, CancelRejectReason.WRONG_SIDE),
        ({"stop_loss": "184.50", "quantity": "50"}, CancelRejectReason.NO_BRACKET),
    ],
)
def test_a_protective_price_on_the_wrong_side_is_refused(
    desk: FamilyDesk, fields: dict[str, str], reason: CancelRejectReason
) -> None:
    entry(desk, stop_loss="184.00", take_profit="187.00")
    before = desk.working(), desk.order("e.1").special
    [refused] = [each for each in amend(desk, **fields) if each["type"] == "OrderReplaceRejected"]
    assert refused["reason"] == reason.value
    assert (desk.working(), desk.order("e.1").special) == before


def test_an_order_without_a_bracket_has_none_to_amend(desk: FamilyDesk) -> None:
    entry(desk, price="184.00")
    [refused] = amend(desk, stop_loss="183.00")
    assert (refused["type"], refused["reason"]) == ("OrderReplaceRejected", CancelRejectReason.NO_BRACKET.value)


def test_a_target_that_somebody_cancels_is_not_made_again_and_the_stop_stays(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", take_profit="187.00")
    desk.signal("CancelOrder", orig_client_order_id="e.2")
    desk.after(10_000)
    assert desk.working() == {"e.1": ("Suspended", 100)}


def test_a_list_is_canceled_whole_by_its_entrys_name(desk: FamilyDesk) -> None:
    entry(desk, price="184.00", stop_loss="183.00", take_profit="187.00")
    desk.quote(18_390, 18_400, lots=30)
    desk.signal("CancelOrderList", list_id="e")
    assert (desk.working(), desk.held()) == ({}, 30)
    desk.after(10_000)
    assert desk.working() == {}


def test_a_halt_leaves_a_bracket_to_protect_where_it_keeps_what_does(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", take_profit="187.00")
    desk.control("Halt", keep_protective=True)
    assert desk.working() == {"e.1": ("Suspended", 100), "e.2": ("New", 100)}
    desk.quote(18_380, 18_390)
    desk.print(18_390)
    assert (desk.held(), desk.working()) == (0, {})


def test_a_halt_that_keeps_nothing_leaves_nothing(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", take_profit="187.00")
    desk.control("Halt", keep_protective=False)
    assert desk.working() == {}
    desk.after(10_000)
    assert desk.working() == {}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"take_profits": "184"}, RejectReason.WRONG_SIDE),
        ({"take_profits": "186,185.50"}, RejectReason.WRONG_SIDE),
        ({"take_profits": "186.001"}, RejectReason.STOP_OFF_TICK),
    ],
)
def test_targets_that_make_no_sense_are_refused(desk: FamilyDesk, fields: dict[str, str], reason: RejectReason) -> None:
    [refused] = entry(desk, **fields)
    assert (refused["type"], refused["reason"]) == ("OrderRejected", reason.value)


def test_a_restored_desk_goes_on_as_one_that_never_stopped(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", take_profits="186:1,187:1")
    desk.desk.restarted()
    desk.quote(18_610, 18_620)
    desk.desk.restarted()
    desk.quote(18_380, 18_390)
    desk.print(18_390)
    assert (desk.held(), desk.working()) == (0, {})
    desk.check()


def test_a_stop_that_is_hit_in_a_halt_that_keeps_nothing_goes_once_that_is_over(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", take_profit="187.00")
    desk.control("Halt", cancel=False)
    desk.quote(18_380, 18_390)
    desk.print(18_390)
    assert {name: lots for name, (_, lots) in desk.working().items()} == {"e.1": 100, "e.2": 100}, "it stays protected"
    desk.desk.restarted()
    desk.control("Resume")
    desk.after(1_000)
    assert (desk.held(), desk.working()) == (0, {})
    desk.check()


def test_a_mass_cancel_takes_exits_off_once(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", take_profit="187.00")
    told = desk.signal("CancelAll")
    assert "OrderCancelRejected" not in {each["type"] for each in told}
    assert (desk.held(), desk.working()) == (100, {})


def test_a_stop_that_somebody_canceled_comes_back_only_where_it_is_named(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", take_profit="187.00")
    desk.signal("CancelOrder", orig_client_order_id="e.1")
    amend(desk, take_profit="188.00")
    assert desk.working() == {"e.2": ("New", 100)}
    amend(desk, stop_loss="184.00")
    assert desk.working() == {"e.2": ("New", 100), "e.3": ("Suspended", 100)}
    desk.check()


@pytest.mark.parametrize("trigger", ["BID_ASK", "MID", "MARK"])
def test_a_stop_may_wait_for_what_is_quoted_where_nobody_prints(trigger: str) -> None:
    desk = FamilyDesk()
    desk.quote(18_490, 18_500)
    entry(desk, stop_loss="184.00", take_profit="187.00", stop_trigger_price_type=trigger)
    assert desk.working() == {"e.1": ("Suspended", 100), "e.2": ("New", 100)}
    desk.quote(18_401, 18_409)
    assert desk.held() == 100
    desk.quote(18_380, 18_390)
    desk.after(1_000)  # the mark is told four times a second
    assert (desk.held(), desk.working()) == (0, {})
    desk.check()


def test_a_stop_that_waits_for_the_last_trade_is_not_reached_by_quotes() -> None:
    desk = FamilyDesk()
    desk.quote(18_490, 18_500)
    entry(desk, stop_loss="184.00")
    desk.quote(18_380, 18_390)
    assert desk.held() == 100


def stop_of(desk: FamilyDesk, client_order_id: str) -> Special:
    special = desk.order(client_order_id).special
    assert special is not None
    return special


def test_where_a_stop_is_moved_to_is_judged_by_the_price_that_it_waits_for(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", stop_trigger_price_type="BID_ASK")
    [refused] = amend(desk, stop_loss="184.92")  # below the last price, and what sells looks at the bid
    assert "184.92 must be below the price it would trade at, 184.90" in refused["text"]
    amend(desk, stop_loss="184.89")
    assert stop_of(desk, "e.1").stop == 18_489


def test_it_waits_for_the_same_price_after_a_restart_and_once_it_is_made_again(desk: FamilyDesk) -> None:
    entry(desk, stop_loss="184.00", stop_trigger_price_type="MID")
    assert desk.desk.restarted() is None
    amend(desk, trailing_stop="0.50")
    assert stop_of(desk, "e.2").trigger == "MID"


@pytest.mark.parametrize("trigger", [None, "LAST", "MARK"])
def test_a_snapshot_says_of_a_stop_that_waits_for_the_last_trade_what_earlier_releases_said(
    desk: FamilyDesk, trigger: str | None
) -> None:
    entry(desk, stop_loss="184.00", **({} if trigger is None else {"stop_trigger_price_type": trigger}))
    [bracket] = desk.state.families.brackets.values()
    record = dump_bracket(bracket)
    assert record.get("trigger") == ("MARK" if trigger == "MARK" else None)
    assert load_bracket(record) == bracket
