"""The rules an order meets before it is routed: each with its reason and a sentence that names value and limit."""

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.calendar import CALENDAR, Calendars, CalendarTable
from fillstream.libs.common.messages.codes import CancelRejectReason, OrderType, RejectReason
from fillstream.libs.common.messages.reference import DAY_MS, AccountTerms, VenueTerms
from fillstream.libs.common.messages.special_terms import SPECIAL
from fillstream.libs.common.messages.topology import Topology
from fillstream.services.order_service.orders.compiled import Limits, Quote, Terms
from fillstream.services.order_service.orders.holding.holdings import Account, Holding, Holdings, Instrument
from fillstream.services.order_service.orders.rules import AMEND, NEW, Draft, Rule, Rules
from fillstream.services.order_service.orders.rules.activity import max_daily_orders
from fillstream.services.order_service.orders.rules.grid import (
    on_lot,
    on_tick,
    price_given,
    price_positive,
    price_within_venue,
    quantity_within_venue,
)
from fillstream.services.order_service.orders.rules.market import has_quote, protection_price, within_collar
from fillstream.services.order_service.orders.rules.value import max_order_value, min_order_size
from fillstream.services.order_service.orders.state import QUOTES_EVERY_MS
from tests.support.orders import CONFIG, NOON_MS, OrdersDesk, new_order
from tests.support.terms import but, instrument

D = Decimal


def terms_of(tick: str = "0.01", lot: str = "1", multiplier: str = "1") -> Terms:
    return Terms("AAPL", instrument(1, D(tick), D(lot), D(multiplier)), Topology())


def limits_of(terms: Terms, **limits: object) -> Limits:
    fields = {"max_order_value": D(1000), "max_daily_orders": 50, "min_order_size": D(10), "max_slippage_bps": D(10)}
    account = AccountTerms(id=1, **fields | limits)
    return Limits("default", account, terms, Quote(), Holding(Account("default"), Instrument(terms.symbol)))


def quote_of(bid: int, ask: int, bid_qty: int = 1, ask_qty: int = 1) -> Quote:
    quote = Quote()
    quote.bid, quote.ask, quote.bid_qty, quote.ask_qty = bid, ask, bid_qty, ask_qty
    return quote


class View:
    """A state of which a test says what matters."""

    def __init__(self, accepted: int = 0) -> None:
        self.accepted = accepted
        self.holdings = Holdings()
        self.next_order_id = 1

    def accepted_on(self, account: str, ms: int) -> int:
        return self.accepted


TERMS = terms_of()
LIMITS = limits_of(TERMS)
VIEW = View()


def draft_of(terms: Terms = TERMS, limits: Limits = LIMITS, quote: Quote | None = None, **fields: object) -> Draft:
    """Return a draft that breaks no rule, but for `fields`."""
    draft = Draft()
    known = {
        "ms": NOON_MS, "account": "default", "symbol": "AAPL", "account_known": True, "symbol_known": True,
        "order": None, "buy": True, "order_type": "LIMIT", "time_in_force": "GTC", "quantity": "1", "price": "10.00",
        "limits": limits, "terms": terms, "quote": quote or Quote(), "lots": 1, "on_tick": True, "ticks": 1000,
        "riskier": True, "worth": 1000,
    }  # fmt: skip
    for name, value in (known | fields).items():
        setattr(draft, name, value)
    return draft


def test_a_draft_that_breaks_no_rule_passes_all_of_them() -> None:
    assert NEW.first_broken(draft_of(), VIEW) is None


def test_a_quantity_off_the_lot_is_refused() -> None:
    draft = draft_of(lots=0, quantity="1.5")
    assert NEW.first_broken(draft, VIEW) == (
        RejectReason.OFF_LOT, "quantity: 1.5 is not a multiple of AAPL's lot size 1"
    )  # fmt: skip
    assert on_lot.check(draft_of(), VIEW) is None


def test_a_quantity_beyond_the_venues_is_refused() -> None:
    assert quantity_within_venue.check(draft_of(lots=10**15), VIEW) is None
    text = quantity_within_venue.check(draft_of(lots=10**15 + 1, quantity="1000000000000001"), VIEW)
    assert text is not None and "1000000000000001 is more than 1000000000000000" in text


