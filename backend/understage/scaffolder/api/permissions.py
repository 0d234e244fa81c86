"""What may be permitted in the scaffolder, and whether tasks satisfy conditions: for `platform.permissions_router`.

Pages, steps and actions have rules too, but none of them can be named to a permission backend.
"""

from collections.abc import Sequence

from fastapi import APIRouter

from understage.errors import InputError, NotImplementedError_
from understage.identity.conditions import ResourceConditions
from understage.identity.permissions import (
    SCAFFOLDER_ACTION,
    SCAFFOLDER_PERMISSIONS,
    SCAFFOLDER_TASK,
    SCAFFOLDER_TEMPLATE,
    Criteria,
    holds,
)
from understage.platform.permissions_router import create_permissions_router
from understage.scaffolder.rules import RULES, is_owner
from understage.scaffolder.service import ScaffolderService

KNOWN = (SCAFFOLDER_TEMPLATE, SCAFFOLDER_ACTION, SCAFFOLDER_TASK)


class TaskResources:
    """Implements `identity.conditions.Resources`."""

    def __init__(self, service: ScaffolderService) -> None:
        self._service = service

    def require_loadable(self, resource_types: Sequence[str]) -> None:
        """As the protocol says."""
        foreign = [name for name in resource_types if name not in KNOWN]
        if foreign:
            raise InputError(f"Unexpected resource types: {', '.join(foreign)}.")
        for name in resource_types:
            if name != SCAFFOLDER_TASK:
                raise NotImplementedError_(
                    "This plugin does not expose any permission rule or can't evaluate the conditions request for "
                    f"{name}"
                )

    async def matching(self, _resource_type: str, refs: Sequence[str], conditions: Criteria) -> set[str]:
        """As the protocol says; raises NotFoundError for a task that does not exist, as the stock backend does."""
        tasks = {ref: await self._service.get(ref) for ref in refs}
        return {ref for ref, task in tasks.items() if _is_met(conditions, task.created_by)}


def _is_met(conditions: Criteria, created_by: str | None) -> bool:
    return holds(conditions, lambda rule: is_owner(rule, created_by))


def create_scaffolder_permissions_router(service: ScaffolderService) -> APIRouter:
    """The routes below `/.well-known/backstage/permissions`."""
    return create_permissions_router(ResourceConditions(SCAFFOLDER_PERMISSIONS, RULES, TaskResources(service)))
