"""What is missing on this machine, or in this container, to run a desk, and how to get it.

Flows in: this machine. Flows out: `Finding`s. Never changes anything, and starts nothing but `--version`s.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import redis

from fillstream.libs.common.messages.stages import PROGRAMS, places
from fillstream.libs.common.process.settings import Settings, default_path
from fillstream.libs.common.runtime.log import connect
from fillstream.libs.common.runtime.server_checks import DURABLE, doubts
from fillstream.stack.extras import ANALYTICS_LIBRARIES, how_to_get, server_program
from fillstream.stack.running import REDIS_PORT, safe_url
from fillstream.stack.stack import port_is_free
from fillstream.tools.holds import holds

PYTHON = (3, 11)
VERSION_S = 10.0
CONTAINER_VARIABLE = "FILLSTREAM_CONTAINER"
"""Set in our image. A container that somebody develops in is a machine like any other, and not meant."""

Verdict = Literal["ok", "missing", "warning", "optional"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        verdict: `missing` stops a desk; `warning` weakens it; `optional` is not there and need not be.
        what: was looked for.
        found: what is there.
        how: how to get it; empty when it is there.
    """

    verdict: Verdict
    what: str
    found: str
    how: str = ""


def in_container() -> bool:
    """Whether this process runs in a container of our image: there is nothing to install in it, and much to be told."""
    return bool(os.environ.get(CONTAINER_VARIABLE))


def examine_container(settings: Settings, redis_url: str) -> list[Finding]:
    """Return what a service in this container needs.

    Args:
        settings: what it is told, already found to be in order.
        redis_url: the desk's Redis.
    """
    has_analytics = importlib.util.find_spec(ANALYTICS_LIBRARIES[0]) is not None
    return [
        Finding("ok", "configuration", f"{default_path()}, environment {settings.environment}"),
        _settings(settings),
        _python(),
        _core(),
        _hiredis(),
        *([_analytics()] if has_analytics else []),
        _data_dir(settings.database.data_dir),
        *_server(
            settings, redis_url, needed="is its container up, and REDIS_URL, or messaging.host and password, right?"
        ),
    ]


def _data_dir(folder: Path) -> Finding:
    what = "data folder"
    try:
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        how = "mount a volume there that this container's user may write to: snapshots and the database are kept in it"
        return Finding("missing", what, f"{folder}: {error.strerror}", how)
    return Finding("ok", what, f"{folder}, {free / 2**30:.1f} GiB free")


def examine(settings: Settings, redis_url: str, running: bool) -> list[Finding]:
    """Return everything that was looked for on a person's machine.

    Args:
        settings: what a desk here would be told.
        redis_url: the desk's Redis.
        running: whether a local stack runs: its ports are taken then, and should be.
    """
    return [
        _python(),
        _compiler(),
        _core(),
        _hiredis(),
        _valkey(),
        _analytics(),
        _settings(settings),
        *_server(settings, redis_url),
        *([] if running else _ports()),
        _program("docker", ["docker", "--version"], "for docker compose: https://docs.docker.com/engine/install"),
        _program("kubectl", ["kubectl", "version", "--client"], "for k8s/: https://kubernetes.io/docs/tasks/tools"),
    ]


def _settings(settings: Settings) -> Finding:
    what, idle = "settings", settings.without_effect
    if not idle:
        return Finding("ok", what, "every one that is set has an effect")
    how = "nothing reads them yet: do not rely on them, and leave them out where the file need not carry them"
    return Finding("warning", what, f"without effect: {', '.join(idle)}", how)


def _python() -> Finding:
    found = platform.python_version()
    if sys.version_info[:2] >= PYTHON:
        return Finding("ok", "Python", found)
    return Finding("missing", "Python", found, "Python 3.11 or newer: apt install python3, brew install python")


