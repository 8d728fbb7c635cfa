"""Commands that make a market: feed and demo."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.commands import RUN
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import AsJson, Config, RedisUrl
from fillstream.libs.common.messages.topology import SIM, Topology
from fillstream.stack.running import WITHOUT_KEY_VARIABLE, desk_url
from fillstream.tools.render import as_json, console

if TYPE_CHECKING:
    from rich.console import Console

    from fillstream.demo.market_files import Reading
    from fillstream.demo.market_numbers import Listed, Moment
    from fillstream.libs.common.process.settings import Settings
    from fillstream.stack.stack import LocalStack

STARTS_AT = {"AAPL": "190.00", "MSFT": "420.00", "SPY": "540.00", "BTCUSDT": "61000.00", "ETHUSDT": "2650.00"}
"""Where a synthetic market begins; symbols that are not here are not quoted."""
DEMO_SYMBOLS = ("AAPL", "MSFT", "BTCUSDT")
DEMO_MOMENTS = 12_000
DEMO_SIGNALS = 3_000
DEMO_ROUND_NS = 66_000_000
DEMO_SPEED = 20.0
"""A synthetic market of 240 seconds, in twelve, much busier than the one of `feed`: nobody keeps its streams."""
ACCOUNT = "demo"

Speed = Annotated[
    float | None,
    typer.Option("--speed", min=0.001, help="1 is real time, 10 ten times as fast.  \\[default: as fast as possible]"),
]
Seed = Annotated[int, typer.Option("--seed", help="The same seed makes the same market and the same signals.")]


Venue = Annotated[str, typer.Option("--venue", help="The simulated venue that is quoted.")]


class Source(StrEnum):
    """Kinds of market data besides CSV files."""

    BINANCE = "binance"
    SYNTHETIC = "synthetic"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (feed, demo):
        app.command(rich_help_panel=RUN)(command)


def feed(
    source: Annotated[
        str, typer.Argument(metavar="binance|synthetic|QUOTES.csv[.gz]", help="Where the market comes from.")
    ],
    capture: Annotated[Path | None, typer.Argument(help="For binance: the capture, plain or gzip.")] = None,
    speed: Speed = None,
    seed: Seed = 1,
    count: Annotated[int | None, typer.Option("--count", min=1, help="Stop after so many quotes and trades.")] = None,
    venue: Venue = SIM,
    round_sizes: Annotated[
        bool, typer.Option("--round-sizes", help="Round sizes that are no whole lots down; prices never are.")
    ] = False,
    heartbeat: Annotated[
        Path | None, typer.Option("--heartbeat", help="Touch this file after each append, for a health check.")
    ] = None,
    json: AsJson = False,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Quote the market to a simulated venue, so that orders find somebody to trade with.

    \b
    fillstream feed synthetic --speed 1              until Ctrl-C or SIGTERM
    fillstream feed binance btcusdt.gz               a capture, as fast as possible
    fillstream feed quotes.csv                       time_ns,symbol,bid_px,bid_qty,ask_px,ask_qty

    A file is read once before anything is published: what is wrong with a line, or a symbol that the desk does not
    have, is told first. Of a file that is cut off, what stands before is published, and the exit code is 2. Messages of
    a capture that are no quotes and no trades are passed over and counted.

    When Redis is not there, or goes away, it waits and then goes on at its pace. A synthetic market without --count has
    no end, quotes every symbol at once and goes on where the desk's last quotes stand.
    """
    from fillstream.cli.feeding import as_a_service, going_on, run
    from fillstream.cli.target import find_target
    from fillstream.demo.market_files import Reading
    from fillstream.demo.market_numbers import listed

    reading = Reading(round_sizes)
    endless = source == Source.SYNTHETIC and count is None
    with as_a_service("feed"):
        desk = find_target(config, redis_url)
        _check_venue(venue, desk.topology)
        instruments = listed(desk.settings.instruments)
        with desk.client() as client:
            if endless:
                moments = going_on(client.redis, desk.topology, _quoted(instruments), STARTS_AT, seed, venue)
            else:
                moments = _moments(source, capture, instruments, seed, reading, count)
            speed = 1.0 if endless and speed is None else speed
            records = run(client.redis, desk.topology, moments, speed, heartbeat, venue)
    if json:
        as_json({"records": records, "passed_over": dict(reading.passed_over)})
    else:
        out = console()
        out.print(f"{records:,} quotes and trades published")
        if reading.passed_over:
            out.print(f"passed over: {reading}", markup=False)


def demo(
    capture: Annotated[
        Path | None, typer.Option("--capture", help="A Binance capture for a market.  \\[default: a synthetic one]")
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            "--speed",
            min=0.001,
            help=f"1 is real time.  \\[default: {DEMO_SPEED:.0f}; with --capture as fast as possible]",
        ),
    ] = None,
    signals: Annotated[int, typer.Option("--signals", min=1, help="How many the client publishes.")] = DEMO_SIGNALS,
    seed: Seed = 1,
    venue: Venue = SIM,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Keep everything here.  \\[default: a folder that is removed]")
    ] = None,
    stay: Annotated[
        bool, typer.Option("--stay", help="Keep the desk up afterwards, to look at its page, until Ctrl-C.")
    ] = False,
    json: AsJson = False,
    config: Config = None,
) -> None:
    """Run a whole desk against a market, with a busy client, and check the books.

    \b
    fillstream demo
    fillstream demo --stay                           and look around on its page
    fillstream demo --capture btcusdt.gz --speed 10

    Starts an embedded Valkey and every service as its own process on free ports, publishes signals with XADD as any
    client would, waits until all is quiet, and then proves from the streams alone that everything adds up. The exit
    code is 1 when anything does not. Its venues are ideal, whatever execution.simulation says: it measures the desk.
    Its page, whose address is printed, shows it happening, and asks nobody on this machine who they are.
    """
    from rich.console import Console

    from fillstream.demo.demo import show
    from fillstream.stack.stack import IDEAL_DESK, LocalStack

    out = Console(stderr=True, highlight=False) if json else console()
    with tempfile.TemporaryDirectory(prefix="fillstream-demo-") as scratch:
        stack = LocalStack(
            data_dir or Path(scratch), base_port=0, redis_port=0, config=config, gateway_port=0,
            environ={**IDEAL_DESK, WITHOUT_KEY_VARIABLE: "true"},
        )  # fmt: skip
        _check_venue(venue, stack.settings.topology())
        market, moments = _demo_market(stack.settings, capture, seed)
        if capture is None and speed is None:
            speed = DEMO_SPEED
        result = _played(stack, market, moments, signals, seed, speed, venue, out, stay)
    if json:
        as_json(result)
    else:
        show(result, out)
    if not result["agrees"]:
        raise typer.Exit(Exit.NO)


