"""How many orders of an account go to venues in its rate_limit_window_ms, and who waits for its turn.

Flows in: orders that went, orders that wait, milliseconds of the log. Flows out: when the next one may go, and which.
Never sends anything and never judges: the desk does.

The window slides: of any N + 1 orders of an account in a row, the last goes at least a window after the first, where N
is its rate_limit_orders. So the times of the newest N are all there is to know. Whoever only closes a position goes
past the queue, and counts.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

from fillstream.libs.common.messages.reference import AccountTerms
from fillstream.libs.common.values.versions import Document, check_names

_KEPT: Final = ("sent", "waiting")


class Pace:
    """One account's.

    Attributes:
        sent: when its newest orders went (ms), as many as its rate_limit_orders at most.
        waiting: ids of the orders that wait for their turn, in the order in which they came to wait.
    """

    __slots__ = ("sent", "waiting")

    def __init__(self) -> None:
        self.sent: deque[int] = deque()
        self.waiting: OrderedDict[int, None] = OrderedDict()  # its first is found at once, however many have left

    def free_ms(self, terms: AccountTerms) -> int:
        """Return when the window takes another order (ms); 0 where it does already, or where there is no limit."""
        most, sent = terms.rate_limit_orders, self.sent
        if most is None:
            sent.clear()
            return 0
        while len(sent) > most:  # it was set lower
            sent.popleft()
        return sent[0] + terms.rate_limit_window_ms if len(sent) == most else 0


class Pacing:
    """All accounts' of a partition, by their numbers; only those are there that have, or had, a limit.

    Attributes:
        of: the accounts.
    """

    __slots__ = ("of",)

    def __init__(self) -> None:
        self.of: dict[int, Pace] = {}

    def must_wait(self, number: int, terms: AccountTerms, ms: int) -> bool:
        """Say whether an order of an account has to wait now: others do, or the window is full."""
        pace = self.of.get(number)
        return pace is not None and (bool(pace.waiting) or pace.free_ms(terms) > ms)

    def went(self, number: int, terms: AccountTerms, ms: int) -> None:
        """Count an order that goes to its venue."""
        if terms.rate_limit_orders is None:
            return
        pace = self.of.setdefault(number, Pace())
        pace.sent.append(ms)
        pace.free_ms(terms)

    def wait(self, number: int, order_id: int) -> Pace:
        """Let an order wait behind all others of its account."""
        pace = self.of.setdefault(number, Pace())
        pace.waiting[order_id] = None
        return pace

    def leave(self, number: int, order_id: int) -> bool:
        """Take an order out of the queue; say whether it was the last one there."""
        waiting = self.of[number].waiting
        del waiting[order_id]
        return not waiting

    # --------------------------------------------------------------- snapshot

    def dump(self) -> Document:
        """Return what was sent and what waits, by the account's number."""
        return {
            str(number): {"sent": [*pace.sent], "waiting": [*pace.waiting]} for number, pace in sorted(self.of.items())
        }

    def load(self, document: Document) -> None:
        """Put back what `dump` returned.

        Raises:
            Unreadable: a name that this release does not know.
        """
        for number, record in document.items():
            check_names("paced", record, _KEPT, _KEPT)
            pace = self.of[int(number)] = Pace()
            pace.sent.extend(record["sent"])
            pace.waiting.update(dict.fromkeys(record["waiting"]))
