"""Commands that show what accounts are worth, and what is to become of positions: account, risk, targets, exits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.asking import analytics, tell_missing
from fillstream.cli.commands import LOOK
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import AnalyticsUrl, AsJson, Config, Desk, Limit, OnlyAccount, OnlySymbol
from fillstream.tools.render import as_json, console, printable, show, time_of

if TYPE_CHECKING:
    from fillstream.cli.analytics_client import Found

Named = Annotated[str | None, typer.Argument(metavar="[ACCOUNT]", help="Of this one.  \\[default: all]")]
VALUES = (
    "account", "currency", "equity", "day_pnl", "cash_balance", "gross_exposure", "net_exposure", "leverage_ratio",
    "buying_power", "margin_used", "open_positions", "stale_positions", "missing_rate", "updated",
)  # fmt: skip
RISKS = (
    "account", "currency", "equity", "peak_equity", "drawdown_ratio", "leverage_ratio", "concentration_ratio",
    "value_at_risk", "expected_shortfall", "parametric_var", "parametric_shortfall", "sessions",
)  # fmt: skip
LIMITS = ("account", "limit", "broken", "measured", "allowed", "risk_action", "updated")
EXPOSURES = (
    "account", "dimension", "name", "currency", "long_exposure", "short_exposure", "gross_exposure", "net_exposure",
    "net_pnl", "open_positions",
)  # fmt: skip
TARGETS = (
    "account", "symbol", "target_status", "target_qty", "held_qty", "attempt", "traded_px", "shortfall", "duration_ms",
    "text", "signal_id", "updated",
)  # fmt: skip
EXITS = (
    "account", "symbol", "protection_id", "exit_status", "exit_reason", "quantity", "stop_px", "take_profit_px",
    "exit_px", "gap_px", "text", "position_id", "updated",
)  # fmt: skip
WAITS = ("activation_px", "break_even_px", "exit_time")
"""What few exits wait for: shown where one does."""
SPARE = ("updated", "signal_id", "position_id", "duration_ms", "attempt", "margin_used", "missing_rate", "currency")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (account, risk, targets, exits):
        app.command(rich_help_panel=LOOK)(command)


def account(
    name: Named = None,
    limit: Limit = 1000,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Show what accounts are worth: cash, equity, exposure; by symbol, sector, currency and strategy besides.

    \b
    fillstream account
    fillstream account default --json

    Equity is known of accounts that had cash put in (`fillstream adjust NAME deposit`), or are CASH or MARGIN.
    """
    where = {"account": name}
    with analytics(config, desk, analytics_url) as ask:
        values = ask.find("/account_values", where)
        exposures = ask.find("/exposures", where | {"limit": limit})
    if not values.rows and not exposures.rows:
        _nothing(values, name, "had cash paid in, or held anything")
    _both({"account_values": (VALUES, values), "exposures": (EXPOSURES, exposures)}, json)


def risk(
    name: Named = None,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Show what accounts risk: drawdown, leverage, value at risk; and which limits on it are or were broken.

    \b
    fillstream risk default

    Value at risk is of one session at 99 %, by what marks did in up to 250 sessions (docs/risk.md).
    """
    where = {"account": name}
    with analytics(config, desk, analytics_url) as ask:
        values, limits = ask.find("/account_values", where), ask.find("/risk_limits", where)
    if not values.rows:
        _nothing(values, name, "had cash paid in (`fillstream adjust`), or a limit on its risk (docs/risk.md)")
    _both({"account_values": (RISKS, values), "risk_limits": (LIMITS, limits)}, json)


def targets(
    account: OnlyAccount = None,
    symbol: OnlySymbol = None,
    limit: Limit = 100,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """List what was to be held, the newest first: what was asked, what is held, how long it took and at what cost.

    \b
    fillstream targets --symbol AAPL
    """
    with analytics(config, desk, analytics_url) as ask:
        found = ask.find("/targets", {"account": account, "symbol": symbol, "limit": limit})
    _both({"targets": (TARGETS, found)}, json)


def exits(
    account: OnlyAccount = None,
    symbol: OnlySymbol = None,
    limit: Limit = 100,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """List what protects positions, and did: where it waits, what it did, by how much the market went through it.

    \b
    fillstream exits --account default
    """
    with analytics(config, desk, analytics_url) as ask:
        found = ask.find("/exits", {"account": account, "symbol": symbol, "limit": limit})
    if not json:
        for row in found.rows:
            row["exit_time"] = time_of(row.get("exit_time"))
    some = [name for name in WAITS if any(row.get(name) is not None for row in found.rows)]
    at = EXITS.index("take_profit_px") + 1
    _both({"exits": ((*EXITS[:at], *some, *EXITS[at:]), found)}, json)


def _nothing(found: Found, name: str | None, what: str) -> None:
    tell_missing(found)
    whose = "no account" if name is None else f"account {printable(name)} never"
    raise Stop(Exit.NOT_FOUND, f"{whose} {'ever ' if name is None else ''}{what}")


def _both(parts: Mapping[str, tuple[Sequence[str], Found]], json: bool) -> None:
    """Print tables one under the other, or all of them as one JSON object; of a single one as any list."""
    for _, found in parts.values():
        tell_missing(found)
    if json:
        whole: dict[str, Any] = {name: found.json() for name, (_, found) in parts.items()}
        as_json(whole if len(whole) > 1 else next(iter(whole.values())))
        return
    for name, (columns, found) in parts.items():
        if found.rows or len(parts) == 1:
            show(name.replace("_", " "), columns, found.rows, json, SPARE)
            if found.truncated:
                console().print("[dim]and more: see --limit[/]")
