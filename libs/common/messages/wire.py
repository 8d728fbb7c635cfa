"""What clients put into `signals`, made into one flat dict, and the encoder that clients use.

Flows in: the raw fields of a stream entry. Flows out: a dict from field name to the value as written: a str, a
Decimal for every JSON number, a bool or None. Never judges a name or a value (that is the contract's part), never
makes a float, and never ends in anything but a dict or `BadEntry`, whatever the bytes are.

The accepted shapes:

- flat fields: `XADD signals * symbol AAPL side BUY quantity 100`;
- one JSON document in `data` or `__data__`;
- FastStream's binary message under `__data__` (BinaryMessageFormatV1 of 0.7: the magic, u16 version, u32 where the
  headers start, u32 where the body starts, u16 count of headers, the headers, the body; big endian), its body one
  JSON document. Its headers are never read: FastStream itself writes a wrong length for those outside ASCII;
- FastStream's older JSON message, `{"data": "<document>", "headers": {...}}`.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import MAX_SIGNAL_BYTES
from fillstream.libs.common.values.naming import shorten

DOCUMENT_FIELDS = (b"data", b"__data__")
MAX_OPENINGS = 32
"""A document may open no more objects and lists than this (a signal opens one, FastStream's message two)."""

FASTSTREAM_MAGIC = b"\x89BIN\r\n\x1a\n"
FASTSTREAM_VERSION = 1
_ENVELOPE = struct.Struct(">8sHIIH")

# Possessive, so that hostile quotes cost linear time; the closing quote is optional for the same reason.
_STRINGS = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def encode_signal(signal: Mapping[str, Any]) -> dict[str, str]:
    """Return the flat fields to XADD for a signal; None is left out, a float goes as the digits Python prints.

    Raises:
        TypeError: a value is neither text nor a number nor a truth.
    """
    fields = {}
    for name, value in signal.items():
        if value is None:
            continue
        if not isinstance(value, str | int | float | Decimal):
            raise TypeError(f"{name}: {shorten(value)} must be text, a number, true or false")
        fields[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return fields


def decode(fields: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Return a signal's fields by name.

    Args:
        fields: as Redis has them, at most MAX_SIGNAL_BYTES in all.

    Raises:
        BadEntry: too_large, bad_utf8, mixed_shapes, bad_envelope, bad_json, nested_too_deeply, not_an_object
            or duplicate_key.
    """
    size = sum(map(len, fields)) + sum(map(len, fields.values()))
    if size > MAX_SIGNAL_BYTES:
        raise BadEntry("too_large", f"signal: {size} bytes, a signal has at most {MAX_SIGNAL_BYTES}")
    for name in DOCUMENT_FIELDS:
        if name in fields:
            if len(fields) > 1:
                other = next(other for other in fields if other != name)
                raise BadEntry(
                    "mixed_shapes",
                    f"{name.decode()}: a document stands alone, this entry also has the field "
                    f"{shorten(other.decode('utf-8', 'backslashreplace'))}",
                )
            return _document(name.decode(), fields[name])
    try:
        return {name.decode(): value.decode() for name, value in fields.items()}
    except UnicodeDecodeError:
        raise _broken_text(fields) from None


def _broken_text(fields: Mapping[bytes, bytes]) -> BadEntry:
    for name, value in fields.items():
        label = name.decode("utf-8", "backslashreplace")
        for part, raw in (("name", name), ("value", value)):
            try:
                raw.decode()
            except UnicodeDecodeError as error:
                return _not_utf8(f"{shorten(label)}, its {part}", raw, error)
    raise AssertionError("called for fields that are all UTF-8")


def _not_utf8(label: str, raw: bytes, error: UnicodeDecodeError) -> BadEntry:
    return BadEntry("bad_utf8", f"{label}: byte 0x{raw[error.start]:02x} at offset {error.start} is not UTF-8 text")


def _document(name: str, raw: bytes) -> dict[str, Any]:
    if raw.startswith(FASTSTREAM_MAGIC):
        raw = _body(name, raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(name, raw, error) from None
    signal = _parse(name, text)
    inner = signal.get("data")
    if isinstance(inner, str) and signal.keys() <= {"data", "headers"}:
        return _parse(name, inner)
    return signal


def _body(name: str, raw: bytes) -> bytes:
    if len(raw) < _ENVELOPE.size:
        raise BadEntry(
            "bad_envelope",
            f"{name}: {len(raw)} bytes, a FastStream message has a head of {_ENVELOPE.size}",
        )
    _, version, _, start, _ = _ENVELOPE.unpack_from(raw)
    if version != FASTSTREAM_VERSION:
        raise BadEntry("bad_envelope", f"{name}: FastStream message version {version} must be {FASTSTREAM_VERSION}")
    if not _ENVELOPE.size <= start <= len(raw):
        raise BadEntry(
            "bad_envelope",
            f"{name}: body at offset {start}, must be {_ENVELOPE.size} to {len(raw)} (the message's length)",
        )
    return raw[start:]


def _parse(name: str, text: str) -> dict[str, Any]:
    # Counted before parsing: Python's own limit depends on how deep the caller's stack is, and a replay must decide
    # alike. The first count includes brackets in strings and is nearly free.
    if text.count("{") + text.count("[") > MAX_OPENINGS:
        bare = _STRINGS.sub("", text)
        openings = bare.count("{") + bare.count("[")
        if openings > MAX_OPENINGS:
            raise BadEntry(
                "nested_too_deeply",
                f"{name}: {openings} objects and lists, a document has at most {MAX_OPENINGS}",
            )
    try:
        value = _load(text)
    except DuplicateKey as error:
        raise BadEntry("duplicate_key", f"{name}: {shorten(error.args[0])} is there more than once") from None
    except json.JSONDecodeError:
        # Python's own message and position differ between its versions; a replay's dead letters must not.
        raise BadEntry("bad_json", f"{name}: {shorten(text)} is not one JSON document") from None
    if not isinstance(value, dict):
        raise BadEntry("not_an_object", f"{name}: {shorten(value)} must be a JSON object")
    return value


class DuplicateKey(Exception):
    """An object of a document has a name twice."""


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's names and values, as a decoder's `object_pairs_hook`.

    Raises:
        DuplicateKey: a name is there more than once.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise DuplicateKey(name)
            seen.add(name)
    return found


def _decimal_or_text(token: str) -> Decimal | str:
    """Return a number, or its text when its exponent is beyond what Decimal holds: the contract refuses either."""
    try:
        return Decimal(token)
    except InvalidOperation:
        return token


# NaN and Infinity become decimals too, so that the refusal can name the field they stand in.
_exact = json.JSONDecoder(parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal, object_pairs_hook=unique)
_tolerant = json.JSONDecoder(
    parse_float=_decimal_or_text, parse_int=_decimal_or_text, parse_constant=Decimal, object_pairs_hook=unique
)


def _load(text: str) -> Any:
    try:
        return _exact.decode(text)
    except InvalidOperation:
        return _tolerant.decode(text)
