"""Options that several commands share, each with its one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fillstream.libs.common.process import REDIS_VARIABLE


def _redis_url(text: str | None) -> str | None:
    """Refuse what is no URL of a Redis without repeating it: it may have a password."""
    if text is None:
        return None
    from fillstream.libs.common.settings import A_REDIS_URL, is_redis_url  # noqa: PLC0415 - `--help` needs no settings

    if not is_redis_url(text):
        raise typer.BadParameter(f"it is not {A_REDIS_URL}")
    return text


def _http_url(text: str | None) -> str | None:
    if text is not None and not text.startswith(("http://", "https://")):
        raise typer.BadParameter(f"{text} is not http://host:port")
    return text


Config = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration file.  \\[default: $CONFIG_PATH, else config/local.yaml]"),
]
RedisUrl = Annotated[
    str | None,
    typer.Option(
        "--redis-url",
        callback=_redis_url,
        help="Redis of the desk.  \\[default: $REDIS_URL, else the running local stack, else the file's]",
    ),
]
ServerUrl = Annotated[
    str | None,
    typer.Option(
        "--redis-url",
        envvar=REDIS_VARIABLE,
        callback=_redis_url,
        help="A Redis or Valkey to use, instead of an embedded one.",
    ),
]
AnalyticsUrl = Annotated[
    str | None,
    typer.Option(
        "--analytics-url",
        envvar="FILLSTREAM_ANALYTICS_URL",
        callback=_http_url,
        help="Where analytics answers HTTP.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of tables for people.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many rows.")]
Account = Annotated[str, typer.Option("--account", "-a", help="Whose order it is.")]
