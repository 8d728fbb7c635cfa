"""Options that several commands share, each with its one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration file.  \\[default: $CONFIG_PATH, else config/local.yaml]"),
]
RedisUrl = Annotated[
    str | None,
    typer.Option(
        "--redis-url", help="Redis of the desk.  \\[default: $REDIS_URL, else the running local stack, else the file's]"
    ),
]
AnalyticsUrl = Annotated[
    str | None,
    typer.Option("--analytics-url", envvar="FILLSTREAM_ANALYTICS_URL", help="Where analytics answers HTTP."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of tables for people.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many rows.")]
Account = Annotated[str, typer.Option("--account", "-a", help="Whose order it is.")]
