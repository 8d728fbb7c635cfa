"""Positions that are to be reached: what is asked for, what the orders stage makes of it, and what is told of each.

Flows in: decoded fields. Flows out: validated values. Never judges what depends on a position or a market.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fillstream.libs.common.messages.base import Amount, Id, Message, Name, Number, OrderId, Price
from fillstream.libs.common.messages.event import Event
from fillstream.libs.common.messages.packed import from_json
from fillstream.libs.common.messages.special_terms import ObjectText, UpperName

MAX_TARGETS = 500
"""So many positions are named by one message."""
MAX_WEIGHT = 1_000


class TargetFields(BaseModel):
    """One position that is to be reached: a quantity, or a weight of the account's equity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol: Name
    target: Price | None = Field(default=None, description="signed quantity: long positive, short negative, 0 flat")
    weight: Annotated[Price, Field(ge=-MAX_WEIGHT, le=MAX_WEIGHT)] | None = Field(
        default=None, description="instead: signed share of the account's equity (1 is all of it), rounded to 0"
    )
    tolerance: Amount | None = Field(default=None, description="so far (quantity) from it is near enough")


class TargetTerms(BaseModel):
    """How a target is reached."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_value: Amount | None = Field(
        default=None, description="the smallest trade, as money of the instrument's currency: less is left alone"
    )
    algorithm: UpperName | None = Field(default=None, description="what works its orders (FIX 847)")
    algorithm_parameters: ObjectText | None = Field(
        default=None, description="what that is told: a JSON object, by the names that it declares (FIX 848)"
    )
    strategy: Name | None = Field(default=None, description="of the orders")


Targets = Annotated[list[TargetFields], Field(max_length=MAX_TARGETS), BeforeValidator(from_json)]


def check_targets(said: Any) -> None:
    """Check that a SetTarget names positions, each once, and each by a quantity or a weight.

    Raises:
        ValueError: a sentence that begins with the field.
    """
    one, many = said.symbol, said.targets
    if (one is None) == (many is None):
        raise ValueError("symbol: name a symbol with its target or weight, or targets, a list of them; not both")
    if one is not None and said.close_others:
        raise ValueError("close_others: is for a whole portfolio, named by targets")
    if many is not None and any(getattr(said, name) is not None for name in ("target", "weight", "tolerance")):
        raise ValueError("target: of each of the targets, and not beside them")
    if many is not None and not many and not said.close_others:
        raise ValueError("targets: must name a position at least, or close_others")
    for each in [said] if many is None else many:
        if (each.target is None) == (each.weight is None):
            raise ValueError(f"target: {each.symbol} has either a target or a weight")
    if many is not None and len({each.symbol for each in many}) != len(many):
        raise ValueError("targets: names each symbol once")
    if said.algorithm_parameters is not None and said.algorithm is None:
        raise ValueError("algorithm_parameters: name an algorithm that they are for")


class ReachPosition(Message):
    """Send what is missing of a target: the positions stage's instruction.

    What is missing is counted as it comes: the target less what is held and what works. Where orders work the other way
    they are canceled first, and nothing is sent; the answer is PositionTargeted then, else an order.
    """

    type: Literal["ReachPosition"] = "ReachPosition"
    signal_id: Id
    client_order_id: Id
    account: Name
    symbol: Name
    target: Price = Field(description="signed quantity")
    algorithm: UpperName | None
    algorithm_parameters: ObjectText | None
    strategy: Name | None
    signal_time: int


class TargetSet(TargetTerms, Event):
    """A position that is to be reached from here on, by SetTarget; one of several. The positions stage sees to it."""

    model_config = Event.model_config

    type: Literal["TargetSet"] = "TargetSet"
    signal_id: Id
    account: Name
    symbol: Name
    target_qty: Number = Field(description="signed quantity")
    weight: Number | None = Field(default=None, description="of the equity, that it was counted from")
    tolerance_qty: Number | None = None
    close_others: bool | None = Field(
        default=None, description="true: targets of the account that the signal does not name are none any more"
    )
    leg: int = Field(ge=1, description="which of them")
    legs: int = Field(ge=1, description="how many the signal has")
    signal_time: int = Field(ge=0, description="ms since 1970, when the signal came")


class TargetCanceled(Event):
    """What was to be reached is no more, by CancelTarget."""

    type: Literal["TargetCanceled"] = "TargetCanceled"
    signal_id: Id
    account: Name
    symbol: Name | None = Field(default=None, description="absent: all of the account")


class PositionTargeted(Event):
    """What a ReachPosition found where no order came of it."""

    type: Literal["PositionTargeted"] = "PositionTargeted"
    signal_id: Id
    account: Name
    symbol: Name
    target_qty: Number
    position: Number = Field(description="that is held")
    working_qty: Number = Field(description="signed: what works to buy less what works to sell, exits aside")
    found: Literal["held", "working", "opposed"] = Field(
        description="it is held; what works will make it so; or orders work the other way, and were asked to go"
    )
    canceling: int = Field(ge=0, description="orders that are on their way out")


class TargetStatus(StrEnum):
    """How a target stands."""

    WAITING = "WAITING"
    """Nothing was sent yet, or other orders have to end first; `text` says what it waits for."""
    WORKING = "WORKING"
    """An order is on its way."""
    RETRYING = "RETRYING"
    """An order was refused, or ended with something left. Another one goes at `retry_time`."""
    REACHED = "REACHED"
    FAILED = "FAILED"
    """Given up, as `text` says."""
    REPLACED = "REPLACED"
    """Another target of the same position took its place."""
    CANCELED = "CANCELED"


class TargetChanged(Message):
    """What became of a target: asked, reached, how long it took, at what cost."""

    type: Literal["TargetChanged"] = "TargetChanged"
    seq: int = Field(ge=1)
    time: int = Field(ge=0)
    account: Name
    symbol: Name
    currency: Name
    signal_id: Id = Field(description="of the SetTarget")
    target_status: TargetStatus
    target_qty: Number = Field(description="signed quantity that is to be held")
    held_qty: Number
    start_qty: Number = Field(description="that was held when it was asked for")
    asked_time: int
    duration_ms: int = Field(ge=0)
    attempt: int = Field(ge=0, description="how many orders were sent")
    client_order_id: Id | None = Field(default=None, description="of the one that is on its way")
    order_id: OrderId | None = None
    traded_qty: Number | None = Field(default=None, description="bought and sold by its orders")
    traded_px: Number | None = Field(default=None, description="the mean price of that")
    paid_fees: Number | None = None
    arrival_px: Number | None = Field(default=None, description="the mark when it was asked for")
    shortfall: Number | None = Field(
        default=None, description="what its trades cost more than at arrival_px, and fees, in the currency"
    )
    retry_time: int | None = None
    text: str | None = None
