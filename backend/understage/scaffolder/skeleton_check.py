"""What `fetch:template` would lose or stumble over in the files that it renders. Called by `understage template lint`.

Files see `values` only: `${{ secrets.X }}` of a GitHub workflow, or a name that was meant for a step, renders as nothing, and the
repository that comes out is broken in silence. Only folders and files beside the template are looked at.
"""

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

from understage.errors import Position
from understage.model.entity import Entity
from understage.model.yaml_position import line_at
from understage.scaffolder.template_check import has_expression
from understage.scaffolder.template_names import KNOWN_FILTERS, unknown_callables
from understage.sdk import compile_glob
from understage.templating import TemplateError
from understage.templating.analysis import BUILT_IN_NAMES, Use, Uses, find_uses, missing_parts

FOLDER_ACTIONS = ("fetch:template",)
FILE_ACTIONS = ("fetch:template:file",)
# https://docs.github.com/en/actions/reference/workflows-and-actions/contexts
GITHUB_CONTEXTS = frozenset(
    ("github", "env", "vars", "job", "jobs", "steps", "runner", "secrets", "strategy", "matrix", "needs", "inputs")
)
GITHUB_FUNCTIONS = frozenset(
    [
        "success",
        "always",
        "cancelled",
        "failure",
        "hashFiles",
        "contains",
        "startsWith",
        "endsWith",
        "format",
        "toJSON",
        "fromJSON",
        "join",
    ]
)
LONGEST = 4 * 1024 * 1024
_EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)
_LENGTH_OF_SHELL = re.compile(r"\$\{#.*?(?:#\}|\Z)", re.DOTALL)
Level = Literal["error", "warning"]


@dataclass(frozen=True)
class SkeletonProblem:
    """`rule` is the id of the check; a problem of a file's name has no position in it. `file` is a location, `file:/…`."""

    rule: str
    level: Level
    message: str
    file: str
    position: Position | None


@dataclass(frozen=True)
class Rendering:
    """How one step renders: by which delimiters, with which `values` (None: known at run time only), from which files.

    `extension`: only files of that suffix are rendered. `plain`: globs of what is copied.
    """

    root: str
    start: str
    values: frozenset[str] | None
    extension: str | None
    plain: Sequence[str]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Rendering":
        """That of a step's input."""
        is_compatible = given.get("cookiecutterCompat") is True
        values, chosen = given.get("values"), given.get("templateFileExtension")
        suffix = ".njk" if chosen is True else chosen if isinstance(chosen, str) else ""
        plain = given.get("copyWithoutTemplating")
        return cls(
            "cookiecutter" if is_compatible else "values",
            "{{" if is_compatible else "${{",
            None if has_expression(values) and isinstance(values, str) else frozenset(values or ()),
            (suffix if suffix.startswith(".") else f".{suffix}") if suffix else None,
            [glob_ for glob_ in plain if isinstance(glob_, str)] if isinstance(plain, list) else (),
        )

    def of_name(self, file: Path) -> Iterator[SkeletonProblem]:
        """What is wrong with the name of a file or folder."""
        for level, kind, message, _, _ in self._found(file.name):
            yield SkeletonProblem(
                f"skeleton-{kind}", level, f"in the name {file.name}: {message}", f"file:{file}", None
            )

    def of_text(self, file: Path, text: str) -> Iterator[SkeletonProblem]:
        """What is wrong with the text of a file."""
        for level, kind, message, line, column in self._found(text):
            position = Position(f"file:{file}", line, column, line_at(text, line, column))
            yield SkeletonProblem(f"skeleton-{kind}", level, message, position.file, position)

    def _found(self, text: str) -> Iterator[tuple[Level, str, str, int, int]]:
        lengths = list(_LENGTH_OF_SHELL.finditer(text))
        for match in lengths:
            line, column = _place(text, match.start())
            message = f"{{# begins a comment, and {_short(match[0])} would vanish. {KEEP}"
            yield "error", "name", message, line, column
        try:
            uses = find_uses(text, variable_start=self.start)
        except TemplateError as error:
            if lengths and "comment" in error.reason:
                return
            construct = error.construct or ""
            advice = f" {KEEP}" if _is_of_github(construct) or error.reason.startswith("Unterminated") else ""
            where = f" in {construct}" if construct else ""
            yield "error", "expression", f"{error.reason}{where}.{advice}", error.line or 1, error.column or 1
            return
        yield from self._of_uses(uses)

    def _of_uses(self, uses: Uses) -> Iterator[tuple[Level, str, str, int, int]]:
        filters = KNOWN_FILTERS | ({"jsonify"} if self.root == "cookiecutter" else set())
        for use in [*uses.filters, *uses.unknown_tests, *(name for name in uses.names if name.is_called)]:
            one = Uses(
                names=[use] if use.is_called else [],
                filters=[use] if use in uses.filters else [],
                unknown_tests=[use] if use in uses.unknown_tests else [],
            )
            for problem in unknown_callables(one, filters, BUILT_IN_NAMES):
                advice = f". {KEEP}" if use.is_called and use.name[0] in GITHUB_FUNCTIONS else ""
                yield "error", "expression", f"{problem.message}{advice}", use.line, use.column
        for use in uses.names:
            if use.name[0] != self.root and not use.is_called and use.name[0] not in BUILT_IN_NAMES:
                yield "error", "name", self._vanishes(use), use.line, use.column
        known = {} if self.values is None else {self.root: self.values}
        for use in missing_parts(uses.names, known):
            message = f"{self.root}.{use.name[1]} is not among the step's `values`: {use.construct} renders as nothing"
            yield "warning", "name", message, use.line, use.column

    def _vanishes(self, use: Use) -> str:
        name = ".".join(use.name)
        if use.name[0] in GITHUB_CONTEXTS:
            return f"{use.construct} would vanish: {name} is GitHub's, and files know `{self.root}` only. {KEEP}"
        return (
            f"{use.construct} would vanish: files know `{self.root}` only. Pass it in the step's `values` and write "
            f"{self.root}.{use.name[-1]}"
        )


