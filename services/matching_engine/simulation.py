"""What stands before the book of a simulated venue: commands that take their time, refusals by lot, a worse market.

Flows in: frames of commands, the time of their entry, a `SimulationConfig` out of the inbox. Flows out: what was
executed, run after run: the commands as they came, and the reports that they gave. Never looks at a clock and never
throws dice: a draw is a counter through blake2b, seeded by the configuration entry, so a replay draws alike.

    new order, cancel, amendment   queue, released by (due, arrival) ─┬─ a new order: refused by lot, or ──▶ book
    mass cancel                    at once; takes its orders out of the queue too ───────────────────────▶ book
    quote                          at once, shaded: worse prices for clients, a share of the lots ───────▶ book
    print, session, bands, time    at once, as they are ─────────────────────────────────────────────────▶ book

- An account's commands keep their order, whatever is drawn for each.
- A mass cancel (a kill switch) is not delayed. A new order that it means and that came before it, but has not reached
  the book, is canceled with the others (FS_CANCELED, FS_REASON_MASS_CANCEL; counted in FS_MASS_CANCELED): it is never
  entered. Cancels and amendments that are on their way go on, and find their order gone when they arrive. What comes
  behind it is not meant.
- A halt is not delayed either: what reaches a halted book meets it, and is refused there.
- Clients' orders are never changed, so what clients trade with each other is exact. Only the house's quote is: a bid is
  lowered and an ask raised, to the next tick away from clients, and no price above 0 is lowered below 1 tick, where
  most instruments have none. A quote that crosses (its bid above its ask) stays as it is, and is refused as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from hashlib import blake2b
from typing import Final

from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import (
    COMMAND,
    MAX_PRICE,
    MAX_QTY,
    RECORD_BYTES,
    REPORT,
    Command,
    CommandType,
    MassFlag,
    OrdType,
    Reason,
    Report,
    ReportType,
    Side,
    offset_of,
)
from fillstream.libs.common.messages.simulation import AccountSimulation, SimulationConfig
from fillstream.libs.common.runtime.stage import MOST_OUTPUTS
from fillstream.libs.common.values.versions import Document, check_names
from fillstream.services.matching_engine.queue import CommandQueue, Waiting

_TYPE: Final = offset_of("fs_command", "type")
_ACCOUNT: Final = offset_of("fs_command", "account")
_NEW, _QUOTE, _MASS = int(CommandType.NEW), int(CommandType.QUOTE), int(CommandType.MASS_CANCEL)
_CLIENTS: Final = {_NEW, int(CommandType.CANCEL), int(CommandType.REPLACE)}
_REJECTED, _CANCELED = int(ReportType.REJECTED), int(ReportType.CANCELED)
_MASS_CANCELED: Final = int(ReportType.MASS_CANCELED)
_BY_LOT, _CAPACITY, _MASS_CANCEL = int(Reason.REJECT_RATE), int(Reason.CAPACITY), int(Reason.MASS_CANCEL)
_SIDES: Final = {int(Side.BUY), int(Side.SELL)}
_TRAILING, _MARKET, _STOP = int(OrdType.TRAILING_STOP), int(OrdType.MARKET), int(OrdType.STOP)
_DRAW_BITS: Final = 64
_NAMES: Final = ("config", "draws", "queue")


MOST_DELAYED = 1 << 17
"""Commands on their way, at most: a new order beyond that is refused at once (FS_REASON_CAPACITY), a cancel never."""


class Draws:
    """Numbers by lot: a counter through blake2b.

    Args:
        seed: of the configuration entry.
        venue, partition: whose book it is; two books of one seed draw different numbers.

    Attributes:
        count: how many were drawn.
    """

    __slots__ = ("_key", "count")

    def __init__(self, seed: int, venue: str, partition: int, count: int = 0) -> None:
        self._key = blake2b(f"{seed} {venue} {partition}".encode(), digest_size=32).digest()
        self.count = count

    def draw(self) -> int:
        """Return the next number, from 0 to 2^64 - 1."""
        self.count += 1
        drawn = blake2b(self.count.to_bytes(8, "little"), digest_size=_DRAW_BITS // 8, key=self._key)
        return int.from_bytes(drawn.digest(), "little")


class _Way:
    """An account's way to the book, compiled: how long it takes, and which draws refuse a new order."""

    __slots__ = ("_least_ms", "_span_ms", "refused_below")

    def __init__(self, terms: AccountSimulation) -> None:
        self._least_ms = terms.delay_ms - terms.delay_spread_ms
        self._span_ms = 2 * terms.delay_spread_ms + 1
        self.refused_below = int(Fraction(terms.reject_rate) * (1 << _DRAW_BITS))

    def delay_ms(self, draws: Draws) -> int:
        """Return how long the next command takes."""
        if self._span_ms == 1:
            return self._least_ms
        return max(0, self._least_ms + (draws.draw() * self._span_ms >> _DRAW_BITS))


