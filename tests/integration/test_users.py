"""Who may do what: the users of deploy/users.acl on a real server, and a whole desk whose services are such users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from redis.exceptions import NoPermissionError

from fillstream.client import Client
from fillstream.libs.common.messages.access import USERS
from fillstream.libs.common.messages.stages import PROGRAMS, STAGES
from fillstream.libs.common.messages.topology import Topology, lapsed_key, low_water_key
from fillstream.libs.common.process.settings import load_settings
from fillstream.libs.common.runtime.continuity import Page
from fillstream.stack.stack import LocalStack
from fillstream.tools.dead_letters import CannotRedrive, letters, redrive
from fillstream.tools.recover import accept, stopped
from fillstream.tools.status import StageState, states
from tests.conftest import until
from tests.support.busy_desk import Load
from tests.support.users import NOBODY, PASSWORDS, ServerOfUsers, server_of_users

DESK = Topology(account_partitions=4)
PROGRAM = {each.name: each for each in PROGRAMS}
As = Callable[[str], redis.Redis]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerOfUsers]:
    with server_of_users(tmp_path_factory.mktemp("redis")) as made:
        yield made


@pytest.fixture(scope="module")
def user(server: ServerOfUsers) -> As:
    return server.as_user


STREAMS = [
    DESK.signals, DESK.orders(0), DESK.orders(3), DESK.events(0), DESK.positions(0), DESK.market(0), DESK.dead,
    DESK.commands("SIM", 0), DESK.checkpoint("orders", "orders.0"), low_water_key(DESK.orders(0)),
    lapsed_key(DESK.orders(0)), DESK.status("orders", "orders.0"), DESK.recover, DESK.desk,
]  # fmt: skip
ORDERS = {DESK.orders(0), DESK.orders(3)}
"""Any stage may tell the journal there of a loss that was accepted."""
MAY_APPEND: dict[str, set[str]] = {
    "client": {DESK.signals},
    "operator": {DESK.signals, *ORDERS, DESK.commands("SIM", 0)},
    "feed": {DESK.commands("SIM", 0)},
    "gateway": {DESK.signals, *ORDERS},
    "analytics": set(),
    NOBODY: {*STREAMS},
    **{
        name: ORDERS | {DESK.key(each) for kind in (*spec.reads, *spec.writes) for each in DESK.names(kind)}
        for name, spec in STAGES.items()
    },
}
PUBLIC = [DESK.signals, DESK.events(0), DESK.positions(0), DESK.market(0), DESK.dead]


def test_everybody_of_the_map_is_a_user() -> None:
    assert {each.name for each in PROGRAMS} | {"feed", "client", "gateway", "operator"} == set(USERS)


@pytest.mark.parametrize("name", MAY_APPEND)
@pytest.mark.parametrize("stream", STREAMS)
def test_each_user_may_append_to_its_own_streams_and_to_no_other(user: As, name: str, stream: str) -> None:
    if stream in MAY_APPEND[name]:
        assert user(name).xadd(stream, {"a": "b"})
    else:
        with pytest.raises(NoPermissionError):
            user(name).xadd(stream, {"a": "b"})


@pytest.mark.parametrize("name", ["client", "gateway", "operator"])
def test_people_read_the_public_streams(user: As, name: str) -> None:
    for stream in PUBLIC:
        user(name).xrevrange(stream, count=1)
        user(name).xread({stream: "0-0"}, count=1)
    user(name).hgetall(DESK.status("analytics"))
    assert user(name).ping()


@pytest.mark.parametrize("name", ["client", "gateway"])
def test_a_client_sees_nothing_of_the_inside_nor_does_the_gateway(user: As, name: str) -> None:
    for stream in (DESK.commands("SIM", 0), DESK.orders(0)):
        with pytest.raises(NoPermissionError):
            user(name).xrange(stream, count=1)
    if name == "gateway":  # it tells how far the stages are
        user(name).exists(DESK.checkpoint("orders", "orders.0"))
        return
    with pytest.raises(NoPermissionError):
        user(name).hgetall(DESK.checkpoint("orders", "orders.0"))


OF_PEOPLE = {DESK.keys, DESK.keys_used, DESK.users, DESK.passwords, DESK.sessions, DESK.sessions_used}
MAY_READ_KEYS = {"operator": OF_PEOPLE, "gateway": OF_PEOPLE - {DESK.keys_used}}
OF_SESSIONS = {DESK.sessions, DESK.sessions_used}
MAY_WRITE_KEYS = {"operator": OF_PEOPLE - OF_SESSIONS, "gateway": OF_PEOPLE - {DESK.keys, DESK.users}}
MAY_REMOVE = {"operator": OF_PEOPLE, "gateway": OF_SESSIONS}


@pytest.mark.parametrize("name", USERS)
@pytest.mark.parametrize("key", sorted(OF_PEOPLE))
def test_keys_and_users_are_the_operators_and_the_gateway_tells_uses_and_passwords_alone(
    user: As, name: str, key: str
) -> None:
    reads = [["HGETALL", key], ["HGET", key, "fk_a"]]
    writes = [["HSET", key, "fk_a", "1"]]
    removes = [["HDEL", key, "fk_a"]]
    for commands, may in (
        (reads, MAY_READ_KEYS.get(name, set())),
        (writes, MAY_WRITE_KEYS.get(name, set())),
        (removes, MAY_REMOVE.get(name, set())),
    ):
        for command in commands:
            if key in may:
                user(name).execute_command(*command)
            else:
                with pytest.raises(NoPermissionError):
                    user(name).execute_command(*command)
    for command in (["DEL", key], ["SET", key, "x"], ["RENAME", key, DESK.signals], ["XADD", key, "*", "a", "b"]):
        with pytest.raises(NoPermissionError):
            user(name).execute_command(*command)


@pytest.mark.parametrize("name", [name for name in PASSWORDS if name])
@pytest.mark.parametrize(
    "command",
    ["FLUSHALL", "FLUSHDB", "CONFIG SET maxmemory 1", "ACL LIST", "KEYS *", "SHUTDOWN", "MONITOR",
     "FUNCTION FLUSH", "REPLICAOF a 1", "DEL desk", "DEL dead", "XDEL signals 1-0", "HSET status.other a b"],
)  # fmt: skip
def test_nobody_with_a_name_may_do_harm(user: As, name: str, command: str) -> None:
    with pytest.raises(NoPermissionError):
        user(name).execute_command(*command.split())


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("client", "CONFIG GET *"), ("client", "XTRIM signals MAXLEN 0"), ("client", "DEL signals"),
        ("client", "FUNCTION LIST"), ("client", "XGROUP CREATE signals mine 0"), ("client", "XADD orders.{a0} * a b"),
        ("client", "HSET recover checkpoint.signals x"), ("client", "EVAL return{} 0"),
        ("operator", "XTRIM signals MAXLEN 0"), ("operator", "HSET checkpoint.signals id 0-0"),
        ("operator", "XADD events.{a0} * a b"), ("operator", "HSET signals.low analytics 9-9"),
        ("orders", "XADD signals * a b"), ("orders", "XTRIM signals MAXLEN 0"), ("orders", "XTRIM dead MAXLEN 0"),
        ("orders", "HSET checkpoint.signals id 0-0"), ("orders", "XTRIM events.{a0} MAXLEN 0"),
        ("engine", "XADD events.{a0} * a b"), ("engine", "HSET checkpoint.orders.{a0} id 0-0"),
        ("positions", "XADD commands.SIM.{s0} * a b"), ("signals", "XADD events.{a0} * a b"),
        ("analytics", "XTRIM events.{a0} MAXLEN 0"), ("analytics", "HSET desk id x"),
        ("gateway", "XTRIM signals MAXLEN 0"), ("gateway", "XRANGE orders.{a0} - +"),
        ("gateway", "XADD commands.SIM.{s0} * a b"), ("gateway", "HSET recover checkpoint.signals x"),
        ("gateway", "HSET desk id x"), ("gateway", "CONFIG GET *"),
        ("feed", "XADD signals * a b"), ("feed", "XREVRANGE events.{a0} + - COUNT 1"),
    ],
)  # fmt: skip
def test_each_is_refused_what_is_not_its_own(user: As, name: str, command: str) -> None:
    with pytest.raises(NoPermissionError):
        user(name).execute_command(*command.split())


@pytest.mark.parametrize("name", [*STAGES, "analytics"])
def test_services_may_wait_for_the_disk_and_stages_delete_nothing_of_their_own_either(user: As, name: str) -> None:
    try:
        user(name).execute_command("WAITAOF", 0, 0, 1)
    except redis.exceptions.ResponseError as error:
        assert "unknown command" in str(error), "of Redis 7.0"
    for stream in map(DESK.key, DESK.names(PROGRAM[name].reads[0])):
        for command in (["DEL", stream], ["XDEL", stream, "1-0"], ["SET", stream, "x"]):
            with pytest.raises(NoPermissionError):
                user(name).execute_command(*command)


def test_a_script_may_do_no_more_than_its_caller(user: As) -> None:
    script = "return redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)"
    with pytest.raises(redis.exceptions.ResponseError, match=r"ACL failure|can't run this command"):
        user("operator").eval(script, 1, DESK.signals)


def test_no_password_is_shown_to_who_may_ask_for_the_configuration(user: As) -> None:
    assert user("orders").config_get("requirepass") == {"requirepass": ""}


def test_a_wrong_password_is_refused(server: ServerOfUsers) -> None:
    with redis.Redis(port=server.port, username="operator", password="all") as other, pytest.raises(
        redis.exceptions.AuthenticationError
    ):  # fmt: skip
        other.ping()


class DeskOfUsers:
    """A whole desk whose services are users of their own, on a server of its own."""

    def __init__(self, folder: Path, server: ServerOfUsers, environ: dict[str, str]) -> None:
        self.environ = environ
        self.operator, self.client, self.admin = (server.as_user(name) for name in ("operator", "client", NOBODY))
        self.server = server
        self._folder = folder
        self.topology = load_settings().topology()

    @contextmanager
    def running(self) -> Iterator[LocalStack]:
        """Run every service."""
        users = {each.name: self.server.url(each.name) for each in PROGRAMS}
        with LocalStack(
            self._folder, redis_url=self.server.url(NOBODY), base_port=0, environ=self.environ, users=users
        ) as stack:
            stack.wait_ready()
            yield stack

    def states(self) -> list[StageState]:
        """Return how it is, as the operator sees it."""
        return states(self.operator, self.topology)

    def is_quiet(self) -> bool:
        """Whether nothing waits to be read."""
        return all(each.is_live and not each.lag for each in self.states())

    def was_trimmed(self, name: str) -> bool:
        """Whether entries went from a stream's beginning."""
        info: Any = self.admin.xinfo_stream(self.topology.key(name))
        return bool(info["entries-added"] > info["length"])

    def has_lapsed(self, reader: str) -> bool:
        """Whether the claim of a reader counts no more."""
        return any(hold.reader == reader and hold.lapsed for each in self.states() for hold in each.holds)

    def accept_everything(self) -> list[tuple[str, Page]]:
        """Accept, as the operator, what has stopped every stage."""
        found = [one for one in stopped(self.operator, self.topology) if one.can_be_accepted]
        for one in found:
            accept(self.operator, self.topology, one, "me", "a trial")
        return [(one.process, one.page) for one in found]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeskOfUsers]:
    """Yield a desk with two partitions of each kind and a prefix, which takes snapshots and trims all the time."""
    told = {
        "MESSAGING__TOPIC_PREFIX": "our/desk:", "MESSAGING__ACCOUNT_PARTITIONS": "2",
        "MESSAGING__SYMBOL_PARTITIONS": "2", "MESSAGING__RETENTION_S": "0", "DATABASE__SNAPSHOT_EVERY_S": "1",
        "DATABASE__COPY_EVERY_S": "1", "DATABASE__SNAPSHOT_EVERY_ENTRIES": "50",
    }  # fmt: skip
    environ = {f"FILLSTREAM_{name}": value for name, value in told.items()}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with server_of_users(tmp_path / "redis", "our/desk:") as server:
        yield DeskOfUsers(tmp_path / "data", server, environ)


