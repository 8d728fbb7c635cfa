"""The mark: half ticks, of whatever there is."""

import pytest

from fillstream.libs.common.ledger.mark import mark_of


@pytest.mark.parametrize(
    ("bid", "ask", "last", "mark"),
    [
        (99, 102, 500, 201), (120, None, 100, 240), (90, None, 100, 200), (90, None, None, 180),
        (None, 80, 100, 160), (None, 110, 100, 200), (None, 110, None, 220), (None, None, 100, 200),
        (None, None, None, None), (-5, -3, None, -8), (None, -3, 4, -6),
    ],
)  # fmt: skip
def test_the_mark_is_the_mid_else_the_last_trade_held_to_the_side_there_is(
    bid: int | None, ask: int | None, last: int | None, mark: int | None
) -> None:
    assert mark_of(bid, ask, last) == mark
