"""Two books and a listener, and how a command goes to all of them: what the book's state machine is built on.

A command is answered by the naive book at once and put into a frame. When the frame is full it goes to the engine;
what comes back must be what was expected, byte for byte. Then the invariants are held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import event
from hypothesis.stateful import RuleBasedStateMachine, multiple

from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import (
    Command,
    CommandType,
    OrderFlag,
    OrdType,
    Reason,
    ReplaceFlag,
    Report,
    ReportType,
    Tif,
)
from tests.support.book_checks import compare_queries, compare_rebuilt, compare_reports, frame_of, process_in_pieces
from tests.support.book_orders import SMALL, Terms
from tests.support.naive_book import NaiveBook, Order, views
from tests.support.rebuilt_book import RebuiltBook

MAX_ORDERS = 16  # few, so that the limit is met
UNKNOWN = 999  # the number of an order that never was
END = 2**64 - 1  # of time, and of a tape's volume
BLANK = Command(*[0] * len(Command._fields))
REPORTS = {t.value: f"report {t.name}" for t in ReportType}
REASONS = {r.value: f"reason {r.name}" for r in Reason}


class TwoBooks(RuleBasedStateMachine):
    """An engine, the naive book, and a book rebuilt from the answers. `seen` counts, over all runs, what happened."""

    domain = SMALL

    def __init__(self, seen: Counter[str] | None = None) -> None:
        super().__init__()
        self.seen = Counter() if seen is None else seen
        self.naive = NaiveBook(MAX_ORDERS)
        self.engine = CoreEngine(MAX_ORDERS, output_reports=64)
        self.spare = CoreEngine(MAX_ORDERS, output_reports=1)
        self.rebuilt = RebuiltBook()
        self.frame, self.room, self.skew = 1, 0, 0
        self.commands: list[Command] = []  # of the frame that is not yet full
        self.expected: list[Report] = []
        self.owners: dict[int, int] = {}  # account by order number
        self.count = 0
        self.agreed = True

    # ------------------------------------------------------------- commands

    def wait(self, terms: Terms, price: int, kind: str) -> object:
        """Send an order that may rest: a limit order, with a flag or without, or a stop at `price`."""
        if kind == "STOP":
            return self.new(terms, OrdType.STOP, "GTC", stop=price)
        return self.limit(terms, price, kind)

    def limit(self, terms: Terms, price: int, *kinds: str, tif: str = "GTC", shows: int = 1) -> object:
        """Send a limit order with the flags named; `shows` is an iceberg's display."""
        flags = sum(OrderFlag[kind] for kind in kinds if kind)
        display = self.domain.lots[shows - 1] if flags & OrderFlag.ICEBERG else 0
        return self.new(terms, OrdType.LIMIT, tif, price=price, aux_qty=display, flags=flags)

    def new(self, terms: Terms, ord_type: OrdType, tif: str, *, number: int = 0, **fields: int) -> object:
        """Send FS_NEW; return the order's number for the bundles if it was accepted."""
        self.count += not number
        number = number or self.count
        c = self.new_command(terms, ord_type, tif, number=number, **fields)
        if self.send(c)[0].type != ReportType.ACCEPTED:
            return multiple()
        self.owners[number] = c.account
        return number

    def new_command(
        self,
        terms: Terms,
        ord_type: OrdType,
        tif: str,
        *,
        number: int,
        price: int | None = None,
        stop: int | None = None,
        aux_qty: int = 0,
        flags: int = 0,
    ) -> Command:
        expiry_ms = min(self.naive.clock_ms + terms.lasts_ms, END) if terms.lasts_ms else 0
        return Command(
            order_id=self.domain.order_id(number),
            price=0 if price is None else self.domain.prices[price],
            qty=self.domain.lots[terms.lots - 1],
            aux_price=0 if stop is None else self.domain.prices[stop],
            aux_qty=aux_qty,
            time_ms=expiry_ms,
            account=self.domain.accounts[terms.account - 1],
            symbol=self.domain.symbols[terms.symbol],
            type=CommandType.NEW,
            side=terms.side,
            ord_type=ord_type,
            tif=Tif[tif],
            flags=int(flags),
            stp=terms.stp,
            partition=self.domain.partitions[terms.account - 1],
        )

    def about(self, order: int, kind: str) -> Command:
        """Return a command about an order, in the name of its owner."""
        live = self.live(order)
        account = live.account if live else self.owners.get(order, self.domain.accounts[0])
        return BLANK._replace(
            type=kind, order_id=self.domain.order_id(order), account=account, symbol=self.domain.symbols[0]
        )

    def live(self, order: int) -> Order | None:
        return self.naive.find(self.domain.order_id(order))

    def replacement(self, order: int, price: int, lots: int, open_qty: bool) -> Command:
        flags = ReplaceFlag.OPEN_QTY if open_qty else 0
        c = self.about(order, CommandType.REPLACE)
        return c._replace(price=price, qty=self.domain.lots[lots - 1], flags=int(flags))

    def venue(self, kind: CommandType, symbol: int, **fields: int) -> None:
        self.send(BLANK._replace(type=kind, symbol=self.domain.symbols[symbol], **fields))

    # ------------------------------------------------------------- transport

    def send(self, c: Command) -> list[Report]:
        """Put a command into the frame, send that when it is full, and return the naive book's answer."""
        answers = self.expect(c)
        if len(self.commands) >= self.frame:
            self.deliver()
        return answers

    def expect(self, c: Command) -> list[Report]:
        answers = self.naive.process(c)
        self.commands.append(c)
        self.expected += answers
        return answers

    def deliver(self) -> None:
        """Send what waits to be a full frame."""
        if not self.commands:
            return
        self.agreed = False  # until what is expected has come
        frame = frame_of(self.commands)
        if not self.room:
            self.compare(self.engine.process(frame, 0))
        else:
            self.compare(process_in_pieces(self.engine, frame, self.room, self.skew))

    def compare(self, answers: bytes) -> None:
        """Hold the answer to all commands of the frame against the naive book's, and let the listener hear it."""
        self.agreed = False
        commands, expected = self.commands, self.expected
        self.commands, self.expected = [], []
        for report in compare_reports(commands, expected, answers):
            self.rebuilt.hear(report)
            self.naive.happened[REPORTS[report.type]] += 1
            self.naive.happened[REASONS[report.reason]] += 1
        self.hold_invariants({report.symbol for report in expected})

    # ------------------------------------------------------------ invariants
    # Held after each frame, not as hypothesis's invariants: those would print a line each after each step.

    def hold_invariants(self, symbols: Iterable[int]) -> None:
        """Look at the whole state, and at some symbols in every way there is."""
        self.agreed = False
        self.engine.validate()
        for symbol in symbols:
            compare_queries(self.engine, self.naive, symbol, self.domain.prices.values())
            compare_rebuilt(self.rebuilt, self.naive, symbol)
        self.every_order_is_found()
        self.the_state_is_the_naive_books_and_can_be_restored()
        self.agreed = True

    def every_order_is_found(self) -> None:
        live = [o for o in self.naive.resting + self.naive.dormant if not o.house]
        assert self.engine.orders() == len(live)
        for order in live:
            assert self.engine.find(order.id) == views.resting(order)
        assert self.engine.find(self.domain.order_id(UNKNOWN)) is None

    def the_state_is_the_naive_books_and_can_be_restored(self) -> None:
        snapshot = self.engine.snapshot()
        assert views.words(snapshot) == views.words(views.snapshot(self.naive))
        self.spare.restore(snapshot)
        assert self.spare.state_hash() == self.engine.state_hash()

    def known_symbols(self) -> set[int]:
        return self.naive.tapes.keys() | self.naive.rules.keys()

    def teardown(self) -> None:
        if self.agreed:
            self.deliver()
            self.hold_invariants(self.known_symbols())
        self.seen.update(self.naive.happened)
        for what in self.naive.happened:
            event(what)
