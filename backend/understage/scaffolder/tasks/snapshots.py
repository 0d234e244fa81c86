"""The workspace of one run: restored at its start, kept with every commit that may be continued from."""

import asyncio
from contextlib import suppress
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.errors import ServiceUnavailableError
from understage.scaffolder.cipher import Cipher
from understage.scaffolder.store.progress import StoredSnapshot, put_snapshot
from understage.scaffolder.tasks.outage import is_outage, through_outage
from understage.scaffolder.workspace import (
    EMPTY,
    SnapshotStore,
    fingerprint,
    is_empty,
    make_folder,
    pack,
    remove_folder,
)

log = structlog.get_logger(__name__)

IN_DATABASE_BYTES = 256 * 1024
STORE_PATIENCE = 60.0
FIRST_CLAIM = 1
"""The fence of a claim that no other was before."""


class Snapshots:
    """Snapshots of the folder of one claim."""

    def __init__(
        self,
        task_id: str,
        folder: Path,
        *,
        fence: int,
        cipher: Cipher,
        store: SnapshotStore,
        stored: StoredSnapshot | None,
    ) -> None:
        self.folder = folder
        self._task_id = task_id
        self._fence = fence
        self._cipher = cipher
        self._store = store
        self._stored = stored
        self._fingerprint: str | None = None
        self._count = 0

    @property
    def _place(self) -> str:
        return f"{self._task_id}/workspace"

    async def restore(self) -> None:
        """Make the folder, as the last snapshot has it. Folders of earlier claims on this machine go."""
        if self._fence == FIRST_CLAIM:
            # Nobody has been here. The first step that wants the folder makes it.
            self._fingerprint = EMPTY
            return
        content = await self._read()
        await self._forget_dead_ends()
        for old in self._folders(self._task_id):
            await asyncio.to_thread(remove_folder, old)
        await asyncio.to_thread(make_folder, self.folder, content)
        self._fingerprint = await asyncio.to_thread(fingerprint, self.folder)

    async def take(self) -> StoredSnapshot | None:
        """A snapshot that is not in force before `keep`; None when nothing changed since the last."""
        mark = EMPTY if is_empty(self.folder) else await asyncio.to_thread(fingerprint, self.folder)
        if mark == self._fingerprint:
            return None
        content = await asyncio.to_thread(self._pack)
        if len(content) <= IN_DATABASE_BYTES:
            return StoredSnapshot(mark, content, None)
        self._count += 1
        name = f"{self._task_id}-{self._fence}-{self._count}"
        # Before the commit that names it: a commit never points at something that is not there.
        await through_outage(lambda: self._store.put(name, content), name="snapshot", patience=STORE_PATIENCE)
        return StoredSnapshot(mark, None, name)

    async def keep(self, connection: AsyncConnection, snapshot: StoredSnapshot | None) -> None:
        """Put a snapshot in force, inside of the run's transaction."""
        if snapshot is not None:
            await put_snapshot(connection, self._task_id, snapshot)

    async def settle(self, snapshot: StoredSnapshot | None) -> None:
        """After the commit: the one before is not needed any more."""
        if snapshot is not None:
            before, self._stored, self._fingerprint = self._stored, snapshot, snapshot.fingerprint
            await self._delete(before)

    async def discard(self) -> None:
        """The task completed and its row is gone: nobody continues from here."""
        await self._delete(self._stored)
        self._stored = None

    async def remove_folder(self) -> None:
        """The run is over. Temporary folders of its steps go too."""
        name = self.folder.name
        for folder in self._folders(name):
            if folder.name == name or folder.name.startswith(f"{name}_"):
                # Some disks take a millisecond for an empty one, in which the event loop would stand still.
                await asyncio.to_thread(remove_folder, folder)

    def _folders(self, prefix: str) -> list[Path]:
        """The folders of this machine whose names begin so."""
        with suppress(FileNotFoundError):
            return [path for path in self.folder.parent.iterdir() if path.name.startswith(prefix)]
        return []

    async def _delete(self, snapshot: StoredSnapshot | None) -> None:
        if snapshot is None or snapshot.location is None:
            return
        try:
            await self._store.delete(snapshot.location)
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("an old snapshot stays behind", name=snapshot.location, error=str(error))

    async def _forget_dead_ends(self) -> None:
        """Delete what earlier claims put into the store without a commit that names it; they cannot commit any more."""
        kept = None if self._stored is None else self._stored.location
        try:
            for name in await self._store.names(f"{self._task_id}-"):
                if name != kept:
                    await self._store.delete(name)
        except OSError as error:
            log.warning("old snapshots stay behind", task=self._task_id, error=str(error))

    async def _read(self) -> bytes | None:
        if self._stored is None:
            return None
        content = self._stored.content
        if content is None:
            location = self._stored.location
            assert location is not None
            try:
                content = await through_outage(
                    lambda: self._store.get(location), name="workspace", patience=STORE_PATIENCE
                )
            except FileNotFoundError as error:
                raise ServiceUnavailableError(
                    f"The workspace of the task, '{location}', is not where this service keeps workspaces: do all replicas "
                    "share understage.dataDirectory, or have the same understage.tasks.workspaces.url?"
                ) from error
        return self._cipher.decrypt(content, self._place)

    def _pack(self) -> bytes:
        return self._cipher.encrypt(pack(self.folder), self._place)
