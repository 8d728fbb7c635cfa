"""Document 001's REST, as that document and its own tests have it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from fillstream.services.gateway.order_management import MAX_BODY_BYTES, app, make_app
from tests.conftest import free_port, until
from tests.support.tree import ROOT

ORDERS: list[dict[str, Any]] = [
    {"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": 20, "price": 20},
    {"order_id": 4, "symbol": "JPM", "side": "BUY", "amount": 10, "price": 21},
]
TRADE: dict[str, Any] = {"symbol": "JPM", "side": "BUY", "amount": 22}
JSON = {"content-type": "application/json"}


class Call(NamedTuple):
    """A request: `said` is a query's where it asks, a body's elsewhere."""

    method: str
    path: str
    said: dict[str, Any] | None = None

    async def to(self, client: httpx.AsyncClient) -> httpx.Response:
        if self.method == "GET":
            return await client.get(self.path, params=self.said)
        return await client.request(self.method, self.path, json=self.said)


def answers(to: Any, calls: Sequence[Call]) -> list[httpx.Response]:
    """Return what an app answers, call by call; an exception of its own is raised here."""

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(to), base_url="http://desk") as client:
            return [await call.to(client) for call in calls]

    return asyncio.run(ask())


def raw(to: Any, method: str, path: str, content: Any = None, headers: dict[str, str] | None = None) -> httpx.Response:
    """Return what an app answers to a request that is written by hand."""
    written = {name: value.encode("latin-1") for name, value in (headers or {}).items()}

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(to), base_url="http://desk") as client:
            return await client.request(method, path, content=content, headers=written)  # type: ignore[arg-type]

    return asyncio.run(ask())


def filled() -> FastAPI:
    """Return an app with the orders of the document's example."""
    made = make_app()
    assert [each.status_code for each in answers(made, [Call("POST", "/orders", order) for order in ORDERS])] == [
        201
    ] * 2
    return made


def price(to: Any, amount: int = 10**15, symbol: str = "JPM", side: str = "BUY") -> Any:
    (answer,) = answers(to, [Call("GET", "/price", {"symbol": symbol, "side": side, "amount": amount})])
    assert answer.status_code == 200
    return answer.json()["price"]


def problem(answer: httpx.Response, status: int) -> Any:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told.keys() == {"type", "title", "status", "detail", "error"}
    assert (told["type"], told["status"]) == ("about:blank", status)
    return told


def sentence(answer: httpx.Response, status: int) -> Any:
    told = problem(answer, status)
    assert told["detail"] == told["error"]
    return told["error"]


# What the document says, and its own tests.


def test_the_documents_prices() -> None:
    assert [price(filled(), amount) for amount in (20, 10, 22)] == [400, 200, 442]


def test_a_new_order_is_answered_with_itself() -> None:
    (answer,) = answers(make_app(), [Call("POST", "/orders", ORDERS[0])])
    assert (answer.status_code, answer.json()) == (201, ORDERS[0])
    assert answer.headers["content-type"] == "application/json"


def test_sells_are_read_highest_first() -> None:
    to = filled()
    sells = [{**ORDERS[0], "side": "SELL", "order_id": n, "price": n, "amount": 5} for n in (10, 12, 11)]
    answers(to, [Call("POST", "/orders", sell) for sell in sells])
    assert price(to, 12, side="SELL") == 5 * 12 + 5 * 11 + 2 * 10
    assert price(to, 20) == 400, "the two sides never trade with one another"


def test_a_trade_takes_what_the_price_counted() -> None:
    to = filled()
    (answer,) = answers(to, [Call("POST", "/trades", TRADE)])
    told = answer.json()
    assert answer.status_code == 201
    assert str(uuid.UUID(told.pop("trade_id"))) == answer.json()["trade_id"]
    executed_at = datetime.fromisoformat(told.pop("executed_at"))
    assert executed_at.utcoffset() == timedelta(0)
    fills = [
        {"order_id": 1, "filled_amount": 20, "fill_price": 20},
        {"order_id": 4, "filled_amount": 2, "fill_price": 21},
    ]
    assert told == {**TRADE, "total_price": 442, "order_fills": fills}
    assert price(to, 8) == 8 * 21, "what is left"


def test_each_trade_has_an_id_of_its_own() -> None:
    first, second = answers(filled(), [Call("POST", "/trades", {**TRADE, "amount": 1})] * 2)
    assert first.json()["trade_id"] != second.json()["trade_id"]


