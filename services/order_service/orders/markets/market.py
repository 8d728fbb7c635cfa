"""One market as its venue reported it last, in integers.

Flows in: a validated report. Flows out: a frozen `Market`. Never judges an order, and never changes one.
"""

from __future__ import annotations

from typing import NamedTuple

from fillstream.libs.common.messages.market_report import MarketReport
from fillstream.libs.common.values.versions import Document, check_names

Levels = tuple[tuple[int, int], ...]
"""Prices (ticks) with quantities (lots), the best first."""


class Market(NamedTuple):
    """How a market stands.

    Attributes:
        venue, symbol: which.
        bids, asks: levels of a side, five at most.
        volume: lots traded since the venue began to count, prints included.
        notional: sum of their ticks times lots: between two reports, notional by volume is the interval's VWAP.
        last: price (ticks) of the newest trade or print, None before the first.
        session: what the venue does with orders now, by `TradingSession`'s names.
        at_ms: when the report came (log time).
        counts_from_ms: since when reports count from the same beginning, as far as is known here. Volumes of before
            must not be taken from those of now.
    """

    venue: str
    symbol: str
    bids: Levels
    asks: Levels
    volume: int
    notional: int
    last: int | None
    session: str
    at_ms: int
    counts_from_ms: int

    def dump(self) -> Document:
        """Return the fields by their names, as JSON has them."""
        return {**self._asdict(), "notional": str(self.notional)}

    @classmethod
    def load(cls, record: Document) -> Market:
        """Return what `dump` wrote.

        Raises:
            Unreadable: a name that this release does not know, or one is missing.
        """
        check_names("Market", record, cls._fields, cls._fields)
        levels = {side: tuple((ticks, lots) for ticks, lots in record[side]) for side in ("bids", "asks")}
        return cls(**{**record, **levels, "notional": int(record["notional"])})


def market_of(report: MarketReport, at_ms: int, counts_from_ms: int) -> Market:
    """Return what a report says."""
    return Market(
        report.venue, report.symbol, report.bids, report.asks, report.volume, int(report.notional), report.last,
        report.session.value, at_ms, counts_from_ms,
    )  # fmt: skip
