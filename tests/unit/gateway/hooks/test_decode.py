"""What alerts say: signals, exact to the digit, or one sentence why none."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fillstream.libs.common.messages.signals import SIGNALS
from fillstream.libs.common.process.hook_templates import TYPES, template_of
from fillstream.libs.common.process.hooks import ALERT as TEMPLATE
from fillstream.libs.common.process.hooks import Hook, hook
from fillstream.services.gateway.hooks.decode import decode
from fillstream.services.gateway.hooks.flat import MAX_LINES
from fillstream.services.gateway.hooks.tradingview import MEMBERS
from fillstream.services.gateway.http.exact import MAX_BODY_BYTES
from fillstream.services.gateway.http.problems import Refusal

NOW = 1_795_793_400_000
"""2026-11-27T15:30:00Z"""
KEY = "fk_0123456789Ab"
TV = hook("tradingview", symbols=["ES1!=ESZ6", "BTCUSDT.P=BTCUSDT", "KRAKEN:BTCUSD=BTC-K"])
TEXT = Hook("text")
FILLED = {
    "symbol": "AAPL", "exchange": "NASDAQ", "side": "buy", "quantity": "100", "position_size": "100",
    "market_position": "long", "price": "190.25", "order_id": "Long", "comment": "", "interval": "5",
    "time": "2026-11-27T15:30:00Z",
}  # fmt: skip
"""The template, as TradingView fills it."""


def said(body: str | bytes | dict[str, Any], its: Hook = TV, key_id: str = KEY) -> list[dict[str, Any]]:
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return decode(raw, key_id, "paper", its, NOW)


def one(body: str | bytes | dict[str, Any], its: Hook = TV) -> dict[str, Any]:
    """Return the one signal, without its id."""
    (signal,) = said(body, its)
    return {name: value for name, value in signal.items() if name != "signal_id"}


def refusal(body: str | bytes | dict[str, Any], its: Hook = TV) -> Refusal:
    with pytest.raises(Refusal) as refused:
        said(body, its)
    return refused.value


def without(*names: str, **more: Any) -> dict[str, Any]:
    return {**{name: value for name, value in FILLED.items() if name not in names}, **more}


def order(**fields: Any) -> dict[str, Any]:
    return {"type": "NewOrder", "account": "paper", "symbol": "AAPL", "side": "buy", "quantity": Decimal(100), **fields}


def target(size: str, **fields: Any) -> dict[str, Any]:
    return {"type": "SetTarget", "account": "paper", "symbol": "AAPL", "target": Decimal(size), **fields}


# ------------------------------------------------------------------------------------------------- TradingView's JSON


def test_a_position_is_asked_for_where_there_is_one_and_an_order_else() -> None:
    assert one(FILLED) == target("100")
    assert one(without("position_size")) == order()
    assert one(without("position_size", "quantity", contracts="100")) == order()
    assert one({**FILLED, "position_size": ""}) == order()
    assert one({**FILLED, "position_size": None}) == order()
    assert set(TEMPLATE) == set(FILLED)


@pytest.mark.parametrize(
    ("size", "market", "held"),
    [
        ("100", "long", "100"), ("-100", "short", "-100"), ("100", "short", "-100"), ("0", "flat", "0"),
        ("-0", "flat", "0"), ("0.0", "", "0"), ("-0.5", "", "-0.5"), ("+3", "LONG", "3"), ("1e-05", "long", "0.00001"),
        ("1E+2", "long", "100"),
    ],
)  # fmt: skip
def test_the_position_has_the_sign_that_the_market_position_says(size: str, market: str, held: str) -> None:
    signal = one({**FILLED, "position_size": size, "market_position": market})
    assert signal == target(held)
    assert not signal["target"].is_signed() or signal["target"] < 0, "no -0"


@pytest.mark.parametrize(
    ("size", "market"), [("-100", "long"), ("100", "flat"), ("0", "long"), ("0", "short"), ("-1", "flat")]
)
def test_a_position_and_a_market_position_that_differ_are_refused(size: str, market: str) -> None:
    told = refusal({**FILLED, "position_size": size, "market_position": market})
    assert told.detail == f"position_size: '{size}' does not go with market_position {market}"


def test_flat_alone_is_a_target_of_nothing_and_flat_beside_an_order_is_the_order() -> None:
    assert one({"symbol": "AAPL", "market_position": "flat"}) == target("0")
    assert one(without("position_size", market_position="flat", side="sell")) == order(side="sell")


def test_the_price_is_where_the_strategy_thinks_it_traded_unless_the_order_is_a_limit() -> None:
    mine = without("position_size")
    assert "price" not in one(mine)
    assert one({**mine, "order_type": "MARKET"}) == order(order_type="MARKET")
    assert one({**mine, "order_type": "limit"}) == order(order_type="limit", price=Decimal("190.25"))
    stop = {**mine, "order_type": "STOP", "stop_price": "191"}
    assert one(stop) == order(order_type="STOP", stop_price="191")
    told = refusal({**without("position_size", "price"), "order_type": "LIMIT"})
    assert told.detail == "price: a LIMIT order needs one"


def test_numbers_may_be_json_numbers_and_none_is_ever_a_float() -> None:
    raw = b'{"symbol": "AAPL", "side": "buy", "quantity": 0.10000000000000000555111, "stop_loss": 180.1}'
    signal = one(raw)
    assert (str(signal["quantity"]), str(signal["stop_loss"])) == ("0.10000000000000000555111", "180.1")
    exact = one(b'{"symbol": "AAPL", "position_size": -123456789012345.123456789, "market_position": "short"}')
    assert str(exact["target"]) == "-123456789012345.123456789"


def test_symbols_go_through_the_hooks_map() -> None:
    for theirs, exchange, ours in (
        ("ES1!", "CME_MINI", "ESZ6"), ("BTCUSDT.P", "BINANCE", "BTCUSDT"), ("BTCUSD", "KRAKEN", "BTC-K"),
        ("BTCUSD", "COINBASE", "BTCUSD"), ("AAPL", "", "AAPL"),
    ):  # fmt: skip
        assert one({**FILLED, "symbol": theirs, "exchange": exchange})["symbol"] == ours
    told = refusal({**FILLED, "symbol": "NQ1!"})
    assert told.detail == "symbol: 'NQ1!' is no name of an instrument; give the hook --symbol THEIRS=OURS"
    assert one("buy ES1! 2") == order(symbol="ESZ6", side="BUY", quantity=Decimal(2))


def test_the_hook_says_the_account_the_strategy_and_the_quantity_of_those_that_say_none() -> None:
    its = hook("tradingview", strategy="trend", quantity="5")
    assert one(without("position_size", "quantity"), its) == order(strategy="trend", quantity="5")
    assert one(without("position_size"), its)["quantity"] == Decimal(100)
    assert "quantity" not in one(without("position_size", "quantity", notional="1000"), its)
    assert one(FILLED, its) == target("100", strategy="trend")
    assert one({**FILLED, "strategy": "trend"}, its)["strategy"] == "trend"
    assert one({**FILLED, "strategy": "mine"})["strategy"] == "mine"
    assert refusal({**FILLED, "strategy": "mine"}, its).detail == "strategy: 'mine' must be this hook's, trend"
    assert refusal({**FILLED, "account": "other"}).detail.startswith("account: is nothing that an alert says")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({**FILLED, "qty": "5"}, "qty: is nothing that an alert says; "),
        ({**FILLED, "stop_los": "5"}, "stop_los: is nothing that an alert says; did you mean stop_loss?"),
        ({**FILLED, "x" * 500: "5"}, "'xxx"),
        ({**FILLED, "signal_id": "5"}, "signal_id: is nothing that an alert says"),
        ({**FILLED, "position_size": "NaN"}, "position_size: 'NaN' must be a decimal number of at most 60 characters"),
        ({**FILLED, "position_size": "1_000"}, "position_size: '1_000' must be a decimal number"),
        ({**FILLED, "position_size": "1,000"}, "position_size: '1,000' must be a decimal number"),
        ({**FILLED, "position_size": "1" * 61}, "position_size: '1111"),
        ({**FILLED, "position_size": "\u0661"}, "position_size: '\\u0661' must be a decimal number"),
        ({**FILLED, "position_size": [1]}, "position_size: a list must be text or a number"),
        ({**FILLED, "position_size": True}, "position_size: True must be text or a number"),
        ({**FILLED, "market_position": "up"}, "market_position: 'up' must be long, short or flat"),
        ({**FILLED, "side": "{{strategy.order.action}}"}, "side: '{{strategy.order.action}}' is a placeholder that"),
        ({**FILLED, "order_type": "LIMIT"}, "order_type: is of an order, and this asks for a position"),
        ({**FILLED, "stop_loss": "180"}, "stop_loss: is of an order, and this asks for a position"),
        (without("position_size", tolerance="2"), "tolerance: is of a position to hold, and without position_size"),
        (without("position_size", "side"), "side: is missing"),
        (without("position_size", side="up"), "side: 'UP' must be BUY or SELL"),
        (without("position_size", "quantity"), "quantity: give exactly one of quantity, "),
        (without("position_size", quantity="-5"), "quantity: -5 must be above 0"),
        (without("position_size", contracts="99"), "quantity: 100 is another than contracts 99"),
        (without("symbol"), "symbol: name a symbol with its target"),
        (without("symbol", "position_size"), "symbol: is missing"),
        ({**FILLED, "symbol": {}}, "symbol: an object must be text or a number"),
    ],
)  # fmt: skip
def test_what_is_no_alert_is_told(body: dict[str, Any], sentence: str) -> None:
    told = refusal(body)
    assert told.status == 422
    assert told.detail.startswith(sentence)
    assert len(told.detail) < 1_200


@pytest.mark.parametrize(
    ("raw", "status", "reason"),
    [
        (b"", 422, "bad_alert"), (b" \n ", 422, "bad_alert"), (b"{", 400, "bad_json"), (b'{"a": 1', 400, "bad_json"),
        (b'{"symbol": "A", "symbol": "B"}', 400, "duplicate_key"), (b"\xff", 400, "bad_utf8"),
        (b'{"symbol": "\xff"}', 400, "bad_utf8"), (b"{}", 422, "bad_value"), (b"[]", 422, "bad_alert"),
        (b'{"x":' * 30_000, 400, "nested_too_deeply"),
        (b'{"price":' + b"[" * 900 + b"]" * 900 + b"}", 422, "bad_alert"),
        (b'{"symbol": "\\ud800"}', 422, "bad_alert"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(raw: bytes, status: int, reason: str) -> None:
    told = refusal(raw)
    assert (told.status, told.reason) == (status, reason), told.detail


def test_it_is_read_by_what_it_is_and_not_by_what_it_is_called() -> None:
    raw = json.dumps(FILLED).encode()
    for body in (raw, b"\xef\xbb\xbf" + raw, b" \r\n" + raw):
        assert one(body) == target("100")
    assert one(b"\xef\xbb\xbfbuy AAPL 100\r\n") == order(side="BUY")
    assert refusal(raw, TEXT).detail.startswith("alert: '{")


# -------------------------------------------------------------------------------------------------------- flat text


@pytest.mark.parametrize(
    ("line", "signal"),
    [
        ("buy AAPL 100", order(side="BUY")),
        ("  SELL   AAPL\t100 ", order(side="SELL")),
        ("sell AAPL 100 @ 190.25", order(side="SELL", order_type="LIMIT", price=Decimal("190.25"))),
        ("sell AAPL 100 @190.25", order(side="SELL", order_type="LIMIT", price=Decimal("190.25"))),
        ("close AAPL", {"type": "ClosePosition", "account": "paper", "symbol": "AAPL"}),
        ("target AAPL -50", target("-50")),
        ("target AAPL 0", target("0")),
        ("Target AAPL -0.00", target("0")),
        ("buy A@B 100", order(side="BUY", symbol="A@B")),
    ],
)
def test_a_line_is_a_signal(line: str, signal: dict[str, Any]) -> None:
    assert said(line, TEXT) == [signal], "without an id each post is a signal of its own"
    assert one(line, TV) == signal
    (again,) = said(f"{line} id=7", TEXT)
    assert again.pop("signal_id").startswith("tx-0123456789Ab-")
    assert again == signal


def test_several_lines_are_several_signals_in_their_order_or_none() -> None:
    told = said("buy AAPL 1\n\nsell MSFT 2\r\nclose AAPL\n", TEXT)
    assert [(each["type"], each["symbol"]) for each in told] == [
        ("NewOrder", "AAPL"), ("NewOrder", "MSFT"), ("ClosePosition", "AAPL"),
    ]  # fmt: skip
    assert len(said("buy AAPL 1\n" * MAX_LINES, TEXT)) == MAX_LINES
    assert refusal("buy AAPL 1\n" * (MAX_LINES + 1), TEXT).detail == "alert: 21 lines, and one post has at most 20"
    assert refusal("buy AAPL 1\nsell MSFT x", TEXT).detail.startswith("line 2: quantity: 'x' must be a decimal number")
    assert refusal("buy AAPL 1\n\nsell MSFT -2", TEXT).detail.startswith("line 3: quantity: -2 must be above 0")
    assert refusal("buy AAPL 1 id=a\nbuy AAPL 1 id=a", TEXT).detail.startswith("id: two lines of a post are the same")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("hold AAPL", "alert: 'hold AAPL' must be buy SYMBOL QUANTITY"),
        ("buy", "alert: 'buy' must be "),
        ("buy AAPL 1 2", "quantity: '2' is one too many"),
        ("buy AAPL 1 @ 2 3", "alert: "),
        ("buy AAPL @ 2 3", "quantity: '3' is one too many"),
        ("buy AAPL 1 @", "price: '' must be a decimal number"),
        ("close AAPL 5", "alert: "),
        ("target AAPL", "alert: "),
        ("target AAPL inf", "target: 'inf' must be a decimal number"),
        ("buy AAPL", "quantity: give exactly one of"),
        ("buy AAPL 1 id=", "id: 'buy AAPL 1 id=' must name one"),
        ("buy AAPL 1 id=a id=b", "id: "),
        ("buy A!L 1", "symbol: 'A!L' is no name of an instrument"),
        ("buy " + "A" * 60_000, "symbol: 'AAAA"),
    ],
)
def test_a_line_that_says_nothing_is_told(line: str, sentence: str) -> None:
    assert refusal(line, TEXT).detail.startswith(sentence)


def test_a_line_without_a_size_has_the_hooks() -> None:
    its = hook("text", quantity="5")
    assert one("buy AAPL", its)["quantity"] == "5"
    assert one("buy AAPL @ 190", its) == order(side="BUY", quantity="5", order_type="LIMIT", price=Decimal(190))


# ------------------------------------------------------------------------------------------------ the same alert again


def test_the_same_alert_is_the_same_signal_and_any_other_is_another() -> None:
    (first,) = said(FILLED)
    assert first["signal_id"].startswith("tv-0123456789Ab-")
    for same in (
        FILLED, dict(reversed(FILLED.items())), {**FILLED, "price": "190.26"}, {**FILLED, "comment": "x"},
        {**FILLED, "position_size": 100},
    ):  # fmt: skip
        assert said(same)[0]["signal_id"] == first["signal_id"], same
    ids = {first["signal_id"]}
    changed = {
        "order_id": "Short", "time": "2026-11-27T15:30:01Z", "side": "sell", "quantity": "101", "symbol": "MSFT",
        "position_size": "101", "exchange": "NYSE", "interval": "240", "tolerance": "2",
    }  # fmt: skip
    for name, value in changed.items():
        ids.add(said({**FILLED, name: value})[0]["signal_id"])
    ids.add(said(FILLED, key_id="fk_0123456789Ac")[0]["signal_id"])
    ids.add(said(without("order_id"))[0]["signal_id"])
    assert len(ids) == len(changed) + 3


def test_orders_of_one_second_that_differ_in_anything_are_orders_each() -> None:
    order = {name: value for name, value in FILLED.items() if name not in ("position_size", "market_position")}
    differ: list[dict[str, str]] = [
        {}, {"strategy": "trend"}, {"strategy": "mean"}, {"interval": "240"}, {"exchange": "NYSE"}, {"venue": "SIM2"},
        {"order_type": "LIMIT", "price": "190"}, {"order_type": "LIMIT", "price": "191"}, {"stop_loss": "180"},
    ]  # fmt: skip
    ids = {said({**order, **each})[0]["signal_id"] for each in differ}
    assert len(ids) == len(differ)


def test_without_a_time_each_post_is_a_signal_of_its_own() -> None:
    assert "signal_id" not in said(without("time"))[0]
    assert "signal_id" not in said({**FILLED, "time": ""})[0]
    assert "signal_id" not in said("buy AAPL 1")[0]


def test_a_line_is_known_again_by_its_id_and_what_it_says() -> None:
    lines = ("buy AAPL 1 id=7", "id=7 BUY  AAPL 1", "buy AAPL 1 id=8", "buy AAPL 2 id=7", "sell AAPL 1 id=7")
    ids = [said(line, TEXT)[0]["signal_id"] for line in lines]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4


# ---------------------------------------------------------------------------------------------------- own templates


def own(**fields: Any) -> Hook:
    return Hook("template", template=json.dumps(fields), symbols=(("ES1!", "ESZ6"),))


SIDE = {"from": "order.side", "map": {"long": "BUY", "short": "SELL", "true": "BUY", "1": "BUY"}}
MINE = own(
    symbol={"from": "ticker"}, side=SIDE, quantity={"from": "order.size", "default": "3"},
    price={"from": "order.px", "optional": True}, time_in_force="IOC", signal_id={"from": "alert", "optional": True},
)  # fmt: skip


def test_a_template_says_where_each_field_comes_from() -> None:
    body = '{"ticker": "ES1!", "order": {"side": "long", "size": 1.50, "px": 190.25}, "alert": 7, "rest": [1]}'
    (signal,) = said(body, MINE)
    assert signal.pop("signal_id").startswith("tm-0123456789Ab-")
    assert signal == order(
        symbol="ESZ6", side="BUY", quantity=Decimal("1.50"), price=Decimal("190.25"), time_in_force="IOC"
    )
    small = {"ticker": "AAPL", "order": {"side": "short"}}
    assert said(small, MINE) == [order(side="SELL", quantity="3", time_in_force="IOC")]
    for yes in (True, 1, "1", "true"):
        assert one({"ticker": "AAPL", "order": {"side": yes}}, MINE)["side"] == "BUY"
    dotted = own(symbol={"from": "a.b"}, target={"from": "t"}, type="SetTarget")
    assert one({"a.b": "AAPL", "a": {"b": "MSFT"}, "t": "5"}, dotted) == target("5") | {"target": "5"}


def test_a_type_may_be_posted_and_has_its_own_fields_alone() -> None:
    kinds = {"enter": "NewOrder", "exit": "ClosePosition"}
    its = own(type={"from": "what", "map": kinds}, symbol={"from": "s"}, side={"from": "side"}, quantity={"from": "q"})
    assert one({"what": "enter", "s": "AAPL", "side": "buy", "q": 100}, its) == order()
    closing = one({"what": "exit", "s": "AAPL", "q": 1}, its)
    assert closing == {"type": "ClosePosition", "account": "paper", "symbol": "AAPL", "quantity": Decimal(1)}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"ticker": "AAPL"}, "side: 'order.side' is missing in what was posted"),
        ({"ticker": "AAPL", "order": "long"}, "side: 'order.side' is missing"),
        ({"order": {"side": "long"}}, "symbol: 'ticker' is missing"),
        ({"ticker": "AAPL", "order": {"side": "up"}}, "side: 'up' of 'order.side' must be one of long, short, true, 1"),
        ({"ticker": "AAPL", "order": {"side": []}}, "side: a list must be text or a number"),
        ({"ticker": True, "order": {"side": "long"}}, "symbol: True must be a string"),
        ({"ticker": "AAPL", "order": {"side": "long"}, "alert": {}}, "signal_id: an object must be text or a number"),
        ("buy AAPL 5", "body: 'buy AAPL 5' is not one JSON document"),
        ("[1]", "body: a list must be a JSON object"),
    ],
)
def test_what_does_not_fit_a_template_is_told(body: Any, sentence: str) -> None:
    assert refusal(body, MINE).detail.startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[", "template: must be one JSON document"),
        ("[" * 100_000, "template: must be one JSON document"),
        ("[]", "template: a list must be a JSON object"),
        ('{"side": "BUY", "side": "SELL"}', "template: 'side' is there more than once"),
        ('{"quanttiy": "5"}', "template.quanttiy: is no field of a signal; did you mean quantity?"),
        ('{"zzzz": "5"}', "template.zzzz: is no field of a signal; there are type, "),
        ('{"account": "main"}', "template.account: is the hook's to say"),
        ('{"type": "SetTarget", "targets": {"from": "t"}}', "template.targets: is nothing that a hook sends"),
        ('{"signal_id": "mine"}', 'template.signal_id: must be {"from": …}: under one id only the first alert counts'),
        ('{"type": "CancelOrder"}', "template.type: 'CancelOrder' must be one of NewOrder, "),
        ('{"type": {"from": "a"}}', "template.type: from: needs a map to types"),
        ('{"type": {"from": "a", "map": {"b": "Halt"}}}', "template.type: 'Halt' must be one of"),
        ('{"type": "SetTarget", "side": "BUY"}', "template.side: is no field of a signal"),
        ('{"side": {"form": "a"}}', "template.side: 'form' is no word of a template; did you mean from?"),
        ('{"side": {}}', "template.side: from: None must be names"),
        ('{"side": {"from": "a..b"}}', "template.side: from: 'a..b' must be names"),
        ('{"side": {"from": "a", "map": []}}', "template.side: map: a list must be an object"),
        ('{"side": {"from": "a", "optional": 1}}', "template.side: optional: 1 must be true or false"),
    ],
)
def test_a_template_that_is_none_is_told_when_the_hook_is_made(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"^template") as refused:
        template_of(text)
    assert str(refused.value).startswith(sentence)


def test_no_hook_sends_what_names_an_order_by_its_number() -> None:
    assert not [name for name in TYPES if "order_id" in SIGNALS[name].model_fields]


# ------------------------------------------------------------------------------------------------------- hostile input

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(), some, max_size=3),
    max_leaves=6,
)
VALUES = JSON | st.sampled_from(
    ["buy", "SELL", "long", "flat", "1", "-1", "NaN", "1e999", "-0", "{{x}}", "AAPL", "LIMIT"]
)
WORDS = st.sampled_from(
    ["buy", "sell", "close", "target", "AAPL", "@", "1", "-1", "1e9", "id=a", "id=", "\n", "{", "}", '"', "@5", "\0"]
)
HOOKS = st.sampled_from([TV, TEXT, MINE, hook("tradingview", strategy="s", quantity="1"), hook("text", quantity="2")])
BODIES = (
    st.binary()
    | st.dictionaries(st.sampled_from(MEMBERS) | st.text(), VALUES, max_size=8).map(lambda it: json.dumps(it).encode())
    | st.fixed_dictionaries({}, optional=dict.fromkeys(FILLED, VALUES)).map(lambda it: json.dumps(it).encode())
    | st.fixed_dictionaries({"ticker": VALUES, "order": VALUES | st.fixed_dictionaries({"side": VALUES})}).map(
        lambda it: json.dumps(it).encode()
    )
    | st.lists(WORDS, max_size=12).map(lambda it: " ".join(it).encode())
    | st.text().map(lambda it: it.encode(errors="surrogatepass"))
)


@given(BODIES, HOOKS)
@example(b'{"symbol":"A","side":"buy","quantity":1e999999999999999999999}', TV)
@example(b'{"symbol":"A","position_size":1e999999,"market_position":"short"}', TV)
@example(b'{"symbol":"A","side":"buy","quantity":1,"algorithm":"TWAP","algorithm_parameters":' + b"[" * 900 + b"]" * 900
         + b"}", TV)  # fmt: skip
@example(b"9" * MAX_BODY_BYTES, TEXT)
@example(b'{"symbol":"A","side":"buy","quantity":' + b"9" * 60_000 + b"}", TV)
def test_whatever_is_posted_is_signals_that_a_desk_takes_or_one_sentence(body: bytes, its: Hook) -> None:
    try:
        told = said(body, its)
    except Refusal as refused:
        assert refused.status in (400, 413, 422)
        assert refused.detail.isascii(), refused.detail
        assert refused.response().status_code == refused.status
        return
    assert 1 <= len(told) <= MAX_LINES
    for signal in told:
        assert signal["account"] == "paper"
        SIGNALS[signal["type"]].model_validate(signal)
        assert not [name for name, value in signal.items() if isinstance(value, float)]
    again = said(body, its)
    assert again == told, "pure"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**14), max_value=10**14))
def test_a_position_is_the_number_that_was_written_whichever_way(size: Decimal) -> None:
    for body in (f'{{"symbol": "AAPL", "position_size": {size:f}}}', f"target AAPL {size:f}",
                 f'{{"symbol": "AAPL", "position_size": "{size:f}"}}'):  # fmt: skip
        held = one(body)["target"]
        assert held == size
        assert held.as_tuple().digits == size.as_tuple().digits or not size


TIMED = '{"symbol": {"from": "s"}, "side": "BUY", "quantity": "1", "time": {"from": "at"}}'


@pytest.mark.parametrize("its", [hook("tradingview", max_age_s=60), hook("template", template=TIMED, max_age_s=60)])
@pytest.mark.parametrize(
    ("made", "why"),
    [
        ("2026-11-27T15:29:00Z", None),
        ("2026-11-27T15:31:00Z", None),
        ("2026-11-27T15:28:59Z",
         "time: '2026-11-27T15:28:59Z' is 61 s ago, and this hook takes alerts of at most 60 s"),
        ("2026-11-27T15:31:01Z",
         "time: '2026-11-27T15:31:01Z' is 61 s to come, and this hook takes alerts of at most 60 s"),
        ("1795793339", "time: '1795793339' is 61 s ago, and this hook takes alerts of at most 60 s"),
        ("1795793340000", None),
        ("1795793339000", "time: '1795793339000' is 61 s ago, and this hook takes alerts of at most 60 s"),
        ("yesterday", "time: 'yesterday' must be a time as 2026-11-28T21:00:00Z, with its zone, or milliseconds or "
         "seconds since 1970"),
    ],
)  # fmt: skip
def test_an_alert_that_is_too_old_or_of_a_time_to_come_is_refused(its: Hook, made: str, why: str | None) -> None:
    posted = {**FILLED, "time": made} if its.kind == "tradingview" else {"s": "AAPL", "at": made}
    if why is None:
        assert said(posted, its)[0]["symbol"] == "AAPL"
        return
    with pytest.raises(Refusal) as refused:
        said(posted, its)
    assert (refused.value.status, refused.value.detail) == (422, why)
    assert said(posted, Hook("tradingview") if its.kind == "tradingview" else hook("template", template=TIMED))


def test_one_that_does_not_say_how_old_it_is_has_no_age_that_would_do() -> None:
    its = hook("tradingview", max_age_s=60)
    for posted in ({**FILLED, "time": ""}, "buy AAPL 100"):
        with pytest.raises(Refusal, match="time: is missing, and this hook takes alerts of at most 60 s"):
            said(posted, its)


@pytest.mark.parametrize(
    ("kind", "template", "age", "why"),
    [
        ("text", None, 60, "one of the kind text says none"),
        ("template", '{"symbol": {"from": "s"}}', 60, 'the template has no "time"'),
        ("tradingview", None, 0, "max_age: 0 must be 1 to 86400 seconds"),
        ("tradingview", None, 86_401, "max_age: 86401 must be 1 to 86400 seconds"),
    ],
)
def test_a_limit_without_a_time_is_refused_when_it_is_made(kind: str, template: Any, age: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        hook(kind, template=template, max_age_s=age)


def test_a_limit_is_kept_with_the_hook() -> None:
    its = hook("tradingview", max_age_s=60)
    assert Hook.load(its.dump()) == its
    assert "max_age_s" not in hook("tradingview").dump()
    with pytest.raises(ValueError, match=r"template.time: must be \{"):
        template_of('{"symbol": "AAPL", "time": "2026-11-27T15:30:00Z"}')


def test_a_symbol_may_be_a_number() -> None:
    template = '{"symbol": {"from": "s"}, "side": "BUY", "quantity": "1"}'
    assert said('{"s": 700}', hook("template", template=template))[0]["symbol"] == "700"
    mapped = hook("template", template=template, symbols=["700=HK-TENCENT"])
    assert said('{"s": 700}', mapped)[0]["symbol"] == "HK-TENCENT"
