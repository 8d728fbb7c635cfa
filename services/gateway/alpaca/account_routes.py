"""`/v2/positions`, `/v2/account`, `/v2/assets`, `/v2/clock`, `/v2/calendar`: what is held, and where it is traded.

Flows in: requests of Alpaca's clients. Flows out: rows of the desk as Alpaca says them; signals that close positions.
Never closes more than is held: the desk's own ClosePosition is what is sent.
"""

from __future__ import annotations

import asyncio
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from fillstream.libs.common.messages.reference import DAY_MS
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.alpaca import asked, holdings
from fillstream.services.gateway.alpaca.errors import error_json
from fillstream.services.gateway.alpaca.hours import calendar_json, clock_json
from fillstream.services.gateway.alpaca.order_routes import WRITE, cancel_everything, ended, is_true, sent
from fillstream.services.gateway.alpaca.room import Room, day_of, days_after, now_ms, room_of
from fillstream.services.gateway.alpaca.words import milliseconds_of
from fillstream.services.gateway.http.access import caller_of
from fillstream.services.gateway.http.exact import object_of
from fillstream.services.gateway.http.pages import answer
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.state.rows import Row

POSITIONS, ACCOUNTS, ORDERS, MARKET = "positions:read", "accounts:read", "orders:read", "market:read"
TIMEFRAMES: Final = ("1Min", "5Min", "15Min", "1H", "1D")
LAST_DAY: Final = date(2200, 12, 31)
AHEAD_DAYS: Final = 366

router = APIRouter(tags=["alpaca: account"])


# ---------------------------------------------------------------------------------------------------------- positions


def _held(room: Room, account: str) -> list[Row]:
    table = room.desk.positions.open
    rows = [row for _, row in sorted(table.items()) if row["account"] == account]
    return [row for row in rows if Decimal(row["position"]) != 0]


def _position_json(room: Room, row: Row) -> dict[str, Any]:
    orders = (order.row for order in room.desk.orders.working.values() if order.row["account"] == row["account"])
    return holdings.position_json(row, room.instrument(row["symbol"]), holdings.reserved(orders, row))


def _position(room: Room, account: str, said: str) -> Row:
    """Return a position that is open, by its symbol or its asset's id.

    Raises:
        Refusal: 404.
    """
    symbol = room.symbol(said)
    found = next((row for row in _held(room, account) if row["symbol"] == symbol), None)
    if found is None:
        raise Refusal(404, "unknown_position", f"symbol: position does not exist: {account} holds no {shorten(symbol)}")
    return found


@router.get("/positions", summary="What is held")
async def positions(request: Request) -> Response:
    """List what the account holds."""
    caller, room = caller_of(request), room_of(request)
    caller.need(POSITIONS)
    return answer(request, [_position_json(room, row) for row in _held(room, room.account(caller))])


@router.get("/positions/{symbol:path}", summary="What is held of an asset")
async def position(request: Request, symbol: str) -> Response:
    """Return a position; 404 of what is not held."""
    caller, room = caller_of(request), room_of(request)
    caller.need(POSITIONS)
    return answer(request, _position_json(room, _position(room, room.account(caller), symbol)))


@router.delete("/positions/{symbol:path}", summary="Close a position, or a part of it")
async def close(request: Request, symbol: str, qty: str | None = None, percentage: str | None = None) -> Response:
    """Send what closes a position; exits of brackets give way first."""
    caller, room = caller_of(request), room_of(request)
    caller.need(WRITE)
    account = room.account(caller)
    row = _position(room, account, symbol)
    signal = asked.closing(row, room.instrument(row["symbol"]), qty, percentage)
    status, order = await sent(room, signal, account)
    return answer(request, order, status)


