"""`fillstream flow`: do FlowManager's event log on a desk in this one process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fillstream.cli.commands import RUN
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import AsJson, Config

if TYPE_CHECKING:
    from fillstream.flow.position_manager import State

File = Annotated[
    str, typer.Argument(metavar="FILE|-", help="The event log, a JSON object a line; - is standard input.")
]
Price = Annotated[
    list[str] | None,
    typer.Option(
        "--price", metavar="SYMBOL=PRICE", help="Of an instrument, may be repeated; what is given none is at 100."
    ),
]
Size = Annotated[str, typer.Option("--size", metavar="QTY", help="Quoted on each side, and there again every second.")]
WhoseAccount = Annotated[str, typer.Option("--account", help="Whose positions these are.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=RUN)(flow)


def flow(
    file: File,
    price: Price = None,
    size: Size = "1000",
    account: WhoseAccount = "default",
    json: AsJson = False,
    config: Config = None,
) -> None:
    """Do FlowManager's event log: targets, waits, and what is held, on the whole desk in this process.

    \b
    fillstream flow events.jsonl
    fillstream flow events.jsonl --price AAPL=185.2 --size 50
    fillstream flow - --json

    \b
    {"Event" : "Target", "Symbol" : "AAPL", "Target" : 80}
    {"Event" : "Wait", "Seconds" : 4}
    {"Event" : "LogPosition"}

    Each LogPosition prints a line. Time is the desk's own: a wait takes no time. No server is needed, and the same log
    gives the same. The exit code is 1 when a target is not held at the end, a minute after the log at most.
    """
    from fillstream.demo.market_numbers import listed
    from fillstream.flow.event_log import EventLogError, read_events
    from fillstream.flow.replay import replay
    from fillstream.libs.common.process.settings import load_settings
    from fillstream.tools.render import as_json

    settings = load_settings(config)
    prices = _prices(price or [])
    quoted = _decimal("size", size)
    try:
        events = read_events(_lines(file), listed(settings.instruments))
    except EventLogError as error:
        raise Stop(Exit.USAGE, f"{_name(file)}: {error}") from None
    except OSError as error:
        raise Stop(Exit.USAGE, f"{_name(file)}: cannot be read: {error.strerror}") from None
    tell = _silent if json else _print
    try:
        done = replay(events, settings=settings, account=account, prices=prices, size=quoted, log=tell)
    except ValueError as error:
        raise Stop(Exit.USAGE, str(error)) from None
    if json:
        as_json(
            {
                "log": done.states,
                "final": done.final,
                "targets": done.targets,
                "unreached": done.unreached,
                "ended": done.ended_ms,
                "hash": done.hash,
            }
        )
    if done.unreached:
        raise Stop(Exit.NO, "\n".join(done.unreached.values()))


def _silent(state: State) -> None:
    """All of it is shown at the end."""


def _print(state: State) -> None:
    from fillstream.flow.position_manager import line_of

    typer.echo(line_of(state))


def _name(file: str) -> str:
    return "standard input" if file == "-" else file


def _lines(file: str) -> Iterator[bytes]:
    if file == "-":
        yield from sys.stdin.buffer
        return
    with Path(file).open("rb") as lines:
        yield from lines


def _prices(said: list[str]) -> dict[str, Decimal]:
    found = {}
    for each in said:
        symbol, equals, price = each.partition("=")
        if not symbol or not equals:
            raise Stop(Exit.USAGE, f"--price: {each!r} must be SYMBOL=PRICE, as AAPL=185.2")
        found[symbol] = _decimal(f"--price {symbol}", price)
    return found


def _decimal(name: str, text: str) -> Decimal:
    from fillstream.libs.common.values.money import parse

    try:
        return parse(text)
    except ValueError as error:
        raise Stop(Exit.USAGE, f"{name}: {error}") from None
