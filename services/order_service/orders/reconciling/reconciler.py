"""A venue's report of what it has, compared with what the desk holds there.

Flows in: who is to be asked; pages of `MassStatusReport`. Flows out: requests to venues; a ReconciliationDifference for
each thing in which both do not agree, what is done about it, and one VenueReconciled. Never changes a quantity by
itself: `order` says what may happen to an order. Never takes what is on its way for a difference.

A request goes the way of commands, so that the venue has all that was sent before it; what was sent later, or changed
since in whatever way, is in motion and is not compared. What stood still is compared with a report that is newer:

    its trades, by exec id      booked where they are missing
    filled more                 the rest is booked, once the last page has brought the trades that have names
    filled less                 told: the desk takes no fill back that the venue has reported
    never acknowledged          it is now
    another quantity or price   restated; of one that is amended, as it was to be: amended
    on no page                  lost: told or canceled, as the venue's terms say
    not of the desk             external: told or adopted, likewise
    other positions             told, never booked

A simulated venue is an engine of this desk whose reports are in the log: a difference with it is an error of ours, and
is told alone. Only what it lost is canceled, where its terms say so.

An entry does not do much more than `MOST_OUTPUTS`: what is left at the end of a report goes on at once, by a timer.
"""

from __future__ import annotations

import re
from typing import Final

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import (
    CancelReason,
    CancelRejectReason,
    DifferenceKind,
    LostOrders,
    RejectReason,
    Resolution,
    RestatementReason,
)
from fillstream.libs.common.messages.controls import CONTROL, Reconcile, canonical_control
from fillstream.libs.common.messages.mass_status import (
    MOST_ACCOUNTS,
    MassStatusReport,
    ReportedFill,
    ReportedOrder,
    ReportedPosition,
)
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.values.money import canonical
from fillstream.services.order_service.orders.commands import Commands
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import FINAL, PENDING_NEW, Order
from fillstream.services.order_service.orders.life.parts import Amendment, Refusal
from fillstream.services.order_service.orders.life.remembered import Remembered
from fillstream.services.order_service.orders.reconciling.external import adopt, why_not
from fillstream.services.order_service.orders.reconciling.missed import book_missing, book_told
from fillstream.services.order_service.orders.reconciling.named import Named
from fillstream.services.order_service.orders.reconciling.run import (
    RECONCILE,
    REPORTED,
    Behind,
    Found,
    Run,
    View,
    position_of,
    view_of,
)
from fillstream.services.order_service.orders.reporting.said import lots_said, ticks_said
from fillstream.services.order_service.orders.state import State

MOST_RUNS: Final = 64
"""So many comparisons go on at most."""
MOST_TOLD: Final = 1_000
"""So many differences of one comparison are told each by itself; of all there is the number."""
PATIENCE_MS: Final = 60_000
"""A report of which no page comes for so long has broken off."""
_OURS: Final = re.compile(r"(\d{1,5})\.(\d{1,18})\..+")
_BOTH: Final = "the desk has {}, {} has {}"


