"""A prediction API that misbehaves as it is told, on a port of this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[[BaseHTTPRequestHandler], None]


class Api:
    """Answers each request as the next behaviour says, and the last one for ever.

    Attributes:
        url: where it answers.
        heard: each request: its path and its headers.
        body: of the last request that had one.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/predictions"
        self.heard: list[tuple[str, dict[str, str]]] = []
        self.body = b""
        self.stopping = threading.Event()
        self._next: list[Behaviour] = [answers([])]

    def will(self, *behaviours: Behaviour) -> None:
        """Behave so from now on, one request after the other."""
        self._next = [*behaviours]

    def take(self) -> Behaviour:
        return self._next.pop(0) if len(self._next) > 1 else self._next[0]


@contextmanager
def bad_api() -> Iterator[Api]:
    """Run one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            api.heard.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            api.body = self.rfile.read(int(self.headers.get("content-length") or 0))
            with suppress(BrokenPipeError, ConnectionResetError):  # who asked has had enough
                api.take()(self)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api = Api(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield api
    finally:
        api.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


def sends(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def answers(document: Any) -> Behaviour:
    return sends(200, json.dumps(document).encode())


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


def drips(api: Api) -> Behaviour:
    """Send a byte at a time, without an end: no single read takes long."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not api.stopping.wait(0.01):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    return behave


def floods(api: Api) -> Behaviour:
    """Send without an end, as fast as it goes."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not api.stopping.is_set():
            handler.wfile.write(b" " * 65536)

    return behave
