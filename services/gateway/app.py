"""The front door's process: who is let in, what answers, and what it reads.

Flows in: the settings, HTTP and WebSocket, the public streams. Flows out: answers; signals and controls; the process's
exit code. FastAPI has the routes. Never shares a process with a stage.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from typing import Any, Final

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from redis.exceptions import NoPermissionError, RedisError, ResponseError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from fillstream.libs.common.messages.stages import DESK_PATH, DOORS
from fillstream.libs.common.messages.topology import Topology, id_key
from fillstream.libs.common.process.app import address_of, refuse, settings_or_exit, tune_collector
from fillstream.libs.common.process.settings import Settings, SettingsError
from fillstream.libs.common.process.settings.gateway import span_ms
from fillstream.libs.common.runtime.continuity import TopologyDiffers
from fillstream.libs.common.runtime.exit_codes import ANALYTICS_VARIABLE, EXIT_CRASHED, EXIT_SETTINGS
from fillstream.libs.common.runtime.heartbeat import Heartbeat, forget_silent
from fillstream.libs.common.runtime.log import connect as connect_now
from fillstream.libs.common.runtime.look import read_marker
from fillstream.libs.common.runtime.release import running
from fillstream.libs.common.runtime.waiting import wait_for_redis
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway import order_management
from fillstream.services.gateway.alpaca.errors import Spoken
from fillstream.services.gateway.alpaca.room import Room
from fillstream.services.gateway.alpaca.router import router as alpaca
from fillstream.services.gateway.asking import Asking
from fillstream.services.gateway.earlier import PATIENCE_S, Earlier
from fillstream.services.gateway.history import History
from fillstream.services.gateway.hooks import routes as hooks
from fillstream.services.gateway.hooks.entrance import Entrance
from fillstream.services.gateway.http.access import Door, safe_path
from fillstream.services.gateway.http.browsers import Browsers
from fillstream.services.gateway.http.document import Described, Pages
from fillstream.services.gateway.http.keyring import EVERYTHING, LiveKeys
from fillstream.services.gateway.http.page import HEADERS
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.http.protocol import Bounded
from fillstream.services.gateway.http.sources import Sources
from fillstream.services.gateway.http.streams import Streams
from fillstream.services.gateway.keeping import Keeping
from fillstream.services.gateway.metrics import STAGE, GatewayMetrics
from fillstream.services.gateway.people.audit import Audit
from fillstream.services.gateway.people.login import People
from fillstream.services.gateway.people.sessions import LiveSessions
from fillstream.services.gateway.reading import Reading, names_of
from fillstream.services.gateway.sending import AWAY, Sending, cancel, connect
from fillstream.services.gateway.state.desk import Desk, Rewound
from fillstream.services.gateway.stream.hub import Hub
from fillstream.services.gateway.stream.replay import Replay
from fillstream.services.gateway.telling import Telling
from fillstream.services.gateway.v1 import (
    accounts,
    audit,
    desk,
    markets,
    orders,
    positions,
    reports,
    session,
    stream,
    through,
)
from fillstream.services.gateway.v1.answers import answers
from fillstream.services.gateway.waiting import Waiting
from fillstream.services.gateway.web import files as web

logger = logging.getLogger(__name__)

ABOUT: Final = (
    "Orders, positions, accounts and markets of a Fillstream desk. Numbers are text, exact to the digit; times are"
    " milliseconds since 1970 UTC; `as_of` says up to where the desk's streams are known in an answer."
)


class Gateway:
    """What a gateway is made of.

    Args:
        settings: of the desk.
        state: of the desk, as a snapshot had it.
        ends: the newest entry of each stream as this begins.
        keeping: of snapshots; None where nothing is kept.
        asks_for_keys: whether who comes in needs a key.
    """

    def __init__(
        self, settings: Settings, state: Desk, ends: dict[str, str], keeping: Keeping | None, *, asks_for_keys: bool
    ) -> None:
        topology = settings.topology()
        self.metrics = GatewayMetrics()
        self.desk = state
        self.client = connect(settings.redis_url)
        url = os.environ.get(ANALYTICS_VARIABLE)
        self.behind = desk.Behind(settings.redis_url, topology, url, settings.archivists, settings.routing)
        self.reading = Reading(self.client, topology, state, ends, self._earlier(settings, state, keeping))
        waiting = Waiting(state)
        self.reading.after_batch.append(waiting.settle)
        self.hub = Hub(state, self.metrics)
        self.hub.is_live = lambda: self.reading.is_ready and not self.reading.waits_for
        self.replay = Replay(self.client, topology, state)
        self.asking = Asking(topology, state, self.reading, Sending(self.client), waiting)
        self.keeping = keeping
        self.telling = Telling(self.reading, self.metrics, _heartbeat(settings) if keeping else None)
        self.streams = Streams(settings.gateway.streams_per_key, settings.gateway.stream_messages_per_s)
        self.keys = LiveKeys(self.client, topology) if asks_for_keys else None
        self.audit = Audit(self.client, topology, Sources(settings.gateway.proxies))
        self.people = people_of(self.client, settings, self.audit) if asks_for_keys else None
        self.settings = settings

    def _earlier(self, settings: Settings, state: Desk, keeping: Keeping | None) -> Earlier:
        """Return what asks analytics for what was trimmed: at once where this desk has none, and it is told."""
        patience_s = PATIENCE_S if settings.archivists else 0.0
        whose = keeping.desk_id if keeping else ""
        return Earlier(self.client, settings.topology(), state, self.behind.through, whose, patience_s)

    @asynccontextmanager
    async def life(self, app: FastAPI) -> AsyncIterator[None]:
        """Read, and write snapshots, as long as the app lives."""
        tasks = [asyncio.create_task(each.run()) for each in (self.reading, self.hub, self.audit)]
        if self.keys is not None:
            await self.keys.load()
            tasks.append(asyncio.create_task(self.keys.run()))
        if self.people is not None:
            await self.people.hashing.warm()
            await self._load_people()
            tasks.append(asyncio.create_task(self.people.sessions.run()))
        if self.keeping:
            tasks.append(asyncio.create_task(self.keeping.run(self.desk)))
        tasks.append(asyncio.create_task(self.telling.run()))
        tasks.append(asyncio.create_task(asyncio.to_thread(web.warm)))
        for task in tasks:
            task.add_done_callback(self._end)
        logger.info("gateway reads %s", ", ".join(self.reading.names))
        yield
        for task in tasks:
            await cancel(task)
        await self.audit.end()
        if self.keeping:
            await self.keeping.save(self.desk)
        await self.telling.tell("stopped")
        await self.client.aclose()
        await self.behind.analytics.close()

    async def _load_people(self) -> None:
        assert self.people is not None
        try:
            await self.people.sessions.load()
        except NoPermissionError as error:
            logger.critical("gateway ends: its user of Redis may not know people; make users.acl anew: %s", error)
            os._exit(EXIT_SETTINGS)

    def _end(self, task: asyncio.Task[None]) -> None:
        """End the process where a task has met an error that it does not know: a supervisor starts it again."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        logger.critical("gateway ends: %s", error, exc_info=error)
        if isinstance(error, Rewound) and self.keeping:
            self.keeping.forget()  # the next start reads what there is from its beginning
        os._exit(EXIT_CRASHED)


