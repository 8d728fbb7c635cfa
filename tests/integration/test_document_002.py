"""Document 002's examples, as they are written but for their import lines, on a desk of real processes."""

from __future__ import annotations

import ast
import asyncio
import inspect
import time
from collections.abc import Coroutine, Iterator
from decimal import Decimal
from typing import Any

import pytest

from examples.desk import Market, a_desk
from fillstream import Client, trading
from fillstream.trading import (
    EventBus,
    OrderCreatedEvent,
    OrderFilledEvent,
    OrderStatus,
    OrderSubmittedEvent,
    Position,
    PositionCloseEvent,
    PositionOpenEvent,
    PositionStatus,
    PredictionSignalEvent,
    PriceEvent,
    Rule,
    RuleEngine,
)
from fillstream.trading.events import BaseEvent
from tests.support.document_002 import CLASSES, EXAMPLES, example_with

PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def desk() -> Iterator[tuple[Client, Market]]:
    with a_desk() as found:
        yield found


@pytest.fixture(autouse=True)
def _by_the_environment(desk: tuple[Client, Market], monkeypatch: pytest.MonkeyPatch) -> None:
    """`EventBus()` takes the desk that REDIS_URL names."""
    port = desk[0].redis.connection_pool.connection_kwargs["port"]
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{port}")


