"""Busts and corrections: cum, mean, status and what is held follow, once, however long ago the trade was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, localcontext
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.journal import TradeBusted, TradeCorrected
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM
from fillstream.libs.common.runtime.stage import Entry, Outputs, Stage
from fillstream.services.order_service.orders.config import DAY_MS, DeskConfig, day_end
from fillstream.services.order_service.orders.holding.holdings import Holding
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.position_service.stage import PositionStage
from fillstream.tools.arithmetic import PRECISION, Books
from fillstream.tools.audit import audit
from fillstream.tools.replay import Replay
from tests.support.orders import CONFIG, OrdersDesk
from tests.support.terms import but

OUTSIDE = but(CONFIG, venues={SIM: VenueTerms(simulated=False)})
SHORT = but(OUTSIDE, retention_ms=1_000, idempotency_ms=10_000)


def said(exec_type: str, **fields: Any) -> dict[bytes, bytes]:
    document = {"type": "VenueReport", "v": 1, "venue": "SIM", "exec_type": exec_type, "order_id": "1", **fields}
    return {b"data": orjson.dumps(document)}


def trade(exec_id: str, qty: int, px: str = "184.00", **fields: Any) -> dict[bytes, bytes]:
    return said("Trade", exec_id=exec_id, last_qty=str(qty), last_px=px, **fields)


def bust(ref: str, exec_id: str = "B-1", **fields: Any) -> dict[bytes, bytes]:
    return said("TradeCancel", exec_id=exec_id, ref_exec_id=ref, **fields)


def correct(ref: str, qty: int, px: str, exec_id: str = "B-1", **fields: Any) -> dict[bytes, bytes]:
    return said("TradeCorrect", exec_id=exec_id, ref_exec_id=ref, last_qty=str(qty), last_px=px, **fields)


WHOSE = {"account": "default", "symbol": "AAPL", "side": "BUY"}


def prepared(config: DeskConfig = OUTSIDE, **order: Any) -> OrdersDesk:
    desk = OrdersDesk(config)
    desk.new(**{"price": "185.00", **order})
    desk.one(said("New"))
    return desk


@pytest.fixture
def desk() -> OrdersDesk:
    return prepared()


def order_of(desk: OrdersDesk) -> Order:
    order = desk.stage._state.orders[1]
    assert isinstance(order, Order)
    return order


def holding_of(desk: OrdersDesk) -> Holding:
    return desk.stage._state.holdings.holding("default", "AAPL")


def numbers(holding: Holding) -> tuple[int, int, int]:
    return holding.quantity, holding.cash, holding.fees


def reason_of(desk: OrdersDesk, fields: dict[bytes, bytes]) -> tuple[str, str]:
    letter = desk.dead_letter(fields)
    return letter["reason"], letter["text"]


def agrees(desk: OrdersDesk) -> dict[str, Any]:
    """Book the whole journal as positions, do the arithmetic again, and return the last position."""
    stage, out, books = PositionStage(0), Outputs("positions", "events.0"), Books()
    for number, event in enumerate(desk.events):
        entry = Entry(f"{event['time']}-{number}", event["time"], {b"data": orjson.dumps(event)})
        out.begin(entry)
        stage.fold(entry, out)
        out.seal()
    messages = [orjson.loads(each) for _, payloads in out.by_stream.values() for each in payloads]
    with localcontext(prec=PRECISION):
        for event in desk.events:
            books.event(event)
        for message in messages:
            books.position(message)
    assert books.problems() == []
    assert not any(books.legs.values()), "everything was booked"
    last: dict[str, Any] = [each for each in messages if "position" in each][-1]
    holding = holding_of(desk)
    assert Decimal(last["position"]) == holding.quantity, "the desk and the position service hold the same"
    assert Decimal(last["fees"]) == Decimal(holding.fees).scaleb(-8)
    assert Decimal(last["cash"]) == Decimal(holding.cash) / 100 - Decimal(last["fees"])
    return last


# ------------------------------------------------------------------------------------------------ busts


def test_a_bust_takes_back_what_the_trade_was(desk: OrdersDesk) -> None:
    desk.one(trade("T-1", 40, "184.00"))
    before = numbers(holding_of(desk))
    desk.one(trade("T-2", 30, "183.50", commission="1.25", comm_currency="USD"))
    event = desk.one(bust("T-2", text="erroneous"))
    TradeBusted.model_validate(event)
    assert (event["type"], event["exec_id"], event["ref_exec_id"]) == ("TradeBusted", "SIM-B-1", "SIM-T-2")
    assert (event["last_qty"], event["last_px"], event["fee"]) == ("30", "183.50", "1.25000000")
    assert (event["cum_qty"], event["leaves_qty"], event["avg_px"]) == ("40", "60", "184.00")
    assert event["text"] == "taken back by the venue: it says 'erroneous'"
    assert numbers(holding_of(desk)) == before
    assert agrees(desk)["position"] == "40"


def test_a_filled_order_works_again_and_can_be_filled_again(desk: OrdersDesk) -> None:
    desk.one(trade("T-1", 100))
    assert desk.one(bust("T-1"))["ord_status"] == "New"
    assert order_of(desk).finished_ms == 0
    assert holding_of(desk).quantity == 0
    assert desk.one(trade("T-2", 100))["ord_status"] == "Filled"
    assert agrees(desk)["position"] == "100"


def test_a_bust_of_a_canceled_order_lowers_cum_and_leaves_it_canceled(desk: OrdersDesk) -> None:
    desk.one(trade("T-1", 40))
    desk.one(said("Canceled"))
    event = desk.one(bust("T-1"))
    assert (event["ord_status"], event["cum_qty"], event["leaves_qty"], event["avg_px"]) == ("Canceled", "0", "0", None)


def test_a_bust_with_a_cancel_pending_keeps_it_pending(desk: OrdersDesk) -> None:
    desk.one(trade("T-1", 40))
    desk.cancel(signal_id="c1", order_id="1")
    assert desk.one(bust("T-1"))["ord_status"] == "PendingCancel"
    assert desk.one(said("CancelRejected"))["ord_status"] == "New"


def test_a_bust_before_the_acknowledgement_leaves_an_order_that_the_venue_has() -> None:
    desk = OrdersDesk(OUTSIDE)
    desk.new(price="185.00")
    desk.one(trade("T-1", 40))
    assert desk.one(bust("T-1"))["ord_status"] == "New"
    assert desk.one(said("New"))["type"] == "OrderAccepted"


@pytest.mark.parametrize(
    ("report", "reason", "words"),
    [
        (bust("T-9"), "unknown_execution", "ref_exec_id: trade T-9 of order 1 was never told"),
        (bust("T-1", "B-0"), "repeated_trade", "exec_id: order 1 has B-0 already"),
        (bust("T-0"), "unknown_execution", "ref_exec_id: trade T-0 of order 1 was busted or corrected since"),
        (bust("T-1", last_qty="39"), "bad_value", "last_qty: 39 must be 40, as trade T-1 of order 1 has it"),
        (bust("T-1", side="SELL"), "bad_value", "side: SELL must be BUY"),
        (trade("T-0", 10), "repeated_trade", "exec_id: order 1 has trade T-0 already"),
        (correct("T-1", 101, "184.00"), "overfill", "qty: a correction of 40 to 101 lots is beyond what order 1"),
        (correct("T-1", 40, "185.01"), "beyond_limit", "price: a fill of order 1 at 185.01 is above its limit"),
        (correct("T-1", 40, "184.001"), "off_grid", "last_px: 184.001 is not a multiple of 0.01"),
        (said("TradeCancel", exec_id="B-1"), "bad_report", "ref_exec_id: a TradeCancel report needs one"),
        (said("TradeCorrect", exec_id="B-1", ref_exec_id="T-1", last_px="1"), "bad_report", "last_qty"),
    ],
)
def test_what_changes_nothing_says_why(desk: OrdersDesk, report: dict[bytes, bytes], reason: str, words: str) -> None:
    desk.one(trade("T-0", 10))
    desk.one(trade("T-1", 40))
    desk.one(bust("T-0", "B-0"))
    assert words in reason_of(desk, report)[1]
    assert orjson.loads(desk.dead[-1][b"data"])["reason"] == reason


def test_it_says_nothing_of_a_venue_whose_engine_the_desk_has() -> None:
    desk = OrdersDesk()
    desk.new(price="185.00")
    desk.fill(40)
    assert reason_of(desk, bust("T-1"))[0] == "wrong_venue"


def test_an_order_that_works_again_expires_in_its_time_where_the_desk_sees_to_that() -> None:
    desk = prepared(
        but(OUTSIDE, retention_ms=DAY_MS, venues={SIM: VenueTerms(simulated=False, expires=False)}), time_in_force="DAY"
    )
    desk.one(trade("T-1", 100))
    desk.ms = day_end(desk.ms) + 5
    desk.fold({b"tick": b""})
    assert desk.one(bust("T-1"))["ord_status"] == "New"
    [event] = [each for each in desk.fold({b"tick": b""}) if each["type"] != "QuoteUpdated"]
    assert (event["type"], event["due_time"]) == ("OrderCancelRequested", desk.ms - 5)


# ------------------------------------------------------------------------------------------ corrections


def test_a_correction_changes_mean_and_fee_and_leaves_the_rest(desk: OrdersDesk) -> None:
    desk.one(trade("T-1", 100, "184.00"))
    event = desk.one(correct("T-1", 100, "183.00"))
    TradeCorrected.model_validate(event)
    assert (event["ord_status"], event["avg_px"], event["old_px"], event["last_px"]) == (
        "Filled", "183.00", "184.00", "183.00",
    )  # fmt: skip
    assert (event["old_fee"], event["fee"]) == ("0.92000000", "0.91500000")
    assert agrees(desk)["avg_px"] == "183.00"


def test_a_correction_to_less_opens_the_order_again_and_the_next_one_names_either_id(desk: OrdersDesk) -> None:
    desk.one(trade("T-1", 100))
    event = desk.one(correct("T-1", 60, "184.00", "B-1"))
    assert (event["ord_status"], event["cum_qty"], event["leaves_qty"]) == ("PartiallyFilled", "60", "40")
    event = desk.one(correct("B-1", 70, "184.00", "B-2"))
    assert (event["ref_exec_id"], event["old_qty"], event["cum_qty"]) == ("SIM-T-1", "60", "70")
    event = desk.one(correct("T-1", 80, "184.00", "B-3", commission="-0.5", comm_currency="USD"))
    assert (event["cum_qty"], event["fee"]) == ("80", "-0.5")
    assert desk.one(bust("B-3", "B-4"))["cum_qty"] == "0"
    assert agrees(desk)["position"] == "0"


def test_a_maker_stays_a_maker_in_a_correction_that_does_not_say(desk: OrdersDesk) -> None:
    desk.one(trade("T-1", 100, "184.00", liquidity="MAKER"))
    assert desk.one(correct("T-1", 50, "184.00"))["fee"] == "-0.18400000"


def test_a_sale_is_corrected_the_other_way_round() -> None:
    desk = prepared(side="SELL", price="183.00")
    desk.one(trade("T-1", 40, "184.00"))
    desk.one(trade("T-2", 20, "185.00"))
    desk.one(correct("T-1", 30, "183.00"))
    desk.one(bust("T-2", "B-2"))
    assert agrees(desk)["position"] == "-30"


# ---------------------------------------------------------------------------- orders that left the state


def retired(lots: int = 100, retention: int = 2_000, **config: Any) -> OrdersDesk:
    desk = prepared(but(SHORT, **config))
    desk.one(trade("T-1", 40, "184.00"))
    desk.one(trade("T-2", 30, "183.50"))
    desk.one(trade("T-3", 30, "183.00"))
    desk.tick(retention)
    desk.tick(1)
    assert type(desk.stage._state.orders.get(1)) is not Order
    return desk


def test_a_bust_of_an_order_that_left_is_booked_by_what_the_report_says() -> None:
    desk = retired()
    event = desk.one(bust("T-2", last_qty="30", last_px="183.50", venue_time=5))
    TradeBusted.model_validate(event)
    assert (event["client_order_id"], event["venue_time"], event["fee"]) == (None, 5, "0.27525000")
    assert (event["ord_status"], event["cum_qty"], event["leaves_qty"]) == ("Canceled", None, None)
    assert desk.stage.gauges()["orders"] == {**desk.stage.gauges()["orders"], "Filled": 0, "Canceled": 1}
    assert agrees(desk)["position"] == "70"
    assert desk.one(bust("T-1", "B-2", last_qty="40", last_px="184.00"))["ord_status"] == "Canceled"
    desk.one(bust("T-3", "B-3", last_qty="30", last_px="183.00"))
    assert agrees(desk)["position"] == "0"
    assert desk.restarted() is None


def test_a_bust_of_an_order_that_was_forgotten_is_booked_likewise() -> None:
    desk = retired(retention=20_000)
    assert 1 not in desk.stage._state.orders
    event = desk.one(bust("T-2", last_qty="30", last_px="183.50", **WHOSE))
    assert (event["client_order_id"], event["ord_status"], event["side"], event["last_qty"]) == (
        None,
        None,
        "BUY",
        "30",
    )
    assert agrees(desk)["position"] == "70"


@pytest.mark.parametrize("retention", [2_000, 20_000])
def test_a_trade_of_an_order_that_left_is_corrected_by_what_the_report_says(retention: int) -> None:
    desk = retired(retention=retention)
    was = {"ref_last_qty": "30", "ref_last_px": "183.50", **WHOSE}
    event = desk.one(correct("T-2", 20, "184.00", exec_id="C-1", **was))
    TradeCorrected.model_validate(event)
    assert [event[name] for name in ("last_qty", "last_px", "old_qty", "old_px")] == ["20", "184.00", "30", "183.50"]
    assert event["ord_status"] == ("Canceled" if retention == 2_000 else None)
    assert agrees(desk)["position"] == "90"
    assert reason_of(desk, correct("T-2", 20, "184.00", exec_id="C-1", **was))[0] == "repeated_trade"
    again = {"ref_last_qty": "20", "ref_last_px": "184.00", **WHOSE}
    desk.one(correct("T-2", 25, "184.00", exec_id="C-2", **again))
    assert agrees(desk)["position"] == "95"
    desk.one(bust("T-2", "B-1", last_qty="25", last_px="184.00", **WHOSE))
    assert agrees(desk)["position"] == "70"
    assert reason_of(desk, correct("T-2", 1, "184.00", exec_id="C-3", **again))[0] == "repeated_trade"
    assert desk.restarted() is None


@pytest.mark.parametrize("retention", [2_000, 20_000])
def test_a_trade_of_an_order_that_left_is_taken_back_once(retention: int) -> None:
    desk = retired(retention=retention)
    again = {"last_qty": "30", "last_px": "183.50", **WHOSE}
    desk.one(bust("T-2", "B-1", **again))
    assert reason_of(desk, bust("T-2", "B-1", **again))[0] == "repeated_trade"
    assert reason_of(desk, bust("T-2", "B-2", **again))[0] == "repeated_trade"
    assert desk.restarted() is None
    assert reason_of(desk, bust("T-2", "B-3", **again))[0] == "repeated_trade"


def test_an_order_that_was_filled_anew_stays_for_its_whole_retention() -> None:
    desk = prepared(SHORT)
    desk.one(trade("T-1", 100, "184.00"))
    desk.tick(500)
    desk.one(bust("T-1", "B-1"))
    desk.one(trade("T-2", 100, "184.00"))
    desk.tick(600)
    event = desk.one(bust("T-2", "B-2"))
    assert (event["client_order_id"], event["cum_qty"], event["last_qty"]) == ("s1", "0", "100")


def test_a_late_bust_of_a_trade_in_an_engine_of_the_desk_is_not_believed() -> None:
    desk = OrdersDesk(but(SHORT, venues=CONFIG.venues))
    desk.new(price="185.00")
    desk.fill(100)
    desk.tick(2_000)
    desk.tick(1)
    assert 1 not in desk.stage._state.orders
    found = reason_of(desk, bust("0-1-B", last_qty="100", last_px="185.00", **WHOSE))
    assert (found[0], holding_of(desk).quantity) == ("wrong_venue", 100)


def test_what_was_taken_back_before_the_order_left_is_not_taken_back_again() -> None:
    desk = prepared(SHORT)
    desk.one(trade("T-1", 40, "184.00"))
    desk.one(bust("T-1", "B-1"))
    desk.one(said("Canceled"))
    desk.tick(2_000)
    desk.tick(1)
    more = {"last_qty": "40", "last_px": "184.00", **WHOSE}
    assert reason_of(desk, bust("T-1", "B-1", **more))[0] == "repeated_trade"
    assert reason_of(desk, bust("T-1", "B-2", **more))[0] == "repeated_trade"


@pytest.mark.parametrize(
    ("retention", "report", "reason", "words"),
    [
        (2_000, bust("T-2"), "missing_value",
         "last_qty: order 1 left the state, a TradeCancel of it must say last_qty, last_px, and does not say last_qty, "
         "last_px"),
        (20_000, bust("T-2", last_qty="30", last_px="1"), "missing_value",
         "account: order 1 was forgotten, a TradeCancel of it must say account, symbol, side, last_qty, last_px, and "
         "does not say account, symbol, side"),
        (2_000, correct("T-2", 1, "184.00"), "missing_value",
         "ref_last_qty: order 1 left the state, a TradeCorrect of it must say last_qty, last_px, ref_last_qty, "
         "ref_last_px, and does not say ref_last_qty, ref_last_px"),
        (2_000, bust("T-2", last_qty="1", last_px="1", account="other"), "bad_value", "account: other must be default"),
        (20_000, bust("T-2", last_qty="1", last_px="1", **{**WHOSE, "account": "x"}), "unknown_account", "account: x"),
        (20_000, bust("T-2", last_qty="1", last_px="1", **{**WHOSE, "symbol": "X"}), "unknown_symbol", "symbol: X"),
        (2_000, bust("T-2", last_qty="1", last_px="1", venue="MOON"), "unknown_venue", "venue: MOON must be"),
        (2_000, bust("T-2", last_qty="1", last_px="1", order_id="77"), "unknown_order", "order 77 was never given out"),
        (2_000, bust("T-2", last_qty="1.5", last_px="1"), "off_grid", "last_qty: 1.5"),
    ],
)  # fmt: skip
def test_what_is_missing_of_a_trade_long_ago_is_named(
    retention: int, report: dict[bytes, bytes], reason: str, words: str
) -> None:
    desk = retired(retention=retention)
    found = reason_of(desk, report)
    assert found[0] == reason
    assert words in found[1]


# --------------------------------------------------------------------------------- overfill and late reports


def test_an_overfill_is_taken_up_to_the_venues_bound_and_told() -> None:
    desk = prepared(but(CONFIG, venues={SIM: VenueTerms(simulated=False, max_overfill_lots=5)}))
    desk.one(trade("T-1", 90))
    event = desk.one(trade("T-2", 13))
    assert (event["ord_status"], event["quantity"], event["cum_qty"], event["leaves_qty"]) == (
        "Filled", "100", "103", "0",
    )  # fmt: skip
    assert event["text"] == ("last_qty: order 1 of 100 is filled to 103, the venue's truth within max_overfill_lots 5")
    reason, text = reason_of(desk, trade("T-3", 3))
    assert (reason, text) == (
        "overfill",
        "qty: a fill of 3 lots is beyond what order 1 (Filled) has left: 103 of 100 lots are filled, and 5 more are "
        "taken as the venue's truth",
    )
    assert desk.one(trade("T-4", 2))["cum_qty"] == "105"
    assert desk.stage.gauges()["overfills"] == {"SIM": 2}
    assert agrees(desk)["position"] == "105"
    assert desk.one(bust("T-1"))["cum_qty"] == "15"
    assert agrees(desk)["position"] == "15"


def test_an_overfill_of_a_canceled_order_leaves_it_canceled() -> None:
    desk = prepared(but(CONFIG, venues={SIM: VenueTerms(simulated=False, max_overfill_lots=5)}))
    desk.one(said("Canceled"))
    event = desk.one(trade("T-1", 105))
    assert (event["ord_status"], event["cum_qty"], event["leaves_qty"]) == ("Canceled", "105", "0")
    assert agrees(desk)["position"] == "105"


def test_an_engine_of_the_desk_is_not_believed_an_overfill() -> None:
    with pytest.raises(ValueError, match="max_overfill_lots: 5 must be 0 of a simulated venue"):
        VenueTerms(max_overfill_lots=5)


def test_the_term_is_said_where_it_is_set_alone() -> None:
    assert "max_overfill_lots" not in VenueTerms().values()
    assert VenueTerms(simulated=False, max_overfill_lots=5).values()["max_overfill_lots"] == 5


@pytest.mark.parametrize("final", ["Canceled", "Expired"])
def test_late_trades_in_any_order_are_booked_once_and_the_status_stays(desk: OrdersDesk, final: str) -> None:
    desk.one(said(final))
    for exec_id in ("T-9", "T-1", "A"):
        event = desk.one(trade(exec_id, 10))
        assert event["ord_status"] == final
    assert reason_of(desk, trade("T-1", 10))[0] == "repeated_trade"
    assert (event["cum_qty"], event["leaves_qty"]) == ("30", "0")
    assert agrees(desk)["position"] == "30"


# ----------------------------------------------------------------------------------------------------- the audit


class Streams:
    """What a desk's streams hold, for the audit: the journal of `desk`, and positions booked from it."""

    def __init__(self, desk: OrdersDesk) -> None:
        stage, out = PositionStage(0), Outputs("positions", "events.0")
        for number, event in enumerate(desk.events):
            entry = Entry(f"{event['time']}-{number}", event["time"], {b"data": orjson.dumps(event)})
            out.begin(entry)
            stage.fold(entry, out)
            out.seal()
        messages = [each for _, payloads in out.by_stream.values() for each in payloads]
        names = desk.topology
        self._streams: dict[str, list[tuple[str, dict[bytes, bytes]]]] = {
            names.signals: [("1-0", {b"signal_id": b"s1", b"symbol": b"AAPL", b"side": b"BUY", b"quantity": b"100"})],
            names.orders(0): [(entry.id, {**entry.fields}) for entry in desk.entries],
            names.events(0): [("1-0", {b"data": orjson.dumps(event)}) for event in desk.events],
            names.positions(0): [("1-0", {b"data": each}) for each in messages],
        }

    def entries(self, stream: str) -> Iterator[tuple[str, Mapping[bytes, bytes]]]:
        return iter(self._streams.get(stream, ()))

    def replay(self, stage: Stage) -> Replay:
        raise NotImplementedError("nothing is folded again here")


