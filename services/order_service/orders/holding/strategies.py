"""What each strategy of an account holds, and what of its orders works: for limits that are a strategy's.

Flows in: fills by their orders' strategies, orders after what happened to them. Flows out: what is held and works of a
strategy, by instrument. Never decides anything, and knows nothing of an account without such a limit.

It counts from when such a limit was first set on, and then for good: what was held before, what orders without a
strategy trade and what an account is reconciled with is no strategy's. A strategy of which nothing is held and nothing
works leaves no trace: strategies may be named after runs.
"""

from __future__ import annotations

from collections.abc import Iterator

from fillstream.libs.common.ledger.average import Position
from fillstream.libs.common.messages.reference import AccountTerms


def needs_strategies(terms: AccountTerms) -> bool:
    """Say whether a limit of these terms is of each strategy by itself."""
    return terms.max_strategy_gross_exposure is not None or terms.max_strategy_net_exposure is not None


class Share(Position):
    """What one strategy of an account holds of an instrument, and what works there.

    Attributes:
        buys, sells: lots that its working orders may still buy and sell.
        value: these times what a lot is worth at their orders' prices.
    """

    __slots__ = ("buys", "sells", "value")

    def __init__(self) -> None:
        super().__init__()
        self.clear()

    def clear(self) -> None:
        """Count nothing that works."""
        self.buys = self.sells = self.value = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held and nothing works."""
        return not (self.quantity or self.buys or self.sells)

    def valued_at(self, mark: int | None) -> int:
        """Return what a lot is worth, in half units: the mark; without one what was paid or is asked for."""
        if mark is not None:
            return mark
        if self.quantity:
            return 2 * abs(self.cost) // (self.denominator * abs(self.quantity))
        lots = self.buys + self.sells
        return 2 * self.value // lots if lots else 0


NOTHING: dict[str, Share] = {}


class Shares:
    """What all strategies of one account hold."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[str, dict[str, Share]] = {}

    def of(self, strategy: str) -> dict[str, Share]:
        """Return a strategy's shares, by symbol; it is not to be changed."""
        return self._of.get(strategy, NOTHING)

    def __iter__(self) -> Iterator[tuple[str, str, Share]]:
        """Yield strategy, symbol and share, sorted."""
        for strategy, shares in sorted(self._of.items()):
            for symbol, share in sorted(shares.items()):
                yield strategy, symbol, share

    def share(self, strategy: str, symbol: str) -> Share:
        """Return a strategy's share of an instrument, and begin with nothing where there is none."""
        shares = self._of.setdefault(strategy, {})
        share = shares.get(symbol)
        if share is None:
            share = shares[symbol] = Share()
        return share

    def traded(self, strategy: str, symbol: str, lots: int, counts: int) -> None:
        """Book a trade of a strategy: bought lots above 0, each of which counts as so much."""
        share = self.share(strategy, symbol)
        share.fill(lots, counts)
        if share.is_empty:
            self._drop(strategy, symbol)

    def works(self, strategy: str, symbol: str, buy: bool, lots: int, was: int, value: int) -> None:
        """Count that an order of a strategy may trade `lots` now, which were `was`; `value` comes to what they are."""
        share = self.share(strategy, symbol)
        if buy:
            share.buys += lots - was
        else:
            share.sells += lots - was
        share.value += value
        if share.is_empty:
            self._drop(strategy, symbol)

    def rename(self, old: str, new: str, lots: int, ticks: int) -> None:
        """Let what is held of an instrument be of another, in steps of which so many make one of before."""
        for strategy, symbol, share in [*self]:
            if symbol == old:
                share.rescale(lots, ticks, 1)
                self.share(strategy, new).take_over(share)
                self._drop(strategy, old)

    def clear(self) -> None:
        """Count nothing that works, of any strategy."""
        for strategy, symbol, share in [*self]:
            share.clear()
            if share.is_empty:
                self._drop(strategy, symbol)

    def _drop(self, strategy: str, symbol: str) -> None:
        shares = self._of[strategy]
        del shares[symbol]
        if not shares:
            del self._of[strategy]
