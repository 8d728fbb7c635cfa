"""A client of a desk with two account partitions hears the answer to whatever it asks, wherever that is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from fillstream.backtest.memory_log import MemorySnapshots
from fillstream.client import Client
from fillstream.libs.common.messages.topology import Topology, partition_of_order_id
from fillstream.libs.common.runtime.continuity import TopologyDiffers
from fillstream.libs.common.runtime.log import RedisLog, connect
from fillstream.libs.common.runtime.runner import Runner
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.order_service.signals.stage import SignalsStage
from tests.support.terms import account, instrument

TOPOLOGY = Topology(account_partitions=2)
HERE, ELSEWHERE = (
    next(name for name in ("default", "a", "b", "c", "d", "e") if TOPOLOGY.account_partition(name) == partition)
    for partition in (TOPOLOGY.account_partition("default"), 1 - TOPOLOGY.account_partition("default"))
)
CONFIG = DeskConfig(
    instruments={"AAPL": instrument(1, "0.01", "1")},
    accounts={HERE: account(1, "1000000", 50), ELSEWHERE: account(2, "1000000", 50)},
)
Settle = Callable[[], None]


@pytest.fixture
def settle(redis_url: str, client: redis.Redis) -> Iterator[Settle]:
    """Return what lets the stages fold all there is."""
    stages = [SignalsStage(TOPOLOGY), *(OrdersStage(TOPOLOGY, a, CONFIG) for a in range(2))]
    connections = [connect(redis_url) for _ in stages]
    runners = [
        Runner(stage, RedisLog(connection, TOPOLOGY, stage.name, stage.inbox), MemorySnapshots())
        for stage, connection in zip(stages, connections, strict=True)
    ]
    for runner in runners:
        runner.recover()

    def fold() -> None:
        moving = True
        while moving:
            moving = False
            for runner in runners:
                while batch := runner.read(500, 1):
                    runner.step(batch)
                    moving = True

    yield fold
    for connection in connections:
        connection.close()


def test_the_answer_to_a_request_by_order_id_is_found_without_its_account(redis_url: str, settle: Settle) -> None:
    with Client(redis_url, TOPOLOGY) as desk:
        desk.signal("AAPL", "BUY", 1, price="1.00", signal_id="o", account=ELSEWHERE)
        settle()
        order_id = desk.wait_for("o", timeout_s=2).order_id
        assert order_id is not None
        assert partition_of_order_id(int(order_id)) == TOPOLOGY.account_partition(ELSEWHERE)
        for ask in (desk.cancel, lambda order_id: desk.replace(order_id, quantity=2)):
            sent = ask(order_id)
            settle()
            outcome = desk.wait_for(sent, timeout_s=60)
            assert outcome.refused
            [event] = outcome.events
            assert (event["reason"], event["account"]) == ("unknown_order", ELSEWHERE), "in its account's journal"
            assert f"account {HERE} has no order {order_id}" in event["text"]


def test_one_signal_id_of_two_accounts_is_two_signals(redis_url: str, settle: Settle) -> None:
    with Client(redis_url, TOPOLOGY) as desk:
        for name in (HERE, ELSEWHERE):
            desk.signal("AAPL", "BUY", 1, price="1.00", signal_id="1", account=name)
        settle()
        found = [desk.wait_for("1", timeout_s=2, account=name) for name in (HERE, ELSEWHERE)]
        assert [outcome.events[0]["account"] for outcome in found] == [HERE, ELSEWHERE]
        assert len({outcome.order_id for outcome in found}) == 2
        assert desk.wait_for("1", timeout_s=2).order_id == found[1].order_id, "whose it was sent for last"
    assert not connect(redis_url).exists(TOPOLOGY.dead)


def test_whoever_has_other_partition_counts_is_refused(redis_url: str) -> None:
    with connect(redis_url) as own:
        RedisLog(own, Topology(), "signals", "signals").claim()
    with Client(redis_url, Topology(account_partitions=2)) as other:
        with pytest.raises(TopologyDiffers, match=r"messaging\.account_partitions: 2 must be 1"):
            other.signal("AAPL", "BUY", 1)
        with pytest.raises(TopologyDiffers):
            other.control("ResetLimits", "default", who="me", reason="x")
    with Client(redis_url) as same:
        assert same.signal("AAPL", "BUY", 1, signal_id="s1") == "s1"
