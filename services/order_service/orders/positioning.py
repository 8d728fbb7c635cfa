"""What is about positions and not about orders: closing, protecting and reaching them.

Flows in: instructions of these kinds. Flows out: each to the room that takes it. Never decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fillstream.services.order_service.orders.closes import Closes
from fillstream.services.order_service.orders.groups.closing import Closing
from fillstream.services.order_service.orders.instructions import (
    Aim,
    Cancel,
    Close,
    Exit,
    New,
    Protect,
    Reach,
    Unaim,
    Unprotect,
)
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.protections import Protections
from fillstream.services.order_service.orders.rules import Draft
from fillstream.services.order_service.orders.state import State
from fillstream.services.order_service.orders.targeting import Targeting


def positioning(
    state: State,
    journal: Journal,
    closing: Closing,
    new: Callable[[New], None],
    cancel: Callable[[Cancel], None],
    find_limits: Callable[[Draft], bool],
    full: Callable[[str, Close | Exit], None],
) -> dict[type, Callable[[Any], None]]:
    """Return what takes each kind of instruction.

    Args:
        state: has the positions.
        journal: answers.
        closing: has exits of brackets give way.
        new, cancel: take an order, and a request that one goes.
        find_limits: puts into a draft what an account may do in an instrument; False unless both are known.
        full: refuses what could not be remembered.
    """
    closes = Closes(state, journal, closing, new, find_limits, full)
    protections = Protections(state, journal, find_limits)
    targeting = Targeting(state, journal, closing, (new, closes.take, cancel), find_limits)
    return {
        Close: closes.take,
        Exit: closes.exit,
        Protect: protections.protect,
        Unprotect: protections.cancel,
        Aim: targeting.aim,
        Unaim: targeting.unaim,
        Reach: targeting.reach,
    }
