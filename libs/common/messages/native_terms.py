"""Lists of names that terms have, and what order types and times in force a venue may have.

Flows in: fields of settings, configuration and events. Flows out: validated values. Never decides anything.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from fillstream.libs.common.messages.base import Name
from fillstream.libs.common.messages.codes import OrderType, TimeInForce

MAX_SYMBOLS = 10_000


def _symbols(value: Any) -> Any:
    """Return a list of names, or text with commas between, sorted: equal lists are equal terms; null is none."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = [name for name in value.split(",") if name]
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return tuple(sorted(set(value)))
    return value


Names = Annotated[tuple[Name, ...], BeforeValidator(_symbols), Field(max_length=MAX_SYMBOLS)]
"""Names, sorted, each once; in text with commas between."""

NATIVE_TYPES = tuple(
    sorted(kind.value for kind in OrderType if kind not in (OrderType.MARKET_IF_TOUCHED, OrderType.LIMIT_IF_TOUCHED))
)
"""Order types that a book of ours has; if-touched ones no command has a word for."""
NATIVE_TIMES = tuple(sorted(tif.value for tif in TimeInForce))
NEEDED_TYPES, NEEDED_TIMES = ("LIMIT", "MARKET"), ("GTC", "IOC")
"""What every venue has: what the desk emulates goes as one of these."""


def _natives(native: tuple[str, ...], needed: tuple[str, ...]) -> AfterValidator:
    """Return what refuses names of what no venue can have, and a list without what the desk cannot do without."""

    def check(names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in native:
                raise ValueError(f"in which {name} must be one of {', '.join(native)}")
        for name in needed:
            if name not in names:
                raise ValueError(f"must have {name}: what the desk emulates goes as one of {', '.join(needed)}")
        return names

    return AfterValidator(check)


NativeTypes = Annotated[Names, _natives(NATIVE_TYPES, NEEDED_TYPES)]
NativeTimes = Annotated[Names, _natives(NATIVE_TIMES, NEEDED_TIMES)]
