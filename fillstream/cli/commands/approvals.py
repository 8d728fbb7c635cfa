"""`fillstream approvals`, `approve` and `refuse`: orders that wait for a person's yes."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from fillstream.cli.asking import analytics
from fillstream.cli.commands import REPAIR
from fillstream.cli.controlling import ControlId, Reason, Timeout, tell
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import AnalyticsUrl, AsJson, Config, Desk, OperatorUrl, Who
from fillstream.libs.common.values.naming import ORDER_ID, shorten
from fillstream.tools.render import show, time_of

WAITING = """
SELECT s.order_id, s.client_order_id, s.account, s.symbol, s.side, s.quantity, r.order_type, r.price,
       s.approval_time
FROM events s
JOIN events r ON r.order_id = s.order_id AND r.type = 'OrderReceived'
JOIN orders o ON o.order_id = s.order_id AND o.ord_status = 'Suspended'
WHERE s.type = 'OrderSuspended' AND s.approval_time IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM events l WHERE l.type = 'OrderSuspended' AND l.order_id = s.order_id AND l.approval_time IS NULL
)
ORDER BY s.approval_time, s.order_id
"""
COLUMNS = ("order_id", "client_order_id", "account", "symbol", "side", "quantity", "order_type", "price", "until")


def _order_id(text: str) -> str:
    """Say it in a person's words: the desk's own sentence has a pattern in it."""
    if not re.fullmatch(ORDER_ID, text):
        raise Stop(Exit.USAGE, f"ORDER: {shorten(text)} must be an order's number; `fillstream approvals` lists them")
    return text


OrderId = Annotated[str, typer.Argument(metavar="ORDER", help="The order's number; `fillstream approvals` lists them.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (approvals, approve, refuse):
        app.command(rich_help_panel=REPAIR)(command)


def approvals(
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """List the orders that wait for a person's yes, and until when: the soonest first.

    \b
    fillstream approvals
    fillstream approvals --json
    """
    with analytics(config, desk, analytics_url) as ask:
        rows = ask.sql(WAITING, 100_000).rows
    for row in rows:
        until = row.pop("approval_time")
        row["until"] = until if json else time_of(until)
    show("approvals", COLUMNS, rows, json, ("client_order_id", "order_type"))


def approve(
    order: OrderId,
    reason: Reason,
    quantity: Annotated[
        str | None, typer.Option("--quantity", "--qty", metavar="QTY", help="Less than was asked for.")
    ] = None,
    price: Annotated[str | None, typer.Option("--price", help="A less aggressive one.")] = None,
    who: Who = None,
    control_id: ControlId = None,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Let an order go that waits for it, as it is, smaller, or at a less aggressive price.

    \b
    fillstream approve 42 --reason "as discussed"
    fillstream approve 42 --quantity 50 --price 184.50 --reason "half of it" --json
    """
    urls = (operator_url, desk, config)
    order = _order_id(order)
    tell("Approve", None, who, reason, control_id, timeout, json, urls, order_id=order, quantity=quantity, price=price)


def refuse(
    order: OrderId,
    reason: Reason,
    who: Who = None,
    control_id: ControlId = None,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Cancel an order that waits for an approval.

    \b
    fillstream refuse 42 --reason "too large for today"
    fillstream refuse 42 --reason "too large for today" --json
    """
    urls = (operator_url, desk, config)
    tell("Refuse", None, who, reason, control_id, timeout, json, urls, order_id=_order_id(order))
