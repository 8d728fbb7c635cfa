"""Who asks, and what they may: keys, scopes, accounts, and how often.

Flows in: requests. Flows out: a `Caller` in the request's scope, or a refusal before anything else is looked at. Never
logs a secret, and never takes one from a URL, but for hooks, whose path is one.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from limits import RateLimitItemPerMinute
from limits.strategies import FixedWindowRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection

from fillstream.libs.common.messages.stages import DESK_PATH
from fillstream.libs.common.process.hooks import Hook
from fillstream.libs.common.process.keys import ID_PREFIX
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.http.browsers import Browsers
from fillstream.services.gateway.http.counting import Counts
from fillstream.services.gateway.http.problems import Refusal

logger = logging.getLogger(__name__)

OPEN: Final = ("/health", "/ready", "/metrics", "/", "/docs", "/openapi.json", DESK_PATH)
"""Paths that need no key: they tell nothing of anybody's orders."""
OPEN_BELOW: Final = (f"{DESK_PATH}/",)
"""Those below which nothing does: the page's files, which are everybody's."""
PROTOTYPE: Final = "/order-management/"
SESSION: Final = "/v1/session"
"""Where people log in, ask who they are, and log out: whoever is nobody is let in there."""
FOR_PEOPLE: Final = "/v1/"
"""Below it a session's cookie counts."""
OWN_WAY: Final = ("/hooks/",)
"""Paths below which somebody else looks at who asks."""
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]", "::1")
LOGIN_NEEDED: Final = "session: there is none, or it is over; log in by POST /v1/session"
CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="fillstream"'}
STAYS_S: Final = 1.0
"""How often it is looked at whether a key that opened a connection is still of use."""
WRITES: Final = ("POST", "PUT", "PATCH", "DELETE")
ONLY_READ: Final = frozenset(("/v1/orders/preview", "/v1/sql", "/v1/analytics/query"))
"""Those that are asked by POST and change nothing: a page asks for a preview each time the market moves."""

_A_KEY: Final = re.compile(rf"{ID_PREFIX}.*", re.DOTALL | re.IGNORECASE)

ASKS: Final[ContextVar[Caller | None]] = ContextVar("asks", default=None)
"""Who has made the request that is being answered: whatever it sends to the desk is in that name."""

App = Callable[[Any, Any, Any], Awaitable[None]]
Send = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who may ask for something.

    Attributes:
        id: of the key; `local` without one.
        name: what controls and logs say that did it.
        scopes: what may be done.
        accounts: whose; empty for everybody's.
        per_minute: how many calls; None for the gateway's own number.
        hook: of who posts alerts, and may do nothing else; None of everybody else.
        session: of a person who is logged in, what the session is kept under; None of everybody else.
    """

    id: str
    name: str
    scopes: frozenset[str]
    accounts: frozenset[str] = frozenset()
    per_minute: int | None = None
    hook: Hook | None = None
    session: str | None = field(default=None, repr=False)

    @property
    def called(self) -> str:
        """How sentences call it: `key fk_…`, `user anna`."""
        return f"key {self.id}" if self.session is None else f"user {self.name}"

    def need(self, scope: str) -> None:
        """Refuse what a key has no scope for.

        Raises:
            Refusal: 403.
        """
        if scope not in self.scopes:
            told = f"scope: {self.called} has no {scope}; it has {', '.join(sorted(self.scopes))}"
            raise Refusal(403, "scope_missing", told)

    def sees(self, account: str | None) -> bool:
        """Whether an account's things may be told."""
        return not self.accounts or account is None or account in self.accounts

    def need_account(self, account: str) -> None:
        """Refuse what is about an account that a key is not for.

        Raises:
            Refusal: 403.
        """
        if self.accounts and account not in self.accounts:
            told = f"account: {self.called} is for {', '.join(sorted(self.accounts))}, not for {shorten(account)}"
            raise Refusal(403, "account_not_allowed", told)

    def need_all_accounts(self) -> None:
        """Refuse what is about the whole desk to a key that is for some accounts.

        Raises:
            Refusal: 403.
        """
        if self.accounts:
            told = f"account: is about the whole desk, and {self.called} is for {', '.join(sorted(self.accounts))}"
            raise Refusal(403, "account_not_allowed", told)


class Keys(Protocol):
    """Knows keys."""

    def find(self, key_id: str, secret: str, now_ms: int) -> Caller | str:
        """Return who a key is, or why it is none."""
        ...

    async def renew(self, key_id: str) -> bool:
        """Look again for a key that is not known; return whether it was looked for."""
        ...

    def is_live(self, key_id: str) -> bool:
        """Whether a key that was let in may stay."""
        ...


