"""A simulated venue as a stage: command frames in, report frames out, depth and trades on the side.

Flows in: frames of commands (orders, cancels, quotes, prints), requests to tell what is open and of markets, ticks,
calendars, how the venue is not ideal. Flows out: frames of reports to the inbox of each account partition, and between
them pages of what is open where it is asked for (`mass_status`), and how markets stand where somebody subscribed
(`market_reports`); `Trades` and `Depth` to the lossy market stream. Of commands, no
order ever becomes a Python object here: the bytes of an entry go into C and bytes come back; only trades and the best
levels are looked at, to publish them, and what the engine refused of a feed, which no account hears of, to send it to
`dead`. Where a `config` entry says that the venue is not ideal, `simulation` stands before the C engine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from fillstream.libs.common.engine.core import CoreEngine, Level
from fillstream.libs.common.engine.frames import (
    COMMAND,
    PARTITION_NONE,
    RECORD_BYTES,
    REPORT,
    Command,
    CommandType,
    Reason,
    Report,
    ReportFlag,
    ReportType,
    Side,
    offset_of,
    struct_of_some,
)
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.calendar import CALENDAR, NO_CALENDARS, Calendars
from fillstream.libs.common.messages.market import Depth, Trades
from fillstream.libs.common.messages.mass_status import ReportMassStatus
from fillstream.libs.common.messages.simulation import IDEAL, SimulationConfig
from fillstream.libs.common.messages.topology import SIM, Topology, stream_name
from fillstream.libs.common.messages.venue import reports_field
from fillstream.libs.common.runtime.stage import Entry, Family, Outputs
from fillstream.services.matching_engine.listing import Listing
from fillstream.services.matching_engine.market_reports import MarketReports
from fillstream.services.matching_engine.mass_status import MassStatus
from fillstream.services.matching_engine.refusals import refusal_of
from fillstream.services.matching_engine.requests import read
from fillstream.services.matching_engine.sessions import Sessions
from fillstream.services.matching_engine.simulation import Simulation
from fillstream.services.matching_engine.snapshot import dump, load

FAMILIES: tuple[Family, ...] = (
    Family("resting_orders", "Client orders that rest in the books."),
    Family("delayed_commands", "Clients' commands on their way to the books (execution.simulation.delay_ms)."),
    Family("closed_market_data", "Quotes and prints that came while their market was closed.", "", True),
    Family("calendar_ends_timestamp_seconds", "Nothing is known of a calendar from then on (log time).", "calendar"),
)

TICK_MS = 15_000
"""How often the engine's clock moves when nothing else comes in; for expiries an entry of their own comes."""
DEPTH_LEVELS = 10
DEPTH_EVERY_MS = 100
"""A symbol's depth is published at most this often (log time)."""

assert sys.byteorder == "little", "frames are little-endian and are looked into without conversion"
_COMMAND_TYPE: Final = offset_of("fs_command", "type")
_COMMAND_PARTITION: Final = offset_of("fs_command", "partition")
_REPORT_TYPE: Final = offset_of("fs_report", "type")
_REPORT_REASON: Final = offset_of("fs_report", "reason")
_REPORT_FLAGS: Final = offset_of("fs_report", "flags")
_REPORT_PARTITION: Final = offset_of("fs_report", "partition")
_SYMBOL_WORD: Final = offset_of("fs_report", "symbol") // 4
_WORDS: Final = RECORD_BYTES // 4
_TRADE: Final = struct_of_some("fs_report", "price", "qty", "match_id", "symbol", "side")
_TAKES: Final = bytes(bool(flags & ReportFlag.TAKER) for flags in range(256))
"""To a report's flags: 1 for a fill of its taker, which every trade has once."""
_SIDES: Final = {int(Side.BUY): "BUY", int(Side.SELL): "SELL"}
_REJECTED: Final = int(ReportType.REJECTED)
_QUOTED: Final = int(ReportType.QUOTED)
_CROSSED: Final = int(Reason.CROSSED)
_TIME: Final = int(CommandType.TIME)
_FEED_COMMANDS: Final = {int(CommandType.QUOTE), int(CommandType.PRINT)}
_ECHOED: Final = _FEED_COMMANDS | {int(CommandType.SESSION), int(CommandType.BANDS)}
"""The house's commands that are always answered, FS_TIME only when it is refused."""
_HOUSE_ECHOES: Final = {
    int(ReportType.QUOTED),
    int(ReportType.PRINTED),
    int(ReportType.SESSION_SET),
    int(ReportType.BANDS_SET),
}


