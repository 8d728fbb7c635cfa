"""What a log can suffer is told, by the real log and by the naive one alike: nothing is taken for an empty inbox or a
new desk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import redis

from fillstream.backtest.memory_log import MemoryLog, MemoryRedis
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.continuity import (
    Page,
    RecoveryError,
    Story,
    TopologyDiffers,
    Volume,
    judge,
)
from fillstream.libs.common.runtime.log import DeskChanged, Log, RedisLog, connect
from fillstream.libs.common.runtime.stage import Outputs

INBOX = "inbox"


class Suffering:
    """A stage's log, and what may happen to it: in a real server, or in the naive one."""

    def __init__(self, url: str | None) -> None:
        self.memory = MemoryRedis()
        self.client = redis.Redis.from_url(url) if url else None
        self._url = url
        self._clients: list[redis.Redis] = []

    def close(self) -> None:
        for each in (*self._clients, *([self.client] if self.client else [])):
            each.close()

    def log(self, topology: Topology | None = None) -> Log:
        topology = topology or Topology()
        if self._url is None:
            return MemoryLog(self.memory, topology, "stage", INBOX)
        self._clients.append(connect(self._url))
        return RedisLog(self._clients[-1], topology, "stage", INBOX)

    def owner(self, *numbers: int, read: int) -> Log:
        """Return a log that owns the partition, with entries of which some are read and committed."""
        log = self.log()
        log.claim()
        for number in numbers:
            log.append({b"n": b"%d" % number})
        if read:
            log.commit(log.read(read, 1), told())
            log.settle()
        return log

    def trim(self, keep: int) -> None:
        """XTRIM, as a client's XADD with MAXLEN does."""
        if self.client:
            self.client.xtrim(INBOX, maxlen=keep, approximate=False)
        else:
            self.memory.delete(INBOX, *range(len(self.memory.streams[INBOX]) - keep))

    def delete(self, place: int) -> None:
        if self.client:
            entries: list[tuple[bytes, object]] = self.client.xrange(INBOX)  # type: ignore[assignment]
            self.client.xdel(INBOX, entries[place][0])
        else:
            self.memory.delete(INBOX, place)

    def forget(self, *keys: str) -> None:
        if self.client:
            self.client.delete(*keys)
            return
        for key in keys:
            self.memory.forget(key)
            self.memory.checkpoints.pop(key, None)
            if key == "desk":
                self.memory.marker = None

    def kept_checkpoint(self) -> Callable[[], object]:
        """Keep the checkpoint; return what puts it in the place of a later one."""
        key = "checkpoint.stage"
        if self.client:
            client, kept = self.client, self.client.dump(key)
            return lambda: client.restore(key, 0, kept, replace=True)
        memory, older = self.memory, replace(self.memory.checkpoints[key])
        return lambda: memory.checkpoints.update({key: older})

    def flush(self) -> None:
        self.forget(INBOX, "out", "desk", "checkpoint.stage")


@pytest.fixture(params=["redis", "memory"])
def desk(request: pytest.FixtureRequest) -> Iterator[Suffering]:
    made = Suffering(request.getfixturevalue("redis_url") if request.param == "redis" else None)
    yield made
    made.close()


def told(event: str = "a") -> Outputs:
    out = Outputs("stage", INBOX)
    out.event("out", {"event": event})
    return out


def refused(act: Callable[[], object], page: Page, *words: str) -> None:
    with pytest.raises(RecoveryError) as error:
        act()
    assert error.value.page == page, str(error.value)
    for each in words:
        assert each in str(error.value), str(error.value)


def started(desk: Suffering, volume: Volume | None = None) -> Callable[[], None]:
    return lambda: judge(desk.log().look(), volume or Volume())


def test_entries_that_a_client_trimmed_before_they_were_read_are_told_at_the_start(desk: Suffering) -> None:
    desk.owner(*range(20), read=3)
    desk.trim(keep=5)
    refused(started(desk), Page.ENTRIES_LOST, "12 entries after", "were trimmed or deleted", "entries-lost.md")


