"""The rules an order meets before it is routed: each with its reason and a sentence that names value and limit."""

from decimal import Decimal

import pytest

from fillstream.libs.common.messages.codes import RejectReason
from fillstream.libs.common.messages.reference import AccountTerms
from fillstream.libs.common.messages.topology import Topology
from fillstream.services.order_service.orders.compiled import Limits, Quote, Terms
from fillstream.services.order_service.orders.rules import (
    check_collar,
    check_daily_orders,
    check_price,
    check_quantity,
    check_value,
    no_quote,
    price_required,
    protection_price,
)
from tests.support.terms import instrument

D = Decimal


def terms_of(tick: str = "0.01", lot: str = "1", multiplier: str = "1") -> Terms:
    return Terms("AAPL", instrument(1, D(tick), D(lot), D(multiplier)), Topology())


def limits_of(terms: Terms, **limits: object) -> Limits:
    fields = {"max_order_value": D(1000), "max_daily_orders": 50, "min_order_size": D(10), "max_slippage_bps": D(10)}
    return Limits(AccountTerms(id=1, **fields | limits), terms, Quote())  # type: ignore[arg-type]


def quote_of(bid: int, ask: int, bid_qty: int = 1, ask_qty: int = 1) -> Quote:
    quote = Quote()
    quote.bid, quote.ask, quote.bid_qty, quote.ask_qty = bid, ask, bid_qty, ask_qty
    return quote


TERMS = terms_of()
LIMITS = limits_of(TERMS)


def test_a_quantity_off_the_lot_is_refused() -> None:
    reject = check_quantity(TERMS, None, "1.5")
    assert reject == (RejectReason.OFF_LOT, "quantity: 1.5 is not a multiple of AAPL's lot size 1")
    assert check_quantity(TERMS, 1, "1") is None


def test_a_quantity_beyond_the_venues_is_refused() -> None:
    assert check_quantity(TERMS, 10**15, "1e15") is None
    reject = check_quantity(TERMS, 10**15 + 1, "1000000000000001")
    assert reject is not None and reject.reason == RejectReason.QUANTITY_TOO_LARGE
    assert "1000000000000001 is more than 1000000000000000" in reject.text


def test_a_price_is_on_the_tick_positive_and_within_the_venues() -> None:
    assert check_price(TERMS, 18525, "185.25") is None
    cases = [(None, "185.255", "off_tick"), (0, "0", "price_not_positive"), (-1, "-0.01", "price_not_positive")]
    for ticks, text, reason in [*cases, (2**62, "46116860184273879.04", "price_too_large")]:
        reject = check_price(TERMS, ticks, text)
        assert reject is not None and reject.reason == reason and text in reject.text
    assert check_price(TERMS, 2**62 - 1, "46116860184273879.03") is None


@pytest.mark.parametrize(
    ("ticks", "lots", "reason"),
    [
        (1000, 1, None),
        (999, 1, "min_order_size"),
        (1000, 100, None),
        (1001, 100, "max_order_value"),
        (1, 1000, None),
    ],
)
def test_an_orders_value_is_between_min_order_size_and_max_order_value(
    ticks: int, lots: int, reason: str | None
) -> None:
    reject = check_value(TERMS, LIMITS, ticks, lots)
    assert (reject and reject.reason) == reason


def test_the_value_counts_the_multiplier_and_names_the_limit() -> None:
    terms = terms_of("0.25", "1", "50")
    reject = check_value(terms, limits_of(terms), 17, 5)
    assert reject == (
        RejectReason.MAX_ORDER_VALUE,
        "quantity: an order value of 1062.5 USD is above max_order_value 1000",
    )


def test_values_are_exact_where_floats_are_not() -> None:
    terms = terms_of("0.1", "0.1")
    limits = limits_of(terms, max_order_value=D("0.03"), min_order_size=D("0.03"))
    assert check_value(terms, limits, 3, 1) is None
    assert check_value(terms, limits, 4, 1) is not None
    assert check_value(terms, limits, 2, 1) is not None


