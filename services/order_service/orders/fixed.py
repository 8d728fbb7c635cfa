"""What of a configuration may not change once there are orders, books and positions.

Flows in: the state, and a configuration that came. Flows out: nothing, or the sentence that refuses it. Never changes
anything; which fields are fixed is said where they are defined (`messages.reference`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.reference import AccountTerms
from fillstream.libs.common.messages.terms import ReferenceData
from fillstream.services.order_service.orders.config import DeskConfig

if TYPE_CHECKING:
    from fillstream.services.order_service.orders.state import State


def check_fixed(state: State, config: DeskConfig) -> None:
    """Refuse a configuration that changes what is fixed.

    Raises:
        BadEntry: venue_changed, instrument_changed or account_changed.
    """
    _check_venues(state, config)
    for symbol, item in config.instruments.items():
        known = state.instruments.get(symbol)
        owner = state.symbols.get(item.id, symbol)
        if owner != symbol:
            raise BadEntry("instrument_changed", f"instruments.{symbol}.id: {item.id} is {owner}'s for good")
        for name, new, old in _changes(state.config, known, item, config) if known else ():
            raise BadEntry(
                "instrument_changed",
                f"instruments.{symbol}.{name}: {new} cannot replace {old}: orders, books and positions are "
                "counted in it; define a new symbol",
            )
    _check_accounts(state, config)


def _check_venues(state: State, config: DeskConfig) -> None:
    for name, venue in config.venues.items() if state.configured else ():
        if name in state.venues and state.venues[name].simulated != venue.simulated:
            text = f"venues.{name}.simulated: {venue.simulated} must stay {state.venues[name].simulated}"
            raise BadEntry("venue_changed", f"{text}: accounts trade there for money, or for none; name a new venue")


def _check_accounts(state: State, config: DeskConfig) -> None:
    numbers = {item.id: name for name, item in state.accounts.items()}
    for account, limits in config.accounts.items():
        before = state.accounts.get(account)
        owner = numbers.get(limits.id, account)
        if owner != account or (before and before.id != limits.id):
            raise BadEntry(
                "account_changed",
                f"accounts.{account}.id: {limits.id} must be the account's own for good; "
                f"{owner} has {limits.id if owner != account else before and before.id}",
            )
        for name, new, old in _changes(state.config, before, limits, config) if before else ():
            text = f"accounts.{account}.{name}: {new} cannot replace {old}: it is the account's own for good"
            raise BadEntry("account_changed", text)


def _changes(
    was: DeskConfig, before: ReferenceData, after: ReferenceData, config: DeskConfig
) -> Iterator[tuple[str, object, object]]:
    """Yield name, new and old value of what changed and must not.

    The desk's venue is no term: what names none follows it, and may come to name the one that it has had so far.
    So does an account without a mode.
    """
    for name in before.fixed():
        old, new = getattr(before, name), getattr(after, name)
        if name == "venue" and old != new:
            old, new = old or was.venue, new or config.venue
        if name == "mode" and old is None and isinstance(before, AccountTerms):
            old = new and was.mode_of(before)
        if old != new:
            yield name, new, old
