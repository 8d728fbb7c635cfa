"""Commands that publish: signal, close, cancel, cancel-all, replace, predict."""

from __future__ import annotations

from typing import Annotated

import typer

from fillstream.cli.commands import TRADE
from fillstream.cli.options import Account, AsJson, ByClientId, Config, Desk, Order, TakesNumbers
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
    Parameter,
    PositionId,
    PostOnly,
    ReduceOnly,
    Risk,
    Routing,
    SelfTradePrevention,
    StopLoss,
    StopPrice,
    Strategy,
    TakeProfit,
    TakeProfits,
    Tif,
    Trail,
    TrailingStop,
    Trigger,
    Type,
    Venue,
    Venues,
)
from fillstream.cli.publishing import (
    OfSeveral,
    SignalId,
    Timeout,
    Wait,
    answer,
    client_of,
    named_by,
    publish,
    told,
    trailing,
    type_by,
)
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT, BreakEven, PredictedMove


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
    order_type: Type = None, limit: Limit = None, tif: Tif = None,
    stop: StopPrice = None, trigger: Trigger = None, trail: Trail = None,
    at: At = None, after_ms: AfterMs = None, next_session: NextSession = False, expire: Expire = None,
    notional: Notional = None, risk: Risk = None, display: Display = None,
    stop_loss: StopLoss = None, take_profit: TakeProfit = None,
    post_only: PostOnly = False, all_or_none: AllOrNone = False, reduce_only: ReduceOnly = False,
    self_trade: SelfTradePrevention = None,
    venue: Venue = None, routing: Routing = None, venues: Venues = None,
    account: Account = DEFAULT_ACCOUNT,
    signal_id: SignalId = None,
    client_order_id: ClientOrderId = None,
    strategy: Strategy = None,
    confidence: Confidence = None,
    group_id: GroupId = None, position_id: PositionId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    desk: Desk = None,
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
    fillstream signal AAPL BUY 500 --routing BEST_PRICE --venues SIM,SIM2 --wait

    A --stop makes it STOP, with --limit STOP_LIMIT; --trail TRAILING_STOP; --expire GTD.

    With --wait the exit code is 1 when the order was refused, and 5 when nothing was heard in time.
    """
    with client_of(config, desk) as client:
        sent = publish(
            lambda: client.signal(
                symbol, side, quantity, order_type=order_type or type_by(stop, trail, limit), price=limit,
                time_in_force=tif or ("GTD" if expire else None), account=account, signal_id=signal_id,
                client_order_id=client_order_id, strategy=strategy, confidence=confidence, group_id=group_id,
                position_id=position_id, stop_price=stop, trigger_price_type=trigger, **trailing(trail),
                effective_time=at, effective_after_ms=after_ms, next_session=next_session or None, expire_time=expire,
                notional=notional, risk_amount=risk, display_quantity=display, stop_loss=stop_loss,
                take_profit=take_profit, post_only=post_only or None, all_or_none=all_or_none or None,
                reduce_only=reduce_only or None, self_trade_prevention=self_trade, venue=venue,
                routing=routing, venues=venues,
            )
        )  # fmt: skip
        answer(client, sent, timeout if wait else None, json)


def close(
    symbol: Annotated[str, typer.Argument(help="Whose position: a symbol of instruments.yaml.")],
    quantity: Annotated[str | None, typer.Argument(metavar="[QTY]", help="So much of it.  \\[default: all]")] = None,
    limit: Annotated[str | None, typer.Option("--limit", "-l", metavar="PRICE", help="Price of a limit order.")] = None,
    account: Account = DEFAULT_ACCOUNT,
    signal_id: SignalId = None,
    strategy: Annotated[str | None, typer.Option("--strategy", help="Kept with the order.")] = None,
    position_id: OfSeveral = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Close what an account holds of an instrument: a reduce-only order for what is not being closed already.

    \b
    fillstream close AAPL --wait
    fillstream close AAPL 50 --limit 191.20 --account demo
    fillstream close AAPL --position hedge                    # of an account that hedges
    """
    with client_of(config, desk) as client:
        sent = publish(
            lambda: client.close_position(
                symbol, quantity, price=limit, account=account, signal_id=signal_id, strategy=strategy,
                position_id=position_id,
            )
        )  # fmt: skip
        answer(client, sent, timeout if wait else None, json)


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
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Publish a model's prediction. It is journaled, and trades nothing by itself.

    \b
    fillstream predict AAPL BUY --confidence 0.83 --predictor lstm-7 --wait
    """
    with client_of(config, desk) as client:
        sent = publish(
            lambda: client.predict(
                symbol, move, account=account, signal_id=signal_id, confidence=confidence, price=price,
                predictor=predictor,
            )
        )  # fmt: skip
        answer(client, sent, timeout if wait else None, json)


def cancel(
    order: Order,
    account: Account = DEFAULT_ACCOUNT,
    by_client_id: ByClientId = False,
    signal_id: SignalId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Ask for an order to be taken off the book.

    \b
    fillstream cancel 42 --wait
    fillstream cancel rebalance-42 --account demo
    """
    with client_of(config, desk) as client:
        sent = publish(lambda: client.cancel(**named_by(order, by_client_id), account=account, signal_id=signal_id))
        answer(client, sent, timeout if wait else None, json)


