"""Closes positions as their protections say: what is reached, what is sent, what becomes of it.

Flows in: protections as they were taken, fills, marks, times, and what the journal says of the orders that were sent.
Flows out: instructions ExitPosition in `orders.{a}`, and what is told of each protection. Never books anything, never
believes that an order closed something before the journal has the fill.

An exit fires once: from then on it closes what it was to, whatever the market does. Its order is sized by the orders
stage at the very moment it comes there, from what is held less what brackets protect and what closes it already. One
that is refused, or ends with something left, is followed by another after a second, then two, four and so on up to a
minute, and the alarm ExitsFailing tells of it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil
from typing import Final

from fillstream.libs.common.messages.codes import RejectReason
from fillstream.libs.common.messages.exits import ExitReason, ExitStatus
from fillstream.libs.common.messages.signals import ExitPosition, ProtectPosition, instructed
from fillstream.libs.common.runtime.timers import Timer
from fillstream.libs.common.values.money import canonical
from fillstream.services.position_service.accounts.account import asked_of
from fillstream.services.position_service.booking import units_of
from fillstream.services.position_service.books.books import Books
from fillstream.services.position_service.books.held import Held
from fillstream.services.position_service.books.instrument import Instrument
from fillstream.services.position_service.books.trip import Key
from fillstream.services.position_service.exits.kept import Asked
from fillstream.services.position_service.exits.protection import Fired, Protection
from fillstream.services.position_service.exits.telling import told_of
from fillstream.services.position_service.exits.watch import What
from fillstream.services.position_service.telling import Message, Telling

FIRST_RETRY_MS, LAST_RETRY_MS = 1_000, 60_000
"""After the first failure, doubled with each in a row; at most."""
DEFAULT_EXIT = "account"
"""The protection_id of the stop and the target that an account's terms ask for; see `asked_of`."""
MOST_PROTECTIONS = 100
"""Of one position."""
LIMIT, TIME, RETRY = "exit limit", "exit time", "exit retry"
"""What timers of protections are for."""
_REASONS: Final = {What.TAKE: ExitReason.TAKE_PROFIT, What.TRAIL: ExitReason.TRAILING_STOP}
FOLLOWED: Final = frozenset(
    ("OrderReceived", "OrderRejected", "OrderFilled", "OrderCanceled", "OrderExpired", "OrderStatusReported",
     "SignalRefused", "PositionTargeted")
)  # fmt: skip
"""Events that say what becomes of what was sent."""
BY_SIGNAL: Final = frozenset(("SignalRefused", "OrderStatusReported", "PositionTargeted"))
"""Those that name the instruction, and no order that came of it."""


def end_of(event: Message) -> str:
    """Return how an order ended that was not filled."""
    return str(event.get("text") or f"order {event['order_id']} is {event['ord_status']}")


