"""Processing without storing: dry runs of registrations, and validation of single entities. Called by `catalog.ingestion`."""

import asyncio
from typing import Any

from understage.catalog.failure import SerializedError, error_message, error_name, serialize_error
from understage.catalog.location_entity import make_location_entity
from understage.catalog.processing.cache import EntityCache
from understage.catalog.processing.orchestrator import Orchestrator
from understage.errors import InputError
from understage.model.entity import (
    ANNOTATION_LOCATION,
    ANNOTATION_ORIGIN_LOCATION,
    Entity,
    EnvelopeError,
    check_envelope,
)
from understage.model.ref import LocationRef, RefSyntaxError, entity_ref

CONCURRENCY = 20
MOST_ENTITIES = 20_000


async def process_location(orchestrator: Orchestrator, location: LocationRef) -> list[Entity]:
    """The Location entity and all that it leads to, as processed; nothing is stored.

    Raises InputError with all that is wrong on the first level that has errors, for a name that stands twice, and for
    more than 20 000 entities.
    """
    found: dict[str, Entity] = {}
    level: list[Entity] = [make_location_entity(location)]
    while level:
        if len(found) + len(level) > MOST_ENTITIES:
            raise InputError(f"{location} leads to more than {MOST_ENTITIES} entities")
        children: list[Entity] = []
        for start in range(0, len(level), CONCURRENCY):
            some = level[start : start + CONCURRENCY]
            results = await asyncio.gather(
                *(orchestrator.process(entity, EntityCache(None), with_positions=False) for entity in some)
            )
            errors = [error for result in results for error in result.errors]
            if errors:
                raise InputError(", ".join(f"{error_name(error)}: {error_message(error)}" for error in errors))
            for result in results:
                if result.repeated:
                    raise InputError(f"Duplicate nested entity: {result.repeated[0]}")
                assert result.entity is not None
                ref = entity_ref(result.entity)
                if ref in found:
                    raise InputError(f"Duplicate nested entity: {ref}")
                found[ref] = result.entity
                children.extend(child.entity for child in result.children)
        level = children
    return list(found.values())


async def check_entity(orchestrator: Orchestrator, entity: Any, location_text: str) -> list[SerializedError]:
    """What is wrong with an entity, as if it were read from the location; nothing means valid."""
    try:
        check_envelope(entity)
        location = LocationRef.parse(location_text)
        if location.type != "url":
            raise RefSyntaxError(
                f"Invalid location ref {location_text}, only 'url:<target>' is supported, e.g. url:https://host/path"
            )
    except (EnvelopeError, RefSyntaxError) as error:
        return [serialize_error(error)]
    marks = {ANNOTATION_LOCATION: str(location), ANNOTATION_ORIGIN_LOCATION: str(location)}
    metadata = entity["metadata"]
    annotations = metadata.get("annotations")
    if annotations is None or isinstance(annotations, dict):
        metadata = {**metadata, "annotations": {**marks, **(annotations or {})}}
    # The location is where a file may come to stand: nothing is read there.
    result = await orchestrator.process({**entity, "metadata": metadata}, EntityCache(None), with_positions=False)
    return [serialize_error(error) for error in result.errors]
