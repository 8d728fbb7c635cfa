"""Records of the engine in words, for the message of a test that fails."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, IntFlag
from itertools import zip_longest

from fillstream.libs.common.engine.frames import (
    Command,
    CommandType,
    MassFlag,
    OrderFlag,
    OrdType,
    Reason,
    ReplaceFlag,
    Report,
    ReportFlag,
    ReportType,
    Session,
    Side,
    Stp,
    Tif,
)

Names = type[IntEnum] | type[IntFlag]
FLAGS: dict[int, Names] = {
    CommandType.NEW: OrderFlag,
    CommandType.REPLACE: ReplaceFlag,
    CommandType.MASS_CANCEL: MassFlag,
    CommandType.SESSION: Session,
}


def command_words(c: Command) -> str:
    """Return a command as its type and those of its fields that are not 0."""
    names: dict[str, Names] = {"side": Side, "ord_type": OrdType, "tif": Tif, "stp": Stp}
    if c.type in FLAGS:
        names["flags"] = FLAGS[c.type]
    told_at_0 = {CommandType.NEW: {"tif"}, CommandType.SESSION: {"flags"}}  # DAY and CONTINUOUS are 0
    return _words(
        CommandType, c, names, told_at_0.get(CommandType(c.type), set()) if c.type in set(CommandType) else set()
    )


def report_words(r: Report) -> str:
    """Return a report likewise."""
    return _words(ReportType, r, {"side": Side, "reason": Reason, "flags": ReportFlag}, set())


def beside(expected: Iterable[Report], told: Iterable[Report]) -> str:
    """Return both lists line by line, those lines marked that differ."""
    lines = []
    for wanted, got in zip_longest(expected, told):
        if wanted == got:
            lines.append(f"      both say   {report_words(wanted)}")
            continue
        lines.append(f"  !!  naive book {report_words(wanted) if wanted else 'nothing'}")
        lines.append(f"      engine     {report_words(got) if got else 'nothing'}")
    return "\n".join(lines)


def _words(types: Names, record: Command | Report, names: dict[str, Names], always: set[str]) -> str:
    fields = [
        f"{name}={_name(names[name], value) if name in names else value}"
        for name, value in zip(record._fields, record, strict=True)
        if name != "type" and (value or name in always)
    ]
    return " ".join([_name(types, record.type), *fields])


def _name(names: Names, code: int) -> str:
    try:
        return names(code).name or str(code)
    except ValueError:
        return str(code)
