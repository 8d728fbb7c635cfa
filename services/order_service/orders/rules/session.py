"""Rules about when an instrument trades: its sessions, breaks and auctions, as its calendar has them.

Who has no calendar trades always, and no order of it looks at any of this.
"""

from __future__ import annotations

from fillstream.libs.common.messages.codes import AUCTION_TIMES, RejectReason, TimeInForce, TradingSession
from fillstream.libs.common.values.moments import text_of
from fillstream.services.order_service.orders.compiled import Limits
from fillstream.services.order_service.orders.life.timing import auction_of, has_auction, rests
from fillstream.services.order_service.orders.rules.rule import Draft, View, rule

_CONTINUOUS, _AUCTION = TradingSession.CONTINUOUS.value, TradingSession.AUCTION.value
_DAY = TimeInForce.DAY.value


def _has_calendar(limits: Limits) -> bool:
    return limits.terms.calendar is not None


@rule(
    RejectReason.NO_AUCTION,
    limit="instruments.SYMBOL.open_auction_ms, close_auction_ms",
    example={"order_type": "LIMIT", "price": "185.00", "next_session": "true"},
)
def has_what_it_waits_for(draft: Draft, view: View) -> str | None:
    """An order for the next session has an instrument with a calendar, one for an auction an instrument with that."""
    said, terms, tif = draft.said, draft.terms, draft.time_in_force
    if terms.calendar is None:
        if said is not None and said.next_session:
            return f"next_session: {terms.symbol} has no calendar, it trades always"
        return f"time_in_force: {terms.symbol} has no calendar, and no auctions" if tif in AUCTION_TIMES else None
    if tif in AUCTION_TIMES and terms.hours is not None and not has_auction(terms.hours, tif):
        which = "open_auction_ms" if tif == TimeInForce.AT_THE_OPENING.value else "close_auction_ms"
        return f"time_in_force: {tif} needs an auction, and {terms.symbol}'s {which} is 0"
    return None


@rule(
    RejectReason.CALENDAR_ENDED,
    limit="instruments.SYMBOL.calendar",
    when=_has_calendar,
    example={"symbol": "ENDED", "price": "1.00"},
)
def known_session(draft: Draft, view: View) -> str | None:
    """The calendar of the instrument is known for now, and for the time that the order waits for or ends at."""
    terms, ms, special = draft.terms, draft.ms, draft.special
    hours = terms.hours
    if hours is None:
        return f"symbol: the calendar {terms.calendar} of {terms.symbol} is not here yet, or the desk has it no more"
    until = text_of(hours.until_ms)
    ended = f"symbol: the calendar {terms.calendar} of {terms.symbol} is known until {until}, restart the desk to"
    if not hours.knows(ms):
        return f"{ended} have it compiled anew"
    if draft.time_in_force in AUCTION_TIMES and auction_of(hours, draft.time_in_force, ms) is None:
        return f"{ended} know its next auction"
    if draft.said is not None and draft.said.next_session and hours.next_start(ms) is None:
        return f"{ended} know its next session"
    goes = ms if special is None else max(ms, special.effective_ms)
    if draft.time_in_force == _DAY and hours.session_end(goes) is None:
        return f"{ended} know when the day of the order ends"
    return None


@rule(
    RejectReason.OUTSIDE_SESSION,
    limit="instruments.SYMBOL.calendar",
    when=_has_calendar,
    example={"symbol": "SHUT", "price": "1.00"},
)
def in_session(draft: Draft, view: View) -> str | None:
    """The instrument's session takes the order now, or the order waits for one; what the desk holds may be amended."""
    terms, ms, special, order = draft.terms, draft.ms, draft.special, draft.order
    hours = terms.hours
    if hours is None or not hours.knows(ms) or (order is not None and order.is_held):
        return None
    if special is not None and special.effective_ms > ms:
        return None
    session = hours.session(ms)
    if session == _CONTINUOUS:
        return None
    if session == _AUCTION:
        by_desk = special is not None and special.needs_desk(draft.order_type)
        if order is not None or by_desk or rests(draft.order_type, draft.time_in_force):
            return None
        opens = hours.takes_from(ms, rests=False)
        return (
            f"time_in_force: {terms.symbol} is in an auction, which takes orders that may rest; it trades again from "
            f"{_when(opens)}; {' or '.join(sorted(AUCTION_TIMES))} is for auctions"
        )
    takes = hours.takes_from(ms, rests=order is not None or rests(draft.order_type, draft.time_in_force))
    hint = "" if order is not None else "; next_session waits for it"
    return f"symbol: {terms.symbol} is closed, the next session of {terms.calendar} takes it from {_when(takes)}{hint}"


def _when(ms: int | None) -> str:
    return "a time that its calendar does not know yet" if ms is None else text_of(ms)


SPECIAL = (has_what_it_waits_for,)
NEW = (known_session, in_session)
AMEND = (in_session,)
