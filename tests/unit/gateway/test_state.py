"""What the gateway knows is what the stages know: folded from a whole desk's public streams, crashes and all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.values.versions import Unreadable
from fillstream.services.gateway.state.desk import Change, Desk, Rewound
from fillstream.services.gateway.state.orders import FINAL, Orders
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support.both_stages import held_and_booked, stages_of
from tests.support.gateway_played import Entry, entries_of, played


def known(entries: Iterator[Entry] | list[Entry], keep: int = 100_000) -> Desk:
    found = Desk(keep)
    for entry in entries:
        found.fold(*entry)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_orders_and_positions_are_as_the_stages_have_them(seed: int) -> None:
    played_desk = played(seed)
    desk = known(entries_of(played_desk))
    compared = 0
    for stage in stages_of(played_desk):
        if not isinstance(stage, OrdersStage):
            continue
        for order_id, order in stage._state.orders.items():
            if not isinstance(order, Order):
                continue
            row, lot = desk.orders.by_id[str(order_id)].row, order.terms.lot
            assert (row["ord_status"], row["quantity"], row["cum_qty"]) == (
                order.status, lot.text(order.quantity), lot.text(order.cum),
            )  # fmt: skip
            compared += 1
    assert compared > 5
    assert desk.gaps == []
    held, _ = held_and_booked(played_desk)
    told = {
        (row["account"], row["symbol"]): int(Decimal(row["position"])) for row in desk.positions.open.values()
    }  # fmt: skip
    assert {key: quantity for key, (quantity, _, _) in held.items() if quantity} == {
        key: quantity for key, quantity in told.items() if quantity
    }


def test_fills_add_up_to_what_orders_have_filled() -> None:
    desk = known(entries_of(played(3)))
    filled: Counter[str] = Counter()
    for row in desk.orders.fills.values():
        filled[row["order_id"]] += int(Decimal(row["last_qty"])) * ("busted_time" not in row)
    assert len(filled) > 5
    of_others = {name: int(Decimal(order.row["cum_qty"])) for name, order in desk.orders.by_id.items()}
    children = {order.row["parent_id"] for order in desk.orders.by_id.values() if "parent_id" in order.row}
    for name, cum in of_others.items():
        assert filled[name] == cum or (name in children and name not in filled)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_snapshot_at_any_place_and_the_rest_is_the_same_as_all_of_it(seed: int) -> None:
    entries = [*entries_of(played(seed))]
    whole = known(entries)
    for cut in (0, len(entries) // 3, len(entries) - 1):
        first = known(entries[:cut])
        again = Desk()
        again.load(first.dump())
        for entry in entries[cut:]:
            again.fold(*entry)
        assert orjson.loads(again.dump()) == orjson.loads(whole.dump())


def test_what_is_done_is_forgotten_oldest_first_and_what_works_never() -> None:
    entries = [*entries_of(played(4))]
    whole, few = known(entries), known(entries, keep=3)
    working = {name for name, order in whole.orders.by_id.items() if order.row["ord_status"] not in FINAL}
    assert working <= few.orders.by_id.keys()
    assert len(few.orders.by_id) == len(working) + 3
    assert few.orders.forgotten == len(whole.orders.by_id) - len(few.orders.by_id)
    assert len(few.orders.fills) == 3
    for (account, name), order_id in few.orders._clients.items():
        assert few.orders.by_id[order_id].row["client_order_id"] == name and account
    assert set(few.orders.of_signal.values()) <= set(few.orders.by_id)


def test_every_change_is_told_with_the_row_that_it_moved() -> None:
    entries = [*entries_of(played(5))]
    heard: list[Change] = []
    desk = Desk()
    stop = desk.listen(heard.append)
    last = max(number for number, (_, _, fields) in enumerate(entries) if b"data" in fields)
    for entry in entries[:last]:
        desk.fold(*entry)
    stop()
    messages = [fields for _, _, fields in entries[:last] if b"data" in fields]
    assert len(heard) == len(messages)
    tables = Counter(change.moved[0] for change in heard if change.moved)
    assert {"orders", "positions", "quotes", "exits", "targets", "controls", "instruments", "accounts"} <= tables.keys()
    desk.fold(*entries[last])
    assert len(heard) == len(messages)


def test_a_stream_whose_numbers_fall_is_another_one() -> None:
    entries = [*entries_of(played(5))]
    desk = Desk()
    for entry in entries:
        desk.fold(*entry)
    stream, entry_id, fields = next(each for each in entries if each[0] == "events.0" and b"data" in each[2])
    with pytest.raises(Rewound, match=f"events.0: {entry_id} has the number 1, and"):
        desk.fold(stream, entry_id, fields)
    desk.takes_all = True  # a log that is read from its beginning is all there is
    desk.fold(stream, entry_id, fields)
    assert f"{entry_id} has the number 1, and" in desk.gaps[-1]


def test_a_trade_of_an_order_that_the_desk_has_forgotten_leaves_the_order_as_it_was() -> None:
    """Of such a one a bust or a correction says null wherever nobody knows: that is no state of the order."""
    orders = Orders()
    order = {
        "type": "OrderReceived", "time": 1, "order_id": "1", "client_order_id": "a", "account": "default",
        "signal_id": "a", "symbol": "AAPL", "ord_status": "New", "quantity": "10", "cum_qty": "0", "leaves_qty": "10",
    }  # fmt: skip
    done = {"ord_status": "Filled", "cum_qty": "10", "leaves_qty": "0", "avg_px": "5"}
    fill = {**order, **done, "type": "OrderFilled", "exec_id": "x", "venue": "SIM", "last_qty": "10", "last_px": "5"}
    for number, event in enumerate((order, fill)):
        orders.fold(event, f"{number}-0")
    unknown = dict.fromkeys(("ord_status", "quantity", "cum_qty", "leaves_qty", "avg_px", "client_order_id"))
    bust = {**fill, **unknown, "type": "TradeBusted", "exec_id": "y", "ref_exec_id": "x", "time": 2}
    row = orders.fold(bust, "2-0")
    assert row is not None and row["updated_time"] == 2
    assert (row["ord_status"], row["quantity"], row["cum_qty"], row["avg_px"]) == ("Filled", "10", "10", "5")
    assert not orders.working
    assert orders.fills["SIM x"]["busted_time"] == 2


def test_an_order_is_not_forgotten_while_an_exit_of_it_works() -> None:
    orders = Orders(keep=2)

    def say(order_id: int, status: str, **more: Any) -> None:
        kind = {"New": "OrderReceived", "Filled": "OrderFilled", "Canceled": "OrderCanceled"}[status]
        event = {"type": kind, "time": 1, "order_id": str(order_id), "client_order_id": f"c{order_id}", **more}
        event |= {"account": "default", "symbol": "AAPL", "ord_status": status, "exec_id": f"x{order_id}"}
        orders.fold(event, f"{order_id}-0")

    say(1, "New")
    say(1, "Filled")
    say(2, "New", parent_id="1")
    for order_id in range(3, 9):
        say(order_id, "New")
        say(order_id, "Canceled")
        assert "1" in orders.by_id and len(orders.by_id) <= 4
    again = Orders(keep=2)
    again.load(orjson.loads(orjson.dumps(orders.dump())))
    for each in (orders, again):
        assert set(each.by_id) >= {"1", "2", "8"} and each._parents == {"1": 1}
    say(2, "Canceled")
    for order_id in range(9, 12):
        say(order_id, "New")
        say(order_id, "Canceled")
    assert set(orders.by_id) == {"10", "11"} and not orders._parents


def test_a_gap_is_told_and_not_guessed() -> None:
    entries = [each for each in entries_of(played(6)) if each[0] == "events.0" and b"data" in each[2]]
    desk = known(entries[7:])
    assert desk.gaps == [f"events.0: 7 messages before {entries[7][1]} were trimmed before they were read"]
    assert desk.places == {"events.0": entries[-1][1]}


def test_a_snapshot_of_a_newer_release_is_refused() -> None:
    record = orjson.loads(Desk().dump())
    with pytest.raises(Unreadable, match="gateway: more is no field"):
        Desk().load(orjson.dumps({**record, "more": 1}))


def test_the_stricter_trading_state_counts() -> None:
    desk = Desk()
    states = {"": "REDUCING", "alpha": "HALTED", "beta": "ACTIVE"}
    desk.terms.states = {name: {"new_state": state} for name, state in states.items()}
    assert [desk.terms.trading_state(name) for name in ("", "alpha", "beta", "other")] == [
        "REDUCING", "HALTED", "REDUCING", "REDUCING",
    ]  # fmt: skip
