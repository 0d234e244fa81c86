"""Actions of templates for scaffolders elsewhere: what a stock scaffolder that stays in place calls as `understage:<action>`.

Served at `/api/understage/.backstage/actions`; `service` mounts it. A call is a task of one step that nothing is kept of, with
the permissions of the caller. Offered is what needs no files of earlier steps, for a call has a workspace of its own.
"""

import tempfile
import uuid
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from understage.app.http import ServiceFetch
from understage.app.identity import Identity
from understage.app.integrations import Integrations
from understage.app.scaffolder import assemble_interpreter
from understage.config.settings import Settings
from understage.errors import NotFoundError
from understage.identity.actions import ActionsRegistry, OfferedAction, Run, schema_of
from understage.identity.audit import Auditor
from understage.identity.credentials import Credentials
from understage.model.task import TaskSpec
from understage.model.template import API_VERSION
from understage.platform.actions_router import create_actions_router
from understage.scaffolder.actions import AnyAction
from understage.scaffolder.assembly import Assembly
from understage.scaffolder.dry_run import MemoryRun, output_of
from understage.scaffolder.steps.interpreter import complete_secrets
from understage.scaffolder.steps.redaction import Redactor

PLUGIN = "understage"
OFFERED: Mapping[str, bool] = {
    "argocd:delete-app": False,
    "argocd:register-app": False,
    "argocd:sync": False,
    "gitops:promote": False,
    "gitops:rollback": False,
    "http:request": False,
    "kubernetes:apply": False,
    "kubernetes:create-namespace": False,
    "kubernetes:wait": True,
    "notification:send": False,
    "service:check-name": True,
    "utils:jsonata": True,
    "utils:serialize:json": True,
    "utils:serialize:yaml": True,
}
"""Ids of actions, and whether they only read."""
STEP = "action"


def create_offered_router(
    settings: Settings,
    identity: Identity,
    integrations: Integrations,
    fetch: ServiceFetch,
    *,
    root: Path,
    data_directory: Path,
) -> APIRouter:
    """The routes; which actions a caller may use is the scaffolder's permission, asked when one is called."""

    def assemble() -> Assembly:
        return assemble_interpreter(settings, identity, integrations, fetch, root, data_directory, PLUGIN)

    auditor = Auditor(PLUGIN, settings.backend.auditor.severity_log_level_mappings)
    registry = ActionsRegistry(PLUGIN, settings.backend.actions, identity.plugins[PLUGIN].authorizer)
    return create_actions_router(TemplateActions(registry, assemble, auditor))


class TemplateActions:
    """Implements `platform.actions_router.Registry`. All of it is made when the first caller asks."""

    def __init__(self, registry: ActionsRegistry, assemble: Callable[[], Assembly], auditor: Auditor) -> None:
        self._empty = registry
        self._assemble = assemble
        self._auditor = auditor

    async def describe(self, credentials: Credentials) -> list[dict[str, Any]]:
        """See `ActionsRegistry`."""
        return await self._registry.describe(credentials)

    async def invoke(self, action_id: str, input: Any, secrets: Any, credentials: Credentials) -> Any:
        """See `ActionsRegistry`."""
        return await self._registry.invoke(action_id, input, secrets, credentials)

    @cached_property
    def _assembly(self) -> Assembly:
        return self._assemble()

    @cached_property
    def _registry(self) -> ActionsRegistry:
        for action_id, only_reads in OFFERED.items():
            try:
                action = self._assembly.actions.registry.get(action_id)
            except NotFoundError:
                continue  # a plugin that could not be loaded: the log says so
            self._empty.register(self._offer(action, only_reads))
        return self._empty

    def _offer(self, action: AnyAction, only_reads: bool) -> OfferedAction:
        return OfferedAction(
            action.id,
            action.id,
            action.description,
            action.input_schema(),
            action.output_schema() or schema_of({}),
            run=self._run(action.id),
            read_only=only_reads,
            idempotent=True,
        )

    def _run(self, action_id: str) -> Run:
        async def run(input: dict[str, Any], credentials: Credentials) -> Any:
            meta = {"actionType": "invoke", "actionId": action_id}
            with (
                self._auditor.event("action", credentials=credentials, severity="medium", meta=meta),
                tempfile.TemporaryDirectory(prefix="understage-action-", ignore_cleanup_errors=True) as folder,
            ):
                secrets = complete_secrets({}, credentials, None)
                task = MemoryRun(f"action-{uuid.uuid4()}", _spec(action_id, input), secrets, Path(folder))
                outcome = await self._assembly.interpreter.run(task, redactor=Redactor())
                return output_of(outcome).get("result", {})

        return run


def _spec(action_id: str, input: dict[str, Any]) -> TaskSpec:
    """The input goes by a parameter: what the caller's template made of it is not rendered once more."""
    step = {"id": STEP, "name": action_id, "action": action_id, "input": "${{ parameters.input }}"}
    return {
        "apiVersion": API_VERSION,
        "steps": [step],
        "output": {"result": f"${{{{ steps.{STEP}.output }}}}"},
        "parameters": {"input": input},
        "user": {},
    }
