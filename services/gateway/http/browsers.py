"""What browsers send beside a request, and are sent: the cookie of a session, their origin, the token against forgery.

Flows in: connections. Flows out: a session's secret, `Set-Cookie`, refusals. Never takes a plain cookie over https:
another site below the same name could have set it.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import HTTPConnection

from fillstream.libs.common.process.sessions import is_csrf
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.http.sources import Sources

COOKIE: Final = "fillstream_session"
HOST_ONLY: Final = "__Host-"
"""Before a cookie's name: the browser sees to it that this host alone has set it, over https."""
CSRF: Final = "x-csrf-token"
SAFE: Final = ("GET", "HEAD")
"""Methods that change nothing."""
DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class Browsers:
    """Knows what browsers send.

    Args:
        sources: tells by which address they ask.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def is_secure(self, connection: HTTPConnection) -> bool:
        """Whether the browser asks over https."""
        return self._sources.origin(connection)[0] == "https"

    def secret(self, connection: HTTPConnection) -> str | None:
        """Return what the session's cookie says, None without it; of two of one name nobody knows whose each is."""
        name = self._name(connection)
        found = []
        for line in connection.headers.getlist("cookie"):
            for part in line.split(";"):
                its, _, value = part.strip().partition("=")
                if its == name:
                    found.append(value.strip('"'))
        return found[0] if len(found) == 1 else None

    def cookie(self, connection: HTTPConnection, secret: str) -> str:
        """Return the `Set-Cookie` of a session, which ends with the browser at the latest."""
        return self._said(connection, f"{self._name(connection)}={secret}")

    def no_cookie(self, connection: HTTPConnection) -> str:
        """Return the `Set-Cookie` that takes a session's away."""
        return self._said(connection, f"{self._name(connection)}=; Max-Age=0")

    def check_origin(self, connection: HTTPConnection, *, needed: bool = False) -> None:
        """Refuse what another site's page sends.

        Args:
            connection: as it came.
            needed: whether an origin must be said: that of a WebSocket always is.

        Raises:
            Refusal: 403.
        """
        said = connection.headers.get("origin")
        if said is None and not needed:
            return
        scheme, host = self._sources.origin(connection)
        own = _bare(scheme, f"{scheme}://{host}")
        if said is None or _bare(scheme, said.lower()) != own:
            told = f"origin: {shorten(said)} must be {shorten(own)}, this gateway's own"
            raise Refusal(403, "csrf_refused", told)

    def check(self, connection: HTTPConnection, secret: str) -> None:
        """Refuse what a session's own page has not sent: another page cannot read the token, and says its origin.

        Raises:
            Refusal: 403.
        """
        if connection.scope["type"] == "websocket":
            self.check_origin(connection, needed=True)
            return
        if connection.scope["method"] in SAFE:
            return
        if not is_csrf(secret, connection.headers.get(CSRF, "")):
            told = "x-csrf-token: must be the `csrf` of this session, as GET /v1/session says it"
            raise Refusal(403, "csrf_refused", told)
        self.check_origin(connection)

    def _name(self, connection: HTTPConnection) -> str:
        return f"{HOST_ONLY}{COOKIE}" if self.is_secure(connection) else COOKIE

    def _said(self, connection: HTTPConnection, pair: str) -> str:
        secure = "; Secure" if self.is_secure(connection) else ""
        return f"{pair}; HttpOnly; SameSite=Strict; Path=/{secure}"


def _bare(scheme: str, origin: str) -> str:
    """Return an origin without the port that its scheme has anyhow, which browsers leave out and proxies may say."""
    return origin.removesuffix(DEFAULT_PORTS.get(scheme, "")) if scheme in DEFAULT_PORTS else origin
