"""A backtest: in the data's own time, by the settings' venue, equal to itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillstream import Backtest, Desk, Strategy
from fillstream.backtest import driver
from fillstream.backtest.driver import Unordered
from fillstream.demo.market_files import FeedError
from fillstream.libs.common.process.settings import Settings, load_settings
from fillstream.strategy.market import Bar, Quote
from fillstream.strategy.session import StrategyFailed
from fillstream.strategy.strategy import StrategyUnusable
from tests.support.backtests import CONFIG, START_MS, quote, settings_with, trade, waves
from tests.support.terms import but


@pytest.fixture
def ideal(monkeypatch: pytest.MonkeyPatch) -> Settings:
    return settings_with(monkeypatch, simulation__enabled="false")


class Once(Strategy):
    """Buys ten at the first quote; writes down when it hears of what."""

    heard: list[tuple[str, int]]

    def __init__(self) -> None:
        type(self).heard = []

    def on_quote(self, desk: Desk, quote: Quote) -> None:
        if not self.heard:
            desk.signal("AAPL", "BUY", 10)
        self.heard.append(("quote", desk.now_ms - START_MS))

    def on_order(self, desk: Desk, event: Any) -> None:
        self.heard.append((event.type, desk.now_ms - START_MS))

    def on_fill(self, desk: Desk, fill: Any) -> None:
        assert desk.position("AAPL").quantity == 10, "positions are told before fills"
        self.heard.append(("fill", desk.now_ms - START_MS))

    def on_position(self, desk: Desk, event: Any) -> None:
        self.heard.append((event.type, desk.now_ms - START_MS))


def test_an_order_takes_the_latency_and_the_venues_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with(monkeypatch, simulation__delay_ms="100", simulation__slippage="0.001")
    market = [quote(0, 10_000, 10_002), quote(50, 10_010, 10_012), quote(400, 10_020, 10_022)]
    result = Backtest(Once, market, settings=settings, latency_ms=20).run()
    assert Once.heard == [
        ("quote", 0), ("OrderReceived", 20), ("quote", 50), ("PositionChanged", 120), ("OrderAccepted", 120),
        ("fill", 120), ("quote", 400),
    ]  # fmt: skip
    [fill] = result.rows("fills")
    # By the quote that stands when it arrives, a tenth of a percent worse, on the tick.
    assert (fill[0], fill[4], fill[5]) == (START_MS + 120, Decimal(10), Decimal("100.23"))
    assert result.terms["latency_ms"] == "20"
    assert result.terms["venue SIM"].startswith("delay 100 ms ± 0, slippage 0.001")


def test_money_is_exact_to_the_last_digit(ideal: Settings) -> None:
    class Trip(Strategy):
        def on_quote(self, desk: Desk, quote: Quote) -> None:
            held = desk.position("AAPL").quantity
            if quote.bid_px == Decimal(100) and not held:
                desk.signal("AAPL", "BUY", 7)
            elif quote.bid_px == Decimal("100.50") and held:
                desk.close_position("AAPL")

    market = [quote(0, 10_000, 10_002), quote(1_000, 10_050, 10_052), quote(2_000, 10_040, 10_042)]
    result = Backtest(Trip, market, settings=ideal, capital=1_000).run()
    summary = result.summary
    assert (summary.currency, summary.capital, summary.equity) == ("USD", Decimal(1_000), Decimal("1003.36"))
    assert (summary.net_pnl, summary.fees, summary.unrealized_pnl) == (Decimal("3.36"), Decimal(0), Decimal(0))
    assert (summary.orders, summary.fills, summary.trades, summary.won, summary.lost) == (2, 2, 1, 1, 0)
    assert summary.traded_value == 7 * Decimal("100.02") + 7 * Decimal("100.50")
    assert (summary.win_rate, summary.profit_factor) == (1, None)
    assert summary.best_trade == summary.worst_trade == Decimal("3.36")


def test_contracts_may_settle_in_the_coin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Seven contracts of 10,000 bought at 100.02 and sold at 100.50: 7 * (10000 / 100.02 - 10000 / 100.50) coins."""

    class Trip(Strategy):
        def on_quote(self, desk: Desk, quote: Quote) -> None:
            held = desk.position("AAPL").quantity
            if quote.bid_px == Decimal(100) and not held:
                desk.signal("AAPL", "BUY", 7)
            elif quote.bid_px == Decimal("100.50") and held:
                desk.close_position("AAPL")

    shutil.copytree(CONFIG.parent, tmp_path / "config")
    terms = {"id": 1, "tick_size": "0.01", "lot_size": 1, "multiplier": 10_000, "currency": "BTC", "inverse": True}
    (tmp_path / "config" / "instruments.yaml").write_text(json.dumps({"AAPL": terms}))
    monkeypatch.setenv("FILLSTREAM_EXECUTION__SIMULATION__ENABLED", "false")
    settings = load_settings(tmp_path / "config" / CONFIG.name)
    market = [quote(0, 10_000, 10_002), quote(1_000, 10_050, 10_052), quote(2_000, 10_040, 10_042)]
    result = Backtest(Trip, market, settings=settings, capital=1).run()
    summary = result.summary
    entry, exit_ = (70_000 / Decimal(price) for price in ("100.02", "100.50"))
    assert (summary.currency, summary.trades, summary.won) == ("BTC", 1, 1)
    assert summary.net_pnl == (entry - exit_).quantize(Decimal("1E-12")) - summary.fees
    assert summary.traded_value == sum(each.quantize(Decimal("1E-12")) for each in (entry, exit_))


