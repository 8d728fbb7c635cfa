"""Check the books: does everything that the streams say agree, to the last tick?

Flows in: every stream of the desk, once it is quiet, and fresh stages to fold the logs again with. Flows out: figures
and problems, each a sentence. Never trusts a service's memory: only what is in the log counts.

What must hold:
- every entry of `signals` has one outcome: an instruction, or a dead letter; every exit of a position that fired is
  one, too, and so is what is sent to reach a target; every instruction has one answer;
- no entry of another stream than `signals` is dead, but what engines refuse of the market;
- every control has one answer in its partition's journal, or is dead;
- each partition's journal counts from 1 without a gap or a repeat, and so do its positions;
- each fill report of the engine is one OrderFilled with the same price and quantity, and the other way round; one that
  an outside venue never reported says so (`inferred`);
- each event and each position adds up, see `fillstream.tools.arithmetic`; each fill is booked once, and so are
  each bust, each correction and each split;
- the engine's book, folded again, holds as many orders as the journal has working;
- every stage, folded again from its first entry, gives the output hash that was committed, if this release decided
  all of it: bytes are equal within a release, the books whoever folds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Any, Protocol

import orjson

from fillstream.libs.common.engine.frames import (
    COMMAND,
    RECORD_BYTES,
    REPORT,
    Command,
    CommandType,
    Report,
    ReportFlag,
    ReportType,
    Side,
)
from fillstream.libs.common.messages.bad_entry import BadEntry, unpack_raw
from fillstream.libs.common.messages.base import Models, upcast
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT, CancelRejectReason
from fillstream.libs.common.messages.controls import CONTROL
from fillstream.libs.common.messages.dead import DeadLetter
from fillstream.libs.common.messages.exits import ExitStatus
from fillstream.libs.common.messages.journal import EVENTS, ControlEvent
from fillstream.libs.common.messages.note import is_aside, is_note
from fillstream.libs.common.messages.positions import POSITION_MESSAGES
from fillstream.libs.common.messages.stages import label_of
from fillstream.libs.common.messages.targets import TargetStatus
from fillstream.libs.common.messages.topology import Topology, id_ms, stream_name
from fillstream.libs.common.messages.venue import ExecType, reporting_venue
from fillstream.libs.common.messages.wire import decode
from fillstream.libs.common.runtime.log import RedisLog, connect
from fillstream.libs.common.runtime.runner import FoldFailed
from fillstream.libs.common.runtime.stage import Inconsistent, Stage
from fillstream.tools.arithmetic import MOST_PROBLEMS, PRECISION, Books
from fillstream.tools.replay import Replay, replay

PAGE = 5000
SIGNALS = stream_name("signals")
Told = Report | dict[str, Any]
"""A trade as its venue reported it: a record of a frame, or a VenueReport."""
NO_ORDER = frozenset(
    ("SignalRefused", "PredictionReceived", "MassCancelRequested", "OrderListReported", "PositionProtected",
     "ProtectionCanceled", "TargetCanceled", "PositionTargeted")
)  # fmt: skip
"""Answers to signals that no order came of."""
OF_LIST = frozenset(("OrderListReported", "SignalRefused", "OrderStatusReported"))
"""What answers a list of orders: each order of it is received or rejected besides."""
CONTROL_ANSWERS = frozenset(name for name, model in EVENTS.items() if issubclass(model, ControlEvent))
LEGS = {"TradeBusted": 1, "TradeCorrected": 2}
"""How many trades a position books of it: one the other way, and what it is instead."""
_OF_MARKET = frozenset((CommandType.QUOTE, CommandType.PRINT, CommandType.SESSION, CommandType.BANDS))
_TOLD_OF_MARKET = frozenset((ReportType.QUOTED, ReportType.PRINTED, ReportType.SESSION_SET, ReportType.BANDS_SET))
_READ: Models = {**EVENTS, **POSITION_MESSAGES, "DeadLetter": DeadLetter}


@dataclass(slots=True)
class Audit:
    """What the audit found. `problems` is empty when the books agree."""

    problems: list[str] = field(default_factory=list)
    signals: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    market_refused: Counter[str] = field(default_factory=Counter)
    """Those of `dead` that are quotes, prints, sessions and bands, which an engine or the orders stage refused: the
    market's oddities, and no error of the books."""
    orders_by_state: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    events: int = 0
    fills: int = 0
    controls: int = 0
    positions: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    latencies_ms: dict[str, int] = field(default_factory=dict)
    """By signal_id of orders that could trade as they came: from the signal's entry to the journal entry of the first
    fill, as taker. Log time, whole milliseconds. An order that was amended first is not among them: it waited."""
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
            log = RedisLog(alone, self._topology, stage.name, stage.inbox)
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
    letters = list(_letters(source, topology.dead))
    found.dead.update(letter["reason"] for letter, _ in letters)
    found.market_refused.update(letter["reason"] for letter, raw in letters if _is_of_market(letter, raw))
    dead = [letter for letter, raw in letters if not _is_of_market(letter, raw)]
    signal_ms: dict[tuple[str, str], int] = {}
    resting: dict[str, int] = {}
    for stage in stages:
        same = _check_replay(found, source, stage)
        if stage.name == "engine" and same:
            resting[stage.inbox] = stage.gauges()["resting_orders"][""]
    instructions: Counter[str] = Counter()
    lists: set[str] = set()
    reports: dict[str, Told] = {}
    controls: dict[str, str] = {}
    for partition in range(topology.account_partitions):
        _read_inbox(source, topology, partition, instructions, lists, reports, controls)
    _check_signals(found, source, topology, dead, instructions, signal_ms)
    _check_controls(found, source, topology, dead, controls)
    dead = [letter for letter in dead if _place(letter["stream"], letter["entry_id"]) not in controls]
    _check_journal(found, source, topology, dead, instructions, lists, reports, resting)
    _measure_latency(found, source, topology, signal_ms)
    return found


