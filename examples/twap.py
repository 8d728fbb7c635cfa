"""TWAP: an order that is worked evenly over its time; paused, resumed, and told to hurry.

python -m examples.twap
"""

from __future__ import annotations

from examples.desk import Market, a_desk, finished, told
from fillstream import Client


def main(client: Client, market: Market) -> None:
    """Buy 60 in two seconds and six slices, with a pause in between."""
    market.shown("AAPL", "184.99", "185.01")
    twap = client.algo("TWAP", "AAPL", "BUY", 60, price="185.01", parameters={
        "duration_ms": 2_000, "slices": 6, "urgency": "AGGRESSIVE",
    })  # fmt: skip
    client.wait_for(twap)
    paused = told(client, client.pause(client_order_id=twap), "OrderProgressed")
    assert paused[0]["paused"]
    told(client, client.resume(client_order_id=twap), "OrderProgressed")
    client.replace(client_order_id=twap, algorithm_parameters={"slices": 3})
    done = finished(client, twap)
    bought = sum(int(event["last_qty"]) for event in done.events if event["type"] == "OrderFilled")
    assert (done.ord_status, bought) == ("Filled", 60)


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
