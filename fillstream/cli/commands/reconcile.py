"""`fillstream reconcile`: whether venues, orders, positions and analytics agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.commands import REPAIR
from fillstream.cli.controlling import ControlId, Timeout
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import OPERATOR_VARIABLE, AnalyticsUrl, AsJson, Config, OperatorUrl, RedisUrl, Who, login
from fillstream.tools.render import as_json, console, show, time_of

if TYPE_CHECKING:
    from fillstream.tools.reconciliation import Findings

LAST = """
SELECT venue, symbol_partition, complete, orders, fills, positions, in_motion, differences, unresolved, time, text
FROM events WHERE type = 'VenueReconciled'
QUALIFY row_number() OVER (PARTITION BY log_stream, venue, symbol_partition ORDER BY seq DESC) = 1
ORDER BY venue, symbol_partition, log_stream
"""
DIFFERENCES = """
WITH last AS (
    SELECT log_stream, request_id FROM events WHERE type = 'VenueReconciled'
    QUALIFY row_number() OVER (PARTITION BY log_stream, venue, symbol_partition ORDER BY seq DESC) = 1
)
SELECT e.venue, e.difference, e.resolution, e.account, e.symbol, e.order_id, e.venue_order_id, e.desk_has,
       e.venue_has, e.text
FROM events e JOIN last USING (log_stream, request_id) WHERE e.type = 'ReconciliationDifference'
ORDER BY e.log_stream, e.seq
"""
POSITIONS = """
SELECT account, positions, differences, differing, time FROM position_events WHERE type = 'PositionsReconciled'
QUALIFY row_number() OVER (PARTITION BY log_stream, account ORDER BY seq DESC) = 1
ORDER BY account
"""
HOLDINGS = "SELECT account, symbol, stated, booked, time FROM holdings_compared WHERE stated <> booked ORDER BY ALL"
VENUES_SHOWN = ("venue", "book", "complete", "orders", "fills", "positions", "in_motion", "differences", "unresolved")
DIFFERENCES_SHOWN = (
    "venue", "difference", "resolution", "account", "symbol", "order_id", "desk_has", "venue_has", "text",
)  # fmt: skip
POSITIONS_SHOWN = ("account", "symbol", "orders_stage", "positions_stage")
HOLDINGS_SHOWN = ("account", "symbol", "stated", "booked", "time")
MOST = 100_000


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=REPAIR)(reconcile)


def reconcile(
    account: Annotated[str | None, typer.Argument(metavar="[ACCOUNT]", help="Of one account; else of all.")] = None,
    venue: Annotated[str | None, typer.Option("--venue", help="Ask this venue alone; else all of them.")] = None,
    last: Annotated[
        bool, typer.Option("--last", help="Ask nobody: show what analytics has of the last time, and what it compares.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why, in your words; kept in the journal.")] = "looked at",
    who: Who = None,
    control_id: ControlId = None,
    timeout: Timeout = 15.0,
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Ask venues for what they have, compare it with the desk, and the orders stage with the positions stage.

    \b
    fillstream reconcile
    fillstream reconcile default --venue SIM --json
    fillstream reconcile --last

    It ends with 1 while something is left for a person to look at. docs/reconciliation.md has what is a difference and
    what is done about it.
    """
    if last:
        _show_last(analytics_url, redis_url, config, json)
        return
    import redis

    from fillstream.cli.target import urls_of
    from fillstream.client import Client
    from fillstream.libs.common.runtime.log import connect
    from fillstream.tools.reconciliation import Listener

    desk = urls_of(operator_url, redis_url, config)
    said: dict[str, Any] = {"who": who or login(), "reason": reason, "control_id": control_id, "timeout_s": timeout}
    if venue is not None:
        said["venue"] = venue
    with Client(desk.url, desk.topology) as client:
        raw = connect(desk.url)
        try:
            listener = Listener(raw, desk.topology)
            listener.begin()
            answer = client.control("Reconcile", account, **said)
            if answer.refusal or answer.events[0]["type"] != "ControlApplied":
                raise Stop(Exit.NO, answer.text)
            found = listener.hear(answer.control_id, timeout)
        except ValueError as error:
            raise Stop(Exit.USAGE, str(error)) from None
        except redis.exceptions.NoPermissionError as error:
            text = f"Redis: {error}; {OPERATOR_VARIABLE} or --operator-url names the user that may: operator"
            raise Stop(Exit.NO, text) from None
        finally:
            raw.close()
    _show(found, answer.control_id, json)


def _show(found: Findings, control_id: str, json: bool) -> None:
    positions = [*found.compared.values()]
    if json:
        as_json(
            {
                "control_id": control_id,
                "agrees": found.agrees and not found.missing,
                "venues": [*found.reconciled.values()],
                "differences": found.differences,
                "positions": positions,
                "missing": found.missing,
            }
        )
    else:
        _tables([*found.reconciled.values()], found.differences, positions)
    if found.missing:
        raise Stop(Exit.NO_ANSWER, "; ".join(found.missing))
    if not found.agrees:
        raise typer.Exit(Exit.NO)


def _tables(venues: list[dict[str, Any]], differences: list[dict[str, Any]], positions: list[dict[str, Any]]) -> None:
    rows = [{**event, "book": event["symbol_partition"]} for event in venues]
    for row in rows:
        row["complete"] = "yes" if row["complete"] else "no"
    show("venues", VENUES_SHOWN, rows, False, ("fills", "in_motion"))
    if differences:
        show("differences", DIFFERENCES_SHOWN, differences, False, ("text",))
    differing = [_differing(m["account"], each) for m in positions for each in m["differing"] or ()]
    if differing:
        show("positions", POSITIONS_SHOWN, differing, False)
    else:
        count = sum(message["positions"] for message in positions)
        told = f"{count} positions of {len(positions)} accounts are the same in the orders and the positions stage"
        console().print(told, soft_wrap=True)


def _differing(account: str, text: str) -> dict[str, str]:
    """Return a row of what both stages have: position, cash and fees of each."""
    symbol, *numbers = text.split(" ")
    return {
        "account": account,
        "symbol": symbol,
        "orders_stage": " ".join(numbers[:3]),
        "positions_stage": " ".join(numbers[3:]),
    }


def _show_last(analytics_url: str | None, redis_url: str | None, config: Any, json: bool) -> None:
    from fillstream.cli.analytics_client import AnalyticsClient
    from fillstream.cli.target import find_target

    with AnalyticsClient(find_target(config, redis_url).analytics_url(analytics_url)) as ask:
        venues, differences, positions, holdings = (
            ask.sql(sql, MOST).rows for sql in (LAST, DIFFERENCES, POSITIONS, HOLDINGS)
        )
    if json:
        as_json({"venues": venues, "differences": differences, "positions": positions, "analytics": holdings})
    else:
        _tables(venues, differences, positions)
        for row in holdings:
            row["time"] = time_of(row["time"])
        show("analytics: what its own rows add up to", HOLDINGS_SHOWN, holdings, False)
    unresolved = any(not row["complete"] or row["unresolved"] for row in venues)
    if unresolved or holdings or any(row["differences"] for row in positions):
        raise typer.Exit(Exit.NO)
