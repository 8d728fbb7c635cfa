"""An instrument with sessions: closed, an order good till a time over a session's end, and orders for the auctions.

python -m examples.sessions
"""

from __future__ import annotations

import time

from examples.desk import Market, a_desk, told
from fillstream import Client


def main(client: Client, market: Market) -> None:
    """Trade TIMED through two sessions of four seconds, with auctions of half a second before they open and close."""
    now = int(time.time() * 1000)
    first, second = (now + 4_000, now + 8_000), (now + 10_000, now + 14_000)
    market.sessions(first, second)

    closed = client.signal("TIMED", "BUY", 10, price="100.00")
    refused = told(client, closed, "OrderRejected")[-1]
    assert refused["reason"] == "outside_session", "it says when the next session takes it"

    opening = client.signal("TIMED", "BUY", 10, price="100.50", time_in_force="AT_THE_OPENING")
    seller = client.signal("TIMED", "SELL", 4, price="99.50", time_in_force="AT_THE_OPENING")
    told(client, opening, "OrderSuspended")
    ended = told(client, opening, "OrderTriggered", "OrderFilled", "OrderExpired")
    assert ended[-1]["cum_qty"] == "4", "what the auction leaves of it is over"
    assert told(client, seller, "OrderFilled")[-1]["last_px"] == "99.50"

    over = second[0] + 1_000
    order = client.signal("TIMED", "BUY", 10, price="90.00", time_in_force="GTD", expire_time=over)
    day = client.signal("TIMED", "BUY", 10, price="90.00", time_in_force="DAY")
    later = client.signal("TIMED", "BUY", 10, price="90.00", time_in_force="DAY", next_session=True)
    assert told(client, day, "OrderExpired")[-1]["time"] >= first[1], "a day ends with the session"
    assert told(client, order, "OrderExpired")[-1]["time"] >= over, "this one stood over its end"
    released = told(client, later, "OrderTriggered")[-1]
    assert second[0] - 500 <= released["time"], "and this one waited for the next"


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
