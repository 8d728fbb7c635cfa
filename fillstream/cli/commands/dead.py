"""`fillstream dead`: list dead letters, show one, append one again after repair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.commands import REPAIR
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import OPERATOR_VARIABLE, AsJson, Config, Desk, Limit, OperatorUrl
from fillstream.tools.render import as_json, console, print_table, printable, time_of

if TYPE_CHECKING:
    from fillstream.client.sync import DeskClient
    from fillstream.tools.dead_letters import Letter

COLUMNS = ("id", "time", "stage", "stream", "entry_id", "reason", "text", "redriven_as")
SPARE = ("entry_id", "stage", "time", "stream")
"""See `fillstream.tools.render.print_table`."""

LetterId = Annotated[str, typer.Argument(metavar="ID", help="The dead letter's own id, as `fillstream dead` lists it.")]

room = typer.Typer(invoke_without_command=True, no_args_is_help=False)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(room, name="dead", rich_help_panel=REPAIR)


@room.callback()
def dead(
    context: typer.Context,
    limit: Limit = 20,
    json: AsJson = False,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """List the newest dead letters: entries nobody could use, with the reason; whole up to 512 KiB.

    \b
    fillstream dead
    fillstream dead show 1763692800000-0
    fillstream dead redrive 1763692800000-0 --set quantity=100
    """
    if context.invoked_subcommand is not None:
        return
    from fillstream.cli.publishing import client_of
    from fillstream.tools.dead_letters import letters

    with client_of(config, desk) as client:
        found = letters(client.redis, client.topology, limit)
    if json:
        as_json([_as_dict(each) for each in found])
        return
    rows = [[time_of(value) if name == "time" else value for name, value in _columns(each).items()] for each in found]
    out = console()
    print_table(out, "dead letters", COLUMNS, rows, SPARE)
    if not found:
        out.print("[dim]none[/]")


@room.command()
def show(letter_id: LetterId, json: AsJson = False, desk: Desk = None, config: Config = None) -> None:
    """Show one dead letter with the entry it carries.

    \b
    fillstream dead show 1763692800000-0
    """
    from fillstream.cli.publishing import client_of
    from fillstream.tools.entries import text_of

    with client_of(config, desk) as client:
        it = _find(client, letter_id)
    if json:
        as_json(_as_dict(it))
        return
    out = console()
    out.print(f"{it.letter['reason']}: {it.letter['text']}", markup=False, style="red")
    about = {**_columns(it), "time": time_of(it.letter["time"])}
    told = [(name, about[name]) for name in COLUMNS if name not in ("reason", "text")]
    print_table(out, "", ("what", "value"), told)
    title = "its entry"
    if it.cut is not None:
        title = f"the beginning of its entry of {it.cut.size} bytes in {it.cut.fields} fields, BLAKE2b {it.cut.blake2b}"
    print_table(out, title, ("field", "value"), [(text_of(k), text_of(v)) for k, v in it.raw.items()])


@room.command(name="redrive")
def again(
    letter_id: LetterId,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change a field; may be repeated.")
    ] = None,
    once_more: Annotated[bool, typer.Option("--again", help="Even if it was re-driven before.")] = False,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Append a dead letter's entry again to the stream it came from, and mark the letter.

    \b
    fillstream dead redrive 1763692800000-0                     # as it came
    fillstream dead redrive 1763692800000-0 --set side=BUY --set price=190.25
    """
    import redis

    from fillstream.cli.target import find_desk
    from fillstream.tools.dead_letters import CannotRedrive

    target = find_desk(config, desk)
    with target.operator(operator_url) as client:
        it = _find(client, letter_id)
        try:
            new_id = target.redrive(client, it, _changes(changes or []), once_more)
        except CannotRedrive as error:
            raise Stop(Exit.NO, str(error)) from None
        except redis.exceptions.NoPermissionError as error:
            raise Stop(
                Exit.NO,
                f"{it.letter['stream']}: Redis: {error}; {OPERATOR_VARIABLE} or --operator-url names the user that may"
                " append to inboxes: operator",
            ) from None
    if json:
        as_json({"id": it.id, "stream": it.letter["stream"], "redriven_as": new_id})
    else:
        console().print(f"appended to {it.letter['stream']} as [bold]{new_id}[/]")


def _changes(given: list[str]) -> dict[str, str]:
    changes = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not name or not equals:
            raise Stop(Exit.USAGE, f"--set: {each!r} is not FIELD=VALUE")
        changes[name] = value
    return changes


def _find(client: DeskClient, letter_id: str) -> Letter:
    from fillstream.tools.dead_letters import letter

    it = letter(client.redis, client.topology, letter_id)
    if it is None:
        raise Stop(Exit.NOT_FOUND, f"there is no dead letter {printable(letter_id)}; `fillstream dead` lists them")
    return it


def _columns(it: Letter) -> dict[str, Any]:
    about = {"id": it.id, **it.letter, "redriven_as": it.redriven_as}
    return {name: about[name] for name in COLUMNS}


def _as_dict(it: Letter) -> dict[str, Any]:
    from fillstream.tools.entries import read_entry, text_of

    entry = read_entry(None, it.letter["entry_id"], it.raw)
    cut = None if it.cut is None else {"bytes": it.cut.size, "fields": it.cut.fields, "blake2b": it.cut.blake2b}
    return {
        **_columns(it),
        "cut": cut,
        "raw": {text_of(name): text_of(value) for name, value in it.raw.items()},
        "entry": entry,
    }
