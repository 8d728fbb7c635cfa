"""Commands that ask analytics: orders, order, fills, positions, position, sql."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.asking import analytics, tell_missing
from fillstream.cli.commands import LOOK
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import (
    Account,
    AnalyticsUrl,
    AsJson,
    ByClientId,
    Config,
    Desk,
    Limit,
    OnlyAccount,
    OnlySymbol,
    Order,
    is_order_id,
)
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT, AccountMode, OrdStatus
from fillstream.tools.render import as_json, console, print_table, printable, show, time_of

if TYPE_CHECKING:
    from fillstream.cli.analytics_client import AnalyticsClient, Found

ORDER_COLUMNS = (
    "received", "order_id", "account", "symbol", "side", "quantity", "order_type", "price", "time_in_force",
    "ord_status", "cum_qty", "avg_px", "reason",
)  # fmt: skip
FILL_COLUMNS = (
    "time", "order_id", "account", "symbol", "side", "last_qty", "last_px", "liquidity", "fee", "currency", "exec_id",
)  # fmt: skip
POSITION_COLUMNS = (
    "account", "symbol", "position_status", "position", "avg_px", "mark_px", "net_pnl", "day_pnl", "net_realized_pnl",
    "unrealized_pnl", "fees", "cash", "currency",
)  # fmt: skip
CLOSED_COLUMNS = (
    "closed_time", "account", "side", "peak_qty", "entry_px", "exit_px", "net_pnl", "net_return", "paid_fees",
    "best_pnl", "worst_pnl", "duration_ms", "fills", "reason",
)  # fmt: skip
HISTORY_COLUMNS = (
    "seq", "time", "type", "ord_status", "quantity", "price", "last_qty", "last_px", "cum_qty", "leaves_qty", "avg_px",
    "reason", "text",
)  # fmt: skip
ORDER_SPARE = ("order_type", "time_in_force", "cum_qty", "account", "received")
FILL_SPARE = ("exec_id", "currency", "liquidity")
POSITION_SPARE = ("currency", "cash", "mark_px", "position_status", "net_realized_pnl")
CLOSED_SPARE = ("fills", "worst_pnl", "best_pnl", "duration_ms", "paid_fees", "account")
HISTORY_SPARE = ("seq", "reason", "leaves_qty", "quantity", "stop_price", "price", "avg_px")
"""What can be missed most where there is no room; see `fillstream.tools.render.print_table`."""

TERMS = (
    "stop_price", "trigger_price_type", "trailing_offset", "trailing_offset_type", "expire_time", "effective_time",
    "effective_after_ms", "display_quantity", "post_only", "all_or_none", "reduce_only", "self_trade_prevention",
    "notional", "risk_amount", "equity_percent", "risk_percent", "stop_loss", "take_profit", "trailing_stop",
    "stop_trigger_price_type", "take_profits", "break_even", "algorithm", "algorithm_parameters", "routing", "venues",
)  # fmt: skip
"""What an order may have been asked for besides side, size, price and time in force."""

LINKS = ("parent_id", "list_id", "group_id", "position_id")
"""Shown where an order has one."""

PAPER = AccountMode.PAPER


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (orders, order, fills, positions, position, sql):
        app.command(rich_help_panel=LOOK)(command)


def orders(
    account: OnlyAccount = None,
    symbol: OnlySymbol = None,
    state: Annotated[
        list[OrdStatus] | None,
        typer.Option("--state", case_sensitive=False, help="In this state only; may be repeated."),
    ] = None,
    limit: Limit = 50,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """List orders, the newest first.

    \b
    fillstream orders --state New --state PartiallyFilled
    fillstream orders --account demo --json | jq '.rows[].avg_px'
    """
    where = {"account": account, "symbol": symbol, "status": state, "limit": limit}
    with analytics(config, desk, analytics_url) as ask:
        found = ask.find("/orders", where)
    _show("orders", _with_more(ORDER_COLUMNS, found.rows), found, json, ORDER_SPARE)


def order(
    order: Order,
    account: Account = DEFAULT_ACCOUNT,
    by_client_id: ByClientId = False,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Tell an order's whole history: every event, oldest first.

    \b
    fillstream order 42
    fillstream order rebalance-42 --account demo

    The account counts only where the order goes by your client_order_id, which is unique in its account.
    """
    with analytics(config, desk, analytics_url) as ask:
        order_id = order if is_order_id(order, by_client_id) else _id_of(ask, order, account)
        found = ask.find(f"/orders/{order_id}")
    if not json:
        first = found.rows[0]
        terms = [first.get(name) for name in ("side", "quantity", "symbol", "order_type", "price", "time_in_force")]
        text = " ".join(str(term) for term in terms if term is not None)
        out = console()
        out.print(f"order {order_id}: {text}", markup=False, style="bold")
        out.print(f"account {first.get('account')}, client_order_id {first.get('client_order_id')}", markup=False)
        for names in (TERMS, LINKS):
            told = ", ".join(_told(name, first[name]) for name in names if first.get(name) is not None)
            if told:
                out.print(told, markup=False)
    _show("", _with_stop(HISTORY_COLUMNS, found.rows), found, json, HISTORY_SPARE)


