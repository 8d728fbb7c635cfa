"""An answer of a prediction API, read: which predictions are in it, and which of them are to be published.

Flows in: the bytes of an answer, and what the configuration says of its source. Flows out: predictions as a signal has
them, with an id that is the same whenever the API says the same. Pure: never asks for anything, never keeps anything,
and never shows a value that was not asked for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from pydantic import ValidationError

from fillstream.libs.common.messages.sentences import sentence
from fillstream.libs.common.messages.signals import Prediction
from fillstream.libs.common.process.settings.api_monitor import ApiSource
from fillstream.libs.common.values.naming import shorten

MAX_EXPONENT = 40
"""Of a number that is written out: 1e999999999 would be a gigabyte of zeros."""
RENAMED = {"signal": "move"}
"""Document 002's name for it, and the contract's."""


class BadAnswer(Exception):
    """An answer that no predictions can be read from; a sentence."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an item of an answer is.

    Attributes:
        outcome: whether it is a prediction to publish, one that is not wanted, or none.
        signal_id: of the prediction, which the desk knows again.
        signal: its fields as `signals` has them.
        text: why it is not to be published.
    """

    outcome: Literal["wanted", "below_threshold", "refused"]
    signal_id: str = ""
    signal: Mapping[str, str] | None = None
    text: str = ""


def readings(source: ApiSource, name: str, body: bytes) -> Iterator[Reading]:
    """Yield what each item of an answer is.

    Args:
        source: whose answer.
        name: the source's, a part of the ids.
        body: of the answer.

    Raises:
        BadAnswer: it is no JSON, or has no items where they should be, or too many.
    """
    found = at(_json(body), source.items)
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        where = source.items or "the whole answer"
        raise BadAnswer(f"items: {where} must be a list or an object, it is {shorten(found)}")
    if len(found) > source.max_items:
        raise BadAnswer(f"items: {len(found)} of them, max_items is {source.max_items}")
    for number, item in enumerate(found):
        yield _reading(source, name, item, number)


def at(document: Any, path: str) -> Any:
    """Return what stands at a path, None where there is nothing."""
    for part in path.split(".") if path else ():
        if isinstance(document, dict):
            document = document.get(part)
        elif isinstance(document, list) and part.isascii() and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document


def _reading(source: ApiSource, name: str, item: Any, number: int) -> Reading:
    said = {field: value for field, path in source.fields.items() if (value := at(item, path)) is not None}
    wrong = next((field for field, value in said.items() if isinstance(value, dict | list)), None)
    if wrong is not None:
        return Reading("refused", text=f"item {number}: {wrong}: must be a value, it is {shorten(said[wrong])}")
    texts = {field: _text(value) for field, value in said.items()}
    identity = "\x1f".join((name, *(f"{field}={texts.get(field, '')}" for field in source.identity)))
    signal_id = f"{name}-{hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()}"
    if "signal" in texts:
        texts["signal"] = str(source.moves.get(texts["signal"], texts["signal"]))
    if "symbol" in texts:
        texts["symbol"] = source.symbols.get(texts["symbol"], texts["symbol"])
    texts.pop("id", None)
    signal = {"type": "Prediction", "signal_id": signal_id, "account": source.account}
    named = (("strategy", source.strategy), ("predictor", source.predictor))
    signal |= {key: value for key, value in named if value is not None}
    signal |= {RENAMED.get(field, field): text for field, text in texts.items()}
    try:
        prediction = Prediction.model_validate(signal)
    except ValidationError as error:
        told = "; ".join(_said(sentence(each)) for each in error.errors(include_url=False))
        return Reading("refused", text=f"item {number}: {told}")
    why = _unwanted(source, prediction)
    if why is not None:
        return Reading("below_threshold", signal_id, text=why)
    return Reading("wanted", signal_id, signal)


def _unwanted(source: ApiSource, prediction: Prediction) -> str | None:
    if source.signals is not None and prediction.move not in source.signals:
        return f"signal: {prediction.move} is none of {', '.join(source.signals)}"
    if source.only_symbols is not None and prediction.symbol not in source.only_symbols:
        return f"symbol: {prediction.symbol} is none of {', '.join(source.only_symbols)}"
    least = source.min_confidence
    if least is not None and (prediction.confidence is None or prediction.confidence < least):
        return f"confidence: {prediction.confidence} is less than min_confidence {least}"
    return None


def _said(told: str) -> str:
    """Return a sentence about a field by the name that the configuration has for it."""
    return next(
        (f"{ours}{told.removeprefix(name)}" for ours, name in RENAMED.items() if told.startswith(f"{name}:")), told
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    is_plain = isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < MAX_EXPONENT
    return format(value, "f") if is_plain else str(value)


def _json(body: bytes) -> Any:
    """Return a document whose numbers are as they are written.

    Raises:
        BadAnswer: it is none.
    """
    try:
        return json.loads(body, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal)
    except (ValueError, ArithmeticError, RecursionError):  # its text may hold what the answer says; the size does not
        raise BadAnswer(f"the answer's {len(body)} bytes are not one JSON document") from None
