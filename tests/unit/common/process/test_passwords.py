"""Passwords: what may be one, and that its hash is argon2id's of it alone."""

from __future__ import annotations

import pytest

from fillstream.libs.common.process import passwords
from fillstream.libs.common.process.people import Password

GOOD = "correct horse battery"


def test_a_hash_is_of_its_password_alone_and_another_each_time() -> None:
    one, other = passwords.hashed(GOOD), passwords.hashed(GOOD)
    assert one != other
    assert passwords.matches(one, GOOD)
    assert passwords.matches(other, GOOD)
    for wrong in ("", GOOD[:-1], GOOD + " ", GOOD.upper(), one):
        assert not passwords.matches(one, wrong)
    assert Password(one, 1, "anna").argon2id == one, "a record takes what it hashes to"


def test_it_is_argon2id_with_the_parameters_that_rfc_9106_names() -> None:
    assert passwords.hashed(GOOD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_one_and_the_same_letter_is_typed_in_two_ways() -> None:
    assert passwords.matches(passwords.hashed("caf\u00e9 caf\u00e9 caf\u00e9"), "cafe\u0301 cafe\u0301 cafe\u0301")


def test_nobodys_hash_is_one_and_takes_as_long() -> None:
    nobody = passwords.nobodys()
    assert nobody is passwords.nobodys(), "made once"
    assert nobody.rpartition("$")[0].rpartition("$")[0] == passwords.hashed(GOOD).rpartition("$")[0].rpartition("$")[0]
    assert not passwords.matches(nobody, GOOD)


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", "password: has 0 characters, and must have 12 at least"),
        ("elevenchars", "password: has 11 characters, and must have 12 at least"),
        ("e\u0301" * 11, "password: has 11 characters, and must have 12 at least"),
        ("x" * 1025, "password: has 1025 bytes, and must have 1024 at most"),
        ("\u00e9" * 513, "password: has 1026 bytes, and must have 1024 at most"),
        ("anna.of.the.desk", "password: must not be the user's name"),
        ("Anna.Of.The.Desk", "password: must not be the user's name"),
        ("\ud800" + "x" * 12, "password: must be text"),
    ],
)
def test_what_may_be_no_password_is_said_without_it(password: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="password: ") as refused:
        passwords.check(password, "anna.of.the.desk")
    assert str(refused.value).startswith(sentence)
    if password:
        assert password not in str(refused.value)


def test_twelve_characters_and_a_kilobyte_may_be_one() -> None:
    for password in ("twelve chars", "x" * 1024, "\u00e9" * 512, passwords.generated()):
        passwords.check(password, "anna")
        assert passwords.is_bounded(password)
    assert not passwords.is_bounded("x" * 1025)
    assert not passwords.is_bounded("\ud800")


def test_those_that_are_made_up_are_random() -> None:
    many = {passwords.generated() for _ in range(100)}
    assert len(many) == 100
    assert {len(each) for each in many} == {24}
