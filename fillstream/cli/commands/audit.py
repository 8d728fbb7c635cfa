"""`fillstream audit`: who did what at the gateway."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fillstream.cli.commands import LOOK
from fillstream.cli.commands.keys import operator
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import AsJson, Config, Limit, OperatorUrl, RedisUrl
from fillstream.libs.common.process.audited import Action, Search
from fillstream.tools.render import printable, show, time_of

COLUMNS = ("time", "who", "caller", "address", "action", "outcome", "method", "path", "status")
SPARE = ("caller", "address")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("audit", rich_help_panel=LOOK)(audit)


def audit(
    who: Annotated[str | None, typer.Option("--of", help="Of this person or key only, by its name.")] = None,
    action: Annotated[str | None, typer.Option("--action", help=f"Of this kind only: {', '.join(Action)}.")] = None,
    limit: Limit = 100,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Show who logged in, failed to, and changed something at the gateway; the newest first.

    \b
    fillstream audit
    fillstream audit --of anna --action write --limit 20
    fillstream audit --action lockout --json
    """
    if action is not None and action not in [*Action]:
        raise Stop(Exit.USAGE, f"--action: {printable(action)} must be one of {', '.join(Action)}")
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    with operator(operator_url, redis_url, config) as (client, topology):
        raw: Any = client
        while len(rows) < limit:
            search = Search(who, action, cursor, limit - len(rows))
            while not search.is_done:
                search.take(raw.xrevrange(topology.audit, *_range(search)))
            rows += search.found
            cursor = search.next
            if cursor is None:
                break
    shown = [{**row, "time": time_of(row.get("time"))} for row in rows]
    show("audit", COLUMNS, rows if json else shown, json, SPARE)


def _range(search: Search) -> tuple[str, str, int]:
    high, low, _, count = search.command
    return high, low, int(count)
