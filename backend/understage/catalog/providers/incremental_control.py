"""What the API tells of incremental ingestion, and lets people do about it. Called by `api.incremental`."""

import uuid
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.providers.incremental import task_id_of
from understage.catalog.scheduling import DatabaseScheduler
from understage.catalog.store.ingestion_marks import Deleted, Mark, delete_ingestions, select_marks
from understage.catalog.store.ingestions import (
    Ingestion,
    close_ingestion,
    insert_ingestion,
    select_duplicates,
    select_ingestion,
    select_provider_names,
    update_ingestion,
)
from understage.catalog.store.retry import write_with_retry
from understage.errors import ConflictError, NotFoundError
from understage.platform.database import Database

PAUSE_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class Status:
    """A provider: its open cycle, None between two."""

    ingestion: Ingestion | None


class IncrementalControl:
    """`installed` are the names of the incremental providers of this service."""

    def __init__(self, database: Database, scheduler: DatabaseScheduler, installed: Collection[str]) -> None:
        self._database = database
        self._scheduler = scheduler
        self._installed = frozenset(installed)

    async def duplicates(self) -> list[str]:
        """Providers with two cycles under way, which should not be."""
        async with self._database.read() as connection:
            return await select_duplicates(connection)

    async def names(self) -> list[str]:
        """All that are installed or have left cycles behind."""
        async with self._database.read() as connection:
            return sorted({*await select_provider_names(connection), *self._installed})

    async def status(self, provider: str) -> Status:
        """One. Raises NotFoundError."""
        async with self._database.read() as connection:
            found = await select_ingestion(connection, provider)
            if found is None and provider not in {*await select_provider_names(connection), *self._installed}:
                raise NotFoundError(f"Provider '{provider}' not found")
            return Status(found)

    async def marks(self, ingestion: Ingestion) -> list[Mark]:
        """What the open cycle has given so far, the last page first."""
        async with self._database.read() as connection:
            return await select_marks(connection, ingestion.id)

    async def trigger(self, ingestion: Ingestion) -> None:
        """Do the next action now instead of later."""

        async def hasten(write: AsyncConnection) -> None:
            await update_ingestion(
                write,
                ingestion.id,
                status=ingestion.status,
                next_action=ingestion.next_action,
                if_action=ingestion.next_action,
            )

        await write_with_retry(self._database, hasten)
        await self._look_now(ingestion.provider_name)

    async def start(self, ingestion: Ingestion) -> None:
        """Begin a new cycle: a resting one is over, one under way is broken off."""

        async def end(write: AsyncConnection) -> None:
            if ingestion.status == "resting":
                await close_ingestion(write, ingestion.id, "nothing (done)")
            else:
                await update_ingestion(write, ingestion.id, status="canceling", next_action="cancel")

        await write_with_retry(self._database, end)
        await self._look_now(ingestion.provider_name)

    async def cancel(self, ingestion: Ingestion) -> None:
        """Stop, and rest for 24 hours. What was given stays."""

        async def stop(write: AsyncConnection) -> None:
            await update_ingestion(write, ingestion.id, status="resting", next_action="rest", in_ms=PAUSE_MS)

        await write_with_retry(self._database, stop)

    async def purge(self, provider: str) -> Deleted:
        """Forget all cycles of a provider, and rest for 24 hours. Raises NotFoundError."""
        await self.status(provider)

        async def forget(write: AsyncConnection) -> Deleted:
            deleted = await delete_ingestions(write, provider, finished_only=False)
            await _pause(write, provider)
            return deleted

        return await write_with_retry(self._database, forget)

    async def purge_all(self) -> Deleted:
        """Forget all cycles of all providers, which rest for 24 hours."""

        async def forget(write: AsyncConnection) -> Deleted:
            names = {*await select_provider_names(write), *self._installed}
            deleted = await delete_ingestions(write, None, finished_only=False)
            for name in sorted(names):
                await _pause(write, name)
            return deleted

        return await write_with_retry(self._database, forget)

    async def clear_finished(self, provider: str) -> Deleted:
        """Forget the cycles that are over."""
        return await write_with_retry(
            self._database, lambda write: delete_ingestions(write, provider, finished_only=True)
        )

    async def _look_now(self, provider: str) -> None:
        # A run that is under way looks by itself.
        with suppress(ConflictError, NotFoundError):
            await self._scheduler.trigger(task_id_of(provider))


async def _pause(write: AsyncConnection, provider: str) -> None:
    await insert_ingestion(write, str(uuid.uuid4()), provider, status="resting", next_action="rest", in_ms=PAUSE_MS)
