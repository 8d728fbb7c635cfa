"""The face of analytics: health, readiness, metrics, AsyncAPI pages, and the query API.

Flows in: HTTP, at most `MAX_BODY_BYTES` a request. Flows out: JSON; errors are `{"error": sentence}`. Never writes to
the database; FastStream owns the life cycle and the pages, the threads of `ingest` do the work.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qs

import orjson
from faststream.asgi import AsgiResponse, Request, get, post
from faststream.asgi.request import ClientDisconnectError
from faststream.redis import RedisBroker

from fillstream.libs.common.messages.stages import READERS
from fillstream.libs.common.process.app import (
    describe,
    describe_reader,
    probes,
    serve_app,
    settings_or_exit,
)
from fillstream.libs.common.process.http import ServiceApp
from fillstream.libs.common.process.settings import Settings
from fillstream.libs.common.runtime.exit_codes import EXIT_SETTINGS
from fillstream.libs.common.runtime.log import connect
from fillstream.libs.common.runtime.waiting import wait_for_redis
from fillstream.services.analytics.ingest import Ingest, exit_code_of
from fillstream.services.analytics.metrics import STAGE, AnalyticsMetrics
from fillstream.services.analytics.numbers import TooFine, scales_of
from fillstream.services.analytics.query.api import DEFAULT_LIMIT, MAX_RUNNING, Answer, Queries, QueryError
from fillstream.services.analytics.query.incomplete import sentences
from fillstream.services.analytics.query.messages import Log
from fillstream.services.analytics.read.reader import accept_gaps, public_streams
from fillstream.services.analytics.schema import SchemaError
from fillstream.services.analytics.sinks.store import Offset, Store, StoreError

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 256 * 1024
NICENESS = 10
"""Where cores are short, the stages go first: analytics catches up afterwards."""
MAX_WAITING_QUERIES = 32
"""Requests that may wait for their turn; more are told to come again."""
MAX_DATA_BYTES = 3 * 1024**3
"""Writable memory this process may map: about twice what it maps under load, most of which it never touches."""
ORDER_PATH = "/orders/"
NOT_FOUND = 404
REDIS_WAIT_S = 30.0
"""`accept-gaps` is typed by a person, who is told when Redis does not answer."""

LINES = "text/plain; charset=utf-8"

Result = TypeVar("Result")


class List(NamedTuple):
    """A list: its query, which parameter filters which column, and the kind of stream that it comes from."""

    query: str
    filters: Mapping[str, str]
    kind: str


LISTS = {
    "orders": List(
        "SELECT orders.*, modes.mode FROM orders LEFT JOIN modes USING (account) {where} "
        "ORDER BY received DESC, length(order_id) DESC, order_id DESC",
        {"account": "account", "symbol": "symbol", "status": "ord_status", "client_order_id": "client_order_id"},
        "events",
    ),
    "fills": List(
        "SELECT fills.*, modes.mode FROM fills LEFT JOIN modes USING (account) {where} "
        "ORDER BY time DESC, log_stream, seq DESC",
        {"account": "account", "symbol": "symbol", "order_id": "order_id"},
        "events",
    ),
    "positions": List(
        "SELECT positions.*, position_status, modes.mode FROM positions "
        "LEFT JOIN (SELECT account, symbol, position_id AS hedged_id, position_status FROM position_states) states "
        "ON states.account = positions.account AND states.symbol = positions.symbol "
        "AND states.hedged_id IS NOT DISTINCT FROM CASE WHEN position_mode = 'HEDGING' THEN positions.position_id END "
        "LEFT JOIN modes ON modes.account = positions.account {where} "
        "ORDER BY positions.account, positions.symbol, positions.position_id",
        {"account": "positions.account", "symbol": "positions.symbol"},
        "positions",
    ),
    "position_states": List(
        "SELECT * FROM position_states {where} ORDER BY account, symbol",
        {"account": "account", "symbol": "symbol", "status": "position_status"},
        "positions",
    ),
    "closed_positions": List(
        "SELECT closed_positions.*, modes.mode FROM closed_positions LEFT JOIN modes USING (account) {where} "
        "ORDER BY closed_time DESC, account, symbol",
        {"account": "account", "symbol": "symbol", "position_id": "position_id"},
        "positions",
    ),
    "account_values": List(
        "SELECT account_values.*, modes.mode FROM account_values LEFT JOIN modes USING (account) {where} "
        "ORDER BY account",
        {"account": "account"},
        "positions",
    ),
    "exposures": List(
        "SELECT * FROM exposures {where} ORDER BY account, dimension, name, currency",
        {"account": "account", "dimension": "dimension", "name": "name"},
        "positions",
    ),
    "targets": List(
        "SELECT * FROM targets {where} ORDER BY asked_time DESC, account, symbol",
        {"account": "account", "symbol": "symbol", "signal_id": "signal_id", "status": "target_status"},
        "positions",
    ),
    "exits": List(
        "SELECT * FROM exits {where} ORDER BY updated DESC, account, symbol, protection_id",
        {"account": "account", "symbol": "symbol", "position_id": "position_id", "status": "exit_status"},
        "positions",
    ),
    "risk_limits": List(
        'SELECT * FROM risk_limits {where} ORDER BY account, "limit"', {"account": "account"}, "positions"
    ),
}
HISTORY = "SELECT * FROM events WHERE order_id = ? ORDER BY seq"


class App(ServiceApp):
    """Routes `/orders/{id}` as well, which FastStream's exact paths cannot."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and scope["path"].startswith(ORDER_PATH):
            order_id = scope["path"][len(ORDER_PATH) :]
            scope = {**scope, "path": f"{ORDER_PATH}{{order_id}}", "order_id": order_id}
        await super().__call__(scope, receive, send)


