"""What the desk trades, for whom and where: the one definition of an instrument's, an account's and a venue's terms.

Flows in: what the settings say of instruments, accounts and venues, or a configuration entry of an inbox. Flows out:
frozen models, and their values as canonical JSON has them. Never reads a file, never decides anything.

Everything else is derived from the fields here: the settings' sections, the configuration entry, the events
InstrumentDefined and AccountDefined, analytics' columns and views, what the ledger, the engine and the feeds count in.
To add a term is to add a field, with its bound, unit and meaning; with a default, older logs and files go on as before.
What the hot path needs of a term it compiles (`order_service.orders.compiled`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from fillstream.libs.common.engine.frames import MAX_SYMBOL
from fillstream.libs.common.messages import book_terms, mark_terms, risk_terms
from fillstream.libs.common.messages.base import AnyExternalOrders, AnyLostOrders, Name
from fillstream.libs.common.messages.codes import (
    AccountMode,
    AccountType,
    CostMethod,
    ExternalOrders,
    FeeScope,
    LostOrders,
    MarkPrice,
    PositionMode,
    RiskAction,
    SelfTrade,
)
from fillstream.libs.common.messages.fee_tiers import Tiers
from fillstream.libs.common.messages.native_terms import NATIVE_TIMES, NATIVE_TYPES, Names, NativeTimes, NativeTypes
from fillstream.libs.common.messages.risk_terms import Positive
from fillstream.libs.common.messages.terms import ACCOUNT_VALUE, QUANTITY, VALUE, WRITTEN, ReferenceData, about, amount
from fillstream.libs.common.messages.topology import VENUE_NAME
from fillstream.libs.common.values.money import MAX_DIGITS, canonical

MAX_ACCOUNT_ID = 0xFFFF_FFFF
"""The largest account number a record holds; 0 is the house's."""
MAX_DAILY_ORDERS = 1_000_000_000
BPS = 10_000
"""Basis points in the whole."""
DAY_MS = 86_400_000
MINUTES_A_DAY = 1_440
MAX_MS = 3650 * DAY_MS
"""Ten years: the longest that anything here may take (milliseconds)."""

MAX_WINDOW_MS = 3_600_000
"""An hour: the longest window in which an account's orders are compared or counted (milliseconds)."""
MAX_AUCTION_MS = 14_400_000
"""Four hours: the longest that an auction collects orders (milliseconds)."""
MAX_SLIPS = 1_000
"""The most fills that a mean slippage is of, the newest."""
MAX_ORDERS = 1_000_000
"""The most that a limit of orders in a window, or open at a time, may be."""


Whole = Annotated[int, WRITTEN]
Money = Annotated[Decimal, Field(max_digits=MAX_DIGITS, allow_inf_nan=False), WRITTEN]
Milliseconds = Annotated[Whole, Field(ge=0, le=MAX_MS)]


MAX_OVERFILL_LOTS = 1_000_000_000
"""The most that a venue may be believed to fill of an order beyond its quantity."""


VenueName = Annotated[str, StringConstraints(pattern=f"^{VENUE_NAME.pattern}$")]
Bps = Annotated[Decimal, Field(max_digits=MAX_DIGITS, allow_inf_nan=False, ge=-BPS, le=BPS), WRITTEN]
Orders = Annotated[int, Field(ge=1, le=MAX_ORDERS), WRITTEN]
ZoneName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+/-]{1,64}$")]
"""Of the IANA time zone database. Whether there is such a zone is for whoever compiles its days to say."""
MAX_WINDOW_DAYS = 366
Symbols = Names
"""Names of instruments, sorted, each once; in text with commas between."""
Fee = Annotated[Decimal, Field(max_digits=MAX_DIGITS, allow_inf_nan=False, ge=0), WRITTEN]


def _own_venue(of: str, otherwise: str, fix: str) -> Any:
    return about(f"where orders {of} go, one of execution.venues; without one {otherwise}", fix=fix, fixed=True)


