"""`/v1/session`: people log in, ask who they are, change their passwords, and log out.

Flows in: names and passwords, a session's cookie. Flows out: who somebody is, with the token that its page shows;
cookies. Never says a session's secret anywhere but in its cookie.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from fillstream.libs.common.process.keys import Scope
from fillstream.libs.common.process.sessions import csrf_of, id_of
from fillstream.libs.common.values.networks import Address
from fillstream.services.gateway.http.access import LOGIN_NEEDED, Caller, caller_of
from fillstream.services.gateway.http.browsers import Browsers
from fillstream.services.gateway.http.describing import REFUSALS, body, thing
from fillstream.services.gateway.http.exact import object_of
from fillstream.services.gateway.http.pages import answer
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.http.sources import Sources
from fillstream.services.gateway.people.login import People

MAX_BYTES: Final = 8_192
"""Of a body: a name and two passwords."""
NOT_HERE: Final = "session: nobody logs in to a gateway that runs without keys; everybody on this machine is `local`"
WRITTEN: Final = {"type": "string", "writeOnly": True, "examples": ["correct horse battery"]}
LOGIN: Final = body(
    thing(
        "Who logs in.",
        ("user", "password"),
        user={"type": "string", "description": "the person's name", "examples": ["anna"]},
        password={**WRITTEN, "description": "the person's own"},
    ),
    {"user": "anna", "password": "correct horse battery"},
)
CHANGE: Final = body(
    thing(
        "Another password.",
        ("password", "new_password"),
        password={**WRITTEN, "description": "the one of now"},
        new_password={**WRITTEN, "description": "12 characters at least, 1 024 bytes at most, not the user's name"},
    ),
    {"password": "correct horse battery", "new_password": "staple of another kind"},
)

router = APIRouter(tags=["people"], responses=dict(REFUSALS))


def _people(request: Request) -> People:
    """Return who lets people in.

    Raises:
        Refusal: 409: nobody logs in here.
    """
    people: People | None = request.app.state.people
    if people is None:
        raise Refusal(409, "no_login", NOT_HERE)
    return people


def _browsers(request: Request) -> Browsers:
    browsers: Browsers = request.app.state.browsers
    return browsers


def _address(request: Request) -> Address | None:
    sources: Sources = request.app.state.sources
    return sources.address(request)


@router.post("/session", openapi_extra=LOGIN, summary="Log in")
async def log_in(request: Request) -> Response:
    """Begin a session for a person's name and password; its cookie comes with the answer, and `csrf` stands in it."""
    people, browsers = _people(request), _browsers(request)
    browsers.check_origin(request)
    said = await object_of(request, MAX_BYTES)
    secret = await people.log_in(said.get("user"), said.get("password"), _address(request))
    before = id_of(browsers.secret(request) or "")
    if before is not None and people.sessions.is_live(before):
        await people.sessions.end(before)  # the browser forgets it now
    return answer(request, _document(people, secret), 200, {"Set-Cookie": browsers.cookie(request, secret)})


@router.get("/session", summary="Who is logged in")
async def session(request: Request) -> Response:
    """Return who is logged in by the cookie, and until when; without keys it is everybody on this machine."""
    caller: Caller | None = request.scope.get("caller")
    if caller is not None and caller.session is None:
        return answer(request, _local(caller), headers=FRESH)
    secret = _browsers(request).secret(request)
    if caller is None or secret is None:
        raise Refusal(401, "login_needed", LOGIN_NEEDED)
    return answer(request, _document(_people(request), secret), headers=FRESH)


@router.delete("/session", status_code=204, summary="Log out")
async def log_out(request: Request) -> Response:
    """End the session of the cookie; without one there is nothing to end."""
    if request.app.state.people is None:
        return Response(status_code=204)
    if "caller" in request.scope:
        await _people(request).log_out(caller_of(request), _address(request))
    return Response(status_code=204, headers={"Set-Cookie": _browsers(request).no_cookie(request)})


@router.put("/session/password", status_code=204, openapi_extra=CHANGE, summary="Change one's own password")
async def change_password(request: Request) -> Response:
    """Set another password for whoever is logged in, and end that person's other sessions."""
    people, caller = _people(request), caller_of(request)
    if caller.session is None:
        raise Refusal(403, "no_person", f"session: {caller.called} has no password; people who are logged in have")
    said = await object_of(request, MAX_BYTES)
    await people.change_password(caller, said.get("password"), said.get("new_password"), _address(request))
    return Response(status_code=204)


FRESH: Final = {"Cache-Control": "no-store"}
"""The token is for this page alone, and no cache's to keep."""


def _document(people: People, secret: str) -> dict[str, Any]:
    """Return what a session's own page is told of it.

    Raises:
        Refusal: 401: it is over meanwhile.
    """
    found = people.sessions.of(id_of(secret) or "")
    if found is None:
        raise Refusal(401, "login_needed", LOGIN_NEEDED)
    _, user, expires_ms = found
    scopes = sorted(scope for scope in Scope if user.may(scope))
    return {
        "user": user.name, "role": user.role, "scopes": scopes, "accounts": list(user.accounts),
        "csrf": csrf_of(secret), "expires_ms": expires_ms, "mode": "people",
    }  # fmt: skip


def _local(caller: Caller) -> dict[str, Any]:
    return {
        "user": caller.name, "role": "admin", "scopes": sorted(caller.scopes), "accounts": [], "csrf": None,
        "expires_ms": None, "mode": "local",
    }  # fmt: skip
