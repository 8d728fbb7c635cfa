"""What the positions stage tells of the exits of a position.

Flows in: what became of a protection. Flows out: a validated message. Never decides.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from fillstream.libs.common.messages.base import Id, Message, Name, Number, OrderId


class ExitReason(StrEnum):
    """Why a position is closed."""

    STOP_LOSS = "stop_loss"
    BREAK_EVEN = "break_even"
    TAKE_PROFIT = "take_profit"
    TRAILING_STOP = "trailing_stop"
    TIME_LIMIT = "time_limit"
    EXIT_TIME = "exit_time"


class ExitStatus(StrEnum):
    """How a protection stands."""

    ARMED = "ARMED"
    """It waits, for what the message says."""
    TRIGGERED = "TRIGGERED"
    """It was reached, and an order to close is on its way."""
    FAILED = "FAILED"
    """That order closed less than it was to: it was refused, or ended. Another one goes at `retry_time`."""
    DONE = "DONE"
    """What it was to close is closed, or others do it."""
    ENDED = "ENDED"
    """There is no such position any more, or it was canceled."""


class ExitChanged(Message):
    """What protects a position changed: see ProtectPosition. Told when it is set, reached, tried again and done."""

    type: Literal["ExitChanged"] = "ExitChanged"
    seq: int = Field(ge=1)
    time: int = Field(ge=0)
    account: Name
    symbol: Name
    currency: Name
    position_id: Id
    protection_id: Id
    exit_status: ExitStatus
    exit_reason: ExitReason | None = Field(description="what was reached, null before")
    held_qty: Number = Field(description="signed quantity of the position")
    quantity: Number | None = Field(description="the part that is to be closed, null: all of it")
    stop_px: Number | None = Field(description="that it waits for, or that was reached; of a trailing stop, too")
    take_profit_px: Number | None
    activation_px: Number | None = Field(
        default=None, description="at which its trailing stop begins, while it has not; absent where it waits for none"
    )
    break_even_px: Number | None = Field(
        default=None, description="at which its stop moves to the mean price, while it has not; else absent"
    )
    exit_time: int | None = Field(
        default=None, ge=0, description="when it is closed whatever the price; absent where no time closes it"
    )
    mark_px: Number | None
    client_order_id: Id | None = Field(default=None, description="of the order that closes")
    order_id: OrderId | None = None
    attempt: int | None = Field(default=None, ge=1, description="which of several such orders it is")
    exit_qty: Number | None = Field(default=None, description="closed so far, by all of them")
    exit_px: Number | None = Field(default=None, description="the mean price of that")
    gap_px: Number | None = Field(
        default=None,
        description="by how much exit_px is worse than the price that was reached; below 0: better. Null of times",
    )
    retry_time: int | None = Field(default=None, description="when another order goes")
    text: str | None = Field(default=None, description="a sentence that says why")