@router.delete("/positions", summary="Close all positions")
async def close_all(request: Request, cancel_orders: str = "false") -> Response:
    """Close everything; with `cancel_orders` once what works is canceled. 207 with what became of each."""
    caller, room = caller_of(request), room_of(request)
    caller.need(WRITE)
    account = room.account(caller)
    if is_true(cancel_orders):
        await ended(room, await cancel_everything(room, account))

    async def one(row: Row) -> dict[str, Any]:
        try:
            signal = asked.closing(row, room.instrument(row["symbol"]), None, None)
            _, order = await sent(room, signal, account)
        except Refusal as refusal:
            error = error_json(refusal.status, refusal.detail, refusal.reason, {"symbol": row["symbol"]})
            return {"symbol": row["symbol"], "status": refusal.status, "body": error}
        return {"symbol": row["symbol"], "status": 200, "order_id": order["id"], "body": order}

    return answer(request, await asyncio.gather(*map(one, _held(room, account))), 207)


# ------------------------------------------------------------------------------------------------------------ account


def _account(room: Room, account: str) -> dict[str, Any]:
    terms = room.desk.terms.accounts.get(account)
    if terms is None:
        raise Refusal(404, "unknown_account", f"account: {shorten(account)} is none of this desk's")
    held = ((row, room.instrument(row["symbol"])) for row in _held(room, account))
    every = [*room.desk.positions.open.values()]
    flat = ((row, room.instrument(row["symbol"])) for row in every
            if row["account"] == account and not Decimal(row["position"]))  # fmt: skip
    value, state = room.desk.positions.accounts.get(account), room.desk.terms.trading_state(account)
    return holdings.account_json(account, terms, state, value, [*held, *flat])


@router.get("/account", summary="The account")
async def account(request: Request) -> Response:
    """Return what the account has, and may."""
    caller, room = caller_of(request), room_of(request)
    caller.need(ACCOUNTS)
    return answer(request, _account(room, room.account(caller)))


@router.get("/account/configurations", summary="How the account is kept")
async def configurations(request: Request) -> Response:
    """Return what Alpaca's clients may set there, as it is here."""
    caller, room = caller_of(request), room_of(request)
    caller.need(ACCOUNTS)
    terms = room.desk.terms
    name = room.account(caller)
    said = {"no_shorting": not holdings.may_short(terms.accounts.get(name, {})),
            "suspend_trade": terms.trading_state(name) != "ACTIVE"}  # fmt: skip
    return answer(request, {**holdings.CONFIGURATIONS, **said})


@router.patch("/account/configurations", summary="Nothing that can be set here")
async def configure(request: Request) -> Response:
    """Refuse: limits and halts are controls of the desk's own API."""
    caller_of(request).need(ACCOUNTS)
    await object_of(request)
    told = "configurations: are not set here: limits by PATCH /v1/accounts/ACCOUNT/limits, a halt by POST /v1/halt"
    raise Refusal(422, "not_supported", told)


@router.get("/account/portfolio/history", summary="What the account was worth")
async def history(request: Request, timeframe: str = "1D") -> Response:
    """Return what is known here: the account's worth as its day began, and now."""
    caller, room = caller_of(request), room_of(request)
    caller.need(ACCOUNTS)
    if timeframe not in TIMEFRAMES:
        raise asked.bad("timeframe", f"{shorten(timeframe)} must be one of {', '.join(TIMEFRAMES)}")
    now = now_ms()
    return answer(
        request, holdings.history_json(_account(room, room.account(caller)), (now - now % DAY_MS, now), timeframe)
    )


@router.get("/account/activities", summary="What happened to the account")
@router.get("/account/activities/{activity_type}", summary="Trades")
async def activities(
    request: Request,
    activity_type: str | None = None,
    activity_types: str | None = None,
    order_id: str | None = None,
    date_: Annotated[str | None, Query(alias="date")] = None,
    after: str | None = None,
    until: str | None = None,
    direction: str = "desc",
    page_size: Annotated[int, Query(ge=1, le=100)] = 100,
    page_token: str | None = None,
) -> Response:
    """List trades, the newest first; of other kinds of activities none is known here."""
    caller, room = caller_of(request), room_of(request)
    caller.need(ORDERS)
    wanted = activity_type or activity_types
    if wanted is not None and "FILL" not in wanted.split(","):
        return answer(request, [])
    name = room.account(caller)
    first, last = _times(date_, after, until)
    fills = room.desk.orders.fills.values()
    found: list[dict[str, Any]] = []
    begun = page_token is None
    for fill in fills if direction == "asc" else reversed(fills):
        if fill.get("account") != name or not first < fill["time"] < last or fill.get("busted_time") is not None:
            continue
        if room.desk.orders.by_id.get(fill["order_id"]) is None:
            continue  # its order is forgotten here, and its id with it
        said = holdings.activity_json(fill, room.index.uuid(fill["order_id"]))
        if not begun:
            begun = said["id"] == page_token
        elif order_id in (None, said["order_id"]):
            found.append(said)
            if len(found) == page_size:
                break
    return answer(request, found)


