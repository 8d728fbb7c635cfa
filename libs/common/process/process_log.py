"""What a process says about itself: one line a record on standard error, plain or JSON, never coloured.

Flows in: log records of this process and of every library in it. Flows out: lines in the one format that
FILLSTREAM_LOG_FORMAT names, `plain` (the default) or `json`. Never touches a stream: that log is
`libs.common.runtime.log`.

    2026-11-28T06:51:08.123Z INFO orders orders-0 orders 0 live at 1764312668123-0: 12 entries in all, ...
    {"time":"2026-11-28T06:51:08.123Z","level":"INFO","service":"orders","thread":"orders-0","logger":...,"message":...}
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

import orjson

from fillstream.libs.common.process.settings import SettingsError

FORMAT_VARIABLE = "FILLSTREAM_LOG_FORMAT"
FORMATS = ("plain", "json")


def log_format() -> str:
    """Return `plain` or `json`, as the environment says.

    Raises:
        SettingsError: it says something else.
    """
    named = os.environ.get(FORMAT_VARIABLE) or FORMATS[0]
    if named not in FORMATS:
        raise SettingsError([f"environment {FORMAT_VARIABLE}: {named} is not one of {', '.join(FORMATS)}"])
    return named


def set_up_log(service: str, level: str = "INFO") -> None:
    """Send every record of this process to standard error in the one format.

    Args:
        service: the name that lines carry: `orders`, `analytics`, `feed`.
        level: the lowest that is shown.

    Raises:
        SettingsError: FILLSTREAM_LOG_FORMAT names no format.
    """
    as_json = log_format() == "json"
    handler = _StandardError()
    handler.setFormatter(_JsonLines(service) if as_json else _PlainLines(service))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    if as_json:
        # What ends a thread or the process is a line, too; without this Python would print its stack trace as it is.
        sys.excepthook = _log_uncaught
        threading.excepthook = _log_uncaught_in_thread


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at the moment of writing."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


def _utc(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _PlainLines(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__(f"%(asctime)s %(levelname)s {service.replace('%', '%%')} %(threadName)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return _utc(record)


class _JsonLines(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _utc(record),
            "level": record.levelname,
            "service": self._service,
            "thread": record.threadName,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # Names of files need not be UTF-8 (`surrogateescape`); a line has to be.
        return orjson.dumps({name: _writable(text) for name, text in line.items()}).decode()


def _writable(text: str | None) -> str | None:
    return None if text is None else text.encode("utf-8", "replace").decode()


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger(__name__).critical(
        "the process ends: %s: %s", kind.__name__, error, exc_info=(kind, error, trace)
    )


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        found = (args.exc_type, args.exc_value, args.exc_traceback)
        logging.getLogger(__name__).critical(
            "a thread ends: %s: %s", args.exc_type.__name__, args.exc_value, exc_info=found
        )
