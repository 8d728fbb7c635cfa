"""What an account is worth and exposed to, at the marks of now, in its own currency.

Flows in: an account, positions, marks, rates. Flows out: sums of money (units of 10**-MONEY_DECIMALS), exact but for
rates: what is changed into the account's currency is rounded once an instrument, half to even. Never changes anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from fillstream.libs.common.ledger.worth import MONEY_DECIMALS
from fillstream.libs.common.values.money import half_even
from fillstream.services.position_service.accounts.account import Account
from fillstream.services.position_service.books.books import Books
from fillstream.services.position_service.books.instrument import Instrument


@dataclass(slots=True)
class Sums:
    """What an account has.

    Attributes:
        cash: deposits, and what all fills moved, fees taken off; for an inverse contract nothing is paid, and it moves
            what it made.
        equity: that, and positions at their marks.
        unrealized, day: open P&L, and all that was made since each instrument's session before ended.
        longs, shorts: exposure, without signs; of an account that hedges of all its positions in an instrument.
        largest: in one instrument.
        open: how many positions.
        marked: how many of them have a mark.
        stale: how many of them are valued at a mark that is too old.
        missing: a currency without a rate, None where all are known; else what is above is not the whole.
        exposures: of each open instrument, what a half tick's move is worth (signed), in the account's money; of an
            inverse contract, that of half a step of what a lot counts as.
    """

    cash: int
    equity: int
    unrealized: int = 0
    day: int = 0
    longs: int = 0
    shorts: int = 0
    largest: int = 0
    open: int = 0
    marked: int = 0
    stale: int = 0
    missing: str | None = None
    exposures: dict[str, Fraction] = field(default_factory=dict)


def rate(books: Books, currency: str, into: str) -> Fraction | None:
    """Return what a unit of a currency is worth in another, by the mark of the instrument that trades them."""
    if currency == into:
        return Fraction(1)
    straight = books.rates.get((currency, into))
    instrument = straight or books.rates.get((into, currency))
    if instrument is None or instrument.mark is None or instrument.mark <= 0:
        return None
    price = Fraction(instrument.mark, 2) * Fraction(instrument.price.step)
    return price if straight else 1 / price


def sums_of(books: Books, account: Account) -> Sums:
    """Return what an account has now."""
    sums = Sums(account.deposits, account.deposits)
    for symbol in account.symbols:
        instrument = books.instruments[symbol]
        held = instrument.held[account.name]
        position = held.position
        positions = [each.position for each in held.each if each.position.quantity]
        sums.open += len(positions)
        per = rate(books, instrument.units.currency, account.currency)
        if per is None:
            sums.missing = instrument.units.currency
            continue
        unit = per / 10 ** (instrument.decimals - MONEY_DECIMALS)

        def own(money: int, unit: Fraction = unit) -> int:
            return money if unit == 1 else half_even(money * unit.numerator, unit.denominator)

        net = instrument.net(held)
        sums.equity += own(net)
        sums.cash += own(instrument.cash(position) if instrument.inverse is None else instrument.banked(held))
        if held.settled is not None:
            sums.day += own(net - held.settled)
        value = instrument.valued_at(position.quantity)
        if not positions or value is None:
            continue
        sums.marked += len(positions)
        sums.stale += len(positions) if instrument.stale else 0
        for each in positions:
            sums.unrealized += own(instrument.unrealized(each, instrument.realized(each)) or 0)
        if not position.quantity:  # long and short beside it
            continue
        worth = own(abs(position.quantity * value) * instrument.half_tick_lot)
        if position.quantity > 0:
            sums.longs += worth
        else:
            sums.shorts += worth
        sums.largest = max(sums.largest, worth)
        sums.exposures[symbol] = position.quantity * instrument.half_tick_lot * unit
    return sums


def moves_of(instrument: Instrument) -> dict[int, Fraction]:
    """Return by which share what is held became worth more in each session that is remembered, by its day.

    As the mark moved; an inverse contract is worth the less the more that is: up to all of it, down without an end.
    """
    closes = ((before, day, mark) for (_, before), (day, mark) in pairwise(instrument.closes) if before > 0)
    if instrument.inverse is None:
        return {day: Fraction(mark - before, before) for before, day, mark in closes}
    return {day: Fraction(mark - before, mark) for before, day, mark in closes if mark > 0}
