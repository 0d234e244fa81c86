"""The kinds of entities that the catalog knows, each described by a JSON file of this folder.

A file says which apiVersions the kind has, the schema of its `spec` and which relations its fields make. Called by the
built-in kinds processor and the template processor (validation, relations); rules of Backstage catalog-model 1.10.1 and
plugin-scaffolder-common 2.3.0.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, ClassVar

from understage.errors import InputError
from understage.model.entity import Entity
from understage.model.ref import EntityRef, canonical_ref
from understage.model.relation import Relation
from understage.model.violations import Schema, Violation

NAMES = ("API", "Component", "Domain", "Group", "Location", "Resource", "System", "Template", "User")
_SORTED_FIELDS = ("providesApis", "consumesApis", "dependsOn", "dependencyOf", "memberOf", "children", "members")


class KindError(InputError):
    """An entity of a known kind breaks its schema; `violations` lists all the ways, the message gives the first."""

    name: ClassVar[str] = "TypeError"

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__(violations[0].text)
        self.violations = violations
        self.place = violations[0].place
        self.also = [KindError([violation]) for violation in violations[1:]]


@dataclass(frozen=True, slots=True)
class RelationRule:
    """A field of `spec` whose references become relations: `forward` from the entity, `reverse` to it."""

    field: str
    forward: str
    reverse: str
    default_kind: str | None


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: `spec_schema` is the JSON Schema of `spec`, `schema` checks a whole entity."""

    name: str
    description: str
    api_versions: tuple[str, ...]
    spec_schema: dict[str, Any]
    relations: tuple[RelationRule, ...]
    schema: Schema


@cache
def builtin_kinds() -> dict[str, Kind]:
    """All kinds by name; names are exact, `component` is none."""
    folder = resources.files(__package__)
    return {name: _read(json.loads(folder.joinpath(f"{name.lower()}.json").read_bytes())) for name in NAMES}


def find_kind(entity: Entity) -> Kind | None:
    """The kind of an entity; None if its kind or its apiVersion is foreign."""
    kind = builtin_kinds().get(entity["kind"])
    return kind if kind is not None and entity["apiVersion"] in kind.api_versions else None


def check_kind(entity: Entity) -> bool:
    """Whether the entity is of a known kind, and if so proved to keep its schema.

    False means that kind or apiVersion is foreign: others may know it. Raises KindError with AJV's words, such as
    `/spec must have required property 'lifecycle' - missingProperty: lifecycle`.
    """
    kind = find_kind(entity)
    if kind is None:
        return False
    if not kind.schema.is_valid(entity):
        raise KindError(kind.schema.violations(entity))
    return True


def relations_of(entity: Entity) -> Iterator[Relation]:
    """The relations that the entity's fields make, both directions of each, whether or not the target exists.

    For any entity whose kind has relation rules; its schema must have been checked. Raises RefSyntaxError or
    IncompleteRefError for a field that is no reference.
    """
    kind = builtin_kinds().get(entity["kind"])
    if kind is None:
        return
    own = EntityRef.of(entity)
    source = str(own)
    spec = entity.get("spec", {})
    for rule in kind.relations:
        for path, text in _references_in(spec, rule):
            target = _parse_reference(text, path, rule, own)
            yield Relation(source, rule.forward, target)
            yield Relation(target, rule.reverse, source)


def references_of(entity: Entity) -> Iterator[tuple[tuple[str | int, ...], str | InputError]]:
    """The entities that the fields of an entity name: the path of each, and its full reference, or why it is none.

    What is no text is left out: that is the schema's business.
    """
    kind = builtin_kinds().get(entity["kind"])
    spec = entity.get("spec")
    if kind is None or not isinstance(spec, dict):
        return
    own = EntityRef.of(entity)
    for rule in kind.relations:
        for path, text in _references_in(spec, rule):
            if not isinstance(text, str):
                continue
            try:
                yield ("spec", *path), str(_parse_reference(text, path, rule, own))
            except InputError as error:
                yield ("spec", *path), error


def _references_in(spec: Mapping[str, Any], rule: RelationRule) -> Iterator[tuple[tuple[str | int, ...], str]]:
    value = spec.get(rule.field)
    if not value:
        return
    if not isinstance(value, list):
        yield (rule.field,), value
        return
    for index, text in enumerate(value):
        yield (rule.field, index), text


def _parse_reference(text: str, path: tuple[str | int, ...], rule: RelationRule, own: EntityRef) -> str:
    try:
        return canonical_ref(text, default_kind=rule.default_kind, default_namespace=own.namespace)
    except InputError as error:
        error.at("spec", *path)
        raise


def sort_references(entity: Entity) -> Entity:
    """The entity with its lists of references sorted as the stock backend serves them; the same object if nothing moves."""
    spec = entity.get("spec")
    if not isinstance(spec, dict):
        return entity
    changes = {}
    for field in _SORTED_FIELDS:
        value = spec.get(field)
        if isinstance(value, list) and len(value) > 1 and all(isinstance(item, str) for item in value):
            ordered = sorted(value, key=_code_units)
            if ordered != value:
                changes[field] = ordered
    return {**entity, "spec": {**spec, **changes}} if changes else entity


def written_path(entity: Entity, path: Sequence[str | int]) -> Sequence[str | int]:
    """Where in an entity as written that stands which `sort_references` moved to `path`."""
    if len(path) < 3 or path[0] != "spec" or not isinstance(path[2], int):
        return path
    ordered_entity = sort_references(entity)
    if ordered_entity is entity:
        return path
    written, ordered = entity["spec"].get(path[1]), ordered_entity["spec"].get(path[1])
    if written is ordered or path[2] >= len(ordered):
        return path
    return ("spec", path[1], written.index(ordered[path[2]]), *path[3:])


def _read(document: dict[str, Any]) -> Kind:
    spec = document["spec"]
    return Kind(
        name=document["kind"],
        description=document["description"],
        api_versions=tuple(document["apiVersions"]),
        spec_schema=spec,
        relations=tuple(
            RelationRule(rule["field"], rule["forward"], rule["reverse"], rule.get("defaultKind"))
            for rule in document.get("relations", ())
        ),
        schema=Schema({"type": "object", "required": ["spec"], "properties": {"spec": spec}}),
    )


def _code_units(text: str) -> bytes:
    """JavaScript sorts by UTF-16 code units."""
    return text.encode("utf-16-be", "surrogatepass")
