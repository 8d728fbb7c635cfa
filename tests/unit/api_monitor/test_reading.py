"""What an answer says: the predictions in it, the same ones under the same ids, and a sentence for what is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fillstream.libs.common.messages.signals import Prediction
from fillstream.libs.common.process.settings.api_monitor import ApiSource
from fillstream.services.api_monitor.reading import BadAnswer, Reading, at, readings

URL = "http://127.0.0.1/predictions"


def source(**more: Any) -> ApiSource:
    return ApiSource.model_validate({"url": URL, **more})


def read(document: Any, **more: Any) -> list[Reading]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return list(readings(source(**more), "flow", body))


def test_an_item_is_a_prediction_with_its_numbers_as_they_are_written() -> None:
    item = b'{"ticker":"AAPL","call":{"side":"bullish"},"p":[0.1,0.830000000000000000001],"at":1764312668123}'
    body = b'{"data":{"items":[' + item + b"]}}"
    fields = {"symbol": "ticker", "signal": "call.side", "confidence": "p.1", "predicted_time": "at"}
    [found] = read(body, items="data.items", fields=fields, moves={"bullish": "buy"}, predictor="lstm", account="demo")
    assert found.outcome == "wanted"
    assert found.signal == {
        "type": "Prediction", "signal_id": found.signal_id, "account": "demo", "predictor": "lstm", "symbol": "AAPL",
        "move": "BUY", "confidence": "0.830000000000000000001", "predicted_time": "1764312668123",
    }  # fmt: skip
    Prediction.model_validate(found.signal)


def test_an_object_alone_is_one_item_and_nothing_is_none() -> None:
    item = {"symbol": "AAPL", "signal": "BUY", "confidence": 0.9}
    assert [each.outcome for each in read(item)] == ["wanted"]
    assert read([]) == []
    assert read({"predictions": [item, item]}, items="predictions")[0] == read(item)[0]


def test_the_same_prediction_has_the_same_id_and_another_one_another() -> None:
    item = {"symbol": "AAPL", "signal": "BUY", "confidence": 0.9}
    named = {"fields": {"symbol": "symbol", "signal": "signal", "confidence": "confidence", "id": "id"}}
    ids = {
        read(item)[0].signal_id,
        read({**item, "noise": 5})[0].signal_id,
        read({**item, "confidence": 0.91})[0].signal_id,
        read({**item, "id": 7}, **named)[0].signal_id,
        read({**item, "id": 7, "confidence": 0.5}, **named)[0].signal_id,
        read({**item, "confidence": 0.5}, unique_by=["symbol", "signal"])[0].signal_id,
        read(item, unique_by=["symbol", "signal"])[0].signal_id,
        next(iter(readings(source(), "other", json.dumps(item).encode()))).signal_id,
    }
    assert len(ids) == 5
    assert all(each.startswith(("flow-", "other-")) for each in ids)


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ({"symbol": "AAPL"}, "item 0: signal: "),
        ({"symbol": "AAPL", "signal": "HOLD"}, "item 0: signal: "),
        ({"symbol": "AAPL", "signal": "BUY", "confidence": 1.1}, "item 0: confidence: '1.1' must be at most 1"),
        ({"symbol": "AAPL", "signal": "BUY", "confidence": "high"}, "item 0: confidence: "),
        ({"symbol": "AAPL", "signal": "BUY", "price": 1e300}, "item 0: price: "),
        ({"symbol": ["AAPL"], "signal": "BUY"}, "item 0: symbol: must be a value, it is a list"),
        ({"symbol": "", "signal": "BUY"}, "item 0: symbol: "),
        (5, "item 0: "),
        (None, "item 0: "),
        ([], "item 0: "),
    ],
)
def test_what_is_no_prediction_is_refused_by_itself(item: Any, sentence: str) -> None:
    good = {"symbol": "AAPL", "signal": "BUY"}
    fields = {"symbol": "symbol", "signal": "signal", "confidence": "confidence", "price": "price"}
    bad, other = read([item, good], fields=fields)
    assert bad.outcome == "refused"
    assert bad.text.startswith(sentence)
    assert other.outcome == "wanted"


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        ({"min_confidence": 0.9}, None),
        ({"min_confidence": "0.91"}, "confidence: 0.9 is less than min_confidence 0.91"),
        ({"signals": ["sell", "SHORT"]}, "signal: BUY is none of SELL, SHORT"),
        ({"only_symbols": ["MSFT"]}, "symbol: AAPL is none of MSFT"),
        ({"only_symbols": ["APPL"], "symbols": {"AAPL": "APPL"}}, None),
    ],
)
def test_thresholds_leave_predictions_out(terms: Any, sentence: str | None) -> None:
    [found] = read({"symbol": "AAPL", "signal": "BUY", "confidence": 0.9}, **terms)
    assert (found.outcome, found.text) == (("wanted", "") if sentence is None else ("below_threshold", sentence))


def test_a_number_of_a_gigabyte_is_refused_as_it_is_written() -> None:
    [found] = read(b'{"symbol":"AAPL","signal":"BUY","confidence":1e999999999}')
    assert found.outcome == "refused"
    assert len(found.text) < 200


def test_without_a_confidence_a_threshold_is_not_met() -> None:
    assert read({"symbol": "AAPL", "signal": "BUY"}, min_confidence=0)[0].outcome == "below_threshold"


@pytest.mark.parametrize(
    ("body", "terms", "sentence"),
    [
        (b"{", {}, "the answer's 1 bytes are not one JSON document"),
        (b"\xff", {}, "the answer's 1 bytes are not one JSON document"),
        (b"[" * 100_000, {}, "the answer's 100000 bytes are not one JSON document"),
        (b"1e9999999999999999999", {}, "the answer's 21 bytes are not one JSON document"),
        (b"5", {}, "items: the whole answer must be a list or an object, it is 5"),
        (b"{}", {"items": "a.b"}, "items: a.b must be a list or an object, it is None"),
        (b"[1,2,3]", {"max_items": 2}, "items: 3 of them, max_items is 2"),
    ],
)
def test_an_answer_without_predictions_is_a_sentence(body: bytes, terms: Any, sentence: str) -> None:
    with pytest.raises(BadAnswer) as raised:
        read(body, **terms)
    assert str(raised.value) == sentence


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: (
    st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["symbol", "signal", "confidence", "x"]), inner)
), max_leaves=12)  # fmt: skip


@given(JSON)
def test_whatever_is_answered_is_read_or_refused(document: Any) -> None:
    try:
        found = read(document)
    except BadAnswer:
        return
    for each in found:
        if each.signal is not None:
            Prediction.model_validate(each.signal)


@pytest.mark.parametrize(("path", "found"), [("", {"a": [1, {"b": 2}]}), ("a.1.b", 2), ("a.0", 1), ("a.9", None),
                                             ("a.b", None), ("c", None), ("a.0.x", None)])  # fmt: skip
def test_a_path_leads_where_it_says(path: str, found: Any) -> None:
    assert at({"a": [1, {"b": 2}]}, path) == found


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        ({"url": "ftp://x"}, "url: must be http"),
        ({"url": "http://[::1/"}, "url: must be http"),
        ({"url": "http://a:99999/"}, "url: must be http"),
        ({"url": "http://a b/"}, "url: must be http"),
        ({"url": "http://me:secret@x/"}, "url: has a password in it"),
        ({"fields": {"symbol": "s"}}, "fields: say where signal is"),
        ({"fields": {"symbol": "s", "signal": "a..b"}}, "must be a path"),
        ({"fields": {"symbol": "s", "signal": "s", "mood": "m"}}, "mood"),
        ({"unique_by": ["id"]}, "unique_by: id is none of fields"),
        ({"headers": {"X-Key": "1"}, "header_files": {"x-key": "/k"}}, "header_files: x-key is among headers, too"),
        ({"body": {"a": 1}}, "body: is of a POST, this is a GET"),
        ({"headers": {"a b": "1"}}, "headers"),
        ({"interval_ms": 5}, "interval_ms"),
    ],
)
def test_a_source_that_cannot_be_polled_is_refused(terms: Any, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence) as raised:
        source(**terms)
    assert "secret" not in str(raised.value)


def test_secrets_are_not_shown() -> None:
    shown = repr(source(headers={"authorization": "Bearer s3cret"}, params={"key": "s3cret"}))
    assert "s3cret" not in shown