def test_of_too_few_shares_it_is_those_that_there_are() -> None:
    to = filled()
    assert price(to, 50) == 610
    (trade,) = answers(to, [Call("POST", "/trades", {**TRADE, "amount": 50})])
    assert trade.status_code == 201
    assert (trade.json()["amount"], trade.json()["total_price"]) == (30, 610)


def test_of_no_shares_it_is_nothing_and_no_error() -> None:
    to = make_app()
    assert price(to, 10, "UNKNOWN") == 0
    (trade,) = answers(to, [Call("POST", "/trades", TRADE)])
    assert trade.status_code == 201
    assert (trade.json()["amount"], trade.json()["total_price"], trade.json()["order_fills"]) == (0, 0, [])


def test_a_removed_order_counts_no_more_and_an_unknown_one_is_answered_alike() -> None:
    to = filled()
    removed, again, unknown = answers(to, [Call("DELETE", f"/orders/{n}") for n in (1, 1, 999)])
    assert [(each.status_code, each.content) for each in (removed, again, unknown)] == [(204, b"")] * 3
    assert price(to, 10) == 210


@pytest.mark.parametrize("change", [{}, {"symbol": "GS", "side": "SELL", "amount": 50, "price": 25}])
def test_an_id_that_an_order_has_is_refused_and_changes_nothing(change: dict[str, Any]) -> None:
    to = filled()
    (answer,) = answers(to, [Call("POST", "/orders", {**ORDERS[0], **change})])
    assert sentence(answer, 409) == "order_id is 1, and an order has it already; it must be new."
    assert (price(to), price(to, symbol="GS", side="SELL")) == (610, 0)


def test_an_id_is_free_once_its_order_is_gone() -> None:
    calls = [
        Call("DELETE", "/orders/4"),
        Call("POST", "/orders", ORDERS[1]),
        Call("POST", "/trades", {**TRADE, "amount": 30}),
        *(Call("POST", "/orders", order) for order in ORDERS),
    ]
    assert [each.status_code for each in answers(filled(), calls)] == [204, 201, 201, 201, 201]


def test_what_the_list_has_no_room_for_is_refused_with_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fillstream.orderbook.order_management.MAX_SYMBOL", 0)
    (answer,) = answers(filled(), [Call("POST", "/orders", {**ORDERS[0], "order_id": 2, "symbol": "GS"})])
    assert sentence(answer, 409) == "symbol is 'GS', and there is room for 1 symbols and sides at most."


@pytest.mark.parametrize("side", ["INVALID", "buy", "", "B", "BUY ", "1", "\U0001fae8" * 99])
def test_a_side_that_is_none_is_answered_as_the_prototype_does(side: str) -> None:
    to = filled()
    said = {**TRADE, "side": side}
    for call in (Call("POST", "/orders", {**ORDERS[0], "order_id": 9, **said}), Call("POST", "/trades", said)):
        told = problem(answers(to, [call])[0], 400)
        assert told["detail"] == {"error": "Invalid side", "valid_values": ["BUY", "SELL"]}
        assert re.fullmatch(r"side: '.*'(\.\.\.)? must be BUY or SELL", told["error"])
        assert len(told["error"]) < 1000
    (answer,) = answers(to, [Call("GET", "/price", said)])
    assert problem(answer, 400)["detail"]["error"] == "Invalid side"
    assert price(to) == 610


def test_it_says_that_it_is_healthy() -> None:
    (answer,) = answers(make_app(), [Call("GET", "/health")])
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})


# What nobody should send.


