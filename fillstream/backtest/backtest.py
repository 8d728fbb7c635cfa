"""A backtest: a strategy, market data and a desk's settings in, what came of it out.

Flows in: what to run. Flows out: a `Result`. The desk is the real one, all of its stages by the settings' limits, fees
and simulated venues; only its log is in memory. Nothing listens, nothing is written, and no clock is asked: the same
again gives the same, to the byte.

    result = Backtest("crossing.py", "btcusdt.gz", parameters={"fast": 20}).run()
    print(result.summary.net_pnl, result.hash)
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

from fillstream.backtest.driver import Decimals, Driver, Happening
from fillstream.backtest.figures import summary_of
from fillstream.backtest.memory_desk import MemoryDesk
from fillstream.backtest.record import Record
from fillstream.backtest.result import Result
from fillstream.backtest.sources.files import MarketFile, look_at, market_of
from fillstream.backtest.sources.tables import Options
from fillstream.backtest.stages import stages_at
from fillstream.demo.market_files import FeedError
from fillstream.demo.market_numbers import listed
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT
from fillstream.libs.common.process.settings import Settings, load_settings
from fillstream.libs.common.values.naming import shorten
from fillstream.strategy.desk import Desk
from fillstream.strategy.market import interval_ms
from fillstream.strategy.session import Session
from fillstream.strategy.strategy import Strategy, fresh, load_strategy, name_of, parameters_of

Data = str | Path | Sequence[str | Path] | Iterable[Happening]
Progress = Callable[[int, int], None]
"""Hears, now and then, how much has happened, and what time it is in the data (ms since 1970 UTC)."""
CAPITAL = Decimal(100_000)
LATENCY_MS = 1
MAX_LATENCY_MS = 60_000
TOLD_EVERY = 2_000
_GARBAGE_AFTER = (100_000, 50, 1_000)
"""Objects between two looks for garbage: orders are made by the thousand here, and none is garbage."""


class Backtest:
    """A backtest that may be run, again and again.

    Args:
        strategy: a class, or where one is: `FILE.py`, `FILE.py:NAME`, `MODULE:NAME`.
        data: files of market data, or happenings themselves, which have to be there again for a second run.
        settings: of the desk; by default those of `config`.
        config: a configuration file; by default the one that `fillstream up` would take.
        parameters: of the strategy; what is not given is what its class declares.
        name: of the strategy in its signals; by default its class's.
        account: whose orders it sends.
        latency_ms: from what it is told to the arrival of its signal at the desk; the venue's delay comes on top of it.
        capital: what its equity begins with; figures alone go by it.
        symbol: of data that has no column for it.
        bar: how long bars are, as `1m`, of data that does not show it.
        round_sizes: whether sizes are rounded down to whole lots.

    Raises:
        ValueError: one of these cannot be: names it, its value and what it must be.
        market_files.FeedError: there is no such file of market data, or of no kind that is known.
        SettingsError: the settings cannot be used.
    """

    def __init__(
        self,
        strategy: str | type[Strategy],
        data: Data,
        *,
        settings: Settings | None = None,
        config: Path | None = None,
        parameters: Mapping[str, Any] | None = None,
        name: str | None = None,
        account: str = DEFAULT_ACCOUNT,
        latency_ms: int = LATENCY_MS,
        capital: Decimal | int = CAPITAL,
        symbol: str | None = None,
        bar: str | None = None,
        round_sizes: bool = False,
    ) -> None:
        self.strategy = load_strategy(strategy) if isinstance(strategy, str) else strategy
        self.name = name_of(self.strategy, name)
        self.parameters = parameters_of(self.strategy, parameters or {})
        self._settings = settings or load_settings(config)
        self._account = account
        self._latency_ms = latency_ms
        self._capital = Decimal(capital)
        self._options = Options(symbol, None if bar is None else interval_ms(bar, "bar"))
        self._round_sizes = round_sizes
        self._check()
        self._given, self._files = _looked_at(data, round_sizes)
        if symbol is not None and self._files and all(file.names_symbols for file in self._files):
            raise ValueError(f"symbol: {symbol} is for data that does not name its instrument, and each file does")
        self._settings = for_one_process(self._settings, any(file.kind == "bars" for file in self._files))

    def _check(self) -> None:
        if self._account not in self._settings.accounts:
            known = ", ".join(self._settings.accounts)
            raise ValueError(f"account: {shorten(self._account)} must be one of accounts.yaml: {known}")
        if not 0 <= self._latency_ms <= MAX_LATENCY_MS:
            raise ValueError(f"latency_ms: {self._latency_ms} must be from 0 to {MAX_LATENCY_MS}")
        if not self._capital.is_finite() or self._capital <= 0:
            raise ValueError(f"capital: {self._capital} must be above 0")
        if self._options.symbol is not None and self._options.symbol not in self._settings.instruments:
            known = ", ".join(self._settings.instruments)
            raise ValueError(f"symbol: {shorten(self._options.symbol)} must be one of instruments.yaml: {known}")

    def run(self, progress: Progress = lambda happenings, ms: None) -> Result:
        """Run it from the beginning to the end of the data.

        Raises:
            FeedError: a row of the data cannot be used, or there is none.
            strategy.StrategyUnusable: its class needs to be told something.
            session.StrategyFailed: the strategy raised something.
            driver.Unordered, memory_desk.Endless: the market goes back in time, or something answers without end.
        """
        market = iter(self._market())
        first = next(market, None)
        if first is None:
            where = ", ".join(str(file.path) for file in self._files) or "data"
            raise FeedError(f"{where}: there is no quote, no trade and no bar")
        settings, began_ms = self._settings, first.time_ns // 1_000_000
        topology = settings.topology()
        desk = MemoryDesk(topology, lambda clock: stages_at(settings, clock), began_ms)
        record = Record(self._capital)
        session = Session(fresh(self.strategy), Desk(self.name, self._account, self.parameters))
        decimals = {symbol: Decimals(one) for symbol, one in listed(settings.instruments).items()}
        driver = Driver(desk, session, decimals, self._frames_to(), self._latency_ms, record.take)
        with _little_garbage():
            driver.run(_told(chain((first,), market), progress))
            summary = summary_of(record, self._capital, began_ms, driver.ended_ms)
        return Result(
            self.name,
            began_ms,
            driver.ended_ms,
            driver.happenings,
            summary,
            desk.digests(),
            self._terms(),
            {str(file.path): dict(file.reading.passed_over) for file in self._files},
            record,
        )

    def _market(self) -> Iterable[Happening]:
        if self._given is not None:
            return self._given
        for file in self._files:
            file.reading.passed_over.clear()
        return market_of(self._files, listed(self._settings.instruments), self._options)

    def _frames_to(self) -> dict[str, str]:
        """Return the key of the stream that takes each instrument's market: of its venue, if that is simulated."""
        settings, topology = self._settings, self._settings.topology()
        found = {}
        for symbol, terms in settings.instruments.items():
            venue = terms.venue or settings.execution.venue
            if venue in topology.venues:
                found[symbol] = topology.commands(venue, topology.symbol_partition(symbol))
        return found

    def _terms(self) -> dict[str, str]:
        """Return what it is run with, in words."""
        told = {
            "account": self._account,
            "capital": format(self._capital, "f"),
            "latency_ms": str(self._latency_ms),
            "parameters": ", ".join(f"{name} {value}" for name, value in self.parameters.items()),
        }
        for venue in self._settings.topology().venues:
            simulated = self._settings.simulation_of(venue)
            told[f"venue {venue}"] = (
                "ideal"
                if simulated.is_ideal
                else f"delay {simulated.delay_ms} ms ± {simulated.delay_spread_ms}, slippage {simulated.slippage:f},"
                f" fill share {simulated.fill_share:f} ± {simulated.fill_share_spread:f},"
                f" rejects {simulated.reject_rate:f}, seed {simulated.seed}"
            )
        return told


