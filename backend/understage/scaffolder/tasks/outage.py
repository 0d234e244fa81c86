"""Getting through a database, or a store of workspaces, that is away for a while. Called by what writes on its own account."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from sqlalchemy import exc

log = structlog.get_logger(__name__)

T = TypeVar("T")
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0


def is_outage(error: BaseException) -> bool:
    """Whether the same statement may succeed later: no connection, a lost one, a lock, a deadlock, a full pool."""
    if isinstance(error, exc.DBAPIError):
        return error.connection_invalidated or isinstance(error, exc.OperationalError | exc.InterfaceError)
    return isinstance(error, exc.TimeoutError | OSError)


async def through_outage(operation: Callable[[], Awaitable[T]], *, name: str, patience: float | None = None) -> T:
    """The result of `operation`, called again after each failure that is an outage; for `patience` seconds, or for ever."""
    pause = FIRST_PAUSE
    began = time.monotonic()
    while True:
        try:
            return await operation()
        except Exception as error:
            is_final = isinstance(error, FileNotFoundError) or not is_outage(error)
            if is_final or (patience is not None and time.monotonic() - began > patience):
                raise
            log.warning("storage is away, trying again", operation=name, error=str(error), next_try_in=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
