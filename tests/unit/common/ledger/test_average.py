"""Position accounting to the digit: worked examples by each method of cost, and what keeps it exact and fast for ever.

The examples are the cases of the project's facts about position accounting (P01, P06, P09, P19, P19A).
"""

import random
import time
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import pytest

from fillstream.libs.common.ledger.average import COST_DECIMALS, MAX_COST_DENOMINATOR, Position
from fillstream.libs.common.ledger.lots import LastLotPosition, LotPosition
from fillstream.libs.common.ledger.worth import Worth
from fillstream.libs.common.messages.reference import InstrumentUnits

METHODS = (Position, LotPosition, LastLotPosition)


@dataclass
class After:
    """A fill (side, quantity, price, fee) and the position after it."""

    fill: tuple[str, str, str, str]
    quantity: str
    average: str | None
    gross: str
    fees: str
    net: str
    change: str


@dataclass
class Case:
    id: str
    fills: list[After]
    marks: list[tuple[str, str, str]] = field(default_factory=list)
    """Mark, unrealized, total net."""
    method: type[Position] = Position


CASES = [
    Case(
        "P01 open long, then add",
        [
            After(("BUY", "100", "10.00", "0"), "100", "10", "0", "0", "0", "opened"),
            After(("BUY", "50", "13.00", "0"), "150", "11", "0", "0", "0", "increased"),
        ],
        [("12.00", "150", "150")],
    ),
    Case(
        "P06 flip long to short in one fill",
        [
            After(("BUY", "100", "50.00", "0"), "100", "50", "0", "0", "0", "opened"),
            After(("SELL", "150", "55.00", "0"), "-50", "55", "500", "0", "500", "flipped"),
        ],
        [("52.00", "150", "650"), ("57.00", "-100", "400")],
    ),
    Case(
        "P09 fees count at once and never move the average",
        [
            After(("BUY", "100", "10.00", "1.00"), "100", "10", "0", "1", "-1", "opened"),
            After(("SELL", "40", "11.00", "0.44"), "60", "10", "40", "1.44", "38.56", "reduced"),
            After(("SELL", "60", "9.50", "0.57"), "0", None, "10", "2.01", "7.99", "closed"),
        ],
    ),
    Case(
        "P19A average cost on the fills of the FIFO case",
        [
            After(("BUY", "100", "10.00", "0"), "100", "10", "0", "0", "0", "opened"),
            After(("BUY", "100", "12.00", "0"), "200", "11", "0", "0", "0", "increased"),
            After(("SELL", "150", "15.00", "0"), "50", "11", "600", "0", "600", "reduced"),
        ],
        [("15.00", "200", "800")],
    ),
    Case(
        "P19 FIFO: the purchase that came first goes first",
        [
            After(("BUY", "100", "10.00", "0"), "100", "10", "0", "0", "0", "opened"),
            After(("BUY", "100", "12.00", "0"), "200", "11", "0", "0", "0", "increased"),
            After(("SELL", "150", "15.00", "0"), "50", "12", "650", "0", "650", "reduced"),
        ],
        [("15.00", "150", "800")],
        LotPosition,
    ),
    Case(
        "P19 the other way round, LIFO",
        [
            After(("BUY", "100", "10.00", "0"), "100", "10", "0", "0", "0", "opened"),
            After(("BUY", "100", "12.00", "0"), "200", "11", "0", "0", "0", "increased"),
            After(("SELL", "150", "15.00", "0"), "50", "10", "550", "0", "550", "reduced"),
        ],
        [("15.00", "250", "800")],
        LastLotPosition,
    ),
]


def units(tick: str = "0.01", lot: str = "1", multiplier: str = "1") -> InstrumentUnits:
    return InstrumentUnits(tick_size=Decimal(tick), lot_size=Decimal(lot), multiplier=Decimal(multiplier))


def instrument(tick: str = "0.01", lot: str = "1", multiplier: str = "1") -> Worth:
    return Worth(units(tick, lot, multiplier))


