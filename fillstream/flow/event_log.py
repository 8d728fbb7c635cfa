"""FlowManager's event log: what a strategy wants, a JSON object a line.

    {"Event" : "LogPosition"}
    {"Event" : "Target", "Symbol" : "AAPL", "Target" : 80}
    {"Event" : "Wait", "Seconds" : 4}

Flows in: lines, and the instruments. Flows out: events, exact. Blank lines and those that begin with # are passed over.
What is wrong is refused with its line, before anything of a log is done. Never a float, never a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from fillstream.demo.market_numbers import Listed
from fillstream.libs.common.values.money import parse
from fillstream.libs.common.values.naming import shorten

MAX_LINE = 10_000
"""Characters of a line."""
MAX_WAIT_S = 86_400
"""The longest wait: a day."""
MAX_EVENTS = 1_000_000
FIELDS = {"Target": ("Event", "Symbol", "Target"), "Wait": ("Event", "Seconds"), "LogPosition": ("Event",)}
"""What a line of each event has, all of it."""
KINDS = "Target, Wait or LogPosition"


class EventLogError(ValueError):
    """A line cannot be used: says which, what stands there, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Target:
    """A position is to be held.

    Attributes:
        line: where it stands, from 1.
        symbol: of what.
        target: the signed quantity: long positive, short negative, 0 flat.
    """

    line: int
    symbol: str
    target: Decimal


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes.

    Attributes:
        line: where it stands, from 1.
        ms: how much, in milliseconds.
    """

    line: int
    ms: int


@dataclass(frozen=True, slots=True)
class LogPosition:
    """The state is to be told.

    Attributes:
        line: where it stands, from 1.
    """

    line: int


Event = Target | Wait | LogPosition


class _Digits(str):
    """A number as it is written: neither rounded nor of any length Python likes."""

    __slots__ = ()


def read_events(lines: Iterable[str | bytes], instruments: Mapping[str, Listed]) -> list[Event]:
    """Return the events of a log; lines of bytes are UTF-8.

    Raises:
        EventLogError: a line cannot be used, or there are too many.
    """
    events: list[Event] = []
    for number, line in enumerate(lines, start=1):
        text = _text(number, line).removeprefix("\ufeff").strip()
        if not text or text.startswith("#"):
            continue
        if len(events) == MAX_EVENTS:
            raise EventLogError(f"line {number}: a log has at most {MAX_EVENTS} events")
        try:
            events.append(_event(number, text, instruments))
        except ValueError as error:
            raise EventLogError(f"line {number}: {error}") from None
    return events


def check_lots(one: Listed, symbol: str, target: Decimal, field: str) -> None:
    """Check that a target is one that an instrument may have.

    Raises:
        ValueError: it is no whole number of lots, or has too many digits; the sentence names the field.
    """
    try:
        lots = one.lots.units(format(abs(target), "f"))
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None
    if lots is None:
        raise ValueError(f"{field}: {target} must be a whole multiple of lot_size {one.lots.step} of {symbol}")


def _text(number: int, line: str | bytes) -> str:
    if isinstance(line, str):
        return line
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        wrong = f"byte {error.start + 1} is 0x{line[error.start]:02x}"
        raise EventLogError(f"line {number}: is no UTF-8: {wrong}") from None


def _event(number: int, text: str, instruments: Mapping[str, Listed]) -> Event:
    row = _object(text)
    kind = row.get("Event")
    if not isinstance(kind, str) or isinstance(kind, _Digits) or kind not in FIELDS:
        said = "is missing" if "Event" not in row else f"{_shown(kind)} is not known"
        raise ValueError(f"Event: {said}; it must be {KINDS}")
    for name in FIELDS[kind]:
        if name not in row:
            raise ValueError(f"{name}: is missing; {kind} has {', '.join(FIELDS[kind])}")
    for name in row:
        if name not in FIELDS[kind]:
            raise ValueError(f"{shorten(name)}: is not known; {kind} has {', '.join(FIELDS[kind])}")
    if kind == "Target":
        return _target(number, row, instruments)
    return Wait(number, _wait_ms(row)) if kind == "Wait" else LogPosition(number)


def _object(text: str) -> dict[str, Any]:
    if len(text) > MAX_LINE:
        raise ValueError(f"has {len(text)} characters; at most {MAX_LINE} are allowed")
    try:
        row = json.loads(
            text, parse_int=_Digits, parse_float=_Digits, parse_constant=_no_number, object_pairs_hook=_once
        )
    except json.JSONDecodeError as error:
        said = f"{shorten(text)} is no JSON ({error.msg} at character {error.pos + 1})"
        raise ValueError(f'{said}; a line is an object, as {{"Event": "Wait", "Seconds": 4}}') from None
    except RecursionError:
        raise ValueError("is nested too deeply; a line is an object without others in it") from None
    if not isinstance(row, dict):
        raise ValueError(f'{shorten(text)} is no object, as {{"Event": "Wait", "Seconds": 4}}')
    return row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in pairs:
        if name in row:
            raise ValueError(f"{shorten(name)}: is there twice; it must be there once")
        row[name] = value
    return row


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number; a decimal number is allowed, as 80 or -0.5")


def _shown(value: Any) -> str:
    """Return a value as the line has it, shortened."""
    return shorten(str(value)) if isinstance(value, str) else shorten(json.dumps(value))


def _number(row: Mapping[str, Any], name: str) -> Decimal:
    value = row[name]
    if not isinstance(value, _Digits):
        raise ValueError(f"{name}: {_shown(value)} must be a number, without quotation marks")
    try:
        return parse(str(value))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _target(number: int, row: Mapping[str, Any], instruments: Mapping[str, Listed]) -> Target:
    symbol = row["Symbol"]
    if not isinstance(symbol, str) or isinstance(symbol, _Digits) or symbol not in instruments:
        known = ", ".join(sorted(instruments))
        raise ValueError(f"Symbol: {_shown(symbol)} is not configured; instruments.yaml has {known}")
    target = _number(row, "Target")
    check_lots(instruments[symbol], symbol, target, "Target")
    return Target(number, symbol, target)


def _wait_ms(row: Mapping[str, Any]) -> int:
    seconds = _number(row, "Seconds")
    if not 0 <= seconds <= MAX_WAIT_S:
        raise ValueError(f"Seconds: {seconds} must be from 0 to {MAX_WAIT_S}")
    if (ms := seconds * 1000) != int(ms):
        raise ValueError(f"Seconds: {seconds} must be whole milliseconds: at most three decimals")
    return int(ms)
