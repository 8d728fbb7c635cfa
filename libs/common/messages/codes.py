"""The words of the vocabulary: codes, reasons with FIX's numbers for them, and what every message keeps to.

Flows in: nothing. Flows out: names. Never imports a library: whatever only shows or compares a code is not made to
load the models of every message.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

DEFAULT_ACCOUNT = "default"
DEFAULT_PROTECTION = "default"
"""What protects a position where the client names nothing."""
FLATTEN_PROTECTION = "flatten"
"""What closes a position of an account that hedges and is to be flat."""
MAX_SIGNAL_BYTES = 65_536
"""A signal's fields together may not be larger (bytes)."""
"""Where orders go."""
IDEMPOTENCY_MS = 24 * 3600 * 1000
"""How long, in log time, a signal_id and a client_order_id are remembered at least (milliseconds): one window, as the
first becomes the second where a signal has none."""


class Side(StrEnum):
    """FIX 54."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    """FIX 40.

    Attributes:
        priced: whether its price is the client's, who must give one.
        stopped: whether it waits for a price, the client's `stop_price` (FIX 99).
    """

    priced: bool
    stopped: bool

    def __new__(cls, code: str, priced: bool, stopped: bool) -> Self:
        """Make one of its code and what it is."""
        kind = str.__new__(cls, code)
        kind._value_ = code
        kind.priced = priced
        kind.stopped = stopped
        return kind

    MARKET = "MARKET", False, False
    LIMIT = "LIMIT", True, False
    STOP = "STOP", False, True
    STOP_LIMIT = "STOP_LIMIT", True, True
    TRAILING_STOP = "TRAILING_STOP", False, False
    MARKET_TO_LIMIT = "MARKET_TO_LIMIT", False, False
    MARKET_IF_TOUCHED = "MARKET_IF_TOUCHED", False, True
    LIMIT_IF_TOUCHED = "LIMIT_IF_TOUCHED", True, True


PRICELESS = frozenset(kind.value for kind in OrderType if not kind.priced)
"""Types without a price of the client's."""
PLAIN_TYPES = frozenset((OrderType.MARKET.value, OrderType.LIMIT.value))
"""Types that need no more than a price: what an order may be that does not say its type."""
EMULATED_TYPES = frozenset(kind.value for kind in OrderType if kind.stopped or kind.value == "TRAILING_STOP")
"""Types that the desk can wait for itself, and send as what they waited to be, where a venue has no word for them."""
RESTING_TYPES = (OrderType.LIMIT.value, OrderType.STOP_LIMIT.value, OrderType.LIMIT_IF_TOUCHED.value)
"""Types that may rest in a book with a limit of the client's."""


class TimeInForce(StrEnum):
    """FIX 59."""

    DAY = "DAY"
    GTC = "GTC"
    GTD = "GTD"
    IOC = "IOC"
    FOK = "FOK"
    AT_THE_OPENING = "AT_THE_OPENING"
    AT_THE_CLOSE = "AT_THE_CLOSE"


RESTING_TIMES = frozenset((TimeInForce.DAY.value, TimeInForce.GTC.value, TimeInForce.GTD.value))
"""Times in force of orders that may rest."""


AUCTION_TIMES = frozenset((TimeInForce.AT_THE_OPENING.value, TimeInForce.AT_THE_CLOSE.value))
"""Times in force of orders that are for an auction alone."""
NO_PLAIN_TIMES = AUCTION_TIMES | {TimeInForce.GTD.value}
"""Times in force that say more than a plain order has."""


EMULATED_TIMES = frozenset((TimeInForce.DAY.value, TimeInForce.GTD.value))
"""Times in force whose end the desk can see to itself, of an order that the venue has until it is canceled."""


class TriggerPrice(StrEnum):
    """Which price an order waits for: FIX 1107 TriggerPriceType."""

    LAST = "LAST"
    BID_ASK = "BID_ASK"
    MID = "MID"
    MARK = "MARK"


