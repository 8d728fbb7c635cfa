"""`fillstream breakers`: which circuit breakers are open, since when and why."""

from __future__ import annotations

from typing import Annotated

import typer

from fillstream.cli.asking import analytics
from fillstream.cli.commands import LOOK
from fillstream.cli.options import AnalyticsUrl, AsJson, Config, Desk
from fillstream.tools.render import show, time_of

NEWEST = """
SELECT scope, account, name, new_state AS state, cause, time AS since, text
FROM events WHERE type = 'BreakerChanged'
QUALIFY row_number() OVER (PARTITION BY log_stream, scope, account, name ORDER BY seq DESC) = 1
ORDER BY scope, account, name
"""
COLUMNS = ("scope", "account", "name", "state", "cause", "since", "text")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=LOOK)(breakers)


def breakers(
    all_of_them: Annotated[bool, typer.Option("--all", help="Those that closed again, too.")] = False,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """List the circuit breakers that are open or half open, since when and why.

    \b
    fillstream breakers
    fillstream breakers --all --json

    `fillstream limits set ACCOUNT breaker_orders=100 …` makes one; docs/controls.md has what they count.
    """
    with analytics(config, desk, analytics_url) as ask:
        rows = ask.sql(NEWEST, 100_000).rows
    rows = [row for row in rows if all_of_them or row["state"] != "CLOSED"]
    for row in rows:
        row["since"] = row["since"] if json else time_of(row["since"])
    show("breakers", COLUMNS, rows, json, ("text",))
