"""What positions are valued at, and when that is told: at once, and then at most so often as their instrument says.

Flows in: quotes, times. Flows out: marks, and what is told of open positions. Never books anything.
"""

from __future__ import annotations

from collections.abc import Callable

from fillstream.libs.common.messages.codes import MarkPrice
from fillstream.libs.common.runtime.stage import MOST_OUTPUTS
from fillstream.services.position_service.booking import units_of
from fillstream.services.position_service.books.books import MARK, Books
from fillstream.services.position_service.books.instrument import Instrument
from fillstream.services.position_service.telling import Message, Telling


class Marking:
    """The part of the fold that marks.

    Args:
        books: have the positions.
        telling: told what they are worth.
        touch: told the account of each position that is told.
    """

    __slots__ = ("_books", "_telling", "_touch")

    def __init__(self, books: Books, telling: Telling, touch: Callable[[str], None]) -> None:
        self._touch = touch
        self._books = books
        self._telling = telling

    def quoted(self, event: Message, instrument: Instrument) -> bool:
        """Take a quote of the instrument's own venue: others quote it, too, and an instrument has one market.

        Returns: whether a bar of its true range has ended.
        """
        instrument.stirs(event["time"])
        instrument.outdated = False
        grid = instrument.price
        bid, ask = event["bid_px"], event["ask_px"]
        if bid is not None and (bid := grid.units(bid)) is None:
            bid = units_of(event, "bid_px", grid)  # which says what is wrong with it
        if ask is not None and (ask := grid.units(ask)) is None:
            ask = units_of(event, "ask_px", grid)
        last = None
        if event["last_px"] is not None and (bid is None or ask is None or instrument.marked_by is MarkPrice.LAST):
            last = units_of(event, "last_px", grid)  # else nobody asks for it, as nearly always
        moved, ended = instrument.mark_at(bid, ask, last), False
        if instrument.stale:
            instrument.stale, moved = False, True
        if instrument.true_range is not None and instrument.mark is not None:
            ended = instrument.true_range.see(event["time"], instrument.mark)
        if moved and instrument.held:
            self._moved(instrument)
        return ended

    def aged(self, instrument: Instrument) -> None:
        """Take note that the instrument's own venue does not quote it any more: who is valued by that is told."""
        instrument.stale = True
        if instrument.held and instrument.mark is not None:
            self._moved(instrument)

    def _moved(self, instrument: Instrument) -> None:
        """See to it that open positions are told of the mark, now or when their turn is."""
        if instrument.moved:
            return  # it is seen to already, by a timer or by who tells them of the mark before
        instrument.moved = True
        ms, due_ms = self._telling.ms, instrument.told_ms + instrument.interval_ms
        if due_ms > ms or instrument.telling:
            self._books.timers.add_once(max(due_ms, ms), instrument.id, MARK)
        else:
            self._tell(instrument, MOST_OUTPUTS)

    def due(self, number: int, most: int) -> int:
        """Tell so many positions of an instrument whose turn it is; return how many messages that were.

        What is more than one entry may send, the next one does, at once.
        """
        return self._tell(self._books.numbers[number], most)

    def _tell(self, instrument: Instrument, most: int) -> int:
        """Tell so many open positions of the newest mark; return how many were told, 1 at least."""
        ms = self._telling.ms
        if not instrument.telling:
            instrument.moved = False
            instrument.telling = [
                (account, held.name)
                for account, whole in instrument.held.items()
                for held in whole.each
                if held.position.quantity
            ]
        turn, instrument.telling = instrument.telling[:most], instrument.telling[most:]
        for account, position_id in turn:
            held = instrument.of(account, position_id)
            if held is not None and held.position.quantity:
                instrument.see(held)
                self._telling.marked(account, instrument, held)
                self._touch(account)
        instrument.told_ms = ms
        if instrument.telling:
            self._books.timers.add(ms, instrument.id, MARK)
        elif instrument.moved:
            self._books.timers.add_once(ms + instrument.interval_ms, instrument.id, MARK)
        return max(1, len(turn))
