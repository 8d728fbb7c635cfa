"""The mark of an instrument: what positions are valued at, in half ticks, as a mid is one.

Flows in: a market's best prices and its last trade, in ticks. Flows out: the mark. Never reads a quote's age: whoever
needs a fresh one asks for it.
"""

from __future__ import annotations


def mark_of(bid: int | None, ask: int | None, last: int | None) -> int | None:
    """Return the mark in half ticks: the mid of bid and ask, else the last trade, held to the one side there is.

    The last trade may be old, the side stands now: nobody sells below a bid or buys above an ask. Without a trade the
    side itself is the mark. None without any.
    """
    if bid is not None:
        if ask is not None:
            return bid + ask
        return 2 * (bid if last is None else max(last, bid))
    if ask is not None:
        return 2 * (ask if last is None else min(last, ask))
    return None if last is None else 2 * last
