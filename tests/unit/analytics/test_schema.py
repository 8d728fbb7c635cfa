"""Tables from contracts, entries into rows: what a row holds, and where an entry goes that fits none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from fillstream.libs.common.messages.base import Message, of_version
from fillstream.libs.common.messages.dead import DeadLetter
from fillstream.libs.common.messages.journal import (
    InstrumentDefined,
    OrderAccepted,
    OrderCancelRejected,
    OrderCancelRequested,
    OrderFilled,
    OrderReceived,
    OrderRejected,
    OrderReplaced,
    QuoteUpdated,
    VenueDefined,
    journal_event,
)
from fillstream.libs.common.messages.market import market_message
from fillstream.libs.common.messages.positions import PositionChanged, PositionMarked
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.libs.common.values.versions import Upcasts
from fillstream.services.analytics import schema
from fillstream.services.analytics.decode.columns import fits, numbers
from fillstream.services.analytics.decode.entries import DEAD_LETTERS, EVENTS, POSITION_EVENTS, Batch, decode_messages
from fillstream.services.analytics.decode.market import decode_market
from fillstream.services.analytics.decode.signals import NAMES, decode_signals
from fillstream.services.analytics.migration import migrate
from fillstream.services.analytics.numbers import Scales
from fillstream.services.analytics.query.views import views
from fillstream.services.analytics.read.extent import (
    Extent,
    before,
    behind,
    continue_at,
    deleted_unread,
    trimmed_unread,
)
from fillstream.services.analytics.schema import EVENTS_TABLE, JOURNAL, POSITIONS, SchemaError
from fillstream.services.analytics.sinks.store import Gap, Offset, Store
from fillstream.services.analytics.sinks.writer import DECODERS, Waiting
from tests.support.messages import sample

RawEntry = list[Any]


def entry(number: int, data: bytes | dict[str, Any]) -> RawEntry:
    return [b"1700000000000-%d" % number, [b"data", data if isinstance(data, bytes) else orjson.dumps(data)]]


def events(*entries: RawEntry) -> Batch:
    batch = Batch()
    decode_messages(EVENTS, "events.{a0}", entries, batch)
    return batch


def rows(batch: Batch, table: str) -> list[dict[str, Any]]:
    return [row for part in batch.tables.get(table, []) for row in part.to_pylist()]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "analytics.duckdb")


def ask(store: Store, sql: str) -> list[tuple[Any, ...]]:
    return store.cursor().execute(sql).fetchall()


def put(store: Store, kind: str, stream: str, *entries: RawEntry) -> None:
    batch = Batch()
    DECODERS[kind](stream, entries, batch)
    assert not batch.undecodable, batch.undecodable
    store.commit(batch.tables, {}, [])


# ------------------------------------------------------------------------------------------------------- the tables


@pytest.mark.parametrize("model", [*JOURNAL, *POSITIONS, DeadLetter], ids=lambda model: model.__name__)
def test_every_message_comes_back_from_the_database_to_the_digit(store: Store, model: type[Message]) -> None:
    kind = "events" if model in JOURNAL else "positions" if model in POSITIONS else "dead"
    table = {"events": "events", "positions": "position_events", "dead": "dead"}[kind]
    message = sample(model, 7)
    model.model_validate(message)

    put(store, kind, "a-stream", entry(3, message))

    cursor = store.cursor().execute(f"SELECT * FROM {table}")
    names = [column[0] for column in cursor.description]
    row = dict(zip(names, cursor.fetchall()[0], strict=True))
    assert (row["log_stream"], row["log_id"]) == ("a-stream", "1700000000000-3")
    for name, value in message.items():
        expected = value
        if name == "time":
            expected = datetime(1970, 1, 1) + timedelta(milliseconds=value)
        elif isinstance(row[name], Decimal):
            expected = Decimal(value)
        assert row[name] == expected, name
    others = set(row) - set(message) - {"log_stream", "log_id", "log_time", "fields"}
    assert all(row[name] is None for name in others)


def test_every_field_of_every_contract_has_a_column() -> None:
    for models, table in ((JOURNAL, EVENTS_TABLE), (POSITIONS, schema.POSITIONS_TABLE)):
        columns = {column.name for column in table.columns}
        assert columns >= {name for model in models for name in model.model_fields}


def test_money_is_kept_exactly_or_refused() -> None:
    for text, kept in {
        "0.000000000001": True,
        "99999999999999999999999999.999999999999": True,
        "1E+25": True,
        "-0.10000000000000000000000000000000000": True,
        "0": True,
        "0E30": True,
        "-0e-40": True,
        "100000000000000000000000000": False,
        "0.0000000000001": False,
        "1e-99999999": False,
        "1e999999": False,
        "1111111111111111111111111111.": False,
        "NaN": False,
        "Infinity": False,
        "x": False,
        "": False,
    }.items():
        column, bad = numbers(pa.array([text]), 12)
        assert (bad == []) is kept, text
        assert column[0].as_py() == (Decimal(text) if kept else None), text


@given(st.lists(st.decimals(places=14) | st.text("0123456789.-eE ", max_size=30).map(str) | st.none(), max_size=20))
@settings(max_examples=200, deadline=None)
def test_money_never_rounds(values: list[Any]) -> None:
    texts = [None if value is None else str(value) for value in values]
    column, bad = numbers(pa.array(texts, pa.string()), 12)
    for row, text in enumerate(texts):
        if text is None:
            assert column[row].as_py() is None
        elif row in bad:
            assert column[row].as_py() is None
            assert not _fits_text(text)
        else:
            assert column[row].as_py() == Decimal(text)


def _fits_text(text: str) -> bool:
    try:
        return fits(Decimal(text), 12)
    except ArithmeticError:
        return False


def test_a_newer_contract_adds_its_columns_to_an_older_file(tmp_path: Path) -> None:
    path = tmp_path / "analytics.duckdb"
    connection = duckdb.connect(path)
    migrate(connection, Scales())
    connection.execute("DROP VIEW orders")
    connection.execute("ALTER TABLE position_events DROP COLUMN realized_pnl")
    connection.close()

    store = Store(path)

    assert ask(store, "SELECT count(*) FROM orders") == [(0,)]
    put(store, "positions", "p", entry(1, sample(PositionMarked, 2)))
    assert ask(store, "SELECT realized_pnl FROM position_events")[0][0] == Decimal("2.125")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("ALTER TABLE events ALTER quantity TYPE DOUBLE", "events.quantity: the file has DOUBLE"),
        ("UPDATE schema_format SET format = 99", "the file has format 99"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_with_what_to_do(tmp_path: Path, change: str, says: str) -> None:
    path = tmp_path / "analytics.duckdb"
    connection = duckdb.connect(path)
    migrate(connection, Scales())
    for view in views():
        connection.execute(f"DROP VIEW {view}")
    connection.execute(change)
    connection.close()
    with pytest.raises(SchemaError, match=f"{says}.*move the file away"):
        Store(path)


# ------------------------------------------------------------------------------------------------------- the journal


def test_a_bad_entry_is_kept_whole_with_a_sentence_and_stops_nothing() -> None:
    good = sample(OrderFilled, 1)
    bad: dict[str, bytes] = {
        "not json": b"{",
        "two messages": orjson.dumps(good) * 2,
        "no object": b"[1]",
        "null": b"null",
        "empty": b"",
        "no utf-8": b'{"type":"\xff"}',
        "a row number of its own": orjson.dumps({**good, "#": 0}),
        "an unknown field": orjson.dumps({**good, "zz": 1}),
        "an unknown type": orjson.dumps({**good, "type": "OrderPainted"}),
        "another version": orjson.dumps({**good, "v": 3}),
        "a required field null": orjson.dumps({**good, "last_qty": None}),
        "a field of another type": orjson.dumps({**good, "price": "1"}),
        "a time before the epoch": orjson.dumps({**good, "time": -1}),
        "half a surrogate pair": orjson.dumps(good).replace(b'"BUY"', b'"\\ud800"'),
    }
    entries = [entry(number, data) for number, data in enumerate(bad.values(), 100)]
    surrounded = [entry(1, good), *entries, entry(2, good)]

    batch = events(*surrounded)

    assert [row["log_id"] for row in rows(batch, "events")] == ["1700000000000-1", "1700000000000-2"]
    assert [each.entry for each in batch.undecodable] == entries
    assert all(each.reason == "bad_message" and each.text for each in batch.undecodable)


def test_a_message_of_a_version_above_is_kept_with_what_this_release_reads() -> None:
    batch = events(entry(1, sample(OrderFilled, 1, v=3)), entry(2, sample(OrderFilled, 2)))
    assert [each.text for each in batch.undecodable] == [
        "v: 3 of OrderFilled must be at most 2, which this release reads: a newer one wrote it"
    ]


def test_messages_of_an_older_version_are_rows_as_todays_are() -> None:
    def upcast_v2_v3(message: dict[str, Any]) -> dict[str, Any]:
        message["last_px"] = message.pop("px")
        return message

    class Filled3(OrderFilled):
        v: int = of_version(3)
        UPCASTS: ClassVar[Upcasts] = {**OrderFilled.UPCASTS, 2: upcast_v2_v3}

    kind = replace(EVENTS, models={**EVENTS.models, "OrderFilled": Filled3}, contract=TypeAdapter(Filled3))
    old = [sample(OrderFilled, number) for number in (1, 2)]
    for message in old:
        message["px"] = message.pop("last_px")
    torn = dict(old[0])
    del torn["px"]
    batch = Batch()
    messages = [*old, sample(Filled3, 3), sample(OrderAccepted, 4), torn]
    decode_messages(kind, "events.{0}", [entry(number, each) for number, each in enumerate(messages, 1)], batch)
    found = [(row["v"], row["last_px"]) for row in rows(batch, "events")]
    expected = [Decimal(sample(OrderFilled, number)["last_px"]) for number in (1, 2, 3)]
    assert found == [(3, expected[0]), (3, expected[1]), (3, expected[2]), (1, None)]
    [undecodable] = batch.undecodable
    assert "OrderFilled: is not as version 2 was: KeyError: 'px'" in undecodable.text


def test_a_releases_note_is_no_message_and_no_signal() -> None:
    note: RawEntry = [b"1700000000000-1", [b"release", b"0.3.0", b"after", b"1700000000000-0"]]
    batch = events(note, entry(2, sample(OrderFilled, 2)))
    decode_signals("signals", [note], batch)
    assert [row["log_id"] for row in rows(batch, "events")] == ["1700000000000-2"]
    assert (batch.undecodable, rows(batch, "signals")) == ([], [])


def test_a_tick_is_no_event() -> None:
    batch = events([b"1700000000000-1", [b"tick", b"1"]], entry(2, sample(OrderFilled, 2)))
    assert [row["log_id"] for row in rows(batch, "events")] == ["1700000000000-2"]
    assert batch.undecodable == []


def test_what_becomes_of_an_entry_does_not_depend_on_its_neighbours() -> None:
    good = sample(OrderAccepted, 1)
    odd = [
        entry(1, {**good, "quantity": 5}),
        entry(2, {**good, "quantity": "1e2"}),
        entry(3, b" " + orjson.dumps(good)),
        entry(4, orjson.dumps(good)[:-1] + b',"side":"SELL"}'),
        entry(5, {**good, "client_order_id": "1e-99999999"}),
        entry(6, {**good, "quantity": "1e-99999999"}),
        entry(7, {**good, "time": 10**15}),
        entry(8, b"x"),
    ]
    together = events(*odd)
    alone = [events(each) for each in odd]
    assert rows(together, "events") == [row for batch in alone for row in rows(batch, "events")]
    assert together.undecodable == [each for batch in alone for each in batch.undecodable]


def test_an_event_with_a_number_too_long_is_there_without_it_and_undecodable_has_it_whole() -> None:
    tiny = sample(OrderRejected, 1, price="0.0000000000000000000001", quantity="3")
    journal_event.validate_python(tiny)

    batch = events(entry(1, tiny), entry(2, sample(OrderAccepted, 2)))

    first, second = rows(batch, "events")
    assert (first["price"], first["quantity"]) == (None, Decimal(3))
    assert second["type"] == "OrderAccepted"
    (kept,) = batch.undecodable
    assert (kept.entry, kept.reason) == (entry(1, tiny), "out_of_range")
    assert kept.text == "price: 1E-22 does not fit DECIMAL(38,12)"


def test_entries_without_the_one_field_are_undecodable() -> None:
    odd: list[RawEntry] = [
        [b"1-1", []],
        [b"1-2", None],
        [b"1-3", [b"frame", b"x"]],
        [b"1-4", [b"data", b"{}", b"more", b"x"]],
    ]
    for decoder in (lambda e, b: decode_messages(EVENTS, "e", e, b), lambda e, b: decode_market("m", e, b)):
        batch = Batch()
        decoder(odd, batch)
        assert [each.reason for each in batch.undecodable] == ["no_message"] * 4
        assert not batch.tables


@given(st.lists(st.binary(max_size=60) | st.from_regex(rb'\{"type":"Order[A-Z][a-z]+","v":1[^\n]{0,30}\}'), max_size=6))
@settings(max_examples=60, deadline=None)
def test_any_bytes_end_as_a_row_or_undecodable(payloads: list[bytes]) -> None:
    good = entry(99, sample(OrderFilled, 1))
    entries = [*(entry(number, data) for number, data in enumerate(payloads)), good]
    for kind, table in ((EVENTS, "events"), (POSITION_EVENTS, "position_events")):
        batch = Batch()
        decode_messages(kind, "s", entries, batch)
        there = {row["log_id"].encode() for row in rows(batch, table)}
        assert there | {each.entry[0] for each in batch.undecodable} == {each[0] for each in entries}
    assert good[0] in {row["log_id"].encode() for row in rows(events(*entries), "events")}


# ------------------------------------------------------------------------------------------ signals, market and dead


def signals(*entries: RawEntry) -> list[dict[str, Any]]:
    batch = Batch()
    decode_signals("signals", entries, batch)
    assert not batch.undecodable
    return rows(batch, "signals")


def test_a_signal_has_who_asked_where_it_says_so() -> None:
    said = {"symbol": "AAPL", "side": "BUY", "quantity": "100"}
    both = [{**said, "who": "anna"}, said, {"type": "CancelAll", "who": "bot"}]
    found = signals(*([f"1-{number}".encode(), [b"data", orjson.dumps(each)]] for number, each in enumerate(both)))
    assert [(row["who"], row["problem"]) for row in found] == [("anna", None), (None, None), ("bot", None)]


def test_a_signal_is_typed_in_every_shape() -> None:
    said = {"symbol": "AAPL", "side": "buy", "quantity": 100, "price": 1.5, "reduce_only": True, "post_only": False}
    flat = [b"1-1", [each.encode() for name, value in said.items() for each in (name, str(value))]]
    document = orjson.dumps(said)
    for row in signals(flat, [b"1-2", [b"data", document]], [b"1-3", [b"__data__", document]]):
        assert (row["symbol"], row["side"], row["reduce_only"], row["post_only"]) == ("AAPL", "buy", True, False)
        assert (row["quantity"], row["price"], row["problem"], row["fields"]) == (100, Decimal("1.5"), None, None)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ([b"quantity", b"many"], "quantity: 'many' is no number"),
        ([b"quantity", b"1e-99999999"], "quantity: '1e-99999999' is no number that fits"),
        ([b"data", b'{"quantity":1e400}'], "quantity: 1E+400 is no number that fits"),
        ([b"data", b'{"quantity":NaN}'], "quantity: NaN"),
        ([b"data", b'{"side":true}'], "side: True is neither text nor a number"),
        ([b"data", b'{"symbol":"\\ud800"}'], "symbol: '\\ud800' is half a surrogate pair"),
        ([b"data", b'{"v":1.5}'], "v: 1.5 is no whole number"),
        ([b"v", b"99999999999999999999"], "v: '99999999999999999999' is no whole number"),
        ([b"reduce_only", b"main"], "reduce_only: 'main' must be true or false"),
        ([b"data", b'{"post_only":1}'], "post_only: 1 must be true or false"),
        ([b"colour", b"red"], "'colour': not a field of a signal"),
        ([b"symbol", b"A", b"symbol", b"B"], "a field is there more than once"),
        ([b"symbol", b"\xff"], "is not UTF-8"),
        ([b"data", b"{"], "is not one JSON document"),
        ([b"data", b"x" * 70_000], "a signal has at most 65536"),
    ],
)
def test_a_signal_nobody_can_type_is_kept_byte_for_byte(fields: Sequence[bytes], says: str) -> None:
    good = [b"1-2", [b"symbol", b"AAPL", b"quantity", b"1"]]
    bad, after = signals([b"1-1", fields], good)
    assert says in bad["problem"]
    pairs = [(each["name"], each["value"]) for each in bad["fields"]]
    assert pairs == list(zip(fields[::2], fields[1::2], strict=True))
    assert (after["symbol"], after["problem"]) == ("AAPL", None)


ANY = st.binary(max_size=40) | st.sampled_from([b"true", b"1e30", b"-1", b"AAPL", b"", b"1" * 40, b"null", b"0.1"])
FIELDS = st.lists(st.tuples(st.binary(max_size=9) | st.sampled_from([name.encode() for name in sorted(NAMES)]), ANY))


@given(st.lists(FIELDS.map(lambda pairs: [each for pair in pairs for each in pair]), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_any_signal_is_a_row(entries: list[list[bytes]]) -> None:
    found = signals(*([b"1-%d" % number, fields] for number, fields in enumerate(entries)))
    assert len(found) == len(entries)


def test_trades_and_depth_come_out_level_by_level() -> None:
    trades = sample_market("Trades", trades=[[1, "65000.1", "0.5", "BUY"], [2, "65000.2", "1", "SELL"]])
    depth = sample_market("Depth", bids=[["65000.1", "2"]], asks=[])
    huge = sample_market("Depth", bids=[["1e-20", "2"]], asks=[])
    batch = Batch()
    decode_market("market.{s0}", [entry(1, trades), entry(2, depth), entry(3, huge), entry(4, b"{}")], batch)
    assert [(row["trade_number"], row["price"], row["quantity"], row["side"]) for row in rows(batch, "trades")] == [
        (1, Decimal("65000.1"), Decimal("0.5"), "BUY"),
        (2, Decimal("65000.2"), Decimal(1), "SELL"),
    ]
    (level,) = rows(batch, "depth")
    assert level["bids"] == [{"price": Decimal("65000.1"), "quantity": Decimal(2)}]
    assert level["asks"] == []
    assert [each.reason for each in batch.undecodable] == ["out_of_range", "bad_message"]


def sample_market(kind: str, **values: Any) -> dict[str, Any]:
    message = {"type": kind, "v": 1, "time": 1_700_000_000_000, "symbol": "BTCUSDT", **values}
    market_message.validate_python(message)
    return message


@pytest.mark.parametrize("count", [2, 1500])
def test_a_dead_letter_keeps_its_entry_byte_for_byte(count: int) -> None:
    raw = {b"name-%d\xff" % number: b"\x00value" for number in range(count)}
    out = Outputs("signals", "signals")
    out.begin(Entry("5-1", 5, raw))
    out.bad("bad_value", "symbol: missing")
    flat = [each for pair in out.dead[0].items() for each in pair]
    batch = Batch()

    decode_messages(DEAD_LETTERS, "dead", [[b"9-1", flat]], batch)

    (row,) = rows(batch, "dead")
    assert (row["stream"], row["entry_id"], row["reason"]) == ("signals", "5-1", "bad_value")
    assert {each["name"]: each["value"] for each in row["fields"]} == raw


# --------------------------------------------------------------------------------------------------------- the views


def test_orders_show_the_latest_state_and_why_an_order_ended(store: Store) -> None:
    def event(model: type[Message], seq: int, order: str, **values: Any) -> RawEntry:
        return entry(seq, sample(model, seq, **{"order_id": order, "account": "acc", **values}))

    put(
        store,
        "events",
        "events.{a0}",
        event(OrderReceived, 1, "1", ord_status="PendingNew", price="10", signal_id="s-1"),
        event(OrderAccepted, 2, "1", ord_status="New"),
        event(OrderCancelRequested, 3, "1", ord_status="PendingCancel"),
        event(OrderCancelRejected, 4, "1", ord_status="New"),
        event(OrderReplaced, 5, "1", ord_status="New", price="11"),
        event(OrderReceived, 6, "2", ord_status="PendingNew", price=None, signal_id="s-2"),
        event(OrderFilled, 7, "2", ord_status="Filled", cum_qty="3", leaves_qty="0", avg_px="9.5"),
        event(OrderRejected, 8, "3", ord_status="Rejected", reason="price_off_tick", price="1.005"),
        # a cancel of somebody else's order, and of one nobody knows
        event(OrderCancelRejected, 9, "2", ord_status=None, account="thief"),
        event(OrderCancelRejected, 10, "77", ord_status=None),
    )
    found = ask(store, "SELECT order_id, account, ord_status, price, cum_qty, reason, events FROM orders ORDER BY 1")
    assert found == [
        ("1", "acc", "New", Decimal(11), Decimal("5.075"), None, 5),
        ("2", "acc", "Filled", None, Decimal(3), None, 3),
        ("3", "acc", "Rejected", Decimal("1.005"), Decimal("8.075"), "price_off_tick", 1),
    ]
    assert ask(store, "SELECT order_id, last_px FROM fills") == [("2", Decimal("7.075"))]
    assert ask(store, "SELECT count(*) FROM rejects") == [(4,)]


def test_orders_show_the_stop_price_that_stands(store: Store) -> None:
    def event(model: type[Message], seq: int, order: str, **values: Any) -> RawEntry:
        return entry(seq, sample(model, seq, **{"order_id": order, "account": "acc", **values}))

    put(
        store,
        "events",
        "events.{a0}",
        event(OrderReceived, 1, "1", stop_price="190"),
        event(OrderReplaced, 2, "1", stop_price="191.5"),
        event(OrderReceived, 3, "2", stop_price=None),
    )
    assert ask(store, "SELECT order_id, stop_price FROM orders ORDER BY 1") == [("1", Decimal("191.5")), ("2", None)]


def test_positions_show_the_newest_of_each_account_and_symbol(store: Store) -> None:
    def position(seq: int, symbol: str, **values: Any) -> RawEntry:
        return entry(seq, sample(PositionChanged, seq, account="acc", symbol=symbol, position_mode=None, **values))

    put(
        store,
        "positions",
        "positions.{a0}",
        position(1, "A", position="3", avg_px="10", mark_px="11"),
        position(2, "B", position="-1"),
        position(3, "A", position="0", avg_px=None, mark_px=None),
    )
    found = ask(store, "SELECT symbol, position, avg_px, mark_px FROM positions ORDER BY symbol")
    assert found == [("A", Decimal(0), None, None), ("B", Decimal(-1), Decimal("2.065"), Decimal("2.075"))]


def test_latency_runs_from_the_signals_entry_to_the_fills(store: Store) -> None:
    put(store, "signals", "signals", [b"1000-0", [b"signal_id", b"s-1"]], [b"1500-0", [b"signal_id", b"s-1"]])
    put(store, "signals", "signals", [b"3000-7", [b"symbol", b"A"]])
    put(store, "signals", "signals", [b"4000-0", [b"signal_id", b"s-1", b"account", b"bob"]])
    journal = [
        (1010, sample(OrderReceived, 1, order_id="1", parent_id=None, signal_id="s-1", account="default", alias=None)),
        (1012, sample(OrderFilled, 2, order_id="1", parent_id=None, account="default")),
        (1020, sample(OrderFilled, 3, order_id="1", parent_id=None, account="default")),
        (
            3005,
            sample(OrderReceived, 4, order_id="2", parent_id=None, signal_id="3000-7", account="real", alias="default"),
        ),
        (4001, sample(OrderReceived, 5, order_id="3", parent_id=None, signal_id="s-1", account="bob", alias=None)),
    ]
    put(store, "events", "e", *([b"%d-0" % ms, [b"data", orjson.dumps(event)]] for ms, event in journal))
    found = ask(store, "SELECT order_id, received_ms, first_fill_ms, last_fill_ms FROM latency ORDER BY order_id")
    assert found == [("1", 10, 12, 20), ("2", 5, None, None), ("3", 1, None, None)], "an id is its account's or alias's"


def test_costs_are_what_an_order_was_to_cost_at_the_quote_it_met_and_what_it_did(store: Store) -> None:
    order: dict[str, Any] = {"account": "a", "symbol": "A", "side": "BUY", "venue": "X", "quantity": "100"}
    quote = {"symbol": "A", "venue": "X"}
    journal = [
        sample(VenueDefined, 1, venue="X", taker_fee_bps="10"),
        sample(InstrumentDefined, 2, symbol="A", multiplier="2", taker_fee_bps="5", inverse=False),
        sample(QuoteUpdated, 3, bid_px="9.90", ask_px="10.10", **quote),
        sample(OrderReceived, 4, order_id="1", price="10.00", fee_estimate=None, **order),
        sample(OrderReceived, 5, order_id="2", price=None, fee_estimate="0.75", **order),
        sample(QuoteUpdated, 6, bid_px="1", ask_px="3", **quote),
        sample(OrderFilled, 7, order_id="1", last_qty="60", last_px="10.05", fee="1.2", **order),
        sample(OrderFilled, 8, order_id="1", last_qty="40", last_px="10.05", fee="0.8", **order),
    ]
    put(store, "events", "e", *(entry(number, event) for number, event in enumerate(journal, start=1)))
    found = ask(
        store,
        "SELECT order_id, notional::VARCHAR::DOUBLE, fee_estimate::VARCHAR::DOUBLE, fees::VARCHAR::DOUBLE, "
        "round(expected_slippage_bps, 6), round(slippage_bps, 6) FROM costs ORDER BY order_id",
    )
    assert found == [("1", 2000.0, 2.0, 2.0, 100.0, 50.0), ("2", 2020.0, 0.75, None, 100.0, None)]


def test_a_time_that_no_calendar_names_is_null(store: Store) -> None:
    put(store, "signals", "signals", [b"18446744073709551615-1", [b"symbol", b"A"]])
    assert ask(store, "SELECT log_id, log_time FROM signals") == [("18446744073709551615-1", None)]


# --------------------------------------------------------------------------------------------------- store and queue


def test_rows_and_offsets_are_committed_together_or_not_at_all(store: Store) -> None:
    batch = events(entry(1, sample(OrderAccepted, 1)))
    gap = Gap("s", "1-1", "2-1", 3, 1_700_000_000_000, "because")
    store.commit(batch.tables, {"s": Offset("5-1", 9)}, [gap])
    assert store.offsets() == {"s": Offset("5-1", 9)}

    wrong = {"trades": [pa.table({"no_such_column": [1]})]}
    with pytest.raises(Exception, match="nothing is lost"):
        store.commit({**batch.tables, **wrong}, {"s": Offset("6-1", 10)}, [])

    assert store.offsets() == {"s": Offset("5-1", 9)}
    assert ask(store, "SELECT count(*) FROM events") == [(1,)]
    assert ask(store, 'SELECT stream, upto_id, entries, "text" FROM gaps') == [("s", "2-1", 3, "because")]


def test_the_queue_gives_everything_once_and_then_nothing() -> None:
    from fillstream.services.analytics.sinks.writer import MAX_WAITING, Chunk

    waiting = Waiting()
    chunk = Chunk("s", [entry(1, b"x")] * MAX_WAITING, Offset("1-1", 1))
    waiting.put([chunk], 10)
    assert waiting.full
    assert waiting.take() == [chunk]
    assert not waiting.full
    waiting.close()
    assert waiting.take() == []


# ----------------------------------------------------------------------------------------------- what the log has left


@pytest.mark.parametrize(
    ("extent", "read", "trimmed", "deleted", "lost"),
    [
        # nothing there, nothing read
        (Extent(), Offset(), 0, 0, False),
        # some read, some not
        (Extent(10, 10, "1-0", "10-0"), Offset("4-0", 4), 0, 0, False),
        # what was read is trimmed
        (Extent(10, 6, "5-0", "10-0"), Offset("4-0", 4), 0, 0, False),
        # two more are trimmed
        (Extent(10, 4, "7-0", "10-0"), Offset("4-0", 4), 2, 0, False),
        # all is trimmed
        (Extent(10, 0, None, "10-0"), Offset("4-0", 4), 6, 0, False),
        # one was deleted by hand; known when all others are read
        (Extent(10, 9, "1-0", "10-0", "6-0"), Offset("7-0", 6), 0, 0, False),
        (Extent(10, 9, "1-0", "10-0", "6-0"), Offset("10-0", 9), 0, 1, False),
        # all were deleted by hand
        (Extent(1, 0, None, "5-0", "5-0"), Offset(), 0, 1, False),
        # Redis lost its end
        (Extent(3, 3, "1-0", "3-0"), Offset("4-0", 4), 0, 0, True),
        (Extent(), Offset("4-0", 4), 0, 0, True),
        # ... and went on
        (Extent(3, 3, "1-0", "9-0"), Offset("4-0", 4), 0, 0, True),
        # the stream was deleted and has more entries again
        (Extent(6, 6, "5-0", "10-0"), Offset("4-0", 4), 0, 0, True),
    ],
)
def test_what_is_missing_shows_in_the_counts(
    extent: Extent, read: Offset, trimmed: int, deleted: int, lost: bool
) -> None:
    assert (behind(extent, read) is not None) is lost
    if not lost:
        assert trimmed_unread(extent, read) == trimmed
        assert (0 if trimmed else deleted_unread(extent, read)) == deleted


def test_going_on_behind_a_gap_leaves_none() -> None:
    for extent in (Extent(10, 4, "7-0", "10-0"), Extent(10, 0, None, "10-0")):
        assert trimmed_unread(extent, continue_at(extent)) == 0
    assert before("7-0") == "6-18446744073709551615"
    assert before("7-3") == "7-2"
    assert before("0-1") == "0-0"
