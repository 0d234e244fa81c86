"""All routes of the scaffolder, for the composition root."""

from fastapi import APIRouter

from understage.identity.audit import Auditor
from understage.identity.authorizer import Authorizer
from understage.platform.light_imports import OLD_MODELS, absent
from understage.scaffolder.api.dry_run import create_dry_run_router
from understage.scaffolder.api.event_stream import create_event_router
from understage.scaffolder.api.permissions import create_scaffolder_permissions_router
from understage.scaffolder.api.tasks import create_tasks_router
from understage.scaffolder.api.templates import create_template_router
from understage.scaffolder.api.undo import create_undo_router
from understage.scaffolder.assembly import Assembly
from understage.scaffolder.service import ScaffolderService


@absent(OLD_MODELS)
def create_scaffolder_routers(
    service: ScaffolderService, assembly: Assembly, authorizer: Authorizer, auditor: Auditor
) -> list[APIRouter]:
    """The routers of `/api/scaffolder`."""
    return [
        create_template_router(assembly, auditor),
        create_dry_run_router(assembly.dry_run, auditor),
        create_scaffolder_permissions_router(service),
        *create_task_routers(service, authorizer, auditor),
    ]


def create_task_routers(service: ScaffolderService, authorizer: Authorizer, auditor: Auditor) -> list[APIRouter]:
    """Those of `/v2/tasks…`."""
    return [
        create_tasks_router(service, authorizer, auditor),
        create_event_router(service, authorizer, auditor),
        create_undo_router(service, authorizer, auditor),
    ]
