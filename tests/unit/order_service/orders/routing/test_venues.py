"""What a policy sees of a venue: levels, costs, and whether it takes orders now."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import pytest

from fillstream.libs.common.engine.frames import PARTITION_ALL, ReportType, Session
from fillstream.libs.common.messages.calendar import Calendars
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.services.order_service.orders.control.tripping import Breaker
from fillstream.services.order_service.orders.routing.policy import Levels, VenueMarket
from fillstream.services.order_service.orders.routing.venues import Own, venue_market
from tests.support.orders import CONFIG, NOON_MS, OrdersDesk, report
from tests.support.terms import but, instrument

D = Decimal


class Report(NamedTuple):
    bids: Levels
    asks: Levels
    at_ms: int


REPORT = Report(((18_489, 50), (18_480, 70)), ((18_500, 40), (18_510, 60)), NOON_MS)


def desk_of(quoted: bool = True, venue: dict[str, Any] | None = None, **config: Any) -> OrdersDesk:
    desk = OrdersDesk(but(CONFIG, venues={"SIM": VenueTerms(**venue or {})}, **config))
    if quoted:
        desk.quote(18_490, 18_500)
    return desk


def seen(desk: OrdersDesk, ms: int | None = None, symbol: str = "AAPL", **more: Any) -> VenueMarket:
    return venue_market(desk.stage._state, "default", symbol, "SIM", desk.ms if ms is None else ms, **more)


def test_without_a_report_the_touch_is_all_there_is() -> None:
    found = seen(desk_of())
    assert (found.bids, found.asks, found.open) == (((18_490, 100),), ((18_500, 100),), True)
    assert (found.costs.taker, found.costs.maker) == (Fraction(5, 100_000), Fraction(-2, 100_000))
    empty = seen(desk_of(quoted=False))
    assert (empty.bids, empty.asks) == ((), ())


def test_a_report_has_the_levels_and_a_touch_that_came_later_its_place() -> None:
    desk = desk_of()
    later = REPORT._replace(at_ms=desk.ms + 5)
    assert (seen(desk, report=later).bids, seen(desk, report=later).at_ms) == (later.bids, later.at_ms)
    assert seen(desk, report=REPORT._replace(at_ms=desk.ms)).bids == REPORT.bids, "of one moment the report says more"
    before = REPORT._replace(at_ms=desk.ms - 5)
    found = seen(desk, report=before)
    assert found.at_ms == desk.ms
    assert found.bids == ((18_490, 100), (18_489, 50), (18_480, 70)), "the touch stands above what was reported"
    assert found.asks == ((18_500, 100), (18_510, 60)), "and in place of what it was"
    desk.quote(18_495, 18_520, bid_qty=0)
    found = seen(desk, report=before)
    assert (found.bids, found.asks) == ((), ((18_520, 100),)), "levels that were overtaken are gone"


def test_what_is_our_own_there_is_nothing_to_trade_with() -> None:
    own = Own(bids=((18_489, 20), (18_489, 5)), asks=((18_500, 40),), rejected_ms=7, missed_ms=8)
    found = seen(desk_of(), report=REPORT._replace(at_ms=NOON_MS + 10**6), own=own)
    assert (found.bids, found.asks) == (((18_489, 25), (18_480, 70)), ((18_510, 60),))
    assert (found.rejected_ms, found.missed_ms) == (7, 8)


def test_an_old_quote_is_not_fresh_and_where_there_is_no_limit_it_never_is_old() -> None:
    desk = desk_of(max_quote_age_ms=1_000)
    assert seen(desk, ms=desk.ms + 1_000).fresh
    assert not seen(desk, ms=desk.ms + 1_001).fresh
    assert seen(desk_of(), ms=NOON_MS + 10**9).fresh


def test_sizes_are_within_the_instruments_and_worth_the_accounts_smallest_order() -> None:
    limits = {"min_order_quantity": D(3), "max_order_quantity": D(50)}
    desk = desk_of(instruments={**CONFIG.instruments, "AAPL": but(CONFIG.instruments["AAPL"], **limits)})
    assert (seen(desk).min_lots, seen(desk).max_lots) == (3, 50)
    dear = but(CONFIG.accounts["default"], min_order_size=D("1849.01"))
    assert seen(desk_of(accounts={"default": dear})).min_lots == 11
    assert seen(desk_of(quoted=False, accounts={"default": dear})).min_lots == 1


def test_a_venue_whose_session_is_not_continuous_takes_nothing() -> None:
    desk = desk_of()
    fields = {"account": 0, "side": 0, "partition": PARTITION_ALL}
    desk.fold({b"frame": report(ReportType.SESSION_SET, aux=Session.HALTED, **fields)})
    assert (seen(desk).open, seen(desk).why) == (False, "has the session HALTED")
    desk.fold({b"frame": report(ReportType.SESSION_SET, aux=Session.CONTINUOUS, **fields)})
    assert seen(desk).open


def test_nor_one_of_whose_calendar_nothing_is_known_or_that_is_closed_by_it() -> None:
    aapl = but(CONFIG.instruments["AAPL"], calendar="HOURS")
    desk = desk_of(instruments={**CONFIG.instruments, "AAPL": aapl})
    assert seen(desk).why == "has no calendar that knows this time"
    hour = 3_600_000
    table = {"zone": "UTC", "from_ms": NOON_MS - 9 * hour, "until_ms": NOON_MS + 9 * hour,
             "sessions": [["1", NOON_MS - hour, NOON_MS + hour]]}  # fmt: skip
    desk.fold({b"calendar": Calendars.model_validate({"calendars": {"HOURS": table}}).to_json()})
    assert seen(desk).open
    assert seen(desk, ms=NOON_MS + 2 * hour).why == "does not trade now by its calendar"


def test_nor_in_an_instrument_that_the_desk_has_halted() -> None:
    desk = desk_of(instruments={**CONFIG.instruments, "AAPL": but(CONFIG.instruments["AAPL"], halted=True)})
    assert seen(desk).why == "trades nothing: the desk has halted it"


@pytest.mark.parametrize(
    ("state", "probe", "opens"),
    [("CLOSED", 0, True), ("OPEN", 0, False), ("HALF_OPEN", 0, True), ("HALF_OPEN", 4, False)],
)
def test_nor_one_whose_breaker_is_open_but_for_the_one_order_that_tries(state: str, probe: int, opens: bool) -> None:
    desk = desk_of(venue={"breaker_rejects": 1})
    desk.stage._state.breakers["VENUE", "", "SIM"] = Breaker(1, "VENUE", "", "SIM", state=state, probe=probe)
    assert seen(desk).open is opens
    assert bool(seen(desk).why) is not opens


def test_nor_one_of_another_mode_than_the_accounts() -> None:
    live = but(CONFIG.accounts["default"], mode="LIVE")
    assert seen(desk_of(accounts={"default": live})).why == "takes no orders of its account's mode"


def test_of_an_inverse_contract_what_is_no_share_of_it_is_compared_at_the_price_that_it_has() -> None:
    contract = but(CONFIG.instruments["AAPL"], inverse=True, multiplier=D(18_500))
    known = {"instruments": {**CONFIG.instruments, "AAPL": contract}}
    found = seen(desk_of(**known))
    assert (found.open, found.costs.taker, found.costs.maker) == (True, Fraction(5, 100_000), Fraction(-2, 100_000))
    dear = seen(desk_of(venue={"min_fee": D(1), "fee_per_unit": D("0.5")}, **known)).costs
    each = 18_500 / Fraction(100)
    assert (dear.per_lot, dear.least) == (each / 2, each), "a coin is a contract's hundredth: 1.85 of 185"
    least = {"accounts": {"default": but(CONFIG.accounts["default"], min_order_size=D(250))}}
    assert seen(desk_of(**known, **least)).min_lots == 3, "each is worth 100 and a little"


def test_fees_in_another_currency_count_at_a_fresh_rate_and_without_one_nobody_can_compare() -> None:
    rate = instrument(9, D("0.01"), D(1), base_currency="EUR")
    known = {"instruments": {**CONFIG.instruments, "EURUSD": rate}, "max_quote_age_ms": 1_000}
    desk = desk_of(venue={"fee_per_unit": D(2), "fee_currency": "EUR"}, **known)
    assert seen(desk).why == "charges in EUR, which has no fresh rate"
    fields = {"account": 0, "symbol": 9, "side": 0, "partition": PARTITION_ALL}
    desk.fold({b"frame": report(ReportType.QUOTED, price=149, qty=5, leaves=151, aux=5, **fields)})
    desk.ms += 300  # marks are those of quotes that were told
    desk.fold({b"tick": b"1"})
    assert seen(desk).open
    assert seen(desk).costs.per_lot == 300, "2 EUR a share are 3.00 USD, in cents"
