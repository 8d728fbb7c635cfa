"""What Alpaca's clients ask for, as our signals.

Flows in: decoded bodies. Flows out: the fields of a signal, without its id and account. Never leaves out what was asked
for: what cannot be honoured is refused with a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from fillstream.libs.common.messages.codes import ContingencyType, OrderType
from fillstream.libs.common.values.money import parse
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.alpaca.index import STOP_LOSS, TAKE_PROFIT
from fillstream.services.gateway.alpaca.words import OWN_TIMES, OWN_TYPES, TIMES, TYPES, text
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.state.rows import Row

FIELDS: Final = frozenset(
    ("symbol", "qty", "notional", "side", "type", "time_in_force", "limit_price", "stop_price", "trail_price",
     "trail_percent", "extended_hours", "client_order_id", "order_class", "take_profit", "stop_loss",
     "position_intent", "legs", "advanced_instructions", "order_type")
)  # fmt: skip
AMENDABLE: Final = frozenset(
    ("qty", "time_in_force", "limit_price", "stop_price", "trail", "client_order_id", "notional",
     "advanced_instructions")
)  # fmt: skip
NOT_HERE: Final[Mapping[str, str]] = {
    "extended_hours": "an instrument trades in its calendar's sessions, and no order outside of them",
    "advanced_instructions": "algorithms and destinations are said by `algorithm` and `venue` of POST /v1/orders",
    "legs": "orders of several options are none of this desk's",
}
PRICES: Final[Mapping[str, tuple[str, ...]]] = {
    "market": (),
    "limit": ("limit_price",),
    "stop": ("stop_price",),
    "stop_limit": ("limit_price", "stop_price"),
    "trailing_stop": ("trail_price", "trail_percent"),
}
"""What the types of orders are told."""
INTENTS: Final = {"buy_to_close": "buy", "sell_to_close": "sell"}


def bad(name: str, told: str) -> Refusal:
    """Return the refusal of a field."""
    return Refusal(422, "bad_value", f"{name}: {told}")


def amount(said: Mapping[str, Any], name: str, of: str = "") -> str | None:
    """Return a positive number as exact text, None where there is none.

    Args:
        said: an object of a body.
        name: of the field.
        of: the object's name, for the sentence.

    Raises:
        Refusal: 422: it is no positive number.
    """
    value = said.get(name)
    if value is None:
        return None
    try:
        number = parse(str(value) if isinstance(value, str | Decimal) else "")  # which refuses what is too long
    except ValueError:
        number = Decimal(0)
    if not number.is_finite() or number <= 0:
        raise bad(f"{of}{name}", f"{shorten(value)} must be a number above 0")
    return text(number)


def chosen(said: Mapping[str, Any], name: str, words: Mapping[str, str]) -> str:
    """Return our word for one of theirs.

    Raises:
        Refusal: 422: it is none, or missing.
    """
    value = said.get(name)
    if not isinstance(value, str) or value not in words:
        told = "is missing" if value is None else f"{shorten(value)} must be one of {', '.join(words)}"
        raise bad(name, told)
    return words[value]


def check_names(said: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuse fields that there are not, and those that are not honoured here.

    Raises:
        Refusal: 422.
    """
    if strange := sorted(said.keys() - known):
        name = strange[0][:64].encode("ascii", "backslashreplace").decode()
        raise bad(name, f"is no field here; there are {', '.join(sorted(known))}")
    for name, why in NOT_HERE.items():
        if said.get(name):
            raise Refusal(422, "not_supported", f"{name}: is not supported: {why}")