@pytest.mark.parametrize(
    ("path", "change", "said"),
    [
        ("/orders", {"amount": -10}, "amount: -10 must be above 0"),
        ("/orders", {"amount": 0}, "amount: 0 must be above 0"),
        ("/orders", {"amount": 10**15 + 1}, "amount: 1000000000000001 must be at most 1000000000000000"),
        ("/orders", {"amount": True}, "amount: True must be a whole number"),
        ("/orders", {"price": 0}, "price: 0 must be above 0"),
        ("/orders", {"price": 2**62}, "price: 4611686018427387904 must be at most 4611686018427387903"),
        ("/orders", {"price": 20.0}, "price: 20.0 must be a whole number"),
        ("/orders", {"price": None}, "price: None must be a whole number"),
        ("/orders", {"order_id": 2**63}, "order_id: 9223372036854775808 must be at most 9223372036854775807"),
        ("/orders", {"order_id": -(2**63) - 1}, "order_id: -9223372036854775809 must be at least -9223372036854775808"),
        ("/orders", {"order_id": "1"}, "order_id: '1' must be a whole number"),
        ("/orders", {"side": 1}, "side: 1 must be a string"),
        ("/orders", {"symbol": ""}, "symbol: '' must match ^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,63}$"),
        ("/orders", {"symbol": 5, "amount": []}, "symbol: 5 must be a string; amount: a list must be a whole number"),
        ("/trades", {"amount": -10}, "amount: -10 must be above 0"),
        ("/trades", {"amount": "22"}, "amount: '22' must be a whole number"),
    ],
)
def test_a_refusal_names_the_field_the_value_and_the_limit(path: str, change: dict[str, Any], said: str) -> None:
    whole = {**ORDERS[0], "order_id": 9} if path == "/orders" else TRADE
    to = filled()
    (answer,) = answers(to, [Call("POST", path, {**whole, **change})])
    assert sentence(answer, 422) == said
    assert price(to) == 610


@pytest.mark.parametrize(("path", "whole"), [("/orders", {**ORDERS[0], "order_id": 9}), ("/trades", TRADE)])
def test_every_field_is_needed(path: str, whole: dict[str, Any]) -> None:
    to = filled()
    for field in whole:
        (answer,) = answers(to, [Call("POST", path, {key: whole[key] for key in whole if key != field})])
        assert sentence(answer, 422) == f"{field}: is missing"
    assert price(to) == 610


def test_a_field_that_nobody_asked_for_is_passed_over_as_the_prototype_does() -> None:
    more = {**ORDERS[0], "order_id": 9, "note": {"a": [1]}, "": None}
    (answer,) = answers(filled(), [Call("POST", "/orders", more)])
    assert (answer.status_code, answer.json()) == (201, {**ORDERS[0], "order_id": 9})


VALUES = [
    "NaN", "-Infinity", "1e999", "1e2", "0.1", "20.0", "9" * 400, "9" * 5_000, "-" + "9" * 5_000, "true", "null",
    '"NaN"', '"20"', '"\\ud800"', '"\\u0000"', '"\U0001fae8"', '"J\\nP"', '"' + "x" * 10_000 + '"', '"\u0663"', "[]",
    "{}", "[1]", '{"$ref": "#"}', "[" * 10_000, '{"a":' * 5_000, "01", "1_0", "'1'", "", "}", "20, 20",
]  # fmt: skip
"""Where a value of JSON should be; some make the whole body something else."""


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
@pytest.mark.parametrize(("path", "whole"), [("/orders", {**ORDERS[0], "order_id": 9}), ("/trades", TRADE)])
def test_nothing_in_a_body_breaks_it_or_changes_anything(path: str, whole: dict[str, Any], value: str) -> None:
    to = filled()
    for field in whole:
        spoiled = {key: "@" if key == field else it for key, it in whole.items()}
        if field == "symbol" and value in ('"NaN"', '"20"'):
            continue  # odd names, and names all the same
        body = json.dumps(spoiled).replace('"@"', value).encode()
        answer = raw(to, "POST", path, body, JSON)
        told = problem(answer, answer.status_code)
        assert answer.status_code == 422 or (answer.status_code, field) == (400, "side")
        assert re.search(rf"{field}: |^body: must be one JSON document$", told["error"]), told["error"]
        assert told["error"].isascii()
        assert len(told["error"]) < 500
    assert price(to) == 610


BODIES = [
    b"",
    b"null",
    b"[]",
    b"1",
    b'"x"',
    b"\xff\xfe",
    b"{",
    b"{}x",
    b"\xef\xbb\xbf{}",
    b"NaN",
    b"\x00" * 99,
    b"[" * 60_000,
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize("path", ["/orders", "/trades"])
def test_a_body_that_is_no_object_is_refused_as_a_whole(path: str, body: bytes) -> None:
    said = sentence(raw(make_app(), "POST", path, body, JSON), 422)
    assert re.fullmatch(r"body: (must be one JSON document|.+ must be a mapping of keys to values)", said)


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "\xff", "x" * 500]
)
def test_a_body_says_that_it_is_json(kind: str) -> None:
    """A page of a stranger may send any other type to this machine, and the browser asks nobody."""
    to = filled()
    answer = raw(to, "POST", "/trades", json.dumps(TRADE).encode(), {"content-type": kind} if kind else None)
    assert re.fullmatch(r"content-type: '.*'(\.\.\.)? must be application/json", sentence(answer, 422))
    assert price(to) == 610
    told = raw(to, "POST", "/trades", json.dumps(TRADE).encode(), {"content-type": "Application/JSON; charset=utf-8"})
    assert told.status_code == 201


