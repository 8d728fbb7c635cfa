"""Reports of a venue: frames of 64-byte records, each applied to its order or its instrument's quote.

Flows in: frames. Flows out: events; and to `dead`, one by one, the records that nothing can be done with, while the
others of the same frame go through. Never refuses a report that keeps the quantity rules of `lifecycle`.
"""

from __future__ import annotations

from collections.abc import Callable

from fillstream.libs.common.engine.frames import (
    PARTITION_ALL,
    RECORD_BYTES,
    REPORT,
    Reason,
    Report,
    ReportFlag,
    ReportType,
    Session,
    Side,
)
from fillstream.libs.common.ledger.fees import FeeSchedule
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import (
    CancelReason,
    CancelRejectReason,
    OrderType,
    RejectReason,
    RestatementReason,
    TradingSession,
)
from fillstream.libs.common.messages.venue import reports_field
from fillstream.libs.common.runtime.stage import Latencies, Outputs
from fillstream.services.order_service.orders.compiled import Quote, Terms
from fillstream.services.order_service.orders.control.breakers import HARMLESS, Breakers
from fillstream.services.order_service.orders.holding.charging import Cost, charge
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import FINAL, Order
from fillstream.services.order_service.orders.life.parts import Refusal
from fillstream.services.order_service.orders.state import State
from fillstream.services.order_service.orders.waiting.desk import Desk
from fillstream.services.order_service.orders.waiting.triggers import MARKS

_MARKET_TO_LIMIT = OrderType.MARKET_TO_LIMIT.value
_TYPE = Report._fields.index("type")
_ACCEPTED, _FILLED = int(ReportType.ACCEPTED), int(ReportType.FILLED)
_AUCTION = int(Session.AUCTION)
_SESSION_NAME = {int(Session[each.name]): each.value for each in TradingSession}
_MAKER, _TAKER = int(ReportFlag.MAKER), int(ReportFlag.TAKER)
_UNKNOWN_ORDER, _REQUESTED = int(Reason.UNKNOWN_ORDER), int(Reason.REQUESTED)
_ROLES, _TAKES = _MAKER | _TAKER, {_MAKER: 0, _TAKER: 1}
_MOST_AHEAD = 2**33
"""A trade's number, twice, may be so much above the last one. No book of ours has more trades in between: that is a
broken record, and what came behind it would never be believed again."""
_SIDE_NAME = {int(Side.BUY): "BUY", int(Side.SELL): "SELL"}

_REJECTED_BECAUSE = {
    int(Reason.CAPACITY): RejectReason.VENUE_CAPACITY,
    int(Reason.SESSION): RejectReason.VENUE_SESSION,
    int(Reason.OUTSIDE_BANDS): RejectReason.VENUE_BANDS,
    int(Reason.WOULD_TRADE): RejectReason.VENUE_WOULD_TRADE,
    int(Reason.DUPLICATE_ID): RejectReason.VENUE_DUPLICATE,
    int(Reason.EXPIRED): RejectReason.VENUE_EXPIRED,
}
_REFUSED_BECAUSE = {
    _UNKNOWN_ORDER: CancelRejectReason.UNKNOWN_ORDER,
    int(Reason.CAPACITY): CancelRejectReason.VENUE_CAPACITY,
    int(Reason.SESSION): CancelRejectReason.VENUE_SESSION,
    int(Reason.OUTSIDE_BANDS): CancelRejectReason.VENUE_BANDS,
}
_CANCELED_BECAUSE = {
    int(Reason.REQUESTED): (CancelReason.REQUESTED, "canceled as requested"),
    int(Reason.IOC_REMAINDER): (CancelReason.IOC_REMAINDER, "time_in_force: what IOC found no one for"),
    int(Reason.FOK_KILLED): (CancelReason.FOK_KILLED, "time_in_force: FOK, and not all of it could trade"),
    int(Reason.NO_LIQUIDITY): (CancelReason.NO_LIQUIDITY, "order_type: what MARKET found no one for"),
    int(Reason.SELF_TRADE): (CancelReason.SELF_TRADE, "it would have traded with an order of the same account"),
    int(Reason.MASS_CANCEL): (CancelReason.MASS_CANCEL, "canceled with all others"),
    int(Reason.REPLACED_BELOW_FILLED): (
        CancelReason.REPLACED_BELOW_FILLED,
        "quantity: the amended total was filled already",
    ),
}


