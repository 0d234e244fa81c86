"""What is wrong with a template before anybody runs it: expressions, actions, their literal input, ids of steps, names.

Called by `understage catalog validate` and `understage template lint` for entities that keep the schema of templates.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from understage.errors import NotFoundError, Place
from understage.model.entity import Entity
from understage.model.violations import Schema, Violation
from understage.scaffolder.actions import ActionRegistry, AnyAction
from understage.scaffolder.template_names import Scope, Scopes
from understage.templating import TemplateError
from understage.templating.analysis import find_uses

Path = tuple[str | int, ...]

# One value may break these more than once.
_OF_WHOLE = ("required", "additionalProperties")


@dataclass(frozen=True)
class TemplateProblem:
    """`rule` is the id of the check, `place` leads into the entity."""

    rule: str
    level: Literal["error", "warning"]
    message: str
    place: Place


class TemplateCheck:
    """Checks templates against the registered actions."""

    def __init__(self, registry: ActionRegistry) -> None:
        self._registry = registry
        self._ids = [action.id for action in registry.all()]
        self._schemas: dict[str, Schema] = {}

    def problems(self, template: Entity) -> Iterator[TemplateProblem]:
        """All problems, in the order of the template; it must keep the schema of its kind."""
        first_at: dict[str, int] = {}
        scopes = Scopes(template["spec"], self._registry.get)
        for index, step in enumerate(template["spec"]["steps"]):
            path: Path = ("spec", "steps", index)
            id_ = step.get("id")
            if isinstance(id_, str) and first_at.setdefault(id_, index) != index:
                message = f"the step id {id_!r} is that of step {first_at[id_] + 1}, too: such a template is refused"
                yield TemplateProblem("template-step-id", "error", message, Place((*path, "id")))
            for field, scope in scopes.of_step(index):
                yield from _expressions(step.get(field), (*path, field), scope)
            yield from self._call(step, path)
        yield from _expressions(template["spec"].get("output"), ("spec", "output"), scopes.of_output)

    def _call(self, step: Mapping[str, Any], path: Path) -> Iterator[TemplateProblem]:
        action_id: str = step["action"]
        if has_expression(action_id):
            return
        try:
            action = self._registry.get(action_id)
        except NotFoundError:
            near = difflib.get_close_matches(action_id, self._ids, n=1)
            hint = f"; did you mean {near[0]}?" if near else ", install the package that brings it"
            message = f"no action with the id {action_id!r} is registered{hint}"
            yield TemplateProblem("template-action", "error", message, Place((*path, "action")))
            return
        given = step.get("input") or {}
        if isinstance(given, dict):
            yield from self._input(action, given, (*path, "input"), is_written="input" in step)

    def _input(
        self, action: AnyAction, given: Mapping[str, Any], path: Path, *, is_written: bool
    ) -> Iterator[TemplateProblem]:
        seen: set[Place] = set()
        for violation in self._schema(action).violations(given):
            # One message a place: of alternatives the first is what the author meant, most often.
            if _is_open(given, violation) or (violation.keyword not in _OF_WHOLE and violation.place in seen):
                continue
            seen.add(violation.place)
            message = f"input of {action.id}: {violation.pointer or '<root>'} {violation.message}"
            place = violation.place
            whole = (*path, *place.path) if is_written else path[:-1]
            yield TemplateProblem("template-input", "error", message, Place(whole, key=place.key))

    def _schema(self, action: AnyAction) -> Schema:
        if action.id not in self._schemas:
            self._schemas[action.id] = Schema(action.input_schema())
        return self._schemas[action.id]


def has_expression(value: Any) -> bool:
    """Whether a value, or anything in it, is only known when the template runs."""
    if isinstance(value, str):
        return "${{" in value or "{%" in value
    if isinstance(value, dict):
        return any(map(has_expression, value)) or any(map(has_expression, value.values()))
    return isinstance(value, list) and any(map(has_expression, value))


def _expressions(value: Any, path: Path, scope: Scope) -> Iterator[TemplateProblem]:
    if isinstance(value, str):
        try:
            uses = find_uses(value)
        except TemplateError as error:
            where = f" in {error.construct}" if error.construct else ""
            yield TemplateProblem("template-expression", "error", f"{error.reason}{where}", Place(path))
            return
        for problem in scope.problems(uses):
            level: Literal["error", "warning"] = "error" if problem.is_certain else "warning"
            yield TemplateProblem(f"template-{problem.kind}", level, problem.message, Place(path))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _expressions(item, (*path, key), scope)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _expressions(item, (*path, index), scope)


def _is_open(given: Mapping[str, Any], violation: Violation) -> bool:
    """Whether an expression decides: the value at the place is not known yet, or one of its keys."""
    value: Any = given
    for part in violation.path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return True
    if violation.keyword == "required":
        return any(map(has_expression, value)) if isinstance(value, dict) else False
    name = violation.params.get("additionalProperty")
    return has_expression(value) if name is None else has_expression(name)
