"""Notes on each entity where it was read, where a person sees it, edits it, and where its sources are."""

import re
from functools import lru_cache

from understage.errors import UnderstageError
from understage.model.entity import (
    ANNOTATION_EDIT_URL,
    ANNOTATION_LOCATION,
    ANNOTATION_ORIGIN_LOCATION,
    ANNOTATION_SOURCE_LOCATION,
    ANNOTATION_VIEW_URL,
    Entity,
)
from understage.model.ref import LocationRef
from understage.sdk.processor import ProcessingContext, Processor, ProcessorSetup

_COMMIT = re.compile(r"\b[0-9a-f]{40,}\b")
# One file may hold thousands of entities.
REMEMBERED = 256


class AnnotateLocationEntityProcessor(Processor):
    """Adds the location annotations; those that the entity has already win."""

    def __init__(self, setup: ProcessorSetup) -> None:
        super().__init__(setup)
        self._links = lru_cache(maxsize=REMEMBERED)(self._find_links)

    async def pre_process(self, entity: Entity, context: ProcessingContext) -> Entity:
        """Add what is missing."""
        marks = {
            ANNOTATION_LOCATION: str(context.location),
            ANNOTATION_ORIGIN_LOCATION: str(context.origin),
            **self._links(context.location),
        }
        annotations = entity["metadata"].get("annotations") or {}
        if not isinstance(annotations, dict) or marks.keys() <= annotations.keys():
            return entity
        return {**entity, "metadata": {**entity["metadata"], "annotations": {**marks, **annotations}}}

    def _find_links(self, location: LocationRef) -> dict[str, str]:
        if location.type != "url":
            return {}
        links = {ANNOTATION_VIEW_URL: location.target}
        edit_url = self.setup.reader.edit_url(location.target)
        if edit_url is None:
            return links
        # Nobody edits a commit.
        if not _COMMIT.search(location.target):
            links[ANNOTATION_EDIT_URL] = edit_url
        try:
            links[ANNOTATION_SOURCE_LOCATION] = "url:" + self.setup.reader.resolve_url("./", location.target)
        except (UnderstageError, ValueError):
            return links
        return links
