"""Keys of the gateway: who may call it, for what, for which accounts, and until when.

Flows in: what a person asked for; records as Redis has them; what a caller shows. Flows out: `Key`s and their records,
or a sentence that says why not. Never keeps a secret, only what it hashes to; never talks to Redis, and never looks at
a clock: now is an argument.

Secrets are random, 32 bytes, so that a plain SHA-256 is enough: nobody finds one by trying (a slow hash is for
passwords, which people choose). It costs 0.4 µs, and argon2 115 ms a call. A key's id is public and in every list.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from hashlib import sha256
from typing import Final, Literal, Self

import orjson

from fillstream.libs.common.process.hooks import Hook
from fillstream.libs.common.values.checks import integer, of_form
from fillstream.libs.common.values.moments import FORM, LAST_MS, milliseconds, text_of
from fillstream.libs.common.values.naming import NAME, shorten
from fillstream.libs.common.values.versions import Unreadable, Upcasts, check_names, upcast

VERSION: Final = 1
"""Of the record."""
UPCASTS: Final[Upcasts] = {}
SECRET_BYTES: Final = 32
ID_PREFIX: Final = "fk_"
ID_BYTES: Final = 9
"""Twelve characters behind the prefix."""
MAX_RATE_LIMIT: Final = 1_000_000
"""Calls a minute."""
HOUR_MS: Final = 3_600_000
NOBODY: Final = "key: there is none with this id and secret"
"""Why a caller is not let in who shows another id or another secret: which of the two, nobody is told."""
State = Literal["live", "expired", "revoked"]

_ID: Final = re.compile(rf"{ID_PREFIX}[A-Za-z0-9_-]{{12}}", re.ASCII)
_NAME: Final = re.compile(NAME)
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_SPAN: Final = re.compile(r"([1-9][0-9]{0,4})([dh])", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class Scope(StrEnum):
    """What a key may be used for.

    Attributes:
        meaning: in words.
    """

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Self:
        """Make one of its name and its meaning."""
        scope = str.__new__(cls, code)
        scope._value_ = code
        scope.meaning = meaning
        return scope

    ORDERS_READ = "orders:read", "see orders and fills"
    ORDERS_WRITE = "orders:write", "send, amend and cancel orders, close and protect positions, set targets"
    POSITIONS_READ = "positions:read", "see positions"
    ACCOUNTS_READ = "accounts:read", "see accounts: what they are worth, their limits"
    MARKET_READ = "market:read", "see instruments, quotes, depth and trades"
    CONTROLS_READ = "controls:read", "see halts, breakers, approvals and limits"
    CONTROLS_WRITE = "controls:write", "halt, reduce, resume, reset breakers, approve, set limits"
    SQL_READ = "sql:read", "ask analytics in SQL, which is of every account: not with a key for some accounts"
    ADMIN = "admin", "everything, dead letters and adjustments included"


_SCOPES: Final[Mapping[object, Scope]] = {scope.value: scope for scope in Scope}
_READS: Final = frozenset(scope for scope in Scope if scope.endswith(":read"))
ROLES: Final[dict[str, frozenset[Scope]]] = {
    "viewer": _READS,
    "trader": _READS | {Scope.ORDERS_WRITE},
    "risk": _READS | {Scope.CONTROLS_WRITE},
    "admin": frozenset(Scope),
    "all": frozenset(Scope),
}
"""Names of sets of scopes."""


def scopes_of(text: str) -> tuple[Scope, ...]:
    """Return the scopes that a list of scopes and roles means, sorted: `trader,controls:read`.

    Raises:
        ValueError: one of them is neither; says which there are.
    """
    found: set[Scope] = set()
    for word in (part.strip() for part in text.split(",")):
        if word in ROLES:
            found |= ROLES[word]
        elif word in _SCOPES:
            found.add(_SCOPES[word])
        else:
            raise ValueError(
                f"scopes: {shorten(word)} must be a role ({', '.join(ROLES)}) or a scope ({', '.join(Scope)})"
            )
    return tuple(sorted(found))


def named(scopes: Collection[Scope]) -> str:
    """Return how scopes are called: by their role where they are one's, else one by one."""
    return next((role for role, its in ROLES.items() if its == set(scopes)), ", ".join(scopes))


def allows(scopes: Collection[Scope], accounts: Collection[str], scope: Scope) -> bool:
    """Whether who has these scopes, for these accounts, may do that. SQL is of every account: not for some."""
    if scope == Scope.SQL_READ and accounts:
        return False
    return scope in scopes or Scope.ADMIN in scopes


