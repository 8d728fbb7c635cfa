"""Markets as Alpaca's data says them: quotes and trades, for requests and for its stream.

Flows in: rows of markets. Flows out: objects of JSON; times as RFC 3339, of the stream's as they are. Never makes a
price that nobody told: 0 is Alpaca's word for a side that nobody quotes.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from fillstream.services.gateway.alpaca.words import moment
from fillstream.services.gateway.state.rows import Row

EXCHANGE: Final = "V"
"""IEX, whose feed a client asks for that says nothing."""
TAPE: Final = "C"


def number(said: str | None) -> float:
    """Return a price as a JSON number, 0 of none."""
    return 0.0 if said is None else float(said)


def whole(said: str | None) -> int:
    """Return a size as Alpaca's stocks have it: whole, what is beyond cut off."""
    return 0 if said is None else int(Decimal(said))


def quote_json(row: Row) -> dict[str, Any]:
    """Return a market's best bid and ask."""
    return {
        "t": moment(row["updated_time"]),
        "ax": EXCHANGE,
        "ap": number(row.get("ask_px")),
        "as": whole(row.get("ask_qty")),
        "bx": EXCHANGE,
        "bp": number(row.get("bid_px")),
        "bs": whole(row.get("bid_qty")),
        "c": ["R"],
        "z": TAPE,
    }


def trade_json(row: Row) -> dict[str, Any]:
    """Return a trade of a market: of its stream, or the last price of its quote, of which no size is known."""
    return {
        "t": moment(row.get("time", row.get("updated_time"))),
        "x": EXCHANGE,
        "p": number(row.get("price", row.get("last_px"))),
        "s": whole(row.get("quantity")),
        "i": row.get("number", 0),
        "c": ["@"],
        "z": TAPE,
    }


def streamed(kind: str, symbol: str, said: dict[str, Any], ms: int) -> dict[str, Any]:
    """Return a message of the stream.

    Args:
        kind: `q` or `t`.
        symbol: that it is of.
        said: the quote or the trade.
        ms: when it was (ms since 1970); what sends it makes Alpaca's time of it.
    """
    return {"T": kind, "S": symbol, **said, "t": ms}
