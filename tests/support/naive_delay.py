"""A simulated venue as one would write it on a napkin: a list, and the first of what is due, one at a time.

For tests beside `services.matching_engine.simulation`. Draws by its own arithmetic, in fractions.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from hashlib import blake2b
from math import ceil, floor

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import CommandType, OrdType, Reason, ReportType
from fillstream.libs.common.messages.simulation import AccountSimulation, SimulationConfig

DELAYED = (CommandType.NEW, CommandType.CANCEL, CommandType.REPLACE)


def command(record: bytes) -> frames.Command:
    return frames.Command._make(frames.COMMAND.unpack(record))


class NaiveVenue:
    """Does at once all that is due by an entry's time, however much it is."""

    def __init__(self, config: SimulationConfig, venue: str = "SIM", partition: int = 0) -> None:
        self.config = config
        self.engine = CoreEngine()
        self.waiting: list[tuple[int, int, bytes]] = []
        self.came = 0
        self.drawn = 0
        self.key = blake2b(f"{config.seed} {venue} {partition}".encode(), digest_size=32).digest()

    def draw(self) -> Fraction:
        self.drawn += 1
        digest = blake2b(self.drawn.to_bytes(8, "little"), digest_size=8, key=self.key).digest()
        return Fraction(int.from_bytes(digest, "little"), 2**64)

    def terms(self, account: int) -> AccountSimulation:
        return self.config.accounts.get(str(account), self.config)

    def entry(self, ms: int, records: Iterable[bytes]) -> bytes:
        """Return the reports of one entry."""
        for record in records:
            self.came += 1
            self.waiting.append((self.due(record, ms), self.came, record))
        reports = b""
        while due := [each for each in self.waiting if each[0] <= ms]:
            first = min(due)
            self.waiting.remove(first)
            reports += self.execute(first[2], first[0], first[1])
        return reports + self.engine.process(b"", ms)

    def due(self, record: bytes, ms: int) -> int:
        told = command(record)
        if told.type not in DELAYED:
            return ms
        terms = self.terms(told.account)
        delay = terms.delay_ms
        if terms.delay_spread_ms:
            delay += floor(self.draw() * (2 * terms.delay_spread_ms + 1)) - terms.delay_spread_ms
        others = [
            due for due, _, each in self.waiting if command(each).type in DELAYED
            and command(each).account == told.account and told.account
        ]  # fmt: skip
        return max([ms + max(0, delay), *others])

    def execute(self, record: bytes, ms: int, number: int) -> bytes:
        told = command(record)
        if told.type == CommandType.NEW and (rate := self.terms(told.account).reject_rate):
            before = self.engine.process(b"", ms)
            if self.draw() < Fraction(rate):
                return before + self.answer(told, ReportType.REJECTED, told.price, Reason.REJECT_RATE)
            return before + self.engine.process(record, ms)
        if told.type == CommandType.QUOTE:
            return self.engine.process(self.shaded(told), ms)
        reports = self.engine.process(record, ms)
        if told.type == CommandType.MASS_CANCEL and reports[-64:] and self.is_done(reports[-64:]):
            return self.mass_cancel(told, reports, number)
        return reports

    @staticmethod
    def is_done(report: bytes) -> bool:
        return frames.Report._make(frames.REPORT.unpack(report)).type == ReportType.MASS_CANCELED

    def mass_cancel(self, mass: frames.Command, reports: bytes, number: int) -> bytes:
        taken = b""
        for each in sorted(self.waiting, key=lambda each: each[1]):
            told = command(each[2])
            if (
                told.type == CommandType.NEW
                and each[1] < number
                and mass.account in (0, told.account)
                and mass.side in (0, told.side)
                and (not mass.flags or mass.symbol == told.symbol)
            ):
                self.waiting.remove(each)
                priceless = told.ord_type in (OrdType.MARKET, OrdType.STOP)
                taken += self.answer(told, ReportType.CANCELED, 0 if priceless else told.price, Reason.MASS_CANCEL)
        end = frames.Report._make(frames.REPORT.unpack(reports[-64:]))
        return reports[:-64] + taken + frames.REPORT.pack(*end._replace(qty=end.qty + len(taken) // 64))

    @staticmethod
    def answer(told: frames.Command, kind: int, price: int, reason: int) -> bytes:
        whose = (told.account, told.symbol, kind, told.side, reason)
        return frames.REPORT.pack(told.order_id, price, told.qty, 0, 0, 0, *whose, 0, told.partition, 0)

    def shaded(self, told: frames.Command) -> bytes:
        bid, ask, slip = told.price, told.aux_price, Fraction(self.config.slippage)
        if told.qty and told.aux_qty and bid > ask:
            return frames.COMMAND.pack(*told)
        lowered = floor(bid - abs(bid) * slip)
        if bid > 0 and lowered < 1:
            lowered = 1
        bid_qty, ask_qty = (self.part(lots) if lots else 0 for lots in (told.qty, told.aux_qty))
        return frames.quote(
            told.symbol, lowered if bid_qty else bid, bid_qty, ceil(ask + abs(ask) * slip) if ask_qty else ask, ask_qty
        )

    def part(self, lots: int) -> int:
        share, spread = Fraction(self.config.fill_share), Fraction(self.config.fill_share_spread)
        low, high = max(Fraction(0), share - spread), min(Fraction(1), share + spread)
        if low < high:
            low += (high - low) * self.draw()
        return max(1, floor(lots * low))
