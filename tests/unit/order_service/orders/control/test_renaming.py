"""Changes of symbol: what is held goes on under another one, with all that it cost and made, in both stages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.codes import CostMethod
from fillstream.services.order_service.orders.control import splitting
from tests.support.corporate import booked, desk_of, hold, problems
from tests.support.orders import OrdersDesk, control, new_order
from tests.support.terms import instrument

D = Decimal
NEW = {"APLE": instrument(7, D("0.01"), D(1))}
FINER = {"APLE": instrument(7, D("0.005"), D("0.1"))}


def rename(desk: OrdersDesk, control_id: str = "rename", new: str = "APLE", **fields: Any) -> list[dict[str, Any]]:
    return desk.control(
        "AdjustAccount", control_id=control_id, adjustment="SYMBOL_CHANGE", symbol="AAPL", new_symbol=new, **fields
    )


@pytest.mark.parametrize("method", CostMethod)
@pytest.mark.parametrize(("terms", "size"), [(NEW, "60"), (FINER, "60.0")])
@pytest.mark.parametrize(("side", "back", "sign"), [("BUY", "SELL", ""), ("SELL", "BUY", "-")])
def test_all_that_is_held_and_was_made_goes_on_under_the_new_symbol(
    method: CostMethod, terms: dict[str, Any], size: str, side: str, back: str, sign: str
) -> None:
    desk = desk_of(terms, cost_method=method)
    hold(desk, 50, side=side, ticks=18_400)
    hold(desk, 50, side=side)
    hold(desk, 40, side=back, ticks=18_600)
    applied, adjusted = rename(desk)
    assert applied["text"] == "what was held of AAPL is held of APLE: 1 positions (default)"
    assert {name: adjusted[name] for name in ("account", "symbol", "new_symbol", "old_position", "position")} == {
        "account": "default", "symbol": "AAPL", "new_symbol": "APLE", "old_position": f"{sign}60",
        "position": f"{sign}{size}",
    }  # fmt: skip
    stage, told = booked(desk)
    before, left, moved = told[-3:]
    nothing = {"position": "0", "avg_px": None, "realized_pnl": "0", "fees": "0", "cash": "0", "unrealized_pnl": None}
    assert left | nothing | {"new_symbol": "APLE", "old_position": f"{sign}60", "symbol": "AAPL"} == left
    kept = ("realized_pnl", "fees", "cash", "position_id")
    assert {name: moved[name] for name in kept} == {name: before[name] for name in kept}
    assert D(moved["avg_px"]) == D(before["avg_px"]) and D(moved["position"]) == D(before["position"])
    assert (moved["symbol"], moved["old_symbol"], D(moved["old_position"])) == ("APLE", "AAPL", 0)
    assert problems(desk, told) == []
    again = type(stage)(0)
    again.restore(stage.snapshot())
    assert again.snapshot() == stage.snapshot()


def test_what_is_traded_of_the_new_symbol_goes_on_from_there() -> None:
    desk = desk_of(FINER, cost_method="FIFO")
    hold(desk, 10, ticks=18_000)
    hold(desk, 10, ticks=19_000)
    rename(desk)
    order = desk.new(signal_id="sell", symbol="APLE", side="SELL", quantity="15", price="200.000")
    desk.fill(150, 40_000, symbol=7, order_id=int(order["order_id"]), side=2)
    _, told = booked(desk)
    last = told[-1]
    assert [last[name] for name in ("position", "avg_px", "realized_pnl")] == ["5.0", "190.000", "250"], (
        "10, and then 5"
    )
    assert problems(desk, told) == []


def test_every_account_of_the_desk_is_changed_at_once_and_who_holds_none_is_left_alone() -> None:
    desk = desk_of(NEW)
    hold(desk, 100)
    hold(desk, 20, account="other")
    applied, *adjusted = rename(desk, account=None)
    assert applied["text"] == "what was held of AAPL is held of APLE: 2 positions (default, other)"
    assert [(each["account"], each["position"]) for each in adjusted] == [("default", "100"), ("other", "20")]
    [applied] = rename(desk, "own")
    assert applied["text"] == "nothing was changed: account default holds no AAPL"
    [applied] = rename(desk, "again", account=None)
    assert applied["text"] == "nothing was changed: nobody holds any AAPL"
    desk.restarted()
    assert desk.stage._state.holdings.holding("other", "APLE").quantity == 20


def test_a_day_that_began_with_the_old_symbol_goes_on_and_so_do_strategies() -> None:
    desk = desk_of(FINER, max_daily_loss=D(10**6), max_strategy_gross_exposure=D(10**6))
    hold(desk, 10, strategy="momentum")
    hold(desk, 10, strategy="carry", side="SELL")
    hold(desk, 5)
    account = desk.stage._state.holdings.account("default")
    account.opens()
    opening = account.holdings["AAPL"].opening
    assert opening
    rename(desk)
    assert (account.holdings["APLE"].opening, account.holdings["AAPL"].opening) == (opening, 0)
    assert account.shares is not None
    assert [(strategy, symbol, share.quantity) for strategy, symbol, share in account.shares] == [
        ("carry", "APLE", -100), ("momentum", "APLE", 100),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("terms", "reason", "text"),
    [
        ({}, "unknown_symbol",
         "new_symbol: APLE is no instrument of this desk; put it into instruments.yaml first, and start again"),
        ({"APLE": instrument(7, D("0.01"), D(1), D(100))}, "terms_differ",
         "new_symbol: multiplier of APLE is 100 and must be 1, that of AAPL"),
        ({"APLE": instrument(7, D("0.01"), D(1), currency="EUR")}, "terms_differ",
         "new_symbol: currency of APLE is EUR and must be USD, that of AAPL"),
        ({"APLE": instrument(7, D("0.05"), D(1))}, "terms_differ",
         "new_symbol: tick_size of APLE is 0.05 and must be 0.01, that of AAPL, or a whole part of it"),
        ({"APLE": instrument(7, D("0.01"), D("0.3"))}, "terms_differ",
         "new_symbol: lot_size of APLE is 0.3 and must be 1, that of AAPL, or a whole part of it"),
    ],
)  # fmt: skip
def test_a_symbol_whose_terms_do_not_fit_is_refused_and_changes_nobody(
    terms: dict[str, Any], reason: str, text: str
) -> None:
    desk = desk_of(terms)
    hold(desk, 100)
    [refused] = rename(desk)
    assert (refused["refusal"], refused["text"]) == (reason, text)
    assert desk.stage._state.holdings.holding("default", "AAPL").quantity == 100


def test_who_holds_both_or_has_orders_of_the_old_one_is_told_what_to_do_first() -> None:
    desk = desk_of(NEW)
    hold(desk, 100)
    desk.new(signal_id="new", symbol="APLE", quantity="1", price="1.00")
    waits = new_order(signal_id="held", quantity="1", price="100.00", special={"effective_after_ms": "1000"})
    desk.fold({b"data": orjson.dumps(waits)})
    [refused] = rename(desk, "works")
    assert refused["refusal"] == "orders_work"
    other = desk_of(NEW)
    hold(other, 100)
    hold(other, 100, account="other")
    hold(other, 1, account="other", symbol="APLE")
    [refused] = rename(other, "both", account=None)
    assert (refused["refusal"], refused["text"]) == (
        "holds_both",
        "new_symbol: account other holds some of APLE, too; close what it holds of one of both first",
    )
    assert other.stage._state.holdings.holding("default", "AAPL").quantity == 100
    hold(other, 1, account="other", symbol="APLE", side="SELL", ticks=18_600)
    assert len(rename(other, "again", account=None)) == 3
    _, told = booked(other)
    assert (told[-1]["realized_pnl"], problems(other, told)) == ("1", []), "what APLE made before is added"


def test_what_is_unknown_is_not_renamed_and_more_accounts_than_one_control_takes_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = desk_of(NEW)
    hold(desk, 100)
    hold(desk, 100, account="other")
    monkeypatch.setattr(splitting, "MOST_ACCOUNTS", 1)
    assert rename(desk, "many", account=None)[0]["refusal"] == "too_many_accounts"
    desk.stage._state.holdings.account("default").known = False
    assert rename(desk, "unknown")[0]["refusal"] == "position_unknown"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"symbol": "AAPL"}, "new_symbol: a SYMBOL_CHANGE needs the symbol from now on"),
        ({"new_symbol": "APLE"}, "symbol: a SYMBOL_CHANGE needs that of before"),
        ({"symbol": "AAPL", "new_symbol": "AAPL"}, "new_symbol: AAPL changes nothing"),
        ({"symbol": "AAPL", "new_symbol": "APLE", "amount": "5"}, "amount: 5 is none of a SYMBOL_CHANGE, which moves"),
        (
            {"symbol": "AAPL", "new_symbol": "APLE", "ratio": "2:1"},
            "ratio: 2:1 is for a SPLIT, this is a SYMBOL_CHANGE",
        ),
        ({"adjustment": "DIVIDEND", "amount": "5", "new_symbol": "APLE"}, "new_symbol: APLE is for a SYMBOL_CHANGE, "),
    ],
)
def test_a_change_of_symbol_that_makes_no_sense_is_dead(fields: dict[str, Any], sentence: str) -> None:
    said = {"adjustment": "SYMBOL_CHANGE", **fields}
    letter = desk_of(NEW).dead_letter({b"control": orjson.dumps(control("AdjustAccount", **said))})
    assert letter["text"].startswith(sentence), letter["text"]


def test_the_audit_tells_a_change_of_symbol_that_was_booked_wrongly() -> None:
    desk = desk_of(NEW)
    hold(desk, 100)
    rename(desk)
    _, told = booked(desk)
    *before, left, moved = told
    assert problems(desk, told) == []
    assert any(
        "position is 99, expected 100" in each for each in problems(desk, [*before, left, moved | {"position": "99"}])
    )
    assert any(
        "position is 1, expected 0" in each for each in problems(desk, [*before, left | {"position": "1"}, moved])
    )
    assert any("one whose own message came before" in each for each in problems(desk, [*before, moved]))
    assert any("old_symbol is ES" in each for each in problems(desk, [*before, left, moved | {"old_symbol": "ES"}]))
