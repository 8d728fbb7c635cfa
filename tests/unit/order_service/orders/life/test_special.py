"""Orders that are not plain: what goes to the venue, what the desk holds, and what is refused with a sentence."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine.frames import Command, CommandType, OrderFlag, OrdType, ReportType, Session, Stp, Tif
from fillstream.libs.common.messages.codes import CancelRejectReason, RejectReason, SelfTrade
from fillstream.services.order_service.orders import rules
from fillstream.services.order_service.orders.rules import Rule
from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support.orders import CONFIG, NOON_MS, OrdersDesk, new_order, report, request
from tests.support.terms import but


@pytest.fixture
def desk() -> OrdersDesk:
    desk = OrdersDesk()
    desk.quote(18_499, 18_501)
    return desk


def special(
    desk: OrdersDesk,
    kind: str,
    *,
    price: str | None = None,
    tif: str | None = None,
    signal_id: str = "s1",
    side: str = "BUY",
    quantity: str | None = "100",
    **said: Any,
) -> list[dict[str, Any]]:
    """Send an order that is not plain; return the events it caused."""
    document = new_order(
        signal_id=signal_id, order_type=kind, price=price, time_in_force=tif, side=side, quantity=quantity
    )
    if said:
        document["special"] = said
    return [e for e in desk.fold({b"data": orjson.dumps(document)}) if e["type"] != "QuoteUpdated"]


def last(desk: OrdersDesk) -> Command:
    return desk.commands[-1]


def printed(desk: OrdersDesk, price: int) -> list[dict[str, Any]]:
    events = desk.fold({b"frame": report(ReportType.PRINTED, price=price, qty=1, account=0, partition=0xFFFF)})
    return [event for event in events if event["type"] != "QuoteUpdated"]


# ------------------------------------------------------------------------------------------------- what a book has


@pytest.mark.parametrize(
    ("kind", "price", "said", "expected"),
    [
        ("STOP", None, {"stop_price": "190"}, {"ord_type": OrdType.STOP, "price": 0, "aux_price": 19_000}),
        (
            "STOP_LIMIT",
            "191",
            {"stop_price": "190"},
            {"ord_type": OrdType.STOP_LIMIT, "price": 19_100, "aux_price": 19_000},
        ),
        (
            "TRAILING_STOP",
            None,
            {"trailing_offset": "1.5"},
            {"ord_type": OrdType.TRAILING_STOP, "price": 0, "aux_qty": 150},
        ),
        (
            "TRAILING_STOP",
            None,
            {"trailing_offset": "25", "trailing_offset_type": "TICKS"},
            {"ord_type": OrdType.TRAILING_STOP, "aux_qty": 25, "flags": 0},
        ),
        (
            "TRAILING_STOP",
            None,
            {"trailing_offset": "50", "trailing_offset_type": "BPS"},
            {"ord_type": OrdType.TRAILING_STOP, "aux_qty": 50, "flags": OrderFlag.OFFSET_BPS},
        ),
        (
            "TRAILING_STOP",
            None,
            {"trailing_offset": "0.5", "trailing_offset_type": "PERCENT"},
            {"ord_type": OrdType.TRAILING_STOP, "aux_qty": 50, "flags": OrderFlag.OFFSET_BPS},
        ),
        ("MARKET_TO_LIMIT", None, {}, {"ord_type": OrdType.MARKET_TO_LIMIT, "tif": Tif.GTC}),
        ("LIMIT", "185", {"post_only": True}, {"ord_type": OrdType.LIMIT, "flags": OrderFlag.POST_ONLY}),
        ("LIMIT", "185", {"all_or_none": True}, {"flags": OrderFlag.ALL_OR_NONE}),
        ("LIMIT", "185", {"display_quantity": "10"}, {"flags": OrderFlag.ICEBERG, "aux_qty": 10}),
        ("LIMIT", "185", {"self_trade_prevention": "DECREMENT"}, {"stp": Stp.DECREMENT}),
        (
            "MARKET",
            None,
            {"self_trade_prevention": "CANCEL_INCOMING"},
            {"ord_type": OrdType.LIMIT, "tif": Tif.IOC, "price": 18_686, "stp": Stp.CANCEL_INCOMING},
        ),
    ],
)
def test_an_order_goes_to_the_book_as_it_is(
    desk: OrdersDesk, kind: str, price: str | None, said: dict[str, Any], expected: dict[str, int]
) -> None:
    (received,) = special(desk, kind, price=price, **said)
    assert received["type"] == "OrderReceived"
    assert {name: str(received[name]) for name in said} == {name: str(value) for name, value in said.items()}
    assert {name: getattr(last(desk), name) for name in expected} == expected
    assert last(desk).qty == 100


def test_a_gtd_order_ends_at_its_time(desk: OrdersDesk) -> None:
    until = NOON_MS + 3_600_000
    (received,) = special(desk, "LIMIT", price="185", tif="GTD", expire_time=until)
    assert (received["time_in_force"], received["expire_time"]) == ("GTD", until)
    assert (last(desk).tif, last(desk).time_ms) == (Tif.GTD, until)


def test_a_stop_fills_at_any_price_and_is_told_when_it_comes_in(desk: OrdersDesk) -> None:
    special(desk, "STOP", stop_price="190")
    desk.accept(aux=19_000)
    assert desk.report(ReportType.TRIGGERED, qty=100, leaves=100)["type"] == "OrderTriggered"
    assert desk.fill(100, price=25_000)["ord_status"] == "Filled"


def test_a_market_to_limit_order_has_the_price_it_got(desk: OrdersDesk) -> None:
    special(desk, "MARKET_TO_LIMIT")
    accepted = desk.accept(price=18_501)
    assert accepted["price"] == "185.01"
    assert desk.fill(40, price=18_501)["ord_status"] == "PartiallyFilled"
    assert (
        desk.refused(report(ReportType.FILLED, 1, price=18_502, qty=1, match_id=9, flags=2))["reason"] == "beyond_limit"
    )


def test_a_stop_price_is_amended_while_the_order_waits(desk: OrdersDesk) -> None:
    special(desk, "STOP", stop_price="190")
    desk.accept(aux=19_000)
    requested = desk.replace(order_id="1", special={"stop_price": "191"})
    assert (requested["new_price"], requested["new_stop_price"]) == (None, "191.00")
    assert (last(desk).type, last(desk).flags, last(desk).aux_price) == (CommandType.REPLACE, 2, 19_100)
    replaced = desk.report(ReportType.REPLACED, price=0, qty=100, leaves=100)
    assert (replaced["price"], replaced["stop_price"]) == (None, "191.00")
    desk.report(ReportType.TRIGGERED, qty=100, leaves=100)
    refused = desk.replace(order_id="1", signal_id="r2", special={"stop_price": "192"})
    assert refused["reason"] == CancelRejectReason.NOT_WAITING.value
    assert desk.fill(100, price=19_200)["ord_status"] == "Filled", "its bound is none, whatever was amended"


# -------------------------------------------------------------------------------------------------- what the desk holds


def test_an_if_touched_order_waits_in_the_desk_and_goes_when_the_price_comes(desk: OrdersDesk) -> None:
    received, suspended = special(desk, "MARKET_IF_TOUCHED", stop_price="180", trigger_price_type="BID_ASK")
    assert (received["type"], suspended["type"]) == ("OrderReceived", "OrderSuspended")
    assert (suspended["ord_status"], suspended["stop_price"], suspended["leaves_qty"]) == ("Suspended", "180.00", "100")
    assert not desk.commands
    desk.quote(18_000, 18_001)
    assert not desk.commands, "a buyer looks at the ask"
    desk.ms += 1
    assert [e["type"] for e in quoted(desk, 17_999, 18_000)] == ["OrderTriggered"]
    command = last(desk)
    assert (command.ord_type, command.tif, command.price) == (OrdType.LIMIT, Tif.IOC, 18_180), "1 % of slippage"
    assert desk.accept()["ord_status"] == "New"
    assert desk.fill(100, price=18_180)["ord_status"] == "Filled"


def quoted(desk: OrdersDesk, bid: int, ask: int, bid_qty: int = 100, ask_qty: int = 100) -> list[dict[str, Any]]:
    record = report(
        ReportType.QUOTED, price=bid, qty=bid_qty, leaves=ask, aux=ask_qty, account=0, side=0, partition=0xFFFF
    )
    return [event for event in desk.fold({b"frame": record}) if event["type"] != "QuoteUpdated"]


@pytest.mark.parametrize(
    ("kind", "side", "trigger", "stop", "quiet", "reached"),
    [
        ("MARKET_IF_TOUCHED", "BUY", "LAST", "180", 18_001, 18_000),
        ("MARKET_IF_TOUCHED", "SELL", "LAST", "190", 18_999, 19_000),
        ("LIMIT_IF_TOUCHED", "SELL", "LAST", "190", 18_999, 19_200),
    ],
)
def test_which_way_a_price_must_move(
    desk: OrdersDesk, kind: str, side: str, trigger: str, stop: str, quiet: int, reached: int
) -> None:
    price = stop if kind == "LIMIT_IF_TOUCHED" else None
    special(desk, kind, side=side, stop_price=stop, price=price, trigger_price_type=trigger)
    assert printed(desk, quiet) == []
    assert [event["type"] for event in printed(desk, reached)] == ["OrderTriggered"]
    assert len(desk.commands) == 1


@pytest.mark.parametrize(
    ("side", "away", "there"),
    [("BUY", (18_998, 19_000), (18_999, 19_001)), ("SELL", (17_500, 17_502), (17_499, 17_501))],
)
def test_a_stop_by_the_mid_waits_in_the_desk(
    desk: OrdersDesk, side: str, away: tuple[int, int], there: tuple[int, int]
) -> None:
    stop = {"BUY": "190", "SELL": "175"}[side]
    special(desk, "STOP", side=side, stop_price=stop, trigger_price_type="MID")
    assert quoted(desk, *away) == []
    assert [event["type"] for event in quoted(desk, *there)] == ["OrderTriggered"]
    assert last(desk).ord_type == OrdType.LIMIT, "as a market order, with protection"


def test_an_order_whose_price_is_there_already_goes_at_once(desk: OrdersDesk) -> None:
    events = special(desk, "LIMIT_IF_TOUCHED", price="184", stop_price="186", trigger_price_type="BID_ASK")
    assert [event["type"] for event in events] == ["OrderReceived", "OrderSuspended", "OrderTriggered"]
    assert (last(desk).ord_type, last(desk).tif, last(desk).price) == (OrdType.LIMIT, Tif.GTC, 18_400)


def test_the_nearest_price_goes_first_and_then_the_oldest(desk: OrdersDesk) -> None:
    for number, stop in enumerate(("180", "182", "181", "182")):
        special(desk, "MARKET_IF_TOUCHED", signal_id=f"s{number}", quantity="1", stop_price=stop)
    gone = [event["client_order_id"] for event in printed(desk, 17_000)]
    assert gone == ["s1", "s3", "s2", "s0"]


def test_nothing_goes_while_the_venue_is_halted(desk: OrdersDesk) -> None:
    special(desk, "MARKET_IF_TOUCHED", stop_price="180")
    halted = report(ReportType.SESSION_SET, aux=Session.HALTED, account=0, partition=0xFFFF)
    assert [e["type"] for e in desk.fold({b"frame": halted})] == ["SessionChanged"]
    assert printed(desk, 17_000) == []
    going = report(ReportType.SESSION_SET, aux=Session.CONTINUOUS, account=0, partition=0xFFFF)
    assert "OrderTriggered" in [e["type"] for e in desk.fold({b"frame": going})]


def test_an_order_for_later_goes_at_its_time(desk: OrdersDesk) -> None:
    at = NOON_MS + 60_000
    events = special(desk, "LIMIT", price="185", effective_time=at)
    assert [event["type"] for event in events] == ["OrderReceived", "OrderSuspended"]
    assert events[1]["effective_time"] == at == desk.stage.due_ms or desk.stage.due_ms is not None
    desk.ms = at + 5
    triggered = [e for e in desk.fold({b"tick": b""}) if e["type"] == "OrderTriggered"]
    assert [(e["due_time"], e["price"]) for e in triggered] == [(at, "185.00")]
    assert last(desk).price == 18_500


def test_the_market_is_asked_when_an_order_for_later_goes(desk: OrdersDesk) -> None:
    at = NOON_MS + 60_000
    for signal_id in ("s1", "s2"):
        special(desk, "LIMIT", price="179", side="SELL", signal_id=signal_id, effective_time=at)
        at += 60_000
    desk.ms = at - 120_000
    gone = [e for e in desk.fold({b"tick": b""}) if e["type"] != "QuoteUpdated"]
    assert [(e["type"], e["reason"]) for e in gone] == [("OrderCanceled", "not_released")]
    assert gone[0]["text"].startswith("price: 179.00 is below 183.15: the bid is 184.99")
    quoted(desk, 17_998, 18_000)
    desk.ms = at - 60_000
    assert [e["type"] for e in desk.fold({b"tick": b""}) if e["type"] != "QuoteUpdated"] == ["OrderTriggered"]


def test_a_delay_counts_from_the_signal(desk: OrdersDesk) -> None:
    _, suspended = special(desk, "LIMIT", price="185", effective_after_ms=1_000)
    assert suspended["effective_time"] == NOON_MS - 5 + 1_000


def test_a_stop_for_later_waits_for_its_price_from_then_on(desk: OrdersDesk) -> None:
    special(desk, "MARKET_IF_TOUCHED", stop_price="180", effective_time=NOON_MS + 1_000)
    assert printed(desk, 17_000) == []
    desk.ms = NOON_MS + 1_000
    assert [e["type"] for e in desk.fold({b"tick": b""}) if e["type"] != "QuoteUpdated"] == ["OrderTriggered"]


def test_what_is_held_is_canceled_at_once(desk: OrdersDesk) -> None:
    special(desk, "MARKET_IF_TOUCHED", stop_price="180")
    events = desk.fold({b"data": orjson.dumps(request("CancelOrder", order_id="1"))})
    assert [(e["type"], e["ord_status"]) for e in events if e["type"] != "QuoteUpdated"] == [
        ("OrderCancelRequested", "PendingCancel"),
        ("OrderCanceled", "Canceled"),
    ]
    assert printed(desk, 17_000) == []
    assert not desk.commands
    assert not desk.stage._state.triggers


def test_what_is_held_is_amended_at_once(desk: OrdersDesk) -> None:
    special(desk, "LIMIT_IF_TOUCHED", price="180", stop_price="180")
    wish = request("ReplaceOrder", order_id="1", quantity="50", price="183.5") | {"special": {"stop_price": "184"}}
    events = [e for e in desk.fold({b"data": orjson.dumps(wish)}) if e["type"] != "QuoteUpdated"]
    assert [e["type"] for e in events] == ["OrderReplaceRequested", "OrderReplaced"]
    assert [events[1][name] for name in ("ord_status", "quantity", "price", "stop_price")] == [
        "Suspended",
        "50",
        "183.50",
        "184.00",
    ]
    assert [e["type"] for e in printed(desk, 18_390)] == ["OrderTriggered"]
    assert (last(desk).qty, last(desk).price) == (50, 18_350)


def test_what_is_held_expires(desk: OrdersDesk) -> None:
    until = NOON_MS + 10_000
    special(desk, "LIMIT_IF_TOUCHED", price="180", stop_price="180", tif="GTD", expire_time=until)
    desk.ms = until
    expired = [e for e in desk.fold({b"tick": b""}) if e["type"] == "OrderExpired"]
    assert [(e["due_time"], e["ord_status"]) for e in expired] == [(until, "Expired")]
    assert printed(desk, 17_000) == []


def test_a_venue_cannot_report_on_what_it_never_got(desk: OrdersDesk) -> None:
    special(desk, "MARKET_IF_TOUCHED", stop_price="180")
    letter = desk.refused(report(ReportType.FILLED, 1, price=18_000, qty=100, match_id=1, flags=2))
    assert letter["text"] == "order_id: order 1 waits in the desk, no venue has it"


def test_a_market_that_reaches_many_lets_them_go_over_several_entries(desk: OrdersDesk) -> None:
    for number in range(1_200):
        special(desk, "MARKET_IF_TOUCHED", signal_id=f"s{number}", quantity="1", stop_price="180")
        if number % 40 == 39:  # its limit of orders a day
            desk.ms += 86_400_000
            desk.quote(18_499, 18_501)
    gone = len(printed(desk, 17_000))
    assert 0 < gone < 1_200
    assert desk.stage.due_ms is not None and desk.stage.due_ms <= desk.ms
    while more := [e for e in desk.fold({b"tick": b""}) if e["type"] == "OrderTriggered"]:
        gone += len(more)
    assert gone == 1_200


def test_a_snapshot_has_what_is_held_and_it_goes_on_waiting(desk: OrdersDesk) -> None:
    special(desk, "MARKET_IF_TOUCHED", stop_price="180", trigger_price_type="MID")
    special(desk, "LIMIT", price="180", signal_id="s2", effective_time=NOON_MS + 60_000, display_quantity="10")
    special(desk, "STOP", signal_id="s3", stop_price="190")
    data = desk.stage.snapshot()
    other = OrdersStage(desk.topology, desk.partition, desk.config)
    other.restore(data)
    assert other.snapshot() == data
    desk.stage = other
    assert [e["client_order_id"] for e in quoted(desk, 17_998, 18_000)] == ["s1"]
    desk.ms = NOON_MS + 60_000
    assert [e["client_order_id"] for e in desk.fold({b"tick": b""}) if e["type"] == "OrderTriggered"] == ["s2"]
    assert last(desk).flags == OrderFlag.ICEBERG


# ------------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("kind", "price", "said", "quantity"),
    [
        ("LIMIT", "184.00", {"notional": "1000"}, "5"),
        ("LIMIT", "184.00", {"notional": "920"}, "5"),
        ("MARKET", None, {"notional": "1000"}, "5"),  # at the ask, 185.01
        ("LIMIT", "184.00", {"risk_amount": "100", "stop_loss": "182.01"}, "50"),
        ("STOP", None, {"notional": "1000", "stop_price": "190"}, "5"),
    ],
)
def test_a_size_in_money_is_rounded_down_to_the_lot(
    desk: OrdersDesk, kind: str, price: str | None, said: dict[str, Any], quantity: str
) -> None:
    (received,) = special(desk, kind, price=price, quantity=None, **said)
    assert received["quantity"] == quantity == str(last(desk).qty)
    assert {name: received[name] for name in said} == said


def test_a_share_of_equity_is_counted_at_todays_marks(desk: OrdersDesk) -> None:
    desk.stage._state.holdings.adjust("default", Decimal(10_000))
    (received,) = special(desk, "LIMIT", price="184.00", quantity=None, equity_percent="10")
    assert (received["quantity"], received["equity_percent"]) == ("5", "10")
    desk.fill(5, price=18_400)
    desk.quote(20_399, 20_401)  # a mark of 204: 100 more, once it is told
    desk.ms += 300
    desk.fold({b"tick": b""})
    (received,) = special(desk, "LIMIT", price="202.00", quantity=None, signal_id="s2", equity_percent="20")
    assert received["quantity"] == "9", "20 % of 10 100 is 2 020 less the fee: 10 lots but for that"
    (risked,) = special(
        desk, "LIMIT", price="202.00", quantity=None, signal_id="s3", risk_percent="1", stop_loss="201.00"
    )
    assert risked["quantity"] == "100"


def test_a_share_of_an_equity_that_nobody_knows_is_refused(desk: OrdersDesk) -> None:
    (nothing,) = special(desk, "LIMIT", price="184.00", quantity=None, equity_percent="10")
    assert nothing["text"] == "equity_percent: 10 buys less than one lot of AAPL, 1, at 184.00"
    desk.stage._state.holdings.account("default").known = False
    (unknown,) = special(desk, "LIMIT", price="184.00", quantity=None, signal_id="s2", equity_percent="10")
    assert (unknown["reason"], unknown["text"].partition(":")[0]) == ("size_unknown", "equity_percent")


def test_an_account_may_prevent_self_trades_of_all_its_orders() -> None:
    prevents = but(CONFIG.accounts["default"], self_trade_prevention=SelfTrade.CANCEL_BOTH)
    desk = OrdersDesk(but(CONFIG, accounts={**CONFIG.accounts, "default": prevents}))
    desk.quote(18_499, 18_501)
    desk.new(price="185.00")
    assert last(desk).stp == Stp.CANCEL_BOTH
    special(desk, "LIMIT", price="185.00", signal_id="s2", post_only=True)
    assert last(desk).stp == Stp.CANCEL_BOTH
    special(desk, "LIMIT", price="185.00", signal_id="s3", self_trade_prevention="NONE")
    assert last(desk).stp == Stp.NONE


# ------------------------------------------------------------------------------------------------- rules


@pytest.mark.parametrize("rule", [*rules.SPECIAL, *rules.SHOWN], ids=lambda rule: rule.reason.value)
def test_the_example_of_each_rule_breaks_it(desk: OrdersDesk, rule: Rule) -> None:
    fields = {"order_type": "LIMIT", "symbol": "AAPL", "side": "BUY", **rule.example}
    plain = {
        name: fields.pop(name, None) for name in ("order_type", "price", "time_in_force", "quantity", "symbol", "side")
    }
    fields["expire_time"] = 1 if "expire_time" in fields else None
    said = {name: value for name, value in fields.items() if value is not None}
    quantity = plain["quantity"] if "quantity" in rule.example else "100"
    document = new_order(**{**plain, "quantity": quantity}) | {"special": said}
    (event,) = desk.fold({b"data": orjson.dumps(document)})
    assert (event["type"], event["reason"]) == ("OrderRejected", rule.reason.value), event
    assert {name for name in said} <= event.keys(), "it says what was asked for"


@pytest.mark.parametrize(
    ("kind", "price", "said", "reason", "text"),
    [
        (
            "TRAILING_STOP",
            None,
            {"trailing_offset": "0.005"},
            RejectReason.STOP_OFF_TICK,
            "trailing_offset: 0.005 is not a multiple",
        ),
        (
            "TRAILING_STOP",
            None,
            {"trailing_offset": "0.5", "trailing_offset_type": "BPS"},
            RejectReason.STOP_OFF_TICK,
            "trailing_offset: 0.5 BPS is no whole number of basis points",
        ),
        (
            "TRAILING_STOP",
            None,
            {"trailing_offset": "100", "trailing_offset_type": "PERCENT"},
            RejectReason.STOP_OUT_OF_RANGE,
            "trailing_offset: 100 is 10000 basis points, must be 1 to 9999",
        ),
        ("LIMIT", "185.005", {"notional": "1000"}, RejectReason.OFF_TICK, "price: 185.005 is not a multiple"),
        (
            "LIMIT",
            "185.00",
            {"display_quantity": "0.5"},
            RejectReason.BAD_DISPLAY,
            "display_quantity: 0.5 is not a multiple",
        ),
        (
            "LIMIT",
            "185.00",
            {"take_profit": "184.00"},
            RejectReason.WRONG_SIDE,
            "take_profit: 184.00 must be above the entry of a buy, 185.00",
        ),
        (
            "STOP",
            None,
            {"stop_price": "2000"},
            RejectReason.MAX_ORDER_VALUE,
            "quantity: an order value of 200000 USD is above max_order_value 100000",
        ),
    ],
)
def test_a_refusal_names_the_field_its_value_and_the_limit(
    desk: OrdersDesk, kind: str, price: str | None, said: dict[str, Any], reason: RejectReason, text: str
) -> None:
    quantity = None if "notional" in said else "100"
    (event,) = special(desk, kind, price=price, quantity=quantity, **said)
    assert (event["type"], event["reason"]) == ("OrderRejected", reason.value), event
    assert event["text"].startswith(text), event["text"]


def test_a_trailing_stop_needs_a_market_to_follow() -> None:
    desk = OrdersDesk()
    (event,) = special(desk, "TRAILING_STOP", trailing_offset="1")
    assert event["reason"] == RejectReason.NO_QUOTE.value


def test_a_collar_is_for_orders_that_may_trade_as_they_come(desk: OrdersDesk) -> None:
    (event,) = special(desk, "STOP_LIMIT", price="195", stop_price="194")
    assert event["type"] == "OrderReceived"
