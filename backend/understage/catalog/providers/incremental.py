"""Runs incremental providers: burst, rest, back off, go on where the last mark is. Implements the side of the service of
`sdk.incremental`; `CatalogEngine` wraps each such provider in one of these.

A global schedule looks in every `burst_interval` on one replica at a time. Whatever its lease says, each page first changes the
row of its cycle and checks that its mark is the next: a replica that stalled and wakes up finds out and writes nothing.
"""

import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from opentelemetry import metrics
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.providers.connection import unprocessed
from understage.catalog.providers.mutation import apply_delta
from understage.catalog.store.ingestion_marks import (
    count_given,
    delete_ingestions,
    insert_mark,
    select_marks,
    select_not_given,
)
from understage.catalog.store.ingestions import (
    Ingestion,
    close_ingestion,
    insert_ingestion,
    is_due,
    select_ingestion,
    update_ingestion,
)
from understage.catalog.store.retry import write_with_retry
from understage.errors import InputError
from understage.platform.database import Database
from understage.sdk.incremental import SHORTEST_INTERVAL, IncrementalEntityProvider, Page
from understage.sdk.provider import ProviderConnection
from understage.sdk.schedule import Schedule, Scheduler

log = structlog.get_logger(__name__)

_meter = metrics.get_meter("understage.catalog")
_started = _meter.create_gauge(
    "catalog_incremental.ingestions.started",
    unit="s",
    description="When the ingestion was last started, since the epoch",
)
_completed = _meter.create_gauge(
    "catalog_incremental.ingestions.completed",
    unit="s",
    description="When the ingestion was last completed, or a burst of it failed, since the epoch",
)

T = TypeVar("T")
LONGEST_ERROR = 700
PAGE_TIMEOUT = timedelta(minutes=10)


def task_id_of(provider: str) -> str:
    """The id of a provider's scheduled task."""
    return f"incremental ingestion {provider}"


