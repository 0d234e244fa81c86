"""What pyproject.toml declares is what the code imports, no more and no less, and each from a tested version on."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OWN = {"understage", "understage_actions", "tests"}

# Imported by another library, which is told to by the text that follows.
LOADED_BY_NAME = {"httptools": "uvicorn.protocols.http.httptools_impl"}
# Commands and plugins, which nothing imports.
# Nobody imports them: sqlmodel is of the release before, which tests/store/previous_release.py runs.
TOOLS = {"import-linter", "mypy", "pytest-timeout", "ruff", "sqlmodel", "types-pyyaml"}

INSTALLED = packages_distributions()


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: Iterable[str]) -> set[str]:
    return {normal(re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0]) for requirement in requirements}


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def imported_modules(source: Path) -> Iterator[tuple[str, ...]]:
    """Each imported module, as the names it may have: `from a import b` imports `a.b` or `a`."""
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name,) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((f"{node.module}.{alias.name}", node.module) for alias in node.names)


@cache
def files(name: str) -> frozenset[str]:
    return frozenset(str(file) for file in distribution(name).files or ())


@cache
def distribution_of(candidates: tuple[str, ...]) -> str | None:
    """The distribution that installs the first of these modules that there is; None for Python's own and the project's."""
    top = candidates[0].partition(".")[0]
    if top in sys.stdlib_module_names or top in OWN:
        return None
    installed = sorted(set(INSTALLED.get(top, ())))
    if len(installed) == 1:
        return normal(installed[0])
    for module in candidates:  # several distributions share the package, as those of OpenTelemetry do
        path = module.replace(".", "/")
        for name in installed:
            if files(name) & {f"{path}.py", f"{path}/__init__.py"}:
                return normal(name)
    raise AssertionError(f"{candidates[-1]} is imported, but no installed distribution has it")


@cache
def imported(*folders: str) -> dict[str, str]:
    """The imported distributions, each with one file that imports it."""
    found: dict[str, str] = {}
    for source in sources(*folders):
        for candidates in imported_modules(source):
            if name := distribution_of(candidates):
                found.setdefault(name, str(source.relative_to(ROOT)))
    return found


DECLARED = names(PROJECT["project"]["dependencies"])
EXTRAS = {extra: names(needed) for extra, needed in PROJECT["project"]["optional-dependencies"].items()}
OPTIONAL = set().union(*EXTRAS.values())
# fsspec loads the client of an address's scheme.
LOADED_BY_SCHEME = {"s3fs", "gcsfs", "adlfs"}
FOR_DEVELOPMENT = names(PROJECT["dependency-groups"]["dev"])


def test_the_product_imports_what_it_declares() -> None:
    undeclared = {
        name: file for name, file in imported("backend", "actions").items() if name not in DECLARED | OPTIONAL
    }
    assert undeclared == {}


def test_the_product_declares_what_it_imports() -> None:
    assert DECLARED - imported("backend", "actions").keys() == LOADED_BY_NAME.keys()
    assert OPTIONAL - imported("backend", "actions").keys() == LOADED_BY_SCHEME


@pytest.mark.parametrize("name", LOADED_BY_NAME)
def test_what_is_loaded_by_name_is_named(name: str) -> None:
    assert any(LOADED_BY_NAME[name] in source.read_text("utf-8") for source in sources("backend"))


def test_the_tests_import_what_is_declared() -> None:
    undeclared = {name: file for name, file in imported("tests").items() if name not in DECLARED | FOR_DEVELOPMENT}
    assert undeclared == {}


def test_nothing_is_declared_for_tests_only_that_they_do_not_need() -> None:
    assert FOR_DEVELOPMENT - imported("tests").keys() == TOOLS
    assert DECLARED.isdisjoint(FOR_DEVELOPMENT)


@pytest.mark.parametrize("requirement", [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]])
def test_every_requirement_has_a_lower_bound(requirement: str) -> None:
    assert re.search(r">=\d", requirement), f"{requirement}: say from which version on it was tested"
