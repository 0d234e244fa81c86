"""What a caller may do in the catalog: the questions the API asks before it answers.

A conditional decision about reading becomes a predicate, so that lists, counts, facets and ancestry agree by construction.
Rules as in Backstage catalog-backend 4.0.0.
"""

from typing import Any as AnyValue

from understage.catalog.predicate import NOTHING, All, Not, Predicate, any_of, equals, has
from understage.errors import ForeignError, NotAllowedError, UnderstageError
from understage.identity import permissions as permission_model
from understage.identity.authorizer import Authorizer
from understage.identity.credentials import Credentials
from understage.identity.permissions import (
    CATALOG_ENTITY,
    CATALOG_ENTITY_READ,
    Conditional,
    Criteria,
    Permission,
    Query,
    Rule,
)
from understage.identity.rules import text_of, texts_of


class Access:
    """Decides for one caller at a time."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def readable(self, credentials: Credentials) -> Predicate | None:
        """What the entities the caller may read satisfy; None for all, `NOTHING` for none."""
        (decision,) = await self._authorizer.decide([Query(CATALOG_ENTITY_READ)], credentials)
        if isinstance(decision, Conditional):
            return predicate_of(decision.conditions)
        return None if decision == "ALLOW" else NOTHING

    async def is_allowed(
        self, credentials: Credentials, permission: Permission, resource_ref: str | None = None
    ) -> bool:
        """Whether the caller holds the permission."""
        return await self._authorizer.is_allowed(permission, credentials, resource_ref)

    async def require(self, credentials: Credentials, permission: Permission, resource_ref: str | None = None) -> None:
        """Raises NotAllowedError with an empty message, as the stock backend does, unless `is_allowed`."""
        if not await self.is_allowed(credentials, permission, resource_ref):
            raise NotAllowedError("")


def predicate_of(criteria: Criteria) -> Predicate:
    """Permission conditions as a predicate.

    Raises UnderstageError for a rule that the catalog does not have, InputError for bad parameters of one, ForeignError for
    another type of resource.
    """
    match criteria:
        case permission_model.AllOf(parts):
            return All(tuple(predicate_of(part) for part in parts))
        case permission_model.AnyOf(parts):
            return any_of(predicate_of(part) for part in parts)
        case permission_model.Not(part):
            return Not(predicate_of(part))
        case Rule(rule, resource_type, params):
            if resource_type != CATALOG_ENTITY:
                raise ForeignError(f"Unexpected resource types: {resource_type}.")
            return _predicate_of_rule(rule, dict(params))


def _predicate_of_rule(rule: str, params: dict[str, AnyValue]) -> Predicate:
    match rule:
        case "HAS_ANNOTATION":
            return _key(f"metadata.annotations.{text_of(params, 'annotation')}", params)
        case "HAS_LABEL":
            return _key(f"metadata.labels.{text_of(params, 'label')}", params)
        case "HAS_METADATA":
            return _key(f"metadata.{text_of(params, 'key')}", params)
        case "HAS_SPEC":
            return _key(f"spec.{text_of(params, 'key')}", params)
        case "IS_ENTITY_KIND":
            return equals("kind", *texts_of(params, "kinds"))
        case "IS_ENTITY_OWNER":
            return equals("relations.ownedby", *texts_of(params, "claims"))
    raise UnderstageError(f"Permission rule '{rule}' does not exist for resource type '{CATALOG_ENTITY}'")


def _key(key: str, params: dict[str, AnyValue]) -> Predicate:
    return equals(key, text_of(params, "value")) if "value" in params else has(key)
