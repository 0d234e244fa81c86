"""Database work that a cancelled caller must not tear apart: a half-spoken statement would cost the connection."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_going_on: set[asyncio.Task[Any]] = set()


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """Await `work`; when the caller is cancelled, `work` goes on to its end by itself."""
    task = asyncio.ensure_future(work)
    _going_on.add(task)
    task.add_done_callback(_forget)
    return await asyncio.shield(task)


def _forget(task: asyncio.Task[Any]) -> None:
    _going_on.discard(task)
    if not task.cancelled():
        task.exception()  # seen: the caller may be gone
