"""People of the gateway: who may log in, as what, for which accounts; and what their passwords hash to.

Flows in: what a person asked for; records as Redis has them. Flows out: `User`s, `Password`s and their records, or a
sentence that says why not. Never has a password, never talks to Redis, and never looks at a clock: now is an argument.

They are two records in two hashes: who somebody is, is the operator's alone to say; what the password hashes to, the
gateway writes as well, where a person changes the own one. So a gateway that somebody has broken into makes nobody, and
raises nobody's role.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from hashlib import sha256
from typing import Any, Final, TypeVar

import orjson

from fillstream.libs.common.process.keys import ID_PREFIX, ROLES, Scope, allows
from fillstream.libs.common.values.checks import integer, of_form
from fillstream.libs.common.values.moments import LAST_MS
from fillstream.libs.common.values.naming import NAME, shorten
from fillstream.libs.common.values.versions import Unreadable, Upcasts, check_names, upcast

VERSION: Final = 1
"""Of each of the records."""
UPCASTS: Final[Upcasts] = {}
PERSONS_ROLES: Final = tuple(role for role in ROLES if role != "all")
"""What a person may be; `all` is another word for an admin's scopes."""
CALLER_PREFIX: Final = "user:"
"""What a person's id begins with where keys have theirs."""
T = TypeVar("T")

