"""Fills that no venue of the desk can have told: forged, or broken on the way. Nothing is booked, and it is alarmed."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine.frames import ReportFlag, ReportType
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM, Topology
from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support.orders import CONFIG, OrdersDesk, report
from tests.support.terms import but

MAKER, TAKER = int(ReportFlag.MAKER), int(ReportFlag.TAKER)


@pytest.fixture
def desk() -> OrdersDesk:
    desk = OrdersDesk()
    desk.new(price="189.00")
    desk.new(signal_id="s2", price="189.00", side="SELL")
    desk.new(signal_id="s3", price="189.00")
    return desk


def fill(order_id: int = 1, **fields: Any) -> bytes:
    told = {"price": 18900, "qty": 10, "match_id": 5, "flags": TAKER, "side": 2 if order_id == 2 else 1}
    return report(ReportType.FILLED, order_id, **(told | fields))


def refused(desk: OrdersDesk, record: bytes) -> str:
    """Fold a fill that is not believed: the state is as before, and it is counted."""
    before, events = desk.stage.snapshot(), len(desk.events)
    reason = str(desk.refused(record)["reason"])
    assert desk.stage.snapshot() == before
    assert len(desk.events) == events, "nothing is booked"
    assert desk.stage.gauges()["fills_refused"][reason] == 1
    return reason


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (fill(price=99_999_999), "beyond_limit"),
        (fill(price=18_901), "beyond_limit"),
        (fill(2, price=18_899), "beyond_limit"),
        (fill(2, price=-1), "beyond_limit"),
        (fill(qty=101), "overfill"),
        (fill(qty=0), "bad_quantity"),
        (fill(side=2), "bad_record"),
        (fill(side=0), "bad_record"),
        (fill(side=7), "bad_record"),
        (fill(symbol=2), "bad_record"),
        (fill(account=2), "bad_record"),
        (fill(flags=0), "bad_record"),
        (fill(flags=MAKER | TAKER), "bad_record"),
        (fill(99), "unknown_order"),
        (fill(match_id=0), "out_of_sequence"),
        (fill(match_id=2**32), "out_of_sequence"),
        (fill(match_id=2**64 - 1), "out_of_sequence"),
        (fill(partition=3), "wrong_partition"),
    ],
)
def test_a_fill_that_cannot_be_is_not_booked(desk: OrdersDesk, record: bytes, reason: str) -> None:
    assert refused(desk, record) == reason
    assert desk.one({b"frame": fill(match_id=1)})["cum_qty"] == "10", "what the venue tells is"


def test_the_sentence_names_the_price_and_the_limit(desk: OrdersDesk) -> None:
    letter = desk.refused(fill(price=99_999_999))
    assert letter["text"] == "price: a fill of order 1 at 999999.99 is above its limit of 189.00"
    letter = desk.refused(fill(2, price=18_800))
    assert letter["text"] == "price: a fill of order 2 at 188.00 is below its limit of 189.00"


def test_a_better_price_than_the_limit_is_what_the_market_gave(desk: OrdersDesk) -> None:
    assert desk.one({b"frame": fill(price=1)})["last_px"] == "0.01"
    assert desk.one({b"frame": fill(2, price=99_999_999, match_id=6)})["last_px"] == "999999.99"


def test_a_market_order_trades_within_its_protection(desk: OrdersDesk) -> None:
    desk.quote(18890, 18900)
    desk.new(signal_id="m", quantity="100")
    bound = desk.commands[-1].price
    assert refused(desk, fill(4, price=bound + 1)) == "beyond_limit"
    assert desk.one({b"frame": fill(4, price=bound)})["cum_qty"] == "10"


def test_an_amendment_counts_from_when_the_venue_took_it(desk: OrdersDesk) -> None:
    desk.replace(order_id="1", price="190.00")
    assert refused(desk, fill(price=19_000)) == "beyond_limit"
    desk.fold({b"frame": report(ReportType.REPLACED, 1, price=19_000, qty=100)})
    assert desk.one({b"frame": fill(price=19_000)})["last_px"] == "190.00"


def test_the_numbers_of_a_books_trades_go_up_and_each_side_is_told_once(desk: OrdersDesk) -> None:
    """Maker, then taker, perhaps with trades of others in between; both may be of this partition."""
    desk.one({b"frame": fill(1, match_id=5, flags=MAKER)})
    desk.one({b"frame": fill(2, match_id=5, flags=TAKER)})
    assert refused(desk, fill(3, match_id=5, flags=TAKER)) == "out_of_sequence"
    assert refused(desk, fill(2, match_id=5, flags=TAKER)) == "repeated_trade"
    letter = desk.refused(fill(3, match_id=4, flags=MAKER))
    assert letter["text"].startswith("match_id: 4 must be above 5, the last that SIM told of partition 0 (as taker)")
    assert desk.one({b"frame": fill(3, match_id=700, flags=MAKER)})["exec_id"] == "SIM-0-700-B"


def test_each_book_has_numbers_of_its_own() -> None:
    topology = Topology(symbol_partitions=2)
    desk = OrdersDesk(topology=topology)
    symbols = {topology.symbol_partition(symbol): symbol for symbol in CONFIG.instruments}
    assert set(symbols) == {0, 1}, "two books, or this proves nothing"
    for order_id, symbol in enumerate(symbols.values(), 1):
        price = "189.00"
        desk.new(signal_id=f"s{order_id}", symbol=symbol, price=price, quantity="2")
    for order_id, (symbol, number) in enumerate(zip(symbols.values(), (9, 1), strict=True), 1):
        terms = CONFIG.instruments[symbol]
        record = fill(order_id, symbol=terms.id, side=1, price=1, qty=1, match_id=number)
        assert desk.one({b"frame": record})["type"] == "OrderFilled"


def test_the_last_number_is_known_after_a_snapshot(desk: OrdersDesk) -> None:
    desk.one({b"frame": fill(1, match_id=5)})
    desk.restarted()
    assert refused(desk, fill(3, match_id=4)) == "out_of_sequence"


def test_the_first_refused_fill_is_seen_against_a_0(desk: OrdersDesk) -> None:
    assert set(OrdersStage(Topology(), 0, CONFIG).gauges()["fills_refused"].values()) == {0}


# --------------------------------------------------------------------------------------------------- venues outside


def outside() -> OrdersDesk:
    desk = OrdersDesk(but(CONFIG, venues={SIM: VenueTerms(simulated=False)}))
    desk.new(price="189.00")
    return desk


def trade(price: str, exec_id: str = "T1", quantity: str = "10", **fields: str) -> dict[bytes, bytes]:
    document = {"type": "VenueReport", "v": 1, "venue": SIM, "exec_type": "Trade", "order_id": "1", "exec_id": exec_id}
    return {b"data": orjson.dumps(document | {"last_px": price, "last_qty": quantity} | fields)}


def said(exec_type: str, **fields: str) -> dict[bytes, bytes]:
    document = {"type": "VenueReport", "v": 1, "venue": SIM, "exec_type": exec_type, "order_id": "1"}
    return {b"data": orjson.dumps(document | fields)}


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (trade("999999.99"), "beyond_limit"),
        (trade("189.00", quantity="101"), "overfill"),
        (trade("189.00", order_id="7"), "unknown_order"),
        (trade("189.00", venue="OTHER"), "wrong_venue"),
    ],
)
def test_a_trade_of_a_venue_outside_that_cannot_be_is_not_booked(entry: dict[bytes, bytes], reason: str) -> None:
    desk = outside()
    assert desk.dead_letter(entry)["reason"] == reason
    assert desk.stage.gauges()["fills_refused"][reason] == 1


def test_reports_of_a_venue_outside_may_overtake_each_other() -> None:
    desk = outside()
    desk.replace(order_id="1", price="190.00", signal_id="r1")
    assert desk.one(trade("190.00", "T1"))["last_px"] == "190.00", "its word that the amendment was taken is behind"
    assert desk.dead_letter(trade("190.01", "T2"))["reason"] == "beyond_limit"
    desk.fold(said("Replaced", quantity="100", price="190.00"))
    desk.replace(order_id="1", price="180.00", signal_id="r2")
    desk.fold(said("Replaced", quantity="100", price="180.00"))
    desk.restarted()
    assert desk.one(trade("190.00", "T3"))["last_px"] == "190.00", "made before"
    assert desk.dead_letter(trade("190.01", "T4"))["reason"] == "beyond_limit"


def test_an_engine_of_the_desk_never_reports_as_a_venue_outside_does() -> None:
    desk = OrdersDesk()
    desk.new(price="189.00")
    letter = desk.dead_letter(trade("189.00"))
    assert letter["reason"] == "wrong_venue"
    assert letter["text"] == "venue: SIM is an engine of this desk, which reports by frames and never like this"
