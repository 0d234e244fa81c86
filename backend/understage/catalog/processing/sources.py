"""Where in its file that part of an entity stands which an error is about. Called by `orchestrator` for failed entities only.

Entities are stored without positions, so that good ones cost nothing. When one has errors, its file is read again, its
document is found by its content, and the part is looked up. Files of recent errors are kept, a thousand bad entities of one
file read it once.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any
from weakref import WeakValueDictionary

import structlog

from understage.catalog.location_entity import GENERATED
from understage.errors import InputError, Place, Position, SourceError, UnderstageError
from understage.model.entity import (
    ANNOTATION_LOCATION,
    ANNOTATION_ORIGIN_LOCATION,
    Entity,
    EnvelopeError,
    annotations_of,
    check_envelope,
)
from understage.model.hash import stable_hash
from understage.model.kinds import written_path
from understage.model.ref import LocationRef, entity_ref
from understage.model.yaml import Span, parse_each
from understage.sdk.reader import UrlReader

log = structlog.get_logger(__name__)

KEPT_BYTES = 4 * 1024 * 1024
"""How much text is kept; files that were looked at a moment ago stay beyond that, up to:"""
MOST_BYTES = 32 * 1024 * 1024
"""Above this no further file is read: their errors go without positions, until there is room."""
MOST_FILES = 256
FRESH_SECONDS = 60.0
"""How long a text behind a URL is taken for unchanged without asking."""
AGAIN_SECONDS = 10.0
"""A place is asked no sooner again, whatever came of it: many bad entities may name one that does not know them."""


@dataclass(slots=True)
class SourceFile:
    """One file: its documents by reference, each with the hash of its content, and what tells whether it changed.

    A place that could not be read is a file without documents.
    """

    documents: dict[str, list[tuple[str, Span]]]
    size: int
    version: Any
    asked_at: float
    used_at: float

    def find(self, ref: str, content: str) -> Span | None:
        """The document of that content, the last one when there are several."""
        return next((span for hash, span in reversed(self.documents.get(ref, [])) if hash == content), None)


class Sources:
    """Looks up positions; bounded in memory, safe to be used by concurrent runs."""

    def __init__(self, reader: UrlReader) -> None:
        self._reader = reader
        self._files: OrderedDict[str, SourceFile] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._finding: set[asyncio.Task[Span | None]] = set()

    async def locate(self, entity: Entity, location: LocationRef, errors: Sequence[Exception]) -> None:
        """Set `position` of the errors about an entity (as it was before processing) that was read at `location`.

        An error without a place is about the whole entity. What cannot be read any more, or was changed since the entity
        was read, leaves the errors as they are.
        """
        open_errors = [error for error in errors if isinstance(error, UnderstageError) and _is_open(error)]
        if not open_errors or _is_generated(entity):
            return
        span = await self._find(entity, location)
        if span is None:
            return
        for error in open_errors:
            path, key = error.place or Place()
            error.position = _position(span, location, Place(tuple(written_path(entity, path)), key))

    async def position(self, entity: Entity, location: LocationRef, place: Place) -> Position | None:
        """Where a part of an entity as written stands in the file that it was read from; None as `locate`."""
        span = None if _is_generated(entity) else await self._find(entity, location)
        return None if span is None else _position(span, location, place)

    def remember(self, location: LocationRef, content: bytes) -> None:
        """Take this for the content of a place that cannot be read twice, standard input for example."""
        self._keep(str(location), _index(content, str(location), _FOREVER))

    async def _find(self, entity: Entity, location: LocationRef) -> Span | None:
        # Whoever waits may be broken off; the next one must not read the file again.
        task = asyncio.create_task(self._find_alone(entity, location))
        self._finding.add(task)
        task.add_done_callback(self._finding.discard)
        return await asyncio.shield(task)

    async def _find_alone(self, entity: Entity, location: LocationRef) -> Span | None:
        key, ref, content = str(location), entity_ref(entity), _content_hash(entity)
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            try:
                file = await self._current(key, location, lambda file: file.find(ref, content) is not None)
            except Exception as error:
                # Whatever a reader raises: the errors themselves matter more than where they stand.
                log.debug("the file of an error cannot be read again", location=key, error=str(error))
                file = self._files.get(key)
                if file is None:
                    file = self._keep(key, SourceFile({}, 0, None, monotonic(), monotonic()))
                file.asked_at = monotonic()
        if file is None:
            return None
        file.used_at = monotonic()
        # Another run may have dropped it meanwhile.
        if key in self._files:
            self._files.move_to_end(key)
        return file.find(ref, content)

    async def _current(
        self, key: str, location: LocationRef, is_wanted: Callable[[SourceFile], bool]
    ) -> SourceFile | None:
        known = self._files.get(key)
        if known is not None and known.version is _FOREVER:
            return known
        if location.type not in ("file", "url") or (known is None and not self._has_room()):
            return None
        if location.type == "file":
            return await self._current_file(key, Path(location.target), known)
        age = FRESH_SECONDS if known is None else monotonic() - known.asked_at
        if known is not None and (age < AGAIN_SECONDS or (age < FRESH_SECONDS and is_wanted(known))):
            return known
        found = await self._reader.search(location.target, etag=known.version if known else None)
        if found.not_modified and known is not None:
            known.asked_at = monotonic()
            return known
        if len(found.files) != 1:
            raise InputError(f"{location} gives {len(found.files)} files")
        return self._keep(key, await asyncio.to_thread(_index, found.files[0].content, key, found.etag))

    async def _current_file(self, key: str, path: Path, known: SourceFile | None) -> SourceFile:
        status = await asyncio.to_thread(path.stat)
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
        if known is not None and known.version == version:
            return known
        return self._keep(key, await asyncio.to_thread(lambda: _index(path.read_bytes(), key, version)))

    def _keep(self, key: str, file: SourceFile) -> SourceFile:
        self._files[key] = file
        self._files.move_to_end(key)
        self._forget()
        return file

    def _has_room(self) -> bool:
        self._forget()
        return self._kept_bytes() < MOST_BYTES

    def _kept_bytes(self) -> int:
        return sum(file.size for file in self._files.values())

    def _forget(self) -> None:
        """Drop the files that were not looked at for the longest time."""
        recent = monotonic() - AGAIN_SECONDS
        while self._files and (len(self._files) > MOST_FILES or self._kept_bytes() > KEPT_BYTES):
            oldest, file = next(iter(self._files.items()))
            if file.version is _FOREVER or (file.used_at > recent and len(self._files) <= MOST_FILES):
                return
            del self._files[oldest]


def _position(span: Span, location: LocationRef, place: Place) -> Position:
    line, column = span.find(place.path, key=place.key)
    return Position(str(location), line, column, span.line(line, column))


def _index(content: bytes, file: str, version: Any) -> SourceFile:
    documents: dict[str, list[tuple[str, Span]]] = {}
    for value, span in _entities(content, file):
        documents.setdefault(entity_ref(value), []).append((_content_hash(value), span))
    return SourceFile(documents, len(content), version, monotonic(), monotonic())


def _entities(content: bytes, file: str) -> Iterator[tuple[Entity, Span]]:
    """The entities of a file; who reads it tells what is wrong with the rest."""
    for document in parse_each(content, file):
        if isinstance(document, SourceError):
            continue
        try:
            annotations_of(check_envelope(document.value))
        except EnvelopeError:
            continue
        yield document.value, document.span


def _content_hash(entity: Entity) -> str:
    """The same for a document and for the entity that was made of it by noting where it was read."""
    annotations = annotations_of(entity)
    written = {key: value for key, value in annotations.items() if key not in _MARKS}
    return stable_hash({**entity, "metadata": {**entity["metadata"], "annotations": written}})


def _is_open(error: UnderstageError) -> bool:
    return error.position is None and not isinstance(error, SourceError)


def _is_generated(entity: Entity) -> bool:
    """A configured or registered location is no part of a file, although its annotation names the file that it leads to."""
    name: str = entity["metadata"]["name"]
    return entity["kind"] == "Location" and name.startswith(GENERATED)


_MARKS = frozenset((ANNOTATION_LOCATION, ANNOTATION_ORIGIN_LOCATION))
_FOREVER = object()
