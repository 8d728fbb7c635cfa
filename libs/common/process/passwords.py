"""Passwords of people: which may be one, what one hashes to, and whether one is right.

Flows in: passwords. Flows out: hashes of argon2id, yes or no, or a sentence that says what a password must be. Never
keeps a password, and never shows one: its sentences have lengths alone.

It takes argon2-cffi, of the extra `gateway`, and its default parameters (RFC 9106's second choice: 64 MiB, three
passes): a tenth of a second of a whole core each, so whoever serves others meanwhile asks in a thread.
"""

from __future__ import annotations

import secrets
import unicodedata
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

MIN_CHARACTERS: Final = 12
MAX_BYTES: Final = 1_024
"""As UTF-8: what a password is hashed of is bounded."""
GENERATED_BYTES: Final = 18
"""Of randomness in one that nobody has chosen: 24 characters."""

_HASHER: Final = PasswordHasher()


def check(password: str, name: str) -> None:
    """See to it that a password may be one.

    Args:
        password: as the person typed it.
        name: whose it is to be.

    Raises:
        ValueError: it is too short, too long, no text, or the user's own name.
    """
    size = len(password.encode(errors="surrogatepass"))
    if size > MAX_BYTES:
        raise ValueError(f"password: has {size} bytes, and must have {MAX_BYTES} at most")
    if any("\ud800" <= character <= "\udfff" for character in password):
        raise ValueError("password: must be text, and half a surrogate pair is none")
    if len(_as_typed(password)) < MIN_CHARACTERS:
        raise ValueError(
            f"password: has {len(_as_typed(password))} characters, and must have {MIN_CHARACTERS} at least"
        )
    if _as_typed(password).casefold() == name.casefold():
        raise ValueError("password: must not be the user's name")


def is_bounded(password: str) -> bool:
    """Whether it is worth a look at all: none that is longer, or no text, can be anybody's."""
    try:
        return len(password.encode()) <= MAX_BYTES
    except UnicodeEncodeError:
        return False


def hashed(password: str) -> str:
    """Return what a password hashes to; another salt each time."""
    return _HASHER.hash(_as_typed(password))


def matches(argon2id: str, password: str) -> bool:
    """Whether it is the password of a hash.

    Raises:
        argon2.exceptions.InvalidHashError: that is no hash.
    """
    try:
        return _HASHER.verify(argon2id, _as_typed(password))
    except VerifyMismatchError:
        return False


@cache
def nobodys() -> str:
    """Return a hash that no password is of: to look at as long where there is no user."""
    return hashed(secrets.token_urlsafe(32))


def generated() -> str:
    """Return a password that nobody has to think of."""
    return secrets.token_urlsafe(GENERATED_BYTES)


def _as_typed(password: str) -> str:
    """Return a password in one form: keyboards send é as one character or as two (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
