"""A processor: what happens to an entity between its file and the catalog.

    class TierProcessor(Processor):
        '''Marks components of team "core" as critical.'''

        async def pre_process(self, entity: Entity, context: ProcessingContext) -> Entity:
            if entity["kind"] == "Component" and entity.get("spec", {}).get("owner") == "core":
                labels = {**entity["metadata"].get("labels", {}), "tier": "critical"}
                return {**entity, "metadata": {**entity["metadata"], "labels": labels}}
            return entity

The entry point group `understage.processors` names the class; built-in processors register the same way. Per entity, all
processors run stage by stage: `pre_process`, rules for every kind, `validate_kind` (one must say yes), for Location
entities `read_location` (the first that says yes), `post_process`. Processors of one class are shared by concurrent runs:
keep state in `context.cache` only. Entities are plain JSON; return a changed copy, never change the argument.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from understage.errors import SourceError
from understage.model.entity import Entity
from understage.model.ref import LocationRef
from understage.model.yaml import Document, parse_each
from understage.sdk.reader import UrlReader

DEFAULT_PRIORITY = 20.0


ParseDocuments = Callable[[bytes, str], Awaitable[list[Document | SourceError]]]
"""Reads the documents of a text from the file that is named, an error in place of each that is broken."""


async def parse_in_thread(content: bytes, file: str) -> list[Document | SourceError]:
    """In this process, while it goes on."""
    return await asyncio.to_thread(parse_each, content, file)


@dataclass(frozen=True)
class ProcessorSetup:
    """What a processor gets when it is made: the URL reader, the merged app-config as plain data, and who parses long texts."""

    reader: UrlReader
    config: Mapping[str, Any] = field(default_factory=dict)
    parse: ParseDocuments = parse_in_thread


class Emit(Protocol):
    """Takes what a processor finds out besides the entity itself."""

    def entity(self, entity: Any, location: LocationRef, *, location_key: str | None = None) -> None:
        """A child entity, read at `location`; its annotations are set by the catalog.

        `location_key` says who owns the name (default: the location). What is no entity becomes an error of the parent.
        """

    def location(self, location: LocationRef, *, optional: bool = False) -> None:
        """A child Location entity that reads another place."""

    def relation(self, source: str, type: str, target: str) -> None:
        """A relation between two references in full form (`kind:namespace/name`, lower case)."""

    def refresh_key(self, key: str) -> None:
        """What the entity was made of, e.g. `url:https://…`: events about that process it anew."""

    def error(self, error: Exception) -> None:
        """Something is wrong: it is shown in the entity's status, and what was stored before stays."""


class Cache(Protocol):
    """JSON values that a processor keeps for one entity from round to round; forgotten after five failed rounds."""

    def get(self, key: str) -> Any:
        """The value of the last round that set one, else None."""

    def set(self, key: str, value: Any) -> None:
        """Keep a JSON value; a round that sets anything drops what the rounds before kept."""


class ProcessingContext(NamedTuple):
    """One entity's run: where it was read, where its ancestors began, and what may be emitted and kept."""

    location: LocationRef
    origin: LocationRef
    emit: Emit
    cache: Cache


class Processor:
    """Base of all processors: every stage does nothing. Override the stages you need.

    `name` (default: the class name) is the key under `catalog.processorOptions`; lower `priority` runs earlier. One that is
    not `on_by_default` runs only when that key is there.

    A stage may be called for the same entity again at any time. For one that is new it may be cancelled where it first waits for
    something, and called again soon after: what it did until then must not matter.
    """

    name: str = ""
    priority: float = DEFAULT_PRIORITY
    on_by_default: bool = True

    def __init__(self, setup: ProcessorSetup) -> None:
        self.setup = setup

    async def pre_process(self, entity: Entity, context: ProcessingContext) -> Entity:
        """Change the entity before it is checked. It has an envelope, nothing more is known."""
        return entity

    async def validate_kind(self, entity: Entity) -> bool:
        """True: I know this kind and it is valid. False: not my kind. Raises for an entity of my kind that is invalid."""
        return False

    async def read_location(self, location: LocationRef, *, optional: bool, context: ProcessingContext) -> bool:
        """Read a place and emit what is there; False when such places are not mine."""
        return False

    async def post_process(self, entity: Entity, context: ProcessingContext) -> Entity:
        """See (or change) the valid entity; the stage that emits relations."""
        return entity

    @classmethod
    def registered_name(cls) -> str:
        """The name in the configuration."""
        return cls.name or cls.__name__
