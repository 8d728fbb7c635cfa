"""A venue's report of what it has against the desk: what is a difference, what is on its way, and what is done."""

from __future__ import annotations

from typing import Any

import pytest

from fillstream.libs.common.messages.mass_status import MOST_ACCOUNTS, MOST_ROWS, ReportMassStatus
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM, Topology
from fillstream.services.order_service.orders.reconciling.reconciler import MOST_RUNS, MOST_TOLD, PATIENCE_MS
from fillstream.services.order_service.orders.state import State
from tests.support.orders import CONFIG, OrdersDesk
from tests.support.reconciling import (
    LATER_MS,
    answer,
    ask,
    compared,
    differences,
    held,
    kinds,
    outside,
    page,
    position,
    row,
    said,
    trade,
)
from tests.support.terms import but

MISSED = {"order_id": "1", "exec_id": "T-9", "last_qty": "40", "last_px": "185.00"}


@pytest.fixture
def desk() -> OrdersDesk:
    """A desk with an order for 100 at 185.00 that the venue has accepted."""
    desk = outside()
    desk.new(price="185.00")
    desk.one(said("New"))
    return desk


OPEN = {"orders": [row(quantity="100", cum_qty="0", price="185")]}
"""What the venue says of it where both agree."""


# ------------------------------------------------------------------------------------------------------------- asking


def test_a_control_asks_every_book_of_every_venue_and_is_answered(desk: OrdersDesk) -> None:
    events = desk.control("Reconcile", control_id="k1", account=None)
    assert kinds(events) == ["ControlApplied", "MassStatusRequested", "HoldingsStated", "HoldingsStated"]
    assert events[0]["text"] == "SIM: asked for what all accounts have there, and what the desk holds is stated"
    [(stream, request)] = desk.requests
    assert stream == "commands.SIM.0"
    assert isinstance(request, ReportMassStatus)
    assert (request.partition, request.account, request.account_id) == (0, None, 0)
    assert (events[1]["request_id"], events[1]["control_id"], events[1]["venue"]) == (request.request_id, "k1", "SIM")
    [reconciled] = answer(desk, request.request_id, **OPEN)
    assert (reconciled["control_id"], reconciled["complete"], reconciled["orders"]) == ("k1", True, 1)
    assert (reconciled["differences"], reconciled["text"]) == (0, "SIM and the desk agree")


def test_several_books_are_asked_each_by_itself_for_an_account_by_its_number() -> None:
    venues = {SIM: VenueTerms(simulated=False), "OUT": VenueTerms(simulated=False)}
    desk = OrdersDesk(but(CONFIG, venues=venues), Topology(symbol_partitions=2))
    desk.control("Reconcile", account="other", venue="OUT")
    assert [stream for stream, _ in desk.requests] == ["commands.OUT.0", "commands.OUT.1"]
    requests = [request for _, request in desk.requests if isinstance(request, ReportMassStatus)]
    assert {(request.account, request.account_id) for request in requests} == {("other", 2)}
    assert len({request.request_id for request in requests}) == 2


def test_a_venue_that_is_none_and_too_many_reports_at_a_time_are_refused(desk: OrdersDesk) -> None:
    [refused] = desk.control("Reconcile", control_id="k1", account=None, venue="MOON")
    assert (refused["type"], refused["refusal"]) == ("ControlRejected", "unknown_venue")
    for number in range(MOST_RUNS):
        desk.control("Reconcile", control_id=f"m{number}", account=None)
    [refused] = desk.control("Reconcile", control_id="k2", account=None)
    assert (refused["type"], refused["refusal"]) == ("ControlRejected", "too_many")


def test_a_venue_is_asked_from_time_to_time_where_its_terms_say_so() -> None:
    desk = outside(reconcile_every_ms=60_000)
    assert kinds(desk.tick(0)) == ["MassStatusRequested"]
    answer(desk, desk.requests[-1][1].request_id)  # type: ignore[union-attr]
    assert desk.tick(59_999) == []
    assert kinds(desk.tick(1)) == ["MassStatusRequested"]
    desk.restarted()
    assert kinds(desk.tick(60_000)) == ["VenueReconciled"], "it has not answered, and is asked by the next time"
    assert kinds(desk.tick(60_000)) == ["MassStatusRequested"]


