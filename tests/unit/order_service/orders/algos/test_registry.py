"""What every algorithm declares: people, docs and the command read it from there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fillstream.services.order_service.orders.algos import ALGORITHMS, OURS
from fillstream.services.order_service.orders.algos.algorithm import Job, Parameters, Plan, algorithm
from tests.support.tree import ROOT

PAGE = (ROOT / "docs/algorithms.md").read_text()


@pytest.fixture
def _registry() -> Iterator[None]:
    kept = dict(ALGORITHMS)
    yield
    ALGORITHMS.clear()
    ALGORITHMS.update(kept)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_algorithm_says_what_it_does_what_each_field_is_and_how_it_is_asked_for(name: str) -> None:
    said = ALGORITHMS[name]
    assert said.description.endswith(".")
    assert "\n" not in said.description
    assert all(field.description for field in said.parameters.model_fields.values())
    assert said.parameters.model_validate(said.example)
    assert f"`{name}`" in PAGE
    for field in said.parameters.model_fields:
        assert f"`{field}`" in PAGE, f"docs/algorithms.md says nothing of {name}'s {field}"


def test_every_file_of_the_folder_is_joined_or_is_what_they_share() -> None:
    folder = ROOT / "services/order_service/orders/algos"
    shared = {"__init__", "algorithm", "loading", "scheduled", "touching"}
    assert {each.stem for each in folder.glob("*.py")} - shared == set(OURS)


@pytest.mark.usefixtures("_registry")
def test_two_modules_cannot_have_one_name_and_one_without_words_is_refused() -> None:
    def silent(job: Job) -> Plan:
        return Plan()

    def taken(job: Job) -> Plan:
        """Does nothing."""
        return Plan()

    with pytest.raises(ValueError, match="must say in a docstring"):
        algorithm("SILENT", Parameters, example={})(silent)
    with pytest.raises(ValueError, match=r"TWAP: is .*twap's already"):
        algorithm("TWAP", Parameters, example={})(taken)
