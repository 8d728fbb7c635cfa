"""`fillstream venues`: where this desk's orders go, for money or not, on which terms."""

from __future__ import annotations

from typing import Any

import typer

from fillstream.cli.asking import analytics
from fillstream.cli.commands import LOOK
from fillstream.cli.options import AnalyticsUrl, AsJson, Config, Desk
from fillstream.tools.render import show

DEFINED = "SELECT * EXCLUDE (time, log_stream) FROM venues"
HOMES = "SELECT venue, count(*) AS instruments FROM instruments GROUP BY venue"
OWN = "SELECT venue, list(account ORDER BY account) AS accounts FROM accounts WHERE venue IS NOT NULL GROUP BY venue"
BREAKERS = """
SELECT name AS venue, new_state AS breaker FROM events WHERE type = 'BreakerChanged' AND scope = 'VENUE'
QUALIFY row_number() OVER (PARTITION BY log_stream, name ORDER BY seq DESC) = 1
"""
COLUMNS = ("venue", "mode", "instruments", "accounts", "maker_fee_bps", "taker_fee_bps", "breaker")
MOST = 100_000
STRICTEST = ("OPEN", "HALF_OPEN", "CLOSED")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=LOOK)(venues)


def venues(
    json: AsJson = False,
    analytics_url: AnalyticsUrl = None,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """List the venues: PAPER of a simulated one, LIVE of another; who goes there by default; fees; its breaker.

    \b
    fillstream venues
    fillstream venues --json

    By default orders go to their account's venue, and where that names none to their instrument's. Fees that are not
    the venue's own are the instrument's. --json has all terms.
    """
    from fillstream.libs.common.messages.modes import mode_at
    from fillstream.libs.common.messages.reference import VenueTerms
    from fillstream.libs.common.messages.topology import SIM

    with analytics(config, desk, analytics_url) as ask:
        said = {row["venue"]: row for row in ask.sql(DEFINED, MOST).rows}
        homes = {row["venue"]: row["instruments"] for row in ask.sql(HOMES, MOST).rows}
        own = {row["venue"]: row["accounts"] for row in ask.sql(OWN, MOST).rows}
        breakers: dict[str, list[str]] = {}
        for row in ask.sql(BREAKERS, MOST).rows:
            breakers.setdefault(row["venue"], []).append(row["breaker"])
    rows: list[dict[str, Any]] = []
    for name in sorted({SIM, *said}, key=lambda each: (each != SIM, each)):
        # What is not said has its default, as of a venue that was never defined.
        known = {field: value for field, value in said.get(name, {}).items() if value is not None}
        terms = VenueTerms.out_of(known)
        states = breakers.get(name, ["CLOSED"] if terms.has_breaker else [])
        row = {
            "venue": name,
            "mode": mode_at(terms).value,
            "instruments": homes.get(name, 0),
            "accounts": own.get(name, []),
        }
        row |= {**terms.rare(), **terms.values()}
        row["breaker"] = next((state for state in STRICTEST if state in states), None)
        row["accounts"] = row["accounts"] if json else ", ".join(row["accounts"]) or None
        rows.append(row)
    show("venues", COLUMNS, rows, json, ("accounts", "breaker"))
