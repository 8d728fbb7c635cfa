"""Trailing stops as one would write them down: each order keeps its best price, every price looks at all of them."""

from __future__ import annotations


class NaiveTrailing:
    """Orders that trail one price on one side; see `libs.common.triggers.trailing.Trailing`."""

    def __init__(self, buy: bool, in_bps: bool) -> None:
        self.buy = buy
        self.in_bps = in_bps
        self.orders: dict[int, tuple[int, int | None]] = {}

    def add(self, order_id: int, offset: int, half: int | None) -> None:
        self.orders[order_id] = offset, None if half is None else self.on_tick(half)

    def on_tick(self, half: int) -> int:
        """Return the tick that a price stands on, or the one behind it."""
        return -(-half // 2) if self.buy else half // 2

    def stop(self, order_id: int) -> int | None:
        offset, best = self.orders[order_id]
        if best is None:
            return None
        ticks = max(1, abs(best) * offset // 10_000) if self.in_bps else offset
        return best + ticks if self.buy else best - ticks

    def see(self, half: int) -> dict[int, int]:
        """Let every order see a price; take those whose stop it reaches, with their stops."""
        tick = self.on_tick(half)
        for order_id, (offset, best) in self.orders.items():
            if best is None or (tick < best if self.buy else tick > best):
                self.orders[order_id] = offset, tick
        reached = {}
        for order_id in list(self.orders):
            stop = self.stop(order_id)
            assert stop is not None, "a price has come"
            if half >= 2 * stop if self.buy else half <= 2 * stop:
                reached[order_id] = stop
                del self.orders[order_id]
        return reached
