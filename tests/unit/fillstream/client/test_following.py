"""Following: merged by time, from any place, never silent about what is missing."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from fillstream.client import following
from fillstream.client.following import Reader, Where
from fillstream.client.scripts import Commands, Script
from fillstream.client.topics import EVERYTHING, FILLS, MARKET, ORDERS, POSITIONS, QUOTES, Topic
from fillstream.libs.common.messages.journal import OrderAccepted, OrderFilled
from fillstream.libs.common.messages.market import Trades
from fillstream.libs.common.messages.positions import PositionChanged
from fillstream.libs.common.messages.quoting import QuoteUpdated
from fillstream.libs.common.messages.topology import Topology
from tests.support.messages import payload, sample

TWO = Topology(account_partitions=2)
TICK = {b"tick": b"1"}


def entry(entry_id: str, message: dict[str, Any] | None) -> tuple[bytes, dict[bytes, bytes]]:
    fields = TICK if message is None else {name.encode(): value for name, value in payload(message).items()}
    return entry_id.encode(), fields


def event(seq: int, model: Any = OrderFilled, **values: Any) -> dict[str, Any]:
    return sample(model, seq, seq=seq, **{"account": "a", **values})


def driven(script: Script[Any], *replies: Any) -> tuple[Any, list[Commands]]:
    """Run a script with replies, and return its result with what it asked."""
    asked, left = [], list(replies)
    try:
        asked.append(next(script))
        while True:
            asked.append(script.send(left.pop(0)))
    except StopIteration as done:
        return done.value, asked  # type: ignore[return-value]


def begun(topic: Topic[Any], topology: Topology = TWO, found: list[Any] | None = None, **where: Any) -> Reader[Any]:
    reader = Reader(topic, topology, Where(**where))
    driven(reader.begin(), found or [[]] * len(topic.streams(topology, where.get("account"))))
    return reader


def items(reader: Reader[Any], reply: Any) -> list[Any]:
    return driven(reader.page(0.1), [reply])[0]


def test_partitions_are_merged_by_time_and_each_keeps_its_place() -> None:
    reader = begun(FILLS)
    reply = [
        [b"events.{a0}", [entry("5-0", event(1)), entry("9-0", event(2))]],
        [b"events.{a1}", [entry("3-0", event(1)), entry("5-1", event(2)), entry("5-2", None)]],
    ]
    found = items(reader, reply)
    assert [(each.stream, each.id) for each in found] == [
        ("events.1", "3-0"), ("events.0", "5-0"), ("events.1", "5-1"), ("events.0", "9-0"),
    ]  # fmt: skip
    assert reader.places == {"events.0": "9-0", "events.1": "5-2"}
    assert [type(each.message) for each in found] == [OrderFilled] * 4
    assert found[0].time_ms == 3
    asked = reader.asks(0.25).each[0]
    assert asked == (
        "XREAD", "COUNT", 500, "BLOCK", 250, "STREAMS", "events.{a0}", "events.{a1}", "9-0", "5-2",
    )  # fmt: skip


def test_a_place_is_what_was_handed_out_and_not_what_was_read() -> None:
    reader = begun(FILLS, Topology())
    reader.read([[b"events.{a0}", [entry("1-0", event(1)), entry("2-0", event(2))]]])
    assert reader.places == {"events.0": "0-0"}
    assert reader.take() is not None
    assert reader.places == {"events.0": "1-0"}


@pytest.mark.parametrize(
    ("where", "asked", "found", "places"),
    [
        ({}, [("XREVRANGE", "events.{a0}", "+", "-", "COUNT", 1)] , [[entry("7-1", event(4))]], {"events.0": "7-1"}),
        ({}, [("XREVRANGE", "events.{a0}", "+", "-", "COUNT", 1)], [[]], {"events.0": "0-0"}),
        ({"after": "0"}, [("XRANGE", "events.{a0}", "0", "0", "COUNT", 1)], [[]], {"events.0": "0-0"}),
        ({"after": "5-1"}, [("XRANGE", "events.{a0}", "5-1", "5-1", "COUNT", 1)], [[]], {"events.0": "5-1"}),
        ({"after": {"events.0": "5-1", "other": "1"}}, [("XRANGE", "events.{a0}", "5-1", "5-1", "COUNT", 1)], [[]],
         {"events.0": "5-1"}),
    ],
)  # fmt: skip
def test_it_begins_where_it_is_told(where: Any, asked: Any, found: Any, places: Any) -> None:
    reader = Reader(EVERYTHING, Topology(), where)
    _, commands = driven(reader.begin(), found)
    assert commands == [Commands(asked)]
    assert reader.places == places
    assert driven(reader.begin()) == (None, []), "once"


@pytest.mark.parametrize(
    ("after", "sentence"),
    [
        ("now", r"after: 'now' must be \$ \(now\), 0 \(the beginning\) or an id, like 1700000000000-0"),
        (5, r"after: 5 must be \$, 0, an entry's id, or an id for each stream by its name"),
        ({"events.0": "1"}, r"after: has no id of events.1, and what is followed is in events.0, events.1"),
        ({"events.0": "1", "events.1": "x"}, r"after: 'x' must be"),
    ],
)
def test_what_is_no_place_is_refused(after: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Reader(ORDERS, TWO, {"after": after})


def test_what_was_trimmed_is_told_with_the_next_item_whoever_it_is_for(caplog: pytest.LogCaptureFixture) -> None:
    reader = begun(FILLS, Topology(), [[entry("4-0", event(10))]], after="4-0", account="a")
    with caplog.at_level(logging.WARNING):
        found = items(reader, [[b"events.{a0}", [
            entry("5-0", event(13, account="b")), entry("6-0", event(15)), entry("7-0", event(16)),
        ]]])  # fmt: skip
    assert [(each.id, each.missed) for each in found] == [("6-0", 3), ("7-0", 0)]
    assert "events.0: 2 messages before 5-0 are missing, trimmed before they were read" in caplog.text


def test_from_the_beginning_a_beginning_that_is_gone_is_missing_and_a_number_that_is_not_known_is_not() -> None:
    first = [[b"events.{a0}", [entry("6-0", event(15))]]]
    assert items(begun(FILLS, Topology(), after="0"), first)[0].missed == 14
    assert items(begun(FILLS, Topology(), after="5-0"), first)[0].missed == 0
    trades = sample(Trades, 2, trades=[[7, "1.5", "2", "BUY"]])
    assert items(begun(MARKET, Topology(), after="0"), [[b"market.{s0}", [entry("1-0", trades)]]])[0].missed == 0


def test_only_what_is_asked_for_comes() -> None:
    wanted = dict(symbol="X", account="main")
    told = [
        event(1, symbol="X", account="main"),
        event(2, symbol="Y", account="main"),
        event(3, symbol="X", account="other", alias="main"),
        event(4, symbol="X", account="other", alias=None),
        event(5, OrderAccepted, symbol="X", account="main"),
        {**event(6), "type": "SomethingNew", "v": 9},
    ]
    reply = [[b"events.{a0}", [entry(f"{n}-0", each) for n, each in enumerate(told, 1)]]]
    found = {topic.name: items(begun(topic, Topology(), **wanted), reply) for topic in (FILLS, ORDERS)}
    assert {name: [each.message.seq for each in those] for name, those in found.items()} == {
        "fills": [1, 3], "orders": [1, 3, 5],
    }  # fmt: skip
    reader = begun(FILLS, Topology(), **wanted)
    items(reader, reply)
    assert reader.places == {"events.0": "6-0"}, "what is passed over is behind it all the same"


def test_quotes_are_told_once_and_positions_of_an_account_are_in_its_partition() -> None:
    assert QUOTES.streams(TWO, None) == ["events.0"], "each partition is told of every market"
    assert POSITIONS.streams(TWO, None) == ["positions.0", "positions.1"]
    partition = TWO.account_partition("demo")
    assert POSITIONS.streams(TWO, "demo") == [f"positions.{partition}"]
    quote = sample(QuoteUpdated, 1)
    found = items(begun(QUOTES, account="demo"), [[f"events.{{a{partition}}}".encode(), [entry("1-0", quote)]]])
    assert len(found) == 1, "a market is nobody's"
    changed = sample(PositionChanged, 1, change="opened", restated=None, account="demo")
    reply = [[f"positions.{{a{partition}}}".encode(), [entry("1-0", changed)]]]
    assert items(begun(POSITIONS, account="demo"), reply)[0].message.change == "opened"


def test_it_ends_where_nothing_comes_for_long_enough_only() -> None:
    reader = begun(FILLS, Topology(), idle_s=0.0)
    assert driven(reader.next()) == (None, [])
    reader = begun(FILLS, Topology())
    item, asked = driven(reader.next(), [None], [[[b"events.{a0}", [entry("1-0", None)]]]],
                         [[[b"events.{a0}", [entry("2-0", event(1))]]]])  # fmt: skip
    assert (item.id, len(asked)) == ("2-0", 3)


def test_it_ends_in_time_whatever_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr(following, "time", SimpleNamespace(monotonic=lambda: now[0]))
    reader = begun(FILLS, Topology(), within_s=5.0, idle_s=60.0)
    script = reader.next()
    asked = [next(script)]
    for number in range(1, 4):
        now[0] += 2.375
        try:
            asked.append(script.send([[[b"events.{a0}", [entry(f"{number}-0", None)]]]]))
        except StopIteration as done:
            assert done.value is None
            break
    assert [command.each[0][4] for command in asked] == [500, 500, 250], "no longer than is left, once it is less"
    assert reader.is_over()
