"""The map of the house: what follows from it is what is drawn in the documents, and nothing is left out."""

from __future__ import annotations

from importlib import import_module

import pytest

from fillstream.libs.common.messages.contracts import CONTRACTS
from fillstream.libs.common.messages.stages import (
    PROGRAMS,
    READERS,
    SOURCES,
    STAGES,
    StageSpec,
    downstream,
    outputs,
    places,
    process_name,
    trimmer_of,
    trims,
)
from fillstream.libs.common.messages.topology import KINDS, Topology
from fillstream.services.analytics.sinks.writer import DECODERS

TWO = Topology(account_partitions=2, symbol_partitions=2)
EVERY_STAGE = pytest.mark.parametrize("spec", STAGES.values(), ids=lambda spec: spec.name)


def test_names_and_ports_are_used_once() -> None:
    programs = (*PROGRAMS, *SOURCES.values())
    assert len({each.name for each in programs}) == len(programs)
    first = programs[0].port
    assert [each.port for each in programs] == list(range(first, first + len(programs)))


def test_every_kind_of_stream_has_a_contract_and_every_kind_named_is_one() -> None:
    assert list(CONTRACTS) == list(KINDS)
    assert {kind for each in PROGRAMS for kind in each.reads} <= set(KINDS)
    assert {kind for each in (*STAGES.values(), *SOURCES.values()) for kind in each.writes} <= set(KINDS)


def test_analytics_decodes_what_the_map_says_it_reads() -> None:
    assert set(DECODERS) == set(READERS["analytics"].reads)


@EVERY_STAGE
def test_a_stages_service_makes_its_fold(spec: StageSpec) -> None:
    assert spec.name in import_module(f"{spec.module}.app").FOLDS
    import_module(f"{spec.module}")


def test_no_stream_is_the_inbox_of_two_stages() -> None:
    inboxes = [each.inbox.name for each in STAGES.values()]
    assert len(set(inboxes)) == len(inboxes)


def test_what_feeds_what_leads_on() -> None:
    assert {name: [each.name for each in spec.feeds] for name, spec in STAGES.items()} == {
        "signals": ["orders"], "orders": ["engine", "positions"], "engine": [], "positions": [],
    }  # fmt: skip


def test_a_stage_waits_for_whoever_reads_what_it_may_write() -> None:
    assert downstream(STAGES["signals"], 0, TWO) == [("orders", "orders.0"), ("orders", "orders.1")]
    assert downstream(STAGES["orders"], 1, TWO) == [
        ("positions", "events.1"), ("engine", "commands.SIM.0"), ("engine", "commands.SIM.1"),
    ]  # fmt: skip
    assert downstream(STAGES["engine"], 1, TWO) == []


def test_a_partition_writes_to_its_own_partition_of_what_is_partitioned_alike() -> None:
    assert outputs(STAGES["engine"], 1, TWO) == ["orders.0", "orders.1", "market.1", "dead"]
    assert outputs(STAGES["positions"], 1, TWO) == ["positions.1", "orders.1", "dead"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_stream_is_trimmed_once_in_all_partitions_or_is_cut_by_length(kind: str) -> None:
    trimmed = [
        name
        for place in places(TWO)
        if isinstance(place.program, StageSpec) and place.inbox
        for name in trims(place.program, place.inbox, TWO, ())
        if name.split(".")[0] == kind
    ]
    assert sorted(trimmed) == ([] if KINDS[kind].lossy else sorted(TWO.names(kind)))
    assert (trimmer_of(kind) is None) == KINDS[kind].lossy


def test_a_log_keeps_what_its_stage_and_its_readers_need() -> None:
    with_analytics, without = ("analytics",), ()
    assert trims(STAGES["signals"], "signals", TWO, with_analytics) == {
        "signals": ("signals", "analytics"), "dead": ("analytics",),
    }  # fmt: skip
    assert trims(STAGES["positions"], "events.1", TWO, with_analytics) == {
        "events.1": ("positions", "analytics"), "positions.1": ("analytics",),
    }  # fmt: skip
    assert trims(STAGES["positions"], "events.1", TWO, without) == {"events.1": ("positions",), "positions.1": ()}
    assert trims(STAGES["engine"], "commands.SIM.1", TWO, with_analytics) == {"commands.SIM.1": ("engine",)}


def test_there_is_a_process_for_every_partition_and_every_simulated_venue() -> None:
    topology = Topology(account_partitions=2, venues=("SIM", "OTHER"))
    assert [process_name(place) for place in places(topology)] == [
        "signals", "orders", "orders-1", "engine", "engine-OTHER", "positions", "positions-1", "analytics",
    ]  # fmt: skip
    [other] = [place for place in places(topology) if place.venue == "OTHER"]
    assert (other.inbox, other.partition) == ("commands.OTHER.0", 0)