class Reports:
    """The part of the fold that takes the reports of one venue.

    Args:
        state: changed by what the reports say.
        journal: told about it.
        desk: lets go of orders that waited for what the market is now.
        partition: of the accounts; reports are for it or for all.
        latencies_ms: how long it took from signal to acknowledgement and to the first fill is appended.
        venue: who reports.
        breakers: count what nobody can use.
    """

    __slots__ = (
        "_acknowledged_ms",
        "_breakers",
        "_desk",
        "_field",
        "_first_filled_ms",
        "_handlers",
        "_journal",
        "_numbered",
        "_of_market",
        "_partitions",
        "_quotes",
        "_state",
        "_venue",
    )

    def __init__(
        self,
        state: State,
        journal: Journal,
        desk: Desk,
        partition: int,
        latencies_ms: Latencies,
        venue: str,
        breakers: Breakers,
    ) -> None:
        self._breakers = breakers
        self._desk = desk
        self._state = state
        self._venue = venue
        self._field = reports_field(venue)
        self._quotes = state.quotes[venue]
        self._numbered = state.numbered
        self._journal = journal
        self._partitions = (partition, PARTITION_ALL)
        self._acknowledged_ms = latencies_ms.acknowledged
        self._first_filled_ms = latencies_ms.first_filled
        self._handlers: dict[int, Callable[[Order, Report], Refusal | None]] = {
            int(ReportType.REJECTED): self._rejected,
            int(ReportType.CANCELED): self._canceled,
            int(ReportType.CANCEL_REJECTED): self._cancel_rejected,
            int(ReportType.REPLACED): self._replaced,
            int(ReportType.REPLACE_REJECTED): self._replace_rejected,
            int(ReportType.EXPIRED): self._expired,
            int(ReportType.TRIGGERED): self._triggered,
            int(ReportType.REDUCED): self._reduced,
        }
        self._of_market: dict[int, Callable[[Report], Refusal | None]] = {
            int(ReportType.QUOTED): self._quoted,
            int(ReportType.PRINTED): self._printed,
            int(ReportType.SESSION_SET): self._session_set,
            int(ReportType.BANDS_SET): self._bands_set,
            int(ReportType.MASS_CANCELED): self._mass_canceled,
        }

    def fold(self, frame: bytes, out: Outputs) -> None:
        """Apply every record of a frame, in order.

        Raises:
            BadEntry: bad_frame unless the frame is one or more whole records.
        """
        if not frame or len(frame) % RECORD_BYTES:
            text = f"frame: must be one or more records of {RECORD_BYTES} bytes, got {len(frame)} bytes"
            bad = BadEntry("bad_frame", text)
            if self._breakers.unusable(self._venue, bad):
                return
            raise bad
        for index, record in enumerate(REPORT.iter_unpack(frame)):
            refusal = self._apply(record)
            if refusal is not None:
                if record[_TYPE] == _FILLED:
                    self._state.refuse_fill(refusal.reason)
                start = index * RECORD_BYTES
                out.bad(refusal.reason, refusal.text, {self._field: frame[start : start + RECORD_BYTES]})
                if refusal.reason not in HARMLESS:
                    self._breakers.erred(self._venue)

    def _apply(self, record: tuple[int, ...]) -> Refusal | None:
        order_id, price, qty, _, _, match_id, account, symbol, kind, side, reason, flags, partition, _ = record
        if partition not in self._partitions:
            return Refusal("wrong_partition", f"partition: {partition} must be one of {self._partitions}")
        of_market = self._of_market.get(kind) if kind > _FILLED else None
        if of_market is not None:  # whatever its order_id is, it says nothing
            refusal = of_market(Report._make(record))
            # All partitions hear of a market, and one is enough to tell what is wrong with it.
            return refusal if partition != PARTITION_ALL or self._partitions[0] == 0 else None
        order = self._state.orders.get(order_id)
        if type(order) is not Order:
            because = f"; the venue says {_name(reason)}" if reason else ""
            return Refusal("unknown_order", f"order_id: order {order_id} {self._state.left(order_id)}{because}")
        if order.venue != self._venue:
            return Refusal("wrong_venue", f"order_id: order {order_id} is at {order.venue}, not at {self._venue}")
        if order.held is not None and order.is_held:
            return Refusal("unexpected_report", f"order_id: order {order_id} waits in the desk, no venue has it")
        if (
            symbol != order.terms.id
            or account != order.account_id
            # An answer to a cancel or an amendment has no side.
            or (_SIDE_NAME.get(side) != order.side and (side or kind == _FILLED))
        ):
            return _mismatch(order, Report._make(record))
        if kind == _FILLED:  # these two without a Report: nearly all that comes is one of them
            return self._filled(order, price, qty, match_id, flags)
        if kind == _ACCEPTED:
            return self._accepted(order, price)
        handler = self._handlers.get(kind)
        if handler is None:
            return Refusal("bad_record", f"type: {kind} is no report type")
        return handler(order, Report._make(record))

    # ----------------------------------------------------------------- market

    def _quote(self, symbol: int) -> Quote | None:
        """Return the market of the instrument of that number here."""
        return self._quotes.get(symbol)

    def _terms(self, symbol: int) -> Terms:
        return self._state.terms[self._venue][self._state.symbols[symbol]]

    def _quoted(self, report: Report) -> Refusal | None:
        state, quote = self._state, self._quote(report.symbol)
        if quote is None:
            return _unknown_symbol(report.symbol)
        bid, bid_qty, ask, ask_qty = report.price, report.qty, report.leaves, report.aux
        if bid_qty < 0 or ask_qty < 0:
            return Refusal("bad_quantity", f"qty: a quote's quantities must be 0 or more, got {bid_qty} and {ask_qty}")
        refusal = None
        if (bid <= 0 and bid_qty) or (ask <= 0 and ask_qty):
            refusal = self._not_positive(report.symbol, f"{bid} and {ask} ticks")
            if refusal is not None:  # and what stood before has gone all the same
                bid = bid_qty = ask = ask_qty = 0
        quote.at_ms = self._journal.ms
        if quote.stale:
            quote.stale = False
            state.move(self._venue, report.symbol, quote.at_ms)
        if quote.ask != ask or quote.bid != bid or quote.ask_qty != ask_qty or quote.bid_qty != bid_qty:
            quote.bid, quote.bid_qty, quote.ask, quote.ask_qty = bid, bid_qty, ask, ask_qty
            state.move(self._venue, report.symbol, quote.at_ms)
            if state.watching.markets and not state.watching.is_quiet(self._venue, report.symbol, quote):
                self._desk.works.moved(self._venue, report.symbol)
            if state.triggers and not state.triggers.is_quiet(self._venue, report.symbol, quote):
                self._desk.moved(self._venue, report.symbol)
        return refusal

    def _not_positive(self, symbol: int, prices: str) -> Refusal | None:
        """Refuse prices at 0 and below of an instrument that has none; None of one that does."""
        terms = self._terms(symbol)
        if terms.negative_prices:
            return None
        return Refusal(
            "price_not_positive",
            f"price: of {terms.symbol} must be above 0, as it has no negative_prices, got {prices}",
        )

    def _printed(self, report: Report) -> Refusal | None:
        state, quote = self._state, self._quote(report.symbol)
        if quote is None:
            return _unknown_symbol(report.symbol)
        if report.price <= 0 and (refusal := self._not_positive(report.symbol, f"{report.price} ticks")) is not None:
            return refusal
        if quote.last != report.price:
            quote.last = report.price
            state.move(self._venue, report.symbol, self._journal.ms)
            if state.watching.markets and not state.watching.is_quiet(self._venue, report.symbol, quote):
                self._desk.works.moved(self._venue, report.symbol)
            if state.triggers and not state.triggers.is_quiet(self._venue, report.symbol, quote):
                self._desk.moved(self._venue, report.symbol)
        return None

    def _session_set(self, report: Report) -> Refusal | None:
        quote = self._quote(report.symbol)
        if quote is None:
            return _unknown_symbol(report.symbol)
        session = _SESSION_NAME.get(report.aux)
        if session is None:
            return Refusal("bad_record", f"aux: {report.aux} is no session")
        quote.session = session
        if report.aux == _AUCTION and quote.bid_qty and quote.ask_qty and quote.bid == quote.ask:
            # The engine takes a locked quote out of an auction (fillstream.h).
            quote.bid = quote.bid_qty = quote.ask = quote.ask_qty = 0
            self._state.move(self._venue, report.symbol, self._journal.ms)
        reference = report.price if report.aux == _AUCTION else None
        self._journal.session_changed(self._venue, self._terms(report.symbol), quote, reference)
        if self._state.watching.markets:
            self._desk.works.moved(self._venue, report.symbol)
        if self._state.triggers:
            self._desk.moved(self._venue, report.symbol)
            self._desk.moved(MARKS + self._venue, report.symbol)
        return None

    def _bands_set(self, report: Report) -> Refusal | None:
        quote = self._quote(report.symbol)
        if quote is None:
            return _unknown_symbol(report.symbol)
        if report.aux not in (0, 1) or (report.aux and report.price > report.leaves):
            return Refusal("bad_record", f"aux: bands of {report.price} to {report.leaves}, {report.aux}, are none")
        quote.low, quote.high = (report.price, report.leaves) if report.aux else (None, None)
        self._journal.bands_changed(self._venue, self._terms(report.symbol), quote)
        return None

    def _mass_canceled(self, report: Report) -> Refusal | None:
        """Tell the end of a mass cancel. Number 0 is no account and no instrument: it was of all of them."""
        state = self._state
        account = state.account_named(report.account)
        if report.account and account is None:
            return Refusal("unknown_account", f"account: {report.account} is no account of this partition")
        if report.symbol and report.symbol not in state.symbols:
            return _unknown_symbol(report.symbol)
        symbol, side = state.symbols.get(report.symbol), _SIDE_NAME.get(report.side)
        self._journal.mass_canceled(self._venue, account, symbol, side, report.qty)
        return None

    # ----------------------------------------------------------------- orders

    def _filled(self, order: Order, price: int, lots: int, match_id: int, flags: int) -> Refusal | None:
        takes = _TAKES.get(flags & _ROLES)
        if takes is None:
            return Refusal("bad_record", f"flags: {flags} must say either maker or taker")
        terms = order.terms
        # Each book numbers its trades, and tells of the maker's side first: this number only goes up.
        numbered, number = self._numbered, 2 * match_id + takes
        last = numbered.get(terms.commands, 1)  # trades are counted from 1
        if not last < number < last + _MOST_AHEAD:
            return self._out_of_sequence(order, match_id, last)
        if price <= 0 and terms.inverse is not None:
            return self._not_positive(terms.id, f"{price} ticks")
        refusal = order.fill(price, lots, match_id)
        if refusal is None:
            numbered[terms.commands] = number
            journal, cost = self._journal, None
            if terms.fees is None:
                # Of the value's size: a negative price is no rebate.
                fee = (terms.taker_fee if takes else terms.maker_fee).scaled(abs(price * lots))
            else:
                cost = self._cost(order, terms.fees, price, lots, takes)
                fee = cost.fee
            exec_id = f"{terms.exec_prefix}{match_id}-{order.side[0]}"
            journal.filled(order, price, lots, exec_id, not takes, fee, None, cost)
            if takes and order.cum == lots and order.loosest is None:  # it traded as it came
                self._first_filled_ms.append(journal.ms - order.signal_time)
        return refusal

    def _cost(self, order: Order, fees: FeeSchedule, price: int, lots: int, takes: int) -> Cost:
        state, fill = self._state, (price, lots, not takes)
        age_ms = state.config.max_quote_age_ms
        return charge(order, fees, state.holdings, state.traded, fill, self._journal.ms, age_ms)

    def _out_of_sequence(self, order: Order, match_id: int, last: int) -> Refusal:
        if 0 < match_id <= order.last_match:
            return Refusal(
                "repeated_trade",
                f"match_id: order {order.order_id} has trade {order.last_match} already, {match_id} must be above it",
            )
        side = "taker" if last % 2 else "maker"
        return Refusal(
            "out_of_sequence",
            f"match_id: {match_id} must be above {last // 2}, the last that {self._venue} told of partition "
            f"{order.terms.partition} (as {side}), by less than {_MOST_AHEAD // 2}",
        )

    def _accepted(self, order: Order, price: int) -> Refusal | None:
        refusal = order.accept(price if order.order_type == _MARKET_TO_LIMIT else 0)
        if refusal is None:
            journal = self._journal
            journal.accepted(order, price)
            self._acknowledged_ms.append(journal.ms - order.signal_time)
        return refusal

    def _rejected(self, order: Order, report: Report) -> Refusal | None:
        refusal = order.reject()
        if refusal is None:
            reason = _REJECTED_BECAUSE.get(report.reason, RejectReason.VENUE_OTHER)
            self._journal.rejected(order, reason, f"the venue refused the order: {_name(report.reason)}")
        return refusal

    def _canceled(self, order: Order, report: Report) -> Refusal | None:
        if report.reason == _REQUESTED and order.cancel_signal == order.expiry_signal:
            refusal = order.cancel_at_expiry()
            if refusal is None:
                self._journal.expired(order)
            return refusal
        refusal = order.cancel(report.reason)
        if refusal is None:
            other = CancelReason.VENUE_OTHER, f"canceled by the venue: {_name(report.reason)}"
            self._journal.canceled(order, *_CANCELED_BECAUSE.get(report.reason, other))
        return refusal

    def _expired(self, order: Order, report: Report) -> Refusal | None:
        refusal = order.expire()
        if refusal is None:
            self._journal.expired(order)
        return refusal

    def _replaced(self, order: Order, report: Report) -> Refusal | None:
        # Of an order without a limit the report says something else there, or nothing.
        refusal = order.replace(report.price if order.priced else order.price, report.qty)
        if refusal is None:
            self._journal.replaced(order)
        return refusal

    def _triggered(self, order: Order, report: Report) -> Refusal | None:
        refusal = order.trigger()
        if refusal is None:
            self._journal.triggered(order, report.price or None)
        return refusal

    def _reduced(self, order: Order, report: Report) -> Refusal | None:
        """The venue took some of the order off, so that it does not trade with its own account's."""
        if report.qty <= 0 or report.leaves != order.leaves - report.qty:
            return Refusal(
                "bad_quantity",
                f"leaves: {report.leaves} of order {order.order_id} after {report.qty} were taken off {order.leaves}",
            )
        refusal = order.restate(order.quantity - report.qty)
        if refusal is None:
            text = f"quantity: {order.terms.lot.text(report.qty)} would have traded with an order of the same account"
            self._journal.restated(order, RestatementReason.SELF_TRADE, text)
        return refusal

    def _cancel_rejected(self, order: Order, report: Report) -> Refusal | None:
        signal_id = order.cancel_signal
        refusal = order.refuse_cancel()
        if refusal is None:
            assert signal_id is not None, "a cancel was pending"
            self._journal.cancel_rejected(signal_id, order.account, order, *_why_refused(order, report.reason))
        return refusal

    def _replace_rejected(self, order: Order, report: Report) -> Refusal | None:
        amendment = order.amendment
        refusal = order.refuse_replace()
        if refusal is None:
            assert amendment is not None, "an amendment was pending"
            why = _why_refused(order, report.reason)
            self._journal.replace_rejected(amendment.signal_id, order.account, order, *why)
        return refusal


def _why_refused(order: Order, reason: int) -> tuple[CancelRejectReason, str]:
    """Return why a venue refused a request. It does not know an order that is done: that is too late, then."""
    if order.status in FINAL:
        text = f"order_id: order {order.order_id} was {order.status} before the request reached the venue"
        return CancelRejectReason.TOO_LATE, text
    code = _REFUSED_BECAUSE.get(reason, CancelRejectReason.VENUE_OTHER)
    return code, f"the venue refused the request: {_name(reason)}"


def _name(reason: int) -> str:
    """Return a reason's name for a sentence; a venue may send any number."""
    try:
        return Reason(reason).name.lower().replace("_", " ")
    except ValueError:
        return f"reason {reason}"


def _unknown_symbol(symbol: int) -> Refusal:
    return Refusal("unknown_symbol", f"symbol: {symbol} is no instrument of this desk")


def _mismatch(order: Order, report: Report) -> Refusal:
    return Refusal(
        "bad_record",
        f"order_id: order {order.order_id} is account {order.account_id}'s {order.side} of symbol {order.terms.id}, "
        f"the report says account {report.account}, {_SIDE_NAME.get(report.side, report.side)}, symbol {report.symbol}",
    )
