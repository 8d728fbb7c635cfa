"""What a command needs to know of the desk it talks to: its settings, its Redis, its analytics.

Flows in: options, the environment, the configuration, and what a running local stack told about itself. Flows out: a
`Desk`. Never starts anything.

Redis is looked for in this order: `--redis-url`, REDIS_URL or `messaging.url`, the local stack that runs on the data
directory, `messaging.host` and `messaging.port`. Analytics: `--analytics-url` or FILLSTREAM_ANALYTICS_URL, the local
stack, then what analytics itself told Redis, then 127.0.0.1:8008.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import redis

from fillstream.client import Client
from fillstream.exits import Exit, Stop
from fillstream.extras import how_to_get
from fillstream.libs.common.settings import CONFIG_VARIABLE, Settings, load_settings
from fillstream.libs.common.streams import Topology
from fillstream.stack import ANALYTICS, BASE_PORT, running_stack

ANALYTICS_PORT = BASE_PORT + 4


@dataclass(frozen=True, slots=True)
class Desk:
    """A desk as a command sees it."""

    settings: Settings
    redis_url: str
    told: dict[str, Any] | None
    """What the local stack told, None when none runs on the data directory."""

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
            Stop: the local stack runs none.
        """
        if given:
            return given.rstrip("/")
        if self.told and ANALYTICS in self.told["services"]:
            return str(self.told["services"][ANALYTICS])
        if self.told:
            raise Stop(Exit.UNREACHABLE, f"the local desk runs no analytics to ask: {how_to_get('analytics')}")
        return self._analytics_url_in_redis() or f"http://127.0.0.1:{ANALYTICS_PORT}"

    def _analytics_url_in_redis(self) -> str | None:
        with self.client() as client:
            try:
                url = cast(Any, client.redis.hget(self.topology.status(ANALYTICS, 0), "url"))
            except redis.exceptions.RedisError:
                return None  # analytics may answer all the same: it is behind the streams
        return url.decode() if url else None


def find_desk(config: Path | None, redis_url: str | None) -> Desk:
    """Return the desk that the options, the environment and the configuration point to.

    Raises:
        SettingsError: the configuration is refused.
    """
    settings = load_settings(config)
    told = running_stack(settings.database.data_dir)
    if told and config is None and not os.environ.get(CONFIG_VARIABLE):
        settings = load_settings(Path(told["config"]))
    if redis_url:
        return Desk(settings, redis_url, told)
    if settings.messaging.url is not None or not told:
        return Desk(settings, settings.redis_url, None)
    return Desk(settings, str(told["redis_url"]), told)
