"""Everything that works is taken off at once, and nothing new is taken until somebody says so.

python -m examples.kill_switch
"""

from __future__ import annotations

from examples.desk import Market, a_desk, told
from fillstream import Client

WHO = {"who": "risk", "reason": "an example"}


def main(client: Client, market: Market) -> None:
    """Rest on both sides, halt the desk, be refused, and go on."""
    market.shown("AAPL", "184.99", "185.01")
    resting = [client.signal("AAPL", side, 10, price=price) for side, price in (("BUY", "184.00"), ("SELL", "186.00"))]
    for order in resting:
        told(client, order, "OrderAccepted")
    halted = client.control("Halt", None, **WHO)
    assert halted.refusal is None and "canceled" in halted.text
    for order in resting:
        assert told(client, order, "OrderCanceled")[-1]["reason"] == "mass_cancel"
    refused = client.signal("AAPL", "BUY", 10, price="184.00")
    assert told(client, refused, "OrderRejected")[-1]["reason"] == "trading_halted"
    client.control("Resume", None, **WHO)
    again = client.signal("AAPL", "BUY", 10, price="184.00")
    told(client, again, "OrderAccepted")
    told(client, client.cancel(client_order_id=again), "OrderCanceled")


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
