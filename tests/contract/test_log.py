"""One set of promises, two logs: the real one in Redis and the naive one in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from fillstream.backtest.memory_log import MemoryLog, MemoryRedis
from fillstream.libs.common.messages.bad_entry import unpack_raw
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.log import FRAME_BYTES, Fenced, Gap, Log, Moved, RedisLog, connect
from fillstream.libs.common.runtime.release import Note, running
from fillstream.libs.common.runtime.stage import Outputs

TOPOLOGY = Topology()
INBOX = "inbox"
MakeLog = Callable[[], Log]
Streams = Callable[[str], list[dict[bytes, bytes]]]


@pytest.fixture(params=["redis", "memory"])
def desk(request: pytest.FixtureRequest) -> Iterator[tuple[MakeLog, Streams]]:
    if request.param == "memory":
        memory = MemoryRedis()
        yield (
            lambda: MemoryLog(memory, TOPOLOGY, "stage", INBOX),
            lambda stream: [dict(entry.fields) for entry in memory.streams.get(stream, [])],
        )
        return
    url = request.getfixturevalue("redis_url")
    clients: list[redis.Redis] = []

    def make() -> Log:
        clients.append(connect(url))
        return RedisLog(clients[-1], TOPOLOGY, "stage", INBOX)

    with redis.Redis.from_url(url) as reader:
        yield make, lambda stream: [fields for _, fields in reader.xrange(stream)]  # type: ignore[misc]
    for each in clients:
        each.close()


def outputs(*events: str) -> Outputs:
    out = Outputs("stage", INBOX)
    for event in events:
        out.event("out", {"event": event})
    return out


def test_a_backlog_older_than_the_group_is_read(desk: tuple[MakeLog, Streams]) -> None:
    log = desk[0]()
    log.append({b"n": b"1"})
    log.claim()
    assert [entry.fields for entry in log.read(10, 1)] == [{b"n": b"1"}]


def test_a_commit_appends_acknowledges_and_moves_the_checkpoint_together(desk: tuple[MakeLog, Streams]) -> None:
    make, stream = desk
    log = make()
    log.claim()
    log.append({b"n": b"1"})
    log.append({b"n": b"2"})
    batch = log.read(10, 1)
    out = outputs("a", "b")
    log.commit(batch, out)
    checkpoint = log.checkpoint()
    assert (checkpoint.id, checkpoint.entries, checkpoint.digest) == (batch[-1].id, 2, out.digest)
    assert [fields[b"data"] for fields in stream("out")] == [b'{"event":"a"}', b'{"event":"b"}']
    assert log.read(10, 1) == []


def test_a_stream_that_carries_several_kinds_has_them_in_the_order_they_were_sent(
    desk: tuple[MakeLog, Streams],
) -> None:
    make, stream = desk
    log = make()
    log.claim()
    log.append({b"n": b"1"})
    out = outputs("a")
    out.record("out", b"r" * 64)
    out.record("out", b"s" * 64)
    out.event("out", {"event": "b"})
    out.event("elsewhere", {"event": "c"})
    log.commit(log.read(10, 1), out)
    assert stream("out") == [
        {b"data": b'{"event":"a"}'}, {b"frame": b"r" * 64 + b"s" * 64}, {b"data": b'{"event":"b"}'},
    ]  # fmt: skip
    assert stream("elsewhere") == [{b"data": b'{"event":"c"}'}]


def test_the_first_release_of_a_partition_leaves_no_entry(desk: tuple[MakeLog, Streams]) -> None:
    make, stream = desk
    make().claim("0.2.0")
    claimed = make().claim("0.3.0")  # nothing was decided before it
    assert claimed.notes == {"0-0": Note("0.3.0", "0-0")}
    assert stream(INBOX) == []


def test_the_release_that_runs_is_noted_when_none_is_named(desk: tuple[MakeLog, Streams]) -> None:
    assert desk[0]().claim().notes == {"0-0": Note(running(), "0-0")}


def committed(log: Log, release: str) -> str:
    """Claim for a release and let it commit one entry; return the entry's id."""
    log.claim(release)
    log.append({b"n": b"1"})
    batch = log.read(1, 1)
    log.commit(batch, outputs("a"))
    return batch[-1].id


