"""The rules that an order meets before it goes to a venue, and an amendment before it replaces anything.

Flows in: a draft and a view of the state. Flows out: None, or the first rule that is broken, with its sentence. Never
changes anything, never looks at a clock. Every comparison is between integers: `compiled.Limits` has turned limits in
money into the fewest and the most ticks times lots that are inside them.

A rule is a function in one of the files beside this one, and in the list at that file's end; these lists join those.
README's table of rules and the test of each rule are made from them.
"""

from __future__ import annotations

from fillstream.services.order_service.orders.rules import (
    activity,
    amendment,
    approval,
    breaker,
    exposure,
    grid,
    identity,
    market,
    permission,
    position,
    session,
    special,
    trading,
    value,
    venue,
    working,
)
from fillstream.services.order_service.orders.rules.rule import Draft, Reject, Rule, Rules, View

NEW = Rules(
    (
        *identity.NEW,
        *trading.NEW,
        *breaker.NEW,
        *venue.NEW,
        *grid.NEW,
        *permission.NEW,
        *session.NEW,
        *market.NEW,
        *value.NEW,
        *activity.NEW,
        *position.NEW,
        *exposure.NEW,
    )
)
"""Of a new order, first things first."""

SPECIAL = Rules((*special.FIRST, *working.NEW, *session.SPECIAL))
"""Of a new order that is not plain, before the others: they need it in integers."""

WORKED = Rules((working.known_algorithm, working.algorithm_takes_them))
"""Of what is asked of an algorithm, before there is an order."""

SHOWN = Rules(special.LAST)
"""Of the same, once its size is known."""

STOP = Rules((special.stop_on_tick, special.stop_in_range))
"""Of an amendment of a stop price."""

ON_TICK = Rules((grid.on_tick,))
"""Of a new order whose size would be counted at its price."""

RELEASED = Rules((market.within_collar, market.fresh_quote))
"""Of an order that the desk held for a time, when it goes."""

CHILD = Rules(
    (permission.not_halted, *breaker.NEW, *session.NEW, market.within_collar, market.fresh_quote,
     market.not_against_itself)
)  # fmt: skip
"""Of an order that another one makes, when it goes: its parent has met all others."""

KNOWN = Rules(identity.NEW)
"""Of whoever asks for anything of an instrument."""

AMEND = Rules(
    (
        *amendment.FIRST,
        *grid.AMEND,
        *amendment.LAST,
        *identity.AMEND,
        *trading.AMEND,
        *permission.AMEND,
        *session.AMEND,
        *market.AMEND,
        *value.AMEND,
        *activity.AMEND,
        *position.AMEND,
        *exposure.AMEND,
        *approval.AMEND,
    )
)
"""Of an amendment."""


__all__ = [
    "AMEND",
    "CHILD",
    "KNOWN",
    "NEW",
    "ON_TICK",
    "RELEASED",
    "SHOWN",
    "SPECIAL",
    "STOP",
    "WORKED",
    "Draft",
    "Reject",
    "Rule",
    "Rules",
    "View",
]
