"""A gateway that begins on a log that was trimmed knows what one knows that has read all of it."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from fillstream.client.analytics import AnalyticsError
from fillstream.libs.common.messages.topology import Topology
from fillstream.services.gateway.earlier import Earlier
from fillstream.services.gateway.state.desk import Desk
from tests.support.gateway_played import entries_of, played
from tests.support.trimmed import DESK, Entry, Stored, TrimmedServer, comparable

Streams = Mapping[str, Sequence[Entry]]


def streams_of(seed: int) -> tuple[Topology, Streams]:
    desk, found = played(seed), defaultdict(list)
    for name, entry_id, fields in entries_of(desk):
        if not name.startswith("market"):  # which is lossy: nobody fetches it
            found[name].append((entry_id, fields))
    return desk.topology, found


def in_time(streams: Streams) -> list[tuple[str, str, Mapping[bytes, bytes]]]:
    """Entries of all streams as they came; what several partitions tell is by the last of them."""
    found = [(at(entry_id), name, entry_id, fields) for name, all_ in streams.items() for entry_id, fields in all_]
    return [(name, entry_id, fields) for _, name, entry_id, fields in sorted(found, key=lambda each: each[:2])]


def folded(streams: Streams) -> Desk:
    desk = Desk()
    for entry in in_time(streams):
        desk.fold(*entry)
    return desk


def begun(topology: Topology, stored: Stored, server: TrimmedServer, desk: Desk | None = None, **more: Any) -> Desk:
    """Return the state of a gateway that has fetched what was trimmed, and then read the log."""
    desk = desk or Desk()
    earlier = Earlier(server, topology, desk, stored.ask, more.pop("desk_id", DESK), more.pop("patience_s", 0.0))
    assert earlier.is_reading
    asyncio.run(earlier.read())
    assert not earlier.is_reading
    left = {name: server.left(name) for name in server.streams}
    for name, entry_id, fields in in_time(left):
        if at(entry_id) > at(desk.places.get(name, "0-0")):
            desk.fold(name, entry_id, fields)
    return desk


def at(entry_id: str) -> tuple[int, ...]:
    return tuple(map(int, entry_id.split("-")))


@pytest.mark.parametrize("seed", range(6))
def test_it_knows_what_one_knows_that_read_the_whole_log(seed: int, tmp_path: Path, monkeypatch: Any) -> None:
    topology, streams = streams_of(seed)
    chosen = random.Random(seed)
    if topology.account_partitions == 1:
        cut = {name: chosen.randint(1, len(entries)) for name, entries in streams.items()}
    else:  # whose states of the whole desk are by the partition that told last: all are cut at one moment
        moment = at(chosen.choice(streams["events.1"])[0])
        cut = {name: sum(at(each) < moment for each, _ in entries) for name, entries in streams.items()}
    if seed == 4:
        cut["events.0"] = len(streams["events.0"])  # nothing is left of it
    monkeypatch.setattr("fillstream.services.gateway.earlier.PAGE", chosen.choice((7, 60, 20_000)))
    whole = folded(streams)
    stored = Stored(tmp_path, topology, streams)
    desk = begun(topology, stored, TrimmedServer(topology, streams, cut))
    assert stored.asked
    assert desk.gaps == whole.gaps == []
    ours, theirs = comparable(desk), comparable(whole)
    # Where ticks stood last of a stream of which nothing is left, the place is that of its last message.
    assert all(at(each) <= at(theirs["places"][name]) for name, each in ours.pop("places").items())
    theirs.pop("places")
    assert ours == theirs
    assert sum(map(len, streams.values())) > 300


def test_a_snapshot_that_is_older_than_the_logs_beginning_goes_on_from_where_it_was(tmp_path: Path) -> None:
    topology, streams = streams_of(2)
    snapshot = Desk()
    for entry_id, fields in streams["events.0"][:40]:
        snapshot.fold("events.0", entry_id, fields)
    snapshot.load(snapshot.dump())
    stored = Stored(tmp_path, topology, streams)
    desk = begun(topology, stored, TrimmedServer(topology, streams, {"events.0": 120}), snapshot)
    first = next(each for each in stored.asked if each["stream"] == topology.events(0))
    assert first["after"] == orjson.loads(streams["events.0"][39][1][b"data"])["seq"]
    assert comparable(desk) == comparable(folded(streams))
    assert desk.gaps == []


def test_nobody_is_asked_where_nothing_was_trimmed(tmp_path: Path) -> None:
    topology, streams = streams_of(2)
    stored = Stored(tmp_path, topology, {})
    assert comparable(begun(topology, stored, TrimmedServer(topology, streams, {}))) == comparable(folded(streams))
    assert stored.asked == []


def test_an_analytics_that_is_away_is_told_and_nothing_is_guessed(tmp_path: Path) -> None:
    topology, streams = streams_of(2)
    stored = Stored(tmp_path, topology, streams)
    stored.fails = [AnalyticsError("nobody listens")] * 9
    cut = {"events.0": 50, "dead": len(streams["dead"])}
    desk = begun(topology, stored, TrimmedServer(topology, streams, cut))
    number = orjson.loads(next(f[b"data"] for _, f in streams["events.0"][50:] if b"data" in f))["seq"] - 1
    told = next(each for each in desk.gaps if each.startswith("events.0"))
    assert f"{number} messages before" in told
    assert told.endswith("analytics does not answer: nobody listens")
    assert [each for each in desk.gaps if each.startswith("dead: what was before") and "nobody listens" in each]
    left = folded({**streams, "events.0": streams["events.0"][50:], "dead": []})
    assert [*desk.orders.by_id] == [*left.orders.by_id] != [*folded(streams).orders.by_id]


def test_one_that_is_starting_is_asked_again(tmp_path: Path) -> None:
    topology, streams = streams_of(2)
    stored = Stored(tmp_path, topology, streams)
    stored.fails = [AnalyticsError("nobody listens"), SimpleNamespace(status_code=503, text="busy")]
    desk = begun(topology, stored, TrimmedServer(topology, streams, {"events.0": 50}), patience_s=30.0)
    assert not stored.fails
    assert comparable(desk) == comparable(folded(streams))


def test_what_analytics_lacks_too_is_told_and_the_rest_is_folded(tmp_path: Path) -> None:
    topology, streams = streams_of(2)
    kept = {**streams, "events.0": [*streams["events.0"][20:60], *streams["events.0"][90:]]}
    desk = begun(topology, Stored(tmp_path, topology, kept), TrimmedServer(topology, streams, {"events.0": 120}))
    told = [each for each in desk.gaps if each.startswith("events.0")]
    assert len(told) == 2
    assert all("analytics lacks them, too" in each for each in told)
    assert [*desk.orders.by_id] == [*folded(kept).orders.by_id]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (SimpleNamespace(status_code=200, content=b'{"desk":"other"}\n'), "analytics has the desk other"),
        (SimpleNamespace(status_code=404, text="no such page"), "analytics answers with 404: no such page"),
    ],
)
def test_another_desks_rows_and_an_older_release_are_told(answer: Any, why: str, tmp_path: Path) -> None:
    topology, streams = streams_of(2)
    stored = Stored(tmp_path, topology, streams)
    stored.fails = [answer]
    desk = begun(topology, stored, TrimmedServer(topology, streams, {"events.0": 50}), patience_s=30.0)
    assert any(why in each for each in desk.gaps)


def test_a_log_that_is_trimmed_meanwhile_is_looked_at_again(tmp_path: Path) -> None:
    topology, streams = streams_of(2)
    stored = Stored(tmp_path, topology, streams)
    server = TrimmedServer(topology, streams, {"events.0": 50})
    answers = stored.ask

    async def ask(*asked: Any, **more: Any) -> Any:
        server.cut["events.0"] = 100
        return await answers(*asked, **more)

    stored.ask = ask  # type: ignore[method-assign]
    desk = begun(topology, stored, server)
    assert desk.gaps == []
    assert comparable(desk) == comparable(folded(streams))


def test_a_number_that_no_column_holds_comes_back_as_it_was(tmp_path: Path) -> None:
    topology, streams = streams_of(2)
    changed = []
    for entry_id, fields in streams["events.0"]:
        event = orjson.loads(fields[b"data"]) if b"data" in fields else {}
        if event.get("type") == "OrderReceived":
            event["confidence"] = "0.000000000000000000000000000001"
        changed.append((entry_id, {b"data": orjson.dumps(event)} if event else fields))
    streams = {**streams, "events.0": changed}
    stored = Stored(tmp_path, topology, streams)
    assert stored.store.cursor().execute("SELECT count(*) FROM undecodable").fetchall()[0][0]
    desk = begun(topology, stored, TrimmedServer(topology, streams, {"events.0": len(changed) // 2}))
    assert desk.gaps == []
    assert comparable(desk) == comparable(folded(streams))
