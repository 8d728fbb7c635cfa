"""Entries that nobody should write into a stream, and what is said about them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import Entry, Outputs, Stage
from fillstream.services.matching_engine.stage import EngineStage
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.order_service.signals.stage import SignalsStage
from tests.support.orders import CONFIG, control, new_order, request

VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**64 - 1, 1e308, 0.1, "", " ", "x" * 10_000, "9" * 5_000, "1_0", "1e99", "NaN", "-Infinity",
    "\U0001fae8", "\u0663", "\U00011f51", "1\U00011f51", "\u017f", "\x00", "\ud7ff\n", [], {}, {"\U0001fae8": 1},
)  # fmt: skip
"""Among them letters that one Python prints and another escapes, and digits that are digits to Python alone."""


def _entries() -> Iterator[bytes]:
    for value in VALUES:
        for key in DeskConfig.model_fields:
            yield orjson.dumps(orjson.loads(CONFIG.to_json()) | {key: value})
        for kind in ("instruments", "accounts"):
            name, item = next(iter(orjson.loads(CONFIG.to_json())[kind].items()))
            for field in (*item, "\U0001fae8"):
                yield orjson.dumps(orjson.loads(CONFIG.to_json()) | {kind: {name: item | {field: value}}})
            if isinstance(value, str):
                yield orjson.dumps(orjson.loads(CONFIG.to_json()) | {kind: {value: item}})


def refusals() -> list[str]:
    """Return what is said about each hostile entry, in order; nothing about those that are none."""
    said = []
    for entry in _entries():
        try:
            DeskConfig.from_json(entry)
        except ValueError as error:
            said.append(str(error))
    return said


SIGNAL = {"symbol": "AAPL", "side": "BUY", "quantity": "1", "price": "1", "signal_id": "s", "account": "default"}
REPORT = {"type": "VenueReport", "v": 1, "venue": "SIM", "exec_type": "Trade", "order_id": "1"}


def letters() -> list[str]:
    """Return what each stage says about entries with hostile fields, names of fields and instructions, in order."""
    named = [value for value in VALUES if isinstance(value, str) and "\ud7ff" not in value]
    documents = [new_order(), *(request(each) for each in ("CancelOrder", "ReplaceOrder", "ReportStatus")), REPORT]
    topology = Topology()
    orders, signals, engine = OrdersStage(topology, 0, CONFIG), SignalsStage(topology), EngineStage(topology, 0, {})
    said = _said(orders, [orders.configuration() or {}])
    said += _said(orders, [{b"data": each} for document in documents for each in _spoiled(document)])
    limits = control("SetLimits", limits={"max_daily_orders": 1})
    said += _said(orders, [{b"control": each} for each in _spoiled(limits)])
    said += _said(signals, [{b"data": each} for each in _spoiled(SIGNAL)])
    for name in named:
        fields = [{name.encode(): b"1"}, {b"frame." + name.encode(): b"1"}, {b"frame": name.encode()}]
        said += [*_said(orders, fields), *_said(engine, fields)]
        said += _said(signals, [{key.encode(): value.encode() for key, value in (SIGNAL | {name: "1"}).items()}])
    return said


def _spoiled(document: dict[str, Any]) -> Iterator[bytes]:
    for value in VALUES:
        for field in document:
            yield orjson.dumps(document | {field: value})
        if isinstance(value, str):
            yield orjson.dumps(document | {value: 1})
        yield orjson.dumps(value)


def _said(stage: Stage, entries: list[dict[bytes, bytes]]) -> list[str]:
    out = Outputs(stage.name, stage.inbox)
    for number, fields in enumerate(entries):
        entry = Entry(f"{1_700_000_000_000 + number}-0", 1_700_000_000_000 + number, fields)
        out.begin(entry)
        try:
            stage.fold(entry, out)
        except BadEntry as bad:
            out.bad(bad.reason, bad.text)
        out.seal()
    return [orjson.loads(letter[b"data"])["text"] for letter in out.dead]
