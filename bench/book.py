"""The order book, measured natively and through Python, beside the book of the textbooks in C++.

Flows in: seeded flows of commands that native/bench makes. Flows out: a table, `bench/results/book.json`, and the same
as a dict. Times are nanoseconds a message: the least and the median of the repeats, since hosts are noisy; engine and
rival take turns, so that both see the same neighbours, and must give the same answers. Instructions a message come from
callgrind, where valgrind is installed, the rival needs a C++ compiler. Never touches a server.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fillstream import Engine
from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import Side

ROOT = Path(__file__).parents[1]
FLOWS = {
    "one": (28.0, 30.0),
    "symbols64": (50.0, 60.0),
    "deep": (52.0, 60.0),
    "replace": (30.0, None),
    "wide": (None, None),
}
"""Each flow and its goals in nanoseconds, in frames and in calls of one command."""
WIDE = 1.6
"""The wide flow's goal, times what `one` takes."""
BATCHES = (256, 1024)


TURNS = 3
MORNING = 1_000_000
"""Orders that rested all at once in a busy morning and are gone; the books are as small as ever."""


def native(*arguments: str, wrapper: list[str] | None = None, program: str = "bench") -> str:
    command = [*(wrapper or []), str(ROOT / "native/build" / program), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def has_rival() -> bool:
    return shutil.which(os.environ.get("CXX", "c++")) is not None


def side_by_side(flow: str, messages: int, repeats: int) -> dict[str, Any]:
    """Engine and rival by turns: least and median nanoseconds a message of each, and the ratio of the least."""
    programs = ["bench", "textbook"] if has_rival() else ["bench"]
    runs: dict[str, list[dict[str, Any]]] = {program: [] for program in programs}
    for _ in range(TURNS):
        for program in programs:
            runs[program].append(json.loads(native(flow, str(messages), str(repeats), program=program)))
    row = {
        "flow": flow,
        "messages": messages,
        "reports": runs["bench"][0]["reports"],
        "ns_min": min(run["ns_min"] for run in runs["bench"]),
        "ns_median": statistics.median(run["ns_median"] for run in runs["bench"]),
    }
    if has_rival():
        assert {run["answers"] for program in programs for run in runs[program]} == {runs["bench"][0]["answers"]}
        row["textbook_ns_min"] = min(run["ns_min"] for run in runs["textbook"])
        row["textbook_ns_median"] = statistics.median(run["ns_median"] for run in runs["textbook"])
        row["times_faster"] = round(row["textbook_ns_min"] / row["ns_min"], 2)
    return row


def otherwise(flow: str, messages: int, repeats: int) -> dict[str, float]:
    """The least nanoseconds a message in frames, in calls of one command, and after a busy morning, by turns."""
    ways = {"ns_min": ("batch", "0"), "calls_ns_min": ("calls", "0"), "afternoon_ns_min": ("batch", str(MORNING))}
    best = dict.fromkeys(ways, 1e9)
    for _ in range(TURNS):
        for name, way in ways.items():
            best[name] = min(best[name], json.loads(native(flow, str(messages), str(repeats), *way))["ns_min"])
    return best


def instructions(flow: str, messages: int) -> float | None:
    """Instructions a message in fs_process, or None without valgrind."""
    if not shutil.which("valgrind"):
        return None
    out = ROOT / "native/build/callgrind.out"
    tool = ["valgrind", "--tool=callgrind", "--toggle-collect=measured", f"--callgrind-out-file={out}"]
    native(flow, str(messages), "1", "count", wrapper=tool)
    summary = next(line for line in out.read_text().splitlines() if line.startswith(("totals:", "summary:")))
    return int(summary.split()[1]) / messages


def make_frames(messages: int, batch: int) -> tuple[list[bytes], list[bytes]]:
    """The flow `one` as frames of `batch` records: what builds the book, and what is measured."""
    out = ROOT / "native/build/flow.bin"
    build = int(native("one", str(messages), "1", f"write:{out}").split()[0]) * frames.RECORD_BYTES
    data = out.read_bytes()
    size = batch * frames.RECORD_BYTES
    parts = (data[:build], data[build:])
    before, after = ([part[i : i + size] for i in range(0, len(part), size)] for part in parts)
    return before, after


def built(before: list[bytes]) -> CoreEngine:
    engine = CoreEngine()
    for frame in before:
        engine.process(frame, 0)
    return engine


def python_faces(messages: int, repeats: int, batch: int) -> dict[str, float]:
    """Least nanoseconds a message, native and through each face that takes whole frames, by turns: `bytes` out and in,
    reports into the caller's memory, and numpy arrays where numpy is installed."""
    before, after = make_frames(messages, batch)
    out = bytearray(8 * batch * frames.RECORD_BYTES)
    faces: dict[str, Callable[[CoreEngine], Callable[[bytes], object]]] = {
        "bytes": lambda engine: lambda frame: engine.process(frame, 0),
        "into": lambda engine: lambda frame: engine.process_into(frame, 0, out),
    }
    arrays = []
    if importlib.util.find_spec("numpy"):
        import numpy

        from fillstream import research

        arrays = [numpy.frombuffer(frame, research.command_dtype()) for frame in after]
        room = numpy.empty(8 * batch, research.report_dtype())
        faces["arrays"] = lambda engine: lambda array: research.process(engine, array, 0, room)
    best = {"native": 1e9} | dict.fromkeys(faces, 1e9)
    for _ in range(repeats):
        best["native"] = min(best["native"], json.loads(native("one", str(messages), "3"))["ns_min"])
        for name, face in faces.items():
            process, inputs = face(built(before)), arrays if name == "arrays" else after
            start = time.perf_counter_ns()
            for each in inputs:
                process(each)
            best[name] = min(best[name], (time.perf_counter_ns() - start) / messages)
    return {name: round(ns, 1) for name, ns in best.items()}


def python_calls(count: int, repeats: int) -> float:
    """One call an order from plain ints, in and out again, through the core's `submit` and `cancel`: ns each."""
    sides = [int(Side.BUY), int(Side.SELL)]
    orders = [(i, sides[i & 1], 100 * (1 + (i & 1)) + i % 16) for i in range(1, count)]
    best = 1e9
    for _ in range(repeats):
        engine = CoreEngine()
        submit, cancel = engine.submit, engine.cancel
        start = time.perf_counter_ns()
        for order_id, side, price in orders:
            submit(order_id, 1, 0, side, price, 5)
            if order_id > 500:
                cancel(order_id - 500, 1)
        best = min(best, (time.perf_counter_ns() - start) / (2 * count - 501))
    return best


def named_calls(count: int, repeats: int) -> dict[str, float]:
    """One call an order through `fillstream.Engine`, names and results and all: ns an order in, and one out again."""
    best = {"submit": 1e9, "cancel": 1e9}
    for _ in range(repeats):
        engine = Engine()
        start = time.perf_counter_ns()
        for i in range(count):
            engine.submit_order("AAPL", "BUY", 100 + i % 50, 5, i)
        between = time.perf_counter_ns()
        for i in range(count):
            engine.cancel_order(i)
        best["submit"] = min(best["submit"], (between - start) / count)
        best["cancel"] = min(best["cancel"], (time.perf_counter_ns() - between) / count)
    return best


def adversaries(repeats: int) -> list[dict[str, Any]]:
    """What the dearest message of each kind costs, sent by somebody who wants it dear; printed, too."""
    print(f"{'sent by an adversary':<72}{'calls':>12}{'frames':>12} ns a command")
    rows = [json.loads(line) for line in native(str(repeats), program="adversaries").splitlines()]
    for row in rows:
        each = f"{row['ns_a_unit']:>9.1f} each of {row['units']:,}" if row["units"] > 1 else ""
        print(f"{row['what']:<72}{row['ns_a_command']:>12,.1f}{row['ns_in_frames']:>12,.1f}{each}")
    return rows


def producers(messages: int, repeats: int) -> list[dict[str, Any]]:
    """The threaded front end under 1, 2 and 4 producers, beside an engine that one thread feeds; printed, too."""
    print(f"{'producers':<12}{'batch':>7}{'ns/msg':>9}{'cpu':>8}{'alone':>8} one group, answers to a callback")
    rows = [json.loads(line) for line in native(str(messages), str(repeats), program="producers").splitlines()]
    for row in rows:
        times = f"{row['ns']:>9}{row['cpu_ns']:>8}{row['alone_ns']:>8}"
        print(f"{row['producers']:<12}{row['batch']:>7}{times}")
    return rows


def run(quick: bool) -> dict[str, Any]:
    """Measure; print a table; write and return the figures."""
    names = ["bench", "adversaries", "producers", *(["textbook"] if has_rival() else [])]
    programs = [f"build/{name}" for name in names]
    subprocess.run(["make", "-s", "-C", str(ROOT / "native"), *programs], check=True)
    messages, repeats = (200_000, 3) if quick else (1_000_000, 7)
    results: dict[str, Any] = {"flows": {}, "python": {}}
    print(
        f"{'flow':<12}{'ns/msg min':>12}{'median':>9}{'goal':>7}{'textbook':>10}{'times':>7}{'instr/msg':>11}"
        f"{'p50':>7}{'p99':>7}{'p99.9':>7}{'max':>7} ns"
    )
    for flow, (goal, _) in FLOWS.items():
        row = side_by_side(flow, messages, repeats)
        single = json.loads(native(flow, str(messages // 4), "3", "single"))
        row |= {key: single[key] for key in ("p50", "p99", "p999", "max")}
        row["goal_ns"] = goal or WIDE * results["flows"]["one"]["ns_min"]
        row["instructions"] = instructions(flow, 20_000 if quick else 100_000)
        results["flows"][flow] = row
        counted = f"{row['instructions']:.0f}" if row["instructions"] else "-"
        wanted = f"{row['goal_ns']:.0f}"
        tail = f"{row['p50']:>7}{row['p99']:>7}{row['p999']:>7}{row['max']:>7}"
        rival = f"{row.get('textbook_ns_min', '-'):>10}{row.get('times_faster', '-'):>7}"
        print(f"{flow:<12}{row['ns_min']:>12}{row['ns_median']:>9}{wanted:>7}{rival}{counted:>11}{tail}")
    after = f"after {MORNING:,} orders (goal: 1.1)"
    print(f"{'flow':<12}{'frames':>12}{'calls':>9}{'goal':>7}{'afternoon':>11} ns/msg; {after}")
    for flow, (_, goal) in FLOWS.items():
        results["flows"][flow] |= {"by_turns": (by := otherwise(flow, messages // 2, repeats))}
        ratio = by["afternoon_ns_min"] / by["ns_min"]
        times = f"{by['ns_min']:>12}{by['calls_ns_min']:>9}{goal or '-':>7}{by['afternoon_ns_min']:>11}"
        print(f"{flow:<12}{times}   {ratio:.2f} of fresh")
    results["tide"] = tide = json.loads(native("tide", str(MORNING), str(repeats)))
    dearest = f"in {tide['max_in']:,} ns, out {tide['max_out']:,}"
    print(f"while {MORNING:,} orders come and go, the dearest call: {dearest} (goal: 10,000)")
    results["adversaries"] = adversaries(1 if quick else 3)
    results["producers"] = producers(messages, repeats)
    python = results["python"]
    for batch in BATCHES:
        python[f"frames_of_{batch}"] = faces = python_faces(messages, 2 * repeats, batch)
        told = ", ".join(f"{name} {ns}" for name, ns in faces.items())
        print(f"Python, {batch} messages a call: {told} ns/msg (goal: native + 5)")
    python["one_call_ns"] = python_calls(20_000 if quick else 200_000, 3 * repeats)
    print(f"Python, one call an order: {python['one_call_ns']:.0f} ns (goal: 200)")
    python["named_calls_ns"] = named = named_calls(5_000 if quick else 20_000, repeats)
    told = f"{named['submit']:.0f} ns in, {named['cancel']:.0f} out"
    print(f"fillstream.Engine, one call an order: {told} (goal: 3000)")
    target = ROOT / "bench/results/book.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results, indent=2) + "\n")
    return results


if __name__ == "__main__":
    run(quick=True)