def _times(day: str | None, after: str | None, until: str | None) -> tuple[int, int]:
    """Return between which times (ms since 1970) is meant, neither of them included."""
    said: dict[str, int] = {}
    for name, value in (("date", day), ("after", after), ("until", until)):
        if value is not None:
            found = milliseconds_of(value)
            if found is None:
                raise asked.bad(name, f"{shorten(value)} must be a time as RFC 3339 has it, or a date")
            said[name] = found
    if "date" in said:
        return said["date"] - 1, said["date"] + DAY_MS
    return said.get("after", -1), said.get("until", 1 << 62)


# -------------------------------------------------------------------------------------------------- assets and hours


@router.get("/assets", summary="What can be traded")
async def assets(
    request: Request,
    status: str | None = None,
    asset_class: str | None = None,
    exchange: str | None = None,
    attributes: str | None = None,
) -> Response:
    """List the desk's instruments."""
    caller, room = caller_of(request), room_of(request)
    caller.need(MARKET)
    shortable = holdings.may_short(room.desk.terms.accounts.get(room.account(caller), {}))
    every = [holdings.asset_json(row, shortable) for _, row in sorted(room.desk.terms.instruments.items())]
    found = [
        each for each in every
        if status in (None, "", "all", each["status"]) and asset_class in (None, each["class"])
        and exchange in (None, each["exchange"]) and not attributes
    ]  # fmt: skip
    return answer(request, found)


@router.get("/assets/{symbol:path}", summary="One asset")
async def asset(request: Request, symbol: str) -> Response:
    """Return an instrument by its symbol or its id."""
    caller, room = caller_of(request), room_of(request)
    caller.need(MARKET)
    row = room.instrument(room.symbol(symbol))
    if row is None:
        raise Refusal(404, "unknown_symbol", f"symbol: asset not found for {shorten(symbol)}")
    shortable = holdings.may_short(room.desk.terms.accounts.get(room.account(caller), {}))
    return answer(request, holdings.asset_json(row, shortable))


@router.get("/clock", summary="Whether the market is open")
async def clock(request: Request) -> Response:
    """Return the time, and whether the desk's calendar has a session now."""
    caller_of(request).need(MARKET)
    now = now_ms()
    today = day_of(now)
    _, sessions = await room_of(request).sessions(today, days_after(today, 1))
    return answer(request, clock_json(sessions, now))


@router.get("/calendar", summary="When the market is open")
async def calendar(request: Request, start: str | None = None, end: str | None = None) -> Response:
    """List the days with sessions, as far as the desk knows its calendar: the last month, and a year ahead."""
    caller_of(request).need(MARKET)
    today = day_of(now_ms())
    first, last = _day("start", start) or today, _day("end", end) or days_after(today, AHEAD_DAYS)
    zone, sessions = await room_of(request).sessions(first, last)
    return answer(request, calendar_json(sessions, zone, first, last))


def _day(name: str, said: str | None) -> date | None:
    if said is None:
        return None
    try:
        found = date.fromisoformat(said[:10])
    except ValueError:
        found = date.max
    if not date(1970, 1, 1) <= found <= LAST_DAY:
        raise asked.bad(name, f"{shorten(said)} must be a date, 2026-11-30, of 1970 to {LAST_DAY.year}")
    return found
