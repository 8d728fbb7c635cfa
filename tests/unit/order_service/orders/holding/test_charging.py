"""What fills cost at a venue with a fee schedule, what is held after them, and what orders reserve for it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.ledger.fees import NOTHING, schedule_of
from fillstream.libs.common.messages.codes import AccountType
from fillstream.libs.common.messages.reference import DAY_MS, VenueTerms
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.position_service.stage import PositionStage
from tests.support.orders import CONFIG, OrdersDesk
from tests.support.terms import account, but, instrument

D = Decimal
COIN = instrument(2, D("0.10"), D("0.001"), currency="USDT", taker_fee_bps=D(10), base_currency="BTC")
RATE = instrument(3, D("0.25"), D(1), currency="USD", base_currency="EUR")


def config(**fees: Any) -> DeskConfig:
    free = but(CONFIG.instruments["AAPL"], maker_fee_bps=D(0), taker_fee_bps=D(0))
    instruments = {"AAPL": free, "BTCUSDT": COIN, "ES": RATE}
    accounts = {**CONFIG.accounts, "cash": account(9, D(10**9), 1_000, D(0), D(100), account_type=AccountType.CASH)}
    return but(CONFIG, instruments=instruments, accounts=accounts, venues={"SIM": VenueTerms(**fees)})


def bought(desk: OrdersDesk, *lots: int, price: str = "185.00", **fields: Any) -> list[dict[str, Any]]:
    received = desk.new(price=price, quantity=str(sum(lots)), **fields)
    assert received["type"] == "OrderReceived", received
    more = {"order_id": int(received["order_id"]), "account": desk.config.accounts[received["account"]].id}
    return [desk.fill(each, 18500, **more) for each in lots]


def test_plain_basis_points_are_no_schedule_and_nothing_is_told_of_them() -> None:
    desk = OrdersDesk(config(taker_fee_bps=D(3)))
    received = desk.new(price="185.00")
    assert "fee_estimate" not in received
    assert desk.fill(100)["fee"] == "5.55000000"


def test_an_orders_smallest_fee_is_paid_with_its_first_fill_and_counts_for_the_next() -> None:
    desk = OrdersDesk(config(fee_per_unit=D("0.005"), taker_fee_bps=D(0), min_fee=D(1), max_fee=D("1.25")))
    fills = bought(desk, 100, 100, 40, 60)
    assert [fill["fee"] for fill in fills] == ["1.00000000", "0.00000000", "0.20000000", "0.05000000"]


def test_each_fill_is_bounded_by_itself_where_the_venue_says_so() -> None:
    desk = OrdersDesk(config(fee_per_unit=D("0.005"), taker_fee_bps=D(0), min_fee=D(1), fee_charged="FILL"))
    assert [fill["fee"] for fill in bought(desk, 100, 300)] == ["1.00000000", "1.50000000"]


def test_what_an_order_may_cost_is_told_as_it_is_taken() -> None:
    desk = OrdersDesk(config(fee_per_unit=D("0.005"), taker_fee_bps=D(1), min_fee=D(1)))
    assert desk.new(price="185.00", quantity="100")["fee_estimate"] == "2.35000000"
    assert desk.new(price="185.00", quantity="1", signal_id="s2")["fee_estimate"] == "1.00000000"


def test_a_charge_survives_a_snapshot() -> None:
    fees = config(fee_per_unit=D("0.001"), taker_fee_bps=D("0.01"), min_fee=D(1))
    desk = OrdersDesk(fees)
    received = desk.new(price="185.00", quantity="300")
    desk.fill(100)
    assert desk.restarted() is None
    assert orjson.loads(desk.stage.snapshot())["orders"]["columns"]["charged"] is not None
    assert received["fee_estimate"] == "1.00000000"
    assert desk.fill(200)["fee"] == "0.00000000"


def test_a_tier_is_what_the_days_before_this_one_were_and_the_same_all_day() -> None:
    desk = OrdersDesk(config(taker_fee_bps=D(10), fee_tiers=("20000:1:2",), fee_window_days=2))
    [fill] = bought(desk, 100, account="other")
    assert fill["fee"] == "18.50000000"
    [fill] = bought(desk, 100, account="other", signal_id="s2")
    assert fill["fee"] == "18.50000000", "it traded enough, but today"
    desk.ms += DAY_MS
    assert desk.restarted() is None, "what was traded is in the snapshot"
    [fill] = bought(desk, 100, account="other", signal_id="s3")
    assert fill["fee"] == "3.70000000"
    [fill] = bought(desk, 100, account="default", signal_id="s4")
    assert fill["fee"] == "18.50000000", "each account for itself"
    desk.ms += 2 * DAY_MS
    [fill] = bought(desk, 100, account="other", signal_id="s5")
    assert fill["fee"] == "18.50000000", "the day before the window is over"
    traded = orjson.loads(desk.stage.snapshot())["traded"]["other"]["SIM USD"]
    assert len(traded) == 2, "days that no tier counts are forgotten"


def test_a_tier_begins_at_its_amount_and_looks_back_as_many_days_as_it_says() -> None:
    desk = OrdersDesk(config(taker_fee_bps=D(10), fee_tiers=("37000:1:2",), fee_window_days=2))
    for name in ("s1", "s2", "s3"):
        [fill] = bought(desk, 100, account="other", signal_id=name)
        assert fill["fee"] == "18.50000000", "37000 are reached before the third, but today"
    desk = OrdersDesk(config(taker_fee_bps=D(10), fee_tiers=("37000:1:2",), fee_window_days=2))
    bought(desk, 200, account="other")
    desk.ms += 2 * DAY_MS
    [fill] = bought(desk, 100, account="other", signal_id="s2")
    assert fill["fee"] == "3.70000000", "exactly 37000, on the first day of the window"


def coins(desk: OrdersDesk, side: str, quantity: str, lots: int, ticks: int, signal_id: str = "s1") -> dict[str, Any]:
    received = desk.new(symbol="BTCUSDT", side=side, quantity=quantity, price="50000.0", signal_id=signal_id)
    assert received["type"] == "OrderReceived", received
    return desk.fill(lots, ticks, order_id=int(received["order_id"]), symbol=2, side=1 if side == "BUY" else 2)


def books_of(desk: OrdersDesk) -> dict[str, Any]:
    """Return the last position that the position service makes of a desk's journal."""
    stage, out = PositionStage(0), Outputs("positions", "events.0")
    for number, event in enumerate(desk.events):
        entry = Entry(f"{desk.ms}-{number}", desk.ms, {b"data": orjson.dumps(event)})
        out.begin(entry)
        stage.fold(entry, out)
        out.seal()
    told: list[dict[str, Any]] = [orjson.loads(each) for each in out.by_stream["positions.0"][1]]
    return [each for each in told if "position" in each][-1]