def test_and_by_the_next_commit(desk: Suffering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fillstream.libs.common.runtime.log.COUNT_EVERY_S", 0)  # the commit a moment ago has counted
    log = desk.owner(*range(20), read=3)
    desk.trim(keep=5)
    refused(lambda: log.commit(log.read(10, 1), told()) or log.settle(), Page.ENTRIES_LOST, "12 entries")


def test_and_while_nothing_comes(desk: Suffering) -> None:
    log = desk.owner(*range(20), read=3)
    log.watch()
    desk.trim(keep=0)
    refused(log.watch, Page.ENTRIES_LOST, "17 entries after", "and up to")
    assert log.read(10, 1) == []


def test_one_entry_deleted_among_others_is_told_once_the_others_are_read(desk: Suffering) -> None:
    log = desk.owner(*range(5), read=1)
    desk.delete(2)

    def go_on() -> None:
        log.commit(log.read(10, 1), told())
        log.settle()
        log.watch()

    refused(go_on, Page.ENTRIES_LOST, "1 entry after")


def test_what_was_read_may_be_trimmed(desk: Suffering) -> None:
    log = desk.owner(*range(20), read=10)
    desk.trim(keep=10)
    log.watch()
    judge(desk.log().look(), Volume())
    log.commit(log.read(20, 1), told())
    log.watch()
    desk.trim(keep=0)
    log.watch()
    judge(desk.log().look(), Volume())


def test_a_loss_that_was_accepted_is_told_no_more_and_the_next_one_is(desk: Suffering) -> None:
    desk.owner(*range(20), read=3)
    desk.trim(keep=5)
    if desk.client:
        desk.client.hset("checkpoint.stage", "lost", 12)
    else:
        desk.memory.checkpoints["checkpoint.stage"].lost = 12
    judge(desk.log().look(), Volume())
    log = desk.log()
    log.claim()
    log.commit(log.read(4, 1), told())
    log.watch()
    desk.trim(keep=0)
    refused(log.watch, Page.ENTRIES_LOST, "1 entry")


def test_a_checkpoint_that_is_gone_is_no_new_stage(desk: Suffering) -> None:
    log = desk.owner(1, 2, read=1)
    desk.forget("checkpoint.stage")
    refused(started(desk), Page.CHECKPOINT_GONE, "checkpoint.stage is gone", "a second time")
    refused(log.watch, Page.CHECKPOINT_GONE)
    refused(lambda: log.commit(log.read(10, 1), told()) or log.settle(), Page.CHECKPOINT_GONE)


def test_an_older_checkpoint_does_not_agree_with_the_group(desk: Suffering) -> None:
    log = desk.owner(*range(5), read=2)
    put_back = desk.kept_checkpoint()
    log.commit(log.read(2, 1), told())
    log.settle()
    put_back()
    refused(started(desk), Page.CHECKPOINT_GONE, "checkpoint.stage stands at", "the consumer group", "XGROUP SETID")


def test_a_desk_whose_marker_and_checkpoint_are_gone_was_here_all_the_same(desk: Suffering) -> None:
    desk.owner(*range(5), read=2)
    desk.forget("desk", "checkpoint.stage")
    refused(started(desk), Page.MARKER_GONE, "the key `desk` is gone, and so is checkpoint.stage")
    refused(started(desk, Volume("a desk", "5-0")), Page.MARKER_GONE)


def test_a_group_that_has_read_nothing_is_no_stage_that_was_live(desk: Suffering) -> None:
    desk.owner(*range(5), read=0)
    desk.forget("desk", "checkpoint.stage")
    started(desk)()


def test_a_server_that_was_flushed_is_no_newer_owner(desk: Suffering) -> None:
    log = desk.owner(1, 2, read=1)
    batch = log.read(10, 1)
    desk.flush()
    refused(log.watch, Page.DESK_GONE, "flushed")
    refused(lambda: log.commit(batch, told()) or log.settle(), Page.DESK_GONE)


def test_an_empty_server_is_no_new_desk_for_a_volume_that_knows_one(desk: Suffering) -> None:
    started(desk)()
    refused(started(desk, Volume("feed")), Page.DESK_GONE, "of desk feed")
    refused(started(desk, Volume("", "5-0")), Page.DESK_GONE, "of a desk, up to 5-0")


def test_the_volume_of_another_desk_is_refused(desk: Suffering) -> None:
    desk.owner(1, read=1)
    refused(started(desk, Volume("feed")), Page.OTHER_DESK, "volume is of desk feed")


def test_a_snapshot_ahead_of_the_checkpoint_means_an_older_server(desk: Suffering) -> None:
    desk.owner(1, read=1)
    refused(started(desk, Volume("", "99999999999999-0")), Page.LOG_REWOUND, "99999999999999-0")


def test_a_stage_that_was_never_started_may_begin_beside_others_and_not_before_its_own_snapshot(
    desk: Suffering,
) -> None:
    desk.owner(1, read=1)
    story = desk.log().look()
    fresh = Story("checkpoint.other", "other", story.marker)
    judge(fresh, Volume())
    refused(lambda: judge(fresh, Volume("", "5-0")), Page.CHECKPOINT_GONE, "Its newest snapshot is at 5-0")


def test_an_inbox_that_is_gone_is_not_an_empty_one(desk: Suffering) -> None:
    log = desk.owner(1, 2, read=2)
    desk.forget(INBOX)
    refused(started(desk), Page.INBOX_GONE, "2 entries up to", "is gone, or another")
    refused(log.watch, Page.INBOX_GONE)
    log.append({b"n": b"3"})
    refused(started(desk), Page.INBOX_GONE, "is gone, or another")
    refused(log.watch, Page.INBOX_GONE)


def test_an_output_that_is_gone_is_missed(desk: Suffering) -> None:
    log = desk.owner(1, 2, read=2)
    log.watch()
    judge(desk.log().look(), Volume())
    desk.forget("out")
    refused(log.watch, Page.OUTPUT_GONE, "out, which this stage writes, had had 1 entries and is gone, or another")
    refused(started(desk), Page.OUTPUT_GONE)
    log.append({b"n": b"3"})
    log.commit(log.read(1, 1), told())
    log.settle()  # the stream is there again, and as long
    judge(desk.log().look(), Volume())


def test_a_marker_that_is_gone_is_missed(desk: Suffering) -> None:
    desk.owner(1, read=1)
    desk.forget("desk")
    refused(started(desk), Page.MARKER_GONE, "the key `desk` is gone")


def test_a_desk_keeps_its_partition_counts(desk: Suffering) -> None:
    desk.owner(1, read=1)
    with pytest.raises(TopologyDiffers, match=r"messaging\.account_partitions: 2 must be 1"):
        desk.log(Topology(account_partitions=2)).look()
    with pytest.raises(TopologyDiffers, match=r"messaging\.symbol_partitions: 3 must be 1"):
        desk.log(Topology(symbol_partitions=3)).look()


def test_two_stages_that_find_no_desk_make_one(desk: Suffering) -> None:
    first, second = desk.log(), desk.log()
    made = first.claim(desk="")
    with pytest.raises(DeskChanged):
        second.claim(desk="")
    assert made.desk and second.claim(desk=made.desk).desk == made.desk


def test_a_group_that_somebody_destroyed_is_made_again_where_the_stage_stands(
    client: redis.Redis, redis_url: str
) -> None:
    desk = Suffering(redis_url)
    log = desk.owner(1, 2, 3, read=2)
    client.xgroup_destroy(INBOX, "stage")
    again = desk.log()
    claimed = again.claim()
    (group,) = client.xinfo_groups(INBOX)  # type: ignore[misc]
    assert (group["last-delivered-id"].decode(), group["entries-read"]) == (claimed.id, 2)
    assert log.checkpoint().entries == 2
    desk.close()


def test_an_id_that_somebody_chose_ahead_of_the_clock_is_told_before_anything_is_done_about_it(desk: Suffering) -> None:
    desk.owner(1, read=1)
    started(desk)()
    if desk.client:
        seconds, _ = desk.client.time()  # type: ignore[misc]
        desk.client.xadd(INBOX, {"n": "2"}, id=f"{(seconds + 30) * 1000}-0")
        started(desk)()
        desk.client.xadd(INBOX, {"n": "3"}, id="18446744073709551615-18446744073709551615")
    else:
        desk.memory.now_ms += 90_000
        desk.log().append({b"n": b"2"})
        desk.memory.now_ms -= 60_000
        started(desk)()
        desk.memory.now_ms += 86_400_000
        desk.log().append({b"n": b"3"})
        desk.memory.now_ms -= 86_400_000
    refused(started(desk), Page.TIME_AHEAD, "more than 60 s ahead of the server's clock")


def test_a_log_that_is_ahead_since_the_clock_was_set_back_goes_on(desk: Suffering) -> None:
    if desk.client:
        desk.log().claim()
        desk.client.xadd(INBOX, {"n": "1"}, id="99999999999999-0")
    else:
        desk.memory.now_ms = 99_999_999_999_999
        desk.owner(1, read=0)
        desk.memory.now_ms = 1_800_000_000_000
    log = desk.log()
    log.claim()
    log.commit(log.read(1, 1), told())
    log.append({b"n": b"2"})
    started(desk)()
