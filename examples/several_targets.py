"""Several targets: a position is closed in parts, and its stop breaks even once the first of them is filled.

python -m examples.several_targets
"""

from __future__ import annotations

from examples.desk import Market, a_desk, of_list, told
from fillstream import Client


def main(client: Client, market: Market) -> None:
    """Buy 90 at 540: a third goes at 545, the rest is to go at 550, and what is left is never to lose."""
    market.shown("SPY", "539.99", "540.00")
    market.trade("SPY", "540.00")
    entry = client.bracket(
        "SPY", "BUY", 90, price="540.00", stop_loss="535.00", take_profit=["545.00:1", "550.00:2"],
        break_even="AFTER_TARGET",
    )  # fmt: skip
    told(client, entry, "OrderFilled", "OrderSuspended")
    print("the market rises to the first target")
    market.trade("SPY", "544.99")
    market.quote("SPY", "545.00", "545.02")
    of_list(client, entry, "EXECUTING", stop_loss="540.00")
    print("and falls to where it was bought: the stop closes the other 60")
    market.quote("SPY", "539.99", "540.00")
    market.trade("SPY", "540.00")
    of_list(client, entry, "ALL_DONE")


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
