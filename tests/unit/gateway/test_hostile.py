"""Bytes that nobody means well, against a real server: refused or read, and none makes an error or fills the memory."""

from __future__ import annotations

import asyncio
import gzip
import resource
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest
import websockets
from websockets.exceptions import ConnectionClosed

from fillstream.services.gateway.http import protocol
from fillstream.services.gateway.stream import hub
from tests.support.backtests import settings_with
from tests.support.gateway_desk import GatewayDesk
from tests.support.served import head, served, status, talk

JSON = ("content-type: application/json", "connection: close")
ORDER = {"symbol": "AAPL", "side": "BUY", "quantity": "10"}
MAY_GROW_MB = 64


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FILLSTREAM_GATEWAY__CALLS_PER_MINUTE", "1000000")
        patch.setenv("FILLSTREAM_GATEWAY__STREAM_MESSAGES_PER_S", "100000")
        patch.setenv("FILLSTREAM_ORDER_PARAMS__RATE_LIMIT_ORDERS", "null")
        desk = GatewayDesk(settings_with(patch, simulation__enabled="false"))
        desk.quote(19_000, 19_002)
        with served(desk) as found:
            yield found


@pytest.fixture(autouse=True)
def still_serves(port: int) -> Iterator[None]:
    """Whatever was sent: the server answers as before, and has not taken much memory for it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    told = talk(port, head(port))
    assert status(told) == 200, told
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < MAY_GROW_MB, f"{grown_mb} MB"


def body(port: int, content: bytes, path: str = "/v1/orders", *more: str) -> bytes:
    return talk(port, head(port, path, *JSON, f"content-length: {len(content)}", *more, method="POST"), content)


def reason(raw: bytes) -> str:
    return str(orjson.loads(raw.partition(b"\r\n\r\n")[2])["reason"])


# ---------------------------------------------------------------------------------------------------------------- heads


@pytest.mark.parametrize("size", [protocol.MAX_TARGET_BYTES + 1, 1_000_000])
def test_a_path_is_at_most_so_long(port: int, size: int) -> None:
    told = talk(port, head(port, f"/v1/orders?symbol={'A' * size}"))
    assert (status(told), reason(told)) == (414, "too_large")
    assert status(talk(port, head(port, f"/v1/orders?symbol={'A' * 8_000}"))) == 200


def test_there_are_at_most_so_many_headers(port: int) -> None:
    told = talk(port, head(port, "/v1/orders", *(f"x-{number}: 1" for number in range(10_000))))
    assert (status(told), reason(told)) == (431, "too_large")
    assert status(talk(port, head(port, "/v1/orders", *(f"x-{number}: 1" for number in range(90))))) == 200


@pytest.mark.parametrize("name", ["value", "name"])
def test_a_header_is_at_most_so_large(port: int, name: str) -> None:
    many = "y" * 1_000_000
    told = talk(port, head(port, "/v1/orders", f"x: {many}" if name == "value" else f"{many}: x"))
    assert (status(told), reason(told)) == (431, "too_large")


def test_a_header_that_never_ends_is_refused_before_it_is_large(port: int) -> None:
    """What httptools collects of it no callback tells: it is counted as it comes."""
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nx: ".encode())
        try:
            while sent < 64 * 1024 * 1024:
                sent += connection.send(b"y" * 65_536)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert sent < 16 * 1024 * 1024  # the sockets' own buffers are some of it


def flood(port: int, first: bytes, piece: bytes, most: int) -> int:
    """Send as long as somebody takes it; return how many bytes were taken (the sockets' own buffers are some of it)."""
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(first)
        try:
            while sent < most:
                sent += connection.send(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
    return sent


def test_headers_behind_a_body_that_never_end_are_given_up(port: int) -> None:
    """Trailers: no callback tells of one before it is whole, and the head is long over."""
    request = head(port, "/v1/orders", *JSON, "transfer-encoding: chunked", method="POST")
    assert flood(port, request + b"0\r\nx: ", b"y" * 65_536, 64 * 1024 * 1024) < 16 * 1024 * 1024


def test_requests_that_wait_behind_others_are_so_many_and_no_more(port: int) -> None:
    """Each answer would let more of them in: a connection that asks without end is closed."""
    request = f"GET /health HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode()
    assert flood(port, b"", request * 1_000, 64 * 1024 * 1024) < 16 * 1024 * 1024
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request * 20)
        told = b""
        while told.count(b"HTTP/1.1 200 OK") < 20:
            told += connection.recv(65_536)
    assert told.count(b"up\n") == 20, "a few are answered one after the other"


def test_a_head_that_comes_too_slowly_is_given_up(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET /v1/orders HTTP/1.1\r\n")
        connection.settimeout(0.05)
        told = b""
        while not told and time.monotonic() < began + 20:
            try:
                connection.sendall(b"x: y\r\n")
                told = connection.recv(65_536)
            except TimeoutError:
                continue
    assert (status(told), reason(told)) == (408, "too_slow")


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
def test_a_connection_that_asks_for_nothing_is_closed(port: int, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)
    assert talk(port, sent) == b""


def test_a_body_that_never_ends_is_given_up(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "REQUEST_S", 0.3)
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head(port, "/v1/orders", "transfer-encoding: chunked", *JSON, method="POST"))
        connection.settimeout(0.05)
        ended = False
        while not ended and time.monotonic() < began + 20:
            try:
                connection.sendall(b"1\r\n \r\n")
                ended = not connection.recv(65_536)
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                ended = True
    assert ended


def test_a_chunked_body_is_at_most_so_large(port: int) -> None:
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    told = talk(port, head(port, "/v1/orders", "transfer-encoding: chunked", *JSON, method="POST"), *[chunk] * 100)
    assert status(told) in (413, 0)  # it is closed while more comes: who sends on may not hear why


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00" * 100,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/orders HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/orders HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nupgrade: h2c\r\nconnection: upgrade\r\nhost: x\r\n\r\n",
    ],
    ids=lambda raw: raw[:24].decode("latin-1"),
)
def test_what_is_no_request_is_refused(port: int, raw: bytes) -> None:
    assert status(talk(port, raw)) in range(400, 500)


