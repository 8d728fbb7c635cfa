"""A desk with one orders stage, driven in the domain's words; everything it sends is checked against the contracts."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any

import orjson
from pydantic import Field, TypeAdapter

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import Reason, ReportFlag, ReportType
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.dead import DeadLetter
from fillstream.libs.common.messages.journal import journal_event
from fillstream.libs.common.messages.market_report import SubscribeMarket, UnsubscribeMarket
from fillstream.libs.common.messages.mass_status import AdoptOrder, ReportMassStatus
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.order_service.orders.config import DAY_MS, DeskConfig
from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.order_service.orders.state import QUOTES_EVERY_MS
from tests.support.terms import account, instrument

NOON_MS = 19_700 * DAY_MS + DAY_MS // 2
FINAL = {"Filled", "Canceled", "Rejected", "Expired", "Calculated"}
D = Decimal
OF_QUOTES = {"QuoteUpdated", "QuoteStale"}

CONFIG = DeskConfig(
    instruments={
        "AAPL": instrument(1, D("0.01"), D(1), maker_fee_bps=D("-0.2"), taker_fee_bps=D("0.5")),
        "BTCUSDT": instrument(2, D("0.10"), D("0.00001"), currency="USDT", taker_fee_bps=D("4.5")),
        "ES": instrument(3, D("0.25"), D(1), multiplier=D(50)),
    },
    accounts={
        "default": account(1, D(100_000), 50, D(10), D(100)),
        "other": account(2, D(1_000_000), 1_000, D(0), D(50)),
    },
)
SYMBOL_IDS = {"AAPL": 1, "BTCUSDT": 2, "ES": 3}


def new_order(**fields: Any) -> dict[str, Any]:
    signal_id = fields.get("signal_id", "s1")
    return {
        "type": "NewOrder",
        "v": 1,
        "signal_id": signal_id,
        "client_order_id": signal_id,
        "account": "default",
        "symbol": "AAPL",
        "side": "BUY",
        "quantity": "100",
        "order_type": "LIMIT" if "price" in fields else "MARKET",
        "price": None,
        "time_in_force": None,
        "strategy": None,
        "confidence": None,
        "signal_time": NOON_MS - 5,
        **fields,
    }


def request(kind: str, **fields: Any) -> dict[str, Any]:
    document = {
        "type": kind,
        "v": 1,
        "signal_id": "r1",
        "account": "default",
        "order_id": None,
        "signal_time": NOON_MS - 5,
    }
    if kind == "ReportStatus":
        document |= {"v": 2, "client_order_id": None, "request": None}
    else:
        document["orig_client_order_id"] = None
    if kind == "ReplaceOrder":
        document |= {"quantity": None, "price": None}
    return document | fields


def control(kind: str, **fields: Any) -> dict[str, Any]:
    head = {"type": kind, "v": 1, "control_id": "c1", "who": "desk.head", "reason": "earnings tonight"}
    return {**head, "account": "default", **fields}


def report(
    kind: ReportType,
    order_id: int = 0,
    *,
    price: int = 0,
    qty: int = 0,
    leaves: int = 0,
    aux: int = 0,
    match_id: int = 0,
    account: int = 1,
    symbol: int = 1,
    side: int = 1,
    reason: int = 0,
    flags: int = 0,
    partition: int = 0,
) -> bytes:
    return frames.REPORT.pack(
        order_id, price, qty, leaves, aux, match_id, account, symbol, kind, side, reason, flags, partition, 0
    )


Asked = ReportMassStatus | AdoptOrder | SubscribeMarket | UnsubscribeMarket
_request: TypeAdapter[Asked] = TypeAdapter(Annotated[Asked, Field(discriminator="type")])


class OrdersDesk:
    """An orders stage with its outputs read back: `fold` returns the events that one entry caused."""

    def __init__(self, config: DeskConfig = CONFIG, topology: Topology | None = None, partition: int = 0) -> None:
        self.topology = topology or Topology()
        self.partition = partition
        self.config = config
        self.stage = OrdersStage(self.topology, partition, config)
        self.out = Outputs(self.stage.name, self.stage.inbox)
        self.ms = NOON_MS
        self.entries: list[Entry] = []
        self.events: list[dict[str, Any]] = []
        self.commands: list[frames.Command] = []
        self.sent_to: list[str] = []
        self.requests: list[tuple[str, Asked]] = []
        self.dead: list[dict[bytes, bytes]] = []
        self.matches = 0
        configuration = self.stage.configuration()
        assert configuration is not None
        self.fold(configuration)

    def fold(self, fields: dict[bytes, bytes]) -> list[dict[str, Any]]:
        entry = Entry(f"{self.ms}-{len(self.entries)}", self.ms, fields)
        self.entries.append(entry)
        self.out.begin(entry)
        try:
            self.stage.fold(entry, self.out)
        except BadEntry as bad:
            self.out.bad(bad.reason, bad.text)
        self.out.seal()
        return self._read()

    def _read(self) -> list[dict[str, Any]]:
        fresh: list[dict[str, Any]] = []
        for stream, kind, payloads in self.out.runs:
            if kind == b"data" and stream.startswith("commands."):
                self.requests += [(stream, _request.validate_json(payload)) for payload in payloads]
            elif kind == b"frame":
                assert stream.startswith("commands.")
                sent = [frames.Command._make(c) for payload in payloads for c in frames.commands(payload)]
                self.sent_to += [stream] * len(sent)
                self.commands += sent
            else:
                assert stream == f"events.{self.partition}"
                fresh += [orjson.loads(payload) for payload in payloads]
        for event in fresh:
            journal_event.validate_python(event)
            check_quantities(event, max(venue.max_overfill_lots for venue in self.config.venues.values()))
            assert event["seq"] == len(self.events) + 1
            assert event["time"] == self.ms
            self.events.append(event)
        for letter in self.out.dead:
            DeadLetter.model_validate_json(letter[b"data"])
        self.dead += self.out.dead
        self.out.clear()
        return fresh

    def one(self, fields: dict[bytes, bytes]) -> dict[str, Any]:
        """Fold an entry and return the one event it caused; quotes may be due before it."""
        events = [event for event in self.fold(fields) if event["type"] not in OF_QUOTES]
        assert len(events) == 1, events
        return events[0]

    def instruct(self, document: dict[str, Any]) -> dict[str, Any]:
        return self.one({b"data": orjson.dumps(document)})

    def new(self, **fields: Any) -> dict[str, Any]:
        return self.instruct(new_order(**fields))

    def cancel(self, **fields: Any) -> dict[str, Any]:
        return self.instruct(request("CancelOrder", **fields))

    def replace(self, **fields: Any) -> dict[str, Any]:
        return self.instruct(request("ReplaceOrder", **fields))

    def status(self, **fields: Any) -> dict[str, Any]:
        return self.instruct(request("ReportStatus", **fields))

    def report(self, kind: ReportType, order_id: int = 1, **fields: Any) -> dict[str, Any]:
        return self.one({b"frame": report(kind, order_id, **fields)})

    def refused(self, *records: bytes) -> dict[str, Any]:
        """Fold records of which exactly one is unusable; return its dead letter."""
        before = len(self.dead)
        self.fold({b"frame": b"".join(records)})
        assert len(self.dead) == before + 1
        assert self.dead[-1][b"raw:frame.SIM"] in records
        letter: dict[str, Any] = orjson.loads(self.dead[-1][b"data"])
        return letter

    def accept(self, order_id: int = 1, **fields: Any) -> dict[str, Any]:
        return self.report(ReportType.ACCEPTED, order_id, **fields)

    def fill(self, qty: int, price: int = 18500, order_id: int = 1, **fields: Any) -> dict[str, Any]:
        self.matches += 1
        fields = {"match_id": self.matches, "flags": ReportFlag.TAKER, **fields}
        return self.report(ReportType.FILLED, order_id, price=price, qty=qty, **fields)

    def canceled(self, order_id: int = 1, reason: int = Reason.REQUESTED, **fields: Any) -> dict[str, Any]:
        return self.report(ReportType.CANCELED, order_id, reason=reason, **fields)

    def quote(self, bid: int, ask: int, *, symbol: str = "AAPL", bid_qty: int = 100, ask_qty: int = 100) -> None:
        record = report(
            ReportType.QUOTED,
            price=bid,
            qty=bid_qty,
            leaves=ask,
            aux=ask_qty,
            account=0,
            symbol=SYMBOL_IDS[symbol],
            side=0,
            partition=frames.PARTITION_ALL,
        )
        assert {event["type"] for event in self.fold({b"frame": record})} <= OF_QUOTES

    def control(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        return self.fold({b"control": orjson.dumps(control(kind, **fields))})

    def set_limits(self, control_id: str = "c1", account: str = "default", **limits: Any) -> list[dict[str, Any]]:
        return self.control("SetLimits", control_id=control_id, account=account, limits=limits)

    def reset_limits(self, control_id: str = "c2", *fields: str, account: str = "default") -> list[dict[str, Any]]:
        return self.control(
            "ResetLimits", control_id=control_id, account=account, **({"fields": fields} if fields else {})
        )

    def restarted(self, config: DeskConfig | None = None) -> dict[bytes, bytes] | None:
        """Start the stage again from its snapshot, perhaps with another file; return what it offers to its inbox."""
        twin = OrdersStage(self.topology, self.partition, config or self.config)
        twin.restore(self.stage.snapshot())
        assert twin.snapshot() == self.stage.snapshot()
        self.stage = twin
        return twin.configuration()

    def tick(self, ms: int = QUOTES_EVERY_MS) -> list[dict[str, Any]]:
        self.ms += ms
        return self.fold({b"tick": b"1"})

    def dead_letter(self, fields: dict[bytes, bytes]) -> dict[str, Any]:
        """Fold an entry nobody can use: nothing but a dead letter comes of it, and the state is as before."""
        state = self.stage.snapshot()
        count = len(self.dead)
        assert self.fold(fields) == []
        assert self.stage.snapshot() == state
        assert len(self.dead) == count + 1
        letter: dict[str, Any] = orjson.loads(self.dead[-1][b"data"])
        return letter


def check_quantities(event: dict[str, Any], overfill: int = 0) -> None:
    """FIX's quantity rules, on what an event says (facts: quantity_rules); lots are of 1 where `overfill` is."""
    if event.get("cum_qty") is None:
        return
    quantity, cum, leaves = (Fraction(event[name]) for name in ("quantity", "cum_qty", "leaves_qty"))
    assert 0 <= cum <= quantity + overfill
    assert leaves == (0 if event["ord_status"] in FINAL | {"DoneForDay"} else quantity - cum)
    assert (event["avg_px"] is None) == (cum == 0)
    if event["ord_status"] == "Filled":
        assert cum >= quantity
    if event["ord_status"] in ("New", "PendingNew", "Rejected"):
        assert cum == 0
    if event["ord_status"] == "PartiallyFilled":
        assert 0 < cum < quantity


def fold_all(stage: OrdersStage, log: list[Entry], out: Outputs) -> bytes:
    """Fold a log and return the hash of all that was sent."""
    for entry in log:
        out.begin(entry)
        try:
            stage.fold(entry, out)
        except BadEntry as bad:
            out.bad(bad.reason, bad.text)
        out.seal()
    return out.digest
