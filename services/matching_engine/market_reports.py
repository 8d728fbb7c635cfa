"""What a simulated venue tells of its markets to who subscribed: five levels of a side, volume, last price, session.

Flows in: subscriptions; which symbols an entry's reports are about. Flows out: reports to the inboxes of the account
partitions that subscribed, each behind the frames of its entry: what the book is then. Never looks at a symbol that
nobody subscribed to; while nobody has, there is no object of this at all.

A symbol is told REPORT_EVERY_MS after it was told last, or at once. What came in between is in the next report, for
which an entry comes by `due_ms`: how a market stands at last is always told. Volume is the book's own tape, which
counts whether anybody listens or not; so it is exact, costs nothing, and is in the C engine's snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Any, Final

from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import Session, Side
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import TradingSession
from fillstream.libs.common.messages.market_report import (
    LEVELS,
    REPORT_EVERY_MS,
    MarketReport,
    SubscribeMarket,
    UnsubscribeMarket,
)
from fillstream.libs.common.runtime.stage import MOST_OUTPUTS, Outputs
from fillstream.libs.common.values.versions import Document, check_names

MOST_SUBSCRIPTIONS: Final = 100_000
"""Account partitions that subscribed to symbols, so many pairs at most: every instrument there may be, ten times."""
_SESSIONS: Final = {int(Session[each.name]): each.value for each in TradingSession}
_NAMES: Final = ("instrument", "symbol", "partitions", "told_ms", "due_ms")
_NEVER: Final = -REPORT_EVERY_MS


class Subscribed:
    """A symbol that somebody subscribed to.

    Attributes:
        symbol: its name, as they call it.
        partitions: of the accounts, in order.
        told_ms: when all of them were told last.
        due_ms: when they are told next; None where nothing has changed.
    """

    __slots__ = ("due_ms", "partitions", "symbol", "told_ms")

    def __init__(self, symbol: str, partitions: Iterable[int] = (), told_ms: int = _NEVER) -> None:
        self.symbol = symbol
        self.partitions = [*partitions]
        self.told_ms = told_ms
        self.due_ms: int | None = None


class MarketReports:
    """All subscriptions of a symbol partition.

    Args:
        venue: whose books they are about.
        inboxes: of the account partitions.
    """

    __slots__ = ("_by_symbol", "_count", "_due", "_inboxes", "_venue")

    def __init__(self, venue: str, inboxes: list[str]) -> None:
        self._venue = venue
        self._inboxes = inboxes
        self._by_symbol: dict[int, Subscribed] = {}
        self._count = 0
        self._due: list[tuple[int, int]] = []  # those that have changed, the soonest first; each symbol once

    def __bool__(self) -> bool:
        return bool(self._by_symbol)

    @property
    def due_ms(self) -> int | None:
        """When the first report is to be sent, None where nothing has changed."""
        return self._due[0][0] if self._due else None

    def check(self, request: SubscribeMarket | UnsubscribeMarket) -> None:
        """Refuse one more subscription than there may be.

        Raises:
            BadEntry: too_many.
        """
        if isinstance(request, UnsubscribeMarket) or self._count < MOST_SUBSCRIPTIONS:
            return
        found = self._by_symbol.get(request.instrument_id)
        if found is None or request.partition not in found.partitions:
            text = f"symbol: of {request.symbol}: {MOST_SUBSCRIPTIONS} subscriptions are there, which is the most"
            raise BadEntry("too_many", text)

    def take(self, request: SubscribeMarket | UnsubscribeMarket, engine: CoreEngine, ms: int, out: Outputs) -> None:
        """Begin or end to tell a partition of a symbol. It is answered at once, whatever it asks for."""
        number, partition = request.instrument_id, request.partition
        found = self._by_symbol.get(number)
        if isinstance(request, SubscribeMarket):
            if found is None or partition not in found.partitions:
                self._count += 1
                if found is None:
                    found = self._by_symbol[number] = Subscribed(request.symbol)
                found.partitions = sorted((*found.partitions, partition))
            found.symbol = request.symbol
        elif found is not None and partition in found.partitions:
            self._count -= 1
            found.partitions.remove(partition)
            if not found.partitions:
                del self._by_symbol[number]
                if found.due_ms is not None:
                    self._due = sorted(each for each in self._due if each[1] != number)
        report = self._report(number, request.symbol, engine, ms)
        if isinstance(request, UnsubscribeMarket):
            report["last_report"] = True
        out.event(self._inboxes[partition], report)

    def changed(self, numbers: Iterable[int], ms: int) -> None:
        """Note which symbols an entry's reports are about; one may be named often."""
        for number in self._by_symbol.keys() & numbers:
            found = self._by_symbol[number]
            if found.due_ms is None:
                found.due_ms = max(ms, found.told_ms + REPORT_EVERY_MS)
                heappush(self._due, (found.due_ms, number))

    def tell(self, engine: CoreEngine, ms: int, out: Outputs) -> None:
        """Tell what is due; what one entry may not send is due at once again."""
        due, sent = self._due, 0
        while due and due[0][0] <= ms and sent < MOST_OUTPUTS:
            _, number = heappop(due)
            found = self._by_symbol[number]
            found.told_ms, found.due_ms = ms, None
            report = self._report(number, found.symbol, engine, ms)
            for partition in found.partitions:
                out.event(self._inboxes[partition], report)
            sent += len(found.partitions)

    def _report(self, number: int, symbol: str, engine: CoreEngine, ms: int) -> dict[str, Any]:
        tape = engine.last(number)
        return {
            "type": "MarketReport",
            "v": MarketReport.VERSION,
            "venue": self._venue,
            "symbol": symbol,
            "time": ms,
            "session": _SESSIONS[engine.session(number)],
            "bids": [(level.price, level.qty) for level in engine.depth(number, Side.BUY, LEVELS)],
            "asks": [(level.price, level.qty) for level in engine.depth(number, Side.SELL, LEVELS)],
            "last": None if tape is None else tape.price,
            "volume": 0 if tape is None else tape.volume,
            "notional": "0" if tape is None else str(engine.turnover(number)),
        }

    # --------------------------------------------------------------- snapshot

    def dump(self) -> list[Document]:
        """Return the subscriptions by the symbols' numbers."""
        return [
            {
                "instrument": number,
                "symbol": each.symbol,
                "partitions": each.partitions,
                "told_ms": each.told_ms,
                "due_ms": each.due_ms,
            }
            for number, each in sorted(self._by_symbol.items())
        ]

    def load(self, documents: list[Document]) -> None:
        """Put back what `dump` wrote.

        Raises:
            Unreadable: a subscription has other fields.
        """
        self._by_symbol.clear()
        self._due.clear()
        self._count = 0
        for each in documents:
            check_names("market", each, _NAMES, _NAMES)
            found = Subscribed(each["symbol"], each["partitions"], each["told_ms"])
            found.due_ms = each["due_ms"]
            self._by_symbol[each["instrument"]] = found
            self._count += len(found.partitions)
            if found.due_ms is not None:
                heappush(self._due, (found.due_ms, each["instrument"]))
