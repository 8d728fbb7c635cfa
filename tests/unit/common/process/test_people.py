"""People of the gateway: what a record must be, what a role may do, and what a session is bound to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillstream.libs.common.process.keys import ROLES, Key, Scope
from fillstream.libs.common.process.keys import make as make_key
from fillstream.libs.common.process.people import (
    PASSWORD_FIELDS,
    PERSONS_ROLES,
    USER_FIELDS,
    USER_NEEDED,
    Password,
    User,
    load_users,
    make,
    mark_of,
)
from fillstream.libs.common.values.versions import Unreadable

NOW = 1_800_000_000_000
HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"
NAMES = st.from_regex(r"[A-Za-eg-z0-9][A-Za-z0-9._:/@+-]{0,63}", fullmatch=True)


def a_user(**fields: Any) -> User:
    return replace(make("anna", "trader", ["default"], now_ms=NOW, who="me"), **fields)


def record_of(user: User, **fields: Any) -> bytes:
    return orjson.dumps({**orjson.loads(user.dump()), **fields})


@given(NAMES, st.sampled_from(PERSONS_ROLES), st.sets(NAMES, max_size=3), st.booleans())
def test_a_record_is_read_as_it_was_written(name: str, role: str, accounts: set[str], is_disabled: bool) -> None:
    user = make(name, role, accounts, now_ms=NOW, who="me")
    user = user.disabled(NOW + 1, "her") if is_disabled else user
    assert User.load(name, user.dump()) == user
    assert load_users({name.encode(): user.dump(), b"!": b"?"})[0] == {name: user}


@pytest.mark.parametrize("role", PERSONS_ROLES)
@pytest.mark.parametrize("accounts", [(), ("default",)])
def test_a_role_may_what_a_key_of_that_role_may(role: str, accounts: tuple[str, ...]) -> None:
    key, _ = make_key("bot", ROLES[role], now_ms=NOW, who="me", accounts=accounts)
    user = a_user(role=role, accounts=accounts)
    assert isinstance(key, Key)
    assert [user.may(scope) for scope in Scope] == [key.may(scope) for scope in Scope]


def test_nobody_is_everything_by_a_name_that_is_no_role() -> None:
    assert PERSONS_ROLES == ("viewer", "trader", "risk", "admin")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": ""}, "name: "),
        ({"name": "a b"}, "name: 'a b' must match"),
        ({"name": "a" * 65}, "name: "),
        ({"name": "fk_anna"}, "name: 'fk_anna' must not begin with fk_"),
        ({"name": 7}, "name: 7 must match"),
        ({"role": "all"}, "role: 'all' must be one of viewer, trader, risk, admin"),
        ({"role": None}, "role: None must be"),
        ({"accounts": ("b", "a")}, "accounts: must be sorted"),
        ({"accounts": ("a", "a")}, "accounts: must be sorted"),
        ({"accounts": ("a b",)}, "accounts: 'a b' must match"),
        ({"created_ms": -1}, "created_ms"),
        ({"created_by": ""}, "created_by"),
        ({"changed_ms": NOW - 1}, "changed_ms"),
        ({"changed_by": "\n"}, "changed_by"),
        ({"disabled_ms": NOW}, "disabled_ms: must be there when"),
        ({"disabled_by": "me"}, "disabled_ms: must be there when"),
        ({"disabled_ms": "x", "disabled_by": "me"}, "disabled_ms"),
        ({"disabled_ms": NOW, "disabled_by": ""}, "disabled_by"),
    ],
)
def test_what_is_no_user_is_refused_by_its_field(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises((TypeError, ValueError)) as refused:
        a_user(**fields)
    assert str(refused.value).startswith(sentence)
    listed = {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
    with pytest.raises(Unreadable, match="user 'anna': "):
        User.load("anna", record_of(a_user(), **listed))


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b"1", b'{"v": 2}', b'{"v": true}', b'{"v": 1, "extra": 1}'])
def test_a_record_that_is_none_keeps_nobody_else_out(record: bytes) -> None:
    users, problems = load_users({b"anna": a_user().dump(), b"ben": record})
    assert [*users] == ["anna"]
    assert len(problems) == 1
    assert problems[0].startswith("user 'ben': ")


def test_each_field_that_every_release_wrote_has_to_be_there() -> None:
    assert set(USER_NEEDED) == USER_FIELDS - {"disabled_ms", "disabled_by"}
    for name in USER_NEEDED:
        told = orjson.loads(a_user().dump())
        del told[name]
        with pytest.raises(Unreadable, match=f"{name} is missing"):
            User.load("anna", orjson.dumps(told))
    with pytest.raises(Unreadable, match="accounts: 'default' must be a list"):
        User.load("anna", record_of(a_user(), accounts="default"))
    with pytest.raises(Unreadable, match="must be the one that it is kept under"):
        User.load("ben", a_user().dump())


def test_a_change_that_is_taken_back_leaves_another_record() -> None:
    """Sessions are bound to the record: who was disabled for a moment has none of before, whatever the clock says."""
    user = a_user()
    for then in (NOW, NOW - 5, NOW + 5):
        back = user.disabled(then, "her").enabled(then, "her")
        assert not back.is_disabled
        assert (back.role, back.accounts, back.created_ms) == (user.role, user.accounts, user.created_ms)
        assert back.dump() != user.dump()
        assert back.changed_ms > user.changed_ms
    assert user.enabled(NOW, "her") is user
    gone = user.disabled(NOW, "her")
    assert gone.is_disabled
    assert gone.disabled(NOW + 9, "him") is gone
    assert (gone.disabled_ms, gone.disabled_by, gone.changed_by) == (NOW, "her", "her")


def test_a_mark_is_of_both_records_and_of_their_border() -> None:
    marks = [mark_of(*both) for both in ((b"ab", b"c"), (b"a", b"bc"), (b"abc", b""), (b"", b"abc"), (b"ab", b"d"))]
    assert len(set(marks)) == len(marks)
    assert mark_of(b"ab", b"c") == marks[0]


def test_a_password_is_kept_as_a_hash_that_is_never_shown() -> None:
    password = Password(HASH, NOW, "anna")
    assert Password.load("anna", password.dump()) == password
    assert HASH not in repr(password)
    for wrong in ("secret", "$argon2i$" + HASH[10:], HASH + " ", 5, None):
        with pytest.raises(Unreadable, match="password of 'anna': argon2id: must be a hash of argon2id") as refused:
            Password.load("anna", orjson.dumps({**orjson.loads(password.dump()), "argon2id": wrong}))
        assert "secret" not in str(refused.value)
    assert sorted(PASSWORD_FIELDS) == ["argon2id", "set_by", "set_ms"]
    with pytest.raises(ValueError, match="set_by"):
        Password(HASH, NOW, "")
    with pytest.raises(ValueError, match="set_ms"):
        Password(HASH, -1, "anna")