def people_of(client: Any, settings: Settings, audit: Audit) -> People:
    """Return who lets people in."""
    topology, its = settings.topology(), settings.gateway
    sessions = LiveSessions(client, topology, span_ms(its.session_idle), span_ms(its.session_lifetime))
    return People(client, topology, sessions, audit)


def _heartbeat(settings: Settings) -> Heartbeat:
    key = settings.topology().status(STAGE)
    instance = f"{platform.node()}:{settings.service.port}"  # what it listens on may be any address
    return Heartbeat(connect_now(settings.redis_url), key, address_of(settings), instance=instance)


def build(gateway: Gateway) -> FastAPI:
    """Return the app."""
    app = Described(
        answers, title="Fillstream gateway", version=running(), description=ABOUT, lifespan=gateway.life,
        docs_url=None, redoc_url=None, openapi_url=None,
    )  # fmt: skip
    app.state.asking = gateway.asking
    app.state.history = History(gateway.client, gateway.asking.topology)
    app.state.streams = gateway.streams
    app.state.hub, app.state.replay = gateway.hub, gateway.replay
    app.state.behind = gateway.behind
    app.state.people, app.state.audit = gateway.people, gateway.audit
    app.state.sources = sources = Sources(gateway.settings.gateway.proxies)
    app.state.browsers = browsers = Browsers(sources)
    for room in (desk, orders, positions, accounts, markets, reports, stream, through, session, audit):
        app.include_router(room.router, prefix="/v1")
    app.mount("/order-management", order_management.make_app())
    app.state.alpaca = Room(gateway.asking, gateway.settings)
    app.include_router(alpaca, prefix="/alpaca")
    app.state.entrance = Entrance(sources)
    app.include_router(hooks.router)
    app.include_router(web.router)
    _probes(app, gateway)
    _errors(app)
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=1)
    settings = gateway.settings.gateway
    app.add_middleware(
        Door, keys=gateway.keys, everything=EVERYTHING, per_minute=settings.calls_per_minute,
        people=None if gateway.people is None else gateway.people.sessions, browsers=browsers, done=gateway.audit.wrote,
    )  # fmt: skip
    app.add_middleware(Spoken)
    app.add_middleware(Counted, metrics=gateway.metrics)
    return app


