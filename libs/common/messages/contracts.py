"""What is in each stream: the model of its messages, and one line about it, for AsyncAPI and for whoever decodes it.

Flows in: nothing. Flows out: `CONTRACTS`, by kind of stream. Never says who reads or writes one: `stages` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fillstream.libs.common.messages.controls import AnyControl, LimitRisk
from fillstream.libs.common.messages.dead import DeadLetter
from fillstream.libs.common.messages.journal import JournalEvent
from fillstream.libs.common.messages.market import MarketMessage
from fillstream.libs.common.messages.market_report import MarketReport, SubscribeMarket, UnsubscribeMarket
from fillstream.libs.common.messages.mass_status import AdoptOrder, MassStatusReport, ReportMassStatus
from fillstream.libs.common.messages.positions import PositionMessage
from fillstream.libs.common.messages.signals import ExitPosition, ReportStatus, Signal
from fillstream.libs.common.messages.targets import ReachPosition
from fillstream.libs.common.messages.venue import Frame, ReportFrame, VenueReport


@dataclass(frozen=True, slots=True)
class Contract:
    """A kind of stream's.

    Attributes:
        model: what pydantic reads its messages with.
        text: what is in it, for people.
    """

    model: Any
    text: str


CONTRACTS: Final[dict[str, Contract]] = {
    "signals": Contract(Signal, "What clients publish: orders, cancels and amendments, in many shapes."),
    "orders": Contract(
        Signal
        | ExitPosition
        | ReachPosition
        | LimitRisk
        | ReportStatus
        | VenueReport
        | MassStatusReport
        | MarketReport
        | AnyControl
        | ReportFrame,
        "The inbox of an account partition: instructions, decimals as strings; reports of venues, as frames of "
        "fs_report records or as JSON; and an operator's controls.",
    ),
    "commands": Contract(
        Frame | ReportMassStatus | AdoptOrder | SubscribeMarket | UnsubscribeMarket,
        "Frames of fs_command records (native/include/fillstream.h); as JSON what is no command.",
    ),
    "events": Contract(JournalEvent, "The journal of an account partition: every change of every order, in order."),
    "positions": Contract(PositionMessage, "Every change of every position, and marks of the open ones."),
    "market": Contract(MarketMessage, "Trades and the best levels of a symbol partition; lossy."),
    "dead": Contract(DeadLetter, "Entries nobody could use, with the reason; whole up to 512 KiB."),
}