def _show(title: str, columns: Sequence[str], found: Found, json: bool, spare: Sequence[str]) -> None:
    """Print what was found: all of it as JSON, or a table, and what may be missing on standard error."""
    tell_missing(found)
    if json:
        as_json(found.json())
        return
    show(title, columns, found.rows, json, spare)
    stale = [str(row["symbol"]) for row in found.rows if row.get("mark_stale")]
    if stale:
        told = (
            f"{', '.join(dict.fromkeys(stale))}: not quoted for execution.max_quote_age_ms; the mark may be no market"
        )
        console().print(told, markup=False, style="yellow", soft_wrap=True)
    if found.truncated:
        console().print("[dim]and more: see --limit[/]")


def _with_more(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return columns with those that few need: modes unless all are PAPER, aliases, stop prices, links."""
    more = [] if all(row.get("mode") in (None, PAPER) for row in rows) else ["mode"]
    if any(row.get("alias") is not None for row in rows):
        more = ["alias", "mode"]
    at = columns.index("account") + 1
    columns = [*columns[:at], *more, *columns[at:]]
    return _with_links(_with_stop(columns, rows), rows)


def _with_stop(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return columns with the price that an order waits for beside its own, where some row has one."""
    if "price" not in columns or all(row.get("stop_price") is None for row in rows):
        return [*columns]
    at = columns.index("price") + 1
    return [*columns[:at], "stop_price", *columns[at:]]


def _with_links(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return columns with those of `LINKS` that some row has."""
    return [*columns, *(name for name in LINKS if any(row.get(name) is not None for row in rows))]


def _told(name: str, value: Any) -> str:
    if value is True:
        return name
    return f"{name} {time_of(value) if name in ('expire_time', 'effective_time') else value}"


def _id_of(ask: AnalyticsClient, client_order_id: str, account: str) -> str:
    found = ask.find("/orders", {"client_order_id": client_order_id, "account": account, "limit": 1})
    if not found.rows:
        tell_missing(found)
        raise Stop(
            Exit.NOT_FOUND,
            f"account {account} has no order with client_order_id {printable(client_order_id)};"
            " `fillstream orders` lists them",
        )
    return str(found.rows[0]["order_id"])


def fills(
    account: OnlyAccount = None,
    symbol: OnlySymbol = None,
    limit: Limit = 50,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """List fills, the newest first.

    \b
    fillstream fills --symbol BTCUSDT --limit 10
    """
    where = {"account": account, "symbol": symbol, "limit": limit}
    with analytics(config, desk, analytics_url) as ask:
        found = ask.find("/fills", where)
    _show("fills", _with_more(FILL_COLUMNS, found.rows), found, json, FILL_SPARE)


def positions(
    account: OnlyAccount = None,
    symbol: OnlySymbol = None,
    limit: Limit = 1000,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """List positions with their P&L, net of the fees paid so far.

    \b
    fillstream positions --account default

    net_pnl is net_realized_pnl plus unrealized_pnl; net_realized_pnl is what was realized less all fees, and day_pnl
    what came since the session before ended. --json has the gross figure (realized_pnl) besides. position_status is
    PLANNED, OPENING, OPEN, ADJUSTING, CLOSING or CLOSED (docs/positions.md).
    """
    where = {"account": account, "symbol": symbol, "limit": limit}
    with analytics(config, desk, analytics_url) as ask:
        found = ask.find("/positions", where)
    _show("positions", _with_more(POSITION_COLUMNS, found.rows), found, json, POSITION_SPARE)


def position(
    symbol: Annotated[str, typer.Argument(help="Of this instrument.")],
    account: OnlyAccount = None,
    limit: Limit = 20,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Show what is held of an instrument, and what became of the positions that ended, the newest first.

    \b
    fillstream position AAPL
    fillstream position AAPL --account default --limit 5 --json

    A position ends when it is flat or turned. best_pnl and worst_pnl are the best and worst that marks made of it.
    """
    where = {"account": account, "symbol": symbol}
    with analytics(config, desk, analytics_url) as ask:
        held = ask.find("/positions", where)
        closed = ask.find("/closed_positions", where | {"limit": limit})
    if not held.rows:
        tell_missing(held)
        whose = "nobody" if account is None else f"account {account}"
        text = f"{printable(whose)} ever held {printable(symbol)}; `fillstream positions` lists what is held"
        raise Stop(Exit.NOT_FOUND, text)
    if json:
        tell_missing(held)
        as_json({"positions": held.json(), "closed_positions": closed.json()})
        return
    _show(symbol, _with_more(POSITION_COLUMNS, held.rows), held, json, POSITION_SPARE)
    if closed.rows:
        _show("closed", _with_more(CLOSED_COLUMNS, closed.rows), closed, json, CLOSED_SPARE)


def sql(
    query: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT, in DuckDB's dialect; read-only.")],
    limit: Limit = 1000,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Ask analytics in SQL. Every event of every stream is there, typed.

    \b
    fillstream sql "SELECT symbol, sum(last_qty * last_px) FROM fills GROUP BY ALL"
    fillstream sql "SELECT reason, count(*) FROM rejects GROUP BY ALL"
    fillstream sql "SELECT * FROM missing"
    fillstream sql "SHOW TABLES"

    Times are UTC. --json has columns, rows by their names, whether there are more (truncated), and what analytics has
    not seen (incomplete), as that of every command that asks it.
    """
    with analytics(config, desk, analytics_url) as ask:
        found = ask.sql(query, limit)
    tell_missing(found)
    if json:
        as_json(found.json())
        return
    out = console()
    print_table(out, "", [column["name"] for column in found.columns], [[*row.values()] for row in found.rows])
    count = len(found.rows)
    more = ", and more: see --limit" if found.truncated else ""
    out.print(f"[dim]{count} row{'' if count == 1 else 's'}{more}[/]")