@pytest.mark.parametrize(
    ("rule", "fields", "price"),
    [
        (on_tick, {"on_tick": False, "ticks": 0}, "185.255"),
        (price_positive, {"ticks": 0}, "0"),
        (price_positive, {"ticks": -1}, "-0.01"),
        (price_within_venue, {"ticks": 2**62}, "46116860184273879.04"),
    ],
)
def test_a_price_is_on_the_tick_positive_and_within_the_venues(rule: Rule, fields: dict[str, int], price: str) -> None:
    reject = NEW.first_broken(draft_of(price=price, **fields), VIEW)
    assert reject is not None and reject.reason is rule.reason and price in reject.text


def test_the_largest_price_passes() -> None:
    assert price_within_venue.check(draft_of(ticks=2**62 - 1), VIEW) is None


@pytest.mark.parametrize(
    ("worth", "reason"), [(1000, None), (999, "min_order_size"), (100_000, None), (100_001, "max_order_value")]
)
def test_an_orders_value_is_between_min_order_size_and_max_order_value(worth: int, reason: str | None) -> None:
    reject = NEW.first_broken(draft_of(worth=worth), VIEW)
    assert (reject and reject.reason) == reason


def test_the_value_counts_the_multiplier_and_names_the_limit() -> None:
    terms = terms_of("0.25", "1", "50")
    draft = draft_of(terms, limits_of(terms), worth=17 * 5)
    words = "quantity: an order value of 1062.5 USD is above max_order_value 1000"
    assert max_order_value.check(draft, VIEW) == words


def test_values_are_exact_where_floats_are_not() -> None:
    terms = terms_of("0.1", "0.1")
    limits = limits_of(terms, max_order_value=D("0.03"), min_order_size=D("0.03"))
    assert NEW.first_broken(draft_of(terms, limits, worth=3), VIEW) is None
    assert max_order_value.check(draft_of(terms, limits, worth=4), VIEW) is not None
    assert min_order_size.check(draft_of(terms, limits, worth=2), VIEW) is not None


def test_a_buyer_may_reach_so_far_above_the_ask() -> None:
    quote = quote_of(9990, 10000)  # 10 bps of 100.00 are 0.10
    assert within_collar.check(draft_of(quote=quote, ticks=10010), VIEW) is None
    text = within_collar.check(draft_of(quote=quote, ticks=10011), VIEW)
    assert text == "price: 100.11 is above 100.10: the ask is 100.00 and max_slippage_bps 10"


def test_a_seller_may_reach_so_far_below_the_bid() -> None:
    quote = quote_of(10000, 10010)
    assert within_collar.check(draft_of(quote=quote, buy=False, ticks=9990), VIEW) is None
    text = within_collar.check(draft_of(quote=quote, buy=False, ticks=9989), VIEW)
    assert text == "price: 99.89 is below 99.90: the bid is 100.00 and max_slippage_bps 10"


def test_without_a_quote_on_its_side_any_limit_passes_the_collar() -> None:
    assert within_collar.check(draft_of(quote=quote_of(10000, 0, ask_qty=0), ticks=10**9), VIEW) is None
    assert within_collar.check(draft_of(quote=quote_of(0, 10000, bid_qty=0), buy=False, ticks=1), VIEW) is None


def test_what_takes_risk_away_is_not_held_back_by_the_quote() -> None:
    quote = quote_of(9990, 10000)
    assert within_collar.check(draft_of(quote=quote, ticks=10011, riskier=False), VIEW) is None


def test_a_market_orders_bound_is_rounded_to_the_less_aggressive_tick() -> None:
    quote = quote_of(10005, 10015)
    assert protection_price(LIMITS, quote, True) == 10025  # 100.15 x 1.001 = 100.25015
    assert protection_price(LIMITS, quote, False) == 9995  # 100.05 x 0.999 = 99.94995


