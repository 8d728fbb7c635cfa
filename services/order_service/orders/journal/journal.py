"""The one writer of the journal: a partition's events, numbered and stamped, with the keys of the contracts' models.

Flows in: an order after what happened to it, and what the event adds. Flows out: events in `events.{a}`, numbers as
text. Never decides anything; of an order it changes no more than how it is counted: its status, and what is held and
works of its account. As nothing happens to an order without an event, nothing is left out there.

Plain dicts because a pydantic model costs more than ten times as much; tests validate every one against the contracts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fillstream.libs.common.messages.codes import (
    PRICELESS,
    CancelReason,
    CancelRejectReason,
    OrderType,
    RejectReason,
    RestatementReason,
)
from fillstream.libs.common.messages.journal import EVENTS
from fillstream.libs.common.messages.special_terms import SPECIAL, SpecialTerms
from fillstream.libs.common.messages.terms import written
from fillstream.libs.common.values.money import FEE_DECIMALS, fixed
from fillstream.services.order_service.orders.groups.bracket_record import Bracket
from fillstream.services.order_service.orders.groups.list_record import OrderList
from fillstream.services.order_service.orders.holding import hedged
from fillstream.services.order_service.orders.holding.charging import Cost
from fillstream.services.order_service.orders.instructions import New, Prediction
from fillstream.services.order_service.orders.journal.of_families import bracket_of, list_of, progress_of
from fillstream.services.order_service.orders.journal.telling import VERSION_OF, Event, Telling
from fillstream.services.order_service.orders.life.order import CLOSED, FINAL, FOR_TIME, REJECTED, Order
from fillstream.services.order_service.orders.life.remembered import Remembered
from fillstream.services.order_service.orders.parents.work import Work
from fillstream.services.order_service.orders.state import State

Leg = tuple[int, int, int]
"""What is taken back of a trade: ticks, lots (below 0: what is booked), and the fee in units of 10**-FEE_DECIMALS."""
_PREDICTED = frozenset(EVENTS["PredictionReceived"].model_fields)
_MARKET_TO_LIMIT = OrderType.MARKET_TO_LIMIT.value


class Journal(Telling):
    """Writes the events that one entry causes after another, those of orders and all others.

    Args:
        stream: of the events.
        state: numbers them and counts what they say.

    Attributes:
        on_rejected: hears of each order that a venue refused, once that is told.
        on_filled: hears of each fill as taker whose slippage counts, likewise, with its price (ticks).
        said: what a venue says beside it, put into the events of orders; None but while its report is taken.
    """

    __slots__ = ("on_filled", "on_rejected", "said")

    on_rejected: Callable[[Order], None]
    on_filled: Callable[[Order, int], None]

    def __init__(self, stream: str, state: State) -> None:
        super().__init__(stream, state)
        self.said: Event | None = None

    def named(self, alias: str | None) -> None:
        """Put an alias into every event from now on: by it the account of what is taken was named. None: into none."""
        self.alias = alias
        self.said = None if alias is None else {"alias": alias}

    # --------------------------------------------------------- orders, by validation

    def received(self, order: Order, said: SpecialTerms | None = None, fee: str | None = None) -> None:
        """OrderReceived, with what was `said` beyond a plain order, and what its fee may be where that is told."""
        event = self._of_order("OrderReceived", order)
        _add_wishes(event, order)
        event["venue"] = order.venue
        if said is not None:
            event |= _special(said)
            event["venue"] = order.venue
            if is_emulated(order):
                event["emulated"] = True
        if fee is not None:
            event["fee_estimate"] = fee
        self.out.event(self._stream, event)

    def adopted(self, order: Order) -> None:
        """OrderReceived, of an order that the venue had and no signal asked for."""
        event = self._of_order("OrderReceived", order)
        _add_wishes(event, order)
        event["venue"], event["external"] = order.venue, True
        event["venue_order_id"] = order.venue_order_id
        self.out.event(self._stream, event)

    def refused(
        self, order_id: int, wish: New, quantity: str, order_type: str, time_in_force: str, price: str | None,
        reason: RejectReason, text: str,
    ) -> None:  # fmt: skip
        """OrderRejected by validation: with the type and the time in force that the order got."""
        counts = self._state.rejects
        counts[reason.value] = counts.get(reason.value, 0) + 1
        event = self._head("OrderRejected")
        event |= {
            "order_id": str(order_id),
            "client_order_id": wish.client_order_id,
            "account": wish.account,
            "symbol": wish.symbol,
            "side": wish.side,
            "ord_status": REJECTED,
            "quantity": quantity,
            "cum_qty": "0",
            "leaves_qty": "0",
            "avg_px": None,
        }
        if wish.links is not None:
            event |= wish.links.told()
        event["signal_id"] = wish.signal_id
        event["order_type"] = order_type
        event["price"] = price
        event["time_in_force"] = time_in_force
        event["strategy"] = wish.strategy
        event["confidence"] = wish.confidence
        event["reason"] = reason.value
        event["text"] = text
        if wish.special is not None:
            event |= _special(wish.special)
        self.out.event(self._stream, event)

    # ------------------------------------------------------------------ requests

    def cancel_requested(self, order: Order, signal_id: str) -> None:
        """OrderCancelRequested."""
        event = self._of_order("OrderCancelRequested", order)
        event["signal_id"] = signal_id
        self.out.event(self._stream, event)

    def replace_requested(self, order: Order) -> None:
        """OrderReplaceRequested, of the order's pending amendment."""
        amendment, terms = order.amendment, order.terms
        assert amendment is not None, "request_replace() comes first"
        assert order.holding is not None, "it was taken"
        if order.holding.account.busy and amendment.signal_id != order.family_signal:  # what the desk asks for is none
            order.holding.account.took(self.ms)
        event = self._of_order("OrderReplaceRequested", order)
        event["signal_id"] = amendment.signal_id
        event["new_quantity"] = terms.lot.text(amendment.quantity)
        event["new_price"] = terms.price.text(amendment.price) if order.priced else None
        if amendment.stop is not None:
            event["new_stop_price"] = terms.price.text(amendment.stop)
        self.out.event(self._stream, event)

    def cancel_rejected(
        self, signal_id: str, account: str, order: Order | Remembered | None, reason: CancelRejectReason, text: str
    ) -> None:
        """OrderCancelRejected; without an order its fields are null."""
        self._request_rejected("OrderCancelRejected", signal_id, account, order, reason, text)

    def replace_rejected(
        self,
        signal_id: str,
        account: str,
        order: Order | Remembered | None,
        reason: CancelRejectReason | RejectReason,
        text: str,
    ) -> None:
        """OrderReplaceRejected; without an order its fields are null."""
        self._request_rejected("OrderReplaceRejected", signal_id, account, order, reason, text)

    def signal_refused(
        self, signal: str, signal_id: str, account: str, reason: str, text: str, entry_id: str | None = None
    ) -> None:
        """SignalRefused: nothing came of a signal."""
        refused: Event = {"signal": signal, "signal_id": signal_id, "account": account, "reason": str(reason)}
        if entry_id is not None:
            refused["entry_id"] = entry_id
        self.told("SignalRefused", **refused, text=text)

    def prediction_received(self, wish: Prediction) -> None:
        """PredictionReceived, with what it says."""
        said = {name: value for name, value in wish._asdict().items() if value is not None and name in _PREDICTED}
        self.told("PredictionReceived", **said)

    def status_reported(self, order: Order | Remembered, account: str, signal_id: str, text: str) -> None:
        """OrderStatusReported, of an order of `account`: one that is refused as nobody's has none of its own."""
        kind = "OrderStatusReported"
        if isinstance(order, Order):
            event = self._of_order(kind, order)
        else:
            event = self._head(kind) | of_left(str(order.order_id), account, order.symbol, order.side)
            event["client_order_id"], event["ord_status"] = order.client_order_id, order.status
        event["signal_id"] = signal_id
        event["text"] = text
        self.out.event(self._stream, event)

    # -------------------------------------------------------- orders, by the venue

    def accepted(self, order: Order, got: int = 0) -> None:
        """OrderAccepted; a market-to-limit order's with the price it got."""
        event = self._of_order("OrderAccepted", order)
        if order.order_type == _MARKET_TO_LIMIT and got:
            event["price"] = order.terms.price.text(order.price)
        self.out.event(self._stream, event)

    def queued(self, order: Order, text: str) -> None:
        """OrderSuspended: the desk holds it until it is its turn, as its account's rate has it."""
        self._said_of("OrderSuspended", order, text=text)

    def suspended(self, order: Order, approval_ms: int | None = None, session_ms: int | None = None) -> None:
        """OrderSuspended: the desk holds it, for a yes until `approval_ms`, for a session from `session_ms`."""
        special, terms = order.special, order.terms
        event = self._of_order("OrderSuspended", order)
        if approval_ms is not None:
            event["approval_time"] = approval_ms
            self.out.event(self._stream, event)
            return
        if session_ms is not None:
            event["effective_time"] = session_ms
            self.out.event(self._stream, event)
            return
        assert special is not None, "a plain order waits for neither"
        if order.held == FOR_TIME:
            event["effective_time"] = special.effective_ms
        else:
            stop = self._state.triggers.stop_of(order) if special.stop is None else special.stop
            if stop is not None:  # else no price has come that one could trail
                event["stop_price"] = terms.price.text(stop)
            event["trigger_price_type"] = special.trigger
            event["emulated"] = True
        self.out.event(self._stream, event)

    def rejected(self, order: Order, reason: RejectReason, text: str) -> None:
        """OrderRejected by the venue."""
        counts = self._state.rejects
        counts[reason.value] = counts.get(reason.value, 0) + 1
        event = self._of_order("OrderRejected", order)
        _add_wishes(event, order)
        event["reason"] = reason.value
        event["text"] = text
        self.out.event(self._stream, event)
        if self._state.breakers:
            self.on_rejected(order)

    def filled(
        self, order: Order, price: int, lots: int, exec_id: str, maker: bool, fee: int, said: str | None = None,
        cost: Cost | None = None,
    ) -> None:  # fmt: skip
        """OrderFilled, at `price` ticks; `fee` in 10**-FEE_DECIMALS of the currency, written as it was `said`.

        Of a fill by a fee schedule, `cost` says what more there is to it.
        """
        terms = order.terms
        counts = price if terms.inverse is None else terms.inverse.value(price)
        liquidity = "MAKER" if maker else "TAKER"
        self._state.fills[liquidity] += 1
        assert order.holding is not None, "it was taken"
        holding = order.holding
        if holding.kept:
            holding.spend(order, counts, lots, fee)
            if holding.covered:
                self._state.families.stirred[hedged.position_of(order)] = None
            holding.share_traded(order.strategy, lots if order.side == "BUY" else -lots, counts)
        if holding.hedged is not None:
            hedged.fill(holding.hedged, hedged.name_of(order), lots if order.side == "BUY" else -lots)
        holding.fill(lots if order.side == "BUY" else -lots, counts)
        holding.fees += fee
        event = self._of_order("OrderFilled", order)
        event["exec_id"] = exec_id
        event["venue"] = order.venue
        event["last_qty"] = terms.lot.text(lots)
        event["last_px"] = terms.price.text(price)
        event["liquidity"] = liquidity
        event["fee"] = fixed(fee, FEE_DECIMALS) if said is None else said
        event["currency"] = terms.currency
        event["strategy"] = order.strategy
        if order.cum > order.quantity:
            event["text"] = self._overfilled(order)
        if cost is not None:
            if cost.lots:
                holding.fill(-cost.lots, counts)
                holding.share_traded(order.strategy, -cost.lots, counts)
                if holding.hedged is not None:
                    hedged.fill(holding.hedged, hedged.name_of(order), -cost.lots)
            event |= cost.told
        self.out.event(self._stream, event)
        if order.arrival is not None and not maker:
            self.on_filled(order, price)

    def _overfilled(self, order: Order) -> str:
        counts, terms = self._state.overfills, order.terms
        counts[order.venue] = counts.get(order.venue, 0) + 1
        lot = terms.lot.text
        return (
            f"last_qty: order {order.order_id} of {lot(order.quantity)} is filled to {lot(order.cum)}, the venue's "
            f"truth within max_overfill_lots {terms.max_overfill}"
        )

    def suspended_by_venue(self, order: Order, text: str) -> None:
        """OrderSuspended: the venue holds it."""
        self._said_of("OrderSuspended", order, text=text)

    def stopped(self, order: Order, text: str, lots: int | None, price: int | None) -> None:
        """OrderStopped, with what is guaranteed (lots, ticks), None where the venue does not say."""
        terms = order.terms
        self._said_of(
            "OrderStopped",
            order,
            last_qty=None if lots is None else terms.lot.text(lots),
            last_px=None if price is None else terms.price.text(price),
            text=text,
        )

    def done_for_day(self, order: Order, text: str) -> None:
        """OrderDoneForDay."""
        self._said_of("OrderDoneForDay", order, text=text)

    def calculated(self, order: Order, text: str) -> None:
        """OrderCalculated."""
        self._said_of("OrderCalculated", order, text=text)

    def _said_of(self, kind: str, order: Order, **more: Any) -> None:
        self.out.event(self._stream, self._of_order(kind, order) | more)

    def unanswered(self, order: Order, request: str, signal_id: str | None, timeout_ms: int) -> None:
        """OrderUnanswered: the venue owes the answer to what was asked by `signal_id`, None of the order itself."""
        stays = f"order {order.order_id} stays {order.status}"
        text = f"{request}: {order.venue} has not answered for {timeout_ms} ms; {stays}"
        signal_id = order.signal_id if signal_id is None else signal_id
        self._said_of("OrderUnanswered", order, signal_id=signal_id, request=request, text=text)

    def trade_changed(self, whose: Order | Event, change: Event, *legs: Leg) -> None:
        """TradeBusted, or TradeCorrected where it has an old quantity; what is held follows, leg by leg.

        Args:
            whose: the order after it, or what an event says of one that is forgotten.
            change: what the event says of the trade.
            legs: what is taken back, and what is booked in its place.
        """
        kind = "TradeCorrected" if "old_qty" in change else "TradeBusted"
        self._state.trade_changes["corrected" if "old_qty" in change else "busted"] += 1
        if isinstance(whose, Order):
            assert whose.holding is not None, "it was taken"
            holding, buy, position_id = whose.holding, whose.side == "BUY", hedged.name_of(whose)
        else:
            holding = self._state.holdings.holding(whose["account"], whose["symbol"])
            buy, position_id = whose["side"] == "BUY", whose.get("position_id") or whose["order_id"]
        for ticks, lots, fee in legs:
            counts = holding.instrument.counts(ticks)
            holding.untraded(buy, counts, lots, fee)
            if holding.hedged is not None:
                hedged.fill(holding.hedged, position_id, -lots if buy else lots)
            holding.share_traded(change["strategy"], -lots if buy else lots, counts)
        if holding.covered:
            name = None if holding.hedged is None else position_id
            self._state.families.stirred[holding.account.name, holding.instrument.symbol, name] = None
        if isinstance(whose, Order):
            event = self._of_order(kind, whose)
        else:
            event = self._head(kind) | whose | (self.said or {})
        self.out.event(self._stream, event | change)

    def canceled(self, order: Order, reason: CancelReason, text: str) -> None:
        """OrderCanceled."""
        event = self._of_order("OrderCanceled", order)
        event["reason"] = reason.value
        event["text"] = text
        self.out.event(self._stream, event)

    def replaced(self, order: Order) -> None:
        """OrderReplaced."""
        event = self._of_order("OrderReplaced", order)
        event["price"] = order.terms.price.text(order.price) if order.priced else None
        if order.special is not None and order.special.stop is not None:
            event["stop_price"] = order.terms.price.text(order.special.stop)
        self.out.event(self._stream, event)

    def expired(self, order: Order) -> None:
        """OrderExpired: due when its time in force ended, if the venue did not end it before."""
        event = self._of_order("OrderExpired", order)
        if 0 < order.expiry_ms <= self.ms:
            event["due_time"] = order.expiry_ms
        self.out.event(self._stream, event)

    def triggered(self, order: Order, price: int | None) -> None:
        """OrderTriggered; `price` is its limit in ticks, None where it has none."""
        event = self._of_order("OrderTriggered", order)
        event["price"] = None if price is None else order.terms.price.text(price)
        special = order.special
        if special is not None and special.offset is not None and special.stop is not None:
            event["stop_price"] = order.terms.price.text(special.stop)
        self.out.event(self._stream, event)

    def restated(self, order: Order, reason: RestatementReason, text: str) -> None:
        """OrderRestated."""
        event = self._of_order("OrderRestated", order)
        event["price"] = order.terms.price.text(order.price) if order.priced else None
        event["reason"] = reason.value
        event["text"] = text
        self.out.event(self._stream, event)

    def mass_canceled(self, venue: str, account: str | None, symbol: str | None, side: str | None, orders: int) -> None:
        """OrdersMassCanceled; None: of all."""
        self.told(
            "OrdersMassCanceled",
            venue=venue,
            account=account,
            symbol=symbol,
            side=side,
            total_affected_orders=orders,
        )

    def progressed(self, order: Order, work: Work, signal_id: str | None = None) -> None:
        """OrderProgressed: how an order stands that is worked."""
        market = self._state.markets.of(order.venue, order.terms.id) if work.volume is not None else None
        self._said_of("OrderProgressed", order, **progress_of(order, work, signal_id, market))

    def bracket_reported(self, bracket: Bracket, order: Order, protect: int, text: str, signal_id: str | None) -> None:
        """OrderListReported, of a bracket; `protect` lots are covered."""
        answers = {} if signal_id is None else {"signal_id": signal_id}
        self.told("OrderListReported", **bracket_of(bracket, order, protect), **answers, text=text)

    def list_reported(self, found: OrderList, text: str, signal_id: str | None = None) -> None:
        """OrderListReported, of a list."""
        answers = {} if signal_id is None else {"signal_id": signal_id}
        self.told("OrderListReported", **list_of(found), **answers, text=text)

    # ------------------------------------------------------------- what events share

    def _of_order(self, kind: str, order: Order) -> Event:
        """Return what every event of an order says, once its status is counted."""
        state = self._state
        status = order.status
        if status != order.counted:
            state.changed(order, self.ms)
        state.seq += 1
        terms = order.terms
        lot = terms.lot
        cum = order.cum
        holding = order.holding
        if (
            holding is not None
            and holding.kept
            # Most events change none of these, and a call costs more than the look.
            and (
                order.open_lots != (0 if status in FINAL else order.quantity - cum)
                or order.price != order.open_price
                or order.amendment is not None
            )
        ):
            holding.recount(order)
        quantity = lot.text(order.quantity)
        if not cum:
            filled, leaves = lot.zero, lot.zero if status in CLOSED else quantity
        elif cum == order.quantity:
            filled, leaves = quantity, lot.zero
        else:
            filled, leaves = lot.text(cum), lot.text(order.leaves)
        event = {
            "type": kind,
            "v": VERSION_OF[kind],
            "seq": state.seq,
            "time": self.ms,
            "order_id": str(order.order_id),
            "client_order_id": order.client_order_id,
            "account": order.account,
            "symbol": terms.symbol,
            "side": order.side,
            "ord_status": status,
            "quantity": quantity,
            "cum_qty": filled,
            "leaves_qty": leaves,
            "avg_px": terms.price.mean(order.notional, cum) if cum else None,
        }
        if self.said is not None:
            event |= self.said
        if order.links is not None:
            event |= order.links.told()
            if order.links.in_family:
                state.families.stir(order.order_id)
        return event

    def _request_rejected(
        self,
        kind: str,
        signal_id: str,
        account: str,
        order: Order | Remembered | None,
        reason: CancelRejectReason | RejectReason,
        text: str,
    ) -> None:
        state = self._state
        if isinstance(order, Order):
            if order.status != order.counted:
                state.changed(order, self.ms)
            if order.holding is not None and order.holding.kept:
                order.holding.recount(order)
            if order.links is not None and order.links.in_family:
                state.families.stir(order.order_id)
        state.cancel_rejects[reason.value] = state.cancel_rejects.get(reason.value, 0) + 1
        event = self._head(kind)
        event |= {
            "signal_id": signal_id,
            "account": account,
            "order_id": str(order.order_id) if order else None,
            "client_order_id": order.client_order_id if order else None,
            "ord_status": order.status if order else None,
            "reason": reason.value,
            "text": text,
        }
        self.out.event(self._stream, event)


