"""The position stage as a specification: which events it books, what it says, and when it stops."""

from typing import Any, ClassVar

import orjson
import pytest

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.base import of_version
from fillstream.libs.common.messages.journal import EVENTS, OrderFilled, journal_event
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import Entry, Inconsistent, Stage, configuration_of
from fillstream.libs.common.values.versions import Upcasts
from fillstream.services.position_service import stage
from fillstream.services.position_service.stage import PositionStage
from tests.support.positions_desk import T0, PositionsDesk

TOPOLOGY = Topology(account_partitions=2)
FILL = {
    "exec_id": "SIM-0-2-B", "venue": "SIM", "last_qty": "5", "last_px": "5.00", "liquidity": "TAKER", "fee": "0",
    "currency": "USD", "strategy": None,
}  # fmt: skip


@pytest.fixture
def desk() -> PositionsDesk:
    desk = PositionsDesk()
    desk.define()
    return desk


def test_the_stage_has_the_shape_of_a_stage() -> None:
    stage: Stage = PositionStage(3)
    assert (stage.name, stage.partition, stage.inbox, stage.tick_ms) == ("positions", 3, "events.3", None)
    assert configuration_of(stage) is None


def test_a_fill_becomes_a_position_with_all_its_money(desk: PositionsDesk) -> None:
    desk.quote("9.99", "10.02")
    assert desk.fill("SELL", "10", "10.00", fee="0.25") == {
        "type": "PositionChanged",
        "v": 1,
        "seq": 1,
        "time": T0 + 3,
        "account": "alpha",
        "symbol": "AAPL",
        "currency": "USD",
        "position": "-10",
        "avg_px": "10.00",
        "realized_pnl": "0",
        "fees": "0.25",
        "cash": "99.75",
        "mark_px": "10.005",
        "unrealized_pnl": "-0.05",
        "day_pnl": "-0.3",
        "position_id": "1-3",
        "change": "opened",
        "order_id": "7",
        "exec_id": "SIM-0-2-B",
        "last_qty": "-10",
        "last_px": "10.00",
    }


def test_accounts_and_symbols_are_apart(desk: PositionsDesk) -> None:
    desk.define("MSFT")
    assert desk.fill("BUY", "1", "5.00")["change"] == "opened"
    assert desk.fill("BUY", "1", "5.00", account="beta")["change"] == "opened"
    assert desk.fill("BUY", "1", "5.00", symbol="MSFT")["change"] == "opened"
    assert desk.fill("SELL", "2", "5.00")["change"] == "flipped"
    assert desk.fill("BUY", "1", "5.00", account="beta")["change"] == "increased"
    assert desk.fill("SELL", "1", "5.00", symbol="MSFT")["change"] == "closed"
    assert desk.stage.gauges() == {
        "positions": {"open": 2, "flat": 1},
        "position_changes": {"opened": 3, "increased": 1, "reduced": 0, "closed": 1, "flipped": 1},
        "marks_stale": {"": 0},
        "position_differences": {"": 0},
        "broken_risk_limits": {"": 0},
        "exits_armed": {"": 0},
        "exits_failing": {"": 0},
        "rules_disabled": {"": 0},
        "targets_open": {"": 0},
        "targets_failing": {"": 0},
    }


@pytest.mark.parametrize(
    ("quote", "mark"),
    [
        (("10.00", "10.04", "9.00"), "10.02"),
        (("10.00", "10.01", None), "10.005"),
        (("10.00", None, "9.00"), "10.00"),  # somebody bids that: the trade is older
        (("10.00", None, "11.00"), "11.00"),
        ((None, "10.04", "9.00"), "9.00"),
        ((None, "10.04", "12.00"), "10.04"),
        ((None, "-0.04", "0.00"), "-0.04"),
        ((None, None, "9.00"), "9.00"),
        ((None, "10.04", None), "10.04"),
        (("10.00", None, None), "10.00"),
    ],
)
def test_the_mark_is_the_mid_else_the_last_trade_held_to_the_one_side(
    desk: PositionsDesk, quote: tuple[str | None, str | None, str | None], mark: str
) -> None:
    desk.fill("BUY", "1", "5.00")
    [message] = desk.quote(*quote)
    assert (message["type"], message["mark_px"]) == ("PositionMarked", mark)


def test_only_open_positions_whose_mark_moved_are_marked(desk: PositionsDesk) -> None:
    desk.define("MSFT")
    desk.fill("BUY", "1", "5.00")
    desk.fill("BUY", "1", "5.00", account="beta")
    desk.fill("SELL", "1", "5.00", account="beta")
    desk.fill("BUY", "1", "5.00", symbol="MSFT")
    assert [message["account"] for message in desk.quote("5.00", "5.02")] == ["alpha"]
    assert desk.quote("4.99", "5.03") == [], "the same mid"
    assert desk.quote(None, None) == [], "a quote without a price leaves the mark"
    assert desk.fill("BUY", "1", "5.00", account="gamma")["mark_px"] == "5.01"


