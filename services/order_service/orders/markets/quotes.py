"""What the journal tells of quotes: that they moved, and that they grew old, once each.

Flows in: quotes as they were reported. Flows out: QuoteUpdated, QuoteStale. Nothing is decided by age here: rules look
at it themselves. One timer looks at the age of all of them, when the oldest is due.
"""

from __future__ import annotations

from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.state import STALE, State
from fillstream.services.order_service.orders.waiting.desk import Desk

LOOKED_EVERY_MS = 1_000
"""At most so often, however many markets there are."""


def tell(state: State, journal: Journal, desk: Desk, venue: str, symbol: str) -> int:
    """Tell a quote that moved, and let orders go that waited for its mark; return how many."""
    del state.moved[venue, symbol]
    terms = state.terms[venue][symbol]
    quote = state.quotes[venue][terms.id]
    journal.quote_updated(terms, quote)
    state.holdings.told(symbol, quote)
    return desk.marked(terms.id) if state.triggers else 0


def tell_all_of(state: State, journal: Journal, desk: Desk, symbol: str) -> None:
    """Tell an instrument's quotes that moved, at every venue, at once: what comes next makes others of it."""
    for venue, each in [*state.moved]:
        if each == symbol:
            tell(state, journal, desk, venue, symbol)


def look_later(state: State, ms: int) -> None:
    """See to it that somebody looks, where quotes have an age: one was just told."""
    if state.config.max_quote_age_ms:
        state.timers.add_once(ms + state.config.max_quote_age_ms + 1, 0, STALE)


def look_anew(state: State, ms: int) -> None:
    """Look by another age, soon."""
    state.timers.cancel(0, STALE)
    if state.config.max_quote_age_ms:
        state.timers.add(ms + LOOKED_EVERY_MS, 0, STALE)


def look(state: State, journal: Journal, room: int) -> int:
    """Tell which quotes are too old, so many at most; return how many, 1 at least."""
    age_ms, ms = state.config.max_quote_age_ms, journal.ms
    if not age_ms:
        return 1
    told, soonest = 0, None
    for venue, quotes in sorted(state.quotes.items()):  # a restored state has them in another order than one that lived
        for number, quote in sorted(quotes.items()):
            if quote.stale or not quote.at_ms:
                continue
            due_ms = quote.at_ms + age_ms + 1
            if due_ms > ms:
                soonest = due_ms if soonest is None else min(soonest, due_ms)
            elif told < room:
                quote.stale, told = True, told + 1
                terms = state.terms[venue][state.symbols[number]]
                journal.told("QuoteStale", symbol=terms.symbol, venue=venue, quoted_time=quote.at_ms)
            else:
                soonest = ms
    if soonest is not None:
        state.timers.add(soonest if soonest == ms else max(soonest, ms + LOOKED_EVERY_MS), 0, STALE)
    return max(1, told)
