"""Frames as numpy structured arrays, for research. Needs the optional extra `research` (numpy).

Flows in: arrays of commands. Flows out: arrays of reports. The fields, their order and their widths are those of
`libs.common.frames.Command` and `Report`, which come from the C header; an array of them is a frame without a copy.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from libs.common.frames import COMMAND, RECORD_BYTES, REPORT, Command, Report
from services.matching_engine.book import Engine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SPARE_REPORTS = 64
_TYPES = {"q": "<i8", "Q": "<u8", "I": "<u4", "H": "<u2", "B": "|u1"}


def _numpy() -> Any:
    try:
        import numpy  # noqa: PLC0415 - an optional extra: only who asks for arrays needs it
    except ImportError as missing:
        raise ImportError("Arrays need numpy: pip install 'fillstream[research]'.") from missing
    return numpy


@cache
def command_dtype() -> np.dtype[np.void]:
    """Return the dtype of a command: 64 bytes, the fields of `Command`."""
    return _dtype(COMMAND.format, Command._fields)


@cache
def report_dtype() -> np.dtype[np.void]:
    """Return the dtype of a report: 64 bytes, the fields of `Report`."""
    return _dtype(REPORT.format, Report._fields)


def _dtype(layout: str, fields: tuple[str, ...]) -> np.dtype[np.void]:
    columns = [(name, _TYPES[code]) for name, code in zip(fields, layout.lstrip("<"), strict=True)]
    made: np.dtype[np.void] = _numpy().dtype(columns)
    return made


def commands(count: int) -> NDArray[np.void]:
    """Return `count` blank commands, shape (count,), to be filled column by column."""
    array: NDArray[np.void] = _numpy().zeros(count, command_dtype())
    return array


def process(engine: Engine, array: NDArray[np.void], now_ms: int = 0) -> NDArray[np.void]:
    """Execute an array of commands, shape (n,), at `now_ms` (ms since 1970 UTC); return its reports, shape (m,).

    The engine reads the one array and writes the other in place. Raises ValueError for an array of another dtype or
    more than one dimension.
    """
    if array.dtype != command_dtype() or array.ndim != 1:
        raise ValueError(f"array is {array.ndim}-dimensional of {array.dtype}, and must be 1-dimensional of commands.")
    numpy = _numpy()
    frame = memoryview(numpy.ascontiguousarray(array).view("u1"))
    parts: list[NDArray[np.void]] = []
    while True:
        room = numpy.empty(2 * len(frame) // RECORD_BYTES + _SPARE_REPORTS, report_dtype())
        begun, written = engine.process_into(frame, now_ms, memoryview(room.view("u1")))
        parts.append(room[:written])
        if written < len(room):
            break
        frame = frame[begun * RECORD_BYTES :]
    answers: NDArray[np.void] = parts[0] if len(parts) == 1 else numpy.concatenate(parts)
    return answers
