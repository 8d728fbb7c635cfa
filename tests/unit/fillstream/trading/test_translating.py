"""What the desk tells comes as the document's events, and nothing of it is lost or made up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fillstream.client.following import Item
from fillstream.client.topics import EVERYTHING, MARKET, POSITIONS
from fillstream.libs.common.messages.journal import EVENTS
from fillstream.libs.common.messages.order_event import OrderEvent as OrderMessage
from fillstream.trading import events
from fillstream.trading.bus import kinds_of
from fillstream.trading.translating import Translator
from tests.support.messages import sample

MODELS = {**EVERYTHING.models, **POSITIONS.models, **MARKET.models}


def said(kind: str, stream: str = "events.0", **values: Any) -> Item[Any]:
    if kind == "Trades":
        values = {"trades": [[1, "10", "2", "BUY"], [2, "11", "3", "SELL"]], **values}
    if kind == "Depth":
        values = {"bids": [["1", "2"]], "asks": [], **values}
    if kind in ("OrderReceived", "OrderRejected"):  # a sample has every field, and the words of no order
        values = {"take_profits": None, "algorithm_parameters": None, **values}
    model = MODELS[kind]
    return Item(stream, "7-1", model.model_validate(sample(model, 3, **values)))


TOLD = {
    "QuoteUpdated": events.PriceEvent,
    "Trades": events.VolumeEvent,
    "PredictionReceived": events.PredictionSignalEvent,
    "OrderReceived": events.OrderCreatedEvent,
    "OrderAccepted": events.OrderSubmittedEvent,
    "OrderFilled": events.OrderFilledEvent,
    "OrderRejected": events.OrderRejectedEvent,
    "OrderCanceled": events.OrderCanceledEvent,
    "OrderExpired": events.OrderCanceledEvent,
    "SignalRefused": events.SignalRefusedEvent,
    "PositionChanged": events.PositionUpdateEvent,
    "PositionMarked": events.PositionUpdateEvent,
    "PositionAdjusted": events.PositionUpdateEvent,
    "PositionClosed": events.PositionCloseEvent,
}


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_each_message_is_the_event_that_it_is_or_none(kind: str) -> None:
    values = {"change": "increased"} if kind == "PositionChanged" else {}
    event = Translator().event_of(said(kind, **values), poss_dup=True)
    wanted = TOLD.get(kind)
    if wanted is None and issubclass(MODELS[kind], OrderMessage):
        wanted = events.OrderUpdateEvent
    if wanted is None:
        assert event is None
        return
    assert type(event) is wanted
    assert (event.event_id, event.time_ms, event.poss_dup, event.stream, event.entry_id) == (
        "events.0:7-1", 7, True, "events.0", "7-1",
    )  # fmt: skip
    assert type(event.message).__name__ == kind


def test_every_order_event_of_the_journal_is_one_here() -> None:
    orders = {name for name, model in EVENTS.items() if issubclass(model, OrderMessage)}
    assert orders >= {name for name in TOLD if name.startswith("Order")}


def test_what_opens_a_position_opens_one() -> None:
    made = [
        type(Translator().event_of(said("PositionChanged", change=each))) for each in ("opened", "flipped", "reduced")
    ]
    assert made == [events.PositionOpenEvent, events.PositionOpenEvent, events.PositionUpdateEvent]


@pytest.mark.parametrize(
    ("bid", "ask", "last", "price"),
    [("1", "2", "5", "1.5"), ("1", None, "5", "1"), (None, "2", "5", "2"), (None, None, "5", "5"), (None,) * 4],
)
def test_a_price_is_the_mid_or_what_there_is(bid: Any, ask: Any, last: Any, price: Any) -> None:
    event: Any = Translator().event_of(said("QuoteUpdated", bid_px=bid, ask_px=ask, last_px=last))
    assert (event and event.price) == (price and Decimal(price))


def test_volume_is_the_sum_and_the_price_that_of_the_last_trade() -> None:
    event: Any = Translator().event_of(said("Trades"))
    assert (event.volume, event.price) == (5, 11)


def test_a_position_closes_for_the_reason_that_its_order_was_sent_for() -> None:
    translator = Translator()
    entry = said("OrderReceived", order_id="9", parent_id=None, side="BUY", list_id="b")
    worked = said("OrderReceived", order_id="8", parent_id="9", side="BUY", list_id="b", order_type="LIMIT")
    for each in (entry, worked):
        translator.event_of(each)
    assert not translator.reasons, "a slice of the entry closes nothing"
    for number, (kind, why) in enumerate(
        (("STOP", "stop_loss"), ("TRAILING_STOP", "trailing_stop"), ("LIMIT", "take_profit")), start=1
    ):
        order = said("OrderReceived", order_id=str(number), order_type=kind, side="SELL", parent_id="9", list_id="b")
        translator.event_of(order)
        event: Any = translator.event_of(said("PositionClosed", "positions.0", order_id=str(number)))
        assert event.reason == why
    translator.because("5", "manual exit")
    told: Any = translator.event_of(said("PositionClosed", "positions.0", order_id="5"))
    assert told.reason == "manual exit"
    assert told.net_pnl == told.message.gross_pnl - told.message.paid_fees
    plain: Any = translator.event_of(said("PositionClosed", "positions.0", order_id="6", reason="flip"))
    assert plain.reason == "flip"
    assert translator.event_of(said("PositionClosed", "positions.0", fills=0)) is None, "of one that never was"


def test_an_event_type_is_read_from_where_it_and_its_subclasses_are_told() -> None:
    assert kinds_of(events.PriceEvent) == ["events"]
    assert kinds_of(events.PositionEvent) == ["positions"]
    assert kinds_of(events.BaseEvent) == ["events", "positions", "market"]
    assert kinds_of(events.RuleExecutedEvent) == []


def test_a_float_is_taken_as_its_digits_and_what_is_unknown_refused() -> None:
    event = events.PredictionSignalEvent(symbol="X", signal="buy", confidence=0.1)
    assert (event.confidence, event.signal) == (Decimal("0.1"), "BUY")
    with pytest.raises(ValueError, match="conviction"):
        events.PredictionSignalEvent(symbol="X", signal="BUY", conviction=1)
