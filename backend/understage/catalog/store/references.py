"""Who emits which entity: select, insert, delete references."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, delete_ids, insert_rows, listed, slices

DEEPEST = 64


class Reference(NamedTuple):
    """One edge: from a provider (`source_key`) or a parent (`source_ref`) to the entity `target`."""

    id: int
    source_key: str | None
    source_ref: str | None
    target: str


class NewReference(NamedTuple):
    """An edge to be inserted; one of the sources is None."""

    source_key: str | None
    source_ref: str | None
    target: str


_COLUMNS = "id, source_key, source_entity_ref, target_entity_ref"


async def select_references(
    connection: AsyncConnection,
    *,
    targets: Sequence[str] = (),
    source_refs: Sequence[str] = (),
    source_key: str | None = None,
) -> list[Reference]:
    """The edges to any of `targets`, or from any of `source_refs`, or from the provider; each once."""
    parts: list[tuple[str, dict[str, str]]] = []
    sources = {"sources": listed(connection, source_refs)} if source_refs else {}
    from_sources = f"source_entity_ref {among(connection, 'sources')}"
    if source_refs:
        parts.append((from_sources, sources))
    for some in slices(targets):
        condition = f"target_entity_ref {among(connection, 'targets')}"
        if source_refs:
            # Mostly they are the same edges: no row is to come twice.
            condition += f" AND coalesce(NOT {from_sources}, true)"
        parts.append((condition, {"targets": listed(connection, some), **sources}))
    if source_key is not None:
        parts.append(("source_key = :key", {"key": source_key}))
    found: dict[int, Reference] = {}
    for condition, parameters in parts:
        statement = f"SELECT {_COLUMNS} FROM refresh_state_references WHERE {condition}"
        for row in await connection.execute(text(statement), parameters):
            found[row[0]] = Reference(*row)
    return list(found.values())


async def select_source_keys(connection: AsyncConnection) -> list[str]:
    """The providers that any entity comes from."""
    statement = "SELECT DISTINCT source_key FROM refresh_state_references WHERE source_key IS NOT NULL"
    return [row.source_key for row in await connection.execute(text(statement))]


async def insert_references(connection: AsyncConnection, edges: Sequence[NewReference]) -> None:
    """Insert edges; edges from or to entities that are gone must not be among them."""
    types = {"source_key": "text", "source_entity_ref": "text", "target_entity_ref": "text"}
    await insert_rows(connection, "refresh_state_references", types, edges)


async def delete_references(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Delete edges by id."""
    await delete_ids(connection, "refresh_state_references", "id", ids)


async def select_ancestors(connection: AsyncConnection, refs: Sequence[str]) -> dict[str, set[str]]:
    """All ancestors of each of `refs`, level by level up to 64 levels."""
    parents: dict[str, set[str]] = {}
    level = set(refs)
    for _ in range(DEEPEST):
        found: set[str] = set()
        for edge in await select_references(connection, targets=sorted(level)):
            if edge.source_ref is not None:
                parents.setdefault(edge.target, set()).add(edge.source_ref)
                found.add(edge.source_ref)
        level = found - parents.keys()
        if not level:
            break
    return {ref: _closure(ref, parents) for ref in refs}


def _closure(ref: str, parents: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    stack = [ref]
    while stack:
        new = parents.get(stack.pop(), set()) - seen
        seen |= new
        stack.extend(new)
    return seen
