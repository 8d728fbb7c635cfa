"""What the desk trades, for whom and where: the one definition of an instrument's, an account's and a venue's terms.

Flows in: what the settings say of instruments, accounts and venues, or a configuration entry of an inbox. Flows out:
frozen models, and their values as canonical JSON has them. Never reads a file, never decides anything.

Everything else is derived from the fields here: the settings' sections, the configuration entry, the events
InstrumentDefined and AccountDefined, analytics' columns and views, what the ledger, the engine and the feeds count in.
To add a term is to add a field, with its bound, unit and meaning; with a default, older logs and files go on as before.
What the hot path needs of a term it compiles (`order_service.orders.compiled`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Protocol, Self

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from fillstream.libs.common.engine.frames import MAX_SYMBOL
from fillstream.libs.common.messages.base import Name, exact_number
from fillstream.libs.common.messages.topology import VENUE_NAME
from fillstream.libs.common.values.money import MAX_DIGITS, canonical

MAX_ACCOUNT_ID = 0xFFFF_FFFF
"""The largest account number a record holds; 0 is the house's."""
MAX_DAILY_ORDERS = 1_000_000_000
BPS = 10_000
"""Basis points in the whole."""
DAY_MS = 86_400_000
MAX_MS = 3650 * DAY_MS
"""Ten years: the longest that anything here may take (milliseconds)."""

FIXED, UNIT, FIX, SECTION = "fixed", "unit", "fix", "section"
"""Keys of what a field says about itself beside its bounds; see `about`."""
VALUE, QUANTITY = "value in the instrument's currency", "quantity"
"""Units of limits that are compiled for each instrument: `max_…` is at most so much, `min_…` at least."""


def written_number(value: Any) -> Any:
    """Refuse what would make a number inexact, or was not meant as one."""
    if isinstance(value, bool | float):
        raise ValueError("must be a number written as text or digits")
    return exact_number(value)


WRITTEN = BeforeValidator(written_number)
"""Last in an annotation: what comes before it is then a bound of the number itself, for JSON schemas as well."""
Whole = Annotated[int, WRITTEN]
Money = Annotated[Decimal, Field(max_digits=MAX_DIGITS, allow_inf_nan=False), WRITTEN]
Milliseconds = Annotated[Whole, Field(ge=0, le=MAX_MS)]


def about(
    text: str,
    *,
    unit: str = "",
    fix: str = "",
    fixed: bool = False,
    section: str = "",
    **bounds: Any,
) -> Any:
    """Return what a field says about itself.

    Args:
        text: what it means.
        unit: of its value.
        fix: FIX's number and name for it, where there is one.
        fixed: whether ticks and lots in books, orders and positions were counted in it, so that it may not change.
        section: of the configuration file, where the default of an account that sets none stands.
        bounds: `gt`, `ge`, `le`: what its value is above, at least, at most.
    """
    said: dict[str, JsonValue] = {UNIT: unit, FIX: fix, FIXED: fixed, SECTION: section}
    said = {key: value for key, value in said.items() if value}
    return Field(description=text, json_schema_extra=said, **bounds)


def amount(text: str, **more: Any) -> Any:
    """Return what a Decimal says about itself; see `about`."""
    return about(text, max_digits=MAX_DIGITS, allow_inf_nan=False, **more)


def said_of(model: type[BaseModel], name: str, key: str) -> Any:
    """Return what a field says about itself under FIXED, UNIT, FIX or SECTION; None when it says nothing."""
    extra = model.model_fields[name].json_schema_extra
    return extra.get(key) if isinstance(extra, dict) else None


class ReferenceData(BaseModel):
    """What instruments and accounts have in common: frozen, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    def fixed(cls) -> tuple[str, ...]:
        """Return the names of the fields that may not change once there are orders."""
        return tuple(name for name in cls.model_fields if said_of(cls, name, FIXED))

    @classmethod
    def out_of(cls, fields: Mapping[str, Any]) -> Self:
        """Return the terms among the fields of an event or a snapshot; what is not there has its default.

        Raises:
            pydantic.ValidationError: they are not terms.
        """
        return cls.model_validate({name: fields[name] for name in cls.model_fields if name in fields})

    def values(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        return {name: written(getattr(self, name)) for name in type(self).model_fields}


VenueName = Annotated[str, StringConstraints(pattern=f"^{VENUE_NAME.pattern}$")]
Bps = Annotated[Decimal, Field(max_digits=MAX_DIGITS, allow_inf_nan=False, ge=-BPS, le=BPS), WRITTEN]


def _own_venue(of: str, otherwise: str, fix: str) -> Any:
    return about(f"where orders {of} go, one of execution.venues; without one {otherwise}", fix=fix, fixed=True)


class VenueTerms(ReferenceData):
    """What is known of a venue. Its fees go before an instrument's."""

    simulated: Annotated[bool, about("whether an engine of this desk is the venue, with books of its own")] = True
    expires: Annotated[bool, about("whether it takes an order off by itself when its time in force ends")] = True
    maker_fee_bps: Annotated[
        Bps | None, about("fee of a fill that rested in its book; null: the instrument's", unit="bps")
    ] = None
    taker_fee_bps: Annotated[
        Bps | None, about("fee of a fill that took from its book; null: the instrument's", unit="bps")
    ] = None

    @model_validator(mode="after")
    def _the_engine_expires_orders(self) -> Self:
        if self.simulated and not self.expires:
            raise ValueError("expires: must be true of a simulated venue, its engine expires orders by itself")
        return self


