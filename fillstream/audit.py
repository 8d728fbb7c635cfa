"""Check the books: does everything that the streams say agree, to the last tick?

Flows in: every stream of the desk, once it is quiet, and fresh stages to fold the logs again with. Flows out: figures
and problems, each a sentence. Never trusts a service's memory: only what is in the log counts.

What must hold:
- every entry of `signals` has one outcome: an instruction, or a dead letter; every instruction one answer;
- each partition's journal counts from 1 without a gap or a repeat, and so do its positions;
- each fill report of the engine is one OrderFilled with the same price and quantity, and the other way round;
- each order's cum_qty is the sum of its fills and leaves_qty what is left, by its state;
- each position is the sum of its fills, its cash the sum of what they moved less fees, each fill booked once;
- the engine's book, folded again, holds as many orders as the journal has working;
- every stage, folded again from its first entry, gives the output hash that was committed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

import orjson

from fillstream.replay import Replay, replay
from libs.common.frames import REPORT, Report, ReportFlag, ReportType, Side
from libs.common.log import RedisLog, connect
from libs.common.runner import FoldFailed
from libs.common.stage import BadEntry, Inconsistent, Stage
from libs.common.streams import Topology, id_ms
from libs.common.wire import decode

WORKING = {"PendingNew", "New", "PartiallyFilled", "PendingCancel", "PendingReplace"}
PAGE = 5000
MOST_PROBLEMS = 20
"""Problems listed of one kind; more are counted."""


@dataclass(slots=True)
class OrderBooked:
    """An order as the journal tells it."""

    symbol: str
    side: str
    filled: Decimal = Decimal(0)
    cum_qty: Decimal = Decimal(0)
    leaves_qty: Decimal = Decimal(0)
    quantity: Decimal = Decimal(0)
    ord_status: str = ""


@dataclass(slots=True)
class Holding:
    """A position as the fills tell it."""

    position: Decimal = Decimal(0)
    cash: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)


@dataclass(slots=True)
class Audit:
    """What the audit found. `problems` is empty when the books agree."""

    problems: list[str] = field(default_factory=list)
    signals: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    orders_by_state: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    events: int = 0
    fills: int = 0
    positions: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    latencies_ms: list[int] = field(default_factory=list)
    """From a signal's entry to the journal entry of its order's first fill as taker: log time, whole milliseconds."""
    replayed: dict[str, int] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether everything added up."""
        return not self.problems


class Source(Protocol):
    """Where the streams are read from: `RedisSource`, or the simulation's memory."""

    def entries(self, stream: str) -> Iterator[tuple[str, Mapping[bytes, bytes]]]:
        """Yield every entry of a stream in order: id and fields."""
        ...

    def replay(self, stage: Stage) -> Replay:
        """Fold the log of a fresh stage again from its first entry to its checkpoint."""
        ...


class RedisSource:
    """The streams of a desk on a Redis server.

    Args:
        url: of the server.
        topology: names of the streams.
    """

    def __init__(self, url: str, topology: Topology) -> None:
        self._url = url
        self._topology = topology
        self._client = connect(url)

    def entries(self, stream: str) -> Iterator[tuple[str, Mapping[bytes, bytes]]]:
        """See `Source.entries`."""
        after = "-"
        while True:
            page: Any = self._client.xrange(stream, after, "+", count=PAGE)
            for entry_id, fields in page:
                yield entry_id.decode(), fields
            if len(page) < PAGE:
                return
            after = f"({page[-1][0].decode()}"

    def replay(self, stage: Stage) -> Replay:
        """See `Source.replay`."""
        alone = connect(self._url)
        try:
            log = RedisLog(alone, self._topology, stage.name, stage.partition, stage.inbox)
            return replay(log, stage)
        finally:
            alone.close()


