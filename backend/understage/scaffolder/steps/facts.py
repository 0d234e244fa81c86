"""What all steps of a run share, and what templates may see of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understage.identity.credentials import Credentials
from understage.model.task import TaskSpec
from understage.sdk import Ports, TaskInfo, TemplateInfo, UserInfo

EMPTY: Mapping[str, Any] = {}


@dataclass(frozen=True)
class TaskFacts:
    """A task that runs: its spec, its secrets, its folder, and the ports that act for its creator, by `credentials`."""

    task_id: str
    spec: TaskSpec
    workspace: Path
    ports: Ports
    credentials: Credentials = field(repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    environment_parameters: Mapping[str, str] = field(default_factory=dict)
    environment_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    is_dry_run: bool = False

    @property
    def task(self) -> TaskInfo:
        """For the action."""
        return TaskInfo(self.task_id)

    @property
    def user(self) -> UserInfo:
        """Who created the task."""
        user = self.spec.get("user") or {}
        return UserInfo(user.get("ref"), user.get("entity"))

    @property
    def template(self) -> TemplateInfo | None:
        """What it was made of."""
        info = self.spec.get("templateInfo")
        if not info:
            return None
        metadata = (info.get("entity") or {}).get("metadata") or {}
        return TemplateInfo(info["entityRef"], info.get("baseUrl"), metadata)

    def context(self, outputs: Mapping[str, Any], *, secrets: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The root variables of expressions. Without `secrets`, neither these nor the environment's are visible."""
        visible: dict[str, Any] = {
            "parameters": self.spec.get("parameters") or {},
            "steps": {step_id: {"output": output} for step_id, output in outputs.items()},
            "user": self.spec.get("user") or {},
            "context": {"task": {"id": self.task_id}},
            "environment": {"parameters": dict(self.environment_parameters)},
        }
        if secrets is not None:
            visible["secrets"] = dict(secrets)
            visible["environment"]["secrets"] = dict(self.environment_secrets)
        return visible
