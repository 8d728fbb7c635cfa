"""The log as a stage sees it: read in order, commit atomically, read again.

Flows in: a Redis (or Valkey) connection. Flows out: `Entry` lists; batches of outputs go in through one Lua call.
Never retries: when the outcome of a call is unknown the error goes up, the process ends, and recovery finds out.

Synchronous on purpose. On two shared cores, five hops at 1 000 messages/s took 1.0 ms p50 with this client, 4.5 ms with
redis.asyncio and 9.1 ms with FastStream subscribers; `make bench` measures it again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from time import perf_counter
from typing import Any, Protocol, cast
from uuid import uuid4

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from fillstream.libs.common.messages.topology import Topology, low_water_key
from fillstream.libs.common.runtime.checkpoint import Checkpoint, parse_checkpoint
from fillstream.libs.common.runtime.continuity import Story, Volume, checkpoint_gone, judge, judge_count
from fillstream.libs.common.runtime.look import look
from fillstream.libs.common.runtime.lua import lua
from fillstream.libs.common.runtime.release import UNNOTED, running
from fillstream.libs.common.runtime.server_checks import ServerRefused
from fillstream.libs.common.runtime.stage import Entry, Outputs

LOSSY_MAXLEN = 10_000
"""About how many entries a lossy stream keeps."""
FRAME_BYTES = 64 * 4096
"""Records of a batch share a stream entry up to this size."""
RANGE_COUNT = 1000
"""Entries fetched at a time, at most, when a log is read again."""
BATCH_BYTES = 4 * 1024 * 1024
"""A batch of more than one entry is no larger: clients may append what they like, and a commit has to fit into this
process, the connection and the server's script (bytes)."""
FIRST_COUNT = 16
"""Entries asked for first, before anything is known of their size."""
COUNT_EVERY_S = 0.02
"""How often, at most, a commit counts what the inbox has had: 3 us, more where its first or last entry is large."""
READ_AHEAD_FROM = 16
"""Entries in a batch from which the next one is asked for before this one is folded."""
SOCKET_TIMEOUT_S = 15.0
"""A server silent for longer (blocking reads wait at most a second) is as good as dead: crash and recover."""


class Fenced(Exception):
    """Another process has claimed this partition; this one must not write any more."""


class DeskChanged(Exception):
    """There is another desk than the claimer found: somebody made one meanwhile. Look again; nothing has changed."""


class Moved(Exception):
    """Another release has decided entries that the claimer's state does not have, and may still be deciding.

    Args:
        upto: the last entry that it committed.
        release: which one.
    """

    def __init__(self, upto: str, release: str) -> None:
        super().__init__(f"{release} has decided up to {upto}")
        self.upto = upto
        self.release = release


class Gap(Exception):
    """The batch does not begin right after the checkpoint: something would be skipped, or committed twice."""


@dataclass(frozen=True, slots=True)
class _Awaited:
    """A question whose reply has not been taken: a commit of `batch` asked at a moment, or, without one, a read."""

    batch: Sequence[Entry] | None
    asked: float


