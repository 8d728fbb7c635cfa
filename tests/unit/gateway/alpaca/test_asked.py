"""What Alpaca's clients ask for becomes our signals, or a sentence; nothing that was asked for is left out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillstream.services.gateway.alpaca import asked
from fillstream.services.gateway.asking import checked
from fillstream.services.gateway.http.exact import decoded
from fillstream.services.gateway.http.problems import Refusal

PLAIN = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}
LIMIT = {**PLAIN, "type": "limit", "limit_price": "190"}
TARGET, STOP = {"take_profit": {"limit_price": "200"}}, {"stop_loss": {"stop_price": "180"}}
OCO = {**PLAIN, "side": "sell", "type": "limit", "order_class": "oco", **TARGET, **STOP}
ROW = {"order_id": "7", "client_order_id": "c7", "time_in_force": "GTC", "order_type": "LIMIT"}


def signal(said: dict[str, Any]) -> dict[str, Any]:
    """Return the signal of a body, which our contracts take."""
    return checked(asked.named(asked.new_order(said, lambda each: each), "s1", "default"))


def refused(said: dict[str, Any]) -> str:
    with pytest.raises(Refusal) as found:
        signal(said)
    assert found.value.status == 422
    return found.value.detail


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, {"order_type": "MARKET", "quantity": "10"}),
        ({"qty": None, "notional": "500.5"}, {"order_type": "MARKET", "notional": "500.5"}),
        ({"type": "limit", "limit_price": "190.1"}, {"order_type": "LIMIT", "price": "190.1"}),
        ({"type": "stop", "stop_price": "195"}, {"order_type": "STOP", "stop_price": "195"}),
        (
            {"type": "stop_limit", "stop_price": "195", "limit_price": "196"},
            {"order_type": "STOP_LIMIT", "stop_price": "195", "price": "196"},
        ),
        (
            {"type": "trailing_stop", "trail_price": "1.5"},
            {"order_type": "TRAILING_STOP", "trailing_offset": "1.5", "trailing_offset_type": "PRICE"},
        ),
        (
            {"type": "trailing_stop", "trail_percent": "2"},
            {"order_type": "TRAILING_STOP", "trailing_offset": "2", "trailing_offset_type": "PERCENT"},
        ),
        ({"position_intent": "buy_to_close"}, {"reduce_only": True, "side": "BUY"}),
        ({"side": None, "position_intent": "sell_to_close"}, {"reduce_only": True, "side": "SELL"}),
        ({"client_order_id": "mine"}, {"client_order_id": "mine"}),
        ({"extended_hours": False, "order_class": ""}, {"quantity": "10"}),
        ({**LIMIT, "order_class": "bracket", **TARGET, **STOP}, {"take_profit": "200", "stop_loss": "180"}),
        ({"order_class": "oto", **STOP}, {"stop_loss": "180"}),
        ({"order_class": "oto", **TARGET}, {"take_profit": "200"}),
    ],
)
def test_an_order_becomes_a_signal(more: dict[str, Any], says: dict[str, Any]) -> None:
    found = signal({**PLAIN, **more})
    head = {"type": "NewOrder", "signal_id": "s1", "account": "default", "symbol": "AAPL", "time_in_force": "DAY"}
    assert {**head, "side": "BUY", **says}.items() <= found.items()
    extra = found.keys() - head.keys() - says.keys() - {"side", "order_type", "quantity", "price"}
    assert extra == set(), "nothing is added"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("day", "DAY"),
        ("gtc", "GTC"),
        ("ioc", "IOC"),
        ("fok", "FOK"),
        ("opg", "AT_THE_OPENING"),
        ("cls", "AT_THE_CLOSE"),
    ],
)
def test_every_time_in_force_has_a_word(theirs: str, ours: str) -> None:
    assert signal({**LIMIT, "time_in_force": theirs})["time_in_force"] == ours


def test_an_oco_is_a_list_of_two_that_only_close() -> None:
    found = signal({**OCO, "client_order_id": "mine"})
    assert (found["type"], found["contingency_type"], found["list_id"]) == (
        "NewOrderList",
        "ONE_CANCELS_OTHER",
        "mine",
    )
    first, second = found["orders"]
    assert (first["client_order_id"], first["order_type"], first["price"]) == ("mine", "LIMIT", "200")
    assert (second["order_type"], second["stop_price"]) == ("STOP", "180")
    assert "client_order_id" not in second
    assert all(each["reduce_only"] and each["side"] == "SELL" and each["quantity"] == "10" for each in (first, second))
    limited = signal({**OCO, "stop_loss": {"stop_price": "180", "limit_price": "179"}})["orders"][1]
    assert (limited["order_type"], limited["price"]) == ("STOP_LIMIT", "179")
    assert signal(OCO)["list_id"] == "s1", "without a name of the client's it is the signal's"


def test_an_oto_whose_stop_has_a_limit_is_a_list() -> None:
    found = signal({**LIMIT, "order_class": "oto", "stop_loss": {"stop_price": "180", "limit_price": "179"}})
    assert found["contingency_type"] == "ONE_TRIGGERS_OTHER"
    entry, stop = found["orders"]
    assert (entry["side"], entry["price"]) == ("BUY", "190")
    assert (stop["side"], stop["order_type"], stop["price"], stop["stop_price"]) == ("SELL", "STOP_LIMIT", "179", "180")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({**PLAIN, "symbol": None}, "symbol: is missing"),
        ({**PLAIN, "side": "long"}, "side: 'long' must be one of buy, sell"),
        ({**PLAIN, "type": None}, "type: is missing"),
        ({**PLAIN, "type": "iceberg"}, "type: 'iceberg' must be one of"),
        ({**PLAIN, "time_in_force": "gtd"}, "time_in_force: 'gtd' must be one of"),
        ({**PLAIN, "qty": None}, "qty: give exactly one of qty and notional"),
        ({**PLAIN, "notional": "5"}, "qty: give exactly one of qty and notional"),
        ({**PLAIN, "qty": "ten"}, "qty: 'ten' must be a number above 0"),
        ({**PLAIN, "qty": "-1"}, "qty: '-1' must be a number above 0"),
        ({**PLAIN, "qty": True}, "qty: True must be a number above 0"),
        ({**PLAIN, "qty": Decimal("Infinity")}, "qty: "),
        ({**PLAIN, "limit_price": "1"}, "limit_price: a market order has none, got 1"),
        ({**PLAIN, "type": "limit"}, "limit_price: a limit order needs one"),
        ({**PLAIN, "type": "stop"}, "stop_price: a stop order needs one"),
        ({**PLAIN, "type": "trailing_stop"}, "trail_price: a trailing_stop order needs exactly one"),
        ({**PLAIN, "type": "trailing_stop", "trail_price": "1", "trail_percent": "1"}, "trail_price: a trailing_stop"),
        ({**LIMIT, "extended_hours": True}, "extended_hours: is not supported"),
        ({**LIMIT, "advanced_instructions": {"algorithm": "TWAP"}}, "advanced_instructions: is not supported"),
        ({**LIMIT, "legs": [{}]}, "legs: is not supported"),
        ({**LIMIT, "order_class": "mleg"}, "order_class: mleg is not supported"),
        ({**LIMIT, "order_class": "both"}, "order_class: 'both' must be one of simple, bracket, oco, oto"),
        ({**LIMIT, "position_intent": "buy_to_open"}, "position_intent: 'buy_to_open' is not supported"),
        ({**PLAIN, "position_intent": "sell_to_close"}, "side: 'buy' is another than position_intent"),
        ({**LIMIT, **STOP}, "stop_loss: comes with an order_class"),
        ({**LIMIT, "order_class": "bracket", **STOP}, "take_profit: is missing"),
        ({**LIMIT, "order_class": "bracket", **TARGET}, "stop_loss: is missing"),
        ({**LIMIT, "order_class": "bracket", **TARGET, "stop_loss": {}}, "stop_loss.stop_price: is missing"),
        (
            {**LIMIT, "order_class": "bracket", **TARGET, "stop_loss": {"stop_price": "1", "limit_price": "1"}},
            "stop_loss.limit_price: is not supported",
        ),
        ({**LIMIT, "order_class": "oto"}, "take_profit: an oto order has exactly one"),
        ({**LIMIT, "order_class": "oto", **TARGET, **STOP}, "take_profit: an oto order has exactly one"),
        ({**OCO, "type": "market"}, "type: 'market' must be limit of an oco order"),
        ({**OCO, "limit_price": "199"}, "limit_price: 199 is another than take_profit.limit_price, 200"),
        ({**OCO, "qty": None, "notional": "1"}, "notional: an oco order needs a qty"),
        ({**LIMIT, "take_proffit": {}}, "take_proffit: is no field here"),
        ({**LIMIT, "order_class": "bracket", **STOP, "take_profit": 5}, "take_profit: 5 must be an object"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_its_field(said: dict[str, Any], told: str) -> None:
    assert refused(said).startswith(told)


@given(st.decimals(min_value="0.000000001", max_value="1e12", places=9))
def test_numbers_are_exact_however_they_are_written(number: Decimal) -> None:
    for written in (f'"{number}"', f"{number}", f"{number:e}"):
        body = decoded(f'{{"symbol":"A","qty":{written},"side":"buy","type":"market","time_in_force":"day"}}'.encode())
        found = signal(body)["quantity"]
        assert Decimal(found) == number
        assert "e" not in found.lower()


# --------------------------------------------------------------------------------------------------------- amendments


def test_an_amendment_names_the_order_and_what_changes() -> None:
    said = {"qty": Decimal(12), "limit_price": Decimal("181.5"), "time_in_force": "gtc", "client_order_id": "c7"}
    found = asked.amendment(said, ROW, None)
    assert found == {"type": "ReplaceOrder", "order_id": "7", "quantity": "12", "price": "181.5"}
    assert asked.amendment({"stop_price": "5"}, ROW, None)["stop_price"] == "5"


def test_an_exit_is_amended_by_its_bracket() -> None:
    assert asked.amendment({"limit_price": "201"}, ROW, "take_profit")["take_profit"] == "201"
    assert asked.amendment({"stop_price": "181"}, ROW, "stop_loss")["stop_loss"] == "181"


@pytest.mark.parametrize(
    ("said", "role", "told"),
    [
        ({}, None, "qty: an amendment changes one or several of qty, limit_price, stop_price"),
        ({"time_in_force": "day"}, None, "time_in_force: 'day' is another than the order's, gtc"),
        ({"client_order_id": "other"}, None, "client_order_id: an amended order keeps its name"),
        ({"trail": "1"}, None, "trail: the distance of a trailing stop stays"),
        ({"notional": "1"}, None, "notional: an order's size is amended by its qty"),
        ({"qty": "5"}, "stop_loss", "qty: an exit of a bracket is as large as what its entry has filled"),
        ({"stop_price": "5"}, "take_profit", "stop_price: has none"),
        ({"quantity": "5"}, None, "quantity: is no field here"),
    ],
)
def test_what_cannot_be_amended_is_refused(said: dict[str, Any], role: str | None, told: str) -> None:
    with pytest.raises(Refusal) as found:
        asked.amendment(said, ROW, role)
    assert found.value.detail.startswith(told)


# ------------------------------------------------------------------------------------------------------------ closing


@pytest.mark.parametrize(
    ("held", "lot", "percentage", "quantity"),
    [("15", "1", "50", "7"), ("-15", "1", "50", "7"), ("0.5", "0.001", "33.3333", "0.166"), ("15", "1", "100", None)],
)
def test_a_percentage_is_rounded_down_to_the_lot(held: str, lot: str, percentage: str, quantity: str | None) -> None:
    position = {"symbol": "AAPL", "position": held}
    found = asked.closing(position, {"lot_size": lot}, None, percentage)
    assert found.get("quantity") == quantity
    checked({**found, "signal_id": "s"})


@pytest.mark.parametrize(("qty", "percentage"), [("1", "1"), (None, "101"), (None, "0"), (None, "1"), ("0", None)])
def test_no_part_of_a_position_is_refused(qty: str | None, percentage: str | None) -> None:
    with pytest.raises(Refusal):
        asked.closing({"symbol": "AAPL", "position": "15"}, {"lot_size": "1"}, qty, percentage)


def test_a_position_of_an_account_that_hedges_is_named() -> None:
    position = {"symbol": "AAPL", "position": "15", "position_mode": "HEDGING", "position_id": "p1"}
    assert asked.closing(position, None, "5", None)["position_id"] == "p1"
