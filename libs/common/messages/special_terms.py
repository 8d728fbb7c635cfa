"""What an order may say beyond a plain one, and what of it fits together; the same in signals, instructions and events.

Flows in: decoded fields. Flows out: validated values; sentences about what does not fit. Never judges what depends on
state.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fillstream.libs.common.messages.base import (
    Amount,
    AnySelfTrade,
    AnyTrailingOffset,
    AnyTriggerPrice,
    Flag,
    Name,
    Price,
    Time,
    exact_number,
    upper,
)
from fillstream.libs.common.messages.codes import (
    AUCTION_TIMES,
    PLAIN_TYPES,
    RESTING_TIMES,
    RESTING_TYPES,
    BreakEven,
    OrderType,
    TimeInForce,
)
from fillstream.libs.common.messages.packed import MAX_PARAMETERS, names_text, object_text, targets_text
from fillstream.libs.common.messages.reference import MAX_MS, VenueName
from fillstream.libs.common.values.money import MAX_DIGITS

Percent = Annotated[
    Decimal, Field(gt=0, le=1000, max_digits=MAX_DIGITS, allow_inf_nan=False), BeforeValidator(exact_number)
]
"""Of equity; above 100 with borrowed money."""


UpperName = Annotated[Name, BeforeValidator(upper)]
ObjectText = Annotated[str, Field(max_length=MAX_PARAMETERS), BeforeValidator(object_text)]
TargetsText = Annotated[str, Field(max_length=MAX_PARAMETERS), BeforeValidator(targets_text)]
NamesText = Annotated[str, Field(max_length=MAX_PARAMETERS), BeforeValidator(names_text)]


class SpecialTerms(BaseModel):
    """What an order may say beyond a plain one. Text and numbers as everywhere: exact, by FIX's names.

    Instructions have what is set of it in one key, `special`, which a plain order does without; the events
    OrderReceived and OrderRejected have it among their own fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    venue: VenueName | None = Field(default=None, description="where it is to go (FIX 100 ExDestination)")
    stop_price: Price | None = Field(
        default=None, description="the price that a stop or if-touched order waits for (FIX 99 StopPx)"
    )
    trigger_price_type: AnyTriggerPrice | None = Field(
        default=None, description="which price it waits for, the last trade's by default (FIX 1107 TriggerPriceType)"
    )
    trailing_offset: Amount | None = Field(
        default=None, description="how far a trailing stop stays behind (FIX 211 PegOffsetValue)"
    )
    trailing_offset_type: AnyTrailingOffset | None = Field(
        default=None, description="what that is counted in, PRICE by default (FIX 836 PegOffsetType)"
    )
    expire_time: Time | None = Field(
        default=None, description="when a GTD order ends, ms since 1970 or ISO 8601 (FIX 126 ExpireTime)"
    )
    display_quantity: Amount | None = Field(
        default=None, description="of an iceberg: how much of it is shown at a time (FIX 1138 DisplayQty)"
    )
    post_only: Flag | None = Field(default=None, description="rejected if it would trade as it comes (FIX 18=6)")
    all_or_none: Flag | None = Field(default=None, description="trades whole or not at all (FIX 18=G)")
    reduce_only: Flag | None = Field(default=None, description="never opens or turns a position (FIX 18=E)")
    self_trade_prevention: AnySelfTrade | None = Field(
        default=None, description="instead of a trade with an order of its own account (FIX 2964)"
    )
    notional: Amount | None = Field(
        default=None, description="size as money in the instrument's currency, at most (FIX 152 CashOrderQty)"
    )
    risk_amount: Amount | None = Field(
        default=None, description="size so that this much money is lost when stop_loss is hit, at most"
    )
    equity_percent: Percent | None = Field(
        default=None, description="size as a share of the account's equity, at most (FIX 516 OrderPercent)"
    )
    risk_percent: Percent | None = Field(
        default=None, description="size so that this share of the account's equity is lost when stop_loss is hit"
    )
    effective_time: Time | None = Field(
        default=None, description="not before this time, ms since 1970 or ISO 8601 (FIX 168 EffectiveTime)"
    )
    next_session: Flag | None = Field(
        default=None, description="not before the next session of its instrument begins, or goes on after a break"
    )
    effective_after_ms: Annotated[int, Field(ge=1, le=MAX_MS), BeforeValidator(exact_number)] | None = Field(
        default=None, description="not before so many milliseconds after the signal"
    )
    stop_loss: Price | None = Field(default=None, description="where the position is to be closed at a loss")
    take_profit: Price | None = Field(default=None, description="where the position is to be closed at a profit")
    trailing_stop: Amount | None = Field(
        default=None, description="how far (price) a stop is to stay behind the position's best price"
    )
    stop_trigger_price_type: AnyTriggerPrice | None = Field(
        default=None, description="which price a bracket's stop waits for, the last trade's by default (FIX 1107)"
    )
    take_profits: TargetsText | None = Field(
        default=None, description="several targets instead of take_profit: PRICE:WEIGHT, PRICE:WEIGHT …"
    )
    break_even: BreakEven | None = Field(
        default=None, description="when the stop moves to the mean fill price: after the first target, or at once"
    )
    algorithm: UpperName | None = Field(
        default=None, description="what works the order in slices, instead of sending it whole (FIX 847)"
    )
    algorithm_parameters: ObjectText | None = Field(
        default=None, description="what the algorithm is told: a JSON object, by the names that it declares (FIX 848)"
    )
    routing: UpperName | None = Field(default=None, description="the policy that chooses its venues")
    venues: NamesText | None = Field(default=None, description="its venues, the preferred ones first: SIM, SIM2 …")


