"""What a command needs of the desk it talks to: its settings, a client, an operator's, its analytics.

Flows in: options, the environment, the configuration, and what a running local stack told about itself. Flows out: a
`Desk`: a `Target` where its Redis is in reach, else a `Gated` one. Never starts anything, and no command asks which.

A gateway is `--url`, or FILLSTREAM_GATEWAY_URL unless --redis-url names a Redis. Its key is FILLSTREAM_KEY, or in the
file that --key-file names.

Redis is looked for in this order: `--redis-url`, REDIS_URL or `messaging.url`, the local stack that runs on the data
directory, `messaging.host` and `messaging.port`. Analytics: `--analytics-url` or FILLSTREAM_ANALYTICS_URL, the local
stack if it is the desk on that Redis, then what analytics itself told that Redis. Only where nobody named a Redis,
127.0.0.1:8008 is tried at last: an answer never comes from another desk than the one that was asked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import urlsplit

import redis

from fillstream.cli.analytics_client import AnalyticsClient
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import KEY_VARIABLE, OPERATOR_VARIABLE, Where, login, redis_url_of
from fillstream.client import Client
from fillstream.client.analytics import address_of
from fillstream.client.gateway import GatewayClient, GatewayError
from fillstream.client.gateway.client import ANALYTICS_PATH
from fillstream.client.gateway.wire import Wire
from fillstream.client.sync import DeskClient
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.settings import Settings, load_settings
from fillstream.libs.common.runtime.exit_codes import CONFIG_VARIABLE
from fillstream.stack.extras import how_to_get
from fillstream.stack.running import ANALYTICS, ANALYTICS_PORT, REDIS_PORT, running_stack, safe_url
from fillstream.tools.dead_letters import CannotRedrive, Letter, redrive
from fillstream.tools.holds import Hold
from fillstream.tools.status import StageState, states

Made = TypeVar("Made")

_AWAY = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)


class Desk(Protocol):
    """All that a command asks which does not need Redis itself."""

    @property
    def settings(self) -> Settings:
        """Of the configuration that this command reads."""
        ...

    def client(self) -> DeskClient:
        """Return a client of its streams."""
        ...

    def operator(self, operator_url: str | None) -> DeskClient:
        """Return a client that may send controls."""
        ...

    def who(self, said: str | None) -> str | None:
        """Return in whose name a control goes; None where the desk's gateway knows."""
        ...

    def analytics(self, given: str | None) -> AnalyticsClient:
        """Return what asks its analytics."""
        ...

    def stages(self, client: DeskClient) -> list[StageState]:
        """Return the state of every stage."""
        ...

    def redrive(self, client: DeskClient, it: Letter, changes: Mapping[str, str], again: bool) -> str:
        """Append a dead letter's entry again; return the new entry's id."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """A desk whose Redis is in reach."""

    settings: Settings
    redis_url: str
    told: dict[str, Any] | None
    """What the local stack told, None when this desk is another, or none runs on the data directory."""
    was_named: bool = False
    """Whether a person named the Redis, by option or environment."""
    by_option: bool = False
    """Whether it was by option."""

    @property
    def topology(self) -> Topology:
        """Names of the streams."""
        return self.settings.topology()

    def client(self) -> Client:
        """Return a client of its streams."""
        return Client(self.redis_url, self.topology)

    def operator(self, operator_url: str | None) -> Client:
        """Return a client that may send controls.

        Whoever names a Redis on the command line means that desk, and not the one that the environment has an operator
        of.
        """
        named = operator_url or (None if self.by_option else redis_url_of(os.environ.get(OPERATOR_VARIABLE) or None))
        return Client(named or self.redis_url, self.topology)

    def who(self, said: str | None) -> str:
        """Return in whose name a control goes."""
        return said or login()

    def analytics(self, given: str | None) -> AnalyticsClient:
        """Return what asks its analytics. Raises as `analytics_url`."""
        return AnalyticsClient(self.analytics_url(given))

    def stages(self, client: DeskClient) -> list[StageState]:
        """Return the state of every stage."""
        return states(client.redis, self.topology, self.settings.archivists)

    def redrive(self, client: DeskClient, it: Letter, changes: Mapping[str, str], again: bool) -> str:
        """Append a dead letter's entry again; return the new entry's id.

        Raises:
            CannotRedrive: it cannot be; says why.
        """
        return redrive(client.redis, self.topology, it, changes, again)

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


@dataclass(frozen=True, slots=True)
class Gated:
    """A desk that is asked through its gateway."""

    settings: Settings
    url: str
    key: str | None
    ca_file: Path | None
    insecure: bool

    def client(self) -> GatewayClient:
        """Return a client of its streams.

        Raises:
            Stop: no gateway can be asked so: its address, the key, or that the key would go in clear.
            GatewayError: it does not answer, or does not let this key in.
        """
        try:
            return GatewayClient(self.url, self.key, ca_file=self.ca_file, insecure=self.insecure)
        except ValueError as error:
            raise Stop(Exit.USAGE, str(error)) from None

    def operator(self, operator_url: str | None) -> GatewayClient:
        """Return a client: the key says whether it may send controls. Raises as `client`."""
        return self.client()

    def who(self, said: str | None) -> None:
        """Return that the gateway knows in whose name a control goes.

        Raises:
            Stop: another name was said.
        """
        if said is not None:
            raise Stop(Exit.USAGE, "--who: over a gateway it is the key's name; leave it out")

    def analytics(self, given: str | None) -> AnalyticsClient:
        """Return what asks its analytics, through the gateway. Raises as `client`."""
        try:
            wire = Wire(self.url, self.key, ca_file=self.ca_file, insecure=self.insecure)
        except ValueError as error:
            raise Stop(Exit.USAGE, str(error)) from None
        return AnalyticsClient(f"{wire.url}{ANALYTICS_PATH}", wire)

    def stages(self, client: DeskClient) -> list[StageState]:
        """Return the state of every stage."""
        assert isinstance(client, GatewayClient), "it is this desk's"
        rows = client.stages()
        return [
            _known(StageState, {**row, "holds": tuple(_known(Hold, each) for each in row["holds"])}) for row in rows
        ]

    def redrive(self, client: DeskClient, it: Letter, changes: Mapping[str, str], again: bool) -> str:
        """Append a dead letter's entry again; return the new entry's id.

        Raises:
            CannotRedrive: it cannot be; says why.
        """
        assert isinstance(client, GatewayClient), "it is this desk's"
        try:
            return client.redrive(it.id, changes, again=again)
        except GatewayError as error:
            if error.reason != "cannot_redrive":
                raise
            raise CannotRedrive(error.text.removeprefix("letter_id: ")) from None


def find_desk(config: Path | None, where: Where | None) -> Desk:
    """Return the desk that options, environment and configuration point to, however it is reached.

    Raises:
        SettingsError: the configuration is refused.
        Stop: the file of the gateway's key cannot be read.
    """
    where = where or Where()
    if where.gateway_url is None:
        return find_target(config, where.redis_url)
    return Gated(load_settings(config), where.gateway_url, _key(where.key_file), where.ca_file, where.insecure)


def _key(file: Path | None) -> str | None:
    """Return the gateway's key, None where nobody tells one: then its own answer says what it needs."""
    if file is None:
        return os.environ.get(KEY_VARIABLE) or None
    try:
        said = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Stop(Exit.USAGE, f"--key-file: {file} cannot be read: {error}") from None
    if not said:
        raise Stop(Exit.USAGE, f"--key-file: {file} is empty, and ID.SECRET is to be in it")
    return said


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
        return Target(settings, named, told if is_this else None, was_named=True, by_option=redis_url is not None)
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


def _known(kind: type[Made], told: Mapping[str, Any]) -> Made:
    """Make one of what is told; a newer gateway may tell more."""
    return kind(**{each.name: told[each.name] for each in fields(cast(Any, kind)) if each.name in told})
