"""Positions: what is held, how it ended, what closes it, what it is to become.

Flows in: requests. Flows out: rows as the positions stage told them last; signals that close, protect and target. Never
counts a profit itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT
from fillstream.libs.common.messages.signals import ClosePosition, ProtectPosition, SetTarget
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.asking import Asking
from fillstream.services.gateway.http.access import Caller, caller_of
from fillstream.services.gateway.http.describing import REFUSALS, takes
from fillstream.services.gateway.http.exact import object_of
from fillstream.services.gateway.http.pages import DEFAULT_PAGE, answer, page_of_table
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.state.rows import Row
from fillstream.services.gateway.v1.orders import (
    WRITE,
    Cursor,
    Key,
    Limit,
    Place,
    Prefer,
    asking_of,
    keeps,
    respond,
    signal_of,
    wait_of,
)

READ = "positions:read"
OF_ROUTE: Final = ("type", "symbol")
"""What a route about a position says itself."""
TARGET: Final = takes(SetTarget, {"symbol": "AAPL", "target": "100"}, given=("type",))

router = APIRouter(tags=["positions"], responses=dict(REFUSALS))


def chosen(caller: Caller, rows: Iterable[Row], asked: Mapping[str, str | None], limit: int) -> list[Row]:
    """Return the rows that are asked for and that the caller may see."""
    wanted = [(name, value) for name, value in asked.items() if value is not None]
    found = []
    for row in rows:
        if caller.sees(row.get("account")) and all(row.get(name) == value for name, value in wanted):
            found.append(row)
            if len(found) == limit:
                break
    return found


async def _newest(
    request: Request, name: str, asked: dict[str, str | None], cursor: str | None, limit: int, at_least: str | None
) -> Response:
    """Return a page of a table of positions' things, the newest first."""
    caller, asking = caller_of(request), asking_of(request)
    caller.need(READ)
    await asking.at_least(at_least)
    asked = _of_account(asking, asked)
    table: dict[str, Row] = getattr(asking.desk.positions, name)
    found, following = page_of_table(reversed(table.items()), keeps(caller, asked), cursor, limit)
    return answer(request, {"as_of": asking.as_of("positions"), name: found, "next": following})


def _of_account(asking: Asking, asked: dict[str, str | None]) -> dict[str, str | None]:
    account = asked.get("account")
    return asked if account is None else {**asked, "account": asking.desk.terms.account_of(account)}


@router.get("/positions", summary="What is held")
async def positions(
    request: Request,
    account: str | None = None,
    symbol: str | None = None,
    flat: bool = False,
    cursor: Cursor = None,
    limit: Limit = 1_000,
    at_least: Place = None,
) -> Response:
    """List positions by account and symbol, with `flat=true` those that are none at the moment, too."""
    caller, asking = caller_of(request), asking_of(request)
    caller.need(READ)
    await asking.at_least(at_least)
    asked_for = keeps(caller, _of_account(asking, {"account": account, "symbol": symbol}))
    table = asking.desk.positions.open

    def keep(row: Row) -> bool:
        return (flat or row["position"] != "0") and asked_for(row)

    found, following = page_of_table(((key, table[key]) for key in sorted(table)), keep, cursor, limit)
    return answer(request, {"as_of": asking.as_of("positions"), "positions": found, "next": following})


@router.get("/positions/{symbol}", summary="What an account holds of an instrument")
async def position(
    request: Request,
    symbol: str,
    account: str = DEFAULT_ACCOUNT,
    position_id: str | None = None,
    at_least: Place = None,
) -> Response:
    """Return one position; of an account that hedges, the one of that name. 404 of what was never held."""
    caller, asking = caller_of(request), asking_of(request)
    caller.need(READ)
    await asking.at_least(at_least)
    whose = asking.desk.terms.account_of(account)
    key = f"{whose} {symbol}" + (f" {position_id}" if position_id else "")
    row = asking.desk.positions.open.get(key)
    if row is None or not caller.sees(whose):
        told = f"symbol: {shorten(whose)} never held {shorten(symbol)}, as far as is known here"
        raise Refusal(404, "unknown_position", told)
    return answer(request, {"as_of": asking.as_of("positions"), "position": row})


