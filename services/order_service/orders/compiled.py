"""What the rules and the journal need of an instrument at a venue, an account and the market, compiled.

Flows in: configured Decimals. Flows out: grids, factors and limits as integers. Never decides anything.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import MAX_PRICE
from fillstream.libs.common.ledger.fees import schedule_of
from fillstream.libs.common.ledger.inverse import VALUE_STEP, inverse_of
from fillstream.libs.common.messages.calendar import Hours
from fillstream.libs.common.messages.codes import AUCTION_TIMES, EMULATED_TIMES, TimeInForce, TradingSession
from fillstream.libs.common.messages.modes import mode_at
from fillstream.libs.common.messages.native_terms import NATIVE_TIMES, NATIVE_TYPES
from fillstream.libs.common.messages.reference import AccountTerms, InstrumentTerms, VenueTerms
from fillstream.libs.common.messages.terms import ACCOUNT_VALUE, QUANTITY, UNIT, VALUE, said_of
from fillstream.libs.common.messages.topology import SIM, Topology, stream_name
from fillstream.libs.common.values.money import FEE_DECIMALS, Factor, Scale, at_least, at_most, multiply

if TYPE_CHECKING:
    from fillstream.services.order_service.orders.holding.holdings import Holding
    from fillstream.services.order_service.orders.routing.routes import Rule

MONEY_DECIMALS = 18
"""Money of accounts is counted in units of 10**-18. What a tick-lot is worth is rounded up there, so that an exposure
is never understated: only grids of more than 18 decimals are rounded at all."""
MONEY_UNIT = Decimal(1).scaleb(-MONEY_DECIMALS)
_PER_BPS = Decimal("0.0001")
_NOTHING_OF_ITS_OWN = VenueTerms()


OF_ACCOUNT, OF_STRATEGY, OF_VENUE = 1, 2, 4
"""Whose circuit breakers there are."""
_OPENS = tuple(
    name for name in AccountTerms.model_fields if "breaker_" in name and not name.endswith(("_ms", "_fills"))
)
BREAKERS = {
    OF_STRATEGY: tuple(name for name in _OPENS if name.startswith("strategy_")),
    OF_ACCOUNT: tuple(name for name in _OPENS if not name.startswith("strategy_")),
}
"""Terms of an account that a circuit breaker opens by."""


DISPLAY = "display_quantity"
"""Among what a venue lacks: icebergs."""
_TIF_CODES = {
    tif.value: int(frames.Tif.DAY if tif.value in AUCTION_TIMES else frames.Tif[tif.name]) for tif in TimeInForce
}
"""What is for an auction goes when that collects orders, and expires when it has traded."""
_GTC, _DAY = int(frames.Tif.GTC), int(frames.Tif.DAY)


def lacks_of(venue: VenueTerms) -> frozenset[str]:
    """Return what a venue has not of what it could."""
    lacks = {*NATIVE_TYPES, *NATIVE_TIMES}.difference(venue.order_types, venue.times_in_force)
    return frozenset(lacks if venue.icebergs else {*lacks, DISPLAY})


def tif_codes(lacks: frozenset[str]) -> dict[str, int]:
    """Return how each time in force is sent to a venue: what it lacks and the desk ends is good till canceled there."""
    codes = _TIF_CODES | {name: _GTC for name in EMULATED_TIMES & lacks}
    if TimeInForce.DAY.value in lacks:
        codes = {name: _GTC if code == _DAY else code for name, code in codes.items()}
    return _TIF_CODES if codes == _TIF_CODES else codes


def ended_here(venue: VenueTerms, lacks: frozenset[str]) -> frozenset[str]:
    """Return the times in force whose end the desk sees to, since the venue does not."""
    if not venue.expires:
        return frozenset(_TIF_CODES)
    codes = tif_codes(lacks)
    return frozenset(name for name, code in _TIF_CODES.items() if codes[name] != code)


class Terms:
    """An instrument at one venue, as the hot path needs it.

    Args:
        symbol, instrument: which.
        topology: where a symbol's book is.
        venue, at_venue: where, and on which terms.

    Attributes:
        price, lot: the grids of its prices and quantities.
        inverse: what values a lot of an inverse contract; None of all others, of which a lot counts as its ticks.
        value: money of a unit of what lots count as: of a tick times a lot.
        maker_fee, taker_fee: money of a fee, from such units; the venue's where it has its own.
        partition, commands: where its book is, and the stream that leads there.
        exec_prefix: how the exec_ids of its fills begin.
        negative_prices: 0 and below are prices, too.
        min_lots, max_lots: of one order, None without a limit.
        halted: no orders are taken in it for now.
        max_overfill: lots that the venue may fill of an order beyond its quantity.
        breaks: its venue has a circuit breaker.
        calendar: the name of it, None where it trades always.
        hours: when it trades; None without a calendar, or while the table that came last does not have it.
        mode: what orders are that go there.
        lacks: what the venue has not of what it could: names of order types and times in force, display_quantity.
        tif_codes: how an order's time in force is sent there.
        ended_here: times in force whose end the desk sees to.
        fees: what the venue charges where that is more than maker_fee and taker_fee, or of an inverse contract; None
            where it is not.
    """

    __slots__ = (
        "breaks",
        "calendar",
        "commands",
        "currency",
        "ended_here",
        "exec_prefix",
        "fees",
        "halted",
        "hours",
        "id",
        "inverse",
        "lacks",
        "lot",
        "maker_fee",
        "max_lots",
        "max_overfill",
        "min_lots",
        "mode",
        "negative_prices",
        "partition",
        "price",
        "symbol",
        "taker_fee",
        "tif_codes",
        "value",
        "venue",
    )

    def __init__(
        self,
        symbol: str,
        instrument: InstrumentTerms,
        topology: Topology,
        venue: str = SIM,
        at_venue: VenueTerms = _NOTHING_OF_ITS_OWN,
    ) -> None:
        maker_bps, taker_bps = at_venue.maker_fee_bps, at_venue.taker_fee_bps
        maker_bps = instrument.maker_fee_bps if maker_bps is None else maker_bps
        taker_bps = instrument.taker_fee_bps if taker_bps is None else taker_bps
        self.symbol = symbol
        self.venue = venue
        self.id = instrument.id
        self.currency = instrument.currency
        self.price = Scale(instrument.tick_size)
        self.lot = Scale(instrument.lot_size)
        self.inverse = inverse_of(instrument)
        self.value = VALUE_STEP
        if self.inverse is None:
            self.value = multiply(instrument.tick_size, instrument.lot_size, instrument.multiplier)
        self.maker_fee = Factor(multiply(self.value, maker_bps, _PER_BPS), FEE_DECIMALS)
        self.taker_fee = Factor(multiply(self.value, taker_bps, _PER_BPS), FEE_DECIMALS)
        self.partition = topology.symbol_partition(symbol)
        self.commands = stream_name("commands", self.partition, venue)
        self.exec_prefix = f"{venue}-{self.partition}-"
        self.negative_prices = instrument.negative_prices
        least, most, lot = instrument.min_order_quantity, instrument.max_order_quantity, instrument.lot_size
        self.min_lots = None if least is None else at_least(least, lot)
        self.max_lots = None if most is None else at_most(most, lot)
        self.halted = instrument.halted
        self.max_overfill = at_venue.max_overfill_lots
        self.breaks = at_venue.has_breaker
        self.calendar = instrument.calendar
        self.hours: Hours | None = None
        self.mode = mode_at(at_venue)
        self.lacks = lacks_of(at_venue)
        self.tif_codes = tif_codes(self.lacks)
        self.ended_here = ended_here(at_venue, self.lacks)
        self.fees = schedule_of(instrument, at_venue)

    def worth(self, ticks: int, lots: int = 1) -> int:
        """Return what lots are worth at a price, in units of `value`, without a sign; 0 at no price."""
        if self.inverse is None:
            return lots * abs(ticks)
        return self.inverse.worth(ticks, lots) if ticks > 0 else 0


class Quote:
    """The market of an instrument at a venue as last reported: ticks and lots, quantity 0 for a side that is not there.

    `at_ms` is when a quote came last, an unchanged one included: it says that the feed lives. `session` is the venue's
    for the instrument; `low` and `high` are its bands (ticks), None without. `stale` says that it was told to be so.
    """

    __slots__ = ("ask", "ask_qty", "at_ms", "bid", "bid_qty", "high", "last", "low", "session", "stale")

    def __init__(self) -> None:
        self.bid = 0
        self.bid_qty = 0
        self.ask = 0
        self.ask_qty = 0
        self.last: int | None = None
        self.at_ms = 0
        self.session = TradingSession.CONTINUOUS.value
        self.low: int | None = None
        self.high: int | None = None
        self.stale = False


_UNITS: dict[str, Callable[[Terms], Decimal]] = {
    VALUE: lambda terms: terms.value,
    QUANTITY: lambda terms: terms.lot.step,
    ACCOUNT_VALUE: lambda terms: MONEY_UNIT,
}
_BOUNDS = {name: unit for name in AccountTerms.model_fields if (unit := said_of(AccountTerms, name, UNIT)) in _UNITS}
"""Limits that are so many units of an instrument, or of money, with what they are in."""


class Reach:
    """How far through the touch a price may reach.

    Args:
        bps: of the touch.
        negative_prices: the instrument has prices at 0 and below.

    Attributes:
        lowest: the lowest price (ticks) that a seller may name at all.
    """

    __slots__ = ("_buy", "_per", "_sell", "lowest")

    def __init__(self, bps: Decimal, negative_prices: bool) -> None:
        slippage = Fraction(bps) * Fraction(_PER_BPS)
        self._per = slippage.denominator
        self._buy = self._per + slippage.numerator
        self._sell = self._per - slippage.numerator
        self.lowest = -MAX_PRICE if negative_prices else 1

    def highest_buy(self, ask: int) -> int:
        """Return the highest price (ticks) a buyer may name: the ask and the slippage on its size, rounded down."""
        return ask * (self._buy if ask > 0 else self._sell) // self._per

    def lowest_sell(self, bid: int) -> int:
        """Return the lowest price (ticks) a seller may name: the bid less the slippage on its size, rounded up."""
        return -(-bid * (self._sell if bid > 0 else self._buy) // self._per)

    def bound(self, touch: int, buy: bool) -> int:
        """Return how far (ticks) an order may trade from a price: rounded to the less aggressive side, and a price.

        Above 0, but in an instrument with negative prices: slippage of all of a price is no reason to sell for nothing.
        """
        return min(self.highest_buy(touch), MAX_PRICE) if buy else max(self.lowest_sell(touch), self.lowest)


class Limits(Reach):
    """An account's limits on one instrument, in ticks times lots; and, of itself, how far through the touch it reaches.

    Attributes:
        exits: how far through the touch what only closes a position may reach.
        terms, quote: the instrument's, at the venue that its orders go to.
        name: the account's, the one text that all its orders share.
        account: the limits as configured, for sentences.
        account_id: the account's number in records.
        breaks: whose circuit breakers may stop its orders: OF_ACCOUNT, OF_STRATEGY, OF_VENUE, or several in a sum.
        approves: a person must approve orders, or those above a value or of some strategies.
        paces: so many of its orders go to venues in a window, and the others wait.
        bounds: limits by name where there are any, in ticks times lots where they are values of the instrument, in
            lots where they are quantities, in units of 10**-MONEY_DECIMALS where they are in the account's currency.
        routes: rules that may route its orders, empty where none does; `state.limits` fills it in.
        self_trade: what happens instead of a trade with an own order, None where they trade.
        max_daily_orders: orders accepted in one UTC day.
        max_quote_age_ms: an order that reaches the quote is refused when that is older; 0 is no limit.
        holding: what the account holds of the instrument, at whatever venue.
        checks: of the rules that these limits need, by their list and the order's type; see `rules.rule.Rules`.
    """

    __slots__ = (
        "account",
        "account_id",
        "approves",
        "bounds",
        "breaks",
        "checks",
        "exits",
        "holding",
        "max_daily_orders",
        "max_quote_age_ms",
        "name",
        "paces",
        "quote",
        "routes",
        "self_trade",
        "terms",
    )

    def __init__(
        self, name: str, account: AccountTerms, terms: Terms, quote: Quote, holding: Holding, max_quote_age_ms: int = 0
    ) -> None:
        super().__init__(account.max_slippage_bps, terms.negative_prices)
        self.exits = Reach(account.max_exit_slippage_bps, terms.negative_prices)
        self.holding = holding
        self.checks: dict[str, tuple[Any, ...]] = {}
        self.routes: tuple[Rule, ...] = ()
        self.max_quote_age_ms = max_quote_age_ms
        self.name = name
        self.terms = terms
        self.quote = quote
        self.account = account
        self.account_id = account.id
        self.breaks = OF_VENUE if terms.breaks else 0
        for whose, names in BREAKERS.items():
            if any(getattr(account, name) is not None for name in names):
                self.breaks |= whose
        self.approves = (
            account.requires_approval or account.approval_above is not None or bool(account.approval_strategies)
        )
        self.paces = account.rate_limit_orders is not None
        self.bounds = {
            name: (at_least if name.startswith("min_") else at_most)(limit, _UNITS[unit](terms))
            for name, unit in _BOUNDS.items()
            if (limit := getattr(account, name)) is not None
        }
        prevented = account.self_trade_prevention.value
        self.self_trade = None if prevented == "NONE" else prevented
        self.max_daily_orders = account.max_daily_orders

    def needs_approval(self, worth: int, strategy: str | None) -> bool:
        """Say whether a strategy's order of so many ticks times lots waits for a person's yes. The account `approves`.

        Of an order without a strategy it is None.
        """
        account, above = self.account, self.bounds.get("approval_above")
        return (
            account.requires_approval
            or strategy in account.approval_strategies
            or (above is not None and worth > above)
        )