def test_a_strategy_may_hedge(ideal: Settings) -> None:
    """Long 7 and short 3 at 100, both closed apart; what the account made is what each of them did."""
    seen: list[tuple[Decimal, Decimal | None, list[str]]] = []

    class Hedging(Strategy):
        def on_quote(self, desk: Desk, quote: Quote) -> None:
            held = desk.hedged_positions("AAPL")
            seen.append((desk.position("AAPL").quantity, desk.position("AAPL").avg_px, [*held]))
            if not seen[1:]:
                desk.signal("AAPL", "BUY", 7, position_id="core")
                desk.signal("AAPL", "SELL", 3, position_id="hedge")
            for name, each in held.items():
                assert each == desk.position("AAPL", name)
                if quote.bid_px == Decimal("100.50"):
                    desk.close_position("AAPL", position_id=name)

    ideal.accounts["demo"] = but(ideal.accounts["demo"], position_mode="HEDGING")
    market = [quote(0, 10_000, 10_002), quote(500, 10_000, 10_002), quote(1_000, 10_050, 10_052),
              quote(2_000, 10_040, 10_042)]  # fmt: skip
    result = Backtest(Hedging, market, settings=ideal, account="demo", capital=1_000).run()
    assert seen[1] == (4, None, ["core", "hedge"])
    assert seen[-1] == (0, None, [])
    made = 7 * Decimal("0.48") - 3 * Decimal("0.52")
    assert (result.summary.net_pnl, result.summary.trades) == (made, 2)
    assert result.summary.equity == 1_000 + made


class Crossing(Strategy):
    """Buys what rises and sells what falls, by bars of its own."""

    parameters = {"quantity": 5}  # noqa: RUF012 - a test's
    bars = "5s"

    def __init__(self) -> None:
        self.last: Decimal | None = None

    def on_bar(self, desk: Desk, bar: Bar) -> None:
        if self.last is not None and not desk.orders():
            side = "BUY" if bar.close > self.last else "SELL"
            desk.signal(bar.symbol, side, desk.parameters["quantity"])  # type: ignore[arg-type]
        self.last = bar.close


