"""All stages for one entity: from what came in to what it is, what it leads to and what is wrong with it.

Called by the processing rounds, by dry runs of registrations and by validation; it stores nothing. Stages and messages are
those of Backstage catalog-backend 4.0.0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import structlog

from understage.catalog.failure import wrap
from understage.catalog.processing.cache import EntityCache
from understage.catalog.processing.collector import Child, Collector
from understage.catalog.processing.location_stage import LocationStage
from understage.catalog.processing.rules import Rules
from understage.catalog.processing.sources import Sources
from understage.errors import ConflictError, InputError, NotAllowedError, UnderstageError
from understage.model.entity import (
    ANNOTATION_LOCATION,
    ANNOTATION_ORIGIN_LOCATION,
    Entity,
    EnvelopeError,
    check_envelope,
    check_policies,
)
from understage.model.kinds import builtin_kinds
from understage.model.ref import LocationRef, entity_ref
from understage.model.relation import Relation
from understage.sdk.processor import ProcessingContext, Processor

log = structlog.get_logger(__name__)

Offer = Callable[[Sequence[Child]], None]
"""Takes children of a location, those that its rules allow, while the others are still being read."""


@dataclass(slots=True)
class Result:
    """The outcome of one run. `entity` is the completed entity, or None when it did not get as far as being valid."""

    entity: Entity | None
    children: list[Child]
    relations: set[Relation]
    refresh_keys: set[str]
    errors: list[Exception]
    repeated: list[str] = field(default_factory=list)
    """Children that were emitted more than once."""
    superseded: set[tuple[str, str]] = field(default_factory=set)
    """Their references and location keys, those of the last left out."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.errors


class DisallowedKindError(NotAllowedError):
    """A location led to an entity that the rules do not let in; the error is about `child`, which was read at `location`."""

    def __init__(self, child: Child, origin: LocationRef) -> None:
        location = child.entity["metadata"]["annotations"][ANNOTATION_LOCATION]
        super().__init__(
            f"Entity {child.ref} at {location}, originated at {origin}, is not of an allowed kind for that location"
        )
        self.child = child
        self.origin = origin
        self.location = LocationRef.parse(location)
        self.at("kind")


