"""What a term says about itself, and what models of terms have in common.

Flows in: fields of instruments, accounts and venues, each with its bound, unit and meaning. Flows out: frozen models,
and their values as canonical JSON has them. Never knows any term: those are `reference`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError
from pydantic.fields import FieldInfo

from fillstream.libs.common.messages.base import exact_number
from fillstream.libs.common.messages.sentences import sentences
from fillstream.libs.common.values.money import MAX_DIGITS, canonical
from fillstream.libs.common.values.naming import shorten

FIXED, UNIT, FIX, SECTION, RARE = "fixed", "unit", "fix", "section", "rare"
"""Keys of what a field says about itself beside its bounds; see `about`."""
VALUE, QUANTITY = "value in the instrument's currency", "quantity"
"""Units of limits that are compiled for each instrument: `max_…` is at most so much, `min_…` at least."""
ACCOUNT_VALUE = "value in the account's currency"
"""Unit of limits over several instruments."""
ENTERED_CAUSES = 2
"""A refusal of an entry of terms names so many things that are wrong: it stays short, though there may be thousands."""


def written_number(value: Any) -> Any:
    """Refuse what would make a number inexact, or was not meant as one."""
    if isinstance(value, bool | float):
        raise ValueError("must be a number written as text or digits")
    return exact_number(value)


WRITTEN = BeforeValidator(written_number)
"""Last in an annotation: what comes before it is then a bound of the number itself, for JSON schemas as well."""


def about(
    text: str,
    *,
    unit: str = "",
    fix: str = "",
    fixed: bool = False,
    section: str = "",
    rare: bool = False,
    **bounds: Any,
) -> Any:
    """Return what a field says about itself.

    Args:
        text: what it means.
        unit: of its value.
        fix: FIX's number and name for it, where there is one.
        fixed: whether ticks and lots in books, orders and positions were counted in it, so that it may not change.
        section: of the configuration file, where the default of an account that sets none stands.
        rare: whether it is said where it is set, and left out where it has its default: most have none.
        bounds: `gt`, `ge`, `le`: what its value is above, at least, at most.
    """
    said: dict[str, JsonValue] = {UNIT: unit, FIX: fix, FIXED: fixed, SECTION: section, RARE: rare}
    said = {key: value for key, value in said.items() if value}
    return Field(description=text, json_schema_extra=said, **bounds)


def amount(text: str, **more: Any) -> Any:
    """Return what a Decimal says about itself; see `about`."""
    return about(text, max_digits=MAX_DIGITS, allow_inf_nan=False, **more)


def own_type(field: FieldInfo) -> Any:
    """Return a field's type with the bounds it has."""
    own: Any = Annotated
    return own[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def said_of(model: type[BaseModel], name: str, key: str) -> Any:
    """Return what a field says about itself under FIXED, UNIT, FIX, SECTION or RARE; None when it says nothing."""
    extra = model.model_fields[name].json_schema_extra
    return extra.get(key) if isinstance(extra, dict) else None


class ReferenceData(BaseModel):
    """What instruments and accounts have in common: frozen, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    def fixed(cls) -> tuple[str, ...]:
        """Return the names of the fields that may not change once there are orders."""
        return tuple(name for name in cls.model_fields if said_of(cls, name, FIXED))

    @classmethod
    def out_of(cls, fields: Mapping[str, Any]) -> Self:
        """Return the terms among the fields of an event or a snapshot; what is not there has its default.

        Raises:
            pydantic.ValidationError: they are not terms.
        """
        return cls.model_validate({name: fields[name] for name in cls.model_fields if name in fields})

    @classmethod
    def rare(cls) -> Mapping[str, Any]:
        """Return the defaults of the fields that are left out where they have them."""
        found = _RARE.get(cls)
        if found is None:
            found = {name: field.default for name, field in cls.model_fields.items() if said_of(cls, name, RARE)}
            _RARE[cls] = found
        return found

    def values(self) -> dict[str, Any]:
        """Return the fields as JSON has them, without the rare ones that have their default."""
        rare, nothing = self.rare(), object()
        said = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: written(value) for name, value in said.items() if value != rare.get(name, nothing)}


class Entered(ReferenceData):
    """Terms that enter an inbox as one entry: a configuration, calendars, how a venue is simulated.

    Attributes:
        NEEDED: what an entry must say; without the rest the defaults count.
        MOST_BYTES: of an entry, None for as many as the log takes.
    """

    NEEDED: ClassVar[tuple[str, ...]] = ()
    MOST_BYTES: ClassVar[int | None] = None

    def to_json(self) -> bytes:
        """Return the canonical JSON: equal terms give equal bytes, however their numbers were written."""
        return canonical_json(self.values())

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Return what `to_json` wrote.

        Raises:
            ValueError: naming the field, its value and the limit.
        """
        if cls.MOST_BYTES is not None and len(data) > cls.MOST_BYTES:
            raise ValueError(f"has {len(data)} bytes, at most {cls.MOST_BYTES} are taken")
        try:
            document = orjson.loads(data)
        except orjson.JSONDecodeError:  # its wording may change with orjson, and a replay must not
            raise ValueError(f"must be JSON, {len(data)} bytes are not") from None
        if not isinstance(document, dict):
            raise ValueError(f"must be a JSON object, got {shorten(document)}")
        for name in cls.NEEDED:
            if name not in document:
                raise ValueError(f"{name}: is missing, a configuration has {' and '.join(cls.NEEDED)}")
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise ValueError(sentences(error, ENTERED_CAUSES)) from None


_RARE: dict[type[ReferenceData], Mapping[str, Any]] = {}
"""What `ReferenceData.rare` found: a configuration may have ten thousand accounts."""


def written(value: Any) -> Any:
    """Return a value as canonical JSON has it: a Decimal as plain text without superfluous zeros, a code as text."""
    match value:
        case Decimal():
            return canonical(value)
        case StrEnum():
            return value.value
        case ReferenceData():
            return value.values()
        case Mapping():
            return {key: written(each) for key, each in value.items()}
        case tuple() if any(isinstance(each, ReferenceData) for each in value):
            return [written(each) for each in value]
        case _:
            return value


def canonical_json(fields: Mapping[str, Any]) -> bytes:
    """Return fields as JSON: equal values give equal bytes, however their numbers were written."""
    return orjson.dumps(written(fields), option=orjson.OPT_SORT_KEYS)