def test_a_fee_in_what_was_bought_takes_no_more_than_was_bought() -> None:
    desk = OrdersDesk(config(fee_currency="BASE", min_fee=D(120)))
    told = coins(desk, "BUY", "0.001", 1, 500_000)
    assert (told["fee"], told["fee_qty"]) == ("120.00000000", "0.001"), "two lots of 50 would be in it"
    assert D(books_of(desk)["position"]) == 0


def test_the_most_that_an_order_may_cost_is_that_of_the_dearest_tier() -> None:
    fees = schedule_of(CONFIG.instruments["AAPL"], VenueTerms(taker_fee_bps=D(1), fee_tiers=("1000:0:5",)))
    assert fees is not None
    assert fees.at_most(1_000_000, 100).own == 5 * fees.fill(NOTHING, 1_000_000, 100, False, 0).own > 0


def test_a_fee_in_what_was_bought_is_taken_off_what_is_held_and_the_rest_is_money() -> None:
    desk = OrdersDesk(config(fee_currency="BASE"))
    fill = coins(desk, "BUY", "1.500", 1_500, 500_000)
    assert (fill["fee"], fill["fee_qty"]) == ("75.00000000", "0.001"), "10 bps of 75000; a lot is worth 50"
    holding = desk.stage._state.holdings.holding("default", "BTCUSDT")
    assert holding.quantity == 1_499
    position = books_of(desk)
    assert (position["position"], position["fees"], position["avg_px"]) == ("1.499", "75", "50000.0")
    assert position["cash"] == "-75025", "75000 paid; 75 in fees, of which 50 in kind"
    assert position["realized_pnl"] == "0"


