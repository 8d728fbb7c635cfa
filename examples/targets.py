"""Positions instead of orders: a target, another one in its place, a portfolio, and flat.

python -m examples.targets
"""

from __future__ import annotations

from examples.desk import Market, a_desk, told
from fillstream import Client
from fillstream.client.topics import TARGETS


def main(client: Client, market: Market) -> None:
    """Hold 30, then 10 short; a portfolio of two; nothing."""
    for symbol, bid, ask in (("MSFT", "419.99", "420.01"), ("AAPL", "184.99", "185.01")):
        market.shown(symbol, bid, ask)
    hold(client, "MSFT", 30)
    hold(client, "MSFT", -10)
    several = [{"symbol": "MSFT", "target": 5}, {"symbol": "AAPL", "target": 20}]
    reached(client, client.set_target(targets=several), 2)
    reached(client, client.flatten(), 2)


def hold(client: Client, symbol: str, quantity: int) -> None:
    """Ask for a position, and wait until it is held."""
    signal_id = client.set_target(symbol, quantity)
    told(client, signal_id, "TargetSet")
    reached(client, signal_id, 1)


def reached(client: Client, signal_id: str, count: int) -> None:
    """Wait until so many targets of a signal are reached."""
    for item in client.follow_topic(TARGETS, after="0", idle_s=20.0):
        target = item.message
        if target.signal_id == signal_id and target.target_status == "REACHED":
            assert target.held_qty == target.target_qty
            print(f"  {target.symbol} {target.held_qty} held, from {target.start_qty}, shortfall {target.shortfall}")
            count -= 1
            if not count:
                return
    raise TimeoutError(f"{signal_id}: {count} targets are not reached")


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
