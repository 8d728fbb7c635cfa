"""Commands and reports as numpy arrays."""

import subprocess
import sys
from typing import Any

import pytest

import fillstream
from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import Side

numpy = pytest.importorskip("numpy", reason="numpy is the optional extra `research`")

from fillstream import research  # noqa: E402


def test_arrays_are_frames() -> None:
    commands = research.commands(3)
    commands["order_id"], commands["price"], commands["qty"] = [1, 2, 3], 100, 5
    commands["account"], commands["type"], commands["ord_type"], commands["tif"] = 1, 1, 2, 1
    commands["side"] = [1, 1, 2]
    reports = research.process(CoreEngine(), commands)
    assert reports["type"].tolist() == [1, 1, 1, 3, 3]
    assert reports["match_id"].tolist() == [0, 0, 0, 1, 1]
    with pytest.raises(ValueError, match="1-dimensional of commands"):
        research.process(CoreEngine(), reports)


def test_arrays_of_many_fills_are_answered_in_full() -> None:
    commands = research.commands(501)
    commands["order_id"], commands["price"], commands["qty"] = numpy.arange(1, 502), 100, 1
    commands["account"], commands["type"], commands["ord_type"], commands["tif"] = 1, 1, 2, 1
    commands["side"] = Side.SELL
    engine = CoreEngine()
    assert len(research.process(engine, commands[:500])) == 500
    commands["side"], commands["qty"] = Side.BUY, 500
    before = engine.snapshot()
    for out in (None, numpy.empty(7, research.report_dtype()), numpy.empty(2000, research.report_dtype())):
        engine.restore(before)
        reports = research.process(engine, commands[500:], out=out)
        assert reports["type"].tolist() == [1] + [3] * 1000
        assert reports["leaves"][-2:].tolist() == [0, 0]
    with pytest.raises(ValueError, match=r"out is 1-dimensional .* must be 1-dimensional of reports"):
        research.process(engine, commands, out=commands)


def test_what_is_no_array_of_commands_is_named_and_the_way_is_shown() -> None:
    engine, commands = research.CoreEngine(), research.commands(2)
    not_arrays: list[Any] = [[1, 2], None, bytes(64), commands[0]]
    for array in not_arrays:
        with pytest.raises(
            TypeError, match=r"^array is .*, and must be an array of commands, as research\.commands\(n\)"
        ):
            research.process(engine, array)
    for array in (numpy.zeros(3), commands.reshape(1, 2), commands.astype(commands.dtype.newbyteorder(">"))):
        with pytest.raises(
            ValueError, match=r"^array is .*, and must be 1-dimensional of commands, as research\.commands"
        ):
            research.process(engine, array)
    with pytest.raises(TypeError, match=r"^out is b'.*, and must be an array of reports, as numpy\.empty"):
        research.process(engine, commands, out=bytes(64))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^engine is <fillstream\.Engine.*, and must be a research\.CoreEngine"):
        research.process(fillstream.Engine(), commands)  # type: ignore[arg-type]
    for count in (-1, 1.5, "x", 2**40):
        with pytest.raises((TypeError, ValueError), match=r"^count is "):
            research.commands(count)  # type: ignore[arg-type]
    assert engine.snapshot() == research.CoreEngine().snapshot()


def test_equal_types_and_strides_are_taken() -> None:
    commands = research.commands(4)
    commands["order_id"], commands["price"], commands["qty"] = [1, 2, 3, 4], 100, 5
    commands["account"], commands["type"], commands["ord_type"], commands["tif"], commands["side"] = 1, 1, 2, 1, 1
    equal = commands.view(numpy.dtype(commands.dtype.descr))
    assert equal.dtype is not commands.dtype
    for array, expected in ((equal, [1, 2, 3, 4]), (commands[::-2], [4, 2])):
        assert research.process(research.CoreEngine(), array)["order_id"].tolist() == expected


def test_it_is_there_when_it_is_asked_for() -> None:
    script = "import fillstream; print(fillstream.research.commands(2).shape)"
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert ran.stdout == "(2,)\n"
