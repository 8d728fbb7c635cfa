"""Quotes that grow old: told once each, as they do. Nothing is decided by it: rules look at a quote's age themselves.

Flows in: when markets were quoted last. Flows out: QuoteStale. One timer looks at all of them, when the oldest is due.
"""

from __future__ import annotations

from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.state import STALE, State

LOOKED_EVERY_MS = 1_000
"""At most so often, however many markets there are."""


def look_later(state: State, ms: int) -> None:
    """See to it that somebody looks, where quotes have an age: one was just told."""
    if state.config.max_quote_age_ms:
        state.timers.add_once(ms + state.config.max_quote_age_ms + 1, 0, STALE)


def look(state: State, journal: Journal, room: int) -> int:
    """Tell which quotes are too old, so many at most; return how many, 1 at least."""
    age_ms, ms = state.config.max_quote_age_ms, journal.ms
    if not age_ms:
        return 1
    told, soonest = 0, None
    for venue, quotes in state.quotes.items():
        for number, quote in quotes.items():
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
