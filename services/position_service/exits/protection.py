"""What protects one position, and how that stands: a record, as a snapshot has it, and the prices that follow from it.

Flows in: what was asked for, as integers of the instrument's grid; a mean price. Flows out: prices (ticks). Never
watches a market, never sends anything.

All prices are mirrored for shorts: a stop is on the losing side, a target on the other. What per cent of a mean price
come to is rounded away from the market, so that nothing is closed before they are reached.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction
from math import ceil, floor
from typing import Any, Final

from fillstream.libs.common.messages.exits import ExitReason
from fillstream.libs.common.values.versions import Document, check_names

Place = tuple[str, str, str | None]
"""A position: its account and symbol, and where the account hedges its position_id."""


@dataclass(slots=True)
class Fired:
    """An exit that was reached.

    Attributes:
        reason: which.
        level: its price (ticks), None of a time.
        client_order_id: of the order that is on its way, None while the next one waits for its time.
        order_id: of it, once it is known.
        attempt: how many orders were sent.
        failed: how many of them in a row closed nothing.
        idle: the last one found that others close, or protect, all that there is.
        closed, value: lots (no sign) that orders of before closed, and their lots times price (ticks), exact.
        now, now_value: likewise, of the one that is on its way.
    """

    reason: ExitReason
    level: int | None
    client_order_id: str | None = None
    order_id: str | None = None
    attempt: int = 0
    failed: int = 0
    idle: bool = False
    closed: int = 0
    value: int = 0
    now: int = 0
    now_value: int = 0


@dataclass(slots=True)
class Protection:
    """What protects one position, or a part of it.

    Attributes:
        id: its number among all that this partition ever had.
        account, symbol, protection_id, position_id: whose, and its names.
        short: that position is below 0.
        quantity: lots of the part, None: all that is held.
        stop, take: prices (ticks).
        stop_share, take_share: or their distance from the mean price, as a share of it.
        trail: how far a trailing stop stays behind (ticks, or basis points where `in_bps`).
        trail_ranges: that distance in average true ranges, until these are known.
        activation: how much better than the mean price (ticks) the mark must be for it to begin.
        even: how much better, for a stop at the mean price.
        limit_ms, exit_ms: when it is closed whatever the price (log time).
        strategy: of the orders.
        began: the trailing stop trails.
        best: the best mark (ticks) it has seen, only in a snapshot: while it is armed its ladder knows.
        evened: the stop is at the mean price, or nearer.
        fired: what was reached.
        hedged: its position is one of several that an account has in an instrument.
    """

    id: int
    account: str
    symbol: str
    protection_id: str
    position_id: str
    short: bool = False
    quantity: int | None = None
    stop: int | None = None
    take: int | None = None
    stop_share: Fraction | None = None
    take_share: Fraction | None = None
    trail: int | None = None
    in_bps: bool = False
    activation: int | None = None
    even: int | None = None
    limit_ms: int | None = None
    exit_ms: int | None = None
    trail_ranges: Fraction | None = None
    strategy: str | None = None
    began: bool = False
    best: int | None = None
    evened: bool = False
    fired: Fired | None = None
    hedged: bool = False

    @property
    def place(self) -> Place:
        """Which position it is of."""
        return self.account, self.symbol, self.position_id if self.hedged else None

    @property
    def waits(self) -> bool:
        """Whether it waits for anything: a price, a time."""
        asked = (self.stop, self.take, self.stop_share, self.take_share, self.trail, self.even, self.limit_ms)
        return self.exit_ms is not None or any(each is not None for each in asked)

    def levels(self, long: bool, mean: Fraction) -> Levels:
        """Return the prices (ticks) that it waits for, of what is held now: long or short, its mean price in ticks."""
        sign = 1 if long else -1

        def at(offset: Fraction | int, away: bool) -> int:
            """Return the price so much better than the mean; `away` from it to the losing side."""
            price = sign * mean + offset  # as of a long: more is better
            return sign * (floor(price) if away else ceil(price))

        stop = self.stop
        if self.stop_share is not None:
            stop = at(-self.stop_share * abs(mean), True)
        moved = False
        if self.evened:
            even = at(0, False)
            moved = stop is None or sign * even > sign * stop
            stop = even if moved else stop
        take = self.take
        if self.take_share is not None:
            take = at(self.take_share * abs(mean), False)
        waits = self.trail is not None and not self.began and self.activation is not None
        return Levels(
            stop,
            moved,
            take,
            at(self.activation, False) if waits and self.activation is not None else None,
            at(self.even, False) if self.even is not None and not self.evened else None,
        )

    def split(self, new: int, old: int) -> None:
        """Let prices be what they are once `new` lots are `old` ones; to the nearest tick, a distance one at least."""
        for name in _PRICES:
            value = getattr(self, name)
            if value is None or (name == "trail" and self.in_bps):
                continue
            ticks = round(Fraction(value * old, new))
            setattr(self, name, max(1, ticks) if name in _DISTANCES else ticks)
        if self.quantity is not None:
            self.quantity = max(1, self.quantity * new // old)
        fired = self.fired
        if fired is not None:  # nothing is on its way: a split is refused while orders work
            fired.level = None if fired.level is None else round(Fraction(fired.level * old, new))
            fired.closed = fired.closed * new // old

    def rescale(self, lots: int, ticks: int) -> None:
        """Count in steps of which so many make a lot and a tick of before."""
        for name in _PRICES:
            value = getattr(self, name)
            if value is not None and not (name == "trail" and self.in_bps):
                setattr(self, name, value * ticks)
        if self.quantity is not None:
            self.quantity *= lots
        fired = self.fired
        if fired is not None:
            fired.level = None if fired.level is None else fired.level * ticks
            fired.closed, fired.now = fired.closed * lots, fired.now * lots
            fired.value, fired.now_value = fired.value * lots * ticks, fired.now_value * lots * ticks


@dataclass(frozen=True, slots=True)
class Levels:
    """Prices (ticks) that a protection waits for; None where it does for none.

    Attributes:
        stop: below (of a long) or at which it closes.
        moved: that is the mean price, since the mark was better by `even`.
        take: above or at which it closes.
        activation: above or at which the trailing stop begins.
        even: above or at which the stop moves to the mean price.
    """

    stop: int | None
    moved: bool
    take: int | None
    activation: int | None
    even: int | None


_PRICES: Final = ("stop", "take", "trail", "activation", "even", "best")
_DISTANCES: Final = ("trail", "activation", "even")
_NAMES: Final = tuple(each.name for each in fields(Protection))
_FIRED: Final = tuple(each.name for each in fields(Fired))
_BIG: Final = frozenset(("quantity", *_PRICES, "level", "closed", "value", "now", "now_value"))
"""Integers that may pass 64 bits."""
_SHARES: Final = frozenset(("stop_share", "take_share", "trail_ranges"))


def dump_protection(protection: Protection, best: int | None) -> Document:
    """Return what is set of it, by the names of its fields."""
    record: Document = {}
    for name in _NAMES:
        value = best if name == "best" else getattr(protection, name)
        if value is None or value is False:
            continue
        if name == "fired":
            value = {each: _written(each, getattr(value, each)) for each in _FIRED}
        record[name] = _written(name, value)
    return record


def load_protection(record: Document) -> Protection:
    """Return what `dump_protection` wrote.

    Raises:
        Unreadable: a name that this release does not know.
    """
    check_names("protection", record, _NAMES, _NAMES[:5])
    values: dict[str, Any] = {name: _read(name, value) for name, value in record.items()}
    fired = record.get("fired")
    if fired is not None:
        check_names("fired", fired, _FIRED, _FIRED)
        said: dict[str, Any] = {name: _read(name, value) for name, value in fired.items()}
        values["fired"] = Fired(**{**said, "reason": ExitReason(fired["reason"])})
    return Protection(**values)


def _written(name: str, value: Any) -> Any:
    return str(value) if value is not None and (name in _BIG or name in _SHARES) else value


def _read(name: str, value: Any) -> Any:
    if value is None:
        return None
    return int(value) if name in _BIG else Fraction(value) if name in _SHARES else value