def test_a_release_that_takes_over_notes_it_behind_what_waits(desk: tuple[MakeLog, Streams]) -> None:
    make, stream = desk
    upto = committed(make(), "0.2.0")
    make().append({b"n": b"2"})
    log = make()
    claimed = log.claim("0.3.0", upto)
    waiting, note = log.read(10, 1)
    assert stream(INBOX)[1:] == [{b"n": b"2"}, {b"release": b"0.3.0", b"after": upto.encode()}]
    assert claimed.notes == {"0-0": Note("0.2.0", "0-0"), note.id: Note("0.3.0", upto)}
    log.commit([waiting, note], outputs("b"))
    assert make().claim("0.3.0", note.id).notes == claimed.notes, "the same release again notes nothing"
    assert len(stream(INBOX)) == 3
    assert make().checkpoint().notes == claimed.notes


def test_a_release_that_does_not_stand_where_another_has_come_to_changes_nothing(desk: tuple[MakeLog, Streams]) -> None:
    make, stream = desk
    older, newer = make(), make()
    upto = committed(older, "0.2.0")
    with pytest.raises(Moved) as moved:
        newer.claim("0.3.0", "0-0")
    assert (moved.value.upto, moved.value.release) == (upto, "0.2.0")
    assert len(stream(INBOX)) == 1
    older.append({b"n": b"2"})
    older.commit(older.read(1, 1), outputs("b"))  # nobody fenced it
    same = make()
    assert same.claim("0.2.0", "0-0").entries == 2, "within a release the log is folded again"


def test_a_release_may_come_back_where_the_other_decided_nothing(desk: tuple[MakeLog, Streams]) -> None:
    make, stream = desk
    upto = committed(make(), "0.2.0")
    make().claim("0.3.0", upto)
    claimed = make().claim("0.2.0", upto)
    assert [fields.get(b"release") for fields in stream(INBOX)] == [None, b"0.3.0", b"0.2.0"]
    assert sorted(claimed.notes.values()) == [Note("0.2.0", "0-0"), Note("0.2.0", upto), Note("0.3.0", upto)]


def test_folds_send_to_names_and_a_commit_makes_keys_of_them(desk: tuple[MakeLog, Streams]) -> None:
    make, stream = desk
    log = make()
    log.claim()
    log.append({b"n": b"1"})
    batch = log.read(10, 1)
    out = Outputs("stage", INBOX)
    out.begin(batch[0])
    out.event("events.0", {"event": "a"})
    out.record("commands.SIM.1", b"c" * 64)
    out.market("market.2", {"event": "m"})
    out.bad("reason", "text")
    log.commit(batch, out)
    assert stream("events.{a0}") == [{b"data": b'{"event":"a"}'}]
    assert stream("commands.SIM.{s1}") == [{b"frame": b"c" * 64}]
    assert stream("market.{s2}") == [{b"data": b'{"event":"m"}'}]
    [letter] = stream("dead")
    assert b'"stream":"inbox"' in letter[b"data"], "the name: a dead letter is hashed as well"


def test_what_was_read_but_not_committed_comes_again_after_a_claim(desk: tuple[MakeLog, Streams]) -> None:
    make, _ = desk
    first = make()
    first.claim()
    for n in b"123":
        first.append({b"n": bytes([n])})
    first.commit(first.read(1, 1), outputs())
    first.read(10, 1)  # and dies
    second = make()
    second.claim()
    assert [entry.fields[b"n"] for entry in second.read(10, 1)] == [b"2", b"3"]


def test_the_older_of_two_owners_is_fenced_and_changes_nothing(desk: tuple[MakeLog, Streams]) -> None:
    make, stream = desk
    older, newer = make(), make()
    older.claim()
    older.append({b"n": b"1"})
    batch = older.read(10, 1)
    newer.claim()
    with pytest.raises(Fenced):
        older.commit(batch, outputs("lost"))
    assert stream("out") == []
    newer.commit(newer.read(10, 1), outputs("kept"))
    assert [fields[b"data"] for fields in stream("out")] == [b'{"event":"kept"}']


