"""Whoever waits for a recovery is told what it does and how far it is."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from fillstream.libs.common.runtime import progress
from fillstream.libs.common.runtime.progress import Progress, Told, telling
from fillstream.libs.common.runtime.runner import Runner
from tests.conftest import until
from tests.support.adder import Adder, AdderDesk, drain


def test_entries_are_counted_from_where_folding_began() -> None:
    folded = 100
    told = Progress(lambda: folded)
    assert told.told == Told("starting", 0, 0, 0)
    told.fold(50)
    folded = 112
    assert told.told == Told("folding again 12 of 50 entries, 24 %", 12, 50, 24)
    folded = 151
    assert told.told.percent == 100
    told.say("restoring snapshot 5-0 of 10 bytes")
    assert told.told == Told("restoring snapshot 5-0 of 10 bytes", 0, 0, 0)


def test_a_runner_says_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = AdderDesk()
    desk.send(*"1" * 10)
    first = desk.start()
    drain(first)
    desk.snapshots.save(first.snapshot())
    desk.send(*"1" * 4)
    drain(first)
    said: list[str] = []
    runner: Runner
    true_restore, true_fold = Adder.restore, Adder.fold

    def restore(self: Adder, data: bytes) -> None:
        said.append(runner.progress.told.progress)
        true_restore(self, data)

    def fold(self: Adder, entry: Any, out: Any) -> None:
        said.append(runner.progress.told.progress)
        true_fold(self, entry, out)

    monkeypatch.setattr(Adder, "restore", restore)
    monkeypatch.setattr(Adder, "fold", fold)
    runner = Runner(Adder(), first.log, desk.snapshots)
    runner.recover()
    assert said == [
        f"restoring snapshot {desk.snapshots.ids()[0]} of 2 bytes",
        *(f"folding again {done} of 4 entries, {25 * done} %" for done in range(4)),
    ]


def test_it_is_told_again_and_again_whatever_the_server_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "TELL_S", 0.01)
    told: list[dict[str, Any]] = []

    def put(**fields: Any) -> None:
        told.append(fields)
        if len(told) == 1:
            raise redis.exceptions.ConnectionError("gone")

    with telling(Progress(lambda: 0), put):
        until(lambda: len(told) >= 3, "three times")
    assert told[-1] == {"progress": "starting", "done": 0, "total": 0, "percent": 0}
