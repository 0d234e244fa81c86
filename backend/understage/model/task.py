"""A scaffolder task as data: its states and the spec that is stored and interpreted.

Called where a task is created (request and dry-run), by the store and by the runner. The shape of the spec is stored and
served, and is that of Backstage plugin-scaffolder-backend 4.2.0.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from understage.model.entity import ANNOTATION_LOCATION, ANNOTATION_SOURCE_LOCATION, Entity
from understage.model.ref import LocationRef, RefSyntaxError, entity_ref
from understage.model.template import API_VERSION, Template, TemplateStep

TaskSpec = dict[str, Any]
"""`{apiVersion, steps, output, parameters, user, templateInfo, EXPERIMENTAL_recovery?}`, plain JSON."""


class TaskStatus(StrEnum):
    """Where a task is."""

    OPEN = "open"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to the task."""
        return self not in (TaskStatus.OPEN, TaskStatus.PROCESSING)


class StepStatus(StrEnum):
    """Where a step is; carried by log events."""

    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


def build_task_spec(
    template: Template,
    parameters: Mapping[str, Any],
    *,
    steps: Sequence[TemplateStep] | None = None,
    user_ref: str | None = None,
    user_entity: Entity | None = None,
    base_url: str | None = None,
) -> TaskSpec:
    """The spec of a task that runs `template` with `parameters`.

    `steps` are those the caller may run (default: all); steps without id are numbered among them. `base_url` overrides
    where the template's relative paths start.
    """
    spec: TaskSpec = {
        "apiVersion": API_VERSION,
        "steps": [
            _build_step(step, number) for number, step in enumerate(template.steps if steps is None else steps, start=1)
        ],
    }
    if "EXPERIMENTAL_recovery" in template.spec:
        spec["EXPERIMENTAL_recovery"] = template.spec["EXPERIMENTAL_recovery"]
    spec["output"] = template.output
    spec["parameters"] = dict(parameters)
    spec["user"] = {
        **({"entity": user_entity} if user_entity is not None else {}),
        **({"ref": user_ref} if user_ref is not None else {}),
    }
    start = base_url if base_url is not None else base_url_of(template.entity)
    spec["templateInfo"] = {
        "entityRef": entity_ref(template.entity),
        **({"baseUrl": start} if start is not None else {}),
        "entity": {"metadata": template.entity["metadata"]},
    }
    return spec


def base_url_of(entity: Entity) -> str | None:
    """Where the template's relative paths start: its source location, else the file it was read from."""
    annotations = entity["metadata"].get("annotations") or {}
    text = annotations.get(ANNOTATION_SOURCE_LOCATION) or annotations.get(ANNOTATION_LOCATION)
    if not text:
        return None
    try:
        location = LocationRef.parse(text)
    except RefSyntaxError:
        return None
    if location.type == "url":
        return location.target
    return f"file://{location.target}" if location.type == "file" else None


def _build_step(step: TemplateStep, number: int) -> dict[str, Any]:
    return {**step.data, "id": step.id or f"step-{number}", "name": step.name or step.action}
