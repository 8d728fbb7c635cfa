"""The events of one order, out of the journal itself.

Flows in: an order, which knows the ids of its entries. Flows out: those events. Never keeps them.
"""

from __future__ import annotations

from typing import Any

import orjson

from fillstream.libs.common.messages.base import upcast
from fillstream.libs.common.messages.journal import EVENTS
from fillstream.libs.common.messages.topology import Topology, partition_of_order_id
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.sending import AWAY
from fillstream.services.gateway.state.orders import Order


class History:
    """Reads single entries of the journal.

    Args:
        client: of redis.asyncio.
        topology: the desk's.
    """

    def __init__(self, client: Any, topology: Topology) -> None:
        self._client = client
        self._topology = topology

    async def of(self, order: Order) -> tuple[list[dict[str, Any]], int]:
        """Return an order's events, the oldest first, and how many of them the journal has no more.

        Raises:
            Refusal: 503: Redis does not answer.
        """
        journal = self._topology.events(partition_of_order_id(int(order.row["order_id"])))
        ids = [*order.events]  # it may go on while Redis is asked
        try:
            async with self._client.pipeline(transaction=False) as pipe:
                for entry_id in ids:
                    pipe.execute_command("XRANGE", journal, entry_id, entry_id)
                replies = await pipe.execute()
        except AWAY as error:
            raise Refusal(503, "redis_away", f"redis: {error}", {"Retry-After": "1"}) from None
        found = [
            {**upcast(orjson.loads(reply[0][1][b"data"]), EVENTS), "id": entry_id}
            for entry_id, reply in zip(ids, replies, strict=True)
            if reply
        ]
        return found, len(ids) - len(found)
