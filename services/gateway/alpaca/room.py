"""What Alpaca's routes have in common: whose account it is, which order an id means, how everything is said.

Flows in: callers, ids, rows of the desk. Flows out: objects of JSON; refusals. Never sends anything.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final

from starlette.requests import HTTPConnection

from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT
from fillstream.libs.common.process.calendars.source import Source, for_orders
from fillstream.libs.common.process.settings import Settings, SettingsError
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.alpaca.hours import always
from fillstream.services.gateway.alpaca.index import Index, is_first
from fillstream.services.gateway.alpaca.orders import exits_of, held_leg, order_json
from fillstream.services.gateway.alpaca.updates import Updates
from fillstream.services.gateway.alpaca.words import asset_uuid, is_uuid, order_class, uuid_of
from fillstream.services.gateway.asking import Asking
from fillstream.services.gateway.http.access import Caller
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.state.orders import Order
from fillstream.services.gateway.state.rows import Row

WAITING_KEPT: Final = 10_000
"""Orders that the desk has said nothing of yet: the newest."""


@dataclass(frozen=True, slots=True)
class Found:
    """What an id means.

    Attributes:
        order: as the desk has it; None of an exit that is no order yet.
        entry: of an exit of a bracket, what made it; else None.
        role: which exit it is, None likewise.
    """

    order: Order | None
    entry: Order | None = None
    role: str | None = None

    @property
    def row(self) -> Row:
        """The order's row, of an exit that is none yet its entry's."""
        order = self.order or self.entry
        assert order is not None, "an id means an order, or an exit of one"
        return order.row


class Room:
    """The desk, as Alpaca says it.

    Args:
        asking: the desk, for routes.
        settings: of the desk: calendars.
    """

    def __init__(self, asking: Asking, settings: Settings) -> None:
        self.asking = asking
        self.desk = asking.desk
        self.index = Index(asking.desk)
        self.updates = Updates(asking.desk, lambda: asking.reading.is_ready, self.order)
        self._waiting: OrderedDict[str, tuple[str, dict[str, Any]]] = OrderedDict()
        self._settings = settings
        self._calendars = Source(partial(for_orders, settings))

    # ---------------------------------------------------------------------------------------------- accounts, assets

    def account(self, caller: Caller) -> str:
        """Return the account that a caller trades for: the first of its key, or the default one."""
        said = min(caller.accounts) if caller.accounts else DEFAULT_ACCOUNT
        account = self.desk.terms.account_of(said)
        caller.need_account(account)  # a key that names an alias names the account behind it as well
        return account

    def instrument(self, symbol: str) -> Row | None:
        """Return an instrument, None of none."""
        return self.desk.terms.instruments.get(symbol)

    def symbol(self, said: str) -> str:
        """Return our symbol by a symbol, `BTC/USDT` as `BTCUSDT` too, or by an asset's id; what is none as it was."""
        known = self.desk.terms.instruments
        if said in known:
            return said
        if (joined := said.replace("/", "")) in known:
            return joined
        if is_uuid(said):
            return next((symbol for symbol in known if asset_uuid(symbol) == said.lower()), said)
        return said

    # --------------------------------------------------------------------------------------------------------- orders

    def uuid(self, account: str, signal_id: str) -> str:
        """Return the id of the order that a signal is to become."""
        return uuid_of(account, signal_id)

    def find(self, uuid: str, account: str) -> Found | None:
        """Return what an id means, for an account; None of nothing that is known here."""
        if (order := self.index.find(uuid)) is not None:
            entry, role = self.index.leg(uuid) or (None, None)
            found = Found(order, entry, role)
        elif (leg := self.index.leg(uuid)) is not None:
            found = Found(None, *leg)
        else:
            return None
        return found if found.row["account"] == account else None

    def said(self, found: Found, *, nested: bool) -> dict[str, Any]:
        """Return what an id means as Alpaca says it."""
        if found.order is not None:
            return self.order(found.order, nested=nested)
        assert found.entry is not None and found.role is not None, "an exit has an entry"
        return self._held(found.entry.row, found.role)

    def order(self, order: Order, *, nested: bool) -> dict[str, Any]:
        """Return an order, with its legs where they are asked for and there are some."""
        row = order.row
        legs = self.legs(order) if nested and is_first(row) else []
        uuid = self.index.uuid(row["order_id"])
        return order_json(row, uuid, self.instrument(row["symbol"]), self.kind(row), legs or None)

    def kind(self, row: Row) -> str:
        """Return an order's class; an exit has its entry's."""
        entry = self.index.entry_of(row)
        first = row if entry is None else entry.row
        return order_class(first, self._listed(first))

    def legs(self, order: Order) -> list[dict[str, Any]]:
        """Return what belongs to an order that a list or a bracket goes by."""
        row = order.row
        if row.get("list_id") is None:
            return []
        listed = self._listed(row)
        kind = order_class(row, listed)
        exits = exits_of(row, listed)
        if exits:
            return [self._held(row, role) for role in exits]
        if kind not in ("oco", "oto"):
            return []
        others = self.index.members(row["account"], row["list_id"])
        return [self.order(each, nested=False) for each in others if each is not order]

    def is_leg(self, row: Row) -> bool:
        """Whether an order is shown below another one where orders are nested."""
        return not is_first(row) and self.kind(row) != "simple"

    def _held(self, entry: Row, role: str) -> dict[str, Any]:
        listed, instrument = self._listed(entry), self.instrument(entry["symbol"])
        kind = order_class(entry, listed)
        leg = held_leg(entry, role, exits_of(entry, listed)[role], instrument, kind)
        made = self.index.find(leg["id"])
        return leg if made is None else self.order(made, nested=False)

    def _listed(self, row: Row) -> Row | None:
        return self.desk.orders.lists.get(f"{row['account']} {row.get('list_id')}")

    # -------------------------------------------------------------------------------------------------------- waiting

    def await_order(self, account: str, order: dict[str, Any]) -> None:
        """Keep an order that the desk has said nothing of yet, so that its id is known."""
        self._waiting[order["id"]] = account, order
        while len(self._waiting) > WAITING_KEPT:
            self._waiting.popitem(last=False)

    def awaited(self, uuid: str, account: str) -> dict[str, Any] | None:
        """Return such an order of an account; None of one that is known, or was never sent."""
        whose, order = self._waiting.get(uuid, ("", None))
        return order if whose == account else None

    # ---------------------------------------------------------------------------------------------------------- hours

    async def sessions(self, first: date, last: date) -> tuple[str, list[tuple[str, int, int]]]:
        """Return the time zone and the sessions of the desk's calendar: that of its first instrument that has one.

        Raises:
            Refusal: 503: the calendar cannot be made.
        """
        named = (each.calendar for _, each in sorted(self._settings.instruments.items()) if each.calendar is not None)
        name = next(named, None)
        if name is None:
            return "UTC", always(first, last)
        try:
            table = (await asyncio.to_thread(self._calendars)).calendars[name]
        except SettingsError as error:
            raise Refusal(503, "no_calendar", f"calendar: {shorten(str(error))}") from None
        return table.zone, [(row[0], row[1], row[2]) for row in table.sessions]


def room_of(connection: HTTPConnection) -> Room:
    """Return what Alpaca's routes ask."""
    room: Room = connection.app.state.alpaca
    return room


def now_ms() -> int:
    """Return the time (ms since 1970)."""
    return int(time.time() * 1_000)


def day_of(ms: int) -> date:
    """Return the UTC day of a time (ms since 1970)."""
    return datetime.fromtimestamp(ms / 1_000, UTC).date()


def days_after(day: date, count: int) -> date:
    """Return the day so many days later."""
    return day + timedelta(days=count)
