"""What is trimmed off a log: nothing that anybody may need again. `tests/integration` trims real streams."""

from __future__ import annotations

from typing import Any

import pytest

from fillstream.libs.common.streams import low_water_key
from fillstream.libs.common.trim import trim

NOW_S = 1_000


class Stream:
    """One stream as the server tells of it, and what it was trimmed to."""

    def __init__(self, marks: dict[str, str], groups: dict[str, tuple[str, str | None]] | None = None) -> None:
        self.marks = marks
        self.groups = groups or {}
        self.trimmed_to: str | None = None
        self.there = True
        self.left = 28

    def exists(self, stream: str) -> int:
        assert stream == "events.{0}"
        return int(self.there)

    def hgetall(self, key: str) -> dict[bytes, bytes]:
        assert key == low_water_key("events.{0}") == "events.{0}.low"
        return {reader.encode(): mark.encode() for reader, mark in self.marks.items()}

    def time(self) -> tuple[int, int]:
        return NOW_S, 999_999

    def xinfo_groups(self, stream: str) -> list[dict[str, Any]]:
        assert stream == "events.{0}"
        return [
            {"name": name.encode(), "last-delivered-id": last.encode(), "pending": 3 if oldest else 0}
            for name, (last, oldest) in self.groups.items()
        ]

    def xinfo_stream(self, stream: str) -> dict[str, Any]:
        assert stream == "events.{0}"
        return {"last-generated-id": b"999999-0", "first-entry": (b"1-0", {})}

    def xpending(self, stream: str, group: bytes) -> dict[str, Any]:
        assert stream == "events.{0}"
        oldest = self.groups[group.decode()][1]
        return {"pending": 3, "min": oldest.encode()} if oldest else {"pending": 0, "min": None}

    def xtrim(self, stream: str, minid: str, approximate: bool) -> int:
        assert stream == "events.{0}"
        assert approximate, "to cut a node of the stream in two costs the server time"
        assert self.trimmed_to in (None, minid)
        self.trimmed_to, self.left = minid, max(0, self.left - 7)
        return min(7, self.left)


def trimmed(stream: Any, *readers: str, retention_s: int = 0) -> str | None:
    went = trim(stream, "events.{0}", readers, retention_s)
    assert went == (0 if stream.trimmed_to is None else 21), "again and again, as one call drops so many at most"
    return None if stream.trimmed_to is None else str(stream.trimmed_to)


def test_the_reader_who_is_furthest_behind_decides() -> None:
    """By the number of the id, not by its text: 9 is before 10."""
    assert trimmed(Stream({"positions": "10-0", "analytics": "9-5"}), "positions", "analytics") == "9-5"


def test_while_a_reader_has_left_no_mark_nothing_goes() -> None:
    assert trimmed(Stream({"positions": "10-0"}), "positions", "analytics") == "0-0"


def test_a_mark_of_somebody_unasked_counts_as_well() -> None:
    assert trimmed(Stream({"positions": "10-0", "a user's": "4-0"}), "positions") == "4-0"


@pytest.mark.parametrize(("retention_s", "expected"), [(600, "400000-0"), (0, "900000-0")])
def test_what_is_younger_than_the_retention_stays(retention_s: int, expected: str) -> None:
    assert trimmed(Stream({"positions": "900000-0"}), "positions", retention_s=retention_s) == expected


def test_a_group_needs_what_it_has_not_been_given_and_what_it_has_not_acknowledged() -> None:
    marks = {"positions": "50-0"}
    assert trimmed(Stream(marks, {"orders": ("20-0", None)}), "positions") == "20-0"
    assert trimmed(Stream(marks, {"orders": ("40-0", None), "a user's": ("45-0", "30-1")}), "positions") == "30-1"


def test_a_stream_that_is_not_there_yet_is_left_alone() -> None:
    """A reader may leave its mark before the first entry; the server has no groups of what is not there."""
    stream = Stream({"positions": "10-0"})
    stream.there = False
    assert trimmed(stream, "positions") is None
