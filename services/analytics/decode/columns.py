"""Values into Arrow columns, exactly or not at all.

Flows in: text. Flows out: columns of the types in `schema`, and which rows hold what does not fit. Never rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation

import pyarrow as pa
import pyarrow.compute as pc

from fillstream.services.analytics.numbers import PRECISION

_EXACT = Context(prec=PRECISION, traps=[InvalidOperation, Inexact])
LAST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999; a time beyond it is null."""


def fits(value: Decimal, scale: int) -> bool:
    """Whether a number can be stored to the digit in a column of so many decimals."""
    if not value.is_finite():
        return False
    if not value:
        return True
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int), "finite"
    trailing = 0
    while digits[-1 - trailing] == 0:
        trailing += 1
    return value.adjusted() < PRECISION - scale and exponent + trailing >= -scale


def numbers(text: pa.Array, scale: int) -> tuple[pa.Array, list[int]]:
    """Return a column of text as decimals, null where a text does not fit or is no number, and the rows where it isn't.

    Args:
        text: strings and nulls, a whole array (offset 0).
        scale: the column's decimals.
    """
    if _is_safe(text, scale):
        try:
            return text.cast(pa.decimal128(PRECISION, scale)), []
        except pa.ArrowInvalid:
            pass
    return _one_by_one(text, scale)


def _is_safe(text: pa.Array, scale: int) -> bool:
    """Whether Arrow casts the column exactly or fails.

    Text of as many digits, points and signs as digits may stand before the point does. Arrow 26 wraps around on more
    digits than 128 bits hold ("1" * 28 + "." at 12 decimals), and its cast crashes the process on "1e-99999999".
    """
    assert text.offset == 0, "the buffer below is the column's own"
    data = text.buffers()[2]
    if data is None or data.size == 0:
        return True
    # Padding zeros and text that is not plain digits take the slow way.
    if data.to_pybytes().translate(None, b"0123456789.-"):
        return False
    return bool(pc.max(pc.binary_length(text)).as_py() <= PRECISION - scale)


def _one_by_one(text: pa.Array, scale: int) -> tuple[pa.Array, list[int]]:
    unit = Decimal(1).scaleb(-scale)
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
                if fits(value, scale):
                    # Arrow counts the digits of 0E30 and of 1E+25 as if they were written out, and refuses the column.
                    value = value.quantize(unit, context=_EXACT)
                else:
                    bad.append(row)
                    value = None
        values.append(value)
    return pa.array(values, pa.decimal128(PRECISION, scale)), bad


def times(milliseconds: Sequence[int]) -> pa.Array:
    """Return log milliseconds as times, null where a calendar has no name for them."""
    if milliseconds and max(milliseconds) > LAST_MS:
        milliseconds = [ms if ms <= LAST_MS else None for ms in milliseconds]  # type: ignore[misc]
    return pa.array(milliseconds, pa.int64()).cast(pa.timestamp("ms")).cast(pa.timestamp("us"))
