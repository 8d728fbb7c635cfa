"""`fillstream limits`: which limits count, override some, let the file's count again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.commands import REPAIR
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import (
    OPERATOR_VARIABLE,
    AnalyticsUrl,
    AsJson,
    Config,
    OperatorUrl,
    RedisUrl,
    Who,
    login,
)
from fillstream.tools.render import as_json, console, show

if TYPE_CHECKING:
    from fillstream.cli.target import Urls
    from fillstream.client import Answer

SPARE = ("account_id", "max_slippage_bps", "min_order_size")

AccountName = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Whose limits.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, in your words; kept in the journal.")]
ControlId = Annotated[
    str | None, typer.Option("--id", help="control_id: sending the same one again is safe.  \\[default: a new UUID]")
]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait for the answer.")]

room = typer.Typer(no_args_is_help=True, help="Show, override and reset limits of accounts.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(room, name="limits", rich_help_panel=REPAIR)


@room.command(name="show")
def show_limits(
    account: Annotated[str | None, typer.Argument(help="Of this account only.")] = None,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """List the limits that count, and which of them are overridden.

    \b
    fillstream limits show
    fillstream limits show default --json
    """
    from fillstream.cli.analytics_client import AnalyticsClient
    from fillstream.cli.target import find_target
    from fillstream.libs.common.messages.controls import LIMITS

    columns = ["account", *LIMITS, "overridden"]
    one = "" if account is None else " WHERE account = '{}'".format(account.replace("'", "''"))
    query = f"SELECT {', '.join(columns)} FROM accounts{one} ORDER BY account"  # noqa: S608 - the name is quoted
    with AnalyticsClient(find_target(config, redis_url).analytics_url(analytics_url)) as ask:
        rows = ask.sql(query, 100_000).rows
    if account is not None and not rows:
        raise Stop(Exit.NOT_FOUND, f"account: {account} is none of this desk; `fillstream limits show` lists them")
    for row in rows:
        row["overridden"] = row["overridden"] or []
    if not json:
        from fillstream.libs.common.messages.reference import AccountTerms, written

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
    redis_url: RedisUrl = None,
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
    from fillstream.cli.target import urls_of

    urls = urls_of(operator_url, redis_url, config)
    _answer(_told(urls, "SetLimits", account, who, reason, control_id, timeout, limits=values), json)


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
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Let the file's limits of an account count again.

    \b
    fillstream limits reset default --reason "back to normal"
    fillstream limits reset default max_order_value --reason "back to normal"
    """
    more = {"fields": fields} if fields else {}
    from fillstream.cli.target import urls_of

    urls = urls_of(operator_url, redis_url, config)
    _answer(_told(urls, "ResetLimits", account, who, reason, control_id, timeout, **more), json)


def _told(
    urls: Urls, kind: str, account: str, who: str | None, reason: str, control_id: str | None, timeout: float,
    **more: Any,
) -> Answer:  # fmt: skip
    import redis

    from fillstream.client import Client

    with Client(urls.url, urls.topology) as client:
        try:
            return client.control(
                kind, account, who=who or login(), reason=reason, control_id=control_id, timeout_s=timeout, **more
            )
        except ValueError as error:
            raise Stop(Exit.USAGE, str(error)) from None
        except redis.exceptions.NoPermissionError as error:
            raise Stop(
                Exit.NO, f"Redis: {error}; {OPERATOR_VARIABLE} or --operator-url names the user that may: operator"
            ) from None


def _answer(answer: Answer, json: bool) -> None:
    if json:
        as_json(
            {
                "control_id": answer.control_id,
                "refusal": answer.refusal,
                "text": answer.text,
                "events": answer.events,
            }
        )
    else:
        style = "red" if answer.refusal else "green"
        console().print(answer.text, markup=False, style=style, soft_wrap=True)
    if answer.refusal:
        raise typer.Exit(Exit.NO)