class TrailingOffset(StrEnum):
    """What a trailing stop's distance is counted in: FIX 836 PegOffsetType."""

    PRICE = "PRICE"
    TICKS = "TICKS"
    BPS = "BPS"
    PERCENT = "PERCENT"


class PredictedMove(StrEnum):
    """What a prediction says to do, as document 002 has it."""

    BUY = "BUY"
    SELL = "SELL"
    SHORT = "SHORT"


class SelfTrade(StrEnum):
    """What happens instead of a trade between two orders of one account: FIX 2964 SelfMatchPreventionInstruction."""

    NONE = "NONE"
    CANCEL_RESTING = "CANCEL_RESTING"
    CANCEL_INCOMING = "CANCEL_INCOMING"
    CANCEL_BOTH = "CANCEL_BOTH"
    DECREMENT = "DECREMENT"


DEFAULT_ORDER_TYPE = OrderType.MARKET
"""Of a signal with neither order_type nor price, where the settings name none."""
DEFAULT_TIME_IN_FORCE = TimeInForce.GTC
"""Of a signal without time_in_force, where the settings name none."""


class AccountType(StrEnum):
    """What an account's orders are paid with."""

    NONE = "none"
    CASH = "cash"
    MARGIN = "margin"


class CostMethod(StrEnum):
    """Which cost a sale of a part of a position is counted against, in realized P&L."""

    AVERAGE = "AVERAGE"
    FIFO = "FIFO"
    LIFO = "LIFO"


class MarkPrice(StrEnum):
    """What positions in an instrument are valued at."""

    MID = "MID"
    LAST = "LAST"
    CLOSING = "CLOSING"


class RiskAction(StrEnum):
    """What is done about an account whose limit on its risk is broken."""

    ALERT = "ALERT"
    """It is told, and an alarm fires."""
    REDUCE = "REDUCE"
    """And the account may do no more than reduce what it holds, until an operator resumes it."""
    HALT = "HALT"
    """And it trades no more until then."""


class AccountMode(StrEnum):
    """What an account trades with: money at venues outside, or nothing at simulated ones."""

    LIVE = "LIVE"
    PAPER = "PAPER"


class PositionMode(StrEnum):
    """How many positions an account has in an instrument."""

    NETTING = "NETTING"
    """One: what is bought and what is sold make up one another."""
    HEDGING = "HEDGING"
    """As many as its orders name, long and short beside one another, each with its own cost, exits and P&L."""


class FeeScope(StrEnum):
    """What a venue's smallest and largest fee is of."""

    ORDER = "ORDER"
    FILL = "FILL"


class OrdStatus(StrEnum):
    """FIX 39, by name."""

    PENDING_NEW = "PendingNew"
    NEW = "New"
    PARTIALLY_FILLED = "PartiallyFilled"
    FILLED = "Filled"
    PENDING_CANCEL = "PendingCancel"
    PENDING_REPLACE = "PendingReplace"
    CANCELED = "Canceled"
    REJECTED = "Rejected"
    EXPIRED = "Expired"
    SUSPENDED = "Suspended"
    DONE_FOR_DAY = "DoneForDay"
    STOPPED = "Stopped"
    CALCULATED = "Calculated"


class TradingSession(StrEnum):
    """What a venue does with an instrument's orders: FIX 340 TradSesStatus, by what it means here."""

    CONTINUOUS = "CONTINUOUS"
    AUCTION = "AUCTION"
    HALTED = "HALTED"


class TradingState(StrEnum):
    """What an account, or the whole desk, may do."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


class Adjustment(StrEnum):
    """Why an account's cash, or what it holds, changes without a trade."""

    DEPOSIT = "DEPOSIT"
    WITHDRAWAL = "WITHDRAWAL"
    DIVIDEND = "DIVIDEND"
    FUNDING = "FUNDING"
    FX_MARK = "FX_MARK"
    SPLIT = "SPLIT"
    SYMBOL_CHANGE = "SYMBOL_CHANGE"


