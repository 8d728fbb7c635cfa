"""`/v2/stocks`: the desk's own markets, as Alpaca's data API says them.

Flows in: requests. Flows out: quotes and trades as the streams told them last. Never makes up a past: bars and older
quotes are analytics', and are empty here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.alpaca import market
from fillstream.services.gateway.alpaca.room import Room, room_of
from fillstream.services.gateway.http.access import caller_of
from fillstream.services.gateway.http.pages import answer
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.state.rows import Row

READ = "market:read"
Say = Callable[[Room, str], dict[str, Any] | None]

router = APIRouter(tags=["alpaca: data"])


def _key(room: Room, symbol: str) -> str:
    """Return what an instrument's own market goes by: at the venue that its orders go to."""
    row = room.instrument(symbol) or {}
    return f"{row.get('venue') or 'SIM'} {symbol}"


def quote_of(room: Room, symbol: str) -> dict[str, Any] | None:
    """Return a market's newest quote, None where none was told."""
    row = room.desk.markets.quotes.get(_key(room, symbol))
    return None if row is None or row.get("bid_px") is row.get("ask_px") is None else market.quote_json(row)


def trade_of(room: Room, symbol: str) -> dict[str, Any] | None:
    """Return a market's newest trade, of which the stream told, or the quote's last price; None where there is none."""
    key = _key(room, symbol)
    kept = room.desk.markets.trades.get(key)
    quote: Row | None = room.desk.markets.quotes.get(key)
    newest = kept[-1] if kept else None
    last = None if quote is None else {name: quote.get(name) for name in ("last_px", "updated_time")}
    if last is not None and last["last_px"] is not None and _is_newer(last, newest):
        return market.trade_json(last)
    return None if newest is None else market.trade_json(newest)


def _is_newer(last: Row, newest: Row | None) -> bool:
    """Whether a quote tells of a trade that the stream, which is lossy, did not."""
    return newest is None or (newest["price"] != last["last_px"] and newest["time"] < last["updated_time"])


def _each(request: Request, symbols: str, say: Say) -> dict[str, Any]:
    caller_of(request).need(READ)
    room = room_of(request)
    named = [each.strip() for each in symbols.split(",") if each.strip()]
    if not named:
        raise Refusal(400, "bad_value", "symbols: is missing")
    for name in named:
        if room.instrument(room.symbol(name)) is None:
            raise Refusal(400, "unknown_symbol", f"symbols: invalid symbol: {shorten(name)}")
    said = {name: say(room, room.symbol(name)) for name in named}
    return {name: found for name, found in said.items() if found is not None}


def _one(request: Request, symbol: str, say: Say) -> dict[str, Any]:
    found = _each(request, symbol, say)
    if symbol not in found:
        raise Refusal(404, "nothing_told", f"symbol: nothing of {shorten(symbol)} was told yet")
    said: dict[str, Any] = found[symbol]
    return said


@router.get("/stocks/quotes/latest", summary="Newest quotes")
async def quotes(request: Request, symbols: str) -> Response:
    """Return the best bids and asks of instruments."""
    return answer(request, {"quotes": _each(request, symbols, quote_of)})


@router.get("/stocks/trades/latest", summary="Newest trades")
async def trades(request: Request, symbols: str) -> Response:
    """Return the newest trades of instruments."""
    return answer(request, {"trades": _each(request, symbols, trade_of)})


@router.get("/stocks/bars/latest", summary="Newest bars: none")
async def latest_bars(request: Request, symbols: str) -> Response:
    """Return no bars: they are analytics'."""
    _each(request, symbols, quote_of)
    return answer(request, {"bars": {}})


@router.get("/stocks/snapshots", summary="Newest quotes and trades")
async def snapshots(request: Request, symbols: str) -> Response:
    """Return the newest trade and quote of instruments."""
    return answer(request, _each(request, symbols, _snapshot))


def _snapshot(room: Room, symbol: str) -> dict[str, Any] | None:
    said = {"latestTrade": trade_of(room, symbol), "latestQuote": quote_of(room, symbol)}
    return {name: found for name, found in said.items() if found is not None} or None


@router.get("/stocks/{kind}", summary="The past: none")
async def past(request: Request, kind: str, symbols: str) -> Response:
    """Return no bars, quotes or trades of the past: they are analytics'."""
    if kind not in ("bars", "quotes", "trades"):
        raise Refusal(404, "no_such_path", f"path: {shorten(request.url.path)} is none of this gateway's")
    _each(request, symbols, quote_of)
    return answer(request, {kind: {}, "next_page_token": None})


@router.get("/stocks/{symbol}/quotes/latest", summary="Newest quote")
async def quote(request: Request, symbol: str) -> Response:
    """Return the best bid and ask of an instrument."""
    return answer(request, {"symbol": symbol, "quote": _one(request, symbol, quote_of)})


@router.get("/stocks/{symbol}/trades/latest", summary="Newest trade")
async def trade(request: Request, symbol: str) -> Response:
    """Return the newest trade of an instrument."""
    return answer(request, {"symbol": symbol, "trade": _one(request, symbol, trade_of)})


@router.get("/stocks/{symbol}/snapshot", summary="Newest quote and trade")
async def snapshot(request: Request, symbol: str) -> Response:
    """Return the newest trade and quote of an instrument."""
    return answer(request, {"symbol": symbol, **_one(request, symbol, _snapshot)})


@router.get("/stocks/{symbol}/{kind}", summary="The past of one: none")
async def past_of(request: Request, symbol: str, kind: str) -> Response:
    """Return no bars, quotes or trades of the past: they are analytics'."""
    if kind not in ("bars", "quotes", "trades"):
        raise Refusal(404, "no_such_path", f"path: {shorten(request.url.path)} is none of this gateway's")
    _each(request, symbol, quote_of)
    return answer(request, {"symbol": symbol, kind: [], "next_page_token": None})