def test_a_sale_pays_in_money_and_so_does_an_instrument_without_a_base() -> None:
    desk = OrdersDesk(config(fee_currency="BASE"))
    fill = coins(desk, "SELL", "1.500", 1_500, 500_000)
    assert fill["fee"] == "75.00000000" and "fee_qty" not in fill
    [fill] = bought(desk, 100, signal_id="s2")
    assert fill["fee"] == "0.00000000" and "fee_qty" not in fill


def test_a_fee_in_another_currency_is_told_and_booked_at_the_rate_of_the_moment() -> None:
    desk = OrdersDesk(config(fee_currency="EUR", fee_per_unit=D("0.01"), min_fee=D(2), taker_fee_bps=D(0)))
    [fill] = bought(desk, 100)
    assert (fill["fee"], fill["commission"], fill["comm_currency"]) == ("0.00000000", "2.00000000", "EUR")
    assert fill["text"] == "fee: 2.00000000 EUR besides, which has no fresh rate to USD"
    desk.quote(4, 6, symbol="ES")
    desk.tick()
    [fill] = bought(desk, 300, signal_id="s2")
    assert (fill["fee"], fill["commission"]) == ("3.75000000", "3.00000000"), "a mid of 1.25"
    assert "text" not in fill
    assert books_of(desk)["fees"] == "3.75"


def test_a_cash_account_keeps_the_smallest_fee_back_until_the_order_has_ended() -> None:
    desk = OrdersDesk(config(min_fee=D(100), taker_fee_bps=D(0)))
    desk.control("AdjustAccount", account="cash", adjustment="DEPOSIT", amount="18599.99")
    refused = desk.new(account="cash", price="185.00", quantity="100")
    assert refused["reason"] == "buying_power"
    desk.control("AdjustAccount", control_id="c2", account="cash", adjustment="DEPOSIT", amount="0.01")
    received = desk.new(account="cash", price="185.00", quantity="100", signal_id="s2")
    assert received["type"] == "OrderReceived"
    refused = desk.new(account="cash", price="0.01", quantity="1", signal_id="s3")
    assert refused["reason"] == "buying_power", "all of it is reserved"
    desk.canceled(int(received["order_id"]), account=9)
    holding = desk.stage._state.holdings.holding("cash", "AAPL")
    assert (holding.buys, holding.buy_value) == (0, 0)


def test_new_fees_are_reserved_of_what_works_already_and_given_back() -> None:
    desk = OrdersDesk(config())
    desk.control("AdjustAccount", account="cash", adjustment="DEPOSIT", amount="20000")
    received = desk.new(account="cash", price="185.00", quantity="100")
    desk.fold({b"config": config(min_fee=D(100), taker_fee_bps=D(0)).to_json()})
    holding = desk.stage._state.holdings.holding("cash", "AAPL")
    assert holding.buy_value == 100 * 18_500 + 10_000
    desk.canceled(int(received["order_id"]), account=9)
    assert (holding.buys, holding.buy_value) == (0, 0)


@pytest.mark.parametrize(
    ("fees", "text"),
    [
        ({"min_fee": D(2), "max_fee": D(1)}, "min_fee: 2 must be at most max_fee, 1"),
        ({"fee_tiers": ("1000",)}, "in which 1000 must be FROM:MAKER:TAKER"),
        ({"fee_tiers": ("1000:1:1", "1000:1:1")}, "1000:1:1 must begin above 0 and above the tier before it"),
        ({"fee_tiers": ("0:1:1",)}, "must begin above 0"),
        ({"fee_tiers": ("5:1:10001",)}, "with bps from -10000 to 10000"),
    ],
)
def test_fees_that_contradict_are_no_terms(fees: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        VenueTerms(**fees)
