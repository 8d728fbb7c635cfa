"""Markets as the desk sees them: quotes by the journal, depth and trades by the lossy stream.

Flows in: decoded messages. Flows out: rows. Never makes a price that nobody told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from fillstream.services.gateway.state.rows import Moved, Row, row_of

TRADES_KEPT: Final = 1_000
"""The newest of each market."""


class Markets:
    """Each instrument at each venue.

    Attributes:
        quotes: best bid and ask and the last trade, by venue and symbol.
        depth: the best levels, as far as the venue's book showed them.
        trades: the newest ones, the oldest first.
        sessions: the trading session, and the bands, of each.
    """

    __slots__ = ("depth", "quotes", "sessions", "trades")

    def __init__(self) -> None:
        self.quotes: dict[str, Row] = {}
        self.depth: dict[str, Row] = {}
        self.trades: dict[str, deque[Row]] = {}
        self.sessions: dict[str, Row] = {}

    def fold(self, event: Mapping[str, Any]) -> Moved | None:
        """Take over a message; return which table's row it is, that row's key and the row; None where it has none.

        Each account partition tells of every quote; what a slower one repeats of an older time changes nothing.
        """
        kind, key = event["type"], f"{event['venue']} {event['symbol']}"
        match kind:
            case "QuoteUpdated":
                was = self.quotes.get(key)
                if was is not None and was["updated_time"] > event["time"]:
                    return None
                row = row_of(event)
                row["stale"] = False
                self.quotes[key] = row
                return "quotes", key, row
            case "QuoteStale":
                row = {**self.quotes.get(key, {"venue": event["venue"], "symbol": event["symbol"]})}
                row.update(stale=True, quoted_time=event["quoted_time"], updated_time=event["time"])
                self.quotes[key] = row
                return "quotes", key, row
            case "SessionChanged" | "BandsChanged":
                row = {**self.sessions.get(key, {}), **row_of(event)}
                self.sessions[key] = row
                return "sessions", key, row
            case "Depth":
                row = row_of(event)
                self.depth[key] = row
                return "depth", key, row
            case "Trades":
                row = row_of(event)
                kept = self.trades.setdefault(key, deque(maxlen=TRADES_KEPT))
                for number, price, quantity, side in event["trades"]:
                    kept.append(
                        {"number": number, "price": price, "quantity": quantity, "side": side, "time": event["time"]}
                    )
                return "trades", key, row
        return None

    def dump(self) -> dict[str, Any]:
        """Return what counts over a restart by names: depth and trades are told again."""
        return {"quotes": [*self.quotes.items()], "sessions": [*self.sessions.items()]}

    def load(self, record: Mapping[str, Any]) -> None:
        """Take over what `dump` returned."""
        self.quotes = dict(record["quotes"])
        self.sessions = dict(record["sessions"])
