"""`fillstream adjust`: an account's cash, or what it holds, changes without a trade."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from fillstream.cli.commands import REPAIR
from fillstream.cli.controlling import ControlId, Reason, Timeout, WholeDesk, account_of, tell
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import AsJson, Config, Desk, OperatorUrl, TakesNumbers, Who
from fillstream.libs.common.messages.codes import Adjustment
from fillstream.libs.common.values.naming import shorten

KINDS = ", ".join(each.value.lower() for each in Adjustment)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=REPAIR, cls=TakesNumbers)(adjust)


def adjust(
    reason: Reason,
    account: Annotated[
        str | None, typer.Argument(metavar="[ACCOUNT]", help="Whose; or --all, of a split or a new symbol.")
    ] = None,
    adjustment: Annotated[str | None, typer.Argument(metavar="[KIND]", help=f"{KINDS}.")] = None,
    amount: Annotated[
        str | None,
        typer.Argument(metavar="[AMOUNT]", help="In the account's currency; below 0 what is paid. Of cash only."),
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="NEW:OLD, 2:1 doubles what is held.")] = None,
    new_symbol: Annotated[
        str | None, typer.Option("--new-symbol", help="What is held of --symbol is called so from now on.")
    ] = None,
    whole_desk: WholeDesk = False,
    currency: Annotated[str | None, typer.Option("--currency", help="Checked: it must be the account's.")] = None,
    symbol: Annotated[
        str | None, typer.Option("--symbol", help="The instrument that paid, was paid for, is split or renamed.")
    ] = None,
    who: Who = None,
    control_id: ControlId = None,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Change an account without a trade: cash that comes or goes, a currency mark, a split, a new symbol.

    \b
    fillstream adjust default deposit 100000 --reason "paid in" --id deposit-17
    fillstream adjust default dividend 24.50 --symbol AAPL --reason "quarterly dividend"
    fillstream adjust --all --split 1:10 --symbol AAPL --reason "one for ten"
    fillstream adjust --all --symbol FB --new-symbol META --reason "a new name"
    fillstream adjust default funding -3.75 --reason "perpetual funding" --json

    Send it again with the same --id when in doubt: it counts once.
    """
    if adjustment is None:
        if split is None and new_symbol is None:
            raise Stop(Exit.USAGE, f"KIND: name one of {KINDS}")
        adjustment = (Adjustment.SYMBOL_CHANGE if split is None else Adjustment.SPLIT).value
    if split is not None:
        _check_ratio(split)
    tell(
        "AdjustAccount",
        account_of(account, whole_desk),
        who,
        reason,
        control_id,
        timeout,
        json,
        (operator_url, desk, config),
        adjustment=adjustment,
        amount=amount,
        currency=currency,
        symbol=symbol,
        ratio=split,
        new_symbol=new_symbol,
    )


def _check_ratio(split: str) -> None:
    """Say it in a person's words: the desk's own sentence has a pattern in it."""
    from fillstream.libs.common.messages.controls import RATIO

    if not re.fullmatch(RATIO, split):
        raise Stop(Exit.USAGE, f"--split: {shorten(split)} must be NEW:OLD, whole numbers from 1 to 999999, as 2:1")
