"""What `understage task undo` does: the steps of the undo run here, by the interpreter of the service."""

from pathlib import Path

from understage.app.one_off import OneOff
from understage.cli.console import say
from understage.cli.real_runs import Surroundings, run_for_real, teller
from understage.scaffolder.steps.run import Outcome


def undo_task(task_id: str, surroundings: Surroundings) -> int:
    """Run it; returns the exit code."""

    async def job(one_off: OneOff, workspace: Path) -> Outcome:
        scaffolder = one_off.service.scaffolder
        spec = await scaffolder.undo_spec(await scaffolder.get(task_id))
        if not spec["steps"]:
            if not surroundings.as_json:
                say(f"Task {task_id} made nothing that could be undone")
            return Outcome(output={})
        return await one_off.run(spec, {}, workspace, is_dry_run=surroundings.is_dry_run, follow=teller(surroundings))

    return run_for_real(surroundings, job)
