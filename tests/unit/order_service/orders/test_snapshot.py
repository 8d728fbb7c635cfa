"""A snapshot of the orders stage names every field: a new one with a default loads from an older snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.values.versions import Unreadable
from fillstream.services.order_service.orders import snapshot
from fillstream.services.order_service.orders.order import Order
from fillstream.services.order_service.orders.snapshot import dump, load
from fillstream.services.order_service.orders.state import State
from tests.support.orders import CONFIG, OrdersDesk

Change = Callable[[dict[str, Any]], object]


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
    assert [order["order_id"] for order in document["orders"]] == [2]
    assert document["orders"][0]["amendment"]["quantity"] == 90
    return document


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
    kept["orders"] = [dict(reversed(order.items())) for order in kept["orders"]]
    names, rows = kept["remembered"]["names"], kept["remembered"]["rows"]
    turned = {**kept, "remembered": {"record": "Remembered", "names": names[::-1], "rows": [row[::-1] for row in rows]}}
    assert dump(restored(turned)) == dump(restored(kept))


def test_a_field_with_a_default_is_missing_in_an_older_snapshot(kept: dict[str, Any]) -> None:
    """As every field will be that a later release adds."""
    del kept["orders"][0]["finished_ms"]
    [order] = restored(kept).live()
    assert order.finished_ms == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.update(version=5), "orders snapshot: version 5 must be 2 to 4, which this release reads"),
        (lambda d: d.pop("version"), "orders snapshot: version None must be 2 to 4, which this release reads"),
        (lambda d: d.update(groups=[]), "orders snapshot: groups is no field that this release knows"),
        (lambda d: d.pop("daily"), "orders snapshot: daily is missing"),
        (lambda d: d["orders"][0].update(parent_id=1), "Order: parent_id is no field that this release knows"),
        (lambda d: d["orders"][0].pop("price"), "Order: price is missing"),
        (lambda d: d["orders"][0].update(terms="OLD"), "Order 2: terms OLD must be defined, and so must venue SIM"),
        (lambda d: d["orders"][0].update(record="Parent"), "orders snapshot: record Parent must be Order"),
        (lambda d: d["orders"][0]["amendment"].update(why=1), "Amendment: why is no field that this release knows"),
        (lambda d: d["remembered"].update(record="Kept"), "orders snapshot: record Kept must be Remembered"),
        (lambda d: d["remembered"]["names"].append("why"), "Remembered: why is no field that this release knows"),
        (lambda d: d["remembered"]["names"].remove("status"), "Remembered: status is missing"),
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


def test_a_snapshot_that_is_no_object_is_refused() -> None:
    with pytest.raises(Unreadable, match="orders snapshot: must be an object with named fields, got list"):
        load(b"[1, 2]", Topology(), 0)


def test_there_is_a_step_from_every_version_to_the_next() -> None:
    assert sorted(snapshot.UPCASTS) == list(range(min(snapshot.UPCASTS), snapshot.VERSION))
