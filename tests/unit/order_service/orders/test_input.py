"""What else comes through the inbox of the orders stage: quotes, ticks, configuration and rubbish."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import ReportType
from fillstream.libs.common.messages.codes import OrderType
from fillstream.libs.common.messages.topology import Topology
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support.hostile import letters, refusals
from tests.support.orders import CONFIG, D, OrdersDesk, new_order, report
from tests.support.terms import account, but, instrument


@pytest.fixture
def desk() -> OrdersDesk:
    made = OrdersDesk()
    made.quote(18490, 18500)
    return made


def types_of(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


# ----------------------------------------------------------------------------------------- quotes, ticks, configuration


def test_a_tick_tells_each_quote_that_changed_once(desk: OrdersDesk) -> None:
    [event] = desk.tick()
    assert (event["type"], event["bid_px"], event["ask_px"], event["last_px"]) == (
        "QuoteUpdated",
        "184.90",
        "185.00",
        None,
    )
    assert desk.tick() == []
    desk.quote(18490, 18500)
    assert desk.tick() == []
    desk.fold({b"frame": report(ReportType.PRINTED, price=18495, qty=3, side=1, partition=frames.PARTITION_ALL)})
    desk.quote(0, 0, symbol="ES", bid_qty=0, ask_qty=0)
    desk.quote(18491, 18500, bid_qty=7)
    [event] = desk.tick()
    assert (event["bid_px"], event["bid_qty"], event["last_px"]) == ("184.91", "7", "184.95")
    desk.fold({b"frame": report(ReportType.PRINTED, price=18495, qty=9, side=2, partition=frames.PARTITION_ALL)})
    assert desk.tick() == []
    desk.quote(0, 18500, bid_qty=0)
    [event] = desk.tick()
    assert (event["bid_px"], event["bid_qty"]) == (None, "0")


def test_a_quote_of_no_instrument_or_no_quantity_goes_to_dead(desk: OrdersDesk) -> None:
    everyone = frames.PARTITION_ALL
    assert desk.refused(report(ReportType.QUOTED, symbol=9, partition=everyone))["reason"] == "unknown_symbol"
    assert desk.refused(report(ReportType.PRINTED, symbol=9, partition=everyone))["reason"] == "unknown_symbol"
    assert desk.refused(report(ReportType.QUOTED, qty=-1, partition=everyone))["reason"] == "bad_quantity"


def test_decisions_wait_for_the_configuration_of_the_inbox() -> None:
    desk = OrdersDesk()
    desk.stage = stage = OrdersStage(Topology(), 0, CONFIG)
    desk.events.clear()
    assert desk.fold({b"data": orjson.dumps(new_order(price="185.00"))}) == []
    assert desk.fold({b"data": b"rubbish"}) == []
    assert desk.dead == []
    assert stage.configuration() == {b"config": CONFIG.to_json()}
    restored = OrdersStage(Topology(), 0, CONFIG)
    restored.restore(stage.snapshot())
    assert restored.snapshot() == stage.snapshot()
    desk.stage = restored
    events = desk.fold({b"config": CONFIG.to_json()})
    assert types_of(events) == ["InstrumentDefined"] * 3 + ["AccountDefined"] * 2 + ["OrderReceived"]
    [letter] = desk.dead
    assert orjson.loads(letter[b"data"])["reason"] == "bad_json"
    assert letter[b"raw:data"] == b"rubbish"
    assert restored.configuration() is None


def test_only_what_changed_is_defined_again(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    terms = but(CONFIG.instruments["AAPL"], taker_fee_bps=D(1))
    config = but(CONFIG, instruments={**CONFIG.instruments, "AAPL": terms})
    [event] = desk.fold({b"config": config.to_json()})
    assert (event["type"], event["symbol"], event["taker_fee_bps"]) == ("InstrumentDefined", "AAPL", "1")
    assert desk.fill(100)["fee"] == "1.85000000"


def test_an_instrument_that_is_gone_takes_no_orders_but_its_orders_live_on(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    assert desk.fold({b"config": but(CONFIG, instruments={}).to_json()}) == []
    assert desk.new(price="185.00", signal_id="s2")["reason"] == "unknown_symbol"
    assert desk.replace(order_id="1", price="184.00")["reason"] == "unknown_symbol"
    assert desk.fill(40)["ord_status"] == "PartiallyFilled"
    assert desk.cancel(order_id="1")["type"] == "OrderCancelRequested"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": 9}, "instruments.AAPL.id: 9 cannot replace 1"),
        ({"tick_size": D("0.05")}, "instruments.AAPL.tick_size: 0.05 cannot replace 0.01"),
        ({"lot_size": D(10)}, "instruments.AAPL.lot_size: 10 cannot replace 1"),
        ({"multiplier": D(2)}, "instruments.AAPL.multiplier: 2 cannot replace 1"),
        ({"currency": "EUR"}, "instruments.AAPL.currency: EUR cannot replace USD"),
    ],
)
def test_what_ticks_and_lots_are_counted_in_stays(desk: OrdersDesk, change: dict[str, Any], words: str) -> None:
    terms = but(CONFIG.instruments["AAPL"], **change)
    letter = desk.dead_letter({b"config": but(CONFIG, instruments={"AAPL": terms}).to_json()})
    assert letter["reason"] == "instrument_changed"
    assert words in letter["text"]


def test_numbers_of_instruments_and_accounts_are_never_given_again(desk: OrdersDesk) -> None:
    config = but(CONFIG, instruments={"MSFT": instrument(1, D("0.01"), D(1))})
    assert "1 is AAPL's for good" in desk.dead_letter({b"config": config.to_json()})["text"]
    for accounts in ({"new": account(1, D(1), 1)}, {"default": account(7, D(1), 1)}):
        config = but(CONFIG, accounts=accounts)
        assert desk.dead_letter({b"config": config.to_json()})["reason"] == "account_changed"


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"instruments":1}', CONFIG.to_json()[:-1], b"\xff"])
def test_a_broken_configuration_goes_to_dead(desk: OrdersDesk, data: bytes) -> None:
    assert desk.dead_letter({b"config": data})["reason"] == "bad_config"


def test_accounts_of_other_partitions_are_not_this_ones() -> None:
    topology = Topology(account_partitions=2)
    partition = topology.account_partition("default")
    accounts = {f"a{i}": account(i + 2, D(1000), 5) for i in range(8)} | {"default": account(1, D(1000), 5)}
    config = but(CONFIG, accounts=accounts)
    desk = OrdersDesk(config, topology, partition)
    defined = {event["account"] for event in desk.events if event["type"] == "AccountDefined"}
    assert defined == {name for name in accounts if topology.account_partition(name) == partition}
    stranger = next(name for name in accounts if name not in defined)
    letter = desk.dead_letter({b"data": orjson.dumps(new_order(account=stranger, price="185.00"))})
    assert letter["reason"] == "wrong_partition"
    config = but(config, default_order_type=OrderType.LIMIT)
    assert desk.fold({b"config": config.to_json()}) == []


# ------------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {b"other": b"1"},
        {b"data": b"{}", b"frame": b""},
        {b"frame": b""},
        {b"frame": b"x" * 65},
        {b"data": b"\xff\x00"},
        {b"data": b"[]"},
        {b"data": b"{}"},
        {b"data": b"[" * 500 + b"]" * 500},
        {b"data": b'{"type":' + b"[" * 500 + b"]" * 500 + b"}"},
    ],
)
def test_an_entry_nobody_can_use_goes_to_dead_whole(desk: OrdersDesk, fields: dict[bytes, bytes]) -> None:
    desk.dead_letter(fields)
    assert {name.removeprefix(b"raw:"): value for name, value in desk.dead[-1].items() if name != b"data"} == fields


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"type": "Nonsense"}, "type: must be one of NewOrder"),
        ({"type": None}, "type: must be one of"),
        ({"v": 2}, "v: NewOrder: version 2 must be 1, which this release reads"),
        ({"v": True}, "v: must be a whole number, got True"),
        ({"signal_id": ""}, "signal_id: must match"),
        ({"signal_id": "a b", "client_order_id": "a b"}, "signal_id: must match"),
        ({"client_order_id": "x" * 129}, "client_order_id: must match"),
        ({"client_order_id": None}, "client_order_id: must match"),
        ({"account": "a b"}, "account: must match"),
        ({"symbol": ["AAPL"]}, "symbol: must match"),
        ({"strategy": "-"}, "strategy: must match"),
        ({"side": "HOLD"}, "side: must be one of BUY, SELL, got 'HOLD'"),
        ({"side": None}, "side: must be one of"),
        ({"order_type": "STOP"}, "stop_price: a STOP order needs one"),
        ({"order_type": {}}, "order_type: must be one of"),
        ({"time_in_force": 1}, "time_in_force: must be one of"),
        ({"quantity": 5}, "quantity: must be a number as text, got 5"),
        ({"quantity": "0"}, "quantity: 0 must be above 0"),
        ({"quantity": "-0.5"}, "quantity: -0.5 must be above 0"),
        ({"quantity": "NaN"}, "quantity: must be a finite number"),
        ({"quantity": "1e400"}, "quantity: must be a number of at most 24 digits"),
        ({"quantity": "many"}, "quantity: must be a decimal number"),
        ({"quantity": "many", "symbol": "MSFT"}, "quantity: must be a decimal number"),
        ({"price": "x"}, "price: must be a decimal number"),
        ({"price": "x", "symbol": "MSFT"}, "price: must be a decimal number"),
        ({"price": 1}, "price: must be a number as text"),
        ({"price": None}, "price: a LIMIT order needs one"),
        ({"order_type": "MARKET"}, "price: a MARKET order has none"),
        ({"confidence": "1.01"}, "confidence: must be from 0 to 1"),
        ({"confidence": "-1e-3"}, "confidence: must be from 0 to 1"),
        ({"confidence": "sure"}, "confidence: must be a decimal number"),
        ({"confidence": 1}, "confidence: must be a number as text"),
        ({"signal_time": -1}, "signal_time: must be milliseconds"),
        ({"signal_time": 2**63}, "signal_time: must be milliseconds"),
        ({"signal_time": "now"}, "signal_time: must be milliseconds"),
        ({"extra": 1}, "'extra': a NewOrder instruction has no such field"),
    ],
)
def test_a_malformed_instruction_goes_to_dead_with_a_sentence(
    desk: OrdersDesk, change: dict[str, Any], words: str
) -> None:
    letter = desk.dead_letter({b"data": orjson.dumps(new_order(price="185.00") | change)})
    assert words in letter["text"]


@pytest.mark.parametrize("confidence", ["0", "1", "0.75", "1.00", "1e-3", "7E-1"])
def test_a_confidence_may_be_written_in_any_way(desk: OrdersDesk, confidence: str) -> None:
    assert desk.new(price="185.00", confidence=confidence)["confidence"] == confidence


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"type": "CancelOrder"}, "v: is missing"),
        (
            {
                "type": "CancelOrder",
                "v": 1,
                "signal_id": "r",
                "account": "a",
                "order_id": None,
                "orig_client_order_id": None,
                "signal_time": 1,
            },
            "order_id: name the order",
        ),
        (
            {
                "type": "ReportStatus",
                "v": 1,
                "signal_id": "r",
                "account": "a",
                "order_id": "007",
                "client_order_id": None,
                "signal_time": 1,
            },
            "order_id: must match",
        ),
        (
            {
                "type": "ReplaceOrder",
                "v": 1,
                "signal_id": "r",
                "account": "a",
                "order_id": "7",
                "orig_client_order_id": None,
                "quantity": None,
                "price": None,
                "signal_time": 1,
            },
            "an amendment changes one or several of quantity, price, stop_price, stop_loss",
        ),
    ],
)
def test_a_malformed_request_goes_to_dead(desk: OrdersDesk, document: dict[str, Any], words: str) -> None:
    assert words in desk.dead_letter({b"data": orjson.dumps(document)})["text"]


def test_an_amendment_to_nothing_goes_to_dead(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    document = {
        "type": "ReplaceOrder",
        "v": 1,
        "signal_id": "r",
        "account": "default",
        "order_id": "1",
        "orig_client_order_id": None,
        "quantity": "0",
        "price": None,
        "signal_time": 1,
    }
    assert "must be above 0" in desk.dead_letter({b"data": orjson.dumps(document)})["text"]


# -------------------------------------------------------------------------------------- the configuration itself


def test_configurations_are_equal_as_bytes_however_numbers_are_written() -> None:
    one = DeskConfig(instruments={"A": instrument(1, D("0.010"), D("1.0"))}, accounts={"a": account(1, D("1E+3"), 5)})
    two = DeskConfig(instruments={"A": instrument(1, D("0.01"), D(1))}, accounts={"a": account(1, D(1000), 5)})
    assert one.to_json() == two.to_json()
    assert DeskConfig.from_json(one.to_json()) == two
    assert DeskConfig.from_json(CONFIG.to_json()) == CONFIG


@pytest.mark.parametrize(
    ("kind", "name", "field", "value", "words"),
    [
        ("instruments", "AAPL", "id", -1, "-1 must be at least 1"),
        ("instruments", "AAPL", "id", 0, "0 must be at least 1"),
        ("instruments", "AAPL", "id", 65536, "65536 must be at most 65535"),
        ("instruments", "AAPL", "tick_size", "0", "'0' must be above 0"),
        ("instruments", "AAPL", "lot_size", "NaN", "'NaN' must be a finite number"),
        ("instruments", "AAPL", "lot_size", "x", "'x' must be a decimal number"),
        ("instruments", "AAPL", "lot_size", 0.5, "0.5 must be a number written as text or digits"),
        ("instruments", "AAPL", "currency", "U S", "'U S' must match "),
        ("instruments", "AAPL", "taker_fee_bps", "10001", "'10001' must be at most 10000"),
        ("instruments", "AAPL", "colour", 1, "is no field here"),
        ("accounts", "default", "id", 0, "0 must be at least 1"),
        ("accounts", "default", "id", "1_0", "'1_0' must be a decimal number in the digits 0 to 9"),
        ("accounts", "default", "max_order_value", "-1", "'-1' must be above 0"),
        ("accounts", "default", "max_order_value", "1e99", "'1e99' has too many digits, at most 24"),
        ("accounts", "default", "max_daily_orders", True, "True must be a number written"),
        ("accounts", "default", "max_slippage_bps", "Infinity", "'Infinity' must be a finite number"),
        ("accounts", "default", "min_order_size", "100001", "100001 must be at most max_order_value, 100000"),
    ],
)
def test_a_configuration_out_of_bounds_is_refused_with_a_sentence(
    desk: OrdersDesk, kind: str, name: str, field: str, value: Any, words: str
) -> None:
    document = orjson.loads(CONFIG.to_json())
    document[kind][name][field] = value
    letter = desk.dead_letter({b"config": orjson.dumps(document)})
    assert letter["reason"] == "bad_config"
    assert letter["text"].startswith(f"config: {kind}.{name}.{field}: {words}")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"accounts": {"a b": {}}}, "accounts.'a b': 'a b' must match "),
        ({"instruments": {"A": {"tick_size": "1", "lot_size": "1"}}}, "instruments.A.id: is missing"),
        ({"retention_ms": -1}, "retention_ms: -1 must be at least 0"),
        ({"retention_ms": 10**15}, "retention_ms: 1000000000000000 must be at most 315360000000"),
        ({"venue": "no venue"}, "venue: 'no venue' must match "),
        ({"default_order_type": "STOP"}, "default_order_type: 'STOP' must be MARKET or LIMIT"),
        ({"default_time_in_force": "GTD"}, "default_time_in_force: 'GTD' must be DAY, GTC, IOC or FOK"),
        ({"default_time_in_force": None}, "default_time_in_force: None must be a string"),
        ({"what": 1}, "what: is no field here"),
    ],
)
def test_a_desk_out_of_bounds_is_refused_with_a_sentence(desk: OrdersDesk, changes: dict[str, Any], words: str) -> None:
    letter = desk.dead_letter({b"config": orjson.dumps(orjson.loads(CONFIG.to_json()) | changes)})
    assert letter["reason"] == "bad_config"
    assert letter["text"].startswith(f"config: {words}")


@pytest.mark.parametrize("kind", ["instruments", "accounts"])
def test_a_number_stands_for_one_instrument_and_one_account(desk: OrdersDesk, kind: str) -> None:
    document = orjson.loads(CONFIG.to_json())
    [(one, first), (other, _), *_] = sorted(document[kind].items())
    document[kind][other]["id"] = first["id"]
    letter = desk.dead_letter({b"config": orjson.dumps(document)})
    assert letter["text"] == f"config: {kind}.{other}.id: must be unique, {first['id']} is {one}'s"


def test_a_log_from_before_a_limit_was_decided_without_it() -> None:
    document = orjson.loads(CONFIG.to_json())
    del document["max_quote_age_ms"], document["accounts"]["other"]["min_order_size"]
    config = DeskConfig.from_json(orjson.dumps(document))
    assert config.max_quote_age_ms == 0
    assert config.accounts["other"].min_order_size == 0


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


DEEPEST = 1000
"""About as deep as Python's own stack: to print it takes more than there is."""


