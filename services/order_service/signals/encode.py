"""From a signal's decoded fields to an instruction for the orders stage.

Flows in: the dict that `messages.wire.decode` returns. Flows out: the instruction as a plain dict with every field
of its contract present, decimals as text. Never judges what depends on state (instruments, limits, known orders);
never ends in anything but an instruction or `BadEntry`.

`libs.common.messages.signals` alone says what a signal is; this module only chooses the model by `type` and turns
pydantic's errors into sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, cast, get_args

from pydantic import ValidationError

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.base import Message
from fillstream.libs.common.messages.controls import CONTROL, CONTROLS
from fillstream.libs.common.messages.sentences import MOST_CAUSES, rule
from fillstream.libs.common.messages.signals import (
    SIGNALS,
    NewOrder,
    NewOrderList,
    PlainOrder,
    RefuseSignal,
    ReplaceOrder,
    ReportStatus,
    SetTarget,
    instructed,
)
from fillstream.libs.common.messages.special_terms import SPECIAL
from fillstream.libs.common.messages.targets import TargetFields
from fillstream.libs.common.values.money import canonical
from fillstream.libs.common.values.naming import ID, MAX_ID, NAME, shorten

_CONTROL = CONTROL.decode()
_NAME, _ID = re.compile(NAME), re.compile(ID)
MAX_KIND = 64
"""So much is told of a type that is none."""
_NO_SIGNAL = (
    "is a control, and no signal asks for one: the Redis user operator appends it to orders.{a} "
    "(`fillstream limits` does)"
)


def _holds_decimal(annotation: Any) -> bool:
    return annotation is Decimal or any(map(_holds_decimal, get_args(annotation)))


_DECIMALS: dict[type[Message], list[str]] = {
    model: [name for name, field in model.model_fields.items() if _holds_decimal(field.annotation)]
    for model in cast("tuple[type[Message], ...]", (*SIGNALS.values(), PlainOrder))
}
_PLAIN = frozenset(PlainOrder.model_fields)
"""Most signals say no more than this, and are not made to pay for what others may say."""


def instruction_of(fields: dict[str, Any], entry_id: str) -> dict[str, Any]:
    """Return the instruction a signal asks for; `signal_time` is the caller's to add.

    A null counts as absent. Equal signals give equal dicts, however their numbers were written, and whoever asks: a
    signal is the same if another sends it again, and what the stages say is what it was before anybody was named.

    Args:
        fields: decoded, see `libs.common.messages.wire.decode`.
        entry_id: serves as `signal_id` when the signal has none.

    Raises:
        BadEntry: unknown_type, missing_field, unknown_field or bad_value.
    """
    if None in fields.values():
        fields = {name: value for name, value in fields.items() if value is not None}
    if "who" in fields and _is_name(fields["who"]):
        fields = {name: value for name, value in fields.items() if name != "who"}
    kind = fields.get("type", "NewOrder")
    if kind == "target":  # document 000's word
        kind = "SetTarget"
        fields = fields | {"type": kind}
    model = SIGNALS.get(kind) if isinstance(kind, str) else None
    if model is None:
        if isinstance(kind, str) and kind in CONTROLS:
            raise BadEntry("unknown_type", f"type: {shorten(kind)} {_NO_SIGNAL}")
        *known, last = SIGNALS
        raise BadEntry("unknown_type", f"type: {shorten(kind)} must be {', '.join(known)} or {last}")
    reads = PlainOrder if model is NewOrder and fields.keys() <= _PLAIN else model
    try:
        signal = reads.__pydantic_validator__.validate_python(fields)
    except ValidationError as error:
        raise _refusal(cast("str", kind), model, error) from None
    # vars() and not model_dump(): it is several times faster, and the contract's fields are all plain values.
    instruction: dict[str, Any] = {"type": kind, "v": model.VERSION}
    instruction.update(vars(signal))
    if reads is not PlainOrder:
        del instruction["who"]
    for name in _DECIMALS[reads]:
        value = instruction[name]
        if value is not None:
            instruction[name] = canonical(value)
    if instruction["signal_id"] is None:
        instruction["signal_id"] = entry_id
    if "client_order_id" in instruction and instruction["client_order_id"] is None:
        instruction["client_order_id"] = instruction["signal_id"]
    if model is NewOrder:
        group_id, position_id = instruction.pop("group_id"), instruction.pop("position_id")
        if group_id is not None or position_id is not None:
            instruction["links"] = {"parent_id": None, "group_id": group_id, "position_id": position_id}
    if model is NewOrderList:
        _fill_list(instruction, entry_id)
    if model is SetTarget and instruction["targets"] is not None:
        instruction["targets"] = [_written(each) for each in instruction["targets"]]
    if reads is NewOrder or reads is ReplaceOrder:
        # Falsy is what says nothing: null, and a flag that is false.
        special = {name: value for name in SPECIAL if name in instruction and (value := instruction.pop(name))}
        if special:
            instruction["special"] = special
    return instruction


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _written(target: TargetFields) -> dict[str, str | None]:
    """Return one of several targets, its numbers as text."""
    values = vars(target).items()
    return {name: canonical(value) if isinstance(value, Decimal) else value for name, value in values}


def _fill_list(instruction: dict[str, Any], entry_id: str) -> None:
    """Make instructions of a list's orders, each as if it had come by itself."""
    if instruction["list_id"] is None:
        instruction["list_id"] = instruction["signal_id"]
    instruction["all"] = bool(instruction["all"])
    whose = {"account": instruction["account"], "signal_id": instruction["signal_id"]}
    orders = []
    for number, order in enumerate(instruction["orders"], 1):
        said = {name: getattr(order, name) for name in order.model_fields_set}
        named = {"client_order_id": f"{instruction['list_id']}.{number}"[-MAX_ID:], **said}
        orders.append(instruction_of({**named, **whose}, entry_id))
    instruction["orders"] = orders


