"""An account that hedges, from its orders to what analytics shows: positions beside one another, each with exits."""

from __future__ import annotations

from decimal import Decimal as D
from pathlib import Path
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.reference import DAY_MS, VenueTerms
from fillstream.libs.common.messages.topology import SIM
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.analytics.app import LISTS
from fillstream.services.analytics.sinks.store import Store
from fillstream.tools.arithmetic import Books
from tests.support.orders import CONFIG
from tests.support.stored_desk import stored
from tests.support.terms import account, but
from tests.support.whole_desk import WholeDesk


def desk_of(**terms: Any) -> WholeDesk:
    default = account(1, D(1_000_000), 10_000, D(0), D(100), position_mode="HEDGING", **terms)
    desk = WholeDesk(but(CONFIG, accounts={"default": default}))
    desk.quote(9_999, 10_001)
    return desk


@pytest.fixture
def desk() -> WholeDesk:
    """Return a desk that is long 30 as `core` and short 10 as `hedge`."""
    desk = desk_of()
    trade(desk, "core", "BUY", 30)
    trade(desk, "hedge", "SELL", 10)
    return desk


def trade(desk: WholeDesk, name: str, side: str, lots: int, **said: Any) -> None:
    events = desk.signal(symbol="AAPL", side=side, quantity=str(lots), position_id=name, **said)
    assert any(event["type"] == "OrderFilled" for event in events), events


def pass_days(desk: WholeDesk, days: int) -> None:
    """Let days pass on each of which the market moves: they are sessions."""
    for _ in range(days):
        desk.wait(DAY_MS)
        desk.quote(9_999 + len(desk.events) % 7, 10_011)


def ask(store: Store, sql: str) -> list[tuple[Any, ...]]:
    return store.cursor().execute(sql).fetchall()


def open_now(desk: WholeDesk) -> dict[str, int]:
    whole = desk.positions._books.instruments["AAPL"].held["default"]
    assert whole.hedged is not None
    return {name: each.position.quantity for name, each in whole.hedged.items() if each.position.quantity}


def problems(desk: WholeDesk) -> list[str]:
    books = Books()
    for event in ({"type": "VenueDefined", "venue": SIM, **VenueTerms().values()}, *desk.events):
        books.event(event)
    for message in desk.told:
        books.position(message)
    return books.problems()


def told_last(desk: WholeDesk, name: str, kind: str = "PositionChanged") -> dict[str, Any]:
    return [each for each in desk.told if each["type"] == kind and each["position_id"] == name][-1]


def test_each_has_its_own_price_and_gain(desk: WholeDesk) -> None:
    desk.quote(10_999, 11_001)
    trade(desk, "hedge", "BUY", 10)
    core, hedge = told_last(desk, "core", "PositionMarked"), told_last(desk, "hedge")
    assert (core["position"], core["avg_px"], core["unrealized_pnl"], core["position_mode"]) == (
        "30", "100.01", "299.7", "HEDGING",
    )  # fmt: skip
    assert (hedge["position"], hedge["realized_pnl"], hedge["change"]) == ("0", "-100.2", "closed")
    closed = told_last(desk, "hedge", "PositionClosed")
    assert (closed["side"], closed["entry_px"], closed["exit_px"], closed["gross_pnl"]) == (
        "SELL", "99.99", "110.01", "-100.2",
    )  # fmt: skip
    assert desk.held() == 30
    assert not problems(desk)


def test_a_stop_closes_its_own_position_and_no_other(desk: WholeDesk) -> None:
    desk.signal(type="ProtectPosition", symbol="AAPL", position_id="core", stop_loss="98.00")
    desk.signal(type="ProtectPosition", symbol="AAPL", position_id="hedge", stop_loss="103.00")
    desk.again()
    desk.quote(9_749, 9_751)
    assert open_now(desk) == {"hedge": -10}
    assert told_last(desk, "core", "PositionClosed")["reason"] == "stop_loss"
    desk.quote(10_399, 10_401)
    assert open_now(desk) == {}
    assert not problems(desk)


def test_several_protections_of_one_name_stand_beside_one_another(desk: WholeDesk) -> None:
    for name in ("core", "hedge"):
        desk.signal(type="ProtectPosition", symbol="AAPL", position_id=name, time_limit_ms=60_000)
    desk.signal(type="CancelProtection", symbol="AAPL", position_id="core")
    desk.wait(61_000)
    assert open_now(desk) == {"core": 30}


