"""The connections to a SQLite file, each with the thread that the driver gives it. Called by `database`.

The pool knows the connections that it has at hand. One that was opened by a task which was cancelled meanwhile, or that a
cancelled task had, ends by itself some time later; a thread that ends after its event loop dies with an error. So the end
of the database is when all threads have ended.
"""

import asyncio
import threading
import time
from typing import Any

import aiosqlite
import structlog
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger(__name__)

PATIENCE = 10.0
"""Seconds that a statement has to end when the database is closed; SQLite cannot be interrupted while it waits for a lock."""


class SqliteConnections:
    """All connections of some engines, from before they are open until their threads have ended."""

    def __init__(self) -> None:
        self._connections: dict[threading.Thread, aiosqlite.Connection] = {}

    def watch(self, engine: AsyncEngine) -> None:
        """Open the engine's connections, in the way of SQLAlchemy."""

        @event.listens_for(engine.sync_engine, "do_connect")
        def on_connect(_dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> None:
            options["async_creator_fn"] = self._open

    async def end(self) -> None:
        """Close what is still open, and wait for all threads."""
        running = self._running()
        for connection in running.values():
            # A second stop of one that stops already is never looked at.
            connection.stop()
        await asyncio.to_thread(_join, list(running))
        if left := self._running():
            log.warning("statements still run on a closed SQLite database", connections=len(left))

    async def _open(self, *arguments: Any, **options: Any) -> aiosqlite.Connection:
        connection = aiosqlite.connect(*arguments, **options)
        # The driver has no public name for it; SQLAlchemy reaches for it as well. The process may end before a statement does.
        thread = connection._thread
        thread.daemon = True
        self._connections = {**self._running(), thread: connection}
        return await connection

    def _running(self) -> dict[threading.Thread, aiosqlite.Connection]:
        return {thread: connection for thread, connection in self._connections.items() if thread.is_alive()}


def _join(threads: list[threading.Thread]) -> None:
    deadline = time.monotonic() + PATIENCE
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
