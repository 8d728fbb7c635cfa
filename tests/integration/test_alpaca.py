"""The unmodified alpaca-py and a desk of real processes: it places, replaces, cancels, lists, streams and closes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from examples.desk import Market, a_desk
from fillstream import Client
from tests.conftest import free_port, until
from tests.support.alpaca_spec import DATA, complaints
from tests.support.gateway_process import GatewayProcess

pytest.importorskip("alpaca", reason="alpaca-py is not installed: there is nobody to speak with")

from alpaca.common.exceptions import APIError
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.live.stock import StockDataStream
from alpaca.data.requests import StockBarsRequest, StockLatestQuoteRequest, StockLatestTradeRequest
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderClass, OrderSide, OrderStatus, OrderType, TimeInForce
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetCalendarRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)
from alpaca.trading.stream import TradingStream

BUY, SELL, GTC = OrderSide.BUY, OrderSide.SELL, TimeInForce.GTC
NESTED = GetOrderByIdRequest(nested=True)


class Desk(GatewayProcess):
    """A desk, its market, and its gateway."""

    def __init__(self, client: Client, market: Market, folder: Path) -> None:
        super().__init__(client.url, folder)
        self.market = market
        self.trading = TradingClient("key", "secret", url_override=f"{self.http}/alpaca")
        self.raw = TradingClient("key", "secret", raw_data=True, url_override=f"{self.http}/alpaca")
        self.data = StockHistoricalDataClient("key", "secret", url_override=f"{self.http}/alpaca")

    def flat(self) -> None:
        """Begin anew: nothing works, nothing is held, and AAPL is at 190."""
        self.market.trade("AAPL", "190.01")  # what stops go by
        self.market.shown("AAPL", "190.00", "190.02")
        self.trading.close_all_positions(cancel_orders=True)
        until(lambda: not self.trading.get_all_positions() and not self.trading.get_orders(), "a flat account")

    def has(self, order_id: Any, status: OrderStatus) -> Any:
        """Wait until an order stands so, and return it."""
        until(lambda: self.trading.get_order_by_id(order_id).status == status, f"the order to be {status}")
        return self.trading.get_order_by_id(order_id, NESTED)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with a_desk() as (client, market):
        desk = Desk(client, market, tmp_path_factory.mktemp("gateway"))
        desk.start()
        try:
            yield desk
        finally:
            desk.stop()


@pytest.fixture
def desk(whole: Desk) -> Desk:
    whole.flat()
    return whole


def limit(price: float, quantity: float = 10, side: OrderSide = BUY, **more: Any) -> LimitOrderRequest:
    return LimitOrderRequest(symbol="AAPL", qty=quantity, side=side, time_in_force=GTC, limit_price=price, **more)


def market(quantity: float = 10, side: OrderSide = BUY, **more: Any) -> MarketOrderRequest:
    return MarketOrderRequest(symbol="AAPL", qty=quantity, side=side, time_in_force=TimeInForce.DAY, **more)


def exits(target: float = 200, stop: float = 180) -> dict[str, Any]:
    return {"take_profit": TakeProfitRequest(limit_price=target), "stop_loss": StopLossRequest(stop_price=stop)}


def refused(call: Callable[[], Any]) -> APIError:
    with pytest.raises(APIError) as found:
        call()
    return found.value


# ----------------------------------------------------------------------------------------------------- single orders


def test_a_market_order_is_filled_and_its_position_is_held(desk: Desk) -> None:
    order = desk.trading.submit_order(market())
    assert (order.status, order.filled_qty, order.filled_avg_price) == (OrderStatus.FILLED, "10", "190.02")
    assert desk.trading.get_order_by_id(order.id) == order
    until(desk.trading.get_all_positions, "the position")
    position = desk.trading.get_open_position("AAPL")
    assert (position.qty, position.avg_entry_price, position.cost_basis) == ("10", "190.02", "1900.2")
    assert desk.trading.get_open_position(order.asset_id) == position


def test_an_order_is_placed_replaced_listed_and_canceled(desk: Desk) -> None:
    order = desk.trading.submit_order(limit(180.5, client_order_id=f"mine-{free_port()}"))
    assert (order.status, order.limit_price, order.type) == (OrderStatus.NEW, "180.50", OrderType.LIMIT)
    assert desk.trading.get_order_by_client_id(order.client_order_id).id == order.id
    assert [each.id for each in desk.trading.get_orders()] == [order.id]
    other = GetOrdersRequest(symbols=["MSFT"], status="open")
    assert desk.trading.get_orders(other) == []
    replaced = desk.trading.replace_order_by_id(order.id, ReplaceOrderRequest(qty=12, limit_price=181))
    assert (replaced.id, replaced.qty, replaced.limit_price) == (order.id, "12", "181.00")
    desk.trading.cancel_order_by_id(order.id)
    canceled = desk.has(order.id, OrderStatus.CANCELED)
    assert canceled.canceled_at is not None
    assert order.id in [each.id for each in desk.trading.get_orders(GetOrdersRequest(status="closed"))]
    again = refused(lambda: desk.trading.cancel_order_by_id(order.id))
    assert (again.status_code, again.code) == (422, 42210000)


def test_all_orders_are_canceled_at_once(desk: Desk) -> None:
    sent = {desk.trading.submit_order(limit(price)).id for price in (180, 181, 182)}
    answers = desk.trading.cancel_orders()
    assert {each.id for each in answers} == sent
    assert {each.status for each in answers} == {200}
    until(lambda: desk.trading.get_orders() == [], "all to be canceled")


def test_stops_trailing_stops_and_sizes_in_money(desk: Desk) -> None:
    stop = StopOrderRequest(symbol="AAPL", qty=5, side=BUY, time_in_force=GTC, stop_price=195.5)
    trails = TrailingStopOrderRequest(symbol="AAPL", qty=5, side=BUY, time_in_force=GTC, trail_percent=1.5)
    by_price = TrailingStopOrderRequest(symbol="AAPL", qty=5, side=BUY, time_in_force=GTC, trail_price=2)
    found = [desk.trading.submit_order(each) for each in (stop, trails, by_price)]
    assert [each.status for each in found] == [OrderStatus.NEW] * 3
    assert [(each.type, each.stop_price, each.trail_percent, each.trail_price) for each in found] == [
        (OrderType.STOP, "195.5", None, None),
        (OrderType.TRAILING_STOP, None, "1.5", None),
        (OrderType.TRAILING_STOP, None, None, "2"),
    ]
    by_money = MarketOrderRequest(symbol="AAPL", notional=1000, side=BUY, time_in_force=TimeInForce.DAY)
    order = desk.trading.submit_order(by_money)
    assert (order.notional, order.qty, order.filled_qty, order.status) == ("1000", None, "5", OrderStatus.FILLED)


# ------------------------------------------------------------------------------------------------------------- groups


def test_a_bracket_has_its_legs_from_the_start_and_they_become_orders(desk: Desk) -> None:
    entry = desk.trading.submit_order(limit(185, order_class=OrderClass.BRACKET, **exits()))
    assert (entry.order_class, entry.status) == (OrderClass.BRACKET, OrderStatus.NEW)
    target, stop = entry.legs
    assert [(each.type, each.side, each.status) for each in (target, stop)] == [
        (OrderType.LIMIT, SELL, OrderStatus.HELD), (OrderType.STOP, SELL, OrderStatus.HELD),
    ]  # fmt: skip
    assert desk.trading.get_order_by_id(stop.id).stop_price == "180"
    assert desk.trading.replace_order_by_id(stop.id, ReplaceOrderRequest(stop_price=181)).stop_price == "181.00"
    desk.market.shown("AAPL", "184.98", "185.00")
    desk.has(entry.id, OrderStatus.FILLED)
    working = desk.has(target.id, OrderStatus.NEW)
    assert (working.limit_price, working.qty, working.order_class) == ("200.00", "10", OrderClass.BRACKET)
    held = desk.has(stop.id, OrderStatus.HELD)
    assert (held.stop_price, held.qty) == ("181.00", "10")
    [found] = [each for each in desk.trading.get_orders(GetOrdersRequest(nested=True, status="all")) if each.legs][:1]
    assert (found.id, [each.id for each in found.legs]) == (entry.id, [target.id, stop.id])
    assert {target.id, stop.id} == {each.id for each in desk.trading.get_orders()}
    moved = desk.trading.replace_order_by_id(target.id, ReplaceOrderRequest(limit_price=199))
    assert moved.id == target.id
    until(lambda: desk.trading.get_order_by_id(target.id).limit_price == "199.00", "the target to move")
    desk.market.shown("AAPL", "199.00", "199.02")
    desk.has(target.id, OrderStatus.FILLED)
    desk.has(stop.id, OrderStatus.CANCELED)
    until(lambda: desk.trading.get_all_positions() == [], "the position to be closed")


def test_an_exit_of_a_bracket_is_canceled_with_the_other(desk: Desk) -> None:
    entry = desk.trading.submit_order(market(order_class=OrderClass.BRACKET, **exits()))
    target, stop = desk.has(entry.id, OrderStatus.FILLED).legs
    desk.has(target.id, OrderStatus.NEW)
    desk.trading.cancel_order_by_id(target.id)
    desk.has(target.id, OrderStatus.CANCELED)
    desk.has(stop.id, OrderStatus.CANCELED)
    assert desk.trading.get_open_position("AAPL").qty == "10"


def test_a_bracket_whose_entry_is_canceled_takes_its_legs_along(desk: Desk) -> None:
    entry = desk.trading.submit_order(limit(170, order_class=OrderClass.BRACKET, **exits(stop=160)))
    desk.trading.cancel_order_by_id(entry.id)
    assert [each.status for each in desk.has(entry.id, OrderStatus.CANCELED).legs] == [OrderStatus.CANCELED] * 2


def test_an_oco_closes_a_position_by_one_of_two(desk: Desk) -> None:
    desk.trading.submit_order(market())
    until(desk.trading.get_all_positions, "the position")
    order = desk.trading.submit_order(
        LimitOrderRequest(symbol="AAPL", qty=10, side=SELL, time_in_force=GTC, order_class=OrderClass.OCO, **exits())
    )
    [stop] = order.legs
    assert (order.order_class, float(order.limit_price)) == (OrderClass.OCO, 200)
    assert (stop.status, float(stop.stop_price)) == (OrderStatus.HELD, 180)
    desk.has(order.id, OrderStatus.NEW)
    assert desk.trading.get_open_position("AAPL").qty_available == "0"
    desk.market.shown("AAPL", "179.00", "179.02")
    desk.market.trade("AAPL", "179.50")
    desk.has(stop.id, OrderStatus.FILLED)
    desk.has(order.id, OrderStatus.CANCELED)
    until(lambda: desk.trading.get_all_positions() == [], "the position to be closed")


def test_an_oco_is_canceled_whole(desk: Desk) -> None:
    desk.trading.submit_order(market())
    order = desk.trading.submit_order(
        LimitOrderRequest(symbol="AAPL", qty=10, side=SELL, time_in_force=GTC, order_class=OrderClass.OCO, **exits())
    )
    desk.has(order.id, OrderStatus.NEW)
    desk.trading.cancel_order_by_id(order.legs[0].id)
    desk.has(order.id, OrderStatus.CANCELED)
    desk.has(order.legs[0].id, OrderStatus.CANCELED)


@pytest.mark.parametrize("stop_limit", [None, 179.0])
def test_an_oto_sends_its_stop_once_it_is_filled(desk: Desk, stop_limit: float | None) -> None:
    stop_loss = StopLossRequest(stop_price=180, limit_price=stop_limit)
    order = desk.trading.submit_order(limit(185, order_class=OrderClass.OTO, stop_loss=stop_loss))
    [stop] = order.legs
    assert (order.order_class, stop.status, stop.side) == (OrderClass.OTO, OrderStatus.HELD, SELL)
    desk.market.shown("AAPL", "184.98", "185.00")
    desk.has(order.id, OrderStatus.FILLED)
    waits = desk.has(stop.id, OrderStatus.NEW if stop_limit else OrderStatus.HELD)
    assert (float(waits.stop_price), waits.qty) == (180, "10")
    assert waits.type == (OrderType.STOP_LIMIT if stop_limit else OrderType.STOP)


# ------------------------------------------------------------------------------------------------------------ closing


def test_positions_are_closed_in_part_and_whole(desk: Desk) -> None:
    desk.trading.submit_order(market(15))
    until(desk.trading.get_all_positions, "the position")
    half = desk.trading.close_position("AAPL", ClosePositionRequest(percentage="50"))
    assert (half.side, half.qty) == (SELL, "7")
    until(lambda: desk.trading.get_open_position("AAPL").qty == "8", "half of it to be closed")
    desk.trading.close_position("AAPL", ClosePositionRequest(qty="3"))
    until(lambda: desk.trading.get_open_position("AAPL").qty == "5", "some of it to be closed")
    [closed] = desk.trading.close_all_positions(cancel_orders=True)
    assert (closed.symbol, closed.status, closed.body.id) == ("AAPL", 200, closed.order_id)
    until(lambda: desk.trading.get_all_positions() == [], "all of it to be closed")
    none = refused(lambda: desk.trading.close_position("AAPL"))
    assert (none.status_code, none.code) == (404, 40410000)


# ------------------------------------------------------------------------------------------------------------- errors


def test_refusals_are_errors_that_the_client_reads(desk: Desk) -> None:
    off_tick = refused(lambda: desk.trading.submit_order(limit(180.555)))
    assert (off_tick.status_code, off_tick.code) == (422, 42210000)
    assert off_tick.message == "limit_price: 180.555 is not a multiple of AAPL's tick size 0.01"
    unknown = refused(lambda: desk.trading.submit_order(market().model_copy(update={"symbol": "NOPE"})))
    assert (unknown.status_code, unknown.code) == (422, 42210000)
    order = desk.trading.submit_order(limit(180, client_order_id=f"once-{free_port()}"))
    twice = refused(lambda: desk.trading.submit_order(limit(180, client_order_id=order.client_order_id)))
    assert (twice.status_code, twice.code) == (422, 40010001)
    assert [each.id for each in desk.trading.get_orders()] == [order.id], "it is one order"
    nobody = refused(lambda: desk.trading.get_order_by_id(UUID(int=0)))
    assert (nobody.status_code, nobody.code) == (404, 40410000)
    nowhere = refused(lambda: desk.trading.get("/watchlists"))
    assert (nowhere.status_code, nowhere.code) == (404, 40410000)
    desk.trading.submit_order(market(5))
    until(desk.trading.get_all_positions, "the position")
    too_many = refused(
        lambda: desk.trading.submit_order(
            LimitOrderRequest(symbol="AAPL", qty=6, side=SELL, time_in_force=GTC, order_class=OrderClass.OCO, **exits())
        )
    )
    assert (too_many.status_code, too_many.code) == (403, 40310000)


# ------------------------------------------------------------------------------------------------------------ reading


def test_accounts_assets_clock_and_calendar_are_read(desk: Desk) -> None:
    trading = desk.trading
    account = trading.get_account()
    assert (account.account_number, account.status, account.trading_blocked) == ("default", "ACTIVE", False)
    assert trading.get_account_configurations().suspend_trade is False
    asset = trading.get_asset("AAPL")
    assert trading.get_asset(asset.id) == asset
    assert {"AAPL", "BTCUSDT"} <= {each.symbol for each in trading.get_all_assets()}
    clock = trading.get_clock()
    assert clock.next_close > clock.timestamp
    days = trading.get_calendar(GetCalendarRequest(start="2026-12-01", end="2026-12-02"))
    assert [str(each.date) for each in days] == ["2026-12-01", "2026-12-02"]
    history = trading.get_portfolio_history()
    assert len(history.timestamp) == len(history.equity) == 2


def test_every_answer_is_valid_by_alpacas_own_file(desk: Desk) -> None:
    raw = desk.raw
    sent = raw.submit_order(market(order_class=OrderClass.BRACKET, **exits()))
    until(raw.get_all_positions, "the position")
    orders = [sent, raw.get_order_by_id(sent["id"], NESTED), *raw.get_orders(GetOrdersRequest(status="all"))]
    orders += [raw.submit_order(limit(180)), raw.close_position("AAPL")]
    assert [told for each in orders for told in complaints(each, "Order")] == []
    assert [told for each in orders for leg in each["legs"] or () for told in complaints(leg, "OrderLeg")] == []
    until(lambda: raw.get_all_positions() == [], "the position to be closed")
    raw.submit_order(market())
    until(raw.get_all_positions, "the position")
    assert complaints(raw.get_open_position("AAPL"), "Position") == []
    assert complaints(raw.get_account(), "Account") == []
    assert complaints(raw.get_account_configurations(), "AccountConfigurations") == []
    assert [told for each in raw.get_all_assets() for told in complaints(each, "Assets")] == []
    assert complaints(raw.get_clock(), "legacy_clock") == []
    assert complaints(raw.get("/calendar"), "legacy_public_calendar_resp") == []
    assert complaints(raw.get_portfolio_history(), "PortfolioHistory") == []
    trades = raw.get("/account/activities/FILL")
    assert [told for each in trades for told in complaints(each, "TradingActivities")] == []
    assert [told for each in raw.cancel_orders() for told in complaints(each, "CanceledOrderResponse")] == []
    assert [told for each in raw.close_all_positions() for told in complaints(each, "PositionClosedResponse")] == []
    quotes = httpx.get(f"{desk.http}/alpaca/v2/stocks/quotes/latest?symbols=AAPL").json()
    assert complaints(quotes, "stock_latest_quotes_resp", DATA) == []


def test_ids_outlive_the_gateway(desk: Desk) -> None:
    order = desk.trading.submit_order(limit(180, order_class=OrderClass.BRACKET, **exits(stop=170)))
    desk.stop()
    desk.start()
    found = desk.trading.get_order_by_id(order.id, NESTED)
    assert (found.id, [each.id for each in found.legs]) == (order.id, [each.id for each in order.legs])
    desk.trading.cancel_order_by_id(order.id)


# ------------------------------------------------------------------------------------------------------------ streams


@contextmanager
def running(stream: Any) -> Iterator[None]:
    thread = threading.Thread(target=stream.run, daemon=True)
    thread.start()
    try:
        until(lambda: stream._running, "the stream to be connected")
        yield
    finally:
        stream.stop()
        thread.join(20)


def test_what_becomes_of_orders_is_streamed(desk: Desk) -> None:
    heard: list[Any] = []

    async def hear(update: Any) -> None:
        heard.append(update)

    stream = TradingStream("key", "secret", url_override=f"{desk.ws}/stream")
    stream.subscribe_trade_updates(hear)

    def of(order: Any, *events: str) -> list[Any]:
        names = lambda: [each.event for each in heard if each.order.id == order.id]  # noqa: E731
        until(lambda: len(names()) >= len(events), f"{events} of the order")
        assert tuple(names()) == events
        return [each for each in heard if each.order.id == order.id]

    with running(stream):
        asyncio.run(asyncio.sleep(0.3))  # `listen` is answered
        bought = desk.trading.submit_order(market(7))
        fill = of(bought, "pending_new", "new", "fill")[-1]
        assert (fill.qty, fill.price, fill.position_qty, fill.order.status) == (7, 190.02, 7, OrderStatus.FILLED)
        assert isinstance(fill.execution_id, UUID)
        sold = desk.trading.submit_order(market(3, SELL))
        assert of(sold, "pending_new", "new", "fill")[-1].position_qty == 4
        order = desk.trading.submit_order(limit(180))
        desk.trading.replace_order_by_id(order.id, ReplaceOrderRequest(qty=12))
        desk.trading.cancel_order_by_id(order.id)
        events = ("pending_new", "new", "pending_replace", "replaced", "pending_cancel", "canceled")
        told = of(order, *events)
        assert [each.order.qty for each in told] == ["10", "10", "10", "12", "12", "12"], "each as it was then"
        refused(lambda: desk.trading.submit_order(limit(180.555)))
        until(lambda: heard[-1].event == "rejected", "the refusal")


def test_markets_are_streamed_and_asked_for(desk: Desk) -> None:
    heard: list[Any] = []

    async def hear(said: Any) -> None:
        heard.append(said)

    stream = StockDataStream("key", "secret", url_override=f"{desk.ws}/v2/iex")
    stream.subscribe_quotes(hear, "AAPL")
    stream.subscribe_trades(hear, "*")
    with running(stream):
        asyncio.run(asyncio.sleep(0.3))  # `subscribe` is answered
        desk.market.shown("AAPL", "191.00", "191.02")
        until(lambda: [each for each in heard if getattr(each, "bid_price", None) == 191], "the quote")
        desk.market.shown("MSFT", "400.00", "400.02")
        desk.trading.submit_order(market(3))
        until(lambda: [each for each in heard if getattr(each, "price", None) == 191.02], "the trade")
        [trade] = [each for each in heard if hasattr(each, "price")]
        assert (trade.symbol, trade.size, trade.timestamp.tzinfo is not None) == ("AAPL", 3, True)
        assert {each.symbol for each in heard} == {"AAPL"}, "nobody asked for quotes of another"
    quote = desk.data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=["AAPL", "MSFT"]))
    assert (quote["AAPL"].ask_price, quote["MSFT"].bid_price) == (191.02, 400.0)
    last = desk.data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="AAPL"))
    assert (last["AAPL"].price, last["AAPL"].size) == (191.02, 3)
    bars = desk.data.get_stock_bars(StockBarsRequest(symbol_or_symbols="AAPL", timeframe=TimeFrame.Day))
    assert bars.data == {}
