"""What an answer may lack, in sentences: entries that the log no longer had when analytics got there.

Flows in: what is missing by stream. Flows out: a sentence a stream. Never leaves a stream out, and never guesses what
was in the entries.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

EFFECTS = {
    "events": "orders, fills and rejects of then are missing or told in part",
    "positions": "a position that has not changed since is missing",
    "signals": "signals of then are missing, and latencies",
}
"""What a gap means for who asks, by kind of stream, where it means more than that what was in it is missing."""


@dataclass(frozen=True, slots=True)
class Missing:
    """What is missing of a stream.

    Attributes:
        stream: its key.
        entries: how many, of all gaps together.
        gaps: how many gaps.
        numbers: the lowest and the highest number of a journal's missing events, None where they are not known (yet).
        since: when the first gap was noticed, ISO 8601 in UTC.
    """

    stream: str
    entries: int
    gaps: int
    numbers: tuple[int, int] | None
    since: str


def sentences(missing: Iterable[Missing], kinds: Mapping[str, str], wanted: Collection[str] | None = None) -> list[str]:
    """Return what an answer may lack.

    Args:
        missing: see there.
        kinds: the kind of each stream; one that is not there any more counts for every answer.
        wanted: kinds that the answer comes from, None for any.
    """
    found = []
    for each in missing:
        kind = kinds.get(each.stream)
        if wanted is not None and kind is not None and kind not in wanted:
            continue
        numbers = f", among seq {each.numbers[0]} to {each.numbers[1]}" if each.numbers else ""
        gaps = f" in {each.gaps} gaps" if each.gaps > 1 else ""
        what = f"{each.entries} entries are missing{gaps}{numbers}" if each.entries else "its numbering is broken"
        effect = EFFECTS.get(kind or "", "what they told is missing")
        found.append(f"{each.stream}: {what}, noticed {each.since}: {effect}; table missing has the gaps")
    return found
