"""Every shape a client sends, and every way of getting it wrong, as a specification."""

import asyncio
import json
import struct
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from faststream.redis.parser import BinaryMessageFormatV1

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import MAX_SIGNAL_BYTES
from fillstream.libs.common.messages.wire import DOCUMENT_FIELDS, MAX_OPENINGS, decode, encode_signal
from fillstream.libs.common.values.money import canonical
from fillstream.libs.common.values.naming import shorten

SIGNAL = {"symbol": "AAPL", "side": "BUY", "quantity": "100"}


def refused(fields: dict[bytes, bytes]) -> BadEntry:
    with pytest.raises(BadEntry) as caught:
        decode(fields)
    return caught.value


def faststream(message: Any, **headers: str) -> bytes:
    """Return what FastStream's own publisher puts under `__data__`."""
    return asyncio.run(
        BinaryMessageFormatV1.encode(message=message, reply_to=None, headers=headers or None, correlation_id="c-1")
    )


def test_flat_fields_are_text() -> None:
    fields = {name.encode(): value.encode() for name, value in SIGNAL.items()}
    assert decode(fields) == SIGNAL


@pytest.mark.parametrize("name", DOCUMENT_FIELDS)
def test_a_json_document_with_mixed_values(name: bytes) -> None:
    document = b'{"symbol": "AAPL", "quantity": 100, "price": "1.50", "confidence": 0.8, "account": null, "x": true}'
    assert decode({name: document}) == {
        "symbol": "AAPL",
        "quantity": Decimal(100),
        "price": "1.50",
        "confidence": Decimal("0.8"),
        "account": None,
        "x": True,
    }


@pytest.mark.parametrize("digits", ["0.1", "0.1000000000000000055", "12345678901234567.25", "1e-7", "1.50"])
def test_a_json_number_keeps_every_digit_that_was_written(digits: str) -> None:
    value = decode({b"data": f'{{"price": {digits}}}'.encode()})["price"]
    assert type(value) is Decimal
    assert str(value) == str(Decimal(digits))


@pytest.mark.parametrize("message", [SIGNAL, json.dumps(SIGNAL), json.dumps(SIGNAL).encode()])
@pytest.mark.parametrize("name", DOCUMENT_FIELDS)
def test_faststreams_binary_message(message: Any, name: bytes) -> None:
    assert decode({name: faststream(message)}) == SIGNAL


def test_faststreams_binary_message_with_headers_it_writes_wrongly_itself() -> None:
    # FastStream counts characters where its reader counts bytes; the body's offset is right all the same.
    assert decode({b"__data__": faststream(SIGNAL, trader="Zoë", desk="Zürich")}) == SIGNAL


def test_faststreams_older_json_message() -> None:
    async def build() -> bytes:
        message = await BinaryMessageFormatV1.build(
            message=SIGNAL, reply_to=None, headers={"a": "b"}, correlation_id="c"
        )
        return json.dumps({"data": message.data.decode(), "headers": message.headers}).encode()

    raw = asyncio.run(build())
    body, headers = BinaryMessageFormatV1.parse(raw)
    assert json.loads(body) == SIGNAL and headers["a"] == "b", "FastStream itself reads this shape"
    assert decode({b"__data__": raw}) == SIGNAL


