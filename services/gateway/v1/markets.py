"""What is traded, and at which prices: instruments, venues, quotes, depth, trades, sessions.

Flows in: requests. Flows out: rows as the streams told them last. Never makes up a price.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from fillstream.libs.common.messages.topology import SIM
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.http.access import caller_of
from fillstream.services.gateway.http.describing import REFUSALS
from fillstream.services.gateway.http.pages import answer
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.v1.orders import Limit, Place, asking_of

READ = "market:read"

router = APIRouter(tags=["markets"], responses=dict(REFUSALS))


@router.get("/instruments", summary="What is traded")
async def instruments(request: Request) -> Response:
    """List instruments with their terms."""
    caller_of(request).need(READ)
    asking = asking_of(request)
    found = [row for _, row in sorted(asking.desk.terms.instruments.items())]
    return answer(request, {"as_of": asking.as_of("events"), "instruments": found})


@router.get("/instruments/{symbol}", summary="One instrument")
async def instrument(request: Request, symbol: str) -> Response:
    """Return an instrument: its terms, its session and bands at each venue."""
    caller_of(request).need(READ)
    asking = asking_of(request)
    row = asking.desk.terms.instruments.get(symbol)
    if row is None:
        raise Refusal(404, "unknown_symbol", f"symbol: {shorten(symbol)} is none of this desk's")
    sessions = [each for each in asking.desk.markets.sessions.values() if each["symbol"] == symbol]
    return answer(request, {"as_of": asking.as_of("events"), "instrument": row, "sessions": sessions})


@router.get("/venues", summary="Where it is traded")
async def venues(request: Request) -> Response:
    """List venues with their terms, and how each was last compared."""
    caller_of(request).need(READ)
    asking = asking_of(request)
    terms = asking.desk.terms
    body = {
        "as_of": asking.as_of("events"),
        "venues": [*terms.venues.values()],
        "reconciled": [*terms.reconciled.values()],
    }
    return answer(request, body)


@router.get("/quotes", summary="Quotes")
async def quotes(
    request: Request, symbol: str | None = None, venue: str | None = None, at_least: Place = None
) -> Response:
    """List best bids and asks and last trades, of all instruments and venues or of some; `stale` says of old ones."""
    caller_of(request).need(READ)
    asking = asking_of(request)
    await asking.at_least(at_least)
    table = asking.desk.markets.quotes
    found = [
        row for _, row in sorted(table.items()) if symbol in (None, row["symbol"]) and venue in (None, row["venue"])
    ]
    return answer(request, {"as_of": asking.as_of("events"), "quotes": found})


def _market(request: Request, symbol: str, venue: str, table: dict[str, Any], what: str) -> Any:
    caller_of(request).need(READ)
    asking = asking_of(request)
    if symbol not in asking.desk.terms.instruments:
        raise Refusal(404, "unknown_symbol", f"symbol: {shorten(symbol)} is none of this desk's")
    found = table.get(f"{venue} {symbol}")
    if found is None:
        told = f"symbol: no {what} of {shorten(symbol)} at {shorten(venue)} was told yet"
        raise Refusal(404, "nothing_told", told)
    return found


@router.get("/quotes/{symbol}", summary="One market")
async def quote(request: Request, symbol: str, venue: str = SIM, at_least: Place = None) -> Response:
    """Return best bid and ask and the last trade of an instrument at a venue."""
    asking = asking_of(request)
    await asking.at_least(at_least)
    row = _market(request, symbol, venue, asking.desk.markets.quotes, "quote")
    return answer(request, {"as_of": asking.as_of("events"), "quote": row})


@router.get("/depth/{symbol}", summary="The book's best levels")
async def depth(request: Request, symbol: str, venue: str = SIM) -> Response:
    """Return the best levels of a book, as it showed them last: at most ten times a second."""
    row = _market(request, symbol, venue, asking_of(request).desk.markets.depth, "depth")
    return answer(request, {"as_of": asking_of(request).as_of("market"), "depth": row})


@router.get("/trades/{symbol}", summary="The market's trades, the newest first")
async def trades(request: Request, symbol: str, venue: str = SIM, limit: Limit = 100) -> Response:
    """List trades of a market, other people's included; a lossy stream, of which the newest thousand are kept."""
    kept = _market(request, symbol, venue, asking_of(request).desk.markets.trades, "trade")
    newest = [row for row, _ in zip(reversed(kept), range(limit), strict=False)]
    return answer(request, {"as_of": asking_of(request).as_of("market"), "trades": newest})