# ------------------------------------------------------------------------------------------------------------ addresses


@pytest.mark.parametrize(
    "path",
    [
        "/v1/orders/%ff%fe", "/v1/orders/%00", "/v1/orders/%ed%a0%80", "/v1/orders?symbol=%ff", "/v1/orders?symbol=%00",
        "/v1/orders?limit=%ff", "/v1/orders?cursor=%ed%a0%80", "/v1/accounts/%ff", "/v1/orders/client:%00:%ff",
        "/v1/positions/%ff", "/v1/signals/%00?account=%ff", "/v1/quotes/%ff?venue=%00", "/%2e%2e/%2e%2e/etc/passwd",
        "/alpaca/v2/orders/%ff", "/alpaca/v2/assets/%00", "/order-management/price?symbol=%ff&side=BUY&amount=1",
        "/v1/orders?limit=" + "9" * 5_000, "/v1/orders?since=1e999999", "/v1/orders?at_least=events.0:%00-0",
    ],
)  # fmt: skip
def test_an_address_may_say_anything(port: int, path: str) -> None:
    assert 200 <= status(talk(port, head(port, path))) < 500


def test_bytes_outside_ascii_in_an_address_are_refused_or_read(port: int) -> None:
    for raw in (b"/v1/orders/\xff\xfe", b"/v1/orders?symbol=\xff", b"/v1/orders/\xc3\xa4"):
        told = talk(port, b"GET " + raw + f" HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert 200 <= status(told) < 500


# --------------------------------------------------------------------------------------------------------------- bodies


DOCUMENTS = {
    "deep lists": b"[" * 60_000,
    "deep objects": b'{"a":' * 12_000,
    "deep value": b'{"symbol":' + b"[" * 25_000 + b"]" * 25_000 + b"}",
    "not a number": b'{"symbol":"AAPL","side":"BUY","quantity":NaN}',
    "infinite": b'{"symbol":"AAPL","side":"BUY","quantity":Infinity}',
    "minus infinite": b'{"symbol":"AAPL","side":"BUY","quantity":-Infinity}',
    "huge": b'{"symbol":"AAPL","side":"BUY","quantity":1e999999}',
    "beyond huge": b'{"symbol":"AAPL","side":"BUY","quantity":1e9999999999999999999}',
    "tiny": b'{"symbol":"AAPL","side":"BUY","quantity":1e-999999}',
    "long": b'{"symbol":"AAPL","side":"BUY","quantity":' + b"9" * 60_000 + b"}",
    "twice": b'{"symbol":"AAPL","symbol":"MSFT","side":"BUY","quantity":1}',
    "null byte": b'{"symbol":"AA\\u0000PL","side":"BUY","quantity":1}',
    "raw null byte": b'{"symbol":"AA\x00PL","side":"BUY","quantity":1}',
    "surrogate": b'{"symbol":"\\ud800","side":"BUY","quantity":1}',
    "surrogate name": b'{"\\udfff":"AAPL","side":"BUY","quantity":1}',
    "no UTF-8": b'{"symbol":"\xff\xfe"}',
    "UTF-16": '{"symbol":"AAPL"}'.encode("utf-16"),
    "mark": b"\xef\xbb\xbf{}",
    "text": b'"AAPL"',
    "nothing": b"null",
    "wrong types": b'{"symbol":[],"side":{},"quantity":{"a":1},"account":5,"signal_id":[]}',
}


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("path", ["/v1/orders", "/v1/signals", "/v1/halt", "/v1/sql", "/alpaca/v2/orders"])
def test_a_body_may_be_anything(port: int, name: str, path: str) -> None:
    told = body(port, DOCUMENTS[name], path)
    assert 400 <= status(told) < 500, told
    document = orjson.loads(told.partition(b"\r\n\r\n")[2])
    assert document.get("detail") or document.get("message")
    assert len(told) < 4_000  # a refusal does not give it all back


def test_brackets_beyond_any_body_are_refused_by_their_size(port: int) -> None:
    told = body(port, b"[" * 100_000)
    assert (status(told), reason(told)) == (413, "too_large")
    told = body(port, b'{"orders":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "/v1/orders/batch")
    assert (status(told), reason(told)) == (400, "nested_too_deeply")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
def test_a_packed_body_is_not_unpacked(port: int, encoding: str) -> None:
    bomb = gzip.compress(b" " * 20_000_000)
    told = body(port, bomb, "/v1/orders", f"content-encoding: {encoding}")
    assert (status(told), reason(told)) == (415, "bad_content_encoding")


# ------------------------------------------------------------------------------------------------------------ WebSocket


async def heard(socket: Any, kind: str) -> dict[str, Any]:
    """Return the next message of a kind."""
    while True:
        said: dict[str, Any] = orjson.loads(await asyncio.wait_for(socket.recv(), 20))
        if said["type"] == kind:
            return said


def connected(port: int) -> Any:
    return websockets.connect(f"ws://127.0.0.1:{port}/v1/stream", proxy=None, max_size=None)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("", "bad_json"), ("[", "bad_json"), ("NaN", "bad_json"), (b"\xff\xfe\x00", "bad_json"), ("5", "not_an_object"),
        ("[" * 60_000, "bad_json"), ('{"action":"x\\u0000"}', "unknown_action"), ("{}", "unknown_action"),
        ('{"action":["subscribe"]}', "unknown_action"), ('{"action":"subscribe","topic":[]}', "unknown_topic"),
        ('{"action":"subscribe","topic":"orders","account":{}}', "bad_value"),
        ('{"action":"subscribe","topic":"fills","after":5}', "bad_value"),
        ('{"action":"subscribe","topic":"fills","after":{"events.0":"\\u0000"}}', "bad_value"),
        ('{"action":"subscribe","topic":"fills","after":{"events.0":"999999999999999999999-0"}}', "bad_value"),
        ('{"action":"\\ud800"}', "bad_json"),
    ],
)  # fmt: skip
def test_a_message_may_say_anything_and_the_connection_stays(port: int, sent: str | bytes, told: str) -> None:
    async def play() -> None:
        async with connected(port) as socket:
            await socket.send(sent)
            assert (await heard(socket, "refused"))["reason"] == told
            await socket.send('{"action":"ping","id":1}')
            assert (await heard(socket, "pong"))["id"] == 1

    asyncio.run(play())


