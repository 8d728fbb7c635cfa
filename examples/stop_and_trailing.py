"""A stop and a trailing stop: dormant at the venue until the market reaches them.

python -m examples.stop_and_trailing
"""

from __future__ import annotations

from examples.desk import Market, a_desk, told
from fillstream import Client


def main(client: Client, market: Market) -> None:
    """Sell when the price falls to 184, or 1 % below the best price since."""
    market.quote("AAPL", "184.99", "185.01")
    market.trade("AAPL", "185.00")
    stop = client.signal("AAPL", "SELL", 10, order_type="STOP", stop_price="184.00")
    trailing = client.signal("AAPL", "SELL", 5, order_type="TRAILING_STOP", trailing_offset="1",
                             trailing_offset_type="PERCENT")  # fmt: skip
    for signal_id in (stop, trailing):
        told(client, signal_id, "OrderAccepted")
    print("the market rises to 190: the trailing stop follows it to 188.10")
    market.quote("AAPL", "189.99", "190.01")
    market.trade("AAPL", "190.00")
    print("and falls to 188: only that one is reached")
    market.quote("AAPL", "187.99", "188.01")
    market.trade("AAPL", "188.00")
    told(client, trailing, "OrderTriggered", "OrderFilled")
    market.quote("AAPL", "183.98", "184.00")
    market.trade("AAPL", "184.00")
    told(client, stop, "OrderTriggered", "OrderFilled")


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
