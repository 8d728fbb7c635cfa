"""Instructions, as the orders stage has them once they are read: numbers as text, codes by name.

Flows in: fields that `decode` has checked. Flows out: the same, by name. Never judges anything.
"""

from __future__ import annotations

from typing import NamedTuple

from fillstream.libs.common.messages.special_terms import SpecialTerms
from fillstream.services.order_service.orders.life.parts import Links


class New(NamedTuple):
    """A NewOrder as the signals stage sends it: numbers as text, codes by name, null where the signal said nothing."""

    signal_id: str
    client_order_id: str
    account: str
    symbol: str
    side: str
    quantity: str
    order_type: str | None
    price: str | None
    time_in_force: str | None
    strategy: str | None
    confidence: str | None
    signal_time: int
    links: Links | None
    special: SpecialTerms | None


class Cancel(NamedTuple):
    """A CancelOrder: of an order named by exactly one of the two."""

    signal_id: str
    account: str
    order_id: str | None
    orig_client_order_id: str | None
    signal_time: int


class Replace(NamedTuple):
    """A ReplaceOrder: `quantity` is the new total; null stays as it is. `special` may have a stop_price."""

    signal_id: str
    account: str
    order_id: str | None
    orig_client_order_id: str | None
    quantity: str | None
    price: str | None
    signal_time: int
    special: SpecialTerms | None


class Close(NamedTuple):
    """A ClosePosition: null stays the desk's to say."""

    signal_id: str
    client_order_id: str
    account: str
    symbol: str
    quantity: str | None
    order_type: str | None
    price: str | None
    time_in_force: str | None
    strategy: str | None
    position_id: str | None
    signal_time: int


class All(NamedTuple):
    """A CancelAll: null is all of them."""

    signal_id: str
    account: str
    symbol: str | None
    strategy: str | None
    side: str | None
    signal_time: int


class NewList(NamedTuple):
    """A NewOrderList: `orders` are as NewOrders are, of the list's account."""

    signal_id: str
    list_id: str
    account: str
    contingency_type: str
    all: bool
    orders: tuple[New, ...]
    signal_time: int


class CancelList(NamedTuple):
    """A CancelOrderList."""

    signal_id: str
    account: str
    list_id: str
    signal_time: int


class Pause(NamedTuple):
    """A PauseOrder: of an order named by exactly one of the two."""

    signal_id: str
    account: str
    order_id: str | None
    orig_client_order_id: str | None
    signal_time: int


class Resume(NamedTuple):
    """A ResumeOrder, likewise."""

    signal_id: str
    account: str
    order_id: str | None
    orig_client_order_id: str | None
    signal_time: int


class Prediction(NamedTuple):
    """A Prediction: numbers as text."""

    signal_id: str
    account: str
    symbol: str
    move: str
    confidence: str | None
    price: str | None
    probability_up: str | None
    probability_down: str | None
    horizon_ms: int | None
    predictor: str | None
    predictor_version: str | None
    predicted_time: int | None
    strategy: str | None
    signal_time: int


class Protect(NamedTuple):
    """A ProtectPosition: numbers as text; null says nothing of it."""

    signal_id: str
    account: str
    symbol: str
    position_id: str | None
    protection_id: str
    quantity: str | None
    stop_loss: str | None
    stop_loss_percent: str | None
    take_profit: str | None
    take_profit_percent: str | None
    trailing_stop: str | None
    trailing_stop_percent: str | None
    trailing_stop_atr: str | None
    activation_offset: str | None
    break_even_offset: str | None
    time_limit_ms: int | None
    exit_time: int | None
    before_session_end_ms: int | None
    strategy: str | None
    signal_time: int


class Unprotect(NamedTuple):
    """A CancelProtection: without a protection_id all of the position."""

    signal_id: str
    account: str
    symbol: str
    protection_id: str | None
    position_id: str | None
    signal_time: int


class Exit(NamedTuple):
    """An ExitPosition, which the positions stage sends."""

    signal_id: str
    client_order_id: str
    account: str
    symbol: str
    quantity: str | None
    position_id: str | None
    strategy: str | None
    signal_time: int


class Aim(NamedTuple):
    """A SetTarget: of a symbol, or `targets`, objects as `messages.targets.TargetFields` has them, numbers as text."""

    signal_id: str
    account: str
    symbol: str | None
    target: str | None
    weight: str | None
    tolerance: str | None
    targets: list[dict[str, str | None]] | None
    close_others: bool | None
    min_value: str | None
    algorithm: str | None
    algorithm_parameters: str | None
    strategy: str | None
    signal_time: int


class Unaim(NamedTuple):
    """A CancelTarget: without a symbol all of the account."""

    signal_id: str
    account: str
    symbol: str | None
    signal_time: int


class Reach(NamedTuple):
    """A ReachPosition, which the positions stage sends."""

    signal_id: str
    client_order_id: str
    account: str
    symbol: str
    target: str
    algorithm: str | None
    algorithm_parameters: str | None
    strategy: str | None
    signal_time: int


class Restrict(NamedTuple):
    """A LimitRisk, which the positions stage sends."""

    signal_id: str
    account: str
    action: str
    reason: str
    signal_time: int


class Refused(NamedTuple):
    """A RefuseSignal."""

    request: str
    signal_id: str
    account: str
    entry_id: str
    reason: str
    text: str
    signal_time: int


class Status(NamedTuple):
    """A ReportStatus: the signal came before, and was a `request` of that type."""

    signal_id: str
    account: str
    order_id: str | None
    client_order_id: str | None
    request: str | None
    signal_time: int


Instruction = (
    New
    | Cancel
    | Replace
    | Close
    | All
    | NewList
    | CancelList
    | Pause
    | Resume
    | Prediction
    | Protect
    | Unprotect
    | Exit
    | Aim
    | Unaim
    | Reach
    | Restrict
    | Refused
    | Status
)
