"""A position that closes itself: a stop that follows the mean price, a trailing one that begins with a profit, a time.

python -m examples.exits
"""

from __future__ import annotations

import time

from examples.desk import PATIENCE_S, Market, a_desk, told
from fillstream import Client


def main(client: Client, market: Market) -> None:
    """Buy, protect what is held, and let the market fall through the stop."""
    market.quote("MSFT", "419.99", "420.01")
    told(client, client.signal("MSFT", "BUY", 3), "OrderFilled")
    told(client, client.protect("MSFT", stop_loss_percent="2", break_even_offset="4.00"), "PositionProtected")
    told(client, client.protect("MSFT", protection_id="third", quantity=1, take_profit="425.00"), "PositionProtected")
    market.quote("MSFT", "424.99", "425.01")
    wait_for(client, "exit-0-2-1", "425")  # a third is sold at its target
    market.quote("MSFT", "419.98", "420.00")
    wait_for(client, "exit-0-1-1", "419.98")  # the stop of the rest stood at the mean price by then
    nothing = client.protect("MSFT", stop_loss="400.00")
    assert told(client, nothing, "SignalRefused")[-1]["reason"] == "nothing_to_reduce"


def wait_for(client: Client, client_order_id: str, price: str) -> None:
    """Wait until an exit's order is filled."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        outcome = client.wait_for(client_order_id)
        if outcome.final:
            assert outcome.events[-1]["type"] == "OrderFilled", outcome.events
            print(f"  closed at {outcome.events[-1]['last_px']}, the market was at {price}")
            return
    raise TimeoutError(f"{client_order_id}: it should have closed the position at {price}")


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
