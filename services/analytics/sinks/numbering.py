"""Whether a journal's events follow one another without a gap: what is missing shows in their numbers.

Flows in: the numbers of a stream's rows, in the order of the stream. Flows out: holes, each between two rows. Never
guesses what was in one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

NUMBERED = {"events": "events", "position_events": "positions"}
"""Tables whose rows have a `seq` that counts from 1 without a gap in each stream, with the kind of the stream."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """The last row of a stream: its number and its entry's id."""

    seq: int = 0
    id: str = "0-0"


@dataclass(frozen=True, slots=True)
class Hole:
    """Numbers that no row has, and the ids of the rows before and behind; none of them when the numbering goes back."""

    stream: str
    after_id: str
    upto_id: str
    from_seq: int
    upto_seq: int

    @property
    def entries(self) -> int:
        """How many rows are missing."""
        return max(0, self.upto_seq - self.from_seq + 1)

    @property
    def text(self) -> str:
        """What is to be said of it."""
        if self.entries:
            return (
                f"{self.stream}: seq {self.from_seq} to {self.upto_seq} are not there: the log did not have them, or "
                "they are in table undecodable"
            )
        return (
            f"{self.stream}: behind seq {self.from_seq - 1} comes {self.upto_seq + 1}: the log is another than before, "
            "or has entries that no stage wrote"
        )


def holes(stream: str, last: Numbered, rows: Iterable[tuple[str, int | None]]) -> tuple[list[Hole], Numbered]:
    """Return what is missing before and between rows, and the last of them.

    Args:
        stream: the key of the stream.
        last: the row before them.
        rows: the id and the number of each; one without a number is passed over.
    """
    found = []
    seq, entry_id = last.seq, last.id
    for row_id, number in rows:
        if number is None:
            continue
        if number != seq + 1:
            found.append(Hole(stream, entry_id, row_id, seq + 1, number - 1))
        seq, entry_id = number, row_id
    return found, Numbered(seq, entry_id)
