"""Events about a venue's market in an instrument: quotes, sessions, bands; a part of the journal.

Flows in: what the orders stage heard. Flows out: validated models. Never says whose order it concerns.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from fillstream.libs.common.messages.base import Name, Number, of_version
from fillstream.libs.common.messages.codes import TradingSession
from fillstream.libs.common.messages.event import Event
from fillstream.libs.common.messages.venue import at_sim
from fillstream.libs.common.values.versions import Upcasts


class QuoteUpdated(Event):
    """A venue's market as this partition last saw it: 250 ms after a first one changed, once for each that did."""

    UPCASTS: ClassVar[Upcasts] = {1: at_sim}
    v: int = of_version(2)
    type: Literal["QuoteUpdated"] = "QuoteUpdated"
    symbol: Name
    venue: Name
    bid_px: Number | None
    bid_qty: Number
    ask_px: Number | None
    ask_qty: Number
    last_px: Number | None


class QuoteStale(Event):
    """A venue has not quoted an instrument for longer than `execution.max_quote_age_ms`: what stands may be no market.

    Told once. Its next quote, though it be the same, is a QuoteUpdated.
    """

    type: Literal["QuoteStale"] = "QuoteStale"
    symbol: Name
    venue: Name
    quoted_time: int = Field(ge=0, description="when it was quoted last, the same as before included")


class SessionChanged(Event):
    """A venue's session for an instrument is another, or has another reference price (FIX TradingSessionStatus)."""

    type: Literal["SessionChanged"] = "SessionChanged"
    venue: Name
    symbol: Name
    session: TradingSession
    reference_px: Number | None = Field(description="that an auction's price is nearest to, all else being equal")


class BandsChanged(Event):
    """A venue's bands for an instrument: limits outside are refused. Both are null when there are none."""

    type: Literal["BandsChanged"] = "BandsChanged"
    venue: Name
    symbol: Name
    low_limit_px: Number | None = Field(description="the lowest limit that is taken (FIX 1148)")
    high_limit_px: Number | None = Field(description="the highest limit that is taken (FIX 1149)")