class Simulation:
    """A venue's shortcomings, and the commands that have not reached its book.

    Args:
        config: of the inbox.
        venue, partition: whose book it is.
    """

    def __init__(self, config: SimulationConfig, venue: str, partition: int) -> None:
        self._place = (venue, partition)
        self._queue = CommandQueue()
        self._take(config, 0)

    def _take(self, config: SimulationConfig, drawn: int) -> None:
        self.config = config
        self._draws = Draws(config.seed, *self._place, drawn)
        self._way = _Way(config)
        self._ways = {int(number): _Way(terms) for number, terms in config.accounts.items()}
        self._slip, self._slip_of = config.slippage.as_integer_ratio()
        share, spread = Fraction(config.fill_share), Fraction(config.fill_share_spread)
        least, most = max(share - spread, Fraction(0)), min(share + spread, Fraction(1))
        self._share_of = least.denominator * most.denominator
        self._share = int(least * self._share_of)
        self._share_span = int((most - least) * self._share_of)

    def configure(self, config: SimulationConfig) -> None:
        """Go by another configuration from now on; what is on its way arrives when it was to, and draws go on."""
        self._take(config, self._draws.count)

    @property
    def is_over(self) -> bool:
        """Whether nothing falls short any more, and nothing is on its way."""
        return not self._queue and self.config.is_ideal

    @property
    def due_ms(self) -> int | None:
        """When the first command reaches the book; None when none is on its way."""
        return self._queue.soonest

    @property
    def latest_ms(self) -> int | None:
        """When the last command that is on its way reaches the book; None when none is."""
        return self._queue.latest

    @property
    def waiting(self) -> int:
        """How many commands are on their way."""
        return len(self._queue)

    # ------------------------------------------------------------------- fold

    def process(
        self, engine: CoreEngine, frame: bytes, ms: int, until_ms: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Take a frame of whole records, which may be empty, and execute what is due by `ms`, all at its own time.

        At most about `MOST_OUTPUTS` commands are executed; what is left is due at once, before anything that comes.
        With `until_ms` only what is due by then is executed.

        Yields: the commands of one time as they came, and the reports that they gave.
        """
        refused = []
        for at in range(0, len(frame), RECORD_BYTES):
            record = frame[at : at + RECORD_BYTES]
            if record[_TYPE] == _NEW and len(self._queue) >= MOST_DELAYED:
                refused.append(_refusal(record, _CAPACITY))
            else:
                self._accept(record, ms)
        if refused:
            yield b"", b"".join(refused)
        done = 0
        ms = ms if until_ms is None else until_ms
        while (soonest := self._queue.soonest) is not None and soonest <= ms and done < MOST_OUTPUTS:
            run = []
            while done < MOST_OUTPUTS and (waiting := self._queue.pop(soonest)) is not None:
                run.append(waiting)
                done += 1
            yield b"".join(each.record for each in run), self._execute(engine, run, soonest)
        if self._queue.soonest is None or self._queue.soonest > ms:
            yield b"", engine.process(b"", ms)  # what expires, and nothing is due before it

    def _accept(self, record: bytes, ms: int) -> None:
        if record[_TYPE] not in _CLIENTS:
            self._queue.add(ms, 0, record)
            return
        account = int.from_bytes(record[_ACCOUNT : _ACCOUNT + 4], "little")
        way = self._ways.get(account, self._way)
        self._queue.add(ms + way.delay_ms(self._draws), account, record)

    def _execute(self, engine: CoreEngine, run: list[Waiting], ms: int) -> bytes:
        """Execute the commands of one time; return their reports."""
        reports: list[bytes] = []
        ready: list[bytes] = []
        for waiting in run:
            record, kind = waiting.record, waiting.record[_TYPE]
            if kind == _NEW and self._is_refused(waiting.account):
                reports += (engine.process(b"".join(ready), ms), _refusal(record, _BY_LOT))
                ready.clear()
            elif kind == _MASS:
                reports += (engine.process(b"".join(ready), ms), self._mass_cancel(engine, waiting, ms))
                ready.clear()
            else:
                ready.append(self.shade(record) if kind == _QUOTE else record)
        reports.append(engine.process(b"".join(ready), ms))
        return b"".join(reports)

    def _is_refused(self, account: int) -> bool:
        below = self._ways.get(account, self._way).refused_below
        return bool(below) and self._draws.draw() < below

    # ------------------------------------------------------------ mass cancel

    def _mass_cancel(self, engine: CoreEngine, waiting: Waiting, ms: int) -> bytes:
        """Cancel in the book and in the queue; an order of the queue is reported as one of the book is."""
        answer = engine.process(waiting.record, ms)
        told = Report._make(REPORT.unpack(answer[-RECORD_BYTES:]))
        if told.type != _MASS_CANCELED:  # refused
            return answer
        command = Command._make(COMMAND.unpack(waiting.record))
        taken = self._queue.take_out(lambda each: each.number < waiting.number and _is_meant(each.record, command))
        canceled = b"".join(_cancellation(each.record) for each in taken)
        return answer[:-RECORD_BYTES] + canceled + REPORT.pack(*told._replace(qty=told.qty + len(taken)))

    # ------------------------------------------------------------------ quote

    def shade(self, record: bytes) -> bytes:
        """Return a quote as it stands at this venue: worse for clients, and a share of it."""
        quote = Command._make(COMMAND.unpack(record))
        bid, ask = quote.price, quote.aux_price
        has_bid, has_ask = 0 < quote.qty <= MAX_QTY, 0 < quote.aux_qty <= MAX_QTY
        if has_bid and has_ask and bid > ask:
            return record
        return COMMAND.pack(
            *quote._replace(
                price=self._lowered(bid) if has_bid else bid,
                qty=self._part(quote.qty) if has_bid else quote.qty,
                aux_price=self._raised(ask) if has_ask else ask,
                aux_qty=self._part(quote.aux_qty) if has_ask else quote.aux_qty,
            )
        )

    def _slipped(self, price: int) -> int:
        """Return how many ticks a price of the house is worse for clients, rounded up."""
        return -(-abs(price) * self._slip // self._slip_of)

    def _lowered(self, bid: int) -> int:
        if not -MAX_PRICE <= bid <= MAX_PRICE:  # the engine refuses it as it is
            return bid
        lowered = bid - self._slipped(bid)
        return max(lowered, 1) if bid > 0 else max(lowered, -MAX_PRICE)

    def _raised(self, ask: int) -> int:
        return min(ask + self._slipped(ask), MAX_PRICE) if -MAX_PRICE <= ask <= MAX_PRICE else ask

    def _part(self, lots: int) -> int:
        """Return how many lots of a side are there to take: rounded down, but a side does not vanish."""
        if not self._share_span:
            return max(1, lots * self._share // self._share_of)
        share = (self._share << _DRAW_BITS) + self._share_span * self._draws.draw()
        return max(1, lots * share // (self._share_of << _DRAW_BITS))

    # --------------------------------------------------------------- snapshot

    def dump(self) -> Document:
        """Return the state by the names of its fields."""
        return {"config": self.config.to_json().decode(), "draws": self._draws.count, "queue": self._queue.dump()}

    @classmethod
    def load(cls, document: Document, venue: str, partition: int) -> Simulation:
        """Return what `dump` wrote.

        Raises:
            ValueError: it has other fields, or a configuration that is none.
        """
        check_names("simulation", document, _NAMES, _NAMES)
        made = cls(SimulationConfig.from_json(document["config"].encode()), venue, partition)
        made._draws.count = document["draws"]
        made._queue = CommandQueue.load(document["queue"])
        return made


def _is_meant(record: bytes, mass: Command) -> bool:
    """Return whether a command that is on its way is an order that a mass cancel means, as the engine would say it."""
    if record[_TYPE] != _NEW:
        return False
    order = Command._make(COMMAND.unpack(record))
    if not order.account or not order.order_id:  # no order: the engine says so
        return False
    if mass.flags & MassFlag.BY_SYMBOL and mass.symbol != order.symbol:
        return False
    return mass.account in (0, order.account) and mass.side in (0, order.side)


def _refusal(record: bytes, reason: int) -> bytes:
    """Return FS_REJECTED of a new order, as the header has it."""
    order = Command._make(COMMAND.unpack(record))
    return _report(_REJECTED, order, order.price, reason)


def _cancellation(record: bytes) -> bytes:
    """Return FS_CANCELED of a new order that never was in the book, as the header has it."""
    order = Command._make(COMMAND.unpack(record))
    price = {_TRAILING: order.aux_qty, _MARKET: 0, _STOP: 0}.get(order.ord_type, order.price)
    return _report(_CANCELED, order, price, _MASS_CANCEL)


def _report(kind: int, order: Command, price: int, reason: int) -> bytes:
    side = order.side if order.side in _SIDES else 0
    report = Report(
        order.order_id, price, order.qty, 0, 0, 0, order.account, order.symbol, kind, side, reason, 0,
        order.partition, 0,
    )  # fmt: skip
    return REPORT.pack(*report)
