"""Rows of market data as exact ticks and lots: what every feed and every backtest reads by.

Flows in: a row's texts, and the instruments. Flows out: `Moment`s, and integers for them. Prices become ticks and sizes
lots exactly; what is not a whole tick or lot is refused in a sentence that names the field and the value. Sizes are
rounded down to lots where that is asked for. Never a float, never a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from math import floor
from typing import Any, NamedTuple

from fillstream.demo.market_files import Reading
from fillstream.libs.common.engine.frames import MAX_PRICE, MAX_QTY
from fillstream.libs.common.messages.reference import InstrumentTerms
from fillstream.libs.common.values.money import MAX_DIGITS, Scale
from fillstream.libs.common.values.naming import shorten

MAX_SIZE_CHARACTERS = 400
"""Of a size that is to be rounded: binary floats written out have up to 327 digits before or behind the point."""


class Moment(NamedTuple):
    """One thing that happened on the market.

    Attributes:
        time_ns: when, nanoseconds since 1970 UTC (a synthetic feed counts from 0).
        symbol: of what.
        record: the command that tells the engine, FS_QUOTE or FS_PRINT.
    """

    time_ns: int
    symbol: str
    record: bytes


class Listed:
    """An instrument's terms as a feed needs them: its number, and how its decimals become ticks and lots."""

    __slots__ = ("id", "lots", "negative_prices", "ticks")

    def __init__(self, terms: InstrumentTerms) -> None:
        self.id = terms.id
        self.ticks = Scale(terms.tick_size)
        self.lots = Scale(terms.lot_size)
        self.negative_prices = terms.negative_prices


def listed(instruments: Mapping[str, InstrumentTerms]) -> dict[str, Listed]:
    """Return what feeds need of the settings' instruments, by symbol."""
    return {symbol: Listed(terms) for symbol, terms in instruments.items()}


def field_of(row: Mapping[str, Any], name: str) -> Any:
    """Return what a row says under a name.

    Raises:
        ValueError: nothing.
    """
    value = row.get(name)
    if value is None:
        raise ValueError(f"{name}: is missing")
    return value


def instrument_of(instruments: Mapping[str, Listed], symbol: str) -> Listed:
    """Return the instrument of a symbol.

    Raises:
        ValueError: it is not configured.
    """
    if symbol not in instruments:
        raise ValueError(f"symbol: {symbol} is not configured; instruments.yaml has {', '.join(sorted(instruments))}")
    return instruments[symbol]


def time_ns_of(text: str, field: str) -> int:
    """Return nanoseconds since 1970 as they are written.

    Raises:
        ValueError: they are not digits alone.
    """
    if not (text.isascii() and text.isdigit() and len(text) < MAX_DIGITS):
        raise ValueError(f"{field}: {shorten(text)} is no whole number of nanoseconds since 1970")
    return int(text)


def side_of(one: Listed, row: Mapping[str, Any], price: str, size: str, reading: Reading) -> tuple[int, int]:
    """Return one side of a quote, in ticks and lots; 0 and 0 where rounding leaves no lot of it."""
    told = field_of(row, price)
    lots = size_of(one, field_of(row, size), size, reading)
    # Of a side that is not there, the price says nothing.
    return (price_of(one, told, price), lots) if lots else (0, 0)


def price_of(one: Listed, text: Any, field: str) -> int:
    """Return a price in ticks; a price is never rounded.

    Raises:
        ValueError: it is no whole number of ticks, or none that an engine takes.
    """
    ticks = _exact(one.ticks, text, field)
    if ticks is None:
        raise ValueError(
            f"{field}: {text} is not a whole multiple of tick_size {one.ticks.step}; a price is never rounded "
            "(--round-sizes is about sizes): write it with the digits that the venue gave"
        )
    if abs(ticks) > MAX_PRICE:
        raise ValueError(f"{field}: {text} must be from -{MAX_PRICE} to {MAX_PRICE} ticks of {one.ticks.step}")
    if ticks <= 0 and not one.negative_prices:
        raise ValueError(f"{field}: {text} must be above 0, or the instrument have negative_prices")
    return ticks


def size_of(one: Listed, text: Any, field: str, reading: Reading, least: int = 0) -> int:
    """Return a size in lots, rounded down to whole ones where `reading` says so.

    Raises:
        ValueError: it is no whole number of lots, or none that an engine takes.
    """
    if reading.round_sizes:
        lots: int | None = _rounded_down(one.lots, text_of(text, field), field)
    else:
        lots = _exact(one.lots, text, field)
    if lots is None:
        raise ValueError(
            f"{field}: {text} is not a whole multiple of lot_size {one.lots.step}; --round-sizes rounds sizes down to "
            "whole lots"
        )
    if not (0 if reading.round_sizes else least) <= lots <= MAX_QTY:
        raise ValueError(f"{field}: {text} must be from {least} to {MAX_QTY} lots of {one.lots.step}")
    return lots


def _rounded_down(lots: Scale, text: str, field: str) -> int:
    """Return the whole lots in a size, whatever noise of binary floats is at its end."""
    try:
        size = Decimal(text) if len(text) <= MAX_SIZE_CHARACTERS else None
    except InvalidOperation:
        size = None
    if size is None or not size.is_finite() or size < 0 or size.adjusted() > MAX_DIGITS:
        raise ValueError(
            f"{field}: {shorten(text)} is no size: a number of at most {MAX_DIGITS} digits before the point"
        )
    return floor(Fraction(size) / Fraction(lots.step))


def text_of(value: Any, field: str) -> str:
    """Return a number's text.

    Raises:
        ValueError: it is no text: digits may be lost already.
    """
    if not isinstance(value, str):
        raise ValueError(f"{field}: {shorten(value)} must be text: a number of JSON may have lost digits already")
    return value


def units_of(scale: Scale, text: str, field: str) -> int:
    """Return a decimal's text in whole units of a scale.

    Raises:
        ValueError: it is no whole number of them.
    """
    units = scale.units(text)
    if units is None:
        raise ValueError(f"{field}: {text} is not a whole multiple of {scale!r}")
    return units


def _exact(scale: Scale, value: Any, field: str) -> int | None:
    """Return a number's text in units of a scale; the zeros that venues fill it up with make reading it slow."""
    text = text_of(value, field)
    if text[-1:] == "0" and "." in text and len(text) <= MAX_DIGITS:
        text = text.rstrip("0")
    try:
        return scale.units(text)
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None
