"""Who may come in by Alpaca's ways: their two headers, the first message of a stream; what others are told."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import httpx
import msgpack
import orjson
import pytest
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fillstream.services.gateway.alpaca.errors import Spoken
from fillstream.services.gateway.alpaca.stream import router
from fillstream.services.gateway.http.access import Caller, Door
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.http.streams import Streams
from fillstream.services.gateway.state.desk import Desk
from tests.support.alpaca_room import SCOPES, room_over

NOW = 1_796_000_000_000
QUOTE = {"type": "QuoteUpdated", "v": 1, "seq": 1, "time": NOW, "symbol": "AAPL", "venue": "SIM", "bid_px": "190.00",
         "bid_qty": "5", "ask_px": "190.02", "ask_qty": "6", "last_px": None}  # fmt: skip


class OneKey:
    """Knows one key."""

    def find(self, key_id: str, secret: str, now_ms: int) -> Caller | str:
        if (key_id, secret) == ("key", "secret"):
            return Caller("key", "key", SCOPES, frozenset(("alpha",)))
        if (key_id, secret) == ("poor", "secret"):
            return Caller("poor", "poor", frozenset())
        return "key: is none that is known"

    async def renew(self, key_id: str) -> bool:
        return False

    def is_live(self, key_id: str) -> bool:
        return True


# ----------------------------------------------------------------------------------------------------------- requests


def ask(path: str, headers: dict[str, str], per_minute: int = 100, times: int = 1) -> httpx.Response:
    """Send a request to an app behind the door, as the gateway's is."""

    async def hello(request: Any) -> Response:
        if "long" in request.url.path:
            return Refusal(422, "bad_value", f"field: {'long ' * 400}").response()
        return JSONResponse({"who": request.scope["caller"].id})

    app = Starlette(routes=[Route("/{path:path}", hello)])
    app.add_middleware(GZipMiddleware, minimum_size=1_000)
    app.add_middleware(cast("Any", Door), keys=OneKey(), everything=SCOPES, per_minute=per_minute)
    app.add_middleware(cast("Any", Spoken))

    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            for _ in range(times):
                answer = await client.get(path, headers=headers)
            return answer

    return asyncio.run(run())


GOOD = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}


def test_a_key_is_known_by_alpacas_two_headers() -> None:
    assert ask("/alpaca/v2/account", GOOD).json() == {"who": "key"}


@pytest.mark.parametrize("headers", [{}, {**GOOD, "APCA-API-SECRET-KEY": "other"}])
def test_who_has_no_key_is_answered_in_json_with_a_code(headers: dict[str, str]) -> None:
    answer = ask("/alpaca/v2/account", headers)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/json")
    assert answer.json()["code"] == 40110000
    assert answer.json()["reason"] in ("key_missing", "key_refused")
    assert answer.headers["www-authenticate"]


def test_too_many_calls_are_told_before_anything_is_done() -> None:
    answer = ask("/alpaca/v2/account", GOOD, per_minute=1, times=2)
    assert (answer.status_code, answer.json()["code"]) == (429, 42910000)
    assert int(answer.headers["retry-after"]) > 0


def test_a_long_refusal_is_read_though_it_is_packed() -> None:
    answer = ask("/alpaca/v2/long", GOOD)
    assert (answer.status_code, answer.json()["reason"]) == (422, "bad_value")
    assert answer.json()["message"].startswith("field: long")


def test_an_error_inside_is_answered_and_told_to_the_log() -> None:
    heard: list[Any] = []

    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("inside")

    async def send(said: Any) -> None:
        heard.append(said)

    with pytest.raises(RuntimeError, match="inside"):
        asyncio.run(Spoken(fail)({"type": "http", "path": "/alpaca/v2/orders"}, None, send))
    assert heard[0]["status"] == 500
    assert orjson.loads(heard[1]["body"])["code"] == 50010000


def test_other_paths_keep_their_problems() -> None:
    assert ask("/v1/orders", {}).headers["content-type"] == "application/problem+json"


# ------------------------------------------------------------------------------------------------------------ streams


QUIET_S = 0.3


