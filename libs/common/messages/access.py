"""Who may do what in Redis: the ACL of every service, of clients and of operators, by the map of the house.

Flows in: the map (`stages`). Flows out: `User`s, each with the rules of a line `user NAME on #HASH RULES`. Never knows
a password, and never a partition count: patterns cover them all, so a desk that grows needs no other users.

Redis compares what a user calls with one grant at a time, so what stands together here is allowed together. What a
script or a function calls is compared again, command by command, with the grants of whoever called it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from fillstream.libs.common.messages.stages import READERS, STAGES, StageSpec, trimmer_of
from fillstream.libs.common.messages.topology import KINDS, Kind, Topology, lapsed_key, low_water_key

PREFIX: Final = "PREFIX"
"""Stands in a rule where a desk has its `messaging.topic_prefix`."""
FEED: Final = "feed"
CLIENT: Final = "client"
GATEWAY: Final = "gateway"
OPERATOR: Final = "operator"
DESK: Final = Topology().desk
RECOVER: Final = Topology().recover
CONSUMERS: Final = Topology().consumer("*")
KEYS: Final = Topology().keys
KEYS_USED: Final = Topology().keys_used
USERS_OF_GATEWAY: Final = Topology().users
PASSWORDS: Final = Topology().passwords
SESSIONS: Final = (Topology().sessions, Topology().sessions_used)
LOCKOUTS: Final = "gateway.lockouts.*"
AUDIT: Final = Topology().audit

ENTRIES: Final = ("xread", "xrange", "xrevrange", "xlen")
COUNTS: Final = ("exists", "xinfo|stream", "xinfo|groups", "xpending", "memory|usage")
SCRIPTS: Final = ("evalsha", "eval", "eval_ro")
HASHES: Final = ("hget", "hmget", "hgetall", "hexists", "hkeys", "hset", "hsetnx", "hdel", "hincrby", "expire", "set")
ABOUT_THE_SERVER: Final = ("info", "time", "config|get", "script|load")
"""What a service asks of the server, besides WAITAOF, which Redis 7.0 does not know and which is of @connection.

CONFIG GET shows no password: deploy/redis.sh tells the server hashes alone.
"""


@dataclass(frozen=True, slots=True)
class Grant:
    """What is allowed together.

    Attributes:
        commands: which may be called.
        keys: patterns of keys that they may read and write.
        reads, writes: patterns of keys that they may only read, or only write.
    """

    commands: tuple[str, ...]
    keys: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    @property
    def rules(self) -> str:
        """The grant as Redis writes it."""
        patterns = (("~", self.keys), ("%R~", self.reads), ("%W~", self.writes))
        told = [f"{how}{PREFIX}{key}" for how, keys in patterns for key in dict.fromkeys(keys)]
        return " ".join([*told, *(f"+{command}" for command in self.commands)])


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who connects.

    Attributes:
        name: of the user; a service's own.
        text: what it may do, in a sentence.
        server: what it may ask of the server itself.
        grants: what it may do with keys.
    """

    name: str
    text: str
    server: tuple[str, ...]
    grants: tuple[Grant, ...]

    @property
    def rules(self) -> str:
        """Everything behind `user NAME on #HASH`."""
        first = ["-@all", "+@connection", "-@dangerous", *(f"+{command}" for command in self.server)]
        return " ".join([*first, *(f"(-@all {grant.rules})" for grant in self.grants)])


def pattern(kind: Kind) -> str:
    """Return what matches the key of every stream of a kind: `orders.{a*}`, `commands.*.{s*}`."""
    return kind.name + _place(kind)


def _place(kind: Kind) -> str:
    tag = f".{{{kind.partitioned_by[0]}*}}" if kind.partitioned_by else ""
    return (".*" if kind.per_venue else "") + tag


def _patterns(kinds: Iterable[str]) -> tuple[str, ...]:
    return tuple(pattern(KINDS[kind]) for kind in kinds)


