"""Answers a permission backend that asks whether resources of a plugin satisfy conditions.

`platform.permissions_router` serves one `ResourceConditions` for each plugin, which brings its resources.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from understage.errors import ForeignError, InputError, NotAllowedError
from understage.identity.credentials import Credentials, ServicePrincipal, UserPrincipal
from understage.identity.permissions import Criteria, Permission, parse_criteria
from understage.identity.rules import RuleDescription

Question = dict[str, Any]
"""`{id, resourceRef, resourceType, conditions}`, checked as to its members but for `resourceRef`."""


class Resources(Protocol):
    """The resources of a plugin that can be named."""

    def require_loadable(self, resource_types: Sequence[str]) -> None:
        """Raises InputError for types that the plugin does not have, NotImplementedError_ for those without resources."""

    async def matching(self, resource_type: str, refs: Sequence[str], conditions: Criteria) -> set[str]:
        """Those of the resources, by the references asked for, that exist and satisfy the conditions."""


class ResourceConditions:
    """The permissions and rules of a plugin, applied to its resources."""

    def __init__(
        self, permissions: Sequence[Permission], rules: Sequence[RuleDescription], resources: Resources
    ) -> None:
        self._permissions = permissions
        self._rules = rules
        self._resources = resources

    def describe(self) -> dict[str, Any]:
        """`{permissions, rules}`, as on the wire."""
        return {
            "permissions": [permission.to_wire() for permission in self._permissions],
            "rules": [rule.to_wire() for rule in self._rules],
        }

    def require_service(self, credentials: Credentials) -> None:
        """Raises NotAllowedError unless a backend asks, for itself or for somebody."""
        match credentials.principal:
            case ServicePrincipal() | UserPrincipal(actor=str()):
                return
        raise NotAllowedError("")

    async def decide(self, questions: Sequence[Question]) -> list[str | list[str]]:
        """ALLOW or DENY for each; DENY for what does not exist. Raises InputError for questions that are none."""
        self._resources.require_loadable(list(dict.fromkeys(question["resourceType"] for question in questions)))
        return [await self._decide(question) for question in questions]

    async def _decide(self, question: Question) -> str | list[str]:
        asked = question.get("resourceRef")
        sent: list[Any] = asked if isinstance(asked, list) else [asked]
        refs = [ref for ref in sent if isinstance(ref, str)]
        if len(refs) != len(sent):
            raise InputError("resourceRef must be a reference or a list of them")
        try:
            criteria = parse_criteria(question["conditions"])
        except ForeignError as error:  # here they come from the caller
            raise InputError(error.message) from error
        found = await self._resources.matching(question["resourceType"], refs, criteria)
        results = ["ALLOW" if ref in found else "DENY" for ref in refs]
        return results if isinstance(asked, list) else results[0]
