"""Any entries end in events or dead letters, alike every time they are folded, with one answer to each instruction."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from fillstream.libs.common.engine.frames import PARTITION_ALL, CommandType, Reason, ReportType
from fillstream.libs.common.messages.codes import TimeInForce
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM, Topology
from fillstream.libs.common.runtime.stage import Outputs
from fillstream.services.order_service.orders.config import DeskConfig, day_end
from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support.orders import CONFIG, OrdersDesk, fold_all, new_order, report, request
from tests.support.terms import but

# Short lives, so that scripts of a few minutes see orders leave the state.
SHORT = DeskConfig(instruments=CONFIG.instruments, accounts=CONFIG.accounts, retention_ms=500, idempotency_ms=2_000)

# Many orders whose time in force ends while a script runs.
DAILY = but(CONFIG, default_time_in_force=TimeInForce.DAY)

# What an order needs to reach the venue comes most often: most of what can happen, happens after that.
names = st.sampled_from(["AAPL"] * 6 + ["BTCUSDT", "ES", "MSFT"])
accounts = st.sampled_from(["default"] * 6 + ["other", "nobody"])
sides = st.sampled_from(["BUY", "SELL"])
ids = st.sampled_from([f"c{i}" for i in range(6)])
order_ids = st.integers(1, 4)
prices = st.sampled_from(
    ["185.00", "184.99", "185.01", "1.85E+2", "60000.0", "4500.25", "0.001", "-1", "1E+2", "186.86"]
)
quantities = st.sampled_from(["1", "10", "100", "50", "20", "0.5", "0.00001", "1000000", "1E+1", "2"])

new_orders = st.builds(
    lambda price, **fields: new_order(price=price, **fields),
    price=st.none() | prices,
    signal_id=ids,
    client_order_id=ids,
    account=accounts,
    symbol=names,
    side=sides,
    quantity=quantities,
    order_type=st.none(),
    time_in_force=st.sampled_from([None, "DAY", "GTC", "IOC", "FOK"]),
    strategy=st.sampled_from([None, "mean-rev"]),
    confidence=st.sampled_from([None, "0.5"]),
)
named = st.one_of(
    st.fixed_dictionaries({"order_id": order_ids.map(str)}),
    st.fixed_dictionaries({"orig_client_order_id": ids}),
)
requests = st.one_of(
    st.builds(lambda a, n: request("CancelOrder", account=a, **n), accounts, named),
    st.builds(
        lambda a, n, q, p: request("ReplaceOrder", account=a, quantity=q, price=p, **n),
        accounts,
        named,
        quantities,
        st.none() | prices,
    ),
    st.builds(lambda a, i: request("ReportStatus", account=a, client_order_id=i), accounts, ids),
)
reports = st.builds(
    report,
    st.sampled_from([k for k in ReportType if k not in (ReportType.QUOTED, ReportType.PRINTED)]),
    order_ids,
    price=st.integers(18490, 18510),
    qty=st.integers(0, 60),
    match_id=st.integers(1, 1000),
    account=st.sampled_from([1, 1, 1, 1, 2]),
    symbol=st.sampled_from([1, 1, 1, 1, 2]),
    side=st.integers(0, 2),
    reason=st.sampled_from([*Reason, 99]),
    flags=st.integers(0, 3),
)
market = st.builds(
    report,
    st.sampled_from([ReportType.QUOTED, ReportType.PRINTED]),
    price=st.integers(18400, 18510),
    qty=st.integers(0, 5),
    leaves=st.integers(18500, 18600),
    aux=st.integers(0, 5),
    symbol=st.integers(1, 4),
    partition=st.just(PARTITION_ALL),
)
# What a venue may say of an order that reached it, and a client ask of it; mostly what makes sense, not always.
orderly = st.tuples(
    st.sampled_from([*["fill"] * 6, *["accept"] * 3, "canceled", "expired", "rejected", "replaced"])
    | st.sampled_from(["cancel", "replace", "cancel_rejected", "replace_rejected"]),
    st.integers(0, 5),
    st.integers(1, 60),
)
entries = st.one_of(
    new_orders.map(lambda document: {b"data": orjson.dumps(document)}),
    st.builds(
        lambda i, s: {b"data": orjson.dumps(new_order(signal_id=f"g{i}", side=s, price="185.00", quantity="50"))},
        order_ids,
        sides,
    ),
    orderly,
    orderly,
    requests.map(lambda document: {b"data": orjson.dumps(document)}),
    st.lists(reports | market, min_size=1, max_size=4).map(lambda records: {b"frame": b"".join(records)}),
    st.just({b"tick": b"1"}),
)
scripts = st.lists(st.tuples(st.sampled_from([0, 0, 1, 300, 700]), entries), min_size=15, max_size=60)
REPORTS = {
    "accept": ReportType.ACCEPTED,
    "fill": ReportType.FILLED,
    "canceled": ReportType.CANCELED,
    "expired": ReportType.EXPIRED,
    "rejected": ReportType.REJECTED,
    "replaced": ReportType.REPLACED,
    "cancel_rejected": ReportType.CANCEL_REJECTED,
    "replace_rejected": ReportType.REPLACE_REJECTED,
}


def fields_of(entry: Any, desk: OrdersDesk) -> dict[bytes, bytes]:
    """Return the fields of an entry; an orderly step becomes a report or a request of an order that was routed."""
    if isinstance(entry, dict):
        return entry
    what, which, size = entry
    routed = [command for command in desk.commands if command.type == CommandType.NEW]
    if not routed:
        return {b"tick": b"1"}
    order = routed[-1 - which % len(routed)]
    if what in REPORTS:
        desk.matches += 1
        record = report(
            REPORTS[what],
            order.order_id,
            price=18500,
            qty=size,
            match_id=desk.matches,
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            reason=Reason.REQUESTED,
            flags=1 + size % 2,
        )
        return {b"frame": record}
    account = "default" if order.account == 1 else "other"
    kind, change = ("CancelOrder", {}) if what == "cancel" else ("ReplaceOrder", {"quantity": str(size)})
    document = request(kind, account=account, order_id=str(order.order_id), **change)
    return {b"data": orjson.dumps(document)}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | quantities | prices,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None)
@given(scripts, st.data())
def test_a_replay_says_the_same_from_the_start_or_from_any_snapshot(script: list[Any], data: st.DataObject) -> None:
    desk = OrdersDesk(SHORT)
    desk.quote(18490, 18500)
    for step_ms, entry in script:
        desk.ms += step_ms
        desk.fold(fields_of(entry, desk))  # which checks every event against its contract and the quantity rules
    desk.tick()
    digest, snapshot = desk.out.digest, desk.stage.snapshot()

    again = OrdersStage(Topology(), 0, SHORT)
    assert fold_all(again, desk.entries, Outputs("orders", again.inbox)) == digest
    assert again.snapshot() == snapshot

    cut = data.draw(st.integers(0, len(desk.entries)))
    first = OrdersStage(Topology(), 0, SHORT)
    out = Outputs("orders", first.inbox)
    fold_all(first, desk.entries[:cut], out)
    second = OrdersStage(Topology(), 0, SHORT)
    second.restore(first.snapshot())
    assert second.snapshot() == first.snapshot()
    assert fold_all(second, desk.entries[cut:], out) == digest
    assert second.snapshot() == snapshot


def without_time(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in event.items() if name != "time"} for event in events]


CARELESS = but(DAILY, venues={SIM: VenueTerms(simulated=False, expires=False)})


@settings(max_examples=150, deadline=None)
@given(scripts, st.data())
def test_more_ticks_in_between_change_nothing_but_when_it_is_told(script: list[Any], data: st.DataObject) -> None:
    """At a venue that leaves expiries to the desk, on a desk that lets go of nothing meanwhile."""
    desk, ticked = OrdersDesk(CARELESS), OrdersDesk(CARELESS)
    for each in (desk, ticked):
        each.ms = day_end(each.ms) - 5_000
    begun = len(desk.entries)
    desk.quote(18490, 18500)
    for step_ms, entry in script:
        desk.ms += 10 * step_ms
        desk.fold(fields_of(entry, desk))
    desk.ms += 60_000
    desk.tick(0)
    for entry in desk.entries[begun:]:
        for ms in data.draw(st.lists(st.integers(ticked.ms, entry.ms), max_size=2).map(sorted)):
            ticked.ms = ms
            ticked.tick(0)
        ticked.ms = entry.ms
        ticked.fold({**entry.fields})
    assert without_time(ticked.events) == without_time(desk.events)
    assert ticked.commands == desk.commands
    for early, late in zip(ticked.events, desk.events, strict=True):
        assert early.get("due_time", 0) <= early["time"] <= late["time"]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(new_orders, requests), min_size=1, max_size=15))
def test_every_instruction_has_exactly_one_answer(documents: list[dict[str, Any]]) -> None:
    desk = OrdersDesk()
    desk.quote(18490, 18500)
    answers = {
        "NewOrder": {"OrderReceived", "OrderRejected", "OrderStatusReported"},
        "CancelOrder": {"OrderCancelRequested", "OrderCancelRejected"},
        "ReplaceOrder": {"OrderReplaceRequested", "OrderReplaceRejected"},
        "ReportStatus": {"OrderStatusReported", "OrderCancelRejected"},
    }
    for document in documents:
        commands = len(desk.commands)
        [event] = desk.fold({b"data": orjson.dumps(document)})
        assert event["type"] in answers[document["type"]]
        assert event["signal_id"] == document["signal_id"]
        routed = event["type"] in ("OrderReceived", "OrderCancelRequested", "OrderReplaceRequested")
        assert len(desk.commands) == commands + routed
    assert desk.dead == []


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(new_orders, requests),
    st.dictionaries(st.sampled_from([*new_order(), "order_id", "orig_client_order_id", "x"]), json_values, max_size=3),
    st.sets(st.sampled_from([*new_order(), "order_id"]), max_size=1),
)
def test_any_instruction_ends_in_one_event_or_one_dead_letter(
    document: dict[str, Any], changes: dict[str, Any], gone: set[str]
) -> None:
    desk = OrdersDesk()
    desk.quote(18490, 18500)
    changed = {name: value for name, value in (document | changes).items() if name not in gone}
    try:
        data = orjson.dumps(changed)
    except TypeError:  # an integer beyond 64 bits is no JSON of ours
        return
    state = desk.stage.snapshot()
    events = desk.fold({b"data": data})
    assert len(events) + len(desk.dead) == 1
    if not events:
        assert desk.stage.snapshot() == state


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([b"data", b"frame", b"config", b"x"]), st.binary(max_size=200), max_size=2))
def test_any_bytes_end_in_a_dead_letter_and_change_nothing(fields: dict[bytes, bytes]) -> None:
    frame = fields.get(b"frame", b"")
    if len(fields) == 1 and frame and len(frame) % 64 == 0:
        return
    OrdersDesk().dead_letter(fields)


@settings(max_examples=150, deadline=None)
@given(st.binary(min_size=64, max_size=64), st.integers(0, 12), st.sampled_from([0, PARTITION_ALL]))
def test_any_record_is_applied_or_goes_to_dead(noise: bytes, kind: int, partition: int) -> None:
    desk = OrdersDesk()
    desk.new(price="185.00")
    # Noise with a type and a partition that are read, and half the time of an order that is there.
    order_id = noise[0] % 2
    record = (
        order_id.to_bytes(8, "little")
        + noise[8:48]
        + (1).to_bytes(4, "little") * 2
        + bytes((kind, noise[57] % 3, noise[58], noise[59]))
        + partition.to_bytes(2, "little")
        + noise[62:]
    )
    before = desk.stage.snapshot()
    for one in (noise, record):
        desk.fold({b"frame": one})
    market = kind in (ReportType.QUOTED, ReportType.PRINTED)
    reasons = [orjson.loads(letter[b"data"])["reason"] for letter in desk.dead]
    if "price_not_positive" in reasons:
        assert kind == ReportType.QUOTED or desk.stage.snapshot() == before, "a quote that is none takes one away"
    elif len(desk.dead) == 2:
        assert desk.stage.snapshot() == before
    else:
        assert market or len(desk.events) > 6, "what is no market data and not dead is an event"
