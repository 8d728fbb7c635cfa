"""What an account would be exposed to once an order worked, at worst: all its instruments, in its own currency.

Flows in: a draft, and what the account holds. Flows out: sums of money, in units of 10**-MONEY_DECIMALS. Never changes
anything, never looks at a clock.

Positions are valued at the marks of this very entry, so an account that has such a limit pays for each instrument that
it ever traded, and nobody else does. Every sum is of what working orders may still become: of each instrument the
larger of what is held with all working purchases, and with all working sales.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from fillstream.libs.common.engine.frames import MAX_PRICE
from fillstream.libs.common.messages.codes import AccountType
from fillstream.libs.common.values.rational import Rational
from fillstream.services.order_service.orders.compiled import MONEY_DECIMALS
from fillstream.services.order_service.orders.holding.holdings import FEE_UNITS, Holding, Holdings, reserved, waits_at
from fillstream.services.order_service.orders.holding.strategies import Share
from fillstream.services.order_service.orders.rules.rule import Draft

MAX_TIME_MS = 1 << 62
NO_LIMIT = 1 << 200
"""Room of an account in whose currency no limit of its own is: those of its strategies are counted by themselves."""


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
        mark, per_lot, per_fee: of the order's instrument: what a lot counts as at its mark, in half units (half ticks);
            money of a half unit of a lot with the highest fee, and of a fee's unit, in the account's currency, rounded
            up.
        until_ms: up to when this would be counted alike, if nothing happens to the account and no mark moves.
        spends: the most that a purchase takes beyond what is reserved of it, in ticks times lots.
        free: cash that no working purchase may still take, this order's included, fees at their highest.
    """

    __slots__ = (
        "equity", "free", "gross", "longest", "mark", "missing", "net_before", "per_fee", "per_lot", "sector",
        "shortest", "spends", "symbol", "today", "until_ms", "worse",
    )  # fmt: skip

    def __init__(self, cash: int) -> None:
        self.missing: str | None = None
        self.worse = False
        self.symbol = self.sector = self.gross = self.longest = self.shortest = self.net_before = self.today = 0
        self.spends = self.mark = self.per_lot = self.per_fee = 0
        self.until_ms = MAX_TIME_MS
        self.equity = self.free = cash


