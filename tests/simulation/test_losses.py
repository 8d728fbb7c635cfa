"""A log that loses what a log may lose: whatever goes, the stage that would have to guess stops, and no other does.

What must stop is worked out beside, from what was taken; the stages and the runner are the real ones.
"""

from __future__ import annotations

import copy
import os
import random
from collections import Counter
from collections.abc import Callable

import pytest

from fillstream.backtest.memory_log import MemorySnapshots
from fillstream.libs.common.messages.topology import id_key
from fillstream.libs.common.runtime.checkpoint import Checkpoint
from fillstream.libs.common.runtime.continuity import Page, RecoveryError
from fillstream.libs.common.runtime.log import Gap
from fillstream.libs.common.runtime.stage import Stage
from tests.support.simulated_desk import SimulatedDesk, Slot

ONE = os.environ.get("SIMULATION_SEED")
SEEDS = [int(ONE)] if ONE else list(range(int(os.environ.get("LOSS_SEEDS", "150"))))
Expected = dict[str, Page]
"""By the name of the inbox of the stage that must stop."""


class Losing:
    """A simulated desk, and what is taken from it."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(f"losses {seed}")
        self.desk = SimulatedDesk(seed, accounts=1 + seed % 2, symbols=1 + seed % 2)
        self.desk.run(steps=self.dice.choice((40, 150)))
        self.older = copy.deepcopy(self.desk.redis)
        for _ in range(self.dice.choice((0, 60))):
            self.desk.stage_step(self.dice.choice(self.desk.slots))
            self.desk.client()
        self.stages: dict[str, Stage] = {each.inbox: each for each in (slot.make() for slot in self.desk.slots)}
        for slot in self.desk.slots:
            slot.zombie = None
            if slot.runner is not None:
                slot.runner.log.watch()

    def slot(self, inbox: str) -> Slot:
        return self.desk.slots[list(self.stages).index(inbox)]

    def key(self, inbox: str) -> str:
        return self.desk.topology.key(inbox)

    def checkpoint_key(self, inbox: str) -> str:
        return self.desk.topology.checkpoint(self.stages[inbox].name, inbox)

    def stands(self, inbox: str) -> Checkpoint | None:
        return self.desk.redis.checkpoints.get(self.checkpoint_key(inbox))

    def unread(self, inbox: str) -> list[int]:
        """The places of entries that the stage has not committed."""
        found = self.stands(inbox)
        after = id_key(found.id if found else "0-0")
        entries = self.desk.redis.streams.get(self.key(inbox), [])
        return [place for place, each in enumerate(entries) if id_key(each.id) > after]

    # ------------------------------------------------------------------------------------------------- what goes

    def trims_unread(self) -> Expected:
        inbox = self.dice.choice(list(self.stages))
        unread = self.unread(inbox)
        if not unread or self.stands(inbox) is None:
            return {}
        until = self.dice.choice(unread)
        self.desk.redis.delete(self.key(inbox), *range(until + 1))
        return {inbox: Page.ENTRIES_LOST}

    def deletes_one(self) -> Expected:
        inbox = self.dice.choice(list(self.stages))
        unread = self.unread(inbox)
        if not unread or self.stands(inbox) is None:
            return {}
        self.desk.redis.delete(self.key(inbox), self.dice.choice(unread))
        return {inbox: Page.ENTRIES_LOST}

    def deletes_a_stream(self) -> Expected:
        inbox = self.dice.choice(list(self.stages))
        key = self.key(inbox)
        if self.stands(inbox) is None:
            return {}
        self.desk.redis.forget(key)
        started = {each: found for each in self.stages if (found := self.stands(each))}
        writers = {each: Page.OUTPUT_GONE for each, found in started.items() if found.sent.get(key, 0) > 0}
        return {**writers, inbox: Page.INBOX_GONE}

    def deletes_a_checkpoint(self) -> Expected:
        inbox = self.dice.choice(list(self.stages))
        if self.desk.redis.checkpoints.pop(self.checkpoint_key(inbox), None) is None:
            return {}
        return {inbox: Page.CHECKPOINT_GONE}

    def flushes(self) -> Expected:
        started = [inbox for inbox in self.stages if self.stands(inbox) is not None]
        redis = self.desk.redis
        for kept in (redis.streams, redis.added, redis.newest, redis.groups, redis.checkpoints):
            kept.clear()
        redis.marker = None
        return dict.fromkeys(started, Page.DESK_GONE)

    def is_started_from_an_older_file(self) -> Expected:
        redis, older, expected = self.desk.redis, self.older, {}
        for name in ("streams", "checkpoints", "added", "newest", "groups", "marker"):
            setattr(redis, name, getattr(older, name))
        for slot in self.desk.slots:
            slot.runner = None  # each had a connection to the server
        for inbox in self.stages:
            newest = next(iter(self.slot(inbox).snapshots.ids()), "0-0")
            found = self.stands(inbox)
            if found is None:
                known = bool(self.slot(inbox).snapshots.owner)
                assert not known, "every stage was started before"
            elif id_key(newest) > id_key(found.id):
                expected[inbox] = Page.LOG_REWOUND
        return expected

    def loses_its_volumes(self) -> Expected:
        for slot in self.desk.slots:
            slot.snapshots, slot.runner = MemorySnapshots(), None
        return {}

    def mixes_up_its_volumes(self) -> Expected:
        expected = {}
        for inbox in self.stages:
            slot = self.slot(inbox)
            if slot.snapshots.owner:
                slot.snapshots.owner, slot.runner = "another desk", None
                expected[inbox] = Page.OTHER_DESK
        return expected

    # --------------------------------------------------------------------------------------------- what stops

    def drive(self, inbox: str) -> Page | None:
        """Let a stage go on, or start it, until it has nothing more to read; return the page at which it stops."""
        slot = self.slot(inbox)
        if self.dice.random() < 0.5:
            slot.runner = None  # killed
        try:
            runner = slot.runner or self.desk.start(slot)
            while batch := runner.read(self.dice.choice((1, 7, 500)), 0):
                runner.step(batch)
            runner.log.watch()
        except RecoveryError as error:
            slot.runner = None
            return error.page
        except Gap:  # a batch of before: the process ends, and its next start judges
            slot.runner = None
            return self.drive(inbox)
        return None

    def accept(self, inbox: str, page: Page) -> bool:
        """Do what the stage does on a person's word, where that is all it takes; see `acceptance.Repairs`."""
        found, snapshots = self.stands(inbox), self.slot(inbox).snapshots
        assert found is not None
        if page == Page.ENTRIES_LOST:
            redis, key = self.desk.redis, self.key(inbox)
            found.lost = redis.added[key] - len(self.unread(inbox)) - found.entries
            found.gaps.add(found.id)
        elif page == Page.LOG_REWOUND:
            for each in snapshots.ids():
                if id_key(each) > id_key(found.id):
                    snapshots.set_aside(each)
        else:
            return False
        return True


