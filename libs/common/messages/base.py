"""What every message keeps to: its head, its version, and the types its fields are made of.

Flows in: decoded fields, or a message's bytes of which only the head is wanted. Flows out: validated values, heads, and
messages of older versions as today's. Never does I/O, never converts to floats: prices and quantities are Decimal here
and strings in JSON.

Names are FIX 4.4's in snake case where FIX has one (`cum_qty` 14, `leaves_qty` 151, `avg_px` 6, `last_px` 31,
`last_qty` 32, `time_in_force` 59, `ord_status` 39, `exec_id` 17); `quantity` is OrderQty (38), `order_type` OrdType
(40). Commands are imperative, events past tense. `time` is the millisecond part of the id of the log entry that
caused the message, UTC since 1970.

The hot path writes events as plain dicts with these very keys; tests and the simulation validate every one.

A message's head is its `type`, its `v` and, in streams that count, its `seq`. `v` is the version of its type. To change
what a type says, other than by a new field with a default, raise it beside the step that leads there:

    class OrderExpired(OrderEvent):
        v: int = of_version(2)
        UPCASTS = {1: upcast_order_expired_v1_v2}

Readers take every version there was: models by themselves, who reads plain dicts by `upcast`. A version above is
refused in a sentence, since what is not understood cannot be left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar, get_args

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
)
from pydantic_core import CoreSchema, core_schema

from fillstream.libs.common.messages.codes import (
    ContingencyType,
    ExternalOrders,
    LostOrders,
    OrderType,
    PredictedMove,
    SelfTrade,
    Side,
    TimeInForce,
    TrailingOffset,
    TriggerPrice,
)
from fillstream.libs.common.values import versions
from fillstream.libs.common.values.moments import FORM, LAST_MS, milliseconds
from fillstream.libs.common.values.money import MAX_DIGITS
from fillstream.libs.common.values.naming import ID, NAME, ORDER_ID
from fillstream.libs.common.values.versions import Document, Unreadable, Upcasts

VERSION = 1
"""The version of a type that never changed."""


_WRITTEN = re.compile(rb'\{"type":"(\w+)","v":([1-9]\d{0,8})')
"""How the hot path begins a head; `,"seq":` and its digits follow."""
_SEQ = b',"seq":'
_MOST_BEFORE_SEQ = 100
_MOST_DIGITS = 18
_MOST_KNOWN = 256
_LARGEST = 10**_MOST_DIGITS
_ZERO = ord("0")
_known: dict[bytes, tuple[str, int]] = {}
"""Type and version by what stands before `seq` in heads read so far: there are few, and they come again and again."""


def _known_as(before: bytes) -> tuple[str, int] | None:
    """Return the type and version that the hot path's bytes before `seq` say, None when they are not its."""
    found = _WRITTEN.fullmatch(before)
    if found is None:
        return None
    said = found[1].decode(), int(found[2])
    if len(_known) < _MOST_KNOWN:
        _known[before] = said
    return said


def head_of(payload: bytes) -> tuple[str, int, int | None]:
    """Return a message's type, version and number (None in a stream that does not count), in any order of its keys.

    Args:
        payload: one JSON object.

    Raises:
        Unreadable: it is none, or its type, v or seq are not what they must be.
    """
    at = payload.find(_SEQ, 0, _MOST_BEFORE_SEQ)
    if at > 0:
        before, start = payload[:at], at + len(_SEQ)
        said = _known.get(before) or _known_as(before)
        end = payload.find(b",", start, start + _MOST_DIGITS + 1)
        digits = payload[start:end]
        if said is not None and end > 0 and digits.isdigit() and digits[0] != _ZERO:
            return said[0], said[1], int(digits)
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError:  # its wording may change with orjson, and a replay must not
        raise Unreadable(f"must be a JSON object with type, v and seq, {len(payload)} bytes are not") from None
    if type(document) is not dict:
        raise Unreadable("must be a JSON object with type, v and seq, and is another JSON value")
    kind, v, seq = document.get("type"), document.get("v"), document.get("seq")
    if type(kind) is not str or not kind:
        raise Unreadable("type: must be the name of a message")
    if type(v) is not int or not 0 < v < _LARGEST:
        raise Unreadable("v: must be a whole number from 1")
    if seq is not None and (type(seq) is not int or not 0 < seq < _LARGEST):
        raise Unreadable("seq: must be a whole number from 1")
    return kind, v, seq


def head_of_next(payload: bytes, seq: int) -> tuple[str, int] | None:
    """Return type and version of a message that the hot path wrote with this number; None of any other: see `head_of`.

    For whoever reads a stream that counts, where the next number is known: a third of the time.
    """
    at = payload.find(b',"seq":%d,' % seq, 0, _MOST_BEFORE_SEQ)
    return _known.get(payload[:at]) if at > 0 else None


def of_version(version: int) -> Any:
    """Return the field `v` of a type in this version."""
    return Field(default=version, ge=1, le=version)


def upper(value: Any) -> Any:
    """Return a text in capitals. Letters outside ASCII stay as they are: some, like the long s, become ASCII ones."""
    return value.upper() if isinstance(value, str) and value.isascii() else value


