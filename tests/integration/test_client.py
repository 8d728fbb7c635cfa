"""Both clients on a real desk: what they follow, what they ask, and what they do while Redis is away."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis

from examples.desk import Market
from fillstream import AsyncClient, Client, LocalStack
from fillstream.client import AnalyticsError
from fillstream.client.topics import DEAD
from fillstream.libs.common.messages.accounts import AccountMarked
from fillstream.libs.common.messages.journal import OrderFilled, OrderReceived
from fillstream.libs.common.messages.positions import PositionChanged
from fillstream.libs.common.messages.topology import Topology
from fillstream.stack.stack import IDEAL_DESK
from fillstream.trading import EventBus, PositionTracker
from tests.conftest import until
from tests.support.messages import payload, sample
from tests.support.servers import Server
from tests.support.users import server_of_users

EVENTS = "events.{a0}"


def told(number: int, **values: Any) -> dict[str, Any]:
    return payload(sample(OrderFilled, number, seq=number, **values))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.kill()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    folder = tmp_path_factory.mktemp("desk")
    with LocalStack(folder, base_port=0, redis_port=0, environ=IDEAL_DESK) as made:
        made.wait_ready()
        yield made


def comes_back(server: Server, *numbers: int) -> threading.Thread:
    """Kill a server, and start it again a moment later with more in its journal."""
    server.kill()

    def start() -> None:
        with server.start() as client:
            for number in numbers:
                client.xadd(EVENTS, told(number))  # type: ignore[arg-type]

    thread = threading.Timer(0.2, start)
    thread.start()
    return thread


def test_a_redis_that_goes_away_loses_nothing(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with server.start() as client:
        client.config_set("appendfsync", "always")
        for number in (1, 2):
            client.xadd(EVENTS, told(number))  # type: ignore[arg-type]
    with Client(server.url) as desk, caplog.at_level(logging.WARNING):
        following = desk.follow_fills(after="0")
        first = next(following)
        thread = comes_back(server, 3, 4)
        found = [first, *(next(following) for _ in range(3))]
        thread.join()
        assert [(each.message.seq, each.missed) for each in found] == [(n, 0) for n in (1, 2, 3, 4)]
    assert "Redis went away, it is tried again until it answers" in caplog.text
    assert "Redis answers again, after" in caplog.text


def test_the_awaited_client_waits_for_it_as_well(server: Server) -> None:
    async def follow() -> list[int]:
        async with AsyncClient(server.url) as desk:
            following = desk.follow_fills()
            await following.begin()
            thread = comes_back(server, 1, 2)
            found = []
            async for item in following:
                found.append(item.message.seq)
                if len(found) == 2:
                    break
            await asyncio.to_thread(thread.join)
            return found

    server.start().close()
    assert asyncio.run(follow()) == [1, 2]


def test_a_patient_client_sends_again_and_an_impatient_one_says_at_once(server: Server) -> None:
    with Client(server.url) as desk, pytest.raises(redis.exceptions.ConnectionError):
        desk.signal("AAPL", "BUY", 1)

    thread = comes_back(server)
    with Client(server.url, patience_s=20) as desk:
        assert desk.signal("AAPL", "BUY", 1, signal_id="s-1") == "s-1"
        thread.join()
        assert desk.redis.xlen("signals") == 1


def test_a_wrong_password_is_no_server_that_is_away(tmp_path: Path) -> None:
    async def follow(url: str) -> None:
        async with AsyncClient(url) as desk:
            await desk.follow_fills().begin()

    with server_of_users(tmp_path) as server:
        url = f"redis://client:wrong@127.0.0.1:{server.port}/0"
        with Client(url, patience_s=60) as desk:
            with pytest.raises(redis.exceptions.AuthenticationError):
                desk.signal("AAPL", "BUY", 1)
            with pytest.raises(redis.exceptions.AuthenticationError):
                desk.follow_fills()
        with pytest.raises(redis.exceptions.AuthenticationError):
            asyncio.run(follow(url))


def test_it_goes_on_where_it_stopped_in_each_partition(redis_url: str, client: redis.Redis) -> None:
    topology = Topology(account_partitions=2)
    raw: Any = client
    for number in range(1, 6):
        for partition in (0, 1):
            raw.xadd(topology.events(partition), told(number), id=f"{10 * number + partition}-0")
    with Client(redis_url, topology) as desk:
        following = desk.follow_fills(after="0")
        before = [next(following) for _ in range(5)]
    with Client(redis_url, topology) as desk:
        behind = list(desk.follow_fills(after=following.places, idle_s=0.1))
    assert [(each.stream, each.id) for each in (*before, *behind)] == [
        (f"events.{partition}", f"{10 * number + partition}-0") for number in range(1, 6) for partition in (0, 1)
    ]
    assert not any(each.missed for each in (*before, *behind))


def test_dead_letters_can_be_followed_with_their_topic(redis_url: str, client: redis.Redis) -> None:
    raw: Any = client
    letter = dict(
        type="DeadLetter", v=1, time=1, stage="signals", stream="signals", entry_id="1-0", reason="x", text="y"
    )
    raw.xadd("dead", {**payload(letter), "raw:symbol": "?"})
    with Client(redis_url) as desk:
        [item] = desk.follow_topic(DEAD, after="0", idle_s=0.1)
    assert item.message.reason == "x"


def test_a_desk_is_followed_and_asked(stack: LocalStack) -> None:
    with Client(stack.redis_url) as desk:
        market = Market(stack, desk)
        fills, orders = desk.follow_fills(), desk.follow_orders(symbol="MSFT")
        market.shown("MSFT", "419.99", "420.01")
        positions = desk.follow_positions(symbol="MSFT", account="default")
        signal_id = desk.signal("MSFT", "BUY", 2, strategy="mom")
        outcome = desk.wait_for(signal_id, until=lambda outcome: outcome.final)
        assert outcome.ord_status == "Filled"
        fill = next(fills).message
        assert isinstance(fill, OrderFilled)
        assert (fill.symbol, fill.last_px, fill.last_qty) == ("MSFT", Decimal("420.01"), Decimal(2))
        assert isinstance(next(orders).message, OrderReceived)
        changed = next(each.message for each in positions if isinstance(each.message, PositionChanged))
        assert (changed.position, changed.change) == (2, "opened")

        now = desk.market("MSFT")
        assert now is not None
        assert (now.bid_px, now.ask_px, now.mid_px) == (Decimal("419.99"), Decimal("420.01"), Decimal(420))
        assert desk.market("SPY") is None
        resting = desk.signal("MSFT", "BUY", 1, price="400")
        assert desk.wait_for(resting).working
        until(lambda: len(desk.orders(symbol="MSFT")) == 2, "analytics to have both orders")
        found = {each.client_order_id: each for each in desk.orders(account="default", symbol="MSFT")}
        assert (found[signal_id].avg_px, found[resting].leaves_qty) == (Decimal("420.01"), Decimal(1))
        assert [each.client_order_id for each in desk.orders(status="New", symbol="MSFT")] == [resting]
        [sold] = desk.fills(order_id=outcome.order_id)
        assert (sold.last_px, sold.strategy) == (Decimal("420.01"), "mom")
        until(lambda: desk.positions(symbol="MSFT"), "analytics to have the position")
        [held] = desk.positions(account="default")
        [told_now] = desk.open_positions()
        assert (told_now.symbol, told_now.position, told_now.avg_px) == ("MSFT", 2, Decimal("420.01"))
        assert (held.symbol, held.position, held.avg_px) == ("MSFT", Decimal(2), Decimal("420.01"))

        state = desk.account()
        assert (state.mode, state.trading_state, state.working_orders) == ("PAPER", "ACTIVE", 1)
        assert [each.symbol for each in state.positions] == ["MSFT"]
        assert state.net_pnl.keys() == {held.currency}
        assert state.limits["max_daily_orders"] is not None
        assert state.value is None, "nobody put cash in"
        desk.control("AdjustAccount", "default", who="me", reason="a trial", adjustment="DEPOSIT", amount="1000")
        until(lambda: desk.account().value is not None, "analytics to know what it is worth")
        value = desk.account().value
        assert value is not None
        assert (value.deposits, value.currency, value.equity is not None) == (1000, "USD", True)
        marked = next(iter(desk.follow_accounts(after="0", account="default"))).message
        assert isinstance(marked, AccountMarked)
        assert marked.deposits == 1000
        with pytest.raises(LookupError, match="account: nobody is none of this desk's"):
            desk.account("nobody")

        frame = desk.frame("SELECT symbol, last_px, time FROM fills", "arrow")
        assert frame.to_pylist()[0]["last_px"] == Decimal("420.01")
        with pytest.raises(AnalyticsError, match="more than 100000 rows; ask for less, or give a limit"):
            desk.sql("SELECT * FROM range(100001)")
        assert len(desk.sql("SELECT * FROM range(100001)", limit=5).rows) == 5


def test_the_awaited_client_says_the_same(stack: LocalStack) -> None:
    async def ask() -> None:
        async with AsyncClient(stack.redis_url) as desk:
            with Client(stack.redis_url) as waiting:
                market = Market(stack, waiting)
                market.shown("AAPL", "189.99", "190.01")
                first, second = await asyncio.gather(desk.signal("AAPL", "BUY", 1), desk.signal("AAPL", "BUY", 2))
                outcomes = await asyncio.gather(
                    *(desk.wait_for(each, until=lambda outcome: outcome.final) for each in (first, second))
                )
                assert [each.ord_status for each in outcomes] == ["Filled", "Filled"]
                found = [
                    item.message.last_qty async for item in desk.follow_fills(symbol="AAPL", after="0", idle_s=0.2)
                ]
                assert sorted(found) == [1, 2]
                await asyncio.to_thread(until, lambda: len(waiting.fills(symbol="AAPL")) == 2, "analytics to have them")
                assert await desk.market("AAPL") == waiting.market("AAPL")
                assert await desk.orders(symbol="AAPL") == waiting.orders(symbol="AAPL")
                assert await desk.fills(symbol="AAPL") == waiting.fills(symbol="AAPL")
                assert await desk.positions(symbol="AAPL") == waiting.positions(symbol="AAPL")
                assert (await desk.account()).account == "default"
                assert await desk.open_positions() == waiting.open_positions()
                async with EventBus(desk) as bus:
                    tracker = PositionTracker(bus)
                    loaded = {each.symbol: each for each in await tracker.load()}
                    assert (loaded["AAPL"].quantity, loaded["AAPL"].status) == (3, "OPEN")
                    assert await tracker.load() == [], "known by now"
                    await tracker.close_position(loaded["AAPL"].position_id, "flatten")
                    await asyncio.to_thread(until, lambda: loaded["AAPL"].is_over, "it to be closed")
                    assert loaded["AAPL"].close_reason == "flatten"
                await asyncio.to_thread(until, lambda: len(waiting.fills(symbol="AAPL")) == 3, "analytics to have it")
                query = "SELECT symbol, sum(last_qty) AS n FROM fills WHERE symbol = 'AAPL' GROUP BY ALL"
                assert (await desk.sql(query)).rows == waiting.sql(query).rows
                assert (await desk.frame(query, "arrow")).num_rows == 1
                with pytest.raises(AnalyticsError, match="sql"):
                    await desk.sql("SELEC")

    asyncio.run(ask())


def test_without_analytics_questions_say_so(redis_url: str) -> None:
    with Client(redis_url) as desk, pytest.raises(AnalyticsError, match="no analytics has told this desk where"):
        desk.orders()
    with Client(redis_url, analytics_url="http://127.0.0.1:1/") as desk, pytest.raises(
        AnalyticsError, match=r"analytics at http://127\.0\.0\.1:1/orders does not answer"
    ):  # fmt: skip
        desk.orders()
    with Client(redis_url) as desk:
        assert desk.market("AAPL") is None
