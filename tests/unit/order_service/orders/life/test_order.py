"""The order's life by FIX's order state change matrices (facts: order_states), one transition a test."""

import pytest

from fillstream.libs.common.engine.frames import Reason
from fillstream.libs.common.messages.topology import Topology
from fillstream.services.order_service.orders.compiled import Terms
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.life.parts import Amendment, Refusal
from tests.support.orders import D
from tests.support.terms import instrument

TERMS = Terms("AAPL", instrument(1, D("0.01"), D(1)), Topology())


def order(*, filled: int = 0, acknowledged: bool = True) -> Order:
    made = Order(1, "s1", "c1", "default", 1, TERMS, None, None, "BUY", "LIMIT", "GTC", 100, 18500, 0, 0)
    if acknowledged:
        assert made.accept() is None
    if filled:
        assert made.fill(18500, filled, 1) is None
    return made


def refusal_of(result: Refusal | None) -> str:
    assert result is not None
    return result.reason


def test_a_new_order_waits_for_the_venue() -> None:
    made = order(acknowledged=False)
    assert (made.status, made.leaves) == ("PendingNew", 100)


def test_acknowledged_it_is_new_and_only_once() -> None:
    made = order()
    assert made.status == "New"
    assert refusal_of(made.accept()) == "unexpected_report"


def test_a_fill_may_come_before_the_acknowledgement() -> None:
    made = order(acknowledged=False, filled=40)
    assert made.status == "PartiallyFilled"
    assert made.accept() is None
    assert made.status == "PartiallyFilled"


def test_fills_add_up_to_filled() -> None:
    made = order(filled=40)
    assert (made.status, made.cum, made.leaves) == ("PartiallyFilled", 40, 60)
    assert made.fill(18400, 60, 2) is None
    assert (made.status, made.cum, made.leaves) == ("Filled", 100, 0)
    assert made.notional == 40 * 18500 + 60 * 18400


def test_a_fill_beyond_leaves_changes_nothing() -> None:
    made = order(filled=40)
    assert refusal_of(made.fill(18500, 61, 2)) == "overfill"
    assert (made.status, made.cum, made.last_match) == ("PartiallyFilled", 40, 1)


@pytest.mark.parametrize("match_id", [1, 0])
def test_a_trade_is_applied_once(match_id: int) -> None:
    made = order(filled=40)
    assert refusal_of(made.fill(18500, 10, match_id)) == "repeated_trade"
    assert made.cum == 40


@pytest.mark.parametrize("lots", [0, -1])
def test_a_fill_has_a_quantity(lots: int) -> None:
    assert refusal_of(order().fill(18500, lots, 1)) == "bad_quantity"


def test_the_venue_may_refuse_an_order_until_a_fill_stands() -> None:
    made = order(acknowledged=False)
    assert made.reject() is None
    assert (made.status, made.leaves) == ("Rejected", 0)
    assert order().reject() is None
    assert refusal_of(order(filled=1).reject()) == "unexpected_report"


def test_a_refused_order_takes_no_fill_and_no_acknowledgement() -> None:
    made = order(acknowledged=False)
    made.reject()
    assert refusal_of(made.fill(18500, 1, 1)) == "overfill"
    assert refusal_of(made.accept()) == "unexpected_report"


@pytest.mark.parametrize(("filled", "after"), [(0, "New"), (40, "PartiallyFilled")])
def test_a_refused_cancel_leads_back_by_what_is_filled(filled: int, after: str) -> None:
    made = order(filled=filled)
    made.request_cancel("r1")
    assert made.status == "PendingCancel"
    assert made.refuse_cancel() is None
    assert (made.status, made.cancel_signal) == (after, None)


def test_an_acknowledgement_after_a_cancel_was_sent_keeps_it_pending() -> None:
    made = order(acknowledged=False)
    made.request_cancel("r1")
    assert made.accept() is None
    assert made.status == "PendingCancel"
    assert made.refuse_cancel() is None
    assert made.status == "New"


def test_a_partial_fill_while_a_cancel_is_pending_keeps_it_pending() -> None:
    made = order()
    made.request_cancel("r1")
    assert made.fill(18500, 40, 1) is None
    assert (made.status, made.leaves) == ("PendingCancel", 60)
    assert made.cancel(Reason.REQUESTED) is None
    assert (made.status, made.cum, made.leaves, made.cancel_signal) == ("Canceled", 40, 0, None)


