"""What a process is told: config/*.yaml, the environment, and what both may say.

Flows in: the file that CONFIG_PATH names, instruments.yaml and accounts.yaml beside it, FILLSTREAM_ and REDIS_URL
variables. Flows out: frozen `Settings`. Never shows a secret's value; never lets a float near money.

Later wins: the defaults here, the file, REDIS_URL (for `messaging.url`), then FILLSTREAM_SECTION__KEY. What is wrong is
refused with file, line and key, all of it at once. The keys are those of the original documents; what was added to them
has a default.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args
from urllib.parse import quote, urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as EnvironmentUnreadable

from fillstream.libs.common.engine.frames import MAX_SYMBOL
from fillstream.libs.common.messages.codes import NAME, OrderType, TimeInForce
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.marked_yaml import KeyPath, MarkedYaml, dotted, read_marked
from fillstream.libs.common.runtime.exit_codes import CONFIG_VARIABLE, REDIS_VARIABLE
from fillstream.libs.common.values.money import MAX_DIGITS

ENV_PREFIX = "FILLSTREAM_"
ENV_NESTING = "__"
DEFAULT_PATH = Path(__file__).parents[3] / "config" / "local.yaml"
"""Used without CONFIG_PATH: the one that came with this package, which in a checkout is config/local.yaml."""
URL_SCHEMES = ("redis", "rediss", "unix")
A_REDIS_URL = "redis://host:port/db, rediss://… or unix:///path/to/socket"
MAX_PARTITIONS = 1024
MAX_MS = 3650 * 86_400_000
_SECRETS: tuple[KeyPath, ...] = (
    ("messaging", "url"),
    ("messaging", "password"),
    ("execution", "quantconnect", "api_key"),
)
MAX_MEMORY_BYTES = 1 << 50


class SettingsError(Exception):
    """The settings cannot be used.

    Attributes:
        problems: one sentence each, most of them `file:line: key: what is wrong`.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _number(value: Any) -> Any:
    """Refuse what would make a number inexact or was not meant as one."""
    if isinstance(value, (bool, float)):
        raise ValueError("must be a number written as text or digits")
    return value


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _blank_is_none(value: Any) -> Any:
    """Compose hands a variable on that nobody has set as an empty one."""
    return None if value == "" else value


Name = Annotated[str, StringConstraints(pattern=NAME)]
Money = Annotated[Decimal, Field(max_digits=MAX_DIGITS, allow_inf_nan=False), BeforeValidator(_number)]
Whole = Annotated[int, BeforeValidator(_number)]
Bps = Annotated[Money, Field(ge=0, le=10_000)]
Milliseconds = Annotated[Whole, Field(ge=0, le=MAX_MS)]
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
    project: str | None = None
    dataset: str | None = None
    data_dir: Path = Path("data")
    snapshot_every_entries: Annotated[Whole, Field(ge=1, le=1_000_000_000)] = 50_000
    snapshot_every_s: Annotated[Whole, Field(ge=1, le=86_400)] = 60


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
        url: all of that in one, instead: overrides them.
        tls_ca_file: who vouches for the server's certificate; without, a rediss:// URL trusts whom the system trusts.
    """

    type: Literal["redis", "pubsub"]
    host: Host = "localhost"
    port: Port = 6379
    project: str | None = None
    topic_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:/-]{0,64}$")] = ""
    url: Annotated[SecretStr | None, BeforeValidator(_blank_is_none)] = None
    password: Annotated[SecretStr | None, BeforeValidator(_blank_is_none)] = None
    tls_ca_file: Annotated[Path | None, BeforeValidator(_blank_is_none)] = None
    account_partitions: Annotated[Whole, Field(ge=1, le=MAX_PARTITIONS)] = 1
    symbol_partitions: Annotated[Whole, Field(ge=1, le=MAX_PARTITIONS)] = 1
    retention_s: Annotated[Whole, Field(ge=0, le=MAX_MS // 1000)] = 86_400
    retention_memory_share: Annotated[Money, Field(gt=0, lt=1)] = Decimal("0.6")
    max_memory_bytes: Annotated[Whole, Field(ge=0, le=MAX_MEMORY_BYTES)] = 0
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
    def _does_not_trust_in_vain(self) -> Self:
        url = self.url.get_secret_value() if self.url is not None else "rediss:"
        if self.tls_ca_file is not None and urlsplit(url).scheme != "rediss":
            raise ValueError("has a tls_ca_file, but a url that is not rediss://…, so nothing would be encrypted")
        return self


class Simulation(Section):
    """How the venue SIM falls short of the ideal."""

    slippage: Annotated[Money, Field(ge=0, lt=1)] = Decimal("0.0005")
    delay_ms: Milliseconds = 100


class QuantConnect(Section):
    """Credentials of the QuantConnect integration."""

    api_key: SecretStr
    project_id: str


class Direct(Section):
    """Exchanges that are connected directly."""

    exchanges: tuple[Name, ...] = ()


class Execution(Section):
    """Which venue orders go to, and how old the quote may be that an order reaches (0: no limit)."""

    mode: Literal["simulation", "quantconnect", "direct"]
    max_quote_age_ms: Milliseconds = 30_000
    simulation: Simulation = Simulation()
    quantconnect: QuantConnect | None = None
    direct: Direct = Direct()


class AccountLimits(Section):
    """Limits of every account that sets none of its own. Values are in the instrument's currency."""

    max_order_value: Annotated[Money, Field(gt=0)]
    max_daily_orders: Annotated[Whole, Field(ge=0, le=1_000_000_000)]
    min_order_size: Annotated[Money, Field(ge=0)]


