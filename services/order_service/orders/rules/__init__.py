"""The rules that an order meets before it goes to a venue, and an amendment before it replaces anything.

Flows in: a draft and a view of the state. Flows out: None, or the first rule that is broken, with its sentence. Never
changes anything, never looks at a clock. Every comparison is between integers: `compiled.Limits` has turned limits in
money into the fewest and the most ticks times lots that are inside them.

A rule is a function in one of the files beside this one, and a line in the lists below: its place is its precedence.
README's table of rules and the test of each rule are made from them.
"""

from __future__ import annotations

from fillstream.services.order_service.orders.rules.activity import max_daily_orders
from fillstream.services.order_service.orders.rules.amendment import not_below_filled, not_market, nothing_pending
from fillstream.services.order_service.orders.rules.grid import (
    on_lot,
    on_tick,
    price_given,
    price_positive,
    price_within_venue,
    quantity_within_venue,
)
from fillstream.services.order_service.orders.rules.identity import known_account, known_symbol
from fillstream.services.order_service.orders.rules.market import fresh_quote, has_quote, within_collar
from fillstream.services.order_service.orders.rules.rule import Draft, Reject, Rule, Rules, View
from fillstream.services.order_service.orders.rules.value import max_order_value, min_order_size

NEW = Rules(
    (
        known_account,
        known_symbol,
        on_lot,
        quantity_within_venue,
        has_quote,
        price_given,
        on_tick,
        price_positive,
        price_within_venue,
        within_collar,
        fresh_quote,
        min_order_size,
        max_order_value,
        max_daily_orders,
    )
)
"""Of a new order, first things first."""

AMEND = Rules(
    (
        nothing_pending,
        not_market,
        on_lot,
        quantity_within_venue,
        on_tick,
        price_positive,
        price_within_venue,
        not_below_filled,
        known_account,
        known_symbol,
        within_collar,
        fresh_quote,
        min_order_size,
        max_order_value,
    )
)
"""Of an amendment."""


__all__ = ["AMEND", "NEW", "Draft", "Reject", "Rule", "Rules", "View"]