def test_a_batch_that_skips_an_entry_is_refused(desk: tuple[MakeLog, Streams]) -> None:
    make, stream = desk
    log = make()
    log.claim()
    log.append({b"n": b"1"})
    log.append({b"n": b"2"})
    batch = log.read(10, 1)[1:]
    with pytest.raises(Gap):
        log.commit(batch, outputs("lost"))
    assert stream("out") == []
    assert log.checkpoint().id == "0-0"


def test_a_batch_that_was_committed_already_is_refused(desk: tuple[MakeLog, Streams]) -> None:
    make, stream = desk
    log = make()
    log.claim()
    log.append({b"n": b"1"})
    batch = log.read(10, 1)
    log.commit(batch, outputs("once"))
    with pytest.raises(Gap):
        log.commit(batch, outputs("twice"))
    assert [fields[b"data"] for fields in stream("out")] == [b'{"event":"once"}']


def test_a_checkpoint_without_notes_is_of_the_release_that_left_none(client: redis.Redis, redis_url: str) -> None:
    client.hset(TOPOLOGY.checkpoint("stage", 0), mapping={"epoch": 3, "id": "5-0", "entries": 1, "digest": b"\1" * 16})
    made = connect(redis_url)
    log = RedisLog(made, TOPOLOGY, "stage", INBOX)
    with pytest.raises(Moved, match=r"0\.1\.0 has decided up to 5-0"):
        log.claim("0.2.0", "4-0")
    assert list(log.claim("0.2.0", "5-0").notes.values()) == [Note("0.2.0", "5-0")]
    found = client.hgetall(TOPOLOGY.checkpoint("stage", 0))
    assert (found[b"release"], found[b"release_after"]) == (b"0.2.0", b"5-0")  # type: ignore[index]
    made.close()


def test_a_lost_reply_is_read_again(desk: tuple[MakeLog, Streams]) -> None:
    make, _ = desk
    log = make()
    log.claim()
    log.append({b"n": b"1"})
    lost = log.read(10, 1)
    assert log.read(10, 1) == lost


def test_another_reader_takes_nothing_away(desk: tuple[MakeLog, Streams]) -> None:
    make, stream = desk
    log, zombie = make(), make()
    zombie.claim()
    log.claim()
    log.append({b"n": b"1"})
    zombie.read(10, 1)
    log.commit(log.read(10, 1), outputs("kept"))
    assert [fields[b"data"] for fields in stream("out")] == [b'{"event":"kept"}']


def test_the_group_shows_everybody_where_the_stage_stands(client: redis.Redis, redis_url: str) -> None:
    made = connect(redis_url)
    log = RedisLog(made, TOPOLOGY, "stage", INBOX)
    log.claim()
    for n in b"123":
        log.append({b"n": bytes([n])})
    batch = log.read(2, 1)
    log.commit(batch, outputs())
    (group,) = client.xinfo_groups(INBOX)  # type: ignore[misc]
    assert (group["name"], group["last-delivered-id"].decode(), group["pending"]) == (b"stage", batch[-1].id, 0)
    assert (group["entries-read"], group["lag"]) == (2, 1)
    made.close()


def test_records_of_a_batch_share_an_entry_and_dead_letters_stay_whole(desk: tuple[MakeLog, Streams]) -> None:
    make, stream = desk
    log = make()
    log.claim()
    log.append({b"\xff\x00": b"\x00binary\xff"})
    batch = log.read(10, 1)
    out = Outputs("stage", INBOX)
    out.begin(batch[0])
    out.record("commands.SIM.0", b"a" * 64)
    out.record("commands.SIM.0", b"b" * 64)
    out.bad("unreadable", "field: binary")
    log.commit(batch, out)
    assert stream("commands.SIM.{s0}") == [{b"frame": b"a" * 64 + b"b" * 64}]
    (letter,) = stream("dead")
    assert letter[b"raw:\xff\x00"] == b"\x00binary\xff"


