"""`/v1/stream`: changes as they happen, over WebSocket and as server-sent events.

Flows in: connections, what they ask for. Flows out: frames of the hub. Never holds anything up for a reader.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Header, Query, Request, WebSocket, WebSocketDisconnect
from starlette.requests import HTTPConnection
from starlette.responses import StreamingResponse

from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.http.access import STAYS_S, Caller, Door, caller_of
from fillstream.services.gateway.http.describing import REFUSALS
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.http.streams import Streams
from fillstream.services.gateway.stream.hub import TOO_SLOW, Hub, Reader
from fillstream.services.gateway.stream.replay import Replay, is_place, places_of
from fillstream.services.gateway.stream.topics import Subject, subject_of

AUTH_S: Final = 10.0
"""How long a connection may take to say who it is."""
MOST_FOLLOWED: Final = 100
REFUSED: Final = 1008
"""The code that a connection is closed with that may not be here (RFC 6455: policy)."""

AWAY: Final = (WebSocketDisconnect, TimeoutError, RuntimeError)
"""What is raised by a connection that is not there any more."""

router = APIRouter(tags=["stream"], responses=dict(REFUSALS))


class Session:
    """One connection, and what it follows.

    Args:
        app_state: of the app: the hub, what replays.
        caller: who it is.

    Raises:
        Refusal: 429: the key holds as many streams as it may.
    """

    def __init__(self, app_state: Any, caller: Caller) -> None:
        self._hub: Hub = app_state.hub
        self._replay: Replay = app_state.replay
        self._asking = app_state.asking
        self.caller = caller
        self._end = app_state.streams.begin(caller)
        self._subjects: set[Subject] = set()
        self.reader: Reader = self._hub.join()

    def close(self) -> None:
        """Leave."""
        self._hub.leave(self.reader)
        self._end()

    async def follow(self, said: dict[str, Any]) -> Subject:
        """Follow what is asked for, after what it names was replayed.

        Raises:
            Refusal: there is no such topic, it is not for this key, or its place is gone.
        """
        subject = subject_of(said, self.caller, self._asking.desk)
        if subject in self._subjects:
            raise Refusal(409, "followed_already", f"topic: {subject.channel} is followed already")
        if len(self._subjects) >= MOST_FOLLOWED:
            raise Refusal(422, "too_many", f"topic: a connection follows at most {MOST_FOLLOWED}")
        after = said.get("after")
        if after is not None and subject.topic.rows:
            told = f"after: {subject.topic.name} begins with the rows of now, and needs no place"
            raise Refusal(422, "bad_value", told)
        if after is not None:
            names = [each for each in self._asking.reading.names if each.partition(".")[0] in subject.topic.kinds]
            async for found, places in self._replay.pages(subject, places_of(after, names)):
                if found:
                    self.reader.send(self._hub.frame("changes", subject, found, places=places))
                await self.reader.drained()
        self._subjects.add(subject)
        self._hub.follow(self.reader, subject)
        return subject

    def unfollow(self, said: dict[str, Any]) -> Subject:
        """Follow something no more.

        Raises:
            Refusal: it was not followed.
        """
        subject = subject_of(said, self.caller, self._asking.desk)
        if subject not in self._subjects:
            raise Refusal(404, "not_followed", f"topic: {subject.channel} is not followed")
        self._subjects.remove(subject)
        self._hub.unfollow(self.reader, subject)
        return subject


@router.websocket("/stream")
async def stream(socket: WebSocket) -> None:
    """Speak with one connection."""
    await socket.accept()
    try:
        session = Session(socket.app.state, await _who(socket))
    except Refusal as refusal:
        await _say(socket, refusal)
        await socket.close(REFUSED, refusal.reason)
        return
    except AWAY:
        return
    works = (
        _listen(socket, session),
        _send(socket, session.reader),
        session.reader.over.wait(),
        _door(socket).leaves(session.caller),
    )
    tasks = [asyncio.create_task(each) for each in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            with suppress(*AWAY):
                task.result()
    finally:
        session.close()
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, *AWAY):
                await task
    if session.reader.gone is not None:
        with suppress(TimeoutError, *AWAY):  # one that takes nothing is not told either
            async with asyncio.timeout(1.0):
                await socket.send_text(orjson.dumps({"type": "too_slow", "detail": session.reader.gone}).decode())
                await socket.close(TOO_SLOW, "too slow")


def _door(connection: HTTPConnection) -> Door:
    door: Door = connection.scope["door"]
    return door


async def _who(socket: WebSocket) -> Caller:
    """Return who it is: by its headers, a session's cookie, or its first message, `{"action": "auth", "key": "…"}`.

    Raises:
        Refusal: it is nobody.
    """
    door = _door(socket)
    if door.is_open or "authorization" in socket.headers:
        caller = await door.at(socket.headers)
    elif (person := await door.on_stream(socket)) is not None:
        caller = person
    else:
        said = await asyncio.wait_for(_message(socket), AUTH_S)
        key = said.get("key")
        if said.get("action") != "auth" or not isinstance(key, str):
            raise Refusal(401, "key_missing", 'action: must be auth at first: {"action": "auth", "key": "ID.SECRET"}')
        key_id, _, secret = key.partition(".")
        caller = await door.known(key_id, secret)
    await socket.send_text(orjson.dumps({"type": "authorized", "key": caller.id, "name": caller.name}).decode())
    return caller


async def _message(socket: WebSocket) -> dict[str, Any]:
    raw = await socket.receive()
    if raw["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(raw.get("code", 1000))
    try:
        said = orjson.loads(raw.get("text") or raw.get("bytes") or b"")
    except orjson.JSONDecodeError:
        raise Refusal(400, "bad_json", "message: is not one JSON document") from None
    if not isinstance(said, dict):
        raise Refusal(400, "not_an_object", "message: must be a JSON object")
    return said


async def _listen(socket: WebSocket, session: Session) -> None:
    streams: Streams = socket.app.state.streams
    while True:
        await session.reader.drained()  # who asks takes the answers, too
        try:
            said = await _message(socket)
            await streams.turn(session.caller)
            match said.get("action"):
                case "subscribe":
                    subject = await session.follow(said)
                    told: dict[str, Any] = {"type": "subscribed", "channel": subject.channel}
                case "unsubscribe":
                    told = {"type": "unsubscribed", "channel": session.unfollow(said).channel}
                case "ping":
                    told = {"type": "pong", "id": said.get("id")}
                case other:
                    text = f"action: {shorten(other)} must be subscribe, unsubscribe or ping"
                    raise Refusal(422, "unknown_action", text)
        except Refusal as refusal:
            session.reader.send(orjson.dumps({"type": "refused", **_problem(refusal)}))
        else:
            session.reader.send(orjson.dumps(told))


async def _send(socket: WebSocket, reader: Reader) -> None:
    """Send frames as they come, as fast as the connection takes them."""
    while True:
        await reader.more.wait()
        reader.more.clear()
        while reader.waiting:
            await socket.send_text(reader.waiting[0].decode())
            reader.sent()  # only now is it behind: until then what comes is collected


async def _say(socket: WebSocket, refusal: Refusal) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):
        await socket.send_text(orjson.dumps({"type": "refused", **_problem(refusal)}).decode())


def _problem(refusal: Refusal) -> dict[str, Any]:
    document = refusal.document()
    document["problem"] = document.pop("type")
    return document


# ------------------------------------------------------------------------------------------------ server-sent events


@router.get("/stream", summary="Changes as server-sent events")
async def events(
    request: Request,
    topics: Annotated[str, Query(description="what to follow, with commas: `orders,fills`")],
    account: str | None = None,
    symbol: str | None = None,
    strategy: str | None = None,
    last_event_id: Annotated[str | None, Header(description="`id` of the last event: it goes on behind it")] = None,
) -> StreamingResponse:
    """Follow topics; each event is a frame as the WebSocket has them, and its `id` the place to go on from."""
    caller, state = caller_of(request), request.app.state
    state.streams.check(caller)
    after = _after(last_event_id)
    wanted: list[dict[str, Any]] = []
    for topic in topics.split(","):
        said: dict[str, Any] = {"topic": topic.strip(), "account": account, "symbol": symbol, "strategy": strategy}
        subject = subject_of(said, caller, state.asking.desk)  # refused now, as long as there is a status to say it by
        if after and not subject.topic.rows:
            said["after"] = {name: at for name, at in after.items() if name.partition(".")[0] in subject.topic.kinds}
        wanted.append(said)
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(
        _frames(state, _door(request), caller, wanted), media_type="text/event-stream", headers=headers
    )


def _after(said: str | None) -> dict[str, str]:
    """Return the places that an event's id says: `events.0=1700000000000-0 …`."""
    if not said:
        return {}
    parts = [each.partition("=") for each in said.split(" ")]
    if not all(is_place(at) for _, _, at in parts):
        raise Refusal(400, "bad_value", f"last-event-id: {shorten(said)} is no id of an event of this stream")
    return {name: at for name, _, at in parts}


