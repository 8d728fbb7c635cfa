"""Desks whose instruments have sessions of a few seconds, breaks and auctions, whatever crashes wherever.

A failing seed is named in the failure; `SIMULATION_SEED=n` runs just that one, `SIMULATION_SEEDS=n` more.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest

from fillstream.libs.common.engine.frames import Session
from fillstream.libs.common.messages.calendar import Calendars, CalendarTable, DayTable, Hours, InstrumentHours, day_key
from fillstream.libs.common.messages.topology import Topology
from fillstream.services.matching_engine.stage import EngineStage
from fillstream.services.order_service.orders.life.order import FINAL
from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.order_service.orders.waiting.desk import QUOTE_AGAIN_MS
from tests.support.simulated_desk import CONFIG, SLOW, SYMBOLS, SimulatedDesk
from tests.support.terms import but
from tests.support.waiting import check_waiting

ONE = os.environ.get("SIMULATION_SEED")
SEEDS = [int(ONE)] if ONE else list(range(int(os.environ.get("SIMULATION_SEEDS", "1000")) // 10 or 1))
CHUNK = 25
MONTH, KNOWN, EVERY, SESSION = 60_000, 90_000, 5_000, 3_000
AUCTION = 600
PAUSE = (1_200, 1_700)
ZONE = "Europe/Zurich"
AUCTIONS = {"open_auction_ms": AUCTION, "close_auction_ms": AUCTION}
TIMED = but(
    CONFIG,
    instruments=CONFIG.instruments
    | {
        "AAPL": but(CONFIG.instruments["AAPL"], calendar="XTST", **AUCTIONS),
        "MSFT": but(CONFIG.instruments["MSFT"], calendar="XTST"),
    },
    accounts=CONFIG.accounts | {"alpha": but(CONFIG.accounts["alpha"], day_zone=ZONE)},
)
"""AAPL has sessions and auctions, MSFT sessions alone, SPY is always traded; alpha has a day of its own."""
HOURS = {
    "AAPL": InstrumentHours(calendar="XTST", **AUCTIONS),
    "MSFT": InstrumentHours(calendar="XTST"),
}


def table(ms: int) -> CalendarTable:
    """Return what a process that starts now compiles: a session every five seconds, with a break in every third.

    It changes every minute, as a real one does every month, and ends half a minute into the next.
    """
    begin = ms // MONTH * MONTH
    sessions: list[tuple[Any, ...]] = []
    for opens in range(begin - MONTH, begin + KNOWN, EVERY):
        pause = [opens + each for each in PAUSE] if opens // EVERY % 3 == 0 else []
        sessions.append((str(opens), opens, opens + SESSION, *pause))
    return CalendarTable(zone="UTC", from_ms=begin - MONTH, until_ms=begin + KNOWN, sessions=tuple(sessions))


class SessionDesk(SimulatedDesk):
    """A desk whose clients time their orders."""

    def order(self) -> dict[bytes, bytes]:
        fields, dice = super().order(), self.dice
        if b"data" in fields or dice.random() < 0.5:
            return fields
        kind = dice.random()
        plain = not fields.keys() & {b"stop_price", b"trailing_offset", b"display_quantity", b"post_only"}
        if kind < 0.5 and plain and fields.get(b"order_type", b"LIMIT") in (b"LIMIT", b"MARKET"):
            fields.pop(b"expire_time", None)
            fields[b"time_in_force"] = dice.choice((b"AT_THE_OPENING", b"AT_THE_CLOSE"))
        elif kind < 0.8 and not fields.keys() & {b"effective_after_ms", b"effective_time"}:
            fields[b"next_session"] = b"true"
        return fields


def made(seed: int) -> SessionDesk:
    symbols = 1 + seed % 2
    topology = Topology(1, symbols)

    def calendars(ms: int, partition: int | None) -> Calendars:
        days = DayTable(
            until_ms=ms // MONTH * MONTH + KNOWN, begins=tuple(range(ms // MONTH * MONTH, ms + KNOWN, 7_000))
        )
        if partition is None:
            return Calendars(calendars={"XTST": table(ms)}, days={day_key(ZONE, 0): days})
        mine = {
            str(SYMBOLS[each]): hours for each, hours in HOURS.items() if topology.symbol_partition(each) == partition
        }
        return Calendars(calendars={"XTST": table(ms)} if mine else {}, instruments=mine)

    more: dict[str, Any] = {"simulation": SLOW} if seed % 3 == 2 else {}
    return SessionDesk(
        seed, 1 + seed % 3, symbols, specials=seed % 2 == 1, controls=seed % 4 == 0, config=TIMED, calendars=calendars,
        **more,
    )  # fmt: skip


@pytest.mark.parametrize("first", range(0, len(SEEDS), CHUNK))
def test_the_books_agree_and_are_open_when_their_calendar_says_so(first: int) -> None:
    seen: Counter[str] = Counter()
    for seed in SEEDS[first : first + CHUNK]:
        desk = made(seed)
        try:
            desk.run(steps=400)
            check_sessions(desk, seen)
            desk.pass_time(2 * EVERY)
            found = desk.audit()
            desk.check_contracts()
            check_sessions(desk, seen)
        except Exception as error:
            raise AssertionError(f"seed {seed}: SIMULATION_SEED={seed} shows it again") from error
        assert found.agrees, f"seed {seed}: {found.problems[:5]}; SIMULATION_SEED={seed} shows it again"
        for a in range(desk.topology.account_partitions):
            for event in desk.journal(a):
                seen[event["reason"] if event["type"] == "OrderRejected" else event["type"]] += 1
                if event.get("time_in_force", "").startswith("AT_"):
                    seen[f"{event['type']} {event['time_in_force']}"] += 1
    if not ONE and len(SEEDS) >= CHUNK:
        wanted = ("outside_session", "calendar_ended", "no_auction", "SessionChanged", "OrderExpired", "held for time")
        for each in (*wanted, "OrderReceived AT_THE_OPENING", "OrderReceived AT_THE_CLOSE"):
            assert seen[each] > CHUNK // 5, (each, seen)


def check_sessions(desk: SimulatedDesk, seen: Counter[str]) -> None:
    """Every book is where the calendar that its engine has says, and nobody waits whose session is there."""
    ms = desk.redis.now_ms
    for slot in desk.slots:
        assert slot.runner is not None
        stage = slot.runner.stage
        if isinstance(stage, EngineStage) and stage._sessions is not None:
            calendars = stage._sessions.calendars
            for number, said in calendars.instruments.items():
                hours = Hours(calendars.calendars[said.calendar], said.open_auction_ms, said.close_auction_ms)
                wanted = hours.session(ms) if hours.knows(ms) else "HALTED"
                assert Session(stage._engine.session(int(number))).name == wanted
        if isinstance(stage, OrdersStage):
            check_waiting(stage._state, ms, seen)
            for order in stage._state.live():
                if order.held != "time" or order.status in FINAL:
                    continue
                seen["held for time"] += 1
                due = stage._state.timers.due_ms(order.order_id, "release")
                hours_now = order.terms.hours
                unknown = order.terms.calendar is not None and (hours_now is None or hours_now.next_turn(ms) is None)
                assert unknown or (due is not None and due > ms - QUOTE_AGAIN_MS), (order, due, ms)


def test_calendars_are_offered_once_however_often_a_stage_starts_and_again_when_they_change() -> None:
    desk = made(1)
    for _ in range(3):
        desk.settle()
        for slot in desk.slots:
            desk.crash(slot)
    streams = [desk.topology.orders(0), desk.topology.commands("SIM", 0)]
    offered = [sum(b"calendar" in entry.fields for entry in desk.redis.streams[each]) for each in streams]
    assert offered == [1, 1]
    desk.redis.now_ms += MONTH
    desk.settle()
    offered = [sum(b"calendar" in entry.fields for entry in desk.redis.streams[each]) for each in streams]
    assert offered == [2, 2]