class _Portion:
    """How many entries to ask for, so that they are hardly larger than `BATCH_BYTES`. Starts small after each start:
    the entries that ended the process before may be the ones that wait."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = FIRST_COUNT

    def learn(self, entries: int, size: int) -> None:
        """Take note of a page of `entries` entries, `size` bytes in all."""
        if size > BATCH_BYTES:
            self.count = max(1, entries * BATCH_BYTES // size)
        elif entries >= self.count and 2 * size <= BATCH_BYTES:
            self.count *= 2


class Log(Protocol):
    """One stage's inbox and its way out. `RedisLog` is the real one; the simulation has one in memory."""

    def checkpoint(self) -> Checkpoint:
        """Return where the stage stands, changing nothing."""
        ...

    def look(self) -> Story:
        """Return everything there is about the stage's partition, changing nothing.

        Raises:
            TopologyDiffers: the desk has other partition counts.
        """
        ...

    def claim(self, release: str | None = None, at: str = "", desk: str | None = None) -> Checkpoint:
        """Take the fence, so that earlier owners can commit no more; return where the stage stands.

        The first claim of all makes the desk.

        Args:
            release: that claims, None for the one that runs. It is noted when another decided before.
            at: where the claimer's state stands; empty when it has none yet.
            desk: id of the desk that the claimer found, empty when it found none; None: it did not look.

        Raises:
            Moved: another release decided before, and the stage stands elsewhere. Nothing has changed.
            DeskChanged: there is another desk by now. Nothing has changed.
        """
        ...

    def read(self, count: int, block_ms: int) -> list[Entry]:
        """Return up to `count` entries after the last commit, waiting up to `block_ms`; empty when none came."""
        ...

    def between(self, after: str, upto: str) -> Iterator[Entry]:
        """Yield the entries after id `after` up to id `upto`, in order, whether committed or not."""
        ...

    def commit(self, batch: Sequence[Entry], out: Outputs, quarantined: tuple[str, str] | None = None) -> None:
        """Append the outputs, acknowledge the batch and move the checkpoint: all of it or nothing.

        Raises:
            Fenced: another process has claimed the partition.
            Gap: the batch does not begin right after the checkpoint.
            RecoveryError: the inbox or the checkpoint is not what it was: entries are lost, or a key is gone.
        """
        ...

    def settle(self) -> None:
        """Return once the last commit is known to have happened; raises what `commit` raises."""
        ...

    def count_again(self) -> None:
        """Make sure that every entry that was ever appended was read or is there; counts all that are: slow, and exact.

        Raises:
            RecoveryError: see `judge_count`.
        """
        ...

    def watch(self) -> None:
        """Make sure that the partition is still this process's and its streams what they were.

        No commit tells while nothing comes.

        Raises:
            Fenced, RecoveryError: see `commit`.
        """
        ...

    def append(self, fields: dict[bytes, bytes]) -> str:
        """Append an entry to the inbox (ticks, configuration); return its id."""
        ...

    def suspect(self, entry_id: str) -> None:
        """Remember that this entry is about to end the process."""
        ...


def connect(url: str) -> redis.Redis:
    """Return a client that never retries by itself: a repeated commit would have an unknown outcome."""
    return redis.Redis.from_url(
        url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=SOCKET_TIMEOUT_S,
        health_check_interval=0,
    )


