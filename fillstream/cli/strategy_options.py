"""What commands have in common that run a strategy: its options, and what is said when it cannot go on.

Flows in: options as they were typed. Flows out: values; `Stop` with a sentence. Never a stack trace of the desk's own
where a strategy's line says more.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from fillstream.cli.exit_codes import Exit, Stop
from fillstream.libs.common.values.naming import shorten

StrategyFile = Annotated[
    str,
    typer.Argument(metavar="STRATEGY", help="FILE.py, FILE.py:NAME or MODULE:NAME: a class, or a file of functions."),
]
Told = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="NAME=VALUE", help="A parameter of the strategy; may be repeated."),
]
StrategyAccount = Annotated[str, typer.Option("--account", help="Whose orders it sends.")]
StrategyName = Annotated[
    str | None, typer.Option("--name", help="Of the strategy in its signals.  \\[default: its class's]")
]
FRAMES = 5
"""Of a strategy's own code, so many lines at most are shown where it failed."""


def told(parameters: list[str] | None) -> dict[str, str]:
    """Return parameters as they were typed, by name."""
    found = {}
    for each in parameters or ():
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise Stop(Exit.USAGE, f"--set: {shorten(each)} must be NAME=VALUE")
        found[name] = value
    return found


@contextmanager
def failed() -> Iterator[None]:
    """Say in a sentence what ends a run: a value that cannot be, or a strategy's own mistake, where it stands."""
    from fillstream.backtest.driver import Unordered  # noqa: PLC0415 - --help needs no stages
    from fillstream.demo.market_files import FeedError  # noqa: PLC0415
    from fillstream.strategy.session import StrategyFailed  # noqa: PLC0415

    try:
        yield
    except StrategyFailed as error:
        cause = error.__cause__
        frames = traceback.extract_tb(cause.__traceback__ if cause else None)
        own = [frame for frame in frames if "/fillstream/strategy/" not in frame.filename][-FRAMES:]
        lines = "".join(f"\n  {frame.filename}:{frame.lineno}: {frame.line}" for frame in own)
        raise Stop(Exit.NO, f"the strategy failed: {error}{lines}") from error
    except Unordered as error:
        raise Stop(Exit.NO, str(error)) from error
    except (ValueError, FeedError) as error:
        raise Stop(Exit.USAGE, str(error)) from error