def test_a_quarantined_entry_is_remembered_and_the_suspicion_ends(desk: tuple[MakeLog, Streams]) -> None:
    log = desk[0]()
    log.claim()
    log.append({b"n": b"1"})
    batch = log.read(1, 1)
    log.suspect(batch[0].id)
    assert log.checkpoint().suspect == batch[0].id
    log.commit(batch, outputs(), (batch[0].id, "ValueError: no"))
    assert (log.checkpoint().suspect, log.checkpoint().poisoned) == ("", {batch[0].id: "ValueError: no"})


def test_the_log_can_be_read_again_between_any_two_ids(desk: tuple[MakeLog, Streams]) -> None:
    log = desk[0]()
    log.claim()
    for n in range(2500):
        log.append({b"n": b"%d" % n})
    every = list(log.between("0-0", "9999999999999-0"))
    assert [int(entry.fields[b"n"]) for entry in every] == list(range(2500))
    assert list(log.between(every[9].id, every[11].id)) == every[10:12]


@pytest.mark.parametrize("at_once", [False, True])
def test_more_records_than_one_entry_may_hold_are_split_at_a_record(
    client: redis.Redis, redis_url: str, at_once: bool
) -> None:
    made = connect(redis_url)
    log = RedisLog(made, TOPOLOGY, "stage", INBOX)
    log.claim()
    log.append({b"n": b"1"})
    batch = log.read(1, 1)
    out = Outputs("stage", INBOX)
    records = FRAME_BYTES // 64 + 1
    sent = [n.to_bytes(64, "little") for n in range(records)]
    for each in [b"".join(sent)] if at_once else sent:
        out.record("commands.SIM.0", each)
    log.commit(batch, out)
    frames = [fields[b"frame"] for _, fields in client.xrange("commands.SIM.{s0}")]  # type: ignore[misc]
    assert [len(frame) for frame in frames] == [FRAME_BYTES, 64]
    assert b"".join(frames)[-64:] == (records - 1).to_bytes(64, "little")
    made.close()


def test_an_entry_that_names_a_field_twice_loses_neither(client: redis.Redis, redis_url: str) -> None:
    made = connect(redis_url)
    log = RedisLog(made, TOPOLOGY, "stage", INBOX)
    log.claim()
    client.execute_command("XADD", INBOX, "*", "a", "1", "a", "2", "b", "3", "a", "4")
    assert log.read(1, 1)[0].fields == {b"a": b"1", b"a#2": b"2", b"b": b"3", b"a#3": b"4"}
    made.close()


@pytest.mark.parametrize("count", [0, 1, 1000, 1001, 20_000])
def test_a_dead_letter_of_any_width_passes_the_script_and_comes_back_whole(
    client: redis.Redis, redis_url: str, count: int
) -> None:
    made = connect(redis_url)
    log = RedisLog(made, TOPOLOGY, "stage", INBOX)
    log.claim()
    log.append({b"n": b"1"})
    raw = {b"\xff%d" % n: b"\x00%d" % n for n in range(count)}
    out = Outputs("stage", INBOX)
    batch = log.read(1, 1)
    out.begin(batch[0])
    out.bad("wide", "fields: too many", raw)
    log.commit(batch, out)
    ((_, letter),) = client.xrange("dead")  # type: ignore[misc]
    assert unpack_raw(letter) == raw
    made.close()


def test_the_same_batch_named_after_the_same_checkpoint_is_not_committed_again(
    client: redis.Redis, redis_url: str
) -> None:
    made = connect(redis_url)
    log = RedisLog(made, TOPOLOGY, "stage", INBOX)
    log.claim()
    log.append({b"n": b"1"})
    batch = log.read(10, 1)
    log.commit(batch, outputs("once"))
    log._committed = "0-0"  # as a process would that has not heard of its own commit
    with pytest.raises(Gap):
        log.commit(batch, outputs("twice"))
    assert client.xlen("out") == 1
    made.close()
