"""The event bus of document 002, over the desk's own streams.

Flows in: the public streams, read on from where a consumer stopped; events of this process. Flows out: calls of
handlers, one event at a time in the order that the streams have; predictions that are emitted, as signals. Never takes
an event for handled before every handler has returned, and never lets a handler that raises keep it from the others.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, TypeVar

from fillstream.client.aio import AsyncClient
from fillstream.client.following import NOW, Item, Places, Reader
from fillstream.client.scripts import Commands, Patience, Script, xread
from fillstream.client.topics import EVERYTHING, MARKET, POSITIONS, Topic
from fillstream.libs.common.messages.signals import PredictedFields
from fillstream.libs.common.messages.topology import Topology, id_key
from fillstream.libs.common.runtime.exit_codes import REDIS_VARIABLE
from fillstream.trading.events import BaseEvent, HandlerFailedEvent, PredictionSignalEvent
from fillstream.trading.translating import Translator

logger = logging.getLogger(__name__)

DEFAULT_URL = "redis://127.0.0.1:6379"
BLOCK_S = 0.25
KEEP_EVERY_S = 1.0
"""Places that moved without an event are kept this often."""
OWNER = "owner"
ANNOUNCED = "upto:"
"""Before a stream's name: up to where events were handed out, and may have been handled."""
_CONSUMER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
_TOPICS: dict[str, Topic[Any]] = {"events": EVERYTHING, "positions": POSITIONS, "market": MARKET}

Event = TypeVar("Event", bound=BaseEvent)
Result = TypeVar("Result")
Handler = Callable[[Event], Awaitable[None] | None]


class ConsumerTaken(Exception):
    """Another process follows by this consumer's name since; this one stops."""