class Api:
    """The query API over HTTP.

    Args:
        queries: answers.
        log: tells what was in a stream.
        incomplete: returns what an answer from these kinds of streams (None: any) may lack, in sentences.
    """

    def __init__(self, queries: Queries, log: Log, incomplete: Callable[[Collection[str] | None], list[str]]) -> None:
        self._queries = queries
        self._log = log
        self._incomplete = incomplete
        self._pool = ThreadPoolExecutor(MAX_RUNNING, thread_name_prefix="query")
        self._asked = 0

    def routes(self) -> list[tuple[str, Any]]:
        """Return the paths and what serves them."""

        @post
        async def query(request: Request) -> AsgiResponse:
            """Answer one SELECT: `{"sql": ..., "limit": 1000}`, as JSON."""
            return await self._answer(lambda: self._query(request), None)

        @get
        async def history(scope: Any) -> AsgiResponse:
            """Answer with every event of one order, oldest first."""
            return await self._answer(lambda: self._history(scope["order_id"]), {"events"})

        @get
        async def messages(scope: Any) -> AsgiResponse:
            """Answer with a stream's messages, a line each of ID and JSON: `stream`, `after`, `upto`, `limit`."""
            try:
                body = await self._in_thread(lambda: self._log.page(_parameters(scope)))
            except QueryError as error:
                return _json(orjson.dumps({"error": error.text}), error.status)
            return AsgiResponse(body, 200, {"content-type": LINES, "content-length": str(len(body))})

        return [
            ("/query", query),
            ("/messages", messages),
            (f"{ORDER_PATH}{{order_id}}", history),
            *((f"/{name}", self._list_route(name)) for name in LISTS),
        ]

    def _list_route(self, name: str) -> Any:
        async def listed(scope: Any) -> AsgiResponse:
            return await self._answer(lambda: self._list(name, _parameters(scope)), {LISTS[name].kind})

        filters = ", ".join((*LISTS[name].filters, "limit"))
        text = f"List {name}, newest first where they have a time; filters: {filters}."
        return get(listed, description=f"{text} A filter that is repeated has alternatives.")

    async def _query(self, request: Any) -> Answer:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise QueryError(400, "content-type: must be application/json")
        body = b""
        try:
            async for part in request.stream():
                body += part
                if len(body) > MAX_BODY_BYTES:
                    raise QueryError(413, f"body: more than {MAX_BODY_BYTES} bytes")
        except ClientDisconnectError:
            raise QueryError(400, "body: the connection ended within it") from None
        try:
            asked = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise QueryError(400, f"body: is not JSON: {error}") from None
        if not isinstance(asked, dict) or not isinstance(asked.get("sql"), str) or not asked.keys() <= {"sql", "limit"}:
            raise QueryError(400, 'body: must be {"sql": "SELECT …", "limit": 1000}, limit optional')
        limit = asked.get("limit", DEFAULT_LIMIT)
        if not isinstance(limit, int) or isinstance(limit, bool):
            raise QueryError(400, f"limit: {str(limit)[:40]} is not a whole number")
        return await self._in_thread(lambda: self._queries.ask(asked["sql"], limit))

    async def _history(self, order_id: str) -> Answer:
        answer = await self._in_thread(lambda: self._queries.select(HISTORY, [order_id]))
        if not answer.rows:
            raise QueryError(NOT_FOUND, f"order_id: {order_id[:40]} is no order analytics has seen")
        return _without_empty_columns(answer)

    async def _list(self, name: str, parameters: Mapping[str, list[str]]) -> Answer:
        query, filters, _ = LISTS[name]
        limit = DEFAULT_LIMIT
        conditions, values = [], []
        for parameter, given in parameters.items():
            if parameter == "limit":
                limit = _whole(given[-1])
            elif parameter in filters:
                conditions.append(f"{filters[parameter]} IN ({', '.join('?' * len(given))})")
                values += given
            else:
                raise QueryError(400, f"{parameter[:40]}: no such filter; there are {', '.join((*filters, 'limit'))}")
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        return await self._in_thread(lambda: self._queries.select(query.format(where=where), values, limit))

    async def _in_thread(self, run: Callable[[], Result]) -> Result:
        if self._asked >= MAX_WAITING_QUERIES:
            raise QueryError(503, f"{self._asked} queries are waiting already; try again")
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, run)
        finally:
            self._asked -= 1

    async def _answer(self, run: Callable[[], Awaitable[Answer]], kinds: Collection[str] | None) -> AsgiResponse:
        try:
            answer = replace(await run(), incomplete=self._incomplete(kinds))
        except QueryError as error:
            told: dict[str, Any] = {"error": error.text}
            if error.status == NOT_FOUND and (incomplete := self._incomplete(kinds)):
                told["incomplete"] = incomplete  # it may have been there
            return _json(orjson.dumps(told), error.status)
        # A large answer takes a while to write down; the event loop serves probes meanwhile.
        return _json(await asyncio.to_thread(answer.json), 200)


