"""More of a market than its top: asked for in `commands.<VENUE>.{s}`, told in `orders.{a}`, both as JSON in `data`.

Flows in: entries of either. Flows out: validated models. Never decides who needs a market, nor whether a report is
believed.

    orders stage ── SubscribeMarket ──▶ venue      tell this account partition of this market from now on (FIX 35=V)
                 ◀── MarketReport, MarketReport … ──    at once, then when it changes, at most ten a second (FIX 35=W)
                 ── UnsubscribeMarket ──▶ venue    no more (FIX 263 SubscriptionRequestType 2)
                 ◀── MarketReport, last_report ──  behind it comes none that was on its way

A report is whole: whoever has the newest one has all there is, and one that is lost or left out costs nothing but time.
So a venue may leave out what a newer report covers; what it told last is how the market stands. Prices are in ticks and
quantities in lots, as in frames: integers are exact and cheap.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from fillstream.libs.common.engine.frames import MAX_PRICE, MAX_SYMBOL
from fillstream.libs.common.messages.base import Message, Name
from fillstream.libs.common.messages.codes import TradingSession
from fillstream.libs.common.messages.mass_status import MAX_PARTITIONS, Moment

LEVELS: Final = 5
"""A report has so many levels of a side at most (FIX 264 MarketDepth)."""
REPORT_EVERY_MS: Final = 100
"""A symbol is reported at most this often (log time)."""
MAX_COUNT: Final = (1 << 64) - 1
"""The most that a volume may be, in lots."""


Ticks = Annotated[int, Field(ge=-MAX_PRICE, le=MAX_PRICE, strict=True)]
Lots = Annotated[int, Field(ge=1, le=MAX_COUNT, strict=True)]
Whole = Annotated[str, Field(pattern=r"^(0|-?[1-9][0-9]{0,38})$")]
"""A whole number as text: it may pass 64 bits, where JSON's integers end."""


class OfMarket(Message):
    """Which market, for whom."""

    partition: int = Field(ge=0, le=MAX_PARTITIONS, description="of the accounts: the answer goes to its inbox")
    symbol: Name = Field(description="FIX 55")
    instrument_id: int = Field(ge=1, le=MAX_SYMBOL, description="the symbol's number in records")


class SubscribeMarket(OfMarket):
    """Tell an account partition of a market from now on (FIX MarketDataRequest, 35=V, 263=1). Once more is no error."""

    type: Literal["SubscribeMarket"] = "SubscribeMarket"


class UnsubscribeMarket(OfMarket):
    """Tell it no more (FIX 263=2): a report that says it is the last is the answer."""

    type: Literal["UnsubscribeMarket"] = "UnsubscribeMarket"


class MarketReport(Message):
    """How a market stands, after all that stands before the report in its inbox (FIX MarketDataSnapshotFullRefresh).

    `volume` and `notional` only go up (notional of negative prices down): what an interval traded is the difference
    of two reports. They count since the venue's book began, whether anybody was subscribed or not, trades of the book
    as well as prints that a feed brought. Where a venue counts from another moment on, they may go back once, then.
    """

    type: Literal["MarketReport"] = "MarketReport"
    venue: Name
    symbol: Name = Field(description="FIX 55")
    time: Moment = Field(description="ms since 1970, by the venue: when it looked (FIX 60)")
    session: TradingSession = Field(description="FIX 340 TradSesStatus")
    bids: tuple[tuple[Ticks, Lots], ...] = Field(max_length=LEVELS, description="price and quantity, the best first")
    asks: tuple[tuple[Ticks, Lots], ...] = Field(max_length=LEVELS, description="likewise")
    last: Ticks | None = Field(description="price of the newest trade or print, null before the first (FIX 31)")
    volume: int = Field(ge=0, le=MAX_COUNT, strict=True, description="lots traded so far (FIX 387 TotalVolumeTraded)")
    notional: Whole = Field(description="sum of their ticks times lots, a whole number as text (FIX 381 GrossTradeAmt)")
    last_report: bool | None = Field(
        default=None, description="the answer to UnsubscribeMarket; else absent (FIX 893 LastFragment)"
    )

    @model_validator(mode="after")
    def _levels_are_sorted(self) -> MarketReport:
        for name, side, better in (("bids", self.bids, 1), ("asks", self.asks, -1)):
            for (before, _), (behind, _) in pairwise(side):
                if better * before <= better * behind:
                    order = "below" if better > 0 else "above"
                    raise ValueError(f"{name}: each price must be {order} the one before, got {behind} behind {before}")
        return self
