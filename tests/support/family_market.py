"""A simulated desk whose clients send brackets, lists and orders that are worked, and change their minds about them."""

from __future__ import annotations

import random
from typing import Any

import orjson

from fillstream.services.order_service.orders.life.order import FINAL
from fillstream.services.order_service.orders.parents.work import DONE
from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.order_service.orders.state import State
from tests.support.family_desk import check_families
from tests.support.simulated_desk import ACCOUNTS, SYMBOLS, SimulatedDesk

ALGORITHMS: dict[str, tuple[dict[str, Any], ...]] = {
    "AT_ONCE": ({}, {"largest_clip": "7"}, {"retry_ms": 50, "completion": "MARKET", "duration_ms": 2000}),
    "TWAP": (
        {"duration_ms": 3000, "slices": 6, "randomize": "0.3"},
        {"duration_ms": 2000, "urgency": "AGGRESSIVE", "completion": "MARKET", "smallest_clip": "2"},
        {"duration_ms": 5000, "urgency": "PASSIVE", "max_participation": "0.5"},
    ),
    "VWAP": ({"duration_ms": 3000, "profile": ["1", "3", "2"], "largest_clip": "9"},),
    "POV": ({"participation": "0.3", "every_ms": 200}, {"participation": "0.9", "urgency": "AGGRESSIVE"}),
    "IS": (
        {"duration_ms": 3000, "risk_aversion": "0.001", "volatility": "0.95", "temporary_impact": "0.0000025",
         "completion": "MARKET"},
    ),
    "ICEBERG": ({"display_quantity": "3"}, {"display_quantity": "5", "randomize": "0.5"}),
    "SNIPER": ({"price": "149.90"}, {"price": "150.10", "minimum_quantity": "4"}),
    "CHASER": ({"offset_ticks": 1, "minimum_move_ticks": 2}, {}),
    "LADDER": ({"levels": 3, "spacing_ticks": 4}, {"levels": 4, "spacing_percent": "0.05", "sizes": "GEOMETRIC"}),
}  # fmt: skip
"""What works orders here, and what it is told."""


