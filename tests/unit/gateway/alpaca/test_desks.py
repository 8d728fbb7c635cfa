"""Everything of a simulated desk is said as Alpaca's own OpenAPI file has it, and found again by its id."""

from __future__ import annotations

import pytest

from fillstream.services.gateway.alpaca import holdings
from fillstream.services.gateway.alpaca.index import Index, is_first
from fillstream.services.gateway.alpaca.room import Room
from fillstream.services.gateway.alpaca.updates import Listener, update_of
from fillstream.services.gateway.alpaca.words import uuid_of
from fillstream.services.gateway.state.desk import Desk
from fillstream.services.gateway.state.orders import Order
from tests.support.alpaca_room import simulated
from tests.support.alpaca_spec import complaints

SEEDS = range(4)


@pytest.fixture(scope="module", params=SEEDS)
def room(request: pytest.FixtureRequest) -> Room:
    return simulated(request.param)


def test_every_order_is_one_of_alpacas(room: Room) -> None:
    orders = list(room.desk.orders.by_id.values())
    assert len(orders) > 50
    said = [room.order(each, nested=True) for each in orders]
    assert [told for each in said for told in complaints(each, "Order")] == []
    assert len({each["status"] for each in said}) > 3


def test_every_order_has_an_id_of_its_own_and_is_found_by_it(room: Room) -> None:
    for order_id, order in room.desk.orders.by_id.items():
        found = room.find(room.index.uuid(order_id), order.row["account"])
        assert found is not None
        if room.index.is_current(order_id):
            assert found.order is order
        else:
            assert not is_first(order.row), "only an exit that was made again has another one's id"
        assert room.find(room.index.uuid(order_id), "somebody") is None, "not another account's"


def test_ids_are_the_same_after_a_restart(room: Room) -> None:
    again = Desk()
    again.load(room.desk.dump())
    index = Index(again)
    assert {each: index.uuid(each) for each in again.orders.by_id} == {
        each: room.index.uuid(each) for each in room.desk.orders.by_id
    }


def test_what_the_desk_forgets_is_forgotten_here(room: Room) -> None:
    desk = Desk()
    desk.load(room.desk.dump())
    index = Index(desk)
    ids = {each: index.uuid(each) for each in desk.orders.by_id}
    desk.orders._keep = 0
    desk.orders._forget()
    working = set(desk.orders.working)
    assert set(desk.orders.by_id) == working < set(ids)
    assert {each: index.uuid(each) for each in working} == {each: ids[each] for each in working}, "no id changes"
    assert set(index._by_uuid.values()) <= working == set(index._uuids)
    members = [each for table in (index._children, index._members) for group in table.values() for each in group]
    assert set(members) <= working and len(members) == len(set(members))
    assert {entry for entry, _ in index._legs.values()} <= working


def test_positions_accounts_assets_and_trades_are_alpacas(room: Room) -> None:
    desk = room.desk
    held = [row for row in desk.positions.open.values() if row["position"] != "0"]
    assert held
    for row in held:
        orders = [each.row for each in desk.orders.by_id.values() if each.row["account"] == row["account"]]
        said = holdings.position_json(row, room.instrument(row["symbol"]), holdings.reserved(orders, row))
        assert complaints(said, "Position") == []
        assert 0 <= float(said["qty_available"]) / float(said["qty"]) <= 1
    for name, terms in desk.terms.accounts.items():
        instruments = [(row, room.instrument(row["symbol"])) for row in held if row["account"] == name]
        value, state = desk.positions.accounts.get(name), desk.terms.trading_state(name)
        account = holdings.account_json(name, terms, state, value, instruments)
        assert complaints(account, "Account") == []
        assert complaints(holdings.history_json(account, (0, 1_000), "1D"), "PortfolioHistory") == []
    for row in desk.terms.instruments.values():
        assert complaints(holdings.asset_json(row, True), "Assets") == []
    trades = [holdings.activity_json(each, room.index.uuid(each["order_id"])) for each in desk.orders.fills.values()]
    assert trades
    assert [told for each in trades for told in complaints(each, "TradingActivities")] == []
    assert len({each["id"] for each in trades}) == len(trades)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_change_of_an_order_is_told_with_the_order_as_it_was_then(seed: int) -> None:
    listeners: list[Listener] = []

    def listen(room: Room) -> None:
        for account in ("default", "alpha", "beta"):
            listener = room.updates.join(account)
            assert listener.is_deaf, "it hears once it says so"
            listener.is_deaf = False
            listeners.append(listener)

    room = simulated(seed, listen)
    for listener in listeners:
        orders = [room.index.find(update["order"]["id"]) for _, update in listener.waiting]
        assert {each.row["account"] for each in orders if each is not None} <= {listener.account}
    told = [update for listener in listeners for _, update in listener.waiting]
    assert len(told) > 100
    assert [each for update in told[:200] for each in complaints(update["order"], "Order")] == []
    assert all(update["order"]["status"] == "filled" for update in told if update["event"] == "fill")
    assert all("execution_id" in update for update in told if update["event"] in ("fill", "partial_fill"))


def test_the_first_order_of_a_list_has_the_signals_id_whichever_came_first() -> None:
    desk = Desk()
    row = {"account": "default", "signal_id": "s1", "list_id": "mine", "order_type": "LIMIT"}
    for order_id, client_order_id in (("1", "mine.2"), ("2", "mine")):
        desk.orders.by_id[order_id] = Order({**row, "order_id": order_id, "client_order_id": client_order_id}, [])
    index = Index(desk)
    assert index.uuid("2") == uuid_of("default", "s1")
    assert index.uuid("1") == uuid_of("default", "s1", "mine.2")


def test_what_alpaca_does_not_tell_of_is_not_told() -> None:
    assert update_of({"type": "OrderProgressed", "time": 0}, {"status": "new"}) is None
