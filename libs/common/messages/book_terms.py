"""How positions are counted: terms for good, of accounts and instruments, which orders and positions are booked by.

Flows in: fields of settings, configuration and events. Flows out: validated values. Never books anything.
"""

from __future__ import annotations

from typing import Annotated

from fillstream.libs.common.messages.codes import AccountType, CostMethod, PositionMode
from fillstream.libs.common.messages.terms import about

CostOf = Annotated[
    CostMethod,
    about("what a part of a position that is closed did cost: the AVERAGE, what came first (FIFO) or last (LIFO)",
          fixed=True, rare=True),
]  # fmt: skip
ModeOf = Annotated[
    PositionMode,
    about(
        "NETTING: one position in an instrument; HEDGING: as many, long and short, as orders name (position_id)",
        fixed=True, rare=True,
    ),
]  # fmt: skip
IsInverse = Annotated[
    bool,
    about("whether it is worth multiplier / price of its currency, which it settles in: its prices are in another",
          fixed=True, rare=True),
]  # fmt: skip


def check_inverse(inverse: bool, negative_prices: bool, base_currency: str | None, said: bool) -> None:
    """Check that an inverse contract always has a value, and that what it settles in was `said`: it is for good.

    Raises:
        ValueError: a sentence that begins with the field.
    """
    if inverse and negative_prices:
        raise ValueError("negative_prices: must be false where inverse is true: at a price of 0 it is worth nothing")
    if inverse and not said:
        raise ValueError("currency: must be said where inverse is true, as what the contract settles in")
    if inverse and base_currency is not None:
        raise ValueError(
            f"base_currency: {base_currency} must be null where inverse is true: its price is no rate to its currency"
        )


def check_mode(mode: PositionMode, may_short: bool, kind: AccountType) -> None:
    """Check that an account that hedges may hold what it would.

    Raises:
        ValueError: a sentence that begins with the field.
    """
    if mode is PositionMode.HEDGING:
        if not may_short:
            raise ValueError("position_mode: HEDGING is for an account that may_short, long and short beside it")
        if kind is AccountType.CASH:
            raise ValueError("position_mode: HEDGING is not for account_type CASH, which owns what it holds")