def test_a_market_order_without_a_price_to_bound_it_has_none() -> None:
    assert protection_price(LIMITS, quote_of(10000, 0, ask_qty=0), True) is None
    assert protection_price(LIMITS, quote_of(0, 10000, bid_qty=0), False) is None
    assert protection_price(LIMITS, quote_of(9990, 10000, ask_qty=0), True) is None, "the ask is what it was once"
    needs = "order_type: MARKET needs a quote to bound its price, AAPL has no"
    market = {"order_type": "MARKET", "price": None, "bounded": False}
    assert has_quote.check(draft_of(**market), VIEW) == f"{needs} ask now"
    assert has_quote.check(draft_of(**market, buy=False), VIEW) == f"{needs} bid now"


def test_a_market_order_at_the_least_price_there_is_has_a_bound() -> None:
    none = limits_of(TERMS, max_slippage_bps=D(0))
    assert protection_price(none, quote_of(1, 1), True) == 1
    assert protection_price(none, quote_of(1, 1), False) == 1


def test_an_order_that_needs_a_price_says_why() -> None:
    """The client gave no type: that its order is a limit order is the desk's doing, so it is told."""
    words = "price: none given, and orders are LIMIT here by default"
    assert price_given.check(draft_of(price=None, ticks=0), VIEW) == words


def test_a_sellers_bound_stays_above_zero_and_a_buyers_within_the_venues() -> None:
    wide = limits_of(TERMS, max_slippage_bps=D(10_000))
    assert protection_price(wide, quote_of(3, 4), False) == 1
    assert protection_price(wide, quote_of(3, 2**62 - 1), True) == 2**62 - 1


def test_the_days_orders_are_limited() -> None:
    assert max_daily_orders.check(draft_of(), View(accepted=49)) is None
    text = max_daily_orders.check(draft_of(), View(accepted=50))
    assert text == "account: 50 orders were accepted today (UTC), max_daily_orders is 50"


# ---------------------------------------------------------------------------- the lists


@pytest.mark.parametrize("rules", [NEW, AMEND], ids=["NEW", "AMEND"])
def test_no_reason_stands_twice_in_a_list(rules: Rules) -> None:
    reasons = [rule.reason for rule in rules]
    assert len(set(reasons)) == len(reasons)


@pytest.mark.parametrize("rule", NEW, ids=lambda rule: rule.reason.value)
def test_the_example_of_each_rule_breaks_it_and_no_other_before_it(rule: Rule) -> None:
    desk = busy_desk()
    said = {**rule.example}
    position_id = said.pop("position_id", None)
    links = {} if position_id is None else {"links": {"position_id": position_id}}
    event = desk.new(**said, **links)
    assert (event["type"], event["reason"]) == ("OrderRejected", rule.reason.value), event
    assert event["text"].partition(": ")[0] in {
        "account", "symbol", "quantity", "price", "order_type", "position_id",
    }  # fmt: skip


@pytest.mark.parametrize("rule", [rule for rule in AMEND if rule not in NEW], ids=lambda rule: rule.reason.value)
def test_the_example_of_each_rule_of_amendments_breaks_it(rule: Rule) -> None:
    desk = example_desk()
    if rule.reason is CancelRejectReason.MARKET_ORDER:
        desk.new(order_type="MARKET", time_in_force="FOK")
    elif rule.reason is CancelRejectReason.NO_PRICE:
        desk.new(order_type="MARKET_TO_LIMIT")
    elif rule.reason is CancelRejectReason.ONLY_REDUCES:
        desk.new(price="185.00", signal_id="held")
        desk.fill(100)
        desk.new(price="186.00", side="SELL", quantity="50", special={"reduce_only": True})
    else:
        desk.new(price="185.00")
        desk.fill(40)
    if rule.reason is CancelRejectReason.NEEDS_APPROVAL:
        desk.set_limits(requires_approval=True)
    if rule.reason is CancelRejectReason.ALREADY_PENDING:
        desk.cancel(signal_id="c1", order_id="1")
    said = {name: rule.example[name] for name in rule.example if name in SPECIAL}
    plain = {name: value for name, value in rule.example.items() if name not in SPECIAL}
    order_id = "2" if rule.reason is CancelRejectReason.ONLY_REDUCES else "1"
    event = desk.replace(order_id=order_id, **plain, **({"special": said} if said else {}))
    assert (event["type"], event["reason"]) == ("OrderReplaceRejected", rule.reason.value), event


