"""A snapshot of the position stage names every field; those of 0.1.0, which did not, still load."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.ledger.average import Holdings, Position
from fillstream.libs.common.messages.reference import InstrumentUnits
from fillstream.libs.common.values.versions import Unreadable
from fillstream.services.position_service.snapshot import Books, dump, load


@pytest.fixture
def kept() -> dict[str, Any]:
    instrument = Holdings("AAPL", InstrumentUnits(tick_size=Decimal("0.01"), lot_size=Decimal(1)))
    instrument.set_mark(37_001)
    instrument.positions = {"b": Position(quantity=-3, cash=2**70, fees=5), "a": Position(cost=1, denominator=3)}
    document: dict[str, Any] = orjson.loads(dump(Books(7, 5, {"opened": 2}, {"AAPL": instrument}, {"AAPL": "SIM"})))
    return document


def test_what_was_dumped_is_loaded_by_name_in_the_books_order(kept: dict[str, Any]) -> None:
    books = load(orjson.dumps(kept))
    assert orjson.loads(dump(books)) == kept
    assert list(books.holdings["AAPL"].positions) == ["b", "a"], "marks are told in this order"
    assert books.holdings["AAPL"].positions["b"] == Position(-3, 2**70, 0, 1, 5)


def test_what_0_1_0_wrote_is_loaded(kept: dict[str, Any]) -> None:
    old = orjson.loads(orjson.dumps(kept))
    del old["version"]
    names = ("account", "quantity", "cash", "cost", "denominator", "fees")
    for instrument in old["instruments"]:
        del instrument["venue"]
        instrument["positions"] = [[position[name] for name in names] for position in instrument["positions"]]
    assert orjson.loads(dump(load(orjson.dumps(old)))) == kept


def test_a_field_with_a_default_is_missing_in_an_older_snapshot(kept: dict[str, Any]) -> None:
    del kept["instruments"][0]["positions"][0]["fees"]
    assert load(orjson.dumps(kept)).holdings["AAPL"].positions["b"].fees == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.update(version=3), "positions snapshot: version 3 must be 1 to 2, which this release reads"),
        (lambda d: d.update(exits=[]), "positions snapshot: exits is no field that this release knows"),
        (lambda d: d["instruments"][0].update(kind="x"), "instrument: kind is no field that this release knows"),
        (lambda d: d["instruments"][0].pop("mark"), "instrument: mark is missing"),
        (lambda d: d["instruments"][0]["positions"][0].update(lots=[]), "Position: lots is no field that this release"),
        (lambda d: d["instruments"][0]["positions"][0].pop("quantity"), "Position: quantity is missing"),
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