# -------------------------------------------------------------------------------------------------------- parts


def _check_replay(found: Audit, source: Source, stage: Stage) -> bool:
    """Note where a log folds to other bytes; return whether the stage has the state it had."""
    name = f"{label_of(stage.name, stage.inbox)} {stage.partition}"
    try:
        result = source.replay(stage)
    except (Inconsistent, FoldFailed) as error:
        found.problems.append(f"{name}: its log cannot be folded again: {error}")
        return False
    found.replayed[name] = result.entries
    if not result.agrees and result.foreign is None:
        found.problems.append(
            f"{name}: folding {result.entries} entries again up to {result.upto} gives output hash"
            f" {result.digest.hex()}, committed was {(result.committed or b'').hex()}"
        )
    return bool(result.agrees)


def _read_inbox(
    source: Source,
    topology: Topology,
    partition: int,
    instructions: Counter[str],
    lists: set[str],
    reports: dict[str, Told],
    controls: dict[str, str],
) -> None:
    """Gather instructions by signal_id and which are lists, venues' fills, and controls by entry, from an inbox."""
    name = stream_name("orders", partition)
    for entry_id, fields in source.entries(topology.orders(partition)):
        if CONTROL in fields:
            found = orjson.loads(fields[CONTROL]) if _is_json(fields[CONTROL]) else None
            control_id = found.get("control_id") if isinstance(found, dict) else None
            controls[_place(name, entry_id)] = f"{name} {control_id}"
        if b"data" in fields:
            document = orjson.loads(fields[b"data"])
            if document["type"] in ("MassStatusReport", "MarketReport"):
                continue  # what the desk infers of it says so, and is in the journal alone
            if document["type"] == "LimitRisk":  # it is taken as a control
                controls[_place(name, entry_id)] = f"{name} {document['signal_id']}"
                continue
            if document["type"] != "VenueReport":
                instructions[document["signal_id"]] += 1
                if document["type"] == "NewOrderList":
                    lists.add(document["signal_id"])
            elif document["exec_type"] == ExecType.TRADE:
                reports[_outside(f"{document['venue']}-{document['exec_id']}", document["order_id"])] = document
        for part, frame in fields.items():
            venue = reporting_venue(part)
            for report in map(Report._make, REPORT.iter_unpack(frame)) if venue else ():
                if report.type == ReportType.FILLED and not report.flags & ReportFlag.HOUSE:
                    side = "B" if report.side == Side.BUY else "S"
                    reports[f"{venue}-{report.match_id}-{side}-{report.order_id}"] = report


