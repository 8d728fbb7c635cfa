"""The bus over real streams: where it goes on, what comes twice, and what a handler that raises does to the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from fillstream import AsyncClient
from fillstream.libs.common.messages.journal import OrderFilled, PredictionReceived
from fillstream.libs.common.messages.positions import PositionMarked
from fillstream.libs.common.messages.quoting import QuoteUpdated
from fillstream.libs.common.messages.topology import Topology
from fillstream.trading import (
    Action,
    CallAction,
    ConsumerTaken,
    CreatePositionAction,
    EventBus,
    EventCondition,
    HandlerFailedEvent,
    LogAction,
    OrderAction,
    OrderFilledEvent,
    PositionUpdateEvent,
    PredictionSignalEvent,
    PriceEvent,
    Rule,
    RuleDisabledEvent,
    RuleEngine,
)
from fillstream.trading.events import BaseEvent
from tests.support.messages import payload, sample
from tests.support.servers import Server
from tests.support.users import server_of_users

FILLED = EventCondition(OrderFilledEvent)
PREDICTED = EventCondition(PredictionSignalEvent)
DAY_MS = 86_400_000


class Desk:
    """A server with streams of the test's own, and buses on it."""

    def __init__(self, url: str, client: redis.Redis, topology: Topology | None = None) -> None:
        self.url, self.raw = url, client
        self.topology = topology or Topology()
        self._seq: dict[str, int] = {}

    def tell(self, model: Any, stream: str = "events.{a0}", at: str = "*", **values: Any) -> str:
        raw: Any = self.raw
        seq = self._seq[stream] = self._seq.get(stream, 0) + 1
        return str(raw.xadd(stream, payload(sample(model, seq, seq=seq, **values)), id=at).decode())

    def fills(self, *numbers: int) -> None:
        for number in numbers:
            self.tell(OrderFilled, client_order_id=f"o-{number}", account="default", symbol="AAPL")

    def bus(self, consumer: str | None = None, **more: Any) -> EventBus:
        return EventBus(self.url, consumer=consumer, topology=self.topology, **more)


@pytest.fixture
def desk(redis_url: str, client: redis.Redis) -> Desk:
    return Desk(redis_url, client)


async def crash(bus: EventBus) -> None:
    """End a bus as a process ends that is killed: what was at hand is not kept."""
    assert bus._task is not None
    bus._task.cancel()
    with suppress(asyncio.CancelledError):
        await bus._task
    await bus.desk.close()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for is said by others
            await asyncio.sleep(0.005)


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


def test_a_consumer_goes_on_where_it_stopped_and_has_nothing_twice(desk: Desk) -> None:
    async def work() -> None:
        seen: list[OrderFilledEvent] = []
        async with desk.bus("momentum") as bus:
            await bus.subscribe(OrderFilledEvent, seen.append)
            desk.fills(1, 2)
            await until(lambda: len(seen) == 2)
        desk.fills(3, 4, 5)  # while nobody is there
        async with desk.bus("momentum") as bus:
            await bus.subscribe(OrderFilledEvent, seen.append)
            await until(lambda: len(seen) == 5)
        assert [each.order_id for each in seen] == [f"o-{n}" for n in (1, 2, 3, 4, 5)]
        assert not any(each.poss_dup for each in seen)

    run(work)


def test_what_may_have_been_handled_before_a_crash_comes_again_and_is_marked(desk: Desk) -> None:
    async def work() -> None:
        seen: list[OrderFilledEvent] = []
        stuck = asyncio.Event()

        async def hang(event: OrderFilledEvent) -> None:
            seen.append(event)
            if event.order_id == "o-2":
                stuck.set()
                await asyncio.Event().wait()  # and here the process ends

        bus = desk.bus("momentum")
        await bus.subscribe(OrderFilledEvent, hang)
        desk.fills(1, 2, 3)
        await stuck.wait()
        await crash(bus)
        again: list[OrderFilledEvent] = []
        async with desk.bus("momentum") as bus:
            await bus.subscribe(OrderFilledEvent, again.append)
            desk.fills(4)
            await until(lambda: again and again[-1].order_id == "o-4")
        first = int(again[0].order_id[-1])
        assert first in (1, 2), "what was at hand comes again, what was behind it for certain does not"
        assert [each.order_id for each in again] == [f"o-{n}" for n in range(first, 5)]
        marks = {each.order_id: each.poss_dup for each in again}
        assert marks["o-2"] and not marks["o-4"]
        assert {each.event_id for each in again} >= {each.event_id for each in seen if each.order_id == "o-2"}

    run(work)