class Counted:
    """Counts requests, and how long they took."""

    def __init__(self, app: Any, metrics: GatewayMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def answer(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            self._metrics.requested(scope["method"], status, time.perf_counter() - began)


def _probes(app: Described, gateway: Gateway) -> None:
    making = asyncio.Lock()

    async def described() -> Pages:
        async with making:  # whoever asks next waits for what is made already
            return await asyncio.to_thread(app.pages)  # a second or two, the first time

    @app.get("/health", include_in_schema=False)
    async def health() -> Response:
        """Answer that the process is up."""
        return Response("up\n", media_type="text/plain")

    @app.get("/ready", include_in_schema=False)
    async def ready() -> Response:
        """Answer whether everything is read that was there at the start, and Redis answers."""
        text = gateway.reading.progress()
        if gateway.reading.is_ready:
            try:
                await gateway.client.ping()
            except AWAY:
                text = "Redis does not answer"
            else:
                return Response("ready\n", media_type="text/plain")
        return Response(f"{text}\n", 503, media_type="text/plain")

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        """Return what it measures, as Prometheus reads it."""
        return Response(generate_latest(gateway.metrics.registry), headers={"content-type": CONTENT_TYPE_LATEST})

    @app.get("/openapi.json", include_in_schema=False)
    async def document() -> Response:
        """Return the API for programs; it was made once."""
        return Response((await described()).document, media_type="application/json")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        """Return the API to read."""
        return Response((await described()).page, media_type="text/html", headers=HEADERS)

    @app.get("/", include_in_schema=False)
    async def front(request: Request) -> Any:
        """Say who this is; send a browser to the desk."""
        if "text/html" in request.headers.get("accept", ""):
            return Response(status_code=303, headers={"location": f"{DESK_PATH}/", "vary": "accept"})
        addresses = [
            "/desk/",
            "/health",
            "/ready",
            "/metrics",
            "/docs",
            "/openapi.json",
            "/v1/…",
            "/alpaca/…",
            "/hooks/…",
        ]
        return {"name": app.title, "version": app.version, "text": DOORS[STAGE].text, "addresses": addresses}


def _errors(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def bad_parameter(request: Request, error: RequestValidationError) -> Response:
        told = []
        for each in error.errors():
            where = str(each["loc"][-1])
            value = each.get("input")
            told.append(f"{where}: {shorten(value)} is refused: {each['msg']}")
        return Refusal(422, "bad_value", told[0], errors=told if len(told) > 1 else None).response()

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        return Refusal(500, "internal_error", "gateway: an error of its own, which its log tells").response()

    @app.exception_handler(HTTPException)
    async def none(request: Request, error: HTTPException) -> Response:
        reason = {404: "no_such_path", 405: "no_such_method"}.get(error.status_code, "refused")
        what = f"{request.method} {safe_path(request.scope['path'])}"
        told = f"path: {what} is none of this gateway's; /openapi.json lists them"
        return Refusal(error.status_code, reason, told, error.headers).response()


# ------------------------------------------------------------------------------------------------------------ serving


def check(settings: Settings) -> None:
    """Refuse settings that a gateway cannot be served by.

    Raises:
        SettingsError: without keys on an address that others reach; half of what TLS needs.
    """
    gateway, host = settings.gateway, settings.service.host
    if gateway.without_key and not _is_loopback(host):
        told = f"service.host {host} is reached by others; without keys it must be 127.0.0.1 or ::1"
        raise SettingsError([f"gateway.without_key: {told}"])
    if (gateway.tls_cert_file is None) != (gateway.tls_key_file is None):
        raise SettingsError(["gateway.tls_key_file: comes with gateway.tls_cert_file, and neither without the other"])


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def begin(settings: Settings) -> tuple[Desk, dict[str, str], Keeping]:
    """Return the state that a snapshot had, and where each stream ends now; wait for a Redis that is away.

    Raises:
        SettingsError: the desk has other partition counts.
    """
    topology: Topology = settings.topology()
    with connect_now(settings.redis_url) as client:
        wait_for_redis(client, threading.Event())
        try:
            marker = read_marker(client, topology)
        except TopologyDiffers as error:
            raise SettingsError([str(error)]) from None
        with suppress(RedisError):  # what is old there is in nobody's way
            forget_silent(client, topology.status(STAGE))
        ends, newest = {}, {}
        for name in names_of(topology):
            last: Any = client.xrevrange(topology.key(name), count=1)
            if last:
                ends[name] = last[0][0].decode()
            with suppress(ResponseError):  # there is no such stream yet
                told: Any = client.xinfo_stream(topology.key(name))
                newest[name] = told["last-generated-id"].decode()
    keeping = Keeping(settings.database.data_dir, marker.id if marker else "")
    state = keeping.load(settings.gateway.orders_kept)
    ahead = [name for name, at in state.places.items() if id_key(at) > id_key(newest.get(name, "0-0"))]
    if ahead:
        logger.warning(
            "%s: Redis ends before what is known here; it is an older one, and is read anew", ", ".join(ahead)
        )
        state = Desk(settings.gateway.orders_kept)
    return state, ends, keeping


def serve() -> None:
    """Load the settings and serve until SIGTERM.

    Exit codes: 0 asked to stop; 70 crashed (start again); 78 settings refused.
    """
    settings = settings_or_exit(STAGE)
    try:
        check(settings)
        state, ends, keeping = begin(settings)
    except SettingsError as error:
        refuse(error)
    app = build(Gateway(settings, state, ends, keeping, asks_for_keys=not settings.gateway.without_key))
    tune_collector()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: sys.exit(0))
    uvicorn.run(app, **options_of(settings))


def options_of(settings: Settings) -> dict[str, Any]:
    """Return what the app is served with."""
    gateway = settings.gateway
    return {
        "host": settings.service.host, "port": settings.service.port, "log_config": None, "log_level": "warning",
        "access_log": False, "lifespan": "on", "loop": "uvloop", "http": Bounded, "ws": "websockets-sansio",
        "ws_per_message_deflate": False, "ws_max_size": 65_536, "server_header": False, "proxy_headers": False,
        "ssl_certfile": gateway.tls_cert_file, "ssl_keyfile": gateway.tls_key_file,
        "timeout_graceful_shutdown": 5,
    }  # fmt: skip
