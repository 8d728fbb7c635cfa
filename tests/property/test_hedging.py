"""Positions of an account that hedges are what as many accounts that net would have, each with one of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fillstream.libs.common.messages.reference import DAY_MS
from fillstream.services.position_service.books.held import SESSIONS
from fillstream.services.position_service.snapshot import dump, load
from tests.support.positions_desk import PositionsDesk

NAMES = ("a", "b", "c")
OTHER = {"AAPL": "APLE", "APLE": "AAPL"}
steps = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(NAMES), st.booleans(), st.integers(1, 50), st.integers(1, 5_000), st.integers(-9, 90)
        ),
        st.tuples(st.just("quote"), st.integers(1, 5_000)),
        st.tuples(st.just("bust"), st.integers(0, 30)),
        st.tuples(st.just("split"), st.sampled_from(("2:1", "3:1"))),
        st.tuples(st.just("rename")),
        st.tuples(st.just("day"), st.integers(1, 2)),
        st.tuples(st.just("restart")),
    ),
    max_size=40,
)
Trade = tuple[str, bool, int, int, int, str]
"""The position, whether it is bought, lots, ticks, the fee (cents) and the symbol."""
TERMS = {"max_order_value": "1000000", "max_daily_orders": 1, "min_order_size": "0", "max_slippage_bps": "0"}
WHO = {"currency": "USD", "control_id": "c", "who": "me", "reason": "a test", "cash": "0", "amount": "0"}
NOT_COMPARED = ("seq", "time", "account", "position_id", "position_mode", "exec_id", "order_id", "opened_time",
                "duration_ms", "began_time")  # fmt: skip


def money(cents: int) -> str:
    return f"{Decimal(cents) / 100:.2f}"


class Player:
    """A desk that does what happens, with one account that hedges, or with an account for each position."""

    def __init__(self, hedging: bool, method: str) -> None:
        self.desk, self.hedging, self.done = PositionsDesk(), hedging, 0
        self.symbol = "AAPL"
        for symbol in ("AAPL", "APLE"):
            self.desk.define(symbol, mark_price_type="CLOSING")
        mode = {"position_mode": "HEDGING"} if hedging else {}
        for number, account in enumerate(("one",) if hedging else NAMES, 1):
            self.desk.put(
                "AccountDefined", account=account, account_id=number, venue=None, cost_method=method, **TERMS, **mode
            )
        self.told: list[dict[str, Any]] = []

    def whose(self, name: str) -> dict[str, Any]:
        return {"account": "one", "position_id": name} if self.hedging else {"account": name}

    def put(self, kind: str, **fields: Any) -> None:
        self.told += self.desk.put(kind, **fields)

    def trade(self, kind: str, number: int, trade: Trade, **fields: Any) -> None:
        name, buys, lots, ticks, fee, symbol = trade
        said = {
            "order_id": f"{number + 1}", "client_order_id": f"c{number}", "exec_id": f"T{number}", "venue": "SIM",
            "last_qty": str(lots), "last_px": money(ticks), "fee": money(fee), "strategy": None, "currency": "USD",
        }  # fmt: skip
        order = self.desk.order("BUY" if buys else "SELL", symbol=symbol, **self.whose(name))
        self.put(kind, **(order | said | fields))

    def adjust(self, kind: str, **fields: Any) -> None:
        """Adjust what there is: one event of the account that hedges, one of each of the others that holds some."""
        held = self.desk.stage._books.instruments[self.symbol].held
        for account in ("one",) if self.hedging else NAMES:
            if account in held and held[account].is_open:
                said = {"account": account, "symbol": self.symbol, "old_position": "1", "position": "1"}
                self.put("AccountAdjusted", adjustment=kind, **said, **WHO, **fields)

    def restart(self) -> None:
        books = self.desk.stage._books
        self.desk.stage._take(load(dump(books)))

    def net(self) -> list[int]:
        """Return what all made, and since the session before, and how much is held, paid and moved."""
        found = [0] * 5
        for instrument in self.desk.stage._books.instruments.values():
            for held in instrument.held.values():
                net = instrument.net(held)
                numbers = (net, net - (held.settled or 0), held.position.quantity, held.position.fees,
                           held.position.cash)  # fmt: skip
                found = [one + other for one, other in zip(found, numbers, strict=True)]
        return found

    def said(self) -> list[str]:
        """Return what was told, without whose it is and in no order: a day's are told account by account."""
        told, self.told = self.told, []
        kept = ({name: each for name, each in message.items() if name not in NOT_COMPARED} for message in told)
        return sorted(str(sorted(message.items(), key=str)) for message in kept)


@settings(max_examples=200, deadline=None)
@example([("quote", 100), ("a", True, 10, 100, 3), ("day", 1), ("quote", 120), ("bust", 0)], "AVERAGE")
@given(steps, st.sampled_from(("AVERAGE", "FIFO", "LIFO")))
def test_each_position_is_told_as_if_it_had_an_account_of_its_own(happened: list[Any], method: str) -> None:
    players = [Player(True, method), Player(False, method)]
    trades: list[Trade] = []
    busted: set[int] = set()
    days = 0
    for step in happened:
        for player in players:
            match step:
                case ("quote", price):
                    player.told += player.desk.quote(money(price), money(price + 2), symbol=player.symbol)
                case ("bust", which) if which < len(trades) and which not in busted:
                    player.trade("TradeBusted", which, trades[which], exec_id=f"B{which}", ref_exec_id=f"T{which}",
                                 text="a mistake")  # fmt: skip
                case ("split", ratio):
                    player.adjust("SPLIT", ratio=ratio)
                case ("rename",):
                    if not player.desk.stage._books.instruments[OTHER[player.symbol]].is_open:
                        player.adjust("SYMBOL_CHANGE", new_symbol=OTHER[player.symbol])
                        player.symbol = OTHER[player.symbol]
                case ("day", passed):
                    player.desk.later_ms += passed * DAY_MS
                case ("restart",):
                    player.restart()
                case (str(name), bool(), *_) if name in NAMES:
                    player.trade("OrderFilled", len(trades), (*step, player.symbol), liquidity="TAKER")
        match step:
            case ("bust", which) if which < len(trades):
                busted.add(which)
            case (str(name), bool(), *_) if name in NAMES:
                trades.append((*step, players[0].symbol))
            case ("day", passed):
                days += passed
        first, second = players
        told = first.said(), second.said()
        assert days >= SESSIONS or told[0] == told[1], "until names may be used anew"
        assert first.net() == second.net(), step
