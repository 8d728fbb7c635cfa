"""docs/reference.md: every signal, control, event and reason, from the contracts. `python -m tests.support.tables`."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from fillstream.libs.common.messages import codes
from fillstream.libs.common.messages.base import Message
from fillstream.libs.common.messages.controls import CONTROLS
from fillstream.libs.common.messages.journal import EVENTS
from fillstream.libs.common.messages.positions import POSITION_MESSAGES
from fillstream.libs.common.messages.signals import SIGNALS

HEAD = """# Reference: signals, controls, events, reasons

Everything that goes into a desk and comes out of it, by its name. Prices, quantities and money are decimal text, exact
as written; times are milliseconds since 1970, UTC. A field in *italics* may be absent or null. A message is in the
field `data` of its entry; an entry without one is none: a release's note, a tick. Made from
`libs/common/messages` by `python -m tests.support.tables`; analytics' tables have a column of the same name.
"""
_KINDS = {Decimal: "number", int: "whole number", bool: "true or false", str: "text"}
_REASONS = {
    codes.RejectReason: "Why an order or a signal is refused (FIX 103 OrdRejReason)",
    codes.CancelRejectReason: "Why a cancel or an amendment is refused (FIX 102 CxlRejReason)",
    codes.CancelReason: "Why an order was taken off (FIX 378 ExecRestatementReason)",
    codes.RestatementReason: "Why a venue changed an order (FIX 378 ExecRestatementReason)",
    codes.ControlRejectReason: "Why a control changed nothing",
}


def reference() -> str:
    """Return the page."""
    parts = [HEAD]
    for title, models in (
        ("Signals: entries of `signals`", SIGNALS),
        ("Controls: the field `control` of entries of `orders.{a}`", CONTROLS),
        ("Events: `events.{a}`", EVENTS),
        ("Events: `positions.{a}`", POSITION_MESSAGES),
    ):
        parts.append(f"## {title}\n")
        parts += [_model(name, model) for name, model in models.items()]
    parts.append("## Reasons\n")
    parts += [_reasons(reason, title) for reason, title in _REASONS.items()]
    return "\n".join(parts)


def _model(name: str, model: type[Message]) -> str:
    rows = ["| field | what | |", "|---|---|---|"]
    for field, info in model.model_fields.items():
        if field in ("type", "v"):
            continue
        shown = f"`{field}`" if info.is_required() else f"*`{field}`*"
        rows.append(f"| {shown} | {_kind(info.annotation)} | {_cell(info)} |")
    first = " ".join((model.__doc__ or "").split("\n\n")[0].split())
    return f"### {name}\n\n{first}\n\n" + "\n".join(rows) + "\n"


def _cell(info: FieldInfo) -> str:
    said = info.description or ""
    if info.default is not None and not info.is_required() and isinstance(info.default, str | int | Decimal):
        said = f"{said}; by default {info.default}".removeprefix("; ")
    return said.replace("|", "\\|")


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(inner[0])
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in inner)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_kind(each) for each in inner if each is not type(None)))
    if origin in (list, tuple):
        return f"list of {_kind(next(each for each in inner if each is not Ellipsis))}"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return ", ".join(f"`{each}`" for each in annotation)
    return _KINDS.get(annotation, "object")


def _reasons(reasons: type[codes.Reason], title: str) -> str:
    rows = [f"### {title}\n", "| reason | FIX | |", "|---|---|---|"]
    rows += [f"| `{each}` | {'' if each.fix is None else each.fix} | {each.text} |" for each in reasons]
    return "\n".join(rows) + "\n"
