"""What the processing of a walk's entities found wrong, and what would come to light after it; names that stand twice."""

from collections.abc import Iterator, Sequence
from typing import Any

from understage.catalog.processing.orchestrator import DisallowedKindError
from understage.catalog.validation.finding import Finding, Origin
from understage.catalog.validation.walk import Checked, Walk, location_of
from understage.errors import InputError, Place, UnderstageError
from understage.model.entity import Entity, PolicyError
from understage.model.kinds import KindError, check_kind, references_of, sort_references
from understage.model.ref import IncompleteRefError, RefSyntaxError

NAME = Place(("metadata", "name"))


async def find_problems(walk: Walk) -> list[Finding]:
    """All of it, entity by entity."""
    findings: list[Finding] = []
    for checked in walk.checked:
        findings += await _find_errors(walk, checked)
        findings += await _find_repeated(walk, checked)
    return findings + await _find_taken_names(walk)


async def _find_errors(walk: Walk, checked: Checked) -> list[Finding]:
    findings = []
    for error in checked.result.errors:
        findings.append(_finding(error, checked, "ingestion" if checked.is_reached else "further"))
        for other in _further(error, checked.entity):
            if isinstance(other, DisallowedKindError):
                await walk.sources.locate(other.child.entity, other.location, [other])
            else:
                await walk.sources.locate(checked.entity, checked.location, [other])
            findings.append(_finding(other, checked, "further"))
    return findings


def _finding(error: Exception, checked: Checked, origin: Origin) -> Finding:
    entity = error.child.ref if isinstance(error, DisallowedKindError) else checked.ref
    return Finding.of_error(error, entity, origin, str(checked.location))


async def _find_repeated(walk: Walk, checked: Checked) -> list[Finding]:
    children = {child.ref: child for child in checked.result.children}
    findings = []
    for ref in dict.fromkeys(checked.result.repeated):
        location = location_of(children[ref])
        position = await walk.sources.position(children[ref].entity, location, NAME)
        message = f"{ref} stands twice in this place; the catalog keeps the last one only, rename or remove the other"
        findings.append(Finding.of_check("duplicate-name", "warning", message, ref, position, str(location)))
    return findings


async def _find_taken_names(walk: Walk) -> list[Finding]:
    """The ingestion lets the first location that it reads keep the name, which may be another one each time."""
    owners: dict[str, Checked] = {}
    findings = []
    for checked in walk.checked:
        owner = owners.setdefault(checked.ref, checked)
        if owner.location == checked.location:
            continue
        position = await walk.sources.position(checked.entity, checked.location, NAME)
        other = await walk.sources.position(owner.entity, owner.location, NAME)
        message = f"{checked.ref} stands at {other or owner.location}, too; only one of the two can be in the catalog"
        findings.append(
            Finding.of_check("duplicate-name", "warning", message, checked.ref, position, str(checked.location))
        )
    return findings


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
