"""On any market, with any parameters: no plan asks for more than is left, for nothing, or for a time that is over."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fillstream.services.order_service.orders.algos import ALGORITHMS
from fillstream.services.order_service.orders.algos.algorithm import Urgency
from tests.support.algo_market import START_MS, Move, SimBook, SimJob, Trader, checked

shares = st.decimals("0.000001", "1", places=6)
amounts = st.integers(1, 10**6).map(Decimal)
small = st.decimals("0", "1000", places=9)
positive = st.decimals("0.000000001", "1000", places=9)
slices = st.sampled_from((1, 2, 3, 7, 20, 100_000))
common = {
    "urgency": st.sampled_from(Urgency),
    "randomize": st.none() | shares,
    "retry_ms": st.integers(1, 10_000),
    "largest_clip": st.none() | amounts,
}
told: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "AT_ONCE": {},
    "TWAP": {"slices": slices},
    "VWAP": {
        "slices": slices,
        "profile": st.lists(st.decimals("0", "1000", places=3), min_size=1, max_size=48).map(lambda p: [*p, 1]),
        "profile_bucket_ms": st.none() | st.sampled_from((1, 60_000, 900_000, 86_400_000)),
    },
    "POV": {"participation": shares, "every_ms": st.integers(1, 10_000)},
    "IS": {
        "slices": slices,
        "risk_aversion": small,
        "volatility": positive,
        "temporary_impact": positive,
        "permanent_impact": small,
    },
    "ICEBERG": {"display_quantity": amounts},
    "SNIPER": {"price": st.decimals("-10", "1000", places=4), "minimum_quantity": st.none() | amounts},
    "CHASER": {"offset_ticks": st.integers(-50, 50), "minimum_move_ticks": st.integers(1, 50)},
    "LADDER": {
        "levels": st.integers(1, 100),
        "spacing_percent": st.decimals("0.001", "99", places=3),
        "sizes": st.sampled_from(("EQUAL", "GEOMETRIC")),
        "ratio": st.decimals("0.1", "10", places=2),
        "first_price": st.none() | st.decimals("-10", "1000", places=4),
    },
}
prices, lots = st.integers(-100, 30_000), st.integers(0, 10**6)
quotes = st.tuples(prices, lots, prices, lots)


def parameters_of(draw: st.DrawFn, name: str) -> Any:
    fields = {key: draw(strategy) for key, strategy in {**common, **told[name]}.items()}
    return ALGORITHMS[name].parameters.model_validate(
        {key: value for key, value in fields.items() if value is not None}
    )


def test_every_algorithm_of_ours_is_here() -> None:
    from fillstream.services.order_service.orders import algos

    ours = {name for name, each in ALGORITHMS.items() if each.plan.__module__.startswith(algos.__name__)}
    assert ours == set(told)


@pytest.mark.parametrize("name", told)
@settings(deadline=None)
@given(data=st.data())
def test_a_plan_never_asks_for_more_than_is_left(name: str, data: st.DataObject) -> None:
    """Asked again and again, with its own memory, while fills come, its quantity and its end are amended."""
    draw = data.draw
    job = SimJob(
        buy=draw(st.booleans()), lots=draw(st.integers(1, 10**12)), parameters=parameters_of(draw, name),
        start_ms=START_MS, end_ms=START_MS + draw(st.integers(0, 10**9)), limit=draw(st.none() | prices), now=START_MS,
    )  # fmt: skip
    working = 0
    for _ in range(draw(st.integers(1, 6))):
        job.now += draw(st.integers(0, 3) | st.integers(0, 10**9))
        job.quote.bid, job.quote.bid_qty, job.quote.ask, job.quote.ask_qty = draw(quotes)
        job.volume += draw(st.integers(0, 10**9))
        job.book = SimBook(volume=job.volume)
        filled = draw(st.integers(0, job.left - 1))
        job.done, job.own = job.done + filled, job.own + draw(st.integers(0, filled))
        job.open = draw(st.integers(0, min(job.left, working)))
        before = checked(job, ALGORITHMS[name].plan(job))
        assert checked(job, ALGORITHMS[name].plan(job)) == before, "asked again at once, it wants the same"
        job.asked, working = job.asked + 1, sum(each.lots for each in before.slices)
        job.lots = max(job.done + 1, job.lots + draw(st.sampled_from((0, 0, -100, 100))))
        job.end_ms = max(START_MS, (job.end_ms or 0) + draw(st.sampled_from((0, 0, -10_000, 10_000))))


@pytest.mark.parametrize("name", told)
@settings(deadline=None)
@given(data=st.data())
def test_on_any_market_it_never_trades_more_than_its_lots(name: str, data: st.DataObject) -> None:
    draw, at, moves = data.draw, START_MS - 10, []
    for _ in range(draw(st.integers(1, 25))):
        at += draw(st.integers(1, 60))
        if draw(st.booleans()):
            moves.append(Move(at, quote=draw(quotes)))
        else:
            moves.append(Move(at, trade=(draw(st.booleans()), draw(prices), draw(st.integers(1, 1_000)))))
    lots = draw(st.integers(1, 2_000))
    job = SimJob(
        draw(st.booleans()), lots, parameters_of(draw, name), START_MS, START_MS + 400, draw(st.none() | prices)
    )
    trader = Trader(ALGORITHMS[name], job).run(moves)
    assert job.done == sum(each.lots for each in trader.fills) <= lots
    if job.limit is not None:
        assert all(each.ticks <= job.limit if job.buy else each.ticks >= job.limit for each in trader.fills)
