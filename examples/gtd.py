"""An order good till a time, and one that ends with its day.

python -m examples.gtd
"""

from __future__ import annotations

import time

from examples.desk import Market, a_desk, told
from fillstream import Client


def main(client: Client, market: Market) -> None:
    """Rest for one second; the venue takes the order off by itself."""
    market.quote("AAPL", "184.99", "185.01")
    until = int(time.time() * 1000) + 1_000
    order = client.signal("AAPL", "BUY", 10, price="184.00", time_in_force="GTD", expire_time=until)
    told(client, order, "OrderAccepted")
    expired = told(client, order, "OrderExpired")
    assert expired[-1]["due_time"] == until
    passed = client.signal("AAPL", "BUY", 10, price="184.00", time_in_force="GTD", expire_time="2020-01-01T00:00:00Z")
    assert told(client, passed, "OrderRejected")[-1]["reason"] == "expire_time_passed"


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
