"""What a process may be told: the sections of the file, each key with its bound and its default.

Flows in: plain values of a file and of variables. Flows out: frozen `Settings`. Never reads either; never shows a
secret's value; never lets a float near money.

The keys are those of the original documents; what was added to them has a default. Limits of accounts are defined by
`AccountTerms` alone: the sections that have their defaults are derived from it. A key that is understood, but read by
nobody yet, is marked `NO_EFFECT` where it stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    StringConstraints,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from fillstream.libs.common.messages.base import Name, PlainOrderType, PlainTimeInForce
from fillstream.libs.common.messages.codes import DEFAULT_ORDER_TYPE, DEFAULT_TIME_IN_FORCE
from fillstream.libs.common.messages.reference import (
    MAX_MS,
    AccountTerms,
    InstrumentTerms,
    Milliseconds,
    Money,
    VenueName,
    VenueTerms,
    Whole,
)
from fillstream.libs.common.messages.routing import NOT_ROUTED, RoutingTerms
from fillstream.libs.common.messages.rule_terms import RuleTerms, check_unique
from fillstream.libs.common.messages.simulation import IDEAL, AccountSimulation, SimulationConfig, VenueSimulation
from fillstream.libs.common.messages.terms import FIXED, SECTION, own_type, said_of
from fillstream.libs.common.messages.topology import SIM, Topology
from fillstream.libs.common.process.settings.api_monitor import ApiMonitor
from fillstream.libs.common.process.settings.gateway import Gateway
from fillstream.libs.common.process.settings.weekly import WeeklyCalendar

ENV_PREFIX = "FILLSTREAM_"
ENV_NESTING = "__"
ENV_NONE = "null"
"""What a variable says that takes a value of the file away: FILLSTREAM_ORDER_PARAMS__RATE_LIMIT_ORDERS=null."""
URL_SCHEMES = ("redis", "rediss", "unix")
A_REDIS_URL = "redis://host:port/db, rediss://… or unix:///path/to/socket"
MAX_PARTITIONS = 1024
MAX_MEMORY_BYTES = 1 << 50


class SettingsError(Exception):
    """The settings cannot be used.

    Attributes:
        problems: one sentence each, most of them `file:line: key: what is wrong`.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class NoEffect:
    """Marks a key that is understood and checked, but that nothing reads yet."""


NO_EFFECT = NoEffect()


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _empty_is_default(value: Any) -> Any:
    """`SIM2:` with nothing behind it is a venue of which nothing is said."""
    return {} if value is None else value


def _empty_is_none_of_them(value: Any) -> Any:
    """`rules:` with nothing behind it is no rule."""
    return () if value is None else value


def _named_once(rules: tuple[RuleTerms, ...]) -> tuple[RuleTerms, ...]:
    check_unique(rules)
    return rules


def _blank_is_none(value: Any) -> Any:
    """Compose hands a variable on that nobody has set as an empty one."""
    return None if value == "" else value


Port = Annotated[Whole, Field(ge=1, le=65535)]
Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,253}$")]


WILDCARDS = {"0.0.0.0", "::"}  # noqa: S104 - recognised here, not bound
"""Hosts to listen on that are no address to open."""


class Section(BaseModel):
    """One mapping of the file: frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)


class Service(Section):
    """Where this process serves health, readiness, metrics and its pages.

    Attributes:
        host, port: what it listens on.
        public_url: where people open that, when it is elsewhere: a container's port on the host, a Service's name.
    """

    host: Host
    port: Port
    public_url: Annotated[str | None, BeforeValidator(_blank_is_none)] = None

    @field_validator("public_url")
    @classmethod
    def _is_an_http_url(cls, url: str | None) -> str | None:
        if url is not None and not is_http_url(url):
            raise ValueError("is not http://host:port or https://host:port")
        return url

    @property
    def url(self) -> str:
        """Where people open what is served here."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        host = "127.0.0.1" if self.host in WILDCARDS else self.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


