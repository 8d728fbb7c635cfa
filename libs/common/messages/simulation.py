"""How a simulated venue falls short of the ideal one: the one definition of those terms.

Flows in: what the settings say of a desk's simulated venues, or a configuration entry of an engine's inbox. Flows out:
frozen models, and the same as canonical JSON. Never decides anything: `matching_engine.simulation` does.

Without any of it a venue is ideal: it fills at the book's prices, at once, and refuses nobody. Equal terms give equal
JSON, however their numbers were written: that is how an engine sees that it has them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from fillstream.libs.common.messages.reference import MAX_ACCOUNT_ID, MAX_MS
from fillstream.libs.common.messages.terms import WRITTEN, Entered, ReferenceData, about, amount

VERSION = 1
"""Of the configuration entry."""
MAX_SEED: Final = (1 << 63) - 1


class AccountSimulation(ReferenceData):
    """What happens to an account's commands on their way into a simulated venue's book."""

    delay_ms: Annotated[
        int,
        about("how long a new order, a cancel or an amendment takes to the book", unit="ms", ge=0, le=MAX_MS),
        WRITTEN,
    ] = 0
    delay_spread_ms: Annotated[
        int, about("a command takes up to so much less or more, at random by seed", unit="ms", ge=0, le=MAX_MS), WRITTEN
    ] = 0
    reject_rate: Annotated[
        Decimal, amount("share of new orders that the venue refuses, at random by seed", ge=0, le=1), WRITTEN
    ] = Decimal(0)


class VenueSimulation(AccountSimulation):
    """How a simulated venue falls short of the ideal one."""

    slippage: Annotated[
        Decimal, amount("how much worse for clients the house's quote stands, share of its price", ge=0, lt=1), WRITTEN
    ] = Decimal(0)
    fill_share: Annotated[Decimal, amount("share of the house's quote that is there to take", gt=0, le=1), WRITTEN] = (
        Decimal(1)
    )
    fill_share_spread: Annotated[
        Decimal, amount("that share is up to so much less or more, at random by seed", ge=0, le=1), WRITTEN
    ] = Decimal(0)
    seed: Annotated[int, about("of all that is random", ge=0, le=MAX_SEED), WRITTEN] = 0

    @property
    def is_ideal(self) -> bool:
        """Whether nothing falls short, whatever the seed."""
        return self == type(self)(seed=self.seed)


AccountNumber = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,9}$")]


class SimulationConfig(VenueSimulation, Entered):
    """What an engine's decisions depend on beside the commands: the terms of its venue, and whose are others.

    Raises:
        pydantic.ValidationError: a ValueError; `from_json` says the same in sentences.
    """

    v: Annotated[int, about("version of this entry", ge=VERSION, le=VERSION), WRITTEN] = VERSION
    accounts: Annotated[dict[AccountNumber, AccountSimulation], about("by the account's number in records")] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _numbers_are_accounts(self) -> Self:
        for number in self.accounts:
            if int(number) > MAX_ACCOUNT_ID:
                raise ValueError(f"accounts: {number} must be from 1 to {MAX_ACCOUNT_ID}")
        return self


IDEAL: Final = SimulationConfig()
"""Of a venue that nothing was said of."""
