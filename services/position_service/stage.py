"""The position stage: fills and quotes of one account partition's journal become positions with their P&L.

Flows in: `events.{a}`. Flows out: PositionChanged for every fill, PositionClosed for every position that came to its
end, PositionAdjusted for every split and PositionMarked for every open position whose mark moved, in `positions.{a}`;
where the orders stage states what it holds, PositionsReconciled. A bust makes everything as if that trade had never
been, a correction as if it had been another: `books.held`, which also says when that is not possible. Never looks at
orders, limits or anything but fills, splits, quotes, accounts' methods of cost and instruments; never goes on when the
journal has a gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import ValidationError

from fillstream.libs.common.ledger.average import Position
from fillstream.libs.common.ledger.digest import MOST_ROWS, digest_of, money, row_of, size
from fillstream.libs.common.ledger.mark import mark_of
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.base import Models, head_of, head_of_next, upcast
from fillstream.libs.common.messages.codes import CostMethod
from fillstream.libs.common.messages.controls import split_ratio
from fillstream.libs.common.messages.journal import (
    AccountAdjusted,
    AccountDefined,
    InstrumentDefined,
    OrderFilled,
    TradeBusted,
    TradeCorrected,
)
from fillstream.libs.common.messages.positions import POSITION_MESSAGES
from fillstream.libs.common.messages.quoting import QuoteUpdated
from fillstream.libs.common.messages.reconciliation import HoldingsStated
from fillstream.libs.common.messages.reference import InstrumentUnits
from fillstream.libs.common.messages.sentences import sentences
from fillstream.libs.common.messages.topology import SIM, stream_name
from fillstream.libs.common.runtime.stage import Entry, Family, Inconsistent, Outputs
from fillstream.libs.common.values.money import Scale
from fillstream.libs.common.values.versions import Unreadable
from fillstream.services.position_service.books.books import Books
from fillstream.services.position_service.books.held import Held, Trade, change_of
from fillstream.services.position_service.books.instrument import Instrument
from fillstream.services.position_service.books.trip import Trip
from fillstream.services.position_service.closing import told_of
from fillstream.services.position_service.snapshot import dump, load

FAMILIES: tuple[Family, ...] = (
    Family("positions", "Positions that are open and those that are flat again.", "state"),
    Family("position_changes", "What fills did to positions.", "change", True),
    Family("position_differences", "Positions that the orders stage has otherwise, when they were compared last."),
)

_BOOKED: Models = {
    "OrderFilled": OrderFilled,
    "QuoteUpdated": QuoteUpdated,
    "InstrumentDefined": InstrumentDefined,
    "AccountDefined": AccountDefined,
    "TradeBusted": TradeBusted,
    "TradeCorrected": TradeCorrected,
    "AccountAdjusted": AccountAdjusted,
    "HoldingsStated": HoldingsStated,
}
"""The events that change the books. Most are of no interest, and nothing but the head of them is read."""
_VERSIONS = {kind: model.VERSION for kind, model in _BOOKED.items()}
_V = {kind: model.VERSION for kind, model in POSITION_MESSAGES.items()}
MOST_DIFFERING = 100
"""So many positions in which the orders stage and this one differ are told each by itself."""

Message = dict[str, Any]


ANY_SEQ = -2
"""The number of the last event where some after it were lost, and their loss was accepted."""


class PositionStage:
    """The fold of `events.{partition}`.

    Args:
        partition: of the accounts.
    """

    name = "positions"
    tick_ms: int | None = None
    families = FAMILIES

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.inbox = stream_name("events", partition)
        self._stream = stream_name("positions", partition)
        self._books = Books()

    def fold(self, entry: Entry, out: Outputs) -> None:
        """Book one event of the journal.

        Raises:
            BadEntry: not_an_event.
            Inconsistent: an event is missing or came twice, a fill or quote does not fit its instrument, or one is of a
                version that this release does not read.
        """
        payload = entry.fields.get(b"data")
        if payload is None:
            raise BadEntry("not_an_event", "data: is missing, an event is one JSON object in it")
        seq = self._books.read + 1
        head = head_of_next(payload, seq)
        kind, v, seq = (*head, seq) if head else self._head(payload, seq, entry)
        version = _VERSIONS.get(kind)
        if version is not None:
            event = orjson.loads(payload)
            if v != version:
                event = self._raised(event, entry)
            match kind:
                case "OrderFilled":
                    self._filled(event, entry.ms, out)
                case "TradeBusted" | "TradeCorrected":
                    self._trade_changed(event, entry.ms, out)
                case "QuoteUpdated":
                    self._quoted(event, entry.ms, out)
                case "InstrumentDefined":
                    self._defined(event, out)
                case "AccountDefined":
                    self._books.take_method(event["account"], CostMethod(event.get("cost_method", CostMethod.AVERAGE)))
                case "AccountAdjusted":
                    self._adjusted(event, entry.ms, out)
                case "HoldingsStated":
                    self._compared(event, entry.ms, out)
        self._books.read = seq

    # ------------------------------------------------------------------------------------------------ the events

    def after_loss(self) -> None:
        """See `libs.common.runtime.stage.Losable`: the next event may have any number."""
        self._books.read = ANY_SEQ

    def _head(self, payload: bytes, due: int, entry: Entry) -> tuple[str, int, int]:
        """Return type, version and number of an event that is not as the hot path writes it, or not the one due."""
        try:
            kind, v, seq = head_of(payload)
        except Unreadable as error:
            raise BadEntry("not_an_event", f"data: {error}") from None
        if seq is None:
            raise BadEntry("not_an_event", "data: seq: is missing, an event has one")
        if seq != due and self._books.read != ANY_SEQ:
            raise Inconsistent(f"{self.inbox} {entry.id}: seq {seq} must be {due}, the one after the last")
        return kind, v, seq

    def _raised(self, event: Message, entry: Entry) -> Message:
        """Return an event of another version as today's. To bury one would let the books stand still in silence."""
        try:
            return upcast(event, _BOOKED)
        except Unreadable as error:
            raise Inconsistent(f"{self.inbox} {entry.id}: {error}; a newer one wrote the journal") from error

    def _defined(self, event: Message, out: Outputs) -> None:
        """Take an instrument's terms. Once there are positions, another grid is counted in, another worth refused.

        The event stays in the sequence even if it is refused, hence `out.bad` and not BadEntry.
        """
        symbol = event["symbol"]
        try:
            units = InstrumentUnits.out_of(event)
        except ValidationError as error:
            raise Inconsistent(f"event {event['seq']}: {symbol}: {sentences(error)}") from None
        venue = event.get("venue") or SIM
        known = self._books.instruments.get(symbol)
        if known is None:
            self._books.instruments[symbol] = Instrument(symbol, units, venue)
            return
        known.venue = venue
        before = known.units
        if (units.currency, units.multiplier) != (before.currency, before.multiplier) and known.held:
            out.bad(
                "terms_changed",
                f"{symbol}: currency {units.currency} and multiplier {units.multiplier} must stay {before.currency} "
                f"and {before.multiplier}, positions are counted in them; the old terms stay",
            )
            return
        known.count_in(units)

    def _filled(self, event: Message, ms: int, out: Outputs) -> None:
        instrument = self._instrument_of(event)
        trade = self._trade(event, instrument)
        held, name = self._books.held(event["account"], instrument), _name(event, "exec_id")
        if name in held.trades:
            return out.bad("repeated_trade", f"exec_id: {event['exec_id']} of order {event['order_id']} is booked")
        before = held.position.quantity
        ended = held.book(name, trade)
        self._books.kept_one()
        said = self._position_changed(event, ms, instrument, held, (before, trade), held.position, ended)
        out.event(self._stream, said)
        self._closed(event, ms, out, instrument, ended)
        return None

    def _trade_changed(self, event: Message, ms: int, out: Outputs) -> None:
        """Take a trade back, and book what it is now: as if it had never been otherwise, where it is kept."""
        instrument = self._instrument_of(event)
        held, name, by = (
            self._books.held(event["account"], instrument),
            _name(event, "ref_exec_id"),
            _name(event, "exec_id"),
        )
        now, was = None, self._trade(event, instrument)
        if event["type"] == "TradeCorrected":
            told = {"last_qty": event["old_qty"], "last_px": event["old_px"], "fee": event["old_fee"]}
            now, was = was, self._trade(event | told, instrument)
        kept = held.kept(name, instrument.session)
        if kept is None or kept[:3] != was[:3]:  # cash and fees go by what the venue says that it was
            return self._adjusted_by(event, ms, out, instrument, held, by, was, now)
        before = held.position.quantity
        without = held.without(name)
        then = None if now is None else kept._replace(lots=now.lots, ticks=now.ticks, fee=now.fee)
        ended = held.rebook(name, then, by)
        if kept.session < instrument.session:
            instrument.resettle(held, kept.back)
            if then is not None:
                instrument.resettle(held, then)
        legs = [(before, was.back, without)]
        if then is not None:
            legs.append((without.quantity, then, held.position))
        for quantity, trade, position in legs:
            said = self._position_changed(event, ms, instrument, held, (quantity, trade), position, ended)
            out.event(self._stream, said | {"restated": "recomputed"})
        self._closed(event, ms, out, instrument, ended, "restated")
        return None

    def _adjusted_by(
        self, event: Message, ms: int, out: Outputs, instrument: Instrument, held: Held, by: str, was: Trade,
        now: Trade | None,
    ) -> None:  # fmt: skip
        """Book a trade that is not kept the other way round, and what it is now, as trades of this moment."""
        for name, trade in ((f"{by} back", was.back), (by, now)):
            if trade is not None:
                before = held.position.quantity
                ended = held.book(name, trade)
                self._books.kept_one()
                instrument.resettle(held, trade)
                said = self._position_changed(event, ms, instrument, held, (before, trade), held.position, ended)
                out.event(self._stream, said | {"restated": "adjusted"})
                self._closed(event, ms, out, instrument, ended, "restated")

    def _trade(self, event: Message, instrument: Instrument) -> Trade:
        """Return what an event says of a trade.

        Raises:
            Inconsistent: it does not fit the instrument.
        """
        lots = _units(event, "last_qty", instrument.lot)
        ticks = _units(event, "last_px", instrument.price)
        fee = instrument.fee(event["fee"])
        if fee is None or lots <= 0 or event["currency"] != instrument.units.currency:
            raise Inconsistent(
                f"event {event['seq']}: last_qty {event['last_qty']} must be above 0, fee {event['fee']} must have at "
                f"most {instrument.decimals} decimals, currency {event['currency']} must be {instrument.units.currency}"
            )
        instrument.stirs(event["time"])
        # A part of what was bought pays a fee that is not in money, at the same price.
        paid = 0 if event.get("fee_qty") is None else _units(event, "fee_qty", instrument.lot)
        position_id = event.get("position_id") or f"{self.partition}-{event['seq']}"
        return Trade(
            -lots if event["side"] == "SELL" else lots, ticks, fee, paid, instrument.session, event["time"], position_id
        )

    def _position_changed(
        self,
        event: Message,
        ms: int,
        instrument: Instrument,
        held: Held,
        leg: tuple[int, Trade],
        position: Position,
        ended: list[Trip],
    ) -> Message:
        """Return what is said of a trade that was booked: counts it.

        Args:
            event, ms, instrument, held: that booked it.
            leg: how many lots there were before, and the trade.
            position: after it.
            ended: trips whose last is named where nothing is held.
        """
        before, trade = leg
        change = change_of(before, before + trade.lots)
        self._books.fills[change] += 1
        message = self._message("PositionChanged", ms, event["account"], instrument, held, position)
        if message["position_id"] is None and ended:
            message["position_id"] = ended[-1].position_id
        message["change"] = change
        message["order_id"] = event["order_id"]
        message["exec_id"] = event["exec_id"]
        message["last_qty"] = instrument.lot.text(trade.lots)
        message["last_px"] = instrument.price.text(trade.ticks)
        return message

    def _closed(
        self, event: Message, ms: int, out: Outputs, instrument: Instrument, ended: list[Trip], reason: str = ""
    ) -> None:
        """Send what each of some trips was."""
        for trip in ended:
            self._books.sent += 1
            head = {"type": "PositionClosed", "v": _V["PositionClosed"], "seq": self._books.sent, "time": ms}
            whose = {"account": event["account"], "symbol": instrument.symbol, "currency": instrument.units.currency}
            flipped = instrument.held[event["account"]].trip is not None
            why = {
                "reason": reason or ("flip" if flipped else "fill"),
                "order_id": event["order_id"],
                "exec_id": event["exec_id"],
            }
            out.event(self._stream, head | whose | why | told_of(trip, instrument))

    def _adjusted(self, event: Message, ms: int, out: Outputs) -> None:
        """Split what an account holds; its cash is the orders stage's."""
        ratio = event.get("ratio")
        if ratio is None:
            return
        instrument, account = self._instrument_of(event), event["account"]
        held = instrument.held.get(account)
        if held is None or not held.position.quantity:
            return
        before = held.position.quantity
        if not held.split(*split_ratio(ratio)):
            raise Inconsistent(
                f"event {event['seq']}: {ratio} of {instrument.lot.text(before)} {instrument.symbol} must be whole "
                f"lots of {instrument.lot.step}"
            )
        message = self._message("PositionAdjusted", ms, account, instrument, held, held.position)
        message["control_id"] = event["control_id"]
        message["ratio"] = ratio
        message["old_position"] = instrument.lot.text(before)
        out.event(self._stream, message)

    def _quoted(self, event: Message, ms: int, out: Outputs) -> None:
        instrument = self._instrument_of(event)
        if event["venue"] != instrument.venue:
            return  # others quote it, too; an instrument has one mark
        instrument.stirs(event["time"])
        mark = _mark_of(event, instrument.price)
        if mark is None or mark == instrument.mark:
            return
        instrument.set_mark(mark)
        for account, held in instrument.held.items():
            if held.position.quantity:
                instrument.see(held)
                out.event(self._stream, self._message("PositionMarked", ms, account, instrument, held, held.position))

    def _compared(self, event: Message, ms: int, out: Outputs) -> None:
        """Compare what the orders stage holds of an account at this very event with what is booked here."""
        books, account = self._books, event["account"]
        found = (_row(each, account) for _, each in sorted(books.instruments.items()))
        rows = [row for row in found if row is not None]
        differing: list[str] = []
        if digest_of(rows) != event["digest"]:
            differing = _differing(event["held"], rows[:MOST_ROWS]) or ["beyond the first positions"]
        books.differing.pop(account, None)
        if differing:
            books.differing[account] = len(differing)
        books.sent += 1
        message = {"type": "PositionsReconciled", "v": _V["PositionsReconciled"], "seq": books.sent, "time": ms}
        message |= {"account": account, "event_seq": event["seq"], "positions": max(len(rows), event["positions"])}
        out.event(self._stream, message | {"differences": len(differing), "differing": differing[:MOST_DIFFERING]})

    def _instrument_of(self, event: Message) -> Instrument:
        found = self._books.instruments.get(event["symbol"])
        if found is None:
            raise Inconsistent(f"event {event['seq']}: symbol {event['symbol']} must be defined before it is used")
        return found

    def _message(
        self, kind: str, ms: int, account: str, instrument: Instrument, held: Held, position: Position
    ) -> Message:
        """Return what all messages of a position say; counts it as sent."""
        self._books.sent += 1
        money = instrument.money
        realized = instrument.realized(position)
        unrealized = instrument.unrealized(position, realized)
        since = held.settled
        return {
            "type": kind,
            "v": _V[kind],
            "seq": self._books.sent,
            "time": ms,
            "account": account,
            "symbol": instrument.symbol,
            "currency": instrument.units.currency,
            "position": instrument.lot.text(position.quantity),
            "avg_px": instrument.average(position),
            "realized_pnl": money(realized),
            "fees": money(position.fees),
            "cash": money(instrument.cash(position)),
            "mark_px": instrument.mark_text,
            "unrealized_pnl": None if unrealized is None else money(unrealized),
            "day_pnl": None if since is None else money(realized - position.fees + (unrealized or 0) - since),
            "position_id": None if held.trip is None else held.trip.position_id,
        }

    # ------------------------------------------------------------------------------------------------- the state

    def snapshot(self) -> bytes:
        """Return the whole state; see `snapshot`."""
        return dump(self._books)

    def restore(self, data: bytes) -> None:
        """Replace the state by a snapshot's."""
        self._books = load(data)

    def gauges(self) -> Mapping[str, Mapping[str, int]]:
        """Return how many positions are open and flat, and what fills did."""
        quantities = [held.position.quantity for held in self._books]
        flat = quantities.count(0)
        return {
            "positions": {"open": len(quantities) - flat, "flat": flat},
            "position_changes": self._books.fills,
            "position_differences": {"": sum(self._books.differing.values())},
        }


