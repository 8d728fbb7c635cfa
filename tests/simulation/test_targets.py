"""Targets, under any schedule of crashes, fills, rejects, cancels and halts: they converge, and never overshoot.

A failing seed is named in the failure; `SIMULATION_SEED=n` runs just that one, `SIMULATION_SEEDS=n` more.
"""

from __future__ import annotations

import os
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from fillstream.libs.common.messages.rule_terms import RuleTerms
from fillstream.services.order_service.orders.life.order import PENDING_NEW
from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.position_service.stage import PositionStage
from tests.support.both_stages import held_and_booked
from tests.support.simulated_desk import ACCOUNTS, CONFIG, SLOW, SYMBOLS, TWO_VENUES, SimulatedDesk
from tests.support.terms import but

ONE = os.environ.get("SIMULATION_SEED")
SEEDS = [int(ONE)] if ONE else list(range(int(os.environ.get("SIMULATION_SEEDS", "1000")) // 10 or 1))
CHUNK = 25
RULES = (
    RuleTerms.model_validate(
        {
            "rule_id": "tired", "event": "OrderFilled", "when": "position.quantity > 20",
            "actions": [{"close": {"quantity": 1}}], "max_executions_per_day": 5,
        }
    ),
)  # fmt: skip
LIMITED = but(
    CONFIG,
    rules=RULES,
    accounts={
        name: but(each, max_leverage=Decimal(3), max_drawdown=Decimal("0.001"), risk_action="REDUCE")
        for name, each in CONFIG.accounts.items()
    },
)
"""Accounts that may do no more than reduce once they hold what they have no equity for: they have none."""
ENDS = {"REACHED", "FAILED", "REPLACED", "CANCELED"}


@pytest.mark.parametrize("first", range(0, len(SEEDS), CHUNK))
def test_targets_are_reached_or_say_why_not_and_nothing_is_sent_too_much(first: int) -> None:
    seen: Counter[str] = Counter()
    for seed in SEEDS[first : first + CHUNK]:
        options: dict[str, Any] = {}
        if seed % 4:
            options = ({"config": LIMITED}, {"simulation": SLOW}, {"config": TWO_VENUES})[seed % 4 - 1]
        desk = SimulatedDesk(seed, 1 + seed % 3, 1 + seed % 2, controls=seed % 2 == 0, targets=True, **options)
        try:
            desk.run(steps=300)
            last_word(desk)
            found = desk.audit()
            desk.check_contracts()
            held, booked = held_and_booked(desk)
        except Exception as error:
            raise AssertionError(f"seed {seed}: SIMULATION_SEED={seed} shows it again") from error
        assert found.agrees, f"seed {seed}: {found.problems[:5]}; SIMULATION_SEED={seed} shows it again"
        assert held == booked, f"seed {seed}"
        for a in range(desk.topology.account_partitions):
            check_lives(desk, a, seed, seen)
            check_never_too_much(desk, a, seed, seen)
    if not ONE and len(SEEDS) >= CHUNK:
        kinds = ("WORKING", "WAITING", "REACHED", "REPLACED", "CANCELED", "RETRYING", "opposed")
        assert min(seen[each] for each in (*kinds, "RiskChanged", "RuleReported")) > 3, seen


def last_word(desk: SimulatedDesk) -> None:
    """Ask for targets that a market can give, let it be there, and see that they are what is held."""
    for account in ACCOUNTS:  # what works for a client counts, and may never trade
        desk.publish(type="CancelTarget", signal_id=f"none-{account}", account=account)
        desk.publish(type="CancelAll", signal_id=f"all-{account}", account=account)
    desk.pass_time(3_000)
    asked: dict[tuple[str, str], int] = {}
    for number, account in enumerate(ACCOUNTS):
        for other, symbol in enumerate(SYMBOLS):
            asked[account, symbol] = (number - 1) * 5 + other
            desk.publish(
                type="target", signal_id=f"last-{account}-{symbol}", account=account, symbol=symbol,
                target=str(asked[account, symbol]),
            )  # fmt: skip
    for _ in range(14):
        for symbol in SYMBOLS:
            desk.quote_well(symbol)
        desk.pass_time(5_000)
    while unanswered(desk):
        desk.pass_time(100)
    told = {
        (each["account"], each["symbol"]): each
        for a in range(desk.topology.account_partitions)
        for each in desk.told_of_positions(a)
        if each["type"] == "TargetChanged"
    }
    held, _ = held_and_booked(desk)
    for position, lots in asked.items():
        status = told[position]["target_status"]
        assert status in ("REACHED", "FAILED", "RETRYING"), told[position]
        if status == "REACHED":
            assert held.get(position, (0,))[0] == lots, (position, lots, held.get(position), told[position])
        else:
            assert told[position]["text"], told[position]
    for stage in stages(desk):
        if isinstance(stage, PositionStage):
            targets = stage._books.targets
            assert targets.failing == sum(bool(each.failed) for each in targets.of.values())
            assert set(targets.sent) == {each.client_order_id for each in targets.of.values()} - {None}


def stages(desk: SimulatedDesk) -> list[Any]:
    return [slot.runner.stage for slot in desk.slots if slot.runner is not None]


def unanswered(desk: SimulatedDesk) -> int:
    """Return how many orders are on their way to a venue."""
    return sum(each._state.statuses.get(PENDING_NEW, 0) for each in stages(desk) if isinstance(each, OrdersStage))


def check_lives(desk: SimulatedDesk, partition: int, seed: int, seen: Counter[str]) -> None:
    """Each target has one end at most, and nothing is told of it after that."""
    ended: set[tuple[str, ...]] = set()
    for message in desk.told_of_positions(partition):
        seen[message["type"]] += 1
        if message["type"] == "TargetChanged":
            seen[message["target_status"]] += 1
            key = (message["account"], message["symbol"], message["signal_id"], str(message["asked_time"]))
            assert key not in ended, f"seed {seed}: {message}"
            if message["target_status"] in ENDS:
                ended.add(key)


def check_never_too_much(desk: SimulatedDesk, partition: int, seed: int, seen: Counter[str]) -> None:
    """With all that works, an order that is sent for a target makes no more of a position than was asked for."""
    held: Counter[tuple[str, str]] = Counter()
    works: dict[str, tuple[tuple[str, str], Decimal]] = {}
    targets: dict[str, Decimal] = {}
    for message in desk.told_of_positions(partition):
        if message["type"] == "TargetChanged" and "client_order_id" in message:
            targets[message["client_order_id"]] = Decimal(message["target_qty"])
    for event in desk.journal(partition):
        if event["type"] == "PositionTargeted":
            seen[event["found"]] += 1
        if event["type"] == "OrderRejected":
            works.pop(event["order_id"], None)
        if "leaves_qty" not in event or event["type"] in ("OrderRejected", "OrderStatusReported"):
            continue
        sign = 1 if event["side"] == "BUY" else -1
        position = (event["account"], event["symbol"])
        if event["type"] == "OrderFilled":
            held[position] += sign * Decimal(event["last_qty"])  # type: ignore[assignment]
        parent = event.get("parent_id")
        if parent is None:
            works[event["order_id"]] = position, sign * Decimal(event["leaves_qty"])
        elif event["type"] == "OrderFilled" and parent in works:  # what a child trades its parent has left no more
            works[parent] = position, works[parent][1] - sign * Decimal(event["last_qty"])
        target = targets.get(event.get("client_order_id", ""))
        if event["type"] == "OrderReceived" and target is not None:
            mine = [lots for where, lots in works.values() if where == position]
            most, least = (held[position] + sum(each for each in mine if (each > 0) == up) for up in (True, False))
            assert most <= max(target, held[position]), f"seed {seed}: {event}"
            assert least >= min(target, held[position]), f"seed {seed}: {event}"
