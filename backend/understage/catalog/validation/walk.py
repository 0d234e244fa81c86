"""The walk: every entity that some locations lead to, run by the orchestrator as the ingestion would."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from understage.catalog.location_entity import make_location_entity
from understage.catalog.processing.cache import EntityCache
from understage.catalog.processing.collector import Child
from understage.catalog.processing.orchestrator import DisallowedKindError, Orchestrator, Result
from understage.catalog.processing.sources import Sources
from understage.catalog.validation.finding import Finding, Origin
from understage.errors import InputError, Place, UnderstageError
from understage.model.entity import (
    ANNOTATION_LOCATION,
    ANNOTATION_ORIGIN_LOCATION,
    Entity,
    PolicyError,
)
from understage.model.kinds import KindError, check_kind, references_of, sort_references
from understage.model.ref import IncompleteRefError, LocationRef, RefSyntaxError, entity_ref

CONCURRENCY = 20
MOST_ENTITIES = 100_000


@dataclass(frozen=True)
class Root:
    """A file or URL to be validated; `origin` is the location that the rules look at, the root itself unless configured."""

    location: LocationRef
    origin: LocationRef


@dataclass(frozen=True)
class Checked:
    """One entity as it was read, and its result. `is_reached` is false below a location that the ingestion stops at."""

    entity: Entity
    location: LocationRef
    result: Result
    is_reached: bool

    @property
    def ref(self) -> str:
        """Its reference."""
        return entity_ref(self.entity)


@dataclass
class Walk:
    """Collects entities and findings; `run` may be called once."""

    orchestrator: Orchestrator
    sources: Sources
    checked: list[Checked] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    async def run(self, roots: Sequence[Root]) -> None:
        """Process all that the roots lead to. Raises InputError beyond 100 000 entities."""
        level = [(_root_entity(root), root.location, True) for root in roots]
        seen: set[tuple[str, str]] = set()
        while level:
            if len(self.checked) + len(level) > MOST_ENTITIES:
                raise InputError(f"the files lead to more than {MOST_ENTITIES} entities")
            results = await self._process([entity for entity, _, _ in level])
            processed, level = zip(level, results, strict=True), []
            for (entity, location, is_reached), result in processed:
                checked = Checked(entity, location, result, is_reached)
                self.checked.append(checked)
                await self._note_errors(checked)
                await self._note_repeated(checked)
                for child in result.children:
                    if (child.ref, child.location_key) not in seen:
                        seen.add((child.ref, child.location_key))
                        level.append((child.entity, _location_of(child), is_reached and result.ok))
        await self._note_taken_names()

    async def _process(self, entities: Sequence[Entity]) -> list[Result]:
        results: list[Result] = []
        for start in range(0, len(entities), CONCURRENCY):
            some = entities[start : start + CONCURRENCY]
            results += await asyncio.gather(*(self.orchestrator.process(entity, EntityCache(None)) for entity in some))
        return results

    async def _note_errors(self, checked: Checked) -> None:
        first: Origin = "ingestion" if checked.is_reached else "further"
        for error in checked.result.errors:
            self._note(error, checked, first)
            further = list(_further(error, checked.entity))
            for other in further:
                if isinstance(other, DisallowedKindError):
                    await self.sources.locate(other.child.entity, other.location, [other])
            own = [other for other in further if not isinstance(other, DisallowedKindError)]
            await self.sources.locate(checked.entity, checked.location, own)
            for other in further:
                self._note(other, checked, "further")

    def _note(self, error: Exception, checked: Checked, origin: Origin) -> None:
        entity = error.child.ref if isinstance(error, DisallowedKindError) else checked.ref
        self.findings.append(Finding.of_error(error, entity, origin, str(checked.location)))

    async def _note_repeated(self, checked: Checked) -> None:
        children = {child.ref: child for child in checked.result.children}
        for ref in dict.fromkeys(checked.result.repeated):
            child = children[ref]
            location = _location_of(child)
            position = await self.sources.position(child.entity, location, Place(("metadata", "name")))
            message = (
                f"{ref} stands twice in this place; the catalog keeps the last one only, rename or remove the other"
            )
            self.findings.append(Finding.of_check("duplicate-name", "warning", message, ref, position, str(location)))

    async def _note_taken_names(self) -> None:
        """The ingestion lets the first location that it reads keep the name, which may be another one each time."""
        owners: dict[str, Checked] = {}
        for checked in self.checked:
            owner = owners.setdefault(checked.ref, checked)
            if owner.location == checked.location:
                continue
            position = await self.sources.position(checked.entity, checked.location, Place(("metadata", "name")))
            other = await self.sources.position(owner.entity, owner.location, Place(("metadata", "name")))
            message = (
                f"{checked.ref} stands at {other or owner.location}, too; only one of the two can be in the catalog"
            )
            self.findings.append(
                Finding.of_check("duplicate-name", "warning", message, checked.ref, position, str(checked.location))
            )


def _root_entity(root: Root) -> Entity:
    marks = {ANNOTATION_LOCATION: str(root.location), ANNOTATION_ORIGIN_LOCATION: str(root.origin)}
    return make_location_entity(root.location, annotations=marks)


def _location_of(child: Child) -> LocationRef:
    return LocationRef.parse(child.entity["metadata"]["annotations"][ANNOTATION_LOCATION])


def _further(error: Exception, entity: Entity) -> Iterator[UnderstageError]:
    """What the ingestion would say next, were the error mended."""
    cause = error.__cause__ or error
    if not isinstance(cause, UnderstageError):
        return
    yield from cause.also
    ordered = sort_references(entity)
    if isinstance(cause, PolicyError):
        yield from _broken_schema(ordered)
    if isinstance(cause, (PolicyError, KindError, RefSyntaxError, IncompleteRefError)):
        broken = [found for _, found in references_of(ordered) if isinstance(found, InputError)]
        yield from (found for found in broken if found.place != cause.place)


def _broken_schema(entity: Entity) -> Iterator[UnderstageError]:
    try:
        check_kind(entity)
    except KindError as error:
        for broken in (error, *error.also):
            if broken.place is None or not _is_placeholder(entity, broken.place.path):
                yield broken


def _is_placeholder(value: Any, path: Sequence[str | int]) -> bool:
    """Whether something else will come to stand at the path, or above it."""
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return False
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith("$"):
            return True
    return False
