"""The orders stage: validates instructions, holds every order's state, routes to the venue, writes the journal.

Flows in: `orders.{a}`: instructions, venues' reports, ticks, configuration, calendars, controls. Flows out:
events in `events.{a}`, command records in `commands.<VENUE>.{s}`, and to `dead` what nobody can use. Never knows more
of a venue than the records of `native/include/fillstream.h`; never looks at a clock: now is the entry's millisecond.

Every instruction has one visible answer: an event (OrderReceived, OrderRejected, OrderCancelRequested, …) or a dead
letter. This module only dispatches:

    data   -> decode -> requests -> rules -> order, state -> journal, commands; what names an alias by way of by_alias
                     -> venue_reports ------> order, state -> journal
                     -> reconciler ---------> order, state -> journal, commands
                     -> markets ------------> state, for who needs more of a market than its top
    frame.VENUE -> reports -----------------> order, state -> journal
    frame.VENUE, time -> desk, for what was held -> order, state -> journal, commands
    time   -> due, before any of them ------> order, state -> journal, commands
    control -> controls ----------------------------> state -> journal
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.calendar import CALENDAR, NO_CALENDARS, Calendars
from fillstream.libs.common.messages.codes import AccountMode, DifferenceKind
from fillstream.libs.common.messages.controls import CONTROL
from fillstream.libs.common.messages.market_report import MarketReport
from fillstream.libs.common.messages.mass_status import MassStatusReport
from fillstream.libs.common.messages.topology import SIM, Topology, stream_name
from fillstream.libs.common.messages.venue import FRAME, VenueReport, reporting_venue, reports_field
from fillstream.libs.common.runtime.stage import Entry, Family, Latencies, Outputs
from fillstream.libs.common.values.naming import shorten
from fillstream.services.order_service.orders.commands import Commands
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.control.breakers import Breakers, open_breakers
from fillstream.services.order_service.orders.control.by_alias import ByAlias
from fillstream.services.order_service.orders.control.controls import Controls, Room
from fillstream.services.order_service.orders.control.mass_cancels import MassCancels
from fillstream.services.order_service.orders.control.standing import SEVERITY
from fillstream.services.order_service.orders.decode import REPORTED, decode
from fillstream.services.order_service.orders.due import Due
from fillstream.services.order_service.orders.groups.brackets import Brackets
from fillstream.services.order_service.orders.groups.closing import Closing
from fillstream.services.order_service.orders.groups.contingent import Contingent
from fillstream.services.order_service.orders.instructions import All, Restrict
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.keeping.snapshot import dump, load
from fillstream.services.order_service.orders.markets import quotes
from fillstream.services.order_service.orders.parents.children import Children
from fillstream.services.order_service.orders.parents.requests import FamilyRequests
from fillstream.services.order_service.orders.parents.runner import Runner
from fillstream.services.order_service.orders.parents.settling import Settling
from fillstream.services.order_service.orders.reconciling.reconciler import Reconciler
from fillstream.services.order_service.orders.reconciling.stating import Stating
from fillstream.services.order_service.orders.reporting.reports import Reports
from fillstream.services.order_service.orders.reporting.venue_reports import VenueReports
from fillstream.services.order_service.orders.requests import Requests
from fillstream.services.order_service.orders.retiring import sweep
from fillstream.services.order_service.orders.state import State
from fillstream.services.order_service.orders.waiting.desk import Desk

TICK_MS = 15_000
"""How often time passes when nothing else comes in, for what is past its retention; what is due gets its own entry."""

MOST_NOTED = 20
"""So many aliases are told with the stage's status."""
DESK = "*"
"""The whole desk, beside accounts."""

