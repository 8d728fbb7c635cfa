"""`fillstream limits`: which limits count, override some, let the file's count again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fillstream.cli.asking import analytics
from fillstream.cli.commands import REPAIR
from fillstream.cli.controlling import ControlId, Reason, Timeout, tell
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import AnalyticsUrl, AsJson, Config, Desk, OperatorUrl, Who
from fillstream.tools.render import show

SPARE = ("account_id", "max_slippage_bps", "min_order_size")

AccountName = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Whose limits.")]

HELP = """Show, override and reset limits of accounts.

\b
fillstream limits show
fillstream limits get default --json
fillstream limits set default max_order_value=5000 --reason "earnings tonight"
fillstream limits reset default --reason "back to normal"
"""

room = typer.Typer(no_args_is_help=True, help=HELP)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(room, name="limits", rich_help_panel=REPAIR)


@room.command(name="show")
def show_limits(
    account: Annotated[str | None, typer.Argument(help="Of this account only.")] = None,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """List the limits that count, and which of them are overridden.

    \b
    fillstream limits show
    fillstream limits show default --json
    """
    from fillstream.libs.common.messages.controls import LIMITS

    columns = ["account", *LIMITS, "overridden"]
    one = "" if account is None else " WHERE account = '{}'".format(account.replace("'", "''"))
    query = f"SELECT {', '.join(columns)} FROM accounts{one} ORDER BY account"  # noqa: S608 - the name is quoted
    with analytics(config, desk, analytics_url) as ask:
        rows = ask.sql(query, 100_000).rows
    if account is not None and not rows:
        raise Stop(Exit.NOT_FOUND, f"account: {account} is none of this desk; `fillstream limits show` lists them")
    for row in rows:
        row["overridden"] = row["overridden"] or []
    if not json:
        from fillstream.libs.common.messages.reference import AccountTerms
        from fillstream.libs.common.messages.terms import written

        # Most desks set few of them, and a table of all is wider than a screen.
        off: dict[str, tuple[Any, ...]] = {
            name: (None, written(default), []) for name, default in AccountTerms.rare().items()
        }
        unset = {name for name in columns if name in off and all(row[name] in off[name] for row in rows)}
        columns = [name for name in columns if name not in unset]
        for row in rows:
            for name, value in row.items():
                if isinstance(value, list):
                    row[name] = ", ".join(value) or None
    show("limits", columns, rows, json, SPARE)


@room.command(name="get")
def get_limits(
    account: AccountName,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME…]", help="Which limits.  \\[default: those that are set]")
    ] = None,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Tell of each limit of an account what counts, what the file says, and what an operator set before it.

    \b
    fillstream limits get default
    fillstream limits get default max_order_value max_position
    fillstream limits get default --json

    The file is the configuration that this command reads; a desk that was started with another has other values in it.
    --json has every limit, set or not.
    """
    from fillstream.cli.target import find_desk
    from fillstream.libs.common.messages.controls import LIMITS
    from fillstream.libs.common.messages.reference import AccountTerms
    from fillstream.libs.common.messages.terms import written

    for name in names or ():
        if name not in LIMITS:
            raise Stop(Exit.USAGE, f"{name}: is no limit; there are {', '.join(LIMITS)}")
    found_desk = find_desk(config, desk)
    quoted = account.replace("'", "''")
    query = f"SELECT {', '.join(LIMITS)}, overridden FROM accounts WHERE account = '{quoted}'"  # noqa: S608 - it is quoted
    with found_desk.analytics(analytics_url) as ask:
        found = ask.sql(query, 1).rows
    if not found:
        raise Stop(Exit.NOT_FOUND, f"account: {account} is none of this desk; `fillstream accounts` lists them")
    [counts] = found
    rare = {name: written(default) for name, default in AccountTerms.rare().items()}
    file = found_desk.settings.accounts.get(account)
    rows = []
    for name in names or LIMITS:
        value = rare.get(name) if counts[name] is None and name in rare else counts[name]
        is_overridden = name in (counts["overridden"] or ())
        said = None if file is None else _said(written(getattr(file, name)))
        row = {"limit": name, "value": _said(value), "file": said, "override": _said(value) if is_overridden else None}
        if json or names or is_overridden or _said(value) != _said(rare.get(name)):
            rows.append(row)
    show(f"limits of {account}", ("limit", "value", "file", "override"), rows, json)


def _said(value: Any) -> str | None:
    """Return a limit as `limits set` takes it; None of one that is off."""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or None
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


@room.command(name="set")
def set_limits(
    account: AccountName,
    limits: Annotated[list[str], typer.Argument(metavar="NAME=VALUE…", help="max_order_value=5000, for one.")],
    reason: Reason,
    who: Who = None,
    control_id: ControlId = None,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Override limits of an account, until they are reset. Orders are judged by them at once.

    \b
    fillstream limits set default max_order_value=5000 max_daily_orders=20 --reason "earnings tonight"
    fillstream limits set default max_position=100 restricted_symbols=TSLA,GME --reason "new trader"
    fillstream limits set default max_position=null --reason "no limit, whatever the file says"

    The exit code is 1 when it was refused, and 5 when nothing was heard in time.
    """
    values: dict[str, str | None] = {}
    for each in limits:
        name, is_one, value = each.partition("=")
        if not is_one or not name or not value:
            raise Stop(Exit.USAGE, f"{each}: is not NAME=VALUE, as in max_order_value=5000")
        if name in values:
            raise Stop(Exit.USAGE, f"{name}: is given twice")
        values[name] = None if value == "null" else value
    urls = (operator_url, desk, config)
    tell("SetLimits", account, who, reason, control_id, timeout, json, urls, limits=values)


@room.command(name="reset")
def reset_limits(
    account: AccountName,
    reason: Reason,
    fields: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME…]", help="Which limits.  \\[default: all of them]")
    ] = None,
    who: Who = None,
    control_id: ControlId = None,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Let the file's limits of an account count again.

    \b
    fillstream limits reset default --reason "back to normal"
    fillstream limits reset default max_order_value --reason "back to normal"
    """
    urls = (operator_url, desk, config)
    tell("ResetLimits", account, who, reason, control_id, timeout, json, urls, fields=fields or None)
