"""Small markets, and desks for backtests."""

from __future__ import annotations

from pathlib import Path

import pytest

from fillstream.demo.market_numbers import Moment
from fillstream.libs.common.engine import frames
from fillstream.libs.common.process.settings import Settings, load_settings

START_MS = 1_723_161_600_000
"""A Friday."""
CONFIG = Path(__file__).parents[2] / "config" / "local.yaml"


def settings_with(patch: pytest.MonkeyPatch, **said: str) -> Settings:
    """Return the package's settings, and what is said of `execution` as variables say it: simulation__delay_ms."""
    for name, value in ({"simulation__enabled": "true"} | said).items():
        patch.setenv(f"FILLSTREAM_EXECUTION__{name.upper()}", value)
    return load_settings(CONFIG)


def quote(ms: int, bid: int, ask: int, quantity: int = 1_000, symbol: str = "AAPL") -> Moment:
    """Return a quote, prices in cents, so many milliseconds after the beginning."""
    number = {"AAPL": 1, "MSFT": 2}[symbol]
    record = frames.quote(number, bid, quantity, ask, quantity)
    return Moment((START_MS + ms) * 1_000_000, symbol, record)


def trade(ms: int, price: int, quantity: int, side: frames.Side = frames.Side.BUY) -> Moment:
    """Return a print of AAPL, likewise."""
    return Moment((START_MS + ms) * 1_000_000, "AAPL", frames.print_trade(1, side, price, quantity))


def waves(count: int, every_ms: int = 1_000) -> list[Moment]:
    """Return quotes that rise and fall."""
    return [quote(each * every_ms, 10_000 + (height := abs(each % 40 - 20)), 10_002 + height) for each in range(count)]
