"""What ends with a key, and what a key for some accounts is not told: streams of every kind, rules, broken openings."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import orjson
import pytest

from fillstream.services.gateway.http import access
from fillstream.services.gateway.stream.topics import subject_of
from fillstream.services.gateway.v1 import stream
from tests.support.backtests import settings_with
from tests.support.gateway_desk import GatewayDesk
from tests.support.gateway_keys import Keys, bearer

RULE = {
    "rule_id": "r1",
    "event": "OrderFilled",
    "accounts": ["default"],
    "when": "position.quantity > 100",
    "actions": [{"close": {}}],
}


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, keys: Keys) -> GatewayDesk:
    monkeypatch.setenv("FILLSTREAM_ORDER_PARAMS__RATE_LIMIT_ORDERS", "null")
    monkeypatch.setenv("FILLSTREAM_RULES", json.dumps([RULE]))
    monkeypatch.setattr(access, "STAYS_S", 0.01)
    monkeypatch.setattr(stream, "STAYS_S", 0.01)
    found = GatewayDesk(settings_with(monkeypatch, simulation__enabled="false"), keys)
    found.quote(19_000, 19_002)
    return found


def revoke(keys: Keys) -> None:
    keys.kept.clear()
    keys.ring.load({})


async def connection(desk: GatewayDesk, path: str, first: dict[str, Any]) -> tuple[asyncio.Task[None], list[Any]]:
    """Open a WebSocket that says one thing and then listens; return its task and what it was sent."""
    said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    said.put_nowait({"type": "websocket.connect"})
    said.put_nowait({"type": "websocket.receive", "text": orjson.dumps(first).decode()})
    heard: list[Any] = []

    async def hear(message: Any) -> None:
        heard.append(message)

    scope = {
        "type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"", "subprotocols": [],
        "headers": [(b"host", b"127.0.0.1:8000")], "scheme": "ws", "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000), "state": {},
    }  # fmt: skip
    return asyncio.create_task(desk.app(scope, said.get, hear)), heard


def test_server_sent_events_end_with_their_key(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        key, secret = keys.make("viewer")
        caller = keys.find(*secret.split(".", 1), 1)
        door: Any = access.Door(desk.app, keys, frozenset(), 100)
        frames = stream._frames(desk.app.state, door, caller, [{"topic": "quotes"}])  # type: ignore[arg-type]
        assert b"snapshot" in await anext(frames)
        revoke(keys)

        async def rest() -> None:
            async for _ in frames:
                pass

        await asyncio.wait_for(rest(), 5)
        assert not desk.gateway.streams.open.get(key.id)

    asyncio.run(play())


@pytest.mark.parametrize("path", ["/alpaca/stream", "/alpaca/v2/iex", "/v1/stream"])
def test_a_websocket_ends_with_its_key(desk: GatewayDesk, keys: Keys, path: str) -> None:
    async def play() -> None:
        key, secret = keys.make("viewer", "default")
        key_id, _, own = secret.partition(".")
        first = {"action": "auth", "key": secret} if path == "/v1/stream" else {
            "action": "auth", "key": key_id, "secret": own,
        }  # fmt: skip
        task, heard = await connection(desk, path, first)
        for _ in range(100):  # turns of the loop, more than to open it takes
            await asyncio.sleep(0)
        assert desk.gateway.streams.open.get(key.id) == 1
        revoke(keys)
        await asyncio.wait_for(task, 5)
        assert not desk.gateway.streams.open.get(key.id)
        assert any(each["type"] == "websocket.close" for each in heard) or path == "/v1/stream"

    asyncio.run(play())


def test_a_stream_that_is_refused_as_it_opens_is_not_counted(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        desk.desk.terms.aliases["main"] = "default"
        key, secret = keys.make("viewer", "main")  # the account behind it is none of this key's
        key_id, _, own = secret.partition(".")
        task, heard = await connection(desk, "/alpaca/stream", {"action": "auth", "key": key_id, "secret": own})
        await asyncio.wait_for(task, 5)
        assert heard[-1]["type"] == "websocket.close"
        assert not desk.gateway.streams.open.get(key.id)

    asyncio.run(play())


def test_rules_are_told_to_keys_for_all_accounts_alone(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, whole = keys.make("viewer")
        _, part = keys.make("viewer", "demo")
        for key, sees in ((whole, True), (part, False)):
            told = await desk.http.get("/v1/rules", headers=bearer(key))
            assert told.status_code == (200 if sees else 403)
            log = (await desk.http.get("/v1/log/events.0", params={"limit": 1_000}, headers=bearer(key))).json()
            types = {json.loads(each["fields"].get("data", "{}")).get("type") for each in log["entries"]}
            assert ("RuleDefined" in types) is sees
            assert "InstrumentDefined" in types

    asyncio.run(play())


@pytest.mark.parametrize(("type_", "sees"), [("RuleDefined", False), ("InstrumentDefined", True)])
def test_a_topic_tells_a_key_for_some_accounts_what_is_anybodys(
    desk: GatewayDesk, keys: Keys, type_: str, sees: bool
) -> None:
    _, part = keys.make("viewer", "demo")
    caller: Any = keys.find(*part.split(".", 1), 1)
    subject = subject_of({"topic": "events"}, caller, desk.desk)
    change = next(each for each in desk.heard if each.event["type"] == type_)
    assert subject.wants(change) is sees
