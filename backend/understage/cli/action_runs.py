"""What `understage action` does: one action, run as the only step of a task, and what actions there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from understage.app.one_off import OneOff
from understage.cli.console import console, fail, json_text, say
from understage.cli.inputs import assignment, read_values, secrets_of
from understage.cli.real_runs import FAILED, FINE, Surroundings, run_for_real, teller
from understage.cli.reference import describe_actions
from understage.errors import UnderstageError
from understage.model.task import TaskSpec
from understage.model.template import API_VERSION
from understage.platform.logging import configure_logging
from understage.scaffolder.actions import ActionRegistry
from understage.scaffolder.steps.run import Outcome

STEP = "run"


@dataclass(frozen=True)
class ActionCommand:
    """The command line of `action run`."""

    action: str
    input: Path | None
    set_: Sequence[str]
    surroundings: Surroundings


def list_actions(search: str | None, *, as_json: bool) -> int:
    """Print ids and the first sentence of descriptions."""
    configure_logging(json=False, level="error")
    registry = ActionRegistry.from_entry_points()
    found = [action for action in registry.all() if search is None or search.lower() in action.id.lower()]
    if as_json:
        rows = [
            {"id": action.id, "description": action.description, "dryRun": action.supports_dry_run} for action in found
        ]
        console().file.write(json_text(rows) + "\n")
        return FINE
    width = max((len(action.id) for action in found), default=0)
    for action in found:
        console().file.write(f"{action.id:{width}}  {_first_sentence(action.description)}\n")
    say(f"{len(found)} actions")
    return FINE


def show_action(action_id: str, *, as_json: bool) -> int:
    """Print its description, input, output and examples."""
    configure_logging(json=False, level="error")
    registry = ActionRegistry.from_entry_points()
    try:
        action = registry.get(action_id)
    except UnderstageError as error:
        fail(_unknown(registry, action_id, error.message))
        return FAILED
    if as_json:
        (described,) = ActionRegistry([action]).describe()
        console().file.write(json_text(described) + "\n")
        return FINE
    _, _, page = describe_actions([action]).partition(f"## {action.id}")
    console().file.write(f"# {action.id}{page}")
    return FINE


def run_action(command: ActionCommand) -> int:
    """Run it; returns the exit code."""
    surroundings = command.surroundings

    async def job(one_off: OneOff, workspace: Path) -> Outcome:
        registry = ActionRegistry.when_asked()
        registry.get(command.action)
        secrets = secrets_of(surroundings.secrets, surroundings.secret_variables)
        input = {**read_values(command.input), **dict(map(assignment, command.set_))}
        outcome = await one_off.run(
            _spec(command.action, input),
            secrets,
            workspace,
            is_dry_run=surroundings.is_dry_run,
            follow=teller(surroundings),
        )
        made = (outcome.output or {}).get("result")
        return replace(outcome, output=made if isinstance(made, Mapping) else {}) if outcome.error is None else outcome

    return run_for_real(surroundings, job)


def _spec(action_id: str, input: Mapping[str, Any]) -> TaskSpec:
    return {
        "apiVersion": API_VERSION,
        "steps": [{"id": STEP, "name": action_id, "action": action_id, "input": dict(input)}],
        "output": {"result": f"${{{{ steps.{STEP}.output }}}}"},
        "parameters": {},
        "user": {},
    }


def _first_sentence(description: str) -> str:
    text = " ".join(description.split())
    return text.partition(". ")[0].rstrip(".")


def _unknown(registry: ActionRegistry, action_id: str, message: str) -> str:
    prefix = action_id.partition(":")[0]
    alike = [action.id for action in registry.all() if action.id.startswith(f"{prefix}:")]
    return f"{message} There are {', '.join(alike)}" if alike else message
