"""The registered actions, by id.

`service` loads the entry points once at start; `steps` looks actions up, `api` lists them. Built-in actions register in the
same way as those of a third party.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

import structlog
from pydantic import BaseModel

from understage.errors import InputError, NotFoundError
from understage.model.yaml import dump
from understage.platform.extensions import installed
from understage.scaffolder.parameters import InputSchema
from understage.sdk import Action, Example

log = structlog.get_logger(__name__)

GROUP = "understage.actions"
OWN = "understage_actions."
AnyAction = Action[Any, Any]


class DuplicateActionError(ValueError):
    """Two plugins register the same action id; the message names both."""


@dataclass(frozen=True)
class BrokenPlugin:
    """An entry point that could not be loaded: its name, where it points, and why it failed."""

    name: str
    target: str
    reason: str


class ActionRegistry:
    """Actions by id. `broken` are the plugins that were skipped, for reports."""

    def __init__(self, actions: Iterable[AnyAction] = (), broken: Sequence[BrokenPlugin] = ()) -> None:
        self._actions: dict[str, AnyAction] = {}
        self._origins: dict[str, str] = {}
        self._later: list[EntryPoint] | None = None
        self._schemas: dict[str, InputSchema] = {}
        self.broken = tuple(broken)
        for action in actions:
            if action.id in self._actions:
                raise DuplicateActionError(f"Two actions have the id '{action.id}'")
            self._actions[action.id] = action

    @classmethod
    def from_entry_points(cls, points: Iterable[EntryPoint] | None = None) -> "ActionRegistry":
        """The actions of all installed packages; a plugin that cannot be loaded is logged and skipped.

        An entry point names an `Action`, or a list of them. Raises DuplicateActionError naming both entry points.
        """
        found: dict[str, tuple[AnyAction, str, str]] = {}
        broken: list[BrokenPlugin] = []
        for point in installed(GROUP) if points is None else points:
            try:
                loaded = _load(point)
            except Exception as error:
                broken.append(BrokenPlugin(point.name, point.value, f"{type(error).__name__}: {error}"))
                log.exception("a plugin with actions could not be loaded and is skipped", plugin=point.name)
                continue
            for action in loaded:
                if action.id in found:
                    raise DuplicateActionError(
                        f"Two plugins register the action '{action.id}': {found[action.id][1]} and {point.value}. "
                        "Uninstall one of them or give its action another id."
                    )
                found[action.id] = (action, point.value, _origin(point))
        registry = cls((action for action, _, _ in found.values()), broken)
        registry._origins = {action_id: origin for action_id, (_, _, origin) in found.items()}
        return registry

    @classmethod
    def when_asked(cls) -> "ActionRegistry":
        """As `from_entry_points`, loaded when the first action is asked for: eight megabytes that an idle service goes without.

        Where packages of others have actions, all are loaded at once: what is wrong with them is told at the start.
        """
        points = list(installed(GROUP))
        if any(not point.value.startswith(OWN) for point in points):
            return cls.from_entry_points(points)
        registry = cls()
        registry._later = points
        return registry

    def _known(self) -> dict[str, AnyAction]:
        if self._later is not None:
            loaded, self._later = self.from_entry_points(self._later), None
            self._actions, self.broken, self._origins = loaded._actions, loaded.broken, loaded._origins
        return self._actions

    def get(self, action_id: str) -> AnyAction:
        """The action. Raises NotFoundError in the words of Backstage."""
        try:
            return self._known()[action_id]
        except KeyError:
            raise NotFoundError(
                f"Template action with ID '{action_id}' is not registered. See "
                "https://backstage.io/docs/features/software-templates/builtin-actions/ on how to add a new action module."
            ) from None

    def origin(self, action_id: str) -> str | None:
        """Package and version that an action is of, as in `understage 0.1.0`; None for one that no package registers."""
        self._known()
        return self._origins.get(action_id)

    def parse_input(self, action: AnyAction, rendered: Mapping[str, Any], key: str | None) -> BaseModel:
        """The rendered input of a step as the action's model; `key` is that of the loop's item.

        Raises InputError naming every problem and no value: those of the JSON schema first, in the words of Backstage, then
        those that only the model knows.
        """
        place = "" if key is None else f"[{key}]"
        problems = self._schema(action).problems(rendered)
        if problems:
            raise InputError(f"Invalid input passed to action {action.id}{place}, {', '.join(problems)}")
        try:
            parsed: BaseModel = action.parse_input(rendered)
        except InputError as error:
            raise InputError(error.message.replace(f"action {action.id},", f"action {action.id}{place},", 1)) from None
        return parsed

    def _schema(self, action: AnyAction) -> InputSchema:
        if self._known().get(action.id) is not action:
            return InputSchema(action.input_schema())  # of another plugin, which may tell another one the next time
        if action.id not in self._schemas:
            self._schemas[action.id] = InputSchema(action.input_schema())
        return self._schemas[action.id]

    def all(self) -> list[AnyAction]:
        """All actions, sorted by id."""
        return sorted(self._known().values(), key=lambda action: action.id.lower())

    def describe(self) -> list[dict[str, Any]]:
        """The answer of `GET /v2/actions`."""
        return [_describe(action) for action in self.all()]


def _load(point: EntryPoint) -> list[AnyAction]:
    loaded = point.load()
    actions = list(loaded) if isinstance(loaded, list | tuple) else [loaded]
    for action in actions:
        if not isinstance(action, Action):
            raise TypeError(f"{point.value} is no action: decorate an async function with @action")
    return actions


def _origin(point: EntryPoint) -> str:
    return point.value if point.dist is None else f"{point.dist.name} {point.dist.version}"


def _describe(action: AnyAction) -> dict[str, Any]:
    schema = {"input": action.input_schema()}
    output = action.output_schema()
    if output is not None:
        schema["output"] = output
    examples = [_describe_example(action.id, example) for example in action.examples]
    return {
        "id": action.id,
        "description": action.description,
        **({"examples": examples} if examples else {}),
        "schema": schema,
    }


def _describe_example(action_id: str, example: Example) -> dict[str, Any]:
    step = {"id": action_id.replace(":", "-"), "action": action_id, "input": json.loads(json.dumps(example.input))}
    described = {"description": example.description, "example": dump({"steps": [step]})}
    return described if example.notes is None else {**described, "notes": example.notes}
