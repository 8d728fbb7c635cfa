"""A strategy trades as `main`, on paper first. An operator switches the name, and the strategy knows nothing of it.

python -m examples.paper_to_live

This version has no venue outside: SIM2, another simulated one with books of its own, stands for the exchange here. On a
desk with one, `main@live` would say `mode: LIVE`, and no order of it would ever go to a simulated venue.
"""

from __future__ import annotations

from examples.desk import Market, a_desk, told
from fillstream import Client

WHO = {"who": "risk", "reason": "an example"}


def main(client: Client, market: Market) -> None:
    """Trade on paper, be refused the switch while an order works, switch, trade at the other venue, and go back."""
    for venue in ("SIM", "SIM2"):
        market.quote("AAPL", "184.99", "185.01", venue=venue)
    resting = client.signal("AAPL", "BUY", 10, price="184.00", account="main")
    received = told(client, resting, "OrderAccepted", account="main")[0]
    assert (received["account"], received["alias"], received["venue"]) == ("main@paper", "main", "SIM")
    refused = client.control("SwitchAlias", "main", to="main@live", **WHO)
    assert refused.refusal == "orders_work", refused.text
    told(client, client.cancel(client_order_id=resting, account="main"), "OrderCanceled", account="main")
    switched = client.control("SwitchAlias", "main", to="main@live", **WHO)
    assert switched.refusal is None, switched.text
    print(f"  {switched.text}")
    bought = client.signal("AAPL", "BUY", 10, price="185.01", account="main")
    filled = told(client, bought, "OrderFilled", account="main")[-1]
    assert (filled["account"], filled["venue"]) == ("main@live", "SIM2")
    again = client.signal("AAPL", "BUY", 10, price="184.00", account="main", client_order_id=resting)
    first = told(client, again, "OrderStatusReported", account="main")[-1]
    assert first["account"] == "main@paper", "an order that is sent again is not doubled by a switch"
    assert client.control("SwitchAlias", "main", **WHO).refusal is None, "back to where the file says"


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
