"""Alerts as TradingView's strategies send them, in JSON by the names of our template.

Flows in: a JSON object. Flows out: what it says: a position to hold where it says `position_size`, else an order. Never
takes the price that the strategy thinks it traded at for a limit: only `order_type` makes one of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from fillstream.libs.common.messages.codes import PRICELESS, OrderType
from fillstream.libs.common.messages.signals import NewOrder, SetTarget
from fillstream.libs.common.process.hook_templates import bare, nearest
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.hooks.words import Read, number, plain, refused

OWN: Final[tuple[str, ...]] = (
    "symbol", "exchange", "side", "quantity", "contracts", "position_size", "market_position", "price", "order_id",
    "comment", "interval", "time",
)  # fmt: skip
"""What the template has; `contracts` is TradingView's word for `quantity`."""
OURS: Final = frozenset(("v", "type", "signal_id", "client_order_id", "account"))
"""Fields of a signal that an alert has no say in."""
OF_ORDERS: Final[tuple[str, ...]] = tuple(name for name in NewOrder.model_fields if name not in (*OWN, *OURS))
OF_TARGETS: Final[tuple[str, ...]] = tuple(
    name for name in SetTarget.model_fields if name not in (*OWN, *OURS, "target", "weight", "targets", "close_others")
)
"""What a template may say beside."""
MEMBERS: Final[tuple[str, ...]] = tuple(dict.fromkeys((*OWN, *OF_ORDERS, *OF_TARGETS)))
FOR_PEOPLE: Final = ("comment", "price")
"""An alert that says the same in all but these is the same alert, where they are no field of its signal; without `time`
none is. Several strategies, intervals or exchanges may alert in one second."""
LONG, SHORT, FLAT = "long", "short", "flat"


def read(posted: Mapping[str, Any]) -> Read:
    """Return what an alert says.

    Raises:
        Refusal: it says something that nothing can be made of.
    """
    for name in posted:
        if name not in MEMBERS:
            raise refused(f"{bare(name)}: is nothing that an alert says; {nearest(name, MEMBERS)}")
    said = {name: value for name, value in posted.items() if value is not None and value != ""}
    for name, value in said.items():
        if isinstance(value, str) and "{{" in value and name != "comment":
            told = "is a placeholder that TradingView did not fill: is this alert one of a strategy?"
            raise refused(f"{name}: {shorten(value)} {told}")
    own = {name: plain(name, said[name]) for name in OWN if name in said}
    size = _position(own)
    fields = _order(said, own) if size is None else _target(said, size)
    counts = {name: value for name, value in said.items() if name not in FOR_PEOPLE or name in fields}
    identity = tuple(f"{name}={value}" for name, value in sorted(counts.items())) if own.get("time") else None
    symbol = {"symbol": own["symbol"]} if "symbol" in own else {}
    return Read({**fields, **symbol}, identity, own.get("exchange"), time=own.get("time"))


def _position(own: Mapping[str, str]) -> Decimal | None:
    """Return the signed position that is to be held, None where an order is meant."""
    market = own.get("market_position", "").lower()
    if market and market not in (LONG, SHORT, FLAT):
        raise refused(f"market_position: {shorten(own['market_position'])} must be {LONG}, {SHORT} or {FLAT}")
    if "position_size" not in own:
        is_order = "side" in own or "quantity" in own or "contracts" in own
        return Decimal(0) if market == FLAT and not is_order else None
    size = number("position_size", own["position_size"])
    if market == SHORT and size > 0:
        size = size.copy_negate()  # `strategy.market_position_size` has no sign
    if not size:
        size = Decimal(0)  # neither -0 nor 0E+9
    if market and market != (LONG if size > 0 else SHORT if size < 0 else FLAT):
        raise refused(f"position_size: {shorten(own['position_size'])} does not go with market_position {market}")
    return size


def _target(said: Mapping[str, Any], size: Decimal) -> dict[str, Any]:
    for name in said:
        if name in OF_ORDERS and name not in OF_TARGETS:
            raise refused(f"{name}: is of an order, and this asks for a position; leave out position_size, or this")
    return {"type": "SetTarget", "target": size, **{name: said[name] for name in OF_TARGETS if name in said}}


def _order(said: Mapping[str, Any], own: Mapping[str, str]) -> dict[str, Any]:
    for name in said:
        if name in OF_TARGETS and name not in OF_ORDERS:
            raise refused(f"{name}: is of a position to hold, and without position_size this is an order")
    sizes = {name: number(name, own[name]) for name in ("quantity", "contracts") if name in own}
    if len(set(sizes.values())) > 1:
        raise refused(f"quantity: {own['quantity']} is another than contracts {own['contracts']}")
    fields: dict[str, Any] = {"type": "NewOrder", **{name: said[name] for name in OF_ORDERS if name in said}}
    if "side" in own:
        fields["side"] = own["side"]
    if sizes:
        fields["quantity"] = next(iter(sizes.values()))
    kind = str(said.get("order_type", OrderType.MARKET)).upper()
    if kind not in PRICELESS and "price" in own:
        fields["price"] = number("price", own["price"])
    return fields
