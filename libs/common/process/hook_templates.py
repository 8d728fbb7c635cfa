"""A hook's own template: which member of a posted JSON object each field of a signal comes from.

Flows in: the template as a person wrote it. Flows out: a `Template`; a sentence where it does not do, with the nearest
name that does. Never reads an alert: `services/gateway/hooks/template.py` does.

A field is `{"from": "order.side"}`, by names with dots between them, with `"map": {"long": "BUY"}` where the words are
others, and `"default": ...` or `"optional": true` where it may be missing; or a constant. Numbers are exact.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any, Final

from fillstream.libs.common.messages.wire import DuplicateKey, unique
from fillstream.libs.common.values.naming import shorten

TYPES: Final = (
    "NewOrder", "SetTarget", "ClosePosition", "CancelAll", "CancelTarget", "ProtectPosition", "CancelProtection",
    "Prediction",
)  # fmt: skip
"""Signals that name no order by its number: that might be another account's."""
OURS: Final = frozenset(("v", "account", "who"))
"""What the hook, or the gateway, says itself."""
TIME: Final = "time"
"""Of no signal: when the alert was made, by which a hook knows how old it is."""
WORDS: Final = ("from", "map", "default", "optional")

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class From:
    """Where a field comes from.

    Attributes:
        path: of the member: names with dots between them.
        words: what the member's values are here, None where they are what they are.
        default: for a member that is missing, or null; None: none.
        optional: the field is left out then.
    """

    path: str
    words: Mapping[str, Any] | None = None
    default: Any = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """A template: constants, and where the other fields come from, by the field's name; `type` among them."""

    constants: Mapping[str, Any]
    members: Mapping[str, From]


def template_of(text: str) -> Template:
    """Return the template that a JSON document says.

    Raises:
        ValueError: it is none; a sentence that names the field, and the nearest one that there is.
    """
    try:
        said = json.loads(
            text, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal, object_pairs_hook=unique
        )
    except (json.JSONDecodeError, InvalidOperation, RecursionError):
        raise ValueError("template: must be one JSON document") from None
    except DuplicateKey as error:
        raise ValueError(f"template: {shorten(error.args[0])} is there more than once") from None
    if not isinstance(said, dict):
        raise ValueError(f"template: {shorten(said)} must be a JSON object")
    constants: dict[str, Any] = {"type": "NewOrder"}
    members = {}
    for name, value in said.items():
        if isinstance(value, dict):
            members[name] = _from(name, value)
            constants.pop(name, None)
        else:
            constants[name] = value
    found = Template(constants, members)
    _check_names(found)
    return found


def _from(name: str, said: Mapping[str, Any]) -> From:
    for word in said:
        if word not in WORDS:
            raise ValueError(f"template.{bare(name)}: {shorten(word)} is no word of a template; "
                             f"{nearest(word, WORDS)}")  # fmt: skip
    path, words, optional = said.get("from"), said.get("map"), said.get("optional", False)
    if not isinstance(path, str) or not path or not all(path.split(".")):
        raise ValueError(f"template.{bare(name)}: from: {shorten(path)} must be names with dots between them")
    if words is not None and (not isinstance(words, dict) or not words):
        raise ValueError(f"template.{bare(name)}: map: {shorten(words)} must be an object of words")
    if not isinstance(optional, bool):
        raise ValueError(f"template.{bare(name)}: optional: {shorten(optional)} must be true or false")
    return From(path, words, said.get("default"), optional)


def _types(template: Template) -> list[Any]:
    source = template.members.get("type")
    if source is None:
        return [template.constants["type"]]
    if source.words is None:
        raise ValueError("template.type: from: needs a map to types of signals")
    return [*source.words.values(), *([] if source.default is None else [source.default])]


def _check_names(template: Template) -> None:
    from fillstream.libs.common.messages.signals import SIGNALS  # noqa: PLC0415 - of what --help loads too

    known: dict[str, None] = {}
    for kind in _types(template):
        if kind not in TYPES:
            raise ValueError(f"template.type: {shorten(kind)} must be one of {', '.join(TYPES)}")
        known |= dict.fromkeys(name for name in SIGNALS[kind].model_fields if name not in OURS)
    for name in (*template.constants, *template.members):
        if name in OURS:
            raise ValueError(f"template.{name}: is the hook's to say")
        if name == "targets":
            raise ValueError("template.targets: is nothing that a hook sends: the symbol map does not reach into it")
        if name == "signal_id" and name in template.constants:
            raise ValueError('template.signal_id: must be {"from": …}: under one id only the first alert counts')
        if name == TIME and name in template.constants:
            raise ValueError('template.time: must be {"from": …}: it says when an alert was made')
        if name not in known and name != TIME:
            raise ValueError(f"template.{bare(name)}: is no field of a signal; {nearest(name, known)}")


def bare(name: str) -> str:
    """Return a name as a sentence begins with it, quoted only where it is an odd one."""
    return name if _PLAIN.fullmatch(name) else shorten(name)


def nearest(name: str, known: Collection[str]) -> str:
    """Return the end of a sentence about a name that is none: the nearest that there is, else all."""
    near = get_close_matches(name[:64], known, 1, 0.6)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