def test_a_body_is_read_up_to_a_limit_and_no_further() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1024
            yield b" " * 1024

    for path in ("/orders", "/trades"):
        read = 0
        assert sentence(raw(make_app(), "POST", path, endless(), JSON), 413) == "body: more than 65536 bytes"
        assert read == MAX_BODY_BYTES + 1024
    body = json.dumps(ORDERS[0]).encode().ljust(MAX_BODY_BYTES)
    assert raw(make_app(), "POST", "/orders", body, JSON).status_code == 201


def test_a_connection_that_ends_within_a_body_changes_nothing_and_raises_nothing() -> None:
    to, sent = filled(), []
    body = json.dumps({**ORDERS[0], "order_id": 9}).encode()
    parts = iter([{"type": "http.request", "body": body, "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(parts)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/orders", "query_string": b"", "headers": headers}
    asyncio.run(to(scope, receive, send))
    assert sent[0]["status"] == 400
    assert b"body: the connection ended within it" in sent[1]["body"]
    assert price(to) == 610


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "symbol: is missing; side: is missing; amount: is missing"),
        ("symbol=JPM&side=BUY&amount=0", "amount: 0 must be above 0"),
        ("symbol=JPM&side=BUY&amount=-1", "amount: -1 must be above 0"),
        ("symbol=JPM&side=BUY&amount=1000000000000001", "amount: 1000000000000001 must be at most 1000000000000000"),
        ("symbol=JPM&side=BUY&amount=20.0", "amount: '20.0' must be a whole number"),
        ("symbol=JPM&side=BUY&amount=1_0", "amount: '1_0' must be a whole number"),
        ("symbol=JPM&side=BUY&amount=%2B1", "amount: '+1' must be a whole number"),
        ("symbol=JPM&side=BUY&amount=+1", "amount: ' 1' must be a whole number"),
        ("symbol=JPM&side=BUY&amount=%D9%A3", r"amount: '\u0663' must be a whole number"),
        ("symbol=JPM&side=BUY&amount=NaN", "amount: 'NaN' must be a whole number"),
        (
            "symbol=JPM&side=BUY&amount=" + "9" * 3000,
            "amount: an integer of 9966 bits must be at most 1000000000000000",
        ),
        ("symbol=JPM&side=BUY&amount=" + "9" * 30000, f"amount: '{'9' * 80}'... must be a whole number"),
        ("symbol=&side=BUY&amount=1", "symbol: '' must match ^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,63}$"),
        ("symbol=%ff%00&side=BUY&amount=1", r"symbol: '\ufffd\x00' must match ^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,63}$"),
    ],
    ids=range(14),
)
def test_a_query_that_is_wrong_is_refused(query: str, said: str) -> None:
    assert sentence(raw(filled(), "GET", f"/price?{query}"), 422) == said


@pytest.mark.parametrize(
    ("order_id", "said"),
    [
        ("abc", "order_id: 'abc' must be a whole number"),
        ("1.0", "order_id: '1.0' must be a whole number"),
        ("%D9%A1", r"order_id: '\u0661' must be a whole number"),
        ("%201", "order_id: ' 1' must be a whole number"),
        ("9223372036854775808", "order_id: 9223372036854775808 must be at most 9223372036854775807"),
        ("9" * 3000, "order_id: an integer of 9966 bits must be at most 9223372036854775807"),
        ("\U0001fae8" * 999, "order_id: '" + r"\U0001fae8" * 80 + "'... must be a whole number"),
    ],
    ids=range(7),
)
def test_an_order_id_that_is_none_is_refused(order_id: str, said: str) -> None:
    to = filled()
    assert sentence(raw(to, "DELETE", f"/orders/{order_id}"), 422) == said
    assert price(to) == 610


