"""A snapshot of the position stage names every field; those of 0.1.0, which did not, still load."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.ledger.average import Position
from fillstream.libs.common.messages.codes import CostMethod, MarkPrice
from fillstream.libs.common.messages.reference import InstrumentUnits
from fillstream.libs.common.values.versions import Unreadable
from fillstream.services.position_service.books.books import MARK, Books
from fillstream.services.position_service.books.held import Trade
from fillstream.services.position_service.books.instrument import Instrument
from fillstream.services.position_service.books.trip import Trip
from fillstream.services.position_service.snapshot import dump, load

OLD = {"b": Position(quantity=-3, cash=2**70, fees=5), "a": Position(cost=1, denominator=3)}


@pytest.fixture
def kept() -> dict[str, Any]:
    """Two accounts after a few trades: one that counts by the lot, in lots that a split broke."""
    books = Books(7, 5, {"opened": 2}, methods={"b": CostMethod.LIFO}, differing={"a": 3})
    instrument = Instrument("AAPL", InstrumentUnits(tick_size=Decimal("0.01"), lot_size=Decimal(1)))
    books.instruments["AAPL"] = instrument
    books.number(instrument, 7)
    instrument.venue, instrument.marked_by, instrument.telling = "SIM2", MarkPrice.CLOSING, [("a", None)]
    books.timers.add(86_400_000, 7, MARK)
    for account in ("b", "a"):
        held = books.held(account, instrument)
        held.book("0 x", Trade(1, 100, 5, 0, 1, 86_400_000, "p"))
        held.book("0 y", Trade(3, 2**65, -5, 0, 1, 86_400_001, "q"))
        if account == "b":
            assert held.split(3, 2)
        held.book("1 z", Trade(-2, 150, 0, 0, 2, 2 * 86_400_000, "r"))
        held.rebook("1 z", Trade(-2, 151, 0, 0, 2, 2 * 86_400_000, "r"), "1 zz")
    assert instrument.mark_at(18_500, 18_502, None)
    instrument.stirs(3 * 86_400_000)
    document: dict[str, Any] = orjson.loads(dump(books))
    return document


def test_what_was_dumped_is_loaded_by_name_in_the_books_order(kept: dict[str, Any]) -> None:
    books = load(orjson.dumps(kept))
    assert orjson.loads(dump(books)) == kept
    held = books.instruments["AAPL"].held
    assert list(held) == ["b", "a"], "marks are told in this order"
    assert (books.trades, held["a"].kept("1 zz", 2)) == (4, Trade(-2, 151, 0, 0, 2, 2 * 86_400_000, "r"))
    assert held["a"].trip == Trip("p", 86_400_000, True, 4, 4, 100 + 3 * 2**65, 2, 302, 0, 3)


@pytest.mark.parametrize("version", [None, 2])
def test_what_older_releases_wrote_is_loaded_without_a_guess(version: int | None) -> None:
    """Of 0.1.0 without a version: positions were lists, and there was one venue."""
    instrument: dict[str, Any] = {"symbol": "AAPL", "tick_size": "0.01", "lot_size": "1", "multiplier": "1"}
    positions = {account: {name: str(getattr(each, name)) for name in NAMES} for account, each in OLD.items()}
    document: dict[str, Any] = {"read": 7, "sent": 5, "fills": {"opened": 2}}
    if version is None:
        instrument["positions"] = [[account, *each.values()] for account, each in positions.items()]
    else:
        document["version"], instrument["venue"] = version, "SIM2"
        instrument["positions"] = [{"account": account, **each} for account, each in positions.items()]
    document["instruments"] = [instrument | {"currency": "USD", "mark": "37001"}]
    found = load(orjson.dumps(document)).instruments["AAPL"]
    assert (found.venue, found.mark, found.session) == ("SIM" if version is None else "SIM2", 37_001, 0)
    assert {account: held.position for account, held in found.held.items()} == OLD
    assert [held.settled for held in found.held.values()] == [None, None], "nobody knows what it was this morning"
    assert found.held["a"].trip is None
    assert found.held["b"].trip == Trip("AAPL-before", None, False)
    assert found.held["b"].before == OLD["b"], "what comes is counted from here"


NAMES = ("quantity", "cash", "cost", "denominator", "fees")


def test_a_field_with_a_default_is_missing_in_an_older_snapshot(kept: dict[str, Any]) -> None:
    del kept["instruments"][0]["held"][1]["position"]["fees"]
    assert load(orjson.dumps(kept)).instruments["AAPL"].held["a"].position.fees == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.update(version=4), "positions snapshot: version 4 must be 1 to 3, which this release reads"),
        (lambda d: d.update(limits=[]), "positions snapshot: limits is no field that this release knows"),
        (lambda d: d["instruments"][0].update(kind="x"), "instrument: kind is no field that this release knows"),
        (lambda d: d["instruments"][0].pop("marks"), "instrument: marks is missing"),
        (lambda d: d["instruments"][0]["held"][0].update(lots=[]), "what is held: lots is no field that this release"),
        (lambda d: d["instruments"][0]["held"][0]["position"].update(x=1), "position: x is no field that this release"),
        (lambda d: d["instruments"][0]["held"][0]["position"].pop("quantity"), "position: quantity is missing"),
        (lambda d: d["instruments"][0]["held"][1]["trip"].pop("long"), "trip: long is missing"),
        (lambda d: d["instruments"][0]["held"][1]["trades"].pop("ms"), "trades: ms is missing"),
    ],
)
def test_what_this_release_does_not_know_is_refused_in_a_sentence(
    kept: dict[str, Any], change: Callable[[dict[str, Any]], object], sentence: str
) -> None:
    change(kept)
    with pytest.raises(Unreadable) as refused:
        load(orjson.dumps(kept))
    assert str(refused.value).startswith(sentence)


def test_a_snapshot_that_is_no_object_is_refused() -> None:
    with pytest.raises(Unreadable, match="positions snapshot: must be an object with named fields, got list"):
        load(b"[]")