def test_other_events_are_skipped(desk: PositionsDesk) -> None:
    assert desk.put("OrderAccepted", **desk.order("BUY")) == []
    assert desk.fill("BUY", "1", "5.00")["seq"] == 1


@pytest.mark.parametrize("seq", [1, 3, 10])
def test_a_gap_or_a_repeat_in_the_journal_stops_the_service(desk: PositionsDesk, seq: int) -> None:
    data = b'{"type":"OrderAccepted","v":1,"seq":%d,"time":5}' % seq
    before = desk.stage.snapshot()
    with pytest.raises(Inconsistent, match=rf"events\.1 5-0: seq {seq} must be 2, the one after the last"):
        desk.fold(Entry("5-0", 5, {b"data": data}))
    assert desk.stage.snapshot() == before


def test_the_order_of_an_events_keys_is_nobodys_business(desk: PositionsDesk) -> None:
    """The contract's own JSON begins with `v`, the hot path's with `type`."""
    event = {"v": 2, "seq": 2, "time": 5, "type": "OrderFilled", **desk.order("BUY"), **FILL}
    message = journal_event.validate_python(event).model_dump_json()
    assert message.startswith('{"v":2,"seq":2,')
    [changed] = desk.fold(Entry("5-0", 5, {b"data": message.encode()}))
    assert (changed["type"], changed["last_qty"]) == ("PositionChanged", "5")


@pytest.mark.parametrize("kind", ["OrderFilled", "QuoteUpdated", "InstrumentDefined"])
def test_an_event_of_a_version_above_stops_the_service_and_is_not_buried(desk: PositionsDesk, kind: str) -> None:
    today = EVENTS[kind].VERSION
    data = orjson.dumps({"type": kind, "v": today + 1, "seq": 2, "time": 5})
    before = desk.stage.snapshot()
    with pytest.raises(Inconsistent) as stopped:
        desk.fold(Entry("5-0", 5, {b"data": data}))
    oldest = "1" if today == 1 else f"1 to {today}"
    assert str(stopped.value) == (
        f"events.1 5-0: {kind}: version {today + 1} must be {oldest}, which this release reads; "
        "a newer one wrote the journal"
    )
    assert desk.stage.snapshot() == before


def test_a_version_above_of_an_event_that_is_not_booked_is_nobodys_business(desk: PositionsDesk) -> None:
    data = orjson.dumps({"type": "OrderAccepted", "v": 2, "seq": 2, "time": 5})
    assert desk.fold(Entry("5-0", 5, {b"data": data})) == []


def test_an_event_of_an_older_version_is_booked_as_todays(desk: PositionsDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def upcast_v2_v3(event: dict[str, Any]) -> dict[str, Any]:
        event["last_px"] = event.pop("px")
        return event

    class Filled3(OrderFilled):
        v: int = of_version(3)
        UPCASTS: ClassVar[Upcasts] = {**OrderFilled.UPCASTS, 2: upcast_v2_v3}

    monkeypatch.setitem(stage._BOOKED, "OrderFilled", Filled3)  # type: ignore[arg-type]
    monkeypatch.setitem(stage._VERSIONS, "OrderFilled", 3)
    fill = {"px" if name == "last_px" else name: value for name, value in FILL.items()}
    old = {"type": "OrderFilled", "v": 2, "seq": 2, "time": 5, **desk.order("BUY"), **fill}
    [changed] = desk.fold(Entry("5-0", 5, {b"data": orjson.dumps(old)}))
    assert changed["last_px"] == "5.00"
    now = {"type": "OrderFilled", "v": 3, "seq": 3, "time": 5, **desk.order("BUY"), **FILL, "exec_id": "SIM-0-3-B"}
    [changed] = desk.fold(Entry("5-1", 5, {b"data": orjson.dumps(now)}))
    assert changed["position"] == "10"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {b"x": b"y"},
        {b"data": b""},
        {b"data": b"{}"},
        {b"data": b"\xff\x00"},
        {b"data": b"[]"},
        {b"data": b'{"type":"OrderFilled","v":0,"seq":2}'},
        {b"data": b'{"type":"OrderFilled","v":true,"seq":2}'},
        {b"data": b'{"type":"OrderFilled","v":1,"seq":-2}'},
        {b"data": b'{"type":"OrderFilled","v":1}'},
    ],
    ids=[
        "nothing",
        "another field",
        "empty",
        "no type",
        "no text",
        "a list",
        "no version",
        "a flag",
        "below",
        "no seq",
    ],
)
def test_what_is_no_event_is_bad_and_changes_nothing(desk: PositionsDesk, fields: dict[bytes, bytes]) -> None:
    before = desk.stage.snapshot()
    with pytest.raises(BadEntry, match=r"^data: (.* )?(must be|is missing)") as caught:
        desk.fold(Entry("5-0", 5, fields))
    assert caught.value.reason == "not_an_event"
    assert desk.stage.snapshot() == before