class BreakerState(StrEnum):
    """Of a circuit breaker: orders pass; none does; one may, to see whether it goes again."""

    CLOSED = "CLOSED"
    HALF_OPEN = "HALF_OPEN"
    OPEN = "OPEN"


class BreakerScope(StrEnum):
    """Whose orders a circuit breaker stops."""

    ACCOUNT = "ACCOUNT"
    STRATEGY = "STRATEGY"
    VENUE = "VENUE"


class BreakerCause(StrEnum):
    """Why a circuit breaker changed."""

    REJECTS = "REJECTS"
    ORDERS = "ORDERS"
    LOSS = "LOSS"
    SLIPPAGE = "SLIPPAGE"
    ERRORS = "ERRORS"
    COOLED_DOWN = "COOLED_DOWN"
    PROBE_REJECTED = "PROBE_REJECTED"
    PROBE_PASSED = "PROBE_PASSED"
    LIFTED = "LIFTED"


class ContingencyType(StrEnum):
    """What the orders of a list are to one another (FIX 1385)."""

    NONE = "NONE"
    """A basket: nothing but a list."""
    ONE_CANCELS_OTHER = "ONE_CANCELS_OTHER"
    ONE_TRIGGERS_OTHER = "ONE_TRIGGERS_OTHER"
    ONE_UPDATES_OTHER = "ONE_UPDATES_OTHER"
    BRACKET = "BRACKET"
    """An entry, and exits sized to what it has filled, of which one updates the other. Told, and not asked for."""


class BreakEven(StrEnum):
    """When a bracket's stop moves to where its position costs nothing."""

    AFTER_TARGET = "AFTER_TARGET"
    """Once its first target is filled."""
    NOW = "NOW"


class ListOrderStatus(StrEnum):
    """How a list of orders stands (FIX 431)."""

    EXECUTING = "EXECUTING"
    CANCELING = "CANCELING"
    ALL_DONE = "ALL_DONE"
    REJECT = "REJECT"


class DifferenceKind(StrEnum):
    """In what a desk and a venue do not agree."""

    MISSED_FILL = "missed_fill"
    """The venue has filled more than it told."""
    MISSED_ACCEPTANCE = "missed_acceptance"
    """The venue has the order, and its acknowledgement never came."""
    MISSED_REPLACEMENT = "missed_replacement"
    """The venue has it as it was to be amended, and never said so."""
    LOST_ORDER = "lost_order"
    """The desk takes it for open, and the venue does not have it."""
    EXTERNAL_ORDER = "external_order"
    """The venue has it, and the desk never sent it."""
    CUM_QTY = "cum_qty"
    """The desk has booked more fills than the venue has."""
    QUANTITY = "quantity"
    PRICE = "price"
    STATUS = "status"
    """The venue has it open, and for the desk it is finished or was never sent."""
    POSITION = "position"


class Resolution(StrEnum):
    """What was done about a difference."""

    BOOKED = "booked"
    ACCEPTED = "accepted"
    RESTATED = "restated"
    ADOPTED = "adopted"
    CANCELED = "canceled"
    ENDED = "ended"
    """As the venue says it ended."""
    TOLD = "told"
    """Nothing: a person is to look."""


class ExternalOrders(StrEnum):
    """What becomes of a venue's orders that the desk never sent."""

    LEAVE = "LEAVE"
    ADOPT = "ADOPT"


class LostOrders(StrEnum):
    """What becomes of orders that the desk takes for open and the venue does not have."""

    LEAVE = "LEAVE"
    CANCEL = "CANCEL"


