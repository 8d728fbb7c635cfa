"""How the `fillstream` command ends: exit codes that scripts may rely on, and the errors behind them."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; their meaning never changes."""

    OK = 0
    NO = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    NO_ANSWER = 5
    SETTINGS = 78


MEANINGS = {
    Exit.OK: "done; the answer is yes",
    Exit.NO: "the answer is no: refused, down, missing, books do not agree",
    Exit.USAGE: "the command line cannot be understood",
    Exit.UNREACHABLE: "a server does not answer (Redis, analytics, a gateway)",
    Exit.NOT_FOUND: "there is no such order, stream, dead letter or key",
    Exit.NO_ANSWER: "the signal is in its stream; nothing was heard of it in time",
    Exit.SETTINGS: "the configuration was refused",
}


class Stop(Exception):
    """Ends a command with a sentence on standard error.

    Args:
        code: the exit code.
        text: the sentence.
    """

    def __init__(self, code: Exit, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
