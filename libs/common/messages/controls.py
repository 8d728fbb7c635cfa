"""Controls: what an operator tells the desk, in the field `control` of an entry of `orders.{a}`.

Flows in: the field's bytes. Flows out: a validated model, or `BadEntry`. Never decides whether a control takes effect:
that is the orders stage's.

Whoever may append to `signals` may ask for trades, no more. A control is appended to the inbox of the account's
partition itself, by the Redis user `operator`; one for the whole desk goes to every partition under the same id. Each
names who wants it, a reason and a `control_id`: the same one again changes nothing.

To add a kind is to add a class here and to `AnyControl`, and its handler in `order_service.orders.control.controls`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args

import orjson
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    create_model,
    model_validator,
)

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.base import Amount, Flag, Id, Message, Name, OrderId, Price, exact_number, type_of
from fillstream.libs.common.messages.codes import Adjustment
from fillstream.libs.common.messages.reference import AccountFields, VenueName
from fillstream.libs.common.messages.sentences import sentences
from fillstream.libs.common.messages.terms import FIXED, ReferenceData, own_type, said_of, written
from fillstream.libs.common.values.money import MAX_DIGITS, canonical
from fillstream.libs.common.values.naming import shorten
from fillstream.libs.common.values.versions import Unreadable

CONTROL = b"control"
"""The field of the entry."""
MAX_REASON = 500
MAX_LOSS = 2_000
MAX_CONTROL_BYTES = 65_536
"""A control may not be larger (bytes)."""
LIMITS: Final = tuple(name for name in AccountFields.model_fields if not said_of(AccountFields, name, FIXED))
"""What of an account's terms may be overridden."""
MOST_CAUSES = 5
MONEY_DECIMALS = 18
"""Money of accounts has at most so many decimals."""


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) and value.isascii() else value


def _limit(name: str) -> Any:
    """Return an account's term as one that may be left out: with its own type, bounds and meaning."""
    field = AccountFields.model_fields[name]
    return own_type(field), Field(default=None, description=field.description)


def _is_limit(name: str) -> str:
    if name not in LIMITS:
        raise ValueError(f"must be one of {', '.join(LIMITS)}")
    return name


def _names_some(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("must name at least one, or be left out to reset all")
    return names


RATIO = r"^[1-9][0-9]{0,5}:[1-9][0-9]{0,5}$"
Ratio = Annotated[str, StringConstraints(pattern=RATIO)]


def split_ratio(text: str) -> tuple[int, int]:
    """Return how many lots a split makes of how many, of NEW:OLD."""
    new, old = text.split(":")
    return int(new), int(old)


LimitName = Annotated[Name, AfterValidator(_is_limit)]

if TYPE_CHECKING:
    LimitValues = ReferenceData
else:
    LimitValues = create_model(
        "LimitValues",
        __base__=ReferenceData,
        __doc__="Any of an account's limits; what is not there stays as it is.",
        **{name: _limit(name) for name in LIMITS},
    )


class Control(Message):
    """What every control says: who wants it and why, under an id that makes it safe to send again."""

    control_id: Id
    who: Name
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_REASON)] = Field(
        description="in the operator's words"
    )

    @property
    def kind(self) -> str:
        """What its `type` says."""
        return type_of(type(self))

    @property
    def of_account(self) -> str | None:
        """The account it is about, None of one for the whole desk."""
        return None


class OfAccount(Control):
    """A control about one account."""

    account: Name

    @property
    def of_account(self) -> str | None:
        """The account it is about."""
        return self.account


class OfAccountOrDesk(Control):
    """A control about one account, or without one about the whole desk: then each partition gets it."""

    account: Name | None = Field(default=None, description="null: the whole desk")

    @property
    def of_account(self) -> str | None:
        """The account it is about, None for the whole desk."""
        return self.account


class SetLimits(OfAccount):
    """Override limits of an account. They go before the file's values until they are reset."""

    type: Literal["SetLimits"] = "SetLimits"
    limits: LimitValues

    @model_validator(mode="after")
    def _sets_something(self) -> SetLimits:
        if not self.values:
            raise ValueError(
                f"limits: must name at least one, as max_order_value; docs/limits.md has all {len(LIMITS)}"
            )
        return self

    @property
    def values(self) -> dict[str, Any]:
        """The limits that it names, as JSON has them, in the order of the terms."""
        return {name: written(getattr(self.limits, name)) for name in LIMITS if name in self.limits.model_fields_set}