class Exits:
    """The part of the fold that closes.

    Args:
        books: have the positions and their protections.
        telling: told what becomes of these.
        partition: of the accounts.
        orders: the name of the stream that instructions go to.
        fired: told the account and the symbol of a position that is to be closed.
    """

    __slots__ = ("_books", "_fired", "_kept", "_orders", "_partition", "_telling")

    def __init__(
        self, books: Books, telling: Telling, partition: int, orders: str, fired: Callable[[str, str], None]
    ) -> None:
        self._fired = fired
        self._books = books
        self._kept = books.exits
        self._telling = telling
        self._partition = partition
        self._orders = orders
        for protection in self._kept.all.values():
            if protection.fired is None:
                self._arm(protection, protection.best)

    # -------------------------------------------------------------- what is asked for

    def protected(self, event: Message, instrument: Instrument) -> None:
        """Take what is to protect a position; one of the same name gives way: an order that it sent goes on."""
        account, kept, one = event["account"], self._kept, event.get("position_id")
        asked = kept.asked.get(event["signal_id"])
        kept.forget_asked(account, instrument.symbol, event["protection_id"], one)
        held = instrument.of(account, one)
        made = self._made(event, instrument)
        if held is None or held.trip is None:  # one that an older release saw otherwise
            return self._tell(made, ExitStatus.ENDED, "nothing is held")
        if (
            asked is not None
            and asked[:2] == (account, instrument.symbol)
            and asked.position_id != held.trip.position_id
        ):
            return None  # the account's own, of a position that is no more: the next one has asked for its own
        before = kept.of.get((account, instrument.symbol, held.name), {})
        old = before.get(made.protection_id)
        if old is None and len(before) >= MOST_PROTECTIONS:
            text = (
                f"protection_id: {account} has {len(before)} protections of {instrument.symbol}, and may have no more"
            )
            self._telling.out.bad("too_many_protections", text)
            return None
        if old is not None:
            self._drop(old)
            if old.fired is not None:
                self._tell(old, ExitStatus.ENDED, f"replaced by signal {event['signal_id']}")
        made.position_id, made.hedged = held.trip.position_id, held.name is not None
        made.short = held.position.quantity < 0
        kept.made = made.id
        kept.add(made)
        timers, now = self._books.timers, self._telling.ms
        if made.limit_ms is not None:
            opened = held.trip.opened_ms
            made.limit_ms += now if opened is None else opened
            timers.add(max(now, made.limit_ms), made.id, LIMIT)
        if made.exit_ms is not None:
            timers.add(max(now, made.exit_ms), made.id, TIME)
        self._range(made, instrument)
        self._arm(made, None)
        waits = "the trailing stop waits for bars enough of the true range"
        self._tell(made, ExitStatus.ARMED, None if made.trail_ranges is None else waits)
        self.marked(instrument)
        return None

    def ranged(self, instrument: Instrument) -> None:
        """Let trailing stops begin that waited for the average true range, once it is known."""
        for number in [*self._kept.unranged.get(instrument.symbol, ())]:
            protection = self._kept.all[number]
            self._range(protection, instrument)
            if protection.trail_ranges is None and protection.fired is None:
                self._arm(protection, None)
                self._tell(protection, ExitStatus.ARMED, "the average true range is known")

    def rangeless(self, instrument: Instrument) -> None:
        """Let trailing stops wait no more for a range that there will not be; what waits for nothing else ends."""
        text = "the instrument has no average true range any more: the trailing stop does not begin"
        for number in [*self._kept.unranged.get(instrument.symbol, ())]:
            protection = self._kept.all[number]
            protection.trail_ranges = None
            self._kept.range_is_settled(protection)
            if protection.fired is None and protection.waits:
                self._tell(protection, ExitStatus.ARMED, text)
            elif protection.fired is None:
                self._end(protection, text)

    def _range(self, protection: Protection, instrument: Instrument) -> None:
        """Count how far a trailing stop stays behind; once, as it begins: rounded up to the tick, one at least."""
        mean = None if instrument.true_range is None else instrument.true_range.mean
        if protection.trail_ranges is None or mean is None:
            return
        protection.trail, protection.trail_ranges = max(1, ceil(protection.trail_ranges * mean / 2)), None
        self._kept.range_is_settled(protection)

    def canceled(self, event: Message) -> None:
        """Let a protection go, or all of a position."""
        account, symbol, position_id = event["account"], event["symbol"], event.get("position_id")
        one = event.get("protection_id")
        self._kept.forget_asked(account, symbol, one, position_id)
        for each in self._kept.all_of(account, symbol, position_id):
            if one in (None, each.protection_id):
                self._drop(each)
                self._tell(each, ExitStatus.ENDED, "canceled as requested")

    def _made(self, event: Message, instrument: Instrument) -> Protection:
        """Return a protection that says what an event does.

        Raises:
            Inconsistent: a price or quantity is not on the instrument's grid: the orders stage sees to that.
        """
        price = instrument.price

        def ticks(name: str) -> int | None:
            return None if event.get(name) is None else units_of(event, name, price)

        def share(name: str) -> Fraction | None:
            return None if event.get(name) is None else Fraction(event[name]) / 100

        percent = event.get("trailing_stop_percent")
        return Protection(
            self._kept.made + 1, event["account"], instrument.symbol, event["protection_id"], "", False,
            None if event.get("quantity") is None else units_of(event, "quantity", instrument.lot),
            ticks("stop_loss"), ticks("take_profit"), share("stop_loss_percent"), share("take_profit_percent"),
            ticks("trailing_stop") if percent is None else int(Fraction(percent) * 100), percent is not None,
            ticks("activation_offset"), ticks("break_even_offset"),
            event.get("time_limit_ms"), event.get("exit_time"),
            None if event.get("trailing_stop_atr") is None else Fraction(event["trailing_stop_atr"]),
            event.get("strategy"),
        )  # fmt: skip

    # ---------------------------------------------------------------- what happens

    def marked(self, instrument: Instrument) -> None:
        """Look what an instrument's mark reaches, which nothing does that is of the shares before a split."""
        watches = self._kept.watches.get(instrument.symbol)
        if watches is None or instrument.outdated:
            return
        for watch, mark in zip(watches, (instrument.mark, instrument.short_mark), strict=True):
            while mark is not None and not watch.low <= mark <= watch.high:
                found = watch.reached(mark)
                if not found:
                    break
                trails = {number: stop for number, what, stop in found if what is What.TRAIL}
                for number, what, _ in found:
                    protection = self._kept.all.get(number)
                    if protection is not None and protection.fired is None:
                        self._reached(protection, what, trails.get(number), mark)

    def _reached(self, protection: Protection, what: What, stop: int | None, mark: int) -> None:
        held = self._held(protection)
        long = held.position.quantity > 0
        levels = protection.levels(long, self._books.instruments[protection.symbol].mean_ticks(held.position))
        watch = self._kept.watch(protection.symbol, long)
        match what:
            case What.ACTIVATION if protection.began:
                pass  # a mark that reached the break-even price as well had it wait anew
            case What.ACTIVATION:
                protection.began = True
                assert protection.trail is not None, "it is what begins"
                watch.trail(protection.id, protection.trail, protection.in_bps, watch.best_at(mark))
                self._tell(protection, ExitStatus.ARMED, "the trailing stop began")
            case What.EVEN:
                protection.evened = True
                self._rearm(protection)
                self._tell(protection, ExitStatus.ARMED, "the stop moved to the mean price")
            case What.STOP if stop is not None and levels.stop is not None and (stop > levels.stop) is long:
                self._fire(protection, ExitReason.TRAILING_STOP, stop)  # it stood nearer, and was passed first
            case What.STOP:
                self._fire(protection, ExitReason.BREAK_EVEN if levels.moved else ExitReason.STOP_LOSS, levels.stop)
            case _:
                self._fire(protection, _REASONS[what], stop if what is What.TRAIL else levels.take)

    def due(self, timer: Timer) -> None:
        """Do what it is time for."""
        protection = self._kept.all.get(timer.id)
        if protection is None:
            return
        if timer.what == RETRY:
            self._send(protection)
        elif protection.fired is None:
            self._fire(protection, ExitReason.TIME_LIMIT if timer.what == LIMIT else ExitReason.EXIT_TIME, None)

    def changed(self, account: str, instrument: Instrument, position_id: str | None, before: Key | None) -> None:
        """Follow a position that changed: its mean price, or that it is another (`before`: which it was) or none.

        Args:
            account, instrument: whose, and in what.
            position_id: which, of an account that hedges.
            before: the trip that it was on.
        """
        held = instrument.of(account, position_id)
        if held is None:
            return None
        found, trip = self._kept.of.get((account, instrument.symbol, held.name)), held.trip
        if found is None:
            return self._by_default(account, instrument, held, before)
        for each in [*found.values()]:
            if trip is None or trip.position_id != each.position_id:
                self._end(each, "the position is closed" if trip is None else "the position turned")
            elif each.fired is None:
                self._rearm(each)
        self._by_default(account, instrument, held, before)
        self.marked(instrument)
        return None

    def _by_default(self, account: str, instrument: Instrument, held: Held, before: Key | None) -> None:
        """Protect a position that was just opened as its account's terms say."""
        terms, trip = self._books.accounts.get(account), held.trip
        if terms is None or trip is None or not terms.exits or trip.key == before:
            return
        if DEFAULT_EXIT in self._kept.of.get((account, instrument.symbol, held.name), {}):
            return
        for protection_id, exits in asked_of(terms.exits):
            self._ask(Asked(account, instrument.symbol, trip.position_id, protection_id), exits)
        if terms.stop is not None or terms.take is not None:
            made = self._own(account, instrument, held, DEFAULT_EXIT)
            made.stop_share, made.take_share = terms.stop, terms.take
            self._kept.add(made)
            self._arm(made, None)
            self._tell(made, ExitStatus.ARMED, "by the account's terms")
            self.marked(instrument)

    def _own(self, account: str, instrument: Instrument, held: Held, protection_id: str) -> Protection:
        """Return a protection of the account's own, which is not kept yet."""
        assert held.trip is not None, "it is open"
        self._kept.made += 1
        made = Protection(self._kept.made, account, instrument.symbol, protection_id, held.trip.position_id)
        made.short, made.hedged = held.position.quantity < 0, held.name is not None
        return made

    def _held(self, protection: Protection) -> Held:
        """Return what a protection is of."""
        held = self._books.instruments[protection.symbol].of(protection.account, protection.position_id)
        assert held is not None, "it is let go of with its position"
        return held

    def _ask(self, asked: Asked, exits: Message) -> None:
        """Ask for what only the orders stage can judge: it has calendars, and knows what has a true range."""
        self._kept.made += 1
        name = f"protect-{self._partition}-{self._kept.made}"
        self._kept.asked[name] = asked
        said: Message = {"signal_id": name, "account": asked.account, "symbol": asked.symbol}
        said |= {"protection_id": asked.protection_id, "signal_time": self._telling.ms}
        if asked.account in self._books.hedging:
            said["position_id"] = asked.position_id
        fields = dict.fromkeys(instructed(ProtectPosition))
        head = {"type": "ProtectPosition", "v": ProtectPosition.VERSION}
        self._telling.out.event(self._orders, fields | head | said | exits)

    def _unprotected(self, asked: Asked, event: Message) -> None:
        """Say why an account's own exit is refused; what was opened when it should be closed already is closed."""
        instrument = self._books.instruments[asked.symbol]
        held = instrument.of(asked.account, asked.position_id)
        if held is None or held.trip is None or held.trip.position_id != asked.position_id:
            return
        made = self._own(asked.account, instrument, held, asked.protection_id)
        if event["reason"] != RejectReason.EXPIRE_TIME_PASSED:
            self._tell(made, ExitStatus.ENDED, f"by the account's terms: {event['text']}")
            return
        others = self._kept.of.get(made.place, {}).values()
        if not any(each.fired is not None and each.quantity is None for each in others):  # else it is being closed
            self._kept.add(made)
            self._fire(made, ExitReason.EXIT_TIME, None)

    def split(self, account: str, instrument: Instrument, new: int, old: int) -> None:
        """Follow a split: prices are another, and a part is another number of lots."""
        for each in self._kept.all_of(account, instrument.symbol):
            best = self._kept.best_of(each)
            self._disarm(each)
            each.best = best
            each.split(new, old)
            if each.fired is None:
                self._arm(each, each.best)
                self._tell(each, ExitStatus.ARMED, f"the position was split {new}:{old}")

    def renamed(self, account: str, old: Instrument, new: Instrument, steps: tuple[int, int, int]) -> None:
        """Follow a position to another symbol, in steps of which so many make one of before.

        No order works then. An instruction that is on its way names what is not there any more: another one goes.
        """
        text = f"the symbol is {new.symbol} now, it was {old.symbol}"
        for name, asked in [*self._kept.asked.items()]:
            if asked[:2] == (account, old.symbol):  # it names what is not there any more
                del self._kept.asked[name]
                exits = dict(asked_of(self._books.accounts[account].exits)).get(asked.protection_id)
                if exits is not None:
                    self._ask(asked._replace(symbol=new.symbol), exits)
        for each in self._kept.all_of(account, old.symbol):
            best, fired = self._kept.best_of(each), each.fired
            self._tell(each, ExitStatus.ENDED, text)
            self._disarm(each)
            self._kept.drop(each)
            each.symbol, each.best = new.symbol, best
            each.rescale(*steps[:2])
            self._kept.add(each)
            if fired is None:
                self._arm(each, each.best)
                self._tell(each, ExitStatus.ARMED, text)
            elif fired.client_order_id is not None:
                self._lay_down(each, fired)
                self._send(each)
            else:
                self._tell(each, ExitStatus.FAILED, text, self._books.timers.due_ms(each.id, RETRY))
        self._unwatch(old.symbol)
        if new.true_range is None and new.symbol in self._kept.unranged:
            self.rangeless(new)
        self.marked(new)

    def rescaled(self, instrument: Instrument, lots: int, ticks: int) -> None:
        """Count in an instrument's new steps."""
        for each in self._kept.all.values():
            if each.symbol == instrument.symbol:
                best = self._kept.best_of(each)
                self._disarm(each)
                each.best = best
                each.rescale(lots, ticks)
                if each.fired is None:
                    self._arm(each, each.best)

    def _end(self, protection: Protection, text: str) -> None:
        """Let go of what protects a position that is no more."""
        fired = protection.fired
        self._drop(protection)
        self._tell(protection, ExitStatus.ENDED if fired is None else ExitStatus.DONE, text if fired is None else None)

    # -------------------------------------------------------------- what is sent

    def _fire(self, protection: Protection, reason: ExitReason, level: int | None) -> None:
        self._disarm(protection)
        protection.fired = Fired(reason, level)
        self._fired(protection.account, protection.symbol)
        self._send(protection)

    def _send(self, protection: Protection) -> None:
        """Send an order that closes what is still to be closed."""
        fired, instrument = protection.fired, self._books.instruments[protection.symbol]
        assert fired is not None, "it was reached"
        fired.attempt += 1
        name = f"exit-{self._partition}-{protection.id}-{fired.attempt}"
        fired.client_order_id, fired.order_id = name, None
        self._kept.sent[name] = protection
        left = None if protection.quantity is None else protection.quantity - fired.closed
        message = {
            "type": "ExitPosition",
            "v": ExitPosition.VERSION,
            "signal_id": name,
            "client_order_id": name,
            "account": protection.account,
            "symbol": protection.symbol,
            "quantity": None if left is None else canonical(instrument.lot.number(left)),
            "position_id": protection.position_id,
            "strategy": protection.strategy,
            "signal_time": self._telling.ms,
        }
        self._tell(protection, ExitStatus.TRIGGERED)
        self._telling.out.event(self._orders, message)

    # ---------------------------------------------------------- what becomes of it

    def answered(self, event: Message) -> None:
        """Follow the orders that were sent. Of a fill the books know already."""
        kind = event["type"]
        name = event["signal_id" if kind in BY_SIGNAL else "client_order_id"]
        if kind == "SignalRefused" and event["signal"] == "ProtectPosition":
            asked = self._kept.asked.get(name)
            if asked is not None and asked.account == event["account"]:
                del self._kept.asked[name]
                self._unprotected(asked, event)
            return None
        protection = self._kept.sent.get(name)
        if protection is None or protection.account != event["account"]:
            return
        fired = protection.fired
        assert fired is not None, "it sent something"
        match kind:
            case "OrderReceived":
                fired.order_id = event["order_id"]
            case "OrderFilled":
                self._filled(event, protection, fired)
            case "SignalRefused" | "OrderRejected":
                if fired.closed and event["reason"] == RejectReason.NOTHING_TO_REDUCE:
                    self._drop(protection)
                    return self._tell(protection, ExitStatus.DONE, event["text"])
                idle = event["reason"] == RejectReason.NOTHING_TO_REDUCE
                self._failed(protection, fired, event["text"], idle)
            case "OrderStatusReported":
                self._failed(protection, fired, event["text"])
            case _:
                self._over(protection, fired, end_of(event))
        return None

    def _filled(self, event: Message, protection: Protection, fired: Fired) -> None:
        instrument = self._books.instruments[protection.symbol]
        lots, ticks = units_of(event, "last_qty", instrument.lot), units_of(event, "last_px", instrument.price)
        fired.now += lots
        fired.now_value += lots * ticks
        if not units_of(event, "leaves_qty", instrument.lot):
            self._over(protection, fired, "")

    def _over(self, protection: Protection, fired: Fired, text: str) -> None:
        """Count what an order closed that ended, and go on with what is left, or be done."""
        closed = fired.now
        fired.closed, fired.value, fired.now, fired.now_value = (
            fired.closed + closed,
            fired.value + fired.now_value,
            0,
            0,
        )
        trip = self._held(protection).trip
        gone = trip is None or trip.position_id != protection.position_id
        if gone or (protection.quantity is not None and fired.closed >= protection.quantity):
            self._drop(protection)
            return self._tell(protection, ExitStatus.DONE)
        if closed and not text:  # it did all that could be done as it came; is there more?
            self._lay_down(protection, fired)
            fired.failed = 0
            return self._send(protection)
        return self._failed(protection, fired, text)

    def _failed(self, protection: Protection, fired: Fired, text: str, idle: bool = False) -> None:
        self._lay_down(protection, fired)
        fired.failed, fired.idle = fired.failed + 1, idle
        wait = min(LAST_RETRY_MS, FIRST_RETRY_MS << min(fired.failed - 1, 16))
        self._books.timers.add(self._telling.ms + wait, protection.id, RETRY)
        self._tell(protection, ExitStatus.FAILED, text, self._telling.ms + wait)

    def _lay_down(self, protection: Protection, fired: Fired) -> None:
        """Wait for nothing of the order that was sent."""
        self._kept.sent.pop(fired.client_order_id or "", None)
        fired.client_order_id = fired.order_id = None

    # ---------------------------------------------------------------- the watches

    def _arm(self, protection: Protection, best: int | None) -> None:
        """Let a protection wait for its prices."""
        instrument, held = self._books.instruments[protection.symbol], self._held(protection)
        long = held.position.quantity > 0
        watch = self._kept.watch(protection.symbol, long)
        self._rearm(protection)
        if protection.trail is not None and (protection.activation is None or protection.began):
            protection.began = True
            if best is None and not instrument.outdated:
                best = watch.best_at(instrument.mark_of(held.position.quantity))
            watch.trail(protection.id, protection.trail, protection.in_bps, best)

    def _rearm(self, protection: Protection) -> None:
        """Let it wait for the prices that follow from what is held now."""
        position = self._held(protection).position
        long = position.quantity > 0
        watch = self._kept.watch(protection.symbol, long)
        levels = protection.levels(long, self._books.instruments[protection.symbol].mean_ticks(position))
        for what, price in (
            (What.STOP, levels.stop), (What.TAKE, levels.take), (What.ACTIVATION, levels.activation),
            (What.EVEN, levels.even),
        ):  # fmt: skip
            watch.wait(protection.id, what, price)

    def _disarm(self, protection: Protection) -> None:
        for watch in self._kept.watches.get(protection.symbol, ()):
            watch.drop(protection.id)

    def _drop(self, protection: Protection) -> None:
        self._disarm(protection)
        for what in (LIMIT, TIME, RETRY):
            self._books.timers.cancel(protection.id, what)
        self._kept.drop(protection)
        self._unwatch(protection.symbol)

    def _unwatch(self, symbol: str) -> None:
        """Look at an instrument's mark no more where nobody waits for it."""
        if not any(map(len, self._kept.watches.get(symbol, ()))):
            self._kept.watches.pop(symbol, None)

    def _tell(
        self, protection: Protection, status: ExitStatus, text: str | None = None, retry_ms: int | None = None
    ) -> None:
        instrument = self._books.instruments[protection.symbol]
        watch = self._kept.watches.get(protection.symbol)
        trailing = None
        for each in watch or ():
            trailing = trailing or each.trailing(protection.id)
        message = told_of(protection, instrument, status, None if trailing is None else trailing[1])
        if retry_ms is not None:
            message["retry_time"] = retry_ms
        if text is not None:
            message["text"] = text
        self._telling.exit_changed(message)
