"""A desk with an outside venue that is asked for what it has, in the domain's words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson

from fillstream.libs.common.messages.mass_status import MassStatusReport, ReportMassStatus
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM
from tests.support.orders import CONFIG, OrdersDesk
from tests.support.terms import but

LATER_MS = 20_000
"""After so long an order is not too young to be missed."""


def outside(**terms: Any) -> OrdersDesk:
    """Return a desk whose one venue no engine of it is."""
    return OrdersDesk(but(CONFIG, venues={SIM: VenueTerms(simulated=False, **terms)}))


def said(exec_type: str, order_id: int = 1, **fields: Any) -> dict[bytes, bytes]:
    document = {"type": "VenueReport", "v": 1, "venue": "SIM", "exec_type": exec_type, "order_id": str(order_id)}
    return {b"data": orjson.dumps(document | fields)}


def trade(exec_id: str, qty: str, px: str = "185.00", order_id: int = 1, **fields: Any) -> dict[bytes, bytes]:
    return said("Trade", order_id, exec_id=exec_id, last_qty=qty, last_px=px, **fields)


def page(request_id: str, number: int = 1, *, last: bool = True, **fields: Any) -> dict[bytes, bytes]:
    document = {"type": "MassStatusReport", "v": 1, "venue": "SIM", "request_id": request_id, "page": number}
    document |= {"last_page": last, "covers": ["orders", "fills", "positions"], **fields}
    MassStatusReport.model_validate(document)
    return {b"data": orjson.dumps(document)}


def row(order_id: int | None = 1, **fields: Any) -> dict[str, Any]:
    return {"order_id": None if order_id is None else str(order_id), **fields}


def held(quantity: str, account: str = "default", symbol: str = "AAPL") -> dict[str, Any]:
    return {"account": account, "symbol": symbol, "quantity": quantity}


def ask(desk: OrdersDesk, **fields: Any) -> str:
    """Ask all venues; return the id of the newest request."""
    number = len(desk.requests)
    desk.control("Reconcile", **{"control_id": f"k{len(desk.entries)}", "account": None, **fields})
    _, request = desk.requests[-1]
    assert len(desk.requests) > number
    assert isinstance(request, ReportMassStatus)
    return request.request_id


def answer(desk: OrdersDesk, request_id: str, **fields: Any) -> list[dict[str, Any]]:
    """Let the venue answer in one page; return what came of it, with VenueReconciled last."""
    events = desk.fold(page(request_id, **fields))
    assert events[-1]["type"] == "VenueReconciled", events
    return events


def compared(desk: OrdersDesk, **fields: Any) -> list[dict[str, Any]]:
    """Ask once no order is too young any more, and let the venue answer in one page."""
    desk.ms += LATER_MS
    return answer(desk, ask(desk), **fields)


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def differences(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(e["difference"], e["resolution"]) for e in events if e["type"] == "ReconciliationDifference"]


def filled(events: list[dict[str, Any]]) -> list[tuple[str, Decimal, Decimal]]:
    """Return exec id, quantity and price of the fills among events."""
    return [(e["exec_id"], Decimal(e["last_qty"]), Decimal(e["last_px"])) for e in events if e["type"] == "OrderFilled"]


def position(desk: OrdersDesk, account: str = "default", symbol: str = "AAPL") -> int:
    """Return what the orders stage holds of an instrument, in lots."""
    return desk.stage._state.holdings.holding(account, symbol).quantity