KEEP = (
    "To keep it as it is, list the file in copyWithoutTemplating, or write {% raw %} before and {% endraw %} behind it"
)


def skeleton_problems(template: Entity, file: Path) -> Iterator[SkeletonProblem]:
    """What is wrong with the files that a template, read from `file`, has rendered; each problem once."""
    seen: set[SkeletonProblem] = set()
    for step in template["spec"]["steps"]:
        given = step.get("input")
        if not isinstance(given, dict) or not isinstance(given.get("url"), str):
            continue
        for problem in _step_problems(step["action"], given, file.parent):
            if problem not in seen:
                seen.add(problem)
                yield problem


def _step_problems(action: str, given: Mapping[str, Any], folder: Path) -> Iterator[SkeletonProblem]:
    rendering = Rendering.of(given)
    if action in FOLDER_ACTIONS:
        for source in _sources(given["url"], folder):
            if source.is_dir():
                yield from _folder_problems(rendering, source)
    elif action in FILE_ACTIONS:
        for source in _sources(given["url"], folder):
            if source.is_file() and (text := _read(source)) is not None:
                yield from rendering.of_text(source, text)


def _folder_problems(rendering: Rendering, source: Path) -> Iterator[SkeletonProblem]:
    patterns = [compile_glob(pattern, dot=True) for pattern in rendering.plain]
    for path, relative in _entries(source):
        yield from rendering.of_name(path)
        if path.is_dir() or path.is_symlink():
            continue
        if rendering.extension is not None and path.suffix != rendering.extension:
            continue
        ways = [PurePosixPath(relative), *PurePosixPath(relative).parents][:-1]
        if any(pattern.fullmatch(str(way)) for pattern in patterns for way in ways):
            continue
        if (text := _read(path)) is not None:
            yield from rendering.of_text(path, text)


def _sources(url: str, folder: Path) -> list[Path]:
    """What a URL relative to the template may lead to: an expression in it stands for any name."""
    if urlsplit(_EXPRESSION.sub("", url)).scheme:
        return []
    pattern = "*".join(map(glob.escape, _EXPRESSION.split(url)))
    return [Path(os.path.normpath(folder / found)) for found in sorted(glob.glob(pattern, root_dir=folder))]  # noqa: PTH207


def _entries(source: Path) -> Iterator[tuple[Path, str]]:
    for here, folders, files in os.walk(source):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in [*folders, *sorted(files)]:
            path = Path(here) / name
            yield path, path.relative_to(source).as_posix()


def _read(file: Path) -> str | None:
    """The text, None for what is copied as it is: a binary file; and what is longer than a template may be."""
    if file.stat().st_size > LONGEST:
        return None
    content = file.read_bytes()
    try:
        return None if b"\0" in content[:8000] else content.decode()
    except UnicodeDecodeError:
        return None


def _is_of_github(construct: str) -> bool:
    return any(re.search(rf"\b{name}\b", construct) for name in GITHUB_CONTEXTS | GITHUB_FUNCTIONS)


def _place(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _short(text: str) -> str:
    line = text.splitlines()[0]
    return line if len(line) <= 60 else f"{line[:60]}…"
