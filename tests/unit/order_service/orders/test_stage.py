"""The orders stage as its neighbours see it: orders, repeats and reports. Every event meets its contract."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import CommandType, OrdType, Reason, ReportFlag, ReportType, Side, Tif
from fillstream.libs.common.messages.codes import OrderType
from fillstream.libs.common.messages.topology import Topology, order_id_of
from fillstream.services.order_service.orders import state
from fillstream.services.order_service.orders.config import DAY_MS
from tests.support.orders import CONFIG, NOON_MS, D, OrdersDesk, report
from tests.support.terms import account, but


@pytest.fixture
def desk() -> OrdersDesk:
    made = OrdersDesk()
    made.quote(18490, 18500)
    return made


def types_of(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


# ----------------------------------------------------------------------------------------------------------- new orders


def test_a_limit_order_is_received_and_routed(desk: OrdersDesk) -> None:
    event = desk.new(price="185.00", strategy="mean-rev", confidence="0.75", time_in_force="GTC")
    assert event | {"seq": 0} == {
        "type": "OrderReceived",
        "v": 1,
        "seq": 0,
        "time": NOON_MS,
        "order_id": "1",
        "client_order_id": "s1",
        "account": "default",
        "symbol": "AAPL",
        "side": "BUY",
        "ord_status": "PendingNew",
        "quantity": "100",
        "cum_qty": "0",
        "leaves_qty": "100",
        "avg_px": None,
        "signal_id": "s1",
        "order_type": "LIMIT",
        "price": "185.00",
        "time_in_force": "GTC",
        "strategy": "mean-rev",
        "confidence": "0.75",
        "venue": "SIM",
    }
    assert desk.commands == [
        frames.Command(1, 18500, 100, 0, 0, 0, 1, 1, CommandType.NEW, Side.BUY, OrdType.LIMIT, Tif.GTC, 0, 0, 0)
    ]


@pytest.mark.parametrize(("tif", "routed"), [("GTC", Tif.IOC), ("DAY", Tif.IOC), ("IOC", Tif.IOC), ("FOK", Tif.FOK)])
def test_a_market_order_is_routed_with_protection_and_never_rests(desk: OrdersDesk, tif: str, routed: Tif) -> None:
    event = desk.new(time_in_force=tif, side="SELL")
    assert (event["order_type"], event["price"], event["time_in_force"]) == ("MARKET", None, routed.name)
    command = desk.commands[-1]
    assert (command.ord_type, command.price, command.tif, command.side) == (OrdType.LIMIT, 18306, routed, Side.SELL)
    assert command.time_ms == 0


def test_a_day_order_expires_at_the_next_utc_midnight(desk: OrdersDesk) -> None:
    desk.new(price="185.00", time_in_force="DAY")
    assert desk.commands[-1].tif == Tif.DAY
    assert desk.commands[-1].time_ms == NOON_MS + DAY_MS // 2


def test_what_a_signal_leaves_open_the_desk_fills_in(desk: OrdersDesk) -> None:
    assert desk.new(order_type=None, price=None, signal_id="a")["order_type"] == "MARKET"
    limit = desk.new(order_type=None, price="185.00", signal_id="b")
    assert (limit["order_type"], limit["time_in_force"]) == ("LIMIT", "GTC")


def test_order_ids_carry_the_partition() -> None:
    topology = Topology(account_partitions=4, symbol_partitions=3)
    partition = topology.account_partition("default")
    desk = OrdersDesk(topology=topology, partition=partition)
    event = desk.new(price="185.00")
    assert event["order_id"] == str(order_id_of(partition, 1))
    assert desk.commands[-1].partition == partition
    # Quotes and orders of one symbol are in one book.
    assert desk.fold({b"frame": report(ReportType.FILLED, order_id_of(partition, 1), partition=partition)}) == []


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"symbol": "MSFT"}, "unknown_symbol", "symbol: MSFT"),
        ({"account": "nobody"}, "unknown_account", "account: nobody"),
        ({"price": "185.001"}, "off_tick", "price: 185.001 is not a multiple of AAPL's tick size 0.01"),
        ({"price": "0"}, "price_not_positive", "price: 0 must be above 0"),
        ({"price": "-185"}, "price_not_positive", "price: -185"),
        ({"price": "100000000000000000000"}, "price_too_large", "100000000000000000000"),
        ({"quantity": "0.5", "price": "185"}, "off_lot", "quantity: 0.5 is not a multiple of AAPL's lot size 1"),
        ({"quantity": "1" + "0" * 16, "price": "185"}, "quantity_too_large", "1000000000000000, what a venue takes"),
        ({"quantity": "1", "price": "5"}, "min_order_size", "5 USD is below min_order_size 10"),
        ({"quantity": "1000", "price": "185"}, "max_order_value", "185000 USD is above max_order_value 100000"),
        ({"quantity": "1000"}, "max_order_value", "186850 USD"),  # at the bound a market order may reach
        ({"price": "186.86"}, "price_collar", "price: 186.86 is above 186.85: the ask is 185.00"),
        ({"symbol": "ES"}, "no_quote", "ES has no ask now"),
    ],
)
def test_an_order_that_breaks_a_rule_is_rejected_and_not_routed(
    desk: OrdersDesk, fields: dict[str, Any], reason: str, words: str
) -> None:
    event = desk.new(**fields)
    assert (event["type"], event["ord_status"], event["leaves_qty"]) == ("OrderRejected", "Rejected", "0")
    assert event["reason"] == reason
    assert words in event["text"]
    assert event["order_id"] == "1"
    assert desk.commands == []
    assert desk.stage.gauges()["rejects"] == {reason: 1}


FRESH = but(CONFIG, max_quote_age_ms=10_000)


@pytest.mark.parametrize(
    "fields", [{}, {"side": "SELL"}, {"price": "185.00"}, {"side": "SELL", "price": "184.90"}], ids=str
)
def test_an_order_that_reaches_a_dead_feeds_quote_is_refused(fields: dict[str, Any]) -> None:
    desk = OrdersDesk(FRESH)
    desk.quote(18490, 18500)
    desk.ms += 10_000
    assert desk.new(**fields, signal_id="in-time")["type"] == "OrderReceived"
    desk.ms += 1
    event = desk.new(**fields, signal_id="too-late")
    assert (event["type"], event["reason"]) == ("OrderRejected", "stale_quote")
    assert event["text"] == ("symbol: AAPL's newest quote is 10.0 s old, max_quote_age_ms is 10000: does its feed run?")
    desk.quote(18490, 18500)  # unchanged: the feed lives
    assert desk.new(**fields, signal_id="again")["type"] == "OrderReceived"


def test_an_order_that_rests_needs_no_fresh_quote_until_it_is_moved_into_it() -> None:
    desk = OrdersDesk(FRESH)
    desk.quote(18490, 18500)
    desk.ms += 60_000
    desk.new(price="184.99")
    desk.accept()
    assert desk.new(side="SELL", price="184.91", signal_id="s2")["type"] == "OrderReceived"
    event = desk.replace(order_id="1", price="185.00")
    assert (event["type"], event["reason"]) == ("OrderReplaceRejected", "stale_quote")
    assert desk.replace(order_id="1", signal_id="r2", price="184.98")["type"] == "OrderReplaceRequested"


def test_a_restored_stage_knows_how_old_a_quote_is() -> None:
    desk = OrdersDesk(FRESH)
    desk.quote(18490, 18500)
    desk.stage.restore(desk.stage.snapshot())
    desk.ms += 10_001
    assert desk.new()["reason"] == "stale_quote"


def test_an_order_without_price_is_rejected_where_limit_is_the_default() -> None:
    desk = OrdersDesk(but(CONFIG, default_order_type=OrderType.LIMIT))
    event = desk.new(order_type=None)
    assert (event["type"], event["reason"], event["order_type"]) == ("OrderRejected", "price_required", "LIMIT")


def test_the_days_limit_counts_accepted_orders_by_utc_day() -> None:
    config = but(CONFIG, accounts={"default": account(1, D(100_000), 2)})
    desk = OrdersDesk(config)
    quantities = {"a": "100", "b": "0.5", "c": "100", "d": "100"}
    outcomes = [desk.new(signal_id=s, price="1", quantity=q)["type"] for s, q in quantities.items()]
    assert outcomes == ["OrderReceived", "OrderRejected", "OrderReceived", "OrderRejected"]
    assert desk.events[-1]["reason"] == "max_daily_orders"
    desk.ms += DAY_MS // 2
    assert desk.new(signal_id="e", price="1")["type"] == "OrderReceived"


# ---------------------------------------------------------------------------------------------------------- idempotency


def test_the_same_client_order_id_again_reports_the_first_and_changes_nothing(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.accept()
    again = desk.new(price="185.00", signal_id="s2", client_order_id="s1", quantity="7", side="SELL")
    assert (again["type"], again["signal_id"], again["order_id"]) == ("OrderStatusReported", "s2", "1")
    assert (again["ord_status"], again["quantity"], again["side"]) == ("New", "100", "BUY")
    assert "for BUY 100 AAPL; this signal (SELL 7 AAPL) changed nothing" in again["text"]
    assert len(desk.commands) == 1


def test_a_rejected_order_is_remembered_too(desk: OrdersDesk) -> None:
    desk.new(symbol="MSFT")
    again = desk.new(symbol="MSFT", quantity="1E+2")
    assert (again["type"], again["ord_status"], again["order_id"]) == ("OrderStatusReported", "Rejected", "1")


def test_client_order_ids_belong_to_their_account(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    assert desk.new(price="185.00", account="other")["type"] == "OrderReceived"


def test_a_finished_order_leaves_the_state_and_its_id_is_still_known(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.accept()
    desk.fill(40, price=18400)
    desk.canceled()
    desk.tick(CONFIG.retention_ms)
    kept = desk.stage._state
    assert ([*kept.orders], kept.clients, kept.remembered.count) == ([], {}, 1)
    again = desk.new(price="185.00", signal_id="s2", client_order_id="s1")
    assert (again["type"], again["ord_status"]) == ("OrderStatusReported", "Canceled")
    assert (again["order_id"], again["client_order_id"], again["symbol"], again["side"]) == ("1", "s1", "AAPL", "BUY")
    assert (again["quantity"], again["cum_qty"], again["avg_px"]) == (None, None, None), "the journal's past has them"
    assert again["text"] == (
        "client_order_id: s1 was used before, for BUY AAPL, which is Canceled; "
        "this signal (BUY 100 AAPL) changed nothing"
    )
    assert desk.status(order_id="1", signal_id="s1")["client_order_id"] is None, "nobody said it, and it is a digest"
    assert desk.cancel(orig_client_order_id="s1")["reason"] == "too_late"
    assert desk.refused(report(ReportType.FILLED, 1, qty=1))["reason"] == "unknown_order"


def test_after_the_idempotency_window_an_id_is_free_again(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.canceled()
    desk.new(symbol="MSFT", signal_id="s2")
    desk.tick(CONFIG.idempotency_ms - 1)
    assert desk.new(price="185.00")["type"] == "OrderStatusReported"
    desk.tick(1)
    kept = desk.stage._state
    assert ([*kept.orders], kept.remembered.count) == ([], 0)
    assert desk.new(price="185.00")["order_id"] == "3"


def test_a_working_order_is_never_forgotten(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.accept()
    desk.tick(3 * CONFIG.idempotency_ms)
    assert desk.new(price="185.00")["type"] == "OrderStatusReported"
    assert desk.cancel(orig_client_order_id="s1")["type"] == "OrderCancelRequested"
    desk.canceled()
    desk.tick(CONFIG.retention_ms)
    assert desk.new(price="185.00")["order_id"] == "2"


def test_an_order_whose_cancel_the_venue_has_not_answered_stays(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.cancel(order_id="1")
    desk.fill(100)
    for _ in range(3):
        desk.tick(CONFIG.retention_ms)
    event = desk.report(ReportType.CANCEL_REJECTED, reason=Reason.UNKNOWN_ORDER, side=0)
    assert (event["type"], event["reason"]) == ("OrderCancelRejected", "too_late")
    desk.tick(CONFIG.retention_ms)
    assert desk.refused(report(ReportType.FILLED, 1, qty=1))["reason"] == "unknown_order"


def test_a_retention_of_nothing_lets_go_at_the_next_tick() -> None:
    desk = OrdersDesk(but(CONFIG, retention_ms=0))
    desk.new(price="185.00")
    desk.cancel(order_id="1")
    desk.fill(100)
    desk.tick()
    assert desk.report(ReportType.CANCEL_REJECTED, side=0)["reason"] == "too_late"
    desk.tick()
    assert desk.refused(report(ReportType.FILLED, 1, qty=1))["reason"] == "unknown_order"


@pytest.mark.parametrize("price", [{}, {"price": "183.50"}])
def test_a_sale_is_worth_at_least_what_the_bid_pays(desk: OrdersDesk, price: dict[str, str]) -> None:
    """At its own price, below the bid, 545 shares would be worth less than the 100000 that are allowed."""
    desk.quote(18_500, 18_502)
    event = desk.new(side="SELL", quantity="541", **price)
    assert (event["type"], event.get("reason")) == ("OrderRejected", "max_order_value")
    assert "an order value of 100085 USD is above max_order_value 100000" in event["text"]
    assert desk.new(side="SELL", quantity="540", signal_id="s2", **price)["type"] == "OrderReceived"
    desk.quote(0, 18_502, bid_qty=0)
    assert desk.new(side="SELL", quantity="541", signal_id="s3", price="183.50")["type"] == "OrderReceived"


def test_an_id_that_one_account_used_is_free_for_another(desk: OrdersDesk) -> None:
    assert desk.new(symbol="MSFT", signal_id="a")["type"] == "OrderRejected"
    assert desk.new(price="185.00", signal_id="a", account="other")["type"] == "OrderReceived"
    assert desk.new(symbol="MSFT", signal_id="b", account="other")["type"] == "OrderRejected"
    assert desk.new(symbol="MSFT", signal_id="b")["type"] == "OrderRejected"
    assert [desk.status(client_order_id="b", account=name)["order_id"] for name in ("other", "default")] == ["3", "4"]


def test_beyond_the_limit_no_new_order_is_taken_and_none_forgotten(
    desk: OrdersDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.stage._state, "capacity", 2)
    assert desk.new(price="185.00", signal_id="a")["type"] == "OrderReceived"
    assert desk.new(symbol="MSFT", signal_id="b")["type"] == "OrderRejected"
    refused = desk.new(price="185.00", signal_id="c")
    assert (refused["type"], refused["signal"], refused["reason"]) == ("SignalRefused", "NewOrder", "too_many_ids")
    assert refused["text"] == (
        "client_order_id: 2 orders came to this partition in 24 hours, the most that can be remembered; "
        "c is taken when the oldest has gone"
    )
    close = {
        "type": "ClosePosition", "v": 1, "signal_id": "d", "client_order_id": "d", "account": "default",
        "symbol": "AAPL", "quantity": None, "order_type": None, "price": None, "time_in_force": None,
        "strategy": None, "position_id": None, "signal_time": desk.ms,
    }  # fmt: skip
    closed = desk.one({b"data": orjson.dumps(close)})
    assert (closed["signal"], closed["reason"]) == ("ClosePosition", "too_many_ids")
    assert desk.new(symbol="MSFT", signal_id="b")["type"] == "OrderStatusReported", "it was not forgotten"
    assert desk.cancel(orig_client_order_id="a")["type"] == "OrderCancelRequested", "risk can be taken away"
    gauges = desk.stage.gauges()
    assert (gauges["ids_remembered"], gauges["ids_capacity"]) == ({"": 2}, {"": 2})
    desk.tick(CONFIG.idempotency_ms)
    assert desk.new(price="185.00", signal_id="c")["type"] == "OrderReceived"


# -------------------------------------------------------------------------------------------------------------- reports


def test_from_acceptance_to_filled(desk: OrdersDesk) -> None:
    desk.new(price="185.00", strategy="mean-rev")
    assert desk.accept()["ord_status"] == "New"
    first = desk.fill(40, price=18499, flags=ReportFlag.MAKER)
    assert (first["ord_status"], first["cum_qty"], first["leaves_qty"]) == ("PartiallyFilled", "40", "60")
    assert (first["exec_id"], first["liquidity"], first["fee"]) == ("SIM-0-1-B", "MAKER", "-0.14799200")
    assert desk.stage.gauges()["fills"] == {"MAKER": 1, "TAKER": 0}
    last = desk.fill(60, price=18500)
    assert (last["ord_status"], last["leaves_qty"], last["avg_px"]) == ("Filled", "0", "184.996")
    assert (last["last_qty"], last["last_px"], last["liquidity"], last["strategy"]) == (
        "60",
        "185.00",
        "TAKER",
        "mean-rev",
    )
    assert (last["fee"], last["currency"]) == ("0.55500000", "USD")
    assert desk.stage.latencies_ms.first_filled == [], "it rested: the first fill was somebody else's doing"
    assert desk.stage.latencies_ms.ended == [5]


def test_how_long_an_order_took_is_told_apart(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.accept()
    told = desk.stage.latencies_ms
    desk.ms += 3
    desk.fill(40)
    desk.ms += 1_000_000
    desk.fill(40)
    desk.fill(20)
    assert (told.acknowledged, told.first_filled, told.ended) == ([5], [8], [1_000_008])
    told.clear()
    assert not told


def test_an_order_that_was_amended_did_not_trade_as_it_came(desk: OrdersDesk) -> None:
    desk.new(price="184.00")
    desk.accept()
    desk.replace(order_id="1", price="185.00")
    desk.report(ReportType.REPLACED, price=18500, qty=100)
    desk.restarted()
    desk.fill(100)
    told = desk.stage.latencies_ms
    assert (told.first_filled, told.ended) == ([], [5])


def test_what_a_stage_tells_its_worker_stays_the_same_object_over_a_restore(desk: OrdersDesk) -> None:
    told = desk.stage.latencies_ms
    desk.new(price="185.00")
    desk.stage.restore(desk.stage.snapshot())
    assert desk.stage.latencies_ms is told
    desk.fill(100)
    assert (told.first_filled, told.ended) == ([5], [5])


def test_a_fee_is_of_the_value_with_the_multiplier(desk: OrdersDesk) -> None:
    desk.quote(600_000, 600_010, symbol="BTCUSDT")
    desk.new(symbol="BTCUSDT", quantity="0.12345", price="60001.0", side="BUY")
    fill = desk.fill(12345, price=600_010, symbol=2)
    assert fill["last_qty"] == "0.12345"
    assert D(fill["fee"]) == (D("60001.0") * D("0.12345") * D("0.00045")).quantize(D("1E-8"))


def test_a_fee_is_of_the_values_size_so_that_a_negative_price_earns_no_rebate(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    assert desk.fill(40, price=-18499)["fee"] == desk.fill(40, price=18499)["fee"] == "0.36998000"
    assert desk.fill(20, price=-18500, flags=ReportFlag.MAKER)["fee"] == "-0.07400000"


def test_both_sides_of_a_self_trade_are_told_apart(desk: OrdersDesk) -> None:
    desk.new(price="185.00", signal_id="a")
    desk.new(price="185.00", signal_id="b", side="SELL")
    trade = [report(ReportType.FILLED, i, qty=10, price=18500, match_id=7, side=i, flags=i, symbol=1) for i in (1, 2)]
    events = desk.fold({b"frame": b"".join(trade)})
    assert [event["exec_id"] for event in events] == ["SIM-0-7-B", "SIM-0-7-S"]


def test_an_unusable_record_goes_to_dead_and_the_others_through(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    good = report(ReportType.ACCEPTED, 1)
    bad = report(ReportType.ACCEPTED, 99)
    fill = report(ReportType.FILLED, 1, qty=100, price=18500, match_id=1, flags=1)
    letter = desk.refused(good, bad, fill)
    assert (letter["reason"], letter["stage"]) == ("unknown_order", "orders")
    assert desk.dead[-1][b"raw:frame.SIM"] == bad
    assert "order 99" in letter["text"]
    assert types_of(desk.events[-2:]) == ["OrderAccepted", "OrderFilled"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"qty": 101, "match_id": 2, "flags": 1}, "overfill"),
        ({"qty": 10, "match_id": 1, "flags": 1}, "repeated_trade"),
        ({"qty": 0, "match_id": 2, "flags": 1}, "bad_quantity"),
        ({"qty": 10, "match_id": 2, "flags": 3}, "bad_record"),
        ({"qty": 10, "match_id": 2, "flags": 0}, "bad_record"),
        ({"qty": 10, "match_id": 2, "flags": 1, "side": 2}, "bad_record"),
        ({"qty": 10, "match_id": 2, "flags": 1, "account": 2}, "bad_record"),
        ({"qty": 10, "match_id": 2, "flags": 1, "symbol": 2}, "bad_record"),
        ({"qty": 10, "match_id": 2, "flags": 1, "partition": 1}, "wrong_partition"),
    ],
)
def test_a_fill_that_cannot_be_changes_nothing(desk: OrdersDesk, fields: dict[str, int], reason: str) -> None:
    desk.new(price="185.00")
    desk.fill(10)
    before = desk.stage.snapshot()
    assert desk.refused(report(ReportType.FILLED, 1, price=18500, **fields))["reason"] == reason
    assert desk.stage.snapshot() == before


def test_a_record_of_no_known_type_goes_to_dead(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    assert desk.refused(report(77, 1))["reason"] == "bad_record"  # type: ignore[arg-type]


def test_the_venue_may_refuse(desk: OrdersDesk) -> None:
    desk.new(price="185.00", confidence="1")
    event = desk.report(ReportType.REJECTED, reason=Reason.CAPACITY)
    assert (event["type"], event["ord_status"], event["reason"]) == ("OrderRejected", "Rejected", "venue_capacity")
    assert (event["signal_id"], event["confidence"], event["price"]) == ("s1", "1", "185.00")
    desk.new(price="185.00", signal_id="s2")
    assert desk.report(ReportType.REJECTED, 2, reason=200)["text"] == "the venue refused the order: reason 200"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (Reason.REQUESTED, "requested"),
        (Reason.IOC_REMAINDER, "ioc_remainder"),
        (Reason.FOK_KILLED, "fok_killed"),
        (Reason.NO_LIQUIDITY, "no_liquidity"),
        (Reason.REPLACED_BELOW_FILLED, "replaced_below_filled"),
        (199, "venue_other"),
    ],
)
def test_the_venue_says_why_it_canceled(desk: OrdersDesk, reason: int, told: str) -> None:
    desk.new(price="185.00")
    event = desk.canceled(reason=reason)
    assert (event["type"], event["ord_status"], event["reason"]) == ("OrderCanceled", "Canceled", told)


def test_an_order_expires(desk: OrdersDesk) -> None:
    desk.new(price="185.00", time_in_force="DAY")
    desk.accept()
    event = desk.report(ReportType.EXPIRED, qty=100)
    assert (event["type"], event["ord_status"], event["leaves_qty"]) == ("OrderExpired", "Expired", "0")


def test_a_late_fill_of_a_canceled_order_is_told(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.canceled()
    event = desk.fill(40)
    assert (event["ord_status"], event["cum_qty"], event["leaves_qty"]) == ("Canceled", "40", "0")


def test_orders_share_their_texts_and_names_of_runs_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MAX_SHARED", 8)
    desk = OrdersDesk()
    for number in range(30):
        desk.new(signal_id=f"s{number}", price="185.00", strategy=f"run-{number // 2}")
    orders = list(desk.stage._state.live())
    assert orders[0].strategy is orders[1].strategy
    assert orders[0].account is orders[2].account
    assert len(desk.stage._state._shared) <= 8
