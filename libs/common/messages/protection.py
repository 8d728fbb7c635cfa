"""What protects a position: at which prices and times it is closed, in whole or in part.

Flows in: decoded fields. Flows out: validated values, the same in the signal, the instruction and the event. Never
judges what depends on a position or a market.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fillstream.libs.common.messages.base import Amount, Id, Name, Price, Time, exact_number
from fillstream.libs.common.messages.codes import DEFAULT_PROTECTION
from fillstream.libs.common.messages.event import Event
from fillstream.libs.common.messages.reference import DAY_MS, MAX_MS
from fillstream.libs.common.messages.special_terms import Percent

PAIRS = (
    ("stop_loss", "stop_loss_percent"),
    ("take_profit", "take_profit_percent"),
    ("trailing_stop", "trailing_stop_percent"),
    ("trailing_stop", "trailing_stop_atr"),
    ("trailing_stop_percent", "trailing_stop_atr"),
    ("exit_time", "before_session_end_ms"),
)
"""What is said in one way: a price (or a distance) or per cent of the mean price, a time or the session's."""
EXITS = (*dict.fromkeys(name for pair in PAIRS for name in pair), "break_even_offset", "time_limit_ms")
"""What closes a position; the other fields say more of these."""
MAX_RANGES = 1_000
"""So many average true ranges behind, a trailing stop may stay at most."""


class ProtectedFields(BaseModel):
    """What closes a position, of a long one; of a short one everything is mirrored. Prices are compared with its mark.

    What is in per cent follows the mean entry price, and so does the break-even price.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    protection_id: Id = Field(
        default=DEFAULT_PROTECTION, description="of several of one position; the same one again takes its place"
    )
    quantity: Amount | None = Field(default=None, description="the part that it closes, absent: all that is held")
    stop_loss: Price | None = Field(default=None, description="closed at a mark of this price or worse")
    stop_loss_percent: Percent | None = Field(default=None, description="or so many per cent from the mean entry price")
    take_profit: Price | None = Field(default=None, description="closed at a mark of this price or better")
    take_profit_percent: Percent | None = Field(default=None, description="or so many per cent from the mean price")
    trailing_stop: Amount | None = Field(default=None, description="a stop so far (price) behind the best mark since")
    trailing_stop_percent: Percent | None = Field(
        default=None, description="or so many per cent of that mark, in hundredths of a per cent"
    )
    trailing_stop_atr: Annotated[Amount, Field(le=MAX_RANGES)] | None = Field(
        default=None, description="or so many average true ranges of the instrument as it begins (its atr_interval_ms)"
    )
    activation_offset: Amount | None = Field(
        default=None, description="the trailing stop begins once the mark is so far (price) better than the mean price"
    )
    break_even_offset: Amount | None = Field(
        default=None, description="a stop at the mean price once the mark is so far (price) better than it"
    )
    time_limit_ms: Annotated[int, Field(ge=1, le=MAX_MS), BeforeValidator(exact_number)] | None = Field(
        default=None, description="closed so many milliseconds after the position was opened"
    )
    exit_time: Time | None = Field(default=None, description="closed at this time, ms since 1970 or ISO 8601")
    before_session_end_ms: Annotated[int, Field(ge=1, le=DAY_MS), BeforeValidator(exact_number)] | None = Field(
        default=None,
        description="or so long before trading in the instrument ends for the day, or its closing auction begins",
    )
    strategy: Name | None = Field(default=None, description="of the orders that close it")

    @property
    def trails(self) -> bool:
        """Whether a stop trails."""
        return any(
            each is not None for each in (self.trailing_stop, self.trailing_stop_percent, self.trailing_stop_atr)
        )


def check_protection(said: ProtectedFields) -> None:
    """Check that it closes something, and says nothing twice.

    Raises:
        ValueError: a sentence that begins with the field.
    """
    if all(getattr(said, name) is None for name in EXITS):
        raise ValueError(f"stop_loss: name at least one of {', '.join(EXITS)}; CancelProtection takes one away")
    for name, other in PAIRS:
        if getattr(said, name) is not None and getattr(said, other) is not None:
            raise ValueError(f"{other}: name {name} or {other}, not both")
    percent = said.trailing_stop_percent
    if said.activation_offset is not None and not said.trails:
        raise ValueError("activation_offset: is of a trailing stop, and there is none")
    if percent is not None and (percent * 100 % 1 or percent >= 100):
        raise ValueError("trailing_stop_percent: must be below 100 and a multiple of 0.01")


class PositionProtected(ProtectedFields, Event):
    """What protects a position from here on: ProtectPosition, as it was taken. The positions stage sees to it."""

    model_config = Event.model_config

    type: Literal["PositionProtected"] = "PositionProtected"
    signal_id: Id
    account: Name
    symbol: Name
    position_id: Id | None = Field(default=None, description="which position, of an account that hedges; else absent")
    leg: int | None = Field(
        default=None, ge=1, description="of those of a signal that closes all of such an account: its number"
    )
    legs: int | None = Field(default=None, ge=1, description="and of how many")
    signal_time: int = Field(ge=0, description="ms since 1970, when the signal came")


class ProtectionCanceled(Event):
    """What protected a position does no more, by CancelProtection."""

    type: Literal["ProtectionCanceled"] = "ProtectionCanceled"
    signal_id: Id
    account: Name
    symbol: Name
    protection_id: Id | None = Field(default=None, description="absent: all of the position")
    position_id: Id | None = Field(default=None, description="which position, of an account that hedges, absent: all")