def test_a_stage_that_starts_asks_for_all_where_venues_are_asked_from_time_to_time() -> None:
    desk = outside(reconcile_every_ms=60_000)
    desk.tick(0)
    offered = desk.restarted()
    assert offered is not None
    events = desk.fold(offered)
    assert kinds(events)[:2] == ["ControlApplied", "MassStatusRequested"]
    assert (events[0]["who"], events[0]["reason"]) == ("orders", "the orders stage started")
    assert kinds(desk.fold(offered)) == ["ControlReported"], "two processes that start at once ask once"
    assert desk.restarted(but(desk.config, retention_ms=1)) is not None


def test_a_plain_desk_asks_nobody_and_keeps_nothing() -> None:
    desk = OrdersDesk()
    assert desk.restarted() is None
    desk.tick(10_000_000)
    assert desk.requests == []
    assert b"reconciling" not in desk.stage.snapshot()


# --------------------------------------------------------------------------------------------------- what is in motion


def test_what_was_sent_or_changed_since_the_venue_was_asked_is_not_compared(desk: OrdersDesk) -> None:
    desk.ms += LATER_MS
    request_id = ask(desk)
    desk.new(signal_id="s2", price="184.00")  # sent later: not on any page
    desk.one(trade("T-1", "40"))  # told after the venue was asked, perhaps before it looked
    [reconciled] = answer(desk, request_id)
    assert (reconciled["differences"], reconciled["in_motion"]) == (0, 1)


def test_an_order_that_ended_meanwhile_is_no_difference_wherever_it_is(desk: OrdersDesk) -> None:
    for orders in (OPEN, {}):
        desk = outside()
        desk.new(price="185.00")
        desk.one(said("New"))
        desk.ms += LATER_MS
        request_id = ask(desk)
        desk.one(trade("T-1", "100"))
        [reconciled] = answer(desk, request_id, **orders, positions=[held("100")])
        assert (reconciled["differences"], reconciled["in_motion"]) == (0, 1)


def test_an_amendment_is_on_its_way_until_the_venue_has_the_order_as_it_was_to_be(desk: OrdersDesk) -> None:
    desk.replace(signal_id="r0", order_id="1", quantity="50", price="184.00")
    for still in ({"quantity": "100", "price": "185"}, {"quantity": "50"}, {"price": "184"}):
        [reconciled] = compared(desk, orders=[row(cum_qty="0", **still)])
        assert reconciled["differences"] == 0
    events = compared(desk, orders=[row(quantity="50", cum_qty="0", price="184")])
    assert kinds(events) == ["ReconciliationDifference", "OrderReplaced", "VenueReconciled"]
    assert differences(events) == [("missed_replacement", "accepted")]
    assert (events[1]["quantity"], events[1]["price"], events[1]["ord_status"]) == ("50", "184.00", "New")


def test_an_order_in_the_desk_and_one_of_another_venue_are_not_expected() -> None:
    config = but(CONFIG, venues={SIM: VenueTerms(simulated=False), "OUT": VenueTerms(simulated=False)})
    config = but(config, accounts=dict(config.accounts) | {"other": but(config.accounts["other"], venue="OUT")})
    desk = OrdersDesk(config)
    desk.new(account="other", price="185.00")
    desk.fold({b"data": b""})
    desk.ms += LATER_MS
    [reconciled] = answer(desk, ask(desk, venue="SIM"))
    assert (reconciled["differences"], reconciled["in_motion"]) == (0, 0)


@pytest.mark.parametrize(("age_ms", "found"), [(10_000, 1), (9_999, 0)])
def test_an_order_within_the_grace_may_not_have_reached_the_venue(age_ms: int, found: int) -> None:
    desk = outside()
    desk.new(price="185.00")
    desk.ms += age_ms
    events = answer(desk, ask(desk))
    assert (events[-1]["differences"], events[-1]["in_motion"]) == (found, 1 - found)


def test_an_unasked_report_counts_from_when_the_venue_looked(desk: OrdersDesk) -> None:
    desk.ms += LATER_MS
    [reconciled] = answer(desk, "theirs", as_of=desk.ms - 10_001)
    assert (reconciled["request_id"], reconciled["differences"], reconciled["in_motion"]) == ("theirs", 0, 1)
    events = answer(desk, "theirs-2", as_of=desk.ms - 10_000)
    assert differences(events) == [("lost_order", "told")]


def test_a_venue_that_looked_in_the_future_misses_no_order_of_now() -> None:
    desk = outside(lost_orders="cancel")
    desk.new(price="185.00")
    [reconciled] = answer(desk, "theirs", as_of=desk.ms + 60_000)
    assert (reconciled["in_motion"], desk.status(order_id="1")["ord_status"]) == (1, "PendingNew")


