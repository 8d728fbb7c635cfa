"""How commands ask analytics, and say what of an answer may be missing.

Flows in: a command's options. Flows out: a client of the analytics that is meant; sentences on standard error. Loads
nothing until it is asked: `--help` needs no client.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fillstream.cli.options import Where
from fillstream.tools.render import printable

if TYPE_CHECKING:
    from fillstream.cli.analytics_client import AnalyticsClient, Found


def analytics(config: Path | None, desk: Where | None, analytics_url: str | None) -> AnalyticsClient:
    """Return a client of the analytics of the desk that is meant.

    Raises:
        Stop: it is not known where that answers.
    """
    from fillstream.cli.target import find_desk  # noqa: PLC0415 - see above

    return find_desk(config, desk).analytics(analytics_url)


def tell_missing(found: Found) -> None:
    """Say on standard error what may be missing of an answer."""
    for sentence in found.incomplete:
        typer.echo(f"incomplete: {printable(sentence)}", err=True)
