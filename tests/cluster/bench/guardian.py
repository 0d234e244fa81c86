"""Ends the bench's processes when the process that started them is gone, however it went.

Started once per Python process by `bench.process`, in its own session so that Ctrl-C does not reach it. Reads lines
`+PGID` (a group was started) and `-PGID` (it was ended) from standard input; end of file means that the starter is
dead, so what is left is ended: SIGTERM, then SIGKILL. `PR_SET_PDEATHSIG` would not do: it fires when the *thread*
that started the child ends, and it does not reach grandchildren (git under Gitea, helm under Argo CD).
Standard library only, no imports from the project: it must start in milliseconds.
"""

import contextlib
import os
import signal
import sys
import time

GRACE_SECONDS = 3.0


def watch() -> None:
    """Keep the set of groups until the starter is gone, then end what is left of them."""
    groups: list[int] = []
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.append(group)
        elif group in groups:
            groups.remove(group)
    for ending in (signal.SIGTERM, signal.SIGKILL):
        for group in reversed(groups):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, ending)
        if ending is signal.SIGTERM and groups:
            time.sleep(GRACE_SECONDS)


if __name__ == "__main__":
    watch()
