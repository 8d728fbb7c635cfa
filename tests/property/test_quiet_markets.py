"""A market that certainly concerns nobody is not looked at: what waits there goes and follows as if it were."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import event, given
from hypothesis import strategies as st

from fillstream.libs.common.messages.topology import Topology
from fillstream.services.order_service.orders.compiled import Quote, Terms
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.life.special import Special
from fillstream.services.order_service.orders.waiting.triggers import Triggers, half_ticks
from tests.support.terms import instrument

TERMS = Terms("AAPL", instrument(1, Decimal("0.01"), Decimal(1)), Topology())
MOVES, QTY = st.sampled_from((0, 0, 1, -1, 2, -2, 9, -9)), st.sampled_from((1,) * 12 + (0,))
MARKETS = st.tuples(MOVES, QTY, MOVES, QTY, MOVES, st.sampled_from((True,) * 6 + (False,)))
"""How bid, ask and last move, and whether there is a last price."""
KINDS = st.sampled_from(("STOP", "MARKET_IF_TOUCHED", "TRAILING_STOP", "TRAILING_STOP"))
ORDERS = st.tuples(
    KINDS, st.sampled_from(("BUY", "SELL")), st.sampled_from(("LAST", "BID_ASK", "MID")), st.integers(1, 20),
    st.booleans(),
)  # fmt: skip
STEPS = st.lists(st.one_of(MARKETS, MARKETS, MARKETS, ORDERS), min_size=5, max_size=60)


def made(order_id: int, kind: str, side: str, trigger: str, number: int, in_bps: bool) -> Order:
    trails = kind == "TRAILING_STOP"
    special = Special(
        stop=None if trails else number - 4,
        trigger=trigger,
        offset=(number * 300 if in_bps else number) if trails else None,
        in_bps=in_bps and trails,
    )
    return Order(order_id, "s", "s", "a", 1, TERMS, None, None, side, kind, "GTC", 1, 1, 0, 0, special=special)


@given(steps=STEPS)
def test_who_does_not_look_misses_nothing(steps: list[tuple[object, ...]]) -> None:
    looking, trusting, quote, quiet = Triggers(), Triggers(), Quote(), 0
    last = 10
    quote.bid, quote.ask = 9, 11
    for order_id, step in enumerate(steps, start=1):
        if isinstance(step[0], str):
            order = made(order_id, *step)  # type: ignore[arg-type]
            price = half_ticks(quote, order.special.trigger, order.side == "BUY")  # type: ignore[union-attr]
            for triggers in (looking, trusting):
                triggers.arm(order, price)
            continue
        bid, quote.bid_qty, ask, quote.ask_qty, moved, traded = step  # type: ignore[assignment]
        quote.bid, quote.ask, last = quote.bid + bid, quote.ask + ask, last + moved  # type: ignore[operator]
        quote.last = last if traded else None
        expected = looking.reached("SIM", 1, quote, 100)
        if trusting.is_quiet("SIM", 1, quote):
            quiet += bool(trusting)
            assert expected == []
        else:
            assert trusting.reached("SIM", 1, quote, 100) == expected
        assert looking.bests() == trusting.bests()
    event(f"quiet: {min(quiet, 5)}")


def test_a_market_is_quiet_up_to_the_tick_before_somebody_is_reached() -> None:
    triggers, quote = Triggers(), Quote()
    quote.bid, quote.bid_qty, quote.ask, quote.ask_qty = 100, 1, 110, 1
    stop = made(1, "STOP", "SELL", "BID_ASK", 94, in_bps=False)  # at 90
    trailing = made(2, "TRAILING_STOP", "BUY", "BID_ASK", 15, in_bps=False)  # at 125, the best ask being 110
    for order in (stop, trailing):
        triggers.arm(order, half_ticks(quote, "BID_ASK", order.side == "BUY"))
    assert not triggers.is_quiet("SIM", 1, quote), "nobody has looked yet"
    assert triggers.reached("SIM", 1, quote, 9) == []
    for bid, ask, quiet in ((91, 110, True), (90, 110, False), (100, 124, True), (100, 125, False), (100, 109, False)):
        quote.bid, quote.ask = bid, ask
        assert triggers.is_quiet("SIM", 1, quote) is quiet, (bid, ask)
    quote.bid, quote.ask, quote.ask_qty = 100, 110, 0
    assert not triggers.is_quiet("SIM", 1, quote), "one side has gone"
