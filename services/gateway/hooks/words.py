"""What every kind of alert has in common: exact numbers, plain values, what was read.

Flows in: values as they were posted. Flows out: the same, exact; a `Refusal`. Never rounds, and never guesses a name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.http.problems import Refusal

MAX_DIGITS: Final = 60
"""Characters of a number."""

_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Read:
    """A signal as an alert says it, before the hook's own words are added.

    Attributes:
        fields: of the signal, `type` among them.
        identity: by what the alert is known again when it is posted again; None: each post is a signal of its own.
        exchange: that the sender says a symbol is of.
        label: what a sentence about it begins with.
        time: when it was made, as it says; None: it does not.
    """

    fields: dict[str, Any]
    identity: tuple[str, ...] | None = None
    exchange: str | None = None
    label: str = ""
    time: str | None = None


def refused(detail: str) -> Refusal:
    """Return the refusal of what an alert says."""
    return Refusal(422, "bad_alert", detail)


def number(field: str, value: Any) -> Decimal:
    """Return a number, every digit of it.

    Raises:
        Refusal: it is none, is endless, or has more than 60 characters.
    """
    written = str(value).strip() if isinstance(value, str | Decimal) else ""
    if len(written) > MAX_DIGITS or not _NUMBER.fullmatch(written):
        raise refused(f"{field}: {shorten(value)} must be a decimal number of at most {MAX_DIGITS} characters")
    return Decimal(written)


def plain(field: str, value: Any) -> str:
    """Return a value's text.

    Raises:
        Refusal: it is an object, a list, true or false.
    """
    if not isinstance(value, str | Decimal):
        raise refused(f"{field}: {shorten(value)} must be text or a number")
    return str(value).strip()
