"""What is trimmed off a log: nothing that anybody may need again. `tests/integration` trims real streams."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import redis

from fillstream.libs.common.messages.topology import lapsed_key, low_water_key
from fillstream.libs.common.runtime.claims import Kept, Lapse
from fillstream.libs.common.runtime.options import Retention
from fillstream.libs.common.runtime.trim import Trimmer, cut, look, memory_limit, trim

NOW_S = 1_000


class Stream:
    """One stream as the server tells of it, and what it was trimmed to."""

    def __init__(self, marks: dict[str, str], groups: dict[str, tuple[str, str | None]] | None = None) -> None:
        self.marks = marks
        self.groups = groups or {}
        self.trimmed_to: str | None = None
        self.lapsed: dict[bytes, bytes] = {}
        self.unread: dict[str, str] = {}
        """The first entry behind an id, where that is asked for."""
        self.there = True
        self.left = 28

    def exists(self, stream: str) -> int:
        assert stream == "events.{a0}"
        return int(self.there)

    def hgetall(self, key: str) -> dict[bytes, bytes]:
        if key == lapsed_key("events.{a0}"):
            return dict(self.lapsed)
        assert key == low_water_key("events.{a0}") == "events.{a0}.low"
        return {reader.encode(): mark.encode() for reader, mark in self.marks.items()}

    def hset(self, key: str, reader: str, told: bytes) -> None:
        assert key == lapsed_key("events.{a0}")
        self.lapsed[reader.encode()] = told

    def hdel(self, key: str, reader: str) -> None:
        assert key == lapsed_key("events.{a0}")
        del self.lapsed[reader.encode()]

    def xrange(self, stream: str, after: str, upto: str, count: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        assert (stream, after[0], upto, count) == ("events.{a0}", "(", "+", 1)
        first = self.unread.get(after[1:])
        return [(first.encode(), {})] if first else []

    def time(self) -> tuple[int, int]:
        return NOW_S, 999_999

    def xinfo_groups(self, stream: str) -> list[dict[str, Any]]:
        assert stream == "events.{a0}"
        return [
            {"name": name.encode(), "last-delivered-id": last.encode(), "pending": 3 if oldest else 0}
            for name, (last, oldest) in self.groups.items()
        ]

    def xinfo_stream(self, stream: str) -> dict[str, Any]:
        assert stream == "events.{a0}"
        return {"last-generated-id": b"999999-0", "first-entry": (b"1-0", {})}

    def xpending(self, stream: str, group: bytes) -> dict[str, Any]:
        assert stream == "events.{a0}"
        oldest = self.groups[group.decode()][1]
        return {"pending": 3, "min": oldest.encode()} if oldest else {"pending": 0, "min": None}

    def xtrim(self, stream: str, minid: str, approximate: bool) -> int:
        assert stream == "events.{a0}"
        assert approximate, "to cut a node of the stream in two costs the server time"
        assert self.trimmed_to in (None, minid)
        self.trimmed_to, self.left = minid, max(0, self.left - 7)
        return min(7, self.left)


def trimmed(stream: Any, *readers: str, retention_s: int = 0) -> str | None:
    went = trim(stream, "events.{a0}", readers, retention_s)
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


# ------------------------------------------------------------------------------------------------- memory is short


def of_a_hundred_seconds(**needs: str) -> Kept:
    return Kept("events.{a0}", 100_000, 200_000, needs, {})


@pytest.mark.parametrize(
    ("excess", "old_ms", "bound"),
    [
        (0.0, 150_000, "150000-0"),  # age alone
        (0.25, 0, "125000-0"),  # a quarter of its time, though all of it is young
        (0.25, 150_000, "150000-0"),  # more than a quarter is old anyway
        (0.001, 0, "100100-0"),
        (0.0, -5, "0-0"),
    ],
)
def test_what_the_server_uses_too_much_goes_from_the_oldest_on(excess: float, old_ms: int, bound: str) -> None:
    stream: Any = Stream({})
    assert cut(stream, of_a_hundred_seconds(), old_ms, excess) == (21, None)
    assert stream.trimmed_to == bound


def test_a_burst_within_one_millisecond_can_be_cut() -> None:
    stream: Any = Stream({})
    cut(stream, Kept("events.{a0}", 100_000, 100_000, {}, {}), 0, 0.5)
    assert stream.trimmed_to == "100001-0"


def test_nothing_goes_that_somebody_needs_and_who_it_is_is_told() -> None:
    stream: Any = Stream({})
    kept = of_a_hundred_seconds(positions="160000-0", analytics="120000-7")
    assert cut(stream, kept, 150_000, 0.9) == (21, "analytics")
    assert stream.trimmed_to == "120000-7"
    assert kept.held_ms == {"positions": 40_000, "analytics": 80_000}
    stream = Stream({})
    kept_by_another = of_a_hundred_seconds(analytics="160000-0", positions="120000-7")
    assert cut(stream, kept_by_another, 150_000) == (21, "positions"), "by what is needed, not by the name"
    stream = Stream({})
    assert cut(stream, kept, 110_000, 0.0) == (21, None), "analytics holds nothing that would go"


def test_what_a_stream_keeps_and_for_whom() -> None:
    stream: Any = Stream({"positions": "50-0"}, {"positions": ("40-0", None), "a user's": ("45-0", "30-1")})
    found = look(stream, "events.{a0}", ["positions", "analytics"])
    assert found == Kept("events.{a0}", 1, 999_999, {"positions": "40-0", "analytics": "0-0", "a user's": "30-1"}, {})


@pytest.mark.parametrize(("maxmemory", "configured", "limit"), [(0, 0, 0), (9, 0, 9), (0, 7, 7), (9, 7, 7), (5, 7, 5)])
def test_the_lower_limit_counts_and_none_is_none(maxmemory: int, configured: int, limit: int) -> None:
    assert memory_limit(maxmemory, Retention(0, Decimal("0.5"), configured)) == limit


class Server(Stream):
    """A server with memory, and one stream from 1 s to 999.999 s."""

    def __init__(self, used: int, maxmemory: int, **marks: str) -> None:
        super().__init__(marks)
        self.used, self.maxmemory, self.looks = used, maxmemory, 0
        self.refuses = False

    def info(self, section: str) -> dict[str, int]:
        assert section == "memory"
        self.looks += 1
        if self.refuses:
            raise redis.exceptions.ResponseError("NOPERM")
        return {"used_memory": self.used, "maxmemory": self.maxmemory}

    def memory_usage(self, stream: str) -> int:
        return 4096

    def time(self) -> tuple[int, int]:
        return NOW_S, 0


class Seen:
    """What a stage's metrics are told."""

    def __init__(self) -> None:
        self.went: list[tuple[str, int]] = []
        self.kept: list[tuple[list[Kept], dict[str, int], int]] = []

    def trimmed(self, stream: str, entries: int) -> None:
        self.went.append((stream, entries))

    def streams(self, kept: Any, sizes: Any, now_ms: int) -> None:
        self.kept.append((kept, sizes, now_ms))


