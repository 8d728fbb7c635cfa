"""An order that closes what brackets protect, and what their exits are to leave to it.

Flows in: what was asked for, and what happened. Flows out: a record of it, as a snapshot has it. Never decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fillstream.libs.common.values.versions import Document, check_names
from fillstream.services.order_service.orders.holding.hedged import Position
from fillstream.services.order_service.orders.instructions import Close


@dataclass(slots=True)
class Closer:
    """What closes a position that brackets protect.

    Attributes:
        account, symbol: whose, and of what.
        lots: that exits are to leave to it, less what it has traded.
        wanted: lots that it is to close, with what nothing else had to leave.
        wish: what was asked for, until its order is there.
        order_id: of that, None before.
        seen: lots that it has traded.
        name: which position of its account that is, where that hedges.
    """

    account: str
    symbol: str
    lots: int
    wanted: int
    wish: Close
    order_id: int | None = None
    seen: int = 0
    name: str | None = None

    @property
    def position(self) -> Position:
        """The position that it closes."""
        return self.account, self.symbol, self.name


_NAMES: Final = ("account", "symbol", "lots", "wanted", "wish", "order_id", "seen")


def dump_closer(closer: Closer) -> Document:
    """Return it by the names of its fields."""
    named = {} if closer.name is None else {"name": closer.name}
    return {**{name: getattr(closer, name) for name in _NAMES}, **named, "wish": closer.wish._asdict()}


def load_closer(record: Document) -> Closer:
    """Return what `dump_closer` wrote.

    Raises:
        Unreadable: a name that this release does not know.
    """
    check_names("Closer", record, (*_NAMES, "name"), _NAMES)
    check_names("Close", record["wish"], Close._fields, Close._fields)
    said: dict[str, Any] = {**record, "wish": Close(**record["wish"])}
    return Closer(**said)
