"""What a configuration may say, and the sentence that refuses everything else."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from fillstream.libs.common.messages.codes import OrderType, TimeInForce
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.settings import DEFAULT_PATH, SettingsError, load_settings
from fillstream.services.order_service.app import desk_config

CONFIG = DEFAULT_PATH.parent

DOCUMENT_LOCAL = """
environment: local
service: {host: localhost, port: 8004}
database: {type: duckdb, path: ./data/order_management.duckdb}
messaging: {type: redis, host: localhost, port: 6379}
execution: {mode: simulation, simulation: {slippage: 0.0005, delay_ms: 100}}
account_limits: {max_order_value: 1000, max_daily_orders: 50, min_order_size: 10}
order_cache: {enabled: true, ttl: 3600}
"""
"""The original document's local.yaml, as it stands there."""

DOCUMENT_PARAMS = {
    "default_order_type": "market",
    "time_in_force": "GTC",
    "max_slippage_bps": 10,
    "retry_attempts": 3,
    "retry_delay_ms": 100,
    "execution_timeout_ms": 5000,
    "rate_limit_orders": 10,
    "rate_limit_window_ms": 1000,
    "track_execution_metrics": True,
    "log_level": "INFO",
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("FILLSTREAM_") or name in {"REDIS_URL", "CONFIG_PATH", "QC_API_KEY", "QC_PROJECT_ID"}:
            monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a copy of config/, so that messages name `config/local.yaml`."""
    made = tmp_path / "config"
    made.mkdir()
    for each in CONFIG.glob("*.yaml"):
        (made / each.name).write_text(each.read_text())
    monkeypatch.chdir(tmp_path)
    return made


def edit(file: Path, old: str, new: str) -> int:
    """Replace `old` once and return the line it stood on."""
    text = file.read_text()
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    file.write_text(text.replace(old, new))
    return text[: text.index(old)].count("\n") + 1


def problems_of(path: Path) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load_settings(path)
    assert str(refused.value) == "\n".join(refused.value.problems)
    return refused.value.problems


# ---------------------------------------------------------------------------------------------- what is accepted


def contains(whole: Any, part: Any) -> bool:
    if isinstance(part, dict):
        return all(key in whole and contains(whole[key], value) for key, value in part.items())
    return bool(whole == part)


def test_local_yaml_carries_every_key_of_the_document_with_its_value() -> None:
    local = yaml.safe_load((CONFIG / "local.yaml").read_text())
    assert contains(local, yaml.safe_load(DOCUMENT_LOCAL))
    assert local["order_params"] == DOCUMENT_PARAMS


def test_the_document_s_own_file_is_accepted_as_it_stands(folder: Path) -> None:
    (folder / "local.yaml").write_text(DOCUMENT_LOCAL)
    params = load_settings(folder / "local.yaml").order_params
    ours = load_settings(CONFIG / "local.yaml").order_params
    assert params.rate_limit_orders is None, "a document that says nothing of it has no such limit"
    assert params.model_copy(update={"rate_limit_orders": 10}) == ours


def test_every_value_of_local_yaml_arrives() -> None:
    settings = load_settings()
    assert settings.environment == "local"
    assert (settings.service.host, settings.service.port) == ("localhost", 8004)
    assert (settings.database.type, settings.database.path) == ("duckdb", Path("data/order_management.duckdb"))
    assert settings.database.data_dir == Path("data")
    assert (settings.database.snapshot_every_entries, settings.database.snapshot_every_s) == (50_000, 60)
    messaging = settings.messaging
    assert (messaging.type, messaging.host, messaging.port) == ("redis", "localhost", 6379)
    assert (messaging.retention_s, messaging.max_batch, messaging.max_downstream_lag) == (86_400, 500, 100_000)
    assert (messaging.retention_memory_share, messaging.max_memory_bytes) == (Decimal("0.6"), 0)
    assert settings.execution.mode == "simulation"
    assert settings.execution.simulation.slippage == Decimal("0.0005")
    assert settings.execution.simulation.delay_ms == 100
    assert settings.execution.direct.exchanges == ()
    limits = settings.account_limits
    assert (limits.max_order_value, limits.max_daily_orders, limits.min_order_size) == (1000, 50, 10)
    assert (settings.order_cache.enabled, settings.order_cache.ttl) == (True, 3600)
    params = settings.order_params
    assert params.default_order_type is OrderType.MARKET
    assert params.time_in_force is TimeInForce.GTC
    assert params.model_dump(exclude={"default_order_type", "time_in_force"}) == {
        name: value for name, value in DOCUMENT_PARAMS.items() if name not in {"default_order_type", "time_in_force"}
    }
    assert settings.topology() == Topology(1, 1, "")
    assert settings.redis_url == "redis://localhost:6379/0"
    settings.require_supported()


def test_a_decimal_is_what_was_written_never_its_binary_neighbour(folder: Path) -> None:
    written = "0.123456789012345678901"
    edit(folder / "local.yaml", "slippage: 0.0005", f"slippage: {written}")
    assert load_settings(folder / "local.yaml").execution.simulation.slippage == Decimal(written)


def test_no_setting_is_a_float() -> None:
    def floats(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [found for each in value.values() for found in floats(each)]
        return [value] if isinstance(value, float) else []

    settings = load_settings()
    assert not floats(settings.model_dump())
    assert not floats({s: each.model_dump() for s, each in settings.instruments.items()})
    assert not floats({a: each.model_dump() for a, each in settings.accounts.items()})


def test_instruments_and_accounts_stand_beside_the_chosen_file() -> None:
    settings = load_settings()
    assert set(settings.instruments) == {"AAPL", "MSFT", "SPY", "BTCUSDT", "ETHUSDT"}
    bitcoin = settings.instruments["BTCUSDT"]
    assert (bitcoin.tick_size, bitcoin.lot_size, bitcoin.currency) == (Decimal("0.01"), Decimal("0.00001"), "USDT")
    assert settings.accounts["default"].max_order_value == 1_000_000
    assert settings.accounts["demo"].max_slippage_bps == 50


def test_an_account_without_limits_of_its_own_has_the_file_s(folder: Path) -> None:
    edit(folder / "local.yaml", "max_daily_orders: 50", "max_daily_orders: 77")
    account = load_settings(folder / "local.yaml").accounts["conservative"]
    assert (account.max_order_value, account.max_daily_orders, account.min_order_size) == (1000, 77, 10)
    assert account.max_slippage_bps == 10


def test_the_orders_stage_takes_every_instrument_and_account_as_configured() -> None:
    settings = load_settings()
    config = desk_config(settings)
    assert set(config.instruments) == set(settings.instruments)
    assert config.accounts["conservative"].min_order_size == 10


def test_config_path_chooses_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(folder / "local.yaml", "environment: local", "environment: elsewhere")
    monkeypatch.setenv("CONFIG_PATH", str(folder / "local.yaml"))
    assert load_settings().environment == "elsewhere"


def test_settings_cannot_be_changed() -> None:
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.service.port = 1


# --------------------------------------------------------------------------------------------- the environment


def test_the_environment_overrides_a_key_and_leaves_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLSTREAM_SERVICE__PORT", "8005")
    monkeypatch.setenv("FILLSTREAM_ACCOUNT_LIMITS__MAX_ORDER_VALUE", "0.1")
    monkeypatch.setenv("FILLSTREAM_ACCOUNT_LIMITS__MIN_ORDER_SIZE", "0.1")
    monkeypatch.setenv("FILLSTREAM_EXECUTION__SIMULATION__DELAY_MS", "7")
    settings = load_settings()
    assert (settings.service.host, settings.service.port) == ("localhost", 8005)
    assert settings.account_limits.max_order_value == Decimal("0.1")
    assert settings.execution.simulation.delay_ms == 7
    assert settings.execution.simulation.slippage == Decimal("0.0005")


def test_redis_url_overrides_host_and_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:secret@elsewhere:7000/2")
    settings = load_settings()
    assert settings.redis_url == "redis://:secret@elsewhere:7000/2"
    assert "secret" not in repr(settings)


def test_the_prefixed_variable_is_stronger_than_redis_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://one")
    monkeypatch.setenv("FILLSTREAM_MESSAGING__URL", "unix:///run/two.sock")
    assert load_settings().redis_url == "unix:///run/two.sock"


def test_an_ipv6_host_becomes_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLSTREAM_MESSAGING__HOST", "::1")
    assert load_settings().redis_url == "redis://[::1]:6379/0"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("FILLSTREAM_SERVICE__PORT", "high", "service.port: its value must be a whole number"),
        ("FILLSTREAM_SERVICE__PORT", "0", "service.port: its value must be at least 1"),
        ("FILLSTREAM_SERVICE__PROT", "1", "service.prot: unknown key; did you mean port?"),
        ("FILLSTREAM_SERVCE__PORT", "1", "there is no section servce; did you mean service?"),
        ("REDIS_URL", "http://:secret@x", "messaging.url: its value is not redis://host:port/db"),
        ("REDIS_URL", "redis://:secret@x:port", "messaging.url: its value is not redis://host:port/db"),
    ],
)
def test_a_bad_variable_is_refused_by_name_without_its_value(
    name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    (problem,) = problems_of(CONFIG / "local.yaml")
    assert problem.startswith(f"environment {name}: {sentence}")
    assert "secret" not in problem


def test_a_section_that_is_no_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLSTREAM_SERVICE", "s3cret")
    (problem,) = problems_of(CONFIG / "local.yaml")
    assert "service" in problem
    assert "s3cret" not in problem


# ------------------------------------------------------------------------------------------------------ ${VAR}


def test_dev_yaml_takes_its_secrets_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QC_API_KEY", "s3cret")
    monkeypatch.setenv("QC_PROJECT_ID", "42")
    settings = load_settings(CONFIG / "dev.yaml")
    assert settings.execution.quantconnect is not None
    assert settings.execution.quantconnect.api_key.get_secret_value() == "s3cret"
    assert settings.execution.quantconnect.project_id == "42"
    assert settings.execution.direct.exchanges == ("bybit", "binance")
    assert (settings.database.project, settings.database.dataset) == ("development", "order_management")
    assert settings.topology().signals == "dev_signals"
    assert "s3cret" not in repr(settings)


def test_what_is_not_built_is_refused_at_start_naming_what_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QC_API_KEY", "s3cret")
    monkeypatch.setenv("QC_PROJECT_ID", "42")
    with pytest.raises(SettingsError) as refused:
        load_settings(CONFIG / "dev.yaml").require_supported()
    assert refused.value.problems == [
        "database.type: bigquery is not built into this version; available: duckdb, none",
        "messaging.type: pubsub is not built into this version; available: redis",
        "execution.mode: quantconnect is not built into this version; available: simulation",
    ]


def test_an_unset_variable_is_refused_with_file_line_key_and_name(folder: Path) -> None:
    text = (folder / "dev.yaml").read_text()
    line = text[: text.index("${QC_API_KEY}")].count("\n") + 1
    assert problems_of(folder / "dev.yaml") == [
        f"config/dev.yaml:{line}: execution.quantconnect.api_key: ${{QC_API_KEY}}: the environment variable QC_API_KEY"
        " is not set, or is empty",
        f"config/dev.yaml:{line + 1}: execution.quantconnect.project_id: ${{QC_PROJECT_ID}}: the environment variable"
        " QC_PROJECT_ID is not set, or is empty",
    ]


def test_a_variable_need_not_be_set_where_the_environment_overrides_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLSTREAM_EXECUTION__QUANTCONNECT__API_KEY", "s3cret")
    monkeypatch.setenv("QC_PROJECT_ID", "42")
    quantconnect = load_settings(CONFIG / "dev.yaml").execution.quantconnect
    assert quantconnect is not None
    assert quantconnect.api_key.get_secret_value() == "s3cret"


@pytest.mark.parametrize(
    ("written", "set_to", "port"),
    [("${PORT_}", "9001", 9001), ("${PORT_:-9002}", None, 9002), ("${PORT_:-9002}", "9003", 9003),
     ("9${PORT_}", "004", 9004), ('"${PORT_:-9005}"', "", 9005)],
)  # fmt: skip
def test_a_variable_is_substituted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, written: str, set_to: str | None, port: int
) -> None:
    if set_to is not None:
        monkeypatch.setenv("PORT_", set_to)
    edit(folder / "local.yaml", "port: 8004", f"port: {written}")
    assert load_settings(folder / "local.yaml").service.port == port


def test_a_doubled_dollar_is_the_text_itself(folder: Path) -> None:
    edit(folder / "local.yaml", 'topic_prefix: ""', "topic_prefix: $${x}")
    (problem,) = problems_of(folder / "local.yaml")
    assert "messaging.topic_prefix: '${x}' must match" in problem


def test_a_substituted_value_is_never_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT_", "s3cret")
    edit(folder / "local.yaml", "port: 8004", "port: ${PORT_}")
    (problem,) = problems_of(folder / "local.yaml")
    assert problem.endswith("service.port: its value must be a whole number")


# -------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("max_order_value: 1000", "max_order_value: -5", "account_limits.max_order_value: -5 must be above 0"),
        ("max_order_value: 1000", "max_order_value: .nan", "account_limits.max_order_value: '.nan' must be a decimal"),
        ("max_order_value: 1000", "max_order_value: NaN", "account_limits.max_order_value: 'NaN' must be a finite"),
        ("max_order_value: 1000", "max_order_value: true", "account_limits.max_order_value: True must be a number"),
        ("max_order_value: 1000", "max_order_value: 1e400", "account_limits.max_order_value: '1e400' has too many"),
        ("max_daily_orders: 50", "max_daily_orders: 1.5", "account_limits.max_daily_orders: '1.5' must be a whole"),
        ("max_daily_orders: 50", "max_daily_orders: 0x10", "account_limits.max_daily_orders: '0x10' must be a whole"),
        ("max_daily_orders: 50", "max_daily_orders: 1:30", "account_limits.max_daily_orders: '1:30' must be a whole"),
        ("max_daily_orders: 50", "max_daily_orders: [1]", "account_limits.max_daily_orders: a list must be a whole"),
        ("slippage: 0.0005", "slippage: 1", "execution.simulation.slippage: 1 must be below 1"),
        ("delay_ms: 100  ", "delay_ms: -1  ", "execution.simulation.delay_ms: -1 must be at least 0"),
        ("mode: simulation", "mode: paper", "execution.mode: 'paper' must be simulation, quantconnect or direct"),
        ("max_slippage_bps: 10", "max_slippage_bps: 10001", "order_params.max_slippage_bps: 10001 must be at most"),
        ("time_in_force: GTC", "time_in_force: GTD", "order_params.time_in_force: 'GTD' must be DAY, GTC, IOC or FOK"),
        ("default_order_type: market", "default_order_type: stop", "order_params.default_order_type: 'stop' must be"),
        ("log_level: INFO", "log_level: loud", "order_params.log_level: 'LOUD' must be DEBUG, INFO"),
        ("port: 6379", "port: 65536", "messaging.port: 65536 must be at most 65535"),
        ("host: localhost\n  port: 6379", "host: a b\n  port: 6379", "messaging.host: 'a b' must match"),
        ("enabled: true           #", "enabled: maybe #", "order_cache.enabled: 'maybe' must be true or false"),
        ("ttl: 3600", "tlt: 3600", "order_cache.tlt: unknown key; did you mean ttl?"),
        ("ttl: 3600", "zzzzzzz: 3600", "order_cache.zzzzzzz: unknown key; known: enabled, ttl"),
        ("exchanges: []", "exchanges: [ok, 'no good']", "execution.direct.exchanges.1: 'no good' must match"),
        ("share: 0.6", "share: 0", "messaging.retention_memory_share: 0 must be above 0"),
        ("share: 0.6", "share: 1", "messaging.retention_memory_share: 1 must be below 1"),
        ("bytes: 0", "bytes: -1", "messaging.max_memory_bytes: -1 must be at least 0"),
        (
            "bytes: 0",
            "bytes: 1125899906842625",
            "messaging.max_memory_bytes: 1125899906842625 must be at most 1125899906842624",
        ),
        ("max_batch: 500", "max_batch: 0", "messaging.max_batch: 0 must be at least 1"),
        ("account_partitions: 1", "account_partitions: 9999", "messaging.account_partitions: 9999 must be at most"),
        ("max_batch: 500", "max_batch: *x", "*x: aliases are not supported; write the value"),
        ("max_batch: 500", "max_batch: 'x", "not valid YAML: "),
        ("max_batch: 500", "port: 1", "messaging.port: is there twice, first on line"),
        ("max_batch: 500", "max_batch: ${A-B}", "messaging.max_batch: ${A-B} is not ${NAME} or ${NAME:-default}"),
        ("max_batch: 500", "? [a]\n  : 1", "messaging: a key must be plain text"),
        ("max_batch: 500", "url: 'redis://:s3cret@'", "messaging.url: its value is not redis://host"),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_with_file_line_and_key(folder: Path, old: str, new: str, sentence: str) -> None:
    line = edit(folder / "local.yaml", old, new)
    (problem,) = problems_of(folder / "local.yaml")
    at, _, text = problem.partition(": ")
    assert text.startswith(sentence)
    assert "s3cret" not in problem
    if "not valid YAML" not in sentence:  # an open quote ends where the file does
        assert at == f"config/local.yaml:{line}"


def test_a_missing_key_is_refused_where_its_section_stands(folder: Path) -> None:
    edit(folder / "local.yaml", "  max_order_value: 1000\n", "")
    (problem,) = problems_of(folder / "local.yaml")
    assert re.fullmatch(r"config/local\.yaml:\d+: account_limits\.max_order_value: is missing", problem)


def test_everything_wrong_is_told_at_once(folder: Path) -> None:
    edit(folder / "local.yaml", "ttl: 3600", "ttl: -1")
    edit(folder / "local.yaml", "port: 8004", "port: x")
    edit(folder / "instruments.yaml", "lot_size: 0.0001\n", "lot_size: 0\n")
    edit(folder / "accounts.yaml", "id: 2", "id: 1")
    problems = problems_of(folder / "local.yaml")
    assert [problem.split(": ", 1)[1] for problem in problems] == [
        "service.port: 'x' must be a whole number",
        "order_cache.ttl: -1 must be at least 0",
        "ETHUSDT.lot_size: 0 must be above 0",
        "conservative.id: must be unique, 1 is default's",
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("instruments.yaml", "id: 5", "id: 4", "ETHUSDT.id: must be unique, 4 is BTCUSDT's"),
        ("instruments.yaml", "id: 5", "id: 65536", "ETHUSDT.id: 65536 must be at most 65535"),
        ("instruments.yaml", "id: 5", "id: 0", "ETHUSDT.id: 0 must be at least 1"),
        ("instruments.yaml", "ETHUSDT:", "'E T':", "E T: 'E T' must match"),
        (
            "instruments.yaml",
            "lot_size: 0.0001\n",
            "lot: 0.0001\n",
            "ETHUSDT.lot: unknown key; known: atr_bars, atr_interval_ms, base_currency, calendar, close_auction_ms, currency",  # noqa: E501
        ),
        (
            "accounts.yaml",
            "max_slippage_bps: 50",
            "max_slippage_bps: x",
            "demo.max_slippage_bps: 'x' must be a decimal number",
        ),
        ("accounts.yaml", "id: 3", "id: 4294967296", "demo.id: 4294967296 must be at most 4294967295"),
    ],
)
def test_a_bad_instrument_or_account_is_refused(folder: Path, file: str, old: str, new: str, sentence: str) -> None:
    line = edit(folder / file, old, new)
    assert any(
        problem.startswith(f"config/{file}:{line}: {sentence}") for problem in problems_of(folder / "local.yaml")
    )


def test_limits_that_no_order_can_meet_are_refused(folder: Path) -> None:
    edit(folder / "local.yaml", "min_order_size: 10 ", "min_order_size: 1001 ")
    (problem,) = problems_of(folder / "local.yaml")
    assert re.match(
        r"config/accounts\.yaml:\d+: conservative\.min_order_size: 1001 must be at most max_order_value, 1000: ",
        problem,
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "environment: is missing"),
        (b"- 1\n", ":1: must be a mapping of keys to values"),
        (b"a: \xff\n", "not UTF-8 at byte 3"),
        (b"a: \x00\n", ":1: not valid YAML"),
        (b"a: 1\n---\nb: 2\n", "not valid YAML"),
        (b"a: [" * 3000, "not valid YAML"),
        (b"#" * 1_000_001, "larger than 1000000 bytes"),
        (b"service: 1\n", ":1: service: 1 must be a mapping of keys to values"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(folder: Path, content: bytes, sentence: str) -> None:
    (folder / "local.yaml").write_bytes(content)
    assert any(sentence in problem for problem in problems_of(folder / "local.yaml"))


@pytest.mark.parametrize("name", ["local.yaml", "instruments.yaml", "accounts.yaml"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (problem,) = problems_of(folder / "local.yaml")
    assert problem == f"config/{name}: cannot be read: No such file or directory"


@pytest.mark.parametrize("name", ["instruments.yaml", "accounts.yaml"])
def test_an_empty_list_of_names_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("# nothing\n")
    (problem,) = problems_of(folder / "local.yaml")
    assert "has nothing in it" in problem


@settings_of_hypothesis(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200), st.text(alphabet="a:-[]{}&*!|>'\"#%@`$,\n \t?0.~<=", max_size=80).map(str.encode)
    )
)
def test_any_bytes_are_settings_or_a_sentence_never_a_crash(content: bytes) -> None:
    with TemporaryDirectory() as place:
        file = Path(place) / "local.yaml"
        for each in CONFIG.glob("*.yaml"):
            (Path(place) / each.name).write_text(each.read_text())
        file.write_bytes(content)
        with pytest.raises(SettingsError) as refused:  # no such file has every required section
            load_settings(file)
        assert all(refused.value.problems)


@settings_of_hypothesis(max_examples=60, deadline=None)
@given(
    st.sampled_from(["port: 8004", "max_order_value: 1000", "ttl: 3600", "mode: simulation", "exchanges: []"]),
    st.data(),
)
def test_any_value_is_taken_or_refused_with_its_line(old: str, data: st.DataObject) -> None:
    key = old.partition(":")[0]
    value = data.draw(st.text(alphabet="-+0123456789.eE_:xnaif~!&*[]{},'\"$ ", max_size=20))
    with TemporaryDirectory() as place:
        for each in CONFIG.glob("*.yaml"):
            (Path(place) / each.name).write_text(each.read_text())
        file = Path(place) / "local.yaml"
        line = edit(file, old, f"{key}: {value}")
        try:
            load_settings(file)
        except SettingsError as error:
            for problem in error.problems:
                at, number = problem.split(":")[:2]
                assert at.endswith("accounts.yaml") or int(number) >= line, (
                    problem
                )  # an open bracket or quote is found out about further down


# ----------------------------------------------------------------------------- addresses, passwords, certificates


def test_where_people_open_a_service_is_what_it_listens_on_or_what_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for host, url in (
        ("0.0.0.0", "http://127.0.0.1:8004"),
        ("::", "http://127.0.0.1:8004"),
        ("::1", "http://[::1]:8004"),
        ("10.0.0.7", "http://10.0.0.7:8004"),
    ):
        monkeypatch.setenv("FILLSTREAM_SERVICE__HOST", host)
        assert load_settings().service.url == url
    monkeypatch.setenv("FILLSTREAM_SERVICE__PUBLIC_URL", "https://desk.example.com/signals/")
    assert load_settings().service.url == "https://desk.example.com/signals"


@pytest.mark.parametrize("url", ["127.0.0.1:8004", "ftp://a:1", "http://", "http://a:0", "http://a:x"])
def test_where_people_open_a_service_is_a_url(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLSTREAM_SERVICE__PUBLIC_URL", url)
    with pytest.raises(
        SettingsError, match=r"service\.public_url: its value is not http://host:port or https://host:port"
    ):
        load_settings()


def test_a_process_whose_user_has_a_password_goes_by_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLSTREAM_MESSAGING__PASSWORD", "all")
    monkeypatch.setenv("FILLSTREAM_MESSAGING__USERNAME", "orders")
    monkeypatch.setenv("FILLSTREAM_MESSAGING__USER_PASSWORD", "")
    assert load_settings().redis_url == "redis://:all@localhost:6379/0", "as compose hands it on when nobody set it"
    monkeypatch.setenv("FILLSTREAM_MESSAGING__USER_PASSWORD", "o@o")
    assert load_settings().redis_url == "redis://orders:o%40o@localhost:6379/0"
    monkeypatch.setenv("FILLSTREAM_MESSAGING__USERNAME", "")
    with pytest.raises(SettingsError, match="user_password, but no username"):
        load_settings()


def test_a_password_is_written_into_the_url_as_a_url_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLSTREAM_MESSAGING__PASSWORD", "a@b/c:d e")
    assert load_settings().redis_url == "redis://:a%40b%2Fc%3Ad%20e@localhost:6379/0"
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere:1/0")
    assert load_settings().redis_url == "redis://elsewhere:1/0", "a URL brings its own"


def test_what_compose_hands_on_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "FILLSTREAM_MESSAGING__PASSWORD", "FILLSTREAM_MESSAGING__TLS_CA_FILE",
                 "FILLSTREAM_MESSAGING__URL", "FILLSTREAM_SERVICE__PUBLIC_URL"):  # fmt: skip
        monkeypatch.setenv(name, "")
    settings = load_settings()
    assert settings.redis_url == "redis://localhost:6379/0"
    assert settings.service.public_url is None


def test_a_certificate_authority_means_tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "our ca.crt"
    file.touch()
    monkeypatch.setenv("FILLSTREAM_MESSAGING__TLS_CA_FILE", str(file))
    asked = f"ssl_ca_certs={tmp_path}/our%20ca.crt"
    assert load_settings().redis_url == f"rediss://localhost:6379/0?{asked}"
    monkeypatch.setenv("REDIS_URL", "rediss://elsewhere:1/0?db=2")
    assert load_settings().redis_url == f"rediss://elsewhere:1/0?db=2&{asked}"
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere:1/0")
    with pytest.raises(SettingsError, match="nothing would be encrypted"):
        load_settings()
    monkeypatch.setenv("FILLSTREAM_MESSAGING__TLS_CA_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=r"messaging\.tls_ca_file: its value is not a file"):
        load_settings()


def test_a_null_of_an_account_is_no_limit_and_a_variable_may_say_so_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = folder / "accounts.yaml"
    accounts.write_text("a: {id: 1}\nb: {id: 2, rate_limit_orders: null}\nc: {id: 3, rate_limit_orders: 7}\n")
    local = folder / "local.yaml"

    def rates() -> list[int | None]:
        return [each.rate_limit_orders for each in load_settings(local).accounts.values()]

    assert rates() == [10, None, 7]
    monkeypatch.setenv("FILLSTREAM_ORDER_PARAMS__RATE_LIMIT_ORDERS", "null")
    assert rates() == [None, None, 7]
    monkeypatch.setenv("FILLSTREAM_ORDER_PARAMS__RATE_LIMIT_ORDERS", "0")
    with pytest.raises(SettingsError, match="rate_limit_orders: its value must be at least 1"):
        rates()


def test_a_null_of_what_has_no_none_says_nothing(folder: Path) -> None:
    (folder / "accounts.yaml").write_text("a: {id: 1, max_order_value: null, max_slippage_bps: null, venue: null}\n")
    terms = load_settings(folder / "local.yaml").accounts["a"]
    assert (terms.max_order_value, terms.max_slippage_bps, terms.venue) == (1000, 10, None)
