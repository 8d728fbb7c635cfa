"""The position stage: fills and quotes of one account partition's journal become positions with their P&L.

Flows in: `events.{a}`. Flows out, in `positions.{a}`: what became of positions, what they and accounts are worth, and
what became of exits, targets, rules and limits on risk; in `orders.{a}`: instructions that follow. Never goes
on when the journal has a gap, never counts what works. This module only dispatches:

    fills, busts, splits -> booking -> books, exits, targets
    quotes ---------------> marking -> books, accounts; exits
    what is asked for, orders that were sent -> exits, targets
    time -----------------> marking, exits, targets, accounts
    any event, once the books have it --------> rules
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson
from pydantic import ValidationError

from fillstream.libs.common.ledger.digest import MOST_ROWS, digest_of, money, row_of, size
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.base import Models, head_of, head_of_next, upcast
from fillstream.libs.common.messages.codes import CostMethod, MarkPrice, PositionMode
from fillstream.libs.common.messages.controls import CORPORATE, split_ratio
from fillstream.libs.common.messages.journal import (
    EVENTS,
    AccountAdjusted,
    AccountDefined,
    InstrumentDefined,
    OrderFilled,
    TradeBusted,
    TradeCorrected,
    TradingStateChanged,
)
from fillstream.libs.common.messages.note import is_tick
from fillstream.libs.common.messages.protection import PositionProtected, ProtectionCanceled
from fillstream.libs.common.messages.quoting import QuoteStale, QuoteUpdated
from fillstream.libs.common.messages.reconciliation import HoldingsStated
from fillstream.libs.common.messages.reference import InstrumentFields, InstrumentUnits
from fillstream.libs.common.messages.rule_terms import RuleTerms
from fillstream.libs.common.messages.rules import RuleDefined
from fillstream.libs.common.messages.sentences import sentences
from fillstream.libs.common.messages.targets import TargetCanceled, TargetSet
from fillstream.libs.common.messages.terms import written
from fillstream.libs.common.messages.topology import SIM, stream_name
from fillstream.libs.common.runtime.stage import MOST_OUTPUTS, Entry, Family, Inconsistent, Outputs
from fillstream.libs.common.values.versions import Unreadable
from fillstream.services.position_service.accounts.accounts import TELL, Accounts
from fillstream.services.position_service.booking import Booking
from fillstream.services.position_service.books.books import MARK, Books
from fillstream.services.position_service.books.instrument import Instrument
from fillstream.services.position_service.exits.exits import FOLLOWED, Exits
from fillstream.services.position_service.marking import Marking
from fillstream.services.position_service.risk.limits import RiskLimits
from fillstream.services.position_service.rules.ruling import Ruling
from fillstream.services.position_service.snapshot import dump, load
from fillstream.services.position_service.targets.reaching import AGAIN, Reaching
from fillstream.services.position_service.telling import Message, Telling

FAMILIES: tuple[Family, ...] = (
    Family("positions", "Positions that are open and those that are flat again.", "state"),
    Family("marks_stale", "Instruments with open positions whose venue quotes them no more."),
    Family("position_changes", "What fills did to positions.", "change", True),
    Family("exits_armed", "Protections of positions that wait for their price or time."),
    Family("exits_failing", "Exits that were reached, and could not close yet what they are to close."),
    Family("rules_disabled", "Rules that could not be evaluated, and are looked at no more."),
    Family("targets_open", "Positions that are to be reached, and are not yet."),
    Family("targets_failing", "Those of them whose last order came to nothing; another one goes."),
    Family("broken_risk_limits", "Limits on accounts' risk that are broken now."),
    Family("position_differences", "Positions that the orders stage has otherwise, when they were compared last."),
)

_BOOKED: Models = {
    "OrderFilled": OrderFilled,
    "QuoteUpdated": QuoteUpdated,
    "QuoteStale": QuoteStale,
    "InstrumentDefined": InstrumentDefined,
    "AccountDefined": AccountDefined,
    "TradeBusted": TradeBusted,
    "TradeCorrected": TradeCorrected,
    "AccountAdjusted": AccountAdjusted,
    "HoldingsStated": HoldingsStated,
    "PositionProtected": PositionProtected,
    "ProtectionCanceled": ProtectionCanceled,
    "TargetSet": TargetSet,
    "TargetCanceled": TargetCanceled,
    "RuleDefined": RuleDefined,
    "TradingStateChanged": TradingStateChanged,
}
"""The events that change the books. Most are of no interest, and nothing but the head of them is read."""
_VERSIONS = {kind: model.VERSION for kind, model in _BOOKED.items()}
MARKED_BY, MARK_INTERVAL_MS, ATR_BARS = (
    InstrumentFields.model_fields[name].default for name in ("mark_price_type", "mark_interval_ms", "atr_bars")
)
"""Of an instrument that says nothing else."""
MOST_DIFFERING = 100
"""So many positions in which the orders stage and this one differ are told each by itself."""

ANY_SEQ = -2
"""The number of the last event where some after it were lost, and their loss was accepted."""


class PositionStage:
    """The fold of `events.{partition}`.

    Args:
        partition: of the accounts.
    """

    name = "positions"
    tick_ms: int | None = None
    families = FAMILIES

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.inbox = stream_name("events", partition)
        self._take(Books())

    def _take(self, books: Books) -> None:
        self._books = books
        self._telling = Telling(books, stream_name("positions", self.partition))
        self._booking = Booking(books, self._telling, self.partition)
        orders = stream_name("orders", self.partition)
        self._accounts = Accounts(books, self._telling, RiskLimits(books, self._telling, self.partition, orders))
        self._ruling = Ruling(books, self._telling, orders)
        self._marking = Marking(books, self._telling, self._accounts.touch)
        self._reaching = Reaching(books, self._telling, self.partition, orders)
        self._exits = Exits(books, self._telling, self.partition, orders, self._reaching.exited)

    def fold(self, entry: Entry, out: Outputs) -> None:
        """Book one event of the journal.

        Raises:
            BadEntry: not_an_event.
            Inconsistent: an event is missing or came twice, a fill or quote does not fit its instrument, or one is of a
                version that this release does not read.
        """
        telling = self._telling
        telling.ms, telling.out = entry.ms, out
        self._time_came()
        payload = entry.fields.get(b"data")
        if payload is None:
            if is_tick(entry.fields):
                return
            raise BadEntry("not_an_event", "data: is missing, an event is one JSON object in it")
        seq = self._books.read + 1
        head = head_of_next(payload, seq)
        kind, v, seq = (*head, seq) if head else self._head(payload, seq, entry)
        version, event = _VERSIONS.get(kind), None
        if version is not None:
            event = orjson.loads(payload)
            if v != version:
                event = self._raised(event, entry, _BOOKED)
            self._book(kind, event, out)
        elif kind in FOLLOWED and (self._books.exits.sent or self._books.targets.sent or self._books.exits.asked):
            event = orjson.loads(payload)
            if v != EVENTS[kind].VERSION:
                event = self._raised(event, entry, EVENTS)
            self._exits.answered(event)
            self._reaching.answered(event)
        self._books.read = seq
        if kind in self._books.rules.by_event:
            if event is None:
                event = orjson.loads(payload)
                if v != EVENTS[kind].VERSION:
                    event = self._raised(event, entry, EVENTS)
            self._ruling.happened(event)

    def _book(self, kind: str, event: Message, out: Outputs) -> None:
        """Do what follows from an event that changes the books."""
        exits = self._books.exits
        match kind:
            case "OrderFilled":
                self._filled(event)
            case "QuoteUpdated":
                instrument = self._instrument_of(event)
                if event["venue"] == instrument.venue:
                    if self._marking.quoted(event, instrument) and exits.unranged:
                        self._exits.ranged(instrument)
                    if exits.watches:
                        self._exits.marked(instrument)
            case "QuoteStale":
                instrument = self._instrument_of(event)
                if event["venue"] == instrument.venue:
                    self._marking.aged(instrument)
            case "TradeBusted" | "TradeCorrected":
                instrument = self._instrument_of(event)
                name = self._books.position_id(event)
                before = instrument.trip_of(event["account"], name)
                self._booking.restated(event, instrument)
                self._accounts.touch(event["account"])
                self._exits.changed(event["account"], instrument, name, before)
                self._reaching.changed(event["account"], instrument.symbol)
            case "PositionProtected":
                self._exits.protected(event, self._instrument_of(event))
            case "ProtectionCanceled":
                self._exits.canceled(event)
            case "TargetSet":
                self._reaching.asked(event, self._instrument_of(event))
            case "RuleDefined":
                self._ruling.defined(event)
            case "TargetCanceled":
                self._reaching.canceled(event)
            case "InstrumentDefined":
                self._defined(event, out)
            case "AccountDefined":
                method, mode = CostMethod(event.get("cost_method", "AVERAGE")), event.get("position_mode", "NETTING")
                self._books.take_terms(event["account"], method, PositionMode(mode))
                self._accounts.defined(event)
            case "TradingStateChanged":
                self._accounts.resumed(event)
            case "AccountAdjusted":
                if event["adjustment"] in CORPORATE:
                    self._corporate(event, self._instrument_of(event))
                else:
                    self._accounts.adjusted(event)
            case "HoldingsStated":
                self._compared(event)

    def _filled(self, event: Message) -> None:
        """Book a fill, and let follow it what waits for one: protections, targets."""
        instrument, account = self._instrument_of(event), event["account"]
        terms, name, before = self._books.accounts.get(account), None, None
        exits = self._books.exits
        followed = exits.all or (terms is not None and terms.exits)
        if followed:
            name = self._books.position_id(event)
            before = instrument.trip_of(account, name)
        self._booking.filled(event, instrument)
        self._accounts.touch(account)
        if exits.all:
            self._exits.answered(event)
        if followed:
            self._exits.changed(account, instrument, name, before)
        if self._books.targets.of:
            self._reaching.answered(event)
            self._reaching.changed(event["account"], instrument.symbol)

    def _corporate(self, event: Message, instrument: Instrument) -> None:
        """Follow what an issuer did: a split, or another symbol, whose grid may be a finer one."""
        account, symbol = event["account"], event.get("new_symbol")
        if symbol is None:
            self._booking.split(event, instrument)
            self._exits.split(account, instrument, *split_ratio(event["ratio"]))
            self._reaching.abandoned(account, instrument.symbol, f"the position was split {event['ratio']}")
            instrument.becomes_another()
            return
        new = self._books.instruments.get(symbol)
        if new is None:
            raise Inconsistent(f"event {event['seq']}: new_symbol {symbol} must be defined before it is used")
        self._reaching.abandoned(account, instrument.symbol, f"the symbol is {symbol} now")
        sizes = {"tick_size": instrument.price.step, "lot_size": instrument.lot.step}
        self._count_in(new, new.units.model_copy(update=sizes))
        steps = new.steps_of(instrument)
        if self._booking.renamed(event, instrument, new, steps):
            self._exits.renamed(account, instrument, new, steps)
        self._accounts.touch(account)

    def _count_in(self, instrument: Instrument, units: InstrumentUnits) -> None:
        """Count an instrument in steps that divide those of new units, too, and all that is counted in them."""
        lots, ticks, money = instrument.count_in(units)
        self._exits.rescaled(instrument, lots, ticks)
        self._reaching.rescaled(instrument, lots, ticks, money)

    def _time_came(self) -> None:
        """Do what is due; what is more than one entry may send, the next one does, at once."""
        timers, left = self._books.timers, MOST_OUTPUTS
        while left > 0 and (timer := timers.pop(self._telling.ms)) is not None:
            if timer.what == MARK:
                left -= self._marking.due(timer.id, left)
            elif timer.what == TELL:
                self._accounts.due(timer)
                left -= 2
            else:
                (self._reaching if timer.what == AGAIN else self._exits).due(timer)
                left -= 2

    # ------------------------------------------------------------------------------------------------ the events

    def after_loss(self) -> None:
        """See `libs.common.runtime.stage.Losable`: the next event may have any number."""
        self._books.read = ANY_SEQ

    def _head(self, payload: bytes, due: int, entry: Entry) -> tuple[str, int, int]:
        """Return type, version and number of an event that is not as the hot path writes it, or not the one due."""
        try:
            kind, v, seq = head_of(payload)
        except Unreadable as error:
            raise BadEntry("not_an_event", f"data: {error}") from None
        if seq is None:
            raise BadEntry("not_an_event", "data: seq: is missing, an event has one")
        if seq != due and self._books.read != ANY_SEQ:
            raise Inconsistent(f"{self.inbox} {entry.id}: seq {seq} must be {due}, the one after the last")
        return kind, v, seq

    def _raised(self, event: Message, entry: Entry, models: Models) -> Message:
        """Return an event of another version as today's. To bury one would let the books stand still in silence."""
        try:
            return upcast(event, models)
        except Unreadable as error:
            raise Inconsistent(f"{self.inbox} {entry.id}: {error}; a newer one wrote the journal") from error

    def _defined(self, event: Message, out: Outputs) -> None:
        """Take an instrument's terms. Once there are positions, another grid is counted in, another worth refused.

        The event stays in the sequence even if it is refused, hence `out.bad` and not BadEntry.
        """
        symbol = event["symbol"]
        try:
            units = InstrumentUnits.out_of(event)
        except ValidationError as error:
            raise Inconsistent(f"event {event['seq']}: {symbol}: {sentences(error)}") from None
        known = self._books.instruments.get(symbol)
        is_new = known is None
        if known is None:
            known = self._books.instruments[symbol] = Instrument(symbol, units)
        self._books.number(known, event["instrument_id"])
        known.venue = event.get("venue") or SIM
        known.marked_by = MarkPrice(event.get("mark_price_type", MARKED_BY))
        known.base_currency = event.get("base_currency")
        if known.base_currency is not None:
            self._books.rates[known.base_currency, units.currency] = known
        known.interval_ms = event.get("mark_interval_ms", MARK_INTERVAL_MS)
        known.range_by(event.get("atr_interval_ms"), event.get("atr_bars", ATR_BARS))
        if is_new:
            return
        if known.true_range is None and symbol in self._books.exits.unranged:
            self._exits.rangeless(known)
        before = known.units
        if known.held and (differing := _differing_terms(before, units)):
            said, stays = (
                " and ".join(f"{written(getattr(of, name))}" for name in differing) for of in (units, before)
            )
            text = f"{symbol}: {' and '.join(differing)}: {said} must stay {stays}, positions are counted in it"
            out.bad("terms_changed", f"{text}; the old terms stay")
            return
        self._count_in(known, units)

    @property
    def due_ms(self) -> int | None:
        """See `libs.common.runtime.stage.Timed`."""
        return self._books.timers.soonest

    def _compared(self, event: Message) -> None:
        """Compare what the orders stage holds of an account at this very event with what is booked here."""
        books, account = self._books, event["account"]
        found = (_row(each, account) for _, each in sorted(books.instruments.items()))
        rows = [row for row in found if row is not None]
        differing: list[str] = []
        if digest_of(rows) != event["digest"]:
            differing = _differing(event["held"], rows[:MOST_ROWS]) or ["beyond the first positions"]
        books.differing.pop(account, None)
        if differing:
            books.differing[account] = len(differing)
        self._telling.reconciled(event, max(len(rows), event["positions"]), differing, MOST_DIFFERING)

    def _instrument_of(self, event: Message) -> Instrument:
        found = self._books.instruments.get(event["symbol"])
        if found is None:
            raise Inconsistent(f"event {event['seq']}: symbol {event['symbol']} must be defined before it is used")
        return found

    def try_rules(self, rules: Iterable[RuleTerms]) -> None:
        """Have these rules, and none of those that the journal defines: for a trial, of which nothing is sent."""
        self._ruling.instead(rules)

    # ------------------------------------------------------------------------------------------------- the state

    def snapshot(self) -> bytes:
        """Return the whole state; see `snapshot`."""
        return dump(self._books)

    def restore(self, data: bytes) -> None:
        """Replace the state by a snapshot's."""
        self._take(load(data))

    def gauges(self) -> Mapping[str, Mapping[str, int]]:
        """Return how many positions are open and flat, and what fills did."""
        quantities = [held.position.quantity for held in self._books]
        flat = quantities.count(0)
        return {
            "positions": {"open": len(quantities) - flat, "flat": flat},
            "position_changes": self._books.fills,
            "marks_stale": {"": sum(each.stale and each.is_open for each in self._books.instruments.values())},
            "position_differences": {"": sum(self._books.differing.values())},
            "exits_armed": {"": sum(each.fired is None for each in self._books.exits.all.values())},
            "broken_risk_limits": {"": sum(len(each.broken) for each in self._books.accounts.values())},
            "exits_failing": {"": self._books.exits.failing},
            "rules_disabled": {"": sum(bool(each.disabled) for each in self._books.rules.by_id.values())},
            "targets_open": {"": len(self._books.targets.of)},
            "targets_failing": {"": self._books.targets.failing},
        }


