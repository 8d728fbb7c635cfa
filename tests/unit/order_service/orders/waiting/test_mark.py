"""Orders that wait for the mark: the position service's, as the journal told it last."""

from __future__ import annotations

from typing import Any

import orjson

from fillstream.libs.common.engine.frames import PARTITION_ALL, ReportType, Session
from fillstream.services.order_service.orders.state import QUOTES_EVERY_MS
from tests.support.orders import OrdersDesk, new_order, report


def held(desk: OrdersDesk, stop: str, **fields: Any) -> None:
    special = {"stop_price": stop, "trigger_price_type": "MARK"}
    order = {"signal_id": f"s{stop}", "order_type": "MARKET_IF_TOUCHED", "side": "BUY", "quantity": "1"}
    desk.fold({b"data": orjson.dumps(new_order(**order | fields, special=special))})


def went(desk: OrdersDesk) -> list[int]:
    return [command.order_id for command in desk.commands]


def test_a_mark_is_seen_when_the_journal_tells_it_and_not_before() -> None:
    desk = OrdersDesk()
    desk.quote(18_500, 18_502)
    desk.tick()
    held(desk, "184.00")
    desk.quote(18_399, 18_401)
    assert not went(desk), "a quote that comes and goes between two marks is none"
    desk.tick()
    assert went(desk) == [1]


def test_a_fresh_side_outranks_an_old_trade() -> None:
    """Case H08: a mark is never below the bid or above the ask that stand now."""
    desk = OrdersDesk()
    desk.quote(9_999, 10_001)
    desk.fold({b"frame": report(ReportType.PRINTED, price=10_000, qty=1, partition=PARTITION_ALL)})
    desk.tick()
    held(desk, "119.00", side="SELL")
    held(desk, "81.00", side="BUY", signal_id="b")
    desk.quote(12_000, 0, ask_qty=0)
    desk.tick()
    assert went(desk) == [1], "somebody bids 120"
    desk.quote(0, 8_000, bid_qty=0)
    desk.tick()
    assert went(desk) == [1, 2], "somebody offers at 80"


def test_a_mark_that_is_there_already_is_not_waited_for() -> None:
    desk = OrdersDesk()
    desk.quote(18_500, 18_502)
    desk.tick()
    held(desk, "185.01")
    assert went(desk) == [1]


def test_nothing_goes_while_the_venue_is_halted_but_as_soon_as_it_trades() -> None:
    desk = OrdersDesk()
    desk.quote(18_500, 18_502)
    desk.tick()
    held(desk, "184.00")
    session = {"account": 0, "side": 0, "partition": PARTITION_ALL}
    desk.fold({b"frame": report(ReportType.SESSION_SET, aux=Session.HALTED, **session)})
    desk.quote(18_399, 18_401)
    desk.tick(QUOTES_EVERY_MS)
    assert not went(desk)
    desk.fold({b"frame": report(ReportType.SESSION_SET, aux=Session.CONTINUOUS, **session)})
    assert went(desk) == [1]


def test_what_waits_for_the_mark_is_kept_over_a_restart() -> None:
    desk = OrdersDesk()
    desk.quote(18_500, 18_502)
    desk.tick()
    held(desk, "184.00")
    assert desk.restarted() is None
    desk.quote(18_399, 18_401)
    desk.tick()
    assert went(desk) == [1]
