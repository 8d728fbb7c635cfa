"""Which streams a person means, by what was typed."""

from __future__ import annotations

import pytest

from fillstream.libs.common.messages.topology import KINDS, Topology
from fillstream.tools.entries import every_stream, find_streams

TWO = Topology(2, 2, "desk:", ("SIM", "OTHER"))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("signals", ["signals"]),
        ("events", ["events.0", "events.1"]),
        ("events.1", ["events.1"]),
        ("desk:events.{a1}", ["events.1"]),
        ("commands.SIM.1", ["commands.SIM.1"]),
        ("commands.1", ["commands.SIM.1", "commands.OTHER.1"]),
        ("commands.OTHER", ["commands.OTHER.0", "commands.OTHER.1"]),
    ],
)
def test_a_kind_a_name_a_part_of_one_or_a_key_may_be_typed(typed: str, meant: list[str]) -> None:
    assert [each.name for each in find_streams(typed, TWO)] == meant


@pytest.mark.parametrize(
    "typed", ["", "event", "events.2", "events.{0}", "events.{a1}", "commands.1.OTHERS", "signals.0"]
)
def test_what_the_desk_does_not_have_is_not_found(typed: str) -> None:
    with pytest.raises(KeyError):
        find_streams(typed, TWO)


def test_every_stream_of_the_map_is_listed_with_its_key() -> None:
    found = every_stream(TWO)
    assert [each.kind for each in found] == [kind for kind in KINDS for _ in TWO.names(kind)]
    assert all(each.key == TWO.key(each.name) for each in found)
