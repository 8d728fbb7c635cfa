"""What an account or the desk may do: everything, only what reduces, or nothing new.

Flows in: what operators said of an account and of the desk. Flows out: the stricter of both. Never judges an order.
"""

from __future__ import annotations

from typing import NamedTuple

from fillstream.libs.common.messages.codes import TradingState

REDUCING: str = TradingState.REDUCING.value
HALTED: str = TradingState.HALTED.value
SEVERITY = {state.value: number for number, state in enumerate(TradingState)}
"""How strict a state is: 0 of ACTIVE."""


class Standing(NamedTuple):
    """What an account or the desk may do.

    Attributes:
        state: a `TradingState` by its name.
        keeps: of HALTED, that protective orders which the desk holds still go when their price comes.
        bare: of HALTED, how many open positions it left without a protective order that covers them.
    """

    state: str = TradingState.ACTIVE.value
    keeps: bool = False
    bare: int = 0


ACTIVE = Standing()


def stricter(one: Standing, other: Standing) -> Standing:
    """Return what counts where both hold: of two halts the one that keeps nothing."""
    if one.state == other.state == HALTED:
        return other if one.keeps else one
    return one if SEVERITY[one.state] >= SEVERITY[other.state] else other
