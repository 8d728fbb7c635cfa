"""Terms, quotes and what was traded, as analytics has them of a desk.

Flows in: a function that asks in SQL. Flows out: models. Never sends anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeVar

from fillstream.libs.common.messages.reference import AccountTerms, InstrumentTerms, VenueTerms
from fillstream.libs.common.messages.terms import ReferenceData
from fillstream.libs.common.messages.topology import SIM
from fillstream.services.analytics.query.of_positions import value_of
from fillstream.tools.preview import Market, Terms
from fillstream.tools.route_preview import Known

Ask = Callable[[str], list[dict[str, Any]]]
Side = list[tuple[Decimal, Decimal]]
"""Of a book: (price, quantity), the best first."""
Model = TypeVar("Model", bound=ReferenceData)

STATES = ("HALTED", "REDUCING")
"""The strictest first."""


NOTHING_SHOWN: Mapping[str, Market] = MappingProxyType({})


def terms_of(
    ask: Ask, symbol: str, named: str, venue: str | None, shown: Mapping[str, Market] = NOTHING_SHOWN
) -> Terms:
    """Return what the desk knows of whoever trades what and where.

    Args:
        ask: returns the rows of a query, by column.
        symbol: of the instrument.
        named: the account, or an alias of it.
        venue: where the order says it goes, None where it does not.
        shown: the instrument's markets by venue, as whoever asks sees them; analytics, some way behind, is asked for
            those that are not among them.

    Raises:
        ValueError: there is no such instrument, account or venue.
    """
    aliases = {row["alias"]: row["account"] for row in ask("SELECT alias, account FROM aliases")}
    account = aliases.get(named, named)
    instrument = _model(InstrumentTerms, "instrument_id", _one(ask, "instruments", "symbol", symbol))
    limits = _model(AccountTerms, "account_id", _one(ask, "accounts", "account", account))
    venues = {SIM: VenueTerms()} | {row["venue"]: _known(VenueTerms, row) for row in ask("SELECT * FROM venues")}
    at = venue or limits.venue or instrument.venue or SIM
    if at not in venues:
        raise ValueError(f"venue: {at} is no venue of this desk, {', '.join(venues)}")
    traded = ask(
        "SELECT date_diff('day', f.time::DATE, current_date) AS day, "  # noqa: S608 - they are quoted
        f"sum(abs({value_of('f.last_qty', 'f.last_px')}))::VARCHAR AS value "
        "FROM fills f JOIN instruments i USING (symbol) "
        f"WHERE f.account = {_text(account)} AND f.venue = {_text(at)} AND f.currency = {_text(instrument.currency)} "
        "AND f.time < current_date GROUP BY day"
    )
    return Terms(
        symbol=symbol,
        instrument=instrument,
        account=account,
        limits=limits,
        venue=at,
        venues=venues,
        market=shown[at] if at in shown else _market(ask, symbol, at),
        traded={int(row["day"]): Decimal(row["value"]) for row in traded},
        state=_state(ask, account),
    )


def known_of(ask: Ask, symbol: str, named: str) -> Known:
    """Return what the desk knows of all its venues for whoever would trade what; see `terms_of`.

    Raises:
        ValueError: there is no such instrument or account.
    """
    home = terms_of(ask, symbol, named, None)
    at = {name: home if name == home.venue else terms_of(ask, symbol, named, name) for name in home.venues}
    return Known(home, at, levels_of(ask, symbol), closed_of(ask, symbol))


def volume_of(ask: Ask, symbol: str) -> Decimal | None:
    """Return what was traded of an instrument in the last 24 hours, at all venues of the desk; None of nothing."""
    query = (
        f"SELECT sum(quantity) AS v FROM trades WHERE symbol = {_text(symbol)} AND log_time > now() - INTERVAL 24 HOUR"  # noqa: S608
    )
    [row] = ask(query)
    return None if row["v"] is None else Decimal(str(row["v"]))


def levels_of(ask: Ask, symbol: str) -> dict[str, tuple[Side, Side]]:
    """Return the newest bids and asks that each venue's book showed, best first: (price, quantity). They may be old."""
    told = ask(
        "WITH newest AS (SELECT venue, bids, asks FROM depth "  # noqa: S608 - it is quoted
        f"WHERE symbol = {_text(symbol)} QUALIFY row_number() OVER (PARTITION BY venue ORDER BY time DESC) = 1), "
        "each AS (SELECT venue, 'bid' AS side, unnest(bids) AS level FROM newest "
        "UNION ALL SELECT venue, 'ask', unnest(asks) FROM newest) "
        "SELECT venue, side, level.price::VARCHAR AS price, level.quantity::VARCHAR AS quantity FROM each"
    )
    found: dict[str, tuple[Side, Side]] = {}
    for row in told:
        bids, asks = found.setdefault(row["venue"], ([], []))
        (bids if row["side"] == "bid" else asks).append((Decimal(row["price"]), Decimal(row["quantity"])))
    for bids, asks in found.values():
        bids.sort(reverse=True)
        asks.sort()
    return found


def closed_of(ask: Ask, symbol: str) -> dict[str, str]:
    """Return the venues to which no order in an instrument is routed now, each with why."""
    found = {
        row["venue"]: f"has the session {row['session']}"
        for row in ask(
            "SELECT venue, session FROM events WHERE type = 'SessionChanged' "  # noqa: S608 - it is quoted
            f"AND symbol = {_text(symbol)} "
            "QUALIFY row_number() OVER (PARTITION BY venue ORDER BY time DESC, seq DESC) = 1"
        )
        if row["session"] != "CONTINUOUS"
    }
    for row in ask(
        "SELECT name FROM events WHERE type = 'BreakerChanged' AND scope = 'VENUE' "
        "QUALIFY row_number() OVER (PARTITION BY log_stream, name ORDER BY seq DESC) = 1 AND new_state <> 'CLOSED'"
    ):
        found[row["name"]] = "has a breaker that is not closed"
    return found


def _market(ask: Ask, symbol: str, venue: str) -> Market:
    quotes = ask(
        "SELECT bid_px, bid_qty, ask_px, ask_qty, last_px FROM events WHERE type = 'QuoteUpdated' "  # noqa: S608
        f"AND symbol = {_text(symbol)} AND venue = {_text(venue)} ORDER BY time DESC, seq DESC LIMIT 1"
    )
    return Market(**quotes[0]) if quotes else Market()


def _state(ask: Ask, account: str) -> str:
    rows = ask(
        "SELECT account, new_state FROM events WHERE type = 'TradingStateChanged' "  # noqa: S608 - it is quoted
        f"AND (account IS NULL OR account = {_text(account)}) "
        "QUALIFY row_number() OVER (PARTITION BY account ORDER BY time DESC, seq DESC) = 1"
    )
    told = {row["new_state"] for row in rows}
    return next((state for state in STATES if state in told), "ACTIVE")


def _one(ask: Ask, view: str, name: str, value: str) -> dict[str, Any]:
    rows = ask(f"SELECT * FROM {view} WHERE {name} = {_text(value)}")  # noqa: S608 - it is quoted
    if not rows:
        raise ValueError(f"{name}: {value} is none of this desk")
    return rows[0]


def _model(model: type[Model], number: str, row: Mapping[str, Any]) -> Model:
    return _known(model, {**row, "id": row[number]})


def _known(model: type[Model], row: Mapping[str, Any]) -> Model:
    """Return terms of what a row says of them; what it does not say has its default."""
    return model.out_of({name: value for name, value in row.items() if value is not None})


def _text(value: str) -> str:
    return "'{}'".format(value.replace("'", "''"))
