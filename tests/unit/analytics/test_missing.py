"""What analytics has not seen is told: by numbers that are not there, and by a sentence for whoever asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest

from fillstream.libs.common.messages.journal import OrderAccepted
from fillstream.libs.common.messages.positions import PositionChanged
from fillstream.services.analytics.decode.entries import Batch
from fillstream.services.analytics.query.incomplete import Missing, sentences
from fillstream.services.analytics.sinks.numbering import Hole, Numbered, holes
from fillstream.services.analytics.sinks.store import Gap, Offset, Store
from fillstream.services.analytics.sinks.writer import DECODERS
from tests.support.messages import sample

EVENTS = "events.{a0}"
POSITIONS = "positions.{a0}"
KINDS = {EVENTS: "events", POSITIONS: "positions", "signals": "signals", "dead": "dead"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "analytics.duckdb"


def put(store: Store, *seqs: int, kind: str = "events", gap: Gap | None = None) -> None:
    """Store events of these numbers; an entry's id is its number."""
    batch = Batch(store.scales)
    model, stream = (OrderAccepted, EVENTS) if kind == "events" else (PositionChanged, POSITIONS)
    entries = [[b"%d-0" % seq, [b"data", orjson.dumps(sample(model, seq))]] for seq in seqs]
    DECODERS[kind](stream, entries, batch)
    store.commit(batch.tables, {stream: Offset(f"{seqs[-1]}-0", len(seqs))} if seqs else {}, [gap] if gap else [])


def missing(store: Store) -> list[tuple[Any, ...]]:
    asked = "SELECT stream, after_id, upto_id, from_seq, upto_seq, entries FROM missing ORDER BY ALL"
    return store.cursor().execute(asked).fetchall()


def trimmed(entries: int, upto: str, after: str = "0-0", stream: str = EVENTS) -> Gap:
    return Gap(stream, after, upto, entries, 1_700_000_000_000, f"{stream}: {entries} entries were trimmed")


def test_a_journal_without_holes_lacks_nothing(path: Path) -> None:
    store = Store(path)
    put(store, 1, 2, 3)
    put(store, 4)
    put(store, 1, 2, kind="positions")
    store.close()
    store = Store(path)
    put(store, 5, 6)
    assert (missing(store), store.missing) == ([], ())


def test_numbers_that_are_not_there_are_told(path: Path) -> None:
    store = Store(path)
    put(store, 5, 6, 9)
    store.close()
    store = Store(path)
    put(store, 11)
    put(store, 3, kind="positions")
    assert missing(store) == [
        (EVENTS, "0-0", "5-0", 1, 4, 4),
        (EVENTS, "6-0", "9-0", 7, 8, 2),
        (EVENTS, "9-0", "11-0", 10, 10, 1),
        (POSITIONS, "0-0", "3-0", 1, 2, 2),
    ]
    assert [(each.stream, each.entries, each.gaps, each.numbers) for each in store.missing] == [
        (EVENTS, 7, 3, (1, 10)),
        (POSITIONS, 2, 1, (1, 2)),
    ]


def test_a_gap_that_was_noticed_before_is_told_once_with_its_numbers(path: Path) -> None:
    store = Store(path)
    put(store, gap=trimmed(4, "4-18446744073709551615"))
    assert missing(store) == [(EVENTS, "0-0", "4-18446744073709551615", None, None, 4)]
    put(store, 5, 6)
    put(store, 10, gap=trimmed(3, "9-0", after="6-0"))
    assert missing(store) == [
        (EVENTS, "0-0", "4-18446744073709551615", 1, 4, 4),
        (EVENTS, "6-0", "9-0", 7, 9, 3),
    ]


def test_a_hole_elsewhere_is_not_taken_for_a_gap_that_was_noticed(path: Path) -> None:
    store = Store(path)
    put(store, 1, 2, gap=None)
    put(store, 3, gap=trimmed(1, "2-5", after="2-0"))  # a release's note: no event is missing
    put(store, 7)
    assert missing(store) == [(EVENTS, "2-0", "2-5", None, None, 1), (EVENTS, "3-0", "7-0", 4, 6, 3)]


def test_a_numbering_that_goes_back_is_told(path: Path) -> None:
    store = Store(path)
    put(store, 1, 2)
    batch = Batch(store.scales)
    DECODERS["events"](EVENTS, [[b"9-0", [b"data", orjson.dumps(sample(OrderAccepted, 2))]]], batch)
    store.commit(batch.tables, {}, [])
    assert missing(store) == [(EVENTS, "2-0", "9-0", None, None, 0)]
    [(text,)] = store.cursor().execute('SELECT "text" FROM missing').fetchall()
    assert "behind seq 2 comes 2" in text
    [sentence] = sentences(store.missing, KINDS)
    assert "its numbering is broken" in sentence


def test_a_file_that_never_watched_its_numbers_is_looked_through_once(path: Path) -> None:
    store = Store(path)
    put(store, 1, 2, 9, 10)  # as 10-0 comes behind 9-0 by number, not by letter
    store.close()
    with duckdb.connect(path) as connection:
        connection.execute("DROP TABLE journals")
        connection.execute("DELETE FROM gaps")
    store = Store(path)
    assert missing(store) == [(EVENTS, "2-0", "9-0", 3, 8, 6)]
    put(store, 11)
    store.close()
    assert len(missing(Store(path))) == 1


def test_what_was_rolled_back_leaves_the_numbers_where_they_were(path: Path) -> None:
    store = Store(path)
    put(store, 1)
    batch = Batch(store.scales)
    DECODERS["events"](EVENTS, [[b"2-0", [b"data", orjson.dumps(sample(OrderAccepted, 2))]]], batch)
    with pytest.raises(Exception, match="nothing is lost"):
        store.commit({**batch.tables, "trades": [duckdb.sql("SELECT 1 AS no_such_column").to_arrow_table()]}, {}, [])
    store.commit(batch.tables, {}, [])
    assert missing(store) == []


def test_holes_are_between_rows_and_rows_without_a_number_are_passed_over() -> None:
    rows = [("1-0", 1), ("2-0", None), ("3-0", 2), ("4-0", 5), ("5-0", 4)]
    assert holes("e", Numbered(), rows) == (
        [Hole("e", "3-0", "4-0", 3, 4), Hole("e", "4-0", "5-0", 6, 3)],
        Numbered(4, "5-0"),
    )


def test_each_answer_is_told_what_it_may_lack_and_no_more() -> None:
    found = [
        Missing(EVENTS, 7, 3, (1, 10), "2026-11-28T00:00:00Z"),
        Missing(POSITIONS, 2, 1, None, "2026-11-28T00:00:00Z"),
        Missing("old:events", 1, 1, None, "2026-11-28T00:00:00Z"),
    ]
    events, positions, old = sentences(found, KINDS)
    assert events == (
        f"{EVENTS}: 7 entries are missing in 3 gaps, among seq 1 to 10, noticed 2026-11-28T00:00:00Z: orders, fills "
        "and rejects of then are missing or told in part; table missing has the gaps"
    )
    assert "a position that has not changed since is missing" in positions
    assert sentences(found, KINDS, {"events"}) == [events, old]
    assert sentences(found, KINDS, {"positions"}) == [positions, old]
    assert sentences([], KINDS) == []