def audit(source: Source, topology: Topology, stages: Iterable[Stage] = ()) -> Audit:
    """Check every stream of a quiet desk.

    Args:
        source: where the streams are.
        topology: names of the streams.
        stages: fresh stages to fold the logs again with; none to leave that out.
    """
    found = Audit()
    dead = list(_messages(source, topology.dead))
    found.dead.update(letter["reason"] for letter in dead)
    signal_ms: dict[str, int] = {}
    resting: dict[int, int] = {}
    for stage in stages:
        _check_replay(found, source, stage)
        if stage.name == "engine":
            resting[stage.partition] = stage.gauges()["book"]["resting_orders"]
    instructions: Counter[str] = Counter()
    reports: dict[str, tuple[int, int, int]] = {}
    for partition in range(topology.account_partitions):
        _read_inbox(source, topology, partition, instructions, reports)
    _check_signals(found, source, topology, dead, instructions, signal_ms)
    _check_journal(found, source, topology, dead, instructions, reports, resting)
    _measure_latency(found, source, topology, signal_ms)
    return found


# -------------------------------------------------------------------------------------------------------- parts


def _check_replay(found: Audit, source: Source, stage: Stage) -> None:
    name = f"{stage.name} {stage.partition}"
    try:
        result = source.replay(stage)
    except (Inconsistent, FoldFailed) as error:
        found.problems.append(f"{name}: its log cannot be folded again: {error}")
        return
    found.replayed[name] = result.entries
    if not result.agrees:
        found.problems.append(
            f"{name}: folding {result.entries} entries again up to {result.upto} gives output hash"
            f" {result.digest.hex()}, committed was {(result.committed or b'').hex()}"
        )


def _read_inbox(
    source: Source,
    topology: Topology,
    partition: int,
    instructions: Counter[str],
    reports: dict[str, tuple[int, int, int]],
) -> None:
    """Gather the instructions by signal_id and the engine's fills by exec_id from one orders inbox."""
    for _, fields in source.entries(topology.orders(partition)):
        if b"data" in fields:
            instructions[orjson.loads(fields[b"data"])["signal_id"]] += 1
        for raw in REPORT.iter_unpack(fields.get(b"frame", b"")):
            report = Report._make(raw)
            if report.type == ReportType.FILLED and not report.flags & ReportFlag.HOUSE:
                side = "B" if report.side == Side.BUY else "S"
                reports[f"{report.match_id}-{side}-{report.order_id}"] = (report.order_id, report.price, report.qty)


def _check_signals(
    found: Audit,
    source: Source,
    topology: Topology,
    dead: list[dict[str, Any]],
    instructions: Counter[str],
    signal_ms: dict[str, int],
) -> None:
    refused = Counter(letter["entry_id"] for letter in dead if letter["stream"] == topology.signals)
    expected: Counter[str] = Counter()
    for entry_id, fields in source.entries(topology.signals):
        found.signals += 1
        if refused[entry_id]:
            if refused[entry_id] > 1:
                found.problems.append(f"signal {entry_id}: {refused[entry_id]} dead letters, expected 1")
            continue
        try:
            signal_id = str(decode(fields).get("signal_id") or entry_id)
        except BadEntry as bad:
            found.problems.append(f"signal {entry_id}: unreadable ({bad}), but not in {topology.dead}")
            continue
        expected[signal_id] += 1
        signal_ms.setdefault(signal_id, id_ms(entry_id))
    _compare(found, "signal", "instructions", expected, instructions)


