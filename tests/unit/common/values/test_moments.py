"""Times as people write them, beside Python's own datetime."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillstream.libs.common.values.moments import LAST_MS, days_since_1970, milliseconds

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1971, 1, 1), datetime(9998, 12, 31), timezones=zones))
def test_a_time_is_datetimes(moment: datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert milliseconds(moment.isoformat()) == (moment - EPOCH) // timedelta(milliseconds=1)


@given(st.dates())
def test_a_day_has_pythons_number(day: datetime) -> None:
    assert days_since_1970(day.year, day.month, day.day) == day.toordinal() - EPOCH.toordinal()


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2026-11-28", "2026-11-28T21:00:00", "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-04-31T00:00:00Z", "2026-11-28T24:00:00Z",
        "2026-11-28T21:60:00Z", "2026-11-28T21:00:60Z", "2026-11-28T21:00:00+01:60", "2026-11-28T21:00:00+25:00",
        "1969-12-31T23:59:59Z", "2026-11-28T21:00:00z", "٢٠٢٦-11-28T21:00:00Z", "2026-11-28T21:00:00Z\n",
    ],
)  # fmt: skip
def test_what_is_no_time_is_none(text: str) -> None:
    assert milliseconds(text) is None


def test_the_edges() -> None:
    assert milliseconds("1970-01-01T00:00:00Z") == 0
    assert milliseconds("2000-02-29T00:00:00.123456789Z") == 951_782_400_123
    assert milliseconds("9999-12-31T23:59:59.999Z") == LAST_MS
    assert milliseconds("9999-12-31T23:59:59.999-00:01") is None
