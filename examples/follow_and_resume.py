"""Following fills as models, stopping, and going on behind the last one that was seen; then the same, awaited.

python -m examples.follow_and_resume
"""

from __future__ import annotations

import asyncio

from examples.desk import Market, a_desk, told
from fillstream import AsyncClient, Client


async def awaited(client: Client, places: dict[str, str]) -> list[str]:
    """Go on from there with the client that is awaited."""
    async with AsyncClient(client.url, client.topology) as desk:
        following = desk.follow_fills(after=places, symbol="SPY", idle_s=0.5)
        return [item.message.exec_id async for item in following]


def main(client: Client, market: Market) -> None:
    """Trade three times, and see each trade once."""
    market.shown("SPY", "600.00", "600.02")
    following = client.follow_fills(symbol="SPY")
    told(client, client.signal("SPY", "BUY", 1), "OrderFilled")
    first = next(following)
    print(f"  {first.stream} {first.id}: {first.message.side} {first.message.last_qty} at {first.message.last_px}")
    places = following.places  # what a strategy keeps
    for side in ("SELL", "BUY"):
        told(client, client.signal("SPY", side, 1), "OrderFilled")
    told(client, client.close_position("SPY"), "OrderFilled")
    missed = [item.message.exec_id for item in client.follow_fills(after=places, symbol="SPY", idle_s=0.5)]
    assert len(missed) == 3
    assert first.message.exec_id not in missed
    assert asyncio.run(awaited(client, places)) == missed
    print(f"  behind {places}: {', '.join(missed)}")


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
