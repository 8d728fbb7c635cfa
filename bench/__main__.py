"""Measure and write bench/results/*.json: `python -m bench [--quick] [WHICH ...]`; --help lists what there is."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import (
    algos,
    backtest,
    book,
    desk,
    end_to_end,
    engine,
    families,
    gateway,
    halt,
    ids,
    ledger,
    memory,
    orders,
    routing,
    snapshots,
    stages,
    triggers,
)

RESULTS = Path(__file__).parent / "results"
console = Console()


def show_stages(result: dict[str, Any]) -> None:
    table = Table(title="each stage alone, fold only (medians)", title_justify="left")
    for heading in ("stage", "signals/s", "CPU µs a signal"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for name, row in result["stages"].items():
        table.add_row(name, f"{row['signals_per_s']:,}", f"{row['cpu_us_per_signal']:.2f}")
    console.print(table)


def show_end_to_end(result: dict[str, Any]) -> None:
    table = Table(title="end to end: XADD to journal and position", title_justify="left")
    for heading in ("what", "desk", "floor: bare relays", "ratio"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for row in result["throughput"]:
        table.add_row(
            f"throughput, AOF {row['appendfsync']}", f"{row['desk']['signals_per_s']:,}/s",
            f"{row['floor_entries_per_s']:,}/s", f"{row['ratio']:.2f}",
        )  # fmt: skip
    with_analytics = result["throughput_with_analytics"]
    table.add_row("throughput, analytics on as well", f"{with_analytics['signals_per_s']:,}/s", "", "")
    for rate, row in result["latency"].items():
        for percentile in ("p50_ms", "p99_ms", "p999_ms"):
            ratio = f"{row['ratio_p50']:.2f}" if percentile == "p50_ms" else ""
            table.add_row(
                f"latency at {rate}, {percentile.removesuffix('_ms')}", f"{row['desk'][percentile]:.2f} ms",
                f"{row['floor'][percentile]:.2f} ms", ratio,
            )  # fmt: skip
        table.add_row(f"  FastStream relays at {rate}, p50", f"{row['faststream']['p50_ms']:.2f} ms", "", "")
    console.print(table)
    spent = result["throughput"][0]["desk"]["cpu_us_per_signal"]
    console.print("CPU µs a signal: " + ", ".join(f"{name} {micros}" for name, micros in spent.items()))


def show_engine(result: dict[str, Any]) -> None:
    table = Table(title="the engine's process on frames in a server, AOF everysec (medians)", title_justify="left")
    for heading in ("a frame", "commands/s", "floor: bare loop", "ratio", "CPU ns: engine", "server", "others, cores"):
        table.add_column(heading, justify="left" if heading == "a frame" else "right")
    for kind, rows in (("", result["preloaded"]), (", fed", result["fed"])):
        for size, row in rows.items():
            bare = (f"{row['floor_commands_per_s']:,}", f"{row['ratio']:.2f}") if "ratio" in row else ("", "")
            spent = row["cpu_ns_per_command"]
            table.add_row(
                f"{size}{kind}", f"{row['commands_per_s']:,}", *bare, str(spent["engine"]), str(spent["server"]),
                f"{max(0.0, row['cores_elsewhere']):.1f}",
            )  # fmt: skip
    console.print(table)


def show_memory(result: dict[str, Any]) -> None:
    table = Table(title="bytes in Redis, by stream", title_justify="left")
    rows = {
        **{f"{name}, a second": row for name, row in result["bytes_per_s"].items()},
        **{f"{name}, each": row for name, row in result["bytes_per_signal"].items()},
    }
    table.add_column("what")
    for stream in (*memory.STREAMS, "together"):
        table.add_column(stream, justify="right")
    for name, row in rows.items():
        table.add_row(name, *(f"{row[stream]:,.0f}" for stream in memory.STREAMS), f"{memory.total(row):,.0f}")
    console.print(table)
    console.print(f"market.{{s0}}, full: {result['market_bytes']:,} bytes")
    console.print(f"768 MB hold {result['hours_of_made_up_market']:,} hours of the made-up market with five positions")
    for name, rate in result["signals_per_s_for_a_day"].items():
        console.print(f"0.6 of 768 MB keep a day of {rate} signals/s beside it: {name}")


def show_desk(result: dict[str, Any]) -> None:
    table = Table(title=f"the page with {result['orders']:,} orders, by updates a second", title_justify="left")
    for heading in ("updates/s", "pictures/s", "p99 ms", "longest ms", "browser, cores", "gateway, cores"):
        table.add_column(heading, justify="left" if heading == "updates/s" else "right")
    for name, row in result.items():
        if isinstance(row, dict):
            table.add_row(name, *(str(row[each]) for each in (
                "pictures_per_s", "p99_ms", "longest_ms", "browser_cores", "gateway_cores")))  # fmt: skip
    console.print(table)
    console.print(
        f"first paint {result['first_paint_ms']} ms; {result['bytes_served']:,} bytes served,"
        f" {result['bytes_served_again']:,} when it is opened again; {result['heap_mb']} MB of JavaScript"
    )


def show_gateway(result: dict[str, Any]) -> None:
    table = Table(title="the gateway beside XADD, in turns", title_justify="left")
    for heading in ("until the fill", "POST", "XADD", "ratio"):
        table.add_column(heading, justify="left" if heading == "until the fill" else "right")
    for name in ("p50_ms", "p99_ms"):
        posted, added = (median(row[way][name] for row in result["latency"]) for way in ("post", "xadd"))
        table.add_row(name, f"{posted:.2f}", f"{added:.2f}", f"{posted / added:.2f}")
    console.print(table)
    for name in ("single", "batch"):
        row = result[name]
        console.print(
            f"{name}: {row['orders_per_s']:,} orders/s, {row['gateway_cpu_us']} µs of the gateway's core each"
        )
    console.print(f"readers: {result['readers']}")
    console.print(f"reading, µs of CPU a batch: {result['reading']}")
    console.print(f"state: {result['state']}")


def show_snapshots(result: dict[str, Any]) -> None:
    table = Table(title="snapshots of a state of so many orders (medians)", title_justify="left")
    measured = ("pause ms", "in the thread", "written s", "read s", "restored s", "parent MB", "child's own MB")
    for heading in ("state", *measured, "MB", "copy MB"):
        table.add_column(heading, justify="left" if heading == "state" else "right")
    for name, sizes in result["stages"].items():
        for held, row in sizes.items():
            table.add_row(
                f"{name}, {int(held):,}", *(str(row[key]) for key in (
                    "pause_ms", "in_thread_ms", "written_s", "read_s", "restored_s", "parent_mb", "child_own_mb",
                )), f"{row['bytes'] / 1e6:.1f}", f"{row['copy_bytes'] / 1e6:.1f}",
            )  # fmt: skip
    console.print(table)
    recovery = result["recovery"]
    for killed, row in recovery["killed"].items():
        console.print(f"{recovery['orders']:,} orders held, {killed} killed: live again after {row['live_after_s']} s")


def show_orders(result: dict[str, Any]) -> None:
    table = Table(title="a plain order, acknowledged and filled, in the orders stage (medians)", title_justify="left")
    for heading in ("desk", "CPU µs an order", "beside no limits", "CPU µs a quote", "likewise"):
        table.add_column(heading, justify="left" if heading == "desk" else "right")
    for name, row in result["variants"].items():
        numbers = (f"{row[each]:.2f}" for each in ("cpu_us_per_order", "ratio", "cpu_us_per_quote", "quote_ratio"))
        table.add_row(name, *numbers)
    console.print(table)


def show_ids(result: dict[str, Any]) -> None:
    table = Table(title=f"{result['ids']:,} finished orders remembered for a day", title_justify="left")
    for heading in ("how", "bytes an id", "CPU µs to put it in", "to find it", "to let it go"):
        table.add_column(heading, justify="left" if heading == "how" else "right")
    for name, row in (*result["rows"].items(), ("ratio", result["ratio"])):
        table.add_row(name, *(f"{row[each]:.2f}" for each in ("bytes", "put_us", "find_us", "drop_us")))
    console.print(table)


def show_triggers(result: dict[str, Any]) -> None:
    table = Table(title="a quote that concerns nobody who waits in the desk (medians)", title_justify="left")
    for heading in ("desk", "CPU µs a quote", "beside nobody", "CPU µs a new best price", "to arm one", "bytes each"):
        table.add_column(heading, justify="left" if heading == "desk" else "right")
    for name, row in result["variants"].items():
        numbers = (f"{row[each]:.2f}" for each in ("cpu_us_per_quote", "ratio", "cpu_us_per_new_best", "arm_us"))
        table.add_row(name, *numbers, f"{row['bytes_each']:,}")
    console.print(table)


def show_ledger(result: dict[str, Any]) -> None:
    table = Table(title=f"the position stage, fold only, {result['positions']:,} open positions", title_justify="left")
    for heading in ("entries", "a second", "CPU µs", "floor: read and written", "ratio"):
        table.add_column(heading, justify="left" if heading == "entries" else "right")
    for name, row in result["rows"].items():
        table.add_row(
            name, f"{row['per_s']:,}", f"{row['cpu_us']:.2f}", f"{row['floor_us']:.2f}", f"{row['ratio']:.2f}"
        )
    console.print(table)


def show_families(result: dict[str, Any]) -> None:
    table = Table(title="a quote that concerns none of those who wait (medians)", title_justify="left")
    for heading in ("desk", "CPU µs a quote", "beside nobody"):
        table.add_column(heading, justify="left" if heading == "desk" else "right")
    for name, row in result["quotes"]["rows"].items():
        table.add_row(name, f"{row['cpu_us_per_quote']:.2f}", f"{row['ratio']:.2f}")
    console.print(table)
    took = ", ".join(f"{name} {micros}" for name, micros in result["quotes"]["made_us"].items())
    console.print(f"CPU µs until a parent waits, its children among it: {took}")
    table = Table(title="a child, acknowledged and filled, in the orders stage (medians)", title_justify="left")
    for heading in ("what", "CPU µs each", "a second", "beside a plain order"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for name, row in result["children"].items():
        table.add_row(name, f"{row['cpu_us']:.1f}", f"{row['a_second']:,}", f"{row['ratio']:.2f}")
    console.print(table)


def show_routing(result: dict[str, Any]) -> None:
    table = Table(title=f"what {result['orders']:,} orders cost against the mid (bps)", title_justify="left")
    for heading in ("market", "each venue alone", *routing.ROUTED, "saved by BEST_PRICE", "CPU µs a split"):
        table.add_column(heading, justify="left" if heading == "market" else "right")
    for name, row in result["markets"].items():
        saved = row["saved_bps"]["BEST_PRICE"]
        alone = ", ".join(f"{venue} {bps:.2f}" for venue, bps in row["alone_bps"].items())
        routed = (f"{row['routed_bps'][policy]:.2f}" for policy in routing.ROUTED)
        table.add_row(
            name, alone, *routed, f"{saved['least']:.2f} to {saved['most']:.2f}", f"{row['split_cpu_us']:.0f}"
        )
    console.print(table)


def show_backtest(result: dict[str, Any]) -> None:
    table = Table(title="the whole desk in one process (best of several)", title_justify="left")
    for heading in ("orders a quote", "orders/s", "CPU µs an order", "bare folds", "ratio"):
        table.add_column(heading, justify="left" if heading == "orders a quote" else "right")
    for size, row in result["rows"].items():
        numbers = (f"{row['cpu_us_per_order']:.1f}", f"{row['folds_us_per_order']:.1f}", f"{row['ratio']:.2f}")
        table.add_row(str(size), f"{row['orders_per_s']:,}", *numbers)
    console.print(table)


def show_halt(result: dict[str, Any]) -> None:
    table = Table(title=f"the kill switch beside {result['orders']:,} working orders (medians)", title_justify="left")
    for heading in ("from the control's entry until", "ms"):
        table.add_column(heading, justify="left" if heading.startswith("from") else "right")
    table.add_row("the journal says that the desk is HALTED", f"{result['told_ms']:.0f}")
    table.add_row("the venue is told to cancel all", f"{result['mass_cancel_ms']:.0f}")
    table.add_row("every order is told as canceled", f"{result['journal_ms']:.0f}")
    table.add_row("floor: as many entries to the server", f"{result['floor_ms']:.0f} ({result['ratio']:.2f})")
    console.print(table)


def show_algos(result: dict[str, Any]) -> None:
    headings = (
        "algorithm",
        "done %",
        "deviation %",
        "participation %",
        "to VWAP bps",
        "± of it",
        "to arrival bps",
        "made %",
        "children",
    )
    compared = {
        f"{name}, {who}": row
        for name, both in result["desk"].items()
        for who, row in (("desk", both["desk"]), ("simple", both["simple"]))
    }
    for title, rows in (
        (f"{result['seeds']} seeded markets, means and the largest deviation", result["seeded"]),
        ("five minutes of BTCUSDT as captured", result["captured"]),
        (f"{result['desk_seeds']} seeded markets by the desk's runner and the simple one, touch alone", compared),
        ("five minutes of BTCUSDT by the desk's runner", result["desk_captured"]),
    ):
        if rows is None:
            console.print(f"{title}: the capture is not there")
            continue
        table = Table(title=title, title_justify="left")
        for heading in headings:
            table.add_column(heading, justify="left" if heading == "algorithm" else "right")
        for name, row in rows.items():
            numbers = ("" if value is None else f"{value:.2f}" for key, value in row.items() if key != "children")
            table.add_row(name, *numbers, f"{row['children']:.0f}")
        console.print(table)
    console.print("CPU µs a question: " + ", ".join(f"{name} {micros}" for name, micros in result["plan_us"].items()))


BENCHES: dict[str, tuple[Callable[[bool], dict[str, Any]], Callable[[dict[str, Any]], None]]] = {
    "stages": (stages.run, show_stages),
    "orders": (orders.run, show_orders),
    "end_to_end": (end_to_end.run, show_end_to_end),
    "engine": (engine.run, show_engine),
    "halt": (halt.run, show_halt),
    "triggers": (triggers.run, show_triggers),
    "ledger": (ledger.run, show_ledger),
    "families": (families.run, show_families),
    "gateway": (gateway.run, show_gateway),
    "desk": (desk.run, show_desk),
    "ids": (ids.run, show_ids),
    "algos": (algos.run, show_algos),
    "backtest": (backtest.run, show_backtest),
    "memory": (memory.run, show_memory),
    "routing": (routing.run, show_routing),
    "snapshots": (snapshots.run, show_snapshots),
    "book": (book.run, lambda result: None),  # prints as it goes
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("which", nargs="*", choices=[*BENCHES, []], help="default: all")
    parser.add_argument("--quick", action="store_true", help="smaller runs, to see that it works")
    args = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    about = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_1m": round(os.getloadavg()[0], 2),
        "quick": args.quick,
    }
    for name in args.which or BENCHES:
        measure, show = BENCHES[name]
        with console.status(f"measuring {name}"):
            result = measure(args.quick)
        (RESULTS / f"{name}.json").write_text(json.dumps({"about": about, **result}, indent=2) + "\n")
        show(result)


main()
