"""An iceberg, which shows a part of itself at a time, and a post-only order that is refused rather than trade.

python -m examples.iceberg
"""

from __future__ import annotations

from examples.desk import Market, a_desk, told
from fillstream import Client


def main(client: Client, market: Market) -> None:
    """Rest 50 to buy, 10 at a time; and try to make where one could only take."""
    market.quote("AAPL", "184.90", "185.10")
    iceberg = client.signal("AAPL", "BUY", 50, price="185.00", display_quantity=10)
    told(client, iceberg, "OrderAccepted")
    print("a seller takes 25 of it: two tips and a half")
    seller = client.signal("AAPL", "SELL", 25, price="185.00", time_in_force="IOC", account="demo")
    told(client, seller, "OrderFilled", account="demo")
    told(client, iceberg, "OrderFilled")
    maker = client.signal("AAPL", "BUY", 1, price="185.10", post_only=True)
    refused = told(client, maker, "OrderRejected")
    assert refused[-1]["reason"] == "venue_would_trade"


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