def _looked_at(data: Data, round_sizes: bool) -> tuple[Iterable[Happening] | None, list[MarketFile]]:
    """Return happenings that were given, or the files that they are in."""
    if isinstance(data, str | Path):
        return None, look_at([Path(data)], round_sizes)
    if isinstance(data, Sequence) and data and all(isinstance(each, str | Path) for each in data):
        return None, look_at([Path(each) for each in data], round_sizes)
    return data, []  # type: ignore[return-value]


def for_one_process(settings: Settings, has_bars: bool) -> Settings:
    """Return settings without what only several processes need: nobody forgets an order here, or has another book.

    Of bars, quotes do not grow old: between two prices of a bar the market stands where it stood, and no feed is dead.
    """
    execution = settings.execution
    venues = {name: each.model_copy(update={"reconcile_every_ms": 0}) for name, each in execution.venues.items()}
    changed: dict[str, Any] = {"venues": venues, "state_holdings_every_ms": 0}
    if has_bars:
        changed["max_quote_age_ms"] = 0
    return settings.model_copy(update={"execution": execution.model_copy(update=changed)})


def _told(market: Iterator[Happening], progress: Progress) -> Iterator[Happening]:
    for number, happening in enumerate(market):
        if not number % TOLD_EVERY:
            progress(number, happening.time_ns // 1_000_000)
        yield happening


@contextmanager
def _little_garbage() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*_GARBAGE_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
