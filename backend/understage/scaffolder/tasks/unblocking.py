"""Interrupts an action that holds the event loop (a synchronous library, `subprocess.run`), so that it can be cancelled at all.

The thread of leases notices that the loop does not take its report, and sends the main thread a signal. Its handler raises
CancelledError where the action stands; waiting for a child process, a socket or a clock is interrupted by that. The handler
looks first whether it is that action which runs at this moment: a loop that goes on is never touched. Nor is an import: a module
that is half there fails every later task of the process. The thread of leases sends the signal again until the loop goes on.
"""

import asyncio
import signal
import threading
from collections.abc import Collection
from types import FrameType

import structlog

from understage.scaffolder.steps.call import action_task_name

log = structlog.get_logger(__name__)

SIGNAL = getattr(signal, "SIGURG", None)
"""Ignored where nobody listens; not on Windows, where an action that blocks cannot be interrupted."""


class Unblocking:
    """Made in the main thread, by the loop that runs the actions; `interrupt` is called by another thread."""

    def __init__(self) -> None:
        self._names: frozenset[str] = frozenset()
        self._is_on = False

    def start(self) -> None:
        """Listen for the signal. In another thread than the main one there is nothing to be done: signals do not go there."""
        if SIGNAL is not None and threading.current_thread() is threading.main_thread():
            signal.signal(SIGNAL, self._handle)
            self._is_on = True

    def stop(self) -> None:
        """Listen no more."""
        if self._is_on and SIGNAL is not None and threading.current_thread() is threading.main_thread():
            signal.signal(SIGNAL, signal.SIG_DFL)
        self._is_on = False

    def interrupt(self, task_ids: Collection[str]) -> None:
        """End the action that holds the loop, if it belongs to one of the tasks."""
        if not self._is_on or SIGNAL is None:
            return
        self._names = frozenset(action_task_name(task_id) for task_id in task_ids)
        log.warning("an action holds its process and is interrupted", tasks=sorted(task_ids))
        signal.pthread_kill(threading.main_thread().ident or 0, SIGNAL)

    def _handle(self, _signal: int, frame: FrameType | None) -> None:
        names, self._names = self._names, frozenset()
        try:
            current = asyncio.current_task()
        except RuntimeError:  # no loop runs
            return
        if current is not None and current.get_name() in names and not _is_importing(frame):
            raise asyncio.CancelledError


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
