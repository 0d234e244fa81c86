"""`understage template plan` and `understage template run --offline`: one template in memory."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from understage.cli.console import console, fail
from understage.cli.inputs import assignment, read_values, secrets_of
from understage.cli.task_log import print_line
from understage.errors import UnderstageError
from understage.platform.logging import configure_logging
from understage.scaffolder.authoring.case import WorldPart, surroundings_of
from understage.scaffolder.authoring.trial import Follow, Trial, TrialSettings, run_trial, write_files
from understage.scaffolder.authoring.world import Surroundings
from understage.sdk.yaml import dump

FINE, WRONG, FAILED = 0, 1, 2
STYLES = {"+": "green", "-": "red", "@": "cyan"}


@dataclass(frozen=True)
class TrialCommand:
    """The command line."""

    template: Path
    values: Path | None = None
    set_: Sequence[str] = ()
    secrets: Path | None = None
    world: Path | None = None
    roots: Sequence[Path] = ()
    secret_variables: Sequence[str] = ()


def show_plan(command: TrialCommand, *, short: bool) -> int:
    """Run without a word and print what happened; returns the exit code."""
    trial = _try(command)
    if trial is None:
        return FAILED
    if trial.error is not None:
        console().print(trial.log, markup=False, highlight=False, soft_wrap=True)
        fail(f"{trial.error['name']}: {trial.error['message']}")
    for effect in trial.plan:
        console().print(effect.summary, style="bold", markup=False, highlight=False, soft_wrap=True)
        for line in () if short else effect.detail.splitlines():
            console().print(f"  {line}", style=STYLES.get(line[:1], ""), markup=False, highlight=False, soft_wrap=True)
    if not trial.plan:
        console().print("Nothing outside of the task's workspace", markup=False)
    return FINE if trial.error is None else WRONG


def follow_run(command: TrialCommand, target: Path | None, *, is_dry_run: bool) -> int:
    """Print the log while the template runs, then its output; returns the exit code."""
    if target is not None and target.exists() and any(target.iterdir()):
        fail(f"{target} is not empty: choose a new folder")
        return FAILED

    trial = _try(command, is_dry_run=is_dry_run, follow=print_line)
    if trial is None:
        return FAILED
    if target is not None:
        write_files(target, trial.files)
    if trial.error is not None:
        fail(f"{trial.error['name']}: {trial.error['message']}")
        return WRONG
    for effect in trial.plan:
        console().print(f"→ {effect.summary}", markup=False, highlight=False, soft_wrap=True)
    if trial.output:
        console().print(dump(dict(trial.output)).rstrip(), markup=False, highlight=False, soft_wrap=True)
    return FINE


def _try(command: TrialCommand, *, is_dry_run: bool = False, follow: Follow | None = None) -> Trial | None:
    configure_logging(json=False, level="error")
    try:
        values = {**read_values(command.values), **dict(map(assignment, command.set_))}
        roots = [root.resolve() for root in command.roots]
        charts = [str(root / "charts") for root in roots if (root / "charts").is_dir()]
        defaults = {"chartsDirectory": charts[0]} if charts else {}
        return asyncio.run(
            run_trial(
                command.template,
                values,
                secrets=secrets_of(command.secrets, command.secret_variables),
                surroundings=_surroundings(command.world),
                settings=TrialSettings(roots, defaults),
                is_dry_run=is_dry_run,
                follow=follow,
            )
        )
    except UnderstageError as error:
        fail(error.message)
        return None


def _surroundings(file: Path | None) -> Surroundings:
    return Surroundings() if file is None else surroundings_of(file, WorldPart.model_validate(read_values(file)))
