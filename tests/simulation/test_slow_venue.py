"""Desks whose venue takes its time, refuses by lot and quotes worse than the market, whatever crashes wherever."""

from __future__ import annotations

import os
import random
from collections import Counter
from decimal import Decimal

import orjson
import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.simulation import SimulationConfig
from fillstream.libs.common.messages.topology import SIM
from fillstream.services.matching_engine.stage import EngineStage
from tests.support.simulated_desk import ACCOUNTS, SLOW, SYMBOLS, TWO_VENUES, SimulatedDesk, Slot

ONE = os.environ.get("SIMULATION_SEED")
SEEDS = [int(ONE)] if ONE else list(range(int(os.environ.get("SIMULATION_SEEDS", "1000")) // 5))
CHUNK = 50


def slow_desk(seed: int, **more: object) -> SimulatedDesk:
    return SimulatedDesk(seed, accounts=1 + seed % 3, symbols=1 + seed % 2, simulation=SLOW, **more)  # type: ignore[arg-type]


def engines(desk: SimulatedDesk) -> list[tuple[Slot, EngineStage]]:
    return [
        (slot, slot.runner.stage)
        for slot in desk.slots
        if slot.runner is not None and isinstance(slot.runner.stage, EngineStage)
    ]


def mass_cancel(desk: SimulatedDesk, dice: random.Random) -> None:
    symbol = dice.choice(list(SYMBOLS))
    account = dice.randrange(4)
    record = frames.mass_cancel(account, dice.choice((None, SYMBOLS[symbol])), dice.randrange(3))
    if account:
        partition = desk.topology.account_partition(ACCOUNTS[account - 1])
        record = frames.COMMAND.pack(*frames.Command._make(frames.COMMAND.unpack(record))._replace(partition=partition))
    desk.redis.add(desk.topology.commands(SIM, desk.topology.symbol_partition(symbol)), {b"frame": record})


@pytest.mark.parametrize("first", range(0, len(SEEDS), CHUNK))
def test_the_books_agree_after_any_schedule_of_crashes(first: int) -> None:
    crashes = fills = 0
    seen: Counter[str | None] = Counter()
    for seed in SEEDS[first : first + CHUNK]:
        desk = slow_desk(seed, controls=True)
        dice = random.Random(seed)
        try:
            for _ in range(6):
                desk.run(steps=50)
                mass_cancel(desk, dice)
            desk.pass_time(5_000)
            found = desk.audit()
        except Exception as error:
            raise AssertionError(f"seed {seed}: SIMULATION_SEED={seed} shows it again") from error
        assert found.agrees, f"seed {seed}: {found.problems[:5]}; SIMULATION_SEED={seed} shows it again"
        assert found.signals == desk.sent
        assert not [stage for _, stage in engines(desk) if stage.gauges()["delayed_commands"][""]]
        crashes, fills = crashes + desk.crashes, fills + found.fills
        for a in range(desk.topology.account_partitions):
            seen.update(
                told for each in desk.journal(a) for told in (each.get("reason") or each["type"], each.get("text"))
            )
    by_lot = seen["the venue refused the order: reject rate"]
    assert seen["venue_other"] == by_lot
    assert ONE or min(crashes, fills, by_lot, seen["mass_cancel"], seen["OrdersMassCanceled"]) > 20, seen


def test_a_snapshot_with_commands_on_their_way_is_recovered_from_and_they_arrive() -> None:
    recovered = 0
    for seed in range(20):
        desk = slow_desk(seed, config=TWO_VENUES)
        desk.run(steps=250)
        delayed = 0
        for slot, stage in engines(desk):
            assert slot.runner is not None
            slot.snapshots.save(slot.runner.snapshot())
            delayed += stage.gauges()["delayed_commands"][""]
            desk.crash(slot)
        desk.settle()
        for slot, stage in engines(desk):
            assert slot.runner is not None
            assert slot.runner.replayed == 0, "the snapshot is where it stands"
            assert stage.configuration() is None
        assert sum(stage.gauges()["delayed_commands"][""] for _, stage in engines(desk)) == delayed
        recovered += delayed
        desk.pass_time(5_000)
        assert not sum(stage.gauges()["delayed_commands"][""] for _, stage in engines(desk))
        assert desk.audit().agrees
        desk.check_contracts()
    assert recovered > 20, "commands were on their way, or this proves nothing"


def test_the_same_seed_gives_the_same_bytes_and_another_seed_of_the_venue_others() -> None:
    desks = [slow_desk(7), slow_desk(7), SimulatedDesk(7, 2, 2, simulation=SLOW.model_copy(update={"seed": 2}))]
    for desk in desks:
        desk.run(steps=500)
        desk.pass_time(5_000)
    assert desks[0].redis.streams == desks[1].redis.streams
    assert desks[0].redis.streams != desks[2].redis.streams


def test_an_engine_is_told_once_however_often_it_starts_and_again_when_it_changes() -> None:
    desk = SimulatedDesk(1, simulation=SLOW)
    for _ in range(3):
        desk.settle()
        for slot in desk.slots:
            desk.crash(slot)
    inbox = desk.redis.streams[desk.topology.commands(SIM, 0)]
    assert [entry.fields[b"config"] for entry in inbox if b"config" in entry.fields] == [SLOW.to_json()]


def test_a_market_order_waits_for_the_venue_and_fills_at_the_slipped_price() -> None:
    slow = SimulationConfig(delay_ms=100, slippage=Decimal("0.0005"))
    desk = SimulatedDesk(1, simulation=slow)
    desk.settle()
    desk.redis.add(desk.topology.commands(SIM, 0), {b"frame": frames.quote(1, 14_990, 100, 15_010, 100)})
    desk.settle()
    signal = {"signal_id": "s1", "symbol": "AAPL", "side": "BUY", "quantity": "5", "account": "alpha"}
    desk.redis.add(desk.topology.signals, {name.encode(): value.encode() for name, value in signal.items()})
    desk.settle()
    assert [each["type"] for each in desk.journal(0) if each.get("account") == "alpha" and "order_id" in each] == [
        "OrderReceived"
    ]
    sent_ms = desk.redis.now_ms
    desk.pass_time(1_000)
    [fill] = [each for each in desk.journal(0) if each["type"] == "OrderFilled"]
    assert (fill["last_px"], fill["time"]) == ("150.18", sent_ms + 100)
    ticks = [entry.ms for entry in desk.redis.streams[desk.topology.commands(SIM, 0)] if b"tick" in entry.fields]
    assert sent_ms + 100 in ticks, "the runtime saw to it that an entry came"
    assert orjson.loads(desk.redis.streams["orders.{a0}"][0].fields[b"config"])["instruments"]
    assert desk.audit().agrees
