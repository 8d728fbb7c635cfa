"""HTTP/1.1 as the gateway takes it from the wire: uvicorn's own over httptools, with a bound on all that comes in.

Flows in: bytes of a connection. Flows out: requests; a refusal for a head that is too large or too slow. Never waits
for a request for ever, and never collects more of its head than is stated here: httptools itself has no bound.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fillstream.services.gateway.http.problems import TYPE, Refusal, as_json

MAX_TARGET_BYTES: Final = 16 * 1024
"""Of a path with its query."""
MAX_HEAD_BYTES: Final = 64 * 1024
"""Of all headers; what comes in one piece from the socket, at most 256 KiB, is looked at whole."""
MAX_HEADERS: Final = 100
MAX_PIPELINED: Final = 32
"""Requests that came behind one whose answer is on its way."""
HEAD_S: Final = 10.0
"""How long a head may take, from its first byte on, or from the connection's beginning."""
REQUEST_S: Final = 60.0
"""How long a whole request may take."""


class TooMuch(Exception):
    """A head that is above a limit."""


class Bounded(HttpToolsProtocol):
    """One connection."""

    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    _begun = False
    _is_upgraded = False
    _head_bytes = 0
    _is_open = False
    _body_bytes = _loose_bytes = 0
    _refusal: Refusal | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin: the first head is waited for."""
        super().connection_made(transport)
        self._within(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._at_ease()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        was_in_head, self._begun = self._in_head, False
        was_in_body, before = self._is_open and not self._in_head, self._body_bytes
        super().data_received(data)
        if self.transport.is_closing() or self._is_upgraded:
            return
        if was_in_head and self._in_head and not self._begun:  # all of it is of one head
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._too_large()
                self.send_400_response("")
        if was_in_body and self._is_open:  # lengths of chunks, and headers behind the last: nothing else counts them
            self._loose_bytes += len(data) - (self._body_bytes - before)
            if self._loose_bytes > MAX_HEAD_BYTES + self._body_bytes:
                self._too_large()
                self.send_400_response("")
        if self._timer is None and not self._in_head and (self.cycle is None or self.cycle.response_complete):
            self._within(HEAD_S)  # what came is no request yet

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._begun, self._head_bytes = True, True, 0
        self._is_open, self._body_bytes, self._loose_bytes = True, 0, 0
        self._within(HEAD_S)

    def on_url(self, url: bytes) -> None:
        """Take a piece of the path and the query."""
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            told = f"path: has more than {MAX_TARGET_BYTES} bytes with its query"
            self._refusal = Refusal(414, "too_large", told)
            raise TooMuch(told)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value)
        if len(self.headers) > MAX_HEADERS or self._head_bytes > MAX_HEAD_BYTES:
            raise TooMuch(self._too_large())

    def on_headers_complete(self) -> None:
        """The head is there; the body has its time."""
        self._in_head = False
        self._within(REQUEST_S)
        super().on_headers_complete()
        if len(self.pipeline) > MAX_PIPELINED:
            told = f"connection: more than {MAX_PIPELINED} requests wait for an answer"
            self._refusal = Refusal(429, "too_many_waiting", told)
            raise TooMuch(told)

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection on: a WebSocket lives as long as it likes."""
        self._is_upgraded = True
        self._at_ease()
        super().handle_websocket_upgrade()

    def on_message_complete(self) -> None:
        """The whole request is there."""
        self._is_open = False
        self._at_ease()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or is above a limit, and close; an answer that is on its way is not spoiled."""
        self._at_ease()
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()
            return
        refusal = self._refusal or Refusal(400, "bad_request", "request: is no HTTP/1.1 that can be read")
        content = as_json(refusal.document())
        head = (
            f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}\r\ncontent-type: {TYPE}\r\n"
            f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + content)
        self.transport.close()

    def _too_large(self) -> str:
        told = f"headers: are more than {MAX_HEADERS}, or have more than {MAX_HEAD_BYTES} bytes"
        self._refusal = Refusal(431, "too_large", told)
        return told

    # ------------------------------------------------------------------------------------------------------- time

    def _within(self, seconds: float) -> None:
        self._at_ease()
        self._timer = self.loop.call_later(seconds, self._too_slow)

    def _at_ease(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self._in_head:
            self.transport.close()  # of a body: whoever reads it hears of that; or nothing was asked for
            return
        self._refusal = Refusal(408, "too_slow", f"headers: have not come within {HEAD_S:g} s")
        self.send_400_response("")
