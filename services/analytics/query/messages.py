"""The messages of a stream as JSON again, out of their columns: for whoever has to fold what the log has no more.

Flows in: a stream and a range of its numbers. Flows out: ids of entries, each with its message, in the stream's order.
Never makes up a message: one that its table has in part is told as it came, by `undecodable`, or not at all.

A message is what its columns hold, so it says what it said: every field, every number to the digit. How a number was
written is not kept: `150.30` comes back as `150.3`. Fields stand in the order of the contract. What is null stands
there where the contract asks for it, and is left out where its writer leaves it out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import orjson

from fillstream.libs.common.messages.base import Message
from fillstream.libs.common.messages.dead import DeadLetter
from fillstream.libs.common.messages.journal import EVENTS
from fillstream.libs.common.messages.positions import POSITION_MESSAGES
from fillstream.libs.common.messages.terms import ReferenceData, written
from fillstream.libs.common.messages.topology import id_key
from fillstream.services.analytics.decode.entries import DATA
from fillstream.services.analytics.numbers import Scales
from fillstream.services.analytics.query.api import Queries, QueryError
from fillstream.services.analytics.schema import DEAD_TABLE, EVENTS_TABLE, POSITIONS_TABLE, TIME, Column, Table
from fillstream.services.analytics.sinks.store import Store

MAX_MESSAGES: Final = 20_000
"""In an answer: some 10 MB."""
SEQ: Final[str] = "seq"
HEAD: Final[tuple[str, ...]] = ("type", "v", SEQ)
"""Stands first, as the hot path writes it and readers expect it."""
_WHOLE: Final = re.compile(r"\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Told:
    """A kind of stream whose messages can be told again: its table, and its messages by type."""

    table: Table
    models: Mapping[str, type[Message]]


TOLD: Final[Mapping[str, Told]] = {
    "events": Told(EVENTS_TABLE, EVENTS),
    "positions": Told(POSITIONS_TABLE, POSITION_MESSAGES),
    "dead": Told(DEAD_TABLE, {"DeadLetter": DeadLetter}),
}
"""By the kind of the stream."""


@dataclass(frozen=True, slots=True)
class Range:
    """What is asked for.

    Attributes:
        stream: its key.
        after: the number, or of dead letters the place among them, behind which it begins.
        upto: the last number that is asked for; None for all there are.
        limit: messages at most.
    """

    stream: str
    after: int
    upto: int | None
    limit: int


def asked_of(parameters: Mapping[str, list[str]], streams: Collection[str]) -> Range:
    """Return what a request asks for: `stream`, `after`, `upto`, `limit`.

    Args:
        parameters: as they came.
        streams: keys of those that can be asked for.

    Raises:
        QueryError: 400.
    """
    found = {name: given[-1] for name, given in parameters.items()}
    if unknown := found.keys() - {"stream", "after", "upto", "limit"}:
        raise QueryError(400, f"{min(unknown)[:40]}: no such parameter; there are stream, after, upto, limit")
    stream = found.pop("stream", "")
    if stream not in streams:
        raise QueryError(400, f"stream: {stream[:40] or 'nothing'} must be one of {', '.join(sorted(streams))}")
    for name, text in found.items():
        if not _WHOLE.fullmatch(text):
            raise QueryError(400, f"{name}: {text[:40]} is not a whole number")
    limit = int(found.get("limit", MAX_MESSAGES))
    if not 1 <= limit <= MAX_MESSAGES:
        raise QueryError(400, f"limit: {limit} is not between 1 and {MAX_MESSAGES}")
    upto = found.get("upto")
    return Range(stream, int(found.get("after", 0)), None if upto is None else int(upto), limit)


class Log:
    """Tells messages again, a page at a time.

    Args:
        queries: answers.
        store: whose rows they are.
        streams: the kind of each stream, by key.
    """

    def __init__(self, queries: Queries, store: Store, streams: Mapping[str, str]) -> None:
        self._queries = queries
        self._store = store
        self._kinds = {stream: kind for stream, kind in streams.items() if kind in TOLD}

    def page(self, parameters: Mapping[str, list[str]]) -> bytes:
        """Return lines: the first says whose desk's they are, in JSON; each other has an entry's id and its message.

        Args:
            parameters: of the request, see `asked_of`.

        Raises:
            QueryError: 400 refused, or as `Queries.select`.
        """
        asked = asked_of(parameters, self._kinds)
        found = messages(self._queries, self._store.scales, self._kinds[asked.stream], asked)
        head = orjson.dumps({"desk": self._store.desk}).decode()
        return "\n".join((head, *(f"{entry_id} {text}" for entry_id, text in found), "")).encode()


def messages(queries: Queries, scales: Scales, kind: str, asked: Range) -> list[tuple[str, str]]:
    """Return entries' ids and their messages, in the stream's order.

    Raises:
        QueryError: as `Queries.select`.
    """
    told = TOLD[kind]
    if SEQ not in {column.name for column in told.table.columns}:
        query = (
            f"{_select(kind, tuple(told.models), scales)} WHERE log_stream = ? ORDER BY {_ID_ORDER} LIMIT ? OFFSET ?"
        )
        return _found(queries, query, [asked.stream, asked.limit, asked.after])
    upto = asked.upto if asked.upto is not None else 2**62
    # Of a journal a page is a range of numbers: of what lies beyond it not a row is looked at.
    bounds = "log_stream = ? AND seq > ? AND seq <= ?"
    low = queries.select(f"SELECT min(seq) FROM {told.table.name} WHERE {bounds}",  # noqa: S608 - names of our own
                         [asked.stream, asked.after, upto]).rows[0][0]  # fmt: skip
    if low is None:
        return []
    values = [asked.stream, low - 1, min(upto, low - 1 + asked.limit)]
    # What writes a type down is a long expression; those that are not there are not even planned.
    types = queries.select(f"SELECT DISTINCT type FROM {told.table.name} WHERE {bounds}", values).rows  # noqa: S608
    there = tuple(sorted(name for (name,) in types if name in told.models))
    query = f"{_select(kind, there, scales)} WHERE {bounds} ORDER BY seq"
    return _mended(queries, asked.stream, _found(queries, query, values))


def _found(queries: Queries, query: str, values: Sequence[Any]) -> list[tuple[str, str]]:
    rows = queries.select(query, values, MAX_MESSAGES).rows
    return [(entry_id, text) for entry_id, text in rows if text is not None]


_ID_ORDER: Final = "split_part(log_id, '-', 1)::UBIGINT, split_part(log_id, '-', 2)::UBIGINT"


def _mended(queries: Queries, stream: str, found: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return messages; of one that had a number too long for its column what is kept of it byte for byte."""
    if not found:
        return []
    rows = queries.select(
        "SELECT log_id, list_filter(fields, lambda one: one.name = ?::BLOB)[1].value::BLOB FROM undecodable "
        "WHERE log_stream = ? AND reason = 'out_of_range' AND log_time BETWEEN epoch_ms(?::BIGINT) "
        "AND epoch_ms(?::BIGINT)",
        [DATA, stream, id_key(found[0][0])[0], id_key(found[-1][0])[0]],
        MAX_MESSAGES,
    ).rows
    if not rows:
        return list(found)
    return _with_whole(found, rows)