def test_a_path_or_a_method_that_there_is_not_is_told_what_there_is() -> None:
    to = filled()
    there = "POST /orders, DELETE /orders/{order_id}, GET /price, POST /trades, GET /health"
    for path in ("/nope", "/orders/", "/orders/1/2"):
        said = sentence(raw(to, "GET", path, headers={"host": "[::"}), 404)
        assert said == f"path: '{path}' is not answered here; there are {there}"
    answer = raw(to, "PUT", "/orders")
    assert sentence(answer, 405) == "method: 'PUT' is not answered here; there is POST"
    assert answer.headers["allow"] == "POST"


# Any sequence of calls, against the plainest way to do the same.


class Naive:
    """A list of orders in their order of arrival, looked through anew for every call."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []

    def answer(self, call: Call) -> tuple[int, Any]:
        said = call.said or {}
        match call.method, call.path:
            case "DELETE", path:
                self.orders = [order for order in self.orders if path != f"/orders/{order['order_id']}"]
                return 204, None
            case _ if said["amount"] == 0:
                return 422, None
            case _ if said["side"] == "HOLD":
                return 400, None
            case "POST", "/orders":
                if said["order_id"] in [order["order_id"] for order in self.orders]:
                    return 409, None
                self.orders.append(dict(said))
                return 201, said
        fills = [(order, taken) for order, taken in self.walk(**said) if taken]
        total = sum(order["price"] * taken for order, taken in fills)
        if call.method == "GET":
            return 200, {"price": total}
        told = [{"order_id": o["order_id"], "filled_amount": n, "fill_price": o["price"]} for o, n in fills]
        for order, taken in fills:
            order["amount"] -= taken
        self.orders = [order for order in self.orders if order["amount"]]
        return 201, {**said, "amount": sum(n for _, n in fills), "total_price": total, "order_fills": told}

    def walk(self, symbol: str, side: str, amount: int) -> Iterator[tuple[dict[str, Any], int]]:
        sign = 1 if side == "BUY" else -1
        for order in sorted(self.orders, key=lambda order: sign * int(order["price"])):
            if (order["symbol"], order["side"]) == (symbol, side):
                taken = min(amount, order["amount"])
                amount -= taken
                yield order, taken


ids = st.integers(1, 8)
of_a_side = {
    "symbol": st.sampled_from(["JPM", "JPM", "BTC-USD"]),
    "side": st.sampled_from(["BUY", "BUY", "SELL", "HOLD"]),
    "amount": st.one_of(st.integers(1, 30), st.sampled_from([0, 10**15])),
}
prices = st.one_of(st.integers(1, 4), st.just(2**62 - 1))
calls = st.one_of(
    st.builds(
        Call,
        st.just("POST"),
        st.just("/orders"),
        st.fixed_dictionaries({"order_id": ids, **of_a_side, "price": prices}),
    ),
    st.builds(Call, st.just("GET"), st.just("/price"), st.fixed_dictionaries(of_a_side)),
    st.builds(Call, st.just("POST"), st.just("/trades"), st.fixed_dictionaries(of_a_side)),
    st.builds(Call, st.just("DELETE"), ids.map(lambda order_id: f"/orders/{order_id}"), st.none()),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(calls, min_size=1, max_size=40))
def test_any_calls_are_answered_as_the_naive_list_answers_them(asked: list[Call]) -> None:
    naive = Naive()
    for call, answer in zip(asked, answers(make_app(), asked), strict=True):
        status, body = naive.answer(call)
        assert answer.status_code == status, (call, answer.text)
        if body is not None:
            told = answer.json()
            assert {key: told[key] for key in told if key not in ("trade_id", "executed_at")} == body, call


# How it is found, described and started.


def test_every_app_has_a_list_of_its_own_and_may_be_mounted() -> None:
    gateway = FastAPI()
    gateway.mount("/order-management", filled())
    gateway.mount("/another", make_app())
    price_of = "/price?symbol=JPM&side=BUY&amount=22"
    asked = [raw(gateway, "GET", f"{at}{price_of}").json() for at in ("/order-management", "/another")]
    assert asked == [{"price": 442}, {"price": 0}]
    said = sentence(raw(gateway, "GET", "/another/nope"), 404)
    assert said.startswith("path: '/another/nope' is not answered here; there are POST /another/orders, ")
    assert problem(raw(gateway, "POST", "/another/trades", b"{", JSON), 422)


def test_it_describes_itself_with_examples_that_work() -> None:
    to = make_app()
    told = raw(to, "GET", "/openapi.json").json()
    described = {
        (method.upper(), path): each for path, methods in told["paths"].items() for method, each in methods.items()
    }
    assert {key: {*each["responses"]} for key, each in described.items()} == {
        ("POST", "/orders"): {"201", "400", "409", "413", "422"},
        ("DELETE", "/orders/{order_id}"): {"204", "422"},
        ("GET", "/price"): {"200", "400", "422"},
        ("POST", "/trades"): {"201", "400", "413", "422"},
        ("GET", "/health"): {"200"},
    }
    for (method, path), each in described.items():
        assert each["description"]
        assert all(parameter["description"] for parameter in each.get("parameters", []))
        for status, answer in each["responses"].items():
            if int(status) >= 400:
                assert answer["content"]["application/problem+json"]["example"]["status"] == int(status)
        if method == "POST":
            schema = each["requestBody"]["content"]["application/json"]["schema"]
            assert all(field["description"] for field in schema["properties"].values())
            assert answers(to, [Call("POST", path, schema["examples"][0])])[0].status_code == 201


def test_no_page_has_a_browser_ask_another_server() -> None:
    assert [raw(make_app(), "GET", path).status_code for path in ("/docs", "/redoc")] == [404, 404]


def preflight(to: Any, origin: str) -> httpx.Response:
    asked = {"access-control-request-method": "DELETE", "access-control-request-headers": "authorization, content-type"}
    return raw(to, "OPTIONS", "/orders/1", headers={"origin": origin, **asked})


def test_pages_of_this_machine_may_call_the_app_that_is_served_and_no_others() -> None:
    allowed = preflight(app, "http://localhost:3000")
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "http://localhost:3000")
    refused = preflight(app, "http://elsewhere.example")
    assert (refused.status_code, refused.headers.get("access-control-allow-origin")) == (400, None)


def test_an_app_that_is_mounted_leaves_pages_to_whoever_mounts_it() -> None:
    assert sentence(preflight(make_app(), "http://localhost:3000"), 405)


@contextmanager
def served(target: str, folder: Path, **environ: str) -> Iterator[str]:
    """Start uvicorn in a folder and yield its address; end it."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", target, "--port", str(port), "--log-level", "warning"]
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(command, cwd=folder, env={**kept, **environ}) as process:
        try:
            url = f"http://127.0.0.1:{port}"

            def is_up() -> bool:
                assert process.poll() is None, "it has ended"
                try:
                    return httpx.get(f"{url}/health").status_code == 200
                except httpx.ConnectError:
                    return False

            until(is_up, f"{target} on port {port}")
            yield url
        finally:
            process.terminate()


