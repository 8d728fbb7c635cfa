"""What every process answers over HTTP besides its own pages: who it is, its AsyncAPI document, and what is not there.

Flows in: requests. Flows out: answers of this process alone, no page asks another server for anything; a sentence, as
`{"error": ...}`, for a path or a method that there is not. Never reads a body that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from typing import Any

import orjson
from faststream.asgi import AsgiFastStream, AsgiResponse, get
from faststream.specification import AsyncAPI

from fillstream.libs.common.process.asyncapi_page import page
from fillstream.libs.common.values.naming import shorten

READING = ("GET", "HEAD")
"""Methods of a path that does not say its own."""
METRICS = "What it measures, as Prometheus reads it."
"""About the one path that another library serves, and says nothing of."""
SELF_CONTAINED = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
"""Headers of a page: a browser loads nothing for it, whatever is in it."""
Routes = Sequence[tuple[str, Any]]


class ServiceApp(AsgiFastStream):
    """A process's HTTP side.

    Args:
        broker: says whether Redis answers; FastStream starts and stops it.
        about: the process's AsyncAPI specification, which has its name and what it is for.
        routes: its own paths, with what serves them.
        more: passed on to FastStream.
    """

    def __init__(self, broker: Any, *, about: AsyncAPI, routes: Routes, **more: Any) -> None:
        every = [*routes, *documents(about)]
        every.insert(0, ("/", front(about, every)))
        super().__init__(broker, specification=about, asgi_routes=every, **more)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            refusal = self._refusal(scope["path"], scope["method"])
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    def _refusal(self, path: str, method: str) -> AsgiResponse | None:
        """Return the answer to a path or a method that there is not, None for one that there is."""
        served = next((each for at, each in self.routes if at == path), None)
        if served is None:
            there = ", ".join(at for at, _ in self.routes)
            return as_json({"error": f"path: {shorten(path)} is none of this process's; there are {there}"}, 404)
        methods = methods_of(served)
        if method not in methods:
            told = f"method: {shorten(method)} is not answered at {path}; there is {', '.join(methods)}"
            return as_json({"error": told}, 405, {"allow": ", ".join(methods)})
        return None


def methods_of(served: Any) -> Sequence[str]:
    """Return the methods that a path answers."""
    return getattr(served, "methods", None) or READING


def as_json(body: Any, status: int, headers: Mapping[str, str] | None = None) -> AsgiResponse:
    """Return an answer in JSON."""
    return AsgiResponse(orjson.dumps(body), status, {"content-type": "application/json", **(headers or {})})


def front(about: AsyncAPI, routes: Routes) -> Any:
    """Return what serves `/`: the process's name and its addresses, as HTML where that is asked for, else as JSON."""
    addresses = {path: getattr(served, "description", None) or METRICS for path, served in routes}

    @get(include_in_schema=False, description="Say which process this is, and what it answers.")
    async def serve(scope: Any) -> AsgiResponse:
        info = about.to_specification().to_jsonable()["info"]
        told = {"name": info["title"], "version": info["version"], "text": info.get("description") or ""}
        accepted = dict(scope["headers"]).get(b"accept", b"")
        if b"text/html" not in accepted:
            return as_json({**told, "addresses": addresses}, 200)
        rows = "".join(
            f'<tr><td><a href="{escape(path)}">{escape(path)}</a><td>{escape(text)}' for path, text in addresses.items()
        )
        html = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(told["name"])}</title>'
            f"<h1>{escape(told['name'])} {escape(told['version'])}</h1><p>{escape(told['text'])}</p>"
            f"<table>{rows}</table>"
        )
        return _html(html)

    return serve


def documents(about: AsyncAPI) -> list[tuple[str, Any]]:
    """Return the paths of the AsyncAPI document: to read, as JSON and as YAML. Each is made when first asked for."""

    @cache
    def made(form: str) -> bytes:
        specification = about.to_specification()
        if form == "json":
            return specification.to_json().encode()
        if form == "yaml":
            return specification.to_yaml().encode()
        return page(orjson.loads(specification.to_json())).encode()

    @get(include_in_schema=False, description="The streams that it reads and writes, to read.")
    async def html(scope: Any) -> AsgiResponse:
        return _html(made("html").decode())

    @get(include_in_schema=False, description="The same as AsyncAPI 3.0, in JSON.")
    async def json(scope: Any) -> AsgiResponse:
        return AsgiResponse(made("json"), 200, {"content-type": "application/json"})

    @get(include_in_schema=False, description="The same as AsyncAPI 3.0, in YAML.")
    async def yaml(scope: Any) -> AsgiResponse:
        return AsgiResponse(made("yaml"), 200, {"content-type": "application/yaml"})

    return [("/docs", html), ("/docs.json", json), ("/docs.yaml", yaml)]


def _html(text: str) -> AsgiResponse:
    return AsgiResponse(text.encode(), 200, {"content-type": "text/html; charset=utf-8", **SELF_CONTAINED})
