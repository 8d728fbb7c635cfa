"""What an account holds, as two that keep it by themselves write it down to compare.

Flows in: positions and money as exact integers. Flows out: a row each, and a digest of all. Never rounds: equal
positions give equal rows, in whatever steps each counts, and others do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from hashlib import blake2b

from fillstream.libs.common.values.money import canonical, fixed, multiply

DIGEST_BYTES = 16
MOST_PARTS = 20
"""So many positions in an instrument a row names at most; of more it has a digest."""
MOST_ROWS = 1_000
"""So many rows are told with a digest at most."""


def row_of(symbol: str, position: str, cash: str, fees: str, parts: Mapping[str, str] | None = None) -> str | None:
    """Return a position as a row, None of one that nothing was ever traded of.

    Args:
        symbol: what is held.
        position: how much, short below 0; see `size`.
        cash: all that fills moved, fees taken off; see `money`.
        fees: all that were paid, likewise.
        parts: how much is held as which position, of an account that hedges; those that are flat left out.
    """
    row = f"{symbol} {position} {cash} {fees}"
    if not parts:
        return None if row.endswith(" 0 0 0") else row
    each = sorted(f"{name}:{held}" for name, held in parts.items())
    return f"{row} {','.join(each) if len(each) <= MOST_PARTS else digest_of(each)}"


def size(lots: int, step: Decimal) -> str:
    """Return a quantity of so many steps as a row has it."""
    return canonical(multiply(step, Decimal(lots)))


def money(units: int, decimals: int) -> str:
    """Return money of so many units of 10**-decimals as a row has it."""
    text = fixed(units, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text


def digest_of(rows: Iterable[str]) -> str:
    """Return a digest of an account's rows, which are sorted by symbol, in hexadecimal digits."""
    return blake2b("\n".join(rows).encode(), digest_size=DIGEST_BYTES).hexdigest()