class RedisLog:
    """A `Log` on Redis 7+, Redis 8 or Valkey.

    Under load the stage and the server work at the same time: a large batch is folded while the server looks up the
    next one and carries out the commit before, all on one connection, whose replies come in the order of the questions.

        stage   | fold 1        | fold 2               | fold 3
        sent    read 2 ^      commit 1, read 3 ^      commit 2, read 4 ^

    At most one commit is on its way. When it is refused, so is every later one (each names the checkpoint it follows),
    and the error comes up at the next call. When idle, a commit is waited for, and the next read waits for entries.

    Args:
        client: from `connect`, for this stage alone.
        topology: what makes keys of the streams' names.
        stage: the stage's name; also the name of its consumer group.
        inbox: name of the stream it reads.

    Attributes:
        inbox: key of that stream.
    """

    def __init__(self, client: redis.Redis, topology: Topology, stage: str, inbox: str) -> None:
        self.client = client
        self._raw: Any = client
        self._key_of = topology.key
        self.inbox = topology.key(inbox)
        self.group = stage
        self.checkpoint_key = topology.checkpoint(stage, inbox)
        self._name = inbox
        self._topology = topology
        self._dead = topology.dead
        self._sent_to: set[str] = set()
        self._count_at = 0.0
        self._epoch = 0
        self._committed = "0-0"
        self._last_read = "0-0"
        self._link: Any = client.connection_pool.get_connection()
        self._awaited: deque[_Awaited] = deque()
        self._ahead: list[Any] | None = None
        self._unknown = 0
        self._portion = _Portion()
        self.commit_seconds = 0.0
        # The library's own callbacks build a dict per entry and guess at types; the raw reply is all we need.
        client.set_response_callback("XRANGE", lambda reply, **_: reply)
        client.set_response_callback("HGETALL", lambda reply, **_: reply)
        self._load_scripts()

    def _load_scripts(self) -> None:
        client = self.client
        self._claim = client.script_load(lua("claim.lua"))
        self._commit = client.script_load(lua("commit.lua", "extent.lua"))
        self._watch = client.script_load(lua("watch.lua", "extent.lua"))
        self._mark = client.script_load(lua("mark.lua"))
        self._copy = client.script_load(lua("copy.lua"))

    @property
    def is_uncertain(self) -> bool:
        """Whether a commit was sent whose outcome is not known."""
        return self._unknown > 0

    def reconnect(self) -> None:
        """Begin again with new connections, where a commit's outcome is not in doubt.

        Raises:
            Fenced: another process has claimed the partition meanwhile.
            Gap: the server has lost what it had acknowledged.
            RecoveryError: something else is not what it was.
        """
        assert not self.is_uncertain, "start again instead: recovery finds out"
        self.client.connection_pool.disconnect(inuse_connections=True)
        self._awaited.clear()
        self._ahead = None
        self._link.connect()
        self._load_scripts()
        story = self.look()
        judge(story, Volume())
        if story.checkpoint is None:
            raise checkpoint_gone(story)
        if story.checkpoint.epoch != self._epoch:
            raise Fenced(self._fenced_text(str(story.checkpoint.epoch).encode()))
        if story.checkpoint.id != self._committed:
            raise Gap(f"{self.inbox}: {self._committed} was committed, and the checkpoint is {story.checkpoint.id}")

    def checkpoint(self) -> Checkpoint:
        """See `Log.checkpoint`."""
        return parse_checkpoint(self._raw.execute_command("HGETALL", self.checkpoint_key))

    def look(self) -> Story:
        """See `Log.look`."""
        return look(self.client, self._topology, self.group, self._name)

    def claim(self, release: str | None = None, at: str = "", desk: str | None = None) -> Checkpoint:
        """See `Log.claim`."""
        self.settle()
        self._ahead = None
        keys = (self.inbox, self.checkpoint_key, self._topology.desk)
        counts = (self._topology.account_partitions, self._topology.symbol_partitions)
        args = (self.group, release or running(), UNNOTED, at, "*" if desk is None else desk, uuid4().hex, *counts)
        reply = cast(list[bytes], self.client.evalsha(self._claim, len(keys), *keys, *args))
        if reply[0] == b"CHANGED":
            raise DeskChanged
        if reply[0] == b"MOVED":
            raise Moved(reply[1].decode(), reply[2].decode())
        claimed = parse_checkpoint(reply)
        self._sent_to = set(claimed.sent)
        self._epoch = claimed.epoch
        self._committed = self._last_read = claimed.id
        return claimed

    def read(self, count: int, block_ms: int) -> list[Entry]:
        """See `Log.read`.

        Plain XREAD from the checkpoint: nobody else's reads can take an entry away, and a lost reply is simply read
        again. XREADGROUP would write an XCLAIM to the append-only file for every entry it delivers.
        """
        page = self._take_ahead()
        if not page:
            self.settle()
            asked = min(count, self._portion.count)
            self._ask("XREAD", "COUNT", asked, "BLOCK", block_ms, "STREAMS", self.inbox, self._committed)
            page = _page(self._link.read_response())
        if not page:
            return []
        size = _bytes_of(page)
        self._portion.learn(len(page), size)
        if size > BATCH_BYTES or len(page) > count:
            page, self._ahead = _split(page, count)
        batch = [_entry(raw) for raw in page]
        self._last_read = batch[-1].id
        if len(batch) >= READ_AHEAD_FROM and not self._ahead:
            self._ask("XREAD", "COUNT", min(count, self._portion.count), "STREAMS", self.inbox, self._last_read)
            self._awaited.append(_Awaited(None, 0.0))
        return batch

    def _take_ahead(self) -> list[Any] | None:
        """Return the page that was asked for ahead, or is left of one, if any; it follows the last commit."""
        while self._ahead is None and any(each.batch is None for each in self._awaited):
            self._receive()
        page, self._ahead = self._ahead, None
        # A batch that was read and not committed comes again: what follows it is of no use.
        return page if self._last_read == self._committed else None

    def _ask(self, *command: Any) -> None:
        self._link.send_command(*command, check_health=False)

    def _receive(self) -> None:
        """Take the oldest reply that is still awaited: of a read ahead, or of a commit."""
        awaited = self._awaited.popleft()
        reply = self._link.read_response()
        if awaited.batch is None:
            self._ahead = _page(reply)
            return
        self._unknown -= 1
        self.commit_seconds = perf_counter() - awaited.asked
        if reply != b"OK":
            self._refused(reply, awaited.batch)

    def settle(self) -> None:
        """See `Log.settle`."""
        while self._awaited:
            self._receive()

    def between(self, after: str, upto: str) -> Iterator[Entry]:
        """See `Log.between`."""
        portion = _Portion()
        while True:
            asked = min(RANGE_COUNT, portion.count)
            page = self._raw.execute_command("XRANGE", self.inbox, f"({after}", upto, "COUNT", asked)
            for raw in page:
                entry = _entry(raw)
                after = entry.id
                yield entry
            if len(page) < asked:
                return
            portion.learn(len(page), _bytes_of(page))

    def commit(self, batch: Sequence[Entry], out: Outputs, quarantined: tuple[str, str] | None = None) -> None:
        """See `Log.commit`."""
        keys: list[str] = [self.inbox, self.checkpoint_key]
        poison_id, poison_text = quarantined or ("", "")
        first, last = batch[0].id, batch[-1].id
        args: list[Any] = [self.group, self._epoch, self._committed, first, last, len(batch), out.digest]
        asked = perf_counter()
        counts = asked >= self._count_at
        if counts:
            self._count_at = asked + COUNT_EVERY_S
        args += (poison_id, poison_text, int(counts))
        for stream, kind, payloads in out.runs:
            key = self._key_of(stream)
            if out.before and key in keys:
                place = keys.index(key) + 1
            else:
                keys.append(key)
                place = len(keys)
            self._sent_to.add(key)
            items = payloads if kind == b"data" else _frames(payloads)
            args += (place, kind, 0, len(items))
            args += items
        for stream, lossy in out.lossy.items():
            keys.append(self._key_of(stream))
            args += (len(keys), b"data", LOSSY_MAXLEN, len(lossy))
            args += lossy
        if out.dead:
            keys.append(self._dead)
            args += (len(keys), b"", 0, len(out.dead))
            for letter in out.dead:
                args.append(2 * len(letter))
                for name, value in letter.items():
                    args += (name, value)
        more_follows = self._ahead or any(each.batch is None for each in self._awaited)
        while any(each.batch is not None for each in self._awaited):
            self._receive()
        self._unknown += 1
        self._ask("EVALSHA", self._commit, len(keys), *keys, *args)
        self._awaited.append(_Awaited(batch, perf_counter()))
        self._committed = last
        if not more_follows:
            self.settle()

    def append(self, fields: dict[bytes, bytes]) -> str:
        """See `Log.append`."""
        return cast(bytes, self.client.xadd(self.inbox, cast(Any, fields))).decode()

    def suspect(self, entry_id: str) -> None:
        """See `Log.suspect`."""
        self.client.hset(self.checkpoint_key, "suspect", entry_id)

    def watch(self) -> None:
        """See `Log.watch`."""
        keys = (self.inbox, self.checkpoint_key, *sorted(self._sent_to))
        reply: Any = self.client.evalsha(self._watch, len(keys), *keys, self._epoch)
        if reply != b"OK":
            self._refuse(reply)

    def check_epoch(self, client: redis.Redis) -> None:
        """Raise `Fenced` when another process has claimed the partition; with a connection of the calling thread's."""
        current = client.hget(self.checkpoint_key, "epoch")
        if current is None:
            raise checkpoint_gone(look(client, self._topology, self.group, self._name))
        if int(cast(bytes, current)) != self._epoch:
            raise Fenced(self._fenced_text(current))

    @property
    def epoch(self) -> int:
        """Which claim of the partition is this one's."""
        return self._epoch

    def publish_copy(self, client: redis.Redis, key: str, generation: str, header: str) -> None:
        """Let a verified copy of a snapshot count, and drop every other; see `copies`. For any thread.

        Args:
            client: a connection that the calling thread may use.
            key: of the copy.
            generation: whose chunks stay.
            header: of that generation; empty to leave it as it is.

        Raises:
            Fenced: another process has claimed the partition, and has a copy of its own.
        """
        reply: Any = client.evalsha(self._copy, 2, self.checkpoint_key, key, self._epoch, generation, header)
        if reply != b"OK":
            raise Fenced(self._fenced_text(reply[1]))

    def count_again(self) -> None:
        """See `Log.count_again`."""
        story = self.look()
        if story.checkpoint is not None and story.extent is not None:
            unread = sum(1 for _ in self.between(story.checkpoint.id, story.extent.last_id))
            judge_count(self._name, story.checkpoint, story.extent, unread)

    def mark(self, client: redis.Redis, entry_id: str) -> None:
        """Leave the stage's low-water mark on its inbox: it needs nothing below this id. For any thread.

        Args:
            client: a connection that the calling thread may use.
            entry_id: the oldest entry that a snapshot stands at.

        Raises:
            Fenced: another process has claimed the partition, whose snapshots may be older.
            RecoveryError: there is no checkpoint any more.
        """
        keys = (self.checkpoint_key, low_water_key(self.inbox))
        reply: Any = client.evalsha(self._mark, len(keys), *keys, self._epoch, self.group, entry_id)
        if reply == [b"GONE"]:
            raise checkpoint_gone(look(client, self._topology, self.group, self._name))
        if reply != b"OK":
            raise Fenced(self._fenced_text(reply[1]))

    def _refused(self, reply: list[Any], batch: Sequence[Entry]) -> None:
        self._refuse(reply)
        stands, follows = (each.decode() for each in reply[1:]) if len(reply) == 3 else (self._committed, "")
        raise Gap(
            f"{self.inbox}: {len(batch)} entries from {batch[0].id} do not follow the checkpoint {stands};"
            f" {follows or 'nothing'} does"
        )

    def _refuse(self, reply: list[Any]) -> None:
        """Raise what a script's refusal means; return when everything but the batch is in order."""
        if reply[0] == b"FENCED":
            raise Fenced(self._fenced_text(reply[1]))
        if reply[0] == b"FULL":
            raise ServerRefused(
                f"Redis: {reply[1].decode()}: somebody gave its newest entry the largest id there is, and nothing can"
                " be appended any more: where a stage reads it, `fillstream recover` mends the ids; else rename it"
            )
        story = self.look()
        if story.checkpoint is None:
            raise checkpoint_gone(story)
        judge(story, Volume())
        if reply[0] == b"ODD":
            self.count_again()

    def _fenced_text(self, current: Any) -> str:
        owner = current.decode() if current else "none"
        return f"{self.inbox}: epoch {self._epoch} was fenced off, the partition is claimed by epoch {owner}"


