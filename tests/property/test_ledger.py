"""The ledger against the textbook, in fractions, over any fills."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from fillstream.libs.common.ledger.average import COST_DECIMALS, MAX_COST_DENOMINATOR, Position
from fillstream.libs.common.messages.positions import position_message
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.position_service.stage import PositionStage

Fill = tuple[int, int]
TICK, LOT, MULTIPLIER = Decimal("0.05"), Decimal("0.001"), Decimal("10")
VALUE = Fraction(TICK) * Fraction(LOT) * Fraction(MULTIPLIER)


class NaivePosition:
    """Average cost as a textbook writes it: an average price, and realized P&L added up fill by fill."""

    def __init__(self) -> None:
        self.quantity = Fraction(0)
        self.average = Fraction(0)
        self.realized = Fraction(0)
        self.largest_denominator = 1

    def fill(self, lots: int, price: int) -> str:
        old, new = self.quantity, self.quantity + lots
        if old * lots >= 0:
            self.average = (self.average * abs(old) + Fraction(price) * abs(lots)) / abs(new)
            change = "increased" if old else "opened"
        else:
            closed = min(abs(old), abs(lots))
            self.realized += closed * (price - self.average) * (1 if old > 0 else -1)
            change = "reduced" if old * new > 0 else "flipped" if new else "closed"
            if change == "flipped":
                self.average = Fraction(price)
            elif change == "closed":
                self.average = Fraction(0)
        self.quantity = new
        self.largest_denominator = max(self.largest_denominator, (self.average * new).denominator)
        return change


lots = st.integers(-12, 12).filter(bool) | st.integers(-(10**6), 10**6).filter(bool)
prices = st.integers(-5, 50) | st.integers(1, 10**9)
fills = st.lists(st.tuples(lots, prices), min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(fills, prices)
def test_the_ledger_is_the_textbook(trades: list[Fill], mark: int) -> None:
    position, naive = Position(), NaivePosition()
    for amount, price in trades:
        assert position.fill(amount, price) == naive.fill(amount, price)
        assert position.quantity == naive.quantity
        if naive.largest_denominator <= MAX_COST_DENOMINATOR:
            assert position.open_cost == naive.average * naive.quantity
            assert position.realized == naive.realized
        else:
            error = Fraction(len(trades), 10**COST_DECIMALS)
            assert abs(position.realized - naive.realized) < error
        unrealized = position.quantity * mark - position.open_cost
        total = naive.realized + naive.quantity * (mark - naive.average)
        assert position.realized + unrealized == total
    assert position.cash == sum(-a * p for a, p in trades)


class Journal:
    """Writes events as the orders stage does."""

    def __init__(self) -> None:
        self.seq = 0

    def event(self, kind: str, **fields: object) -> Entry:
        self.seq += 1
        ms = 1000 + self.seq
        message = {"type": kind, "v": 1, "seq": self.seq, "time": ms, **fields}
        return Entry(f"{ms}-0", ms, {b"data": orjson.dumps(message)})

    def defined(self, symbol: str) -> Entry:
        return self.event(
            "InstrumentDefined",
            symbol=symbol,
            instrument_id=ord(symbol),
            tick_size=str(TICK),
            lot_size=str(LOT),
            multiplier=str(MULTIPLIER),
            currency="USD",
            maker_fee_bps="0",
            taker_fee_bps="0",
            mark_interval_ms=0,
        )

    def filled(self, account: str, symbol: str, amount: int, ticks: int, fee: int) -> Entry:
        return self.event(
            "OrderFilled",
            order_id="1",
            account=account,
            symbol=symbol,
            side="BUY" if amount > 0 else "SELL",
            exec_id=f"0-{self.seq}-B",
            last_qty=str(abs(amount) * LOT),
            last_px=str(ticks * TICK),
            fee=str(Decimal(fee).scaleb(-8)),
            currency="USD",
        )

    def quoted(self, symbol: str, bid: int | None, ask: int | None, last: int | None) -> Entry:
        texts = [None if ticks is None else str(ticks * TICK) for ticks in (bid, ask, last)]
        return self.event("QuoteUpdated", symbol=symbol, bid_px=texts[0], ask_px=texts[1], last_px=texts[2])

    def other(self) -> Entry:
        return self.event("OrderAccepted", order_id="1")


sides = st.none() | st.integers(1, 10**6)
symbols, accounts = st.sampled_from(["X", "Y"]), st.sampled_from(["a", "b", "c"])
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("fill"), accounts, symbols, st.integers(-99, 99).filter(bool), st.integers(1, 10**6))
        | st.tuples(st.just("fill"), accounts, symbols, st.integers(-3, 3).filter(bool), st.integers(-9, 9)),
        st.tuples(st.just("quote"), symbols, sides, sides, sides),
        st.tuples(st.just("other")),
    ),
    max_size=30,
)


def messages(out: Outputs) -> list[dict[str, object]]:
    return [orjson.loads(payload) for _, payloads in out.by_stream.values() for payload in payloads]


@settings(max_examples=80, deadline=None)
@given(happenings, st.integers(0, 30), st.integers(0, 10**9))
def test_every_message_is_exact_and_a_snapshot_changes_nothing(
    happened: list[tuple[object, ...]], cut: int, fee: int
) -> None:
    stage, journal = PositionStage(0), Journal()
    out, resumed_out = Outputs("positions", stage.inbox), Outputs("positions", stage.inbox)
    for symbol in ("X", "Y"):
        stage.fold(journal.defined(symbol), out)
    resumed: PositionStage | None = None
    naive: dict[tuple[object, object], NaivePosition] = {}
    cash: dict[tuple[object, object], Fraction] = {}
    marks: dict[object, Fraction] = {}
    for number, what in enumerate(happened):
        if number == cut:
            resumed = PositionStage(0)
            resumed.restore(stage.snapshot())
            resumed_out.digest = out.digest
        entry = {"fill": lambda *a: journal.filled(*a, fee), "quote": journal.quoted, "other": journal.other}[
            str(what[0])
        ](*what[1:])
        before = len(messages(out))
        out.begin(entry)
        stage.fold(entry, out)
        if resumed is not None:
            resumed_out.begin(entry)
            resumed.fold(entry, resumed_out)
            assert (resumed.snapshot(), resumed_out.digest) == (stage.snapshot(), out.digest)
        new = messages(out)[before:]
        match what:
            case ("fill", account, symbol, int(amount), int(ticks)):
                key = (account, symbol)
                change = naive.setdefault(key, NaivePosition()).fill(amount, ticks)
                cash[key] = cash.get(key, Fraction(0)) - amount * ticks * VALUE - Fraction(fee, 10**8)
                changed = [m for m in new if m["type"] != "PositionClosed"]
                assert [(m["type"], m["account"], m["symbol"], m["change"]) for m in changed] == [
                    ("PositionChanged", account, symbol, change)
                ]
                assert len(new) - len(changed) == (change in ("closed", "flipped"))
            case ("quote", symbol, bid, ask, last):
                sides = [Fraction(side) for side in (bid, ask) if side is not None]
                mark = sum(sides) / 2 if len(sides) == 2 else Fraction(last) if last is not None else sum(sides[:1])
                if len(sides) == 1 and last is not None:  # a trade cannot outrank who stands there now
                    mark = max(mark, sides[0]) if bid is not None else min(mark, sides[0])
                held = {key for key, position in naive.items() if key[1] == symbol and position.quantity}
                moved = bool(sides or last is not None) and marks.get(symbol) != mark
                assert {(m["account"], m["symbol"]) for m in new} == (held if moved else set())
                assert len(new) == (len(held) if moved else 0)
                if moved:
                    marks[symbol] = mark
            case _:
                assert new == []
        for message in new:
            check(message, naive, cash, marks)
    everything = messages(out)
    assert [message["seq"] for message in everything] == list(range(1, len(everything) + 1))
    assert stage.gauges()["positions"] == {
        "open": sum(1 for position in naive.values() if position.quantity),
        "flat": sum(1 for position in naive.values() if not position.quantity),
    }


def check(
    message: dict[str, object],
    naive: dict[tuple[object, object], NaivePosition],
    cash: dict[tuple[object, object], Fraction],
    marks: dict[object, Fraction],
) -> None:
    """Assert that a message keeps its contract and says what the textbook says, to the last digit it prints."""
    model = position_message.validate_python(message)
    if message["type"] == "PositionClosed":
        return
    rare = {"restated", "mark_stale", "position_mode", "began_time"}
    assert set(message) | rare == set(type(model).model_fields) | rare
    key = (message["account"], message["symbol"])
    position, digit = naive[key], Fraction(1, 10**12)
    assert Fraction(model.position) == position.quantity * Fraction(LOT)
    assert Fraction(model.cash) == cash[key]
    assert abs(Fraction(model.realized_pnl) - position.realized * VALUE) <= digit / 2
    if position.quantity:
        assert model.avg_px is not None
        assert abs(Fraction(model.avg_px) - position.average * Fraction(TICK)) <= digit / 2
    else:
        assert model.avg_px is None
        assert Fraction(model.realized_pnl) == position.realized * VALUE
        assert Fraction(model.cash) == Fraction(model.realized_pnl) - Fraction(model.fees)
    mark = marks.get(message["symbol"])
    if mark is None:
        assert model.mark_px is None and model.unrealized_pnl is None
        return
    assert model.mark_px is not None and model.unrealized_pnl is not None
    assert Fraction(model.mark_px) == mark * Fraction(TICK)
    total = Fraction(model.realized_pnl) + Fraction(model.unrealized_pnl)
    assert total - Fraction(model.fees) == cash[key] + position.quantity * mark * VALUE, "exact, as printed"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(accounts, st.integers(-50, 50).filter(bool), st.integers(1, 1000)), max_size=20))
def test_when_accounts_trade_with_each_other_nothing_comes_from_nowhere(trades: list[tuple[str, int, int]]) -> None:
    stage, journal = PositionStage(0), Journal()
    out = Outputs("positions", stage.inbox)
    stage.fold(journal.defined("X"), out)
    for account, amount, ticks in trades:
        stage.fold(journal.filled(account, "X", amount, ticks, 0), out)
        stage.fold(journal.filled("house", "X", -amount, ticks, 0), out)
    last = {message["account"]: message for message in messages(out) if message["type"] == "PositionChanged"}
    assert sum(Decimal(str(message["position"])) for message in last.values()) == 0
    assert sum(Decimal(str(message["cash"])) for message in last.values()) == 0


@settings(deadline=None)
@given(fills, st.integers(1, 12), st.integers(1, 12), st.integers(1, 10**6))
def test_a_split_keeps_quantity_times_average_what_is_realized_and_the_value(
    trades: list[tuple[int, int]], new: int, old: int, mark: int
) -> None:
    position = Position()
    for lots, ticks in trades:
        position.fill(lots, ticks)
    before = replace(position)
    if not position.split(new, old):
        assert before.quantity * new % old and position == before, "nothing is rounded, and nothing is done"
        return
    assert Fraction(position.quantity) == Fraction(before.quantity) * new / old
    assert (position.cash, position.realized, position.fees) == (before.cash, before.realized, before.fees)
    if position.quantity:
        average, averaged = position.open_cost / position.quantity, before.open_cost / before.quantity
        assert average == averaged * old / new
        assert position.quantity * average == before.quantity * averaged
    # At the mark of after, the value is that of before.
    assert position.quantity * (Fraction(mark) * old / new) == before.quantity * mark
    assert position.split(old, new), "back again"
    assert position == before
