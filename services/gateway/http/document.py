"""The OpenAPI document of the gateway: what the routes say, made whole.

Flows in: what FastAPI found in the routes, answers by route, the glossary. Flows out: one document of OpenAPI 3.1.
Never has a part in serving: routes return their bytes whatever it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from fastapi import FastAPI

from fillstream.libs.common.messages.glossary import unit_of
from fillstream.services.gateway.http.browsers import COOKIE
from fillstream.services.gateway.http.describing import DECIMAL, DEFS, JSON, REF, WRITTEN, Schema, schema_of
from fillstream.services.gateway.http.headers import HEADERS, described
from fillstream.services.gateway.http.page import page
from fillstream.services.gateway.http.problems import Problem
from fillstream.services.gateway.http.words import example_of, meaning_of

OURS: Final = "/v1/"
NUMBERS: Final = frozenset(("integer", "number"))
WRITTEN_AS: Final = frozenset((DECIMAL, WRITTEN))
Answers = Mapping[str, Mapping[int, Schema]]
"""The schemas of what a route answers where all is well, by `METHOD /path` below `/v1` and by status."""
STATUS: Final = {
    200: "Done, as the desk says it.",
    201: "Done: it is in the desk.",
    202: "Sent; not answered yet.",
    204: "Done.",
}
NOTHING: Final[Schema] = {"type": "null"}
"""The schema of an answer without a body."""
MEDIA: Final = {"GET /stream": "text/event-stream"}
KEYS: Final[Schema] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "ID.SECRET",
        "description": "a key of `fillstream key create`",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "of a person who has logged in; what changes something needs X-CSRF-Token as well",
    },
}


@dataclass(frozen=True, slots=True)
class Pages:
    """The document as it is served.

    Attributes:
        document: for programs: JSON.
        page: for people: HTML.
    """

    document: bytes
    page: str


class Described(FastAPI):
    """An app whose document is whole.

    Args:
        answers: of its routes below `/v1`, made when the document is asked for first.
        more: of FastAPI.
    """

    def __init__(self, answers: Callable[[], Answers], **more: Any) -> None:
        super().__init__(**more)
        self._answers = answers
        self._pages: Pages | None = None

    def openapi(self) -> dict[str, Any]:
        """Return the document; the same one each time."""
        if self.openapi_schema is None:
            self.openapi_schema = whole(_own(super().openapi()), _own(self._answers()))
        return self.openapi_schema

    def pages(self) -> Pages:
        """Return the document as it is served: anybody may ask for it, so it is made once."""
        if self._pages is None:
            document = self.openapi()
            self._pages = Pages(orjson.dumps(document), page(document))
        return self._pages


def _own(part: Any) -> Any:
    """Return a copy in which nothing stands in two places: what is said of one is not said of the other."""
    return orjson.loads(orjson.dumps(part, option=orjson.OPT_NON_STR_KEYS))


def whole(document: dict[str, Any], answers: Mapping[str, Mapping[str, Schema]]) -> dict[str, Any]:
    """Return a document with every answer's schema, every name's meaning, unit and example, and every part's own place.

    Args:
        document: as FastAPI makes it; it is changed.
        answers: by route.
    """
    for path, method, call in calls_of(document):
        route = f"{method.upper()} /{path.removeprefix(OURS)}"
        _answer(call, answers[route], MEDIA.get(route, JSON))
        if method == "get" and route not in MEDIA:
            call["responses"]["304"] = {"description": "It is as its ETag says that it was."}
        sends = "202" in call["responses"]
        for status, told in call["responses"].items():
            # A response that several routes share is one object.
            call["responses"][status] = {**told, "headers": described(method, status, sends=sends)}
        for each in call.get("parameters", ()):
            _complete(each["schema"], each["name"], each)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for model in (Problem,):
        problem = schema_of(model, "serialization")
        schemas[model.__name__] = problem
    _hoist(document["paths"], schemas)
    for schema in [each for _, _, call in calls_of(document) for each in _schemas_of(call)] + [*schemas.values()]:
        _walk(schema, schemas)
    document["components"]["securitySchemes"] = KEYS
    document["components"]["headers"] = {name: dict(told) for name, told in HEADERS.items()}
    document["security"] = [{name: []} for name in KEYS]
    return document


def bodies(calls: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a document of what some calls are told alone: a form needs no more, and it is made in no time.

    Args:
        calls: by `METHOD /path`, what each route says of itself (`openapi_extra`).
    """
    document: dict[str, Any] = {"paths": {}, "components": {"schemas": {}}}
    for route, said in calls.items():
        method, path = route.split(" ")
        document["paths"].setdefault(path, {})[method.lower()] = {**_own(said), "responses": {}}
    schemas = document["components"]["schemas"]
    _hoist(document["paths"], schemas)
    for methods in document["paths"].values():
        for call in methods.values():
            for schema in _schemas_of(call):
                _walk(schema, schemas)
    return document


