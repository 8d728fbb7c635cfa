"""Commands that ask analytics: orders, order, fills, positions, sql."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fillstream.commands import LOOK
from fillstream.exits import Exit, Stop
from fillstream.libs.common.codes import OrdStatus
from fillstream.options import AnalyticsUrl, AsJson, Config, Limit, RedisUrl
from fillstream.render import as_json, console, print_table, show

if TYPE_CHECKING:
    from fillstream.queries import Queries

ORDER_COLUMNS = (
    "received", "order_id", "account", "symbol", "side", "quantity", "order_type", "price", "time_in_force",
    "ord_status", "cum_qty", "avg_px", "reason",
)  # fmt: skip
FILL_COLUMNS = (
    "time", "order_id", "account", "symbol", "side", "last_qty", "last_px", "liquidity", "fee", "currency", "exec_id",
)  # fmt: skip
POSITION_COLUMNS = (
    "account", "symbol", "position", "avg_px", "mark_px", "realized_pnl", "unrealized_pnl", "fees", "cash", "currency",
)  # fmt: skip
HISTORY_COLUMNS = (
    "seq", "time", "type", "ord_status", "quantity", "price", "last_qty", "last_px", "cum_qty", "leaves_qty", "avg_px",
    "reason", "text",
)  # fmt: skip
ORDER_SPARE = ("order_type", "time_in_force", "cum_qty", "account", "received")
FILL_SPARE = ("exec_id", "currency", "liquidity")
POSITION_SPARE = ("currency", "cash", "fees")
HISTORY_SPARE = ("seq", "reason", "leaves_qty", "quantity", "price", "avg_px")
"""What can be missed most where there is no room; see `fillstream.render.print_table`."""

OnlyAccount = Annotated[str | None, typer.Option("--account", "-a", help="Of this account only.")]
OnlySymbol = Annotated[str | None, typer.Option("--symbol", "-s", help="Of this symbol only.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (orders, order, fills, positions, sql):
        app.command(rich_help_panel=LOOK)(command)


def _analytics(config: Path | None, redis_url: str | None, analytics_url: str | None) -> Queries:
    from fillstream.context import find_desk
    from fillstream.queries import Queries

    return Queries(find_desk(config, redis_url).analytics_url(analytics_url))


def orders(
    account: OnlyAccount = None,
    symbol: OnlySymbol = None,
    state: Annotated[
        OrdStatus | None, typer.Option("--state", case_sensitive=False, help="In this state only.")
    ] = None,
    limit: Limit = 50,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """List orders, the newest first.

    \b
    fillstream orders --state New
    fillstream orders --account demo --json | jq '.[].avg_px'
    """
    where = {"account": account, "symbol": symbol, "status": state, "limit": limit}
    with _analytics(config, redis_url, analytics_url) as ask:
        show("orders", ORDER_COLUMNS, ask.rows("/orders", where), json, ORDER_SPARE)


def order(
    order_id: Annotated[str, typer.Argument(metavar="ORDER", help="The order's number.")],
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Tell an order's whole history: every event, oldest first.

    \b
    fillstream order 42
    """
    if not (order_id.isascii() and order_id.isdigit()):
        raise Stop(Exit.USAGE, f"ORDER: {order_id!r} is not an order's number; `fillstream orders` lists them")
    with _analytics(config, redis_url, analytics_url) as ask:
        rows = ask.rows(f"/orders/{order_id}")
    if not rows:
        raise Stop(Exit.NOT_FOUND, f"there is no order {order_id}")
    if not json:
        first = rows[0]
        terms = [first.get(name) for name in ("side", "quantity", "symbol", "order_type", "price", "time_in_force")]
        text = " ".join(str(term) for term in terms if term is not None)
        out = console()
        out.print(f"order {order_id}: {text}", markup=False, style="bold")
        out.print(f"account {first.get('account')}, client_order_id {first.get('client_order_id')}", markup=False)
    show("", HISTORY_COLUMNS, rows, json, HISTORY_SPARE)


def fills(
    account: OnlyAccount = None,
    symbol: OnlySymbol = None,
    limit: Limit = 50,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """List fills, the newest first.

    \b
    fillstream fills --symbol BTCUSDT --limit 10
    """
    where = {"account": account, "symbol": symbol, "limit": limit}
    with _analytics(config, redis_url, analytics_url) as ask:
        show("fills", FILL_COLUMNS, ask.rows("/fills", where), json, FILL_SPARE)


def positions(
    account: OnlyAccount = None,
    symbol: OnlySymbol = None,
    limit: Limit = 1000,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """List positions with realized and unrealized P&L. Realized P&L is gross of fees.

    \b
    fillstream positions --account default
    """
    where = {"account": account, "symbol": symbol, "limit": limit}
    with _analytics(config, redis_url, analytics_url) as ask:
        show("positions", POSITION_COLUMNS, ask.rows("/positions", where), json, POSITION_SPARE)


def sql(
    query: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT, in DuckDB's dialect; read-only.")],
    limit: Limit = 1000,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Ask analytics in SQL. Every event of every stream is there, typed.

    \b
    fillstream sql "SELECT symbol, sum(last_qty * last_px) FROM fills GROUP BY ALL"
    fillstream sql "SELECT reason, count(*) FROM rejects GROUP BY ALL"
    fillstream sql "SHOW TABLES"
    """
    with _analytics(config, redis_url, analytics_url) as ask:
        answer = ask.sql(query, limit)
    if json:
        as_json(answer)
        return
    out = console()
    print_table(out, "", [column["name"] for column in answer["columns"]], answer["rows"])
    count = len(answer["rows"])
    more = ", and more: see --limit" if answer["truncated"] else ""
    out.print(f"[dim]{count} row{'' if count == 1 else 's'}{more}[/]")
