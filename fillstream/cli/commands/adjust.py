"""`fillstream adjust`: an account's cash changes without a trade."""

from __future__ import annotations

from typing import Annotated

import typer

from fillstream.cli.commands import REPAIR
from fillstream.cli.controlling import ControlId, Reason, Timeout, tell
from fillstream.cli.options import AsJson, Config, OperatorUrl, RedisUrl, TakesNumbers, Who
from fillstream.libs.common.messages.codes import Adjustment

KINDS = ", ".join(each.value.lower() for each in Adjustment)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=REPAIR, cls=TakesNumbers)(adjust)


def adjust(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Whose cash.")],
    adjustment: Annotated[str, typer.Argument(metavar="KIND", help=f"{KINDS}.")],
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="In the account's currency; below 0 what is paid.")],
    reason: Reason,
    currency: Annotated[str | None, typer.Option("--currency", help="Checked: it must be the account's.")] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", help="The instrument that paid, or was paid for.")] = None,
    who: Who = None,
    control_id: ControlId = None,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Put cash into an account or take it out: a deposit, a withdrawal, a dividend, funding, a mark of its currency.

    \b
    fillstream adjust default deposit 100000 --reason "paid in" --id deposit-17
    fillstream adjust default dividend 24.50 --symbol AAPL --reason "quarterly dividend"
    fillstream adjust default funding --reason "perpetual funding" --json -- -3.75

    Send it again with the same --id when in doubt: it counts once. An amount below 0 comes last, behind `--`.
    """
    tell(
        "AdjustAccount",
        account,
        who,
        reason,
        control_id,
        timeout,
        json,
        (operator_url, redis_url, config),
        adjustment=adjustment,
        amount=amount,
        currency=currency,
        symbol=symbol,
    )
