"""Sessions of people who are logged in to the gateway: the record of one, its secret, and the token against forgery.

Flows in: who logged in, records as Redis has them, what a browser shows. Flows out: `Session`s, their ids and records.
Never keeps a secret: a session's id is what its secret hashes to, and the token is made of the secret each time.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from typing import Final

import orjson

from fillstream.libs.common.process.people import VERSION, check_name, document_of, made_of
from fillstream.libs.common.values.checks import integer, of_form
from fillstream.libs.common.values.moments import LAST_MS
from fillstream.libs.common.values.naming import shorten
from fillstream.libs.common.values.versions import Unreadable

SECRET_BYTES: Final = 32
MAX_ADDRESS: Final = 64
"""Characters of an address as a record has it."""

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_ADDRESS: Final = re.compile(rf"[0-9a-fA-F:.]{{1,{MAX_ADDRESS}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Session:
    """That a person is logged in. When it was last used is kept apart, so that no use undoes its end.

    Attributes:
        user: whose it is.
        mark: of the user's records as it began (`people.mark_of`): it is of no use once they are others.
        began_ms: when the person logged in.
        ends_ms: from when on it is of no use, however much it is used.
        address: from where the person logged in; None: nobody knows.

    Raises:
        TypeError, ValueError: a field is not what it must be; names it.
    """

    user: str
    mark: str
    began_ms: int
    ends_ms: int
    address: str | None = None

    def __post_init__(self) -> None:
        check_name(self.user)
        of_form("mark", self.mark, _HASH)
        integer("began_ms", self.began_ms, 0, LAST_MS)
        integer("ends_ms", self.ends_ms, self.began_ms, LAST_MS)
        if self.address is not None:
            of_form("address", self.address, _ADDRESS)

    def over_ms(self, used_ms: int, idle_ms: int) -> int:
        """Return from when on it is of no use, where it is not used again.

        Args:
            used_ms: when it was last used.
            idle_ms: how long one may be that is not used.
        """
        return min(self.ends_ms, max(self.began_ms, used_ms) + idle_ms)

    def dump(self) -> bytes:
        """Return its record, JSON."""
        return orjson.dumps({"v": VERSION, **asdict(self)})

    @classmethod
    def load(cls, session_id: str, record: bytes) -> Session:
        """Read what `dump` returned.

        Raises:
            Unreadable: it is damaged, or a newer release wrote it; says what of it, and the beginning of its id.
        """
        what = f"session {shorten(session_id[:8])}"
        return made_of(what, cls, document_of(what, record, FIELDS, NEEDED))


FIELDS: Final = frozenset(each.name for each in fields(Session))
NEEDED: Final = ("user", "mark", "began_ms", "ends_ms")


def new_secret() -> str:
    """Return a session's secret, which its cookie has and nobody else: 256 random bits."""
    return secrets.token_urlsafe(SECRET_BYTES)


def id_of(secret: str) -> str | None:
    """Return what a session is kept under, by its secret; None of what can be no secret."""
    return sha256(secret.encode()).hexdigest() if _SECRET.fullmatch(secret) else None


def csrf_of(secret: str) -> str:
    """Return the token that a page shows beside its cookie: who has it alone cannot make it, nor the cookie of it."""
    return urlsafe_b64encode(hmac.digest(secret.encode(), b"fillstream csrf", "sha256")).rstrip(b"=").decode()


def is_csrf(secret: str, shown: str) -> bool:
    """Whether that is the token of a session; takes as long whatever is wrong with it."""
    return hmac.compare_digest(csrf_of(secret).encode(), shown.encode(errors="surrogatepass"))


def load_sessions(raw: Mapping[bytes, bytes]) -> tuple[dict[str, Session], list[str]]:
    """Return the sessions of a hash by their ids, and a sentence about each record that cannot be read.

    Args:
        raw: what HGETALL says of `Topology.sessions`.
    """
    found, problems = {}, []
    for name, record in raw.items():
        session_id = name.decode(errors="backslashreplace")
        try:
            found[session_id] = Session.load(session_id, record)
        except Unreadable as error:
            problems.append(str(error))
    return found, problems


def times_of(raw: Mapping[bytes, bytes]) -> dict[str, int]:
    """Return when each session was last used (milliseconds since 1970); what is no time tells of no use.

    Args:
        raw: what HGETALL says of `Topology.sessions_used`.
    """
    return {
        name.decode(errors="backslashreplace"): int(value)
        for name, value in raw.items()
        if value.isdigit() and len(value) <= 15
    }