class Orchestrator:
    """Runs entities through the processors, in the order given."""

    def __init__(
        self,
        processors: Sequence[Processor],
        rules: Rules | None,
        locations: LocationStage,
        sources: Sources | None = None,
        *,
        most_children: int,
    ) -> None:
        self._rules = rules
        self._locations = locations
        self._sources = sources
        self._most_children = most_children
        self._before = [item for item in processors if _overrides(item, "pre_process")]
        self._validating = [item for item in processors if _overrides(item, "validate_kind")]
        self._after = [item for item in processors if _overrides(item, "post_process")]

    async def process(
        self, entity: Any, cache: EntityCache, *, with_positions: bool = True, offer: Offer | None = None
    ) -> Result:
        """Run one entity; whatever goes wrong is in the result's errors, each with its position in the entity's file."""
        try:
            ref, location, origin = _check_source(entity)
        except Exception as error:
            return Result(None, [], set(), set(), [error])
        collector = Collector(ref, location, origin, most=self._most_children)
        run = _Run(ref, location, origin, collector, cache)
        completed: Entity | None = None
        try:
            completed = await self._check(entity, run)
            if completed["kind"] == "Location":
                taken = self._passing_on(collector, origin, offer)
                await self._locations.read(completed, location, collector, run.context, taken)
            completed = await self._post_process(completed, run)
            self._check_rules(collector, origin)
        except Exception as error:
            collector.errors.append(error)
            if not isinstance(error, UnderstageError):
                log.exception("a processor failed unexpectedly", entity=ref)
        if collector.errors and self._sources is not None and with_positions:
            try:
                await self._locate(self._sources, entity, location, collector)
            except Exception:
                # What is wrong must reach its owner, even if where it stands cannot be said.
                log.exception("the positions of errors could not be found", entity=ref)
        return Result(
            completed,
            list(collector.children.values()),
            collector.relations,
            collector.refresh_keys,
            collector.errors,
            collector.repeated,
            collector.superseded,
        )

    async def _check(self, entity: Entity, run: "_Run") -> Entity:
        for processor in self._before:
            try:
                entity = await processor.pre_process(entity, run.context(processor))
            except Exception as error:
                raise wrap(f"Processor {_name(processor)} threw an error while preprocessing", error) from error
        try:
            entity = check_policies(entity)
        except UnderstageError as error:
            raise wrap(f"Policy check failed for {run.ref}", error) from error
        if entity_ref(entity) != run.ref:
            raise ConflictError("Fatal: The entity kind, namespace, or name changed during processing")
        recognized = False
        for processor in self._validating:
            try:
                recognized = await processor.validate_kind(entity) or recognized
            except Exception as error:
                raise wrap(
                    f"Processor {_name(processor)} threw an error while validating the entity {run.ref}", error
                ) from error
        if not recognized:
            raise InputError(
                f"No processor recognized the entity {run.ref} as valid, "
                "possibly caused by a foreign kind or apiVersion"
            ).at("apiVersion" if entity["kind"] in builtin_kinds() else "kind")
        return entity

    async def _post_process(self, entity: Entity, run: "_Run") -> Entity:
        for processor in self._after:
            try:
                entity = await processor.post_process(entity, run.context(processor))
            except Exception as error:
                raise wrap(f"Processor {_name(processor)} threw an error while postprocessing", error) from error
        return entity

    def _passing_on(self, collector: Collector, origin: LocationRef, offer: Offer | None) -> Callable[[], None]:
        """What is called after each target of a location: it offers what came in since the one before."""
        offered = 0

        def pass_on() -> None:
            nonlocal offered
            if offer is not None:
                new = islice(collector.children.values(), offered, None)
                offered = len(collector.children)
                offer([child for child in new if self._allows(child, origin)])

        return pass_on

    def _allows(self, child: Child, origin: LocationRef) -> bool:
        return self._rules is None or self._rules.allow(child.entity, origin)

    def _check_rules(self, collector: Collector, origin: LocationRef) -> None:
        children = collector.children.values()
        refused = [DisallowedKindError(child, origin) for child in children if not self._allows(child, origin)]
        if refused:
            refused[0].also = refused[1:]
            raise refused[0]

    async def _locate(self, sources: Sources, entity: Entity, location: LocationRef, collector: Collector) -> None:
        own = [error for error in collector.errors if not isinstance(error, DisallowedKindError)]
        await sources.locate(entity, location, own)
        for error in collector.errors:
            if isinstance(error, DisallowedKindError):
                await sources.locate(error.child.entity, error.location, [error])


class _Run:
    """One entity's run: the contexts of its processors."""

    def __init__(
        self, ref: str, location: LocationRef, origin: LocationRef, collector: Collector, cache: EntityCache
    ) -> None:
        self.ref = ref
        self._location = location
        self._origin = origin
        self._collector = collector
        self._cache = cache
        self._contexts: dict[Processor, ProcessingContext] = {}

    def context(self, processor: Processor) -> ProcessingContext:
        context = self._contexts.get(processor)
        if context is None:
            cache = self._cache.of(processor.registered_name())
            context = ProcessingContext(self._location, self._origin, self._collector, cache)
            self._contexts[processor] = context
        return context


def _check_source(entity: Any) -> tuple[str, LocationRef, LocationRef]:
    try:
        check_envelope(entity)
    except EnvelopeError as error:
        raise wrap("Entity envelope failed validation before processing", error) from error
    ref = entity_ref(entity)
    annotations = entity["metadata"].get("annotations")
    places = []
    for name in (ANNOTATION_LOCATION, ANNOTATION_ORIGIN_LOCATION):
        value = annotations.get(name) if isinstance(annotations, dict) else None
        if value is None:
            raise InputError(f"Entity '{ref}' does not have the annotation {name}")
        if not isinstance(value, str):
            raise InputError(f"Entity '{ref}' has a value that is no text in the annotation {name}")
        places.append(LocationRef.parse(value))
    return ref, places[0], places[1]


def _overrides(processor: Processor, stage: str) -> bool:
    return getattr(type(processor), stage) is not getattr(Processor, stage)


def _name(processor: Processor) -> str:
    return type(processor).__name__