class Reconciler:
    """The part of the fold that compares.

    Args:
        state: changed by what is found.
        journal, commands: where it is told, and venues are asked.
        topology: how many books there are to a venue.
        partition: of the accounts.
    """

    __slots__ = ("_commands", "_journal", "_named", "_partition", "_state", "_topology")

    def __init__(self, state: State, journal: Journal, commands: Commands, topology: Topology, partition: int) -> None:
        self._state = state
        self._journal = journal
        self._named = Named(state, "")  # each page has its own
        self._commands = commands
        self._topology = topology
        self._partition = partition

    # ------------------------------------------------------------------ asking

    def configure(self) -> None:
        """Ask venues from time to time that are to be, for the first time at once."""
        timers, state = self._state.timers, self._state
        for name, venue in state.venues.items():
            if venue.reconcile_every_ms and name in state.config.venues:
                timers.add(self._journal.ms, 0, RECONCILE + name)
            else:
                timers.cancel(0, RECONCILE + name)

    def at_start(self) -> dict[bytes, bytes] | None:
        """Return the entry that asks all venues as a process begins; None where none is asked from time to time.

        It changes nothing here: like every control it has to come through the inbox.
        """
        state = self._state
        if not any(venue.reconcile_every_ms for venue in state.config.venues.values()):
            return None
        start = f"start-{self._partition}-{state.seq}"
        control = Reconcile(type="Reconcile", control_id=start, who="orders", reason="the orders stage started")
        return {CONTROL: canonical_control(control)}

    def time_came(self, venue: str) -> int:
        """Ask a venue again, unless it has not answered yet; return how much that sends."""
        every_ms = self._state.venues[venue].reconcile_every_ms
        self._state.timers.add(self._journal.ms + every_ms, 0, RECONCILE + venue)
        if self._is_asked(venue) or not self.has_room(1):
            return 1
        self.ask(venue)
        return 2 * self._topology.symbol_partitions

    def has_room(self, venues: int) -> bool:
        """Say whether so many venues may be asked now."""
        return len(self._state.reconciling.runs) + venues * self._topology.symbol_partitions <= MOST_RUNS

    def ask(self, venue: str, account: str | None = None, control_id: str | None = None) -> None:
        """Ask a venue for what it has: each of its books, of an account or of all."""
        number = 0 if account is None else self._state.accounts[account].id
        for book in range(self._topology.symbol_partitions):
            run = self._begin(venue, book, account, control_id, self._journal.ms)
            self._journal.mass_status_requested(run, book)
            self._commands.ask(venue, book, run.request_id, account, number)

    def _is_asked(self, venue: str) -> bool:
        """Say whether a report of a venue's is awaited, or gone through."""
        return any(run.venue == venue for run in self._state.reconciling.runs.values())

    def _begin(
        self, venue: str, book: int | None, account: str | None, control_id: str | None, as_of: int, name: str = ""
    ) -> Run:
        state = self._state
        state.reconciling.count += 1
        request_id = name or f"{self._partition}.{state.reconciling.count}.{venue}.{book}"
        run = Run(state.reconciling.count, request_id, venue, book, account, control_id, as_of, self._journal.ms)
        for order in state.live() if account is None else state.orders_of(account):
            if order.venue == venue and order.leaves and not order.is_held and self._is_in(order, book):
                run.expected[order.order_id] = view_of(order)
        for holder, symbol, holding in state.holdings.positions():
            if account in (None, holder) and holding.quantity and self._is_held_at(run, holder, symbol):
                run.held[position_of(holder, symbol)] = holding.quantity
        state.reconciling.runs[request_id] = run
        self._wait(run)
        return run

    def _is_in(self, order: Order, book: int | None) -> bool:
        return book is None or order.terms.partition == book

    def _is_held_at(self, run: Run, account: str, symbol: str) -> bool:
        """Say whether a venue is the one at which an account holds an instrument, and these books have it."""
        state = self._state
        instrument = state.instruments.get(symbol)
        if instrument is None or not state.knows(account):
            return False
        if run.symbol_partition not in (None, self._topology.symbol_partition(symbol)):
            return False
        return state.config.venue_of(state.effective(account), instrument) == run.venue

    def _wait(self, run: Run) -> None:
        self._state.timers.add(self._journal.ms + PATIENCE_MS, run.number, REPORTED)

    # ------------------------------------------------------------------- pages

    def take(self, report: MassStatusReport) -> None:
        """Compare a page; with the last one, conclude.

        Raises:
            BadEntry: unknown_venue, unknown_request, out_of_sequence or too_many; nothing has changed then.
        """
        run = self._run_of(report)
        if run is None:
            return
        run.page = report.page
        run.covers = tuple(dict.fromkeys((*run.covers, *report.covers)))
        if report.accounts is not None:
            run.accounts = (run.accounts or {}) | dict.fromkeys(report.accounts)
        self._wait(run)
        simulated = self._state.venues[run.venue].simulated
        self._named = Named(self._state, run.venue)
        for fill in report.fills:
            self._fill(run, fill, simulated)
        for row in report.orders:
            self._order(run, row, simulated)
        for position in report.positions:
            self._position(run, position)
        if report.last_page:
            run.ending = True
            self.go_on(run.number, MOST_TOLD)

    def _run_of(self, report: MassStatusReport) -> Run | None:
        """Return the comparison that a page is for; None of one that was given up, which VenueReconciled has said."""
        state = self._state
        if report.venue not in state.venues:
            known = ", ".join(state.venues)
            raise BadEntry("unknown_venue", f"venue: {report.venue} must be a venue of this desk, one of {known}")
        run = state.reconciling.runs.get(report.request_id)
        if run is None:
            if self._was_asked(report.request_id):
                return None
            if report.page != 1:
                text = f"request_id: report {report.request_id} did not begin here, or it is done; page {report.page}"
                raise BadEntry("unknown_request", text)
            if len(state.reconciling.runs) >= MOST_RUNS:
                raise BadEntry("too_many", f"request_id: {MOST_RUNS} reports are compared, which is the most")
            as_of = self._journal.ms if report.as_of is None else min(report.as_of, self._journal.ms)
            return self._begin(report.venue, report.symbol_partition, None, None, as_of, report.request_id)
        if report.venue != run.venue:
            text = f"venue: report {report.request_id} was asked of {run.venue}, this page is of {report.venue}"
            raise BadEntry("wrong_venue", text)
        if run.ending or report.page != run.page + 1:
            text = f"page: {report.page} of report {report.request_id} must be {run.page + 1}, the one after the last"
            raise BadEntry("out_of_sequence", text)
        if report.accounts is not None and len((run.accounts or {}).keys() | report.accounts) > MOST_ACCOUNTS:
            text = f"accounts: the pages of report {report.request_id} name more than {MOST_ACCOUNTS}"
            raise BadEntry("too_many", text)
        return run

    def _was_asked(self, request_id: str) -> bool:
        """Say whether a request of that id was made here. No report of a venue's own may have such an id."""
        ours = _OURS.fullmatch(request_id)
        return ours is not None and int(ours[1]) == self._partition and int(ours[2]) <= self._state.reconciling.count

    # ------------------------------------------------------------------- fills

    def _fill(self, run: Run, fill: ReportedFill, simulated: bool) -> None:
        run.fills += 1
        order = self._named.find(fill)
        if not isinstance(order, Order) or order.venue != run.venue:
            return  # of an order that is not the desk's, or has long been done: nobody could say what is missing
        if fill.exec_id in order.exec_ids or not run.is_about(order.account):
            return
        lot = order.terms.lot
        found = Found(
            DifferenceKind.MISSED_FILL,
            f"exec_id: trade {fill.exec_id} of order {order.order_id}, {canonical(fill.last_qty)} at "
            f"{canonical(fill.last_px)}, was never reported",
            lot.text(order.cum),
            None if fill.cum_qty is None else canonical(fill.cum_qty),
            order,
            fill,
        )
        if simulated:
            self._tell(run, found)
            return
        stood = run.expected.get(order.order_id) == view_of(order)
        try:
            refusal = book_told(run, order, fill, self._journal)
        except BadEntry as bad:
            refusal = Refusal(bad.reason, bad.text)
        self._tell(run, *_done(found, refusal, Resolution.BOOKED))
        if stood:  # what this comparison books itself is no change of the order
            run.expected[order.order_id] = view_of(order)

    # ------------------------------------------------------------------ orders

    def _order(self, run: Run, row: ReportedOrder, simulated: bool) -> None:
        order = self._named.find(row)
        if isinstance(order, Order) and not run.is_about(order.account):
            return
        run.orders += row.ord_status not in FINAL
        if order is None or (isinstance(order, Order) and order.venue != run.venue):
            self._external(run, row)
            return
        before = run.expected.pop(order.order_id, None)
        if isinstance(order, Remembered) or order.status in FINAL or order.is_held:
            self._ended(run, order, row)
            if row.ord_status in FINAL:
                return
            if before is not None or (isinstance(order, Order) and order.finished_ms >= run.as_of):
                run.in_motion += 1
                return
            text = f"order_id: order {order.order_id} is {order.status}, and {run.venue} has it open"
            self._tell(run, Found(DifferenceKind.STATUS, text, order.status, "open", order, row))
            return
        if before is None or before != view_of(order):
            run.in_motion += 1
            self._behind(run, order, row)  # and maybe by more than it moved
            return
        self._compare(run, order, row, simulated)

    def _ended(self, run: Run, order: Order | Remembered, row: ReportedOrder) -> None:
        """Look for what an order that is done for the desk has filled unseen; of one that left nobody knows."""
        if isinstance(order, Order):
            cum = self._cum(order, row)
            if cum > order.cum:
                run.behind[order.order_id] = (cum, *_prices(row), None)

    def _behind(self, run: Run, order: Order, row: ReportedOrder) -> None:
        """Note an order of which the venue has filled more, or that has ended there."""
        status = row.ord_status
        cum, ended = self._cum(order, row), status.value if status is not None and status in FINAL else None
        if cum > order.cum or ended is not None:
            run.behind[order.order_id] = (cum, *_prices(row), ended)

    def _cum(self, order: Order, row: ReportedOrder) -> int:
        lots = None if row.cum_qty is None else lots_said(order.terms, row.cum_qty)
        return order.cum if lots is None else lots

    def _compare(self, run: Run, order: Order, row: ReportedOrder, simulated: bool) -> None:
        terms, venue = order.terms, run.venue
        if (cum := self._cum(order, row)) < order.cum:
            desk, its = terms.lot.text(order.cum), terms.lot.text(cum)
            text = f"cum_qty: of order {order.order_id} {_BOTH.format(desk, venue, its)} filled"
            self._tell(run, Found(DifferenceKind.CUM_QTY, text, desk, its, order, row))
        elif row.cum_qty is not None and lots_said(terms, row.cum_qty) is None:
            desk, its = terms.lot.text(order.cum), canonical(row.cum_qty)
            text = f"cum_qty: of order {order.order_id} {_BOTH.format(desk, venue, its)} filled; no order can"
            self._tell(run, Found(DifferenceKind.CUM_QTY, text, desk, its, order, row))
        self._behind(run, order, row)
        if row.ord_status in FINAL:
            return
        if order.status == PENDING_NEW and not order.acknowledged:
            text = f"order_id: {venue} has order {order.order_id}, and never acknowledged it"
            found = Found(DifferenceKind.MISSED_ACCEPTANCE, text, order.status, "open", order, row)
            if simulated:
                self._tell(run, found)
            else:
                self._tell(run, *_done(found, order.accept(), Resolution.ACCEPTED))
                self._journal.accepted(order)
        if order.amendment is None:
            self._terms(run, order, row, simulated)
        else:  # both are about to change, or have changed
            self._amended(run, order, order.amendment, row, simulated)

    def _amended(self, run: Run, order: Order, amendment: Amendment, row: ReportedOrder, simulated: bool) -> None:
        """See whether an order is as it was to be amended. One that is not may still be, when the request arrives."""
        terms = order.terms
        if row.quantity is None or lots_said(terms, row.quantity) != amendment.quantity:
            return
        if order.priced and (row.price is None or ticks_said(terms, row.price) != amendment.price):
            return
        if (amendment.quantity, amendment.price) == (order.quantity, order.price):
            return  # a stop price alone is amended, which a report does not have
        text = f"quantity: {run.venue} has order {order.order_id} as it was to be amended, and never said so"
        desk, its = terms.lot.text(order.quantity), canonical(row.quantity)
        found = Found(DifferenceKind.MISSED_REPLACEMENT, text, desk, its, order, row)
        refusal = None if simulated else order.replace(amendment.price, amendment.quantity)
        if simulated or refusal is not None:
            self._tell(run, *_done(found, refusal, Resolution.TOLD))
            return
        self._tell(run, found, Resolution.ACCEPTED)
        self._journal.replaced(order)

    def _terms(self, run: Run, order: Order, row: ReportedOrder, simulated: bool) -> None:
        """Compare quantity and price; what is not on the grid is no other quantity or price, and is told."""
        terms, lots, ticks = order.terms, order.quantity, order.price
        said: list[Found] = []
        if row.quantity is not None:
            lots = lots_said(terms, row.quantity) or 0
            if lots != order.quantity:
                desk, its = terms.lot.text(order.quantity), canonical(row.quantity)
                text = f"quantity: of order {order.order_id} {_BOTH.format(desk, run.venue, its)}"
                said.append(Found(DifferenceKind.QUANTITY, text, desk, its, order, row))
        if row.price is not None and order.priced:
            on_tick = ticks_said(terms, row.price)
            if on_tick != order.price:
                desk, its = terms.price.text(order.price), canonical(row.price)
                text = f"price: of order {order.order_id} {_BOTH.format(desk, run.venue, its)}"
                said.append(Found(DifferenceKind.PRICE, text, desk, its, order, row))
            ticks = order.price if on_tick is None else on_tick
        if not said:
            return
        changes = not simulated and lots > 0 and (lots, ticks) != (order.quantity, order.price)
        refusal = order.restate(lots, ticks if ticks != order.price else None) if changes else None
        done = changes and refusal is None
        for found in said:
            text = found.text if refusal is None else f"{found.text}; {refusal.text}"
            self._tell(run, found._replace(text=text), Resolution.RESTATED if done else Resolution.TOLD)
        if done:
            text = f"restated by report {run.request_id} of what {run.venue} has"
            self._journal.restated(order, RestatementReason.RECONCILED, text)

    def _external(self, run: Run, row: ReportedOrder) -> None:
        if row.ord_status in FINAL or (row.account is not None and not run.is_about(row.account)):
            return
        named = f"order {row.order_id}" if row.order_id is not None else f"venue_order_id {row.venue_order_id}"
        whose = row.account if row.account is not None else row.account_id and f"number {row.account_id}"
        told = f"venue_order_id: {run.venue} has {named} of account {whose or 'unknown'}, which is not the desk's"
        found = Found(
            DifferenceKind.EXTERNAL_ORDER, told, None, "open", None, row, row.account, row.symbol
        )  # fmt: skip
        reason = why_not(self._state, run.venue, row)
        if reason is not None:
            self._tell(run, found._replace(text=f"{told}; {reason}" if reason else told))
            return
        order = adopt(self._state, self._journal, self._commands, run.venue, row)
        self._named.add(order)
        self._tell(run, found._replace(order=order), Resolution.ADOPTED)
        self._behind(run, order, row)

    def _position(self, run: Run, position: ReportedPosition) -> None:
        """Note a position; it is compared at the end, when all that was missed is booked."""
        account, symbol, state = position.account, position.symbol, self._state
        if not run.is_about(account):
            return
        terms = state.terms[run.venue].get(symbol)
        lots = None if terms is None else lots_said(terms, position.quantity)
        if lots is not None and self._is_held_at(run, account, symbol):
            run.reported[position_of(account, symbol)] = lots
        elif position.quantity:
            run.positions += 1
            its = canonical(position.quantity)
            text = f"position: {run.venue} has {its} {symbol} of account {account}, where the desk can hold none"
            self._tell(run, Found(DifferenceKind.POSITION, text, "0", its, account=account, symbol=symbol))

    # ----------------------------------------------------------------- the end

    def go_on(self, number: int, room: int) -> int:
        """Do what a comparison's timer is for; return how much it sent, 1 at least."""
        run = next(each for each in self._state.reconciling.runs.values() if each.number == number)
        if not run.ending:
            text = f"of its report page {run.page + 1} has not come for {PATIENCE_MS} ms"
            return self._conclude(run, False, text)
        sent = 0
        while sent < room and run.behind:
            order_id = next(iter(run.behind))
            sent += self._catch_up(run, order_id, run.behind.pop(order_id))
        while sent < room and run.expected:
            order_id = next(iter(run.expected))
            sent += self._missing(run, order_id, run.expected.pop(order_id))
        while sent < room and "positions" in run.covers and (run.held or run.reported):
            sent += self._compare_position(run, next(iter(run.reported or run.held)))
        if run.behind or run.expected or ("positions" in run.covers and (run.held or run.reported)):
            self._state.timers.add(self._journal.ms, run.number, REPORTED)
            return max(1, sent)
        return sent + self._conclude(run, True, "")

    def _catch_up(self, run: Run, order_id: int, behind: Behind) -> int:
        """Book what an order has filled beyond all that was told, and end it where it has ended."""
        order = self._state.orders.get(order_id)
        cum, _, _, ended = behind
        if not isinstance(order, Order):
            return 0
        lot, sent = order.terms.lot.text, 0
        if cum > order.cum:
            text = f"cum_qty: of order {order_id} {_BOTH.format(lot(order.cum), run.venue, lot(cum))} filled"
            found = Found(DifferenceKind.MISSED_FILL, text, lot(order.cum), lot(cum), order)
            if self._state.venues[run.venue].simulated:
                self._tell(run, found)
            else:
                self._tell(run, *_done(found, book_missing(run, order, behind, self._journal), Resolution.BOOKED))
            sent = 3
        if ended is None or order.status in FINAL:
            return sent
        text = f"order_id: order {order_id} is {order.status}, and {ended} by what {run.venue} has"
        found = Found(DifferenceKind.STATUS, text, order.status, ended, order)
        refusal = self._end_as(order, ended, text)
        return sent + 2 + self._tell(run, *_done(found, refusal, Resolution.ENDED))

    def _end_as(self, order: Order, ended: str, text: str) -> Refusal | None:
        """End an order as its venue says; return why not."""
        match ended:
            case "Canceled":
                self._end(order, CancelReason.VENUE_OTHER, text)
                return None
            case "Expired":
                self._answer_amendment(order, text)
                refusal = order.expire()
                if refusal is None:
                    self._journal.expired(order)
                return refusal
            case "Rejected":
                self._answer_amendment(order, text)
                refusal = order.reject()
                if refusal is None:
                    self._journal.rejected(order, RejectReason.VENUE_OTHER, text)
                return refusal
            case _:
                return Refusal("unexpected_report", f"by what is filled of it, it is not {ended}")

    def _missing(self, run: Run, order_id: int, before: View) -> int:
        """Look at an order that no page had."""
        order, terms = self._state.orders.get(order_id), self._state.venues[run.venue]
        if "orders" not in run.covers or not isinstance(order, Order) or not run.is_about(order.account):
            return 0
        if view_of(order) == before and not order.leaves:  # the trades that filled it were told
            return 0
        if view_of(order) != before or self._is_young(run, order, terms.reconcile_grace_ms):
            run.in_motion += 1
            return 0
        text = f"order_id: order {order_id} is {order.status}, and {run.venue} does not have it"
        found = Found(DifferenceKind.LOST_ORDER, text, order.status, None, order)
        if terms.lost_orders is LostOrders.LEAVE:
            return self._tell(run, found)
        self._end(order, CancelReason.LOST, f"report {run.request_id} of what {run.venue} has does not have it")
        return 2 + self._tell(run, found, Resolution.CANCELED)

    @staticmethod
    def _is_young(run: Run, order: Order, grace_ms: int) -> bool:
        """Say whether a venue may not have had an order yet when it looked.

        One that the desk held went at a time that it does not keep: such a one is certain once the venue accepted it.
        """
        sent_ms = order.received_ms if order.held is None or order.acknowledged else run.as_of
        return sent_ms > run.as_of - grace_ms

    def _end(self, order: Order, reason: CancelReason, text: str) -> None:
        """End an order that the venue does not have any more, and what was asked for it."""
        self._answer_amendment(order, text)
        refusal = order.cancel_by(order.cancel_signal is not None)
        assert refusal is None, f"it works: {refusal}"
        self._journal.canceled(order, reason, text)

    def _answer_amendment(self, order: Order, text: str) -> None:
        amendment = order.amendment
        if amendment is not None:
            order.refuse_replace()
            reason = CancelRejectReason.UNKNOWN_ORDER
            self._journal.replace_rejected(amendment.signal_id, order.account, order, reason, text)

    def _compare_position(self, run: Run, key: str) -> int:
        account, symbol = key.split(" ")
        before, its = run.held.pop(key, 0), run.reported.pop(key, 0)
        if not run.is_about(account):
            return 0
        now = self._state.holdings.holding(account, symbol).quantity
        run.positions += 1
        if its == now:
            return 0
        if now != before + run.booked.get(key, 0):  # fills came in meanwhile, before or after the venue looked
            run.in_motion += 1
            return 0
        text = self._state.terms[run.venue][symbol].lot.text
        told = f"position: of {symbol} in account {account} {_BOTH.format(text(now), run.venue, text(its))}"
        found = Found(DifferenceKind.POSITION, told, text(now), text(its), account=account, symbol=symbol)
        return self._tell(run, found)

    def _tell(self, run: Run, found: Found, resolution: Resolution = Resolution.TOLD) -> int:
        """Count a difference, and tell it if it is among the first; return how many events that are."""
        state = self._state
        run.differences += 1
        run.unresolved += resolution is Resolution.TOLD
        kind = found.kind.value
        state.reconciling.differences[kind] = state.reconciling.differences.get(kind, 0) + 1
        if run.differences > MOST_TOLD:
            return 0
        self._journal.difference(run, found, resolution)
        return 1

    def _conclude(self, run: Run, complete: bool, text: str) -> int:
        state = self._state
        del state.reconciling.runs[run.request_id]
        state.timers.cancel(run.number, REPORTED)
        if complete:
            state.reconciling.compared_ms[run.venue] = self._journal.ms
        else:
            state.reconciling.unreported[run.venue] = state.reconciling.unreported.get(run.venue, 0) + 1
        self._journal.venue_reconciled(run, complete, text or _summary(run))
        return 1


def _prices(row: ReportedOrder) -> tuple[str | None, str | None]:
    """Return the mean and the last price of what an order has filled, as its venue says them."""
    mean, last = (None if each is None else canonical(each) for each in (row.avg_px, row.last_px))
    return mean, last


def _done(found: Found, refusal: Refusal | None, resolution: Resolution) -> tuple[Found, Resolution]:
    """Return what is told of something that was done about a difference, or refused."""
    if refusal is None:
        return found, resolution
    return found._replace(text=f"{found.text}; nothing is done: {refusal.text}"), Resolution.TOLD


def _summary(run: Run) -> str:
    if not run.differences:
        return f"{run.venue} and the desk agree"
    told = f"{run.venue} and the desk differed in {run.differences}, {run.unresolved} of them are left for a person"
    return told if run.differences <= MOST_TOLD else f"{told}; the first {MOST_TOLD} are told each by itself"
