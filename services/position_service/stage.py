"""The position stage: fills and quotes of one account partition's journal become positions with their P&L.

Flows in: `events.{a}`. Flows out: PositionChanged for every fill, PositionAdjusted for every split and PositionMarked
for every open position whose mark moved, in `positions.{a}`; where the orders stage states what it holds,
PositionsReconciled. A bust is booked as a trade the other way, a correction as that and the trade it is now: quantity,
cash and fees are as if the wrong trade had never been, and so is the sum of realized and unrealized P&L; how these two
share it is not, as the mean cost went through both (to recount it from the fills is a later issue). Never looks at
orders, limits or anything but fills, splits, quotes and instruments; never goes on when the journal has a gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import ValidationError

from fillstream.libs.common.ledger.average import Holdings, Position
from fillstream.libs.common.ledger.digest import MOST_ROWS, digest_of, money, row_of, size
from fillstream.libs.common.ledger.mark import mark_of
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.base import Models, head_of, head_of_next, upcast
from fillstream.libs.common.messages.controls import split_ratio
from fillstream.libs.common.messages.journal import (
    AccountAdjusted,
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
from fillstream.services.position_service.snapshot import Books, dump, load

FAMILIES: tuple[Family, ...] = (
    Family("positions", "Positions that are open and those that are flat again.", "state"),
    Family("position_changes", "What fills did to positions.", "change", True),
    Family("position_differences", "Positions that the orders stage has otherwise, when they were compared last."),
)

_BOOKED: Models = {
    "OrderFilled": OrderFilled,
    "QuoteUpdated": QuoteUpdated,
    "InstrumentDefined": InstrumentDefined,
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
                case "TradeBusted":
                    self._filled(event, entry.ms, out, back=True)
                case "TradeCorrected":
                    old = {"last_qty": event["old_qty"], "last_px": event["old_px"], "fee": event["old_fee"]}
                    self._filled(event | old, entry.ms, out, back=True)
                    self._filled(event, entry.ms, out)
                case "QuoteUpdated":
                    self._quoted(event, entry.ms, out)
                case "InstrumentDefined":
                    self._defined(event, out)
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
        self._books.venues[symbol] = event.get("venue") or SIM
        known = self._books.holdings.get(symbol)
        if known is None:
            self._books.holdings[symbol] = Holdings(symbol, units)
            return
        before = known.units
        if (units.currency, units.multiplier) != (before.currency, before.multiplier) and known.positions:
            out.bad(
                "terms_changed",
                f"{symbol}: currency {units.currency} and multiplier {units.multiplier} must stay {before.currency} "
                f"and {before.multiplier}, positions are counted in them; the old terms stay",
            )
            return
        known.recount(units)

    def _filled(self, event: Message, ms: int, out: Outputs, back: bool = False) -> None:
        holdings = self._holdings_of(event)
        lots = _units(event, "last_qty", holdings.lot)
        ticks = _units(event, "last_px", holdings.price)
        fee = holdings.fee(event["fee"])
        if fee is None or lots <= 0 or event["currency"] != holdings.units.currency:
            raise Inconsistent(
                f"event {event['seq']}: last_qty {event['last_qty']} must be above 0, fee {event['fee']} must have at "
                f"most {holdings.decimals} decimals, currency {event['currency']} must be {holdings.units.currency}"
            )
        if back:
            lots, fee = -lots, -fee
        if event["side"] == "SELL":
            lots = -lots
        account = event["account"]
        position = holdings.positions.get(account)
        if position is None:
            position = holdings.positions[account] = Position()
        change = position.fill(lots, ticks)
        position.fees += fee
        if event.get("fee_qty") is not None:  # a part of what was bought paid the fee, at the same price
            position.fill(-_units(event, "fee_qty", holdings.lot), ticks)
        self._books.fills[change] += 1
        message = self._message("PositionChanged", ms, account, holdings, position)
        message["change"] = change
        message["order_id"] = event["order_id"]
        message["exec_id"] = event["exec_id"]
        message["last_qty"] = holdings.lot.text(lots)
        message["last_px"] = event["last_px"]
        out.event(self._stream, message)

    def _adjusted(self, event: Message, ms: int, out: Outputs) -> None:
        """Split what an account holds; its cash is the orders stage's."""
        ratio = event.get("ratio")
        if ratio is None:
            return
        holdings, account = self._holdings_of(event), event["account"]
        position = holdings.positions.get(account)
        if position is None or not position.quantity:
            return
        before = position.quantity
        if not position.split(*split_ratio(ratio)):
            raise Inconsistent(
                f"event {event['seq']}: {ratio} of {holdings.lot.text(before)} {holdings.symbol} must be whole lots of "
                f"{holdings.lot.step}"
            )
        message = self._message("PositionAdjusted", ms, account, holdings, position)
        message["control_id"] = event["control_id"]
        message["ratio"] = ratio
        message["old_position"] = holdings.lot.text(before)
        out.event(self._stream, message)

    def _quoted(self, event: Message, ms: int, out: Outputs) -> None:
        holdings = self._holdings_of(event)
        if event["venue"] != self._books.venues[holdings.symbol]:
            return  # others quote it, too; an instrument has one mark
        mark = _mark_of(event, holdings.price)
        if mark is None or mark == holdings.mark:
            return
        holdings.set_mark(mark)
        for account, position in holdings.positions.items():
            if position.quantity:
                out.event(self._stream, self._message("PositionMarked", ms, account, holdings, position))

    def _compared(self, event: Message, ms: int, out: Outputs) -> None:
        """Compare what the orders stage holds of an account at this very event with what is booked here."""
        books, account = self._books, event["account"]
        found = (_row(holdings, account) for _, holdings in sorted(books.holdings.items()))
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

    def _holdings_of(self, event: Message) -> Holdings:
        holdings = self._books.holdings.get(event["symbol"])
        if holdings is None:
            raise Inconsistent(f"event {event['seq']}: symbol {event['symbol']} must be defined before it is used")
        return holdings

    def _message(self, kind: str, ms: int, account: str, holdings: Holdings, position: Position) -> Message:
        """Return what both kinds of message say; counts it as sent."""
        self._books.sent += 1
        money = holdings.money
        realized = holdings.realized(position)
        unrealized = holdings.unrealized(position, realized)
        return {
            "type": kind,
            "v": _V[kind],
            "seq": self._books.sent,
            "time": ms,
            "account": account,
            "symbol": holdings.symbol,
            "currency": holdings.units.currency,
            "position": holdings.lot.text(position.quantity),
            "avg_px": holdings.average(position),
            "realized_pnl": money(realized),
            "fees": money(position.fees),
            "cash": money(holdings.cash(position)),
            "mark_px": holdings.mark_text,
            "unrealized_pnl": None if unrealized is None else money(unrealized),
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
        quantities = [p.quantity for i in self._books.holdings.values() for p in i.positions.values()]
        flat = quantities.count(0)
        return {
            "positions": {"open": len(quantities) - flat, "flat": flat},
            "position_changes": self._books.fills,
            "position_differences": {"": sum(self._books.differing.values())},
        }


def _row(holdings: Holdings, account: str) -> str | None:
    """Return what an account holds of an instrument, as the orders stage states it."""
    position = holdings.positions.get(account)
    if position is None:
        return None
    decimals = holdings.decimals
    cash, fees = money(holdings.cash(position), decimals), money(position.fees, decimals)
    return row_of(holdings.symbol, size(position.quantity, holdings.lot.step), cash, fees)


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
