"""Smart order routing: one order over two venues, by what it costs after fees.

python -m examples.smart_routing

SIM2 charges a basis point, which SIM does not: its better price is the dearer one. Orders of the strategy `routed` are
routed by the configuration, as examples/desk.py writes it; an order may say itself how it is routed. docs/routing.md
has the policies.
"""

from __future__ import annotations

from typing import Any

from examples.desk import Market, a_desk, finished
from fillstream import Client

ACCOUNT = "main@paper"


def main(client: Client, market: Market) -> None:
    """Buy 500: 300 at 185.03 without a fee before 200 at 185.02 with one. Sell them wherever somebody buys."""
    market.shown("AAPL", "184.97", "185.03", "300", venue="SIM")
    market.shown("AAPL", "184.98", "185.02", "300", venue="SIM2")
    bought = by_venue(client, client.signal("AAPL", "BUY", 500, price="185.05", account=ACCOUNT, strategy="routed"))
    assert bought == {"SIM": 300, "SIM2": 200}, bought

    wish: dict[str, Any] = {"routing": "SWEEP", "venues": ["SIM2", "SIM"], "time_in_force": "IOC"}
    sold = by_venue(client, client.signal("AAPL", "SELL", 500, price="184.90", account=ACCOUNT, **wish))
    assert sold == {"SIM": 300, "SIM2": 200}, sold


def by_venue(client: Client, signal_id: str) -> dict[str, int]:
    """Return how much of an order was filled at each venue: what its children say, which are in the same journal."""
    found: dict[str, int] = {}
    for event in finished(client, signal_id, ACCOUNT).events:
        if event["type"] == "OrderFilled":
            found[event["venue"]] = found.get(event["venue"], 0) + int(event["last_qty"])
    return found


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
