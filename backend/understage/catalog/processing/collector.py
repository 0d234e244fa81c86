"""Collects what processors emit for one entity; implements `sdk.processor.Emit`."""

from dataclasses import dataclass
from typing import Any

import structlog

from understage.catalog.location_entity import make_location_entity
from understage.errors import InputError
from understage.model.entity import (
    ANNOTATION_LOCATION,
    ANNOTATION_ORIGIN_LOCATION,
    Entity,
    EnvelopeError,
    annotations_of,
    check_envelope,
)
from understage.model.ref import LocationRef, entity_ref
from understage.model.relation import Relation

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Child:
    """An emitted entity, annotated, and who owns its name."""

    ref: str
    entity: Entity
    location_key: str


class Collector:
    """What one entity's processors emitted so far.

    `children` is by reference: a repeated one replaces the first, whose reference and location key go to `superseded`.
    """

    def __init__(self, ref: str, location: LocationRef, origin: LocationRef, *, most: int) -> None:
        self.children: dict[str, Child] = {}
        self.repeated: list[str] = []
        self.superseded: set[tuple[str, str]] = set()
        self.relations: set[Relation] = set()
        self.refresh_keys: set[str] = set()
        self.errors: list[Exception] = []
        self._ref = ref
        self._location = str(location)
        self._origin = str(origin)
        self._most = most

    def entity(self, entity: Any, location: LocationRef, *, location_key: str | None = None) -> None:
        """See `Emit`."""
        try:
            check_envelope(entity)
            annotations = annotations_of(entity)
        except EnvelopeError as error:
            self.errors.append(error)
            return
        ref = entity_ref(entity)
        if ref == self._ref:
            log.warning("an entity emitted itself, ignored", entity=ref, location=str(location))
            return
        if ref in self.children:
            self.repeated.append(ref)
            self.superseded.add((ref, self.children[ref].location_key))
            log.warning("a name stands twice in one place, the last one counts", entity=ref, location=str(location))
        managed_by = str(location)
        marks = {ANNOTATION_ORIGIN_LOCATION: self._origin, ANNOTATION_LOCATION: managed_by}
        metadata = {**entity["metadata"], "annotations": {**annotations, **marks}}
        self._add(Child(ref, {**entity, "metadata": metadata}, location_key or managed_by))

    def location(self, location: LocationRef, *, optional: bool = False) -> None:
        """See `Emit`."""
        marks = {ANNOTATION_LOCATION: self._location, ANNOTATION_ORIGIN_LOCATION: self._origin}
        entity = make_location_entity(location, annotations=marks, optional=optional)
        ref = entity_ref(entity)
        if ref != self._ref:
            self._add(Child(ref, entity, self._location))

    def _add(self, child: Child) -> None:
        self.children[child.ref] = child
        if len(self.children) > self._most:
            # Whoever emits them must not go on.
            raise InputError(f"{self._ref} leads to more than {self._most} entities; catalog.mostChildren is the limit")

    def relation(self, source: str, type: str, target: str) -> None:
        """See `Emit`."""
        self.relations.add(Relation(source, type, target))

    def refresh_key(self, key: str) -> None:
        """See `Emit`."""
        self.refresh_keys.add(key)

    def error(self, error: Exception) -> None:
        """See `Emit`."""
        self.errors.append(error)
