"""Brackets whose exits somebody ends, a venue refuses, or nobody takes; and prices that cross while others move."""

from __future__ import annotations

from typing import Any

import pytest

from fillstream.libs.common.engine.frames import Reason, ReportType
from tests.support.family_desk import FamilyDesk
from tests.support.orders import report

BUY: dict[str, Any] = {"symbol": "AAPL", "side": "BUY", "quantity": "100", "price": "185.00", "time_in_force": "GTC"}


@pytest.fixture
def desk() -> FamilyDesk:
    desk = FamilyDesk()
    desk.quote(18_490, 18_500)
    desk.print(18_495)
    return desk


def entry(desk: FamilyDesk, **fields: Any) -> list[dict[str, Any]]:
    return desk.signal(client_order_id="e", **(BUY | {"stop_loss": "184.00", "take_profit": "187.00"} | fields))


def amend(desk: FamilyDesk, **fields: Any) -> list[dict[str, Any]]:
    return desk.signal("ReplaceOrder", orig_client_order_id="e", **fields)


def lots(desk: FamilyDesk) -> dict[str, int]:
    return {name: open_lots for name, (_, open_lots) in desk.working().items()}


def test_a_stop_that_somebody_cancels_is_not_made_again_until_it_is_named(desk: FamilyDesk) -> None:
    entry(desk)
    desk.signal("CancelOrder", orig_client_order_id="e.1")
    desk.after(70_000)
    assert lots(desk) == {"e.2": 100}
    amend(desk, stop_loss="184.00")
    assert lots(desk) == {"e.2": 100, "e.3": 100}
    desk.check()


def test_a_target_that_somebody_canceled_comes_back_when_it_is_named(desk: FamilyDesk) -> None:
    entry(desk)
    desk.signal("CancelOrder", orig_client_order_id="e.2")
    amend(desk, take_profit="188.00")
    assert (lots(desk), desk.order("e.3").price) == ({"e.1": 100, "e.3": 100}, 18_800)


def test_both_exits_canceled_by_hand_end_the_bracket(desk: FamilyDesk) -> None:
    entry(desk)
    desk.signal("CancelOrder", orig_client_order_id="e.1")
    told = desk.signal("CancelOrder", orig_client_order_id="e.2")
    assert told[-1]["list_order_status"] == "ALL_DONE"
    [refused] = amend(desk, stop_loss="184.50")
    assert refused["reason"] == "no_bracket"


def test_a_stop_that_found_nobody_for_all_of_it_is_made_again_for_the_rest(desk: FamilyDesk) -> None:
    entry(desk)
    desk.quote(18_380, 18_390, lots=30)
    desk.print(18_390)
    assert (desk.held(), desk.working()) == (70, {})
    desk.after(999)
    assert desk.held() == 70
    desk.quote(18_379, 18_389, lots=200)
    desk.after(10)
    assert (desk.held(), desk.working()) == (0, {})
    desk.check()


def test_a_target_that_its_venue_refuses_is_made_again_each_time_later(desk: FamilyDesk) -> None:
    sent = desk.desk.ms
    desk._execute_entry = lambda fields, venue="SIM": []  # type: ignore[method-assign]
    entry(desk)
    order = desk.order("e")
    desk.fold({b"frame.SIM": told(desk, ReportType.ACCEPTED)})
    desk.desk.fold(desk.traded(order, 100))
    made = []
    for number in range(2, 6):
        target = desk.order(f"e.{number}")
        made.append(desk.desk.ms - sent)
        refused = report(ReportType.REJECTED, target.order_id, reason=Reason.CAPACITY, account=1, side=2)
        desk.desk.fold({b"frame.SIM": refused})
        assert desk.working() == {"e.1": ("Suspended", 100)}
        desk.desk.restarted()
        while f"e.{number + 1}" not in lots(desk):
            desk.after(100)
    assert made == [0, 1_000, 3_000, 7_000]


def told(desk: FamilyDesk, kind: ReportType) -> bytes:
    return report(kind, desk.order("e").order_id, account=1)


def test_an_amended_target_grows_at_the_venue_only_when_another_got_smaller(desk: FamilyDesk) -> None:
    entry(desk, take_profit=None, take_profits="187:1,188:1")
    amend(desk, take_profits="187:3,188:1")
    assert lots(desk) == {"e.1": 100, "e.4": 75, "e.5": 25}
    desk.signal("CancelOrder", orig_client_order_id="e.4")
    assert lots(desk) == {"e.1": 100, "e.5": 25}
    desk.check()


def test_what_targets_had_traded_before_others_were_named_is_no_part_of_their_shares(desk: FamilyDesk) -> None:
    entry(desk, take_profit=None, take_profits="187:1,188:1")
    desk.quote(18_700, 18_710, lots=50)
    amend(desk, take_profits="189:2,190:1,191:2")
    assert lots(desk) == {"e.1": 50, "e.4": 20, "e.5": 10, "e.6": 20}
    desk.check()


@pytest.mark.parametrize(("stop", "moved"), [("184.00", 18_500), ("185.00", 18_500), ("186.00", 18_600)])
def test_a_stop_only_ever_moves_to_where_less_is_lost(desk: FamilyDesk, stop: str, moved: int) -> None:
    entry(desk, take_profit=None, take_profits="187:1,188:1", break_even="AFTER_TARGET")
    desk.print(18_690)
    amend(desk, stop_loss=stop)
    desk.quote(18_700, 18_710, lots=50)
    special = desk.order("e.1").special
    assert special is not None
    assert special.stop == moved


