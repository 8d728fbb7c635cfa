"""A desk whose AAPL trades in sessions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fillstream.libs.common.messages.calendar import CALENDAR, Calendars, CalendarTable
from fillstream.services.order_service.orders.config import DAY_MS
from tests.support.orders import CONFIG, NOON_MS, OrdersDesk
from tests.support.terms import but, instrument

D = Decimal
HOUR = 3_600_000
MIDNIGHT = NOON_MS - DAY_MS // 2
AUCTION = 10 * 60_000


def session(day: int, opens: int = 9, closes: int = 17, *pause: int) -> tuple[Any, ...]:
    at = [MIDNIGHT + day * DAY_MS + hour * HOUR for hour in (opens, closes, *pause)]
    return (f"day {day}", *at)


TABLE = CalendarTable(
    zone="UTC", from_ms=MIDNIGHT - 30 * DAY_MS, until_ms=MIDNIGHT + 3 * DAY_MS,
    sessions=(session(0, 9, 17, 14, 15), session(1), session(2, 9, 13)),
)  # fmt: skip
AAPL = instrument(1, D("0.01"), D(1), calendar="XTST", open_auction_ms=AUCTION, close_auction_ms=AUCTION)


def desk_at(hour: float, table: CalendarTable = TABLE, day: int = 0, **fields: Any) -> OrdersDesk:
    """Return a desk whose AAPL has sessions from 9 to 17, with a break from 14 to 15."""
    terms = but(AAPL, **fields)
    desk = OrdersDesk(but(CONFIG, instruments={**CONFIG.instruments, "AAPL": terms}))
    desk.fold({CALENDAR: Calendars(calendars={"XTST": table}).to_json()})
    desk.ms = int(MIDNIGHT + day * DAY_MS + hour * HOUR)
    return desk
