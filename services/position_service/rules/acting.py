"""What actions of rules come to: instructions for the orders stage.

Flows in: an action with what it is told, evaluated; the instrument and what is held. Flows out: an instruction, whole
but for its names; or a sentence that says why none comes of it. Never sends anything.

Quantities are rounded down to the lot and prices to the tick, away from the market where they protect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any

from pydantic import ValidationError

from fillstream.libs.common.expressions.expression import Value, Wrong
from fillstream.libs.common.messages.base import Message as Contract
from fillstream.libs.common.messages.sentences import sentences
from fillstream.libs.common.messages.signals import (
    LINKS,
    SIGNALS,
    CancelAll,
    ClosePosition,
    NewOrder,
    ProtectPosition,
    SetTarget,
    instructed,
)
from fillstream.libs.common.messages.special_terms import SPECIAL
from fillstream.libs.common.values.money import Scale, canonical
from fillstream.services.position_service.books.instrument import Instrument
from fillstream.services.position_service.telling import Message

Told = Mapping[str, Value]
SIDES = ("BUY", "SELL")
PERCENT, PERCENT_BEHIND = Scale(Decimal("0.00000001")), Scale(Decimal("0.01"))
"""What per cent are rounded to, and those of a trailing stop."""


def instruction_of(
    action: str, told: Told, instrument: Instrument, held: int, position_id: str | None = None
) -> Message:
    """Return the instruction that an action comes to.

    Args:
        action, told: what is to be done.
        instrument, held: of what, and how many lots are held.
        position_id: as which position, of an account that hedges.

    Raises:
        Wrong: none does; a sentence.
    """
    made = _MADE[action](told, instrument, held)
    if position_id is None:
        return made
    if action == "scale_in":
        return made | {"links": {"parent_id": None, "group_id": None, "position_id": position_id}}
    return made | {"position_id": position_id} if "position_id" in made else made


def check(message: Message) -> None:
    """Check an instruction by its contract, as the orders stage will: there it would go to `dead`, and say no more.

    Raises:
        Wrong: it does not keep it; sentences.
    """
    said = {name: value for name, value in message.items() if value is not None} | message.get("special", {})
    said.pop("special", None)
    said |= {name: value for name, value in said.pop("links", {}).items() if value is not None}
    try:
        SIGNALS[message["type"]].model_validate(said)
    except ValidationError as error:
        raise Wrong(sentences(error)) from None


def _bare(model: type[Contract], **said: Any) -> Message:
    """Return an instruction that says nothing but this."""
    names = [name for name in instructed(model) if model is not NewOrder or name not in (*LINKS, *SPECIAL)]
    return dict.fromkeys(names) | {"type": model.__name__, "v": model.VERSION} | said


def _quantity(told: Told, instrument: Instrument, name: str = "quantity") -> str:
    value = told[name]
    if not isinstance(value, Decimal):
        raise Wrong(f"{name}: is null, it must be a number")
    lots = int(Fraction(value) / Fraction(instrument.lot.step))
    if lots <= 0:
        raise Wrong(f"{name}: {canonical(value)} is less than one lot of {instrument.lot.step}")
    return instrument.lot.text(lots)


def _price(told: Told, name: str, grid: Scale) -> str | None:
    value = told.get(name)
    if value is None:
        return None
    assert isinstance(value, Decimal), "it was checked as it was read"
    return grid.text(round(Fraction(value) / Fraction(grid.step)))


def _side(told: Told) -> str:
    side = told["side"]
    if not isinstance(side, str) or side.upper() not in SIDES:
        raise Wrong(f"side: must be BUY or SELL, got {side}")
    return side.upper()


def _order(told: Told, instrument: Instrument, held: int) -> Message:
    price = _price(told, "price", instrument.price)
    special = {
        name: text
        for name in ("stop_loss", "take_profit")
        if (text := _price(told, name, instrument.price)) is not None
    }
    made = _bare(
        NewOrder, side=_side(told), quantity=_quantity(told, instrument), price=price,
        order_type="MARKET" if price is None else "LIMIT",
    )  # fmt: skip
    return made | {"special": special} if special else made


def _create_position(told: Told, instrument: Instrument, held: int) -> Message:
    """Make an entry with exits, so many per cent from the mark."""
    side, grid = _side(told), instrument.price
    made = _order({"side": side, "quantity": told["quantity"]}, instrument, held)
    sign = 1 if side == "BUY" else -1
    special: dict[str, str] = {}
    for name, way, term in (("stop_loss_pct", -1, "stop_loss"), ("take_profit_pct", 1, "take_profit")):
        percent = told.get(name)
        if percent is None:
            continue
        mark = instrument.mark
        if mark is None or not isinstance(percent, Decimal):
            raise Wrong(f"{name}: {instrument.symbol} has no mark that it could be counted from")
        exact = Fraction(mark, 2) * (1 + sign * way * Fraction(percent) / 100)
        special[term] = grid.text(floor(exact) if sign * way < 0 else ceil(exact))
    trail = _price(told, "trailing_stop", grid)
    if trail is not None:
        special["trailing_stop"] = trail
    return made | {"special": special} if special else made


def _close(told: Told, instrument: Instrument, held: int) -> Message:
    if not held:
        raise Wrong(f"close: nothing of {instrument.symbol} is held")
    return _bare(ClosePosition, quantity=_quantity(told, instrument) if told.get("quantity") is not None else None)


def _adjust(told: Told, instrument: Instrument, held: int) -> Message:
    value = told["target"]
    if not isinstance(value, Decimal):
        raise Wrong("target: is null, it must be a number")
    return _bare(SetTarget, target=instrument.lot.text(int(Fraction(value) / Fraction(instrument.lot.step))))


def _scale_in(told: Told, instrument: Instrument, held: int) -> Message:
    if not held:
        raise Wrong(f"scale_in: nothing of {instrument.symbol} is held")
    return _order({"side": "BUY" if held > 0 else "SELL", "quantity": told["quantity"]}, instrument, held)


def _protect(told: Told, instrument: Instrument, held: int) -> Message:
    if not held:
        raise Wrong(f"protect: nothing of {instrument.symbol} is held")
    said: dict[str, str | int] = {}
    for name, value in told.items():
        if name.endswith("_ms") and isinstance(value, Decimal):
            said[name] = int(value)
            continue
        grid = instrument.price
        if name.endswith(("_percent", "_atr")):
            grid = PERCENT_BEHIND if name == "trailing_stop_percent" else PERCENT
        text = _price(told, name, grid)
        if text is not None:
            said[name] = canonical(Decimal(text)) if grid is not instrument.price else text
    return _bare(ProtectPosition, protection_id="default", **said)


def _cancel(told: Told, instrument: Instrument, held: int) -> Message:
    return _bare(CancelAll, side=_side(told) if told.get("side") is not None else None)


_MADE: Mapping[str, Callable[[Told, Instrument, int], Message]] = {
    "create_position": _create_position,
    "order": _order,
    "bracket": _order,
    "close": _close,
    "adjust": _adjust,
    "scale_in": _scale_in,
    "protect": _protect,
    "cancel": _cancel,
}