@pytest.mark.parametrize(
    "fields",
    [
        {"symbol": "MSFT"},
        {"last_px": "5.001"},
        {"last_qty": "0.5"},
        {"last_qty": "-1"},
        {"currency": "EUR"},
        {"fee": "0.0000000000001"},
    ],
    ids=str,
)
def test_a_fill_that_does_not_fit_its_instrument_stops_the_service(desk: PositionsDesk, fields: dict[str, str]) -> None:
    before = desk.stage.snapshot()
    with pytest.raises(Inconsistent, match=r"event 2: .* must be"):
        desk.fill("BUY", "1", "5.00", **fields)
    assert desk.stage.snapshot() == before


def test_a_finer_or_coarser_grid_keeps_every_position(desk: PositionsDesk) -> None:
    desk.fill("BUY", "10", "5.01", fee="0.1")
    desk.quote("5.00", "5.01")
    for tick, lot in (("0.005", "0.1"), ("0.05", "1"), ("0.01", "3")):
        assert desk.define(tick_size=tick, lot_size=lot) == []
    message = desk.fill("SELL", "4.5", "5.005")
    assert (message["position"], message["realized_pnl"], message["change"]) == ("5.5", "-0.0225", "reduced")
    assert (message["mark_px"], message["avg_px"], message["fees"]) == ("5.005", "5.010", "0.1")


def test_another_worth_is_refused_while_there_are_positions(desk: PositionsDesk) -> None:
    desk.define(multiplier="10")
    assert desk.dead == [], "nothing is counted in it yet"
    desk.fill("BUY", "1", "5.00")
    desk.define(multiplier="5")
    [letter] = desk.dead
    assert letter["reason"] == "terms_changed"
    assert letter["text"] == ("AAPL: multiplier: 5 must stay 10, positions are counted in it; the old terms stay")
    assert desk.fill("SELL", "1", "6.00")["realized_pnl"] == "10", "the journal goes on, the old terms count"


def test_defining_an_instrument_again_keeps_its_mark(desk: PositionsDesk) -> None:
    desk.quote("5.00", "5.02")
    desk.define()
    assert desk.fill("BUY", "1", "5.00")["mark_px"] == "5.01"


def test_a_snapshot_is_the_whole_state_even_beyond_64_bits(desk: PositionsDesk) -> None:
    desk.define("BIG", tick_size="0.00000001", lot_size="0.00000001")
    for i in range(9):
        desk.fill("BUY" if i % 3 else "SELL", f"{i + 1}000000000", "99999999999.01", symbol="BIG", account=f"a{i}")
        desk.fill("BUY", f"{2 * i + 1}", "5.00")
        desk.fill("SELL", "1", "5.03")
    desk.quote("5.00", "5.01")
    other = PositionsDesk()
    other.stage.restore(desk.stage.snapshot())
    other.seq = desk.seq
    assert other.stage.snapshot() == desk.stage.snapshot()
    assert other.stage.gauges() == desk.stage.gauges()
    assert other.fill("SELL", "3", "5.05") == desk.fill("SELL", "3", "5.05")
    assert other.quote("5.00", "5.02") == desk.quote("5.00", "5.02")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("tick_size", "0", "AAPL: tick_size: '0' must be above 0"), ("currency", "U S", "currency: 'U S' must match")],
)
def test_terms_that_are_none_stop_the_stage(field: str, value: str, words: str) -> None:
    terms = {"tick_size": "0.01", "lot_size": "1", "multiplier": "1", "currency": "USD", field: value}
    event = {"type": "InstrumentDefined", "v": 1, "seq": 1, "time": T0, "symbol": "AAPL", "instrument_id": 1, **terms}
    with pytest.raises(Inconsistent, match="event 1: ") as stopped:
        PositionsDesk().fold(Entry(f"{T0}-0", T0, {b"data": orjson.dumps(event)}))
    assert words in str(stopped.value)


def test_an_instrument_is_marked_by_its_own_venues_quotes_alone(desk: PositionsDesk) -> None:
    desk.define("AAPL", venue="SIM2")
    desk.fill("BUY", "10", "10.00")
    assert desk.quote("9.00", "9.02") == [], "SIM quotes it, too, and is not where it is traded"
    [marked] = desk.quote("10.10", "10.12", venue="SIM2")
    assert (marked["mark_px"], marked["unrealized_pnl"]) == ("10.11", "1.1")
    again = PositionStage(1)
    again.restore(desk.stage.snapshot())
    assert again.snapshot() == desk.stage.snapshot()
