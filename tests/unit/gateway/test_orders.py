"""Orders over HTTP, in front of a whole desk: each answer is what the desk decided, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
import pytest

from fillstream.services.gateway.sending import Refused, Unsure
from tests.support.backtests import settings_with
from tests.support.gateway_desk import GatewayDesk

Play = Callable[[GatewayDesk], Coroutine[Any, Any, None]]
ORDER = {"symbol": "AAPL", "side": "BUY", "quantity": "10"}


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> GatewayDesk:
    monkeypatch.setenv("FILLSTREAM_ORDER_PARAMS__RATE_LIMIT_ORDERS", "null")
    found = GatewayDesk(settings_with(monkeypatch, simulation__enabled="false"))
    found.quote(19_000, 19_002)
    return found


def test_a_market_order_is_answered_with_its_fill(desk: GatewayDesk) -> None:
    async def play() -> None:
        told = await desk.post("/v1/orders", ORDER, key="a-1")
        assert told.status_code == 201
        order = told.json()["order"]
        assert (order["ord_status"], order["cum_qty"], order["avg_px"]) == ("Filled", "10", "190.02")
        assert (order["signal_id"], order["client_order_id"]) == ("a-1", "a-1")
        assert told.headers["location"] == f"/v1/orders/{order['order_id']}"
        [(stream, at)] = told.json()["as_of"].items()
        assert (stream, at) == ("events.0", desk.desk.places["events.0"])
        [fill] = (await desk.http.get("/v1/fills", params={"order_id": order["order_id"]})).json()["fills"]
        assert (fill["last_qty"], fill["last_px"], fill["side"]) == ("10", "190.02", "BUY")
        position = (await desk.http.get("/v1/positions/AAPL")).json()["position"]
        assert (position["position"], position["avg_px"]) == ("10", "190.02")

    asyncio.run(play())


def test_a_repeated_call_has_the_same_answer_and_trades_once(desk: GatewayDesk) -> None:
    async def play() -> None:
        first = await desk.post("/v1/orders", ORDER, key="same")
        again = await desk.post("/v1/orders", ORDER, key="same")
        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json()["order"] == first.json()["order"]
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        other = await desk.post("/v1/orders", {**ORDER, "quantity": "11"}, key="same")
        assert (other.status_code, other.json()["reason"]) == (409, "duplicate_signal_id")
        assert (await desk.http.get("/v1/positions/AAPL")).json()["position"]["position"] == "10"
        both = await desk.post("/v1/orders", {**ORDER, "signal_id": "x"}, key="y")
        assert (both.status_code, both.json()["field"]) == (400, "signal_id")

    asyncio.run(play())


@pytest.mark.parametrize(
    ("body", "status", "reason", "field"),
    [
        ({**ORDER, "price": 190.005}, 422, "off_tick", "price"),
        ({**ORDER, "symbol": "NOPE"}, 422, "unknown_symbol", "symbol"),
        ({**ORDER, "quantity": 0}, 422, "bad_value", "quantity"),
        ({**ORDER, "quantity": "ten"}, 422, "bad_value", "quantity"),
        ({**ORDER, "colour": "red"}, 422, "bad_value", "colour"),
        ({"side": "BUY"}, 422, "bad_value", "symbol"),
        ({**ORDER, "account": "nobody"}, 422, "unknown_account", "account"),
        ({**ORDER, "type": "CancelOrder"}, 201, None, None),
    ],
)
def test_a_refusal_names_reason_and_field(
    desk: GatewayDesk, body: dict[str, Any], status: int, reason: str | None, field: str | None
) -> None:
    async def play() -> None:
        told = await desk.post("/v1/orders", body)
        problem = told.json()
        assert told.status_code == status
        if reason is not None:
            assert told.headers["content-type"] == "application/problem+json"
            assert (problem["reason"], problem.get("field"), problem["status"]) == (reason, field, status)
            assert problem["detail"].startswith(f"{field}: ")
            assert problem["type"].endswith(f"#{reason}")

    asyncio.run(play())


@pytest.mark.parametrize(
    ("raw", "kind", "status", "reason"),
    [
        (b"{", "application/json", 400, "bad_json"),
        (b"[1]", "application/json", 400, "not_an_object"),
        (b'{"a":1,"a":2}', "application/json", 400, "duplicate_key"),
        (b'{"symbol":"\xff"}', "application/json", 400, "bad_utf8"),
        (b"[" * 100_00, "application/json", 400, "nested_too_deeply"),
        (b"x" * 70_000, "application/json", 413, "too_large"),
        (b"symbol=AAPL", "application/x-www-form-urlencoded", 415, "bad_content_type"),
        (b'{"symbol":"AAPL","side":"BUY","quantity":NaN}', "application/json", 422, "bad_value"),
        (b'{"symbol":"AAPL","side":"BUY","quantity":1e999999999}', "application/json", 422, "bad_value"),
        (b"", "application/json", 422, "bad_value"),
    ],
)
def test_a_body_that_is_none_is_refused(desk: GatewayDesk, raw: bytes, kind: str, status: int, reason: str) -> None:
    async def play() -> None:
        told = await desk.http.post("/v1/orders", content=raw, headers={"content-type": kind})
        assert (told.status_code, told.json()["reason"]) == (status, reason)
        assert desk.sent == []

    asyncio.run(play())


def test_numbers_are_exact(desk: GatewayDesk) -> None:
    async def play() -> None:
        raw = b'{"symbol":"AAPL","side":"BUY","quantity":10.000,"price":189.10}'
        told = await desk.http.post("/v1/orders", content=raw, headers={"content-type": "application/json"})
        assert (told.json()["order"]["quantity"], told.json()["order"]["price"]) == ("10", "189.10")

    asyncio.run(play())


def test_an_order_is_amended_and_canceled_by_either_name(desk: GatewayDesk) -> None:
    async def play() -> None:
        told = await desk.post("/v1/orders", {**ORDER, "price": "189.00", "client_order_id": "mine"})
        order_id = told.json()["order"]["order_id"]
        by_name = await desk.http.get("/v1/orders/client:default:mine")
        assert by_name.json()["order"]["order_id"] == order_id
        amended = await desk.http.patch(f"/v1/orders/{order_id}", json={"price": "189.50", "quantity": "20"})
        order = amended.json()["order"]
        assert (amended.status_code, order["price"], order["quantity"]) == (200, "189.50", "20")
        gone = await desk.http.delete("/v1/orders/client:default:mine")
        assert (gone.status_code, gone.json()["order"]["ord_status"]) == (200, "Canceled")
        late = await desk.http.delete(f"/v1/orders/{order_id}")
        assert (late.status_code, late.json()["reason"]) == (422, "too_late")
        never = await desk.http.delete("/v1/orders/999")
        assert (never.status_code, never.json()["reason"]) == (404, "unknown_order")
        types = [each["type"] for each in (await desk.http.get(f"/v1/orders/{order_id}/events")).json()["events"]]
        assert types[0] == "OrderReceived"
        assert types[-2:] == ["OrderCanceled", "OrderCancelRejected"]

    asyncio.run(play())


def test_cancel_all_takes_off_what_works(desk: GatewayDesk) -> None:
    async def play() -> None:
        for price in ("189.00", "189.10"):
            await desk.post("/v1/orders", {**ORDER, "price": price})
        assert (await desk.http.delete("/v1/orders", params={"symbol": "AAPL"})).status_code == 200
        assert (await desk.http.get("/v1/orders", params={"status": "open"})).json()["orders"] == []

    asyncio.run(play())


def test_lists_have_filters_and_pages_that_are_stable(desk: GatewayDesk) -> None:
    async def play() -> None:
        for number in range(7):
            body = {**ORDER, "price": f"188.{number:02}", "client_order_id": f"c{number}", "strategy": f"s{number % 2}"}
            await desk.post("/v1/orders", body)
        seen, cursor = [], None
        while True:
            page = (
                await desk.http.get("/v1/orders", params={"limit": 3, **({"cursor": cursor} if cursor else {})})
            ).json()
            seen += [each["client_order_id"] for each in page["orders"]]
            if len(seen) == 3:  # what comes meanwhile moves no page
                await desk.post("/v1/orders", {**ORDER, "price": "187.00"})
            cursor = page["next"]
            if cursor is None:
                break
        assert seen == [f"c{number}" for number in range(6, -1, -1)]
        of_strategy = (await desk.http.get("/v1/orders", params={"strategy": "s1", "limit": 1_000})).json()["orders"]
        assert [each["client_order_id"] for each in of_strategy] == ["c5", "c3", "c1"]
        gone = await desk.http.get("/v1/orders", params={"cursor": "999"})
        assert (gone.status_code, gone.json()["reason"]) == (410, "cursor_gone")
        assert (await desk.http.get("/v1/orders", params={"limit": "0"})).status_code == 422

    asyncio.run(play())


def test_an_unchanged_answer_is_not_sent_again(desk: GatewayDesk) -> None:
    async def play() -> None:
        first = await desk.http.get("/v1/orders")
        desk.quote(19_010, 19_012)  # the streams go on, and no order with them
        again = await desk.http.get("/v1/orders", headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        await desk.post("/v1/orders", ORDER)
        other = await desk.http.get("/v1/orders", headers={"if-none-match": first.headers["etag"]})
        assert other.status_code == 200

    asyncio.run(play())


def test_a_batch_answers_each_order_by_itself_and_may_be_sent_again(desk: GatewayDesk) -> None:
    async def play() -> None:
        orders = [{**ORDER, "quantity": str(1 + number)} for number in range(40)]
        orders[7] = {**ORDER, "price": "1.005"}
        orders[8] = "nothing"  # type: ignore[call-overload]
        told = (await desk.post("/v1/orders/batch", {"orders": orders}, key="b")).json()["orders"]
        assert [each["status"] for each in told] == [200] * 7 + [422, 422] + [200] * 31
        assert told[3]["order"]["signal_id"] == "b.3"
        again = (await desk.post("/v1/orders/batch", {"orders": orders}, key="b")).json()["orders"]
        assert [each["status"] for each in again] == [each["status"] for each in told]
        assert [each.get("order") for each in again] == [each.get("order") for each in told]
        assert [each.get("reason") for each in again] == [each.get("reason") for each in told]
        held = (await desk.http.get("/v1/positions/AAPL")).json()["position"]["position"]
        assert held == str(sum(1 + number for number in range(40) if number not in (7, 8)))
        most = await desk.post("/v1/orders/batch", {"orders": [ORDER] * 1_001})
        assert (most.status_code, most.json()["field"]) == (422, "orders")

    asyncio.run(play())


def test_who_does_not_wait_is_told_where_to_ask(desk: GatewayDesk) -> None:
    async def play() -> None:
        desk.is_deaf = True
        told = await desk.post("/v1/orders", ORDER, key="later", headers={"prefer": "respond-async"})
        assert (told.status_code, told.headers["location"]) == (202, "/v1/signals/later")
        assert told.json()["settled"] is False
        assert told.json()["entry_id"] == desk.memory.redis.streams["signals"][-1].id
        desk.is_deaf = False
        desk.pump()
        found = (await desk.http.get("/v1/signals/later")).json()["order"]
        assert found["ord_status"] == "Filled"
        assert (await desk.http.get("/v1/signals/never")).status_code == 404
        for said in ("wait=0", "wait=31", "wait=x"):
            assert (await desk.post("/v1/orders", ORDER, headers={"prefer": said})).status_code == 400

    asyncio.run(play())


def test_what_nobody_is_sure_of_is_sent_again_under_the_same_id(desk: GatewayDesk) -> None:
    async def play() -> None:
        desk.refuses = [Unsure("Connection reset"), Unsure("Connection refused")]
        told = await desk.post("/v1/orders", ORDER)
        assert told.status_code == 201
        assert len(desk.sent) == 1
        desk.refuses = [Refused("OOM command not allowed")]
        full = await desk.post("/v1/orders", ORDER, key="full")
        assert (full.status_code, full.json()["reason"], full.json()["signal_id"]) == (507, "not_taken", "full")
        desk.refuses = [Unsure("gone")] * 100
        gone = await desk.post("/v1/orders", ORDER, key="gone", headers={"prefer": "wait=1"})
        assert (gone.status_code, gone.json()["reason"], gone.headers["retry-after"]) == (503, "outcome_unknown", "1")
        desk.refuses = []
        again = await desk.post("/v1/orders", ORDER, key="gone")
        assert again.status_code == 201

    asyncio.run(play())


def test_an_answer_is_no_older_than_it_is_asked_to_be(desk: GatewayDesk) -> None:
    async def play() -> None:
        told = (await desk.post("/v1/orders", ORDER)).json()
        [(stream, at)] = told["as_of"].items()
        fresh = await desk.http.get("/v1/orders", params={"at_least": f"{stream}:{at}"})
        assert fresh.json()["orders"][0]["order_id"] == told["order"]["order_id"]
        early = await desk.http.get("/v1/orders", params={"at_least": f"{stream}:9999999999999-0"})
        assert (early.status_code, early.headers["retry-after"]) == (503, "1")
        for said in ("nothing:1-0", "events.0", "events.0:x-0", f"events.0:{'9' * 50}-0", "events.7:1-0"):
            assert (await desk.http.get("/v1/orders", params={"at_least": said})).status_code == 400

    asyncio.run(play())


def test_any_signal_may_be_sent(desk: GatewayDesk) -> None:
    async def play() -> None:
        pair = [
            {"symbol": "AAPL", "side": "SELL", "quantity": "5", "price": "195.00"},
            {"symbol": "AAPL", "side": "SELL", "quantity": "5", "order_type": "STOP", "stop_price": "180.00"},
        ]
        oco = {"type": "NewOrderList", "contingency_type": "ONE_CANCELS_OTHER", "list_id": "pair", "orders": pair}
        told = await desk.post("/v1/signals", oco)
        assert (told.status_code, told.json()["list_order_status"]) == (201, "EXECUTING")
        [row] = (await desk.http.get("/v1/lists")).json()["lists"]
        assert (row["list_id"], len(row["order_ids"])) == ("pair", 2)
        target = await desk.post("/v1/targets", {"symbol": "AAPL", "target": 30})
        assert target.status_code == 201
        assert (await desk.post("/v1/signals", {"type": "Halt"})).json()["reason"] == "unknown_type"
        assert (await desk.post("/v1/signals", {})).status_code == 422

    asyncio.run(play())


def test_what_is_sent_is_one_document_with_an_id_of_its_own(desk: GatewayDesk) -> None:
    async def play() -> None:
        await desk.post("/v1/orders", ORDER)
        [(key, fields)] = desk.sent
        assert key == "signals"
        said = orjson.loads(fields[b"data"])
        assert said.pop("signal_id")
        assert said == {**ORDER, "type": "NewOrder", "who": "local"}

    asyncio.run(play())


def test_a_bracket_is_one_order_and_its_exits_are_told(desk: GatewayDesk) -> None:
    async def play() -> None:
        body = {**ORDER, "client_order_id": "b", "stop_loss": "185.00", "take_profit": "195.00"}
        told = await desk.post("/v1/orders", body)
        assert told.status_code == 201
        found = (await desk.http.get("/v1/orders", params={"list_id": "b", "status": "open"})).json()["orders"]
        assert sorted(each["client_order_id"] for each in found) == ["b.1", "b.2"]
        moved = await desk.http.patch("/v1/orders/client:default:b", json={"stop_loss": "186.00"})
        assert moved.status_code == 200, moved.text
        [row] = (await desk.http.get("/v1/lists")).json()["lists"]
        assert row["stop_loss"] == "186.00"

    asyncio.run(play())


def test_an_id_that_is_null_in_a_batch_is_none_and_the_calls_key_counts(desk: GatewayDesk) -> None:
    async def play() -> None:
        orders = [{**ORDER, "signal_id": None}, {**ORDER, "signal_id": ""}]
        first = (await desk.post("/v1/orders/batch", {"orders": orders}, key="n")).json()["orders"]
        again = (await desk.post("/v1/orders/batch", {"orders": orders}, key="n")).json()["orders"]
        assert [each["order"]["signal_id"] for each in first] == ["n.0", "n.1"]
        assert [each["order"]["order_id"] for each in again] == [each["order"]["order_id"] for each in first]
        assert (await desk.http.get("/v1/positions/AAPL")).json()["position"]["position"] == "20"

    asyncio.run(play())


def test_two_orders_under_one_id_at_once_are_one_order_and_a_conflict(desk: GatewayDesk) -> None:
    async def play() -> None:
        orders = [{**ORDER, "signal_id": "x"}, {**ORDER, "signal_id": "x", "quantity": "11"}]
        told = (await desk.post("/v1/orders/batch", {"orders": orders})).json()["orders"]
        assert sorted(each["status"] for each in told) == [200, 409]
        assert [each["order"]["quantity"] for each in told if each["status"] == 200] == ["10"]
        assert len(desk.desk.orders.by_id) == 1

    asyncio.run(play())


def test_a_request_about_an_order_hears_its_own_accounts_answers_alone(desk: GatewayDesk) -> None:
    """Ids are an account's: another account's signal of the same id says nothing of this one."""

    async def play() -> None:
        mine = (await desk.post("/v1/orders", {**ORDER, "price": "189.00"})).json()["order"]
        desk.is_deaf = True
        canceling = asyncio.create_task(
            desk.http.delete(f"/v1/orders/{mine['order_id']}", headers={"idempotency-key": "1"})
        )
        await asyncio.sleep(0.05)
        await desk.post("/v1/orders", {**ORDER, "account": "demo"}, key="1", headers={"prefer": "respond-async"})
        desk.is_deaf = False
        desk.pump()
        told = await canceling
        assert told.json()["order"]["order_id"] == mine["order_id"]
        assert told.json()["order"]["ord_status"] == "Canceled"

    asyncio.run(play())


@pytest.mark.parametrize("kind", [[], {}, 5, None, True])
def test_a_type_that_is_no_text_is_refused(desk: GatewayDesk, kind: Any) -> None:
    async def play() -> None:
        assert (await desk.post("/v1/signals", {"type": kind})).status_code == 422

    asyncio.run(play())


def test_a_refusal_is_told_whatever_text_is_in_it(desk: GatewayDesk) -> None:
    async def play() -> None:
        for body in ({**ORDER, "\ud800": 1}, {**ORDER, "venue": "\ud800"}, {**ORDER, "symbol": "\x00\ud800"}):
            raw = json.dumps(body).encode()
            told = await desk.http.post("/v1/orders", content=raw, headers={"content-type": "application/json"})
            assert told.status_code in (400, 422), told.text

    asyncio.run(play())


def test_a_body_of_too_many_values_is_refused_before_it_is_read(desk: GatewayDesk) -> None:
    async def play() -> None:
        raw = b'{"orders":[' + b"1," * 1_000_000 + b"1]}"
        told = await desk.http.post("/v1/orders/batch", content=raw, headers={"content-type": "application/json"})
        assert (told.status_code, told.json()["reason"]) == (413, "too_large")

    asyncio.run(play())


def test_a_refusal_says_which_entry_was_refused(desk: GatewayDesk) -> None:
    async def play() -> None:
        for headers in ({"prefer": "respond-async"}, {}):
            told = await desk.post("/v1/orders", {**ORDER, "price": "190.255"}, headers=headers)
            assert told.status_code == 422, told.text
            [entry] = [each for each in desk.memory.redis.streams["signals"] if told.json()["signal_id"].encode()
                       in each.fields[b"data"]]  # fmt: skip
            assert told.json()["entry_id"] == entry.id

    asyncio.run(play())
