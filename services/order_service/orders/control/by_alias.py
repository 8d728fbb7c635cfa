"""Instructions that name an alias: whose they are, and that what comes of them says so.

Flows in: an instruction whose account is an alias. Flows out: the same, of an account, to whoever takes it. Never
switches an alias, never judges what is asked for.

What is new goes to the account that the alias points to. What is about an order finds it in whichever of the alias's
accounts it is: a cancel, an amendment, the state of an order; and a client_order_id that came by the alias is one of
all its accounts, so that an order which is sent again after a switch is answered with the first one, and not doubled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fillstream.services.order_service.orders.decode import client_name
from fillstream.services.order_service.orders.instructions import (
    Cancel,
    CancelList,
    Close,
    Instruction,
    New,
    NewList,
    Pause,
    Replace,
    Resume,
    Status,
)
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.state import State


class ByAlias:
    """The part of the fold that takes instructions by an alias.

    Args:
        state: has the aliases.
        journal: puts the alias into what it tells of them.
        handlers: by the instruction's class.
    """

    __slots__ = ("_handlers", "_journal", "_state")

    def __init__(self, state: State, journal: Journal, handlers: Mapping[type, Callable[[Any], None]]) -> None:
        self._state = state
        self._journal = journal
        self._handlers = handlers

    def take(self, wish: Instruction) -> None:
        """Have an instruction done for the account that is meant.

        Raises:
            BadEntry: as whoever takes it.
        """
        alias, journal = wish.account, self._journal
        journal.named(alias)
        try:
            self._handlers[type(wish)](_of(wish, self._meant(wish, alias)))
        finally:
            journal.named(None)

    def _meant(self, wish: Instruction, alias: str) -> str:
        """Return whose an instruction is."""
        aliases = self._state.aliases
        points = aliases.points[alias]
        client = None
        match wish:
            case New() | Close():
                client = wish.client_order_id
            case NewList():
                client = wish.orders[0].client_order_id
            case CancelList():
                lists = self._state.families.lists
                return next((a for a in (points, *aliases.accounts[alias]) if (a, wish.list_id) in lists), points)
            case Cancel() | Replace() | Status() | Pause() | Resume():
                if wish.order_id is not None:
                    order = self._state.find(int(wish.order_id))
                    return order.account if order is not None and order.account in aliases.accounts[alias] else points
                _, client = client_name(wish)
        if client is not None:
            clients = self._state.clients
            for account in (points, *aliases.accounts[alias]):
                if client in clients.get(account, ()):
                    return account
        return points


def _of(wish: Instruction, account: str) -> Instruction:
    """Return an instruction as this account's."""
    if isinstance(wish, NewList):
        wish = wish._replace(orders=tuple(order._replace(account=account) for order in wish.orders))
    return wish._replace(account=account)