def test_a_bus_that_is_closed_by_a_handler_stops_behind_its_event(desk: Desk) -> None:
    async def work() -> None:
        seen: list[str] = []
        bus = desk.bus("momentum")

        async def last(event: OrderFilledEvent) -> None:
            seen.append(event.order_id)
            await bus.close()

        await bus.subscribe(OrderFilledEvent, last)
        desk.fills(1, 2)
        await bus.run()
        await bus.close()
        async with desk.bus("momentum") as again:
            await again.subscribe(OrderFilledEvent, lambda event: seen.append(event.order_id))
            await until(lambda: len(seen) == 2)
        assert seen == ["o-1", "o-2"]

    run(work)


def test_what_waits_for_a_consumer_comes_to_all_that_subscribe_within_a_pause(desk: Desk) -> None:
    async def work() -> None:
        async with desk.bus("momentum") as bus:
            await bus.subscribe(OrderFilledEvent, lambda event: None)
        desk.fills(1)
        seen: list[tuple[str, str]] = []
        async with desk.bus("momentum") as bus:
            async with bus.paused():
                for name in ("a", "b"):
                    await bus.subscribe(OrderFilledEvent, lambda event, name=name: seen.append((name, event.order_id)))
                    await asyncio.sleep(0.1)
                assert seen == []
            await until(lambda: len(seen) == 2)
        assert seen == [("a", "o-1"), ("b", "o-1")]
        async with desk.bus("momentum") as bus, bus.paused():
            await bus.subscribe(OrderFilledEvent, lambda event: None)
            await bus.close()

    run(work)


def test_one_process_at_a_time_follows_by_a_name(desk: Desk) -> None:
    async def work() -> None:
        first = desk.bus("momentum")
        await first.subscribe(OrderFilledEvent, lambda event: None)
        async with desk.bus("momentum") as second:
            await second.subscribe(OrderFilledEvent, lambda event: None)
            desk.fills(1)
            with pytest.raises(ConsumerTaken, match="another process follows as momentum since; this one stops"):
                await first.run()
            await first.close()
            assert second._task is not None and not second._task.done()

    run(work)


def test_without_a_name_it_begins_now_or_where_it_is_told(desk: Desk) -> None:
    async def work() -> None:
        desk.fills(1)
        now: list[Any] = []
        everything: list[Any] = []
        async with desk.bus() as bus, desk.bus(after="0") as other:
            await bus.subscribe(OrderFilledEvent, now.append)
            await other.subscribe(OrderFilledEvent, everything.append)
            desk.fills(2)
            await until(lambda: now and len(everything) == 2)
        assert [each.order_id for each in now] == ["o-2"]

    run(work)
    assert not desk.raw.keys("consumer.*")


def test_kinds_of_streams_come_in_the_order_of_time_and_a_type_brings_its_subclasses(desk: Desk) -> None:
    async def work() -> None:
        seen: list[BaseEvent] = []
        async with desk.bus() as bus:
            await bus.subscribe(BaseEvent, seen.append)
            desk.tell(PositionMarked, "positions.{a0}", symbol="AAPL")
            desk.fills(1)
            desk.tell(QuoteUpdated, symbol="AAPL", bid_px="1", ask_px="2")
            desk.tell(PositionMarked, "positions.{a0}", symbol="AAPL")
            await until(lambda: len(seen) == 4)
            kinds = [type(each) for each in seen]
            assert sorted(kinds, key=lambda kind: kind.__name__) == [
                OrderFilledEvent, PositionUpdateEvent, PositionUpdateEvent, PriceEvent,
            ]  # fmt: skip
            assert [each.time_ms for each in seen] == sorted(each.time_ms or 0 for each in seen)
            await bus.unsubscribe(BaseEvent, seen.append)
            await bus.unsubscribe(PriceEvent, print)
            priced = asyncio.Event()
            await bus.subscribe(PriceEvent, lambda event: priced.set())
            desk.tell(QuoteUpdated, symbol="AAPL", bid_px="1", ask_px="2")
            await priced.wait()
            assert len(seen) == 4

    run(work)