class InstrumentUnits(ReferenceData):
    """What prices and quantities of an instrument are counted in, and what they are worth."""

    tick_size: Annotated[
        Decimal,
        amount("prices are multiples of it", unit="currency", fix="969 MinPriceIncrement", fixed=True, gt=0),
        WRITTEN,
    ]
    lot_size: Annotated[
        Decimal, amount("quantities are multiples of it", fix="561 RoundLot", fixed=True, gt=0), WRITTEN
    ]
    multiplier: Annotated[
        Decimal,
        amount(
            "money per unit of price and quantity; 1 for shares and spot",
            unit="currency", fix="231 ContractMultiplier", fixed=True, gt=0,
        ),
        WRITTEN,
    ] = Decimal(1)  # fmt: skip
    currency: Annotated[Name, about("of prices, values and fees", fix="15 Currency", fixed=True)] = "USD"


class InstrumentFields(InstrumentUnits):
    """An instrument's terms without its number, which events call `instrument_id`. Negative fees are rebates."""

    maker_fee_bps: Annotated[
        Decimal,
        amount("fee of a fill that rested in the book, of the traded value", unit="bps", ge=-BPS, le=BPS),
        WRITTEN,
    ] = Decimal(0)
    taker_fee_bps: Annotated[
        Decimal,
        amount("fee of a fill that took from the book, of the traded value", unit="bps", ge=-BPS, le=BPS),
        WRITTEN,
    ] = Decimal(0)
    venue: Annotated[VenueName | None, _own_venue("in it", "the desk's", "207 SecurityExchange")] = None
    negative_prices: Annotated[
        bool, about("whether quotes, orders and trades at 0 and below are prices, as of spreads and power, or mistakes")
    ] = False


InstrumentId = Annotated[int, about("the symbol's number in records, unique", fixed=True, ge=1, le=MAX_SYMBOL), WRITTEN]


class InstrumentTerms(InstrumentFields):
    """Terms of one symbol (FIX 55)."""

    id: InstrumentId


class AccountFields(ReferenceData):
    """An account's terms without its number, which events call `account_id`. Values are in the instrument's currency.

    A limit without a section of its own has its default in `account_limits`.
    """

    max_order_value: Annotated[
        Decimal, amount("price times quantity times multiplier of one order, at most", unit=VALUE, gt=0), WRITTEN
    ]
    max_daily_orders: Annotated[
        int, about("orders accepted in one UTC day of log time, at most", ge=0, le=MAX_DAILY_ORDERS), WRITTEN
    ]
    min_order_size: Annotated[
        Decimal,
        amount("the value of an order, at least: what exchanges call minimum notional", unit=VALUE, ge=0),
        WRITTEN,
    ] = Decimal(0)
    max_slippage_bps: Annotated[
        Decimal,
        amount("how far through the touch a price may reach", unit="bps", section="order_params", ge=0, le=BPS),
        WRITTEN,
    ] = Decimal(10)
    venue: Annotated[VenueName | None, _own_venue("of it", "the instrument's", "100 ExDestination")] = None


AccountId = Annotated[
    int, about("the account's number in records, unique", fixed=True, ge=1, le=MAX_ACCOUNT_ID), WRITTEN
]


class AccountTerms(AccountFields):
    """Limits of one account (FIX 1)."""

    id: AccountId

    @model_validator(mode="after")
    def _some_order_can_pass(self) -> Self:
        if self.min_order_size > self.max_order_value:
            raise ValueError(
                f"min_order_size: {canonical(self.min_order_size)} must be at most max_order_value, "
                f"{canonical(self.max_order_value)}: no order could pass"
            )
        return self


def written(value: Any) -> Any:
    """Return a value as canonical JSON has it: a Decimal as plain text without superfluous zeros, a code as text."""
    match value:
        case Decimal():
            return canonical(value)
        case StrEnum():
            return value.value
        case ReferenceData():
            return value.values()
        case Mapping():
            return {key: written(each) for key, each in value.items()}
        case _:
            return value


def canonical_json(fields: Mapping[str, Any]) -> bytes:
    """Return fields as JSON: equal values give equal bytes, however their numbers were written."""
    return orjson.dumps(written(fields), option=orjson.OPT_SORT_KEYS)


class Numbered(Protocol):
    """What has a number of its own."""

    @property
    def id(self) -> int:
        """The number, unique among its kind."""


def with_anothers_id(items: Mapping[str, Numbered]) -> Iterator[tuple[str, str]]:
    """Yield each name whose number an earlier one has, and that one."""
    owners: dict[int, str] = {}
    for name, item in items.items():
        owner = owners.setdefault(item.id, name)
        if owner != name:
            yield name, owner
