"""Which order is routed how: rules in their order, conditions, modes, and what an order says itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fillstream.libs.common.messages.reference import DAY_MS, VenueTerms
from fillstream.libs.common.messages.routing import RoutingRule, RoutingTerms
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.routing.routes import Route, asked_route, route_of
from fillstream.services.order_service.orders.routing.sweep import SweepParameters
from tests.support.orders import CONFIG, NOON_MS, OrdersDesk
from tests.support.terms import but

D = Decimal
VENUES = {"SIM": VenueTerms(), "SIM2": VenueTerms(taker_fee_bps=D(1)), "SIM3": VenueTerms()}
ALL = ("SIM", "SIM2", "SIM3")


def desk_of(*rules: dict[str, Any], default: Any = None, **more: Any) -> OrdersDesk:
    return OrdersDesk(but(CONFIG, venues=VENUES, routing=RoutingTerms(rules=rules, default=default), **more))


def route(desk: OrdersDesk, account: str = "default", symbol: str = "AAPL", **order: Any) -> Route | None:
    limits = desk.stage._state.limits(account, symbol)
    assert limits is not None
    said = {"strategy": None, "buy": True, "lots": 100, "units": 1_850_000, "ms": NOON_MS} | order
    return route_of(limits.routes, **said)


def policy_of(found: Route | None) -> str | None:
    return None if found is None else found.policy.name


def test_a_desk_without_routing_compiles_no_rules() -> None:
    limits = OrdersDesk(CONFIG).stage._state.limits("default", "AAPL")
    assert limits is not None and limits.routes == ()
    assert b"routing" not in CONFIG.to_json()


@pytest.mark.parametrize(
    ("rule", "meant", "other"),
    [
        ({"accounts": ["default"]}, {}, {"account": "other"}),
        ({"symbols": "AAPL,ES"}, {"symbol": "ES"}, {"symbol": "BTCUSDT"}),
        ({"strategies": ["mom"]}, {"strategy": "mom"}, {"strategy": None}),
        ({"side": "sell"}, {"buy": False}, {"buy": True}),
        ({"min_quantity": "100"}, {"lots": 100}, {"lots": 99}),
        ({"max_quantity": "100.5"}, {"lots": 100}, {"lots": 101}),
        ({"min_notional": "18500"}, {"units": 1_850_000}, {"units": 1_849_999}),
        ({"max_notional": "18500"}, {"units": 1_850_000}, {"units": 1_850_001}),
        ({"from_time": "12:00", "until_time": "12:01"}, {"ms": NOON_MS + 59_999}, {"ms": NOON_MS + 60_000}),
        ({"from_time": "22:00", "until_time": "02:00"}, {"ms": NOON_MS + DAY_MS // 2}, {"ms": NOON_MS}),
        (
            {"accounts": ["default"], "side": "BUY", "min_quantity": 5},
            {"lots": 5},
            {"lots": 5, "buy": False},
        ),
    ],
)
def test_a_rule_means_the_orders_that_meet_all_of_its_conditions(
    rule: dict[str, Any], meant: dict[str, Any], other: dict[str, Any]
) -> None:
    desk = desk_of({"policy": "SWEEP", **rule})
    assert policy_of(route(desk, **meant)) == "SWEEP"
    assert policy_of(route(desk, **other)) is None


def test_the_first_rule_that_means_an_order_decides_and_the_default_comes_last() -> None:
    desk = desk_of(
        {"policy": None, "strategies": ["plain"]},
        {"policy": "SWEEP", "min_quantity": "1000"},
        {"policy": "SPRAY", "min_quantity": "100", "parameters": {"by": "EQUAL"}},
        default="BEST_PRICE",
    )
    assert [policy_of(route(desk, lots=lots)) for lots in (1_000, 100, 99)] == ["SWEEP", "SPRAY", "BEST_PRICE"]
    assert route(desk, strategy="plain", lots=1_000) is None
    found = route(desk)
    assert found is not None and (found.parameters.by, found.where) == ("EQUAL", "routing.rules.2")  # type: ignore[attr-defined]
    last = route(desk, lots=1)
    assert last is not None and (last.where, last.venues) == ("routing.default", ALL)


def test_venues_are_those_that_are_named_less_those_that_are_excluded_else_all() -> None:
    desk = desk_of(
        {"policy": "SWEEP", "venues": ["SIM3", "SIM"], "side": "BUY"},
        {"policy": "SWEEP", "exclude": "SIM2"},
    )
    assert [(each.venues, each.preferences) for each in (route(desk), route(desk, buy=False)) if each] == [
        (("SIM3", "SIM"), ("SIM3", "SIM")),
        (("SIM", "SIM3"), ()),
    ]


def test_an_account_is_routed_to_venues_of_its_mode_alone() -> None:
    venues = {**VENUES, "NYSE": VenueTerms(simulated=False, expires=False)}
    accounts = {"default": but(CONFIG.accounts["default"], mode="LIVE"), "other": CONFIG.accounts["other"]}
    routing = {"rules": [{"policy": "SWEEP", "venues": ["SIM", "SIM2"]}], "default": "BEST_PRICE"}
    desk = OrdersDesk(but(CONFIG, venues=venues, venue="NYSE", accounts=accounts, routing=routing))
    found = route(desk)
    assert found is not None and (found.policy.name, found.venues) == ("BEST_PRICE", ("NYSE",))
    assert policy_of(route(desk, account="other")) == "SWEEP"


def test_what_an_order_says_goes_before_the_rules() -> None:
    account, by_rule = CONFIG.accounts["default"], route(desk_of({"policy": "SWEEP", "exclude": ["SIM"]}))
    assert asked_route(VENUES, account, "NAMED").venues == ALL
    named = asked_route(VENUES, account, None, ("SIM2", "SIM"))
    assert (named.policy.name, named.venues, named.preferences) == ("BEST_PRICE", ("SIM2", "SIM"), ("SIM2", "SIM"))
    assert asked_route(VENUES, account, None, ("SIM",), by_rule).policy.name == "SWEEP"
    assert asked_route(VENUES, account, "SPRAY", (), by_rule).venues == ("SIM2", "SIM3")
    told = route(desk_of({"policy": "SPRAY", "parameters": {"by": "EQUAL"}}))
    assert [asked_route(VENUES, account, name, ALL, told).parameters for name in ("SPRAY", "SWEEP")] == [
        told and told.parameters,
        SweepParameters(),
    ]


@pytest.mark.parametrize(
    ("policy", "venues", "sentence"),
    [
        ("BEST", (), "routing: BEST must be one of NAMED, BEST_PRICE, SWEEP, SPRAY, POST_THEN_TAKE"),
        ("SWEEP", ("X",), "venues: X must be one of the venues SIM, SIM2, SIM3"),
        ("SWEEP", (), "venues: SIM, SIM2, SIM3: LIVE orders go to none of them"),
    ],
)
def test_an_order_that_names_what_there_is_not_is_told(policy: str, venues: tuple[str, ...], sentence: str) -> None:
    live = but(CONFIG.accounts["default"], mode="LIVE")
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        asked_route(VENUES, live, policy, venues)


@pytest.mark.parametrize(
    ("routing", "sentence"),
    [
        ({"default": "BEST"}, "routing.default.policy: BEST must be one of NAMED, BEST_PRICE"),
        ({"rules": [{"policy": "NAMED", "venues": ["X"]}]}, "routing.rules.0.venues: X must be one of the venues SIM"),
        ({"rules": [{"policy": "NAMED", "exclude": ["SIM", "SIM2", "SIM3"]}]}, "routing.rules.0.exclude: leaves no"),
        (
            {"default": {"policy": "POST_THEN_TAKE", "parameters": {"post_ms": 0}}},
            "routing.default.parameters: post_ms: ",
        ),
        ({"default": {"policy": "SWEEP", "parameters": {"post_ms": 5}}}, "routing.default.parameters: post_ms: "),
    ],
)
def test_routing_that_leads_nowhere_is_refused(routing: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence.replace(".", r"\.")):
        but(CONFIG, venues=VENUES, routing=routing)


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"min_quantity": 5, "max_quantity": 4}, "min_quantity: 5 must be at most max_quantity, 4"),
        ({"min_notional": 5, "max_notional": 4}, "min_notional: 5 must be at most max_notional, 4"),
        ({"from_time": "10:00"}, "until_time: from_time and until_time come together"),
        ({"from_time": "10:00", "until_time": "10:00"}, "until_time: 10:00 must be another than from_time"),
        ({"venues": ["A", "A"]}, "venues: A is named twice"),
        ({"venues": ["A"], "exclude": ["A"]}, "exclude: A is one of the venues that take part"),
        ({"from_time": "24:00", "until_time": "10:00"}, "from_time"),
    ],
)
def test_a_rule_that_means_no_order_is_refused(rule: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        RoutingRule(policy="SWEEP", **rule)


def test_routing_travels_through_the_inbox_and_a_snapshot_as_it_was() -> None:
    rules = ({"policy": "SPRAY", "symbols": "ES,AAPL", "min_notional": "5.50", "parameters": {"by": "EQUAL"}},)
    config = but(CONFIG, venues=VENUES, routing={"rules": rules, "default": {"policy": "SWEEP", "exclude": ["SIM"]}})
    again = DeskConfig.from_json(config.to_json())
    assert again == config
    assert again.to_json() == config.to_json()
    assert again.routing.rules[0].symbols == ("AAPL", "ES")
