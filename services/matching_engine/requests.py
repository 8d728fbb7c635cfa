"""What a simulated venue is asked besides commands: to tell what is open, and of markets.

Flows in: the bytes of an inbox entry's `data`. Flows out: a validated request, or `BadEntry`. Never looks at the books.
"""

from __future__ import annotations

from typing import Final

import orjson
from pydantic import ValidationError

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.base import type_of
from fillstream.libs.common.messages.market_report import SubscribeMarket, UnsubscribeMarket
from fillstream.libs.common.messages.mass_status import ReportMassStatus
from fillstream.libs.common.messages.sentences import sentences
from fillstream.libs.common.values.naming import shorten
from fillstream.libs.common.values.versions import Unreadable

Request = ReportMassStatus | SubscribeMarket | UnsubscribeMarket

_MODELS: Final[dict[str, type[Request]]] = {
    type_of(model): model for model in (ReportMassStatus, SubscribeMarket, UnsubscribeMarket)
}


def read(data: bytes, partitions: int) -> Request:
    """Return the request in `data`, from one of so many account partitions.

    Raises:
        BadEntry: bad_json, unknown_type, bad_value or wrong_partition.
    """
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:  # its wording may change with orjson, and a replay must not
        raise BadEntry("bad_json", f"data: must be JSON, {len(data)} bytes are not") from None
    if not isinstance(document, dict):
        raise BadEntry("bad_json", f"data: must be a JSON object, got {shorten(document)}")
    name = document.get("type")
    model = _MODELS.get(name) if isinstance(name, str) else None
    if model is None:
        raise BadEntry("unknown_type", f"type: must be one of {', '.join(_MODELS)}, got {shorten(name)}")
    try:
        request = model.model_validate(document)
    except ValidationError as error:
        raise BadEntry("bad_value", sentences(error)) from None
    except Unreadable as error:
        raise BadEntry("bad_value", f"v: {error}") from None
    if request.partition >= partitions:
        text = f"partition: {request.partition} is no account partition, there are {partitions}"
        raise BadEntry("wrong_partition", text)
    return request
