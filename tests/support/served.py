"""A desk in memory behind a real server on loopback: uvicorn with the gateway's own options, in a thread.

Whoever asks is another process as far as the gateway knows; what is sent may be anything.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import uvicorn

from fillstream.services.gateway.app import options_of
from tests.conftest import until
from tests.support.gateway_desk import GatewayDesk


@contextmanager
def served(desk: GatewayDesk) -> Iterator[int]:
    """Serve a desk; yield the port."""

    @asynccontextmanager
    async def life(app: Any) -> AsyncIterator[None]:
        hub = asyncio.create_task(desk.gateway.hub.run())
        yield
        hub.cancel()
        with suppress(asyncio.CancelledError):
            await hub
        if desk.gateway.people is not None:
            await desk.gateway.people._client.aclose()  # it is this loop's

    desk.app.router.lifespan_context = life
    config = uvicorn.Config(desk.app, **{**options_of(desk.gateway.settings), "host": "127.0.0.1", "port": 0})
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="gateway")
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive(), "the gateway to listen")
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def head(port: int, path: str = "/v1/orders", *more: str, method: str = "GET") -> bytes:
    """Return the head of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"host: 127.0.0.1:{port}", *more, "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def talk(port: int, *pieces: bytes, within_s: float = 20.0) -> bytes:
    """Send pieces, and return all that comes until the other side closes, or has answered once whole."""
    with socket.create_connection(("127.0.0.1", port), timeout=within_s) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                connection.sendall(piece)
        found = bytearray()
        with suppress(ConnectionResetError):
            while not _is_whole(found):
                part = connection.recv(65_536)
                if not part:
                    break
                found += part
    return bytes(found)


def _is_whole(raw: bytes | bytearray) -> bool:
    at = raw.find(b"\r\n\r\n")
    if at < 0:
        return False
    lines = bytes(raw[:at]).lower().split(b"\r\n")
    length = next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), None)
    return length is not None and len(raw) >= at + 4 + length


def status(raw: bytes) -> int:
    """Return the status of an answer, 0 of none."""
    return int(raw[9:12]) if raw.startswith(b"HTTP/1.1 ") else 0