def test_a_whole_desk_runs_with_every_service_as_its_own_user(desk: DeskOfUsers) -> None:
    desk.environ["FILLSTREAM_MESSAGING__MAX_READER_LAG_S"] = "5"
    desk.admin.xgroup_create(desk.topology.signals, "backtest", "0", mkstream=True)
    with desk.running() as stack:
        load = Load(stack, seed=7, accounts=("demo", "default", "a"))
        load.run(150, {})
        until(desk.is_quiet, "a quiet desk")
        with Client(desk.server.url("client"), desk.topology) as client:
            assert client.wait_for(client.signal("AAPL", "BUY", 1)).events
        with Client(desk.server.url("gateway"), desk.topology) as client:
            assert client.wait_for(client.signal("AAPL", "BUY", 1)).events
            assert client.control("Halt", None, who="her", reason="a trial", timeout_s=60).refusal is None
            assert client.control("Resume", None, who="her", reason="a trial", timeout_s=60).refusal is None
        until(lambda: desk.has_lapsed("backtest"), "a claim to lapse")
        # A node of a stream at a time, below the oldest of a few snapshots; an account's partition may have less.
        for names in (["signals"], ["orders.0", "orders.1"], ["commands.SIM.0"], ["events.0", "events.1"]):
            while not any(map(desk.was_trimmed, names)):
                load.run(20, {})
                until(desk.is_quiet, f"a quiet desk, for {names} to be trimmed")
        assert {name for name, each in stack.processes.items() if each.restarts} == set()
    assert desk.server.refusals() == []


