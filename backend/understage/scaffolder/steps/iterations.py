"""What a step runs: once, or once for each item; with its input rendered, checked and authorised beforehand."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from understage.errors import InputError, NotAllowedError
from understage.scaffolder.actions import ActionRegistry, AnyAction
from understage.scaffolder.steps.facts import TaskFacts
from understage.scaffolder.steps.redaction import MASK
from understage.scaffolder.steps.rendering import Renderer
from understage.scaffolder.steps.tainting import Taint, masked, revealed
from understage.templating import UNDEFINED

IsAllowed = Callable[[str, Mapping[str, Any]], Awaitable[bool]]
"""Whether the task's creator may run an action (by id) on an input."""

Step = dict[str, Any]


@dataclass(frozen=True)
class Iteration:
    """One call of the step's action. `each` is `{key, value}` in a loop; `input` is None where the `if` said no.

    `shown_input` is the input with every secret masked, for dry runs.
    """

    each: dict[str, Any] | None
    input: BaseModel | None
    shown_input: Any


class StepInputs:
    """Renders the inputs of one step."""

    def __init__(
        self,
        registry: ActionRegistry,
        facts: TaskFacts,
        step: Step,
        outputs: Mapping[str, Any],
        renderer: Renderer,
        taint: Taint,
    ) -> None:
        self._registry = registry
        self._facts = facts
        self._step = step
        self._renderer = renderer
        self._taint = taint
        self._open = facts.context(outputs, secrets=facts.secrets)
        self._closed = facts.context(masked(outputs))

    async def prepare(self, action: AnyAction, is_allowed: IsAllowed) -> list[Iteration]:
        """All calls of the action, in order. Raises for the first that cannot be rendered, is invalid or not allowed."""
        if "each" not in self._step or self._step["each"] is None:
            return [await self._prepare_one(action, None, is_allowed)]
        return [await self._prepare_one(action, each, is_allowed) for each in self._items()]

    def _items(self) -> list[dict[str, Any]]:
        raw, action = self._step["each"], self._step["action"]
        items = self._render_openly(raw, "each", {})
        if items is UNDEFINED:
            raise InputError(
                f'Invalid value on action {action}.each parameter, "{_raw(raw)}" cannot be resolved to a value'
            )
        if isinstance(items, list):
            return [{"key": str(index), "value": item} for index, item in enumerate(items)]
        if isinstance(items, dict):
            return [{"key": key, "value": item} for key, item in items.items()]
        raise InputError(f"Invalid value on action {action}.each parameter, must resolve to an array or object")

    async def _prepare_one(self, action: AnyAction, each: dict[str, Any] | None, is_allowed: IsAllowed) -> Iteration:
        names = {} if each is None else {"each": each}
        if each is not None and not self._is_wanted(names):
            return Iteration(each, None, None)
        raw = self._step.get("input") or {}
        rendered = self._render_openly(raw, "input", names)
        # Schemas and rules of permissions are about texts; the action gets its secrets as secrets again.
        plain = revealed(rendered)
        checked = self._registry.parse_input(action, plain, None if each is None else each["key"])
        self._taint.mark_model(checked, rendered)
        if not await is_allowed(action.id, plain):
            raise NotAllowedError(f"Unauthorized action: {action.id}. The action is not allowed.")
        shown = self._mask(raw, names) if self._facts.is_dry_run else None
        return Iteration(each, checked, shown)

    def _is_wanted(self, names: Mapping[str, Any]) -> bool:
        condition = self._step.get("if")
        if not isinstance(condition, str):
            return condition is not False
        return self._renderer.is_true(self._render(condition, {**self._open, **names}, "if"))

    def _render_openly(self, raw: Any, field: str, names: Mapping[str, Any]) -> Any:
        """Render with secrets; every string that is another one without them is a secret from now on."""
        closed = {**self._closed, **masked(names)}
        return self._taint.render(self._renderer, raw, {**self._open, **names}, closed, self._place(field))

    def _mask(self, raw: Any, names: Mapping[str, Any]) -> Any:
        shown = {**masked(self._open), **masked(names), "secrets": dict.fromkeys(self._facts.secrets, MASK)}
        return self._taint.lines.redact_value(self._render(raw, shown, "input"))

    def _render(self, raw: Any, context: Mapping[str, Any], field: str) -> Any:
        return self._renderer.render(raw, context, self._place(field))

    def _place(self, field: str) -> str:
        return f"Step {self._step['id']}, {field}"


def _raw(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