def test_the_same_again_is_the_same_to_the_byte(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = settings_with(
        monkeypatch, simulation__delay_spread_ms="90", simulation__reject_rate="0.2", simulation__seed="3"
    )
    run = Backtest(Crossing, waves(200), settings=settings)
    first, second = run.run(), run.run()
    assert (first.hash, first.digests, first.as_dict()) == (second.hash, second.digests, second.as_dict())
    assert first.summary.orders > 20
    for folder, result in (("a", first), ("b", second)):
        result.save(tmp_path / folder)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name
    other = Backtest(Crossing, waves(200), settings=settings, latency_ms=500).run()
    assert other.hash != first.hash
    assert Backtest(Crossing, waves(200), settings=settings, parameters={"quantity": 6}).run().hash != first.hash


def test_orders_that_rest_trade_when_the_market_comes(ideal: Settings) -> None:
    class Patient(Strategy):
        def on_start(self, desk: Desk) -> None:
            desk.timer("later", after_ms=10)

        def on_timer(self, desk: Desk, name: str) -> None:
            desk.signal("AAPL", "BUY", 30, price="99.90", time_in_force="GTC")

        def on_fill(self, desk: Desk, fill: Any) -> None:
            [order] = desk.orders()
            desk.cancel(order.order_id)

    market = [quote(0, 10_000, 10_002), trade(500, 9_990, 12, side=2), quote(900, 9_995, 9_997)]  # type: ignore[arg-type]
    result = Backtest(Patient, market, settings=ideal).run()
    [order] = result.rows("orders")
    assert (order[13], order[14], order[15], order[17]) == ("Canceled", Decimal(12), Decimal("99.90"), "requested")
    assert order[16] == START_MS + 501
    assert result.record.events["OrderCancelRequested"] == 1


def test_a_day_order_ends_with_its_day_though_nothing_happens_meanwhile(ideal: Settings) -> None:
    class Daily(Strategy):
        def on_start(self, desk: Desk) -> None:
            desk.timer("later", after_ms=10)

        def on_timer(self, desk: Desk, name: str) -> None:
            desk.signal("AAPL", "BUY", 1, price="50", time_in_force="DAY")

    market = [quote(0, 10_000, 10_002), quote(3 * 86_400_000, 10_000, 10_002)]
    result = Backtest(Daily, market, settings=ideal).run()
    [order] = result.rows("orders")
    assert (order[13], order[16]) == ("Expired", START_MS + 86_400_000)


def test_what_is_sent_at_the_end_still_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(Strategy):
        told: list[str]

        def on_stop(self, desk: Desk) -> None:
            type(self).told = []
            desk.signal("AAPL", "BUY", 1)

        def on_fill(self, desk: Desk, fill: Any) -> None:
            self.told.append("fill")

    settings = settings_with(monkeypatch, simulation__delay_ms="700")
    result = Backtest(Late, [quote(0, 10_000, 10_002)], settings=settings).run()
    assert [row[0] for row in result.rows("fills")] == [START_MS + 701]
    assert Late.told == [], "nothing is told after on_stop"
    assert result.until_ms == START_MS


def test_a_refusal_is_in_its_table_and_told(ideal: Settings) -> None:
    class Wrong(Strategy):
        told: list[str]

        def on_start(self, desk: Desk) -> None:
            type(self).told = []
            desk.close_position("AAPL")
            desk.signal("NOPE", "BUY", 1)

        def on_order(self, desk: Desk, event: Any) -> None:
            self.told.append(event.type)

    result = Backtest(Wrong, waves(3), settings=ideal).run()
    assert Wrong.told == ["SignalRefused", "OrderRejected"]
    assert [row[2] for row in result.rows("refused")] == ["nothing_to_reduce"]
    assert [(row[13], row[17]) for row in result.rows("orders")] == [("Rejected", "unknown_symbol")]


def test_a_strategy_that_fails_or_never_ends_is_told(ideal: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(Strategy):
        def on_start(self, desk: Desk) -> None:
            desk.predict("AAPL", "BUY")

        def on_quote(self, desk: Desk, quote: Quote) -> None:
            desk.signal("AAPL", "BUY", 1)

        def on_fill(self, desk: Desk, fill: Any) -> None:
            desk.signal("AAPL", "BUY", 1)

    class Broken(Strategy):
        def on_bar(self, desk: Desk, bar: Bar) -> None:
            raise KeyError(bar.symbol)

        bars = "1s"

    with pytest.raises(StrategyFailed, match=f"on_bar at {START_MS + 1_000}: KeyError: 'AAPL'"):
        Backtest(Broken, waves(5), settings=ideal).run()
    monkeypatch.setattr(driver, "MOST_ANSWERS", 50)
    with pytest.raises(Unordered, match=f"more than 50 signals arrive at {START_MS}: the strategy answers itself"):
        Backtest(Endless, waves(2), settings=ideal, latency_ms=0, account="demo").run()


def test_time_does_not_go_back(ideal: Settings) -> None:
    with pytest.raises(Unordered, match=r"AAPL: time .* is before the .* of what came first"):
        Backtest(Crossing, [quote(5, 100, 101), quote(4, 100, 101)], settings=ideal).run()


def test_there_has_to_be_something(ideal: Settings) -> None:
    empty: Iterator[Any] = iter(())
    with pytest.raises(FeedError, match="data: there is no quote, no trade and no bar"):
        Backtest(Crossing, empty, settings=ideal).run()


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ({"account": "nobody"}, ValueError, "account: 'nobody' must be one of accounts.yaml: default"),
        ({"latency_ms": -1}, ValueError, "latency_ms: -1 must be from 0 to 60000"),
        ({"capital": 0}, ValueError, "capital: 0 must be above 0"),
        ({"symbol": "NOPE"}, ValueError, "symbol: 'NOPE' must be one of instruments.yaml: AAPL"),
        ({"bar": "5"}, ValueError, "bar: '5' must be a number with"),
        ({"name": "two words"}, StrategyUnusable, "name: 'two words' must be a name"),
        ({"parameters": {"slow": 1}}, StrategyUnusable, "parameters: 'slow' is none of Crossing's: quantity"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(
    ideal: Settings, said: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        Backtest(Crossing, waves(2), settings=ideal, **said)


def test_it_is_told_how_far_it_has_come(ideal: Settings) -> None:
    told: list[tuple[int, int]] = []
    Backtest(Crossing, waves(2_001, every_ms=10), settings=ideal).run(lambda count, ms: told.append((count, ms)))
    assert told == [(0, START_MS), (2_000, START_MS + 20_000)]


def test_equity_is_the_cash_and_what_is_held_at_its_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLSTREAM_EXECUTION__VENUES", '{"SIM": {"taker_fee_bps": "2.5"}}')
    result = Backtest(Crossing, waves(300), settings=settings_with(monkeypatch), capital=10_000).run()
    equity = {row[0]: row[2] for row in result.rows("equity")}
    changes = {row[0]: row for row in result.rows("positions")}
    assert len(changes) > 30 and result.summary.fees > 0
    for ms, row in changes.items():
        position, cash, mark = row[6], row[11], row[13]
        assert equity[ms] == 10_000 + cash + position * mark
    assert result.summary.fees == sum(row[6] for row in result.rows("fills"))
    assert result.summary.orders == len(result.rows("orders")) == result.record.events["OrderReceived"]


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        ("time_s,symbol,open,high,low,close,volume", ["60,AAPL,100,101,99,100,4000", "120,AAPL,99,99,90,95,4000"]),
        ("time_s,symbol,price,quantity", ["60,AAPL,100,1000", "120,AAPL,99,1000", "180,AAPL,90,1000"]),
    ],
)
@pytest.mark.parametrize("waits", ["book", "desk"])
def test_a_stop_is_hit_by_bars_and_by_trades_alone(
    ideal: Settings, tmp_path: Path, columns: str, rows: list[str], waits: str
) -> None:
    class Protected(Strategy):
        sent = False

        def on_quote(self, desk: Desk, quote: Quote) -> None:
            if self.sent:
                return
            self.sent = True
            if waits == "desk":
                desk.bracket("AAPL", "BUY", 10, stop_loss="95")
            else:
                desk.signal("AAPL", "BUY", 10)
                desk.signal("AAPL", "SELL", 10, order_type="STOP", stop_price="95")

    (tmp_path / "market.csv").write_text("\n".join([columns, *rows, ""]))
    result = Backtest(Protected, tmp_path / "market.csv", settings=ideal).run()
    # It is sold in the market that the trade was made in, not in the one before it.
    assert [fill[5] for fill in result.rows("fills")] == [Decimal(100), Decimal(90)]
