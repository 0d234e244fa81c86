"""The order in which ancestry answers list entities: the entity itself, then its parents, depth first, each once."""

from collections.abc import Container, Mapping, Sequence


def order_ancestry(
    root: str, present: Container[str], parents: Mapping[str, Sequence[str]]
) -> list[tuple[str, list[str]]]:
    """(reference, its present parents) from `root` upwards."""
    ordered: list[tuple[str, list[str]]] = []
    seen: set[str] = set()
    pending = [root]
    while pending:
        ref = pending.pop()
        if ref in seen:
            continue
        seen.add(ref)
        above = [parent for parent in parents.get(ref, ()) if parent in present]
        ordered.append((ref, above))
        pending.extend(reversed(above))
    return ordered
