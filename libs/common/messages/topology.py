"""Names of the streams, the keys that Redis keeps them under, and the partition of an account or a symbol.

Flows in: an account or symbol name and the partition counts. Flows out: names and keys. Never talks to Redis, and never
knows who reads or writes a stream: `messages.stages` does.

A stream has a **name**, the same on every desk (`events.0`, `commands.SIM.0`), which folds send to and the output hash
covers; and a **key**, which is the name with the desk's prefix `messaging.topic_prefix` and a Redis Cluster hash tag:
`events.{a0}`, `commands.SIM.{s0}`. Partitions of accounts and of symbols have nothing to do with each other, so their
tags differ.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final, Literal

PartitionedBy = Literal["account", "symbol"]

SIM: Final = "SIM"
"""The simulated venue that every desk has."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of stream.

    Attributes:
        name: what every stream of it begins with.
        partitioned_by: whose partitions it has, a stream each; None when there is one.
        per_venue: whether every venue has its own.
        lossy: whether it is cut by length and may lose entries.
    """

    name: str
    partitioned_by: PartitionedBy | None = None
    per_venue: bool = False
    lossy: bool = False


KINDS: Final[dict[str, Kind]] = {
    each.name: each
    for each in (
        Kind("signals"),
        Kind("orders", "account"),
        Kind("commands", "symbol", per_venue=True),
        Kind("events", "account"),
        Kind("positions", "account"),
        Kind("market", "symbol", lossy=True),
        Kind("dead"),
    )
}
"""The desk's streams, in the order in which a signal meets them."""

ORDER_ID_COUNTER_BITS = 48
"""An order id is `account partition << 48 | counter`: unique without talking to anybody, routable by itself."""
OWN: Final = "@"
"""Between an alias and what tells its accounts apart: `main@paper` and `main@live` are two accounts of `main`."""
VENUE_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,31}")
"""What a venue may be called: its name is a part of names of streams, and of exec ids."""
_FREE = re.compile(r"[a-z_]+")


def stream_name(kind: str, partition: int | None = None, venue: str | None = None) -> str:
    """Return the name of a stream: `signals`, `events.0`, `commands.SIM.0`.

    Raises:
        ValueError: the kind has partitions or venues and none is named, or the other way round.
    """
    rest = [venue, None if partition is None else str(partition)]
    name = ".".join([kind, *(part for part in rest if part is not None)])
    tagged(name)
    return name


@lru_cache(maxsize=4096)
def tagged(name: str) -> str:
    """Return a stream's name with the hash tag of its partition: `events.0` is kept at `events.{a0}`.

    Raises:
        ValueError: it is no name of a stream; a key is none.
    """
    kind_name, *rest = name.split(".")
    kind = KINDS.get(kind_name)
    if kind is None:
        if rest or not _FREE.fullmatch(name):
            raise ValueError(f"stream: {name} must begin with one of {', '.join(KINDS)}, or be a word alone")
        return name
    shape = [*(["VENUE"] if kind.per_venue else []), *(["PARTITION"] if kind.partitioned_by else [])]
    fits = len(rest) == len(shape)
    fits = fits and (not kind.per_venue or VENUE_NAME.fullmatch(rest[0]) is not None)
    fits = fits and (not kind.partitioned_by or (rest[-1].isascii() and rest[-1].isdigit()))
    if not fits:
        raise ValueError(f"stream: {name} must be {'.'.join([kind.name, *shape])}")
    if kind.partitioned_by is None:
        return name
    return ".".join([kind.name, *rest[:-1], f"{{{kind.partitioned_by[0]}{int(rest[-1])}}}"])


def stable_partition(name: str, count: int) -> int:
    """Return the partition, 0 to `count - 1`, that owns `name`: CRC-32 of its UTF-8 bytes modulo `count`."""
    return zlib.crc32(name.encode()) % count if count > 1 else 0


def alias_of(account: str) -> str:
    """Return the name by which an account may go, besides its own: what is before `@`, of others the whole name."""
    return account.partition(OWN)[0]


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


def lapsed_key(stream: str) -> str:
    """Return the hash of readers of `stream` that were away too long and hold it no more."""
    return f"{stream}.lapsed"


