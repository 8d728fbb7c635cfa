"""What a venue's reports do to quotes, counts and sentences; `test_orders_stage` has the orders they change."""

from __future__ import annotations

import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import Reason, ReportFlag, ReportType
from tests.support.orders import CONFIG, OrdersDesk, report


@pytest.fixture
def desk() -> OrdersDesk:
    """A desk with a quote that was told, and two orders at the venue."""
    made = OrdersDesk()
    made.quote(18490, 18500)
    made.tick()
    for name in ("s1", "s2"):
        made.new(signal_id=name, price="185.00")
    return made


def quoted(bid: int, bid_qty: int, ask: int, ask_qty: int, symbol: int = 1) -> bytes:
    return report(
        ReportType.QUOTED, price=bid, qty=bid_qty, leaves=ask, aux=ask_qty, account=0, symbol=symbol, side=0,
        partition=frames.PARTITION_ALL,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ((18491, 100, 18500, 100), ("184.91", "100", "185.00", "100")),
        ((18490, 101, 18500, 100), ("184.90", "101", "185.00", "100")),
        ((18490, 100, 18501, 100), ("184.90", "100", "185.01", "100")),
        ((18490, 100, 18500, 101), ("184.90", "100", "185.00", "101")),
        ((18490, 100, 0, 0), ("184.90", "100", None, "0")),
    ],
    ids=["bid", "bid quantity", "ask", "ask quantity", "no ask"],
)
def test_a_quote_is_told_whichever_part_of_it_changed(
    desk: OrdersDesk, parts: tuple[int, int, int, int], told: tuple[str | None, ...]
) -> None:
    desk.fold({b"frame": quoted(*parts)})
    [event] = desk.tick()
    assert tuple(event[name] for name in ("bid_px", "bid_qty", "ask_px", "ask_qty")) == told
    assert desk.dead == []


@pytest.mark.parametrize(("bid_qty", "ask_qty"), [(-1, 100), (100, -1)])
def test_a_quote_of_a_negative_quantity_is_refused(desk: OrdersDesk, bid_qty: int, ask_qty: int) -> None:
    letter = desk.refused(quoted(18490, bid_qty, 18500, ask_qty))
    assert (letter["reason"], letter["text"]) == (
        "bad_quantity",
        f"qty: a quote's quantities must be 0 or more, got {bid_qty} and {ask_qty}",
    )
    assert desk.tick() == []


def test_a_quote_and_a_print_of_no_instrument_name_it(desk: OrdersDesk) -> None:
    printed = report(ReportType.PRINTED, price=1, qty=1, symbol=77, partition=frames.PARTITION_ALL)
    for record in (quoted(1, 1, 2, 1, symbol=77), printed):
        letter = desk.refused(record)
        assert (letter["reason"], letter["text"]) == ("unknown_symbol", "symbol: 77 is no instrument of this desk")


def test_orders_that_the_venue_refused_are_counted_by_reason(desk: OrdersDesk) -> None:
    texts = [desk.report(ReportType.REJECTED, n, reason=Reason.CAPACITY)["text"] for n in (1, 2)]
    assert texts == ["the venue refused the order: capacity"] * 2
    assert desk.stage.gauges()["rejects"] == {"venue_capacity": 2}


@pytest.mark.parametrize(
    ("reason", "code", "name"),
    [
        (Reason.CAPACITY, "venue_capacity", "capacity"),
        (Reason.UNKNOWN_ORDER, "unknown_order", "unknown order"),
        (Reason.OUTSIDE_BANDS, "venue_other", "outside bands"),
        (200, "venue_other", "reason 200"),
    ],
)
def test_requests_that_the_venue_refused_are_told_and_counted_by_reason(
    desk: OrdersDesk, reason: int, code: str, name: str
) -> None:
    for order_id in ("1", "2"):
        desk.accept(int(order_id))
    desk.cancel(order_id="1", signal_id="r1")
    desk.replace(order_id="2", quantity="150", signal_id="r2")
    events = [
        desk.report(ReportType.CANCEL_REJECTED, 1, reason=reason, side=0),
        desk.report(ReportType.REPLACE_REJECTED, 2, reason=reason, side=0),
    ]
    assert [(event["signal_id"], event["reason"]) for event in events] == [("r1", code), ("r2", code)]
    assert {event["text"] for event in events} == {f"the venue refused the request: {name}"}
    assert desk.stage.gauges()["cancel_rejects"] == {code: 2}


def test_a_cancel_that_nobody_asked_for_is_told_with_the_venues_word(desk: OrdersDesk) -> None:
    assert desk.canceled(reason=Reason.SELF_TRADE)["text"] == "canceled by the venue: self trade"


@pytest.mark.parametrize("kind", [ReportType.REJECTED, ReportType.EXPIRED, ReportType.REPLACED])
def test_an_order_that_ended_in_any_way_leaves_the_state_after_its_retention(
    desk: OrdersDesk, kind: ReportType
) -> None:
    if kind is ReportType.REPLACED:  # to what is filled
        desk.accept()
        desk.fill(40)
        desk.replace(order_id="1", quantity="40")
    desk.report(kind, price=18500, qty=40)
    desk.tick(CONFIG.retention_ms)
    letter = desk.refused(report(ReportType.FILLED, 1, price=18500, qty=1, match_id=99, flags=ReportFlag.TAKER))
    assert letter["text"] == "order_id: order 1 left the state"


@pytest.mark.parametrize(("side", "name"), [(2, "SELL"), (1, "BUY"), (7, "7")])
def test_a_report_of_somebody_elses_order_says_what_differs(desk: OrdersDesk, side: int, name: str) -> None:
    letter = desk.refused(report(ReportType.ACCEPTED, 1, account=2, side=side, symbol=3))
    assert (letter["reason"], letter["text"]) == (
        "bad_record",
        f"order_id: order 1 is account 1's BUY of symbol 1, the report says account 2, {name}, symbol 3",
    )


def test_a_report_of_an_order_that_is_not_known_here_is_told_with_the_venues_word(desk: OrdersDesk) -> None:
    unknown = "order_id: order 99 was never given out here, or is forgotten"
    assert desk.refused(report(ReportType.ACCEPTED, 99))["text"] == unknown
    refused = report(ReportType.CANCEL_REJECTED, 99, reason=Reason.UNKNOWN_ORDER, side=0)
    letter = desk.refused(refused)
    assert (letter["reason"], letter["text"]) == ("unknown_order", f"{unknown}; the venue says unknown order")


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_frame_is_one_or_more_whole_records(desk: OrdersDesk, size: int) -> None:
    letter = desk.dead_letter({b"frame": b"x" * size})
    assert (letter["reason"], letter["text"]) == (
        "bad_frame",
        f"frame: must be one or more records of 64 bytes, got {size} bytes",
    )
