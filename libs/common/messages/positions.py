"""`positions.{a}`: positions after every change.

Flows in: what the position stage booked. Flows out: validated models. Never books anything itself.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from fillstream.libs.common.messages.accounts import AccountMarked, RiskChanged
from fillstream.libs.common.messages.base import Id, Message, Name, Number, OrderId, by_type
from fillstream.libs.common.messages.codes import Side
from fillstream.libs.common.messages.exits import ExitChanged, ExitReason
from fillstream.libs.common.messages.rules import RuleReported
from fillstream.libs.common.messages.targets import TargetChanged


class PositionEvent(Message):
    """A position after a change. Money is in `currency`; `seq` counts this stream's events from 1 without a gap."""

    seq: int = Field(ge=1)
    time: int = Field(ge=0)
    account: Name
    symbol: Name
    currency: Name
    position: Number = Field(description="signed quantity: long positive, short negative")
    avg_px: Number | None = Field(description="weighted-average entry, null when flat; at most 12 decimals")
    realized_pnl: Number = Field(description="gross of fees")
    fees: Number
    cash: Number = Field(description="all cash that fills moved, fees taken off")
    mark_px: Number | None
    mark_stale: bool | None = Field(
        default=None,
        description="true where the instrument's venue has not quoted it for longer than execution.max_quote_age_ms; "
        "else absent",
    )
    unrealized_pnl: Number | None = Field(description="at mark_px; null without a mark")
    day_pnl: Number | None = Field(
        default=None,
        description="realized and unrealized, fees taken off, since its session before ended; null if unknown",
    )
    position_id: Id | None = Field(
        default=None, description="of the position that is open, else of the one that was last, if it just ended"
    )
    position_mode: Literal["HEDGING"] | None = Field(
        default=None,
        description="HEDGING of one of several positions that its account may have in the symbol: of which position_id "
        "says; else absent",
    )
    began_time: int | None = Field(
        default=None,
        ge=0,
        description="of such a one: when it was traded first, and since when its sums are; a name that is used again "
        "once it was flat for three sessions begins anew",
    )


class PositionChanged(PositionEvent):
    """A fill changed the position, or a bust or a correction of one, whose own `exec_id` it is then.

    A correction is two of them: what the trade was, taken back, and what it is. Both are `recomputed`: all is as if the
    trade had never been otherwise. One of more than two sessions before, and one before a split, is `adjusted`: booked
    the other way round, so that cash, fees and total P&L are right, while realized and unrealized share it as if the
    position had been traded.
    """

    type: Literal["PositionChanged"] = "PositionChanged"
    change: Literal["opened", "increased", "reduced", "closed", "flipped"]
    order_id: OrderId
    exec_id: Id
    last_qty: Number = Field(description="signed: bought positive")
    last_px: Number
    restated: Literal["recomputed", "adjusted"] | None = Field(
        default=None, description="how a bust or a correction was booked; absent of fills"
    )


class PositionClosed(Message):
    """A position came to its end: it is flat, or turned. What is not known of one that 0.1.0 opened is null.

    Told again of one whose trades a bust or a correction changed; with no fills, of one that never was.
    """

    type: Literal["PositionClosed"] = "PositionClosed"
    seq: int = Field(ge=1)
    time: int = Field(ge=0)
    account: Name
    symbol: Name
    currency: Name
    reason: Literal["fill", "flip", "restated"] | ExitReason = Field(
        description="a fill made it flat, a fill turned it, a bust or a correction made it another, or which exit "
        "closed it"
    )
    order_id: OrderId
    exec_id: Id = Field(description="of what ended it")
    position_id: Id
    side: Side = Field(description="that opened it")
    fills: int = Field(ge=0, description="that it is made of; one that turned a position is of both")
    opened_time: int | None = Field(ge=0)
    duration_ms: int | None = Field(description="null, too, of one that never was")
    peak_qty: Number | None = Field(description="the most that was held")
    traded_qty: Number | None = Field(description="bought and sold")
    entry_px: Number | None = Field(description="mean price of what made it larger, at most 12 decimals")
    exit_px: Number | None = Field(description="mean price of what made it smaller")
    gross_pnl: Number | None
    paid_fees: Number | None
    net_return: Number | None = Field(
        description="P&L, fees taken off, by what entered; null where that is not above 0"
    )
    best_pnl: Number | None = Field(
        description="the highest gross P&L that marks made of it, 0 at least (MFE); null where it was restated"
    )
    worst_pnl: Number | None = Field(description="the lowest, 0 at most (MAE)")


class PositionAdjusted(PositionEvent):
    """A split changed the position: quantity and mean price, and nothing else. Or its symbol changed.

    A change of symbol is two of them: under its old symbol nothing is held any more, and nothing was ever made; under
    the new one all of it goes on, what was realized and paid included.
    """

    type: Literal["PositionAdjusted"] = "PositionAdjusted"
    control_id: Id
    ratio: str | None = Field(default=None, description="of a split: NEW:OLD")
    new_symbol: Name | None = Field(default=None, description="under which the position goes on")
    old_symbol: Name | None = Field(default=None, description="under which it was held before")
    old_position: Number = Field(description="of this symbol, before it")


class PositionMarked(PositionEvent):
    """The market moved an open position's mark."""

    type: Literal["PositionMarked"] = "PositionMarked"


class PositionsReconciled(Message):
    """What the orders stage stated of an account was compared with the positions, at the same place of the journal."""

    type: Literal["PositionsReconciled"] = "PositionsReconciled"
    seq: int = Field(ge=1)
    time: int = Field(ge=0)
    account: Name
    event_seq: int = Field(ge=1, description="of the HoldingsStated, in the journal")
    positions: int = Field(ge=0, description="that were compared, flat ones included")
    differences: int = Field(ge=0, description="positions in which both do not agree; 0: none")
    differing: list[str] = Field(
        description="of each, in the order of symbols: symbol, position, cash and fees by the orders stage, and by the "
        "positions stage; at most 100"
    )


PositionMessage = Annotated[
    PositionChanged
    | PositionClosed
    | PositionAdjusted
    | PositionMarked
    | PositionsReconciled
    | ExitChanged
    | TargetChanged
    | AccountMarked
    | RiskChanged
    | RuleReported,
    Field(discriminator="type"),
]

position_message: TypeAdapter[Any] = TypeAdapter(PositionMessage)

POSITION_MESSAGES = by_type(PositionMessage)
"""By `type`."""
