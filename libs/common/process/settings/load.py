"""From files and variables to settings.

Flows in: the file that CONFIG_PATH names, instruments.yaml and accounts.yaml beside it, FILLSTREAM_ and REDIS_URL
variables. Flows out: `Settings`, or `SettingsError` with everything that is wrong with them.

Later wins: the defaults of `model`, the file, REDIS_URL (for `messaging.url`), then FILLSTREAM_SECTION__KEY.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_settings import SettingsError as EnvironmentUnreadable

from fillstream.libs.common.messages.base import Name
from fillstream.libs.common.messages.modes import wrong_aliases, wrong_modes
from fillstream.libs.common.messages.numbered import with_anothers_id
from fillstream.libs.common.messages.reference import AccountTerms, InstrumentTerms
from fillstream.libs.common.messages.routing import RoutingRule, wrong_venues
from fillstream.libs.common.messages.rule_terms import RuleTerms
from fillstream.libs.common.process.marked_yaml import KeyPath, MarkedYaml, keys_of, read_marked
from fillstream.libs.common.process.settings.model import (
    ACCOUNT_SECTIONS,
    UNLIMITED,
    AccountEntry,
    Settings,
    SettingsError,
)
from fillstream.libs.common.process.settings.sentences import sentence_at, sentences, unknown_variables, variable_of
from fillstream.libs.common.runtime.exit_codes import CONFIG_VARIABLE, REDIS_VARIABLE
from fillstream.libs.common.values.naming import cut

DEFAULT_PATH = Path(__file__).parents[4] / "config" / "local.yaml"
"""Used without CONFIG_PATH: the one that came with this package, which in a checkout is config/local.yaml."""


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
    settings, main = _load_document(path, problems)
    instruments, listing = _load_named(companions(path)[0], InstrumentTerms, "an instrument", problems)
    entries, document = _load_named(companions(path)[1], AccountEntry, "an account", problems)
    if settings is None or problems:
        raise SettingsError(problems)
    problems.extend(_unknown_venues(instruments, listing, settings))
    problems.extend(_unknown_venues(entries, document, settings))
    accounts = {}
    for name, entry in entries.items():
        try:
            accounts[name] = _with_limits(entry, settings)
        except ValidationError as error:
            problems.extend(sentences(error, document, AccountTerms, within=(name,)))
    if problems:
        raise SettingsError(problems)
    for name, text in wrong_modes(accounts, settings.execution.venues):
        problems.append(f"{document.at((name, 'mode'))}: {name}.mode: {text}")
    problems.extend(sentence_at(main, where, text) for where, text in _unknown_names(settings, accounts, instruments))
    if problems:
        raise SettingsError(problems)
    settings._instruments, settings._accounts = instruments, accounts
    return settings


def _unknown_venues(
    named: Mapping[str, InstrumentTerms | AccountEntry], document: MarkedYaml, settings: Settings
) -> Iterator[str]:
    """Yield a sentence for each instrument or account at a venue that this desk does not have."""
    execution = settings.execution
    for name, entry in named.items():
        if entry.venue is not None and entry.venue not in execution.venues:
            at, known = document.at((name, "venue")), execution.venue_names
            yield f"{at}: {name}.venue: {entry.venue} must be one of execution.venues, {known}"


def _unknown_names(
    settings: Settings, accounts: Mapping[str, AccountTerms], instruments: Mapping[str, InstrumentTerms]
) -> Iterator[tuple[KeyPath, str]]:
    """Yield where the file names what this desk does not have, and a sentence."""
    for alias, text in wrong_aliases(settings.aliases, accounts):
        yield ("aliases", alias), text
    for at, text in wrong_venues(settings.routing, settings.execution.venues):
        yield ("routing", *keys_of(at)), text
    of_rules: list[tuple[KeyPath, RoutingRule | RuleTerms]] = [
        *((("routing", "rules", number), rule) for number, rule in enumerate(settings.routing.rules)),
        *((("rules", number), rule) for number, rule in enumerate(settings.rules)),
    ]
    for where, rule in of_rules:
        for name in rule.accounts:
            if name not in accounts:
                yield (*where, "accounts"), f"{name} must be an account of accounts.yaml"
        for name in rule.symbols:
            if name not in instruments:
                yield (*where, "symbols"), f"{name} must be one of instruments.yaml"
    for name in settings.execution.simulation.accounts:
        if name not in accounts:
            known = cut(", ".join(accounts))
            yield ("execution", "simulation", "accounts"), f"{name} must be an account of accounts.yaml, {known}"


def _with_limits(entry: AccountEntry, settings: Settings) -> AccountTerms:
    """Return an account with the limits that count for it: its own, else those of the file's sections.

    A null of its own is no limit, where there is such a thing; of any other term it says nothing.
    """
    values = {
        name: value
        for section in ACCOUNT_SECTIONS
        for name, value in getattr(settings, section)
        if name in AccountTerms.model_fields
    }
    said = [(name, value) for name, value in entry if name in entry.model_fields_set]
    return AccountTerms(**values | {name: value for name, value in said if value is not None or name in UNLIMITED})


# ------------------------------------------------------------------------------------------------------- reading


def _load_document(path: Path, problems: list[str]) -> tuple[Settings | None, MarkedYaml]:
    document = read_marked(path, os.environ, lambda where: variable_of(where) is not None)
    problems.extend(document.problems)
    problems.extend(unknown_variables())
    if document.problems:
        return None, document
    tree = document.tree
    if os.environ.get(REDIS_VARIABLE) and isinstance(tree.get("messaging"), dict):
        tree["messaging"]["url"] = os.environ[REDIS_VARIABLE]
    try:
        return Settings(**tree), document
    except ValidationError as error:
        problems.extend(sentences(error, document, Settings, variable_of))
    except EnvironmentUnreadable as error:
        # pydantic-settings' own words quote no value.
        problems.append(f"environment: {error}")
    return None, document


Named = TypeVar("Named", InstrumentTerms, AccountEntry)


def _load_named(path: Path, kind: type[Named], what: str, problems: list[str]) -> tuple[dict[str, Named], MarkedYaml]:
    document = read_marked(path, os.environ)
    problems.extend(document.problems)
    if document.problems:
        return {}, document
    try:
        named: dict[str, Named] = TypeAdapter(dict[Name, kind]).validate_python(document.tree)  # type: ignore[valid-type]
    except ValidationError as error:
        problems.extend(sentences(error, document, kind))
        return {}, document
    if not named:
        problems.append(f"{document.path}:1: has nothing in it; at least {what} is needed")
    problems.extend(
        f"{document.at((name, 'id'))}: {name}.id: must be unique, {named[name].id} is {owner}'s"
        for name, owner in with_anothers_id(named)
    )
    return named, document
