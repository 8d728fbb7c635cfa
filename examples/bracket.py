"""A bracket: an entry with a stop and a target, which are as large as what it has filled; its stop is moved.

python -m examples.bracket
"""

from __future__ import annotations

from examples.desk import Market, a_desk, of_list, told
from fillstream import Client


def main(client: Client, market: Market) -> None:
    """Buy 100 at 420; take a profit at 430, or a loss at 415, later at 418: only one of them trades."""
    market.shown("MSFT", "419.99", "420.00")
    market.trade("MSFT", "420.00")
    entry = client.bracket("MSFT", "BUY", 100, price="420.00", stop_loss="415.00", take_profit="430.00")
    exits = told(client, entry, "OrderFilled", "OrderSuspended")
    assert {event["order_type"] for event in exits if event.get("parent_id") and "order_type" in event} == {
        "STOP",
        "LIMIT",
    }
    print("the stop moves up to 418")
    told(client, client.replace(client_order_id=entry, stop_loss="418.00"), "OrderListReported")
    print("and the market falls to it: the target is taken off before the stop goes")
    market.quote("MSFT", "417.90", "418.00")
    market.trade("MSFT", "418.00")
    of_list(client, entry, "ALL_DONE")


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
