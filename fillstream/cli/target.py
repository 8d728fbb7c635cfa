"""What a command needs to know of the desk it talks to: its settings, its Redis, its analytics.

Flows in: options, the environment, the configuration, and what a running local stack told about itself. Flows out: a
`Target`. Never starts anything.

Redis is looked for in this order: `--redis-url`, REDIS_URL or `messaging.url`, the local stack that runs on the data
directory, `messaging.host` and `messaging.port`. Analytics: `--analytics-url` or FILLSTREAM_ANALYTICS_URL, the local
stack if it is the desk on that Redis, then what analytics itself told that Redis. Only where nobody named a Redis,
127.0.0.1:8008 is tried at last: an answer never comes from another desk than the one that was asked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis

from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import OPERATOR_VARIABLE, redis_url_of
from fillstream.client import Client
from fillstream.client.analytics import address_of
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.settings import Settings, load_settings
from fillstream.libs.common.runtime.exit_codes import CONFIG_VARIABLE
from fillstream.stack.extras import how_to_get
from fillstream.stack.running import ANALYTICS, ANALYTICS_PORT, REDIS_PORT, running_stack, safe_url

_AWAY = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)


@dataclass(frozen=True, slots=True)
class Target:
    """The desk that a command talks to."""

    settings: Settings
    redis_url: str
    told: dict[str, Any] | None
    """What the local stack told, None when this desk is another, or none runs on the data directory."""
    was_named: bool = False
    """Whether a person named the Redis, by option or environment."""

    @property
    def topology(self) -> Topology:
        """Names of the streams."""
        return self.settings.topology()

    def client(self) -> Client:
        """Return a client of its streams."""
        return Client(self.redis_url, self.topology)

    def analytics_url(self, given: str | None) -> str:
        """Return where analytics answers.

        Raises:
            Stop: the local stack runs none, or the Redis that was named does not tell.
            redis.exceptions.ConnectionError, redis.exceptions.TimeoutError: the Redis that was named does not answer.
        """
        if given:
            return given.rstrip("/")
        if self.told and ANALYTICS in self.told["services"]:
            return str(self.told["services"][ANALYTICS])
        if self.told:
            raise Stop(Exit.UNREACHABLE, f"the local desk runs no analytics to ask: {how_to_get('analytics')}")
        url = self._analytics_in_redis()
        if url is None and self.was_named:
            raise Stop(
                Exit.UNREACHABLE,
                f"no analytics has told the desk at {safe_url(self.redis_url)} where it answers: is it up?"
                " --analytics-url names one",
            )
        return url or f"http://127.0.0.1:{ANALYTICS_PORT}"

    def _analytics_in_redis(self) -> str | None:
        with self.client() as client:
            try:
                raw: Any = client.redis
                told = {name.decode(): value.decode() for name, value in raw.hgetall(self._analytics_status()).items()}
            except redis.exceptions.RedisError as error:
                if self.was_named and isinstance(error, _AWAY):
                    raise  # nobody else can tell where, and this is why
                return None  # analytics may answer all the same: it is behind the streams
        return address_of(told)

    def _analytics_status(self) -> str:
        return self.topology.status(ANALYTICS)


def find_target(config: Path | None, redis_url: str | None) -> Target:
    """Return the desk that the options, the environment and the configuration point to.

    Raises:
        SettingsError: the configuration is refused.
    """
    settings = load_settings(config)
    told = running_stack(settings.database.data_dir)
    if told and config is None and not os.environ.get(CONFIG_VARIABLE):
        settings = load_settings(Path(told["config"]))
    named = redis_url or (settings.redis_url if settings.messaging.url is not None else None)
    if named:
        is_this = told is not None and _same_server(named, str(told["redis_url"]))
        return Target(settings, named, told if is_this else None, was_named=True)
    if not told:
        return Target(settings, settings.redis_url, None)
    return Target(settings, str(told["redis_url"]), told)


@dataclass(frozen=True, slots=True)
class Urls:
    """Where an operator tells the desk something.

    Attributes:
        url: of its Redis.
        topology: names of its streams.
    """

    url: str
    topology: Topology


def urls_of(operator_url: str | None, redis_url: str | None, config: Path | None) -> Urls:
    """Return the desk as options and environment name it to an operator.

    Whoever names a Redis on the command line means that desk, and not the one that the environment has an operator of.
    """
    target = find_target(config, redis_url)
    named = operator_url or (None if redis_url else redis_url_of(os.environ.get(OPERATOR_VARIABLE) or None))
    return Urls(named or target.redis_url, target.topology)


def _same_server(one: str, other: str) -> bool:
    """Whether two URLs name one database of one server of this machine, as far as their text tells."""

    def place(url: str) -> tuple[str, int, str]:
        parts = urlsplit(url)
        host = "127.0.0.1" if parts.hostname in ("localhost", "::1") else str(parts.hostname)
        return host, parts.port or REDIS_PORT, parts.path.strip("/") or "0"

    return urlsplit(other).scheme != "unix" and place(one) == place(other)
