"""Commands that publish: signal, cancel, cancel-all, replace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.commands import TRADE
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import Account, AsJson, ByClientId, Config, Order, RedisUrl, TakesNumbers, is_order_id
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT, OrderType
from fillstream.tools.render import as_json, console, print_table, time_of

if TYPE_CHECKING:
    from fillstream.client import Client, Outcome

Wait = Annotated[bool, typer.Option("--wait", "-w", help="Follow the journal until the signal is settled.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, help="With --wait: seconds to wait.")]
SignalId = Annotated[
    str | None,
    typer.Option("--id", help="signal_id: sending the same one again is safe.  \\[default: a new UUID]"),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (signal, cancel, cancel_all, replace):
        app.command(rich_help_panel=TRADE, cls=TakesNumbers)(command)


def signal(
    symbol: Annotated[str, typer.Argument(help="What to trade: a symbol of instruments.yaml.")],
    side: Annotated[str, typer.Argument(help="BUY or SELL.")],
    quantity: Annotated[str, typer.Argument(metavar="QTY", help="How many; exact, as you write it.")],
    order_type: Annotated[
        str | None,
        typer.Option("--type", help=f"{' or '.join(OrderType)}.  \\[default: LIMIT with --limit, else the desk's]"),
    ] = None,
    limit: Annotated[str | None, typer.Option("--limit", "-l", metavar="PRICE", help="Price of a limit order.")] = None,
    tif: Annotated[str | None, typer.Option("--tif", help="GTC, DAY, IOC or FOK.  \\[default: the desk's]")] = None,
    account: Account = DEFAULT_ACCOUNT,
    signal_id: SignalId = None,
    client_order_id: Annotated[
        str | None, typer.Option("--client-order-id", help="Your name for the order.  \\[default: the signal_id]")
    ] = None,
    strategy: Annotated[str | None, typer.Option("--strategy", help="Kept with the order.")] = None,
    confidence: Annotated[str | None, typer.Option("--confidence", help="0 to 1; kept with the order.")] = None,
    group_id: Annotated[
        str | None, typer.Option("--group", help="group_id: your name for what it belongs to; on all its events.")
    ] = None,
    position_id: Annotated[
        str | None, typer.Option("--position", help="position_id: your name for the position; on all its events.")
    ] = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Publish a signal to trade.

    \b
    fillstream signal AAPL BUY 100 --wait
    fillstream signal AAPL SELL 50 --limit 191.20 --tif DAY
    fillstream signal BTCUSDT BUY 0.015 --id rebalance-42     # safe to repeat

    With --wait the exit code is 1 when the order was refused, and 5 when nothing was heard in time.
    """
    with _client(config, redis_url) as client:
        sent = _publish(
            lambda: client.signal(
                symbol,
                side,
                quantity,
                order_type=order_type,
                price=limit,
                time_in_force=tif,
                account=account,
                signal_id=signal_id,
                client_order_id=client_order_id,
                strategy=strategy,
                confidence=confidence,
                group_id=group_id,
                position_id=position_id,
            )
        )
        _answer(client, sent, timeout if wait else None, json)


def cancel(
    order: Order,
    account: Account = DEFAULT_ACCOUNT,
    by_client_id: ByClientId = False,
    signal_id: SignalId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Ask for an order to be taken off the book.

    \b
    fillstream cancel 42 --wait
    fillstream cancel rebalance-42 --account demo
    """
    with _client(config, redis_url) as client:
        sent = _publish(lambda: client.cancel(**_named(order, by_client_id), account=account, signal_id=signal_id))
        _answer(client, sent, timeout if wait else None, json)


def cancel_all(
    account: Account = DEFAULT_ACCOUNT,
    symbol: Annotated[str | None, typer.Option("--symbol", help="Of this instrument only.")] = None,
    strategy: Annotated[str | None, typer.Option("--strategy", help="Of this strategy only.")] = None,
    side: Annotated[str | None, typer.Option("--side", help="BUY or SELL only.")] = None,
    signal_id: SignalId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Ask for all orders of an account to be taken off the book, or some of them. New ones are taken as before.

    \b
    fillstream cancel-all --wait
    fillstream cancel-all --account demo --symbol AAPL --side BUY
    fillstream cancel-all --strategy mean-reversion --json

    `fillstream halt` is the operator's way, which takes nothing new either.
    """
    about = {"symbol": symbol, "strategy": strategy, "side": side}
    with _client(config, redis_url) as client:
        sent = _publish(lambda: client.cancel_all(account=account, signal_id=signal_id, **about))
        _answer(client, sent, timeout if wait else None, json)


def replace(
    order: Order,
    quantity: Annotated[
        str | None, typer.Option("--qty", metavar="QTY", help="The new total, what is filled so far included.")
    ] = None,
    limit: Annotated[str | None, typer.Option("--limit", "-l", metavar="PRICE", help="The new limit.")] = None,
    account: Account = DEFAULT_ACCOUNT,
    by_client_id: ByClientId = False,
    signal_id: SignalId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Ask for an order's quantity, price or both to be changed.

    \b
    fillstream replace 42 --limit 190.95 --wait
    fillstream replace rebalance-42 --qty 80
    """
    with _client(config, redis_url) as client:
        sent = _publish(
            lambda: client.replace(
                **_named(order, by_client_id), quantity=quantity, price=limit, account=account, signal_id=signal_id
            )
        )
        _answer(client, sent, timeout if wait else None, json)


def _client(config: Path | None, redis_url: str | None) -> Client:
    from fillstream.cli.target import find_target

    return find_target(config, redis_url).client()


def _named(order: str, by_client_id: bool) -> dict[str, Any]:
    return {"order_id" if is_order_id(order, by_client_id) else "client_order_id": order}


def _publish(send: Any) -> str:
    try:
        return str(send())
    except ValueError as error:
        raise Stop(Exit.USAGE, str(error)) from None


def _answer(client: Client, signal_id: str, timeout_s: float | None, json: bool) -> None:
    if timeout_s is None:
        if json:
            as_json({"signal_id": signal_id})
        else:
            console().print(f"published signal [bold]{signal_id}[/]")
        return
    outcome = client.wait_for(signal_id, timeout_s=timeout_s)
    if json:
        as_json(
            {
                "signal_id": signal_id,
                "refused": outcome.refused,
                "order_id": outcome.order_id,
                "ord_status": outcome.ord_status,
                "reason": outcome.reason,
                "text": outcome.text,
                "events": outcome.events,
            }
        )
    else:
        _show(outcome)
    if outcome.refused:
        raise typer.Exit(Exit.NO)


def _show(outcome: Outcome) -> None:
    columns = ("time", "type", "order_id", "ord_status", "last_qty", "last_px", "cum_qty", "leaves_qty", "avg_px")
    order = "" if outcome.order_id is None else f", order {outcome.order_id}"
    rows = [
        [time_of(event[name]) if name == "time" else event.get(name) for name in columns] for event in outcome.events
    ]
    out = console()
    print_table(out, f"signal {outcome.signal_id}{order}", columns, rows, spare=("order_id", "leaves_qty", "avg_px"))
    if outcome.text:
        text = f"{outcome.reason}: {outcome.text}" if outcome.reason else outcome.text
        out.print(text, markup=False, style="red" if outcome.refused else "yellow")
