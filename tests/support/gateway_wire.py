"""A gateway in memory for clients that wait, and connections to it that get lost."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx


class Bridge(httpx.BaseTransport):
    """Hands requests of httpx's waiting client to an app of this process.

    Args:
        app: of ASGI.

    Attributes:
        requests: that were made, in their order.
        loses: how many answers of POSTs are lost from now on: the app has served each of them.
        refuses: responses that stand in for the app's, to POSTs; those are not served.
    """

    def __init__(self, app: Any) -> None:
        self._asgi = httpx.ASGITransport(app)
        self._loop = asyncio.new_event_loop()
        self.requests: list[httpx.Request] = []
        self.loses = 0
        self.refuses: list[httpx.Response | Exception] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Serve one request."""
        self.requests.append(request)
        if request.method == "POST" and self.refuses:
            stands_in = self.refuses.pop(0)
            if isinstance(stands_in, Exception):
                raise stands_in
            return stands_in
        told = self._loop.run_until_complete(self._serve(request))
        if request.method == "POST" and self.loses:
            self.loses -= 1
            raise httpx.ReadError("Connection reset by peer")
        return told

    async def _serve(self, request: httpx.Request) -> httpx.Response:
        asked = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        told = await self._asgi.handle_async_request(asked)
        content = b"".join([part async for part in told.aiter_bytes()])
        left = {
            name: value for name, value in told.headers.items() if name not in ("content-encoding", "content-length")
        }
        return httpx.Response(told.status_code, headers=left, content=content)

    def posts(self) -> list[httpx.Request]:
        """Return the POSTs that were made."""
        return [each for each in self.requests if each.method == "POST"]

    def close(self) -> None:
        """End the loop."""
        self._loop.close()
