"""How an instrument's positions are marked, and what follows from its marks: terms that the positions stage looks at.

Flows in: fields of settings, configuration and events. Flows out: validated values. Never decides.
"""

from __future__ import annotations

from typing import Annotated

from fillstream.libs.common.messages.codes import MarkPrice
from fillstream.libs.common.messages.terms import WRITTEN, about

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MarkedBy = Annotated[
    MarkPrice,
    about("what positions in it are valued at: the MID, the LAST trade, or the side that CLOSING them would meet",
          rare=True),
]  # fmt: skip
MarkInterval = Annotated[
    int,
    about("positions in it are told at most so often as its mark moves; 0: with every quote", unit="ms", ge=0,
          le=HOUR_MS, rare=True),
    WRITTEN,
]  # fmt: skip
RangeInterval = Annotated[
    int | None,
    about("of bars of its mark so long its average true range is made, for trailing stops; null: of none",
          unit="ms", ge=1_000, le=DAY_MS, rare=True),
    WRITTEN,
]  # fmt: skip
RangeBars = Annotated[int, about("and of so many of them, the last that ended", ge=2, le=200, rare=True), WRITTEN]