class Reason(StrEnum):
    """A reason: a stable code in snake case, FIX's number for it, and what it means.

    Attributes:
        fix: the number in the FIX field that the class names, None where FIX has the field left out.
        text: the meaning, in general; the message that carries the reason has a sentence about the very case.
    """

    fix: int | None
    text: str

    def __new__(cls, code: str, fix: int | None, text: str) -> Self:
        """Make one of its code, number and meaning."""
        reason = str.__new__(cls, code)
        reason._value_ = code
        reason.fix = fix
        reason.text = text
        return reason


class RejectReason(Reason):
    """Why an order was refused (`OrderRejected.reason`): FIX 103 OrdRejReason."""

    UNKNOWN_SYMBOL = "unknown_symbol", 1, "the desk has no such instrument"
    UNKNOWN_ACCOUNT = "unknown_account", 15, "the desk has no such account"
    WRONG_MODE = "wrong_mode", 99, "the account is PAPER and the venue is not simulated, or it is LIVE and the venue is"
    TRADING_HALTED = "trading_halted", 0, "the desk or the account is HALTED: it takes nothing new"
    TRADING_REDUCING = "trading_reducing", 0, "the desk or the account is REDUCING, and this does not only reduce"
    BREAKER_OPEN = "breaker_open", 0, "a circuit breaker of the account, the strategy or the venue is open"
    OFF_TICK = "off_tick", 18, "the price is no multiple of the instrument's tick size"
    OFF_LOT = "off_lot", 13, "the quantity is no multiple of the instrument's lot size"
    QUANTITY_TOO_LARGE = "quantity_too_large", 13, "the quantity is more than a venue takes"
    PRICE_TOO_LARGE = "price_too_large", 3, "the price is more than a venue takes"
    PRICE_NOT_POSITIVE = "price_not_positive", 99, "the price is not above 0"
    STOP_OFF_TICK = "stop_off_tick", 18, "the stop price or a trailing offset is no multiple of the tick size"
    STOP_OUT_OF_RANGE = "stop_out_of_range", 99, "the stop price or the trailing offset is not one that a venue takes"
    BAD_DISPLAY = "bad_display", 13, "the display is off the lot, above the quantity, or too small a part of it"
    EXPIRE_TIME_PASSED = "expire_time_passed", 4, "the expire_time has passed already"
    SIZE_ZERO = "size_zero", 13, "what was asked for buys less than one lot"
    SIZE_UNKNOWN = "size_unknown", 99, "what the size depends on is not known: a quote, a stop, the account's equity"
    TOO_MANY_IDS = "too_many_ids", 99, "more ids came in their window than can be remembered: a repeat would go unseen"
    DUPLICATE_SIGNAL = "duplicate_signal", 6, "the signal came before, and nothing came of it"
    NOTHING_TO_REDUCE = "nothing_to_reduce", 99, "reduce-only, and what is held less what works already is too little"
    WRONG_SIDE = "wrong_side", 99, "a protective price is on the wrong side of the entry"
    VENUE_UNKNOWN = "venue_unknown", 99, "the desk has no such venue, or the order's type is not to be had there"
    PRICE_REQUIRED = "price_required", 99, "orders are LIMIT here by default, and a LIMIT order needs a price"
    NO_QUOTE = "no_quote", 99, "a market order has no quote that bounds its price"
    STALE_QUOTE = "stale_quote", 99, "the quote that the order would reach is too old"
    PRICE_COLLAR = "price_collar", 3, "the price is further through the touch than the account's max_slippage_bps"
    MIN_ORDER_SIZE = "min_order_size", 13, "the order's value is below the account's min_order_size"
    MAX_ORDER_VALUE = "max_order_value", 3, "the order's value is above the account's max_order_value"
    MAX_DAILY_ORDERS = "max_daily_orders", 3, "the account had its max_daily_orders accepted today"
    MAX_ORDER_QUANTITY = "max_order_quantity", 3, "the quantity is above the instrument's max_order_quantity"
    MIN_ORDER_QUANTITY = "min_order_quantity", 13, "the quantity is below the instrument's min_order_quantity"
    INSTRUMENT_HALTED = "instrument_halted", 2, "the desk takes no orders in the instrument for now"
    OUTSIDE_SESSION = "outside_session", 2, "the instrument's session takes no such order now, and it waits for none"
    CALENDAR_ENDED = "calendar_ended", 2, "the instrument's calendar is not known for the time that the order needs"
    NO_AUCTION = "no_auction", 99, "the order waits for a session or an auction that the instrument does not have"
    RESTRICTED_SYMBOL = "restricted_symbol", 0, "the account may not trade the instrument"
    REDUCE_ONLY_SYMBOL = "reduce_only_symbol", 0, "the account may only reduce what it holds of the instrument"
    STOP_REQUIRED = "stop_required", 99, "the account's entries need a stop_loss or a trailing_stop, and this has none"
    SHORT_NOT_ALLOWED = "short_not_allowed", 0, "the account would sell more than it holds, and may not"
    SELF_CROSS = "self_cross", 99, "the order would trade with a resting one of its own account"
    POSITION_TURNED = "position_turned", 99, "the account hedges, and the order would turn the position that it names"
    POSITION_NAME_TAKEN = "position_name_taken", 99, "the position_id is the number of an order that is to come"
    NOT_HEDGED = "not_hedged", 99, "the account hedges, and has no such target: it says not of which position"
    POSITION_UNKNOWN = (
        "position_unknown",
        99,
        "a limit needs the account's positions, unknown since an upgrade",
    )
    MAX_POSITION = "max_position", 3, "the position could pass the account's max_position"
    MAX_OPEN_ORDERS = "max_open_orders", 3, "the account has its max_open_orders at work"
    NO_FX_RATE = "no_fx_rate", 99, "a limit in the account's currency needs a rate that is not there, or is too old"
    MAX_SYMBOL_EXPOSURE = "max_symbol_exposure", 3, "the exposure could pass the account's max_symbol_exposure"
    MAX_SECTOR_EXPOSURE = "max_sector_exposure", 3, "the exposure could pass the account's max_sector_exposure"
    MAX_GROSS_EXPOSURE = "max_gross_exposure", 3, "the exposure could pass the account's max_gross_exposure"
    MAX_NET_EXPOSURE = "max_net_exposure", 3, "the exposure could pass the account's max_net_exposure"
    MAX_STRATEGY_GROSS_EXPOSURE = (
        "max_strategy_gross_exposure",
        3,
        "the strategy's exposure could pass the account's max_strategy_gross_exposure",
    )
    MAX_STRATEGY_NET_EXPOSURE = (
        "max_strategy_net_exposure",
        3,
        "the strategy's exposure could pass the account's max_strategy_net_exposure",
    )
    MAX_DAILY_LOSS = "max_daily_loss", 3, "the account has lost its max_daily_loss today, and this does not only reduce"
    BUYING_POWER = "buying_power", 3, "the account has not the cash, the holdings or the margin for the order"
    DUPLICATE_ORDER = "duplicate_order", 6, "the account sent the same order within its duplicate_window_ms"
    MAX_ORDERS_PER_WINDOW = "max_orders_per_window", 3, "the account had its max_orders_per_window in order_window_ms"
    UNKNOWN_ALGORITHM = "unknown_algorithm", 99, "the desk has no such algorithm"
    BAD_PARAMETERS = "bad_parameters", 99, "what the algorithm or the routing was told is not what it takes"
    UNKNOWN_ROUTING = "unknown_routing", 99, "the desk has no such routing policy"
    LIST_REJECTED = "list_rejected", 99, "another order of its list was refused, and all were to be taken or none"
    LIST_UNFIT = "list_unfit", 99, "the orders of the list do not fit one another"
    VENUE_CAPACITY = "venue_capacity", 0, "the venue has no room for another order"
    VENUE_SESSION = "venue_session", 2, "the venue's session for the instrument does not take this order"
    VENUE_BANDS = "venue_bands", 3, "the price is outside the venue's bands for the instrument"
    VENUE_WOULD_TRADE = "venue_would_trade", 99, "the order is post-only, and it would have traded"
    VENUE_DUPLICATE = "venue_duplicate", 6, "the venue has an order of this id already"
    VENUE_EXPIRED = "venue_expired", 4, "the order's time in force had ended when it reached the venue"
    VENUE_OTHER = "venue_other", 99, "the venue refused the order for a reason of its own"


