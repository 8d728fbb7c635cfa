"""The OpenAPI document: whole, valid, and true of what the routes answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from fillstream.client.analytics import Found
from fillstream.libs.common.messages import glossary
from fillstream.libs.common.messages.journal import EVENTS
from fillstream.libs.common.messages.routing import RoutingTerms
from fillstream.services.gateway.http import words
from fillstream.services.gateway.http.describing import REF
from fillstream.tools.holds import Hold
from fillstream.tools.preview import Preview
from fillstream.tools.route_preview import Expected, RoutePreview
from fillstream.tools.status import StageState
from tests.support.backtests import settings_with
from tests.support.conforming import OURS, conforming
from tests.support.gateway_desk import GatewayDesk
from tests.support.gateway_people import GOOD, PeopleDesk

ORDER = {"symbol": "AAPL", "side": "BUY", "quantity": "10"}
MADE: list[dict[str, Any]] = []


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> GatewayDesk:
    monkeypatch.setenv("FILLSTREAM_ORDER_PARAMS__RATE_LIMIT_ORDERS", "null")
    found = GatewayDesk(settings_with(monkeypatch, simulation__enabled="false"))
    found.quote(19_000, 19_002)
    return found


@pytest.fixture
def document(desk: GatewayDesk) -> dict[str, Any]:
    if not MADE:
        MADE.append(desk.app.openapi())
    return MADE[0]


def calls(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        if path.startswith(OURS):
            for method, call in methods.items():
                yield f"{method.upper()} {path}", call


def parts(schema: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema below one, but for what it only names."""
    if not isinstance(schema, dict):
        return
    yield where, schema
    for name, each in schema.get("properties", {}).items():
        yield from parts(each, f"{where}.{name}")
    for key in ("items", "additionalProperties"):
        yield from parts(schema.get(key), where)
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for each in schema.get(key, ()):
            yield from parts(each, where)