class VenueTerms(ReferenceData):
    """What is known of a venue. Its fees go before an instrument's."""

    simulated: Annotated[bool, about("whether an engine of this desk is the venue, with books of its own")] = True
    expires: Annotated[bool, about("whether it takes an order off by itself when its time in force ends")] = True
    maker_fee_bps: Annotated[
        Bps | None, about("fee of a fill that rested in its book; null: the instrument's", unit="bps")
    ] = None
    taker_fee_bps: Annotated[
        Bps | None, about("fee of a fill that took from its book; null: the instrument's", unit="bps")
    ] = None

    fee_per_unit: Annotated[
        Fee | None, about("besides, of each unit of a fill's quantity: a share, a contract; null: none", rare=True)
    ] = None
    min_fee: Annotated[Fee | None, about("of an order or a fill, at least; null: no limit", rare=True)] = None
    max_fee: Annotated[Fee | None, about("of an order or a fill, at most; null: no limit", rare=True)] = None
    fee_charged: Annotated[
        FeeScope, about("whether min_fee and max_fee, and the rounding, are of an ORDER or of each FILL", rare=True)
    ] = FeeScope.ORDER
    fee_tiers: Annotated[
        Tiers,
        about("FROM:MAKER:TAKER, the bps from so much on that an account traded here in the window, in the "
              "instrument's currency", rare=True),
    ] = ()  # fmt: skip
    fee_window_days: Annotated[
        int,
        about("UTC days before a fill's own that fee_tiers count", unit="days", ge=1, le=MAX_WINDOW_DAYS, rare=True),
        WRITTEN,
    ] = 30  # fmt: skip
    fee_currency: Annotated[
        Name | None,
        about("of fee_per_unit, min_fee and max_fee; BASE: purchases pay in what they buy; null: the instrument's",
              rare=True),
    ] = None  # fmt: skip
    max_overfill_lots: Annotated[
        int,
        about(
            "what an order may be filled beyond its quantity, taken as the venue's truth and alarmed; more is refused",
            unit="lots", ge=0, le=MAX_OVERFILL_LOTS, rare=True,
        ),
        WRITTEN,
    ] = 0  # fmt: skip
    breaker_rejects: Annotated[
        Orders | None,
        about("orders that it refuses within breaker_window_ms before its breaker opens; null: none", rare=True),
    ] = None
    breaker_errors: Annotated[
        Orders | None,
        about("requests that it does not answer in time and reports of its that nobody can use, within "
              "breaker_window_ms before its breaker opens; null: none", rare=True),
    ] = None  # fmt: skip
    breaker_slippage_bps: Annotated[
        Positive | None,
        about("how far beyond the quote that its orders met their fills were in the mean of breaker_window_ms, before "
              "its breaker opens; null: none", unit="bps", rare=True),
    ] = None  # fmt: skip
    breaker_slippage_fills: Annotated[
        int, about("fills that breaker_slippage_bps needs at least", ge=1, le=MAX_SLIPS, rare=True), WRITTEN
    ] = 10
    breaker_window_ms: Annotated[
        int, about("that its breaker counts in", unit="ms", ge=1, le=MAX_WINDOW_MS, rare=True), WRITTEN
    ] = 60_000
    breaker_cooldown_ms: Annotated[
        int, about("an open breaker lets one order try after so long", unit="ms", ge=1, le=MAX_WINDOW_MS, rare=True),
        WRITTEN,
    ] = 60_000  # fmt: skip

    order_types: Annotated[
        NativeTypes,
        about("that it has; stops of others wait in the desk, MARKET_TO_LIMIT is refused", fix="40", rare=True),
    ] = NATIVE_TYPES
    times_in_force: Annotated[
        NativeTimes,
        about("that it has; the desk ends DAY and GTD of others, the rest is refused", fix="59", rare=True),
    ] = NATIVE_TIMES
    icebergs: Annotated[
        bool, about("whether it has orders that show a part; of others a display_quantity is refused", rare=True)
    ] = True

    reconcile_every_ms: Annotated[
        Milliseconds, about("it is asked for what it has so often; 0: only on demand", unit="ms", rare=True)
    ] = 0
    reconcile_grace_ms: Annotated[
        Milliseconds, about("what was sent so short before it is asked is not taken for lost", unit="ms", rare=True)
    ] = 10_000
    external_orders: Annotated[
        AnyExternalOrders,
        about("LEAVE: its orders that nobody here sent are told; ADOPT: made the desk's", rare=True),
    ] = ExternalOrders.LEAVE
    lost_orders: Annotated[
        AnyLostOrders, about("LEAVE: orders of the desk that it does not have are told; CANCEL: they end", rare=True)
    ] = LostOrders.LEAVE

    @property
    def has_breaker(self) -> bool:
        """Whether it has a circuit breaker."""
        said = (self.breaker_rejects, self.breaker_errors, self.breaker_slippage_bps)
        return any(each is not None for each in said)

    @property
    def has_schedule(self) -> bool:
        """Whether its fees are more than basis points of maker and taker."""
        said = (self.fee_per_unit, self.min_fee, self.max_fee, self.fee_currency)
        return bool(self.fee_tiers) or any(each is not None for each in said)

    @model_validator(mode="after")
    def _some_fee_fits(self) -> Self:
        if self.min_fee is not None and self.max_fee is not None and self.min_fee > self.max_fee:
            raise ValueError(f"min_fee: {canonical(self.min_fee)} must be at most max_fee, {canonical(self.max_fee)}")
        return self

    @model_validator(mode="after")
    def _the_engine_expires_orders(self) -> Self:
        if self.simulated and not self.expires:
            raise ValueError("expires: must be true of a simulated venue, its engine expires orders by itself")
        if self.simulated and self.external_orders is not ExternalOrders.LEAVE:
            raise ValueError("external_orders: must be LEAVE of a simulated venue, it has the desk's orders alone")
        if self.simulated and self.max_overfill_lots:
            raise ValueError(
                f"max_overfill_lots: {self.max_overfill_lots} must be 0 of a simulated venue, its engine fills no more"
            )
        return self