def trimmer(server: Any, seen: Seen, most_s: int = 0) -> Trimmer:
    share = Decimal("0.8")
    retention = Retention(600, Decimal("0.5"), 0, max_reader_lag_s=most_s, max_reader_memory_share=share)
    return Trimmer(server, "orders", {"events.{a0}": ("orders",)}, retention, seen)


def test_a_sweep_trims_by_age_and_tells_what_is_kept() -> None:
    server, seen = Server(used=40, maxmemory=100, orders="900000-0"), Seen()
    trimmer(server, seen).sweep()
    assert server.trimmed_to == "400000-0"
    assert seen.went == [("events.{a0}", 21)]
    [(kept, sizes, now_ms)] = seen.kept
    assert ([each.needs for each in kept], sizes, now_ms) == (
        [{"orders": "900000-0"}],
        {"events.{a0}": 4096},
        1_000_000,
    )


def test_the_next_sweep_is_not_due_at_once_unless_asked_for_or_memory_is_short() -> None:
    server, seen = Server(used=40, maxmemory=100, orders="900000-0"), Seen()
    made = trimmer(server, seen)
    made.sweep()
    made.sweep()
    assert (len(seen.went), server.looks) == (1, 2)
    made.sweep(at_once=True)
    assert len(seen.went) == 2
    server.used, server.trimmed_to = 80, None
    made.sweep()
    assert len(seen.went) == 3


def test_above_its_share_the_server_is_freed_of_what_it_uses_too_much(caplog: pytest.LogCaptureFixture) -> None:
    server, seen = Server(used=80, maxmemory=100, orders="900000-0"), Seen()
    made = trimmer(server, seen)
    made.sweep()
    assert server.trimmed_to == "400000-0", "three eighths are 376 s, and 400 s are old anyway"
    assert not made.held_by_snapshots
    server.used, server.trimmed_to = 250, None
    made.sweep()
    assert server.trimmed_to == "800000-0", "four fifths of the stream"
    assert "keeping less than messaging.retention_s: Redis uses 80 bytes, 50 is its share of 100" in caplog.text
    server.used, server.trimmed_to = 50, None
    made.sweep(at_once=True)
    assert "keeping messaging.retention_s again" in caplog.text


def test_a_stage_whose_snapshots_hold_its_inbox_is_told_so() -> None:
    server, seen = Server(used=250, maxmemory=100, orders="500000-0"), Seen()
    made = trimmer(server, seen)
    made.sweep()
    assert server.trimmed_to == "500000-0"
    assert made.held_by_snapshots
    server.used, server.trimmed_to = 40, None
    made.sweep(at_once=True)
    assert not made.held_by_snapshots, "there is no hurry"