def _page(reply: Any) -> list[Any]:
    """Return the raw entries of XREAD's reply about one stream; none when it timed out."""
    return list(reply[0][1]) if reply else []


def _bytes_of(page: list[Any]) -> int:
    return sum(map(len, chain.from_iterable([flat for _, flat in page])))


def _split(page: list[Any], count: int) -> tuple[list[Any], list[Any] | None]:
    """Return the first entries of a page, one at least, `count` and `BATCH_BYTES` at most, and the others if any."""
    size, fits = 0, 0
    for _, flat in page[:count]:
        size += sum(map(len, flat))
        if fits and size > BATCH_BYTES:
            break
        fits += 1
    return page[:fits], page[fits:] or None


def _entry(raw: list[Any]) -> Entry:
    entry_id, flat = raw
    text = entry_id.decode()
    if len(flat) == 2:
        fields = {flat[0]: flat[1]}
    else:
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        if 2 * len(fields) != len(flat):
            fields = _with_repeats(flat)
    return Entry(text, int(text[: text.index("-")]), fields)


def _with_repeats(flat: list[bytes]) -> dict[bytes, bytes]:
    """Keep every field of an entry that names one twice: the second `a` becomes `a#2`, which no contract knows."""
    fields: dict[bytes, bytes] = {}
    for name, value in zip(flat[::2], flat[1::2], strict=True):
        unique, count = name, 1
        while unique in fields:
            count += 1
            unique = b"%s#%d" % (name, count)
        fields[unique] = value
    return fields


def _frames(records: list[bytes]) -> list[bytes]:
    """Join records into as few entries as `FRAME_BYTES` allows, and cut what is larger: a venue's answer may be."""
    if any(len(record) > FRAME_BYTES for record in records):
        records = [each[at : at + FRAME_BYTES] for each in records for at in range(0, len(each), FRAME_BYTES)]
    frames: list[bytes] = []
    size, start = 0, 0
    for index, record in enumerate(records):
        if size and size + len(record) > FRAME_BYTES:
            frames.append(b"".join(records[start:index]))
            size, start = 0, index
        size += len(record)
    frames.append(b"".join(records[start:]))
    return frames
