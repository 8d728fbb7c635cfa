"""Messages that came before a reader did: out of the log, up to the very entry from which it hears the rest.

Flows in: the places that a reader has. Flows out: frames of messages in the order of each stream. Never leaves a gap
that it does not tell.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import orjson

from fillstream.libs.common.messages.base import upcast
from fillstream.libs.common.messages.note import is_aside
from fillstream.libs.common.messages.topology import Topology, id_key
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.sending import AWAY
from fillstream.services.gateway.state.desk import MODELS, Change, Desk
from fillstream.services.gateway.stream.hub import Piece
from fillstream.services.gateway.stream.topics import Subject

PAGE: Final = 500


def places_of(said: object, names: list[str]) -> dict[str, str]:
    """Return the places that a reader goes on behind.

    Raises:
        Refusal: it names something else.
    """
    if not isinstance(said, Mapping):
        raise Refusal(422, "bad_value", f"after: {shorten(said)} must be an object of ids by stream, as `as_of` is")
    for name, at in said.items():
        if name not in names or not isinstance(at, str) or not is_place(at):
            told = f"after: {shorten(name)}: {shorten(at)} must be an entry's id of {', '.join(names)}"
            raise Refusal(422, "bad_value", told)
    return dict(said)


def is_place(text: str) -> bool:
    """Whether a text is an entry's id as Redis takes one."""
    number, _, serial = text.partition("-")
    both = number, serial
    return text.isascii() and all(each.isdecimal() and len(each) < 20 for each in both)


class Replay:
    """Reads what stands between a reader's place and the state's.

    Args:
        client: of redis.asyncio.
        topology: the desk's.
        desk: the state.
    """

    def __init__(self, client: Any, topology: Topology, desk: Desk) -> None:
        self._client = client
        self._topology = topology
        self._desk = desk

    async def pages(
        self, subject: Subject, after: Mapping[str, str]
    ) -> AsyncIterator[tuple[list[bytes], dict[str, str]]]:
        """Yield messages as JSON, with the places they reach to; what comes after the last page is told live.

        Whoever takes the pages begins to listen as soon as they end, without waiting in between.

        Raises:
            Refusal: 410: entries behind a place were trimmed; 503: Redis does not answer.
        """
        at = dict(after)
        for name, place in after.items():
            await self._check(name, place)
        while behind := [name for name in at if id_key(at[name]) < id_key(self._desk.places.get(name, "0-0"))]:
            for name in behind:
                found, at[name] = await self._page(subject, name, at[name])
                yield found, dict(at)

    async def _check(self, name: str, place: str) -> None:
        """See to it that nothing behind a place was trimmed: its own entry, or an older one, is there still.

        A trim leaves no trace in the stream but that (`max-deleted-entry-id` is XDEL's alone), so a place whose entry
        was the last to go is refused as well. `0-0` is before all that there is.

        Raises:
            Refusal: 410.
        """
        if place == "0-0" or id_key(place) >= id_key(self._desk.places[name]):
            return
        oldest = await self.ask("XRANGE", self._topology.key(name), "-", "+", "COUNT", "1")
        first = oldest[0][0].decode() if oldest else None
        if first is None or id_key(first) > id_key(place):
            told = f"after: entries of {name} behind {place} may be trimmed, its first one is {first}"
            raise Refusal(410, "place_gone", f"{told}; begin anew without it")

    async def _page(self, subject: Subject, name: str, after: str) -> tuple[list[bytes], str]:
        upto = self._desk.places[name]
        entries = await self.ask("XRANGE", self._topology.key(name), f"({after}", upto, "COUNT", str(PAGE))
        found = []
        for entry_id, fields in entries:
            after = entry_id.decode()
            if b"data" not in fields or is_aside(fields):
                continue
            change = Change(name, after, upcast(orjson.loads(fields[b"data"]), MODELS), None)
            if subject.wants(change):
                found.append(Piece(change, rows=False).json)
        return found, after if entries else upto

    async def ask(self, *command: str) -> Any:
        """Return what Redis answers.

        Raises:
            Refusal: 503: it does not.
        """
        try:
            return await self._client.execute_command(*command)
        except AWAY as error:
            raise Refusal(503, "redis_away", f"redis: {error}", {"Retry-After": "1"}) from None
