"""Aliases: names that point to one of several accounts, `main` to `main@paper` or `main@live`.

Flows in: what the configuration says, and what an operator switched. Flows out: where each alias points. Never judges
whether one may be switched, never emits anything.

The file's account and the operator's are kept apart: a switch stands until it is reset, whatever is started again and
whatever a new file says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.topology import alias_of
from fillstream.services.order_service.orders.config import DeskConfig


class Aliases:
    """The aliases of one account partition.

    Attributes:
        points: to which account each points now.
        switched: to which an operator let it, where one did.
        accounts: all that go by its name, those that a file has lost included.
    """

    __slots__ = ("accounts", "points", "switched")

    def __init__(self) -> None:
        self.points: dict[str, str] = {}
        self.switched: dict[str, str] = {}
        self.accounts: dict[str, tuple[str, ...]] = {}

    def configure(self, config: DeskConfig, own: Mapping[str, object]) -> None:
        """Take the aliases of a configuration that point to one of the partition's `own` accounts."""
        mine = {alias: account for alias, account in sorted(config.aliases.items()) if account in own}
        self.points = {alias: self.switched.get(alias, account) for alias, account in mine.items()}
        named: dict[str, list[str]] = {alias: [] for alias in mine}
        for account in sorted(own):
            named.get(alias_of(account), []).append(account)
        self.accounts = {alias: tuple(accounts) for alias, accounts in named.items()}

    def check(self, config: DeskConfig, working: Callable[[str], int]) -> None:
        """Check that a configuration moves no alias under orders that work, and loses no account it was switched to.

        Args:
            config: the new one.
            working: how many orders of an account work.

        Raises:
            BadEntry: override_conflict, orders_work.
        """
        for alias, before in self.points.items():
            account = self.switched.get(alias, config.aliases.get(alias))
            if account is None or alias not in config.aliases:
                continue
            if account not in config.accounts:
                raise BadEntry(
                    "override_conflict",
                    f"aliases.{alias}: was switched to {account}, which must stay an account; switch it back first "
                    f"(`fillstream switch {alias} --reset`)",
                )
            orders = {name: working(name) for name in (before, account)} if account != before else {}
            if any(orders.values()):
                told = " and ".join(f"{count} of {name}" for name, count in orders.items())
                raise BadEntry("orders_work", f"aliases.{alias}: {account} cannot replace {before} while {told} work")

    def switch(self, alias: str, account: str, reset: bool) -> None:
        """Let an alias point to an account: as long as the file says so, with `reset`; else until it is reset."""
        self.points[alias] = account
        self.switched.pop(alias, None)
        if not reset:
            self.switched[alias] = account
