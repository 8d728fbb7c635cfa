"""When an order may go, and when its time in force ends, by the sessions of its instrument.

Flows in: what the client said, and the hours of the instrument, as they came through the inbox. Flows out:
milliseconds. Never judges: `rules.session` does. An instrument without a calendar trades always, and its day is UTC's.
"""

from __future__ import annotations

from fillstream.libs.common.messages.calendar import Call, Hours
from fillstream.libs.common.messages.codes import AUCTION_TIMES, RESTING_TIMES, OrderType, TimeInForce
from fillstream.libs.common.messages.special_terms import SpecialTerms
from fillstream.services.order_service.orders.compiled import Terms
from fillstream.services.order_service.orders.config import day_end

_OPENING = TimeInForce.AT_THE_OPENING.value
_AT_ONCE = frozenset((OrderType.MARKET.value, OrderType.MARKET_TO_LIMIT.value))


def rests(order_type: str, time_in_force: str) -> bool:
    """Say whether an auction's call phase takes an order: stops, and limit orders that may rest (fillstream.h)."""
    return time_in_force in AUCTION_TIMES or (order_type not in _AT_ONCE and time_in_force in RESTING_TIMES)


def auction_of(hours: Hours, time_in_force: str, ms: int) -> Call | None:
    """Return the next auction that an order at the opening or at the close is for; None if unknown."""
    return hours.opening(ms) if time_in_force == _OPENING else hours.closing(ms)


def has_auction(hours: Hours, time_in_force: str) -> bool:
    """Say whether an instrument has that auction at all."""
    return hours.has_open if time_in_force == _OPENING else hours.has_close


def effective_ms(hours: Hours, said: SpecialTerms, order_type: str, time_in_force: str, ms: int, given: int) -> int:
    """Return when an order may go: as given, with the next session, or when its auction collects orders; 0 for at once.

    Args:
        hours: of its instrument.
        said: by the client.
        order_type, time_in_force: of the order.
        ms: now.
        given: what the client's effective_time or effective_after_ms comes to; 0 without.
    """
    if time_in_force in AUCTION_TIMES:
        auction = auction_of(hours, time_in_force, max(ms, given))
        return given if auction is None else max(given, auction.call_ms)
    if said.next_session and (start := hours.next_start(ms)) is not None:
        return start.call_ms if rests(order_type, time_in_force) else start.trades_ms
    return given


def expiry_ms(terms: Terms, order_type: str, time_in_force: str, ms: int, timed: bool) -> int:
    """Return when the time in force of an order ends that goes at a millisecond; 0 for never, or if unknown.

    A DAY order ends with its instrument's session, one for an auction when that has traded, and an order that is to
    trade at once, but waits for its time, with the session that it waits for.
    """
    hours = terms.hours
    if time_in_force in AUCTION_TIMES:
        auction = None if hours is None else auction_of(hours, time_in_force, ms)
        return 0 if auction is None else auction.trades_ms
    if time_in_force == TimeInForce.DAY.value:
        if terms.calendar is None:
            return day_end(ms)
        return (0 if hours is None else hours.session_end(ms)) or 0
    if timed and hours is not None and time_in_force not in RESTING_TIMES:
        return hours.session_end(ms) or 0
    return 0
