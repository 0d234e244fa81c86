"""The scaffolder's actions for other backends, assistants among them: five, as in Backstage scaffolder-backend 4.2.0.

Each does what an endpoint does, with the permissions of whoever called it. `platform.actions_router` serves them.
"""

from understage.identity.actions import OfferedAction
from understage.identity.audit import Auditor
from understage.identity.authorizer import Authorizer
from understage.scaffolder.api.actions.tasks import create_task_actions
from understage.scaffolder.api.actions.templates import create_template_actions
from understage.scaffolder.assembly import Assembly
from understage.scaffolder.service import ScaffolderService


def create_scaffolder_actions(
    service: ScaffolderService, assembly: Assembly, authorizer: Authorizer, auditor: Auditor
) -> list[OfferedAction]:
    """The actions, in the stock order."""
    listed, logs = create_task_actions(service, authorizer, auditor)
    dry_run, actions, execute = create_template_actions(service, assembly, authorizer, auditor)
    return [listed, dry_run, actions, execute, logs]