def example_desk() -> OrdersDesk:
    """Return the desk that the rules' examples are told of: every rule with a limit has one, and quotes are there."""
    accounts = {
        name: but(CONFIG.accounts["default"], id=number, **limits)
        for number, (name, limits) in enumerate(EXAMPLES.items(), start=3)
    }
    instruments = {
        "AAPL": but(CONFIG.instruments["AAPL"], sector="tech"),
        "HALT": instrument(4, D("0.01"), D(1), halted=True),
        "LIMITED": instrument(5, D("0.01"), D(1), min_order_quantity=D(5), max_order_quantity=D(20)),
        "SHUT": instrument(6, D("0.01"), D(1), calendar="SHUT"),
        "ENDED": instrument(7, D("0.01"), D(1), calendar="ENDED"),
    }
    config = but(
        CONFIG,
        instruments={**CONFIG.instruments, **instruments},
        accounts={**CONFIG.accounts, **accounts},
        max_quote_age_ms=1_000,
        default_order_type=OrderType.LIMIT,
        venues={**CONFIG.venues, "PLAIN": VenueTerms(order_types=("LIMIT", "MARKET"))},
    )
    desk = OrdersDesk(config)
    desk.stage._state.holdings.account("unknown").known = False
    tomorrow = NOON_MS + DAY_MS
    shut = CalendarTable(
        zone="UTC", from_ms=NOON_MS, until_ms=tomorrow + DAY_MS, sessions=(("tomorrow", tomorrow, tomorrow + 1_000),)
    )
    desk.fold({CALENDAR: Calendars(calendars={"SHUT": shut}).to_json()})
    desk.control("Halt", control_id="halt", account="halted")
    desk.control("Reduce", control_id="reduce", account="winding")
    desk.quote(600_000, 600_001, symbol="BTCUSDT")
    desk.ms += 1_001
    desk.quote(18_499, 18_501)
    return desk


def busy_desk() -> OrdersDesk:
    """Return the same once its accounts have done what the examples of rules about the past and the present need."""
    desk = example_desk()
    for account in ("one", "slow", "twice", "tripped"):
        told = desk.fold({b"data": orjson.dumps(new_order(signal_id=account, account=account, price="185.00"))})
        assert "OrderReceived" in {event["type"] for event in told}
    resting = desk.new(signal_id="selfish", account="selfish", side="SELL", price="185.00")
    assert resting["type"] == "OrderReceived"
    bought = desk.new(signal_id="losing", account="losing", quantity="1", price="186.00")
    desk.fill(1, 18_600, int(bought["order_id"]), account=desk.config.accounts["losing"].id)
    held = desk.new(signal_id="held", account="hedging", price="186.00", links={"position_id": "held"})
    desk.fill(10, 18_600, int(held["order_id"]), account=desk.config.accounts["hedging"].id)
    desk.tick(QUOTES_EVERY_MS)
    return desk


EXAMPLES: dict[str, dict[str, Any]] = {
    "idle": {"max_daily_orders": 0},
    "halted": {},
    "winding": {},
    "tripped": {"breaker_orders": 1},
    "restricted": {"restricted_symbols": ["AAPL"]},
    "reducing": {"reduce_only_symbols": ["AAPL"]},
    "long": {"may_short": False},
    "live": {"mode": "LIVE"},
    "careful": {"requires_stop": True},
    "selfish": {"refuse_self_cross": True},
    "slow": {"max_orders_per_window": 1, "order_window_ms": 500},
    "twice": {"duplicate_window_ms": 500},
    "unknown": {"max_position": D(10)},
    "small": {"max_position": D(10)},
    "one": {"max_open_orders": 1},
    "symbol": {"max_symbol_exposure": D(2_000)},
    "sector": {"max_sector_exposure": D(2_000)},
    "gross": {"max_gross_exposure": D(2_000)},
    "net": {"max_net_exposure": D(2_000)},
    "gross_strategy": {"max_strategy_gross_exposure": D(2_000)},
    "net_strategy": {"max_strategy_net_exposure": D(2_000)},
    "losing": {"max_daily_loss": D(1)},
    "cash": {"account_type": "cash"},
    "plain": {"venue": "PLAIN"},
    "hedging": {"position_mode": "HEDGING"},
}
"""The accounts of the rules' examples, with what each has that `default` has not."""
