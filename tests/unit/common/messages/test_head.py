"""The head of a message, of every model of every stream, in the writer's order of keys and in the model's."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError

from fillstream.libs.common.messages.base import Message, head_of, head_of_next, of_version, type_of, upcast
from fillstream.libs.common.messages.controls import CONTROLS, LimitRisk
from fillstream.libs.common.messages.dead import DeadLetter
from fillstream.libs.common.messages.journal import EVENTS
from fillstream.libs.common.messages.market import Depth, Trades
from fillstream.libs.common.messages.market_report import MarketReport, SubscribeMarket, UnsubscribeMarket
from fillstream.libs.common.messages.mass_status import AdoptOrder, MassStatusReport, ReportMassStatus
from fillstream.libs.common.messages.positions import POSITION_MESSAGES
from fillstream.libs.common.messages.signals import (
    SIGNALS,
    ExitPosition,
    ListedOrder,
    PlainOrder,
    RefuseSignal,
    ReportStatus,
)
from fillstream.libs.common.messages.targets import ReachPosition
from fillstream.libs.common.messages.venue import VenueReport
from fillstream.libs.common.values.versions import Unreadable, Upcasts

COUNTED = [*EVENTS.values(), *POSITION_MESSAGES.values()]
EVERY: list[type[Message]] = [
    *COUNTED,
    *SIGNALS.values(),
    *CONTROLS.values(),
    RefuseSignal,
    ExitPosition,
    ReachPosition,
    LimitRisk,
    ReportStatus,
    VenueReport,
    ReportMassStatus,
    AdoptOrder,
    MassStatusReport,
    SubscribeMarket,
    UnsubscribeMarket,
    MarketReport,
    DeadLetter,
    Trades,
    Depth,
]


def subclasses(model: type[Message]) -> set[type[Message]]:
    return {model, *(below for each in model.__subclasses__() for below in subclasses(each))}


def test_every_message_of_the_house_is_among_these() -> None:
    of_the_house = {each for each in subclasses(Message) if each.__module__.startswith("fillstream.libs")}
    assert {each for each in of_the_house if "type" in each.model_fields} == {*EVERY, PlainOrder, ListedOrder}


def written(model: type[Message], order: list[str]) -> bytes:
    values = {"type": type_of(model), "v": model.VERSION, "seq": 7}
    return orjson.dumps({name: values.get(name, "x") for name in order})


@pytest.mark.parametrize("model", EVERY, ids=type_of)
def test_the_head_is_the_same_in_every_order_of_the_keys(model: type[Message]) -> None:
    of_model = list(model.model_fields)
    seq = 7 if "seq" in of_model else None
    assert (seq is not None) == (model in COUNTED)
    first = [name for name in ("type", "v", "seq") if name in of_model]
    of_writer = [*first, *(name for name in of_model if name not in first)]
    for order in (of_model, of_writer, of_model[::-1], ["zz", *of_writer]):
        assert head_of(written(model, order)) == (type_of(model), model.VERSION, seq)


@pytest.mark.parametrize("model", EVERY, ids=type_of)
def test_a_models_version_is_what_its_field_says_and_every_older_one_has_its_step(model: type[Message]) -> None:
    assert model.model_fields["v"].default == model.VERSION
    assert sorted(model.UPCASTS) == list(range(1, model.VERSION)), "every version there was is still read"


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (b"", "must be a JSON object with type, v and seq, 0 bytes are not"),
        (b"\xff\x00", "must be a JSON object with type, v and seq, 2 bytes are not"),
        (b"[1]", "must be a JSON object with type, v and seq, and is another JSON value"),
        (b"{}", "type: must be the name of a message"),
        (b'{"type":1,"v":1}', "type: must be the name of a message"),
        (b'{"type":"A"}', "v: must be a whole number from 1"),
        (b'{"type":"A","v":0}', "v: must be a whole number from 1"),
        (b'{"type":"A","v":true}', "v: must be a whole number from 1"),
        (b'{"type":"A","v":"1"}', "v: must be a whole number from 1"),
        (b'{"type":"A","v":1,"seq":0}', "seq: must be a whole number from 1"),
        (b'{"type":"A","v":1,"seq":1.5}', "seq: must be a whole number from 1"),
    ],
)
def test_what_has_no_head_is_refused_in_a_sentence(payload: bytes, sentence: str) -> None:
    with pytest.raises(Unreadable) as refused:
        head_of(payload)
    assert str(refused.value) == sentence


WORDS = st.from_regex(r"[A-Za-z]\w{0,20}", fullmatch=True)


@given(
    kind=WORDS,
    v=st.integers(1, 10**18 - 1),
    seq=st.none() | st.integers(1, 10**18 - 1),
    more=st.dictionaries(WORDS, st.integers(0, 9) | st.text(max_size=5), max_size=4),
    order=st.randoms(use_true_random=False),
)
def test_the_short_way_and_the_long_way_find_the_same(
    kind: str, v: int, seq: int | None, more: dict[str, Any], order: Any
) -> None:
    items = [*({**more, "type": kind, "v": v} | ({} if seq is None else {"seq": seq})).items()]
    more_seq = "seq" in more and seq is None
    if more_seq:
        items = [(name, value) for name, value in items if name != "seq"]
    order.shuffle(items)
    assert head_of(orjson.dumps(dict(items))) == (kind, v, seq)
    short = {"type": kind, "v": v, "seq": seq or 1, **{n: x for n, x in more.items() if n not in ("type", "v", "seq")}}
    assert head_of(orjson.dumps(short)) == (kind, v, seq or 1)


# ------------------------------------------------------------------------------------------------ a type that changed


def upcast_v1_v2(fields: dict[str, Any]) -> dict[str, Any]:
    fields["price"] = fields.pop("px")
    return fields


def upcast_v2_v3(fields: dict[str, Any]) -> dict[str, Any]:
    fields["prices"] = [fields.pop("price")]
    return fields


class Printed(Message):
    """A type at its third version, which no stream of the house has."""

    v: int = of_version(3)
    UPCASTS: ClassVar[Upcasts] = {1: upcast_v1_v2, 2: upcast_v2_v3}

    type: Literal["Printed"] = "Printed"
    prices: list[int]


class Asked(Message):
    """A type that never changed."""

    type: Literal["Asked"] = "Asked"
    px: int


VERSIONS = [
    {"type": "Printed", "v": 1, "px": 5},
    {"type": "Printed", "v": 2, "price": 5},
    {"type": "Printed", "v": 3, "prices": [5]},
]
either: TypeAdapter[Any] = TypeAdapter(Printed | Asked)
tagged: TypeAdapter[Any] = TypeAdapter(list[Printed])


@pytest.mark.parametrize("document", VERSIONS, ids=["v1", "v2", "v3"])
def test_every_version_that_there_was_is_read(document: dict[str, Any]) -> None:
    now = Printed(prices=[5])
    assert Printed.VERSION == now.v == 3
    assert Printed.model_validate(document) == now
    assert Printed.model_validate_json(orjson.dumps(document)) == now
    assert either.validate_python(document) == now
    assert tagged.validate_json(orjson.dumps([document])) == [now]
    assert upcast(dict(document), {"Printed": Printed}) == now.model_dump()


def test_flat_fields_carry_their_version_as_text() -> None:
    assert Printed.model_validate({"v": "1", "px": 5}) == Printed(prices=[5])


def test_reading_changes_nothing_of_what_was_given() -> None:
    document = dict(VERSIONS[0])
    Printed.model_validate(document)
    assert document == VERSIONS[0]


@pytest.mark.parametrize("v", [4, 0, "9", None, True])
def test_a_version_above_is_refused_with_type_version_and_what_is_read(v: object) -> None:
    document = {"type": "Printed", "v": v, "prices": [5]}
    with pytest.raises(Unreadable, match=f"Printed: version {v} must be 1 to 3, which this release reads"):
        upcast(dict(document), {"Printed": Printed})
    if v is not None:
        with pytest.raises(ValidationError, match=r"Printed: version .* must be 1 to 3, which this release reads"):
            Printed.model_validate(document)


def test_an_older_message_that_is_not_as_it_was_is_refused() -> None:
    with pytest.raises(ValidationError, match="Printed: is not as version 1 was: KeyError: 'px'"):
        Printed.model_validate({"v": 1, "price": 5})


def test_a_type_that_the_caller_does_not_read_is_left_as_it_is() -> None:
    document = {"type": "Painted", "v": 9}
    assert upcast(document, {"Printed": Printed}) is document


def test_a_type_with_a_step_missing_cannot_be_declared() -> None:
    with pytest.raises(AssertionError, match="Torn: a step from each version to the next"):

        class Torn(Message):
            v: int = of_version(3)
            UPCASTS: ClassVar[Upcasts] = {1: upcast_v1_v2}


def test_a_field_with_a_default_needs_no_version() -> None:
    class Wider(Asked):
        lots: int = Field(default=0)

    assert Wider.model_validate({"v": 1, "px": 5}).lots == 0


@pytest.mark.parametrize("model", COUNTED, ids=type_of)
def test_the_next_head_is_found_once_its_type_was_met_and_no_other_is(model: type[Message]) -> None:
    payload = orjson.dumps({"type": type_of(model), "v": model.VERSION, "seq": 12, "time": 1})
    head_of(payload)
    assert head_of_next(payload, 12) == (type_of(model), model.VERSION)
    assert [head_of_next(payload, seq) for seq in (1, 2, 120, 11)] == [None] * 4
    assert head_of_next(payload.replace(b"12", b"12.0"), 12) is None


@pytest.mark.parametrize(
    "tail", [b"12x", b"1_2,", b"+1,", b" 1,", b"01,", b"1e3,", b'"1",', b"1234567890123456789,", b"12"]
)
def test_a_number_that_is_none_is_never_read_as_one(tail: bytes) -> None:
    start = b'{"type":"OrderFilled","v":1,"seq":'
    head_of(start + b"1}")
    with pytest.raises(Unreadable):
        head_of(start + tail)
