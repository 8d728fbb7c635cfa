"""The average true range of an instrument's marks: how far they go in a bar, gaps between bars counted.

Flows in: marks with their times. Flows out: the mean of the last bars' ranges. Never a float, never a clock.

Of a bar the true range is from the lower of its low and the close before to the higher of its high and that close
(J. W. Wilder, New Concepts in Technical Trading Systems, 1978); of the first bar, its own range. The mean is a plain
one: Wilder's smoothing would never forget, and its fractions grow without end. Bars begin at multiples of their length
since 1970; one without a mark is none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from fractions import Fraction

from fillstream.libs.common.values.versions import Document, check_names


class TrueRange:
    """Bars of one instrument.

    Args:
        interval_ms: how long each is.
        count: so many are looked at.

    Attributes:
        bar: the number of the one that runs, None before the first mark.
        high, low: its highest and lowest mark (half ticks).
        last: the newest mark.
        before: the last mark of the bar before, None of the first.
        ranges: of the bars that ended, the oldest first.
    """

    __slots__ = ("bar", "before", "count", "high", "interval_ms", "last", "low", "ranges")

    def __init__(self, interval_ms: int, count: int) -> None:
        self.interval_ms, self.count = interval_ms, count
        self.bar: int | None = None
        self.high = self.low = self.last = 0
        self.before: int | None = None
        self.ranges: deque[int] = deque(maxlen=count)

    def see(self, ms: int, mark: int) -> bool:
        """Take a mark (half ticks); return whether a bar has ended with it."""
        bar = ms // self.interval_ms
        if bar == self.bar:
            self.high, self.low, self.last = max(self.high, mark), min(self.low, mark), mark
            return False
        ended = self.bar is not None
        if ended:
            before = self.low if self.before is None else self.before
            self.ranges.append(max(self.high, before) - min(self.low, before))
            self.before = self.last
        self.bar, self.high, self.low, self.last = bar, mark, mark, mark
        return ended

    @property
    def mean(self) -> Fraction | None:
        """The average true range (half ticks); None before there are as many bars as are looked at."""
        return Fraction(sum(self.ranges), self.count) if len(self.ranges) == self.count else None

    def forget(self) -> None:
        """Begin anew: what was before was of another share."""
        self.bar = self.before = None
        self.ranges.clear()

    def rescale(self, ticks: int) -> None:
        """Count in steps of which so many make one of before."""
        self.high, self.low, self.last = self.high * ticks, self.low * ticks, self.last * ticks
        self.before = None if self.before is None else self.before * ticks
        self.ranges = deque((each * ticks for each in self.ranges), maxlen=self.count)


_MARKS = ("high", "low", "last", "before")
_NAMES = ("interval_ms", "count", "bar", *_MARKS, "ranges")


def dump_range(made: TrueRange) -> Document:
    """Return it by the names of its fields."""
    return {
        "interval_ms": made.interval_ms,
        "count": made.count,
        "bar": made.bar,
        **{name: _text(getattr(made, name)) for name in _MARKS},
        "ranges": [*map(str, made.ranges)],
    }


def load_range(record: Document) -> TrueRange:
    """Return what `dump_range` wrote.

    Raises:
        Unreadable: a name that this release does not know.
    """
    check_names("true range", record, _NAMES, _NAMES)
    made = TrueRange(record["interval_ms"], record["count"])
    made.bar = record["bar"]
    for name in _MARKS:
        setattr(made, name, None if record[name] is None else int(record[name]))
    ranges: Sequence[str] = record["ranges"]
    made.ranges.extend(map(int, ranges))
    return made


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)
