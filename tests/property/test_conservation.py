"""A closed world of two accounts: what one makes the other loses, to the last digit, whatever is done or undone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.positions_desk import PositionsDesk

trades = st.tuples(
    st.sampled_from(("AAPL", "MSFT")),
    st.booleans(),
    st.integers(1, 50),
    st.integers(1, 5_000),
    st.integers(-20, 90),
    st.integers(0, 90),
)
"""Symbol, whether the first account buys, lots, ticks, and the fees of both (cents; below 0 a rebate)."""
steps = st.one_of(
    trades,
    st.tuples(st.just("quote"), st.integers(1, 5_000)),
    st.tuples(st.just("bust"), st.integers(0, 30)),
    st.tuples(st.just("split"), st.sampled_from(("2:1", "3:1"))),
    st.tuples(st.just("rename"), st.sampled_from((("AAPL", "APLE"), ("APLE", "AAPL")))),
)


def money(cents: int) -> str:
    return f"{Decimal(cents) / 100:.2f}"


def rename(desk: PositionsDesk, account: str, old: str, new: str) -> None:
    """Let what an account holds of the one go on as the other, unless it holds none, or some of both."""
    lots = [0, 0]
    for place, symbol in enumerate((old, new)):
        held = desk.stage._books.instruments[symbol].held.get(account)
        lots[place] = 0 if held is None else held.position.quantity
    if lots[0] and not lots[1]:
        desk.put(
            "AccountAdjusted", account=account, symbol=old, adjustment="SYMBOL_CHANGE", new_symbol=new, amount="0",
            currency="USD", control_id="c", who="me", reason="a new name", old_position="1", position="1", cash="0",
        )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=40), st.sampled_from(("AVERAGE", "FIFO", "LIFO")))
def test_cash_and_positions_at_mark_less_fees_are_constant(happened: list[Any], method: str) -> None:
    desk = PositionsDesk()
    desk.define("AAPL")
    desk.define("MSFT", multiplier="50", tick_size="0.01")
    desk.define("APLE", tick_size="0.005")
    for number, account in enumerate(("one", "two"), 1):
        terms = {"max_order_value": "1000000", "max_daily_orders": 1, "min_order_size": "0", "max_slippage_bps": "0"}
        desk.put("AccountDefined", account=account, account_id=number, venue=None, cost_method=method, **terms)
    done: list[tuple[str, bool, int, int, int]] = []
    busted: set[int] = set()
    for step in happened:
        match step:
            case ("quote", price):
                desk.quote(money(price), money(price))
            case ("bust", which) if which < len(done) and which not in busted:
                busted.add(which)
                symbol, first, lots, ticks, at = done[which]
                for account, buys in (("one", first), ("two", not first)):
                    desk.restate(
                        "TradeBusted", f"T{at}-{account}", str(lots), money(ticks), symbol=symbol, account=account,
                        side="BUY" if buys else "SELL", order_id=f"{at}", fee="0",
                    )  # fmt: skip
            case ("split", ratio):
                for account in ("one", "two"):
                    held = desk.stage._books.instruments["AAPL"].held.get(account)
                    if held is not None and held.position.quantity:
                        desk.put(
                            "AccountAdjusted", account=account, symbol="AAPL", adjustment="SPLIT", ratio=ratio,
                            amount="0", currency="USD", control_id="c", who="me", reason="a split", old_position="1",
                            position="1", cash="0",
                        )  # fmt: skip
            case ("rename", (old, new)):
                for account in ("one", "two"):
                    rename(desk, account, old, new)
            case (str(symbol), bool(first), lots, ticks, *fees):
                at = len(done) + 1
                done.append((symbol, first, lots, ticks, at))
                for account, buys, fee in (("one", first, fees[0]), ("two", not first, fees[1])):
                    desk.fill(
                        "BUY" if buys else "SELL", str(lots), money(ticks), money(fee), symbol=symbol, account=account,
                        order_id=f"{at}", exec_id=f"T{at}-{account}",
                    )  # fmt: skip
        for instrument in desk.stage._books.instruments.values():
            net = sum(instrument.net(held) for held in instrument.held.values())
            paid = sum(held.position.fees for held in instrument.held.values())
            if instrument.mark is None:  # what is open is worth what it cost then, and both have another cost
                continue
            assert net + paid == 0
            assert sum(held.position.quantity for held in instrument.held.values()) == 0
