"""A room of Alpaca's routes over the state of a simulated desk, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import httpx
from fastapi import FastAPI

from fillstream.client.answers import Outcome, Sent
from fillstream.libs.common.process.settings import default_path, load_settings
from fillstream.services.gateway.alpaca.errors import Spoken
from fillstream.services.gateway.alpaca.room import Room
from fillstream.services.gateway.alpaca.router import router
from fillstream.services.gateway.asking import checked
from fillstream.services.gateway.http.access import Caller
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.reading import names_of
from fillstream.services.gateway.state.desk import Desk
from fillstream.services.gateway.waiting import Expected
from tests.support.simulated_desk import SimulatedDesk

SCOPES = frozenset(("orders:read", "orders:write", "positions:read", "accounts:read", "market:read"))
Answers = Callable[[dict[str, Any]], list[dict[str, Any]]]


@cache
def _played(seed: int) -> SimulatedDesk:
    desk = SimulatedDesk(seed, accounts=1 + seed % 2, controls=True, specials=True, protects=True, targets=True)
    desk.run(steps=400)
    desk.pass_time(1_000)
    return desk


def room_over(desk: Desk, submit: Any = None, turn: Any = None) -> Room:
    """Return a room over a state; what is sent goes to `submit`, and who waits for more to be heard of to `turn`."""
    asking = SimpleNamespace(desk=desk, reading=SimpleNamespace(is_ready=True), submit=submit, turn=turn)
    return Room(cast("Any", asking), load_settings(default_path()))


def simulated(seed: int, watch: Callable[[Room], None] = lambda _: None) -> Room:
    """Return a room that has heard a whole simulated desk; `watch` is shown it before it hears anything."""
    played, desk = _played(seed), Desk()
    room = room_over(desk)
    watch(room)
    for name in names_of(played.topology):
        for entry_id, fields in played.entries(played.topology.key(name)):
            desk.fold(name, entry_id, fields)
    return room


class Sender:
    """Stands in for the desk: keeps what was sent, and answers as it is told.

    Args:
        answers: returns the events that a signal has for an answer.
    """

    def __init__(self, answers: Answers = lambda _: []) -> None:
        self.sent: list[dict[str, Any]] = []
        self.answers = answers

    async def __call__(self, said: Mapping[str, Any], wait_s: float) -> Expected:
        """Take over a signal that the desk's contracts take."""
        fields = checked(said)
        self.sent.append(fields)
        outcome = Outcome(fields["signal_id"])
        for event in self.answers(fields):
            outcome.add(event)
        sent = Sent(fields["account"], None, "0-1", "0-0", "0-0")
        return Expected(outcome, sent, asyncio.get_running_loop().create_future())


class _Somebody:
    def __init__(self, app: Any, caller: Caller) -> None:
        self._app, self._caller = app, caller

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["caller"] = self._caller
        await self._app(scope, receive, send)


class Client:
    """Asks the routes of a room.

    Args:
        room: over a state.
        scopes, accounts: of its key.
    """

    def __init__(self, room: Room, scopes: frozenset[str] = SCOPES, accounts: frozenset[str] = frozenset()) -> None:
        app = FastAPI()
        app.state.alpaca = room
        app.include_router(router, prefix="/alpaca")

        @app.exception_handler(Refusal)
        async def refused(request: Any, error: Refusal) -> Any:
            return error.response()

        app.add_middleware(cast("Any", _Somebody), caller=Caller("k", "k", scopes, accounts))
        app.add_middleware(cast("Any", Spoken))
        self._app = app

    def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request below `/alpaca/v2` and return the answer."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1/alpaca/v2") as client:
                return await client.request(method, path, **more)

        return asyncio.run(ask())
