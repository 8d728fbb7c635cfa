"""A feed as a service: it outlasts its Redis, and ends when it is asked to.

Flows in: a market, a desk's Redis. Flows out: frames in the engine's inboxes, at the market's pace. Never sends twice
what may have arrived, and never catches up in a burst on what was missed meanwhile.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import redis
import typer

from fillstream.cli.exit_codes import Exit, Stop
from fillstream.demo.feeds import last_mids, publish, synthetic
from fillstream.demo.market_files import FeedError
from fillstream.demo.market_numbers import Listed, Moment
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.process_log import log_format, set_up_log
from fillstream.libs.common.process.settings import SettingsError
from fillstream.libs.common.runtime.look import read_marker
from fillstream.libs.common.runtime.waiting import UNREACHABLE, wait_for_redis

logger = logging.getLogger(__name__)

REFUSED_PAUSE_S = 5.0
"""Between two tries at a server that is full, or a replica."""


def run(
    client: redis.Redis,
    topology: Topology,
    moments: Iterator[Moment],
    speed: float | None,
    heartbeat: Path | None,
    venue: str,
) -> int:
    """Publish a market until it ends; return how many records went out.

    Args:
        client: a connection; the server need not be there yet.
        topology: names of the streams.
        moments: the market.
        speed: 1 for real time; None for as fast as possible.
        heartbeat: a file to touch after each append, for a health check.
        venue: which hears it.

    Raises:
        Stop: the market cannot be read.
        TopologyDiffers: the desk has other partition counts.
        typer.Exit: it was asked to stop, by Ctrl-C or SIGTERM.
    """
    tally = _Tally(heartbeat)
    with _sigterm_as_ctrl_c():
        try:
            wait_for_redis(client)
            read_marker(client, topology)
            publish(client, topology, moments, speed, tally.add, partial(_outlast, client), venue)
        except FeedError as error:
            told = f"{error}; {tally.records:,} quotes and trades before it are published"
            raise Stop(Exit.USAGE, told) from error
        except KeyboardInterrupt:
            logger.info("the feed was asked to stop, after %d quotes and trades", tally.records)
            raise typer.Exit(Exit.OK) from None
    return tally.records


def going_on(
    client: redis.Redis,
    topology: Topology,
    instruments: Mapping[str, Listed],
    starts_at: Mapping[str, str],
    seed: int,
    venue: str,
) -> Iterator[Moment]:
    """Yield a synthetic market without end that begins where the venue's last quotes stand."""
    while True:
        wait_for_redis(client)
        try:
            stands_at = last_mids(client, topology, instruments, venue)
            break
        except UNREACHABLE as error:
            logger.warning("Redis went away: %s", error)
    yield from synthetic(instruments, starts_at, seed, stands_at=stands_at)


@contextmanager
def as_a_service(name: str) -> Iterator[None]:
    """Log as the services do; what ends the command is a line of that log, too, where programs read it."""
    set_up_log(name)
    try:
        yield
    except (Stop, SettingsError, redis.exceptions.RedisError) as error:
        if log_format() == "plain":
            raise  # the command says it in its own words
        logger.critical("%s", error.text if isinstance(error, Stop) else error)
        raise typer.Exit(_code_of(error)) from error


class _Tally:
    """Counts what was published, and says after each append that the feed is alive."""

    def __init__(self, heartbeat: Path | None) -> None:
        self._heartbeat = heartbeat
        self.records = 0

    def add(self, records: int) -> None:
        self.records += records
        if self._heartbeat is not None:
            self._heartbeat.touch()


def _outlast(client: redis.Redis, error: redis.exceptions.RedisError) -> None:
    """Return when the server takes entries again, or might; raise what no waiting will mend."""
    if isinstance(error, UNREACHABLE):
        logger.warning("Redis went away: %s", error)
        wait_for_redis(client)
    elif isinstance(error, redis.exceptions.OutOfMemoryError | redis.exceptions.ReadOnlyError):
        logger.warning("Redis takes nothing, trying again in %.0f s: %s", REFUSED_PAUSE_S, error)
        time.sleep(REFUSED_PAUSE_S)
    else:
        raise error


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM end a wait, or the silence of a server, at once."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _code_of(error: Exception) -> Exit:
    match error:
        case Stop():
            return error.code
        case SettingsError():
            return Exit.SETTINGS
        case _:
            return Exit.UNREACHABLE