def of_left(order_id: str, account: str | None, symbol: str | None, side: str | None) -> Event:
    """Return what an event says of an order that left the state; its quantities are in the journal's past alone."""
    nothing = dict.fromkeys(("ord_status", "quantity", "cum_qty", "leaves_qty", "avg_px"))
    whose = {"account": account, "symbol": symbol, "side": side}
    return {"order_id": order_id, "client_order_id": None, **whose, **nothing}


def is_emulated(order: Order) -> bool:
    """Say whether the desk does something of an order that its venue has no word for."""
    special = order.special
    by_desk = special is not None and (special.emulated or special.needs_desk(order.order_type))
    return by_desk or order.time_in_force in order.terms.lacks


def _special(said: SpecialTerms) -> Event:
    """Return what an order says beyond a plain one, as JSON has it."""
    return {name: written(getattr(said, name)) for name in SPECIAL if getattr(said, name) is not None}


def _add_wishes(event: Event, order: Order) -> None:
    """Add what the client asked for. A market order's price is null: its bound is the desk's, not the client's."""
    event["signal_id"] = order.signal_id
    event["order_type"] = order.order_type
    event["price"] = None if order.order_type in PRICELESS else order.terms.price.text(order.price)
    event["time_in_force"] = order.time_in_force
    event["strategy"] = order.strategy
    event["confidence"] = order.confidence