def _plays_the_example(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        assert [client.post("/orders", json=order).status_code for order in ORDERS] == [201, 201]
        assert [client.get("/price", params={**TRADE, "amount": n}).json()["price"] for n in (20, 10, 22)] == [
            400,
            200,
            442,
        ]
        assert client.post("/trades", json=TRADE).json()["total_price"] == 442
        assert client.post("/orders", json=ORDERS[1]).status_code == 409
        assert client.delete("/orders/4").status_code == 204
        assert client.get("/price", params=TRADE).json() == {"price": 0}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served("services.gateway.order_management:app", ROOT) as address:
        yield address


def test_it_starts_from_the_projects_root_as_the_document_starts_it(url: str) -> None:
    _plays_the_example(url)


def test_it_starts_from_anywhere_by_its_name_in_the_package(tmp_path: Path) -> None:
    with served("fillstream.services.gateway.order_management:app", tmp_path, PYTHONPATH=str(ROOT)) as address:
        _plays_the_example(address)


PAGE = (ROOT / "docs" / "order-management.md").read_text().split("## A first order")[1]


@pytest.mark.parametrize(
    ("language", "comment", "command"),
    [
        ("python", "#", [sys.executable, "-"]),
        ("sh", "#", ["sh"]),
        ("js", "//", ["node", "--input-type=module", "-"]),
    ],
)
def test_the_first_order_of_the_page_prints_what_the_page_says(
    language: str, comment: str, command: list[str], url: str
) -> None:
    for program in (command[0], *(["curl"] if language == "sh" else [])):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on PATH")
    for order in ORDERS:
        httpx.delete(f"{url}/orders/{order['order_id']}")
    (example,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        command, input=example.replace("http://127.0.0.1:8080", url), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == re.findall(rf"  {comment} (.+)$", example, re.MULTILINE)
