"""What a desk is like now, asked of analytics and, where it must not be behind, of the journal.

Flows in: what is asked. Flows out: models of `rows`. Never keeps anything: each question is asked anew.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from fillstream.client.analytics import AnalyticsError, Asking, Found, Parameter, quoted
from fillstream.client.rows import AccountState, AccountValue, FillRow, MarketState, OrderRow, PositionRow
from fillstream.client.scripts import Commands, Script
from fillstream.libs.common.messages.base import head_of
from fillstream.libs.common.messages.topology import SIM, Topology, id_ms

logger = logging.getLogger(__name__)

MAX_ROWS = 100_000
"""The most that analytics answers with."""
LOOK_BACK = 20
"""Pages of the journal that are looked through for a quote before analytics is asked."""
PAGE = 500
OVER = "('Filled', 'Canceled', 'Rejected', 'Expired', 'Calculated')"
STATES = ("HALTED", "REDUCING")
"""The strictest first."""


class DeskNow:
    """The scripts that ask how things stand.

    Args:
        topology: the desk's.
        asking: asks analytics.
    """

    def __init__(self, topology: Topology, asking: Asking) -> None:
        self._topology = topology
        self._asking = asking

    def orders(self, params: Mapping[str, Parameter]) -> Script[list[OrderRow]]:
        """Return orders, the newest first."""
        return [OrderRow.model_validate(row) for row in told((yield from self._asking.find("/orders", params)))]

    def fills(self, params: Mapping[str, Parameter]) -> Script[list[FillRow]]:
        """Return fills, the newest first."""
        return [FillRow.model_validate(row) for row in told((yield from self._asking.find("/fills", params)))]

    def positions(self, params: Mapping[str, Parameter], flat_too: bool) -> Script[list[PositionRow]]:
        """Return positions by account and symbol."""
        rows = told((yield from self._asking.find("/positions", params)))
        found = [PositionRow.model_validate(row) for row in rows]
        return [each for each in found if flat_too or each.position]

    def sql(self, text: str, limit: int | None) -> Script[Found]:
        """Return what a query finds; whole, unless a limit says that a part will do.

        Raises:
            AnalyticsError: there are more rows than analytics answers with.
        """
        found = yield from self._asking.sql(text, MAX_ROWS if limit is None else limit)
        if found.truncated and limit is None:
            raise AnalyticsError(f"the query has more than {MAX_ROWS} rows; ask for less, or give a limit")
        told(found)
        return found

    def account(self, name: str) -> Script[AccountState]:
        """Return how an account stands.

        Raises:
            LookupError: the desk has no such account.
        """
        aliases = yield from self._rows(f"SELECT account FROM aliases WHERE alias = {quoted(name)}")  # noqa: S608
        account = str(aliases[0]["account"]) if aliases else name
        of_account = f"account = {quoted(account)}"
        limits = yield from self._rows(f"SELECT * FROM accounts WHERE {of_account}")  # noqa: S608 - it is quoted
        if not limits:
            raise LookupError(f"account: {name} is none of this desk's")
        modes = yield from self._rows(f"SELECT mode FROM modes WHERE {of_account}")  # noqa: S608 - it is quoted
        [working] = yield from self._rows(
            f"SELECT count(*) AS n FROM orders WHERE {of_account} AND ord_status NOT IN {OVER}"  # noqa: S608
        )
        states = yield from self._rows(
            "SELECT new_state FROM events WHERE type = 'TradingStateChanged' "  # noqa: S608 - it is quoted
            f"AND (account IS NULL OR {of_account}) "
            "QUALIFY row_number() OVER (PARTITION BY account ORDER BY time DESC, seq DESC) = 1"
        )
        positions = yield from self.positions({"account": account, "limit": MAX_ROWS}, flat_too=True)
        values = yield from self._rows(f"SELECT * FROM account_values WHERE {of_account}")  # noqa: S608 - it is quoted
        said = {row["new_state"] for row in states}
        pnl: dict[str, Decimal] = {}
        for each in positions:
            if each.net_pnl is not None:
                pnl[each.currency] = pnl.get(each.currency, Decimal(0)) + each.net_pnl
        return AccountState(
            account=account,
            alias=name if aliases else None,
            mode=modes[0]["mode"] if modes else None,
            trading_state=next((state for state in STATES if state in said), "ACTIVE"),
            limits={key: value for key, value in limits[0].items() if key not in ("time", "log_stream")},
            positions=[each for each in positions if each.position],
            working_orders=int(working["n"]),
            net_pnl=pnl,
            value=AccountValue.model_validate(values[0]) if values else None,
        )

    def market(self, symbol: str, venue: str) -> Script[MarketState | None]:
        """Return a market as the desk saw it last: by the journal, or by analytics where that is long ago.

        None where it never saw one, or that was long ago and there is no analytics to ask.
        """
        found = yield from self._newest({"type": "QuoteUpdated", "symbol": symbol, "venue": venue})
        if found is not None:
            return _market(found[0], found[1])
        try:
            rows = yield from self._rows(
                "SELECT symbol, venue, log_id, bid_px, bid_qty, ask_px, ask_qty, last_px FROM events "  # noqa: S608
                f"WHERE type = 'QuoteUpdated' AND symbol = {quoted(symbol)} AND venue = {quoted(venue)} "
                "ORDER BY time DESC, seq DESC LIMIT 1"
            )
        except AnalyticsError as error:
            logger.info("%s at %s: the journal told no quote lately, and analytics is not asked: %s",
                        symbol, venue, error)  # fmt: skip
            return None
        return _market(rows[0]["log_id"], rows[0]) if rows else None

    def tick_size(self, symbol: str) -> Script[Decimal]:
        """Return the tick size of an instrument (price), by the journal's definition of it, or analytics'.

        Raises:
            LookupError: neither has it.
        """
        found = yield from self._oldest({"type": "InstrumentDefined", "symbol": symbol})
        if found is not None:
            return Decimal(found[1]["tick_size"])
        where = f"symbol = {quoted(symbol)}"
        try:
            rows = yield from self._rows(f"SELECT tick_size FROM instruments WHERE {where}")  # noqa: S608 - it is quoted
        except AnalyticsError as error:
            raise LookupError(f"symbol: the tick size of {symbol} is not known: {error}") from error
        if not rows:
            raise LookupError(f"symbol: {symbol} is none of this desk's")
        return Decimal(rows[0]["tick_size"])

    def open_positions(self, account: str) -> Script[list[PositionRow]]:
        """Return what an account holds, as the positions stage told last; analytics knows what is long ago."""
        stream = self._topology.positions(self._topology.account_partition(account))
        found: dict[tuple[str, str | None], PositionRow] = {}
        upto, is_whole = "+", False
        for _ in range(LOOK_BACK):
            [entries] = yield Commands([("XREVRANGE", stream, upto, "-", "COUNT", PAGE)])
            for _, fields in entries:
                event = orjson.loads(fields[b"data"]) if b"data" in fields else {}
                if event.get("account") == account and "avg_px" in event:
                    row = PositionRow.model_validate(event)
                    found.setdefault(row.key, row)
            is_whole = len(entries) < PAGE
            if is_whole:
                break
            upto = f"({entries[-1][0].decode()}"
        if not is_whole:
            try:
                rows = yield from self.positions({"account": account, "limit": MAX_ROWS}, flat_too=False)
            except AnalyticsError as error:
                logger.warning(
                    "what %s has held for long is not known, there is no analytics to ask: %s", account, error
                )
            else:
                found = {**{row.key: row for row in rows}, **found}
        return [row for row in found.values() if row.position]

    def _rows(self, query: str) -> Script[list[dict[str, Any]]]:
        return told((yield from self._asking.sql(query, MAX_ROWS)))

    def _newest(self, wanted: dict[str, str]) -> Script[tuple[str, dict[str, Any]] | None]:
        """Look back from the journal's end for a message; each partition is told of every market and instrument."""
        journal, upto = self._topology.events(0), "+"
        for _ in range(LOOK_BACK):
            [entries] = yield Commands([("XREVRANGE", journal, upto, "-", "COUNT", PAGE)])
            found = _first(entries, wanted)
            if found is not None or len(entries) < PAGE:
                return found
            upto = f"({entries[-1][0].decode()}"
        return None

    def _oldest(self, wanted: dict[str, str]) -> Script[tuple[str, dict[str, Any]] | None]:
        """Look into the first page of the journal, where a desk says what it trades."""
        [entries] = yield Commands([("XRANGE", self._topology.events(0), "-", "+", "COUNT", PAGE)])
        return _first(entries, wanted)


def _first(entries: Sequence[Any], wanted: dict[str, str]) -> tuple[str, dict[str, Any]] | None:
    for entry_id, fields in entries:
        data = fields.get(b"data")
        if data is not None and head_of(data)[0] == wanted["type"]:
            event = orjson.loads(data)
            if all(event.get(name, SIM) == value for name, value in wanted.items()):
                return entry_id.decode(), event
    return None


def _market(entry_id: str, told: dict[str, Any]) -> MarketState:
    named = {name: told.get(name) for name in MarketState.model_fields}
    return MarketState.model_validate({**named, "venue": told.get("venue", SIM), "time_ms": id_ms(entry_id)})


def told(found: Found) -> list[dict[str, Any]]:
    """Return rows, after having said in the log what may be missing of them."""
    for sentence in found.incomplete:
        logger.warning("incomplete: %s", sentence)
    return found.rows
