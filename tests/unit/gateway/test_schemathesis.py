"""Calls made up out of the gateway's own document: no server error, and each answer as the document says.

The long form is `make fuzz-gateway`.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import fuzzing
from tests.support.fuzzing import WHOLE, desk_to_fuzz, fuzz, known, operations, schema_of
from tests.support.gateway_desk import GatewayDesk


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as found:
        yield found


@pytest.fixture(scope="module")
def desk(patch: pytest.MonkeyPatch) -> GatewayDesk:
    return desk_to_fuzz(patch)


@pytest.fixture(scope="module")
def schema(desk: GatewayDesk) -> Any:
    return schema_of(desk)


@pytest.mark.parametrize(("below", "checks", "calls"), [("/v1/", WHOLE, 4), ("/alpaca/", (), 3)])
def test_whatever_is_asked_is_answered_as_the_document_says(
    desk: GatewayDesk, schema: Any, below: str, checks: tuple[str, ...], calls: int
) -> None:
    told: Counter[int] = Counter()
    for operation in operations(schema, below):
        told += fuzz(operation, calls, checks, known(desk))
    assert told.total() > 70
    assert told[200] > 20 and told[400] + told[422] > 20, told  # it was understood, and it was not


def failure_of(operation: Any, *checks: str) -> str:
    with pytest.raises(BaseException) as told:  # a group of failures is no Exception
        fuzz(operation, 1, checks, {})
    return "".join(traceback.format_exception(told.value))


def test_an_error_inside_is_found(desk: GatewayDesk, schema: Any, patch: pytest.MonkeyPatch) -> None:
    [operation] = [each for each in operations(schema, "/v1/venues")]
    with patch.context() as inner:
        inner.setattr(desk.desk.terms, "venues", None)
        assert "'NoneType' object has no attribute" in failure_of(operation)


def test_an_answer_that_is_not_as_documented_is_found(
    desk: GatewayDesk, schema: Any, patch: pytest.MonkeyPatch
) -> None:
    [operation] = [each for each in operations(schema, "/v1/venues")]
    with patch.context() as inner:
        inner.setattr(desk.desk.terms, "venues", {"SIM": {"venue": 5}})
        assert "5 is not of type" in failure_of(operation, "response_schema_conformance")


def test_routes_without_an_end_are_all_that_is_left_out(schema: Any) -> None:
    every = {found.ok().path for found in schema.get_all_operations() if found.ok().path.startswith("/v1/")}
    assert every - {each.path for each in operations(schema, "/v1/")} == set(fuzzing.ENDLESS)
