"""What every message keeps to: its head, its version, and the types its fields are made of.

Flows in: decoded fields. Flows out: validated values. Never does I/O, never converts to floats: prices and quantities
are Decimal here and strings in JSON.

Names are FIX 4.4's in snake case where FIX has one (`cum_qty` 14, `leaves_qty` 151, `avg_px` 6, `last_px` 31,
`last_qty` 32, `time_in_force` 59, `ord_status` 39, `exec_id` 17); `quantity` is OrderQty (38), `order_type` OrdType
(40). Commands are imperative, events past tense. `time` is the millisecond part of the id of the log entry that
caused the message, UTC since 1970.

The hot path writes events as plain dicts with these very keys; tests and the simulation validate every one.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from fillstream.libs.common.messages.codes import OrderType, Side, TimeInForce
from fillstream.libs.common.values.money import MAX_DIGITS
from fillstream.libs.common.values.naming import ID, NAME, ORDER_ID

VERSION = 1


def _upper(value: Any) -> Any:
    """Letters outside ASCII stay as they are: some, like the long s, become ASCII ones."""
    return value.upper() if isinstance(value, str) and value.isascii() else value


def exact_number(value: Any) -> Any:
    """Refuse what is a number to Python alone; a JSON float becomes the decimal that was written, not its neighbour."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not a boolean")
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        raise ValueError("must be a decimal number in the digits 0 to 9, without separators")
    return repr(value) if isinstance(value, float) else value


Name = Annotated[str, StringConstraints(pattern=NAME)]
Id = Annotated[str, StringConstraints(pattern=ID)]
Amount = Annotated[Decimal, Field(gt=0, max_digits=MAX_DIGITS, allow_inf_nan=False), BeforeValidator(exact_number)]
Price = Annotated[Decimal, Field(max_digits=MAX_DIGITS, allow_inf_nan=False), BeforeValidator(exact_number)]
Number = Annotated[Decimal, Field(allow_inf_nan=False)]
AnySide = Annotated[Side, BeforeValidator(_upper)]
AnyOrderType = Annotated[OrderType, BeforeValidator(_upper)]
AnyTimeInForce = Annotated[TimeInForce, BeforeValidator(_upper)]
OrderId = Annotated[str, StringConstraints(pattern=ORDER_ID)]


class Message(BaseModel):
    """What every message is: frozen, versioned, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: int = Field(default=VERSION, ge=VERSION, le=VERSION)