def test_a_handler_that_raises_keeps_nothing_from_the_others(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        seen: list[str] = []
        told: list[HandlerFailedEvent] = []

        def bad(event: OrderFilledEvent) -> None:
            raise RuntimeError(f"no {event.order_id}")

        async with desk.bus("momentum") as bus:
            await bus.subscribe(OrderFilledEvent, bad)
            await bus.subscribe(OrderFilledEvent, lambda event: seen.append(event.order_id))
            await bus.subscribe(HandlerFailedEvent, told.append)
            desk.fills(1, 2)
            await until(lambda: len(seen) == 2)
        assert [each.error for each in told] == ["RuntimeError: no o-1", "RuntimeError: no o-2"]
        assert bus.failed == 2

    run(work)
    assert "bad raised on OrderFilledEvent" in caplog.text
    assert "Traceback" in caplog.text


def test_what_is_emitted_is_published_if_it_is_a_prediction_and_stays_here_otherwise(desk: Desk) -> None:
    class Mine(BaseEvent):
        word: str

    async def work() -> None:
        seen: list[Any] = []
        async with desk.bus() as bus:
            await bus.subscribe(Mine, seen.append)
            await bus.subscribe(PredictionSignalEvent, seen.append)
            await bus.emit(Mine(word="here"))
            assert [each.word for each in seen] == ["here"]
            mine = PredictionSignalEvent(symbol="AAPL", signal="BUY", confidence=0.9, predictor="lstm")
            await bus.emit(mine)
            [(_, fields)] = desk.raw.xrange("signals")  # type: ignore[misc]
            assert fields == {
                b"type": b"Prediction", b"signal_id": mine.event_id.encode(), b"account": b"default",
                b"symbol": b"AAPL", b"move": b"BUY", b"confidence": b"0.9", b"predictor": b"lstm",
            }  # fmt: skip
            assert len(seen) == 1, "it comes from the journal, where the desk has taken it"
            with pytest.raises(ValueError, match="confidence: 2 must be at most 1"):
                await bus.emit(PredictionSignalEvent(symbol="AAPL", signal="BUY", confidence=2))

    run(work)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [(dict(consumer="a b"), "consumer: 'a b' must be letters"), (dict(consumer=""), "consumer: '' must be letters")],
)
def test_a_name_that_is_none_is_refused(desk: Desk, said: Any, sentence: str) -> None:
    async def work() -> None:
        with pytest.raises(ValueError, match=sentence):
            desk.bus(**said)
        async with desk.bus() as bus:
            with pytest.raises(TypeError, match="event_type: 'x' must be a class of events"):
                await bus.subscribe("x", print)  # type: ignore[type-var]
            with pytest.raises(TypeError, match="handler: 5 must be a function"):
                await bus.subscribe(PriceEvent, 5)  # type: ignore[arg-type]

    run(work)


def test_a_client_of_its_own_user_may_keep_its_place(tmp_path: Path) -> None:
    async def work(url: str) -> None:
        async with AsyncClient(url) as client, EventBus(client, consumer="momentum") as bus:
            await bus.subscribe(OrderFilledEvent, lambda event: None)

    with server_of_users(tmp_path) as server:
        asyncio.run(work(server.url("client")))


# --------------------------------------------------------------------------------------------------------- rules


def rule(rule_id: str, action: Action, condition: Any = FILLED, **more: Any) -> Rule:
    return Rule(rule_id, rule_id, condition, action, **more)


def calls(seen: list[Any]) -> CallAction:
    return CallAction(lambda ctx: seen.append((ctx["rule_id"], ctx["event"].order_id)))


Told = Callable[[Desk, EventBus, RuleEngine], Awaitable[None]]


def engaged(desk: Desk, told: Told, *rules: Rule, consumer: str | None = None, **more: Any) -> RuleEngine:
    """Run an engine with rules while a desk tells something; return it."""

    async def work() -> RuleEngine:
        async with desk.bus(consumer, **more) as bus:
            engine = RuleEngine(bus)
            await engine.start()
            for each in rules:
                engine.register_rule(each)
            await told(desk, bus, engine)
            return engine

    return asyncio.run(work())


