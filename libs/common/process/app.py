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
from typing import Any, NoReturn
from urllib.parse import urlsplit

import uvicorn
from faststream.asgi import AsgiFastStream, AsgiResponse, get
from faststream.redis import RedisBroker, StreamSub
from faststream.specification import AsyncAPI
from prometheus_client import CollectorRegistry, make_asgi_app

from fillstream.libs.common.messages.contracts import CONTRACTS
from fillstream.libs.common.messages.stages import STAGES, ReaderSpec, StageSpec, label_of, outputs, places
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.http import ServiceApp
from fillstream.libs.common.process.process_log import set_up_log
from fillstream.libs.common.process.settings import Settings, SettingsError, load_settings
from fillstream.libs.common.runtime.exit_codes import EXIT_SETTINGS, PARTITION_VARIABLE, VENUE_VARIABLE
from fillstream.libs.common.runtime.metrics import StageMetrics
from fillstream.libs.common.runtime.options import Address, Retention, StageOptions
from fillstream.libs.common.runtime.release import running
from fillstream.libs.common.runtime.role import Role, role_of
from fillstream.libs.common.runtime.stage import Stage, calendar_of
from fillstream.libs.common.runtime.worker import Worker

logger = logging.getLogger(__name__)

SWITCH_S = 0.0005
"""How long a thread keeps the interpreter once another wants it. The fold wants it after every reply of the server, and
would wait for up to Python's 5 ms while a page of metrics is written."""


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


def describe_stage(spec: StageSpec, partition: int, topology: Topology, venue: str | None = None) -> Description:
    """Return what the map and the contracts say of a stage's partition, at a venue where there is one for each."""
    inbox = next(
        place.inbox
        for place in places(topology)
        if place.program is spec and place.partition == partition and venue in (None, place.venue) and place.inbox
    )
    return Description(
        f"Fillstream {label_of(spec.name, inbox)}",
        spec.text,
        channels([inbox], topology),
        channels(outputs(spec, partition, topology), topology),
    )


def describe_reader(spec: ReaderSpec, topology: Topology) -> Description:
    """Return what the map and the contracts say of a reader of public streams."""
    names = [name for kind in spec.reads for name in topology.names(kind)]
    return Description(f"Fillstream {spec.name}", spec.text, channels(names, topology), [])


def channels(names: Sequence[str], topology: Topology) -> list[Channel]:
    """Return how the AsyncAPI page shows the streams of these names."""
    contracts = [(name, CONTRACTS[name.split(".")[0]]) for name in names]
    return [Channel(topology.key(name), contract.model, contract.text) for name, contract in contracts]


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


def probes(
    broker: RedisBroker,
    is_ready: threading.Event,
    registry: CollectorRegistry,
    progress: Callable[[], str] = lambda: "recovering",
) -> list[tuple[str, Any]]:
    """Return what every service answers: /health (the process is up), /ready (recovered and consuming), /metrics.

    Args:
        broker: whose connection says whether Redis answers.
        is_ready: whether the service has recovered.
        registry: of its metrics.
        progress: says how far it is, which is the text of /ready until then.
    """

    @get
    async def health(scope: Any) -> AsgiResponse:
        """Answer that the process is up."""
        return AsgiResponse(b"up\n", status_code=200)

    @get
    async def ready(scope: Any) -> AsgiResponse:
        """Answer whether the service has recovered and is consuming."""
        if is_ready.is_set() and await broker.ping(timeout=1.0):
            return AsgiResponse(b"ready\n", status_code=200)
        text = "Redis does not answer" if is_ready.is_set() else progress()
        return AsgiResponse(f"{text}\n".encode(), status_code=503)

    return [("/health", health), ("/ready", ready), ("/metrics", make_asgi_app(registry))]


def build_app(about: Description, worker: Worker, metrics: StageMetrics, settings: Settings) -> ServiceApp:
    """Return the app that starts and stops `worker` with its own life."""

    # FastStream's own connection: it says whether Redis answers, while the worker's is busy reading.
    broker = RedisBroker(settings.redis_url, logger=logger)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        worker.start()
        yield
        worker.stop()
        worker.join()

    return ServiceApp(
        broker,
        about=describe(about, settings.redis_url),
        routes=probes(broker, worker.ready, metrics.registry, lambda: worker.progress),
        logger=logger,
        lifespan=lifespan,
    )


