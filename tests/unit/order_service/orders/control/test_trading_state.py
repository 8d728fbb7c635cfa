"""What accounts and the desk may do: ACTIVE, REDUCING, HALTED; and how everything that works is taken off at once."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine.frames import CommandType
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import MOST_OUTPUTS
from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support.desk_with_sim import DeskWithSim
from tests.support.orders import CONFIG, OrdersDesk, control, new_order
from tests.support.terms import but


@pytest.fixture
def desk() -> OrdersDesk:
    desk = OrdersDesk()
    desk.quote(18490, 18500)
    return desk


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def said(kind: str, **fields: Any) -> dict[bytes, bytes]:
    document = control(kind, **fields)
    return {b"control": orjson.dumps({name: value for name, value in document.items() if value is not None})}


def hold(desk: OrdersDesk, lots: int, account: str = "default") -> None:
    """Have an account hold so many lots of AAPL, below 0 short."""
    event = desk.new(
        signal_id=f"hold{account}", account=account, side="BUY" if lots > 0 else "SELL", quantity=str(abs(lots))
    )
    number = CONFIG.accounts[account].id
    price = 18500 if lots > 0 else 18490
    desk.fill(abs(lots), price, int(event["order_id"]), account=number, side=1 if lots > 0 else 2)


# ----------------------------------------------------------------------------------------------------------- the state


def test_a_halt_is_told_and_nothing_new_is_taken_until_it_is_resumed(desk: OrdersDesk) -> None:
    applied, changed, canceled = desk.control("Halt")
    assert applied["text"] == (
        "account default: HALTED, before ACTIVE; 0 orders at venues and 0 in the desk are canceled"
    )
    assert changed == {
        "type": "TradingStateChanged", "v": 1, "seq": changed["seq"], "time": desk.ms, "control_id": "c1",
        "who": "desk.head", "reason": "earnings tonight", "account": "default", "old_state": "ACTIVE",
        "new_state": "HALTED", "keep_protective": False,
    }  # fmt: skip
    assert canceled["type"] == "MassCancelRequested"
    refused = desk.new(price="185.00", signal_id="a")
    assert (refused["type"], refused["reason"]) == ("OrderRejected", "trading_halted")
    assert desk.new(price="185.00", account="other", signal_id="b")["type"] == "OrderReceived"
    applied, changed = desk.control("Resume", control_id="c2")
    assert applied["text"] == "account default: ACTIVE, before HALTED; everything is taken again"
    assert (changed["old_state"], changed["new_state"]) == ("HALTED", "ACTIVE")
    assert desk.new(price="185.00", signal_id="c")["type"] == "OrderReceived"


def test_the_desks_halt_is_every_accounts_and_goes_before_an_accounts_own(desk: OrdersDesk) -> None:
    _, changed, _ = desk.control("Halt", account=None)
    assert changed["account"] is None
    for account in CONFIG.accounts:
        assert desk.new(price="185.00", account=account, signal_id=account)["reason"] == "trading_halted"
    applied, *_ = desk.control("Resume", control_id="c2")
    assert applied["text"] == "account default: is ACTIVE already; the desk is HALTED still"
    assert desk.new(price="185.00", signal_id="a")["reason"] == "trading_halted"
    desk.control("Reduce", control_id="c3")
    desk.control("Resume", control_id="c4", account=None)
    assert desk.new(price="185.00", signal_id="b")["reason"] == "trading_reducing"
    assert desk.new(price="185.00", account="other", signal_id="c")["type"] == "OrderReceived"


def test_a_halted_account_may_cancel_and_make_orders_smaller_and_no_more(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.accept()
    desk.control("Halt", cancel=False)
    assert desk.replace(order_id="1", quantity="200", signal_id="r1")["reason"] == "trading_halted"
    assert desk.replace(order_id="1", price="184.00", signal_id="r2")["reason"] == "trading_halted"
    assert desk.replace(order_id="1", quantity="50", signal_id="r3")["type"] == "OrderReplaceRequested"
    assert desk.cancel(order_id="1", signal_id="r4")["type"] == "OrderCancelRequested"


@pytest.mark.parametrize("lots", [100, -100])
def test_a_reducing_account_only_reduces_with_all_that_works_on_that_side(desk: OrdersDesk, lots: int) -> None:
    hold(desk, lots)
    closes, opens, price = ("SELL", "BUY", "186.00") if lots > 0 else ("BUY", "SELL", "184.00")
    desk.control("Reduce")
    assert desk.new(side=opens, price="185.00", quantity="1", signal_id="a")["reason"] == "trading_reducing"
    assert desk.new(side=closes, price=price, quantity="101", signal_id="b")["reason"] == "trading_reducing"
    assert desk.new(side=closes, price=price, quantity="60", signal_id="c")["type"] == "OrderReceived"
    refused = desk.new(side=closes, price=price, quantity="41", signal_id="d")
    assert refused["text"] == (
        f"quantity: 41 does not only reduce: account default is REDUCING, it holds {lots} and 60 work on that side"
    )
    last = desk.new(side=closes, price=price, quantity="40", signal_id="e")
    assert last["type"] == "OrderReceived"
    assert desk.replace(order_id=last["order_id"], quantity="41", signal_id="f")["reason"] == "trading_reducing"


def test_what_works_before_reducing_counts_too(desk: OrdersDesk) -> None:
    hold(desk, 100)
    desk.new(side="SELL", price="186.00", quantity="70", signal_id="a")
    desk.control("Reduce", account=None)
    assert desk.new(side="SELL", price="186.00", quantity="31", signal_id="b")["reason"] == "trading_reducing"
    assert desk.new(side="SELL", price="186.00", quantity="30", signal_id="c")["type"] == "OrderReceived"


def test_an_account_whose_positions_are_unknown_takes_nothing_while_reducing(desk: OrdersDesk) -> None:
    hold(desk, 100)
    desk.stage._state.holdings.account("default").known = False
    desk.control("Reduce")
    assert "not known until it is reconciled" in desk.new(side="SELL", price="186.00", signal_id="a")["text"]


def test_a_standing_outlives_a_restart_and_an_active_desk_has_no_byte_of_it(desk: OrdersDesk) -> None:
    assert "trading" not in orjson.loads(desk.stage.snapshot())
    desk.control("Halt", keep_protective=True)
    desk.control("Reduce", control_id="c2", account=None)
    trading = orjson.loads(desk.stage.snapshot())["trading"]
    assert trading == {
        "desk": {"state": "REDUCING", "keeps": False, "bare": 0},
        "accounts": {"default": {"state": "HALTED", "keeps": True, "bare": 0}},
    }
    assert desk.restarted() is None
    assert desk.stage.gauges()["trading_state"] == {"*": 1, "default": 2}
    assert desk.new(price="185.00", signal_id="a")["reason"] == "trading_halted"
    assert desk.new(price="185.00", account="other", signal_id="b")["reason"] == "trading_reducing"
    desk.control("Resume", control_id="c3")
    desk.control("Resume", control_id="c4", account=None)
    assert "trading" not in orjson.loads(desk.stage.snapshot())


def test_the_same_halt_again_is_reported_and_another_halt_cancels_again(desk: OrdersDesk) -> None:
    desk.control("Halt")
    assert kinds(desk.control("Halt")) == ["ControlReported"]
    assert kinds(desk.control("Halt", control_id="c2")) == ["ControlApplied", "MassCancelRequested"]


def test_a_control_without_a_reason_is_dead_and_no_word_of_it_is_kept(desk: OrdersDesk) -> None:
    for kind in ("Halt", "Reduce", "Resume"):
        letter = desk.dead_letter(said(kind, reason=None))
        assert letter["reason"] == "missing_field"


def test_an_active_account_has_no_rule_about_standings(desk: OrdersDesk) -> None:
    """A plain order pays nothing: which rules there are is found once for an account and an instrument."""
    desk.new(price="185.00", signal_id="a")
    limits = desk.stage._state.limits("default", "AAPL")
    assert limits is not None
    checks = {check.__name__ for each in limits.checks.values() for check in each}
    assert checks and not checks & {"trading", "only_reduces"}


# ---------------------------------------------------------------------------------------------------- the kill switch


MANY = but(
    CONFIG,
    accounts={name: but(each, max_daily_orders=1_000_000) for name, each in CONFIG.accounts.items()},
)


def test_a_kill_leaves_the_books_empty_and_tells_each_order_once() -> None:
    sim = DeskWithSim(MANY)
    sim.quote(18490, 18500)
    for number in range(6_000):
        sim.new(signal_id=f"s{number}", account=("default", "other")[number % 2], price="184.00", quantity="1")
    assert sim.resting == 6_000
    sent = len(sim.desk.commands)
    told = sim.fold(said("Halt", account=None))
    assert sim.resting == 0
    assert [each.type for each in sim.desk.commands[sent:]] == [CommandType.MASS_CANCEL]
    assert kinds(told)[:3] == ["ControlApplied", "TradingStateChanged", "MassCancelRequested"]
    assert (told[2]["working_orders"], told[2]["held_orders"]) == (6_000, 0)
    assert kinds(told)[3:-1] == ["OrderCanceled"] * 6_000
    assert {event["reason"] for event in told[3:-1]} == {"mass_cancel"}
    assert (told[-1]["type"], told[-1]["total_affected_orders"]) == ("OrdersMassCanceled", 6_000)
    assert len({event["order_id"] for event in told[3:-1]}) == 6_000


def test_the_halt_of_an_account_leaves_the_others_orders() -> None:
    sim = DeskWithSim()
    sim.quote(18490, 18500)
    sim.new(signal_id="a", price="184.00")
    sim.new(signal_id="b", price="184.00", account="other")
    told = sim.fold(said("Halt"))
    assert [event["order_id"] for event in told if event["type"] == "OrderCanceled"] == ["1"]
    assert sim.resting == 1
    assert (told[-1]["account"], told[-1]["total_affected_orders"]) == ("default", 1)


def held_order(number: int, **fields: Any) -> dict[bytes, bytes]:
    special = {"stop_price": "180.00"}
    order = {"order_type": "MARKET_IF_TOUCHED", "quantity": "1", "special": special, **fields}
    return {b"data": orjson.dumps(new_order(signal_id=f"h{number}", **order))}


def test_what_the_desk_holds_is_canceled_by_it_so_many_an_entry() -> None:
    sim = DeskWithSim(MANY)
    sim.quote(18490, 18500)
    for number in range(5_000):
        sim.fold(held_order(number))
    sim.most_outputs = 0
    told = sim.desk.fold(said("Halt"))
    assert told[2]["held_orders"] == 5_000
    assert 0 < len(told) - 3 <= MOST_OUTPUTS
    left = orjson.loads(sim.desk.stage.snapshot())["canceling"]
    assert len(left) == 5_000 - (len(told) - 3)
    sim.desk.restarted()
    assert sim.desk.stage.due_ms == sim.desk.ms
    told += sim.fold({b"tick": b"1"})
    canceled = [event for event in told if event["type"] == "OrderCanceled"]
    assert len({event["order_id"] for event in canceled}) == len(canceled) == 5_000
    assert sim.most_outputs <= MOST_OUTPUTS + 2
    assert "canceling" not in orjson.loads(sim.desk.stage.snapshot())
    assert not sim.desk.stage._state.triggers


def long_with_exits() -> DeskWithSim:
    """Return a desk that is long 100, with a stop of 60 that stays and limits on both sides that do not."""
    sim = DeskWithSim()
    sim.quote(18490, 18500)
    sim.new(signal_id="long", quantity="100")
    stop = {"order_type": "STOP", "side": "SELL", "special": {"stop_price": "180.00"}}
    sim.new(signal_id="exit", quantity="60", **stop)
    sim.new(signal_id="sell", side="SELL", price="190.00", quantity="10")
    sim.new(signal_id="buy", price="184.00", quantity="10")
    sim.new(signal_id="other", price="184.00", quantity="10", account="other")
    return sim


def test_protective_orders_stay_when_they_are_to_and_what_is_bare_is_told() -> None:
    sim = long_with_exits()
    assert sim.resting == 4
    told = sim.fold(said("Halt", account=None, keep_protective=True))
    mass = told[2]
    assert (mass["working_orders"], mass["kept_orders"]) == (3, 1)
    assert (mass["bare_positions"], mass["bare"]) == (1, ["default AAPL 40"])
    assert "without a protective order that covers it: 1 positions (default AAPL 40)" in told[0]["text"]
    canceled = {event["client_order_id"] for event in told if event["type"] == "OrderCanceled"}
    assert canceled == {"sell", "buy", "other"}
    assert [event["client_order_id"] for event in told if event["type"] == "OrderCancelRequested"] == ["sell"]
    assert sim.resting == 1
    assert sim.desk.stage.gauges()["bare_positions"] == {"*": 1}


def test_a_kill_takes_exits_as_well_and_says_what_is_bare() -> None:
    sim = long_with_exits()
    told = sim.fold(said("Halt", account=None))
    assert told[2]["bare"] == ["default AAPL 100"]
    assert sim.resting == 0


@pytest.mark.parametrize(("keep", "goes"), [(True, True), (False, False)])
def test_a_held_exit_goes_through_a_halt_only_if_it_was_kept(keep: bool, goes: bool) -> None:
    sim = DeskWithSim()
    sim.quote(18490, 18500)
    sim.new(signal_id="long", quantity="100")
    stop = {"order_type": "STOP", "side": "SELL", "quantity": "100"}
    sim.new(signal_id="exit", special={"stop_price": "180.00", "trigger_price_type": "BID_ASK"}, **stop)
    sim.new(signal_id="entry", order_type="LIMIT_IF_TOUCHED", price="179.00", special={"stop_price": "180.00"})
    sim.fold(said("Halt", cancel=False, keep_protective=keep))
    before = len(sim.desk.events)
    sim.desk.ms += 1
    sim.quote(17990, 18000)
    ends = {
        each["client_order_id"]: (each["ord_status"], each.get("reason"))
        for each in sim.desk.events[before:]
        if each["type"] in ("OrderCanceled", "OrderFilled")
    }
    assert ends.get("exit") == (("Filled", None) if goes else ("Canceled", "trading_halted"))
    assert "entry" not in ends, "nobody printed its price"


def test_a_held_order_that_does_not_only_reduce_is_not_sent_while_reducing() -> None:
    sim = DeskWithSim()
    sim.quote(18490, 18500)
    sim.new(signal_id="long", quantity="100")
    stop = {"order_type": "STOP", "side": "SELL"}
    waits = {"stop_price": "180.00", "trigger_price_type": "BID_ASK"}
    sim.new(signal_id="all", quantity="100", special=waits, **stop)
    sim.new(signal_id="more", quantity="1", special=waits, **stop)
    sim.fold(said("Reduce"))
    sim.desk.ms += 1
    sim.quote(17990, 18000)
    last = {each["client_order_id"]: each["ord_status"] for each in sim.desk.events if "client_order_id" in each}
    assert (last["all"], last["more"]) == ("Filled", "Canceled")


def test_several_partitions_cancel_each_their_own_accounts_orders() -> None:
    counts = (n for n in range(2, 20) if any(Topology(n).account_partition(name) for name in CONFIG.accounts))
    topology = Topology(next(counts))
    account, partition = next((name, at) for name in CONFIG.accounts if (at := topology.account_partition(name)))
    desk = OrdersDesk(topology=topology, partition=partition)
    desk.instruct(new_order(price="185.00", account=account))
    told = desk.fold(said("Halt", account=None))
    assert told[2]["working_orders"] == 1
    command = desk.commands[-1]
    assert (command.type, command.account, command.partition, command.stp) == (
        CommandType.MASS_CANCEL, CONFIG.accounts[account].id, partition, 0,
    )  # fmt: skip


def test_a_stage_that_restarts_within_a_kill_says_the_same() -> None:
    sim = DeskWithSim(MANY)
    sim.quote(18490, 18500)
    for number in range(3_000):
        sim.fold(held_order(number))
    sim.desk.fold(said("Halt"))
    twin = OrdersStage(sim.desk.topology, 0, MANY)
    twin.restore(sim.desk.stage.snapshot())
    assert twin.snapshot() == sim.desk.stage.snapshot()


# --------------------------------------------------------------------------------------------------- a client's own way


def cancel_all(**fields: Any) -> dict[bytes, bytes]:
    document = {
        "type": "CancelAll", "v": 1, "signal_id": "all", "account": "default", "symbol": None, "strategy": None,
        "side": None, "signal_time": 1, **fields,
    }  # fmt: skip
    return {b"data": orjson.dumps(document)}


def busy() -> DeskWithSim:
    """Return a desk with resting orders of two accounts, two symbols, both sides and two strategies; one is held."""
    sim = DeskWithSim(MANY)
    sim.quote(18490, 18500)
    for account in ("default", "other"):
        for symbol, low, high in (("AAPL", "184.00", "190.00"), ("ES", "400.00", "1900.00")):
            for side, price in (("BUY", low), ("SELL", high)):
                for strategy in ("alpha", "beta"):
                    name = f"{account}-{symbol}-{side}-{strategy}"
                    fields = {"account": account, "symbol": symbol, "side": side, "strategy": strategy}
                    sim.new(signal_id=name, price=price, quantity="1", **fields)
    sim.fold(held_order(1, strategy="alpha"))
    assert sim.resting == 16
    return sim


@pytest.mark.parametrize(
    ("fields", "singles"),
    [
        ({}, 0),
        ({"symbol": "AAPL"}, 0),
        ({"side": "SELL"}, 0),
        ({"symbol": "ES", "side": "BUY"}, 0),
        ({"strategy": "alpha"}, 4),
        ({"strategy": "alpha", "symbol": "AAPL", "side": "BUY"}, 1),
        ({"strategy": "none"}, 0),
        ({"account": "other"}, 0),
    ],
)
def test_a_client_cancels_what_it_names_and_nothing_else(fields: dict[str, str], singles: int) -> None:
    sim = busy()
    before = {e["client_order_id"] for e in sim.desk.events if e["type"] == "OrderReceived"}
    told = sim.fold(cancel_all(**fields))
    mass = told[0]
    gone = {e["client_order_id"] for e in told if e["type"] == "OrderCanceled"}
    wanted = {"account": "default", **fields}

    def is_meant(name: str) -> bool:
        account, symbol, side, strategy = ("default-AAPL-BUY-alpha" if name == "h1" else name).split("-")
        said = {"account": account, "symbol": symbol, "side": side, "strategy": strategy}
        return all(said[key] == value for key, value in wanted.items())

    assert gone == {name for name in before if is_meant(name)}
    assert (mass["type"], mass["signal_id"]) == ("MassCancelRequested", "all")
    assert mass["working_orders"] + mass["held_orders"] == len(gone)
    assert kinds(told).count("OrderCancelRequested") == singles
    assert sim.resting == 16 - mass["working_orders"]
    ends = [e for e in told if e["type"] == "OrdersMassCanceled"]
    assert bool(ends) == ("strategy" not in fields)
    assert {e["account"] for e in ends} <= {wanted["account"]}


def test_many_orders_of_a_strategy_are_canceled_so_many_an_entry() -> None:
    sim = DeskWithSim(MANY)
    sim.quote(18490, 18500)
    for number in range(3_000):
        sim.new(signal_id=f"s{number}", price="184.00", quantity="1", strategy="alpha")
    sim.most_outputs = 0
    sim.desk.fold(cancel_all(strategy="alpha"))
    assert len(sim.desk.commands) - 3_000 == MOST_OUTPUTS // 2
    assert sim.desk.stage.due_ms == sim.desk.ms


@pytest.mark.parametrize(
    ("fields", "reason"), [({"account": "nobody"}, "unknown_account"), ({"symbol": "NONE"}, "unknown_symbol")]
)
def test_a_cancel_of_all_that_is_about_nothing_is_refused(
    desk: OrdersDesk, fields: dict[str, str], reason: str
) -> None:
    refused = desk.one(cancel_all(**fields))
    assert (refused["type"], refused["signal"], refused["reason"]) == ("SignalRefused", "CancelAll", reason)
    assert desk.commands == []


def test_the_same_cancel_of_all_again_changes_nothing(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    told = desk.status(request="CancelAll", signal_id="all", client_order_id="all")
    assert (told["type"], told["reason"]) == ("SignalRefused", "duplicate_signal")
