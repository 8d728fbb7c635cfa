"""Alerts in JSON of any shape, by the template that is kept with the hook.

Flows in: a template, posted objects. Flows out: fields of a signal; a `Refusal` where an object does not fit. Never
takes a member that is not there for one that says nothing, unless the template does.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fillstream.libs.common.messages.signals import SIGNALS
from fillstream.libs.common.process.hook_templates import TIME, TYPES, From, Template
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.hooks.words import Read, plain, refused


def read(template: Template, posted: Mapping[str, Any]) -> Read:
    """Return what a posted object says by a template.

    Raises:
        Refusal: a member is missing, or has a word that the template has not.
    """
    source = template.members.get("type")
    kind = template.constants["type"] if source is None else _value("type", source, posted)
    if kind not in TYPES:
        raise refused(f"type: {shorten(kind)} must be one of {', '.join(TYPES)}")
    of_kind = SIGNALS[kind].model_fields
    fields = {name: value for name, value in template.constants.items() if name in of_kind}
    for name, each in template.members.items():
        if name in of_kind:
            fields[name] = _value(name, each, posted)
    fields["type"] = kind
    if isinstance(fields.get("symbol"), Decimal):
        fields["symbol"] = plain("symbol", fields["symbol"])  # 700 is a symbol in Hong Kong
    own = fields.pop("signal_id", None)
    made = template.members.get(TIME)
    time = None if made is None else _value(TIME, made, posted)
    identity = None if own is None else (plain("signal_id", own),)
    return Read(fields, identity, time=None if time is None else plain(TIME, time))


def _value(name: str, source: From, posted: Mapping[str, Any]) -> Any:
    found = _member(source.path, posted)
    if found is None or found == "":
        if source.default is None and not source.optional:
            raise refused(f"{name}: {shorten(source.path)} is missing in what was posted")
        return source.default
    if source.words is None:
        return found
    word = str(found).lower() if isinstance(found, bool) else plain(name, found)
    if word not in source.words:
        raise refused(f"{name}: {shorten(word)} of {shorten(source.path)} must be one of {', '.join(source.words)}")
    return source.words[word]


def _member(path: str, posted: Mapping[str, Any]) -> Any:
    """Return what stands at a path, None of nothing; a name with a dot in it goes before a path."""
    if path in posted:
        return posted[path]
    found: Any = posted
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found
