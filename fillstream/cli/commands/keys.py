"""`fillstream key`: who may call the gateway: keys are made, listed and revoked."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.commands import RUN
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import OPERATOR_VARIABLE, AsJson, Config, OperatorUrl, RedisUrl, Who, login
from fillstream.libs.common.process.keys import MAX_RATE_LIMIT, ROLES, Scope, expiry, named, scopes_of
from fillstream.libs.common.runtime.exit_codes import ANALYTICS_VARIABLE
from fillstream.tools.render import as_json, console, printable, show, time_of

if TYPE_CHECKING:
    import redis

    from fillstream.libs.common.messages.topology import Topology
    from fillstream.libs.common.process.hooks import Hook
    from fillstream.libs.common.process.keys import Key

COLUMNS = ("id", "name", "scopes", "accounts", "created", "expires", "last_used", "state")
THERE = "SELECT account AS name FROM accounts UNION SELECT alias FROM aliases ORDER BY name"
SPARE = ("created", "last_used", "expires")
"""See `fillstream.tools.render.print_table`."""

Expires = Annotated[
    str | None,
    typer.Option(
        "--expires",
        metavar="WHEN",
        help="In days or hours (90d, 12h), or as a day begins in UTC (2027-01-01).  \\[default: never]",
    ),
]
RateLimit = Annotated[int | None, typer.Option("--rate-limit", min=1, max=MAX_RATE_LIMIT, help="Calls a minute.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help=ABOUT)
    group.command("create")(create)
    group.command("list")(list_)
    group.command("revoke")(revoke)
    app.add_typer(group, name="key", rich_help_panel=RUN)


ABOUT = """Keys of the gateway: who may call it, for what, until when (docs/keys.md).

\b
fillstream key create bot --scopes trader --account default --expires 90d
fillstream key list
fillstream key revoke bot
"""


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What you call it; no other live key is called so.")],
    scopes: Annotated[
        str,
        typer.Option(
            "--scopes",
            help=f"What it is for: roles ({', '.join(ROLES)}) and scopes (orders:read …), comma separated.",
        ),
    ] = "viewer",
    accounts: Annotated[
        list[str] | None,
        typer.Option("--account", "-a", help="Whose it is; may be repeated.  \\[default: every account's]"),
    ] = None,
    expires: Expires = None,
    rate_limit: RateLimit = None,
    who: Who = None,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Make a key, and show its secret, this once: the desk keeps its hash alone.

    \b
    fillstream key create dashboard
    fillstream key create bot --scopes trader --account default --account demo --expires 90d
    fillstream key create ci --scopes orders:write,orders:read --rate-limit 600 --json
    """
    now_ms = _now_ms()
    desk = operator_url, redis_url, config
    key, secret = made(
        desk, name, lambda: scopes_of(scopes), now_ms=now_ms, who=who,
        accounts=accounts or [], expires=expires, rate_limit=rate_limit,
    )  # fmt: skip
    if json:
        as_json({**told_of(key, now_ms), "secret": secret})
    else:
        out = console()
        out.print(f"id      {key.id}", markup=False, soft_wrap=True)
        out.print(f"secret  {secret}", markup=False, soft_wrap=True)
    typer.echo(f"{key.name}: the secret is not shown again; the desk has its hash alone", err=True)
    if Scope.SQL_READ in key.scopes and not key.may(Scope.SQL_READ):
        typer.echo(f"{key.name}: sql:read is of no use to a key for some accounts: SQL is of every account", err=True)
    warn_of_strangers(desk, key)


