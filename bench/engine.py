"""The matching engine's process on frames in a real server: commands in, reports and the market out.

Flows in: the seeded flow `one` of native/bench, in frames of several sizes. Flows out: commands a second, from the
moment the process may run until the server has its last commit, and the CPU of both processes a command. Beside it in
the same run, on the same server and its append-only file, the floor: a bare redis-py loop that reads the same entries
and appends as many bytes, with no engine, fence or hash. The frames are there before the clock starts; `fed`, they are
not, and the process that appends them shares the cores. Never trusts the service: all it answered must be, byte for
byte, what the book answers in this process.

`python -m bench.engine floor URL START COUNT GROWTH` is the floor's process.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

import redis

from bench.book import ROOT, native
from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import RECORD_BYTES, offset_of
from fillstream.libs.common.messages.stages import PROGRAMS
from fillstream.libs.common.messages.topology import SIM, Topology
from fillstream.libs.common.messages.venue import reports_field
from fillstream.libs.common.runtime.log import BATCH_BYTES, FRAME_BYTES
from fillstream.stack.stack import IDEAL_DESK, LocalStack

T = Topology()
INBOX, ANSWERS, REPORTS = T.commands(SIM, 0), T.orders(0), reports_field(SIM)
CHECKPOINT = T.checkpoint("engine", "commands.SIM.0")
LISTED = 1
"""The flow trades a symbol that no desk lists; as this one, it is published as well."""
FRAMES = (1, 10, 100, 256, 1000)
MOST_FRAMES = 100_000
"""Of a run: small frames cost by the frame, and fewer of them say as much."""
FED = 256
PIPELINE_BYTES = 1 << 20
POLL_S = 0.01
TIMEOUT_S = 120.0
VALKEY, ENGINE = "valkey", "engine"
OTHERS = tuple(each.name for each in PROGRAMS if each.name != ENGINE)


def flow(messages: int, folder: Path) -> tuple[bytes, bytes]:
    """Return the records that build the book, and those that are measured."""
    out = folder / "flow.bin"
    build = int(native("one", str(messages), "1", f"write:{out}").split()[0]) * RECORD_BYTES
    records = bytearray(out.read_bytes())
    at = offset_of("fs_command", "symbol")
    records[at::RECORD_BYTES] = bytes([LISTED]) * (len(records) // RECORD_BYTES)
    return bytes(records[:build]), bytes(records[build:])


def framed(records: bytes, size: int) -> list[bytes]:
    """Return records in frames of `size` commands."""
    step = size * RECORD_BYTES
    return [records[at : at + step] for at in range(0, len(records), step)]


def answers_of(*parts: list[bytes]) -> tuple[str, int]:
    """Return the hash and the length (bytes) of what the book answers to frames."""
    engine, running, size = CoreEngine(), blake2b(digest_size=16), 0
    for frame in (frame for part in parts for frame in part):
        reports = engine.process(frame, 0)
        running.update(reports)
        size += len(reports)
    return running.hexdigest(), size


def answered(client: redis.Redis) -> tuple[str, int, int]:
    """Return the hash, the length (bytes) and the count of the entries that the service answered with."""
    running, size, count, after = blake2b(digest_size=16), 0, 0, "-"
    while page := cast(Any, client.xrange(ANSWERS, after, count=16)):
        for _, fields in page:
            running.update(fields[REPORTS])
            size += len(fields[REPORTS])
        count += len(page)
        after = f"({page[-1][0].decode()}"
    return running.hexdigest(), size, count


# --------------------------------------------------------------------------------------------------- the service


@contextmanager
def venue() -> Iterator[tuple[redis.Redis, LocalStack]]:
    """Run a fresh server (fsync every second) and one matching engine: yields a client of the one, and both."""
    with tempfile.TemporaryDirectory(prefix="fillstream-bench-") as folder:
        more: dict[str, Any] = {"redis_args": ("--appendfsync", "everysec"), "without": OTHERS, "environ": IDEAL_DESK}
        stack = LocalStack(Path(folder), base_port=0, redis_port=0, **more)
        with stack:
            stack.wait_ready()
            yield redis.Redis.from_url(stack.redis_url), stack


def append(client: redis.Redis, frames: list[bytes]) -> None:
    """Append frames to the engine's inbox."""
    pipe, size = client.pipeline(transaction=False), 0
    for frame in frames:
        pipe.xadd(INBOX, {"frame": frame})
        size += len(frame)
        if size > PIPELINE_BYTES:
            pipe.execute()
            size = 0
    pipe.execute()


