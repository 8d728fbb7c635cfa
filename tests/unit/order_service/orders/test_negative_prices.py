"""Prices at 0 and below: of an instrument that has them all the way through, of any other nowhere."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import ReportType
from fillstream.libs.common.messages.topology import Topology
from fillstream.services.order_service.orders.compiled import Limits, Quote, Terms
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.holding.holdings import Account, Holding, Instrument
from fillstream.services.order_service.orders.rules.market import protection_price, value_price
from tests.support.orders import OrdersDesk, report
from tests.support.terms import account, instrument

D = Decimal


def desk_of(negative_prices: bool) -> OrdersDesk:
    crude = instrument(1, D("0.01"), D(1), D(1000), negative_prices=negative_prices)
    return OrdersDesk(
        DeskConfig(instruments={"CLK0": crude}, accounts={"default": account(1, D(10_000_000), 50, D(0), D(100))})
    )


def limits_of(slippage_bps: int, negative_prices: bool = True) -> Limits:
    terms = Terms("CLK0", instrument(1, D("0.01"), D(1), negative_prices=negative_prices), Topology())
    holding = Holding(Account("a"), Instrument(terms.symbol))
    return Limits("a", account(1, D(10_000_000), 50, D(0), D(slippage_bps)), terms, Quote(), holding)


def quote_of(bid: int, ask: int) -> Quote:
    quote = Quote()
    quote.bid, quote.bid_qty, quote.ask, quote.ask_qty = bid, 5, ask, 5
    return quote


def quoted(bid: int, ask: int) -> bytes:
    sides = {"price": bid, "qty": 5, "leaves": ask, "aux": 5}
    return report(ReportType.QUOTED, account=0, side=0, partition=frames.PARTITION_ALL, **sides)


def test_a_long_position_can_be_closed_where_the_market_is() -> None:
    """20 April 2020: the May contract of crude oil settled at -37.63."""
    desk = desk_of(negative_prices=True)
    desk.fold({b"frame": quoted(1000, 1001)})
    assert desk.new(signal_id="open", quantity="2", symbol="CLK0")["type"] == "OrderReceived"
    desk.fold({b"frame": quoted(-3764, -3763)})
    market = desk.new(signal_id="market", side="SELL", quantity="2", symbol="CLK0")
    assert market["type"] == "OrderReceived", market
    assert desk.commands[-1].price == -3801, "1 % below the bid of -37.64, rounded to the less aggressive side"
    limit = desk.new(signal_id="limit", side="SELL", quantity="2", price="-37.64", symbol="CLK0")
    assert (limit["type"], limit["price"]) == ("OrderReceived", "-37.64")
    zero = desk.new(signal_id="zero", side="SELL", quantity="2", price="0", symbol="CLK0")
    assert (zero["type"], zero["price"]) == ("OrderReceived", "0.00")
    event = desk.replace(signal_id="amend", order_id=zero["order_id"], price="-0.01")
    assert (event["type"], event["new_price"]) == ("OrderReplaceRequested", "-0.01")


@pytest.mark.parametrize(
    ("side", "price", "reason"),
    [
        ("BUY", "-37.25", "price_collar"),  # the ask is -37.63, and 1 % of that is 0.37
        ("SELL", "-38.02", "price_collar"),
        ("SELL", "-1000.00", "price_collar"),
    ],
)
def test_the_collar_is_beyond_the_touch_whatever_its_sign(side: str, price: str, reason: str) -> None:
    desk = desk_of(negative_prices=True)
    desk.fold({b"frame": quoted(-3764, -3763)})
    assert desk.new(side=side, quantity="2", price=price, symbol="CLK0")["reason"] == reason


@pytest.mark.parametrize(
    ("bps", "highest", "lowest"), [(0, -3763, -3764), (100, -3726, -3801), (10_000, 0, -7528), (9_999, -1, -7527)]
)
def test_slippage_is_of_the_size_of_a_price(bps: int, highest: int, lowest: int) -> None:
    limits = limits_of(bps)
    assert limits.highest_buy(-3763) == highest
    assert limits.lowest_sell(-3764) == lowest
    assert protection_price(limits, quote_of(-3764, -3763), True) == highest
    assert protection_price(limits, quote_of(-3764, -3763), False) == lowest


def test_a_price_of_0_bounds_a_market_order_as_any_other() -> None:
    limits = limits_of(100)
    assert protection_price(limits, quote_of(-1, 0), True) == 0
    assert protection_price(limits, quote_of(0, 1), False) == 0
    assert protection_price(limits_of(10_000, negative_prices=False), quote_of(5, 6), False) == 1


def test_an_order_is_valued_at_the_largest_size_it_may_trade_at() -> None:
    quote = quote_of(-3764, -3763)
    assert value_price(quote, True, 100) == 3763, "a buyer up to 1.00 is paid 37.63"
    assert value_price(quote, False, -3764) == 3764
    assert value_price(quote, False, -3801) == 3801
    assert value_price(quote_of(100, 101), True, 102) == 102
    assert value_price(quote_of(100, 101), False, 90) == 100


def test_an_instrument_without_them_refuses_the_quote_and_forgets_the_one_before() -> None:
    desk = desk_of(negative_prices=False)
    desk.fold({b"frame": quoted(1000, 1001)})
    bad = quoted(-3764, -3763)
    letter = desk.refused(bad)
    assert (letter["reason"], letter["text"]) == (
        "price_not_positive",
        "price: of CLK0 must be above 0, as it has no negative_prices, got -3764 and -3763 ticks",
    )
    [told] = [event for event in desk.tick() if event["type"] == "QuoteUpdated"]
    assert (told["bid_px"], told["ask_px"]) == (None, None), "so nothing is marked by it, and nothing by the old one"
    market = desk.new(side="SELL", quantity="2", symbol="CLK0")
    assert market["reason"] == "no_quote"
    assert market["text"].endswith("CLK0 has no bid now")
    limit = desk.new(signal_id="l", side="SELL", quantity="2", price="-37.64", symbol="CLK0")
    assert (limit["reason"], limit["text"]) == (
        "price_not_positive",
        "price: -37.64 must be above 0, CLK0 has no negative_prices",
    )


def test_a_print_at_0_is_no_last_trade_of_an_instrument_without_them() -> None:
    record = report(ReportType.PRINTED, price=0, qty=1, account=0, partition=frames.PARTITION_ALL)
    desk = desk_of(negative_prices=False)
    before = desk.stage.snapshot()
    assert desk.refused(record)["reason"] == "price_not_positive"
    assert desk.stage.snapshot() == before
    desk = desk_of(negative_prices=True)
    desk.fold({b"frame": record})
    assert [event["last_px"] for event in desk.tick()] == ["0.00"]


def test_one_partition_tells_of_a_market_record_that_all_hear() -> None:
    desk = OrdersDesk(topology=Topology(2), partition=1)
    desk.fold({b"frame": report(ReportType.QUOTED, account=0, side=0, symbol=77, partition=frames.PARTITION_ALL)})
    assert desk.dead == []
