"""The hash of all that processing put out: the same as last time means that nothing is written."""

from collections.abc import Iterable, Mapping, Sequence

from understage.catalog.processing.orchestrator import Result
from understage.catalog.store.references import Reference
from understage.catalog.store.write_states import UnprocessedEntity
from understage.model.hash import stable_hash

ForeignParents = Sequence[tuple[str, tuple[str, ...]]]
"""Children that are not (only) under the entity itself, with whose they are; so that what was lost is emitted again."""


def digest_result(result: Result, errors: Sequence[object], children: Iterable[UnprocessedEntity]) -> str:
    """The hash of one result; the entity, children, relations and keys count only when all went well."""
    if not result.ok:
        return stable_hash(["failed", errors])
    return stable_hash(
        [
            result.entity,
            sorted([(child.entity_ref, child.location_key or "", child.hash) for child in children]),
            [tuple(relation) for relation in sorted(result.relations)],
            sorted(result.refresh_keys),
            *([sorted(result.superseded)] if result.superseded else ()),
        ]
    )


def add_parents(digest: str, foreign: ForeignParents) -> str:
    """The result hash: that of the result itself, and of whose its children are."""
    return stable_hash([digest, foreign]) if foreign else digest


def group_parents(edges: Iterable[Reference]) -> dict[str, list[str]]:
    """Who emits each target: references of parents, and keys of providers behind a `/`, which no reference begins with."""
    parents: dict[str, list[str]] = {}
    for edge in edges:
        parents.setdefault(edge.target, []).append(edge.source_ref or f"/{edge.source_key}")
    return parents


def foreign_parents(ref: str, children: Iterable[str], parents: Mapping[str, Sequence[str]]) -> ForeignParents:
    """The part of the hash about the children of `ref` that others hold, or nobody."""
    return [(child, tuple(sorted(parents.get(child, ())))) for child in sorted(children) if parents.get(child) != [ref]]
