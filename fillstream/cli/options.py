"""Options that several commands share, each with its one help text."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from fillstream.cli.exit_codes import Exit, Stop
from fillstream.libs.common.runtime.exit_codes import ANALYTICS_VARIABLE, REDIS_VARIABLE

GATEWAY_VARIABLE = "FILLSTREAM_GATEWAY_URL"
KEY_VARIABLE = "FILLSTREAM_KEY"
"""A key is told by the environment or a file: options are in the list of processes, and in a shell's history."""
DESK = "desk"
"""The parameter of a command that works over Redis and over a gateway."""
NEEDS_REDIS = "needs the desk's Redis, or this machine: no gateway does it; --redis-url names one (docs/gateway.md)"
URL_HELP = "The desk's gateway, https://host, where its Redis is out of reach."
_SAID = ("key_file", "ca_file", "insecure")
_NEGATIVE = re.compile(r"-\.?\d")


@dataclass(frozen=True, slots=True)
class Where:
    """Where a command looks for the desk, as options and environment say it.

    Attributes:
        redis_url: of its Redis.
        gateway_url: of its gateway; then nothing is asked of Redis.
        key_file: in which the gateway's key is.
        ca_file: certificates to trust, PEM.
        insecure: whether a key may go over http:// to another machine.
    """

    redis_url: str | None = None
    gateway_url: str | None = None
    key_file: Path | None = None
    ca_file: Path | None = None
    insecure: bool = False


def where(said: str | Where) -> Where:
    """Return the Redis that --redis-url names, as a place to look for a desk."""
    return said if isinstance(said, Where) else Where(redis_url_of(said))


class _GoesByGateway:
    """What makes a command, or a group that is one, take --url: where the desk is comes to it as one `Where`.

    A command says that it can by its parameter `desk`. All others know --url to say that they need Redis.
    """

    params: list[Any]

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.takes_gateway = any(each.name == DESK for each in self.params)
        self.params = [*self.params, *(_gateway_options() if self.takes_gateway else _no_gateway())]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put together where the desk is."""
        left: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        if ctx.resilient_parsing:
            return left
        url, said = ctx.params.pop("url", None), {name: ctx.params.pop(name, None) for name in _SAID}
        if self.takes_gateway:
            ctx.params[DESK] = _where(ctx, url, said)
        elif url is not None:
            raise Stop(Exit.USAGE, f"--url: `{ctx.command_path}` {NEEDS_REDIS}")
        elif _is_in_environment(ctx):
            raise Stop(Exit.USAGE, f"${GATEWAY_VARIABLE} is set, and `{ctx.command_path}` {NEEDS_REDIS}")
        return left


def _where(ctx: Any, url: str | None, said: Mapping[str, Any]) -> Where:
    named: Where = ctx.params[DESK] or Where()
    if url is not None and named.redis_url is not None:
        raise Stop(Exit.USAGE, "--url: names a gateway, and --redis-url the desk's Redis: it is one of them")
    if named.redis_url is None:
        url = url or os.environ.get(GATEWAY_VARIABLE) or None
    if url is None:
        given = [f"--{name.replace('_', '-')}" for name, value in said.items() if value]
        if given:
            raise Stop(Exit.USAGE, f"{given[0]}: is about a gateway, and none is named: --url, or ${GATEWAY_VARIABLE}")
        return named
    for name in ("analytics_url", "operator_url"):
        if name in ctx.params and ctx.get_parameter_source(name).name == "COMMANDLINE":
            raise Stop(Exit.USAGE, f"--{name.replace('_', '-')}: a gateway asks it itself; leave it out with --url")
    key_file, ca_file = (Path(said[name]) if said[name] else None for name in ("key_file", "ca_file"))
    return Where(gateway_url=url, key_file=key_file, ca_file=ca_file, insecure=bool(said["insecure"]))


def _is_in_environment(ctx: Any) -> bool:
    """Whether the environment names a gateway and nobody a Redis, for a command that looks for one."""
    if "redis_url" not in ctx.params or not os.environ.get(GATEWAY_VARIABLE):
        return False
    return not (ctx.params["redis_url"] or os.environ.get(REDIS_VARIABLE))


def _gateway_options() -> list[TyperOption]:
    def a_file(option: str, text: str) -> TyperOption:
        return TyperOption(param_decls=[option], metavar="FILE", help=text)

    return [
        TyperOption(param_decls=["--url"], metavar="URL", help=f"{URL_HELP}  \\[default: ${GATEWAY_VARIABLE}]"),
        a_file("--key-file", f"The gateway's key is in it, ID.SECRET.  \\[default: it is ${KEY_VARIABLE}]"),
        a_file("--ca-file", "Certificates (PEM) to trust instead of the usual ones, with --url."),
        TyperOption(
            param_decls=["--insecure"],
            is_flag=True,
            default=False,
            help="Let the key go over http:// to another machine: everybody on the way can read it.",
        ),
    ]


def _no_gateway() -> list[TyperOption]:
    return [TyperOption(param_decls=["--url"], hidden=True)]


class DeskCommand(_GoesByGateway, TyperCommand):
    """A command."""


class DeskGroup(_GoesByGateway, TyperGroup):
    """A group of commands, which may be one itself."""


class TakesNumbers(DeskCommand):
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
Desk = Annotated[
    Where | None,
    typer.Option(
        "--redis-url",
        parser=where,
        metavar="TEXT",
        help="Redis of the desk.  \\[default: $REDIS_URL, else the running local stack, else the file's]",
    ),
]
"""Redis' address, of a command that goes by a gateway, too."""
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
        envvar=ANALYTICS_VARIABLE,
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
