"""A calendar that is written down by hand: weekly hours in a time zone, holidays, half days.

Flows in: an item of `calendars` in the file. Flows out: a frozen model. Never makes sessions of it:
`process.calendars.weekly` does.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fillstream.libs.common.messages.reference import MINUTES_A_DAY, ZoneName

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS, _MINUTES = 24, 60
MOST_DAYS = 10_000


def minutes_of(value: Any) -> Any:
    """Return the minutes after midnight that `HH:MM` writes."""
    if not isinstance(value, str) or len(value) != 5 or value[2] != ":" or not value.isascii():
        raise ValueError("must be a time of day, HH:MM")
    hours, minutes = value[:2], value[3:]
    if not (hours.isdigit() and minutes.isdigit()) or int(hours) >= _HOURS or int(minutes) >= _MINUTES:
        raise ValueError("must be a time of day, HH:MM from 00:00 to 23:59")
    return int(hours) * _MINUTES + int(minutes)


def _day(value: Any) -> Any:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("must be a date, YYYY-MM-DD") from None


TimeOfDay = Annotated[int, Field(ge=0, lt=MINUTES_A_DAY), BeforeValidator(minutes_of)]
Day = Annotated[date, BeforeValidator(_day)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class WeeklyCalendar(BaseModel):
    """Sessions that are alike every week.

    Attributes:
        zone: of all that follows, as Europe/Zurich.
        weekdays: on which a session opens.
        opens, closes: times of day; one that closes no later than it opens closes on the next day.
        pause_from, pause_until: a break, on the same day.
        holidays: days on which none opens.
        half_days: when sessions close that open on these days.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    zone: ZoneName
    weekdays: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)] = ("mon", "tue", "wed", "thu", "fri")
    opens: TimeOfDay
    closes: TimeOfDay
    pause_from: TimeOfDay | None = None
    pause_until: TimeOfDay | None = None
    holidays: Annotated[tuple[Day, ...], Field(max_length=MOST_DAYS)] = ()
    half_days: Annotated[dict[Day, TimeOfDay], Field(max_length=MOST_DAYS)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _pause_is_within(self) -> Self:
        begins, ends = self.pause_from, self.pause_until
        if (begins is None) != (ends is None):
            raise ValueError("pause_until: pause_from and pause_until come together")
        if begins is not None and ends is not None:
            closes = self.closes if self.closes > self.opens else self.closes + MINUTES_A_DAY
            if not self.opens < begins < ends < closes:
                raise ValueError("pause_from: the break must lie within the session, on the day that it opens")
        return self

    @model_validator(mode="after")
    def _half_days_are_shorter(self) -> Self:
        for day, closes in self.half_days.items():
            if closes <= self.opens:
                raise ValueError(f"half_days: {day} must close after it opens")
        return self
