"""Commands and reports as numpy arrays."""

import pytest

from libs.common.frames import Side
from services.matching_engine.book import Engine

numpy = pytest.importorskip("numpy", reason="numpy is the optional extra `research`")

from fillstream import research  # noqa: E402


def test_arrays_are_frames() -> None:
    commands = research.commands(3)
    commands["order_id"], commands["price"], commands["qty"] = [1, 2, 3], 100, 5
    commands["account"], commands["type"], commands["ord_type"], commands["tif"] = 1, 1, 2, 1
    commands["side"] = [1, 1, 2]
    reports = research.process(Engine(), commands)
    assert reports["type"].tolist() == [1, 1, 1, 3, 3]
    assert reports["match_id"].tolist() == [0, 0, 0, 1, 1]
    with pytest.raises(ValueError, match="1-dimensional of commands"):
        research.process(Engine(), reports)


def test_arrays_of_many_fills_are_answered_in_full() -> None:
    commands = research.commands(501)
    commands["order_id"], commands["price"], commands["qty"] = numpy.arange(1, 502), 100, 1
    commands["account"], commands["type"], commands["ord_type"], commands["tif"] = 1, 1, 2, 1
    commands["side"] = Side.SELL
    engine = Engine()
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
