"""Entries of any stream, as people read them.

Flows in: a stream's name as a person types it, and raw entries. Flows out: keys, and plain dicts. Never fails on what
an entry holds: `tail` is for looking at broken entries too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.topology import KINDS, Topology
from fillstream.libs.common.messages.venue import reporting_venue


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of the desk: its key, its name, and which kind it is."""

    key: str
    name: str
    kind: str


def every_stream(topology: Topology) -> list[Stream]:
    """Return every stream of the desk."""
    return [Stream(topology.key(name), name, kind) for kind in KINDS for name in topology.names(kind)]


def find_streams(name: str, topology: Topology) -> list[Stream]:
    """Return the streams that a person means: of a kind, `events`; of a name, `events.0`, `commands.SIM.0`, or a part
    of it, `commands.0`, every venue's; of a key.

    Raises:
        KeyError: the desk has no such stream.
    """
    known = every_stream(topology)
    kind, *parts = name.split(".")
    found = [stream for stream in known if name == stream.key]
    found = found or [each for each in known if kind == each.kind and {*parts} <= {*each.name.split(".")[1:]}]
    if not found:
        raise KeyError(name)
    return found


def read_entry(kind: str | None, entry_id: str, fields: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Return an entry as a dict: `id`, and its message's fields, its frame's records, or its raw fields as text."""
    shown: dict[str, Any] = {"id": entry_id}
    for name, frame in fields.items():
        if (venue := reporting_venue(name)) is not None:
            return shown | ({"venue": venue} if kind == "orders" else {}) | {"records": _records(kind, frame)}
    if b"data" in fields:
        try:
            message = orjson.loads(fields[b"data"])
        except orjson.JSONDecodeError:
            message = None
        if isinstance(message, dict):
            return shown | message | _texts({name: value for name, value in fields.items() if name != b"data"})
    return shown | _texts(fields)


def _records(kind: str | None, frame: bytes) -> list[dict[str, Any]] | str:
    try:
        return frames.decode(frame, "commands" if kind == "commands" else "reports")
    except ValueError as error:
        return str(error)


def _texts(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    return {text_of(name): text_of(value) for name, value in fields.items()}


def text_of(value: bytes) -> str:
    r"""Return bytes as text, what is not UTF-8 as \xNN."""
    return value.decode(errors="backslashreplace")


def types_of(entry: dict[str, Any]) -> Iterator[str]:
    """Yield the types an entry has: its message's, or those of the records of its frame."""
    records = entry.get("records")
    found = [record.get("MsgType", record.get("ExecType")) for record in records] if isinstance(records, list) else []
    yield from (each for each in [entry.get("type"), *found] if isinstance(each, str))


def lines_of(entry: dict[str, Any]) -> Iterator[str]:
    """Yield an entry as lines of `name=value`: one, or one for each record of a frame."""
    records = entry.get("records")
    if isinstance(records, list):
        for record in records:
            yield _line(record)
    else:
        kind = entry.get("type")
        rest = {name: value for name, value in entry.items() if name not in {"id", "type", "v", "time"}}
        yield f"{kind} {_line(rest)}" if isinstance(kind, str) else _line(rest)


def _line(fields: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={_word(value)}" for name, value in fields.items() if value is not None)


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value if value and " " not in value else f'"{value}"'
    return orjson.dumps(value).decode()
