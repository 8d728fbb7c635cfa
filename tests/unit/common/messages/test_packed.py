"""Fields that hold more than one value: one text for equal values, and a sentence for whatever nobody should write."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal as D
from typing import Any

import pytest

from fillstream.libs.common.messages import packed
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.packed import (
    MAX_PARAMETERS,
    Target,
    from_json,
    names_of,
    names_text,
    object_text,
    parameters_of,
    targets_of,
    targets_text,
)
from fillstream.services.order_service.signals.encode import instruction_of
from tests.support.hostile import VALUES

DEEP = "[" * 5_000 + "]" * 5_000
PLAIN = "'a': must be a text, a number, true, false or a list of these"
DIGITS = "must be a number of at most 24 digits"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('{"b": 1, "a": [1.5, "x", true]}', '{"a":["1.5","x",true],"b":1}'),
        ({"b": 1, "a": [1.5, "x", True]}, '{"a":["1.5","x",true],"b":1}'),
        ({"a": D("0.10")}, '{"a":"0.10"}'),
        ('{"a": 1, "a": 2}', '{"a":2}'),
        ('{"a": 18446744073709551615}', '{"a":18446744073709551615}'),
        ('{"a": "\u0663"}', '{"a":"\u0663"}'),
        ({}, "{}"),
        ({"a": []}, '{"a":[]}'),
    ],
)
def test_an_object_is_one_text_however_it_was_written(value: Any, text: str) -> None:
    assert object_text(value) == text == object_text(text)
    assert parameters_of(text) == from_json(text)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("", "must be JSON, got ''"),
        ("{", "must be JSON, got '{'"),
        ('{"a": NaN}', "must be JSON, got '{"),
        ('{"a": -Infinity}', "must be JSON, got '{"),
        ('{"a": 1e400}', "must be JSON, got '{"),
        ('{"a": ' + "9" * 5_000 + "}", "must be JSON, got '{"),
        ('{"a": ' + DEEP + "}", "must be JSON, got '{"),
        ('{"a": "\\ud800"}', "must be JSON, got '{"),
        ("null", "must be a JSON object, got None"),
        ("[1]", "must be a JSON object, got a list"),
        (b"{}", "must be a JSON object, got b'{}'"),
        ('{"a": null}', PLAIN),
        ('{"a": {}}', PLAIN),
        ('{"a": [1, null]}', PLAIN),
        ('{"a": [[1]]}', PLAIN),
        ({"a": 2**70}, "cannot be written as JSON: "),
        ({"a": "\ud800"}, "cannot be written as JSON: "),
        ({1: 2}, "cannot be written as JSON: "),
    ],
)
def test_what_is_no_object_of_plain_values_is_refused_in_a_sentence(value: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        object_text(value)
    assert str(refused.value).startswith(sentence)
    assert len(str(refused.value)) < 200, "however much was written"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("187", "187:1"),
        (" 187.00 : 2.50 , 188 ", "187:2.5,188:1"),
        ('[187.5, "188:2", {"price": "189", "weight": "0.5"}, {"price": 190}]', "187.5:1,188:2,189:0.5,190:1"),
        ([D("187.10"), 188, {"price": D(189), "weight": 3}], "187.1:1,188:1,189:3"),
        ("1e3:1e1", "1000:10"),
        ("-5:0.1", "-5:0.1"),
        (",".join(["1"] * packed.MAX_TARGETS), ",".join(["1:1"] * packed.MAX_TARGETS)),
    ],
)
def test_targets_are_one_text_however_they_were_written(value: Any, text: str) -> None:
    assert targets_text(value) == text == targets_text(text)
    assert ",".join(f"{each.price}:{each.weight}" for each in targets_of(text)) == text


def test_targets_are_read_as_exact_numbers() -> None:
    assert targets_of("187.1:1,188:0.5") == [Target(D("187.1"), D(1)), Target(D(188), D("0.5"))]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("", "must be a decimal number, got ''"),
        ("187,", "must be a decimal number, got ''"),
        (":1", "must be a decimal number, got ''"),
        ("1:2:3", "must be a decimal number, got '2:3'"),
        ("\u0663", "must be a decimal number, got '\\u0663'"),
        ("187:\u0663", "must be a decimal number, got '\\u0663'"),
        ("NaN", "must be a finite number, got 'NaN'"),
        ("187:Infinity", "must be a finite number, got 'Infinity'"),
        ("1e99", DIGITS),
        ("187:1e-30", DIGITS),
        ("9" * 5_000, DIGITS),
        ("187:0", "the weight of a target must be above 0, got '0'"),
        ("187:-1", "the weight of a target must be above 0, got '-1'"),
        ([True], "must be a decimal number, got 'True'"),
        ([None], "must be a decimal number, got 'None'"),
        ([[187]], "must be a decimal number, got '[187]'"),
        ([{}], "a target has price and weight, got an object"),
        ([{"weight": 1}], "a target has price and weight, got an object"),
        ([{"price": 1, "odd": 1}], "a target has price and weight, got an object"),
        ([{"price": 1, "weight": True}], "a target's numbers must be numbers"),
        ("[", "must be JSON, got '['"),
        (DEEP, "must be JSON, got '["),
        ("[NaN]", "must be JSON, got '[NaN]'"),
        ([], "must be 1 to 20 targets, PRICE:WEIGHT each, got a list"),
        ({"price": 1}, "must be 1 to 20 targets, PRICE:WEIGHT each, got an object"),
        (None, "must be 1 to 20 targets, PRICE:WEIGHT each, got None"),
        (",".join(["1"] * (packed.MAX_TARGETS + 1)), "must be 1 to 20 targets, PRICE:WEIGHT each, got a list"),
    ],
)
def test_what_are_no_targets_is_refused_in_a_sentence(value: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        targets_text(value)
    assert str(refused.value).startswith(sentence)
    assert len(str(refused.value)) < 200, "however much was written"


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("SIM", ("SIM",)),
        (" SIM , SIM2 ", ("SIM", "SIM2")),
        ('["SIM", "SIM2"]', ("SIM", "SIM2")),
        (' ["SIM2"]', ("SIM2",)),
        (["SIM2", "SIM"], ("SIM2", "SIM")),
        ([*map(str, range(packed.MAX_NAMES))], tuple(map(str, range(packed.MAX_NAMES)))),
    ],
)
def test_names_keep_their_order_and_are_one_text(value: Any, names: tuple[str, ...]) -> None:
    assert names_of(names_text(value)) == names
    assert names_text(names_text(value)) == names_text(value)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("", "'' is no name"),
        ("SIM,", "'' is no name"),
        ("SIM SIM2", "'SIM SIM2' is no name"),
        ("SIM\u0663", "'SIM\\u0663' is no name"),
        ("S\x00", "'S\\x00' is no name"),
        ("x" * 5_000, f"'{'x' * 80}'... is no name"),
        ("SIM,SIM2,SIM", "names each once, got 'SIM,SIM2,SIM'"),
        ("SIM, SIM", "names each once, got 'SIM,SIM'"),
        (DEEP, "must be JSON, got '["),
        ([["SIM"]], "\"['SIM']\" is no name"),
        ([], "must be 1 to 20 names, got a list"),
        ({"SIM": 1}, "must be 1 to 20 names, got an object"),
        ([*map(str, range(packed.MAX_NAMES + 1))], "must be 1 to 20 names, got a list"),
    ],
)
def test_what_are_no_names_is_refused_in_a_sentence(value: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        names_text(value)
    assert str(refused.value).startswith(sentence)


def test_nothing_said_is_nothing_read() -> None:
    assert (parameters_of(None), names_of(None)) == ({}, ())


@pytest.mark.parametrize("pack", [object_text, targets_text, names_text])
def test_whatever_is_written_is_one_text_or_a_sentence(pack: Callable[[Any], Any]) -> None:
    within = [*([each] for each in VALUES), *({name: each} for each in VALUES for name in ("a", "price"))]
    for value in [*VALUES, *within, *([each] for each in within)]:
        try:
            text = pack(value)
        except ValueError as error:
            assert len(str(error)) < 250, value
        else:
            assert pack(text) == text, value


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("algorithm_parameters", {"algorithm": "POV", "algorithm_parameters": f'{{"x":"{"y" * MAX_PARAMETERS}"}}'}),
        ("algorithm_parameters", {"algorithm": "POV", "algorithm_parameters": {"x": 2**70}}),
        ("take_profits", {"price": "185", "take_profits": "187:NaN"}),
        ("venues", {"venues": "SIM,SIM"}),
    ],
)
def test_a_signal_is_refused_by_the_name_of_such_a_field(name: str, fields: dict[str, Any]) -> None:
    said = {"signal_id": "s", "account": "default", "symbol": "AAPL", "side": "BUY", "quantity": "10", **fields}
    with pytest.raises(BadEntry, match=f"^{name}: ") as refused:
        instruction_of(said, "1-0")
    assert len(str(refused.value)) < 300