SPECIAL: tuple[str, ...] = tuple(SpecialTerms.model_fields)
SIZES = ("notional", "risk_amount", "equity_percent", "risk_percent")
"""What a size may be given as instead of a quantity."""


def check_special(kind: OrderType, tif: TimeInForce | None, order: Any) -> None:
    """Check what an order's type and its other words say of one another; no state is needed for it.

    Args:
        kind: of the order.
        tif: None where the desk's default counts, which is one that may rest.
        order: with the fields of `SpecialTerms`, or with none of them.

    Raises:
        ValueError: a sentence that begins with the field.
    """
    of = partial(getattr, order)
    check_pair(kind.stopped, of("stop_price", None), "stop_price", kind)
    trails = kind is OrderType.TRAILING_STOP
    check_pair(trails, of("trailing_offset", None), "trailing_offset", kind)
    rests = tif is None or tif.value in RESTING_TIMES
    if (tif is TimeInForce.GTD) != (of("expire_time", None) is not None):
        raise ValueError("expire_time: comes with time_in_force GTD, and a GTD order needs one")
    if not rests and (kind.stopped or trails):
        raise ValueError(f"time_in_force: a {kind} order waits, it may not be {tif}")
    if tif is not None and tif.value in AUCTION_TIMES and kind not in PLAIN_TYPES:
        raise ValueError(f"time_in_force: {tif} is for {' and '.join(sorted(PLAIN_TYPES))} orders, this is {kind}")
    if of("trailing_offset_type", None) and not trails:
        raise ValueError(f"trailing_offset_type: a {kind} order has no offset")
    if of("trigger_price_type", None) and not (kind.stopped or trails):
        raise ValueError(f"trigger_price_type: a {kind} order waits for no price that it is for")
    for name in ("post_only", "all_or_none", "display_quantity"):
        kinds = [each for each in RESTING_TYPES if name == "display_quantity" or each != OrderType.STOP_LIMIT]
        if of(name, None) and (kind.value not in kinds or not rests):
            this = f"{kind} {tif}" if tif else kind
            raise ValueError(f"{name}: is for orders that may rest, {', '.join(kinds)}; this is {this}")
    if of("all_or_none", None) and of("display_quantity", None):
        raise ValueError("display_quantity: an all_or_none order has none")
    if of("take_profits", None) and of("take_profit", None) is not None:
        raise ValueError("take_profits: name take_profit or take_profits, not both")
    if of("trailing_stop", None) is not None and of("stop_loss", None) is not None:
        raise ValueError("trailing_stop: name stop_loss or trailing_stop, not both")
    for name, does in (("break_even", "moves"), ("stop_trigger_price_type", "is of")):
        if of(name, None) and of("stop_loss", None) is None and of("trailing_stop", None) is None:
            raise ValueError(f"{name}: {does} a stop, and there is neither stop_loss nor trailing_stop")
    _check_worked(of, kind, tif)
    if of("effective_time", None) and of("effective_after_ms", None):
        raise ValueError("effective_after_ms: name effective_time or effective_after_ms, not both")
    if of("next_session", None):
        for name in ("effective_time", "effective_after_ms"):
            if of(name, None):
                raise ValueError(f"next_session: name next_session or {name}, not both")
        if tif is not None and tif.value in AUCTION_TIMES:
            raise ValueError(f"next_session: an order {tif} waits for its auction")


