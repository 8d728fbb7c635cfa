"""An expression over named values, checked as it is read and evaluated as often as wanted, the same on every machine.

Flows in: a text, and what each name has, by kind. Flows out: a flag, a number or a text; or a sentence about what is
wrong with it. Never uses a float or a clock, never calls anything: the grammar is rule-engine's (comparisons, and, or,
not, + - * / %, in, ?:, null) without its built-in functions, regular expressions, powers and shifts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Context, Decimal, localcontext
from enum import StrEnum
from functools import cache
from typing import Any

from fillstream.libs.common.values.naming import shorten

MAX_CHARACTERS = 2_000
_CONTEXT = Context(prec=34)
_STRINGS = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'')
_REFUSED = {"$": "functions", "=~": "regular expressions", "!~": "regular expressions", "**": "powers", "<<": "shifts",
            ">>": "shifts"}  # fmt: skip
_WORDS = {"for": "loops", "inf": "numbers without end", "nan": "numbers that are none"}
"""Parts of the grammar that a fold does without: they may take any time or room, or look at a clock."""
MOST_NESTED = 150
"""So many operators, of those that may be within one another, and lists: each takes room as it is evaluated."""
_NESTED = re.compile(r"[-+*/%?&\[{]|\b(?:and|or|not)\b")
MAX_EXPONENT = 100
"""What an expression comes to is below ten to the power of it."""


class Kind(StrEnum):
    """What a value is. Each may be missing, too: then what asks about it comes to nothing."""

    NUMBER = "a number"
    TEXT = "a text"
    FLAG = "true or false"


Schema = Mapping[str, Mapping[str, Kind]]
"""By name, the fields that it has."""
Value = Decimal | str | bool | None


class _Missing(Exception):
    """A value that is asked about is not there."""


class Wrong(ValueError):
    """An expression cannot be read, or not be evaluated; a sentence."""


class Expression:
    """A text that was read.

    Args:
        text: what was written.
        schema: the names that it may use.

    Raises:
        Wrong: it says something else than what can be evaluated.
    """

    __slots__ = ("_rule", "kind", "names", "text")

    def __init__(self, text: str, schema: Schema) -> None:
        self.text = text
        if len(text) > MAX_CHARACTERS:
            raise Wrong(f"has {len(text)} characters, at most {MAX_CHARACTERS} are taken")
        bare = _STRINGS.sub('""', text)
        for part, what in _REFUSED.items():
            if part in bare:
                raise Wrong(f"{shorten(text)} has {part}: {what} are not taken here")
        for word, what in _WORDS.items():
            if re.search(rf"\b{word}\b", bare):
                raise Wrong(f"{shorten(text)} has {word}: {what} are not taken here")
        nested = len(_NESTED.findall(bare))
        if nested > MOST_NESTED:
            raise Wrong(f"{shorten(text)} has {nested} operators and lists, at most {MOST_NESTED} are taken")
        library = _library()
        try:
            with localcontext(_CONTEXT):  # what is constant is counted here
                self._rule = library.Rule(text, context=_context(schema))
        except library.errors.RuleSyntaxError:
            raise Wrong(f"{shorten(text)} is no expression") from None
        except library.errors.SymbolResolutionError as error:
            raise Wrong(f"{shorten(text)}: {error.symbol_name} is none of {', '.join(schema)}") from None
        except library.errors.AttributeResolutionError as error:
            raise Wrong(f"{shorten(text)}: {error.attribute_name} is no field of what is before it") from None
        except library.errors.EngineError as error:
            raise Wrong(f"{shorten(text)}: {error.message}") from None
        except ArithmeticError:
            raise Wrong(f"{shorten(text)}: no number comes of it") from None
        self.names = frozenset(name for name in schema if re.search(rf"\b{name}&?\.", bare))
        self.kind = _KINDS.get(self._rule.statement.expression.result_type.name)

    def evaluate(self, values: Mapping[str, Mapping[str, Value]]) -> Value:
        """Return what it comes to; None where a value that it asks about is missing.

        Raises:
            Wrong: it cannot be evaluated with these: a division by 0.
        """
        library = _library()
        try:
            with localcontext(_CONTEXT):
                found = self._rule.evaluate(values)
        except _Missing:
            return None
        except (library.errors.EngineError, ArithmeticError) as error:
            said = getattr(error, "message", "") or "no number comes of it"
            raise Wrong(f"{shorten(self.text)}: {said}") from None
        if isinstance(found, Decimal) and found.adjusted() >= MAX_EXPONENT:
            raise Wrong(f"{shorten(self.text)}: comes to a number of {found.adjusted() + 1} digits")
        if found is None or isinstance(found, bool | str | Decimal):
            return found
        raise Wrong(f"{shorten(self.text)}: comes to something that is no number, text, true or false")


_KINDS = {"FLOAT": Kind.NUMBER, "STRING": Kind.TEXT, "BOOLEAN": Kind.FLAG}


def _value_of(values: Mapping[str, Value], name: str) -> Value:
    value = values.get(name)
    if value is None:
        raise _Missing
    return value


def _library() -> Any:
    # Most desks have no rules, and start without it. It has no types of its own.
    import rule_engine  # type: ignore[import-untyped]  # noqa: PLC0415

    return rule_engine


def _context(schema: Schema) -> Any:
    return _made(tuple((name, tuple(sorted(fields.items()))) for name, fields in sorted(schema.items())))


@cache
def _made(schema: tuple[tuple[str, tuple[tuple[str, Kind], ...]], ...]) -> Any:
    library = _library()
    types = library.DataType
    of_kind = {Kind.NUMBER: types.FLOAT, Kind.TEXT: types.STRING, Kind.FLAG: types.BOOLEAN}
    return library.Context(
        type_resolver={
            name: types.OBJECT(
                name,
                attributes={field: of_kind[kind] for field, kind in fields},
                accessor=_value_of,
            )
            for name, fields in schema
        },
        decimal_context=_CONTEXT,
        default_timezone="utc",
    )