def test_the_audit_books_a_bust_once_and_a_correction_twice(desk: OrdersDesk) -> None:
    desk.one(trade("T-1", 40))
    desk.one(trade("T-2", 40))
    desk.one(bust("T-1", "B-1"))
    desk.one(correct("T-2", 30, "183.00", "B-2"))
    found = audit(Streams(desk), desk.topology)
    assert found.problems == []
    assert (found.fills, found.positions["default", "AAPL"]["position"]) == (2, "30")


def test_the_audit_tells_a_bust_that_takes_back_more_than_there_was(desk: OrdersDesk) -> None:
    desk.one(trade("T-1", 40))
    event = desk.one(bust("T-1", "B-1"))
    event["last_qty"] = "41"
    problems = audit(Streams(desk), desk.topology).problems
    assert f"event {event['seq']} of order 1: last_qty is 41, expected 40" in problems


def hedging(config: DeskConfig) -> DeskConfig:
    return but(
        config, accounts={**config.accounts, "default": but(config.accounts["default"], position_mode="HEDGING")}
    )


@pytest.mark.parametrize("name", ["core", None])
def test_of_an_account_that_hedges_a_late_bust_is_of_the_position_that_was_traded(name: str | None) -> None:
    """The order has left the state, and is still remembered; a restart remembers it, too."""
    desk = prepared(hedging(SHORT), **({} if name is None else {"links": {"position_id": name}}))
    desk.one(trade("T-1", 100))
    for ms in (2_000, 1):
        desk.tick(ms)
    desk.restarted()
    busted = desk.one(bust("T-1", last_qty="100", last_px="184.00", **WHOSE))
    assert (busted["type"], busted.get("position_id"), busted["order_id"]) == ("TradeBusted", name, "1")
    assert (holding_of(desk).quantity, holding_of(desk).hedged) == (0, {})


def test_of_one_that_is_forgotten_the_report_says_which() -> None:
    desk = prepared(hedging(SHORT), links={"position_id": "core"})
    desk.one(trade("T-1", 100))
    for ms in (2_000, 20_000, 1):
        desk.tick(ms)
    busted = desk.one(bust("T-1", last_qty="100", last_px="184.00", position_id="core", **WHOSE))
    assert (busted["position_id"], holding_of(desk).hedged) == ("core", {})
    assert not desk.stage._state.position_ids, "it keeps no more than orders are remembered"
