"""What stays of an order that left the state: its id and its client's, its status, in 40 bytes; there may be millions.

Flows in: orders that finished, or were refused. Flows out: what is told of them when somebody names one again. Never
knows how much was filled, or of what families an order is: the journal and analytics have that.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from fillstream.libs.common.engine.ids import NONE, Ids, digest_of
from fillstream.libs.common.messages.codes import OrdStatus

STATUSES: Final = tuple(
    each.value
    for each in (OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED, OrdStatus.CALCULATED)
)
"""The final ones, by their number in a record: a new one goes to the end."""
SIDES: Final = ("BUY", "SELL")
_RECORD: Final = Struct("<HIBII")
"""When it was received in milliseconds, high and low; status and side; the instrument's number, and the account's."""
PAYLOAD: Final = _RECORD.size


class Remembered(NamedTuple):
    """An order that left the state, or that validation refused.

    Attributes:
        client_order_id: None where nobody said it: it is a digest now.
        account, symbol: None of an order that was refused because nobody knew them.
        status: final.
    """

    order_id: int
    client_order_id: str | None
    account: str | None
    symbol: str | None
    side: str
    status: str


class Row(NamedTuple):
    """A record of the table; `instrument` and `account` are their numbers, 0 where there is none."""

    status: str
    side: str
    received_ms: int
    instrument: int
    account: int

    def packed(self) -> bytes:
        """Return it as it is kept."""
        kind = STATUSES.index(self.status) << 1 | SIDES.index(self.side)
        return _RECORD.pack(self.received_ms >> 32, self.received_ms & 0xFFFF_FFFF, kind, self.instrument, self.account)

    @classmethod
    def unpacked(cls, data: bytes) -> Row:
        """Return what `packed` wrote."""
        high, low, kind, instrument, account = _RECORD.unpack(data)
        return cls(STATUSES[kind >> 1], SIDES[kind & 1], high << 32 | low, instrument, account)


class RememberedOrders:
    """The orders of a partition that are remembered, at the positions of their numbers.

    Attributes:
        ids: the table; a number that is not in it is of an order that is in the state, or was forgotten.
        count: how many there are.
    """

    __slots__ = ("count", "ids")

    def __init__(self, ids: Ids | None = None) -> None:
        self.ids = Ids(PAYLOAD, 1) if ids is None else ids
        self.count = len(self.ids)

    def put(self, number: int, account: str, client_order_id: str, row: Row) -> None:
        """Remember the order of a number, whose client_order_id is its account's alone."""
        self.ids.put(number, digest_of(f"{account} {client_order_id}"), row.packed())
        self.count += 1

    def find(self, account: str, client_order_id: str) -> int | None:
        """Return the number of the order that an account gave this id."""
        # Neither has a space in it, so no two pairs are one text.
        number = self.ids.find(digest_of(f"{account} {client_order_id}")) if self.count else NONE
        return None if number == NONE else number

    def at(self, number: int) -> Row | None:
        """Return what is remembered of the order of a number."""
        data = self.ids.at(number)
        return None if data is None else Row.unpacked(data)

    def change(self, number: int, row: Row) -> None:
        """Remember another row of a number that has one."""
        self.ids.write(number, row.packed())

    def drop(self, first: int) -> None:
        """Forget the numbers below `first`."""
        self.ids.drop(first)
        self.count = len(self.ids)
