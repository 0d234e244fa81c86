"""Whether an entity that is not in the index satisfies a predicate: for those that came in and are not served."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any as Json

from understage.catalog.predicate import All, Any, Has, In, Not, Predicate, StartsWith
from understage.catalog.stitching.search_values import search_values
from understage.errors import InputError
from understage.model.entity import Entity
from understage.model.ref import EntityRef

Index = Mapping[str, set[str | None]]


def satisfies(entity: Entity, uid: str, predicate: Predicate) -> bool:
    """As if the entity were indexed as it came in. What its processing would add is not known, but for its owner."""
    return _holds(_index(entity, uid), predicate)


def _holds(index: Index, predicate: Predicate) -> bool:
    match predicate:
        case Has(key):
            return key in index
        case In(key, values):
            return not index.get(key, set()).isdisjoint(values)
        case StartsWith(key, prefix):
            return any(value is not None and value.startswith(prefix) for value in index.get(key, ()))
        case All(of):
            return all(_holds(index, item) for item in of)
        case Any(of):
            return any(_holds(index, item) for item in of)
        case Not(of):
            return not _holds(index, of)


def _index(entity: Entity, uid: str) -> Index:
    relations = [("ownedBy", owner) for owner in _owners(entity)]
    whole = {**entity, "metadata": {**entity["metadata"], "uid": uid}}
    # Keys that differ in case only keep an entity out of the index: the parts that have them count as absent.
    parts: list[Entity] = [whole, {**whole, "metadata": _named(whole["metadata"])}, _bare(whole)]
    for part in parts:
        with suppress(InputError):
            index: dict[str, set[str | None]] = {}
            for key, value, _ in search_values(part, relations):
                index.setdefault(key, set()).add(value)
            return index
    return {}


def _named(metadata: Mapping[str, Json]) -> dict[str, Json]:
    return {key: metadata[key] for key in ("name", "namespace", "uid") if key in metadata}


def _bare(entity: Entity) -> Entity:
    return {
        "apiVersion": entity["apiVersion"],
        "kind": entity["kind"],
        "metadata": _named(entity["metadata"]),
    }


def _owners(entity: Entity) -> list[str]:
    spec = entity.get("spec")
    owner = spec.get("owner") if isinstance(spec, dict) else None
    if not isinstance(owner, str):
        return []
    with suppress(InputError):
        namespace = str(entity["metadata"].get("namespace") or "default")
        return [str(EntityRef.parse(owner, default_kind="group", default_namespace=namespace))]
    return []
