"""The face of the API monitor: health, readiness, metrics, AsyncAPI pages; and the tasks that poll.

Flows in: the settings, HTTP. Flows out: HTTP answers; the process's exit code. FastStream owns the life cycle, the
connection that publishes, and the pages.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
from faststream.redis import RedisBroker
from redis.asyncio import Redis

from fillstream.libs.common.messages.stages import SOURCES
from fillstream.libs.common.process.app import Description, channels, describe, probes, serve_app, settings_or_exit
from fillstream.libs.common.process.http import ServiceApp
from fillstream.libs.common.process.settings import Settings
from fillstream.libs.common.runtime.exit_codes import EXIT_CRASHED, EXIT_SETTINGS
from fillstream.services.api_monitor.memory import Memory
from fillstream.services.api_monitor.metrics import STAGE, MonitorMetrics
from fillstream.services.api_monitor.polling import Poller

logger = logging.getLogger(__name__)

HIDDEN = ("httpx", "httpcore")
"""Libraries whose log lines have whole URLs, secrets in them included."""


def build(settings: Settings) -> ServiceApp:
    """Return the app that polls with its own life."""
    spec, topology = SOURCES[STAGE], settings.topology()
    sources = settings.api_monitor.sources
    metrics = MonitorMetrics(sources)
    broker = RedisBroker(settings.redis_url, logger=logger)
    is_ready = threading.Event()

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with httpx.AsyncClient(follow_redirects=False) as http, Redis.from_url(settings.redis_url) as redis:
            await broker.connect()
            pollers = []
            for name, source in sources.items():
                memory = Memory(redis, topology.consumer(f"{STAGE}.{name}"), source.unique_ms)
                pollers.append(Poller(name, source, http, broker, topology.signals, memory, metrics))
            tasks = [asyncio.create_task(each.run(), name=each.name) for each in pollers]
            for task in tasks:
                task.add_done_callback(_end)
            is_ready.set()
            metrics.live.set(1)
            logger.info("api-monitor live: polls %s", ", ".join(sources))
            yield
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    names = [name for kind in spec.writes for name in topology.names(kind)]
    about = Description(f"Fillstream {spec.name}", spec.text, [], channels(names, topology))
    return ServiceApp(
        broker,
        about=describe(about, settings.redis_url),
        routes=probes(broker, is_ready, metrics.registry, lambda: "starting"),
        logger=logger,
        lifespan=lifespan,
    )


def _end(task: asyncio.Task[None]) -> None:
    """End the process where a poller has met an error that it does not know: a supervisor starts it again."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("api-monitor ends: polling %s: %s", task.get_name(), error, exc_info=error)
        os._exit(EXIT_CRASHED)


def serve() -> None:
    """Load the settings, poll and publish until SIGTERM.

    Exit codes: 0 asked to stop; 70 crashed (start again); 78 settings refused, or no API to poll in them.
    """
    settings = settings_or_exit(STAGE)
    for name in HIDDEN:
        logging.getLogger(name).setLevel(logging.WARNING)
    if not settings.api_monitor.sources:
        logger.critical("api_monitor.sources: there is none to poll; docs/api-monitor.md says what one is")
        sys.exit(EXIT_SETTINGS)
    serve_app(build(settings), settings)