class CancelRejectReason(Reason):
    """Why a cancel or an amendment changed nothing: FIX 102 CxlRejReason.

    An amendment may also break one of RejectReason's rules.
    """

    TOO_LATE = "too_late", 0, "the order is finished already"
    UNKNOWN_ORDER = "unknown_order", 1, "the account has no such order, or it was forgotten"
    ALREADY_PENDING = "already_pending", 3, "a cancel or an amendment of the order is on its way already"
    BELOW_FILLED = "below_filled", 99, "the new quantity is below what is filled already"
    MARKET_ORDER = "market_order", 2, "a market order cannot be amended"
    NO_PRICE = "no_price", 2, "an order of this type has no price that could be amended"
    ONLY_REDUCES = "only_reduces", 2, "the order is reduce-only, and the amended one would open a position"
    NEEDS_APPROVAL = "needs_approval", 99, "the amended order would need an approval: cancel it, and send a new one"
    NOT_WAITING = "not_waiting", 2, "the order waits for no stop price, or no more"
    NO_BRACKET = "no_bracket", 2, "the order has no bracket, or its position is closed"
    WRONG_SIDE = "wrong_side", 2, "the new protective price is on the wrong side of the market or the entry"
    NOT_WORKED = "not_worked", 2, "no algorithm works the order"
    BAD_PARAMETERS = "bad_parameters", 2, "what the algorithm was told is not what it takes"
    OF_PARENT = "of_parent", 2, "the order is the child of another one, which is to be amended instead"
    UNKNOWN_LIST = "unknown_list", 1, "the account has no such list of orders, or it was forgotten"
    VENUE_CAPACITY = "venue_capacity", 2, "the venue has no room for the amended order"
    VENUE_SESSION = "venue_session", 2, "the venue's session for the instrument does not take this request"
    VENUE_BANDS = "venue_bands", 2, "the new price is outside the venue's bands for the instrument"
    VENUE_OTHER = "venue_other", 99, "the venue refused the request for a reason of its own"


