"""All routes of tasks, for the composition root."""

from fastapi import APIRouter

from understage.identity.audit import Auditor
from understage.identity.authorizer import Authorizer
from understage.scaffolder.api.event_stream import create_event_router
from understage.scaffolder.api.tasks import create_tasks_router
from understage.scaffolder.service import ScaffolderService


def create_task_routers(service: ScaffolderService, authorizer: Authorizer, auditor: Auditor) -> list[APIRouter]:
    """The routers of `/api/scaffolder/v2/tasks…`."""
    return [create_tasks_router(service, authorizer, auditor), create_event_router(service, authorizer, auditor)]
