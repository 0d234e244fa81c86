"""Hears what other replicas announce: PostgreSQL's LISTEN on a connection of its own.

An accelerator only. Whatever is missed while the connection is down is found by polling, a second later.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog
from psycopg import AsyncConnection, sql
from sqlalchemy import PoolProxiedConnection

from understage.platform.database import Database
from understage.scaffolder.store.notify import CHANNEL, read_news

log = structlog.get_logger(__name__)

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0

OnNews = Callable[[str, str], Coroutine[Any, Any, None]]
"""(news, task id), see `store.notify`."""


class Listener:
    """Calls `on_news` for each announcement of others than `sender`, and `on_gap` whenever some may have been missed."""

    def __init__(self, database: Database, on_news: OnNews, on_gap: Callable[[], None], *, sender: str) -> None:
        self._database = database
        self._on_news = on_news
        self._on_gap = on_gap
        self._sender = sender
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen; nothing to do on SQLite."""
        if self._database.dialect == "postgresql":
            self._task = asyncio.create_task(self._run(), name="task listener")

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                async with self._database.read() as connection:
                    try:
                        await self._listen(await connection.get_raw_connection())
                    finally:
                        await connection.invalidate()  # it listens; nobody else shall get it
                pause = FIRST_PAUSE
            except Exception as error:
                log.warning("announcements of tasks are not heard; polling goes on", reason=str(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _listen(self, pooled: PoolProxiedConnection) -> None:
        connection: AsyncConnection[Any] = pooled.driver_connection  # type: ignore[assignment] # the driver is psycopg's
        await connection.set_autocommit(True)
        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
        self._on_gap()
        async for notice in connection.notifies():
            news = read_news(notice.payload, own=self._sender)
            if news is not None:
                await self._on_news(*news)
