"""`fillstream hook`: where other software posts alerts that become signals: hooks are made, listed, tried, revoked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.commands import RUN
from fillstream.cli.commands.keys import (
    Expires,
    RateLimit,
    ended,
    made,
    operator,
    shown_of,
    told_of,
    told_where_none,
    warn_of_strangers,
)
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import AsJson, Config, OperatorUrl, RedisUrl, Who
from fillstream.libs.common.process.hooks import ALERT, KINDS, TRADINGVIEW, path_of
from fillstream.tools.render import as_json, console, print_table, show

if TYPE_CHECKING:
    from fillstream.libs.common.process.hooks import Hook

COLUMNS = (
    "id",
    "name",
    "kind",
    "account",
    "strategy",
    "symbols",
    "quantity",
    "sources",
    "expires",
    "last_used",
    "state",
)
SPARE = ("quantity", "symbols", "last_used", "expires", "sources")
"""See `fillstream.tools.render.print_table`."""
TRIED = ("type", "symbol", "side", "quantity", "target", "order_type", "price", "strategy", "signal_id")

Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="ADDRESS",
        help=f"From where it may be posted: an address, a network, or {TRADINGVIEW}; may be repeated."
        "  \\[default: from anywhere]",
    ),
]
MaxAge = Annotated[
    int | None,
    typer.Option("--max-age", min=1, metavar="SECONDS", help="Refuse what is older, by the time that an alert says."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help=ABOUT)
    group.command("create")(create)
    group.command("list")(list_)
    group.command("try")(try_)
    group.command("revoke")(revoke)
    app.add_typer(group, name="hook", rich_help_panel=RUN)


ABOUT = """Hooks: alerts that other software posts to the gateway become signals (docs/hooks.md).

\b
fillstream hook create tv --account default --from tradingview
fillstream hook try tv 'buy AAPL 100'
fillstream hook list
"""


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What you call it; no other live key is called so.")],
    account: Annotated[str, typer.Option("--account", "-a", help="Whose signals they are.")],
    kind: Annotated[str, typer.Option("--kind", help=f"How alerts are written: {', '.join(KINDS)}.")] = TRADINGVIEW,
    strategy: Annotated[str | None, typer.Option("--strategy", help="Of which strategy the signals are.")] = None,
    symbols: Annotated[
        list[str] | None,
        typer.Option("--symbol", metavar="THEIRS=OURS", help="A symbol's name there and here; may be repeated."),
    ] = None,
    quantity: Annotated[str | None, typer.Option("--quantity", help="Of orders that name no size.")] = None,
    sources: Sources = None,
    template: Annotated[
        Path | None, typer.Option("--template", metavar="FILE", help="JSON: where each field of a signal comes from.")
    ] = None,
    max_age: MaxAge = None,
    expires: Expires = None,
    rate_limit: RateLimit = None,
    who: Who = None,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Make a hook, and show the path that alerts are posted to, this once: it is a secret.

    \b
    fillstream hook create tv --account default --from tradingview --symbol 'ES1!=ESZ6' --strategy trend
    fillstream hook create mt5 --kind text --account default --quantity 1 --from 192.0.2.7 --expires 90d
    fillstream hook create own --kind template --template own.json --account default --json
    """
    from fillstream.libs.common.process.hooks import hook

    def said() -> Hook:
        text = None if template is None else _read(template)
        return hook(
            kind, strategy=strategy, symbols=symbols or [], quantity=quantity, sources=sources or [], template=text,
            max_age_s=max_age,
        )  # fmt: skip

    now_ms = _now_ms()
    desk = operator_url, redis_url, config
    key, secret = made(
        desk, name, tuple, now_ms=now_ms, who=who, accounts=[account],
        expires=expires, rate_limit=rate_limit, hook=said,
    )  # fmt: skip
    assert key.hook is not None, "it was made as one"
    path = path_of(key.hook, key.id, secret)
    message = {"message": ALERT} if key.hook.kind == TRADINGVIEW else {}
    if json:
        as_json({**told_of(key, now_ms), "secret": secret, "path": path, **message})
    else:
        console().print(path, markup=False, soft_wrap=True)
        if message:
            as_json(dict(ALERT))
    more = "; paste the JSON into the alert as its message" if message and not json else ""
    typer.echo(f"{key.name}: the path is a secret, and is not shown again; post to it at your gateway{more}", err=True)
    warn_of_strangers(desk, key)


def list_(
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """List the hooks: of what kind, for which account, from where, and when each was last used.

    \b
    fillstream hook list
    fillstream hook list --json
    """
    from fillstream.tools.gateway_keys import kept

    now_ms = _now_ms()
    with operator(operator_url, redis_url, config) as (client, topology):
        there, problems = kept(client, topology)
    rows = [{**told_of(it.key, now_ms), "last_used_ms": it.last_used_ms} for it in there if it.key.hook is not None]
    show("hooks", COLUMNS, rows if json else [_shown(row) for row in rows], json, SPARE)
    for problem in problems:
        typer.echo(f"{problem}: it lets nobody in", err=True)


def try_(
    hook: Annotated[str, typer.Argument(metavar="ID|NAME", help="Which; `fillstream hook list` has them.")],
    alert: Annotated[str, typer.Argument(metavar="TEXT", help="What is posted; - reads it from standard input.")],
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Show which signals would come of an alert, or why none. Nothing is sent.

    \b
    fillstream hook try tv 'sell AAPL 100 @ 190.25'
    fillstream hook try tv -
    """
    from fillstream.tools.gateway_keys import find

    try:
        from fillstream.services.gateway.hooks.decode import decode
        from fillstream.services.gateway.http.problems import Refusal
    except ModuleNotFoundError as error:
        told = f"hook try needs {error.name}, of the gateway: pip install 'fillstream[gateway]'"
        raise Stop(Exit.NO, told) from None
    body = typer.get_binary_stream("stdin").read() if alert == "-" else alert.encode(errors="surrogateescape")
    with operator(operator_url, redis_url, config) as (client, topology), told_where_none(hook, "hook"):
        key = find(client, topology, hook, now_ms=_now_ms(), is_hook=True)
    assert key.hook is not None, "no other key was asked for"
    (account,) = key.accounts
    try:
        signals = decode(body, key.id, account, key.hook, _now_ms())
    except Refusal as refusal:
        raise Stop(Exit.NO, refusal.detail) from None
    if json:
        as_json(signals)
        return
    for signal in signals:
        signal.setdefault("signal_id", "another at each post")
    named = [name for name in TRIED if any(name in signal for signal in signals)]
    rows = [[signal.get(name) for name in named] for signal in signals]
    print_table(console(), f"{key.name}, for {account}: nothing was sent", named, rows)


def revoke(
    hook: Annotated[str, typer.Argument(metavar="ID|NAME", help="Which; `fillstream hook list` has them.")],
    who: Who = None,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Revoke a hook for good: what is posted to it is refused. Doing it again changes nothing.

    \b
    fillstream hook revoke tv
    """
    ended((operator_url, redis_url, config), hook, now_ms=_now_ms(), who=who, json=json, is_hook=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"template: {file} cannot be read: {error}") from None


def _shown(told: dict[str, Any]) -> dict[str, Any]:
    """Return what people are shown of a hook."""
    hook = told["hook"]
    symbols = ", ".join(f"{theirs}={ours}" for theirs, ours in hook.get("symbols", ()))
    sources = ", ".join(hook.get("sources", ())) or "anywhere"
    return {**shown_of(told), **hook, "account": told["accounts"][0], "symbols": symbols, "sources": sources}
