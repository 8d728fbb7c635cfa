"""Aliases and modes: what must hold between accounts, the names they go by, and the venues their orders reach.

Flows in: terms by name. Flows out: modes; a sentence for each contradiction. Never knows orders, or where an alias was
switched to: that is the orders stage's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fillstream.libs.common.messages.codes import AccountMode
from fillstream.libs.common.messages.reference import AccountTerms, VenueTerms
from fillstream.libs.common.messages.topology import OWN, alias_of

LIVE, PAPER = AccountMode.LIVE, AccountMode.PAPER


def mode_at(venue: VenueTerms) -> AccountMode:
    """Return what an order is that goes to a venue: a simulated one takes PAPER, others LIVE."""
    return PAPER if venue.simulated else LIVE


def contradicts(account: AccountTerms, venue: VenueTerms) -> bool:
    """Say whether no order of an account may go to a venue."""
    return account.mode is not None and account.mode is not mode_at(venue)


def wrong_aliases(aliases: Mapping[str, str], accounts: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield each alias that cannot be one, and why.

    Its accounts are called by its name, `@` and a word of their own, since those of one name live in one partition,
    where one fold decides when it is switched.
    """
    for alias, account in aliases.items():
        if alias in accounts:
            yield alias, f"{alias} is an account; an alias is a name of its own"
        elif OWN in alias:
            yield alias, f"an alias has no {OWN} in its name: what its accounts are called begins with it"
        elif account not in accounts:
            yield alias, f"{account} must be an account"
        elif alias_of(account) != alias:
            yield alias, f"{account} must be called {alias}{OWN} and a word: an alias's accounts live in its partition"


def wrong_modes(accounts: Mapping[str, AccountTerms], venues: Mapping[str, VenueTerms]) -> Iterator[tuple[str, str]]:
    """Yield each account whose venue takes no order of its mode, and why."""
    for name, account in accounts.items():
        if account.venue is None or account.venue not in venues or not contradicts(account, venues[account.venue]):
            continue
        kind = "simulated" if venues[account.venue].simulated else "not simulated"
        yield name, f"{account.mode} contradicts its venue, {account.venue} is {kind}"
