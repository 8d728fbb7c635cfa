"""What pydantic refused, in our own sentences: the field, the value, the rule with its limit.

Flows in: pydantic's errors. Flows out: text. Never uses pydantic's wording, only its codes and limits: a dead letter's
text is a part of the log, and the same log folded with another version of pydantic gives the same bytes.

A validator of ours says the rule alone ("must be a decimal number"), and one of a whole model begins with the field it
is about ("price: a LIMIT order needs one"); the value is put before the first, by whoever may show it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from fillstream.libs.common.values.naming import NAME, shorten

MOST_CAUSES = 10
"""A refusal names so many things that are wrong; a signal of 64 KiB may have thousands."""

_NAME = re.compile(NAME)
FIELD = re.compile(r"(\S+): ")
"""How the sentence of a whole model's validator begins."""
_WITHOUT_VALUE = frozenset({"missing", "extra_forbidden", "json_invalid", "union_tag_invalid", "union_tag_not_found"})
"""What is wrong is not a value of this field's: there is none, or too many."""


def rule(code: str, limits: Mapping[str, Any]) -> str:
    """Return what a value must be.

    Args:
        code: pydantic's, `greater_than`.
        limits: what pydantic says with it (`ctx`), `{"gt": 0}`.
    """
    match code:
        case "value_error":
            return str(limits["error"])
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is no field here"
        case "enum" | "literal_error":
            return f"must be {str(limits['expected']).replace(chr(39), '')}"
        case "string_pattern_mismatch":
            return f"must match {limits['pattern']}"
        case "string_type":
            return "must be a string"
        case "string_too_short":
            return f"must have at least {limits['min_length']} characters"
        case "string_too_long":
            return f"must have at most {limits['max_length']} characters"
        case "too_short":
            return f"must have at least {limits['min_length']} in it"
        case "too_long":
            return f"must have at most {limits['max_length']} in it"
        case "string_unicode":
            return "must be text without lone surrogates"
        case "greater_than":
            return f"must be above {limits['gt']}"
        case "greater_than_equal":
            return f"must be at least {limits['ge']}"
        case "less_than":
            return f"must be below {limits['lt']}"
        case "less_than_equal":
            return f"must be at most {limits['le']}"
        case "decimal_max_digits":
            return f"has too many digits, at most {limits['max_digits']}"
        case "finite_number":
            return "must be a finite number"
        case "decimal_parsing" | "decimal_type":
            return "must be a decimal number"
        case "int_parsing" | "int_type" | "int_from_float" | "int_parsing_size":
            return "must be a whole number"
        case "bool_parsing" | "bool_type":
            return "must be true or false"
        case "model_type" | "model_attributes_type" | "dict_type" | "mapping_type":
            return "must be a mapping of keys to values"
        case "list_type" | "tuple_type":
            return "must be a list"
        case "json_invalid":
            return "must be one JSON document"
        case "union_tag_invalid":
            return f"type {shorten(limits['tag'])} must be one of {limits['expected_tags'].replace(chr(39), '')}"
        case "union_tag_not_found":
            return "type is missing"
    return f"is not valid ({code})"


def place(loc: tuple[int | str, ...]) -> str:
    """Return where a value stands as people write it, `accounts.alpha.id`; what is no name is quoted, and short."""
    parts = (str(part) for part in loc if part != "[key]")
    return ".".join(part if _NAME.fullmatch(part) else shorten(part) for part in parts)


def sentence(error: Mapping[str, Any]) -> str:
    """Return one error of `ValidationError.errors()` as a sentence."""
    where, code = place(error["loc"]), error["type"]
    said = rule(code, error.get("ctx", {}))
    if code == "value_error" and FIELD.match(said):
        return f"{where}.{said}" if where else said
    if code not in _WITHOUT_VALUE:
        said = f"{shorten(error['input'])} {said}"
    return f"{where}: {said}" if where else said


def sentences(error: ValidationError, most: int = MOST_CAUSES) -> str:
    """Return everything that is wrong in one text: at most `most` causes, and how many more there are."""
    errors = error.errors(include_url=False)
    text = "; ".join(sentence(each) for each in errors[:most])
    return text if len(errors) <= most else f"{text}; and {len(errors) - most} more"
