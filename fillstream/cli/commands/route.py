"""`fillstream route`: where an order would go, over several venues."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from fillstream.cli.commands import TRADE
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import Account, AnalyticsUrl, AsJson, Config, Desk, TakesNumbers
from fillstream.cli.order_options import Limit, Tif
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT
from fillstream.tools.render import as_json, console, print_table

if TYPE_CHECKING:
    from fillstream.tools.route_preview import RoutePreview

LEG = ("venue", "quantity", "price", "how", "taken", "avg_px", "fee", "net_px")
ALONE = ("venue", "quantity", "taken", "avg_px", "fee", "net_px")
HELP = """See where orders are routed (docs/routing.md).

\b
fillstream route preview AAPL BUY 500
fillstream route preview AAPL SELL 500 --limit 184.95 --policy SWEEP --venues SIM2,SIM
"""

room = typer.Typer(no_args_is_help=True, help=HELP)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(room, name="route", rich_help_panel=TRADE)


@room.command(cls=TakesNumbers)
def preview(
    symbol: Annotated[str, typer.Argument(help="What to trade: a symbol of instruments.yaml.")],
    side: Annotated[str, typer.Argument(help="BUY or SELL.")],
    quantity: Annotated[str, typer.Argument(metavar="QTY", help="How many.")],
    limit: Limit = None,
    tif: Tif = None,
    policy: Annotated[
        str | None, typer.Option("--policy", help="The routing policy.  \\[default: as the configuration has it]")
    ] = None,
    venues: Annotated[
        str | None, typer.Option("--venues", metavar="A,B", help="These alone, the most preferred first.")
    ] = None,
    strategy: Annotated[
        str | None, typer.Option("--strategy", help="Whose order it is, for rules by strategy.")
    ] = None,
    account: Account = DEFAULT_ACCOUNT,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Tell where an order would go, at what price after fees, and what each venue alone would be worth.

    \b
    fillstream route preview AAPL BUY 500
    fillstream route preview AAPL BUY 500 --limit 185.05 --policy SPRAY --json

    Nothing is sent. Quotes, levels, fees and what was traded are as analytics has them, rules of routing as the
    configuration file has them; an order that none of them means is asked of BEST_PRICE. The exit code is 1 where it
    would go nowhere now.
    """
    from fillstream.cli.target import find_desk
    from fillstream.tools.desk_terms import known_of
    from fillstream.tools.route_preview import preview_route

    target = find_desk(config, desk)
    order = {"side": side, "quantity": quantity, "price": limit, "time_in_force": tif, "strategy": strategy}
    named = tuple(each for each in (venues or "").split(",") if each)
    with target.analytics(analytics_url) as ask:
        try:
            known = known_of(lambda sql: ask.sql(sql, 100_000).rows, symbol, account)
            routing, now_ms = target.settings.routing, time.time_ns() // 1_000_000
            found = preview_route(known, order, routing, now_ms, policy and policy.upper(), named)
        except ValueError as error:
            raise Stop(Exit.USAGE, str(error)) from None
    if json:
        as_json(found.as_dict())
    else:
        _show(found)
    if not found.legs:
        raise typer.Exit(Exit.NO)


def _show(found: RoutePreview) -> None:
    out = console()
    where = f"no further than {found.limit}" if found.limit else "at any price that is shown"
    out.print(f"{found.side} {found.symbol} of {found.account} by {found.policy}, {where}", markup=False, style="bold")
    out.print(f"  decided by {found.decided_by}", markup=False)
    if found.decided_by.startswith("nothing"):
        out.print("  the desk would not route it: say --routing with the order, or routing.default", markup=False)
    legs = []
    for leg in found.legs:
        how = "post-only" if leg.post_only else "rests" if leg.rests else "IOC"
        legs.append((leg.venue, leg.quantity, leg.price, how, leg.taken, leg.avg_px, leg.fee, leg.net_px))
    if legs:
        one = found.together
        legs.append((one.venue, one.quantity, None, "", one.taken, one.avg_px, one.fee, one.net_px))
        print_table(out, "legs", LEG, legs)
    else:
        out.print(f"  it goes nowhere: {found.text}", markup=False, style="red")
    alone = [(one.venue, one.quantity, one.taken, one.avg_px, one.fee, one.net_px) for one in found.alone]
    if alone:
        print_table(out, "each venue alone", ALONE, alone)
    if found.best_alone is not None:
        out.print(f"  saved against {found.best_alone} alone: {found.saved} {found.currency}", markup=False)
    if found.touch_only:
        out.print(f"  no more than the touch is known of {', '.join(found.touch_only)}", markup=False)
    for venue, why in found.left_out.items():
        out.print(f"  {venue} {why}", markup=False)
