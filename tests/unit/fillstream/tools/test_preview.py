"""What a preview tells of an order: the desk's own rules and fees, and what it does not look at."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from fillstream.libs.common.messages.codes import AccountMode
from fillstream.libs.common.messages.reference import AccountTerms, VenueTerms
from fillstream.tools.preview import OF_HISTORY, Market, Preview, Terms, preview
from tests.support.orders import CONFIG
from tests.support.terms import account, instrument

D = Decimal
MARKET = Market("184.99", "100", "185.01", "100", "185.00")


def terms(market: Market = MARKET, limits: dict[str, Any] | None = None, **fees: Any) -> Terms:
    own = account(1, D(100_000), 50, D(10), D(100), **limits or {})
    instrument = CONFIG.instruments["AAPL"]
    return Terms("AAPL", instrument, "main@paper", own, "SIM", {"SIM": VenueTerms(**fees)}, market, {1: D(10**6)})


def of(known: Terms, model: str = "spread", volume: Decimal | None = None, **fields: Any) -> Preview:
    return preview(known, {"side": "BUY", "quantity": "100"} | fields, model, volume)


def test_what_an_order_would_cost_is_told() -> None:
    found = of(terms(), price="185.00")
    assert found.refused is None
    assert (found.notional, found.fee_estimate, found.currency) == ("18500", "0.925", "USD")
    assert found.expected_slippage_bps == "0.54054054"
    assert found.expected_slippage == "1"
    assert found.not_looked_at == ["max_daily_orders"]


def test_a_market_order_is_valued_at_the_touch_and_a_size_in_money_is_counted() -> None:
    assert of(terms()).notional == "18501"
    assert of(terms(), quantity=None, notional="1000").notional == "925.05", "5 shares"


def test_a_schedules_fee_is_the_desks_own_by_the_tier_of_the_days_before() -> None:
    assert of(terms(min_fee=D(5)), price="185.00").fee_estimate == "5.00000000"
    assert of(terms(fee_tiers=("1000000:1:2",)), price="185.00").fee_estimate == "3.70000000"


def test_an_inverse_contract_costs_what_it_settles_in() -> None:
    """A hundred contracts of 18,500 are 10,000 coins at 185."""
    contract = instrument(1, D("0.01"), D(1), D(18_500), inverse=True, currency="BTC", taker_fee_bps=D(5))
    found = of(replace(terms(), instrument=contract), price="185.00")
    assert (found.refused, found.notional, found.fee_estimate, found.currency) == (None, "10000", "5.00000000", "BTC")


@pytest.mark.parametrize(
    ("limits", "fields", "reason"),
    [
        ({}, {"price": "185.005"}, "off_tick"),
        ({"max_order_value": D(100)}, {"price": "185.00"}, "max_order_value"),
        ({"mode": AccountMode.LIVE}, {"price": "185.00"}, "wrong_mode"),
        ({"restricted_symbols": ["AAPL"]}, {"price": "185.00"}, "restricted_symbol"),
    ],
)
def test_the_rule_that_would_refuse_it_is_told(limits: dict[str, Any], fields: dict[str, Any], reason: str) -> None:
    known = {"max_order_value": D(100_000)} | limits
    own = account(1, known.pop("max_order_value"), 50, D(10), D(100), **known)
    base = terms()
    found = of(
        Terms(base.symbol, base.instrument, base.account, own, base.venue, base.venues, base.market, {}), **fields
    )
    assert found.refused == reason
    assert found.text and found.fee_estimate is None


def test_without_a_quote_a_market_order_is_refused_and_nothing_is_guessed() -> None:
    found = of(terms(Market()))
    assert (found.refused, found.notional, found.expected_slippage_bps) == ("no_quote", None, None)


def test_limits_on_what_is_held_are_named_and_not_looked_at() -> None:
    found = of(terms(limits={"max_position": D(1), "may_short": False}), side="SELL", price="185.00")
    assert found.refused is None
    assert found.not_looked_at == ["max_position", "may_short", "max_daily_orders"]


def test_every_limit_is_looked_at_or_named() -> None:
    looked_at = {
        "max_order_value", "min_order_size", "max_slippage_bps", "requires_stop", "restricted_symbols",
        "requires_approval", "approval_above", "approval_strategies", "max_exit_slippage_bps", "mode",
    }  # fmt: skip
    no_limits = {
        "id", "venue", "currency", "cost_method", "position_mode", "self_trade_prevention", "initial_margin",
        "risk_action",
        "day_begins_minutes", "day_zone", "rate_limit_window_ms", "order_window_ms", "approval_timeout_ms",
        "breaker_window_ms", "breaker_cooldown_ms", "breaker_slippage_fills",
        "exit_stop_loss_percent", "exit_take_profit_percent", "exit_trailing_stop_percent", "exit_trailing_stop_atr",
        "exit_before_session_end_ms",
    }  # fmt: skip
    named = {*OF_HISTORY, "max_daily_orders"}
    assert looked_at | no_limits | named == {*AccountTerms.model_fields}
    assert not named & (looked_at | no_limits)


def test_a_halt_and_a_persons_yes_are_told() -> None:
    halted = Terms(**{name: getattr(terms(), name) for name in Terms.__slots__} | {"state": "HALTED"})
    assert of(halted, price="185.00").refused == "trading_halted"
    waits = of(terms(limits={"requires_approval": True}), price="185.00")
    assert waits.refused is None and waits.text is not None and "a person's yes" in waits.text


@pytest.mark.parametrize(("model", "bps"), [("fixed:3.5", "3.5"), ("volume:200", "20"), ("spread", "0.54054054")])
def test_expected_slippage_is_by_the_model(model: str, bps: str) -> None:
    assert of(terms(), model, D(1000), price="185.00").expected_slippage_bps == bps


def test_without_volume_there_is_no_slippage_by_it() -> None:
    assert of(terms(), "volume:200", None, price="185.00").expected_slippage_bps is None


@pytest.mark.parametrize(
    "model",
    ["", "fixed", "spread:1", "volume", "volume:x", "none", "volume:-5", "fixed:10001", "fixed:nan", "fixed:1e999"],
)
def test_what_is_no_model_is_refused(model: str) -> None:
    with pytest.raises(ValueError, match="slippage: "):
        of(terms(), model, D(1))


def test_what_no_signal_could_ask_for_is_refused() -> None:
    with pytest.raises(ValueError, match="side"):
        of(terms(), side="HOLD")
