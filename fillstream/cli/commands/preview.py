"""`fillstream preview`: what an order would cost, and which rule would refuse it; nothing is sent."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fillstream.cli.asking import analytics
from fillstream.cli.commands import TRADE
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import Account, AnalyticsUrl, AsJson, Config, Desk, TakesNumbers
from fillstream.cli.order_options import Limit, Notional, StopLoss, Tif, Type, Venue
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT
from fillstream.tools.render import as_json, console

Slippage = Annotated[
    str,
    typer.Option(
        "--slippage",
        metavar="MODEL",
        help="fixed:BPS; spread: half of it; volume:BPS for each share of what was traded in 24 h.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=TRADE, cls=TakesNumbers)(preview)


def preview(
    symbol: Annotated[str, typer.Argument(help="What to trade: a symbol of instruments.yaml.")],
    side: Annotated[str, typer.Argument(help="BUY or SELL.")],
    quantity: Annotated[str | None, typer.Argument(metavar="[QTY]", help="How many. Or --notional.")] = None,
    order_type: Type = None,
    limit: Limit = None,
    tif: Tif = None,
    notional: Notional = None,
    stop_loss: StopLoss = None,
    venue: Venue = None,
    account: Account = DEFAULT_ACCOUNT,
    slippage: Slippage = "spread",
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Tell what an order would cost, and whether the desk would take it. Nothing is sent.

    \b
    fillstream preview AAPL BUY 100
    fillstream preview AAPL BUY 100 --limit 185 --account main --json
    fillstream preview AAPL BUY --notional 5000 --slippage volume:100

    Terms, the quote and what was traded are as analytics has them. Limits on what the account holds, has at work or did
    before are named, and not looked at. The exit code is 1 when the order would be refused.
    """
    from fillstream.tools.desk_terms import terms_of, volume_of
    from fillstream.tools.preview import preview as judge

    order: dict[str, Any] = {
        "side": side, "quantity": quantity, "order_type": order_type, "price": limit, "time_in_force": tif,
        "notional": notional, "stop_loss": stop_loss,
    }  # fmt: skip
    with analytics(config, desk, analytics_url) as ask:

        def rows(sql: str) -> list[dict[str, Any]]:
            return ask.sql(sql, 100_000).rows

        try:
            terms = terms_of(rows, symbol, account, venue)
            found = judge(terms, order, slippage, volume_of(rows, symbol))
        except ValueError as error:
            raise Stop(Exit.USAGE, str(error)) from None
    if json:
        as_json(found.as_dict())
    else:
        out = console()
        told = "would be refused" if found.refused else "would be taken"
        out.print(f"{found.account} at {found.venue}: {told}", style="red" if found.refused else "green", markup=False)
        for name, value in found.as_dict().items():
            if value and name not in ("account", "venue", "currency"):
                text = ", ".join(value) if isinstance(value, list) else value
                out.print(f"  {name.replace('_', ' ')}: {text}", markup=False, soft_wrap=True)
    if found.refused:
        raise typer.Exit(Exit.NO)