def test_a_full_fill_while_a_cancel_is_pending_shows_at_once() -> None:
    made = order()
    made.request_cancel("r1")
    assert made.fill(18500, 100, 1) is None
    assert made.status == "Filled"
    assert made.refuse_cancel() is None
    assert made.status == "Filled"


def test_a_late_fill_raises_cum_of_a_canceled_order_and_leaves_it_canceled() -> None:
    made = order()
    assert made.cancel(Reason.IOC_REMAINDER) is None
    assert made.fill(18500, 40, 1) is None
    assert (made.status, made.cum, made.leaves) == ("Canceled", 40, 0)
    assert refusal_of(made.fill(18500, 61, 2)) == "overfill"


def test_an_order_that_ended_does_not_end_again() -> None:
    canceled, expired, filled = order(), order(), order()
    assert canceled.cancel(Reason.IOC_REMAINDER) is None
    assert expired.expire() is None
    assert filled.fill(18500, 100, 1) is None
    for made in (canceled, expired, filled):
        for again in (made.cancel(Reason.REQUESTED), made.expire(), made.reject()):
            assert refusal_of(again) == "unexpected_report"


def test_an_unsolicited_cancel_leaves_the_pending_one_for_its_own_answer() -> None:
    made = order()
    made.request_cancel("r1")
    assert made.cancel(Reason.IOC_REMAINDER) is None
    assert made.cancel_signal == "r1"
    assert made.refuse_cancel() is None
    assert made.status == "Canceled"


def test_an_amendment_holds_only_when_the_venue_took_it() -> None:
    made = order()
    made.request_replace(Amendment("r1", 150, 18600))
    assert (made.status, made.quantity, made.price) == ("PendingReplace", 100, 18500)
    assert made.fill(18500, 40, 1) is None
    assert (made.status, made.leaves) == ("PendingReplace", 60)
    assert made.replace(18600, 150) is None
    assert (made.status, made.quantity, made.price, made.leaves) == ("PartiallyFilled", 150, 18600, 110)


def test_an_amendment_without_fills_leads_back_to_new() -> None:
    made = order()
    made.request_replace(Amendment("r1", 50, 18500))
    assert made.replace(18500, 50) is None
    assert (made.status, made.leaves) == ("New", 50)


def test_an_amendment_to_what_is_filled_fills_the_order() -> None:
    made = order(filled=40)
    made.request_replace(Amendment("r1", 40, 18500))
    assert made.replace(18500, 40) is None
    assert (made.status, made.leaves) == ("Filled", 0)


def test_the_venue_cancels_an_order_amended_below_what_is_filled() -> None:
    made = order(filled=40)
    made.request_replace(Amendment("r1", 40, 18500))
    assert made.cancel(Reason.REPLACED_BELOW_FILLED) is None
    assert (made.status, made.amendment) == ("Canceled", None)


def test_an_amendment_below_what_is_filled_is_one_to_what_is_filled() -> None:
    made = order(filled=40)
    made.request_replace(Amendment("r1", 41, 18500))
    assert made.replace(18500, 39) is None
    assert (made.status, made.quantity, made.leaves) == ("Filled", 40, 0)


def test_a_refused_amendment_leaves_the_old_parameters() -> None:
    made = order(filled=40)
    made.request_replace(Amendment("r1", 150, 18600))
    assert made.refuse_replace() is None
    assert (made.status, made.quantity, made.price) == ("PartiallyFilled", 100, 18500)


def test_an_order_filled_before_its_amendment_reopens_if_the_venue_agrees() -> None:
    made = order()
    made.request_replace(Amendment("r1", 150, 18500))
    assert made.fill(18500, 100, 1) is None
    assert made.status == "Filled"
    assert made.replace(18500, 150) is None
    assert (made.status, made.leaves) == ("PartiallyFilled", 50)


def test_a_cancel_outranks_a_pending_amendment() -> None:
    made = order()
    made.request_replace(Amendment("r1", 150, 18500))
    made.request_cancel("r2")
    assert made.status == "PendingCancel"
    assert made.replace(18500, 150) is None
    assert made.status == "PendingCancel"
    assert made.cancel(Reason.REQUESTED) is None
    assert made.status == "Canceled"


