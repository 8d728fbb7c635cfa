"""Alpaca's own OpenAPI files, out of the wheel of `alpaca-mcp-server`, where that is installed."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

TRADING, DATA = "trading-api.json", "market-data-api.json"


@cache
def _spec(name: str) -> dict[str, Any] | None:
    found = importlib.util.find_spec("alpaca_mcp_server")
    if found is None or not found.submodule_search_locations:
        return None
    spec: dict[str, Any] = json.loads(Path(found.submodule_search_locations[0], "specs", name).read_text())
    return spec


@cache
def _validator(name: str, component: str) -> Any:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed: what is said is not checked")
    spec = _spec(name)
    if spec is None:
        pytest.skip("alpaca-mcp-server is not installed: its OpenAPI files are not there to check by")
    schema = {"$ref": f"#/components/schemas/{component}", "components": spec["components"]}
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


def complaints(said: Any, component: str, name: str = TRADING) -> list[str]:
    """Return in what something is not as a component of Alpaca's says; skip where its file is not installed."""
    found = _validator(name, component).iter_errors(said)
    return [f"{'.'.join(map(str, each.absolute_path))}: {each.message}" for each in found]