class ControlRejectReason(Reason):
    """Why a control changed nothing (`ControlRejected.refusal`). FIX has no number for it."""

    DUPLICATE_CONTROL_ID = "duplicate_control_id", None, "the control_id came before with another content"
    NOT_WAITING = "not_waiting", None, "no such order waits for an approval"
    HALTED = "halted", None, "the desk or the account is HALTED: nothing is let go"
    NOT_SMALLER = "not_smaller", None, "an approval may make an order smaller and its price less aggressive, no more"
    UNKNOWN_SYMBOL = "unknown_symbol", None, "the desk has no such instrument"
    UNKNOWN_ACCOUNT = "unknown_account", None, "the desk has no such account, or the alias no such account"
    NO_ALIAS = "no_alias", None, "what is to be switched is an account, and no alias"
    UNKNOWN_RULE = "unknown_rule", None, "the desk has no such rule"
    ORDERS_WORK = (
        "orders_work",
        None,
        "orders work or wait in the desk that a switch, a split or a new symbol would change",
    )
    FRACTION_LEFT = "fraction_left", None, "a split would leave a position that is no whole number of lots"
    INVERSE_CONTRACT = "inverse_contract", None, "what would change what an inverse contract is worth: a split of it"
    TERMS_DIFFER = "terms_differ", None, "what is held cannot be counted in the terms of the new symbol"
    HOLDS_BOTH = "holds_both", None, "the account holds some of the new symbol, too"
    POSITION_UNKNOWN = "position_unknown", None, "what the account holds is unknown since an upgrade: reconcile it"
    TOO_MANY_ACCOUNTS = "too_many_accounts", None, "more accounts hold the instrument than one control changes"
    WRONG_CURRENCY = "wrong_currency", None, "the amount is in another currency than the account's"
    UNKNOWN_VENUE = "unknown_venue", None, "the desk has no such venue"
    TOO_MANY = "too_many", None, "as many reports of venues are awaited as may be at a time"
    NO_ORDER_COULD_PASS = "no_order_could_pass", None, "the account's limits would contradict one another"