def _partitions_in(records: bytes, at: int, known: bytes) -> bool:
    """Return whether the partitions of all records, two bytes from `at` on, are among `known` ones below 256."""
    high = records[at + 1 :: RECORD_BYTES].strip(b"\0")
    return not high and not records[at::RECORD_BYTES].strip(known)


def _house_answered(command: Command) -> bool:
    """Return whether the engine answers this command of the house's."""
    return command.type in _ECHOED or (command.type == _TIME and bool(command.flags or command.stp))


class EngineStage:
    """The books of one symbol partition. See `libs.common.runtime.stage.Stage`.

    Args:
        topology: how many account partitions there are to answer to.
        partition: the symbol partition.
        listings: instrument number to how it is shown; a symbol without one trades but is not published.
        venue: whose commands it executes.
        config: how this process's configuration has the venue fall short of the ideal one; `configuration()` offers it
            to the inbox, decisions use what came back.
        calendars: returns this process's calendars, with the books that go by them; likewise, by `calendar()`.
    """

    name = "engine"
    tick_ms: int | None = TICK_MS
    families = FAMILIES

    def __init__(
        self,
        topology: Topology,
        partition: int,
        listings: Mapping[int, Listing],
        venue: str = SIM,
        config: SimulationConfig = IDEAL,
        calendars: Callable[[], Calendars] = lambda: NO_CALENDARS,
    ) -> None:
        self.partition = partition
        self.inbox = stream_name("commands", partition, venue)
        self._venue = venue
        self._field = reports_field(venue)
        self._answers = topology.names("orders")
        self._known_partitions = bytes(range(min(topology.account_partitions, 256)))
        self._market = stream_name("market", partition)
        self._listings = listings
        self._engine = CoreEngine()
        self._config = IDEAL if config.is_ideal else config
        self._simulation: Simulation | None = None  # of an ideal venue there is none
        self._asked = MassStatus(venue, partition, self._answers, listings)
        self._markets: MarketReports | None = None  # without a subscription there is none
        self._calendars = calendars
        self._sessions: Sessions | None = None  # of books that are always open there are none
        self._left_out = 0  # is there to be seen, and no part of the state
        # What has changed since it was last shown. Not part of the state: the market stream is lossy.
        self._changed: set[int] = set()
        self._shown_ms: dict[int, int] = {}

    def fold(self, entry: Entry, out: Outputs) -> None:
        """Execute a frame at the time of its entry, or let time pass.

        Raises:
            BadEntry: neither a tick nor a frame of whole records; wrong_partition or clock_ahead for one that would do
                what nobody hears of, or make time pass that has not passed; bad_config for what is no configuration;
                see `requests.read`, `MassStatus.ask` and `MarketReports.take` for what is no request.
        """
        frame = entry.fields.get(b"frame")
        if frame is None:
            if b"tick" not in entry.fields:
                return self._rare(entry, out)
            frame = b""
        elif len(frame) % RECORD_BYTES or not frame:
            raise BadEntry("torn_frame", f"frame: {len(frame)} bytes are not a whole number of {RECORD_BYTES}")
        else:
            self._check_commands(frame, entry.ms)
        if self._simulation is not None:
            self._simulate(self._simulation, frame, entry.ms, out)
            return self._answer_rest(entry.ms, out)
        if self._sessions is not None:
            while (due := self._sessions.due_ms) is not None and due <= entry.ms:
                records = self._sessions.turn(self._engine)
                self._tell(records, self._engine.process(records, due - 1), entry.ms, out)
        reports = self._engine.process(frame, entry.ms)
        if reports:
            self._tell(frame, reports, entry.ms, out)
        if self._changed:
            self._publish_depth(entry.ms, out)
        return self._answer_rest(entry.ms, out)

    def _answer_rest(self, ms: int, out: Outputs) -> None:
        """Tell whoever asked or subscribed, once the entry's own answers stand before."""
        if self._asked:
            self._answer_asked(ms, out)
        if self._markets is not None:
            self._markets.tell(self._engine, ms, out)

    def _answer_asked(self, ms: int, out: Outputs) -> None:
        """Tell what is open, where somebody waits for it and all that came before has reached the book."""
        due_ms = self._asked.due_ms
        arrives_ms = None if self._simulation is None else self._simulation.due_ms
        if due_ms is not None and due_ms <= ms and (arrives_ms is None or arrives_ms > due_ms):
            self._asked.tell(self._engine, out)

    def _rare(self, entry: Entry, out: Outputs) -> None:
        """Take a request or a configuration."""
        data = entry.fields.get(b"data")
        if data is None or len(entry.fields) != 1:
            return self._configure(entry, out)
        request = read(data, len(self._answers))
        if isinstance(request, ReportMassStatus):
            latest_ms = None if self._simulation is None else self._simulation.latest_ms
            self._asked.ask(request, entry.ms if latest_ms is None else max(entry.ms, latest_ms))
            return self.fold(Entry(entry.id, entry.ms, {b"tick": b"1"}), out)
        markets = self._markets or MarketReports(self._venue, self._answers)
        markets.check(request)
        self.fold(Entry(entry.id, entry.ms, {b"tick": b"1"}), out)
        markets.take(request, self._engine, entry.ms, out)
        self._markets = markets or None
        return None

    def _tell(self, commands: bytes, reports: bytes, ms: int, out: Outputs) -> None:
        """Send to everybody what came of commands."""
        self._bury_refused(commands, reports, ms, out)
        self._answer(reports, out)
        self._publish_trades(reports, ms, out)
        numbers = memoryview(reports).cast("I")[_SYMBOL_WORD::_WORDS].tolist()
        self._changed.update(numbers)
        if self._markets is not None:
            self._markets.changed(numbers, ms)

    def _simulate(self, simulation: Simulation, frame: bytes, ms: int, out: Outputs) -> None:
        """Execute what has reached the book of a venue that is not ideal; tell of it as the fold does."""
        sessions, until_ms = self._sessions, ms
        while sessions is not None and (due := sessions.due_ms) is not None and due <= ms:
            self._tell_all(simulation.process(self._engine, b"", due - 1), ms, out)
            if simulation.due_ms is not None and simulation.due_ms < due:  # it has more to do than one entry may
                until_ms = due - 1
                break
            records = sessions.turn(self._engine)
            self._tell(records, self._engine.process(records, due - 1), ms, out)
        self._tell_all(simulation.process(self._engine, frame, ms, until_ms), ms, out)
        if self._changed:
            self._publish_depth(ms, out)
        if simulation.is_over:
            self._simulation = None

    def _tell_all(self, executed: Iterable[tuple[bytes, bytes]], ms: int, out: Outputs) -> None:
        for commands, reports in executed:
            if reports:
                self._tell(commands, reports, ms, out)

    def _take_calendars(self, data: bytes, entry: Entry, out: Outputs) -> None:
        """Let time pass, then go by other calendars; without any instrument there are no sessions."""
        try:
            calendars = Calendars.from_json(data)
        except ValueError as error:
            raise BadEntry("bad_calendar", f"calendar: {error}") from None
        self.fold(Entry(entry.id, entry.ms, {b"tick": b"1"}), out)
        sessions = self._sessions or Sessions()
        records = sessions.take(self._engine, calendars, entry.ms)
        if records:
            self._tell(records, self._engine.process(records, entry.ms), entry.ms, out)
        self._sessions = None if calendars.is_empty else sessions

    def _configure(self, entry: Entry, out: Outputs) -> None:
        """Let time pass, then go by another configuration. An ideal one ends the simulation once all has arrived."""
        data = entry.fields.get(CALENDAR)
        if data is not None:
            return self._take_calendars(data, entry, out)
        data = entry.fields.get(b"config")
        if data is None:
            names = [name[:40] for name in sorted(entry.fields)[:8]]
            raise BadEntry("not_a_frame", f"frame: missing; the entry's fields are {names!a}")
        try:
            config = SimulationConfig.from_json(data)
        except ValueError as error:
            raise BadEntry("bad_config", f"config: {error}") from None
        self.fold(Entry(entry.id, entry.ms, {b"tick": b"1"}), out)
        if self._simulation is None:
            if not config.is_ideal:
                self._simulation = Simulation(config, self._venue, self.partition)
        else:
            self._simulation.configure(config)
            if self._simulation.is_over:
                self._simulation = None

    @property
    def due_ms(self) -> int | None:
        """When an order expires, a command arrives, a session changes, something is told. See `stage.Timed`."""
        due = self._engine.due()
        for room in (self._simulation, self._sessions, self._asked, self._markets):
            if room is not None and room.due_ms is not None:
                due = room.due_ms if due is None else min(due, room.due_ms)
        return due

    def configuration(self) -> dict[bytes, bytes] | None:
        """Return the entry that brings this process's configuration, unless the state has it; see `Configured`."""
        has = IDEAL if self._simulation is None else self._simulation.config
        if has == self._config or (has.is_ideal and self._config.is_ideal):
            return None
        return {b"config": self._config.to_json()}

    def calendar(self) -> dict[bytes, bytes] | None:
        """Return the entry that brings this process's calendars, unless the state has them; see `Calendared`."""
        calendars = self._calendars()
        has = NO_CALENDARS if self._sessions is None else self._sessions.calendars
        return None if calendars == has else {CALENDAR: calendars.to_json()}

    def _check_commands(self, frame: bytes, ms: int) -> None:
        """Refuse commands for account partitions that are not there, and FS_TIME ahead of the log, which is the clock.

        Time that went ahead would expire every order that ends by it, and none after it could ever be accepted.
        """
        if _TIME not in frame[_COMMAND_TYPE::RECORD_BYTES] and _partitions_in(
            frame, _COMMAND_PARTITION, self._known_partitions
        ):
            return
        count = len(self._answers)
        for index, command in enumerate(map(Command._make, COMMAND.iter_unpack(frame))):
            if command.type == _TIME:
                if command.time_ms > ms:
                    raise BadEntry(
                        "clock_ahead", f"record {index}, time_ms: {command.time_ms} is ahead of its entry's time, {ms}"
                    )
            elif command.type not in _FEED_COMMANDS and command.partition >= count:
                raise BadEntry(
                    "wrong_partition",
                    f"record {index}, partition: {command.partition} is no account partition, there are {count}",
                )

    def _answer(self, reports: bytes, out: Outputs) -> None:
        """Send to each account partition what it hears, uncopied where the only one hears all of it."""
        if len(self._answers) == 1 and _partitions_in(reports, _REPORT_PARTITION, b"\0"):
            out.record(self._answers[0], reports, self._field)
            return
        for partition, stream in enumerate(self._answers):
            heard = self._engine.select(reports, partition)
            if heard:
                out.record(stream, heard, self._field)

    def _bury_refused(self, frame: bytes, reports: bytes, ms: int, out: Outputs) -> None:
        """Send what the engine refused of the house to `dead`, one by one: no account partition hears of it.

        A feed that goes on while its market is closed by a calendar is nobody's mistake: that is counted.

        Each such command has one answer, in its order: an echo or a rejection. A crossed quote has both in one: the
        echo says to all that there is no quote.
        """
        types = reports[_REPORT_TYPE::RECORD_BYTES]
        crossed = _QUOTED in types and _CROSSED in reports[_REPORT_REASON::RECORD_BYTES]
        if _REJECTED not in types and not crossed:
            return
        records = map(Report._make, REPORT.iter_unpack(reports))
        answers = [
            report
            for report in records
            if report.type in _HOUSE_ECHOES
            or (report.type == ReportType.REJECTED and report.partition == PARTITION_NONE)
        ]
        commands = [c for c in map(Command._make, COMMAND.iter_unpack(frame)) if _house_answered(c)]
        for command, report in zip(commands, answers, strict=True):
            if report.type == ReportType.REJECTED or report.reason == Reason.CROSSED:
                if report.reason == Reason.SESSION and self._is_closed(command, ms):
                    self._left_out += 1
                    continue
                reason, text = refusal_of(command, report.reason)
                out.bad(reason, text, {b"frame": COMMAND.pack(*command)})

    def _is_closed(self, command: Command, ms: int) -> bool:
        closed = self._sessions is not None and self._sessions.is_closed(command.symbol, ms)
        return closed and command.type in _FEED_COMMANDS

    def _publish_trades(self, reports: bytes, ms: int, out: Outputs) -> None:
        """Publish each trade once, from its taker's report, in order, one message a symbol."""
        takes = reports[_REPORT_FLAGS::RECORD_BYTES].translate(_TAKES)
        by_symbol: dict[int, list[tuple[int, str, str, str]]] = {}
        at = takes.find(1)
        while at >= 0:
            price, qty, match_id, symbol, side = _TRADE.unpack_from(reports, at * RECORD_BYTES)
            listing = self._listings.get(symbol)
            if listing is not None:
                trade = (match_id, listing.price(price), listing.qty(qty), _SIDES[side])
                by_symbol.setdefault(symbol, []).append(trade)
            at = takes.find(1, at + 1)
        for number, trades in by_symbol.items():
            symbol = self._listings[number].symbol
            message = {"type": "Trades", "v": Trades.VERSION, "time": ms, "symbol": symbol, "venue": self._venue}
            message["trades"] = trades
            out.market(self._market, message)

    def _publish_depth(self, ms: int, out: Outputs) -> None:
        for number in [n for n in self._changed if ms - self._shown_ms.get(n, 0) >= DEPTH_EVERY_MS]:
            self._changed.discard(number)
            self._shown_ms[number] = ms
            listing = self._listings.get(number)
            if listing is None:
                continue
            out.market(
                self._market,
                {
                    "type": "Depth",
                    "v": Depth.VERSION,
                    "time": ms,
                    "symbol": listing.symbol,
                    "venue": self._venue,
                    "bids": self._levels(listing, number, Side.BUY),
                    "asks": self._levels(listing, number, Side.SELL),
                },
            )

    def _levels(self, listing: Listing, number: int, side: Side) -> list[tuple[str, str]]:
        levels: list[Level] = self._engine.depth(number, side, DEPTH_LEVELS)
        return [(listing.price(level.price), listing.qty(level.qty)) for level in levels]

    def snapshot(self) -> bytes:
        """Return the engine's bytes; of a venue that is not ideal, see `snapshot`."""
        return dump(self._engine, self._simulation, self._sessions, self._asked, self._markets)

    def restore(self, data: bytes) -> None:
        """See `Stage.restore`. Raises ValueError for bytes that are no snapshot of an engine."""
        markets = MarketReports(self._venue, self._answers)
        rooms = load(data, self._engine, self._asked, markets, self._venue, self.partition)
        self._simulation, self._sessions = rooms
        self._markets = markets or None

    def gauges(self) -> Mapping[str, Mapping[str, int]]:
        """Return the number of resting client orders, and of commands that have not reached the book."""
        delayed = 0 if self._simulation is None else self._simulation.waiting
        tables = {} if self._sessions is None else self._sessions.calendars.calendars
        return {
            "resting_orders": {"": self._engine.orders()},
            "delayed_commands": {"": delayed},
            "closed_market_data": {"": self._left_out},
            "calendar_ends_timestamp_seconds": {name: table.until_ms // 1000 for name, table in tables.items()},
        }
