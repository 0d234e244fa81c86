"""The walk: every entity that some locations lead to, run by the orchestrator as the ingestion would."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from understage.catalog.location_entity import make_location_entity
from understage.catalog.processing.cache import EntityCache
from understage.catalog.processing.collector import Child
from understage.catalog.processing.orchestrator import Orchestrator, Result
from understage.catalog.processing.sources import Sources
from understage.errors import InputError
from understage.model.entity import ANNOTATION_LOCATION, ANNOTATION_ORIGIN_LOCATION, Entity
from understage.model.ref import LocationRef, entity_ref

CONCURRENCY = 20
MOST_ENTITIES = 100_000

Key = tuple[str, str]
"""Reference and location: a name may stand in several files."""


@dataclass(frozen=True)
class Root:
    """A file or URL to be validated; `origin` is the location that the rules look at, the root itself unless configured."""

    location: LocationRef
    origin: LocationRef


@dataclass
class Checked:
    """One entity as it was read, and its result. `is_reached` is false below a location that the ingestion stops at."""

    entity: Entity
    location: LocationRef
    result: Result
    is_reached: bool = False

    @property
    def ref(self) -> str:
        """Its reference."""
        return entity_ref(self.entity)

    @property
    def children(self) -> list[Key]:
        """What it leads to."""
        return [_key(child) for child in self.result.children]


@dataclass
class Walk:
    """`checked` has everything, level by level, after `run`, which may be called once."""

    orchestrator: Orchestrator
    sources: Sources
    checked: list[Checked] = field(default_factory=list)

    async def run(self, roots: Sequence[Root]) -> None:
        """Process all that the roots lead to. Raises InputError beyond 100 000 entities."""
        level = [(_root_entity(root), root.location) for root in roots]
        known: dict[Key, Checked] = {}
        while level:
            if len(self.checked) + len(level) > MOST_ENTITIES:
                raise InputError(f"the files lead to more than {MOST_ENTITIES} entities")
            results = await self._process([entity for entity, _ in level])
            done = [
                Checked(entity, location, result) for (entity, location), result in zip(level, results, strict=True)
            ]
            self.checked += done
            known |= {(checked.ref, str(checked.location)): checked for checked in done}
            found = {_key(child): child for checked in done for child in checked.result.children}
            level = [(child.entity, location_of(child)) for key, child in found.items() if key not in known]
        _mark_reached(self.checked[: len(roots)], known)

    async def _process(self, entities: Sequence[Entity]) -> list[Result]:
        results: list[Result] = []
        for start in range(0, len(entities), CONCURRENCY):
            some = entities[start : start + CONCURRENCY]
            results += await asyncio.gather(*(self.orchestrator.process(entity, EntityCache(None)) for entity in some))
        return results


def location_of(child: Child) -> LocationRef:
    """Where an emitted entity was read."""
    return LocationRef.parse(child.entity["metadata"]["annotations"][ANNOTATION_LOCATION])


def _key(child: Child) -> Key:
    return child.ref, str(location_of(child))


def _root_entity(root: Root) -> Entity:
    marks = {ANNOTATION_LOCATION: str(root.location), ANNOTATION_ORIGIN_LOCATION: str(root.origin)}
    return make_location_entity(root.location, annotations=marks)


def _mark_reached(roots: Sequence[Checked], known: dict[Key, Checked]) -> None:
    """What the ingestion gets to see: a location with an error leads nowhere, until it is mended."""
    waiting = list(roots)
    while waiting:
        checked = waiting.pop()
        if not checked.is_reached:
            checked.is_reached = True
            if checked.result.ok:
                waiting += [known[key] for key in checked.children]
