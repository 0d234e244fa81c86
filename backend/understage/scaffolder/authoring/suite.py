"""Runs the cases of templates. Called by `understage template test` and the pytest plugin."""

import asyncio
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from understage.errors import UnderstageError
from understage.scaffolder.actions import ActionRegistry
from understage.scaffolder.authoring.case import Case, CaseFile, read_case_file, surroundings_of
from understage.scaffolder.authoring.coverage import Coverage
from understage.scaffolder.authoring.expectations import failures
from understage.scaffolder.authoring.trial import Trial, TrialSettings, load_template, run_trial, write_files


@dataclass(frozen=True)
class CaseResult:
    """How a case went: what was not as expected, the trial (None when it could not be run), the seconds it took."""

    name: str
    failures: Sequence[str]
    trial: Trial | None
    seconds: float


@dataclass
class FileResult:
    """The cases of one file. `problem` says why the file could not be used at all."""

    file: Path
    template: Path | None = None
    results: list[CaseResult] = field(default_factory=list)
    coverage: Coverage | None = None
    problem: str | None = None

    @property
    def failed(self) -> int:
        """How many cases failed; a file that cannot be used counts as one."""
        return sum(bool(result.failures) for result in self.results) + (self.problem is not None)


async def run_file(
    file: Path,
    registry: ActionRegistry,
    *,
    update: bool = False,
    wanted: Callable[[str], bool] = lambda name: True,
) -> FileResult:
    """Run the cases of a file whose names are wanted. `update` makes expected trees what the trials left."""
    result = FileResult(file)
    try:
        content = read_case_file(file)
        result.template = template_of(file, content)
        result.coverage = Coverage.of(load_template(result.template))
    except UnderstageError as error:
        result.problem = error.message
        return result
    for case in content.cases:
        if wanted(case.name):
            done = await run_case(file, content, case, registry, update=update)
            if done.trial is not None:
                result.coverage.add(done.trial)
            result.results.append(done)
    return result


async def run_case(
    file: Path, content: CaseFile, case: Case, registry: ActionRegistry, *, update: bool = False
) -> CaseResult:
    """Run one case."""
    started = time.perf_counter()
    trial: Trial | None = None
    try:
        roots = [Path.cwd() / file.parent / root for root in content.roots]
        trial = await run_trial(
            template_of(file, content),
            case.values,
            secrets=case.secrets,
            surroundings=surroundings_of(file, case.world or content.world),
            settings=TrialSettings(roots, _resolve_defaults(file, content)),
            registry=registry,
        )
        if update and case.expect.tree is not None:
            await asyncio.to_thread(_write_tree, file.parent / case.expect.tree, trial)
        wrong = failures(case.expect, trial, file.parent)
    except UnderstageError as error:
        wrong = [error.message]
    return CaseResult(case.name, wrong, trial, time.perf_counter() - started)


def template_of(file: Path, content: CaseFile) -> Path:
    """The template that the cases of a file are about."""
    return file.parent / content.template


def _resolve_defaults(file: Path, content: CaseFile) -> dict[str, object]:
    """`defaults` of actions; those that name a folder are relative to the file."""
    return {
        name: str((file.parent / value).resolve()) if name.endswith("Directory") and isinstance(value, str) else value
        for name, value in content.defaults.items()
    }


def _write_tree(folder: Path, trial: Trial) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    write_files(folder, trial.files)
