"""What an account holds and what works, from the journal alone, by nothing that the stage uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from tests.support.orders import FINAL


class NaiveAccount:
    """One account: its events one after another, and every question answered from all of its orders."""

    def __init__(self, multipliers: Mapping[str, int], events: Iterable[dict[str, Any]] = ()) -> None:
        self.multipliers = multipliers
        self.position: dict[str, Fraction] = {}
        self.shares: dict[tuple[str | None, str], Fraction] = {}
        self.cash = Fraction(0)
        self.fees = Fraction(0)
        self.orders: dict[str, dict[str, Any]] = {}
        for event in events:
            self.take(event)

    def take(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind in ("OrderReplaceRejected", "OrderCancelRejected"):
            order = self.orders.get(event["order_id"] or "")
            if order and order["pending"] and order["pending"]["signal_id"] == event["signal_id"]:
                order["pending"] = None
            return
        if "order_id" not in event:
            return
        if kind == "OrderReceived":
            self.orders[event["order_id"]] = {"pending": None, "price": event["price"], **event}
        order = self.orders.get(event["order_id"])
        if order is None:
            return
        order.update({name: event[name] for name in ("ord_status", "quantity", "cum_qty", "leaves_qty")})
        if kind == "OrderReplaceRequested":
            order["pending"] = event
        if kind == "OrderReplaced":
            order["pending"] = None
        if kind in ("OrderReplaced", "OrderRestated"):
            order["price"] = event["price"]
        if kind == "OrderCanceled" and event["reason"] == "replaced_below_filled":
            order["pending"] = None
        if kind == "OrderFilled":
            lots = Fraction(event["last_qty"]) * (1 if event["side"] == "BUY" else -1)
            self.position[event["symbol"]] = self.position.get(event["symbol"], Fraction(0)) + lots
            whose = event["strategy"], event["symbol"]
            self.shares[whose] = self.shares.get(whose, Fraction(0)) + lots
            self.cash -= lots * Fraction(event["last_px"]) * self.multipliers[event["symbol"]]
            self.fees += Fraction(event["fee"])

    def working(self) -> Iterator[tuple[dict[str, Any], Fraction, Fraction]]:
        """Yield each order that may still trade, with how much at most and at what price at worst."""
        for order in self.orders.values():
            pending = order["pending"] if order["ord_status"] not in ("Canceled", "Rejected", "Expired") else None
            left = Fraction(0 if order["ord_status"] in FINAL else order["leaves_qty"])
            price = Fraction(order["price"] or 0)  # of a market order, which is not amended
            if pending is not None:
                left = max(left, Fraction(pending["new_quantity"]) - Fraction(order["cum_qty"]))
                worse = max if order["side"] == "BUY" else min
                price = worse(price, Fraction(pending["new_price"]))
            if left > 0:
                yield order, left, price

    def worst(self, symbol: str) -> tuple[Fraction, Fraction]:
        """Return the position with all that may be bought, and with all that may be sold."""
        buys = sum((left for order, left, _ in self.of(symbol, "BUY")), Fraction(0))
        sells = sum((left for order, left, _ in self.of(symbol, "SELL")), Fraction(0))
        held = self.position.get(symbol, Fraction(0))
        return held + buys, held - sells

    def worst_of(self, strategy: str, symbol: str) -> tuple[Fraction, Fraction]:
        """Return the same of one strategy."""
        held = self.shares.get((strategy, symbol), Fraction(0))
        works = [(order["side"], left) for order, left, _ in self.working()
                 if (order["strategy"], order["symbol"]) == (strategy, symbol)]  # fmt: skip
        buys, sells = (sum((left for side, left in works if side == of), Fraction(0)) for of in ("BUY", "SELL"))
        return held + buys, held - sells

    def of(self, symbol: str, side: str) -> Iterator[tuple[dict[str, Any], Fraction, Fraction]]:
        return (each for each in self.working() if each[0]["symbol"] == symbol and each[0]["side"] == side)

    def reserved(self, fee: Fraction) -> Fraction:
        """Return the cash that purchases may still take, with their fees (a share of their value)."""
        return sum(
            (
                left * price * self.multipliers[order["symbol"]] * (1 + fee)
                for order, left, price in self.working()
                if order["side"] == "BUY"
            ),
            Fraction(0),
        )