class OrderCache(Section):
    """How long a finished order stays in memory (seconds)."""

    enabled: bool = True
    ttl: Annotated[Whole, Field(ge=0, le=MAX_MS // 1000)] = 3600


class OrderParams(Section):
    """What an order gets that does not say otherwise."""

    default_order_type: Annotated[OrderType, BeforeValidator(_upper)] = OrderType.MARKET
    time_in_force: Annotated[TimeInForce, BeforeValidator(_upper)] = TimeInForce.GTC
    max_slippage_bps: Bps = Decimal(10)
    retry_attempts: Annotated[Whole, Field(ge=0, le=1000)] = 3
    retry_delay_ms: Milliseconds = 100
    execution_timeout_ms: Milliseconds = 5000
    rate_limit_orders: Annotated[Whole, Field(ge=1, le=1_000_000_000)] = 10
    rate_limit_window_ms: Annotated[Milliseconds, Field(ge=1)] = 1000
    track_execution_metrics: bool = True
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)] = "INFO"


class Instrument(Section):
    """Terms of one symbol (instruments.yaml). Fees are in basis points of the traded value; negative is a rebate."""

    id: Annotated[Whole, Field(ge=1, le=MAX_SYMBOL)]
    tick_size: Annotated[Money, Field(gt=0)]
    lot_size: Annotated[Money, Field(gt=0)]
    multiplier: Annotated[Money, Field(gt=0)] = Decimal(1)
    currency: Name = "USD"
    maker_fee_bps: Annotated[Money, Field(ge=-10_000, le=10_000)] = Decimal(0)
    taker_fee_bps: Annotated[Money, Field(ge=-10_000, le=10_000)] = Decimal(0)


class AccountEntry(Section):
    """One account as accounts.yaml has it: what is absent comes from account_limits and order_params."""

    id: Annotated[Whole, Field(ge=1, le=0xFFFF_FFFF)]
    max_order_value: Annotated[Money, Field(gt=0)] | None = None
    max_daily_orders: Annotated[Whole, Field(ge=0, le=1_000_000_000)] | None = None
    min_order_size: Annotated[Money, Field(ge=0)] | None = None
    max_slippage_bps: Bps | None = None


class Account(Section):
    """One account with the limits that count for it."""

    id: int
    max_order_value: Decimal
    max_daily_orders: int
    min_order_size: Decimal
    max_slippage_bps: Decimal