LOSSES: dict[str, Callable[[Losing], Expected]] = {
    each.__name__: each
    for each in (
        Losing.trims_unread, Losing.deletes_one, Losing.deletes_a_stream, Losing.deletes_a_checkpoint, Losing.flushes,
        Losing.is_started_from_an_older_file, Losing.loses_its_volumes, Losing.mixes_up_its_volumes,
    )
}  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES)
def test_who_would_have_to_guess_stops_and_nobody_else(loss: str) -> None:
    stopped: Counter[Page] = Counter()
    for seed in SEEDS:
        losing = Losing(seed)
        expected = LOSSES[loss](losing)
        order = [*losing.stages]
        losing.dice.shuffle(order)
        if loss == "deletes_a_stream":  # what others append to it first is none of what was there
            order.sort(key=lambda inbox: expected.get(inbox) != Page.OUTPUT_GONE)
        found = {inbox: page for inbox in order if (page := losing.drive(inbox)) is not None}
        assert found == expected, f"SIMULATION_SEED={seed} shows it again"
        stopped.update(found.values())
        again = {inbox: page for inbox in found if (page := losing.drive(inbox)) is not None}
        assert again == found, f"seed {seed}: and it stops again"
    assert ONE or loss == "loses_its_volumes" or sum(stopped.values()) > len(SEEDS) // 4, "something was lost"


@pytest.mark.parametrize("loss", ["trims_unread", "deletes_one", "is_started_from_an_older_file", "loses_its_volumes"])
def test_after_a_persons_word_the_desk_goes_on_and_decides_nothing_twice(loss: str) -> None:
    events = 0
    for seed in SEEDS[:: 1 if ONE else 3]:
        losing = Losing(seed)
        LOSSES[loss](losing)
        for inbox in losing.stages:
            for _ in range(5):
                page = losing.drive(inbox)
                if page is None or not losing.accept(inbox, page):
                    break
            if page is not None:
                break
        else:
            losing.desk.run(steps=80)
            for a in range(losing.desk.topology.account_partitions):
                journal = list(losing.desk.journal(a))
                received = Counter(each["order_id"] for each in journal if each["type"] == "OrderReceived")
                trades = Counter(each["exec_id"] for each in journal if each["type"] == "OrderFilled")
                assert {*received.values(), *trades.values()} <= {1}, f"SIMULATION_SEED={seed} shows it again"
                numbers = [each["seq"] for each in journal]
                assert numbers == sorted(set(numbers)), "none twice, and in order; the test may have taken one"
                events += len(journal)
            if loss in ("is_started_from_an_older_file", "loses_its_volumes"):
                assert losing.desk.audit().agrees, f"SIMULATION_SEED={seed} shows it again"
    assert ONE or events > 100
