"""What one release wrote is read by the next, or refused in a sentence; nothing is lost in silence."""

from __future__ import annotations

from typing import Any

import pytest

from fillstream.libs.common.values.versions import Unreadable, Upcasts, check_names, upcast


def upcast_v1_v2(document: dict[str, Any]) -> dict[str, Any]:
    return {"name": document["nom"]}


def upcast_v2_v3(document: dict[str, Any]) -> dict[str, Any]:
    return {"names": [document["name"]]}


STEPS: Upcasts = {1: upcast_v1_v2, 2: upcast_v2_v3}


@pytest.mark.parametrize(
    ("version", "document"), [(1, {"nom": "a"}), (2, {"name": "a"}), (3, {"names": ["a"]})], ids=["1", "2", "3"]
)
def test_a_document_of_every_version_becomes_todays(version: int, document: dict[str, Any]) -> None:
    assert upcast("letter", document, version, 3, STEPS) == {"names": ["a"]}


@pytest.mark.parametrize("version", [0, 4, None, "1", True, 1.0])
def test_a_version_that_nobody_knows_is_refused(version: object) -> None:
    with pytest.raises(Unreadable) as refused:
        upcast("letter", {}, version, 3, STEPS)
    assert str(refused.value) == f"letter: version {version} must be 1 to 3, which this release reads"


def test_a_document_that_is_not_as_its_version_was_is_refused() -> None:
    with pytest.raises(Unreadable) as refused:
        upcast("letter", {"name": "a"}, 1, 3, STEPS)
    assert str(refused.value) == "letter: is not as version 1 was: KeyError: 'nom'"


def test_where_there_is_one_version_only_the_sentence_says_so() -> None:
    with pytest.raises(Unreadable, match="letter: version 2 must be 1, which this release reads"):
        upcast("letter", {}, 2, 1, {})


def test_a_name_with_a_default_may_be_missing() -> None:
    check_names("letter", {"a": 1}, ("a", "b"), ("a",))


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"a": 1, "c": 2}, "letter: c is no field that this release knows: a newer one wrote it"),
        ({"b": 1}, "letter: a is missing"),
        ([1, 2], "letter: must be an object with named fields, got list"),
    ],
    ids=["unknown", "missing", "list"],
)
def test_names_that_nobody_knows_and_names_that_are_missing_are_refused(document: object, sentence: str) -> None:
    with pytest.raises(Unreadable) as refused:
        check_names("letter", document, ("a", "b"), ("a",))
    assert str(refused.value) == sentence
