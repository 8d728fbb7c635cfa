"""Reaches targets: one order after the other, until what is held is what was asked for, or it is said why not.

Flows in: targets as they were taken, positions that changed, times, and what the journal says of what was sent. Flows
out: instructions ReachPosition in `orders.{a}`, and what is told of each target. Never counts what works: the orders
stage does, at the very moment an instruction comes there, so that none makes more of a position than was asked for.

Of a signal with several targets those that sell go first; the others follow once each of these is reached, or has
failed once. What comes to nothing is tried again after a second, then two, four and so on up to a minute: without end
where the market or the desk is closed or empty for now, else five times, and then it is given up. It is, too, where
somebody takes its order off.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillstream.libs.common.messages.codes import CancelReason, RejectReason
from fillstream.libs.common.messages.signals import CancelOrder
from fillstream.libs.common.messages.targets import ReachPosition, TargetStatus
from fillstream.libs.common.runtime.timers import Timer
from fillstream.libs.common.values.money import canonical
from fillstream.services.position_service.booking import units_of
from fillstream.services.position_service.books.books import Books
from fillstream.services.position_service.books.instrument import Instrument
from fillstream.services.position_service.exits.exits import BY_SIGNAL, end_of
from fillstream.services.position_service.targets.target import Target
from fillstream.services.position_service.telling import Message, Telling

FIRST_RETRY_MS, LAST_RETRY_MS = 1_000, 60_000
"""After the first failure, doubled with each in a row; at most."""
SOON_MS, LATE_MS = 100, 10_000
"""What waits for others' orders looks again after so long, doubled each time; at most."""
MOST_FAILURES = 5
"""So often in a row it is tried, where nothing says that it may go later."""
AGAIN = "target"
"""What timers of targets are for."""
FOR_NOW: Final = frozenset(
    (
        RejectReason.TRADING_HALTED, RejectReason.TRADING_REDUCING, RejectReason.BREAKER_OPEN,
        RejectReason.INSTRUMENT_HALTED, RejectReason.OUTSIDE_SESSION, RejectReason.NO_QUOTE, RejectReason.STALE_QUOTE,
        RejectReason.NO_FX_RATE, RejectReason.VENUE_SESSION, RejectReason.VENUE_CAPACITY, RejectReason.TOO_MANY_IDS,
    )
)  # fmt: skip
"""Reasons that pass by themselves, or with an operator."""
BY_A_PERSON: Final = frozenset((CancelReason.REQUESTED, CancelReason.MASS_CANCEL, CancelReason.NOT_APPROVED))
"""Why orders end that somebody does not want."""


