"""What a venue's reports do to quotes, counts and sentences; `test_orders_stage` has the orders they change."""

from __future__ import annotations

import orjson
import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import PARTITION_ALL, Reason, ReportFlag, ReportType, Session
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
        (Reason.OUTSIDE_BANDS, "venue_bands", "outside bands"),
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
    event = desk.canceled(reason=77)
    assert (event["reason"], event["text"]) == ("venue_other", "canceled by the venue: reason 77")


@pytest.mark.parametrize("reason", [Reason.SELF_TRADE, Reason.MASS_CANCEL])
def test_a_cancel_by_the_venues_rules_has_a_reason_of_its_own(desk: OrdersDesk, reason: Reason) -> None:
    assert desk.canceled(reason=reason)["reason"] == reason.name.lower()


# --------------------------------------------------------------- every type of report that the header has


def market(kind: ReportType, **fields: int) -> bytes:
    """Return a report that every partition hears."""
    return report(kind, **{"account": 0, "side": 0, "partition": PARTITION_ALL, **fields})


def test_a_halt_an_auction_and_their_end_are_told(desk: OrdersDesk) -> None:
    told = [
        desk.one({b"frame": market(ReportType.SESSION_SET, price=price, aux=session)})
        for session, price in ((Session.HALTED, 0), (Session.AUCTION, 18_500), (Session.CONTINUOUS, 0))
    ]
    assert [(each["type"], each["venue"], each["symbol"]) for each in told] == [("SessionChanged", "SIM", "AAPL")] * 3
    assert [(each["session"], each["reference_px"]) for each in told] == [
        ("HALTED", None), ("AUCTION", "185.00"), ("CONTINUOUS", None),
    ]  # fmt: skip


def test_bands_are_told_and_that_there_are_none(desk: OrdersDesk) -> None:
    told = desk.one({b"frame": market(ReportType.BANDS_SET, price=17_000, leaves=20_000, aux=1)})
    assert (told["type"], told["low_limit_px"], told["high_limit_px"]) == ("BandsChanged", "170.00", "200.00")
    told = desk.one({b"frame": market(ReportType.BANDS_SET)})
    assert (told["low_limit_px"], told["high_limit_px"]) == (None, None)


@pytest.mark.parametrize("kind", [ReportType.SESSION_SET, ReportType.BANDS_SET])
@pytest.mark.parametrize("fields", [{"symbol": 99}, {"aux": 7}, {"aux": 1, "price": 2, "leaves": 1, "symbol": 99}])
def test_a_session_or_bands_that_cannot_be_are_refused(
    desk: OrdersDesk, kind: ReportType, fields: dict[str, int]
) -> None:
    assert desk.refused(market(kind, **fields))["reason"] in {"unknown_symbol", "bad_record"}


def test_the_end_of_a_mass_cancel_is_told_with_how_many_it_was(desk: OrdersDesk) -> None:
    told = desk.report(ReportType.MASS_CANCELED, 0, qty=3, symbol=0, side=0)
    assert (told["type"], told["account"], told["symbol"], told["side"]) == (
        "OrdersMassCanceled",
        "default",
        None,
        None,
    )
    assert told["total_affected_orders"] == 3
    told = desk.report(ReportType.MASS_CANCELED, 0, account=0, symbol=1, side=2)
    assert (told["account"], told["symbol"], told["side"]) == (None, "AAPL", "SELL")
    assert desk.refused(report(ReportType.MASS_CANCELED, account=77))["reason"] == "unknown_account"


def test_what_is_told_of_the_market_is_taken_whatever_order_it_seems_to_name(desk: OrdersDesk) -> None:
    told = desk.one({b"frame": market(ReportType.SESSION_SET, order_id=1, symbol=2, aux=Session.HALTED)})
    assert (told["type"], told["symbol"]) == ("SessionChanged", "BTCUSDT")
    assert desk.report(ReportType.MASS_CANCELED, 1, qty=2, symbol=0, side=0)["total_affected_orders"] == 2


def test_a_dormant_order_that_came_in_is_told(desk: OrdersDesk) -> None:
    desk.accept()
    told = desk.report(ReportType.TRIGGERED, price=18_400, qty=100)
    assert (told["type"], told["ord_status"], told["price"]) == ("OrderTriggered", "New", "184.00")
    desk.canceled()
    assert desk.refused(report(ReportType.TRIGGERED, 1))["reason"] == "unexpected_report"


def test_an_order_that_was_reduced_is_told_with_its_new_total(desk: OrdersDesk) -> None:
    desk.accept()
    desk.fill(30)
    told = desk.report(ReportType.REDUCED, qty=50, leaves=20)
    assert (told["type"], told["reason"], told["quantity"], told["leaves_qty"]) == (
        "OrderRestated", "self_trade", "50", "20",
    )  # fmt: skip
    assert desk.fill(20)["ord_status"] == "Filled"
    assert desk.refused(report(ReportType.REDUCED, 1, qty=1, leaves=0))["reason"] == "bad_quantity"


@pytest.mark.parametrize(("qty", "leaves"), [(0, 100), (-1, 101), (50, 51), (100, 0), (101, -1)])
def test_a_reduction_that_does_not_add_up_is_refused(desk: OrdersDesk, qty: int, leaves: int) -> None:
    desk.accept()
    assert desk.refused(report(ReportType.REDUCED, 1, qty=qty, leaves=leaves))["reason"] in {"bad_quantity", "overfill"}


@pytest.mark.parametrize("kind", ReportType, ids=lambda kind: kind.name)
def test_no_type_of_report_is_buried_as_one_that_does_not_exist(desk: OrdersDesk, kind: ReportType) -> None:
    """An order and an instrument that are there: whatever is refused then is refused for what the report says."""
    desk.fold({b"frame": report(kind, 1, qty=1, flags=ReportFlag.TAKER, match_id=1)})
    for letter in desk.dead:
        assert orjson.loads(letter[b"data"])["text"] != f"type: {int(kind)} is no report type"


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
    unknown = "order_id: order 99 was never given out here"
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


def test_a_locked_quote_goes_into_an_auction_with_neither_side(desk: OrdersDesk) -> None:
    desk.quote(18500, 18500)
    desk.tick()
    session = report(
        ReportType.SESSION_SET, price=18500, aux=int(frames.Session.AUCTION), account=0, side=0,
        partition=frames.PARTITION_ALL,
    )  # fmt: skip
    desk.fold({b"frame": session})
    [told] = [event for event in desk.tick() if event["type"] == "QuoteUpdated"]
    assert (told["bid_px"], told["ask_px"]) == (None, None)