def two_venues() -> OrdersDesk:
    """Return a desk whose `default` trades at ALT and whose `other` at SIM; neither is an engine of it."""
    venues = {name: VenueTerms(simulated=False) for name in (SIM, "ALT")}
    accounts = {**CONFIG.accounts, "default": but(CONFIG.accounts["default"], venue="ALT")}
    return OrdersDesk(but(CONFIG, venues=venues, accounts=accounts))


def test_a_venue_fills_no_order_that_is_at_another() -> None:
    desk = two_venues()
    desk.new(price="185.00")
    desk.one(said("New", venue="ALT"))
    desk.ms += LATER_MS
    events = answer(desk, "theirs", orders=[row(1, cum_qty="40", avg_px="185.00")])
    assert differences(events) == [("external_order", "told")]
    assert position(desk) == 0


def test_two_venues_may_call_their_orders_the_same() -> None:
    desk = two_venues()
    desk.new(price="185.00")
    desk.one(said("New", venue="ALT", venue_order_id="V-1"))
    desk.new(price="185.00", signal_id="s2", account="other")
    desk.one(said("New", 2, venue_order_id="V-1"))
    desk.ms += LATER_MS
    events = answer(desk, "theirs", orders=[row(None, venue_order_id="V-1", cum_qty="40", avg_px="185.00")])
    assert differences(events) == [("missed_fill", "booked")]
    assert (position(desk), position(desk, "other")) == (0, 40)


def test_what_a_report_does_not_cover_is_not_concluded_from(desk: OrdersDesk) -> None:
    desk.one(trade("T-1", "40"))
    [reconciled] = compared(desk, covers=["fills"])
    assert (reconciled["differences"], reconciled["positions"]) == (0, 0)
    [reconciled] = compared(desk, accounts=["other"])
    assert (reconciled["differences"], reconciled["positions"]) == (0, 0)


# ----------------------------------------------------------------------------------------------------- orders that are


def test_an_acknowledgement_that_never_came_is_made_up_for() -> None:
    desk = outside()
    desk.new(price="185.00")
    events = compared(desk, **OPEN)
    assert kinds(events) == ["ReconciliationDifference", "OrderAccepted", "VenueReconciled"]
    assert differences(events) == [("missed_acceptance", "accepted")]
    assert events[1]["ord_status"] == "New"


def test_another_quantity_and_price_are_the_venues_truth(desk: OrdersDesk) -> None:
    events = compared(desk, orders=[row(quantity="80", cum_qty="0", price="184.50")])
    assert differences(events) == [("quantity", "restated"), ("price", "restated")]
    assert (events[0]["desk_has"], events[0]["venue_has"]) == ("100", "80")
    restated = events[2]
    assert (restated["type"], restated["quantity"], restated["price"]) == ("OrderRestated", "80", "184.50")
    assert restated["reason"] == "reconciled"
    [again] = compared(desk, orders=[row(quantity="80", cum_qty="0", price="184.50")])
    assert again["differences"] == 0


def test_a_quantity_below_what_is_filled_is_told(desk: OrdersDesk) -> None:
    desk.one(trade("T-1", "40"))
    events = compared(desk, orders=[row(quantity="30", cum_qty="40", price="185")], positions=[held("40")])
    assert differences(events) == [("quantity", "told")]
    assert "must not be below the 40 lots" in events[0]["text"]


@pytest.mark.parametrize(("field", "value"), [("quantity", "99.5"), ("price", "185.005")])
def test_what_is_off_the_grid_is_told(desk: OrdersDesk, field: str, value: str) -> None:
    events = compared(desk, orders=[row(**{"quantity": "100", "price": "185", field: value})])
    assert differences(events) == [(field, "told")]


def test_the_desk_takes_back_no_fill_that_the_venue_reported(desk: OrdersDesk) -> None:
    desk.one(trade("T-1", "40"))
    events = compared(desk, orders=[row(quantity="100", cum_qty="10", price="185")], positions=[held("40")])
    assert differences(events) == [("cum_qty", "told")]
    assert events[0]["text"] == "cum_qty: of order 1 the desk has 40, SIM has 10 filled"


def test_an_order_that_is_done_for_the_desk_and_open_at_the_venue_is_told(desk: OrdersDesk) -> None:
    desk.one(said("Canceled", text="by mistake"))
    events = compared(desk, **OPEN)
    assert differences(events) == [("status", "told")]
    assert events[0]["text"] == "order_id: order 1 is Canceled, and SIM has it open"