class ResetLimits(OfAccount):
    """Let the file's values count again: of the named limits, or of all when `fields` is absent."""

    type: Literal["ResetLimits"] = "ResetLimits"
    fields: Annotated[tuple[LimitName, ...], AfterValidator(_names_some)] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The limits that it resets."""
        return LIMITS if self.fields is None else self.fields


class AcceptLoss(Control):
    """What a person accepted so that a stage that had stopped could go on (`fillstream recover`).

    It changes nothing: the stage itself acts on the acceptance, and sends this so that the journal has it.
    """

    type: Literal["AcceptLoss"] = "AcceptLoss"
    stage: Name = Field(description="the process, as `orders` or `engine-SIM2`")
    page: Name = Field(description="of the runbook, as `entries-lost`")
    loss: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_LOSS)] = Field(
        description="the sentence with which the stage had stopped"
    )


class Halt(OfAccountOrDesk):
    """Take nothing new from now on, and unless `cancel` is false take off what works: the kill switch.

    Cancels go through, and so does an amendment that only takes quantity away. What the desk itself holds is not sent
    when its time or price comes, but canceled.
    """

    type: Literal["Halt"] = "Halt"
    cancel: Flag = Field(default=True, description="whether everything that works is canceled, too")
    keep_protective: Flag = Field(
        default=False,
        description="whether reduce-only orders and stops against what is held stay, and go when their price comes",
    )


class Reduce(OfAccountOrDesk):
    """Take only what reduces from now on: with all that works on its side, no more than is held."""

    type: Literal["Reduce"] = "Reduce"


class Resume(OfAccountOrDesk):
    """Take everything again. An account of a desk that is halted itself waits for the desk."""

    type: Literal["Resume"] = "Resume"


CORPORATE = frozenset((Adjustment.SPLIT, Adjustment.SYMBOL_CHANGE))
"""Adjustments of an instrument and not of cash: of one account, or of all that hold it."""


class AdjustAccount(OfAccountOrDesk):
    """Put cash into an account, or take it out, without a trade; split what is held of an instrument, or rename it.

    Limits on equity and buying power stand on it. A split makes NEW of OLD lots by its `ratio`, a change of symbol
    makes what is held of `symbol` one of `new_symbol`, in one account or in all of the desk, at the same total cost;
    both are refused while orders of the instrument work there.
    """

    type: Literal["AdjustAccount"] = "AdjustAccount"
    adjustment: Annotated[Adjustment, BeforeValidator(_upper)] = Field(description="what it is for")
    amount: (
        Annotated[
            Decimal,
            Field(max_digits=MAX_DIGITS, allow_inf_nan=False),
            BeforeValidator(exact_number),
        ]
        | None
    ) = Field(
        default=None,
        description="above 0 of a deposit and of a withdrawal; of the others below 0 what is paid; none of a split "
        "and of a change of symbol",
    )
    currency: Name | None = Field(default=None, description="the account's, which is meant where none is said")
    symbol: Name | None = Field(default=None, description="the instrument that paid, was paid for, is split or renamed")
    ratio: Ratio | None = Field(default=None, description="of a split: NEW:OLD, 2:1 doubles what is held")
    new_symbol: Name | None = Field(default=None, description="of a change of symbol: what it is called from now on")

    @model_validator(mode="after")
    def _renaming_fits(self) -> AdjustAccount:
        if self.adjustment is not Adjustment.SYMBOL_CHANGE:
            if self.new_symbol is not None:
                raise ValueError(f"new_symbol: {self.new_symbol} is for a SYMBOL_CHANGE, this is a {self.adjustment}")
            return self
        if self.symbol is None:
            raise ValueError("symbol: a SYMBOL_CHANGE needs that of before")
        if self.new_symbol is None:
            raise ValueError("new_symbol: a SYMBOL_CHANGE needs the symbol from now on")
        if self.symbol == self.new_symbol:
            raise ValueError(f"new_symbol: {self.new_symbol} changes nothing")
        return self

    @model_validator(mode="after")
    def _split_fits(self) -> AdjustAccount:
        if self.adjustment is not Adjustment.SPLIT:
            if self.ratio is not None:
                raise ValueError(f"ratio: {self.ratio} is for a SPLIT, this is a {self.adjustment}")
            if self.account is None and self.adjustment not in CORPORATE:
                raise ValueError(f"account: must be named, a {self.adjustment} is of one account")
            return self
        if self.symbol is None:
            raise ValueError("symbol: a SPLIT needs the instrument that it is of")
        if self.ratio is None:
            raise ValueError("ratio: a SPLIT needs NEW:OLD, as 2:1")
        if self.made_of[0] == self.made_of[1]:
            raise ValueError(f"ratio: {self.ratio} changes nothing")
        return self

    @model_validator(mode="after")
    def _amount_fits(self) -> AdjustAccount:
        if self.adjustment in CORPORATE:
            if self.amount is not None:
                told = f"is none of a {self.adjustment}, which moves no cash"
                raise ValueError(f"amount: {canonical(self.amount)} {told}")
            return self
        if self.amount is None:
            raise ValueError(f"amount: must be said of a {self.adjustment}")
        one_way = self.adjustment in (Adjustment.DEPOSIT, Adjustment.WITHDRAWAL)
        exponent = self.amount.as_tuple().exponent
        if isinstance(exponent, int) and exponent < -MONEY_DECIMALS:
            raise ValueError(f"amount: {canonical(self.amount)} must have at most {MONEY_DECIMALS} decimals")
        if not self.amount or (one_way and self.amount < 0):
            rule = "above 0" if one_way else "other than 0"
            raise ValueError(f"amount: {canonical(self.amount)} must be {rule}, it is a {self.adjustment}")
        return self

    @property
    def cash(self) -> Decimal:
        """What the account has more, below 0 what it has less."""
        amount = Decimal(0) if self.amount is None else self.amount
        return -amount if self.adjustment is Adjustment.WITHDRAWAL else amount

    @property
    def made_of(self) -> tuple[int, int]:
        """How many lots a split makes of how many."""
        assert self.ratio is not None, "it is a split"
        return split_ratio(self.ratio)


class SwitchAlias(OfAccount):
    """Let an alias point to another of its accounts, `main` to `main@live`: refused while orders of either work.

    Its `account` is the alias. What came by it before stays the account's that it pointed to.
    """

    type: Literal["SwitchAlias"] = "SwitchAlias"
    to: Name | None = Field(default=None, description="the account; null: where the file says, until it says otherwise")


class SwitchRule(Control):
    """Switch a rule of the desk on or off. Each partition gets it; on again, one that had failed is looked at anew."""

    type: Literal["SwitchRule"] = "SwitchRule"
    rule_id: Name
    enabled: Flag | None = Field(default=None, description="null: as the file says, until it says otherwise")


class OfOrder(Control):
    """A control about one order that waits for a person's yes. It goes to the partition of the order's number."""

    order_id: OrderId


class Approve(OfOrder):
    """Let an order go that waits for it, as it is, or smaller, or at a less aggressive price."""

    type: Literal["Approve"] = "Approve"
    quantity: Amount | None = Field(default=None, description="the new total, at most what was asked for")
    price: Price | None = Field(default=None, description="of a buy at most, of a sell at least what was asked for")


class Refuse(OfOrder):
    """Cancel an order that waits for an approval."""

    type: Literal["Refuse"] = "Refuse"


class Reconcile(OfAccountOrDesk):
    """Ask venues for what they have, compare it with the desk, and state what the desk holds for others to compare."""

    type: Literal["Reconcile"] = "Reconcile"
    venue: VenueName | None = Field(default=None, description="null: all of them")


AnyControl = (
    SetLimits
    | ResetLimits
    | AcceptLoss
    | Halt
    | Reduce
    | Resume
    | AdjustAccount
    | SwitchAlias
    | SwitchRule
    | Approve
    | Refuse
    | Reconcile
)
CONTROLS: Final[dict[str, type[Control]]] = {type_of(each): each for each in get_args(AnyControl)}
"""By `type`."""


class LimitRisk(Message):
    """Let an account only reduce, or not trade at all, as a limit on its risk is broken: the positions stage's word.

    The orders stage takes it as a control Reduce or Halt of that id, by `positions`; an operator's Resume ends it.
    """

    type: Literal["LimitRisk"] = "LimitRisk"
    signal_id: Id = Field(description="the control's id")
    account: Name
    action: Literal["REDUCE", "HALT"]
    reason: str = Field(min_length=1, max_length=MAX_REASON)
    signal_time: int


def read_control(data: bytes) -> Control:
    """Return the control in an entry's field.

    Raises:
        BadEntry: too_large, bad_json, unknown_type, missing_field, unknown_field or bad_value.
    """
    if len(data) > MAX_CONTROL_BYTES:
        raise BadEntry("too_large", f"control: has {len(data)} bytes, at most {MAX_CONTROL_BYTES} are taken")
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:  # its wording may change with orjson, and a replay must not
        raise BadEntry("bad_json", f"control: must be JSON, {len(data)} bytes are not") from None
    if not isinstance(document, dict):
        raise BadEntry("bad_json", f"control: must be a JSON object, got {shorten(document)}")
    kind = document.get("type")
    model = CONTROLS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise BadEntry("unknown_type", f"control.type: {shorten(kind)} must be one of {', '.join(CONTROLS)}")
    try:
        return model.model_validate(document)
    except Unreadable as error:
        raise BadEntry("bad_value", f"control: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]["type"]
        raise BadEntry(_REASONS.get(first, "bad_value"), sentences(error, MOST_CAUSES)) from None


_REASONS = {"missing": "missing_field", "extra_forbidden": "unknown_field"}


def canonical_control(control: Control) -> bytes:
    """Return a control as JSON: equal ones give equal bytes, however their numbers were written."""
    fields = {name: written(value) for name, value in control if value is not None}
    if isinstance(control, SetLimits):
        fields["limits"] = control.values
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
