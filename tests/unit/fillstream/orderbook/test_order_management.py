"""The order list as the founding document of the order management prototype calls it."""

import copy
import pickle
import sys
import threading
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

import fillstream
from fillstream.orderbook.order_management import OrderFill, OrderManagement, Side


def filled() -> OrderManagement:
    om = fillstream.OrderManagement()
    om.add_order(1, "JPM", Side.BUY, 20, 20)
    om.add_order(4, "JPM", Side.BUY, 10, 21)
    return om


def test_it_reads_buys_lowest_first_and_sells_highest_first() -> None:
    om = filled()
    om.add_order(5, "JPM", Side.SELL, 10, 19)
    om.add_order(6, "JPM", Side.SELL, 10, 30)
    assert [om.calculate_price("JPM", Side.BUY, n) for n in (20, 10, 22, 99)] == [400, 200, 442, 610]
    assert om.calculate_price("JPM", Side.SELL, 12) == 10 * 30 + 2 * 19
    assert om.calculate_price("GS", Side.BUY, 1) == 0
    trade = om.place_trade("JPM", Side.BUY, 22)
    assert (trade.amount, trade.total_price) == (22, 442)
    assert trade.fills == (OrderFill(1, 20, 20), OrderFill(4, 2, 21))
    assert om.place_trade("JPM", Side.BUY, 99).amount == 8
    assert om.place_trade("JPM", Side.BUY, 1) == ("JPM", Side.BUY, 0, 0, ())


def test_a_side_is_a_side_or_its_word() -> None:
    om = fillstream.OrderManagement()
    om.add_order(1, "JPM", "BUY", 20, 20)
    om.add_order(4, "JPM", "buy", 10, 21)
    om.add_order(5, "JPM", "Sell", 10, 19)
    assert [om.calculate_price("JPM", side, 22) for side in ("BUY", "buy", Side.BUY)] == [442, 442, 442]
    trade = om.place_trade("JPM", "BUY", 22)
    assert (trade.side, trade.total_price) == (Side.BUY, 442)
    assert om.calculate_price("JPM", "SELL", 5) == 95


@pytest.mark.parametrize("side", ["junk", "", "B", None, 1, 2, 3, 1.0, True, []])
def test_any_other_side_is_refused_by_every_method(side: Any) -> None:
    om = filled()
    for call in (
        lambda: om.add_order(9, "JPM", side, 1, 1),
        lambda: om.calculate_price("JPM", side, 1),
        lambda: om.place_trade("JPM", side, 1),
    ):
        with pytest.raises(ValueError, match=r"side is .*, and must be BUY or SELL\."):
            call()
    assert om.calculate_price("JPM", "BUY", 99) == 610


NO_INTEGERS: list[Any] = [1.5, 1.0, Decimal(5), Decimal("1.9"), Fraction(3), "5", None, True, float("nan"), [], 1 + 0j]


@pytest.mark.parametrize("value", NO_INTEGERS)
def test_integers_alone(value: Any) -> None:
    om = filled()
    calls = {
        "amount": [
            lambda: om.add_order(9, "JPM", "BUY", value, 5),
            lambda: om.calculate_price("JPM", "BUY", value),
            lambda: om.calculate_price("never seen", "BUY", value),
            lambda: om.place_trade("JPM", "BUY", value),
        ],
        "price": [lambda: om.add_order(9, "JPM", "BUY", 5, value)],
        "order_id": [lambda: om.add_order(value, "JPM", "BUY", 5, 5), lambda: om.remove_order(value)],
    }
    for field, each in calls.items():
        for call in each:
            with pytest.raises(TypeError, match=f"^{field} is .*, and must be an integer"):
                call()
    assert om.calculate_price("JPM", "BUY", 99) == 610


