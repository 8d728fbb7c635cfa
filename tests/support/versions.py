"""What a test run ran on, for its last lines: the Redis server, Python, and every direct dependency.

Flows in: INFO of the server, pyproject.toml, what is installed. Flows out: text. A URL's password never.
"""

from __future__ import annotations

import platform
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.tree import ROOT

PYPROJECT = ROOT / "pyproject.toml"


def server_named(info: Mapping[str, Any]) -> str:
    """Return a server's name and version from INFO: Valkey gives both its own and those of the Redis it stands for."""
    name = str(info.get("server_name", "redis"))
    return f"{name} {info.get(f'{name}_version', info['redis_version'])}"


def place_of(url: str) -> str:
    """Return where a URL leads, without what lets one in."""
    parts = urlsplit(url)
    at = f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
    return parts.path if parts.scheme == "unix" else f"{parts.scheme}://{at}{parts.path}"


def direct_dependencies(pyproject: Path = PYPROJECT) -> list[str]:
    """Return the names of what pyproject.toml asks for, extras included, each once."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    names = {re.split(r"[\[<>=!~; ]", each)[0] for each in wanted}
    return sorted(names - {project["name"]}, key=str.lower)


def versions() -> Iterator[str]:
    """Yield Python's version and that of each direct dependency, or that it is not installed."""
    yield f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}"
    for name in direct_dependencies():
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"{name} not installed"
