"""What is wrong with a configuration, said with file, line and key.

Flows in: pydantic's errors, and where every key stands. Flows out: one sentence each. Never shows a value that came
from a variable, or a secret's: either may be one.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from typing import get_args

from pydantic import BaseModel, ValidationError

from fillstream.libs.common.messages.sentences import FIELD, rule
from fillstream.libs.common.process.marked_yaml import KeyPath, MarkedYaml, dotted, keys_of
from fillstream.libs.common.process.settings.model import ENV_NESTING, ENV_PREFIX, Settings
from fillstream.libs.common.runtime.exit_codes import REDIS_VARIABLE
from fillstream.libs.common.values.naming import shorten

_SECRETS: tuple[KeyPath, ...] = (
    ("messaging", "url"),
    ("messaging", "password"),
    ("execution", "quantconnect", "api_key"),
)


def variable_of(where: KeyPath) -> str | None:
    """Return the environment variable that sets a key or a section around it, if one does."""
    for length in range(len(where), 0, -1):
        name = ENV_PREFIX + ENV_NESTING.join(map(str, where[:length])).upper()
        if name in os.environ:
            return name
    if where[:2] == ("messaging", "url") and os.environ.get(REDIS_VARIABLE):
        return REDIS_VARIABLE
    return None


def unknown_variables() -> list[str]:
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


def sentences(
    error: ValidationError,
    document: MarkedYaml,
    root: type[BaseModel],
    variable_of: Callable[[KeyPath], str | None] = lambda where: None,
    within: KeyPath = (),
) -> list[str]:
    """Return a sentence for everything that pydantic refused.

    Args:
        error: pydantic's.
        document: the file, for its lines.
        root: the model that was to be made.
        variable_of: the variable that sets a key, if one does.
        within: where in the file the model stands.
    """
    found = []
    for problem in error.errors(include_url=False):
        where: KeyPath = within + tuple(part for part in problem["loc"] if part != "[key]")
        code = problem["type"]
        if code == "extra_forbidden":
            known = _keys_at(root, where[:-1])
            said = f"unknown key{_guess(str(where[-1]), known) or '; known: ' + ', '.join(sorted(known))}"
        else:
            said = rule(code, problem.get("ctx", {}))
        if code == "value_error" and (field := FIELD.match(said)):
            where, said = (*where, *keys_of(field[1])), said[field.end() :]
        elif code not in ("extra_forbidden", "missing"):
            hidden = variable_of(where) is not None or where in document.substituted or where in _SECRETS
            said = f"{'its value' if hidden else shorten(problem['input'])} {said}"
        found.append(sentence_at(document, where, said, variable_of))
    return found


def sentence_at(
    document: MarkedYaml, where: KeyPath, said: str, variable_of: Callable[[KeyPath], str | None] = variable_of
) -> str:
    """Return what is wrong with a key, with where it stands in the file, or the variable that sets it."""
    variable = variable_of(where)
    at = f"environment {variable}" if variable else document.at(where)
    return f"{at}: {dotted(where)}: {said}"


def _keys_at(root: type[BaseModel], where: KeyPath) -> set[str]:
    """Return the keys that the section at `where` may have; list indexes and names of instruments are passed over."""
    model = root
    for part in where:
        annotation = model.model_fields[str(part)].annotation if part in model.model_fields else None
        for candidate in (annotation, *get_args(annotation)):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
    return set(model.model_fields)
