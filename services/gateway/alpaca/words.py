"""Our words in Alpaca's, and the ids that Alpaca's clients insist on.

Flows in: codes, numbers, times and names of the desk. Flows out: theirs. Never invents a word that their enumerations
do not have: an unknown one makes their clients raise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from fillstream.libs.common.messages.codes import OrderType, OrdStatus, TimeInForce
from fillstream.libs.common.values.moments import milliseconds, text_of
from fillstream.libs.common.values.money import canonical
from fillstream.services.gateway.state.rows import Row

NAMESPACE: Final = uuid5(NAMESPACE_URL, "https://fillstream.dev/alpaca")
"""Of all ids here: they follow from our names, so every gateway of a desk has the same, before and after a restart."""

STATUS: Final[Mapping[str, str]] = {
    OrdStatus.PENDING_NEW: "pending_new",
    OrdStatus.NEW: "new",
    OrdStatus.PARTIALLY_FILLED: "partially_filled",
    OrdStatus.FILLED: "filled",
    OrdStatus.PENDING_CANCEL: "pending_cancel",
    OrdStatus.PENDING_REPLACE: "pending_replace",
    OrdStatus.CANCELED: "canceled",
    OrdStatus.REJECTED: "rejected",
    OrdStatus.EXPIRED: "expired",
    OrdStatus.SUSPENDED: "suspended",
    OrdStatus.DONE_FOR_DAY: "done_for_day",
    OrdStatus.STOPPED: "stopped",
    OrdStatus.CALCULATED: "calculated",
}
TYPES: Final[Mapping[str, str]] = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP: "stop",
    OrderType.STOP_LIMIT: "stop_limit",
    OrderType.TRAILING_STOP: "trailing_stop",
    OrderType.MARKET_TO_LIMIT: "market",
    OrderType.MARKET_IF_TOUCHED: "stop",
    OrderType.LIMIT_IF_TOUCHED: "stop_limit",
}
"""Those that Alpaca does not have by the nearest that it has: no client can send one of them here."""
TIMES: Final[Mapping[str, str]] = {
    TimeInForce.DAY: "day",
    TimeInForce.GTC: "gtc",
    TimeInForce.GTD: "gtc",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "fok",
    TimeInForce.AT_THE_OPENING: "opg",
    TimeInForce.AT_THE_CLOSE: "cls",
}
OWN_TYPES: Final = {TYPES[each]: each.value for each in reversed(OrderType) if TYPES[each] == each.value.lower()}
OWN_TIMES: Final = {"opg": "AT_THE_OPENING", "cls": "AT_THE_CLOSE", "day": "DAY", "gtc": "GTC", "ioc": "IOC",
                    "fok": "FOK"}  # fmt: skip
CLASSES: Final[Mapping[str, str]] = {
    "BRACKET": "bracket",
    "ONE_CANCELS_OTHER": "oco",
    "ONE_UPDATES_OTHER": "oco",
    "ONE_TRIGGERS_OTHER": "oto",
}
STOPS, TARGETS = ("stop_loss", "trailing_stop"), ("take_profit", "take_profits")
COINS: Final = frozenset(("USDT", "USDC", "FDUSD", "BUSD", "DAI", "BTC", "ETH", "BNB"))
"""What is quoted in one of these is crypto."""
EQUITIES: Final = "NASDAQ"
"""The exchange that every share is said to be of: our venues are none of those that Alpaca's clients know."""
_PLACE = re.compile(r"\d{4}-\d\d-\d\d")


def uuid_of(*names: str) -> str:
    """Return the id of what goes by these names."""
    return str(uuid5(NAMESPACE, " ".join(names)))


def account_uuid(account: str) -> str:
    """Return an account's id."""
    return uuid_of("account", account)


def asset_uuid(symbol: str) -> str:
    """Return an instrument's id."""
    return uuid_of("asset", symbol)


def is_uuid(said: str) -> bool:
    """Whether a text is an id as theirs are."""
    try:
        return str(UUID(said)) == said.lower()
    except ValueError:
        return False


def moment(ms: int | None) -> str | None:
    """Return a time (ms since 1970) as RFC 3339 has it, None of none."""
    return None if ms is None else text_of(ms)


def milliseconds_of(said: str) -> int | None:
    """Return the time (ms since 1970) that RFC 3339, or a date, says; None where it says none."""
    if _PLACE.fullmatch(said):
        said = f"{said}T00:00:00Z"
    return milliseconds(said.replace(" ", "+"))  # a plus that a query had was read as a space


def text(number: Decimal) -> str:
    """Return a number as text without an exponent."""
    return canonical(number)


def asset_class(instrument: Row | None) -> str:
    """Return an instrument's class: by what it is quoted in, and how it is settled."""
    if instrument is None:
        return "us_equity"
    is_coin = instrument.get("currency") in COINS or instrument.get("inverse") or "/" in instrument["symbol"]
    return "crypto" if is_coin else "us_equity"


def exchange(instrument: Row | None) -> str:
    """Return the exchange that an instrument is said to be of."""
    return "CRYPTO" if asset_class(instrument) == "crypto" else EQUITIES


def order_class(row: Row, listed: Mapping[str, Any] | None) -> str:
    """Return an order's class.

    Args:
        row: the order, an entry or one of a list.
        listed: the list that it is one of, None where none was told.
    """
    if listed is not None and (said := CLASSES.get(listed["contingency_type"])) in ("oco", "oto"):
        return said
    stops, targets = (any(row.get(name) for name in names) for names in (STOPS, TARGETS))
    if stops and targets:
        return "bracket"
    return "oto" if stops or targets else "simple"
