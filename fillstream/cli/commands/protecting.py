"""Commands that protect positions: protect, unprotect."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fillstream.cli.commands import TRADE
from fillstream.cli.options import Account, AsJson, Config, Desk, TakesNumbers
from fillstream.cli.publishing import OfSeveral, SignalId, Timeout, Wait, answer, client_of, publish
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT, DEFAULT_PROTECTION

Symbol = Annotated[str, typer.Argument(help="Whose position: a symbol of instruments.yaml.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (protect, unprotect):
        app.command(rich_help_panel=TRADE, cls=TakesNumbers)(command)


def _option(name: str, metavar: str, text: str) -> Any:
    return typer.Option(name, metavar=metavar, help=text)


def protect(
    symbol: Symbol,
    quantity: Annotated[str | None, typer.Argument(metavar="[QTY]", help="So much of it.  \\[default: all]")] = None,
    stop: Annotated[
        str | None, _option("--stop", "PRICE|PCT%", "Close it at this price or worse; 2%: so far from the mean.")
    ] = None,
    take: Annotated[str | None, _option("--take", "PRICE|PCT%", "Close it at this price or better, likewise.")] = None,
    trail: Annotated[
        str | None, _option("--trail", "DISTANCE|PCT%|Natr", "A stop so far behind the best mark; 3atr: true ranges.")
    ] = None,
    after: Annotated[
        str | None, _option("--after", "DISTANCE", "Trail only once the mark is so far better than the mean.")
    ] = None,
    break_even: Annotated[
        str | None, _option("--break-even", "DISTANCE", "A stop at the mean once the mark is so far better.")
    ] = None,
    limit_ms: Annotated[int | None, _option("--within-ms", "MS", "Close it so long after it was opened.")] = None,
    at: Annotated[str | None, _option("--at", "TIME", "Close it at this time: 2030-03-04T20:55:00Z.")] = None,
    before_close: Annotated[
        int | None, _option("--before-close-ms", "MS", "Close it so long before its session ends: 300000.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Of several of one position.")] = DEFAULT_PROTECTION,
    strategy: Annotated[str | None, typer.Option("--strategy", help="Kept with the order that closes.")] = None,
    position_id: OfSeveral = None,
    account: Account = DEFAULT_ACCOUNT,
    signal_id: SignalId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Close an open position once a price or a time has come. Of a short one all is mirrored.

    \b
    fillstream protect AAPL --stop 182.50 --take 195 --wait
    fillstream protect AAPL --stop 2% --break-even 1.50
    fillstream protect AAPL 50 --name half --trail 0.5% --after 2
    fillstream protect AAPL --trail 3atr --name chandelier
    fillstream protect AAPL --before-close-ms 300000 --name flat-by-close
    fillstream protect AAPL --at 2030-03-04T20:55:00Z
    """
    said = {**_split("stop_loss", stop), **_split("take_profit", take), **_split("trailing_stop", trail)}
    with client_of(config, desk) as client:
        sent = publish(
            lambda: client.protect(
                symbol, account=account, signal_id=signal_id, quantity=quantity, protection_id=name, **said,
                activation_offset=after, break_even_offset=break_even, time_limit_ms=limit_ms, exit_time=at,
                before_session_end_ms=before_close, strategy=strategy, position_id=position_id,
            )
        )  # fmt: skip
        answer(client, sent, timeout if wait else None, json)


def unprotect(
    symbol: Symbol,
    name: Annotated[str | None, typer.Option("--name", help="Only this one.  \\[default: all of the position]")] = None,
    position_id: OfSeveral = None,
    account: Account = DEFAULT_ACCOUNT,
    signal_id: SignalId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Take away what `fillstream protect` said. An order that is on its way goes on.

    \b
    fillstream unprotect AAPL --wait
    """
    with client_of(config, desk) as client:
        sent = publish(
            lambda: client.cancel_protection(
                symbol, name, position_id=position_id, account=account, signal_id=signal_id
            )
        )
        answer(client, sent, timeout if wait else None, json)


def _split(name: str, text: str | None) -> dict[str, str]:
    """Return a price by its field, a percentage or true ranges by theirs."""
    if text is None:
        return {}
    text = text.lower()
    ends = {"%": f"{name}_percent"} | ({"atr": f"{name}_atr"} if name == "trailing_stop" else {})
    return next(({field: text.removesuffix(end)} for end, field in ends.items() if text.endswith(end)), {name: text})
