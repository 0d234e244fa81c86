"""Reads the version of what is served (`changes`) for many requests at once: each gets one that was read after it came.

A request that comes while the database is being asked waits for the next question, which is asked for all that came meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

from understage.catalog.store.changes import SELECT_VERSION, Version, select_version
from understage.platform.database import Database

LINGER_SECONDS = 1.0
CLOSED = "the reader of versions was closed"


class VersionReader:
    """One a process; on PostgreSQL it keeps a connection while it is asked again within a second."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: asyncio.Future[Version] | None = None
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def read(self) -> Version:
        """The version after the call began. Raises what the database raises."""
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
            # Its waiters may all be gone when it fails.
            self._waiting.add_done_callback(lambda future: future.cancelled() or future.exception())
            self._wanted.set()
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._answer())
        return await asyncio.shield(self._waiting)

    async def close(self) -> None:
        """Give the connection back."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _answer(self) -> None:
        try:
            while self._waiting is not None:
                async with self._database.read() as connection:
                    if self._database.dialect == "sqlite":
                        # Each question needs a snapshot of its own.
                        await self._ask(partial(select_version, connection))
                    else:
                        await self._linger((await connection.get_raw_connection()).driver_connection)
        except Exception as error:
            self._fail(self._waiting, error)
        except asyncio.CancelledError:
            self._fail(self._waiting, ConnectionError(CLOSED))
            raise

    async def _linger(self, driver: Any) -> None:
        """Ask by the driver itself: all around it costs three times as much as the question."""

        async def ask() -> Version:
            cursor = await driver.execute(SELECT_VERSION, prepare=True)
            version: Version = await cursor.fetchone()
            return version

        with suppress(TimeoutError):
            while True:
                await self._ask(ask)
                async with asyncio.timeout(LINGER_SECONDS):
                    await self._wanted.wait()

    async def _ask(self, ask: Callable[[], Awaitable[Version]]) -> None:
        """One question for all who wait now."""
        future, self._waiting = self._waiting, None
        self._wanted.clear()
        try:
            version = await ask()
        except Exception as error:
            self._fail(future, error)
            raise
        except asyncio.CancelledError:
            self._fail(future, ConnectionError(CLOSED))
            raise
        if future is not None and not future.done():
            future.set_result(version)

    def _fail(self, future: "asyncio.Future[Version] | None", error: Exception) -> None:
        if future is self._waiting:
            self._waiting = None
        if future is not None and not future.done():
            future.set_exception(error)
