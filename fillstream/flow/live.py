"""FlowManager's order book over a live desk, by a client.

Flows in: the account's streams, read by `pass_time`. Flows out: signals, by the client. Never a thread: what the desk
told is heard while whoever has it waits.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from orjson import loads

from fillstream.flow.book import FlowBook
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT
from fillstream.libs.common.messages.topology import id_ms
from fillstream.libs.common.values.versions import Document
from fillstream.strategy.market import Quote

if TYPE_CHECKING:
    from fillstream.client import Client

PAGE = 500
"""Entries of each stream at a time."""
BLOCK_MS = 500
"""So long the server keeps a request at most: below a client's own time-out."""


class LiveOrderBook(FlowBook):
    """A live desk, as FlowManager's position manager calls its order book.

    It begins with what the account holds. Of orders and markets it knows what was told since it was made;
    of an instrument that several venues quote, the quote that was told last.

    Args:
        client: of the desk; whoever made it closes it.
        account: whose orders these are; no alias.

    Raises:
        redis.exceptions.RedisError: the server does not answer; of every call. What was not heard is heard later.
    """

    def __init__(self, client: Client, account: str = DEFAULT_ACCOUNT) -> None:
        super().__init__(account)
        self._client = client
        self._redis: Any = client.redis
        topology = client.topology
        partition = topology.account_partition(account)
        self._events = topology.events(partition)
        self._places = {}
        for stream in (self._events, topology.positions(partition)):
            last: Any = self._redis.xrevrange(stream, count=1)
            self._places[stream] = last[0][0].decode() if last else "0-0"
        self.held = {row.symbol: row.position for row in client.open_positions(account)}
        self._now_ms = max(map(id_ms, self._places.values()))

    @property
    def now_ms(self) -> int:
        """When the desk told the last that was heard (ms since 1970 UTC)."""
        return self._now_ms

    def pass_time(self, ms: int) -> None:
        """Hear what the desk tells for so many milliseconds; with 0, what it has told by now.

        Raises:
            ValueError: it is below 0.
        """
        if ms < 0:
            raise ValueError(f"ms: {ms} must not be below 0; time goes forward")
        until = time.monotonic() + ms / 1000
        while True:
            left = int((until - time.monotonic()) * 1000)
            self._hear(min(left, BLOCK_MS) if left > 0 else None)
            if left <= 0:
                return

    def wait_for_targets(self, most_ms: int) -> bool:
        """Hear what the desk tells until every target is reached or given up, so many milliseconds at most.

        Returns: whether that is so.
        """
        until = time.monotonic() + most_ms / 1000
        self._hear(None)
        while self.is_under_way and (left := int((until - time.monotonic()) * 1000)) > 0:
            self._hear(min(left, BLOCK_MS))
        return not self.is_under_way

    def _publish(self, kind: str, account: str, signal_id: str | None, **more: Any) -> str:
        account = self.account if account == DEFAULT_ACCOUNT else account
        said = self._client._publish(kind, account, signal_id, **more)
        if kind == "SetTarget" and account == self.account:
            self._unanswered.add(said)
        return said

    def _next_id(self) -> str:
        """Return an id that no other run has."""
        return f"{super()._next_id()}-{time.time_ns()}"

    def _hear(self, block_ms: int | None) -> None:
        """Take over and tell what the streams have; wait for it so long at most."""
        for stream, entries in self._redis.xread(self._places, count=PAGE, block=block_ms) or ():
            name = stream.decode()
            for entry_id, fields in entries:
                self._places[name] = entry_id.decode()
                self._now_ms = max(self._now_ms, id_ms(self._places[name]))
                if b"data" in fields:
                    self._take(name, loads(fields[b"data"]))
        while self._told:
            self._tell(self._told.popleft())

    def _take(self, stream: str, document: Document) -> None:
        if document["type"] == "QuoteUpdated":
            self._take_quote(document)
        elif document.get("account") != self.account:
            return
        elif stream == self._events:
            self._take_event(document, self._now_ms)
        else:
            self._take_position(document)

    def _take_quote(self, told: Document) -> None:
        prices = {name: None if told.get(name) is None else Decimal(told[name]) for name in ("bid_px", "ask_px")}
        bid, ask = (Decimal(told.get(name) or 0) for name in ("bid_qty", "ask_qty"))
        symbol = told["symbol"]
        self._quotes[symbol] = Quote(self._now_ms, symbol, prices["bid_px"], bid, prices["ask_px"], ask)
        self._told.append(self.GetMarketDataSnapshot())
