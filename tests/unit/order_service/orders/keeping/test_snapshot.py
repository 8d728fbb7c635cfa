"""A snapshot of the orders stage names every field: a new one with a default loads from an older snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.values.versions import Unreadable
from fillstream.services.order_service.orders.keeping import snapshot
from fillstream.services.order_service.orders.keeping.snapshot import dump, load
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.life.remembered import Remembered
from fillstream.services.order_service.orders.state import State
from tests.support.orders import CONFIG, OrdersDesk

Change = Callable[[dict[str, Any]], object]
V5: dict[str, Any] = {
    "record": "Remembered",
    "names": [
        "order_id", "client_order_id", "account", "symbol", "side", "status", "quantity", "cum_qty", "avg_px",
        "received_ms",
    ],
    "rows": [],
}  # fmt: skip
"""A table of remembered orders as version 5 and those before had it."""


@pytest.fixture
def kept() -> dict[str, Any]:
    """A state with a live order that is being amended, one that is remembered, quotes and a day's count."""
    desk = OrdersDesk()
    desk.quote(18490, 18500)
    desk.new(price="185.00")
    desk.canceled()
    desk.tick(CONFIG.retention_ms)
    desk.quote(18490, 18500)
    desk.new(price="185.00", signal_id="s2", client_order_id="s2")
    desk.accept(2)
    desk.fill(40, order_id=2)
    desk.replace(orig_client_order_id="s2", quantity="90", price="185.00")
    document: dict[str, Any] = orjson.loads(desk.stage.snapshot())
    columns = document["orders"]["columns"]
    assert columns["order_id"] == {"same": 2}
    assert columns["amendment"]["same"]["quantity"] == 90
    return document


def columns(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["orders"]["columns"]
    return found


def restored(document: dict[str, Any]) -> State:
    return load(orjson.dumps(document), Topology(), 0)


def test_what_was_dumped_is_loaded_by_name(kept: dict[str, Any]) -> None:
    state = restored(kept)
    assert orjson.loads(dump(state)) == kept
    order = state.find_client("default", "s2")
    assert isinstance(order, Order)
    assert (order.cum, order.notional, order.amendment and order.amendment.quantity) == (40, 40 * 18500, 90)
    again = state.find_client("default", "s1")
    assert again is not None
    assert again.status == "Canceled"


def test_the_order_of_names_is_nobodys_business(kept: dict[str, Any]) -> None:
    before = kept["orders"]
    columns = before["columns"]
    kept["orders"] = {**before, "columns": dict(reversed(columns.items()))}
    assert orjson.loads(dump(restored(kept)))["orders"] == before


def test_a_field_with_a_default_is_missing_in_an_older_snapshot(kept: dict[str, Any]) -> None:
    """As every field will be that a later release adds."""
    del kept["orders"]["columns"]["finished_ms"]
    [order] = restored(kept).live()
    assert order.finished_ms == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.update(version=7), "orders snapshot: version 7 must be 2 to 6, which this release reads"),
        (lambda d: d.pop("version"), "orders snapshot: version None must be 2 to 6, which this release reads"),
        (lambda d: d.update(groups=[]), "orders snapshot: groups is no field that this release knows"),
        (lambda d: d.pop("daily"), "orders snapshot: daily is missing"),
        (lambda d: columns(d).update(parent_id={"same": 1}), "Order: parent_id is no field that this release knows"),
        (lambda d: columns(d).pop("price"), "Order: price is missing"),
        (lambda d: columns(d).update(terms={"same": "OLD"}), "Order 2: terms OLD must be defined, and so must venue"),
        (lambda d: d["orders"].update(record="Parent"), "orders snapshot: record Parent must be Order"),
        (lambda d: columns(d).update(price=[1, 2]), "Order: column price of 2 values must have 1, one for each order"),
        (lambda d: columns(d).update(side={"all": 1}), "Order: column side of all must be a list, same, or codes and"),
        (lambda d: columns(d)["amendment"]["same"].update(why=1), "Amendment: why is no field that this release knows"),
        (lambda d: d["remembered"].update(salt=1), "remembered: salt is no field that this release knows"),
        (lambda d: d["remembered"].update(payload_bytes=9), "orders snapshot: payload_bytes 9 must be 15"),
        (lambda d: d["remembered"]["statuses"].pop(), "orders snapshot: statuses ['Filled', 'Canceled', 'Rejected'"),
        (lambda d: d["remembered"]["chunks"][0].__setitem__(1, "AAAA"), "orders snapshot: remembered: chunk 0: no id"),
        (lambda d: d["remembered"]["chunks"][0].__setitem__(1, "?"), "orders snapshot: remembered: Only base64 data"),
        (lambda d: d.update(version=5, remembered=V5 | {"record": "Kept"}), "orders snapshot: record Kept must be Rem"),
        (lambda d: d.update(version=5, remembered=V5 | {"names": ["why"]}), "Remembered: why is no field that this"),
        (lambda d: d.update(version=5, remembered=V5 | {"names": V5["names"][1:]}), "Remembered: order_id is missing"),
        (lambda d: d["quotes"][0].update(depth=1), "quote: depth is no field that this release knows"),
    ],
)  # fmt: skip
def test_what_this_release_does_not_know_is_refused_in_a_sentence(
    kept: dict[str, Any], change: Change, sentence: str
) -> None:
    change(kept)
    with pytest.raises(Unreadable) as refused:
        restored(kept)
    assert str(refused.value).startswith(sentence)