def mark(at: Worth, price: str) -> None:
    ticks = at.price.units(price)
    assert ticks is not None
    at.mark = at.short_mark = 2 * ticks


def trade(at: Worth, position: Position, side: str, quantity: str, price: str, fee: str) -> str:
    lots, ticks, paid = at.lot.units(quantity), at.price.units(price), at.fee(fee)
    assert lots is not None and ticks is not None and paid is not None
    position.fees += paid
    return position.fill(lots if side == "BUY" else -lots, ticks)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
@pytest.mark.parametrize("grid", [("0.01", "1"), ("0.5", "10"), ("0.0001", "0.00001")], ids=str)
def test_the_worked_examples_hold_to_the_digit(case: Case, grid: tuple[str, str]) -> None:
    at, position = instrument(*grid), case.method()
    for after in case.fills:
        assert trade(at, position, *after.fill) == after.change
        assert Decimal(at.lot.text(position.quantity)) == Decimal(after.quantity)
        average = at.average(position)
        assert average == after.average or Decimal(average) == Decimal(after.average)
        realized = at.realized(position)
        assert at.money(realized) == after.gross
        assert at.money(position.fees) == after.fees
        assert at.money(realized - position.fees) == after.net
    for price, unrealized, total in case.marks:
        mark(at, price)
        realized = at.realized(position)
        open_pnl = at.unrealized(position, realized)
        assert open_pnl is not None
        assert at.money(open_pnl) == unrealized
        assert at.money(realized - position.fees + open_pnl) == total


def test_cash_is_what_fills_moved_less_fees() -> None:
    at, position = instrument(), Position()
    trade(at, position, "BUY", "100", "10.00", "1.00")
    assert at.money(at.cash(position)) == "-1001"
    trade(at, position, "SELL", "100", "11.00", "0.50")
    assert at.money(at.cash(position)) == "98.5"


def test_a_multiplier_scales_money_and_not_prices() -> None:
    at, position = instrument("0.25", "1", "50"), Position()
    trade(at, position, "BUY", "2", "4000.25", "0")
    mark(at, "4000.50")
    assert at.average(position) == "4000.25"
    assert at.unrealized(position, 0) == 25 * 10**at.decimals


def test_an_average_no_decimal_writes_is_rounded_only_when_printed() -> None:
    at, position = instrument(), Position()
    trade(at, position, "BUY", "1", "10.00", "0")
    trade(at, position, "BUY", "2", "10.01", "0")
    assert at.average(position) == "10.006666666667"
    trade(at, position, "SELL", "1", "10.00", "0")
    assert position.realized == Fraction(-2, 3), "ticks times lots"
    assert at.money(at.realized(position)) == "-0.006666666667"
    mark(at, "10.00")
    unrealized = at.unrealized(position, at.realized(position))
    assert unrealized is not None
    assert at.money(at.realized(position) + unrealized) == "-0.02", "their sum is exact, as printed too"
    trade(at, position, "SELL", "2", "10.00", "0")
    assert at.money(at.realized(position)) == "-0.02"


def test_a_mid_between_ticks_is_a_mark() -> None:
    at = instrument("0.05")
    at.mark = 2001
    assert at.mark_text(1) == "50.025"
    assert at.unrealized(Position(quantity=1, cash=-1000, cost=1000), 0) == 25 * 10 ** (at.decimals - 3)
    at.mark = -1
    assert at.mark_text(1) == "-0.025"


def test_without_a_mark_there_is_no_unrealized() -> None:
    assert instrument().unrealized(Position(quantity=1, cash=-5, cost=5), 0) is None