async def run(example: str, **names: Any) -> dict[str, Any]:
    """Run an example with these names, and return all that it has then."""
    there = dict(names)
    code = compile(example, "document_002", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = eval(code, there)
    if inspect.isawaitable(running):
        await running
    return there


async def until(condition: Any, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {PATIENCE_S:g} s for {what}")
        await asyncio.sleep(0.01)


class Heard(list[BaseEvent]):
    """Every event of a bus."""

    @classmethod
    async def by(cls, bus: EventBus) -> Heard:
        heard = cls()
        await bus.subscribe(BaseEvent, heard.append)
        return heard

    def of(self, *kinds: type[Any], **fields: Any) -> list[Any]:
        return [e for e in self if isinstance(e, kinds) and all(getattr(e, n) == v for n, v in fields.items())]


def test_there_are_eight_examples() -> None:
    assert len(EXAMPLES) == 8
    assert [node.name for node in CLASSES] == ["EventBus", "Position", "PositionTracker", "Order", "OrderManager"]


@pytest.mark.parametrize("node", CLASSES, ids=lambda node: node.name)
def test_a_class_has_the_documents_names_and_signatures(node: ast.ClassDef) -> None:
    ours = getattr(trading, node.name)
    for method in node.body:
        if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        mine = getattr(ours, method.name)
        assert inspect.iscoroutinefunction(mine) == isinstance(method, ast.AsyncFunctionDef), method.name
        wanted = [each.arg for each in method.args.args]
        parameters = [each for each in inspect.signature(mine).parameters.values()]
        assert [each.name for each in parameters[: len(wanted)]] == wanted, method.name
        defaults = [ast.literal_eval(each) for each in method.args.defaults]
        found = [each.default for each in parameters[len(wanted) - len(defaults) : len(wanted)]]
        assert found == defaults, method.name
        rest = parameters[len(wanted) :]
        assert all(each.default is not each.empty or each.kind is each.VAR_KEYWORD for each in rest), "may be left out"
        assert (method.args.kwarg is not None) == any(each.kind is each.VAR_KEYWORD for each in rest), method.name


def test_the_attributes_are_the_documents() -> None:
    position, order = Position("AAPL"), trading.Order("AAPL", 100, trading.OrderType.MARKET)
    for node, made in ((CLASSES[1], position), (CLASSES[3], order)):
        [start] = [each for each in node.body if getattr(each, "name", "") == "__init__"]
        named = [target.attr for each in ast.walk(start) if isinstance(each, ast.Assign) for target in each.targets
                 if isinstance(target, ast.Attribute)]  # fmt: skip
        assert named and not [name for name in named if not hasattr(made, name)]
    assert (position.status, position.entry_price, position.quantity, position.unrealized_pnl) == (
        "PLANNED",
        None,
        0,
        0.0,
    )
    assert (position.stop_loss, position.take_profit, position.trailing_stop) == (None, None, None)
    assert (order.status, order.execution_details) == (OrderStatus.CREATED, {})


def on_a_loop(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_basic_position_management(desk: tuple[Client, Market]) -> None:
    async def work() -> None:
        async with EventBus() as watching:
            heard = await Heard.by(watching)
            had = await run(example_with("# Create a new position"))
            position = had["position"]
            assert position.close_reason == "manual exit"
            await until(lambda: position.status is PositionStatus.CLOSED, "the position to be closed")
            assert (position.quantity, position.current_price) == (0, Decimal("149.99"))
            assert position.realized_pnl == 100 * (Decimal("149.99") - Decimal("150.01")), (
                "bought at the ask, sold at the bid"
            )
            [opened] = heard.of(PositionOpenEvent, position_id=position.position_id)
            assert (opened.quantity, opened.entry_price) == (100, Decimal("150.01"))
            await until(lambda: heard.of(PositionCloseEvent, position_id=position.position_id), "its end to be told")
            await had["event_bus"].close()

    desk[1].shown("AAPL", "149.99", "150.01")
    on_a_loop(work())


def test_exits_of_a_position_stand_on_the_desk(desk: tuple[Client, Market]) -> None:
    _, market = desk

    async def work() -> None:
        async with EventBus() as bus:
            heard = await Heard.by(bus)
            tracker = trading.PositionTracker(bus, strategy="exits")
            position = await tracker.create_position("SPY", quantity=10, stop_loss_pct=0.03, take_profit_pct=0.08)
            assert (position.stop_loss, position.take_profit) == (Decimal("169.76"), Decimal("189.01")), (
                "towards the entry"
            )
            await until(lambda: position.status is PositionStatus.OPEN, "the entry to be filled")
            await tracker.update_positions({"SPY": 150})
            assert position.unrealized_pnl == 10 * (150 - Decimal("175.01"))
            assert position.status is PositionStatus.OPEN, "what it is worth here sends nothing"
            market.quote("SPY", "169.70", "169.72")
            market.trade("SPY", "169.70")
            await until(lambda: position.status is PositionStatus.CLOSED, "the stop to close it")
            assert (position.close_reason, position.quantity) == ("stop_loss", 0)
            await until(lambda: heard.of(PositionCloseEvent, symbol="SPY"), "its end to be told")
            [ended] = heard.of(PositionCloseEvent, symbol="SPY")
            assert (ended.reason, ended.position_id) == ("stop_loss", position.position_id)

    market.shown("SPY", "174.99", "175.01")
    on_a_loop(work())


def test_order_creation_and_submission(desk: tuple[Client, Market]) -> None:
    async def work() -> None:
        async with EventBus() as event_bus:
            heard = await Heard.by(event_bus)
            had = await run(
                example_with("# Create and submit a market order"), gateway=event_bus.desk, event_bus=event_bus
            )
            manager, order, limit = had["order_manager"], had["order"], had["limit_order"]
            await manager.wait_for(order.order_id)
            assert (order.status, order.filled_quantity, order.average_price) == ("FILLED", 100, Decimal("150.01"))
            await until(lambda: limit.status is OrderStatus.ACCEPTED, "the limit order to work")
            kinds = [type(each) for each in heard.of(trading.OrderEvent, order_id=order.order_id)]
            assert kinds == [OrderCreatedEvent, OrderSubmittedEvent, OrderFilledEvent]
            await manager.submit_order(limit.order_id)
            await manager.cancel_order(limit.order_id)
            await manager.wait_for(limit.order_id)
            assert limit.status == "CANCELED"
            assert limit.terms["price"] == Decimal("280.5")
            assert [each.order_id for each in heard.of(OrderCreatedEvent, symbol="MSFT")] == [limit.order_id], (
                "sent once"
            )

    desk[1].shown("AAPL", "149.99", "150.01")
    desk[1].shown("MSFT", "280.60", "280.70")
    on_a_loop(work())


def test_the_rule_of_the_document_creates_a_position(desk: tuple[Client, Market]) -> None:
    async def work() -> None:
        async with EventBus() as event_bus:
            heard = await Heard.by(event_bus)
            rule_engine = RuleEngine(event_bus)
            await rule_engine.start()
            await run(example_with("rule_engine.register_rule"), Rule=Rule, rule_engine=rule_engine)
            await event_bus.emit(PredictionSignalEvent(symbol="MSFT", signal="BUY", confidence=0.5))
            await event_bus.emit(PredictionSignalEvent(symbol="MSFT", signal="BUY", confidence=0.93))
            positions = rule_engine.position_tracker.positions
            await until(
                lambda: [p for p in positions.values() if p.status is PositionStatus.OPEN], "the rule's position"
            )
            [position] = positions.values()
            assert (position.symbol, position.quantity) == ("MSFT", 100)
            assert (position.stop_loss, position.take_profit) == (Decimal("121.26"), Decimal("135.01"))
            assert rule_engine.states["prediction_entry"].executions == 1
            assert [each.confidence for each in heard.of(PredictionSignalEvent)] == [Decimal("0.5"), Decimal("0.93")]
            assert [each.event.confidence for each in rule_engine.unmatched] == [Decimal("0.5")]
            [line] = rule_engine.show_unmatched()
            assert "prediction_entry: confidence is 0.5, wanted what a predicate asks for" in line
            await rule_engine.position_tracker.close_position(position.position_id)
            await until(lambda: position.status is PositionStatus.CLOSED, "it to be closed")

    desk[1].shown("MSFT", "125.00", "125.01")
    on_a_loop(work())


def test_prices_come_as_events(desk: tuple[Client, Market]) -> None:
    async def work() -> None:
        async with EventBus() as bus:
            heard = await Heard.by(bus)
            await asyncio.to_thread(desk[1].shown, "ETHUSDT", "3599.99", "3600.01")
            await until(lambda: heard.of(PriceEvent, symbol="ETHUSDT"), "the quote")
            price = heard.of(PriceEvent, symbol="ETHUSDT")[-1]
            assert (price.price, price.bid, price.ask) == (3600, Decimal("3599.99"), Decimal("3600.01"))
            desk[1].trade("ETHUSDT", "3600.00")
            signal = await bus.desk.signal("ETHUSDT", "BUY", 1)
            await bus.desk.wait_for(signal, until=lambda outcome: outcome.final)
            await until(lambda: heard.of(trading.VolumeEvent, symbol="ETHUSDT"), "trades")

    on_a_loop(work())
