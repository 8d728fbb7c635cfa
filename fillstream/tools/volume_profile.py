"""A day's usual volume as VWAP takes it: out of the trades that analytics has kept.

Flows in: a symbol and how fine; the rows that the query found. Flows out: the query's text, and parameters of VWAP,
compact enough for a signal. Never asks anybody itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from fillstream.libs.common.messages.reference import DAY_MS
from fillstream.libs.common.values.naming import shorten

WHOLE = 10_000
"""What the shares add up to: a hundredth of a percent is finer than any market keeps to its habits."""
MINUTE_MS = 60_000
MOST_BUCKETS = 1_440


def profile_sql(symbol: str, days: int = 20, minutes: int = 15, venue: str | None = None) -> str:
    """Return the query for what was traded in each stretch of a UTC day, over the days before today.

    Args:
        symbol: of what.
        days: so many, whole ones; those without trades count for nothing.
        minutes: of a stretch; a day must be a whole number of them.
        venue: there; None: everywhere.

    Raises:
        ValueError: days or minutes are out of bounds.
    """
    if not 1 <= days <= 3_650:
        raise ValueError(f"days: must be from 1 to 3650, got {days}")
    if minutes < 1 or 1_440 % minutes:
        raise ValueError(f"minutes: a day must be a whole number of them, got {minutes}")
    where = f"symbol = {_quoted(symbol)}" + (f" AND venue = {_quoted(venue)}" if venue is not None else "")
    return (
        f"SELECT (epoch_ms(time) % {DAY_MS}) // {minutes * MINUTE_MS} AS bucket, sum(quantity) AS quantity "  # noqa: S608 - quoted
        f"FROM trades WHERE {where} AND time >= date_trunc('day', now() AT TIME ZONE 'UTC') - INTERVAL {days} DAY "
        "AND time < date_trunc('day', now() AT TIME ZONE 'UTC') GROUP BY ALL ORDER BY bucket"
    )


def profile_of(rows: Iterable[Mapping[str, Any]], minutes: int = 15) -> dict[str, Any]:
    """Return VWAP's parameters `profile` and `profile_bucket_ms` of the query's rows.

    The shares are integers that add up to `WHOLE`, the largest rests rounded up; a stretch without trades has 0.

    Raises:
        ValueError: nothing was traded, or a row is of no stretch of the day.
    """
    buckets = MOST_BUCKETS // minutes
    volumes = [Fraction(0)] * buckets
    for row in rows:
        bucket = int(row["bucket"])
        if not 0 <= bucket < buckets:
            raise ValueError(f"bucket: must be from 0 to {buckets - 1}, got {shorten(str(row['bucket']))}")
        volumes[bucket] += Fraction(Decimal(str(row["quantity"])))
    whole = sum(volumes)
    if whole <= 0:
        raise ValueError("trades: none are kept of these days, so there is no profile")
    exact = [each * WHOLE / whole for each in volumes]
    shares = [int(each) for each in exact]
    rests = sorted(range(buckets), key=lambda place: (shares[place] - exact[place], place))
    for place in rests[: WHOLE - sum(shares)]:
        shares[place] += 1
    return {"profile": [str(each) for each in shares], "profile_bucket_ms": minutes * MINUTE_MS}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