def test_an_accounts_own_exits_protect_each_of_them() -> None:
    desk = desk_of(exit_stop_loss_percent="1", exit_trailing_stop_percent="5")
    trade(desk, "core", "BUY", 30)
    trade(desk, "hedge", "SELL", 10)
    armed = {(m["position_id"], m["protection_id"]) for m in desk.told if m.get("exit_status") == "ARMED"}
    assert armed == {(name, exit_) for name in ("core", "hedge") for exit_ in ("account", "account_trail")}
    desk.quote(10_199, 10_201)
    assert open_now(desk) == {"core": 30}, "the short one was stopped out"


def test_flatten_closes_all_of_them(desk: WholeDesk) -> None:
    desk.signal(symbol="AAPL", side="BUY", quantity="5", price="90.00", position_id="core")
    desk.signal(type="SetTarget", targets=[], close_others=True)
    desk.wait(2_000)
    assert open_now(desk) == {}
    assert not desk.sim.desk.stage._state.working("default")
    assert not problems(desk)


def test_an_order_without_a_name_has_a_position_of_its_own(desk: WholeDesk) -> None:
    events = desk.signal(symbol="AAPL", side="BUY", quantity="7")
    order_id = events[0]["order_id"]
    assert open_now(desk) == {"core": 30, "hedge": -10, order_id: 7}
    desk.signal(type="ClosePosition", symbol="AAPL", position_id=order_id)
    assert open_now(desk) == {"core": 30, "hedge": -10}


def test_an_account_is_worth_what_its_positions_are() -> None:
    desk = desk_of(max_leverage="100")
    trade(desk, "core", "BUY", 30)
    trade(desk, "hedge", "SELL", 10)
    desk.quote(10_999, 11_001)
    desk.wait(1_500)
    value = [each for each in desk.told if each["type"] == "AccountMarked"][-1]
    assert (value["open_positions"], value["unrealized_pnl"]) == (2, "199.6"), "299.7 less 100.1"
    assert (value["long_exposure"], value["short_exposure"]) == ("2200", "0"), "20 lots net, at 110"


def test_a_name_may_be_used_again_and_much_later_begins_anew(desk: WholeDesk) -> None:
    trade(desk, "hedge", "BUY", 10)
    first = told_last(desk, "hedge")
    trade(desk, "hedge", "BUY", 5)
    again = told_last(desk, "hedge")
    assert (again["change"], again["realized_pnl"], again["began_time"]) == (
        "opened", first["realized_pnl"], first["began_time"],
    )  # fmt: skip
    trade(desk, "hedge", "SELL", 5)
    pass_days(desk, 4)
    desk.again()
    assert "hedge" not in (desk.positions._books.instruments["AAPL"].held["default"].hedged or {})
    trade(desk, "hedge", "SELL", 1)
    anew = told_last(desk, "hedge")
    assert (anew["change"], anew["realized_pnl"], anew["began_time"] > again["began_time"]) == ("opened", "0", True)
    assert not problems(desk)


def test_analytics_shows_each_that_is_open_and_the_others_together(desk: WholeDesk, tmp_path: Path) -> None:
    trade(desk, "third", "BUY", 3)
    trade(desk, "third", "SELL", 3)
    trade(desk, "fourth", "BUY", 4)
    trade(desk, "fourth", "SELL", 4)
    desk.signal(symbol="AAPL", side="BUY", quantity="5", price="90.00", position_id="core")
    desk.signal(symbol="AAPL", side="SELL", quantity="5", price="110.00", position_id="new")
    store = stored(desk, tmp_path)
    rows = ask(store, "SELECT position_id, position, realized_pnl, avg_px FROM positions ORDER BY position_id")
    assert rows == [
        ("core", D(30), D(0), D("100.01")), ("hedge", D(-10), D(0), D("99.99")), (None, D(0), D("-0.14"), None),
    ]  # fmt: skip
    states = ask(store, "SELECT position_id, position_status FROM position_states ORDER BY position_id")
    assert states == [("core", "ADJUSTING"), ("hedge", "OPEN"), ("new", "OPENING"), (None, "CLOSED")]
    [(net, count)] = ask(store, "SELECT net_exposure, open_positions FROM exposures WHERE dimension = 'symbol'")
    assert (net, count) == (2000, 2)
    [(cash,)] = ask(store, "SELECT sum(cash) FROM positions")
    whole = desk.positions._books.instruments["AAPL"]
    assert cash == D(whole.money(whole.cash(whole.held["default"].position)))
    assert ask(store, "SELECT count(*) FROM closed_positions") == [(2,)]


