"""`understage template test`: runs cases, prints one line each, and what was not as expected."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from understage.cli.console import console, fail, say
from understage.errors import UnderstageError
from understage.platform.logging import configure_logging
from understage.scaffolder.actions import ActionRegistry
from understage.scaffolder.authoring.case import find_case_files
from understage.scaffolder.authoring.junit import write_junit
from understage.scaffolder.authoring.suite import FileResult, run_file

FINE, WRONG, FAILED = 0, 1, 2


@dataclass(frozen=True)
class TestCommand:
    """The command line. `least` is the coverage, in percent, below which the command fails."""

    __test__ = False  # no class of tests

    paths: Sequence[Path]
    junit: Path | None = None
    only: str | None = None
    update: bool = False
    least: int = 0


def run_tests(command: TestCommand) -> int:
    """Run and print; returns the exit code."""
    configure_logging(json=False, level="error")
    registry = ActionRegistry.from_entry_points()

    def wanted(name: str) -> bool:
        return command.only is None or command.only in name

    async def run_all(files: Sequence[Path]) -> list[FileResult]:
        results = []
        for file in files:
            results.append(await run_file(file, registry, update=command.update, wanted=wanted))
            _print(results[-1])
        return results

    try:
        results = asyncio.run(run_all(find_case_files(command.paths)))
    except UnderstageError as error:
        fail(error.message)
        return FAILED
    if command.junit is not None:
        write_junit(results, command.junit)
    return _summary(results, command.least)


def _print(result: FileResult) -> None:
    name = os.path.relpath(result.file)
    if result.problem is not None:
        console().print(f"{name}: {result.problem}", style="red", markup=False, soft_wrap=True)
        return
    console().print(name, style="bold", markup=False, soft_wrap=True)
    for case in result.results:
        sign, style = ("✗", "red") if case.failures else ("✓", "green")
        console().print(f"  {sign} {case.name}", style=style, markup=False, highlight=False, soft_wrap=True)
        for failure in case.failures:
            for line in failure.splitlines():
                console().print(f"      {line}", markup=False, highlight=False, soft_wrap=True)
    if result.coverage is not None and result.coverage.branches:
        taken, all_ = len(result.coverage.taken), len(result.coverage.branches)
        say(f"  branches: {taken} of {all_} ({result.coverage.percent:.0f} %)")
        for branch in result.coverage.missed:
            say(f"    not taken: {branch}")


def _summary(results: Sequence[FileResult], least: int) -> int:
    count, failed = sum(len(result.results) for result in results), sum(result.failed for result in results)
    seconds = sum(case.seconds for result in results for case in result.results)
    noun = "case" if count == 1 else "cases"
    say(f"{count} {noun}, {failed} not as expected, {seconds:.1f} s")
    if any(result.problem for result in results):
        return FAILED
    if failed:
        return WRONG
    if count == 0:
        fail("No case was run: none has that text in its name")
        return FAILED
    low = [result for result in results if result.coverage is not None and result.coverage.percent < least]
    for result in low:
        assert result.coverage is not None
        fail(
            f"{os.path.relpath(result.file)}: {result.coverage.percent:.0f} % of the branches, at least {least} % are wanted"
        )
    return WRONG if low else FINE
