"""OCO: two orders of which one cancels the other. One rests at its venue, the other waits in the desk for its price.

python -m examples.oco
"""

from __future__ import annotations

from examples.desk import Market, a_desk, finished, told
from fillstream import Client


def main(client: Client, market: Market) -> None:
    """Buy 10 when the market falls to 415, or when it breaks out above 425."""
    market.shown("MSFT", "419.99", "420.01")
    market.trade("MSFT", "420.00")
    both = {"symbol": "MSFT", "side": "BUY", "quantity": 10}
    orders = [both | {"price": "415.00"}, both | {"order_type": "STOP", "stop_price": "425.00"}]
    pair = client.order_list(orders, contingency_type="ONE_CANCELS_OTHER")
    told(client, pair, "OrderListReported", "OrderSuspended")
    print("it breaks out: the limit order is taken off, then the stop goes")
    market.quote("MSFT", "425.00", "425.02")
    market.trade("MSFT", "425.01")
    done = finished(client, pair)
    assert done.list_order_status == "ALL_DONE"


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
