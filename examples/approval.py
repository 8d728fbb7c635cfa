"""A large order waits for a person's yes, who makes it smaller; another is refused.

python -m examples.approval
"""

from __future__ import annotations

from examples.desk import Market, a_desk, told
from fillstream import Client

WHO = {"who": "risk", "reason": "an example"}


def main(client: Client, market: Market) -> None:
    """Ask for an approval above 1 000 USD; approve half of one order, refuse another."""
    market.quote("AAPL", "184.99", "185.01")
    client.control("SetLimits", "demo", limits={"approval_above": "1000"}, **WHO)
    small = client.signal("AAPL", "BUY", 1, price="184.00", account="demo")
    told(client, small, "OrderAccepted", account="demo")
    large = client.signal("AAPL", "BUY", 100, price="184.00", account="demo")
    order_id = told(client, large, "OrderSuspended", account="demo")[-1]["order_id"]
    client.control("Approve", None, order_id=order_id, quantity="50", **WHO)
    assert told(client, large, "OrderAccepted", account="demo")[-1]["quantity"] == "50"
    other = client.signal("AAPL", "BUY", 100, price="184.00", account="demo")
    order_id = told(client, other, "OrderSuspended", account="demo")[-1]["order_id"]
    client.control("Refuse", None, order_id=order_id, **WHO)
    assert told(client, other, "OrderCanceled", account="demo")[-1]["reason"] == "not_approved"
    client.control("ResetLimits", "demo", **WHO)


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
