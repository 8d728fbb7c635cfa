"""Sentences about what the engine refuses that no test brings it to: memory that ran out, all of a record wrong."""

from __future__ import annotations

import pytest

from fillstream.libs.common.engine.frames import Command, CommandType, Reason
from fillstream.services.matching_engine.refusals import refusal_of


def command(kind: CommandType, **fields: int) -> Command:
    return Command(**{**dict.fromkeys(Command._fields, 0), "type": int(kind), "symbol": 7, **fields})


@pytest.mark.parametrize("kind", [CommandType.SESSION, CommandType.BANDS])
def test_a_book_that_could_not_be_made_is_named(kind: CommandType) -> None:
    assert refusal_of(command(kind), Reason.CAPACITY) == (
        "capacity",
        "symbol: there is no memory for the book of symbol 7",
    )


def test_a_print_is_told_all_that_may_be_wrong_with_it() -> None:
    assert refusal_of(command(CommandType.PRINT, flags=1, stp=2, side=3), Reason.BAD_RECORD) == (
        "bad_record",
        "flags, stp: must be 0, got 1 and 2; side: must be 1 or 2, got 3",
    )
