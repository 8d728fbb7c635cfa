"""VWAP: an order that is worked along a volume profile, much where the market trades much.

python -m examples.vwap

`fillstream algos profile` makes a profile of the trades that analytics has kept.
"""

from __future__ import annotations

from examples.desk import Market, a_desk, finished
from fillstream import Client


def main(client: Client, market: Market) -> None:
    """Sell 100 in two seconds: half of it in the first quarter, as the market is said to do."""
    market.shown("AAPL", "184.99", "185.01")
    vwap = client.algo("VWAP", "AAPL", "SELL", 100, price="184.99", parameters={
        "duration_ms": 2_000, "slices": 4, "profile": [50, 20, 10, 20], "urgency": "AGGRESSIVE",
    })  # fmt: skip
    done = finished(client, vwap)
    slices = [int(event["quantity"]) for event in done.events if event["type"] == "OrderReceived"][1:]
    print("its slices:", slices)
    assert slices == [50, 20, 10, 20]


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