class InstrumentUnits(ReferenceData):
    """What prices and quantities of an instrument are counted in, and what they are worth."""

    tick_size: Annotated[
        Decimal,
        amount("prices are multiples of it", unit="currency", fix="969 MinPriceIncrement", fixed=True, gt=0),
        WRITTEN,
    ]
    lot_size: Annotated[
        Decimal, amount("quantities are multiples of it", fix="561 RoundLot", fixed=True, gt=0), WRITTEN
    ]
    multiplier: Annotated[
        Decimal,
        amount(
            "money per unit of price and quantity; 1 for shares and spot",
            unit="currency", fix="231 ContractMultiplier", fixed=True, gt=0,
        ),
        WRITTEN,
    ] = Decimal(1)  # fmt: skip
    currency: Annotated[Name, about("of prices, values and fees", fix="15 Currency", fixed=True)] = "USD"
    inverse: book_terms.IsInverse = False


class InstrumentFields(InstrumentUnits):
    """An instrument's terms without its number, which events call `instrument_id`. Negative fees are rebates."""

    maker_fee_bps: Annotated[
        Decimal,
        amount("fee of a fill that rested in the book, of the traded value", unit="bps", ge=-BPS, le=BPS),
        WRITTEN,
    ] = Decimal(0)
    taker_fee_bps: Annotated[
        Decimal,
        amount("fee of a fill that took from the book, of the traded value", unit="bps", ge=-BPS, le=BPS),
        WRITTEN,
    ] = Decimal(0)
    venue: Annotated[VenueName | None, _own_venue("in it", "the desk's", "207 SecurityExchange")] = None
    negative_prices: Annotated[
        bool, about("whether quotes, orders and trades at 0 and below are prices, as of spreads and power, or mistakes")
    ] = False
    max_order_quantity: Annotated[
        Positive | None,
        about("the quantity of one order, at most; null: no limit", unit=QUANTITY, fix="1140 MaxTradeVol", rare=True),
    ] = None
    min_order_quantity: Annotated[
        Positive | None,
        about("the quantity of one order, at least; null: no limit", unit=QUANTITY, fix="562 MinTradeVol", rare=True),
    ] = None
    halted: Annotated[
        bool, about("whether the desk takes no orders in it for now, but amendments that take risk away", rare=True)
    ] = False
    sector: Annotated[Name | None, about("that max_sector_exposure counts it in; null: none", rare=True)] = None
    calendar: Annotated[
        Name | None,
        about("when it trades: one of calendars, or an exchange of the library by its MIC; null: always",
              fix="336 TradingSessionID", rare=True),
    ] = None  # fmt: skip
    open_auction_ms: Annotated[
        int,
        about("so long before a session opens a simulated venue collects orders for an auction; 0: it has none",
              unit="ms", ge=0, le=MAX_AUCTION_MS, rare=True),
        WRITTEN,
    ] = 0  # fmt: skip
    close_auction_ms: Annotated[
        int, about("and so long before it closes", unit="ms", ge=0, le=MAX_AUCTION_MS, rare=True), WRITTEN
    ] = 0
    mark_price_type: mark_terms.MarkedBy = MarkPrice.MID
    mark_interval_ms: mark_terms.MarkInterval = 1_000
    atr_interval_ms: mark_terms.RangeInterval = None
    atr_bars: mark_terms.RangeBars = 14
    base_currency: Annotated[
        Name | None,
        about("of which one unit is traded: its price is then the rate to its currency", fixed=True, rare=True),
    ] = None