async def two_fills(desk: Desk, bus: EventBus, engine: RuleEngine) -> None:
    done = asyncio.Event()
    await bus.subscribe(OrderFilledEvent, lambda event: done.set() if event.order_id == "o-last" else None)
    done_here: list[BaseEvent] = []
    await bus.subscribe(BaseEvent, done_here.append)
    desk.fills(1, 2)
    await until(lambda: len([each for each in done_here if isinstance(each, OrderFilledEvent)]) == 2)


def test_rules_act_by_priority_and_one_that_raises_is_disabled_and_hurts_nothing_else(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []
    told: list[RuleDisabledEvent] = []

    def bad(ctx: Any) -> None:
        seen.append((ctx["rule_id"], ctx["event"].order_id))
        raise RuntimeError("broken")

    async def tell(desk: Desk, bus: EventBus, engine: RuleEngine) -> None:
        await bus.subscribe(RuleDisabledEvent, told.append)
        await two_fills(desk, bus, engine)

    engine = engaged(
        desk, tell, rule("low", calls(seen), priority=1), rule("bad", CallAction(bad), priority=5),
        rule("high", calls(seen), priority=9), rule("off", calls(seen), enabled=False),
    )  # fmt: skip
    assert seen == [("high", "o-1"), ("bad", "o-1"), ("low", "o-1"), ("high", "o-2"), ("low", "o-2")]
    assert not engine.rules["bad"].enabled
    assert engine.states["bad"].error == "RuntimeError: broken"
    assert [(each.rule_id, each.error) for each in told] == [("bad", "RuntimeError: broken")]
    assert "rule bad raised on events.0:" in caplog.text
    engine.enable_rule("bad")
    assert engine.rules["bad"].enabled and engine.states["bad"].error is None


def test_a_redis_that_is_away_is_no_fault_of_a_rule(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an action sends is sent again, under the same id."""
    tried: list[Any] = []
    real = AsyncClient.signal

    def away(self: AsyncClient, *said: Any, **more: Any) -> Any:
        tried.append(more["signal_id"])
        if len(tried) < 3:
            raise redis.exceptions.ConnectionError("gone")
        return real(self, *said, **more)

    monkeypatch.setattr(AsyncClient, "signal", away)
    engine = engaged(desk, two_fills, rule("buys", OrderAction("AAPL", 1), EventCondition(OrderFilledEvent, {
        "order_id": "o-1"})))  # fmt: skip
    assert engine.rules["buys"].enabled
    assert engine.states["buys"].executions == 1
    assert len(set(tried)) == 1
    assert desk.raw.xlen("signals") == 1


def test_the_bus_waits_for_a_redis_that_goes_away_and_goes_on(tmp_path: Path) -> None:
    async def work(server: Server) -> None:
        seen: list[str] = []
        async with AsyncClient(server.url) as desk, EventBus(desk, consumer="momentum") as bus:
            await bus.subscribe(OrderFilledEvent, lambda event: seen.append(event.order_id))
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(0.2)
            client = await asyncio.to_thread(server.start)
            Desk(server.url, client).fills(1)
            client.close()
            await until(lambda: seen)
            assert bus._task is not None and not bus._task.done()

    server = Server(tmp_path)
    server.start().close()
    try:
        asyncio.run(work(server))
    finally:
        server.kill()


def test_a_condition_that_raises_disables_its_rule_as_well(desk: Desk) -> None:
    condition = EventCondition(OrderFilledEvent, {"fill_price": lambda price: price.nonsense})
    seen: list[Any] = []
    engine = engaged(desk, two_fills, rule("bad", LogAction("x"), condition), rule("good", calls(seen)))
    assert not engine.rules["bad"].enabled
    assert len(seen) == 2


def test_cooldown_and_daily_counts_go_by_the_events_time_and_outlive_a_restart(desk: Desk) -> None:
    seen: list[Any] = []

    def rules() -> tuple[Rule, Rule]:
        return (
            rule("slow", calls(seen), cooldown_seconds=10),
            rule("few", calls(seen), max_executions_per_day=2),
        )

    def tells(*moments: int) -> Told:
        async def tell(desk: Desk, bus: EventBus, engine: RuleEngine) -> None:
            heard: list[Any] = []
            await bus.subscribe(BaseEvent, heard.append)
            for moment in moments:
                desk.tell(OrderFilled, at=f"{moment}-0", client_order_id=str(moment), account="default")
            await until(lambda: len([each for each in heard if isinstance(each, OrderFilledEvent)]) == len(moments))

        return tell

    start = 20_000 * DAY_MS
    engaged(desk, tells(start, start + 9_999, start + 10_000), *rules(), consumer="r")
    assert [name for name, _ in seen] == ["slow", "few", "few", "slow"]
    seen.clear()
    engine = engaged(desk, tells(start + 19_999, start + 20_000, start + DAY_MS), *rules(), consumer="r")
    assert seen == [("slow", str(start + 20_000)), ("slow", str(start + DAY_MS)), ("few", str(start + DAY_MS))]
    assert engine.states["few"].today == 1
    assert any("few: it acted 2 times today, max_executions_per_day is 2" in line for line in engine.show_unmatched())
    assert any("slow: it acted 9.999 s ago, cooldown_seconds is 10" in line for line in engine.show_unmatched())


def test_a_restart_repeats_nothing(desk: Desk) -> None:
    """The process ends between what a rule published and the place that was kept: the event comes again."""

    async def first() -> None:
        bus = desk.bus("r")
        engine = RuleEngine(bus)
        await engine.start()
        published = asyncio.Event()

        async def hang(ctx: Any) -> None:
            published.set()
            await asyncio.Event().wait()

        engine.register_rule(rule("buys", OrderAction(quantity=1), PREDICTED, priority=1))
        engine.register_rule(rule("hangs", CallAction(hang), PREDICTED))
        desk.tell(PredictionReceived, symbol="AAPL", account="default", alias=None)
        await published.wait()
        await crash(bus)

    async def again() -> None:
        seen: list[PredictionSignalEvent] = []
        async with desk.bus("r") as bus:
            engine = RuleEngine(bus)
            engine.register_rule(rule("buys", OrderAction(quantity=1), PREDICTED, priority=1))
            async with bus.paused():
                await engine.start()
                await bus.subscribe(BaseEvent, seen.append)  # type: ignore[arg-type]
            await until(lambda: [each for each in seen if isinstance(each, PredictionSignalEvent)])
        assert [each.poss_dup for each in seen if isinstance(each, PredictionSignalEvent)] == [True]

    asyncio.run(first())
    asyncio.run(again())
    raw: Any = desk.raw
    [(_, sent)] = raw.xrange("signals")
    assert sent[b"signal_id"].startswith(b"rule-")
    assert (sent[b"symbol"], sent[b"side"], sent[b"quantity"]) == (b"AAPL", b"BUY", b"1")


def test_what_no_rule_matched_is_kept_with_why(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    strong = EventCondition(PredictionSignalEvent, {"confidence": (">", 0.8)})

    async def tell(desk: Desk, bus: EventBus, engine: RuleEngine) -> None:
        desk.fills(1)
        desk.tell(PredictionReceived, symbol="AAPL", account="default", confidence="0.5")
        await until(lambda: engine.unmatched)

    with caplog.at_level(logging.INFO):
        engine = engaged(desk, tell, rule("strong", LogAction("x"), strong))
    [line] = engine.show_unmatched()
    assert line.startswith("PredictionSignalEvent AAPL events.0:")
    assert line.endswith("strong: confidence is 0.5, wanted > 0.8")
    assert f"no rule matched: {line}" in caplog.text
    assert len(engine.unmatched) == 1, "a fill is nothing that a rule waits for here"


def test_a_rule_that_is_none_is_refused(desk: Desk) -> None:
    with pytest.raises(TypeError, match="condition: of rule r must be a Condition, got 5"):
        Rule("r", "r", 5, LogAction("x"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cooldown_seconds: -1 must not be below 0"):
        rule("r", LogAction("x"), cooldown_seconds=-1)
    with pytest.raises(ValueError, match="max_executions_per_day: 0 must be 1 or more"):
        rule("r", LogAction("x"), max_executions_per_day=0)
    with pytest.raises(ValueError, match="quantity: say how much"):
        CreatePositionAction()

    async def work() -> None:
        async with desk.bus() as bus:
            engine = RuleEngine(bus)
            engine.register_rule(rule("r", LogAction("x")))
            with pytest.raises(ValueError, match="rule_id: r is registered already"):
                engine.register_rule(rule("r", LogAction("x")))
            with pytest.raises(LookupError, match="rule_id: s is none of this engine's"):
                engine.enable_rule("s")
            engine.unregister_rule("r")
            engine.register_rule(rule("r", LogAction("x")))

    run(work)