def test_a_buyer_may_reach_so_far_above_the_ask() -> None:
    quote = quote_of(9990, 10000)  # 10 bps of 100.00 are 0.10
    assert check_collar(TERMS, LIMITS, quote, True, 10010) is None
    reject = check_collar(TERMS, LIMITS, quote, True, 10011)
    assert reject == (
        RejectReason.PRICE_COLLAR,
        "price: 100.11 is above 100.10: the ask is 100.00 and max_slippage_bps 10",
    )


def test_a_seller_may_reach_so_far_below_the_bid() -> None:
    quote = quote_of(10000, 10010)
    assert check_collar(TERMS, LIMITS, quote, False, 9990) is None
    reject = check_collar(TERMS, LIMITS, quote, False, 9989)
    assert reject == (
        RejectReason.PRICE_COLLAR,
        "price: 99.89 is below 99.90: the bid is 100.00 and max_slippage_bps 10",
    )


def test_without_a_quote_on_its_side_any_limit_passes_the_collar() -> None:
    assert check_collar(TERMS, LIMITS, quote_of(10000, 0, ask_qty=0), True, 10**9) is None
    assert check_collar(TERMS, LIMITS, quote_of(0, 10000, bid_qty=0), False, 1) is None


def test_a_market_orders_bound_is_rounded_to_the_less_aggressive_tick() -> None:
    quote = quote_of(10005, 10015)
    assert protection_price(LIMITS, quote, True) == 10025  # 100.15 x 1.001 = 100.25015
    assert protection_price(LIMITS, quote, False) == 9995  # 100.05 x 0.999 = 99.94995


def test_a_market_order_without_a_price_to_bound_it_has_none() -> None:
    assert protection_price(LIMITS, quote_of(10000, 0, ask_qty=0), True) is None
    assert protection_price(LIMITS, quote_of(0, 10000, bid_qty=0), False) is None
    assert protection_price(LIMITS, quote_of(-5, -1), True) is None
    assert protection_price(LIMITS, quote_of(-5, -1), False) is None
    assert protection_price(LIMITS, quote_of(0, 1), False) is None, "a bid of 0 bounds nothing"
    assert protection_price(LIMITS, quote_of(9990, 10000, ask_qty=0), True) is None, "the ask is what it was once"
    needs = "order_type: MARKET needs a quote to bound its price, AAPL has no"
    assert no_quote(TERMS, True) == (RejectReason.NO_QUOTE, f"{needs} ask yet")
    assert no_quote(TERMS, False) == (RejectReason.NO_QUOTE, f"{needs} bid yet")


def test_a_market_order_at_the_least_price_there_is_has_a_bound() -> None:
    none = limits_of(TERMS, max_slippage_bps=D(0))
    assert protection_price(none, quote_of(1, 1), True) == 1
    assert protection_price(none, quote_of(1, 1), False) == 1


def test_an_order_that_needs_a_price_says_why() -> None:
    """The client gave no type: that its order is a limit order is the desk's doing, so it is told."""
    assert price_required() == (
        RejectReason.PRICE_REQUIRED,
        "price: none given, and orders are LIMIT here by default",
    )


def test_a_sellers_bound_stays_above_zero_and_a_buyers_within_the_venues() -> None:
    wide = limits_of(TERMS, max_slippage_bps=D(10_000))
    assert protection_price(wide, quote_of(3, 4), False) == 1
    assert protection_price(wide, quote_of(3, 2**62 - 1), True) == 2**62 - 1


def test_the_days_orders_are_limited() -> None:
    assert check_daily_orders(LIMITS, 49) is None
    reject = check_daily_orders(LIMITS, 50)
    assert reject == (
        RejectReason.MAX_DAILY_ORDERS,
        "account: 50 orders were accepted today (UTC), max_daily_orders is 50",
    )
