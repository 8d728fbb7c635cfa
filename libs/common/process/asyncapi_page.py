"""An AsyncAPI document as a page to read: plain HTML, without a script and without anything from elsewhere.

Flows in: a document of AsyncAPI 3.0 as JSON has it. Flows out: one HTML page. Never asks another server for anything:
it can be read where there is none. Never takes for markup what came from a document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any
from urllib.parse import quote, unquote

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "code{font-size:.92em}table{border-collapse:collapse;margin:.5rem 0 1.5rem}"
    "td,th{border-bottom:1px solid #ddd;padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}"
    "h2{margin-top:2.5rem}"
)
SCHEMAS = "#/components/schemas/"
BOUNDS = {
    "minimum": "at least {}", "maximum": "at most {}", "exclusiveMinimum": "above {}", "exclusiveMaximum": "below {}",
    "pattern": "matches {}", "maxLength": "at most {} characters", "maxItems": "at most {}", "minItems": "at least {}",
}  # fmt: skip
"""What bounds of a value are called."""
ACTIONS = {"receive": "reads", "send": "writes"}


def page(document: Mapping[str, Any]) -> str:
    """Return the page of a document."""
    info = document["info"]
    title = escape(info["title"])
    return "\n".join(
        (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>',
            f"<h1>{title} <small>{escape(info['version'])}</small></h1>",
            _text(info.get("description")),
            '<p>As AsyncAPI 3.0: <a href="/docs.json">docs.json</a>, <a href="/docs.yaml">docs.yaml</a>. '
            f"Streams of {', '.join(_server(each) for each in document.get('servers', {}).values())}.</p>",
            *_operations(document),
            "<h2>Messages</h2>",
            *_schemas(document.get("components", {}).get("schemas", {})),
            "</html>",
        )
    )


def _server(server: Mapping[str, Any]) -> str:
    return f"<code>{escape(server['protocol'])}://{escape(server['host'])}</code>"


def _operations(document: Mapping[str, Any]) -> Iterator[str]:
    for action, word in ACTIONS.items():
        rows = []
        for operation in document.get("operations", {}).values():
            if operation["action"] == action:
                channel = _at(document, operation["channel"]["$ref"])
                messages = [_payload(document, each["$ref"]) for each in channel.get("messages", {}).values()]
                rows.append(
                    f"<tr><td><code>{escape(channel['address'])}</code><td>{escape(channel.get('description') or '')}"
                    f"<td>{', '.join(messages)}"
                )
        if rows:
            yield f"<h2>Streams that it {word}</h2><table><tr><th>stream<th>what it has<th>messages"
            yield from rows
            yield "</table>"


def _at(document: Mapping[str, Any], reference: str) -> Any:
    """Return what a JSON pointer within the document names (RFC 6901, in a URI fragment)."""
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[unquote(part).replace("~1", "/").replace("~0", "~")]
    return found


def _payload(document: Mapping[str, Any], reference: str) -> str:
    return kind(_at(document, reference).get("payload", {}))


def _schemas(schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in schemas.items():
        yield f'<h3 id="{quote(name)}"><code>{escape(name)}</code></h3>{_text(schema.get("description"))}'
        properties = schema.get("properties")
        if not properties:
            yield f"<p>{kind(schema)}</p>"
            continue
        yield "<table><tr><th>field<th>type<th><th>what it says"
        required = schema.get("required", ())
        for field, each in properties.items():
            needed = "required" if field in required else ""
            what = escape(each.get("description") or "")
            yield f"<tr><td><code>{escape(field)}</code><td>{kind(each)}<td>{needed}<td>{what}"
        yield "</table>"


def kind(schema: Any) -> str:
    """Return what a JSON schema allows, in a few words of HTML."""
    if not isinstance(schema, Mapping):
        return "anything"
    if "$ref" in schema:
        name = unquote(str(schema["$ref"]).removeprefix(SCHEMAS))
        return f'<a href="#{quote(quote(name))}">{escape(name)}</a>'
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(kind(each) for each in schema[several])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    said = escape(str(schema.get("type", "anything")))
    if schema.get("type") == "array":
        parts = schema.get("prefixItems")
        said = f"list of ({', '.join(map(kind, parts))})" if parts else f"list of {kind(schema.get('items'))}"
    there = ((words, escape(str(schema[key]))) for key, words in BOUNDS.items() if key in schema)
    bounds = [words.format(f"<code>{bound}</code>") for words, bound in there]
    return ", ".join((said, *bounds))


def _text(text: str | None) -> str:
    return "".join(f"<p>{escape(part)}</p>" for part in (text or "").split("\n\n") if part)