def expiry(text: str, now_ms: int) -> int:
    """Return when a key ends (milliseconds): `90d` or `12h` from now, at the beginning of a day in UTC, at a time.

    Raises:
        ValueError: it is none of these, or not in the future.
    """
    if span := _SPAN.fullmatch(text):
        at_ms: int | None = now_ms + int(span[1]) * (24 if span[2] == "d" else 1) * HOUR_MS
    else:
        at_ms = milliseconds(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
    if at_ms is None or at_ms > LAST_MS:
        raise ValueError(
            f"expires: {shorten(text)} must be days or hours from now (90d, 12h), a day at whose beginning it ends"
            f" (2027-01-01, UTC) or a time ({FORM})"
        )
    if at_ms <= now_ms:
        raise ValueError(f"expires: {text_of(at_ms)} must be in the future")
    return at_ms


@dataclass(frozen=True, slots=True)
class Key:
    """A key, as it is kept. When it was last used is kept apart, so that no use undoes a revocation.

    Attributes:
        id: public; begins with `fk_`.
        name: a person's word for it.
        secret_sha256: what its secret hashes to, in hex.
        scopes: what it may be used for, sorted.
        accounts: whose it is, by their exact names, sorted; empty: every account's.
        created_ms, created_by: when it was made, and who made it.
        expires_ms: from when on it is of no use any more; None: never.
        rate_limit: calls a minute; None: no limit of its own.
        revoked_ms, revoked_by: when it was revoked, and who did; None of one that was not.
        hook: of a key that alerts are posted under, how they become signals: it has no scopes, and one account. None
            of every other.

    Raises:
        TypeError, ValueError: a field is not what it must be; names it.
    """

    id: str
    name: str
    secret_sha256: str = field(repr=False)
    scopes: tuple[Scope, ...]
    accounts: tuple[str, ...]
    created_ms: int
    created_by: str
    expires_ms: int | None = None
    rate_limit: int | None = None
    revoked_ms: int | None = None
    revoked_by: str | None = None
    hook: Hook | None = None

    def __post_init__(self) -> None:
        of_form("id", self.id, _ID)
        of_form("name", self.name, _NAME)
        if self.name.startswith(ID_PREFIX):
            raise ValueError(f"name: {shorten(self.name)} must not begin with {ID_PREFIX}, as ids do")
        of_form("secret_sha256", self.secret_sha256, _HASH)
        if self.hook is not None and self.scopes:
            raise ValueError(f"scopes: a hook has none beside itself, got {', '.join(self.scopes)}")
        if self.hook is None and (not self.scopes or self.scopes != tuple(sorted(set(self.scopes)))):
            raise ValueError("scopes: must be one at least, sorted, none of them twice")
        if self.hook is not None and len(self.accounts) != 1:
            raise ValueError(f"accounts: a hook is for one account, got {len(self.accounts)}")
        for account in self.accounts:
            of_form("accounts", account, _NAME)
        if self.accounts != tuple(sorted(set(self.accounts))):
            raise ValueError("accounts: must be sorted, none of them twice")
        integer("created_ms", self.created_ms, 0, LAST_MS)
        of_form("created_by", self.created_by, _NAME)
        if self.expires_ms is not None:
            integer("expires_ms", self.expires_ms, 0, LAST_MS)
        if self.rate_limit is not None:
            integer("rate_limit", self.rate_limit, 1, MAX_RATE_LIMIT)
        if (self.revoked_ms is None) != (self.revoked_by is None):
            raise ValueError("revoked_ms: must be there when revoked_by is, and only then")
        if self.revoked_ms is not None:
            integer("revoked_ms", self.revoked_ms, 0, LAST_MS)
            of_form("revoked_by", self.revoked_by, _NAME)

    def matches(self, secret: str) -> bool:
        """Whether that is its secret; takes as long whatever is wrong with it."""
        return hmac.compare_digest(_hashed(secret), self.secret_sha256)

    def state(self, now_ms: int) -> State:
        """Return whether it is of use: revoked for good, or expired, or neither."""
        if self.revoked_ms is not None:
            return "revoked"
        return "expired" if self.expires_ms is not None and now_ms >= self.expires_ms else "live"

    def why_not(self, now_ms: int) -> str | None:
        """Return why it is of no use any more, None of one that is live."""
        match self.state(now_ms):
            case "revoked":
                return f"key: {self.id} is revoked since {text_of(self.revoked_ms or 0)}"
            case "expired":
                return f"key: {self.id} is expired since {text_of(self.expires_ms or 0)}"
            case "live":
                return None

    def may(self, scope: Scope) -> bool:
        """Whether it may be used for that. SQL is of every account: a key for some may not ask, whatever it has."""
        return allows(self.scopes, self.accounts, scope)

    def may_use(self, account: str | None) -> bool:
        """Whether it is for that account, by its exact name; None: for the whole desk, every account of it."""
        return not self.accounts or account in self.accounts

    def revoked(self, now_ms: int, who: str) -> Key:
        """Return it as revoked; one that was is what it was."""
        return self if self.revoked_ms is not None else replace(self, revoked_ms=now_ms, revoked_by=who)

    def dump(self) -> bytes:
        """Return its record, JSON: with a part `hook` only where there is one, and else as it was before there were."""
        told = {"v": VERSION, **asdict(self)}
        del told["hook"]
        return orjson.dumps(told if self.hook is None else {**told, "hook": self.hook.dump()})

    @classmethod
    def load(cls, key_id: str, record: bytes) -> Key:
        """Read what `dump` returned.

        Args:
            key_id: under which it is kept.
            record: from there.

        Raises:
            Unreadable: it is damaged, or a newer release wrote it; says which key, and what of it.
        """
        what = f"key {shorten(key_id)}"
        try:
            told = orjson.loads(record)
        except orjson.JSONDecodeError as error:
            raise Unreadable(f"{what}: is no JSON: {error}") from None
        if not isinstance(told, dict):
            raise Unreadable(f"{what}: must be an object with named fields, got {type(told).__name__}")
        version = told.pop("v", None)
        document = {name if name in FIELDS else shorten(name): value for name, value in told.items()}
        document = upcast(what, document, version if type(version) is int else shorten(version), VERSION, UPCASTS)
        check_names(what, document, FIELDS, NEEDED)
        try:
            if document.get("hook") is not None:
                document["hook"] = Hook.load(document["hook"])
            key = cls(**{**document, "scopes": _scopes(document["scopes"]), "accounts": _list(document["accounts"])})
        except (TypeError, ValueError) as error:
            raise Unreadable(f"{what}: {error}") from None
        if key.id != key_id:
            raise Unreadable(f"{what}: id: {key.id} must be the one that it is kept under")
        return key


FIELDS: Final = frozenset(each.name for each in fields(Key))
NEEDED: Final = ("id", "name", "secret_sha256", "scopes", "accounts", "created_ms", "created_by")


def make(
    name: str,
    scopes: Collection[Scope],
    *,
    now_ms: int,
    who: str,
    accounts: Collection[str] = (),
    expires_ms: int | None = None,
    rate_limit: int | None = None,
    hook: Hook | None = None,
) -> tuple[Key, str]:
    """Return a new key and its secret, which is nowhere else. Neither has a `:` or a `.` in it.

    Args:
        name, scopes, accounts, expires_ms, rate_limit, hook: see `Key`.
        now_ms: milliseconds since 1970.
        who: makes it.

    Raises:
        ValueError: a field is not what it must be; names it.
    """
    secret = secrets.token_urlsafe(SECRET_BYTES)
    key = Key(
        ID_PREFIX + secrets.token_urlsafe(ID_BYTES), name, _hashed(secret), tuple(sorted(set(scopes))),
        tuple(sorted(set(accounts))), now_ms, who, expires_ms, rate_limit, hook=hook,
    )  # fmt: skip
    return key, secret


def load_all(raw: Mapping[bytes, bytes]) -> tuple[dict[str, Key], list[str]]:
    """Return the keys of a hash by their ids, and a sentence about each record that cannot be read.

    Args:
        raw: what HGETALL says of `Topology.keys`.
    """
    found, problems = {}, []
    for name, record in raw.items():
        key_id = name.decode(errors="backslashreplace")
        try:
            found[key_id] = Key.load(key_id, record)
        except Unreadable as error:
            problems.append(str(error))
    return found, problems


class KeyRing:
    """The keys that whoever lets people in has read last."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}

    def load(self, raw: Mapping[bytes, bytes]) -> list[str]:
        """Take these keys in place of all that were there, and return a sentence about each that cannot be read.

        Args:
            raw: what HGETALL says of `Topology.keys`.
        """
        self._keys, problems = load_all(raw)
        return problems

    def is_live(self, key_id: str, now_ms: int) -> bool:
        """Whether a key that was found before is there still, and of use."""
        key = self._keys.get(key_id)
        return key is not None and key.why_not(now_ms) is None

    def find(self, key_id: str, secret: str, now_ms: int) -> Key | str:
        """Return the live key with that id and that secret, else a sentence; only who has the secret is told more."""
        key = self._keys.get(key_id)
        if key is None:
            hmac.compare_digest(_hashed(secret), _NO_HASH)  # as long as of one that there is
            return NOBODY
        if not key.matches(secret):
            return NOBODY
        return key.why_not(now_ms) or key


def _hashed(secret: str) -> str:
    return sha256(secret.encode(errors="surrogatepass")).hexdigest()


_NO_HASH: Final = "0" * 64


def _list(value: object) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise ValueError(f"accounts: {shorten(value)} must be a list")
    return tuple(value)


def _scopes(value: object) -> tuple[Scope, ...]:
    if not isinstance(value, list):
        raise ValueError(f"scopes: {shorten(value)} must be a list")
    for each in value:
        if not isinstance(each, str) or each not in _SCOPES:
            raise ValueError(f"scopes: {shorten(each)} is none that this release knows")
    return tuple(_SCOPES[each] for each in value)
