"""Frames as numpy structured arrays, for research. Needs the optional extra `research` (numpy).

Flows in: arrays of commands. Flows out: arrays of reports. The fields, their order and their widths are those of
`libs.common.engine.frames.Command` and `Report`, which come from the C header; an array of them is a frame without a
copy.
`Engine` is the core's: symbols, accounts and orders have numbers, and one thread at a time may use it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import COMMAND, REPORT, Command, Report
from fillstream.libs.common.values.checks import integer, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CoreEngine", "command_dtype", "commands", "process", "report_dtype"]

_SPARE_REPORTS = 64
_MAX_COMMANDS = 1 << 31
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
    """Return `count` blank commands (0 to 2^31), shape (count,), to be filled column by column.

    A column takes what numpy casts to its width, floats cut off and all: put integers in.
    """
    array: NDArray[np.void] = _numpy().zeros(integer("count", count, 0, _MAX_COMMANDS), command_dtype())
    return array


def process(
    engine: CoreEngine, array: NDArray[np.void], now_ms: int = 0, out: NDArray[np.void] | None = None
) -> NDArray[np.void]:
    """Execute an array of commands, shape (n,), at `now_ms` (ms since 1970 UTC); return its reports, shape (m,).

    The engine reads the one array and writes the other in place: `out`, a writable array of reports in one piece that
    calls may share, or a new one. What is returned is the written part of it, or a copy when it was too small. `out`
    must not overlap `array`: reports would be written over commands that are still to be executed.

    Raises TypeError for what is no array, or an engine that is not this module's; ValueError for commands or an `out`
    of another dtype or more than one dimension.
    """
    try:
        execute = engine.process_into
        plain = array.dtype is command_dtype() and array.ndim == 1
        plain = plain and (out is None or (out.dtype is report_dtype() and out.ndim == 1))
    except AttributeError:
        plain = False
    if not plain:
        _check_all(engine, array, out)
    if not array.flags.c_contiguous:
        array = _numpy().ascontiguousarray(array)
    if out is None:
        out = _blank_reports(len(array))
    begun, written = execute(array, now_ms, out)
    return out[:written] if written < len(out) else _with_the_rest(engine, array[begun:], now_ms, out)


def _blank_reports(commands: int) -> NDArray[np.void]:
    reports: NDArray[np.void] = _numpy().empty(2 * commands + _SPARE_REPORTS, report_dtype())
    return reports


def _with_the_rest(
    engine: CoreEngine, array: NDArray[np.void], now_ms: int, full: NDArray[np.void]
) -> NDArray[np.void]:
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


def _check_all(engine: CoreEngine, array: NDArray[np.void], out: NDArray[np.void] | None) -> None:
    """Raise for what cannot be used; an equal dtype is as good as ours."""
    if not isinstance(engine, CoreEngine):
        raise TypeError(
            f"engine is {shown(engine)}, and must be a research.CoreEngine: people's engines take no records."
        )
    _check("array", array, command_dtype(), "commands, as research.commands(n) makes them")
    if out is not None:
        _check("out", out, report_dtype(), "reports, as numpy.empty(n, research.report_dtype()) makes them")


def _check(name: str, array: Any, dtype: np.dtype[np.void], kind: str) -> None:
    if not isinstance(array, _numpy().ndarray):
        raise TypeError(f"{name} is {shown(array)}, and must be an array of {kind}.")
    if array.dtype != dtype or array.ndim != 1:
        told = f"{array.ndim}-dimensional of {shown(array.dtype)}"
        raise ValueError(f"{name} is {told}, and must be 1-dimensional of {kind}.")
