"""Commands about orders that know each other: bracket, oco, basket, groups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.asking import analytics, tell_missing
from fillstream.cli.commands import LOOK, TRADE
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import Account, AnalyticsUrl, AsJson, Config, Desk, Limit, TakesNumbers
from fillstream.cli.order_options import (
    ClientOrderId,
    Entry,
    Notional,
    PositionId,
    ReduceOnly,
    Risk,
    StopLoss,
    Strategy,
    TakeProfits,
    Tif,
    TrailingStop,
    Venue,
)
from fillstream.cli.publishing import SignalId, Timeout, Wait, answer, client_of, publish, trailing
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT, BreakEven, ContingencyType, TriggerPrice
from fillstream.tools.render import as_json, console, show

if TYPE_CHECKING:
    from fillstream.cli.analytics_client import Found

LISTS = (
    "received",
    "list_id",
    "account",
    "contingency_type",
    "list_order_status",
    "orders",
    "working",
    "filled",
    "text",
)
LIST_SPARE = ("received", "account", "text")
BRACKETS = (
    "received", "list_id", "account", "symbol", "side", "list_order_status", "quantity", "cum_qty", "exited",
    "stop_qty", "stop_loss", "trailing_stop", "target_qty", "take_profits",
)  # fmt: skip
BRACKET_SPARE = ("received", "account", "exited")
ASKED = tuple(each.value for each in ContingencyType if each is not ContingencyType.BRACKET)
"""What may be asked for: a bracket comes of its entry."""
ListId = Annotated[str | None, typer.Option("--list-id", help="Your name for all of them.  \\[default: the signal_id]")]

room = typer.Typer(invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (bracket, oco, basket):
        app.command(rich_help_panel=TRADE, cls=TakesNumbers)(command)
    app.add_typer(room, name="groups", rich_help_panel=LOOK)


def bracket(
    symbol: Annotated[str, typer.Argument(help="What to trade: a symbol of instruments.yaml.")],
    side: Annotated[str, typer.Argument(help="BUY or SELL.")],
    quantity: Annotated[str | None, typer.Argument(metavar="[QTY]", help="How many. Or --notional, --risk.")] = None,
    limit: Entry = None,
    stop_loss: StopLoss = None,
    trailing_stop: TrailingStop = None,
    take_profit: TakeProfits = None,
    break_even: Annotated[
        bool, typer.Option("--break-even", help="Its stop moves to the mean fill price after the first target.")
    ] = False,
    trigger: Annotated[
        str | None,
        typer.Option("--trigger", help=f"Which price its stop waits for: {', '.join(TriggerPrice)}; LAST by default."),
    ] = None,
    notional: Notional = None,
    risk: Risk = None,
    tif: Tif = None,
    venue: Venue = None,
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
) -> None:
    """Publish an entry with exits: a stop, targets, or both, always as large as what it has filled and nothing closed.

    \b
    fillstream bracket AAPL BUY 100 --limit 185 --stop-loss 182.50 --take-profit 195 --wait
    fillstream bracket AAPL BUY 100 --stop-loss 182.50 --take-profit 200:1 --take-profit 205:2 --break-even
    fillstream bracket AAPL SELL 50 --trailing-stop 1.50 --client-order-id short-7

    `fillstream groups` shows it, `fillstream amend` moves its stop and its targets, `fillstream groups cancel` ends it:
    by its entry's client_order_id.
    """
    if stop_loss is None and trailing_stop is None and not take_profit:
        raise Stop(Exit.USAGE, "stop_loss: a bracket has --stop-loss, --trailing-stop or --take-profit")
    with client_of(config, desk) as client:
        sent = publish(
            lambda: client.bracket(
                symbol, side, quantity, price=limit, stop_loss=stop_loss, trailing_stop=trailing_stop,
                take_profit=take_profit or None, break_even=BreakEven.AFTER_TARGET.value if break_even else None,
                stop_trigger_price_type=trigger, notional=notional, risk_amount=risk, time_in_force=tif, venue=venue,
                account=account, signal_id=signal_id, client_order_id=client_order_id, strategy=strategy,
                position_id=position_id,
            )
        )  # fmt: skip
        answer(client, sent, timeout if wait else None, json)


def oco(
    symbol: Annotated[str, typer.Argument(help="What to trade: a symbol of instruments.yaml.")],
    side: Annotated[str, typer.Argument(help="BUY or SELL, both of them.")],
    quantity: Annotated[str, typer.Argument(metavar="QTY", help="How many, of each.")],
    limit: Annotated[
        str | None, typer.Option("--limit", "-l", metavar="PRICE", help="One rests at this limit.")
    ] = None,
    stop: Annotated[str | None, typer.Option("--stop", metavar="PRICE", help="One is a stop at this price.")] = None,
    stop_limit: Annotated[
        str | None,
        typer.Option("--stop-limit", metavar="PRICE", help="The stop's limit; else it goes to market."),
    ] = None,
    trail: Annotated[
        str | None,
        typer.Option("--trail", metavar="OFFSET", help="One is a trailing stop: 1.50, 30ticks, 50bps or 0.5%."),
    ] = None,
    touched: Annotated[
        str | None, typer.Option("--touched", metavar="PRICE", help="One goes to market once this price is touched.")
    ] = None,
    updates: Annotated[
        bool, typer.Option("--updates", help="What one trades makes the other smaller, instead of ending it.")
    ] = False,
    tif: Tif = None,
    reduce_only: ReduceOnly = False,
    list_id: ListId = None,
    account: Account = DEFAULT_ACCOUNT,
    signal_id: SignalId = None,
    strategy: Strategy = None,
    position_id: PositionId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Publish two orders of which one cancels the other: what trades first, if only a part, ends the other.

    \b
    fillstream oco AAPL BUY 100 --limit 182 --stop 198 --wait
    fillstream oco AAPL SELL 100 --limit 198 --stop 182 --stop-limit 181.50 --reduce-only
    fillstream oco AAPL SELL 100 --limit 198 --trail 1% --updates --list-id exit-7

    The limit order rests at its venue, the other waits in the desk: they never are at venues together, so nothing
    trades twice. Of other instruments, or more than two: `fillstream basket FILE --contingency ONE_CANCELS_OTHER`.
    """
    legs = _legs(limit, stop, stop_limit, trail, touched)
    both = {"symbol": symbol, "side": side, "quantity": quantity, "time_in_force": tif, "strategy": strategy,
            "reduce_only": reduce_only or None, "position_id": position_id}  # fmt: skip
    kind = ContingencyType.ONE_UPDATES_OTHER if updates else ContingencyType.ONE_CANCELS_OTHER
    with client_of(config, desk) as client:
        sent = publish(
            lambda: client.order_list(
                [{**both, **leg} for leg in legs], contingency_type=kind.value, list_id=list_id, account=account,
                signal_id=signal_id,
            )
        )  # fmt: skip
        answer(client, sent, timeout if wait else None, json)


