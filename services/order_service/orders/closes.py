"""What closes positions, as it is asked for.

Flows in: ClosePosition; ExitPosition, which the positions stage sends. Flows out: the reduce-only order that comes of
it, as if it had been asked for; or why there is none. Where brackets protect the position, their exits give way first
(`groups.closing`); what an ExitPosition closes is what they leave.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from fillstream.libs.common.messages.codes import OrderType, RejectReason
from fillstream.libs.common.messages.special_terms import SpecialTerms
from fillstream.libs.common.values.money import canonical, multiply
from fillstream.services.order_service.orders import rules
from fillstream.services.order_service.orders.answering import used_text
from fillstream.services.order_service.orders.groups.closing import Closing
from fillstream.services.order_service.orders.holding.closing import closing_of, named_by
from fillstream.services.order_service.orders.instructions import Close, Exit, New
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.life.parts import Links
from fillstream.services.order_service.orders.rules import Draft, Reject
from fillstream.services.order_service.orders.state import State

Closed = tuple[str, int, str | None]
"""The side and the lots of what closes a position, and of an account that hedges which of its positions."""


class Closes:
    """The part of the fold that closes positions.

    Args:
        state: has them.
        journal: answers.
        closing: has exits give way.
        new: takes an order.
        find_limits: puts into a draft what an account may do in an instrument; False unless both are known.
        full: refuses what could not be remembered.
    """

    __slots__ = ("_closing", "_find_limits", "_full", "_journal", "_new", "_state")

    def __init__(
        self,
        state: State,
        journal: Journal,
        closing: Closing,
        new: Callable[[New], None],
        find_limits: Callable[[Draft], bool],
        full: Callable[[str, Close | Exit], None],
    ) -> None:
        self._state = state
        self._journal = journal
        self._closing = closing
        closing.close = self.close_now
        self._new = new
        self._find_limits = find_limits
        self._full = full

    def take(self, wish: Close) -> None:
        """Close a position, or a part of it: what is held less what closes already, exits of brackets left aside.

        Where a bracket's exits have what is to be closed, they give way first, and the order comes once they have.
        """
        state = self._state
        first = state.find_client(wish.account, wish.client_order_id)
        if first is not None:
            text = f"{used_text(wish.client_order_id, first)}; this signal changed nothing"
            return self._journal.status_reported(first, wish.account, wish.signal_id, text)
        if not state.has_room():
            return self._full("ClosePosition", wish)
        if self._closing.waits(wish.account, wish.client_order_id):
            text = f"client_order_id: {wish.client_order_id} is one that comes once exits have given way to it"
            return self._refuse_close(wish, Reject(RejectReason.DUPLICATE_SIGNAL, text))
        found = self._closes(wish, freed=True)
        if isinstance(found, Reject):
            return self._refuse_close(wish, found)
        _, lots, position_id = found
        position = (wish.account, wish.symbol, position_id)
        free = abs(state.holdings.at(position).reducible)
        if lots > free:
            named = wish if position_id is None else wish._replace(position_id=position_id)
            return self._closing.promise(named, position, lots - free, lots)
        self.close_now(wish)
        return None

    def close_now(self, wish: Close) -> Order | None:
        """Make the reduce-only order that closes what nothing else closes; return it where it was taken."""
        found = self._closes(wish)
        if isinstance(found, Reject):
            self._refuse_close(wish, found)
            return None
        return self._send(wish, *found, order_type=wish.order_type, price=wish.price, tif=wish.time_in_force)

    def exit(self, wish: Exit) -> None:
        """Close what is held, or a part of it, of what no bracket protects and nothing else closes already."""
        state = self._state
        first = state.find_client(wish.account, wish.client_order_id)
        if first is not None:
            text = f"{used_text(wish.client_order_id, first)}; this exit changed nothing"
            return self._journal.status_reported(first, wish.account, wish.signal_id, text)
        if not state.has_room():
            return self._full("ExitPosition", wish)
        found = self._exits(wish)
        if isinstance(found, Reject):
            return self._refuse_close(wish, found)
        self._send(wish, *found)
        return None

    def _exits(self, wish: Exit) -> Closed | Reject:
        """Return the side and the lots that an exit closes, or why it closes nothing."""
        found = self._closes(wish)
        if isinstance(found, Reject):
            return found
        side, lots, position_id = found
        free = self._closing.free_of((wish.account, wish.symbol, position_id))
        if free:
            return side, min(lots, free), position_id
        text = f"symbol: brackets protect all {wish.symbol} that {wish.account} holds and nothing closes yet"
        return Reject(RejectReason.NOTHING_TO_REDUCE, text)

    def _send(
        self,
        wish: Close | Exit,
        side: str,
        lots: int,
        position_id: str | None,
        *,
        order_type: str | None = None,
        price: str | None = None,
        tif: str | None = None,
    ) -> Order | None:
        """Take a reduce-only order of so many lots; return it where it was taken."""
        text = canonical(multiply(Decimal(lots), self._state.instruments[wish.symbol].lot_size))
        covered = self._state.holdings.holding(wish.account, wish.symbol).covered
        position_id = position_id or wish.position_id
        links = Links(None, None, position_id, wish.client_order_id if covered else None)
        self._new(
            New(
                wish.signal_id, wish.client_order_id, wish.account, wish.symbol, side, text,
                order_type or (OrderType.MARKET.value if isinstance(wish, Exit) else None), price, tif,
                wish.strategy, None, wish.signal_time, links if covered or position_id else None,
                SpecialTerms(reduce_only=True),
            )
        )  # fmt: skip
        made = self._state.find_client(wish.account, wish.client_order_id)
        return made if isinstance(made, Order) else None

    def _refuse_close(self, wish: Close | Exit, broken: Reject) -> None:
        assert isinstance(broken.reason, RejectReason), "rules of new orders refuse a close"
        kind = "ExitPosition" if isinstance(wish, Exit) else "ClosePosition"
        self._journal.signal_refused(kind, wish.signal_id, wish.account, broken.reason, broken.text)

    def _closes(self, wish: Close | Exit, freed: bool = False) -> Closed | Reject:
        """Return what closes a position, or why nothing does; `freed`: exits of brackets leave what they have of it."""
        draft = Draft()
        draft.account, draft.symbol, draft.ms = wish.account, wish.symbol, self._journal.ms
        draft.order_type = OrderType.MARKET.value
        if not self._find_limits(draft):
            broken = rules.KNOWN.first_broken(draft, self._state)
            assert broken is not None, "one of them is unknown"
            return broken
        self._state.count_working(wish.account)
        holding, lot = draft.limits.holding, draft.terms.lot
        position_id = None if holding.hedged is None else named_by(wish, holding, lot)
        if isinstance(position_id, Reject):
            return position_id
        exits = self._closing.exits_of((wish.account, wish.symbol, position_id)) if freed else 0
        found = closing_of(holding, wish, lot, exits, position_id)
        return found if isinstance(found, Reject) else (*found, position_id)
