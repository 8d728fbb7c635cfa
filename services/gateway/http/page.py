"""The API to read in a browser: one page out of the OpenAPI document, which loads nothing.

Flows in: the document. Flows out: HTML. Never has a script: what an API's own page sends for a reader is not sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Final

HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "referrer-policy": "no-referrer",
}
STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "code{font-size:.95em}h2{margin-top:2rem}dt{margin-top:1rem}dd{margin:0 0 0 1.5rem}li{margin:.2rem 0}"
)


def page(document: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI document: each call with what it does and its parameters, room by room."""
    info = document["info"]
    rooms: dict[str, list[str]] = {}
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            rooms.setdefault((call.get("tags") or ["others"])[0], []).append(_call(method, path, call))
    body = "".join(f"<h2>{escape(room)}</h2><dl>{''.join(calls)}</dl>" for room, calls in rooms.items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f"<style>{STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f'<p>{escape(info["description"])} For programs: <a href="/openapi.json">/openapi.json</a>.</p>{body}</html>'
    )


def _call(method: str, path: str, call: Mapping[str, Any]) -> str:
    said = escape(call.get("description") or call.get("summary") or "")
    names = [
        f"<li><code>{escape(each['name'])}</code> {escape(each.get('description', ''))}</li>"
        for each in call.get("parameters", [])
    ]
    listed = f"<ul>{''.join(names)}</ul>" if names else ""
    return f"<dt><code><b>{escape(method.upper())}</b> {escape(path)}</code></dt><dd>{said}{listed}</dd>"
