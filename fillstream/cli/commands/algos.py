"""`fillstream algos`: execution algorithms, and the orders that they work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.asking import analytics
from fillstream.cli.commands import TRADE
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import (
    Account,
    AnalyticsUrl,
    AsJson,
    ByClientId,
    Config,
    Desk,
    Limit,
    Order,
    TakesNumbers,
    is_order_id,
)
from fillstream.cli.order_options import (
    ClientOrderId,
    Entry,
    Notional,
    Parameter,
    PositionId,
    ReduceOnly,
    Routing,
    Strategy,
    Tif,
    Venue,
    Venues,
)
from fillstream.cli.publishing import SignalId, Timeout, Wait, answer, client_of, named_by, publish, told
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT
from fillstream.tools.render import as_json, console, print_table, printable, show

if TYPE_CHECKING:
    from fillstream.cli.analytics_client import AnalyticsClient

HELP = """Orders that are worked in slices: TWAP, VWAP, POV, IS, iceberg, sniper, chaser, ladder (docs/algorithms.md).

\b
fillstream algos list
fillstream algos start TWAP AAPL BUY 1000 -p duration_ms=600000 -p urgency=AGGRESSIVE
fillstream algos show
fillstream algos show 42 --svg twap.svg
fillstream algos pause 42 --wait
"""
PARENTS = (
    "received", "order_id", "account", "algorithm", "side", "quantity", "symbol", "ord_status", "paused", "cum_qty",
    "planned_qty", "working_qty", "avg_px", "arrival_px", "slippage_bps", "children", "text",
)  # fmt: skip
PARENT_SPARE = ("text", "received", "arrival_px", "children", "working_qty", "account")
FIELDS = ("name", "type", "default", "description")
PROFILE = ("begins", "share")
MOST_EVENTS = 100_000

room = typer.Typer(no_args_is_help=True, help=HELP)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(room, name="algos", rich_help_panel=TRADE)


# ------------------------------------------------------------------------------------------------ what there is


@room.command("list")
def list_algorithms(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="This one only.")] = None,
    json: AsJson = False,
    config: Config = None,
) -> None:
    """Tell what algorithms there are, those of your own included, and what each may be told.

    \b
    fillstream algos list
    fillstream algos list VWAP
    fillstream algos list --json | jq '.[] | .example'
    """
    from fillstream.tools.algorithm_pages import page

    known = _known(config)
    if name is not None and name.upper() not in known:
        raise Stop(Exit.NOT_FOUND, f"algorithm: {printable(name)} must be one of {', '.join(known)}")
    pages = [page(each) for each in known.values() if name is None or each.name == name.upper()]
    if json:
        as_json(pages)
        return
    out = console()
    for each in pages:
        _show_page(each)
    out.print("every algorithm may be told", style="bold")
    show("", FIELDS, [field for field in pages[0]["parameters"] if field["of_all"]], json=False)


def _known(config: Path | None) -> Mapping[str, Any]:
    """Return the algorithms of the desk that the configuration is of."""
    from fillstream.cli.target import find_target
    from fillstream.libs.common.process.settings import SettingsError
    from fillstream.services.order_service.orders.algos import ALGORITHMS
    from fillstream.services.order_service.orders.algos.loading import load_algorithms

    wrong = load_algorithms(find_target(config, None).settings.execution.algorithms)
    if wrong:
        raise SettingsError(wrong)
    return ALGORITHMS


def _show_page(said: Mapping[str, Any]) -> None:
    from fillstream.tools.algorithm_pages import as_words

    out = console()
    needs = [*(["an end"] if said["needs_end"] else []), *(["the market's depth"] if said["needs_book"] else [])]
    out.print(f"{said['name']}: {said['description']}", markup=False, style="bold", soft_wrap=True)
    own = [field for field in said["parameters"] if not field["of_all"]]
    if own:
        rows = [{**field, "default": "needed" if field["required"] else field["default"]} for field in own]
        show("", FIELDS, rows, json=False)
    if needs:
        out.print(f"needs {' and '.join(needs)}", markup=False)
    words = " ".join(f"-p {name}={as_words(value)}" for name, value in said["example"].items())
    out.print(
        f"fillstream algos start {said['name']} AAPL BUY 100 {words}\n", markup=False, style="dim", soft_wrap=True
    )


@room.command(cls=TakesNumbers)
def profile(
    symbol: Annotated[str, typer.Argument(help="Of what: a symbol of instruments.yaml.")],
    days: Annotated[int, typer.Option("--days", min=1, max=3_650, help="Of so many whole days before today.")] = 20,
    minutes: Annotated[int, typer.Option("--minutes", min=1, max=1_440, help="Of each stretch of a day.")] = 15,
    venue: Annotated[str | None, typer.Option("--venue", help="What was traded there.  \\[default: anywhere]")] = None,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Tell how a day's volume is spread over it, as VWAP takes it, by the trades that analytics has kept.

    \b
    fillstream algos profile AAPL
    fillstream algos profile AAPL --days 5 --minutes 30 --json > profile.json
    fillstream algos start VWAP AAPL BUY 1000 -p @profile.json -p duration_ms=3600000
    """
    from fillstream.tools.volume_profile import WHOLE, profile_of, profile_sql

    with analytics(config, desk, analytics_url) as ask:
        try:
            found = profile_of(ask.sql(profile_sql(symbol, days, minutes, venue), MOST_EVENTS).rows, minutes)
        except ValueError as error:
            raise Stop(Exit.NOT_FOUND, f"{printable(symbol)}: {error}") from None
    if json:
        as_json(found)
        return
    rows = []
    for number, each in enumerate(found["profile"]):
        begins = number * minutes
        share = int(each)
        rows.append(
            (f"{begins // 60:02}:{begins % 60:02}", f"{share * 100 / WHOLE:.2f} %  {'█' * (share * 200 // WHOLE)}")
        )
    print_table(console(), f"{symbol}, a UTC day", PROFILE, rows)


