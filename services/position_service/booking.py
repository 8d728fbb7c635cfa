"""What changes positions: fills, busts and corrections of them, and splits.

Flows in: events of the journal. Flows out: the books, and what is told of them. Never looks at a market.
"""

from __future__ import annotations

from fillstream.libs.common.messages.controls import split_ratio
from fillstream.libs.common.runtime.stage import Inconsistent
from fillstream.libs.common.values.money import Scale
from fillstream.services.position_service.books.books import Books
from fillstream.services.position_service.books.held import Held, Trade
from fillstream.services.position_service.books.instrument import Instrument
from fillstream.services.position_service.telling import Message, Telling


class Booking:
    """The part of the fold that books.

    Args:
        books: changed by what happens.
        telling: told about it.
        partition: of the accounts.
    """

    __slots__ = ("_books", "_partition", "_telling")

    def __init__(self, books: Books, telling: Telling, partition: int) -> None:
        self._books = books
        self._telling = telling
        self._partition = partition

    def filled(self, event: Message, instrument: Instrument) -> None:
        """Book a fill. The event stays in the sequence even if it is refused, hence `out.bad` and not BadEntry."""
        trade = self._trade(event, instrument)
        whole, held = self._held(event, instrument)
        trade, name = _in(held, trade), _name(event, "exec_id")
        if name in held.trades:
            text = f"exec_id: {event['exec_id']} of order {event['order_id']} is booked"
            return self._telling.out.bad("repeated_trade", text)
        return self._book(event, instrument, (whole, held), name, trade)

    def _held(self, event: Message, instrument: Instrument) -> tuple[Held, Held]:
        """Return what an account holds of an instrument, and the position that an event is about, which it may be."""
        account, name = event["account"], self._books.position_id(event)
        whole = self._books.held(account, instrument)
        if name is None:
            return whole, whole
        return whole, whole.part(name, self._books.method_of(account), event["time"])

    def restated(self, event: Message, instrument: Instrument) -> None:
        """Take a trade back, and book what it is now: as if it had never been otherwise, where it is kept."""
        name, by = _name(event, "ref_exec_id"), _name(event, "exec_id")
        now, was = None, self._trade(event, instrument)
        whole, held = self._held(event, instrument)
        if event["type"] == "TradeCorrected":
            told = {"last_qty": event["old_qty"], "last_px": event["old_px"], "fee": event["old_fee"]}
            now, was = _in(held, was), self._trade(event | told, instrument)
        was = _in(held, was)
        kept = held.kept(name, instrument.session)
        if kept is None or kept[:3] != was[:3]:  # cash and fees go by what the venue says that it was
            for each, trade in ((f"{by} back", was.back), (by, now)):
                if trade is not None:
                    instrument.resettle(held, trade, whole)
                    self._book(event, instrument, (whole, held), each, trade, "adjusted")
            return
        before, without = held.position.quantity, held.without(name)
        then = None if now is None else kept._replace(lots=now.lots, ticks=now.ticks, fee=now.fee)
        ended = held.rebook(name, then, by)
        if whole is not held:
            whole.counts(kept.back)
            if then is not None:
                whole.counts(then)
        if kept.session < instrument.session:
            instrument.resettle(held, kept.back, whole)
            if then is not None:
                instrument.resettle(held, then, whole)
        self._telling.changed(event, instrument, held, (before, was.back, without), ended, "recomputed")
        if then is not None:
            leg = (without.quantity, then, held.position)
            self._telling.changed(event, instrument, held, leg, ended, "recomputed")
        self._telling.closed(event, instrument, held, ended, "restated")

    def split(self, event: Message, instrument: Instrument) -> None:
        """Split what an account holds; its cash is the orders stage's."""
        whole = instrument.held.get(event["account"])
        if whole is None:
            return
        for held in whole.each:
            before = held.position.quantity
            if not before:
                continue
            if not held.split(*split_ratio(event["ratio"])):
                raise Inconsistent(
                    f"event {event['seq']}: {event['ratio']} of {instrument.lot.text(before)} {instrument.symbol} "
                    f"must be whole lots of {instrument.lot.step}"
                )
            self._telling.adjusted(event, instrument, held, before)
        if whole.hedged is not None:
            whole.split(*split_ratio(event["ratio"]))

    def renamed(self, event: Message, old: Instrument, new: Instrument, steps: tuple[int, int, int]) -> bool:
        """Let what an account holds of an instrument be of another, in steps of which so many make one of before.

        Returns: whether it is: False, and a dead letter, where these books differ from those of the orders stage.
        """
        account = event["account"]
        was, now = old.held.get(account), self._books.held(account, new)
        if was is None or not was.is_open or now.is_open:
            text = f"{account} must hold {old.symbol} and no {new.symbol}, for one to be the other; nothing was changed"
            self._telling.out.bad("not_held", f"event {event['seq']}: {text}")
            return False
        old.stirs(event["time"])  # its day is done up to here, and goes on as the other's
        new.inherit(old, steps[1])
        new.stirs(event["time"])
        for held in [*was.each]:
            if held.position.quantity:
                there = now if held.name is None else now.part(held.name, self._books.method_of(account), event["time"])
                before = held.position.quantity
                held.rescale(*steps)
                there.take_over(held)
                self._telling.adjusted(event, old, held, before)
                self._telling.adjusted(event, new, there, 0)
        if was.hedged is not None:
            was.rescale(*steps)
            now.take_over(was)
        return True

    def _book(
        self,
        event: Message,
        instrument: Instrument,
        whose: tuple[Held, Held],
        name: str,
        trade: Trade,
        restated: str | None = None,
    ) -> None:
        whole, held = whose
        before = held.position.quantity
        ended = held.book(name, trade)
        if whole is not held:
            whole.counts(trade)
        self._books.kept_one()
        self._telling.changed(event, instrument, held, (before, trade, held.position), ended, restated)
        if ended:
            self._telling.closed(event, instrument, held, ended, "" if restated is None else "restated")

    def _trade(self, event: Message, instrument: Instrument) -> Trade:
        """Return what an event says of a trade.

        Raises:
            Inconsistent: it does not fit the instrument.
        """
        lots = units_of(event, "last_qty", instrument.lot)
        ticks = units_of(event, "last_px", instrument.price)
        fee = instrument.fee(event["fee"])
        if fee is None or lots <= 0 or event["currency"] != instrument.units.currency:
            raise Inconsistent(
                f"event {event['seq']}: last_qty {event['last_qty']} must be above 0, fee {event['fee']} must have at "
                f"most {instrument.decimals} decimals, currency {event['currency']} must be {instrument.units.currency}"
            )
        instrument.stirs(event["time"])
        # A part of what was bought pays a fee that is not in money, at the same price.
        paid = 0 if event.get("fee_qty") is None else units_of(event, "fee_qty", instrument.lot)
        position_id = event.get("position_id") or f"{self._partition}-{event['seq']}"
        lots = -lots if event["side"] == "SELL" else lots
        return Trade(lots, instrument.counts(ticks), fee, paid, instrument.session, event["time"], position_id)


def _in(held: Held, trade: Trade) -> Trade:
    """Return a trade as one of the position that it is of: a name for all that such a one ever is."""
    return trade if held.name is None else trade._replace(position_id=held.name)


def units_of(event: Message, name: str, grid: Scale) -> int:
    """Return a number of an event in steps of a grid.

    Raises:
        Inconsistent: it is no whole number of them.
    """
    units = grid.units(event[name])
    if units is None:
        raise Inconsistent(f"event {event['seq']}: {name} {event[name]} must be a multiple of {grid.step}")
    return units


def _name(event: Message, exec_id: str) -> str:
    """Return what names a trade: venues number them as they like, and each order's apart from others'."""
    return f"{event['order_id']} {event[exec_id]}"
