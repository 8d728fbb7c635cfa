"""What protects positions, as the orders stage takes it: judged by what is held; and what exits close."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.codes import RejectReason
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM
from fillstream.services.order_service.orders.config import DAY_MS
from tests.support.desk_with_sim import DeskWithSim
from tests.support.orders import CONFIG, NOON_MS, OrdersDesk
from tests.support.session_desk import AUCTION, HOUR, MIDNIGHT, desk_at
from tests.support.terms import but

NOTHING = dict.fromkeys(
    (
        "quantity", "stop_loss", "stop_loss_percent", "take_profit", "take_profit_percent", "trailing_stop",
        "trailing_stop_percent", "trailing_stop_atr", "activation_offset", "break_even_offset", "time_limit_ms",
        "exit_time", "before_session_end_ms", "strategy",
    )
)  # fmt: skip


@pytest.fixture
def desk() -> OrdersDesk:
    """Return a desk whose account holds 100 AAPL."""
    desk = OrdersDesk()
    desk.quote(18_499, 18_501)
    desk.new(signal_id="held", price="185.01")
    desk.fill(100, price=18_501)
    return desk


def protect(**said: Any) -> dict[str, Any]:
    head = {"type": "ProtectPosition", "v": 1, "signal_id": "p1", "account": "default", "symbol": "AAPL"}
    named = {"position_id": None, "protection_id": "default", "signal_time": NOON_MS - 5}
    return head | NOTHING | named | said


def leave(**said: Any) -> dict[str, Any]:
    document = {
        "type": "ExitPosition", "v": 1, "signal_id": "exit-0-1-1", "client_order_id": "exit-0-1-1",
        "account": "default", "symbol": "AAPL", "quantity": None, "position_id": "0-9", "strategy": "s",
        "signal_time": NOON_MS - 5,
    }  # fmt: skip
    return document | said


def test_what_fits_the_position_is_journaled_with_what_it_says(desk: OrdersDesk) -> None:
    said = {"stop_loss": "180.00", "take_profit_percent": "5", "quantity": "40", "protection_id": "half"}
    event = desk.instruct(protect(**said))
    assert event["type"] == "PositionProtected"
    assert {name: event[name] for name in said} == said
    assert "trailing_stop" not in event


@pytest.mark.parametrize(
    ("said", "reason", "text"),
    [
        ({"symbol": "NOPE"}, RejectReason.UNKNOWN_SYMBOL, "symbol: NOPE"),
        ({"account": "nobody"}, RejectReason.UNKNOWN_ACCOUNT, "account: nobody"),
        ({"symbol": "ES"}, RejectReason.NOTHING_TO_REDUCE, "symbol: default holds no ES, there is nothing to protect"),
        ({"quantity": "0.5"}, RejectReason.OFF_LOT, "quantity: 0.5 is not a multiple of AAPL's lot size 1"),
        ({"stop_loss": "180.005"}, RejectReason.STOP_OFF_TICK, "stop_loss: 180.005 is not a multiple of AAPL's tick"),
        ({"trailing_stop": "0.001", "stop_loss": None}, RejectReason.STOP_OFF_TICK, "trailing_stop: 0.001 is not"),
        (
            {"take_profit": "180.00"}, RejectReason.WRONG_SIDE,
            "stop_loss: 180 of a long position must be below its take_profit 180",
        ),
        (
            {"stop_loss_percent": "100", "stop_loss": None}, RejectReason.STOP_OUT_OF_RANGE,
            "stop_loss_percent: 100 of a long position must be less than 100, AAPL has no negative_prices",
        ),
        ({"stop_loss": "-1.00"}, RejectReason.STOP_OUT_OF_RANGE, "stop_loss: -1.00 of a long position must be above 0"),
        (
            {"before_session_end_ms": 43_200_000}, RejectReason.EXPIRE_TIME_PASSED,
            "before_session_end_ms: 43200000 has passed already",
        ),
        (
            {"trailing_stop_atr": "3"}, RejectReason.BAD_PARAMETERS,
            "trailing_stop_atr: 3 needs AAPL's atr_interval_ms, and it has none",
        ),
        ({"exit_time": NOON_MS - 50}, RejectReason.EXPIRE_TIME_PASSED, f"exit_time: {NOON_MS - 50} has passed already"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_for_it_is_refused_in_a_sentence(
    desk: OrdersDesk, said: dict[str, Any], reason: RejectReason, text: str
) -> None:
    event = desk.instruct(protect(**({"stop_loss": "180.00"} | said)))
    assert (event["type"], event["signal"], event["reason"]) == ("SignalRefused", "ProtectPosition", reason.value)
    assert event["text"].startswith(text)


def test_the_end_of_the_session_is_journaled_as_a_time(desk: OrdersDesk) -> None:
    event = desk.instruct(protect(before_session_end_ms=300_000))
    day_ms = 86_400_000
    assert event["exit_time"] == NOON_MS // day_ms * day_ms + day_ms - 300_000, "no calendar: the UTC day"
    assert event["before_session_end_ms"] == 300_000


def test_of_a_short_position_the_stop_is_above_the_target(desk: OrdersDesk) -> None:
    desk.new(signal_id="s2", side="SELL", quantity="150", price="184.99")
    desk.fill(150, price=18_499, order_id=2, side=2)
    refused = desk.instruct(protect(stop_loss="180.00", take_profit="190.00"))
    assert refused["text"] == "stop_loss: 180 of a short position must be above its take_profit 190"
    refused = desk.instruct(protect(take_profit_percent="100"))
    assert refused["text"].startswith("take_profit_percent: 100 of a short position must be less than 100")
    refused = desk.instruct(protect(take_profit="0"))
    assert refused["text"].startswith("take_profit: 0 of a short position must be above 0")
    taken = desk.instruct(protect(signal_id="p2", stop_loss="190.00", take_profit="180.00"))
    assert taken["type"] == "PositionProtected"
    taken = desk.instruct(protect(signal_id="p3", stop_loss_percent="150"))
    assert taken["type"] == "PositionProtected", "a price may more than double"


def test_a_cancel_is_journaled_and_one_of_nobody_refused(desk: OrdersDesk) -> None:
    gone = {
        "type": "CancelProtection", "v": 1, "signal_id": "c1", "account": "default", "symbol": "AAPL",
        "protection_id": None, "position_id": None, "signal_time": NOON_MS,
    }  # fmt: skip
    event = desk.instruct(gone)
    assert event["type"] == "ProtectionCanceled"
    assert "protection_id" not in event
    assert desk.instruct(gone | {"protection_id": "half"})["protection_id"] == "half"
    assert desk.instruct(gone | {"account": "nobody"})["reason"] == RejectReason.UNKNOWN_ACCOUNT.value


def test_an_exit_closes_what_is_held_at_the_market_and_says_of_which_position(desk: OrdersDesk) -> None:
    received = desk.instruct(leave())
    names = ("type", "side", "quantity", "order_type", "reduce_only", "position_id", "strategy", "client_order_id")
    assert [received[name] for name in names] == [
        "OrderReceived", "SELL", "100", "MARKET", True, "0-9", "s", "exit-0-1-1",
    ]  # fmt: skip
    again = desk.instruct(leave())
    assert again["type"] == "OrderStatusReported"


def test_an_exit_of_a_part_closes_no_more_than_nothing_else_does(desk: OrdersDesk) -> None:
    desk.new(signal_id="s2", side="SELL", quantity="70", price="186.00")
    assert desk.instruct(leave(quantity="50"))["quantity"] == "30"
    refused = desk.instruct(leave(signal_id="exit-0-1-2", client_order_id="exit-0-1-2"))
    assert (refused["signal"], refused["reason"]) == ("ExitPosition", RejectReason.NOTHING_TO_REDUCE.value)


def test_what_a_bracket_protects_is_left_to_it() -> None:
    sim = DeskWithSim()
    sim.quote(18_499, 18_501)
    sim.new(signal_id="held", quantity="100", price="185.01")
    bracket = {"stop_loss": "180.00", "take_profit": "190.00"}
    sim.new(signal_id="b", quantity="30", price="185.01", special=bracket)

    def left(number: int) -> list[dict[str, Any]]:
        name = f"exit-0-1-{number}"
        return sim.fold({b"data": orjson.dumps(leave(signal_id=name, client_order_id=name))})

    received = left(1)[0]
    assert (received["type"], received["quantity"]) == ("OrderReceived", "100"), "130 are held, 30 have exits"
    [refused] = left(2)
    assert refused["text"] == "symbol: default holds 30 AAPL, and 30 work to close it already"


def test_a_stop_that_the_desk_keeps_is_a_brackets_all_the_same() -> None:
    sim = DeskWithSim(but(CONFIG, venues={SIM: VenueTerms(order_types=("LIMIT", "MARKET"))}))
    sim.quote(18_499, 18_501)
    sim.new(signal_id="b", quantity="30", price="185.01", special={"stop_loss": "180.00"})
    [refused] = sim.fold({b"data": orjson.dumps(leave())})
    assert refused["text"] == "symbol: default holds 30 AAPL, and 30 work to close it already"
    sim.new(signal_id="more", quantity="5", price="185.01")
    received, *_ = sim.fold({b"data": orjson.dumps(leave(signal_id="exit-0-1-2", client_order_id="exit-0-1-2"))})
    assert received["quantity"] == "5"


@pytest.mark.parametrize("change", [{"quantity": "-1"}, {"position_id": 5}, {"extra": 1}, {"client_order_id": None}])
def test_an_exit_that_no_positions_stage_writes_goes_to_dead(desk: OrdersDesk, change: dict[str, Any]) -> None:
    assert desk.fold({b"data": orjson.dumps(leave(**change))}) == []
    assert len(desk.dead) == 1


@pytest.mark.parametrize(
    ("day", "hour", "ends"), [(0, 12, (0, 17)), (0, 18, (1, 17)), (1, 20, (2, 13))], ids=["in it", "before it", "half"]
)
def test_a_session_ends_by_the_instruments_calendar(day: int, hour: int, ends: tuple[int, int]) -> None:
    desk = held_at(day, hour)
    event = desk.instruct(protect(before_session_end_ms=60_000))
    assert event["exit_time"] == MIDNIGHT + ends[0] * DAY_MS + ends[1] * HOUR - AUCTION - 60_000


def test_where_the_calendar_does_not_know_the_end_it_is_refused() -> None:
    desk = held_at(2, 20)
    refused = desk.instruct(protect(before_session_end_ms=60_000))
    assert (refused["reason"], refused["text"]) == (
        "calendar_ended", "before_session_end_ms: the calendar XTST of AAPL does not know when that is",
    )  # fmt: skip


def held_at(day: int, hour: int) -> OrdersDesk:
    """Return a desk that bought while its session ran, at another time."""
    desk = desk_at(12)
    desk.quote(18_499, 18_501)
    desk.new(signal_id="held", price="185.01")
    desk.fill(100, price=18_501)
    desk.ms = MIDNIGHT + day * DAY_MS + hour * HOUR
    return desk


def test_where_prices_may_be_below_0_so_may_a_stop() -> None:
    terms = dict(CONFIG.instruments) | {"AAPL": but(CONFIG.instruments["AAPL"], negative_prices=True)}
    desk = OrdersDesk(but(CONFIG, instruments=terms))
    desk.quote(18_499, 18_501)
    desk.new(signal_id="held", price="185.01")
    desk.fill(100, price=18_501)
    for number, said in enumerate(({"stop_loss": "-1.00"}, {"stop_loss_percent": "150"})):
        assert desk.instruct(protect(signal_id=f"n{number}", **said))["type"] == "PositionProtected"
