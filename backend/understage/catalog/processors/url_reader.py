"""Reads locations of type `url`, by the integration of the host; what did not change is not read again."""

from typing import Any

from understage.catalog.failure import error_message
from understage.catalog.processors.entity_file import read_entities
from understage.errors import NotFoundError, UnderstageError
from understage.model.ref import LocationRef
from understage.sdk.processor import ProcessingContext, Processor
from understage.sdk.reader import SearchResult

LONGEST_MESSAGE = 5000


class UrlReaderProcessor(Processor):
    """Emits the entities of files behind URLs; the target may be a glob where the host's integration knows how."""

    name = "url-reader"

    async def read_location(self, location: LocationRef, *, optional: bool, context: ProcessingContext) -> bool:
        """Read all files that the target matches."""
        if location.type != "url":
            return False
        target = location.target
        cached = context.cache.get(target)
        context.emit.refresh_key(f"url:{target}")
        try:
            found = await self.setup.reader.search(target, etag=cached["etag"] if cached else None)
        except NotFoundError as error:
            if not optional:
                context.emit.error(NotFoundError(_unable(error)))
            return True
        except Exception as error:
            context.emit.error(UnderstageError(_unable(error)))
            return True
        if found.not_modified and cached:
            for place, entity in cached["entities"]:
                context.emit.entity(entity, LocationRef("url", place))
            context.cache.set(target, cached)
        elif found.files:
            await self._emit_files(target, found, context)
        elif not optional:
            context.emit.error(NotFoundError(f"Unable to read url, no matching files found for {target}"))
        return True

    async def _emit_files(self, target: str, found: SearchResult, context: ProcessingContext) -> None:
        entities: list[tuple[str, Any]] = []
        complete = True
        for file in found.files:
            read = await read_entities(file.content, LocationRef("url", file.url), context.emit, self.setup.parse)
            complete = complete and bool(read)
            entities.extend((file.url, entity) for entity in read)
        if found.etag and complete:
            context.cache.set(target, {"etag": found.etag, "entities": entities})


def _unable(error: Exception) -> str:
    return f"Unable to read url, {error_message(error)}"[:LONGEST_MESSAGE]
