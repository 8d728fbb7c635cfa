"""What accounts hold by the orders stage, stated at a place of the journal: for the positions stage to compare, which
has folded the same journal up to that very place, and for analytics.

Flows in: a time, or an operator's wish. Flows out: HoldingsStated, of an account that holds something else than when it
was stated last, or of whom the operator means. Never compares anything itself.
"""

from __future__ import annotations

from fillstream.libs.common.ledger.digest import MOST_ROWS, digest_of, money, row_of, size
from fillstream.libs.common.values.money import FEE_DECIMALS
from fillstream.services.order_service.orders.holding.holdings import Holding
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.reconciling.run import STATE_HOLDINGS
from fillstream.services.order_service.orders.state import State

NOTHING = digest_of(())
"""The digest of an account that never traded."""
MOST_AT_ONCE = 500
"""So many accounts are looked at by one entry; the next one, which comes at once, goes on."""


class Stating:
    """The part of the fold that states what accounts hold.

    Args:
        state: has it.
        journal: where it goes.
    """

    __slots__ = ("_journal", "_state")

    def __init__(self, state: State, journal: Journal) -> None:
        self._state = state
        self._journal = journal

    def configure(self) -> None:
        """State it from time to time if that is wanted, at once for the first time."""
        timers, found = self._state.timers, self._state.reconciling
        if self._state.config.state_holdings_every_ms:
            timers.add_once(self._journal.ms, 0, STATE_HOLDINGS)
        elif not found.stating:
            timers.cancel(0, STATE_HOLDINGS)

    def demand(self, account: str | None) -> None:
        """State what an account holds, or all of them, whether it changed or not."""
        found = self._state.reconciling
        names = [*sorted(self._state.holdings.accounts)] if account is None else [account]
        found.stated |= dict.fromkeys(names, "")  # what nothing is equal to
        waiting = {*found.stating}
        found.stating.extend(name for name in names if name not in waiting)
        self.time_came()

    def time_came(self) -> int:
        """State what changed, of so many accounts at most; return how many were looked at, 1 at least."""
        state, timers = self._state, self._state.timers
        waiting, every_ms = state.reconciling.stating, state.config.state_holdings_every_ms
        if not waiting:
            waiting.extend(sorted(state.holdings.accounts))
        looked = min(len(waiting), MOST_AT_ONCE)
        for _ in range(looked):
            self._look(waiting.popleft())
        if waiting:
            timers.add(self._journal.ms, 0, STATE_HOLDINGS)
        elif every_ms:
            timers.add(self._journal.ms + every_ms, 0, STATE_HOLDINGS)
        return max(1, looked)

    def _look(self, name: str) -> None:
        account, stated = self._state.holdings.account(name), self._state.reconciling.stated
        if not account.known:
            return  # what it held before an upgrade is unknown: that is no difference
        found = (self._row(symbol, holding) for symbol, holding in sorted(account.holdings.items()))
        rows = [row for row in found if row is not None]
        digest = digest_of(rows)
        if stated.get(name, NOTHING) != digest:
            stated[name] = digest
            self._journal.told(
                "HoldingsStated", account=name, positions=len(rows), digest=digest, held=rows[:MOST_ROWS]
            )

    def _row(self, symbol: str, holding: Holding) -> str | None:
        state = self._state
        terms = state.terms[state.config.home_of(state.instruments[symbol])][symbol]
        exponent = terms.value.as_tuple().exponent
        assert isinstance(exponent, int), "it is finite"
        decimals = max(FEE_DECIMALS, -exponent)
        fees = holding.fees * 10 ** (decimals - FEE_DECIMALS)
        cash = holding.cash * int(terms.value.scaleb(decimals)) - fees
        step = terms.lot.step
        parts = {name: size(each.quantity, step) for name, each in (holding.hedged or {}).items() if each.quantity}
        return row_of(symbol, size(holding.quantity, step), money(cash, decimals), money(fees, decimals), parts)
