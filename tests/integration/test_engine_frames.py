"""Frames of many commands through the engine's stage and a real server: whole, exact and once, whoever dies between."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
import redis

from fillstream.backtest.memory_log import MemorySnapshots
from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import PARTITION_ALL, OrdType, Report, ReportFlag, ReportType, Side, Tif
from fillstream.libs.common.messages.topology import SIM, Topology
from fillstream.libs.common.messages.venue import reports_field
from fillstream.libs.common.runtime.log import READ_AHEAD_FROM, Fenced, RedisLog, connect
from fillstream.libs.common.runtime.runner import Runner
from fillstream.services.matching_engine.listing import Listing
from fillstream.services.matching_engine.stage import EngineStage
from tests.support.simulated_desk import CENT, SHARE
from tests.support.terms import instrument

PER_FRAME = 400
FRAMES = 80
TOPOLOGY = Topology(account_partitions=2)
LISTINGS = {number: Listing(f"S{number}", instrument(number, CENT, SHARE)) for number in (1, 2)}
UNLISTED = 3


def flow(seed: int) -> list[bytes]:
    """Return frames of orders, cancels and quotes in three symbols for accounts of two partitions."""
    rng = random.Random(seed)
    order_id = 0

    def record() -> bytes:
        nonlocal order_id
        symbol, partition = rng.choice([1, 2, UNLISTED]), rng.randrange(2)
        if (draw := rng.random()) < 0.02:
            return frames.quote(symbol, rng.randint(90, 99), rng.randint(0, 50), rng.randint(101, 110), 50)
        if draw < 0.4 and order_id:
            return frames.cancel(rng.randint(max(1, order_id - 300), order_id), 1 + partition, symbol, partition)
        order_id += 1
        codes = {"side": rng.choice([int(Side.BUY), int(Side.SELL)]), "ord_type": int(OrdType.LIMIT)}
        terms = {"tif": int(Tif.GTC), "price": rng.randint(95, 105), "qty": rng.randint(1, 20)}
        return frames.new_order(order_id, 1 + partition, symbol, partition, **codes, **terms)

    return [b"".join(record() for _ in range(PER_FRAME)) for _ in range(FRAMES)]


@pytest.mark.parametrize("seed", range(3))
def test_many_commands_are_answered_as_the_book_answers_them_through_any_change_of_owner(
    client: redis.Redis, redis_url: str, seed: int
) -> None:
    sent = flow(seed)
    for frame in sent:
        client.xadd(TOPOLOGY.commands(SIM, 0), {"frame": frame})
    ids = [entry_id.decode() for entry_id, _ in entries(client, TOPOLOGY.commands(SIM, 0))]
    rng, done = random.Random(seed), 0
    former: list[tuple[Runner, list[Any]]] = []
    while done < FRAMES:
        link = connect(redis_url)
        stage = EngineStage(TOPOLOGY, 0, LISTINGS)
        log = RedisLog(link, TOPOLOGY, stage.name, stage.inbox)
        runner = Runner(stage, log, MemorySnapshots())
        runner.recover()
        for _ in range(rng.randint(1, 4)):
            if batch := runner.read(rng.choice((1, 5, READ_AHEAD_FROM)), 1):
                runner.step(batch)
        if unsent := runner.read(READ_AHEAD_FROM, 1):
            former.append((runner, unsent))  # it goes on reading, is slow, and wakes up when another one owns its place
        log.settle()
        done = ids.index(runner.position) + 1
    assert former
    for runner, unsent in former:
        with pytest.raises(Fenced):
            runner.step(unsent)
            runner.log.settle()

    expected = book(sent)
    for partition in range(2):
        answered = b"".join(fields[reports_field(SIM)] for _, fields in entries(client, TOPOLOGY.orders(partition)))
        heard = [r for r in expected if r.partition in (partition, PARTITION_ALL)]
        assert [Report._make(r) for r in frames.reports(answered)] == heard
    assert published(client) == tape(expected)
    assert int(client.hget(TOPOLOGY.checkpoint("engine", "commands.SIM.0"), "entries") or 0) == FRAMES  # type: ignore[arg-type]


def entries(client: redis.Redis, stream: str) -> Any:
    return client.xrange(stream)


def book(sent: list[bytes]) -> list[Report]:
    """Return what one book answers to all frames."""
    engine = CoreEngine()
    return [Report._make(r) for frame in sent for r in frames.reports(engine.process(frame, 0))]


def tape(reports: list[Report]) -> dict[str, list[list[Any]]]:
    """Return each listed symbol's trades as people read them, from the reports of those who took."""
    trades: dict[str, list[list[Any]]] = {}
    for r in reports:
        if r.type == ReportType.FILLED and r.flags & ReportFlag.TAKER and r.symbol != UNLISTED:
            side = "BUY" if r.side == Side.BUY else "SELL"
            trades.setdefault(f"S{r.symbol}", []).append([r.match_id, f"{r.price / 100:.2f}", f"{r.qty}", side])
    return trades


def published(client: redis.Redis) -> dict[str, list[list[Any]]]:
    """Return the trades of the market stream by symbol."""
    trades: dict[str, list[list[Any]]] = {}
    for _, fields in entries(client, TOPOLOGY.market(0)):
        message = orjson.loads(fields[b"data"])
        if message["type"] == "Trades":
            trades.setdefault(message["symbol"], []).extend(message["trades"])
    return trades
