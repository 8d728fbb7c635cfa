"""What the OpenAPI document says of bodies and answers: schemas of the contracts, whose fields say what they are.

Flows in: contracts. Flows out: parts of an OpenAPI document. Never validates anything: bodies are read by `exact`, and
answers go as they are.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from fillstream.services.gateway.http.problems import TYPE, Problem
from fillstream.services.gateway.state.rows import HEAD

Schema = dict[str, Any]
"""A JSON schema; models that it names stand in its `$defs` until the whole document has them (`document`)."""
REF: Final = "#/components/schemas/"
DEFS: Final = "$defs"
JSON: Final = "application/json"
DECIMAL: Final = r"^-?[0-9]+(\.[0-9]+)?$"
"""How answers say a decimal."""
WRITTEN: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
"""How bodies may say one as text."""
INTERNAL: Final = ("fixed", "section", "rare", "title")
"""What a contract says to other readers than those of an API; a title is the name again."""


class Exact(GenerateJsonSchema):
    """Says of a decimal how it is written, which pydantic leaves open."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """Return the schema of a decimal: digits as text; of a body a number as well, with its bounds."""
        if self.mode == "serialization":
            return {"type": "string", "pattern": DECIMAL}
        number, text = super().decimal_schema(schema)["anyOf"]
        return {"anyOf": [number, {**text, "pattern": WRITTEN}]}


def schema_of(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> Schema:
    """Return a model's schema, and in `$defs` the ones that it names."""
    schema = model.model_json_schema(ref_template=f"{REF}{{model}}", mode=mode, schema_generator=Exact)
    return _bare(schema)


ATTRIBUTE: Final = re.compile(r"^ {4}(\w+(?:, \w+)*): (.+(?:\n {8}.+)*)", re.MULTILINE)
"""Of a docstring: names of attributes, and what they are."""


def schema_of_dataclass(kind: type[Any], *parts: type[Any]) -> Schema:
    """Return a dataclass's schema; what its docstring says of its attributes is what they mean.

    Args:
        kind: the dataclass.
        parts: dataclasses of its fields.
    """
    schema = TypeAdapter(kind).json_schema(ref_template=f"{REF}{{model}}", mode="serialization")
    schema = _bare(schema)
    for each, its in [(kind, schema), *((part, schema[DEFS][part.__name__]) for part in parts)]:
        text, _, said = inspect.cleandoc(each.__doc__ or "").partition("Attributes:")
        its["description"] = text.strip()
        its["required"] = [*its["properties"]]
        for names, meaning in ATTRIBUTE.findall(said):
            for name in names.split(", "):
                its["properties"][name]["description"] = " ".join(meaning.split())
    return schema


def _bare(schema: Schema, *, is_table: bool = False) -> Schema:
    """Return a schema without what is for other readers; of a table of properties the keys are no keywords."""
    return {
        key: _bared(value, is_table=not is_table and key in ("properties", DEFS))
        for key, value in schema.items()
        if is_table or key not in INTERNAL
    }


def _bared(part: Any, *, is_table: bool) -> Any:
    if isinstance(part, list):
        return [_bared(each, is_table=False) for each in part]
    return _bare(part, is_table=is_table) if isinstance(part, dict) else part


def named(name: str, schema: Schema) -> Schema:
    """Return a reference to a schema, which the document then has among its components."""
    own = {key: value for key, value in schema.items() if key != DEFS}
    return {"$ref": f"{REF}{name}", DEFS: {**schema.get(DEFS, {}), name: own}}


def thing(text: str, needed: Iterable[str] = (), /, **properties: Schema) -> Schema:
    """Return the schema of an object.

    Args:
        text: what it is.
        needed: properties that are always there; the others may be missing.
        properties: by name.
    """
    return {"type": "object", "description": text, "properties": properties, "required": [*needed]}


