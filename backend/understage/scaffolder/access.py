"""What a caller may see of a template and which actions they may execute: asked by `templates`, `steps` and `dry_run`.

A conditional decision is applied here, to one page, step or action. Rules as in Backstage scaffolder-backend 4.2.0.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from understage.errors import NotAllowedError
from understage.identity.authorizer import Authorizer
from understage.identity.credentials import Credentials
from understage.identity.permissions import (
    SCAFFOLDER_ACTION_EXECUTE,
    SCAFFOLDER_TEMPLATE_PARAMETER_READ,
    SCAFFOLDER_TEMPLATE_STEP_READ,
    Conditional,
    Decision,
    Permission,
    Query,
    Rule,
    holds,
)
from understage.scaffolder.rules import action_permits, tag_matches


class Access:
    """Decides for one caller at a time."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def require(self, credentials: Credentials, *permissions: Permission) -> None:
        """Raises NotAllowedError with an empty message unless the caller holds all of the basic permissions."""
        decisions = await self._authorizer.decide([Query(permission) for permission in permissions], credentials)
        if any(decision != "ALLOW" for decision in decisions):
            raise NotAllowedError("")

    async def template_filters(
        self, credentials: Credentials
    ) -> tuple[Callable[[Sequence[str]], bool], Callable[[Sequence[str]], bool]]:
        """Which parameter pages and which steps the caller may see, by their tags."""
        queries = [Query(SCAFFOLDER_TEMPLATE_PARAMETER_READ), Query(SCAFFOLDER_TEMPLATE_STEP_READ)]
        pages, steps = await self._authorizer.decide(queries, credentials)

        def by_tags(decision: Decision) -> Callable[[Sequence[str]], bool]:
            return lambda tags: _permits(decision, lambda rule: tag_matches(rule, tags))

        return by_tags(pages), by_tags(steps)

    async def action_filter(self, credentials: Credentials) -> Callable[[str, Mapping[str, Any]], bool]:
        """Whether the caller may execute an action (by id) with an input."""
        (decision,) = await self._authorizer.decide([Query(SCAFFOLDER_ACTION_EXECUTE)], credentials)
        return lambda action_id, input: action_permits(decision, action_id, input)


def _permits(decision: Decision, applies: Callable[[Rule], bool]) -> bool:
    if isinstance(decision, Conditional):
        return holds(decision.conditions, applies)
    return decision == "ALLOW"
