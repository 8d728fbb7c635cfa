"""`positions.{a}`: positions after every change.

Flows in: what the position stage booked. Flows out: validated models. Never books anything itself.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from fillstream.libs.common.messages.base import Id, Message, Name, Number, OrderId, by_type


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
    unrealized_pnl: Number | None = Field(description="at mark_px; null without a mark")


class PositionChanged(PositionEvent):
    """A fill changed the position, or a bust or a correction of one, whose own `exec_id` it is then.

    A correction is two of them: what the trade was, taken back, and what it is.
    """

    type: Literal["PositionChanged"] = "PositionChanged"
    change: Literal["opened", "increased", "reduced", "closed", "flipped"]
    order_id: OrderId
    exec_id: Id
    last_qty: Number = Field(description="signed: bought positive")
    last_px: Number


class PositionAdjusted(PositionEvent):
    """A split changed the position: quantity and mean price, and nothing else."""

    type: Literal["PositionAdjusted"] = "PositionAdjusted"
    control_id: Id
    ratio: str = Field(description="NEW:OLD")
    old_position: Number = Field(description="before it")


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
    PositionChanged | PositionAdjusted | PositionMarked | PositionsReconciled, Field(discriminator="type")
]

position_message: TypeAdapter[Any] = TypeAdapter(PositionMessage)

POSITION_MESSAGES = by_type(PositionMessage)
"""By `type`."""
