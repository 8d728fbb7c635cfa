"""All that the positions stage knows.

Flows in: what a fold books. Flows out: the same, to be asked and written down. Never decides anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fillstream.libs.common.ledger.average import Position
from fillstream.libs.common.ledger.lots import LastLotPosition, LotPosition
from fillstream.libs.common.messages.codes import CostMethod, PositionMode
from fillstream.libs.common.runtime.timers import Timers
from fillstream.services.position_service.accounts.account import Account
from fillstream.services.position_service.books.held import Held
from fillstream.services.position_service.books.instrument import Instrument
from fillstream.services.position_service.exits.kept import Kept
from fillstream.services.position_service.rules.rule import Rules
from fillstream.services.position_service.targets.target import Targets

METHODS: dict[CostMethod, type[Position]] = {
    CostMethod.AVERAGE: Position,
    CostMethod.FIFO: LotPosition,
    CostMethod.LIFO: LastLotPosition,
}
MOST_TRADES = 200_000
"""So many trades of a partition are kept at most; beyond, each position lets go of the older half of its own."""


MARK = "mark"
"""What timers of instruments are for."""


@dataclass(slots=True)
class Books:
    """One account partition's.

    Attributes:
        read: number of the journal's last event.
        sent: number of the last message sent.
        fills: what fills did to positions, counted.
        instruments, numbers: by symbol, and by number.
        methods: of cost, by account, of those that do not take the average.
        hedging: accounts that hold several positions of an instrument beside one another.
        differing: in how many positions the orders stage differed when it stated them last, by account.
        trades: how many are kept, at most.
        timers: when positions are to be told of their marks, by their instrument's number; and exits by time.
        exits: what protects positions.
        targets: positions that are to be reached.
        accounts, account_numbers: what is known of accounts by name, and their names by number.
        rates: instruments that trade one currency for another, by both.
        rules: what is done by itself when something happens.
    """

    read: int = 0
    sent: int = 0
    fills: dict[str, int] = field(
        default_factory=lambda: {"opened": 0, "increased": 0, "reduced": 0, "closed": 0, "flipped": 0}
    )
    instruments: dict[str, Instrument] = field(default_factory=dict)
    numbers: dict[int, Instrument] = field(default_factory=dict)
    methods: dict[str, CostMethod] = field(default_factory=dict)
    hedging: dict[str, None] = field(default_factory=dict)
    differing: dict[str, int] = field(default_factory=dict)
    trades: int = 0
    timers: Timers = field(default_factory=Timers)
    exits: Kept = field(default_factory=Kept)
    targets: Targets = field(default_factory=Targets)
    accounts: dict[str, Account] = field(default_factory=dict)
    account_numbers: dict[int, str] = field(default_factory=dict)
    rates: dict[tuple[str, str], Instrument] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)

    def held(self, account: str, instrument: Instrument) -> Held:
        """Return what an account holds of an instrument, nothing yet if it is the first time."""
        found = instrument.held.get(account)
        if found is None:
            found = Held.of_several() if account in self.hedging else Held.of(self.method_of(account))
            instrument.held[account] = found
            if account in self.accounts:
                self.accounts[account].symbols[instrument.symbol] = None
        return found

    def method_of(self, account: str) -> type[Position]:
        """Return how an account counts what positions cost."""
        return METHODS[self.methods.get(account, CostMethod.AVERAGE)]

    def position_id(self, event: dict[str, Any]) -> str | None:
        """Return which position a trade is of, the client's name for it or its order's; None of accounts that net."""
        if event["account"] not in self.hedging:
            return None
        named: str = event.get("position_id") or event["order_id"]
        return named

    def number(self, instrument: Instrument, number: int) -> None:
        """Give an instrument its number, by which its timer goes."""
        if instrument.id == number:
            return
        due_ms = self.timers.due_ms(instrument.id, MARK)
        if due_ms is not None:
            self.timers.cancel(instrument.id, MARK)
            self.timers.add(due_ms, number, MARK)
        self.numbers.pop(instrument.id, None)
        instrument.id = number
        self.numbers[number] = instrument

    def take_terms(self, account: str, method: CostMethod, mode: PositionMode) -> None:
        """Take an account's method of cost and how many positions it has in an instrument, its own for good."""
        if method is not CostMethod.AVERAGE:
            self.methods[account] = method
        if mode is PositionMode.HEDGING:
            self.hedging[account] = None

    def kept_one(self) -> None:
        """Take note that one more trade is kept, and let go of others if that makes too many."""
        self.trades += 1
        if self.trades <= MOST_TRADES:
            return
        self.count()
        if self.trades > MOST_TRADES:
            for held in self:
                held.forget(len(held.trades) // 2)
            self.count()
        if self.trades > MOST_TRADES // 4 * 3:  # most positions have one alone: to count them anew with each is dear
            for held in self:
                held.forget(len(held.trades))
            self.trades = 0

    def count(self) -> None:
        """Count the trades that are kept."""
        self.trades = sum(len(held.trades) for held in self)

    def __iter__(self) -> Iterator[Held]:
        return (held for instrument in self.instruments.values() for held in instrument.positions)
