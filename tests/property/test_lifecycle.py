"""Whatever comes, in whatever order, an order keeps the quantity rules and FIX's transitions."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fillstream.libs.common.engine.frames import Reason
from fillstream.libs.common.messages.topology import Topology
from fillstream.services.order_service.orders.compiled import Terms
from fillstream.services.order_service.orders.life.order import FINAL, Order
from fillstream.services.order_service.orders.life.parts import Amendment, Refusal
from tests.support.orders import D
from tests.support.terms import instrument

TERMS = Terms("AAPL", instrument(1, D("0.01"), D(1)), Topology())

TRANSITIONS = {
    "PendingNew": {"New", "PartiallyFilled", "Filled", "Rejected", "PendingCancel", "PendingReplace", "Canceled"},
    "New": {"PartiallyFilled", "Filled", "Rejected", "PendingCancel", "PendingReplace", "Canceled"},
    "PartiallyFilled": {"Filled", "PendingCancel", "PendingReplace", "Canceled"},
    "PendingCancel": {"PendingNew", "New", "PartiallyFilled", "PendingReplace", "Filled", "Canceled", "Rejected"},
    "PendingReplace": {"PendingNew", "New", "PartiallyFilled", "PendingCancel", "Filled", "Canceled", "Rejected"},
    "Filled": {"PartiallyFilled", "PendingCancel"},  # by a quantity raised with the venue's agreement
    "Canceled": set(),
    "Rejected": set(),
    "Expired": set(),
}
"""Facts: order_states, transitions; every working status may expire."""

lots = st.integers(-1, 30)
steps = st.one_of(
    st.tuples(st.just("accept")),
    st.tuples(st.just("reject")),
    st.tuples(st.just("fill"), st.integers(1, 50), lots, st.integers(0, 20)),
    st.tuples(st.just("fill"), st.integers(1, 50), lots, st.just(None)),
    st.tuples(st.just("cancel"), st.sampled_from([0, *Reason])),
    st.tuples(st.just("expire")),
    st.tuples(st.just("refuse_cancel")),
    st.tuples(st.just("replace"), st.integers(1, 50), lots),
    st.tuples(st.just("refuse_replace")),
    st.tuples(st.just("request_cancel"), st.just("r1")),
    st.tuples(st.just("request_replace"), st.builds(Amendment, st.just("r2"), st.integers(1, 40), st.integers(1, 50))),
)


def apply(order: Order, step: tuple[Any, ...]) -> Refusal | bool | None:
    """Do one step; False when it may not be asked for now (the stage refuses such a request)."""
    name, *arguments = step
    if name == "request_cancel" and (order.status in FINAL or order.cancel_signal is not None):
        return False
    if name == "request_replace" and (order.status in FINAL or order.cancel_signal or order.amendment):
        return False
    if name == "fill" and arguments[2] is None:
        arguments[2] = order.last_match + 1
    result: Refusal | None = getattr(order, name)(*arguments)
    return result


@settings(max_examples=400, deadline=None)
@given(st.integers(1, 30), st.lists(steps, max_size=40))
def test_the_quantity_rules_hold_under_any_interleaving(quantity: int, script: list[tuple[Any, ...]]) -> None:
    order = Order(1, "s", "c", "a", 1, TERMS, None, None, "BUY", "LIMIT", "GTC", quantity, 10, 0, 0)
    fills: list[tuple[int, int]] = []
    for step in script:
        before = dataclasses.replace(order)
        result = apply(order, step)
        if result is False:
            continue
        if isinstance(result, Refusal):
            assert order == before, "what is refused changes nothing"
            assert "order 1" in result.text
            continue
        if step[0] == "fill":
            fills.append((step[1], step[2]))
            assert order.last_match > before.last_match, "every trade is applied once"
        if step[0] == "replace":
            assert order.quantity == step[2]
        else:
            assert order.quantity == before.quantity, "a quantity changes only when the venue took an amendment"
        assert order.cum == sum(size for _, size in fills)
        assert order.notional == sum(price * size for price, size in fills)
        assert 0 <= order.cum <= order.quantity
        assert order.leaves == (0 if order.status in FINAL else order.quantity - order.cum)
        assert (order.status == "Filled") <= (order.cum == order.quantity)
        if order.status not in FINAL:
            assert order.leaves > 0
        if order.status != before.status:
            assert order.status in TRANSITIONS[before.status] | ({"Expired"} - ({before.status} & FINAL))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1, max_size=8))
def test_the_mean_price_is_that_of_all_fills(fills: list[tuple[int, int]]) -> None:
    total = sum(size for _, size in fills)
    order = Order(1, "s", "c", "a", 1, TERMS, None, None, "BUY", "LIMIT", "GTC", total, 10**6, 0, 0)
    for number, (price, size) in enumerate(fills, 1):
        assert order.fill(price, size, number) is None
    assert order.status == "Filled"
    exact = Fraction(sum(price * size for price, size in fills), total * 100)
    assert Fraction(TERMS.price.mean(order.notional, order.cum)) == Fraction(round(exact * 10**12), 10**12)
