"""A position stage behind a journal whose events keep their contracts."""

from __future__ import annotations

from typing import Any

import orjson

from fillstream.libs.common.messages.journal import EVENTS, journal_event
from fillstream.libs.common.messages.positions import position_message
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.position_service.stage import PositionStage

T0 = 1_700_000_000_000
RARE = {
    "PositionChanged": ("position_mode", "began_time", "mark_stale", "restated"),
    "PositionAdjusted": ("position_mode", "began_time", "mark_stale", "ratio", "new_symbol", "old_symbol"),
    "PositionMarked": ("position_mode", "began_time", "mark_stale"),
    "AccountMarked": ("stale_positions",),
    "TargetChanged": (
        "client_order_id", "order_id", "traded_qty", "traded_px", "paid_fees", "arrival_px", "shortfall", "retry_time",
        "text",
    ),
    "ExitChanged": (
        "client_order_id", "order_id", "attempt", "exit_qty", "exit_px", "gap_px", "retry_time", "text",
        "activation_px", "break_even_px", "exit_time",
    ),
}  # fmt: skip
"""Fields that messages may lack, by type."""


class PositionsDesk:
    """A position stage behind a journal whose events keep their contracts."""

    def __init__(self) -> None:
        self.stage = PositionStage(1)
        self.seq = 0
        self.later_ms = 0
        self.numbers: dict[str, int] = {}
        self.dead: list[dict[str, Any]] = []
        self.ended: list[dict[str, Any]] = []
        """What the last fill brought to its end."""

    def put(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Fold one event; return the messages it caused, each checked against its contract."""
        self.seq += 1
        ms = T0 + self.later_ms + self.seq
        event = {"type": kind, "v": EVENTS[kind].VERSION, "seq": self.seq, "time": ms, **fields}
        journal_event.validate_python(event)
        return self.fold(Entry(f"{ms}-0", ms, {b"data": orjson.dumps(event)}))

    def fold(self, entry: Entry) -> list[dict[str, Any]]:
        out = Outputs(self.stage.name, self.stage.inbox)
        out.begin(entry)
        self.stage.fold(entry, out)
        self.dead += [orjson.loads(letter[b"data"]) for letter in out.dead]
        return self.checked(out)

    def checked(self, out: Outputs) -> list[dict[str, Any]]:
        """Return the messages that were sent, each checked against its contract."""
        assert set(out.by_stream) <= {"positions.1"}
        messages = [orjson.loads(payload) for _, payloads in out.by_stream.values() for payload in payloads]
        for message in messages:
            model = position_message.validate_python(message)
            assert set(type(model).model_fields) <= {*message, *RARE.get(message["type"], ())}
        return messages

    def define(self, symbol: str = "AAPL", **changed: Any) -> list[dict[str, Any]]:
        """Define an instrument, whose positions are told of every mark unless it says otherwise."""
        self.numbers.setdefault(symbol, len(self.numbers) + 1)
        terms = {"tick_size": "0.01", "lot_size": "1", "multiplier": "1", "currency": "USD"}
        fees = {"maker_fee_bps": "0", "taker_fee_bps": "0"}
        return self.put(
            "InstrumentDefined",
            symbol=symbol,
            instrument_id=self.numbers[symbol],
            **(terms | fees | {"mark_interval_ms": 0} | changed),
        )

    def order(self, side: str, **fields: Any) -> dict[str, Any]:
        return {
            "order_id": "7",
            "client_order_id": "c7",
            "account": "alpha",
            "symbol": "AAPL",
            "side": side,
            "ord_status": "PartiallyFilled",
            "quantity": "1000",
            "cum_qty": "10",
            "leaves_qty": "990",
            "avg_px": None,
        } | fields

    def fill(self, side: str, quantity: str, price: str, fee: str = "0", **fields: Any) -> dict[str, Any]:
        execution = {
            "exec_id": f"SIM-0-{self.seq}-B",
            "venue": "SIM",
            "last_qty": quantity,
            "last_px": price,
            "liquidity": "TAKER",
            "fee": fee,
            "currency": "USD",
            "strategy": None,
        }
        [message, *self.ended] = self.put("OrderFilled", **self.order(side, **(execution | fields)))
        return message

    def restate(self, kind: str, ref: str, quantity: str, price: str, **fields: Any) -> list[dict[str, Any]]:
        """Bust or correct the fill of that exec_id; of a correction these are what it is now."""
        order = self.order("BUY") | {"exec_id": f"SIM-c{self.seq}", "ref_exec_id": ref, "venue": "SIM", "fee": "0"}
        trade = {"last_qty": quantity, "last_px": price, "currency": "USD", "strategy": None, "text": "a mistake"}
        return self.put(kind, **(order | trade | fields))

    def quote(
        self, bid: str | None, ask: str | None, last: str | None = None, venue: str = "SIM", symbol: str = "AAPL"
    ) -> list[dict[str, Any]]:
        sides = {"bid_px": bid, "bid_qty": "1", "ask_px": ask, "ask_qty": "1"}
        return self.put("QuoteUpdated", symbol=symbol, venue=venue, last_px=last, **sides)
