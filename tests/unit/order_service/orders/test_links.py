"""Families of orders: what ties an order to others is on all its events, and a plain order has none of it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.signals import LINKS
from tests.support.orders import OrdersDesk, new_order

FAMILY = {"parent_id": "7", "group_id": "basket-7", "position_id": None}
TOLD = {"parent_id": "7", "group_id": "basket-7"}


@pytest.fixture
def desk() -> OrdersDesk:
    desk = OrdersDesk()
    desk.quote(18490, 18500)
    return desk


def told(event: dict[str, Any]) -> dict[str, Any]:
    return {name: event[name] for name in LINKS if name in event}


def test_every_event_of_an_order_says_its_families(desk: OrdersDesk) -> None:
    events = [desk.new(price="185.00", links=FAMILY), desk.accept(), desk.fill(40)]
    events += [desk.cancel(orig_client_order_id="s1"), desk.canceled(), desk.status(client_order_id="s1")]
    assert [event["type"] for event in events] == [
        "OrderReceived", "OrderAccepted", "OrderFilled", "OrderCancelRequested", "OrderCanceled", "OrderStatusReported",
    ]  # fmt: skip
    assert [told(event) for event in events] == [TOLD] * 6


def test_a_plain_order_has_no_word_of_it(desk: OrdersDesk) -> None:
    assert told(desk.new(price="185.00")) == {}
    assert told(desk.new(price="185.00", symbol="NOPE", signal_id="s2")) == {}
    document = orjson.loads(desk.stage.snapshot())
    assert document["orders"]["count"] == 1
    assert "links" not in document["orders"]["columns"]


def test_a_refused_order_says_its_families_once(desk: OrdersDesk) -> None:
    refused = desk.new(price="185.00", symbol="NOPE", links=FAMILY)
    assert (refused["type"], told(refused)) == ("OrderRejected", TOLD)
    assert told(desk.status(client_order_id="s1")) == {}, "what is remembered of it is its id and its status"


def test_a_snapshot_keeps_the_families_of_live_orders(desk: OrdersDesk) -> None:
    desk.new(price="185.00", signal_id="s1", links=FAMILY)
    desk.new(price="185.00", signal_id="s2", symbol="NOPE", links=FAMILY)
    before = desk.stage.snapshot()
    assert desk.restarted() is None
    assert desk.stage.snapshot() == before
    assert told(desk.status(client_order_id="s1")) == TOLD


@pytest.mark.parametrize(
    ("links", "reason", "sentence"),
    [
        ({"parent_id": 7}, "bad_value", "parent_id: must match ^[1-9][0-9]{0,18}$, got 7"),
        ({"parent_id": "07"}, "bad_value", "parent_id: must match ^[1-9][0-9]{0,18}$, got '07'"),
        ({"group_id": "a b"}, "bad_value", "group_id: must match"),
        ({"position_id": []}, "bad_value", "position_id: must match"),
        ({"basket": "x"}, "unknown_field", "links: 'basket' is none of parent_id, group_id, position_id"),
        ({}, "bad_value", "links: names none of parent_id, group_id, position_id; a plain order has no links"),
        ("basket", "bad_value", "links: must be an object, got 'basket'"),
        (None, "bad_value", "links: must be an object, got None"),
    ],
)
def test_links_that_are_none_are_refused_in_a_sentence(
    desk: OrdersDesk, links: Any, reason: str, sentence: str
) -> None:
    letter = desk.dead_letter({b"data": orjson.dumps(new_order(price="185.00", links=links))})
    assert letter["reason"] == reason
    assert letter["text"].startswith(sentence)


def test_a_cancel_has_no_links_and_an_odd_key_beside_them_is_told(desk: OrdersDesk) -> None:
    cancel = {"type": "CancelOrder", "v": 1, "signal_id": "r1", "account": "default", "order_id": "1",
              "orig_client_order_id": None, "signal_time": 5, "links": FAMILY}  # fmt: skip
    assert desk.dead_letter({b"data": orjson.dumps(cancel)})["reason"] == "unknown_field"
    document = new_order(price="185.00", links=FAMILY, odd=1)
    letter = desk.dead_letter({b"data": orjson.dumps(document)})
    assert letter["reason"] == "unknown_field"