def _played(
    stack: LocalStack,
    market: Iterator[Moment],
    moments: int,
    signals: int,
    seed: int,
    speed: float | None,
    venue: str,
    out: Console,
    stay: bool,
) -> dict[str, Any]:
    """Start the stack, let the market and a client run, stop it, with `stay` on Ctrl-C; return the summary."""
    from fillstream.demo.demo import DemoError, analytics_counts, judge, play, summary
    from fillstream.demo.market_files import FeedError
    from fillstream.demo.market_numbers import listed
    from fillstream.demo.traffic import Traffic

    traffic = Traffic(listed(stack.settings.instruments), ACCOUNT, seed)
    with stack:
        with out.status(f"starting {', '.join(stack.processes)}"):
            stack.wait_ready()
        out.print(f"the desk is up: Redis at {stack.redis_url}, {len(stack.processes)} processes")
        if stack.has_gateway:
            out.print(f"watch it: {desk_url(stack.url('gateway'))}", markup=False)
        began = time.monotonic()
        try:
            with_analytics = stack.has_analytics
            play(stack.redis_url, stack.settings, market, moments, traffic, signals, speed, out, with_analytics, venue)
        except FeedError as error:
            raise Stop(Exit.USAGE, str(error)) from error
        except DemoError as error:
            raise Stop(Exit.NO, str(error)) from error
        seconds = time.monotonic() - began
        with out.status("checking the books: every stream, and every log folded again"):
            stored = analytics_counts(stack.url("analytics")) if stack.has_analytics else None
            found = judge(stack.redis_url, stack.settings, stored)
        told = summary(found, stored, seconds)
        if stay:
            _stay(stack, told, out)
    return told


def _stay(stack: LocalStack, told: dict[str, Any], out: Console) -> None:
    """Keep the desk up until Ctrl-C."""
    out.print(
        f"its books {'agree' if told['agrees'] else 'DO NOT AGREE'}; the desk stays up until Ctrl-C", markup=False
    )
    if stack.has_gateway:
        out.print(f"its page: {desk_url(stack.url('gateway'))}", markup=False)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


def _check_venue(venue: str, topology: Topology) -> None:
    if venue not in topology.venues:
        raise Stop(Exit.NOT_FOUND, f"venue: must be one of {', '.join(topology.venues)}, got {venue}")


def _quoted(instruments: dict[str, Listed]) -> dict[str, Listed]:
    """Return the instruments that a synthetic market has a beginning for."""
    return {symbol: one for symbol, one in instruments.items() if symbol in STARTS_AT}


def _moments(
    source: str, capture: Path | None, instruments: dict[str, Listed], seed: int, reading: Reading, count: int | None
) -> Iterator[Moment]:
    from fillstream.demo.feeds import binance, proven, quotes_csv, synthetic
    from fillstream.demo.market_files import FeedError

    if source == Source.SYNTHETIC:
        return islice(synthetic(_quoted(instruments), STARTS_AT, seed), count)
    if source == Source.BINANCE:
        if capture is None:
            raise Stop(Exit.USAGE, "capture: `fillstream feed binance` needs the file of a capture")
        read, file = binance, _there(capture)
    elif source.lower().endswith((".csv", ".csv.gz")):
        read, file = quotes_csv, _there(Path(source))
    else:
        raise Stop(
            Exit.USAGE, f"source: {source!r} is none of binance, synthetic and a file that ends with .csv or .csv.gz"
        )
    try:
        return proven(lambda: islice(read(file, instruments, reading), count), reading)
    except FeedError as error:
        raise Stop(Exit.USAGE, f"{error}; nothing is published") from error


def _demo_market(settings: Settings, capture: Path | None, seed: int) -> tuple[Iterator[Moment], int]:
    """Return the market and how many moments it has."""
    from fillstream.demo.feeds import binance, synthetic
    from fillstream.demo.market_files import FeedError
    from fillstream.demo.market_numbers import listed

    instruments = listed(settings.instruments)
    if capture is None:
        shown = {symbol: one for symbol, one in instruments.items() if symbol in DEMO_SYMBOLS}
        return synthetic(shown, STARTS_AT, seed, DEMO_MOMENTS, DEMO_ROUND_NS), DEMO_MOMENTS
    try:
        moments = sum(1 for _ in binance(_there(capture), instruments))
    except FeedError as error:
        raise Stop(Exit.USAGE, str(error)) from error
    if moments == 0:
        raise Stop(Exit.USAGE, f"capture: {capture} has no bookTicker and no trade message")
    return binance(capture, instruments), moments


def _there(file: Path) -> Path:
    if not file.is_file():
        raise Stop(Exit.NOT_FOUND, f"{file}: there is no such file")
    return file