def test_a_stop_stays_where_the_market_is_beyond_what_would_lose_nothing(desk: FamilyDesk) -> None:
    entry(desk, take_profit=None, take_profits="187:1,188:1", break_even="AFTER_TARGET")
    desk.print(18_450)
    desk.desk.fold(desk.traded(desk.order("e.2"), 50))
    special = desk.order("e.1").special
    assert special is not None
    assert (special.stop, lots(desk)["e.1"]) == (18_400, 50)


def test_a_stop_that_is_hit_is_amended_no_more(desk: FamilyDesk) -> None:
    entry(desk)
    desk.desk.fold(desk.printed(18_390))
    [refused] = amend(desk, stop_loss="183.00")
    assert (refused["type"], refused["reason"]) == ("OrderReplaceRejected", "too_late")


def test_what_a_stop_may_sell_counts_beside_its_targets_once(desk: FamilyDesk) -> None:
    entry(desk)
    holding = desk.state.holdings.holding("default", "AAPL")
    assert (holding.quantity, holding.sells) == (100, 100)
    desk.desk.restarted()
    holding = desk.state.holdings.holding("default", "AAPL")
    assert holding.sells == 100
    desk.signal("CancelOrder", orig_client_order_id="e.2")
    assert holding.sells == 100


def test_an_unfilled_entry_that_ends_ends_its_bracket(desk: FamilyDesk) -> None:
    entry(desk, price="184.50")
    told = desk.signal("CancelOrder", orig_client_order_id="e")
    assert told[-1]["list_order_status"] == "ALL_DONE"
    assert not desk.state.families.covering


def test_an_entry_whose_exits_have_all_traded_goes_on_with_what_it_fills(desk: FamilyDesk) -> None:
    entry(desk, price="184.50")
    desk.quote(18_440, 18_450, lots=40)
    desk.quote(18_700, 18_710, lots=40)
    assert (desk.held(), lots(desk)) == (0, {"e": 60})
    desk.quote(18_440, 18_450, lots=60)
    assert (desk.held(), lots(desk)) == (60, {"e.3": 60, "e.4": 60})
    desk.check()


def test_new_targets_wait_for_what_the_old_ones_still_have_at_the_venue(desk: FamilyDesk) -> None:
    entry(desk, take_profit=None, take_profits="187:1,188:1")
    commands = desk.signal_unheard("ReplaceOrder", orig_client_order_id="e", take_profits="187:3,189:1")
    desk.check()
    assert sum(open_lots for name, open_lots in lots(desk).items() if name != "e.1") == 100
    desk.desk.restarted()
    desk.deliver(commands)
    assert lots(desk) == {"e.1": 100, "e.4": 75, "e.5": 25}
    desk.check()


def test_what_an_account_of_an_older_release_holds_is_not_known_and_bounds_no_exit(desk: FamilyDesk) -> None:
    holding = desk.state.holdings.holding("default", "AAPL")
    holding.account.known, holding.quantity = False, -60
    entry(desk)
    assert lots(desk)["e.1"] == 100


def test_a_bracket_is_done_no_sooner_than_its_entry(desk: FamilyDesk) -> None:
    entry(desk, price="184.50")
    desk.quote(18_440, 18_450, lots=40)
    told = desk.quote(18_700, 18_710, lots=40)
    assert [each for each in told if each["type"] == "OrderListReported"] == []


def test_buyers_and_sellers_brackets_share_no_position(desk: FamilyDesk) -> None:
    entry(desk)
    said = BUY | {"side": "SELL", "quantity": "30", "price": "184.90", "stop_loss": "188.00"}
    desk.signal(client_order_id="s", **said)
    assert (desk.held(), lots(desk)) == (70, {"e.1": 70, "e.2": 70})
    second = BUY | {"quantity": "40", "stop_loss": "183.00"}
    desk.signal(client_order_id="f", **second)
    desk.signal(client_order_id="hand", symbol="AAPL", side="SELL", quantity="80", order_type="MARKET")
    assert (desk.held(), lots(desk)) == (30, {"f.1": 30})
    desk.check()


def test_a_bracket_is_told_later_to_break_even_after_its_first_target(desk: FamilyDesk) -> None:
    entry(desk, take_profit=None, take_profits="186:1,187:1")
    amend(desk, break_even="AFTER_TARGET")
    assert desk.state.families.brackets[desk.order("e").order_id].stop == 18_400
    desk.print(18_610)
    desk.quote(18_610, 18_620)
    assert lots(desk) == {"e.1": 50, "e.3": 50}
    assert desk.state.families.brackets[desk.order("e").order_id].stop == 18_500


def test_what_has_filled_nothing_does_not_break_even(desk: FamilyDesk) -> None:
    entry(desk, price="184.50", stop_loss="180.00")
    [refused] = amend(desk, break_even="NOW")
    order_id = desk.order("e").order_id
    assert (refused["reason"], refused["text"]) == (
        "wrong_side",
        f"break_even: order {order_id} has filled nothing yet",
    )


@pytest.mark.parametrize(("side", "stop"), [("BUY", "184.00"), ("SELL", "186.00")])
def test_a_target_where_the_stop_stands_is_none(desk: FamilyDesk, side: str, stop: str) -> None:
    price, target = ("185.00", "187.00") if side == "BUY" else ("184.90", "183.00")
    entry(desk, side=side, price=price, stop_loss=stop, take_profit=target)
    before = lots(desk)
    [refused] = amend(desk, take_profit=stop)
    assert (refused["reason"], lots(desk)) == ("wrong_side", before)