class Reaching:
    """The part of the fold that reaches targets.

    Args:
        books: have the positions and the targets.
        telling: told what becomes of these.
        partition: of the accounts.
        orders: the name of the stream that instructions go to.
    """

    __slots__ = ("_books", "_orders", "_partition", "_targets", "_telling")

    def __init__(self, books: Books, telling: Telling, partition: int, orders: str) -> None:
        self._books = books
        self._targets = books.targets
        self._telling = telling
        self._partition = partition
        self._orders = orders

    # -------------------------------------------------------------- what is asked for

    def asked(self, event: Message, instrument: Instrument) -> None:
        """Take a target; the last one of a signal lets all of them go."""
        targets = self._targets
        position = (event["account"], instrument.symbol)
        target = self._made(event, instrument)
        before = targets.of.get(position)
        if before is not None:
            self._drop(before)
            self._tell(before, TargetStatus.REPLACED, f"by signal {target.signal_id}")
        targets.made = target.id
        targets.add(target)
        if event["leg"] < event["legs"]:
            return
        legs = targets.of_signal(target)
        if event.get("close_others"):
            for each in [each for each in targets.of.values() if each.account == target.account and each not in legs]:
                self._cancel(each, f"closed with all others by signal {target.signal_id}")
        sells = [each for each in legs if each.lots < self._held(each)]
        for each in legs if 0 < len(sells) < len(legs) else []:
            each.sells = each.lots < self._held(each)
            each.waits = not each.sells
            if each.waits:
                self._tell(each, TargetStatus.WAITING, "others of its signal are sold first")
        for each in [each for each in legs if not each.waits]:  # one that is done at once lets others go
            self._step(each)
        self._release(target.account)

    def canceled(self, event: Message) -> None:
        """Go for a target no more, or for none of an account; the order that is on its way is asked to go."""
        meant = [
            each
            for each in self._targets.of.values()
            if each.account == event["account"] and event.get("symbol") in (None, each.symbol)
        ]
        for each in sorted(meant, key=lambda target: not target.waits):  # nobody is let go to be canceled then
            self._cancel(each, "canceled as requested")

    def exited(self, account: str, symbol: str) -> None:
        """Go for a target no more whose position a protection closes: one of them is to have the last word."""
        target = self._targets.of.get((account, symbol))
        if target is not None:
            self._cancel(target, "what protects the position closes it")

    def _made(self, event: Message, instrument: Instrument) -> Target:
        held = instrument.held.get(event["account"])
        start = 0 if held is None else held.position.quantity
        tolerance, least = event.get("tolerance_qty"), event.get("min_value")
        return Target(
            self._targets.made + 1, event["account"], instrument.symbol, event["signal_id"],
            units_of(event, "target_qty", instrument.lot), start, self._telling.ms,
            instrument.mark_of(units_of(event, "target_qty", instrument.lot) - start),
            0 if tolerance is None else units_of(event, "tolerance_qty", instrument.lot),
            0 if least is None else int(Decimal(least).scaleb(instrument.decimals)),
            event.get("algorithm"), event.get("algorithm_parameters"), event.get("strategy"),
        )  # fmt: skip

    # ---------------------------------------------------------------- what is missing

    def _held(self, target: Target) -> int:
        held = self._books.instruments[target.symbol].held.get(target.account)
        return 0 if held is None else held.position.quantity

    def _step(self, target: Target) -> None:
        """Send what is missing, or be done."""
        if target.client_order_id is not None:
            return
        missing = abs(target.lots - self._held(target))
        if missing <= target.tolerance:
            return self._over(target, TargetStatus.REACHED)
        instrument = self._books.instruments[target.symbol]
        value = instrument.valued_at(1)
        if value is not None and missing * abs(value) * instrument.half_tick_lot < target.least:
            left = instrument.lot.text(missing)
            return self._over(target, TargetStatus.REACHED, f"{left} more is worth less than min_value")
        return self._send(target, instrument)

    def _send(self, target: Target, instrument: Instrument) -> None:
        target.attempt += 1
        name = f"target-{self._partition}-{target.id}-{target.attempt}"
        target.client_order_id, target.order_id, target.got = name, None, 0
        self._targets.sent[name] = target
        message = {
            "type": "ReachPosition",
            "v": ReachPosition.VERSION,
            "signal_id": name,
            "client_order_id": name,
            "account": target.account,
            "symbol": target.symbol,
            "target": canonical(instrument.lot.number(target.lots)),
            "algorithm": target.algorithm,
            "algorithm_parameters": target.parameters,
            "strategy": target.strategy,
            "signal_time": self._telling.ms,
        }
        self._tell(target, TargetStatus.WORKING)
        self._telling.out.event(self._orders, message)

    def _over(self, target: Target, status: TargetStatus, text: str | None = None) -> None:
        """Be done with a target, and let those go that waited for it."""
        self._drop(target)
        self._tell(target, status, text)
        self._let_go(target)

    def _let_go(self, target: Target) -> None:
        """Let those of its signal go that waited for it and others to be sold."""
        if target.sells:
            target.sells = False
            self._release(target.account)

    def _release(self, account: str) -> None:
        """Let those of an account go that wait for sales of their signal, and there are none left."""
        mine = [each for each in self._targets.of.values() if each.account == account]
        selling = {each.signal_id for each in mine if each.sells}
        for each in mine:
            if each.waits and each.signal_id not in selling:
                each.waits = False
                self._step(each)

    def _cancel(self, target: Target, text: str) -> None:
        self._drop(target)
        self._tell(target, TargetStatus.CANCELED, text)
        if target.client_order_id is not None:  # by that name: the journal may not have told of the order yet
            message = {
                "type": "CancelOrder", "v": CancelOrder.VERSION, "signal_id": f"{target.client_order_id}-end",
                "account": target.account, "order_id": None, "orig_client_order_id": target.client_order_id,
                "signal_time": self._telling.ms,
            }  # fmt: skip
            self._telling.out.event(self._orders, message)
        self._let_go(target)

    def _drop(self, target: Target) -> None:
        self._books.timers.cancel(target.id, AGAIN)
        self._targets.drop(target)

    # ------------------------------------------------------------------- what happens

    def due(self, timer: Timer) -> None:
        """Try again what failed, or look again what waits."""
        target = self._targets.by_id.get(timer.id)
        if target is not None:
            self._step(target)

    def changed(self, account: str, symbol: str) -> None:
        """Look at a position that changed, where nothing of its target is on its way."""
        target = self._targets.of.get((account, symbol))
        if target is not None and not target.waits and target.client_order_id is None:
            self._books.timers.cancel(target.id, AGAIN)
            self._step(target)

    def answered(self, event: Message) -> None:
        """Follow what was sent. Of a fill the books know already."""
        kind = event["type"]
        name = event["signal_id" if kind in BY_SIGNAL else "client_order_id"]
        target = self._targets.sent.get(name)
        if target is None or target.account != event["account"]:
            return
        match kind:
            case "OrderReceived":
                target.order_id = event["order_id"]
            case "OrderFilled":
                self._filled(event, target)
            case "PositionTargeted":
                self._found(event, target)
            case "SignalRefused" | "OrderRejected":
                self._failed(target, event["text"], event["reason"] in FOR_NOW)
            case "OrderStatusReported":
                self._failed(target, event["text"], for_now=False)
            case _:
                self._ended(target, end_of(event), event.get("reason") in BY_A_PERSON)

    def _found(self, event: Message, target: Target) -> None:
        """Nothing was sent: it is held, or others' orders are in the way or make it so."""
        self._lay_down(target)
        if event["found"] == "held":
            return self._over(target, TargetStatus.REACHED)
        what = (
            "orders that work the other way are canceled first"
            if event["found"] == "opposed"
            else "what works makes it so"
        )
        self._fails_no_more(target)
        wait = min(LATE_MS, SOON_MS << min(target.attempt - 1, 16))
        self._books.timers.add(self._telling.ms + wait, target.id, AGAIN)
        return self._tell(target, TargetStatus.WAITING, what, self._telling.ms + wait)

    def _filled(self, event: Message, target: Target) -> None:
        instrument = self._books.instruments[target.symbol]
        lots, ticks = units_of(event, "last_qty", instrument.lot), units_of(event, "last_px", instrument.price)
        lots = -lots if event["side"] == "SELL" else lots
        target.traded(lots, instrument.counts(ticks), instrument.fee(event["fee"]) or 0)
        if not units_of(event, "leaves_qty", instrument.lot):
            self._ended(target, "", by_a_person=False)

    def _ended(self, target: Target, text: str, by_a_person: bool) -> None:
        """Go on after an order: at once where it got somewhere, and not where somebody took it off."""
        got = target.got
        self._lay_down(target)
        if by_a_person:
            return self._over(target, TargetStatus.FAILED, text)
        if got:
            self._fails_no_more(target)
            return self._step(target)
        return self._failed(target, text, for_now=True)

    def _failed(self, target: Target, text: str, for_now: bool) -> None:
        self._lay_down(target)
        self._targets.failing += not target.failed
        target.failed += 1
        if target.failed >= MOST_FAILURES and not for_now:
            return self._over(target, TargetStatus.FAILED, text)
        wait = min(LAST_RETRY_MS, FIRST_RETRY_MS << min(target.failed - 1, 16))
        self._books.timers.add(self._telling.ms + wait, target.id, AGAIN)
        self._tell(target, TargetStatus.RETRYING, text, self._telling.ms + wait)
        return self._let_go(target)

    def _fails_no_more(self, target: Target) -> None:
        self._targets.failing -= bool(target.failed)
        target.failed = 0

    def _lay_down(self, target: Target) -> None:
        """Wait for nothing of what was sent."""
        self._targets.sent.pop(target.client_order_id or "", None)
        target.client_order_id = target.order_id = None

    def rescaled(self, instrument: Instrument, lots: int, ticks: int, money: int) -> None:
        """Count in an instrument's new steps."""
        for each in self._targets.of.values():
            if each.symbol == instrument.symbol:
                each.rescale(lots, ticks, money)

    def abandoned(self, account: str, symbol: str, text: str) -> None:
        """Go for a target no more that was asked for before a split, or of another symbol: it meant other shares."""
        target = self._targets.of.get((account, symbol))
        if target is not None:
            self._cancel(target, text)

    # --------------------------------------------------------------------- what is told

    def _tell(self, target: Target, status: TargetStatus, text: str | None = None, retry_ms: int | None = None) -> None:
        instrument = self._books.instruments[target.symbol]
        lot, now = instrument.lot, self._telling.ms
        message: Message = {
            "account": target.account,
            "symbol": target.symbol,
            "currency": instrument.units.currency,
            "signal_id": target.signal_id,
            "target_status": status,
            "target_qty": lot.text(target.lots),
            "held_qty": lot.text(self._held(target)),
            "start_qty": lot.text(target.start),
            "asked_time": target.asked_ms,
            "duration_ms": now - target.asked_ms,
            "attempt": target.attempt,
        }
        if target.client_order_id is not None:
            message["client_order_id"] = target.client_order_id
            if target.order_id is not None:
                message["order_id"] = target.order_id
        if target.arrival is not None:
            message["arrival_px"] = instrument.price.mean(target.arrival, 2)
        if target.size:
            message["traded_qty"] = lot.text(target.size)
            message["traded_px"] = instrument.mean_text(target.worth, target.size)
            message["paid_fees"] = instrument.money(target.fees)
            if target.arrival is not None:
                arrival = instrument.counts_at(target.arrival)
                cost = (2 * target.value - target.bought * arrival) * instrument.half_tick_lot
                message["shortfall"] = instrument.money(cost + target.fees)
        if retry_ms is not None:
            message["retry_time"] = retry_ms
        if text is not None:
            message["text"] = text
        self._telling.target_changed(message)
