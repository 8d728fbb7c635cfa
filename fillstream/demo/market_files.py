"""Files of market data, line by line, whatever they are packed in and however they end.

Flows in: a path. Flows out: its lines with their numbers; a sentence where they end. Never trusts a name: its first
bytes say what a file is packed in and how its text is encoded.
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

GZIP = b"\x1f\x8b"
OTHERS = {
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"PAR1": "Parquet",
}
"""How files begin that are something else: a sentence says what, so that people can unpack them."""
UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class FeedError(Exception):
    """A feed that cannot be read: names the file, the line, the field and the value."""


class EndsEarly(FeedError):
    """A file that is cut off, or damaged from somewhere on: what stands before is good."""


@dataclass(slots=True)
class Reading:
    """How a file is read, and what of it was passed over.

    Attributes:
        round_sizes: whether a size is rounded down to whole lots; prices never are.
        passed_over: how many lines of each kind that is no quote and no trade.
        line: the last one that was read, from 1; 0 before the first.
    """

    round_sizes: bool = False
    passed_over: Counter[str] = field(default_factory=Counter)
    line: int = 0

    def __str__(self) -> str:
        """Return what was passed over, for people; empty when nothing was."""
        return ", ".join(f"{count:,} {kind}" for kind, count in self.passed_over.most_common())


def binary_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield each line with its number, from 1; only the last may lack its end.

    Raises:
        EndsEarly: it is packed, and cut off or damaged.
        FeedError: it is packed in another way, or is not UTF-8.
    """
    with path.open("rb") as file:
        begins = file.read(8)
    for mark, name in OTHERS.items():
        if begins.startswith(mark):
            raise FeedError(f"{path}: is a {name} file; it must be plain text, or gzip")
    with gzip.open(path, "rb") if begins.startswith(GZIP) else path.open("rb") as file:
        number = 0
        try:
            for number, line in enumerate(file, start=1):
                if number == 1 and line.startswith(UTF16_MARKS):
                    raise FeedError(f"{path}: is UTF-16, it must be UTF-8: `iconv -f UTF-16 -t UTF-8` makes it so")
                yield number, line.removeprefix(UTF8_MARK) if number == 1 else line
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise EndsEarly(
                f"{path}: ends early, after line {number}: its gzip data is cut off or damaged ({error}), as of a "
                "recorder that was killed"
            ) from error


def text_lines(path: Path) -> Iterator[str]:
    """Yield each line of a file as text.

    Raises:
        EndsEarly, FeedError: as `binary_lines`.
    """
    for number, line in binary_lines(path):
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise FeedError(
                f"{path}:{number}: byte 0x{line[error.start]:02x} is not UTF-8; `iconv -f LATIN1 -t UTF-8`, "
                "or whatever encoding it has, makes it so"
            ) from error
