"""`fillstream user`, against a real server: a person is made, changed, disabled; the password stays unknown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
import redis
from typer.testing import CliRunner

from fillstream.cli.app import app
from fillstream.cli.commands import users as commands
from fillstream.cli.exit_codes import Exit
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process import passwords
from fillstream.libs.common.process.audited import Action, entry_of
from fillstream.libs.common.process.people import Password, User
from fillstream.libs.common.process.sessions import Session, id_of, new_secret
from fillstream.tools.gateway_users import NameTaken, create
from tests.support.command import Run, fillstream
from tests.support.users import server_of_users

DESK = Topology()
NOW = 1_800_000_000_000
DAY = 86_400_000
GOOD = "correct horse battery"


@pytest.fixture(autouse=True)
def _of_this_desk_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [each for each in os.environ if each.startswith("FILLSTREAM_")] + ["CONFIG_PATH", "REDIS_URL"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FILLSTREAM_DATABASE__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(commands, "_now_ms", lambda: NOW)


@pytest.fixture
def run(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs `fillstream` with arguments, against the test's Redis."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    return fillstream


def user_of(client: redis.Redis, name: str) -> User:
    return User.load(name, cast(bytes, client.hget(DESK.users, name)))


def password_of(client: redis.Redis, name: str) -> Password:
    return Password.load(name, cast(bytes, client.hget(DESK.passwords, name)))


def with_input(text: bytes, *arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), input=text)


def test_a_password_is_made_up_where_nobody_types_one_and_is_told_once(run: Run, client: redis.Redis) -> None:
    done = run("user", "create", "anna", "--role", "trader", "-a", "paper", "-a", "default", "--who", "me", "--json")
    told = orjson.loads(done.stdout)
    assert told == {
        "name": "anna", "state": "enabled", "role": "trader", "accounts": ["default", "paper"], "created_ms": NOW,
        "created_by": "me", "changed_ms": NOW, "changed_by": "me", "disabled_ms": None, "disabled_by": None,
        "password_ms": NOW, "password": told["password"],
    }  # fmt: skip
    assert "not shown again" in done.stderr
    assert passwords.matches(password_of(client, "anna").argon2id, told["password"])
    assert user_of(client, "anna").accounts == ("default", "paper")
    kept = str(client.hgetall(DESK.users)) + str(client.hgetall(DESK.passwords))
    assert told["password"] not in kept
    argon2id = password_of(client, "anna").argon2id
    for again in (
        run("user", "list"), run("user", "list", "--json"), run("user", "disable", "anna", "--json"),
        run("user", "role", "anna", "risk"), run("user", "enable", "anna"),
    ):  # fmt: skip
        assert told["password"] not in again.output
        assert argon2id not in again.output
        assert argon2id.rpartition("$")[2] not in again.output


def test_without_json_it_is_told_beside_what_was_done(run: Run, client: redis.Redis) -> None:
    first, second = run("user", "create", "anna").stdout.splitlines()
    assert first == "anna is a viewer now"
    word, password = second.split()
    assert word == "password"
    assert passwords.matches(password_of(client, "anna").argon2id, password)
    assert user_of(client, "anna").created_by, "the login's name"


def test_a_password_comes_from_a_file_or_from_standard_input_and_is_told_to_nobody(
    run: Run, client: redis.Redis, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    for content in (GOOD, GOOD + "\n", GOOD + "\r\n"):
        client.flushdb()
        file.write_bytes(content.encode())
        done = run("user", "create", "anna", "--password-file", str(file), "--json")
        assert "password" not in orjson.loads(done.stdout)
        assert GOOD not in done.output
        assert passwords.matches(password_of(client, "anna").argon2id, GOOD)
    other = "another good password"
    done = with_input(other.encode() + b"\n", "user", "password", "anna", "--password-file", "-")
    assert done.exit_code == Exit.OK
    assert done.stdout == "anna has another password\n"
    assert passwords.matches(password_of(client, "anna").argon2id, other)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"short", "password: has 5 characters, and must have 12 at least"),
        (b"anna.of.the.desk", "password: must not be the user's name"),
        (b"x" * 1025, "password: has 1025 bytes, and must have 1024 at most"),
        (b"x" * 5000, "password: has 4097 bytes"),
        (b"two lines of it\nare too many", "--password-file: - has several lines, and must have one"),
        (b"\xff" * 12, "--password-file: - is no UTF-8 text"),
    ],
)
def test_what_may_be_no_password_makes_nobody(run: Run, client: redis.Redis, content: bytes, sentence: str) -> None:
    done = with_input(content, "user", "create", "anna.of.the.desk", "--password-file", "-")
    assert (done.exit_code, done.stdout) == (Exit.USAGE, "")
    assert done.stderr.startswith(sentence)
    assert client.keys() == []


def test_it_is_typed_twice_where_there_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def prompt(text: str, **options: Any) -> str:
        asked.append({"text": text, **options})
        return GOOD

    monkeypatch.setattr(commands.typer, "prompt", prompt)
    monkeypatch.setattr(commands.sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    chosen = commands._Chosen("anna", None)
    assert passwords.matches(chosen.hashed(), GOOD)
    assert chosen.made_up is None
    assert asked == [{"text": "Password of anna", "hide_input": True, "confirmation_prompt": True, "err": True}]


def test_no_option_takes_a_password_itself(run: Run) -> None:
    for command in ("create", "password"):
        words = run("user", command, "--help").stdout.split()
        assert "--password-file" in words
        assert "--password" not in words


def test_a_name_is_taken_once(run: Run, client: redis.Redis) -> None:
    run("user", "create", "anna")
    before = client.hgetall(DESK.passwords)
    assert run("user", "create", "anna", code=Exit.NO).stderr == "name: anna is a user already\n"
    assert client.hgetall(DESK.passwords) == before, "nor has it another password"

    def meanwhile() -> str:
        run("user", "create", "ben")
        return passwords.hashed(GOOD)

    with pytest.raises(NameTaken):
        create(client, DESK, "ben", "admin", meanwhile, now_ms=NOW, who="me", accounts=[])
    assert user_of(client, "ben").role == "viewer"
    assert not passwords.matches(password_of(client, "ben").argon2id, GOOD)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["create", "a b"], "name: 'a b' must match"),
        (["create", "fk_anna"], "name: 'fk_anna' must not begin with fk_"),
        (["create", "anna", "--role", "all"], "role: 'all' must be one of viewer, trader, risk, admin"),
        (["create", "anna", "-a", "a b"], "accounts: 'a b' must match"),
        (["create", "anna", "--who", "a b"], "created_by: 'a b' must match"),
    ],
)
def test_what_is_no_user_is_refused_by_its_field(
    run: Run, client: redis.Redis, arguments: list[str], sentence: str
) -> None:
    assert run("user", *arguments, code=Exit.USAGE).stderr.startswith(sentence)
    assert client.keys() == []


def test_a_role_and_accounts_are_changed_and_the_same_ones_change_nothing(run: Run, client: redis.Redis) -> None:
    run("user", "create", "anna", "--role", "trader", "-a", "paper")
    assert run("user", "role", "anna", "risk", "--who", "her").stdout == "anna is a risk, for paper\n"
    assert (user_of(client, "anna").accounts, user_of(client, "anna").changed_by) == (("paper",), "her")
    before = client.hgetall(DESK.users)
    run("user", "role", "anna", "risk")
    run("user", "role", "anna", "risk", "-a", "paper")
    run("user", "enable", "anna")
    assert client.hgetall(DESK.users) == before
    run("user", "role", "anna", "risk", "--every-account")
    assert user_of(client, "anna").accounts == ()
    run("user", "role", "anna", "trader", "-a", "b", "-a", "a")
    assert (user_of(client, "anna").role, user_of(client, "anna").accounts) == ("trader", ("a", "b"))
    assert run("user", "role", "anna", "all", code=Exit.USAGE).stderr.startswith("role: 'all'")
    both = run("user", "role", "anna", "risk", "-a", "a", "--every-account", code=Exit.USAGE)
    assert both.stderr.startswith("--every-account: ")


def test_who_is_disabled_is_so_once_and_stays_in_the_list(
    run: Run, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("user", "create", "anna")
    monkeypatch.setattr(commands, "_now_ms", lambda: NOW + 1)
    assert run("user", "disable", "anna", "--who", "her").stdout == "anna is disabled\n"
    again = run("user", "disable", "anna", "--who", "him").stdout
    assert again.startswith("anna is disabled since 2027-01-15")
    assert again.endswith("by her\n")
    (row,) = orjson.loads(run("user", "list", "--json").stdout)
    assert (row["state"], row["disabled_ms"], row["password_ms"]) == ("disabled", NOW + 1, NOW)
    assert "disabled" in run("user", "list").stdout
    assert run("user", "enable", "anna").stdout == "anna may log in\n"
    assert not user_of(client, "anna").is_disabled


def test_who_is_not_there_is_told_and_what_cannot_be_read_keeps_nobody_from_being_listed(
    run: Run, client: redis.Redis
) -> None:
    for arguments in (["disable", "x"], ["enable", "x"], ["password", "x"], ["role", "x", "risk"]):
        told = run("user", *arguments, code=Exit.NOT_FOUND).stderr
        assert told == "there is no user x; `fillstream user list` lists them\n"
    run("user", "create", "anna")
    client.hset(DESK.users, "ben", "{")
    client.hset(DESK.passwords, "anna", "{")
    done = run("user", "list", "--json")
    assert [(row["name"], row["password_ms"]) for row in orjson.loads(done.stdout)] == [("anna", None)]
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["user 'ben'", "password of 'anna'"]
    assert run("user", "disable", "ben", code=Exit.NO).stderr.startswith("user 'ben': is no JSON")


def test_it_goes_by_the_operator_and_says_so_to_others(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server_of_users(tmp_path / "redis") as server:
        for name in ("client", "gateway"):
            told = run("user", "create", "anna", "--redis-url", server.url(name), code=Exit.NO).stderr
            assert "FILLSTREAM_OPERATOR_URL or --operator-url" in told
        run("user", "create", "anna", "--operator-url", server.url("operator"))
        monkeypatch.setenv("FILLSTREAM_OPERATOR_URL", server.url("operator"))
        for command in ("disable", "enable", "password", "unlock", "sessions", "logout"):
            run("user", command, "anna")
        assert [row["name"] for row in orjson.loads(run("user", "list", "--json").stdout)] == ["anna"]


def test_where_a_user_is_logged_in_is_listed_and_ended(run: Run, client: redis.Redis) -> None:
    run("user", "create", "anna")
    run("user", "create", "ben")
    for number, name in enumerate(("anna", "anna", "ben")):
        session = Session(name, "0" * 64, NOW + number, NOW + DAY, "192.0.2.7")
        client.hset(DESK.sessions, id_of(new_secret()) or "", session.dump())
    (first, *_) = [key for key, raw in client.hgetall(DESK.sessions).items() if b'"anna"' in raw]  # type: ignore[union-attr]
    client.hset(DESK.sessions_used, first, NOW + 9)
    done = run("user", "sessions", "anna", "--json")
    rows = orjson.loads(done.stdout)
    assert sorted((row["began_ms"], row["ends_ms"], row["address"]) for row in rows) == [
        (NOW, NOW + DAY, "192.0.2.7"), (NOW + 1, NOW + DAY, "192.0.2.7"),
    ]  # fmt: skip
    assert sorted(row["last_used_ms"] or 0 for row in rows) == [0, NOW + 9]
    shown = run("user", "sessions", "anna").stdout
    assert "192.0.2.7" in shown
    assert first.decode() not in done.output + shown
    assert run("user", "logout", "anna").stdout == "anna is logged out of 2 sessions\n"
    assert client.hlen(DESK.sessions) == 1, "ben's"
    assert orjson.loads(run("user", "logout", "anna", "--json").stdout) == {"name": "anna", "sessions": 0}
    assert orjson.loads(run("user", "sessions", "anna", "--json").stdout) == []
    for command in ("sessions", "logout", "unlock"):
        assert run("user", command, "x", code=Exit.NOT_FOUND).stderr.startswith("there is no user x")


def test_a_user_who_is_locked_is_let_in_again(run: Run, client: redis.Redis) -> None:
    run("user", "create", "anna")
    for kind in ("user", "password"):
        client.hset(DESK.lockout(kind, "anna"), mapping={"failures": 5, "until_ms": NOW + 1})
    client.hset(DESK.lockout("user", "ben"), mapping={"failures": 5, "until_ms": NOW + 1})
    assert run("user", "unlock", "anna").stdout == "anna is locked no more\n"
    counters = (("user", "anna"), ("password", "anna"), ("user", "ben"))
    assert [client.exists(DESK.lockout(*each)) for each in counters] == [0, 0, 1]
    assert run("user", "unlock", "anna").stdout == "anna was not locked\n"
    client.hset(DESK.lockout("user", "anna"), mapping={"failures": 5, "until_ms": NOW})
    assert orjson.loads(run("user", "unlock", "anna", "--json").stdout) == {"name": "anna", "was_locked": False}


def test_who_did_what_is_shown_the_newest_first_and_by_its_kind(run: Run, client: redis.Redis) -> None:
    said = {"caller": "user:anna", "address": "192.0.2.7"}
    for number, (action, who) in enumerate([("login", "anna"), ("write", "anna"), ("write", "bot"), ("lockout", None)]):
        client.xadd(DESK.audit, entry_of(Action(action), "done", NOW + number, {**said, "who": who}), f"{number + 1}-0")  # type: ignore[arg-type]
    rows = orjson.loads(run("audit", "--json").stdout)
    assert [(row["id"], row["action"], row.get("who")) for row in rows] == [
        ("4-0", "lockout", None), ("3-0", "write", "bot"), ("2-0", "write", "anna"), ("1-0", "login", "anna"),
    ]  # fmt: skip
    assert rows[3] == {"id": "1-0", "time": NOW, "action": "login", "outcome": "done", "who": "anna", **said}
    for options, ids in (
        (["--of", "anna"], ["2-0", "1-0"]), (["--action", "write"], ["3-0", "2-0"]), (["--limit", "1"], ["4-0"]),
        (["--of", "anna", "--action", "login"], ["1-0"]), (["--of", "x"], []),
    ):  # fmt: skip
        assert [row["id"] for row in orjson.loads(run("audit", "--json", *options).stdout)] == ids
    shown = run("audit").stdout
    assert "192.0.2.7" in shown and "2027-01-15" in shown
    assert run("audit", "--action", "x", code=Exit.USAGE).stderr.startswith("--action: x must be one of login, ")