def cancel_all(
    account: Account = DEFAULT_ACCOUNT,
    symbol: Annotated[str | None, typer.Option("--symbol", help="Of this instrument only.")] = None,
    strategy: Annotated[str | None, typer.Option("--strategy", help="Of this strategy only.")] = None,
    side: Annotated[str | None, typer.Option("--side", help="BUY or SELL only.")] = None,
    signal_id: SignalId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    desk: Desk = None,
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
    with client_of(config, desk) as client:
        sent = publish(lambda: client.cancel_all(account=account, signal_id=signal_id, **about))
        answer(client, sent, timeout if wait else None, json)


def replace(
    order: Order,
    quantity: Annotated[
        str | None,
        typer.Option("--quantity", "--qty", metavar="QTY", help="The new total, what is filled so far included."),
    ] = None,
    limit: Annotated[str | None, typer.Option("--limit", "-l", metavar="PRICE", help="The new limit.")] = None,
    stop: Annotated[str | None, typer.Option("--stop", metavar="PRICE", help="What it waits for now.")] = None,
    stop_loss: StopLoss = None,
    trailing_stop: TrailingStop = None,
    take_profit: TakeProfits = None,
    break_even: Annotated[
        str | None,
        typer.Option(
            "--break-even", metavar="WHEN", help=f"Its stop moves to the mean fill price: {', '.join(BreakEven)}."
        ),
    ] = None,
    parameter: Parameter = None,
    account: Account = DEFAULT_ACCOUNT,
    by_client_id: ByClientId = False,
    signal_id: SignalId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Ask for an order to be changed: quantity, limit or stop price; a bracket's exits; what an algorithm was told.

    \b
    fillstream replace 42 --limit 190.95 --wait
    fillstream replace rebalance-42 --quantity 80
    fillstream amend 42 --stop 180.50
    fillstream amend 42 --stop-loss 184 --take-profit 195:1 --take-profit 200:1
    fillstream amend 42 --break-even NOW
    fillstream amend 42 -p end_time=2026-12-01T20:00:00Z -p urgency=AGGRESSIVE

    A bracket is amended by its entry, filled or not; new targets share what is open now. Of an algorithm's parameters,
    those stay that are not named.
    """
    with client_of(config, desk) as client:
        sent = publish(
            lambda: client.replace(
                **named_by(order, by_client_id),
                quantity=quantity,
                price=limit,
                stop_price=stop,
                stop_loss=stop_loss,
                trailing_stop=trailing_stop,
                take_profits=take_profit or None,
                break_even=break_even and break_even.upper(),
                algorithm_parameters=told(parameter) or None,
                account=account,
                signal_id=signal_id,
            )
        )
        answer(client, sent, timeout if wait else None, json)
