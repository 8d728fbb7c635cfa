"""Fee tiers as terms have them: from which traded value on which basis points count.

Flows in: texts as `1000000:0.5:2`. Flows out: numbers. Never says what a fill costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator, Field

from fillstream.libs.common.messages.base import Name
from fillstream.libs.common.values.money import parse

BASE: Final = "BASE"
"""A `fee_currency`: that of what was bought, where the instrument says which it is."""
MAX_TIERS = 20
MOST_BPS = 10_000


class Tier(NamedTuple):
    """From which traded value on which fees count (bps)."""

    traded: Decimal
    maker_bps: Decimal
    taker_bps: Decimal


def tiers_of(texts: Sequence[str]) -> list[Tier]:
    """Return fee tiers, written FROM:MAKER:TAKER, the lowest first.

    Raises:
        ValueError: one is none, or they do not ascend.
    """
    tiers: list[Tier] = []
    for text in texts:
        try:
            tier = Tier(*map(parse, text.split(":")))
        except (TypeError, ValueError):
            raise ValueError(f"in which {text} must be FROM:MAKER:TAKER, as 1000000:0.5:2") from None
        if tier.traded <= (tiers[-1].traded if tiers else 0) or max(map(abs, tier[1:])) > MOST_BPS:
            raise ValueError(
                f"in which {text} must begin above 0 and above the tier before it, with bps from -{MOST_BPS} to "
                f"{MOST_BPS}"
            )
        tiers.append(tier)
    return tiers


def _tiers(texts: tuple[str, ...]) -> tuple[str, ...]:
    tiers_of(texts)
    return texts


Tiers = Annotated[tuple[Name, ...], Field(max_length=MAX_TIERS), AfterValidator(_tiers)]
