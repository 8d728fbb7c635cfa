"""Names of the streams and the partition of an account or a symbol.

Flows in: an account or symbol name and the partition counts. Flows out: stream keys. Never talks to Redis.

The braces are Redis Cluster hash tags. Every key may carry the prefix `messaging.topic_prefix`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

KINDS = ("signals", "orders", "commands", "events", "positions", "market", "dead")
"""The desk's streams; all but the first and the last have partitions."""

ORDER_ID_COUNTER_BITS = 48
"""An order id is `account partition << 48 | counter`: unique without talking to anybody, routable by itself."""


def stable_partition(name: str, count: int) -> int:
    """Return the partition, 0 to `count - 1`, that owns `name`: CRC-32 of its UTF-8 bytes modulo `count`."""
    return zlib.crc32(name.encode()) % count if count > 1 else 0


def order_id_of(partition: int, counter: int) -> int:
    """Return the 64-bit order id of the `counter`-th order (from 1) of an account partition."""
    return partition << ORDER_ID_COUNTER_BITS | counter


def partition_of_order_id(order_id: int) -> int:
    """Return the account partition that gave out `order_id`."""
    return order_id >> ORDER_ID_COUNTER_BITS


def id_ms(entry_id: str) -> int:
    """Return the millisecond part of a stream entry's id, the only clock a fold has."""
    return int(entry_id.partition("-")[0])


def id_key(entry_id: str) -> tuple[int, int]:
    """Return an entry id as a pair that sorts in log order."""
    ms, _, seq = entry_id.partition("-")
    return int(ms), int(seq or 0)


def low_water_key(stream: str) -> str:
    """Return the hash where readers of `stream` write the id below which they need nothing."""
    return f"{stream}.low"


@dataclass(frozen=True, slots=True)
class Topology:
    """How many partitions there are, and what every stream is called.

    Args:
        account_partitions: count of orders.{a}, events.{a} and positions.{a}.
        symbol_partitions: count of commands.{s} and market.{s}.
        prefix: put before every key, for several desks on one Redis.
    """

    account_partitions: int = 1
    symbol_partitions: int = 1
    prefix: str = ""

    @property
    def signals(self) -> str:
        """What clients publish."""
        return f"{self.prefix}signals"

    @property
    def dead(self) -> str:
        """Entries nobody could use, whole, with the reason."""
        return f"{self.prefix}dead"

    def orders(self, partition: int) -> str:
        """Return the one inbox of account partition `partition`: instructions, reports, ticks, configuration."""
        return f"{self.prefix}orders.{{{partition}}}"

    def events(self, partition: int) -> str:
        """Return the public journal of account partition `partition`."""
        return f"{self.prefix}events.{{{partition}}}"

    def positions(self, partition: int) -> str:
        """Return the stream of position changes of account partition `partition`."""
        return f"{self.prefix}positions.{{{partition}}}"

    def commands(self, partition: int) -> str:
        """Return the one inbox of symbol partition `partition`: command frames and quotes."""
        return f"{self.prefix}commands.{{{partition}}}"

    def market(self, partition: int) -> str:
        """Return the lossy stream of depth and trades of symbol partition `partition`."""
        return f"{self.prefix}market.{{{partition}}}"

    def checkpoint(self, stage: str, partition: int) -> str:
        """Return the hash that holds a stage's epoch, checkpoint and output hash."""
        return f"{self.prefix}checkpoint.{stage}.{{{partition}}}"

    def status(self, stage: str, partition: int) -> str:
        """Return the hash a live stage refreshes about once a second, for `fillstream status`."""
        return f"{self.prefix}status.{stage}.{{{partition}}}"

    def account_partition(self, account: str) -> int:
        """Return the partition that owns `account`."""
        return stable_partition(account, self.account_partitions)

    def symbol_partition(self, symbol: str) -> int:
        """Return the partition that owns `symbol`."""
        return stable_partition(symbol, self.symbol_partitions)
