"""Alpaca's two streams: `/stream` tells of orders, in binary frames of JSON; `/v2/FEED` of markets, in msgpack or JSON.

Flows in: connections and what they ask for. Flows out: updates of the account's orders; quotes and trades. Never holds
anything up for a reader: one that is too slow is let go.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgpack
import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from fillstream.services.gateway.alpaca.market import quote_json, streamed, trade_json
from fillstream.services.gateway.alpaca.room import Room, room_of
from fillstream.services.gateway.alpaca.updates import MOST_WAITING
from fillstream.services.gateway.alpaca.words import moment
from fillstream.services.gateway.http.access import Caller, Door, credentials
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.http.streams import Streams
from fillstream.services.gateway.state.desk import Change
from fillstream.services.gateway.stream.hub import TOO_SLOW

MOST_SYMBOLS: Final = 10_000
MOST_CHARACTERS: Final = 64
"""Of a symbol."""
AUTH_S: Final = 10.0
"""How long a connection may take to say who it is."""
REFUSED: Final = 1008
TRADE_UPDATES: Final = "trade_updates"
CHANNELS: Final = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", "corrections",
                   "cancelErrors")  # fmt: skip
EVERYTHING: Final = "*"
MALFORMED, NOBODY, TOO_LATE, TOO_MANY = 400, 402, 404, 406
"""Codes of the data stream's errors, Alpaca's own."""
AWAY: Final = (WebSocketDisconnect, TimeoutError, RuntimeError)

router = APIRouter()


def streams_of(socket: WebSocket) -> Streams:
    """Return who counts streams."""
    streams: Streams = socket.app.state.streams
    return streams


async def _raw(socket: WebSocket) -> bytes:
    said = await socket.receive()
    if said["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(said.get("code", 1000))
    text = said.get("text")
    return text.encode() if text is not None else said.get("bytes") or b""


async def _caller(socket: WebSocket, key_id: object, secret: object) -> Caller:
    """Return whose key it is.

    Raises:
        Refusal: 401, 403.
    """
    door: Door = socket.scope["door"]
    if door.is_open:
        return await door.at(socket.headers)
    return await door.known(str(key_id), str(secret))


async def _let_go(socket: WebSocket, over: asyncio.Event) -> None:
    """Close a connection that could not keep up; one that takes nothing at all is not told."""
    if over.is_set():
        with suppress(*AWAY):
            async with asyncio.timeout(1.0):
                await socket.close(TOO_SLOW, "too slow")


async def _both(*works: Any) -> None:
    """Run these until one of them ends, and end the others."""
    tasks = [asyncio.create_task(each) for each in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            with suppress(*AWAY):
                task.result()
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, *AWAY):
                await task


async def _leaves(socket: WebSocket, caller: Caller) -> None:
    """Return, with the connection closed, once its key is of no use any more."""
    door: Door = socket.scope["door"]
    await door.leaves(caller)
    await socket.close(REFUSED, "the key is of no use any more")


# ------------------------------------------------------------------------------------------------------ trade updates


@router.websocket("/stream")
async def trade_updates(socket: WebSocket) -> None:
    """Tell a connection of its account's orders once it has said who it is and that it listens."""
    await socket.accept()
    room = room_of(socket)
    try:
        async with asyncio.timeout(AUTH_S):
            caller = await _authenticate(socket)
    except AWAY:
        return
    if caller is None:
        await socket.close(REFUSED, "unauthorized")
        return
    try:
        end = streams_of(socket).begin(caller)
    except Refusal as refusal:
        await socket.close(REFUSED, refusal.reason)
        return
    try:
        listener = room.updates.join(room.account(caller))
    except Refusal as refusal:
        end()
        await socket.close(REFUSED, refusal.reason)
        return
    listening = asyncio.Event()

    async def listen() -> None:
        while True:
            said = _object(await _raw(socket))
            await streams_of(socket).turn(caller)
            if said.get("action") == "listen":
                data = said.get("data")
                asked = data.get("streams") if isinstance(data, dict) else None
                streams = [TRADE_UPDATES] if isinstance(asked, list) and TRADE_UPDATES in asked else []
                await socket.send_bytes(orjson.dumps({"stream": "listening", "data": {"streams": streams}}))
                if streams:
                    listener.waiting.clear()  # it hears of what comes from now on
                    listening.set()
                else:
                    listening.clear()
                listener.is_deaf = not streams

    async def tell() -> None:
        while True:
            await listening.wait()
            update = await room.updates.next(listener)
            await socket.send_bytes(orjson.dumps({"stream": TRADE_UPDATES, "data": update}))

    try:
        await _both(listen(), tell(), listener.over.wait(), _leaves(socket, caller))
    finally:
        room.updates.leave(listener)
        end()
    await _let_go(socket, listener.over)


