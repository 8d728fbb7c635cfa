"""What only a person can accept, on a real server: the stage stops, is explained, and acts on the word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from typer.testing import CliRunner

from fillstream.cli.app import app
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.acceptance import Repairs
from fillstream.libs.common.runtime.continuity import Page, RecoveryError
from fillstream.libs.common.runtime.heartbeat import put_status
from fillstream.libs.common.runtime.log import RedisLog, connect
from fillstream.libs.common.runtime.options import Address
from fillstream.libs.common.runtime.runner import Runner
from fillstream.libs.common.runtime.snapshots import SnapshotStore
from fillstream.libs.common.runtime.stage import Entry, Inconsistent, Outputs
from tests.support.adder import Adder

TOPOLOGY = Topology()
ORDERS = "orders.{a0}"


class Sequenced(Adder):
    """Counts what it reads of `signals` into `orders.0`, and believes a number only if it is larger than the last."""

    name, inbox = "signals", "signals"

    def fold(self, entry: Entry, out: Outputs) -> None:
        number = int(entry.fields[b"n"])
        if number <= self.total:
            raise Inconsistent(f"{self.inbox} {entry.id}: n {number} must be above {self.total}")
        self.total = number
        out.event("orders.0", {"n": number})


class Desk:
    """One stage of a desk on a real server, started and killed at will."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.client = connect(url)
        self.raw: Any = self.client
        self.store = SnapshotStore(folder, "signals", 0)
        self.make: Callable[[], Sequenced] = Sequenced
        self._opened: list[redis.Redis] = [self.client]

    def close(self) -> None:
        for each in self._opened:
            each.close()

    def start(self) -> Runner:
        """Recover, and fold what is there; tell why not, as the worker does."""
        own, aside = connect(self.url), connect(self.url)
        self._opened += [own, aside]
        stage = self.make()
        repairs = Repairs(aside, TOPOLOGY, stage.name, stage.inbox, "signals", self.store)
        runner = Runner(stage, RedisLog(own, TOPOLOGY, stage.name, stage.inbox), self.store, repairs=repairs)
        status: dict[str, Any] = {"state": "live", "page": ""}
        try:
            runner.recover()
            if runner.was_repaired and runner.entries:
                self.store.save(runner.snapshot())
            while batch := runner.read(500, 1):
                runner.step(batch)
            runner.log.settle()
            runner.log.watch()
            status["lost"] = runner.lost
        except RecoveryError as error:
            told = {"page": error.page.value, "stopped_by": error.text, "stopped_at": error.entry}
            status = {"state": "crashed", **told}
            raise
        finally:
            put_status(aside, TOPOLOGY.status(stage.name, stage.inbox), Address("127.0.0.1", 1, ""), **status)
        return runner

    def stops(self, page: Page) -> None:
        with pytest.raises(RecoveryError) as error:
            self.start()
        assert error.value.page == page, str(error.value)

    def send(self, *numbers: int) -> None:
        for number in numbers:
            self.raw.xadd("signals", {"n": number})

    def journal(self) -> list[dict[str, Any]]:
        """What was told to the orders stage: numbers, and controls."""
        return [orjson.loads(next(iter(fields.values()))) for _, fields in self.raw.xrange(ORDERS)]

    def numbers(self) -> list[int]:
        return [each["n"] for each in self.journal() if "n" in each]