FAMILIES: tuple[Family, ...] = (
    Family("orders", "All orders received so far, by their status now: one that is filled can reopen.", "ord_status"),
    Family("rejects", "Orders rejected, by reason.", "reason", True),
    Family("cancel_rejects", "Cancels and amendments rejected, by reason.", "reason", True),
    Family("fills", "Fills, by liquidity.", "liquidity", True),
    Family("fills_refused", "Fills that a venue told and that are not believed, by reason.", "reason", True),
    Family(
        "overfills", "Fills beyond an order's quantity that were taken as the venue's truth, by venue.", "venue", True
    ),
    Family("trade_changes", "Trades that venues took back or corrected.", "change", True),
    Family(
        "unanswered_requests", "Requests that a venue has not answered in execution_timeout_ms, by kind.", "request"
    ),
    Family("trading_state", f"{DESK} is the desk, others accounts not ACTIVE: 0 ACTIVE, 1 REDUCING, 2 HALTED.", "of"),
    Family(
        "live_aliases", "Aliases, by name: 1 that points to an account whose orders are for money, 0 to PAPER.", "alias"
    ),
    Family("queued_orders", "Orders that wait for their turn, as their account's rate_limit_orders has it.", "account"),
    Family("worked_orders", "Orders that an algorithm or a routing policy works, by how they stand.", "state"),
    Family("live_brackets", "Entries whose exits protect something still, or may have to."),
    Family("live_order_lists", "Lists of orders that are not done, by what their orders are to one another.", "kind"),
    Family("open_breakers", "Circuit breakers that are not closed.", "scope"),
    Family("bare_positions", "Open positions that a halt in force left without protective orders.", "of"),
    Family(
        "reconciliation_differences", "In what the desk and its venues differed, by what it was.", "difference", True
    ),
    Family(
        "reconciliations_broken_off", "Reports of what a venue has that did not come whole, by venue.", "venue", True
    ),
    Family("reconciled_timestamp_seconds", "When a venue's report was compared whole last (log time).", "venue"),
    Family("ids_remembered", "Ids that have to be remembered, so that the same one again changes nothing."),
    Family("ids_capacity", "Ids that can be remembered; when there are so many, what is new is refused."),
    Family("calendar_ends_timestamp_seconds", "Nothing is known of a calendar from then on (log time).", "calendar"),
    Family("quote_timestamp_seconds", "When the newest quote came, an unchanged one too (log time).", "symbol"),
)

_NONE_REFUSED = dict.fromkeys(
    ("beyond_limit", "out_of_sequence", "overfill", "repeated_trade", "unknown_execution", "unknown_order"), 0
)
"""Shown from the start: an alarm sees a first one only where there was a 0 before."""


