"""The face of a stage's process: an AsgiFastStream app with health, readiness, metrics and AsyncAPI pages.

Flows in: a `Role`, the worker's state, HTTP. Flows out: HTTP answers; the process's exit code.
Never reads or writes a stream: the worker thread does, with a synchronous client (`libs.common.runtime.log` says why).
FastStream owns the life cycle, the HTTP side and the description of every channel.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from faststream.asgi import AsgiFastStream, AsgiResponse, AsyncAPIRoute, get
from faststream.redis import RedisBroker, StreamSub
from faststream.specification import AsyncAPI
from prometheus_client import CollectorRegistry, make_asgi_app

from fillstream.libs.common.process.process_log import set_up_log
from fillstream.libs.common.process.settings import Settings, SettingsError, load_settings
from fillstream.libs.common.runtime.exit_codes import EXIT_SETTINGS, PARTITION_VARIABLE
from fillstream.libs.common.runtime.metrics import StageMetrics
from fillstream.libs.common.runtime.release import running
from fillstream.libs.common.runtime.worker import Role, Worker

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Channel:
    """A stream as the AsyncAPI page shows it: its key, the model of its messages, and one line about it."""

    stream: str
    model: Any
    text: str


@dataclass(frozen=True, slots=True)
class Description:
    """What a stage reads and writes, for people."""

    title: str
    text: str
    reads: Sequence[Channel]
    writes: Sequence[Channel]


def describe(about: Description, redis_url: str) -> AsyncAPI:
    """Return the AsyncAPI specification of a stage: its inbox as a subscriber, its outputs as publishers.

    The broker made here only describes; it is never started.
    """
    shown = urlsplit(redis_url)
    host = f"{shown.scheme}://{shown.hostname or 'localhost'}:{shown.port or 6379}"  # never the password
    broker = RedisBroker(host)
    for channel in about.reads:

        async def consume(message: Any) -> None:
            """Described here, consumed by the worker thread."""

        consume.__annotations__["message"] = channel.model
        broker.subscriber(stream=StreamSub(channel.stream), title=channel.stream, description=channel.text)(consume)
    for channel in about.writes:
        broker.publisher(stream=channel.stream, title=channel.stream, description=channel.text, schema=channel.model)
    return AsyncAPI(broker, title=about.title, version=running(), description=about.text)


def docs_page() -> AsyncAPIRoute:
    """Return the AsyncAPI page to read: without FastStream's `/docs/try`, which lets anybody who reads it publish."""
    return AsyncAPIRoute("/docs", try_it_out_path=None)


def probes(broker: RedisBroker, is_ready: threading.Event, registry: CollectorRegistry) -> list[tuple[str, Any]]:
    """Return what every service answers: /health (the process is up), /ready (recovered and consuming), /metrics."""

    @get
    async def health(scope: Any) -> AsgiResponse:
        """Answer that the process is up."""
        return AsgiResponse(b"up\n", status_code=200)

    @get
    async def ready(scope: Any) -> AsgiResponse:
        """Answer whether the service has recovered and is consuming."""
        if is_ready.is_set() and await broker.ping(timeout=1.0):
            return AsgiResponse(b"ready\n", status_code=200)
        return AsgiResponse(b"recovering\n", status_code=503)

    return [("/health", health), ("/ready", ready), ("/metrics", make_asgi_app(registry))]


def build_app(about: Description, worker: Worker, metrics: StageMetrics, settings: Settings) -> AsgiFastStream:
    """Return the app that starts and stops `worker` with its own life."""

    # FastStream's own connection: it says whether Redis answers, while the worker's is busy reading.
    broker = RedisBroker(settings.redis_url, logger=logger)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        worker.start()
        yield
        worker.stop()
        worker.join()

    return AsgiFastStream(
        broker,
        logger=logger,
        lifespan=lifespan,
        specification=describe(about, settings.redis_url),
        asyncapi_path=docs_page(),
        asgi_routes=probes(broker, worker.ready, metrics.registry),
    )


def main(program: str, role_of: Callable[[Settings, int], tuple[Role, Description]]) -> None:
    """Run one partition of a stage until SIGTERM, with the settings that the environment names.

    Args:
        program: shown by `--help`.
        role_of: makes the stage from the settings and the partition.

    Exit codes: 0 asked to stop; 70 crashed (start again); 71 cannot recover (needs a person); 72 fenced by a newer
    process; 78 settings refused.
    """
    parser = ArgumentParser(prog=f"python -m services.{program}")
    parser.add_argument(
        "--partition",
        type=int,
        default=int(os.environ.get(PARTITION_VARIABLE, "0")),
        help=f"the partition this process owns (default: ${PARTITION_VARIABLE}, else 0)",
    )
    partition = parser.parse_args(sys.argv[1:]).partition
    settings = settings_or_exit(program.rpartition(" ")[2])
    role, about = role_of(settings, partition)
    metrics = StageMetrics(role.stage, feeds=bool(role.downstream))
    worker = Worker(role, settings, metrics, when_live=tune_collector)
    serve_app(build_app(about, worker, metrics, settings), settings)


def tune_collector() -> None:
    """Keep the garbage collector off the state.

    Folds make no reference cycles; walking a state of a million orders to look for some would cost more than the folds.
    What start-up made is set aside, and only young objects are looked at: the libraries' cycles die young.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000_000)


def settings_or_exit(service: str) -> Settings:
    """Return the settings, with the log set up as they say; end the process with a sentence when they are refused.

    Args:
        service: the name that this process's log lines carry.
    """
    try:
        set_up_log(service)
        settings = load_settings()
        settings.require_supported()
    except SettingsError as error:
        for problem in error.problems:
            logger.critical("%s", problem)
        sys.exit(EXIT_SETTINGS)
    set_up_log(service, settings.order_params.log_level)
    return settings


def serve_app(app: AsgiFastStream, settings: Settings) -> None:
    """Serve HTTP on the configured host and port until SIGTERM or SIGINT, then exit with 0."""
    # uvicorn raises the signal again once it has shut down; to have been asked to stop is no failure.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: sys.exit(0))
    uvicorn.run(
        app,
        host=settings.service.host,
        port=settings.service.port,
        log_config=None,  # its lines are of this process's one format, like everybody's
        log_level="warning",
        access_log=False,
        lifespan="on",
    )
