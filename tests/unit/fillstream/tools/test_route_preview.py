"""Where an order would go: legs, fees, what each venue alone is worth, and what is not known."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.routing import RoutingTerms
from fillstream.tools.preview import Market, Terms
from fillstream.tools.route_preview import Known, RoutePreview, Side, preview_route
from tests.support.orders import CONFIG, NOON_MS
from tests.support.terms import account, but

D = Decimal
AAPL = but(CONFIG.instruments["AAPL"], maker_fee_bps=D(0), taker_fee_bps=D(0))
VENUES = {"SIM": VenueTerms(), "SIM2": VenueTerms(taker_fee_bps=D(1))}
MARKETS = {"SIM": Market("184.99", "100", "185.01", "100"), "SIM2": Market("184.98", "300", "185.00", "300")}


def side(*levels: tuple[str, str]) -> Side:
    return [(D(price), D(quantity)) for price, quantity in levels]


DEEP = {
    "SIM": (side(("184.99", "100"), ("184.95", "50")), side(("185.01", "100"), ("185.05", "900"))),
    "SIM2": (side(("184.90", "1")), side(("185.00", "300"))),
}


def of(
    levels: Any = None, closed: Any = None, routing: Any = None, policy: str | None = None, venues: Any = (),
    terms: dict[str, VenueTerms] | None = None, limits: dict[str, Any] | None = None, instrument: Any = AAPL,
    **order: Any,
) -> RoutePreview:  # fmt: skip
    own = account(1, D(100_000), 50, D(10), D(100), **limits or {})
    there = terms or VENUES
    at = {
        name: Terms(
            "AAPL", instrument, "main@paper", own, name, there, MARKETS.get(name, Market()), {1: D(10**6), 40: D(10**9)}
        )
        for name in there
    }
    known = Known(at["SIM"], at, levels or {}, closed or {})
    said = {"side": "BUY", "quantity": "100"} | order
    return preview_route(known, said, RoutingTerms.model_validate(routing or {}), NOON_MS, policy, venues)


def test_legs_their_net_prices_and_what_is_saved_are_told() -> None:
    found = of(levels=DEEP, quantity="150", price="185.10")
    assert [(leg.venue, leg.quantity, leg.avg_px, leg.fee, leg.net_px) for leg in found.legs] == [
        ("SIM", "100", "185.01", "0", "185.01"),
        ("SIM2", "50", "185", "0.925", "185.0185"),
    ]
    assert (found.together.taken, found.together.net_px) == ("150", "185.01283333")
    assert [(one.venue, one.net_px) for one in found.alone] == [("SIM", "185.02333333"), ("SIM2", "185.0185")]
    assert (found.best_alone, found.saved) == ("SIM2", "0.85")
    assert (found.policy, found.decided_by, found.currency) == ("BEST_PRICE", "nothing: no rule means it", "USD")


def test_of_an_inverse_contract_fees_and_what_is_saved_are_in_what_it_settles_in() -> None:
    """Contracts of 18,500 are 100 coins each at 185; a cent of it, on 150, is about 0.81."""
    contract = but(AAPL, inverse=True, multiplier=D(18_500), currency="BTC")
    found = of(levels=DEEP, quantity="150", price="185.10", instrument=contract)
    assert [(leg.venue, leg.quantity, leg.fee, leg.net_px) for leg in found.legs] == [
        ("SIM", "100", "0", "185.01"),
        ("SIM2", "50", "0.5", "185.0185"),
    ]
    assert (found.saved, found.currency) == ("0.45941807", "BTC"), "0.85 of 185.01, of which a contract is worth 99.99"
    dear = {**VENUES, "SIM2": VenueTerms(min_fee=D(1))}
    found = of(quantity="150", price="185.00", instrument=contract, terms=dear)
    assert [(leg.venue, leg.fee) for leg in found.legs] == [("SIM2", "1")]


def test_levels_are_believed_where_their_top_is_the_quote() -> None:
    found = of(levels=DEEP, quantity="500", price="185.10")
    assert found.touch_only == ["SIM2"], "its depth is old"
    assert [(leg.venue, leg.taken) for leg in found.legs] == [("SIM", "200"), ("SIM2", "300")]


def test_a_seller_is_told_what_it_gets() -> None:
    found = of(side="sell", quantity="200", price="184.00")
    assert [(leg.venue, leg.taken, leg.net_px) for leg in found.legs] == [
        ("SIM", "100", "184.99"),
        ("SIM2", "100", "184.961502"),
    ]
    assert found.best_alone == "SIM2"
    assert Decimal(found.saved or 0) > 0


def test_a_market_order_goes_as_far_as_the_accounts_slippage_from_its_home_venue() -> None:
    assert of().limit == "186.86"
    assert of(limits={"max_slippage_bps": D(0)}, terms={"SIM": VenueTerms()}).limit == "185.01"


def test_the_rules_of_the_configuration_decide_and_what_the_order_says_goes_before_them() -> None:
    routing = {"rules": [{"policy": "SPRAY", "min_quantity": 100, "venues": ["SIM2"]}], "default": "SWEEP"}
    found = of(routing=routing)
    assert (found.policy, found.decided_by, [leg.venue for leg in found.legs]) == (
        "SPRAY",
        "routing.rules.0",
        ["SIM2"],
    )
    assert found.left_out == {"SIM": "is none of the route's venues"}
    assert of(routing=routing, quantity="99").decided_by == "routing.default"
    assert of(routing=routing, venues=("SIM",)).left_out == {"SIM2": "is none of the route's venues"}
    assert of(routing=routing, policy="NAMED").policy == "NAMED"


def test_venues_that_are_closed_or_cannot_be_compared_are_left_out_with_why() -> None:
    terms = {**VENUES, "ABROAD": VenueTerms(min_fee=D(1), fee_currency="EUR")}
    found = of(closed={"SIM": "has the session HALT"}, terms=terms)
    assert found.left_out == {"SIM": "has the session HALT", "ABROAD": "charges in EUR, of which no rate is known here"}
    assert [leg.venue for leg in found.legs] == ["SIM2"]
    assert [one.venue for one in found.alone] == ["SIM2"]


def test_an_accounts_tier_counts_what_was_traded_in_the_window() -> None:
    tiered = {"SIM": VenueTerms(taker_fee_bps=D(9), fee_tiers=("1000000:0:2", "2000000:0:1"))}
    assert of(terms=tiered).together.fee == "3.7002"


def test_an_order_that_goes_nowhere_says_why() -> None:
    found = of(price="180.00", time_in_force="IOC")
    assert (found.legs, found.together.net_px) == ([], None)
    assert found.text == "SIM has nothing within the limit; SIM2 has nothing within the limit"
    [leg] = of(price="180.00").legs
    assert (leg.rests, leg.taken, leg.price) == (True, "0", "180.00")


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ({"side": "HOLD"}, "side: HOLD must be BUY or SELL"),
        ({"quantity": "0.5"}, "quantity: 0.5 must be a positive multiple of lot_size 1"),
        ({"quantity": "many"}, "quantity: "),
        ({"price": "185.001"}, "price: 185.001 must be a multiple of tick_size 0.01"),
        ({"policy": "X"}, "routing: X must be one of NAMED"),
    ],
)
def test_an_order_that_is_none_is_told(order: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence.replace(".", r"\.")):
        of(**order)
