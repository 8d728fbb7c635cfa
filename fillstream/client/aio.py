"""The client that is awaited: what `scripts` says, carried out on redis.asyncio and httpx's asynchronous client.

Flows in: what a strategy wants. Flows out: entries in `signals`; events and models. Never blocks the loop, and never
does anything that `sync.Client` does otherwise: both carry out the same scripts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from fillstream.client.analytics import TIMEOUT_S, AnalyticsError, Asking, Found
from fillstream.client.answers import Answer, Outcome, Until, id_of
from fillstream.client.desk_now import MAX_ROWS, DeskNow
from fillstream.client.following import Item, Reader, Where
from fillstream.client.scripts import AWAY, Commands, Http, Patience, Script, Scripts
from fillstream.client.topics import (
    ACCOUNTS,
    EVERYTHING,
    EXITS,
    FILLS,
    MARKET,
    ORDERS,
    POSITIONS,
    PREDICTIONS,
    QUOTES,
    TARGETS,
    AccountNews,
    FillNews,
    MarketNews,
    OrderNews,
    PositionNews,
    Topic,
)
from fillstream.client.words import SignalWords
from fillstream.libs.common.messages.topology import SIM, Topology
from fillstream.libs.common.runtime.log import SOCKET_TIMEOUT_S

if TYPE_CHECKING:
    from decimal import Decimal
    from typing import Unpack

    from fillstream.client.frames import Library
    from fillstream.client.rows import AccountState, FillRow, MarketState, OrderRow, PositionRow
    from fillstream.libs.common.messages.event import Event
    from fillstream.libs.common.messages.exits import ExitChanged
    from fillstream.libs.common.messages.journal import PredictionReceived
    from fillstream.libs.common.messages.quoting import QuoteUpdated
    from fillstream.libs.common.messages.targets import TargetChanged

Result = TypeVar("Result")
M = TypeVar("M")


def connect_async(url: str) -> Any:
    """Return a client that never retries by itself, as `runtime.log.connect` does."""
    return redis.asyncio.Redis.from_url(
        url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=SOCKET_TIMEOUT_S,
        health_check_interval=0,
    )


class AsyncFollowing(AsyncIterator[Item[M]], Generic[M]):
    """Items of a topic as they come: `async for item in client.follow_fills()`. See `sync.Following`.

    `$` is when the first item is asked for; `await following.begin()` makes it now.
    """

    def __init__(self, client: AsyncClient, reader: Reader[M]) -> None:
        self._client = client
        self._reader = reader

    async def begin(self) -> None:
        """Find out where `$` is."""
        await self._client.run(self._reader.begin(), Patience(None, self._reader.is_over))

    @property
    def places(self) -> dict[str, str]:
        """Up to where items were handed out, by stream: what to give as `after` to go on behind them."""
        return dict(self._reader.places)

    async def __anext__(self) -> Item[M]:
        item = self._reader.take() or await self._client.run(self._reader.next(), Patience(None, self._reader.is_over))
        if item is None:
            raise StopAsyncIteration
        return item


class AsyncClient(SignalWords[Coroutine[Any, Any, str]]):
    """A connection to a desk, for any number of tasks of one event loop. Everything is named as in `Client`.

        async with AsyncClient("redis://127.0.0.1:6379") as desk:
            signal_id = await desk.signal("AAPL", "BUY", 100, price="190.25")
            print((await desk.wait_for(signal_id)).ord_status)
            async for item in desk.follow_fills(account="default"):
                print(item.id, item.message)

    Args and attributes: as of `Client`.
    """

    def __init__(
        self,
        url: str,
        topology: Topology | None = None,
        *,
        analytics_url: str | None = None,
        patience_s: float = 0.0,
    ) -> None:
        self.url = url
        self.topology = topology or Topology()
        self._redis = connect_async(url)
        self._patience_s = patience_s
        self._scripts = Scripts(self.topology)
        self._now = DeskNow(self.topology, Asking(self.topology, analytics_url))
        self._http: Any = None

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        if self._http is not None:
            await self._http.aclose()

    @property
    def redis(self) -> Any:
        """The connection itself, of redis.asyncio."""
        return self._redis

    async def ping(self) -> None:
        """Ask the server whether it is there."""
        await self._redis.ping()

    # ------------------------------------------------------------------------------------------- what carries out

    async def run(self, script: Script[Result], patience: Patience | None = None) -> Result:
        """Carry a script out and return its result."""
        patience = patience or Patience(self._patience_s)
        try:
            asked = next(script)
            while True:
                try:
                    reply = await self._reply(asked, patience)
                except Exception as error:
                    asked = script.throw(error)
                else:
                    asked = script.send(reply)
        except StopIteration as done:
            return cast(Result, done.value)

    async def _reply(self, asked: Commands | Http, patience: Patience) -> Any:
        if isinstance(asked, Http):
            return await self._request(asked)
        while True:
            try:
                replies = await self._send(asked)
            except AWAY as error:
                await asyncio.sleep(patience.failed(error))
            else:
                patience.worked()
                return replies

    async def _send(self, asked: Commands) -> list[Any]:
        if len(asked.each) == 1:
            return [await self._redis.execute_command(*asked.each[0])]
        async with self._redis.pipeline(transaction=False) as pipe:  # one round trip
            for command in asked.each:
                pipe.execute_command(*command)
            return list(await pipe.execute())

    async def _request(self, asked: Http) -> Any:
        import httpx  # noqa: PLC0415 - only who asks analytics waits for it

        if self._http is None:
            self._http = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False)
        try:
            return await self._http.request(asked.method, asked.url, params=dict(asked.params), json=asked.json)
        except httpx.TransportError as error:
            raise AnalyticsError(
                f"analytics at {asked.url} does not answer: {error or type(error).__name__}"
            ) from error

    async def _publish(self, kind: str, account: str, signal_id: str | None, **more: Any) -> str:
        return await self.run(self._scripts.publish(kind, account, signal_id, more))

    # -------------------------------------------------------------------------------------------------- answers

    async def control(
        self,
        kind: str,
        account: str | None,
        *,
        who: str | None,
        reason: str,
        control_id: str | None = None,
        timeout_s: float = 5.0,
        **more: Any,
    ) -> Answer:
        """Tell the desk something as its operator, and wait for the answer; see `Client.control`."""
        fields = {"who": who, "reason": reason, **more}
        return await self.run(self._scripts.control(kind, account, control_id, timeout_s, fields))

    async def wait_for(
        self, signal_id: str, *, timeout_s: float = 5.0, account: str | None = None, until: Until | None = None
    ) -> Outcome:
        """Follow the journal until a signal is settled; see `Client.wait_for`."""
        return await self.run(self._scripts.wait_for(signal_id, timeout_s, account, until))

    # -------------------------------------------------------------------------------------------------- follow

    async def follow(
        self, stream: str, after: str = "$", block_s: float = 1.0
    ) -> AsyncIterator[tuple[str, Mapping[bytes, bytes]]]:
        """Yield a stream's entries, id and fields, as they appear; see `Client.follow`."""
        at = id_of(await self._redis.xrevrange(stream, count=1)) if after == "$" else after
        while True:
            reply = await self._redis.xread({stream: at}, count=1000, block=max(1, int(block_s * 1000)))
            for entry_id, fields in reply[0][1] if reply else []:
                at = entry_id.decode()
                yield at, fields

    def follow_topic(self, topic: Topic[M], **where: Unpack[Where]) -> AsyncFollowing[M]:
        """Follow a topic of `fillstream.client.topics`; see `Client.follow_topic`."""
        return AsyncFollowing(self, Reader(topic, self.topology, where))

    def follow_events(self, **where: Unpack[Where]) -> AsyncFollowing[Event]:
        """Follow the whole journal."""
        return self.follow_topic(EVERYTHING, **where)

    def follow_orders(self, **where: Unpack[Where]) -> AsyncFollowing[OrderNews]:
        """Follow all that happens to orders, and requests that changed nothing."""
        return self.follow_topic(ORDERS, **where)

    def follow_fills(self, **where: Unpack[Where]) -> AsyncFollowing[FillNews]:
        """Follow trades, and what venues take back or change of them."""
        return self.follow_topic(FILLS, **where)

    def follow_positions(self, **where: Unpack[Where]) -> AsyncFollowing[PositionNews]:
        """Follow positions: every change, marks, and how they ended."""
        return self.follow_topic(POSITIONS, **where)

    def follow_quotes(self, **where: Unpack[Where]) -> AsyncFollowing[QuoteUpdated]:
        """Follow the quotes that the desk goes by, of all venues."""
        return self.follow_topic(QUOTES, **where)

    def follow_market(self, **where: Unpack[Where]) -> AsyncFollowing[MarketNews]:
        """Follow trades and depth of simulated venues. The stream is lossy."""
        return self.follow_topic(MARKET, **where)

    def follow_predictions(self, **where: Unpack[Where]) -> AsyncFollowing[PredictionReceived]:
        """Follow models' predictions."""
        return self.follow_topic(PREDICTIONS, **where)

    def follow_exits(self, **where: Unpack[Where]) -> AsyncFollowing[ExitChanged]:
        """Follow what protects positions."""
        return self.follow_topic(EXITS, **where)

    def follow_targets(self, **where: Unpack[Where]) -> AsyncFollowing[TargetChanged]:
        """Follow positions that are to be reached."""
        return self.follow_topic(TARGETS, **where)

    def follow_accounts(self, **where: Unpack[Where]) -> AsyncFollowing[AccountNews]:
        """Follow what accounts are worth, and limits on their risk."""
        return self.follow_topic(ACCOUNTS, **where)

    # ---------------------------------------------------------------------------------------------- how it stands

    async def orders(
        self,
        *,
        account: str | None = None,
        symbol: str | None = None,
        status: str | list[str] | None = None,
        client_order_id: str | None = None,
        limit: int = 1000,
    ) -> list[OrderRow]:
        """Return orders as analytics has them, the newest first; see `Client.orders`."""
        asked = {"account": account, "symbol": symbol, "status": status, "client_order_id": client_order_id}
        return await self.run(self._now.orders({**asked, "limit": limit}))

    async def fills(
        self,
        *,
        account: str | None = None,
        symbol: str | None = None,
        order_id: str | int | None = None,
        limit: int = 1000,
    ) -> list[FillRow]:
        """Return fills as analytics has them, the newest first; see `Client.fills`."""
        asked = {"account": account, "symbol": symbol, "order_id": None if order_id is None else str(order_id)}
        return await self.run(self._now.fills({**asked, "limit": limit}))

    async def positions(
        self, *, account: str | None = None, symbol: str | None = None, flat_too: bool = False
    ) -> list[PositionRow]:
        """Return positions as analytics has them; see `Client.positions`."""
        asked = {"account": account, "symbol": symbol, "limit": MAX_ROWS}
        return await self.run(self._now.positions(asked, flat_too))

    async def account(self, name: str = "default") -> AccountState:
        """Return how an account stands; see `Client.account`."""
        return await self.run(self._now.account(name))

    async def market(self, symbol: str, venue: str = SIM) -> MarketState | None:
        """Return a market as the desk saw it last; see `Client.market`."""
        return await self.run(self._now.market(symbol, venue))

    async def tick_size(self, symbol: str) -> Decimal:
        """Return the tick size of an instrument (price); see `Client.tick_size`."""
        return await self.run(self._now.tick_size(symbol))

    async def open_positions(self, account: str = "default") -> list[PositionRow]:
        """Return what an account holds, as the desk told last; see `Client.open_positions`."""
        return await self.run(self._now.open_positions(account))

    async def was_sent(self, signal_id: str, since_ms: int) -> bool:
        """Say whether a signal of that id was published since; see `Client.was_sent`."""
        return await self.run(self._scripts.was_sent(signal_id, since_ms))

    async def sql(self, query: str, *, limit: int | None = None) -> Found:
        """Ask analytics one SELECT; see `Client.sql`."""
        return await self.run(self._now.sql(query, limit))

    async def frame(self, query: str, as_: Library = "pandas", *, limit: int | None = None) -> Any:
        """Return what a query finds as a DataFrame; see `Client.frame`."""
        from fillstream.client.frames import frame  # noqa: PLC0415 - only who asks for one waits for it

        return frame(await self.sql(query, limit=limit), as_)
