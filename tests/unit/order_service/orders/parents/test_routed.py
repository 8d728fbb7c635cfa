"""Orders routed over several venues: where their children go, and what is never outstanding twice."""

from __future__ import annotations

import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.routing import RoutingTerms
from fillstream.services.order_service.orders.parents.work import DONE, PAUSED
from tests.support.routing_desk import RoutingDesk, routing_config


@pytest.fixture
def desk() -> RoutingDesk:
    """SIM2's ask is lower by a tick, and dearer by its fee."""
    desk = RoutingDesk()
    desk.quotes(SIM=(18_497, 18_503, 300), SIM2=(18_498, 18_502, 300))
    return desk


@pytest.fixture
def three() -> RoutingDesk:
    desk = RoutingDesk(3)
    desk.quotes(SIM=(18_490, 18_500, 100), SIM2=(18_490, 18_499, 100), SIM3=(18_490, 18_499, 100))
    return desk


def test_what_is_cheapest_after_fees_is_taken_first(desk: RoutingDesk) -> None:
    desk.routed(quantity="300", time_in_force="IOC")
    assert desk.filled() == {"SIM": 300}
    assert (desk.order("p").status, desk.state.families.works[desk.order("p").order_id].state) == ("Filled", DONE)


def test_an_order_is_split_over_two_venues(desk: RoutingDesk) -> None:
    desk.routed()
    assert desk.filled() == {"SIM": 300, "SIM2": 200}
    assert desk.order("p").notional == 300 * 18_503 + 200 * 18_502


def test_an_order_is_split_over_three_venues(three: RoutingDesk) -> None:
    three.routed(quantity="250", time_in_force="IOC")
    assert three.filled() == {"SIM3": 100, "SIM": 100, "SIM2": 50}


def test_a_sale_takes_the_highest_bids_after_fees(desk: RoutingDesk) -> None:
    desk.routed(side="SELL", quantity="400", price="184.90", time_in_force="IOC")
    assert desk.filled("SELL") == {"SIM": 300, "SIM2": 100}


def test_only_venues_that_the_order_names_take_part(three: RoutingDesk) -> None:
    three.routed(venues="SIM3,SIM2", quantity="150", time_in_force="IOC")
    assert three.filled() == {"SIM3": 100, "SIM2": 50}


def test_the_rest_of_an_order_that_may_rest_rests_once(desk: RoutingDesk) -> None:
    desk.routed(quantity="700")
    assert desk.filled() == {"SIM": 300, "SIM2": 300}
    assert (desk.rests_at("SIM"), desk.rests_at("SIM2")) == ({18_505: 100}, {})  # a maker pays nothing there
    assert desk.order("p").status == "PartiallyFilled"


def test_the_rest_of_an_order_that_may_not_rest_is_taken_off(desk: RoutingDesk) -> None:
    desk.routed(quantity="700", time_in_force="IOC")
    order = desk.order("p")
    assert (order.status, order.cum, desk.working()) == ("Canceled", 600, {})
    assert desk.desk.events[-1]["reason"] == "ioc_remainder"


def test_a_market_order_goes_as_far_as_its_account_does(desk: RoutingDesk) -> None:
    desk.routed(price=None, order_type="MARKET", quantity="550", time_in_force="IOC")
    assert desk.filled() == {"SIM": 300, "SIM2": 250}


def test_a_market_order_beyond_what_is_shown_ends_with_the_rest(desk: RoutingDesk) -> None:
    desk.routed(price=None, order_type="MARKET", quantity="1000", time_in_force="IOC")
    assert (desk.filled(), desk.order("p").status) == ({"SIM": 300, "SIM2": 300}, "Canceled")


def test_what_a_venue_rejects_goes_elsewhere_at_once(desk: RoutingDesk) -> None:
    desk.rejects("SIM")
    told = desk.routed(quantity="250", time_in_force="IOC")
    assert [each["ord_status"] for each in told if each["type"] == "OrderRejected"] == ["Rejected"]
    assert desk.filled() == {"SIM2": 250}
    assert [venue for venue, _, _ in desk.sent()] == ["SIM", "SIM2"]


def test_a_venue_that_rejected_is_tried_again_after_reject_ms(desk: RoutingDesk) -> None:
    desk.rejects("SIM")
    desk.rejects("SIM2")
    desk.routed(quantity="250")
    assert (desk.filled(), len(desk.sent())) == ({}, 2)
    desk.rejects("SIM", does=False)
    desk.after(4_900)
    assert desk.filled() == {}
    desk.after(200)
    desk.check()
    assert desk.filled() == {"SIM": 250}


def test_an_order_that_may_not_rest_ends_where_every_venue_rejects(desk: RoutingDesk) -> None:
    desk.rejects("SIM")
    desk.rejects("SIM2")
    desk.routed(quantity="250", time_in_force="IOC")
    assert (desk.order("p").status, desk.working()) == ("Canceled", {})