def test_the_open_cost_is_exact_up_to_the_limit_of_its_lowest_denominator() -> None:
    position = Position(quantity=4, cost=3, denominator=MAX_COST_DENOMINATOR // 2)
    assert position.fill(-2, 0) == "reduced"
    assert position.open_cost == Fraction(3, MAX_COST_DENOMINATOR)
    assert position.fill(-1, 0) == "reduced"
    assert position.open_cost == 0, "rounded to COST_DECIMALS"


@pytest.mark.parametrize("text", ["5", "5.0", "5E0", "5e0", "0.5e1", "50E-1", "5." + "0" * 12, "5." + "0" * 30])
def test_a_fee_may_be_written_in_any_way(text: str) -> None:
    at = instrument()
    assert at.fee(text) == 5 * 10**at.decimals
    assert at.fee(f"-{text}") == -5 * 10**at.decimals, "a rebate"


def test_a_fee_finer_than_money_is_told() -> None:
    at = instrument()
    assert at.fee("-0.5") == -5 * 10 ** (at.decimals - 1)
    assert at.fee("5E-1") == at.fee("0.5" + "0" * at.decimals) == 5 * 10 ** (at.decimals - 1)
    assert at.fee("0." + "0" * at.decimals + "1") is None


@pytest.mark.parametrize(
    ("tick", "lot"),
    [
        ("0.000000001", "0.000000001"),
        ("0.01", "1"),
        ("0.005", "1"),
        ("0.02", "3"),
        ("0.05", "0.1"),
        ("1", "10"),
        ("0.003", "0.7"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_a_new_grid_changes_no_value(tick: str, lot: str, method: type[Position]) -> None:
    at, position = instrument("0.01", "1"), method()
    trade(at, position, "BUY", "7", "10.03", "0.01")
    trade(at, position, "BUY", "3", "10.04", "0")
    trade(at, position, "SELL", "4", "10.01", "0")
    at.mark = at.short_mark = 2003

    def values() -> list[Decimal]:
        realized = at.realized(position)
        unrealized = at.unrealized(position, realized)
        text = at.mark_text(1)
        assert unrealized is not None and text is not None
        average = at.average(position)
        texts = [at.lot.text(position.quantity), average, text]
        texts += [at.money(units) for units in (realized, unrealized, at.cash(position), position.fees)]
        return [Decimal(text) for text in texts]

    before = values()
    position.rescale(*at.recount(units(tick, lot, str(at.units.multiplier))))
    assert values() == before
    assert at.price.units(tick) is not None and at.price.units("0.01") is not None
    assert at.lot.units(lot) is not None and at.lot.units("1") is not None


def test_ten_thousand_fills_that_are_never_flat_stay_fast_and_bounded() -> None:
    rng = random.Random(1)
    position = Position()
    position.fill(10**6, 5_000_000)
    cash = -(10**6) * 5_000_000
    start = time.process_time()
    for _ in range(10_000):
        lots, ticks = rng.randint(-9_999, 9_999) or 1, rng.randint(4_900_000, 5_100_000)
        if not 10**5 < position.quantity + lots < 2 * 10**6:
            lots = -lots
        position.fill(lots, ticks)
        cash -= lots * ticks
        assert position.denominator <= max(MAX_COST_DENOMINATOR, 10**COST_DECIMALS)
    assert time.process_time() - start < 10.0, "a growing fraction takes minutes"
    assert position.cash == cash
    assert position.realized - position.open_cost == cash, "the total is exact whatever was rounded"


def test_rounding_the_cost_moves_less_than_a_quintillionth() -> None:
    position, cost = Position(), Fraction(0)
    position.fill(3, 10)
    cost = Fraction(30)
    for prime in (7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103):
        before = position.quantity
        position.fill(prime, 10 + prime)
        cost += prime * (10 + prime)
        position.fill(-before, 9)
        cost -= cost * before / (before + prime)
    assert cost.denominator > MAX_COST_DENOMINATOR, "the exact cost is past the limit"
    assert position.denominator <= MAX_COST_DENOMINATOR
    assert abs(position.open_cost - cost) < Fraction(1, 10 ** (COST_DECIMALS - 1))
