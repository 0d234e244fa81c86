"""The pytest plugin: every case of a `*.test.yaml` file is a test, with the same power as `understage template test`.

Loaded by pytest from the entry point `pytest11`. A file of that name that is none of ours (without `cases`) is left alone. The
fixture `run_template` runs a template from a test in Python.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from understage.scaffolder.authoring import SUFFIX

if TYPE_CHECKING:
    from understage.scaffolder.actions import ActionRegistry
    from understage.scaffolder.authoring.case import Case, CaseFile
    from understage.scaffolder.authoring.trial import Trial

REGISTRY: pytest.StashKey["ActionRegistry"] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-template-trees`, as `understage template test --update`."""
    group = parser.getgroup("understage", "templates of Understage")
    group.addoption("--update-template-trees", action="store_true", help="make expected trees what the templates leave")


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> "TemplateTests | None":
    """A file of cases."""
    if not file_path.name.endswith(SUFFIX) or b"cases:" not in file_path.read_bytes():
        return None
    tests: TemplateTests = TemplateTests.from_parent(parent, path=file_path)
    return tests


class UnexpectedError(Exception):
    """The trial was not as its case expects; the text says how."""


class TemplateTests(pytest.File):
    """One file of cases."""

    def collect(self) -> Iterator["TemplateTest"]:
        """Its cases."""
        from understage.scaffolder.authoring.case import read_case_file

        content = read_case_file(self.path)
        for case in content.cases:
            test: TemplateTest = TemplateTest.from_parent(self, name=case.name)
            test.content, test.case = content, case
            yield test


class TemplateTest(pytest.Item):
    """One case."""

    content: "CaseFile"
    case: "Case"

    def runtest(self) -> None:
        """Run it."""
        from understage.scaffolder.authoring.suite import run_case

        update = bool(self.config.getoption("--update-template-trees"))
        result = asyncio.run(run_case(self.path, self.content, self.case, _registry(self.config), update=update))
        if result.trial is not None:
            self.add_report_section("call", "task log", result.trial.log)
        if result.failures:
            raise UnexpectedError("\n".join(result.failures))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What was not as expected; no traceback of ours helps an author."""
        if isinstance(excinfo.value, UnexpectedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it stands."""
        return self.path, None, f"{self.path.name}: {self.name}"


@pytest.fixture
def run_template(request: pytest.FixtureRequest) -> "Callable[..., Trial]":
    """`run_template(file, values, **options)`, the options those of `run_trial`: what the run of a template left."""

    def run(file: Path | str, values: dict[str, Any], **options: Any) -> "Trial":
        from understage.scaffolder.authoring.trial import run_trial

        return asyncio.run(run_trial(Path(file), values, registry=_registry(request.config), **options))

    return run


def _registry(config: pytest.Config) -> "ActionRegistry":
    from understage.scaffolder.actions import ActionRegistry

    if REGISTRY not in config.stash:
        config.stash[REGISTRY] = ActionRegistry.from_entry_points()
    return config.stash[REGISTRY]
