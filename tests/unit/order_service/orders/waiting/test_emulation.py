"""What a venue lacks the desk emulates: the caller sees the same order, marked, and the venue what it waited to be."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine.frames import Command, CommandType, OrdType, ReportType, Session, Tif
from fillstream.libs.common.messages.native_terms import NATIVE_TIMES, NATIVE_TYPES
from fillstream.libs.common.messages.reference import VenueTerms
from tests.support.family_desk import FAMILY_CONFIG, FamilyDesk
from tests.support.orders import CONFIG, NOON_MS, OrdersDesk, new_order, report
from tests.support.terms import but

BARE = VenueTerms(order_types=("LIMIT", "MARKET"), times_in_force=("GTC", "IOC"), icebergs=False)


def desk_at(venue: VenueTerms) -> OrdersDesk:
    desk = OrdersDesk(but(CONFIG, venues={"SIM": venue}))
    desk.quote(18_499, 18_501)
    return desk


@pytest.fixture
def desk() -> OrdersDesk:
    return desk_at(BARE)


@pytest.fixture
def native() -> OrdersDesk:
    return desk_at(VenueTerms())


def send(desk: OrdersDesk, kind: str, price: str | None = None, tif: str | None = None, **said: Any) -> Any:
    """Send a sale of 100; return the events it caused."""
    signal_id = f"s{len(desk.entries)}"
    side = said.pop("side", "SELL")
    document = new_order(signal_id=signal_id, order_type=kind, price=price, time_in_force=tif, side=side)
    if said:
        document["special"] = said
    return [e for e in desk.fold({b"data": orjson.dumps(document)}) if e["type"] != "QuoteUpdated"]


def printed(desk: OrdersDesk, price: int) -> list[dict[str, Any]]:
    events = desk.fold({b"frame": report(ReportType.PRINTED, price=price, qty=1, account=0, partition=0xFFFF)})
    return [event for event in events if event["type"] != "QuoteUpdated"]


def quoted(desk: OrdersDesk, bid: int, ask: int) -> list[dict[str, Any]]:
    before = len(desk.events)
    record = report(
        ReportType.QUOTED, price=bid, qty=100, leaves=ask, aux=100, account=0, side=0, partition=0xFFFF, symbol=1
    )
    desk.fold({b"frame": record})
    return [event for event in desk.events[before:] if event["type"] != "QuoteUpdated"]


def last(desk: OrdersDesk) -> Command:
    return desk.commands[-1]


# ------------------------------------------------------------------------------------------------------------- stops


def test_a_stop_of_a_venue_without_any_waits_in_the_desk_and_goes_as_a_market_order(desk: OrdersDesk) -> None:
    received, suspended = send(desk, "STOP", stop_price="184")
    assert (received["type"], received["emulated"], received["order_type"]) == ("OrderReceived", True, "STOP")
    assert (suspended["type"], suspended["emulated"]) == ("OrderSuspended", True)
    assert (suspended["stop_price"], suspended["trigger_price_type"]) == ("184.00", "LAST")
    assert not desk.commands
    assert printed(desk, 18_401) == []
    desk.restarted()
    (triggered,) = printed(desk, 18_400)
    assert (triggered["type"], triggered["price"]) == ("OrderTriggered", None)
    assert "stop_price" not in triggered
    sent = last(desk)
    assert (sent.type, sent.ord_type, sent.tif, sent.aux_price) == (CommandType.NEW, OrdType.LIMIT, Tif.IOC, 0)
    assert sent.price < 18_499, "through the bid, as far as the account's slippage goes"


def test_a_stop_limit_goes_as_a_limit_order(desk: OrdersDesk) -> None:
    send(desk, "STOP_LIMIT", price="183.50", stop_price="184")
    printed(desk, 18_390)
    assert (last(desk).ord_type, last(desk).tif, last(desk).price) == (OrdType.LIMIT, Tif.GTC, 18_350)


def test_a_stop_whose_price_is_there_already_goes_at_once(desk: OrdersDesk) -> None:
    printed(desk, 18_390)
    kinds = [event["type"] for event in send(desk, "STOP", stop_price="184")]
    assert kinds == ["OrderReceived", "OrderSuspended", "OrderTriggered"]


def test_where_the_venue_has_stops_nothing_is_emulated_and_nothing_marked(native: OrdersDesk) -> None:
    (received,) = send(native, "STOP", stop_price="184")
    assert "emulated" not in received
    assert last(native).ord_type == OrdType.STOP


def test_what_no_venue_has_is_marked_as_well(native: OrdersDesk) -> None:
    for said in ({"kind": "MARKET_IF_TOUCHED"}, {"kind": "STOP", "trigger_price_type": "BID_ASK"}):
        received, suspended = send(native, **{"stop_price": "190" if "trigger" not in str(said) else "180", **said})
        assert received["emulated"] and suspended["emulated"]


def test_a_plain_order_is_sent_as_ever_and_not_marked(desk: OrdersDesk) -> None:
    (received,) = send(desk, "LIMIT", price="185.10")
    assert "emulated" not in received
    assert (last(desk).ord_type, last(desk).tif) == (OrdType.LIMIT, Tif.GTC)


def test_an_emulated_stop_is_amended_and_canceled_in_the_desk(desk: OrdersDesk) -> None:
    send(desk, "STOP", stop_price="184")
    replaced = desk.fold({b"data": orjson.dumps(_amend(special={"stop_price": "183"}))})[-1]
    assert (replaced["type"], replaced["stop_price"]) == ("OrderReplaced", "183.00")
    assert printed(desk, 18_399) == []
    (_, canceled) = desk.fold({b"data": orjson.dumps(_cancel())})[-2:]
    assert canceled["type"] == "OrderCanceled"
    assert printed(desk, 18_000) == []
    assert not desk.commands


def _amend(**fields: Any) -> dict[str, Any]:
    return {
        "type": "ReplaceOrder", "v": 1, "signal_id": "r1", "account": "default", "order_id": "1",
        "orig_client_order_id": None, "quantity": None, "price": None, "signal_time": NOON_MS, **fields,
    }  # fmt: skip


def _cancel() -> dict[str, Any]:
    return {
        "type": "CancelOrder", "v": 1, "signal_id": "c1", "account": "default", "order_id": "1",
        "orig_client_order_id": None, "signal_time": NOON_MS,
    }  # fmt: skip


# ---------------------------------------------------------------------------------------------------- trailing stops


def test_a_trailing_stop_follows_the_last_price_in_the_desk_and_tells_where_it_stood(desk: OrdersDesk) -> None:
    printed(desk, 18_500)
    received, suspended = send(desk, "TRAILING_STOP", trailing_offset="1.00")
    assert (received["emulated"], received["trailing_offset"]) == (True, "1")
    assert (suspended["stop_price"], suspended["trigger_price_type"]) == ("184.00", "LAST")
    for price in (18_520, 18_440, 18_560, 18_461):
        assert printed(desk, price) == []
    desk.restarted()
    (triggered,) = printed(desk, 18_460)
    assert (triggered["type"], triggered["stop_price"]) == ("OrderTriggered", "184.60")
    sent = last(desk)
    assert (sent.ord_type, sent.tif, sent.aux_price, sent.aux_qty, sent.flags) == (OrdType.LIMIT, Tif.IOC, 0, 0, 0)


@pytest.mark.parametrize(("side", "moves"), [("SELL", (18_700, 18_650)), ("BUY", (18_300, 18_350))])
def test_a_trailing_stop_may_follow_bid_and_ask_anywhere(native: OrdersDesk, side: str, moves: tuple[int, int]) -> None:
    received, _ = send(
        native, "TRAILING_STOP", side=side, trailing_offset="50", trailing_offset_type="TICKS",
        trigger_price_type="BID_ASK",
    )  # fmt: skip
    assert received["emulated"]
    best, hit = moves
    for price in (best, hit + (1 if side == "SELL" else -1)):
        assert quoted(native, price, price) == []
    (triggered,) = quoted(native, hit, hit)
    assert triggered["stop_price"] == native.stage._state.terms["SIM"]["AAPL"].price.text(hit)


def test_a_trailing_stop_follows_the_mark_when_the_journal_tells_it(native: OrdersDesk) -> None:
    native.tick()
    send(native, "TRAILING_STOP", trailing_offset="100", trailing_offset_type="BPS", trigger_price_type="MARK")
    native.quote(20_000, 20_000)
    native.tick()
    native.quote(19_801, 19_801)
    native.tick()
    assert not native.commands
    native.quote(19_800, 19_800)
    events = native.tick()
    assert [event["stop_price"] for event in events if event["type"] == "OrderTriggered"] == ["198.00"]


def test_an_amended_trailing_stop_keeps_the_best_price_it_has_seen(desk: OrdersDesk) -> None:
    printed(desk, 18_500)
    send(desk, "TRAILING_STOP", trailing_offset="1.00")
    printed(desk, 18_600)
    printed(desk, 18_510)
    events = desk.fold({b"data": orjson.dumps(_amend(quantity="50"))})
    assert [event["type"] for event in events] == ["OrderReplaceRequested", "OrderReplaced"], events
    desk.restarted()
    (triggered,) = printed(desk, 18_500)
    assert (triggered["stop_price"], last(desk).qty) == ("185.00", 50)


def test_one_that_no_price_has_come_for_waits_for_the_first_over_a_restart(desk: OrdersDesk) -> None:
    _, suspended = send(desk, "TRAILING_STOP", trailing_offset="1.00")
    assert "stop_price" not in suspended, "nothing was traded yet"
    desk.restarted()
    assert printed(desk, 18_000) == []
    desk.restarted()
    (triggered,) = printed(desk, 17_900)
    assert triggered["stop_price"] == "179.00"


def test_a_halted_market_moves_no_stop(desk: OrdersDesk) -> None:
    send(desk, "TRAILING_STOP", trailing_offset="1.00", trigger_price_type="BID_ASK")
    session = {"account": 0, "side": 0, "partition": 0xFFFF}
    desk.fold({b"frame": report(ReportType.SESSION_SET, aux=Session.HALTED, **session)})
    assert quoted(desk, 19_000, 19_001) == []
    desk.fold({b"frame": report(ReportType.SESSION_SET, aux=Session.CONTINUOUS, **session)})
    (triggered,) = quoted(desk, 18_890, 18_891)
    assert triggered["stop_price"] == "189.00", "it followed once the market traded again"


def test_a_trailing_stop_waits_for_its_turn_with_the_stop_that_was_hit() -> None:
    limited = but(CONFIG.accounts["default"], rate_limit_orders=1, rate_limit_window_ms=1_000)
    desk = OrdersDesk(but(CONFIG, venues={"SIM": BARE}, accounts={**CONFIG.accounts, "default": limited}))
    desk.quote(18_499, 18_501)
    printed(desk, 18_500)
    send(desk, "TRAILING_STOP", trailing_offset="1.00")
    send(desk, "LIMIT", price="185.10")
    (queued,) = printed(desk, 18_300)
    assert queued["type"] == "OrderSuspended"
    desk.restarted()
    triggered = [event for event in desk.tick(1_000) if event["type"] == "OrderTriggered"]
    assert [event["stop_price"] for event in triggered] == ["184.00"]


# ------------------------------------------------------------------------------------------------------ times, others


@pytest.mark.parametrize("tif", ["GTD", "DAY"])
def test_the_desk_ends_what_the_venue_does_not(desk: OrdersDesk, tif: str) -> None:
    said = {"expire_time": NOON_MS + 60_000} if tif == "GTD" else {}
    (received,) = send(desk, "LIMIT", price="186.00", tif=tif, **said)
    assert received.get("emulated") == (True if tif == "GTD" else None)
    assert (last(desk).tif, last(desk).type) == (Tif.GTC, CommandType.NEW)
    desk.accept(side=2)
    desk.tick()
    due_ms = desk.stage.due_ms
    assert due_ms is not None
    desk.restarted()
    requested = desk.tick(due_ms - desk.ms)
    assert [event["type"] for event in requested] == ["OrderCancelRequested"]
    assert last(desk).type == CommandType.CANCEL
    assert desk.canceled(side=2)["type"] == "OrderExpired"


def test_a_stop_that_the_desk_lets_go_still_ends_by_it(desk: OrdersDesk) -> None:
    send(desk, "STOP_LIMIT", price="183.50", stop_price="184", tif="GTD", expire_time=NOON_MS + 60_000)
    printed(desk, 18_390)
    assert last(desk).tif == Tif.GTC
    desk.accept(side=2)
    desk.tick()
    assert [event["type"] for event in desk.tick(60_000)] == ["OrderCancelRequested"]


@pytest.mark.parametrize(
    ("kind", "price", "tif", "said", "text"),
    [
        ("MARKET_TO_LIMIT", None, None, {}, "order_type: SIM has no MARKET_TO_LIMIT orders, and the desk cannot"),
        ("LIMIT", "185.00", "FOK", {}, "time_in_force: SIM has no FOK, and the desk cannot emulate it"),
        (
            "LIMIT",
            "185.00",
            None,
            {"display_quantity": "10", "post_only": True},
            "display_quantity: SIM shows every order whole, and the desk cannot emulate it of a LIMIT",
        ),
    ],
)
def test_what_cannot_be_emulated_is_refused(
    desk: OrdersDesk, kind: str, price: str | None, tif: str | None, said: dict[str, Any], text: str
) -> None:
    (refused,) = send(desk, kind, price=price, tif=tif, **said)
    assert (refused["type"], refused["reason"]) == ("OrderRejected", "venue_unknown")
    assert text in refused["text"]


def test_a_venue_says_what_it_has_and_defaults_are_left_out() -> None:
    assert VenueTerms(order_types=",".join(reversed(NATIVE_TYPES)), times_in_force=NATIVE_TIMES) == VenueTerms()
    assert "order_types" not in VenueTerms().values()
    desk = desk_at(BARE)
    [defined] = [event for event in desk.events if event["type"] == "VenueDefined"]
    assert (defined["order_types"], defined["times_in_force"], defined["icebergs"]) == (
        ["LIMIT", "MARKET"], ["GTC", "IOC"], False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"order_types": "LIMIT"}, "must have MARKET"),
        ({"times_in_force": ("GTC", "DAY")}, "must have IOC"),
        ({"order_types": ("LIMIT", "MARKET", "MARKET_IF_TOUCHED")}, "MARKET_IF_TOUCHED must be one of LIMIT, MARKET"),
        ({"times_in_force": "GTC,IOC,GOOD"}, "GOOD must be one of AT_THE_CLOSE"),
    ],
)
def test_a_venue_has_what_the_desk_sends_and_no_more_than_it_has_words_for(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        VenueTerms(**fields)


def test_an_iceberg_is_shown_by_the_desk_where_its_venue_shows_every_order_whole() -> None:
    desk = FamilyDesk(but(FAMILY_CONFIG, venues={"SIM": BARE}))
    desk.quote(18_490, 18_500)
    wish = {"symbol": "AAPL", "side": "BUY", "quantity": "100", "price": "184.00", "display_quantity": "30"}
    [received] = [each for each in desk.signal(client_order_id="i", **wish) if each.get("client_order_id") == "i"][:1]
    assert (received["type"], received["emulated"], received["display_quantity"]) == ("OrderReceived", True, "30")
    assert desk.working() == {"i": ("New", 100), "i.1": ("New", 30)}
    desk.quote(18_390, 18_400)
    desk.after(1_000)
    assert (desk.working(), desk.held()) == ({}, 100)
    desk.check()
