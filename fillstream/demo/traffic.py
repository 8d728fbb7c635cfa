"""Signals as a busy client would send them, from a seed: for the demonstration, the crash tests and the bench.

Flows in: the market's moments, to price by. Flows out: the fields of signals, ready for XADD. Never touches Redis.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from fillstream.demo.market_numbers import Listed, Moment
from fillstream.libs.common.engine.frames import COMMAND, Command, CommandType

Fields = dict[str, str]


class Traffic:
    """A stream of signals around the market it is shown.

    Args:
        instruments: what may be traded.
        account: whose orders they are.
        seed: the same seed and the same market give the same signals.
        mistakes: the share of signals that are wrong on purpose (0 to 1).
    """

    def __init__(self, instruments: Mapping[str, Listed], account: str, seed: int, mistakes: float = 0.03) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - traffic for a demonstration, not a secret
        self._instruments = instruments
        self._account = account
        self._mistakes = mistakes
        self._quotes: dict[str, tuple[int, int]] = {}
        self._orders: list[str] = []
        self._sent: list[Fields] = []

    def see(self, moment: Moment) -> None:
        """Learn the market's newest quote."""
        command = Command._make(COMMAND.unpack(moment.record))
        if command.type == CommandType.QUOTE:
            self._quotes[moment.symbol] = (command.price, command.aux_price)

    def next(self) -> Fields:
        """Return the next signal: an order mostly, now and then a cancel, an amendment, a repeat or a mistake.

        Raises:
            ValueError: no quote has been seen yet.
        """
        if not self._quotes:
            raise ValueError("traffic: no quote has been seen yet; see() one first")
        kind = self._dice.random()
        if kind < self._mistakes:
            fields = self._mistake()
        elif kind < 0.10 and self._orders:
            fields = {"type": "CancelOrder", "orig_client_order_id": self._dice.choice(self._orders[-200:])}
        elif kind < 0.13 and self._orders:
            fields = {
                "type": "ReplaceOrder",
                "orig_client_order_id": self._dice.choice(self._orders[-50:]),
                "quantity": self._quantity(self._dice.choice(list(self._quotes))),
            }
        elif kind < 0.15 and self._sent:
            return self._dice.choice(self._sent[-200:])
        else:
            fields = self._order()
        fields.setdefault("account", self._account)
        fields["signal_id"] = f"{self._account}-{len(self._sent) + 1}"
        if fields.get("type", "NewOrder") == "NewOrder":
            self._orders.append(fields["signal_id"])
        self._sent.append(fields)
        return fields

    def marketable(self, signal_id: str) -> Fields:
        """Return a small market order, which fills at once where there is a market.

        Raises:
            ValueError: no quote has been seen yet.
        """
        if not self._quotes:
            raise ValueError("traffic: no quote has been seen yet; see() one first")
        symbol = self._dice.choice(list(self._quotes))
        quantity = self._instruments[symbol].lots.text(self._dice.randrange(50, 100))
        side = self._dice.choice(("BUY", "SELL"))
        return {
            "signal_id": signal_id, "account": self._account, "symbol": symbol, "side": side, "quantity": quantity,
            "order_type": "MARKET", "strategy": "demo",
        }  # fmt: skip

    def _order(self) -> Fields:
        dice = self._dice
        symbol = dice.choice(list(self._quotes))
        bid, ask = self._quotes[symbol]
        side = dice.choice(("BUY", "SELL"))
        fields = {"symbol": symbol, "side": side, "quantity": self._quantity(symbol), "strategy": "demo"}
        style = dice.random()
        if style < 0.35:
            fields["order_type"] = "MARKET"
        else:
            touch = ask if side == "BUY" else bid
            width = max(1, (ask - bid) * 2)
            towards = dice.randrange(-3 * width, width) if style < 0.8 else 0
            price = touch + towards if side == "BUY" else touch - towards
            fields["order_type"] = "LIMIT"
            fields["price"] = self._instruments[symbol].ticks.text(price)
            fields["time_in_force"] = dice.choice(("GTC", "GTC", "DAY", "IOC", "FOK"))
        if dice.random() < 0.5:
            fields["confidence"] = f"0.{dice.randrange(1, 100):02d}"
        return fields

    def _quantity(self, symbol: str) -> str:
        return self._instruments[symbol].lots.text(self._dice.randrange(1, 200))

    def _mistake(self) -> Fields:
        symbol = self._dice.choice(list(self._quotes))
        good = {"symbol": symbol, "side": "BUY", "quantity": self._quantity(symbol)}
        return self._dice.choice(
            (
                good | {"symbol": "NOSUCH"},
                good | {"side": "HOLD"},
                good | {"quantity": "-1"},
                good | {"quantity": "NaN"},
                good | {"quantity": "1e400"},
                good | {"account": "nobody"},
                good | {"price": "1.0000000001"},
                {"data": '{"symbol":'},
                {"type": "CancelOrder", "orig_client_order_id": "never-sent"},
            )
        )
