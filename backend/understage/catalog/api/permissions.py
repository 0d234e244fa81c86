"""What may be permitted in the catalog, its rules, and whether entities satisfy conditions: for `platform.permissions_router`."""

from collections.abc import Sequence

from fastapi import APIRouter

from understage.catalog.access import predicate_of
from understage.catalog.store.select_by_refs import select_by_refs
from understage.errors import InputError
from understage.identity.conditions import ResourceConditions
from understage.identity.permissions import CATALOG_ENTITY, CATALOG_PERMISSIONS, Criteria
from understage.identity.rules import TEXT, TEXTS, Parameter, RuleDescription
from understage.platform.database import Database
from understage.platform.permissions_router import create_permissions_router


def _rule(name: str, about: str, *parameters: Parameter) -> RuleDescription:
    return RuleDescription(name, about, CATALOG_ENTITY, parameters)


RULES = (
    _rule(
        "HAS_ANNOTATION",
        "Allow entities with the specified annotation",
        Parameter("annotation", TEXT, "Name of the annotation to match on"),
        Parameter("value", TEXT, "Value of the annotation to match on", required=False),
    ),
    _rule(
        "HAS_LABEL",
        "Allow entities with the specified label",
        Parameter("label", TEXT, "Name of the label to match on"),
        Parameter("value", TEXT, "Value of the label to match on", required=False),
    ),
    _rule(
        "HAS_METADATA",
        "Allow entities with the specified metadata subfield",
        Parameter("key", TEXT, "Property within the entities metadata to match on"),
        Parameter("value", TEXT, "Value of the given property to match on", required=False),
    ),
    _rule(
        "HAS_SPEC",
        "Allow entities with the specified spec subfield",
        Parameter("key", TEXT, "Property within the entities spec to match on"),
        Parameter("value", TEXT, "Value of the given property to match on", required=False),
    ),
    _rule(
        "IS_ENTITY_KIND",
        "Allow entities matching a specified kind",
        Parameter("kinds", TEXTS, "List of kinds to match at least one of"),
    ),
    _rule(
        "IS_ENTITY_OWNER",
        "Allow entities owned by a specified claim",
        Parameter("claims", TEXTS, "List of claims to match at least one on within ownedBy"),
    ),
)


class EntityResources:
    """Implements `identity.conditions.Resources`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def require_loadable(self, resource_types: Sequence[str]) -> None:
        """There are entities, and nothing else."""
        foreign = [name for name in resource_types if name != CATALOG_ENTITY]
        if foreign:
            raise InputError(f"Unexpected resource types: {', '.join(foreign)}.")

    async def matching(self, _resource_type: str, refs: Sequence[str], conditions: Criteria) -> set[str]:
        """As the protocol says; references in any case."""
        predicate = predicate_of(conditions)
        async with self._database.read() as connection:
            found = await select_by_refs(connection, [ref.lower() for ref in refs], predicate)
        return {ref for ref in refs if ref.lower() in found}


def create_catalog_permissions_router(database: Database) -> APIRouter:
    """The routes below `/.well-known/backstage/permissions`."""
    return create_permissions_router(ResourceConditions(CATALOG_PERMISSIONS, RULES, EntityResources(database)))
