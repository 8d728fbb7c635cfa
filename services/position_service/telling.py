"""What is told of positions: the messages of `positions.{a}`, numbered.

Flows in: what is held, and what was done to it. Flows out: messages. Never books anything.
"""

from __future__ import annotations

from typing import Any

from fillstream.libs.common.ledger.average import Position
from fillstream.libs.common.messages.codes import PositionMode
from fillstream.libs.common.messages.positions import POSITION_MESSAGES
from fillstream.libs.common.runtime.stage import Outputs
from fillstream.libs.common.values.money import AVG_PX_DECIMALS, ratio
from fillstream.services.position_service.books.books import Books
from fillstream.services.position_service.books.held import Held, Trade, change_of
from fillstream.services.position_service.books.instrument import Instrument
from fillstream.services.position_service.books.trip import Trip

Message = dict[str, Any]
_V = {kind: model.VERSION for kind, model in POSITION_MESSAGES.items()}


class Telling:
    """The stream's one writer.

    Args:
        books: count what is sent.
        stream: the name of the stream.

    Attributes:
        out, ms: where the messages of the entry go that is folded, and its time.
    """

    __slots__ = ("_books", "_stream", "ms", "out")

    out: Outputs

    def __init__(self, books: Books, stream: str) -> None:
        self._books = books
        self._stream = stream
        self.ms = 0

    def changed(
        self,
        event: Message,
        instrument: Instrument,
        held: Held,
        leg: tuple[int, Trade, Position],
        ended: list[Trip],
        restated: str | None = None,
    ) -> None:
        """Tell what a trade did to a position.

        Args:
            event: that brought it.
            instrument, held: of what, and what is held now.
            leg: how many lots there were before, the trade, and the position after it.
            ended: trips whose last is named where nothing is held.
            restated: how a bust or a correction was booked.
        """
        before, trade, position = leg
        change = change_of(before, before + trade.lots)
        self._books.fills[change] += 1
        message = self._of("PositionChanged", event["account"], instrument, held, position)
        if message["position_id"] is None and ended:
            message["position_id"] = ended[-1].position_id
        message["change"] = change
        message["order_id"] = event["order_id"]
        message["exec_id"] = event["exec_id"]
        message["last_qty"] = instrument.lot.text(trade.lots)
        message["last_px"] = instrument.price.text(instrument.ticks_of(trade.ticks))
        if restated is not None:
            message["restated"] = restated
        self.out.event(self._stream, message)

    def closed(self, event: Message, instrument: Instrument, held: Held, ended: list[Trip], reason: str = "") -> None:
        """Tell what each of some trips was; without a reason it is said by what is held now."""
        for trip in ended:
            message = self._head("PositionClosed")
            message["account"] = event["account"]
            message["symbol"] = instrument.symbol
            message["currency"] = instrument.units.currency
            message["reason"] = reason or self._reason(event, held)
            message["order_id"] = event["order_id"]
            message["exec_id"] = event["exec_id"]
            self.out.event(self._stream, message | told_of(trip, instrument))

    def exit_changed(self, fields: Message) -> None:
        """Tell what became of a protection."""
        self.out.event(self._stream, self._head("ExitChanged") | fields)

    def target_changed(self, fields: Message) -> None:
        """Tell what became of a target."""
        self.out.event(self._stream, self._head("TargetChanged") | fields)

    def account_marked(self, fields: Message) -> None:
        """Tell what an account is worth."""
        self.out.event(self._stream, self._head("AccountMarked") | fields)

    def risk_changed(self, fields: Message) -> None:
        """Tell that a limit on an account's risk is broken, or holds again."""
        self.out.event(self._stream, self._head("RiskChanged") | fields)

    def rule_reported(self, fields: Message) -> None:
        """Tell what became of a rule at an event."""
        self.out.event(self._stream, self._head("RuleReported") | fields)

    def _reason(self, event: Message, held: Held) -> str:
        """Return why a fill ended a position."""
        if held.trip:
            return "flip"
        return self._books.exits.reason_of(event.get("client_order_id")) or "fill"

    def adjusted(self, event: Message, instrument: Instrument, held: Held, before: int) -> None:
        """Tell what a split, or another symbol, made of so many lots."""
        message = self._of("PositionAdjusted", event["account"], instrument, held, held.position)
        message["control_id"] = event["control_id"]
        if event.get("new_symbol") is None:
            message["ratio"] = event["ratio"]
        elif instrument.symbol == event["symbol"]:
            message["new_symbol"] = event["new_symbol"]
        else:
            message["old_symbol"] = event["symbol"]
        message["old_position"] = instrument.lot.text(before)
        self.out.event(self._stream, message)

    def marked(self, account: str, instrument: Instrument, held: Held) -> None:
        """Tell what an open position is worth."""
        self.out.event(self._stream, self._of("PositionMarked", account, instrument, held, held.position))

    def reconciled(self, event: Message, positions: int, differing: list[str], most: int) -> None:
        """Tell in which positions the orders stage differs."""
        message = self._head("PositionsReconciled")
        message |= {"account": event["account"], "event_seq": event["seq"], "positions": positions}
        self.out.event(self._stream, message | {"differences": len(differing), "differing": differing[:most]})

    def _head(self, kind: str) -> Message:
        self._books.sent += 1
        return {"type": kind, "v": _V[kind], "seq": self._books.sent, "time": self.ms}

    def _of(self, kind: str, account: str, instrument: Instrument, held: Held, position: Position) -> Message:
        """Return what all messages of a position say."""
        self._books.sent += 1
        money = instrument.money
        realized = instrument.realized(position)
        unrealized = instrument.unrealized(position, realized)
        since = held.settled
        message = {
            "type": kind,
            "v": _V[kind],
            "seq": self._books.sent,
            "time": self.ms,
            "account": account,
            "symbol": instrument.symbol,
            "currency": instrument.units.currency,
            "position": instrument.lot.text(position.quantity),
            "avg_px": instrument.average(position),
            "realized_pnl": money(realized),
            "fees": money(position.fees),
            "cash": money(instrument.cash(position)),
            "mark_px": instrument.mark_text(position.quantity),
            "unrealized_pnl": None if unrealized is None else money(unrealized),
            "day_pnl": None if since is None else money(realized - position.fees + (unrealized or 0) - since),
            "position_id": None if held.trip is None else held.trip.position_id,
        }
        if held.name is not None:
            message |= {"position_id": held.name, "position_mode": PositionMode.HEDGING, "began_time": held.began_ms}
        if instrument.stale and position.quantity:
            message["mark_stale"] = True
        return message


