"""Snapshots of workspaces in an object store, addressed as fsspec does: `s3://bucket/folder`, `gs://…`, `abfs://…`.

The composition root calls `open_snapshots` with what the configuration says; `tasks.snapshots` calls the store. A snapshot is
one object, which such stores put in place whole or not at all.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from understage.errors import InputError
from understage.scaffolder.workspace import FolderSnapshots, SnapshotStore

T = TypeVar("T")
EXTRAS = {"s3": "s3", "gs": "gs", "gcs": "gs", "abfs": "abfs", "abfss": "abfs", "az": "abfs"}
KEY = "understage.tasks.workspaces.url"


class SnapshotStoreError(OSError):
    """The object store refused or did not answer; the message is for the log of the task."""


class ObjectSnapshots:
    """Implements `SnapshotStore` on a filesystem of fsspec; `folder` is the path in it that all names are below."""

    def __init__(self, filesystem: Any, folder: str, address: str) -> None:
        self._filesystem = filesystem
        self._folder = folder.rstrip("/")
        self._address = address

    async def put(self, name: str, content: bytes) -> None:
        """As the protocol says."""
        await self._call(lambda: self._filesystem.pipe_file(self._path(name), content))

    async def get(self, name: str) -> bytes:
        """As the protocol says."""
        content: bytes = await self._call(lambda: self._filesystem.cat_file(self._path(name)))
        return content

    async def delete(self, name: str) -> None:
        """As the protocol says."""

        def delete() -> None:
            if self._filesystem.exists(self._path(name)):
                self._filesystem.rm_file(self._path(name))

        await self._call(delete)

    async def names(self, prefix: str = "") -> list[str]:
        """As the protocol says."""

        def read() -> list[str]:
            try:
                paths = self._filesystem.ls(self._folder, detail=False, refresh=True)
            except FileNotFoundError:  # nothing was stored yet
                return []
            found = (path.rstrip("/").rpartition("/")[2] for path in paths)
            return [name for name in found if name.startswith(prefix)]

        return await self._call(read)

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}"

    async def _call(self, operation: Callable[[], T]) -> T:
        """Run it in a thread: the clients of stores are synchronous, or have an event loop of their own."""
        try:
            return await asyncio.to_thread(operation)
        except FileNotFoundError:
            raise
        except Exception as error:
            raise SnapshotStoreError(
                f"{self._address}, which keeps the workspaces of tasks ({KEY}), could not be used: "
                f"{type(error).__name__}: {error}"
            ) from error


def open_snapshots(url: str | None, options: Mapping[str, Any], *, folder: Path) -> SnapshotStore:
    """The store at a URL, or in `folder` without one. `options` go to the filesystem's class: keys, endpoints, regions.

    Raises InputError for a scheme that keeps nothing, and for one whose client is not installed.
    """
    if url is None:
        return FolderSnapshots(folder)
    scheme, separator, path = url.partition("://")
    if not separator or not path:
        raise InputError(f"{KEY} is '{url}': write scheme://bucket/folder, for example s3://workspaces/understage")
    if scheme == "file":
        return FolderSnapshots(Path(path))  # it waits for the disk, which fsspec does not
    if scheme not in EXTRAS:
        raise InputError(f"{KEY} has the scheme '{scheme}': use file, {', '.join(EXTRAS)}")
    import fsspec

    try:
        filesystem, root = fsspec.core.url_to_fs(url, **dict(options))
    except ImportError as error:
        extra = EXTRAS[scheme]
        raise InputError(f"{KEY} is '{url}', whose client is missing: pip install 'understage[{extra}]'") from error
    return ObjectSnapshots(filesystem, root, f"{scheme}://{path}")
