"""Who fails too often waits, longer each time, whoever it is; and keeps nobody out who is in."""

from __future__ import annotations

import asyncio
import logging

import httpx
import pytest

from fillstream.libs.common.process import passwords
from fillstream.services.gateway.people import lockouts
from fillstream.services.gateway.people.hashing import Hashing
from fillstream.services.gateway.people.lockouts import FIRST_MS, FORGOTTEN_MS, FREE, MOST_MS
from tests.support.gateway_people import GOOD, NAMES, Browser, PeopleDesk

WRONG = "a wrong password"


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch, redis_url: str) -> PeopleDesk:
    return PeopleDesk(monkeypatch, redis_url, proxies='["10.0.0.0/8"]')


class Clock:
    """What time it is, to the counters."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1_800_000_000.0
        monkeypatch.setattr(lockouts.time, "time", lambda: self.now_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def reason(told: httpx.Response) -> tuple[int, str]:
    return told.status_code, told.json()["reason"]


async def fail(people: PeopleDesk, name: str = "anna", client: str = "192.0.2.1", times: int = 1) -> list[int]:
    return [(await Browser(people.desk).log_in(name, WRONG, client=client)).status_code for _ in range(times)]


@pytest.mark.parametrize("name", ["anna", "nobody", "a b"])
def test_five_failures_lock_a_name_whoever_it_is_and_each_that_follows_for_twice_as_long(
    people: PeopleDesk, clock: Clock, name: str
) -> None:
    people.make()

    async def play() -> None:
        assert await fail(people, name, times=FREE) == [401] * FREE
        waits = []
        for number in range(8):
            told = await Browser(people.desk).log_in(name, GOOD, client=f"192.0.2.{number + 10}")
            assert reason(told) == (429, "login_locked")
            wait_s = int(told.headers["retry-after"])
            assert f"{wait_s} s" in told.json()["detail"]
            assert name not in told.text
            waits.append(wait_s)
            clock.now_s += wait_s - 1
            assert await fail(people, name, f"192.0.2.{number + 10}") == [429], "not a second earlier"
            clock.now_s += 1
            assert await fail(people, name, f"192.0.2.{number + 10}") == [401]
        assert waits == [30, 60, 120, 240, 480, 900, 900, 900]

    people.play(play)


def test_an_address_is_locked_whatever_names_it_tries_and_others_are_not(people: PeopleDesk, clock: Clock) -> None:
    people.make()
    names = [f"user{number}" for number in range(FREE)]

    async def play() -> None:
        for name in names:
            assert await fail(people, name) == [401]
        assert reason(await Browser(people.desk).log_in(client="192.0.2.1")) == (429, "login_locked")
        assert (await Browser(people.desk).log_in(client="192.0.2.2")).status_code == 200
        clock.now_s += FIRST_MS / 1000
        assert (await Browser(people.desk).log_in(client="192.0.2.1")).status_code == 200
        for number in range(FREE):  # of IPv6 a person has a whole network
            assert await fail(people, f"six{number}", f"2001:db8::{number:x}") == [401]
        assert await fail(people, "six", "2001:db8::ffff") == [429]
        assert await fail(people, "six", "2001:db8:1::1") == [401]
        behind = {"x-forwarded-for": "192.0.2.77"}
        for number in range(FREE):
            told = await Browser(people.desk).log_in(f"p{number}", WRONG, client="10.0.0.1", headers=behind)
            assert told.status_code == 401
        told = await Browser(people.desk).log_in(client="10.0.0.1", headers=behind)
        assert reason(told) == (429, "login_locked")
        other = {"x-forwarded-for": "192.0.2.78"}
        assert (await Browser(people.desk).log_in(client="10.0.0.1", headers=other)).status_code == 200

    people.play(play)


def test_who_logs_in_clears_the_own_failures_and_not_those_of_the_address(people: PeopleDesk, clock: Clock) -> None:
    people.make()
    people.make("ben")

    async def play() -> None:
        for number in range(3):
            assert await fail(people, times=FREE - 1, client=f"192.0.2.{number}") == [401] * (FREE - 1)
            assert (await Browser(people.desk).log_in(client=f"192.0.2.{number + 100}")).status_code == 200
        # Who has a name here tries another's between two logins of his own.
        told = []
        for _ in range(FREE):
            told += await fail(people, "anna", "198.51.100.1")
            told.append((await Browser(people.desk).log_in("ben", client="198.51.100.1")).status_code)
        assert told == [401, 200] * (FREE - 1) + [401, 429]

    people.play(play)


def test_a_stranger_who_locks_a_name_keeps_nobody_out_who_is_in(people: PeopleDesk, clock: Clock) -> None:
    people.make()

    async def play() -> None:
        browser = await people.browser(client="198.51.100.1")
        assert await fail(people, times=FREE + 1) == [401] * FREE + [429]
        assert reason(await Browser(people.desk).log_in(client="198.51.100.1")) == (429, "login_locked")
        assert (await browser.ask("GET", "/v1/orders")).status_code == 200
        changed = {"password": GOOD, "new_password": "another good password"}
        assert (await browser.ask("PUT", "/v1/session/password", json=changed)).status_code == 204

    people.play(play)


def test_guesses_at_the_own_password_are_bounded_as_well(people: PeopleDesk, clock: Clock) -> None:
    people.make()

    async def play() -> None:
        browser = await people.browser()
        guess = {"password": WRONG, "new_password": "another good password"}
        told = [await browser.ask("PUT", "/v1/session/password", json=guess) for _ in range(FREE + 1)]
        assert [reason(each)[1] for each in told] == ["password_refused"] * FREE + ["login_locked"]
        assert (await browser.ask("GET", "/v1/session")).status_code == 200
        assert (await Browser(people.desk).log_in(client="192.0.2.9")).status_code == 200

    people.play(play)


def test_of_many_at_once_no_more_are_looked_at_than_may_fail(
    people: PeopleDesk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.make()
    looked = 0
    matches = passwords.matches

    def counted(argon2id: str, password: str) -> bool:
        nonlocal looked
        looked += 1
        return matches(argon2id, password)

    monkeypatch.setattr(passwords, "matches", counted)

    async def play() -> None:
        flood = (fail(people, "anna", f"192.0.2.{number}") for number in range(30))
        told = sorted(status for found in await asyncio.gather(*flood) for status in found)
        assert told == [401] * FREE + [429] * (30 - FREE)
        assert looked == FREE

    people.play(play)


def test_what_was_not_looked_at_is_no_failure(
    people: PeopleDesk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.make()

    async def play() -> None:
        with monkeypatch.context() as inner:
            inner.setattr("fillstream.services.gateway.people.hashing.MOST_WAITING", 0)
            assert await fail(people, times=FREE * 2) == [503] * FREE * 2
        assert isinstance(people.people.hashing, Hashing)
        assert not people.redis.keys("gateway.lockouts.*")
        # Nor does one that is refused for its address count against the name.
        for number in range(FREE):
            await fail(people, f"user{number}")
        assert await fail(people, times=3) == [429] * 3
        assert not people.redis.exists(NAMES.lockout("user", "anna"))
        # Nor one that is refused for its name against the address.
        await fail(people, times=FREE, client="192.0.2.50")
        assert await fail(people, client="192.0.2.60", times=FREE * 2) == [429] * FREE * 2
        assert not people.redis.exists(NAMES.lockout("address", "192.0.2.60"))

    people.play(play)


def test_failures_are_in_redis_without_names_and_are_forgotten(
    people: PeopleDesk, caplog: pytest.LogCaptureFixture
) -> None:
    people.make()

    async def play() -> None:
        with caplog.at_level(logging.INFO):
            assert await fail(people, times=FREE) == [401] * FREE
        keys = [key.decode() for key in people.redis.keys("*lockouts*")]  # type: ignore[union-attr]
        assert sorted(keys) == sorted([NAMES.lockout("user", "anna"), NAMES.lockout("address", "192.0.2.1")])
        assert not any("anna" in key or "192" in key for key in keys)
        for key in keys:
            assert MOST_MS < int(people.redis.pttl(key)) <= FORGOTTEN_MS  # type: ignore[arg-type]
        other = people.gateway()  # another one, or this one after a restart
        people.desk.app.state.people = other
        assert reason(await Browser(people.desk).log_in(client="192.0.2.2")) == (429, "login_locked")
        told = [record.getMessage() for record in caplog.records if "locked" in record.getMessage()]
        assert len(told) == 2
        assert all("30 s" in each and "192.0.2.1" in each and "anna" not in each for each in told)

    people.play(play)