class FamilyMarket(SimulatedDesk):
    """See the module; everything else is the simulated desk's."""

    def __init__(self, seed: int, accounts: int = 1, symbols: int = 1, **more: Any) -> None:
        super().__init__(seed, accounts, symbols, **more)
        self.families = random.Random(f"families {seed}")
        self.halts = random.Random(f"halts {seed}")

    def order(self) -> dict[bytes, bytes]:
        """Return a signal: half of them of a family."""
        kind, dice = self.families.random(), self.families
        if kind < 0.4:
            return super().order()
        fields = self._entry(dice)
        if kind < 0.65:
            return _flat(self._with_exits(fields, dice))
        if kind < 0.8:
            name = dice.choice([*ALGORITHMS])
            fields["algorithm"], told = name, dice.choice(ALGORITHMS[name])
            fields["algorithm_parameters"] = orjson.dumps(told).decode()
            if dice.random() < 0.15:
                told = {**told, "would_price": "149.80"}
                fields["algorithm_parameters"] = orjson.dumps(told).decode()
            fields = self._routed(fields, dice) if dice.random() < 0.3 else fields
            return _flat(self._with_exits(fields, dice) if dice.random() < 0.3 else fields)
        if kind < 0.87:
            return _flat(self._routed(fields, dice))
        return _flat(self._list(dice))

    def _routed(self, fields: dict[str, str], dice: random.Random) -> dict[str, str]:
        venues = self.topology.venues
        if dice.random() < 0.8:
            fields["routing"] = dice.choice(("BEST_PRICE", "SWEEP", "SPRAY", "POST_THEN_TAKE", "NAMED"))
        if dice.random() < 0.6 or "routing" not in fields:
            fields["venues"] = ",".join(dice.sample(venues, dice.randrange(1, len(venues) + 1)))
        if "algorithm" not in fields and dice.random() < 0.3:
            fields["time_in_force"] = "IOC"
        return fields

    def _entry(self, dice: random.Random) -> dict[str, str]:
        symbol = dice.choice([*SYMBOLS])
        fields = {
            "signal_id": f"s{self.sent}",
            "symbol": symbol,
            "side": dice.choice(("BUY", "SELL")),
            "quantity": str(dice.choice((1, 5, 40, 100))),
            "account": dice.choice(ACCOUNTS),
            "time_in_force": dice.choice(("GTC", "GTC", "DAY")),
        }
        if dice.random() < 0.7:
            fields["price"] = f"{(self._mid[symbol] + dice.randrange(-20, 21)) / 100:.2f}"
        return fields

    def _with_exits(self, fields: dict[str, str], dice: random.Random) -> dict[str, str]:
        mid, up = self._mid[fields["symbol"]], 1 if fields["side"] == "BUY" else -1
        if dice.random() < 0.85:
            fields["stop_loss"] = f"{(mid - up * dice.randrange(22, 60)) / 100:.2f}"
            if dice.random() < 0.3:
                fields["break_even"] = "AFTER_TARGET"
        targets = sorted(dice.sample(range(22, 60), dice.choice((0, 1, 1, 3))))
        prices = [f"{(mid + up * each) / 100:.2f}" for each in targets]
        if len(prices) == 1:
            fields["take_profit"] = prices[0]
        elif prices:
            fields["take_profits"] = ",".join(f"{price}:{dice.randrange(1, 4)}" for price in prices)
        return fields

    def _list(self, dice: random.Random) -> dict[str, str]:
        first = self._entry(dice)
        contingency = dice.choice(("NONE", "ONE_CANCELS_OTHER", "ONE_UPDATES_OTHER", "ONE_TRIGGERS_OTHER"))
        orders: list[dict[str, str]] = []
        many = contingency == "NONE" and dice.random() < 0.1
        for number in range(60 if many else dice.choice((2, 2, 3))):
            leg = {name: first[name] for name in ("symbol", "side", "quantity", "time_in_force")}
            leg["client_order_id"] = f"s{self.sent}.{number}"
            mid = self._mid[leg["symbol"]]
            if dice.random() < 0.4:
                leg["order_type"] = "STOP"
                leg["stop_price"] = f"{(mid + dice.randrange(-30, 31)) / 100:.2f}"
            else:
                leg["price"] = f"{(mid + dice.randrange(-30, 31)) / 100:.2f}"
            if contingency == "ONE_TRIGGERS_OTHER" and number:
                leg["side"] = "SELL" if first["side"] == "BUY" else "BUY"
            if contingency in ("NONE", "ONE_TRIGGERS_OTHER") and dice.random() < 0.2:
                leg = self._with_exits(leg, dice)
            if dice.random() < 0.1 and "price" in leg:
                leg = self._routed(leg, dice)
            elif dice.random() < 0.1 and contingency != "NONE":
                leg["side"] = dice.choice(("BUY", "SELL"))
            orders.append(leg)
        return {
            "type": "NewOrderList", "signal_id": f"s{self.sent}", "account": first["account"],
            "contingency_type": contingency, "all": dice.choice(("true", "false")),
            "orders": orjson.dumps(orders).decode(),
        }  # fmt: skip

    def change(self) -> dict[bytes, bytes]:
        """Return a signal that changes something: half of them a family."""
        dice, kind = self.families, self.families.random()
        if kind < 0.5:
            return super().change()
        fields = {"signal_id": f"c{self.sent}", "account": dice.choice(ACCOUNTS)}
        named = f"s{dice.randrange(1, self.sent)}"
        if kind < 0.58:
            return _flat({**fields, "type": "CancelOrderList", "list_id": named})
        if kind < 0.6:
            meant = dice.choice(({"side": "BUY"}, {"side": "SELL"}, {"symbol": dice.choice([*SYMBOLS])}, {}))
            return _flat({**fields, "type": "CancelAll", **meant})
        if kind < 0.75:
            fields["orig_client_order_id"] = named + dice.choice(("", "", ".1", ".2"))
            return _flat({**fields, "type": dice.choice(("PauseOrder", "ResumeOrder", "CancelOrder"))})
        if kind < 0.8:
            return _flat({**fields, "type": "ClosePosition", "symbol": dice.choice([*SYMBOLS])})
        named += dice.choice(("", "", "", ".0", ".1", ".2"))
        fields |= {"type": "ReplaceOrder", "orig_client_order_id": named}
        mid = self._mid["AAPL"]
        near = f"{(mid + dice.randrange(-50, 51)) / 100:.2f}"
        change = dice.choice(
            ({"stop_loss": near}, {"take_profit": near}, {"break_even": "NOW"}, {"quantity": "30"}, {"price": near},
             {"take_profits": f"{near}:1,{(mid + 70) / 100:.2f}:2"}, {"algorithm_parameters": '{"largest_clip": "3"}'})
        )  # fmt: skip
        return _flat(fields | change)

    def control(self, dice: random.Random) -> None:
        """Now and then halt an account, or let it trade again."""
        if self.halts.random() < 0.7:
            return super().control(dice)
        account = self.halts.choice(ACCOUNTS)
        kind = self.halts.choice(("Halt", "Resume", "Resume", "Reduce"))
        document: dict[str, Any] = {
            "type": kind,
            "v": 1,
            "control_id": f"h{len(self.told)}",
            "who": "op",
            "reason": "t",
        }
        document["account"] = account
        if kind == "Halt":
            document |= {"cancel": self.halts.random() < 0.8, "keep_protective": self.halts.random() < 0.4}
        self.told.append((account, orjson.dumps(document)))
        self.redis.add(self.topology.orders(self.topology.account_partition(account)), {b"control": self.told[-1][1]})
        return None

    # ------------------------------------------------------------------------------------------- the judgment

    def states(self) -> list[State]:
        """Return the states of the orders stages."""
        stages = [slot.runner.stage for slot in self.slots if slot.runner is not None]
        return [stage._state for stage in stages if isinstance(stage, OrdersStage)]

    def check_families(self) -> None:
        """Check every family's sums; nothing is on its way."""
        for state in self.states():
            assert not state.families.stirred, "what is due was done"
            check_families(state)

    def cancel_everything(self) -> None:
        """Cancel whatever works, and check that nothing does any more and nothing is reserved."""
        for account in ACCOUNTS:  # whoever is halted could not get rid of what it holds back
            document = {"type": "Resume", "v": 1, "control_id": f"resume-{account}", "who": "op", "reason": "t"}
            data = orjson.dumps(document | {"account": account})
            self.redis.add(self.topology.orders(self.topology.account_partition(account)), {b"control": data})
        for again in range(2):  # what an entry filled while it was being canceled is protected
            for number, account in enumerate(ACCOUNTS):
                fields = {
                    "type": "CancelAll",
                    "signal_id": f"end{number} {again}".replace(" ", "-"),
                    "account": account,
                }
                self.redis.add(self.topology.signals, _flat(fields))
            self.pass_time(10_000)
            self.check_families()
        for state in self.states():
            working = [order for order in state.live() if order.status not in FINAL]
            assert not working, working[:3]
            for work in state.families.works.values():
                assert work.state == DONE, work
            for name, account in state.holdings.accounts.items():
                for holding in account.holdings.values():
                    assert (holding.buys, holding.sells, holding.buy_value, holding.sell_value) == (0, 0, 0, 0), name
                assert account.open_orders == 0, name


def _flat(fields: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in fields.items()}