def _legs(
    limit: str | None, stop: str | None, stop_limit: str | None, trail: str | None, touched: str | None
) -> list[dict[str, Any]]:
    """Return what each of the orders is by itself, of which one cancels the other."""
    if stop_limit is not None and stop is None:
        raise Stop(Exit.USAGE, "stop_limit: is the limit of a --stop, and there is none")
    legs: list[dict[str, Any]] = []
    if limit is not None:
        legs.append({"order_type": "LIMIT", "price": limit})
    if stop is not None:
        kind = "STOP" if stop_limit is None else "STOP_LIMIT"
        legs.append({"order_type": kind, "stop_price": stop, "price": stop_limit})
    if trail is not None:
        legs.append({"order_type": "TRAILING_STOP", **trailing(trail)})
    if touched is not None:
        legs.append({"order_type": "MARKET_IF_TOUCHED", "stop_price": touched})
    if len(legs) < 2:
        raise Stop(Exit.USAGE, "orders: name two or more of --limit, --stop, --trail and --touched")
    return legs


def basket(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or JSON: an order a line, or an object each.")],
    all_of_them: Annotated[bool, typer.Option("--all", help="Every order is taken, or none is.")] = False,
    contingency: Annotated[
        str, typer.Option("--contingency", help=f"What they are to one another: {', '.join(ASKED)}.")
    ] = ContingencyType.NONE.value,
    list_id: ListId = None,
    account: Account = DEFAULT_ACCOUNT,
    signal_id: SignalId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Publish several orders of one account in one signal, at most 500 in 64 KiB.

    \b
    fillstream basket rebalance.csv --all --wait
    fillstream basket orders.json --account demo --list-id rebalance-42
    fillstream basket entry-and-exits.json --contingency ONE_TRIGGERS_OTHER

    \b
    A CSV names fields of a signal in its first line:
      symbol,side,quantity,price
      AAPL,BUY,100,185.00
      SPY,SELL,20,

    With --all each order is judged, and reserved for, with what the ones before it reserve; that does not promise that
    they trade. What is wrong with an order is told with its line, and nothing is sent then.
    """
    from fillstream.tools.basket_file import orders_in

    try:
        orders = orders_in(file.read_text(), file.suffix.lower() == ".csv")
    except OSError as error:
        raise Stop(Exit.USAGE, f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Stop(Exit.USAGE, "\n".join(f"{file}: {line}" for line in str(error).splitlines())) from None
    with client_of(config, desk) as client:
        sent = publish(
            lambda: client.order_list(
                orders, contingency_type=contingency.upper(), all_of_them=all_of_them, list_id=list_id, account=account,
                signal_id=signal_id,
            )
        )  # fmt: skip
        answer(client, sent, timeout if wait else None, json)


@room.callback()
def groups(
    context: typer.Context,
    account: Annotated[str | None, typer.Option("--account", "-a", help="Of this account only.")] = None,
    done: Annotated[bool, typer.Option("--all", help="Those that are done, too.")] = False,
    limit: Limit = 50,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """List brackets and lists of orders, or cancel one (docs/groups.md).

    \b
    fillstream groups
    fillstream groups --account demo --all --json
    fillstream groups cancel rebalance-42 --wait

    stop_qty is what a bracket's stop would close, target_qty what its targets would: of one position, and not of two.
    """
    if context.invoked_subcommand is not None:
        return
    from fillstream.cli.analytics_client import quoted

    where = [] if done else ["list_order_status IN ('EXECUTING', 'CANCELING')"]
    where += [] if account is None else [f"account = {quoted(account)}"]
    condition = f" WHERE {' AND '.join(where)}" if where else ""
    with analytics(config, desk, analytics_url) as ask:
        found = {
            view: ask.sql(f"SELECT * FROM {view}{condition} ORDER BY received DESC, list_id", limit)  # noqa: S608 - quoted
            for view in ("brackets", "lists")
        }
    if json:
        as_json({view: each.json() for view, each in found.items()})
        return
    _show("brackets", BRACKETS, found["brackets"], BRACKET_SPARE)
    _show("lists", LISTS, found["lists"], LIST_SPARE)


def _show(title: str, columns: tuple[str, ...], found: Found, spare: tuple[str, ...]) -> None:
    tell_missing(found)
    show(title, columns, found.rows, json=False, spare=spare)
    if found.truncated:
        console().print("[dim]and more: see --limit[/]")


@room.command("cancel", cls=TakesNumbers)
def cancel_group(
    list_id: Annotated[str, typer.Argument(help="The list's name; of a bracket its entry's client_order_id.")],
    account: Account = DEFAULT_ACCOUNT,
    signal_id: SignalId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Ask for all that works of a list, or of a bracket, to be taken off.

    \b
    fillstream groups cancel rebalance-42 --wait

    What a bracket's entry has filled stays, and nothing protects it any more: `fillstream close` closes it.
    """
    with client_of(config, desk) as client:
        sent = publish(lambda: client.cancel_list(list_id, account=account, signal_id=signal_id))
        answer(client, sent, timeout if wait else None, json)
