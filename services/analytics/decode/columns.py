"""Values into Arrow columns, exactly or not at all.

Flows in: text. Flows out: columns of the types in `schema`, and which rows hold what does not fit. Never rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation

import pyarrow as pa
import pyarrow.compute as pc

from fillstream.services.analytics.schema import MONEY_ARROW, MONEY_SCALE, MONEY_WHOLE_DIGITS

SAFE_CHARACTERS = 26
"""Text of so many digits, points and signs casts exactly or fails. Arrow 26 wraps around on more digits than 128 bits
hold ("1" * 28 + "."), and its cast crashes the process on "1e-99999999"."""
_UNIT = Decimal(1).scaleb(-MONEY_SCALE)
_EXACT = Context(prec=MONEY_WHOLE_DIGITS + MONEY_SCALE, traps=[InvalidOperation, Inexact])
LAST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999; a time beyond it is null."""


def fits(value: Decimal) -> bool:
    """Whether a number can be stored to the digit."""
    if not value.is_finite():
        return False
    if not value:
        return True
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int), "finite"
    trailing = 0
    while digits[-1 - trailing] == 0:
        trailing += 1
    return value.adjusted() < MONEY_WHOLE_DIGITS and exponent + trailing >= -MONEY_SCALE


def money(text: pa.Array) -> tuple[pa.Array, list[int]]:
    """Return a column of text as decimals, null where a text does not fit or is no number, and the rows where it isn't.

    Args:
        text: strings and nulls, a whole array (offset 0).
    """
    if _is_safe(text):
        try:
            return text.cast(MONEY_ARROW), []
        except pa.ArrowInvalid:
            pass
    return _one_by_one(text)


def _is_safe(text: pa.Array) -> bool:
    assert text.offset == 0, "the buffer below is the column's own"
    data = text.buffers()[2]
    if data is None or data.size == 0:
        return True
    # Padding zeros and text that is not plain digits take the slow way.
    if data.to_pybytes().translate(None, b"0123456789.-"):
        return False
    return bool(pc.max(pc.binary_length(text)).as_py() <= SAFE_CHARACTERS)


def _one_by_one(text: pa.Array) -> tuple[pa.Array, list[int]]:
    values: list[Decimal | None] = []
    bad = []
    for row, written in enumerate(text.to_pylist()):
        value = None
        if written is not None:
            try:
                value = Decimal(written)
            except InvalidOperation:
                bad.append(row)
            else:
                if fits(value):
                    # Arrow counts the digits of 0E30 and of 1E+25 as if they were written out, and refuses the column.
                    value = value.quantize(_UNIT, context=_EXACT)
                else:
                    bad.append(row)
                    value = None
        values.append(value)
    return pa.array(values, MONEY_ARROW), bad


def times(milliseconds: Sequence[int]) -> pa.Array:
    """Return log milliseconds as times, null where a calendar has no name for them."""
    if milliseconds and max(milliseconds) > LAST_MS:
        milliseconds = [ms if ms <= LAST_MS else None for ms in milliseconds]  # type: ignore[misc]
    return pa.array(milliseconds, pa.int64()).cast(pa.timestamp("ms"))
