"""What came of a run, in figures: money exactly, and the ratios that people compare by, from a library.

Flows in: a record's rows. Flows out: a `Summary`. Money is Decimal and never rounded; ratios are floats, which
empyrical reckons from the equity at the end of equal periods, by its names (Sharpe, Sortino, Calmar …), and None where
there is too little to say. Never an annual figure without how many periods a year it counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from importlib.util import find_spec
from math import isfinite
from typing import Any

from fillstream.backtest.record import Record, Row

DAY_MS = 86_400_000
YEAR_DAYS, TRADING_DAYS = 365, 252
PERIODS = {"1d": DAY_MS, "1h": 3_600_000, "1m": 60_000, "1s": 1_000}
"""Lengths of periods that returns are of: the longest of which a run has `FEWEST`."""
FEWEST = 10
RATIOS = (
    "annual_return", "annual_volatility", "sharpe_ratio", "sortino_ratio", "calmar_ratio", "max_drawdown",
    "value_at_risk", "conditional_value_at_risk", "tail_ratio", "omega_ratio",
)  # fmt: skip
"""By empyrical's names; the first five are annual."""
ANNUAL = RATIOS[:5]
ANNUAL_FROM_MS = 5 * DAY_MS
"""A run that is shorter says nothing of a year."""
_MONDAY = 3
"""1970 began on a Thursday: the day of the week, 0 for Monday, is that of 1970 and so many more."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in figures, of one currency.

    Attributes:
        currency: of all money here; that of the first position that changed, None without any.
        capital, equity: at the beginning and at the end.
        net_pnl, gross_pnl, unrealized_pnl, fees: `net_pnl` is the sum of realized (gross) and unrealized, less fees.
        max_drawdown_money: the most that equity was below what it had been.
        orders, fills, traded_value: how many, and what all fills were worth.
        trades, won, lost: positions that came to their end; those that made money after fees, and that lost some.
        win_rate, profit_factor: won of trades; what they made by what the others lost. None without any.
        best_trade, worst_trade: P&L after fees.
        others: other currencies in which there are positions: their equity is in the table, and in nothing here.
        returns_every, periods, periods_per_year: of what the ratios are made; None where there are none.
        ratios: by empyrical's names; None of what cannot be said.
    """

    currency: str | None
    capital: Decimal
    equity: Decimal
    net_pnl: Decimal
    gross_pnl: Decimal
    unrealized_pnl: Decimal
    fees: Decimal
    max_drawdown_money: Decimal
    orders: int
    fills: int
    traded_value: Decimal
    trades: int
    won: int
    lost: int
    win_rate: Decimal | None
    profit_factor: Decimal | None
    best_trade: Decimal | None
    worst_trade: Decimal | None
    others: tuple[str, ...] = ()
    returns_every: str | None = None
    periods: int = 0
    periods_per_year: int | None = None
    ratios: dict[str, float | None] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: money as text."""
        return {
            name: format(value, "f")
            if isinstance(value, Decimal)
            else list(value)
            if isinstance(value, tuple)
            else value
            for name, value in asdict(self).items()
        }


def has_ratios() -> bool:
    """Whether the library is there that makes ratios."""
    return find_spec("empyrical") is not None


def summary_of(record: Record, capital: Decimal, from_ms: int, until_ms: int) -> Summary:
    """Return what came of a run.

    Args:
        record: of it.
        capital: that it began with.
        from_ms, until_ms: when it began and ended (ms since 1970 UTC).
    """
    curve = record.rows("equity")
    currencies = list(dict.fromkeys(row[1] for row in curve))
    currency = currencies[0] if currencies else None
    points = [row for row in curve if row[1] == currency]
    equity, realized, unrealized, fees = points[-1][2:] if points else (capital, *[Decimal(0)] * 3)
    made = record.made.get(currency or "", [])
    won, lost = [each for each in made if each > 0], [each for each in made if each < 0]
    every, periods_per_year, ratios, count = ratios_of(points, capital, from_ms, until_ms)
    return Summary(
        currency=currency,
        capital=capital,
        equity=equity,
        net_pnl=equity - capital,
        gross_pnl=realized,
        unrealized_pnl=unrealized,
        fees=fees,
        max_drawdown_money=_drawdown(points, capital),
        orders=record.count("orders"),
        fills=record.count("fills"),
        traded_value=record.traded.get(currency or "", Decimal(0)),
        trades=len(made),
        won=len(won),
        lost=len(lost),
        win_rate=_share(Decimal(len(won)), Decimal(len(made))),
        profit_factor=_share(sum(won, Decimal(0)), -sum(lost, Decimal(0))),
        best_trade=max(made, default=None),
        worst_trade=min(made, default=None),
        others=tuple(currencies[1:]),
        returns_every=every,
        periods=count,
        periods_per_year=periods_per_year,
        ratios=ratios,
    )


def _share(part: Decimal, whole: Decimal) -> Decimal | None:
    """Return part / whole with six decimals, None where there is no whole."""
    return (part / whole).quantize(Decimal("0.000001")) if whole else None


def _drawdown(points: Sequence[Row], capital: Decimal) -> Decimal:
    highest, deepest = capital, Decimal(0)
    for row in points:
        highest = max(highest, row[2])
        deepest = max(deepest, highest - row[2])
    return deepest


def ratios_of(
    points: Sequence[Row], capital: Decimal, from_ms: int, until_ms: int
) -> tuple[str | None, int | None, dict[str, float | None], int]:
    """Return of which periods the returns are, how many make a year, the ratios, and how many periods there are."""
    found = next((name for name, ms in PERIODS.items() if (until_ms - from_ms) // ms >= FEWEST), None)
    if found is None or not points or not has_ratios():
        return None, None, {}, 0
    ms = PERIODS[found]
    levels = _levels(points, capital, from_ms, until_ms, ms)
    days = YEAR_DAYS
    if ms == DAY_MS and not any(_is_weekend(row[0]) for row in points):
        levels = [(at, level) for at, level in levels if not _is_weekend(at - 1)]
        days = TRADING_DAYS
    per_year = days * DAY_MS // ms
    import empyrical  # noqa: PLC0415 - an extra, asked for where it is used
    import numpy as np  # noqa: PLC0415

    values = np.array([float(capital), *(float(level) for _, level in levels)])
    with np.errstate(all="ignore"):
        returns = values[1:] / values[:-1] - 1 if (values[:-1] > 0).all() else np.array([])
        if not len(returns):
            return found, per_year, dict.fromkeys(RATIOS), 0
        ratios: dict[str, float | None] = {}
        for name in RATIOS:
            if name in ANNUAL and until_ms - from_ms < ANNUAL_FROM_MS:
                ratios[name] = None
                continue
            reckon = getattr(empyrical, name)
            value = float(reckon(returns, annualization=per_year) if name in ANNUAL else reckon(returns))
            ratios[name] = value if isfinite(value) else None
    return found, per_year, ratios, len(returns)


def _levels(points: Sequence[Row], capital: Decimal, from_ms: int, until_ms: int, ms: int) -> list[tuple[int, Decimal]]:
    """Return the equity at the end of each whole period, and at the very end."""
    levels, level, place = [], capital, 0
    at = (from_ms // ms + 1) * ms
    while True:
        at = min(at, until_ms)
        while place < len(points) and points[place][0] <= at:
            level = points[place][2]
            place += 1
        levels.append((at, level))
        if at >= until_ms:
            return levels
        at += ms


def _is_weekend(ms: int) -> bool:
    return (ms // DAY_MS + _MONDAY) % 7 >= 5
