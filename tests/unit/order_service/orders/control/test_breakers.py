"""Circuit breakers: open by what goes wrong in a window, half open after a while, closed by an order that passes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine.frames import Reason, ReportFlag, ReportType
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.services.order_service.orders.compiled import MONEY_DECIMALS
from fillstream.services.order_service.orders.control import breakers
from tests.support.orders import CONFIG, OrdersDesk, new_order, report
from tests.support.terms import but, instrument

D = Decimal
WINDOW_MS, COOLDOWN_MS = 10_000, 5_000
TIMES = {"breaker_window_ms": WINDOW_MS, "breaker_cooldown_ms": COOLDOWN_MS}


def desk_of(**terms: Any) -> OrdersDesk:
    default = but(CONFIG.accounts["default"], max_daily_orders=1_000, **TIMES, **terms)
    desk = OrdersDesk(but(CONFIG, accounts={**CONFIG.accounts, "default": default}))
    desk.quote(18490, 18500)
    return desk


def order(desk: OrdersDesk, signal_id: str, **fields: Any) -> list[dict[str, Any]]:
    said = {"price": "185.00", "quantity": "1", **fields}
    told = desk.fold({b"data": orjson.dumps(new_order(signal_id=signal_id, **said))})
    return [event for event in told if event["type"] != "QuoteUpdated"]


def changes(events: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    return [
        (each["scope"], each["name"], each["new_state"], each["cause"])
        for each in events
        if each["type"] == "BreakerChanged"
    ]


def rejected(desk: OrdersDesk, order_id: str, account: int = 1) -> list[dict[str, Any]]:
    return desk.fold({b"frame": report(ReportType.REJECTED, int(order_id), reason=Reason.CAPACITY, account=account)})


def reason(events: list[dict[str, Any]]) -> str:
    return str(events[0].get("reason"))


def test_too_many_orders_in_a_window_open_it_and_the_next_is_refused() -> None:
    desk = desk_of(breaker_orders=3)
    assert changes(order(desk, "a")) == changes(order(desk, "b")) == []
    told = order(desk, "c")
    assert told[0]["type"] == "OrderReceived", "the one that opens it has passed"
    assert changes(told) == [("ACCOUNT", "default", "OPEN", "ORDERS")]
    assert told[1]["text"] == "3 orders were taken within 10000 ms; one may try in 5000 ms"
    refused = order(desk, "d")
    assert (refused[0]["type"], reason(refused)) == ("OrderRejected", "breaker_open")
    assert order(desk, "e", account="other")[0]["type"] == "OrderReceived"
    assert desk.stage.gauges()["open_breakers"] == {"account": 1, "strategy": 0, "venue": 0}


def test_what_is_past_the_window_is_not_counted() -> None:
    desk = desk_of(breaker_orders=3)
    for number in range(9):
        desk.ms += WINDOW_MS // 2
        assert changes(order(desk, f"s{number}")) == []


def half_open(desk: OrdersDesk) -> None:
    desk.ms += COOLDOWN_MS
    assert ("ACCOUNT", "default", "HALF_OPEN", "COOLED_DOWN") in changes(desk.fold({b"tick": b"1"}))


def test_half_open_one_order_tries_and_closes_it_once_it_was_acknowledged() -> None:
    desk = desk_of(breaker_orders=1)
    order(desk, "a")
    half_open(desk)
    assert desk.restarted() is None
    [probe] = order(desk, "b")
    assert probe["type"] == "OrderReceived"
    refused = order(desk, "c")
    assert (reason(refused), "order 2 tries already" in refused[0]["text"]) == ("breaker_open", True)
    desk.accept(2)
    told = order(desk, "d")
    assert changes(told)[0] == ("ACCOUNT", "default", "CLOSED", "PROBE_PASSED")
    assert told[1]["type"] == "OrderReceived"


def test_an_acknowledged_try_closes_it_in_time_though_no_other_order_comes() -> None:
    desk = desk_of(breaker_orders=1)
    order(desk, "a")
    half_open(desk)
    order(desk, "b")
    desk.ms += COOLDOWN_MS
    assert changes(desk.fold({b"tick": b"1"})) == [], "nobody has answered it"
    desk.accept(2)
    desk.ms += COOLDOWN_MS
    assert changes(desk.fold({b"tick": b"1"})) == [("ACCOUNT", "default", "CLOSED", "PROBE_PASSED")]


def test_a_try_that_is_refused_opens_it_again() -> None:
    desk = desk_of(breaker_rejects=2)
    for number in (1, 2):
        order(desk, f"s{number}")
        told = rejected(desk, str(number))
    assert changes(told) == [("ACCOUNT", "default", "OPEN", "REJECTS")]
    half_open(desk)
    order(desk, "b")
    assert changes(rejected(desk, "3")) == [("ACCOUNT", "default", "OPEN", "PROBE_REJECTED")]
    half_open(desk)


def test_orders_that_the_desk_refuses_count_as_well_but_not_those_of_the_breaker_itself() -> None:
    desk = desk_of(breaker_rejects=2)
    assert changes(order(desk, "a", price="185.005")) == []
    assert changes(order(desk, "b", price="185.005")) == [("ACCOUNT", "default", "OPEN", "REJECTS")]
    for number in range(5):
        assert changes(order(desk, f"s{number}")) == []
    half_open(desk)


def test_orders_that_are_refused_while_trading_is_halted_are_no_sign_of_anything_wrong() -> None:
    desk = desk_of(breaker_rejects=2)
    desk.control("Halt")
    for number in range(3):
        told = order(desk, f"s{number}")
        assert (reason(told), changes(told)) == ("trading_halted", [])


def test_what_a_strategys_breaker_refuses_does_not_open_its_accounts() -> None:
    desk = desk_of(strategy_breaker_orders=1, breaker_rejects=2)
    order(desk, "a", strategy="alpha")
    for number in range(3):
        told = order(desk, f"s{number}", strategy="alpha")
        assert (reason(told), changes(told)) == ("breaker_open", [])
    assert order(desk, "z", strategy="beta")[0]["type"] == "OrderReceived"


def test_a_strategys_breaker_stops_its_own_orders_alone() -> None:
    desk = desk_of(strategy_breaker_orders=2)
    for name in ("a", "b"):
        told = order(desk, name, strategy="alpha")
    assert changes(told) == [("STRATEGY", "alpha", "OPEN", "ORDERS")]
    assert reason(order(desk, "c", strategy="alpha")) == "breaker_open"
    assert order(desk, "d", strategy="beta")[0]["type"] == "OrderReceived"
    assert order(desk, "e")[0]["type"] == "OrderReceived"


def test_a_venues_breaker_counts_what_the_venue_refuses_of_anybody() -> None:
    desk = OrdersDesk(but(CONFIG, venues={"SIM": VenueTerms(breaker_rejects=2, **TIMES)}))
    desk.quote(18490, 18500)
    order(desk, "a")
    order(desk, "b", account="other")
    order(desk, "c", price="185.005")
    assert changes(rejected(desk, "1")) == []
    assert changes(rejected(desk, "2", account=2)) == [("VENUE", "SIM", "OPEN", "REJECTS")]
    assert desk.events[-1]["account"] is None
    for account in CONFIG.accounts:
        assert reason(order(desk, f"z{account}", account=account)) == "breaker_open"


def test_a_loss_within_the_window_opens_it_without_any_order() -> None:
    desk = desk_of(breaker_loss=D(100))
    order(desk, "a", quantity="100")
    desk.fill(100, 18500, 1)
    desk.ms += 1_000
    desk.fold({b"tick": b"1"})
    desk.quote(18390, 18400)  # some 105 lower at the mid
    desk.ms += WINDOW_MS // breakers.LOOKS
    told = changes(desk.fold({b"tick": b"1"}))
    assert told == [("ACCOUNT", "default", "OPEN", "LOSS")]
    assert reason(order(desk, "b")) == "breaker_open"


def test_a_slow_loss_does_not_open_it() -> None:
    desk = desk_of(breaker_loss=D(100))
    order(desk, "a", quantity="100")
    desk.fill(100, 18500, 1)
    for step in range(1, 20):
        desk.ms += WINDOW_MS
        desk.quote(18490 - 40 * step, 18500 - 40 * step)
        desk.fold({b"tick": b"1"})
    assert changes(desk.events) == []


def test_a_rate_that_is_missing_is_no_loss() -> None:
    """What was made in another currency is worth nothing that anybody knows then; it is not worth nothing."""
    rate = instrument(9, D("0.0001"), D(1), base_currency="USDT", currency="USD")
    default = but(CONFIG.accounts["default"], breaker_loss=D(100), max_order_value=D(10**6), **TIMES)
    changed = {"accounts": {**CONFIG.accounts, "default": default}, "max_quote_age_ms": 1_000}
    desk = OrdersDesk(but(CONFIG, instruments={**CONFIG.instruments, "USDTUSD": rate}, **changed))
    desk.quote(600_000, 600_010, symbol="BTCUSDT")
    desk.fold({b"frame": report(ReportType.QUOTED, price=9_990, qty=5, leaves=9_990, aux=5, account=0, symbol=9,
                                side=0, partition=0xFFFF)})  # fmt: skip
    order(desk, "a", symbol="BTCUSDT", price="59000.0", quantity="1")
    desk.fill(100_000, 590_000, 1, symbol=2)
    desk.ms += WINDOW_MS // breakers.LOOKS
    desk.fold({b"tick": b"1"})
    [breaker] = desk.stage._state.breakers.values()
    assert breaker.worths[-1][1] > 900 * 10**MONEY_DECIMALS, "a thousand USDT were made, at a rate that is known"
    desk.ms += 2_000
    assert changes(desk.fold({b"tick": b"1"})) == []
    assert breaker.state == "CLOSED"


def test_reduce_only_orders_pass_an_open_breaker() -> None:
    desk = desk_of(breaker_orders=1)
    order(desk, "a", quantity="10")
    desk.fill(10, 18500, 1)
    told = order(desk, "b", side="SELL", quantity="10", special={"reduce_only": True})
    assert told[0]["type"] == "OrderReceived"


LIFTED = [("ACCOUNT", "default", "CLOSED", "LIFTED")]


def test_one_whose_limits_an_operator_takes_off_is_closed_and_leaves_no_time_behind() -> None:
    desk = desk_of()
    desk.set_limits("on", breaker_orders=1, breaker_rejects=5)
    order(desk, "a")
    assert changes(desk.reset_limits("one", "breaker_orders")) == [], "it counts what is refused still"
    assert changes(desk.reset_limits("off")) == LIFTED
    desk.ms += 2 * COOLDOWN_MS
    assert changes(desk.fold({b"tick": b"1"})) == []
    assert changes(desk.set_limits("again", breaker_orders=2)) == []
    assert order(desk, "b")[0]["type"] == "OrderReceived"


def test_one_whose_limits_a_new_file_leaves_out_is_closed_half_open_as_it_may_be() -> None:
    desk = desk_of(breaker_orders=1)
    order(desk, "a")
    half_open(desk)
    default = but(desk.config.accounts["default"], breaker_orders=None)
    new = but(desk.config, accounts={**desk.config.accounts, "default": default})
    assert changes(desk.fold({b"config": new.to_json()})) == LIFTED


def test_breakers_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakers, "MOST_BREAKERS", 3)
    desk = desk_of(strategy_breaker_orders=5)
    for number in range(6):
        order(desk, f"s{number}", strategy=f"run{number}")
    rows = orjson.loads(desk.stage.snapshot())["breakers"]["rows"]
    assert [row["name"] for row in rows] == ["run3", "run4", "run5"]


def test_one_that_makes_room_for_another_leaves_no_time_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakers, "MOST_BREAKERS", 2)
    desk = desk_of(strategy_breaker_orders=1)
    for number in range(3):
        assert changes(order(desk, f"s{number}", strategy=f"run{number}"))[0][2] == "OPEN"
    desk.ms += COOLDOWN_MS
    told = changes(desk.fold({b"tick": b"1"}))
    assert told == [("STRATEGY", name, "HALF_OPEN", "COOLED_DOWN") for name in ("run1", "run2")]


def test_an_open_one_is_not_the_one_that_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakers, "MOST_BREAKERS", 2)
    desk = desk_of(strategy_breaker_orders=2)
    for number, strategy in enumerate(("wild", "wild", "calm", "new")):
        order(desk, f"s{number}", strategy=strategy)
    assert reason(order(desk, "again", strategy="wild")) == "breaker_open"


def test_a_snapshot_has_them_and_a_desk_without_has_no_byte_of_it() -> None:
    desk = desk_of(breaker_orders=3, breaker_loss=D(100), breaker_rejects=3)
    desk.fold({b"tick": b"1"})
    order(desk, "a", quantity="10")
    desk.fill(10, 18500, 1)
    desk.ms += 1_000
    desk.fold({b"tick": b"1"})
    order(desk, "b", price="185.005")
    [row] = orjson.loads(desk.stage.snapshot())["breakers"]["rows"]
    assert row["worths"] and row["orders"] and row["rejects"]
    assert desk.restarted() is None
    plain = OrdersDesk()
    plain.new(price="185.00")
    assert "breakers" not in orjson.loads(plain.stage.snapshot())
    assert plain.stage._state.breakers == {}


# ----------------------------------------------------------------------------------------------- slippage, venue errors


def traded(desk: OrdersDesk, signal_id: str, ticks: int, **fields: Any) -> list[dict[str, Any]]:
    """Send an order of one lot and fill it at so many ticks, as taker; return what the fill brought."""
    took = order(desk, signal_id, **{"price": "186.00", **fields})
    desk.matches += 1
    side = 2 if fields.get("side") == "SELL" else 1
    symbol = {"AAPL": 1, "ES": 3}[fields.get("symbol", "AAPL")]
    record = report(
        ReportType.FILLED, int(took[0]["order_id"]), price=ticks, qty=1, match_id=desk.matches, side=side,
        symbol=symbol, flags=ReportFlag.TAKER,
    )  # fmt: skip
    return desk.fold({b"frame": record})


def test_fills_too_far_from_the_quote_open_it_by_their_mean() -> None:
    """185.00 was asked: 185.37 is 20 basis points beyond, 185.00 none."""
    desk = desk_of(breaker_slippage_bps=D(10), breaker_slippage_fills=2)
    assert changes(traded(desk, "a", 18_537)) == [], "one fill is no mean of two"
    assert changes(traded(desk, "b", 18_500)) == [], "20 and 0 are 10 in the mean, and no more"
    told = traded(desk, "c", 18_538)
    assert changes(told) == [("ACCOUNT", "default", "OPEN", "SLIPPAGE")]
    assert told[-1]["text"] == (
        "breaker_slippage_bps, 10, was passed: 3 fills within 10000 ms were 13.513 bps beyond what their orders met; "
        "one may try in 5000 ms"
    )
    assert reason(order(desk, "d")) == "breaker_open"


def test_a_sale_slips_downwards_and_what_is_better_makes_up_for_it() -> None:
    desk = desk_of(breaker_slippage_bps=D(10), breaker_slippage_fills=2)
    sells = {"side": "SELL", "price": "184.00"}
    traded(desk, "a", 18_527, **sells)
    assert changes(traded(desk, "b", 18_453, **sells)) == [], "184.90 was bid: 20 better, 20 worse"
    assert changes(traded(desk, "c", 18_400, **sells)) == [("ACCOUNT", "default", "OPEN", "SLIPPAGE")]


def test_what_rested_and_what_met_no_quote_is_not_counted_and_the_window_ends() -> None:
    desk = desk_of(breaker_slippage_bps=D(10), breaker_slippage_fills=1)
    order(desk, "a", price="186.00")
    desk.matches += 1
    rested = report(ReportType.FILLED, 1, price=18_600, qty=1, match_id=desk.matches, flags=ReportFlag.MAKER)
    assert changes(desk.fold({b"frame": rested})) == []
    assert changes(traded(desk, "es", 20_000, symbol="ES", price="5000.00", quantity="1")) == [], "nobody quotes it"
    desk = desk_of(breaker_slippage_bps=D(10), breaker_slippage_fills=2)
    traded(desk, "a", 18_600)
    desk.ms += WINDOW_MS
    assert changes(traded(desk, "b", 18_600)) == []
    assert changes(traded(desk, "c", 18_600)) == [("ACCOUNT", "default", "OPEN", "SLIPPAGE")]


def test_a_stop_is_measured_from_its_price_and_a_held_order_from_the_market_that_it_meets() -> None:
    desk = desk_of(breaker_slippage_bps=D(10), breaker_slippage_fills=1)
    stop = {"order_type": "STOP", "price": None, "special": {"stop_price": "190.00"}}
    assert changes(traded(desk, "a", 19_010, **stop)) == []
    order(desk, "b", price="186.00", special={"effective_after_ms": 1_000})
    desk.quote(18_580, 18_590)
    desk.tick(2_000)
    desk.matches += 1
    fill = report(ReportType.FILLED, 2, price=18_600, qty=1, match_id=desk.matches, flags=ReportFlag.TAKER)
    assert changes(desk.fold({b"frame": fill})) == [], "5 beyond the 185.90 that it met, 54 beyond that when it came"
    assert changes(traded(desk, "c", 19_040, **stop)) == [("ACCOUNT", "default", "OPEN", "SLIPPAGE")]


def test_each_strategy_and_each_venue_may_have_its_own_mean() -> None:
    desk = desk_of(strategy_breaker_slippage_bps=D(10), breaker_slippage_fills=1)
    assert changes(traded(desk, "a", 18_600)) == []
    assert changes(traded(desk, "b", 18_600, strategy="momentum")) == [("STRATEGY", "momentum", "OPEN", "SLIPPAGE")]
    venue = VenueTerms(breaker_slippage_bps=D(10), breaker_slippage_fills=2, **TIMES)
    desk = OrdersDesk(but(CONFIG, venues={"SIM": venue}))
    desk.quote(18_490, 18_500)
    traded(desk, "a", 18_600)
    assert changes(traded(desk, "b", 18_600)) == [("VENUE", "SIM", "OPEN", "SLIPPAGE")]


def test_a_snapshot_keeps_what_slipped_and_orders_that_will() -> None:
    desk = desk_of(breaker_slippage_bps=D(10), breaker_slippage_fills=2)
    traded(desk, "a", 18_600)
    order(desk, "b", price="186.00")
    assert desk.restarted() is None
    desk.matches += 1
    fill = report(ReportType.FILLED, 2, price=18_600, qty=1, match_id=desk.matches, flags=ReportFlag.TAKER)
    assert changes(desk.fold({b"frame": fill})) == [("ACCOUNT", "default", "OPEN", "SLIPPAGE")]
    plain = desk_of(breaker_orders=5)
    order(plain, "a")
    assert "slips" not in plain.stage.snapshot().decode() and "arrival" not in plain.stage.snapshot().decode()


def test_a_restart_forgets_no_slippage_that_the_mean_is_of() -> None:
    desk = desk_of(breaker_slippage_bps=D(10), breaker_slippage_fills=2)
    assert changes(traded(desk, "a", 18_600)) == []
    assert desk.restarted() is None
    told = traded(desk, "b", 18_500)
    assert changes(told) == [("ACCOUNT", "default", "OPEN", "SLIPPAGE")], "54 and 0 are 27 in the mean"


def erring(**terms: Any) -> OrdersDesk:
    desk = OrdersDesk(but(CONFIG, execution_timeout_ms=1_000, venues={"SIM": VenueTerms(**TIMES, **terms)}))
    desk.quote(18_490, 18_500)
    return desk


def test_what_a_venue_does_not_answer_and_what_nobody_can_use_opens_its_breaker() -> None:
    desk = erring(breaker_errors=3)
    assert changes(desk.fold({b"frame": b"no record"})) == []
    assert desk.dead, "it is buried all the same"
    assert changes(desk.fold({b"frame": report(ReportType.ACCEPTED, 77)})) == []
    order(desk, "a")
    told = [each for each in desk.tick(1_000) if each["type"] != "QuoteUpdated"]
    assert [each["type"] for each in told] == ["OrderUnanswered", "BreakerChanged"]
    assert changes(told) == [("VENUE", "SIM", "OPEN", "ERRORS")]
    assert told[-1]["text"] == "3 errors of SIM came within 10000 ms; one may try in 5000 ms"
    assert reason(order(desk, "b", account="other")) == "breaker_open"
    assert desk.restarted() is None


def test_a_trade_that_is_told_again_is_no_error() -> None:
    desk = erring(breaker_errors=1)
    order(desk, "a", quantity="2")
    fill = report(ReportType.FILLED, 1, price=18_500, qty=1, match_id=1, flags=ReportFlag.TAKER)
    desk.fold({b"frame": fill})
    assert changes(desk.fold({b"frame": fill})) == []
    assert len(desk.dead) == 1


def test_a_venue_with_words_of_its_own_errs_as_well_and_its_letter_is_the_same() -> None:
    def letters(**terms: Any) -> tuple[list[dict[bytes, bytes]], list[dict[str, Any]]]:
        desk = OrdersDesk(but(CONFIG, venues={"SIM": VenueTerms(simulated=False, **TIMES, **terms)}))
        said = {"type": "VenueReport", "v": 1, "venue": "SIM", "exec_type": "New", "order_id": "77"}
        return desk.dead, desk.fold({b"data": orjson.dumps(said)})

    plain, nothing = letters()
    counted, told = letters(breaker_errors=1)
    assert nothing == [] and changes(told) == [("VENUE", "SIM", "OPEN", "ERRORS")]
    assert counted == plain and len(plain) == 1


def test_a_try_that_is_not_answered_opens_it_again() -> None:
    desk = erring(breaker_errors=1)
    desk.fold({b"frame": b"no record"})
    desk.tick(COOLDOWN_MS)
    order(desk, "a")
    told = desk.tick(1_000)
    assert changes(told) == [("VENUE", "SIM", "OPEN", "ERRORS")]
    assert told[-1]["text"].startswith("order 1, which tried, was not answered; one may try in")
    desk.tick(COOLDOWN_MS)
    order(desk, "b")
    desk.accept(2)
    assert changes(order(desk, "c")) == [("VENUE", "SIM", "CLOSED", "PROBE_PASSED")]