class Settings(BaseSettings):
    """Everything a process is told. Made by `load_settings`.

    Attributes:
        environment: a name for people: `local`, `development`.
        service, database, messaging, execution, account_limits, order_cache, order_params: sections of the file.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_NESTING,
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
    order_cache: OrderCache = OrderCache()
    order_params: OrderParams = OrderParams()
    _instruments: dict[str, Instrument] = PrivateAttr(default_factory=dict)
    _accounts: dict[str, Account] = PrivateAttr(default_factory=dict)

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Terms by symbol."""
        return self._instruments

    @property
    def accounts(self) -> Mapping[str, Account]:
        """Limits by account name, `account_limits` filled in where an account sets none."""
        return self._accounts

    @property
    def redis_url(self) -> str:
        """Where the streams are. May carry a password: do not print it."""
        messaging, file = self.messaging, self.messaging.tls_ca_file
        if messaging.url is not None:
            url = messaging.url.get_secret_value()
        else:
            password = messaging.password.get_secret_value() if messaging.password is not None else ""
            who = f":{quote(password, safe='')}@" if password else ""
            host = f"[{messaging.host}]" if ":" in messaging.host else quote(messaging.host)
            url = f"{'rediss' if file else 'redis'}://{who}{host}:{messaging.port}/0"
        if file is None:
            return url
        return f"{url}{'&' if '?' in url else '?'}ssl_ca_certs={quote(str(file.absolute()))}"

    @property
    def archivists(self) -> tuple[str, ...]:
        """Who must have stored an entry before a log loses it: analytics, unless this desk runs none."""
        return () if self.database.type == "none" else ("analytics",)

    def topology(self) -> Topology:
        """Return the names of the streams and their partition counts."""
        messaging = self.messaging
        return Topology(messaging.account_partitions, messaging.symbol_partitions, messaging.topic_prefix)

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


def default_path() -> Path:
    """Return the file that is used without an argument: CONFIG_PATH's, else `DEFAULT_PATH`."""
    named = os.environ.get(CONFIG_VARIABLE)
    return Path(named) if named else DEFAULT_PATH


def companions(path: Path) -> tuple[Path, Path]:
    """Return the files beside a configuration file that belong to it: instruments and accounts."""
    return path.with_name("instruments.yaml"), path.with_name("accounts.yaml")


def load_settings(path: Path | None = None) -> Settings:
    """Return the settings of `path` (default: `default_path()`), with instruments.yaml and accounts.yaml beside it.

    Raises:
        SettingsError: everything that is wrong with them.
    """
    path = path or default_path()
    problems: list[str] = []
    settings = _load_document(path, problems)
    instruments, _ = _load_named(companions(path)[0], Instrument, "an instrument", problems)
    entries, document = _load_named(companions(path)[1], AccountEntry, "an account", problems)
    if settings is None or problems:
        raise SettingsError(problems)
    accounts = {name: _with_limits(entry, settings) for name, entry in entries.items()}
    for name, account in accounts.items():
        if account.min_order_size > account.max_order_value:
            problems.append(
                f"{document.at((name, 'min_order_size'))}: {name}.min_order_size: {account.min_order_size} is above its"
                f" max_order_value {account.max_order_value}: no order could pass"
            )
    if problems:
        raise SettingsError(problems)
    settings._instruments, settings._accounts = instruments, accounts
    return settings


def _with_limits(entry: AccountEntry, settings: Settings) -> Account:
    shared = {**dict(settings.account_limits), "max_slippage_bps": settings.order_params.max_slippage_bps}
    return Account(**{**shared, **{name: value for name, value in entry if value is not None}})


# ------------------------------------------------------------------------------------------------------- reading


def _load_document(path: Path, problems: list[str]) -> Settings | None:
    document = read_marked(path, os.environ, lambda where: _variable_of(where) is not None)
    problems.extend(document.problems)
    problems.extend(_unknown_variables())
    if document.problems:
        return None
    tree = document.tree
    if os.environ.get(REDIS_VARIABLE) and isinstance(tree.get("messaging"), dict):
        tree["messaging"]["url"] = os.environ[REDIS_VARIABLE]
    try:
        return Settings(**tree)
    except ValidationError as error:
        problems.extend(_sentences(error, document, Settings, _variable_of))
    except EnvironmentUnreadable as error:
        # pydantic-settings' own words quote no value.
        problems.append(f"environment: {error}")
    return None


Named = TypeVar("Named", Instrument, AccountEntry)