@pytest.mark.parametrize("depth", [100, 900, DEEPEST, 100_000])
@pytest.mark.parametrize("key", ["instruments", "accounts", "default_order_type", "retention_ms", "venue", None])
def test_a_configuration_nested_however_deep_is_refused_in_a_short_sentence(
    desk: OrdersDesk, depth: int, key: str
) -> None:
    document = orjson.loads(CONFIG.to_json())
    text = orjson.dumps({**document, key: "HERE"}).decode().replace('"HERE"', nested(depth)) if key else nested(depth)
    letter = desk.dead_letter({b"config": text.encode()})
    assert letter["reason"] == "bad_config"
    assert len(letter["text"]) < 300


@pytest.mark.parametrize("kind", ["instruments", "accounts"])
@pytest.mark.parametrize("value", [nested(300), '"' + "x" * 1_000_000 + '"', "null", "1e308", '"NaN"', "true", "{}"])
def test_whatever_a_field_of_the_configuration_holds_the_refusal_names_it(
    desk: OrdersDesk, kind: str, value: str
) -> None:
    document = orjson.loads(CONFIG.to_json())
    name, item = next(iter(document[kind].items()))
    for field in item:
        changed = {**document, kind: {name: {**item, field: "HERE"}}}
        if (field, value) in (("currency", '"NaN"'), ("venue", "null"), ("negative_prices", "true")):
            continue  # a name like any other, no venue of its own, and a flag
        letter = desk.dead_letter({b"config": orjson.dumps(changed).replace(b'"HERE"', value.encode())})
        assert letter["reason"] == "bad_config"
        assert letter["text"].startswith(f"config: {kind}.{name}.{field}: ")
        assert len(letter["text"]) < 300


