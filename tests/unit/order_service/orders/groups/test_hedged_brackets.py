"""Brackets of an account that hedges: each protects the position that its entry opened, and no other."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine import frames
from tests.support.orders import CONFIG
from tests.support.terms import account, but
from tests.support.whole_desk import WholeDesk


@pytest.fixture
def desk() -> WholeDesk:
    """Return a desk that is long 30 as `core` and short 10 as `hedge`, each with a bracket."""
    default = account(1, D(1_000_000), 10_000, D(0), D(100), position_mode="HEDGING")
    desk = WholeDesk(but(CONFIG, accounts={"default": default, "other": CONFIG.accounts["other"]}))
    desk.quote(9_999, 10_001)
    desk.signal(symbol="AAPL", side="BUY", quantity="30", position_id="core", stop_loss="98.00", take_profit="105.00")
    desk.signal(symbol="AAPL", side="SELL", quantity="10", position_id="hedge", stop_loss="103.00", take_profit="95.00")
    return desk


def open_now(desk: WholeDesk) -> dict[str, int]:
    whole = desk.positions._books.instruments["AAPL"].held["default"]
    held = {name: each.position.quantity for name, each in (whole.hedged or {}).items() if each.position.quantity}
    hedged = desk.sim.desk.stage._state.holdings.holding("default", "AAPL").hedged or {}
    assert held == {name: each.quantity for name, each in hedged.items() if each.quantity}
    return held


def trade_at(desk: WholeDesk, bid: int) -> None:
    """Have the market be there (ticks), and a trade elsewhere: stops wait for the last price."""
    desk.quote(bid, bid + 2)
    desk.sim.feed(frames.print_trade(1, 1, bid + 1, 1))
    desk.wait(1_000)


def resting(desk: WholeDesk) -> list[tuple[str, str, int]]:
    """Return the orders that work at the venue: side, position and lots."""
    state = desk.sim.desk.stage._state
    live = (order for order in state.live() if order.leaves and not order.is_held)
    return sorted((order.side, order.links.position_id, order.leaves) for order in live)  # type: ignore[union-attr]


def restarted(desk: WholeDesk) -> None:
    stage = desk.sim.desk.stage
    data = stage.snapshot()
    twin = type(stage)(desk.sim.desk.topology, 0, desk.sim.desk.config)
    twin.restore(data)
    assert twin.snapshot() == data
    desk.sim.desk.stage = twin


def test_each_has_a_target_and_a_stop_of_its_own(desk: WholeDesk) -> None:
    assert resting(desk) == [("BUY", "hedge", 10), ("SELL", "core", 30)]
    restarted(desk)
    trade_at(desk, 10_299)
    assert open_now(desk) == {"core": 30}, "the short one's stop was reached"
    trade_at(desk, 10_501)
    assert open_now(desk) == {}
    assert not resting(desk)


def test_what_is_opened_beside_it_is_not_protected_by_it(desk: WholeDesk) -> None:
    desk.signal(symbol="AAPL", side="SELL", quantity="30", position_id="other")
    assert resting(desk) == [("BUY", "hedge", 10), ("SELL", "core", 30)], "core is held whole, though the sum is short"
    trade_at(desk, 9_799)
    assert open_now(desk) == {"hedge": -10, "other": -30}


def test_a_close_has_the_exits_of_its_own_position_give_way(desk: WholeDesk) -> None:
    desk.signal(type="ClosePosition", symbol="AAPL", position_id="core")
    assert open_now(desk) == {"hedge": -10}
    assert resting(desk) == [("BUY", "hedge", 10)]


def test_a_part_of_it_makes_its_exits_smaller(desk: WholeDesk) -> None:
    desk.signal(type="ClosePosition", symbol="AAPL", position_id="core", quantity="12")
    assert open_now(desk) == {"core": 18, "hedge": -10}
    assert resting(desk) == [("BUY", "hedge", 10), ("SELL", "core", 18)]


def test_an_order_that_names_none_has_its_bracket_too(desk: WholeDesk) -> None:
    events = desk.signal(symbol="AAPL", side="BUY", quantity="5", stop_loss="99.50", take_profit="101.00")
    order_id = events[0]["order_id"]
    assert ("SELL", order_id, 5) in resting(desk)
    trade_at(desk, 9_949)
    assert open_now(desk) == {"core": 30, "hedge": -10}


def test_flatten_takes_brackets_off_and_closes_all(desk: WholeDesk) -> None:
    desk.signal(type="SetTarget", targets=[], close_others=True)
    desk.wait(3_000)
    assert open_now(desk) == {}
    assert not resting(desk)


def test_flatten_ends_a_bracket_that_waits_to_make_exits_again(desk: WholeDesk) -> None:
    """Its stop traded a part in a thin market, and has nothing at a venue as flatten comes; then the market is back."""
    desk.signal(type="ClosePosition", symbol="AAPL", position_id="hedge")
    desk.quote(9_790, 9_792, qty=5)
    desk.sim.feed(frames.print_trade(1, 1, 9_791, 1))
    desk.wait(300)
    assert open_now(desk) == {"core": 25}
    assert not resting(desk)
    desk.signal(type="SetTarget", targets=[], close_others=True)
    desk.quote(9_900, 9_902)
    desk.sim.feed(frames.print_trade(1, 1, 9_901, 1))
    desk.wait(90_000)
    assert open_now(desk) == {}
    assert not resting(desk)


def test_it_is_known_of_how_many_positions_brackets_have_exits(desk: WholeDesk) -> None:
    holding = desk.sim.desk.stage._state.holdings.holding("default", "AAPL")
    assert holding.covered == 2
    trade_at(desk, 10_299)
    assert (open_now(desk), holding.covered) == ({"core": 30}, 1)
    trade_at(desk, 10_501)
    assert (open_now(desk), holding.covered) == ({}, 0)


def test_a_halt_that_keeps_exits_keeps_those_of_a_position_that_others_outweigh(desk: WholeDesk) -> None:
    """All of it is short; the stop and the target of the long one protect that one all the same."""
    desk.signal(symbol="AAPL", side="SELL", quantity="60", position_id="other")
    control = {"v": 1, "type": "Halt", "control_id": "h", "who": "me", "reason": "a test", "account": "default",
               "keep_protective": True}  # fmt: skip
    text = str([event.get("text") for event in desk.sim.fold({b"control": orjson.dumps(control)})])
    assert "1 positions (default AAPL -60 (position other))" in text, text
    assert resting(desk) == [("BUY", "hedge", 10), ("SELL", "core", 30)]


def test_what_works_to_close_another_position_does_not_hold_back_what_waited() -> None:
    """While the account is REDUCING an order that waited for its time may go for what its own position has."""
    default = account(1, D(1_000_000), 10_000, D(0), D(100), position_mode="HEDGING")
    desk = WholeDesk(but(CONFIG, accounts={"default": default}))
    desk.quote(9_999, 10_001)
    for name in ("core", "other"):
        desk.signal(symbol="AAPL", side="BUY", quantity="30", position_id=name)
    desk.signal(symbol="AAPL", side="SELL", quantity="30", position_id="other", price="105.00")
    desk.signal(symbol="AAPL", side="SELL", quantity="30", position_id="core", effective_after_ms=1_000)
    control = {"v": 1, "type": "Reduce", "control_id": "r", "who": "me", "reason": "a test", "account": "default"}
    desk.sim.fold({b"control": orjson.dumps(control)})
    desk.wait(1_500)
    assert open_now(desk) == {"other": 30}


def test_of_orders_of_which_one_cancels_the_other_each_counts_for_its_position(desk: WholeDesk) -> None:
    orders = [
        {"symbol": "AAPL", "side": "BUY", "quantity": "10", "price": "90.00", "position_id": name}
        for name in ("first", "second")
    ]
    events = desk.signal(type="NewOrderList", contingency_type="ONE_CANCELS_OTHER", orders=orders)
    assert sum(event["type"] == "OrderReceived" for event in events) == 2, [orjson.dumps(e) for e in events]
    hedged: Any = desk.sim.desk.stage._state.holdings.holding("default", "AAPL").hedged
    assert (hedged["first"].buys, hedged["second"].buys) == (10, 10)


def test_a_halt_that_keeps_exits_says_which_positions_are_bare(desk: WholeDesk) -> None:
    desk.signal(symbol="AAPL", side="BUY", quantity="7", position_id="bare")
    control = {"v": 1, "type": "Halt", "control_id": "h", "who": "me", "reason": "a test", "account": "default",
               "keep_protective": True}  # fmt: skip
    events = desk.sim.fold({b"control": orjson.dumps(control)})
    text = " ".join(str(event.get("text")) for event in events)
    assert "default AAPL 7 (position bare)" in text, text


def test_positions_that_come_to_nothing_are_bare_as_well(desk: WholeDesk) -> None:
    desk.signal(type="SetTarget", targets=[], close_others=True)
    desk.wait(2_000)
    for name, side in (("long", "BUY"), ("short", "SELL")):
        desk.signal(symbol="AAPL", side=side, quantity="7", position_id=name)
    control = {"v": 1, "type": "Halt", "control_id": "h", "who": "me", "reason": "a test", "account": "default",
               "keep_protective": True}  # fmt: skip
    text = str([event.get("text") for event in desk.sim.fold({b"control": orjson.dumps(control)})])
    assert "7 (position long)" in text
    assert "-7 (position short)" in text
