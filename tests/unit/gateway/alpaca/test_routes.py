"""The routes without a server: what is sent, what is answered, and that nothing is ever sent twice by a client."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fillstream.services.gateway.alpaca import order_routes
from fillstream.services.gateway.alpaca.room import Room
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.state.desk import Desk
from tests.support.alpaca_room import SCOPES, Client, Sender, room_over, simulated
from tests.support.alpaca_spec import DATA, complaints

ORDER = {"symbol": "AAPL", "qty": 10.0, "side": "buy", "type": "limit", "limit_price": 190.25, "time_in_force": "day"}


@pytest.fixture(scope="module")
def room() -> Room:
    return simulated(1)


def test_an_order_that_the_desk_is_slow_about_is_accepted_and_found_by_its_id() -> None:
    sender = Sender()
    ask = Client(room_over(Desk(), sender))
    answer = ask("POST", "/orders", json=ORDER)
    assert answer.status_code == 200
    order = answer.json()
    assert complaints(order, "Order") == []
    assert (order["status"], order["qty"], order["limit_price"]) == ("accepted", "10", "190.25")
    assert [(each["quantity"], each["price"]) for each in sender.sent] == [("10", "190.25")]
    assert ask("GET", f"/orders/{order['id']}").json() == order


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [("buying_power", 403, 40310000), ("nothing_to_reduce", 403, 40310000), ("off_tick", 422, 42210000)],
)
def test_a_refusal_has_alpacas_shape_and_our_reason(reason: str, status: int, code: int) -> None:
    told = {"type": "OrderRejected", "order_id": "7", "ord_status": "Rejected", "reason": reason, "text": "price: no"}
    answer = Client(room_over(Desk(), Sender(lambda _: [told])))("POST", "/orders", json=ORDER)
    assert answer.status_code == status
    assert answer.json() == {"code": code, "message": "limit_price: no", "reason": reason}
    assert complaints(answer.json(), "Error") == []


def test_a_name_that_was_used_is_refused() -> None:
    told = {"type": "OrderStatusReported", "order_id": "7", "ord_status": "New"}
    answer = Client(room_over(Desk(), Sender(lambda _: [told])))("POST", "/orders", json=ORDER)
    assert (answer.status_code, answer.json()["code"]) == (422, 40010001)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Refusal(503, "outcome_unknown", "redis: away", signal_id="s1"), 500),
        (Refusal(504, "slow", "too slow"), 500),
        (Refusal(507, "not_taken", "redis: full"), 507),
        (RuntimeError("inside"), 500),
    ],
)
def test_no_answer_makes_a_client_send_an_order_again(error: Exception, status: int) -> None:
    """alpaca-py repeats a POST on 429 and 504, without a client_order_id: it would be another order."""

    async def fail(said: Any, wait_s: float) -> Any:
        raise error

    answer = Client(room_over(Desk(), fail))("POST", "/orders", json=ORDER)
    assert answer.status_code == status
    assert answer.json().keys() >= {"code", "message", "reason"}
    if isinstance(error, Refusal) and error.more:
        assert answer.json()["signal_id"] == "s1"


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/orders", "orders:write"), ("GET", "/orders", "orders:read"), ("DELETE", "/orders", "orders:write"),
        ("GET", "/positions", "positions:read"), ("DELETE", "/positions", "orders:write"),
        ("GET", "/account", "accounts:read"), ("GET", "/assets", "market:read"), ("GET", "/clock", "market:read"),
        ("GET", "/account/activities/FILL", "orders:read"), ("GET", "/stocks/quotes/latest?symbols=A", "market:read"),
    ],
)  # fmt: skip
def test_every_route_needs_its_scope(room: Room, method: str, path: str, scope: str) -> None:
    sender = Sender()
    answer = Client(room_over(room.desk, sender), SCOPES - {scope})(method, path)
    assert (answer.status_code, answer.json()["reason"]) == (403, "scope_missing")
    assert sender.sent == []


def test_positions_are_closed_once_the_canceled_orders_have_ended() -> None:
    desk, sender = simulated(1).desk, Sender()
    works = [each for each in desk.orders.working.values() if each.row["account"] == "alpha"]
    assert len(works) > 2, "the venue lets go of one after the other"

    async def turn(within_s: float) -> None:
        assert [each["type"] for each in sender.sent] == ["CancelAll"], "nothing is closed before"
        works.pop().row["ord_status"] = "Canceled"

    ask = Client(room_over(desk, sender, turn), accounts=frozenset(("alpha",)))
    answer = ask("DELETE", "/positions?cancel_orders=true")
    assert (answer.status_code, {each["status"] for each in answer.json()}, works) == (207, {200}, [])
    assert [each["type"] for each in sender.sent] == ["CancelAll"] + ["ClosePosition"] * len(answer.json())


def test_an_order_that_does_not_end_keeps_nobody_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_routes, "WAIT_S", 0.05)
    sender = Sender()

    async def turn(within_s: float) -> None:
        await asyncio.sleep(within_s)

    ask = Client(room_over(simulated(1).desk, sender, turn), accounts=frozenset(("alpha",)))
    assert ask("DELETE", "/positions?cancel_orders=true").status_code == 207
    assert sender.sent[-1]["type"] == "ClosePosition"


def test_a_key_trades_for_its_first_account_and_sees_no_other(room: Room) -> None:
    ask = Client(room, accounts=frozenset(("beta", "gamma")))
    assert ask("GET", "/account").json()["account_number"] == "beta"
    other = next(order for order in room.desk.orders.newest_first() if order.row["account"] != "beta")
    assert ask("GET", f"/orders/{room.index.uuid(other.row['order_id'])}").status_code == 404


def test_orders_are_listed_as_alpaca_lists_them(room: Room) -> None:
    ask = Client(room, accounts=frozenset(("alpha",)))
    every = ask("GET", "/orders?status=all&limit=500").json()
    assert len(every) > 20
    assert [told for each in every for told in complaints(each, "Order")] == []
    oldest_first = ask("GET", "/orders?status=all&limit=500&direction=asc").json()
    assert [each["id"] for each in oldest_first] == [each["id"] for each in every][::-1]
    some = ask("GET", f"/orders?status=all&limit=3&before_order_id={every[4]['id']}").json()
    assert [each["id"] for each in some] == [each["id"] for each in every[5:8]]
    later = ask("GET", f"/orders?status=all&limit=500&after_order_id={every[4]['id']}").json()
    assert [each["id"] for each in later] == [each["id"] for each in every[:4]]
    final = {"filled", "canceled", "rejected", "expired", "calculated"}
    opened, closed = (ask("GET", f"/orders?status={each}&limit=500").json() for each in ("open", "closed"))
    assert len(opened) + len(closed) == len(every)
    assert not {each["status"] for each in opened} & final
    assert {each["status"] for each in closed} <= final
    symbol = every[0]["symbol"]
    assert {each["symbol"] for each in ask("GET", f"/orders?status=all&symbols={symbol}").json()} == {symbol}
    assert {each["side"] for each in ask("GET", "/orders?status=all&side=buy").json()} == {"buy"}
    cut = every[9]["submitted_at"]
    after = ask("GET", "/orders", params={"status": "all", "limit": 500, "after": cut}).json()
    until = ask("GET", "/orders", params={"status": "all", "limit": 500, "until": cut.replace("Z", "+00:00")}).json()
    assert [each["id"] for each in after] == [each["id"] for each in every if each["submitted_at"] > cut]
    assert len(after) + len(until) + sum(each["submitted_at"] == cut for each in every) == len(every)


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/orders?status=some", 422, "status: 'some' must be one of open, closed, all"),
        ("/orders?after=yesterday", 422, "after: 'yesterday' must be a time"),
        ("/orders/7", 422, "order_id: '7' must be a UUID"),
        ("/orders/00000000-0000-0000-0000-000000000000", 404, "order_id: "),
        ("/orders:by_client_order_id?client_order_id=none", 404, "client_order_id: 'none' is none"),
        ("/positions/NOPE", 404, "symbol: position does not exist"),
        ("/assets/NOPE", 404, "symbol: asset not found"),
        ("/account/portfolio/history?timeframe=2D", 422, "timeframe: '2D'"),
        ("/calendar?start=soon", 422, "start: 'soon' must be a date"),
        ("/stocks/quotes/latest?symbols=NOPE", 400, "symbols: invalid symbol"),
    ],
)
def test_what_is_not_there_is_told_in_a_sentence(room: Room, path: str, status: int, told: str) -> None:
    answer = Client(room)("GET", path)
    assert answer.status_code == status
    assert answer.json()["message"].startswith(told)
    assert answer.json()["code"] == status * 100_000 + 10_000


def test_an_order_that_is_done_is_not_canceled(room: Room) -> None:
    sender = Sender()
    done = next(order.row for order in room.desk.orders.newest_first() if order.row["ord_status"] == "Filled")
    ask = Client(room_over(room.desk, sender), accounts=frozenset((done["account"],)))
    answer = ask("DELETE", f"/orders/{room.index.uuid(done['order_id'])}")
    assert (answer.status_code, answer.json()["reason"]) == (422, "too_late")
    assert sender.sent == []


def test_markets_are_told_as_they_are(room: Room) -> None:
    ask = Client(room)
    symbols = sorted({row["symbol"] for row in room.desk.markets.quotes.values()})
    quotes = ask("GET", f"/stocks/quotes/latest?symbols={','.join(symbols)}").json()
    assert quotes["quotes"]
    assert complaints(quotes, "stock_latest_quotes_resp", DATA) == []
    trades = ask("GET", f"/stocks/trades/latest?symbols={','.join(symbols)}").json()
    assert trades["trades"]
    assert complaints(trades, "stock_latest_trades_resp", DATA) == []
    bars = ask("GET", f"/stocks/bars?symbols={symbols[0]}&timeframe=1Day").json()
    assert bars == {"bars": {}, "next_page_token": None}
    assert complaints(bars, "stock_bars_resp", DATA) == []


def test_trades_come_in_pages(room: Room) -> None:
    ask = Client(room, accounts=frozenset(("alpha",)))
    every = ask("GET", "/account/activities/FILL").json()
    assert len(every) > 3
    first = ask("GET", "/account/activities?page_size=2").json()
    rest = ask("GET", f"/account/activities/FILL?page_token={first[-1]['id']}").json()
    assert [*first, *rest][: len(every)] == every
    assert ask("GET", "/account/activities/DIV").json() == []
