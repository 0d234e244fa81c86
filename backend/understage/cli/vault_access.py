"""What `understage vault access` does: the action `vault:access` on a checkout, and its script alone on the standard output."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from understage.app.one_off import OneOff
from understage.cli.console import console, fail
from understage.cli.real_runs import FAILED, Surroundings, run_for_real
from understage.model.template import API_VERSION
from understage.scaffolder.steps.run import Outcome


def print_access(folder: Path, team: str | None, config: Sequence[Path], *, as_json: bool) -> int:
    """Print it; returns the exit code."""
    if not folder.is_dir():
        fail(f"There is no folder {folder}")
        return FAILED
    surroundings = Surroundings(config, workspace=folder, as_json=as_json)
    input = {} if team is None else {"team": team}

    async def job(one_off: OneOff, workspace: Path) -> Outcome:
        outcome = await one_off.run(_task(input), {}, workspace, follow=_keep)
        if outcome.error is not None or as_json:
            return outcome
        console().file.write(str((outcome.output or {}).get("script")))
        return replace(outcome, output={})

    return run_for_real(surroundings, job)


def _keep(line: Mapping[str, Any]) -> None:
    """The log says what the script says."""


def _task(input: Mapping[str, Any]) -> dict[str, Any]:
    step = {"id": "access", "name": "Say who reads what", "action": "vault:access", "input": dict(input)}
    output = {name: f"${{{{ steps.access.output.{name} }}}}" for name in ("script", "access")}
    return {"apiVersion": API_VERSION, "steps": [step], "output": output, "parameters": {}, "user": {}}
