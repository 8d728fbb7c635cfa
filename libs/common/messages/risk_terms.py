"""What an account may risk as a whole, beside what its orders may do: terms that the positions stage looks at.

Flows in: fields of settings, configuration and events. Flows out: validated values. Never decides.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from fillstream.libs.common.messages.codes import RiskAction
from fillstream.libs.common.messages.mark_terms import DAY_MS
from fillstream.libs.common.messages.terms import ACCOUNT_VALUE, WRITTEN, about
from fillstream.libs.common.values.money import MAX_DIGITS, canonical

Positive = Annotated[Decimal, Field(max_digits=MAX_DIGITS, allow_inf_nan=False, gt=0), WRITTEN]
MaxDrawdown = Annotated[
    Annotated[Decimal, Field(max_digits=MAX_DIGITS, allow_inf_nan=False, gt=0, le=1), WRITTEN] | None,
    about("how far its equity may fall below its highest, as a share of that; null: no limit", rare=True),
]
MaxLeverage = Annotated[Positive | None, about("gross exposure by equity, at most; null: no limit", rare=True)]
MaxConcentration = Annotated[
    Positive | None, about("exposure in one instrument by equity, at most; null: no limit", rare=True)
]
MaxValueAtRisk = Annotated[
    Positive | None,
    about(
        "what one session of a hundred may lose at least, by what marks did before; null: no limit", unit=ACCOUNT_VALUE,
        rare=True,
    ),
]  # fmt: skip
ExitPercent = Annotated[
    Annotated[Decimal, Field(max_digits=MAX_DIGITS, allow_inf_nan=False, gt=0, le=1000), WRITTEN] | None,
    about(
        "a position of it that is opened is closed by itself so many per cent of its mean price on the losing side, "
        "which no long reaches from 100 on; null: it is not",
        unit="percent", rare=True,
    ),
]  # fmt: skip
TakePercent = Annotated[
    Annotated[Decimal, Field(max_digits=MAX_DIGITS, allow_inf_nan=False, gt=0, le=1000), WRITTEN] | None,
    about("and so many on the winning side; null: it is not", unit="percent", rare=True),
]
ExitTrail = Annotated[
    Annotated[Decimal, Field(max_digits=MAX_DIGITS, allow_inf_nan=False, gt=0, lt=100), WRITTEN] | None,
    about("a stop trails its best mark by so many per cent, in hundredths of one; null: none does", unit="percent",
          rare=True),
]  # fmt: skip
ExitRanges = Annotated[
    Annotated[Decimal, Field(max_digits=MAX_DIGITS, allow_inf_nan=False, gt=0, le=1000), WRITTEN] | None,
    about("or by so many average true ranges of the instrument (its atr_interval_ms); null: none does", rare=True),
]
ExitBeforeEnd = Annotated[
    Annotated[int, Field(ge=1, le=DAY_MS)] | None,
    about(
        "it is closed so long before trading in its instrument ends for the day, or its closing auction begins; one "
        "that is opened later than that, at once; null: it is not",
        unit="ms", rare=True,
    ),
]  # fmt: skip
OnRisk = Annotated[
    RiskAction,
    about("where one of these four is broken: ALERT, REDUCE (it may do no more than reduce) or HALT", rare=True),
]


def check_trail(percent: Decimal | None, ranges: Decimal | None) -> None:
    """Check that a stop trails in one way, and in steps that there are.

    Raises:
        ValueError: a sentence that begins with the field.
    """
    if percent is None:
        return
    if ranges is not None:
        both = f"{canonical(ranges)} and exit_trailing_stop_percent {canonical(percent)}"
        raise ValueError(f"exit_trailing_stop_atr: {both}: name one of both")
    if percent % Decimal("0.01"):
        raise ValueError(f"exit_trailing_stop_percent: {canonical(percent)} must be a multiple of 0.01")
