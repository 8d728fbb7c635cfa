"""Thousands of schedules in seconds: whatever crashes wherever, nothing is lost, doubled or reordered.

A failing seed is named in the failure; `SIMULATION_SEED=n make test` runs just that one, `SIMULATION_SEEDS=n` more.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import orjson
import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.topology import SIM
from fillstream.libs.common.runtime.stage import Entry
from fillstream.libs.common.runtime.ticker import TICK
from fillstream.services.order_service.orders.config import day_end
from fillstream.services.order_service.orders.state import QUOTES_EVERY_MS
from fillstream.tools.audit import audit
from tests.support.simulated_desk import OUTSIDE, SYMBOLS, TWO_VENUES, SimulatedDesk

ONE = os.environ.get("SIMULATION_SEED")
SEEDS = [int(ONE)] if ONE else list(range(int(os.environ.get("SIMULATION_SEEDS", "600"))))
CHUNK = 50


@pytest.mark.parametrize("first", range(0, len(SEEDS), CHUNK))
def test_the_books_agree_after_any_schedule_of_crashes(first: int) -> None:
    crashes = fills = controls = 0
    for seed in SEEDS[first : first + CHUNK]:
        desk = SimulatedDesk(seed, accounts=1 + seed % 3, symbols=1 + seed % 2, controls=True)
        try:
            desk.run(steps=300)
            found = desk.audit()
        except Exception as error:
            raise AssertionError(f"seed {seed}: SIMULATION_SEED={seed} shows it again") from error
        assert found.agrees, f"seed {seed}: {found.problems[:5]}; SIMULATION_SEED={seed} shows it again"
        assert found.signals == desk.sent
        crashes, fills, controls = crashes + desk.crashes, fills + found.fills, controls + found.controls
    assert ONE or min(crashes, fills, controls) > CHUNK, "the schedules crash, trade and control, or prove nothing"


@pytest.mark.parametrize("first", range(0, len(SEEDS) // 10 or 1, CHUNK))
def test_the_books_of_two_venues_side_by_side_agree(first: int) -> None:
    """Each has its own books and quotes; the same trade numbers come from both, and every fill is booked once."""
    numbers: dict[str, set[str]] = {"SIM": set(), "SIM2": set()}
    for seed in SEEDS[first : first + CHUNK]:
        desk = SimulatedDesk(seed, accounts=1 + seed % 3, symbols=1 + seed % 2, config=TWO_VENUES)
        try:
            desk.run(steps=300)
            found = desk.audit()
        except Exception as error:
            raise AssertionError(f"seed {seed}: SIMULATION_SEED={seed} shows it again") from error
        assert found.agrees, f"seed {seed}: {found.problems[:5]}; SIMULATION_SEED={seed} shows it again"
        assert found.signals == desk.sent
        for each in (each for a in range(desk.topology.account_partitions) for each in desk.journal(a)):
            if each["type"] == "OrderFilled":
                venue, _, number = each["exec_id"].split("-")[:3]
                assert each["venue"] == venue
                assert venue == ("SIM2" if each["account"] == "beta" or each["symbol"] == "MSFT" else "SIM")
                numbers[venue].add(number)
    desk.check_contracts()
    assert ONE or numbers["SIM"] & numbers["SIM2"], "both venues count from 1, or this proves nothing"


def test_no_oddity_of_a_market_makes_the_books_disagree() -> None:
    """Locked, crossed and empty quotes, trades that are none: in `dead` where nobody can use them, and no error."""
    refused: Counter[str] = Counter()
    fills = 0
    for seed in range(20):
        desk = SimulatedDesk(seed, accounts=1 + seed % 3, symbols=1 + seed % 2, odd_market=True)
        desk.run(steps=600)
        found = desk.audit()
        assert found.agrees, f"seed {seed}: {found.problems[:5]}"
        assert found.market_refused <= found.dead
        refused, fills = refused + found.market_refused, fills + found.fills
        desk.check_contracts()
    assert {"crossed", "bad_qty", "bad_price", "bad_record", "price_not_positive"} <= refused.keys()
    assert fills > 20


def test_sessions_bands_and_mass_cancels_are_heard_by_every_partition_and_dead_in_none() -> None:
    heard: Counter[str] = Counter()
    for seed in range(20):
        desk = SimulatedDesk(seed, accounts=3, symbols=2)
        dice = random.Random(seed)
        for _ in range(12):
            desk.run(steps=50)
            symbol = dice.choice(list(SYMBOLS))
            number, partition = SYMBOLS[symbol], desk.topology.symbol_partition(symbol)
            record = dice.choice(
                (
                    frames.session(number, frames.Session.AUCTION, 15_000),
                    frames.session(number, frames.Session.HALTED),
                    frames.session(number, frames.Session.CONTINUOUS),
                    frames.bands(number, 14_000, 16_000),
                    frames.bands(number),
                    frames.mass_cancel(0, number, 0),
                    frames.mass_cancel(0, None, 1),
                )
            )
            desk.redis.add(desk.topology.commands(SIM, partition), {b"frame": record})
        desk.settle()
        found = desk.audit()
        assert found.agrees, f"seed {seed}: {found.problems[:5]}"
        letters = [orjson.loads(fields[b"data"]) for _, fields in desk.entries(desk.topology.dead)]
        assert [each for each in letters if each["stream"].startswith("orders")] == []
        for a in range(3):
            heard.update(f"{event['type']} {a}" for event in desk.journal(a))
        desk.check_contracts()
    for kind in ("SessionChanged", "BandsChanged"):
        assert {f"{kind} {a}" for a in range(3)} <= heard.keys()
    assert heard["OrdersMassCanceled 0"], "told to the partition that it was asked for"


def test_an_order_that_the_venue_cannot_read_is_still_an_error() -> None:
    desk = SimulatedDesk(1)
    desk.run(steps=100)
    order = frames.new_order(5, 1, 1, 0, side=1, ord_type=2, tif=1, price=1, qty=1)
    desk.redis.add(desk.topology.commands(SIM, 0), {b"frame": order[:-1]})
    desk.settle()
    [problem] = desk.audit().problems
    assert problem.startswith("dead letter of commands.SIM.0 ")


def test_every_public_message_keeps_its_contract() -> None:
    for seed in range(20):
        desk = SimulatedDesk(seed, accounts=2, symbols=2, controls=True)
        desk.run(steps=600)
        desk.check_contracts()


def test_the_same_desk_under_another_prefix_has_the_same_hashes() -> None:
    """The running hash covers names, not keys: a desk may be moved, and another scheme of keys changes no hash."""
    desks = [SimulatedDesk(11, accounts=2, symbols=2, prefix=prefix) for prefix in ("", "elsewhere:")]
    for desk in desks:
        desk.run(1_500)
    here, there = ([desk.replay(slot.make()) for slot in desk.slots] for desk in desks)
    assert [found.digest for found in here] == [found.digest for found in there]
    assert all(found.agrees for found in (*here, *there))
    assert not desks[0].redis.streams.keys() & desks[1].redis.streams.keys()
    assert desks[0].audit().dead, "dead letters, which name a stream, are among what was hashed"


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, two = SimulatedDesk(7), SimulatedDesk(7)
    one.run(steps=500)
    two.run(steps=500)
    assert one.redis.streams == two.redis.streams


def test_a_desk_left_alone_does_what_is_due_at_its_millisecond_and_sleeps_in_between() -> None:
    desk = SimulatedDesk(1)
    midnight_ms = day_end(desk.redis.now_ms)
    desk.redis.now_ms = midnight_ms - 5_123
    desk.settle()
    commands, events, inbox = desk.topology.commands(SIM, 0), desk.topology.events(0), desk.topology.orders(0)
    desk.redis.add(commands, {b"frame": frames.quote(1, 14_990, 100, 15_010, 100)})
    order = {"signal_id": "s1", "symbol": "AAPL", "side": "BUY", "quantity": "5", "price": "149.95"}
    for tif in ("DAY", "GTC"):
        fields = {**order, "signal_id": tif, "account": "alpha", "time_in_force": tif}
        desk.redis.add(desk.topology.signals, {name.encode(): value.encode() for name, value in fields.items()})
    desk.pass_time(60_000)
    told = [orjson.loads(entry.fields[b"data"]) for entry in desk.redis.streams[events] if b"data" in entry.fields]
    due = [(event["type"], event["due_time"], event["time"]) for event in told if "due_time" in event]
    assert due == [
        ("QuoteUpdated", midnight_ms - 5_123 + QUOTES_EVERY_MS, midnight_ms - 5_123 + QUOTES_EVERY_MS),
        ("OrderExpired", midnight_ms, midnight_ms),
    ]
    [expired] = [event for event in told if event["type"] == "OrderExpired"]
    assert expired["client_order_id"] == "DAY"
    ticks = [entry.ms for entry in desk.redis.streams[commands] if entry.fields == TICK]
    assert midnight_ms in ticks
    assert len(ticks) <= 4, "a regular one as often as the desk is looked at here, and one for what was due"
    assert len([entry for entry in desk.redis.streams[inbox] if entry.fields == TICK]) <= 4
    assert all(desk.replay(slot.make()).agrees for slot in desk.slots), "the entries are all that a replay needs"
    assert desk.audit().agrees


def test_a_stage_that_died_before_a_due_time_does_what_was_due_when_it_is_back() -> None:
    told = {}
    for dies in (False, True):
        desk = SimulatedDesk(1)
        desk.settle()
        began_ms = desk.redis.now_ms
        desk.redis.add(desk.topology.commands(SIM, 0), {b"frame": frames.quote(1, 14_990, 100, 15_010, 100)})
        desk.settle()
        if dies:
            for slot in desk.slots:
                assert slot.runner is not None
                slot.snapshots.save(slot.runner.snapshot())
                desk.crash(slot)
            desk.redis.now_ms += 10_000
        desk.pass_time(1_000)
        last = desk.redis.streams[desk.topology.events(0)][-1]
        told[dies] = orjson.loads(last.fields[b"data"])
        assert (told[dies]["type"], told[dies]["due_time"]) == ("QuoteUpdated", began_ms + QUOTES_EVERY_MS)
        assert all(desk.replay(slot.make()).agrees for slot in desk.slots)
    assert told[True].pop("time") == told[False].pop("time") + 10_000 - QUOTES_EVERY_MS
    assert told[True] == told[False]


@pytest.fixture(scope="module")
def quiet() -> SimulatedDesk:
    """A desk whose books agree, to falsify."""
    desk = SimulatedDesk(3)
    desk.run(steps=600)
    assert desk.audit().agrees
    return desk


def test_the_audit_notices_a_control_without_an_answer_and_an_answer_without_a_control() -> None:
    desk = SimulatedDesk(5, controls=True)
    desk.run(steps=600)
    assert desk.audit().agrees
    events = desk.redis.streams["events.{a0}"]
    control_id = orjson.loads(events[where(events, "ControlApplied", 0)].fields[b"data"])["control_id"]
    inbox = desk.redis.streams["orders.{a0}"]
    at = next(n for n, entry in enumerate(inbox) if b'"%s"' % control_id.encode() in entry.fields.get(b"control", b""))
    told = f"control orders.0 {control_id}: "
    assert told in falsified(desk, "orders.{a0}", lambda entries: entries.pop(at))
    twice = Entry(f"{inbox[-1].ms}-9999", inbox[-1].ms, inbox[at].fields)
    assert told in falsified(desk, "orders.{a0}", lambda entries: entries.append(twice))


def falsified(desk: SimulatedDesk, stream: str, change: Callable[[list[Entry]], object]) -> str:
    """Return what the audit says when a stream's entries are changed behind everybody's back."""
    kept = desk.redis.streams[stream]
    desk.redis.streams[stream] = [*kept]
    try:
        change(desk.redis.streams[stream])
        return "\n".join(audit(desk, desk.topology).problems)
    finally:
        desk.redis.streams[stream] = kept


def where(entries: list[Entry], kind: str, nth: int) -> int:
    """Return where the n-th message of a type is, counted from the end if negative."""
    return [n for n, entry in enumerate(entries) if b'{"type":"%s"' % kind.encode() in entry.fields.get(b"data", b"")][
        nth
    ]


@pytest.mark.parametrize("nth", [0, 5, -1])
@pytest.mark.parametrize(
    ("stream", "kind", "words"),
    [
        ("events.{a0}", "OrderFilled", "is not in the journal"),
        ("events.{a0}", "OrderRejected", " answers, expected "),
        ("events.{a0}", "OrderReceived", " answers, expected "),
        ("events.{a0}", "OrderCancelRejected", " answers, expected "),
        ("positions.{a0}", "PositionChanged", "0 position changes, expected 1"),
        ("positions.{a0}", "PositionMarked", "belongs"),
    ],
)
def test_the_audit_notices_what_was_lost(quiet: SimulatedDesk, stream: str, kind: str, words: str, nth: int) -> None:
    said = falsified(quiet, stream, lambda entries: entries.pop(where(entries, kind, nth)) and None)
    assert words in said
    assert "belongs" in said or nth == -1, "whatever comes behind it has the wrong number"


@pytest.mark.parametrize(
    ("stream", "kind", "words"),
    [
        ("events.{a0}", "OrderFilled", "happened twice"),
        ("events.{a0}", "OrderRejected", " answers, expected "),
        ("positions.{a0}", "PositionChanged", "2 position changes, expected 1"),
    ],
)
def test_the_audit_notices_what_was_doubled(quiet: SimulatedDesk, stream: str, kind: str, words: str) -> None:
    def double(entries: list[Entry]) -> None:
        at = where(entries, kind, 2)
        entries.insert(at, entries[at])

    assert words in falsified(quiet, stream, double)


def test_the_audit_notices_a_signal_without_an_outcome_and_an_outcome_without_a_signal(quiet: SimulatedDesk) -> None:
    assert "1 instructions, expected 0" in falsified(quiet, "signals", lambda entries: entries.pop(0) and None)
    told = {b"symbol": b"AAPL", b"side": b"BUY", b"quantity": b"1", b"signal_id": b"unheard"}
    added = falsified(quiet, "signals", lambda entries: entries.append(Entry("9999999999999-0", 9999999999999, told)))
    assert "signal unheard: 0 instructions, expected 1" in added


NUMBERS = {
    "OrderReceived": ("quantity", "leaves_qty", "cum_qty"),
    "OrderAccepted": ("quantity", "leaves_qty", "cum_qty"),
    "OrderFilled": ("last_qty", "last_px", "fee", "cum_qty", "leaves_qty", "avg_px", "quantity", "order_id"),
    "OrderCanceled": ("cum_qty", "leaves_qty", "quantity"),
    "PositionChanged": (
        *("position", "avg_px", "realized_pnl", "unrealized_pnl", "fees", "cash", "mark_px", "last_qty", "last_px"),
    ),
    "PositionMarked": ("position", "avg_px", "realized_pnl", "unrealized_pnl", "fees", "cash", "mark_px"),
}
"""What the audit computes again."""


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NUMBERS.items() for name in names])
def test_the_audit_computes_every_number_again(quiet: SimulatedDesk, kind: str, name: str) -> None:
    """A millionth too much anywhere is noticed, in the middle of a stream as at its end."""
    stream = "positions.{a0}" if kind.startswith("Position") else "events.{a0}"
    messages = [orjson.loads(entry.fields.get(b"data", b"{}")) for entry in quiet.redis.streams[stream]]
    own = [n for n, message in enumerate(messages) if message.get("type") == kind and message[name] is not None]
    for at in (own[0], own[len(own) // 2], own[-1]):
        more = str(Decimal(messages[at][name]) + (1 if name == "order_id" else Decimal("0.000001")))

        def change(entries: list[Entry], at: int = at, more: str = more) -> None:
            data = orjson.dumps({**messages[at], name: more})
            entries[at] = Entry(entries[at].id, entries[at].ms, {b"data": data})

        said = falsified(quiet, stream, change)
        shown_by = {"mark_px": "unrealized_pnl", "order_id": "never reported"}.get(name, name)
        assert shown_by in said, f"message {at}: {name} {more} instead of {messages[at][name]}"


@pytest.mark.parametrize(("name", "other"), [("side", "?"), ("symbol", "?"), ("account", "?"), ("liquidity", "?")])
def test_the_audit_notices_a_fill_of_somebody_or_something_else(quiet: SimulatedDesk, name: str, other: str) -> None:
    def change(entries: list[Entry]) -> None:
        at = where(entries, "OrderFilled", 3)
        message = orjson.loads(entries[at].fields[b"data"])
        opposite = {"BUY": "SELL", "SELL": "BUY", "MAKER": "TAKER", "TAKER": "MAKER"}.get(message[name], other)
        data = orjson.dumps({**message, name: opposite})
        entries[at] = Entry(entries[at].id, entries[at].ms, {b"data": data})

    assert f"{name} is" in (said := falsified(quiet, "events.{a0}", change)) or "the engine says" in said


def test_a_log_that_folds_to_something_else_is_noticed(quiet: SimulatedDesk) -> None:
    kept = quiet.redis.streams["orders.{a0}"]
    frames_at = [n for n, entry in enumerate(kept) if b"frame.SIM" in entry.fields]
    quiet.redis.streams["orders.{a0}"] = [entry for n, entry in enumerate(kept) if n != frames_at[-1]]
    try:
        problems = "\n".join(quiet.audit().problems)
    finally:
        quiet.redis.streams["orders.{a0}"] = kept
    assert "output hash" in problems or "cannot be folded again" in problems


def outside() -> tuple[SimulatedDesk, Callable[..., None]]:
    """Return a desk with an order at a venue outside, and how that venue reports."""
    desk = SimulatedDesk(1, config=OUTSIDE)
    signal = {
        "signal_id": "s",
        "symbol": "AAPL",
        "side": "BUY",
        "quantity": "100",
        "price": "150.00",
        "time_in_force": "DAY",
    }
    desk.redis.add("signals", {name.encode(): value.encode() for name, value in signal.items()})
    desk.sent += 1
    desk.settle()

    def report(exec_type: str, **more: str) -> None:
        document = {"type": "VenueReport", "v": 1, "venue": "OUT", "exec_type": exec_type, "order_id": "1", **more}
        desk.redis.add("orders.{a0}", {b"data": orjson.dumps(document)})
        desk.settle()

    return desk, report


def commanded(desk: SimulatedDesk) -> list[frames.Command]:
    entries = desk.redis.streams["commands.OUT.{s0}"]
    return [frames.Command._make(each) for entry in entries for each in frames.commands(entry.fields[b"frame"])]


def test_an_order_at_a_venue_outside_goes_through_its_life_and_the_books_agree() -> None:
    desk, report = outside()
    [command] = commanded(desk)
    assert (command.order_id, command.type) == (1, frames.CommandType.NEW)
    report("New", venue_order_id="X 1")
    report("Trade", exec_id="T-1", last_qty="40", last_px="149.99", commission="0.25", comm_currency="USD")
    report("Trade", exec_id="T-2", last_qty="10", last_px="149.98", liquidity="MAKER")
    midnight_ms = day_end(desk.redis.now_ms)
    desk.redis.now_ms = midnight_ms - 60_000  # not lived through before: each second of a day is some steps
    desk.settle()
    desk.pass_time(59_999)
    assert [each.type for each in commanded(desk)] == [frames.CommandType.NEW]
    desk.pass_time(2)
    assert commanded(desk)[-1].type == frames.CommandType.CANCEL, "the venue does not see to the day's end"
    report("Canceled")
    events = [event["type"] for event in desk.journal(0) if event.get("order_id") == "1"]
    assert events == [
        "OrderReceived", "OrderAccepted", "OrderFilled", "OrderFilled", "OrderCancelRequested", "OrderExpired",
    ]  # fmt: skip
    found = desk.audit()
    assert found.problems == []
    assert found.fills == 2


@pytest.mark.parametrize(
    "wrong", [{"last_px": "149.98"}, {"last_qty": "41"}, {"liquidity": "MAKER"}, {"exec_id": "T-9"}, {"order_id": "2"}]
)
def test_the_audit_sees_a_trade_that_the_venue_reported_otherwise(wrong: dict[str, str]) -> None:
    desk, report = outside()
    report("Trade", exec_id="T-1", last_qty="40", last_px="149.99")
    assert desk.audit().problems == []
    entry = desk.redis.streams["orders.{a0}"][-1]
    said = orjson.loads(entry.fields[b"data"])
    desk.redis.streams["orders.{a0}"][-1] = Entry(entry.id, entry.ms, {b"data": orjson.dumps(said | wrong)})
    assert any("fill" in problem for problem in desk.audit().problems)
