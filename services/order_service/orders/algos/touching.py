"""The touch as a buyer or a seller sees it: written once, so that no algorithm has a bug on one side only.

Flows in: a job. Flows out: ticks, lots, or None where nobody quotes. Never looks beyond the touch.
"""

from __future__ import annotations

from fillstream.services.order_service.orders.algos.algorithm import Job


def far(job: Job) -> int | None:
    """Return the other side's best price, at which the job could trade now (ticks); None where there is none."""
    quote = job.quote
    if job.buy:
        return quote.ask if quote.ask_qty else None
    return quote.bid if quote.bid_qty else None


def near(job: Job) -> int | None:
    """Return the best price of the job's own side at which an order rests (ticks); None where there is none.

    In a market that is locked or crossed that is a tick short of the other side: at the touch it would trade.
    """
    quote = job.quote
    if job.buy:
        if not quote.bid_qty:
            return None
        return min(quote.bid, quote.ask - 1) if quote.ask_qty else quote.bid
    if not quote.ask_qty:
        return None
    return max(quote.ask, quote.bid + 1) if quote.bid_qty else quote.ask


def near_lots(job: Job) -> int:
    """Return what is quoted at the best price of the job's own side (lots)."""
    return job.quote.bid_qty if job.buy else job.quote.ask_qty


def worse(job: Job, ticks: int, steps: int) -> int:
    """Return the price that is `steps` ticks further from trading: lower for a buyer. Below 0 steps it is nearer."""
    return ticks - steps if job.buy else ticks + steps


def within(job: Job, ticks: int) -> int:
    """Return the price, or the job's limit where that is not as far."""
    if job.limit is None:
        return ticks
    return min(ticks, job.limit) if job.buy else max(ticks, job.limit)


def reaches(job: Job, ticks: int, price: int) -> bool:
    """Return whether a price of the other side is as good for the job as `price`, or better."""
    return ticks <= price if job.buy else ticks >= price


def missing(job: Job) -> str:
    """Return that nobody stands on the job's own side, in words."""
    return "nobody bids" if job.buy else "nobody offers"


def missing_far(job: Job) -> str:
    """Return that nobody stands on the other side, in words."""
    return "nobody offers" if job.buy else "nobody bids"