def _differing_terms(before: InstrumentUnits, units: InstrumentUnits) -> list[str]:
    """Return which of an instrument's terms are others, of those that may not be once there are positions."""
    names = ["currency", "multiplier", "inverse", *(("tick_size", "lot_size") if before.inverse else ())]
    return [name for name in names if getattr(before, name) != getattr(units, name)]


def _row(instrument: Instrument, account: str) -> str | None:
    """Return what an account holds of an instrument, as the orders stage states it."""
    held = instrument.held.get(account)
    if held is None:
        return None
    position, decimals = held.position, instrument.decimals
    cash, fees = money(instrument.cash(position), decimals), money(position.fees, decimals)
    step = instrument.lot.step
    parts = {
        name: size(each.position.quantity, step) for name, each in (held.hedged or {}).items() if each.position.quantity
    }
    return row_of(instrument.symbol, size(position.quantity, step), cash, fees, parts)


def _differing(stated: list[str], booked: list[str]) -> list[str]:
    """Return the positions that are not the same in both, each with what both have."""
    its, ours = ({row.split(" ", 1)[0]: row.split(" ", 1)[1] for row in rows} for rows in (stated, booked))
    nothing = "0 0 0"
    return [
        f"{symbol} {its.get(symbol, nothing)} {ours.get(symbol, nothing)}"
        for symbol in sorted(its.keys() | ours.keys())
        if its.get(symbol) != ours.get(symbol)
    ]
