"""Any bytes in `signals` end in an instruction that keeps its contract, or in BadEntry with a sentence."""

import json
import struct
from typing import Any

import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import IDEMPOTENCY_MS
from fillstream.libs.common.messages.signals import (
    LINKS,
    CancelOrder,
    NewOrder,
    RefuseSignal,
    ReplaceOrder,
    ReportStatus,
    instructed,
)
from fillstream.libs.common.messages.special_terms import SPECIAL
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.messages.wire import FASTSTREAM_MAGIC, encode_signal
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.order_service.signals.stage import SignalsStage

CONTRACTS = {
    "NewOrder": NewOrder,
    "CancelOrder": CancelOrder,
    "ReplaceOrder": ReplaceOrder,
    "ReportStatus": ReportStatus,
}
TOPOLOGY = Topology(account_partitions=3)
MAX_SENTENCE = 1_000

SPECIMENS = [
    *("BUY", "SELL", "buy", "LIMIT", "MARKET", "GTC", "IOC", "AAPL", "NewOrder", "CancelOrder", "ReplaceOrder"),
    *("100", "0", "-1", "1", "1.5", "1_000", "-0", str(2**63), str(1 << 48), "", "\ud800", "\x00"),
    *("NaN", "sNaN", "Infinity", "1e400", "1e-400", "0E+99999999", "1E-99999999"),
]
names = st.sampled_from(
    [*NewOrder.model_fields, "order_id", "orig_client_order_id", "data", "__data__", "headers", "x"]
)
texts = st.one_of(
    st.sampled_from(SPECIMENS),
    st.text(max_size=8),
    st.decimals().map(str),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))
documents = st.dictionaries(names | st.text(max_size=3), values, max_size=10)

decimals = st.decimals("0.0001", 10**9, places=4).map(str)
orders = st.fixed_dictionaries(
    {"symbol": st.sampled_from(["AAPL", "BTCUSDT"]), "side": st.sampled_from(["BUY", "sell"]), "quantity": decimals},
    optional={
        "signal_id": st.sampled_from(["s1", "s2", "s3"]),
        "account": st.sampled_from(["a", "b", "c"]),
        "price": decimals,
        "time_in_force": st.sampled_from(["GTC", "IOC", "FOK", "DAY"]),
        "confidence": st.sampled_from(["0", "0.5", "1"]),
    },
)
cancels = st.fixed_dictionaries(
    {"type": st.just("CancelOrder"), "order_id": st.integers(1, (3 << 48) - 1).map(str)},
    optional={"signal_id": st.sampled_from(["s1", "s2", "c1"])},
)
signals = orders | cancels


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def fold(stage: SignalsStage, fields: dict[bytes, bytes], ms: int = 1000, number: int = 1) -> dict[str, Any] | BadEntry:
    """Fold one entry; check that it ended in one valid instruction, or in BadEntry and no change but that of time."""
    before = stage.snapshot()
    out = Outputs(stage.name, stage.inbox)
    entry = Entry(f"{ms}-{number}", ms, fields)
    out.begin(entry)
    try:
        stage.fold(entry, out)
    except BadEntry as error:
        older = SignalsStage(TOPOLOGY)
        older.restore(before)
        older._seen._forget(ms - IDEMPOTENCY_MS)
        assert stage.snapshot() in (before, older.snapshot()), "a bad entry changes nothing; ids of a day before may go"
        assert out.by_stream == {} and out.dead == []
        assert 0 < len(error.text) < MAX_SENTENCE and error.text.isascii()
        out.bad(error.reason, error.text)
        return error
    [(stream, (_, [payload]))] = out.by_stream.items()
    assert stream in TOPOLOGY.names("orders")
    instruction: dict[str, Any] = orjson.loads(payload)
    if instruction["type"] == "RefuseSignal":
        RefuseSignal.model_validate(instruction)
        assert 0 < len(instruction["text"]) < MAX_SENTENCE and instruction["text"].isascii()
        return BadEntry(instruction["reason"], instruction["text"])
    model = CONTRACTS[instruction["type"]]
    contract = {**instruction}
    if model is not ReportStatus:
        assert contract.pop("signal_time") == ms
    links, special = contract.pop("links", {}), contract.pop("special", {})
    assert set(contract) == {*instructed(model)} - {*LINKS, *SPECIAL}
    assert all(special.values())
    assert not links or any(links.values())
    model.model_validate({**contract, **{name: value for name, value in links.items() if value is not None}, **special})
    return instruction


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.binary(max_size=12) | names.map(raw), st.binary(max_size=200) | texts.map(raw), max_size=12))
@example({b"__data__": FASTSTREAM_MAGIC})
def test_any_fields(fields: dict[bytes, bytes]) -> None:
    fold(SignalsStage(TOPOLOGY), fields)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(names, texts, max_size=8), orders)
