"""IS: more lots at the beginning, the more its owner minds that the price may leave.

The closed form of Almgren and Chriss (Optimal Execution of Portfolio Transactions, 2000, equations 17 to 20): the
trajectory with the least expected cost plus `risk_aversion` times its variance, of X units in slices of tau days:

    left at t = X sinh(kappa (T - t)) / sinh(kappa T)
    cosh(kappa tau) = 1 + (kappa~ tau)^2 / 2;  kappa~^2 = risk_aversion volatility^2 / eta~
    eta~ = temporary_impact - permanent_impact tau / 2

In Decimal of one context, whose `exp`, `ln` and `sqrt` are correctly rounded: the same digits on every machine.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from fractions import Fraction
from functools import lru_cache
from typing import Annotated

from pydantic import BeforeValidator, Field

from fillstream.libs.common.messages.base import Amount, exact_number
from fillstream.libs.common.messages.reference import DAY_MS
from fillstream.libs.common.values.money import MAX_DIGITS
from fillstream.services.order_service.orders.algos.algorithm import Job, Plan, algorithm
from fillstream.services.order_service.orders.algos.scheduled import ScheduledParameters, scheduled, slices_of, span_of

NotNegative = Annotated[Decimal, Field(ge=0, max_digits=MAX_DIGITS, allow_inf_nan=False), BeforeValidator(exact_number)]
EXACT = Context(
    prec=80, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999, traps=[InvalidOperation, DivisionByZero, Overflow]
)
SMALL = Decimal("1e-20")
"""Below it a hyperbolic sine is its argument, to 40 digits: the formula itself would lose as many."""
FAR = Decimal(2_000)
"""Beyond it an exponential is taken for nothing: it is below 10^-868."""


class ShortfallParameters(ScheduledParameters):
    """What the model of Almgren and Chriss is told; with a risk_aversion of 0 the trajectory is a TWAP's."""

    risk_aversion: NotNegative = Field(description="lambda: of cost's variance, for one of cost (1 / money)")
    volatility: Amount = Field(description="sigma: of the price in a day (price / square root of a day)")
    temporary_impact: Amount = Field(description="eta: how far a rate of a unit a day moves its own price")
    permanent_impact: NotNegative = Field(
        default=Decimal(0),
        description="gamma: how far each unit moves the price for good; left out where temporary_impact is not above "
        "half of what it makes in a slice, as the model then has no answer",
    )


def front(job: Job, at_ms: int) -> Fraction:
    """Return the share that the trajectory has done by `at_ms`."""
    told: ShortfallParameters = job.parameters
    span, slices = span_of(job), slices_of(job)
    a_slice = kappa_tau(told.risk_aversion, told.volatility, told.temporary_impact, told.permanent_impact, span, slices)
    return 1 - left(a_slice, at_ms - job.start_ms, span, slices)


@lru_cache(maxsize=1_024)
def kappa_tau(
    risk_aversion: Decimal, volatility: Decimal, temporary: Decimal, permanent: Decimal, span_ms: int, slices: int
) -> Decimal:
    """Return kappa times tau, the trajectory's one number: 0 is a straight line."""
    tau = EXACT.divide(Decimal(span_ms), Decimal(slices * DAY_MS))
    eta = EXACT.subtract(temporary, EXACT.divide(EXACT.multiply(permanent, tau), Decimal(2)))
    if eta <= 0:
        eta = temporary
    square = EXACT.divide(EXACT.multiply(risk_aversion, EXACT.multiply(volatility, volatility)), eta)
    # cosh(x) = 1 + 2 sinh(x/2)^2: half of kappa tau is the area hyperbolic sine of half of kappa~ tau.
    half = EXACT.divide(EXACT.multiply(EXACT.sqrt(square), tau), Decimal(2))
    if half < SMALL:
        return EXACT.multiply(half, Decimal(2))
    root = EXACT.sqrt(EXACT.add(EXACT.multiply(half, half), Decimal(1)))
    return EXACT.multiply(EXACT.ln(EXACT.add(half, root)), Decimal(2))


@lru_cache(maxsize=4_096)
def left(a_slice: Decimal, passed_ms: int, span_ms: int, slices: int) -> Fraction:
    """Return which share is left after `passed_ms` of `span_ms`: sinh(kappa (T - t)) / sinh(kappa T)."""
    whole = EXACT.multiply(a_slice, Decimal(slices))
    if whole < SMALL:
        return Fraction(span_ms - passed_ms, span_ms)
    passed = EXACT.divide(EXACT.multiply(whole, Decimal(passed_ms)), Decimal(span_ms))
    rest = EXACT.divide(EXACT.multiply(whole, Decimal(span_ms - passed_ms)), Decimal(span_ms))
    # Without an exponential that grows: e^-kt (1 - e^-2k(T-t)) / (1 - e^-2kT).
    share = EXACT.multiply(_falling(passed), EXACT.divide(_done(EXACT.add(rest, rest)), _done(EXACT.add(whole, whole))))
    return min(Fraction(share), Fraction(1))


def _falling(argument: Decimal) -> Decimal:
    """Return e to the power of minus the argument."""
    return Decimal(0) if argument > FAR else EXACT.exp(argument.copy_negate())


def _done(argument: Decimal) -> Decimal:
    return EXACT.subtract(Decimal(1), _falling(argument))


@algorithm(
    "IS",
    ShortfallParameters,
    example={
        "duration_ms": 3_600_000, "slices": 60, "risk_aversion": "0.000001", "volatility": "0.95",
        "temporary_impact": "0.0000025",
    },
    needs_end=True,
)  # fmt: skip
def plan(job: Job) -> Plan:
    """Works the order along the trajectory of Almgren and Chriss: fast at first, against the risk of waiting."""
    return scheduled(job, front)
