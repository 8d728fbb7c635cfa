"""Refusals as RFC 9457 has them: a problem document with our reason, the field, the value and the limit.

Flows in: what went wrong. Flows out: `application/problem+json`. Never says more than a sentence of what happened
inside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from pydantic import BaseModel, Field
from starlette.responses import Response

from fillstream.libs.common.messages.sentences import FIELD

TYPE: Final = "application/problem+json"
DOCS: Final = "https://fillstream.dev/problems#"
"""What a problem's `type` begins with; the rest is its reason. A name, not an address: nothing is asked of it."""


class Problem(BaseModel):
    """Why something was refused (RFC 9457).

    Example: `{"type": "…#off_tick", "title": "Unprocessable Entity", "status": 422, "reason": "off_tick", "field":
    "price", "detail": "price: 190.255 is not a multiple of AAPL's tick size 0.01"}`.
    """

    type: str = Field(description="names the reason", examples=[f"{DOCS}off_tick"])
    title: str = Field(description="of the status", examples=["Unprocessable Content"])
    status: int = Field(description="the HTTP status again", examples=[422])
    reason: str = Field(description="a stable code in snake case", examples=["off_tick"])
    detail: str = Field(
        description="a sentence that names the field, the value and the limit",
        examples=["price: 190.255 is not a multiple of AAPL's tick size 0.01"],
    )
    field: str | None = Field(default=None, description="the field that it is about", examples=["price"])
    errors: list[str] | None = Field(default=None, description="a sentence each, where several things are wrong")


class Refusal(Exception):
    """A request that is refused.

    Args:
        status: of HTTP.
        reason: a stable code in snake case.
        detail: a sentence that begins with the field it is about, where it is about one.
        headers: that go with it.
        more: other members of the problem.
    """

    def __init__(
        self, status: int, reason: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.headers = headers
        self.more = more

    def document(self) -> dict[str, Any]:
        """Return the problem."""
        about = FIELD.match(self.detail)
        found: dict[str, Any] = {
            "type": f"{DOCS}{self.reason}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "reason": self.reason,
            "detail": self.detail,
        }
        if about is not None:
            found["field"] = about[1]
        return {**found, **{name: value for name, value in self.more.items() if value is not None}}

    def response(self) -> Response:
        """Return it as an answer."""
        return Response(as_json(self.document()), self.status, dict(self.headers or {}), TYPE)


def as_json(document: dict[str, Any]) -> bytes:
    """Return a document as JSON; text that is none, lone surrogates in it, as escapes: a refusal is always told."""
    try:
        return orjson.dumps(document)
    except TypeError:
        return json.dumps(document, default=str).encode()
