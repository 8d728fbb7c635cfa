"""A strategy that runs away is stopped by its circuit breaker; another one trades on.

python -m examples.circuit_breaker
"""

from __future__ import annotations

from examples.desk import Market, a_desk, told
from fillstream import Client

WHO = {"who": "risk", "reason": "an example"}


def main(client: Client, market: Market) -> None:
    """Allow three orders a minute to each strategy, and send four."""
    market.quote("AAPL", "184.99", "185.01")
    client.control("SetLimits", "demo", limits={"strategy_breaker_orders": 3}, **WHO)
    for _ in range(3):
        order = client.signal("AAPL", "BUY", 1, price="184.00", account="demo", strategy="runaway")
        told(client, order, "OrderAccepted", account="demo")
    refused = client.signal("AAPL", "BUY", 1, price="184.00", account="demo", strategy="runaway")
    assert told(client, refused, "OrderRejected", account="demo")[-1]["reason"] == "breaker_open"
    calm = client.signal("AAPL", "BUY", 1, price="184.00", account="demo", strategy="calm")
    told(client, calm, "OrderAccepted", account="demo")
    client.control("ResetLimits", "demo", **WHO)


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