# -------------------------------------------------------------------------------------------- orders, as signals


@room.command(cls=TakesNumbers)
def start(
    name: Annotated[str, typer.Argument(help="The algorithm: `fillstream algos list`.")],
    symbol: Annotated[str, typer.Argument(help="What to trade: a symbol of instruments.yaml.")],
    side: Annotated[str, typer.Argument(help="BUY or SELL.")],
    quantity: Annotated[str | None, typer.Argument(metavar="[QTY]", help="How many. Or --notional.")] = None,
    limit: Entry = None,
    parameter: Parameter = None,
    notional: Notional = None,
    tif: Tif = None,
    reduce_only: ReduceOnly = False,
    venue: Venue = None,
    routing: Routing = None,
    venues: Venues = None,
    account: Account = DEFAULT_ACCOUNT,
    signal_id: SignalId = None,
    client_order_id: ClientOrderId = None,
    strategy: Strategy = None,
    position_id: PositionId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    desk: Desk = None,
    config: Config = None,
) -> None:  # fmt: skip
    """Publish an order that an algorithm works in slices; no slice is beyond its limit.

    \b
    fillstream algos start TWAP AAPL BUY 1000 -p duration_ms=600000 --wait
    fillstream algos start POV AAPL SELL 5000 --limit 184 -p participation=0.1 -p largest_clip=200
    fillstream algos start VWAP AAPL BUY 1000 -p @profile.json -p end_time=2026-12-01T20:00:00Z

    With --wait it is followed until it is quiet for a moment; `fillstream algos show ID` draws how it goes on.
    """
    from fillstream.tools.algorithm_pages import problems

    parameters = told(parameter)
    if wrong := problems(name, parameters):
        raise Stop(Exit.USAGE, "\n".join(f"algorithm_parameters: {each}" for each in wrong))
    with client_of(config, desk) as client:
        sent = publish(
            lambda: client.algo(
                name, symbol, side, quantity, parameters=parameters, price=limit, notional=notional, time_in_force=tif,
                reduce_only=reduce_only or None, venue=venue, routing=routing, venues=venues, account=account,
                signal_id=signal_id, client_order_id=client_order_id, strategy=strategy,
                position_id=position_id,
            )
        )  # fmt: skip
        answer(client, sent, timeout if wait else None, json)


@room.command(cls=TakesNumbers)
def pause(
    order: Order, account: Account = DEFAULT_ACCOUNT, by_client_id: ByClientId = False, signal_id: SignalId = None,
    wait: Wait = False, timeout: Timeout = 5.0, json: AsJson = False, desk: Desk = None, config: Config = None,
) -> None:  # fmt: skip
    """Take off what works of an order, and send nothing new until it is resumed. Its end is as it was.

    \b
    fillstream algos pause 42 --wait
    """
    with client_of(config, desk) as client:
        sent = publish(lambda: client.pause(**named_by(order, by_client_id), account=account, signal_id=signal_id))
        answer(client, sent, timeout if wait else None, json)


@room.command(cls=TakesNumbers)
def resume(
    order: Order, account: Account = DEFAULT_ACCOUNT, by_client_id: ByClientId = False, signal_id: SignalId = None,
    wait: Wait = False, timeout: Timeout = 5.0, json: AsJson = False, desk: Desk = None, config: Config = None,
) -> None:  # fmt: skip
    """Let an order go on that was paused, by somebody or after ten slices in a row were refused.

    \b
    fillstream algos resume 42 --wait
    """
    with client_of(config, desk) as client:
        sent = publish(lambda: client.resume(**named_by(order, by_client_id), account=account, signal_id=signal_id))
        answer(client, sent, timeout if wait else None, json)


