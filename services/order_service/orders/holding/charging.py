"""What fills cost at venues with a fee schedule, and what each account traded there.

Flows in: orders and their fills. Flows out: fees in units of 10**-FEE_DECIMALS, lots that paid them, what the events
say of it. Never journals anything; a venue whose fees are plain basis points has nothing to do with it.

What was traded counts by whole UTC days, of an account, a venue and a currency: an account's tier is the same all day.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fillstream.libs.common.ledger.fees import NOTHING, Fee, FeeSchedule
from fillstream.libs.common.messages.reference import DAY_MS
from fillstream.libs.common.values.money import FEE_DECIMALS, fixed, half_even
from fillstream.services.order_service.orders.compiled import Terms
from fillstream.services.order_service.orders.holding.holdings import Holdings
from fillstream.services.order_service.orders.life.order import Order


class Cost(NamedTuple):
    """What a fill costs.

    Attributes:
        fee: in the instrument's currency, what is paid otherwise included at what it is worth.
        lots: of what was bought that paid a part of it.
        told: what the event says besides.
    """

    fee: int
    lots: int
    told: dict[str, Any]


class Traded:
    """What accounts traded at venues with tiers, a number a day.

    Attributes:
        days: value (10**-18 of the currency) by account, by venue and currency, by UTC day, the oldest first.
    """

    __slots__ = ("days",)

    def __init__(self) -> None:
        self.days: dict[str, dict[str, dict[int, int]]] = {}

    def tier(self, fees: FeeSchedule, account: str, terms: Terms, ms: int) -> int:
        """Return an account's tier: what it traded in the days before this one decides."""
        if not fees.tiered:
            return 0
        today = ms // DAY_MS
        days = self.days.get(account, {}).get(f"{terms.venue} {terms.currency}", {})
        return fees.tier(sum(value for day, value in days.items() if today - fees.window_days <= day < today))

    def add(self, fees: FeeSchedule, account: str, terms: Terms, ms: int, value: int) -> None:
        """Count a fill of so much; let go of days that no tier counts any more."""
        if not fees.tiered:
            return
        today = ms // DAY_MS
        days = self.days.setdefault(account, {}).setdefault(f"{terms.venue} {terms.currency}", {})
        days[today] = days.get(today, 0) + value
        for day in [day for day in days if day < today - fees.window_days]:
            del days[day]


def charge(order: Order, fees: FeeSchedule, holdings: Holdings, traded: Traded, fill: tuple[int, int, bool], ms: int,
           max_age_ms: int) -> Cost:  # fmt: skip
    """Return what a fill costs, and note it with the order and its account.

    Args:
        order: whose fill it is.
        fees: its terms'.
        holdings: know what a fee in another currency is worth.
        traded: decides the tier.
        fill: ticks, lots, and whether it rested.
        ms: now.
        max_age_ms: a rate may be so old, 0: however old.
    """
    ticks, lots, maker = fill
    terms, units = order.terms, order.terms.worth(ticks, lots)
    tier = traded.tier(fees, order.account, terms, ms)
    fee = fees.fill(order.charged or NOTHING, units, lots, maker, tier)
    order.charged = fee.charged
    assert order.holding is not None, "it was taken"
    traded.add(fees, order.account, terms, ms, int(units * 2 * order.holding.instrument.half_tick_lot))
    if fee.other:
        return _in_other(fees, fee, terms, holdings, ms, max_age_ms)
    taken = fees.lots_for(fee.own, ticks) if fees.in_base and order.side == "BUY" else 0
    taken = min(taken, lots)
    return Cost(fee.own, taken, {"fee_qty": terms.lot.text(taken)} if taken else {})


def _in_other(fees: FeeSchedule, fee: Fee, terms: Terms, holdings: Holdings, ms: int, max_age_ms: int) -> Cost:
    paid = fixed(fee.other, FEE_DECIMALS)
    told = {"commission": paid, "comm_currency": fees.currency}
    worth = _worth(fees, fee, terms, holdings, ms, max_age_ms)
    if worth is None:
        told["text"] = f"fee: {paid} {fees.currency} besides, which has no fresh rate to {terms.currency}"
    return Cost(fee.own + (worth or 0), 0, told)


def _worth(fees: FeeSchedule, fee: Fee, terms: Terms, holdings: Holdings, ms: int, max_age_ms: int) -> int | None:
    """Return what a fee's other part is worth in the instrument's currency; None without a rate."""
    assert fees.currency is not None, "else there is no such part"
    rate = holdings.rate(fees.currency, terms.currency, ms, max_age_ms)
    return None if rate is None else half_even(fee.other * rate[0], rate[1])


def estimate(terms: Terms, holdings: Holdings, tier: int, units: int, lots: int, maker: bool, ms: int,
             max_age_ms: int) -> str:  # fmt: skip
    """Return what an order may cost that trades whole, as money of the instrument's currency."""
    fees = terms.fees
    assert fees is not None, "plain basis points need no estimate of the desk"
    fee = fees.fill(NOTHING, units, lots, maker, tier)
    worth = _worth(fees, fee, terms, holdings, ms, max_age_ms) if fee.other else 0
    return fixed(fee.own + (worth or 0), FEE_DECIMALS)