def test_a_venue_that_has_less_than_it_showed_is_asked_for_no_more(desk: RoutingDesk) -> None:
    desk.loses("SIM", 18_497, 18_503, 100)
    desk.routed(quantity="400", time_in_force="IOC")
    assert desk.filled() == {"SIM": 100, "SIM2": 300}
    assert [(venue, lots) for venue, lots, _ in desk.sent()] == [("SIM", 300), ("SIM2", 100), ("SIM2", 200)]


def test_a_venue_that_had_less_is_believed_again_once_it_is_told_anew(desk: RoutingDesk) -> None:
    desk.loses("SIM", 18_497, 18_510, 100)
    desk.loses("SIM2", 18_497, 18_510, 100)
    desk.routed(quantity="400", time_in_force="GTC")
    assert desk.filled() == {}
    desk.after(1)
    desk.quotes(SIM=(18_497, 18_504, 150))
    desk.after(6_000)
    desk.check()
    assert desk.filled() == {"SIM": 150}


@pytest.mark.parametrize("policy", ["BEST_PRICE", "SWEEP", "SPRAY", "POST_THEN_TAKE", "NAMED"])
def test_nothing_goes_to_a_venue_that_is_halted(desk: RoutingDesk, policy: str) -> None:
    desk.feed(frames.session(1, int(frames.Session.HALTED)), "SIM")
    desk.routed(quantity="200", routing=policy, venues="SIM,SIM2")
    desk.after(6_000)
    desk.check()
    assert {venue for venue, _, _ in desk.sent()} == {"SIM2"}


def test_what_rests_is_called_back_and_routed_anew(desk: RoutingDesk) -> None:
    config = routing_config(
        routing=RoutingTerms.model_validate(
            {"rules": [{"policy": "BEST_PRICE", "parameters": {"rest_ms": 1000}, "strategies": ["slow"]}]}
        )
    )
    desk = RoutingDesk(config=config)
    desk.quotes(SIM=(18_497, 18_503, 300), SIM2=(18_498, 18_502, 300))
    desk.routed(routing=None, strategy="slow", quantity="100", price="184.99")
    assert (desk.rests_at("SIM"), desk.rests_at("SIM2")) == ({18_499: 100}, {})
    desk.quotes(SIM2=(18_490, 18_499, 60))
    assert desk.filled() == {}
    desk.after(1_000)
    desk.check()
    assert desk.filled() == {"SIM2": 60}
    assert desk.rests_at("SIM") == {18_499: 40}


def test_post_then_take_rests_as_a_maker_and_then_takes(desk: RoutingDesk) -> None:
    desk.routed(quantity="100", routing="POST_THEN_TAKE")
    assert (desk.rests_at("SIM"), desk.rests_at("SIM2")) == ({18_498: 100}, {})
    desk.after(5_100)
    desk.check()
    assert (desk.filled(), desk.order("p").status) == ({"SIM": 100}, "Filled")


@pytest.mark.parametrize("fields", [{"time_in_force": "IOC"}, {"price": None, "order_type": "MARKET"}])
def test_what_may_not_rest_is_not_posted_to_be_taken_back_again_and_again(
    desk: RoutingDesk, fields: dict[str, str | None]
) -> None:
    desk.routed(quantity="100", routing="POST_THEN_TAKE", **fields)
    assert (desk.sent(), desk.order("p").status) == ([("SIM", 100, "IOC")], "Filled")


def test_a_spray_has_parts_everywhere_and_no_more_than_the_order(three: RoutingDesk) -> None:
    three.routed(routing="SPRAY", quantity="90", time_in_force="IOC")
    assert three.filled() == {"SIM": 30, "SIM2": 30, "SIM3": 30}


def test_slices_of_an_algorithm_are_routed(desk: RoutingDesk) -> None:
    parameters = '{"duration_ms": 4000, "slices": 4, "urgency": "AGGRESSIVE"}'
    desk.routed(quantity="800", algorithm="TWAP", algorithm_parameters=parameters)
    for _ in range(10):
        desk.after(500)
        desk.quotes(SIM=(18_497, 18_503, 150), SIM2=(18_498, 18_502, 150))
        desk.check()
    order = desk.order("p")
    assert (order.status, order.cum) == ("Filled", 800)
    assert set(desk.filled()) == {"SIM", "SIM2"}


def test_clips_split_a_routed_order(desk: RoutingDesk) -> None:
    desk.routed(quantity="400", algorithm="AT_ONCE", algorithm_parameters='{"largest_clip": "120"}')
    assert [lots for _, lots, _ in desk.sent()] == [120, 120, 60, 100]
    assert desk.filled() == {"SIM": 300, "SIM2": 100}