class IncrementalIngestion:
    """One provider; `wake` tells the loops that there is work."""

    def __init__(
        self, database: Database, provider: IncrementalEntityProvider, scheduler: Scheduler, wake: Callable[[], None]
    ) -> None:
        _check(provider)
        self.name = provider.name
        self._database = database
        self._provider = provider
        self._options = provider.options
        self._scheduler = scheduler
        self._wake = wake

    async def connect(self, connection: ProviderConnection) -> None:
        """Begin, or go on where the last start ended."""
        options = self._options
        schedule = Schedule(options.burst_interval, options.burst_length + PAGE_TIMEOUT)
        self._scheduler.schedule(task_id_of(self.name), schedule, self.run)

    async def run(self) -> None:
        """Do what is due: at most one burst."""
        while True:
            async with self._database.read() as connection:
                ingestion = await select_ingestion(connection, self.name)
                due = ingestion is not None and await is_due(connection, ingestion.id)
            if ingestion is None:
                await self._write(self._open)
                _started.set(time.time(), {"providerName": self.name})
            elif ingestion.next_action == "cancel":
                await self._close(ingestion, "nothing (canceled)")
            elif ingestion.next_action == "ingest":
                await self._burst(ingestion)
                return
            elif not due:
                return
            elif ingestion.next_action == "backoff":
                await self._resume(ingestion)
            else:
                await self._close(ingestion, "nothing (done)")

    async def _open(self, write: AsyncConnection) -> None:
        await insert_ingestion(write, str(uuid.uuid4()), self.name, status="bursting", next_action="ingest")

    async def _close(self, ingestion: Ingestion, next_action: str) -> None:
        async def close(write: AsyncConnection) -> None:
            await delete_ingestions(write, self.name, finished_only=True)
            await close_ingestion(write, ingestion.id, next_action)

        await self._write(close)

    async def _resume(self, ingestion: Ingestion) -> None:
        await self._write(
            lambda write: update_ingestion(
                write, ingestion.id, status="interstitial", next_action="ingest", if_action="backoff"
            )
        )

    async def _burst(self, ingestion: Ingestion) -> None:
        ends = time.monotonic() + self._options.burst_length.total_seconds()
        async with self._database.read() as connection:
            last = next(iter(await select_marks(connection, ingestion.id, limit=1)), None)
        sequence = 0 if last is None else last.sequence + 1
        try:
            # Between two bursts nothing of the provider stays open.
            async with aclosing(self._provider.pages(None if last is None else last.cursor)) as pages:
                async for page in pages:
                    if not await self._keep(ingestion, sequence, page):
                        log.info("a burst ends: its cycle was cancelled or is another's", provider=self.name)
                        return
                    sequence += 1
                    if page.is_last:
                        self._note_end("completed")
                        return
                    if time.monotonic() >= ends:
                        break
                else:
                    raise InputError("the pages ended without one that is the last")
        except Exception as error:
            await self._back_off(ingestion, error)
            return
        await self._write(
            lambda write: update_ingestion(
                write, ingestion.id, status="interstitial", next_action="ingest", if_action="ingest", attempts=0
            )
        )

    async def _keep(self, ingestion: Ingestion, sequence: int, page: Page) -> bool:
        """Apply a page and mark it, in one transaction; False when the cycle is not ours to continue."""
        rows = unprocessed(page.entities)

        async def keep(write: AsyncConnection) -> bool:
            # Whoever changes the row first holds it until the end of the page.
            if not await update_ingestion(
                write, ingestion.id, status="bursting", next_action="ingest", if_action="ingest"
            ):
                return False
            last = next(iter(await select_marks(write, ingestion.id, limit=1)), None)
            if sequence != (0 if last is None else last.sequence + 1):
                return False
            mark_id = str(uuid.uuid4())
            await insert_mark(write, mark_id, ingestion.id, sequence, page.cursor, [row.entity_ref for row in rows])
            removed = await self._finish(write, ingestion, mark_id) if page.is_last else []
            await apply_delta(write, self.name, rows, removed)
            return True

        kept = await self._write(keep)
        self._wake()
        return kept

    async def _finish(self, write: AsyncConnection, ingestion: Ingestion, mark_id: str) -> list[str]:
        """Rest from now on; returns what is to be removed."""
        removed = await select_not_given(write, self.name, ingestion.id)
        refusal = self._refusal(await count_given(write, ingestion.id), len(removed))
        error = None
        if refusal:
            error = f"REMOVAL_THRESHOLD exceeded on ingestion mark {mark_id}: {refusal}"
            log.error("nothing is removed", provider=self.name, reason=refusal, would_go=len(removed))
            removed = []
        await update_ingestion(
            write,
            ingestion.id,
            status="resting",
            next_action="rest",
            in_ms=_milliseconds(self._options.rest_length),
            attempts=0,
            last_error=error,
        )
        return removed

    def _refusal(self, given: int, removed: int) -> str | None:
        if removed and not given and self._options.reject_empty_source_collections:
            return "The source gave nothing at all!"
        highest = self._options.reject_removals_above_percentage
        percentage = removed / given * 100 if given else 100.0
        if removed and highest is not None and percentage > highest:
            return f"Attempted to remove {percentage:g}% of matching entities!"
        return None

    def _note_end(self, status: str) -> None:
        _completed.set(time.time(), {"providerName": self.name, "status": status})

    async def _back_off(self, ingestion: Ingestion, error: Exception) -> None:
        backoff = self._options.backoff
        pause = backoff[min(len(backoff) - 1, ingestion.attempts)]
        said = f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
        log.error("a burst failed", provider=self.name, reason=said, next_try_in=str(pause), exc_info=error)
        self._note_end("failed")
        changes: dict[str, Any] = {"attempts": ingestion.attempts + 1, "last_error": said}
        await self._write(
            lambda write: update_ingestion(
                write,
                ingestion.id,
                status="backing off",
                next_action="backoff",
                in_ms=_milliseconds(pause),
                if_action="ingest",
                **changes,
            )
        )

    async def _write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        return await write_with_retry(self._database, work)


def _check(provider: IncrementalEntityProvider) -> None:
    options = provider.options
    if options.burst_interval < SHORTEST_INTERVAL:
        raise InputError(f"burst_interval of {provider.name} must be at least {SHORTEST_INTERVAL.seconds} seconds")
    if options.burst_length <= timedelta(0) or options.rest_length < timedelta(0) or not options.backoff:
        raise InputError(f"burst_length of {provider.name} must be longer than nothing, and it needs a backoff")


def _milliseconds(length: timedelta) -> int:
    return int(length.total_seconds() * 1000)
