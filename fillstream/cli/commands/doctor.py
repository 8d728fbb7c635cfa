"""`fillstream doctor`: what is missing on this machine."""

from __future__ import annotations

from dataclasses import asdict

import typer

from fillstream.cli.commands import REPAIR
from fillstream.cli.exit_codes import Exit
from fillstream.cli.options import AsJson, Config, RedisUrl
from fillstream.tools.render import as_json, console, print_table

COLUMNS = ("verdict", "what", "found", "how")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=REPAIR)(doctor)


def doctor(json: AsJson = False, redis_url: RedisUrl = None, config: Config = None) -> None:
    """Look for what a desk needs on this machine, and say how to get what is missing.

    \b
    fillstream doctor
    docker compose exec signals fillstream doctor    in a container: what a service needs there

    The exit code is 1 when something that a desk cannot run without is missing.
    """
    from fillstream.cli.target import find_target
    from fillstream.tools.doctor import examine, examine_container, in_container

    desk = find_target(config, redis_url)
    if in_container():
        findings = examine_container(desk.settings, desk.redis_url)
    else:
        findings = examine(desk.settings, desk.redis_url, running=desk.told is not None)
    if json:
        as_json([asdict(each) for each in findings])
    else:
        print_table(console(), "", COLUMNS, [[each.verdict, each.what, each.found, each.how] for each in findings])
    if any(each.verdict == "missing" for each in findings):
        raise typer.Exit(Exit.NO)
