"""A venue as policies see it, out of what the stage knows: its market, what it charges, whether it takes orders now.

Flows in: the state, an account, an instrument; what the runner knows of the order's own. Flows out: a `VenueMarket`.
Never changes anything. Levels are what a market report said, under the touch wherever that came later; without a report
they are the touch.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from fillstream.libs.common.messages.codes import BreakerScope, BreakerState, TradingSession
from fillstream.libs.common.messages.modes import contradicts
from fillstream.libs.common.values.money import at_least
from fillstream.services.order_service.orders.compiled import Quote, Terms
from fillstream.services.order_service.orders.routing.costs import Costs, costs_of
from fillstream.services.order_service.orders.routing.policy import Levels, VenueMarket

if TYPE_CHECKING:
    from fillstream.services.order_service.orders.state import State

_CONTINUOUS: Final = TradingSession.CONTINUOUS.value
_VENUE: Final = BreakerScope.VENUE.value


class Reported(Protocol):
    """What a market report said of a venue, and when it came (log ms): a `markets.Market` is one."""

    @property
    def bids(self) -> Levels:
        """(ticks, lots), the best first."""
        ...

    @property
    def asks(self) -> Levels:
        """Likewise."""
        ...

    @property
    def at_ms(self) -> int:
        """When it came."""
        ...


class Own(NamedTuple):
    """What the order, and others of its account, have at a venue.

    Attributes:
        bids, asks: what rests there, as (ticks, lots): nobody trades with himself.
        rejected_ms, missed_ms: as `VenueMarket` has them.
    """

    bids: Levels = ()
    asks: Levels = ()
    rejected_ms: int | None = None
    missed_ms: int | None = None


NOTHING: Final = Own()


def venue_market(
    state: State, account: str, symbol: str, venue: str, ms: int, report: Reported | None = None, own: Own = NOTHING
) -> VenueMarket:
    """Return a venue as a policy sees it.

    Args:
        state: of the account's partition, which knows account, instrument and venue.
        account, symbol, venue: whose order, in what, where.
        ms: the time of the entry.
        report: the newest of the venue's market, None before the first.
        own: what the account and the order have there.
    """
    terms = state.terms[venue][symbol]
    quote = state.quotes[venue][terms.id]
    bids = _levels(quote.bid, quote.bid_qty, quote.at_ms, report, buys=True)
    asks = _levels(quote.ask, quote.ask_qty, quote.at_ms, report, buys=False)
    costs = _costs(state, account, terms, ms, next((ticks for ticks, _ in (asks or bids)), 0))
    why = _closed(state, account, terms, quote, ms)
    if costs is None and not why:
        assert terms.fees is not None, "plain basis points have no currency"
        why = f"charges in {terms.fees.currency}, which has no fresh rate"
    age_ms = state.config.max_quote_age_ms
    told_ms = quote.at_ms if report is None else max(report.at_ms, quote.at_ms)
    return VenueMarket(
        venue,
        _less(bids, own.bids),
        _less(asks, own.asks),
        costs or Costs(),
        open=not why,
        fresh=not age_ms or ms - told_ms <= age_ms,
        min_lots=max(terms.min_lots or 1, _worth_it(state, account, terms, (bids or asks)[:1])),
        max_lots=terms.max_lots,
        at_ms=told_ms,
        rejected_ms=own.rejected_ms,
        missed_ms=own.missed_ms,
        why=why,
    )


def _worth_it(state: State, account: str, terms: Terms, best: Levels) -> int:
    """Return how many lots are worth `min_order_size` of the account, at a market's best price."""
    least = state.terms_of(account).min_order_size
    if not least or not best or not best[0][0]:
        return 1
    return -(-at_least(least, terms.value) // terms.worth(best[0][0]))


def _costs(state: State, account: str, terms: Terms, ms: int, at: int) -> Costs | None:
    fees = terms.fees
    if fees is None:
        return costs_of(terms)
    rate = None
    if fees.currency is not None:
        found = state.holdings.rate(fees.currency, terms.currency, ms, state.config.max_quote_age_ms)
        rate = None if found is None else Fraction(found[0], found[1])
    return costs_of(terms, state.traded.tier(fees, account, terms, ms), rate, at)


def _closed(state: State, account: str, terms: Terms, quote: Quote, ms: int) -> str:
    """Return why a venue takes no order of an account that may trade at once; empty where it does."""
    if contradicts(state.terms_of(account), state.venues[terms.venue]):
        return "takes no orders of its account's mode"
    if terms.halted:
        return "trades nothing: the desk has halted it"
    if quote.session != _CONTINUOUS:
        return f"has the session {quote.session}"
    if terms.calendar is not None:
        hours = terms.hours
        if hours is None or not hours.knows(ms):
            return "has no calendar that knows this time"
        if hours.session(ms) != _CONTINUOUS:
            return "does not trade now by its calendar"
    breaker = state.breakers.get((_VENUE, "", terms.venue)) if terms.breaks else None
    if breaker is None or breaker.state == BreakerState.CLOSED:
        return ""
    if breaker.state == BreakerState.HALF_OPEN and not breaker.probe:
        return ""  # one order is let through to try: without it, a desk that routes would never close it again
    return "has a breaker that is not closed"


def _levels(ticks: int, lots: int, at_ms: int, report: Reported | None, *, buys: bool) -> Levels:
    """Return a side's levels: those of the report, and the touch in place of what it has overtaken."""
    touch = ((ticks, lots),) if lots else ()
    if report is None:
        return touch
    levels = report.bids if buys else report.asks
    if report.at_ms >= at_ms:
        return levels
    if not touch:
        return ()
    return (*touch, *(each for each in levels if (each[0] < ticks if buys else each[0] > ticks)))


def _less(levels: Levels, own: Iterable[tuple[int, int]]) -> Levels:
    """Return levels without what is the account's own."""
    mine: dict[int, int] = {}
    for ticks, lots in own:
        mine[ticks] = mine.get(ticks, 0) + lots
    if not mine:
        return levels
    return tuple((ticks, left) for ticks, lots in levels if (left := lots - mine.get(ticks, 0)) > 0)