def list_of(schema: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": schema}


def either(*schemas: Schema) -> Schema:
    """Return a schema that takes what one of them takes; one that says the same twice says it once."""
    options: list[Schema] = []
    said: Schema = {}
    for schema in schemas:
        for name in ("description", "unit"):
            if name in schema:
                said.setdefault(name, schema[name])
        bare = {key: value for key, value in schema.items() if key not in ("description", "unit", "default")}
        for each in bare.get("anyOf", [bare]):
            if each not in options:
                options.append(each)
    return {**(options[0] if len(options) == 1 else {"anyOf": options}), **said}


def or_null(schema: Schema) -> Schema:
    """Return a schema that takes null as well."""
    return either(schema, {"type": "null"})


def row(text: str, /, *models: type[BaseModel], keep: Collection[str] | None = None, **more: Schema) -> Schema:
    """Return what a row says that is made of some messages: each of their fields, and when it was told.

    Args:
        text: what it is.
        models: of the messages; what one says that another does not may be missing.
        keep: names of fields that it has of them; None for all.
        more: what it says besides.
    """
    found: dict[str, list[Schema]] = {}
    defs: dict[str, Schema] = {}
    needed: list[set[str]] = []
    for model in models:
        schema = schema_of(model, "serialization")
        defs |= schema.get(DEFS, {})
        needed.append(set(schema.get("required", ())))
        for name, each in schema["properties"].items():
            if name not in HEAD and (keep is None or name in keep):
                found.setdefault(name, []).append({key: it for key, it in each.items() if key != "default"})
    properties = {name: either(*each) for name, each in found.items()}
    if keep is None:
        properties["updated_time"] = {"type": "integer"}
    always = [name for name in properties if all(name in each for each in needed)]
    return {**thing(text, always, **{**properties, **more}), DEFS: defs}


# -------------------------------------------------------------------------------------------------------------- bodies


def takes(
    model: type[BaseModel],
    example: Mapping[str, Any],
    *,
    needed: bool = True,
    given: Collection[str] = (),
    optional: Collection[str] = (),
) -> dict[str, Any]:
    """Return what a route's `openapi_extra` says of its body.

    Args:
        model: of the signal or the control that becomes of it.
        example: of a body.
        needed: whether there must be one.
        given: fields that the route says itself.
        optional: fields that the route says where the body does not.
    """
    return body(schema_taken(model, given, optional), example, needed=needed)


def takes_one_of(
    models: Iterable[type[BaseModel]],
    example: Mapping[str, Any],
    *,
    given: Collection[str] = (),
    optional: Collection[str] = (),
) -> dict[str, Any]:
    """Return what a route's `openapi_extra` says of a body that is one of several by its `type`; see `takes`."""
    each = [schema_taken(model, given, optional) for model in models]
    for schema in each:
        schema["required"] = sorted({*schema.get("required", ()), "type"})
    defs = {name: it for schema in each for name, it in schema.pop(DEFS, {}).items()}
    return body({"oneOf": each, DEFS: defs}, example)


def body(schema: Schema, example: Mapping[str, Any], *, needed: bool = True) -> dict[str, Any]:
    """Return what a route's `openapi_extra` says of a body of this schema."""
    return {"requestBody": {"required": needed, "content": {JSON: {"schema": schema, "example": dict(example)}}}}


def schema_taken(model: type[BaseModel], given: Collection[str] = (), optional: Collection[str] = ()) -> Schema:
    """Return the schema of what a route takes of a model; see `takes`."""
    schema = schema_of(model, "validation")
    given = (*given, "who")  # which the gateway says itself, of every signal and control
    schema["properties"] = {name: it for name, it in schema["properties"].items() if name not in given}
    schema["required"] = [name for name in schema.get("required", ()) if name not in (*given, *optional)]
    return schema


# ------------------------------------------------------------------------------------------------------------- answers


REFUSALS: Final[Mapping[int | str, dict[str, Any]]] = {
    status: {"description": text, "content": {TYPE: {"schema": {"$ref": f"{REF}{Problem.__name__}"}}}}
    for status, text in (
        (400, "The body or a parameter is none that can be read."),
        (401, "No key, or none that is known."),
        (403, "The key may not do this, or not for this account."),
        (404, "There is no such thing."),
        (409, "The id came before with another content."),
        (410, "The cursor, or the place, is not there any more: begin anew without it."),
        (413, "The body, or the list that would be looked through, is too large."),
        (415, "The body is of another type than application/json."),
        (422, "The desk refuses it: reason, field, value and limit."),
        (429, "Too many calls in this minute, or too many streams at a time."),
        (503, "Nobody can say yet: ask, or send it again under the same id."),
        (507, "Redis takes nothing: its memory is full."),
    )
}
"""What every route may answer besides."""
