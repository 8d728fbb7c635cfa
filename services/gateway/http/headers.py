"""The headers of answers, as the OpenAPI document has them: each is told once, and named by the answers that have it.

Flows in: what an answer is of. Flows out: parts of an OpenAPI document. Never sets a header: who knows its value does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

HEADER: Final = "#/components/headers/"
_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}
HEADERS: Final[Mapping[str, Mapping[str, Any]]] = {
    name: {"description": text, "schema": schema}
    for name, text, schema in (
        ("X-RateLimit-Limit", "calls that the key has in a minute", _COUNT),
        ("X-RateLimit-Remaining", "calls that are left in this minute", _COUNT),
        ("X-RateLimit-Reset", "seconds until the next minute begins", _COUNT),
        ("Retry-After", "seconds after which it is worth asking again", _COUNT),
        ("ETag", "of these rows: `If-None-Match` with it is answered with 304 as long as they are the same", _TEXT),
        ("Cache-Control", "`no-cache`: it may be kept, and is asked for again by its ETag; else `no-store`", _TEXT),
        ("Location", "where the order, or what became of the signal, is asked for", _TEXT),
        ("Idempotent-Replayed", "`true`: it came before, and this is the first one's answer", {"const": "true"}),
        ("WWW-Authenticate", "how a key is shown", _TEXT),
    )
}
"""By name."""
LIMITS: Final = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
LATER: Final = ("429", "503")
JUDGED: Final = ("404", "409", "422")
"""What a signal may be answered with that the desk refuses."""
UNKNOWN_CALLER: Final = "401"


def named_of(method: str, status: str, *, sends: bool) -> list[str]:
    """Return the names of the headers that an answer may have.

    Args:
        method: of its route, in small letters.
        status: of the answer.
        sends: whether its route sends a signal.
    """
    if status == UNKNOWN_CALLER:
        return ["WWW-Authenticate", "Cache-Control"]
    is_done = status.startswith("2")
    found = [*LIMITS, "Cache-Control"]
    if status in LATER:
        found.append("Retry-After")
    if method == "get" and (is_done or status == "304"):
        found.append("ETag")
    if sends and (is_done or status in JUDGED):
        found += ["Location", "Idempotent-Replayed"]
    return found


def described(method: str, status: str, *, sends: bool) -> dict[str, dict[str, str]]:
    """Return the part `headers` of an answer; arguments as of `named_of`."""
    return {name: {"$ref": f"{HEADER}{name}"} for name in named_of(method, status, sends=sends)}
