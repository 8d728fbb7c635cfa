"""`fillstream halt`, `reduce` and `resume`: what an account, or the whole desk, may do."""

from __future__ import annotations

from typing import Annotated

import typer

from fillstream.cli.commands import REPAIR
from fillstream.cli.controlling import ControlId, Reason, Timeout, WholeDesk, account_of, tell
from fillstream.cli.options import AsJson, Config, Desk, OperatorUrl, Who

AccountName = Annotated[str | None, typer.Argument(metavar="[ACCOUNT]", help="Whose, or --all.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (halt, reduce, resume):
        app.command(rich_help_panel=REPAIR)(command)


def halt(
    reason: Reason,
    account: AccountName = None,
    whole_desk: WholeDesk = False,
    cancel: Annotated[
        bool, typer.Option("--cancel/--no-cancel", help="Whether all that works is canceled, too.")
    ] = True,
    keep_protective: Annotated[
        bool, typer.Option("--keep-protective", help="Leave reduce-only orders and stops against what is held.")
    ] = False,
    who: Who = None,
    control_id: ControlId = None,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """The kill switch: take nothing new, and cancel all that works, of an account or of the whole desk.

    \b
    fillstream halt --all --reason "the feed is wrong"
    fillstream halt default --keep-protective --reason "a strategy runs away"
    fillstream halt default --no-cancel --reason "look first" --json

    Cancels go through all the while. What is then without a protective order is told. `fillstream resume` ends it.
    """
    about = account_of(account, whole_desk)
    urls = (operator_url, desk, config)
    more = {"cancel": cancel, "keep_protective": keep_protective}
    tell("Halt", about, who, reason, control_id, timeout, json, urls, **more)


def reduce(
    reason: Reason,
    account: AccountName = None,
    whole_desk: WholeDesk = False,
    who: Who = None,
    control_id: ControlId = None,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Take only orders that reduce what is held, of an account or of the whole desk. What works stays.

    \b
    fillstream reduce default --reason "winding down"
    fillstream reduce --all --reason "winding down" --json
    """
    about = account_of(account, whole_desk)
    tell("Reduce", about, who, reason, control_id, timeout, json, (operator_url, desk, config))


def resume(
    reason: Reason,
    account: AccountName = None,
    whole_desk: WholeDesk = False,
    who: Who = None,
    control_id: ControlId = None,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Take everything again, of an account or of the whole desk. An account's own halt stays when the desk is resumed.

    \b
    fillstream resume --all --reason "the feed is right again"
    fillstream resume default --reason "repaired" --json
    """
    about = account_of(account, whole_desk)
    tell("Resume", about, who, reason, control_id, timeout, json, (operator_url, desk, config))
