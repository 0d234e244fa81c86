"""Permissions, decisions and conditions: the vocabulary of `authorizer`, the API edges and the permission endpoints.

A decision about a resource may be conditional: a tree of rules that the plugin applies itself, to one resource or as a
filter of its query. The trees come from the permission backend and are checked here before anybody walks them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from understage.errors import ForeignError

Action = Literal["create", "read", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Permission:
    """What may be asked for: basic, or about resources of a type."""

    name: str
    action: Action | None = None
    resource_type: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """`{type, name, attributes, resourceType?}`."""
        wire: dict[str, Any] = {
            "type": "resource" if self.resource_type else "basic",
            "name": self.name,
            "attributes": {"action": self.action} if self.action else {},
        }
        return {**wire, "resourceType": self.resource_type} if self.resource_type else wire


class Query(NamedTuple):
    """One question: a permission, and the resource it is about if one is known."""

    permission: Permission
    resource_ref: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A leaf of a condition tree: a rule of the plugin with its parameters."""

    rule: str
    resource_type: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part must hold."""

    parts: tuple["Criteria", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One part must hold."""

    parts: tuple["Criteria", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part must not hold."""

    part: "Criteria"


Criteria = Rule | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True)
class Conditional:
    """Allowed for the resources of a type that satisfy the conditions."""

    plugin_id: str
    resource_type: str
    conditions: Criteria


Decision = Literal["ALLOW", "DENY"] | Conditional
MAX_DEPTH = 50


def parse_criteria(wire: Any, depth: int = 0) -> Criteria:
    """A condition tree from JSON. Raises ForeignError for what is none; an unknown shape must never mean yes."""
    if depth > MAX_DEPTH:
        raise ForeignError(f"Permission conditions are nested deeper than {MAX_DEPTH} levels")
    match wire:
        case {"anyOf": [_, *_] as parts}:
            return AnyOf(tuple(parse_criteria(part, depth + 1) for part in parts))
        case {"allOf": [_, *_] as parts}:
            return AllOf(tuple(parse_criteria(part, depth + 1) for part in parts))
        case {"not": part}:
            return Not(parse_criteria(part, depth + 1))
        case {"rule": str(rule), "resourceType": str(resource_type)}:
            params = wire.get("params", {})
            if isinstance(params, dict):
                return Rule(rule, resource_type, params)
    raise ForeignError("The permission backend answered with conditions that are not understood")


def holds(criteria: Criteria, applies: Callable[[Rule], bool]) -> bool:
    """Whether a condition tree holds, given whether each rule does."""
    match criteria:
        case AllOf(parts):
            return all(holds(part, applies) for part in parts)
        case AnyOf(parts):
            return any(holds(part, applies) for part in parts)
        case Not(part):
            return not holds(part, applies)
        case Rule():
            return applies(criteria)


def rules_of(criteria: Criteria) -> Iterable[Rule]:
    """All leaves, for checking that the plugin knows them."""
    match criteria:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from rules_of(part)
        case Not(part):
            yield from rules_of(part)
        case Rule():
            yield criteria


CATALOG_ENTITY = "catalog-entity"
SCAFFOLDER_TASK = "scaffolder-task"
SCAFFOLDER_TEMPLATE = "scaffolder-template"
SCAFFOLDER_ACTION = "scaffolder-action"

CATALOG_ENTITY_READ = Permission("catalog.entity.read", "read", CATALOG_ENTITY)
CATALOG_ENTITY_CREATE = Permission("catalog.entity.create", "create")
CATALOG_ENTITY_DELETE = Permission("catalog.entity.delete", "delete", CATALOG_ENTITY)
CATALOG_ENTITY_REFRESH = Permission("catalog.entity.refresh", "update", CATALOG_ENTITY)
CATALOG_ENTITY_VALIDATE = Permission("catalog.entity.validate")
CATALOG_LOCATION_READ = Permission("catalog.location.read", "read")
CATALOG_LOCATION_CREATE = Permission("catalog.location.create", "create")
CATALOG_LOCATION_DELETE = Permission("catalog.location.delete", "delete")
CATALOG_LOCATION_ANALYZE = Permission("catalog.location.analyze")
CATALOG_INGESTION_READ = Permission("catalog.ingestion.read", "read")
CATALOG_INGESTION_MANAGE = Permission("catalog.ingestion.manage", "update")
CATALOG_UNPROCESSED_READ = Permission("catalog.entities.unprocessed.read", "read")
CATALOG_UNPROCESSED_DELETE = Permission("catalog.entities.unprocessed.delete", "delete")

CATALOG_PERMISSIONS = (
    CATALOG_UNPROCESSED_READ,
    CATALOG_UNPROCESSED_DELETE,
    CATALOG_ENTITY_READ,
    CATALOG_ENTITY_CREATE,
    CATALOG_ENTITY_DELETE,
    CATALOG_ENTITY_REFRESH,
    CATALOG_ENTITY_VALIDATE,
    CATALOG_LOCATION_READ,
    CATALOG_LOCATION_CREATE,
    CATALOG_LOCATION_DELETE,
    CATALOG_LOCATION_ANALYZE,
    CATALOG_INGESTION_READ,
    CATALOG_INGESTION_MANAGE,
)
"""In the order in which the stock catalog lists them in its metadata."""

SCAFFOLDER_TEMPLATE_DRY_RUN = Permission("scaffolder.template.dry-run")
SCAFFOLDER_TEMPLATE_PARAMETER_READ = Permission("scaffolder.template.parameter.read", "read", SCAFFOLDER_TEMPLATE)
SCAFFOLDER_TEMPLATE_STEP_READ = Permission("scaffolder.template.step.read", "read", SCAFFOLDER_TEMPLATE)
SCAFFOLDER_ACTION_EXECUTE = Permission("scaffolder.action.execute", None, SCAFFOLDER_ACTION)
SCAFFOLDER_TASK_CANCEL = Permission("scaffolder.task.cancel", None, SCAFFOLDER_TASK)
SCAFFOLDER_TASK_CREATE = Permission("scaffolder.task.create", "create")
SCAFFOLDER_TASK_READ = Permission("scaffolder.task.read", "read", SCAFFOLDER_TASK)
SCAFFOLDER_TEMPLATE_MANAGEMENT = Permission("scaffolder.template.management")

SCAFFOLDER_PERMISSIONS = (
    SCAFFOLDER_TEMPLATE_DRY_RUN,
    SCAFFOLDER_TEMPLATE_PARAMETER_READ,
    SCAFFOLDER_TEMPLATE_STEP_READ,
    SCAFFOLDER_ACTION_EXECUTE,
    SCAFFOLDER_TASK_CANCEL,
    SCAFFOLDER_TASK_CREATE,
    SCAFFOLDER_TASK_READ,
    SCAFFOLDER_TEMPLATE_MANAGEMENT,
)
"""In the order in which the stock scaffolder lists them in its metadata."""
