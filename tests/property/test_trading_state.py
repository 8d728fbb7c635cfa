"""Under any interleaving: a halt lets nothing out and empties the books, reducing never makes a position larger."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from fillstream.libs.common.engine.frames import CommandType
from fillstream.libs.common.runtime.stage import Outputs
from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support.desk_with_sim import DeskWithSim
from tests.support.orders import CONFIG, control, fold_all, new_order, request
from tests.support.terms import but

GENEROUS = but(
    CONFIG,
    accounts={
        name: but(each, max_daily_orders=10_000, max_order_value=10_000_000, max_slippage_bps=1_000)
        for name, each in CONFIG.accounts.items()
    },
)
accounts = st.sampled_from(["default", "default", "other"])
sides = st.sampled_from(["BUY", "SELL"])
quantities = st.sampled_from(["1", "5", "20"])
plain = st.fixed_dictionaries(
    {"account": accounts, "side": sides, "quantity": quantities},
    optional={"price": st.sampled_from(["184.90", "185.00", "185.10"]), "strategy": st.sampled_from(["alpha", "beta"])},
)
waits = st.fixed_dictionaries(
    {
        "account": accounts, "side": sides, "quantity": quantities,
        "order_type": st.sampled_from(["STOP", "MARKET_IF_TOUCHED"]),
        "special": st.fixed_dictionaries(
            {"stop_price": st.sampled_from(["184.80", "185.20"]), "trigger_price_type": st.just("MID")}
        ),
    }
)  # fmt: skip
stands = st.tuples(
    st.sampled_from(["Halt", "Halt", "Reduce", "Resume", "Resume"]),
    st.sampled_from([None, "default", "other"]),
    st.booleans(),
    st.booleans(),
)
steps = st.one_of(
    plain.map(lambda fields: ("new", fields)),
    plain.map(lambda fields: ("new", fields)),
    waits.map(lambda fields: ("new", fields)),
    stands.map(lambda said: ("stand", said)),
    st.integers(18470, 18530).map(lambda bid: ("quote", bid)),
    st.tuples(st.integers(1, 12), quantities).map(lambda said: ("replace", said)),
    st.tuples(accounts, st.sampled_from([None, "alpha"])).map(lambda said: ("cancel_all", said)),
)


def do(sim: DeskWithSim, number: int, step: tuple[str, Any]) -> list[dict[str, Any]]:
    what, said = step
    desk = sim.desk
    desk.ms += 1
    if what == "quote":
        before = len(desk.events)
        sim.quote(said, said + 2)
        return desk.events[before:]
    if what == "new":
        document = new_order(signal_id=f"s{number}", **said)
        if "price" not in said and "order_type" not in said:
            document["order_type"] = "MARKET"
    elif what == "replace":
        order_id, quantity = said
        account = next((e["account"] for e in desk.events if e.get("order_id") == str(order_id)), "default")
        document = request(
            "ReplaceOrder", signal_id=f"r{number}", account=account, order_id=str(order_id), quantity=quantity
        )
    elif what == "cancel_all":
        account, strategy = said
        document = {
            "type": "CancelAll", "v": 1, "signal_id": f"x{number}", "account": account, "symbol": None,
            "strategy": strategy, "side": None, "signal_time": 1,
        }  # fmt: skip
    else:
        kind, account, cancel, keep = said
        halts = {"cancel": cancel, "keep_protective": keep} if kind == "Halt" else {}
        told = control(kind, control_id=f"c{number}", **halts)
        told["account"] = account
        return sim.fold({b"control": orjson.dumps({key: each for key, each in told.items() if each is not None})})
    return sim.fold({b"data": orjson.dumps(document)})


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, min_size=10, max_size=40), st.data())
def test_what_accounts_may_do_holds_under_any_interleaving(script: list[tuple[str, Any]], data: st.DataObject) -> None:
    sim = DeskWithSim(GENEROUS)
    sim.quote(18499, 18501)
    state = sim.desk.stage._state
    for number, step in enumerate(script):
        standing = {name: state.standing_of(name) for name in CONFIG.accounts}
        held = {name: state.holdings.holding(name, "AAPL").quantity for name in CONFIG.accounts}
        sent = len(sim.desk.commands)
        do(sim, number, step)
        state = sim.desk.stage._state
        for command in sim.desk.commands[sent:]:
            if command.type not in (CommandType.NEW, CommandType.REPLACE) or command.symbol != 1:
                continue
            name = "default" if command.account == 1 else "other"
            if standing[name].state == "HALTED" and not standing[name].keeps:
                order = state.orders[command.order_id]
                smaller = command.type == CommandType.REPLACE
                assert smaller or step[0] == "stand", f"{name} is halted, and {order} went out"
            if standing[name].state == "REDUCING" and command.type == CommandType.NEW:
                after = state.holdings.holding(name, "AAPL").quantity
                assert held[name] * after >= 0 and abs(after) <= abs(held[name])
        if step[0] == "stand" and step[1][0] == "Halt" and step[1][2] and not step[1][3]:
            gone = CONFIG.accounts if step[1][1] is None else (step[1][1],)
            working = [o for name in gone for o in state.orders_of(name) if o.status not in ("Filled", "Canceled")]
            assert [o for o in working if o.status not in ("Rejected", "Expired")] == []
            if step[1][1] is None:
                assert sim.resting == 0
    digest, snapshot = sim.desk.out.digest, sim.desk.stage.snapshot()
    cut = data.draw(st.integers(0, len(sim.desk.entries)))
    first, second = (OrdersStage(sim.desk.topology, 0, GENEROUS) for _ in range(2))
    out = Outputs("orders", first.inbox)
    fold_all(first, sim.desk.entries[:cut], out)
    second.restore(first.snapshot())
    assert fold_all(second, sim.desk.entries[cut:], out) == digest
    assert second.snapshot() == snapshot