GROUP = {"parent_id": None, "group_id": "g", "position_id": None}


def busy_desk(refused: bool = True) -> OrdersDesk:
    """Orders of every kind, in turns: live, remembered if any is refused, with links, with texts that JSON escapes."""
    desk = OrdersDesk()
    desk.quote(18490, 18500)
    desk.new(price="185.00", signal_id="live", strategy="mean")
    unknown = "NOPE" if refused else "AAPL"
    desk.new(price="185.00", signal_id='quote"backslash\\],[', symbol=unknown)
    desk.new(price="184.00", signal_id="two", account="other", strategy="trend", side="SELL")
    desk.new(
        price="185.00",
        signal_id="linked",
        symbol=unknown,
        links={"parent_id": None, "group_id": 'g"]]', "position_id": None},
    )
    desk.new(price="185.00", signal_id="bound", links=GROUP)
    desk.accept(1)
    desk.fill(40, order_id=1, price=18500)
    return desk


def test_every_order_is_found_again_by_its_id_and_its_clients() -> None:
    desk = busy_desk()
    data = desk.stage.snapshot()
    assert data.count(b"\n") == 2, "a line for each chunk of remembered orders, and what stands around them"
    state = load(data, Topology(), 0)
    assert dump(state) == data
    before = load(orjson.dumps(orjson.loads(data)), Topology(), 0)
    assert dump(before) == data, "lines are only a faster way in"
    assert [*state.orders] == [1, 3, 5]
    for order in state.live():
        assert state.find(order.order_id) is state.find_client(order.account, order.client_order_id) is order
    for number, client_order_id in ((2, 'quote"backslash\\],['), (4, "linked")):
        refused = Remembered(number, client_order_id, "default", None, "BUY", "Rejected")
        assert state.find_client("default", client_order_id) == refused
        assert state.find(number) == refused._replace(client_order_id=None)


@pytest.mark.parametrize("in_lines", [True, False])
def test_remembered_orders_of_older_releases_are_read(in_lines: bool) -> None:
    """Each had its quantities, and those with links a table of their own."""
    desk = busy_desk()
    document = orjson.loads(desk.stage.snapshot())
    rows = [
        [2, 'quote"backslash\\],[', "default", "NOPE", "BUY", "Rejected", "100", "0", None, desk.ms],
        [4, "linked", "default", "NOPE", "BUY", "Rejected", "100", "0", None, desk.ms, [None, 'g"]]', None]],
    ]
    plain, linked = ([row] for row in rows)
    tables = {
        "remembered": V5 | {"rows": _lines(plain) if in_lines else plain},
        "remembered_linked": V5 | {"names": [*V5["names"], "links"], "rows": _lines(linked) if in_lines else linked},
    }
    data = orjson.dumps(document | {"version": 5} | tables, option=orjson.OPT_SORT_KEYS)
    assert dump(load(data, Topology(), 0)) == desk.stage.snapshot()


def _lines(rows: list[list[Any]]) -> orjson.Fragment:
    return orjson.Fragment(b"[\n" + b",\n".join(map(orjson.dumps, rows)) + b"\n]")


def test_orders_that_were_written_one_by_one_are_read_as_well() -> None:
    """As 0.2.0 wrote them."""
    data = busy_desk(refused=False).stage.snapshot()
    document = orjson.loads(data)
    table, count = document["orders"]["columns"], document["orders"]["count"]
    assert count == 5
    rows: list[dict[str, Any]] = [{"record": "Order"} for _ in range(count)]
    for name, column in table.items():
        for number, row in enumerate(rows):
            row[name] = value_of(column, number)
            if name == "links" and row[name] is None:
                del row[name]
    older = {**document, "version": 4, "orders": rows, "remembered": V5}
    assert dump(load(orjson.dumps(older), Topology(), 0)) == data
    del rows[1]["side"]
    with pytest.raises(Unreadable, match="is not as version 4 was: Unreadable: Order: side is missing"):
        load(orjson.dumps(older), Topology(), 0)


def value_of(column: Any, number: int) -> Any:
    if isinstance(column, list):
        return column[number]
    return column["same"] if "same" in column else column["values"][column["codes"][number]]


def test_a_snapshot_that_is_no_object_is_refused() -> None:
    with pytest.raises(Unreadable, match="orders snapshot: must be an object with named fields, got list"):
        load(b"[1, 2]", Topology(), 0)


def test_there_is_a_step_from_every_version_to_the_next() -> None:
    assert sorted(snapshot.UPCASTS) == list(range(min(snapshot.UPCASTS), snapshot.VERSION))