RULES = {
    "account": {"accounts": ["default"]},
    "symbol": {"symbols": ["AAPL"]},
    "strategy": {"strategies": ["mom"]},
    "side": {"side": "BUY"},
    "least quantity": {"min_quantity": "500"},
    "largest quantity": {"max_quantity": "500"},
    "least value": {"min_notional": "92000"},
    "time": {"from_time": "11:59", "until_time": "12:01"},
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_configuration_routes_plain_orders_that_a_rule_means(rule: dict[str, object]) -> None:
    routing = RoutingTerms.model_validate({"rules": [{"policy": "BEST_PRICE", **rule}]})
    desk = RoutingDesk(config=routing_config(routing=routing))
    desk.quotes(SIM=(18_497, 18_503, 300), SIM2=(18_498, 18_502, 300))
    desk.routed(routing=None, strategy="mom")
    assert desk.filled() == {"SIM": 300, "SIM2": 200}
    assert desk.state.families.works


OTHERS = {
    "account": {"accounts": ["maker"]},
    "symbol": {"symbols": ["ES"]},
    "strategy": {"strategies": ["value"]},
    "side": {"side": "SELL"},
    "least quantity": {"min_quantity": "501"},
    "largest quantity": {"max_quantity": "499"},
    "least value": {"min_notional": "93000"},
    "time": {"from_time": "12:01", "until_time": "11:59"},
}


@pytest.mark.parametrize("rule", OTHERS.values(), ids=OTHERS)
def test_an_order_that_no_rule_means_stays_plain(rule: dict[str, object]) -> None:
    routing = RoutingTerms.model_validate({"rules": [{"policy": "BEST_PRICE", **rule}]})
    desk = RoutingDesk(config=routing_config(routing=routing))
    desk.quotes(SIM=(18_497, 18_503, 300), SIM2=(18_498, 18_502, 300))
    desk.routed(routing=None, strategy="mom")
    assert (desk.filled(), desk.state.families.works) == ({"SIM": 300}, {})


def test_an_order_that_names_its_venue_is_not_routed() -> None:
    routing = RoutingTerms.model_validate({"default": {"policy": "BEST_PRICE"}})
    desk = RoutingDesk(config=routing_config(routing=routing))
    desk.quotes(SIM=(18_497, 18_503, 300), SIM2=(18_498, 18_502, 300))
    desk.routed(routing=None, venue="SIM2")
    assert desk.filled() == {"SIM2": 300}
    assert not desk.state.families.works


def test_a_cancel_leaves_nothing_anywhere(three: RoutingDesk) -> None:
    three.routed(quantity="900")
    three.signal("CancelOrder", orig_client_order_id="p")
    three.check()
    assert (three.working(), three.order("p").status) == ({}, "Canceled")
    assert [engine.gauges()["resting_orders"][""] for engine in three.engines.values()] == [0, 0, 0]


def test_a_pause_takes_off_what_rests_and_a_resume_routes_it_anew(desk: RoutingDesk) -> None:
    desk.routed(quantity="700")
    desk.signal("PauseOrder", orig_client_order_id="p")
    assert desk.state.families.works[desk.order("p").order_id].state == PAUSED
    assert desk.rests_at("SIM") == {}
    desk.quotes(SIM2=(18_490, 18_500, 60))
    desk.signal("ResumeOrder", orig_client_order_id="p")
    desk.check()
    assert desk.filled() == {"SIM": 300, "SIM2": 360}


def test_an_amendment_makes_what_rests_smaller_everywhere(desk: RoutingDesk) -> None:
    desk.routed(quantity="900")
    desk.signal("ReplaceOrder", orig_client_order_id="p", quantity="650")
    desk.check()
    assert desk.order("p").quantity == 650
    assert desk.rests_at("SIM") == {18_505: 50}


@pytest.mark.parametrize(
    "fields",
    [
        {"time_in_force": "FOK"},
        {"all_or_none": True},
        {"order_type": "STOP", "stop_price": "190.00", "price": None},
        {"venue": "SIM"},
    ],
)
def test_what_several_venues_cannot_do_together_goes_to_one_whatever_a_rule_says(fields: dict[str, object]) -> None:
    rules = RoutingTerms.model_validate({"rules": [{"policy": "BEST_PRICE"}]})
    desk = RoutingDesk(config=routing_config(routing=rules))
    desk.quotes(SIM=(18_497, 18_503, 300), SIM2=(18_498, 18_502, 300))
    told = desk.routed(routing=None, quantity="100", **fields)
    assert told[0]["type"] == "OrderReceived"
    assert not desk.state.families.works
    desk.signal(client_order_id="q", symbol="AAPL", side="BUY", quantity="100", price="185.05")
    assert len(desk.state.families.works) == 1, "the rule means its like"


def test_venues_alone_are_enough_to_be_routed_over_them(desk: RoutingDesk) -> None:
    desk.routed(routing=None, venues="SIM,SIM2")
    assert desk.filled() == {"SIM": 300, "SIM2": 200}