class CancelReason(Reason):
    """Why an order was taken off the book (`OrderCanceled.reason`): FIX 378 ExecRestatementReason, if unasked for."""

    REQUESTED = "requested", None, "the account asked for it"
    IOC_REMAINDER = "ioc_remainder", 8, "what an IOC order found no one for at once"
    FOK_KILLED = "fok_killed", 8, "a FOK order could not trade whole"
    NO_LIQUIDITY = "no_liquidity", 8, "what a market order found no one for"
    REPLACED_BELOW_FILLED = "replaced_below_filled", 8, "the amended quantity was filled already"
    SELF_TRADE = "self_trade", 8, "it would have traded with an order of its own account"
    NOT_RELEASED = "not_released", 99, "when its time came, a rule about the market refused the order"
    MASS_CANCEL = "mass_cancel", None, "all orders of the account were canceled at once"
    TRADING_HALT = "trading_halt", 6, "the venue took the order off because the instrument is halted"
    SYSTEM_FAILURE = "system_failure", 7, "the venue took the order off because a system failed"
    MARKET_OPTION = "market_option", 8, "the venue took the order off, as it may"
    NOT_BEST = "not_best", 9, "the venue took the order off because it was not the best"
    NOT_APPROVED = "not_approved", None, "a person refused the order"
    APPROVAL_TIMEOUT = "approval_timeout", 4, "nobody approved or refused the order in time"
    TRADING_HALTED = "trading_halted", 6, "its time or price came while the desk or the account might not send it"
    PARENT = "parent", None, "the order that made it needs it no more"
    LIST = "list", None, "another order of its list traded, or ended"
    WORK_ENDED = "work_ended", None, "the time of its algorithm was over, or it wanted no more"
    LOST = "lost", 99, "by its own report the venue does not have the order any more"
    VENUE_OTHER = "venue_other", 99, "the venue took the order off for a reason of its own"


class RestatementReason(Reason):
    """Why a venue changed an order without being asked (`OrderRestated.reason`): FIX 378 ExecRestatementReason."""

    SELF_TRADE = "self_trade", 5, "less is open: the rest would have traded with an order of its own account"
    CORPORATE_ACTION = "corporate_action", 0, "a dividend, a split or another act of the issuer changed it"
    GT_RENEWAL = "gt_renewal", 1, "it is in force for another day: one that was done for the day works again"
    VERBAL_CHANGE = "verbal_change", 2, "somebody changed it by word of mouth"
    REPRICING = "repricing", 3, "the venue gave it another price"
    BROKER_OPTION = "broker_option", 4, "the broker changed it, as it may"
    PARTIAL_DECLINE = "partial_decline", 5, "part of its quantity was declined"
    MARKET_OPTION = "market_option", 8, "the venue changed it, as it may"
    WAREHOUSE_RECAP = "warehouse_recap", 10, "it is told again, as every day"
    PEG_REFRESH = "peg_refresh", 11, "the price that it follows moved"
    RECONCILED = "reconciled", 99, "the venue has it so, by its own report of what is open"
    VENUE_OTHER = "venue_other", 99, "the venue changed the order for a reason of its own"