def _with_whole(found: Iterable[tuple[str, str]], rows: Iterable[Sequence[Any]]) -> list[tuple[str, str]]:
    whole = {entry_id: _of_sql(data) for entry_id, data in rows}
    mended = [(entry_id, whole.get(entry_id, text)) for entry_id, text in found]
    return [(entry_id, text) for entry_id, text in mended if text is not None]


def _of_sql(data: str | None) -> str | None:
    r"""Return a message on one line of the bytes that an answer has as \xNN; None where they are not kept."""
    if data is None:
        return None
    raw = re.sub(rb"\\x([0-9A-F]{2})", lambda each: bytes.fromhex(each[1].decode()), data.encode())
    return orjson.dumps(orjson.loads(raw)).decode()


# ----------------------------------------------------------------------------------------------------------------- SQL


@cache
def _select(kind: str, types: tuple[str, ...], scales: Scales) -> str:
    """Return the beginning of a query for entries' ids and messages of some types of a kind of stream."""
    told = TOLD[kind]
    columns = {column.name: column for column in told.table.columns}
    cases = " ".join(f"WHEN '{name}' THEN {_text(told.models[name], columns, scales)}" for name in types)
    message = f"CASE type {cases} END" if types else "NULL"
    return f"SELECT log_id, {message} FROM {told.table.name}"  # noqa: S608 - names of our own


def _text(model: type[Message], columns: Mapping[str, Column], scales: Scales) -> str:
    """Return the expression that writes a type's message: `concat` passes over what is null."""
    named = [name for name in HEAD if name in model.model_fields]
    named += [name for name in model.model_fields if name not in HEAD]
    said, rare = _said(model)
    parts = []
    for name in named:
        before, value = "{" if name == named[0] else ",", _value(columns[name], scales)
        if name in rare:
            value = f"nullif({value}, {_quoted(orjson.dumps(written(rare[name])).decode())})"
        value = f"'{before}\"{name}\":' || {value}"
        parts.append(f"coalesce({value}, '{before}\"{name}\":null')" if name in said else value)
    return f"concat({', '.join(parts)}, '}}')"


def _said(model: type[Message]) -> tuple[frozenset[str], dict[str, Any]]:
    """Return the fields that a type's messages have even where they are null, and defaults that they do not have."""
    said = {name for name, field in model.model_fields.items() if field.is_required()}
    rare: dict[str, Any] = {}
    for terms in model.__mro__:
        if issubclass(terms, ReferenceData) and not issubclass(terms, Message):
            said |= terms.model_fields.keys() - terms.rare().keys()
            rare |= terms.rare()
    return frozenset(said), rare


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _value(column: Column, scales: Scales) -> str:
    """Return the expression for a value's JSON, null for null."""
    name = f'"{column.name}"'
    if column.number is not None:
        text = f"CAST({name} AS VARCHAR)"
        if scales.of(column.number):
            text = f"rtrim(rtrim({text}, '0'), '.')"
        return f"'\"' || {text} || '\"'"
    if column.kind == TIME:
        return f"CAST(epoch_ms({name}) AS VARCHAR)"
    if column.kind in ("BIGINT", "BOOLEAN"):
        return f"CAST({name} AS VARCHAR)"
    return f"CAST(to_json({name}) AS VARCHAR)"
