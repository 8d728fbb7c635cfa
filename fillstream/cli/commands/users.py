"""`fillstream user`: people who log in to the gateway are made, listed, changed and disabled."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.commands import RUN
from fillstream.cli.commands.keys import operator
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import AsJson, Config, OperatorUrl, RedisUrl, Who, login
from fillstream.libs.common.process.people import PERSONS_ROLES
from fillstream.tools.render import as_json, console, printable, show, time_of

if TYPE_CHECKING:
    from fillstream.libs.common.process.people import User

COLUMNS = ("name", "role", "accounts", "created", "password", "state")
SPARE = ("created", "password")
"""See `fillstream.tools.render.print_table`."""
MAX_FILE_BYTES = 4_096
"""Of a file with a password: what is longer is another file."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="Who; `fillstream user list` has them.")]
Role = Annotated[str, typer.Option("--role", help=f"What it may do: {', '.join(PERSONS_ROLES)} (docs/keys.md).")]
PasswordFile = Annotated[
    str | None,
    typer.Option(
        "--password-file",
        metavar="FILE|-",
        help="Where the password is; - is standard input.  \\[default: asked for; without a terminal, made up]",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help=ABOUT)
    for command in (create, password, role, disable, enable, unlock, sessions, logout):
        group.command(command.__name__)(command)
    group.command("list")(list_)
    app.add_typer(group, name="user", rich_help_panel=RUN)


ABOUT = """People who log in to the gateway: who, as what, for which accounts (docs/people.md).

\b
fillstream user create anna --role trader --account default
fillstream user list
fillstream user disable anna
"""


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which it logs in by; orders and controls tell it.")],
    role: Role = "viewer",
    accounts: Annotated[
        list[str] | None,
        typer.Option("--account", "-a", help="Whose it is; may be repeated.  \\[default: every account's]"),
    ] = None,
    password_file: PasswordFile = None,
    who: Who = None,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Make a user. The password is asked for, or read from a file; else one is made up, and shown this once.

    \b
    fillstream user create anna --role trader --account default --account demo
    fillstream user create ben --role risk --password-file ben.txt
    fillstream user create kiosk --json
    """
    from fillstream.tools.gateway_users import NameTaken, create

    now_ms, chosen = _now_ms(), _Chosen(name, password_file)
    with operator(operator_url, redis_url, config) as (client, topology):
        try:
            user = create(
                client, topology, name, role, chosen.hashed, now_ms=now_ms, who=who or login(), accounts=accounts or []
            )
        except NameTaken as error:
            raise Stop(Exit.NO, str(error)) from None
        except ValueError as error:
            raise Stop(Exit.USAGE, str(error)) from None
    _tell(user, now_ms, chosen, json, f"{user.name} is a {user.role} now")


def password(
    name: Name,
    password_file: PasswordFile = None,
    who: Who = None,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Set a user's password anew; whoever is logged in as that user is logged out.

    \b
    fillstream user password anna
    fillstream user password anna --password-file secret.txt
    """
    from fillstream.tools.gateway_users import find, set_password

    now_ms, chosen = _now_ms(), _Chosen(name, password_file)
    with operator(operator_url, redis_url, config) as (client, topology), told_where_none(name):
        user = find(client, topology, name)
        set_password(client, topology, name, chosen.hashed(), now_ms=now_ms, who=who or login())
    _tell(user, now_ms, chosen, json, f"{name} has another password")


def role(
    name: Name,
    role: Annotated[str, typer.Argument(metavar="ROLE", help=f"What it may do: {', '.join(PERSONS_ROLES)}.")],
    accounts: Annotated[
        list[str] | None,
        typer.Option("--account", "-a", help="Whose it is from now on; may be repeated.  \\[default: as before]"),
    ] = None,
    every_account: Annotated[bool, typer.Option("--every-account", help="It is every account's from now on.")] = False,
    who: Who = None,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Let a user be something else, or for other accounts; whoever is logged in as that user is logged out.

    \b
    fillstream user role anna risk
    fillstream user role anna trader --account default
    """
    if accounts and every_account:
        raise Stop(Exit.USAGE, "--every-account: is said beside --account; it is one or the other")
    now_ms, by = _now_ms(), who or login()
    to: dict[str, Any] = {"role": role}
    if accounts or every_account:
        to["accounts"] = tuple(sorted(set(accounts or ())))

    def change(user: User) -> User:
        is_so = all(getattr(user, field) == value for field, value in to.items())
        return user if is_so else user.changed(now_ms, by, **to)

    user, _ = _changed((operator_url, redis_url, config), name, change)
    _done(user, json, f"{user.name} is a {user.role}, for {_accounts(user)}")


def disable(
    name: Name,
    who: Who = None,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Let a user log in no more, and log out whoever is in. Doing it again changes nothing.

    \b
    fillstream user disable anna
    """
    now_ms, by = _now_ms(), who or login()
    user, is_new = _changed((operator_url, redis_url, config), name, lambda user: user.disabled(now_ms, by))
    since = "" if is_new else f" since {time_of(user.disabled_ms)}, by {user.disabled_by}"
    _done(user, json, f"{user.name} is disabled{since}")


def enable(
    name: Name,
    who: Who = None,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Let a user log in again that was disabled, by the password of before.

    \b
    fillstream user enable anna
    """
    now_ms, by = _now_ms(), who or login()
    user, _ = _changed((operator_url, redis_url, config), name, lambda user: user.enabled(now_ms, by))
    _done(user, json, f"{user.name} may log in")


def list_(
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """List the users: what they are, for which accounts, and whether they may log in.

    \b
    fillstream user list
    fillstream user list --json
    """
    from fillstream.tools.gateway_users import kept

    with operator(operator_url, redis_url, config) as (client, topology):
        there, problems = kept(client, topology)
    rows = [{**told_of(each.user), "password_ms": each.password_ms} for each in there]
    show("users", COLUMNS, rows if json else [_shown(row) for row in rows], json, SPARE)
    for problem in problems:
        typer.echo(f"{problem}: nobody logs in by it", err=True)


def unlock(
    name: Name,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Let a user log in again at once who failed too often. An address that is locked stays so until its time is over.

    \b
    fillstream user unlock anna
    """
    from fillstream.tools.gateway_users import find, locked_until, unlock

    with operator(operator_url, redis_url, config) as (client, topology), told_where_none(name):
        find(client, topology, name)
        until_ms = locked_until(client, topology, name)
        was_locked = until_ms is not None and until_ms > _now_ms()
        unlock(client, topology, name)
    if json:
        as_json({"name": name, "was_locked": was_locked})
        return
    said = f"{name} is locked no more" if was_locked else f"{name} was not locked"
    console().print(said, markup=False, style="green", soft_wrap=True)


def sessions(
    name: Name,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """List where a user is logged in: since when, from where, and when it was last used.

    \b
    fillstream user sessions anna
    """
    from fillstream.tools.gateway_users import find, sessions

    with operator(operator_url, redis_url, config) as (client, topology), told_where_none(name):
        find(client, topology, name)
        there = sessions(client, topology, name)
    rows = [
        {
            "began_ms": each.session.began_ms, "last_used_ms": each.last_used_ms, "ends_ms": each.session.ends_ms,
            "address": each.session.address,
        }
        for each in there
    ]  # fmt: skip
    times = ("began", "last_used", "ends")
    shown = [{**row, **{each: time_of(row[f"{each}_ms"]) for each in times}} for row in rows]
    show("sessions", (*times, "address"), rows if json else shown, json, ("ends",))


def logout(
    name: Name,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """End all of a user's sessions; the user may log in again.

    \b
    fillstream user logout anna
    """
    from fillstream.tools.gateway_users import find, log_out

    with operator(operator_url, redis_url, config) as (client, topology), told_where_none(name):
        find(client, topology, name)
        count = log_out(client, topology, name)
    if json:
        as_json({"name": name, "sessions": count})
        return
    told = f"{name} is logged out of {count} session{'' if count == 1 else 's'}"
    console().print(told, markup=False, style="green", soft_wrap=True)


# ---------------------------------------------------------------------------------------------------------- passwords


class _Chosen:
    """The password that a person chooses: out of a file, typed twice, or none, and one is made up.

    Args:
        name: whose it is to be.
        file: in which it is; None: typed, where there is somebody to type.

    Attributes:
        made_up: the one that nobody chose, None of another.
    """

    def __init__(self, name: str, file: str | None) -> None:
        self._name, self._file = name, file
        self.made_up: str | None = None

    def hashed(self) -> str:
        """Return what it hashes to.

        Raises:
            Stop: it may be none, or this installation hashes none.
        """
        try:
            from fillstream.libs.common.process import passwords
        except ModuleNotFoundError as error:
            told = f"user needs {error.name}, of the gateway: pip install 'fillstream[gateway]'"
            raise Stop(Exit.NO, told) from None
        if self._file is None and not sys.stdin.isatty():
            self.made_up = passwords.generated()
            return passwords.hashed(self.made_up)
        chosen = _typed(self._name) if self._file is None else _read(self._file)
        try:
            passwords.check(chosen, self._name)
        except ValueError as error:
            raise Stop(Exit.USAGE, str(error)) from None
        return passwords.hashed(chosen)


def _typed(name: str) -> str:
    text: str = typer.prompt(f"Password of {printable(name)}", hide_input=True, confirmation_prompt=True, err=True)
    return text


def _read(file: str) -> str:
    """Return the password in a file: all of it, but for the end of its line.

    Raises:
        Stop: it cannot be read, or is no text of one line.
    """
    try:
        if file == "-":
            raw = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                raw = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Stop(Exit.USAGE, f"--password-file: {printable(file)}: {error.strerror}") from None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Stop(Exit.USAGE, f"--password-file: {printable(file)} is no UTF-8 text") from None
    if text.endswith("\n"):
        text = text[:-1].removesuffix("\r")
    if "\n" in text or "\r" in text:
        raise Stop(Exit.USAGE, f"--password-file: {printable(file)} has several lines, and must have one")
    return text


# ------------------------------------------------------------------------------------------------------------- shown


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@contextmanager
def told_where_none(name: str) -> Iterator[None]:
    """End the command with a sentence where there is no such user."""
    from fillstream.libs.common.values.versions import Unreadable
    from fillstream.tools.gateway_users import NoUser

    try:
        yield
    except NoUser:
        told = f"there is no user {printable(name)}; `fillstream user list` lists them"
        raise Stop(Exit.NOT_FOUND, told) from None
    except Unreadable as error:
        raise Stop(Exit.NO, str(error)) from None
    except ValueError as error:
        raise Stop(Exit.USAGE, str(error)) from None


def _changed(
    desk: tuple[str | None, str | None, Path | None], name: str, to: Callable[[User], User]
) -> tuple[User, bool]:
    from fillstream.tools.gateway_users import change

    with operator(*desk) as (client, topology), told_where_none(name):
        return change(client, topology, name, to)


def told_of(user: User) -> dict[str, Any]:
    """Return what programs are told of a user."""
    return {
        "name": user.name, "state": "disabled" if user.is_disabled else "enabled", "role": user.role,
        "accounts": list(user.accounts), "created_ms": user.created_ms, "created_by": user.created_by,
        "changed_ms": user.changed_ms, "changed_by": user.changed_by, "disabled_ms": user.disabled_ms,
        "disabled_by": user.disabled_by,
    }  # fmt: skip


def _shown(told: dict[str, Any]) -> dict[str, Any]:
    """Return what people are shown of a user."""
    times = {name: time_of(told[f"{name}_ms"]) for name in ("created", "password")}
    return {**told, **times, "accounts": ", ".join(told["accounts"]) or "every"}


def _accounts(user: User) -> str:
    return ", ".join(user.accounts) or "every account"


def _tell(user: User, now_ms: int, chosen: _Chosen, json: bool, sentence: str) -> None:
    """Say what was done, and the password that was made up, this once."""
    if json:
        more = {} if chosen.made_up is None else {"password": chosen.made_up}
        as_json({**told_of(user), "password_ms": now_ms, **more})
    else:
        console().print(sentence, markup=False, style="green", soft_wrap=True)
        if chosen.made_up is not None:
            console().print(f"password  {chosen.made_up}", markup=False, soft_wrap=True)
    if chosen.made_up is not None:
        typer.echo(f"{user.name}: the password is not shown again; the desk has its hash alone", err=True)


def _done(user: User, json: bool, sentence: str) -> None:
    if json:
        as_json(told_of(user))
        return
    console().print(sentence, markup=False, style="green", soft_wrap=True)