@pytest.mark.parametrize(
    ("status", "resolution", "kind"),
    [
        ("Canceled", "ended", "OrderCanceled"),
        ("Rejected", "ended", "OrderRejected"),
        ("Expired", "ended", "OrderExpired"),
        ("Filled", "told", None),
    ],
)
def test_an_order_that_the_venue_says_has_ended_ends(
    desk: OrdersDesk, status: str, resolution: str, kind: str | None
) -> None:
    events = compared(desk, orders=[row(ord_status=status, cum_qty="0")])
    assert differences(events) == [("status", resolution)]
    assert (kind in kinds(events)) == (kind is not None)
    assert events[-1]["orders"] == 0, "it is not open"


# ------------------------------------------------------------------------------------------------- orders that are not


def test_an_order_that_the_venue_does_not_have_is_told_and_left(desk: OrdersDesk) -> None:
    events = compared(desk)
    assert differences(events) == [("lost_order", "told")]
    assert events[0]["text"] == "order_id: order 1 is New, and SIM does not have it"
    assert events[-1]["unresolved"] == 1
    assert desk.status(order_id="1")["ord_status"] == "New"


def test_it_is_canceled_where_the_venues_terms_say_so_with_what_was_asked_for_it() -> None:
    desk = outside(lost_orders="CANCEL")
    desk.new(price="185.00")
    desk.one(said("New"))
    desk.replace(signal_id="r1", order_id="1", quantity="50")
    events = compared(desk)
    assert kinds(events) == ["OrderReplaceRejected", "OrderCanceled", "ReconciliationDifference", "VenueReconciled"]
    assert (events[0]["reason"], events[1]["reason"], events[1]["ord_status"]) == ("unknown_order", "lost", "Canceled")
    assert differences(events) == [("lost_order", "canceled")]
    assert events[-1]["unresolved"] == 0
    # A fill that comes late all the same is booked as after every cancel.
    assert desk.one(trade("T-1", "40"))["cum_qty"] == "40"


def test_a_pending_cancel_of_a_lost_order_is_answered() -> None:
    desk = outside(lost_orders="CANCEL")
    desk.new(price="185.00")
    desk.cancel(order_id="1")
    events = compared(desk)
    assert kinds(events) == ["OrderCanceled", "ReconciliationDifference", "VenueReconciled"]
    assert desk.stage._state.orders[1].cancel_signal is None  # type: ignore[union-attr]


def test_of_many_lost_orders_an_entry_ends_some_and_the_next_goes_on_over_a_restart() -> None:
    accounts = dict(CONFIG.accounts) | {"other": but(CONFIG.accounts["other"], max_daily_orders=10_000)}
    desk = OrdersDesk(but(CONFIG, accounts=accounts, venues={SIM: VenueTerms(simulated=False, lost_orders="CANCEL")}))
    for number in range(MOST_TOLD + 5):
        desk.new(signal_id=f"s{number}", account="other", quantity="1", price="185.00")
    desk.ms += LATER_MS
    request_id = ask(desk)
    first = desk.fold(page(request_id))
    assert "VenueReconciled" not in kinds(first)
    assert len(first) <= MOST_TOLD + 3
    desk.restarted()
    rest: list[dict[str, Any]] = []
    while kinds(rest)[-1:] != ["VenueReconciled"]:
        rest += desk.tick(0)
    assert rest[-1]["differences"] == MOST_TOLD + 5
    told = [event for event in (*first, *rest) if event["type"] == "ReconciliationDifference"]
    assert len(told) == MOST_TOLD, "of more there is the number"
    assert rest[-1]["text"].endswith(f"the first {MOST_TOLD} are told each by itself")
    assert desk.stage.gauges()["orders"]["Canceled"] == MOST_TOLD + 5


# ------------------------------------------------------------------------------------------------------------ positions


def test_a_position_is_compared_once_all_that_was_missed_is_booked(desk: OrdersDesk) -> None:
    fill = {"order_id": "1", "exec_id": "T-1", "last_qty": "40", "last_px": "185"}
    events = compared(
        desk, orders=[row(quantity="100", cum_qty="40", price="185")], fills=[fill], positions=[held("40")]
    )
    assert differences(events) == [("missed_fill", "booked")]
    assert events[-1]["positions"] == 1