def test_integers_of_numpy_are_integers_and_its_floats_are_none() -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is the optional extra `research`")
    om = fillstream.OrderManagement()
    om.add_order(numpy.int64(1), "JPM", "BUY", numpy.uint8(20), numpy.int32(20))
    assert om.calculate_price("JPM", "BUY", numpy.int16(2)) == 40
    with pytest.raises(TypeError, match=r"price is .*1\.9"):
        om.add_order(2, "JPM", "BUY", 1, numpy.float64(1.9))


@pytest.mark.parametrize(
    ("amount", "price", "sentence"),
    [
        (0, 1, "amount is 0, and must be between 1 and 1000000000000000."),
        (-1, 1, "amount is -1, and must be between 1"),
        (10**15 + 1, 1, "amount is 1000000000000001, and must be"),
        (1 << 20000, 1, "amount is an integer of 20001 bits, and must be"),
        (1, -1, "price is -1, and must be between 0 and 4611686018427387903."),
        (1, 2**62, "price is 4611686018427387904, and must be"),
    ],
    ids=range(6),
)
def test_what_is_out_of_range_is_named_with_its_limits(amount: int, price: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        filled().add_order(9, "JPM", "BUY", amount, price)


def test_ids_twice_and_unknown_ones_are_refused() -> None:
    om = fillstream.OrderManagement()
    om.add_order(1, "JPM", Side.BUY, 20, 20)
    with pytest.raises(ValueError, match="order_id is 1, and an order has it"):
        om.add_order(1, "GS", Side.SELL, 1, 1)
    om.remove_order(1)
    with pytest.raises(ValueError, match="no order has it"):
        om.remove_order(1)
    om.add_order(1, "JPM", Side.BUY, 1, 1)
    with pytest.raises(TypeError, match="symbol is None, and must be a str"):
        om.add_order(2, None, "BUY", 1, 1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="symbol is '', and must not be empty"):
        om.calculate_price("", "BUY", 1)


def test_what_is_refused_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fillstream.orderbook.order_management.MAX_SYMBOL", 1)
    om = fillstream.OrderManagement()
    om.add_order(1, "A", "BUY", 10**15, 1)
    for n in range(9):
        with pytest.raises((TypeError, ValueError)):
            om.add_order(2, f"S{n}", "BUY", 1, -1)
        with pytest.raises(ValueError, match="order_id is 1"):
            om.add_order(1, f"S{n}", "BUY", 1, 1)
    om.add_order(2, "B", "BUY", 1, 1)
    with pytest.raises(ValueError, match="symbol is 'C', and there is room for 2 symbols and sides"):
        om.add_order(3, "C", "BUY", 1, 1)


def test_totals_are_exact_however_large() -> None:
    om = fillstream.OrderManagement()
    for order_id in (1, 2):
        om.add_order(order_id, "J", "BUY", 10**15, 2**62 - 1)
    assert om.calculate_price("J", "BUY", 10**15) == 10**15 * (2**62 - 1)


def test_a_side_of_a_book_holds_2_to_the_63_lots() -> None:
    om = fillstream.OrderManagement()
    for order_id in range((2**63 - 1) // 10**15):
        om.add_order(order_id, "J", "BUY", 10**15, 5)
    with pytest.raises(ValueError, match="order_id is -1, and the engine refuses it: CAPACITY"):
        om.add_order(-1, "J", "BUY", 10**15, 5)


def test_threads_may_share_one() -> None:
    om = fillstream.OrderManagement()
    interval = sys.getswitchinterval()
    traded = []

    def work(first: int) -> None:
        for order_id in range(first, first + 2000):
            om.add_order(order_id, "J", "BUY", 3, order_id)
            traded.append(om.place_trade("J", "BUY", 2).amount)

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 10**6)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert sum(traded) == 2 * 4000
    assert om.place_trade("J", "BUY", 10**9).amount == 4000


def test_it_says_what_it_is_and_is_not_copied() -> None:
    om = filled()
    assert repr(om) == "<fillstream.OrderManagement: 2 orders>"
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            attempt(om)
