"""How an instrument is shown: its symbol, and what makes decimals of ticks and lots.

Flows in: an instrument's units. Flows out: text. Never rounds: every tick and every lot has a decimal.
"""

from __future__ import annotations

from functools import lru_cache

from fillstream.libs.common.messages.reference import InstrumentUnits
from fillstream.libs.common.values.money import Scale

TEXTS_KEPT = 4096
"""Prices and quantities of an instrument whose text is kept: most trades are at a few of each."""


class Listing:
    """How an instrument is shown: its symbol, and what makes decimals of its ticks (`price`) and lots (`qty`)."""

    __slots__ = ("price", "qty", "symbol")

    def __init__(self, symbol: str, units: InstrumentUnits) -> None:
        self.symbol = symbol
        self.price = lru_cache(TEXTS_KEPT)(Scale(units.tick_size).text)
        self.qty = lru_cache(TEXTS_KEPT)(Scale(units.lot_size).text)