def _check_signals(
    found: Audit,
    source: Source,
    topology: Topology,
    dead: list[dict[str, Any]],
    instructions: Counter[str],
    signal_ms: dict[tuple[str, str], int],
) -> None:
    refused = Counter(letter["entry_id"] for letter in dead if letter["stream"] == SIGNALS)
    expected: Counter[str] = Counter()
    for entry_id, fields in source.entries(topology.signals):
        if is_note(fields) and not refused[entry_id]:
            continue
        found.signals += 1
        if refused[entry_id]:
            if refused[entry_id] > 1:
                found.problems.append(f"signal {entry_id}: {refused[entry_id]} dead letters, expected 1")
            continue
        try:
            signal = decode(fields)
        except BadEntry as bad:
            found.problems.append(f"signal {entry_id}: unreadable ({bad}), but not in {topology.dead}")
            continue
        signal_id = str(signal.get("signal_id") or entry_id)
        expected[signal_id] += 1
        signal_ms.setdefault((str(signal.get("account") or DEFAULT_ACCOUNT), signal_id), id_ms(entry_id))
    for partition in range(topology.account_partitions):
        for message in _messages(source, topology.positions(partition)):
            for name in _sent_by_positions(message):
                expected[name] += 1
    _compare(found, "signal", "instructions", expected, instructions)


def _sent_by_positions(message: dict[str, Any]) -> Iterator[str]:
    """Yield the signal_ids of the instructions that the positions stage sent with a message."""
    match message:
        case {"type": "ExitChanged", "exit_status": ExitStatus.TRIGGERED, "client_order_id": name}:
            yield name
        case {"type": "RuleReported", "signal_ids": [*names]}:
            yield from names
        case {"type": "TargetChanged", "target_status": TargetStatus.WORKING, "client_order_id": name}:
            yield name
        case {"type": "TargetChanged", "target_status": TargetStatus.CANCELED, "client_order_id": name}:
            yield f"{name}-end"  # the order that was on its way is asked to go


def _check_journal(
    found: Audit,
    source: Source,
    topology: Topology,
    dead: list[dict[str, Any]],
    instructions: Counter[str],
    lists: set[str],
    reports: dict[str, Told],
    resting: dict[str, int],
) -> None:
    books = Books()
    answers: Counter[str] = Counter()
    pending: dict[tuple[str, str], str] = {}
    fills: dict[str, dict[str, Any]] = {}
    booked: Counter[str] = Counter()
    with localcontext(prec=PRECISION):
        for partition in range(topology.account_partitions):
            for event in _numbered(found, source, topology.events(partition)):
                found.events += 1
                _answer(event, answers, pending, lists)
                books.event(event)
                if event["type"] == "OrderRejected":
                    found.rejects[event["reason"]] += 1
                elif event["type"] in LEGS:
                    booked[f"{event['exec_id']}/{event['order_id']}"] += LEGS[event["type"]]
                elif event["type"] == "AccountAdjusted" and event.get("position") is not None:
                    for symbol in filter(None, (event["symbol"], event.get("new_symbol"))):
                        booked[_adjusted(event, symbol)] += event.get("positions", 1)
                elif event["type"] == "OrderFilled":
                    key = _outside(event["exec_id"], event["order_id"])
                    if key not in reports:
                        number, side = event["exec_id"].split("-")[-2:]
                        key = f"{event['venue']}-{number}-{side}-{event['order_id']}"
                    if key in fills:
                        found.problems.append(f"fill {event['exec_id']} of order {event['order_id']} happened twice")
                    fills[key] = event
                    booked[f"{event['exec_id']}/{event['order_id']}"] += 1
        changed = _read_positions(found, source, topology, books)
        _check_fills(found, fills, reports, books)
    for letter in dead:
        if letter["stream"] != SIGNALS:
            found.problems.append(f"dead letter of {letter['stream']} {letter['entry_id']}: {letter['text']}")
    _compare(found, "instruction", "answers", instructions, answers)
    _compare(found, "fill", "position changes", booked, changed)
    found.problems += books.problems()
    found.fills = len(fills)
    found.orders_by_state.update(books.states())
    working = books.working_at(topology.venues)
    if resting and sum(resting.values()) != working:
        found.problems.append(f"{sum(resting.values())} orders rest in the books, {working} work by the journal")


def _check_controls(
    found: Audit, source: Source, topology: Topology, dead: list[dict[str, Any]], controls: dict[str, str]
) -> None:
    """Every control has one answer in its partition's journal, or is dead."""
    places = Counter(_place(letter["stream"], letter["entry_id"]) for letter in dead)
    for place in controls.keys() & places.keys():
        if places[place] > 1:
            found.problems.append(f"control at {place}: {places[place]} dead letters, expected 1")
    expected = Counter(control for place, control in controls.items() if place not in places)
    answers: Counter[str] = Counter()
    for partition in range(topology.account_partitions):
        for event in _messages(source, topology.events(partition)):
            if event["type"] in CONTROL_ANSWERS:
                answers[f"{stream_name('orders', partition)} {event['control_id']}"] += 1
    _compare(found, "control", "answers", expected, answers)
    found.controls = len(controls)


