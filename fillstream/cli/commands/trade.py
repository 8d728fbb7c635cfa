"""Commands that publish: signal, close, cancel, cancel-all, replace, predict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.commands import TRADE
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import Account, AsJson, ByClientId, Config, Order, RedisUrl, TakesNumbers, is_order_id
from fillstream.cli.order_options import (
    AfterMs,
    AllOrNone,
    At,
    ClientOrderId,
    Confidence,
    Display,
    Expire,
    GroupId,
    Limit,
    NextSession,
    Notional,
    PositionId,
    PostOnly,
    ReduceOnly,
    Risk,
    SelfTradePrevention,
    StopLoss,
    StopPrice,
    Strategy,
    TakeProfit,
    Tif,
    Trail,
    Trigger,
    Type,
    Venue,
)
from fillstream.libs.common.messages.codes import (
    DEFAULT_ACCOUNT,
    OrderType,
    PredictedMove,
    TrailingOffset,
)
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
    for command in (signal, close, cancel, cancel_all, replace, predict):
        app.command(rich_help_panel=TRADE, cls=TakesNumbers)(command)
    app.command("amend", rich_help_panel=TRADE, cls=TakesNumbers)(replace)  # what the documents call it


def signal(
    symbol: Annotated[str, typer.Argument(help="What to trade: a symbol of instruments.yaml.")],
    side: Annotated[str, typer.Argument(help="BUY or SELL.")],
    quantity: Annotated[
        str | None, typer.Argument(metavar="[QTY]", help="How many; exact, as you write it. Or --notional, --risk.")
    ] = None,
    order_type: Type = None,
    limit: Limit = None,
    tif: Tif = None,
    stop: StopPrice = None, trigger: Trigger = None, trail: Trail = None,
    at: At = None, after_ms: AfterMs = None, next_session: NextSession = False, expire: Expire = None,
    notional: Notional = None, risk: Risk = None, display: Display = None,
    stop_loss: StopLoss = None, take_profit: TakeProfit = None,
    post_only: PostOnly = False, all_or_none: AllOrNone = False, reduce_only: ReduceOnly = False,
    self_trade: SelfTradePrevention = None,
    venue: Venue = None,
    account: Account = DEFAULT_ACCOUNT,
    signal_id: SignalId = None,
    client_order_id: ClientOrderId = None,
    strategy: Strategy = None,
    confidence: Confidence = None,
    group_id: GroupId = None,
    position_id: PositionId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:  # fmt: skip
    """Publish a signal to trade.

    \b
    fillstream signal AAPL BUY 100 --wait
    fillstream signal AAPL SELL 50 --limit 191.20 --tif DAY
    fillstream signal BTCUSDT BUY 0.015 --id rebalance-42     # safe to repeat
    fillstream signal AAPL SELL 50 --stop 180 --tif DAY
    fillstream signal AAPL SELL 50 --trail 0.5%
    fillstream signal AAPL BUY 100 --limit 185 --next-session
    fillstream signal AAPL SELL 50 --tif AT_THE_CLOSE
    fillstream signal AAPL BUY --risk 250 --limit 185 --stop-loss 182.50

    A --stop makes it STOP, with --limit STOP_LIMIT; --trail TRAILING_STOP; --expire GTD.

    With --wait the exit code is 1 when the order was refused, and 5 when nothing was heard in time.
    """
    with _client(config, redis_url) as client:
        sent = _publish(
            lambda: client.signal(
                symbol, side, quantity, order_type=order_type or _type_by(stop, trail, limit), price=limit,
                time_in_force=tif or ("GTD" if expire else None), account=account, signal_id=signal_id,
                client_order_id=client_order_id, strategy=strategy, confidence=confidence, group_id=group_id,
                position_id=position_id, stop_price=stop, trigger_price_type=trigger, **_trailing(trail),
                effective_time=at, effective_after_ms=after_ms,
                next_session=next_session or None, expire_time=expire, notional=notional,
                risk_amount=risk, display_quantity=display, stop_loss=stop_loss, take_profit=take_profit,
                post_only=post_only or None, all_or_none=all_or_none or None, reduce_only=reduce_only or None,
                self_trade_prevention=self_trade, venue=venue,
            )
        )  # fmt: skip
        _answer(client, sent, timeout if wait else None, json)


def close(
    symbol: Annotated[str, typer.Argument(help="Whose position: a symbol of instruments.yaml.")],
    quantity: Annotated[str | None, typer.Argument(metavar="[QTY]", help="So much of it.  \\[default: all]")] = None,
    limit: Annotated[str | None, typer.Option("--limit", "-l", metavar="PRICE", help="Price of a limit order.")] = None,
    account: Account = DEFAULT_ACCOUNT,
    signal_id: SignalId = None,
    strategy: Annotated[str | None, typer.Option("--strategy", help="Kept with the order.")] = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Close what an account holds of an instrument: a reduce-only order for what is not being closed already.

    \b
    fillstream close AAPL --wait
    fillstream close AAPL 50 --limit 191.20 --account demo
    """
    with _client(config, redis_url) as client:
        sent = _publish(
            lambda: client.close_position(
                symbol, quantity, price=limit, account=account, signal_id=signal_id, strategy=strategy
            )
        )
        _answer(client, sent, timeout if wait else None, json)


