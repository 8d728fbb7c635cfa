"""Depth and trades, from the lossy market streams.

Flows in: raw entries of `market.{s}`. Flows out: a row a trade in `trades`, a row a message in `depth`. Never stops for
a bad entry: it goes to `undecodable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from fillstream.libs.common.messages.market import Depth, Trades, market_message
from fillstream.libs.common.messages.sentences import sentences
from fillstream.services.analytics.decode.columns import LAST_MS, fits, times
from fillstream.services.analytics.decode.entries import DATA, TEXT_CHARACTERS, Batch, RawEntry, Undecodable, envelope
from fillstream.services.analytics.numbers import Number, Scales
from fillstream.services.analytics.schema import DEPTH_TABLE, TRADES_TABLE

LARGEST_INTEGER = 2**63 - 1


def decode_market(stream: str, entries: Sequence[RawEntry], batch: Batch) -> None:
    """Add the entries' trades and depths to `batch`."""
    trades: list[tuple[RawEntry, Trades]] = []
    depths: list[tuple[RawEntry, Depth]] = []
    for entry in entries:
        flat: Sequence[bytes] = entry[1] or ()
        if len(flat) != 2 or flat[0] != DATA:
            text = "data: an entry of this stream has this one field with one JSON message"
            batch.undecodable.append(Undecodable(entry, "no_message", text))
            continue
        try:
            message = market_message.validate_json(flat[1])
        except ValidationError as error:
            batch.undecodable.append(Undecodable(entry, "bad_message", sentences(error)[:TEXT_CHARACTERS]))
            continue
        problem = _out_of_range(message, batch.scales)
        if problem:
            batch.undecodable.append(Undecodable(entry, "out_of_range", problem))
        elif isinstance(message, Trades):
            trades.append((entry, message))
        else:
            depths.append((entry, message))
    if trades:
        batch.add(TRADES_TABLE.name, _trades(stream, trades, batch.scales))
    if depths:
        batch.add(DEPTH_TABLE.name, _depths(stream, depths, batch.scales))


def _out_of_range(message: Trades | Depth, scales: Scales) -> str | None:
    if not 0 <= message.time <= LAST_MS:
        return f"time: {message.time} is not between 0 and {LAST_MS} ms"
    levels: list[tuple[Decimal, Decimal]] = []
    if isinstance(message, Trades):
        for number, price, quantity, _ in message.trades:
            if abs(number) > LARGEST_INTEGER:
                return f"trades: trade number {number} does not fit BIGINT"
            levels.append((price, quantity))
    else:
        levels += (*message.bids, *message.asks)
    for level in levels:
        for kind, value in zip((Number.PRICE, Number.QUANTITY), level, strict=True):
            if not fits(value, scales.of(kind)):
                return f"{message.type}: {str(value)[:80]} does not fit {scales.sql(kind)}"
    return None


def _trades(stream: str, found: Sequence[tuple[RawEntry, Trades]], scales: Scales) -> pa.Table:
    schema = TRADES_TABLE.arrow(scales)
    rows = [(entry, message, trade) for entry, message in found for trade in message.trades]
    return pa.table(
        [
            *envelope(stream, [entry for entry, _, _ in rows]),
            *_head([message for _, message, _ in rows]),
            pa.array([trade[0] for _, _, trade in rows], pa.int64()),
            pa.array([trade[1] for _, _, trade in rows], schema.field("price").type),
            pa.array([trade[2] for _, _, trade in rows], schema.field("quantity").type),
            pa.array([str(trade[3]) for _, _, trade in rows], pa.string()),
        ],
        schema=schema,
    )


def _depths(stream: str, found: Sequence[tuple[RawEntry, Depth]], scales: Scales) -> pa.Table:
    schema = DEPTH_TABLE.arrow(scales)
    levels = schema.field("bids").type
    messages = [message for _, message in found]
    return pa.table(
        [
            *envelope(stream, [entry for entry, _ in found]),
            *_head(messages),
            pa.array([_levels(message.bids) for message in messages], levels),
            pa.array([_levels(message.asks) for message in messages], levels),
        ],
        schema=schema,
    )


def _head(messages: Sequence[Trades | Depth]) -> list[pa.Array]:
    return [
        pa.array([message.type for message in messages], pa.string()),
        pa.array([message.v for message in messages], pa.int64()),
        times([message.time for message in messages]),
        pa.array([message.symbol for message in messages], pa.string()),
        pa.array([message.venue for message in messages], pa.string()),
    ]


def _levels(levels: Sequence[tuple[Decimal, Decimal]]) -> list[dict[str, Any]]:
    return [{"price": price, "quantity": quantity} for price, quantity in levels]
