"""What accounts hold is stated where it changed, and the positions stage finds the same at that very event."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.ledger.digest import MOST_ROWS, digest_of, row_of
from fillstream.libs.common.messages.positions import position_message
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.order_service.orders.reconciling.stating import MOST_AT_ONCE
from fillstream.services.position_service.stage import MOST_DIFFERING, PositionStage
from tests.support.orders import CONFIG, OrdersDesk
from tests.support.terms import account, but


class Positions:
    """A positions stage behind a journal."""

    def __init__(self) -> None:
        self.stage = PositionStage(0)

    def read(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Fold events; return what it compared."""
        out = Outputs(self.stage.name, self.stage.inbox)
        for event in events:
            entry = Entry(f"{event['time']}-{event['seq']}", event["time"], {b"data": orjson.dumps(event)})
            out.begin(entry)
            self.stage.fold(entry, out)
        messages = [orjson.loads(payload) for _, _, payloads in out.runs for payload in payloads]
        for message in messages:
            position_message.validate_python(message)
        return [message for message in messages if message["type"] == "PositionsReconciled"]

    @property
    def differences(self) -> int:
        return self.stage.gauges()["position_differences"][""]


@pytest.fixture
def desk() -> OrdersDesk:
    """A desk that states what accounts hold every minute."""
    desk = OrdersDesk(but(CONFIG, state_holdings_every_ms=60_000))
    assert desk.tick(0) == [], "nobody holds anything"
    return desk


def trade(desk: OrdersDesk, lots: int, price: int = 18500, signal_id: str = "s1", **fields: Any) -> None:
    order = desk.new(signal_id=signal_id, quantity=str(lots), price="185.00", **fields)
    desk.fill(lots, price, int(order["order_id"]), account=2 if fields.get("account") == "other" else 1)


def test_what_an_account_holds_is_stated_where_it_changed(desk: OrdersDesk) -> None:
    trade(desk, 40, 18499)
    [stated] = desk.tick(60_000)
    assert (stated["type"], stated["account"], stated["positions"]) == ("HoldingsStated", "default", 1)
    assert stated["held"] == ["AAPL 40 -7399.96998 0.36998"]  # 40 at 184.99, and 0.5 basis points of that
    assert stated["digest"] == digest_of(stated["held"])
    assert desk.tick(60_000) == []
    desk.restarted()
    assert desk.tick(60_000) == []
    trade(desk, 1, signal_id="s2", account="other")
    assert [event["account"] for event in desk.tick(60_000)] == ["other"]


def test_a_control_states_all_of_them_changed_or_not(desk: OrdersDesk) -> None:
    trade(desk, 40)
    desk.tick(60_000)
    for about in (None, "other"):
        events = desk.control("Reconcile", control_id=str(about), account=about)
        stated = [event["account"] for event in events if event["type"] == "HoldingsStated"]
        assert stated == (["default", "other"] if about is None else ["other"])


def test_of_many_accounts_some_are_looked_at_and_the_others_at_once_after_them() -> None:
    accounts = {f"a{number:04}": account(number, 10**6, 10) for number in range(1, MOST_AT_ONCE + 3)}
    desk = OrdersDesk(but(CONFIG, accounts=accounts))
    events = desk.control("Reconcile", account=None)
    stated = [event["account"] for event in events if event["type"] == "HoldingsStated"]
    assert len(stated) == MOST_AT_ONCE
    desk.restarted()
    stated += [event["account"] for event in desk.tick(0)]
    assert stated == [*accounts]
    assert desk.stage.due_ms is not None, "a report of SIM is awaited"


def test_an_account_whose_positions_are_unknown_states_none(desk: OrdersDesk) -> None:
    trade(desk, 40)
    desk.stage._state.holdings.account("default").known = False
    assert desk.tick(60_000) == []


def test_the_positions_stage_has_the_same(desk: OrdersDesk) -> None:
    positions = Positions()
    for number, (lots, price) in enumerate(((40, 18499), (7, 18500))):
        trade(desk, lots, price, f"s{number}")
    desk.tick(60_000)
    [compared] = positions.read(desk.events)
    assert (compared["account"], compared["positions"], compared["differences"]) == ("default", 1, 0)
    assert compared["event_seq"] == desk.events[-1]["seq"]
    assert (compared["differing"], positions.differences) == ([], 0)


def test_a_difference_is_told_at_that_very_event_and_stays_until_it_is_gone(desk: OrdersDesk) -> None:
    positions = Positions()
    trade(desk, 40, 18500)
    desk.tick(60_000)
    events = [dict(event) for event in desk.events]
    filled = next(event for event in events if event["type"] == "OrderFilled")
    filled |= {"last_qty": "39"}
    [compared] = positions.read(events)
    assert compared["differences"] == 1
    assert compared["differing"] == ["AAPL 40 -7400.37 0.37 39 -7215.37 0.37"]
    assert positions.differences == 1
    twin = PositionStage(0)
    twin.restore(positions.stage.snapshot())
    assert twin.snapshot() == positions.stage.snapshot()
    positions.stage = twin
    assert positions.differences == 1
    stated = desk.events[-1] | {"seq": desk.events[-1]["seq"] + 1}
    agreed = stated | {"digest": digest_of(["AAPL 39 -7215.37 0.37"]), "held": ["AAPL 39 -7215.37 0.37"]}
    assert positions.read([agreed])[0]["differences"] == 0
    assert positions.differences == 0
    assert b"differing" not in positions.stage.snapshot()


def test_a_difference_beyond_what_is_told_by_name_is_one_all_the_same(desk: OrdersDesk) -> None:
    positions = Positions()
    trade(desk, 40, 18500)
    desk.tick(60_000)
    events = [dict(event) for event in desk.events]
    events[-1] |= {"digest": "another", "positions": MOST_ROWS + 1}
    [compared] = positions.read(events)
    assert (compared["differences"], compared["differing"]) == (1, ["beyond the first positions"])
    assert MOST_DIFFERING < MOST_ROWS


@pytest.mark.parametrize("numbers", [("1", "0", "0"), ("0", "-5", "0"), ("0", "0", "0.5")])
def test_a_flat_position_that_moved_money_is_one(numbers: tuple[str, str, str]) -> None:
    assert row_of("AAPL", *numbers) == f"AAPL {' '.join(numbers)}"
    assert row_of("AAPL", "0", "0", "0") is None