@pytest.mark.parametrize(("positions", "its"), [([held("41")], "41"), ([], "0"), ([held("-40")], "-40")])
def test_another_position_is_told_and_never_booked(desk: OrdersDesk, positions: list[Any], its: str) -> None:
    desk.one(trade("T-1", "40"))
    events = compared(desk, orders=[row(quantity="100", cum_qty="40", price="185")], positions=positions)
    assert differences(events) == [("position", "told")]
    [told, _] = events
    assert (told["account"], told["symbol"], told["desk_has"], told["venue_has"]) == ("default", "AAPL", "40", its)
    assert position(desk) == 40


@pytest.mark.parametrize(("side", "its"), [("BUY", "50"), ("SELL", "-50")])
def test_what_a_report_booked_itself_is_not_in_motion_to_its_position(side: str, its: str) -> None:
    desk = outside()
    desk.new(price="185.00", side=side)
    desk.one(said("New"))
    desk.ms += LATER_MS
    more = {"orders": [row(1, cum_qty="40", quantity="90")], "positions": [held(its)]}
    events = answer(desk, ask(desk), fills=[MISSED], **more)
    assert differences(events) == [("missed_fill", "booked"), ("quantity", "restated"), ("position", "told")]
    assert (events[-1]["in_motion"], abs(position(desk))) == (0, 40)


def test_a_position_that_moved_meanwhile_is_in_motion(desk: OrdersDesk) -> None:
    desk.ms += LATER_MS
    request_id = ask(desk)
    desk.one(trade("T-1", "40"))
    events = answer(desk, request_id, orders=[row(quantity="100", cum_qty="40", price="185")], positions=[held("7")])
    assert differences(events) == []
    assert events[-1]["in_motion"] == 2


def test_a_position_where_the_desk_can_hold_none_is_told(desk: OrdersDesk) -> None:
    events = compared(desk, **OPEN, positions=[held("5", "nobody"), held("0", "nobody"), held("5", symbol="GOLD")])
    assert differences(events) == [("position", "told"), ("position", "told")]
    assert events[0]["text"] == "position: SIM has 5 AAPL of account nobody, where the desk can hold none"


# ---------------------------------------------------------------------------------------------------------------- pages


def test_an_order_on_no_page_is_only_missed_after_the_last(desk: OrdersDesk) -> None:
    desk.ms += LATER_MS
    request_id = ask(desk)
    assert desk.fold(page(request_id, 1, last=False)) == []
    desk.restarted()
    assert desk.fold(page(request_id, 2, last=False, **OPEN)) == []
    [reconciled] = desk.fold(page(request_id, 3))
    assert (reconciled["orders"], reconciled["differences"]) == (1, 0)


def test_a_page_twice_or_one_too_far_is_dead_and_the_report_goes_on(desk: OrdersDesk) -> None:
    desk.ms += LATER_MS
    request_id = ask(desk)
    desk.fold(page(request_id, 1, last=False, **OPEN))
    for wrong in (1, 3):
        letter = desk.dead_letter(page(request_id, wrong))
        assert letter["reason"] == "out_of_sequence"
        assert letter["text"].endswith("must be 2, the one after the last")
    assert kinds(desk.fold(page(request_id, 2))) == ["VenueReconciled"]
    assert desk.fold(page(request_id, 3)) == [], "it is done"


def test_an_answer_that_comes_when_nobody_waits_any_more_says_nothing(desk: OrdersDesk) -> None:
    desk.ms += LATER_MS
    request_id = ask(desk)
    desk.new(signal_id="s2", price="184.00")
    assert [each["complete"] for each in desk.tick(PATIENCE_MS)] == [False]
    state = desk.stage.snapshot()
    desk.ms += LATER_MS
    assert desk.fold(page(request_id)) == [], "it knows of no order that was sent later"
    assert (desk.stage.snapshot(), desk.dead) == (state, [])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"venue": "MOON"}, "unknown_venue"), ({"page": 2}, "unknown_request"), ({"orders": [{}]}, "bad_report")],
)
def test_a_page_that_nothing_can_be_done_with_is_dead(desk: OrdersDesk, fields: dict[str, Any], reason: str) -> None:
    import orjson

    document = orjson.loads(page("theirs")[b"data"]) | fields
    assert desk.dead_letter({b"data": orjson.dumps(document)})["reason"] == reason


