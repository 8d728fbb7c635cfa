"""Orders, positions, accounts, markets and hours as Alpaca says them: every word, every odd number."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillstream.libs.common.messages.codes import OrderType, OrdStatus, TimeInForce
from fillstream.services.gateway.alpaca import holdings, market, words
from fillstream.services.gateway.alpaca.hours import always, calendar_json, clock_json
from fillstream.services.gateway.alpaca.orders import exits_of, held_leg, order_json, status_of, waiting_order
from fillstream.services.gateway.alpaca.updates import event_of, update_of
from tests.support.alpaca_spec import DATA, complaints

UUID = words.uuid_of("default", "s1")
AAPL = {"symbol": "AAPL", "tick_size": "0.01", "lot_size": "1", "multiplier": "1", "currency": "USD"}
ROW: dict[str, Any] = {
    "order_id": "7", "client_order_id": "c7", "account": "default", "symbol": "AAPL", "side": "BUY",
    "ord_status": "New", "quantity": "10", "cum_qty": "0", "leaves_qty": "10", "signal_id": "s1",
    "order_type": "LIMIT", "price": "190.25", "time_in_force": "GTC", "venue": "SIM", "avg_px": None,
    "received_time": 1_796_000_000_000, "updated_time": 1_796_000_000_123,
}  # fmt: skip
POSITION: dict[str, Any] = {
    "account": "default", "symbol": "AAPL", "currency": "USD", "position": "-15", "avg_px": "190.02", "cash": "2850.3",
    "mark_px": "190.52", "unrealized_pnl": "-7.5", "day_pnl": "-7.5",
}  # fmt: skip


def said(**more: Any) -> dict[str, Any]:
    found = order_json({**ROW, **more}, UUID, AAPL, "simple")
    assert complaints(found, "Order") == []
    return found


def test_alpacas_own_file_refuses_what_is_wrong() -> None:
    assert complaints({**said(), "status": "open"}, "Order")
    assert complaints({**said(), "id": "7"}, "Order")
    assert complaints({**said(), "position_intent": None}, "Order")


@pytest.mark.parametrize("status", OrdStatus)
def test_every_status_has_one_of_theirs(status: OrdStatus) -> None:
    snake = "".join(f"_{each.lower()}" if each.isupper() else each for each in status.value).lstrip("_")
    assert said(ord_status=status.value)["status"] == snake


@pytest.mark.parametrize("kind", OrderType)
def test_every_type_has_one_of_theirs(kind: OrderType) -> None:
    more = {"price": "190" if kind.priced else None, "stop_price": "191" if kind.stopped else None}
    found = said(order_type=kind.value, **more)
    assert found["type"] == found["order_type"] == words.TYPES[kind]
    assert (found["limit_price"], found["stop_price"]) == (more["price"], more["stop_price"])


@pytest.mark.parametrize("tif", TimeInForce)
def test_every_time_in_force_has_one_of_theirs(tif: TimeInForce) -> None:
    found = said(time_in_force=tif.value, expire_time=1_796_000_600_000 if tif is TimeInForce.GTD else None)
    assert found["time_in_force"] == words.TIMES[tif]
    assert ("expires_at" in found) == (tif is TimeInForce.GTD)


@pytest.mark.parametrize(
    ("offset", "kind", "price", "percent"),
    [
        ("1.5", "PRICE", "1.5", None),
        ("2", "PERCENT", None, "2"),
        ("150", "BPS", None, "1.5"),
        ("25", "TICKS", "0.25", None),
    ],
)
def test_a_trailing_stop_says_how_far_it_stays_behind(
    offset: str, kind: str, price: str | None, percent: str | None
) -> None:
    found = said(order_type="TRAILING_STOP", price=None, trailing_offset=offset, trailing_offset_type=kind)
    assert (found["trail_price"], found["trail_percent"]) == (price, percent)


def test_a_filled_order_says_when_and_at_what_price() -> None:
    more = {"cum_qty": "10", "avg_px": "190.123456789012", "filled_time": 1_796_000_001_000}
    assert said(ord_status="PartiallyFilled", **more)["filled_at"] is None
    found = said(ord_status="Filled", **more)
    assert (found["filled_qty"], found["filled_avg_price"]) == ("10", "190.123456789012")
    assert found["filled_at"] == "2026-11-30T00:53:21Z"


def test_an_order_by_money_has_no_quantity() -> None:
    found = said(notional="1000")
    assert (found["notional"], found["qty"]) == ("1000", None)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, "suspended"),
        ({"emulated": True}, "new"),
        ({"approval_time": 1}, "accepted"),
        ({"effective_time": 1}, "accepted"),
        ({"emulated": True, "list_id": "c6"}, "held"),
        ({"emulated": True, "parent_id": "6"}, "held"),
        ({"emulated": True, "list_id": "c7"}, "new"),
    ],
)
def test_what_the_desk_holds_says_for_what(more: dict[str, Any], status: str) -> None:
    assert status_of({**ROW, "ord_status": "Suspended", **more}) == status


def test_exits_are_told_before_they_are_orders_and_go_with_their_entry() -> None:
    entry = {**ROW, "take_profit": "200", "stop_loss": "180", "list_id": "c7"}
    exits = exits_of(entry, None)
    assert {role: (each["limit_price"], each["stop_price"]) for role, each in exits.items()} == {
        "take_profit": ("200", None), "stop_loss": (None, "180"),
    }  # fmt: skip
    legs = [held_leg(entry, role, each, AAPL, "bracket") for role, each in exits.items()]
    assert [complaints(each, "OrderLeg") for each in legs] == [[], []]
    assert [(each["status"], each["side"], each["type"]) for each in legs] == [
        ("held", "sell", "limit"), ("held", "sell", "stop"),
    ]  # fmt: skip
    gone = held_leg({**entry, "ord_status": "Canceled"}, "stop_loss", exits["stop_loss"], AAPL, "bracket")
    assert gone["status"] == "canceled"
    assert gone["id"] == legs[1]["id"]
    in_part = held_leg(
        {**entry, "ord_status": "Canceled", "cum_qty": "3"}, "stop_loss", exits["stop_loss"], AAPL, "oto"
    )
    assert in_part["status"] == "held", "what was filled is protected"
    amended = exits_of(entry, {"contingency_type": "BRACKET", "stop_loss": "181.00", "take_profits": "201.00:1"})
    assert (amended["stop_loss"]["stop_price"], amended["take_profit"]["limit_price"]) == ("181.00", "201.00")


def test_an_order_that_nobody_answered_yet_is_accepted_and_has_its_id() -> None:
    signal = {"type": "NewOrder", "signal_id": "s1", "symbol": "AAPL", "side": "BUY", "quantity": "5",
              "order_type": "LIMIT", "price": "190", "time_in_force": "DAY"}  # fmt: skip
    found = waiting_order(signal, UUID, 1_796_000_000_000, AAPL)
    assert complaints(found, "Order") == []
    assert (found["id"], found["status"], found["client_order_id"], found["qty"]) == (UUID, "accepted", "s1", "5")
    closing = waiting_order({"type": "ClosePosition", "signal_id": "s2", "symbol": "AAPL"}, UUID, 0, AAPL)
    assert complaints(closing, "Order") == []


@given(
    st.decimals("-1e9", "1e9", places=5), st.decimals("0.0001", "1e6", places=4), st.decimals("-1e9", "1e9", places=8)
)
def test_positions_are_exact_and_never_in_exponents(held: Decimal, price: Decimal, profit: Decimal) -> None:
    if not held:
        return
    row = {**POSITION, "position": str(held), "avg_px": str(price), "mark_px": None, "unrealized_pnl": str(profit)}
    found = holdings.position_json(row, AAPL)
    assert complaints(found, "Position") == []
    assert Decimal(found["cost_basis"]) == Decimal(found["market_value"]) == held * price
    assert found["side"] == ("long" if held > 0 else "short")
    assert not [value for value in found.values() if isinstance(value, str) and "E" in value and value[0].isdigit()]


def test_a_short_position_is_worth_less_than_nothing() -> None:
    found = holdings.position_json(POSITION, AAPL, Decimal(5))
    assert (found["qty"], found["qty_available"], found["side"]) == ("-15", "-10", "short")
    assert (found["cost_basis"], found["market_value"]) == ("-2850.3", "-2857.8")
    assert found["unrealized_plpc"] == "-0.002631"
    assert complaints(found, "Position") == []


def test_what_works_closes_a_position_once_a_group() -> None:
    def order(**more: Any) -> dict[str, Any]:
        return {**ROW, "side": "BUY", "leaves_qty": "4", **more}

    rows = [
        order(order_id="1"), order(order_id="2", list_id="l"), order(order_id="3", list_id="l", leaves_qty="6"),
        order(order_id="4", ord_status="Canceled"), order(order_id="5", side="SELL"), order(order_id="6", symbol="X"),
    ]  # fmt: skip
    assert holdings.reserved(rows, POSITION) == 10
    assert holdings.reserved([*rows, order(order_id="8", leaves_qty="99")], POSITION) == 15, "never more than is held"


def test_an_account_without_cash_counts_what_it_traded_and_may_order_what_its_limit_says() -> None:
    terms = {"account": "default", "max_order_value": "5000", "updated_time": 0}
    found = holdings.account_json("default", terms, "ACTIVE", None, [(POSITION, AAPL)])
    assert complaints(found, "Account") == []
    assert (found["cash"], found["short_market_value"], found["equity"]) == ("2850.3", "-2857.8", "-7.5")
    assert (found["last_equity"], found["buying_power"]) == ("0", "5000")
    assert not found["trading_blocked"]


def test_an_account_with_cash_is_worth_what_the_desk_says() -> None:
    value = {"currency": "EUR", "cash_balance": "90", "equity": "100", "day_pnl": "5", "buying_power": "40",
             "long_exposure": "30", "short_exposure": "20", "margin_used": None}  # fmt: skip
    terms = {"may_short": False, "updated_time": 0}
    found = holdings.account_json("default", terms, "HALTED", value, [])
    assert complaints(found, "Account") == []
    assert (found["currency"], found["cash"], found["buying_power"]) == ("EUR", "90", "40")
    assert (found["last_equity"], found["short_market_value"]) == ("95", "-20")
    assert (found["trading_blocked"], found["trade_suspended_by_user"], found["shorting_enabled"]) == (
        True,
        True,
        False,
    )


def test_what_is_quoted_in_a_coin_is_crypto() -> None:
    coin = {**AAPL, "symbol": "BTCUSDT", "currency": "USDT", "lot_size": "0.00001"}
    found = holdings.asset_json(coin, False)
    assert complaints(found, "Assets") == []
    assert (found["class"], found["exchange"], found["fractionable"], found["shortable"]) == (
        "crypto", "CRYPTO", True, False,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- updates and markets


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ({"type": "OrderReceived"}, "pending_new"),
        ({"type": "OrderAccepted"}, "new"),
        ({"type": "OrderFilled", "ord_status": "PartiallyFilled"}, "partial_fill"),
        ({"type": "OrderFilled", "ord_status": "Filled"}, "fill"),
        ({"type": "OrderSuspended"}, "held"),
        ({"type": "OrderProgressed"}, None),
    ],
)
def test_events_have_their_names(event: dict[str, Any], name: str | None) -> None:
    assert event_of(event, "held") == name


def test_a_trade_is_told_with_its_size_and_an_id() -> None:
    event = {"type": "OrderFilled", "ord_status": "Filled", "time": 0, "exec_id": "SIM-0-1-B", "venue": "SIM",
             "last_qty": "5", "last_px": "190.02"}  # fmt: skip
    found = update_of(event, said())
    assert found is not None
    assert (found["qty"], found["price"], found["timestamp"]) == ("5", "190.02", "1970-01-01T00:00:00Z")
    assert words.is_uuid(found["execution_id"])


def test_markets_are_as_alpacas_data_has_them() -> None:
    quote = market.quote_json(
        {"updated_time": 1, "bid_px": "190.00", "bid_qty": "0.5", "ask_px": None, "ask_qty": None}
    )
    assert complaints(quote, "stock_quote", DATA) == []
    assert (quote["bp"], quote["bs"], quote["ap"], quote["as"]) == (190.0, 0, 0.0, 0)
    trade = market.trade_json({"number": 7, "price": "190.02", "quantity": "5", "time": 1})
    assert complaints(trade, "stock_trade", DATA) == []
    assert (trade["p"], trade["s"], trade["i"]) == (190.02, 5, 7)
    assert complaints(market.trade_json({"last_px": "190", "updated_time": 1}), "stock_trade", DATA) == []


# -------------------------------------------------------------------------------------------------------------- hours

HOUR, DAY = 3_600_000, 86_400_000


def test_the_clock_goes_by_the_sessions() -> None:
    sessions = [("a", 10 * HOUR, 16 * HOUR), ("b", DAY + 10 * HOUR, DAY + 16 * HOUR)]
    before, within, after = (clock_json(sessions, hours * HOUR) for hours in (9, 12, 17))
    assert [each["is_open"] for each in (before, within, after)] == [False, True, False]
    assert (before["next_open"], before["next_close"]) == ("1970-01-01T10:00:00Z", "1970-01-01T16:00:00Z")
    assert (within["next_open"], within["next_close"]) == ("1970-01-02T10:00:00Z", "1970-01-01T16:00:00Z")
    assert (after["next_open"], after["next_close"]) == ("1970-01-02T10:00:00Z", "1970-01-02T16:00:00Z")
    assert [complaints(each, "legacy_clock") for each in (before, within, clock_json([], 0))] == [[], [], []]


def test_a_desk_without_calendars_trades_every_day() -> None:
    first, last = date(2026, 11, 30), date(2026, 12, 2)
    found = calendar_json(always(first, last), "UTC", first, last)
    assert [each["date"] for each in found] == ["2026-11-30", "2026-12-01", "2026-12-02"]
    assert {(each["open"], each["close"]) for each in found} == {("00:00", "23:59")}
    assert [told for each in found for told in complaints(each, "legacy_calendar_day")] == []
    assert clock_json(always(first, last), 1_796_000_000_000)["is_open"]


def test_the_calendar_goes_by_the_clock_of_its_place() -> None:
    opens = 1_796_049_000_000  # 2026-11-30 14:30 UTC
    found = calendar_json([("x", opens, opens + 6 * HOUR + HOUR // 2)], "America/New_York", date.min, date.max)
    assert [(each["date"], each["open"], each["close"]) for each in found] == [("2026-11-30", "09:30", "16:00")]