def test_a_name_used_anew_loses_nothing_of_what_was_made_before(desk: WholeDesk, tmp_path: Path) -> None:
    trade(desk, "hedge", "BUY", 10)
    pass_days(desk, 4)
    trade(desk, "hedge", "SELL", 1)
    [(realized,)] = ask(stored(desk, tmp_path), "SELECT sum(realized_pnl) FROM positions")
    assert realized == D("-0.2"), "10 sold at 99.99, bought back at 100.01"


def test_what_the_orders_stage_states_is_what_is_booked_position_by_position(desk: WholeDesk) -> None:
    control = {"v": 1, "type": "Reconcile", "control_id": "r", "who": "me", "reason": "a test", "account": "default"}
    desk.sim.fold({b"control": orjson.dumps(control)})
    desk.wait(1)
    stated = next(event for event in desk.events if event["type"] == "HoldingsStated")
    assert [row.split(" ")[-1] for row in stated["held"]] == ["core:30,hedge:-10"]
    assert [each["differences"] for each in desk.told if each["type"] == "PositionsReconciled"] == [0]
    hedged = desk.sim.desk.stage._state.holdings.holding("default", "AAPL").hedged or {}
    hedged["core"].quantity, hedged["hedge"].quantity = 31, -11  # together they are as before
    desk.sim.fold({b"control": orjson.dumps(control | {"control_id": "s"})})
    desk.wait(1)
    [*_, found] = [each for each in desk.told if each["type"] == "PositionsReconciled"]
    assert found["differences"] == 1
    assert "core:31,hedge:-11" in found["differing"][0]
    assert "core:30,hedge:-10" in found["differing"][0]


def test_a_phantom_of_a_late_bust_has_one_name_and_stops_nothing() -> None:
    """Nobody knows any more which position its order traded: it is called like the order, and so is all it ever is."""
    desk = desk_of(exit_stop_loss_percent="5")
    trade(desk, "core", "BUY", 30)
    event = {
        "type": "TradeBusted", "v": 1, "seq": len(desk.events) + 1, "time": desk.sim.desk.ms, "order_id": "7",
        "client_order_id": None, "account": "default", "symbol": "AAPL", "side": "BUY", "exec_id": "B", "venue": "SIM",
        "ref_exec_id": "T", "last_qty": "10", "last_px": "100.00", "fee": "0", "currency": "USD", "strategy": None,
        "text": "late", **dict.fromkeys(("ord_status", "quantity", "cum_qty", "leaves_qty", "avg_px")),
    }  # fmt: skip
    out = Outputs(desk.positions.name, desk.positions.inbox)
    entry = Entry(f"{desk.sim.desk.ms}-9", desk.sim.desk.ms, {b"data": orjson.dumps(event)})
    out.begin(entry)
    desk.positions.fold(entry, out)
    told = [orjson.loads(each) for _, payloads in out.by_stream.values() for each in payloads]
    named = {(each["type"], each["position_id"]) for each in told if "position_id" in each}
    assert named >= {("PositionChanged", "7"), ("ExitChanged", "7")}
    assert open_now(desk) == {"core": 30, "7": -10}


def test_the_day_of_those_that_are_flat_is_todays(desk: WholeDesk, tmp_path: Path) -> None:
    trade(desk, "hedge", "BUY", 10)
    pass_days(desk, 2)
    trade(desk, "today", "BUY", 1)
    trade(desk, "today", "SELL", 1)
    sql = "SELECT day_pnl, realized_pnl FROM positions WHERE position_id IS NULL"
    [(day, realized)] = ask(stored(desk, tmp_path), sql)
    assert day == D(told_last(desk, "today")["day_pnl"])
    assert realized == sum(D(told_last(desk, name)["realized_pnl"]) for name in ("hedge", "today"))


def test_lists_are_asked_for_by_account_and_symbol(desk: WholeDesk, tmp_path: Path) -> None:
    store = stored(desk, tmp_path)
    for name, each in LISTS.items():
        for column in each.filters.values():
            query = each.query.replace("{where}", f"WHERE {column} IN ('x')")
            assert ask(store, query) == [], name
    query = LISTS["positions"].query.replace("{where}", "WHERE positions.symbol IN ('AAPL')")
    found = store.cursor().execute(query)
    at = [column[0] for column in found.description]
    rows = [dict(zip(at, row, strict=True)) for row in found.fetchall()]
    assert [(row["position_id"], row["position_status"]) for row in rows] == [("core", "OPEN"), ("hedge", "OPEN")]