def calls_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and operation of each route below `/v1`."""
    for path, methods in document["paths"].items():
        if path.startswith(OURS):
            for method, call in methods.items():
                yield path, method, call


def _answer(call: dict[str, Any], schemas: Mapping[str, Schema], media: str) -> None:
    refusals = {status: it for status, it in call["responses"].items() if not status.startswith("2")}
    own: dict[str, Any] = {}
    for status, schema in schemas.items():
        content = {} if schema == NOTHING else {"content": {media: {"schema": schema}}}
        own[status] = {"description": STATUS[int(status)], **content}
    call["responses"] = {**own, **refusals}


def _schemas_of(call: Mapping[str, Any]) -> Iterator[Schema]:
    """Yield the schemas of an operation's body and of its answers."""
    for part in (call.get("requestBody"), *call["responses"].values()):
        for media in (part or {}).get("content", {}).values():
            yield media["schema"]


def _hoist(part: Any, schemas: dict[str, Schema]) -> None:
    """Move what stands in `$defs` anywhere below to the components.

    Raises:
        AssertionError: two schemas of one name differ.
    """
    for each in part if isinstance(part, list) else part.values() if isinstance(part, dict) else ():
        _hoist(each, schemas)
    if isinstance(part, dict):
        for name, schema in part.pop(DEFS, {}).items():
            assert schemas.setdefault(name, schema) == schema, f"{name}: two schemas have this name"


# ---------------------------------------------------------------------------------------------- names' own meaning


def _walk(schema: Schema, schemas: Mapping[str, Schema]) -> None:
    """Have every property below say what it is, in which unit, and an example."""
    for name, each in schema.get("properties", {}).items():
        _complete(each, name, each, schemas)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            _walk(schema[key], schemas)
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for each in schema.get(key, ()):
            _walk(each, schemas)
    for each in schema.get("properties", {}).values():
        _walk(each, schemas)


def _complete(schema: Schema, name: str, said: dict[str, Any], schemas: Mapping[str, Schema] | None = None) -> None:
    """Say of a property or a parameter what is missing: its meaning, its unit, an example."""
    meaning = None if said.get("description") else meaning_of(name)
    if meaning is not None:
        said["description"] = meaning
    plain = [each for each in _plain(schema, schemas or {}) if each.get("type") != "null"]
    if not plain or any("properties" in each for each in plain):
        return  # its parts say it
    if "unit" not in schema and any(_is_number(each) for each in plain):
        unit = unit_of(name)
        if unit is not None:
            schema["unit"] = unit
    if not any("enum" in each or "const" in each for each in plain) and "examples" not in schema:
        example = example_of(name, schema.get("unit"), plain[0])
        if example is not None:
            schema["examples"] = [example]


def _plain(schema: Schema, schemas: Mapping[str, Schema]) -> list[Schema]:
    """Return the alternatives of a schema, each as it is where its name points."""
    if "$ref" in schema:
        return _plain(schemas[schema["$ref"].removeprefix(REF)], schemas)
    if schema.get("type") == "array" and "$ref" in schema.get("items", {}):
        return _plain(schema["items"], schemas)
    options = schema.get("anyOf") or schema.get("oneOf")
    return [plain for each in options for plain in _plain(each, schemas)] if options else [schema]


def _is_number(schema: Schema) -> bool:
    """Whether a schema is of a number, or of a text that may be one."""
    return schema.get("type") in NUMBERS or (
        schema.get("type") == "string" and schema.get("pattern", DECIMAL) in WRITTEN_AS
    )