@room.command(cls=TakesNumbers)
def cancel(
    order: Order, account: Account = DEFAULT_ACCOUNT, by_client_id: ByClientId = False, signal_id: SignalId = None,
    wait: Wait = False, timeout: Timeout = 5.0, json: AsJson = False, desk: Desk = None, config: Config = None,
) -> None:  # fmt: skip
    """Ask for an order to be ended: what works of it is taken off, then it is canceled.

    \b
    fillstream algos cancel 42 --wait
    """
    with client_of(config, desk) as client:
        sent = publish(lambda: client.cancel(**named_by(order, by_client_id), account=account, signal_id=signal_id))
        answer(client, sent, timeout if wait else None, json)


# ---------------------------------------------------------------------------------------------- orders, as seen


@room.command("show", cls=TakesNumbers)
def show_order(
    order: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="Its number, or your client_order_id.  \\[default: all]"),
    ] = None,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Write the picture there.")] = None,
    account: Annotated[
        str | None, typer.Option("--account", "-a", help="Whose: with a client_order_id, or to list.")
    ] = None,
    by_client_id: ByClientId = False,
    limit: Limit = 50,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Draw how an order is worked: planned and done, the market and each trade. Without an ID, list those orders.

    \b
    fillstream algos show
    fillstream algos show 42
    fillstream algos show rebalance-42 --svg rebalance.svg
    fillstream algos show 42 --json | jq '.order.slippage_bps'

    Bars are what is done, dots what was planned by then; below, the market with each trade: o made, x taken.
    """
    from fillstream.cli.analytics_client import quoted
    from fillstream.tools.schedule_picture import schedule_of, text
    from fillstream.tools.schedule_picture import svg as drawn

    with analytics(config, desk, analytics_url) as ask:
        if order is None:
            where = "" if account is None else f" WHERE account = {quoted(account)}"
            found = ask.sql(f"SELECT * FROM parents{where} ORDER BY received DESC", limit)  # noqa: S608 - quoted
            if json:
                as_json(found.json())
            else:
                show("worked orders", PARENTS, [*map(_rounded, found.rows)], json=False, spare=PARENT_SPARE)
            return
        said = _parent(ask, order, account or DEFAULT_ACCOUNT, by_client_id)
        schedule = schedule_of(str(said["order_id"]), _events(ask, said))
    if svg is not None:
        try:
            svg.write_text(drawn(schedule))
        except OSError as error:
            raise Stop(Exit.USAGE, f"{svg}: cannot be written: {error.strerror}") from None
    if json:
        fills = [each._asdict() for each in schedule.fills]
        as_json({"order": said, "schedule": {**schedule._asdict(), "fills": fills}})
        return
    out = console()
    for line in text(schedule, width=min(out.width, 120)):
        out.print(line, markup=False, soft_wrap=True)
    for name in ("ord_status", "cum_qty", "avg_px", "arrival_px", "slippage_bps", "fees", "children", "reason"):
        if said[name] is not None:
            out.print(f"  {name.replace('_', ' ')}: {_rounded(said)[name]}", markup=False)
    if said["paused"]:
        out.print("  paused: `fillstream algos resume` lets it go on", markup=False, style="yellow")
    if svg is not None:
        out.print(f"  picture: {svg}", markup=False, soft_wrap=True)


def _rounded(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return an order as people read it: of its slippage a hundredth of a basis point."""
    return {name: f"{value:.2f}" if isinstance(value, float) else value for name, value in said.items()}


def _parent(ask: AnalyticsClient, order: str, account: str, by_client_id: bool) -> dict[str, Any]:
    from fillstream.cli.analytics_client import quoted

    if is_order_id(order, by_client_id):
        where, words = f"order_id = {quoted(order)}", f"order {order}"
    else:
        where = f"client_order_id = {quoted(order)} AND account = {quoted(account)}"
        words = f"account {account}'s order {order}"
    found = ask.sql(f"SELECT * FROM parents WHERE {where}", 1)  # noqa: S608 - quoted
    if not found.rows:
        raise Stop(Exit.NOT_FOUND, f"{printable(words)}: no algorithm works it, or analytics has not seen it yet")
    return found.rows[0]


def _events(ask: AnalyticsClient, said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a picture of an order is made of; of the market what was quoted while it was worked."""
    from fillstream.cli.analytics_client import quoted

    number, symbol = quoted(str(said["order_id"])), quoted(str(said["symbol"]))
    since, upto = quoted(str(said["received"]).removesuffix("Z")), quoted(str(said["updated"]).removesuffix("Z"))
    return ask.sql(
        "SELECT seq, type, epoch_ms(time) AS time, due_time, order_id, parent_id, symbol, side, venue, quantity, "  # noqa: S608 - quoted
        "algorithm, planned_qty, text, last_px, last_qty, liquidity, bid_px, ask_px FROM events "
        f"WHERE order_id = {number} OR (parent_id = {number} AND type = 'OrderFilled') "
        f"OR (type = 'QuoteUpdated' AND symbol = {symbol} AND time BETWEEN {since} AND {upto}) ORDER BY log_id, seq",
        MOST_EVENTS,
    ).rows
