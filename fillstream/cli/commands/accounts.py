"""`fillstream accounts` and `switch`: who trades, for money or on paper, and under which name."""

from __future__ import annotations

from typing import Annotated

import typer

from fillstream.cli.asking import analytics
from fillstream.cli.commands import LOOK, REPAIR
from fillstream.cli.controlling import ControlId, Reason, Timeout, tell
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import AnalyticsUrl, AsJson, Config, Desk, OperatorUrl, Who
from fillstream.libs.common.messages.codes import PositionMode
from fillstream.tools.render import show

ACCOUNTS = """
WITH standing AS (
    SELECT account, new_state FROM events WHERE type = 'TradingStateChanged'
    QUALIFY row_number() OVER (PARTITION BY account ORDER BY time DESC, seq DESC) = 1
), desk AS (
    SELECT max(new_state) FILTER (account IS NULL) AS new_state FROM standing
)
SELECT a.account, m.mode, m.alias, a.venue, a.currency, coalesce(s.new_state, 'ACTIVE') AS trading_state,
       coalesce(d.new_state, 'ACTIVE') AS desk_state, a.position_mode
FROM accounts a LEFT JOIN modes m USING (account) LEFT JOIN standing s USING (account) CROSS JOIN desk d
ORDER BY a.account
"""
COLUMNS = ("account", "mode", "alias", "venue", "currency", "trading_state", "desk_state")
HEDGING = "position_mode"
"""Shown where an account hedges."""

Alias = Annotated[
    str, typer.Argument(metavar="ALIAS", help="The name that signals go by; `fillstream accounts` has it.")
]
To = Annotated[str | None, typer.Argument(metavar="[ACCOUNT]", help="To which it points from now on, or --reset.")]
Reset = Annotated[bool, typer.Option("--reset", help="Point where the configuration says, whatever it will say.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel=LOOK)(accounts)
    app.command(rich_help_panel=REPAIR)(switch)


def accounts(
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """List the accounts: LIVE or PAPER, the alias that points there, their venue, and what they may do.

    \b
    fillstream accounts
    fillstream accounts --json

    An account without a mode of its own has that of the venues its orders go to. The stricter of trading_state and
    desk_state counts. `fillstream limits get ACCOUNT` has its limits.
    """
    with analytics(config, desk, analytics_url) as ask:
        rows = ask.sql(ACCOUNTS, 100_000).rows
    columns = (*COLUMNS, HEDGING) if any(row[HEDGING] == PositionMode.HEDGING for row in rows) else COLUMNS
    show("accounts", columns, rows, json, ("currency", "desk_state"))


def switch(
    alias: Alias,
    reason: Reason,
    to: To = None,
    reset: Reset = False,
    who: Who = None,
    control_id: ControlId = None,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Let an alias point to another of its accounts: from paper to live, or back.

    \b
    fillstream switch main main@live --reason "the trial is over"
    fillstream switch main main@paper --reason "back to the drawing board" --json
    fillstream switch main --reset --reason "as the file says"

    It is refused while an order of either account works: `fillstream cancel-all --account main` first. Positions stay
    where they are. It stands, whatever is started again, until it is switched or reset.
    """
    if (to is None) != reset:
        raise Stop(Exit.USAGE, "ACCOUNT: name an account, or --reset to let the configuration say, and not both")
    tell("SwitchAlias", alias, who, reason, control_id, timeout, json, (operator_url, desk, config), to=to)