def test_a_connection_that_is_a_stream_is_no_slow_request(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What bounds requests in time lets streams be, of both kinds."""
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)
    monkeypatch.setattr(protocol, "REQUEST_S", 0.2)
    monkeypatch.setattr(hub, "HEARTBEAT_S", 0.3)

    async def play() -> None:
        async with connected(port) as stream, httpx.AsyncClient(trust_env=False, timeout=20) as http:
            asked = http.stream("GET", f"http://127.0.0.1:{port}/v1/stream", params={"topics": "orders"})
            async with asked as events:
                lines = events.aiter_lines()
                beats = 0
                while beats < 4:  # four times as long as a request may take
                    beats += '"heartbeat"' in await anext(lines)
            await stream.send('{"action":"ping","id":1}')
            assert (await heard(stream, "pong"))["id"] == 1

    asyncio.run(play())


def test_binary_and_fragmented_messages_are_read(port: int) -> None:
    async def play() -> None:
        async with connected(port) as socket:
            await socket.send(b'{"action":"ping","id":"binary"}')
            assert (await heard(socket, "pong"))["id"] == "binary"
            await socket.send(['{"action":', '"ping",', '"id":"pieces"}'])
            assert (await heard(socket, "pong"))["id"] == "pieces"

    asyncio.run(play())


@pytest.mark.parametrize("sent", ["x" * 70_000, ["x" * 1_000] * 70])
def test_a_message_is_at_most_so_large(port: int, sent: Any) -> None:
    async def play() -> None:
        async with connected(port) as socket:
            with pytest.raises(ConnectionClosed) as closed:
                await socket.send(sent)
                await heard(socket, "never")
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009

    asyncio.run(play())


@pytest.mark.parametrize(
    "frame",
    [b"\xff\xff\xff\xff", b"\x81\x02hi", b"\x89\xfe\xff\xff" + bytes(70_000), b"\x01\x80\0\0\0\0\x01\x80\0\0\0\0"],
)
def test_frames_that_break_the_protocol_end_the_connection(port: int, frame: bytes) -> None:
    key = ("upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13")
    opening = head(port, "/v1/stream", *key, "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(opening)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 101")
        connection.sendall(frame)
        told = b""
        while b"\x88" not in told and (
            part := connection.recv(65_536)
        ):  # a close frame, or the end; else it takes long
            told += part


def test_ten_thousand_subscriptions_are_a_hundred(port: int) -> None:
    async def play() -> None:
        async with connected(port) as socket:
            refused = subscribed = 0

            async def listen() -> None:
                nonlocal refused, subscribed
                while refused + subscribed < 10_000:
                    said = orjson.loads(await asyncio.wait_for(socket.recv(), 60))
                    refused += said["type"] == "refused"
                    subscribed += said["type"] == "subscribed"

            listening = asyncio.create_task(listen())
            for number in range(10_000):
                await socket.send(
                    orjson.dumps({"action": "subscribe", "topic": "fills", "symbol": f"S{number}"}).decode()
                )
            await listening
            assert (subscribed, refused) == (100, 9_900)

    asyncio.run(play())


def test_an_order_is_taken_all_the_while(port: int) -> None:
    told = httpx.post(f"http://127.0.0.1:{port}/v1/orders", json=ORDER, trust_env=False)
    assert told.status_code == 201