def _check_journal(
    found: Audit,
    source: Source,
    topology: Topology,
    dead: list[dict[str, Any]],
    instructions: Counter[str],
    reports: dict[str, tuple[int, int, int]],
    resting: dict[int, int],
) -> None:
    orders: dict[str, OrderBooked] = {}
    holdings: dict[tuple[str, str], Holding] = {}
    answers: Counter[str] = Counter()
    pending: dict[tuple[str, str], str] = {}
    multipliers: dict[str, Decimal] = {}
    fills: dict[str, dict[str, Any]] = {}
    scales: dict[str, tuple[Decimal, Decimal]] = {}
    for partition in range(topology.account_partitions):
        expected_seq = 0
        booked: Counter[str] = Counter()
        for event in _messages(source, topology.events(partition)):
            found.events += 1
            expected_seq += 1
            if event["seq"] != expected_seq:
                found.problems.append(f"{topology.events(partition)}: seq {event['seq']} where {expected_seq} belongs")
                expected_seq = event["seq"]
            _answer(event, answers, pending)
            match event["type"]:
                case "InstrumentDefined":
                    multipliers[event["symbol"]] = Decimal(event["multiplier"])
                    scales[event["symbol"]] = (Decimal(event["tick_size"]), Decimal(event["lot_size"]))
                case "OrderRejected":
                    found.rejects[event["reason"]] += 1
                case "OrderFilled":
                    key = f"{event['exec_id'].split('-', 1)[1]}-{event['order_id']}"
                    if key in fills:
                        found.problems.append(f"fill {event['exec_id']} of order {event['order_id']} happened twice")
                    fills[key] = event
                    booked[f"{event['exec_id']}/{event['order_id']}"] += 1
                    _book(event, orders, holdings, multipliers)
            if "leaves_qty" in event:
                _follow(event, orders)
        _check_positions(found, source, topology, partition, booked, holdings)
    unanswered = Counter(instructions)
    for letter in dead:
        if letter["stream"] != topology.signals:
            found.problems.append(f"dead letter of {letter['stream']} {letter['entry_id']}: {letter['text']}")
    _compare(found, "instruction", "answers", unanswered, answers)
    found.fills = len(fills)
    _check_fills(found, fills, reports, scales)
    _check_orders(found, orders, resting)


def _answer(event: dict[str, Any], answers: Counter[str], pending: dict[tuple[str, str], str]) -> None:
    """Count an event that is the first answer to a signal; what the venue says to the same request later is not."""
    if event["type"] == "OrderReplaced":
        pending.pop(("OrderReplace", event["order_id"]), None)
    elif event["type"] == "OrderCanceled" and event["reason"] == "requested":
        pending.pop(("OrderCancel", event["order_id"]), None)
    signal_id = event.get("signal_id")
    if signal_id is None:
        return
    stem = event["type"].removesuffix("Received").removesuffix("Requested").removesuffix("Rejected")
    key = (stem, str(event["order_id"]))
    if event["type"].endswith(("Requested", "Received")):
        pending[key] = signal_id
    elif event["type"].endswith("Rejected") and pending.get(key) == signal_id:
        del pending[key]
        return
    answers[signal_id] += 1


def _book(
    event: dict[str, Any],
    orders: dict[str, OrderBooked],
    holdings: dict[tuple[str, str], Holding],
    multipliers: dict[str, Decimal],
) -> None:
    quantity, price, fee = Decimal(event["last_qty"]), Decimal(event["last_px"]), Decimal(event["fee"])
    signed = quantity if event["side"] == "BUY" else -quantity
    orders[event["order_id"]].filled += quantity
    holding = holdings.setdefault((event["account"], event["symbol"]), Holding())
    holding.position += signed
    holding.cash -= signed * price * multipliers[event["symbol"]] + fee
    holding.fees += fee


def _follow(event: dict[str, Any], orders: dict[str, OrderBooked]) -> None:
    order = orders.setdefault(event["order_id"], OrderBooked(event["symbol"], event["side"]))
    order.ord_status = event["ord_status"]
    order.quantity = Decimal(event["quantity"])
    order.cum_qty = Decimal(event["cum_qty"])
    order.leaves_qty = Decimal(event["leaves_qty"])


