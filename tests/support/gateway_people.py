"""A desk in memory whose people are in a real Redis: who they are, their passwords, their sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import redis
from argon2 import PasswordHasher

from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process import passwords
from fillstream.services.gateway.app import people_of
from fillstream.services.gateway.http.sources import Sources
from fillstream.services.gateway.people.audit import Audit
from fillstream.services.gateway.people.login import People
from fillstream.services.gateway.sending import connect
from fillstream.tools import gateway_users
from tests.support.backtests import settings_with
from tests.support.gateway_desk import HOST, GatewayDesk
from tests.support.gateway_keys import Keys

GOOD = "correct horse battery"
NAMES = Topology()


class PeopleDesk:
    """A desk, and people who log in to its gateway.

    Args:
        monkeypatch: of the test: passwords hash quickly in it.
        url: of the Redis with the people, which is empty.
        operators: the same server's, for who makes users; None: the same.
        settings: of the gateway, by the names of its section.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, url: str, operators: str | None = None, **settings: str
    ) -> None:
        monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        passwords.nobodys.cache_clear()
        for name, value in settings.items():
            monkeypatch.setenv(f"FILLSTREAM_GATEWAY__{name.upper()}", value)
        self.settings = settings_with(monkeypatch, simulation__enabled="false")
        self.url = url
        self.redis = redis.Redis.from_url(operators or url)
        self.keys = Keys()
        self._opened: list[Any] = []
        self.audit = Audit(connect(url), NAMES, Sources(self.settings.gateway.proxies))
        self.people = self.gateway()
        self.desk = GatewayDesk(self.settings, self.keys, self.people, self.audit)
        self._opened.append(self.audit._client)
        self.desk.quote(19_000, 19_002)

    def gateway(self) -> People:
        """Return the people of another gateway, or of this one after a restart."""
        client = connect(self.url)
        self._opened.append(client)
        return people_of(client, self.settings, self.audit)

    def make(self, name: str = "anna", role: str = "trader", *accounts: str, password: str = GOOD) -> None:
        """Make a user, as the command does."""
        gateway_users.create(
            self.redis, NAMES, name, role, lambda: passwords.hashed(password), now_ms=1_800_000_000_000, who="test",
            accounts=list(accounts),
        )  # fmt: skip

    def change(self, name: str, how: str, **to: Any) -> None:
        """Disable or enable a user, or change its fields, as the command does."""
        gateway_users.change(self.redis, NAMES, name, lambda user: getattr(user, how)(1_900_000_000_000, "op", **to))

    def play(self, play: Callable[[], Awaitable[None]]) -> None:
        """Run a test, and close all that it opened."""

        async def run() -> None:
            try:
                await play()
            finally:
                for each in self._opened:
                    await each.aclose()
                await self.desk.http.aclose()
                self.redis.close()

        asyncio.run(run())

    async def browser(self, name: str = "anna", password: str = GOOD, **more: Any) -> Browser:
        """Return a browser whose person has logged in."""
        found = Browser(self.desk)
        told = await found.log_in(name, password, **more)
        assert told.status_code == 200, told.text
        return found


class Browser:
    """Sends what a browser sends: the cookie that it was told, the token that its page read."""

    def __init__(self, desk: GatewayDesk, base: str = HOST) -> None:
        self._desk, self.base = desk, base
        self.cookie: str | None = None
        self.set_cookie = ""
        self.csrf = ""

    @property
    def secret(self) -> str:
        """What the cookie says."""
        assert self.cookie is not None
        return self.cookie.partition("=")[2]

    async def log_in(self, user: Any = "anna", password: Any = GOOD, **more: Any) -> httpx.Response:
        """Log in, and keep what is told."""
        told = await self.ask("POST", "/v1/session", json={"user": user, "password": password}, csrf=None, **more)
        if told.status_code == 200:
            self.csrf = told.json()["csrf"]
        return told

    async def ask(
        self, method: str, path: str, *, csrf: str | None = "", headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """Ask with the cookie, and, where something is to change, with the token; None: without."""
        sent = {**({"cookie": self.cookie} if self.cookie else {})}
        if method not in ("GET", "HEAD") and csrf is not None:
            sent["x-csrf-token"] = csrf or self.csrf
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self._desk.app, client=(more.pop("client", "127.0.0.1"), 1)),
            base_url=self.base, event_hooks={"response": [self._desk._conforms]},
        )  # fmt: skip
        async with client:
            told = await client.request(method, path, headers={**sent, **(headers or {})}, **more)
        if said := told.headers.get("set-cookie"):
            self.set_cookie = said
            pair = said.partition(";")[0]
            self.cookie = None if pair.endswith("=") else pair
        return told