class EventBus:
    """Central event bus for distributing events to subscribers.

    What the desk tells comes to every bus that has subscribed to it, of whatever process. A bus with a `consumer`'s
    name goes on where that consumer stopped: each event comes at least once, and one that may have come before is
    marked `poss_dup`. Without a name it begins with what comes from now on.

    Args:
        desk: a client, or the URL of the Redis; by default that of REDIS_URL, else of this machine.
        consumer: the name under which the place is kept in Redis; of one process at a time.
        after: where a consumer begins that was never there, or one without a name: as in `Client.follow_topic`.
        topology: of the desk, where `desk` is no client.

    Attributes:
        desk: the client.
        failed: how many times a handler raised.

    Raises:
        ValueError: `consumer` is no name.
    """

    def __init__(
        self,
        desk: AsyncClient | str | None = None,
        *,
        consumer: str | None = None,
        after: str | Places = NOW,
        topology: Topology | None = None,
    ) -> None:
        if consumer is not None and not _CONSUMER.fullmatch(consumer):
            raise ValueError(f"consumer: {consumer!r} must be letters, digits, '.', '_' and '-', 64 at most")
        self._is_own = not isinstance(desk, AsyncClient)
        if not isinstance(desk, AsyncClient):
            desk = AsyncClient(desk or os.environ.get(REDIS_VARIABLE) or DEFAULT_URL, topology, patience_s=30.0)
        self.desk = desk
        self.consumer = consumer
        self.failed = 0
        self.translator = Translator()
        self._after = after
        self._handlers: dict[type[BaseEvent], list[Handler[Any]]] = {}
        self._readers: dict[str, Reader[Any]] = {}
        self._stored: dict[str, str] | None = None
        self._owner = uuid.uuid4().hex
        self._state: dict[str, str] = {}
        self._kept: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._beginning = asyncio.Lock()
        self._stopping = False
        self._pauses = 0
        self._may_go = asyncio.Event()
        self._may_go.set()

    # ----------------------------------------------------------------------------------------------- life cycle

    async def __aenter__(self) -> EventBus:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Hand nothing out meanwhile: what subscribes within misses nothing of what waited for this consumer."""
        self._pauses += 1
        self._may_go.clear()
        try:
            yield
        finally:
            self._pauses -= 1
            if not self._pauses:
                self._may_go.set()

    async def run(self) -> None:
        """Return when the bus is closed; raise what stopped it.

        Raises:
            ConsumerTaken: another process follows by this name.
            redis.exceptions.RedisError: the server refused something.
        """
        if self._task is not None:
            await asyncio.shield(self._task)

    async def close(self) -> None:
        """Stop reading, after the event at hand, keep the place, and close what the bus has opened itself."""
        self._stopping = True
        self._may_go.set()
        task = self._task
        if task is asyncio.current_task():
            return  # a handler closes it: what is at hand is this very event
        if task is not None:
            with suppress(Exception):  # it was said when it happened, and `run` raises it
                await task
        if self._is_own:
            await self.desk.close()

    # ------------------------------------------------------------------------------------------------ subscribing

    async def subscribe(self, event_type: type[Event], handler: Handler[Event]) -> None:
        """Subscribe to an event type with a handler function.

        What comes after this has returned is not missed. Where events wait for a consumer, or several things subscribe,
        do so within `paused`. A type brings its subclasses along; `BaseEvent` brings all.

        Args:
            event_type: of the events.
            handler: a function or a coroutine function of one event; called for one event after the other.

        Raises:
            TypeError: one of them is no such thing.
        """
        if not (isinstance(event_type, type) and issubclass(event_type, BaseEvent)):
            raise TypeError(f"event_type: {event_type!r} must be a class of events, like PriceEvent")
        if not callable(handler):
            raise TypeError(f"handler: {handler!r} must be a function of one event")
        handlers = self._handlers.setdefault(event_type, [])
        if handler not in handlers:
            handlers.append(handler)
        await self._read(kinds_of(event_type))

    async def unsubscribe(self, event_type: type[Event], handler: Handler[Event]) -> None:
        """Unsubscribe a handler from an event type; one that was not subscribed is none."""
        handlers = self._handlers.get(event_type, [])
        if handler in handlers:
            handlers.remove(handler)

    async def emit(self, event: BaseEvent) -> None:
        """Emit an event to all subscribed handlers.

        A prediction of one's own is published: the desk journals it, and every bus that has subscribed gets it from
        there, this one included. What the desk alone can tell, and events of one's own, stay in this process.

        Raises:
            ValueError: a prediction that the desk would not take.
            redis.exceptions.RedisError: the server did not take it.
        """
        if isinstance(event, PredictionSignalEvent) and event.stream is None:
            said = {name: getattr(event, name) for name in PredictedFields.model_fields if name != "move"}
            await self.desk.predict(
                event.symbol, event.signal.value, account=event.account, signal_id=event.event_id, **said
            )
            return
        await self._hand_out(event)

    def keep(self, name: str, value: str) -> None:
        """Keep something of one's own beside the place, at once with it: what a restart has to know."""
        self._state[name] = value

    async def kept(self) -> dict[str, str]:
        """Return what was kept beside the place, by this process or the one before it."""
        await self._begin()
        return {**(self._stored or {}), **self._state}

    # ---------------------------------------------------------------------------------------------------- reading

    async def _begin(self) -> None:
        """Learn, once, where the consumer stopped."""
        async with self._beginning:
            if self._stored is not None:
                return
            if self.consumer is None:
                self._stored = {}
                return
            told = await self._ask(_stored(self.desk.topology.consumer(self.consumer), self._owner))
            self._stored = {name.decode(): value.decode() for name, value in told.items()}

    async def _read(self, kinds: Iterable[str]) -> None:
        await self._begin()
        for kind in kinds:
            if kind not in self._readers:
                reader = Reader(_TOPICS[kind], self.desk.topology, {"after": self._first(kind)})
                await self._ask(reader.begin())
                self._readers.setdefault(kind, reader)
                await self._keep(reader.places)
        if self._readers and self._task is None:
            self._task = asyncio.create_task(self._read_on(), name="fillstream-event-bus")
            self._task.add_done_callback(_say_why)

    def _first(self, kind: str) -> str | Places:
        stored = self._stored or {}
        names = self.desk.topology.names(kind)
        if not any(name in stored for name in names):
            return self._after if isinstance(self._after, str) else {n: self._after.get(n, NOW) for n in names}
        return {name: stored.get(name, NOW) for name in names}

    async def _read_on(self) -> None:
        kept_at = asyncio.get_running_loop().time()
        while not self._stopping:
            await self._may_go.wait()
            items = await self._page()
            await self._may_go.wait()
            if items:
                await self._keep({f"{ANNOUNCED}{item.stream}": item.id for item in items})
            for number, item in enumerate(items, start=1):
                event = self.translator.event_of(item, self._had(item))
                if event is not None and self._is_wanted(type(event)):
                    await self._hand_out(event)
                if self._stopping:
                    return await self._keep({each.stream: each.id for each in items[:number]})
            now = asyncio.get_running_loop().time()
            if items or now - kept_at >= KEEP_EVERY_S:
                await self._keep({name: at for reader in self._readers.values() for name, at in reader.places.items()})
                kept_at = now

    async def _ask(self, script: Script[Result]) -> Result:
        """Carry a script out, however long Redis is away."""
        return await self.desk.run(script, Patience(None))

    async def _page(self) -> list[Item[Any]]:
        readers = [*self._readers.values()]
        [reply] = await self._ask(_one(xread({k: v for each in readers for k, v in each.at.items()}, BLOCK_S, 100)))
        items: list[Item[Any]] = []
        for reader in readers:
            own = reader.at
            reader.read([(key, entries) for key, entries in reply or () if key.decode() in own])
            while (item := reader.take()) is not None:
                items.append(item)
        return sorted(items, key=lambda item: id_key(item.id))  # stable: of two at one time the journal's is first

    def _had(self, item: Item[Any]) -> bool:
        announced = (self._stored or {}).get(f"{ANNOUNCED}{item.stream}")
        return announced is not None and id_key(item.id) <= id_key(announced)

    async def _keep(self, places: dict[str, str]) -> None:
        """Write what has changed, and make sure that the name is still this process's."""
        if self.consumer is None:
            return
        said = {name: at for name, at in {**places, **self._state}.items() if self._kept.get(name) != at}
        if not said:
            return
        owner = await self._ask(_keep(self.desk.topology.consumer(self.consumer), said))
        if owner != self._owner.encode():
            raise ConsumerTaken(f"consumer: another process follows as {self.consumer} since; this one stops")
        self._kept |= said

    # ------------------------------------------------------------------------------------------------- handing out

    def _is_wanted(self, event_type: type[BaseEvent]) -> bool:
        return any(self._handlers.get(each) for each in event_type.__mro__)

    async def _hand_out(self, event: BaseEvent) -> None:
        for kind in type(event).__mro__:
            for handler in [*self._handlers.get(kind, ())]:
                try:
                    result = handler(event)
                    if inspect.isawaitable(result):
                        await result
                except Exception as error:  # whatever a handler does, the others get the event
                    self.failed += 1
                    await self._say_failed(event, handler, error)

    async def _say_failed(self, event: BaseEvent, handler: Handler[Any], error: Exception) -> None:
        name = getattr(handler, "__qualname__", type(handler).__name__)
        logger.exception("handler %s raised on %s %s", name, type(event).__name__, event.event_id)
        if not isinstance(event, HandlerFailedEvent):
            await self._hand_out(
                HandlerFailedEvent(handler=name, event=event, error=f"{type(error).__name__}: {error}")
            )


def kinds_of(event_type: type[BaseEvent]) -> list[str]:
    """Return the kinds of streams that an event type and its subclasses come from."""
    found = {event_type.KIND, *(kind for each in event_type.__subclasses__() for kind in kinds_of(each))}
    return [kind for kind in _TOPICS if kind in found]


def _one(commands: Commands) -> Script[list[Any]]:
    replies: list[Any] = yield commands
    return replies


def _stored(key: str, owner: str) -> Script[dict[bytes, bytes]]:
    [told, _] = yield Commands([("HGETALL", key), ("HSET", key, OWNER, owner)])
    return told  # type: ignore[no-any-return]


def _keep(key: str, said: dict[str, str]) -> Script[bytes]:
    [owner, _] = yield Commands(
        [("HGET", key, OWNER), ("HSET", key, *(part for pair in said.items() for part in pair))]
    )
    return owner  # type: ignore[no-any-return]


def _say_why(task: asyncio.Task[None]) -> None:
    """Say at once that reading has stopped: nobody may be waiting for it."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        logger.critical("the event bus has stopped: %s", error, exc_info=error)
