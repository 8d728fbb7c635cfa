"""`fillstream config`: which configuration is in force, and a copy of it to change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fillstream.cli.commands import RUN
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import AsJson, Config
from fillstream.tools.render import as_json, console


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=RUN)(config)


def config(
    copy_to: Annotated[
        Path | None, typer.Option("--copy-to", metavar="FOLDER", help="Copy the files there, to be changed.")
    ] = None,
    json: AsJson = False,
    config: Config = None,
) -> None:
    """Say which configuration is in force, or copy it.

    \b
    fillstream config
    fillstream config --copy-to mine && fillstream up --config mine/local.yaml

    The files are checked: what is refused is told with file, line and key, and the exit code is 78.
    """
    from fillstream.libs.common.process.settings import companions, default_path, load_settings
    from fillstream.services.order_service.app import desk_config

    file = (config or default_path()).resolve()
    desk_config(load_settings(file))
    files = [file, *companions(file)]
    if copy_to is not None:
        try:
            files = [_copied(each, copy_to.resolve()) for each in files]
        except OSError as error:
            raise Stop(Exit.USAGE, f"{copy_to}: cannot be written: {error.strerror}") from None
    if json:
        as_json({"files": [str(each) for each in files]})
        return
    for each in files:
        console().print(str(each), markup=False, soft_wrap=True)


def _copied(file: Path, folder: Path) -> Path:
    target = folder / file.name
    if target.exists():
        raise Stop(Exit.NO, f"{target} is there already, and is not written over")
    folder.mkdir(parents=True, exist_ok=True)
    target.write_bytes(file.read_bytes())
    return target
