"""What strategies of an account hold, and the limits that are of each by itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson

from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM
from fillstream.services.order_service.orders.holding.strategies import Shares
from tests.support.orders import CONFIG, OrdersDesk
from tests.support.terms import but

D = Decimal


def desk_of(**limits: Any) -> OrdersDesk:
    account = but(CONFIG.accounts["default"], **{"max_order_value": D(10**9), **limits})
    desk = OrdersDesk(but(CONFIG, accounts={"default": account}))
    desk.quote(18_500, 18_500)
    desk.tick()
    return desk


def asked(desk: OrdersDesk, strategy: str | None, quantity: str, **fields: Any) -> str:
    """Send an order of a strategy; return why it was refused, or `OrderReceived`."""
    named = {"signal_id": f"s{len(desk.entries)}", "strategy": strategy, "quantity": quantity, "price": "185.00"}
    event = desk.new(**named | fields)
    return str(event.get("reason", event["type"]))


def shares_of(desk: OrdersDesk) -> dict[tuple[str, str], tuple[int, int, int]]:
    shares = desk.stage._state.holdings.account("default").shares
    assert shares is not None
    return {(strategy, symbol): (each.quantity, each.buys, each.sells) for strategy, symbol, each in shares}


def test_each_strategy_has_its_own_exposure_and_orders_without_one_have_none() -> None:
    desk = desk_of(max_strategy_gross_exposure=D(18_500))
    assert asked(desk, "momentum", "60") == "OrderReceived"
    assert asked(desk, "momentum", "41") == "max_strategy_gross_exposure"
    assert desk.events[-1]["text"] == (
        "quantity: 41 could make the exposure of strategy momentum 18685 USD; max_strategy_gross_exposure is 18500"
    )
    assert asked(desk, "carry", "100") == "OrderReceived"
    assert asked(desk, None, "500") == "OrderReceived"
    assert asked(desk, "momentum", "40") == "OrderReceived"
    assert shares_of(desk) == {("carry", "AAPL"): (0, 100, 0), ("momentum", "AAPL"): (0, 100, 0)}


def test_an_order_beyond_a_net_limit_that_came_later_may_be_made_smaller() -> None:
    desk = desk_of()
    asked(desk, None, "100")
    desk.accept()
    desk.set_limits(max_net_exposure="9250")
    assert asked(desk, None, "1") == "max_net_exposure"
    assert desk.replace(order_id="1", quantity="80")["type"] == "OrderReplaceRequested"


def test_without_a_rate_a_strategys_net_exposure_only_shrinks() -> None:
    desk = desk_of(max_strategy_net_exposure=D(10**6))
    desk.quote(600_000, 600_000, symbol="BTCUSDT")
    desk.tick()
    desk.stage._state.holdings.holding("default", "BTCUSDT").fill(10_000, 600_000)
    fields = {"symbol": "BTCUSDT", "side": "SELL", "price": "60000.0"}
    assert asked(desk, "momentum", "0.1", **fields) == "max_strategy_net_exposure"


def test_longs_and_shorts_are_added_in_gross_and_taken_off_in_net() -> None:
    desk = desk_of(max_strategy_gross_exposure=D(40_000), max_strategy_net_exposure=D(18_500))
    desk.quote(16_000, 16_000, symbol="ES")  # 4 000.00, and 50 a point
    desk.tick()
    assert asked(desk, "momentum", "100") == "OrderReceived"
    assert asked(desk, "momentum", "1") == "max_strategy_net_exposure"
    assert desk.events[-1]["text"] == (
        "quantity: 1 could make the net exposure of strategy momentum 18685 USD; max_strategy_net_exposure is 18500"
    )
    assert asked(desk, "momentum", "1", side="SELL", symbol="ES", price="4000.00") == "max_strategy_gross_exposure"


def test_what_a_strategy_holds_is_free_again_once_it_is_flat_and_leaves_no_trace() -> None:
    desk = desk_of(max_strategy_gross_exposure=D(18_500))
    assert asked(desk, "momentum", "100") == "OrderReceived"
    desk.fill(100)
    assert asked(desk, "momentum", "1") == "max_strategy_gross_exposure"
    assert asked(desk, "momentum", "150", side="SELL") == "OrderReceived", "to 50 short"
    assert asked(desk, "momentum", "51", side="SELL") == "max_strategy_gross_exposure", "to 101 short"
    desk.fill(100, order_id=3, side=2)
    assert shares_of(desk) == {("momentum", "AAPL"): (0, 0, 50)}
    desk.canceled(3, side=2)
    assert shares_of(desk) == {}


def test_an_amendment_counts_at_its_worst_and_is_judged_by_its_strategy() -> None:
    desk = desk_of(max_strategy_gross_exposure=D(18_500))
    assert asked(desk, "momentum", "60") == "OrderReceived"
    refused = desk.replace(signal_id="r1", order_id="1", quantity="101")
    assert (refused["type"], refused["reason"]) == ("OrderReplaceRejected", "max_strategy_gross_exposure")
    assert desk.replace(signal_id="r2", order_id="1", quantity="100")["type"] == "OrderReplaceRequested"
    assert shares_of(desk) == {("momentum", "AAPL"): (0, 100, 0)}
    assert asked(desk, "momentum", "1") == "max_strategy_gross_exposure"


def test_what_was_held_before_the_limit_is_no_strategys_and_what_works_is() -> None:
    desk = desk_of()
    assert asked(desk, "momentum", "100") == "OrderReceived"
    desk.fill(70)
    desk.set_limits(max_strategy_gross_exposure="10000")
    assert shares_of(desk) == {("momentum", "AAPL"): (0, 30, 0)}
    desk.fill(30)
    assert shares_of(desk) == {("momentum", "AAPL"): (30, 0, 0)}
    assert asked(desk, "momentum", "100", side="SELL") == "max_strategy_gross_exposure"
    assert asked(desk, None, "70", side="SELL") == "OrderReceived", "nobody's, and so it is closed by nobody"
    desk.reset_limits()
    assert asked(desk, "momentum", "1000") == "OrderReceived"
    assert shares_of(desk)["momentum", "AAPL"] == (30, 1000, 0), "it is counted for good"


def test_without_a_rate_a_strategys_exposure_only_shrinks() -> None:
    desk = desk_of(max_strategy_gross_exposure=D(18_500))
    desk.quote(600_000, 600_000, symbol="BTCUSDT")
    desk.tick()
    assert asked(desk, "momentum", "0.1", symbol="BTCUSDT", price="60000.0") == "no_fx_rate"
    desk.stage._state.holdings.holding("default", "BTCUSDT").fill(10_000, 600_000)
    named = {"symbol": "BTCUSDT", "side": "SELL", "price": "60000.0"}
    assert asked(desk, "momentum", "0.1", **named) == "max_strategy_gross_exposure", "the account's is reduced, not its"
    assert "nothing tells what 1 USDT is worth in USD" in desk.events[-1]["text"]
    assert asked(desk, None, "0.1", **named) == "OrderReceived"


def test_a_snapshot_keeps_them_and_one_without_such_a_limit_says_nothing() -> None:
    plain = desk_of(max_position=D(1000))
    assert asked(plain, "momentum", "10") == "OrderReceived"
    plain.fill(10)
    assert "shares" not in plain.stage.snapshot().decode()
    desk = desk_of(max_strategy_gross_exposure=D(18_500))
    assert asked(desk, "momentum", "60") == "OrderReceived"
    desk.fill(20)
    before = shares_of(desk)
    desk.restarted()
    assert shares_of(desk) == before == {("momentum", "AAPL"): (20, 40, 0)}
    held = orjson.loads(desk.stage.snapshot())["held"]["default"]
    assert held["shares"] == [["momentum", "AAPL", "20", "-370000", "370000", "1"]]


def test_a_bust_and_a_correction_are_booked_to_the_strategy_of_their_order() -> None:
    account = but(CONFIG.accounts["default"], max_strategy_gross_exposure=D(10**6))
    desk = OrdersDesk(but(CONFIG, venues={SIM: VenueTerms(simulated=False)}, accounts={"default": account}))
    assert asked(desk, "momentum", "100") == "OrderReceived"

    def told(exec_type: str, exec_id: str, **fields: Any) -> tuple[int, int, int]:
        head = {"type": "VenueReport", "v": 1, "venue": "SIM", "exec_type": exec_type, "order_id": "1"}
        desk.one({b"data": orjson.dumps(head | {"exec_id": exec_id, **fields})})
        return shares_of(desk)["momentum", "AAPL"]

    assert told("Trade", "T-1", last_qty="40", last_px="184.00") == (40, 60, 0)
    assert told("Trade", "T-2", last_qty="30", last_px="184.00") == (70, 30, 0)
    assert told("TradeCancel", "B-1", ref_exec_id="T-1") == (30, 70, 0)
    assert told("TradeCorrect", "B-2", ref_exec_id="T-2", last_qty="20", last_px="184.00") == (20, 80, 0)


def test_an_unmarked_instrument_is_valued_at_what_was_paid_or_is_asked_for() -> None:
    shares = Shares()
    shares.works("momentum", "AAPL", buy=True, lots=10, was=0, value=10 * 500)
    share = shares.share("momentum", "AAPL")
    assert (share.valued_at(None), share.valued_at(7)) == (1_000, 7)
    shares.traded("momentum", "AAPL", -4, 600)
    assert share.valued_at(None) == 1_200
