"""`/v1/audit`: who did what at the gateways of this desk.

Flows in: requests of admins. Flows out: pages of the stream `gateway.audit`, the newest first.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from redis.exceptions import RedisError

from fillstream.libs.common.process.audited import Action, Search
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.http.access import caller_of
from fillstream.services.gateway.http.describing import REFUSALS
from fillstream.services.gateway.http.pages import DEFAULT_PAGE, answer
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.people.audit import Audit
from fillstream.services.gateway.stream.replay import is_place
from fillstream.services.gateway.v1.orders import Cursor, Limit

ADMIN: Final = "admin"

router = APIRouter(tags=["people"], responses=dict(REFUSALS))


@router.get("/audit", summary="Who did what")
async def audit(
    request: Request,
    who: Annotated[str | None, Query(description="of a person or a key of this name", examples=["anna"])] = None,
    action: Annotated[str | None, Query(description=", ".join(Action), examples=["login"])] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
) -> Response:
    """List logins, failures, locks, changes of passwords and requests that changed something, the newest first."""
    caller = caller_of(request)
    caller.need(ADMIN)
    caller.need_all_accounts()
    if action is not None and action not in [*Action]:
        raise Refusal(422, "bad_value", f"action: {shorten(action)} must be one of {', '.join(Action)}")
    if cursor is not None and not is_place(cursor):
        raise Refusal(400, "bad_value", f"cursor: {shorten(cursor)} must be the `next` of the page before")
    audited: Audit = request.app.state.audit
    try:
        search = await audited.search(Search(who, action, cursor, limit))
    except RedisError as error:
        raise Refusal(503, "redis_away", f"redis: {shorten(str(error))}", {"Retry-After": "1"}) from None
    return answer(request, {"entries": search.found, "next": search.next})
