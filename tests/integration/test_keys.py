"""`fillstream key`, against a real server: a key is made, told once, listed, and revoked."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from fillstream.cli.commands import keys as commands
from fillstream.cli.exit_codes import Exit
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.keys import ROLES, Key, KeyRing, Scope, make
from tests.support.command import Run, fillstream
from tests.support.users import server_of_users

DESK = Topology()
NOW = 1_800_000_000_000
DAY = 86_400_000


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


def later(monkeypatch: pytest.MonkeyPatch, ms: int) -> None:
    monkeypatch.setattr(commands, "_now_ms", lambda: NOW + ms)


def created(run: Run, *arguments: str) -> dict[str, Any]:
    told: dict[str, Any] = orjson.loads(run("key", "create", *arguments, "--json").stdout)
    return told


def listed(run: Run) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = orjson.loads(run("key", "list", "--json").stdout)
    return told


def ring_of(client: redis.Redis) -> KeyRing:
    ring, raw = KeyRing(), client.hgetall(DESK.keys)
    assert ring.load(raw) == []  # type: ignore[arg-type]
    return ring


# --------------------------------------------------------------------------------------------------------- create


def test_what_is_printed_lets_its_owner_in_until_it_expires(run: Run, client: redis.Redis) -> None:
    told = created(
        run, "bot", "--scopes", "trader,controls:read", "--account", "paper", "-a", "default", "--expires", "90d",
        "--rate-limit", "600", "--who", "me",
    )  # fmt: skip
    key = ring_of(client).find(told["id"], told["secret"], NOW)
    assert isinstance(key, Key)
    assert key.scopes == tuple(sorted(ROLES["trader"]))
    assert (key.name, key.accounts, key.rate_limit, key.created_by) == ("bot", ("default", "paper"), 600, "me")
    assert (key.created_ms, key.expires_ms) == (NOW, NOW + 90 * DAY)
    assert isinstance(ring_of(client).find(told["id"], told["secret"], NOW + 90 * DAY), str)


def test_without_options_it_is_a_viewers_for_every_account_and_for_ever(run: Run, client: redis.Redis) -> None:
    told = created(run, "dashboard")
    key = ring_of(client).find(told["id"], told["secret"], NOW)
    assert isinstance(key, Key)
    assert set(key.scopes) == ROLES["viewer"]
    assert (key.accounts, key.expires_ms, key.rate_limit) == ((), None, None)
    assert key.created_by, "the login's name"


def test_all_scopes_may_do_everything(run: Run, client: redis.Redis) -> None:
    told = created(run, "root", "--scopes", "all")
    key = ring_of(client).find(told["id"], told["secret"], NOW)
    assert isinstance(key, Key)
    assert all(map(key.may, Scope))


def test_the_secret_is_told_once_and_is_in_no_redis_key(run: Run, client: redis.Redis) -> None:
    done = run("key", "create", "bot")
    (key_id,) = (name.decode() for name in client.hkeys(DESK.keys))  # type: ignore[union-attr]
    first, second = (line.split() for line in done.stdout.splitlines())
    assert first == ["id", key_id]
    assert second[0] == "secret"
    secret = second[1]
    assert isinstance(ring_of(client).find(key_id, secret, NOW), Key)
    assert done.stderr == "bot: the secret is not shown again; the desk has its hash alone\n"
    assert secret not in str(client.hgetall(DESK.keys))
    assert client.keys() == [DESK.keys.encode()]
    for told in (run("key", "list"), run("key", "list", "--json"), run("key", "revoke", "bot", "--json")):
        assert secret not in told.output
        assert orjson.loads(client.hget(DESK.keys, key_id))["secret_sha256"] not in told.output  # type: ignore[arg-type]


def test_standard_output_is_json_alone_and_has_no_hash(run: Run) -> None:
    done = run("key", "create", "bot", "--json")
    assert set(orjson.loads(done.stdout)) == {
        "id", "name", "state", "scopes", "accounts", "rate_limit", "created_ms", "created_by", "expires_ms",
        "revoked_ms", "revoked_by", "secret",
    }  # fmt: skip
    assert "not shown again" in done.stderr


def test_who_gives_sql_to_a_key_for_some_accounts_is_told_that_it_is_of_no_use(run: Run) -> None:
    assert "sql:read" in run("key", "create", "one", "--account", "paper").stderr
    assert "sql:read" not in run("key", "create", "two").stderr
    assert "sql:read" not in run("key", "create", "three", "--account", "a", "--scopes", "orders:read").stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["bot", "--scopes", "trader,root"], "scopes: 'root' must be a role (viewer, trader, risk, admin, all) or a "),
        (["bot", "--scopes", ""], "scopes: '' must be a role"),
        (["bot", "--expires", "soon"], "expires: 'soon' must be days or hours"),
        (["bot", "--expires", "2026-01-01"], "expires: 2026-01-01T00:00:00Z must be in the future"),
        (["my bot"], "name: 'my bot' must match "),
        (["fk_bot"], "name: 'fk_bot' must not begin with fk_, as ids do"),
        (["bot", "--account", "a b"], "accounts: 'a b' must match "),
        (["bot", "--who", "a b"], "created_by: 'a b' must match "),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence_and_nothing_is_made(
    run: Run, client: redis.Redis, arguments: list[str], sentence: str
) -> None:
    done = run("key", "create", *arguments, code=Exit.USAGE)
    assert done.stderr.startswith(sentence)
    assert done.stdout == ""
    assert client.keys() == []


def test_a_rate_that_is_none_is_2(run: Run, client: redis.Redis) -> None:
    for rate in ("0", "1000001", "many"):
        run("key", "create", "bot", "--rate-limit", rate, code=Exit.USAGE)
    assert client.keys() == []


def test_no_two_live_keys_have_one_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = created(run, "bot", "--expires", "1d")
    refused = run("key", "create", "bot", code=Exit.NO)
    assert refused.stderr.startswith(f"name: bot is the live key {first['id']}'s")
    assert refused.stdout == ""
    later(monkeypatch, DAY)
    second = created(run, "bot")
    run("key", "revoke", "bot")
    later(monkeypatch, DAY + 1)
    created(run, "bot")
    assert [each["state"] for each in listed(run)] == ["expired", "revoked", "live"]
    assert listed(run)[1]["id"] == second["id"], "the live one was meant"


# ----------------------------------------------------------------------------------------------------------- list


def test_a_list_has_everything_but_the_hash(run: Run, client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    one = created(run, "dashboard", "--expires", "1d", "--who", "me")
    two = created(run, "bot", "--scopes", "orders:write", "--account", "b", "--account", "a", "--rate-limit", "9")
    run("key", "revoke", two["id"], "--who", "her")
    client.hset(DESK.keys_used, mapping={two["id"]: NOW + 5, "fk_gone": "x"})
    later(monkeypatch, DAY)
    told = {each["name"]: each for each in listed(run)}
    one.pop("secret")
    assert told["dashboard"] == {**one, "state": "expired", "last_used_ms": None}
    assert told["bot"] == {
        "id": two["id"], "name": "bot", "state": "revoked", "scopes": ["orders:write"], "accounts": ["a", "b"],
        "rate_limit": 9, "created_ms": NOW, "created_by": two["created_by"], "expires_ms": None, "revoked_ms": NOW,
        "revoked_by": "her", "last_used_ms": NOW + 5,
    }  # fmt: skip
    table = run("key", "list").stdout.splitlines()
    shown = {line.split()[1]: line for line in table[2:]}
    assert table[1].split() == ["id", "name", "scopes", "accounts", "created", "expires", "last_used", "state"]
    assert shown["dashboard"].split()[:4] == [one["id"], "dashboard", "viewer", "every"]
    assert shown["dashboard"].endswith("expired")
    assert "a, b" in shown["bot"]
    assert "2027-01-15 08:00:00.005" in shown["bot"]
    assert shown["bot"].endswith("revoked")


def test_a_record_that_cannot_be_read_is_told_beside_the_others(run: Run, client: redis.Redis) -> None:
    told = created(run, "bot")
    client.hset(DESK.keys, mapping={"fk_newer": b'{"v": 2}', "fk_broken\x1b[2J": b"\x00"})
    done = run("key", "list", "--json")
    assert [each["id"] for each in orjson.loads(done.stdout)] == [told["id"]]
    assert "key 'fk_newer': version 2 must be 1, which this release reads: it lets nobody in" in done.stderr
    assert "key 'fk_broken\\x1b[2J': is no JSON" in done.stderr
    run("key", "create", "other")
    refused = run("key", "revoke", "fk_newer", code=Exit.NO)
    assert refused.stderr.startswith("key 'fk_newer': version 2 must be 1")
    assert client.hget(DESK.keys, "fk_newer") == b'{"v": 2}', "whoever can read it goes on"


def test_where_there_are_none_that_is_said(run: Run) -> None:
    assert "none" in run("key", "list").stdout
    assert listed(run) == []


# --------------------------------------------------------------------------------------------------------- revoke


@pytest.mark.parametrize("by", ["id", "name"])
def test_a_revoked_key_lets_nobody_in_and_the_others_do(
    run: Run, client: redis.Redis, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    one, two = created(run, "bot"), created(run, "dashboard")
    assert "is revoked" in run("key", "revoke", one[by], "--who", "her").stdout
    ring = ring_of(client)
    assert ring.find(one["id"], one["secret"], NOW) == f"key: {one['id']} is revoked since 2027-01-15T08:00:00Z"
    assert isinstance(ring.find(two["id"], two["secret"], NOW), Key)
    before = client.hgetall(DESK.keys)
    later(monkeypatch, DAY)
    again = run("key", "revoke", one[by], "--who", "him")
    assert again.stdout == f"bot ({one['id']}) is revoked since 2027-01-15 08:00:00.000, by her\n"
    assert client.hgetall(DESK.keys) == before, "who was first stays in its record"
    told = orjson.loads(run("key", "revoke", one[by], "--json").stdout)
    assert (told["state"], told["revoked_ms"], told["revoked_by"]) == ("revoked", NOW, "her")


def test_writing_the_last_use_undoes_no_revocation(run: Run, client: redis.Redis) -> None:
    told = created(run, "bot")
    run("key", "revoke", "bot")
    client.hset(DESK.keys_used, told["id"], NOW)
    assert [(each["state"], each["last_used_ms"]) for each in listed(run)] == [("revoked", NOW)]


@pytest.mark.parametrize("word", ["nobody", "fk_000000000000", "bot\x1b[2J"])
def test_a_key_that_is_not_there_is_4(run: Run, word: str) -> None:
    created(run, "bot")
    done = run("key", "revoke", word, code=Exit.NOT_FOUND)
    assert done.stderr.startswith("there is no key ")
    assert done.stderr.strip().isprintable()


@pytest.mark.parametrize("expired", [True, False])
def test_a_name_that_several_keys_have_is_refused_with_their_ids(run: Run, client: redis.Redis, expired: bool) -> None:
    # Made at the same moment by two people.
    both = [make("bot", tuple(Scope), now_ms=NOW, who="me", expires_ms=NOW if expired else None)[0] for _ in range(2)]
    client.hset(DESK.keys, mapping={key.id: key.dump() for key in both})
    refused = run("key", "revoke", "bot", code=Exit.NO)
    for key in both:
        assert key.id in refused.stderr
    run("key", "revoke", both[0].id)
    run("key", "revoke", "bot")
    assert {each["state"] for each in listed(run)} == {"revoked"}
    assert run("key", "revoke", "bot").stdout.startswith("bot ("), "and again"


def test_who_is_no_name_revokes_nothing(run: Run) -> None:
    created(run, "bot")
    assert run("key", "revoke", "bot", "--who", "a b", code=Exit.USAGE).stderr.startswith("revoked_by: 'a b' must")
    assert listed(run)[0]["state"] == "live"


# ---------------------------------------------------------------------------------------------------------- users


def test_the_operator_keeps_keys_under_the_desks_prefix_and_a_client_is_told_whose_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILLSTREAM_MESSAGING__TOPIC_PREFIX", "mine:")
    with server_of_users(tmp_path / "redis", "mine:") as server:
        monkeypatch.setenv("REDIS_URL", server.url("client"))
        for command in (["create", "bot"], ["list"], ["revoke", "bot"]):
            refused = fillstream("key", *command, code=Exit.NO)
            assert "FILLSTREAM_OPERATOR_URL or --operator-url names the user that may: operator" in refused.stderr
        told = created(fillstream, "bot", "--operator-url", server.url("operator"))
        monkeypatch.setenv("FILLSTREAM_OPERATOR_URL", server.url("operator"))
        assert [each["id"] for each in listed(fillstream)] == [told["id"]]
        ring, gateway = KeyRing(), server.as_user("gateway")
        assert ring.load(gateway.hgetall("mine:gateway.keys")) == []  # type: ignore[arg-type]
        assert isinstance(ring.find(told["id"], told["secret"], NOW), Key)
        gateway.hset("mine:gateway.keys.used", told["id"], NOW)
        assert listed(fillstream)[0]["last_used_ms"] == NOW
        fillstream("key", "revoke", "bot")
        ring.load(gateway.hgetall("mine:gateway.keys"))  # type: ignore[arg-type]
        assert isinstance(ring.find(told["id"], told["secret"], NOW), str)


@pytest.mark.parametrize("word", ["key", "hook"])
def test_an_account_that_nobody_has_is_warned_of_and_the_key_is_made(
    word: str, run: Run, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with analytics_of({"default", "main"}) as (url, asked):
        monkeypatch.setenv("FILLSTREAM_ANALYTICS_URL", url)
        told = run(word, "create", "bot", "--account", "nobody")
        assert "bot: the desk has no account nobody yet; it has default, main\n" in told.stderr
        assert "account nobody" not in told.stdout
        assert client.hlen(DESK.keys) == 1
        assert "no account" not in run(word, "create", "good", "--account", "main").stderr
        assert len(asked) == 2
        if word == "key":  # a key for every account is for no account in particular
            assert "no account" not in run(word, "create", "all").stderr
            assert len(asked) == 2
    assert "no account" not in run(word, "create", "away", "--account", "nobody").stderr  # nobody can tell


@contextmanager
def analytics_of(names: set[str]) -> Iterator[tuple[str, list[bytes]]]:
    """Serve an analytics that has these accounts and aliases; yield its address and what it was asked."""
    asked: list[bytes] = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["content-length"])))
            rows = [[each] for each in sorted(names)]
            body = {"columns": [{"name": "name", "type": "VARCHAR"}], "rows": rows, "truncated": False}
            raw = orjson.dumps({**body, "incomplete": []})
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
