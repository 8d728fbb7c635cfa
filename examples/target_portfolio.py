"""A portfolio that is kept at its weights: once a bar it says what is to be held, and the desk sends what is missing.

python -m examples.target_portfolio
fillstream backtest examples/target_portfolio.py --data daily.csv --set band_bps=100

Weights are of the equity, which is the capital and what all positions made so far. What is off by less than the band is
left alone. Sells go before buys, and a new target takes the place of the old one (docs/targets.md).
"""

from __future__ import annotations

import csv
import random
import tempfile
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from pathlib import Path

from fillstream import Backtest, Bar, Desk, Result, Strategy

WEIGHTS = {"AAPL": Decimal("0.5"), "MSFT": Decimal("0.3")}
"""The rest stays cash."""
STARTS_AT = {"AAPL": 19_000, "MSFT": 42_000}
DAYS = 250


class TargetPortfolio(Strategy):
    """Keeps what it holds at its weights."""

    parameters = {"capital": 100_000, "band_bps": 100}  # noqa: RUF012 - nobody changes it

    def __init__(self) -> None:
        self.closes: dict[str, Bar] = {}

    def on_bar(self, desk: Desk, bar: Bar) -> None:
        """Rebalance when the last instrument's bar of a time is there."""
        self.closes[bar.symbol] = bar
        if {each.end_ms for each in self.closes.values()} != {bar.end_ms} or self.closes.keys() != WEIGHTS.keys():
            return
        targets = [{"symbol": symbol, "target": lots} for symbol, lots in self.targets(desk).items()]
        if targets:
            desk.set_target(targets=targets)

    def targets(self, desk: Desk) -> dict[str, int]:
        """Return how many of each are to be held, of those that are off by more than the band."""
        equity = Decimal(int(desk.parameters["capital"]))
        held = {symbol: desk.position(symbol) for symbol in WEIGHTS}
        for symbol, each in held.items():
            at_close = (self.closes[symbol].close - each.avg_px) * each.quantity if each.avg_px is not None else 0
            equity += each.realized_pnl - each.fees + at_close
        band = equity * int(desk.parameters["band_bps"]) / 10_000
        found = {}
        for symbol, weight in WEIGHTS.items():
            close = self.closes[symbol].close
            lots = (weight * equity / close).to_integral_value(ROUND_DOWN)
            if abs(lots - held[symbol].quantity) * close > band:
                found[symbol] = int(lots)
        return found


def made_up(path: Path, seed: int = 7) -> Path:
    """Write daily bars of two stocks, of weekdays."""
    dice = random.Random(seed)  # noqa: S311 - a market, no secret
    cents, day = dict(STARTS_AT), date(2024, 1, 1)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("time", "symbol", "open", "high", "low", "close", "volume"))
        for _ in range(DAYS):
            while day.weekday() >= 5:
                day += timedelta(days=1)
            for symbol, before in cents.items():
                end = max(100, round(before * (1 + dice.gauss(0.0004, 0.015))))
                high, low = max(before, end) + dice.randrange(60), min(before, end) - dice.randrange(60)
                rows.writerow((day, symbol, *(f"{each / 100:.2f}" for each in (before, high, low, end)), 4_000_000))
                cents[symbol] = end
            day += timedelta(days=1)
    return path


def main() -> Result:
    """Run it over a year, and show how close to its weights it is in the end."""
    with tempfile.TemporaryDirectory(prefix="fillstream-example-") as folder:
        result = Backtest(TargetPortfolio, made_up(Path(folder, "daily.csv"))).run()
    summary, last = result.summary, {}
    for row in result.rows("positions"):
        last[row[2]] = row[6] * row[13]
    print(f"{summary.orders} orders in {DAYS} days, net {summary.net_pnl} {summary.currency}")
    for symbol, value in last.items():
        weight = value / summary.equity
        print(f"  {symbol}: {weight:.3f} of the equity when it was traded last, target {WEIGHTS[symbol]}")
        assert abs(weight - WEIGHTS[symbol]) < Decimal("0.1")
    return result


if __name__ == "__main__":
    main()