@pytest.mark.parametrize("name", ["x" * 1_000_000, "", " ", "\u017f", "\n"])
def test_a_name_nobody_can_have_is_refused_in_a_short_sentence(desk: OrdersDesk, name: str) -> None:
    document = orjson.loads(CONFIG.to_json())
    for kind in ("instruments", "accounts"):
        item = next(iter(document[kind].values()))
        letter = desk.dead_letter({b"config": orjson.dumps({**document, kind: {name: item}})})
        assert letter["reason"] == "bad_config"
        assert len(letter["text"]) < 300


def test_whatever_a_configuration_holds_the_refusal_is_short_and_ascii() -> None:
    said = refusals()
    assert len(said) > 500
    for each in said:
        assert each.isascii() and each.isprintable(), each
        assert len(each) < 500
        assert "pydantic" not in each and "is not valid (" not in each, each


def test_no_dead_letter_shows_a_text_as_one_python_alone_prints_it() -> None:
    """Every Python gives the same: tests/upgrade compares them."""
    said = letters()
    assert len(said) > 1_000
    assert [text for text in said if not text.isascii() or len(text) > 1_000] == []


@pytest.mark.parametrize("number", ["\u0663", "\U00011f53", "1\u0663", "\uff11"])
@pytest.mark.parametrize("field", ["quantity", "price", "confidence"])
def test_digits_of_other_scripts_are_none(desk: OrdersDesk, field: str, number: str) -> None:
    """U+11F53 is a digit to Python 3.12 and none to 3.11: an order that one fills another buries."""
    document = new_order(**{"price": "185.00", field: number})
    letter = desk.dead_letter({b"data": orjson.dumps(document)})
    assert letter["text"] == f"{field}: must be a number as text, got {number!a}"
