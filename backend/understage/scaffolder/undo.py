"""What a task made, taken away again: a task whose steps are the notes of another's, the last one first.

Actions note how their effects are undone (`ActionContext.undo_by`) before they have them, and only what was not there before. The
notes are checkpoints, so they survive crashes, failures and the end of the task. Called by `service`, for `api` and the command.
"""

from collections.abc import Mapping
from typing import Any

from understage.model.task import TaskSpec
from understage.model.template import API_VERSION
from understage.sdk.context import UNDO

Checkpoints = Mapping[tuple[str, str], Any]


def undo_spec(spec: TaskSpec, checkpoints: Checkpoints) -> TaskSpec:
    """The spec of the task that undoes another one; without steps when it noted nothing.

    Inputs are parameters, since a text of a step is rendered: what a task wrote may hold expressions of its own.
    """
    positions = {step["id"]: position for position, step in enumerate(spec["steps"])}
    notes = sorted(
        ((positions.get(step_id, -1), note["at"], step_id, note) for (step_id, key), note in checkpoints.items()
         if key.startswith(UNDO)),
        key=lambda entry: entry[:2],
        reverse=True,
    )  # fmt: skip
    made = [(step_id, note["action"], _given(note["input"])) for _, _, step_id, note in notes]
    return {
        "apiVersion": API_VERSION,
        "steps": [
            {
                "id": f"undo-{number}",
                "name": f"Undo {step_id}: {_subject(input)}",
                "action": action,
                "input": {member: f"${{{{ parameters.undo[{number - 1}].{member} }}}}" for member in input},
            }
            for number, (step_id, action, input) in enumerate(made, start=1)
        ],
        "output": {},
        "parameters": {"undo": [input for _, _, input in made]},
        "user": spec.get("user") or {},
    }


def _given(input: Mapping[str, Any]) -> dict[str, Any]:
    return {member: value for member, value in input.items() if value is not None}


def _subject(input: Mapping[str, Any]) -> str:
    """What is undone, for people: the names in the input."""
    names = [str(input[member]) for member in ("kind", "owner", "name", "target") if input.get(member)]
    return " ".join(names)
