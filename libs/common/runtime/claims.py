"""Claims: a reader keeps a stream from being trimmed, unless it is no stage and has been away too long.

Flows in: what a stream keeps and for whom, the time, whether memory is nearly full. Flows out: the same without those
whose claim has lapsed; a hash beside the stream that says who that is, since when and why; a line in the log. Never
lets go of what a stage needs, nor of anything before somebody could have been told: alarms come well before
(alerts.yml).

A claim lapses where the reader stands. As soon as it has moved, it counts again: a group whose consumers come back goes
on with what is there, analytics says what it has not seen.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import orjson
import redis

from fillstream.libs.common.messages.topology import id_key, id_ms, lapsed_key
from fillstream.libs.common.runtime.options import Retention

logger = logging.getLogger(__name__)

GRACE_S: Final = 60.0
"""However full the memory is: a reader that is behind by less is at work."""


@dataclass(frozen=True, slots=True)
class Lapse:
    """A claim that counts no more.

    Attributes:
        need: the id at which the reader stood; when it has moved, its claim counts again.
        at_ms: since when (milliseconds since 1970).
        why: in a sentence.
    """

    need: str
    at_ms: int
    why: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What a stream keeps, and for whom.

    Attributes:
        stream: its key.
        first_ms: of the oldest entry; the last one's when it is empty.
        last_ms: of the newest entry there ever was.
        needs: the id below which each reader needs nothing, by the reader's name.
        lapsed: those whose claim counts no more; they are not among `needs`.
    """

    stream: str
    first_ms: int
    last_ms: int
    needs: Mapping[str, str]
    lapsed: Mapping[str, Lapse]

    @property
    def held_ms(self) -> dict[str, int]:
        """The log time that each reader still needs of the stream."""
        return {
            reader: max(0, self.last_ms - max(id_ms(entry_id), self.first_ms))
            for reader, entry_id in self.needs.items()
        }

    def without(self, lapsed: Mapping[str, Lapse]) -> Kept:
        """Return it without the claims of these readers."""
        needs = {reader: need for reader, need in self.needs.items() if reader not in lapsed}
        return replace(self, needs=needs, lapsed={**self.lapsed, **lapsed})


def told_lapses(client: redis.Redis, stream: str) -> dict[str, Lapse]:
    """Return the claims on a stream that have lapsed, by reader, whether it has moved since or not."""
    raw: Any = client.hgetall(lapsed_key(stream))
    return {reader.decode(): Lapse(**orjson.loads(told)) for reader, told in raw.items()}


class Claims:
    """Decides whose claims count.

    Args:
        client: a connection.
        retention: the bounds.
    """

    def __init__(self, client: redis.Redis, retention: Retention) -> None:
        self._client: Any = client
        self._retention = retention

    def judge(self, kept: Kept, stages: Collection[str], now_ms: int, full: str) -> Kept:
        """Return what is kept without the claims that have lapsed, by now or before; write down which.

        Args:
            kept: of one stream.
            stages: the readers whose claims never lapse.
            now_ms: by the server's clock.
            full: says in words that memory is nearly full; empty where it is not.
        """
        self._forget(kept)
        lapsed = {}
        for reader, need in kept.needs.items():
            if reader in stages or any(id_key(kept.needs[each]) <= id_key(need) for each in stages):
                continue  # to let go of what a stage holds as well would free nothing
            why = self._too_far_behind(kept, need, now_ms, full)
            if why:
                lapsed[reader] = Lapse(need, now_ms, why)
                self._client.hset(lapsed_key(kept.stream), reader, orjson.dumps(asdict(lapsed[reader])))
                logger.error("%s: %s loses its claim at %s, and what it has not read goes: %s",
                             kept.stream, reader, need, why)  # fmt: skip
        return kept.without(lapsed)

    def _forget(self, kept: Kept) -> None:
        """Drop what was written down of readers that have moved, or are gone."""
        for reader in told_lapses(self._client, kept.stream).keys() - kept.lapsed.keys():
            self._client.hdel(lapsed_key(kept.stream), reader)
            logger.warning("%s: %s has moved or is gone, what was said of its claim is forgotten", kept.stream, reader)

    def _too_far_behind(self, kept: Kept, need: str, now_ms: int, full: str) -> str:
        most_s = self._retention.max_reader_lag_s
        bound_ms = min(([most_s * 1000] if most_s else []) + ([round(GRACE_S * 1000)] if full else []), default=None)
        # By what there is, so that nobody has to look at the stream of a reader that keeps up.
        if bound_ms is None or now_ms - max(id_ms(need), kept.first_ms) <= bound_ms:
            return ""
        # By what it has not read: on a stream where nothing came for long, the newest entry is no lag.
        unread = self._client.xrange(kept.stream, f"({need}", "+", count=1)
        behind_ms = now_ms - id_ms(unread[0][0].decode()) if unread else 0
        if behind_ms <= bound_ms:
            return ""
        behind = f"it is {behind_ms // 1000} s behind"
        if most_s and behind_ms > most_s * 1000:
            return f"{behind}, and messaging.max_reader_lag_s is {most_s}"
        return f"{behind}, and {full}"