_NAME: Final = re.compile(NAME)
_HASH: Final = re.compile(r"\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class User:
    """A person, as the operator has said who that is.

    Attributes:
        name: which a person logs in by; controls and orders have it as `who`.
        role: of PERSONS_ROLES: a name of scopes.
        accounts: whose it is, by their exact names, sorted; empty: every account's.
        created_ms, created_by: when it was made, and who made it.
        changed_ms, changed_by: when the operator last said something of it. No two records of a user are the same.
        disabled_ms, disabled_by: since when it may not log in, and who said so; None of one that may.

    Raises:
        TypeError, ValueError: a field is not what it must be; names it.
    """

    name: str
    role: str
    accounts: tuple[str, ...]
    created_ms: int
    created_by: str
    changed_ms: int
    changed_by: str
    disabled_ms: int | None = None
    disabled_by: str | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.role not in PERSONS_ROLES:
            raise ValueError(f"role: {shorten(self.role)} must be one of {', '.join(PERSONS_ROLES)}")
        for account in self.accounts:
            of_form("accounts", account, _NAME)
        if self.accounts != tuple(sorted(set(self.accounts))):
            raise ValueError("accounts: must be sorted, none of them twice")
        integer("created_ms", self.created_ms, 0, LAST_MS)
        of_form("created_by", self.created_by, _NAME)
        integer("changed_ms", self.changed_ms, self.created_ms, LAST_MS)
        of_form("changed_by", self.changed_by, _NAME)
        if (self.disabled_ms is None) != (self.disabled_by is None):
            raise ValueError("disabled_ms: must be there when disabled_by is, and only then")
        if self.disabled_ms is not None:
            integer("disabled_ms", self.disabled_ms, 0, LAST_MS)
            of_form("disabled_by", self.disabled_by, _NAME)

    @property
    def is_disabled(self) -> bool:
        """Whether it may not log in."""
        return self.disabled_ms is not None

    def may(self, scope: Scope) -> bool:
        """Whether it may do that; as of a key with the role's scopes."""
        return allows(ROLES[self.role], self.accounts, scope)

    def changed(self, now_ms: int, who: str, **to: Any) -> User:
        """Return it with other fields, later than the record before: what is changed back is not what it was."""
        return replace(self, changed_ms=max(now_ms, self.changed_ms + 1), changed_by=who, **to)

    def disabled(self, now_ms: int, who: str) -> User:
        """Return it as disabled; one that was is what it was."""
        return self if self.is_disabled else self.changed(now_ms, who, disabled_ms=now_ms, disabled_by=who)

    def enabled(self, now_ms: int, who: str) -> User:
        """Return it as one that may log in; one that may is what it was."""
        return self.changed(now_ms, who, disabled_ms=None, disabled_by=None) if self.is_disabled else self

    def dump(self) -> bytes:
        """Return its record, JSON."""
        return orjson.dumps({"v": VERSION, **asdict(self)})

    @classmethod
    def load(cls, name: str, record: bytes) -> User:
        """Read what `dump` returned.

        Args:
            name: under which it is kept.
            record: from there.

        Raises:
            Unreadable: it is damaged, or a newer release wrote it; says whose, and what of it.
        """
        what = f"user {shorten(name)}"
        document = document_of(what, record, USER_FIELDS, USER_NEEDED)
        if not isinstance(document["accounts"], list):
            raise Unreadable(f"{what}: accounts: {shorten(document['accounts'])} must be a list")
        user = made_of(what, cls, {**document, "accounts": tuple(document["accounts"])})
        if user.name != name:
            raise Unreadable(f"{what}: name: {user.name} must be the one that it is kept under")
        return user


@dataclass(frozen=True, slots=True)
class Password:
    """What a person's password hashes to.

    Attributes:
        argon2id: the hash, in argon2's own words.
        set_ms, set_by: when it was set, and who did.

    Raises:
        TypeError, ValueError: a field is not what it must be; names it, and shows no hash.
    """

    argon2id: str = field(repr=False)
    set_ms: int
    set_by: str

    def __post_init__(self) -> None:
        if not isinstance(self.argon2id, str) or not _HASH.fullmatch(self.argon2id):
            raise ValueError("argon2id: must be a hash of argon2id")
        integer("set_ms", self.set_ms, 0, LAST_MS)
        of_form("set_by", self.set_by, _NAME)

    def dump(self) -> bytes:
        """Return its record, JSON."""
        return orjson.dumps({"v": VERSION, **asdict(self)})

    @classmethod
    def load(cls, name: str, record: bytes) -> Password:
        """Read what `dump` returned.

        Raises:
            Unreadable: it is damaged, or a newer release wrote it; says whose, and what of it.
        """
        what = f"password of {shorten(name)}"
        return made_of(what, cls, document_of(what, record, PASSWORD_FIELDS, PASSWORD_NEEDED))


USER_FIELDS: Final = frozenset(each.name for each in fields(User))
USER_NEEDED: Final = ("name", "role", "accounts", "created_ms", "created_by", "changed_ms", "changed_by")
PASSWORD_FIELDS: Final = frozenset(each.name for each in fields(Password))
PASSWORD_NEEDED: Final = tuple(sorted(PASSWORD_FIELDS))


def check_name(name: object) -> None:
    """Raise ValueError for what no person may be called: what no name is, and what looks like a key's id."""
    of_form("name", name, _NAME)
    if str(name).startswith(ID_PREFIX):
        raise ValueError(f"name: {shorten(name)} must not begin with {ID_PREFIX}, as ids of keys do")


def make(name: str, role: str, accounts: Collection[str], *, now_ms: int, who: str) -> User:
    """Return a new user.

    Args:
        name, role, accounts: see `User`.
        now_ms: milliseconds since 1970.
        who: makes it.

    Raises:
        ValueError: a field is not what it must be; names it.
    """
    return User(name, role, tuple(sorted(set(accounts))), now_ms, who, now_ms, who)


def load_users(raw: Mapping[bytes, bytes]) -> tuple[dict[str, User], list[str]]:
    """Return the users of a hash by their names, and a sentence about each record that cannot be read.

    Args:
        raw: what HGETALL says of `Topology.users`.
    """
    found, problems = {}, []
    for field_name, record in raw.items():
        name = field_name.decode(errors="backslashreplace")
        try:
            found[name] = User.load(name, record)
        except Unreadable as error:
            problems.append(str(error))
    return found, problems


def mark_of(user: bytes, password: bytes) -> str:
    """Return what a session is bound to: who its person was, and by which password. Any change is another mark.

    Args:
        user, password: the records, as Redis has them.
    """
    return sha256(len(user).to_bytes(4, "big") + user + password).hexdigest()


def document_of(what: str, record: bytes, known: Collection[str], needed: Collection[str]) -> dict[str, Any]:
    """Return what a record says, raised to today's version.

    Raises:
        Unreadable: it is no JSON object, of another version, or has not the fields that it must have.
    """
    try:
        told = orjson.loads(record)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"{what}: is no JSON: {error}") from None
    if not isinstance(told, dict):
        raise Unreadable(f"{what}: must be an object with named fields, got {type(told).__name__}")
    version = told.pop("v", None)
    document = {name if name in known else shorten(name): value for name, value in told.items()}
    document = upcast(what, document, version if type(version) is int else shorten(version), VERSION, UPCASTS)
    check_names(what, document, known, needed)
    return document


def made_of(what: str, kind: type[T], document: Mapping[str, Any]) -> T:
    """Return the thing that a document is of.

    Raises:
        Unreadable: a field is not what it must be.
    """
    try:
        return kind(**document)
    except (TypeError, ValueError) as error:
        raise Unreadable(f"{what}: {error}") from None