async def _frames(state: Any, door: Door, caller: Caller, wanted: list[dict[str, Any]]) -> AsyncIterator[bytes]:
    """Yield events. What is sent together ends with an id; before everything is followed none has one.

    So who comes again behind an id may hear something twice, and misses nothing.
    """
    try:
        session = Session(state, caller)
    except Refusal as refusal:  # others have opened meanwhile
        yield b"data: %b\n\n" % orjson.dumps({"type": "refused", **_problem(refusal)})
        return
    reader = session.reader
    places: dict[str, str] = {}

    async def follow() -> None:
        try:
            channels = [(await session.follow(said)).channel for said in wanted]
            reader.send(orjson.dumps({"type": "subscribed", "channels": channels}))  # the first that has an id
        except Refusal as refusal:
            reader.gone = refusal.detail
            reader.send(orjson.dumps({"type": "refused", **_problem(refusal)}))

    following = asyncio.create_task(follow())
    try:
        while reader.gone is None or reader.waiting:
            with suppress(TimeoutError):
                async with asyncio.timeout(STAYS_S):
                    await reader.more.wait()
            if not door.may_stay(caller):
                return
            reader.more.clear()
            while reader.waiting:
                frame = reader.waiting[0]
                places |= orjson.loads(frame).get("as_of") or {}
                is_last = len(reader.waiting) == 1 and following.done()
                at = " ".join(f"{name}={place}" for name, place in places.items())
                yield b"id: %b\ndata: %b\n\n" % (at.encode(), frame) if is_last else b"data: %b\n\n" % frame
                reader.sent()
    finally:
        following.cancel()
        session.close()
