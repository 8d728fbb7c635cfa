"""What the journal tells that is not of one order: controls, terms, sessions, quotes; and how every event begins.

Flows in: what happened, in ticks and lots. Flows out: events in `events.{a}`, numbers as text. Never decides anything.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any

import orjson

from fillstream.libs.common.messages.codes import ControlRejectReason, Resolution
from fillstream.libs.common.messages.controls import AdjustAccount, Control
from fillstream.libs.common.messages.journal import EVENTS
from fillstream.libs.common.messages.reference import AccountTerms, InstrumentTerms, VenueTerms
from fillstream.libs.common.messages.rule_terms import RuleTerms
from fillstream.libs.common.messages.terms import ReferenceData
from fillstream.libs.common.runtime.stage import Outputs
from fillstream.libs.common.values.money import canonical
from fillstream.services.order_service.orders.compiled import Quote, Terms
from fillstream.services.order_service.orders.control.meant import Done, Meant
from fillstream.services.order_service.orders.control.standing import Standing
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.reconciling.run import COUNTS, Found, Run
from fillstream.services.order_service.orders.state import State

Event = dict[str, Any]
VERSION_OF = {kind: model.VERSION for kind, model in EVENTS.items()}
"""By the type of event."""


class Stamped:
    """Where the events go that a timer causes: each says when that was due.

    Args:
        out: where they go on to.
        due_ms: the timer's.
    """

    __slots__ = ("_due_ms", "_out")

    def __init__(self, out: Outputs, due_ms: int) -> None:
        self._out = out
        self._due_ms = due_ms

    def event(self, stream: str, message: Event) -> None:
        """Append one event to the stream of that name."""
        message["due_time"] = self._due_ms
        self._out.event(stream, message)


class Telling:
    """Writes events, numbered and stamped.

    Args:
        stream: of the events.
        state: numbers them.

    Attributes:
        ms: now, the millisecond of the entry that causes what follows.
        out: where that goes.
        alias: by which the account of what is taken was named, put into every event; None but while it is.
    """

    __slots__ = ("_state", "_stream", "alias", "ms", "out")

    out: Outputs | Stamped

    def __init__(self, stream: str, state: State) -> None:
        self._stream = stream
        self._state = state
        self.ms = 0
        self.alias: str | None = None

    def _head(self, kind: str) -> Event:
        """Return how every event begins, with the next number."""
        state = self._state
        state.seq += 1
        head = {"type": kind, "v": VERSION_OF[kind], "seq": state.seq, "time": self.ms}
        if self.alias is not None:
            head["alias"] = self.alias
        return head

    # ------------------------------------------------------- reference data and market

    def session_changed(self, venue: str, terms: Terms, quote: Quote, reference: int | None) -> None:
        """SessionChanged; `reference` in ticks."""
        px = None if reference is None else terms.price.text(reference)
        self.told("SessionChanged", venue=venue, symbol=terms.symbol, session=quote.session, reference_px=px)

    def bands_changed(self, venue: str, terms: Terms, quote: Quote) -> None:
        """BandsChanged."""
        low, high = (None if ticks is None else terms.price.text(ticks) for ticks in (quote.low, quote.high))
        self.told("BandsChanged", venue=venue, symbol=terms.symbol, low_limit_px=low, high_limit_px=high)

    def venue_defined(self, name: str, terms: VenueTerms) -> None:
        """VenueDefined."""
        self.told("VenueDefined", venue=name, **terms.values())

    def instrument_defined(self, symbol: str, terms: InstrumentTerms, home: str) -> None:
        """InstrumentDefined, with the venue that marks it: where it names none, that is the desk's."""
        self._defined("InstrumentDefined", {"symbol": symbol, "instrument_id": terms.id}, terms, venue=home)

    def account_defined(self, name: str, terms: AccountTerms, overridden: Collection[str] = ()) -> None:
        """AccountDefined, with the terms that count and the names of those that are overridden."""
        named: Event = {"account": name, "account_id": terms.id}
        if overridden:
            named["overridden"] = [*overridden]
        self._defined("AccountDefined", named, terms)

    def rule_defined(self, rule_id: str, rule: RuleTerms | None, control_id: str | None = None) -> None:
        """RuleDefined, by the file or by a control; None: there is none of that name any more."""
        said = {} if rule is None else {"rule": orjson.dumps(rule.values()).decode()}
        more = {} if control_id is None else {"control_id": control_id}
        self.told("RuleDefined", rule_id=rule_id, **said, **more)

    def alias_defined(self, alias: str, account: str | None, old: str | None, control_id: str | None = None) -> None:
        """AliasDefined, by the file or by a control."""
        more = {} if control_id is None else {"control_id": control_id}
        self.told("AliasDefined", **{"alias": alias, "account": account, "old_account": old}, **more)

    def control_applied(self, control: Control, text: str) -> None:
        """ControlApplied."""
        self.out.event(self._stream, self._of_control("ControlApplied", control, text))

    def control_rejected(self, control: Control, refusal: ControlRejectReason, text: str) -> None:
        """ControlRejected."""
        event = self._of_control("ControlRejected", control, text)
        event["refusal"] = refusal.value
        self.out.event(self._stream, event)

    def control_reported(self, control: Control, refusal: str | None, text: str) -> None:
        """ControlReported, with the first one's refusal, None when it took effect."""
        event = self._of_control("ControlReported", control, text)
        event["refusal"] = refusal
        self.out.event(self._stream, event)

    def trading_state_changed(self, control: Control, old: Standing, new: Standing) -> None:
        """TradingStateChanged."""
        self.told(
            "TradingStateChanged",
            control_id=control.control_id,
            who=control.who,
            reason=control.reason,
            account=control.of_account,
            old_state=old.state,
            new_state=new.state,
            keep_protective=new.keeps,
        )

    def account_adjusted(
        self, control: AdjustAccount, account: str, currency: str, cash: Decimal, split: Event | None = None
    ) -> None:
        """AccountAdjusted; `cash` is all that was put in so far, `split` what one did."""
        self.told(
            "AccountAdjusted",
            control_id=control.control_id,
            who=control.who,
            reason=control.reason,
            account=account,
            adjustment=control.adjustment.value,
            amount=canonical(control.cash),
            currency=currency,
            symbol=control.symbol,
            cash=canonical(cash),
            **(split or {}),
        )

    def mass_status_requested(self, run: Run, book: int) -> None:
        """MassStatusRequested, of a book of a venue's."""
        by = {} if run.control_id is None else {"control_id": run.control_id}
        self.told(
            "MassStatusRequested", request_id=run.request_id, **by, venue=run.venue, symbol_partition=book,
            account=run.account,
        )  # fmt: skip

    def difference(self, run: Run, found: Found, resolution: Resolution) -> None:
        """ReconciliationDifference."""
        order, row = found.order, found.row
        symbol = order.terms.symbol if isinstance(order, Order) else order.symbol if order else found.symbol
        at_venue = {} if row is None or row.venue_order_id is None else {"venue_order_id": row.venue_order_id}
        self.told(
            "ReconciliationDifference", request_id=run.request_id, venue=run.venue, difference=found.kind.value,
            resolution=resolution.value, account=order.account if order else found.account, symbol=symbol,
            order_id=str(order.order_id) if order else row.order_id if row else None, **at_venue,
            desk_has=found.desk_has, venue_has=found.venue_has, text=found.text,
        )  # fmt: skip

    def venue_reconciled(self, run: Run, complete: bool, text: str) -> None:
        """VenueReconciled."""
        by = {} if run.control_id is None else {"control_id": run.control_id}
        counts = {name: getattr(run, name) for name in COUNTS}
        self.told(
            "VenueReconciled", request_id=run.request_id, **by, venue=run.venue,
            symbol_partition=run.symbol_partition, complete=complete, **counts, text=text,
        )  # fmt: skip

    def mass_cancel_requested(
        self, done: Done, meant: Meant, *, control_id: str | None = None, signal_id: str | None = None
    ) -> None:
        """MassCancelRequested, asked for by a control or a signal. Only a halt tells what is bare."""
        event = self._head("MassCancelRequested")
        if control_id is not None:
            event["control_id"] = control_id
        if signal_id is not None:
            event["signal_id"] = signal_id
        event |= meant._asdict()
        event |= {"working_orders": done.working, "held_orders": done.held, "kept_orders": done.kept}
        if control_id is not None and done.bare_positions:
            event |= {"bare_positions": done.bare_positions, "bare": done.bare}
        self.out.event(self._stream, event)

    def _of_control(self, kind: str, control: Control, text: str) -> Event:
        event = self._head(kind)
        event |= {
            "control_id": control.control_id,
            "control": control.kind,
            "who": control.who,
            "reason": control.reason,
            "account": control.of_account,
            "text": text,
        }
        return event

    def _defined(self, kind: str, named: Event, terms: ReferenceData, **more: str) -> None:
        """Tell terms: their number goes by a name of its own beside those of events."""
        values = terms.values()
        del values["id"]
        self.out.event(self._stream, self._head(kind) | named | values | more)

    def quote_updated(self, terms: Terms, quote: Quote) -> None:
        """QuoteUpdated."""
        price, lot = terms.price, terms.lot
        event = self._head("QuoteUpdated")
        event |= {
            "symbol": terms.symbol,
            "venue": terms.venue,
            "bid_px": price.text(quote.bid) if quote.bid_qty else None,
            "bid_qty": lot.text(quote.bid_qty),
            "ask_px": price.text(quote.ask) if quote.ask_qty else None,
            "ask_qty": lot.text(quote.ask_qty),
            "last_px": None if quote.last is None else price.text(quote.last),
        }
        self.out.event(self._stream, event)

    def told(self, kind: str, **fields: Any) -> None:
        """Write an event that is not an order's: its fields as they are, numbers as text."""
        self.out.event(self._stream, self._head(kind) | fields)
