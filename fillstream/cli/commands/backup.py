"""`fillstream backup` and `fillstream restore`: a whole desk in a folder, of one moment, and back again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.commands import REPAIR
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import AsJson, Config, RedisUrl
from fillstream.tools.render import as_json, console

if TYPE_CHECKING:
    import redis

    from fillstream.cli.target import Target
    from fillstream.tools.backup.folder import Manifest
    from fillstream.tools.backup.restore import Proof

VALKEY = "valkey"
"""The folder of the embedded server, in the data folder of a local desk."""
LOCAL = ("localhost", "127.0.0.1", "::1")
WAIT_S = 60.0
"""How long a server may take to load its log."""

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where the stages keep their files, if that is on this machine."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel=REPAIR)(backup)
    app.command(rich_help_panel=REPAIR)(restore)


def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    data_dir: DataDir = None,
    json: AsJson = False,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Write the whole desk into a folder: log, snapshots, database, configuration, of one moment. It trades on.

    \b
    fillstream backup backups/monday
    fillstream backup /mnt/backups/$(date +%F) --redis-url redis://redis:6379/0

    A local desk that is stopped is backed up as well: its server is started for as long. docs/backup.md tells what is
    in a backup, and how it is made of a desk in Compose or Kubernetes.
    """
    from fillstream.cli.target import find_target
    from fillstream.libs.common.process.settings import companions, default_path
    from fillstream.tools.backup.records import Damaged
    from fillstream.tools.backup.take import BackupFailed, Sources, back_up

    desk = find_target(config, redis_url)
    began = time.monotonic()
    file = config or (Path(desk.told["config"]) if desk.told else default_path())
    home = _home(desk, data_dir)
    sources = Sources(
        home,
        _database(desk, home),
        [each for each in (file, *companions(file)) if each.exists()],
    )
    with _server(desk, _stopped_at(desk, home), json) as client:
        try:
            manifest = back_up(client, desk.topology, folder, sources, _tells(json))
        except (BackupFailed, Damaged) as error:
            raise Stop(Exit.NO, str(error)) from None
        except OSError as error:
            raise Stop(Exit.NO, f"{folder}: {error}") from None
    _show_backup(folder, manifest, time.monotonic() - began, json)


def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `fillstream backup` wrote.")],
    data_dir: DataDir = None,
    json: AsJson = False,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Make the desk of a backup on an empty server, and prove it: every log is folded again, every hash compared.

    \b
    fillstream restore backups/monday --data-dir data-new && fillstream up --data-dir data-new
    fillstream restore /mnt/backups/2026-01-05 --redis-url redis://redis:6379/0

    A server that has a desk is refused. Where nobody names one, an embedded one is started in the data folder for as
    long. The exit code is 0 when every stage is proved, and 1 when something does not fit, which is said.
    """
    from fillstream.cli.target import find_target
    from fillstream.libs.common.runtime.server_checks import ServerRefused
    from fillstream.stack.extras import has_analytics
    from fillstream.tools.backup.records import Damaged
    from fillstream.tools.backup.restore import NotRestored, Places, check_topology, opened, prove
    from fillstream.tools.backup.restore import restore as put_back
    from fillstream.tools.doctor import CONTAINER_VARIABLE

    desk = find_target(config, redis_url)
    tell = _tells(json)
    try:
        tell("comparing every file with the manifest")
        manifest = opened(folder)
        check_topology(desk.topology, manifest)
        home = _home(desk, data_dir)
        is_container = os.environ.get(CONTAINER_VARIABLE) == "1"
        takes_database = home is not None or (is_container and has_analytics())
        where = Places(home, _database(desk, home) if takes_database else None)
        with _server(desk, home if _is_of_this_machine(desk) and not desk.told else None, json) as client:
            put_back(client, desk.settings, folder, manifest, where, tell)
            proofs = [*prove(client, desk.settings, folder, manifest, tell)]
    except (NotRestored, Damaged, ServerRefused) as error:
        raise Stop(Exit.NO, str(error)) from None
    except OSError as error:
        raise Stop(Exit.NO, f"{folder}: {error}") from None
    _show_restored(manifest, proofs, json)
    if any(each.problem for each in proofs):
        raise typer.Exit(Exit.NO)


def _is_of_this_machine(desk: Target) -> bool:
    """Whether the desk is `fillstream up`'s, or would be: nobody named another server."""
    return desk.told is not None or (not desk.was_named and desk.settings.messaging.host in LOCAL)