@router.get("/closed_positions", summary="Positions that ended, the newest first")
async def closed(
    request: Request,
    account: str | None = None,
    symbol: str | None = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
    at_least: Place = None,
) -> Response:
    """List positions that ended: why, how long they lived, what they made."""
    caller, asking = caller_of(request), asking_of(request)
    caller.need(READ)
    await asking.at_least(at_least)
    asked = _of_account(asking, {"account": account, "symbol": symbol})
    items = ((_ended(row), row) for row in reversed(asking.desk.positions.closed))
    found, following = page_of_table(items, keeps(caller, asked), cursor, limit)
    return answer(request, {"as_of": asking.as_of("positions"), "closed_positions": found, "next": following})


def _ended(row: Row) -> str:
    """Return what tells an end from others: a name may be used again, and an end told anew when trades were busted."""
    names = ("account", "symbol", "position_id", "opened_time", "exec_id", "updated_time")
    return " ".join(str(row.get(name)) for name in names)


@router.get("/exits", summary="What closes positions by itself")
async def exits(
    request: Request,
    account: str | None = None,
    symbol: str | None = None,
    exit_status: str | None = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
    at_least: Place = None,
) -> Response:
    """List protections of positions, armed, fired and ended."""
    asked = {"account": account, "symbol": symbol, "exit_status": exit_status}
    return await _newest(request, "exits", asked, cursor, limit, at_least)


@router.get("/targets", summary="Positions that are to be reached")
async def targets(
    request: Request,
    account: str | None = None,
    symbol: str | None = None,
    target_status: str | None = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
    at_least: Place = None,
) -> Response:
    """List targets: asked, reached, how long, at what cost."""
    asked = {"account": account, "symbol": symbol, "target_status": target_status}
    return await _newest(request, "targets", asked, cursor, limit, at_least)


async def _signal(request: Request, kind: str, said: dict[str, Any], prefer: str | None, key: str | None) -> Response:
    caller = caller_of(request)
    caller.need(WRITE)
    signal = signal_of(caller, asking_of(request), {**said, "type": kind}, key)
    return respond(request, await asking_of(request).submit(signal, wait_of(prefer)), created=True)


@router.post(
    "/positions/{symbol}/close",
    status_code=201,
    openapi_extra=takes(ClosePosition, {"quantity": "50"}, needed=False, given=OF_ROUTE),
    summary="Close a position, or a part of it",
)
async def close(request: Request, symbol: str, prefer: Prefer = None, key: Key = None) -> Response:
    """Send a reduce-only order on the other side; exits that rest give way first."""
    return await _signal(request, "ClosePosition", {**await object_of(request), "symbol": symbol}, prefer, key)


@router.post(
    "/positions/{symbol}/protect",
    status_code=201,
    openapi_extra=takes(ProtectPosition, {"stop_loss_percent": "2", "take_profit": "195"}, given=OF_ROUTE),
    summary="Protect a position",
)
async def protect(request: Request, symbol: str, prefer: Prefer = None, key: Key = None) -> Response:
    """Have a position closed once a price or a time has come."""
    return await _signal(request, "ProtectPosition", {**await object_of(request), "symbol": symbol}, prefer, key)


@router.delete("/positions/{symbol}/protect", summary="Take a position's protection away")
async def unprotect(
    request: Request,
    symbol: str,
    account: str = DEFAULT_ACCOUNT,
    protection_id: str | None = None,
    position_id: str | None = None,
    prefer: Prefer = None,
    key: Key = None,
) -> Response:
    """Take away one protection, or without a `protection_id` all of them."""
    said = {"account": account, "symbol": symbol, "protection_id": protection_id, "position_id": position_id}
    return await _signal(request, "CancelProtection", said, prefer, key)


@router.post(
    "/targets",
    status_code=201,
    openapi_extra=TARGET,
    summary="Set what is to be held",
)
async def set_target(request: Request, prefer: Prefer = None, key: Key = None) -> Response:
    """Ask for a position, a weight of equity, or a whole portfolio; the desk sends what is missing."""
    return await _signal(request, "SetTarget", await object_of(request), prefer, key)


@router.delete("/targets/{symbol}", summary="Let go of a target")
async def cancel_target(
    request: Request, symbol: str, account: str = DEFAULT_ACCOUNT, prefer: Prefer = None, key: Key = None
) -> Response:
    """Work for a target no more; what it has bought stays."""
    return await _signal(request, "CancelTarget", {"account": account, "symbol": symbol}, prefer, key)
