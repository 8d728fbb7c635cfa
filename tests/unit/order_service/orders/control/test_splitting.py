"""Splits: what is held becomes more or fewer lots at the same cost, in whole lots, where nothing works."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.runtime.stage import Inconsistent
from fillstream.services.order_service.orders.control import splitting
from tests.support.corporate import booked, desk_of, hold, problems
from tests.support.orders import OrdersDesk, control, new_order

D = Decimal


def split(desk: OrdersDesk, ratio: str, control_id: str = "split", **fields: Any) -> list[dict[str, Any]]:
    return desk.control(
        "AdjustAccount", control_id=control_id, adjustment="SPLIT", symbol="AAPL", ratio=ratio, **fields
    )


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_a_split_doubles_what_is_held_at_the_same_cost_in_both_stages(side: str) -> None:
    desk = desk_of()
    hold(desk, 100, side=side)
    applied, adjusted = split(desk, "2:1")
    assert (applied["type"], applied["text"]) == (
        "ControlApplied",
        "SPLIT 2:1 of AAPL: 1 positions were changed (default); from now on a quote is one of the new shares, and "
        "stops and targets go by it",
    )  # fmt: skip
    sign = "" if side == "BUY" else "-"
    assert {name: adjusted[name] for name in ("type", "account", "amount", "ratio", "old_position", "position")} == {
        "type": "AccountAdjusted", "account": "default", "amount": "0", "ratio": "2:1",
        "old_position": f"{sign}100", "position": f"{sign}200",
    }  # fmt: skip
    held = desk.stage._state.holdings.holding("default", "AAPL")
    assert (abs(held.quantity), abs(held.cost), held.denominator) == (200, 1_850_000, 1)
    stage, told = booked(desk)
    kept = stage._books.instruments["AAPL"].held["default"].position
    assert (kept.quantity, kept.cash, kept.cost) == (held.quantity, held.cash, held.cost)
    assert (told[-1]["type"], told[-1]["position"], told[-1]["old_position"], told[-1]["avg_px"]) == (
        "PositionAdjusted", f"{sign}200", f"{sign}100", "92.50",
    )  # fmt: skip
    assert told[-1]["realized_pnl"] == told[-2]["realized_pnl"] and told[-1]["cash"] == told[-2]["cash"]


def test_what_is_sold_after_a_split_realizes_against_the_new_average() -> None:
    desk = desk_of()
    hold(desk, 100)
    split(desk, "2:1")
    hold(desk, 50, side="SELL", symbol="AAPL")
    _, told = booked(desk)
    assert (told[-1]["position"], told[-1]["avg_px"], told[-1]["realized_pnl"]) == ("150", "92.50", "4625")


def test_the_whole_desk_is_split_at_once_and_who_holds_none_is_left_alone() -> None:
    desk = desk_of()
    hold(desk, 100)
    hold(desk, 20, account="other")
    applied, *adjusted = split(desk, "3:2", account=None)
    assert applied["text"].startswith("SPLIT 3:2 of AAPL: 2 positions were changed (default, other); ")
    assert [(each["account"], each["position"]) for each in adjusted] == [("default", "150"), ("other", "30")]
    [applied] = desk.control(
        "AdjustAccount", control_id="es", account=None, adjustment="SPLIT", symbol="ES", ratio="2:1"
    )
    assert applied["text"] == "nothing was changed: nobody holds any ES"


def test_a_split_that_leaves_no_whole_lots_is_refused_and_changes_nobody() -> None:
    desk = desk_of()
    hold(desk, 100)
    hold(desk, 25, account="other")
    [refused] = split(desk, "1:10", account=None)
    assert (refused["refusal"], refused["text"]) == (
        "fraction_left",
        "symbol: account other holds 25 AAPL, of which 1:10 makes no multiple of the lot size 1; trade what is over "
        "first",
    )
    assert desk.stage._state.holdings.holding("default", "AAPL").quantity == 100
    hold(desk, 5, account="other", side="SELL")
    assert len(split(desk, "1:10", "again", account=None)) == 3


def test_a_strategys_part_must_split_into_whole_lots_too() -> None:
    desk = desk_of(max_strategy_gross_exposure=D(10**6))
    hold(desk, 15, strategy="momentum")
    hold(desk, 5, strategy="carry")
    [refused] = split(desk, "1:10")
    assert refused["text"].startswith("symbol: strategy carry of account default holds 5 AAPL, of which 1:10 makes no")
    hold(desk, 5, strategy="carry", side="SELL")
    hold(desk, 5, strategy="momentum")
    split(desk, "1:10", "again")
    shares = desk.stage._state.holdings.account("default").shares
    assert shares is not None and [share.quantity for _, _, share in shares] == [2]


def test_while_orders_of_the_instrument_work_nothing_is_split() -> None:
    desk = desk_of()
    hold(desk, 100)
    desk.new(signal_id="es", symbol="ES", quantity="1", price="4500.00")
    desk.new(signal_id="works", account="other", quantity="1", price="100.00")
    assert len(split(desk, "2:1", "own")) == 2, "another account's order is nothing to it"
    [refused] = split(desk, "2:1", "all", account=None)
    assert (refused["refusal"], refused["text"]) == (
        "orders_work",
        "symbol: 1 orders in AAPL of other work; cancel them first (fillstream cancel-all)",
    )
    waits = new_order(signal_id="held", quantity="1", price="100.00", special={"effective_after_ms": "1000"})
    desk.fold({b"data": orjson.dumps(waits)})
    assert split(desk, "2:1", "held")[0]["refusal"] == "orders_work", "what the desk holds works, too"


def test_what_an_account_may_still_take_on_is_counted_anew_after_a_split() -> None:
    desk = desk_of(max_gross_exposure=D(40_000))
    desk.quote(18_490, 18_500)
    desk.tick()
    hold(desk, 90)
    hold(desk, 10)  # 21500 are left, and that is kept for the next order
    split(desk, "2:1")  # no new quote came: 200 at 185 are 37000
    refused = desk.new(signal_id="more", price="185.00", quantity="50")
    assert (refused["type"], refused["reason"]) == ("OrderRejected", "max_gross_exposure")


def test_the_same_split_again_changes_nothing() -> None:
    desk = desk_of()
    hold(desk, 100)
    split(desk, "2:1")
    [again] = split(desk, "2:1")
    assert again["type"] == "ControlReported"
    assert desk.stage._state.holdings.holding("default", "AAPL").quantity == 200


def test_what_is_unknown_is_not_split_and_more_accounts_than_one_control_takes_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = desk_of()
    hold(desk, 100)
    hold(desk, 100, account="other")
    monkeypatch.setattr(splitting, "MOST_ACCOUNTS", 1)
    assert split(desk, "2:1", "many", account=None)[0]["refusal"] == "too_many_accounts"
    desk.stage._state.holdings.account("default").known = False
    assert split(desk, "2:1", "unknown")[0]["refusal"] == "position_unknown"
    desk.restarted()
    assert split(desk, "2:1", "still")[0]["refusal"] == "position_unknown"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"ratio": "2:1"}, "symbol: a SPLIT needs the instrument that it is of"),
        ({"symbol": "AAPL"}, "ratio: a SPLIT needs NEW:OLD, as 2:1"),
        ({"symbol": "AAPL", "ratio": "2:2"}, "ratio: 2:2 changes nothing"),
        ({"symbol": "AAPL", "ratio": "0:1"}, "ratio: '0:1' "),
        ({"symbol": "AAPL", "ratio": "2:1", "amount": "5"}, "amount: 5 is none of a SPLIT, which moves no cash"),
        ({"adjustment": "DIVIDEND", "amount": "5", "ratio": "2:1"}, "ratio: 2:1 is for a SPLIT, this is a DIVIDEND"),
        ({"adjustment": "DEPOSIT"}, "amount: must be said of a DEPOSIT"),
        ({"adjustment": "DEPOSIT", "amount": "5", "account": None}, "account: must be named, a DEPOSIT is of one"),
    ],
)
def test_a_split_that_makes_no_sense_is_dead(fields: dict[str, Any], sentence: str) -> None:
    desk = desk_of()
    letter = desk.dead_letter({b"control": orjson.dumps(control("AdjustAccount", **{"adjustment": "SPLIT", **fields}))})
    assert letter["text"].startswith(sentence), letter["text"]


def test_the_audit_tells_a_split_that_was_booked_wrongly() -> None:
    desk = desk_of()
    hold(desk, 100)
    split(desk, "2:1")
    _, told = booked(desk)

    def found(**wrong: Any) -> list[str]:
        return problems(desk, [*told[:-1], told[-1] | wrong])

    assert found() == []
    assert "position is 201, expected 200" in found(position="201")[0]
    assert any("avg_px is 185.00, expected 92.5" in each for each in found(avg_px="185.00"))
    assert "an adjustment of that account and symbol" in found(control_id="another")[0]


def test_a_journal_whose_split_breaks_lots_is_inconsistent() -> None:
    desk = desk_of()
    hold(desk, 100)
    split(desk, "2:1")
    desk.events[-1]["ratio"] = "1:3"
    with pytest.raises(Inconsistent, match="1:3 of 100 AAPL must be whole lots of 1"):
        booked(desk)


def test_a_quote_of_before_is_told_before_what_it_is_a_quote_of() -> None:
    """It had not been told yet: what protects a position would take it for one of the new shares."""
    desk = desk_of()
    hold(desk, 100)
    desk.tick()
    desk.quote(18_490, 18_500)
    desk.quote(4_500, 4_501, symbol="ES")
    kinds = [(event["type"], event["symbol"]) for event in split(desk, "2:1") if "symbol" in event]
    assert kinds == [("QuoteUpdated", "AAPL"), ("AccountAdjusted", "AAPL")]
    assert [event["symbol"] for event in desk.tick()] == ["ES"]