def main(name: str, make: Callable[..., Stage]) -> None:
    """Run one partition of a stage of the map until SIGTERM, with the settings that the environment names.

    Args:
        name: the stage's.
        make: makes the fold from the settings and the partition, and the venue where there is a stage for each.

    Exit codes: see `run`.
    """
    spec = STAGES[name]

    def role(settings: Settings, partition: int, venue: str = "") -> tuple[Role, Description]:
        topology = settings.topology()
        count = topology.partitions(spec.partitioned_by)
        if partition >= count:
            raise SettingsError([f"--partition: {partition} is none of the {name} stage's, 0 to {count - 1}"])
        if not spec.inbox.per_venue:
            about = describe_stage(spec, partition, topology)
            return role_of(make(settings, partition), topology, settings.archivists), about
        venue = venue or topology.venues[0]
        if venue not in topology.venues:
            known = f"those of execution.venues are {', '.join(topology.venues)}"
            raise SettingsError([f"--venue: {venue} must be a simulated venue of this desk, {known}"])
        about = describe_stage(spec, partition, topology, venue)
        return role_of(make(settings, partition, venue), topology, settings.archivists), about

    run(name, " ".join(spec.command), role, per_venue=spec.inbox.per_venue)


def run(name: str, command: str, make: Callable[..., tuple[Role, Description]], *, per_venue: bool = False) -> None:
    """Run one partition of any stage until SIGTERM, with the settings that the environment names.

    Args:
        name: the stage's, which the lines of its log carry.
        command: what stands behind `python -m`, shown by `--help`.
        make: makes the stage with its place from the settings and the partition.
        per_venue: whether there is one for each simulated venue; `make` is told which, and "" is the desk's first.

    Exit codes: 0 asked to stop; 70 crashed (start again); 71 cannot recover (needs a person); 72 fenced by a newer
    process; 78 settings refused.
    """
    parser = ArgumentParser(prog=f"python -m {command}")
    parser.add_argument(
        "--partition",
        type=int,
        default=int(os.environ.get(PARTITION_VARIABLE, "0")),
        help=f"the partition this process owns (default: ${PARTITION_VARIABLE}, else 0)",
    )
    if per_venue:
        parser.add_argument(
            "--venue",
            default=os.environ.get(VENUE_VARIABLE, ""),
            help=f"the simulated venue this process is (default: ${VENUE_VARIABLE}, else the desk's first)",
        )
    asked = parser.parse_args(sys.argv[1:])
    settings = settings_or_exit(name)
    try:
        role, about = make(settings, asked.partition, *([asked.venue] if per_venue else []))
        calendar_of(role.stage)  # compiled now, so that what is wrong with calendars is said before anything is done
    except SettingsError as error:
        refuse(error)
    metrics = StageMetrics(
        role.stage, feeds=bool(role.downstream), times_orders=settings.order_params.track_execution_metrics
    )
    worker = Worker(role, options_of(settings), metrics, when_live=tune_collector)
    gc.collect()  # what the imports left; once there is a state it would take long
    serve_app(build_app(about, worker, metrics, settings), settings)


def options_of(settings: Settings) -> StageOptions:
    """Return what a stage's process is told of the settings."""
    messaging, database = settings.messaging, settings.database
    return StageOptions(
        redis_url=settings.redis_url,
        topology=settings.topology(),
        data_dir=database.data_dir,
        address=address_of(settings),
        max_batch=messaging.max_batch,
        max_downstream_lag=messaging.max_downstream_lag,
        snapshot_every_entries=database.snapshot_every_entries,
        snapshot_every_s=database.snapshot_every_s,
        copy_every_s=database.copy_every_s,
        retention=Retention(
            messaging.retention_s,
            messaging.retention_memory_share,
            messaging.max_memory_bytes,
            messaging.max_reader_lag_s,
            messaging.max_reader_memory_share,
        ),
    )


def address_of(settings: Settings) -> Address:
    """Return where this process serves HTTP."""
    return Address(settings.service.host, settings.service.port, settings.service.url)


def tune_collector() -> None:
    """Keep the garbage collector off the state, which was rebuilt without it.

    Folds make no reference cycles; walking a state of a million orders to look for some would cost more than the folds.
    What start-up made is set aside, and only young objects are looked at: the libraries' cycles die young.
    """
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000_000)


def settings_or_exit(service: str) -> Settings:
    """Return the settings, with the log set up as they say; end the process with a sentence when they are refused.

    What is set without an effect is named in one line: who limits a rate would believe it to be limited.

    Args:
        service: the name that this process's log lines carry.
    """
    try:
        set_up_log(service)
        settings = load_settings()
        settings.require_supported()
    except SettingsError as error:
        refuse(error)
    set_up_log(service, settings.order_params.log_level)
    if settings.without_effect:
        logger.warning("settings that are set, and have no effect yet: %s", ", ".join(settings.without_effect))
    return settings


def refuse(error: SettingsError) -> NoReturn:
    """End the process with a sentence for each problem of its settings."""
    for problem in error.problems:
        logger.critical("%s", problem)
    sys.exit(EXIT_SETTINGS)


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
