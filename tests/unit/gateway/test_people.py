"""People log in, stay logged in as long as they may, and are out the moment that they are not who they were."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any, cast

import httpx
import orjson
import pytest
import redis

from fillstream.libs.common.process import passwords
from fillstream.libs.common.process.keys import ROLES
from fillstream.libs.common.process.people import PERSONS_ROLES
from fillstream.libs.common.process.sessions import id_of
from fillstream.services.gateway.people import sessions as live
from fillstream.services.gateway.people.hashing import MOST_WAITING, Hashing
from fillstream.services.gateway.people.sessions import LiveSessions
from tests.support.backtests import settings_with
from tests.support.gateway_desk import GatewayDesk
from tests.support.gateway_keys import bearer
from tests.support.gateway_people import GOOD, NAMES, Browser, PeopleDesk

ORDER = {"symbol": "AAPL", "side": "BUY", "quantity": "10"}
OTHER = "another good password"


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch, redis_url: str) -> PeopleDesk:
    return PeopleDesk(monkeypatch, redis_url)


def reason(told: httpx.Response) -> tuple[int, str]:
    return told.status_code, told.json()["reason"]


# ------------------------------------------------------------------------------------------------------------ login


@pytest.mark.parametrize("role", PERSONS_ROLES)
def test_who_logs_in_is_told_who_it_is_and_may_what_the_role_may(people: PeopleDesk, role: str) -> None:
    people.make("anna", role)

    async def play() -> None:
        browser = Browser(people.desk)
        told = (await browser.log_in()).json()
        assert told == {
            "user": "anna", "role": role, "scopes": sorted(ROLES[role]), "accounts": [], "csrf": told["csrf"],
            "expires_ms": told["expires_ms"], "mode": "people",
        }  # fmt: skip
        again = await browser.ask("GET", "/v1/session")
        assert {**again.json(), "expires_ms": 0} == {**told, "expires_ms": 0}
        assert again.headers["cache-control"] == "no-store"
        assert again.json()["expires_ms"] >= told["expires_ms"]
        sent = await browser.ask("POST", "/v1/orders", json=ORDER)
        assert sent.status_code == (201 if "orders:write" in ROLES[role] else 403), sent.text
        halted = await browser.ask("POST", "/v1/halt", json={"account": "default"})
        assert halted.status_code == (200 if "controls:write" in ROLES[role] else 403), halted.text
        if halted.status_code == 200:
            assert people.desk.desk.terms.controls[-1]["who"] == "anna"
        else:
            assert "user anna has no controls:write" in halted.text

    people.play(play)


def test_a_person_for_some_accounts_sees_and_touches_those_alone(people: PeopleDesk) -> None:
    people.make("anna", "trader", "demo")

    async def play() -> None:
        browser = await people.browser()
        told = (await browser.ask("GET", "/v1/session")).json()
        assert told["accounts"] == ["demo"]
        assert "sql:read" not in told["scopes"]
        assert reason(await browser.ask("POST", "/v1/orders", json=ORDER)) == (403, "account_not_allowed")
        assert (await browser.ask("POST", "/v1/orders", json={**ORDER, "account": "demo"})).status_code == 201
        rows = (await browser.ask("GET", "/v1/accounts")).json()["accounts"]
        assert {row["account"] for row in rows} == {"demo"}

    people.play(play)


def test_what_is_no_login_is_refused_without_being_shown(people: PeopleDesk) -> None:
    people.make()

    async def play() -> None:
        browser = Browser(people.desk)
        for user, password, field in (
            (None, GOOD, "user"), (5, GOOD, "user"), ("a" * 65, GOOD, "user"), ("anna", None, "password"),
            ("anna", ["x"], "password"), ("anna", "x" * 1025, "password"), ("anna", "\u00e9" * 513, "password"),
        ):  # fmt: skip
            told = await browser.log_in(user, password)
            assert reason(told) == (422, "bad_value")
            assert told.json()["field"] == field
            assert "xxx" not in told.text
        raw = await browser.ask("POST", "/v1/session", content=b'{"user": "anna", "password": "\\ud800"}')
        assert reason(raw) == (422, "bad_value")
        form = {"content-type": "application/x-www-form-urlencoded"}
        told = await browser.ask("POST", "/v1/session", content=b"user=anna", headers=form)
        assert reason(told) == (415, "bad_content_type")
        told = await browser.ask("POST", "/v1/session", json={"user": "anna", "password": GOOD, "more": "x" * 9_000})
        assert reason(told) == (413, "too_large")
        assert browser.cookie is None

    people.play(play)


def test_a_session_is_in_redis_by_its_hash_and_nothing_secret_is_told_or_logged(
    people: PeopleDesk, caplog: pytest.LogCaptureFixture
) -> None:
    people.make()

    async def play() -> None:
        with caplog.at_level(logging.DEBUG):
            browser = await people.browser()
            told = [await browser.ask("GET", "/v1/session"), await browser.ask("POST", "/v1/orders", json=ORDER)]
            told.append(await browser.log_in("anna", "wrong password"))
            told.append(await browser.ask("POST", "/v1/orders", json=ORDER, csrf="wrong"))
            await people.people.sessions.load()
            await people.people.sessions._tell_uses()
        (session_id,) = cast(dict[bytes, bytes], people.redis.hgetall(NAMES.sessions))
        assert session_id.decode() == id_of(browser.secret)
        assert len(browser.secret) == 43, "256 bits"
        everything = str([people.redis.hgetall(key) for key in cast(list[bytes], people.redis.keys("*"))])
        argon2id = orjson.loads(people.redis.hget(NAMES.passwords, "anna") or b"{}")["argon2id"]
        for secret in (browser.secret, browser.csrf, GOOD):
            assert secret not in everything
        for secret in (browser.secret, browser.csrf, GOOD, argon2id, session_id.decode(), "wrong password"):
            assert secret not in caplog.text
            assert not any(secret in each.text for each in told[1:])
        assert browser.secret not in told[0].text
        lines = [record.getMessage() for record in caplog.records]
        assert any(line.startswith("user:anna POST '/v1/orders': 201") for line in lines)
        assert any(line.startswith("nobody POST '/v1/session': 401") for line in lines)

    people.play(play)


def test_without_keys_everybody_is_local_and_nobody_logs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = GatewayDesk(settings_with(monkeypatch, simulation__enabled="false"))

    async def play() -> None:
        told = await desk.http.get("/v1/session")
        assert told.json() == {
            "user": "local", "role": "admin", "scopes": sorted(ROLES["admin"]), "accounts": [], "csrf": None,
            "expires_ms": None, "mode": "local",
        }  # fmt: skip
        assert reason(await desk.post("/v1/session", {"user": "anna", "password": GOOD})) == (409, "no_login")
        assert (await desk.http.delete("/v1/session")).status_code == 204
        assert reason(await desk.http.put("/v1/session/password", json={})) == (409, "no_login")
        evil = {"origin": "https://evil.example"}
        assert (await desk.http.get("/v1/session", headers=evil)).status_code == 403

    asyncio.run(play())


def test_who_shows_a_key_goes_by_it_alone(people: PeopleDesk) -> None:
    people.make("anna", "admin")
    _, viewer = people.keys.make("viewer")

    async def play() -> None:
        browser = await people.browser()
        assert (await browser.ask("POST", "/v1/orders", json=ORDER)).status_code == 201
        told = await browser.ask("POST", "/v1/orders", json=ORDER, headers=bearer(viewer))
        assert reason(told) == (403, "scope_missing")
        assert reason(await browser.ask("GET", "/v1/orders", headers=bearer("fk_x.y"))) == (401, "key_refused")
        assert reason(await browser.ask("GET", "/v1/session", headers=bearer(viewer))) == (401, "login_needed")
        told = await browser.ask("PUT", "/v1/session/password", json={}, headers=bearer(viewer))
        assert reason(told) == (403, "no_person")
        told = await browser.ask("GET", "/v1/orders", headers={"apca-api-key-id": "x", "apca-api-secret-key": "y"})
        assert reason(told) == (401, "key_refused")

    people.play(play)


def test_a_cookie_counts_below_v1_alone(people: PeopleDesk) -> None:
    people.make("anna", "admin")

    async def play() -> None:
        browser = await people.browser()
        assert (await browser.ask("GET", "/v1/orders")).status_code == 200
        for path in ("/alpaca/v2/account", "/order-management/orders"):
            assert (await browser.ask("GET", path)).status_code == 401

    people.play(play)


def test_calls_are_counted_by_person(monkeypatch: pytest.MonkeyPatch, redis_url: str) -> None:
    people = PeopleDesk(monkeypatch, redis_url, calls_per_minute="3")
    people.make()
    people.make("ben")

    async def play() -> None:
        one, two, other = await people.browser(), await people.browser(), await people.browser("ben")
        told = [await each.ask("GET", "/v1/orders") for each in (one, two, one, two)]
        assert [each.status_code for each in told] == [200, 200, 200, 429]
        assert "user anna has 3 calls a minute" in told[3].text
        assert (await other.ask("GET", "/v1/orders")).status_code == 200

    people.play(play)


# -------------------------------------------------------------------------------------------------------- its end


def test_who_logs_out_is_out_at_once_and_elsewhere_stays_in(people: PeopleDesk) -> None:
    people.make()

    async def play() -> None:
        here, there = await people.browser(), await people.browser()
        cookie = here.cookie
        assert reason(await here.ask("DELETE", "/v1/session", csrf="wrong")) == (403, "csrf_refused")
        told = await here.ask("DELETE", "/v1/session")
        assert (told.status_code, told.content) == (204, b"")
        assert here.set_cookie == "fillstream_session=; Max-Age=0; HttpOnly; SameSite=Strict; Path=/"
        here.cookie = cookie
        for method, path in (("GET", "/v1/session"), ("GET", "/v1/orders"), ("POST", "/v1/orders")):
            assert reason(await here.ask(method, path)) == (401, "login_needed")
        assert (await here.ask("DELETE", "/v1/session", csrf=None)).status_code == 204, "there is nothing to end"
        await people.people.sessions.load()
        assert reason(await here.ask("GET", "/v1/session")) == (401, "login_needed")
        assert (await there.ask("GET", "/v1/session")).status_code == 200
        nobody = Browser(people.desk)
        assert reason(await nobody.ask("GET", "/v1/session")) == (401, "login_needed")
        assert reason(await nobody.ask("GET", "/v1/orders")) == (401, "key_missing")

    people.play(play)


@pytest.mark.parametrize(
    ("how", "to"),
    [("disabled", {}), ("changed", {"role": "viewer"}), ("changed", {"accounts": ("demo",)}), ("password", {})],
)
def test_who_is_another_by_now_is_out_once_the_records_are_read(people: PeopleDesk, how: str, to: Any) -> None:
    people.make()
    people.make("ben")

    async def play() -> None:
        browser, other = await people.browser(), await people.browser("ben")
        if how == "password":
            record = orjson.loads(people.redis.hget(NAMES.passwords, "anna") or b"{}")
            people.redis.hset(NAMES.passwords, "anna", orjson.dumps({**record, "argon2id": passwords.hashed(OTHER)}))
        else:
            people.change("anna", how, **to)
        await people.people.sessions.turn()
        assert reason(await browser.ask("GET", "/v1/orders")) == (401, "login_needed")
        if how == "disabled":
            people.change("anna", "enabled")
            await people.people.sessions.load()
            assert reason(await browser.ask("GET", "/v1/orders")) == (401, "login_needed"), "it has to log in anew"
        assert (await other.ask("GET", "/v1/orders")).status_code == 200
        assert people.redis.hlen(NAMES.sessions) == 2
        await people.people.sessions.turn()
        assert people.redis.hlen(NAMES.sessions) == 1, "what is over for a second is taken out"

    people.play(play)


def test_a_user_who_is_gone_or_cannot_be_read_is_out(people: PeopleDesk, caplog: pytest.LogCaptureFixture) -> None:
    people.make()
    people.make("ben")

    async def play() -> None:
        one, two = await people.browser(), await people.browser("ben")
        people.redis.hdel(NAMES.users, "anna")
        people.redis.hset(NAMES.users, "ben", "{")
        people.redis.hset(NAMES.sessions, "00", "{")
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                await people.people.sessions.turn()
        for each in (one, two):
            assert reason(await each.ask("GET", "/v1/orders")) == (401, "login_needed")
            assert reason(await each.log_in()) == (401, "login_refused")
        told = [
            record.getMessage() for record in caplog.records if "who cannot be read is not let in" in record.message
        ]
        assert len(told) == 2, "once"
        left = set(cast(dict[bytes, bytes], people.redis.hgetall(NAMES.sessions)))
        assert left == {b"00", (id_of(two.secret) or "").encode()}, "a newer release may be able to read it"

    people.play(play)


def test_a_session_ends_that_is_not_used_and_one_that_is_old(monkeypatch: pytest.MonkeyPatch, redis_url: str) -> None:
    people = PeopleDesk(monkeypatch, redis_url, session_idle="30m", session_lifetime="2h")
    people.make()
    now = 1_800_000_000_000
    monkeypatch.setattr(live, "_now_ms", lambda: now)

    async def play() -> None:
        nonlocal now
        busy, idle = await people.browser(), await people.browser()
        began = now
        for _ in range(3):
            now += 29 * 60_000
            told = await busy.ask("GET", "/v1/session")
            assert told.json()["expires_ms"] == min(now + 30 * 60_000, began + 2 * 3_600_000)
        assert reason(await idle.ask("GET", "/v1/session")) == (401, "login_needed")
        await people.people.sessions._tell_uses()
        after = people.gateway().sessions  # a use is known elsewhere, and after a restart
        await after.load()
        now += 29 * 60_000
        assert await after.find(idle.secret) is None
        assert await after.find(busy.secret) is not None
        assert (await busy.ask("GET", "/v1/session")).status_code == 200
        now = began + 2 * 3_600_000
        assert reason(await busy.ask("GET", "/v1/session")) == (401, "login_needed")
        for _ in range(2):
            await people.people.sessions.turn()
        assert people.redis.keys() and not people.redis.exists(NAMES.sessions, NAMES.sessions_used)

    people.play(play)


def test_a_gateway_that_begins_anew_and_another_one_know_who_is_in(people: PeopleDesk) -> None:
    people.make()

    async def play() -> None:
        browser = await people.browser()
        other = people.gateway().sessions  # which has read nothing yet
        caller = await other.find(browser.secret)
        assert caller is not None and (caller.id, caller.name) == ("user:anna", "anna")
        assert browser.secret not in repr(caller) and (id_of(browser.secret) or "") not in repr(caller)
        assert await other.find("x" * 43) is None
        assert await other.find("../etc") is None
        await people.people.log_out(caller, None)
        assert await people.people.sessions.find(browser.secret) is None
        await other.load()
        assert await other.find(browser.secret) is None

    people.play(play)


def test_a_person_has_so_many_sessions_and_the_oldest_goes(people: PeopleDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST", 3)
    now = 1_800_000_000_000
    monkeypatch.setattr(live, "_now_ms", lambda: now)
    people.make()
    people.make("ben")

    async def play() -> None:
        nonlocal now
        other = await people.browser("ben")
        browsers = []
        for _ in range(3):
            now += 1
            browsers.append(await people.browser())
        now += 1
        assert (await browsers[0].ask("GET", "/v1/session")).status_code == 200
        now += 1
        browsers.append(await people.browser())
        told = [(await each.ask("GET", "/v1/session")).status_code for each in browsers]
        assert told == [200, 401, 200, 200]
        assert (await other.ask("GET", "/v1/session")).status_code == 200

    people.play(play)


def test_redis_away_is_told_and_who_is_known_stays(people: PeopleDesk) -> None:
    people.make()

    async def play() -> None:
        browser = await people.browser()
        people.people.sessions._client = people.people._client = _Away()
        assert (await browser.ask("GET", "/v1/orders")).status_code == 200
        assert reason(await browser.log_in()) == (503, "redis_away")
        assert reason(await browser.ask("DELETE", "/v1/session")) == (503, "redis_away")
        changed = {"password": GOOD, "new_password": OTHER}
        other = Browser(people.desk)
        other.cookie = f"fillstream_session={'x' * 43}"
        assert reason(await other.ask("GET", "/v1/orders")) == (401, "login_needed")
        assert reason(await browser.ask("PUT", "/v1/session/password", json=changed)) == (401, "login_needed")

    people.play(play)


def test_a_log_out_that_redis_did_not_take_is_tried_again_and_never_undone(
    people: PeopleDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.make()

    async def play() -> None:
        browser = await people.browser()
        cookie, sessions = browser.cookie, people.people.sessions
        client, sessions._client = sessions._client, _Away()
        assert reason(await browser.ask("DELETE", "/v1/session")) == (503, "redis_away")
        sessions._client = client
        monkeypatch.setattr("fillstream.services.gateway.people.sessions.REMEMBERED_S", 0.0)
        await sessions.load()
        browser.cookie = cookie
        assert reason(await browser.ask("GET", "/v1/session")) == (401, "login_needed")
        await sessions.turn()
        assert people.redis.hlen(NAMES.sessions) == 0
        await sessions.turn()
        assert reason(await browser.ask("GET", "/v1/session")) == (401, "login_needed")

    people.play(play)


def test_a_session_that_has_just_begun_counts_whatever_an_older_reading_says(people: PeopleDesk) -> None:
    people.make()

    async def play() -> None:
        sessions = people.people.sessions
        server = sessions._client

        class Older:
            """Answers a reading of the sessions as they were before anybody logged in."""

            def __getattr__(self, name: str) -> Any:
                return getattr(server, name)

            async def hgetall(self, key: str) -> Any:
                return {} if key == NAMES.sessions else await server.hgetall(key)

        browser = await people.browser()
        sessions._client = Older()
        await sessions.load()
        assert (await browser.ask("GET", "/v1/session")).status_code == 200
        await sessions.end(next(iter(sessions._sessions)))
        await sessions.load()
        assert reason(await browser.ask("GET", "/v1/session")) == (401, "login_needed"), "what has ended does not begin"

    people.play(play)


class _Away:
    def __getattr__(self, name: str) -> Any:
        async def fails(*_: Any) -> Any:
            raise redis.exceptions.ConnectionError("Connection refused")

        return fails


# ------------------------------------------------------------------------------------------------------- password


def test_who_changes_the_password_stays_and_is_out_elsewhere(people: PeopleDesk) -> None:
    people.make()
    people.make("ben")

    async def play() -> None:
        here, there, other = await people.browser(), await people.browser(), await people.browser("ben")
        changed = {"password": GOOD, "new_password": OTHER}
        assert reason(await here.ask("PUT", "/v1/session/password", json=changed, csrf="x")) == (403, "csrf_refused")
        told = await here.ask("PUT", "/v1/session/password", json=changed)
        assert (told.status_code, told.content) == (204, b"")
        for _ in range(2):
            assert (await here.ask("GET", "/v1/session")).status_code == 200
            assert reason(await there.ask("GET", "/v1/session")) == (401, "login_needed")
            assert (await other.ask("GET", "/v1/session")).status_code == 200
            await people.people.sessions.load()
        assert reason(await Browser(people.desk).log_in()) == (401, "login_refused")
        assert (await Browser(people.desk).log_in("anna", OTHER)).status_code == 200
        assert orjson.loads(people.redis.hget(NAMES.passwords, "anna") or b"{}")["set_by"] == "anna"

    people.play(play)


def test_what_may_be_no_password_changes_nothing(people: PeopleDesk) -> None:
    people.make("anna.of.the.desk")

    async def play() -> None:
        browser = await people.browser("anna.of.the.desk")
        before = people.redis.hgetall(NAMES.passwords)
        for old, new, expected in (
            ("wrong password", OTHER, (403, "password_refused")),
            (GOOD, "short", (422, "bad_value")),
            (GOOD, "Anna.of.the.desk", (422, "bad_value")),
            (GOOD, "x" * 1025, (422, "bad_value")),
            (GOOD, None, (422, "bad_value")),
            (GOOD, GOOD, (422, "bad_value")),
            (None, OTHER, (422, "bad_value")),
        ):
            said = {"password": old, "new_password": new}
            told = await browser.ask("PUT", "/v1/session/password", json=said)
            assert reason(told) == expected, said
            assert expected[0] == 403 or told.json()["field"] == ("password" if old is None else "new_password")
        assert people.redis.hgetall(NAMES.passwords) == before
        assert reason(await Browser(people.desk).ask("PUT", "/v1/session/password", json={})) == (401, "key_missing")

    people.play(play)


def test_a_password_that_the_operator_sets_meanwhile_stays(people: PeopleDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    people.make()

    async def play() -> None:
        browser = await people.browser()
        record = orjson.loads(people.redis.hget(NAMES.passwords, "anna") or b"{}")
        operators = orjson.dumps({**record, "argon2id": passwords.hashed("by the operator")})

        async def hashed(self: Hashing, password: str) -> str:
            people.redis.hset(NAMES.passwords, "anna", operators)
            return passwords.hashed(password)

        monkeypatch.setattr(Hashing, "hashed", hashed)
        changed = {"password": GOOD, "new_password": OTHER}
        told = await browser.ask("PUT", "/v1/session/password", json=changed)
        assert reason(told) == (409, "password_changed")
        assert people.redis.hget(NAMES.passwords, "anna") == operators

    people.play(play)


def test_two_passwords_are_looked_at_at_a_time_and_a_flood_of_logins_stops_nothing_else(
    people: PeopleDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.make()
    at_once: list[int] = []
    running = 0

    def matches(argon2id: str, password: str) -> bool:
        nonlocal running
        running += 1
        at_once.append(running)
        ended.wait(5)
        running -= 1
        return False

    ended = threading.Event()

    async def play() -> None:
        browser = await people.browser()
        monkeypatch.setattr(passwords, "matches", matches)
        hashing = people.people.hashing
        flood = [asyncio.create_task(hashing.matches(None, "x")) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        told = await Browser(people.desk).log_in()
        assert reason(told) == (503, "login_busy")
        assert told.headers["retry-after"] == "2"
        assert (await browser.ask("GET", "/v1/orders")).status_code == 200, "the loop goes on"
        ended.set()
        assert await asyncio.gather(*flood) == [False] * MOST_WAITING
        assert max(at_once) <= 2

    people.play(play)


def test_what_is_no_hash_of_a_session_is_nobodys(people: PeopleDesk) -> None:
    sessions: LiveSessions = people.people.sessions

    async def play() -> None:
        for secret in ("", "x", "x" * 42, "x" * 44, "\u00e9" * 43, "x" * 42 + "\n"):
            assert id_of(secret) is None
            assert await sessions.find(secret) is None

    people.play(play)
