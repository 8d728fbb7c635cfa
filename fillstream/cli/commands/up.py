"""`fillstream up`: the local stack, in the foreground."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from contextlib import nullcontext
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.commands import RUN
from fillstream.cli.options import Config, ServerUrl
from fillstream.libs.common.messages.stages import name_at
from fillstream.stack.running import (
    BASE_PORT,
    DATA_DIR_VARIABLE,
    GATEWAY_PORT,
    REDIS_PORT,
    WITHOUT_KEY_VARIABLE,
    desk_url,
    safe_url,
)
from fillstream.tools.render import console, print_table

if TYPE_CHECKING:
    from fillstream.stack.stack import LocalStack

LOOK_S = 0.2


GatewayPort = Annotated[
    int | None,
    typer.Option(
        "--gateway-port",
        min=0,
        max=65_535,
        help=f"Of the front door (REST); 0 takes a free one.  \\[default: {GATEWAY_PORT}, with --base-port 0: 0]",
    ),
]


class Feed(StrEnum):
    """Which market the simulated venues play."""

    NONE = "none"
    SYNTHETIC = "synthetic"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=RUN)(up)


def up(
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Where everything is kept.  \\[default: database.data_dir]")
    ] = None,
    feed: Annotated[
        Feed, typer.Option("--feed", help="synthetic: made-up quotes, so that orders fill; none: bring your own.")
    ] = Feed.SYNTHETIC,
    server_url: ServerUrl = None,
    base_port: Annotated[
        int, typer.Option("--base-port", min=0, max=60_000, help="Of the services, counting up; 0 takes free ones.")
    ] = BASE_PORT,
    redis_port: Annotated[
        int, typer.Option("--redis-port", min=0, max=65_535, help="Of the embedded Valkey; 0 takes a free one.")
    ] = REDIS_PORT,
    gateway_port: GatewayPort = None,
    without_key: Annotated[
        bool, typer.Option("--without-key", help="Let everybody on this machine use the front door without a key.")
    ] = False,
    config: Config = None,
) -> None:
    """Start a desk on this machine and keep it running; Ctrl-C stops it cleanly.

    \b
    fillstream up
    fillstream up --data-dir /tmp/desk --base-port 0 --redis-port 0
    REDIS_URL=redis://127.0.0.1:6379 fillstream up --feed none

    An embedded Valkey (append-only file, fsync always) and every service run as processes of their own and are started
    again when they crash. Everything listens on 127.0.0.1 only.
    """
    from fillstream.libs.common.process.settings import load_settings
    from fillstream.services.order_service.app import desk_config
    from fillstream.stack.stack import PYTHON, LocalStack

    settings = load_settings(config)
    desk_config(settings)  # what only the orders stage would refuse is refused before anything starts
    venues = settings.topology().venues if feed is not Feed.NONE else ()
    words = (*PYTHON, "fillstream", "feed", feed.value, "--speed", "1", "--venue")
    more = {name_at("feed", each): (*words, each) for each in venues}
    stack = LocalStack(
        data_dir or settings.database.data_dir, redis_url=server_url, base_port=base_port, redis_port=redis_port,
        config=config, more=more, environ={WITHOUT_KEY_VARIABLE: "true"} if without_key else None,
        gateway_port=(GATEWAY_PORT if base_port else 0) if gateway_port is None else gateway_port,
    )  # fmt: skip
    out = console()
    with _Interrupts() as interrupts, stack:
        with out.status("starting") if out.is_terminal else nullcontext() as shown:
            stack.wait_ready(tell=shown.update if shown else partial(_say, out))
        interrupts.is_up = True
        _show(stack, out)
        _tell_where(stack, settings.database.data_dir, out)
        out.print("try: fillstream signal AAPL BUY 100 --wait     Ctrl-C stops everything", style="dim", markup=False)
        sys.stdout.flush()  # a file or a pipe is told at once, too
        _watch(stack, interrupts.stop, out)
        out.print("stopping: services first, Valkey last")
    for name, each in stack.processes.items():
        if not each.stopped_cleanly:
            text = f"{name} did not stop cleanly: {each.reason}; it recovers at the next start; see {each.spec.log}"
            out.print(text, markup=False, style="yellow")
    out.print("stopped")


def _say(out: Any, text: str) -> None:
    out.print(text, markup=False, soft_wrap=True)
    sys.stdout.flush()


class _Interrupts:
    """Ctrl-C, SIGTERM and a closed terminal: they end a stack that is starting at once, one that is up cleanly."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.is_up = False

    def __enter__(self) -> _Interrupts:
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        self._before = {each: signal.signal(each, self._ask) for each in signals}
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def _ask(self, *_: object) -> None:
        if not self.is_up or self.stop.is_set():
            raise KeyboardInterrupt
        self.stop.set()


def _show(stack: LocalStack, out: Any) -> None:
    from fillstream.stack.extras import how_to_get

    rows: list[tuple[Any, ...]] = []
    if not stack.embedded:
        rows.append(("redis", safe_url(stack.redis_url), None, "yours"))
    for name, each in stack.processes.items():
        at = safe_url(stack.redis_url) if name == "valkey" else each.spec.url
        rows.append((name, at, each.pid, each.spec.log.relative_to(stack.data_dir)))
    print_table(out, "the desk is up", ("what", "where", "pid", "log"), rows)
    out.print(f"data and logs: {stack.data_dir}", markup=False, soft_wrap=True)
    out.print("every service: /health /ready /metrics /docs", markup=False)
    if any(name.startswith("feed") for name in stack.processes):
        out.print("the market is made up (--feed none for none)", style="yellow")
    _show_door(stack, out)
    if not stack.has_analytics and stack.settings.database.type != "none":
        text = f"analytics is not installed: no orders, fills, positions and SQL to read; {how_to_get('analytics')}"
        out.print(text, style="yellow", markup=False)


def _show_door(stack: LocalStack, out: Any) -> None:
    from fillstream.stack.extras import how_to_get

    if not stack.has_gateway:
        text = f"the gateway is not installed: no REST and no WebSocket; {how_to_get('gateway')}"
        out.print(text, style="yellow", markup=False)
        return
    out.print(f"the web desk: {desk_url(stack.url('gateway'))}", markup=False, style="bold")
    if stack.without_key:
        out.print("the gateway asks for no key: whoever is on this machine may trade", style="yellow", markup=False)
    else:
        out.print("people log in: fillstream user create NAME --role trader", markup=False)
        out.print("programs show a key: fillstream key create NAME --scopes trader", markup=False)


def _tell_where(stack: LocalStack, usual: Path, out: Any) -> None:
    """Say how commands find the desk: they look where the settings have its data, and would find another or none."""
    if stack.data_dir.resolve() != usual.resolve():
        text = f"in other terminals first: export {DATA_DIR_VARIABLE}={shlex.quote(str(stack.data_dir.resolve()))}"
        out.print(text, markup=False, soft_wrap=True)


def _watch(stack: LocalStack, stop: threading.Event, out: Any) -> None:
    """Tell of restarts until asked to stop."""
    told = dict.fromkeys(stack.processes, (0, ""))
    while not stop.wait(LOOK_S):
        for name, each in stack.processes.items():
            now = (each.restarts, each.state if each.state == "failed" else "")
            if now != told[name]:
                told[name] = now
                what = "is left alone" if each.state == "failed" else f"was started again ({each.restarts}.)"
                out.print(f"{name} {what}: {each.reason}; see {each.spec.log}", markup=False, style="red")
