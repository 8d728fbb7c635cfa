"""The order book, measured natively and through Python.

Flows in: seeded flows of commands that native/bench makes. Flows out: a table, `bench/results/book.json`, and the same
as a dict. Times are nanoseconds a message: the least and the median of the repeats, since hosts are noisy; instructions
a message come from callgrind, where valgrind is installed. Never touches a server.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fillstream.book import Engine as PleasantEngine
from libs.common import frames
from libs.common.frames import Side
from services.matching_engine.book import Engine

ROOT = Path(__file__).parents[1]
FLOWS = {"one": 30.0, "symbols64": 55.0, "deep": 60.0, "replace": None, "wide": None}
"""Each flow and its goal in nanoseconds; the wide one's is twice what `one` takes."""
BATCH = 256


def native(*arguments: str, wrapper: list[str] | None = None) -> str:
    command = [*(wrapper or []), str(ROOT / "native/build/bench"), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def instructions(flow: str, messages: int) -> float | None:
    """Instructions a message in fs_process, or None without valgrind."""
    if not shutil.which("valgrind"):
        return None
    out = ROOT / "native/build/callgrind.out"
    tool = ["valgrind", "--tool=callgrind", "--toggle-collect=measured", f"--callgrind-out-file={out}"]
    native(flow, str(messages), "1", "count", wrapper=tool)
    summary = next(line for line in out.read_text().splitlines() if line.startswith(("totals:", "summary:")))
    return int(summary.split()[1]) / messages


def best_ns(run: Callable[[], int], repeats: int) -> float:
    """The least nanoseconds for one of the things that `run` does and counts."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter_ns()
        count = run()
        times.append((time.perf_counter_ns() - start) / count)
    return min(times)


def make_frames(messages: int) -> tuple[list[bytes], list[bytes]]:
    """The flow `one` as frames of BATCH records: what builds the book, and what is measured."""
    out = ROOT / "native/build/flow.bin"
    build = int(native("one", str(messages), "1", f"write:{out}").split()[0]) * frames.RECORD_BYTES
    data = out.read_bytes()
    size = BATCH * frames.RECORD_BYTES
    parts = (data[:build], data[build:])
    before, after = ([part[i : i + size] for i in range(0, len(part), size)] for part in parts)
    return before, after


def python_frames(messages: int, repeats: int) -> float:
    """Frames of 256 records through `services.matching_engine.book`."""
    before, after = make_frames(messages)

    def run_once() -> tuple[int, float]:
        engine = Engine()
        for frame in before:
            engine.process(frame, 0)
        start = time.perf_counter_ns()
        for frame in after:
            engine.process(frame, 0)
        return messages, time.perf_counter_ns() - start

    return min(took / count for count, took in (run_once() for _ in range(repeats)))


def python_calls(count: int, repeats: int) -> float:
    """One call per order from plain ints, order in and cancel, through `fillstream.Engine.submit` and `cancel`."""

    def run_once() -> int:
        engine = PleasantEngine()
        submit, cancel, buy, sell = engine.submit, engine.cancel, int(Side.BUY), int(Side.SELL)
        for order_id in range(1, count):
            side = buy if order_id & 1 else sell
            submit(order_id, 1, 0, side, (100 if side == buy else 200) + order_id % 16, 5)
            if order_id > 500:
                cancel(order_id - 500, 1)
        return 2 * count - 501

    return best_ns(run_once, repeats)


def run(quick: bool) -> dict[str, Any]:
    """Measure; print a table; write and return the figures."""
    subprocess.run(["make", "-s", "-C", str(ROOT / "native"), "build/bench"], check=True)
    messages, repeats = (200_000, 3) if quick else (1_000_000, 7)
    results: dict[str, Any] = {"flows": {}, "python": {}}
    print(f"{'flow':<12}{'ns/msg min':>12}{'median':>9}{'goal':>7}{'instr/msg':>11}{'p50':>7}{'p99':>7}{'p99.9':>7} ns")
    for flow, goal in FLOWS.items():
        row = json.loads(native(flow, str(messages), str(repeats)))
        single = json.loads(native(flow, str(messages // 4), "3", "single"))
        row |= {key: single[key] for key in ("p50", "p99", "p999")}
        row["goal_ns"] = goal or (2 * results["flows"]["one"]["ns_min"] if flow == "wide" else None)
        row["instructions"] = instructions(flow, 20_000 if quick else 100_000)
        results["flows"][flow] = row
        counted = f"{row['instructions']:.0f}" if row["instructions"] else "-"
        wanted = f"{row['goal_ns']:.0f}" if row["goal_ns"] else "-"
        tail = f"{row['p50']:>7}{row['p99']:>7}{row['p999']:>7}"
        print(f"{flow:<12}{row['ns_min']:>12}{row['ns_median']:>9}{wanted:>7}{counted:>11}{tail}")
    python = results["python"]
    python["frames_of_256_ns"] = python_frames(messages, repeats)
    python["one_call_ns"] = python_calls(20_000 if quick else 200_000, repeats)
    print(f"Python, frames of {BATCH}: {python['frames_of_256_ns']:.1f} ns/msg (goal: native + 5)")
    print(f"Python, one call an order: {python['one_call_ns']:.0f} ns (goal: 300)")
    target = ROOT / "bench/results/book.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results, indent=2) + "\n")
    return results


if __name__ == "__main__":
    run(quick=True)
