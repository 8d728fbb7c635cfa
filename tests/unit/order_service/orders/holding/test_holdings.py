"""What accounts hold, and the limits that stand on it: in the domain's words, one life of an order after another."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine.frames import Reason, ReportType
from fillstream.libs.common.ledger.average import Position
from fillstream.libs.common.messages.topology import Topology
from fillstream.services.order_service.orders.config import DAY_MS
from fillstream.services.order_service.orders.holding.holdings import Account, Holding, Ladder
from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.order_service.orders.state import QUOTES_EVERY_MS, State
from tests.support.kept import RELEASES, Kept
from tests.support.orders import CONFIG, OrdersDesk, control, report
from tests.support.simulated_desk import SimulatedDesk
from tests.support.terms import but, instrument

D = Decimal
UNIT = 10**18


def desk_of(instruments: dict[str, Any] | None = None, max_quote_age_ms: int = 0, **limits: Any) -> OrdersDesk:
    account = but(CONFIG.accounts["default"], **{"max_order_value": D(10**9), **limits})
    config = but(
        CONFIG,
        accounts={"default": account},
        instruments={**CONFIG.instruments, **(instruments or {})},
        max_quote_age_ms=max_quote_age_ms,
    )
    return OrdersDesk(config)


def state_of(desk: OrdersDesk) -> State:
    return desk.stage._state


def account_of(desk: OrdersDesk) -> Account:
    return state_of(desk).holdings.account("default")


def held(desk: OrdersDesk, symbol: str = "AAPL") -> Holding:
    return account_of(desk).holdings[symbol]


def asked(desk: OrdersDesk, **fields: Any) -> str:
    """Send an order; return why it was refused, or `OrderReceived`."""
    event = desk.new(signal_id=f"s{len(desk.entries)}", **fields)
    return str(event.get("reason", event["type"]))


def test_what_an_account_holds_is_what_its_fills_say_limits_or_not() -> None:
    desk = desk_of()
    desk.new(price="185.00", quantity="100")
    desk.fill(40, 18_500)
    desk.fill(60, 18_400)
    position = held(desk)
    assert (position.quantity, position.cash, position.open_cost) == (100, -40 * 18_500 - 60 * 18_400, 1_844_000)
    assert position.fees == 10**8 * (D("184.4") * 100 * D("0.00005"))
    assert not position.kept, "nobody asked for what works"


def test_what_is_reserved_returns_to_zero_whichever_way_an_order_ends() -> None:
    desk = desk_of(max_position=D(1_000))
    for number, end in enumerate(("fill", "canceled", "rejected", "expired"), start=1):
        assert asked(desk, price="185.00", quantity="100") == "OrderReceived"
        assert (held(desk).buys, held(desk).buy_value, account_of(desk).open_orders) == (100, 1_850_000, 1)
        if end == "fill":
            desk.fill(100, order_id=number)
        else:
            desk.report(ReportType[end.upper()], number, reason=Reason.REQUESTED)
        assert (held(desk).buys, held(desk).buy_value, account_of(desk).open_orders) == (0, 0, 0)


def test_a_pending_amendment_counts_the_larger_of_both_until_it_is_answered() -> None:
    desk = desk_of(max_position=D(200))
    desk.new(price="185.00", quantity="100")
    desk.replace(order_id="1", quantity="150", price="184.00")
    assert (held(desk).buys, held(desk).buy_value) == (150, 150 * 18_500), "more lots, at the dearer price"
    assert asked(desk, price="185.00", quantity="51") == "max_position"
    desk.report(ReportType.REPLACE_REJECTED, 1)
    assert (held(desk).buys, held(desk).buy_value) == (100, 100 * 18_500)
    desk.replace(signal_id="r2", order_id="1", quantity="40")
    assert held(desk).buys == 100, "less only once the venue says so"
    desk.report(ReportType.REPLACED, 1, price=18_500, qty=40)
    assert held(desk).buys == 40


def test_an_amendment_may_ask_for_no_more_than_a_limit_leaves() -> None:
    desk = desk_of(max_position=D(200))
    desk.new(price="185.00", quantity="100")
    refused = desk.replace(order_id="1", quantity="201")
    assert (refused["type"], refused["reason"]) == ("OrderReplaceRejected", "max_position")
    assert refused["text"] == (
        "quantity: 201 could make the position 201 long, with all orders that work; max_position is 200"
    )
    assert desk.replace(signal_id="r2", order_id="1", quantity="200")["type"] == "OrderReplaceRequested"


def test_beyond_a_limit_that_came_later_an_order_may_still_reduce() -> None:
    desk = desk_of()
    desk.new(price="185.00", quantity="100")
    desk.fill(100)
    desk.fold({b"control": orjson.dumps(control("SetLimits", limits={"max_position": "50"}))})
    assert asked(desk, price="185.00", quantity="1") == "max_position"
    assert asked(desk, side="SELL", price="185.00", quantity="150") == "OrderReceived", "to 50 short"
    assert asked(desk, side="SELL", price="185.00", quantity="1") == "max_position"


def test_a_fill_after_the_end_is_the_venues_truth_and_leaves_nothing_reserved() -> None:
    desk = desk_of(max_position=D(100), max_gross_exposure=D(10**6))
    desk.new(price="185.00", quantity="100")
    desk.canceled()
    desk.fill(100)
    assert (held(desk).quantity, held(desk).buys) == (100, 0)
    assert asked(desk, price="185.00", quantity="1") == "max_position"


# ------------------------------------------------------------------------------------------------------------- money


def test_a_cash_account_pays_for_all_that_works_with_its_fees() -> None:
    desk = desk_of(account_type="cash")
    assert asked(desk, price="185.00", quantity="1") == "buying_power"
    # 0.5 bps of 18 500.00 are 0.925
    assert state_of(desk).holdings.adjust("default", D("18500.92")) == D("18500.92")
    assert asked(desk, price="185.00", quantity="100") == "buying_power"
    state_of(desk).holdings.adjust("default", D("0.005"))
    assert asked(desk, price="185.00", quantity="100") == "OrderReceived"
    assert asked(desk, price="0.01", quantity="1") == "min_order_size"
    assert asked(desk, price="185.00", quantity="1") == "buying_power"
    order_id = int(state_of(desk).counter) - 2
    desk.canceled(order_id)
    assert asked(desk, price="185.00", quantity="100") == "OrderReceived", "what was reserved is free again"
    assert asked(desk, side="SELL", price="185.00", quantity="1") == "buying_power", "it holds nothing yet"


def test_a_margin_account_has_equity_for_its_share_of_the_exposure() -> None:
    desk = desk_of(account_type="margin", initial_margin=D("0.25"))
    desk.quote(18_499, 18_501)
    desk.tick(QUOTES_EVERY_MS)
    state_of(desk).holdings.adjust("default", D(4_625))
    assert asked(desk, price="185.00", quantity="101") == "buying_power"
    assert asked(desk, side="SELL", price="185.00", quantity="100") == "OrderReceived", "short as well as long"
    assert asked(desk, price="185.00", quantity="100") == "OrderReceived", "the worst is 100 either way"
    assert asked(desk, price="185.00", quantity="1") == "buying_power"


def test_money_of_an_account_has_eighteen_decimals() -> None:
    holdings = desk_of().stage._state.holdings
    assert holdings.adjust("default", D("0.000000000000000001")) == D("1E-18")
    with pytest.raises(ValueError, match="cash: 1E-19 must have at most 18 decimals"):
        holdings.adjust("default", D("1E-19"))


RATES = {"USDTUSD": instrument(9, D("0.0001"), D(1), base_currency="USDT", currency="USD")}


def rated(desk: OrdersDesk) -> None:
    """Quote bitcoin at 60 000 USDT, and one of these at 0.9990 dollars."""
    desk.quote(600_000, 600_000, symbol="BTCUSDT")
    record = {"price": 9_990, "qty": 5, "leaves": 9_990, "aux": 5, "account": 0, "symbol": 9, "side": 0}
    desk.fold({b"frame": _quoted(**record)})
    desk.tick(QUOTES_EVERY_MS)


def _quoted(**fields: int) -> bytes:

    return report(ReportType.QUOTED, partition=0xFFFF, **fields)


@pytest.mark.parametrize(("limit", "answer"), [("59940", "OrderReceived"), ("59939.99", "max_gross_exposure")])
def test_an_exposure_in_another_currency_counts_at_the_rate(limit: str, answer: str) -> None:
    desk = desk_of(RATES, max_gross_exposure=D(limit))
    rated(desk)
    assert asked(desk, symbol="BTCUSDT", price="60000.0", quantity="1") == answer


def test_without_a_fresh_rate_there_is_no_answer_but_for_what_reduces() -> None:
    desk = desk_of(RATES, max_quote_age_ms=1_000, max_gross_exposure=D(10**9))
    assert asked(desk, symbol="BTCUSDT", price="60000.0", quantity="1") == "no_fx_rate"
    rated(desk)
    assert asked(desk, symbol="BTCUSDT", price="59000.0", quantity="2") == "OrderReceived"
    desk.fill(200_000, 590_000, state_of(desk).counter, symbol=2)
    desk.tick(1_001)
    assert asked(desk, symbol="BTCUSDT", price="59000.0", quantity="1") == "no_fx_rate"
    assert asked(desk, symbol="BTCUSDT", side="SELL", price="61000.0", quantity="2") == "OrderReceived"
    assert asked(desk, symbol="BTCUSDT", side="SELL", price="61000.0", quantity="1") == "no_fx_rate"


# --------------------------------------------------------------------------------------------------------- the day


def lost(desk: OrdersDesk, ticks: int) -> None:
    """Buy 100 at 185.00, and let the market fall."""
    assert asked(desk, price="185.00", quantity="100") == "OrderReceived"
    desk.fill(100, 18_500, state_of(desk).counter)
    desk.quote(18_500 - ticks, 18_500 - ticks)
    desk.tick(QUOTES_EVERY_MS)


def test_what_was_lost_in_a_day_counts_by_marks_with_fees_until_the_day_ends() -> None:
    desk = desk_of(max_daily_loss=D("100.925"))
    lost(desk, 99)
    assert asked(desk, price="184.00", quantity="1") == "OrderReceived", "99.925 are lost"
    desk.quote(18_400, 18_400)
    desk.tick(QUOTES_EVERY_MS)
    refused = desk.new(signal_id="x", price="184.00", quantity="1")
    assert refused["text"] == "account: default lost 100.925 USD today; max_daily_loss is 100.925"
    assert asked(desk, side="SELL", price="184.00", quantity="100") == "OrderReceived", "it only reduces"
    assert asked(desk, side="SELL", price="184.00", quantity="1") == "max_daily_loss"
    desk.ms = (desk.ms // DAY_MS + 1) * DAY_MS
    assert asked(desk, price="184.00", quantity="1") == "OrderReceived", "a new day"


def test_a_day_begins_when_the_account_says_so() -> None:
    desk = desk_of(max_daily_loss=D(1), max_daily_orders=2, day_begins_minutes=13 * 60)
    lost(desk, 100)
    assert asked(desk, price="184.00", quantity="1") == "max_daily_loss"
    desk.ms = desk.ms // DAY_MS * DAY_MS + 13 * 3_600_000 - 1
    assert asked(desk, price="184.00", quantity="1") == "max_daily_loss"
    desk.ms += 1
    for answer in ("OrderReceived", "OrderReceived", "max_daily_orders"):
        assert asked(desk, price="184.00", quantity="1") == answer


def test_a_loss_limit_that_comes_during_the_day_counts_from_then_on() -> None:
    desk = desk_of()
    lost(desk, 100)
    desk.fold({b"control": orjson.dumps(control("SetLimits", limits={"max_daily_loss": "50"}))})
    assert asked(desk, price="184.00", quantity="1") == "OrderReceived"
    desk.quote(18_350, 18_350)
    desk.tick(QUOTES_EVERY_MS)
    assert asked(desk, price="183.50", quantity="1") == "max_daily_loss"


# ----------------------------------------------------------------------------------------------------- what came before


def test_the_same_order_within_the_window_is_a_duplicate_and_after_it_is_none() -> None:
    desk = desk_of(duplicate_window_ms=100)
    assert asked(desk, price="185.00") == "OrderReceived"
    assert asked(desk, price="185.00") == "duplicate_order"
    assert asked(desk, price="185.01") == "OrderReceived"
    assert asked(desk, side="SELL", price="185.00") == "OrderReceived"
    desk.ms += 99
    assert asked(desk, price="185.00") == "duplicate_order"
    desk.ms += 1
    assert asked(desk, price="185.00") == "OrderReceived"
    desk.ms += 60
    assert asked(desk, price="185.01") == "OrderReceived"
    desk.ms += 60
    assert asked(desk, price="185.01") == "duplicate_order", "of the window before"


def test_orders_and_amendments_in_a_window_are_limited_and_cancels_are_not() -> None:
    desk = desk_of(max_orders_per_window=2, order_window_ms=1_000)
    assert asked(desk, price="185.00") == "OrderReceived"
    desk.ms += 500
    assert desk.replace(order_id="1", quantity="50")["type"] == "OrderReplaceRequested"
    assert asked(desk, price="185.00") == "max_orders_per_window"
    assert desk.cancel(signal_id="c", order_id="1")["type"] == "OrderCancelRequested"
    desk.ms += 500
    assert asked(desk, price="185.00") == "OrderReceived", "the first is a second old"
    assert asked(desk, price="185.00") == "max_orders_per_window"


def test_an_account_that_refuses_to_cross_itself_looks_at_what_rests_alone() -> None:
    desk = desk_of(refuse_self_cross=True)
    assert asked(desk, side="SELL", price="186.00") == "OrderReceived"
    assert asked(desk, side="SELL", price="185.50", time_in_force="IOC") == "OrderReceived", "it never rests"
    refused = desk.new(signal_id="x", price="186.00")
    assert refused["reason"] == "self_cross"
    assert refused["text"] == "price: 186.00 reaches a sale of account default itself, which rests at 186.00"
    assert asked(desk, price="185.99") == "OrderReceived"
    desk.canceled(1, side=2)
    assert asked(desk, price="186.00") == "OrderReceived"


def test_a_ladder_knows_its_best_price_whatever_came_and_went() -> None:
    ladder = Ladder(-1)
    for price in (5, 7, 7, 6):
        ladder.add(price)
    ladder.remove(7)
    assert ladder.best == 7
    ladder.remove(7)
    assert ladder.best == 6
    for _ in range(500):  # which leaves nothing behind
        ladder.add(3)
        ladder.remove(3)
    assert len(ladder._heap) < 200
    assert ladder.best == 6
    ladder.remove(6)
    ladder.remove(5)
    assert (ladder.best, bool(ladder)) == (None, False)


# ------------------------------------------------------------------------------------------------------- snapshots


def test_a_snapshot_keeps_all_that_limits_look_back_at() -> None:
    limits = {
        "max_daily_loss": D(1_000), "duplicate_window_ms": 1_000, "max_orders_per_window": 9, "account_type": "margin",
    }  # fmt: skip
    desk = desk_of(**limits)
    state_of(desk).holdings.adjust("default", D("10000.5"))
    lost(desk, 5)
    snapshot = desk.stage.snapshot()
    restored = OrdersStage(Topology(), 0, desk.config)
    restored.restore(snapshot)
    assert restored.snapshot() == snapshot
    account, before = restored._state.holdings.account("default"), account_of(desk)
    assert (account.cash, account.sent, account.recent) == (before.cash, before.sent, before.recent)
    assert account.holdings["AAPL"].instrument.mark == 2 * 18_495
    assert account.holdings["AAPL"].pnl == held(desk).pnl == -int(D("5.925") * UNIT)


def test_a_desk_without_fills_has_the_snapshot_that_it_always_had() -> None:
    desk = desk_of()
    desk.new(price="185.00")
    assert not orjson.loads(desk.stage.snapshot()).keys() & {"holdings", "held", "marks"}


@pytest.mark.parametrize("release", RELEASES)
def test_what_a_desk_from_before_holds_is_unknown_until_it_is_reconciled(release: str) -> None:
    """Nothing is guessed: no order passes a limit that would need it, and without such a limit nothing is different."""
    kept = Kept(release)
    desk = SimulatedDesk(0, 2, 2)
    [stage] = [each for each in (slot.make() for slot in desk.slots) if (each.name, each.partition) == ("orders", 0)]
    assert isinstance(stage, OrdersStage)
    files = kept.snapshots(stage)
    stage.restore(files.load(files.ids()[0]).state)
    if "holdings" in orjson.loads(files.load(files.ids()[0]).state):
        return
    name = next(iter(stage._state.accounts))
    account = stage._state.holdings.account(name)
    assert not account.known
    again = OrdersStage(stage._topology, 0, stage._state.config)
    again.restore(stage.snapshot())
    assert not again._state.holdings.account(name).known, "a newer snapshot says so, too"
    position = Position()
    position.fill(7, 15_000)
    again._state.holdings.reconcile(name, [("AAPL", position)])
    account = again._state.holdings.account(name)
    assert account.known and account.holdings["AAPL"].quantity == 7


def test_a_limit_on_what_is_unknown_lets_nothing_pass_but_less() -> None:
    desk = desk_of(max_position=D(100))
    desk.new(price="185.00", quantity="50")
    account_of(desk).known = False
    assert asked(desk, price="185.00", quantity="1") == "position_unknown"
    assert desk.replace(order_id="1", quantity="20")["type"] == "OrderReplaceRequested"
    state_of(desk).holdings.reconcile("default", [])
    assert asked(desk, price="185.00", quantity="50") == "OrderReceived"