def equity_of(draft: Draft, holdings: Holdings) -> Fraction | None:
    """Return an account's equity in the currency of the draft's instrument; None where a rate or positions are missing.

    The draft asks for nothing yet: its `lots` are 0.
    """
    limits = draft.limits
    if not limits.holding.account.known:
        return None
    sums = sums_of(draft, holdings)
    if sums.missing is not None:
        return None
    equity = Fraction(sums.equity, 10**MONEY_DECIMALS)
    own, its = limits.account.currency, limits.terms.currency
    if own == its:
        return equity
    rate = holdings.rate(own, its, draft.ms, limits.max_quote_age_ms)
    return None if rate is None else equity * rate[0] / rate[1]


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
    currency = limits.account.currency
    for holding in account.holdings.values():
        quantity = holding.quantity
        longest, shortest = quantity + holding.buys, quantity - holding.sells
        if holding is not own and not (longest or shortest or holding.cash or holding.fees or holding.opening):
            continue
        instrument = holding.instrument
        over = under = 1
        if instrument.currency != currency:
            rate = holdings.rate(instrument.currency, currency, draft.ms, limits.max_quote_age_ms)
            if rate is None:
                sums.missing = instrument.currency
                return sums
            over, under, until_ms = rate
            sums.until_ms = min(sums.until_ms, until_ms)
        if instrument.mark is None:  # what it is valued at changes with every order and fill
            sums.until_ms = 0
        unit, mark = instrument.half_tick_lot * over, holding.valued_at
        if holding is own:
            mark = mark or _price_asked(draft)
            longest, shortest = _with_order(draft, sums, longest, shortest)
            _weigh(draft, sums, mark, unit, over, under)
        size = unit * abs(mark)
        worth = -(-size * max(longest, -shortest, 0) // under)  # rounded up
        sums.gross += worth
        if holding is own:
            sums.symbol = worth
        if instrument.sector is not None and instrument.sector == own.instrument.sector:
            sums.sector += worth
        sums.longest += -(-size * longest // under)
        sums.shortest += size * shortest // under
        cash = 2 * holding.cash * unit - holding.fees * FEE_UNITS * over
        made = (cash + quantity * mark * unit) // under
        sums.equity += made
        sums.today += made - holding.opening * over // under
        if instrument.inverse is not None:  # nothing is paid for one: what is realized is all that it moved
            sums.free += holding.realized * 2 * unit // under - holding.fees * FEE_UNITS * over // under
            continue
        sums.free += cash // under
        if buying := holding.buy_value + (sums.spends if holding is own else 0):
            fee, per = instrument.fee
            sums.free += -(2 * buying * unit * (per + fee)) // (per * under)
    sums.net_before = (sums.longest if draft.buy else sums.shortest) - sums.net_before
    return sums


class StrategySums:
    """What one strategy of an account is exposed to with one order more.

    Attributes:
        missing, worse, gross, longest, shortest: as `Sums` has them.
        adds: lots that come to what works.
    """

    __slots__ = ("adds", "gross", "longest", "missing", "shortest", "worse")

    def __init__(self) -> None:
        self.missing: str | None = None
        self.worse = False
        self.adds = self.gross = self.longest = self.shortest = 0


def strategy_sums_of(draft: Draft, holdings: Holdings) -> StrategySums:
    """Return the sums of a draft's strategy, which it has, with the order that is asked for."""
    limits, sums = draft.limits, StrategySums()
    account, symbol, currency = limits.holding.account, draft.terms.symbol, limits.account.currency
    assert account.shares is not None and draft.strategy is not None, "the rule is about those that have both"
    shares = account.shares.of(draft.strategy)
    own = shares.get(symbol, _NO_SHARE)
    sums.adds = more = added(draft)
    longest, shortest = own.quantity + own.buys, own.quantity - own.sells
    before = max(longest, -shortest, 0)
    longest, shortest = (longest + more, shortest) if draft.buy else (longest, shortest - more)
    sums.worse = max(longest, -shortest, 0) > before
    for each, share in {**shares, symbol: own}.items():
        instrument = holdings.instruments[each]
        over = under = 1
        if instrument.currency != currency:
            rate = holdings.rate(instrument.currency, currency, draft.ms, limits.max_quote_age_ms)
            if rate is None:
                sums.missing = instrument.currency
                return sums
            over, under, _ = rate
        size = instrument.half_tick_lot * over * abs(share.valued_at(instrument.counts_at(instrument.mark)))
        if share is own:
            size = size or instrument.half_tick_lot * over * abs(_price_asked(draft))
            most, least = longest, shortest
        else:
            most, least = share.quantity + share.buys, share.quantity - share.sells
        sums.gross += -(-size * max(most, -least, 0) // under)  # rounded up
        sums.longest += -(-size * most // under)
        sums.shortest += size * least // under
    return sums


_NO_SHARE = Share()


def _price_asked(draft: Draft) -> int:
    """Return what a lot of the order counts as, in half units: nobody quotes it, and nothing is held or works."""
    return draft.limits.holding.instrument.signed(2 * draft.worth // draft.lots) if draft.lots else 0


def _with_order(draft: Draft, sums: Sums, longest: int, shortest: int) -> tuple[int, int]:
    """Return what the position may become with the order, and note what that changes."""
    more, before = added(draft), max(longest, -shortest, 0)
    if draft.buy:
        longest += more
        sums.spends = _value_added(draft)
    else:
        shortest -= more
    sums.worse = max(longest, -shortest, 0) > before
    return longest, shortest


def _weigh(draft: Draft, sums: Sums, mark: int, unit: Rational, over: int, under: int) -> None:
    """Note what a lot more of the order's instrument is worth, and all lots that the order adds."""
    fee, per = draft.limits.holding.instrument.fee
    sums.mark = mark
    sums.per_lot = -(-unit * (per + fee) // (per * under))
    sums.per_fee = -(-FEE_UNITS * over // under)
    more = added(draft) if draft.buy else -added(draft)
    sums.net_before = -(-unit * abs(mark) * more // under)


# ------------------------------------------------------------------------------------------ without counting it all


def fits(draft: Draft, holdings: Holdings) -> bool:
    """Say whether a new order is for sure within all limits in its account's currency, by what the last count left.

    An order adds to no sum more than its lots at the larger of its price and the mark; what its fills then cost beyond
    the mark is taken off as they come. So it needs no new count while no mark has moved, nothing but orders and their
    fills has happened to the account, and what is left is enough. A count would say the same.
    """
    holding = draft.limits.holding
    account = holding.account
    room = account.room
    if (
        room <= 0
        or draft.terms.fees is not None  # they are no share of the value
        or draft.order is not None
        or holding.checked != account.check
        or account.version != holdings.version
        or draft.ms > account.until_ms
        # A sale of a cash account is held against what it holds, and not against money.
        or (not draft.buy and draft.limits.account.account_type is AccountType.CASH)
    ):
        return False
    mark = holding.at
    cost = draft.lots * (abs(mark) + abs(2 * draft.ticks - mark)) * holding.per_lot
    if cost > room:
        return False
    account.room = room - cost
    return True


def remember(draft: Draft, sums: Sums, holdings: Holdings) -> None:
    """Remember what a count left of all limits, the order that it was for included; it passed them."""
    holding = draft.limits.holding
    account = holding.account
    if sums.missing is not None or draft.order is not None:
        account.room = -1
        return
    room = min(_left(draft, sums), default=NO_LIMIT)
    goes_on = account.room > 0 and account.version == holdings.version and draft.ms <= account.until_ms
    if goes_on and holding.checked != account.check:
        account.room = min(account.room, room)
        account.until_ms = min(account.until_ms, sums.until_ms)
    else:
        account.check += 1
        account.room, account.version, account.until_ms = room, holdings.version, sums.until_ms
    holding.checked = account.check
    holding.at, holding.per_lot, holding.per_fee = sums.mark, sums.per_lot, sums.per_fee


def _left(draft: Draft, sums: Sums) -> Iterator[int]:
    """Yield the money that each limit leaves."""
    bounds, account = draft.limits.bounds, draft.limits.account
    for name, value in (
        ("max_symbol_exposure", sums.symbol),
        ("max_sector_exposure", sums.sector),
        ("max_gross_exposure", sums.gross),
        ("max_net_exposure", sums.longest),
        ("max_net_exposure", -sums.shortest),
        ("max_daily_loss", -sums.today),
    ):
        if name in bounds:
            yield bounds[name] - value
    if account.account_type is AccountType.CASH:
        yield sums.free
    elif account.account_type is AccountType.MARGIN:
        numerator, denominator = account.initial_margin.as_integer_ratio()
        yield sums.equity + -sums.gross * numerator // denominator


def _value_added(draft: Draft) -> int:
    """Return what a purchase may cost beyond what is reserved of it, in ticks times lots."""
    order, ticks = draft.order, draft.ticks
    if abs(ticks) >= MAX_PRICE:
        ticks = waits_at(draft.special, ticks)
    if order is None:
        return reserved(draft.terms, draft.lots, ticks)
    lots = max(draft.lots - order.cum, order.open_lots)
    dearer = max(reserved(draft.terms, lots, each) for each in (ticks, order.open_price))
    return max(0, dearer - reserved(draft.terms, order.open_lots, order.open_price))


def covered(holding: Holding, sells: int) -> bool:
    """Say whether an account holds all that its working sales, and `sells` lots more, may sell."""
    return holding.quantity - holding.sells - sells >= 0