class People(Protocol):
    """Knows people who are logged in."""

    async def find(self, secret: str) -> Caller | None:
        """Return who is logged in by a session's secret, None: nobody."""
        ...

    def is_live(self, session_id: str) -> bool:
        """Whether a session that was let in may stay."""
        ...


class Door:
    """The outermost part of the app: nobody gets past it unknown.

    Args:
        app: what is behind it.
        keys: tells who has a key; None without keys: then everybody on this machine may do everything.
        per_minute: how many calls a key has in a minute unless it says otherwise.
        people: tells who is logged in; None: nobody can be.
        browsers: knows what their browsers send; None where nobody can be logged in.
        done: hears of each request of somebody that changes something, once it is answered: who, the request's scope,
            the status.
    """

    def __init__(
        self, app: App, keys: Keys | None, everything: frozenset[str], per_minute: int, people: People | None = None,
        browsers: Browsers | None = None, done: Callable[[Caller, Any, int], None] | None = None,
    ) -> None:  # fmt: skip
        self._done = done
        self._app = app
        self._keys = keys
        self._people, self._browsers = people, browsers
        self._local = Caller("local", "local", everything)
        self._per_minute = per_minute
        self._limiter = FixedWindowRateLimiter(Counts())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            scope["keys"], scope["door"] = self._keys, self
            await self._app(scope, receive, send)
            return
        scope["door"] = self
        began = time.perf_counter()
        told: dict[str, str] = {}
        try:
            caller = await self._caller(scope)
            if caller is not None:
                scope["caller"] = caller
                if scope["method"] in WRITES and scope["path"].startswith(PROTOTYPE):
                    caller.need("orders:write")  # its routes know no keys
                told = self.count(caller)
        except Refusal as refusal:
            await refusal.response()(scope, receive, _guarded(send))
            return
        status = 0

        async def answer(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(told)
            await guarded(message)

        guarded = _guarded(send)
        before = ASKS.set(scope.get("caller"))
        try:
            await self._app(scope, receive, answer)
        finally:
            ASKS.reset(before)
            if scope["method"] in WRITES and scope["path"] not in ONLY_READ:
                self._tell(scope, status, 1000 * (time.perf_counter() - began))

    def _tell(self, scope: Any, status: int, took_ms: float) -> None:
        """Say who did something, in the log and to whoever keeps it; 0 as a status: there was no answer."""
        caller: Caller | None = scope.get("caller")
        who = "nobody" if caller is None else caller.id
        logger.info("%s %s %s: %d in %.1f ms", who, scope["method"], safe_path(scope["path"]), status, took_ms)
        if caller is not None and self._done is not None and not scope["path"].startswith(SESSION):
            self._done(caller, scope, status)

    # --------------------------------------------------------------------------------------------------- who it is

    @property
    def is_open(self) -> bool:
        """Whether nobody needs a key."""
        return self._keys is None

    def may_stay(self, caller: Caller) -> bool:
        """Whether a connection that somebody opened may go on."""
        if caller.session is not None:
            return self._people is not None and self._people.is_live(caller.session)
        return self._keys is None or self._keys.is_live(caller.id)

    async def leaves(self, caller: Caller) -> None:
        """Return once the key that opened a connection is of no use any more."""
        while self.may_stay(caller):  # noqa: ASYNC110 - nobody tells of a time that is over
            await asyncio.sleep(STAYS_S)

    async def at(self, headers: Headers) -> Caller:
        """Return who opens a WebSocket, by its headers.

        Raises:
            Refusal: 401, 403.
        """
        if self._keys is None:
            _check_local(headers)
        return await self.who(headers)

    async def _caller(self, scope: Any) -> Caller | None:
        path = scope["path"]
        headers = Headers(scope=scope)
        if self._keys is None:
            _check_local(headers)
        if path in OPEN or path.startswith((*OPEN_BELOW, *OWN_WAY)):
            return None
        if path == SESSION:
            is_login = scope["method"] == "POST"  # by a name and a password, whatever else it shows
            return None if is_login else await self.person(HTTPConnection(scope))
        if path.startswith(FOR_PEOPLE):
            person = await self.person(HTTPConnection(scope))
            if person is not None:
                return person
            if self._shows_cookie(HTTPConnection(scope)):
                raise Refusal(401, "login_needed", LOGIN_NEEDED, CHALLENGE)
        return await self.who(headers)

    async def person(self, connection: HTTPConnection) -> Caller | None:
        """Return who is logged in, by the cookie; None: nobody, or it shows a key, which counts alone.

        Without keys it is whoever is on this machine.

        Raises:
            Refusal: 403: another page has sent it.
        """
        if self._keys is None:
            return self._local
        if not self._shows_cookie(connection):
            return None
        assert self._people is not None and self._browsers is not None, "who looks at cookies has both"
        secret = self._browsers.secret(connection) or ""
        caller = await self._people.find(secret)
        if caller is not None:
            self._browsers.check(connection, secret)
        return caller

    def _shows_cookie(self, connection: HTTPConnection) -> bool:
        """Whether somebody shows a session's cookie, and no key."""
        if self._people is None or self._browsers is None or has_credentials(connection.headers):
            return False
        return self._browsers.secret(connection) is not None

    async def on_stream(self, connection: HTTPConnection) -> Caller | None:
        """Return who opens a WebSocket by a session's cookie; None: it shows none.

        Raises:
            Refusal: 401 of a session that is over, 403 of another site's page.
        """
        caller = await self.person(connection)
        if caller is None and self._shows_cookie(connection):
            raise Refusal(401, "login_needed", LOGIN_NEEDED)
        return caller

    async def who(self, headers: Mapping[str, str]) -> Caller:
        """Return who asks by the headers.

        Raises:
            Refusal: 401.
        """
        if self._keys is None:
            return self._local
        key_id, secret = credentials(headers)
        if not key_id:
            told = "authorization: is missing; send `Authorization: Bearer KEY_ID.SECRET`"
            raise Refusal(401, "key_missing", told, CHALLENGE)
        return await self.known(key_id, secret)

    async def known(self, key_id: str, secret: str) -> Caller:
        """Return whose a key is.

        Raises:
            Refusal: 401; 403 of a hook, which is for no call but its own.
        """
        if self._keys is None:
            return self._local
        found = self.find(key_id, secret)
        if isinstance(found, str):
            again = await self.find_anew(key_id, secret)  # it may have been made a moment ago
            found = found if again is None else again
        if isinstance(found, str):
            raise Refusal(401, "key_refused", found, CHALLENGE)
        if found.hook is not None:
            raise Refusal(403, "hook_only", f"key: {found.id} is a hook, and for nothing but POST /hooks/…")
        return found

    def find(self, key_id: str, secret: str) -> Caller | str:
        """Return whose a key is, hooks included, or why it is none, by what is known at this moment."""
        if self._keys is None:
            return "key: this gateway knows none"
        return self._keys.find(key_id, secret, int(time.time() * 1000))

    async def find_anew(self, key_id: str, secret: str) -> Caller | str | None:
        """Return the same once the keys were read again; None where they were not."""
        if self._keys is None or not await self._keys.renew(key_id):
            return None
        return self.find(key_id, secret)

    def count(self, caller: Caller) -> dict[str, str]:
        """Count a call; return the headers that say how many are left.

        Raises:
            Refusal: 429: there were too many in this minute.
        """
        item = RateLimitItemPerMinute(caller.per_minute or self._per_minute)
        allowed = self._limiter.hit(item, caller.id)
        reset, left = self._limiter.get_window_stats(item, caller.id)
        wait_s = max(1, round(reset - time.time()))
        told = {
            "X-RateLimit-Limit": str(item.amount),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": str(wait_s),
        }
        if not allowed:
            text = f"rate: {caller.called} has {item.amount} calls a minute; the next in {wait_s} s"
            raise Refusal(429, "too_many_calls", text, {**told, "Retry-After": str(wait_s)})
        return told


def _guarded(send: Send) -> Send:
    """Return what sends an answer with what every answer says to browsers: to take it as it is, and to keep nothing."""

    async def answer(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["x-content-type-options"] = "nosniff"
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return answer


def caller_of(connection: HTTPConnection) -> Caller:
    """Return who asks."""
    caller: Caller = connection.scope["caller"]
    return caller


def has_credentials(headers: Mapping[str, str]) -> bool:
    """Whether a key is shown, be it any or none: then a cookie beside it does not count."""
    return "authorization" in headers or "apca-api-key-id" in headers


def credentials(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return a key's id and secret as headers say them, empty without: `Bearer ID.SECRET`, or Alpaca's two headers."""
    said = headers.get("authorization", "")
    kind, _, value = said.partition(" ")
    if kind.lower() == "bearer":
        key_id, _, secret = value.strip().partition(".")
        return key_id, secret
    return headers.get("apca-api-key-id", ""), headers.get("apca-api-secret-key", "")


def _check_local(headers: Mapping[str, str]) -> None:
    """Refuse, where no key is needed, what another site's page sends: a browser names that site, and a host.

    Raises:
        Refusal: 403.
    """
    host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
    if host not in LOOPBACK:
        raise Refusal(403, "host_not_local", f"host: {shorten(host)} must be one of {', '.join(LOOPBACK)} without keys")
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        raise Refusal(403, "origin_not_local", f"origin: {shorten(origin)} is another site's")


def safe_path(path: str) -> str:
    """Return a path as a log or a sentence may have it: a hook's is a secret, and a key is one wherever it stands."""
    if path.startswith(OWN_WAY):
        return "'/hooks/…'"
    return shorten(_A_KEY.sub("…", path))