def test_where_memory_may_not_be_asked_for_age_alone_counts(caplog: pytest.LogCaptureFixture) -> None:
    server, seen = Server(used=250, maxmemory=100, orders="900000-0"), Seen()
    server.refuses = True
    made = trimmer(server, seen)
    made.sweep()
    made.sweep(at_once=True)
    assert server.trimmed_to == "400000-0"
    assert caplog.text.count("INFO memory refused") == 1


# ---------------------------------------------------------------------------------------------- readers that are away


def test_a_reader_that_is_too_far_behind_is_waited_for_no_more(caplog: pytest.LogCaptureFixture) -> None:
    server, seen = Server(used=40, maxmemory=100, orders="900000-0", analytics="50000-0"), Seen()
    server.unread = {"50000-0": "60000-0"}
    made = trimmer(server, seen, most_s=940)
    made.sweep()
    assert server.trimmed_to == "50000-0", "940 s behind, and no more"
    made = trimmer(server, seen, most_s=939)
    server.trimmed_to = None
    made.sweep()
    assert server.trimmed_to == "400000-0"
    assert "analytics loses its claim at 50000-0" in caplog.text
    assert "it is 940 s behind, and messaging.max_reader_lag_s is 939" in caplog.text
    kept = look(server, "events.{a0}", ["orders"])
    assert kept is not None
    assert kept.needs == {"orders": "900000-0"}
    why = "it is 940 s behind, and messaging.max_reader_lag_s is 939"
    assert kept.lapsed == {"analytics": Lapse("50000-0", 1_000_000, why)}
    made.sweep(at_once=True)
    assert caplog.text.count("loses its claim") == 1, "it is said once"


def test_a_claim_counts_again_once_its_reader_has_moved() -> None:
    server, seen = Server(used=40, maxmemory=100, orders="900000-0", analytics="50000-0"), Seen()
    server.unread = {"50000-0": "60000-0"}
    trimmer(server, seen, most_s=100).sweep()
    server.marks["analytics"] = "390000-0"
    server.trimmed_to = None
    trimmer(server, seen, most_s=900).sweep()
    assert server.trimmed_to == "390000-0"
    assert server.lapsed == {}


def test_what_is_known_of_a_group_that_was_destroyed_is_forgotten() -> None:
    server, seen = Server(used=40, maxmemory=100, orders="900000-0"), Seen()
    server.groups, server.unread = {"backtest": ("50000-0", None)}, {"50000-0": "60000-0"}
    trimmer(server, seen, most_s=100).sweep()
    assert [*server.lapsed] == [b"backtest"]
    server.groups = {}
    trimmer(server, seen, most_s=100).sweep()
    assert server.lapsed == {}


def test_a_stage_is_waited_for_however_long_and_nobody_loses_what_it_holds_as_well() -> None:
    server, seen = Server(used=250, maxmemory=100, orders="50000-0", analytics="50000-0"), Seen()
    server.unread = {"50000-0": "60000-0"}
    trimmer(server, seen, most_s=1).sweep()
    assert (server.trimmed_to, server.lapsed) == ("50000-0", {})


def test_on_a_quiet_stream_the_newest_entry_is_no_lag() -> None:
    """It had read everything, nothing came for ten minutes, and then one entry."""
    server, seen = Server(used=40, maxmemory=100, orders="900000-0", analytics="50000-0"), Seen()
    server.unread = {"50000-0": "999999-0"}
    trimmer(server, seen, most_s=100).sweep()
    assert (server.trimmed_to, server.lapsed) == ("50000-0", {})


@pytest.mark.parametrize(
    ("used", "unread_ms", "lapses"), [(81, 939_000, True), (80, 939_000, False), (81, 941_000, False)]
)
def test_when_memory_is_nearly_full_a_minute_is_too_long(used: int, unread_ms: int, lapses: bool) -> None:
    server, seen = Server(used=used, maxmemory=100, orders="990000-0", analytics="900000-0"), Seen()
    server.unread = {"900000-0": f"{unread_ms}-0"}
    trimmer(server, seen).sweep()
    assert [*server.lapsed] == ([b"analytics"] if lapses else [])
    if lapses:
        assert (
            b"Redis uses 81 of 100 bytes, above messaging.max_reader_memory_share (0.8)" in server.lapsed[b"analytics"]
        )


def test_an_id_ahead_of_the_clock_makes_nobody_late() -> None:
    server, seen = Server(used=40, maxmemory=100, orders="999000-0", analytics="999000-0"), Seen()
    server.unread = {"999000-0": "18446744073709551615-0"}
    trimmer(server, seen, most_s=100).sweep()
    assert server.lapsed == {}
