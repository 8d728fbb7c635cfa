"""What an order has beyond a plain one, in integers: what it waits for, how it shows itself, how it is protected.

Flows in: what the client said (`SpecialTerms`) and the instrument's grids. Flows out: a `Special`; sizes in lots. Never
judges: rules in `rules.special` do, before anything here is compiled. A plain order has none of it and pays nothing.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from fillstream.libs.common.engine.frames import MAX_PRICE, OrderFlag, Stp
from fillstream.libs.common.ledger.inverse import VALUE_DECIMALS
from fillstream.libs.common.messages.codes import OrderType, TrailingOffset, TriggerPrice
from fillstream.libs.common.messages.special_terms import SpecialTerms
from fillstream.libs.common.values.money import Scale, canonical, multiply
from fillstream.services.order_service.orders.compiled import Quote, Terms

BPS_OF_PERCENT = 100
MAX_OFFSET_BPS = 9_999
"""A trailing stop that is all of the price away would never be hit (fillstream.h)."""
BY_DESK = frozenset((OrderType.MARKET_IF_TOUCHED.value, OrderType.LIMIT_IF_TOUCHED.value))
"""Types that no book has: the orders stage waits for their price itself."""


class Special(NamedTuple):
    """What an order has beyond a plain one.

    Attributes:
        stop: the price it waits for (ticks).
        trigger: which price that is compared with.
        offset: how far a trailing stop stays behind: ticks, or basis points where `in_bps`. Where the desk waits, its
            `stop` is the one that was reached, None until then.
        display: lots that an iceberg shows at a time.
        post_only, all_or_none, reduce_only: as the client said.
        self_trade: by its name; None where nothing is to be prevented.
        effective_ms: when it may be sent; 0 for at once.
        stop_loss, take_profit, trailing_stop: the bracket that is wanted (ticks; the last a distance).
        emulated: its venue has no such type, so the desk waits for its price, though a book could.
    """

    stop: int | None = None
    trigger: str = TriggerPrice.LAST.value
    offset: int | None = None
    in_bps: bool = False
    display: int | None = None
    post_only: bool = False
    all_or_none: bool = False
    reduce_only: bool = False
    self_trade: str | None = None
    effective_ms: int = 0
    stop_loss: int | None = None
    take_profit: int | None = None
    trailing_stop: int | None = None
    emulated: bool = False

    @property
    def flags(self) -> int:
        """`fs_order_flag`s of a new order."""
        flags = OrderFlag.POST_ONLY if self.post_only else 0
        flags |= OrderFlag.ALL_OR_NONE if self.all_or_none else 0
        flags |= OrderFlag.ICEBERG if self.display is not None else 0
        return int(flags | (OrderFlag.OFFSET_BPS if self.in_bps else 0))

    @property
    def stp(self) -> int:
        """`fs_stp` of a new order."""
        return 0 if self.self_trade is None else int(Stp[self.self_trade])

    def needs_desk(self, order_type: str) -> bool:
        """Whether the desk waits for its price: books wait for the last trade's alone, and for stops alone.

        So it is of what the venue lacks. What waited in the desk goes as what it waited to be, market or limit.
        """
        waits = self.stop is not None or self.offset is not None
        return waits and (self.emulated or order_type in BY_DESK or self.trigger != TriggerPrice.LAST.value)


def said_by(order: Special) -> dict[str, object]:
    """Return what is other than a plain order's, by name: how a snapshot has it."""
    return {name: value for name, value in order._asdict().items() if value != Special._field_defaults[name]}


