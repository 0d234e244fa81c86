"""`understage catalog validate`: reads the configuration, validates, prints, and says by the exit code how it went.

`understage template lint` prints by it, too.
"""

import asyncio
import dataclasses
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from understage.app.validation import Report, ValidationOptions, validate
from understage.catalog.validation.finding import Finding
from understage.catalog.validation.targets import STANDARD_INPUT
from understage.cli.configuration import read_configuration
from understage.cli.console import fail, take_any_text
from understage.cli.findings import print_json, print_text, print_workflow_commands
from understage.cli.output_form import OutputForm
from understage.cli.sarif import print_sarif
from understage.config.settings import read_settings
from understage.config.sources import Configuration
from understage.errors import UnderstageError
from understage.model.yaml import MAX_BYTES
from understage.platform.logging import configure_logging

FINE, WRONG, FAILED = 0, 1, 2
CONFIGURATION = "app-config.yaml"
PRINTERS = {
    OutputForm.text: print_text,
    OutputForm.json: print_json,
    OutputForm.sarif: print_sarif,
    OutputForm.github: print_workflow_commands,
}


@dataclass(frozen=True)
class Command:
    """The command line."""

    paths: Sequence[str]
    config: Sequence[Path]
    form: OutputForm
    strict: bool = False
    references: bool = False
    against: str | None = None
    token: str | None = None


def run_validation(command: Command) -> int:
    """Print what is wrong; returns the exit code."""
    # What the ingestion logs are the findings, once more.
    configure_logging(json=False, level="error")
    return print_report(lambda: _validate(command), command.form, strict=command.strict)


def print_report(find: Callable[[], Report], form: OutputForm, *, strict: bool) -> int:
    """Print the report that `find` makes; returns the exit code. `strict` takes warnings for errors."""
    take_any_text()
    try:
        report = find()
    except UnderstageError as error:
        fail(error.message)
        return FAILED
    findings = [_strictly(found) if strict else found for found in report.findings]
    report = dataclasses.replace(report, findings=findings)
    PRINTERS[form](report, Path.cwd())
    return WRONG if any(found.level == "error" for found in findings) else FINE


def _validate(command: Command) -> Report:
    configured = bool(command.config) or Path(CONFIGURATION).is_file()
    configuration = read_configuration(command.config) if configured else Configuration({})
    options = ValidationOptions(
        references=command.references,
        against=command.against,
        token=command.token,
        with_rules=configured,
        text=sys.stdin.buffer.read(MAX_BYTES + 1) if STANDARD_INPUT in command.paths else None,
    )
    settings = read_settings(configuration)
    return asyncio.run(validate(command.paths, configuration, settings, Path.cwd(), options))


def _strictly(finding: Finding) -> Finding:
    return dataclasses.replace(finding, level="error")
