"""Settings that nothing reads yet are marked where they stand, all of them and no others, and are named at start."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from fillstream.libs.common.messages.reference import AccountTerms
from fillstream.libs.common.process import app
from fillstream.libs.common.process.settings import DEFAULT_PATH, Settings, load_settings
from fillstream.libs.common.process.settings.model import NO_EFFECT
from tests.support.tree import ROOT

SOURCES = [path for top in ("fillstream", "libs", "services") for path in sorted((ROOT / top).rglob("*.py"))]


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Yield every key that the file may have, and whether it is marked."""
    for name, field in model.model_fields.items():
        inner = [each for each in (field.annotation, *getattr(field.annotation, "__args__", ())) if _is_section(each)]
        if inner:
            yield from keys(inner[0], f"{prefix}{name}.")
        else:
            yield prefix + name, NO_EFFECT in field.metadata


def _is_section(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


KEYS = dict(keys(Settings))


def read_attributes() -> set[str]:
    """Return the name of every attribute that any source file reads."""
    return {
        node.attr
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


READ = read_attributes()


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_read_by_somebody_or_marked(key: str) -> None:
    name = key.rpartition(".")[2]
    assert (name in READ) is not KEYS[key]


def test_the_marked_are_those_of_the_documents_that_wait_for_their_part() -> None:
    assert {key for key, marked in KEYS.items() if marked} == {
        "database.project", "database.dataset", "messaging.project",
        "execution.direct.exchanges",
        "execution.quantconnect.api_key", "execution.quantconnect.project_id",
        "order_params.retry_attempts", "order_params.retry_delay_ms",
    }  # fmt: skip
    assert not any(KEYS.get(f"account_limits.{name}") for name in AccountTerms.model_fields)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration that sets nothing without an effect."""
    import os

    for name in [each for each in os.environ if each.startswith("FILLSTREAM_")] + ["CONFIG_PATH", "REDIS_URL"]:
        monkeypatch.delenv(name, raising=False)
    for each in DEFAULT_PATH.parent.glob("*.yaml"):
        (tmp_path / each.name).write_text(each.read_text())
    (tmp_path / "local.yaml").write_text(
        "environment: local\nservice: {host: localhost, port: 8004}\ndatabase: {type: none}\nmessaging: {type: redis}\n"
        "execution: {mode: simulation}\naccount_limits: {max_order_value: 1000, max_daily_orders: 50}\n"
    )
    monkeypatch.setenv("CONFIG_PATH", str(tmp_path / "local.yaml"))
    return tmp_path / "local.yaml"


def test_what_nobody_set_is_not_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_settings().without_effect == ()
    app.settings_or_exit("orders")
    assert capsys.readouterr().err == ""


def test_what_the_file_or_a_variable_set_is_named_in_one_line(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(file.read_text() + "order_params: {retry_attempts: 3, log_level: info}\n")
    monkeypatch.setenv("FILLSTREAM_ORDER_PARAMS__RETRY_DELAY_MS", "5")
    monkeypatch.setenv("FILLSTREAM_EXECUTION__DIRECT__EXCHANGES", '["bybit"]')
    app.settings_or_exit("orders")
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith(
        "settings that are set, and have no effect yet: execution.direct.exchanges, "
        "order_params.retry_attempts, order_params.retry_delay_ms"
    )