def every_schema(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema that a route below /v1 has, the components that it names included, each once."""
    components = document["components"]["schemas"]
    waiting: list[tuple[str, Any]] = []
    for route, call in calls(document):
        for part in (call.get("requestBody"), *call["responses"].values()):
            waiting += [(route, media["schema"]) for media in (part or {}).get("content", {}).values()]
    named: set[str] = set()
    while waiting:
        route, schema = waiting.pop()
        for where, each in parts(schema, route):
            yield where, each
            name = each.get("$ref", "").removeprefix(REF)
            if name and name not in named:
                named.add(name)
                waiting.append((name, components[name]))


def alternatives(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what a schema may be, null aside, and of a list of objects the object."""
    if "$ref" in schema:
        yield from alternatives(document, document["components"]["schemas"][schema["$ref"].removeprefix(REF)])
    elif "anyOf" in schema or "oneOf" in schema:
        for each in schema.get("anyOf") or schema["oneOf"]:
            yield from alternatives(document, each)
    elif schema.get("type") == "array" and {"$ref", "anyOf", "oneOf", "properties"} & schema["items"].keys():
        yield from alternatives(document, schema["items"])
    elif schema.get("type") != "null":
        yield schema


def test_it_is_a_valid_document_of_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_each_route_has_an_id_a_summary_and_a_schema_of_its_answer(document: dict[str, Any]) -> None:
    ids = []
    for route, call in calls(document):
        ids.append(call["operationId"])
        assert call["summary"] and call["description"], route
        done = {status: it for status, it in call["responses"].items() if status.startswith("2")}
        assert done, route
        for status, told in done.items():
            for media in told.get("content", {}).values():
                assert media["schema"], (route, status)
    assert len(ids) == len(set(ids)) > 50


def test_each_body_has_an_example_that_its_schema_takes(document: dict[str, Any]) -> None:
    components = {"components": document["components"]}
    bodies = 0
    for route, call in calls(document):
        method = route.partition(" ")[0]
        if "requestBody" not in call:
            assert method in ("GET", "DELETE"), f"{route} takes no body?"
            continue
        media = call["requestBody"]["content"]["application/json"]
        problem = next(
            jsonschema_rs.validator_for({**media["schema"], **components}).iter_errors(media["example"]), None
        )
        assert problem is None, f"{route}: {problem}"
        bodies += 1
    assert bodies > 15


def test_each_field_says_what_it_is_and_has_an_example_that_it_takes(document: dict[str, Any]) -> None:
    components = {"components": document["components"]}
    fields = 0
    for where, schema in every_schema(document):
        for name, each in schema.get("properties", {}).items():
            fields += 1
            assert each.get("description"), f"{where}.{name}: says nothing"
            kinds = [*alternatives(document, each)]
            if not kinds or any({"enum", "const", "properties"} & kind.keys() for kind in kinds):
                continue
            assert each.get("examples"), f"{where}.{name}: has no example"
            for example in each["examples"]:
                whole = {**each, **components} if "$ref" in str(each) else each  # the components take long
                assert jsonschema_rs.is_valid(whole, example), f"{where}.{name}: {example!r}"
    assert fields > 1_000


def test_each_quantity_has_a_unit(document: dict[str, Any]) -> None:
    quantities = 0
    for where, schema in every_schema(document):
        for name, each in schema.get("properties", {}).items():
            if name.endswith(("_ms", "_time", "_px", "_qty", "_pnl", "_bps", "_s")) or name in ("price", "quantity"):
                assert each.get("unit"), f"{where}.{name}"
                quantities += 1
    assert quantities > 300


def test_each_parameter_says_what_it_is_and_has_an_example(document: dict[str, Any]) -> None:
    parameters = 0
    for route, call in calls(document):
        for each in call.get("parameters", ()):
            assert each.get("description"), f"{route}: {each['name']}"
            examples = each["schema"].get("examples")
            assert examples, f"{route}: {each['name']}"
            assert jsonschema_rs.is_valid(each["schema"], examples[0]), f"{route}: {each['name']}"
            parameters += 1
    assert parameters > 100


def test_no_word_is_explained_twice() -> None:
    assert not glossary.MEANINGS.keys() & words.MEANINGS.keys()


class Behind:
    """Answers what analytics and Redis would, by the very classes that say what they answer."""

    routing = RoutingTerms()

    async def with_redis(self, ask: Any) -> Any:
        if "redriven_before" in ask.__qualname__:
            return ["1796000400001-0"]
        if "redrive" in ask.__qualname__ or "send" in ask.__qualname__:
            return "1796000400001-0"
        hold = Hold("events.0", "analytics", "reader", 1.5, None)
        told = ("live", "orders.0", 0, 7, 1.5, None, None, 0, 77, None, None, None, 1)
        return [StageState("orders", 0, *told, None, (hold,))]  # type: ignore[arg-type]

    async def through(self, method: str, path: str, **asked: Any) -> httpx.Response:
        found = await self.sql("", 1)
        rows = [[*each.values()] for each in found.rows]
        return httpx.Response(200, json={"columns": found.columns, "rows": rows, "truncated": False})

    async def sql(self, text: str, limit: int) -> Found:
        if "AS measure" in text:
            point = {"measure": "equity", "account": "default", "currency": "USD", "upto": 1, "value": "1"}
            return Found([], [point], False, [])
        if "maker_share" in text:
            counts: dict[str, Any] = {"orders": 1, "filled_orders": 1, "fills": 1, "notional": "5", "fees": "0"}
            costs = dict.fromkeys(("slippage_bps", "expected_slippage_bps", "maker_share"), "0.5")
            spans = {f"{each}_ms_p{share}": None for each in ("accepted", "first_fill") for share in (50, 99)}
            where = {"symbol": "AAPL", "venue": "SIM", "currency": "USD"}
            return Found([], [{**where, **counts, **costs, **spans}], False, [])
        if "FROM rejects" in text:
            return Found([], [{"reason": "max_order_value", "orders": 1}], False, [])
        if "arg_min" in text:
            row: dict[str, Any] = {"begin_time": 0, "trades": 1, "open": "1", "high": "2", "low": "1", "close": "2"}
            return Found([{"name": "begin_time", "type": "BIGINT"}], [{**row, "volume": "5"}], False, ["events.0: gap"])
        return Found([{"name": "symbol", "type": "VARCHAR"}], [{"symbol": "AAPL"}], False, [])

    async def older_order(self, order_id: str) -> None:
        return None

    async def with_client(self, ask: Any) -> Any:
        found = Preview("default", "SIM", "USD", None, None, "10", "0.1", "spread", "1", "0.1", ["max_leverage"])
        leg = Expected("SIM", "10", "10", "190.25", "0.19", "190.27", "190.25")
        route = RoutePreview(
            "default", "AAPL", "BUY", "USD", "BEST_PRICE", "order", [leg], leg, [leg], "SIM", "0", ["SIM2"],
            {"SIM2": "is halted"},
        )  # fmt: skip
        return {"preview": found.as_dict(), "route": route.as_dict()}


async def use_orders(desk: GatewayDesk) -> str:
    resting = await desk.post("/v1/orders", {**ORDER, "price": "189.00", "strategy": "momentum"}, key="rest")
    order_id = str(resting.json()["order"]["order_id"])
    await desk.post("/v1/orders", ORDER, key="filled")
    await desk.post("/v1/orders/batch", {"orders": [ORDER, {**ORDER, "quantity": "-1"}]})
    await desk.post("/v1/orders/preview", ORDER)
    oco = {"orders": [{**ORDER, "price": "188.00"}, {**ORDER, "price": "187.00"}], "type": "NewOrderList"}
    await desk.post("/v1/signals", {**oco, "contingency_type": "ONE_CANCELS_OTHER"})
    await desk.post("/v1/signals", {"type": "Prediction", "symbol": "AAPL", "move": "BUY"})
    await desk.http.patch(f"/v1/orders/{order_id}", json={"price": "189.01"})
    for path in ("orders", "fills", "lists", "approvals", f"orders/{order_id}", f"orders/{order_id}/events"):
        assert (await desk.http.get(f"/v1/{path}")).status_code == 200, path
    await desk.http.get("/v1/signals/rest")
    await desk.http.delete(f"/v1/orders/{order_id}")
    await desk.http.delete("/v1/orders")
    return order_id


async def use_positions(desk: GatewayDesk) -> None:
    await desk.post("/v1/positions/AAPL/protect", {"stop_loss": "180"})
    await desk.http.delete("/v1/positions/AAPL/protect")
    await desk.post("/v1/targets", {"symbol": "AAPL", "target": "5"})
    await desk.http.delete("/v1/targets/AAPL")
    await desk.post("/v1/positions/AAPL/close", {})
    desk.wait(1_000)
    for path in ("positions", "positions/AAPL", "closed_positions", "exits", "targets", "risk"):
        found = await desk.http.get(f"/v1/{path}", params={"flat": "true"} if path == "positions" else {})
        there = [each for name, each in found.json().items() if name != "next"]  # which is null of the last page
        assert (found.status_code == 200 and all(there)) or path == "risk", found.text


async def use_controls(desk: GatewayDesk) -> None:
    cash = {"type": "AdjustAccount", "account": "default", "adjustment": "DEPOSIT", "amount": "5000", "reason": "cash"}
    await desk.post("/v1/controls", cash)
    limits = {"limits": {"max_order_value": "50000", "requires_approval": True}, "reason": "smaller"}
    await desk.http.patch("/v1/accounts/default/limits", json=limits)
    for name in ("approve", "refuse"):
        waits = await desk.post("/v1/orders", {**ORDER, "price": "189.00"}, headers={"prefer": "wait=1"})
        assert (await desk.http.get("/v1/approvals")).json()["approvals"], waits.text
        await desk.post(f"/v1/orders/{waits.json()['order']['order_id']}/{name}", {"reason": "seen"})
    await desk.http.request("DELETE", "/v1/accounts/default/limits", json={"reason": "over"})
    for name in ("halt", "reduce", "resume"):
        await desk.post(f"/v1/{name}", {"reason": "test"})
    desk.wait(1_000)
    for path in ("accounts", "accounts/default", "trading_state", "breakers", "controls", "rules", "risk"):
        assert (await desk.http.get(f"/v1/{path}")).status_code == 200, path


async def use_markets_and_desk(desk: GatewayDesk) -> None:
    for path in (
        "instruments", "instruments/AAPL", "venues", "quotes", "quotes/AAPL", "depth/AAPL", "trades/AAPL", "bars/AAPL",
        "stages", "topology", "log/events.0", "log?after=events.0:0-0", "dead/redriven?letter_id=1-0",
        "analytics/orders", "reports/equity", "reports/execution", "algorithms",
    ):  # fmt: skip
        found = await desk.http.get(f"/v1/{path}")
        assert found.status_code == 200, found.text
    await desk.post("/v1/sql", {"sql": "SELECT 1"})
    await desk.post("/v1/analytics/query", {"sql": "SELECT 1"})
    desk.memory.append(desk.gateway.asking.topology.signals, {b"data": b"{"})
    desk.wait(1)
    [letter] = (await desk.http.get("/v1/dead")).json()["dead"]
    await desk.post(f"/v1/dead/{letter['id']}/redrive", {})


async def use_people(people: PeopleDesk) -> None:
    browser = await people.browser()
    assert (await browser.ask("GET", "/v1/session")).status_code == 200
    changed = {"password": GOOD, "new_password": "another good password"}
    assert (await browser.ask("PUT", "/v1/session/password", json=changed)).status_code == 204
    assert (await browser.ask("GET", "/v1/audit")).status_code == 200
    assert (await browser.ask("DELETE", "/v1/session")).status_code == 204


def test_every_route_answers_as_the_document_says(
    desk: GatewayDesk, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    """Each answer is compared as it comes (`GatewayDesk`), with schemas that have no room for an unknown field."""

    people = PeopleDesk(monkeypatch, redis_url)
    people.make("anna", "admin")

    async def play() -> None:
        desk.app.state.behind = desk.gateway.behind = Behind()  # type: ignore[assignment]
        compares = conforming(desk.app)
        compares.seen.clear()
        await use_orders(desk)
        await use_positions(desk)
        await use_controls(desk)
        await use_markets_and_desk(desk)
        await use_people(people)
        done = {f"{method} {path}" for method, path, status in compares.seen if status < 300}
        assert {route for route, _ in calls(document)} - done == {"GET /v1/stream"}

    people.play(play)


def test_every_event_of_the_journal_is_described(document: dict[str, Any]) -> None:
    components = document["components"]["schemas"]
    assert {f"{name}Event" for name in EVENTS} <= components.keys()
    assert all("id" in components[f"{name}Event"]["properties"] for name in EVENTS)


def test_it_is_made_once_however_often_it_is_asked_for(desk: GatewayDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        first, second = await asyncio.gather(desk.http.get("/openapi.json"), desk.http.get("/openapi.json"))
        assert first.content == second.content
        desk.app._answers = None  # type: ignore[attr-defined]  # nobody asks for them again
        assert (await desk.http.get("/docs")).status_code == 200

    asyncio.run(play())


def test_every_header_that_is_described_is_sent(document: dict[str, Any], desk: GatewayDesk) -> None:
    """That none is sent without being described is looked at with every answer, see `Conforming`."""

    async def play() -> None:
        compares = conforming(desk.app)
        compares.headers.clear()
        made = await desk.post("/v1/orders", ORDER, key="again")
        await desk.post("/v1/orders", ORDER, key="again")
        assert made.headers["location"].startswith("/v1/orders/")
        await desk.http.get("/v1/orders")
        await desk.http.get("/v1/orders", params={"at_least": "events.0:9999999999999-0"})
        found = {name for name, _ in compares.headers}
        described = {name.lower() for name in document["components"]["headers"]}
        # Where nobody is asked for a key nobody is told how to show one: `test_access` is.
        assert described - found == {"www-authenticate"}

    asyncio.run(play())
    for route, call in calls(document):
        for status, told in call["responses"].items():
            assert told["headers"], (route, status)
            assert {each["$ref"] for each in told["headers"].values()} <= {
                f"#/components/headers/{name}" for name in document["components"]["headers"]
            }
