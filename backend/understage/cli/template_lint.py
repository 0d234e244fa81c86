"""`understage template lint`: finds the templates, validates them with their files, prints as `understage catalog validate`."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from understage.app.validation import Report, ValidationOptions, validate
from understage.catalog.validation.targets import SKIPPED_FOLDERS
from understage.cli.output_form import OutputForm
from understage.cli.validation import print_report
from understage.config.settings import read_settings
from understage.config.sources import Configuration
from understage.errors import InputError, NotFoundError
from understage.model.template import API_VERSION
from understage.platform.logging import configure_logging

SUFFIXES = (".yaml", ".yml", ".json")
# As it stands at the start of a line; a file that is rendered may be a template, too, but has expressions in such places.
MARK = API_VERSION.encode()


def run_lint(paths: Sequence[Path], form: OutputForm, *, strict: bool) -> int:
    """Print what is wrong; returns the exit code."""
    configure_logging(json=False, level="error")
    return print_report(lambda: _lint(paths), form, strict=strict)


def find_templates(paths: Sequence[Path]) -> list[Path]:
    """The files that are named, and the templates below the folders, each once.

    Raises NotFoundError for a path that leads nowhere, InputError for a folder without templates.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = list(_templates_below(path))
            if not inside:
                raise InputError(
                    f"there is no template below {path}: a YAML file with {API_VERSION} and kind: Template"
                )
            found |= dict.fromkeys(inside)
        elif path.is_file():
            found[path] = None
        else:
            raise NotFoundError(f"{path} does not exist")
    return list(found)


def _lint(paths: Sequence[Path]) -> Report:
    files = [str(file) for file in find_templates(paths)]
    configuration = Configuration({})
    options = ValidationOptions(with_rules=False, skeletons=True)
    return asyncio.run(validate(files, configuration, read_settings(configuration), Path.cwd(), options))


def _templates_below(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS and not name.startswith("."))
        for name in sorted(files):
            path = Path(here) / name
            if name.endswith(SUFFIXES) and path.is_file() and _is_template(path.read_bytes()):
                yield path


def _is_template(content: bytes) -> bool:
    lines = {line.strip().strip(b",").replace(b'"', b"").replace(b"'", b"") for line in content.splitlines()}
    return b"apiVersion: " + MARK in lines and b"kind: Template" in lines
