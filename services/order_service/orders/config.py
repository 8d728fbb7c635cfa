"""What the desk trades, for whom and within which limits: the configuration that decisions depend on.

Flows in: the settings' terms (by way of the service's `app`), or JSON from the inbox. Flows out: a frozen DeskConfig,
or the same as canonical JSON. Never reads a file; never holds what no decision depends on.

Equal configurations give equal JSON, however their numbers were written: that is how a stage sees that it has one.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from fillstream.libs.common.messages.base import Name, PlainOrderType, PlainTimeInForce
from fillstream.libs.common.messages.codes import DEFAULT_ORDER_TYPE, DEFAULT_TIME_IN_FORCE, IDEMPOTENCY_MS, AccountMode
from fillstream.libs.common.messages.modes import mode_at, wrong_aliases, wrong_modes
from fillstream.libs.common.messages.numbered import with_anothers_id
from fillstream.libs.common.messages.reference import (
    DAY_MS,
    AccountTerms,
    InstrumentTerms,
    Milliseconds,
    VenueName,
    VenueTerms,
)
from fillstream.libs.common.messages.routing import NOT_ROUTED, RoutingTerms, wrong_venues
from fillstream.libs.common.messages.rule_terms import RuleTerms, check_unique
from fillstream.libs.common.messages.terms import Entered, about
from fillstream.libs.common.messages.topology import SIM
from fillstream.services.order_service.orders.routing.routes import wrong_policies

__all__ = ["DAY_MS", "DeskConfig", "day_end"]


def _text(value: Any) -> Any:
    """Keep Python's enumerations from quoting what a list of a thousand lists holds."""
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return value


def day_end(ms: int) -> int:
    """Return when the UTC day of a millisecond ends, and DAY orders that came in it."""
    return (ms // DAY_MS + 1) * DAY_MS


class DeskConfig(Entered):
    """Everything a decision of the orders stage depends on.

    Raises:
        pydantic.ValidationError: a ValueError; `from_json` says the same in sentences.
    """

    # The rest has been added since, or may be: without it the defaults below count.
    NEEDED: ClassVar[tuple[str, ...]] = ("instruments", "accounts")

    instruments: Annotated[dict[Name, InstrumentTerms], Field(description="by symbol")] = Field(default_factory=dict)
    accounts: Annotated[dict[Name, AccountTerms], Field(description="by name")] = Field(default_factory=dict)
    default_order_type: Annotated[
        PlainOrderType, BeforeValidator(_text), Field(description="of a signal with neither order_type nor price")
    ] = DEFAULT_ORDER_TYPE
    default_time_in_force: Annotated[
        PlainTimeInForce, BeforeValidator(_text), Field(description="of a signal without time_in_force")
    ] = DEFAULT_TIME_IN_FORCE
    retention_ms: Annotated[Milliseconds, Field(description="a finished order stays in the state this long")] = (
        3_600_000
    )
    idempotency_ms: Annotated[Milliseconds, Field(description="a client_order_id is remembered at least this long")] = (
        IDEMPOTENCY_MS
    )
    venue: Annotated[VenueName, Field(description="where orders go whose account and instrument name none")] = SIM
    venues: Annotated[dict[VenueName, VenueTerms], Field(description="by name")] = Field(
        default_factory=lambda: {SIM: VenueTerms()}
    )
    """A log from before there were several is of SIM alone."""
    max_quote_age_ms: Annotated[
        Milliseconds,
        Field(description="an order that reaches the quote is refused when that is older; 0 is no limit"),
    ] = 0
    """A log from before there was this limit was decided without it."""

    execution_timeout_ms: Annotated[
        Milliseconds,
        about(
            "a venue that has not answered a request for so long is late, which is told; 0: never", unit="ms", rare=True
        ),
    ] = 0
    """A log from before there was this timeout was decided without it."""

    state_holdings_every_ms: Annotated[
        Milliseconds,
        about(
            "what accounts hold is stated in the journal so often, where it changed, for others to compare; 0: never",
            unit="ms", rare=True,
        ),
    ] = 0  # fmt: skip
    """Likewise."""

    aliases: Annotated[
        dict[Name, Name],
        about("names that point to one of several accounts until an operator switches them, `main` to `main@paper`",
              rare=True),
    ] = {}  # noqa: RUF012 - pydantic gives each model its own  # fmt: skip

    routing: Annotated[RoutingTerms, about("which orders are routed over which venues, and how", rare=True)] = (
        NOT_ROUTED
    )
    """A log from before there was routing was decided without it."""

    rules: Annotated[tuple[RuleTerms, ...], about("what is done by itself when something happens", rare=True)] = ()
    """Likewise; the positions stage has them, by way of the journal."""

    @model_validator(mode="after")
    def _rules_are_unique(self) -> Self:
        check_unique(self.rules)
        return self

    @model_validator(mode="after")
    def _numbers_are_unique(self) -> Self:
        for where, items in (("instruments", self.instruments), ("accounts", self.accounts)):
            for name, owner in with_anothers_id(items):
                raise ValueError(f"{where}.{name}.id: must be unique, {items[name].id} is {owner}'s")
        return self

    @model_validator(mode="after")
    def _venues_are_there(self) -> Self:
        named = {"venue": self.venue}
        named |= {f"instruments.{name}.venue": item.venue for name, item in self.instruments.items() if item.venue}
        named |= {f"accounts.{name}.venue": item.venue for name, item in self.accounts.items() if item.venue}
        for where, venue in named.items():
            if venue not in self.venues:
                raise ValueError(f"{where}: {venue} must be one of the venues {', '.join(self.venues)}")
        return self

    @model_validator(mode="after")
    def _aliases_and_modes_are_right(self) -> Self:
        for alias, text in wrong_aliases(self.aliases, self.accounts):
            raise ValueError(f"aliases.{alias}: {text}")
        for account, text in wrong_modes(self.accounts, self.venues):
            raise ValueError(f"accounts.{account}.mode: {text}")
        return self

    @model_validator(mode="after")
    def _routes_lead_somewhere(self) -> Self:
        for where, text in (*wrong_policies(self.routing), *wrong_venues(self.routing, self.venues)):
            raise ValueError(f"routing.{where}: {text}")
        return self

    def mode_of(self, account: AccountTerms) -> AccountMode | None:
        """Return an account's mode: its own, else that of the venues its orders go to; None where these differ."""
        if account.mode is not None:
            return account.mode
        venues = {account.venue} if account.venue else {self.home_of(item) for item in self.instruments.values()}
        modes = {mode_at(self.venues[name]) for name in venues}
        return modes.pop() if len(modes) == 1 else None

    def with_mode(self, account: str) -> str:
        """Return an account's name with its mode, for sentences."""
        return f"{account} ({self.mode_of(self.accounts[account]) or 'as its venues are'})"

    def home_of(self, instrument: InstrumentTerms) -> str:
        """Return the venue of an instrument, whose quotes mark it: its own, else the desk's."""
        return instrument.venue or self.venue

    def venue_of(self, account: AccountTerms, instrument: InstrumentTerms) -> str:
        """Return where an account's orders in an instrument go: the account's venue, else the instrument's."""
        return account.venue or self.home_of(instrument)
