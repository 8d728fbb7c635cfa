"""Frames as numpy structured arrays, for research. Needs the optional extra `research` (numpy).

Flows in: arrays of commands. Flows out: arrays of reports. The fields, their order and their widths are those of
`libs.common.frames.Command` and `Report`, which come from the C header; an array of them is a frame without a copy.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from libs.common.frames import COMMAND, REPORT, Command, Report
from services.matching_engine.book import Engine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SPARE_REPORTS = 64
_TYPES = {"q": "<i8", "Q": "<u8", "I": "<u4", "H": "<u2", "B": "|u1"}


@cache
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


def process(
    engine: Engine, array: NDArray[np.void], now_ms: int = 0, out: NDArray[np.void] | None = None
) -> NDArray[np.void]:
    """Execute an array of commands, shape (n,), at `now_ms` (ms since 1970 UTC); return its reports, shape (m,).

    The engine reads the one array and writes the other in place: `out`, an array of reports that calls may share, or
    a new one. What is returned is the written part of it, or a copy when it was too small. Raises ValueError for
    commands or an `out` of another dtype or more than one dimension.
    """
    if array.dtype is not command_dtype() or array.ndim != 1:
        _check("array", array, command_dtype(), "commands")
    if not array.flags.c_contiguous:
        array = _numpy().ascontiguousarray(array)
    if out is None:
        out = _blank_reports(len(array))
    elif out.dtype is not report_dtype() or out.ndim != 1:
        _check("out", out, report_dtype(), "reports")
    begun, written = engine.process_into(array, now_ms, out)
    return out[:written] if written < len(out) else _with_the_rest(engine, array[begun:], now_ms, out)


def _blank_reports(commands: int) -> NDArray[np.void]:
    reports: NDArray[np.void] = _numpy().empty(2 * commands + _SPARE_REPORTS, report_dtype())
    return reports


def _with_the_rest(engine: Engine, array: NDArray[np.void], now_ms: int, full: NDArray[np.void]) -> NDArray[np.void]:
    """Return the reports of a full array and all that still come, of the commands that were not begun too."""
    parts = [full]
    while True:
        parts.append(_blank_reports(len(array)))
        begun, written = engine.process_into(array, now_ms, parts[-1])
        array = array[begun:]
        if written < len(parts[-1]):
            parts[-1] = parts[-1][:written]
            answers: NDArray[np.void] = _numpy().concatenate(parts)
            return answers


def _check(name: str, array: NDArray[np.void], dtype: np.dtype[np.void], kind: str) -> None:
    if array.dtype != dtype or array.ndim != 1:
        raise ValueError(f"{name} is {array.ndim}-dimensional of {array.dtype}, and must be 1-dimensional of {kind}.")
