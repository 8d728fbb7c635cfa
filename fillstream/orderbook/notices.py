"""Callbacks in the order of what they tell, whatever they do themselves.

Flows in: what is to be told, and to whom. Flows out: one call after the other. A callback that gives a new command
adds to the end of the line; one that raises does not keep the others from being told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any


class Notices:
    """The line of calls to be made. Belongs to who holds its owner's lock."""

    def __init__(self) -> None:
        self._line: deque[tuple[Callable[[Any], object], Any]] = deque()
        self._delivering = False

    def add(self, callback: Callable[[Any], object], told: Any) -> None:
        """Put a call at the end of the line."""
        self._line.append((callback, told))

    def deliver(self) -> None:
        """Make the calls until none is left; inside one of them, do nothing: the outer `deliver` goes on.

        Raises what the first call raised, once all are made; the others' errors are its notes. What is no `Exception`
        (Ctrl-C) goes through at once, and the next `deliver` makes the calls that are left.
        """
        if self._delivering or not self._line:
            return
        errors: list[Exception] = []
        self._delivering = True
        try:
            while self._line:
                callback, told = self._line.popleft()
                try:
                    callback(told)
                except Exception as error:
                    errors.append(error)
        finally:
            self._delivering = False
        if errors:
            for other in errors[1:]:
                errors[0].add_note(f"A later callback raised too: {other!r}.")
            raise errors[0]
