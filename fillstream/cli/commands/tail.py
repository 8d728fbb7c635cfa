"""`fillstream tail`: the last entries of a stream, decoded, and what comes after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.commands import LOOK
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import AsJson, Config, Desk
from fillstream.libs.common.messages.topology import KINDS, Topology, id_key, id_ms
from fillstream.tools.render import as_json, console, printable, time_of

if TYPE_CHECKING:
    import redis

    from fillstream.tools.entries import Stream

    Read = tuple[Stream, dict[str, Any]]

BLOCK_MS = 500
PAGE = 500


@dataclass(frozen=True, slots=True)
class Shown:
    """Which entries a person wants to see."""

    ticks: bool
    types: frozenset[str]
    """None means all. A frame is shown whole when one of its records has one of these types."""

    def among(self, stream: Stream, page: list[tuple[bytes, dict[bytes, bytes]]]) -> Iterator[dict[str, Any]]:
        """Yield the entries of a page that are wanted, read."""
        from fillstream.libs.common.messages.note import is_tick
        from fillstream.tools.entries import read_entry, types_of

        for entry_id, fields in page:
            if self.ticks or not is_tick(fields):
                entry = read_entry(stream.kind, entry_id.decode(), fields)
                if not self.types or not self.types.isdisjoint(types_of(entry)):
                    yield entry


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=LOOK)(tail)


def tail(
    stream: Annotated[str, typer.Argument(help=f"{', '.join(KINDS)}; one as in events.0 or commands.SIM.0; or a key.")],
    count: Annotated[int, typer.Option("-n", "--lines", min=0, max=100_000, help="The last so many entries.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes; Ctrl-C ends.")] = False,
    types: Annotated[
        list[str] | None, typer.Option("--type", "-t", metavar="TYPE", help="Of this type only; may be repeated.")
    ] = None,
    ticks: Annotated[bool, typer.Option("--ticks", help="Show the entries that only make time pass, too.")] = False,
    json: AsJson = False,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Show the last entries of a stream, messages and frames decoded. With --json, one line an entry.

    \b
    fillstream tail events --follow
    fillstream tail events --follow --type OrderFilled --type OrderRejected
    fillstream tail commands -n 3          # frames: what the engine was told
    fillstream tail dead --json | jq -r .text
    """
    from fillstream.cli.publishing import client_of

    shown = Shown(ticks, frozenset(types or ()))
    with client_of(config, desk) as client:
        wanted = _streams(stream, client.topology)
        newest = {each.key: _newest_id(client.redis, each.key) for each in wanted}
        last = _last(client.redis, wanted, newest, count, shown)
        _print(last, json)
        if follow:
            for each, entry in _coming(client.redis, wanted, newest, shown):
                _print([(each, entry)], json)


def _streams(name: str, topology: Topology) -> list[Stream]:
    from fillstream.tools.entries import find_streams

    try:
        return find_streams(name, topology)
    except KeyError:
        raise Stop(Exit.NOT_FOUND, f"STREAM: there is no {name}; there are {', '.join(KINDS)}") from None


def _newest_id(client: redis.Redis, key: str) -> str:
    raw: Any = client
    last = raw.xrevrange(key, count=1)
    return last[0][0].decode() if last else "0-0"


def _last(client: redis.Redis, wanted: list[Stream], upto: dict[str, str], count: int, shown: Shown) -> list[Read]:
    """Return the last entries of all the streams together, up to an id of each, oldest first."""
    found = [
        (each, entry) for each in wanted for entry in islice(_backwards(client, each, upto[each.key], shown), count)
    ]
    found.sort(key=lambda pair: id_key(pair[1]["id"]))
    return found[-count:] if count else []


def _backwards(client: redis.Redis, stream: Stream, upto: str, shown: Shown) -> Iterator[dict[str, Any]]:
    raw: Any = client
    before = upto
    while page := raw.xrevrange(stream.key, before, "-", count=PAGE):
        yield from shown.among(stream, page)
        before = f"({page[-1][0].decode()}"


def _coming(client: redis.Redis, wanted: list[Stream], at: dict[str, str], shown: Shown) -> Iterator[Read]:
    raw: Any = client
    by_key = {each.key: each for each in wanted}
    while True:
        for key, entries in raw.xread(at, count=PAGE, block=BLOCK_MS) or []:
            each = by_key[key.decode()]
            at[each.key] = entries[-1][0].decode()
            for entry in shown.among(each, entries):
                yield each, entry


def _print(found: list[Read], json: bool) -> None:
    from fillstream.tools.entries import lines_of

    if json:
        for each, entry in found:
            as_json({"stream": each.key, **entry}, lines=True)
        return
    out = console()
    for each, entry in found:
        stamp = time_of(id_ms(entry["id"]))
        for line in lines_of(entry):
            text = f"{stamp}  {each.key} {entry['id']}  {printable(line)}"
            out.print(text, markup=False, soft_wrap=True)
