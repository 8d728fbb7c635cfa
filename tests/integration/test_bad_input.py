"""Bad input on a running desk: each a clear reason in an event or in `dead`, counted, and the next goes through.

One desk for the module. Everything in `CASES` is published, each followed by a good order; the tests then look at what
came of it. Half of it is what clients send by mistake, half what somebody sends who may write to every stream.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import (
    COMMAND,
    MAX_QTY,
    REPORT,
    Command,
    OrdType,
    ReportFlag,
    ReportType,
    Side,
    Tif,
)
from fillstream.libs.common.messages.bad_entry import MAX_RAW_BYTES, cut_of, digest_of, unpack_raw
from fillstream.libs.common.messages.stages import PROGRAMS, STAGES
from fillstream.libs.common.messages.topology import Topology
from fillstream.stack.stack import LocalStack
from tests.conftest import until
from tests.support.busy_desk import running

AAPL = 1
NOISE = random.Random(7).randbytes
TOPOLOGY = Topology()
BUY = {"symbol": "AAPL", "side": "BUY", "quantity": "1", "price": "100", "account": "default"}
FOUR_MB = b'{"symbol":"AAPL","side":"BUY","quantity":"' + b"1" * 4_000_000 + b'"}'
DEEP = b"[" * 1000 + b"]" * 1000
NEW = {"side": int(Side.BUY), "ord_type": int(OrdType.LIMIT), "tif": int(Tif.GTC), "price": 10_000}


def altered(record: bytes, **fields: int) -> bytes:
    return COMMAND.pack(*Command._make(COMMAND.unpack(record))._replace(**fields))


def stranger(order_id: int, qty: int = 1, **fields: int) -> bytes:
    """A new order that the orders stage never sent."""
    return altered(frames.new_order(order_id, 1, AAPL, 0, qty=qty, **NEW), **fields)


def told(kind: ReportType, order_id: int, **fields: int) -> bytes:
    """A report that no venue sent."""
    zeros = dict.fromkeys(frames.Report._fields, 0)
    return REPORT.pack(*frames.Report(**{**zeros, "order_id": order_id, "type": kind, **fields}))


def instruction(**fields: Any) -> dict[str, bytes]:
    nothing = dict.fromkeys(("order_type", "time_in_force", "strategy", "confidence"))
    ids = {"type": "NewOrder", "v": 1, "signal_id": "i", "client_order_id": "i", "signal_time": 1}
    return {"data": orjson.dumps({**ids, **BUY, **nothing, **fields})}


@dataclass(frozen=True)
class Case:
    """One thing that somebody sends.

    `where` is the type of the event that answers it, or `dead`; `by` is the stage that buries it when it is not the one
    that reads the stream; then the letter names another entry.
    """

    what: str
    stream: str
    fields: dict[Any, Any]
    where: str
    reason: str
    sentence: str
    by: str = ""


def signal(what: str, where: str, reason: str, sentence: str, **fields: Any) -> Case:
    """A flat signal to buy AAPL, with some fields changed; None leaves one out."""
    whole = {**BUY, "signal_id": what.replace(" ", "-"), **fields}
    given = {name: value for name, value in whole.items() if value is not None}
    return Case(what, "signals", given, where, reason, sentence)


def document(what: str, data: bytes, reason: str, sentence: str) -> Case:
    return Case(what, "signals", {"data": data}, "dead", reason, sentence)


def request(what: str, where: str, reason: str, sentence: str, **fields: str) -> Case:
    """A cancel, or an amendment when it says a quantity or a price."""
    kind = "ReplaceOrder" if {"quantity", "price"} & fields.keys() else "CancelOrder"
    given = {"type": kind, "signal_id": what.replace(" ", "-"), "account": "default", **fields}
    return Case(what, "signals", given, where, reason, sentence)


def inbox(what: str, fields: dict[Any, Any], reason: str, sentence: str) -> Case:
    return Case(what, "orders.{a0}", fields, "dead", reason, sentence)


def command(what: str, frame: bytes, reason: str, sentence: str, by: str = "") -> Case:
    return Case(what, "commands.SIM.{s0}", {"frame": frame}, "dead", reason, sentence, by)


REJECTED = "OrderRejected"
REFUSED = "SignalRefused"
"""What a signal that says whose it is, and is none, is answered with."""
CASES = [
    # What the issue names.
    signal("unknown symbol", REJECTED, "unknown_symbol", r"symbol: NOPE is not an instrument", symbol="NOPE"),
    signal("unknown account", REJECTED, "unknown_account", r"account: nobody is not an account", account="nobody"),
    signal("wrong side", REFUSED, "bad_value", r"side: 'HOLD' must be BUY or SELL", side="HOLD"),
    signal("negative quantity", REFUSED, "bad_value", r"quantity: '-5' must be above 0", quantity="-5"),
    signal("negative price", REJECTED, "price_not_positive", r"price: -1 must be above 0", price="-1"),
    signal("zero quantity", REFUSED, "bad_value", r"quantity: '0' must be above 0", quantity="0"),
    signal("zero price", REJECTED, "price_not_positive", r"price: 0 must be above 0", price="0"),
    signal("NaN", REFUSED, "bad_value", r"quantity: 'NaN' must be a finite number", quantity="NaN"),
    signal("1e400", REFUSED, "bad_value", r"price: '1e400' has too many digits, at most 24", price="1e400"),
    document(
        "1e400 in JSON", b'{"symbol":"AAPL","side":"BUY","quantity":1e400}', "bad_value", r"quantity: 1E\+400 has"
    ),
    document("4 MB of JSON", FOUR_MB, "too_large", r"signal: 40000\d\d bytes, a signal has at most 65536"),
    document("broken UTF-8", b'{"symbol":"\xff"}', "bad_utf8", r"data: byte 0xff at offset 11 is not UTF-8"),
    document("binary noise", NOISE(500), "bad_utf8", r"data: byte 0x\w\w at offset \d+ is not UTF-8"),
    signal("off the tick", REJECTED, "off_tick", r"price: 100\.005 is not a multiple of AAPL's tick", price="100.005"),
    signal("off the lot", REJECTED, "off_lot", r"quantity: 1\.5 is not a multiple of AAPL's lot", quantity="1.5"),
    signal("another content", REFUSED, "duplicate_signal_id", r"'done' came before with another", signal_id="done"),
    signal(
        "another order", "OrderStatusReported", "", r"client_order_id: done was used before", client_order_id="done"
    ),
    request("cancel unknown", "OrderCancelRejected", "unknown_order", r"has no order 99, or it was", order_id="99"),
    request("cancel done", "OrderCancelRejected", "too_late", r"is Canceled already", orig_client_order_id="done"),
    request(
        "amend below filled",
        "OrderReplaceRejected",
        "below_filled",
        r"quantity: 4 is below the 5 of order \d+ filled",
        orig_client_order_id="partial",
        quantity="4",
    ),
    request(
        "amend unknown", "OrderReplaceRejected", "unknown_order", r"no order nil", orig_client_order_id="nil", price="1"
    ),
    # More that a client may get wrong, or try.
    signal(
        "through the collar",
        REJECTED,
        "price_collar",
        r"price: 199\.00 is above 190\.22: the ask is 190\.03",
        price="199",
    ),
    signal("too large a value", REJECTED, "max_order_value", r"value of 1000100 USD is above max", quantity="10001"),
    signal("nothing to bound it", REJECTED, "no_quote", r"MSFT has no ask now", symbol="MSFT", price=None),
    signal(
        "digits of elsewhere", REFUSED, "bad_value", r"quantity: '\\u0665' must be .* digits 0 to 9", quantity="\u0665"
    ),
    signal("separators", REFUSED, "bad_value", r"quantity: '1_000' must be .* without separators", quantity="1_000"),
    signal("a long s", REFUSED, "bad_value", r"side: '\\u017fell' must be BUY or SELL", side="\u017fell"),
    signal("a name that turns", REFUSED, "bad_value", r"symbol: '\\u202eLPAA' must match", symbol="\u202eLPAA"),
    Case("20000 fields", "signals", {f"f{n}": n for n in range(20_000)}, "dead", "too_large", r"signal: 197780 bytes"),
    Case(
        "9000 fields",
        "signals",
        {**BUY, **dict.fromkeys(range(9_000), 1)},
        REFUSED,
        "unknown_field",
        r"'0': a NewOrder has no such field; it has .*; '9': no such field; and 8990 more",
    ),
    document("deeply nested", b'{"symbol":' + DEEP + b"}", "nested_too_deeply", r"data: 1001 objects and lists"),
    document("a key twice", b'{"quantity":1,"quantity":2}', "duplicate_key", r"'quantity' is there more than once"),
    document(
        "a huge integer", b'{"symbol":"A","side":"BUY","quantity":1' + b"0" * 5000 + b"}", "bad_value", r"quantity: 10+"
    ),
    document(
        "a list for a text", b'{"symbol":["AAPL"],"side":"BUY","quantity":1}', "bad_value", r"symbol: a list must be"
    ),
    document("true for a number", b'{"symbol":"AAPL","side":"BUY","quantity":true}', "bad_value", r"not a boolean"),
    document("a list for a signal", b"[1]", "not_an_object", r"data: a list must be a JSON object"),
    Case(
        "no name",
        "signals",
        {"": ""},
        "dead",
        "missing_field",
        r"symbol: is missing, a NewOrder needs it; .*; '': a NewOrder has no such field",
    ),
    # Somebody writes to the orders stage's inbox.
    inbox("noise for an instruction", {"data": NOISE(200)}, "bad_json", r"data: must be JSON, 200 bytes are not"),
    inbox("4 MB for an instruction", {"data": FOUR_MB}, "unknown_type", r"type: must be one of .* got None"),
    inbox("a deep instruction", {"data": DEEP}, "bad_json", r"data: must be a JSON object, got a list"),
    inbox("an unknown instruction", {"data": b'{"type":"Sell"}'}, "unknown_type", r"got 'Sell'"),
    inbox("NaN in an instruction", instruction(quantity="NaN"), "bad_value", r"quantity: must be a finite number"),
    inbox("a number for a text", instruction(quantity=5), "bad_value", r"quantity: must be a number as text, got 5"),
    inbox("a torn frame of reports", {"frame.SIM": NOISE(63)}, "bad_frame", r"frame: .* records of 64 bytes, got 63"),
    inbox("an unknown field", {"date": b"1"}, "bad_entry", r"fields: must be one of data, frame.VENUE, tick, config,"),
    inbox(
        "a report for nobody", {"frame.SIM": told(ReportType.ACCEPTED, 0)}, "unknown_order", r"order 0 was never given"
    ),
    inbox(
        "a report of no type",
        {"frame.SIM": told(ReportType(1), 1, type=99, account=1, symbol=AAPL, side=1)},
        "bad_record",
        r"type: 99 is no report type",
    ),
    inbox(
        "a fill too many",
        {
            "frame.SIM": told(
                ReportType.FILLED, 1, qty=9, match_id=999, account=1, symbol=AAPL, side=1, flags=ReportFlag.TAKER
            )
        },
        "overfill",
        r"qty: a fill of 9 lots is beyond what order 1 .* has left",
    ),
    inbox(
        "another partition's report",
        {"frame.SIM": told(ReportType.ACCEPTED, 1, partition=5)},
        "wrong_partition",
        r"partition: 5 must be one of",
    ),
    inbox("a deep configuration", {"config": DEEP}, "bad_config", r"config: must be a JSON object, got a list"),
    inbox(
        "an empty configuration",
        {"config": b"{}"},
        "bad_config",
        r"config: instruments: is missing, a ",
    ),
    inbox("a torn configuration", {"config": b'{"accounts":'}, "bad_config", r"config: "),
    # Somebody writes to the engine's inbox.
    command("a torn frame", NOISE(65), "torn_frame", r"frame: 65 bytes are not a whole number of 64"),
    command("time ahead", frames.set_time(2**64 - 1), "clock_ahead", r"time_ms: 18446744073709551615 is ahead"),
    command(
        "an order for all", stranger(7 << 40, partition=65_535), "wrong_partition", r"partition: 65535 is no account"
    ),
    command("a crossed quote", frames.quote(AAPL, 19_001, 5, 19_000, 5), "crossed", r"bid must not be above the ask"),
    command("a quote of -1 lots", frames.quote(AAPL, 19_000, -1, 0, 0), "bad_qty", r"lots, got -1 and 0"),
    command("a quote of too many", frames.quote(AAPL, 19_000, MAX_QTY + 1, 0, 0), "bad_qty", r"got 1000000000000001"),
    command("a quote out of range", frames.quote(AAPL, -(2**63), 1, 0, 0), "bad_price", r"got -9223372036854775808"),
    command("a print of no side", frames.print_trade(AAPL, 9, 19_000, 1), "bad_record", r"side: must be 1 or 2, got 9"),
    command(
        "an unknown symbol's quote",
        frames.quote(60_000, 1, 1, 2, 1),
        "unknown_symbol",
        r"symbol: 60000 is no",
        by="orders",
    ),
    command(
        "an order of the house's",
        stranger(8 << 40, account=0),
        "unknown_order",
        r"the venue says bad record",
        by="orders",
    ),
    command(
        "an order nobody sent",
        stranger(9 << 40),
        "unknown_order",
        rf"order_id: order {9 << 40} was never given",
        by="orders",
    ),
    command(
        "a command of no type",
        stranger(10 << 40, type=77),
        "unknown_order",
        rf"order {10 << 40} was .* bad record",
        by="orders",
    ),
    Case(
        "no frame",
        "commands.SIM.{s0}",
        {"text": FOUR_MB},
        "dead",
        "not_a_frame",
        r"frame: missing; the entry's fields are",
    ),
    Case("no request of a venue", "commands.SIM.{s0}", {"data": FOUR_MB}, "dead", "unknown_type", r"type: "),
    # Somebody writes to the journal, but no event.
    Case("no event", "events.{a0}", {"data": b"{}"}, "dead", "not_an_event", r"data: type: must be the name"),
    Case("noise in the journal", "events.{a0}", {NOISE(9): NOISE(99)}, "dead", "not_an_event", r"data: is missing"),
]
assert len({case.what for case in CASES}) == len(CASES)


def named(client_order_id: str) -> bytes:
    return b'"client_order_id":"%s"' % client_order_id.encode()


@dataclass
class Outcome:
    """What came of everything that was published."""

    stack: LocalStack
    client: Any
    ids: dict[str, str] = field(default_factory=dict)

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        return [message for message in self._messages("events.{a0}") if "seq" in message]

    @cached_property
    def letters(self) -> list[dict[str, Any]]:
        return list(self._messages("dead"))

    def _messages(self, stream: str) -> Iterator[dict[str, Any]]:
        for _, fields in self.client.xrange(stream):
            if fields.get(b"data", b"").startswith(b"{"):
                yield orjson.loads(fields[b"data"])

    def follower(self, case: Case) -> str:
        return f"after-{CASES.index(case)}"

    def publish(self) -> None:
        """Prepare a market and two orders, then publish every case and a good order behind each."""
        self.client.xadd("commands.SIM.{s0}", {"frame": frames.quote(AAPL, 19_000, 5, 19_002, 5)})
        self.client.xadd("signals", {**BUY, "signal_id": "partial", "quantity": "8", "price": "190.02"})
        self.client.xadd("signals", {**BUY, "signal_id": "done", "time_in_force": "IOC"})
        self.await_event("OrderCanceled", named("done"))
        self.client.xadd("commands.SIM.{s0}", {"frame": frames.quote(AAPL, 19_000, 5, 19_003, 5)})
        self.await_event("QuoteUpdated", b'"ask_px":"190.03"')
        for case in CASES:
            self.ids[case.what] = self.client.xadd(case.stream, case.fields).decode()
            self.client.xadd("signals", {**BUY, "signal_id": self.follower(case)})
        for _ in range(2_000):
            self.client.xadd("orders.{a0}", {"tick": "1"})
            self.client.xadd("commands.SIM.{s0}", {"tick": "1"})
        self.client.xadd("signals", {**BUY, "signal_id": "last"})
        self.await_event("OrderAccepted", named("last"))
        until(lambda: self.client.xinfo_groups("events.{a0}")[0]["lag"] == 0, "the journal to be read")

    def await_event(self, kind: str, words: bytes) -> None:
        """Wait for an event with these words in its JSON."""
        head = b'{"type":"%s"' % kind.encode()

        def there() -> bool:
            newest = self.client.xrevrange("events.{a0}", count=200)
            found = [fields.get(b"data", b"") for _, fields in newest]
            return any(data.startswith(head) and words in data for data in found)

        until(there, f"{kind} with {words!r}")

    def samples(self, stage: str, name: str, label: str = "reason") -> dict[str, float]:
        """Return a metric of a stage, by one of its labels."""
        text = httpx.get(f"{self.stack.url(stage)}/metrics", timeout=60).text
        found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return {sample.labels.get(label, ""): sample.value for sample in found if sample.name == name}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    folder: Path = tmp_path_factory.mktemp("bad-input")
    # A server elsewhere may take fields as large as it likes.
    with (
        running(folder, redis_args=("--proto-max-bulk-len", "64mb")) as stack,
        redis.Redis.from_url(stack.redis_url) as client,
    ):
        outcome = Outcome(stack, client)
        outcome.publish()
        yield outcome


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_bad_input_is_answered_with_a_sentence(desk: Outcome, case: Case) -> None:
    if case.where == "dead":
        letters = [each for each in desk.letters if re.search(case.sentence, each["text"])]
        if not case.by:
            at = (case.stream, desk.ids[case.what])
            letters = [each for each in letters if (TOPOLOGY.key(each["stream"]), each["entry_id"]) == at]
        assert letters, f"not in dead: {[each['text'] for each in desk.letters if each['reason'] == case.reason]}"
        assert {each["reason"] for each in letters} == {case.reason}
        assert all(case.by in ("", each["stage"]) for each in letters)
        assert all(len(each["text"]) < 500 for each in letters)
        return
    if case.where == REFUSED:
        answers = [each for each in desk.events if each.get("entry_id") == desk.ids[case.what]]
    else:
        answers = [each for each in desk.events if each.get("signal_id") == case.fields["signal_id"]]
    assert [each["type"] for each in answers] == [case.where]
    assert answers[0].get("reason", "") == case.reason
    assert re.search(case.sentence, answers[0]["text"]), answers[0]["text"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_the_next_entry_goes_through_unharmed(desk: Outcome, case: Case) -> None:
    own = [each["type"] for each in desk.events if each.get("client_order_id") == desk.follower(case)]
    assert own == ["OrderReceived", "OrderAccepted"]


def test_every_dead_letter_has_the_entry_whole_or_says_how_large_it_was(desk: Outcome) -> None:
    carried, cut = {}, {}
    for _, letter in desk.client.xrange("dead"):
        told_of = orjson.loads(letter[b"data"])
        carried[TOPOLOGY.key(told_of["stream"]), told_of["entry_id"]] = unpack_raw(letter)
        cut[TOPOLOGY.key(told_of["stream"]), told_of["entry_id"]] = cut_of(letter)
        assert sum(map(len, letter.values())) < 2 * MAX_RAW_BYTES
    for case in CASES:
        if case.where == "dead" and not case.by:
            sent = {_bytes(name): _bytes(value) for name, value in case.fields.items()}
            at = case.stream, desk.ids[case.what]
            size = sum(len(name) + len(value) for name, value in sent.items())
            if size <= MAX_RAW_BYTES:
                assert (carried[at], cut[at]) == (sent, None), case.what
            else:
                assert (cut[at].size, cut[at].blake2b) == (size, digest_of(sent)), case.what
    assert [each for each in cut.values() if each is not None], "some are as large, or this proves less"


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def test_everything_bad_is_counted_by_its_reason(desk: Outcome) -> None:
    for stage in STAGES:
        buried = Counter(each["reason"] for each in desk.letters if each["stage"] == stage)
        assert buried, f"nothing of {stage} is in dead, or this proves nothing"
        assert desk.samples(stage, "fillstream_dead_letters_total") == dict(buried)
    # The orders stage tells these counts about once a second.
    rejects = Counter(each["reason"] for each in desk.events if each["type"] == REJECTED)
    until(lambda: desk.samples("orders", "fillstream_rejects_total") == dict(rejects), "the rejects")
    requests = {"OrderCancelRejected", "OrderReplaceRejected"}
    refused = Counter(each["reason"] for each in desk.events if each["type"] in requests)
    until(lambda: desk.samples("orders", "fillstream_cancel_rejects_total") == dict(refused), "the refused requests")


def test_analytics_has_every_letter(desk: Outcome) -> None:
    def stored() -> bool:
        count = {"sql": "SELECT count(*) FROM dead"}
        answer = httpx.post(f"{desk.stack.url('analytics')}/query", json=count, timeout=60)
        return bool(answer.json()["rows"] == [[len(desk.letters)]])

    until(stored, "analytics to store every dead letter")


def test_nothing_crashed(desk: Outcome) -> None:
    for name, process in desk.stack.processes.items():
        assert (process.state, process.restarts) == ("running", 0), f"{name}: {process.log_tail(20)}"
    for stage in STAGES:
        assert desk.samples(stage, "fillstream_restarts_total") == {"": 0.0}


@pytest.mark.parametrize("service", [each.name for each in PROGRAMS])
def test_no_page_of_a_service_takes_anything(desk: Outcome, service: str) -> None:
    """FastStream's page would publish to Redis for whoever reads it."""
    url = desk.stack.url(service)
    assert httpx.get(f"{url}/docs", timeout=60).status_code == 200
    body = {"channelName": "signals", "message": {"message": BUY}, "options": {"sendToRealBroker": True}}
    assert httpx.post(f"{url}/docs/try", json=body, timeout=60).status_code == 404
    for page in ("docs", "docs.json", "health", "ready"):
        assert httpx.post(f"{url}/{page}", content=FOUR_MB, timeout=60).status_code == 405


def test_a_forged_event_stops_what_it_would_deceive_and_nothing_else(desk: Outcome) -> None:
    """The last test of the module: it needs a person afterwards. Positions never go on behind a gap or a repeat."""
    desk.client.xadd("events.{a0}", {"data": b'{"type":"OrderFilled","v":1,"seq":1,"time":1}'})
    service = desk.stack.processes["positions"]
    until(lambda: service.state == "failed", "the position service to ask for a person")
    assert re.search(r"events\.0 \d+-\d+: seq 1 must be \d+, the one after the last", service.log_tail(200))
    desk.client.xadd("signals", {**BUY, "signal_id": "on"})
    desk.await_event("OrderAccepted", named("on"))
    assert {each.restarts for each in desk.stack.processes.values()} == {0}
