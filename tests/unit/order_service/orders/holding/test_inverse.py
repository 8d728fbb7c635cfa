"""Inverse contracts before a limit: 100 dollars each, settled in bitcoins; what is expected is worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine.frames import PARTITION_ALL, ReportFlag, ReportType
from fillstream.libs.common.messages.reference import VenueTerms
from tests.support.orders import CONFIG, OrdersDesk, control, report
from tests.support.terms import account, but, instrument
from tests.support.whole_desk import WholeDesk

D = Decimal
TAKES = D("7.5")
OF_QUOTE = {"account": 0, "symbol": 1, "side": 0, "partition": PARTITION_ALL}


def perp(number: int = 1, tick_size: str = "0.5") -> Any:
    more: dict[str, Any] = {"currency": "BTC", "inverse": True, "taker_fee_bps": TAKES, "maker_fee_bps": D("-2.5")}
    return instrument(number, D(tick_size), D(1), D(100), **more)


def config_of(venue: VenueTerms | None = None, **terms: Any) -> Any:
    own = account(1, D(1_000), 1_000, D(0), D(100), currency="BTC")
    return but(
        CONFIG,
        instruments={
            "PERP": perp(),
            "NEXT": perp(2),
            "FINE": perp(3, "0.1"),
            "BTCUSD": instrument(4, D("0.5"), D("0.001"), base_currency="BTC"),
        },
        accounts={"default": but(own, **terms)},
        venues={"SIM": venue or VenueTerms()},
    )


def desk_of(venue: VenueTerms | None = None, bid: int = 79_999, ask: int = 80_001, **terms: Any) -> WholeDesk:
    """Return a desk with a market at 40,000, half a dollar wide on each side."""
    desk = WholeDesk(config_of(venue, **terms))
    desk.quote(bid, ask)
    return desk


def asked(desk: WholeDesk, **fields: Any) -> str:
    """Send an order; return the sentence that refused it, else its type."""
    said = {"symbol": "PERP", "side": "BUY", "quantity": "10", "price": "40000"}
    [event, *_] = [
        each for each in desk.signal(**{key: value for key, value in (said | fields).items() if value is not None})
        if each["type"] in ("OrderReceived", "OrderRejected")
    ]  # fmt: skip
    return str(event.get("text") or event["type"])


def deposit(desk: WholeDesk, amount: str) -> None:
    data = orjson.dumps(control("AdjustAccount", adjustment="deposit", amount=amount, currency="BTC"))
    desk.sim.fold({b"control": data})


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"quantity": "400"}, None),
        ({"quantity": "401"}, "1.0025 BTC is above max_order_value 1"),
        ({"quantity": "400", "price": "39999.5"}, "1.0000125001562519"),
        ({"quantity": "4"}, None),
        ({"quantity": "4", "side": "SELL", "price": "40000.5"}, "is below min_order_size 0.01"),
        ({"quantity": "400", "price": "41000"}, None),  # it trades at the ask, 40000.5
        ({"quantity": "404", "price": "41000"}, "1.0099873751578105"),
    ],
)
def test_an_orders_value_is_what_its_contracts_buy_at_its_price(fields: dict[str, Any], refused: str | None) -> None:
    desk = desk_of(max_order_value=D(1), min_order_size=D("0.01"), max_slippage_bps=D(1_000))
    said = asked(desk, **fields)
    assert (said == "OrderReceived") if refused is None else (refused in said), said


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_exposure_is_what_contracts_are_worth_at_the_mark(side: str) -> None:
    desk = desk_of(max_symbol_exposure=D("0.025"), max_gross_exposure=D(1))
    assert asked(desk, side=side, price="40000", quantity="10") == "OrderReceived"
    refused = asked(desk, side=side, quantity="1")
    assert refused.startswith("quantity: 1 could make the exposure in PERP 0.0275 BTC; max_symbol_exposure is 0.025")
    desk.quote(159_999, 160_001)
    assert asked(desk, side=side, price="80000", quantity="10") == "OrderReceived", "they are worth half of it now"


def test_an_account_in_dollars_is_exposed_to_them_at_the_rate_of_the_coin() -> None:
    desk = desk_of(currency="USD", max_net_exposure=D(2_000))
    assert "no instrument with a fresh quote tells what 1 BTC is worth in USD" in asked(desk)
    desk.quote(79_999, 80_001, symbol=4)
    assert asked(desk, quantity="20", price="40000.5") == "OrderReceived"
    assert "could make the net exposure 2100" in asked(desk, quantity="1")


def test_a_margin_account_needs_a_share_of_what_they_are_worth_and_earns_the_coin() -> None:
    desk = desk_of(account_type="margin", initial_margin=D("0.1"))
    deposit(desk, "0.01")
    assert asked(desk, quantity="40", price="40000.5") == "OrderReceived"
    assert "could need a margin of 0.01025 BTC (0.1 of an exposure of 0.1025 BTC)" in asked(desk, quantity="1")
    assert desk.held("PERP") == 40
    desk.quote(99_999, 100_001)  # 4000 / 40000.5 - 4000 / 50000 more, less the fee
    assert asked(desk, quantity="60", price="50000.5") == "OrderReceived"
    assert asked(desk, quantity="1000", price="50000.5").endswith("BTC")


def test_what_was_lost_today_is_lost_in_the_coin() -> None:
    desk = desk_of(max_daily_loss=D("0.01"), max_slippage_bps=D(1_000))
    assert asked(desk, quantity="40", price="40000.5") == "OrderReceived"
    desk.quote(72_727, 72_729)  # at 36364 its 0.1 is worth 0.11
    assert "lost 0.01" in asked(desk, quantity="1", price="36000")
    assert asked(desk, side="SELL", quantity="40", price="36363.5") == "OrderReceived", "what reduces it is taken"


def test_a_cash_account_owns_what_it_pays_for_and_takes_no_contract() -> None:
    desk = desk_of(account_type="cash")
    deposit(desk, "5")
    for side in ("BUY", "SELL"):
        assert asked(desk, side=side) == (
            "symbol: PERP is an inverse contract, of which nothing is paid and owned; cash account default takes none"
        )


def test_fees_are_a_share_of_the_coin_and_those_of_an_order_are_rounded_once() -> None:
    desk = desk_of()
    desk.quote(59_999, 60_001)
    desk.signal(symbol="PERP", side="BUY", quantity="7", price="30000.5")
    [fill] = [each for each in desk.events if each["type"] == "OrderFilled"]
    assert (fill["fee"], fill["currency"]) == ("0.00001750", "BTC"), "7.5 bps of 700 / 30000.5"
    [received] = [each for each in desk.events if each["type"] == "OrderReceived"]
    assert received["fee_estimate"] == "0.00001750"


def test_a_tier_counts_what_was_traded_in_the_coin() -> None:
    desk = desk_of(VenueTerms(fee_tiers=("0.02:0:1",)))
    desk.signal(symbol="PERP", side="BUY", quantity="10", price="40000.5")
    assert desk.sim.desk.stage._state.traded.days["default"]["SIM BTC"] == {19_700: 24_999_687_503_906_201}
    desk.wait(86_400_000)
    desk.quote(79_999, 80_001)
    desk.signal(symbol="PERP", side="BUY", quantity="10", price="40000.5")
    fees = [each["fee"] for each in desk.events if each["type"] == "OrderFilled"]
    assert fees == ["0.00001875", "0.00000250"]


@pytest.mark.parametrize(
    ("size", "quantity"),
    [
        ({"notional": "0.25"}, "100"),
        ({"notional": "1", "price": "38900"}, "389"),
        ({"equity_percent": "25"}, "100"),
        ({"risk_amount": "0.01", "stop_loss": "32000"}, "16"),  # 100 / 32000 - 100 / 40000 = 0.000625 of each
        ({"risk_percent": "1", "stop_loss": "50000", "side": "SELL"}, "20"),  # 0.0005
    ],
)
def test_sizes_in_money_are_in_the_coin(size: dict[str, Any], quantity: str) -> None:
    desk = desk_of()
    deposit(desk, "1")
    assert asked(desk, quantity=None, **size) == "OrderReceived"
    assert next(each for each in desk.events if each["type"] == "OrderReceived")["quantity"] == quantity


def test_a_stop_at_the_mark_waits_for_its_price() -> None:
    desk = desk_of()
    order = {"order_type": "STOP", "stop_price": "41000", "price": None, "trigger_price_type": "MARK"}
    assert asked(desk, **order) == "OrderReceived"
    desk.quote(81_997, 82_001)
    assert [each["type"] for each in desk.events].count("OrderTriggered") == 0
    desk.quote(81_999, 82_003)
    assert [each["type"] for each in desk.events].count("OrderTriggered") == 1


def test_a_weight_is_a_share_of_the_equity_and_its_cost_is_told_in_the_coin() -> None:
    desk = desk_of()
    deposit(desk, "1")
    desk.signal(type="target", symbol="PERP", weight="-0.5")
    assert desk.held("PERP") == -200
    reached = desk.of("TargetChanged")[-1]
    assert (reached["target_status"], reached["traded_px"], reached["arrival_px"]) == ("REACHED", "39999.5", "40000.0")
    assert reached["paid_fees"] == "0.000375", "7.5 bps of 20000 / 39999.5"
    assert D(reached["shortfall"]) == D("0.000375") + (D(20_000) / D("39999.5") - D("0.5")).quantize(D("1E-12"))
    desk.signal(type="target", symbol="PERP", target="-201", min_value="0.0026")
    assert desk.held("PERP") == -200, "one is worth 0.0025"
    desk.signal(type="target", symbol="PERP", target="-202", min_value="0.0049")
    assert desk.held("PERP") == -202, "two are worth more"


def test_both_stages_hold_the_same_to_the_last_step() -> None:
    desk = desk_of()
    for side, quantity, price in (("BUY", "7", "40000.5"), ("SELL", "3", "39999.5"), ("SELL", "9", "39999.5")):
        desk.signal(symbol="PERP", side=side, quantity=quantity, price=price)
    holding = desk.sim.desk.stage._state.holdings.holding("default", "PERP")
    booked = desk.positions._books.instruments["PERP"].held["default"].position
    assert (holding.quantity, holding.cash, holding.cost) == (booked.quantity, booked.cash, booked.cost)
    desk.wait(86_400_000)
    told = desk.of("PositionsReconciled")
    assert told == [] or all(each["differences"] == 0 for each in told)


def adjusted(desk: OrdersDesk, **fields: Any) -> dict[str, Any]:
    told = control("AdjustAccount", control_id=f"c{len(desk.entries)}", **fields)
    [event] = [
        each
        for each in desk.fold({b"control": orjson.dumps(told)})
        if each["type"] in ("ControlRejected", "AccountAdjusted")
    ]
    return event


def test_a_split_and_a_symbol_of_another_grid_are_refused_and_one_of_the_same_is_not() -> None:
    desk = OrdersDesk(config_of())
    desk.quote(79_999, 80_001, symbol="AAPL")
    desk.new(symbol="PERP", price="40000", quantity="10")
    desk.fill(10, 80_000)
    assert adjusted(desk, adjustment="split", symbol="PERP", ratio="2:1")["text"] == (
        "symbol: PERP is an inverse contract, each worth its multiplier: 2 are never worth 1"
    )
    refused = adjusted(desk, adjustment="symbol_change", symbol="PERP", new_symbol="FINE")
    assert refused["text"] == "new_symbol: tick_size of FINE is 0.1 and must be 0.5, that of PERP"
    assert adjusted(desk, adjustment="symbol_change", symbol="PERP", new_symbol="NEXT")["type"] == "AccountAdjusted"
    assert desk.stage._state.holdings.holding("default", "NEXT").quantity == 10


# -------------------------------------------------------------------------------------------------- with no quote, too


@pytest.mark.parametrize("price", ["0", "-1"])
def test_a_price_that_is_none_is_refused_and_divides_nothing(price: str) -> None:
    assert "must be above 0" in asked(desk_of(), price=price)


def test_without_a_mark_what_is_held_is_worth_what_was_paid() -> None:
    desk = OrdersDesk(config_of(max_gross_exposure=D("0.05")))
    state = desk.stage._state
    assert desk.new(symbol="PERP", price="40000", quantity="10")["type"] == "OrderReceived"
    desk.fill(10, 80_000)
    holding = state.holdings.holding("default", "PERP")
    assert holding.instrument.mark is None
    assert holding.pnl == -holding.fees * 10**10, "nothing was made of it"
    assert isinstance(holding.pnl, int)
    refused = desk.new(symbol="PERP", price="40000", quantity="11", signal_id="s2")
    assert "could make the exposure in all 0.0525 BTC" in refused["text"]


def test_a_strategys_exposure_is_what_its_contracts_are_worth_with_and_without_a_mark() -> None:
    desk = OrdersDesk(config_of(max_strategy_gross_exposure=D("0.05")))
    head = {"symbol": "PERP", "price": "40000", "strategy": "basis"}
    desk.new(quantity="10", **head)
    refused = desk.new(quantity="11", signal_id="s2", **head)
    assert "exposure of strategy basis 0.0525 BTC" in refused["text"], "what works is worth its price"
    desk.fill(10, 80_000)
    refused = desk.new(quantity="11", signal_id="s3", **head)
    assert "exposure of strategy basis 0.0525 BTC" in refused["text"], "what is held is worth what was paid"
    desk.fold({b"frame": report(ReportType.QUOTED, price=159_999, qty=5, leaves=160_001, aux=5, **OF_QUOTE)})
    desk.ms += 300
    desk.fold({b"tick": b"1"})
    refused = desk.new(quantity="31", signal_id="s4", **head)
    assert "exposure of strategy basis 0.05125 BTC" in refused["text"], "at the mark of 80,000"


def test_amendments_are_valued_by_the_same() -> None:
    desk = desk_of(max_order_value=D(1), min_order_size=D("0.01"), max_slippage_bps=D(1_000))

    def amended(**fields: Any) -> str:
        told = desk.signal(type="ReplaceOrder", order_id="1", **fields)
        [event] = [each for each in told if each["type"] in ("OrderReplaced", "OrderReplaceRejected")]
        return str(event.get("text") or event["type"])

    asked(desk, price="39000", quantity="390")
    assert "an order value of 1.002570694087403599 BTC is above" in amended(price="38900")
    assert "an order value of 1.002564102564102564 BTC is above" in amended(quantity="391")
    assert amended(price="38900", quantity="389") == "OrderReplaced", "a coin to the last step"
    assert "1.009987375157810527" in amended(price="41000", quantity="404"), "it would trade at the ask"
    assert amended(quantity="380") == "OrderReplaced"


def test_children_of_an_algorithm_are_valued_by_the_same() -> None:
    desk = desk_of(min_order_size=D("0.001"))
    desk.signal(
        symbol="PERP", side="BUY", quantity="20", algorithm="iceberg", price="40000.5",
        algorithm_parameters={"display_quantity": "4"},
    )  # fmt: skip
    desk.wait(5_000)
    assert desk.held("PERP") == 20


def test_what_needs_approval_is_asked_for_by_what_it_is_worth() -> None:
    desk = desk_of(approval_above=D("0.1"))
    order = {"symbol": "PERP", "side": "SELL", "price": "41000"}
    entry = {"symbol": "PERP", "side": "BUY", "price": "40000.5", "quantity": "10"}
    orders = [entry, {**order, "quantity": "4"}, {**order, "quantity": "42"}]
    told = desk.signal(type="NewOrderList", contingency_type="ONE_TRIGGERS_OTHER", orders=orders)
    held = [each["order_id"] for each in told if each["type"] == "OrderSuspended" and "approval_time" in each]
    assert held == ["3"], "42 are worth 0.1024"


def test_what_a_crash_made_worth_more_than_an_order_may_be_is_still_closed() -> None:
    """Contracts of a long are worth more the lower the price is; a limit on orders keeps nobody from getting out."""
    desk = desk_of(max_order_value=D(1))
    asked(desk, quantity="390", price="40000.5")
    desk.signal(type="ProtectPosition", symbol="PERP", stop_loss="38000")
    desk.quote(39_999, 40_001)
    assert asked(desk, side="SELL", quantity="200", price="20000") == "OrderReceived"
    assert "max_order_value" in asked(desk, side="SELL", quantity="201", price="20000.5")
    assert desk.held("PERP") == 0, "its stop closed the rest, worth 1.95, and nothing more"


def test_a_cash_account_may_close_what_it_has_from_before() -> None:
    desk = OrdersDesk(config_of())
    desk.new(symbol="PERP", price="40000", quantity="10")
    desk.fill(10, 80_000)
    desk.fold({b"config": config_of(account_type="cash").to_json()})
    assert desk.new(symbol="PERP", side="SELL", price="40000", quantity="10", signal_id="s2")["type"] == "OrderReceived"


def test_a_bust_takes_back_what_a_trade_counted_as() -> None:
    outside = VenueTerms(simulated=False)
    desk = OrdersDesk(config_of(outside))
    head = {"type": "VenueReport", "v": 1, "venue": "SIM", "order_id": "1"}

    def said(exec_type: str, **fields: Any) -> dict[str, Any]:
        return desk.one({b"data": orjson.dumps({**head, "exec_type": exec_type, **fields})})

    desk.new(symbol="PERP", price="40000", quantity="10")
    said("New")
    fill = said("Trade", exec_id="T-1", last_qty="10", last_px="30000.5")
    assert fill["fee"] == "0.00002500", "7.5 bps of 1000 / 30000.5"
    holding = desk.stage._state.holdings.holding("default", "PERP")
    assert holding.cash > 0
    said("TradeCancel", exec_id="B-1", ref_exec_id="T-1")
    assert (holding.quantity, holding.cash, holding.fees) == (0, 0, 0)


@pytest.mark.parametrize("price", ["0", "-30000"])
def test_a_venue_that_tells_of_a_price_that_is_none_is_not_believed(price: str) -> None:
    desk = OrdersDesk(config_of(VenueTerms(simulated=False)))
    head = {"type": "VenueReport", "v": 1, "venue": "SIM", "order_id": "1"}
    desk.new(symbol="PERP", price="40000", quantity="10")
    desk.one({b"data": orjson.dumps({**head, "exec_type": "New"})})
    trade = {**head, "exec_type": "Trade", "exec_id": "T-1", "last_qty": "5"}
    correct = {**head, "exec_type": "TradeCorrect", "exec_id": "C-1", "ref_exec_id": "T-1", "last_qty": "5"}
    assert desk.fold({b"data": orjson.dumps({**trade, "last_px": price})}) == []
    desk.one({b"data": orjson.dumps({**trade, "last_px": "30000"})})
    assert desk.fold({b"data": orjson.dumps({**correct, "last_px": price})}) == []
    text = f"last_px: {price} must be above 0, PERP is an inverse contract"
    assert [orjson.loads(letter[b"data"])["text"] for letter in desk.dead] == [text, text]
    record = report(ReportType.FILLED, 1, price=int(price), qty=5, match_id=1, flags=ReportFlag.TAKER)
    assert "must be above 0" in desk.refused(record)["text"]
    assert desk.stage._state.holdings.holding("default", "PERP").quantity == 5


def test_an_order_without_a_price_yet_is_worth_what_the_market_says() -> None:
    desk = desk_of(approval_above=D("0.1"))
    entry = {"symbol": "PERP", "side": "BUY", "price": "40000.5", "quantity": "1"}
    exit_ = {"symbol": "PERP", "side": "SELL", "order_type": "TRAILING_STOP", "trailing_offset": "100"}
    orders = [entry, {**exit_, "quantity": "42"}]
    told = desk.signal(type="NewOrderList", contingency_type="ONE_TRIGGERS_OTHER", orders=orders)
    assert [each["order_id"] for each in told if each["type"] == "OrderSuspended" and "approval_time" in each] == ["2"]


def test_a_purchase_far_above_a_market_without_an_ask_is_worth_what_was_traded() -> None:
    desk = OrdersDesk(config_of(max_order_value=D(1)))
    desk.fold({b"frame": report(ReportType.PRINTED, price=80_000, qty=1, **OF_QUOTE)})
    refused = desk.new(symbol="PERP", price="4000000", quantity="1000")
    assert refused["text"] == "quantity: an order value of 2.5 BTC is above max_order_value 1"


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_what_contracts_count_as_is_no_money_that_a_cash_account_spends(side: str) -> None:
    config = config_of()
    instruments = {**config.instruments, "SPOT": instrument(5, D("0.0001"), D("0.01"), currency="BTC")}
    desk = OrdersDesk(but(config, instruments=instruments))
    data = control("AdjustAccount", adjustment="deposit", amount="0.5", currency="BTC")
    desk.fold({b"control": orjson.dumps(data)})
    desk.new(symbol="PERP", side=side, price="40000", quantity="1000")
    desk.fill(1_000, 80_000, side=1 if side == "BUY" else 2, flags=ReportFlag.MAKER)
    desk.fold({b"config": but(config_of(account_type="cash"), instruments=instruments).to_json()})
    refused = desk.new(symbol="SPOT", price="1", quantity="0.51", signal_id="s2")
    assert "lacks 0.009375 BTC" in refused["text"], "of a rebate of 2.5 bps it has 0.000625 more"
    assert desk.new(symbol="SPOT", price="1", quantity="0.5", signal_id="s3")["type"] == "OrderReceived"
