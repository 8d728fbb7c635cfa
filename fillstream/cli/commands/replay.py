"""`fillstream replay`: fold a log again, offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fillstream.cli.commands import LOOK
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import AsJson, Config, RedisUrl
from fillstream.libs.common.messages.stages import STAGES, label_of
from fillstream.tools.render import as_json, console

if TYPE_CHECKING:
    from fillstream.tools.replay import Replay


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=LOOK)(replay)


def _stage(name: str) -> str:
    if name not in STAGES:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(STAGES)}")
    return name


def replay(
    stage: Annotated[
        str, typer.Option("--stage", "-s", parser=_stage, metavar=f"<{'|'.join(STAGES)}>", help="Whose log.")
    ] = "orders",
    partition: Annotated[int, typer.Option("--partition", "-p", min=0, help="Which partition of it.")] = 0,
    venue: Annotated[
        str | None, typer.Option("--venue", help="Whose engine, of a desk with several simulated venues.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="ID", help="Stop after this entry.")] = None,
    json: AsJson = False,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Fold a stage's log again from its first entry, and say whether the outputs are those that were committed.

    \b
    fillstream replay --stage orders
    fillstream replay --stage engine --venue SIM2
    fillstream replay --stage positions --until 1723161600000-0 --json

    Nothing is written: a live stage does not notice. With --json the whole state is there, as it was at that moment.
    The exit code is 1 when the hashes differ, or when the log was trimmed and no longer begins at its beginning.
    Bytes are equal within a release: where another one decided entries, that is said beside the hashes.
    """
    from fillstream.cli.target import find_target
    from fillstream.libs.common.runtime.log import RedisLog, connect
    from fillstream.libs.common.runtime.runner import FoldFailed
    from fillstream.libs.common.runtime.stage import Inconsistent
    from fillstream.tools.registry import fresh_stage, partitions
    from fillstream.tools.replay import replay as fold_again

    desk = find_target(config, redis_url)
    count = partitions(desk.settings, stage)
    if partition >= count:
        raise Stop(Exit.NOT_FOUND, f"partition: {stage} has 0 to {count - 1}, got {partition}")
    if venue is not None and not STAGES[stage].inbox.per_venue:
        raise Stop(Exit.USAGE, f"venue: there is one {stage} stage for all venues, got {venue}")
    if venue is not None and venue not in desk.topology.venues:
        raise Stop(Exit.NOT_FOUND, f"venue: must be one of {', '.join(desk.topology.venues)}, got {venue}")
    folded = fresh_stage(desk.settings, stage, partition, venue)
    client = connect(desk.redis_url)
    try:
        log = RedisLog(client, desk.topology, folded.name, folded.inbox)
        result = fold_again(log, folded, until)
    except (Inconsistent, FoldFailed) as error:
        raise Stop(Exit.NO, f"{stage} {partition}: the log cannot be folded again: {error}") from error
    finally:
        client.close()
    if json:
        as_json(_as_dict(result))
    else:
        _show(result)
    if result.agrees is False:
        raise typer.Exit(Exit.NO)


def _as_dict(result: Replay) -> dict[str, object]:
    return {
        "stage": result.stage.name,
        "inbox": result.stage.inbox,
        "partition": result.stage.partition,
        "upto": result.upto,
        "entries": result.entries,
        "digest": result.digest.hex(),
        "committed": None if result.committed is None else result.committed.hex(),
        "agrees": result.agrees,
        "release": result.release,
        "decided": [each._asdict() for each in result.decided],
        "gauges": {family: dict(values) for family, values in result.stage.gauges().items()},
        "state": _state(result),
    }


def _state(result: Replay) -> object:
    """Return the state as JSON where the stage keeps it so, else its size: the engine's is bytes of its own."""
    import orjson

    data = result.stage.snapshot()
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return {"bytes": len(data)}


def _show(result: Replay) -> None:
    out = console()
    for family, values in result.stage.gauges().items():
        for name, count in values.items():
            out.print(f"  {family}{' ' if name else ''}{name}: {count:,}", markup=False)
    for each in result.decided if result.foreign else ():
        out.print(f"  entries after {each.after} up to {each.upto} were decided by {each.release}", markup=False)
    name = label_of(result.stage.name, result.stage.inbox)
    where = f"{name} {result.stage.partition}, {result.entries:,} entries up to {result.upto}"
    match result.agrees:
        case True:
            out.print(f"[green]the output hash agrees[/]: {where}: {result.digest.hex()}")
        case False:
            committed = (result.committed or b"").hex()
            out.print(f"[red]the output hash differs[/]: {where}: {result.digest.hex()}, committed was {committed}")
            if result.foreign:
                out.print(
                    f"entries up to {result.foreign.upto} were decided by {result.foreign.release}, and this is"
                    f" {result.release}: bytes are equal within a release only. Replay with {result.foreign.release},"
                    " or check the books: they agree whoever folds.",
                    markup=False,
                )
        case None:
            out.print(f"{where}: output hash {result.digest.hex()}; no hash was committed there to compare with")
