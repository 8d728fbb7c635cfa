"""Bodies, read exactly: a JSON number is the decimal that was written, never a float.

Flows in: requests. Flows out: decoded values; a `Refusal` for what is no JSON, or too much of it. Never judges a field.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request

from fillstream.libs.common.messages.codes import MAX_SIGNAL_BYTES
from fillstream.libs.common.messages.wire import DuplicateKey, unique
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.http.problems import Refusal

MAX_BODY_BYTES: Final = MAX_SIGNAL_BYTES
MAX_BATCH_BYTES: Final = 4 * 1024 * 1024
"""Of a thousand orders that say all they can."""
MAX_VALUES: Final = 60_000
"""In a body: a thousand orders that say sixty things each."""
TYPES: Final = ("application/json", "")
"""What a body may be; a browser's form is none, so no other site's page can send one."""


async def body_of(request: Request, most: int = MAX_BODY_BYTES) -> bytes:
    """Return a request's body.

    Raises:
        Refusal: it is larger than that, or the connection ended within it.
    """
    found = bytearray()
    try:
        async for part in request.stream():
            found += part
            if len(found) > most:
                raise Refusal(413, "too_large", f"body: more than {most} bytes")
    except ClientDisconnect:
        raise Refusal(400, "bad_json", "body: the connection ended within it") from None
    return bytes(found)


async def object_of(request: Request, most: int = MAX_BODY_BYTES) -> dict[str, Any]:
    """Return the JSON object of a request's body; an empty body is an empty object.

    Raises:
        Refusal: it is none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in TYPES:
        raise Refusal(415, "bad_content_type", f"content-type: {shorten(kind)} must be application/json")
    packed = request.headers.get("content-encoding", "identity").strip().lower()
    if packed not in ("", "identity"):
        raise Refusal(415, "bad_content_encoding", f"content-encoding: {shorten(packed)} is not read; send it as it is")
    raw = await body_of(request, most)
    if not raw.strip():
        return {}
    found = decoded(raw)
    if not isinstance(found, dict):
        raise Refusal(400, "not_an_object", f"body: {shorten(found)} must be a JSON object")
    return found


def decoded(raw: bytes) -> Any:
    """Return what a JSON document says; numbers as Decimal.

    Raises:
        Refusal: it is none, is nested too deeply, or names a field twice.
    """
    if raw.count(b",") > MAX_VALUES:
        raise Refusal(413, "too_large", f"body: more than {MAX_VALUES} values")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        told = f"body: byte 0x{raw[error.start]:02x} at offset {error.start} is not UTF-8 text"
        raise Refusal(400, "bad_utf8", told) from None
    try:
        return _DECODER.decode(text)
    except DuplicateKey as error:
        raise Refusal(400, "duplicate_key", f"body: {shorten(error.args[0])} is there more than once") from None
    except RecursionError:
        raise Refusal(400, "nested_too_deeply", "body: objects and lists are nested too deeply") from None
    except (json.JSONDecodeError, InvalidOperation):
        raise Refusal(400, "bad_json", f"body: {shorten(text)} is not one JSON document") from None


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal, object_pairs_hook=unique)
