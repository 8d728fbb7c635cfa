"""The client that waits: what `scripts` says, carried out at once on one connection.

Flows in: what a strategy wants. Flows out: entries in `signals`; events and models. Never reads a service's memory and
never waits for a service to take a signal: the stream keeps it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import redis

from fillstream.client.answers import Answer, Outcome, Until, id_of
from fillstream.client.scripts import AWAY, Commands, Http, Patience, Script, Scripts
from fillstream.client.words import SignalWords
from fillstream.libs.common.messages.topology import SIM, Topology
from fillstream.libs.common.runtime.log import connect

if TYPE_CHECKING:
    from decimal import Decimal
    from typing import Self, Unpack

    from fillstream.client.analytics import Found
    from fillstream.client.following import Item, Reader, Where
    from fillstream.client.frames import Library
    from fillstream.client.rows import AccountState, FillRow, MarketState, OrderRow, PositionRow
    from fillstream.client.topics import AccountNews, FillNews, MarketNews, OrderNews, PositionNews, Topic
    from fillstream.libs.common.messages.event import Event
    from fillstream.libs.common.messages.exits import ExitChanged
    from fillstream.libs.common.messages.journal import PredictionReceived
    from fillstream.libs.common.messages.quoting import QuoteUpdated
    from fillstream.libs.common.messages.targets import TargetChanged

Result = TypeVar("Result")
M = TypeVar("M")


class Following(Iterator["Item[M]"], Generic[M]):
    """Items of a topic as they come, one after the other; ends only where `idle_s` or `within_s` says so.

    A Redis that goes away is waited for: the log says so, and nothing is left out.

    Attributes:
        places: up to where items were handed out, by stream: what to give as `after` to go on behind them.
    """

    def __init__(self, client: DeskClient, reader: Reader[M]) -> None:
        self._client = client
        self._reader = reader
        # So that `$` is now, and not when the first item is asked for.
        client._run(reader.begin(), Patience(None, reader.is_over))

    @property
    def places(self) -> dict[str, str]:
        """See the class."""
        return dict(self._reader.places)

    def __next__(self) -> Item[M]:
        item = self._reader.take() or self._client._run(self._reader.next(), Patience(None, self._reader.is_over))
        if item is None:
            raise StopIteration
        return item


class DeskClient(SignalWords[str]):
    """What a client that waits does, however it reaches the desk: each says how it sends, asks and is told.

    Args:
        topology: names of the streams.
        analytics_url: where analytics answers; None for where it told the desk that it does.
        patience_s: for how long who goes away is waited for. Following waits for ever.

    Attributes:
        topology: names of the streams.
    """

    _server = "Redis"
    """What went away, for people."""

    def __init__(self, topology: Topology, analytics_url: str | None, patience_s: float) -> None:
        self.topology = topology
        self._analytics_url = analytics_url
        self._patience_s = patience_s
        self._is_over: Callable[[], bool] = lambda: False
        self._scripts = Scripts(self.topology)
        self._http: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            self._http.close()

    @property
    def redis(self) -> Any:
        """What reads the streams as Redis' own client does: `xread`, `xrange`, `xrevrange`."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------- what carries out

    def _run(self, script: Script[Result], patience: Patience | None = None) -> Result:
        patience = patience or Patience(self._patience_s, self._is_over)
        try:
            asked = next(script)
            while True:
                try:
                    reply = self._reply(asked, patience)
                except Exception as error:
                    asked = script.throw(error)
                else:
                    asked = script.send(reply)
        except StopIteration as done:
            return cast(Result, done.value)

    def _reply(self, asked: Commands | Http, patience: Patience) -> Any:
        if isinstance(asked, Http):
            return self._request(asked)
        while True:
            try:
                replies = self._send(asked)
            except Exception as error:
                if not self._is_away(error):
                    raise
                time.sleep(patience.failed(error, self._server))
            else:
                patience.worked(self._server)
                return replies

    def _send(self, asked: Commands) -> list[Any]:
        """Return the replies to commands."""
        raise NotImplementedError

    def _is_away(self, error: Exception) -> bool:
        """Say whether it is worth waiting for who did not answer."""
        raise NotImplementedError

    def _request(self, asked: Http) -> Any:
        import httpx  # noqa: PLC0415 - only who asks analytics waits for it

        from fillstream.client.analytics import TIMEOUT_S, AnalyticsError  # noqa: PLC0415

        if self._http is None:
            self._http = httpx.Client(timeout=TIMEOUT_S, trust_env=False)
        try:
            return self._http.request(asked.method, asked.url, params=dict(asked.params), json=asked.json)
        except httpx.TransportError as error:
            raise AnalyticsError(
                f"analytics at {asked.url} does not answer: {error or type(error).__name__}"
            ) from error

    # -------------------------------------------------------------------------------------------------- answers

    def control(
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
        """Tell the desk something as its operator, and wait for the answer; see each client's own."""
        raise NotImplementedError

    def wait_for(
        self, signal_id: str, *, timeout_s: float = 5.0, account: str | None = None, until: Until | None = None
    ) -> Outcome:
        """Follow the journal until a signal is settled: refused, its order finished, or quietly working on the book.

        A cancel or an amendment is settled when the venue has answered it.

        Args:
            signal_id: of the signal.
            timeout_s: how long to wait in all.
            account: whose it is. By default whose this client sent it for last, and `default` where it did not: the
                whole journal is read then.
            until: when it is what is waited for, besides having ended: `lambda outcome: outcome.working`;
                an order that works quietly is waited for then, too.

        Raises:
            NoAnswer: nothing at all was heard in time. What was heard by then is returned otherwise.
        """
        return self._run(self._scripts.wait_for(signal_id, timeout_s, account, until))

    # -------------------------------------------------------------------------------------------------- follow

    def follow_topic(self, topic: Topic[M], **where: Unpack[Where]) -> Following[M]:
        """Follow a topic of `fillstream.client.topics`: models, each with the id of its entry.

        Args:
            topic: what.
            where: from where on, whose, and how long; see `fillstream.client.following.Where`.

        Raises:
            ValueError: `after` is no place in these streams.
        """
        from fillstream.client.following import Reader  # noqa: PLC0415 - only who follows waits for the models

        return Following(self, Reader(topic, self.topology, where))

    def follow_events(self, **where: Unpack[Where]) -> Following[Event]:
        """Follow the whole journal; see `follow_topic`."""
        from fillstream.client.topics import EVERYTHING  # noqa: PLC0415

        return self.follow_topic(EVERYTHING, **where)

    def follow_orders(self, **where: Unpack[Where]) -> Following[OrderNews]:
        """Follow all that happens to orders, and requests that changed nothing; see `follow_topic`."""
        from fillstream.client.topics import ORDERS  # noqa: PLC0415

        return self.follow_topic(ORDERS, **where)

    def follow_fills(self, **where: Unpack[Where]) -> Following[FillNews]:
        """Follow trades, and what venues take back or change of them; see `follow_topic`."""
        from fillstream.client.topics import FILLS  # noqa: PLC0415

        return self.follow_topic(FILLS, **where)

    def follow_positions(self, **where: Unpack[Where]) -> Following[PositionNews]:
        """Follow positions: every change, marks, and how they ended; see `follow_topic`."""
        from fillstream.client.topics import POSITIONS  # noqa: PLC0415

        return self.follow_topic(POSITIONS, **where)

    def follow_quotes(self, **where: Unpack[Where]) -> Following[QuoteUpdated]:
        """Follow the quotes that the desk goes by, of all venues; see `follow_topic`."""
        from fillstream.client.topics import QUOTES  # noqa: PLC0415

        return self.follow_topic(QUOTES, **where)

    def follow_market(self, **where: Unpack[Where]) -> Following[MarketNews]:
        """Follow trades and depth of simulated venues. The stream is lossy; see `follow_topic`."""
        from fillstream.client.topics import MARKET  # noqa: PLC0415

        return self.follow_topic(MARKET, **where)

    def follow_predictions(self, **where: Unpack[Where]) -> Following[PredictionReceived]:
        """Follow models' predictions; see `follow_topic`."""
        from fillstream.client.topics import PREDICTIONS  # noqa: PLC0415

        return self.follow_topic(PREDICTIONS, **where)

    def follow_exits(self, **where: Unpack[Where]) -> Following[ExitChanged]:
        """Follow what protects positions; see `follow_topic`."""
        from fillstream.client.topics import EXITS  # noqa: PLC0415

        return self.follow_topic(EXITS, **where)

    def follow_targets(self, **where: Unpack[Where]) -> Following[TargetChanged]:
        """Follow positions that are to be reached; see `follow_topic`."""
        from fillstream.client.topics import TARGETS  # noqa: PLC0415

        return self.follow_topic(TARGETS, **where)

    def follow_accounts(self, **where: Unpack[Where]) -> Following[AccountNews]:
        """Follow what accounts are worth, and limits on their risk; see `follow_topic`."""
        from fillstream.client.topics import ACCOUNTS  # noqa: PLC0415

        return self.follow_topic(ACCOUNTS, **where)

    # ---------------------------------------------------------------------------------------------- how it stands

    def _now(self) -> Any:
        from fillstream.client.analytics import Asking  # noqa: PLC0415 - only who asks waits for the models
        from fillstream.client.desk_now import DeskNow  # noqa: PLC0415

        return DeskNow(self.topology, Asking(self.topology, self._analytics_url))

    def orders(
        self,
        *,
        account: str | None = None,
        symbol: str | None = None,
        status: str | list[str] | None = None,
        client_order_id: str | None = None,
        limit: int = 1000,
    ) -> list[OrderRow]:
        """Return orders as analytics has them, the newest first.

        Args:
            account, symbol, client_order_id: of these only.
            status: in this state only, or one of these: `New`, `PartiallyFilled` …
            limit: so many at most.

        Raises:
            AnalyticsError: analytics does not answer, or nobody knows where it is.
        """
        asked = {"account": account, "symbol": symbol, "status": status, "client_order_id": client_order_id}
        return cast("list[OrderRow]", self._run(self._now().orders({**asked, "limit": limit})))

    def fills(
        self,
        *,
        account: str | None = None,
        symbol: str | None = None,
        order_id: str | int | None = None,
        limit: int = 1000,
    ) -> list[FillRow]:
        """Return fills as analytics has them, the newest first. Raises as `orders`."""
        asked = {"account": account, "symbol": symbol, "order_id": None if order_id is None else str(order_id)}
        return cast("list[FillRow]", self._run(self._now().fills({**asked, "limit": limit})))

    def positions(
        self, *, account: str | None = None, symbol: str | None = None, flat_too: bool = False
    ) -> list[PositionRow]:
        """Return positions as analytics has them; flat ones only where they are asked for. Raises as `orders`."""
        asked = {"account": account, "symbol": symbol, "limit": 100_000}
        return cast("list[PositionRow]", self._run(self._now().positions(asked, flat_too)))

    def account(self, name: str = "default") -> AccountState:
        """Return how an account stands: limits, state, positions, P&L; of an alias, the account it points to.

        Raises:
            LookupError: the desk has no such account.
            AnalyticsError: as `orders`.
        """
        return cast("AccountState", self._run(self._now().account(name)))

    def market(self, symbol: str, venue: str = SIM) -> MarketState | None:
        """Return a market as the desk saw it last: bid, ask, last; None where it never did."""
        return cast("MarketState | None", self._run(self._now().market(symbol, venue)))

    def tick_size(self, symbol: str) -> Decimal:
        """Return the tick size of an instrument (price).

        Raises:
            LookupError: neither the journal nor analytics has it.
        """
        return cast("Decimal", self._run(self._now().tick_size(symbol)))

    def open_positions(self, account: str = "default") -> list[PositionRow]:
        """Return what an account holds, as the desk told last: by the streams, and by analytics what is long ago."""
        return cast("list[PositionRow]", self._run(self._now().open_positions(account)))

    def sql(self, query: str, *, limit: int | None = None) -> Found:
        """Ask analytics one SELECT in DuckDB's dialect (docs/analytics.md).

        Args:
            query: the SELECT.
            limit: so many rows at most. Without it all of them must fit into one answer.

        Raises:
            AnalyticsError: analytics refused or does not answer; or there are more rows than one answer takes.
        """
        return cast("Found", self._run(self._now().sql(query, limit)))

    def frame(self, query: str, as_: Library = "pandas", *, limit: int | None = None) -> Any:
        """Return what a query finds as a DataFrame: `pandas`, `polars`, or an `arrow` table. Decimals stay exact.

        Raises:
            ModuleNotFoundError: that library is not installed; the sentence says how to get it.
            AnalyticsError: as `sql`.
        """
        from fillstream.client.frames import frame  # noqa: PLC0415 - only who asks for one waits for it

        return frame(self.sql(query, limit=limit), as_)


class Client(DeskClient):
    """A connection to a desk. Not for several threads at once.

    Args:
        url: of the Redis, `redis://`, `rediss://` or `unix://`.
        topology: names of the streams; `Settings.topology()` of the desk. The default is one partition, no prefix.
        analytics_url: where analytics answers; by default where it told this Redis that it does.
        patience_s: for how long a Redis that goes away is waited for, and what was sent is sent again: the desk knows
            its id. Following waits for ever.

    Attributes:
        url: of the Redis. It may carry a password: do not print it.
        topology: names of the streams.
    """

    def __init__(
        self,
        url: str,
        topology: Topology | None = None,
        *,
        analytics_url: str | None = None,
        patience_s: float = 0.0,
    ) -> None:
        super().__init__(topology or Topology(), analytics_url, patience_s)
        self.url = url
        self._redis = connect(url)
        self._raw: Any = self._redis

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()
        super().close()

    @property
    def redis(self) -> redis.Redis:
        """The connection itself."""
        return self._redis

    def ping(self) -> None:
        """Ask the server whether it is there.

        Raises:
            redis.exceptions.RedisError: it is not.
        """
        self._raw.ping()

    def _send(self, asked: Commands) -> list[Any]:
        if len(asked.each) == 1:
            return [self._raw.execute_command(*asked.each[0])]
        pipe = self._raw.pipeline(transaction=False)  # one round trip
        for command in asked.each:
            pipe.execute_command(*command)
        return list(pipe.execute())

    def _is_away(self, error: Exception) -> bool:
        return isinstance(error, AWAY)

    def _publish(self, kind: str, account: str, signal_id: str | None, **more: Any) -> str:
        return self._run(self._scripts.publish(kind, account, signal_id, more))

    def control(
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
        """Tell the desk something about an account or all of it, as its operator, and wait for the answer.

        The URL's user must be one that may append to `orders.*`: `operator`, where users have passwords.

        Args:
            kind: the control's type: `SetLimits`, `Halt` …
            account: whose; None for an order's, whose `order_id` is in `more`, and for the whole desk: each partition
                gets it then, and the answer is all of theirs.
            who, reason: kept in the journal; somebody has to be named.
            control_id: makes it safe to send again: the desk answers an equal one with what the first one did.
            timeout_s: how long to wait.
            more: the control's own fields: `limits={"max_order_value": "5000"}`.

        Raises:
            ValueError: a value that the desk would not take; one sentence a field.
            NoAnswer: nothing was heard in time. The control is in the stream all the same.
            redis.exceptions.RedisError: the server did not take it; send it again with the same control_id.
        """
        fields = {"who": who, "reason": reason, **more}
        return self._run(self._scripts.control(kind, account, control_id, timeout_s, fields))

    def was_sent(self, signal_id: str, since_ms: int) -> bool:
        """Say whether a signal of that id was published at that time (ms since 1970) or later, by anybody."""
        return self._run(self._scripts.was_sent(signal_id, since_ms))

    def follow(
        self, stream: str, after: str = "$", block_s: float = 1.0
    ) -> Iterator[tuple[str, Mapping[bytes, bytes]]]:
        """Yield a stream's entries, id and fields, as they appear; never ends by itself.

        One without the field `data` is no message: a release's note, or a tick.

        Args:
            stream: its key.
            after: the id to begin after; `$` for what comes from now on.
            block_s: how long the server may keep one request.
        """
        at = id_of(self._raw.xrevrange(stream, count=1)) if after == "$" else after
        while True:
            reply = self._raw.xread({stream: at}, count=1000, block=max(1, int(block_s * 1000)))
            for entry_id, fields in reply[0][1] if reply else []:
                at = entry_id.decode()
                yield at, cast(Mapping[bytes, bytes], fields)