def _compiler() -> Finding:
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and (path := shutil.which(name.split()[0])):
            return Finding("ok", "C compiler", path)
    # Only building needs it: a desk whose core is built runs without.
    verdict: Verdict = "optional" if importlib.util.find_spec("fillstream.native._core") else "missing"
    return Finding(
        verdict, "C compiler", "none", "apt install build-essential python3-dev; macOS: xcode-select --install"
    )


def _core() -> Finding:
    try:
        core: Any = importlib.import_module("fillstream.native._core")
    except ImportError as error:
        return Finding("missing", "C core", str(error), "make install builds it")
    return Finding("ok", "C core", str(core.__file__))


def _hiredis() -> Finding:
    try:
        return Finding("ok", "hiredis", importlib.metadata.version("hiredis"))
    except importlib.metadata.PackageNotFoundError:
        return Finding("missing", "hiredis", "none", "make install; without it Redis is read five times as slowly")


def _valkey() -> Finding:
    program = server_program()
    if program:
        return Finding("ok", "embedded Valkey", _version([program, "--version"]))
    how = f"{how_to_get('local')}, or run a Redis or Valkey of your own and set REDIS_URL"
    return Finding("warning", "embedded Valkey", "none", how)


def _analytics() -> Finding:
    missing = [name for name in ANALYTICS_LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        how = f"{how_to_get('analytics')}: orders, fills, positions and SQL for people"
        return Finding("optional", "analytics", f"no {' and no '.join(missing)}", how)
    return Finding("ok", "analytics", f"DuckDB {importlib.metadata.version('duckdb')}")


def _server(settings: Settings, url: str, needed: str | None = None) -> Iterable[Finding]:
    """Yield how the server is; `needed` is what to look at when it does not answer and nothing else will do."""
    try:
        with connect(url) as client:
            raw: Any = client
            about = raw.info("server")
            name = "Valkey" if "valkey_version" in about else "Redis"
            version = about.get("valkey_version") or about["redis_version"]
            yield Finding("ok", "Redis", f"{name} {version} at {safe_url(url)}")
            yield from _doubts(client)
            yield from _holds(client, settings)
    except redis.exceptions.RedisError as error:
        how = needed or "`fillstream up` starts an embedded one; or set REDIS_URL"
        yield Finding("missing" if needed else "optional", "Redis", f"{safe_url(url)} does not answer: {error}", how)


def _doubts(client: redis.Redis) -> Iterable[Finding]:
    """Yield what speaks against a server; that its log is durable, where nothing does."""
    found = doubts(client)
    if not any(each.what == DURABLE for each in found):
        yield Finding("ok", DURABLE, "appendonly yes, appendfsync always")
    for each in found:
        yield Finding("missing" if each.refuses else "warning", each.what, each.found, each.how)


def _holds(client: redis.Redis, settings: Settings) -> Iterable[Finding]:
    """Yield who keeps the streams of the desk there for long, if anybody does."""
    topology = settings.topology()
    try:
        found = [hold for place in places(topology) for hold in holds(client, topology, place, settings.archivists)]
    except redis.exceptions.ResponseError as error:
        yield Finding("warning", "streams", f"cannot be looked at: {error}", "ask as the user operator")
        return
    for hold in found:
        if hold.is_long(settings.messaging.retention_s):
            yield Finding("warning", "streams", hold.text, hold.way_on)


def _ports() -> Iterable[Finding]:
    wanted = [REDIS_PORT, *(each.port for each in PROGRAMS)]
    taken = [port for port in wanted if not port_is_free(port)]
    if not taken:
        yield Finding("ok", "ports", f"{', '.join(map(str, wanted))} are free")
        return
    how = "fillstream up --base-port N --redis-port N (0 takes free ones)"
    yield Finding("warning", "ports", f"{', '.join(map(str, taken))} in use", how)


def _program(name: str, command: list[str], how: str) -> Finding:
    if shutil.which(name) is None:
        return Finding("optional", name, "none", how)
    return Finding("ok", name, _version(command))


def _version(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=VERSION_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not run: {error}"
    return (done.stdout or done.stderr).strip().split("\n")[0]