def _outside(exec_id: str, order_id: str) -> str:
    """Return what a trade goes by whose venue is outside, and has ids of its own."""
    return f"{exec_id} of order {order_id}"


def _place(stream: str, entry_id: str) -> str:
    return f"{stream} {entry_id}"


def _is_json(data: bytes) -> bool:
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True


def _numbered(found: Audit, source: Source, stream: str) -> Iterator[dict[str, Any]]:
    """Yield the messages of a stream that counts them from 1, and note where it does not."""
    expected_seq = 0
    for message in _messages(source, stream):
        expected_seq += 1
        if message["seq"] != expected_seq:
            found.problems.append(f"{stream}: seq {message['seq']} where {expected_seq} belongs")
            expected_seq = message["seq"]
        yield message


def _read_positions(found: Audit, source: Source, topology: Topology, books: Books) -> Counter[str]:
    """Check what was told of positions; return how often each fill changed one."""
    changed: Counter[str] = Counter()
    for partition in range(topology.account_partitions):
        for message in _numbered(found, source, topology.positions(partition)):
            books.position(message)
            if message["type"] == "PositionChanged":
                changed[f"{message['exec_id']}/{message['order_id']}"] += 1
            elif message["type"] == "PositionAdjusted":
                changed[_adjusted(message, message["symbol"])] += 1
            if "position" in message:
                of = f" {message['position_id']}" if message.get("position_mode") else ""
                found.positions[message["account"], message["symbol"] + of] = message
            elif message.get("differences"):
                differing = "; ".join(message["differing"][:MOST_PROBLEMS])
                text = f"positions of {message['account']} are otherwise in the orders stage: {differing}"
                found.problems.append(text)
    return changed


def _adjusted(message: dict[str, Any], symbol: str) -> str:
    return f"adjustment {message['control_id']} of {message['account']} {symbol}"


def _answer(event: dict[str, Any], answers: Counter[str], pending: dict[tuple[str, str], str], lists: set[str]) -> None:
    """Count an event that is the first answer to a signal; what the venue says to the same request later is not."""
    if event["type"] == "OrderReplaced":
        pending.pop(("OrderReplace", event["order_id"]), None)
    elif event["type"] == "OrderCanceled" and event["reason"] == "requested":
        pending.pop(("OrderCancel", event["order_id"]), None)
    signal_id = event.get("signal_id")
    if signal_id is None or event.get("external") or event["type"] == "OrderUnanswered":
        return
    if event["type"] in NO_ORDER or event["type"] == "TargetSet":
        answers[signal_id] += event.get("leg", 1) == 1  # one of many is told each by itself
        return
    if signal_id in lists and event["type"] not in OF_LIST:
        return
    stem = event["type"].removesuffix("Received").removesuffix("Requested").removesuffix("Rejected")
    key = (stem, str(event["order_id"]))
    if event["type"].endswith(("Requested", "Received")):
        pending[key] = signal_id
        if event.get("due_time") is not None or signal_id in _own_signals(event) or _is_child(event):
            return  # the desk asked this of the venue itself
    elif event["type"].endswith("Rejected") and pending.get(key) == signal_id and not _by_desk(event):
        del pending[key]
        return
    answers[signal_id] += 1


def _by_desk(event: dict[str, Any]) -> bool:
    """Whether the desk refuses a request as one is on its way: perhaps by the id of that, which a day later is free."""
    return bool(event["reason"] == CancelRejectReason.ALREADY_PENDING)


def _is_child(event: dict[str, Any]) -> bool:
    """Whether an event tells of an order that another one made: what its parent was asked for is answered already."""
    return event["type"] == "OrderReceived" and event.get("parent_id") is not None


def _own_signals(event: dict[str, Any]) -> tuple[str, str]:
    """Return what the desk's own requests about an order go by."""
    return f"mass-{event['order_id']}", f"family-{event['order_id']}"


