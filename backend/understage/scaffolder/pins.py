"""Which packages the actions of a task were of when it was created: another one of the same id does not run in their place.

The task factory notes it in the stored spec, `steps.runner` compares before a step runs. What is served has no such note.
"""

from collections.abc import Callable

from understage.errors import ConflictError
from understage.model.task import TaskSpec

PINS = "actionOrigins"
Origin = Callable[[str], str | None]
"""Package and version of an action; None for one of another plugin, or of nobody."""


def pin(spec: TaskSpec, origin: Origin) -> TaskSpec:
    """The spec with a note of where its actions come from."""
    return {**spec, PINS: {step["action"]: origin(step["action"]) for step in spec["steps"]}}


def without_pins(spec: TaskSpec) -> TaskSpec:
    """The spec as it is served."""
    return {name: value for name, value in spec.items() if name != PINS}


def check_pin(spec: TaskSpec, action_id: str, origin: Origin) -> str | None:
    """What the task's log is to tell of an action that has another version now; None where all is as it was.

    Raises ConflictError for one that is of another package. Tasks of the release before have no note.
    """
    pins = spec.get(PINS)
    if pins is None or action_id not in pins:
        return None
    before, now = pins[action_id], origin(action_id)
    if before == now:
        return None
    if before is None or now is None or before.split()[0] != now.split()[0]:
        raise ConflictError(
            f"The action {action_id} was of {_told(before)} when the task was created, and is of {_told(now)} now: "
            "have a look at what it does, and create the task anew"
        )
    return f"{action_id} is of {now} now; the task was created with {before}"


def _told(origin: str | None) -> str:
    return origin or "no package of this service"
