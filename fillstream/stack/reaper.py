"""The process that ends the local stack's processes when the supervisor itself was killed.

Flows in: end of file on standard input, which the kernel delivers even after kill -9 of the supervisor; the process
groups to end as arguments, besides its own. Flows out: SIGTERM, then SIGKILL. Never acts while the supervisor lives:
one byte on standard input dismisses it.
"""

from __future__ import annotations

import os
import signal
import sys
import time

GRACE_S = 5.0
"""From SIGTERM to SIGKILL."""


def end(groups: list[int], how: signal.Signals) -> None:
    """Send a signal to every process of the groups; one that is empty by now is no matter."""
    for group in groups:
        try:
            os.killpg(group, how)
        except (ProcessLookupError, PermissionError):  # macOS says the second of a group of zombies
            continue


def main() -> None:
    """Wait for the supervisor to dismiss this process or to die."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    if os.read(0, 1):
        return
    groups = [*map(int, sys.argv[1:]), os.getpgrp()]  # its own last: SIGKILL ends this process too
    end(groups, signal.SIGTERM)
    time.sleep(GRACE_S)
    end(groups, signal.SIGKILL)


if __name__ == "__main__":
    main()
