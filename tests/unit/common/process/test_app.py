"""What the pages of a process say: the map's streams, with the contracts' models."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fillstream.libs.common.messages.stages import READERS, STAGES
from fillstream.libs.common.messages.topology import KINDS, Topology
from fillstream.libs.common.process.app import (
    Description,
    describe,
    describe_reader,
    describe_stage,
    options_of,
)
from fillstream.libs.common.process.settings import load_settings

TOPOLOGY = Topology(account_partitions=2, symbol_partitions=2, prefix="desk:")


def page(about: Description) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(describe(about, "redis://me:secret@there:7000/1").to_specification().to_json())
    return found


def channels(about: Description) -> dict[str, set[str]]:
    """Return the channels that the page says are received, and those that are sent to."""
    found: dict[str, set[str]] = {"receive": set(), "send": set()}
    for name, operation in page(about)["operations"].items():
        found[operation["action"]].add(name)
    return found


@pytest.mark.parametrize(
    ("stage", "reads", "writes"),
    [
        ("signals", {"signals"}, {"orders.{a0}", "orders.{a1}", "dead"}),
        ("orders", {"orders.{a0}"}, {"events.{a0}", "commands.SIM.{s0}", "commands.SIM.{s1}", "dead"}),
        ("engine", {"commands.SIM.{s0}"}, {"orders.{a0}", "orders.{a1}", "market.{s0}", "dead"}),
        ("positions", {"events.{a0}"}, {"positions.{a0}", "orders.{a0}", "dead"}),
    ],
)
def test_a_stages_page_has_its_inbox_and_what_it_sends_to(stage: str, reads: set[str], writes: set[str]) -> None:
    found = channels(describe_stage(STAGES[stage], 0, TOPOLOGY))
    assert found == {
        "receive": {f"desk:{name}" for name in reads}, "send": {f"desk:{name}" for name in writes},
    }  # fmt: skip


def test_a_readers_page_has_every_stream_that_it_follows() -> None:
    found = channels(describe_reader(READERS["analytics"], TOPOLOGY))
    every = {TOPOLOGY.key(name) for kind in KINDS for name in TOPOLOGY.names(kind)}
    inside = {TOPOLOGY.key(name) for kind in ("orders", "commands") for name in TOPOLOGY.names(kind)}
    assert found == {"receive": every - inside, "send": set()}


def test_a_page_never_tells_the_password() -> None:
    text = json.dumps(page(describe_stage(STAGES["signals"], 0, TOPOLOGY)))
    assert "there:7000" in text
    assert "secret" not in text


def test_a_stages_process_is_told_what_the_settings_say() -> None:
    settings = load_settings()
    told = options_of(settings)
    assert (told.redis_url, told.topology) == (settings.redis_url, settings.topology())
    assert (told.max_batch, told.max_downstream_lag) == (500, 100_000)
    assert (told.snapshot_every_entries, told.snapshot_every_s) == (50_000, 60)
    assert told.retention.retention_s == settings.messaging.retention_s
    assert told.address.url == settings.service.url
