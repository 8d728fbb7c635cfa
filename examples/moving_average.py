"""Two moving averages that cross, over a capture or bars: a strategy that runs in a backtest and live, unchanged.

python -m examples.moving_average [FILE]
fillstream backtest examples/moving_average.py --data FILE --set fast=10 --set slow=40
fillstream run examples/moving_average.py --set symbol=AAPL --set quantity=10

Without a file it makes quotes of its own from a seed. Of its `symbol` it holds `quantity` while the fast average is
above the slow one, and nothing while it is below.
"""

from __future__ import annotations

import csv
import random
import sys
import tempfile
from collections import deque
from decimal import Decimal
from pathlib import Path

from fillstream import Backtest, Bar, Desk, Result, Strategy

DAY_NS = 1_723_161_600 * 10**9
SECONDS = 3600


class MovingAverage(Strategy):
    """Buys when the fast average crosses above the slow one, and sells when it crosses below."""

    parameters = {"symbol": "BTCUSDT", "fast": 10, "slow": 40, "quantity": Decimal("0.05")}  # noqa: RUF012
    bars = "5s"

    def __init__(self) -> None:
        self.closes: deque[Decimal] = deque()

    def on_bar(self, desk: Desk, bar: Bar) -> None:
        """Compare the averages once there are enough closes."""
        if bar.symbol != desk.parameters["symbol"]:
            return
        fast, slow = int(desk.parameters["fast"]), int(desk.parameters["slow"])
        closes = self.closes = deque(self.closes, maxlen=slow)
        closes.append(bar.close)
        if len(closes) < slow or desk.orders():  # what was sent is still on its way
            return
        recent = list(closes)[-fast:]
        is_up = sum(recent) / fast > sum(closes) / slow
        held = desk.position(bar.symbol).quantity
        if is_up and held <= 0:
            desk.signal(bar.symbol, "BUY", str(desk.parameters["quantity"]))
        elif not is_up and held > 0:
            desk.close_position(bar.symbol)


def made_up(path: Path, seed: int = 1) -> Path:
    """Write quotes of BTCUSDT, a second apart, that drift up and down."""
    dice = random.Random(seed)  # noqa: S311 - a market, no secret
    cents, drift = 6_100_000, 0.0
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("time_ns", "symbol", "bid_px", "bid_qty", "ask_px", "ask_qty"))
        for second in range(SECONDS):
            drift = 0.995 * drift + dice.gauss(0, 40)
            cents += round(drift + dice.gauss(0, 200))
            bid, ask = (f"{each / 100:.2f}" for each in (cents, cents + 1))
            rows.writerow((DAY_NS + second * 10**9, "BTCUSDT", bid, "2", ask, "2"))
    return path


def main(file: Path | None = None) -> Result:
    """Run it, and show what came of it."""
    with tempfile.TemporaryDirectory(prefix="fillstream-example-") as folder:
        run = Backtest(MovingAverage, file or made_up(Path(folder, "quotes.csv")))
        result, again = run.run(), run.run()
    summary = result.summary
    print(f"{result.happenings:,} quotes, {summary.orders} orders, {summary.trades} trades, {summary.won} won")
    print(f"net {summary.net_pnl} {summary.currency}, of it fees {summary.fees}; hash {result.hash}")
    assert again.hash == result.hash, "the same again is the same"
    return result


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