def compiled(said: SpecialTerms, terms: Terms, ms: int, of_account: str | None) -> Special:
    """Return what a client said in integers; every number of it is on its grid, the rules have seen to that.

    Args:
        said: by the client.
        terms: of the instrument.
        ms: when the signal came: a delay counts from here.
        of_account: what the account prevents where the order says nothing.
    """
    offset, in_bps = None, False
    if said.trailing_offset is not None:
        offset, in_bps = offset_of(said, terms)
    price = terms.price
    trigger, self_trade = said.trigger_price_type, said.self_trade_prevention
    return Special(
        stop=units(price, said.stop_price),
        trigger=Special._field_defaults["trigger"] if trigger is None else trigger.value,
        offset=offset,
        in_bps=in_bps,
        display=units(terms.lot, said.display_quantity),
        post_only=bool(said.post_only),
        all_or_none=bool(said.all_or_none),
        reduce_only=bool(said.reduce_only),
        self_trade=of_account if self_trade is None else None if self_trade.value == "NONE" else self_trade.value,
        effective_ms=said.effective_time or (ms + said.effective_after_ms if said.effective_after_ms else 0),
        stop_loss=units(price, said.stop_loss),
        take_profit=units(price, said.take_profit),
        trailing_stop=units(price, said.trailing_stop),
    )


def units(grid: Scale, number: Decimal | None) -> int | None:
    """Return a number in steps of a grid; None of none and of one that is off it."""
    return None if number is None else grid.units(canonical(number))


def offset_of(said: SpecialTerms, terms: Terms) -> tuple[int | None, bool]:
    """Return a trailing offset in ticks, or in basis points and True; None where it is no whole number of them."""
    number = said.trailing_offset
    assert number is not None, "a trailing stop has an offset"
    match said.trailing_offset_type:
        case TrailingOffset.BPS:
            return whole(number), True
        case TrailingOffset.PERCENT:
            return whole(multiply(number, Decimal(BPS_OF_PERCENT))), True
        case TrailingOffset.TICKS:
            return whole(number), False
        case _:
            return units(terms.price, number), False


def whole(number: Decimal) -> int | None:
    """Return a number as an int, None of one with a fraction."""
    return int(number) if number == number.to_integral_value() else None


def entry_price(order_type: str, ticks: int | None, stop: int | None, quote: Quote, buy: bool) -> int | None:
    """Return the price (ticks) at which an order would enter: its own, the one it waits for, or the touch.

    None where it has neither and the market has no price on that side, nor a last trade.
    """
    if ticks is not None and order_type != OrderType.STOP_LIMIT:
        return ticks
    if stop is not None:
        return stop
    touch = (quote.ask if quote.ask_qty else None) if buy else (quote.bid if quote.bid_qty else None)
    return quote.last if touch is None else touch


def trailed(price: int, special: Special, buy: bool) -> int:
    """Return where a trailing stop would stand (ticks) if this were the best price since it came."""
    assert special.offset is not None, "it trails"
    offset = max(1, abs(price) * special.offset // 10_000) if special.in_bps else special.offset
    return price + offset if buy else price - offset


def widest(buy: bool) -> int:
    """Return the bound (ticks) of an order without one: any price is as good."""
    return MAX_PRICE if buy else -MAX_PRICE


def lots_for(said: SpecialTerms, terms: Terms, entry: int) -> int:
    """Return how many whole lots a size in money buys at most.

    `notional` is of what they are worth at the entry; `risk_amount` of what is lost from there to the stop_loss. A
    distance or price of 0 has no size: 0.
    """
    if said.notional is not None:
        if terms.inverse is not None:
            return int(Fraction(said.notional) * 10**VALUE_DECIMALS / terms.inverse.exact(entry)) if entry > 0 else 0
        money, per_lot = said.notional, abs(entry)
    else:
        assert said.risk_amount is not None and said.stop_loss is not None, "a size is one of SIZES"
        stop = units(terms.price, said.stop_loss)
        assert stop is not None, "rules see that it is on the tick"
        money, per_lot = said.risk_amount, abs(entry - stop)
        if terms.inverse is not None:
            per_lot = abs(terms.worth(entry) - terms.worth(stop))
    return whole_times(money, multiply(terms.value, Decimal(per_lot))) if per_lot else 0


def whole_times(money: Decimal, each: Decimal) -> int:
    """Return how often a sum goes into another, exactly, rounded down."""
    top, bottom = money.as_integer_ratio()
    over, under = each.as_integer_ratio()
    return top * under // (bottom * over)
