"""Whether answers are as the gateway's own document says: each field that comes is one that is described.

The document leaves room for fields that a later release has; here its schemas are closed, so that none is forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx
import jsonschema_rs
from fastapi import FastAPI

JSON, PROBLEM = "application/json", "application/problem+json"
OURS = "/v1/"


def closed(part: Any) -> Any:
    """Return a schema in which an object has the properties that are named, and no others."""
    if isinstance(part, list):
        return [closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    found = {key: closed(value) for key, value in part.items()}
    if isinstance(found.get("properties"), dict) and found.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


class Conforming:
    """Compares answers with a document.

    Args:
        document: of the gateway.

    Attributes:
        seen: routes that answered as they should: method, path as the document has it, status.
        headers: that they answered with, of those that the document has; name and status.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._paths = {
            path: re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in sorted(document["paths"], key=_rank)
        }
        self._document = document
        self._open = {"components": {"schemas": document["components"]["schemas"]}}
        self._closed = closed(self._open)
        self._validators: dict[tuple[str, str, str, str], Any] = {}
        self.seen: set[tuple[str, str, int]] = set()
        self.headers: set[tuple[str, int]] = set()

    def template(self, path: str) -> str | None:
        """Return a path as the document has it, None of one that it has not."""
        return next((each for each, form in self._paths.items() if form.fullmatch(path)), None)

    def check(self, response: httpx.Response) -> None:
        """Compare an answer of a route below `/v1`.

        Raises:
            AssertionError: it is not as the document says.
        """
        method, path, status = response.request.method, response.request.url.path, response.status_code
        template = self.template(path)
        if not path.startswith(OURS) or template is None or status in (304, 405):
            return
        call = self._document["paths"][template].get(method.lower())
        media = response.headers.get("content-type", "").partition(";")[0]
        if call is None or media == "text/event-stream":
            return
        said = call["responses"].get(str(status))
        assert said is not None, f"{method} {template}: {status} is not documented: {response.text[:200]}"
        own = {name.lower() for name in self._document["components"]["headers"]}
        told = {name.lower() for name in said.get("headers", {})}
        unsaid = {name for name in response.headers if name in own or name.startswith("x-ratelimit")} - told
        assert not unsaid, f"{method} {template}: {status} has {unsaid}, which the document does not say of it"
        self.headers |= {(name, status) for name in response.headers if name in told}
        if "content" not in said:
            assert not response.content, f"{method} {template}: {status} has a body that is not documented"
            self.seen.add((method, template, status))
            return
        assert media in said["content"], f"{method} {template}: {status} is {media}, not {[*said['content']]}"
        problem = next(self._validator(method, template, str(status), media).iter_errors(response.json()), None)
        assert problem is None, f"{method} {template} {status}: {problem}"
        self.seen.add((method, template, status))

    def _validator(self, method: str, template: str, status: str, media: str) -> Any:
        key = method, template, status, media
        if key not in self._validators:
            content = self._document["paths"][template][method.lower()]["responses"][status]["content"][media]
            schema = content["schema"]
            whole = {**schema, **self._open} if media == PROBLEM else {**closed(schema), **self._closed}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole)
        return self._validators[key]


def _rank(path: str) -> tuple[int, str]:
    """Return what paths are sorted by: those without a parameter go first."""
    return path.count("{"), path


_made: list[Conforming] = []


def conforming(app: FastAPI) -> Conforming:
    """Return what compares answers with the gateway's document: each app's is the same, and takes a second to make."""
    if not _made:
        _made.append(Conforming(app.openapi()))
    return _made[0]
