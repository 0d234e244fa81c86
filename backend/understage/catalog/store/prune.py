"""Remove what a provider no longer gives, with all that only it led to."""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.delete_states import delete_states
from understage.catalog.store.references import Reference, delete_references, select_references


async def prune(connection: AsyncConnection, source_key: str, refs: Collection[str]) -> int:
    """Drop the provider's edges to `refs`; delete those and their descendants that no other root leads to.

    Edges of other providers are not touched, so nobody removes what is not theirs. Returns how many entities went.
    """
    edges = await select_references(connection, targets=sorted(refs))
    own = [edge for edge in edges if edge.source_key == source_key]
    roots = {edge.target for edge in own}
    candidates = await _select_descendants(connection, roots)
    incoming = await select_references(connection, targets=sorted(candidates))
    dropped = {edge.id for edge in own}
    kept = _reachable([edge for edge in incoming if edge.id not in dropped], candidates)
    deleted = await delete_states(connection, candidates - kept)
    await delete_references(connection, [edge.id for edge in own if edge.target in kept])
    return deleted


async def _select_descendants(connection: AsyncConnection, roots: Collection[str]) -> set[str]:
    found = set(roots)
    level = set(roots)
    while level:
        edges = await select_references(connection, source_refs=sorted(level))
        level = {edge.target for edge in edges} - found
        found |= level
    return found


def _reachable(edges: Collection[Reference], candidates: set[str]) -> set[str]:
    """Those of the candidates that an edge from outside leads to, directly or through each other."""
    children: dict[str, list[str]] = {}
    stack: list[str] = []
    for edge in edges:
        if edge.source_ref is not None and edge.source_ref in candidates:
            children.setdefault(edge.source_ref, []).append(edge.target)
        else:
            stack.append(edge.target)
    reached: set[str] = set()
    while stack:
        ref = stack.pop()
        if ref not in reached:
            reached.add(ref)
            stack.extend(children.get(ref, ()))
    return reached