InstrumentId = Annotated[int, about("the symbol's number in records, unique", fixed=True, ge=1, le=MAX_SYMBOL), WRITTEN]


class InstrumentTerms(InstrumentFields):
    """Terms of one symbol (FIX 55)."""

    id: InstrumentId

    @model_validator(mode="after")
    def _what_it_needs_is_there(self) -> Self:
        said = "currency" in self.model_fields_set
        book_terms.check_inverse(self.inverse, self.negative_prices, self.base_currency, said)
        for name in ("open_auction_ms", "close_auction_ms"):
            if getattr(self, name) and self.calendar is None:
                raise ValueError(f"{name}: {getattr(self, name)} needs a calendar, whose sessions it is for")
        return self

    @model_validator(mode="after")
    def _some_quantity_can_pass(self) -> Self:
        least, most = self.min_order_quantity, self.max_order_quantity
        if least is not None and most is not None and least > most:
            raise ValueError(
                f"min_order_quantity: {canonical(least)} must be at most max_order_quantity, {canonical(most)}: no "
                "order could pass"
            )
        return self


class AccountFields(ReferenceData):
    """An account's terms without its number, which events call `account_id`. Values are in the instrument's currency.

    A limit without a section of its own has its default in `account_limits`.
    """

    max_order_value: Annotated[
        Decimal, amount("price times quantity times multiplier of one order, at most", unit=VALUE, gt=0), WRITTEN
    ]
    max_daily_orders: Annotated[
        int, about("orders accepted in one UTC day of log time, at most", ge=0, le=MAX_DAILY_ORDERS), WRITTEN
    ]
    min_order_size: Annotated[
        Decimal,
        amount("the value of an order, at least: what exchanges call minimum notional", unit=VALUE, ge=0),
        WRITTEN,
    ] = Decimal(0)
    max_slippage_bps: Annotated[
        Decimal,
        amount("how far through the touch a price may reach", unit="bps", section="order_params", ge=0, le=BPS),
        WRITTEN,
    ] = Decimal(10)
    rate_limit_orders: Annotated[
        Orders | None,
        about("new orders that go to venues in rate_limit_window_ms, at most, the others wait; null: no limit",
              section="order_params", rare=True),
    ] = None  # fmt: skip
    rate_limit_window_ms: Annotated[
        int,
        about("rate_limit_orders are of", unit="ms", section="order_params", ge=1, le=MAX_WINDOW_MS, rare=True),
        WRITTEN,
    ] = 1_000
    max_exit_slippage_bps: Annotated[
        Decimal,
        amount("the same of orders that only close what is held: an exit has to get out", unit="bps", ge=0, le=BPS,
               rare=True),
        WRITTEN,
    ] = Decimal(BPS)  # fmt: skip
    venue: Annotated[VenueName | None, _own_venue("of it", "the instrument's", "100 ExDestination")] = None
    mode: Annotated[
        AccountMode | None,
        about(
            "LIVE: its orders never go to a simulated venue; PAPER: never to another; null: as the venues are",
            fixed=True, rare=True,
        ),
    ] = None  # fmt: skip
    currency: Annotated[
        Name, about("of its cash, equity, exposures and losses", fix="15 Currency", fixed=True, rare=True)
    ] = "USD"
    cost_method: book_terms.CostOf = CostMethod.AVERAGE
    position_mode: book_terms.ModeOf = PositionMode.NETTING
    max_open_orders: Annotated[
        Orders | None, about("orders that may still trade at a time, at most; null: no limit", rare=True)
    ] = None
    max_position: Annotated[
        Positive | None,
        about(
            "what is held of an instrument, long or short, with all that works on a side, at most; null: no limit",
            unit=QUANTITY, rare=True,
        ),
    ] = None  # fmt: skip
    may_short: Annotated[
        bool, about("whether it may sell more than it holds, with all its working sales", rare=True)
    ] = True
    requires_stop: Annotated[
        bool, about("whether an order that does not only reduce needs a stop_loss or a trailing_stop", rare=True)
    ] = False
    restricted_symbols: Annotated[Symbols, about("instruments that it may not trade", rare=True)] = ()
    reduce_only_symbols: Annotated[
        Symbols, about("instruments in which it may do no more than reduce what it holds", rare=True)
    ] = ()
    self_trade_prevention: Annotated[
        SelfTrade,
        about("instead of a trade between two of its own orders, where an order says nothing", fix="2964", rare=True),
    ] = SelfTrade.NONE
    refuse_self_cross: Annotated[
        bool, about("whether an order that would trade with a resting one of its own is refused", rare=True)
    ] = False
    duplicate_window_ms: Annotated[
        int,
        about(
            "an order of the same symbol, side, quantity and price as one so short before is refused; 0: none is",
            unit="ms", ge=0, le=MAX_WINDOW_MS, rare=True,
        ),
        WRITTEN,
    ] = 0  # fmt: skip
    max_orders_per_window: Annotated[
        Orders | None, about("orders and amendments taken in order_window_ms, at most; null: no limit", rare=True)
    ] = None
    order_window_ms: Annotated[
        int, about("that max_orders_per_window counts in", unit="ms", ge=1, le=MAX_WINDOW_MS, rare=True), WRITTEN
    ] = 1_000
    max_symbol_exposure: Annotated[
        Positive | None,
        about(
            "what is held of an instrument at its mark, with all working orders of one side, at most; null: no limit",
            unit=ACCOUNT_VALUE, rare=True,
        ),
    ] = None  # fmt: skip
    max_sector_exposure: Annotated[
        Positive | None,
        about("the same over all instruments of a sector, longs and shorts added; null: no limit",
              unit=ACCOUNT_VALUE, rare=True),
    ] = None  # fmt: skip
    max_gross_exposure: Annotated[
        Positive | None,
        about("the same over all instruments, longs and shorts added; null: no limit", unit=ACCOUNT_VALUE, rare=True),
    ] = None
    max_net_exposure: Annotated[
        Positive | None,
        about(
            "the same over all instruments, shorts taken off longs, with all that works on a side; null: no limit",
            unit=ACCOUNT_VALUE, rare=True,
        ),
    ] = None  # fmt: skip
    max_strategy_gross_exposure: Annotated[
        Positive | None,
        about("as max_gross_exposure, of each of its strategies by itself; null: no limit",
              unit=ACCOUNT_VALUE, rare=True),
    ] = None  # fmt: skip
    max_strategy_net_exposure: Annotated[
        Positive | None,
        about("as max_net_exposure, of each of its strategies by itself; null: no limit",
              unit=ACCOUNT_VALUE, rare=True),
    ] = None  # fmt: skip
    max_daily_loss: Annotated[
        Positive | None,
        about(
            "what was lost since the day began, fees and open positions at their marks counted, before orders may do "
            "no more than reduce; null: no limit",
            unit=ACCOUNT_VALUE, rare=True,
        ),
    ] = None  # fmt: skip
    max_drawdown: risk_terms.MaxDrawdown = None
    max_leverage: risk_terms.MaxLeverage = None
    max_concentration: risk_terms.MaxConcentration = None
    max_value_at_risk: risk_terms.MaxValueAtRisk = None
    risk_action: risk_terms.OnRisk = RiskAction.ALERT
    exit_stop_loss_percent: risk_terms.ExitPercent = None
    exit_take_profit_percent: risk_terms.TakePercent = None
    exit_trailing_stop_percent: risk_terms.ExitTrail = None
    exit_trailing_stop_atr: risk_terms.ExitRanges = None
    exit_before_session_end_ms: risk_terms.ExitBeforeEnd = None
    account_type: Annotated[
        AccountType,
        about("what its orders are paid with: cash it has, a margin on its equity, or none of the desk's business",
              rare=True),
    ] = AccountType.NONE  # fmt: skip
    initial_margin: Annotated[
        Decimal,
        amount("the share of its exposure that a margin account must have in equity", gt=0, le=1, rare=True),
        WRITTEN,
    ] = Decimal("0.5")
    requires_approval: Annotated[bool, about("whether a person must approve each of its orders", rare=True)] = False
    approval_above: Annotated[
        Positive | None,
        about("a person must approve an order whose value is above this; null: no limit", unit=VALUE, rare=True),
    ] = None
    approval_strategies: Annotated[
        Names, about("strategies of whose orders a person must approve each", rare=True)
    ] = ()
    approval_timeout_ms: Annotated[
        int,
        about("an order that nobody approved or refused for so long is canceled", unit="ms", ge=1, le=MAX_MS,
              rare=True),
        WRITTEN,
    ] = 300_000  # fmt: skip
    breaker_rejects: Annotated[
        Orders | None,
        about("of its orders refused within breaker_window_ms before its breaker opens; null: none", rare=True),
    ] = None
    breaker_orders: Annotated[
        Orders | None,
        about("orders taken within breaker_window_ms before its breaker opens; null: none", rare=True),
    ] = None
    breaker_loss: Annotated[
        Positive | None,
        about("what it loses within breaker_window_ms, at marks, before its breaker opens; null: none",
              unit=ACCOUNT_VALUE, rare=True),
    ] = None  # fmt: skip
    breaker_slippage_bps: Annotated[
        Positive | None,
        about("how far beyond the quote that its orders met their fills were in the mean of breaker_window_ms, before "
              "its breaker opens; null: none", unit="bps", rare=True),
    ] = None  # fmt: skip
    breaker_slippage_fills: Annotated[
        int, about("fills that a slippage breaker needs at least", ge=1, le=MAX_SLIPS, rare=True), WRITTEN
    ] = 10
    strategy_breaker_slippage_bps: Annotated[
        Positive | None,
        about("as breaker_slippage_bps, of each strategy by itself; null: none", unit="bps", rare=True),
    ] = None
    strategy_breaker_rejects: Annotated[
        Orders | None, about("as breaker_rejects, of each strategy by itself; null: none", rare=True)
    ] = None
    strategy_breaker_orders: Annotated[
        Orders | None, about("as breaker_orders, of each strategy by itself; null: none", rare=True)
    ] = None
    breaker_window_ms: Annotated[
        int, about("that breakers count in", unit="ms", ge=1, le=MAX_WINDOW_MS, rare=True), WRITTEN
    ] = 60_000
    breaker_cooldown_ms: Annotated[
        int, about("an open breaker lets one order try after so long", unit="ms", ge=1, le=MAX_WINDOW_MS, rare=True),
        WRITTEN,
    ] = 60_000  # fmt: skip
    day_begins_minutes: Annotated[
        int,
        about(
            "minutes after midnight UTC at which its day begins, for limits of a day; below 0 it is the evening before",
            unit="minutes", ge=-MINUTES_A_DAY // 2, lt=MINUTES_A_DAY, rare=True,
        ),
        WRITTEN,
    ] = 0  # fmt: skip
    day_zone: Annotated[
        ZoneName | None,
        about("whose midnight that is, Europe/Zurich, over its changes of clocks; null: UTC", rare=True),
    ] = None


AccountId = Annotated[
    int, about("the account's number in records, unique", fixed=True, ge=1, le=MAX_ACCOUNT_ID), WRITTEN
]


class AccountTerms(AccountFields):
    """Limits of one account (FIX 1)."""

    id: AccountId

    @model_validator(mode="after")
    def _one_stop_trails(self) -> Self:
        risk_terms.check_trail(self.exit_trailing_stop_percent, self.exit_trailing_stop_atr)
        return self

    @model_validator(mode="after")
    def _may_hedge(self) -> Self:
        book_terms.check_mode(self.position_mode, self.may_short, self.account_type)
        return self

    @model_validator(mode="after")
    def _some_order_can_pass(self) -> Self:
        if self.min_order_size > self.max_order_value:
            raise ValueError(
                f"min_order_size: {canonical(self.min_order_size)} must be at most max_order_value, "
                f"{canonical(self.max_order_value)}: no order could pass"
            )
        return self