@pytest.mark.parametrize(
    ("fields", "reason", "text"),
    [
        (
            {b"data": b" " * MAX_SIGNAL_BYTES},
            "too_large",
            f"signal: {MAX_SIGNAL_BYTES + 4} bytes, a signal has at most {MAX_SIGNAL_BYTES}",
        ),
        (
            {b"data": b'{"symbol": "' + b"A" * 10_000_000 + b'"}'},
            "too_large",
            f"signal: 10000018 bytes, a signal has at most {MAX_SIGNAL_BYTES}",
        ),
        ({b"symbol": b"A\xffB"}, "bad_utf8", "'symbol', its value: byte 0xff at offset 1 is not UTF-8 text"),
        ({b"a\xc3": b"B"}, "bad_utf8", "'a\\\\xc3', its name: byte 0xc3 at offset 1 is not UTF-8 text"),
        ({b"data": b'{"symbol": "\xe4"}'}, "bad_utf8", "data: byte 0xe4 at offset 12 is not UTF-8 text"),
        ({b"data": b""}, "bad_json", "data: '' is not one JSON document"),
        ({b"data": b'{"symbol": "A",}'}, "bad_json", 'data: \'{"symbol": "A",}\' is not one JSON document'),
        ({b"__data__": b"{} {}"}, "bad_json", "__data__: '{} {}' is not one JSON document"),
        ({b"data": b"[1]"}, "not_an_object", "data: a list must be a JSON object"),
        (
            {b"data": b"1e999999999999999999999"},
            "not_an_object",
            "data: '1e999999999999999999999' must be a JSON object",
        ),
        ({b"data": b'{"a": 1, "b": 2, "a": 1}'}, "duplicate_key", "data: 'a' is there more than once"),
        (
            {b"data": b"{}", b"symbol": b"A"},
            "mixed_shapes",
            "data: a document stands alone, this entry also has the field 'symbol'",
        ),
        (
            {b"data": b"[" * 50_000},
            "nested_too_deeply",
            f"data: 50000 objects and lists, a document has at most {MAX_OPENINGS}",
        ),
        ({b"data": b"\x89BIN\r\n\x1a\n"}, "bad_envelope", "data: 8 bytes, a FastStream message has a head of 20"),
        (
            {b"data": b"\x89BIN\r\n\x1a\n" + struct.pack(">HIIH", 2, 18, 20, 0)},
            "bad_envelope",
            "data: FastStream message version 2 must be 1",
        ),
        (
            {b"data": b"\x89BIN\r\n\x1a\n" + struct.pack(">HIIH", 1, 18, 21, 0)},
            "bad_envelope",
            "data: body at offset 21, must be 20 to 20 (the message's length)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_what_cannot_be_read_is_refused_with_a_sentence(fields: dict[bytes, bytes], reason: str, text: str) -> None:
    error = refused(fields)
    assert (error.reason, error.text) == (reason, text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999999999999999999999", "9" * 5000])
def test_numbers_beyond_reason_are_left_for_the_contract_to_name(number: str) -> None:
    value = decode({b"data": f'{{"quantity": {number}}}'.encode()})["quantity"]
    assert isinstance(value, Decimal | str)


def test_brackets_in_text_do_not_count_as_nesting() -> None:
    text = "[{" * 40 + '\\"'
    assert decode({b"data": f'{{"signal_id": "{text}"}}'.encode()}) == {"signal_id": "[{" * 40 + '"'}


def test_hostile_quotes_cost_linear_time() -> None:
    error = refused({b"data": b"[" * 40 + b'"' + b'\\"' * 30_000})
    assert error.reason == "nested_too_deeply"


@pytest.mark.parametrize(
    ("number", "text"),
    [("1E+3", "1000"), ("1.500", "1.5"), ("-0.00", "0"), ("0E+99999999", "0"), ("1E-3", "0.001"), ("-2.50", "-2.5")],
)
def test_equal_decimals_have_equal_text(number: str, text: str) -> None:
    assert canonical(Decimal(number)) == text


def test_a_sentence_shows_eighty_characters_of_ascii() -> None:
    assert shorten("ü" * 81) == ascii("ü" * 80) + "..."
    assert shorten("\ud800") == "'\\ud800'"
    assert shorten(Decimal("1" * 90)) == "1" * 80 + "..."
    assert shorten({"a": 1}) == "an object"


class Side(StrEnum):
    BUY = "BUY"


def test_what_the_encoder_writes_decodes_to_the_same_text() -> None:
    fields = encode_signal(
        {"symbol": "AAPL", "side": Side.BUY, "quantity": 100, "price": Decimal("1.50"), "x": None, "y": True}
    )
    assert fields == {"symbol": "AAPL", "side": "BUY", "quantity": "100", "price": "1.50", "y": "true"}
    assert decode({name.encode(): value.encode() for name, value in fields.items()}) == fields


@pytest.mark.parametrize("value", [[1], {}, b"x"])
def test_the_encoder_refuses_what_is_neither_text_nor_number(value: Any) -> None:
    with pytest.raises(TypeError, match=r"quantity: .* must be text, a number, true or false"):
        encode_signal({"quantity": value})


def test_what_has_just_as_much_as_it_may_goes_through_and_one_more_does_not() -> None:
    room = MAX_SIGNAL_BYTES - len("symbol")
    assert decode({b"symbol": b"x" * room}) == {"symbol": "x" * room}
    assert refused({b"symbol": b"x" * (room + 1)}).text == (
        f"signal: {MAX_SIGNAL_BYTES + 1} bytes, a signal has at most {MAX_SIGNAL_BYTES}"
    )
    for opening, closing in (('{"a":', "}"), ("[", "]")):
        inside = opening * (MAX_OPENINGS - 1) + "1" + closing * (MAX_OPENINGS - 1)
        assert decode({b"data": f'{{"a":{inside}}}'.encode()})
        bad = refused({b"data": f'{{"a":{opening}{inside}{closing}}}'.encode()})
        assert bad.text == f"data: {MAX_OPENINGS + 1} objects and lists, a document has at most {MAX_OPENINGS}"


@pytest.mark.parametrize(("value", "quote"), [("x" * 80, "'"), (Decimal("1" * 80), "")], ids=["text", "number"])
def test_eighty_characters_are_shown_whole(value: Any, quote: str) -> None:
    assert shorten(value) == f"{quote}{value}{quote}"


@pytest.mark.parametrize("document", [{"data": "x", "symbol": "AAPL"}, {"headers": {}}, {"data": 5}, {"data": {}}])
def test_only_faststreams_older_message_is_looked_into(document: dict[str, Any]) -> None:
    assert decode({b"data": json.dumps(document).encode()}) == document


def test_a_bad_document_in_an_older_message_is_told_with_the_field_it_came_in() -> None:
    assert refused({b"__data__": b'{"data": "nope", "headers": {}}'}).text == (
        "__data__: 'nope' is not one JSON document"
    )


def test_a_faststream_message_without_a_body_is_no_document() -> None:
    head = struct.pack(">8sHIIH", b"\x89BIN\r\n\x1a\n", 1, 20, 20, 0)
    assert refused({b"data": head}).text == "data: '' is not one JSON document"


def test_the_key_that_is_there_twice_is_named_and_not_the_first() -> None:
    assert refused({b"data": b'{"a": 1, "b": 2, "b": 3}'}).text == "data: 'b' is there more than once"


def test_the_encoder_leaves_out_what_is_none_and_nothing_behind_it() -> None:
    assert encode_signal({"symbol": "AAPL", "price": None, "quantity": 5}) == {"symbol": "AAPL", "quantity": "5"}
    with pytest.raises(TypeError, match=r"^quantity: a list must be text, a number, true or false$"):
        encode_signal({"quantity": [1]})


def test_brackets_in_text_take_no_room_from_those_that_count() -> None:
    inside = "[" * (MAX_OPENINGS - 1) + '"{[{["' + "]" * (MAX_OPENINGS - 1)
    assert decode({b"data": f'{{"a":{inside}}}'.encode()})