class OrdersStage:
    """The fold of `orders.{partition}`.

    Args:
        topology: the streams' names and where a symbol's book is.
        partition: of the accounts.
        config: this process's configuration; `configuration()` offers it to the inbox, decisions use what came back.
        calendars: returns this process's calendars; likewise, by `calendar()`.
    """

    name = "orders"
    tick_ms: int | None = TICK_MS
    families = FAMILIES

    def __init__(
        self,
        topology: Topology,
        partition: int,
        config: DeskConfig,
        calendars: Callable[[], Calendars] = lambda: NO_CALENDARS,
    ) -> None:
        self._calendars = calendars
        self.partition = partition
        self.inbox = stream_name("orders", partition)
        self.latencies_ms = Latencies()
        self._topology = topology
        self._events = stream_name("events", partition)
        self._config_json = config.to_json()
        self._take(State(topology, partition))

    def _take(self, state: State) -> None:
        self._state = state
        state.ended_ms = self.latencies_ms.ended
        self._journal = Journal(self._events, state)
        self._commands = Commands(self.partition, self._journal, state.awaited)
        state.markets.send = self._commands.market
        self._desk = Desk(state, self._journal, self._commands)
        breakers = Breakers(state, self._journal)
        self._journal.on_rejected, self._journal.on_filled = breakers.rejected, breakers.filled
        children = Children(state, self._journal, self._commands, self._desk, breakers)
        runner = Runner(state, self._journal, children)
        brackets = Brackets(state, self._journal, children, self._desk)
        lists = Contingent(state, self._journal, children, self._desk)
        closing = Closing(state, brackets)
        self._settling = Settling(state, self._journal, runner, brackets, lists, closing)
        self._desk.works, self._desk.hits = runner, lambda order: brackets.hits(order) or lists.hits(order)
        state.markets.on_report = [runner.reported]
        families = FamilyRequests(state, self._journal, runner, brackets, lists)
        self._requests = Requests(
            state,
            self._journal,
            self._commands,
            self._desk,
            breakers,
            families,
            closing,
            self._topology,
            self.partition,
        )  # fmt: skip
        mass_cancels = MassCancels(state, self._journal, self._commands, self._desk, self._topology, self.partition)
        self._reconciler = Reconciler(state, self._journal, self._commands, self._topology, self.partition)
        self._stating = Stating(state, self._journal)
        self._due = Due(
            state, self._journal, self._commands, self._desk, mass_cancels, breakers, self._reconciler, self._stating,
            (runner, brackets, self._settling),
        )  # fmt: skip
        self._breakers = breakers
        self._controls = Controls(
            Room(state, self._journal, mass_cancels, self._desk, self._reconciler, self._stating),
            self._topology, self.partition, breakers,
        )  # fmt: skip
        self._wishes: dict[type, Callable[[Any], None]] = {
            **self._requests.handlers,
            All: mass_cancels.take,
            Restrict: self._controls.restrict,
            VenueReport: VenueReports(state, self._journal, self.latencies_ms, breakers).take,
            MassStatusReport: self._reconciler.take,
            MarketReport: self._market_reported,
        }
        self._by_alias = ByAlias(state, self._journal, self._wishes)
        self._hear()

    def _hear(self) -> None:
        """Listen to every venue of the desk; 0.1.0 had only SIM, whose reports' field names nobody."""
        made = {
            v: Reports(self._state, self._journal, self._desk, self.partition, self.latencies_ms, v, self._breakers)
            for v in self._state.venues
        }
        self._reports = {reports_field(venue): reports for venue, reports in made.items()} | {FRAME: made[SIM]}

    # ------------------------------------------------------------------- fold

    def fold(self, entry: Entry, out: Outputs) -> None:
        """Do what is due by the time of an entry of the inbox, then apply it.

        Raises:
            BadEntry: bad_entry for none of the known fields; else see `decode`, `Requests.handlers`, `Reports.fold`,
                `Controls.take` and `State.configure`.
        """
        state = self._state
        soonest = state.timers.soonest
        if soonest is not None and soonest <= entry.ms:
            self._due.fire(entry.ms, out)
        fields = entry.fields
        if len(fields) == 1:
            [(kind, value)] = fields.items()
            if not state.configured and (kind in (b"data", CONTROL) or reporting_venue(kind) is not None):
                state.waiting.append((entry.id, kind, value))
                return
            journal = self._journal
            journal.ms = entry.ms
            journal.out = self._commands.out = out
            if kind == b"data":
                wish = decode(value)
                points = state.aliases.points
                if points and not isinstance(wish, REPORTED) and wish.account in points:
                    self._by_alias.take(wish)
                else:
                    self._wishes[type(wish)](wish)
            elif (reports := self._reports.get(kind)) is not None:
                reports.fold(value, out)
            else:
                self._rare(kind, value, entry, out)
            if state.families.stirred:
                self._settling.settle()
            return
        self._refuse(fields)

    def _rare(self, kind: bytes, value: bytes, entry: Entry, out: Outputs) -> None:
        """Take an entry that is neither an instruction nor a report."""
        if kind == b"tick":
            sweep(self._state, entry.ms)
        elif kind == CONTROL:
            self._controls.take(value)
        elif kind == CALENDAR:
            self._take_calendars(value)
        elif kind == b"config":
            self._configure(value)
            self._catch_up(entry, out)
        elif (venue := reporting_venue(kind)) is not None:
            known = ", ".join(self._state.venues)
            raise BadEntry("unknown_venue", f"frame: {shorten(venue)} must be a venue of this desk, one of {known}")
        else:
            self._refuse(entry.fields)

    def _refuse(self, fields: Mapping[bytes, bytes]) -> NoReturn:
        names = ", ".join(sorted(map(ascii, fields)))
        text = f"fields: must be one of data, frame.VENUE, tick, config, calendar and control alone, got {names[:200]}"
        raise BadEntry("bad_entry", text)

    def _configure(self, data: bytes) -> None:
        try:
            config = DeskConfig.from_json(data)
        except ValueError as error:
            raise BadEntry("bad_config", f"config: {error}") from None
        before, ruled = self._state.aliases.points, self._state.rule_switches.terms(self._state.config)
        age_ms = self._state.config.max_quote_age_ms
        venues, symbols, accounts = self._state.configure(config)
        if venues:
            self._hear()
        for name in venues:
            self._journal.venue_defined(name, config.venues[name])
            self._state.markets.again(name)
        for symbol in symbols:
            instrument = config.instruments[symbol]
            self._journal.instrument_defined(symbol, instrument, config.home_of(instrument))
        for name in accounts:
            self._journal.account_defined(name, self._state.effective(name), self._state.overrides.get(name, ()))
            self._desk.terms_changed(name)
        after = self._state.aliases.points
        for alias in sorted({*before, *after}):
            if before.get(alias) != after.get(alias):
                self._journal.alias_defined(alias, after.get(alias), before.get(alias))
        rules = self._state.rule_switches.terms(config)
        for rule_id in sorted({*ruled, *rules}):
            if ruled.get(rule_id) != (rule := rules.get(rule_id)):
                self._journal.rule_defined(rule_id, rule)
        if venues or accounts:
            self._breakers.lift()
        self._reconciler.configure()
        self._stating.configure()
        if config.max_quote_age_ms != age_ms:
            quotes.look_anew(self._state, self._journal.ms)

    def _market_reported(self, report: MarketReport) -> None:
        """Let it be known how a market stands; what is not believed goes to `dead` and counts against its venue."""
        refusal = self._state.markets.take(report, self._journal.ms)
        if refusal is not None and not self._breakers.unusable(report.venue, bad := BadEntry(*refusal)):
            self._commands.out.bad(bad.reason, bad.text)

    def _take_calendars(self, data: bytes) -> None:
        try:
            calendars = Calendars.from_json(data)
        except ValueError as error:
            raise BadEntry("bad_calendar", f"calendar: {error}") from None
        self._state.take_calendars(calendars)

    def _catch_up(self, configured: Entry, out: Outputs) -> None:
        """Decide on what came before the desk's first configuration, as if it had come with it, in its order."""
        waiting, self._state.waiting = self._state.waiting, []
        for entry_id, kind, value in waiting:
            waited = Entry(entry_id, configured.ms, {kind: value})
            out.begin(waited)
            try:
                self.fold(waited, out)
            except BadEntry as bad:
                out.bad(bad.reason, bad.text)
        out.begin(configured)

    # -------------------------------------------------------- for the runtime

    @property
    def due_ms(self) -> int | None:
        """When the first timer is due. See `libs.common.runtime.stage.Timed`."""
        return self._state.timers.soonest

    def snapshot(self) -> bytes:
        """Return the whole state as canonical JSON."""
        return dump(self._state)

    def restore(self, data: bytes) -> None:
        """Replace the state by a snapshot's."""
        self._take(load(data, self._topology, self.partition))

    def configuration(self) -> dict[bytes, bytes] | None:
        """Return the entry that brings this process's configuration, unless the state has it.

        Then, where venues are asked from time to time, one that asks them: a stage that was away may have missed much.
        """
        state = self._state
        if state.configured and state.config.to_json() == self._config_json:
            return self._reconciler.at_start()
        return {b"config": self._config_json}

    def calendar(self) -> dict[bytes, bytes] | None:
        """Return the entry that brings this process's calendars, unless the state has them; see `Calendared`."""
        calendars = self._calendars()
        return None if calendars == self._state.timetable.calendars else {CALENDAR: calendars.to_json()}

    def note(self) -> str:
        """Return where aliases point, and how many accounts are LIVE."""
        state = self._state
        points = [f"alias {a} points to {state.config.with_mode(each)}" for a, each in [*state.aliases.points.items()]]
        accounts = [*state.accounts]
        live = sum(state.config.accounts[name].mode is AccountMode.LIVE for name in accounts if state.knows(name))
        told = [*points[:MOST_NOTED], *(["…"] if len(points) > MOST_NOTED else [])]
        return "; ".join([*told, *([f"{live} of {len(accounts)} accounts are LIVE"] if live else [])])

    def gauges(self) -> Mapping[str, Mapping[str, int]]:
        """Return orders by status, refusals by reason, fills by liquidity, and the time of each symbol's last quote."""
        state = self._state
        standings = {DESK: state.standing, **state.standings}
        return {
            "trading_state": {name: SEVERITY[each.state] for name, each in standings.items()},
            "queued_orders": {
                state.orders[next(iter(pace.waiting))].account: len(pace.waiting)
                for pace in state.pacing.of.values()
                if pace.waiting
            },
            **state.families.gauges(),
            "open_breakers": open_breakers(state.breakers.values()),
            "live_aliases": {
                alias: int(state.config.mode_of(state.config.accounts[account]) is not AccountMode.PAPER)
                for alias, account in state.aliases.points.items()
            },
            "bare_positions": {name: each.bare for name, each in standings.items()},
            "orders": state.statuses,
            "rejects": state.rejects,
            "cancel_rejects": state.cancel_rejects,
            "fills": state.fills,
            "fills_refused": {**_NONE_REFUSED, **state.fills_refused},
            "overfills": {**dict.fromkeys(state.venues, 0), **state.overfills},
            "trade_changes": state.trade_changes,
            "reconciliation_differences": {**dict.fromkeys(DifferenceKind, 0), **state.reconciling.differences},
            "reconciliations_broken_off": {**dict.fromkeys(state.venues, 0), **state.reconciling.unreported},
            "reconciled_timestamp_seconds": {v: ms // 1000 for v, ms in state.reconciling.compared_ms.items()},
            "unanswered_requests": state.awaited.unanswered(),
            "ids_remembered": {"": state.counter - state.forgotten},
            "ids_capacity": {"": state.capacity},
            "calendar_ends_timestamp_seconds": {
                name: table.until_ms // 1000 for name, table in state.timetable.calendars.calendars.items()
            },
            "quote_timestamp_seconds": {
                state.symbols[number] if venue == SIM else f"{state.symbols[number]} at {venue}": quote.at_ms // 1000
                for venue, quotes in state.quotes.items()
                for number, quote in quotes.items()
                if quote.at_ms
            },
        }
