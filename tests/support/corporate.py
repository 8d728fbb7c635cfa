"""An orders stage that trades and is adjusted, and what the position stage and the audit make of its journal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson

from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.libs.common.values.money import canonical
from fillstream.services.position_service.stage import PositionStage
from fillstream.tools.arithmetic import Books
from tests.support.orders import CONFIG, OrdersDesk
from tests.support.terms import but


def desk_of(instruments: dict[str, Any] | None = None, **limits: Any) -> OrdersDesk:
    """Return a desk whose default account may trade much; with limits and further instruments."""
    account = but(CONFIG.accounts["default"], **{"max_order_value": Decimal(10**9), **limits})
    accounts = {**CONFIG.accounts, "default": account}
    return OrdersDesk(but(CONFIG, accounts=accounts, instruments={**CONFIG.instruments, **(instruments or {})}))


def hold(
    desk: OrdersDesk, quantity: int, account: str = "default", side: str = "BUY", ticks: int = 18_500, **fields: Any
) -> None:
    """Have an order filled, at its price."""
    number, px = desk.config.accounts[account].id, canonical(Decimal(ticks) / 100)
    order = desk.new(
        signal_id=f"s{len(desk.entries)}", account=account, side=side, quantity=str(quantity), price=px, **fields
    )
    assert order["type"] == "OrderReceived", order
    named = {"order_id": int(order["order_id"]), "account": number, "side": 1 if side == "BUY" else 2}
    desk.fill(quantity, ticks, symbol=desk.config.instruments[order["symbol"]].id, **named)


def booked(desk: OrdersDesk) -> tuple[PositionStage, list[dict[str, Any]]]:
    """Return the position stage once it has read the journal, and what it told."""
    stage, told = PositionStage(0), []
    out = Outputs(stage.name, stage.inbox)
    for event in desk.events:
        entry = Entry(f"{event['time']}-{event['seq']}", event["time"], {b"data": orjson.dumps(event)})
        out.begin(entry)
        stage.fold(entry, out)
        out.seal()
    for stream, (_, payloads) in out.by_stream.items():
        if stream == "positions.0":
            told += [orjson.loads(each) for each in payloads]
    return stage, told


def problems(desk: OrdersDesk, told: list[dict[str, Any]]) -> list[str]:
    """Return what the audit finds of positions that were told so."""
    books = Books()
    for event in ({"type": "VenueDefined", "venue": SIM, **VenueTerms().values()}, *desk.events):
        books.event(event)
    for message in told:
        books.position(message)
    return books.problems()
