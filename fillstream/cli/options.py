"""Options that several commands share, each with its one help text."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from fillstream.libs.common.runtime.exit_codes import REDIS_VARIABLE

_NEGATIVE = re.compile(r"-\.?\d")


class TakesNumbers(TyperCommand):
    """A command whose arguments may be numbers: `-5` is then a bad quantity, and no unknown option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take what begins like a negative number for a value."""
        ctx.ignore_unknown_options = any(map(_NEGATIVE.match, args))
        return super().parse_args(ctx, args)


def redis_url_of(text: str | None) -> str | None:
    """Refuse what is no URL of a Redis without repeating it: it may have a password."""
    if text is None:
        return None
    from fillstream.libs.common.process.settings import A_REDIS_URL, is_redis_url  # noqa: PLC0415 - `--help` needs no settings

    if not is_redis_url(text):
        raise typer.BadParameter(f"it is not {A_REDIS_URL}")
    return text


def _http_url(text: str | None) -> str | None:
    if text is not None and not text.startswith(("http://", "https://")):
        if ".duckdb" in text or os.path.exists(text):  # noqa: PTH110 - any text, URLs and what is no path included
            raise typer.BadParameter(
                f"{text} is a file, and this takes http://host:port: only one process may open a DuckDB file, and "
                "while the desk runs that is analytics; leave the option out to ask it. When the desk has stopped, any "
                "DuckDB opens the file (SET TimeZone = 'UTC' first)"
            )
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
        callback=redis_url_of,
        help="Redis of the desk.  \\[default: $REDIS_URL, else the running local stack, else the file's]",
    ),
]
ServerUrl = Annotated[
    str | None,
    typer.Option(
        "--redis-url",
        envvar=REDIS_VARIABLE,
        callback=redis_url_of,
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
OPERATOR_VARIABLE = "FILLSTREAM_OPERATOR_URL"
OperatorUrl = Annotated[
    str | None,
    typer.Option(
        "--operator-url",
        callback=redis_url_of,
        help=f"Redis of the desk, as its user `operator`.  \\[default: ${OPERATOR_VARIABLE}, else as --redis-url]",
    ),
]
Who = Annotated[str | None, typer.Option("--who", help="Who wants it.  \\[default: your login's name]")]
OnlyAccount = Annotated[str | None, typer.Option("--account", "-a", help="Of this account only.")]
OnlySymbol = Annotated[str | None, typer.Option("--symbol", "-s", help="Of this symbol only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of tables for people.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many rows.")]
Account = Annotated[str, typer.Option("--account", "-a", help="Whose order it is.")]
Order = Annotated[str, typer.Argument(help="The order's number, or your client_order_id for it.")]
ByClientId = Annotated[
    bool, typer.Option("--by-client-id", help="What is named is a client_order_id, though it looks like a number.")
]


def login() -> str:
    """Return the name that this person logged in with; `operator` for a container's user, who has none."""
    import getpass  # noqa: PLC0415 - few commands need it

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"


def is_order_id(order: str, by_client_id: bool) -> bool:
    """Whether ORDER is an order's number, and not its owner's name for it."""
    return order.isascii() and order.isdigit() and not by_client_id
