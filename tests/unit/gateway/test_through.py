"""What stands behind a gateway, through it: entries of the streams, and analytics' own answers."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from typing import Any

import httpx
import pytest

from fillstream.client.analytics import AnalyticsError
from fillstream.services.gateway.v1.through import BLANK
from tests.support.backtests import settings_with
from tests.support.gateway_desk import GatewayDesk
from tests.support.gateway_keys import Keys, bearer

JSON = {"content-type": "application/json"}
ORDER = {"symbol": "AAPL", "side": "BUY", "quantity": "10"}
FOUND = {
    "columns": [{"name": "account", "type": "VARCHAR"}, {"name": "cash", "type": "DECIMAL(38,10)"}],
    "rows": [["a", "0.10000000000000000000000001"]],
    "truncated": False,
    "incomplete": ["events.0: 3 entries were trimmed"],
}


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, keys: Keys) -> GatewayDesk:
    monkeypatch.setenv("FILLSTREAM_ORDER_PARAMS__RATE_LIMIT_ORDERS", "null")
    found = GatewayDesk(settings_with(monkeypatch, simulation__enabled="false"), keys)
    found.quote(19_000, 19_002)
    return found


class Asked:
    """In analytics' place: keeps what it was asked, and answers that."""

    def __init__(self, desk: GatewayDesk, *answers: httpx.Response | Exception) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self._answers = [*answers]
        desk.gateway.behind.through = self.through  # type: ignore[method-assign]

    async def through(self, method: str, path: str, **asked: Any) -> httpx.Response:
        self.asked.append((method, path, asked))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_desk_tells_its_partitions_and_the_streams_that_can_be_read(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, key = keys.make("orders:read")
        told = (await desk.http.get("/v1/topology", headers=bearer(key))).json()
        assert told["topology"] == {"account_partitions": 1, "symbol_partitions": 1, "prefix": "", "venues": ["SIM"]}
        assert told["streams"] == ["events.0", "positions.0", "market.0", "dead"]

    asyncio.run(play())


def test_entries_are_told_as_they_stand_from_either_end_a_page_at_a_time(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, key = keys.make("viewer")
        stands = desk.memory.redis.streams["events.{a0}"]
        whole: list[dict[str, Any]] = []
        asked: dict[str, Any] = {"limit": 3}
        while page := (await get(desk, "/v1/log/events.0", key, **asked))["entries"]:
            assert len(page) <= 3
            whole += page
            asked["after"] = page[-1]["id"]
        assert [each["id"] for each in whole] == [each.id for each in stands]
        assert [_bytes(each["fields"]) for each in whole] == [dict(each.fields) for each in stands]
        back = (await get(desk, "/v1/log/events.0", key, newest="true", limit=2))["entries"]
        assert [each["id"] for each in back] == [stands[-1].id, stands[-2].id]
        before = (await get(desk, "/v1/log/events.0", key, newest="true", limit=1, before=stands[-2].id))["entries"]
        assert [each["id"] for each in before] == [stands[-3].id]

    asyncio.run(play())


def test_bytes_that_are_no_text_come_whole(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, key = keys.make("admin")
        raw = {b"data": b'{"type":"x"}', b"raw": b"\xff\x00"}
        desk.memory.append("dead", raw)
        [entry] = (await get(desk, "/v1/log/dead", key, newest="true", limit=1))["entries"]
        assert {b64decode(name): b64decode(value) for name, value in entry["base64"]} == raw
        assert "fields" not in entry

    asyncio.run(play())


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/v1/log/signals", 404, "unknown_stream"),
        ("/v1/log/events.7", 404, "unknown_stream"),
        ("/v1/log/events.0?after=now", 400, "bad_value"),
        ("/v1/log/events.0?before=1-", 400, "bad_value"),
        ("/v1/log?after=events.0", 400, "bad_value"),
        ("/v1/log?after=orders.0:0-0", 404, "unknown_stream"),
        ("/v1/log?after=events.0:0-0&wait_ms=5001", 422, "bad_value"),
        ("/v1/analytics/events", 404, "unknown_page"),
        ("/v1/analytics/orders/..%2Ffills", 404, "unknown_order"),
    ],
)
def test_what_is_no_stream_no_place_and_no_page_is_refused(
    desk: GatewayDesk, keys: Keys, path: str, status: int, reason: str
) -> None:
    async def play() -> None:
        _, key = keys.make("admin")
        told = await desk.http.get(path, headers=bearer(key))
        assert (told.status_code, told.json()["reason"]) == (status, reason)

    asyncio.run(play())


def test_who_follows_is_told_what_comes_and_waits_for_it(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, key = keys.make("viewer")
        at = desk.desk.places["events.0"]
        asked = {"after": f"events.0:{at},positions.0:{desk.desk.places['positions.0']}"}
        none = await get(desk, "/v1/log", key, **asked)
        assert none["entries"] == []
        waits = asyncio.create_task(get(desk, "/v1/log", key, **asked, wait_ms=5_000))
        _, trader = keys.make("trader")
        await desk.post("/v1/orders", ORDER, headers=bearer(trader))
        told = await waits
        assert {each["stream"] for each in told["entries"]} == {"events.0", "positions.0"}
        assert told["entries"][0]["id"] > at

    asyncio.run(play())


def test_entries_of_other_accounts_are_blank_and_stand_where_they_stand(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, all_of_them = keys.make("trader")
        for account in ("demo", "default"):
            told = await desk.post("/v1/orders", {**ORDER, "account": account}, headers=bearer(all_of_them))
            assert told.status_code == 201
        desk.wait(100)
        _, only_demo = keys.make("trader", "demo")
        for stream in ("events.0", "positions.0"):
            seen = (await get(desk, f"/v1/log/{stream}", only_demo, limit=1000))["entries"]
            every = (await get(desk, f"/v1/log/{stream}", all_of_them, limit=1000))["entries"]
            assert [each["id"] for each in seen] == [each["id"] for each in every]
            shown = "".join(each["fields"].get("data", "") for each in seen)
            assert '"account":"demo"' in shown
            assert '"account":"default"' not in shown
            assert '"account":"default"' in "".join(each["fields"].get("data", "") for each in every)
            assert [each for each in seen if _bytes(each["fields"]) == BLANK]
        assert '"type":"QuoteUpdated"' in "".join(
            each["fields"].get("data", "")
            for each in (await get(desk, "/v1/log/events.0", only_demo, limit=1000))["entries"]
        )
        refused = await desk.http.get("/v1/log/dead", headers=bearer(keys.make("admin", "demo")[1]))
        assert refused.status_code == 403

    asyncio.run(play())


# ---------------------------------------------------------------------------------------------------------- analytics


def test_a_page_of_analytics_is_handed_through_byte_for_byte(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        raw = httpx.Response(200, json=FOUND)
        analytics = Asked(desk, raw, raw)
        _, key = keys.make("viewer")
        told = await desk.http.get("/v1/analytics/orders?status=New&status=Filled&limit=5", headers=bearer(key))
        assert told.content == raw.content
        assert analytics.asked == [("GET", "/orders", {"params": {"status": ["New", "Filled"], "limit": ["5"]}})]
        said = {"sql": "SELECT 1", "limit": 100_000}
        told = await desk.post("/v1/analytics/query", said, headers=bearer(key))
        assert told.content == raw.content
        assert analytics.asked[1] == ("POST", "/query", {"json": said})

    asyncio.run(play())


def test_analytics_refusals_keep_status_sentence_and_what_may_be_missing(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        no_such = httpx.Response(404, json={"error": "order_id: 9 is no order", "incomplete": ["events.0: gone"]})
        bad = httpx.Response(400, json={"error": "sql: Parser Error"})
        busy = httpx.Response(503, json={"error": "32 queries are waiting already; try again"})
        Asked(desk, no_such, bad, busy, AnalyticsError("no analytics has told"))
        _, key = keys.make("viewer")
        told = await desk.http.get("/v1/analytics/orders/9", headers=bearer(key))
        assert (told.status_code, told.json()["detail"]) == (404, "order_id: 9 is no order")
        assert told.json()["incomplete"] == ["events.0: gone"]
        told = await desk.post("/v1/analytics/query", {"sql": "x"}, headers=bearer(key))
        assert (told.status_code, told.json()["reason"], told.json()["detail"]) == (
            400,
            "bad_query",
            "sql: Parser Error",
        )
        for _ in range(2):
            told = await desk.http.get("/v1/analytics/fills", headers=bearer(key))
            assert (told.status_code, told.json()["reason"]) == (503, "analytics_away")

    asyncio.run(play())


def test_a_key_for_some_accounts_has_their_rows_alone_and_asks_nothing_in_sql(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        other = {**FOUND, "rows": [["b", "1"]]}
        analytics = Asked(desk, *(httpx.Response(200, json=each) for each in (FOUND, FOUND, other, FOUND)))
        _, key = keys.make("viewer", "a", "default")

        async def status(path: str) -> tuple[int, str | None]:
            told = await desk.http.get(path, headers=bearer(key))
            return told.status_code, told.json().get("reason")

        assert await status("/v1/analytics/positions?symbol=AAPL") == (200, None)
        assert analytics.asked[-1][2]["params"] == {"symbol": ["AAPL"], "account": ["a", "default"]}
        assert await status("/v1/analytics/positions?account=a") == (200, None)
        assert analytics.asked[-1][2]["params"] == {"account": ["a"]}
        assert await status("/v1/analytics/positions?account=a&account=b") == (403, "account_not_allowed")
        assert await status("/v1/analytics/positions?account=") == (403, "account_not_allowed")
        assert await status("/v1/analytics/orders/7") == (404, "unknown_order")
        assert await status("/v1/analytics/orders/8") == (200, None)
        told = await desk.post("/v1/analytics/query", {"sql": "SELECT 1"}, headers=bearer(key))
        assert (told.status_code, told.json()["reason"]) == (403, "scope_missing")
        assert len(analytics.asked) == 4

    asyncio.run(play())


def test_a_page_needs_its_scope(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, key = keys.make("positions:read")
        for page in ("orders", "orders/1", "fills", "account_values"):
            told = await desk.http.get(f"/v1/analytics/{page}", headers=bearer(key))
            assert (told.status_code, told.json()["reason"]) == (403, "scope_missing"), page
        told = await desk.http.get("/v1/log/events.0", headers=bearer(key))
        assert (told.status_code, told.json()["reason"]) == (403, "scope_missing")

    asyncio.run(play())


async def get(desk: GatewayDesk, path: str, key: str, **params: Any) -> Any:
    told = await desk.http.get(path, params=params, headers=bearer(key))
    assert told.status_code == 200, told.text
    return told.json()


def _bytes(fields: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in fields.items()}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"sql": 1}', "sql: 1 must be a SELECT"),
        (b'{"limit": 5}', "sql: None must be a SELECT"),
        (b"{}", "sql: None must be a SELECT"),
    ],
)
def test_a_question_that_is_none_is_not_asked(desk: GatewayDesk, keys: Keys, body: bytes, said: str) -> None:
    async def play() -> None:
        _, key = keys.make("admin")
        analytics = Asked(desk)
        told = await desk.http.post("/v1/analytics/query", content=body, headers={**bearer(key), **JSON})
        assert (told.status_code, told.json()["detail"]) == (422, said)
        assert analytics.asked == []

    asyncio.run(play())


@pytest.mark.parametrize("limit", [b'"' + b"9" * 5_000 + b'"', b"9" * 5_000, b'"x"', b"{}"])
def test_a_limit_of_any_kind_is_analytics_to_refuse(desk: GatewayDesk, keys: Keys, limit: bytes) -> None:
    async def play() -> None:
        _, key = keys.make("admin")
        analytics = Asked(desk, httpx.Response(400, json={"error": "limit: no"}))
        body = b'{"sql": "SELECT 1", "unknown": 1.5, "limit": ' + limit + b"}"
        told = await desk.http.post("/v1/analytics/query", content=body, headers={**bearer(key), **JSON})
        assert told.status_code == 400, told.text
        [(_, _, asked)] = analytics.asked
        assert set(asked["json"]) == {"sql", "limit"}
        assert len(asked["json"]["limit"]) < 200

    asyncio.run(play())


def test_an_answer_of_analytics_that_is_no_json_is_told(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, key = keys.make("admin")
        Asked(desk, httpx.Response(502, text="<html>busy</html>"))
        told = await desk.http.get("/v1/analytics/orders", headers=bearer(key))
        assert (told.status_code, told.json()["reason"]) == (503, "analytics_away")
        assert "502" in told.json()["detail"]

    asyncio.run(play())
