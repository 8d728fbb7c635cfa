"""What an account would be exposed to once an order worked, at worst: all its instruments, in its own currency.

Flows in: a draft, and what the account holds. Flows out: sums of money, in units of 10**-MONEY_DECIMALS. Never changes
anything, never looks at a clock.

Positions are valued at the marks of this very entry, so an account that has such a limit pays for each instrument that
it ever traded, and nobody else does. Every sum is of what working orders may still become: of each instrument the
larger of what is held with all working purchases, and with all working sales.
"""

from __future__ import annotations

from fillstream.libs.common.engine.frames import MAX_PRICE
from fillstream.services.order_service.orders.holdings import FEE_UNITS, Holding, Holdings, waits_at
from fillstream.services.order_service.orders.rules.rule import Draft


class Sums:
    """What an account is exposed to with one order more.

    Attributes:
        missing: a currency that there is no fresh rate of, None when there is one of each; else nothing below counts.
        worse: the position in the order's instrument could become larger than it could without the order.
        symbol, sector, gross: exposure in the order's instrument, in its sector and in all, without signs.
        longest, shortest: net exposure with all working purchases, and with all working sales.
        net_before: that of the two which the order changes, as it is without the order.
        equity: cash, and all that was made at today's marks.
        today: what was made since the day began.
        spends: the most that a purchase takes beyond what is reserved of it, in ticks times lots.
        free: cash that no working purchase may still take, this order's included, fees at their highest.
    """

    __slots__ = (
        "equity", "free", "gross", "longest", "missing", "net_before", "sector", "shortest", "spends", "symbol",
        "today", "worse",
    )  # fmt: skip

    def __init__(self, cash: int) -> None:
        self.missing: str | None = None
        self.worse = False
        self.symbol = self.sector = self.gross = self.longest = self.shortest = self.net_before = self.today = 0
        self.spends = 0
        self.equity = self.free = cash


def added(draft: Draft) -> int:
    """Return the lots that an order adds to what works at worst: of an amendment, beyond what is counted of it."""
    order = draft.order
    return draft.lots if order is None else max(0, draft.lots - order.cum - order.open_lots)


def sums_of(draft: Draft, holdings: Holdings) -> Sums:
    """Return the sums of a draft's account with the order that is asked for."""
    limits = draft.limits
    own = limits.holding
    account = own.account
    sums = Sums(account.cash)
    more = added(draft)
    buys, sells = (more, 0) if draft.buy else (0, more)
    currency = limits.account.currency
    for holding in account.holdings.values():
        quantity = holding.quantity
        longest, shortest = quantity + holding.buys, quantity - holding.sells
        mark = holding.valued_at
        buying = holding.buy_value
        if holding is own:
            before = max(longest, -shortest, 0)
            longest += buys
            shortest -= sells
            sums.worse = max(longest, -shortest, 0) > before
            if not mark and draft.lots:  # nobody quotes it, and nothing of it is held or works
                mark = 2 * draft.worth // draft.lots
            if draft.buy:
                sums.spends = _value_added(draft)
                buying += sums.spends
        elif not (longest or shortest or holding.cash or holding.fees):
            continue
        instrument = holding.instrument
        unit = instrument.half_tick_lot
        numerator = denominator = 1
        if instrument.currency != currency:
            rate = holdings.rate(instrument.currency, currency, draft.ms, limits.max_quote_age_ms)
            if rate is None:
                sums.missing = instrument.currency
                return sums
            numerator, denominator = rate
            unit *= numerator
        size = unit * abs(mark)
        worth = -(-size * max(longest, -shortest, 0) // denominator)  # rounded up
        sums.gross += worth
        if holding is own:
            sums.symbol = worth
            change = buys if draft.buy else -sells
            sums.net_before = -(-size * change // denominator)
        if instrument.sector is not None and instrument.sector == own.instrument.sector:
            sums.sector += worth
        sums.longest += -(-size * longest // denominator)
        sums.shortest += size * shortest // denominator
        fees = holding.fees * FEE_UNITS * numerator
        cash = 2 * holding.cash * unit - fees
        made = (cash + quantity * mark * unit) // denominator
        sums.equity += made
        sums.today += made - holding.opening * numerator // denominator
        sums.free += cash // denominator
        if buying:
            value = 2 * buying * unit
            fee, per = instrument.fee
            sums.free += -(value * (per + fee)) // (per * denominator)
    sums.net_before = (sums.longest if draft.buy else sums.shortest) - sums.net_before
    return sums


def _value_added(draft: Draft) -> int:
    """Return what a purchase may cost beyond what is reserved of it, in ticks times lots."""
    order, ticks = draft.order, draft.ticks
    if abs(ticks) >= MAX_PRICE:
        ticks = waits_at(draft.special, ticks)
    if order is None:
        return draft.lots * abs(ticks)
    lots = max(draft.lots - order.cum, order.open_lots)
    return max(0, lots * max(abs(ticks), abs(order.open_price)) - order.open_lots * abs(order.open_price))


def covered(holding: Holding, sells: int) -> bool:
    """Say whether an account holds all that its working sales, and `sells` lots more, may sell."""
    return holding.quantity - holding.sells - sells >= 0