class Database(Section):
    """Where this process keeps what it rebuilds from, and how often it does."""

    type: Literal["duckdb", "bigquery", "none"]
    path: Path = Path("data/order_management.duckdb")
    project: Annotated[str | None, NO_EFFECT] = None
    dataset: Annotated[str | None, NO_EFFECT] = None
    data_dir: Path = Path("data")
    snapshot_every_entries: Annotated[Whole, Field(ge=1, le=1_000_000_000)] = 50_000
    snapshot_every_s: Annotated[Whole, Field(ge=1, le=86_400)] = 60
    copy_every_s: Annotated[Whole, Field(ge=1, le=86_400)] = 300


def is_http_url(text: str) -> bool:
    """Whether a browser could open what the text names."""
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usable and parts.scheme in {"http", "https"}


def is_redis_url(text: str) -> bool:
    """Whether a client could connect to what the text names."""
    try:
        parts = urlsplit(text)
        usable = bool(parts.path) if parts.scheme == "unix" else bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usable and parts.scheme in URL_SCHEMES


class Messaging(Section):
    """The server that the streams live on, and how they are divided.

    Attributes:
        host, port, password: where it is. With `tls_ca_file` it is spoken to by TLS.
        username, user_password: who this process is there, when the user has a password; the default user otherwise.
        url: all of that in one, instead: overrides them.
        tls_ca_file: who vouches for the server's certificate; without, a rediss:// URL trusts whom the system trusts.
    """

    type: Literal["redis", "pubsub"]
    host: Host = "localhost"
    port: Port = 6379
    project: Annotated[str | None, NO_EFFECT] = None
    topic_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:/-]{0,64}$")] = ""
    url: Annotated[SecretStr | None, BeforeValidator(_blank_is_none)] = None
    password: Annotated[SecretStr | None, BeforeValidator(_blank_is_none)] = None
    username: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = ""
    user_password: Annotated[SecretStr | None, BeforeValidator(_blank_is_none)] = None
    tls_ca_file: Annotated[Path | None, BeforeValidator(_blank_is_none)] = None
    account_partitions: Annotated[Whole, Field(ge=1, le=MAX_PARTITIONS)] = 1
    symbol_partitions: Annotated[Whole, Field(ge=1, le=MAX_PARTITIONS)] = 1
    retention_s: Annotated[Whole, Field(ge=0, le=MAX_MS // 1000)] = 86_400
    retention_memory_share: Annotated[Money, Field(gt=0, lt=1)] = Decimal("0.6")
    max_memory_bytes: Annotated[Whole, Field(ge=0, le=MAX_MEMORY_BYTES)] = 0
    max_reader_lag_s: Annotated[Whole, Field(ge=0, le=MAX_MS // 1000)] = 604_800
    max_reader_memory_share: Annotated[Money, Field(gt=0, le=1)] = Decimal("0.8")
    max_batch: Annotated[Whole, Field(ge=1, le=5000)] = 500
    max_downstream_lag: Annotated[Whole, Field(ge=1, le=1_000_000_000)] = 100_000

    @field_validator("url")
    @classmethod
    def _is_a_redis_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not is_redis_url(url.get_secret_value()):
            raise ValueError(f"is not {A_REDIS_URL}")
        return url

    @field_validator("tls_ca_file")
    @classmethod
    def _is_there(cls, file: Path | None) -> Path | None:
        if file is not None and not file.is_file():
            raise ValueError("is not a file")
        return file

    @model_validator(mode="after")
    def _has_a_name_for_its_password(self) -> Self:
        if self.user_password is not None and not self.username:
            raise ValueError("has a user_password, but no username, whose it would be")
        return self

    @property
    def credentials(self) -> str:
        """What a URL has before the host; empty without a password."""
        name, password = self.username, self.user_password
        if password is None:
            name, password = "", self.password
        secret = password.get_secret_value() if password is not None else ""
        return f"{quote(name, safe='')}:{quote(secret, safe='')}@" if secret else ""

    @model_validator(mode="after")
    def _does_not_trust_in_vain(self) -> Self:
        url = self.url.get_secret_value() if self.url is not None else "rediss:"
        if self.tls_ca_file is not None and urlsplit(url).scheme != "rediss":
            raise ValueError("has a tls_ca_file, but a url that is not rediss://…, so nothing would be encrypted")
        return self


def _overrides(name: str, terms: type[BaseModel], text: str) -> type[Section]:
    """Return a section with the fields of `terms`, of which any may be absent: what else counts, counts then."""
    fields: dict[str, Any] = {
        key: (Annotated[field.annotation, *field.metadata] | None, None) for key, field in terms.model_fields.items()
    }
    return create_model(name, __base__=Section, __doc__=text, **fields)


class _SimulationTerms(Section):
    enabled: bool = True


_OF_VENUE = "How one venue falls short, where it is not as all do."
_OF_ACCOUNT = "What happens to one account's commands at every simulated venue, where it is not what happens to all."

if TYPE_CHECKING:  # made from the terms in libs/common/messages/simulation.py, and read by the names of their fields

    class Simulation(_SimulationTerms):
        """How simulated venues fall short of the ideal."""

        slippage: Decimal = Decimal(0)
        delay_ms: int = 0
        venues: dict[VenueName, Section] = {}
        accounts: dict[Name, Section] = {}
else:
    Simulation = create_model(
        "Simulation",
        __base__=_SimulationTerms,
        __doc__="How simulated venues fall short of the ideal: not at all, while nothing is said or it is not enabled.",
        **{name: (field.annotation, copy(field)) for name, field in VenueSimulation.model_fields.items()},
        venues=(dict[VenueName, _overrides("OfVenue", VenueSimulation, _OF_VENUE)], Field(default_factory=dict)),
        accounts=(dict[Name, _overrides("OfAccount", AccountSimulation, _OF_ACCOUNT)], Field(default_factory=dict)),
    )


class QuantConnect(Section):
    """Credentials of the QuantConnect integration."""

    api_key: Annotated[SecretStr, NO_EFFECT]
    project_id: Annotated[str, NO_EFFECT]


class Direct(Section):
    """Exchanges that are connected directly."""

    exchanges: Annotated[tuple[Name, ...], NO_EFFECT] = ()


ModuleName = Annotated[str, Field(max_length=256, pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]
"""A module as Python imports it: `package.module`."""


class Execution(Section):
    """Which venues there are, which one orders go to, how old the quote may be that an order reaches (0: no limit).

    What accounts hold is stated in the journal every `state_holdings_every_ms`, where it changed (0: never).

    Attributes:
        venue: of orders whose account and instrument name none.
        venues: by name; every simulated one has engines and books of its own.
        simulation: how those fall short of the ideal.
        algorithms: modules with execution algorithms of one's own, as Python imports them.
    """

    mode: Literal["simulation", "quantconnect", "direct"]
    venue: VenueName = SIM
    venues: dict[VenueName, Annotated[VenueTerms, BeforeValidator(_empty_is_default)]] = Field(
        default_factory=lambda: {SIM: VenueTerms()}
    )
    max_quote_age_ms: Milliseconds = 30_000
    state_holdings_every_ms: Milliseconds = 0
    algorithms: tuple[ModuleName, ...] = ()
    simulation: Simulation = Simulation()
    quantconnect: QuantConnect | None = None
    direct: Direct = Direct()

    @model_validator(mode="after")
    def _venue_is_there(self) -> Self:
        if self.venue not in self.venues:
            raise ValueError(f"venue: {self.venue} must be one of execution.venues, {self.venue_names}")
        simulated = [name for name, venue in self.venues.items() if venue.simulated]
        for name in self.simulation.venues:
            if name not in simulated:
                known = ", ".join(simulated) or "and there is none"
                raise ValueError(f"simulation.venues: {name} must be a simulated one of execution.venues, {known}")
        return self

    @property
    def venue_names(self) -> str:
        """The venues, for sentences."""
        return ", ".join(self.venues) or "and there is none"


def _has_its_default_in(section: str) -> dict[str, Any]:
    """Return the fields of an account whose defaults stand in a section, as that section's own."""
    return {
        name: (field.annotation, copy(field))
        for name, field in AccountTerms.model_fields.items()
        if not said_of(AccountTerms, name, FIXED)
        and (said_of(AccountTerms, name, SECTION) or ACCOUNT_LIMITS) == section
    }


ACCOUNT_LIMITS, ORDER_PARAMS = "account_limits", "order_params"
ACCOUNT_SECTIONS = (ACCOUNT_LIMITS, ORDER_PARAMS)
UNLIMITED = frozenset(
    name
    for name, field in AccountTerms.model_fields.items()
    if field.default is None and not said_of(AccountTerms, name, FIXED)
)
"""Terms of an account that are no limit where they are null."""

if TYPE_CHECKING:  # made from AccountTerms, and read by the names of its fields only

    class _AccountParams(Section):
        pass

    class AccountLimits(Section):
        """Limits of every account that sets none of its own."""

    class AccountEntry(Section):
        """One account as accounts.yaml has it: what is absent comes from the sections with the defaults."""

        id: int
        venue: VenueName | None
else:
    _AccountParams = create_model("_AccountParams", __base__=Section, **_has_its_default_in(ORDER_PARAMS))
    AccountLimits = create_model(
        "AccountLimits",
        __base__=Section,
        __doc__="Limits of every account that sets none of its own.",
        **_has_its_default_in(ACCOUNT_LIMITS),
    )
    AccountEntry = create_model(
        "AccountEntry",
        __base__=Section,
        __doc__="One account as accounts.yaml has it: what is absent comes from the sections with the defaults.",
        **{
            name: (field.annotation, copy(field))
            if said_of(AccountTerms, name, FIXED)
            else (own_type(field) | None, None)
            for name, field in AccountTerms.model_fields.items()
        },
    )


class OrderCache(Section):
    """How long a finished order stays in memory (seconds)."""

    enabled: bool = True
    ttl: Annotated[Whole, Field(ge=0, le=MAX_MS // 1000)] = 3600


class OrderParams(_AccountParams):
    """What an order gets that does not say otherwise, and what is told of orders.

    Attributes:
        retry_attempts, retry_delay_ms: of sessions with venues outside, of which there are none yet.
        track_execution_metrics: whether the orders stage tells Prometheus how long orders take.
        log_level: of every process.
    """

    default_order_type: PlainOrderType = DEFAULT_ORDER_TYPE
    time_in_force: PlainTimeInForce = DEFAULT_TIME_IN_FORCE
    retry_attempts: Annotated[Whole, Field(ge=0, le=1000), NO_EFFECT] = 3
    retry_delay_ms: Annotated[Milliseconds, NO_EFFECT] = 100
    execution_timeout_ms: Milliseconds = 5000
    track_execution_metrics: bool = True
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)] = "INFO"


class Settings(BaseSettings):
    """Everything a process is told. Made by `load_settings`.

    Attributes:
        environment: a name for people: `local`, `development`.
        service, database, messaging, execution, account_limits, order_cache, order_params: sections of the file.
        calendars: by hand, by the name that instruments call them.
        routing: which orders are routed over several venues, and how.
        rules: what is done by itself when something happens.
        api_monitor: outside prediction APIs that are polled.
        gateway: how the front door is kept.
        aliases: to which account each points, until an operator switches it.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_NESTING,
        env_parse_none_str=ENV_NONE,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    environment: Name
    service: Service
    database: Database
    messaging: Messaging
    execution: Execution
    account_limits: AccountLimits
    aliases: dict[Name, Name] = Field(default_factory=dict)
    order_cache: OrderCache = OrderCache()
    order_params: OrderParams = OrderParams()
    calendars: dict[Name, WeeklyCalendar] = Field(default_factory=dict)
    routing: Annotated[RoutingTerms, BeforeValidator(_empty_is_default)] = NOT_ROUTED
    rules: Annotated[tuple[RuleTerms, ...], BeforeValidator(_empty_is_none_of_them), AfterValidator(_named_once)] = ()
    api_monitor: Annotated[ApiMonitor, BeforeValidator(_empty_is_default)] = ApiMonitor()
    gateway: Annotated[Gateway, BeforeValidator(_empty_is_default)] = Gateway()
    _instruments: dict[str, InstrumentTerms] = PrivateAttr(default_factory=dict)
    _accounts: dict[str, AccountTerms] = PrivateAttr(default_factory=dict)

    @property
    def without_effect(self) -> tuple[str, ...]:
        """What was set, in the file or by a variable, and has no effect yet: keys, as the file nests them."""
        return tuple(_set_without_effect(self))

    @property
    def instruments(self) -> Mapping[str, InstrumentTerms]:
        """Terms by symbol."""
        return self._instruments

    @property
    def accounts(self) -> Mapping[str, AccountTerms]:
        """Limits by account name, `account_limits` filled in where an account sets none."""
        return self._accounts

    @property
    def redis_url(self) -> str:
        """Where the streams are. May carry a password: do not print it."""
        messaging, file = self.messaging, self.messaging.tls_ca_file
        if messaging.url is not None:
            url = messaging.url.get_secret_value()
        else:
            host = f"[{messaging.host}]" if ":" in messaging.host else quote(messaging.host)
            url = f"{'rediss' if file else 'redis'}://{messaging.credentials}{host}:{messaging.port}/0"
        if file is None:
            return url
        return f"{url}{'&' if '?' in url else '?'}ssl_ca_certs={quote(str(file.absolute()))}"

    @property
    def archivists(self) -> tuple[str, ...]:
        """Who must have stored an entry before a log loses it: analytics, unless this desk runs none."""
        return () if self.database.type == "none" else ("analytics",)

    def topology(self) -> Topology:
        """Return the names of the streams, their partition counts, and the simulated venues, SIM first."""
        messaging = self.messaging
        simulated = [name for name, venue in self.execution.venues.items() if venue.simulated]
        venues = tuple(sorted(simulated, key=lambda name: name != SIM))
        return Topology(messaging.account_partitions, messaging.symbol_partitions, messaging.topic_prefix, venues)

    def simulation_of(self, venue: str) -> SimulationConfig:
        """Return how a simulated venue falls short of the ideal: an account's own terms go before the venue's."""
        simulation = self.execution.simulation
        if not simulation.enabled:
            return IDEAL
        terms = {name: getattr(simulation, name) for name in VenueSimulation.model_fields}
        terms |= _said(simulation.venues.get(venue))
        common = {name: terms[name] for name in AccountSimulation.model_fields}
        own = {name: AccountSimulation(**common | _said(each)) for name, each in simulation.accounts.items()}
        accounts = {
            str(self.accounts[name].id): each for name, each in own.items() if each != AccountSimulation(**common)
        }
        return SimulationConfig(**terms, accounts=accounts)

    def require_supported(self) -> None:
        """Refuse what is understood but not built.

        Raises:
            SettingsError: saying what is available.
        """
        chosen = (
            ("database.type", self.database.type, ("duckdb", "none")),
            ("messaging.type", self.messaging.type, ("redis",)),
            ("execution.mode", self.execution.mode, ("simulation",)),
        )
        problems = [
            f"{key}: {value} is not built into this version; available: {', '.join(available)}"
            for key, value, available in chosen
            if value not in available
        ]
        problems += [
            f"execution.venues.{name}.simulated: false is not built into this version; available: true"
            for name, venue in self.execution.venues.items()
            if not venue.simulated
        ]
        if problems:
            raise SettingsError(problems)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment before the file, and nothing else beside them."""
        return env_settings, init_settings


def _said(section: Section | None) -> dict[str, Any]:
    """Return what a section says, without what it leaves open."""
    return {} if section is None else {name: value for name, value in section if value is not None}


def _set_without_effect(section: BaseModel, prefix: str = "") -> Iterator[str]:
    for name, field in type(section).model_fields.items():
        if name not in section.model_fields_set:
            continue
        value = getattr(section, name)
        if NO_EFFECT in field.metadata:
            yield prefix + name
        elif isinstance(value, BaseModel):
            yield from _set_without_effect(value, f"{prefix}{name}.")
