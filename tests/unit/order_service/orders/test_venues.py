"""Venues side by side: where an order goes, whose quote it meets, what a fill costs, and who may report on it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import ReportFlag, ReportType
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import Topology
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support.orders import CONFIG, OrdersDesk, new_order, report
from tests.support.terms import but

D = Decimal
VENUES = {
    "SIM": VenueTerms(),
    "SIM2": VenueTerms(maker_fee_bps=D(0), taker_fee_bps=D("2.5")),
    "SIM3": VenueTerms(),
}


def config(instrument: str | None = "SIM2", account: str | None = None, desk: str = "SIM") -> DeskConfig:
    """AAPL's venue, the other account's, the desk's."""
    return but(
        CONFIG,
        instruments={**CONFIG.instruments, "AAPL": but(CONFIG.instruments["AAPL"], venue=instrument)},
        accounts={**CONFIG.accounts, "other": but(CONFIG.accounts["other"], venue=account)},
        venues=VENUES,
        venue=desk,
    )


@pytest.fixture
def desk() -> OrdersDesk:
    return OrdersDesk(config(account="SIM3"))


def told(desk: OrdersDesk, venue: str, *records: bytes) -> list[dict[str, Any]]:
    return desk.fold({f"frame.{venue}".encode(): b"".join(records)})


def quoted(desk: OrdersDesk, venue: str, bid: int, ask: int) -> None:
    record = report(
        ReportType.QUOTED, price=bid, qty=100, leaves=ask, aux=100, account=0, side=0, partition=frames.PARTITION_ALL
    )
    assert told(desk, venue, record) == []


def fill(order_id: int, qty: int, match_id: int, **fields: Any) -> bytes:
    return report(
        ReportType.FILLED, order_id, price=18500, qty=qty, match_id=match_id, flags=ReportFlag.TAKER, **fields
    )


@pytest.mark.parametrize(
    ("of_desk", "of_instrument", "of_account", "goes_to"),
    [
        ("SIM", None, None, "SIM"),
        ("SIM2", None, None, "SIM2"),
        ("SIM", "SIM2", None, "SIM2"),
        ("SIM", None, "SIM3", "SIM3"),
        ("SIM2", "SIM", "SIM3", "SIM3"),
    ],
)
def test_the_accounts_venue_goes_before_the_instruments_and_that_before_the_desks(
    of_desk: str, of_instrument: str | None, of_account: str | None, goes_to: str
) -> None:
    desk = OrdersDesk(config(of_instrument, of_account, of_desk))
    received = desk.new(account="other", price="185.00")
    assert received["venue"] == goes_to
    assert desk.sent_to == [f"commands.{goes_to}.0"]


def test_an_order_is_judged_by_the_quote_of_the_venue_it_goes_to(desk: OrdersDesk) -> None:
    quoted(desk, "SIM", 18_490, 18_500)
    rejected = desk.new(signal_id="blind")
    assert (rejected["type"], rejected["reason"]) == ("OrderRejected", "no_quote")
    quoted(desk, "SIM2", 20_000, 20_010)
    assert desk.new(signal_id="sees")["type"] == "OrderReceived"
    assert desk.commands[-1].price == 20_210, "a hundred basis points above the ask of SIM2"


def test_quotes_are_kept_and_told_apart(desk: OrdersDesk) -> None:
    quoted(desk, "SIM", 18_490, 18_500)
    quoted(desk, "SIM2", 20_000, 20_010)
    updates = [(each["venue"], each["symbol"], each["bid_px"]) for each in desk.tick()]
    assert updates == [("SIM", "AAPL", "184.90"), ("SIM2", "AAPL", "200.00")]
    assert desk.tick() == []
    assert desk.stage.gauges()["quote_timestamp_seconds"].keys() == {"AAPL", "AAPL at SIM2"}