def _check_positions(
    found: Audit,
    source: Source,
    topology: Topology,
    partition: int,
    booked: Counter[str],
    holdings: dict[tuple[str, str], Holding],
) -> None:
    changed: Counter[str] = Counter()
    expected_seq = 0
    for event in _messages(source, topology.positions(partition)):
        expected_seq += 1
        if event["seq"] != expected_seq:
            found.problems.append(f"{topology.positions(partition)}: seq {event['seq']} where {expected_seq} belongs")
            expected_seq = event["seq"]
        if event["type"] == "PositionChanged":
            changed[f"{event['exec_id']}/{event['order_id']}"] += 1
        found.positions[event["account"], event["symbol"]] = event
    _compare(found, "fill", "position changes", booked, changed)
    for key, holding in holdings.items():
        told = found.positions.get(key, {"position": "0", "cash": "0", "fees": "0"})
        for name, expected in (("position", holding.position), ("cash", holding.cash), ("fees", holding.fees)):
            if Decimal(told[name]) != expected:
                found.problems.append(f"{key[0]} {key[1]}: {name} is {told[name]}, its fills make {expected}")


def _check_fills(
    found: Audit,
    fills: dict[str, dict[str, Any]],
    reports: dict[str, tuple[int, int, int]],
    scales: dict[str, tuple[Decimal, Decimal]],
) -> None:
    for key in sorted(reports.keys() - fills.keys())[:MOST_PROBLEMS]:
        found.problems.append(f"the engine's fill {key} is not in the journal")
    for key in sorted(fills.keys() - reports.keys())[:MOST_PROBLEMS]:
        found.problems.append(f"the journal's fill {key} was never reported by the engine")
    for key in fills.keys() & reports.keys():
        event, (_, price, quantity) = fills[key], reports[key]
        tick, lot = scales[event["symbol"]]
        if (Decimal(event["last_px"]), Decimal(event["last_qty"])) != (price * tick, quantity * lot):
            found.problems.append(
                f"fill {key}: {event['last_qty']} at {event['last_px']}, the engine says"
                f" {quantity * lot} at {price * tick}"
            )


def _check_orders(found: Audit, orders: dict[str, OrderBooked], resting: dict[int, int]) -> None:
    for order_id, order in orders.items():
        found.orders_by_state[order.ord_status] += 1
        if order.filled != order.cum_qty:
            found.problems.append(f"order {order_id}: cum_qty {order.cum_qty}, its fills make {order.filled}")
        left = order.quantity - order.cum_qty if order.ord_status in WORKING else 0
        if order.leaves_qty != left:
            found.problems.append(
                f"order {order_id}: {order.ord_status} with leaves_qty {order.leaves_qty}, expected {left}"
            )
    working = sum(count for state, count in found.orders_by_state.items() if state in WORKING)
    if resting and sum(resting.values()) != working:
        found.problems.append(f"{sum(resting.values())} orders rest in the books, {working} work by the journal")


def _measure_latency(found: Audit, source: Source, topology: Topology, signal_ms: dict[str, int]) -> None:
    waiting: dict[str, int] = {}
    for partition in range(topology.account_partitions):
        for entry_id, fields in source.entries(topology.events(partition)):
            event = orjson.loads(fields[b"data"])
            if event["type"] == "OrderReceived" and event["signal_id"] in signal_ms:
                waiting[event["order_id"]] = signal_ms[event["signal_id"]]
            elif event["type"] == "OrderFilled":
                began = waiting.pop(event["order_id"], None)
                if began is not None and event["liquidity"] == "TAKER":
                    found.latencies_ms.append(id_ms(entry_id) - began)


def _compare(found: Audit, what: str, of: str, expected: Counter[str], actual: Counter[str]) -> None:
    wrong = [key for key in expected.keys() | actual.keys() if expected[key] != actual[key]]
    for key in sorted(wrong)[:MOST_PROBLEMS]:
        found.problems.append(f"{what} {key}: {actual[key]} {of}, expected {expected[key]}")
    if len(wrong) > MOST_PROBLEMS:
        found.problems.append(f"... and {len(wrong) - MOST_PROBLEMS} more {what}s with the wrong number of {of}")


def _messages(source: Source, stream: str) -> Iterator[dict[str, Any]]:
    for _, fields in source.entries(stream):
        yield orjson.loads(fields[b"data"])
