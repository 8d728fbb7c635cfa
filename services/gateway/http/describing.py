"""What the OpenAPI page says of bodies and answers: schemas of the contracts, whose fields say what they are.

Flows in: contracts. Flows out: parts of an OpenAPI document. Never validates anything: bodies are read by `exact`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from fillstream.services.gateway.http.problems import TYPE, Problem

REFUSALS: Final[Mapping[int | str, dict[str, Any]]] = {
    status: {"model": Problem, "description": text, "content": {TYPE: {}}}
    for status, text in (
        (400, "The body or a parameter is none that can be read."),
        (401, "No key, or none that is known."),
        (403, "The key may not do this, or not for this account."),
        (404, "There is no such thing."),
        (409, "The id came before with another content."),
        (422, "The desk refuses it: reason, field, value and limit."),
        (429, "Too many calls in this minute."),
        (503, "Nobody can say yet: ask, or send it again under the same id."),
    )
}
"""What every route may answer besides."""


def takes(model: type[BaseModel], example: Mapping[str, Any], *, needed: bool = True) -> dict[str, Any]:
    """Return what a route's `openapi_extra` says of its body."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}", mode="validation")
    schema.pop("$defs", None)
    content = {"application/json": {"schema": schema, "example": dict(example)}}
    return {"requestBody": {"required": needed, "content": content}}
