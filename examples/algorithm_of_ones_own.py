"""An algorithm of one's own on a desk: `execution.algorithms` names its module, examples/own_algorithm has it.

python -m examples.algorithm_of_ones_own
"""

from __future__ import annotations

from examples.desk import Market, a_desk, finished, told
from fillstream import Client


def main(client: Client, market: Market) -> None:
    """Buy 20 in clips of 10, each when the market offers for less than it has traded at on average."""
    market.shown("AAPL", "184.99", "185.00")
    own = client.algo(
        "BETTER_THAN_VWAP", "AAPL", "BUY", 20, price="185.00",
        parameters={"clip": 10, "pause_ms": 200, "duration_ms": 15_000},
    )  # fmt: skip
    told(client, own, "OrderProgressed")
    print("somebody pays 185.00, and then the market offers for less")
    somebody = client.signal("AAPL", "BUY", 5, price="185.00", account="demo")
    told(client, somebody, "OrderFilled", account="demo")
    market.shown("AAPL", "184.95", "184.96")
    done = finished(client, own)
    paid = [event["last_px"] for event in done.events if event["type"] == "OrderFilled"]
    assert paid == ["184.96", "184.96"], paid


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
