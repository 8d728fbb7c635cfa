"""What stays of an order that left the state: a line of JSON, of which there may be millions.

Flows in: finished orders. Flows out: what people and late reports are told of them. Never changes.
"""

from __future__ import annotations

from typing import NamedTuple

import orjson

from fillstream.services.order_service.orders.life.order import Links, Order


class Remembered(NamedTuple):
    """What stays of an order that left the state, or that validation refused: enough to tell its status."""

    order_id: int
    client_order_id: str
    account: str
    symbol: str
    side: str
    status: str
    quantity: str
    cum_qty: str
    avg_px: str | None
    received_ms: int
    links: Links | None = None

    def to_json(self) -> bytes:
        """Return it as a JSON list, which ends with a list only where it has links: see `is_linked`."""
        plain = self[:-1]
        text = orjson.dumps([*plain] if self.links is None else [*plain, [*self.links]])
        # A copy: what orjson returns keeps the kilobytes that it began with for as long as the bytes live.
        return b"".join((text, b""))

    @classmethod
    def load(cls, data: bytes) -> Remembered:
        """Return what `to_json` wrote of one."""
        values = orjson.loads(data)
        if len(values) == len(cls._fields):
            values[-1] = Links(*values[-1])
        return cls(*values)

    @classmethod
    def of(cls, order: Order) -> Remembered:
        """Return what stays of a finished order."""
        terms = order.terms
        return cls(
            order.order_id,
            order.client_order_id,
            order.account,
            terms.symbol,
            order.side,
            order.status,
            terms.lot.text(order.quantity),
            terms.lot.text(order.cum),
            terms.price.mean(order.notional, order.cum) if order.cum else None,
            order.received_ms,
            order.links,
        )


def is_linked(record: bytes) -> bool:
    """Say whether the JSON of a `Remembered` has links, without reading it: there may be millions."""
    return record.endswith(b"]]")
