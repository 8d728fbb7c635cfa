"""Terms in few words, and models with some fields changed, validated as new ones are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar

from pydantic import BaseModel

from fillstream.libs.common.messages.reference import AccountTerms, InstrumentTerms

Model = TypeVar("Model", bound=BaseModel)


def instrument(
    number: int, tick_size: Any, lot_size: Any, multiplier: Any = Decimal(1), **more: Any
) -> InstrumentTerms:
    return InstrumentTerms(id=number, tick_size=tick_size, lot_size=lot_size, multiplier=multiplier, **more)


def account(number: int, max_order_value: Any, max_daily_orders: int, *others: Any, **more: Any) -> AccountTerms:
    """Others are min_order_size and max_slippage_bps."""
    named = dict(zip(("min_order_size", "max_slippage_bps"), others, strict=False))
    return AccountTerms(id=number, max_order_value=max_order_value, max_daily_orders=max_daily_orders, **named | more)


def but(model: Model, **changes: Any) -> Model:
    return type(model).model_validate(dict(model) | changes)
