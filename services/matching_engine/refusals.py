"""What the engine refused of the house, in a sentence for `dead`.

Flows in: a refused quote, print, session, bands or time, and the engine's reason. Flows out: the reason's code and a
sentence that names the field, its value and the limit. Never decides anything: the rules are in
`native/include/fillstream.h`.
"""

from __future__ import annotations

from fillstream.libs.common.engine.frames import MAX_PRICE, MAX_QTY, MAX_SYMBOL, Command, CommandType, Reason, Session

_MOST_FLAGS: dict[int, int] = {CommandType.SESSION: max(Session), CommandType.BANDS: 1}


def refusal_of(command: Command, reason: int) -> tuple[str, str]:
    """Return the code and the sentence for a refused FS_QUOTE, FS_PRINT, FS_SESSION, FS_BANDS or FS_TIME."""
    quote, bands = command.type == CommandType.QUOTE, command.type == CommandType.BANDS
    match reason:
        case Reason.BAD_RECORD:
            most = _MOST_FLAGS.get(command.type, 0)
            limits = f"0 to {most} and 0" if most else "0"
            text = f"flags, stp: must be {limits}, got {command.flags} and {command.stp}"
            if command.type == CommandType.PRINT:
                text += f"; side: must be 1 or 2, got {command.side}"
        case Reason.BAD_SYMBOL:
            text = f"symbol: must be at most {MAX_SYMBOL}, got {command.symbol}"
        case Reason.BAD_QTY if quote:
            text = f"qty, aux_qty: must be from 0 to {MAX_QTY} lots, got {command.qty} and {command.aux_qty}"
        case Reason.BAD_QTY:
            text = f"qty: must be from 1 to {MAX_QTY} lots, got {command.qty}"
        case Reason.BAD_PRICE if quote:
            text = (
                f"price, aux_price: must be from -{MAX_PRICE} to {MAX_PRICE} ticks, "
                f"got {command.price} and {command.aux_price}"
            )
        case Reason.CROSSED:
            text = (
                "price, aux_price: the bid must not be above the ask, nor at it in an auction, "
                f"got {command.price} and {command.aux_price}; the former quote is withdrawn"
            )
        case Reason.BAD_PRICE if bands:
            text = (
                f"price, aux_price: must be from -{MAX_PRICE} to {MAX_PRICE} ticks and the lowest not above the "
                f"highest, got {command.price} and {command.aux_price}"
            )
        case Reason.BAD_PRICE:
            text = f"price: must be from -{MAX_PRICE} to {MAX_PRICE} ticks, got {command.price}"
        case Reason.SESSION:
            text = f"symbol: the session of symbol {command.symbol} takes no {'quotes' if quote else 'prints'} now"
        case _ if command.type in _MOST_FLAGS:
            text = f"symbol: there is no memory for the book of symbol {command.symbol}"
        case _:
            text = f"qty: the book of symbol {command.symbol} takes no more, got {command.qty}"
    return Reason(reason).name.lower(), text
