"""The stages of a backtest's desk, made of settings as their processes would make them, at the data's date.

Flows in: settings, and what time it is in the backtest. Flows out: fresh stages. Never the machine's date: calendars
are compiled for the month that the data has come to.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

from fillstream.libs.common.messages.calendar import Calendars
from fillstream.libs.common.messages.stages import places
from fillstream.libs.common.process.calendars.source import for_engine, for_orders
from fillstream.libs.common.process.settings import Settings
from fillstream.libs.common.runtime.stage import Stage
from fillstream.services.matching_engine.app import engine
from fillstream.services.order_service.app import orders
from fillstream.tools.registry import fresh_stage

Clock = Callable[[], int]


def month_of(ms: int) -> date:
    """Return the first day of a millisecond's UTC month."""
    return datetime.fromtimestamp(ms // 1000, UTC).date().replace(day=1)


class _AtDate:
    """Calendars as a process has them that runs at the backtest's date; compiled once a month of it."""

    def __init__(self, make: Callable[[date], Calendars], clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._made: tuple[date, Calendars] | None = None

    def __call__(self) -> Calendars:
        month = month_of(self._clock())
        if self._made is None or self._made[0] != month:
            self._made = month, self._make(month)
        return self._made[1]


def stages_at(settings: Settings, clock: Clock) -> list[Stage]:
    """Return every partition of every stage, fresh.

    Args:
        settings: of the desk.
        clock: says what time it is in the backtest (ms since 1970 UTC).
    """
    made: list[Stage] = []
    for place in places(settings.topology()):
        if place.inbox is None:
            continue
        name, partition = place.program.name, place.partition
        if name == "orders":
            made.append(orders(settings, partition, _AtDate(lambda day: for_orders(settings, day), clock)))
        elif name == "engine":
            source = _AtDate(lambda day, part=partition: for_engine(settings, day, part), clock)  # type: ignore[misc]
            made.append(engine(settings, partition, place.venue or settings.topology().venues[0], source))
        else:
            made.append(fresh_stage(settings, name, partition))
    return made
