"""A position, booked again in the plainest way: every trade it ever had, one after the other, in Decimals.

Flows in: trades and splits, in the order in which they were told. Flows out: what is held, what it cost by the
account's method, and the positions that came to their end. Never uses a service's code, never does anything fast: where
a trade is taken back, all others are booked again from the first one on.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

NONE = Decimal(0)
Name = tuple[str, ...]


class Leg(NamedTuple):
    """A trade as positions are to book it: what was sold, and what is taken back of a purchase, is below 0."""

    account: str
    symbol: str
    signed: Decimal
    price: Decimal
    fee: Decimal
    paid: Decimal
    """Of what was bought that paid the fee."""
    time: int
    trade: Name
    """What it is, or what it takes back, or changes."""


@dataclass(slots=True)
class NaiveTrip:
    """What happened between two moments at which nothing was held."""

    time: int
    side: str
    peak: Decimal = NONE
    entered: Decimal = NONE
    entry_value: Decimal = NONE
    exited: Decimal = NONE
    exit_value: Decimal = NONE


@dataclass(slots=True)
class NaivePosition:
    """One account's position in one instrument."""

    method: str
    inverse: bool = False
    """Whether a unit counts as -1 / price, and not as its price."""
    quantity: Decimal = NONE
    cost: Decimal = NONE
    cash: Decimal = NONE
    """Without the multiplier, and without fees."""
    fees: Decimal = NONE
    open: list[tuple[Decimal, Decimal]] = field(default_factory=list)
    trips: list[NaiveTrip] = field(default_factory=list)
    on: NaiveTrip | None = None
    booked: dict[Name, Leg | tuple[Decimal, Decimal] | NaivePosition | None] = field(default_factory=dict)

    @property
    def mean(self) -> Decimal:
        """The price at which a unit costs what one of what is held did; 0 of nothing."""
        return self.price_of(self.cost, self.quantity) if self.quantity else NONE

    def counts(self, price: Decimal) -> Decimal:
        """Return what a unit counts as at a price."""
        return -1 / price if self.inverse else price

    def price_of(self, value: Decimal, quantity: Decimal) -> Decimal:
        """Return the price at which so much counts as so much."""
        return -quantity / value if self.inverse else value / quantity

    def book(self, leg: Leg) -> str:
        """Book a trade at the end; return what it did."""
        self.booked[*leg.trade, str(len(self.booked))] = leg
        return self._leg(leg)

    def rebook(self, leg: Leg) -> str:
        """Take a trade out from where it is, or put in there what it is now; return what that did."""
        before = self.quantity
        name = next(name for name in self.booked if name[:2] == leg.trade)
        self.booked[name] = None if self.booked[name] is not None else leg
        again = NaivePosition(self.method, self.inverse)
        for each in self.booked.values():
            if isinstance(each, Leg):
                again._leg(each)
            elif isinstance(each, NaivePosition):
                again._take_over(each)
            elif each is not None:
                again._split(*each)
        again.booked = self.booked
        for slot in self.__slots__:
            setattr(self, slot, getattr(again, slot))
        return change_of(before, before + leg.signed)

    def split(self, new: Decimal, old: Decimal) -> None:
        """Make so many of so many."""
        self.booked["split", str(len(self.booked))] = (new, old)
        self._split(new, old)

    def leave(self) -> NaivePosition:
        """Be nothing any more, as if nothing had ever been; return what there was."""
        left, nothing = copy(self), NaivePosition(self.method, self.inverse)
        for slot in self.__slots__:
            setattr(self, slot, getattr(nothing, slot))
        return left

    def take_over(self, other: NaivePosition) -> None:
        """Go on with what another one was that left."""
        self.booked["renamed", str(len(self.booked))] = other
        self._take_over(other)

    def _take_over(self, other: NaivePosition) -> None:
        self.quantity, self.cost, self.open = other.quantity, other.cost, [*other.open]
        self.cash += other.cash
        self.fees += other.fees
        self.on = None if other.on is None else replace(other.on)

    def _split(self, new: Decimal, old: Decimal) -> None:
        self.quantity = self.quantity * new / old
        self.open = [(quantity * new / old, price * old / new) for quantity, price in self.open]
        if self.on is not None:
            for name in ("peak", "entered", "exited"):
                setattr(self.on, name, getattr(self.on, name) * new / old)

    def _leg(self, leg: Leg) -> str:
        before = self.quantity
        self.fees += leg.fee
        self._trade(leg.signed, self.counts(leg.price), leg.time)
        if leg.paid:
            self._trade(-leg.paid, self.counts(leg.price), leg.time)
        return change_of(before, before + leg.signed)

    def _trade(self, signed: Decimal, counts: Decimal, time: int) -> None:
        self.cash -= signed * counts
        if self.quantity * signed < 0:
            closing = min(abs(signed), abs(self.quantity)).copy_sign(signed)
            self._close(closing, counts)
            signed -= closing
        if signed:
            self.quantity += signed
            self.cost += signed * counts
            if self.method != "AVERAGE":
                self.open.append((signed, counts))
            if self.on is None:
                self.on = NaiveTrip(time, "BUY" if signed > 0 else "SELL")
            self.on.entered += abs(signed)
            self.on.entry_value += abs(signed) * counts
            self.on.peak = max(self.on.peak, abs(self.quantity))

    def _close(self, signed: Decimal, counts: Decimal) -> None:
        trip = self.on
        assert trip is not None, "something is held"
        trip.exited += abs(signed)
        trip.exit_value += abs(signed) * counts
        if self.method == "AVERAGE":
            self.cost += self.cost / self.quantity * signed
        left = -signed
        while left and self.method != "AVERAGE":
            last = -1 if self.method == "LIFO" else 0
            quantity, paid = self.open[last]
            part = min(abs(left), abs(quantity)).copy_sign(left)
            self.cost -= part * paid
            left -= part
            if part == quantity:
                del self.open[last]
            else:
                self.open[last] = (quantity - part, paid)
        self.quantity += signed
        if not self.quantity:
            self.cost = NONE
            self.open.clear()
            self.trips.append(trip)
            self.on = None


def change_of(before: Decimal, after: Decimal) -> str:
    """Return what makes so much of so much does to a position."""
    if not before:
        return "opened"
    if not after:
        return "closed"
    if (before > 0) != (after > 0):
        return "flipped"
    return "increased" if abs(after) > abs(before) else "reduced"