def _load_named(path: Path, kind: type[Named], what: str, problems: list[str]) -> tuple[dict[str, Named], MarkedYaml]:
    document = read_marked(path, os.environ)
    problems.extend(document.problems)
    if document.problems:
        return {}, document
    try:
        named: dict[str, Named] = TypeAdapter(dict[Name, kind]).validate_python(document.tree)  # type: ignore[valid-type]
    except ValidationError as error:
        problems.extend(_sentences(error, document, kind, lambda where: None))
        return {}, document
    if not named:
        problems.append(f"{document.path}:1: has nothing in it; at least {what} is needed")
    owners: dict[int, str] = {}
    for name, each in named.items():
        if each.id in owners:
            problems.append(f"{document.at((name, 'id'))}: {name}.id: {each.id} is {owners[each.id]}'s already")
        owners.setdefault(each.id, name)
    return named, document


# ------------------------------------------------------------------------------------------- saying what is wrong


def _variable_of(where: KeyPath) -> str | None:
    """Return the environment variable that sets a key or a section around it, if one does."""
    for length in range(len(where), 0, -1):
        name = ENV_PREFIX + ENV_NESTING.join(map(str, where[:length])).upper()
        if name in os.environ:
            return name
    if where[:2] == ("messaging", "url") and os.environ.get(REDIS_VARIABLE):
        return REDIS_VARIABLE
    return None


def _unknown_variables() -> list[str]:
    """Refuse FILLSTREAM_SERVCE__PORT: a misspelt section would otherwise be passed over in silence."""
    known = {name.upper() for name in Settings.model_fields}
    return [
        f"environment {name}: there is no section {section.lower()}{_guess(section, known)}"
        for name in sorted(os.environ)
        if name.startswith(ENV_PREFIX) and ENV_NESTING in name
        for section in [name.removeprefix(ENV_PREFIX).partition(ENV_NESTING)[0]]
        if section not in known
    ]


def _guess(word: str, known: set[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {close[0].lower()}?" if close else ""


def _sentences(
    error: ValidationError, document: MarkedYaml, root: type[BaseModel], variable_of: Callable[[KeyPath], str | None]
) -> list[str]:
    sentences = []
    for problem in error.errors(include_url=False):
        where: KeyPath = tuple(part for part in problem["loc"] if part != "[key]")
        variable = variable_of(where)
        at = f"environment {variable}" if variable else document.at(where)
        hidden = variable is not None or where in document.substituted or where in _SECRETS
        value = "its value" if hidden else _quoted(problem["input"])
        sentences.append(f"{at}: {dotted(where)}: {_judgement(dict(problem), value, where, root)}")
    return sentences


def _quoted(value: Any) -> str:
    text = str(value) if isinstance(value, (int, str, Decimal)) else type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}…"


def _judgement(problem: dict[str, Any], value: str, where: KeyPath, root: type[BaseModel]) -> str:
    """Return what is wrong with a value, in words that name the limit."""
    limits: dict[str, Any] = problem.get("ctx", {})
    match problem["type"]:
        case "extra_forbidden":
            known = _keys_at(root, where[:-1])
            return f"unknown key{_guess(str(where[-1]), known) or '; known: ' + ', '.join(sorted(known))}"
        case "missing":
            return "is missing"
        case "greater_than":
            return f"{value} is not greater than {limits['gt']}"
        case "greater_than_equal":
            return f"{value} is below {limits['ge']}"
        case "less_than":
            return f"{value} is not less than {limits['lt']}"
        case "less_than_equal":
            return f"{value} is above {limits['le']}"
        case "literal_error" | "enum":
            return f"{value} is not one of {limits['expected']}"
        case "int_parsing" | "int_type" | "int_from_float":
            return f"{value} is not a whole number"
        case "decimal_parsing" | "decimal_type" | "finite_number":
            return f"{value} is not a finite decimal number"
        case "bool_parsing" | "bool_type":
            return f"{value} is neither true nor false"
        case "string_pattern_mismatch":
            return f"{value} does not match {limits['pattern']}"
        case "model_type" | "dict_type":
            return f"{value} is not a mapping of keys to values"
        case "value_error":
            return f"{value} {limits['error']}"
        case _:
            message: str = problem["msg"]
            return f"{value}: {message[0].lower()}{message[1:]}"


def _keys_at(root: type[BaseModel], where: KeyPath) -> set[str]:
    """Return the keys that the section at `where` may have; list indexes and names of instruments are passed over."""
    model = root
    for part in where:
        annotation = model.model_fields[str(part)].annotation if part in model.model_fields else None
        for candidate in (annotation, *get_args(annotation)):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
    return set(model.model_fields)
