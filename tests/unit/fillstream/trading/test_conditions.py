"""Conditions: what they are met by, why they are not, and what is refused when they are made."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fillstream.trading import (
    And,
    Condition,
    Context,
    EventCondition,
    MarketCondition,
    Not,
    Or,
    PositionCondition,
    PredictionSignalEvent,
    PriceEvent,
    TimeCondition,
)

MONDAY_1430 = int(datetime(2026, 11, 30, 14, 30, tzinfo=UTC).timestamp() * 1000)


def context(event: Any = None, at_ms: int = MONDAY_1430, held: str = "0", prices: Any = None) -> Context:
    tracker: Any = SimpleNamespace(
        positions={},
        held={("default", "AAPL"): Decimal(held)},
        prices=prices or {},
        account="default",
        event_bus=SimpleNamespace(),
    )
    event = event or PredictionSignalEvent(symbol="AAPL", signal="BUY", confidence=0.8)
    return Context("r", event, tracker, cast(Any, None), at_ms)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"signal": "BUY"}, None),
        ({"signal": "SELL"}, "signal is BUY, wanted SELL"),
        ({"confidence": lambda c: c > 0.7}, None),
        ({"confidence": lambda c: c > 0.8}, "confidence is 0.8, wanted what a predicate asks for"),
        ({"confidence": (">=", 0.8)}, None),
        ({"confidence": (">", 0.8)}, "confidence is 0.8, wanted > 0.8"),
        ({"confidence": 0.8}, None),
        ({"confidence": 0.80000001}, "confidence is 0.8, wanted 0.80000001"),
        ({"symbol": {"AAPL", "MSFT"}}, None),
        ({"symbol": ["MSFT"]}, "symbol is AAPL, wanted ['MSFT']"),
        ({"price": (">", 1)}, "price is None, wanted > 1"),
        ({"price": None}, None),
        ({"price": lambda p: True}, "price is None, wanted what a predicate asks for"),
        ({}, None),
    ],
)
def test_fields_have_a_value_a_comparison_one_of_several_or_a_predicate(wanted: Any, why: str | None) -> None:
    assert EventCondition(PredictionSignalEvent, wanted).why_not(context()) == why


def test_an_event_of_another_type_is_none() -> None:
    assert EventCondition(PriceEvent).why_not(context()) == "the event is no PriceEvent"


@pytest.mark.parametrize(
    ("kind", "wanted", "sentence"),
    [
        (
            PredictionSignalEvent,
            {"conviction": 1},
            "field_conditions: PredictionSignalEvent has no field conviction, but",
        ),
        (PredictionSignalEvent, {"confidence": ("~", 1)}, "field_conditions.confidence: .* must be a comparison"),
        (PredictionSignalEvent, {"confidence": (">", 1, 2)}, "must be a comparison and a value"),
        (str, {}, "event_type: .* must be a class of events"),
    ],
)
def test_a_condition_that_could_never_be_met_is_refused(kind: Any, wanted: Any, sentence: str) -> None:
    with pytest.raises((ValueError, TypeError), match=sentence):
        EventCondition(kind, wanted)


class Says(Condition):
    def __init__(self, why: str | None) -> None:
        self.why = why

    def why_not(self, context: Context) -> str | None:
        return self.why


YES, NO = Says(None), Says("no")


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        (And(YES, YES), None),
        (And(YES, NO), "no"),
        (Or(NO, YES), None),
        (Or(NO, NO), "no; no"),
        (Not(NO), None),
        (Not(YES), "the contrary is so"),
        (YES & ~NO | NO, None),
    ],
)
def test_conditions_are_combined(condition: Condition, why: str | None) -> None:
    assert condition.why_not(context()) == why
    assert condition.is_met(context()) == (why is None)


def test_a_combination_is_about_what_its_parts_are_about_and_has_parts() -> None:
    condition = Or(EventCondition(PriceEvent), Not(EventCondition(PredictionSignalEvent)) & YES)
    assert condition.event_types() == {PriceEvent, PredictionSignalEvent}
    with pytest.raises(ValueError, match="conditions: give one at least"):
        And()
    with pytest.raises(TypeError, match="conditions: 5 must be a condition"):
        Not(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("condition", "held", "met"),
    [
        (PositionCondition.flat(), "0", True),
        (PositionCondition.flat(), "1", False),
        (PositionCondition.long(), "1", True),
        (PositionCondition.long("MSFT"), "1", False),
        (PositionCondition.short(lambda ctx: ctx["event"].symbol), "-1", True),
        (PositionCondition((">", 2)), "2", False),
        (PositionCondition(lambda q: q % 2 == 0), "4", True),
        (PositionCondition(4, account="other"), "4", False),
    ],
)
def test_what_is_held_counts(condition: Condition, held: str, met: bool) -> None:
    assert condition.is_met(context(held=held)) is met


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (dict(after="14:30", before="15:00"), None),
        (dict(after="14:31"), "it was 14:30 in UTC"),
        (dict(before="14:30"), "it was 14:30 in UTC"),
        (dict(after="09:30", before="16:00", zone="America/New_York"), None),
        (dict(before="09:30", zone="America/New_York"), "it was 09:30 in America/New_York"),
        (dict(after="22:00", before="15:00"), None),
        (dict(after="22:00", before="06:00"), "it was 14:30 in UTC"),
        (dict(days=["tue", "Wednesday"]), "it was mon"),
        (dict(days=["Monday"]), None),
    ],
)
def test_the_time_is_the_events_own(said: Any, why: str | None) -> None:
    assert TimeCondition(**said).why_not(context()) == why


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (dict(after="25:00"), "after: '25:00' must be a time of day, like 09:30"),
        (dict(zone="Mars"), "zone: 'Mars' is no time zone"),
        (dict(days=["noday"]), "days: nod must be some of mon, tue"),
    ],
)
def test_a_time_that_is_none_is_refused(said: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TimeCondition(**said)


def test_a_market_is_as_it_was_told_last() -> None:
    prices = {"AAPL": PriceEvent(symbol="AAPL", price=150, bid=149.9, ask=150.1)}
    cases: list[tuple[Condition, str | None]] = [
        (MarketCondition(price=("<", 151)), None),
        (MarketCondition("AAPL", spread=("<=", 0.2)), None),
        (MarketCondition(lambda ctx: "AAPL", spread=("<", 0.2)), "the spread of AAPL is 0.2, wanted < 0.2"),
        (MarketCondition(last=("<", 1)), "the last of AAPL is None, wanted < 1"),
        (MarketCondition("MSFT", price=1), "the desk has told no market of MSFT yet"),
    ]
    for condition, why in cases:
        assert condition.why_not(context(prices=prices)) == why
    with pytest.raises(ValueError, match="colour: a market has price, bid"):
        MarketCondition(colour="red")


def test_ids_of_signals_are_the_same_whenever_a_rule_looks_at_an_event_and_no_others() -> None:
    event = PredictionSignalEvent(symbol="AAPL", signal="BUY", event_id="events.0:1-0")
    first, again = context(event), context(event)
    ids = [first.signal_id(), first.signal_id()]
    assert [again.signal_id(), again.signal_id()] == ids
    assert len({*ids, context().signal_id()}) == 3
    assert ids[0].startswith("rule-")
