"""What can be followed, and what each of it is made of.

Flows in: nothing. Flows out: `Topic`s: which streams, and which of their messages. Never reads one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from fillstream.libs.common.messages.accounts import AccountMarked, RiskChanged
from fillstream.libs.common.messages.base import Message, by_type
from fillstream.libs.common.messages.dead import DeadLetter
from fillstream.libs.common.messages.event import Event
from fillstream.libs.common.messages.exits import ExitChanged
from fillstream.libs.common.messages.journal import (
    EVENTS,
    LeftOrderEvent,
    OrderCancelRejected,
    OrderFilled,
    OrderReplaceRejected,
    PredictionReceived,
    SignalRefused,
    TradeBusted,
    TradeCorrected,
)
from fillstream.libs.common.messages.market import Depth, MarketMessage, Trades
from fillstream.libs.common.messages.order_event import OrderEvent
from fillstream.libs.common.messages.positions import (
    POSITION_MESSAGES,
    PositionAdjusted,
    PositionChanged,
    PositionClosed,
    PositionMarked,
    PositionsReconciled,
)
from fillstream.libs.common.messages.quoting import QuoteUpdated
from fillstream.libs.common.messages.targets import TargetChanged
from fillstream.libs.common.messages.topology import KINDS, Topology

OrderNews = OrderEvent | LeftOrderEvent | OrderCancelRejected | OrderReplaceRejected | SignalRefused
"""All that happens to orders, and requests that changed nothing."""
FillNews = OrderFilled | TradeBusted | TradeCorrected
"""Trades, and what venues took back or changed of them."""
PositionNews = (
    PositionChanged
    | PositionClosed
    | PositionAdjusted
    | PositionMarked
    | PositionsReconciled
    | ExitChanged
    | TargetChanged
    | AccountMarked
    | RiskChanged
)
AccountNews = AccountMarked | RiskChanged
"""What accounts are worth, and limits on their risk."""
MarketNews = Trades | Depth

M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Topic(Generic[M_co]):
    """Something to follow.

    Attributes:
        name: for people.
        kind: of the streams that have it.
        models: of its messages, by `type`; all others of these streams are passed over.
        of_all: whether each partition of accounts is told of it, so that one of them says it all.
    """

    name: str
    kind: str
    models: Mapping[str, type[Message]]
    of_all: bool = False

    def streams(self, topology: Topology, account: str | None) -> list[str]:
        """Return the names of the streams to read, for one account or all."""
        names = topology.names(self.kind)
        if KINDS[self.kind].partitioned_by != "account":
            return names
        if account is not None:
            return [names[topology.account_partition(account)]]
        return names[:1] if self.of_all else names


def _of(*models: type[Message]) -> dict[str, type[Message]]:
    return {model.model_fields["type"].default: model for model in models}


EVERYTHING: Final[Topic[Event]] = Topic("events", "events", EVENTS)
ORDERS: Final[Topic[OrderNews]] = Topic(
    "orders",
    "events",
    {
        name: model
        for name, model in EVENTS.items()
        if issubclass(model, (OrderEvent, LeftOrderEvent, OrderCancelRejected, OrderReplaceRejected, SignalRefused))
    },
)
FILLS: Final[Topic[FillNews]] = Topic("fills", "events", _of(OrderFilled, TradeBusted, TradeCorrected))
PREDICTIONS: Final[Topic[PredictionReceived]] = Topic("predictions", "events", _of(PredictionReceived))
QUOTES: Final[Topic[QuoteUpdated]] = Topic("quotes", "events", _of(QuoteUpdated), of_all=True)
POSITIONS: Final[Topic[PositionNews]] = Topic("positions", "positions", POSITION_MESSAGES)
TARGETS: Final[Topic[TargetChanged]] = Topic("targets", "positions", _of(TargetChanged))
EXITS: Final[Topic[ExitChanged]] = Topic("exits", "positions", _of(ExitChanged))
ACCOUNTS: Final[Topic[AccountNews]] = Topic("accounts", "positions", _of(AccountMarked, RiskChanged))
MARKET: Final[Topic[MarketNews]] = Topic("market", "market", by_type(MarketMessage))
DEAD: Final[Topic[DeadLetter]] = Topic("dead", "dead", _of(DeadLetter))

TOPICS: Final[Mapping[str, Topic[Any]]] = {
    each.name: each
    for each in (EVERYTHING, ORDERS, FILLS, PREDICTIONS, QUOTES, POSITIONS, TARGETS, EXITS, ACCOUNTS, MARKET, DEAD)
}
"""By name."""