def new_order(said: Mapping[str, Any], symbol_of: Callable[[str], str]) -> dict[str, Any]:
    """Return the signal of a POST /v2/orders: a NewOrder, or a NewOrderList of an OCO, or of an OTO's stop limit.

    Args:
        said: the body.
        symbol_of: tells our symbol by a symbol or an asset's id.

    Raises:
        Refusal: 422, with a sentence that begins with the field.
    """
    check_names(said, FIELDS)
    kind = said.get("order_class") or "simple"
    match kind:
        case "simple":
            for name in (TAKE_PROFIT, STOP_LOSS):
                if said.get(name):
                    raise bad(name, "comes with an order_class of bracket, oco or oto")
            return _order(said, symbol_of)
        case "bracket" | "oto":
            return _entry(said, symbol_of, kind)
        case "oco":
            return _oco(said, symbol_of)
        case "mleg":
            raise Refusal(422, "not_supported", f"order_class: mleg is not supported: {NOT_HERE['legs']}")
    raise bad("order_class", f"{shorten(kind)} must be one of simple, bracket, oco, oto")


def _order(said: Mapping[str, Any], symbol_of: Callable[[str], str]) -> dict[str, Any]:
    """Return the entry, or an order by itself."""
    found = {**_head(said, symbol_of), **_size(said)}
    shown = said.get("type") or said.get("order_type")
    kind = chosen({"type": shown}, "type", OWN_TYPES)
    found["order_type"] = kind
    prices = {name: amount(said, name) for names in PRICES.values() for name in names}
    given = [name for name, value in prices.items() if value is not None]
    for name in given:
        if name not in PRICES[TYPES[kind]]:
            raise bad(name, f"a {TYPES[kind]} order has none, got {prices[name]}")
    if kind == OrderType.TRAILING_STOP:
        if len(given) != 1:
            raise bad("trail_price", "a trailing_stop order needs exactly one of trail_price and trail_percent")
        found["trailing_offset"] = prices[given[0]]
        found["trailing_offset_type"] = "PERCENT" if given == ["trail_percent"] else "PRICE"
        return found
    for name in PRICES[TYPES[kind]]:
        if prices[name] is None:
            raise bad(name, f"a {TYPES[kind]} order needs one")
    ours = {"price": prices["limit_price"], "stop_price": prices["stop_price"]}
    return {**found, **{name: value for name, value in ours.items() if value is not None}}


def _head(said: Mapping[str, Any], symbol_of: Callable[[str], str]) -> dict[str, Any]:
    symbol, client_id = said.get("symbol"), said.get("client_order_id")
    if not isinstance(symbol, str) or not symbol:
        raise bad("symbol", "is missing" if symbol is None else f"{shorten(symbol)} must be text")
    if client_id is not None and (not isinstance(client_id, str) or not 0 < len(client_id) <= 128):
        raise bad("client_order_id", f"{shorten(client_id)} must be text of 1 to 128 characters")
    found: dict[str, Any] = {"type": "NewOrder", "symbol": symbol_of(symbol)}
    if client_id is not None:
        found["client_order_id"] = client_id
    intent, side = said.get("position_intent"), said.get("side")
    if intent is not None:
        if not isinstance(intent, str) or intent not in INTENTS:
            told = f"{shorten(intent)} is not supported, only {' and '.join(INTENTS)}: whether an order opens or closes"
            raise Refusal(422, "not_supported", f"position_intent: {told} follows from what is held as it trades")
        if side not in (None, INTENTS[intent]):
            raise bad("side", f"{shorten(side)} is another than position_intent {intent} says")
        side, found["reduce_only"] = INTENTS[intent], True
    found["side"] = chosen({"side": side}, "side", {"buy": "BUY", "sell": "SELL"})
    found["time_in_force"] = chosen(said, "time_in_force", OWN_TIMES)
    return found


def _size(said: Mapping[str, Any]) -> dict[str, Any]:
    quantity, notional = amount(said, "qty"), amount(said, "notional")
    if (quantity is None) == (notional is None):
        raise bad("qty", "give exactly one of qty and notional")
    return {"quantity": quantity} if notional is None else {"notional": notional}