def test_a_fill_costs_what_its_venue_takes_where_that_has_fees_of_its_own(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.instruct(new_order(signal_id="s2", account="other", price="185.00"))
    [at_two] = told(desk, "SIM2", fill(1, 100, 1))
    [at_three] = told(desk, "SIM3", fill(2, 100, 1, account=2))
    assert (at_two["venue"], at_two["fee"]) == ("SIM2", "4.62500000"), "2.5 basis points of 18500"
    assert (at_three["venue"], at_three["fee"]) == ("SIM3", "0.92500000"), "the instrument's half a basis point"


def test_the_same_trade_number_at_two_venues_is_two_fills(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.instruct(new_order(signal_id="s2", account="other", price="185.00"))
    [one] = told(desk, "SIM2", fill(1, 100, 12))
    [two] = told(desk, "SIM3", fill(2, 100, 12, account=2))
    assert [one["exec_id"], two["exec_id"]] == ["SIM2-0-12-B", "SIM3-0-12-B"]
    assert desk.stage.gauges()["fills"]["TAKER"] == 2


def test_a_report_on_an_order_that_is_elsewhere_is_buried_alone(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    state = desk.stage.snapshot()
    for field in (b"frame", b"frame.SIM", b"frame.SIM3"):
        letter = desk.dead_letter({field: fill(1, 100, 1)})
        venue = field.partition(b".")[2].decode() or "SIM"
        assert (letter["reason"], letter["text"]) == ("wrong_venue", f"order_id: order 1 is at SIM2, not at {venue}")
        assert f"raw:frame.{venue}".encode() in desk.dead[-1], "so it goes back to where it came from"
    assert desk.stage.snapshot() == state
    [event] = told(desk, "SIM2", fill(1, 100, 1))
    assert event["ord_status"] == "Filled"


def test_reports_of_a_venue_that_the_desk_does_not_have_are_buried(desk: OrdersDesk) -> None:
    letter = desk.dead_letter({b"frame.SIM9": report(ReportType.ACCEPTED, 1)})
    assert letter["reason"] == "unknown_venue"
    assert letter["text"] == "frame: 'SIM9' must be a venue of this desk, one of SIM, SIM2, SIM3"


def test_a_snapshot_has_the_venue_of_every_order_and_quote(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    quoted(desk, "SIM2", 20_000, 20_010)
    twin = OrdersStage(Topology(), 0, config(account="SIM3"))
    twin.restore(desk.stage.snapshot())
    assert twin.snapshot() == desk.stage.snapshot()
    desk.stage = twin
    assert [each["venue"] for each in desk.tick()] == ["SIM2"], "it was to be told yet"
    [event] = told(desk, "SIM2", fill(1, 100, 1))
    assert event["fee"] == "4.62500000"
    assert twin.configuration() is None


def test_an_amendment_is_judged_where_the_order_is(desk: OrdersDesk) -> None:
    desk = OrdersDesk(config(instrument=None))
    desk.new(price="185.00")
    told(desk, "SIM", report(ReportType.ACCEPTED, 1))
    quoted(desk, "SIM", 18_490, 18_500)
    desk.fold({b"config": config(instrument=None, desk="SIM2").to_json()})
    refused = desk.replace(order_id="1", price="200.00")
    assert (refused["type"], refused["reason"]) == ("OrderReplaceRejected", "price_collar")
    assert desk.replace(order_id="1", price="185.01")["type"] == "OrderReplaceRequested"
    assert desk.sent_to[-1] == "commands.SIM.0"


def test_instruments_that_name_no_venue_follow_the_desks_and_the_journal_says_so() -> None:
    desk = OrdersDesk(config(instrument=None))
    events = desk.fold({b"config": config(instrument=None, desk="SIM3").to_json()})
    assert [(each["type"], each["symbol"], each["venue"]) for each in events] == [
        ("InstrumentDefined", symbol, "SIM3") for symbol in sorted(CONFIG.instruments)
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (config(instrument="SIM3"), "instruments.AAPL.venue: SIM3 cannot replace SIM2: orders, books and positions"),
        (config(instrument=None), "instruments.AAPL.venue: SIM cannot replace SIM2: orders, books and positions"),
        (config(account="SIM3"), "accounts.other.venue: SIM3 cannot replace SIM: it is the account's own for good"),
    ],
)
def test_a_venue_is_an_instruments_and_an_accounts_own_for_good(change: DeskConfig, sentence: str) -> None:
    desk = OrdersDesk(config(account="SIM" if "accounts" in sentence else None))
    letter = desk.dead_letter({b"config": change.to_json()})
    assert letter["text"].startswith(sentence)


def test_what_named_no_venue_may_come_to_name_the_one_it_had() -> None:
    desk = OrdersDesk(config(instrument=None))
    events = desk.fold({b"config": config(instrument="SIM").to_json()})
    assert [(each["type"], each["symbol"]) for each in events] == [("InstrumentDefined", "AAPL")]


def test_a_venue_with_terms_of_its_own_is_defined_before_what_is_traded_there(desk: OrdersDesk) -> None:
    defined = [each for each in desk.events if each["type"] == "VenueDefined"]
    assert [(each["venue"], each["taker_fee_bps"]) for each in defined] == [("SIM2", "2.5"), ("SIM3", None)]
    assert not [each for each in OrdersDesk().events if each["type"] == "VenueDefined"], "SIM needs no definition"
    fees = but(config(account="SIM3"), venues={**VENUES, "SIM2": VenueTerms(taker_fee_bps=D(1))})
    desk.new(price="185.00")
    [event] = desk.fold({b"config": fees.to_json()})
    assert event["type"] == "VenueDefined"
    [filled] = told(desk, "SIM2", fill(1, 100, 1))
    assert filled["fee"] == "1.85000000", "a live order goes on under the new terms"


def test_a_log_from_before_there_were_several_is_of_sim_alone() -> None:
    old = orjson.loads(CONFIG.to_json())
    del old["venues"]
    for terms in (*old["instruments"].values(), *old["accounts"].values()):
        del terms["venue"]
    assert DeskConfig.from_json(orjson.dumps(old)) == CONFIG


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"venue": "SIM9"}, "venue: SIM9 must be one of the venues SIM, SIM2, SIM3"),
        ({"venues": {"sim": {}}}, "venues.sim"),
        ({"venues": {"SIM": {"expires": False}}}, "expires: must be true of a simulated venue"),
    ],
)
def test_a_configuration_whose_venues_make_no_sense_is_refused(
    desk: OrdersDesk, change: dict[str, Any], sentence: str
) -> None:
    document = orjson.loads(config(account="SIM3").to_json())
    letter = desk.dead_letter({b"config": orjson.dumps(document | change)})
    assert letter["reason"] == "bad_config"
    assert sentence in letter["text"]