def test_any_flat_values_over_a_good_order(wrong: dict[str, str], order: dict[str, str]) -> None:
    fold(SignalsStage(TOPOLOGY), {raw(name): raw(value) for name, value in (order | wrong).items()})


@settings(max_examples=300, deadline=None)
@given(documents, orders, st.booleans(), st.sampled_from([b"data", b"__data__"]))
def test_any_document(document: dict[str, Any], order: dict[str, str], escaped: bool, name: bytes) -> None:
    text = json.dumps(order | document, ensure_ascii=escaped)
    fold(SignalsStage(TOPOLOGY), {name: raw(text)})


@settings(max_examples=150, deadline=None)
@given(signals, st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=0, max_size=4)), min_size=1, max_size=3))
def test_a_good_document_with_some_bytes_replaced(signal: dict[str, str], cuts: list[tuple[int, bytes]]) -> None:
    document = bytearray(raw(json.dumps(signal)))
    for at, noise in cuts:
        document[at % len(document) : at % len(document) + len(noise)] = noise
        document = document or bytearray(b"{")
    fold(SignalsStage(TOPOLOGY), {b"data": bytes(document)})


offsets = st.one_of(st.integers(0, 64), st.integers(0, 2**32 - 1))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 3), offsets, offsets, st.integers(0, 65535), st.binary(max_size=40), signals, st.integers(0, 90))
def test_any_envelope(
    version: int, headers: int, start: int, count: int, noise: bytes, signal: dict[str, str], cut: int
) -> None:
    head = FASTSTREAM_MAGIC + struct.pack(">HIIH", version, headers, start, count)
    fold(SignalsStage(TOPOLOGY), {b"__data__": (head + noise + raw(json.dumps(signal)))[: 20 + cut]})


@settings(max_examples=100, deadline=None)
@given(signals, st.binary(max_size=30))
def test_every_shape_of_a_good_signal_gives_the_same_instruction(signal: dict[str, str], headers: bytes) -> None:
    document = raw(json.dumps(signal))
    envelope = FASTSTREAM_MAGIC + struct.pack(">HIIH", 1, 18, 20 + len(headers), 0) + headers + document
    shapes: list[dict[bytes, bytes]] = [
        {raw(name): raw(value) for name, value in encode_signal(signal).items()},
        {b"data": document},
        {b"__data__": document},
        {b"__data__": envelope},
        {b"__data__": raw(json.dumps({"data": document.decode(), "headers": {"a": "b"}}))},
    ]
    [first, *others] = [fold(SignalsStage(TOPOLOGY), fields) for fields in shapes]
    assert isinstance(first, dict)
    assert others == [first] * 4


CANCEL = {"type": "CancelOrder", "order_id": "1"}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(signals, st.integers(0, 9 * 3_600_000)), max_size=25), st.integers(0, 25))
@example(  # the last is bad, and comes when a day has passed since the first
    [
        (CANCEL, 0),
        ({**CANCEL, "signal_id": "s1"}, 24 * 3_600_000 - 1),
        ({"symbol": "AAPL", "side": "BUY", "quantity": "1", "signal_id": "s1"}, 1),
    ],
    0,
)
def test_each_id_has_one_outcome_and_a_snapshot_changes_nothing(
    sent: list[tuple[dict[str, str], int]], cut: int
) -> None:
    day = 24 * 3_600_000
    stage, first, ms = SignalsStage(TOPOLOGY), {}, 1000
    restored = None
    for number, (signal, wait) in enumerate(sent):
        ms += wait
        if number == cut:
            restored = SignalsStage(TOPOLOGY)
            restored.restore(stage.snapshot())
        fields = {raw(name): raw(value) for name, value in signal.items()}
        result = fold(stage, fields, ms, number)
        if restored is not None:
            again = fold(restored, fields, ms, number)
            assert type(again) is type(result)
            assert restored.snapshot() == stage.snapshot()
        name = (signal.get("account", "default"), signal.get("signal_id", f"{ms}-{number}"))
        before = first.get(name)
        if before is None or before[1] <= ms - day:
            assert isinstance(result, dict) and result["type"] != "ReportStatus"
            first[name] = (result, ms)
        elif isinstance(result, dict):
            assert result["type"] == "ReportStatus"
            assert fold(SignalsStage(TOPOLOGY), fields, before[1], number) == before[0]
        else:
            assert result.reason == "duplicate_signal_id"
            assert fold(SignalsStage(TOPOLOGY), fields, before[1], number) != before[0]
