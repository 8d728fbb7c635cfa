"""Orders that the desk itself holds: one for a price, one for a time.

python -m examples.if_touched
"""

from __future__ import annotations

from examples.desk import Market, a_desk, told
from fillstream import Client


def main(client: Client, market: Market) -> None:
    """Buy at the market once somebody offers at 180; sell half a second from now."""
    market.quote("AAPL", "184.99", "185.01")
    touched = client.signal("AAPL", "BUY", 10, order_type="MARKET_IF_TOUCHED", stop_price="180.00",
                            trigger_price_type="BID_ASK")  # fmt: skip
    told(client, touched, "OrderSuspended")
    later = client.signal("AAPL", "SELL", 5, price="179.90", effective_after_ms=500)
    told(client, later, "OrderSuspended")
    print("the ask falls to 180")
    market.quote("AAPL", "179.98", "180.00")
    told(client, touched, "OrderTriggered", "OrderFilled")
    print("and the other one's time comes by itself")
    told(client, later, "OrderTriggered", "OrderFilled")


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
