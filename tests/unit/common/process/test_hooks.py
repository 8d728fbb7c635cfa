"""Hooks are keys of their own kind: what a person says of one, what is kept of it, and what it is never for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillstream.libs.common.process.hooks import KINDS, MAX_SOURCES, MAX_SYMBOLS, MAX_TEMPLATE, Hook, hook
from fillstream.libs.common.process.keys import Key, KeyRing, Scope, make
from fillstream.libs.common.values.networks import address_of
from fillstream.libs.common.values.versions import Unreadable

NOW = 1_800_000_000_000
FULL = hook(
    "tradingview", strategy="trend", symbols=["ES1!=ESZ6", "BTCUSDT.P=BTCUSDT"], quantity="0.5",
    sources=["tradingview", "10.0.0.0/8"],
)  # fmt: skip


def a_hook(its: Hook = FULL, *accounts: str, scopes: tuple[Scope, ...] = ()) -> tuple[Key, str]:
    return make("tv", scopes, now_ms=NOW, who="me", accounts=accounts or ("paper",), hook=its)


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,63}", fullmatch=True)
THEIRS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)
NETWORKS = st.ip_addresses().map(str) | st.sampled_from(["tradingview", "10.0.0.0/8", "2001:db8::/32"])


@given(
    st.sampled_from(sorted(KINDS)), st.none() | NAMES, st.dictionaries(THEIRS, NAMES, max_size=5),
    st.none() | st.decimals("0.001", "1000000", places=3).map(str), st.sets(NETWORKS, max_size=4),
)  # fmt: skip
def test_a_hook_is_read_as_it_was_written(
    kind: str, strategy: str | None, symbols: dict[str, str], quantity: str | None, sources: set[str]
) -> None:
    said = [f"{theirs}={ours}" for theirs, ours in symbols.items()]
    template = "{}" if kind == "template" else None
    its = hook(kind, strategy=strategy, symbols=said, quantity=quantity, sources=sources, template=template)
    assert dict(its.symbols) == symbols
    key, secret = a_hook(its)
    ring = KeyRing()
    assert ring.load({key.id.encode(): key.dump()}) == []
    assert ring.find(key.id, secret, NOW) == key


def test_todays_part_of_the_record_is_the_one_that_others_will_read_and_only_hooks_have_it() -> None:
    key, _ = a_hook()
    record = orjson.loads(key.dump())
    assert (record["scopes"], record["accounts"]) == ([], ["paper"])
    assert record["hook"] == {
        "kind": "tradingview", "strategy": "trend", "symbols": [["BTCUSDT.P", "BTCUSDT"], ["ES1!", "ESZ6"]],
        "quantity": "0.5", "sources": ["10.0.0.0/8", "tradingview"],
    }  # fmt: skip
    assert orjson.loads(a_hook(Hook("text"))[0].dump())["hook"] == {"kind": "text"}
    other, _ = make("bot", (Scope.ORDERS_READ,), now_ms=NOW, who="me")
    assert b"hook" not in other.dump(), "older records stay as they are"


def test_a_hook_is_for_nothing_else() -> None:
    key, _ = a_hook()
    assert not any(map(key.may, Scope))
    with pytest.raises(ValueError, match=r"^scopes: a hook has none beside itself, got orders:read"):
        a_hook(scopes=(Scope.ORDERS_READ,))
    with pytest.raises(ValueError, match=r"^accounts: a hook is for one account, got 2"):
        a_hook(FULL, "a", "b")
    with pytest.raises(ValueError, match=r"^accounts: a hook is for one account, got 0"):
        replace(key, accounts=())


def test_it_may_be_posted_from_its_sources_alone_and_from_anywhere_without() -> None:
    for text in ("52.89.214.238", "34.212.75.30", "54.218.53.128", "52.32.178.7", "10.1.2.3", "::ffff:10.1.2.3"):
        assert FULL.lets_in(address_of(text)), text
        assert FULL.lets_in(address_of(f"[{text}]:443" if ":" in text else f"{text}:443"))
    for text in ("52.89.214.239", "11.0.0.1", "::1", "::ffff:11.0.0.1"):
        assert not FULL.lets_in(address_of(text)), text
    assert not FULL.lets_in(None)
    assert all(map(Hook("text").lets_in, (None, address_of("::1"))))


@pytest.mark.parametrize(
    "text", ["", "1.2.3", "x", "1.2.3.4.5", "1.2.3.4:", "[::1", "1.2.3.4, 5.6.7.8", "\u0661.2.3.4"]
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert address_of(text) is None


def test_a_symbol_is_looked_up_with_its_exchange_first() -> None:
    its = hook("text", symbols=["BTCUSD=BTC", "KRAKEN:BTCUSD=BTC-K", "ES=F=ESZ6"])
    assert its.symbol_of("BTCUSD") == its.symbol_of("BTCUSD", "BINANCE") == "BTC"
    assert its.symbol_of("BTCUSD", "KRAKEN") == "BTC-K"
    assert (its.symbol_of("ES=F"), its.symbol_of("AAPL", "NASDAQ")) == ("ESZ6", "AAPL")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"kind": "mt5"}, "kind: 'mt5' must be tradingview, text, template"),
        ({"strategy": "a b"}, "strategy: 'a b' must match "),
        ({"symbols": ["ES1!"]}, "symbols: 'ES1!' must be THEIRS=OURS"),
        ({"symbols": ["=ES"]}, "symbols: '=ES' must be THEIRS=OURS"),
        ({"symbols": ["ES1!=ES", "ES1!=NQ"]}, "symbols: 'ES1!=NQ' must be THEIRS=OURS, and each of theirs be one"),
        ({"symbols": ["ES1!=ES1!"]}, "symbols: 'ES1!' must match "),
        ({"symbols": ["E S=ES"]}, "symbols: 'E S' must match "),
        ({"symbols": [f"S{n}=S" for n in range(MAX_SYMBOLS + 1)]}, "symbols: 501 of them, and there may be 500"),
        ({"quantity": "0"}, "quantity: '0' must be above 0"),
        ({"quantity": "0.00"}, "quantity: '0.00' must be above 0"),
        ({"quantity": "-1"}, "quantity: '-1' must match "),
        ({"quantity": "1e3"}, "quantity: '1e3' must match "),
        ({"quantity": "\u0661"}, "quantity: '\\u0661' must match "),
        ({"quantity": "1" * 25}, "quantity: '1111111111111111111111111' must be above 0, of at most 24"),
        ({"sources": ["10.0.0.1/8"]}, "sources: '10.0.0.1/8' must be an address or a network without host bits"),
        ({"sources": ["example.com"]}, "sources: 'example.com' must be an address or a network"),
        ({"sources": [f"10.0.0.{n}" for n in range(MAX_SOURCES + 1)]}, "sources: 101 of them, and there may be 100"),
        ({"template": "{}"}, "template: comes with the kind template, and only with it; this is text"),
        ({"kind": "template"}, "template: comes with the kind template"),
        ({"kind": "template", "template": " " * (MAX_TEMPLATE + 1)}, "template: must be JSON of at most 8192"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_hook_is_told(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=r"^[a-z]+: ") as refused:
        hook(**{"kind": "text", **said})
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ([], "hook: a list must be an object"),
        ({}, "hook: kind: None must be "),
        ({"kind": ["text"]}, "hook: kind: a list must be "),
        ({"kind": "text", "max_age": 5}, "hook: 'max_age' is no field that this release knows: a newer one wrote it"),
        ({"kind": "text", "symbols": 5}, "hook: symbols must be a list of pairs"),
        ({"kind": "text", "symbols": ["ab"]}, "hook: symbols must be a list of pairs"),
        ({"kind": "text", "sources": "::1"}, "hook: sources: '::1' must be a list"),
        ({"kind": "text", "symbols": [["a", 5]]}, "hook: symbols: 5 must match "),
        ({"kind": "text", "symbols": [["b", "B"], ["a", "A"]]}, "hook: symbols: must be text, sorted"),
        ({"kind": "text", "sources": [5]}, "hook: sources: must be text, sorted"),
        ({"kind": "text", "quantity": 5}, "hook: quantity: 5 must match "),
        ({"kind": "template", "template": {}}, "hook: template: must be JSON of at most"),
    ],
)
def test_a_record_whose_hook_cannot_be_read_lets_nobody_in(part: Any, sentence: str) -> None:
    key, secret = a_hook()
    record = orjson.dumps({**orjson.loads(key.dump()), "hook": part})
    with pytest.raises(Unreadable) as refused:
        Key.load(key.id, record)
    assert str(refused.value).startswith(f"key '{key.id}': {sentence}")
    ring = KeyRing()
    assert len(ring.load({key.id.encode(): record})) == 1
    assert isinstance(ring.find(key.id, secret, NOW), str)
