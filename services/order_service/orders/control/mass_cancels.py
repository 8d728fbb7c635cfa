"""Many orders canceled at once: a halt's, and a client's own.

Flows in: which orders are meant. Flows out: one MassCancelRequested; mass cancels to venues, and cancels of single
orders where a venue has no word for what is meant; the end of what the desk itself holds. Never decides who may ask.

A venue knows accounts, instruments and sides. What it cannot tell apart, a strategy's orders and what is kept beside
others of the same instrument and side, is canceled one by one. No entry sends more than about `MOST_OUTPUTS`: what is
left stands in the state, and a timer goes on with it at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import CancelReason, RejectReason
from fillstream.libs.common.messages.topology import SIM, Topology, stream_name
from fillstream.libs.common.runtime.stage import MOST_OUTPUTS
from fillstream.services.order_service.orders.commands import Commands
from fillstream.services.order_service.orders.control.meant import Done, Meant
from fillstream.services.order_service.orders.holding.hedged import Position, position_of
from fillstream.services.order_service.orders.instructions import All
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import FINAL, WORKED, Order
from fillstream.services.order_service.orders.state import MASS, State
from fillstream.services.order_service.orders.waiting.desk import Desk, is_protective

MOST_NAMED = 100
"""So many bare positions are told by name; of all there is the number."""
_HELD = "canceled with all others, before it went to a venue"
_WORKED = "canceled with all others"


class MassCancels:
    """The part of the fold that cancels many orders.

    Args:
        state: whose orders they are.
        journal, commands: where what becomes of them goes.
        desk: has the orders that are held.
        topology: how many books there are to a venue.
        partition: of the accounts.
    """

    __slots__ = ("_commands", "_desk", "_journal", "_partition", "_state", "_topology")

    def __init__(
        self, state: State, journal: Journal, commands: Commands, desk: Desk, topology: Topology, partition: int
    ) -> None:
        self._state = state
        self._journal = journal
        self._commands = commands
        self._desk = desk
        self._topology = topology
        self._partition = partition

    def take(self, wish: All) -> None:
        """Do what a client's CancelAll asks for, or say why not.

        Raises:
            BadEntry: wrong_partition for another partition's account.
        """
        state = self._state
        if not state.knows(wish.account):
            owner = self._topology.account_partition(wish.account)
            if owner != self._partition:
                text = f"account: {wish.account} is of partition {owner}, this is {self._partition}"
                raise BadEntry("wrong_partition", text)
            text = f"account: {wish.account} is not an account of this desk"
            return self._refuse(wish, RejectReason.UNKNOWN_ACCOUNT, text)
        if wish.symbol is not None and wish.symbol not in state.instruments:
            text = f"symbol: {wish.symbol} is not an instrument of this desk"
            return self._refuse(wish, RejectReason.UNKNOWN_SYMBOL, text)
        meant = Meant(wish.account, wish.symbol, wish.strategy, wish.side)
        done, gone, kept = self.survey(meant, keep=False)
        self._journal.mass_cancel_requested(done, meant, signal_id=wish.signal_id)
        return self.begin(meant, gone, kept)

    def _refuse(self, wish: All, reason: RejectReason, text: str) -> None:
        self._journal.signal_refused("CancelAll", wish.signal_id, wish.account, reason, text)

    def survey(self, meant: Meant, keep: bool) -> tuple[Done, list[Order], list[Order]]:
        """Return what there is, the orders to cancel, and those to keep; changes nothing."""
        gone: list[Order] = []
        kept: list[Order] = []
        held = 0
        for order in self._live(meant):
            if keep and is_protective(order):
                kept.append(order)
                continue
            gone.append(order)
            held += order.is_held
        bare = [*self._bare(meant, kept)]
        return Done(len(gone) - held, held, len(kept), bare[:MOST_NAMED], len(bare)), gone, kept

    def begin(self, meant: Meant, gone: list[Order], kept: list[Order]) -> None:
        """Cancel orders: as many at once as an entry may, the others from the next on.

        Args:
            meant: by whom they were chosen.
            gone, kept: as `survey` returned them.
        """
        canceling = self._state.canceling
        for order in gone:
            if order.links is not None and order.links.parent_id is not None:
                self._state.families.give_up(order)
        singles: list[Order] = []
        if meant.strategy is not None:
            singles = [order for order in gone if not order.is_held]
        elif kept:
            singles = self._around(gone, kept)
        else:
            for command in self._whole(meant, gone):
                canceling.append(command)
        canceling.extend((order.order_id,) for order in gone if order.is_held)
        canceling.extend((order.order_id,) for order in singles)
        self.go_on(MOST_OUTPUTS)

    def go_on(self, room: int) -> int:
        """Cancel on, `room` outputs at most; a timer goes on with the rest. Returns how many it sent, 1 at least."""
        state, sent = self._state, 0
        canceling = state.canceling
        while canceling and sent < room:
            sent += self._next(*canceling.popleft())
        if canceling:
            state.timers.add(self._journal.ms, 0, MASS)
        return max(1, sent)

    def _next(self, first: str | int, *rest: str | int) -> int:
        if isinstance(first, str):
            account, symbol, side = rest
            assert isinstance(account, int) and isinstance(symbol, int) and isinstance(side, int)
            self._commands.mass_cancel(first, account, symbol, side)
            return 1
        order = self._state.orders.get(first)
        if not isinstance(order, Order) or order.status in FINAL:
            return 0
        if order.is_held:
            self._desk.cancel(order, CancelReason.MASS_CANCEL, _WORKED if order.held == WORKED else _HELD)
            return 1
        if order.cancel_signal is not None:
            return 0
        order.request_cancel(order.mass_signal)
        self._journal.cancel_requested(order, order.mass_signal)
        self._commands.cancel(order)
        return 2

    # ------------------------------------------------------------- which ones

    def _live(self, meant: Meant) -> Iterator[Order]:
        """Yield the working orders that are meant, in the order of their ids where they are of all accounts."""
        state = self._state
        orders = state.live() if meant.account is None else state.orders_of(meant.account)
        for order in orders:
            if (
                order.status not in FINAL
                and (meant.symbol is None or order.terms.symbol == meant.symbol)
                and (meant.side is None or order.side == meant.side)
                and (meant.strategy is None or order.strategy == meant.strategy)
            ):
                yield order

    def _bare(self, meant: Meant, kept: Iterable[Order]) -> Iterator[str]:
        """Yield the open positions that what is kept does not cover whole."""
        covered: dict[Position, int] = {}
        for order in kept:
            position = position_of(order)
            lots = max(0, order.leaves - order.out)  # a stop and its targets close the same lots, and so do children
            covered[position] = covered.get(position, 0) + lots
        state = self._state
        for account, symbol, holding in state.holdings.positions():
            if meant.account is not None and account != meant.account:
                continue
            for name, held in [(None, holding)] if holding.hedged is None else sorted(holding.hedged.items()):
                lots = abs(held.quantity) - covered.get((account, symbol, name), 0)
                if lots > 0:
                    home = state.config.home_of(state.instruments[symbol])
                    text = state.terms[home][symbol].lot.text(lots if held.quantity > 0 else -lots)
                    yield f"{account} {symbol} {text}" + ("" if name is None else f" (position {name})")

    # -------------------------------------------------------- by which commands

    def _whole(self, meant: Meant, gone: list[Order]) -> Iterator[tuple[str, int, int, int]]:
        """Yield stream, account, instrument and side of the mass cancels of all that is meant; 0 for all.

        A venue's account 0 is every partition's accounts. So it is asked for only where there is one partition; else
        for each account that has an order there, which is all there is.
        """
        state = self._state
        symbol = state.instruments[meant.symbol].id if meant.symbol is not None else 0
        side = 0 if meant.side is None else 1 if meant.side == "BUY" else 2
        if meant.account is not None or self._topology.account_partitions == 1:
            account = 0 if meant.account is None else state.accounts[meant.account].id
            books = range(self._topology.symbol_partitions)
            if meant.symbol is not None:
                books = range((book := self._topology.symbol_partition(meant.symbol)), book + 1)
            for venue in sorted({SIM, *state.config.venues, *(order.venue for order in gone)}):
                for book in books:
                    yield stream_name("commands", book, venue), account, symbol, side
            return
        for stream, account in sorted({(o.terms.commands, o.account_id) for o in gone if not o.is_held}):
            yield stream, account, symbol, side

    def _around(self, gone: list[Order], kept: list[Order]) -> list[Order]:
        """Ask for all accounts, instruments and sides of which nothing is kept; return the orders beside what is."""
        keeping = {order.account_id for order in kept}
        groups = {(o.terms.commands, o.account_id, o.terms.id, o.side) for o in kept}
        whole: dict[tuple[str, int, int, int], None] = {}
        singles: list[Order] = []
        for order in gone:
            if order.is_held:
                continue
            terms = order.terms
            if order.account_id not in keeping:
                whole[terms.commands, order.account_id, 0, 0] = None
            elif (terms.commands, order.account_id, terms.id, order.side) not in groups:
                whole[terms.commands, order.account_id, terms.id, 1 if order.side == "BUY" else 2] = None
            else:
                singles.append(order)
        self._state.canceling.extend(whole)
        return singles
