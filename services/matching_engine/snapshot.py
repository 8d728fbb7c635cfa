"""The state of an engine stage as bytes, and back: the C engine's own, and before them what a simulation remembers.

Flows in: an engine and its simulation, if it has one; or the bytes that this release or an older one wrote. Flows out:
bytes, equal for equal states; or the same again. Never decides anything.

    an ideal venue   the C engine's bytes alone (native/src/snapshot.c), as every release before wrote them
    any other        one line of JSON, {"version", "config", "draws", "queue": [{due_ms, account, record}]}, then those
    while it tells   "asked": [{request_id, …}] in that line, alone of an ideal venue
    with subscribers "markets": [{instrument, symbol, …}] in that line, likewise
    with sessions    the line has "sessions": {calendars, until_ms}, and nothing else of a venue that is ideal

What changes the shape of the line raises `VERSION` and adds a step to `UPCASTS`.
"""

from __future__ import annotations

from typing import Final

import orjson

from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.values.versions import Document, Unreadable, Upcasts, upcast
from fillstream.services.matching_engine.market_reports import MarketReports
from fillstream.services.matching_engine.mass_status import MassStatus
from fillstream.services.matching_engine.sessions import Sessions
from fillstream.services.matching_engine.simulation import Simulation

VERSION = 1
UPCASTS: Upcasts = {}
_LINE: Final = b"{"
"""With this begins a line of JSON; the C engine's bytes begin with a word of their own."""


def dump(
    engine: CoreEngine,
    simulation: Simulation | None,
    sessions: Sessions | None,
    asked: MassStatus,
    markets: MarketReports | None = None,
) -> bytes:
    """Return the state as bytes."""
    book = engine.snapshot()
    if simulation is None and sessions is None and not asked and not markets:
        return book
    document: Document = {"version": VERSION}
    if simulation is not None:
        document |= simulation.dump()
    if sessions is not None:
        document["sessions"] = sessions.dump()
    if asked:
        document["asked"] = asked.dump()
    if markets:
        document["markets"] = markets.dump()
    return orjson.dumps(document) + b"\n" + book


def load(
    data: bytes, engine: CoreEngine, asked: MassStatus, markets: MarketReports, venue: str, partition: int
) -> tuple[Simulation | None, Sessions | None]:
    """Put the books, requests and subscriptions that `dump` wrote in place of those.

    Return the simulation and the sessions, if any.

    Raises:
        ValueError: these bytes are none, or of a version that this release does not know; the engine is as it was.
    """
    if not data.startswith(_LINE):
        asked.load([])
        markets.load([])
        engine.restore(data)
        return None, None
    line, _, book = data.partition(b"\n")
    document = orjson.loads(line)
    if not isinstance(document, dict):
        raise Unreadable(f"engine snapshot: must be an object with named fields, got {type(document).__name__}")
    document = upcast("engine snapshot", document, document.pop("version", None), VERSION, UPCASTS)
    said, waiting, subscribed = document.pop("sessions", None), document.pop("asked", []), document.pop("markets", [])
    sessions = None if said is None else Sessions.load(said)
    alone = sessions is None and not waiting and not subscribed
    simulation = Simulation.load(document, venue, partition) if document or alone else None
    engine.restore(book)
    asked.load(waiting)
    markets.load(subscribed)
    return simulation, sessions
