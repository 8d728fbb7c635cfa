"""Positions, orders, groups and actions of `fillstream.trading` on a desk of real processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from examples.desk import Market, a_desk
from fillstream import Client
from fillstream.libs.common.messages.codes import OrdStatus
from fillstream.trading import (
    Action,
    AdjustPositionAction,
    BaseEvent,
    BracketAction,
    CallAction,
    CancelAction,
    ClosePositionAction,
    CreatePositionAction,
    EventBus,
    EventCondition,
    GroupType,
    LogAction,
    OrderAction,
    OrderEvent,
    OrderManager,
    OrderStatus,
    Position,
    PositionCloseEvent,
    PositionStatus,
    PositionTracker,
    PredictionSignalEvent,
    Rule,
    RuleEngine,
    ScaleInAction,
    SequenceAction,
)

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def desk() -> Iterator[tuple[Client, Market]]:
    with a_desk() as found:
        yield found


async def until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {PATIENCE_S:g} s for {what}")
        await asyncio.sleep(0.01)


def on(desk: tuple[Client, Market], work: Callable[[EventBus, list[BaseEvent]], Awaitable[None]]) -> None:
    """Run something on a bus of the desk, with all that it heard."""

    async def run() -> None:
        async with EventBus(desk[0].url) as bus:
            heard: list[BaseEvent] = []
            await bus.subscribe(BaseEvent, heard.append)
            await work(bus, heard)

    asyncio.run(run())


def statuses(heard: list[BaseEvent], order_id: str) -> list[OrdStatus]:
    return [each.ord_status for each in heard if isinstance(each, OrderEvent) and each.order_id == order_id]


async def closed(position: Position) -> None:
    await until(lambda: position.is_over, f"{position} to be closed")


def test_a_short_position_is_the_mirror_of_a_long_one(desk: tuple[Client, Market]) -> None:
    desk[1].shown("MSFT", "400.00", "400.02")

    async def work(bus: EventBus, heard: list[BaseEvent]) -> None:
        tracker = PositionTracker(bus)
        position = await tracker.create_position("MSFT", quantity=-3, stop_loss_pct=0.01, take_profit_pct=0.02)
        assert (position.stop_loss, position.take_profit) == (Decimal("404.00"), Decimal("392.00"))
        await until(lambda: position.status is PositionStatus.OPEN, "the entry")
        assert (position.quantity, position.entry_price) == (-3, Decimal("400.00"))
        desk[1].quote("MSFT", "391.90", "391.95")
        desk[1].trade("MSFT", "391.95")
        await closed(position)
        assert position.close_reason == "take_profit"
        assert position.realized_pnl > 3 * 8 - 1

    on(desk, work)


def test_a_position_that_waits_for_its_entry_is_closed_without_a_trade(desk: tuple[Client, Market]) -> None:
    desk[1].shown("AAPL", "190.00", "190.02")

    async def work(bus: EventBus, heard: list[BaseEvent]) -> None:
        tracker = PositionTracker(bus)
        position = await tracker.create_position("AAPL", quantity=5, price=180.5, stop_loss=175)
        await until(lambda: OrdStatus.NEW in statuses(heard, position.position_id), "the entry to work")
        assert position.status is PositionStatus.OPENING
        assert await tracker.close_position(position.position_id, "not today") is None
        assert (position.status, position.quantity, position.close_reason) == ("CLOSED", 0, "not today")
        await until(lambda: OrdStatus.CANCELED in statuses(heard, position.position_id), "it to be canceled")
        assert await tracker.close_position(position.position_id) is None, "once"
        planned = await tracker.create_position("AAPL")
        assert planned.status is PositionStatus.PLANNED
        await tracker.close_position(planned.position_id)
        assert planned.status is PositionStatus.CLOSED
        assert await tracker.get_position(planned.position_id) is planned
        assert await tracker.get_position("nobody") is None
        with pytest.raises(LookupError, match="position_id: nobody is none of this tracker's"):
            await tracker.close_position("nobody")

    on(desk, work)


def test_an_entry_that_is_refused_leaves_no_position(desk: tuple[Client, Market]) -> None:
    async def work(bus: EventBus, heard: list[BaseEvent]) -> None:
        tracker = PositionTracker(bus)
        position = await tracker.create_position("NOBODY", quantity=5, stop_loss=175)
        await closed(position)
        assert position.close_reason == "unknown_symbol"
        with pytest.raises(ValueError, match="NOBODY: the desk has seen no ask to take shares of"):
            await tracker.create_position("NOBODY", quantity=5, stop_loss_pct=0.1)
        with pytest.raises(ValueError, match="side: 'UP' must be BUY or SELL"):
            await tracker.create_position("AAPL", quantity=5, side="UP")
        with pytest.raises(ValueError, match="quantity: -5 must be above 0 beside a side"):
            await tracker.create_position("AAPL", quantity=-5, side="BUY")
        with pytest.raises(ValueError, match="time_in_force"):
            await tracker.create_position("AAPL", quantity=5, time_in_force="SOON")
        assert [each.symbol for each in tracker.positions.values()] == ["NOBODY"], "what was never sent is none"

    on(desk, work)


def test_a_position_grows_and_its_stop_moves_on_the_desk(desk: tuple[Client, Market]) -> None:
    desk[1].shown("SPY", "600.00", "600.02")

    async def work(bus: EventBus, heard: list[BaseEvent]) -> None:
        tracker = PositionTracker(bus)
        position = await tracker.create_position("SPY", quantity=2, stop_loss=590.0)
        await until(lambda: position.quantity == 2, "the entry")
        await tracker.scale_in(position.position_id, 1)
        assert position.status in (PositionStatus.ADJUSTING, PositionStatus.OPEN)
        await until(lambda: position.quantity == 3 and position.status is PositionStatus.OPEN, "the second one")
        waiting = await tracker.scale_in(position.position_id, 1, price=500)
        await until(lambda: OrdStatus.NEW in statuses(heard, waiting), "it to rest")
        assert position.status is PositionStatus.ADJUSTING
        await bus.desk.cancel(client_order_id=waiting)
        await until(lambda: position.status is PositionStatus.OPEN, "it to be off")
        await tracker.adjust_position(position.position_id, stop_loss=598.5)
        assert position.stop_loss == Decimal("598.5")
        bare = await tracker.create_position("SPY", quantity=1)
        await until(lambda: bare.quantity == 1, "another entry")
        await tracker.adjust_position(bare.position_id, stop_loss=500, protection_id="bare")
        planned = await tracker.create_position("SPY")
        with pytest.raises(ValueError, match="is PLANNED, and holds nothing to protect"):
            await tracker.adjust_position(planned.position_id, stop_loss=1)
        await tracker.close_position(bare.position_id)
        await closed(bare)
        assert position.quantity == 3, "each has its own fills"
        desk[1].quote("SPY", "598.00", "598.02")
        desk[1].trade("SPY", "598.00")
        await until(lambda: position.quantity == 1, "the stop to close what its entry bought")
        assert not position.is_over
        await tracker.close_position(position.position_id, "the rest")
        await closed(position)
        await until(lambda: [e for e in heard if isinstance(e, PositionCloseEvent) and e.symbol == "SPY"], "its end")
        [ended] = [each for each in heard if isinstance(each, PositionCloseEvent) and each.symbol == "SPY"]
        assert ended.reason == "the rest"

    on(desk, work)


def test_a_strategy_that_is_started_again_closes_what_it_held(desk: tuple[Client, Market]) -> None:
    desk[1].shown("BTCUSDT", "60000", "60001")
    out = Rule("out", "Out", predicted(signal="SELL"), ClosePositionAction(reason="told to"))

    async def work() -> None:
        async with EventBus(desk[0].url, consumer="again") as bus:
            position = await PositionTracker(bus).create_position("BTCUSDT", quantity=1)
            await until(lambda: position.quantity == 1, "the entry")
        async with EventBus(desk[0].url, consumer="again") as bus:
            engine = RuleEngine(bus)
            engine.register_rule(out)
            await engine.start()
            held = await engine.position_tracker.get_position(position.position_id)
            assert held is not None
            assert (held.quantity, held.status, held.entry_price) == (1, PositionStatus.OPEN, Decimal(60001))
            await bus.emit(PredictionSignalEvent(symbol="BTCUSDT", signal="SELL"))
            await closed(held)
            assert held.close_reason == "told to"

    asyncio.run(work())


def test_groups_are_sent_together_and_taken_off_together(desk: tuple[Client, Market]) -> None:
    desk[1].shown("AAPL", "190.00", "190.02")

    async def work(bus: EventBus, heard: list[BaseEvent]) -> None:
        manager = OrderManager(bus.desk, bus, strategy="groups")
        low = await manager.create_order("AAPL", 5, limit_price=185.5)
        lower = await manager.create_order("AAPL", 5, limit_price=184.5)
        oco = await manager.create_group([low, lower])
        assert oco.kind is GroupType.ONE_CANCELS_OTHER
        await manager.submit_group(oco.group_id)
        await manager.submit_group(oco.group_id)
        await until(lambda: low.status is OrderStatus.ACCEPTED, "one of them to work")
        assert not oco.is_done
        await manager.cancel_group(oco.group_id)
        await until(lambda: oco.is_done, "both to be taken off")
        assert {each.status for each in oco.orders} == {OrderStatus.CANCELED}

        bracket = await manager.create_bracket("AAPL", 5, stop_loss=180, take_profit=[195.0, "200:2"])
        await manager.submit_group(bracket.group_id)
        [entry] = bracket.orders
        await manager.wait_for(entry.order_id, PATIENCE_S)
        assert (entry.status, entry.filled_quantity, entry.execution_details["fills"][0]["quantity"]) == (
            "FILLED",
            5,
            5,
        )
        await manager.cancel_group(bracket.group_id)

        def exits(status: OrdStatus) -> set[str]:
            children = [e for e in heard if isinstance(e, OrderEvent) and e.parent_id == entry.desk_order_id]
            return {each.order_id for each in children if each.ord_status is status}

        await until(lambda: len(exits(OrdStatus.CANCELED)) == 3, "a stop and two targets to be taken off")
        await manager.create_and_submit("AAPL", -5)
        drafts = [await manager.create_order("AAPL", 1), await manager.create_order("AAPL", 2)]
        basket = await manager.create_group(drafts, "none", all_of_them=True)
        await manager.cancel_group(basket.group_id)
        assert basket.is_done, "what was never sent is taken off at once"

    on(desk, work)


def test_what_is_no_order_or_group_is_refused_where_it_is_made(desk: tuple[Client, Market]) -> None:
    async def work(bus: EventBus, heard: list[BaseEvent]) -> None:
        manager = OrderManager(bus.desk, bus)
        cases: list[tuple[dict[str, Any], str]] = [
            (dict(quantity=0), "quantity: must not be 0"),
            (dict(quantity="x"), "quantity: 'x' must be a decimal number"),
            (dict(quantity=1, order_type="SOMEHOW"), "order_type: 'SOMEHOW' must be one of MARKET, LIMIT"),
            (dict(quantity=1, order_type="LIMIT"), "price: a LIMIT order needs one"),
            (dict(quantity=1, order_type="STOP"), "stop_price"),
            (
                dict(quantity=-1, side="BUY"),
                "side: 'BUY' must be BUY or SELL, and the quantity above 0 beside it, got -1",
            ),
            (dict(quantity=1, colour="red"), "colour"),
        ]
        for said, sentence in cases:
            with pytest.raises(ValueError, match=sentence):
                await manager.create_order("AAPL", **said)
        assert not manager.orders
        order = await manager.create_order("AAPL", 1, side="sell", order_id="mine")
        assert order.quantity == -1
        with pytest.raises(ValueError, match="order_id: mine is one of this manager's already"):
            await manager.create_order("AAPL", 1, order_id="mine")
        with pytest.raises(ValueError, match="orders: ONE_CANCELS_OTHER is of two orders at least, got 1"):
            await manager.create_group([order])
        with pytest.raises(ValueError, match="kind: 'SOME' must be one of NONE"):
            await manager.create_group([order], "SOME")
        with pytest.raises(ValueError, match="bracket: give a stop_loss, a trailing_stop or a take_profit"):
            await manager.create_bracket("AAPL", 1)
        with pytest.raises(LookupError, match="order_id: nobody is none of this manager's"):
            await manager.submit_order("nobody")
        with pytest.raises(LookupError, match="group_id: nobody is none of this manager's"):
            await manager.submit_group("nobody")
        await order.cancel()
        assert order.status is OrderStatus.CANCELED
        rejected = await manager.create_and_submit("NOBODY", 1)
        await manager.wait_for(rejected.order_id, PATIENCE_S)
        assert (rejected.status, rejected.execution_details["reason"]) == ("REJECTED", "unknown_symbol")

    on(desk, work)


def predicted(**fields: Any) -> EventCondition:
    return EventCondition(PredictionSignalEvent, fields)


def test_actions_do_what_they_say(desk: tuple[Client, Market], caplog: pytest.LogCaptureFixture) -> None:
    desk[1].shown("MSFT", "400.00", "400.02")

    async def work(bus: EventBus, heard: list[BaseEvent]) -> None:
        engine = RuleEngine(bus)
        tracker, manager = engine.position_tracker, engine.order_manager
        did: list[Any] = []

        def when(strategy: str, action: Action) -> None:
            engine.register_rule(Rule(strategy, strategy, predicted(strategy=strategy), action))

        async def say(strategy: str) -> None:
            await bus.emit(PredictionSignalEvent(symbol="MSFT", signal="BUY", confidence=0.9, strategy=strategy))
            await until(lambda: engine.states[strategy].executions == 1 or engine.states[strategy].error, strategy)
            assert engine.states[strategy].error is None

        await engine.start()
        when("open", SequenceAction(
            LogAction("{symbol} at {confidence}"),
            CreatePositionAction(quantity=lambda ctx: int(10 * ctx["event"].confidence), stop_loss_pct=0.05),
        ))  # fmt: skip
        when("more", ScaleInAction(quantity=1))
        when("tighter", AdjustPositionAction(stop_loss=lambda ctx: ctx.tracker.prices["MSFT"].bid - 4))
        when("rest", OrderAction(quantity=-1, limit_price=420))
        when("off", CancelAction())
        when("out", ClosePositionAction(reason="prediction"))
        when("exits", BracketAction(quantity=1, stop_loss=390, take_profit=410))
        when("mine", CallAction(lambda ctx: did.append(ctx["positions"])))

        await say("open")
        [position] = tracker.positions.values()
        await until(lambda: position.quantity == 9, "the entry")
        await say("more")
        await until(lambda: position.quantity == 10, "more")
        await say("tighter")
        assert position.stop_loss is not None and position.stop_loss > 390
        await say("rest")
        [resting] = manager.orders.values()
        await until(lambda: resting.status is OrderStatus.ACCEPTED, "it to rest")
        await say("off")
        await until(lambda: resting.status is OrderStatus.CANCELED, "it to be off")
        await say("out")
        await closed(position)
        assert position.close_reason == "prediction"
        await say("exits")
        [group] = manager.groups.values()
        await until(lambda: group.is_done, "the bracket's entry")
        assert group.orders[0].status is OrderStatus.FILLED
        await say("mine")
        assert did == [tracker.positions]
        await bus.desk.cancel_list(group.group_id)
        await bus.desk.close_position("MSFT")

    with caplog.at_level("INFO"):
        on(desk, work)
    assert "rule open: MSFT at 0.9" in caplog.text
