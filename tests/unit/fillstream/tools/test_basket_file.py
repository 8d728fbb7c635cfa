"""A file of orders: what it says, or what is wrong with it and where."""

from __future__ import annotations

import pytest

from fillstream.tools.basket_file import orders_in

HEAD = "symbol,side,quantity,price\n"


def test_a_csv_is_an_order_a_line_and_an_empty_cell_says_nothing() -> None:
    text = "symbol, side, quantity, price\nAAPL, BUY, 10, 185.00\n\n,,,\nSPY,SELL,0.50,\n"
    assert orders_in(text, is_csv=True) == [
        {"symbol": "AAPL", "side": "BUY", "quantity": "10", "price": "185.00"},
        {"symbol": "SPY", "side": "SELL", "quantity": "0.50"},
    ]


def test_json_keeps_the_digits_of_its_numbers() -> None:
    text = '[{"symbol": "AAPL", "side": "BUY", "quantity": 0.10, "take_profits": [190.10]}]'
    [order] = orders_in(text, is_csv=False)
    assert (order["quantity"], order["take_profits"]) == ("0.10", ["190.10"])


@pytest.mark.parametrize(
    ("text", "is_csv", "told"),
    [
        ("", True, "no order is in it"),
        (HEAD, True, "no order is in it"),
        (HEAD + "AAPL,BUY\n", True, "line 2: has not as many cells as the first line"),
        (HEAD + "AAPL,BUY,1,2,3\n", True, "line 2: has not as many cells as the first line"),
        (HEAD + "AAPL,BUY,1,\nAAPL,HOLD,1,\n", True, "line 3: side: "),
        ("symbol,side,quantity,account\nAAPL,BUY,1,demo\n", True, "line 2: account: "),
        (HEAD + "AAPL,BUY,1,\n" * 501, True, "501 orders are in it, a list has at most 500"),
        ("{", False, "it is no JSON: "),
        ('{"symbol": "AAPL"}', False, "it must be a JSON list of objects"),
        ("[1]", False, "it must be a JSON list of objects"),
        ("[]", False, "no order is in it"),
        ('[{"symbol": "AAPL", "side": "BUY"}]', False, "order 1: quantity: give exactly one of"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, is_csv: bool, told: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        orders_in(text, is_csv)
    assert str(refused.value).startswith(told)


def test_every_wrong_order_is_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"line 2: .*\nline 3: "):
        orders_in(HEAD + "AAPL,BUY,x,\nAAPL,BUY,-1,\n", is_csv=True)
