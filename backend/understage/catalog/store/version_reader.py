"""Reads the version of what is served (`changes`) for many requests at once: each gets one that was read after it came.

A request that comes while the database is being asked waits for the next question, which is asked for all that came meanwhile.
On PostgreSQL the question is asked by libpq itself: whatever lies around it costs more than the question.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.changes import SELECT_VERSION, Version, select_version
from understage.platform.database import Database

LINGER_SECONDS = 1.0
CLOSED = "the reader of versions was closed"
STATEMENT = "understage_version"

Waiters = list["asyncio.Future[Version]"]


class VersionReader:
    """One a process; on PostgreSQL it keeps a connection while it is asked again within a second."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: Waiters = []
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def read(self) -> Version:
        """The version after the call began. Raises what the database raises."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._wanted.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._answer())
        version: Version = await future
        return version

    async def close(self) -> None:
        """Give the connection back."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _answer(self) -> None:
        try:
            while self._waiting:
                async with self._database.read() as connection:
                    if self._database.dialect == "sqlite":
                        # Each question needs a snapshot of its own.
                        await self._ask(partial(select_version, connection))
                    else:
                        await self._linger(connection)
        except Exception as error:
            _fail(self._taken(), error)
        except asyncio.CancelledError:
            _fail(self._taken(), ConnectionError(CLOSED))
            raise

    async def _linger(self, connection: AsyncConnection) -> None:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute(f"PREPARE {STATEMENT} AS {SELECT_VERSION}")
        try:
            questions = _Questions(driver.pgconn)
            try:
                with suppress(TimeoutError):
                    while True:
                        await self._ask(questions.ask)
                        if not self._waiting:
                            async with asyncio.timeout(LINGER_SECONDS):
                                await self._wanted.wait()
            finally:
                questions.close()
            await driver.execute(f"DEALLOCATE {STATEMENT}")
        except BaseException:
            # It may be in the middle of an answer.
            await connection.invalidate()
            raise

    async def _ask(self, ask: Callable[[], Awaitable[Version]]) -> None:
        """One question for all who wait now."""
        futures = self._taken()
        try:
            version = await ask()
        except Exception as error:
            _fail(futures, error)
            raise
        except asyncio.CancelledError:
            _fail(futures, ConnectionError(CLOSED))
            raise
        for future in futures:
            # Whoever waited may be gone.
            if not future.done():
                future.set_result(version)

    def _taken(self) -> Waiters:
        futures, self._waiting = self._waiting, []
        self._wanted.clear()
        return futures


class _Questions:
    """The prepared question on a connection that nobody else uses meanwhile, one at a time."""

    def __init__(self, pgconn: Any) -> None:
        self._pgconn = pgconn
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[Version] | None = None
        self._version: Version | None = None
        self._error: Exception | None = None
        self._socket: int | None = pgconn.socket
        self._loop.add_reader(pgconn.socket, self._read)

    def close(self) -> None:
        """Leave the connection to others."""
        # Once only: the number of a socket that was closed may be another's by now.
        socket, self._socket = self._socket, None
        if socket is not None:
            self._loop.remove_reader(socket)

    async def ask(self) -> Version:
        """The version now. Raises ConnectionError, or psycopg's OperationalError."""
        if self._error is not None:
            raise self._error
        self._answer = self._loop.create_future()
        self._pgconn.send_query_prepared(STATEMENT.encode(), None)
        # A hundred bytes, on a connection on which nothing else is sent: the system takes them at once.
        if self._pgconn.flush():
            raise ConnectionError("the database does not take the question")
        return await self._answer

    def _read(self) -> None:
        """Called when the database has sent something."""
        try:
            self._pgconn.consume_input()
            while not self._pgconn.is_busy():
                result = self._pgconn.get_result()
                if result is None:
                    self._finish()
                    return
                self._version = _version_of(result)
        except Exception as error:
            self.close()
            self._error = error
            if self._answer is not None and not self._answer.done():
                self._answer.set_exception(error)

    def _finish(self) -> None:
        version, self._version = self._version, None
        # What the database says without being asked, such as a change of a setting, is no answer.
        if version is not None and self._answer is not None and not self._answer.done():
            self._answer.set_result(version)


def _version_of(result: Any) -> Version:
    if result.ntuples != 1:
        raise ConnectionError(f"the version of what is served is not known: {result.error_message.decode()}")
    count, highest, total = (int(result.get_value(0, column)) for column in range(3))
    return count, highest, total


def _fail(futures: Iterable["asyncio.Future[Version]"], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