def predict(
    symbol: Annotated[str, typer.Argument(help="Of what: a symbol of instruments.yaml.")],
    move: Annotated[str, typer.Argument(help=f"{', '.join(PredictedMove)}.")],
    confidence: Annotated[str | None, typer.Option("--confidence", help="0 to 1.")] = None,
    price: Annotated[str | None, typer.Option("--price", help="The market's when it was made.")] = None,
    predictor: Annotated[str | None, typer.Option("--predictor", help="Which model made it.")] = None,
    account: Account = DEFAULT_ACCOUNT,
    signal_id: SignalId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Publish a model's prediction. It is journaled, and trades nothing by itself.

    \b
    fillstream predict AAPL BUY --confidence 0.83 --predictor lstm-7 --wait
    """
    with _client(config, redis_url) as client:
        sent = _publish(
            lambda: client.predict(
                symbol, move, account=account, signal_id=signal_id, confidence=confidence, price=price,
                predictor=predictor,
            )
        )  # fmt: skip
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
        str | None,
        typer.Option("--quantity", "--qty", metavar="QTY", help="The new total, what is filled so far included."),
    ] = None,
    limit: Annotated[str | None, typer.Option("--limit", "-l", metavar="PRICE", help="The new limit.")] = None,
    stop: Annotated[str | None, typer.Option("--stop", metavar="PRICE", help="What it waits for now.")] = None,
    account: Account = DEFAULT_ACCOUNT,
    by_client_id: ByClientId = False,
    signal_id: SignalId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Ask for an order's quantity, limit, stop price or several of them to be changed.

    \b
    fillstream replace 42 --limit 190.95 --wait
    fillstream replace rebalance-42 --quantity 80
    fillstream amend 42 --stop 180.50
    """
    with _client(config, redis_url) as client:
        sent = _publish(
            lambda: client.replace(
                **_named(order, by_client_id),
                quantity=quantity,
                price=limit,
                stop_price=stop,
                account=account,
                signal_id=signal_id,
            )
        )
        _answer(client, sent, timeout if wait else None, json)


def _client(config: Path | None, redis_url: str | None) -> Client:
    from fillstream.cli.target import find_target

    return find_target(config, redis_url).client()


def _type_by(stop: str | None, trail: str | None, limit: str | None) -> str | None:
    """Return the type that an order's prices say, None where they leave it to the desk."""
    if trail is not None:
        return OrderType.TRAILING_STOP.value
    if stop is None:
        return None
    return (OrderType.STOP if limit is None else OrderType.STOP_LIMIT).value


def _trailing(trail: str | None) -> dict[str, str]:
    """Return an offset and what it is counted in: `1.50`, `30ticks`, `50bps`, `0.5%`."""
    if trail is None:
        return {}
    for ending, unit in _TRAILS.items():
        if trail.endswith(ending):
            return {"trailing_offset": trail.removesuffix(ending), "trailing_offset_type": unit}
    return {"trailing_offset": trail}


_TRAILS = {"%": TrailingOffset.PERCENT.value, "bps": TrailingOffset.BPS.value, "ticks": TrailingOffset.TICKS.value}


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