async def talk(path: str, said: list[bytes], *, packed: bool = False, quoted: bool = False) -> list[Any]:
    """Open a stream, say something, have a market quoted, and return all that is sent until it is quiet."""
    desk = Desk()
    app = Starlette()
    app.router.routes.extend(router.routes)
    app.state.alpaca = room_over(desk)
    app.state.streams = Streams(20, 50)
    told: asyncio.Queue[Any] = asyncio.Queue()
    asked: asyncio.Queue[Any] = asyncio.Queue()
    for each in [{"type": "websocket.connect"}, *({"type": "websocket.receive", "bytes": raw} for raw in said)]:
        asked.put_nowait(each)
    headers = [(b"host", b"127.0.0.1"), *([(b"content-type", b"application/msgpack")] * packed)]
    door = Door(cast("Any", None), OneKey(), SCOPES, 100)
    scope = {"type": "websocket", "path": path, "headers": headers, "door": door, "query_string": b"", "app": app,
             "subprotocols": [], "scheme": "ws", "root_path": ""}  # fmt: skip
    task = asyncio.create_task(app(scope, asked.get, told.put))
    found = []
    try:
        while True:
            found.append(await asyncio.wait_for(told.get(), QUIET_S))
    except TimeoutError:
        pass
    if quoted:
        desk.fold("events.0", f"{NOW}-0", {b"data": orjson.dumps(QUOTE)})
        found.append(await asyncio.wait_for(told.get(), 5))
    asked.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.wait_for(task, 5)
    return [each for each in found if each["type"] != "websocket.accept"]


def sent(found: list[Any]) -> list[Any]:
    return [orjson.loads(each.get("bytes") or each["text"]) for each in found if each["type"] == "websocket.send"]


def authenticate(secret: str, key: str = "key") -> bytes:
    return orjson.dumps({"action": "authenticate", "data": {"key_id": key, "secret_key": secret}})


def test_a_stream_of_orders_answers_one_message_at_a_time() -> None:
    listen = orjson.dumps({"action": "listen", "data": {"streams": ["trade_updates", "others"]}})
    found = asyncio.run(talk("/stream", [authenticate("secret"), listen]))
    assert all("bytes" in each for each in found), "binary frames"
    assert sent(found) == [
        {"stream": "authorization", "data": {"action": "authenticate", "status": "authorized"}},
        {"stream": "listening", "data": {"streams": ["trade_updates"]}},
    ]


@pytest.mark.parametrize("said", [authenticate("other"), authenticate("secret", "poor"), b"{}", b"\xff"])
def test_a_stream_of_orders_lets_nobody_in_unknown(said: bytes) -> None:
    found = asyncio.run(talk("/stream", [said]))
    assert sent(found)[0]["data"]["status"] == "unauthorized"
    assert found[-1]["type"] == "websocket.close"


def pack(said: Any) -> bytes:
    return bytes(msgpack.packb(said))


def test_a_stream_of_markets_speaks_msgpack_with_its_times() -> None:
    auth = pack({"action": "auth", "key": "key", "secret": "secret"})
    follow = pack({"action": "subscribe", "quotes": ["AAPL"]})
    found = asyncio.run(talk("/v2/iex", [auth, follow], packed=True, quoted=True))
    connected, let_in, followed, quotes = [msgpack.unpackb(each["bytes"]) for each in found]
    assert (connected, let_in) == (
        [{"T": "success", "msg": "connected"}], [{"T": "success", "msg": "authenticated"}],
    )  # fmt: skip
    assert (followed[0]["T"], followed[0]["quotes"], followed[0]["trades"]) == ("subscription", ["AAPL"], [])
    [quote] = quotes
    assert (quote["T"], quote["S"], quote["bp"], quote["as"]) == ("q", "AAPL", 190.0, 6)
    assert quote["t"] == msgpack.Timestamp(NOW // 1000, 0)


def test_a_stream_of_markets_speaks_json_to_others() -> None:
    said = [{"action": "auth", "key": "key", "secret": "secret"}, {"action": "subscribe", "quotes": ["*"]}]
    found = sent(asyncio.run(talk("/v2/sip", [orjson.dumps(each) for each in said], quoted=True)))
    assert found[-1][0]["t"] == "2026-11-30T00:53:20Z"


@pytest.mark.parametrize("said", [{"action": "auth", "key": "key", "secret": "no"}, {"action": "subscribe"}, []])
def test_a_stream_of_markets_lets_nobody_in_unknown(said: Any) -> None:
    found = asyncio.run(talk("/v2/iex", [pack(said)], packed=True))
    assert [msgpack.unpackb(each["bytes"])[0] for each in found if "bytes" in each][-1]["code"] == 402
    assert found[-1]["type"] == "websocket.close"


# ----------------------------------------------------------------------------------------------- positions of trades


def test_a_trade_waits_for_its_position_and_goes_without_it_in_time() -> None:
    room = room_over(Desk())
    listener = room.updates.join("default")
    change = {"type": "PositionChanged", "account": "default", "exec_id": "x1", "position": "-3"}

    async def run() -> tuple[Any, Any]:
        listener.waiting.append(("default x1", {"event": "fill"}))
        listener.waiting.append(("default x2", {"event": "fill"}))
        waits = asyncio.create_task(room.updates.next(listener))
        await asyncio.sleep(0.05)
        assert not waits.done()
        room.updates.hear(cast("Any", SimpleNamespace(event=change, stream="positions.0", moved=None)))
        return await waits, await room.updates.next(listener)

    assert asyncio.run(run()) == ({"event": "fill", "position_qty": "-3"}, {"event": "fill"})