@dataclass(frozen=True, slots=True)
class Topology:
    """How many partitions and venues there are, and the key of every stream.

    Attributes:
        account_partitions: count of orders.{a}, events.{a} and positions.{a}.
        symbol_partitions: count of market.{s}, and of commands.<VENUE>.{s} of each venue.
        prefix: put before every key, for several desks on one Redis.
        venues: the simulated ones, each with its own books.
    """

    account_partitions: int = 1
    symbol_partitions: int = 1
    prefix: str = ""
    venues: tuple[str, ...] = (SIM,)

    def key(self, name: str) -> str:
        """Return the key of the stream of that name.

        Raises:
            ValueError: it is no name.
        """
        return self.prefix + tagged(name)

    def partitions(self, by: PartitionedBy | None) -> int:
        """Return how many partitions there are of accounts or of symbols; 1 of what has none."""
        match by:
            case "account":
                return self.account_partitions
            case "symbol":
                return self.symbol_partitions
            case None:
                return 1

    def names(self, kind: str) -> list[str]:
        """Return the names of every stream of a kind."""
        what = KINDS[kind]
        venues = self.venues if what.per_venue else (None,)
        partitions = range(self.partitions(what.partitioned_by)) if what.partitioned_by else (None,)
        return [stream_name(kind, partition, venue) for venue in venues for partition in partitions]

    @property
    def signals(self) -> str:
        """What clients publish."""
        return self.key("signals")

    @property
    def dead(self) -> str:
        """Entries nobody could use, with the reason: `messages.bad_entry`."""
        return self.key("dead")

    def orders(self, partition: int) -> str:
        """Return the one inbox of account partition `partition`: instructions, reports, ticks, configuration."""
        return self.key(stream_name("orders", partition))

    def events(self, partition: int) -> str:
        """Return the public journal of account partition `partition`."""
        return self.key(stream_name("events", partition))

    def positions(self, partition: int) -> str:
        """Return the stream of position changes of account partition `partition`."""
        return self.key(stream_name("positions", partition))

    def commands(self, venue: str, partition: int) -> str:
        """Return the one inbox of a venue's symbol partition `partition`: command frames and quotes."""
        return self.key(stream_name("commands", partition, venue))

    def market(self, partition: int) -> str:
        """Return the lossy stream of depth and trades of symbol partition `partition`."""
        return self.key(stream_name("market", partition))

    @property
    def desk(self) -> str:
        """The hash that says which desk this is: its id, its partition counts, and which stages were ever started."""
        return self.prefix + "desk"

    @property
    def recover(self) -> str:
        """The hash where a person's word waits for a stage that had stopped; a field for each checkpoint key."""
        return self.prefix + "recover"

    @property
    def keys(self) -> str:
        """The hash of the keys that the gateway lets in, a field for each id: `process.keys`."""
        return self.prefix + "gateway.keys"

    @property
    def keys_used(self) -> str:
        """The hash of when each key was last used (milliseconds since 1970), by its id."""
        return self.prefix + "gateway.keys.used"

    @property
    def users(self) -> str:
        """The hash of the people who may log in to the gateway, a field for each name: `process.people`."""
        return self.prefix + "gateway.users"

    @property
    def passwords(self) -> str:
        """The hash of what their passwords hash to, by the same names."""
        return self.prefix + "gateway.users.passwords"

    @property
    def sessions(self) -> str:
        """The hash of people who are logged in, a field for each session's id: `process.sessions`."""
        return self.prefix + "gateway.sessions"

    @property
    def sessions_used(self) -> str:
        """The hash of when each session was last used (milliseconds since 1970), by its id."""
        return self.prefix + "gateway.sessions.used"

    @property
    def audit(self) -> str:
        """The stream of who did what at the gateway, about the newest 100 000 entries: `process.audited`."""
        return self.prefix + "gateway.audit"

    def lockout(self, kind: str, which: str) -> str:
        """Return the hash that counts how often somebody has failed to log in.

        Args:
            kind: by what it is counted: `user`, `address`, `password`.
            which: of those; it is in the key as what it hashes to.
        """
        return f"{self.prefix}gateway.lockouts.{kind}.{sha256(which.encode()).hexdigest()[:32]}"

    def consumer(self, name: str) -> str:
        """Return the hash where a client that follows by that name keeps up to where it has, by the streams' names."""
        return f"{self.prefix}consumer.{name}"

    def checkpoint(self, stage: str, inbox: str) -> str:
        """Return the hash that holds a stage's epoch, checkpoint and output hash; it has its inbox's hash tag.

        Args:
            stage: the stage's name.
            inbox: the name of the stream it reads.
        """
        return self._beside("checkpoint", stage, inbox)

    def status(self, process: str, inbox: str | None = None) -> str:
        """Return the hash a live process refreshes about once a second, for `fillstream status`.

        Args:
            process: the stage's name, or another reader's.
            inbox: the name of the stage's stream; None of a reader of many.
        """
        return self._beside("status", process, inbox)

    def durability(self, process: str, inbox: str | None = None) -> str:
        """Return the key that a process writes to wait for the server's disk; arguments as of `status`."""
        return self._beside("durability", process, inbox)

    def copy(self, stage: str, inbox: str) -> str:
        """Return the hash that holds the copy of a stage's newest snapshot; arguments as of `checkpoint`."""
        return self._beside("copy", stage, inbox)

    def _beside(self, what: str, process: str, inbox: str | None) -> str:
        _, *place = tagged(inbox).split(".") if inbox else ("",)
        return self.prefix + ".".join([what, process, *place])

    def account_partition(self, account: str) -> int:
        """Return the partition that owns `account`: `main@live` is where `main` is, and what is named by it."""
        if self.account_partitions == 1:
            return 0
        return stable_partition(alias_of(account), self.account_partitions)

    def symbol_partition(self, symbol: str) -> int:
        """Return the partition that owns `symbol`."""
        return stable_partition(symbol, self.symbol_partitions)
