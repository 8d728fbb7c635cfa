"""Keys of the gateway: whoever shows the right secret in time comes in, and no record keeps the others out."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fillstream.libs.common.process.keys import (
    FIELDS,
    MAX_RATE_LIMIT,
    NEEDED,
    NOBODY,
    ROLES,
    Key,
    KeyRing,
    Scope,
    expiry,
    load_all,
    make,
    named,
    scopes_of,
)
from fillstream.libs.common.values.moments import LAST_MS, milliseconds
from fillstream.libs.common.values.versions import Unreadable

NOW = 1_800_000_000_000
DAY = 86_400_000
TEXT = st.text(st.characters(exclude_categories=()))
"""Half of a surrogate pair included: JSON can say it."""
NAMES = st.from_regex(r"[A-Za-eg-z0-9][A-Za-z0-9._:/@+-]{0,63}", fullmatch=True)
TIMES = st.integers(0, LAST_MS)
SCOPES = st.sets(st.sampled_from(list(Scope)), min_size=1)


def a_key(**fields: Any) -> tuple[Key, str]:
    key, secret = make("bot", (Scope.ORDERS_READ,), now_ms=NOW, who="me")
    return replace(key, **fields), secret


@st.composite
def made(draw: st.DrawFn) -> tuple[Key, str]:
    key, secret = make(
        draw(NAMES), draw(SCOPES), now_ms=draw(TIMES), who=draw(NAMES), accounts=draw(st.sets(NAMES, max_size=3)),
        expires_ms=draw(st.none() | TIMES), rate_limit=draw(st.none() | st.integers(1, MAX_RATE_LIMIT)),
    )  # fmt: skip
    return draw(st.sampled_from([key, key.revoked(draw(TIMES), draw(NAMES))])), secret


def record_of(key: Key, **fields: Any) -> bytes:
    return orjson.dumps({**orjson.loads(key.dump()), **fields})


# ------------------------------------------------------------------------------------------------------- the secret


@given(made(), TEXT)
@example(a_key(), "\ud800")
def test_its_own_secret_matches_and_no_other_does(both: tuple[Key, str], other: str) -> None:
    key, secret = both
    assert key.matches(secret)
    assert not any(map(key.matches, (other, secret[:-1], f"{secret} ", secret.swapcase(), key.secret_sha256, key.id)))


@given(made())
def test_neither_record_nor_repr_has_the_secret_and_repr_not_its_hash_either(both: tuple[Key, str]) -> None:
    key, secret = both
    assert secret not in key.dump().decode()
    assert secret not in repr(key)
    assert key.secret_sha256 not in repr(key)


def test_id_and_secret_are_random_and_can_be_joined_by_a_colon_or_a_dot() -> None:
    many = [a_key() for _ in range(200)]
    assert len({key.id for key, _ in many}) == len({secret for _, secret in many}) == 200
    for key, secret in many:
        assert len(secret) == 43, "32 bytes"
        assert not set(":.") & set(key.id + secret)


def test_secrets_are_compared_in_a_time_that_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []

    def compare(one: str, other: str) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr("hmac.compare_digest", compare)
    key, _ = a_key()
    ring = KeyRing()
    ring.load({key.id.encode(): key.dump()})
    for key_id in (key.id, "fk_000000000000"):
        compared.clear()
        assert ring.find(key_id, "x", NOW) == NOBODY
        assert len(compared) == 1, "of one that is not there, too"


# -------------------------------------------------------------------------------------------------- what it is for


def test_a_role_is_a_name_of_scopes() -> None:
    reads = {scope for scope in Scope if scope.value.split(":")[-1] == "read"}
    assert len(reads) == 6
    assert ROLES["viewer"] == reads
    assert ROLES["trader"] - reads == {Scope.ORDERS_WRITE}
    assert ROLES["risk"] - reads == {Scope.CONTROLS_WRITE}
    assert ROLES["admin"] == ROLES["all"] == set(Scope)


@given(st.lists(st.sampled_from([*ROLES, *(scope.value for scope in Scope)]), min_size=1))
def test_scopes_are_what_all_that_was_named_means_together(words: list[str]) -> None:
    wanted: set[str] = set().union(*(ROLES.get(word, {word}) for word in words))
    for joined in (",".join(words), " , ".join(words)):
        assert list(scopes_of(joined)) == sorted(wanted)
    assert all(isinstance(scope, Scope) for scope in scopes_of(",".join(words)))


@pytest.mark.parametrize("text", ["", "trader,", "orders", "TRADER", "orders:write;admin", "trader,root"])
def test_what_is_neither_scope_nor_role_is_named_with_what_there_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"^scopes: ") as refused:
        scopes_of(text)
    wrong = next(word for word in text.split(",") if word not in ROLES)
    assert str(refused.value).startswith(f"scopes: '{wrong}' must be a role (")
    for each in (*ROLES, *Scope):
        assert each in str(refused.value)


def test_scopes_are_called_by_their_role_where_they_are_one() -> None:
    assert [named(scopes_of(role)) for role in ROLES] == ["viewer", "trader", "risk", "admin", "admin"]
    assert named(scopes_of("sql:read,orders:read")) == "orders:read, sql:read"


@given(SCOPES)
def test_a_key_may_what_its_scopes_say_and_everything_with_admin(scopes: set[Scope]) -> None:
    key, _ = make("bot", scopes, now_ms=NOW, who="me")
    for scope in Scope:
        assert key.may(scope) == (scope in scopes or Scope.ADMIN in scopes)


def test_a_key_for_some_accounts_may_use_these_and_nothing_that_is_of_all() -> None:
    key, _ = make("bot", tuple(Scope), now_ms=NOW, who="me", accounts=["paper", "main", "paper"])
    assert key.accounts == ("main", "paper")
    assert [key.may_use(account) for account in ("main", "paper", "other", "main@live", "", None)] == [
        True, True, False, False, False, False,
    ]  # fmt: skip
    assert [scope for scope in Scope if not key.may(scope)] == [Scope.SQL_READ]
    everybodys, _ = make("bot", tuple(Scope), now_ms=NOW, who="me")
    assert everybodys.may_use("other")
    assert everybodys.may_use(None)
    assert everybodys.may(Scope.SQL_READ)


# ---------------------------------------------------------------------------------------------------- until when


def test_a_key_is_of_use_until_it_expires_and_not_at_that_very_millisecond() -> None:
    key, _ = a_key(expires_ms=NOW + 5)
    assert (key.state(NOW + 4), key.why_not(NOW + 4)) == ("live", None)
    assert key.state(NOW + 5) == "expired"
    assert key.why_not(NOW + 5) == f"key: {key.id} is expired since 2027-01-15T08:00:00.005Z"


def test_a_revoked_key_is_of_no_use_whatever_the_clock_says_and_is_not_revoked_again() -> None:
    key, _ = a_key(expires_ms=NOW + DAY)
    gone = key.revoked(NOW, "her")
    for now_ms in (NOW - 1, NOW, NOW + 2 * DAY):
        assert gone.state(now_ms) == "revoked"
        assert gone.why_not(now_ms) == f"key: {key.id} is revoked since 2027-01-15T08:00:00Z"
    assert (gone.revoked_ms, gone.revoked_by) == (NOW, "her")
    assert gone.revoked(NOW + DAY, "him") is gone
    assert replace(gone, revoked_ms=None, revoked_by=None) == key


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90d", NOW + 90 * DAY), ("1h", NOW + DAY // 24), ("2027-02-01", milliseconds("2027-02-01T00:00:00Z")),
        ("2027-02-01T08:30:00+02:00", milliseconds("2027-02-01T06:30:00Z")),
    ],
)  # fmt: skip
def test_when_a_key_expires_can_be_said_in_several_ways(text: str, at: int) -> None:
    assert expiry(text, NOW) == at


@pytest.mark.parametrize("text", ["", "90", "0d", "-1d", "1.5d", "90 d", "2027-02-30", "2027-2-1", "soon", "99999999d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expires: '.*' must be days or hours from now"):
        expiry(text, NOW)


def test_a_time_beyond_the_year_9999_or_not_in_the_future_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^expires: '99999d' must be days"):
        expiry("99999d", LAST_MS - DAY)
    for text in ("2027-01-15T08:00:00Z", "2027-01-15", "2026-01-01"):
        with pytest.raises(ValueError, match=r"^expires: 202\d-.*Z must be in the future$"):
            expiry(text, NOW)


# --------------------------------------------------------------------------------------------------- its record


@given(made())
def test_a_key_is_read_as_it_was_written(both: tuple[Key, str]) -> None:
    assert Key.load(both[0].id, both[0].dump()) == both[0]


def test_todays_record_is_the_one_that_others_will_read() -> None:
    key = Key("fk_0123456789Ab", "bot", "0" * 64, (Scope.ADMIN,), ("main",), 1, "me", 2, 3, 4, "her")
    assert orjson.loads(key.dump()) == {
        "v": 1, "id": "fk_0123456789Ab", "name": "bot", "secret_sha256": "0" * 64, "scopes": ["admin"],
        "accounts": ["main"], "created_ms": 1, "created_by": "me", "expires_ms": 2, "rate_limit": 3, "revoked_ms": 4,
        "revoked_by": "her",
    }  # fmt: skip


def test_fields_that_have_a_default_may_be_missing() -> None:
    key, _ = a_key()
    told = {name: value for name, value in orjson.loads(key.dump()).items() if name in ("v", *NEEDED)}
    assert set(NEEDED) < set(FIELDS) == set(asdict(key))
    assert Key.load(key.id, orjson.dumps(told)) == key


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"v": 2}, "version 2 must be 1, which this release reads"),
        ({"v": None}, "version None must be 1, which this release reads"),
        ({"v": "\n1"}, "version '\\n1' must be 1, which this release reads"),
        ({"team": "a"}, "'team' is no field that this release knows: a newer one wrote it"),
        ({"scopes": ["orders:read", "fix:write"]}, "scopes: 'fix:write' is none that this release knows"),
        ({"scopes": []}, "scopes: must be one at least"),
        ({"scopes": ["sql:read", "admin"]}, "scopes: must be one at least, sorted"),
        ({"scopes": "admin"}, "scopes: 'admin' must be a list"),
        ({"scopes": [["admin"]]}, "scopes: a list is none that"),
        ({"accounts": "main"}, "accounts: 'main' must be a list"),
        ({"accounts": [5]}, "accounts: 5 must match "),
        ({"accounts": ["b", "a"]}, "accounts: must be sorted"),
        ({"name": ""}, "name: '' must match "),
        ({"name": "fk_mine"}, "name: 'fk_mine' must not begin with fk_"),
        ({"name": {}}, "name: an object must match "),
        ({"secret_sha256": "0" * 63}, "secret_sha256: '000"),
        ({"created_ms": True}, "created_ms is True"),
        ({"created_ms": -1}, "created_ms is -1, and must be between 0 and "),
        ({"created_by": None}, "created_by: None must match "),
        ({"expires_ms": "1"}, "expires_ms is '1', and must be an integer"),
        ({"expires_ms": 1e300}, "expires_ms is 1e+300, and must be an integer"),
        ({"rate_limit": 0}, "rate_limit is 0, and must be between 1 and 1000000"),
        ({"revoked_by": "her"}, "revoked_ms: must be there when revoked_by is"),
        ({"revoked_ms": 5}, "revoked_ms: must be there when revoked_by is"),
        ({"revoked_ms": -5, "revoked_by": "her"}, "revoked_ms is -5"),
        ({"revoked_ms": 5, "revoked_by": "\n"}, "revoked_by: '\\n' must match "),
        ({"id": "fk_000000000000"}, "id: fk_000000000000 must be the one that it is kept under"),
        ({"id": "7"}, "id: '7' must match "),
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_read_is_told_with_its_key_and_lets_nobody_in(
    fields: dict[str, Any], sentence: str
) -> None:
    bad, bad_secret = a_key()
    good, good_secret = a_key()
    record = record_of(bad, **fields)
    with pytest.raises(Unreadable) as refused:
        Key.load(bad.id, record)
    assert str(refused.value).startswith(f"key '{bad.id}': {sentence}")
    ring = KeyRing()
    assert ring.load({bad.id.encode(): record, good.id.encode(): good.dump()}) == [str(refused.value)]
    assert ring.find(bad.id, bad_secret, NOW) == NOBODY
    assert ring.find(good.id, good_secret, NOW) == good


@pytest.mark.parametrize("missing", NEEDED)
def test_a_record_without_a_field_that_is_needed_is_told(missing: str) -> None:
    key, _ = a_key()
    told = {name: value for name, value in orjson.loads(key.dump()).items() if name != missing}
    with pytest.raises(Unreadable, match=f": {missing} is missing$"):
        Key.load(key.id, orjson.dumps(told))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(), some, max_size=3),
    max_leaves=5,
)


@given(made(), st.dictionaries(st.sampled_from([*sorted(FIELDS), "v", "x"]), JSON, max_size=3), st.binary(), JSON)
def test_no_record_whatever_is_in_it_keeps_the_others_out(
    both: tuple[Key, str], damage: dict[str, Any], noise: bytes, thing: Any
) -> None:
    key, secret = both
    raw = {
        b"fk_damaged": record_of(key, **damage), b"fk_noise": noise, noise: key.dump(), b"": orjson.dumps(thing),
        b"fk_deep": b"[" * 5000, key.id.encode(): key.dump(),
    }  # fmt: skip
    found, problems = load_all(raw)
    assert found == {key.id: key}
    assert len(problems) == len(raw) - 1
    assert all(problem.isascii() and problem.isprintable() and problem.startswith("key ") for problem in problems)
    assert key.why_not(0) or found[key.id].matches(secret)


# ------------------------------------------------------------------------------------------------------- the ring


@given(made(), TIMES, TEXT, TEXT)
def test_a_ring_lets_in_whoever_has_the_secret_while_the_key_is_live(
    both: tuple[Key, str], now_ms: int, other_id: str, other: str
) -> None:
    key, secret = both
    ring = KeyRing()
    assert ring.find(key.id, secret, now_ms) == NOBODY, "it has none yet"
    assert ring.load({key.id.encode(): key.dump()}) == []
    assert ring.find(key.id, secret, now_ms) == (key.why_not(now_ms) or key)
    assert ring.find(key.id, other, now_ms) == NOBODY, "not even that it is revoked, who has no secret"
    assert ring.find(other_id, secret, now_ms) == NOBODY


def test_a_ring_has_what_it_read_last_and_nothing_from_before() -> None:
    one, its = a_key()
    two, others = a_key()
    ring = KeyRing()
    ring.load({one.id.encode(): one.dump(), two.id.encode(): two.dump()})
    assert ring.find(one.id, its, NOW) == one
    ring.load({one.id.encode(): one.revoked(NOW, "her").dump()})
    assert ring.find(one.id, its, NOW) == f"key: {one.id} is revoked since 2027-01-15T08:00:00Z"
    assert ring.find(two.id, others, NOW) == NOBODY
