"""People over a real gateway and a real Redis: a restart forgets nobody, and who is disabled is out in two seconds."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import orjson
import pytest
import redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from fillstream import Client
from fillstream.libs.common.process import passwords
from fillstream.libs.common.process.audited import Search
from fillstream.libs.common.process.sessions import id_of
from fillstream.services.gateway.people.lockouts import FREE
from fillstream.stack.stack import IDEAL_DESK, LocalStack
from fillstream.tools import gateway_users
from tests.conftest import until
from tests.support.gateway_people import GOOD, NAMES, Browser, PeopleDesk
from tests.support.users import server_of_users

OUT_S = 2.0
SLACK_S = 1.0
"""For a machine that has other things to do."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Yield a desk that asks who comes to its gateway."""
    folder = tmp_path_factory.mktemp("people")
    environ, without = {**IDEAL_DESK}, ["analytics", "engine", "positions"]
    with LocalStack(folder, base_port=0, redis_port=0, gateway_port=0, environ=environ, without=without) as made:
        made.wait_ready()
        names = made.settings.topology()
        with Client(made.redis_url, names) as desk:
            for name in ("anna", "ben", "eve"):
                gateway_users.create(
                    desk.redis, names, name, "trader", lambda: passwords.hashed(GOOD), now_ms=1, who="test", accounts=[]
                )
        yield made


@contextmanager
def logged_in(stack: LocalStack, name: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url("gateway"), timeout=20, trust_env=False) as found:
        told = found.post("/v1/session", json={"user": name, "password": GOOD})
        assert told.status_code == 200, told.text
        found.headers["x-csrf-token"] = told.json()["csrf"]
        assert "fillstream_session" in found.cookies
        yield found


def session_id(client: httpx.Client) -> str:
    found = id_of(client.cookies["fillstream_session"])
    assert found is not None
    return found


def status(client: httpx.Client) -> int:
    return client.get("/v1/session").status_code


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_gateway_that_begins_anew_forgets_nobody(stack: LocalStack, how: signal.Signals) -> None:
    with logged_in(stack, "anna") as here, logged_in(stack, "ben") as gone:
        assert gone.delete("/v1/session").status_code == 204
        gateway = stack.processes["gateway"]
        pid = gateway.pid
        assert pid is not None
        os.kill(pid, how)
        until(lambda: gateway.pid not in (None, pid), "another gateway")

        def is_ready() -> bool:
            with suppress(httpx.TransportError):
                return here.get("/ready").status_code == 200
            return False

        until(is_ready, "it to be ready")
        told = here.get("/v1/session")
        assert (told.status_code, told.json()["user"]) == (200, "anna")
        assert told.json()["csrf"] == here.headers["x-csrf-token"], "the page goes on as it is"
        assert here.put("/v1/session/password", json={"password": "x", "new_password": GOOD}).status_code == 403
        assert gone.get("/v1/session").status_code == 401


def test_who_is_disabled_is_out_within_two_seconds_on_streams_as_well(stack: LocalStack) -> None:
    names = stack.settings.topology()
    url = stack.url("gateway")
    with logged_in(stack, "eve") as out, logged_in(stack, "anna") as stays, Client(stack.redis_url, names) as desk:
        cookie = f"fillstream_session={out.cookies['fillstream_session']}"
        headers = {"cookie": cookie, "origin": url}
        with connect(f"{url.replace('http', 'ws')}/v1/stream", additional_headers=headers, proxy=None) as socket:
            assert orjson.loads(socket.recv())["name"] == "eve"
            until(lambda: desk.redis.hexists(names.sessions_used, session_id(out)), "a use to be told")
            gateway_users.change(desk.redis, names, "eve", lambda user: user.disabled(2, "test"))
            began = time.monotonic()
            until(lambda: status(out) == 401, "the session to end")
            with pytest.raises(ConnectionClosed):
                while True:
                    socket.recv(timeout=10)
            assert time.monotonic() - began < OUT_S + SLACK_S
        assert status(stays) == 200
        until(lambda: not desk.redis.hexists(names.sessions, session_id(out)), "the session to be taken out")


def test_the_gateways_own_user_may_do_what_logging_in_needs_and_no_more_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with server_of_users(tmp_path / "redis") as server:
        people = PeopleDesk(monkeypatch, server.url("gateway"), server.url("operator"))
        people.make()

        async def play() -> None:
            await people.people.sessions.turn()
            browser, other = await people.browser(), await people.browser()
            assert (await Browser(people.desk).log_in("anna", "wrong password")).status_code == 401
            changed = {"password": GOOD, "new_password": "another good password"}
            assert (await browser.ask("PUT", "/v1/session/password", json=changed)).status_code == 204
            for _ in range(3):
                await people.people.sessions.turn()
            assert (await other.ask("GET", "/v1/session")).status_code == 401
            assert (await browser.ask("DELETE", "/v1/session")).status_code == 204
            for _ in range(FREE):
                told = await Browser(people.desk).log_in("anna", "wrong password")
            assert told.status_code == 429
            await people.audit.end()
            told = await people.audit.search(Search(None, "lockout", None, 10))
            assert [each["outcome"] for each in told.found] == ["user_locked", "address_locked"]
            assert gateway_users.unlock(people.redis, NAMES, "anna")
            assert gateway_users.log_out(people.redis, NAMES, "anna") == 0

        people.play(play)
        assert server.refusals() == []
        for name, command in (
            ("gateway", ["XTRIM", NAMES.audit, "MAXLEN", "0"]), ("gateway", ["XDEL", NAMES.audit, "1-0"]),
            ("operator", ["XADD", NAMES.audit, "*", "a", "b"]), ("client", ["XREVRANGE", NAMES.audit, "+", "-"]),
        ):  # fmt: skip
            with pytest.raises(redis.exceptions.NoPermissionError):
                server.as_user(name).execute_command(*command)
