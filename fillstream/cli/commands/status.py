"""`fillstream status`: every stage, whether it runs or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from fillstream.cli.commands import LOOK
from fillstream.cli.exit_codes import Exit
from fillstream.cli.options import AsJson, Config, Desk
from fillstream.tools.render import as_json, console, print_table

if TYPE_CHECKING:
    from fillstream.tools.status import StageState

COLUMNS = (
    "stage", "partition", "state", "lag", "entries", "entries/s", "snapshot", "restarts", "pid", "at",
)  # fmt: skip
SPARE = ("at", "pid", "snapshot")
"""See `fillstream.tools.render.print_table`."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=LOOK)(status)


def status(json: AsJson = False, desk: Desk = None, config: Config = None) -> None:
    """Tell of every stage whether it is live, how far it is behind, and what went wrong last.

    \b
    fillstream status
    fillstream status --json | jq '.[] | select(.state != "live")'

    Who keeps a stream from being trimmed for long, and who is waited for no more, is named below the table; all of them
    are in --json, as `holds` of the stage that trims the stream.

    Where aliases point, and how many accounts are LIVE, is below the table, too, and in --json as `note`.

    Lag is counted from the streams, so it is right for a stage that is down too. The exit code is 1 when a stage is
    not live.
    """
    from fillstream.cli.target import find_desk

    target = find_desk(config, desk)
    with target.client() as client:
        found = target.stages(client)
    if json:
        as_json([each.as_dict() for each in found])
    else:
        _show(found, target.settings.messaging.retention_s)
    if not all(each.is_live for each in found):
        raise typer.Exit(Exit.NO)


def _show(found: list[StageState], retention_s: int) -> None:
    from fillstream.tools.status import ago

    rows = [
        (
            each.stage,
            each.partition,
            each.state,
            each.lag,
            each.entries,
            each.entries_per_s,
            None if each.snapshot_age_s is None else f"{each.snapshot_age_s:.0f} s ago",
            each.restarts,
            each.pid,
            each.url,
        )
        for each in found
    ]
    out = console()
    print_table(out, "stages", COLUMNS, rows, SPARE)
    for each in found:
        who = f"{each.stage} {each.partition}"
        if each.state in {"down", "crashed"} and each.at_ms is not None:
            out.print(f"{who}: last heard of {ago(each.at_ms)} ago", markup=False, style="red")
        if each.note:
            out.print(f"{who}: {each.note}", markup=False, soft_wrap=True)
        if each.progress:
            out.print(f"{who}: {each.progress}", markup=False)
        if each.last_error:
            out.print(f"{who}: {each.last_error}", markup=False, style="red")
    for hold in (hold for each in found for hold in each.holds if hold.is_long(retention_s)):
        out.print(f"{hold.text}; {hold.way_on}", markup=False, style="red" if hold.lapsed else "yellow", soft_wrap=True)
