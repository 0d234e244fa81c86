"""From a request to a task: template, values, secrets, permissions. Implements `tasks.creation.TaskFactory`."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from understage.errors import InputError
from understage.identity.credentials import Credentials
from understage.model.ref import EntityRef
from understage.model.task import TaskSpec, build_task_spec
from understage.scaffolder.parameters import check_secrets, check_values
from understage.scaffolder.pins import Origin, pin
from understage.scaffolder.steps.interpreter import complete_secrets
from understage.scaffolder.tasks.creation import NewTask
from understage.scaffolder.templates import Templates

CatalogToken = Callable[[Credentials], Awaitable[str | None]]
"""A token for calling the catalog on behalf of somebody; what templates see as `secrets.backstageToken` after a retry."""


class TemplateTaskFactory:
    """Makes tasks of templates; whether the caller may create tasks at all was asked before.

    The order of checks is that of Backstage scaffolder-backend 4.2.0. `origin` tells which packages actions are of.
    """

    def __init__(self, templates: Templates, catalog_token: CatalogToken, origin: Origin) -> None:
        self._templates = templates
        self._catalog_token = catalog_token
        self._origin = origin

    async def create(
        self, template_ref: str, values: Mapping[str, Any], secrets: Mapping[str, str], credentials: Credentials
    ) -> NewTask:
        """As the protocol says."""
        ref = EntityRef.parse(template_ref, default_kind="template")
        visible, user = await self._templates.get_with_user(ref, credentials)
        check_values(values, visible.pages)
        check_secrets(secrets, visible.template.secrets_schema)
        spec = build_task_spec(
            visible.template, values, steps=visible.steps, user_ref=credentials.user_ref, user_entity=user
        )
        check_step_ids(spec)
        sealed = complete_secrets(secrets, credentials, credentials.token)
        return NewTask(pin(spec, self._origin), sealed, credentials.user_ref)

    async def renew(self, spec: TaskSpec, secrets: Mapping[str, str], credentials: Credentials) -> Mapping[str, str]:
        """As the protocol says."""
        ref = (spec.get("templateInfo") or {}).get("entityRef")
        if ref is not None:
            visible = await self._templates.get(EntityRef.parse(ref), credentials)
            check_secrets(secrets, visible.template.secrets_schema)
        return complete_secrets(secrets, credentials, await self._catalog_token(credentials))


def check_step_ids(spec: TaskSpec) -> None:
    """Events, outputs and resuming name steps by id. Raises InputError for one that two steps have."""
    counted = Counter(step["id"] for step in spec["steps"])
    for step_id, count in counted.items():
        if count > 1:
            ref = spec["templateInfo"]["entityRef"]
            raise InputError(
                f"Template {ref} has {count} steps with the id '{step_id}': give each step an id of its own"
            )