def _home(desk: Target, data_dir: Path | None) -> Path | None:
    """Return the data folder of the desk, where it is on this machine."""
    return data_dir or (desk.settings.database.data_dir if _is_of_this_machine(desk) else None)


def _database(desk: Target, home: Path | None) -> Path:
    """Return where analytics has its file, if that is on this machine."""
    return home / desk.settings.database.path.name if home else desk.settings.database.path


@contextmanager
def _server(desk: Target, home: Path | None, json: bool) -> Iterator[redis.Redis]:
    """Yield a connection to the desk's server, or to one that is started for as long in the folder of a local desk."""
    from fillstream.libs.common.messages.stages import places, process_name
    from fillstream.libs.common.runtime.log import connect
    from fillstream.libs.common.runtime.waiting import wait_for_redis
    from fillstream.stack.stack import LocalStack

    if home is None:
        with connect(desk.redis_url) as client:
            client.ping()
            yield client
        return
    _tells(json)(f"starting the server of {home}")
    nobody = {process_name(each) for each in places(desk.topology)}
    with (
        LocalStack(home, base_port=0, redis_port=0, without=nobody) as stack,
        connect(stack.redis_url) as client,
    ):
        wait_for_redis(client, limit_s=WAIT_S)
        yield client


def _stopped_at(desk: Target, home: Path | None) -> Path | None:
    """Return the data folder of a local desk that is stopped, whose server has to be started; None of another desk."""
    stopped = desk.told is None and _is_of_this_machine(desk)
    return home if stopped and home is not None and (home / VALKEY).is_dir() else None


def _tells(json: bool) -> Callable[[str], None]:
    """Return what shows progress: a line each on a terminal's standard error; nothing to programs."""

    def tell(text: str) -> None:
        if not json:
            typer.echo(f"  {text}", err=True)

    return tell


def _show_backup(folder: Path, manifest: Manifest, seconds: float, json: bool) -> None:
    sizes = {name: (folder / name).stat().st_size for name in manifest.files}
    if json:
        told = {
            "folder": str(folder), "bytes": sum(sizes.values()), "seconds": round(seconds, 3), **asdict(manifest),
        }  # fmt: skip
        as_json(told)
        return
    out = console()
    for stream in manifest.streams:
        if stream.trimmed:
            out.print(f"{stream.name}: its oldest {stream.trimmed} entries went meanwhile", markup=False)
    if manifest.database_text:
        out.print(f"without analytics' database: {manifest.database_text}", markup=False, soft_wrap=True)
    entries = sum(stream.entries.count for stream in manifest.streams)
    out.print(
        f"desk {manifest.desk} is in {folder}: {entries:,} entries, {len(manifest.stages)} stages,"
        f" {sum(sizes.values()):,} bytes, {seconds:.1f} s; read back, every hash agrees",
        markup=False, style="green", soft_wrap=True,
    )  # fmt: skip


def _show_restored(manifest: Manifest, proofs: list[Proof], json: bool) -> None:
    if json:
        told: dict[str, Any] = {"desk": manifest.desk, "ms": manifest.ms, "stages": [asdict(each) for each in proofs]}
        as_json({**told, "proved": not any(each.problem for each in proofs)})
        return
    out = console()
    for each in proofs:
        if each.problem:
            out.print(f"{each.process}: not proved: {each.problem}", markup=False, style="red", soft_wrap=True)
        else:
            text = f"{each.process}: proved: {each.entries:,} entries up to {each.id} give {each.digest}"
            out.print(text, markup=False, style="green", soft_wrap=True)
    if manifest.database_text:
        out.print(f"without analytics' database: {manifest.database_text}", markup=False, soft_wrap=True)