def status_request_of(instruction: dict[str, Any]) -> dict[str, Any]:
    """Return the ReportStatus that answers a signal which came before with the same content, without signal_time."""
    return {
        "type": "ReportStatus",
        "v": ReportStatus.VERSION,
        "request": instruction["type"],
        "signal_id": instruction["signal_id"],
        "account": instruction["account"],
        "order_id": instruction.get("order_id"),
        "client_order_id": (
            instruction.get("client_order_id")
            or instruction.get("orig_client_order_id")
            or (None if "order_id" in instruction else _first_named(instruction))
        ),
    }


def _first_named(instruction: dict[str, Any]) -> str:
    """Return the client's id of a list's first order; of what names none, the signal's."""
    orders = instruction.get("orders")
    named: str = orders[0]["client_order_id"] if orders else instruction["signal_id"]
    return named


def refusal_of(fields: dict[str, Any], entry_id: str, bad: BadEntry) -> dict[str, Any] | None:
    """Return the RefuseSignal that tells an account what was wrong with its signal, without signal_time.

    None where nobody can be told: without an account or with something else under its name, with a signal_id that is
    none, and of controls, which no signal may ask for.

    Args:
        fields: decoded.
        entry_id: of the signal; serves as `signal_id` when it has none.
        bad: what was wrong.
    """
    account, kind, signal_id = fields.get("account"), fields.get("type", "NewOrder"), fields.get("signal_id")
    if not isinstance(account, str) or not _NAME.fullmatch(account):
        return None
    if not isinstance(kind, str) or kind in CONTROLS or _CONTROL in fields:
        return None
    if signal_id is None:
        signal_id = entry_id
    elif not isinstance(signal_id, str) or not _ID.fullmatch(signal_id):
        return None
    return {
        "type": "RefuseSignal",
        "v": RefuseSignal.VERSION,
        "request": ascii(kind)[1:-1][:MAX_KIND],
        "signal_id": signal_id,
        "account": account,
        "entry_id": entry_id,
        "reason": bad.reason,
        "text": bad.text,
    }


def _refusal(kind: str, model: type[Message], error: ValidationError) -> BadEntry:
    """Return every cause in one refusal, so that one repair does; the reason is that of the first."""
    errors = error.errors(include_url=False)
    told = [_sentence(kind, model, cast("dict[str, Any]", each)) for each in errors[:MOST_CAUSES]]
    text = "; ".join(dict.fromkeys(_without_repeats(told)))
    if len(errors) > MOST_CAUSES:
        text += f"; and {len(errors) - MOST_CAUSES} more"
    return BadEntry(told[0][0], text)


def _without_repeats(told: list[tuple[str, str]]) -> Iterator[str]:
    """Yield the sentences; which fields there are is said once."""
    known_said = False
    for reason, text in told:
        again = known_said and reason == "unknown_field"
        yield f"{text.partition(': a ')[0]}: no such field" if again else text
        known_said = known_said or reason == "unknown_field"


def _sentence(kind: str, model: type[Message], error: dict[str, Any]) -> tuple[str, str]:
    """Return reason and sentence. Only codes and limits of pydantic's are used: its wording may change, replays not."""
    context = error.get("ctx", {})
    loc = error["loc"]
    if not loc:
        if error["type"] == "value_error":
            return "bad_value", str(context["error"])
        return "unknown_field", f"a field's name: {shorten(str(error['input']))} {rule(error['type'], context)}"
    field = str(loc[0])
    if field == "parent_id":
        return "unknown_field", (
            "parent_id: is not a signal's to give: the desk writes it into the orders that an order makes; "
            "group_id and position_id are yours to choose"
        )
    if field == _CONTROL:
        return "unknown_field", f"{_CONTROL}: {_NO_SIGNAL}"
    if field not in model.model_fields:
        known = ", ".join(instructed(model))
        if model is NewOrder:  # all of them are more than a sentence holds
            known = f"{', '.join(PlainOrder.model_fields)} and what docs/orders.md adds"
        return "unknown_field", f"{shorten(field)}: a {kind} has no such field; it has {known}"
    if error["type"] == "missing":
        return "missing_field", f"{field}: is missing, a {kind} needs it"
    return "bad_value", f"{field}: {shorten(error['input'])} {rule(error['type'], context)}"
