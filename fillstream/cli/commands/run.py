"""`fillstream run`: run a strategy on a desk."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from fillstream.cli.commands import RUN
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import Config, RedisUrl
from fillstream.cli.strategy_options import StrategyAccount, StrategyFile, StrategyName, Told, failed, told
from fillstream.tools.render import console

PATIENCE_S = 60.0
"""So long a server that went away is waited for."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=RUN)(run)


def run(
    strategy: StrategyFile,
    parameter: Told = None,
    account: StrategyAccount = "default",
    name: StrategyName = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="FILE", help="Where it keeps how far it has come.  \\[default: NAME.run.json]"),
    ] = None,
    warm_up: Annotated[
        str | None,
        typer.Option("--warm-up", metavar="TIME", help="So much of the past is told first, so that it remembers: 1h."),
    ] = None,
    late: Annotated[
        str | None,
        typer.Option("--late", metavar="TIME", help="Of what markets told longer ago, nothing is sent: 30s."),
    ] = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Run a strategy on a desk: the file that `fillstream backtest` runs, unchanged.

    \b
    fillstream run crossing.py --set fast=10
    fillstream run crossing.py --account demo --warm-up 1h --late 30s

    It goes on until Ctrl-C or SIGTERM, then on_stop is called. Started again, it goes on behind the last thing that it
    was told, and nothing is sent twice: a signal's id follows from what it was sent for. With another --state, or
    without that file, it begins anew. Quotes of a desk come ten times a second of an instrument at most.
    """
    from fillstream.cli.target import find_target
    from fillstream.client import Client
    from fillstream.strategy.desk import Desk
    from fillstream.strategy.live import LiveRun
    from fillstream.strategy.market import interval_ms
    from fillstream.strategy.strategy import fresh, load_strategy, name_of, parameters_of

    desk_at = find_target(config, redis_url)
    settings = desk_at.settings
    if account not in settings.accounts:
        raise Stop(Exit.NOT_FOUND, f"account: {account} must be one of {', '.join(settings.accounts)}")
    with failed():
        made = load_strategy(strategy)
        called = name_of(made, name)
        desk = Desk(called, account, parameters_of(made, told(parameter)))
        venues = {symbol: each.venue or settings.execution.venue for symbol, each in settings.instruments.items()}
        with Client(desk_at.redis_url, desk_at.topology, patience_s=PATIENCE_S) as client:
            live = LiveRun(
                fresh(made), desk, client, state or Path(f"{called}.run.json"), venues,
                interval_ms(warm_up, "--warm-up") if warm_up else 0, interval_ms(late, "--late") if late else None,
            )  # fmt: skip
            going_on = live.progress is not None and live.progress.has_started
            console().print(f"{called} runs for {account}{', going on where it was' if going_on else ''}", markup=False)
            with _until_asked() as is_over:
                live.run(is_over)
    console().print(f"{called} has ended: {live.sent:,} signals sent", markup=False)


@contextmanager
def _until_asked() -> Iterator[Callable[[], bool]]:
    """Take Ctrl-C and SIGTERM as a wish, not as an error."""
    asked: list[int] = []
    before = {each: signal.signal(each, lambda number, _: asked.append(number)) for each in _SIGNALS}
    try:
        yield lambda: bool(asked)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)