def _json(body: bytes, status: int) -> AsgiResponse:
    return AsgiResponse(body, status, {"content-type": "application/json", "content-length": str(len(body))})


def _parameters(scope: Any) -> dict[str, list[str]]:
    """Return the parameters of a request; FastStream's own reading of them fails on text that is not ASCII."""
    return parse_qs(scope.get("query_string", b"").decode("latin-1"), errors="replace")


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise QueryError(400, f"limit: {text[:40]} is not a whole number")
    return int(text)


def _without_empty_columns(answer: Answer) -> Answer:
    kept = [index for index in range(len(answer.columns)) if any(row[index] is not None for row in answer.rows)]
    columns = [answer.columns[index] for index in kept]
    return replace(answer, columns=columns, rows=[[row[index] for index in kept] for row in answer.rows])


def build(settings: Settings) -> App:
    """Return the app; its lifespan starts and stops reading and writing.

    Raises:
        StoreError: the database file cannot be opened.
        SchemaError: it has tables that this version cannot write.
        TooFine: an instrument is counted in steps that no column holds.
    """
    metrics = AnalyticsMetrics()
    store = Store(settings.database.path, scales_of(settings.instruments, settings.execution.venues.values()))
    queries = Queries(store.cursor, metrics.queried)
    streams = public_streams(settings.topology())
    log = Log(queries, store, streams)
    ingest = Ingest(settings, store, metrics, queries.interrupt)
    # FastStream's own connection: it says whether Redis answers, while the reader's is busy.
    broker = RedisBroker(settings.redis_url, logger=logger)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        ingest.start()
        yield
        await asyncio.to_thread(ingest.stop)

    return App(
        broker,
        logger=logger,
        lifespan=lifespan,
        about=describe(describe_reader(READERS[STAGE], settings.topology()), settings.redis_url),
        routes=[
            *probes(broker, ingest.ready, metrics.registry),
            *Api(queries, log, lambda kinds: sentences(store.missing, streams, kinds)).routes(),
        ],
    )


def serve() -> None:
    """Load the settings, follow the streams and answer until SIGTERM.

    Exit codes: 0 asked to stop; 70 crashed (start again); 71 needs a person, the line on stderr says why; 78 settings
    refused.
    """
    settings = settings_or_exit(STAGE)
    if not settings.archivists:
        logger.critical("database.type: none runs no analytics, and its logs are trimmed without; set duckdb")
        sys.exit(EXIT_SETTINGS)
    bound_memory()
    os.nice(NICENESS)
    try:
        app = build(settings)
    except TooFine as error:
        logger.critical("%s", error)
        sys.exit(EXIT_SETTINGS)
    except (StoreError, SchemaError) as error:
        logger.critical("analytics ends: %s", " ".join(str(error).split()))
        sys.exit(exit_code_of(error))
    serve_app(app, settings)


def bound_memory() -> None:
    """Let a query that wants more than `MAX_DATA_BYTES` fail, rather than have the system end a process of its choice.

    DuckDB's own limit does not cover the strings and lists that functions make: `repeat('x', 4000000000)`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [limit for limit in (soft, hard, MAX_DATA_BYTES) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))


def accept() -> None:
    """Note the gaps that stop the service in table `gaps` and go on behind them; prints one line for each."""
    settings = settings_or_exit(STAGE)
    store = Store(settings.database.path)
    try:
        client = connect(settings.redis_url)
        wait_for_redis(client, limit_s=REDIS_WAIT_S)
        stored = store.offsets()
        gaps = accept_gaps(client, public_streams(settings.topology()), stored)
        offsets = {gap.stream: Offset(gap.upto_id, stored[gap.stream].entries + gap.entries) for gap in gaps}
        store.commit({}, offsets, gaps)
        for gap in gaps:
            sys.stdout.write(f"{gap.text}\n")
        if not gaps:
            sys.stdout.write("no gaps\n")
    finally:
        store.close()
