"""What an order may be, in people's words: the prices say the type, and what does not fit together is refused."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

import fillstream
from fillstream import OrderFlag, OrdType, Status, Tif


@pytest.mark.parametrize(
    ("price", "terms", "ord_type"),
    [
        (5, {}, OrdType.LIMIT),
        (0, {}, OrdType.LIMIT),
        (-5, {}, OrdType.LIMIT),
        (None, {"stop_price": 7}, OrdType.STOP),
        (None, {"stop_price": 0}, OrdType.STOP),
        (0, {"stop_price": -1}, OrdType.STOP_LIMIT),
        (None, {"offset": 3}, OrdType.TRAILING_STOP),
        (None, {"offset": 9999, "flags": OrderFlag.OFFSET_BPS}, OrdType.TRAILING_STOP),
        (5, {"ord_type": "limit"}, OrdType.LIMIT),
        (None, {"ord_type": OrdType.STOP, "stop_price": 7, "tif": "IOC"}, OrdType.STOP),
        (5, {"stop_price": 7, "display": 2}, OrdType.STOP_LIMIT),
        (5, {"display": 10, "flags": OrderFlag.POST_ONLY | OrderFlag.ICEBERG}, OrdType.LIMIT),
    ],
)
def test_the_prices_say_what_an_order_is(price: int | None, terms: dict[str, Any], ord_type: OrdType) -> None:
    engine = fillstream.Engine()
    result = engine.submit_order("X", "BUY", price, 10, "a", **terms)
    assert result.status in (Status.WORKING, Status.WAITING)
    order = engine.find("a")
    assert (order.ord_type, order.price) == (ord_type, price)
    assert (order.stop_price, order.offset) == (terms.get("stop_price"), terms.get("offset"))
    assert bool(order.flags & OrderFlag.ICEBERG) == ("display" in terms)


def test_orders_that_never_rest() -> None:
    engine = fillstream.Engine()
    engine.submit_order("X", "SELL", 0, 10, "s")
    assert engine.submit_order("X", "BUY", None, 1, "m").trades[0].price == 0
    assert engine.submit_order("X", "BUY", None, 1, "k", ord_type="MARKET_TO_LIMIT").status is Status.FILLED
    assert engine.submit_order("X", "BUY", 0, 20, "f", tif="fok").status is Status.CANCELED
    assert engine.submit_order("X", "BUY", 0, 20, "i", tif=Tif.IOC).filled == 8


@pytest.mark.parametrize(
    ("price", "terms", "sentence"),
    [
        (None, {"ord_type": "LIMIT"}, "price is None, and an order of type LIMIT needs one"),
        (5, {"ord_type": "MARKET"}, "price is 5, and an order of type MARKET takes none"),
        (0, {"ord_type": "MARKET_TO_LIMIT"}, "price is 0, and an order of type MARKET_TO_LIMIT takes none"),
        (5, {"ord_type": "LIMIT", "stop_price": 0}, "stop_price is 0, and an order of type LIMIT takes none"),
        (None, {"ord_type": "STOP"}, "stop_price is None, and an order of type STOP needs one"),
        (5, {"ord_type": "STOP", "stop_price": 5}, "price is 5, and an order of type STOP takes none"),
        (None, {"ord_type": "STOP_LIMIT", "stop_price": 5}, "price is None, and an order of type STOP_LIMIT needs one"),
        (None, {"stop_price": 5, "offset": 5}, "offset is 5, and an order of type STOP takes none"),
        (5, {"offset": 5}, "price is 5, and an order of type TRAILING_STOP takes none"),
        (None, {"ord_type": "TRAILING_STOP"}, "offset is None, and an order of type TRAILING_STOP needs one"),
        (None, {"offset": 0}, "offset is 0, and must be between 1 and 4611686018427387903"),
        (None, {"offset": 10000, "flags": OrderFlag.OFFSET_BPS}, "offset is 10000, and must be between 1 and 9999"),
        (5, {"flags": OrderFlag.OFFSET_BPS}, "flags has OFFSET_BPS, and an order of type LIMIT has no offset"),
        (5, {"display": 2, "offset": 3}, "price is 5, and an order of type TRAILING_STOP takes none"),
        (None, {"display": 2, "offset": 3}, "display is 2, and an order of type TRAILING_STOP with GTC takes none"),
        (None, {"display": 2}, "display is 2, and an order of type MARKET with GTC takes none"),
        (5, {"display": 2, "tif": "IOC"}, "display is 2, and an order of type LIMIT with IOC takes none"),
        (5, {"display": 2, "flags": OrderFlag.ALL_OR_NONE}, "display is 2, and an ALL_OR_NONE order takes none"),
        (5, {"display": 11}, "display is 11, and must be between 1 and 10"),
        (5, {"display": 0}, "display is 0, and must be between 1 and 10"),
        (5, {"flags": OrderFlag.ICEBERG}, "flags has ICEBERG, and display is None"),
        (
            5,
            {"flags": OrderFlag.POST_ONLY, "tif": "FOK"},
            "flags is .*LIMIT, tif FOK: POST_ONLY and ALL_OR_NONE are for",
        ),
        (None, {"flags": OrderFlag.ALL_OR_NONE}, "flags is .*MARKET, tif GTC: POST_ONLY and ALL_OR_NONE are for"),
        (5, {"tif": "GTD"}, "expiry_ms is None, and a GTD order needs one"),
        (5, {"expiry_ms": 0}, "expiry_ms is 0, and must be between 1 and 18446744073709551615"),
        (5, {"account": 0}, "account is 0, and must be between 1 and 4294967295"),
        (5, {"tif": "GTX"}, "tif is 'GTX', and must be DAY, GTC, IOC, FOK or GTD"),
        (5, {"tif": 1}, "tif is 1, and must be DAY"),
        (5, {"ord_type": 9}, "ord_type is 9, and must be MARKET, LIMIT, STOP"),
        (5, {"stp": "ALL"}, "stp is 'ALL', and must be NONE, CANCEL_RESTING"),
        (5, {"flags": 3}, "flags is 3, and must be an OrderFlag: POST_ONLY"),
        (5, {"flags": OrderFlag(64)}, "flags is .*64.*, and must be an OrderFlag"),
        (2**62, {}, "price is 4611686018427387904, and must be between -4611686018427387903 and"),
        (None, {"stop_price": 2**62}, "stop_price is 4611686018427387904, and must be between"),
    ],
)
def test_what_does_not_fit_together_is_refused(price: int | None, terms: dict[str, Any], sentence: str) -> None:
    engine = fillstream.Engine()
    before = engine.snapshot()
    with pytest.raises(ValueError, match=f"^{sentence}"):
        engine.submit_order("X", "BUY", price, 10, "a", **terms)
    assert engine.snapshot() == before


def test_an_iceberg_has_at_most_ten_thousand_tips() -> None:
    engine = fillstream.Engine()
    with pytest.raises(ValueError, match="display is 1, and must be between 2 and 10001"):
        engine.submit_order("X", "BUY", 5, 10_001, "a", display=1)
    assert engine.submit_order("X", "BUY", 5, 10_000, "a", display=1).status is Status.WORKING


@pytest.mark.parametrize("value", [1.5, 1.0, Decimal(1), Fraction(3, 2), "1", b"1", True, float("nan"), [], 1j])
@pytest.mark.parametrize("field", ["price", "qty", "stop_price", "display", "offset", "account", "expiry_ms"])
def test_integers_alone(field: str, value: Any) -> None:
    engine = fillstream.Engine()
    terms: dict[str, Any] = {"price": None if field in ("stop_price", "offset") else 5, "qty": 10, field: value}
    with pytest.raises(TypeError, match=f"^{field} is .*, and must be an integer"):
        engine.submit_order("X", "BUY", client_id="a", **terms)
    assert engine.symbols() == ()


def test_integers_of_numpy_are_integers() -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is the optional extra `research`")
    engine = fillstream.Engine()
    order = engine.submit_order("X", numpy.str_("BUY"), numpy.int64(5), numpy.uint8(6), numpy.int32(7))
    assert (type(order.client_id), engine.find(7).price, engine.find(7).leaves) == (int, 5, 6)
    engine.set_session("X", "AUCTION", numpy.int64(5))
    assert fillstream.Engine().restore(engine.snapshot()) is None
    with pytest.raises(TypeError, match=r"qty is np\.float64"):
        engine.submit_order("X", "BUY", 1, numpy.float64(5), "a")
