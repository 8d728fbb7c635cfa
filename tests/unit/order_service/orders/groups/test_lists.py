"""Lists of orders: all of them or none, and of those that depend on each other only what may trade does."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.routing import RoutingTerms
from fillstream.services.order_service.orders.keeping.snapshot import dump
from fillstream.services.order_service.orders.life.remembered import Remembered
from fillstream.services.order_service.orders.retiring import sweep
from fillstream.services.order_service.signals.encode import instruction_of
from tests.support.family_desk import FAMILY_CONFIG, FamilyDesk
from tests.support.orders import control
from tests.support.routing_desk import RoutingDesk, routing_config
from tests.support.terms import but

BUY: dict[str, Any] = {"symbol": "AAPL", "side": "BUY", "quantity": "60", "time_in_force": "GTC"}
HOUR_MS = 3_600_000


@pytest.fixture
def desk() -> FamilyDesk:
    desk = FamilyDesk()
    desk.quote(18_490, 18_500)
    desk.print(18_495)
    return desk


def send(desk: FamilyDesk, contingency: str, *orders: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """Send a list; its orders are called a, b, c … where they have no name."""
    named = [{"client_order_id": name, **order} for name, order in zip("abcdefgh", orders, strict=False)]
    fields = {"list_id": "l", "contingency_type": contingency, "all": True, **more}
    return desk.signal("NewOrderList", orders=named, **fields)


def kinds(events: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(each["type"], each.get("client_order_id")) for each in events]


# ------------------------------------------------------------------------------------------------------- remembering


def test_a_list_is_known_until_its_last_order_has_left_though_children_of_one_have(desk: FamilyDesk) -> None:
    worked = BUY | {"price": "185.00", "algorithm": "ICEBERG", "algorithm_parameters": {"display_quantity": "5"}}
    send(desk, "NONE", worked, BUY | {"price": "180.00"})
    desk.desk.ms += 2 * HOUR_MS
    sweep(desk.state, desk.desk.ms)
    assert desk.working() == {"b": ("New", 60)}
    assert isinstance(desk.state.find_client("default", "a.1"), Remembered)
    desk.signal("CancelOrderList", list_id="l")
    assert desk.working() == {}


# ------------------------------------------------------------------------------------------------- all of them or none


def limited(**terms: Any) -> FamilyDesk:
    """Return a desk whose account `default` has these limits."""
    accounts = {**FAMILY_CONFIG.accounts, "default": but(FAMILY_CONFIG.accounts["default"], **terms)}
    desk = FamilyDesk(but(FAMILY_CONFIG, accounts=accounts))
    desk.quote(18_490, 18_500)
    desk.print(18_495)
    return desk


SELL = {**BUY, "side": "SELL"}
LOW, LOWER, STOP = {"price": "184.00"}, {"price": "183.00"}, {"order_type": "STOP", "stop_price": "186.00"}
HUGE = {"quantity": "9000000"}
BRACKET = {"stop_loss": "182.00", "take_profits": "187:1,188:1"}
WORKED = {"algorithm": "TWAP", "algorithm_parameters": {"duration_ms": 10_000}}


@pytest.mark.parametrize(
    ("limits", "orders", "reason"),
    [
        ({"may_short": False}, (BUY | LOW | BRACKET, SELL | {"price": "190.00"}), "short_not_allowed"),
        ({"max_position": D(100)}, (BUY | LOW, BUY | LOWER), "max_position"),
        ({"max_position": D(100)}, (BUY | LOW | WORKED | BRACKET, BUY | LOWER), "max_position"),
        ({"max_open_orders": 3}, (BUY | LOW, BUY | LOWER, BUY | LOW | {"quantity": "61"}), "max_open_orders"),
        ({"max_orders_per_window": 2, "order_window_ms": 1_000},
         (BUY | LOW, BUY | LOWER, BUY | LOW | {"quantity": "61"}), "max_orders_per_window"),
        ({"duplicate_window_ms": 1_000}, (BUY | LOW, BUY | LOWER, BUY | LOW), "duplicate_order"),
        ({"max_daily_orders": 3}, (BUY | LOW, BUY | LOWER, BUY | LOW | {"quantity": "61"}), "max_daily_orders"),
        ({"max_gross_exposure": D(20_000)}, (BUY | LOW | BRACKET, BUY | LOWER), "max_gross_exposure"),
        ({"account_type": "cash"}, (BUY | LOW, BUY | LOWER), "buying_power"),
    ],
)  # fmt: skip
def test_a_list_of_which_one_is_refused_leaves_nothing_but_refusals(
    limits: dict[str, Any], orders: tuple[dict[str, Any], ...], reason: str
) -> None:
    desk = limited(**limits)
    desk.signal(client_order_id="x", symbol="AAPL", side="BUY", quantity="1", price="180.00")
    desk.state.count_working("default")  # what a bracket has counted from then on
    desk.control("AdjustAccount", adjustment="deposit", amount="20000")
    desk.after(5_000)
    before = remembered(desk)
    told = send(desk, "NONE", *orders)
    reasons = [each["reason"] for each in told if each["type"] == "OrderRejected"]
    assert reasons == ["list_rejected"] * (len(orders) - 1) + [reason]
    assert remembered(desk) == before
    desk.desk.restarted()
    assert remembered(desk) == before
    again = send(desk, "NONE", *({**each, "client_order_id": f"again{n}"} for n, each in enumerate(orders[:-1])))
    assert {each["type"] for each in again} >= {"OrderReceived"}
    assert not [each for each in again if each["type"] == "OrderRejected"]


def remembered(desk: FamilyDesk) -> tuple[dict[str, Any], Any]:
    """Return what a desk knows but for what was refused, and for how much was told."""
    said = orjson.loads(dump(desk.state))
    holdings = desk.state.holdings.account("default").holdings.items()
    sums = {symbol: (h.buys, h.sells, h.buy_value, h.sell_value, h.covered) for symbol, h in holdings if h.buys}
    for name in ("seq", "counter", "remembered", "statuses", "rejects"):
        said.pop(name, None)
    return said, sums


@pytest.mark.parametrize("contingency", ["ONE_CANCELS_OTHER", "ONE_UPDATES_OTHER"])
def test_orders_of_which_one_trades_are_judged_as_one_and_count_as_the_largest(contingency: str) -> None:
    desk = limited(max_position=D(100))
    told = send(desk, contingency, BUY | LOW, BUY | STOP | {"quantity": "90"}, BUY | LOWER | {"quantity": "80"})
    assert [each for each in told if each["type"] == "OrderRejected"] == []
    assert [desk.state.holdings.holding("default", "AAPL").buys, len(desk.working())] == [90, 3]
    desk.desk.restarted()
    assert desk.state.holdings.holding("default", "AAPL").buys == 90
    [refused] = desk.signal(
        client_order_id="x", quantity="11", **{n: v for n, v in BUY.items() if n != "quantity"}, **LOW
    )
    assert refused["reason"] == "max_position"
    [accepted, *_] = desk.signal(client_order_id="y", **(BUY | LOW | {"quantity": "10"}))
    assert accepted["type"] == "OrderReceived"


def test_an_exit_and_its_stop_may_both_wait_where_nothing_may_be_sold_short() -> None:
    desk = limited(may_short=False)
    desk.signal(client_order_id="x", **(BUY | {"price": "185.00"}))
    stop = {"order_type": "STOP", "stop_price": "183.00"}
    send(desk, "ONE_CANCELS_OTHER", SELL | {"price": "187.00"}, SELL | stop)
    assert desk.working() == {"a": ("New", 60), "b": ("Suspended", 60)}
    desk.quote(18_280, 18_290)
    desk.print(18_290)
    assert (desk.held(), desk.working()) == (0, {})


def test_both_sides_of_a_breakout_count_and_orders_of_another_instrument() -> None:
    desk = limited(max_position=D(100))
    desk.quote(20_000, 20_002, symbol=3)
    down = {"order_type": "STOP", "stop_price": "184.00"}
    es = {"symbol": "ES", "order_type": "STOP", "stop_price": "5100.00", "quantity": "5"}
    send(desk, "ONE_CANCELS_OTHER", BUY | STOP, SELL | down, BUY | es)
    held = desk.state.holdings.account("default").holdings
    assert (held["AAPL"].buys, held["AAPL"].sells, held["ES"].buys) == (60, 60, 5)
    desk.desk.restarted()
    held = desk.state.holdings.account("default").holdings
    assert (held["AAPL"].buys, held["AAPL"].sells, held["ES"].buys) == (60, 60, 5)


@pytest.mark.parametrize("more", [{"algorithm": "TWAP"} | WORKED, {"routing": "SWEEP"}, {"venues": ["SIM"]}])
def test_what_its_children_trade_for_depends_on_no_other_order(desk: FamilyDesk, more: dict[str, Any]) -> None:
    told = send(desk, "ONE_CANCELS_OTHER", BUY | LOW | more, BUY | STOP)
    assert [each["reason"] for each in told if each["type"] == "OrderRejected"] == ["list_unfit", "list_rejected"]
    assert (desk.working(), desk.state.families.works) == ({}, {})


def test_a_list_with_a_number_that_is_none_changes_nothing(desk: FamilyDesk) -> None:
    orders = [BUY | LOW | {"client_order_id": "a"}, BUY | {"client_order_id": "b", "price": "183.00"}]
    said = {"type": "NewOrderList", "signal_id": "s", "account": "default", "list_id": "l", "all": True,
            "contingency_type": "NONE", "orders": orders}  # fmt: skip
    written = orjson.dumps(instruction_of(said, "5-0") | {"signal_time": desk.desk.ms})
    for name, bad, good in ((b"quantity", b"0", b"60"), (b"quantity", b"x", b"60"), (b"price", b"x", b"183")):
        before = remembered(desk)
        head, found, tail = written.rpartition(b'"%s":"%s"' % (name, good))  # of the second order
        assert found
        desk.desk.fold({b"data": b'%s"%s":"%s"%s' % (head, name, bad, tail)})
        assert orjson.loads(desk.desk.dead[-1][b"data"])["reason"] == "bad_value"
        assert (remembered(desk), desk.working()) == (before, {})


def test_the_same_list_again_changes_nothing(desk: FamilyDesk) -> None:
    send(desk, "NONE", BUY | LOW)
    [refused] = send(desk, "NONE", BUY | LOWER | {"client_order_id": "z"})
    assert (refused["type"], refused["reason"]) == ("SignalRefused", "duplicate_signal")
    [known] = send(desk, "NONE", BUY | LOWER, list_id="m")
    assert (known["type"], known["client_order_id"]) == ("OrderStatusReported", "a")
    assert desk.working() == {"a": ("New", 60)}


def test_a_list_of_which_none_is_taken_is_refused_and_its_name_is_free(desk: FamilyDesk) -> None:
    for names in ("ab", "cd"):
        told = send(desk, "NONE", *({**BUY, **LOW, **HUGE, "client_order_id": name} for name in names), all=False)
        [report] = [each for each in told if each["type"] == "OrderListReported"]
        assert (report["list_order_status"], report["order_ids"]) == ("REJECT", [])
        assert not desk.state.families
    told = send(desk, "NONE", *({**BUY, **LOW, "client_order_id": name} for name in "yz"), all=False)
    assert kinds(told)[0] == ("OrderReceived", "y")


def test_two_orders_of_a_list_do_not_share_a_name(desk: FamilyDesk) -> None:
    orders = [BUY | LOW | {"client_order_id": name} for name in "ab"]
    said = {"type": "NewOrderList", "signal_id": "s", "account": "default", "list_id": "l", "all": True,
            "contingency_type": "NONE", "orders": orders}  # fmt: skip
    written = orjson.dumps(instruction_of(said, "5-0") | {"signal_time": desk.desk.ms})
    [refused] = desk.desk.fold({b"data": written.replace(b'"client_order_id":"b"', b'"client_order_id":"a"')})
    assert (refused["reason"], desk.working()) == ("list_unfit", {})


def test_orders_that_depend_on_each_other_are_taken_together_whatever_is_said(desk: FamilyDesk) -> None:
    told = send(desk, "ONE_CANCELS_OTHER", BUY | LOW, BUY | LOWER | HUGE, all=False)
    assert [each["type"] for each in told if each["type"] == "OrderReceived"] == []
    assert desk.working() == {}


def test_an_order_that_cannot_wait_is_in_no_list_of_which_one_rests(desk: FamilyDesk) -> None:
    told = send(desk, "ONE_CANCELS_OTHER", BUY | LOW, BUY | {"order_type": "MARKET"})
    assert [each["reason"] for each in told if each["type"] == "OrderRejected"] == ["list_rejected", "list_unfit"]
    assert (desk.held(), desk.working()) == (0, {})


def test_the_larger_of_two_of_which_one_trades_is_judged_whole() -> None:
    desk = limited(max_position=D(80))
    told = send(desk, "ONE_CANCELS_OTHER", BUY | LOW, BUY | STOP | {"quantity": "90"})
    reasons = [each["reason"] for each in told if each["type"] == "OrderRejected"]
    assert reasons == ["list_rejected", "max_position"]


def test_an_order_of_nothing_that_is_known_is_refused_with_its_list(desk: FamilyDesk) -> None:
    told = send(desk, "ONE_CANCELS_OTHER", BUY | LOW, BUY | STOP | {"symbol": "NONE"})
    assert [each["reason"] for each in told if each["type"] == "OrderRejected"] == ["list_rejected", "unknown_symbol"]


def test_an_order_of_which_others_wait_goes_to_one_venue_though_a_rule_routes_its_like() -> None:
    rules = RoutingTerms.model_validate({"rules": [{"policy": "BEST_PRICE"}]})
    desk = RoutingDesk(config=routing_config(routing=rules))
    desk.quotes(SIM=(18_490, 18_500, 300), SIM2=(18_490, 18_500, 300))
    send(desk, "ONE_CANCELS_OTHER", BUY | LOW, BUY | STOP)
    assert (desk.working(), desk.state.families.works) == ({"a": ("New", 60), "b": ("Suspended", 60)}, {})
    send(desk, "NONE", BUY | LOW | {"client_order_id": "c"}, list_id="m")
    assert len(desk.state.families.works) == 1


def test_what_is_left_of_a_list_is_reserved_once_the_largest_is_off(desk: FamilyDesk) -> None:
    desk.state.count_working("default")
    send(desk, "ONE_CANCELS_OTHER", BUY | LOW, BUY | STOP | {"quantity": "90"})
    desk.signal("CancelOrder", orig_client_order_id="b")
    assert desk.working() == {"a": ("New", 60)}
    assert desk.state.holdings.holding("default", "AAPL").buys == 60


def test_of_a_list_whose_first_order_is_filled_the_others_are_canceled(desk: FamilyDesk) -> None:
    send(desk, "ONE_UPDATES_OTHER", BUY | LOW, BUY | STOP)
    told = kinds(desk.quote(18_390, 18_400))
    assert ("OrderCanceled", "b") in told
    assert ("OrderReplaced", "b") not in told


# --------------------------------------------------------------------------------------------------- one and the other


def test_an_order_that_the_first_one_lets_go_needs_its_approval_then() -> None:
    desk = limited(approval_above=D(1_000), approval_timeout_ms=60_000)
    send(desk, "ONE_TRIGGERS_OTHER", BUY | {"quantity": "1", "price": "185.00"}, SELL | {"price": "187.00"})
    assert (desk.working(), desk.order("b").held) == ({"b": ("Suspended", 60)}, "approval")
    desk.desk.restarted()
    approved = control("Approve", account=None, order_id=str(desk.order("b").order_id))
    desk.fold({b"control": orjson.dumps({name: value for name, value in approved.items() if value is not None})})
    assert (desk.working(), desk.order("b").held) == ({"b": ("New", 60)}, "released")


def test_an_order_that_nobody_approves_after_the_first_one_ends() -> None:
    desk = limited(approval_above=D(1_000), approval_timeout_ms=60_000)
    send(desk, "ONE_TRIGGERS_OTHER", BUY | {"quantity": "1", "price": "185.00"}, SELL | {"price": "187.00"})
    told = desk.after(60_000)
    assert [each["reason"] for each in told if each["type"] == "OrderCanceled"] == ["approval_timeout"]
    assert desk.working() == {}


def test_an_order_whose_price_came_waits_for_its_turn_after_the_other_is_off() -> None:
    desk = limited(rate_limit_orders=1, rate_limit_window_ms=1_000)
    send(desk, "ONE_CANCELS_OTHER", BUY | LOW, BUY | STOP)
    desk.quote(18_610, 18_620)
    desk.print(18_620)
    assert desk.working() == {"b": ("Suspended", 60)}
    desk.after(1_000)
    assert (desk.working(), desk.held()) == ({}, 60)


def test_what_trades_first_ends_the_others(desk: FamilyDesk) -> None:
    send(desk, "ONE_CANCELS_OTHER", BUY | LOW, BUY | STOP, BUY | LOWER)
    told = desk.quote(18_390, 18_400, lots=10)
    assert desk.working() == {"a": ("PartiallyFilled", 50)}
    assert {each["reason"] for each in told if each["type"] == "OrderCanceled"} == {"list"}
    desk.desk.restarted()
    desk.quote(18_389, 18_399, lots=50)
    assert (desk.held(), desk.working()) == (60, {})


def test_what_trades_makes_the_others_smaller_until_nothing_is_left() -> None:
    desk = limited(max_position=D(100))
    send(desk, "ONE_UPDATES_OTHER", BUY | LOW, BUY | STOP | {"quantity": "40"}, BUY | LOWER)
    desk.quote(18_390, 18_400, lots=25)
    assert desk.working() == {"a": ("PartiallyFilled", 35), "b": ("Suspended", 15), "c": ("Suspended", 35)}
    desk.desk.restarted()
    desk.quote(18_389, 18_399, lots=20)
    assert desk.working() == {"a": ("PartiallyFilled", 15), "c": ("Suspended", 15)}
    assert desk.state.holdings.holding("default", "AAPL").buys == 15


def test_a_trade_while_another_order_is_being_amended_ends_that(desk: FamilyDesk) -> None:
    send(desk, "ONE_UPDATES_OTHER", BUY | LOW, BUY | STOP)
    resting = desk.order("a")
    commands = desk.signal_unheard("ReplaceOrder", orig_client_order_id="a", quantity="50")
    hit = desk.desk.fold(desk.printed(18_620))
    assert ("OrderCancelRequested", "a") in kinds(hit)
    assert (resting.status, desk.order("b").held) == ("PendingCancel", "others")
    desk.deliver(commands + [each for each in desk.desk.commands if each not in commands][-1:])
    assert (desk.order("b").cum, desk.working()) == (60, {})


def test_two_that_are_hit_at_once_go_one_after_the_other(desk: FamilyDesk) -> None:
    send(desk, "ONE_CANCELS_OTHER", BUY | STOP, BUY | STOP | {"quantity": "50"}, BUY | LOW)
    desk.quote(18_610, 18_620)
    desk.print(18_620)
    assert (desk.held(), desk.working()) == (60, {})


def test_the_second_that_is_hit_goes_where_the_first_found_nobody(desk: FamilyDesk) -> None:
    send(desk, "ONE_UPDATES_OTHER", BUY | STOP, BUY | STOP | {"quantity": "50"}, BUY | LOW)
    desk.quote(18_610, 18_620, lots=20)
    desk.print(18_620)
    assert (desk.held(), desk.working()) == (20, {})
    assert (desk.order("b").held, desk.order("b").quantity) == ("released", 30)


def test_the_others_are_off_before_the_one_that_is_hit_goes(desk: FamilyDesk) -> None:
    send(desk, "ONE_CANCELS_OTHER", BUY | LOW, BUY | STOP, BUY | STOP | {"stop_price": "187.00"})
    desk.quote(18_610, 18_620)
    told = kinds(desk.print(18_620))
    ends = [("OrderCanceled", "a"), ("OrderCanceled", "c"), ("OrderTriggered", "b")]
    assert [each for each in told if each in ends] == ends


def test_one_alone_that_is_left_goes_at_once_when_it_is_hit(desk: FamilyDesk) -> None:
    send(desk, "ONE_CANCELS_OTHER", BUY | LOW, BUY | STOP)
    desk.signal("CancelOrder", orig_client_order_id="a")
    desk.quote(18_610, 18_620)
    told = desk.print(18_620)
    assert kinds(told)[0] == ("OrderTriggered", "b")
    assert desk.held() == 60


@pytest.mark.parametrize(("traded", "left"), [(0, None), (1, None), (20, 20), (59, 59)])
def test_the_others_are_as_much_smaller_as_the_first_one_ended(desk: FamilyDesk, traded: int, left: int | None) -> None:
    send(desk, "ONE_TRIGGERS_OTHER", BUY | LOW, SELL | {"price": "187.00", "quantity": "59" if traded < 2 else "60"})
    if traded:
        desk.quote(18_390, 18_400, lots=traded)
    desk.desk.restarted()
    desk.signal("CancelOrder", orig_client_order_id="a")
    assert desk.working() == ({} if left is None else {"b": ("New", left)})


@pytest.mark.parametrize("contingency", ["ONE_CANCELS_OTHER", "ONE_TRIGGERS_OTHER", "ONE_UPDATES_OTHER"])
def test_a_list_that_is_canceled_lets_nothing_go_any_more(desk: FamilyDesk, contingency: str) -> None:
    send(desk, contingency, BUY | LOW, BUY | STOP)
    told = desk.signal("CancelOrderList", list_id="l")
    statuses = [each["list_order_status"] for each in told if each["type"] == "OrderListReported"]
    assert (statuses, desk.working()) == (["CANCELING", "ALL_DONE"], {})
    desk.quote(18_610, 18_620)
    desk.print(18_620)
    assert desk.held() == 0


def test_orders_of_which_one_updates_the_other_are_of_one_instrument(desk: FamilyDesk) -> None:
    told = send(desk, "ONE_UPDATES_OTHER", BUY | LOW, BUY | {"symbol": "ES", "price": "5000.00", "quantity": "1"})
    assert [each["reason"] for each in told if each["type"] == "OrderRejected"] == ["list_rejected", "list_unfit"]


def test_what_the_desk_amends_counts_against_nobodys_orders_in_a_window() -> None:
    desk = limited(max_orders_per_window=2, order_window_ms=1_000)
    desk.signal(client_order_id="e", **(BUY | LOW | {"stop_loss": "183.00", "take_profit": "187.00"}))
    for lots in (10, 20, 30):
        desk.quote(18_390 - lots, 18_400 - lots, lots=lots)
    assert desk.working() == {"e.1": ("Suspended", 60), "e.2": ("New", 60)}
    [received, *_] = desk.signal(client_order_id="x", **(BUY | {"price": "180.00"}))
    assert received["type"] == "OrderReceived"
    [refused] = desk.signal(client_order_id="y", **(BUY | {"price": "179.00"}))
    assert refused["reason"] == "max_orders_per_window"


def test_what_rests_of_a_list_stays_where_the_one_that_is_hit_may_not_go(desk: FamilyDesk) -> None:
    stop = {"order_type": "STOP", "stop_price": "186.00", "price": None}
    send(desk, "ONE_CANCELS_OTHER", BUY | {"price": "184.00"}, BUY | stop)
    desk.control("Reduce")
    desk.print(18_600)
    assert desk.working() == {"a": ("New", 60)}
    desk.check()


def test_an_order_that_was_canceled_while_it_waited_is_not_let_go(desk: FamilyDesk) -> None:
    exits = [SELL | {"price": "187.00"}, SELL | {"price": "188.00"}]
    send(desk, "ONE_TRIGGERS_OTHER", BUY | LOW, *exits)
    desk.signal("CancelOrder", orig_client_order_id="b")
    desk.quote(18_390, 18_400)
    assert desk.working() == {"c": ("New", 60)}
    assert desk.order("b").status == "Canceled"
    desk.check()