def _name(event: Message, exec_id: str) -> str:
    """Return what names a trade: venues number them as they like, and each order's apart from others'."""
    return f"{event['order_id']} {event[exec_id]}"


def _row(instrument: Instrument, account: str) -> str | None:
    """Return what an account holds of an instrument, as the orders stage states it."""
    held = instrument.held.get(account)
    if held is None:
        return None
    position, decimals = held.position, instrument.decimals
    cash, fees = money(instrument.cash(position), decimals), money(position.fees, decimals)
    return row_of(instrument.symbol, size(position.quantity, instrument.lot.step), cash, fees)


def _differing(stated: list[str], booked: list[str]) -> list[str]:
    """Return the positions that are not the same in both, each with what both have."""
    its, ours = ({row.split(" ", 1)[0]: row.split(" ", 1)[1] for row in rows} for rows in (stated, booked))
    nothing = "0 0 0"
    return [
        f"{symbol} {its.get(symbol, nothing)} {ours.get(symbol, nothing)}"
        for symbol in sorted(its.keys() | ours.keys())
        if its.get(symbol) != ours.get(symbol)
    ]


def _units(event: Message, name: str, grid: Scale) -> int:
    units = grid.units(event[name])
    if units is None:
        raise Inconsistent(f"event {event['seq']}: {name} {event[name]} must be a multiple of {grid.step}")
    return units


def _mark_of(quote: Message, grid: Scale) -> int | None:
    """Return the mark in half ticks; see `libs.common.ledger.mark`."""
    return mark_of(
        *(None if quote[name] is None else _units(quote, name, grid) for name in ("bid_px", "ask_px", "last_px"))
    )
