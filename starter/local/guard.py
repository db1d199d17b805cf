"""Ends the local stack when the process that started it is gone, however it went.

A process killed with SIGKILL cannot clean up after itself, and a process group does not end with its leader's parent. So
the stack starts this program first and holds the writing end of its standard input. Lines are ``+<pgid>`` and
``-<pgid>``; end of file means that the owner is dead or done: whatever groups are left are asked to end, then made to.

Standard library only and run by path, so that it is up within a few milliseconds.
"""

import contextlib
import os
import signal
import sys
import time

GRACE_SECONDS = 10.0


def _signal(groups: set[int], number: int) -> set[int]:
    """Send a signal to each group; the groups that still exist."""
    alive = set()
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
            alive.add(group)
    return alive


def main() -> None:
    """Follow the owner's notes until they end, then end what is left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        sign, group = line[0], int(line[1:])
        if sign == "+":
            groups.add(group)
        else:
            groups.discard(group)
    groups = _signal(groups, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while groups and time.monotonic() < deadline:
        time.sleep(0.05)
        groups = _signal(groups, 0)
    _signal(groups, signal.SIGKILL)


if __name__ == "__main__":
    main()
