"""Which tasks a caller may see and change: asked by the routes about tasks and by the actions for other backends."""

from dataclasses import replace

from understage.errors import NotAllowedError
from understage.identity.authorizer import Authorizer
from understage.identity.credentials import Credentials
from understage.identity.permissions import SCAFFOLDER_TASK_READ, Conditional, Permission, Query, holds
from understage.scaffolder.rules import is_owner
from understage.scaffolder.service import FoundTask, ScaffolderService, TaskQuery


class TaskAccess:
    """What a caller may do with tasks."""

    def __init__(self, service: ScaffolderService, authorizer: Authorizer) -> None:
        self._service = service
        self._authorizer = authorizer

    async def find(self, task_id: str, credentials: Credentials, *permissions: Permission) -> FoundTask:
        """A task, if the caller holds the permissions for it. Raises NotFoundError first, then NotAllowedError."""
        task = await self._service.get(task_id)
        decisions = await self._authorizer.decide([Query(permission) for permission in permissions], credentials)
        for decision in decisions:
            if decision == "ALLOW":
                continue
            if decision == "DENY" or not holds(decision.conditions, lambda rule: is_owner(rule, task.created_by)):
                raise NotAllowedError("")
        return task

    async def readable(self, query: TaskQuery, credentials: Credentials) -> tuple[list[FoundTask], int]:
        """A page of what the caller may read. Raises NotAllowedError when that is nothing at all."""
        (decision,) = await self._authorizer.decide([Query(SCAFFOLDER_TASK_READ)], credentials)
        if decision == "DENY":
            raise NotAllowedError("")
        readable = decision.conditions if isinstance(decision, Conditional) else None
        return await self._service.find(replace(query, readable=readable))
