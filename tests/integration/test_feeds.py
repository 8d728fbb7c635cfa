"""The made-up market: alive, never stale, and small in the streams that keep it."""

from __future__ import annotations

from itertools import pairwise

import pytest
import redis

from fillstream.cli.commands.market import STARTS_AT
from fillstream.demo.feeds import publish, synthetic
from fillstream.demo.market_numbers import Moment, listed
from fillstream.libs.common.engine.frames import COMMAND, RECORD_BYTES, Command, CommandType
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.settings import load_settings

SECOND_NS = 1_000_000_000
REQUOTED_S = 2
"""An order is refused where the newest quote is some seconds old; the market has to be well within."""
MINUTES = 20


@pytest.fixture(scope="module")
def moments() -> list[Moment]:
    """Return twenty minutes of the market that `fillstream up` makes."""
    instruments = {s: one for s, one in listed(load_settings().instruments).items() if s in STARTS_AT}
    found = []
    for moment in synthetic(instruments, STARTS_AT, seed=1):
        if moment.time_ns > MINUTES * 60 * SECOND_NS:
            return found
        found.append(moment)
    raise AssertionError("it has no end")


def quotes(moments: list[Moment], symbol: str) -> list[tuple[int, Command]]:
    commands = [(m.time_ns, Command._make(COMMAND.unpack(m.record))) for m in moments if m.symbol == symbol]
    return [(at, command) for at, command in commands if command.type == CommandType.QUOTE]


@pytest.mark.parametrize("symbol", STARTS_AT)
def test_every_symbol_is_quoted_again_before_its_quote_is_old(moments: list[Moment], symbol: str) -> None:
    times = [0, *(at for at, _ in quotes(moments, symbol)), MINUTES * 60 * SECOND_NS]
    assert max(later - earlier for earlier, later in pairwise(times)) <= REQUOTED_S * SECOND_NS


@pytest.mark.parametrize("symbol", STARTS_AT)
def test_prices_move_several_times_a_minute(moments: list[Moment], symbol: str) -> None:
    prices = [(command.price, command.aux_price) for _, command in quotes(moments, symbol)]
    moves = sum(before != after for before, after in pairwise(prices))
    assert moves > 10 * MINUTES
    assert all(bid < ask for bid, ask in prices)


def test_the_same_seed_makes_the_same_market_and_another_another(moments: list[Moment]) -> None:
    instruments = {s: one for s, one in listed(load_settings().instruments).items() if s in STARTS_AT}
    assert list(synthetic(instruments, STARTS_AT, 1, len(moments))) == moments
    assert list(synthetic(instruments, STARTS_AT, 2, len(moments))) != moments


def test_a_round_is_one_entry_and_a_day_of_it_is_small(client: redis.Redis, moments: list[Moment]) -> None:
    speed = 6000.0
    rounds = len({moment.time_ns for moment in moments})
    assert publish(client, Topology(), iter(moments), speed) == len(moments)
    frames = [fields[b"frame"] for _, fields in client.xrange("commands.SIM.{s0}")]  # type: ignore[union-attr]
    assert len(frames) <= rounds
    assert b"".join(frames) == b"".join(moment.record for moment in moments), "in order, and all of it"
    # The old market took 3.8 kB a second here, and as much in the reports; see `python -m bench memory`.
    size = client.memory_usage("commands.SIM.{s0}", samples=0)
    assert size is not None
    assert size / (MINUTES * 60) < 6 * RECORD_BYTES