def _beside(what: str, spec: StageSpec) -> str:
    return f"{what}.{spec.name}{_place(spec.inbox)}"


def _stage(spec: StageSpec) -> User:
    inbox, outputs = pattern(spec.inbox), _patterns(spec.writes)
    trimmed = _patterns(kind for kind in KINDS if trimmer_of(kind) is spec)
    marks = tuple(low_water_key(each) for each in trimmed)
    hashes = tuple(_beside(what, spec) for what in ("checkpoint", "copy", "status", "durability"))
    checkpoint, copy, *_ = hashes
    accounts = pattern(KINDS["orders"])
    return User(
        spec.name,
        spec.text,
        (*ABOUT_THE_SERVER, *(("function|load",) if spec.inbox.name == "signals" else ())),
        (
            Grant(SCRIPTS, keys=(inbox, f"{inbox}.aside", *marks, checkpoint, copy, DESK, *outputs)),
            Grant(("xadd", "xgroup", "xsetid", *ENTRIES, *COUNTS), keys=(inbox,)),
            # With the first entry that a reader has not read.
            Grant(("xtrim", "xrange", *COUNTS), keys=trimmed),
            # Entries ahead of the clock: the stream is made again beside its old one.
            Grant(("rename",), keys=(inbox, f"{inbox}.aside")),
            Grant(("del", "exists", "xrange"), keys=(f"{inbox}.aside",)),
            # With a look whether anything can be appended at all.
            Grant(("xadd", "xlen", "xrange", *COUNTS), keys=outputs),
            Grant(HASHES, keys=(*hashes, *marks, *(lapsed_key(each) for each in trimmed))),
            Grant(("hget", "hgetall", "hset", "hsetnx"), keys=(DESK,)),
            Grant(("hget", "hdel"), keys=(RECOVER,)),
            Grant(("hmget",), reads=tuple(_beside("checkpoint", each) for each in spec.feeds)),
            # An accepted loss: the journal of every partition is told, and quarantined entries are found again.
            Grant(("xadd",), writes=(accounts,)),
            Grant(("xrange",), reads=_patterns(["dead"])),
        ),
    )


def _readers() -> Iterator[User]:
    for spec in READERS.values():
        streams = _patterns(spec.reads)
        marked = _patterns(kind for kind in spec.reads if not KINDS[kind].lossy)
        yield User(
            spec.name,
            spec.text,
            ABOUT_THE_SERVER,
            (
                Grant((*ENTRIES, *COUNTS), reads=streams),
                Grant(("hset",), writes=tuple(low_water_key(each) for each in marked)),
                Grant(HASHES, keys=(f"status.{spec.name}", f"durability.{spec.name}")),
                Grant(("hgetall",), reads=(DESK,)),
            ),
        )


def _feed() -> User:
    return User(
        FEED,
        "Quotes: appends to the inboxes of engines.",
        (),
        (
            Grant(("xadd", "xrevrange"), keys=_patterns(["commands"])),
            Grant(("hgetall",), reads=(DESK,)),
        ),
    )


PUBLIC: Final = tuple(kind for kind in KINDS if any(kind in each.reads for each in READERS.values()))
"""The kinds of streams that clients read."""


def _client() -> User:
    return User(
        CLIENT,
        "Asks for trades, reads the public streams, and keeps up to where it has read them.",
        (),
        (
            Grant(("xadd", "fcall"), keys=_patterns(["signals"])),
            Grant(ENTRIES, reads=_patterns(PUBLIC)),
            Grant(("hgetall",), reads=("status.*", DESK)),
            Grant(("hgetall", "hget", "hset", "hdel"), keys=(CONSUMERS,)),
        ),
    )


