"""`fillstream tail`: the last entries of a stream, decoded, and what comes after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import redis
import typer

from fillstream.commands import LOOK
from fillstream.context import find_desk
from fillstream.exits import Exit, Stop
from fillstream.options import AsJson, Config, RedisUrl
from fillstream.render import as_json, console, printable, time_of
from fillstream.streams import KINDS, Stream, find_streams, lines_of, read_entry
from libs.common.streams import Topology, id_key, id_ms

BLOCK_MS = 500
PAGE = 500


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=LOOK)(tail)


def tail(
    stream: Annotated[str, typer.Argument(help=f"{', '.join(KINDS)}; one partition as in events.0; or a key.")],
    count: Annotated[int, typer.Option("-n", "--lines", min=0, max=100_000, help="The last so many entries.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes; Ctrl-C ends.")] = False,
    json: AsJson = False,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Show the last entries of a stream, messages and frames decoded. With --json, one line an entry.

    \b
    fillstream tail events --follow
    fillstream tail commands -n 3          # frames: what the engine was told
    fillstream tail dead --json | jq -r .text
    """
    desk = find_desk(config, redis_url)
    wanted = _streams(stream, desk.topology)
    with desk.client() as client:
        last = _last(client.redis, wanted, count)
        _print(last, json)
        if follow:
            at = {each.key: "0-0" for each in wanted}
            at |= {each.key: _id_before_now(client.redis, each.key) for each in wanted if count == 0}
            at |= {each.key: entry["id"] for each, entry in last}
            for each, entry in _coming(client.redis, wanted, at):
                _print([(each, entry)], json)


def _streams(name: str, topology: Topology) -> list[Stream]:
    try:
        return find_streams(name, topology)
    except KeyError:
        raise Stop(Exit.NOT_FOUND, f"STREAM: there is no {name}; there are {', '.join(KINDS)}") from None


def _last(client: redis.Redis, wanted: list[Stream], count: int) -> list[tuple[Stream, dict[str, Any]]]:
    """Return the last entries of all the streams together, oldest first."""
    raw: Any = client
    found = [
        (each, read_entry(each.kind, entry_id.decode(), fields))
        for each in wanted
        for entry_id, fields in (raw.xrevrange(each.key, count=count) if count else [])
    ]
    found.sort(key=lambda pair: id_key(pair[1]["id"]))
    return found[-count:] if count else []


def _id_before_now(client: redis.Redis, key: str) -> str:
    raw: Any = client
    last = raw.xrevrange(key, count=1)
    return last[0][0].decode() if last else "0-0"


def _coming(client: redis.Redis, wanted: list[Stream], at: dict[str, str]) -> Iterator[tuple[Stream, dict[str, Any]]]:
    raw: Any = client
    by_key = {each.key: each for each in wanted}
    while True:
        for key, entries in raw.xread(at, count=PAGE, block=BLOCK_MS) or []:
            each = by_key[key.decode()]
            for entry_id, fields in entries:
                at[each.key] = entry_id.decode()
                yield each, read_entry(each.kind, at[each.key], fields)


def _print(found: list[tuple[Stream, dict[str, Any]]], json: bool) -> None:
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
