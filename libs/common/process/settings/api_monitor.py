"""Outside prediction APIs, as the section `api_monitor` has them.

Flows in: an item of `api_monitor.sources`. Flows out: a frozen model. Never shows a secret's value, and never polls.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from fillstream.libs.common.messages.base import Name, exact_number, upper
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT, PredictedMove
from fillstream.libs.common.messages.reference import MAX_MS, Whole

FIELDS: Final = (
    "symbol", "signal", "id", "confidence", "price", "probability_up", "probability_down", "horizon_ms",
    "predictor", "predictor_version", "predicted_time", "strategy",
)  # fmt: skip
"""What may be found in an item of an answer: document 002's names, and those of the contract."""
_PATH = re.compile(r"^[^.\s]+(\.[^.\s]+)*$")
_HEADER = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$"

Header = Annotated[str, StringConstraints(pattern=_HEADER)]
Delay = Annotated[Whole, Field(ge=0, le=MAX_MS)]
Moves = Annotated[PredictedMove, BeforeValidator(upper)]
Share = Annotated[Decimal, Field(ge=0, le=1, allow_inf_nan=False), BeforeValidator(exact_number)]


def is_path(text: Any) -> Any:
    """Return a path into JSON: names and numbers with dots between them; empty for the whole."""
    if not isinstance(text, str) or (text and not _PATH.match(text)):
        raise ValueError("must be a path: names and numbers with dots between them, as data.items.0.ticker")
    return text


JsonPath = Annotated[str, BeforeValidator(is_path)]


class ApiSource(BaseModel):
    """One prediction API.

    Attributes:
        url: http:// or https://; it is asked exactly as it stands, with `params` behind it.
        method, params, headers, body: of the request; values of headers and params are secrets: they are never shown.
        header_files: files that have the value of a header each, read anew for every request.
        interval_ms: from the beginning of one request to that of the next.
        timeout_ms: for all of a request, however slowly its answer comes.
        retries, backoff_ms: how often one that failed is sent again, and after how long, doubled each time.
        max_bytes: of an answer.
        max_items: of an answer that are looked at.
        items: where in an answer the predictions are: a list of them, or one.
        fields: where in an item each field is.
        moves: what the API's words for `signal` are here: {bullish: BUY}; what is not there stands for itself.
        symbols: likewise for `symbol`.
        signals: of which predictions are published; by default of all.
        only_symbols: of which instruments; by default of all.
        min_confidence: a prediction of less, or of none, is not published.
        unique_by: the fields that make a prediction the same as one before; by default `id` where there is one, else
            all of them.
        unique_ms: for how long it is the same.
        account, strategy, predictor: of its predictions, where an item does not say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    url: str
    method: Literal["GET", "POST"] = "GET"
    params: dict[str, SecretStr] = Field(default_factory=dict)
    headers: dict[Header, SecretStr] = Field(default_factory=dict)
    header_files: dict[Header, Path] = Field(default_factory=dict)
    body: dict[str, Any] | None = None
    interval_ms: Annotated[Whole, Field(ge=100, le=MAX_MS)] = 60_000
    timeout_ms: Annotated[Whole, Field(ge=10, le=600_000)] = 10_000
    retries: Annotated[Whole, Field(ge=0, le=10)] = 3
    backoff_ms: Annotated[Whole, Field(ge=1, le=600_000)] = 500
    max_bytes: Annotated[Whole, Field(ge=2, le=64 * 1024 * 1024)] = 1024 * 1024
    max_items: Annotated[Whole, Field(ge=1, le=100_000)] = 1_000
    items: JsonPath = ""
    fields: dict[Literal[FIELDS], JsonPath] = Field(  # type: ignore[valid-type]
        default_factory=lambda: {"symbol": "symbol", "signal": "signal", "confidence": "confidence"}
    )
    moves: dict[str, Moves] = Field(default_factory=dict)
    symbols: dict[str, Name] = Field(default_factory=dict)
    signals: tuple[Moves, ...] | None = None
    only_symbols: tuple[Name, ...] | None = None
    min_confidence: Share | None = None
    unique_by: tuple[Literal[FIELDS], ...] | None = None  # type: ignore[valid-type]
    unique_ms: Delay = 86_400_000
    account: Name = DEFAULT_ACCOUNT
    strategy: Name | None = None
    predictor: Name | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or any(each.isspace() for each in self.url):
            raise ValueError("url: must be http://host/path or https://host:port/path")
        if parts.username or parts.password:
            raise ValueError("url: has a password in it, which would be shown; put it into headers")
        for name in ("symbol", "signal"):
            if name not in self.fields:
                raise ValueError(f"fields: say where {name} is")
        twice = {name.lower() for name in self.headers} & {name.lower() for name in self.header_files}
        if twice:
            raise ValueError(f"header_files: {', '.join(sorted(twice))} is among headers, too")
        for name in self.unique_by or ():
            if name not in self.fields:
                raise ValueError(f"unique_by: {name} is none of fields, {', '.join(self.fields)}")
        if self.body is not None and self.method == "GET":
            raise ValueError("body: is of a POST, this is a GET")
        return self

    @property
    def identity(self) -> tuple[str, ...]:
        """The fields that make a prediction the same as one before."""
        if self.unique_by is not None:
            return self.unique_by
        return ("id",) if "id" in self.fields else tuple(self.fields)


class ApiMonitor(BaseModel):
    """Outside prediction APIs that are polled, by a name of yours; without one the API monitor does not run."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    sources: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")], ApiSource] = Field(
        default_factory=dict
    )