def test_the_operator_accepts_what_stopped_a_desk_and_each_stage_repairs_what_is_its_own(desk: DeskOfUsers) -> None:
    with desk.running() as stack:
        Load(stack, seed=7).run(50, {})
        until(desk.is_quiet, "a quiet desk")
    desk.admin.delete(desk.topology.desk)
    assert {page for _, page in desk.accept_everything()} == {Page.MARKER_GONE}
    with desk.running() as stack:
        until(desk.is_quiet, "a quiet desk")
    # Of a stream whose ids are ahead of the clock, the stage makes another.
    desk.admin.xadd(desk.topology.signals, {"symbol": "AAPL"}, id=f"{2**60}-0")
    assert desk.accept_everything() == [("signals", Page.TIME_AHEAD)]
    with desk.running() as stack, Client(desk.server.url("client"), desk.topology) as client:
        assert client.wait_for(client.signal("AAPL", "BUY", 1)).events
    assert desk.server.refusals() == []


def test_the_operator_sends_dead_letters_again_and_a_client_may_not(desk: DeskOfUsers) -> None:
    for stream in ("signals", "orders.1", "commands.SIM.0", "events.0"):
        told = orjson.dumps({"stream": stream, "reason": "bad_value", "text": "side: must be BUY or SELL"})
        desk.admin.xadd(desk.topology.dead, {"data": told, "raw:side": "HOLD"})
    *inboxes, journal = letters(desk.operator, desk.topology, 9)
    for it in inboxes:
        with pytest.raises(NoPermissionError):
            redrive(desk.client, desk.topology, it, {})
        assert redrive(desk.operator, desk.topology, it, {})
        with pytest.raises(CannotRedrive, match="was re-driven before"):
            redrive(desk.operator, desk.topology, it, {})
        assert desk.admin.xlen(desk.topology.key(it.letter["stream"])) == 1
    with pytest.raises(NoPermissionError):
        redrive(desk.operator, desk.topology, journal, {})
