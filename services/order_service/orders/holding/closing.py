"""What closes a position, or a part of it.

Flows in: what is held and works, and how much is to be closed. Flows out: a side and a quantity; or why nothing does.
"""

from __future__ import annotations

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import RejectReason
from fillstream.libs.common.values.money import Scale
from fillstream.services.order_service.orders.holding.holdings import Holding
from fillstream.services.order_service.orders.instructions import Close, Exit
from fillstream.services.order_service.orders.rules import Reject


def closing_of(holding: Holding, wish: Close | Exit, lot: Scale, freed: int = 0) -> tuple[str, int] | Reject:
    """Return the side and the lots that close what is held, less what closes it already.

    Args:
        holding: whose working orders are counted.
        wish: what is to be closed; all of it where it names no quantity.
        lot: of the instrument.
        freed: lots that exits of brackets have, and would leave.

    Raises:
        BadEntry: bad_value for a quantity that is no number above 0.
    """
    if not holding.account.known:
        text = f"account: what {wish.account} holds is not known since this desk was upgraded"
        return Reject(RejectReason.NOTHING_TO_REDUCE, text)
    lots = holding.reducible
    if freed:
        most = min(abs(holding.quantity), abs(lots) + freed)
        lots = most if holding.quantity > 0 else -most
    if not lots:
        held, works = lot.text(holding.quantity), lot.text(holding.sells if holding.quantity > 0 else holding.buys)
        text = f"symbol: {wish.account} holds {held} {wish.symbol}, and {works} work to close it already"
        return Reject(RejectReason.NOTHING_TO_REDUCE, text)
    most = abs(lots)
    if wish.quantity is not None:
        asked = lots_in(lot, wish.quantity)
        if not asked:
            text = f"quantity: {wish.quantity} is not a multiple of {wish.symbol}'s lot size {lot.step}"
            return Reject(RejectReason.OFF_LOT, text)
        most = min(most, asked)
    return ("SELL" if lots > 0 else "BUY"), most


def lots_in(scale: Scale, text: str) -> int:
    """Return a quantity's lots, 0 when it is not on the lot.

    Raises:
        BadEntry: bad_value for what is no number above 0.
    """
    try:
        lots = scale.units(text)
    except ValueError as error:
        raise BadEntry("bad_value", f"quantity: {error}") from None
    if lots is not None and lots <= 0:
        raise BadEntry("bad_value", f"quantity: {text} must be above 0")
    return lots or 0
