"""What calendars change in the state: when instruments trade, what waits for that, and when days of accounts begin.

Flows in: calendars of the inbox, the time of a timer. Flows out: the state, changed. Never emits anything.
"""

from __future__ import annotations

from fillstream.libs.common.messages.calendar import Calendars
from fillstream.libs.common.values.moments import LAST_MS
from fillstream.services.order_service.orders.config import day_end
from fillstream.services.order_service.orders.life.order import FINAL, FOR_TIME
from fillstream.services.order_service.orders.state import DAY, RELEASE, State


def take_calendars(state: State, calendars: Calendars) -> None:
    """Go by other calendars from now on. What waits for a session is looked at again, and so are accounts' days."""
    state.timetable.calendars = calendars
    state.timetable.forget()
    for symbol, instrument in state.instruments.items():
        for terms in state.terms.values():
            terms[symbol].hours = state.timetable.hours(instrument)
    for order in state.live():
        if order.held == FOR_TIME and order.status not in FINAL and order.terms.calendar is not None:
            state.timers.add(0, order.order_id, RELEASE)
    for account in state.accounts.values():
        if account.day_zone is not None and state.timers.due_ms(account.id, DAY) == LAST_MS:
            state.timers.add(0, account.id, DAY)


def begin_day(state: State, number: int, ms: int) -> None:
    """Begin the day of the account of that number; the next one gets a timer."""
    name = state.account_named(number)
    assert name is not None, "an account's number is its own for good"
    held = state.holdings.accounts[name]
    if held.daily:
        held.opens()
    terms = held.terms
    if terms is not None and terms.day_zone is not None:
        state.daily.pop(name, None)
        state.timers.add(state.timetable.next_day(terms, ms), number, DAY)
        return
    begins = held.day_begins_ms
    state.timers.add(day_end(ms - begins) + begins, number, DAY)