def _gateway() -> User:
    inboxes = _patterns(["signals", "orders"])
    redriven = (f"{KINDS['dead'].name}.redriven",)
    everything = _patterns(KINDS)
    beside = tuple(make(each) for each in everything for make in (low_water_key, lapsed_key))
    return User(
        GATEWAY,
        "The front door: reads the public streams, appends signals and controls, and knows keys by their hashes.",
        ("time",),
        (
            Grant(("xadd", "fcall"), keys=_patterns(["signals"])),
            Grant(("xadd",), writes=inboxes),
            Grant((*ENTRIES, *COUNTS), reads=_patterns(PUBLIC)),
            # For admins: dead letters go back to where they came from, and how the stages are is seen.
            Grant(("eval",), keys=(*inboxes, *redriven)),
            Grant(("hget", "hmget", "hset", "hkeys", "hdel"), keys=redriven),
            Grant(
                (*COUNTS, "hget", "hmget", "hgetall"),
                reads=(*everything, *beside, "checkpoint.*", "status.*", DESK),
            ),
            # Who may come in is the operator's to say: it is told here alone when somebody last did.
            Grant(("hget", "hgetall"), reads=(KEYS, USERS_OF_GATEWAY)),
            Grant(("hset",), writes=(KEYS_USED,)),
            # People change their own passwords, where the old one is as it was; who they are they do not.
            Grant(("hget", "hgetall", "hset", "eval"), keys=(PASSWORDS,)),
            Grant(("hget", "hgetall", "hset", "hdel"), keys=SESSIONS),
            Grant(("eval", "hget", "hmget", "hset", "pexpire", "del"), keys=(LOCKOUTS,)),
            # What is written there nobody changes; it has a length of its own.
            Grant(("xadd",), writes=(AUDIT,)),
            Grant(("xrevrange",), reads=(AUDIT,)),
            Grant(("hset", "hdel", "expire"), writes=(f"status.{GATEWAY}",)),
        ),
    )


def _operator() -> User:
    inboxes = _patterns(["signals", "orders", "commands"])
    redriven = (f"{KINDS['dead'].name}.redriven",)
    everything = _patterns(KINDS)
    beside = tuple(make(each) for each in everything for make in (low_water_key, lapsed_key))
    return User(
        OPERATOR,
        "Sets limits, sends dead letters again, accepts losses, makes keys and users, and sees how everything is.",
        ("info", "time", "config|get"),
        (
            # A dead letter goes back to where it came from, and is marked, at once.
            Grant(("eval",), keys=(*inboxes, *redriven)),
            Grant(("xadd",), writes=inboxes),
            Grant(("hget", "hmget", "hset", "hkeys", "hdel"), keys=redriven),
            Grant(("hget", "hset"), keys=(RECOVER,)),
            Grant(("hget", "hgetall", "hset", "hsetnx", "hdel"), keys=(KEYS, KEYS_USED, USERS_OF_GATEWAY, PASSWORDS)),
            # Who is logged in is the gateway's to say, and the operator's to end.
            Grant(("hget", "hgetall", "hdel"), keys=SESSIONS),
            Grant(("hmget", "del"), keys=(LOCKOUTS,)),
            Grant(("xrange", "xrevrange", "xlen"), reads=(AUDIT,)),
            Grant(
                (*ENTRIES, *COUNTS, "eval_ro", "hget", "hmget", "hgetall"),
                reads=(*everything, *beside, "checkpoint.*", "status.*", DESK, RECOVER),
            ),
        ),
    )


USERS: Final[dict[str, User]] = {
    each.name: each
    for each in (*map(_stage, STAGES.values()), *_readers(), _feed(), _client(), _gateway(), _operator())
}
"""Everybody who has a name; whoever gives none may do everything."""


def variable_of(name: str) -> str:
    """Return the environment variable with a user's password."""
    return f"FILLSTREAM_REDIS_{name.upper()}_PASSWORD"


def lines(prefix: str = PREFIX) -> list[str]:
    """Return a line `NAME RULES` for each user of a desk whose keys have that prefix."""
    return [f"{user.name} {user.rules}".replace(PREFIX, prefix) for user in USERS.values()]
