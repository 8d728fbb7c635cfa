"""Smart order routing: one order over two venues, by what it costs after fees.

python -m examples.smart_routing

SIM2 charges a basis point, which SIM does not: its better price is the dearer one. Orders of the strategy `routed` are
routed by the configuration, as examples/desk.py writes it; an order may say itself how it is routed. docs/routing.md
has the policies.
"""

from __future__ import annotations

from typing import Any, cast

import orjson

from examples.desk import Market, a_desk, told
from fillstream import Client

ACCOUNT = "main@paper"


def main(client: Client, market: Market) -> None:
    """Buy 500: 300 at 185.03 without a fee before 200 at 185.02 with one. Sell them wherever somebody buys."""
    market.quote("AAPL", "184.97", "185.03", "300", venue="SIM")
    market.quote("AAPL", "184.98", "185.02", "300", venue="SIM2")
    bought = by_venue(client, client.signal("AAPL", "BUY", 500, price="185.05", account=ACCOUNT, strategy="routed"))
    assert bought == {"SIM": 300, "SIM2": 200}, bought

    wish: dict[str, Any] = {"routing": "SWEEP", "venues": ["SIM2", "SIM"], "time_in_force": "IOC"}
    sold = by_venue(client, client.signal("AAPL", "SELL", 500, price="184.90", account=ACCOUNT, **wish))
    assert sold == {"SIM": 300, "SIM2": 200}, sold


def by_venue(client: Client, signal_id: str) -> dict[str, int]:
    """Return how much of an order was filled at each venue, by the fills of its children in the same journal."""
    events = told(client, signal_id, "OrderProgressed", account=ACCOUNT)
    parent, found = events[0]["order_id"], dict[str, int]()
    journal = client.topology.events(client.topology.account_partition(ACCOUNT))
    children = set()
    for _, entry in cast("Any", client.redis.xrange(journal)):
        event = orjson.loads(entry[b"data"])
        if event.get("parent_id") == parent:
            children.add(event["order_id"])
        if event["type"] == "OrderFilled" and event["order_id"] in children:
            found[event["venue"]] = found.get(event["venue"], 0) + int(event["last_qty"])
            print(f"    OrderFilled at {event['venue']}: {event['last_qty']} at {event['last_px']}")
    return found


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