@pytest.fixture
def desk(redis_url: str, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(redis_url, tmp_path / "snapshots")
    yield made
    made.close()


@pytest.fixture
def recover(redis_url: str) -> Callable[..., tuple[int, Any]]:
    def run(*arguments: str) -> tuple[int, Any]:
        done = CliRunner().invoke(app, ["recover", "--redis-url", redis_url, *arguments])
        return done.exit_code, orjson.loads(done.stdout) if "--json" in arguments else done.output

    return run


Recover = Callable[..., tuple[int, Any]]


def accept(recover: Recover) -> str:
    code, told = recover("--accept", "signals", "--reason", "a drill", "--who", "kim", "--json")
    assert code == 0, told
    return str(told["control_id"])


def accepted(desk: Desk, control_id: str, page: Page) -> None:
    """The journal has it, once, and nobody has to give the word again."""
    (control,) = [each for each in desk.journal() if each.get("type") == "AcceptLoss"]
    assert (control["control_id"], control["who"], control["reason"]) == (control_id, "kim", "a drill")
    assert (control["stage"], control["page"]) == ("signals", page.value)
    assert desk.raw.exists("recover") == 0


def test_nothing_to_recover(desk: Desk, recover: Recover) -> None:
    desk.send(1)
    desk.start()
    assert recover("--json") == (0, [])
    code, text = recover()
    assert (code, "every stage can go on by itself" in text) == (0, True)
    code, text = recover("--accept", "signals", "--reason", "x")
    assert (code, "signals has not stopped for a person" in text) == (4, True)


def test_a_server_without_a_desk_is_not_said_to_be_in_order(desk: Desk, recover: Recover) -> None:
    desk.send(1)
    desk.start()
    desk.raw.flushall()
    code, text = recover()
    assert (code, "this Redis knows no desk" in text, "can go on" in text) == (1, True, False)
    assert recover("--json") == (1, [])


def test_a_key_that_somebody_wrote_over_is_named(desk: Desk, recover: Recover) -> None:
    desk.send(1)
    desk.start()
    for key in ("events.{a0}", "checkpoint.signals", "status.positions.{a0}", "recover", "desk"):
        desk.raw.delete(key)
        desk.raw.set(key, "x")
        code, text = recover()
        assert (code, f"Redis: {key}: must be a " in text) == (1, True), text
        desk.raw.delete(key)


def test_entries_lost_are_accepted_and_the_rest_is_read(desk: Desk, recover: Recover) -> None:
    desk.send(1, 2)
    desk.store.save(desk.start().snapshot())
    desk.send(*range(3, 10))
    desk.raw.xtrim("signals", maxlen=3, approximate=False)
    desk.stops(Page.ENTRIES_LOST)
    code, (told,) = recover("--json")
    assert (code, told["stage"], told["page"], told["can_be_accepted"]) == (1, "signals", "entries-lost", True)
    assert told["text"].startswith("signals: 4 entries after ")
    code, text = recover()
    assert "fillstream recover --accept signals" in text and "Where it can be had from" in text
    assert recover("--accept", "signals")[0] == 2, "a reason is asked for"
    desk.stops(Page.ENTRIES_LOST)
    word = accept(recover)
    assert "kim has accepted it" in recover()[1]
    desk.start()
    assert desk.numbers() == [1, 2, 7, 8, 9]
    accepted(desk, word, Page.ENTRIES_LOST)
    assert recover("--json") == (0, [])
    desk.send(10)
    desk.start()
    assert desk.numbers()[-1] == 10


def test_a_word_for_one_loss_is_none_for_a_larger_one(desk: Desk, recover: Recover) -> None:
    desk.send(1)
    desk.store.save(desk.start().snapshot())
    desk.send(*range(2, 10))
    desk.raw.xtrim("signals", maxlen=3, approximate=False)
    desk.stops(Page.ENTRIES_LOST)
    accept(recover)
    desk.raw.xtrim("signals", maxlen=2, approximate=False)
    desk.stops(Page.ENTRIES_LOST)
    assert desk.numbers() == [1]
    accept(recover)
    desk.start()
    assert desk.numbers() == [1, 8, 9]


def test_a_checkpoint_is_made_again_from_the_group(desk: Desk, recover: Recover) -> None:
    desk.send(1, 2, 3)
    runner = desk.start()
    desk.store.save(runner.snapshot())
    desk.raw.delete("checkpoint.signals")
    desk.stops(Page.CHECKPOINT_GONE)
    word = accept(recover)
    desk.start()
    accepted(desk, word, Page.CHECKPOINT_GONE)
    desk.send(4)
    desk.start()
    assert desk.numbers() == [1, 2, 3, 4], "nothing was sent a second time"


def test_an_older_checkpoint_that_was_put_back_is_gone_on_from_the_group(desk: Desk, recover: Recover) -> None:
    desk.send(1, 2)
    desk.store.save(desk.start().snapshot())
    older = desk.raw.dump("checkpoint.signals")
    desk.send(3, 4)
    desk.start()
    desk.raw.restore("checkpoint.signals", 0, older, replace=True)
    desk.stops(Page.CHECKPOINT_GONE)
    assert desk.numbers() == [1, 2, 3, 4]
    word = accept(recover)
    assert desk.start().replayed == 2
    accepted(desk, word, Page.CHECKPOINT_GONE)
    desk.send(5)
    desk.start()
    assert desk.numbers() == [1, 2, 3, 4, 5], "nothing was sent a second time"


def test_a_checkpoint_is_made_again_after_a_loss_that_was_accepted(desk: Desk, recover: Recover) -> None:
    desk.send(1, 2)
    desk.store.save(desk.start().snapshot())
    desk.send(*range(3, 10))
    desk.raw.xtrim("signals", maxlen=3, approximate=False)
    desk.stops(Page.ENTRIES_LOST)
    accept(recover)
    desk.start()
    desk.raw.delete("checkpoint.signals")
    desk.stops(Page.CHECKPOINT_GONE)
    accept(recover)
    again = desk.start()
    assert (again.entries, again.lost) == (5, 4)
    desk.store.save(again.snapshot())
    desk.raw.hdel("status.signals", "lost")  # the snapshot knows as well
    desk.raw.delete("checkpoint.signals")
    desk.stops(Page.CHECKPOINT_GONE)
    accept(recover)
    again = desk.start()
    assert (again.entries, again.lost) == (5, 4)
    desk.send(10)
    desk.start()
    assert desk.numbers() == [1, 2, 7, 8, 9, 10]


def test_entries_that_were_read_and_are_missed_are_no_accepted_loss(desk: Desk, recover: Recover) -> None:
    desk.send(1, 2)
    desk.store.save(desk.start().snapshot())
    desk.send(*range(3, 10))
    desk.start()
    desk.raw.xtrim("signals", maxlen=2, approximate=False)
    desk.raw.delete("checkpoint.signals")
    desk.stops(Page.CHECKPOINT_GONE)
    accept(recover)
    desk.stops(Page.STATE_LOST)


def test_a_marker_and_a_checkpoint_are_made_again_one_after_the_other(desk: Desk, recover: Recover) -> None:
    desk.send(1, 2)
    desk.store.save(desk.start().snapshot())
    known = desk.raw.hget("desk", "id")
    desk.raw.delete("desk", "checkpoint.signals")
    desk.stops(Page.MARKER_GONE)
    accept(recover)
    desk.stops(Page.CHECKPOINT_GONE)
    assert desk.raw.hget("desk", "id") == known
    accept(recover)
    desk.send(3)
    desk.start()
    assert desk.numbers() == [1, 2, 3], "nothing was sent a second time"


def test_without_the_group_no_word_helps(desk: Desk, recover: Recover) -> None:
    desk.send(1)
    desk.start()
    desk.raw.delete("checkpoint.signals")
    desk.raw.xgroup_destroy("signals", "signals")
    desk.stops(Page.CHECKPOINT_GONE)
    accept(recover)
    desk.stops(Page.CHECKPOINT_GONE)
    assert desk.numbers() == [1]


def test_an_empty_server_is_begun_anew_only_when_told(desk: Desk, recover: Recover) -> None:
    desk.send(1, 2)
    runner = desk.start()
    desk.store.save(runner.snapshot())
    desk.raw.flushall()
    desk.send(1)
    desk.stops(Page.DESK_GONE)
    assert desk.raw.exists("desk") == 0
    word = accept(recover)
    desk.start()
    accepted(desk, word, Page.DESK_GONE)
    assert desk.numbers() == [1]
    assert len(list(desk.store.folder.glob("*.snapshot.lost"))) == 1, "set aside, not deleted"
    desk.start()


def test_a_server_flushed_before_the_first_snapshot_is_missed_as_well(desk: Desk) -> None:
    desk.send(1)
    desk.start()
    desk.raw.flushall()
    desk.stops(Page.DESK_GONE)


def test_a_rewound_log_sets_the_snapshots_of_the_lost_time_aside(desk: Desk, recover: Recover) -> None:
    desk.send(1, 2)
    desk.start()
    keys = [b"signals", b"orders.{a0}", b"checkpoint.signals", b"desk"]
    older = {key: desk.raw.dump(key) for key in keys}
    desk.send(3)
    runner = desk.start()
    desk.store.save(runner.snapshot())
    for key, value in older.items():
        desk.raw.restore(key, 0, value, replace=True)
    desk.stops(Page.LOG_REWOUND)
    accept(recover)
    desk.send(30)
    desk.start()
    assert desk.numbers() == [1, 2, 30]
    assert len(list(desk.store.folder.glob("*.snapshot.lost"))) == 1


def test_an_inbox_that_was_deleted_is_gone_on_from(desk: Desk, recover: Recover) -> None:
    desk.send(1, 2)
    runner = desk.start()
    desk.store.save(runner.snapshot())
    desk.raw.delete("signals")
    desk.stops(Page.INBOX_GONE)
    accept(recover)
    desk.start()
    desk.send(3)
    desk.start()
    assert desk.numbers() == [1, 2, 3]


def test_an_inbox_that_was_deleted_and_written_again_is_gone_on_from(desk: Desk, recover: Recover) -> None:
    desk.send(1, 2)
    runner = desk.start()
    desk.store.save(runner.snapshot())
    desk.raw.delete("signals")
    desk.send(3)
    desk.stops(Page.INBOX_GONE)
    accept(recover)
    desk.start()
    desk.send(4)
    desk.start()
    assert desk.numbers() == [1, 2, 3, 4]


def test_an_output_that_was_deleted_is_written_anew(desk: Desk, recover: Recover) -> None:
    desk.send(1, 2)
    desk.start()
    desk.raw.delete(ORDERS)
    desk.stops(Page.OUTPUT_GONE)
    accept(recover)
    desk.send(3)
    desk.start()
    assert desk.numbers() == [3]


def test_a_marker_that_was_deleted_is_made_again(desk: Desk, recover: Recover) -> None:
    desk.send(1)
    desk.start()
    known = desk.raw.hget("desk", "id")
    desk.raw.delete("desk")
    desk.stops(Page.MARKER_GONE)
    accept(recover)
    desk.start()
    assert desk.raw.hget("desk", "id") == known


def test_an_entry_that_contradicts_the_state_is_passed_over_whole(desk: Desk, recover: Recover) -> None:
    desk.send(1, 5)
    desk.start()
    desk.send(2, 6)
    desk.stops(Page.JOURNAL_INCONSISTENT)
    desk.stops(Page.JOURNAL_INCONSISTENT)
    code, (told,) = recover("--json")
    assert (code, told["page"], bool(told["entry"])) == (1, "journal-inconsistent", True)
    word = accept(recover)
    desk.start()
    assert desk.numbers() == [1, 5, 6]
    accepted(desk, word, Page.JOURNAL_INCONSISTENT)
    ((_, fields),) = desk.raw.xrange("dead")
    letter = orjson.loads(fields[b"data"])
    assert (letter["reason"], letter["entry_id"]) == ("poisoned", told["entry"])
    again = desk.start()
    assert again.replayed == 4, "and a replay decides alike"


def test_the_volume_of_another_desk_is_not_folded_into_this_one(desk: Desk, recover: Recover, tmp_path: Path) -> None:
    desk.send(1)
    desk.start()
    desk.store.belong_to("feed")
    desk.stops(Page.OTHER_DESK)
    accept(recover)
    desk.start()
    assert desk.store.desk() == desk.raw.hget("desk", "id").decode()


def test_a_log_that_no_longer_reaches_back_needs_a_snapshot(desk: Desk, recover: Recover) -> None:
    desk.send(1, 2, 3)
    runner = desk.start()
    desk.store.save(runner.snapshot())
    desk.raw.xtrim("signals", maxlen=1, approximate=False)
    desk.start()
    (newest,) = desk.store.ids()
    desk.store.set_aside(newest)
    desk.raw.xtrim("signals", maxlen=0, approximate=False)
    desk.stops(Page.STATE_LOST)
    accept(recover)
    again = desk.start()
    assert again.replayed == 0, "with no memory of what came before, which is all that is lost of the signals stage"
    desk.send(7)
    desk.start()
    assert desk.numbers() == [1, 2, 3, 7]


def test_of_any_other_stage_a_lost_state_cannot_be_accepted(recover: Recover, redis_url: str) -> None:
    with connect(redis_url) as client:
        told = {"page": "state-lost", "stopped_by": "orders.0: gone.", "stopped_at": ""}
        status = TOPOLOGY.status("orders", "orders.0")
        put_status(client, status, Address("127.0.0.1", 1, ""), state="crashed", **told)
    code, text = recover("--accept", "orders", "--reason", "x")
    assert (code, "cannot be accepted" in text) == (1, True)
    assert "It cannot be accepted" in recover()[1]


@pytest.mark.parametrize("ahead", ["99999999999999-0", "18446744073709551615-18446744073709551615"])
def test_entries_ahead_of_the_clock_get_ids_of_now_and_nothing_is_lost(
    desk: Desk, recover: Recover, ahead: str
) -> None:
    desk.send(1, 2)
    desk.start()
    desk.raw.xgroup_create("signals", "mine", "0")
    desk.raw.xreadgroup("mine", "me", {"signals": ">"}, count=1, noack=True)
    desk.send(3)
    desk.raw.xadd("signals", {"n": 4}, id=ahead)
    if not ahead.startswith("1844"):
        desk.send(5)
    before = [entry_id for entry_id, _ in desk.raw.xrange("signals")]
    desk.stops(Page.TIME_AHEAD)
    desk.stops(Page.TIME_AHEAD)
    assert desk.numbers() == [1, 2]
    word = accept(recover)
    if not ahead.startswith("1844"):
        desk.send(6)
    desk.start()
    accepted(desk, word, Page.TIME_AHEAD)
    desk.send(7)
    desk.start()
    now = [entry_id for entry_id, _ in desk.raw.xrange("signals")]
    assert now[:3] == before[:3], "what is not ahead keeps its id"
    assert desk.numbers() == ([1, 2, 3, 4, 7] if ahead.startswith("1844") else [1, 2, 3, 4, 5, 6, 7])
    newest = int(now[-1].split(b"-")[0])
    assert newest < 10_000_000_000_000, newest
    stands = {each["name"]: each["last-delivered-id"] for each in desk.raw.xinfo_groups("signals")}
    assert stands[b"mine"] == before[0], "a group of somebody else's keeps its place"
    assert desk.raw.xinfo_stream("signals")["entries-added"] == len(now)
    assert desk.raw.exists("signals.aside") == 0


@pytest.mark.parametrize("what", ["wide", "aside"])
def test_ids_that_cannot_be_mended_are_left_as_they_are(desk: Desk, recover: Recover, what: str) -> None:
    desk.send(1)
    desk.start()
    if what == "wide":
        desk.raw.execute_command("XADD", "signals", "*", "n", "2", *[str(word) for word in range(9_000)])
    else:
        desk.raw.set("signals.aside", "somebody's")
    desk.raw.xadd("signals", {"n": 4}, id="99999999999999-0")
    before = desk.raw.execute_command("XRANGE", "signals", "-", "+")
    desk.stops(Page.TIME_AHEAD)
    accept(recover)
    why = {"wide": "too many fields", "aside": r"signals\.aside is there already"}[what]
    with pytest.raises(RecoveryError, match=why):
        desk.start()
    assert desk.raw.execute_command("XRANGE", "signals", "-", "+") == before
    assert desk.numbers() == [1]


@pytest.mark.parametrize("grown", [0, 1])
def test_an_older_inbox_that_has_its_group_is_gone_on_from(desk: Desk, recover: Recover, grown: int) -> None:
    desk.send(1)
    desk.start()
    older = desk.raw.dump("signals")
    desk.send(2)
    desk.store.save(desk.start().snapshot())
    desk.raw.restore("signals", 0, older, replace=True)
    desk.send(*range(3, 3 + grown))  # as many as there were: the next commit sees it
    desk.stops(Page.INBOX_GONE)
    accept(recover)
    desk.send(4)
    desk.start()
    assert desk.numbers() == [1, 2, *range(3, 3 + grown), 4]


class Counted(Sequenced):
    """As `Sequenced`, where each number must follow the last one, as events of a journal do."""

    def fold(self, entry: Entry, out: Outputs) -> None:
        number = int(entry.fields[b"n"])
        if self.total >= 0 and number != self.total + 1:
            raise Inconsistent(f"{self.inbox} {entry.id}: n {number} must be {self.total + 1}")
        self.total = number
        out.event("orders.0", {"n": number})

    def after_loss(self) -> None:
        self.total = -1


def test_a_loss_among_numbered_entries_is_told_as_one_and_gone_past(desk: Desk, recover: Recover) -> None:
    desk.make = Counted
    desk.send(1, 2)
    desk.store.save(desk.start().snapshot())
    desk.send(3, 4, 5)
    lost = desk.raw.xrange("signals")[2][0]
    desk.raw.xdel("signals", lost)
    desk.stops(Page.ENTRIES_LOST)  # and not that entry 4 contradicts what the stage knows
    accept(recover)
    desk.start()
    assert desk.numbers() == [1, 2, 4, 5]
    again = desk.start()
    assert again.replayed == 2, "and a replay knows of it"
    desk.send(7)
    desk.stops(Page.JOURNAL_INCONSISTENT)
