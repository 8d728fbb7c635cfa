"""The `fillstream` command: what a person types.

Flows in: a command line. Flows out: tables or JSON on standard output, one sentence on standard error when it cannot,
and an exit code of `fillstream.cli.exit_codes`. Never shows a stack trace for what a person can put right.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from fillstream.cli import commands
from fillstream.cli.exit_codes import MEANINGS, Exit, Stop
from fillstream.cli.options import DeskCommand, DeskGroup

ABOUT = """From a signal on a Redis stream to a fill, a position and an answer in SQL.

\b
Begin with:
  fillstream up                          start a desk on this machine
  fillstream signal AAPL BUY 100 --wait  publish a signal, see what becomes of it
  fillstream orders                      look at orders, `fills`, `positions`
  fillstream status                      is every stage live, how far behind?
  fillstream tail events --follow        the journal, as it is written

Every command that reads takes --json. `fillstream COMMAND --help` has examples.
"""
EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code.value:<3} {text}" for code, text in MEANINGS.items())


class _Sentences(TyperGroup):
    """Ends with a sentence and a code where Python would end with a stack trace."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Stop as stop:
            _end(stop.code, stop.text)
        except Exception as error:
            if type(error).__module__.partition(".")[0] in ("typer", "click"):
                raise  # how the command line itself ends: an exit, a word that it does not know
            from fillstream.cli.sentences import sentence_of  # noqa: PLC0415 - it knows every library that may fail

            told = sentence_of(error)
            if told is None:
                raise
            _end(*told)


def _end(code: Exit, text: str) -> None:
    sys.stderr.write(f"{text}\n")
    raise typer.Exit(code)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - it takes a tenth of a second

        typer.echo(f"fillstream {version('fillstream')}")
        raise typer.Exit


def build() -> typer.Typer:
    """Return the command with every room's commands."""
    app = typer.Typer(
        name="fillstream",
        cls=_Sentences,
        help=ABOUT,
        epilog=EXIT_CODES,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )

    @app.callback()
    def callback(
        wants_version: Annotated[
            bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
        ] = False,
    ) -> None:
        pass

    for room in sorted(pkgutil.iter_modules(commands.__path__), key=lambda each: each.name):
        importlib.import_module(f"{commands.__name__}.{room.name}").register(app)
    _let_them_go_by_a_gateway(app)
    # `fillstream --help` shows panels in the order in which their first command or group was added.
    for added in (app.registered_commands, app.registered_groups):
        added.sort(key=lambda each: commands.PANELS.index(str(each.rich_help_panel)))
    return app


def _let_them_go_by_a_gateway(app: typer.Typer) -> None:
    """Have each command take --url: to go by a gateway, or to say that it needs Redis."""
    for command in app.registered_commands:
        if command.cls in (None, TyperCommand):
            command.cls = DeskCommand
    for group in app.registered_groups:
        assert group.typer_instance is not None, "it was added as one"
        _let_them_go_by_a_gateway(group.typer_instance)
        if group.typer_instance.registered_callback is not None:
            group.typer_instance.registered_callback.cls = DeskGroup


app = build()


def main() -> None:
    """Run the command with this process's arguments."""
    app()