def told_of(trip: Trip, instrument: Instrument) -> Message:
    """Return what PositionClosed says of a trip; what is not known of a trip that an older release opened is None."""
    fields: Message = {
        "position_id": trip.position_id,
        "side": "BUY" if trip.long else "SELL",
        "fills": trip.fills,
        "opened_time": trip.opened_ms,
    }
    if trip.opened_ms is None:
        return fields | dict.fromkeys(_OF_ALL_OF_IT)
    money = instrument.money
    pnl = 2 * trip.cash * instrument.half_tick_lot
    entered = 2 * trip.entry_value * instrument.half_tick_lot
    if instrument.inverse is not None:  # what a lot of it counts as is below 0
        entered = -entered
    return fields | {
        "duration_ms": None if trip.ended_ms is None else trip.ended_ms - trip.opened_ms,
        "peak_qty": instrument.size(trip.peak),
        "traded_qty": instrument.size(trip.entered + trip.exited),
        "entry_px": instrument.mean_text(trip.entry_value, trip.entered),
        "exit_px": instrument.mean_text(trip.exit_value, trip.exited),
        "gross_pnl": money(pnl),
        "paid_fees": money(trip.fees),
        "net_return": ratio(pnl - trip.fees, entered, AVG_PX_DECIMALS) if entered > 0 else None,
        "best_pnl": money(trip.best) if trip.seen else None,
        "worst_pnl": money(trip.worst) if trip.seen else None,
    }


_OF_ALL_OF_IT = (
    "duration_ms", "peak_qty", "traded_qty", "entry_px", "exit_px", "gross_pnl", "paid_fees", "net_return", "best_pnl",
    "worst_pnl",
)  # fmt: skip