def exact_time(value: Any) -> Any:
    """Return milliseconds since 1970: of digits, or of ISO 8601 text that says its zone; what is finer is cut off."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        moment = milliseconds(value)
        if moment is None:
            raise ValueError(f"must be milliseconds since 1970, or a time as {FORM}, with its zone")
        return moment
    if isinstance(value, bool | float):
        raise ValueError(f"must be milliseconds since 1970, or a time as {FORM}, with its zone")
    return value


def exact_flag(value: Any) -> Any:
    """Return a yes or no, which Redis has as text alone."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def exact_number(value: Any) -> Any:
    """Refuse what is a number to Python alone; a JSON float becomes the decimal that was written, not its neighbour."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not a boolean")
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        raise ValueError("must be a decimal number in the digits 0 to 9, without separators")
    return repr(value) if isinstance(value, float) else value


Name = Annotated[str, StringConstraints(pattern=NAME)]
Id = Annotated[str, StringConstraints(pattern=ID)]
VenueId = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{1,64}$")]
"""What a venue calls its orders and trades: printable ASCII, whatever else it may be."""
ExecId = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,90}$")]
"""What a venue calls a trade; with the venue's name before it an Id."""
Amount = Annotated[Decimal, Field(gt=0, max_digits=MAX_DIGITS, allow_inf_nan=False), BeforeValidator(exact_number)]
Price = Annotated[Decimal, Field(max_digits=MAX_DIGITS, allow_inf_nan=False), BeforeValidator(exact_number)]
Number = Annotated[Decimal, Field(allow_inf_nan=False)]
AnySide = Annotated[Side, BeforeValidator(upper)]
Flag = Annotated[bool, BeforeValidator(exact_flag)]
Time = Annotated[int, Field(ge=0, le=LAST_MS), BeforeValidator(exact_time)]
"""Milliseconds since 1970, UTC; as text also ISO 8601 with its zone."""
AnyOrderType = Annotated[OrderType, BeforeValidator(upper)]
AnyTimeInForce = Annotated[TimeInForce, BeforeValidator(upper)]


def _one_of(*allowed: StrEnum) -> AfterValidator:
    *most, last = allowed

    def check(value: Any) -> Any:
        if value not in allowed:
            raise ValueError(f"must be {', '.join(most)} or {last}")
        return value

    return AfterValidator(check)


PlainOrderType = Annotated[AnyOrderType, _one_of(OrderType.MARKET, OrderType.LIMIT)]
"""What an order may be that does not say it."""
PlainTimeInForce = Annotated[
    AnyTimeInForce, _one_of(TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)
]
"""How long an order may be in force that does not say it."""
AnyTriggerPrice = Annotated[TriggerPrice, BeforeValidator(upper)]
AnyTrailingOffset = Annotated[TrailingOffset, BeforeValidator(upper)]
AnyContingency = Annotated[ContingencyType, BeforeValidator(upper)]
AnyMove = Annotated[PredictedMove, BeforeValidator(upper)]
AnyExternalOrders = Annotated[ExternalOrders, BeforeValidator(upper)]
AnyLostOrders = Annotated[LostOrders, BeforeValidator(upper)]
AnySelfTrade = Annotated[SelfTrade, BeforeValidator(upper)]
OrderId = Annotated[str, StringConstraints(pattern=ORDER_ID)]


class Message(BaseModel):
    """What every message is: frozen, versioned, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    VERSION: ClassVar[int] = VERSION
    """Today's, which `v` says too."""
    UPCASTS: ClassVar[Upcasts] = {}
    """From every older version to the next."""

    v: int = of_version(VERSION)

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Take over the version that the class gives its `v`."""
        cls.VERSION = cls.model_fields["v"].default
        steps = list(range(min(cls.UPCASTS, default=cls.VERSION), cls.VERSION))
        assert sorted(cls.UPCASTS) == steps, f"{cls.__name__}: a step from each version to the next"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Raise older versions before they are validated. A type that has none pays nothing for it."""
        schema = handler(source)
        function: Any = schema.get("function")
        if not cls.UPCASTS or (function and function.get("function") == cls._raised):  # an adapter asks once more
            return schema
        return core_schema.no_info_before_validator_function(cls._raised, schema)

    @classmethod
    def _raised(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or fields.get("v") in (None, cls.VERSION):
            return fields
        v = fields["v"]
        version = int(v) if isinstance(v, str) and v.isascii() and v.isdecimal() and len(v) < 9 else v
        return _raise(cls, dict(fields), version)


def type_of(model: type[Message]) -> str:
    """Return what the `type` of a model's messages says."""
    name: str = get_args(model.model_fields["type"].annotation)[0]
    return name


def _raise(model: type[Message], document: Document, version: object) -> Document:
    document = versions.upcast(type_of(model), document, version, model.VERSION, model.UPCASTS)
    document["v"] = model.VERSION
    return document


Models = Mapping[str, type[Message]]
"""By `type`."""


def by_type(union: Any) -> dict[str, type[Message]]:
    """Return the models of an annotated union by what their `type` says."""
    models: tuple[type[Message], ...] = get_args(get_args(union)[0])
    return {type_of(model): model for model in models}


def upcast(document: Document, models: Models) -> Document:
    """Return a message as this release writes it; one of another type than those of `models` as it is.

    Args:
        document: the decoded message; it may be changed.
        models: those the caller reads, by type.

    Raises:
        Unreadable: a version of its type that this release does not read; the sentence names all three.
    """
    model = models.get(document.get("type", ""))
    if model is None or document.get("v") == model.VERSION:
        return document
    return _raise(model, document, document.get("v"))