def test_a_page_of_another_venue_and_more_reports_than_there_is_room_for_are_dead() -> None:
    desk = OrdersDesk(but(CONFIG, venues={SIM: VenueTerms(simulated=False), "OUT": VenueTerms(simulated=False)}))
    request_id = ask(desk, venue="OUT")
    assert desk.dead_letter(page(request_id))["reason"] == "wrong_venue"
    for number in range(MOST_RUNS - 1):
        desk.fold(page(f"theirs{number}", last=False))
    assert desk.dead_letter(page("more"))["reason"] == "too_many"


def test_the_pages_of_a_report_name_so_many_accounts_and_no_more(desk: OrdersDesk) -> None:
    request_id = ask(desk)
    many = [f"a{number}" for number in range(MOST_ACCOUNTS)]
    desk.fold(page(request_id, 1, last=False, accounts=many))
    desk.fold(page(request_id, 2, last=False, accounts=many[:5]))
    letter = desk.dead_letter(page(request_id, 3, last=False, accounts=["default"]))
    assert letter["reason"] == "too_many"
    assert letter["text"] == f"accounts: the pages of report {request_id} name more than {MOST_ACCOUNTS}"
    desk.restarted()
    assert kinds(desk.fold(page(request_id, 3))) == ["VenueReconciled"], "it goes on"


def test_rows_by_the_venues_id_alone_do_not_cost_a_look_at_every_order_each(
    desk: OrdersDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    live = State.live

    def counting(state: State) -> Any:
        nonlocal looks
        looks += 1
        return live(state)

    request_id = ask(desk)
    monkeypatch.setattr(State, "live", counting)
    rows = [row(None, venue_order_id=f"V-{number}") for number in range(MOST_ROWS)]
    desk.fold(page(request_id, last=False, orders=rows))
    assert looks == 1


def test_an_order_that_a_page_adopts_is_known_to_its_next_row() -> None:
    desk = outside(external_orders="ADOPT")
    theirs = {"account": "default", "symbol": "AAPL", "side": "BUY", "quantity": "5", "price": "180"}
    found = compared(desk, orders=[row(None, venue_order_id=v, **theirs) for v in ("V-0", "V-1", "V-1")])
    assert differences(found) == [("external_order", "adopted")] * 2


def test_a_report_that_breaks_off_says_so_and_concludes_nothing(desk: OrdersDesk) -> None:
    desk.ms += LATER_MS
    request_id = ask(desk)
    desk.ms += PATIENCE_MS - 1
    desk.fold(page(request_id, 1, last=False))
    assert desk.tick(PATIENCE_MS - 1) == []
    [reconciled] = desk.tick(1)
    assert (reconciled["type"], reconciled["complete"], reconciled["differences"]) == ("VenueReconciled", False, 0)
    assert reconciled["text"] == f"of its report page 2 has not come for {PATIENCE_MS} ms"
    assert desk.stage.gauges()["reconciliations_broken_off"] == {"SIM": 1}
    assert desk.stage.gauges()["reconciled_timestamp_seconds"] == {}


def test_what_was_found_is_counted(desk: OrdersDesk) -> None:
    compared(desk)
    gauges = desk.stage.gauges()
    assert gauges["reconciliation_differences"]["lost_order"] == 1
    assert sum(gauges["reconciliation_differences"].values()) == 1
    assert gauges["reconciled_timestamp_seconds"] == {"SIM": desk.ms // 1000}


# ------------------------------------------------------------------------------------------------- a venue of the desk


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"orders": [row(quantity="80", cum_qty="10", price="184")]}, ["quantity", "price", "missed_fill"]),
        ({"orders": [row(77)], "covers": ["orders"]}, ["external_order", "lost_order"]),
        ({"orders": [row()], "fills": [{"order_id": "1", "exec_id": "T", "last_qty": "1", "last_px": "1"}]},
         ["missed_fill"]),
    ],
)  # fmt: skip
def test_a_difference_with_an_engine_of_the_desk_is_an_error_and_told_alone(
    fields: dict[str, Any], found: list[str]
) -> None:
    desk = OrdersDesk()
    desk.new(price="185.00")
    desk.accept()
    events = compared(desk, **fields)
    assert differences(events) == [(kind, "told") for kind in found]
    assert kinds(events) == [*["ReconciliationDifference"] * len(found), "VenueReconciled"]


def test_a_page_has_as_many_rows_as_it_may_and_no_more(desk: OrdersDesk) -> None:
    import orjson

    document = orjson.loads(page("theirs")[b"data"]) | {"orders": [row()] * (MOST_ROWS + 1)}
    assert desk.dead_letter({b"data": orjson.dumps(document)})["reason"] == "bad_report"