def test_answers_to_what_was_never_asked_change_nothing() -> None:
    made = order()
    for answer in (made.refuse_cancel(), made.refuse_replace(), made.replace(1, 1)):
        assert refusal_of(answer) == "unexpected_report"
    assert made.status == "New"


def test_a_canceled_order_cannot_be_amended_by_a_late_answer() -> None:
    made = order()
    made.request_replace(Amendment("r1", 150, 18500))
    assert made.cancel(Reason.REQUESTED) is None
    assert refusal_of(made.replace(18500, 150)) == "unexpected_report"
    assert made.refuse_replace() is None
    assert (made.status, made.quantity) == ("Canceled", 100)


def test_an_expiry_ends_it_with_a_cancel_pending_too() -> None:
    made = order(filled=40)
    made.request_cancel("r1")
    assert made.expire() is None
    assert (made.status, made.leaves) == ("Expired", 0)


def said_of(result: Refusal | None) -> str:
    assert result is not None and result.reason == "unexpected_report"
    return result.text


def test_a_refused_cancel_of_an_order_the_venue_has_not_acknowledged_leads_back_to_waiting() -> None:
    made = order(acknowledged=False)
    made.request_cancel("r1")
    assert made.refuse_cancel() is None
    assert made.status == "PendingNew"


def test_an_order_is_amended_to_one_lot_at_least() -> None:
    made = order()
    made.request_replace(Amendment("r1", 1, 18500))
    assert made.replace(18500, 0) == (
        "overfill",
        "qty: a new total of 0 lots is below the 0 lots of order 1 filled",
    )
    assert made.replace(18500, 1) is None
    assert (made.status, made.leaves) == ("New", 1)


def test_an_order_that_reopens_is_not_forgotten_as_a_finished_one() -> None:
    made = order()
    made.request_replace(Amendment("r1", 150, 18500))
    made.fill(18500, 100, 1)
    made.finished_ms = 5
    assert made.replace(18500, 150) is None
    assert made.finished_ms == 0


def test_nothing_is_asked_for_an_order_that_ended_or_while_an_answer_is_awaited() -> None:
    """The orders stage refuses these before: to get here is a bug of ours, and ends the process."""
    ended, canceling, amending = order(), order(), order()
    ended.expire()
    canceling.request_cancel("r1")
    amending.request_replace(Amendment("r1", 150, 18500))
    for made in (ended, canceling):
        with pytest.raises(AssertionError):
            made.request_cancel("r2")
    for made in (ended, canceling, amending):
        with pytest.raises(AssertionError):
            made.request_replace(Amendment("r2", 160, 18500))


def test_a_report_that_makes_no_sense_is_told_with_how_the_order_stands() -> None:
    waiting, working, amending, canceling, ended = (order(acknowledged=n > 0) for n in range(5))
    amending.request_replace(Amendment("r1", 150, 18500))
    canceling.fill(18500, 40, 1)
    canceling.request_cancel("r1")
    ended.expire()
    new = "order 1 is New, acknowledged, has nothing pending and 0 of 100 lots filled"
    expired = "order 1 is Expired, acknowledged, has nothing pending and 0 of 100 lots filled"
    assert said_of(working.accept()) == f"type: an acknowledgement makes no sense: {new}"
    assert said_of(working.refuse_cancel()) == f"type: a refused cancel makes no sense: {new}"
    assert said_of(working.refuse_replace()) == f"type: a refused amendment makes no sense: {new}"
    assert said_of(ended.reject()) == f"type: a rejection makes no sense: {expired}"
    assert said_of(ended.cancel(Reason.REQUESTED)) == f"type: a cancel makes no sense: {expired}"
    assert said_of(ended.expire()) == f"type: an expiry makes no sense: {expired}"
    assert said_of(waiting.replace(1, 1)) == (
        "type: a replacement makes no sense: order 1 is PendingNew, not acknowledged, has nothing pending and 0 of 100"
        " lots filled"
    )
    assert said_of(amending.refuse_cancel()) == (
        "type: a refused cancel makes no sense: order 1 is PendingReplace, acknowledged, has an amendment pending and"
        " 0 of 100 lots filled"
    )
    assert said_of(canceling.reject()) == (
        "type: a rejection makes no sense: order 1 is PendingCancel, acknowledged, has a cancel pending and 40 of 100"
        " lots filled"
    )
