"""What is open in a simulated venue's books, told to an account partition that asks for it, in pages.

Flows in: requests (`ReportMassStatus`), each with what was on its way to the book when it came; the books. Flows out:
pages (`MassStatusReport`) in the inbox of who asked. Never changes a book, never looks at a clock.

Commands that came before a request have reached the book when it is answered, however long they take. An entry tells
`PAGES` pages at most; the next one, which comes at once, goes on with the orders of higher numbers. Each page is exact
where it stands among the reports.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from fillstream.libs.common.engine.core import CoreEngine, Resting
from fillstream.libs.common.engine.frames import Side
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.mass_status import MOST_ROWS, MassStatusReport, ReportMassStatus
from fillstream.libs.common.runtime.stage import Outputs
from fillstream.libs.common.values.versions import Document, check_names
from fillstream.services.matching_engine.listing import Listing

PAGES: Final = 4
"""So many pages, of MOST_ROWS orders each, an entry tells at most."""
MOST_REQUESTS: Final = 64
"""So many requests wait at most; more are refused."""
_SIDES: Final = {int(Side.BUY): "BUY", int(Side.SELL): "SELL"}


@dataclass(slots=True)
class Asked:
    """A request that is not answered whole.

    Attributes:
        request_id, partition, account_id: as it says.
        due_ms: when what came before it has reached the book (log milliseconds).
        page: how many were told.
        after: the highest order id on them.
    """

    request_id: str
    partition: int
    account_id: int
    due_ms: int
    page: int = 0
    after: int = 0


_NAMES: Final = tuple(field.name for field in fields(Asked))


class MassStatus:
    """The requests that are not answered whole, in the order in which they came.

    Args:
        venue, partition: whose books they are about.
        inboxes: of the account partitions.
        listings: how instruments are shown; an order of another one is told by its number alone.
    """

    def __init__(self, venue: str, partition: int, inboxes: list[str], listings: Mapping[int, Listing]) -> None:
        self._venue = venue
        self._partition = partition
        self._inboxes = inboxes
        self._listings = listings
        self._asked: deque[Asked] = deque()

    def __bool__(self) -> bool:
        return bool(self._asked)

    @property
    def due_ms(self) -> int | None:
        """When the first one is to be answered, None without one."""
        return self._asked[0].due_ms if self._asked else None

    def ask(self, request: ReportMassStatus, due_ms: int) -> None:
        """Take a request, to be answered at `due_ms` or later.

        Raises:
            BadEntry: too_many.
        """
        if len(self._asked) >= MOST_REQUESTS:
            raise BadEntry("too_many", f"request_id: {MOST_REQUESTS} requests wait, which is the most")
        if self._asked:
            due_ms = max(due_ms, self._asked[-1].due_ms)
        self._asked.append(Asked(request.request_id, request.partition, request.account_id, due_ms))

    def tell(self, engine: CoreEngine, out: Outputs) -> None:
        """Tell the next pages of the first request, which is due."""
        asked = self._asked[0]
        orders = engine.orders_after(asked.partition, asked.after, PAGES * MOST_ROWS + 1, asked.account_id)
        for start in range(0, PAGES * MOST_ROWS, MOST_ROWS):
            on_page = orders[start : start + MOST_ROWS]
            last = start + MOST_ROWS >= len(orders)
            asked.page += 1
            page: dict[str, Any] = {
                "type": "MassStatusReport",
                "v": MassStatusReport.VERSION,
                "venue": self._venue,
                "request_id": asked.request_id,
                "symbol_partition": self._partition,
                "page": asked.page,
                "last_page": last,
                "orders": [*map(self._row, on_page)],
            }
            out.event(self._inboxes[asked.partition], page)
            if last:
                self._asked.popleft()
                return
        asked.after = orders[PAGES * MOST_ROWS - 1].order_id

    def _row(self, order: Resting) -> dict[str, Any]:
        row: dict[str, Any] = {
            "order_id": str(order.order_id),
            "account_id": order.account,
            "side": _SIDES[order.side],
        }
        listing = self._listings.get(order.symbol)
        if listing is not None:
            row["symbol"] = listing.symbol
            row["quantity"] = listing.qty(order.leaves + order.filled)
            row["cum_qty"] = listing.qty(order.filled)
            if not order.dormant:
                row["price"] = listing.price(order.price)
        return row

    # --------------------------------------------------------------- snapshot

    def dump(self) -> list[Document]:
        """Return the requests by the names of their fields."""
        return [asdict(each) for each in self._asked]

    def load(self, documents: list[Document]) -> None:
        """Put back what `dump` wrote.

        Raises:
            Unreadable: a request has other fields.
        """
        for each in documents:
            check_names("request", each, _NAMES, _NAMES)
        self._asked = deque(Asked(**each) for each in documents)
