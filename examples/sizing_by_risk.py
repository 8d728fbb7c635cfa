"""Sizes in money: what a stop may cost, and how much to spend.

python -m examples.sizing_by_risk
"""

from __future__ import annotations

from examples.desk import Market, a_desk, told
from fillstream import Client


def main(client: Client, market: Market) -> None:
    """Lose 25 at most between 185 and 182.50: that is 10. Spend 1000 at most: that is 5 at 185.01."""
    market.quote("AAPL", "184.99", "185.01")
    by_risk = client.signal("AAPL", "BUY", risk_amount="25", price="185.00", stop_loss="182.50")
    received = told(client, by_risk, "OrderAccepted")[0]
    assert received["quantity"] == "10"
    by_money = client.signal("AAPL", "BUY", notional="1000")
    received = told(client, by_money, "OrderFilled")[0]
    assert received["quantity"] == "5"
    nothing = client.signal("AAPL", "BUY", notional="100")
    refused = told(client, nothing, "OrderRejected")
    assert refused[-1]["reason"] == "size_zero"


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