def list_(
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """List the keys: for what they are, until when, when they were last used, and whether they still are of use.

    \b
    fillstream key list
    fillstream key list --json
    """
    from fillstream.tools.gateway_keys import kept

    now_ms = _now_ms()
    with operator(operator_url, redis_url, config) as (client, topology):
        there, problems = kept(client, topology)
    rows = [{**told_of(each.key, now_ms), "last_used_ms": each.last_used_ms} for each in there]
    show("keys", COLUMNS, rows if json else [shown_of(row) for row in rows], json, SPARE)
    for problem in problems:
        typer.echo(f"{problem}: it lets nobody in", err=True)


def revoke(
    key: Annotated[str, typer.Argument(metavar="ID|NAME", help="Which; `fillstream key list` has them.")],
    who: Who = None,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Revoke a key for good. Doing it again changes nothing.

    \b
    fillstream key revoke bot
    fillstream key revoke fk_0123456789Ab --json
    """
    ended((operator_url, redis_url, config), key, now_ms=_now_ms(), who=who, json=json)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


Desk = tuple[str | None, str | None, Path | None]
"""What the options of that name say: --operator-url, --redis-url, --config."""


def made(
    desk: Desk,
    name: str,
    scopes: Callable[[], tuple[Scope, ...]],
    *,
    now_ms: int,
    who: str | None,
    accounts: list[str],
    expires: str | None,
    rate_limit: int | None,
    hook: Callable[[], Hook] | None = None,
) -> tuple[Key, str]:
    """Make a key, a hook where that is said, and return it with its secret.

    Raises:
        Stop: something of it cannot be, or its name is taken.
    """
    from fillstream.tools.gateway_keys import NameTaken, create

    with operator(*desk) as (client, topology):
        try:
            return create(
                client, topology, name, scopes(), now_ms=now_ms, who=who or login(), accounts=accounts,
                expires_ms=expiry(expires, now_ms) if expires else None, rate_limit=rate_limit,
                hook=None if hook is None else hook(),
            )  # fmt: skip
        except ValueError as error:
            raise Stop(Exit.USAGE, str(error)) from None
        except NameTaken as error:
            raise Stop(Exit.NO, str(error)) from None


def warn_of_strangers(desk: Desk, key: Key) -> None:
    """Say on standard error which of a key's accounts the desk does not have; nothing where nobody tells what it has.

    A key may be made before its account is. Analytics tells which there are; an alias is a name like an account's.
    """
    from redis.exceptions import RedisError

    from fillstream.cli.target import urls_of
    from fillstream.client.analytics import AnalyticsError
    from fillstream.client.sync import Client

    if not key.accounts:
        return
    urls = urls_of(*desk)
    try:
        with Client(urls.url, urls.topology, analytics_url=os.environ.get(ANALYTICS_VARIABLE) or None) as client:
            there = [str(row["name"]) for row in client.sql(THERE).rows]
    except (AnalyticsError, RedisError):
        return  # the key is made, and what it is for is not known
    for account in key.accounts:
        if there and account not in there:
            told = f"{key.name}: the desk has no account {account} yet; it has {', '.join(there)}"
            typer.echo(told, err=True)


@contextmanager
def told_where_none(word: str, what: str) -> Iterator[None]:
    """End the command with a sentence where it cannot be said which key is meant, a `key` or a `hook`."""
    from fillstream.libs.common.values.versions import Unreadable
    from fillstream.tools.gateway_keys import NoKey, NotOneKey

    try:
        yield
    except NoKey:
        told = f"there is no {what} {printable(word)}; `fillstream {what} list` lists them"
        raise Stop(Exit.NOT_FOUND, told) from None
    except (NotOneKey, Unreadable) as error:
        raise Stop(Exit.NO, str(error)) from None
    except ValueError as error:
        raise Stop(Exit.USAGE, str(error)) from None


def ended(desk: Desk, word: str, *, now_ms: int, who: str | None, json: bool, is_hook: bool = False) -> None:
    """Revoke a key and say so; of hooks alone where that is said."""
    from fillstream.tools.gateway_keys import revoke as end

    with operator(*desk) as (client, topology), told_where_none(word, "hook" if is_hook else "key"):
        it, is_new = end(client, topology, word, now_ms=now_ms, who=who or login(), is_hook=is_hook)
    if json:
        as_json(told_of(it, now_ms))
        return
    since = "" if is_new else f" since {time_of(it.revoked_ms)}, by {it.revoked_by}"
    console().print(f"{it.name} ({it.id}) is revoked{since}", markup=False, style="green", soft_wrap=True)


@contextmanager
def operator(
    operator_url: str | None, redis_url: str | None, config: Path | None
) -> Iterator[tuple[redis.Redis, Topology]]:
    """Yield a connection to the desk as its operator, who alone may see and write keys."""
    import redis

    from fillstream.cli.target import urls_of
    from fillstream.libs.common.runtime.log import connect

    desk = urls_of(operator_url, redis_url, config)
    with connect(desk.url) as client:
        try:
            yield client, desk.topology
        except redis.exceptions.NoPermissionError as error:
            raise Stop(
                Exit.NO, f"Redis: {error}; {OPERATOR_VARIABLE} or --operator-url names the user that may: operator"
            ) from None


def told_of(key: Key, now_ms: int) -> dict[str, Any]:
    """Return what programs are told of a key: all but what its secret hashes to; `hook` of a hook alone."""
    hook = {} if key.hook is None else {"hook": key.hook.dump()}
    return {
        "id": key.id, "name": key.name, "state": key.state(now_ms), "scopes": list(key.scopes),
        "accounts": list(key.accounts), "rate_limit": key.rate_limit, "created_ms": key.created_ms,
        "created_by": key.created_by, "expires_ms": key.expires_ms, "revoked_ms": key.revoked_ms,
        "revoked_by": key.revoked_by, **hook,
    }  # fmt: skip


def shown_of(told: dict[str, Any]) -> dict[str, Any]:
    """Return what people are shown of a key."""
    times = {name: time_of(told[f"{name}_ms"]) for name in ("created", "expires", "last_used")}
    scopes = f"hook: {told['hook']['kind']}" if "hook" in told else named(told["scopes"])
    return {**told, **times, "scopes": scopes, "accounts": ", ".join(told["accounts"]) or "every"}