def _exit(said: Mapping[str, Any], name: str, price: str) -> tuple[str | None, Mapping[str, Any]]:
    """Return the price of an exit, None where there is no such exit, and what else is said of it."""
    part = said.get(name)
    if part is None:
        return None, {}
    if not isinstance(part, Mapping):
        raise bad(name, f"{shorten(part)} must be an object")
    if strange := sorted(part.keys() - {"limit_price", "stop_price"}):
        raise bad(f"{name}.{strange[0]}", "is no field here")
    found = amount(part, price, f"{name}.")
    if found is None:
        raise bad(f"{name}.{price}", "is missing")
    return found, part


def _entry(said: Mapping[str, Any], symbol_of: Callable[[str], str], kind: str) -> dict[str, Any]:
    """Return an entry with exits: one of them of an OTO, both of a bracket."""
    target, _ = _exit(said, TAKE_PROFIT, "limit_price")
    stop, part = _exit(said, STOP_LOSS, "stop_price")
    if kind == "bracket" and (target is None or stop is None):
        raise bad(STOP_LOSS if stop is None else TAKE_PROFIT, "is missing: a bracket has take_profit and stop_loss")
    if kind == "oto" and (target is None) == (stop is None):
        raise bad(TAKE_PROFIT, "an oto order has exactly one of take_profit and stop_loss")
    found = _order(said, symbol_of)
    limit = amount(part, "limit_price", f"{STOP_LOSS}.")
    if limit is not None and kind == "bracket":
        told = "is not supported: a bracket's stop goes as a market order that may slip by max_exit_slippage_bps"
        raise Refusal(422, "not_supported", f"{STOP_LOSS}.limit_price: {told}")
    if limit is not None:
        side = "SELL" if found["side"] == "BUY" else "BUY"
        if "quantity" not in found:
            raise bad("notional", "an oto order with stop_loss.limit_price needs a qty")
        second = {"type": "NewOrder", "symbol": found["symbol"], "side": side, "quantity": found["quantity"],
                  "order_type": "STOP_LIMIT", "price": limit, "stop_price": stop, "time_in_force": "GTC"}  # fmt: skip
        return _listed(ContingencyType.ONE_TRIGGERS_OTHER, found, second)
    return {**found, **{n: v for n, v in ((TAKE_PROFIT, target), (STOP_LOSS, stop)) if v is not None}}


def _oco(said: Mapping[str, Any], symbol_of: Callable[[str], str]) -> dict[str, Any]:
    """Return two orders of which one cancels the other. As at Alpaca they close a position, and never open one."""
    kind = said.get("type") or said.get("order_type")
    if kind != "limit":
        raise bad("type", f"{shorten(kind)} must be limit of an oco order")
    target, _ = _exit(said, TAKE_PROFIT, "limit_price")
    stop, part = _exit(said, STOP_LOSS, "stop_price")
    if target is None or stop is None:
        raise bad(STOP_LOSS if stop is None else TAKE_PROFIT, "is missing: an oco has take_profit and stop_loss")
    own, stop_limit = amount(said, "limit_price"), amount(part, "limit_price", f"{STOP_LOSS}.")
    if own is not None and Decimal(own) != Decimal(target):
        raise bad("limit_price", f"{own} is another than take_profit.limit_price, {target}")
    for name in ("stop_price", "trail_price", "trail_percent"):
        if said.get(name) is not None:
            raise bad(name, "an oco order has none of its own")
    head = {**_head(said, symbol_of), **_size(said), "reduce_only": True}
    if "quantity" not in head:
        raise bad("notional", "an oco order needs a qty")
    first = {**head, "order_type": "LIMIT", "price": target}
    second = {**head, "order_type": "STOP", "stop_price": stop}
    if stop_limit is not None:
        second |= {"order_type": "STOP_LIMIT", "price": stop_limit}
    second.pop("client_order_id", None)
    return _listed(ContingencyType.ONE_CANCELS_OTHER, first, second)