def committed(client: redis.Redis) -> str:
    found = cast(Any, client.hget(CHECKPOINT, "id"))
    return found.decode() if found else "0-0"


def drained(client: redis.Redis) -> None:
    """Return once the engine has committed the newest entry of its inbox, whatever is a tick in it."""
    deadline = time.monotonic() + TIMEOUT_S
    last = cast(Any, client.xrevrange(INBOX, count=1))[0][0].decode()
    while _key(committed(client)) < _key(last):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the engine is at {committed(client)} of {last} after {TIMEOUT_S} s")
        time.sleep(POLL_S)


def _key(entry_id: str) -> tuple[int, ...]:
    return tuple(map(int, entry_id.split("-")))


def synced(client: redis.Redis) -> None:
    """Return once all that this client wrote is on disk: the disk's work on it is not measured."""
    cast(Any, client).execute_command("WAITAOF", 1, 0, 60_000)


def cpu_seconds(pid: int | None) -> float:
    """Return the CPU time of a process so far, its own and the kernel's for it (Linux)."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in threads) / 1e9


def busy_seconds() -> float:
    """Return the CPU time of everything on this machine so far, its kernel and its host's thefts included (Linux)."""
    user, nice, system, _, _, irq, softirq, steal, *_ = map(int, Path("/proc/stat").read_text().split()[1:11])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class Watch:
    """Wall time and CPU time, of some processes and of all others, from construction to `row`."""

    def __init__(self, **pids: int | None) -> None:
        self._pids = {**pids, "bench": os.getpid()}
        self._busy = busy_seconds()
        self._cpu = {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        self._began = time.perf_counter()

    def row(self, commands: int) -> dict[str, Any]:
        """Return the rate, each process's CPU nanoseconds a command, and how many cores all others took."""
        seconds = time.perf_counter() - self._began
        spent = {name: cpu_seconds(pid) - self._cpu[name] for name, pid in self._pids.items()}
        return {
            "seconds": round(seconds, 3),
            "commands_per_s": round(commands / seconds),
            "cpu_ns_per_command": {name: round(1e9 * each / commands) for name, each in spent.items()},
            "cores_elsewhere": round((busy_seconds() - self._busy - sum(spent.values())) / seconds, 2),
        }


def once(size: int, build: bytes, records: bytes, *, fed: bool = False) -> dict[str, Any]:
    """Drain the flow in frames of `size` commands through a fresh engine, then through the floor."""
    before, frames = framed(build, size), framed(records, size)
    commands = len(records) // RECORD_BYTES
    with venue() as (client, stack):
        engine, server = (stack.processes[name] for name in (ENGINE, VALKEY))
        append(client, before)
        drained(client)
        client.delete(T.market(0))
        start = committed(client)
        if not fed:
            engine.kill(signal.SIGSTOP)
            append(client, frames)
            synced(client)
        watch = Watch(engine=engine.pid, server=server.pid)
        if fed:
            append(client, frames)
        else:
            engine.kill(signal.SIGCONT)
        drained(client)
        row = watch.row(commands)
        found, bytes_out, entries_out = answered(client)
        expected = answers_of(before, frames)
        if (found, bytes_out) != expected:
            raise AssertionError(f"the service answered {bytes_out} bytes with hash {found}, the book {expected}")
        row |= {"answer_bytes": bytes_out, "answer_entries": entries_out, "market_entries": client.xlen(T.market(0))}
        if not fed:
            engine.kill(signal.SIGSTOP)
            try:
                count = min(stack.settings.messaging.max_batch, max(1, BATCH_BYTES // len(frames[0])))
                row["floor"] = floor(client, stack, commands, start, count, bytes_out / (len(build) + len(records)))
            finally:
                engine.kill(signal.SIGCONT)
            row["ratio"] = round(row["commands_per_s"] / row["floor"]["commands_per_s"], 3)
    return row


# ----------------------------------------------------------------------------------------------------- the floor


def floor(
    client: redis.Redis, stack: LocalStack, commands: int, start: str, count: int, growth: float
) -> dict[str, Any]:
    """Run the floor on the entries after `start`, as many at a time as the stage reads."""
    synced(client)
    words = [sys.executable, "-m", "bench.engine", "floor", stack.redis_url, start, str(count), str(growth)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as relay:
        assert relay.stdin is not None and relay.stdout is not None
        relay.stdout.readline()
        watch = Watch(floor=relay.pid, server=stack.processes[VALKEY].pid)
        relay.stdin.write(b"\n")
        relay.stdin.flush()
        relay.stdout.readline()
        row = watch.row(commands)
        relay.stdin.close()
    return row


def relay_frames(url: str, start: str, count: int, growth: float) -> None:
    """Read what follows `start`, `count` entries at a time, append `growth` times its bytes; the floor's process."""
    client = redis.Redis.from_url(url, protocol=2)
    payload = bytes(FRAME_BYTES)
    print("ready", flush=True)
    sys.stdin.readline()
    at: Any = start
    while found := cast(Any, client.xread({INBOX: at}, count=count)):
        ((_, entries),) = found
        at = entries[-1][0]
        owed = int(growth * sum(len(fields.get(b"frame", b"")) for _, fields in entries))
        pipe = client.pipeline(transaction=False)
        while owed > 0:
            pipe.xadd("floor", {"frame": payload[:owed]})
            owed -= len(payload)
        pipe.execute()
    print("done", flush=True)
    sys.stdin.read()


# --------------------------------------------------------------------------------------------------------- a run


def middle(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the run with the median rate, and in it the rates of all."""
    ordered = sorted(rows, key=lambda row: cast(float, row["commands_per_s"]))
    chosen = ordered[len(ordered) // 2]
    return {**chosen, "runs": [row["commands_per_s"] for row in rows]}


def run(quick: bool) -> dict[str, Any]:
    """Measure every size of frame several times; return the medians."""
    subprocess.run(["make", "-s", "-C", str(ROOT / "native"), "build/bench"], check=True)
    messages, repeats = (200_000, 1) if quick else (1_000_000, 5)
    result: dict[str, Any] = {"commands": messages, "repeats": repeats, "preloaded": {}, "fed": {}}
    with tempfile.TemporaryDirectory(prefix="fillstream-bench-") as folder:
        build, records = flow(messages, Path(folder))
    for size in FRAMES:
        part = records[: MOST_FRAMES * size * RECORD_BYTES]
        rows = [once(size, build, part) for _ in range(repeats)]
        row = middle(rows)
        floors = statistics.median(each["floor"]["commands_per_s"] for each in rows)
        row |= {"floor_commands_per_s": round(floors), "ratio": round(row["commands_per_s"] / floors, 3)}
        result["preloaded"][str(size)] = row
    rows = [once(FED, build, records, fed=True) for _ in range(repeats)]
    result["fed"][str(FED)] = middle(rows)
    return result


if __name__ == "__main__":
    if sys.argv[1:2] == ["floor"]:
        relay_frames(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
    else:
        print(json.dumps(run(quick=True), indent=2))