async def _authenticate(socket: WebSocket) -> Caller | None:
    """Return who it is by its first message, and answer that; None of nobody. Nothing else is sent meanwhile."""
    said = _object(await _raw(socket))
    data = said.get("data")
    given = data if isinstance(data, dict) else {}
    key_id, secret = given.get("key_id", said.get("key")), given.get("secret_key", said.get("secret"))
    if given.get("oauth_token"):
        key_id, secret = credentials({"authorization": f"Bearer {given['oauth_token']}"})
    try:
        if said.get("action") not in ("authenticate", "auth"):
            raise Refusal(401, "key_missing", "action: must be authenticate at first")
        caller = await _caller(socket, key_id, secret)
        caller.need("orders:read")
    except Refusal:
        caller = None
    status = "unauthorized" if caller is None else "authorized"
    answer = {"stream": "authorization", "data": {"action": "authenticate", "status": status}}
    await socket.send_bytes(orjson.dumps(answer))
    return caller


def _object(raw: bytes) -> dict[str, Any]:
    """Return the object that a message is, an empty one of what is none."""
    try:
        said = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


# --------------------------------------------------------------------------------------------------------- market data


class Packed:
    """How a connection of the data stream speaks: msgpack where its content type says so, else JSON."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._is_packed = "msgpack" in socket.headers.get("content-type", "")

    async def read(self) -> dict[str, Any]:
        """Return the next message, an empty one of what is none."""
        raw = await _raw(self._socket)
        if not self._is_packed:
            return _object(raw)
        try:
            said = msgpack.unpackb(raw)
        except (ValueError, msgpack.UnpackException):
            return {}
        return said if isinstance(said, dict) else {}

    async def send(self, *messages: dict[str, Any]) -> None:
        """Send messages in one frame; their times, in ms, as Alpaca has them there: a Timestamp, or RFC 3339."""
        if self._is_packed:
            await self._socket.send_bytes(msgpack.packb([_timed(each, _timestamp) for each in messages]))
        else:
            await self._socket.send_text(orjson.dumps([_timed(each, moment) for each in messages]).decode())


def _timed(message: dict[str, Any], say: Callable[[int], Any]) -> dict[str, Any]:
    return {**message, "t": say(message["t"])} if "t" in message else message


def _timestamp(ms: int) -> msgpack.Timestamp:
    return msgpack.Timestamp(ms // 1_000, ms % 1_000 * 1_000_000)


class Subscriber:
    """Who follows which markets.

    Args:
        room: the desk.
    """

    def __init__(self, room: Room) -> None:
        self.channels: dict[str, set[str]] = {name: set() for name in CHANNELS}
        self.waiting: deque[dict[str, Any]] = deque()
        self.more = asyncio.Event()
        self.over = asyncio.Event()
        self._own = {symbol: row.get("venue") or "SIM" for symbol, row in room.desk.terms.instruments.items()}
        self._room = room
        self.leave = room.desk.listen(self.hear)

    def hear(self, change: Change) -> None:
        """Take over a change of a market."""
        event = change.event
        if event["type"] not in ("QuoteUpdated", "Trades") or not self._room.asking.reading.is_ready:
            return
        symbol = event["symbol"]
        if event["venue"] != self._own.get(symbol, event["venue"]):
            return
        if event["type"] == "QuoteUpdated" and self._follows("quotes", symbol) and change.moved is not None:
            said = quote_json(change.moved[2])
            self._put(streamed("q", symbol, said, change.moved[2]["updated_time"]))
        elif event["type"] == "Trades" and self._follows("trades", symbol):
            for number, price, quantity, _ in event["trades"]:
                row = {"number": number, "price": price, "quantity": quantity, "time": event["time"]}
                self._put(streamed("t", symbol, trade_json(row), event["time"]))

    def _follows(self, channel: str, symbol: str) -> bool:
        asked = self.channels[channel]
        return symbol in asked or EVERYTHING in asked

    def _put(self, message: dict[str, Any]) -> None:
        if self.over.is_set():
            return
        self.waiting.append(message)
        self.more.set()
        if len(self.waiting) > MOST_WAITING:
            self.waiting.clear()
            self.over.set()

    def change(self, said: dict[str, Any], *, add: bool) -> dict[str, Any]:
        """Follow symbols, or no more; return what is followed now."""
        for name in CHANNELS:
            asked = said.get(name)
            if isinstance(asked, list):
                symbols = {each for each in asked if isinstance(each, str) and len(each) <= MOST_CHARACTERS}
                followed = self.channels[name] | symbols if add else self.channels[name] - symbols
                self.channels[name] = followed if len(followed) <= MOST_SYMBOLS else self.channels[name]
        return {"T": "subscription", **{name: sorted(found) for name, found in self.channels.items()}}


@router.websocket("/v2/{feed}")
async def market_data(socket: WebSocket, feed: str) -> None:
    """Tell a connection of the markets that it follows; every feed is the desk's own market."""
    await socket.accept()
    packed, room = Packed(socket), room_of(socket)
    try:
        await packed.send({"T": "success", "msg": "connected"})
        async with asyncio.timeout(AUTH_S):
            said = await packed.read()
        caller = await _let_in(socket, packed, said)
        if caller is None:
            await socket.close(REFUSED, "auth failed")
            return
        try:
            end = streams_of(socket).begin(caller)
        except Refusal as refusal:
            await packed.send({"T": "error", "code": TOO_MANY, "msg": "connection limit exceeded"})
            await socket.close(REFUSED, refusal.reason)
            return
    except AWAY:
        return
    subscriber = Subscriber(room)

    async def listen() -> None:
        while True:
            said = await packed.read()
            await streams_of(socket).turn(caller)
            match said.get("action"):
                case "subscribe" | "unsubscribe" as action:
                    await packed.send(subscriber.change(said, add=action == "subscribe"))
                case "auth":
                    await packed.send({"T": "error", "code": TOO_LATE - 1, "msg": "already authenticated"})
                case _:
                    await packed.send({"T": "error", "code": MALFORMED, "msg": "invalid syntax"})

    async def tell() -> None:
        while True:
            subscriber.more.clear()
            if not subscriber.waiting:
                await subscriber.more.wait()
            messages = list(subscriber.waiting)
            subscriber.waiting.clear()
            await packed.send(*messages)

    try:
        await _both(listen(), tell(), subscriber.over.wait(), _leaves(socket, caller))
    finally:
        subscriber.leave()
        end()
    await _let_go(socket, subscriber.over)


async def _let_in(socket: WebSocket, packed: Packed, said: dict[str, Any]) -> Caller | None:
    """Return who a connection is by its first message, None of one that may not be here; and answer that."""
    try:
        if said.get("action") != "auth":
            raise Refusal(401, "key_missing", "action: must be auth at first")
        caller = await _caller(socket, said.get("key"), said.get("secret"))
        caller.need("market:read")
    except Refusal:
        await packed.send({"T": "error", "code": NOBODY, "msg": "auth failed"})
        return None
    await packed.send({"T": "success", "msg": "authenticated"})
    return caller