def _check_fills(found: Audit, fills: dict[str, dict[str, Any]], reports: dict[str, Told], books: Books) -> None:
    for key in sorted(reports.keys() - fills.keys())[:MOST_PROBLEMS]:
        found.problems.append(f"the engine's fill {key} is not in the journal")
    unheard = (key for key in fills.keys() - reports.keys() if not fills[key].get("inferred"))
    for key in sorted(unheard)[:MOST_PROBLEMS]:
        found.problems.append(f"the journal's fill {key} was never reported by the engine")
    for key in sorted(fills.keys() & reports.keys()):
        event, report = fills[key], reports[key]
        terms = books.instruments.get(event["symbol"])
        if terms is None:
            continue  # said already
        told = (Decimal(event["last_qty"]), Decimal(event["last_px"]), event["liquidity"], int(terms["instrument_id"]))
        if not isinstance(report, Report):
            said = Decimal(report["last_qty"]), Decimal(report["last_px"]), report.get("liquidity") or "TAKER"
            if told[:3] != said:
                found.problems.append(f"fill {key}: the journal has {told[:3]}, the venue says {said}")
            continue
        liquidity = "MAKER" if report.flags & ReportFlag.MAKER else "TAKER"
        traded = (report.qty * Decimal(terms["lot_size"]), report.price * Decimal(terms["tick_size"]))
        if told != (*traded, liquidity, report.symbol):
            found.problems.append(
                f"fill {key}: {event['last_qty']} of {event['symbol']} at {event['last_px']} as {event['liquidity']}, "
                f"the engine says {traded[0]} of instrument {report.symbol} at {traded[1]} as {liquidity}"
            )


def _named(event: dict[str, Any]) -> tuple[str, str]:
    """Return an order's signal as its client sent it: by an account's name, or by an alias."""
    return event.get("alias") or event["account"], event["signal_id"]


def _measure_latency(found: Audit, source: Source, topology: Topology, signal_ms: dict[tuple[str, str], int]) -> None:
    waiting: dict[str, int] = {}
    signal_of: dict[str, str] = {}
    for partition in range(topology.account_partitions):
        for entry_id, fields in source.entries(topology.events(partition)):
            if is_aside(fields):
                continue
            event = upcast(orjson.loads(fields[b"data"]), EVENTS)
            if event["type"] == "OrderReceived" and (of := _named(event)) in signal_ms:
                waiting[event["order_id"]] = signal_ms[of]
                signal_of[event["order_id"]] = of[1]
            elif event["type"] == "OrderReplaceRequested":
                waiting.pop(event["order_id"], None)
            elif event["type"] == "OrderFilled":
                began = waiting.pop(event["order_id"], None)
                if began is not None and event["liquidity"] == "TAKER":
                    found.latencies_ms[signal_of.pop(event["order_id"])] = id_ms(entry_id) - began


def _compare(found: Audit, what: str, of: str, expected: Counter[str], actual: Counter[str]) -> None:
    wrong = [key for key in expected.keys() | actual.keys() if expected[key] != actual[key]]
    for key in sorted(wrong)[:MOST_PROBLEMS]:
        found.problems.append(f"{what} {key}: {actual[key]} {of}, expected {expected[key]}")
    if len(wrong) > MOST_PROBLEMS:
        found.problems.append(f"... and {len(wrong) - MOST_PROBLEMS} more {what}s with the wrong number of {of}")


def _letters(source: Source, stream: str) -> Iterator[tuple[dict[str, Any], dict[bytes, bytes]]]:
    """Yield what is in `dead`: each letter, and the fields of the entry that nobody could use."""
    for _, fields in source.entries(stream):
        if not is_note(fields):
            yield upcast(orjson.loads(fields[b"data"]), _READ), unpack_raw(fields)


def _is_of_market(letter: dict[str, Any], raw: Mapping[bytes, bytes]) -> bool:
    """Say whether a dead letter is one record about the market: of a feed, or what an engine tells of one."""
    fields = {reporting_venue(name): value for name, value in raw.items() if len(value) == RECORD_BYTES}
    fields.pop(None, None)
    if len(fields) != 1:
        return False
    [record] = fields.values()
    match letter["stream"].partition(".")[0]:
        case "commands":
            return Command._make(COMMAND.unpack(record)).type in _OF_MARKET
        case "orders":
            return Report._make(REPORT.unpack(record)).type in _TOLD_OF_MARKET
        case _:
            return False


def _messages(source: Source, stream: str) -> Iterator[dict[str, Any]]:
    for _, fields in source.entries(stream):
        if not is_aside(fields):
            yield upcast(orjson.loads(fields[b"data"]), _READ)
