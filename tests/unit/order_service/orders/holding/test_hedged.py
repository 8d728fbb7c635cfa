"""An account that hedges: several positions of an instrument beside one another, each closed by what names it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.codes import RejectReason
from fillstream.libs.common.messages.reference import AccountTerms
from fillstream.libs.common.messages.signals import (
    CancelProtection,
    ClosePosition,
    ProtectPosition,
    SetTarget,
    instructed,
)
from fillstream.libs.common.runtime.stage import MOST_OUTPUTS
from tests.support.orders import CONFIG, NOON_MS, OrdersDesk
from tests.support.terms import but


def desk_of(**terms: Any) -> OrdersDesk:
    hedging = but(CONFIG.accounts["default"], position_mode="HEDGING", **terms)
    desk = OrdersDesk(but(CONFIG, accounts={**CONFIG.accounts, "default": hedging}))
    desk.quote(18_499, 18_501)
    return desk


@pytest.fixture
def desk() -> OrdersDesk:
    """Return a desk whose account is long 100 AAPL as `core`, and short 40 of it as `hedge`."""
    desk = desk_of()
    held(desk, "core", 100)
    held(desk, "hedge", 40, "SELL")
    return desk


def held(desk: OrdersDesk, name: str, lots: int, side: str = "BUY") -> None:
    received = new(desk, name, side, lots, signal_id=f"open-{name}")
    desk.fill(lots, 18_500, int(received["order_id"]), side=1 if side == "BUY" else 2)


def new(desk: OrdersDesk, name: str | None, side: str, lots: int, **fields: Any) -> dict[str, Any]:
    links = {} if name is None else {"links": {"position_id": name}}
    return desk.new(**{"side": side, "quantity": str(lots), "price": "185.00", **links, **fields})


def said(model: Any, **fields: Any) -> dict[str, Any]:
    empty = dict.fromkeys(instructed(model))
    head = {"type": model.__name__, "v": model.VERSION, "signal_time": NOON_MS - 5}
    return empty | head | {"account": "default", "symbol": "AAPL", "signal_id": "c1"} | fields


def close(name: str | None = None, **fields: Any) -> dict[str, Any]:
    return said(ClosePosition, **{"client_order_id": "c1", "position_id": name, **fields})


def positions(desk: OrdersDesk) -> dict[str, tuple[int, int, int]]:
    hedged = desk.stage._state.holdings.holding("default", "AAPL").hedged
    assert hedged is not None
    return {name: (each.quantity, each.buys, each.sells) for name, each in hedged.items()}


def test_long_and_short_stand_beside_one_another(desk: OrdersDesk) -> None:
    assert positions(desk) == {"core": (100, 0, 0), "hedge": (-40, 0, 0)}
    assert desk.stage._state.holdings.holding("default", "AAPL").quantity == 60


def test_an_order_that_names_none_opens_its_own_named_after_it(desk: OrdersDesk) -> None:
    received = new(desk, None, "SELL", 30)
    assert received["position_id"] == received["order_id"] == "3"
    assert desk.fill(30, 18_500, 3, side=2)["position_id"] == "3"
    assert positions(desk)["3"] == (-30, 0, 0)


def test_of_an_account_that_nets_nothing_is_named() -> None:
    received = OrdersDesk().new(price="185.00")
    assert "position_id" not in received


def test_a_position_is_added_to_and_reduced_by_its_name(desk: OrdersDesk) -> None:
    new(desk, "core", "BUY", 20, signal_id="more")
    new(desk, "core", "SELL", 70, signal_id="less")
    assert positions(desk)["core"] == (100, 20, 70)
    desk.fill(70, 18_500, 4, side=2)
    assert positions(desk)["core"] == (30, 20, 0)
    desk.canceled(3)
    assert positions(desk)["core"] == (30, 0, 0)


def test_a_position_is_never_turned_and_what_works_against_it_counts(desk: OrdersDesk) -> None:
    new(desk, "core", "SELL", 70, signal_id="less")
    refused = new(desk, "core", "SELL", 31, signal_id="too-much")
    assert (refused["type"], refused["reason"]) == ("OrderRejected", RejectReason.POSITION_TURNED.value)
    assert refused["text"] == (
        "quantity: 31 is more than the 30 that may be closed of position core, which is long 100, less what works "
        "against it; account default hedges: another position_id, or none, opens one the other way, and ClosePosition "
        "has exits of brackets give way"
    )
    assert new(desk, "core", "SELL", 30, signal_id="rest")["type"] == "OrderReceived"
    assert new(desk, "other", "SELL", 31, signal_id="beside")["type"] == "OrderReceived"


def test_what_is_only_to_be_opened_is_not_turned_either(desk: OrdersDesk) -> None:
    new(desk, "soon", "SELL", 10, signal_id="opens")
    assert new(desk, "soon", "BUY", 5, signal_id="against")["reason"] == RejectReason.POSITION_TURNED.value


def test_an_amendment_does_not_turn_it(desk: OrdersDesk) -> None:
    new(desk, "core", "SELL", 70, signal_id="less")
    desk.accept(3, side=2)
    assert desk.replace(order_id="3", quantity="101")["reason"] == RejectReason.POSITION_TURNED.value
    assert desk.replace(signal_id="r2", order_id="3", quantity="100")["type"] == "OrderReplaceRequested"


def test_reduce_only_is_about_the_position_that_is_named(desk: OrdersDesk) -> None:
    only = {"special": {"reduce_only": True}}
    refused = new(desk, "hedge", "BUY", 41, signal_id="s3", **only)
    assert refused["text"].startswith("reduce_only: 41 is more than the 40 of AAPL that a buy can close: default holds")
    assert new(desk, "hedge", "BUY", 40, signal_id="s4", **only)["type"] == "OrderReceived"
    assert new(desk, None, "BUY", 1, signal_id="s5", **only)["text"] == (
        "reduce_only: account default hedges, and the order names no position_id that it could reduce"
    )


def test_a_close_names_its_position_where_there_are_several(desk: OrdersDesk) -> None:
    refused = desk.instruct(close())
    assert (refused["type"], refused["reason"]) == ("SignalRefused", RejectReason.NOTHING_TO_REDUCE.value)
    assert refused["text"] == (
        "position_id: is missing: default hedges, and holds 2 positions of AAPL: core (100), hedge (-40)"
    )
    received = desk.instruct(close("hedge"))
    told = [received[name] for name in ("side", "quantity", "position_id", "reduce_only")]
    assert told == ["BUY", "40", "hedge", True]
    again = desk.instruct(close("hedge", signal_id="c2", client_order_id="c2"))
    assert again["text"] == "symbol: default holds -40 AAPL as position hedge, and 40 work to close it already"


def test_the_only_one_needs_no_name() -> None:
    desk = desk_of()
    held(desk, "core", 100)
    assert desk.instruct(close(quantity="30"))["position_id"] == "core"


def test_a_fill_closes_and_lets_go_of_the_name(desk: OrdersDesk) -> None:
    desk.instruct(close("hedge"))
    desk.fill(40, 18_500, 3)
    assert positions(desk) == {"core": (100, 0, 0)}
    assert desk.instruct(close("hedge", signal_id="c2", client_order_id="c2"))["type"] == "SignalRefused"


def test_limits_on_what_is_exposed_hold_back_no_close() -> None:
    """Together they are flat; without the short one the long one is more than the limits allow."""
    desk = desk_of(max_net_exposure="10000", max_symbol_exposure="10000", max_gross_exposure="10000")
    for name, lots, side in (("hedge", 50, "SELL"), ("core", 100, "BUY"), ("hedge", 50, "SELL")):
        received = new(desk, name, side, lots, signal_id=f"{name}-{len(desk.entries)}")
        desk.fill(lots, 18_500, int(received["order_id"]), side=1 if side == "BUY" else 2)
    assert positions(desk) == {"core": (100, 0, 0), "hedge": (-100, 0, 0)}
    assert desk.instruct(close("hedge"))["type"] == "OrderReceived"
    assert new(desk, "new", "BUY", 100, signal_id="s9")["reason"] == RejectReason.MAX_SYMBOL_EXPOSURE.value


def test_a_halt_names_positions_that_come_to_nothing() -> None:
    """Nothing is held in all, and nothing was made or paid."""
    desk = desk_of()
    for side in ("BUY", "SELL"):
        order = new(desk, side.lower(), side, 1, signal_id=side, symbol="ES", price="400.00")
        desk.fill(1, 1_600, int(order["order_id"]), side=1 if side == "BUY" else 2, symbol=3)
    holding = desk.stage._state.holdings.holding("default", "ES")
    assert (holding.quantity, holding.cash, holding.fees) == (0, 0, 0)
    text = str(desk.control("Halt", control_id="h", account="default", keep_protective=True))
    assert "default ES 1 (position buy), default ES -1 (position sell)" in text


def test_max_position_counts_longs_and_shorts_by_themselves() -> None:
    desk = desk_of(max_position="100")
    held(desk, "core", 100)
    held(desk, "hedge", 100, "SELL")
    text = new(desk, "new", "BUY", 1, signal_id="s9")["text"]
    assert text == "quantity: 1 could make the position 101 long, with all orders that work; max_position is 100"
    assert new(desk, None, "SELL", 1, signal_id="s10")["reason"] == RejectReason.MAX_POSITION.value


def test_while_it_is_reducing_each_position_may_be_closed(desk: OrdersDesk) -> None:
    desk.control("Reduce", control_id="r", account="default")
    assert new(desk, "other", "SELL", 10, signal_id="s3")["reason"] == RejectReason.TRADING_REDUCING.value
    assert new(desk, "hedge", "BUY", 10, signal_id="s4")["type"] == "OrderReceived"


@pytest.mark.parametrize("fields", [{"target": "10"}, {"weight": "0.5"}, {"targets": [], "close_others": None}])
def test_there_are_no_targets(desk: OrdersDesk, fields: dict[str, Any]) -> None:
    document = said(SetTarget, **{"symbol": None if "targets" in fields else "AAPL", **fields})
    if fields.get("targets") == []:
        document["targets"] = [{"symbol": "AAPL", "target": "1", "weight": None, "tolerance": None}]
    refused = desk.instruct(document)
    assert (refused["type"], refused["reason"]) == ("SignalRefused", RejectReason.NOT_HEDGED.value)
    assert "hedges, and has no targets" in refused["text"]


def test_an_amendment_says_what_there_is_with_what_the_order_has(desk: OrdersDesk) -> None:
    new(desk, "core", "SELL", 70, signal_id="less")
    desk.accept(3, side=2)
    assert "101 is more than the 100 that may be closed" in desk.replace(order_id="3", quantity="101")["text"]


def test_no_position_is_called_like_an_order_that_is_to_come(desk: OrdersDesk) -> None:
    refused = new(desk, "4", "BUY", 10, signal_id="s3")
    assert (refused["type"], refused["reason"]) == ("OrderRejected", RejectReason.POSITION_NAME_TAKEN.value)
    own = new(desk, None, "BUY", 10, signal_id="s4")
    assert own["position_id"] == "4"
    desk.fill(10, 18_500, 4)
    assert new(desk, "4", "SELL", 10, signal_id="s5")["type"] == "OrderReceived", "it is one that is there"


def test_what_protects_is_taken_away_from_a_position_that_is_named(desk: OrdersDesk) -> None:
    gone = said(CancelProtection)
    assert "position_id: is missing" in desk.instruct(gone)["text"]
    assert desk.instruct(gone | {"position_id": "core"})["position_id"] == "core"


def test_flatten_cancels_what_works_and_has_every_position_closed(desk: OrdersDesk) -> None:
    new(desk, "core", "BUY", 20, signal_id="more")
    events = desk.fold({b"data": orjson.dumps(said(SetTarget, symbol=None, targets=[], close_others=True))})
    assert [event["type"] for event in events] == ["PositionProtected", "PositionProtected"]
    assert [(event["position_id"], event["exit_time"], event["leg"], event["legs"]) for event in events] == [
        ("core", NOON_MS, 1, 2), ("hedge", NOON_MS, 2, 2),
    ]  # fmt: skip
    assert desk.stage.due_ms == NOON_MS, "the next entry comes at once"
    assert [(event["type"], event["order_id"]) for event in desk.tick(0)] == [("OrderCancelRequested", "3")]


def test_flatten_of_many_orders_goes_on_entry_by_entry() -> None:
    desk = desk_of(max_daily_orders=10_000)
    held(desk, "core", 1)
    for number in range(MOST_OUTPUTS):
        new(desk, f"p{number}", "BUY", 1, signal_id=f"o{number}", price="100.00")
    document = said(SetTarget, symbol=None, targets=[], close_others=True)
    sent, entries = len(desk.fold({b"data": orjson.dumps(document)})), 0
    while desk.stage.due_ms == desk.ms:
        told = desk.tick(0)
        assert len(told) <= MOST_OUTPUTS
        sent, entries = sent + len(told), entries + 1
    assert (sent, entries >= 2) == (1 + MOST_OUTPUTS, True), "each is asked to go, two messages each"


def test_a_protection_is_of_the_position_that_it_names(desk: OrdersDesk) -> None:
    wish = said(ProtectPosition, protection_id="default", stop_loss="190.00", take_profit="170.00")
    assert "position_id: is missing" in desk.instruct(wish)["text"]
    assert desk.instruct(wish | {"position_id": "none"})["text"] == (
        "position_id: none is none that is open: default hedges, and holds 2 positions of AAPL: core (100), hedge (-40)"
    )
    assert desk.instruct(wish | {"position_id": "core"})["reason"] == RejectReason.WRONG_SIDE.value
    protected = desk.instruct(wish | {"position_id": "hedge"})
    assert (protected["type"], protected["position_id"]) == ("PositionProtected", "hedge")


def test_a_snapshot_has_them_and_what_works_is_counted_again(desk: OrdersDesk) -> None:
    new(desk, "core", "SELL", 70, signal_id="less")
    new(desk, "soon", "BUY", 5, signal_id="opens")
    before = positions(desk)
    desk.restarted()
    assert positions(desk) == before
    assert desk.instruct(close("core"))["quantity"] == "30"


def test_a_split_makes_all_of_them_more(desk: OrdersDesk) -> None:
    held(desk, "even", 60, "SELL")  # together they are nothing
    told = desk.control("AdjustAccount", adjustment="SPLIT", symbol="AAPL", ratio="3:1", account="default")
    [adjusted] = [event for event in told if event["type"] == "AccountAdjusted"]
    assert (adjusted["old_position"], adjusted["position"], adjusted["positions"]) == ("0", "0", 3)
    assert positions(desk) == {"core": (300, 0, 0), "hedge": (-120, 0, 0), "even": (-180, 0, 0)}


def test_what_breaks_a_lot_is_refused(desk: OrdersDesk) -> None:
    held(desk, "odd", 1)
    held(desk, "other", 1, "SELL")
    *_, told = desk.control("AdjustAccount", adjustment="SPLIT", symbol="AAPL", ratio="1:2", account="default")
    assert (told["type"], told["refusal"]) == ("ControlRejected", "fraction_left")
    assert told["text"].startswith(
        "symbol: position odd of account default holds 1 AAPL, of which 1:2 makes no multiple"
    )


@pytest.mark.parametrize("terms", [{"may_short": False}, {"account_type": "cash"}])
def test_an_account_that_may_not_short_does_not_hedge(terms: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="position_mode: HEDGING is"):
        AccountTerms.model_validate(dict(CONFIG.accounts["default"]) | {"position_mode": "HEDGING", **terms})


def test_the_mode_is_an_accounts_own_for_good(desk: OrdersDesk) -> None:
    offered = desk.restarted(CONFIG)
    assert offered is not None
    text = desk.dead_letter(offered)["text"]
    assert text == "accounts.default.position_mode: NETTING cannot replace HEDGING: it is the account's own for good"
