"""Who decided which entries of a log, told from the notes that releases left when they took over."""

from __future__ import annotations

import tomllib

import pytest

from fillstream.libs.common.messages.note import is_aside, is_note, is_tick
from fillstream.libs.common.runtime.release import Note, Notes, Range, order_of, own_since, ranges, running
from tests.support.tree import ROOT


def test_the_release_that_runs_is_the_one_that_was_built() -> None:
    """Fails after a change of the version until the package is installed anew: `make develop`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert running() == project["version"]


def test_releases_sort_by_their_numbers() -> None:
    releases = ["0.10.0", "0.2.0", "0.1.0", "0.2.1", "1.0.0rc1", "0.2.0.dev1"]
    assert sorted(releases, key=order_of) == ["0.1.0", "0.2.0", "0.2.0.dev1", "0.2.1", "0.10.0", "1.0.0rc1"]


FRESH: Notes = {"0-0": Note("0.2.0", "0-0")}
UPGRADED: Notes = {"12-0": Note("0.2.0", "9-0")}
TWICE: Notes = {**FRESH, "12-0": Note("0.3.0", "9-0"), "30-0": Note("0.4.0", "25-0")}
IN_VAIN: Notes = {**FRESH, "12-0": Note("0.3.0", "9-0"), "13-0": Note("0.2.0", "9-0")}
BACK: Notes = {**FRESH, "12-0": Note("0.3.0", "9-0"), "30-0": Note("0.2.0", "25-0")}


@pytest.mark.parametrize(
    ("notes", "upto", "decided"),
    [
        ({}, "0-0", []),
        ({}, "7-0", [("0.1.0", "0-0", "7-0")]),
        (FRESH, "7-0", [("0.2.0", "0-0", "7-0")]),
        (UPGRADED, "9-0", [("0.1.0", "0-0", "9-0")]),
        (UPGRADED, "9-1", [("0.1.0", "0-0", "9-0"), ("0.2.0", "9-0", "9-1")]),
        (TWICE, "40-0", [("0.2.0", "0-0", "9-0"), ("0.3.0", "9-0", "25-0"), ("0.4.0", "25-0", "40-0")]),
        (IN_VAIN, "40-0", [("0.2.0", "0-0", "40-0")]),
        (BACK, "40-0", [("0.2.0", "0-0", "9-0"), ("0.3.0", "9-0", "25-0"), ("0.2.0", "25-0", "40-0")]),
    ],
    ids=["nothing", "before notes", "fresh", "at the note", "behind it", "twice", "in vain", "and back"],
)
def test_entries_between_the_last_commit_and_the_note_are_the_new_releases(
    notes: Notes, upto: str, decided: list[tuple[str, str, str]]
) -> None:
    assert ranges(notes, upto) == [Range(*each) for each in decided]


@pytest.mark.parametrize(
    ("notes", "upto", "release", "since"),
    [
        ({}, "7-0", "0.1.0", "0-0"),
        ({}, "7-0", "0.2.0", "7-0"),
        ({}, "0-0", "0.2.0", "0-0"),
        (UPGRADED, "9-0", "0.2.0", "9-0"),
        (UPGRADED, "20-0", "0.2.0", "9-0"),
        (UPGRADED, "20-0", "0.1.0", "20-0"),
        (IN_VAIN, "20-0", "0.2.0", "0-0"),
        (BACK, "40-0", "0.2.0", "25-0"),
        (BACK, "40-0", "0.3.0", "40-0"),
    ],
)
def test_a_release_folds_again_only_what_it_decided_last(notes: Notes, upto: str, release: str, since: str) -> None:
    assert own_since(notes, upto, release) == since


@pytest.mark.parametrize(
    ("names", "note"),
    [
        ([b"release", b"after"], True),
        ([b"after", b"release"], True),
        ([b"release"], False),
        ([b"release", b"release"], False),
        ([b"release", b"after", b"data"], False),
        ([], False),
        ([b"data"], False),
    ],
)
def test_a_note_is_told_by_its_fields(names: list[bytes], note: bool) -> None:
    assert is_note(names) is note
    assert is_aside(names) is note


@pytest.mark.parametrize(("names", "tick"), [([b"tick"], True), ([b"tick", b"data"], False), ([], False)])
def test_a_tick_is_no_message_either(names: list[bytes], tick: bool) -> None:
    assert is_tick(names) is is_aside(names) is tick
    assert not is_note(names)
