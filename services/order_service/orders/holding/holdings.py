"""What each account holds, and what its working orders may make of that: kept from the very fills that are journaled.

Flows in: orders after what happened to them, fills, cash that comes or goes, terms. Flows out: what rules ask for, of
one position in one step, however many orders work. Never decides about an order, never emits anything.

Positions are kept of every account, always: they come from all fills there ever were, and nobody could recount them.
What works is kept of those accounts only whose terms need it (`Account.kept`): it is recounted from the orders when
such a term comes, while orders of all other accounts pay for one look at a flag.

A working order counts with the most that it may still become. While an amendment is pending, that is the larger of both
quantities at the more expensive of both prices: the venue may fill either.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any

from fillstream.libs.common.engine.frames import MAX_PRICE
from fillstream.libs.common.ledger.average import Position
from fillstream.libs.common.ledger.inverse import Inverse, inverse_of, value_of_step
from fillstream.libs.common.ledger.mark import mark_of
from fillstream.libs.common.messages.codes import PRICELESS, AccountType, OrderType, PositionMode, TimeInForce
from fillstream.libs.common.messages.reference import BPS, DAY_MS, AccountTerms, InstrumentTerms
from fillstream.libs.common.values.money import FEE_DECIMALS, multiply
from fillstream.libs.common.values.rational import Rational, simplest
from fillstream.services.order_service.orders.compiled import MONEY_DECIMALS, MONEY_UNIT, Quote, Terms
from fillstream.services.order_service.orders.control.standing import ACTIVE, REDUCING, Standing
from fillstream.services.order_service.orders.holding import hedged
from fillstream.services.order_service.orders.holding.ladder import Ladder
from fillstream.services.order_service.orders.holding.strategies import Shares, needs_strategies
from fillstream.services.order_service.orders.life.order import FINAL, GONE, Order
from fillstream.services.order_service.orders.life.special import Special

FEE_UNITS: int = 10 ** (MONEY_DECIMALS - FEE_DECIMALS)
_AT_ONCE = frozenset((TimeInForce.IOC.value, TimeInForce.FOK.value))
_LIMIT = OrderType.LIMIT.value
MINUTE_MS = 60_000
ENDLESS_MS = 1 << 60
"""A day that ends by a timer and not by itself."""
MAX_RECENT = 100_000
"""So many orders of an account are compared at least with a new one that may be their duplicate, the newest."""


class Instrument:
    """What an instrument's positions are worth: one for all accounts, and changed as its terms change.

    Attributes:
        symbol, currency, sector, base_currency: as its terms have them.
        inverse: what values a lot of an inverse contract; None of all others, of which a lot counts as its ticks.
        half_tick_lot: money of half a unit of what lots count as, of half a tick-lot: a mid is in half ticks.
        tick: of its prices, as numerator and denominator: what a rate is counted in.
        fee: the highest that a fill may cost, as a share of its value: numerator and denominator.
        quote: the one that marks it, at its home venue.
        mark: in half ticks, as the journal told it last: the one that the position service counts with, too. None
            before the first, and while no account's limits need it.
    """

    __slots__ = (
        "base_currency", "currency", "fee", "half_tick_lot", "inverse", "mark", "quote", "sector", "symbol", "tick",
    )  # fmt: skip

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.currency = ""
        self.sector: str | None = None
        self.base_currency: str | None = None
        self.inverse: Inverse | None = None
        self.half_tick_lot: Rational = 0
        self.tick = (1, 1)
        self.fee = (0, 1)
        self.quote = Quote()
        self.mark: int | None = None

    def define(self, terms: InstrumentTerms, quote: Quote, fee_bps: Decimal) -> None:
        """Take its terms, the quote that marks it, and the highest fee."""
        self.fee = (max(Fraction(fee_bps), Fraction(0)) / BPS).as_integer_ratio()
        self.currency, self.sector, self.base_currency = terms.currency, terms.sector, terms.base_currency
        self.inverse = inverse_of(terms)
        half = value_of_step(terms) * 10**MONEY_DECIMALS / 2
        self.half_tick_lot = ceil(half) if self.inverse is None else simplest(half)
        self.tick = Fraction(terms.tick_size).as_integer_ratio()
        self.quote = quote

    @property
    def marked(self) -> int | None:
        """The mark in half ticks that its quote gives now."""
        quote = self.quote
        return mark_of(quote.bid if quote.bid_qty else None, quote.ask if quote.ask_qty else None, quote.last)

    def counts_at(self, mark: int | None) -> int | None:
        """Return what a lot counts as at a mark (half ticks), in half units."""
        return mark if mark is None or self.inverse is None else self.inverse.half_steps(mark)

    def counts(self, ticks: int) -> int:
        """Return what a lot that trades at a price counts as."""
        return ticks if self.inverse is None else self.inverse.value(ticks)

    def signed(self, size: int) -> int:
        """Return what a lot of so much worth counts as: of an inverse contract below 0."""
        return size if self.inverse is None else -size


class Holding(Position, hedged.Held):
    """One account's position in one instrument, and what works there.

    Attributes:
        account, instrument: whose, and of what.
        kept: the account's: whether what works is counted.
        buys, sells: lots that working orders may still buy and sell.
        buy_value, sell_value: what these are worth at their orders' prices (`Terms.worth`).
        bids, asks: prices of its resting orders, None unless the account refuses to cross itself.
        opening: P&L when the account's day began, in money; see `Account`.
        checked: the account's check (`Account.check`) that this holding was part of.
        covered: of how many positions brackets have exits, one at most unless its account hedges; it is `kept` then.
        hedged: the positions that make it up, where its account hedges and is `kept` therefore; None of all others.
        at, per_lot, per_fee: with which mark, at what money a half tick of a lot and a unit of a fee.
    """

    __slots__ = (
        "account", "asks", "at", "bids", "buy_value", "buys", "checked", "covered", "hedged", "instrument", "kept",
        "opening", "per_fee", "per_lot", "sell_value", "sells",
    )  # fmt: skip

    def __init__(self, account: Account, instrument: Instrument) -> None:
        super().__init__()
        self.account = account
        self.instrument = instrument
        self.covered = 0
        self.hedged: hedged.Positions | None = None
        self.opening = self.checked = self.at = self.per_lot = self.per_fee = 0
        self.clear()

    def clear(self) -> None:
        """Count nothing that works."""
        account = self.account
        self.kept = account.kept
        self.buys = self.sells = self.buy_value = self.sell_value = 0
        self.bids = Ladder(-1) if account.crossing else None
        self.asks = Ladder(1) if account.crossing else None
        if account.hedges:
            self.hedged = hedged.only_held(self.hedged or {})

    # What a lot counts as (`counts`) is its price in ticks, but of an inverse contract: see `ledger.inverse`.

    def spend(self, order: Order, counts: int, lots: int, fee: int) -> None:
        """Take what a fill costs off the account's room: what it is dearer than the mark, and its fee."""
        account = self.account
        if lots > order.open_lots or self.checked != account.check:  # the first where its end was told before
            account.room = -1
        elif account.room > 0:
            account.room -= lots * abs(2 * counts - self.at) * self.per_lot
            if fee > 0:
                account.room -= fee * self.per_fee

    def untraded(self, buy: bool, counts: int, lots: int, fee: int) -> None:
        """Take a fill back: quantity, cash and fees are as if it had never been, the mean cost as by a trade back."""
        self.fill(-lots if buy else lots, counts)
        self.fees -= fee
        self.account.room = -1  # what was counted with it is no more

    def share_traded(self, strategy: str | None, lots: int, counts: int) -> None:
        """Book a trade (bought lots above 0) as its strategy's, where the account's limits count these."""
        shares = self.account.shares
        if shares is not None and strategy is not None:
            shares.traded(strategy, self.instrument.symbol, lots, counts)

    def recount(self, order: Order) -> None:
        """Count what an order may still do, after anything happened to it. The account is `kept`."""
        status = order.status
        lots = 0 if status in FINAL else order.quantity - order.cum
        price = order.price
        amendment = order.amendment
        if amendment is None and -MAX_PRICE < price < MAX_PRICE:  # as nearly always
            if lots != order.open_lots or (lots and price != order.open_price):
                self._count(order, lots, price)
            return
        if price >= MAX_PRICE or price <= -MAX_PRICE:
            price = waits_at(order.special, price)
        if amendment is not None and status not in GONE:
            lots = max(lots, amendment.quantity - order.cum)
            bounded = -MAX_PRICE < amendment.price < MAX_PRICE
            to = amendment.price if bounded else price if amendment.stop is None else amendment.stop
            price = (max if order.side == "BUY" else min)(price, to)
        if lots != order.open_lots or (lots and price != order.open_price):
            self._count(order, lots, price)

    def share_out(self, order: Order) -> None:
        """Count an order anew of which others of its family have more or less than before. The account is `kept`."""
        lots = 0 if order.status in FINAL else order.quantity - order.cum
        price = order.price
        if price >= MAX_PRICE or price <= -MAX_PRICE:
            price = waits_at(order.special, price)
        if order.out or lots != order.open_lots or (lots and price != order.open_price):
            self._count(order, lots, price)

    def _count(self, order: Order, lots: int, price: int) -> None:
        if order.out:  # others of its family have them, and count them
            lots = max(0, lots - order.out)
            if lots == order.open_lots and (not lots or price == order.open_price):
                return
        was, at = order.open_lots, order.open_price
        value = lots * abs(price) - was * abs(at)
        if order.terms.fees is not None:
            value = reserved(order.terms, lots, price) - reserved(order.terms, was, at)
        if order.side == "BUY":
            self.buys += lots - was
            self.buy_value += value
            ladder = self.bids
        else:
            self.sells += lots - was
            self.sell_value += value
            ladder = self.asks
        # Of the others none rests before it has come, and then only some do.
        if ladder is not None and order.order_type == _LIMIT and order.time_in_force not in _AT_ONCE:
            if lots:
                ladder.add(price)
            if was:
                ladder.remove(at)
        account = self.account
        if account.shares is not None and order.strategy is not None:
            more = order.terms.worth(price, lots) - order.terms.worth(at, was)
            account.shares.works(order.strategy, self.instrument.symbol, order.side == "BUY", lots, was, more)
        if self.hedged is not None:
            hedged.works(self.hedged, hedged.name_of(order), order.side == "BUY", lots - was)
        if not was:
            account.open_orders += 1
        elif not lots:
            account.open_orders -= 1
        elif lots > was or value > 0:  # what no rule counted as that of a new order
            account.room = -1
        order.open_lots, order.open_price = lots, price

    def part(self, position_id: str | None) -> hedged.Held:
        """Return a position of an account that hedges to look at; of any other there is this one alone."""
        return self if self.hedged is None else hedged.of(self.hedged, position_id)

    @property
    def valued_at(self) -> int:
        """What a lot counts as, in half units: the mark; without one what was paid or is asked for."""
        instrument = self.instrument
        mark = instrument.mark
        if mark is not None:
            return mark if instrument.inverse is None else instrument.inverse.half_steps(mark)
        if self.quantity:
            return instrument.signed(2 * abs(self.cost) // (self.denominator * abs(self.quantity)))
        lots = self.buys + self.sells
        return instrument.signed(2 * (self.buy_value + self.sell_value) // lots) if lots else 0

    @property
    def pnl(self) -> int:
        """All it has made so far, fees paid, at the mark: money of the instrument's currency."""
        quantity = self.quantity
        fees: int = self.fees * FEE_UNITS
        half_ticks = 2 * self.cash
        if quantity:
            half_ticks += quantity * self.valued_at
        made = half_ticks * self.instrument.half_tick_lot
        return (made if isinstance(made, int) else floor(made)) - fees


class Account:
    """What one account holds and does.

    Attributes:
        name: the account's.
        holdings: by symbol, of every instrument that it ever traded or asked for.
        cash: money that was put in, less what was taken out.
        known: the positions are all there were. False of one that traded before a release that kept none: until it is
            reconciled, a limit that needs them has no answer.
        terms: those that count, None before the first.
        standing: what it may do: the stricter of its own and the desk's.
        kept: its working orders are counted.
        reduces: they are since it asked for something that only reduces, whatever its terms need.
        hedges: it holds several positions of an instrument beside one another, and they are, too.
        crossing: the prices of its resting orders are, too.
        daily: what its holdings had made when its day began is remembered.
        busy: its orders are remembered for a while; so are the next two.
        sent: when its newest orders and amendments were taken (ms), as many as its rate limit.
        recent: when an order like this came last (ms), by what makes it a duplicate; `older` is of the window before,
            and both are let go of a window at a time.
        turns_ms: when that happens next.
        open_orders: orders that may still trade, counted while `kept`.
        day_begins_ms: after midnight UTC; `day_ms` is how long a day is. One with a time zone has a day that ends by
            a timer, and is counted as one that never does.
        shares: what its strategies hold, once a limit was set that is of each by itself; None before.
        room, check, version, until_ms: money that all limits in its currency leave for sure since the last exact
            check, the number of that, and for what and how long it is good; see `valuation`. No decision depends on
            them.
    """

    __slots__ = (
        "busy", "cash", "check", "crossing", "daily", "day_begins_ms", "day_ms", "hedges", "holdings", "kept", "known",
        "name", "older", "open_orders", "recent", "reduces", "room", "sent", "shares", "standing", "terms", "turns_ms",
        "until_ms", "version",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.holdings: dict[str, Holding] = {}
        self.cash = 0
        self.known = True
        self.terms: AccountTerms | None = None
        self.standing: Standing = ACTIVE
        self.kept = self.crossing = self.daily = self.busy = self.reduces = self.hedges = False
        self.shares: Shares | None = None
        self.sent: deque[int] = deque()
        self.recent: dict[tuple[Any, ...], int] = {}
        self.older: dict[tuple[Any, ...], int] = {}
        self.turns_ms = 0
        self.open_orders = 0
        self.day_begins_ms = 0
        self.day_ms = DAY_MS
        self.room, self.check, self.version, self.until_ms = -1, 1, 0, 0

    def watch(self, terms: AccountTerms, orders: Iterable[Order]) -> None:
        """Take the terms that count from now on; `orders` are the account's that have not left the state."""
        before = (self.kept, self.crossing, self.shares)
        self.terms = terms
        self.room = -1
        self.crossing = terms.refuse_self_cross
        self.daily = terms.max_daily_loss is not None
        zoned = terms.day_zone is not None
        self.day_begins_ms = 0 if zoned else terms.day_begins_minutes * MINUTE_MS
        self.day_ms = ENDLESS_MS if zoned else DAY_MS
        self.kept = self.reduces or self.crossing or terms.max_open_orders is not None or needs_positions(terms)
        if self.shares is None and needs_strategies(terms):
            self.shares = Shares()
        self.hedges = terms.position_mode is PositionMode.HEDGING
        self.kept = self.kept or self.hedges or self.standing.state == REDUCING or self.shares is not None
        self.busy = terms.duplicate_window_ms > 0 or terms.max_orders_per_window is not None
        self._keep_sent(terms)
        if (self.kept, self.crossing, self.shares) != before:
            self._start(orders)

    def _keep_sent(self, terms: AccountTerms) -> None:
        most = terms.max_orders_per_window
        if most is None:
            self.sent.clear()
        elif self.sent.maxlen != most:
            self.sent = deque(self.sent, most)
        if not terms.duplicate_window_ms:
            self.recent, self.older = {}, {}

    def _start(self, orders: Iterable[Order]) -> None:
        """Count what works from nothing."""
        self.open_orders = 0
        for holding in self.holdings.values():
            holding.clear()
        if self.shares is not None:
            self.shares.clear()
        for order in orders:
            order.open_lots = order.open_price = 0
            if self.kept:
                assert order.holding is not None, "it has one since it was taken"
                order.holding.recount(order)

    def recount(self, orders: Iterable[Order]) -> None:
        """Count what works anew: terms have changed that it was counted by."""
        if self.kept:
            self.room = -1
            self._start(orders)

    def took(self, ms: int) -> None:
        """Note that an order or an amendment was taken. The account is `busy`."""
        if self.sent.maxlen is not None:
            self.sent.append(ms)

    def took_order(self, order: Order) -> None:
        """Note an order that may be repeated by mistake. The account is `busy`."""
        ms = order.received_ms
        if self.sent.maxlen is not None:
            self.sent.append(ms)
        assert self.terms is not None, "it is busy because of them"
        window_ms = self.terms.duplicate_window_ms
        if not window_ms:
            return
        key = duplicate_key(
            order.terms.symbol, order.side == "BUY", order.order_type, order.quantity, order.price, order.special
        )
        if ms >= self.turns_ms or len(self.recent) >= MAX_RECENT:
            # Of a longer pause nothing is left at all; of one that was shortened meanwhile, more than is needed.
            self.older = self.recent if ms < self.turns_ms + window_ms else {}
            self.recent = {}
            self.turns_ms = ms + window_ms
        self.recent[key] = ms

    def last_like(self, key: tuple[Any, ...]) -> int | None:
        """Return when an order like this came last (ms), None when none is remembered."""
        found = self.recent.get(key)
        return self.older.get(key) if found is None else found

    def opens(self) -> None:
        """Begin a day: what was made so far counts no more against its loss limit."""
        self.room = -1
        for holding in self.holdings.values():
            holding.opening = holding.pnl


def reserved(terms: Terms, lots: int, ticks: int) -> int:
    """Return what an order is worth (`Terms.worth`), the fees of a schedule included at their highest."""
    units = terms.worth(ticks, lots)
    if terms.fees is None or not lots:
        return units
    return units + terms.fees.in_units(terms.fees.at_most(units, lots).own)


def duplicate_key(
    symbol: str, buy: bool, order_type: str, lots: int, ticks: int, special: Special | None
) -> tuple[Any, ...]:
    """Return what two orders of an account have in common when one is a duplicate.

    Of an order without a price its `ticks` say nothing: they are where the market was.
    """
    price = None if order_type in PRICELESS else ticks
    if special is None:
        return symbol, buy, order_type, lots, price
    return symbol, buy, order_type, lots, price, special.stop, special.offset


def waits_at(special: Special | None, ticks: int) -> int:
    """Return the price (ticks) that an order counts with which has no limit before its stop: that one, else `ticks`."""
    return ticks if special is None or special.stop is None else special.stop


def needs_sums(terms: AccountTerms) -> bool:
    """Say whether a limit of these terms counts all that an account holds, in its currency."""
    return (
        terms.max_symbol_exposure is not None
        or terms.max_sector_exposure is not None
        or terms.max_gross_exposure is not None
        or terms.max_net_exposure is not None
        or terms.max_daily_loss is not None
        or terms.account_type is not AccountType.NONE
        or needs_strategies(terms)
    )


def needs_positions(terms: AccountTerms) -> bool:
    """Say whether a limit of these terms counts what is held."""
    return (
        terms.max_position is not None
        or not terms.may_short
        or terms.requires_stop
        or bool(terms.reduce_only_symbols)
        or needs_sums(terms)
    )


class Holdings:
    """What all accounts of a partition hold.

    Attributes:
        accounts: by name.
        instruments: by symbol.
        rates: instruments that trade one currency for another, by both.
        marking: some account's limits need marks.
        version: counts changes of marks and terms.
    """

    __slots__ = ("accounts", "instruments", "marking", "rates", "version")

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.instruments: dict[str, Instrument] = {}
        self.rates: dict[tuple[str, str], Instrument] = {}
        self.marking = False
        self.version = 0

    def account(self, name: str) -> Account:
        """Return an account's, and begin with nothing where there is none."""
        account = self.accounts.get(name)
        if account is None:
            account = self.accounts[name] = Account(name)
        return account

    def holding(self, name: str, symbol: str) -> Holding:
        """Return what an account holds of an instrument, and begin with nothing where there is none."""
        account = self.accounts.get(name) or self.account(name)
        holding = account.holdings.get(symbol)
        if holding is None:
            holding = account.holdings[symbol] = Holding(account, self.instruments[symbol])
        return holding

    def at(self, position: hedged.Position) -> hedged.Held:
        """Return what there is of a position."""
        account, symbol, name = position
        return self.holding(account, symbol).part(name)

    def define(self, symbol: str, terms: InstrumentTerms, quote: Quote, fee_bps: Decimal) -> None:
        """Take an instrument's terms, the quote that marks it, and the highest fee at any venue."""
        instrument = self.instruments.get(symbol)
        if instrument is None:
            instrument = self.instruments[symbol] = Instrument(symbol)
        instrument.define(terms, quote, fee_bps)
        if self.marking:
            instrument.mark = instrument.marked
        self.version += 1
        if instrument.base_currency is not None:
            self.rates[instrument.base_currency, instrument.currency] = instrument

    def start_marking(self) -> None:
        """Keep marks from now on: somebody counts with them."""
        if not self.marking:
            self.marking = True
            for instrument in self.instruments.values():
                instrument.mark = instrument.marked

    def watch(self, name: str, terms: AccountTerms, orders: Iterable[Order]) -> Account:
        """Let an account's terms count from now on; see `Account.watch`."""
        if needs_sums(terms) or terms.breaker_loss is not None:
            self.start_marking()
        account = self.account(name)
        account.watch(terms, orders)
        return account

    def told(self, symbol: str, quote: Quote) -> None:
        """Take the mark of an instrument where any limit needs it, as a quote is told that may be the one."""
        if not self.marking:
            return
        instrument = self.instruments[symbol]
        if instrument.quote is quote and (mark := instrument.marked) != instrument.mark:
            instrument.mark = mark
            self.version += 1

    def rate(self, currency: str, into: str, ms: int, max_age_ms: int) -> tuple[int, int, int] | None:
        """Return what one unit of a currency is worth in another, numerator and denominator, and until when (ms).

        It is the mark of the instrument that trades the one for the other. None without one, without a mark, with one
        that is no price of money (0 and below), and with a quote older than `max_age_ms` (0: however old).
        """
        instrument, inverse = self.rates.get((currency, into)), False
        if instrument is None:
            instrument, inverse = self.rates.get((into, currency)), True
        if instrument is None:
            return None
        mark = instrument.mark
        if mark is None or mark <= 0 or (max_age_ms and ms - instrument.quote.at_ms > max_age_ms):
            return None
        numerator, denominator = instrument.tick
        until_ms = instrument.quote.at_ms + max_age_ms if max_age_ms else ms
        over, under = mark * numerator, 2 * denominator
        return (under, over, until_ms) if inverse else (over, under, until_ms)

    def adjust(self, name: str, cash: Decimal) -> Decimal:
        """Put money into an account, or take it out (below 0); return what was put in and taken out so far.

        Raises:
            ValueError: more decimals than money has.
        """
        units = Fraction(cash) * 10**MONEY_DECIMALS
        if units.denominator != 1:
            raise ValueError(f"cash: {cash} must have at most {MONEY_DECIMALS} decimals")
        account = self.account(name)
        account.cash += int(units)
        account.room = -1
        return money(account.cash)

    def reconcile(self, name: str, held: Iterable[tuple[str, Position]]) -> None:
        """Take for the truth what somebody who knows says that an account holds; of other instruments it holds nothing.

        Positions are in the instruments' ticks and lots, fees in units of 10**-FEE_DECIMALS.
        """
        account = self.account(name)
        for holding in account.holdings.values():
            _take(holding, Position())
        for symbol, position in held:
            _take(self.holding(name, symbol), position)
        account.known = True
        account.room = -1

    def positions(self) -> Iterator[tuple[str, str, Holding]]:
        """Yield account, symbol and what is held, of all that ever traded, sorted."""
        for name, account in sorted(self.accounts.items()):
            for symbol, holding in sorted(account.holdings.items()):
                if holding.quantity or holding.cash or holding.fees or holding.opening or holding.hedged:
                    yield name, symbol, holding


def _take(holding: Holding, position: Position) -> None:
    holding.quantity, holding.cash, holding.fees = position.quantity, position.cash, position.fees
    holding.cost, holding.denominator = position.cost, position.denominator


def money(units: int) -> Decimal:
    """Return money of accounts as an exact Decimal."""
    return multiply(Decimal(units), MONEY_UNIT)