def _listed(kind: ContingencyType, *orders: dict[str, Any]) -> dict[str, Any]:
    """Return a list; the first order's name is the list's, so that its id is the list's signal's."""
    return {"type": "NewOrderList", "contingency_type": kind.value, "orders": list(orders)}


def named(signal: Mapping[str, Any], signal_id: str, account: str) -> dict[str, Any]:
    """Return a signal under its id, for an account; a list's first order has the list's name."""
    found = {**signal, "signal_id": signal_id, "account": account}
    if found["type"] == "NewOrderList":
        first, *others = found["orders"]
        name = first.get("client_order_id") or signal_id
        found |= {"list_id": name, "orders": [{**first, "client_order_id": name}, *others]}
    return found


# --------------------------------------------------------------------------------------------------------- amendments


def amendment(said: Mapping[str, Any], row: Row, role: str | None) -> dict[str, Any]:
    """Return what of a ReplaceOrder a PATCH asks for.

    Args:
        said: the body.
        row: the order that is to be amended, of an exit its entry.
        role: which exit of that it is about, None of the order itself.

    Raises:
        Refusal: 422.
    """
    check_names(said, AMENDABLE)
    client_id, tif, trail = said.get("client_order_id"), said.get("time_in_force"), said.get("trail")
    if client_id not in (None, row["client_order_id"]):
        raise Refusal(422, "not_supported", "client_order_id: an amended order keeps its name, and its id")
    if tif is not None and role is None and tif != TIMES[row["time_in_force"]]:
        told = f"{shorten(tif)} is another than the order's, {TIMES[row['time_in_force']]}, which stays"
        raise Refusal(422, "not_supported", f"time_in_force: {told}; cancel it, and send another")
    if trail is not None:
        told = "the distance of a trailing stop stays as it is: cancel it, and send another"
        raise Refusal(422, "not_supported", f"trail: {told}")
    if said.get("notional") is not None:
        raise Refusal(422, "not_supported", "notional: an order's size is amended by its qty")
    asked = {name: amount(said, name) for name in ("qty", "limit_price", "stop_price")}
    if role is None:
        names = {"qty": "quantity", "limit_price": "price", "stop_price": "stop_price"}
    else:
        names = {"limit_price": TAKE_PROFIT} if role == TAKE_PROFIT else {"stop_price": STOP_LOSS}
    for name, value in asked.items():
        if value is not None and name not in names:
            told = "an exit of a bracket is as large as what its entry has filled" if name == "qty" else "has none"
            raise bad(name, told)
    found = {names[name]: value for name, value in asked.items() if value is not None}
    if not found:
        raise bad(next(iter(names)), "an amendment changes one or several of " + ", ".join(names))
    return {"type": "ReplaceOrder", "order_id": row["order_id"], **found}


def closing(position: Row, instrument: Row | None, qty: str | None, percentage: str | None) -> dict[str, Any]:
    """Return the signal that closes a position, or a part of it.

    Args:
        position: as it stands.
        instrument: that it is of; a percentage is rounded down to its lot.
        qty: how many; None for all, or a percentage.
        percentage: of what is held, above 0 and up to 100.

    Raises:
        Refusal: 422.
    """
    if qty is not None and percentage is not None:
        raise bad("qty", "give one of qty and percentage, not both")
    found: dict[str, Any] = {"type": "ClosePosition", "symbol": position["symbol"]}
    if position.get("position_mode"):
        found["position_id"] = position["position_id"]
    if qty is not None:
        found["quantity"] = amount({"qty": qty}, "qty")
    if percentage is not None:
        share = Decimal(str(amount({"percentage": percentage}, "percentage")))
        if share > 100:
            raise bad("percentage", f"{percentage} must be at most 100")
        if share < 100:
            lot = Decimal("1" if instrument is None else instrument["lot_size"])
            lots = abs(Decimal(position["position"])) * share / 100 // lot
            if not lots:
                raise bad("percentage", f"{percentage} of {position['position']} is less than one lot, {lot}")
            found["quantity"] = text(lots * lot)
    return found
