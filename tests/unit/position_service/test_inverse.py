"""Inverse contracts in the books: 100 dollars each, settled in bitcoins; what is expected is worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from fillstream.libs.common.messages.reference import DAY_MS
from fillstream.libs.common.runtime.stage import Entry
from fillstream.services.position_service.accounts.sums import moves_of
from tests.support.exits_desk import ExitsDesk
from tests.support.positions_desk import T0

D = Decimal
PERP: dict[str, Any] = {"tick_size": "0.5", "multiplier": "100", "currency": "BTC", "inverse": True}
MANY = {"max_order_value": "1000000", "max_daily_orders": 1, "min_order_size": "0", "max_slippage_bps": "0"}


class Perp(ExitsDesk):
    """A desk that trades one such contract."""

    def __init__(self, **account: Any) -> None:
        super().__init__()
        self.define("PERP", **PERP)
        self.put("AccountDefined", account="alpha", account_id=1, venue=None, **(MANY | account))

    def order(self, side: str, **fields: Any) -> dict[str, Any]:
        return super().order(side, **({"symbol": "PERP", "currency": "BTC"} | fields))

    def fill(self, side: str, quantity: str, price: str, fee: str = "0", **fields: Any) -> dict[str, Any]:
        return super().fill(side, quantity, price, fee, **({"currency": "BTC"} | fields))

    def restate(self, kind: str, ref: str, quantity: str, price: str, **fields: Any) -> list[dict[str, Any]]:
        told = super().restate(kind, ref, quantity, price, **({"currency": "BTC"} | fields))
        return [each for each in told if each["type"] == "PositionChanged"]

    def at(self, price: str) -> list[dict[str, Any]]:
        return self.quote(price, price, symbol="PERP")

    def account(self, after_ms: int) -> dict[str, Any]:
        """Return what is told of the account then."""
        told = self.fold(Entry(f"{T0 + after_ms}-9", T0 + after_ms, {b"tick": b"1"}))
        [marked] = [each for each in told if each["type"] == "AccountMarked"]
        return marked


@pytest.fixture
def desk() -> Perp:
    return Perp()


def test_who_is_long_gains_bitcoins_as_the_price_rises(desk: Perp) -> None:
    opened = desk.fill("BUY", "10", "40000", "0.0001")
    assert (opened["position"], opened["avg_px"], opened["cash"]) == ("10", "40000.0", "0.0249")
    [marked] = [each for each in desk.at("50000") if each["type"] == "PositionMarked"]
    assert (marked["mark_px"], marked["unrealized_pnl"]) == ("50000.0", "0.005"), "1000 / 40000 - 1000 / 50000"
    assert (marked["realized_pnl"], marked["fees"], marked["day_pnl"]) == ("0", "0.0001", "0.0049")
    closed = desk.fill("SELL", "10", "50000", "0.0002")
    assert (closed["realized_pnl"], closed["fees"], closed["cash"]) == ("0.005", "0.0003", "0.0047")
    [trip] = desk.ended
    assert (trip["entry_px"], trip["exit_px"], trip["gross_pnl"]) == ("40000.0", "50000.0", "0.005")
    assert trip["net_return"] == "0.188", "0.0047 of the 0.025 that it was worth"
    assert (trip["best_pnl"], trip["worst_pnl"]) == ("0.005", "0")


def test_who_is_short_gains_as_it_falls_and_more_than_a_long_loses(desk: Perp) -> None:
    desk.fill("SELL", "10", "40000")
    desk.at("20000")
    closed = desk.fill("BUY", "4", "20000")
    assert (closed["realized_pnl"], closed["unrealized_pnl"]) == ("0.01", "0.015")
    flipped = desk.fill("BUY", "10", "32000")
    assert (flipped["change"], flipped["position"], flipped["avg_px"]) == ("flipped", "4", "32000.0")
    assert flipped["realized_pnl"] == "0.01375", "600 / 32000 - 600 / 40000 more"
    assert flipped["unrealized_pnl"] == "-0.0075", "400 / 32000 - 400 / 20000"
    [trip] = desk.ended
    assert (trip["reason"], trip["side"], trip["gross_pnl"]) == ("flip", "SELL", "0.01375")
    assert trip["exit_px"] == "25806.451612903226", "10 / (4 / 20000 + 6 / 32000)"


@pytest.mark.parametrize(
    ("method", "realized", "average"),
    [("AVERAGE", "0.005", "26666.666666666667"), ("FIFO", "0.0075", "40000.0"), ("LIFO", "0.0025", "20000.0")],
)
def test_every_method_of_cost_has_its_own_share(method: str, realized: str, average: str) -> None:
    desk = Perp(cost_method=method)
    desk.fill("BUY", "3", "20000")
    desk.fill("BUY", "3", "40000")
    sold = desk.fill("SELL", "3", "40000")
    found = {"AVERAGE": "0.00375", "FIFO": "0.0075", "LIFO": "0"}
    assert (sold["realized_pnl"], sold["avg_px"]) == (found[method], average)


def test_a_bust_and_a_correction_make_it_as_if_it_never_was(desk: Perp) -> None:
    first = desk.fill("BUY", "10", "40000")["exec_id"]
    desk.fill("BUY", "10", "20000")
    told = desk.restate("TradeCorrected", first, "5", "25000", old_qty="10", old_px="40000", old_fee="0")
    assert [each["last_px"] for each in told] == ["40000.0", "25000.0"]
    assert told[-1]["avg_px"] == "21428.571428571429", "15 / (5 / 25000 + 10 / 20000)"
    [busted] = desk.restate("TradeBusted", first, "5", "25000")
    assert (busted["position"], busted["avg_px"], busted["cash"]) == ("10", "20000.0", "0.05")


def test_a_trade_of_another_session_moves_what_the_day_began_with(desk: Perp) -> None:
    first = desk.fill("BUY", "10", "40000")["exec_id"]
    desk.at("40000")
    desk.later_ms = DAY_MS
    desk.at("50000")
    [busted] = desk.restate("TradeBusted", first, "10", "40000")
    assert (busted["realized_pnl"], busted["day_pnl"]) == ("0", "0")


def test_an_account_in_the_coin_owns_what_it_made_and_is_exposed_to_what_contracts_are_worth() -> None:
    desk = Perp(currency="BTC", account_type="margin", initial_margin="0.1")
    desk.put(
        "AccountAdjusted", account="alpha", symbol=None, adjustment="DEPOSIT", amount="1", currency="BTC",
        control_id="c", who="me", reason="money", cash="1",
    )  # fmt: skip
    desk.fill("BUY", "100", "40000", "0.001")
    desk.at("50000")
    marked = desk.account(2_000)
    assert (marked["cash_balance"], marked["unrealized_pnl"], marked["equity"]) == ("0.999", "0.05", "1.049")
    assert (marked["long_exposure"], marked["short_exposure"], marked["net_exposure"]) == ("0.2", "0", "0.2")
    assert (marked["margin_used"], marked["buying_power"]) == ("0.02", "10.29")
    desk.fill("SELL", "150", "50000")
    desk.at("40000")
    marked = desk.account(4_000)
    assert (marked["cash_balance"], marked["unrealized_pnl"], marked["equity"]) == ("1.049", "0.025", "1.074")
    assert (marked["long_exposure"], marked["short_exposure"], marked["net_exposure"]) == ("0", "0.125", "-0.125")


def test_an_account_in_dollars_has_it_at_the_rate_of_the_coin() -> None:
    desk = Perp(currency="USD", max_leverage="100")
    desk.define("BTCUSD", base_currency="BTC")
    desk.fill("BUY", "100", "40000")
    desk.at("50000")
    marked = desk.account(2_000)
    assert (marked["missing_rate"], marked["open_positions"]) == ("BTC", 1)
    desk.quote("50000", "50000", symbol="BTCUSD")
    desk.fill("BUY", "1", "50000")
    marked = desk.account(4_000)
    assert (marked["equity"], marked["cash_balance"], marked["long_exposure"]) == ("2500", "0", "10100")


def test_positions_that_hedge_one_another_own_what_each_made() -> None:
    desk = Perp(currency="BTC", position_mode="HEDGING", max_leverage="100")
    desk.fill("BUY", "10", "40000", position_id="core")
    desk.fill("SELL", "10", "50000", position_id="hedge")
    desk.fill("SELL", "5", "50000", position_id="core")
    desk.at("50000")
    marked = desk.account(2_000)
    assert (marked["cash_balance"], marked["unrealized_pnl"], marked["equity"]) == ("0.0025", "0.0025", "0.005")
    assert (marked["open_positions"], marked["short_exposure"]) == (2, "0.01")


def test_percent_exits_follow_the_harmonic_mean_and_break_even_is_at_it(desk: Perp) -> None:
    desk.fill("BUY", "10", "30001")
    desk.fill("BUY", "10", "30001")
    desk.protect(symbol="PERP", position_id=None, stop_loss_percent="10", break_even_offset="100")
    assert desk.told[-1]["stop_px"] == "27000.5", "a tenth below 30001 is 27000.9: a stop is rounded away"
    desk.at("30101")
    assert desk.told[-1]["stop_px"] == "30001.0"
    desk.at("60002")
    desk.fill("BUY", "20", "60002")
    desk.at("40002")
    assert desk.sent == []
    desk.at("40001.5")
    assert [wish.symbol for wish in desk.sent] == ["PERP"], "the mean is 40001.33…"


def test_a_stage_that_was_written_down_goes_on_alike(desk: Perp) -> None:
    desk.fill("BUY", "10", "30001", "0.00000001")
    desk.at("30002")
    desk.again()
    desk.fill("SELL", "3", "30500")
    desk.again()
    assert desk.fill("SELL", "7", "29999")["position"] == "0"
    assert desk.define("PERP", **PERP | {"mark_interval_ms": 5}) == []
    assert desk.dead == []


def test_another_grid_is_refused_while_there_are_positions(desk: Perp) -> None:
    desk.fill("BUY", "10", "30001")
    for changed, text in (
        ({"tick_size": "0.1"}, "PERP: tick_size: 0.1 must stay 0.5, positions are counted in it; the old terms stay"),
        ({"inverse": False}, "PERP: inverse: False must stay True, positions are counted in it; the old terms stay"),
    ):
        desk.define("PERP", **PERP | changed)
        assert (desk.dead[-1]["reason"], desk.dead[-1]["text"]) == ("terms_changed", text)
    assert desk.fill("SELL", "10", "30001")["realized_pnl"] == "0"


def test_what_it_risks_is_counted_by_what_it_is_worth(desk: Perp) -> None:
    for day, price in enumerate(("40000", "50000", "25000", "50000")):
        desk.later_ms = day * DAY_MS
        desk.at(price)
    desk.put("AccountDefined", account="alpha", account_id=1, venue=None, currency="BTC", max_leverage="9", **MANY)
    desk.fill("BUY", "10", "50000")
    for day in range(4, 30):
        desk.later_ms = day * DAY_MS
        desk.at("40000" if day % 2 else "50000")
    marked = desk.account(30 * DAY_MS)
    assert marked["long_exposure"] == "0.025"
    assert marked["value_at_risk"] == "0.025", "the worst of 29 sessions: the price fell to half, and it lost itself"
    moves = [*moves_of(desk.stage._books.instruments["PERP"]).values()][:2]
    assert moves == [Fraction(1, 5), Fraction(-1)], "a long of 0.025 gains 0.005, then 0.02 loses itself once more"