def _check_worked(of: Callable[..., Any], kind: OrderType, tif: TimeInForce | None) -> None:
    """Check what an order that is worked says: its slices have types of their own."""
    if of("algorithm_parameters", None) is not None and of("algorithm", None) is None:
        raise ValueError("algorithm_parameters: name an algorithm that they are for")
    by = next((name for name in ("algorithm", "routing", "venues") if of(name, None)), None)
    if by is None:
        return
    if kind not in (OrderType.MARKET, OrderType.LIMIT):
        raise ValueError(f"{by}: is for MARKET and LIMIT orders, this is {kind}")
    if tif is not None and tif.value in AUCTION_TIMES:
        raise ValueError(f"{by}: slices are not for an auction, this is {tif}")
    if tif is TimeInForce.FOK or of("all_or_none", None):
        raise ValueError(f"{by}: slices cannot trade all or none")
    for name in ("display_quantity", "post_only"):
        if of(name, None) and by == "algorithm":
            raise ValueError(f"{name}: is its algorithm's to say")
    if of("venue", None) and of("venues", None):
        raise ValueError("venues: name venue or venues, not both")


def check_pair(needed: bool, value: object, name: str, kind: OrderType) -> None:
    """Check that an order of a type has a value where it needs one, and none elsewhere."""
    if needed and value is None:
        raise ValueError(f"{name}: a {kind} order needs one")
    if not needed and value is not None:
        raise ValueError(f"{name}: a {kind} order has none, got {value}")


AMENDABLE = ("stop_price", "stop_loss", "take_profit", "take_profits", "trailing_stop", "break_even",
             "algorithm_parameters")  # fmt: skip
"""What an amendment may say beside quantity and price."""
OF_BRACKET = AMENDABLE[1:6]


def check_amended(said: Any) -> None:
    """Check that an amendment changes something, and nothing twice.

    Raises:
        ValueError: a sentence that begins with the field.
    """
    names = ("quantity", "price", *AMENDABLE)
    if all(getattr(said, name, None) is None for name in names):
        raise ValueError(f"quantity: an amendment changes one or several of {', '.join(names)}")
    for name, other in (("take_profits", "take_profit"), ("trailing_stop", "stop_loss")):
        if getattr(said, name, None) is not None and getattr(said, other, None) is not None:
            raise ValueError(f"{name}: name {other} or {name}, not both")
    bracket = next((name for name in OF_BRACKET if getattr(said, name, None) is not None), None)
    if bracket is not None and any(getattr(said, name, None) is not None for name in ("stop_price", AMENDABLE[-1])):
        raise ValueError(f"{bracket}: changes a bracket, and a bracket has no stop_price and no algorithm")
